# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The series: what their plans say, and the stacks that they make. The main series is
# patches/, with the file series at the top for git am and quilt; each other one is a
# folder patches/NAME. What their plans say is explained in patches/plan.
#
# A stack is what is applied to a tree, in order: "noirq:5,NAME:2" has the first 5 and
# 2 patches of two series; without a number it is all of them, and "v7.3" is none. The tree
# is the one that its first series is on; "v7.2,noirq" has another one.

# The tree that most is about.
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

# among WORD WORD...: whether the first is one of the others.
among()
{
	local word
	for word in "${@:2}"; do
		[[ $word != "$1" ]] || return 0
	done
	return 1
}

# read_plan NAME FILE: into PLANS["NAME KEY"], the lines of each kind. What is asked for often
# neither starts a program nor forks, which takes some 10 ms on some machines.
read_plan()
{
	local lines line key
	ALL_SERIES+=("$1")
	mapfile -t lines <"$2"
	for line in "${lines[@]}"; do
		line=${line#"${line%%[![:blank:]]*}"}
		key=${line%%[[:blank:]]*} line=${line%%[[:blank:]]# *} line=${line#"$key"}
		line=${line#"${line%%[![:blank:]]*}"}
		[[ ! $key || $key == '#' ]] || PLANS[$1 $key]+=${line%"${line##*[![:blank:]]}"}$'\n'
	done
}

# plan NAME KEY: what its lines of that kind say.
plan()
{
	printf %s "${PLANS[$1 $2]-}"
}

# all_series: the names, the main one first.
all_series()
{
	printf '%s\n' "${ALL_SERIES[@]}"
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

# suites STACK [WITHOUT]: "name yes" of each suite that is in kunit/ and can be built on the
# stack, or "name no". It may be in the plans of several series.
suites()
{
	local series name needs order=''
	local -A builds=()
	for series in "${ALL_SERIES[@]}"; do
		while read -r name needs _; do
			[[ $name ]] || continue
			[[ -f $VN_ROOT/kunit/${name}_kunit.c ]] || die "$(plan_of "$series") names the suite $name, which is not in kunit/; restore it"
			[[ ${builds[$name]:-} ]] || order+=" $name"
			if stack_has "$series" "$needs" "$1" && [[ " ${2:-} " != *" $name "* ]]; then
				builds[$name]=yes
			fi
			: "${builds[$name]:=no}"
		done <<<"${PLANS[$series suite]-}"
	done
	for name in $order; do
		echo "$name ${builds[$name]}"
	done
}

# suites_on STACK: those that can be built on it, as the kernel calls them.
suites_on()
{
	suites "$1" | sed -n 's/\(.*\) yes$/virtio_\1/p'
}

# has_suites NAME: whether there are KUnit suites on its stack.
has_suites()
{
	local all
	get_stack "$1"
	all=$(suites "$REPLY") || exit 3
	[[ $all == *' yes'* ]]
}

# known_series NAME: or the end.
known_series()
{
	among "$1" "${ALL_SERIES[@]}" || die "no series '$1'; there are: ${ALL_SERIES[*]}"
}

# pick_series [NAME]: sets SERIES, by default to the main one, and its tree; knows --help,
# too.
pick_series()
{
	[[ ${1:-} != --help ]] || show_help
	(($# < 2)) || usage_die "it takes one series at most"
	[[ ${1:-} != -* ]] || usage_die "unknown option $1"
	SERIES=${1:-$MAIN}
	known_series "$SERIES"
	on_tree "$SERIES"
}

# series_patches NAME: its patches, in order, as paths below patches/.
series_patches()
{
	local file=$VN_ROOT/series dir lines line
	[[ $1 == "$MAIN" ]] || file=$VN_ROOT/patches/$1/series
	[[ -f $file ]] || die "no file $file; is this a whole clone?"
	dir=$(series_dir "$1") dir=${dir#"$VN_ROOT/patches"}
	mapfile -t lines <"$file"
	for line in "${lines[@]}"; do
		line=${line%%[[:space:]#]*}
		[[ ! $line ]] || echo "${dir:+${dir#/}/}$line"
	done
}

# count_patches NAME: sets COUNT.
count_patches()
{
	[[ ${COUNTS[$1]:-} ]] || COUNTS[$1]=$(series_patches "$1" | wc -l) || exit 3
	COUNT=${COUNTS[$1]}
}

# header NAME FILE: a header line of a mail, unfolded.
header()
{
	sed '/^$/q' "$2" | sed -e ':a' -e '$!N; s/\n[ \t][ \t]*/ /; ta' -e 'P;D' | sed -n "s/^$1: //pI"
}

# ---- trees -------------------------------------------------------------------

# of_tree NAME FIELD: what configs/trees says, or nothing.
of_tree()
{
	awk -v name="$1" -v n="$2" '$1 == name { print $n }' "$VN_ROOT/configs/trees"
}

is_tree()
{
	among "$1" "${TREES[@]%% *}"
}

# get_tree STACK: sets REPLY to the name of the tree that it is applied to.
get_tree()
{
	local seen=' '
	REPLY=${1%%[,:]*}
	until is_tree "$REPLY"; do
		known_series "$REPLY"
		[[ $seen != *" $REPLY "* ]] || die "the series $REPLY is on itself; mend the lines 'on'"
		seen+="$REPLY "
		has_on "$REPLY"
		REPLY=${PLANS[$REPLY on]%%[[:space:]]*}
	done
}

# has_on NAME: or the end.
has_on()
{
	local on=${PLANS[$1 on]-}
	[[ $on ]] || die "$(plan_of "$1") does not say what the series is on; add a line 'on'"
	[[ " ${on%$'\n'} " != *" $1 "* ]] || die "the series $1 is on itself; mend the lines 'on'"
}

# tree_of STACK: prints it.
tree_of()
{
	get_tree "$1"
	echo "$REPLY"
}

# on_tree STACK: sets where its tree is, and what is built of it.
# shellcheck disable=SC2034 # used by the scripts that source this file
on_tree()
{
	local dir=$BUILT
	get_tree "$1"
	TREE_NAME=$REPLY
	[[ $TREE_NAME == "$V73" ]] || dir=$BUILT/trees/$TREE_NAME
	LINUX=$dir/linux		# the untouched one
	LINUX_MARK=$LINUX/.virtio-noirq-base
	STACKS=$dir/stacks		# the tree that all stacks share, and its builds
}

# on_xen: whether it is one of Xen.
on_xen()
{
	[[ $TREE_NAME == xen-* ]]
}

# on_v73 SERIES: whether it is one of those that most is about.
on_v73()
{
	get_tree "$1"
	[[ $REPLY == "$V73" ]]
}

# ---- stacks -----------------------------------------------------------------

# get_below NAME: sets REPLY to the stack that a series applies on.
get_below()
{
	local name stack=''
	has_on "$1"
	REPLY=${PLANS[$1 on]%$'\n'}
	! is_tree "$REPLY" || return 0
	for name in $REPLY; do
		known_series "$name"
		get_stack "$name"
		stack+=${stack:+,}$REPLY
	done
	REPLY=$stack
}

# get_stack NAME: sets REPLY to the series on what it applies on.
get_stack()
{
	get_below "$1"
	if is_tree "$REPLY"; then REPLY=$1; else REPLY+=,$1; fi
}

# below NAME, stack_of NAME [N]: print them; of the second, with its first N patches only.
below()
{
	get_below "$1"
	echo "$REPLY"
}

stack_of()
{
	get_stack "$1"
	echo "$REPLY${2:+:$2}"
}

# get_series STACK: sets ITS_SERIES to its series, and N_OF[NAME] to the number of their patches.
get_series()
{
	local part name n parts=$1
	ITS_SERIES=()
	[[ ,$1, != *,,* ]] || die "'$1' is no stack; name series with commas between them, or $V73"
	! is_tree "${1%%,*}" || parts=${1#"${1%%,*}"}
	for part in ${parts//,/ }; do
		name=${part%%:*}
		[[ " ${ITS_SERIES[*]} " != *" $name "* ]] || die "stack $1: the series $name is in it twice; name it once"
		known_series "$name"
		count_patches "$name"
		n=$COUNT
		[[ $part != *:* ]] || n=${part#*:}
		[[ $n =~ ^[0-9]+$ && $n -le $COUNT ]] || die "stack $1: the series $name has $COUNT patches; name 0 to $COUNT"
		ITS_SERIES+=("$name")
		N_OF[$name]=$n
	done
}

# stack_series STACK: prints "NAME N" of each.
stack_series()
{
	local name
	get_series "$1"
	for name in "${ITS_SERIES[@]}"; do
		echo "$name ${N_OF[$name]}"
	done
}

# pick_stack [STACK]: sets STACK, by default to the whole main series, and its tree.
pick_stack()
{
	get_stack "$MAIN"
	STACK=${1:-$REPLY}
	get_series "$STACK"
	on_tree "$STACK"
}

# stack_has NAME N STACK: at least the first N patches of a series are in it, which is one.
stack_has()
{
	local part
	for part in ${3//,/ }; do
		[[ $part != "$1" ]] || { count_patches "$1" && part=$1:$COUNT; }
		[[ $part != "$1":* ]] || { ((${part#*:} >= $2)); return; }
	done
	return 1
}

# stack_patches STACK: the paths of its patches below patches/.
stack_patches()
{
	local name lines
	get_series "$1"
	for name in "${ITS_SERIES[@]}"; do
		mapfile -t lines < <(series_patches "$name")
		((N_OF[$name] == 0)) || printf '%s\n' "${lines[@]:0:N_OF[$name]}"
	done
}

# apply_patch PATCH DIR LOG: without fuzz. Returns 1 if it does not apply, 2 if it does only
# with an offset.
apply_patch()
{
	patch -d "$2" -p1 -E --fuzz=0 --no-backup-if-mismatch --force <"$VN_ROOT/patches/$1" >"$3" 2>&1 || return 1
	! grep -aqE '\((offset|fuzz)|with fuzz' "$3" || return 2
}

# lend DIR STACK PATH...: files of v7.3, as a stack finds them, into DIR.
lend()
{
	local dir=$1 stack=$2 v73 path
	shift 2
	(($#)) || return 0
	cache_tmp v73
	run_child "$VN_ROOT/scripts/tree" --pristine "$v73" "$stack"
	for path; do
		cp "$v73/$path" "$dir/$path" 2>/dev/null || die_full
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
	local name text='' what=' patches of '
	get_series "$1"
	for name in "${ITS_SERIES[@]}"; do
		count_patches "$name"
		text+="${text:+ + }${N_OF[$name]} of $COUNT$what$name" what=' of '
	done
	echo "${text:-no patches}"
}

# stack_plan STACK KEY: what the plans of its series say, each line behind their name.
stack_plan()
{
	local name lines
	get_series "$1"
	for name in "${ITS_SERIES[@]}"; do
		[[ ${PLANS[$name $2]-} ]] || continue
		mapfile -t lines <<<"${PLANS[$name $2]%$'\n'}"
		printf '%s\n' "${lines[@]/#/$name }"
	done
}

# stack_base STACK: "BLOB PATH" of the files of their tree that its series change.
stack_base()
{
	stack_plan "$1" base | cut -d' ' -f2- | sort -u
}

# stack_id STACK: for the name of a file.
stack_id()
{
	local id=${1//,/+}
	echo "${id//:/-}"
}

# kernel_dir CONFIG [STACK]: where scripts/build puts a kernel.
kernel_dir()
{
	get_stack "$MAIN"
	[[ ${2:-$REPLY} == "$REPLY" ]] || set -- "$1@$(stack_id "$2")"
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
	local stack=$1 patch name folder file
	shift
	stack_series "$stack"
	stack_plan "$stack" overlay
	stack_plan "$stack" suite
	stack_plan "$stack" adapt | while read -r name folder file; do
		[[ " $* " != *" $folder "* ]] || cat "$(series_dir "$name")/$file"
	done
	cat "$LINUX_MARK" "$VN_ROOT"/scripts/{overlay,tree}
	stack_patches "$stack" | while read -r patch; do
		cat "$VN_ROOT/patches/$patch"
	done
	echo "overlays: $*"
	(($# == 0)) || (cd "$VN_ROOT" && find "$@" -type f -printf '%p %m\n' -exec sha256sum {} + | sort)
}

# use_tree STACK [--no-overlays]: the tree that all stacks share, with this one; sets TREE.
# shellcheck disable=SC2034 # used by the scripts that source this file
use_tree()
{
	on_tree "$1"
	TREE=$STACKS/linux
	run_child "$VN_ROOT/scripts/tree" "$@" >/dev/null || exit $?
}

# kunit_out TREE CONFIG: where scripts/kunit builds.
kunit_out()
{
	echo "${1%/*}/build/kunit-$2"
}

# need_source: the tree of on_tree() is in the cache, or the end.
need_source()
{
	local other=
	[[ $TREE_NAME == "$V73" ]] || other=" --other $TREE_NAME"
	[[ -f $LINUX_MARK ]] || die "no kernel source in $CACHE${other:+ for $TREE_NAME}; run scripts/fetch$other first"
}

# ---- the trees' files --------------------------------------------------------

blob()
{
	git hash-object --no-filters -- "$1"
}

# check_blobs DIR NAME STACK: the files that its series change are those of the tree that
# they are on, or the end.
check_blobs()
{
	local dir=$1 name=$2 want path have version tree
	tree=$(tree_of "$3")
	while read -r want path; do
		[[ -f $dir/$path ]] || die "$name has no $path; $tree is wanted"
		have=$(blob "$dir/$path")
		[[ $have == "$want" ]] || {
			version=$(kernel_version "$dir")
			die "$name${version:+ ($version)} is not $tree: $path is blob ${have:0:12}, expected ${want:0:12}; use a tree of $tree or of its stable releases"
		}
	done < <(stack_base "$3")
}

# kernel_version DIR: 7.3.4, or that of Xen, or nothing if DIR is neither's tree.
kernel_version()
{
	[[ -f $1/Makefile ]] || return 0
	[[ ! -f $1/xen/Makefile ]] || {
		awk '/XEN_VERSION +=/ { v = $NF } /XEN_SUBVERSION +=/ { s = $NF } $2 == "XEN_EXTRAVERSION" { e = $NF; sub(/\$.*/, "", e) }
			NR > 10 { exit } END { if (v != "") print v "." s e }' "$1/xen/Makefile"
		return
	}
	awk '/^VERSION =/ { v = $3 } /^PATCHLEVEL =/ { p = $3 } /^SUBLEVEL =/ { s = $3 } /^EXTRAVERSION =/ { e = $3 }
		NR > 10 { exit } END { if (v != "" && p != "") print v "." p (s > 0 ? "." s : "") e }' "$1/Makefile"
}

jobs()
{
	echo "${JOBS:-$(nproc)}"
}

# read_plans: of all series.
read_plans()
{
	local file name
	read_plan "$MAIN" "$VN_ROOT/patches/plan"
	for file in "$VN_ROOT"/patches/*/plan; do
		name=${file%/plan}
		[[ ! -f $file ]] || read_plan "${name##*/}" "$file"
	done
}

MAIN=$(sed -nE 's/^name[[:blank:]]+([^[:blank:]]+).*/\1/p' "$VN_ROOT/patches/plan")
ALL_SERIES=()
declare -A PLANS=() COUNTS=() N_OF=()
mapfile -t TREES <"$VN_ROOT/configs/trees"
read_plans
on_tree "$V73"
