/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rstap_tapset.h - a part of rstap.h: the world, for the tapset.
 */
#ifndef RSTAP_TAPSET_H
#define RSTAP_TAPSET_H

/* struct task_struct * of the current task, as a number. */
RST_INLINE uint64_t rst_current(void)
{
	return rst_per_cpu_constant(rst_facts.current_task);
}

/* The bits of a float as those of the same double; the kernel may not use the unit that could. */
RST_INLINE int64_t rst_double_of_float(uint32_t bits)
{
	uint64_t sign = (uint64_t)(bits >> 31) << 63;
	uint64_t exponent = (bits >> 23) & 0xff;
	uint64_t fraction = bits & 0x7fffff;

	if (exponent == 0xff) {			/* infinite, or not a number: quietly so */
		exponent = 0x7ff;
		fraction |= fraction ? 0x400000 : 0;
	} else if (exponent) {
		exponent += 1023 - 127;
	} else if (fraction) {			/* denormal, and no double is that small */
		int shift = __builtin_clz((unsigned int)fraction) - 8;

		exponent = 1023 - 127 + 1 - shift;
		fraction = fraction << shift & 0x7fffff;
	}
	return sign | exponent << 52 | fraction << 29;
}

RST_INLINE int64_t rst_pid(void)	/* thread group, initial namespace */
{
	return *(const int *)(rst_current() + rst_facts.tgid);
}

RST_INLINE int64_t rst_tid(void)
{
	return *(const int *)(rst_current() + rst_facts.pid);
}

/* Number of the first byte that is 0, 8 when there is none (little endian). */
RST_INLINE unsigned int rst_zero_byte(uint64_t word)
{
	uint64_t zeros = (word - 0x0101010101010101ull) & ~word & 0x8080808080808080ull;

	return zeros ? __builtin_ctzll(zeros) / 8 : 8;
}

/* Two words (TASK_COMM_LEN), copied and measured without a call: the commonest function of scripts. */
RST_INLINE struct rst_string rst_execname(struct rst_context *c)
{
	const char *name = (const char *)(rst_current() + rst_facts.comm);
	char *buffer = rst_scratch(c, 16);
	uint64_t first, second;

	if (RST_UNLIKELY(!buffer))
		return RST_LITERAL("");
	__builtin_memcpy(&first, name, 8);
	__builtin_memcpy(&second, name + 8, 8);
	second &= ~0ull >> 8;
	__builtin_memcpy(buffer, &first, 8);
	__builtin_memcpy(buffer + 8, &second, 8);
	if (RST_LIKELY((first - 0x0101010101010101ull) & ~first & 0x8080808080808080ull))
		return (struct rst_string){ .text = buffer, .length = rst_zero_byte(first) };
	return (struct rst_string){ .text = buffer, .length = 8 + rst_zero_byte(second) };
}

