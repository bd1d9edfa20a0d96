/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cycle MODULE.ko TIMES: loads it, starts its session, fires its probes, ends
 * the session and unloads it, TIMES times, as fast as the kernel does it. Tells
 * how much memory the kernel holds at the end more than after the first rounds.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WARM_UP 20

enum { HELLO = 1, SYMBOL = 2, START = 5, EXIT = 6, STARTED = 32, ENDED = 38 };

static char *image;
static long image_size;
static char name[64];
static unsigned long long stext;

static void fail(const char *what)
{
	fprintf(stderr, "cycle: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void send(int command, unsigned int type, const void *payload, unsigned int length)
{
	char buffer[256];
	unsigned int header[2] = { type, length };

	memcpy(buffer, header, 8);
	memcpy(buffer + 8, payload, length);
	if (write(command, buffer, 8 + length) != 8 + length)
		fail("a message to the module");
}

static void wait_for(int command, unsigned int type)
{
	char buffer[8 + 4096];
	unsigned int header[2];
	long result;

	do {
		if (read(command, buffer, sizeof(buffer)) < 8)
			fail("a message of the module");
		memcpy(header, buffer, 8);
	} while (header[0] != type);
	memcpy(&result, buffer + 8, 8);
	if (type == STARTED && result) {
		errno = -result;
		fail("start");
	}
}

static void cycle(void)
{
	char path[128], buffer[8192];
	struct { unsigned long long address; char name[8]; } symbol = { stext, "_stext" };
	unsigned int hello[2] = { 1, 0 };
	long long target = 0;
	int command, trace, i;

	if (syscall(SYS_init_module, image, image_size, "rst_buffer_kb=64"))
		fail("init_module");
	snprintf(path, sizeof(path), "/proc/systemtap/%s/.cmd", name);
	command = open(path, O_RDWR);
	if (command < 0)
		fail(path);
	send(command, HELLO, hello, sizeof(hello));
	send(command, SYMBOL, &symbol, 8 + 7);
	send(command, START, &target, sizeof(target));
	wait_for(command, STARTED);
	for (i = 0; i < 50; i++)
		syscall(SYS_getppid);
	send(command, EXIT, NULL, 0);
	wait_for(command, ENDED);
	snprintf(path, sizeof(path), "/proc/systemtap/%s/trace0", name);
	trace = open(path, O_RDONLY | O_NONBLOCK);
	while (trace >= 0 && read(trace, buffer, sizeof(buffer)) > 0)
		;
	close(trace);
	close(command);
	while (syscall(SYS_delete_module, name, O_NONBLOCK))
		if (errno != EAGAIN && errno != EBUSY)
			fail("delete_module");
}

/* KiB that the kernel holds and cannot give back. */
static long held(const char *kind)
{
	char line[128];
	FILE *file = fopen("/proc/meminfo", "r");
	long size, found = 0;
	char key[64];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63[^:]: %ld", key, &size) == 2 && !strcmp(key, kind))
			found = size;
	if (file)
		fclose(file);
	return found;
}

static const char *const kinds[] = { "SUnreclaim", "VmallocUsed", "Percpu", "KernelStack" };
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void measure(long *sizes)
{
	unsigned int i;

	/* what waits for a grace period goes first */
	sleep(3);
	for (i = 0; i < KINDS; i++)
		sizes[i] = held(kinds[i]);
}

static void read_facts(const char *path)
{
	FILE *file = fopen(path, "r");
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	char line[256], symbol[128];
	unsigned long long address;

	if (!file)
		fail(path);
	fseek(file, 0, SEEK_END);
	image_size = ftell(file);
	rewind(file);
	image = malloc(image_size);
	if (!image || fread(image, 1, image_size, file) != (size_t)image_size)
		fail(path);
	fclose(file);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(base, "."), base);
	file = fopen("/proc/kallsyms", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%llx %*c %127s", &address, symbol) == 2 && !strcmp(symbol, "_stext"))
			stext = address;
	if (file)
		fclose(file);
}

int main(int argc, char **argv)
{
	long before[KINDS], after[KINDS], grown = 0;
	int times, i;

	if (argc != 3)
		return 2;
	read_facts(argv[1]);
	times = atoi(argv[2]);
	for (i = 0; i < WARM_UP; i++)
		cycle();
	measure(before);
	for (i = 1; i <= times; i++) {
		cycle();
		if (i % 500 == 0) {
			printf("%d cycles, %ld KiB in slabs\n", i, held("SUnreclaim"));
			fflush(stdout);
		}
	}
	measure(after);
	for (i = 0; i < (int)KINDS; i++) {
		printf("%s %ld KiB, then %ld KiB\n", kinds[i], before[i], after[i]);
		grown += after[i] - before[i];
	}
	printf("%d cycles, %ld KiB more, %ld bytes for each\n", times, grown, grown * 1024 / times);
	/* the kernel's own caches breathe */
	puts(grown < 1024 ? "no leak" : "leak");
	return 0;
}
