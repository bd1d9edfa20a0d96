/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rstap.h - everything that the C text of a script may call.
 *
 * A script's translation unit includes this file and no kernel header: kernel
 * headers are 97 % of a module's compile time. So every kernel fact that a
 * script needs is reached through a function of the runtime, and every size
 * that a script chooses (string length, map entries) is an argument.
 *
 * It must also live together with kernel headers in one unit, for scripts with
 * embedded C that include them: the few unprefixed names here are typedefs that
 * repeat the kernel's own.
 *
 * Rules for all functions declared here, unless a comment says otherwise: they
 * may be called from any probe handler, with interrupts off; they do not
 * allocate, sleep, block or print to the kernel log; a failure sets
 * context->error and gives back 0, NULL or the empty string.
 */
#ifndef RSTAP_H
#define RSTAP_H

#ifndef __KERNEL_HEADERS_INCLUDED__
typedef long long int64_t;
typedef unsigned long long uint64_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef _Bool bool;
#endif
#ifndef NULL
#define NULL ((void *)0)
#endif

#define RST_LIKELY(x)	__builtin_expect(!!(x), 1)
#define RST_UNLIKELY(x)	__builtin_expect(!!(x), 0)
#define RST_INLINE	static inline __attribute__((always_inline))
#define RST_COLD	static __attribute__((__noinline__, __cold__))
#define RST_MAYBE_UNUSED __attribute__((unused))

/* ---- sizes that are part of the interface ------------------------------- */
#define RST_INTERFACE_VERSION	1
#define RST_MAX_KEYS		9	/* array keys, as SystemTap's map-gen */
#define RST_MAX_ARGUMENTS	12	/* tracepoint or $argN values */
#define RST_HISTOGRAM_BUCKETS	128

/* ---- strings ------------------------------------------------------------ */

/*
 * A string value. text[length] is always NUL and there is no NUL before it.
 * Who holds the bytes: a literal, a local's slot, or the context's scratch
 * memory, where they live until the statement that made them ends.
 */
struct rst_string {
	const char *text;
	unsigned int length;
};

#define RST_LITERAL(s) ((struct rst_string){ .text = (s), .length = sizeof(s) - 1 })

/* ---- output ------------------------------------------------------------- */

/*
 * Where print functions write. The context's own output is staged there and
 * handed to the transport as one message when the handler ends; sprintf uses
 * one over scratch memory, which cuts at its end and counts the cut.
 */
struct rst_output {
	char *start;
	char *cursor;
	char *end;		/* one past the last byte that may be written */
	struct rst_context *context;
	bool is_string;		/* sprintf: cut at the end instead of flushing */
	bool is_cut;		/* and has been, which counts once */
};

/* ---- registers ---------------------------------------------------------- */
#include "rstap_arch.h"	/* struct rst_regs, rst_register(n), calling convention */

/* ---- context ------------------------------------------------------------ */

/*
 * One handler run. There is one context per possible CPU; a handler claims it
 * with interrupts off, so that only an NMI or a fault inside the handler can
 * find it taken, which is counted as a skipped probe.
 */
