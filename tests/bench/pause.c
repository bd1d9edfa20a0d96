/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a process is held up while probes come and go: it has the highest priority, wakes up
 * every 100 microseconds, and does a few system calls and calls of functions of its own. When it
 * gets SIGTERM it writes "wake-up call rounds" to the file named by the first argument: the longest
 * that a wake-up came late and that the calls took, in nanoseconds, and the number of rounds. In a
 * guest with qemu -icount shift=0 a nanosecond is an instruction.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PERIOD		100000
#define WARM_UP		50

/* A thousand functions to probe. */
#define FUNCTION(name)	__attribute__((noinline)) int name(int n) { __asm__ volatile(""); return n + 1; }
#define TEN(name)	FUNCTION(name##0) FUNCTION(name##1) FUNCTION(name##2) FUNCTION(name##3) \
			FUNCTION(name##4) FUNCTION(name##5) FUNCTION(name##6) FUNCTION(name##7) \
			FUNCTION(name##8) FUNCTION(name##9)
#define HUNDRED(name)	TEN(name##0) TEN(name##1) TEN(name##2) TEN(name##3) TEN(name##4) \
			TEN(name##5) TEN(name##6) TEN(name##7) TEN(name##8) TEN(name##9)
HUNDRED(own_0) HUNDRED(own_1) HUNDRED(own_2) HUNDRED(own_3) HUNDRED(own_4)
HUNDRED(own_5) HUNDRED(own_6) HUNDRED(own_7) HUNDRED(own_8) HUNDRED(own_9)

static volatile sig_atomic_t is_done;

static void stop(int number)
{
	is_done = number;
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void calls(void)
{
	char entries[1024];
	struct stat facts;
	int file = open("/proc/self", O_RDONLY | O_DIRECTORY);

	fstat(file, &facts);
	syscall(SYS_getdents64, file, entries, sizeof(entries));
	close(file);
	own_000(own_500(own_999(0)));
}

int main(int argc, char **argv)
{
	struct sched_param priority = { .sched_priority = 50 };
	long long next, late = 0, longest = 0, rounds = 0;
	FILE *out;

	if (argc != 2 || mlockall(MCL_CURRENT | MCL_FUTURE) || sched_setscheduler(0, SCHED_FIFO, &priority))
		return 1;
	signal(SIGTERM, stop);
	for (next = now(); !is_done; rounds++) {
		struct timespec t;
		long long woken, ended;

		next += PERIOD;
		t.tv_sec = next / 1000000000;
		t.tv_nsec = next % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		woken = now();
		calls();
		ended = now();
		if (rounds >= WARM_UP && woken - next > late)
			late = woken - next;
		if (rounds >= WARM_UP && ended - woken > longest)
			longest = ended - woken;
		if (ended > next)
			next = ended;
	}
	out = fopen(argv[1], "w");
	if (!out)
		return 1;
	fprintf(out, "%lld %lld %lld\n", late, longest, rounds);
	return fclose(out) != 0;
}
