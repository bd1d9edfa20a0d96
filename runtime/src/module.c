// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * module.c - modules that come and go while a session runs. Their functions are
 * probed by name from the moment they come, before their init function runs.
 *
 * The notifier is registered for as long as this module lives: the kernel calls
 * it with the chain's lock held, and the session's mutex is taken within that.
 */
#include <linux/module.h>
#include <linux/notifier.h>

#include "runtime.h"
#include "compat.h"

static bool module_is_watching;

static int changed(struct notifier_block *block, unsigned long action, void *data)
{
	struct module *module = data;

	if (module == THIS_MODULE || (action != MODULE_STATE_COMING && action != MODULE_STATE_GOING))
		return NOTIFY_OK;
	mutex_lock(&rst_session_mutex);
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
