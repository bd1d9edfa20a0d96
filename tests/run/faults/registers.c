// SPDX-License-Identifier: GPL-2.0-or-later
/* Takes the four debug registers of one CPU for itself, says so, and keeps them until standard input ends. */
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static long data[4];

int main(int count, char **arguments)
{
	int i, cpu = count > 1 ? atoi(arguments[1]) : 0;
	char byte;

	for (i = 0; i < 4; i++) {
		struct perf_event_attr attributes = {
			.type = PERF_TYPE_BREAKPOINT,
			.size = sizeof(attributes),
			.bp_type = HW_BREAKPOINT_W,
			.bp_addr = (unsigned long)&data[i],
			.bp_len = HW_BREAKPOINT_LEN_8,
			.sample_period = 1,
		};

		if (syscall(SYS_perf_event_open, &attributes, 0, cpu, -1, 0) < 0) {
			perror("perf_event_open");
			return 1;
		}
	}
	puts("taken");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}
