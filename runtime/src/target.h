/* SPDX-License-Identifier: GPL-2.0-or-later */
/* target.h - which processes a probe in user space is meant for. */
#ifndef RST_TARGET_H
#define RST_TARGET_H

struct inode;

/*
 * The file of a program, as rst_runs_file() knows it; to be put. 0 or a negative
 * errno. NULL: any program, and no file.
 */
int rst_find_program(const char *path, struct inode **inode);

/* By the probe's pid, else by -c and -x; any process when neither is given. */
bool rst_is_target(const struct rst_probe *probe);
/* Whether the current process runs this file; NULL: any. */
bool rst_runs_file(const struct inode *inode);

#endif /* RST_TARGET_H */
