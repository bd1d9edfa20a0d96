// SPDX-License-Identifier: GPL-2.0-or-later
/* Two threads that wait to be killed. */
#include <pthread.h>
#include <unistd.h>

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

int main(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_for_ever, NULL))
		return 1;
	wait_for_ever(NULL);
	return 0;
}