struct rst_context {
	struct rst_context *self;	/* found at this CPU's per-CPU address */
	/* the gate: 0 when a handler may run, otherwise the slow path sorts it out */
	union {
		struct {
			uint8_t busy;		/* written by its holder alone */
			uint8_t is_stopped;	/* the session does not run; written by any CPU */
			uint8_t is_sampled;	/* the next run is measured */
			uint8_t is_guarded;	/* process context works on what handlers use; as busy */
		};
		uint32_t gate;
	};
	int runs_to_sample;		/* below 0: this run is measured, or the next shall be */
	unsigned long irq_flags;
	uint64_t *hits;			/* by probe index, one more for what counts as none */
	char *scratch_start;
	char *scratch;			/* bump allocator: next free byte, 8-aligned */
	char *scratch_end;
	struct rst_output output;
	const char *error;		/* NULL, or the soft error being propagated */
	const char *error_location;	/* "near operator '/' at FILE:L:C" + call chain */
	long actions;			/* statements left before MAXACTION */
	unsigned int nesting;		/* function depth */
	unsigned int maximum_nesting;
	unsigned int string_size;	/* MAXSTRINGLEN: bytes of a string with its NUL */
	unsigned int cpu;
	struct rst_regs *regs;		/* NULL where the probe point has none */
	const struct rst_probe *probe;
	unsigned long address;		/* probed kernel or user address, 0 if none */
	uint64_t *saved;		/* entry values of a return probe, else NULL */
	unsigned int saved_size;
	bool user_mode;			/* registers are those of user space */
	bool aborted;			/* abort(): not catchable */
	bool next;			/* STAP_NEXT or `next` in a function */
	bool is_return;			/* return probe: regs hold the return value */
	uint64_t arguments[RST_MAX_ARGUMENTS];
	unsigned long return_address;	/* return probes: the real caller */
	struct rst_string procfs_value;	/* $value of procfs probes */
	void *probe_data;		/* mechanism's own: kretprobe instance, skb, ... */
	struct rst_output *procfs_output;
	unsigned int match_count;	/* sub-matches of the last =~ */
	struct rst_string match_text;
	char *match_buffer;		/* string_size bytes that match_text points to */
	unsigned short match_start[16];
	unsigned short match_end[16];
	char error_text[256];
	char location_text[512];
};

#define RST_FAILED(c) RST_UNLIKELY((c)->error != NULL)

/*
 * Starts a soft error: text is a literal or lives in c->error_text; location
 * a literal ("near identifier 'x' at FILE:L:C"), may be NULL.
 */
void rst_fail(struct rst_context *c, const char *text, const char *location);
/* The same with a formatted text (%d %x %s %p only); cuts at 255 bytes. */
void rst_failf(struct rst_context *c, const char *location, const char *format, ...);
/* Gives an error raised inside the runtime its place in the script (if it has none yet). */
void rst_fail_at(struct rst_context *c, const char *location);
/* Adds " (called from LOCATION)" when an error leaves a function. */
void rst_fail_called_from(struct rst_context *c, const char *location);
/* catch: clears the error, gives its text in scratch memory. */
struct rst_string rst_catch(struct rst_context *c);

/* ---- calls --------------------------------------------------------------- */

/* So many functions may call each other before what is left of the stack is asked for. */
#define RST_SHALLOW_NESTING 16

bool rst_may_nest_deeper(struct rst_context *c, const char *location);

/* Asked by functions that may be called too deep: false, and a soft error, when they are. */
RST_INLINE bool rst_may_nest(struct rst_context *c, const char *location)
{
	return RST_LIKELY(c->nesting < c->maximum_nesting && c->nesting < RST_SHALLOW_NESTING) ||
	       rst_may_nest_deeper(c, location);
}

/* ---- facts --------------------------------------------------------------- */

/* What the path of every hit needs to know of this kernel and session; one cache line. */
struct rst_facts {
	unsigned long contexts;		/* per-CPU address of the contexts */
	unsigned long stack_mask;	/* no bit of it in the stack pointer: little is left, perhaps */
	long actions;			/* MAXACTION */
	unsigned int interrupts_are_virtual;
	unsigned int pid, tgid, comm;	/* where struct task_struct has them */
	unsigned long current_task;	/* per-CPU address of the pointer */
};
/* Written before the first handler runs, so that the compiler may keep what it has read. */
extern const struct rst_facts rst_facts;

/* ---- copying ------------------------------------------------------------ */

/* Most texts are short: two overlapping moves are cheaper than a call of memcpy(). */
RST_INLINE void rst_copy(void *to, const void *from, unsigned long size)
{
	char *t = to;
	const char *f = from;
	uint64_t first, last;
	uint32_t head, tail;

	if (__builtin_constant_p(size) || size > 16) {
		__builtin_memcpy(to, from, size);
	} else if (size >= 8) {
		__builtin_memcpy(&first, f, 8);
		__builtin_memcpy(&last, f + size - 8, 8);
		__builtin_memcpy(t, &first, 8);
		__builtin_memcpy(t + size - 8, &last, 8);
	} else if (size >= 4) {
		__builtin_memcpy(&head, f, 4);
		__builtin_memcpy(&tail, f + size - 4, 4);
		__builtin_memcpy(t, &head, 4);
		__builtin_memcpy(t + size - 4, &tail, 4);
	} else if (size) {
		t[0] = f[0];
		t[size / 2] = f[size / 2];
		t[size - 1] = f[size - 1];
	}
}

