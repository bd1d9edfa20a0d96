/* SPDX-License-Identifier: GPL-2.0-or-later */
/* target.h - which processes a probe in user space is meant for. */
#ifndef RST_TARGET_H
#define RST_TARGET_H

#include <linux/path.h>

struct dentry;
struct inode;

/* A program's file: its inode alone would not keep the file system from being unmounted. */
struct rst_file {
	struct inode *inode;
	struct path path;
};

/*
 * By name, in process context; `inode_of` tells which inode of an overlay is meant. 0 or -errno;
 * without an inode there is nothing to close, though it may be done. Name NULL: any program, no file.
 */
int rst_file_open(struct rst_file *file, const char *name,
		  struct inode *(*inode_of)(const struct dentry *));
void rst_file_close(struct rst_file *file);
/* Where the file is mapped from: the layer below an overlay. */
struct inode *rst_mapped_inode(const struct dentry *dentry);
/* What a process that runs the file has open (mm->exe_file): an overlay's own. */
struct inode *rst_program_inode(const struct dentry *dentry);

/* By the probe's pid, else by -c and -x; any process when neither is given. */
bool rst_is_target(const struct rst_probe *probe);
/* Whether the current process runs this file; NULL: any. */
bool rst_runs_file(const struct inode *inode);

#endif /* RST_TARGET_H */
