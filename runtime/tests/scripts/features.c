// SPDX-License-Identifier: GPL-2.0-or-later
/* perf, procfs, user-space, netfilter, process and breakpoint probes, each counting its hits. */
#include "common.h"

static int64_t samples, uprobes, returns, packets, begins, ends, syscalls, sysreturns, writes, calls;
static char written[64];
static unsigned int written_length;

static void sample(struct rst_context *c) { samples++; }
static void uprobe(struct rst_context *c) { uprobes += c->user_mode && c->regs != NULL; }
static void uretprobe(struct rst_context *c) { returns += c->is_return; }
static void packet(struct rst_context *c) { packets += c->arguments[4] == 1; }
static void task_begin(struct rst_context *c) { begins++; }
static void task_end(struct rst_context *c) { ends++; }
static void task_syscall(struct rst_context *c) { syscalls++; }
static void task_sysreturn(struct rst_context *c) { sysreturns++; }
static void data_written(struct rst_context *c) { writes++; }

static void proc_read(struct rst_context *c)
{
	rst_put(c->procfs_output, "was: ", 5);
	rst_put(c->procfs_output, written, written_length);
	rst_put(c->procfs_output, "\n", 1);
}

static void proc_write(struct rst_context *c)
{
	written_length = c->procfs_value.length < 64 ? c->procfs_value.length : 64;
	__builtin_memcpy(written, c->procfs_value.text, written_length);
}

static void loops(struct rst_context *c)
{
	calls++;
	rst_fail(c, "MAXACTION exceeded", "near keyword at test.stp:9:9");
}

static void end(struct rst_context *c)
{
	rst_printf(c, "samples %d uprobes %d returns %d packets %d begins %d ends %d syscalls %d/%d writes %d calls %d\n",
		   samples > 0, (int)uprobes, (int)returns, packets > 0, (int)begins, (int)ends,
		   syscalls > 0, sysreturns > 0, writes > 0, (int)calls);
}

static struct rst_probe probes[] = {
	{ .kind = RST_PROBE_PERF, .name = "perf.sw.cpu_clock", .handler = sample, .perf_type = 1,
	  .perf_config = 0, .perf_period = 1000000 },
	{ .kind = RST_PROBE_PERF, .name = "perf.hw.cycles", .handler = sample, .perf_type = 0,
	  .perf_config = 0, .perf_period = 1000000 },
	{ .kind = RST_PROBE_USER, .name = "process(\"/getppid\").function(\"main\")",
	  .handler = uprobe, .path = "/getppid", .offset = MAIN },
	{ .kind = RST_PROBE_USER_RETURN, .name = "process(\"/getppid\").function(\"main\").return",
	  .handler = uretprobe, .path = "/getppid", .offset = MAIN },
	{ .kind = RST_PROBE_USER, .name = "process(\"/nothing\")", .handler = uprobe,
	  .path = "/nothing", .offset = 0 },
	{ .kind = RST_PROBE_NETFILTER, .name = "netfilter", .handler = packet, .netfilter_hook = 1,
	  .netfilter_family = 2 },
	{ .kind = RST_PROBE_TASK, .name = "process(\"/getppid\").begin", .handler = task_begin,
	  .path = "/getppid", .task_event = RST_TASK_BEGIN },
	{ .kind = RST_PROBE_TASK, .name = "process(\"/getppid\").end", .handler = task_end,
	  .path = "/getppid", .task_event = RST_TASK_END },
	{ .kind = RST_PROBE_SYSCALL, .name = "process.syscall", .handler = task_syscall,
	  .path = "/getppid", .task_event = RST_TASK_SYSCALL },
	{ .kind = RST_PROBE_SYSCALL, .name = "process.syscall.return", .handler = task_sysreturn,
	  .path = "/getppid", .task_event = RST_TASK_SYSCALL_RETURN },
	{ .kind = RST_PROBE_BREAKPOINT, .name = "kernel.data(\"jiffies\").write",
	  .handler = data_written, .breakpoint_length = 8, .offset = JIFFIES },
	{ .kind = RST_PROBE_PROCFS_READ, .name = "procfs(\"dir/value\").read", .handler = proc_read,
	  .path = "dir/value" },
	{ .kind = RST_PROBE_PROCFS_WRITE, .name = "procfs(\"dir/value\").write",
	  .handler = proc_write, .path = "dir/value" },
	{ .kind = RST_PROBE_FUNCTION, .name = "getppid", .handler = loops, .offset = GETPPID },
	{ .kind = RST_PROBE_END, .name = "end", .handler = end },
	{ .kind = RST_PROBE_ERROR, .name = "error", .handler = end },
};

struct rst_script rst_script = { SCRIPT(probes), .maximum_errors = 10 };
