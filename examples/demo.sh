#!/bin/sh
# What `make demo` looks at: a program that reads a file and creates another.
cat /etc/hostname >/tmp/rstap-demo
seq 1 2000 | head -n 500 >/dev/null
