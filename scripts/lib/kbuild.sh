# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Calling the kernel's make, and judging what it says. Source it after all.sh. A build
# is made in the folder OUT, of the tree TREE, by the command KMAKE.

# For KUnit on UML: a test that waits for a timeout takes no time, and what was freed is
# poison.
# shellcheck disable=SC2034 # for the scripts that source this file
UM_ARGS=(time-travel slab_debug=FPZ)

# arch_setup ARCH [COMPILER]: sets KARCH, CROSS, IMAGE (the kernel image's path), KCC and
# KMAKE. COMPILER is clang, or the prefix of a gcc; by default the one for ARCH. Returns
# 1 if there is none.
# shellcheck disable=SC2034 # IMAGE is for the scripts that source this file
arch_setup()
{
	local compiler llvm
	KARCH=$1 CROSS='' IMAGE=$(of_machine "$1" image) compiler=${2:-$(of_machine "$1" compiler)}
	[[ $KARCH != um ]] || IMAGE=linux
	[[ ${2:-} || $compiler != "$(uname -m)"-* ]] || compiler=
	export KBUILD_BUILD_USER=virtio-noirq KBUILD_BUILD_HOST=localhost
	export KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00 +0000'
	# A kernel that is linked again is the same one: what passed on it counts on.
	export KBUILD_BUILD_VERSION=1
	if [[ $compiler == clang ]]; then
		llvm=$(compgen -c clang- | sed -nE 's/^clang(-[0-9]+)$/\1/p' | sort -u -t- -k2n | tail -n 1)
		[[ $llvm ]] || return 1
		KCC=clang$llvm
		KMAKE=(make --no-print-directory "ARCH=$KARCH" "LLVM=$llvm")
		return
	fi
	CROSS=$compiler KCC=${compiler}gcc
	command -v "$KCC" >/dev/null || return 1
	if command -v ccache >/dev/null; then
		KCC="ccache $KCC"
		export CCACHE_DIR=${CCACHE_DIR:-$CACHE/ccache} CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-2G}
		# An object of another tree in the cache will do
		export CCACHE_BASEDIR=$CACHE
	fi
	KMAKE=(make --no-print-directory "ARCH=$KARCH" "CROSS_COMPILE=$CROSS" "CC=$KCC")
}

# xen_setup: the same for Xen on arm64, whose tree and build are then in TREE and OUT.
xen_setup()
{
	need_arch arm64
	IMAGE=xen
	KMAKE=(make --no-print-directory XEN_TARGET_ARCH=arm64 "CROSS_COMPILE=$CROSS" "CC=$KCC"
		XEN_BUILD_DATE=Thu-Jan--1-00:00:00-UTC-1970 XEN_WHOAMI=virtio-noirq XEN_DOMAIN=localhost)
	TREE=$STACKS/linux/xen
}

# need_arch ARCH: the same, or the end.
need_arch()
{
	arch_setup "$1" || die "no ${CROSS}gcc; run scripts/setup"
}

# toolchain_id: changes when the compiler does.
toolchain_id()
{
	echo "${KMAKE[*]}"
	${KCC##* } --version | head -n 1
	"${CROSS}ld" --version 2>/dev/null | head -n 1
}

# kmake WHAT LOG ARG...: make, of TREE in OUT; returns its exit code.
kmake()
{
	local what=$1 log=$2 rc=0
	shift 2
	watch_child "$what" "$log" objects "${KMAKE[@]}" -C "$TREE" "O=$OUT" "-j$(jobs)" "$@" || rc=$?
	! grep -aq 'No space left' "$log" || die_full "the log says so"
	return "$rc"
}

# kmake_all WHAT LOG ARG...: the same, and a failure is the end.
kmake_all()
{
	local rc=0
	kmake "$@" || rc=$?
	((rc == 0)) || fail_logged "$1" "$2" "$rc"
}

# ---- configurations ---------------------------------------------------------

# configure FRAGMENT...: allnoconfig plus the fragments in OUT/.config, written again
# only if the result differs.
configure()
{
	mkdir -p "$OUT" 2>/dev/null || die_full
	cat "$@" | write_file "$OUT/vn-fragments"
	kmake_all "configuring" "$LOGS/config.log" "KCONFIG_ALLCONFIG=$OUT/vn-fragments" allnoconfig
}

# has OPTION=VALUE: a pattern for a line of OUT/.config.
has()
{
	grep -qxE "CONFIG_$1" "$OUT/.config"
}

# known OPTION: whether the tree has it. v7.3 has all that the fragments name.
known()
{
	[[ $TREE_NAME == "$V73" ]] || grep -rqE --include='Kconfig*' "^(menu)?config $1\$" "$TREE"
}

# lost: the options of the fragments that are not in the configuration in the end. One
# that shall not be set and is not even visible is as good as asked for.
lost()
{
	local line
	while IFS= read -r line; do
		case $line in
		*=n) ! has "${line%=n}=.*" || echo "$line" ;;
		*) has "$line" || ! known "${line%%=*}" || echo "$line" ;;
		esac
	done < <(sed -nE 's/^# CONFIG_(\w+) is not set$/\1=n/p; s/^CONFIG_(\w+=.*)$/\1/p' "$OUT/vn-fragments" |
		awk -F= '{ last[$1] = $0 } END { for (name in last) print last[name] }' | sort)
}

# configure_all FRAGMENT...: what is lost is an error.
configure_all()
{
	local missing
	configure "$@"
	missing=$(lost | sed 's/^/CONFIG_/' | paste -sd' ')
	[[ ! $missing ]] ||
		die "the kernel's configuration has no $missing (a dependency is missing, or the option has gone); mend the fragment in configs/"
}

