# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The series: what their plans say, and the stacks that they make. The main series is
# patches/, with the file series at the top for git am and quilt; each other one is a
# folder patches/NAME. What their plans say is explained in patches/plan.
#
# A stack is what is applied to v7.3, in order: "noirq:5,NAME:2" has the first 5 and
# 2 patches of two series; without a number it is all of them, and "v7.3" is none.

# What every stack begins with.
V73=v7.3

# show_help: the comment block at the top of the script that calls.
show_help()
{
	sed -n '/^# Usage:/,$ { /^#/!q; s/^# \{0,1\}//p }' "$0"
	exit 0
}

# plan_of NAME: the file.
plan_of()
{
	echo "$(series_dir "$1")/plan"
}

# plan NAME KEY: what its lines of that kind say.
plan()
{
	awk -v key="$2" '$1 == key { sub(/^[^ \t]+[ \t]*/, ""); sub(/[ \t]+# .*/, ""); print }' "$(plan_of "$1")"
}

# all_series: the names, the main one first.
all_series()
{
	local path
	echo "$MAIN"
	for path in "$VN_ROOT"/patches/*/plan; do
		[[ ! -f $path ]] || basename "${path%/plan}"
	done
}

series_dir()
{
	if [[ $1 == "$MAIN" ]]; then echo "$VN_ROOT/patches"; else echo "$VN_ROOT/patches/$1"; fi
}

# suffix NAME: of what is called after a series, nothing for the main one.
suffix()
{
	[[ $1 == "$MAIN" ]] || echo "-$1"
}

# has_suites NAME: whether there are KUnit suites on its stack.
has_suites()
{
	[[ $("$VN_ROOT/scripts/overlay" --suites "$(stack_of "$1")") ]]
}

# known_series NAME: or the end.
known_series()
{
	grep -qxF -- "$1" <<<"$(all_series)" || die "no series '$1'; there are: $(all_series | paste -sd' ')"
}

# pick_series [NAME]: sets SERIES, by default to the main one; knows --help, too.
pick_series()
{
	[[ ${1:-} != --help ]] || show_help
	(($# < 2)) || usage_die "it takes one series at most"
	[[ ${1:-} != -* ]] || usage_die "unknown option $1"
	SERIES=${1:-$MAIN}
	known_series "$SERIES"
}

# series_patches NAME: its patches, in order, as paths below patches/.
series_patches()
{
	local file=$VN_ROOT/series dir
	[[ $1 == "$MAIN" ]] || file=$VN_ROOT/patches/$1/series
	[[ -f $file ]] || die "no file $file; is this a whole clone?"
	dir=$(series_dir "$1") dir=${dir#"$VN_ROOT/patches"}
	sed -e 's/[[:space:]]*#.*//' -e 's/[[:space:]].*//' -e '/^$/d' -e "s|^|${dir:+${dir#/}/}|" "$file"
}

count_patches()
{
	series_patches "$1" | wc -l
}

# header NAME FILE: a header line of a mail, unfolded.
header()
{
	sed '/^$/q' "$2" | sed -e ':a' -e '$!N; s/\n[ \t][ \t]*/ /; ta' -e 'P;D' | sed -n "s/^$1: //pI"
}

# ---- stacks -----------------------------------------------------------------

