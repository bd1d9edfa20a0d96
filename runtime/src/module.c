// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * module.c - modules that come and go while a session runs. Their functions are
 * probed by name from the moment they come, before their init function runs.
 *
 * The notifier is registered for as long as this module lives: the kernel calls
 * it with the chain's lock held, and the session's mutex is taken within that, for
 * modules that the script names: what is done under the mutex may need another
 * module (a program's path, its file system), and others should not wait at all.
 */
#include <linux/module.h>
#include <linux/notifier.h>

#include "runtime.h"
#include "compat.h"

static bool module_is_watching;

/* Others come and go at once, however long a begin probe holds the session's mutex. */
static bool is_named(const char *module)
{
	unsigned int i;

	for (i = 0; i < rst_script.probe_count; i++)
		if (rst_script.probes[i].module && !strcmp(rst_script.probes[i].module, module))
			return true;
	for (i = 0; i < rst_script.anchor_count; i++)
		if (!strcmp(rst_script.anchors[i].module, module))
			return true;
	return rst_sections_are_known(module);
}

static int changed(struct notifier_block *block, unsigned long action, void *data)
{
	struct module *module = data;

	if (module == THIS_MODULE || (action != MODULE_STATE_COMING && action != MODULE_STATE_GOING) ||
	    !is_named(module->name))
		return NOTIFY_OK;
	mutex_lock(&rst_session_mutex);
	rst_module_changed(module->name);
	if (action == MODULE_STATE_COMING)
		rst_sections_find(module);
	if (READ_ONCE(rst_state) == RST_STATE_RUNNING)
		rst_session_module(module->name, action == MODULE_STATE_COMING);
	else if (READ_ONCE(rst_state) == RST_STATE_LOADED && action == MODULE_STATE_GOING)
		rst_sections_forget(module->name);
	mutex_unlock(&rst_session_mutex);
	return NOTIFY_OK;
}

/* After ftrace's and before the kprobes' own, which would leave dead kprobes behind. */
static struct notifier_block module_watcher = { .notifier_call = changed, .priority = 1 };

int rst_modules_watch(void)
{
	int error = register_module_notifier(&module_watcher);

	module_is_watching = !error;
	return error;
}

void rst_modules_unwatch(void)
{
	if (module_is_watching)
		unregister_module_notifier(&module_watcher);
	module_is_watching = false;
}

/* The words are those that SystemTap's modules write to the kernel's log. */
struct rst_string rst_module_size(struct rst_context *c)
{
	char *text = rst_scratch(c, 48);

	if (!text)
		return (struct rst_string){ "", 0 };
	return (struct rst_string){ text, scnprintf(text, 48, "%udata/%utext kb",
						    rst_module_data(THIS_MODULE) >> 10,
						    rst_module_text(THIS_MODULE) >> 10) };
}
