#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
# First program of the guest: mounts, modules, the root file system, then the agent.
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
dmesg -n 7
. /rstap/settings
for module in /rstap/modules/*.ko; do
    insmod "$module" || echo "rstap-guest: cannot insert $module"
done
mkdir -p /run/rstap
cp /bin/busybox /rstap/agent.sh /rstap/settings /run/rstap/

if [ "$host_root" = 1 ]; then
    mkdir -p /lower /layer /new
    mount -t virtiofs -o ro hostroot /lower || echo "rstap-guest: no host files"
    mount -t tmpfs tmpfs /layer
    mkdir -p /layer/upper /layer/work
    mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work overlay /new ||
        echo "rstap-guest: no overlay"
    mkdir -p /new/proc /new/sys /new/dev /new/run /new/tmp
    mount --move /proc /new/proc
    mount --move /sys /new/sys
    mount --move /dev /new/dev
    mount --move /run /new/run
    mount -t tmpfs -o mode=1777 tmpfs /new/dev/shm
    exec switch_root /new /run/rstap/busybox sh /run/rstap/agent.sh
fi
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
exec /bin/sh /run/rstap/agent.sh
