# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Dom0: says that it lives, until the host ends it. Read by qemu/init.

beats=0
while sleep 1; do
	beats=$((beats + 1))
	echo "# dom0 lives, $beats"
done
