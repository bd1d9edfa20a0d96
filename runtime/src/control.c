// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * control.c - the file .cmd: requests of staprun in write(), messages for it
 * in read(). Handlers in any context may post; the queue is a ring of bytes
 * under a lock that is only taken with this CPU's handlers kept out.
 */
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "runtime.h"
#include "compat.h"
#include "transport.h"

#define QUEUE_SIZE	65536u	/* a power of two */
#define QUEUE_RESERVE	8192u	/* kept for errors when warnings pour in */

static struct {
	char *memory;
	unsigned int head, tail;	/* count bytes, never wrapped to the size */
	struct rst_lock lock;
	bool wants_exit, told_exit;	/* REQUEST_EXIT is sent once */
	uint64_t lost;
} queue;

static struct {
	bool is_open;
	bool is_detached;		/* closing leaves the session running */
	bool has_ended;			/* the account and ENDED can be read */
	bool told_end;
	bool is_closing;		/* the module is being unloaded */
	unsigned long account_step;
	pid_t loader_pid;
	uid_t loader_uid;
} session;

static DEFINE_MUTEX(reader);
static DECLARE_WAIT_QUEUE_HEAD(readers);
static struct irq_work wake_work;

/* ---- posting --------------------------------------------------------------------- */

static void wake(struct irq_work *work)
{
	wake_up_interruptible(&readers);
}

void rst_control_wake(void)
{
	irq_work_queue(&wake_work);
}

static void queue_put(const void *bytes, unsigned int length)
{
	unsigned int at = queue.head & (QUEUE_SIZE - 1);
	unsigned int first = min(length, QUEUE_SIZE - at);

	memcpy(queue.memory + at, bytes, first);
	memcpy(queue.memory, (const char *)bytes + first, length - first);
	queue.head += length;
}

static void queue_get(void *bytes, unsigned int length)
{
	unsigned int at = queue.tail & (QUEUE_SIZE - 1);
	unsigned int first = min(length, QUEUE_SIZE - at);

	memcpy(bytes, queue.memory + at, first);
	memcpy((char *)bytes + first, queue.memory, length - first);
	queue.tail += length;
}

void rst_control_post(unsigned int type, const char *text, unsigned int length)
{
	struct rst_control_header header = { .type = type };
	unsigned int room = QUEUE_SIZE;
	struct rst_guard guard;

	if (!queue.memory)
		return;
	header.length = min(length, (unsigned int)RST_CONTROL_MAXIMUM);
	if (type == RST_CONTROL_WARNING || type == RST_CONTROL_LOG)
		room -= QUEUE_RESERVE;
	guard = rst_guard();
	rst_lock(&queue.lock);
	if (type == RST_CONTROL_REQUEST_EXIT) {
		queue.wants_exit = true;
	} else if (queue.head - queue.tail + sizeof(header) + header.length <= room) {
		queue_put(&header, sizeof(header));
		queue_put(text, header.length);
	} else {
		queue.lost++;
	}
	rst_unlock(&queue.lock);
	rst_unguard(guard);
	rst_control_wake();
}

void rst_control_format(unsigned int type, const char *format, ...)
{
	char buffer[512];
	struct rst_text t = { .start = buffer, .size = sizeof(buffer) };
	va_list arguments;

	va_start(arguments, format);
	rst_text_format(&t, format, arguments);
	va_end(arguments);
	rst_control_post(type, buffer, t.length);
}

void rst_control_started(int result)
{
	int64_t value = result;

	rst_control_post(RST_CONTROL_STARTED, (const char *)&value, sizeof(value));
}

uint64_t rst_control_lost(void)
{
	return READ_ONCE(queue.lost);
}

static void post_text(struct rst_context *c, enum rst_control_type type, struct rst_string text)
{
	if (text.length > RST_CONTROL_MAXIMUM)
		rst_count_truncation(c);
	rst_control_post(type, text.text, text.length);
}

void rst_warn(struct rst_context *c, struct rst_string text)
{
	post_text(c, RST_CONTROL_WARNING, text);
}

void rst_log(struct rst_context *c, struct rst_string text)
{
	post_text(c, RST_CONTROL_LOG, text);
}

void rst_system(struct rst_context *c, struct rst_string command)
{
	/* the beginning of a command may do something else */
	if (command.length > RST_CONTROL_MAXIMUM) {
		rst_failf(c, NULL, "command of system() is longer than %u bytes", RST_CONTROL_MAXIMUM);
		return;
	}
	rst_control_post(RST_CONTROL_SYSTEM, command.text, command.length);
}