/* ---- scratch memory ----------------------------------------------------- */

void rst_scratch_exhausted(struct rst_context *c);

/* size bytes, 8-aligned; NULL and a soft error when the context has no more. */
RST_INLINE void *rst_scratch(struct rst_context *c, unsigned long size)
{
	char *memory = c->scratch;

	size = (size + 7) & ~7ul;
	if (RST_UNLIKELY(size > (unsigned long)(c->scratch_end - memory))) {
		rst_scratch_exhausted(c);
		return NULL;
	}
	c->scratch = memory + size;
	/* spares the callers' tests */
	if (!memory)
		__builtin_unreachable();
	return memory;
}

RST_INLINE char *rst_scratch_mark(struct rst_context *c) { return c->scratch; }
RST_INLINE void rst_scratch_release(struct rst_context *c, char *mark) { c->scratch = mark; }

/* ---- string operations -------------------------------------------------- */

/* Copies into buffer (string_size bytes), cutting and counting the cut. */
struct rst_string rst_string_copy(struct rst_context *c, char *buffer, struct rst_string s);
/* Copies into scratch memory. */
struct rst_string rst_string_save(struct rst_context *c, struct rst_string s);
struct rst_string rst_string_concat(struct rst_context *c, struct rst_string a, struct rst_string b);
/* As strcmp(): below, equal to or above 0. */
int rst_string_compare(struct rst_string a, struct rst_string b);
/* Wraps the char array that embedded C filled; size is the array's. */
struct rst_string rst_string_from_buffer(const char *buffer, unsigned int size);

RST_INLINE bool rst_string_equal(struct rst_string a, struct rst_string b)
{
	return a.length == b.length && rst_string_compare(a, b) == 0;
}

/* ---- integer operations with a trap ------------------------------------- */

/* The translator has checked divisor != 0. INT64_MIN / -1 wraps. */
RST_INLINE int64_t rst_divide(int64_t a, int64_t b)
{
	return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

RST_INLINE int64_t rst_modulo(int64_t a, int64_t b)
{
	return b == -1 ? 0 : a % b;
}

/* ---- locks around globals ----------------------------------------------- */

/*
 * Held with interrupts off inside a claimed context, so a CPU can never meet
 * its own lock; taken in order of declaration. Waiting is bounded by the
 * handlers of other CPUs: nothing is dropped because of a time-out.
 */
struct rst_lock {
	unsigned int taken;
};

/* False: somebody has it. A word that is 1 already stays as it was. */
RST_INLINE bool rst_try_lock(struct rst_lock *lock)
{
	return !__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE);
}

/* No call in it: the functions that take a lock need save no registers. */
RST_INLINE void rst_lock(struct rst_lock *lock)
{
	while (RST_UNLIKELY(!rst_try_lock(lock)))
		while (__atomic_load_n(&lock->taken, __ATOMIC_RELAXED))
			rst_relax();
}

RST_INLINE void rst_unlock(struct rst_lock *lock)
{
	__atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}

/* ---- statistics --------------------------------------------------------- */

enum rst_histogram_kind { RST_HISTOGRAM_NONE, RST_HISTOGRAM_LOG, RST_HISTOGRAM_LINEAR };

struct rst_stat_spec {
	enum rst_histogram_kind histogram;
	int64_t low, high, step;	/* linear only */
	int variance_shift;		/* @variance(x, shift) */
	bool needs_variance;
};

/* Merged value of a statistic. count == 0: empty, the rest is 0. */
struct rst_stat {
	int64_t count, sum, minimum, maximum;
	int64_t average, variance;	/* computed by the reader functions below */
	int64_t shifted_average, m2;	/* Welford's, private to the runtime */
	uint64_t *histogram;		/* RST_HISTOGRAM_BUCKETS counters, or NULL */
};

