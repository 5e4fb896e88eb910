# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154 # scmi_* are of the command line
#
# Sleeps as often as the kernel command line says, and lets the host look after
# each cycle: what it prints after "@" is for the host, which answers a line with
# "@@" with a line. Read by qemu/init.
#
# scmi_cycles=N   sleep cycles
# scmi_sleep=HOW  rtc: real s2idle; test_resume or shutdown: to disk; else a level
#                 of pm_test
# scmi_wake=N     seconds of real s2idle
# scmi_module=... parameters of the consumer
# scmi_reload=... after each cycle, of the transport: module: unload and load it;
#                 driver: unbind it, and bind it after another sleep
# scmi_resume=1   go on from the image on the swap disk

stty -echo

sleep=$scmi_sleep seconds=$scmi_wake cycles=$scmi_cycles
reload=$scmi_reload resume=$scmi_resume wake=0

# say TEXT: as one line of the kernel log, which no other line cuts in two.
say()
{
	echo "$1" > /dev/kmsg
}

results()
{
	while read -r line; do
		say "@ $line"
	done < /sys/kernel/debug/virtio_scmi_test/results
	stats=/sys/power/suspend_stats
	say "@ suspends $(cat $stats/success) failed $(cat $stats/fail)"
}

counters()
{
	for file in /sys/kernel/debug/scmi/*/transport/counters/*_*; do
		say "@ counter ${file##*/} $(cat "$file")"
	done
}

# ask WORD...: tell the host, and wait until it has looked.
ask()
{
	say "@@ $*"
	read -r _
}

load_transport()
{
	[ ! -f scmi_transport_virtio.ko ] || insmod scmi_transport_virtio.ko
}

rebind()
{
	for device in /sys/bus/platform/drivers/scmi_virtio_transport/*:*; do
		echo "${device##*/}" > "${device%/*}/unbind"
		echo "${device##*/}" > "${device%/*}/bind"
	done
}

load_consumer()
{
	# shellcheck disable=SC2086 # they are words
	insmod virtio_scmi_test.ko wake=$wake $scmi_module
	# What it consumes may not be there yet.
	tries=0
	while [ "$tries" -lt 60 ]; do
		tries=$((tries + 1))
		[ ! -e /sys/bus/platform/drivers/virtio_scmi_test/consumer ] || return
		sleep 1
	done
	ask no consumer
}

# How the system is to sleep.
prepare()
{
	case $sleep in
	rtc)
		wake=$seconds
		;;
	test_resume|shutdown)
		mkswap /dev/vda > /dev/null
		swapon /dev/vda
		echo "$sleep" > /sys/power/disk
		;;
	*)
		echo "$sleep" > /sys/power/pm_test
		echo 0 > /sys/module/suspend/parameters/pm_test_delay
		;;
	esac
}

sleep_once()
{
	case $sleep in
	test_resume|shutdown)
		echo disk > /sys/power/state
		;;
	*)
		echo freeze > /sys/power/state
		;;
	esac
}

# Give the consumer another transport, in the way that scmi_reload= says.
renew()
{
	rmmod virtio_scmi_test
	case $reload in
	module)
		rmmod scmi_transport_virtio
		load_transport
		;;
	driver)
		rebind
		# Before the device is reset, it has the buffers of the last one.
		case $(dmesg) in
		*"error -19: failed to setup channels"*) ;;
		*) ask no refusal ;;
		esac
		sleep_once
		rebind
		;;
	esac
	load_consumer
}

cd /modules || poweroff -f
case $sleep in
test_resume|shutdown)
	insmod virtio_blk.ko
	;;
esac
load_transport
if [ "$resume" = 1 ]; then
	cat /sys/block/vda/dev > /sys/power/resume
	ask no image
	poweroff -f
fi
prepare
load_consumer
ask start

n=0
while [ "$n" -lt "$cycles" ]; do
	n=$((n + 1))
	sleep_once
	results
	ask cycle "$n"
	[ -z "$reload" ] || renew
done
ask quiet
rmmod virtio_scmi_test
sleep 1
counters
ask end