int64_t rst_ppid(void);
int64_t rst_uid(void);
int64_t rst_euid(void);
int64_t rst_gid(void);
int64_t rst_egid(void);
int64_t rst_pgrp(void);
int64_t rst_sid(void);
int64_t rst_loadavg(int64_t index);	/* times 2048; -1 for an index over 2 */
int64_t rst_stack_size(void);		/* bytes of a kernel stack */
int64_t rst_stack_unused(struct rst_context *c);
/* struct task_struct * of a thread or process id of the initial namespace; 0: none. */
uint64_t rst_pid_to_task(int64_t pid);
/* struct pid_namespace * and struct user_namespace * of -N PID, else of staprun */
uint64_t rst_pid_namespace(void);
uint64_t rst_user_namespace(void);
int64_t rst_target(void);	/* -x PID or the pid of -c CMD, 0 if none */
int64_t rst_gettimeofday_ns(void);	/* realtime, NMI-safe */
int64_t rst_monotonic_ns(void);
int64_t rst_cycles(void);
int64_t rst_jiffies(void);
/* Nanoseconds of a CPU's own clock. */
int64_t rst_cpu_clock_ns(int64_t cpu);
int64_t rst_hz(void);
/* What staprun told of the user's time zone and of --remote; 0 and "" if nothing. */
int64_t rst_timezone_offset(void);	/* seconds east of UTC */
struct rst_string rst_timezone_name(struct rst_context *c);
int64_t rst_remote_id(void);
struct rst_string rst_remote_uri(struct rst_context *c);
int64_t rst_module_name_copy(char *buffer, unsigned int size);
struct rst_string rst_module_name(struct rst_context *c);
/* exit(): stops the session after this handler. */
void rst_exit(struct rst_context *c);
/* warn(), error() and printk() of the tapset; a line each. */
void rst_warn(struct rst_context *c, struct rst_string text);
void rst_log(struct rst_context *c, struct rst_string text);	/* to stderr of staprun */
void rst_printk(struct rst_context *c, int64_t level, struct rst_string text);
/* system(): staprun runs the command. */
void rst_system(struct rst_context *c, struct rst_string command);
uint64_t rst_random(void);
/* @perf: what a counter has counted in the current thread of the target process. */
int64_t rst_perf_counter(struct rst_context *c, struct rst_string name);
/* Guru mode: a signal to the current process, once the handler has ended; a wait of at most a second. */
void rst_raise(int64_t number);
void rst_delay(struct rst_context *c, int64_t microseconds);
void rst_panic(struct rst_string text);
void rst_dump_stack(void);
/* staprun's process, 0 before it said hello, and the user who runs it. */
int64_t rst_loader_pid(void);
int64_t rst_loader_uid(void);
/* Asks staprun to go on in a new output file. */
void rst_switch_file(void);
/* Node of memory that an address of the kernel's direct mapping is on, -1: not such an address. */
int64_t rst_address_node(uint64_t address);
/* Bytes of this module: "28kb data, 12kb text". */
struct rst_string rst_module_size(struct rst_context *c);
/* File that an address of the current process is mapped from: its name, and where its first byte is. */
struct rst_string rst_user_module(struct rst_context *c, uint64_t address);
uint64_t rst_user_module_start(struct rst_context *c, uint64_t address);
/* Symbol "name" or "name+0x12" of a kernel address, into scratch. flags: 1 offset and size, 2 module. */
struct rst_string rst_symbol(struct rst_context *c, uint64_t address, unsigned int flags);
/* Kernel call stack as hexadecimal addresses separated by blanks. */
struct rst_string rst_backtrace(struct rst_context *c, int64_t skip);
/* Frame of the kernel's call stack: 0 is the probed function, 1 its caller. 0 if there is none. */
uint64_t rst_stack_address(struct rst_context *c, int64_t level);
void rst_print_backtrace(struct rst_context *c);
void rst_print_backtrace_lines(struct rst_context *c);	/* and at file:line, where known */
/* Source of a kernel address: flags RST_USER_FILE, RST_USER_LINE or both; the address if not known. */
struct rst_string rst_kernel_line(struct rst_context *c, uint64_t address, unsigned int flags);
/* Addresses in programs: what the script carries tables for (struct rst_user_file). */
#define RST_USER_OFFSET	1	/* symbol+0x12/0x34 */
#define RST_USER_FILE	2	/* symbol [program]; or the source file */
#define RST_USER_LINE	4
#define RST_USER_SHORT_OFFSET 8	/* symbol+0x12 */
enum rst_user_style {
	RST_USER_FULL,		/* 0x55d0 : main+0x12/0x34 [/usr/bin/program] */
	RST_USER_BRIEF,		/* main+0x12 */
	RST_USER_FILELINE,	/* full, and at main.c:12 */
};
struct rst_string rst_user_symbol(struct rst_context *c, uint64_t address, unsigned int flags);
struct rst_string rst_user_line(struct rst_context *c, uint64_t address, unsigned int flags);
/* Where the current process is in its own code; 0 for a kernel thread. */
uint64_t rst_user_address(struct rst_context *c);
/* Call stack as hexadecimal addresses, from these registers; with sp 0 from the program's own. */
struct rst_string rst_user_backtrace(struct rst_context *c, uint64_t ip, uint64_t sp, uint64_t bp);
/* Such a text of addresses by symbol, a line each. */
struct rst_string rst_user_stack_text(struct rst_context *c, struct rst_string stack,
				      enum rst_user_style style);
void rst_print_user_stack(struct rst_context *c, struct rst_string stack,
			  enum rst_user_style style);
void rst_flush(struct rst_context *c);		/* output now, as a message of its own */

#endif /* RSTAP_TAPSET_H */
