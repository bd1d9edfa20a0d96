// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory.c - reads and writes of memory that may not be there. Nothing here
 * sleeps or faults a page in: what is not resident is a soft error.
 */
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/uaccess.h>

#include "runtime.h"

static void fault(struct rst_context *c, const char *what, uint64_t address)
{
	rst_failf(c, NULL, "%s fault [man error::fault] at 0x%016llx", what,
		  (unsigned long long)address);
}

/*
 * Whether [address, address + size) can be kernel memory. A non-canonical
 * address would raise a general protection fault, which the exception tables
 * of user access do not expect.
 */
static __always_inline bool is_kernel_range(uint64_t address, unsigned long size)
{
#ifdef CONFIG_X86_64
	/* the upper half; 47 or 56 address bits are told apart by the sign */
	return (int64_t)address < 0 && address + size > address &&
	       address >= (pgtable_l5_enabled() ? 0xff00000000000000ull : 0xffff800000000000ull);
#else
	return address >= TASK_SIZE_MAX && address + size > address;
#endif
}

/* ---- kernel ---------------------------------------------------------------------------- */

uint64_t rst_read_kernel(struct rst_context *c, uint64_t address, unsigned int size)
{
	uint64_t value = 0;
	uint8_t byte;
	uint16_t half;
	uint32_t word;

	if (unlikely(!is_kernel_range(address, size)))
		goto failed;
	switch (size) {
	case 1:
		__get_kernel_nofault(&byte, (void *)address, uint8_t, failed);
		return byte;
	case 2:
		__get_kernel_nofault(&half, (void *)address, uint16_t, failed);
		return half;
	case 4:
		__get_kernel_nofault(&word, (void *)address, uint32_t, failed);
		return word;
	case 8:
		__get_kernel_nofault(&value, (void *)address, uint64_t, failed);
		return value;
	}
failed:
	fault(c, "kernel read", address);
	return 0;
}

int rst_copy_kernel(void *to, uint64_t address, unsigned long size)
{
	if (!is_kernel_range(address, size))
		return -EFAULT;
	return copy_from_kernel_nofault(to, (void *)address, size);
}

void rst_write_kernel(struct rst_context *c, uint64_t address, uint64_t value, unsigned int size)
{
	uint8_t byte = value;
	uint16_t half = value;
	uint32_t word = value;

	if (!is_kernel_range(address, size))
		goto failed;
	switch (size) {
	case 1:
		__put_kernel_nofault((void *)address, &byte, uint8_t, failed);
		return;
	case 2:
		__put_kernel_nofault((void *)address, &half, uint16_t, failed);
		return;
	case 4:
		__put_kernel_nofault((void *)address, &word, uint32_t, failed);
		return;
	case 8:
		__put_kernel_nofault((void *)address, &value, uint64_t, failed);
		return;
	}
failed:
	fault(c, "kernel write", address);
}

/* ---- user ------------------------------------------------------------------------------- */

/* Not exported: staprun tells where it is. */
#undef nmi_uaccess_okay
extern bool nmi_uaccess_okay(void) __attribute__((weak));

/*
 * Whether the page tables are those of the current process: not while the kernel switches to
 * another, nor in a kernel thread, whatever it borrows. copy_from_user_nofault() asks the same
 * since 6.4 and its backports, copy_to_user_nofault() does not.
 */
static bool has_user_memory(void)
{
	return nmi_uaccess_okay ? nmi_uaccess_okay() : current->mm != NULL;
}

int rst_copy_user(void *to, uint64_t address, unsigned long size)
{
	if (!has_user_memory())
		return -EFAULT;
	return copy_from_user_nofault(to, (const void __user *)address, size);
}

uint64_t rst_read_user(struct rst_context *c, uint64_t address, unsigned int size)
{
	uint64_t value = 0;

	if (size > sizeof(value) || rst_copy_user(&value, address, size)) {
		fault(c, "user read", address);
		return 0;
	}
	return value;
}

void rst_write_user(struct rst_context *c, uint64_t address, uint64_t value, unsigned int size)
{
	if (size > sizeof(value) || !has_user_memory() ||
	    copy_to_user_nofault((void __user *)address, &value, size))
		fault(c, "user write", address);
}

/* ---- strings ------------------------------------------------------------------------------ */

#define STRING_PART	64u	/* divides a page: a part never reaches into the next one */

static struct rst_string read_string(struct rst_context *c, uint64_t address, int64_t limit,
				     int (*copy)(void *, uint64_t, unsigned long), const char *what)
{
	struct rst_string s = { .text = "", .length = 0 };
	unsigned int most = c->string_size - 1;
	unsigned int length = 0;
	char *buffer;

	if (limit > 0 && limit < most)
		most = limit;
	buffer = rst_scratch(c, most + 1);
	if (!buffer)
		return s;
	while (length < most) {
		unsigned int part = STRING_PART - (address & (STRING_PART - 1));
		unsigned int end;

		part = min(part, most - length);
		if (copy(buffer + length, address, part)) {
			if (!length) {
				fault(c, what, address);
				return s;
			}
			break;
		}
		end = strnlen(buffer + length, part);
		length += end;
		address += part;
		if (end < part)
			goto done;
	}
	/* was there more? */
	if (length == most && limit <= 0) {
		char next;

		if (!copy(&next, address, 1) && next)
			rst_count_truncation(c);
	}
done:
	buffer[length] = 0;
	/* give back what the text did not need */
	c->scratch = buffer + ((length + 1 + 7) & ~7u);
	s.text = buffer;
	s.length = length;
	return s;
}

struct rst_string rst_kernel_string(struct rst_context *c, uint64_t address, int64_t limit)
{
	return read_string(c, address, limit, rst_copy_kernel, "kernel string copy");
}

struct rst_string rst_user_string(struct rst_context *c, uint64_t address, int64_t limit)
{
	return read_string(c, address, limit, rst_copy_user, "user string copy");
}

/* ---- per-CPU addresses ---------------------------------------------------------------------- */

uint64_t rst_this_cpu_address(struct rst_context *c, uint64_t per_cpu_address)
{
	return per_cpu_address + per_cpu_offset(c->cpu);
}

uint64_t rst_cpu_address(struct rst_context *c, uint64_t per_cpu_address, int64_t cpu)
{
	if (cpu < 0 || cpu >= rst_cpu_count || !cpu_possible(cpu)) {
		rst_failf(c, NULL, "there is no CPU %ld", (long)cpu);
		return 0;
	}
	return per_cpu_address + per_cpu_offset(cpu);
}

/* ---- where memory is -------------------------------------------------------------- */

int64_t rst_address_node(uint64_t address)
{
	return virt_addr_valid((void *)address) ? page_to_nid(virt_to_page((void *)address)) : -1;
}
