// SPDX-License-Identifier: GPL-2.0-or-later
/* Sends datagrams to itself over the loopback device. */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int i, count = argc > 1 ? atoi(argv[1]) : 1;
	int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct ifreq loopback = { .ifr_flags = IFF_UP | IFF_RUNNING };
	char text[16];

	strcpy(loopback.ifr_name, "lo");
	if (ioctl(sender, SIOCSIFFLAGS, &loopback))
		return 1;
	address.sin_port = htons(4242);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(receiver, (struct sockaddr *)&address, sizeof(address)))
		return 2;
	for (i = 0; i < count; i++) {
		if (sendto(sender, "datagram", 8, 0, (struct sockaddr *)&address, sizeof(address)) != 8)
			return 3;
		if (recv(receiver, text, sizeof(text), 0) != 8)
			return 4;
	}
	return 0;
}
