#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A little work for examples/demo.stp to watch.
cat /etc/hostname
echo hello > /tmp/demo-file
dd if=/dev/zero of=/tmp/demo-data bs=700 count=20 2>/dev/null
dd if=/dev/zero of=/tmp/demo-data bs=5000 count=30 2>/dev/null
rm -f /tmp/demo-file /tmp/demo-data
