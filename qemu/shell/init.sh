# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# A shell on the console, with all that busybox has: a root for LAVA's test shell. Read
# by qemu/init.

/bin/busybox --install -s /bin
# run_kselftest.sh writes to /dev/stdout.
ln -s /proc/self/fd /dev/fd
for number in 0:stdin 1:stdout 2:stderr; do
	ln -s "fd/${number%:*}" "/dev/${number#*:}"
done
cd /
exec sh
