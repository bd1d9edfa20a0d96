/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compat.h - the one place with kernel differences. Stable kernels change
 * prototypes between point releases, so nothing here asks for a version: Kbuild
 * looks into the kernel's headers and defines RST_HAVE_... for what it finds.
 * Both the old form and the new are looked for, so that a kernel with a third
 * is told by the name of what it lacks.
 */
#ifndef RST_COMPAT_H
#define RST_COMPAT_H

#include <linux/ftrace.h>
#include <linux/hrtimer.h>
#include <linux/kprobes.h>
#include <linux/proc_fs.h>
#include <linux/timer.h>
#include <linux/uprobes.h>

/* Where a CPU keeps its current task: three places since 6.2 */
static inline unsigned long rst_current_task_address(void)
{
#if defined(RST_HAVE_PCPU_HOT)
	return (unsigned long)&pcpu_hot.current_task;
#elif defined(RST_HAVE_CURRENT_TASK)
	return (unsigned long)&current_task;
#else
#error "asm/current.h has neither pcpu_hot nor current_task: where is the current task?"
#endif
}

/* proc: PDE_DATA became pde_data in 5.17 */
#if defined(RST_HAVE_PDE_DATA_UPPER) && !defined(RST_HAVE_PDE_DATA_LOWER)
#define pde_data PDE_DATA
#elif !defined(RST_HAVE_PDE_DATA_LOWER)
#error "linux/proc_fs.h has neither pde_data() nor PDE_DATA()"
#endif

/* hrtimer_setup() replaced hrtimer_init() in 6.13 */
static inline void rst_hrtimer_setup(struct hrtimer *timer,
				     enum hrtimer_restart (*function)(struct hrtimer *),
				     clockid_t clock, enum hrtimer_mode mode)
{
#ifdef RST_HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, function, clock, mode);
#elif defined(RST_HAVE_HRTIMER_INIT)
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#else
#error "linux/hrtimer.h has neither hrtimer_setup() nor hrtimer_init()"
#endif
}

/* ftrace callbacks: pt_regs until 5.10, ftrace_regs from 5.11 */
#ifdef RST_HAVE_FTRACE_REGS
typedef struct ftrace_regs rst_ftrace_regs;
static __always_inline struct pt_regs *rst_ftrace_get_regs(rst_ftrace_regs *regs)
{
	return ftrace_get_regs(regs);
}
#else
typedef struct pt_regs rst_ftrace_regs;
static __always_inline struct pt_regs *rst_ftrace_get_regs(rst_ftrace_regs *regs)
{
	return regs;
}
#endif

/*
 * Our callback protects itself against recursion: 5.10 wants to be told so,
 * later kernels want to be told the opposite.
 */
#ifdef RST_HAVE_FTRACE_RECURSION_SAFE
#define RST_FTRACE_SELF_PROTECTED FTRACE_OPS_FL_RECURSION_SAFE
#else
#define RST_FTRACE_SELF_PROTECTED 0
#endif

/* `reset`: these instead of those that were there, else these too. */
static inline int rst_ftrace_set_filter_ips(struct ftrace_ops *ops, unsigned long *ips,
					    unsigned int count, bool reset)
{
#ifdef RST_HAVE_FTRACE_FILTER_IPS
	return ftrace_set_filter_ips(ops, ips, count, 0, reset);
#else
	return -EOPNOTSUPP;
#endif
}

static inline void rst_ftrace_free_filter(struct ftrace_ops *ops)
{
#ifdef RST_HAVE_FTRACE_FILTER_IPS
	ftrace_free_filter(ops);
#else
	ftrace_set_filter(ops, NULL, 0, 1);
#endif
}

/* kretprobe_instance: accessors came with 5.15's rethook preparation */
static __always_inline struct kretprobe *rst_get_kretprobe(struct kretprobe_instance *instance)
{
#ifdef RST_HAVE_GET_KRETPROBE
	return get_kretprobe(instance);
#else
	return instance->rp;
#endif
}

