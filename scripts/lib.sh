# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every script here shares: cache paths, one-line errors, progress, the
# lock, children that die with us. Source it first; it sets -euo pipefail.
#
# Exit codes: 0 done, 3 failed and the one line "error: what; what to do" is
# out already, 130 interrupted. The top-level script turns 3 into 1.

set -Eeuo pipefail
export LC_ALL=C

# The caller's make and kbuild settings must not leak into the builds made here.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES GNUMAKEFLAGS MAKEFILES
unset O M V W C CC LD AS AR NM ARCH SUBARCH CROSS_COMPILE LLVM CF CHECK LOCALVERSION
unset KBUILD_OUTPUT KBUILD_EXTMOD KCONFIG_CONFIG KCONFIG_ALLCONFIG KCFLAGS KCPPFLAGS
unset CFLAGS CPPFLAGS LDFLAGS INSTALL_PATH INSTALL_MOD_PATH OUTPUT TARGETS
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_PREFIX QUILT_PATCHES

VN_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VN_SELF=${0##*/}
CACHE=${VIRTIO_NOIRQ_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/virtio-noirq}
[[ $CACHE == /* ]] || CACHE=$PWD/$CACHE

# The children of one run find the same cache, whatever their working folder.
export VIRTIO_NOIRQ_CACHE=$CACHE

# shellcheck disable=SC2034 # used by the scripts that source this file
{
	LINUX=$CACHE/linux
	LINUX_MARK=$LINUX/.virtio-noirq-base
	LINUX_STATE=$LINUX/.virtio-noirq-state
	LOGS=$CACHE/logs
	# Disk space that one piece of work takes, in MB, measured on v7.3.
	# Change these figures here only.
	SPACE_DEB=200		# the downloaded source package
	SPACE_GIT=700		# .git of a shallow clone, dropped afterwards
	SPACE_TREE=2100		# the unpacked kernel tree
	SPACE_BUILD=500	# one build folder
	SPACE_PREFIX=200	# hard-linked tree and objects of prefix-check
}

# ---- one-line errors ------------------------------------------------------

# Scripts print on stdout what they have to say, progress goes to fd 3: the
# terminal (or the log) of whoever started the whole run.
if [[ -z ${VN_TOP:-} ]]; then
	exec 3>&1
	VN_IS_TOP=1
	export VN_TOP=$$ VN_T0=$EPOCHSECONDS
else
	VN_IS_TOP=
	{ : >&3; } 2>/dev/null || exec 3>&1
fi

# die "what; what to do": the only way a script fails on purpose.
die()
{
	trap - ERR
	clear_line
	echo "error: $*" >&2
	exit 3
}

# usage_die "what": wrong arguments.
usage_die()
{
	die "$VN_SELF: $*; see scripts/$VN_SELF --help"
}

on_err()
{
	local rc=$? line=$1
	trap - ERR
	# A part of this run has said what is wrong already.
	((rc == 3 || rc == 130)) && exit "$rc"
	clear_line
	echo "error: scripts/$VN_SELF stopped at line $line (exit code $rc: ${BASH_COMMAND%%$'\n'*}); run it again with bash -x to see why" >&2
	exit 3
}

VN_TMP=()
VN_CHILD=

on_exit()
{
	local rc=$?
	trap - EXIT ERR
	((${#VN_TMP[@]})) && rm -rf "${VN_TMP[@]}"
	[[ $VN_IS_TOP && $rc == 3 ]] && rc=1
	exit "$rc"
}

on_signal()
{
	trap '' INT TERM HUP
	trap - ERR
	[[ $VN_CHILD ]] && kill_child
	if [[ $VN_IS_TOP ]]; then
		clear_line
		echo "error: interrupted; run the same command again, it goes on from what was finished" >&2
	fi
	exit 130
}

trap 'on_err $LINENO' ERR
trap on_exit EXIT
trap on_signal INT TERM HUP

# first_error LOG: the line of a log that tells most.
first_error()
{
	local line
	line=$(grep -aE 'Failed to fetch|(^|[ :])([Ff]atal )?[Ee]rror:|^E: |^fatal:|undefined reference|Traceback|\*\*\* ' "$1" |
		grep -avE '^g?make(\[[0-9]+\])?: ' | head -n 1) || true
	[[ $line ]] || line=$(grep -av '^[[:space:]]*$' "$1" | tail -n 1) || true
	printf '%s' "${line:0:300}"
}

# ---- progress -------------------------------------------------------------

VN_TTY=
[[ -t 3 && ${TERM:-dumb} != dumb ]] && VN_TTY=1
VN_LAST_LINE=$EPOCHSECONDS

elapsed()
{
	local s=$((EPOCHSECONDS - VN_T0))
	printf '%02d:%02d' $((s / 60)) $((s % 60))
}

tag()
{
	printf '[%s+%s]' "${VN_STEP:+$VN_STEP }" "$(elapsed)"
}

clear_line()
{
	[[ ! ${VN_TTY:-} ]] || printf '\r\033[K' >&3
}

# step "text": the next of $STEPS steps starts.
step()
{
	VN_STEP_N=$((${VN_STEP_N:-0} + 1))
	export VN_STEP=$VN_STEP_N/$STEPS
	note "$1"
}

# note "text": one line that stays.
note()
{
	clear_line
	printf '%s %s\n' "$(tag)" "$*" >&3
	VN_LAST_LINE=$EPOCHSECONDS
}

# status "text": what is going on now. On a terminal a line that is rewritten,
# in a log one line each 20 s.
status()
{
	if [[ $VN_TTY ]]; then
		local line cols
		cols=${COLUMNS:-$(stty size <&3 2>/dev/null | cut -d' ' -f2)} || true
		line="$(tag) $*"
		printf '\r\033[K%s' "${line:0:$((${cols:-80} - 1))}" >&3
	elif ((EPOCHSECONDS - VN_LAST_LINE >= 20)); then
		note "$*"
	fi
}

# ---- children -------------------------------------------------------------

# Every longer command runs in a session of its own, so that one kill ends it
# with all that it started, and so that a terminal's Ctrl-C reaches us first.
start_child()
{
	setsid "$@" </dev/null &
	VN_CHILD=$!
}

# kill_child: asks it to end, forces it after some seconds, and waits for it. The
# outermost script gives the inner ones time to end their own children.
kill_child()
{
	local killer
	kill -TERM -- "-$VN_CHILD" 2>/dev/null || kill -TERM "$VN_CHILD" 2>/dev/null || true
	(
		nap $((${#VN_IS_TOP} * 4 + 4))
		kill -KILL -- "-$VN_CHILD" 2>/dev/null
	) &
	killer=$!
	wait "$VN_CHILD" 2>/dev/null || true
	kill -KILL "$killer" 2>/dev/null || true
	wait "$killer" 2>/dev/null || true
	kill -KILL -- "-$VN_CHILD" 2>/dev/null || true
}

# run_child CMD...: waits for it and returns its exit code.
run_child()
{
	local rc=0
	start_child "$@"
	wait "$VN_CHILD" || rc=$?
	VN_CHILD=
	return "$rc"
}

# sub NAME ARGS...: another script of ours, which reports its own failure.
sub()
{
	local name=$1 rc=0
	shift
	run_child "$VN_ROOT/scripts/$name" "$@" || rc=$?
	((rc == 0)) || exit "$rc"
}

# nap SECONDS: sleeps without a child that a signal could end noisily.
nap()
{
	[[ ${VN_NAP:-} ]] || exec {VN_NAP}<> <(:)
	read -rt "$1" -u "$VN_NAP" || true
}

no_text() { :; }

# watch_child WHAT LOG TEXT_FUNCTION CMD...: runs CMD with its output in LOG and
# shows "WHAT: <what TEXT_FUNCTION prints>" meanwhile. Returns CMD's exit code.
watch_child()
{
	local what=$1 log=$2 text=$3 rc=0 pause=0.1 shown
	shift 3
	{ mkdir -p "${log%/*}" && : >"$log"; } 2>/dev/null || die_full
	start_child "$@" >"$log" 2>&1
	while kill -0 "$VN_CHILD" 2>/dev/null; do
		nap "$pause"
		[[ $pause == 0.1 ]] || {
			shown=$("$text" "$log") || true
			status "$what${shown:+: $shown}"
		}
		((EPOCHSECONDS - VN_LAST_LINE < 2)) || pause=1
	done
	wait "$VN_CHILD" 2>/dev/null || rc=$?
	VN_CHILD=
	clear_line
	return "$rc"
}

# run_logged: the same, and a failure is the end.
run_logged()
{
	local what=$1 log=$2 rc=0
	watch_child "$@" || rc=$?
	((rc == 0)) || fail_logged "$what" "$log" "$rc"
}

fail_logged()
{
	local what=$1 log=$2 rc=$3
	if grep -aqE 'No space left on device|not enough free (disk )?space|disk quota exceeded' "$log"; then
		die_full "the log says so"
	fi
	die "$what failed (exit code $rc): $(first_error "$log"); the whole log is $log"
}

# ---- disk, lock, temporary folders ----------------------------------------

# die_full: something could not be written, most likely for want of space.
die_full()
{
	if [[ ! ${1:-} ]] && (($(free_mb) > 20)); then
		die "cannot write in $CACHE, which has $(free_mb) MB free; check whose files are there, or set VIRTIO_NOIRQ_CACHE to a folder elsewhere"
	fi
	die "disk full: $(free_mb) MB left in $CACHE; free some space or set VIRTIO_NOIRQ_CACHE to a folder elsewhere"
}

free_mb()
{
	df -Pm "$CACHE" 2>/dev/null | awk 'NR == 2 { print $4 }'
}

# need_space MB "for what"
need_space()
{
	local have
	have=$(free_mb)
	((have >= $1)) ||
		die "$2 needs $1 MB, $CACHE has $have MB free; free some space or set VIRTIO_NOIRQ_CACHE to a folder elsewhere"
}

make_cache()
{
	[[ $CACHE != *[[:space:]:]* ]] ||
		die "the cache folder '$CACHE' has a blank or a colon in its name, which the kernel's make cannot handle; set VIRTIO_NOIRQ_CACHE"
	{ mkdir -p "$CACHE" "$LOGS" && [[ -w $CACHE ]]; } 2>/dev/null ||
		die "cannot write the cache folder $CACHE; set VIRTIO_NOIRQ_CACHE to a folder that can be written"
}

# take_lock: one run at a time works in the cache; a second one waits.
take_lock()
{
	local fd
	make_cache
	[[ ${VN_LOCKED:-} != "$CACHE" ]] || return 0
	[[ -w $CACHE/lock || ! -e $CACHE/lock ]] || die_full
	exec {fd}>>"$CACHE/lock"
	if ! flock -n "$fd"; then
		note "waiting: another run works in $CACHE ($(cat "$CACHE/lock.owner" 2>/dev/null || echo unknown))"
		until flock -w 1 "$fd"; do
			status "waiting for the other run ($(cat "$CACHE/lock.owner" 2>/dev/null || echo unknown))"
		done
	fi
	export VN_LOCKED=$CACHE
	# The lock is ours: what a killed run left behind is nobody's.
	rm -rf "$CACHE"/.tmp.*
	{ echo "pid $VN_TOP: ${VN_VERB:-$VN_SELF}, since $(date +%H:%M)" >"$CACHE/lock.owner"; } 2>/dev/null || die_full
}

# cache_tmp VAR: a temporary folder inside the cache (so that rename works).
cache_tmp()
{
	local made
	made=$(mktemp -d "$CACHE/.tmp.XXXXXX" 2>/dev/null) || die_full
	VN_TMP+=("$made")
	printf -v "$1" '%s' "$made"
}

# write_file PATH: stdin to PATH, whole or not at all.
write_file()
{
	mkdir -p "${1%/*}"
	{ cat >"$1.new" && mv "$1.new" "$1"; } 2>/dev/null || die_full
}

# ---- small things ---------------------------------------------------------

# show_help: the comment block at the top of the script that calls.
show_help()
{
	sed -n '/^# Usage:/,$ { /^#/!q; s/^# \{0,1\}//p }' "$0"
	exit 0
}

# series_patches [FILE]: the files of the series, in order.
series_patches()
{
	local series=${1:-$VN_ROOT/series}
	[[ -f $series ]] || die "no file $series; is this a whole clone?"
	sed -e 's/[[:space:]]*#.*//' -e 's/[[:space:]].*//' -e '/^$/d' "$series"
}

# scmi_patches: those of the SCMI series, below patches/ as well.
scmi_patches()
{
	series_patches "$VN_ROOT/patches/scmi/series" | sed 's|^|scmi/|'
}

# chosen_patches: those of the series, or, if SCMI is set, of the SCMI series.
chosen_patches()
{
	if [[ ${SCMI:-} ]]; then scmi_patches; else series_patches; fi
}

# scmi_option ARG...: sets SCMI if the one argument is --scmi; knows --help, too.
scmi_option()
{
	SCMI=
	while (($#)); do
		case $1 in
		--help) show_help ;;
		--scmi) SCMI=1 ;;
		*) usage_die "unknown argument $1" ;;
		esac
		shift
	done
}

blob()
{
	git hash-object --no-filters -- "$1"
}

# check_blobs DIR NAME: the six files are those of v7.3, or the end.
check_blobs()
{
	local dir=$1 name=$2 want path have version
	while read -r want path; do
		[[ $want != '#'* && $want ]] || continue
		[[ -f $dir/$path ]] || die "$name has no $path; v7.3 is wanted"
		have=$(blob "$dir/$path")
		[[ $have == "$want" ]] || {
			version=$(kernel_version "$dir")
			die "$name${version:+ (Linux $version)} is not v7.3: $path is blob ${have:0:12}, expected ${want:0:12}; use a v7.3 or 7.3.y tree"
		}
	done <"$VN_ROOT/scripts/base.blobs"
}

# kernel_version DIR: 7.3.4, or nothing if DIR is no kernel tree.
kernel_version()
{
	[[ -f $1/Makefile ]] || return 0
	awk '/^VERSION =/ { v = $3 } /^PATCHLEVEL =/ { p = $3 } /^SUBLEVEL =/ { s = $3 } /^EXTRAVERSION =/ { e = $3 }
		NR > 10 { exit } END { if (v != "" && p != "") print v "." p (s > 0 ? "." s : "") e }' "$1/Makefile"
}

jobs()
{
	echo "${JOBS:-$(nproc)}"
}

# ---- KTAP, for the checks that are scripts --------------------------------

KTAP_N=0
KTAP_BAD=0

ktap_start()
{
	clear_line
	echo "KTAP version 1"
}

# ktap ok|not ok|skip NAME [why]
ktap()
{
	local result=$1 name=$2 why=${3:-}
	KTAP_N=$((KTAP_N + 1))
	clear_line
	case $result in
	ok) echo "ok $KTAP_N $name" ;;
	skip) echo "ok $KTAP_N $name # SKIP $why" ;;
	*)
		KTAP_BAD=$((KTAP_BAD + 1))
		[[ ! $why ]] || printf '%s\n' "$why" | sed 's/^/# /'
		echo "not ok $KTAP_N $name"
		;;
	esac
}

# ktap_end: the plan, and the end if not all passed.
ktap_end()
{
	clear_line
	echo "1..$KTAP_N"
	((KTAP_BAD == 0)) && return
	# As a part of a check the line in the end is the whole run's.
	[[ $VN_IS_TOP ]] || exit 3
	die "$VN_SELF: $KTAP_BAD of $KTAP_N checks failed; they are the lines that begin with 'not ok'"
}
