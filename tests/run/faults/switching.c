// SPDX-License-Identifier: GPL-2.0-or-later
/* Four processes take turns on one CPU, each with its number at the same address, and another's behind it if all goes wrong. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TURNS 500

static long turns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nivcsw + usage.ru_nvcsw;
}

int main(void)
{
	/* a machine that stands still for seconds must not end it before they took turns */
	time_t latest = time(NULL) + 30;
	pid_t first = getpid();
	cpu_set_t cpus;
	volatile int *page, *done;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fork();
	fork();
	page = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	page[0] = getpid();
	while (!*done) {
		sched_yield();
		if (getpid() == first)
			*done = turns() > TURNS || time(NULL) > latest;
	}
	if (page[1] && page[1] != page[0])
		printf("written by another process\n");
	while (wait(NULL) > 0)
		;
	return 0;
}