static __always_inline unsigned long rst_get_kretprobe_caller(struct kretprobe_instance *instance)
{
#ifdef RST_HAVE_GET_KRETPROBE_RETADDR
	return get_kretprobe_retaddr(instance);
#else
	return (unsigned long)instance->ret_addr;
#endif
}

/*
 * What stands in the kernel's stack at slot, unless return probes hide it: each
 * keeps what it found there, so the first of them has it. 5.10 keeps that where
 * no module can look.
 */
static inline unsigned long rst_kernel_return_address(unsigned long slot, unsigned long found)
{
#ifdef CONFIG_RETHOOK
	const struct llist_node *node;

	for (node = current->rethooks.first; node; node = node->next) {
		const struct rethook_node *hook =
			container_of(node, const struct rethook_node, llist);

		if (hook->frame == slot)
			found = hook->ret_addr;
	}
#endif
	return found;
}

/* uprobes: a handle instead of the inode, and removal in two steps, since 6.12; data since 6.13 */
#ifdef RST_HAVE_UPROBE_DATA
#define RST_UPROBE_DATA , __u64 *data
#else
#define RST_UPROBE_DATA
#endif

static inline int rst_uprobe_register(struct uprobe **handle, struct inode *inode, loff_t offset,
				      loff_t reference_counter, struct uprobe_consumer *consumer)
{
#if defined(RST_HAVE_UPROBE_NOSYNC)
	*handle = uprobe_register(inode, offset, reference_counter, consumer);
	return IS_ERR(*handle) ? PTR_ERR(*handle) : 0;
#elif defined(RST_HAVE_UPROBE_REFCTR)
	if (reference_counter)
		return uprobe_register_refctr(inode, offset, reference_counter, consumer);
	return uprobe_register(inode, offset, consumer);
#else
#error "linux/uprobes.h has neither uprobe_unregister_nosync() nor uprobe_register_refctr()"
#endif
}

/* Handlers may run until rst_uprobe_wait() is done. */
static inline void rst_uprobe_unregister(struct uprobe *handle, struct inode *inode, loff_t offset,
					 struct uprobe_consumer *consumer)
{
#ifdef RST_HAVE_UPROBE_NOSYNC
	uprobe_unregister_nosync(handle, consumer);
#else
	uprobe_unregister(inode, offset, consumer);
#endif
}

/*
 * Before 6.12 a process that hits a probe waits while this one is being removed, and the first of
 * many removals waits for a grace period, ten milliseconds and more. Let that be the removal of a
 * probe at the file's header, which no process is given.
 */
#ifdef RST_HAVE_UPROBE_NOSYNC
static inline void rst_uprobe_before_unregister(struct inode *inode)
{
}
#else
static inline int rst_uprobe_ignore(struct uprobe_consumer *consumer, struct pt_regs *regs)
{
	return 0;
}

static inline bool rst_uprobe_nowhere(struct uprobe_consumer *consumer, enum uprobe_filter_ctx context,
			       struct mm_struct *mm)
{
	return false;
}

static inline void rst_uprobe_before_unregister(struct inode *inode)
{
	struct uprobe_consumer nobody = {
		.handler = rst_uprobe_ignore,
		.filter = rst_uprobe_nowhere,
	};

	if (!uprobe_register(inode, 0, &nobody))
		uprobe_unregister(inode, 0, &nobody);
}
#endif

static inline void rst_uprobe_wait(void)
{
#ifdef RST_HAVE_UPROBE_NOSYNC
	uprobe_unregister_sync();
#endif
}

/* 6.4: parts of a module by what they are for, instead of one layout. */
static inline unsigned int rst_module_text(const struct module *module)
{
#ifdef RST_HAVE_MODULE_MEMORY
	return module->mem[MOD_TEXT].size;
#else
	return module->core_layout.text_size;
#endif
}

static inline unsigned int rst_module_data(const struct module *module)
{
#ifdef RST_HAVE_MODULE_MEMORY
	return module->mem[MOD_DATA].size + module->mem[MOD_RODATA].size +
	       module->mem[MOD_RO_AFTER_INIT].size;
#else
	return module->core_layout.size - module->core_layout.text_size;
#endif
}

#endif /* RST_COMPAT_H */
