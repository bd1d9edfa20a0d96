// SPDX-License-Identifier: GPL-2.0-or-later
/* task.c - who is running. */
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/loadavg.h>
#include <linux/sched/signal.h>
#include <linux/uidgid.h>

#include "runtime.h"

int64_t rst_loadavg(int64_t index)
{
	return index >= 0 && index < 3 ? READ_ONCE(avenrun[index]) : -1;
}

int64_t rst_ppid(void)
{
	struct task_struct *parent;
	int64_t pid;

	rcu_read_lock_sched_notrace();
	parent = rcu_dereference_raw(current->real_parent);
	pid = parent ? parent->tgid : 0;
	rcu_read_unlock_sched_notrace();
	return pid;
}

int64_t rst_uid(void)
{
	return __kuid_val(current_uid());
}

int64_t rst_euid(void)
{
	return __kuid_val(current_euid());
}

int64_t rst_gid(void)
{
	return __kgid_val(current_gid());
}

int64_t rst_egid(void)
{
	return __kgid_val(current_egid());
}

/* Interrupts are off, so RCU cannot free what signal->pids points to. */
static int64_t id_of(enum pid_type type)
{
	struct pid *pid = current->signal ? rcu_dereference_raw(current->signal->pids[type]) : NULL;

	return pid ? pid->numbers[0].nr : 0;
}

int64_t rst_pgrp(void)
{
	return id_of(PIDTYPE_PGID);
}

int64_t rst_sid(void)
{
	return id_of(PIDTYPE_SID);
}

/*
 * RCU lists only: safe wherever a handler runs. The task may end before its
 * address is used; reads of its memory survive that.
 */
uint64_t rst_pid_to_task(int64_t pid)
{
	struct task_struct *task;

	/* an idle CPU that RCU does not watch cannot keep what it finds */
	if (pid <= 0 || pid > INT_MAX || !rcu_is_watching())
		return 0;
	rcu_read_lock();
	task = pid_task(find_pid_ns(pid, &init_pid_ns), PIDTYPE_PID);
	rcu_read_unlock();
	return (unsigned long)task;
}

int64_t rst_target(void)
{
	return rst_target_pid;
}

int64_t rst_module_name_copy(char *buffer, unsigned int size)
{
	return strscpy(buffer, THIS_MODULE->name, size);
}

struct rst_string rst_module_name(struct rst_context *c)
{
	return (struct rst_string){ .text = THIS_MODULE->name, .length = strlen(THIS_MODULE->name) };
}
