# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A root with another Debian in the cache, by debootstrap: ROOT, with the log LOG. What is
# mounted for a command there is gone with it. Source it after apt.sh.

# root_needs: what is missing for it, and what to do.
root_needs()
{
	if ((EUID)); then
		echo "another Debian needs root; run it as root"
	elif ! unshare --mount --pid --ipc --fork mount -t tmpfs root /tmp 2>/dev/null; then
		echo "another Debian needs mounts of its own; run it where root may unshare and mount"
	fi
}

# make_root SUITE MB PACKAGE,...: unless it is there.
make_root()
{
	[[ ! -e $ROOT/made ]] || return 0
	command -v debootstrap >/dev/null || die "no debootstrap; run scripts/setup debian"
	apt_mirror
	need_space "$2" "a root with $1"
	rm -rf "$ROOT"
	mkdir -p "$ROOT" 2>/dev/null || die_full
	run_logged "debootstrap $1" "$LOG" last_line \
		debootstrap --variant=minbase --include="$3" "$1" "$ROOT" "$VN_MIRROR"
	touch "$ROOT/made"
}

last_line()
{
	tail -n 1 "$1" | cut -c 1-60
}

# use_root [--copy] [FROM TO]...: fills the array IN_ROOT, before a command: as root there, with
# processes and mounts of its own, and with these folders of this system. With --copy what is
# written there is gone with it, too, and there is no network.
use_root()
{
	local copy=
	if [[ ${1:-} == --copy ]]; then
		copy=$ROOT.copy
		shift
		mkdir -p "$copy" 2>/dev/null || die_full
	fi
	# shellcheck disable=SC2016 # the inner shell expands
	IN_ROOT=(unshare --mount --pid --ipc ${copy:+--net} --fork --kill-child sh -ec '
		root=$1 copy=$2
		shift 2
		[ ! "$copy" ] || {
			mount -t tmpfs copy "$copy"
			mkdir "$copy/upper" "$copy/work" "$copy/root"
			mount -t overlay -o "lowerdir=$root,upperdir=$copy/upper,workdir=$copy/work" copy "$copy/root"
			root=$copy/root
		}
		mount --rbind /dev "$root/dev"
		mount -t tmpfs shm "$root/dev/shm"
		mount -t proc proc "$root/proc"
		mount --rbind /sys "$root/sys"
		while [ "$1" != -- ]; do
			mkdir -p "$root$2"
			mount --bind "$1" "$root$2"
			shift 2
		done
		shift
		exec chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb DEBIAN_FRONTEND=noninteractive \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
	' in_root "$ROOT" "$copy" "$@" --)
}

# add_backports SUITE: as a source of packages.
add_backports()
{
	apt_mirror
	echo "deb $VN_MIRROR $1 main" >"$ROOT/etc/apt/sources.list.d/backports.list"
}

# add_packages WHAT [-t SUITE] PACKAGE...
add_packages()
{
	run_logged "$1" "$LOG" last_line "${IN_ROOT[@]}" sh -ec \
		'apt-get -q update && apt-get -qy install --no-install-recommends "$@"' packages "${@:2}"
}
