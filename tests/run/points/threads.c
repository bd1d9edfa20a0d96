// SPDX-License-Identifier: GPL-2.0-or-later
/* Three threads, and one line of output. */
#include <pthread.h>
#include <unistd.h>

static void *idle(void *unused)
{
	return unused;
}

int main(void)
{
	pthread_t threads[3];
	int i;

	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, idle, NULL);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return write(1, "hello\n", 6) != 6;
}
