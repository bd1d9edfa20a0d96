// SPDX-License-Identifier: GPL-2.0-or-later
/* target.c - which files and processes a probe in user space is meant for. */
#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/namei.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "runtime.h"
#include "target.h"

#define ANCESTORS_MAXIMUM 64

struct inode *rst_mapped_inode(const struct dentry *dentry)
{
	return d_real_inode(dentry);
}

struct inode *rst_program_inode(const struct dentry *dentry)
{
	return d_backing_inode(dentry);
}

int rst_file_open(struct rst_file *file, const char *name,
		  struct inode *(*inode_of)(const struct dentry *))
{
	struct path path;
	int error;

	if (!name)
		return 0;
	error = kern_path(name, LOOKUP_FOLLOW, &path);
	if (error)
		return error;
	file->inode = igrab(inode_of(path.dentry));
	if (!file->inode) {
		path_put(&path);
		return -ENOENT;
	}
	file->path = path;
	return 0;
}

void rst_file_close(struct rst_file *file)
{
	if (!file->inode)
		return;
	iput(file->inode);
	file->inode = NULL;
	path_put(&file->path);
}

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
