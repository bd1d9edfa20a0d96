// SPDX-License-Identifier: GPL-2.0-or-later
/* cost.c - the rows of the cost table, one by CASE (1 to 7), on sys_enter or getppid. */
#include "common.h"

static int64_t n;
static struct rst_lock lock;
static struct rst_map *map;
static struct rst_stat_variable *stat;

static void handler(struct rst_context *c)
{
#if CASE == 1 || CASE == 3
	rst_lock(&lock);
	n++;
	rst_unlock(&lock);
#elif CASE == 2
	rst_lock(&lock);
	n += (int64_t)rst_return_register(c) > 0;
	rst_unlock(&lock);
#elif CASE == 4
	rst_stat_add(c, stat, rst_pid());
#elif CASE == 5
	struct rst_string name = rst_execname(c);
	struct rst_key key = rst_key_begin(c, 1, 1, name.length);
	struct rst_node *node;

	rst_key_string(&key, name);
	rst_key_long(&key, rst_pid());
	rst_lock(&lock);
	node = rst_map_insert(c, map, key);
	if (node)
		++*rst_node_long(node);
	rst_unlock(&lock);
#elif CASE == 6
	struct rst_string name = rst_execname(c);
	struct rst_key key = rst_key_begin(c, 0, 1, name.length);

	rst_key_string(&key, name);
	rst_stat_map_add(c, map, key, rst_pid());
#else
	rst_put_string(&c->output, rst_execname(c));
	rst_put(&c->output, " ", 1);
	rst_put_decimal(&c->output, rst_pid());
	rst_put(&c->output, "\n", 1);
#endif
}

#if CASE == 2
static struct rst_probe probes[] = { { .kind = RST_PROBE_RETURN, .name = "return",
				       .handler = handler, .offset = GETPPID } };
#elif CASE == 1
static struct rst_probe probes[] = { { .kind = RST_PROBE_FUNCTION, .name = "function",
				       .handler = handler, .offset = GETPPID } };
#else
static void traced(void *data, void *regs, long id)
{
	struct rst_context *c = rst_probe_enter(data);

	if (!c)
		return;
	c->arguments[0] = (uint64_t)regs;
	c->arguments[1] = id;
	handler(c);
	rst_probe_leave(c, c->probe->index);
}

static struct rst_probe probes[] = { { .kind = RST_PROBE_TRACEPOINT, .name = "trace",
				       .handler = handler, .tracepoint = "sys_enter",
				       .tracepoint_function = traced } };
#endif

static struct rst_map_spec maps[] = {
	{ .name = "map", .map = &map, .key_count = CASE == 5 ? 2 : 1,
	  .key_types = { RST_STRING, RST_LONG }, .value_type = CASE == 5 ? RST_LONG : RST_STAT,
	  .maximum_entries = 2048 },
};

static struct rst_stat_variable_spec stats[] = { { .name = "stat", .variable = &stat } };

struct rst_script rst_script = { SCRIPT(probes), .maps = maps, .map_count = 1, .stats = stats,
				 .stat_count = 1 };
