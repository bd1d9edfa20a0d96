# SPDX-License-Identifier: GPL-2.0-or-later
# Runs one command after the other for the host.
#
# Requests come as lines on the port "control":
#   run NAME SECONDS BASE64-SCRIPT   run a shell script as a new session
#   signal NAME                      send a signal to the process that the script became
#   off                              switch the machine off
# Answers go there as well: "ready", "begin NAME", "leak NAME text", "end NAME STATUS".
# Output goes to the ports "stdout" and "stderr" as it is; after a script, each gets the line
# "MARK NAME", where MARK is a random word that the host chose for this boot.
b=/run/rstap/busybox
tools=/run/rstap/bin
$b mkdir -p $tools
$b --install -s $tools
export PATH=$tools:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root
. /run/rstap/settings

tracing=/sys/kernel/debug/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing

for class in /sys/class/virtio-ports/*; do
    read -r port <"$class/name" && ln -sf "/dev/${class##*/}" "/run/rstap/port-$port"
done
cd /
# A kernel without internet protocols has none.
ip link set lo up 2>/dev/null

# Ends the machine: qemu does not boot again, and this needs no ACPI.
leave() {
    reboot -f
}

# What a script may leave in the kernel, one line each.
traces() {
    echo "nothing"
    while read -r module rest; do echo "module $module"; done </proc/modules
    while read -r address kind symbol rest; do echo "kprobe $symbol"; done \
        </sys/kernel/debug/kprobes/list
    while read -r function rest; do echo "ftrace $function"; done <$tracing/enabled_functions
}

# Lines that are in the kernel now and were not before; waits a little for what is on its way out.
leaks() {
    tries=0
    while :; do
        traces | sort >/run/rstap/after
        left=$(grep -vxFf /run/rstap/before /run/rstap/after)
        [ -z "$left" ] && return
        tries=$((tries + 1))
        [ $tries -ge 20 ] && break
        usleep 100000
    done
    echo "$left" | while read -r line; do echo "leak $1 $line"; done
    # Reported once; the next script starts from here.
    cp /run/rstap/after /run/rstap/before
}

# Kills every process of session $1. Field 6 of /proc/PID/stat is the session; the program's name
# before it may hold spaces and ends with ")".
kill_session() {
    for stat in /proc/[0-9]*/stat; do
        read -r line 2>/dev/null <"$stat" || continue
        pid=${stat%/stat}
        set -- "$1" ${line##*) }
        [ "$5" = "$1" ] && kill -KILL "${pid##*/}" 2>/dev/null
    done
}

# Ends a script that takes longer than $1 seconds.
watch() {
    sleep "$1"
    touch /run/rstap/expired
    read -r session </run/rstap/pid
    kill -TERM "-$session"
    sleep 3
    kill_session "$session"
}

run_one() {
    name=$1 limit=$2
    echo "$3" | base64 -d >/run/rstap/script
    traces | sort >/run/rstap/before
    rm -f /run/rstap/expired
    echo "rstap-guest: begin $name" >/dev/kmsg
    echo "begin $name"
    # A foreground child: in the background a shell would make it ignore SIGINT. Its pid is its
    # session, and what it becomes by exec keeps it.
    watch "$limit" 3<&- 4>&- 5>&- 6<&- 7<&- </dev/null >/dev/null 2>&1 &
    watcher=$!
    setsid $b sh -c '
        echo $$ >/run/rstap/pid.new; mv /run/rstap/pid.new /run/rstap/pid
        # Programs of the host, if it is there, before those of busybox.
        export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/rstap/bin
        exec /run/rstap/busybox sh /run/rstap/script' \
        <&7 >&4 2>&5 3<&- 4>&- 5>&- 6<&- 7<&-
    status=$?
    kill -KILL $watcher 2>/dev/null
    wait $watcher 2>/dev/null
    read -r session </run/rstap/pid
    rm -f /run/rstap/pid
    kill_session "$session"
    [ -e /run/rstap/expired ] && status=expired
    echo "$mark $name" >&4
    echo "$mark $name" >&5
    leaks "$name"
    echo "rstap-guest: end $name $status" >/dev/kmsg
    echo "end $name $status"
}

# A port can be open once only: they stay open, and scripts inherit them.
exec 3<>/run/rstap/port-control
exec 4>/run/rstap/port-stdout 5>/run/rstap/port-stderr 7</run/rstap/port-stdin
mkfifo /run/rstap/queue
(
    while read -r verb rest <&3; do
        case $verb in
        run) echo "$rest" ;;
        signal)
            # The script may not have started yet.
            tries=0
            while [ ! -e /run/rstap/pid ] && [ $tries -lt 50 ]; do
                usleep 20000
                tries=$((tries + 1))
            done
            read -r pid </run/rstap/pid && kill "-$rest" "$pid" 2>/dev/null
            ;;
        off) break ;;
        esac
    done
    leave
) >/run/rstap/queue 4>&- 5>&- 7<&- &
exec 6</run/rstap/queue
echo ready >&3
while read -r name limit script <&6; do
    run_one "$name" "$limit" "$script" >&3
done
leave
