// SPDX-License-Identifier: GPL-2.0-or-later
/* Four processes take turns on one CPU, each with its number at the same address, and another's behind it if all goes wrong. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	time_t end = time(NULL) + 2;
	cpu_set_t first;
	volatile int *page;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	sched_setaffinity(0, sizeof(first), &first);
	fork();
	fork();
	page = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	page[0] = getpid();
	while (time(NULL) < end)
		sched_yield();
	if (page[1] && page[1] != page[0])
		printf("written by another process\n");
	while (wait(NULL) > 0)
		;
	return 0;
}
