// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - the module: loading makes files and takes memory, nothing is armed
 * before staprun says START; unloading cleans up whatever state it finds.
 *
 * The module's name is patched into the linked file, so nothing here may use
 * KBUILD_MODNAME: THIS_MODULE->name is the truth.
 */
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/path.h>

#include "runtime.h"
#include "compat.h"

struct proc_dir_entry *rst_directory;

module_param_named(rst_buffer_kb, rst_buffer_kb, uint, 0444);
MODULE_PARM_DESC(rst_buffer_kb, "output buffer of each CPU in KiB");
module_param_named(rstap_buffer_kb, rst_buffer_kb, uint, 0444);
MODULE_PARM_DESC(rstap_buffer_kb, "the same");
/* Nothing to the module itself: staprun -A reads it. */
static bool is_bulk;
module_param_named(rstap_bulk, is_bulk, bool, 0444);
MODULE_PARM_DESC(rstap_bulk, "the output of each CPU goes to a file of its own");

/*
 * /proc/systemtap is shared by all such modules and stays when they go. Those
 * that are loaded at the same moment, as units are at boot, wait for each other
 * at a file that all of them know: proc_mkdir() warns of what exists already.
 */
static void create_shared_directory(void)
{
	struct path meeting, path;
	bool is_locked = kern_path("/proc/modules", LOOKUP_FOLLOW, &meeting) == 0;

	if (is_locked)
		inode_lock_nested(d_inode(meeting.dentry), I_MUTEX_PARENT);
	if (kern_path("/proc/systemtap", LOOKUP_FOLLOW, &path) == 0)
		path_put(&path);
	else
		proc_mkdir("systemtap", NULL);
	if (is_locked) {
		inode_unlock(d_inode(meeting.dentry));
		path_put(&meeting);
	}
}

static int create_directory(void)
{
	char name[MODULE_NAME_LEN + 16];

	create_shared_directory();
	snprintf(name, sizeof(name), "systemtap/%s", THIS_MODULE->name);
	rst_directory = proc_mkdir(name, NULL);
	return rst_directory ? 0 : -ENOMEM;
}

static void clean_up(void)
{
	rst_procfs_close();
	/* no file operation runs or can begin after this; an open .cmd is closed by it */
	if (rst_directory)
		proc_remove(rst_directory);
	rst_modules_unwatch();
	if (rst_states) {
		mutex_lock(&rst_session_mutex);
		rst_session_stop(false);
		mutex_unlock(&rst_session_mutex);
		rst_conditions_destroy();
		rst_session_destroy();
	}
	rst_monitor_destroy();
	rst_log_destroy();
	rst_control_destroy();
	rst_transport_destroy();
	rst_contexts_destroy();
}

static int __init rst_init(void)
{
	int error;

	if (!&rst_script || rst_script.interface_version != RST_INTERFACE_VERSION) {
		pr_err("%s: not linked with a script of interface version %d\n", THIS_MODULE->name,
		       RST_INTERFACE_VERSION);
		return -ENOEXEC;
	}
	error = rst_contexts_create();
	if (!error)
		error = rst_session_create();
	if (!error)
		error = create_directory();
	if (!error)
		error = rst_transport_create(rst_directory);
	if (!error)
		error = rst_control_create(rst_directory);
	if (!error)
		error = rst_monitor_create(rst_directory);
	if (!error)
		error = rst_modules_watch();
	if (!error) {
		rst_conditions_prepare();
		return 0;
	}
	if (error == -ENOMEM && rst_memory_refused())
		pr_err("%s: needs more memory than STP_MAXMEMORY allows\n", THIS_MODULE->name);
	clean_up();
	return error;
}

static void __exit rst_cleanup(void)
{
	/* readers that sleep would keep the files alive */
	mutex_lock(&rst_session_mutex);
	rst_session_stop(false);
	mutex_unlock(&rst_session_mutex);
	rst_transport_wake_all();
	rst_control_close();
	clean_up();
}

module_init(rst_init);
module_exit(rst_cleanup);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A script compiled by rstap");
