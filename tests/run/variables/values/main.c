// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - writing a name to /sys/module/values/parameters/call calls a
 * function with known arguments, reading it gives what that function returned
 */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

#include "values.h"

static long result;

static int set_call(const char *text, const struct kernel_param *parameter)
{
	char name[32];

	strscpy(name, text, sizeof(name));
	return values_call(strim(name), &result);
}

static int get_call(char *buffer, const struct kernel_param *parameter)
{
	return scnprintf(buffer, PAGE_SIZE, "%ld\n", result);
}

static const struct kernel_param_ops operations = { .set = set_call, .get = get_call };
module_param_cb(call, &operations, NULL, 0600);

static int __init start(void)
{
	values_prepare();
	return 0;
}

static void __exit stop(void)
{
}

module_init(start);
module_exit(stop);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("functions with known arguments");
