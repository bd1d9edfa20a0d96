// SPDX-License-Identifier: GPL-2.0-or-later
/* probe begin { println("hello") exit() }  probe end { printf("bye %d\n", 42) } */
#include "rstap.h"

static void begin(struct rst_context *c)
{
	rst_put(&c->output, "hello\n", 6);
	rst_exit(c);
}

static void end(struct rst_context *c)
{
	rst_put(&c->output, "bye ", 4);
	rst_put_decimal(&c->output, 42);
	rst_put(&c->output, "\n", 1);
}

static struct rst_probe probes[] = {
	{ .kind = RST_PROBE_BEGIN, .name = "begin", .handler = begin },
	{ .kind = RST_PROBE_END, .name = "end", .handler = end },
};

struct rst_script rst_script = {
	.interface_version = RST_INTERFACE_VERSION,
	.name = "hello.stp",
	.probes = probes,
	.probe_count = 2,
	.string_size = 512,
	.scratch_size = 8192,
	.maximum_actions = 10000,
	.maximum_nesting = 10,
	.maximum_skipped = 100,
	.minimum_stack = 1024,
	.overload_interval = 1000000000,
	.overload_threshold = 500000000,
};
