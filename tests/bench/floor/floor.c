// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The least that each of the kernel's hooks costs: a handler that increments one per-CPU counter.
 * insmod floor.ko mode=ftrace|kprobe|kretprobe|tracepoint
 */
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/version.h>

#define TARGET "__x64_sys_getppid"

static char *mode = "ftrace";
module_param(mode, charp, 0444);

static DEFINE_PER_CPU(unsigned long, hits);

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
/* Callbacks got their own register type in 5.11, and a flag changed its sense. */
#define FTRACE_FLAGS (FTRACE_OPS_FL_RECURSION_SAFE | FTRACE_OPS_FL_SAVE_REGS)
static void notrace on_function(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
				struct pt_regs *regs)
#else
#define FTRACE_FLAGS FTRACE_OPS_FL_SAVE_REGS
static void notrace on_function(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
				struct ftrace_regs *regs)
#endif
{
	this_cpu_inc(hits);
}

static struct ftrace_ops function_hook = {
	.func = on_function,
	.flags = FTRACE_FLAGS,
};

static int on_kprobe(struct kprobe *probe, struct pt_regs *regs)
{
	this_cpu_inc(hits);
	return 0;
}

static struct kprobe entry_probe = {
	.symbol_name = TARGET,
	.pre_handler = on_kprobe,
};

static int on_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	this_cpu_inc(hits);
	return 0;
}

static struct kretprobe return_probe = {
	.kp.symbol_name = TARGET,
	.handler = on_return,
};

static void on_tracepoint(void *data, struct pt_regs *regs, long id)
{
	this_cpu_inc(hits);
}

static struct tracepoint *sys_enter;

static void find_tracepoint(struct tracepoint *point, void *data)
{
	if (!strcmp(point->name, "sys_enter"))
		sys_enter = point;
}

static int __init floor_init(void)
{
	unsigned long address;
	int error;

	if (!strcmp(mode, "kprobe"))
		return register_kprobe(&entry_probe);
	if (!strcmp(mode, "kretprobe"))
		return register_kretprobe(&return_probe);
	if (!strcmp(mode, "tracepoint")) {
		for_each_kernel_tracepoint(find_tracepoint, NULL);
		if (!sys_enter)
			return -ENOENT;
		return tracepoint_probe_register(sys_enter, on_tracepoint, NULL);
	}
	/*
	 * By address, as the name can be one of several aliases; a kprobe that is not armed knows
	 * the address.
	 */
	entry_probe.flags = KPROBE_FLAG_DISABLED;
	error = register_kprobe(&entry_probe);
	if (error)
		return error;
	address = (unsigned long)entry_probe.addr;
	unregister_kprobe(&entry_probe);
	error = ftrace_set_filter_ip(&function_hook, address, 0, 1);
	if (error)
		return error;
	return register_ftrace_function(&function_hook);
}

static void __exit floor_exit(void)
{
	if (!strcmp(mode, "kprobe")) {
		unregister_kprobe(&entry_probe);
	} else if (!strcmp(mode, "kretprobe")) {
		unregister_kretprobe(&return_probe);
	} else if (!strcmp(mode, "tracepoint")) {
		tracepoint_probe_unregister(sys_enter, on_tracepoint, NULL);
		tracepoint_synchronize_unregister();
	} else {
		unregister_ftrace_function(&function_hook);
	}
}

module_init(floor_init);
module_exit(floor_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Costs of the kernel's bare hooks");
