# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# KTAP, for the checks that are scripts.

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

# verdict NAME WHY: nothing to say is good.
verdict()
{
	if [[ $2 ]]; then ktap "not ok" "$1" "$2"; else ktap ok "$1"; fi
}
