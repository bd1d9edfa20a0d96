// SPDX-License-Identifier: GPL-2.0-or-later
/* A hundred threads that wait for a line of input, then each take thirty milliseconds of a CPU. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define THREADS 100

static pthread_barrier_t begun, told;

static void *run(void *unused)
{
	struct timespec used;

	pthread_barrier_wait(&begun);
	pthread_barrier_wait(&told);
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	while (!used.tv_sec && used.tv_nsec < 30000000);
	return unused;
}

int main(void)
{
	pthread_t threads[THREADS];

	pthread_barrier_init(&begun, NULL, THREADS + 1);
	pthread_barrier_init(&told, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, run, NULL))
			return 1;
	pthread_barrier_wait(&begun);
	puts("begun");
	fflush(stdout);
	getchar();
	pthread_barrier_wait(&told);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
