// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * format.c - numbers and padding, without vsnprintf: that costs 470 to 1,600
 * instructions a call, a decimal here about 40.
 */
#include "pure.h"

static const char digit_pairs[] =
	"00010203040506070809101112131415161718192021222324252627282930313233343536373839"
	"40414243444546474849505152535455565758596061626364656667686970717273747576777879"
	"8081828384858687888990919293949596979899";

#define NUMBER_SIZE 72	/* 64 binary digits and a prefix would fit */

RST_INLINE char *format_digits(char *end, uint64_t value)
{
	while (value >= 100) {
		uint64_t quotient = value / 100;

		end -= 2;
		memcpy(end, &digit_pairs[2 * (value - 100 * quotient)], 2);
		value = quotient;
	}
	if (value >= 10) {
		end -= 2;
		memcpy(end, &digit_pairs[2 * value], 2);
	} else {
		*--end = '0' + value;
	}
	return end;
}

char *rst_format_decimal(char *end, uint64_t value)
{
	return format_digits(end, value);
}

static char *format_power_of_two(char *end, uint64_t value, unsigned int shift, const char *digits)
{
	do {
		*--end = digits[value & ((1u << shift) - 1)];
		value >>= shift;
	} while (value);
	return end;
}

char *rst_format_hex(char *end, uint64_t value, bool upper)
{
	return format_power_of_two(end, value, 4, upper ? "0123456789ABCDEF" : "0123456789abcdef");
}

static void put_repeated(struct rst_output *o, char byte, int64_t count)
{
	char block[32];

	if (count <= 0)
		return;
	memset(block, byte, sizeof(block));
	while (count > 0) {
		unsigned int part = count < (int64_t)sizeof(block) ? count : sizeof(block);

		rst_put(o, block, part);
		/* a width of a thousand million must not become a long loop */
		if (o->is_string && o->cursor == o->end)
			return;
		count -= part;
	}
}

/* No field is wider than what one message or string can hold. */
static int64_t bounded(int64_t width)
{
	return width > 8192 ? 8192 : width;
}

/* In place: how many digits there are is known before the first is written. */
RST_INLINE char *format_forwards(char *to, uint64_t value)
{
	uint64_t limit = 10;
	char *end = to + 1;

	/* up to 19 digits; the last step would not fit into 64 bits */
	while (value >= limit && limit < 1000000000000000000ull) {
		limit *= 10;
		end++;
	}
	if (value >= limit)
		end += value / limit >= 10 ? 2 : 1;
	format_digits(end, value);
	return end;
}

RST_COLD void put_decimal_buffered(struct rst_output *o, int64_t value)
{
	char buffer[24];
	char *end = buffer + sizeof(buffer);
	char *start;

	if (value < 0) {
		start = rst_format_decimal(end, 0 - (uint64_t)value);
		*--start = '-';
	} else {
		start = rst_format_decimal(end, value);
	}
	rst_put(o, start, end - start);
}

void rst_put_decimal(struct rst_output *o, int64_t value)
{
	char *cursor = o->cursor;

	if (RST_UNLIKELY(o->end - cursor < 21)) {
		put_decimal_buffered(o, value);
		return;
	}
	if (value < 0) {
		*cursor++ = '-';
		value = 0 - (uint64_t)value;
	}
	o->cursor = format_forwards(cursor, value);
}

void rst_put_number(struct rst_output *o, int64_t value, char conversion, unsigned int flags,
		    int64_t width, int64_t precision)
{
	char buffer[NUMBER_SIZE];
	char *end = buffer + sizeof(buffer);
	char *start;
	char prefix[3];
	unsigned int prefix_length = 0;
	uint64_t magnitude = value;
	int64_t zeros, spaces;

	if (conversion == 'p') {
		conversion = 'x';
		flags |= RST_PRINT_ALTERNATE;
	}
	if (conversion == 'd' || conversion == 'i') {
		if (value < 0) {
			magnitude = 0 - (uint64_t)value;
			prefix[prefix_length++] = '-';
		} else if (flags & RST_PRINT_PLUS) {
			prefix[prefix_length++] = '+';
		} else if (flags & RST_PRINT_SPACE) {
			prefix[prefix_length++] = ' ';
		}
	}
	switch (conversion) {
	case 'x':
	case 'X':
		if (flags & RST_PRINT_ALTERNATE) {
			prefix[prefix_length++] = '0';
			prefix[prefix_length++] = conversion;
		}
		start = rst_format_hex(end, magnitude, conversion == 'X');
		break;
	case 'o':
		start = format_power_of_two(end, magnitude, 3, "01234567");
		if ((flags & RST_PRINT_ALTERNATE) && *start != '0')
			*--start = '0';
		break;
	default:
		start = rst_format_decimal(end, magnitude);
		break;
	}
	if (precision == 0 && magnitude == 0 &&
	    !(conversion == 'o' && (flags & RST_PRINT_ALTERNATE)))
		start = end;
	width = bounded(width);
	zeros = bounded(precision) - (end - start);
	if (zeros < 0)
		zeros = 0;
	spaces = width - (end - start) - zeros - prefix_length;
	if (spaces < 0)
		spaces = 0;
	if ((flags & RST_PRINT_ZERO) && !(flags & RST_PRINT_LEFT) && precision < 0) {
		zeros += spaces;
		spaces = 0;
	}
	if (!(flags & RST_PRINT_LEFT))
		put_repeated(o, ' ', spaces);
	rst_put(o, prefix, prefix_length);
	put_repeated(o, '0', zeros);
	rst_put(o, start, end - start);
	if (flags & RST_PRINT_LEFT)
		put_repeated(o, ' ', spaces);
}

