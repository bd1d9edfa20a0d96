/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transport.h - output buffers, beyond what handlers use. */
#ifndef RST_TRANSPORT_H
#define RST_TRANSPORT_H

/* Full buffers drop the oldest output instead of the newest (flight recorder). */
void rst_transport_overwrite(bool on);
uint64_t rst_control_lost(void);
int rst_timezone_learn(int64_t seconds_east, const char *name);
int rst_remote_learn(uint64_t index, const char *uri);

#endif /* RST_TRANSPORT_H */
