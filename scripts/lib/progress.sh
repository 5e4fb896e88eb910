# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Progress: fd 3 is the terminal, or the log, of whoever started the whole run.

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
