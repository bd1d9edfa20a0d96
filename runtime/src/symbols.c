// SPDX-License-Identifier: GPL-2.0-or-later
/* symbols.c - names of kernel addresses, by the kernel's own symbol table. */
#include <linux/kallsyms.h>
#include <linux/workqueue.h>

#include "runtime.h"

/* sprint_symbol() writes "name+0x12/0x34 [module]", or "0x..." for no name. */
struct rst_string rst_symbol(struct rst_context *c, uint64_t address, unsigned int flags)
{
	char *buffer = rst_scratch(c, KSYM_SYMBOL_LEN);
	struct rst_string s = { .text = "", .length = 0 };
	char *end, *module;

	if (!buffer)
		return s;
	if (flags & 1)
		sprint_symbol(buffer, address);
	else
		sprint_symbol_no_offset(buffer, address);
	s.text = buffer;
	s.length = strlen(buffer);
	module = strchr(buffer, '[');
	if (!(flags & 2) && module) {
		s.length = module - buffer;
		while (s.length && buffer[s.length - 1] == ' ')
			s.length--;
		buffer[s.length] = 0;
	} else if ((flags & 2) && !module && buffer[0] != '0' &&
		   s.length + sizeof(" [kernel]") <= KSYM_SYMBOL_LEN) {
		memcpy(buffer + s.length, " [kernel]", sizeof(" [kernel]"));
		s.length += sizeof(" [kernel]") - 1;
	}
	end = buffer + ((s.length + 1 + 7) & ~7u);
	if (end < c->scratch)
		c->scratch = end;
	return s;
}