void rst_put_padded(struct rst_output *o, struct rst_string s, unsigned int flags, int64_t width,
		    int64_t precision)
{
	int64_t spaces;

	if (precision >= 0 && precision < s.length)
		s.length = precision;
	spaces = bounded(width) - s.length;
	if (!(flags & RST_PRINT_LEFT))
		put_repeated(o, ' ', spaces);
	rst_put(o, s.text, s.length);
	if (flags & RST_PRINT_LEFT)
		put_repeated(o, ' ', spaces);
}

/* The C escape of a byte; gives its length (1 to 4). */
static unsigned int escape(char *out, unsigned char byte)
{
	static const char letters[] = "abtnvfr";

	out[0] = '\\';
	if (byte >= 7 && byte <= 13) {
		out[1] = letters[byte - 7];
		return 2;
	}
	if (byte == '"' || byte == '\\') {
		out[1] = byte;
		return 2;
	}
	if (byte >= 32 && byte < 127) {
		out[0] = byte;
		return 1;
	}
	out[1] = '0' + (byte >> 6);
	out[2] = '0' + ((byte >> 3) & 7);
	out[3] = '0' + (byte & 7);
	return 4;
}

/* %#s: unprintable bytes, quotes and backslashes as their C escapes */
void rst_put_escaped(struct rst_output *o, struct rst_string s, unsigned int flags, int64_t width,
		     int64_t precision)
{
	char text[4];
	int64_t spaces;
	unsigned int i;

	if (precision >= 0 && precision < s.length)
		s.length = precision;
	spaces = bounded(width);
	for (i = 0; i < s.length; i++)
		spaces -= escape(text, s.text[i]);
	if (!(flags & RST_PRINT_LEFT))
		put_repeated(o, ' ', spaces);
	for (i = 0; i < s.length; i++)
		rst_put(o, text, escape(text, s.text[i]) & 7);
	if (flags & RST_PRINT_LEFT)
		put_repeated(o, ' ', spaces);
}

void rst_put_character(struct rst_output *o, int64_t value, unsigned int flags, int64_t width)
{
	char text[4];
	unsigned int length = 1;

	text[0] = value;
	if (flags & RST_PRINT_ALTERNATE)
		length = escape(text, value);
	else if (!text[0])
		length = 0;
	rst_put_padded(o, (struct rst_string){ .text = text, .length = length }, flags, width, -1);
}

void rst_put_binary(struct rst_output *o, int64_t value, int64_t size)
{
	/* host order is little endian on every architecture so far */
	if (size != 1 && size != 2 && size != 4)
		size = 8;
	rst_put(o, (const char *)&value, size);
}

void rst_put_memory(struct rst_output *o, struct rst_context *c, int64_t address, bool hex,
		    unsigned int flags, int64_t width, int64_t precision)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char block[32];
	char text[2 * sizeof(block)];
	int64_t count = precision < 0 ? 1 : bounded(precision);
	int64_t spaces = bounded(width) - (hex ? 2 * count : count);

	if (!(flags & RST_PRINT_LEFT))
		put_repeated(o, ' ', spaces);
	while (count > 0) {
		unsigned int part = count < (int64_t)sizeof(block) ? count : sizeof(block);
		unsigned int i;
		int error = flags & RST_PRINT_ALTERNATE ? rst_copy_user(block, address, part) :
							  rst_copy_kernel(block, address, part);

		if (error) {
			rst_failf(c, NULL, "%s memory read fault at 0x%016llx [man error::fault]",
				  flags & RST_PRINT_ALTERNATE ? "user" : "kernel",
				  (unsigned long long)address);
			return;
		}
		if (hex) {
			for (i = 0; i < part; i++) {
				text[2 * i] = digits[block[i] >> 4];
				text[2 * i + 1] = digits[block[i] & 15];
			}
			rst_put(o, text, 2 * part);
		} else {
			rst_put(o, (const char *)block, part);
		}
		address += part;
		count -= part;
	}
	if (flags & RST_PRINT_LEFT)
		put_repeated(o, ' ', spaces);
}

