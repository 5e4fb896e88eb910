# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every script here shares: the environment, the cache's paths, and the files
# beside this one. Source it first; it sets -euo pipefail.
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

VN_ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd -P)
VN_SELF=${0##*/}
CACHE=${VIRTIO_NOIRQ_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/virtio-noirq}
[[ $CACHE == /* ]] || CACHE=$PWD/$CACHE

# The children of one run find the same cache, whatever their working folder.
export VIRTIO_NOIRQ_CACHE=$CACHE

# A script in place of python3 (pyenv's starts 30 programs) costs more than most of our calls.
if VN_PYTHON=$(command -v python3) && read -rN 2 VN_MAGIC <"$VN_PYTHON" && [[ $VN_MAGIC == '#!' ]]; then
	VN_PYTHON=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null) || true
	[[ ! $VN_PYTHON ]] || export PATH=${VN_PYTHON%/*}:$PATH
fi

# shellcheck disable=SC2034 # used by the scripts that source this file
{
	BUILT=$CACHE/built		# all that can be made again; the downloads are beside it
	LOGS=$BUILT/logs
	OWN_QEMU=$BUILT/qemu/qemu-system-aarch64	# with the patch of a kind of guest
	# Disk space that one piece of work takes, in MB, measured on v7.3.
	# Change these figures here only.
	SPACE_GIT=700		# .git of a shallow clone, dropped afterwards
	SPACE_TREE=2100		# the unpacked kernel tree
	SPACE_BUILD=500	# one build folder
	SPACE_QEMU=1200		# source and build of QEMU
	SPACE_STACKS=200	# a hard-linked tree, and the objects of some folders
}

# shellcheck source=lib/child.sh
. "$VN_ROOT/scripts/lib/child.sh"
# shellcheck source=lib/progress.sh
. "$VN_ROOT/scripts/lib/progress.sh"
# shellcheck source=lib/cache.sh
. "$VN_ROOT/scripts/lib/cache.sh"
# shellcheck source=lib/series.sh
. "$VN_ROOT/scripts/lib/series.sh"
# shellcheck source=lib/ktap.sh
. "$VN_ROOT/scripts/lib/ktap.sh"
