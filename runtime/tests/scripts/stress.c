// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes on what the runtime itself uses and on what runs everywhere, printing
 * and walking stacks: a recursion must be skipped and counted, never crash.
 * ADDRESSES is a list of offsets from _stext, PROBE what every one becomes.
 */
#include "common.h"

static int64_t hits;
static struct rst_lock lock;
static struct rst_map *map;

static void handler(struct rst_context *c)
{
	struct rst_string name = rst_execname(c);
	struct rst_key key = rst_key_begin(c, 1, 1, name.length);

	rst_key_string(&key, name);
	rst_key_long(&key, c->address);
	rst_stat_map_add(c, map, key, rst_gettimeofday_ns() & 0xffff);
	rst_lock(&lock);
	hits++;
	rst_unlock(&lock);
	if (hits % 64 == 0) {
		rst_put_string(&c->output, name);
		rst_print_backtrace(c);
		rst_read_user(c, c->regs ? c->regs->di : 0, 8);
		rst_catch(c);
		rst_read_kernel(c, c->regs ? c->regs->si : 0, 8);
		rst_catch(c);
	}
}

static void end(struct rst_context *c)
{
	rst_printf(c, "hits>0 %d\n", hits > 0);
}

#define PROBE(o) { KIND, .name = "stress " #o, .handler = handler, .offset = o },
static struct rst_probe probes[] = {
#include ADDRESSES
	{ .kind = RST_PROBE_END, .name = "end", .handler = end },
};

static struct rst_map_spec maps[] = {
	{ .name = "map", .map = &map, .key_count = 2, .key_types = { RST_STRING, RST_LONG },
	  .value_type = RST_STAT, .maximum_entries = 256, .wrap = 1 },
};

struct rst_script rst_script = { SCRIPT(probes), .maps = maps, .map_count = 1,
				 .maximum_errors = 1000000 };
