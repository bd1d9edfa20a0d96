// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * transport.c - what scripts print, on its way to staprun: one ring of bytes
 * for each CPU, filled by the holder of that CPU's context alone, emptied by
 * one reader of /proc/systemtap/MODULE/trace<N>, without a lock between them.
 *
 * A handler prints straight into the ring: the first byte opens a message
 * behind room for its header, the end of the handler commits it. The ring's
 * pages are mapped twice in a row, so a message never has to be split.
 */
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "runtime.h"
#include "compat.h"
#include "transport.h"

#define HEADER		((unsigned int)sizeof(struct rst_output_header))
#define MESSAGE_MINIMUM	256		/* a message is opened when this much is free */
#define WAKE_DELAY_NS	(1 * NSEC_PER_MSEC)

bool rst_overwrites;
unsigned int rst_buffer_kb = 1024;
static atomic64_t sequence = ATOMIC64_INIT(0);

/* ---- the writing side: context claimed, on its own CPU ------------------------------- */

static char *ring_at(struct rst_ring *ring, uint64_t position)
{
	return ring->memory + (position & (ring->size - 1));
}

/*
 * Bytes of the message at the tail. A tail that a plain reader left within a
 * message finds its way from word to word.
 */
static unsigned int oldest_size(struct rst_ring *ring, unsigned int *payload)
{
	struct rst_output_header header;

	*payload = 0;
	memcpy(&header, ring_at(ring, ring->tail), sizeof(header));
	if (header.magic != RST_OUTPUT_MAGIC || header.length > RST_OUTPUT_LIMIT - HEADER)
		return 8;
	/* a text that looks like a header must not lead past the end */
	if (HEADER + ALIGN(header.length, 8) > READ_ONCE(ring->head) - ring->tail)
		return 8;
	*payload = header.length;
	return HEADER + ALIGN(header.length, 8);
}

/* Flight recorder: throws away whole messages until `wanted` bytes are free. */
static noinline void drop_oldest(struct rst_ring *ring, uint64_t wanted)
{
	rst_lock(&ring->lock);
	while (ring->size - (ring->head - ring->tail) < wanted && ring->tail != ring->head) {
		unsigned int payload;

		ring->tail += oldest_size(ring, &payload);
		ring->overwritten_messages += payload != 0;
		ring->overwritten_bytes += payload;
	}
	rst_unlock(&ring->lock);
}

static noinline void output_discard(struct rst_cpu *cpu, struct rst_output *o)
{
	cpu->output_is_discarded = true;
	o->start = cpu->discard;
	o->cursor = cpu->discard;
	o->end = cpu->discard + RST_OUTPUT_LIMIT;
}

/*
 * A begin, end or error probe has all the time there is: no probe is armed that
 * could want its CPU's context. The context stays claimed while this sleeps,
 * and its ring is written by nobody else, even from another CPU. Gives up when
 * no reader makes progress for a second.
 */
static noinline void wait_for_reader(struct rst_cpu *cpu)
{
	struct rst_ring *ring = &cpu->ring;
	uint64_t tail = READ_ONCE(ring->tail);
	unsigned int rounds = 0;

	while (ring->size - (ring->head - READ_ONCE(ring->tail)) < RST_OUTPUT_LIMIT) {
		wake_up_interruptible(&ring->wait);
		preempt_enable();
		schedule_timeout_uninterruptible(1);
		preempt_disable();
		if (READ_ONCE(ring->tail) != tail) {
			tail = READ_ONCE(ring->tail);
			rounds = 0;
		} else if (++rounds >= HZ || fatal_signal_pending(current)) {
			/* nobody reads: what follows is lost at once */
			cpu->is_patient = false;
			return;
		}
	}
}

