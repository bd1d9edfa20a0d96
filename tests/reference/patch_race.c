/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * patch_race SECONDS: does this emulator notice when one CPU patches the code that another one
 * executes? CPU 0 has the kernel put calls into some thousand functions and take them out again,
 * with its own function tracer and nothing of ours; CPU 1 calls those functions. When CPU 1 does
 * nothing more for four seconds, that is reported, and the status is 1.
 *
 *     gcc -O1 -static -o patch_race patch_race.c
 *     rstap-lab run --threads -- $PWD/patch_race 300
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing/"
#define SWITCH "/proc/sys/kernel/ftrace_enabled"
#define WORKERS 2

static const char *const functions[] = {
	"vfs_*", "do_*", "*page*", "*file*", "*path*", "lookup*", "*pipe*", "*seq_*", "proc_*",
	"*alloc*", "*fd*", "*mmap*", "*vma*", "*dentry*", "*inode*",
};

static volatile long *rounds;

static void put(const char *path, const char *text, int flags)
{
	int file = open(path, O_WRONLY | flags);

	if (file < 0 || write(file, text, strlen(text)) < 0) {
		perror(path);
		exit(2);
	}
	close(file);
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void work(int worker)
{
	char buffer[4096] = "", *area;
	int file, ends[2];

	run_on(1);
	for (;;) {
		file = open("/proc/self/stat", O_RDONLY);
		if (read(file, buffer, sizeof(buffer)) < 0 || pipe(ends))
			_exit(1);
		close(file);
		if (write(ends[1], buffer, 16) != 16 || read(ends[0], buffer, 16) != 16)
			_exit(1);
		close(ends[0]);
		close(ends[1]);
		sched_yield();
		area = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*area = 1;
		munmap(area, 8192);
		rounds[worker]++;
	}
}

static long all_rounds(void)
{
	long sum = 0;
	int i;

	for (i = 0; i < WORKERS; i++)
		sum += rounds[i];
	return sum;
}

static int goes_on(void)
{
	struct timespec pause = { .tv_nsec = 2000000 };
	long before = all_rounds();
	int i;

	for (i = 0; i < 2000; i++) {
		if (all_rounds() != before)
			return 1;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 60);
	pid_t workers[WORKERS];
	int i, on = 1, times = 0, stuck = 0;

	rounds = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	put(TRACING "tracing_on", "0", 0);
	put(TRACING "set_ftrace_filter", "", O_TRUNC);
	for (i = 0; i < (int)(sizeof(functions) / sizeof(functions[0])); i++)
		put(TRACING "set_ftrace_filter", functions[i], O_APPEND);
	put(TRACING "current_tracer", "function", 0);
	for (i = 0; i < WORKERS; i++) {
		workers[i] = fork();
		if (workers[i] == 0)
			work(i);
	}
	run_on(0);
	while (!stuck && time(NULL) < end) {
		on = !on;
		put(SWITCH, on ? "1" : "0", 0);
		times++;
		stuck = !goes_on();
	}
	printf("%s after %d times of patching and %ld rounds of work\n", stuck ? "STUCK" : "fine", times,
	       all_rounds());
	if (stuck)
		return 1;
	for (i = 0; i < WORKERS; i++)
		kill(workers[i], SIGKILL);
	put(SWITCH, "1", 0);
	put(TRACING "current_tracer", "nop", 0);
	put(TRACING "set_ftrace_filter", "", O_TRUNC);
	return 0;
}
