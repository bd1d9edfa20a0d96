// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * namespace.c - the namespaces in which the ns_ functions of scripts give IDs:
 * those of staprun -N PID, else those of staprun. The IDs themselves are read
 * by the library, carefully: a script may name any address as a task.
 */
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/task.h>
#include <linux/user_namespace.h>

#include "runtime.h"
#include "transport.h"

static struct pid_namespace *target_pids;
static struct user_namespace *target_users;

void rst_namespace_forget(void)
{
	if (target_pids)
		put_pid_ns(target_pids);
	if (target_users)
		put_user_ns(target_users);
	target_pids = NULL;
	target_users = NULL;
}

int64_t rst_global_pid(int64_t number)
{
	struct pid *pid = number > 0 && number <= INT_MAX ? find_get_pid(number) : NULL;

	if (pid)
		number = pid_nr(pid);
	put_pid(pid);
	return number;
}

static int take_from(struct task_struct *task)
{
	rst_namespace_forget();
	rcu_read_lock();
	/* none for a process that has just ended */
	if (task_active_pid_ns(task)) {
		target_pids = get_pid_ns(task_active_pid_ns(task));
		target_users = get_user_ns(__task_cred(task)->user_ns);
	}
	rcu_read_unlock();
	return target_pids ? 0 : -ESRCH;
}

int rst_namespace_learn(int64_t number)
{
	struct pid *pid = number > 0 && number <= INT_MAX ? find_get_pid(number) : NULL;
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);
	int error = -ESRCH;

	put_pid(pid);
	if (task) {
		error = take_from(task);
		put_task_struct(task);
	}
	return error;
}

int rst_namespace_default(void)
{
	return target_pids ? 0 : take_from(current);
}

uint64_t rst_pid_namespace(void)
{
	return (unsigned long)target_pids;
}

uint64_t rst_user_namespace(void)
{
	return (unsigned long)target_users;
}