# series_config NAME: the fragments for builds of all that a series touches.
series_config()
{
	local name
	for name in $(plan "$1" config); do
		cat "$VN_ROOT/configs/$name.config" 2>/dev/null || die "configs/$name.config of $(plan_of "$1") is not there; restore it"
	done
}

# read_folders SERIES: sets FOLDERS to what its plan says is to be built.
read_folders()
{
	read -ra FOLDERS < <(plan "$1" build | paste -sd' ')
	((${#FOLDERS[@]})) || die "$(plan_of "$1") does not say what is to be built; add a line 'build'"
}

# ---- the builds of configs/builds -----------------------------------------------

builds()
{
	awk '!/^#/ && NF' "$VN_ROOT/configs/builds"
}

# read_build NAME: sets what the line says: OPTIONS, and what arch_setup() sets.
# Returns 1 if the compiler, then in COMPILER, is missing.
read_build()
{
	local option flags=''
	# shellcheck disable=SC2046 # words are meant
	set -- $(builds | awk -v name="$1" '$1 == name')
	(($#)) || die "no line '$1' in configs/builds"
	COMPILER=$3 OPTIONS=("${@:4}")
	arch_setup "$2" "$3" || return 1
	for option in "${OPTIONS[@]}"; do
		case $option in
		-*) flags+="${flags:+ }$option" ;;
		BROKEN=y) KMAKE+=("KBUILD_KCONFIG=$BUILT/Kconfig.broken") ;;
		esac
	done
	[[ ! $flags ]] || KMAKE+=("KCFLAGS=$flags")
}

# build_options: those of the line, as a fragment.
build_options()
{
	local option
	for option in "${OPTIONS[@]}"; do
		[[ $option == -* ]] || echo "CONFIG_$option"
	done
}

# prepare_build SERIES FRAGMENT...: configures OUT for all that a series touches, by the
# line that was read, and prepares it. Prints what went wrong: an option of the line is
# lost, or, without any on arm64, one of the fragments. (Not all architectures have them.)
prepare_build()
{
	local name=$1 goal=prepare option
	shift
	series_config "$name" >/dev/null
	# Lets an option that depends on BROKEN be asked for.
	{ cat "$TREE/Kconfig" && printf '\nconfig BROKEN\n\tdefault y\n'; } | write_file "$BUILT/Kconfig.broken"
	configure <(series_config "$name") "$@" <(build_options)
	[[ $KARCH == arm64 && ! $(build_options) ]] || {
		build_options
		echo 'CONFIG_VIRTIO=[my]'
	} | write_file "$OUT/vn-fragments"
	# A stack need not have all of the suites.
	lost | while read -r option; do
		[[ $option == *_KUNIT_TEST=* ]] && ! grep -qs "^config ${option%%=*}\$" "$TREE/drivers/virtio/tests/Kconfig" ||
			echo "the configuration is not $option"
	done
	! has MODULES=y || goal=modules_prepare
	make_part "preparing" "$LOGS/prepare.log" "$goal" scripts
}

# prepare_once WHAT SERIES FRAGMENT...: the same, unless it was done; a fault is the end.
prepare_once()
{
	local what=$1 id why
	shift
	id=$({
		stack_inputs "$(stack_of "$1")" kunit && series_config "$1" && build_options &&
			toolchain_id && cat "${@:2}" "$VN_ROOT/scripts/lib/kbuild.sh"
	} | as_id)
	! is_done "$OUT/vn-prepared" "$id$TREE" || return 0
	need_space "$SPACE_STACKS" "building $what"
	why=$(prepare_build "$@")
	[[ ! $why ]] || die "preparing $what: $why"
	mark_done "$OUT/vn-prepared" "$id$TREE"
}

# ---- what make says -------------------------------------------------------------

# objects LOG: how much a build has done.
objects()
{
	local n
	n=$(grep -acE '^  [A-Z]+[A-Z0-9_]* ' "$1") || true
	echo "${n:-0} objects"
}

# make_part WHAT LOG ARG...: a part of a build; prints what it says if it fails.
make_part()
{
	kmake "$@" || printf '%s\n' "$1 failed:" "$(grep -aE 'error|\*\*\*' "$2" | head -n 20 || true)" "the log is $2"
}

# test_modules WHAT LOG ARG...: the test modules, if the tree has them, which know no
# vmlinux to find symbols in; prints what is wrong.
test_modules()
{
	[[ -f $TREE/tools/testing/selftests/drivers/virtio/test_modules/Makefile ]] || return 0
	rm -rf "$OUT/vn-modules"
	cp -r "$VN_ROOT/selftests/test_modules" "$OUT/vn-modules" 2>/dev/null || die_full
	make_part "$@" "M=$OUT/vn-modules" KBUILD_MODPOST_WARN=1 modules
	warnings "$2" | grep -avE 'modpost: .* (undefined!|unresolved symbol)|Module.symvers is missing' || true
}

# warnings LOG: "count file: text" of each, without line numbers, so that code
# that moved is not news.
warnings()
{
	{ grep -aE '(warning|Warning|WARNING|error):' "$1" || true; } |
		sed -E -e "s|$TREE/||g" -e 's|^(\.\./)+linux/||; s|^\./||' -e 's/:[0-9]+(:[0-9]+)?:/:/' | sort | uniq -c | sed 's/^ *//'
}

# new_warnings LOG [BASE]: those of LOG that are not, or not so often, in the log BASE.
new_warnings()
{
	awk '{ n = $1; sub(/^[0-9]+ /, ""); if (FILENAME == ARGV[1]) base[$0] = n; else if (n > base[$0]) print }' \
		<(warnings "${2:-/dev/null}") <(warnings "$1")
}

# afresh FOLDER...: so that all warnings come again.
afresh()
{
	rm -rf "${@/#/$OUT/}"
}
