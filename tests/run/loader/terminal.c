// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a program on a terminal of its own and does with it what standard input
 * says, a step a line:
 *
 *	size ROWS COLUMNS	resize the terminal
 *	type TEXT		as if typed; \t, \e and \n are known
 *	see TEXT		wait until the program writes TEXT, after what was seen before
 *	unseen TEXT		fails if TEXT came since the last text that was seen
 *	frame ROWS COLUMNS	wait for a drawing of exactly ROWS lines, none wider than COLUMNS
 *	signal NUMBER
 *	stopped			wait until the program was stopped by a signal
 *	end			wait for the program's end, and until all have closed the terminal
 *
 * "end" prints the status, and whether modes, cursor and screen are as they were.
 * A step that does not succeed within a minute prints what was written instead.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 60

static char text[1 << 20];
static size_t length, seen;
static int terminal;
static pid_t program;
static time_t deadline;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* Reads what is there; false when nothing came for a tenth of a second. */
static int more(void)
{
	struct pollfd poller = { .fd = terminal, .events = POLLIN };
	ssize_t count;

	if (poll(&poller, 1, 100) <= 0)
		return 0;
	if (length > sizeof(text) / 2) {
		memmove(text, text + seen, length - seen);
		length -= seen;
		seen = 0;
	}
	count = read(terminal, text + length, sizeof(text) - 1 - length);
	if (count <= 0) {
		/* nobody has the other end open */
		usleep(100000);
		return 0;
	}
	length += count;
	text[length] = 0;
	return 1;
}

static int is_late(void)
{
	return time(NULL) > deadline;
}

static int see(const char *wanted)
{
	for (;;) {
		char *found = memmem(text + seen, length - seen, wanted, strlen(wanted));

		if (found) {
			seen = found - text + strlen(wanted);
			return 1;
		}
		if (!more() && is_late())
			return 0;
	}
}

/* A drawing goes from "ESC [ H" to "ESC [ J", and each line ends with "ESC [ K". */
static int is_frame(const char *start, const char *end, int rows, int columns)
{
	int lines = 1, width = 0, widest = 0;

	for (; start < end; start++) {
		if (*start == '\n') {
			lines++;
			width = 0;
		} else if (!strncmp(start, "\033[K", 3)) {
			start += 2;
		} else if (*start != '\r' && (*start & 0xc0) != 0x80) {
			if (++width > widest)
				widest = width;
		}
	}
	return lines == rows && widest <= columns;
}

static int frame(int rows, int columns)
{
	for (;;) {
		char *start = memmem(text + seen, length - seen, "\033[H", 3);
		char *end = start ? strstr(start, "\033[J") : NULL;

		if (end) {
			seen = end - text;
			if (is_frame(start + 3, end, rows, columns))
				return 1;
		} else if (!more() && is_late()) {
			return 0;
		}
	}
}

static void type(const char *keys)
{
	for (; *keys; keys++) {
		char key = *keys;

		if (key == '\\' && keys[1]) {
			keys++;
			key = *keys == 't' ? '\t' : *keys == 'e' ? 033 : *keys == 'n' ? '\n' : *keys;
		}
		if (write(terminal, &key, 1) != 1)
			die("typing");
	}
}

static int is_restored(const struct termios *before)
{
	struct termios now;

	if (tcgetattr(terminal, &now))
		die("tcgetattr");
	return now.c_lflag == before->c_lflag && now.c_iflag == before->c_iflag;
}

static void end(const struct termios *before)
{
	int status = 0;
	size_t i, left = 0, shown = 0, entered = 0;

	while (waitpid(program, &status, WNOHANG) == 0 && !(!more() && is_late()))
		;
	/* a process that gives the terminal back may outlive the program */
	while (!is_restored(before) && !(!more() && is_late()))
		;
	while (!memmem(text + seen, length - seen, "\033[?1049l", 8) && !(!more() && is_late()))
		;
	while (more())
		;
	for (i = 0; i + 8 <= length; i++) {
		if (!memcmp(text + i, "\033[?1049h", 8))
			entered = i;
		else if (!memcmp(text + i, "\033[?1049l", 8))
			left = i;
		else if (!memcmp(text + i, "\033[?25h", 6))
			shown = i;
	}
	printf("status %d, modes %s, screen %s, cursor %s\n",
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
	       is_restored(before) ? "restored" : "changed", left > entered ? "left" : "kept",
	       shown > entered ? "shown" : "hidden");
}

static int step(char *line, const struct termios *before)
{
	char *rest = strchr(line, ' ');
	int rows = 0, columns = 0, status;

	deadline = time(NULL) + PATIENCE;
	if (rest)
		*rest++ = 0;
	else
		rest = line + strlen(line);
	sscanf(rest, "%d %d", &rows, &columns);
	if (!strcmp(line, "size")) {
		struct winsize size = { .ws_row = rows, .ws_col = columns };

		return !ioctl(terminal, TIOCSWINSZ, &size);
	}
	if (!strcmp(line, "type")) {
		/* what comes from now on is the answer */
		while (more() && !is_late())
			;
		seen = length;
		type(rest);
		return 1;
	}
	if (!strcmp(line, "see"))
		return see(rest);
	if (!strcmp(line, "unseen"))
		return !memmem(text + seen, length - seen, rest, strlen(rest));
	if (!strcmp(line, "frame"))
		return frame(rows, columns);
	if (!strcmp(line, "signal"))
		return !kill(program, rows);
	if (!strcmp(line, "stopped")) {
		while (waitpid(program, &status, WNOHANG | WUNTRACED) == 0)
			if (!more() && is_late())
				return 0;
		return WIFSTOPPED(status);
	}
	if (!strcmp(line, "end")) {
		end(before);
		return 1;
	}
	fprintf(stderr, "no such step: %s\n", line);
	exit(2);
}

int main(int count, char **words)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	struct termios before;
	char line[512], copy[512];

	if (count < 2)
		return 2;
	terminal = posix_openpt(O_RDWR | O_NOCTTY);
	if (terminal < 0 || grantpt(terminal) || unlockpt(terminal))
		die("terminal");
	ioctl(terminal, TIOCSWINSZ, &size);
	if (tcgetattr(terminal, &before))
		die("tcgetattr");
	program = fork();
	if (!program) {
		int other;

		setsid();
		other = open(ptsname(terminal), O_RDWR);
		if (other < 0)
			die("terminal");
		dup2(other, 0);
		dup2(other, 1);
		dup2(other, 2);
		close(other);
		close(terminal);
		execvp(words[1], words + 1);
		die(words[1]);
	}
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		strcpy(copy, line);
		if (!step(line, &before)) {
			printf("not %s: ", copy);
			for (size_t i = length > 3000 ? length - 3000 : 0; i < length; i++)
				putchar(text[i] == 033 ? '^' : text[i]);
			putchar('\n');
			kill(program, SIGTERM);
			return 1;
		}
	}
	return 0;
}
