/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Times getppid() calls one by one and writes "minimum median mean" to the file named by the first
 * argument. In a guest whose clock counts instructions (qemu -icount shift=0), the time stamp
 * counter counts instructions too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WARM_UP 200
#define CALLS 2000

static unsigned long long samples[CALLS];

static inline unsigned long long stamp(void)
{
	unsigned int low, high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (unsigned long long)high << 32 | low;
}

static inline long call(void)
{
	long result = SYS_getppid;

	__asm__ volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
	return result;
}

static int compare(const void *a, const void *b)
{
	const unsigned long long *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
	unsigned long long sum = 0;
	FILE *out;
	int i;

	for (i = 0; i < WARM_UP; i++)
		call();
	for (i = 0; i < CALLS; i++) {
		unsigned long long start = stamp();

		call();
		samples[i] = stamp() - start;
	}
	for (i = 0; i < CALLS; i++)
		sum += samples[i];
	qsort(samples, CALLS, sizeof(samples[0]), compare);
	out = argc > 1 ? fopen(argv[1], "w") : stdout;
	if (!out)
		return 1;
	fprintf(out, "%llu %llu %llu\n", samples[0], samples[CALLS / 2], sum / CALLS);
	return fclose(out) != 0;
}
