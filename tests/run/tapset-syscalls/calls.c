// SPDX-License-Identifier: GPL-2.0-or-later
/* System calls with arguments that are worth decoding; what fails fails without harm. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	/* on the stack, which is in memory for sure: a probe cannot fault pages in */
	char path[] = "/no/such\tfile", plain[] = "/no/such", text[64];
	struct timespec pause = { 0, 1000 };
	struct timespec times[2] = { { 1, 2 }, { 0, UTIME_OMIT } };
	struct itimerval timer = { { 0, 0 }, { 5, 6 } };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(443) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	sigset_t set;
	int status = 0, ends[2];

	strcpy(un.sun_path, plain);
	inet_pton(AF_INET, "10.1.2.3", &in.sin_addr);
	inet_pton(AF_INET6, "2001:db8::5:0:1", &in6.sin6_addr);
	memset(text, 'x', sizeof(text));
	memcpy(text, "a\0b\"\n", 5);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);

	syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0644);
	syscall(SYS_open, plain, O_RDONLY | O_NONBLOCK);
	syscall(SYS_faccessat, AT_FDCWD, plain, R_OK | W_OK);
	syscall(SYS_mknod, plain, S_IFIFO | 0600, 0);
	syscall(SYS_write, -1, text, sizeof(text));
	syscall(SYS_lseek, -1, -5L, SEEK_END);
	syscall(SYS_connect, -1, &in, sizeof(in));
	syscall(SYS_connect, -1, &in6, sizeof(in6));
	syscall(SYS_connect, -1, &un, sizeof(un));
	syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
	syscall(SYS_nanosleep, &pause, NULL);
	syscall(SYS_setitimer, ITIMER_REAL, &timer, NULL);
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 8L);
	syscall(SYS_kill, 0, 0);
	syscall(SYS_mmap, 0L, 4096L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1L, 0L);
	syscall(SYS_umount2, plain, MNT_DETACH);
	syscall(SYS_utimensat, AT_FDCWD, plain, times, AT_SYMLINK_NOFOLLOW);
	syscall(SYS_umask, 022);
	syscall(SYS_pipe2, ends, O_NONBLOCK);
	if (syscall(SYS_fork) == 0)
		syscall(SYS_exit_group, 3);
	syscall(SYS_wait4, -1, &status, 0, NULL);
	return 0;
}