# below NAME: the stack that a series applies on.
below()
{
	local on name stack=''
	on=$(plan "$1" on)
	[[ $on && " $on " != *" $1 "* ]] || die "$(plan_of "$1") does not say what the series is on; add a line 'on'"
	[[ $on != "$V73" ]] || stack=$V73
	for name in ${on#"$V73"}; do
		known_series "$name"
		name=$(stack_of "$name") || exit 3
		stack+=${stack:+,}$name
	done
	echo "$stack"
}

# stack_of NAME [N]: a series, or its first N patches, on what it applies on.
stack_of()
{
	local on
	on=$(below "$1") || exit 3
	[[ $on != "$V73" ]] || on=
	echo "${on:+$on,}$1${2:+:$2}"
}

# stack_series STACK: "NAME N" of each.
stack_series()
{
	local part name n total seen=''
	[[ $1 != "$V73" ]] || return 0
	[[ ,$1, != *,,* ]] || die "'$1' is no stack; name series with commas between them, or $V73"
	for part in ${1//,/ }; do
		name=${part%%:*}
		[[ $seen != *" $name "* ]] || die "stack $1: the series $name is in it twice; name it once"
		seen+=" $name "
		known_series "$name"
		total=$(count_patches "$name") n=$total
		[[ $part != *:* ]] || n=${part#*:}
		[[ $n =~ ^[0-9]+$ && $n -le $total ]] || die "stack $1: the series $name has $total patches; name 0 to $total"
		echo "$name $n"
	done
}

# stack_has NAME N STACK: at least the first N patches of a series are in it.
stack_has()
{
	stack_series "$3" | awk -v name="$1" -v n="$2" '$1 == name && $2 >= n { found = 1 } END { exit !found }'
}

# stack_patches STACK: the paths of its patches below patches/.
stack_patches()
{
	local name n
	stack_series "$1" | while read -r name n; do
		series_patches "$name" | awk -v n="$n" "NR <= n"
	done
}

# patched_files PATCH...: the paths of the files that patches touch.
patched_files()
{
	local patch
	for patch in "$@"; do
		[[ -f $VN_ROOT/patches/$patch ]] || die "patches/$patch is in the series file but not there; restore it"
		sed -n -e 's|^--- a/\([^	]*\).*|\1|p' -e 's|^+++ b/\([^	]*\).*|\1|p' \
			-e 's/^rename from //p' -e 's/^rename to //p' "$VN_ROOT/patches/$patch"
	done | sort -u
}

# stack_text STACK: "5 of 5 patches of noirq + 2 of 4 of NAME".
stack_text()
{
	local name n text='' what=' patches of '
	while read -r name n; do
		text+="${text:+ + }$n of $(count_patches "$name")$what$name" what=' of '
	done < <(stack_series "$1")
	echo "${text:-no patches}"
}

# stack_plan STACK KEY: what the plans of its series say, each line behind their name.
stack_plan()
{
	local name
	stack_series "$1" | while read -r name _; do
		plan "$name" "$2" | sed "s/^/$name /"
	done
}

# stack_base STACK: "BLOB PATH" of the files of v7.3 that its series change.
stack_base()
{
	stack_plan "$1" base | cut -d' ' -f2- | sort -u
}

# stack_id STACK: for the name of a file.
stack_id()
{
	tr ',:' '+-' <<<"$1"
}

# kernel_dir CONFIG [STACK]: where scripts/build puts a kernel.
kernel_dir()
{
	local stack=${2:-$(stack_of "$MAIN")}
	[[ $stack == "$(stack_of "$MAIN")" ]] || set -- "$1@$(stack_id "$stack")"
	echo "$BUILT/kernels/$1"
}

# arch_of CONFIG: the architecture of a kernel of configs/kernels.
arch_of()
{
	awk -v name="$1" '$1 == name { print $2 }' "$VN_ROOT/configs/kernels"
}

# of_machine ARCH PROPERTY: what configs/machines says, if it knows the architecture.
of_machine()
{
	awk -v arch="$1" -v key="$2" '$1 == "arch" { for (n = 2; n <= NF; n++) if ($n == arch) column = n }
		$1 == key && column { print $column }' "$VN_ROOT/configs/machines"
}

# stack_inputs STACK FOLDER...: all that a tree of it follows from; of the overlays
# these folders of this repo.
stack_inputs()
{
	local stack=$1 patch
	shift
	stack_series "$stack"
	stack_plan "$stack" overlay
	stack_plan "$stack" suite
	cat "$LINUX_MARK" "$VN_ROOT"/scripts/{overlay,tree}
	stack_patches "$stack" | while read -r patch; do
		cat "$VN_ROOT/patches/$patch"
	done
	echo "overlays: $*"
	(($# == 0)) || (cd "$VN_ROOT" && find "$@" -type f -printf '%p %m ' -exec sha256sum {} \; | sort)
}

# use_tree STACK [--second|--no-overlays]: a tree with it; sets TREE. The whole main
# series has a tree of its own, since most is built there; all others share the second.
use_tree()
{
	TREE=$LINUX
	if [[ $1 != "$(stack_of "$MAIN")" || ${2:-} ]]; then
		second_tree
		TREE=$STACKS/linux
	fi
	[[ ${2:-} != --second ]] || set -- "$1"
	run_child "$VN_ROOT/scripts/tree" "$@" --into "$TREE" >/dev/null || exit $?
}

# second_tree: hard links to the first one (what changes a file puts a new one there).
second_tree()
{
	! is_done "$STACKS/base" "$(cat "$LINUX_MARK")" || return 0
	need_space "$SPACE_STACKS" "a second kernel tree"
	rm -rf "$STACKS"
	mkdir -p "$STACKS" 2>/dev/null || die_full
	run_logged "linking a second kernel tree" "$LOGS/stacks.log" no_text cp -al "$LINUX" "$STACKS/linux"
	mark_done "$STACKS/base" "$(cat "$LINUX_MARK")"
}

# kunit_out TREE CONFIG: where scripts/kunit builds.
kunit_out()
{
	echo "${1%/*}/build/kunit-$2"
}

# need_source: v7.3 is in the cache, or the end.
need_source()
{
	[[ -f $LINUX_MARK ]] || die "no kernel source in $CACHE; run scripts/fetch first"
}

# ---- v7.3 -------------------------------------------------------------------

blob()
{
	git hash-object --no-filters -- "$1"
}

# check_blobs DIR NAME STACK: the files that its series change are those of v7.3, or the
# end.
check_blobs()
{
	local dir=$1 name=$2 want path have version
	while read -r want path; do
		[[ -f $dir/$path ]] || die "$name has no $path; v7.3 is wanted"
		have=$(blob "$dir/$path")
		[[ $have == "$want" ]] || {
			version=$(kernel_version "$dir")
			die "$name${version:+ (Linux $version)} is not v7.3: $path is blob ${have:0:12}, expected ${want:0:12}; use a v7.3 or 7.3.y tree"
		}
	done < <(stack_base "$3")
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

MAIN=$(awk '$1 == "name" { print $2 }' "$VN_ROOT/patches/plan")
