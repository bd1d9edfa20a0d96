// SPDX-License-Identifier: GPL-2.0-or-later
/* exits N THREADS: N processes one after the other, each with so many threads more that end at the same moment. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_barrier_t together;

static void *end(void *unused)
{
	pthread_barrier_wait(&together);
	return unused;
}

int main(int count, char **words)
{
	int rounds = count > 1 ? atoi(words[1]) : 1, threads = count > 2 ? atoi(words[2]) : 1;

	while (rounds--) {
		if (fork() == 0) {
			pthread_t thread;

			pthread_barrier_init(&together, NULL, threads + 1);
			for (int i = 0; i < threads; i++)
				if (pthread_create(&thread, NULL, end, NULL))
					return 1;
			pthread_barrier_wait(&together);
			pthread_exit(NULL);
		}
		wait(NULL);
	}
	return 0;
}
