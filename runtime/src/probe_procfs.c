// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe_procfs.c - procfs("NAME").read and .write: files beside .cmd. Opening
 * one for reading runs the read handler, whose output the reader then gets;
 * a write() runs the write handler with what was written as $value.
 */
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "runtime.h"
#include "compat.h"

/* What one opener reads. */
struct reader {
	unsigned int length;
	char text[];
};

struct procfs_file {
	struct procfs_file *next;
	const char *path;
	struct rst_probe_state *read, *write;
	struct proc_dir_entry *parent;
	struct proc_dir_entry *entry;	/* NULL: its probes' conditions are false */
	bool reads, writes;		/* what entry is for */
};

/* Between ours and a file's. */
struct procfs_directory {
	struct procfs_directory *next;
	const char *path;		/* its first `length` bytes */
	unsigned int length;
	struct proc_dir_entry *entry;
};

static struct procfs_file *files;
static struct procfs_directory *directories;
/* Entries of files: never taken within the session's mutex, but by the first START. */
static DEFINE_MUTEX(procfs_mutex);
static bool procfs_is_closed;

static unsigned int size_of(const struct rst_probe *probe)
{
	unsigned int size = probe->maximum_size ? probe->maximum_size : rst_script.string_size;

	return min(size, 1u << 20);
}

static struct reader *run_read(struct rst_probe_state *state)
{
	unsigned int size = size_of(state->probe);
	struct reader *reader = kvzalloc(sizeof(*reader) + size, GFP_KERNEL_ACCOUNT);
	struct rst_output output;
	struct rst_context *c;

	if (!reader)
		return NULL;
	c = READ_ONCE(rst_state) == RST_STATE_RUNNING && !state->probe->closed ? rst_enter_process(state) :
									  NULL;
	if (!c)
		return reader;
	output = (struct rst_output){
		.start = reader->text,
		.cursor = reader->text,
		.end = reader->text + size,
		.context = c,
		.is_string = true,
	};
	c->procfs_output = &output;
	c->procfs_value = (struct rst_string){ .text = "", .length = 0 };
	state->handler(c);
	/* $value that was assigned, or what was put into the output directly */
	if (output.cursor == output.start)
		rst_put_string(&output, c->procfs_value);
	reader->length = output.cursor - output.start;
	c->procfs_output = NULL;
	rst_leave_process(c, state->index);
	return reader;
}

static int file_open(struct inode *inode, struct file *file)
{
	struct procfs_file *this = pde_data(inode);

	if (!(file->f_mode & FMODE_READ) || !this->read)
		return 0;
	mutex_lock(&rst_session_mutex);
	file->private_data = run_read(this->read);
	mutex_unlock(&rst_session_mutex);
	return file->private_data ? 0 : -ENOMEM;
}

static int file_release(struct inode *inode, struct file *file)
{
	kvfree(file->private_data);
	return 0;
}

static ssize_t file_read(struct file *file, char __user *to, size_t size, loff_t *position)
{
	struct reader *reader = file->private_data;

	if (!reader)
		return -EINVAL;
	return simple_read_from_buffer(to, size, position, reader->text, reader->length);
}

static ssize_t file_write(struct file *file, const char __user *from, size_t size,
			  loff_t *position)
{
	struct procfs_file *this = pde_data(file_inode(file));
	struct rst_probe_state *state = this->write;
	struct rst_context *c;
	char *text;

	if (!state)
		return -EINVAL;
	size = min_t(size_t, size, size_of(state->probe) - 1);
	text = kvzalloc(size + 1, GFP_KERNEL_ACCOUNT);
	if (!text)
		return -ENOMEM;
	if (copy_from_user(text, from, size)) {
		kvfree(text);
		return -EFAULT;
	}
	mutex_lock(&rst_session_mutex);
	c = READ_ONCE(rst_state) == RST_STATE_RUNNING && !state->probe->closed ? rst_enter_process(state) :
									  NULL;
	if (c) {
		c->procfs_value = (struct rst_string){ .text = text, .length = strnlen(text, size) };
		state->handler(c);
		rst_leave_process(c, state->index);
	}
	mutex_unlock(&rst_session_mutex);
	kvfree(text);
	return size;
}

static const struct proc_ops operations = {
	.proc_open = file_open,
	.proc_release = file_release,
	.proc_read = file_read,
	.proc_write = file_write,
	.proc_lseek = default_llseek,
};

static bool procfs_belongs(const struct rst_probe_state *state)
{
	return state->probe->kind == RST_PROBE_PROCFS_READ ||
	       state->probe->kind == RST_PROBE_PROCFS_WRITE;
}

/* The names of this module's own files: the kernel complains of a second file of a name. */
static bool is_reserved(const char *path)
{
	char name[20];

	strscpy(name, path, min(sizeof(name), strcspn(path, "/") + 1));
	return !strcmp(name, ".cmd") || !strcmp(name, "monitor_status") ||
	       !strcmp(name, "monitor_control") ||
	       (!strncmp(name, "trace", 5) && name[5] && !name[5 + strspn(name + 5, "0123456789")]);
}