/* A scalar statistic: per-CPU parts, allocated by the runtime from the spec. */
struct rst_stat_variable;
void rst_stat_add(struct rst_context *c, struct rst_stat_variable *v, int64_t value);
/* Merges all CPUs into scratch memory. Never NULL unless c->error is set. */
const struct rst_stat *rst_stat_get(struct rst_context *c, struct rst_stat_variable *v);
void rst_stat_clear(struct rst_context *c, struct rst_stat_variable *v);
/*
 * For a handler that reads and then deletes: until rst_stat_thaw() nobody else adds
 * anything, so that nothing is deleted that was not read. One handler at a time does
 * this, with rst_freezing, which is taken after all locks of globals: two that add
 * to what the other has frozen would wait for each other for ever.
 */
extern struct rst_lock rst_freezing;
void rst_stat_freeze(struct rst_context *c, struct rst_stat_variable *v);
void rst_stat_thaw(struct rst_stat_variable *v);

/* bucket count; 0 outside */
int64_t rst_histogram_bucket(const struct rst_stat *s, const struct rst_stat_spec *spec, int64_t n);
/* number of buckets to iterate over: 128 or what the linear range needs with under/overflow */
int64_t rst_histogram_buckets(const struct rst_stat_spec *spec);
/* ASCII art in SystemTap's layout. */
void rst_put_histogram(struct rst_output *o, const struct rst_stat *s, const struct rst_stat_spec *spec);

/* ---- maps --------------------------------------------------------------- */

enum rst_type { RST_LONG, RST_STRING, RST_STAT };

struct rst_map;
struct rst_node;

struct rst_map_spec {
	const char *name;
	struct rst_map **map;		/* filled before the first handler runs */
	unsigned char key_count;
	unsigned char key_types[RST_MAX_KEYS];	/* enum rst_type: RST_LONG or RST_STRING */
	unsigned char value_type;		/* enum rst_type */
	bool wrap;			/* full: replace the oldest entry */
	bool is_sized;			/* the script names the size; MAXMAPENTRIES is not asked */
	unsigned char iterations;	/* foreach loops over it that can be under way at once; at most 4 */
	unsigned int maximum_entries;
	struct rst_stat_spec stat;
};

/*
 * A key is a row of 64-bit words: a long is one word; a string is its length
 * and then its bytes padded with zeros to whole words. Built in scratch memory
 * in key order, so that hashing and comparing know no types.
 */
struct rst_key {
	uint64_t *words;
	uint32_t count;
	uint32_t hash;		/* grows with the words; its high bits are the good ones */
};

RST_INLINE void rst_key_word(struct rst_key *key, uint64_t word)
{
	key->words[key->count++] = word;
	key->hash = ((key->hash ^ word) * 0x9e3779b97f4a7c15ull) >> 32;
}

/* The key that whole words make. */
RST_INLINE struct rst_key rst_key_of(uint64_t *words, unsigned int count)
{
	struct rst_key key = { .words = words };

	while (key.count < count)
		rst_key_word(&key, words[key.count]);
	return key;
}

/* Room for key_count longs and the given strings' bytes is taken at begin. */
RST_INLINE struct rst_key rst_key_begin(struct rst_context *c, unsigned int longs,
					unsigned int strings, unsigned long string_bytes)
{
	/* each string: one word for its length and at most 7 bytes of padding */
	return (struct rst_key){
		.words = rst_scratch(c, 8 * (unsigned long)longs + 16 * (unsigned long)strings +
					       string_bytes),
	};
}

RST_INLINE void rst_key_long(struct rst_key *key, int64_t value)
{
	/* no memory: the soft error is set already */
	if (RST_UNLIKELY(!key->words))
		return;
	rst_key_word(key, (uint64_t)value);
}