static uint64_t field_value(const struct rst_field *field, uint64_t word)
{
	word <<= field->left;
	return field->is_signed ? (uint64_t)((int64_t)word >> field->right) : word >> field->right;
}

void rst_put_fields(struct rst_output *o, struct rst_context *c, uint64_t address, bool is_user,
		    const struct rst_field *fields, unsigned int count)
{
	const struct rst_field *field;

	for (field = fields; field < fields + count; field++) {
		uint64_t at = address + field->offset;
		uint64_t value = is_user ? rst_read_user(c, at, field->size) :
					   rst_read_kernel(c, at, field->size);

		if (RST_FAILED(c))
			return;
		value = field_value(field, value);
		rst_put(o, field->text, field->length);
		if (field->conversion == 'c')
			rst_put_character(o, value, field->flags, -1);
		else if (field->conversion == 'd' && !field->flags)
			rst_put_decimal(o, value);
		else
			rst_put_number(o, value, field->conversion, field->flags, -1, -1);
	}
}

/* ---- texts of messages ---------------------------------------------------- */

void rst_text_add_bytes(struct rst_text *t, const char *text, unsigned int length)
{
	if (t->size <= t->length + 1)
		return;
	if (length > t->size - 1 - t->length)
		length = t->size - 1 - t->length;
	memcpy(t->start + t->length, text, length);
	t->length += length;
	t->start[t->length] = 0;
}

void rst_text_add(struct rst_text *t, const char *text)
{
	rst_text_add_bytes(t, text, strlen(text));
}

void rst_text_add_decimal(struct rst_text *t, int64_t value)
{
	char buffer[24];
	char *end = buffer + sizeof(buffer);
	char *start = rst_format_decimal(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);

	if (value < 0)
		*--start = '-';
	rst_text_add_bytes(t, start, end - start);
}

void rst_text_format(struct rst_text *t, const char *format, __builtin_va_list arguments)
{
	char buffer[NUMBER_SIZE];
	char *end = buffer + sizeof(buffer);

	for (; *format; format++) {
		const char *plain = format;
		unsigned int width = 0;
		bool zero = false;
		int longs = 0;
		uint64_t value;
		char *start;
		bool negative;

		while (*format && *format != '%')
			format++;
		rst_text_add_bytes(t, plain, format - plain);
		if (!*format)
			return;
		format++;
		if (*format == '#' || *format == '-')
			format++;
		if (*format == '0')
			zero = true;
		while (*format >= '0' && *format <= '9')
			width = 10 * width + (*format++ - '0');
		while (*format == 'l' || *format == 'h' || *format == 'z') {
			longs += *format != 'h';
			format++;
		}
		switch (*format) {
		case 'd':
		case 'i':
		case 'u':
		case 'x':
		case 'X':
		case 'p':
			if (*format == 'p')
				value = (unsigned long)__builtin_va_arg(arguments, void *);
			else if (longs)
				value = __builtin_va_arg(arguments, unsigned long);
			else if (*format == 'd' || *format == 'i')
				value = (int64_t)__builtin_va_arg(arguments, int);
			else
				value = __builtin_va_arg(arguments, unsigned int);
			negative = (*format == 'd' || *format == 'i') && (int64_t)value < 0;
			if (negative)
				value = 0 - value;
			if (*format == 'x' || *format == 'X' || *format == 'p')
				start = rst_format_hex(end, value, *format == 'X');
			else
				start = rst_format_decimal(end, value);
			if (*format == 'p') {
				*--start = 'x';
				*--start = '0';
			}
			if (width > 32)
				width = 32;
			while (zero && end - start + negative < (long)width)
				*--start = '0';
			if (negative)
				*--start = '-';
			while (end - start < (long)width)
				*--start = ' ';
			rst_text_add_bytes(t, start, end - start);
			break;
		case 's': {
			const char *text = __builtin_va_arg(arguments, const char *);

			rst_text_add(t, text ? text : "(null)");
			break;
		}
		case 'c':
			buffer[0] = __builtin_va_arg(arguments, int);
			rst_text_add_bytes(t, buffer, 1);
			break;
		case '%':
			rst_text_add_bytes(t, "%", 1);
			break;
		default:
			return;
		}
	}
}
