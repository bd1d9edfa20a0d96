// SPDX-License-Identifier: GPL-2.0-or-later
/* getppid.c - calls getppid() N times and says how many cycles one call takes. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 1000, i;
	unsigned long long begin, best = ~0ull, total = 0;

	for (i = 0; i < n; i++) {
		_mm_lfence();
		begin = __rdtsc();
		syscall(SYS_getppid);
		_mm_lfence();
		begin = __rdtsc() - begin;
		total += begin;
		if (begin < best)
			best = begin;
	}
	if (argc > 2)
		printf("%s: min %llu mean %llu\n", argv[2], best, total / n);
	return 0;
}
