// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stack.c - kernel call stacks. With the probe's registers the unwinder starts
 * at the probed instruction; without, it starts here, and the frames of this
 * module and of the hook that called it are left out.
 */
#include <linux/kallsyms.h>
#include <linux/stacktrace.h>
#include <asm/unwind.h>

#include "runtime.h"

#define FRAMES_MAXIMUM	64u

static unsigned int collect(struct rst_context *c, unsigned long *frames, unsigned int most)
{
	struct unwind_state state;
	unsigned int count = 0;
	bool with_regs = c->regs && !c->user_mode;

	if (with_regs && c->address)
		frames[count++] = c->address;
	unwind_start(&state, current, with_regs ? (struct pt_regs *)c->regs : NULL, NULL);
	for (; !unwind_done(&state) && count < most; unwind_next_frame(&state)) {
		unsigned long address = unwind_get_return_address(&state);

		if (!address)
			break;
		if (within_module(address, THIS_MODULE))
			continue;
		/* the first frame of the registers is the probed address itself */
		if (with_regs && count == 1 && address - c->address < 8)
			continue;
		frames[count++] = address;
	}
	return count;
}

static unsigned int limit_of(void)
{
	unsigned int most = rst_script.maximum_backtrace;

	return most && most < FRAMES_MAXIMUM ? most : FRAMES_MAXIMUM;
}

int64_t rst_stack_size(void)
{
	return THREAD_SIZE;
}

/* Where the kernel was when the probe fired; in a program's code, where the handler is. */
int64_t rst_stack_unused(struct rst_context *c)
{
	unsigned long sp = (unsigned long)__builtin_frame_address(0);

	if (c->regs && !user_mode((struct pt_regs *)c->regs))
		sp = c->regs->sp;
	return sp & (THREAD_SIZE - 1);
}

struct rst_string rst_backtrace(struct rst_context *c, int64_t skip)
{
	unsigned long *frames = rst_scratch(c, FRAMES_MAXIMUM * sizeof(*frames));
	struct rst_output o;
	unsigned int count, i;

	if (!frames)
		return (struct rst_string){ .text = "", .length = 0 };
	count = collect(c, frames, limit_of());
	o = rst_string_output(c);
	if (!o.start)
		return (struct rst_string){ .text = "", .length = 0 };
	for (i = skip > 0 ? skip : 0; i < count; i++) {
		char buffer[20];
		char *end = buffer + sizeof(buffer);
		char *start = rst_format_hex(end, frames[i], false);

		*--start = 'x';
		*--start = '0';
		/* half an address would be a wrong one */
		if (o.end - o.cursor < end - start + 1) {
			rst_count_truncation(c);
			break;
		}
		if (o.cursor != o.start)
			rst_put(&o, " ", 1);
		rst_put(&o, start, end - start);
	}
	return rst_string_finish(c, &o);
}

uint64_t rst_stack_address(struct rst_context *c, int64_t level)
{
	char *mark = rst_scratch_mark(c);
	unsigned long *frames = rst_scratch(c, FRAMES_MAXIMUM * sizeof(*frames));
	uint64_t address = 0;

	if (frames && level >= 0 && level < FRAMES_MAXIMUM &&
	    collect(c, frames, level + 1) > level)
		address = frames[level];
	rst_scratch_release(c, mark);
	return address;
}

static void print_backtrace(struct rst_context *c, bool with_lines)
{
	char *mark = rst_scratch_mark(c);
	unsigned long *frames = rst_scratch(c, FRAMES_MAXIMUM * sizeof(*frames));
	unsigned int count, i;

	if (!frames)
		return;
	count = collect(c, frames, limit_of());
	for (i = 0; i < count; i++) {
		char *inner = rst_scratch_mark(c);
		struct rst_string name = rst_symbol(c, frames[i], 3);
		const char *file;
		uint32_t line;

		rst_put(&c->output, " ", 1);
		rst_put_number(&c->output, frames[i], 'p', 0, -1, -1);
		rst_put(&c->output, " : ", 3);
		rst_put_string(&c->output, name);
		/* a caller is where it called, not where it goes on */
		if (with_lines && rst_find_kernel_line(frames[i] - (i > 0), &file, &line)) {
			rst_put(&c->output, " at ", 4);
			rst_put_source(&c->output, file, line, RST_USER_FILE | RST_USER_LINE);
		}
		rst_put(&c->output, "\n", 1);
		rst_scratch_release(c, inner);
	}
	rst_scratch_release(c, mark);
}

void rst_print_backtrace(struct rst_context *c)
{
	print_backtrace(c, false);
}

void rst_print_backtrace_lines(struct rst_context *c)
{
	print_backtrace(c, true);
}
