// SPDX-License-Identifier: GPL-2.0-or-later
/* kernel_lines.c - source lines of kernel addresses, from the table that the script carries. */
#include "runtime.h"

/* A number of seven bits a byte, the lowest first. */
static uint32_t take(const unsigned char **at, const unsigned char *end)
{
	uint32_t number = 0;
	unsigned int shift = 0;

	while (*at < end) {
		unsigned char byte = *(*at)++;

		if (shift < 32)
			number |= (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			break;
		shift += 7;
	}
	return number;
}

bool rst_find_kernel_line(uint64_t address, const char **file, uint32_t *line)
{
	const struct rst_kernel_lines *lines = rst_script.kernel_lines;
	const struct rst_line_block *block;
	const unsigned char *at, *end;
	uint64_t offset = address - rst_text_start();
	uint32_t row, number = 0;

	if (!lines || !rst_text_start() || offset > UINT_MAX)
		return false;
	block = rst_table_entry(lines->blocks, lines->block_count, sizeof(*block), offset);
	if (!block)
		return false;
	at = lines->rows + block->position;
	end = lines->rows + (block + 1 < lines->blocks + lines->block_count ? block[1].position
									   : lines->size);
	row = block->offset;
	*line = 0;
	while (at < end) {
		uint32_t change;

		row += take(&at, end);
		if (row > offset)
			break;
		change = take(&at, end);
		*line += change & 2 ? -(change >> 2) : change >> 2;
		if (change & 1)
			number = take(&at, end);
	}
	*file = lines->files[number];
	return *file && *line;
}

struct rst_string rst_kernel_line(struct rst_context *c, uint64_t address, unsigned int flags)
{
	struct rst_output o = rst_string_output(c);
	const char *file;
	uint32_t line;

	if (!o.start)
		return (struct rst_string){ .text = "", .length = 0 };
	if (rst_find_kernel_line(address, &file, &line))
		rst_put_source(&o, file, line, flags);
	else
		rst_put_number(&o, address, 'p', 0, -1, -1);
	return rst_string_finish(c, &o);
}
