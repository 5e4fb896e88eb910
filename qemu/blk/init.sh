# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2154 # shared with qemu/init
#
# Runs the tests that the kernel command line names. Read by qemu/init, whose
# functions and variables it shares.
#
# VIRTIO_NOIRQ_PROGRAMS=A,B	programs to run, one after the other
# VIRTIO_NOIRQ_VARIANT=NAME	variant to test
# VIRTIO_NOIRQ_SWAP=ADDRESS	virtio-mmio device that is the swap disk
# VIRTIO_NOIRQ_CHECKS=power,...	an SMMU that loses its registers in each cycle, see
#				power/virtio_noirq_power.c; "lost" in the place of
#				"power": nothing but that; "blocked": an IOMMU that
#				cannot be set up again; "domain": a device that loses
#				its registers, see domain/virtio_noirq_domain.c;
#				"cmdline": a device of the command line
# VIRTIO_NOIRQ_RESUME=1		go on from the image in the swap disk

tests=/kselftest/drivers/virtio
mmio=/sys/module/virtio_mmio/parameters

# The driver of the swap disk must not take the disks under test.
bind_swap()
{
	set -- /sys/devices/platform/"$1"/virtio*
	echo 0 > /sys/bus/virtio/drivers_autoprobe
	insmod /modules/virtio_blk.ko
	echo "${1##*/}" > /sys/bus/virtio/drivers/virtio_blk/bind
	echo 1 > /sys/bus/virtio/drivers_autoprobe
	export VIRTIO_NOIRQ_SWAP=/dev/vda
}

# The devices under test are in use while the image is read. Does not return if
# it can go on from there.
resume()
{
	insmod "$tests/test_modules/virtio_noirq_test.ko"
	cat /sys/block/vda/dev > /sys/power/resume
	echo "# program resume ended, status 1"
}

# One cycle, which ends by itself, after 1 s in a busy loop
cycle()
{
	echo 1 > /sys/module/suspend/parameters/pm_test_delay
	echo platform > /sys/power/pm_test
	echo freeze > /sys/power/state
}

# Of each cycle two writes were to be blocked and one to arrive. Then a cycle in which the
# SMMU cannot be suspended, and one with a stray write when interrupts are off already, and
# one to what was unmapped meanwhile; and another one afterwards. All three have to be in
# the log, and the only command without an answer is that of the first.
check_power()
{
	power=$debugfs/virtio_noirq_power
	lost=$(cat "$power/lost")
	file_says "$power/lost" "[1-9][0-9]*" &&
	file_says "$power/leaked" 0 &&
	file_says "$power/blocked" "$((2 * lost))" &&
	file_says "$power/arrived" "$lost" || return
	dmesg -c >/dev/null
	echo 1 > "$power/stuck"
	! cycle || return
	echo 0 > "$power/stuck"
	echo 1 > "$power/stray" && cycle && echo 1 > "$power/write" || return
	sleep 1
	dmesg | grep "event: \|CMD_SYNC" > /tmp/events
	file_says "$power/leaked" 0 &&
	file_says "$power/arrived" "$((lost + 2))" &&
	[ "$(grep -c "event: F_TRANSLATION client: 0000:" /tmp/events)" = 3 ] &&
	[ "$(grep -c "CMD_SYNC timeout" /tmp/events)" = 1 ] && return
	echo "# not three events and one timeout:"
	cat /tmp/events
	return 1
}

# The power was off in each sleep, and the device reset before and left alone meanwhile.
check_domain()
{
	domain=$debugfs/virtio_noirq_domain
	slept=$(cat /sys/power/suspend_stats/success)
	file_says "$domain/off" "$slept" &&
	file_says "$domain/on" "$slept" &&
	file_says "$domain/running" 0 &&
	file_says "$domain/touched" 0
}

# The only device is that of the command line.
check_cmdline()
{
	set -- /sys/bus/virtio/devices/*
	case $#:$(readlink -f "$1") in
	1:/sys/devices/virtio-mmio-cmdline/virtio-mmio.0/*) return ;;
	esac
	echo "# the devices are not the one of the command line: $*"
	return 1
}

check_lost()
{
	file_says "$debugfs/virtio_noirq_power/lost" "[1-9][0-9]*"
}

# Nothing got through, and nothing does, to what is mapped and to what is not.
check_blocked()
{
	power=$debugfs/virtio_noirq_power
	blocked=$(cat "$power/blocked")
	echo 0 > "$power/write" && echo 1 > "$power/write" &&
	file_says "$power/leaked" 0 &&
	file_says "$power/blocked" "$((blocked + 2))"
}

IFS=,
case ,$VIRTIO_NOIRQ_CHECKS, in
*,power,* | *,blocked,*) insmod /modules/virtio_noirq_power.ko ;;
*,domain,*) insmod /modules/virtio_noirq_domain.ko ;;
*,cmdline,*) insmod /modules/virtio_noirq_cmdline.ko "irq=$(cut -d: -f2 "$mmio/device")" ;;
esac
[ ! "$VIRTIO_NOIRQ_SWAP" ] || bind_swap "$VIRTIO_NOIRQ_SWAP"
if [ "$VIRTIO_NOIRQ_RESUME" ]; then
	resume
	failed=1 VIRTIO_NOIRQ_PROGRAMS='' VIRTIO_NOIRQ_CHECKS=''
fi
for program in $VIRTIO_NOIRQ_PROGRAMS; do
	run "$tests/$program" -v "$VIRTIO_NOIRQ_VARIANT"
done
echo "# slept $(cat /sys/power/suspend_stats/success) times"

# A kernel built for coverage: how KUnit ended, and the counters, for scripts/coverage.
sed -n 's/^\(not \)*ok /# kunit: &/p' "$debugfs"/kunit/*/results 2>/dev/null
find "$debugfs/gcov" -name '*.gcda' 2>/dev/null | while read -r data; do
	echo "# gcov $data"
	base64 "$data"
done
