// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * user_stack.c - names of addresses in programs, and the call stacks of programs.
 * The script carries tables of the files it knows; an address is looked up in
 * them by the file that is mapped there and the place in that file.
 */
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/sched/task_stack.h>
#include <linux/uprobes.h>

#include "runtime.h"
#include "target.h"

#define USER_FRAMES	64u
#define FRAME_PADDING	15u	/* bytes of a linkage stub, less one */
#define STUB_PUSHED	11u	/* from this byte of it on one word more is on the stack */

/* By number in rst_script.user_files; one that is not here has no inode. */
static struct rst_file *user_files;

/* ---- the mappings of the current process --------------------------------------- */

/*
 * Waking a writer that waits for the lock takes locks of the scheduler, which the
 * probed code may hold: then it is left to an interrupt.
 */
struct late_unlock {
	struct irq_work work;
	struct mm_struct *mm;
};

static DEFINE_PER_CPU(struct late_unlock, late_unlocks);

static void unlock_late(struct irq_work *work)
{
	struct late_unlock *this = container_of(work, struct late_unlock, work);
	struct mm_struct *mm = this->mm;

	WRITE_ONCE(this->mm, NULL);
	mmap_read_unlock_non_owner(mm);
}

/* What lockdep shall think; a lock that waits for its interrupt is nobody's. */
static void handler_holds(struct mm_struct *mm, bool holds)
{
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	if (holds)
		rwsem_acquire_read(&mm->mmap_lock.dep_map, 0, 1, _THIS_IP_);
	else
		rwsem_release(&mm->mmap_lock.dep_map, _THIS_IP_);
#endif
}

/* NULL: they cannot be looked at now. */
static struct mm_struct *mappings_lock(void)
{
	struct mm_struct *mm = current->mm;
	struct mm_struct *held;

	if (!mm || in_nmi())
		return NULL;
	/* by this handler: with interrupts off, what is to be unlocked late stays locked */
	held = READ_ONCE(this_cpu_ptr(&late_unlocks)->mm);
	if (held && held != mm)
		return NULL;
	if (held) {
		handler_holds(mm, true);
		return mm;
	}
	return mmap_read_trylock(mm) ? mm : NULL;
}

static void mappings_unlock(const struct rst_context *c, struct mm_struct *mm)
{
	struct late_unlock *late = this_cpu_ptr(&late_unlocks);

	if (READ_ONCE(late->mm)) {
		handler_holds(mm, false);
		return;
	}
	/* a new task comes with the run queue locked, and its program's registers do not tell */
	if (c->probe->kind != RST_PROBE_TASK &&
	    (c->user_mode || (c->regs && (c->regs->flags & RST_INTERRUPTS_ON)))) {
		mmap_read_unlock(mm);
		return;
	}
	handler_holds(mm, false);
	WRITE_ONCE(late->mm, mm);
	irq_work_queue(&late->work);
}

int rst_user_files_open(void)
{
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu)
		init_irq_work(&per_cpu_ptr(&late_unlocks, cpu)->work, unlock_late);
	user_files = rst_allocate(sizeof(*user_files) * (rst_script.user_file_count + 1ul));
	if (!user_files)
		return -ENOMEM;
	/* a file that is not here is not mapped either */
	for (i = 0; i < rst_script.user_file_count; i++)
		rst_file_open(&user_files[i], rst_script.user_files[i].path, rst_mapped_inode);
	return 0;
}

void rst_user_files_close(void)
{
	unsigned int i;
	int cpu;

	for (i = 0; user_files && i < rst_script.user_file_count; i++)
		rst_file_close(&user_files[i]);
	rst_free(user_files);
	user_files = NULL;
	for_each_possible_cpu(cpu)
		irq_work_sync(&per_cpu_ptr(&late_unlocks, cpu)->work);
}

struct place {
	const struct rst_user_file *file;	/* NULL: no tables */
	uint32_t offset;			/* in the file */
	bool is_mapped;				/* from some file, called name */
	char name[40];
};

