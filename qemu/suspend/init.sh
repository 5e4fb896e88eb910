# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2154 # shared with qemu/init, or of the command line
#
# Sleeps with devices that are suspended, and looks at what came of what was posted to
# them. Read by qemu/init.
#
# vst_program=NAME	a function below, one test
# vst_cycles=N		sleep cycles
# vst_sum=HASH		of the file that the host offers by 9p

debugfs_test=$debugfs/virtio_suspend_test

# sleep_once [SECONDS]
sleep_once()
{
	echo "${1:-2}" > "$debugfs_test/alarm"
	echo freeze > /sys/power/state
}

# Nothing was wrong in the last cycle.
check_cycle()
{
	found=$(cat "$debugfs_test/check")
	[ ! "$found" ] || echo "# kernel log: $found"
	[ ! "$found" ]
}

# expect_alive LINE...: of each device; what it says of "alive".
expect_alive()
{
	found=$(cat "$debugfs_test/alive")
	wanted=$(printf '%s\n' "$@")
	[ "$found" = "$wanted" ] || echo "# kernel log:" "$found"
	[ "$found" = "$wanted" ]
}

cycles()
{
	n=0
	while [ "$n" -lt "$vst_cycles" ]; do
		sleep_once && check_cycle || return
		n=$((n + 1))
		[ $((n % 10)) != 0 ] || echo "# cycle $n of $vst_cycles"
	done
}

rebind()
{
	for device in /sys/bus/virtio/drivers/virtio_suspend_*/virtio*; do
		echo "${device##*/}" > "${device%/*}/unbind"
		echo "${device##*/}" > "${device%/*}/bind"
	done
}

# The second sleep finds a fault of all but the last device. What has no callbacks is given
# up then; what has them is reset and drained. Both sleep on, and both are as before when
# the driver is bound again. One that does not answer takes 5 s, and an alarm meanwhile would
# abort the sleep.
fault()
{
	sleep_once && check_cycle || return
	for _ in 1 2; do
		sleep_once 60 || return
		expect_alive "blk0 fails" "blk1 works" "rng2 fails" "rng3 works" "blk4 works" || return
	done
	rebind
	cycles
}

# To disk and back, with another kernel in between as far as the devices can tell: a driver
# without callbacks has lost its device, as on v7.3.
hibernate()
{
	insmod /modules/virtio_blk.ko
	mkswap /dev/vda > /dev/null
	swapon /dev/vda
	sleep_once && check_cycle || return
	echo test_resume > /sys/power/disk
	echo disk > /sys/power/state || return
	expect_alive "blk1 works" "rng3 works"
}

# virtio-9p has no callback for sleep.
files()
{
	mount -t 9p -o trans=virtio,version=9p2000.L,cache=none files /mnt || return
	n=0
	while [ "$n" -lt "$vst_cycles" ]; do
		sleep_once || return
		sum=$(md5sum /mnt/disk0.img)
		[ "${sum%% *}" = "$vst_sum" ] || return
		n=$((n + 1))
	done
}

# One test
test_of()
{
	echo "TAP version 13"
	echo "1..1"
	if "$1" && ! dmesg | grep "WARNING: \|BUG: "; then
		echo "ok 1 $1"
	else
		echo "not ok 1 $1"
		return 1
	fi
}

# Those of odd buses get the driver with noirq callbacks.
bind_all()
{
	echo 0 > /sys/bus/virtio/drivers_autoprobe
	insmod /modules/virtio_suspend_test.ko
	for device in /sys/devices/platform/a000[02468]00.virtio_mmio/virtio*; do
		[ -e "$device" ] || continue
		address=${device#*platform/}
		driver=bare
		[ $((0x${address%%.*} / 0x200 % 2)) = 0 ] || driver=noirq
		echo "${device##*/}" > "/sys/bus/virtio/drivers/virtio_suspend_$driver/bind"
	done
	echo 1 > /sys/bus/virtio/drivers_autoprobe
}

bind_all
run test_of "$vst_program"
echo "# slept $(cat /sys/power/suspend_stats/success) times"
