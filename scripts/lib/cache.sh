# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The cache: disk, lock, temporary folders, what was done already.

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
	{ mkdir -p "$LOGS" && [[ -w $CACHE ]]; } 2>/dev/null ||
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

# ---- what was done already --------------------------------------------------

# is_done FILE ID: it says that the last good run had these inputs.
is_done()
{
	[[ -f $1 && $(cat "$1") == "$2" ]]
}

# mark_done FILE ID
mark_done()
{
	write_file "$1" <<<"$2"
}

# as_id: of stdin, as an ID for the two.
as_id()
{
	sha256sum | cut -d' ' -f1
}
