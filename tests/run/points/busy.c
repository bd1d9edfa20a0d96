// SPDX-License-Identifier: GPL-2.0-or-later
/* Uses the CPU, in the first thread and in another. */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

volatile long sink;

__attribute__((noinline)) void *work(void *unused)
{
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	do {
		int i;

		for (i = 0; i < 100000; i++)
			sink += i;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - end.tv_sec) * 1000000000l + now.tv_nsec - end.tv_nsec < 200000000);
	return unused;
}

static void *late(void *unused)
{
	/* until it is known */
	usleep(300000);
	return work(unused);
}

int main(void)
{
	pthread_t thread;

	work(NULL);
	if (pthread_create(&thread, NULL, late, NULL))
		return 1;
	return pthread_join(thread, NULL) != 0;
}
