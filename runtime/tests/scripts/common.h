/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common.h - what the hand-written scripts repeat. */
#include "rstap.h"

#define PUT(c, text) rst_put(&(c)->output, text, sizeof(text) - 1)

#define SCRIPT(list)							\
	.interface_version = RST_INTERFACE_VERSION,			\
	.name = "test.stp",						\
	.probes = list,							\
	.probe_count = sizeof(list) / sizeof((list)[0]),		\
	.string_size = 512,						\
	.scratch_size = 16384,						\
	.maximum_actions = 10000,					\
	.maximum_nesting = 10,						\
	.maximum_skipped = 100,						\
	.minimum_stack = 1024,						\
	.maximum_backtrace = 20,					\
	.overload_interval = 1000000000,				\
	.overload_threshold = 500000000
