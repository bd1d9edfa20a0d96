// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * global calls, rets, names, sizes, ticks, switches
 * probe kernel.function("__x64_sys_getppid") { calls++ }
 * probe kernel.function("__x64_sys_getppid").return { rets += $return > 0 }
 * probe kernel.function("vfs_read") { names[execname(), pid()]++  sizes[execname()] <<< $count }
 * probe kernel.trace("sched_switch") { switches <<< pid() }
 * probe timer.ms(100) { ticks++ }
 * probe timer.jiffies(10) { jticks++ }
 * probe end { prints all }
 */
#include "common.h"

static int64_t calls, rets, ticks, jticks, kprobes;
static struct rst_lock calls_lock, rets_lock, names_lock;
static struct rst_map *names, *sizes;
static struct rst_stat_variable *switches;
static struct rst_probe probes[];
static const struct rst_stat_spec log_spec = { .histogram = RST_HISTOGRAM_LOG, .needs_variance = 1 };

static void function(struct rst_context *c)
{
	rst_lock(&calls_lock);
	calls++;
	rst_unlock(&calls_lock);
}

static void returned(struct rst_context *c)
{
	rst_lock(&rets_lock);
	rets += (int64_t)rst_return_register(c) > 0 && c->saved[0] == 77;
	rst_unlock(&rets_lock);
}

static void entered(struct rst_context *c)
{
	c->saved[0] = 77;
}

static void kprobed(struct rst_context *c)
{
	kprobes++;
}

static void read_entry(struct rst_context *c)
{
	char *mark = rst_scratch_mark(c);
	struct rst_string name = rst_execname(c);
	struct rst_key key = rst_key_begin(c, 1, 1, name.length);
	struct rst_node *node;
	struct rst_key key2;

	rst_key_string(&key, name);
	rst_key_long(&key, rst_pid());
	rst_lock(&names_lock);
	node = rst_map_insert(c, names, key);
	if (node)
		++*rst_node_long(node);
	rst_unlock(&names_lock);
	key2 = rst_key_begin(c, 0, 1, name.length);
	rst_key_string(&key2, name);
	rst_stat_map_add(c, sizes, key2, rst_register(c, 1));
	rst_scratch_release(c, mark);
}

static void switched(void *data, bool preempt, void *previous, void *next, unsigned int state)
{
	struct rst_context *c = rst_probe_enter(data);

	if (!c)
		return;
	c->arguments[0] = (uint64_t)previous;
	rst_probe_run(c);
}

static void on_switch(struct rst_context *c)
{
	rst_stat_add(c, switches, rst_pid());
}

static void tick(struct rst_context *c)
{
	ticks++;
	PUT(c, "tick ");
	rst_put_decimal(&c->output, ticks);
	PUT(c, "\n");
}

static void jtick(struct rst_context *c)
{
	jticks++;
}

static void begin(struct rst_context *c)
{
	struct rst_output o = rst_string_output(c);

	rst_put_number(&o, -42, 'd', RST_PRINT_ZERO, 8, -1);
	rst_put(&o, "|", 1);
	rst_put_number(&o, 255, 'x', RST_PRINT_ALTERNATE, 10, -1);
	rst_put(&o, "|", 1);
	rst_put_padded(&o, (struct rst_string)RST_LITERAL("abc"), RST_PRINT_LEFT, 6, -1);
	rst_put(&o, "|", 1);
	rst_put_character(&o, '\n', RST_PRINT_ALTERNATE, -1);
	rst_put_string(&c->output, rst_string_finish(c, &o));
	PUT(c, "\n");
	rst_warn(c, (struct rst_string)RST_LITERAL("a warning"));
	rst_log(c, (struct rst_string)RST_LITERAL("a log"));
	rst_printk(c, 6, (struct rst_string)RST_LITERAL("rstap printk"));
	/* wild reads are soft errors that can be caught */
	rst_read_kernel(c, 0xffff900000000000, 8);
	rst_put_string(&c->output, rst_catch(c));
	PUT(c, "\n");
	rst_read_kernel(c, 0x1234567890123456, 4);
	rst_put_string(&c->output, rst_catch(c));
	PUT(c, "\n");
	rst_read_user(c, 16, 4);
	rst_put_string(&c->output, rst_catch(c));
	PUT(c, "\n");
	rst_kernel_string(c, rst_relocate(c, NULL, NULL, 0), 5);
	rst_put_string(&c->output, rst_symbol(c, rst_relocate(c, NULL, NULL, 0), 3));
	PUT(c, "\n");
	rst_print_backtrace(c);
	rst_put_string(&c->output, rst_backtrace(c, 0));
	PUT(c, "\n");
}