int64_t rst_loader_pid(void)
{
	return session.loader_pid;
}

int64_t rst_loader_uid(void)
{
	return session.loader_uid;
}

void rst_switch_file(void)
{
	rst_control_post(RST_CONTROL_SWITCH_FILE, "", 0);
}

/* ---- reading ------------------------------------------------------------------------ */

static bool has_message(void)
{
	return READ_ONCE(queue.head) != READ_ONCE(queue.tail) ||
	       (queue.wants_exit && !queue.told_exit) ||
	       (READ_ONCE(session.has_ended) && !session.told_end);
}

/* Takes the next message into buffer (header and RST_CONTROL_MAXIMUM); its size, 0: none. */
static unsigned int take_message(char *buffer)
{
	struct rst_control_header header = { 0 };
	struct rst_guard guard = rst_guard();
	bool found = true;

	rst_lock(&queue.lock);
	if (queue.head != queue.tail) {
		queue_get(&header, sizeof(header));
		queue_get(buffer + sizeof(header), header.length);
	} else if (queue.wants_exit && !queue.told_exit) {
		queue.told_exit = true;
		header.type = RST_CONTROL_REQUEST_EXIT;
	} else {
		found = false;
	}
	rst_unlock(&queue.lock);
	rst_unguard(guard);
	if (!found && session.has_ended && !session.told_end) {
		header.length = rst_account_line(buffer + sizeof(header), RST_CONTROL_MAXIMUM,
						 &session.account_step);
		header.type = header.length ? RST_CONTROL_SUMMARY : RST_CONTROL_ENDED;
		session.told_end = !header.length;
		found = true;
	}
	if (!found)
		return 0;
	memcpy(buffer, &header, sizeof(header));
	return sizeof(header) + header.length;
}

static ssize_t control_read(struct file *file, char __user *to, size_t size, loff_t *position)
{
	char *buffer = kmalloc(sizeof(struct rst_control_header) + RST_CONTROL_MAXIMUM, GFP_KERNEL);
	unsigned int length;
	ssize_t result;

	if (!buffer)
		return -ENOMEM;
	for (;;) {
		mutex_lock(&reader);
		length = take_message(buffer);
		mutex_unlock(&reader);
		if (length)
			break;
		result = -EAGAIN;
		if (file->f_flags & O_NONBLOCK)
			goto out;
		result = wait_event_interruptible(readers, has_message() || session.is_closing);
		if (result || session.is_closing)
			goto out;
	}
	result = min_t(size_t, length, size);
	if (copy_to_user(to, buffer, result))
		result = -EFAULT;
out:
	kfree(buffer);
	return result;
}

static __poll_t control_poll(struct file *file, poll_table *table)
{
	poll_wait(file, &readers, table);
	return has_message() ? EPOLLIN | EPOLLRDNORM | EPOLLOUT : EPOLLOUT;
}

/* ---- requests -------------------------------------------------------------------------- */

/* Where the text after the first NUL starts, NULL when there is none. */
static const char *second_text(const char *text, unsigned int length)
{
	unsigned int first = strnlen(text, length);

	return first + 1 < length ? text + first + 1 : NULL;
}

static int request_hello(const char *payload, unsigned int length)
{
	const unsigned int *words = (const unsigned int *)payload;

	if (length < 8)
		return -EINVAL;
	if (words[0] != RST_PROTOCOL_VERSION)
		return -EPROTO;
	if (words[1] & RST_HELLO_ATTACH && rst_state == RST_STATE_LOADED)
		return -ENOTCONN;
	/* what an earlier loader took and died with is told again */
	queue.told_exit = false;
	session.told_end = false;
	session.account_step = 0;
	if (rst_state == RST_STATE_ENDED)
		WRITE_ONCE(session.has_ended, true);
	session.is_detached = false;
	session.loader_pid = task_tgid_nr(current);
	/* the user who called it, should staprun be set-user-ID */
	session.loader_uid = from_kuid(&init_user_ns, current_uid());
	rst_transport_overwrite(words[1] & RST_HELLO_FLIGHT_RECORDER);
	return rst_namespace_default();
}

