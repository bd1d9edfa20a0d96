// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log.c - printk() of scripts and printf of embedded C. A handler may have
 * interrupted the kernel's logging itself, so its text waits for an irq_work.
 */
#include <linux/printk.h>

#include "runtime.h"

#define LOG_SIZE	8192u
#define LINE_SIZE	512u

static struct {
	char text[LOG_SIZE];
	unsigned int length;
	struct rst_lock lock;
} pending;

static void print_pending(struct irq_work *work)
{
	char line[LINE_SIZE];

	for (;;) {
		struct rst_guard guard = rst_guard();
		unsigned int length;

		/* each text is a length, a level and the bytes */
		rst_lock(&pending.lock);
		length = pending.length ? (unsigned char)pending.text[0] |
						  (unsigned char)pending.text[1] << 8 : 0;
		memcpy(line, pending.text + 2, length);
		if (length) {
			pending.length -= length + 2;
			memmove(pending.text, pending.text + length + 2, pending.length);
		}
		rst_unlock(&pending.lock);
		/* with handlers kept out: what this prints may be what they are about */
		if (length)
			printk("%s", line);
		rst_unguard(guard);
		if (!length)
			return;
	}
}

static DEFINE_IRQ_WORK(print_work, print_pending);

void rst_printk(struct rst_context *c, int64_t level, struct rst_string text)
{
	char line[LINE_SIZE];
	unsigned int length = 2;

	line[0] = '\001';
	line[1] = '0' + (level >= 0 && level <= 7 ? level : 6);
	text.length = min(text.length, LINE_SIZE - 4);
	memcpy(line + length, text.text, text.length);
	length += text.length;
	line[length++] = '\n';
	line[length++] = 0;
	rst_lock(&pending.lock);
	if (pending.length + length + 2 <= LOG_SIZE) {
		pending.text[pending.length] = length & 255;
		pending.text[pending.length + 1] = length >> 8;
		memcpy(pending.text + pending.length + 2, line, length);
		pending.length += length + 2;
	}
	rst_unlock(&pending.lock);
	irq_work_queue(&print_work);
}

void rst_log_destroy(void)
{
	irq_work_sync(&print_work);
}

void rst_printf(struct rst_context *c, const char *format, ...)
{
	char buffer[512];
	struct rst_text t = { .start = buffer, .size = sizeof(buffer) };
	va_list arguments;

	va_start(arguments, format);
	rst_text_format(&t, format, arguments);
	va_end(arguments);
	rst_put(&c->output, buffer, t.length);
}