static __always_inline void output_open(struct rst_cpu *cpu, struct rst_output *o)
{
	struct rst_ring *ring = &cpu->ring;
	uint64_t free;

	if (unlikely(READ_ONCE(rst_overwrites)))
		drop_oldest(ring, RST_OUTPUT_LIMIT);
	else if (unlikely(cpu->is_patient))
		wait_for_reader(cpu);
	free = ring->size - (ring->head - smp_load_acquire(&ring->tail));
	if (unlikely(free < MESSAGE_MINIMUM)) {
		output_discard(cpu, o);
		return;
	}
	o->start = ring_at(ring, ring->head) + HEADER;
	o->cursor = o->start;
	/* up to 7 bytes of padding follow the text */
	o->end = o->start - HEADER + min_t(uint64_t, RST_OUTPUT_LIMIT, free) - 8;
}

static void wake_reader(struct rst_ring *ring)
{
	/* orders the new head before the look at is_waiting */
	smp_mb();
	if (READ_ONCE(ring->is_waiting)) {
		WRITE_ONCE(ring->is_waiting, 0);
		irq_work_queue(&ring->irq_work);
	}
}

static void output_close(struct rst_output *o)
{
	o->start = NULL;
	o->cursor = NULL;
	o->end = NULL;
}

void rst_output_commit(struct rst_context *c)
{
	struct rst_cpu *cpu = rst_cpu_of(c);
	struct rst_output *o = &c->output;
	struct rst_ring *ring = &cpu->ring;
	unsigned int length = o->cursor - o->start;
	struct rst_output_header *header;

	if (unlikely(cpu->output_is_discarded)) {
		struct rst_counters *counters = &cpu->counters[c->probe->index];

		cpu->output_is_discarded = false;
		counters->lost_messages++;
		counters->lost_bytes += length;
		/* the gap in the sequence tells the reader */
		atomic64_inc(&sequence);
		output_close(o);
		return;
	}
	header = (struct rst_output_header *)(o->start - HEADER);
	header->magic = RST_OUTPUT_MAGIC;
	header->length = length;
	header->sequence = atomic64_inc_return(&sequence);
	/* zeros up to the next header; 8 bytes behind the text were kept for it */
	*(uint64_t *)o->cursor = 0;
	smp_store_release(&ring->head, ring->head + HEADER + ALIGN(length, 8));
	output_close(o);
	wake_reader(ring);
}

/* The ring is full in the middle of a message: all of it counts as lost. */
static void output_spill(struct rst_cpu *cpu, struct rst_output *o)
{
	unsigned int length = o->cursor - o->start;

	memcpy(cpu->discard, o->start, length);
	output_discard(cpu, o);
	o->cursor = cpu->discard + length;
}

static noinline void output_continue(struct rst_output *o, const char *text, unsigned int length)
{
	struct rst_cpu *cpu = rst_cpu_of(o->context);

	while (length) {
		unsigned int room = o->end - o->cursor;
		unsigned int part = min(length, room);

		memcpy(o->cursor, text, part);
		o->cursor += part;
		text += part;
		length -= part;
		if (!length)
			return;
		if (!cpu->output_is_discarded &&
		    o->end - o->start + HEADER + 8 < RST_OUTPUT_LIMIT) {
			output_spill(cpu, o);
			continue;
		}
		/* as long as a message may be: the rest is a message of its own */
		rst_output_commit(o->context);
		output_open(cpu, o);
	}
}

/* The first text of a message is by far the commonest case. */
void rst_output_grow(struct rst_output *o, const char *text, unsigned int length)
{
	if (likely(!o->start))
		output_open(rst_cpu_of(o->context), o);
	if (unlikely(length > o->end - o->cursor)) {
		output_continue(o, text, length);
		return;
	}
	rst_copy(o->cursor, text, length);
	o->cursor += length;
}

void rst_flush(struct rst_context *c)
{
	if (c->output.cursor != c->output.start)
		rst_output_commit(c);
}

/* ---- waking readers: never from the handler itself ------------------------------------- */

/* A short delay lets output gather, so that a busy script costs few wake-ups. */
static void wake_soon(struct irq_work *work)
{
	struct rst_ring *ring = container_of(work, struct rst_ring, irq_work);

	if (ring->head - READ_ONCE(ring->tail) > ring->size / 2)
		wake_up_interruptible(&ring->wait);
	else
		hrtimer_start(&ring->timer, ns_to_ktime(WAKE_DELAY_NS), HRTIMER_MODE_REL);
}