static void place_find(struct mm_struct *mm, unsigned long address, struct place *place)
{
	struct vm_area_struct *area = find_vma(mm, address);
	unsigned int i;

	place->file = NULL;
	place->is_mapped = false;
	place->offset = 0;
	if (!area || address < area->vm_start || !area->vm_file)
		return;
	place->is_mapped = true;
	place->offset = address - area->vm_start + (area->vm_pgoff << PAGE_SHIFT);
	strscpy(place->name, area->vm_file->f_path.dentry->d_name.name, sizeof(place->name));
	for (i = 0; i < rst_script.user_file_count; i++) {
		if (user_files[i].inode == file_inode(area->vm_file)) {
			place->file = &rst_script.user_files[i];
			return;
		}
	}
}

static void place_of(const struct rst_context *c, unsigned long address, struct place *place)
{
	struct mm_struct *mm = mappings_lock();

	place->file = NULL;
	place->is_mapped = false;
	if (!mm)
		return;
	place_find(mm, address, place);
	mappings_unlock(c, mm);
}

struct rst_string rst_user_module(struct rst_context *c, uint64_t address)
{
	struct place place;
	char *text = rst_scratch(c, sizeof(place.name));

	if (!text)
		return (struct rst_string){ "", 0 };
	place_of(c, address, &place);
	return (struct rst_string){ text, place.is_mapped ? strscpy(text, place.name, sizeof(place.name)) : 0 };
}

uint64_t rst_user_module_start(struct rst_context *c, uint64_t address)
{
	struct place place;

	place_of(c, address, &place);
	return place.is_mapped ? address - place.offset : 0;
}

/* ---- tables -------------------------------------------------------------------- */

