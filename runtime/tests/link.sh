#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# link.sh BUILD HEADERS SCRIPT.c OUT.ko
# Compiles a hand-written script with the flags that kbuild used for the runtime
# in BUILD (a folder where `make -C HEADERS M=BUILD modules` has run) and links
# it with the runtime, as the compiler does.
set -e
build=$(realpath "$1"); headers=$(realpath "$2"); script=$(realpath "$3"); out=$(realpath -m "$4")
command=$(sed -n 's/^\(saved\)\?cmd_[^ ]*all_data\.o := //p' "$build/src/.all_data.o.cmd")
compile=${command%% ; *}
object=${out%.ko}.script.o
# in a kernel that links first and checks then, the checker is in the module's own file
checker=$(cat "$build/src/.all_data.o.cmd" "$build/.rstap_runtime.o.cmd" |
	sed -n 's/^[^#]*; *\([^ ]*objtool\/objtool .*--module\).*/\1/p' | head -1)
case $compile in *" -c -o /"*) cd "$headers" ;; *) cd "$build" ;; esac
flags=$(echo "$compile" | sed 's/ -g0 / /; s/-Wp,-MMD,[^ ]*//; s/ -c -o .*//; s/-DKBUILD_[A-Z]*=[^ ]*//g')
eval "$flags $EXTRA -I$build/include -c -o $object $script"
cd "$headers"
# 5.10 does not record the checker's command
if [ -z "$checker" ] && [ -x tools/objtool/objtool ]; then
	checker="./tools/objtool/objtool orc generate --module --no-fp --retpoline --uaccess"
fi
# what the build exports for the checker
export SRCARCH=x86
[ -z "$checker" ] || $checker "$object"
common=
[ ! -f "$build/.module-common.o" ] || common="$build/.module-common.o"
ld -r -m elf_x86_64 -z noexecstack --build-id=sha1 -T "$headers/arch/x86/module.lds" 2>/dev/null \
	-o "$out" "$build/rstap_runtime.o" "$object" "$build/rstap_runtime.mod.o" $common ||
ld -r -m elf_x86_64 -z noexecstack --build-id=sha1 -T "$headers/scripts/module.lds" \
	-o "$out" "$build/rstap_runtime.o" "$object" "$build/rstap_runtime.mod.o" $common
