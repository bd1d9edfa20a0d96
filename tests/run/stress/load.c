/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load WORKERS SECONDS: every worker does what programs do: files, memory, processes, pipes, sockets, sleep. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void files(int worker)
{
	char name[64], buffer[4096];
	struct stat status;
	int i, file;

	snprintf(name, sizeof(name), "/run/load-%d", worker);
	file = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);
	memset(buffer, worker, sizeof(buffer));
	for (i = 0; i < 8; i++)
		if (write(file, buffer, sizeof(buffer)) != sizeof(buffer))
			break;
	lseek(file, 0, SEEK_SET);
	while (read(file, buffer, sizeof(buffer)) > 0)
		;
	fstat(file, &status);
	close(file);
	unlink(name);
	file = open("/proc/self/stat", O_RDONLY);
	if (read(file, buffer, sizeof(buffer)) < 0)
		exit(1);
	close(file);
}

static void memory(void)
{
	char *area = mmap(NULL, 1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	if (area == MAP_FAILED)
		return;
	for (i = 0; i < 1 << 18; i += 4096)
		area[i] = 1;
	munmap(area, 1 << 18);
}

static void messages(int type)
{
	char buffer[512] = "";
	int ends[2], i;

	if (type ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends))
		return;
	for (i = 0; i < 8; i++)
		if (write(ends[1], buffer, sizeof(buffer)) < 0 || read(ends[0], buffer, sizeof(buffer)) < 0)
			break;
	close(ends[0]);
	close(ends[1]);
}

static void process(void)
{
	pid_t child = fork();

	if (child == 0) {
		sched_yield();
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int workers = argc > 1 ? atoi(argv[1]) : 2, worker;
	double end = now() + (argc > 2 ? atof(argv[2]) : 1);

	for (worker = 0; worker < workers; worker++) {
		if (fork() != 0)
			continue;
		while (now() < end) {
			struct timespec pause = { .tv_nsec = 100000 };

			files(worker);
			memory();
			messages(0);
			messages(1);
			process();
			nanosleep(&pause, NULL);
		}
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
