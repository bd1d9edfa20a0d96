// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * load.c - the smallest loader, for tests of the runtime alone:
 *   load [-t SECONDS] [-k] MODULE.ko [COMMAND...]
 * loads, starts, runs the command (or waits for exit() or the time-out), ends,
 * unloads. Output messages go to stdout in order of their sequence, control
 * messages to stderr. -k: leave without EXIT, as a killed loader would.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../include/rstap_protocol.h"

#define CPUS 64
#define NAME "rstap_runtime"

struct message {
	unsigned long long sequence;
	unsigned int length;
	char *text;
};

static struct message *messages;
static size_t message_count, message_room;
static unsigned long long total_bytes;
static int command_fd, trace_fds[CPUS], cpus, quiet;
static char *pending[CPUS];
static size_t pending_length[CPUS];

static void send_control(unsigned int type, const void *payload, unsigned int length)
{
	char buffer[8 + RST_CONTROL_MAXIMUM];
	struct rst_control_header header = { type, length };

	memcpy(buffer, &header, 8);
	memcpy(buffer + 8, payload, length);
	if (write(command_fd, buffer, 8 + length) != (ssize_t)(8 + length))
		fprintf(stderr, "load: control %u: %s\n", type, strerror(errno));
}

static void parse(int cpu)
{
	char *at = pending[cpu], *end = at + pending_length[cpu];

	while (end - at >= 16) {
		struct rst_output_header h;

		memcpy(&h, at, 16);
		if (h.magic != RST_OUTPUT_MAGIC) {
			fprintf(stderr, "load: bad magic %08x on cpu %d\n", h.magic, cpu);
			at += 8;
			continue;
		}
		if ((size_t)(end - at) < 16 + ((h.length + 7) & ~7u))
			break;
		total_bytes += h.length;
		if (message_count == message_room) {
			message_room = message_room ? 2 * message_room : 1024;
			messages = realloc(messages, message_room * sizeof(*messages));
		}
		messages[message_count].sequence = h.sequence;
		messages[message_count].length = h.length;
		messages[message_count].text = quiet ? NULL : memcpy(malloc(h.length + 1), at + 16, h.length);
		message_count++;
		at += 16 + ((h.length + 7) & ~7u);
	}
	memmove(pending[cpu], at, end - at);
	pending_length[cpu] = end - at;
}

static void drain(void)
{
	int cpu;

	for (cpu = 0; cpu < cpus; cpu++) {
		ssize_t got;
		int rounds = 64;	/* a script that traces read() never lets it run dry */

		while (rounds-- && (pending[cpu] = realloc(pending[cpu], pending_length[cpu] + 65536)) &&
		       (got = read(trace_fds[cpu], pending[cpu] + pending_length[cpu], 65536)) > 0) {
			pending_length[cpu] += got;
			parse(cpu);
		}
	}
}

/* 1: REQUEST_EXIT, 2: ENDED, 0: neither */
static int read_control(void)
{
	static const char *const names[] = { "STARTED", "WARNING", "ERROR", "LOG", "SYSTEM",
					     "REQUEST_EXIT", "ENDED", "SUMMARY" };
	char buffer[8 + RST_CONTROL_MAXIMUM + 1];
	int result = 0;
	ssize_t got;

	while ((got = read(command_fd, buffer, sizeof(buffer) - 1)) > 0) {
		struct rst_control_header h;

		memcpy(&h, buffer, 8);
		buffer[got] = 0;
		if (h.type == RST_CONTROL_STARTED)
			fprintf(stderr, "%s: %lld\n", names[0], *(long long *)(buffer + 8));
		else
			fprintf(stderr, "%s: %.*s\n", names[h.type - 32], (int)h.length, buffer + 8);
		if (h.type == RST_CONTROL_REQUEST_EXIT)
			result = 1;
		if (h.type == RST_CONTROL_ENDED)
			return 2;
	}
	return result;
}

