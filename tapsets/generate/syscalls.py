#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes tapsets/linux/syscalls_*.stp from calls.py and decoders.py.

usage: syscalls.py [unistd_64.h of the newest kernel supported]

Values of flags come from the machine's own headers through cc -E and a small program, so that no
number is typed by hand where a header has it.
"""
import os
import re
import subprocess
import sys
import tempfile

from calls import GROUPS, ORDERS
from decoders import DECODERS

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "linux")
LICENCE = "// SPDX-License-Identifier: GPL-2.0-or-later\n"
GENERATED = "// Written by tapsets/generate/syscalls.py from {}: change that instead.\n"


def header_values(headers, names):
    """{name: value} of macros and enumerators; `*PREFIX` stands for every macro that starts so."""
    includes = "#define _GNU_SOURCE\n#define __USE_MISC\n" + "".join(
        f"#include <{h}>\n" for h in headers.split())
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "v.c")
        with open(source, "w") as file:
            file.write(includes)
        macros = subprocess.run(["cc", "-E", "-dM", source], capture_output=True, text=True,
                                check=True).stdout
        wanted = []
        for name in names:
            if name.startswith("*"):
                found = re.findall(r"#define (%s\w+) (.+)" % name[1:], macros)
                wanted += [n for n, v in found if re.fullmatch(r"\(?-?(0x)?[0-9a-fA-F]+\)?", v)
                           and not re.search(r"_(OLD|NEW)$|^PR_SET_(MM|VMA|PTRACER)_", n)]
            else:
                wanted.append(name)
        with open(source, "w") as file:
            file.write(includes + "int printf(const char *, ...);\nint main(void) {\n")
            for name in wanted:
                file.write(f'printf("%s %lld\\n", "{name}", (long long)({name}));\n')
            file.write("}\n")
        program = os.path.join(folder, "v")
        built = subprocess.run(["cc", "-w", "-o", program, source], capture_output=True, text=True)
        if built.returncode:
            missing = sorted(set(re.findall("\u2018(\\w+)\u2019 undeclared", built.stderr)))
            sys.exit(f"{headers}: not in these headers: {' '.join(missing) or built.stderr}")
        lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout
        return {n: int(v) for n, v in (line.split() for line in lines.splitlines())}


def number(text):
    return int(text, 8) if re.fullmatch(r"0[0-7]+", text) else int(text, 0)


def wrap(items, first, indent="\t", width=100):
    lines, line = [], first
    for item in items:
        if len(line.expandtabs(8)) + len(item) + 1 > width:
            lines.append(line.rstrip())
            line = indent
        line += item + " "
    return "\n".join(lines + [line.rstrip()])


def decoder(function, kind, headers, text):
    entries = []
    words = text.split()
    plain = [re.split("[=/]", w)[0] for w in words if "=" not in w]
    values = header_values(headers, plain)
    for word in words:
        if word.startswith("*"):
            seen = {v for _, v, _ in entries}
            for name, value in sorted(values.items(), key=lambda e: (e[1], e[0])):
                if name.startswith(word[1:]) and value not in seen:
                    entries.append((name, value, value))
                    seen.add(value)
            continue
        word, _, mask = word.partition("/")
        name, _, value = word.partition("=")
        value = number(value) if value else values[name]
        entries.append((name, value, number(mask) if mask else value))
    if kind != "flags":
        unique = {}
        for name, value, _ in entries:
            unique.setdefault(value, name)
        items = [f'{{ {value}, "{name}" }},' for value, name in unique.items()]
        call = {"enum": "sys_name", "number": "sys_name_or_number"}[kind]
        return (f"function {function}:string (value:long) %{{ /* pure */\n"
                + wrap(items, "\tstatic const struct sys_name table[] = { ", "\t\t") + " };\n\n"
                + f"\tRST_RETURN({call}(c, STAP_ARG_value, table, sizeof(table)));\n%}}\n")
    items = [(f'SYS_FLAG({name}, 0x{value:x}),' if value == mask
              else f'SYS_FIELD({name}, 0x{value:x}, 0x{mask:x}),') for name, value, mask in entries]
    return (f"function {function}:string (flags:long) %{{ /* pure */\n"
            + wrap(items, "\tstatic const struct sys_flag table[] = { ", "\t\t") + " };\n\n"
            + "\tRST_RETURN(sys_flags(c, STAP_ARG_flags, table, sizeof(table)));\n%}\n")


NAMES_HEAD = r'''// Names of the flags and numbers that system calls take.

%{
struct sys_name {
	int64_t value;
	const char *name;
};

/* Shown when value & mask is the flag's own value. */
struct sys_flag {
	uint64_t mask;
	uint64_t value;
	const char *name;
};

#define SYS_FLAG(name, value) { value, value, #name }
#define SYS_FIELD(name, value, mask) { mask, value, #name }

#define SYS_NAMES static RST_MAYBE_UNUSED __attribute__((__noinline__))

SYS_NAMES struct rst_string sys_flags(struct rst_context *c, uint64_t flags,
				      const struct sys_flag *table, unsigned long size)
{
	struct rst_output out = rst_string_output(c);
	bool is_first = 1;
	unsigned long i;

	/* an int with its highest bit set, sign-extended */
	if (flags >> 31 == (1ull << 33) - 1)
		flags = (uint32_t)flags;
	for (i = 0; i < size / sizeof(*table); i++) {
		if ((flags & table[i].mask) != table[i].value || (!table[i].mask && !is_first))
			continue;
		/* the whole of a field goes, also for one whose value is 0 */
		if (table[i].value)
			flags &= ~table[i].mask;
		else if (flags & table[i].mask)
			continue;
		if (!is_first)
			rst_put(&out, "|", 1);
		rst_put(&out, table[i].name, __builtin_strlen(table[i].name));
		is_first = 0;
		if (!table[i].value)
			continue;
		/* the same field has no second name */
		while (i + 1 < size / sizeof(*table) && table[i + 1].mask == table[i].mask)
			i++;
	}
	if (flags || is_first) {
		if (!is_first)
			rst_put(&out, "|", 1);
		rst_put(&out, "0x", 2);
		rst_put_number(&out, flags, 'x', 0, -1, -1);
	}
	return rst_string_finish(c, &out);
}

SYS_NAMES const char *sys_find(int64_t value, const struct sys_name *table, unsigned long size)
{
	unsigned long i;

	for (i = 0; i < size / sizeof(*table); i++) {
		if ((int32_t)table[i].value == (int32_t)value)
			return table[i].name;
	}
	return NULL;
}

SYS_NAMES struct rst_string sys_name(struct rst_context *c, int64_t value,
				     const struct sys_name *table, unsigned long size)
{
	const char *name = sys_find(value, table, size);
	struct rst_output out;

	if (name)
		return (struct rst_string){ name, __builtin_strlen(name) };
	out = rst_string_output(c);
	rst_put(&out, "0x", 2);
	rst_put_number(&out, (uint32_t)value, 'x', 0, -1, -1);
	return rst_string_finish(c, &out);
}

SYS_NAMES struct rst_string sys_name_or_number(struct rst_context *c, int64_t value,
					       const struct sys_name *table, unsigned long size)
{
	const char *name = sys_find(value, table, size);
	struct rst_output out;

	if (name)
		return (struct rst_string){ name, __builtin_strlen(name) };
	out = rst_string_output(c);
	rst_put_decimal(&out, (int32_t)value);
	return rst_string_finish(c, &out);
}
%}
'''

READERS = {"d": "int", "u": "uint", "l": "long", "U": "long", "x": "long", "X": "uint", "p": "long",
           "o": "mode", "O": "int", "q": "long", "q32": "int"}
FORMATS = {"d": "%d", "u": "%u", "l": "%d", "U": "%u", "x": "%#x", "X": "%#x", "p": "%p",
           "o": "%#o", "O": "%#o", "q": "%p", "q32": "%d"}


def ordered(body, order):
    """The assignments in that order, but none before those of the variables that it uses."""
    wanted = [item for name in order for item in body if item[0] == name]
    wanted += [item for item in body if item not in wanted]
    names = {name for name, _ in body}
    done = []
    while wanted:
        for item in wanted:
            needs = (set(re.findall(r"\w+", re.sub(r'"[^"]*"', "", item[1]))) & names) - {item[0]}
            if needs <= {name for name, _ in done}:
                done.append(item)
                wanted.remove(item)
                break
        else:
            raise ValueError(body)
    return done


def call_probe(line):
    """The text of the two probes of one line of calls.py."""
    parts = [p.strip() for p in line.split("|", 2)]
    if len(parts) == 3 and parts[1].count("(") != parts[1].count(")"):
        raise ValueError(line)
    head, function = parts[0].split()
    alias, _, name = head.partition("=")
    name = name or alias
    function, _, form = function.partition(",")
    body = []          # (variable, expression)
    formats, values = [], []

    def add(variable, expression):
        body.append((variable, expression))

    for position, word in enumerate(parts[1].split(), 1):
        variable, _, kind = word.partition(":")
        quiet = kind.endswith("!")
        kind = kind.rstrip("!")
        variable, _, text = variable.partition("/")
        if variable == "-":
            if kind and not quiet:
                formats.append(FORMATS[kind])
                values.append(f"__sys_{READERS[kind]}({position})")
            continue
        shown = text or variable
        form_text = "%s"
        if kind in READERS:
            add(variable, f"__sys_{READERS[kind]}({position})")
            form_text = FORMATS[kind]
            if kind == "q":
                form_text, shown = "%s", f"_sys_string_quoted({variable})"
        elif kind == "dfd":
            add(variable, f"__sys_int({position})")
            shown = variable + "_str"
            add(shown, f"_dfd_str({variable})")
        elif kind in ("s", "s1"):
            add(variable, f"_sys_string_quoted(__sys_long({position}))")
            if kind == "s":
                add(variable + "_unquoted", f"_sys_string(__sys_long({position}))")
        elif kind in ("su", "su1", "S"):
            if kind == "S":
                shown = variable + "_str"
            add(variable, f"__sys_long({position})")
            add(shown, f"_sys_string_quoted({variable})")
            if kind != "su1":
                add(shown + "_unquoted", f"_sys_string({variable})")
        else:
            match = re.fullmatch(r"(int|int64|mode)\((\w+)\)", kind)
            if not match:
                raise ValueError(f"{line}: {kind}")
            reader = "long" if match[1] == "int64" else match[1]
            add(variable, f"__sys_{reader}({position})")
            shown = text or variable + "_str"
            add(shown, f"{match[2]}({variable})")
        if not quiet:
            formats.append(form_text)
            values.append(shown)
    argstr = f'sprintf("{", ".join(formats)}", {", ".join(values)})' if formats else '""'
    if formats == ["%s"]:
        argstr = values[0]
    if len(parts) == 3:
        for statement in re.split(r";\s*", parts[2]):
            if statement.startswith("@SOCKADDR"):
                address = re.search(r"\((\w+)\)", statement)[1]
                add("uaddr_af", f"_sys_sock_family_str(_sys_sockaddr_family({address}))")
                add("uaddr_ip", f"_sys_sockaddr_ip({address})")
                add("uaddr_ip_port", f'sprintf("%d", _sys_sockaddr_port({address}))')
                add("uaddr_ipv6_flowinfo",
                    f'_sys_sockaddr_family({address}) == 10 ? sprintf("%d", user_uint32({address} + 4)) : ""')
                add("uaddr_ipv6_scope_id",
                    f'_sys_sockaddr_family({address}) == 10 ? sprintf("%d", user_uint32({address} + 24)) : ""')
                argstr = f'sprintf("%d, %s, %d", sockfd, _sys_sockaddr_str({address}, addrlen), addrlen)'
                continue
            variable, _, expression = statement.partition(" = ")
            if variable == "argstr":
                argstr = expression
            else:
                add(variable, expression)
    add("argstr", argstr)

    def heads(suffix):
        names = [f"{family}.{alias}{suffix}" for family in
                 ("syscall", "nd_syscall", "dw_syscall", "tp_syscall")]
        return "probe " + " = ".join(names) + " =\n\t"

    body.insert(0, ("name", f'"{name}"'))
    body = ordered(body, ORDERS.get(alias, []))
    lines = [f"\t{v} = {e}" for v, e in body]
    text = f'{heads("")}kprobe.function("__x64_sys_{function}") ?\n{{\n' + "\n".join(lines) + "\n}\n"
    back = [f'\tname = "{name}"']
    if alias == "pipe":
        back += ["\tfildes_uaddr = __sys_long(1)", "\tpipe0 = user_int(fildes_uaddr)",
                 "\tpipe1 = user_int(fildes_uaddr + 4)"]
    if alias == "epoll_create":
        back += ["\tflags = " + ("__sys_uint(1)" if function.endswith("1") else "0")]
    if alias == "wait4":
        back += ["\tstatus_uaddr = __sys_long(2)",
                 "\tstatus_str = _sys_wait_status_str(status_uaddr)"]
    if alias == "ptrace":
        back += ["\tgeteventmsg_data = __sys_long(1) == 0x4201 ? user_int64(__sys_long(4)) : 0",
                 "\tarch_prctl_addr = __sys_long(1) == 30 ? __sys_long(4) : 0"]
    back += ["\tretval = returnval()", f"\tretstr = returnstr({form or 1})"]
    text += (f'{heads(".return")}kprobe.function("__x64_sys_{function}").return ?\n{{\n'
             + "\n".join(back) + "\n}\n")
    return text


def write(name, text):
    with open(os.path.join(OUT, name), "w") as file:
        file.write(text)


def syscall_table(path):
    numbers = {}
    with open(path) as file:
        for line in file:
            match = re.match(r"#define __NR_(\w+) (\d+)", line)
            if match and match[1] != "syscalls":
                numbers[int(match[2])] = match[1]
    items = [f'[{n}] = "{name}",' for n, name in sorted(numbers.items())]
    return (LICENCE + GENERATED.format("the kernel's unistd_64.h")
            + "// Numbers and names of the system calls of x86_64.\n\n%{\n"
            + "static const char *const sys_call_names[] RST_MAYBE_UNUSED = {\n"
            + wrap(items, "\t") + "\n};\n%}\n" + '''
/** syscall_name - Name of a system call of x86_64 by its number; the number if it has none. */
function syscall_name:string (num:long) %{ /* pure unprivileged */
	uint64_t number = STAP_ARG_num;
	struct rst_output out;

	if (number < sizeof(sys_call_names) / sizeof(sys_call_names[0]) && sys_call_names[number])
		RST_RETURN(((struct rst_string){ sys_call_names[number],
						 __builtin_strlen(sys_call_names[number]) }));
	out = rst_string_output(c);
	rst_put_decimal(&out, STAP_ARG_num);
	RST_RETURN(rst_string_finish(c, &out));
%}

/** syscall_num - Number of a system call of x86_64 by its name; -1 if there is none. */
function syscall_num:long (name:string) %{ /* pure unprivileged */
	unsigned long i;

	for (i = 0; i < sizeof(sys_call_names) / sizeof(sys_call_names[0]); i++) {
		if (sys_call_names[i] && __builtin_strcmp(sys_call_names[i], STAP_ARG_name) == 0)
			STAP_RETURN(i);
	}
	STAP_RETURN(-1);
%}
''')


def main():
    for group, (title, lines) in GROUPS.items():
        text = LICENCE + GENERATED.format("calls.py") + f"// {title}\n"
        for line in lines.strip().splitlines():
            text += "\n" + call_probe(line)
        write(f"syscalls_{group}.stp", text)
    text = LICENCE + GENERATED.format("decoders.py") + NAMES_HEAD
    for entry in DECODERS:
        text += "\n" + decoder(*entry)
    write("syscalls_names.stp", text)
    if len(sys.argv) > 1:
        write("syscalls_table.stp", syscall_table(sys.argv[1]))


main()