RST_INLINE void rst_key_string(struct rst_key *key, struct rst_string s)
{
	unsigned int words = (s.length + 7) / 8;
	uint64_t *word, *end;
	uint64_t hash;

	if (RST_UNLIKELY(!key->words))
		return;
	rst_key_word(key, s.length);
	if (!s.length)
		return;
	word = &key->words[key->count];
	end = word + words;
	end[-1] = 0;
	rst_copy(word, s.text, s.length);
	key->count += words;
	hash = key->hash;
	do
		hash = ((hash ^ *word++) * 0x9e3779b97f4a7c15ull) >> 32;
	while (word < end);
	key->hash = hash;
}

/* Arrays of longs and strings. The caller holds the global's lock. */
struct rst_node *rst_map_find(struct rst_map *map, struct rst_key key);
/* Finds or makes; a new value is 0 or "". NULL with c->error when full. */
struct rst_node *rst_map_insert_key(struct rst_context *c, struct rst_map *map, struct rst_key key);
RST_INLINE struct rst_node *rst_map_insert(struct rst_context *c, struct rst_map *map,
					   struct rst_key key)
{
	/* a test that the compiler leaves out where it has seen the key being made */
	return RST_LIKELY(key.words != NULL) ? rst_map_insert_key(c, map, key) : NULL;
}

int64_t *rst_node_long(struct rst_node *node);
/* In scratch memory, so that it outlives a change of the array. */
struct rst_string rst_node_string(struct rst_context *c, struct rst_node *node);
void rst_node_set_string(struct rst_context *c, struct rst_map *map, struct rst_node *node,
			 struct rst_string s);
void rst_map_delete(struct rst_map *map, struct rst_key key);
void rst_map_clear(struct rst_map *map);

/* Which keys of a slice are fixed: a[*, x] has is_fixed = { 0, 1 }. */
struct rst_slice {
	bool is_fixed[RST_MAX_KEYS];
	int64_t number[RST_MAX_KEYS];
	struct rst_string string[RST_MAX_KEYS];
};

bool rst_map_contains_slice(struct rst_map *map, const struct rst_slice *slice);
void rst_map_delete_slice(struct rst_map *map, const struct rst_slice *slice);

/*
 * Arrays of statistics: every CPU has its own part with its own lock, taken
 * inside these functions; no global lock is needed for rst_stat_map_add().
 */
void rst_stat_map_add_key(struct rst_context *c, struct rst_map *map, struct rst_key key,
			  int64_t value);
RST_INLINE void rst_stat_map_add(struct rst_context *c, struct rst_map *map, struct rst_key key,
				 int64_t value)
{
	if (RST_LIKELY(key.words != NULL))
		rst_stat_map_add_key(c, map, key, value);
}

/* As rst_stat_freeze(), with the global's lock. */
void rst_map_freeze(struct rst_context *c, struct rst_map *map);
void rst_map_thaw(struct rst_map *map);

/* Merged over CPUs in scratch memory; NULL when there is no such entry. */
const struct rst_stat *rst_stat_map_get(struct rst_context *c, struct rst_map *map, struct rst_key key);
bool rst_stat_map_contains(struct rst_map *map, struct rst_key key);

enum rst_sort_by { RST_SORT_NONE = -2, RST_SORT_VALUE = -1 /* 0.. : by key n */ };
enum rst_stat_operation { RST_COUNT, RST_SUM, RST_MINIMUM, RST_MAXIMUM, RST_AVERAGE, RST_VARIANCE };

struct rst_iteration {
	int sort_by;			/* enum rst_sort_by or a key number */
	int direction;			/* 1 ascending, -1 descending */
	enum rst_stat_operation operation;	/* for statistics by value */
	int64_t limit;			/* negative: none */
	const struct rst_slice *slice;	/* NULL: all */
};

/*
 * foreach: takes the entries wanted, in order, into the map's iteration memory
 * (or, for statistics, merges all CPUs first). Gives a handle to step with;
 * NULL when there is nothing to visit or on an error. Iterations of one map may
 * nest to depth 4; deeper is a soft error. rst_iterator_end() must be called
 * whenever a handle was given.
 */
struct rst_iterator;
struct rst_iterator *rst_iterator_begin(struct rst_context *c, struct rst_map *map,
					const struct rst_iteration *how);
