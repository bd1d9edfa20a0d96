/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls probed() for some seconds and says when a breakpoint appears in it and when it goes. */
#include <stdio.h>
#include <unistd.h>

__attribute__((noinline)) int probed(int x)
{
	__asm__ volatile("");
	return x + 1;
}

int main(void)
{
	int was = -1, changes = 0, i, x = 0;

	for (i = 0; i < 1000 && changes < 4; i++) {
		int is = *(volatile unsigned char *)probed == 0xcc;

		if (is != was) {
			puts(is ? "breakpoint" : "free");
			fflush(stdout);
			was = is;
			changes++;
		}
		x = probed(x);
		usleep(10000);
	}
	return x < 0;
}