/* The last entry at or before a place; entries begin with their offset. */
const void *rst_table_entry(const void *table, unsigned int count, unsigned int size, uint32_t offset)
{
	unsigned int low = 0;

	while (count) {
		unsigned int half = count / 2;

		if (*(const uint32_t *)(table + (low + half) * size) <= offset) {
			low += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return low ? table + (low - 1) * size : NULL;
}

static const struct rst_user_symbol *user_symbol_at(const struct rst_user_file *file, uint32_t offset)
{
	const struct rst_user_symbol *symbol;

	symbol = rst_table_entry(file->symbols, file->symbol_count, sizeof(*symbol), offset);
	/* right behind a function: where a call would return to that never does */
	if (!symbol || (symbol->size && offset - symbol->offset > symbol->size))
		return NULL;
	return symbol;
}

static void put_plain(struct rst_output *o, const char *text)
{
	rst_put(o, text, strlen(text));
}

/* name, or with RST_USER_DATA name+0x12/0x34 [/usr/bin/program] */
static void put_user_symbol(struct rst_output *o, struct place *place, uint64_t address,
		       unsigned int flags)
{
	const struct rst_user_symbol *symbol = place->file ? user_symbol_at(place->file, place->offset) : NULL;

	if (symbol) {
		put_plain(o, place->file->names + symbol->name);
		if (flags & (RST_USER_OFFSET | RST_USER_SHORT_OFFSET)) {
			rst_put(o, "+", 1);
			rst_put_number(o, place->offset - symbol->offset, 'p', 0, -1, -1);
		}
		if (flags & RST_USER_OFFSET) {
			rst_put(o, "/", 1);
			rst_put_number(o, symbol->size, 'p', 0, -1, -1);
		}
	} else {
		rst_put_number(o, address, 'p', 0, -1, -1);
	}
	if (!(flags & RST_USER_FILE) || !place->is_mapped)
		return;
	rst_put(o, " [", 2);
	put_plain(o, place->file ? place->file->path : place->name);
	if (!symbol) {
		rst_put(o, "+", 1);
		rst_put_number(o, place->offset, 'p', 0, -1, -1);
	}
	rst_put(o, "]", 1);
}

static struct rst_string no_text(void)
{
	return (struct rst_string){ .text = "", .length = 0 };
}

struct rst_string rst_user_symbol(struct rst_context *c, uint64_t address, unsigned int flags)
{
	struct place place;
	struct rst_output o;

	place_of(c, address, &place);
	o = rst_string_output(c);
	if (!o.start)
		return no_text();
	put_user_symbol(&o, &place, address, flags);
	return rst_string_finish(c, &o);
}

static void put_source_line(struct rst_output *o, struct place *place, uint64_t address,
		     unsigned int flags)
{
	const struct rst_user_line *line = NULL;

	if (place->file)
		line = rst_table_entry(place->file->lines, place->file->line_count, sizeof(*line),
				place->offset);
	if (line && line->line)
		rst_put_source(o, place->file->names + line->file, line->line, flags);
	else
		rst_put_number(o, address, 'p', 0, -1, -1);
}

void rst_put_source(struct rst_output *o, const char *file, uint32_t line, unsigned int flags)
{
	if (flags & RST_USER_FILE)
		put_plain(o, file);
	if (flags == (RST_USER_FILE | RST_USER_LINE))
		rst_put(o, ":", 1);
	if (flags & RST_USER_LINE)
		rst_put_number(o, line, 'd', 0, -1, -1);
}

/* Source file and line of an address: flags say which of them. */
struct rst_string rst_user_line(struct rst_context *c, uint64_t address, unsigned int flags)
{
	struct place place;
	struct rst_output o;

	place_of(c, address, &place);
	o = rst_string_output(c);
	if (!o.start)
		return no_text();
	put_source_line(&o, &place, address, flags);
	return rst_string_finish(c, &o);
}

/* The next of the hexadecimal addresses of a backtrace; gives whether there is one. */
static bool next_address(struct rst_string *stack, uint64_t *address)
{
	const char *p = stack->text, *end = stack->text + stack->length;
	bool is_any = false;

	*address = 0;
	while (p < end && *p == ' ')
		p++;
	if (p + 1 < end && p[0] == '0' && p[1] == 'x')
		p += 2;
	for (; p < end && isxdigit(*p); p++) {
		*address = *address << 4 | (isdigit(*p) ? *p - '0' : (*p | 0x20) - 'a' + 10);
		is_any = true;
	}
	stack->length = end - p;
	stack->text = p;
	return is_any;
}

static void put_user_stack(struct rst_context *c, struct rst_output *o, struct rst_string stack,
		      enum rst_user_style style)
{
	uint64_t address;

	while (next_address(&stack, &address)) {
		struct place place;

		place_of(c, address, &place);
		if (style == RST_USER_BRIEF) {
			put_user_symbol(o, &place, address, RST_USER_SHORT_OFFSET);
		} else {
			rst_put(o, " ", 1);
			rst_put_number(o, address, 'p', 0, -1, -1);
			rst_put(o, " : ", 3);
			put_user_symbol(o, &place, address, RST_USER_OFFSET | RST_USER_FILE);
		}
		if (style == RST_USER_FILELINE) {
			rst_put(o, " at ", 4);
			put_source_line(o, &place, address, RST_USER_FILE | RST_USER_LINE);
		}
		rst_put(o, "\n", 1);
	}
}

void rst_print_user_stack(struct rst_context *c, struct rst_string stack,
			  enum rst_user_style style)
{
	put_user_stack(c, &c->output, stack, style);
}

struct rst_string rst_user_stack_text(struct rst_context *c, struct rst_string stack,
				      enum rst_user_style style)
{
	struct rst_output o = rst_string_output(c);

	if (!o.start)
		return no_text();
	put_user_stack(c, &o, stack, style);
	return rst_string_finish(c, &o);
}

/* ---- stacks -------------------------------------------------------------------- */

/*
 * The kernel puts its own address in place of a return address that it wants to
 * see, and remembers the real one with its place on the stack.
 */
uint64_t rst_return_address(uint64_t slot, uint64_t found)
{
	const struct return_instance *instance;
	unsigned int left = USER_FRAMES;

	if (slot >= TASK_SIZE_MAX)
		return rst_kernel_return_address(slot, found);
	if (!current->utask)
		return found;
	for (instance = current->utask->return_instances; instance && left;
	     instance = instance->next, left--)
		if (instance->stack == slot)
			return instance->orig_ret_vaddr;
	return found;
}

static unsigned long return_address_at(unsigned long slot)
{
	unsigned long address = 0;

	if (rst_copy_user(&address, slot, sizeof(address)))
		return 0;
	return rst_return_address(slot, address);
}

struct walk {
	unsigned long ip, sp, bp;
};

/* Goes on to the caller; gives whether there is one. */
static bool step_out(struct mm_struct *mm, struct walk *walk, bool is_innermost)
{
	const struct rst_user_frame *frame = NULL;
	unsigned long cfa, slot, bp = walk->bp;
	struct place place;

	/* a return address may be behind the last byte of a function that never returns to it */
	place_find(mm, walk->ip - !is_innermost, &place);
	if (place.file)
		frame = rst_table_entry(place.file->frames, place.file->frame_count, sizeof(*frame),
				 place.offset);
	switch (frame ? frame->rule : RST_FRAME_UNKNOWN) {
	case RST_FRAME_STACK:
		cfa = walk->sp + frame->cfa;
		break;
	case RST_FRAME_POINTER:
		cfa = walk->bp + frame->cfa;
		break;
	case RST_FRAME_STUB:
		cfa = walk->sp + 8 + ((walk->ip & FRAME_PADDING) >= STUB_PUSHED ? 8 : 0);
		break;
	case RST_FRAME_OUTERMOST:
		return false;
	default:
		/* most code without a table that was asked for keeps a frame pointer, if anything */
		if (walk->bp < walk->sp || walk->bp & 7)
			return false;
		cfa = walk->bp + 16;
		if (rst_copy_user(&bp, walk->bp, sizeof(bp)))
			return false;
		frame = NULL;
	}
	if (frame && frame->saved_bp && rst_copy_user(&bp, cfa + frame->saved_bp, sizeof(bp)))
		return false;
	slot = cfa - 8;
	if (cfa <= walk->sp)
		return false;
	walk->ip = return_address_at(slot);
	walk->sp = cfa;
	walk->bp = bp;
	return walk->ip != 0;
}

/* The registers of the program: the probe's, or those that it entered the kernel with. */
static bool registers_of_user(const struct rst_context *c, struct walk *walk)
{
	struct pt_regs *regs = (struct pt_regs *)c->regs;

	if (!current->mm)
		return false;
	if (!c->user_mode && !(regs && user_mode(regs)))
		regs = task_pt_regs(current);
	if (!regs)
		return false;
	walk->ip = instruction_pointer(regs);
	walk->sp = user_stack_pointer(regs);
	walk->bp = regs->bp;
	return true;
}

uint64_t rst_user_address(struct rst_context *c)
{
	struct walk walk;

	return registers_of_user(c, &walk) ? walk.ip : 0;
}

static unsigned int collect_user(struct rst_context *c, struct walk *walk, uint64_t *addresses,
				 unsigned int most)
{
	struct mm_struct *mm = mappings_lock();
	unsigned int count = 0;

	if (!mm)
		return 0;
	do {
		addresses[count] = walk->ip;
		count++;
	} while (count < most && step_out(mm, walk, count == 1));
	mappings_unlock(c, mm);
	return count;
}

/* Addresses from the given registers, or from the program's own if sp is 0. */
struct rst_string rst_user_backtrace(struct rst_context *c, uint64_t ip, uint64_t sp, uint64_t bp)
{
	uint64_t *addresses = rst_scratch(c, USER_FRAMES * sizeof(*addresses));
	struct walk walk = { .ip = ip, .sp = sp, .bp = bp };
	unsigned int most = rst_script.maximum_backtrace;
	unsigned int count, i;
	struct rst_output o;

	if (!addresses || (!sp && !registers_of_user(c, &walk)))
		return no_text();
	if (!most || most > USER_FRAMES)
		most = USER_FRAMES;
	count = collect_user(c, &walk, addresses, most);
	o = rst_string_output(c);
	if (!o.start)
		return no_text();
	for (i = 0; i < count; i++) {
		/* half an address would be a wrong one */
		if (o.end - o.cursor < 20) {
			rst_count_truncation(c);
			break;
		}
		if (i)
			rst_put(&o, " ", 1);
		rst_put_number(&o, addresses[i], 'p', 0, -1, -1);
	}
	return rst_string_finish(c, &o);
}
