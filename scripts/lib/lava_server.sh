#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# LAVA's server and one worker with two devices, in the root of scripts/lava --server, which has
# no systemd:
#
# lava_server.sh setup		makes the database, the devices and a user, token of the same name
# lava_server.sh run COMMAND	runs the command beside them; they end with the root's processes

set -e
user=virtio
worker=/var/lib/lava/dispatcher/worker
ip link set lo up
pg_ctlcluster "$(ls /etc/postgresql)" main start

manage()
{
	lava-server manage "$@"
}

# daemon NAME COMMAND
daemon()
{
	log=/logs/$1.log
	shift
	"$@" >"$log" 2>&1 &
}

setup()
{
	# Else the scheduler looks for jobs every 20 s.
	echo 'EVENT_NOTIFICATION: true' >/etc/lava-server/settings.d/01-events.yaml
	python3 /usr/share/lava-server/postinst.py --config --db --fixup
	manage users add --superuser --passwd "$user" "$user"
	manage tokens add --user "$user" --secret "$user"
	mkdir -p "$worker"
	manage workers add worker | sed 's/Token: //' >"$worker/token"
	# Else a job looks for a network.
	mkdir -p /etc/lava-server/dispatcher.d/worker
	echo 'dispatcher_ip: localhost' >/etc/lava-server/dispatcher.d/worker/dispatcher.yaml
	manage device-types add qemu
	for device in qemu1 qemu2; do
		manage devices add --device-type qemu --worker worker "$device"
		echo "{% extends 'qemu.jinja2' %}" >"/etc/lava-server/dispatcher-config/devices/$device.jinja2"
	done
	pg_ctlcluster "$(ls /etc/postgresql)" main stop
}

case $1 in
setup) setup ;;
run)
	shift
	daemon gunicorn gunicorn lava_server.wsgi -u lavaserver -g lavaserver --worker-class gthread \
		--threads 4 --bind localhost:8000
	daemon publisher lava-server manage lava-publisher --log-file - --host localhost --port 8001
	daemon scheduler lava-server manage lava-scheduler --log-file -
	daemon worker lava-worker --log-file - --name worker --url http://localhost:8000/ \
		--ws-url http://localhost:8001/ws/
	"$@"
	;;
esac