static void end(struct rst_context *c)
{
	struct rst_iteration how = { .sort_by = RST_SORT_VALUE, .direction = -1, .limit = 3 };
	struct rst_iterator *it;
	struct rst_node *node;
	const struct rst_stat *s;

	rst_printf(c, "calls %d rets %d kprobes %d ticks %d jticks>0 %d\n", (int)calls, (int)rets,
		   (int)(kprobes > 0), (int)ticks, jticks > 0);
	it = rst_iterator_begin(c, names, &how);
	while (it && (node = rst_iterator_next(it))) {
		rst_put_string(&c->output, rst_node_key_string(c, names, node, 0));
		PUT(c, " ");
		rst_put_decimal(&c->output, rst_node_key_long(names, node, 1));
		PUT(c, " ");
		rst_put_decimal(&c->output, *rst_node_long(node));
		PUT(c, "\n");
	}
	if (it)
		rst_iterator_end(it);
	how.limit = -1;
	it = rst_iterator_begin(c, sizes, &how);
	while (it && (node = rst_iterator_next(it))) {
		s = rst_node_stat(c, sizes, node);
		rst_put_string(&c->output, rst_node_key_string(c, sizes, node, 0));
		rst_printf(c, " count %ld sum %ld min %ld max %ld avg %ld\n", (long)s->count,
			   (long)s->sum, (long)s->minimum, (long)s->maximum, (long)s->average);
		rst_put_histogram(&c->output, s, &log_spec);
	}
	if (it)
		rst_iterator_end(it);
	s = rst_stat_get(c, switches);
	rst_printf(c, "switches>0 %d\n", s->count > 0);
	rst_failf(c, "near operator '/' at test.stp:1:2", "division by %d", 0);
	rst_fail_called_from(c, "near identifier 'f' at test.stp:3:4");
}

static struct rst_probe probes[] = {
	{ .kind = RST_PROBE_BEGIN, .name = "begin", .handler = begin },
	{ .kind = RST_PROBE_END, .name = "end", .handler = end },
	{ .kind = RST_PROBE_FUNCTION, .name = "kernel.function(\"__x64_sys_getppid\")",
	  .handler = function, .offset = GETPPID },
	{ .kind = RST_PROBE_FUNCTION, .name = "kernel.function(\"__x64_sys_getppid\") again",
	  .handler = kprobed, .offset = GETPPID },
	{ .kind = RST_PROBE_RETURN, .name = "kernel.function(\"__x64_sys_getppid\").return",
	  .handler = returned, .entry_handler = entered, .saved_size = 8, .offset = GETPPID },
	{ .kind = RST_PROBE_FUNCTION, .name = "kernel.function(\"vfs_read\")",
	  .handler = read_entry, .offset = VFS_READ, .needs_regs = 1 },
	{ .kind = RST_PROBE_ADDRESS, .name = "kernel.statement(\"vfs_write\")",
	  .handler = kprobed, .symbol = "vfs_write", .is_absolute = 1, .needs_regs = 1 },
	{ .kind = RST_PROBE_ADDRESS, .name = "kprobe.nothing", .is_optional = 0,
	  .handler = kprobed, .symbol = "no_such_function", .is_absolute = 1, .needs_regs = 1 },
	{ .kind = RST_PROBE_TRACEPOINT, .name = "kernel.trace(\"sched_switch\")",
	  .handler = on_switch, .tracepoint = "sched_switch", .tracepoint_function = switched },
	{ .kind = RST_PROBE_TIMER, .name = "timer.ms(100)", .handler = tick,
	  .interval_ns = 100000000 },
	{ .kind = RST_PROBE_JIFFIES, .name = "timer.jiffies(10)", .handler = jtick,
	  .interval_ns = 10, .randomize_ns = 2 },
};

static struct rst_map_spec maps[] = {
	{ .name = "names", .map = &names, .key_count = 2, .key_types = { RST_STRING, RST_LONG },
	  .value_type = RST_LONG, .maximum_entries = 2048 },
	{ .name = "sizes", .map = &sizes, .key_count = 1, .key_types = { RST_STRING },
	  .value_type = RST_STAT, .maximum_entries = 256,
	  .stat = { .histogram = RST_HISTOGRAM_LOG, .needs_variance = 1 } },
};

static struct rst_stat_variable_spec stats[] = {
	{ .name = "switches", .variable = &switches },
};

struct rst_script rst_script = { SCRIPT(probes), .maps = maps, .map_count = 2, .stats = stats,
				 .stat_count = 1, .maximum_errors = 5 };