static enum hrtimer_restart wake_now(struct hrtimer *timer)
{
	wake_up_interruptible(&container_of(timer, struct rst_ring, timer)->wait);
	return HRTIMER_NORESTART;
}

void rst_transport_wake_all(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		wake_up_interruptible(&per_cpu_ptr(rst_cpus, cpu)->ring.wait);
}

/* ---- the reading side --------------------------------------------------------------------- */

static bool ring_has_data(struct rst_ring *ring)
{
	return smp_load_acquire(&ring->head) != READ_ONCE(ring->tail);
}

/* Announces a sleeper, then looks again: true when there is no need to sleep. */
static bool ring_is_ready(struct rst_ring *ring)
{
	WRITE_ONCE(ring->is_waiting, 1);
	smp_mb();
	return ring_has_data(ring) || READ_ONCE(rst_state) == RST_STATE_ENDED;
}

static ssize_t read_plain(struct rst_ring *ring, char __user *to, size_t size)
{
	uint64_t available = smp_load_acquire(&ring->head) - ring->tail;
	size_t length = min_t(uint64_t, available, size);

	/* contiguous thanks to the second mapping */
	if (copy_to_user(to, ring_at(ring, ring->tail), length))
		return -EFAULT;
	smp_store_release(&ring->tail, ring->tail + length);
	return length;
}

/* The writer may move the tail: copy aside whole messages under the lock. */
static ssize_t read_overwritten(struct rst_ring *ring, char __user *to, size_t size)
{
	char *aside = kmalloc(RST_OUTPUT_LIMIT, GFP_KERNEL);
	ssize_t done = 0;

	if (!aside)
		return -ENOMEM;
	for (;;) {
		struct rst_guard guard = rst_guard();
		unsigned int length = 0, payload;

		rst_lock(&ring->lock);
		if (smp_load_acquire(&ring->head) != ring->tail) {
			length = oldest_size(ring, &payload);
			if (done + length > size)
				length = 0;
			memcpy(aside, ring_at(ring, ring->tail), length);
			ring->tail += length;
		}
		rst_unlock(&ring->lock);
		rst_unguard(guard);
		if (!length)
			break;
		if (copy_to_user(to + done, aside, length)) {
			done = done ? done : -EFAULT;
			break;
		}
		done += length;
	}
	kfree(aside);
	return done;
}

static ssize_t trace_read(struct file *file, char __user *to, size_t size, loff_t *position)
{
	struct rst_ring *ring = pde_data(file_inode(file));
	ssize_t result;

	if (!size)
		return 0;
	for (;;) {
		/* looked at before the data: what was printed until then is seen */
		bool has_ended = READ_ONCE(rst_state) == RST_STATE_ENDED;

		smp_rmb();
		if (mutex_lock_interruptible(&ring->reader))
			return -ERESTARTSYS;
		if (rst_overwrites)
			result = read_overwritten(ring, to, size);
		else
			result = read_plain(ring, to, size);
		mutex_unlock(&ring->reader);
		if (result || has_ended)
			return result;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(ring->wait, ring_is_ready(ring)))
			return -ERESTARTSYS;
	}
}

static __poll_t trace_poll(struct file *file, poll_table *table)
{
	struct rst_ring *ring = pde_data(file_inode(file));

	poll_wait(file, &ring->wait, table);
	return ring_is_ready(ring) ? EPOLLIN | EPOLLRDNORM : 0;
}

/* A reader keeps the module: nobody unloads a session that is read. */
static int trace_open(struct inode *inode, struct file *file)
{
	return try_module_get(THIS_MODULE) ? stream_open(inode, file) : -ENODEV;
}

/* proc_remove() waits until this has returned. */
static int trace_release(struct inode *inode, struct file *file)
{
	module_put(THIS_MODULE);
	return 0;
}

static const struct proc_ops trace_operations = {
	.proc_open = trace_open,
	.proc_release = trace_release,
	.proc_read = trace_read,
	.proc_poll = trace_poll,
};

