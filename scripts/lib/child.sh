# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Errors in one line, signals, and children that die with us.

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

# ---- children -------------------------------------------------------------

# Every longer command runs in a session of its own, so that one kill ends it
# with all that it started, and so that a terminal's Ctrl-C reaches us first.
start_child()
{
	# $(...) and pipes have no trap of ours, and the one above does not know the child.
	[[ $BASHPID == "$$" ]] || { trap on_signal INT TERM HUP; VN_IS_TOP=; }
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
