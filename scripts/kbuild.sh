# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Calling the kernel's make. Source it after lib.sh.

# arch_setup ARCH: sets KARCH, CROSS, IMAGE (the kernel image's path) and KMAKE.
# shellcheck disable=SC2034 # IMAGE is for the scripts that source this file
arch_setup()
{
	KARCH=$1 CROSS='' IMAGE='' KCC=''
	case $KARCH in
	arm64)
		[[ $(uname -m) == aarch64 ]] || CROSS=aarch64-linux-gnu-
		IMAGE=arch/arm64/boot/Image
		;;
	um) IMAGE=linux ;;
	*) die "architecture '$KARCH' is not known to scripts/kbuild.sh; add it there" ;;
	esac
	command -v "${CROSS}gcc" >/dev/null || die "no ${CROSS}gcc; run scripts/setup"
	KCC=${CROSS}gcc
	if command -v ccache >/dev/null; then
		KCC="ccache $KCC"
		export CCACHE_DIR=${CCACHE_DIR:-$CACHE/ccache} CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-2G}
		# An object of another tree in the cache will do
		export CCACHE_BASEDIR=$CACHE
	fi
	export KBUILD_BUILD_USER=virtio-noirq KBUILD_BUILD_HOST=localhost
	export KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00 +0000'
	KMAKE=(make --no-print-directory "ARCH=$KARCH" "CROSS_COMPILE=$CROSS" "CC=$KCC")
}

# toolchain_id: changes when the compiler does.
toolchain_id()
{
	echo "$KCC"
	"${CROSS}gcc" --version | head -n 1
	"${CROSS}ld" --version | head -n 1
}

PREFIX=$CACHE/prefix

# second_tree: $PREFIX/linux for prefixes of the series, a hard-linked copy of the
# kernel tree (what changes a file there puts a new one in its place).
second_tree()
{
	[[ ! -f $PREFIX/base || $(cat "$PREFIX/base") != "$(cat "$LINUX_MARK")" ]] || return 0
	need_space "$SPACE_PREFIX" "checking the prefixes of the series"
	rm -rf "$PREFIX"
	mkdir -p "$PREFIX" 2>/dev/null || die_full
	run_logged "linking a second kernel tree" "$LOGS/prefix.log" no_text cp -al "$LINUX" "$PREFIX/linux"
	write_file "$PREFIX/base" <"$LINUX_MARK"
}

# prefix_tree N OPTION...: that tree with the first N patches of the chosen series.
prefix_tree()
{
	local n=$1 args=()
	shift
	if [[ ${SCMI:-} ]]; then args=("$(series_patches | wc -l)" --scmi "$n"); else args=("$n"); fi
	run_child "$VN_ROOT/scripts/tree" "${args[@]}" "$@" --into "$PREFIX/linux" >/dev/null
}

# configure TREE OUT FRAGMENT...: allnoconfig plus the fragments in OUT/.config,
# written again only if the result differs. An option asked for that is not there
# in the end is an error.
configure()
{
	local tree=$1 out=$2 all=$2/vn-fragments line lost=() have
	shift 2
	mkdir -p "$out" 2>/dev/null || die_full
	cat "$@" | write_file "$all"
	run_logged "configuring" "$LOGS/config.log" no_text \
		"${KMAKE[@]}" -C "$tree" "O=$out" "KCONFIG_ALLCONFIG=$all" allnoconfig
	while IFS= read -r line; do
		case $line in
		CONFIG_*=n) have="# ${line%=n} is not set" ;;
		CONFIG_*=*) have=$line ;;
		'# CONFIG_'*' is not set') have=$line ;;
		*) continue ;;
		esac
		grep -qxF -- "$have" "$out/.config" && continue
		# not set, and not even visible: as good as asked for
		[[ $have != '#'* ]] || { ! grep -q "^${have:2:-11}=" "$out/.config" && continue; }
		lost+=("$line")
	done < <(awk '/^(# )?CONFIG_/ { n = $0; sub(/^# /, "", n); sub(/[= ].*/, "", n); last[n] = $0 } END { for (n in last) print last[n] }' "$all" | sort)
	((${#lost[@]} == 0)) ||
		die "the kernel's configuration has no ${lost[*]} (a dependency is missing, or the option has gone); mend the fragment in configs/"
}

# objects LOG: how much a build has done.
objects()
{
	local n
	n=$(grep -acE '^  [A-Z]+[A-Z0-9_]* ' "$1") || true
	echo "${n:-0} objects"
}

# warnings LOG: "count file: text" of each, without line numbers, so that code
# that moved is not news.
warnings()
{
	{ grep -aE '(warning|Warning|WARNING|error):' "$1" || true; } |
		sed -E -e "s|$PREFIX/linux/||g" -e 's|^(\.\./)+linux/||' -e 's/:[0-9]+(:[0-9]+)?:/:/' | sort | uniq -c | sed 's/^ *//'
}

# new_warnings LOG BASE: those of LOG that are not, or not so often, in BASE.
new_warnings()
{
	awk '{ n = $1; sub(/^[0-9]+ /, ""); if (FILENAME == ARGV[1]) base[$0] = n; else if (n > base[$0]) print }' \
		"$2" <(warnings "$1")
}
