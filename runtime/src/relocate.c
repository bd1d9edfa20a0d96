// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * relocate.c - where the kernel and its modules are now. staprun tells before
 * START; what it read of a module that comes or goes meanwhile is refused, and read
 * again. Afterwards the addresses of a module turn to 0 when it goes, and are found
 * by the script's anchors when it comes. Nothing is taken from the tables while a
 * session lasts, so handlers read them freely.
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/string.h>

#include "runtime.h"

struct symbol {
	struct list_head list;
	uint64_t address;
	char name[];
};

struct section {
	struct list_head list;
	uint64_t address;
	const char *section;
	char module[];
};

static LIST_HEAD(symbols);
static LIST_HEAD(sections);
static uint64_t text_start;	/* _stext */

/* The module that staprun tells of, and whether it came or went since that began. */
static struct {
	char module[MODULE_NAME_LEN];
	bool is_stale;
} told;

int rst_symbol_learn(const char *name, uint64_t address)
{
	struct symbol *symbol;

	if (rst_state != RST_STATE_LOADED)
		return -EBUSY;
	if (!strcmp(name, "_stext"))
		text_start = address;
	symbol = rst_allocate(sizeof(*symbol) + strlen(name) + 1);
	if (!symbol)
		return -ENOMEM;
	symbol->address = address;
	strcpy(symbol->name, name);
	list_add_tail(&symbol->list, &symbols);
	return 0;
}

uint64_t rst_text_start(void)
{
	return text_start;
}

static int add_section(const char *module, const char *name, uint64_t address)
{
	struct section *section;

	section = rst_allocate(sizeof(*section) + strlen(module) + strlen(name) + 2);
	if (!section)
		return -ENOMEM;
	section->address = address;
	strcpy(section->module, module);
	section->section = section->module + strlen(module) + 1;
	strcpy(section->module + strlen(module) + 1, name);
	list_add_tail_rcu(&section->list, &sections);
	return 0;
}

/* Not exported: staprun tells where it is. */
extern typeof(find_module) find_module __attribute__((weak));

/* Where a module's per-CPU variables are, which is not among what sysfs tells; 0: not known. */
static uint64_t find_per_cpu(const char *name)
{
	uint64_t address = 0;
#ifdef CONFIG_SMP
	struct module *module;

	if (!find_module)
		return 0;
	preempt_disable();
	module = find_module(name);
	if (module)
		address = (unsigned long)module->percpu;
	preempt_enable();
#endif
	return address;
}

/* Without a lock: sections are added, none is taken away. */
bool rst_sections_are_known(const char *module)
{
	struct section *section;

	list_for_each_entry(section, &sections, list)
		if (!strcmp(section->module, module))
			return true;
	return false;
}

static int set_section(const char *module, const char *name, uint64_t address)
{
	struct section *section;

	list_for_each_entry(section, &sections, list) {
		if (!strcmp(section->module, module) && !strcmp(section->section, name)) {
			WRITE_ONCE(section->address, address);
			return 0;
		}
	}
	return add_section(module, name, address);
}

/* What is told of it from now on was read after this. The entry makes the notifier look at it. */
int rst_module_learn(const char *module)
{
	if (rst_state != RST_STATE_LOADED)
		return -EBUSY;
	if (strlen(module) >= sizeof(told.module))
		return -ENAMETOOLONG;
	strcpy(told.module, module);
	told.is_stale = false;
	rst_sections_forget(module);
	return set_section(module, ".data..percpu", 0);
}

int rst_section_learn(const char *module, const char *name, uint64_t address)
{
	int error;

	if (rst_state != RST_STATE_LOADED)
		return -EBUSY;
	if (strcmp(module, told.module))
		return -EINVAL;
	if (told.is_stale)
		return -ESTALE;
	error = set_section(module, ".data..percpu", find_per_cpu(module));
	return error ? error : set_section(module, name, address);
}

void rst_module_changed(const char *module)
{
	if (!strcmp(module, told.module))
		told.is_stale = true;
}

uint64_t rst_symbol_address(const char *name)
{
	struct symbol *symbol;

	list_for_each_entry(symbol, &symbols, list)
		if (!strcmp(symbol->name, name))
			return symbol->address;
	return 0;
}

static uint64_t section_address(const char *module, const char *name)
{
	struct section *section;

	list_for_each_entry(section, &sections, list)
		if (!strcmp(section->module, module) && !strcmp(section->section, name))
			return section->address;
	return 0;
}

bool rst_is_unloaded(const struct rst_probe *probe)
{
	struct section *section;

	if (!probe->module || probe->is_absolute)
		return false;
	list_for_each_entry(section, &sections, list)
		if (!strcmp(section->module, probe->module) && section->address)
			return false;
	return true;
}

/* Handlers may be reading the list: an entry without an address is as good as none. */
void rst_sections_forget(const char *module)
{
	struct section *section;

	list_for_each_entry(section, &sections, list)
		if (!strcmp(section->module, module))
			WRITE_ONCE(section->address, 0);
}

/* Until the init function has run, the table has all symbols. */
static uint64_t symbol_in(struct module *module, const char *name)
{
#ifdef CONFIG_KALLSYMS
	const struct mod_kallsyms *table = rcu_dereference_raw(module->kallsyms);
	unsigned int i;

	for (i = 1; table && i < table->num_symtab; i++) {
		const Elf_Sym *symbol = &table->symtab[i];

		if (symbol->st_shndx != SHN_UNDEF && !strcmp(table->strtab + symbol->st_name, name))
			return symbol->st_value;
	}
#endif
	return 0;
}

/*
 * Only entries that a script has a use for: a module without anchors is none of its. Without
 * memory they stay as unknown as they are.
 */
void rst_sections_find(struct module *module)
{
	const struct rst_anchor *anchor = rst_script.anchors;
	unsigned int i;

	for (i = 0; i < rst_script.anchor_count; i++, anchor++) {
		uint64_t address;

		if (strcmp(anchor->module, module->name))
			continue;
		address = symbol_in(module, anchor->symbol);
		if (address)
			set_section(module->name, anchor->section, address - anchor->offset);
#ifdef CONFIG_SMP
		set_section(module->name, ".data..percpu", (unsigned long)module->percpu);
#endif
	}
}

unsigned long rst_address_of(const struct rst_probe *probe)
{
	uint64_t base;

	if (probe->is_absolute)
		return probe->offset;
	if (!probe->module)
		return text_start ? text_start + probe->offset : 0;
	base = section_address(probe->module, probe->section ? probe->section : ".text");
	return base ? base + probe->offset : 0;
}

uint64_t rst_relocate(struct rst_context *c, const char *module, const char *section, uint64_t offset)
{
	uint64_t base = module ? section_address(module, section ? section : ".text") : text_start;

	if (!base) {
		if (module)
			rst_failf(c, NULL, "module '%s' is not loaded, its section '%s' has no address",
				  module, section ? section : ".text");
		else
			rst_fail(c, "the kernel's address is not known", NULL);
		return 0;
	}
	return base + offset;
}

void rst_relocate_destroy(void)
{
	struct symbol *symbol, *next_symbol;
	struct section *section, *next_section;

	list_for_each_entry_safe(symbol, next_symbol, &symbols, list) {
		list_del(&symbol->list);
		rst_free(symbol);
	}
	list_for_each_entry_safe(section, next_section, &sections, list) {
		list_del(&section->list);
		rst_free(section);
	}
}
