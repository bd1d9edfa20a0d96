// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * monitor.c - the files monitor_status and monitor_control, for staprun -M and
 * whoever else wants to look at a running script: its scalars and its probes as
 * JSON, and the commands clear, pause, resume, quit and a probe's number.
 */
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "runtime.h"

static time64_t started;
/* Values that the scalars had before the first probe ran: for "clear". */
static union initial {
	int64_t number;
	char *text;
} *initial;

/* ---- status ----------------------------------------------------------------------- */

static void put_text(struct seq_file *file, const char *text, unsigned int length)
{
	unsigned int i;

	seq_putc(file, '"');
	for (i = 0; i < length; i++) {
		unsigned char byte = text[i];

		if (byte == '"' || byte == '\\')
			seq_printf(file, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			seq_printf(file, "\\u%04x", byte);
		else
			seq_putc(file, byte);
	}
	seq_putc(file, '"');
}

static void put_globals(struct seq_file *file)
{
	unsigned int i;

	for (i = 0; i < rst_script.parameter_count; i++) {
		const struct rst_parameter *parameter = &rst_script.parameters[i];
		const struct rst_string_variable *variable = parameter->value;

		seq_puts(file, i ? "," : "");
		put_text(file, parameter->name, strlen(parameter->name));
		seq_putc(file, ':');
		if (parameter->type == RST_LONG)
			seq_printf(file, "%lld", READ_ONCE(*(long long *)parameter->value));
		else if (parameter->type == RST_STRING && variable->text)
			/* a handler may be writing it: the length alone is never too long */
			put_text(file, variable->text,
				 min(READ_ONCE(variable->length), rst_script.string_size - 1));
		else
			seq_puts(file, "\"\"");
	}
}

static void put_probe(struct seq_file *file, const struct rst_probe_state *state)
{
	uint64_t hits = 0, cycles = 0, minimum = U64_MAX, maximum = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct rst_cpu *this = per_cpu_ptr(rst_cpus, cpu);
		const struct rst_counters *counters = &this->counters[state->index];

		hits += this->context.hits[state->index];
		cycles += counters->cycles;
		if (counters->minimum_cycles)
			minimum = min(minimum, counters->minimum_cycles);
		maximum = max(maximum, counters->maximum_cycles);
	}
	seq_printf(file,
		   "{\"index\":%u,\"state\":\"%s\",\"hits\":%llu,\"min\":%llu,\"avg\":%llu,\"max\":%llu,\"name\":",
		   state->index, state->probe->closed ? "off" : "on", hits,
		   maximum ? minimum : 0, hits ? div64_u64(cycles, hits) : 0, maximum);
	put_text(file, state->probe->script_name, strlen(state->probe->script_name));
	seq_putc(file, '}');
}

static int show(struct seq_file *file, void *unused)
{
	struct rst_probe_state *state;
	unsigned long up = started ? ktime_get_seconds() - started : 0;

	seq_printf(file, "{\"uptime\":\"%02lu:%02lu:%02lu\",\"uid\":%u,\"memory\":\"%lluk\",\"module_name\":",
		   up / 3600, up / 60 % 60, up % 60, __kuid_val(current_uid()),
		   rst_allocated_bytes() / 1024);
	put_text(file, THIS_MODULE->name, strlen(THIS_MODULE->name));
	seq_puts(file, ",\"globals\":{");
	put_globals(file);
	seq_puts(file, "},\"probe_list\":[");
	rst_for_each_probe(state) {
		seq_puts(file, state->index ? "," : "");
		put_probe(file, state);
	}
	seq_puts(file, "]}\n");
	return 0;
}

/* ---- control -------------------------------------------------------------------------- */

static void put_back(const struct rst_parameter *parameter, const union initial *value)
{
	struct rst_string_variable *variable = parameter->value;

	if (parameter->type == RST_LONG) {
		*(int64_t *)parameter->value = value->number;
	} else if (parameter->type == RST_STRING && value->text) {
		variable->length = strlen(value->text);
		memcpy(variable->text, value->text, variable->length + 1);
	}
}

/* Under the session's mutex, while it runs: the gates are closed until all is empty. */
static void clear(void)
{
	unsigned int i;

	rst_contexts_stop(true);
	/* handlers run with interrupts off: none is left after this */
	synchronize_rcu();
	for (i = 0; i < rst_script.map_count; i++)
		rst_map_clear(*rst_script.maps[i].map);
	for (i = 0; i < rst_script.stat_count; i++)
		rst_stat_clear(NULL, *rst_script.stats[i].variable);
	for (i = 0; i < rst_script.parameter_count; i++) {
		const struct rst_parameter *parameter = &rst_script.parameters[i];

		if (initial)
			put_back(parameter, &initial[i]);
	}
	rst_conditions_evaluate();
	rst_conditions_apply();
	rst_session_let_run();
}

static int command(const char *word)
{
	unsigned int index;

	if (!strcmp(word, "clear")) {
		clear();
	} else if (!strcmp(word, "pause") || !strcmp(word, "resume")) {
		rst_session_pause(*word == 'p');
	} else if (!strcmp(word, "quit")) {
		rst_session_request_exit(RST_STATE_STOPPING);
	} else if (!kstrtouint(word, 10, &index) && index < rst_script.probe_count) {
		return rst_session_toggle(index, rst_states[index].paused);
	} else {
		return -EINVAL;
	}
	return 0;
}

static ssize_t monitor_control_write(struct file *file, const char __user *from, size_t size,
			     loff_t *position)
{
	char word[16];
	int error = -EBUSY;

	if (!size || size >= sizeof(word))
		return -EINVAL;
	if (copy_from_user(word, from, size))
		return -EFAULT;
	word[size] = 0;
	strim(word);
	mutex_lock(&rst_session_mutex);
	if (READ_ONCE(rst_state) == RST_STATE_RUNNING)
		error = command(word);
	mutex_unlock(&rst_session_mutex);
	return error ? error : (ssize_t)size;
}

static const struct proc_ops monitor_control_operations = {
	.proc_write = monitor_control_write,
};

void rst_monitor_started(void)
{
	unsigned int i;

	started = ktime_get_seconds();
	/* without memory "clear" leaves scalars alone */
	initial = rst_allocate(sizeof(*initial) * (rst_script.parameter_count + 1ul));
	for (i = 0; initial && i < rst_script.parameter_count; i++) {
		const struct rst_parameter *parameter = &rst_script.parameters[i];
		const struct rst_string_variable *variable = parameter->value;

		if (parameter->type == RST_LONG) {
			initial[i].number = *(int64_t *)parameter->value;
		} else if (parameter->type == RST_STRING && variable->text) {
			initial[i].text = rst_allocate(variable->length + 1ul);
			if (initial[i].text)
				memcpy(initial[i].text, variable->text, variable->length);
		}
	}
}

/* The files are gone already. */
void rst_monitor_destroy(void)
{
	unsigned int i;

	for (i = 0; initial && i < rst_script.parameter_count; i++)
		if (rst_script.parameters[i].type == RST_STRING)
			rst_free(initial[i].text);
	rst_free(initial);
	initial = NULL;
}

int rst_monitor_create(struct proc_dir_entry *directory)
{
	if (!proc_create_single("monitor_status", 0400, directory, show) ||
	    !proc_create("monitor_control", 0200, directory, &monitor_control_operations))
		return -ENOMEM;
	return 0;
}
