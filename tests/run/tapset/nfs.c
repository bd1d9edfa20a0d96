// SPDX-License-Identifier: GPL-2.0-or-later
/* Asks for a file system of a server that is not there: nobody listens on port 9. */
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

int main(void)
{
	struct ifreq loopback = { .ifr_flags = IFF_UP | IFF_RUNNING };

	strcpy(loopback.ifr_name, "lo");
	if (ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &loopback))
		return 1;
	mkdir("/tmp/nfs", 0700);
	/* fails, as it must */
	return mount("127.0.0.1:/nothing", "/tmp/nfs", "nfs", 0,
		     "vers=3,addr=127.0.0.1,mountaddr=127.0.0.1,proto=tcp,mountproto=tcp,"
		     "port=9,mountport=9,nolock,soft,timeo=5,retrans=1") == 0;
}