/* payload is followed by a NUL that is not counted in length */
static int request(unsigned int type, const char *payload, unsigned int length)
{
	int64_t number = 0;
	const unsigned int *words = (const unsigned int *)payload;
	const char *second;

	if (length >= sizeof(number))
		memcpy(&number, payload, sizeof(number));
	switch (type) {
	case RST_CONTROL_HELLO:
		return request_hello(payload, length);
	case RST_CONTROL_SYMBOL:
		if (length < 9)
			return -EINVAL;
		return rst_symbol_learn(payload + 8, number);
	case RST_CONTROL_MODULE:
		return rst_module_learn(payload);
	case RST_CONTROL_SECTION:
		second = length > 8 ? second_text(payload + 8, length - 8) : NULL;
		return second ? rst_section_learn(payload + 8, second, number) : -EINVAL;
	case RST_CONTROL_PARAMETER:
		second = second_text(payload, length);
		return second ? rst_session_set(payload, second) : -EINVAL;
	case RST_CONTROL_START:
		if (length < 8)
			return -EINVAL;
		rst_control_started(rst_session_start(rst_global_pid(number)));
		return 0;
	case RST_CONTROL_EXIT:
		rst_session_stop(true);
		rst_transport_wake_all();
		WRITE_ONCE(session.has_ended, true);
		rst_control_wake();
		return 0;
	case RST_CONTROL_TOGGLE:
		return length < 8 ? -EINVAL : rst_session_toggle(words[0], words[1]);
	case RST_CONTROL_DETACH:
		session.is_detached = true;
		rst_transport_overwrite(true);
		return 0;
	case RST_CONTROL_TIMEZONE:
		return length < 9 ? -EINVAL : rst_timezone_learn(number, payload + 8);
	case RST_CONTROL_REMOTE:
		return length < 9 ? -EINVAL : rst_remote_learn(number, payload + 8);
	case RST_CONTROL_NAMESPACE:
		return length < 8 ? -EINVAL : rst_namespace_learn(number);
	default:
		return -EINVAL;
	}
}

static ssize_t control_control_write(struct file *file, const char __user *from, size_t size,
			     loff_t *position)
{
	struct rst_control_header header;
	char *buffer;
	int error;

	if (size < sizeof(header) || size > sizeof(header) + RST_CONTROL_MAXIMUM)
		return -EINVAL;
	buffer = kzalloc(size + 1, GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	error = -EFAULT;
	if (copy_from_user(buffer, from, size))
		goto out;
	memcpy(&header, buffer, sizeof(header));
	error = -EINVAL;
	if (header.length != size - sizeof(header))
		goto out;
	mutex_lock(&rst_session_mutex);
	error = request(header.type, buffer + sizeof(header), header.length);
	mutex_unlock(&rst_session_mutex);
out:
	kfree(buffer);
	return error ? error : (ssize_t)size;
}

/* ---- the file ----------------------------------------------------------------------------- */

static int control_open(struct inode *inode, struct file *file)
{
	int error = 0;

	mutex_lock(&rst_session_mutex);
	if (session.is_open)
		error = -EBUSY;
	else if (!try_module_get(THIS_MODULE))
		error = -ENODEV;
	else
		session.is_open = true;
	mutex_unlock(&rst_session_mutex);
	/* a stream: read() need not wait for a write() of START that runs begin probes */
	return error ? error : stream_open(inode, file);
}

/* Also called by the kernel when the file goes away under an opener. */
static int control_release(struct inode *inode, struct file *file)
{
	mutex_lock(&rst_session_mutex);
	session.is_open = false;
	/* a loader that was killed leaves nothing armed behind */
	if (!session.is_detached) {
		rst_session_stop(false);
		rst_transport_wake_all();
	}
	mutex_unlock(&rst_session_mutex);
	module_put(THIS_MODULE);
	return 0;
}

static const struct proc_ops control_control_operations = {
	.proc_open = control_open,
	.proc_release = control_release,
	.proc_read = control_read,
	.proc_write = control_control_write,
	.proc_poll = control_poll,
};

int rst_control_create(struct proc_dir_entry *directory)
{
	queue.memory = rst_allocate(QUEUE_SIZE);
	if (!queue.memory)
		return -ENOMEM;
	init_irq_work(&wake_work, wake);
	if (!proc_create(".cmd", 0600, directory, &control_control_operations))
		return -ENOMEM;
	return 0;
}

/* Sends sleeping readers home, so that the file can be removed. */
void rst_control_close(void)
{
	WRITE_ONCE(session.is_closing, true);
	wake_up_interruptible(&readers);
}

/* The file is gone already: nobody reads or waits. */
void rst_control_destroy(void)
{
	if (!queue.memory)
		return;
	irq_work_sync(&wake_work);
	rst_free(queue.memory);
	queue.memory = NULL;
}
