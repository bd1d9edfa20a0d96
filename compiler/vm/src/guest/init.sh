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
    if [ "$layer" = 1 ]; then
        mount -t ext4 /dev/vda /layer || echo "rstap-guest: no disk for the layer"
    else
        mount -t tmpfs tmpfs /layer
    fi
    [ -d /layer/upper ] || fresh=1
    mkdir -p /layer/upper /layer/work
    mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work overlay /new ||
        echo "rstap-guest: no overlay"
    mkdir -p /new/proc /new/sys /new/dev /new/run /new/tmp
    mount --move /proc /new/proc
    mount --move /sys /new/sys
    mount --move /dev /new/dev
    mount --move /run /new/run
    mount -t tmpfs -o mode=1777 tmpfs /new/dev/shm
    if [ "$systemd" = 1 ]; then
        # Services that were enabled for the host are none of the guest's; a container's mark would
        # make systemd take its settings from elsewhere than the kernel's command line.
        if [ "$fresh" = 1 ]; then
            rm -rf /new/etc/systemd/system /new/.dockerenv /new/run/.containerenv
            mkdir -p /new/etc/systemd/system
        fi
        units=/new/run/systemd/system
        mkdir -p $units/multi-user.target.wants
        cp /rstap/rstap-agent.service $units/
        ln -s ../rstap-agent.service $units/multi-user.target.wants/
        ln -s /lib/systemd/system/multi-user.target $units/default.target
        # They would clean the host's /tmp away, file by file.
        for unit in systemd-tmpfiles-setup.service systemd-tmpfiles-clean.timer; do
            ln -s /dev/null $units/$unit
        done
        exec switch_root /new /lib/systemd/systemd
    fi
    exec switch_root /new /run/rstap/busybox sh /run/rstap/agent.sh
fi
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
exec /bin/sh /run/rstap/agent.sh
