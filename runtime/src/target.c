// SPDX-License-Identifier: GPL-2.0-or-later
/* target.c - which processes a probe in user space is meant for. */
#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/namei.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "runtime.h"
#include "target.h"

#define ANCESTORS_MAXIMUM 64

/* -c and -x mean the process and what descends from it. */
static bool descends_from(int64_t target)
{
	struct task_struct *task;
	bool found = false;
	int depth;

	rcu_read_lock();
	task = current;
	for (depth = 0; depth < ANCESTORS_MAXIMUM && task && task->tgid > 1; depth++) {
		if (task->tgid == target) {
			found = true;
			break;
		}
		task = rcu_dereference(task->real_parent);
	}
	rcu_read_unlock();
	return found;
}

bool rst_is_target(const struct rst_probe *probe)
{
	if (probe->pid)
		return current->tgid == probe->pid;
	return !rst_target_pid || descends_from(rst_target_pid);
}

int rst_find_program(const char *name, struct inode **inode)
{
	struct path path;
	int error;

	*inode = NULL;
	if (!name)
		return 0;
	error = kern_path(name, LOOKUP_FOLLOW, &path);
	if (error)
		return error;
	/* an overlay's own: the program's file is open there (mm->exe_file) */
	*inode = igrab(d_backing_inode(path.dentry));
	path_put(&path);
	return *inode ? 0 : -ENOENT;
}

bool rst_runs_file(const struct inode *inode)
{
	struct file *file;
	bool same = false;

	if (!inode)
		return true;
	if (!current->mm)
		return false;
	rcu_read_lock();
	file = rcu_dereference(current->mm->exe_file);
	if (file)
		same = file_inode(file) == inode;
	rcu_read_unlock();
	return same;
}
