// SPDX-License-Identifier: GPL-2.0-or-later
/* Two variables: one is written five times, the last time by a thread, the other read three times. */
#include <pthread.h>

volatile long watched;
volatile int looked_at = 7;

static void *write_it(void *unused)
{
	watched = 5;
	return NULL;
}

int main(void)
{
	pthread_t thread;

	for (int i = 1; i <= 4; i++)
		watched = i;
	for (int i = 0; i < 3; i++)
		(void)looked_at;
	if (pthread_create(&thread, NULL, write_it, NULL))
		return 1;
	return pthread_join(thread, NULL);
}
