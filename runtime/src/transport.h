/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transport.h - output buffers, beyond what handlers use. */
#ifndef RST_TRANSPORT_H
#define RST_TRANSPORT_H

/* Full buffers drop the oldest output instead of the newest (flight recorder). */
void rst_transport_overwrite(bool on);
uint64_t rst_control_lost(void);
int rst_timezone_learn(int64_t seconds_east, const char *name);
int rst_remote_learn(uint64_t index, const char *uri);
/* namespaces of this process, whose number is one of the caller's namespace */
int rst_namespace_learn(int64_t pid);
/* those of the caller, if none are known */
int rst_namespace_default(void);
/* the number outside of all namespaces, as pid() gives it, of the caller's process of that number */
int64_t rst_global_pid(int64_t number);
void rst_namespace_forget(void);

#endif /* RST_TRANSPORT_H */