/* Whether a file's name can be: it is none of ours, not too long, nor a directory of others. */
static bool is_free(const struct procfs_file *this)
{
	const struct procfs_file *other;
	size_t length = strlen(this->path);
	const char *slash = strrchr(this->path, '/');

	if (is_reserved(this->path) || strlen(slash ? slash + 1 : this->path) > NAME_MAX)
		return false;
	for (other = files; other; other = other->next)
		if (!strncmp(other->path, this->path, length) && other->path[length] == '/')
			return false;
	return true;
}

static struct procfs_file *file_for(const char *path)
{
	struct procfs_file *this;

	for (this = files; this; this = this->next)
		if (!strcmp(this->path, path))
			return this;
	this = rst_allocate(sizeof(*this));
	if (!this)
		return NULL;
	this->path = path;
	this->next = files;
	files = this;
	return this;
}

/* The directory that holds the last part of a path, made as needed. */
static struct proc_dir_entry *parent_of(const char *path)
{
	struct proc_dir_entry *parent = rst_directory;
	const char *slash, *start = path;

	for (; (slash = strchr(start, '/')); start = slash + 1) {
		struct procfs_directory *this = directories;
		unsigned int length = slash - path;
		char name[64];

		while (this && (this->length != length || memcmp(this->path, path, length)))
			this = this->next;
		if (!this) {
			if (slash == start || slash - start >= sizeof(name))
				return NULL;
			memcpy(name, start, slash - start);
			name[slash - start] = 0;
			this = rst_allocate(sizeof(*this));
			if (!this)
				return NULL;
			this->path = path;
			this->length = length;
			this->entry = proc_mkdir(name, parent);
			this->next = directories;
			directories = this;
		}
		parent = this->entry;
		if (!parent)
			return NULL;
	}
	return parent;
}

static bool is_there(const struct rst_probe_state *state)
{
	return state && !READ_ONCE(state->is_off);
}

/* Makes a file, or takes it away, as the conditions of its probes are; not under the session's mutex. */
static void file_update(struct procfs_file *this)
{
	bool reads = is_there(this->read), writes = is_there(this->write);
	const char *slash = strrchr(this->path, '/');
	umode_t mode = 0;

	if (reads)
		mode |= this->read->probe->mode;
	if (writes)
		mode |= this->write->probe->mode;
	if (this->entry && this->reads == reads && this->writes == writes)
		return;
	/* waits for whoever is in the middle of reading or writing it */
	if (this->entry)
		proc_remove(this->entry);
	this->entry = NULL;
	this->reads = reads;
	this->writes = writes;
	if (this->parent && (reads || writes))
		this->entry = proc_create_data(slash ? slash + 1 : this->path, mode, this->parent,
					       &operations, this);
}

static void procfs_update(struct work_struct *work)
{
	struct procfs_file *this;

	mutex_lock(&procfs_mutex);
	for (this = files; this && !procfs_is_closed; this = this->next)
		file_update(this);
	mutex_unlock(&procfs_mutex);
}

static DECLARE_WORK(procfs_work, procfs_update);

static int procfs_set(struct rst_probe_state *state, bool on)
{
	WRITE_ONCE(state->is_off, !on);
	/* proc_remove() waits for file operations, and those for the session's mutex, held here */
	schedule_work(&procfs_work);
	return 0;
}

static void procfs_check(struct rst_probe_state *state, struct procfs_file *this, int error)
{
	if (!state)
		return;
	state->is_armed = this->entry != NULL;
	if (!this->entry)
		rst_probe_failed(state, error);
}

static int procfs_arm(void)
{
	struct rst_probe_state *state;
	struct procfs_file *this;

	rst_for_each_probe(state) {
		if (!procfs_belongs(state))
			continue;
		this = file_for(state->probe->path ? state->probe->path : "command");
		if (!this)
			return -ENOMEM;
		if (state->probe->kind == RST_PROBE_PROCFS_READ)
			this->read = state;
		else
			this->write = state;
	}
	for (this = files; this; this = this->next) {
		int error = is_free(this) ? -ENOENT : -EEXIST;

		this->parent = error == -EEXIST ? NULL : parent_of(this->path);
		file_update(this);
		procfs_check(this->read, this, error);
		procfs_check(this->write, this, error);
	}
	return 0;
}

/* The files stay until the module goes, harmless: nothing runs when the session is over. */
static void procfs_disarm(void)
{
}

void rst_procfs_close(void)
{
	mutex_lock(&procfs_mutex);
	procfs_is_closed = true;
	mutex_unlock(&procfs_mutex);
	cancel_work_sync(&procfs_work);
}

/* After proc_remove() of the directory. */
static void procfs_release(void)
{
	while (files) {
		struct procfs_file *next = files->next;

		rst_free(files);
		files = next;
	}
	while (directories) {
		struct procfs_directory *next = directories->next;

		rst_free(directories);
		directories = next;
	}
}

const struct rst_mechanism rst_procfs_mechanism = {
	.name = "procfs",
	.set = procfs_set,
	.arm = procfs_arm,
	.disarm = procfs_disarm,
	.release = procfs_release,
};