/* Under the session's mutex. */
void rst_transport_overwrite(bool on)
{
	unsigned int cpu;

	if (rst_overwrites == on)
		return;
	/* no reader may be half-way in the other mode */
	for_each_possible_cpu(cpu)
		mutex_lock_nest_lock(&per_cpu_ptr(rst_cpus, cpu)->ring.reader, &rst_session_mutex);
	for_each_possible_cpu(cpu) {
		struct rst_ring *ring = &per_cpu_ptr(rst_cpus, cpu)->ring;

		if (on)
			ring->tail = ALIGN(ring->tail, 8);
	}
	WRITE_ONCE(rst_overwrites, on);
	/* a handler may still be moving a tail, which from now on is the reader's alone */
	if (!on)
		synchronize_rcu();
	for_each_possible_cpu(cpu)
		mutex_unlock(&per_cpu_ptr(rst_cpus, cpu)->ring.reader);
}

void rst_transport_overwritten(uint64_t *messages, uint64_t *bytes)
{
	unsigned int cpu;

	*messages = 0;
	*bytes = 0;
	for_each_possible_cpu(cpu) {
		struct rst_ring *ring = &per_cpu_ptr(rst_cpus, cpu)->ring;

		*messages += ring->overwritten_messages;
		*bytes += ring->overwritten_bytes;
	}
}

/* ---- creation ------------------------------------------------------------------------------- */

static void ring_destroy(struct rst_ring *ring)
{
	unsigned long count = ring->size >> PAGE_SHIFT, i;

	if (!ring->pages)
		return;
	irq_work_sync(&ring->irq_work);
	hrtimer_cancel(&ring->timer);
	if (ring->memory)
		vunmap(ring->memory);
	for (i = 0; i < count; i++)
		if (ring->pages[i])
			__free_page(ring->pages[i]);
	rst_free(ring->pages);
	rst_memory_uncharge(ring->size);
	ring->pages = NULL;
}

static int ring_create(struct rst_ring *ring, unsigned long size, int node)
{
	unsigned long count = size >> PAGE_SHIFT, i;

	ring->size = size;
	init_irq_work(&ring->irq_work, wake_soon);
	rst_hrtimer_setup(&ring->timer, wake_now, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	init_waitqueue_head(&ring->wait);
	mutex_init(&ring->reader);
	ring->pages = rst_allocate(2 * count * sizeof(*ring->pages));
	if (!ring->pages)
		return -ENOMEM;
	if (!rst_memory_charge(size)) {
		rst_free(ring->pages);
		ring->pages = NULL;
		return -ENOMEM;
	}
	for (i = 0; i < count; i++) {
		ring->pages[i] = alloc_pages_node(node, GFP_KERNEL | __GFP_ZERO | __GFP_RETRY_MAYFAIL |
							__GFP_NOWARN, 0);
		if (!ring->pages[i])
			return -ENOMEM;
		ring->pages[count + i] = ring->pages[i];
	}
	ring->memory = vmap(ring->pages, 2 * count, VM_MAP, PAGE_KERNEL);
	return ring->memory ? 0 : -ENOMEM;
}

int rst_transport_create(struct proc_dir_entry *directory)
{
	unsigned long size = roundup_pow_of_two(clamp(rst_buffer_kb, 16u, 1u << 20) * 1024ul);
	unsigned int cpu;
	char name[24];

	for_each_possible_cpu(cpu) {
		struct rst_ring *ring = &per_cpu_ptr(rst_cpus, cpu)->ring;

		if (ring_create(ring, size, cpu_to_node(cpu)))
			return -ENOMEM;
		snprintf(name, sizeof(name), "trace%u", cpu);
		if (!proc_create_data(name, 0400, directory, &trace_operations, ring))
			return -ENOMEM;
	}
	return 0;
}

/* The files are gone already. */
void rst_transport_destroy(void)
{
	unsigned int cpu;

	if (!rst_cpus)
		return;
	for_each_possible_cpu(cpu)
		ring_destroy(&per_cpu_ptr(rst_cpus, cpu)->ring);
}