struct rst_node *rst_iterator_next(struct rst_iterator *it);	/* NULL at the end */
void rst_iterator_end(struct rst_iterator *it);
int64_t rst_node_key_long(struct rst_map *map, struct rst_node *node, unsigned int key);
struct rst_string rst_node_key_string(struct rst_context *c, struct rst_map *map,
				      struct rst_node *node, unsigned int key);
/* The merged statistic of an iterated entry. */
const struct rst_stat *rst_node_stat(struct rst_context *c, struct rst_map *map, struct rst_node *node);

/* ---- printing ----------------------------------------------------------- */

enum rst_print_flag {
	RST_PRINT_LEFT = 1,	/* - */
	RST_PRINT_PLUS = 2,
	RST_PRINT_SPACE = 4,
	RST_PRINT_ZERO = 8,
	RST_PRINT_ALTERNATE = 16,	/* # */
};

/* Makes room or flushes/cuts; never fails, may write less. */
void rst_put_slow(struct rst_output *o, const char *text, unsigned int length);

RST_INLINE void rst_put(struct rst_output *o, const char *text, unsigned int length)
{
	char *cursor = o->cursor;

	if (RST_LIKELY(length <= (unsigned long)(o->end - cursor))) {
		o->cursor = cursor + length;
		rst_copy(cursor, text, length);
	} else {
		rst_put_slow(o, text, length);
	}
}

RST_INLINE void rst_put_string(struct rst_output *o, struct rst_string s)
{
	rst_put(o, s.text, s.length);
}

void rst_put_decimal(struct rst_output *o, int64_t value);	/* plain %d */
/* conversion: d i u o x X p; width or precision -1 = absent. */
void rst_put_number(struct rst_output *o, int64_t value, char conversion, unsigned int flags,
		    int64_t width, int64_t precision);
void rst_put_padded(struct rst_output *o, struct rst_string s, unsigned int flags, int64_t width,
		    int64_t precision);
/* %#s: what print() cannot show plainly comes as C escapes. */
void rst_put_escaped(struct rst_output *o, struct rst_string s, unsigned int flags, int64_t width,
		     int64_t precision);
/* %c: the low byte; ALTERNATE escapes unprintable bytes as in C. 0 prints nothing as stap does. */
void rst_put_character(struct rst_output *o, int64_t value, unsigned int flags, int64_t width);
/* %b: size 1, 2, 4 or 8 bytes in host order */
void rst_put_binary(struct rst_output *o, int64_t value, int64_t size);
/* %m (raw bytes) and %M (hex) of kernel memory, ALTERNATE: user memory. */
void rst_put_memory(struct rst_output *o, struct rst_context *c, int64_t address, bool hex,
		    unsigned int flags, int64_t width, int64_t precision);

/* A number in memory, printed after a text. */
struct rst_field {
	const char *text;
	unsigned int length;		/* of the text */
	int offset;			/* from the structure's address */
	unsigned char size;		/* 1, 2, 4, 8 */
	unsigned char left, right;	/* shifts that leave the value of a word of 64 bits */
	char conversion;		/* as rst_put_number takes it, or c */
	unsigned char flags;
	bool is_signed;
};

/* Reads and prints fields one by one, up to the first that cannot be read (a soft error). */
void rst_put_fields(struct rst_output *o, struct rst_context *c, uint64_t address, bool is_user,
		    const struct rst_field *fields, unsigned int count);

/* sprintf: an output over string_size bytes of scratch memory ... */
struct rst_output rst_string_output(struct rst_context *c);
/* ... and its result. */
struct rst_string rst_string_finish(struct rst_context *c, struct rst_output *o);

/* ---- memory of the kernel and of user space ----------------------------- */

/*
 * size 1, 2, 4, 8; the value is zero-extended. Survive any address in any
 * context. On failure: 0 and "kernel read fault at 0x..." as a soft error.
 */
uint64_t rst_read_kernel(struct rst_context *c, uint64_t address, unsigned int size);
uint64_t rst_read_user(struct rst_context *c, uint64_t address, unsigned int size);
/* 0, or a negative errno without a soft error. */
int rst_copy_kernel(void *to, uint64_t address, unsigned long size);
int rst_copy_user(void *to, uint64_t address, unsigned long size);
/*
 * The return address that belongs at this place of the current task's stack,
 * where was found: return probes put an address of their own there.
 */
