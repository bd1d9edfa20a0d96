// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * latency STAPRUN MODULE: how long a line takes from its probe to the end of the
 * loader's pipe when nothing else happens, and what arrives of the lines of two busy
 * CPUs. The module prints the time, in nanoseconds, of each getppid() of this program.
 *
 * Prints: MEDIAN MAXIMUM (of LINES, in microseconds) MADE ARRIVED MILLISECONDS
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINES	101
#define CPUS	2
#define CALLS	200000

static FILE *output;
static char line[64];

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static pid_t start(char **words)
{
	int ends[2];
	pid_t loader;

	if (pipe(ends))
		exit(2);
	loader = fork();
	if (!loader) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execlp(words[1], words[1], "--summary=json", words[2], (char *)NULL);
		exit(2);
	}
	close(ends[1]);
	output = fdopen(ends[0], "r");
	setvbuf(output, NULL, _IOLBF, 1 << 16);
	return loader;
}

static void wait_until_armed(void)
{
	struct pollfd poller = { .fd = fileno(output), .events = POLLIN };

	do
		syscall(SYS_getppid);
	while (poll(&poller, 1, 100) <= 0);
	while (poll(&poller, 1, 200) > 0)
		if (!fgets(line, sizeof(line), output))
			exit(2);
}

static int compare(const void *a, const void *b)
{
	long long first = *(const long long *)a, second = *(const long long *)b;

	return first < second ? -1 : first > second;
}

static void idle(void)
{
	long long times[LINES];
	int i;

	for (i = 0; i < LINES; i++) {
		usleep(20000);
		syscall(SYS_getppid);
		if (!fgets(line, sizeof(line), output))
			exit(2);
		times[i] = now() - atoll(line);
	}
	qsort(times, LINES, sizeof(times[0]), compare);
	printf("%lld %lld ", times[LINES / 2] / 1000, times[LINES - 1] / 1000);
}

/* Runs until all that was printed has been read or lost. */
static void busy(pid_t loader)
{
	long long begun = now(), arrived = 0, taken;
	pid_t controller = fork();
	int i;

	if (!controller) {
		fclose(stdout);
		for (i = 0; i < CPUS; i++) {
			if (!fork()) {
				cpu_set_t set;
				int call;

				CPU_ZERO(&set);
				CPU_SET(i, &set);
				sched_setaffinity(0, sizeof(set), &set);
				for (call = 0; call < CALLS; call++)
					syscall(SYS_getppid);
				_exit(0);
			}
		}
		while (wait(NULL) > 0)
			;
		kill(loader, SIGINT);
		_exit(0);
	}
	while (fgets(line, sizeof(line), output))
		if (atoll(line) >= begun)
			arrived++;
	taken = (atoll(line) - begun) / 1000000;
	while (wait(NULL) > 0)
		;
	printf("%d %lld %lld\n", CPUS * CALLS, arrived, taken);
}

int main(int count, char **words)
{
	pid_t loader;

	if (count < 3)
		return 2;
	loader = start(words);
	wait_until_armed();
	idle();
	fflush(stdout);
	busy(loader);
	return 0;
}
