// SPDX-License-Identifier: GPL-2.0-or-later
/* Two static markers as <sys/sdt.h> makes them, one with a semaphore. */
#include <stdio.h>
#include <stdlib.h>

#define NOTE(name, semaphore, arguments)                                        \
	"990: nop\n"                                                            \
	".pushsection .note.stapsdt, \"\", \"note\"\n"                          \
	".balign 4\n"                                                           \
	".4byte 992f - 991f, 994f - 993f, 3\n"                                  \
	"991: .asciz \"stapsdt\"\n"                                             \
	"992: .balign 4\n"                                                      \
	"993: .8byte 990b, _.stapsdt.base, " semaphore "\n"                     \
	".asciz \"shop\"\n"                                                     \
	".asciz \"" name "\"\n"                                                 \
	".asciz \"" arguments "\"\n"                                            \
	"994: .balign 4\n"                                                      \
	".popsection\n"                                                         \
	".ifndef _.stapsdt.base\n"                                              \
	".pushsection .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat\n" \
	".weak _.stapsdt.base\n"                                                \
	".hidden _.stapsdt.base\n"                                              \
	"_.stapsdt.base: .space 1\n"                                            \
	".size _.stapsdt.base, 1\n"                                             \
	".popsection\n"                                                         \
	".endif\n"

unsigned short sold_semaphore __attribute__((section(".probes"), used));
int stock = 100;

__attribute__((noinline)) static void sell(const char *what, int count)
{
	stock -= count;
	__asm__ volatile(NOTE("order", "0", "8@%0 -4@%1 4@stock(%%rip) 1@$7")
			 : : "r"(what), "r"(count));
	/* evaluated only while somebody listens */
	if (*(volatile unsigned short *)&sold_semaphore)
		__asm__ volatile(NOTE("sold", "sold_semaphore", "-4@%0") : : "r"(-count));
}

int main(void)
{
	char *name = malloc(8);

	if (!name)
		return 1;
	snprintf(name, 8, "apples");
	sell(name, 3);
	sell(name, 4);
	return 0;
}
