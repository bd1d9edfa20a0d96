// SPDX-License-Identifier: GPL-2.0-or-later
/* probe kernel.trace("sys_enter") { if ($id == 110) printf("%d %s a line of output\n", n++, execname()) } */
#include "common.h"

static int64_t n;

static void traced(void *data, void *regs, long id)
{
	struct rst_context *c;

	/* getppid only: the reader's own calls would feed themselves */
	if (id != 110)
		return;
	c = rst_probe_enter(data);
	if (c)
		rst_probe_run(c);
}

static void handler(struct rst_context *c)
{
	rst_put_decimal(&c->output, __atomic_add_fetch(&n, 1, __ATOMIC_RELAXED));
	PUT(c, " ");
	rst_put_string(&c->output, rst_execname(c));
	PUT(c, " a line of output\n");
}

static struct rst_probe probes[] = {
	{ .kind = RST_PROBE_TRACEPOINT, .name = "kernel.trace(\"sys_enter\")", .handler = handler,
	  .tracepoint = "sys_enter", .tracepoint_function = traced },
};

struct rst_script rst_script = { SCRIPT(probes), .overload_interval = 0 };
