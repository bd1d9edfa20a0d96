# SPDX-License-Identifier: GPL-2.0-or-later
# Made by: rstap --generate=bash
_rstap() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
	case $previous in
	--sysroot | -I | -R | --tmpdir)
		mapfile -t COMPREPLY < <(compgen -d -- "$current")
		return ;;
	esac
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '-e -E -l -L --dump-probe-types --dump-probe-aliases --dump-functions --example -v --vp -p -k -w -W -u --color --error-format --explain-cost --semantic-keep-going -c -x -o -s -b -S -F -T -t --summary -G --monitor --remote --remote-prefix --target-namespaces -r -a --sysroot --sysenv -m -B --modinfo -d --ldd --all-modules --sign-module --download-debuginfo -g -D -I -P --prologue-searching --skip-badvars --suppress-handler-errors --suppress-time-limits --no-global-var-display --compatible --check-version --privilege --unprivileged --runtime -R --tmpdir --disable-cache --poison-cache --clean-cache --debug --print-paths --rlimit-as --rlimit-cpu --rlimit-nproc --rlimit-stack --rlimit-fsize -h --help -V --version' -- "$current")
	else
		mapfile -t COMPREPLY < <(compgen -f -X '!*.stp' -- "$current"; compgen -d -- "$current")
	fi
}
complete -o filenames -F _rstap rstap
