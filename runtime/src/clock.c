// SPDX-License-Identifier: GPL-2.0-or-later
/* clock.c - time, random numbers; the fast clocks are safe in an NMI. */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched/clock.h>
#include <linux/timekeeping.h>
#include <linux/timex.h>

#include "runtime.h"
#include "transport.h"

static int64_t zone_seconds_east;
static char zone_name[64] = "UTC";
static int64_t remote_index;
static char remote_uri[256];

int64_t rst_gettimeofday_ns(void)
{
	return ktime_get_real_fast_ns();
}

int64_t rst_monotonic_ns(void)
{
	return ktime_get_mono_fast_ns();
}

int64_t rst_cpu_clock_ns(int64_t cpu)
{
	return cpu >= 0 && cpu < nr_cpu_ids && cpu_possible(cpu) ? sched_clock_cpu(cpu) : 0;
}

int64_t rst_cycles(void)
{
	return get_cycles();
}

int64_t rst_jiffies(void)
{
	return jiffies;
}

int64_t rst_hz(void)
{
	return HZ;
}

/* splitmix64 over a per-CPU state: no lock, unlike the kernel's generator */
uint64_t rst_random(void)
{
	struct rst_cpu *cpu = this_cpu_ptr(rst_cpus);
	uint64_t z = cpu->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

int rst_timezone_learn(int64_t seconds_east, const char *name)
{
	zone_seconds_east = seconds_east;
	snprintf(zone_name, sizeof(zone_name), "%s", name);
	return 0;
}

int rst_remote_learn(uint64_t index, const char *uri)
{
	remote_index = index;
	snprintf(remote_uri, sizeof(remote_uri), "%s", uri);
	return 0;
}

int64_t rst_timezone_offset(void)
{
	return zone_seconds_east;
}

struct rst_string rst_timezone_name(struct rst_context *c)
{
	return (struct rst_string){ .text = zone_name, .length = strlen(zone_name) };
}

int64_t rst_remote_id(void)
{
	return remote_index;
}

struct rst_string rst_remote_uri(struct rst_context *c)
{
	return (struct rst_string){ .text = remote_uri, .length = strlen(remote_uri) };
}