static int by_sequence(const void *a, const void *b)
{
	const struct message *x = a, *y = b;

	return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static void send_symbols(void)
{
	char line[512];
	FILE *file = fopen("/proc/kallsyms", "r");

	while (file && fgets(line, sizeof(line), file)) {
		char name[256], payload[300];
		unsigned long long address;

		if (sscanf(line, "%llx %*c %255s", &address, name) == 2 && !strcmp(name, "_stext")) {
			memcpy(payload, &address, 8);
			strcpy(payload + 8, name);
			send_control(RST_CONTROL_SYMBOL, payload, 9 + strlen(name));
			break;
		}
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	int option, fd, killed = 0, state = 0, cpu;
	double seconds = 5;
	unsigned int hello[2] = { RST_PROTOCOL_VERSION, 0 };
	long long target = 0;
	struct stat st;
	char *image, path[128];
	size_t i;
	const char *parameters = "";
	pid_t child = 0;
	struct timespec begin, now;

	while ((option = getopt(argc, argv, "+t:kqp:f")) != -1) {
		if (option == 't')
			seconds = atof(optarg);
		else if (option == 'k')
			killed = 1;
		else if (option == 'q')
			quiet = 1;
		else if (option == 'p')
			parameters = optarg;
		else if (option == 'f')
			hello[1] = RST_HELLO_FLIGHT_RECORDER;
	}
	fd = open(argv[optind], O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		return perror(argv[optind]), 1;
	image = malloc(st.st_size);
	if (read(fd, image, st.st_size) != st.st_size)
		return perror("read"), 1;
	if (syscall(SYS_init_module, image, st.st_size, parameters))
		return perror("init_module"), 1;
	command_fd = open("/proc/systemtap/" NAME "/.cmd", O_RDWR | O_NONBLOCK);
	if (command_fd < 0)
		return perror(".cmd"), 1;
	for (cpus = 0; cpus < CPUS; cpus++) {
		snprintf(path, sizeof(path), "/proc/systemtap/" NAME "/trace%d", cpus);
		trace_fds[cpus] = open(path, O_RDONLY | O_NONBLOCK);
		if (trace_fds[cpus] < 0)
			break;
	}
	if (argc > optind + 1)
		target = getpid();
	send_control(RST_CONTROL_HELLO, hello, 8);
	send_symbols();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	send_control(RST_CONTROL_START, &target, 8);
	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(stderr, "load: started in %ld us\n",
		(now.tv_sec - begin.tv_sec) * 1000000 + (now.tv_nsec - begin.tv_nsec) / 1000);
	if (argc > optind + 1 && !(child = fork())) {
		execvp(argv[optind + 1], argv + optind + 1);
		_exit(127);
	}
	while (!state) {
		struct pollfd fds[CPUS + 1];

		fds[0] = (struct pollfd){ command_fd, POLLIN, 0 };
		for (cpu = 0; cpu < cpus; cpu++)
			fds[cpu + 1] = (struct pollfd){ trace_fds[cpu], POLLIN, 0 };
		poll(fds, cpus + 1, 50);
		drain();
		state = read_control();
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - begin.tv_sec + (now.tv_nsec - begin.tv_nsec) / 1e9 > seconds)
			break;
		if (child && waitpid(child, NULL, WNOHANG) == child)
			break;
	}
	if (!killed) {
		clock_gettime(CLOCK_MONOTONIC, &begin);
		send_control(RST_CONTROL_EXIT, "", 0);
		clock_gettime(CLOCK_MONOTONIC, &now);
		fprintf(stderr, "load: ended in %ld us\n",
			(now.tv_sec - begin.tv_sec) * 1000000 + (now.tv_nsec - begin.tv_nsec) / 1000);
		while (read_control() != 2)
			usleep(1000);
		drain();
	}
	qsort(messages, message_count, sizeof(*messages), by_sequence);
	for (i = 0; i < message_count && !quiet; i++)
		fwrite(messages[i].text, 1, messages[i].length, stdout);
	fflush(stdout);
	if (quiet)
		fprintf(stderr, "load: %zu messages %llu bytes last sequence %llu\n", message_count,
			total_bytes, message_count ? messages[message_count - 1].sequence : 0);
	close(command_fd);
	for (cpu = 0; cpu < cpus; cpu++)
		close(trace_fds[cpu]);
	if (syscall(SYS_delete_module, NAME, O_NONBLOCK))
		return perror("delete_module"), 1;
	return 0;
}
