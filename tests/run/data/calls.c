/* SPDX-License-Identifier: GPL-2.0-or-later */
/* calls PROCESSES TIMES: each process calls getppid TIMES times. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int processes = argc > 1 ? atoi(argv[1]) : 1;
	int times = argc > 2 ? atoi(argv[2]) : 1;
	int i;

	for (i = 0; i < processes; i++) {
		if (fork() == 0) {
			while (times-- > 0)
				syscall(SYS_getppid);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
