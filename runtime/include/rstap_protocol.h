/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rstap_protocol.h - what the module and staprun say to each other.
 *
 * Files, all in /proc/systemtap/MODULE/ (mode 0600, owner root):
 *   .cmd      control channel; one opener at a time; a write() is exactly one
 *             message, a read() gives one message (EAGAIN when O_NONBLOCK and
 *             none), poll() tells when one waits. Closing it without EXIT
 *             (loader killed) disarms every probe within one second.
 *   trace<N>  output of CPU N: the bytes of its relay buffer, in order; a read()
 *             gives what is there, 0 when nothing is there and the session has
 *             ended, EAGAIN when nothing is there yet; poll() wakes on new data.
 *
 * All numbers are in host byte order. Every structure is a multiple of 8 bytes
 * so that no padding can differ between compilers.
 */
#ifndef RSTAP_PROTOCOL_H
#define RSTAP_PROTOCOL_H

#define RST_PROTOCOL_VERSION	1

/* ---- control messages: header, then length bytes ------------------------- */
struct rst_control_header {
	unsigned int type;	/* enum rst_control_type */
	unsigned int length;	/* of the payload that follows */
};

#define RST_CONTROL_MAXIMUM	4096	/* payload bytes */

enum rst_control_type {
	/* staprun to module */
	RST_CONTROL_HELLO = 1,		/* u32 protocol version, u32 flags (below) */
	RST_CONTROL_SYMBOL = 2,		/* u64 address, then the name with NUL: "_stext" first */
	RST_CONTROL_SECTION = 3,	/* u64 address, "module\0section\0" of the module that MODULE
					 * named last; refused with ESTALE if that came or went
					 * since: MODULE again, and read its sections again */
	RST_CONTROL_PARAMETER = 4,	/* "name\0value\0": set a global; refused after START */
	RST_CONTROL_START = 5,		/* s64 target pid (0: none); reply RST_CONTROL_STARTED */
	RST_CONTROL_EXIT = 6,		/* no payload: stop; reply RST_CONTROL_ENDED */
	RST_CONTROL_TOGGLE = 7,		/* u32 probe index, u32 1 = arm, 0 = disarm */
	/* optional: a module that does not know the type refuses the write with EINVAL */
	RST_CONTROL_DETACH = 8,		/* no payload: from now on closing .cmd leaves the session
					 * running, full buffers overwrite the oldest output; the
					 * next opener's HELLO ends this state (no second START) */
	RST_CONTROL_TIMEZONE = 9,	/* s64 seconds east of UTC, then the zone's name with NUL */
	RST_CONTROL_REMOTE = 10,	/* u64 index, then URI with NUL: remote_id(), remote_uri() */
	RST_CONTROL_NAMESPACE = 11,	/* s64 pid whose namespaces are the target's (-N) */
	RST_CONTROL_MODULE = 12,	/* name with NUL: its sections will be read and told; what was
					 * told of it before is forgotten */
	/* module to staprun */
	RST_CONTROL_STARTED = 32,	/* s64: 0 or a negative errno */
	RST_CONTROL_WARNING = 33,	/* text without NUL or newline */
	RST_CONTROL_ERROR = 34,		/* text; pass 5 will have failed */
	RST_CONTROL_LOG = 35,		/* text for stderr as it is: log(), printed with newline */
	RST_CONTROL_SYSTEM = 36,	/* command line for sh -c */
	RST_CONTROL_REQUEST_EXIT = 37,	/* no payload: exit() was called or the session failed */
	RST_CONTROL_ENDED = 38,		/* no payload: probes are gone, output is complete */
	RST_CONTROL_SWITCH_FILE = 40,	/* no payload: output goes on in a new file */
	RST_CONTROL_SUMMARY = 39,	/* one "key=value ..." line of the final account, see below */
};

enum rst_hello_flags {
	RST_HELLO_BULK = 1,		/* -b: output is not merged, order does not matter */
	RST_HELLO_FLIGHT_RECORDER = 2,	/* -F, -L: full buffers overwrite the oldest output */
	RST_HELLO_SUPPRESS_WARNINGS = 4,
	RST_HELLO_ATTACH = 8,		/* -A: refused with ENOTCONN before the session was started */
};

/*
 * RST_CONTROL_SUMMARY lines, sent before ENDED; absence means zero:
 *   kind=errors count=3
 *   kind=skipped reason=reentrant|overload|low-stack|nmi|state|memory count=3 probe=NAME
 *   kind=missed-returns count=3 probe=NAME
 *   kind=missed-kprobes count=3 probe=NAME
 *   kind=lost-output bytes=123 messages=4 probe=NAME	(without probe: overwritten by the flight recorder)
 *   kind=truncated-strings count=5 probe=NAME
 *   kind=full-map map=NAME count=5
 *   kind=short-map map=NAME count=5	(memory for long texts had not grown in time)
 *   kind=replaced-entries map=NAME count=5	(a wrapping array gave up its oldest for newer ones)
 *   kind=lost-messages count=3		(warn(), system() and errors that found the queue full)
 *   kind=suppressed-errors count=3
 *   kind=probe hits=9 minimum=1 average=2 maximum=3 cycles=18 squares_low=36 squares_high=0
 *     index=0 probe=NAME	(cycles and what follows from them: -t and --monitor alone)
 *   kind=memory bytes=123456 cpus=2
 * `probe=` is always last and runs to the end of the line. Behind that of kind=probe
 * come lines of their own, which also run to their end: place=FILE:LINE:COLUMN and,
 * with -t, from=ALIASES.
 */

/* ---- output messages in trace<N> ----------------------------------------- */

#define RST_OUTPUT_MAGIC	0x70747372u	/* "rstp" */

struct rst_output_header {
	unsigned int magic;
	unsigned int length;	/* payload bytes that follow, then zeros up to a multiple of 8 */
	unsigned long long sequence;	/* one count for all CPUs, from 1, no gaps but for losses */
};

/*
 * A message never crosses the end of a relay sub-buffer; the rest of a
 * sub-buffer that it does not fit in is zeros (or a single magic 0 word), which
 * the reader skips up to the next multiple of the sub-buffer size.
 * Messages that could not be stored leave a gap in the sequence; the count of
 * lost messages and bytes comes in the summary.
 */
#define RST_SUBBUF_SIZE_DEFAULT	65536

/* ---- module parameters (insmod time) -------------------------------------
 *   rst_buffer_kb=N      relay memory per CPU in KiB (-b MB * 1024); default 1024
 *   rstap_bulk=1         of a module with bulk=1 (below), for staprun -A to read
 *
 * ELF section .rstap.info of the module, NUL-separated "key=value" strings:
 *   version=1, script=NAME, release=KERNEL, build_id=HEX (of the kernel, if known),
 *   parameter=NAME:long|string (one each), guru=0|1, bulk=1 (a file for each CPU),
 *   needs=SYMBOL (weak symbols),
 *   module=NAME (one each: kernel modules whose sections are sent by SECTION),
 *   module_build_id=NAME:HEX (one each, where known)
 *
 * Undefined weak symbols of the module are kernel functions without an export;
 * staprun fills them in before loading, in its copy of the file, by st_shndx =
 * SHN_ABS and st_value = the address from /proc/kallsyms. A signed module is
 * left as it is, and the runtime does without them.
 */
#endif /* RSTAP_PROTOCOL_H */