uint64_t rst_return_address(uint64_t slot, uint64_t found);
/* Guru mode only. */
void rst_write_kernel(struct rst_context *c, uint64_t address, uint64_t value, unsigned int size);
void rst_write_user(struct rst_context *c, uint64_t address, uint64_t value, unsigned int size);
/*
 * A NUL-terminated string of at most limit bytes (0: MAXSTRINGLEN - 1). A bad
 * address at its first byte is a soft error; later ones end the string.
 */
struct rst_string rst_kernel_string(struct rst_context *c, uint64_t address, int64_t limit);
struct rst_string rst_user_string(struct rst_context *c, uint64_t address, int64_t limit);
/* Address of a per-CPU variable's copy for this context's CPU / for cpu. */
uint64_t rst_this_cpu_address(struct rst_context *c, uint64_t per_cpu_address);
uint64_t rst_cpu_address(struct rst_context *c, uint64_t per_cpu_address, int64_t cpu);

/*
 * Run-time address of something that the translator knows by its link-time
 * address: offset from _stext for the kernel (module NULL), else from a
 * section of a module. 0 with a soft error when the module is not loaded.
 */
uint64_t rst_relocate(struct rst_context *c, const char *module, const char *section, uint64_t offset);

#include "rstap_tapset.h"	/* tasks, clocks, stacks, symbols, signals: what C of the tapset calls */

/* One more string was cut to MAXSTRINGLEN (or to a buffer's size). */
void rst_count_truncation(struct rst_context *c);

/* ---- regular expressions ------------------------------------------------ */

/*
 * The program that finds sub-matches: RST_REGEX_WORDS words an instruction,
 * {opcode, x, y}; after the last instruction come the sets, 8 words each.
 */
#define RST_REGEX_WORDS 3
enum rst_regex_opcode {
	RST_REGEX_BYTE,		/* x: the byte */
	RST_REGEX_SET,		/* x: index in program of 8 words, one bit a byte */
	RST_REGEX_ANY,
	RST_REGEX_SPLIT,	/* x: preferred next instruction, y: the other */
	RST_REGEX_JUMP,		/* x: next instruction */
	RST_REGEX_SAVE,		/* x: slot; group n starts in 2n and ends in 2n + 1, group 0 is all */
	RST_REGEX_BEGIN,	/* ^ */
	RST_REGEX_END,		/* $ */
	RST_REGEX_MATCH,
};

/* Dense tables made at translate time; states 0 = dead. See compiler/src/codegen/regex.rs. */
struct rst_regex {
	const unsigned char *classes;		/* 256 bytes: byte to class */
	const unsigned short *transitions;	/* state * class_count + class; last class: end of text */
	const unsigned char *is_accepting;	/* by state */
	unsigned int class_count;
	unsigned int start;
	/* sub-matches, NULL unless matched() or ngroups() is used by the script */
	const unsigned int *program;
	unsigned int program_length;	/* instructions */
	unsigned int group_count;
};

bool rst_regex_match(struct rst_context *c, const struct rst_regex *regex, struct rst_string s);

#include "rstap_script.h"	/* what a script is: its probes and tables, and how a handler is entered */

/* ---- embedded C --------------------------------------------------------- */

/*
 * The names that SystemTap's embedded C knows. Around the text of a function
 * the translator defines STAP_ARG_x, STAP_RETVALUE and a label `out`.
 */
#define CONTEXT		c
#define STAP_RETURN(v)	do { STAP_SET_RETURN(v); goto out; } while (0)
#define STAP_ERROR(...)	do { rst_failf(c, NULL, __VA_ARGS__); goto out; } while (0)
#define STAP_NEXT	do { c->next = 1; goto out; } while (0)
void rst_printf(struct rst_context *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define STAP_PRINTF(...) rst_printf(c, __VA_ARGS__)

#endif /* RSTAP_H */
