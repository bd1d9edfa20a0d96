// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * all_probes.c - one half of the runtime as one unit: every file of it needs the
 * kernel's headers, which take ten times as long to read as a file's own text.
 * The other half, all_data.c, is compiled at the same time. Static names are
 * unique over all files.
 */
#include "main.c"
#include "session.c"
#include "context.c"
#include "condition.c"
#include "module.c"
#include "control.c"
#include "clock.c"
#include "task.c"
#include "target.c"
#include "probe_begin.c"
#include "probe_ftrace.c"
#include "probe_kprobe.c"
#include "probe_return.c"
#include "probe_tracepoint.c"
#include "probe_timer.c"
#include "probe_perf.c"
#include "probe_procfs.c"
#include "probe_uprobe.c"
#include "probe_netfilter.c"
#include "probe_task.c"
