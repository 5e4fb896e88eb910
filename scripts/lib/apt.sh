# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# apt without touching the system's apt: sources, lists and downloads in
# folders of our own. Source it after all.sh.

VN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

have_apt()
{
	command -v apt-get >/dev/null && [[ $(os_field ID) == debian ]]
}

os_field()
{
	# shellcheck source=/dev/null
	(. /etc/os-release 2>/dev/null && eval "echo \"\${$1:-}\"") || true
}

# apt_index: "URI suite codename" of each package index the system uses.
apt_index()
{
	# shellcheck disable=SC2016 # apt expands these
	apt-get "$@" indextargets --format '$(REPO_URI) $(RELEASE) $(CODENAME)' 'Identifier: Packages' 2>/dev/null || true
}

# apt_mirror: sets VN_MIRROR, the mirror that the system takes Debian itself from.
# A system without package lists (a fresh container) gets some in our cache.
apt_mirror()
{
	local code dir=$CACHE/apt/system index
	code=$(os_field VERSION_CODENAME)
	[[ ! ${VN_MIRROR:-} ]] || return 0
	index=$(apt_index)
	if [[ ! $index ]]; then
		apt_options "" "$dir"
		apt_update "package lists of this system" "$LOGS/apt-system.log"
		index=$(apt_index -o "Dir::State::Lists=$dir/lists")
		[[ $index ]] || die_lists "$LOGS/apt-system.log" "connect, or mend the system's apt sources"
	fi
	VN_MIRROR=$(awk -v c="$code" '$2 == c || $3 == c { print $1; exit }' <<<"$index")
	[[ $VN_MIRROR ]] ||
		die "no Debian mirror for '$code' among this system's apt sources; add one"
}

# apt_line SUITE: a sources.list line for it on the system's mirror.
apt_line()
{
	local by=
	[[ ! -f $VN_KEYRING ]] || by="[signed-by=$VN_KEYRING] "
	echo "deb $by$VN_MIRROR $1 main"
}

# apt_options LIST DIR: fills the array APT_OPTIONS; without LIST the sources are
# the system's.
apt_options()
{
	local list=$1 dir=$2
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" 2>/dev/null || die_full
	APT_OPTIONS=(
		-q -y
		${list:+-o "Dir::Etc::SourceList=$list"}
		-o "Dir::State::Lists=$dir/lists"
		-o "Dir::Cache=$dir/cache"
		-o Acquire::Retries=2
		-o Acquire::http::Timeout=20
		-o Acquire::https::Timeout=20
		-o APT::Get::List-Cleanup=false
		-o Acquire::Languages=none
		-o APT::Sandbox::User=root
		-o Dpkg::Use-Pty=0
		-o DPkg::Lock::Timeout=120
	)
}

# apt_update WHAT LOG: reads the package lists that APT_OPTIONS names. What is
# missing of them shows when a package is asked for: somebody's broken extra source
# shall not stop us.
apt_update()
{
	watch_child "$1" "$2" no_text apt-get "${APT_OPTIONS[@]}" update || true
	! grep -aqE 'No space left|not enough free' "$2" || die_full "the log says so"
}

# offline LOG: did apt-get update fail for want of a network?
offline()
{
	grep -aqE 'Could not (resolve|connect|handshake)|Temporary failure|Network is unreachable|Connection (failed|timed out|refused)|Cannot initiate|Unable to connect|Could not wait' "$1"
}

# die_lists LOG "what to do"
die_lists()
{
	if offline "$1"; then
		die "no network: the package lists cannot be read ($(first_error "$1")); $2"
	fi
	die "apt finds no usable package lists ($(first_error "$1")); $2; the whole log is $1"
}

# apt_lists TYPE SUITE ARCH LOG: APT_OPTIONS for an isolated apt that knows the suite alone,
# whose lists it reads; TYPE is deb or deb-src.
apt_lists()
{
	local state=$CACHE/apt/$2-$3-$1
	mkdir -p "$state" 2>/dev/null || die_full
	apt_mirror
	apt_line "$2" | sed "s/^deb /$1 /" | write_file "$state/sources.list"
	apt_options "$state/sources.list" "$state"
	APT_OPTIONS+=(-o Dir::Etc::SourceParts=/dev/null -o "APT::Architecture=$3" -o "APT::Architectures=$3")
	apt_update "package lists of $2" "$4"
}

# apt_fetch SUITE PACKAGE ARCH DIR: downloads PACKAGE's .deb into DIR with an
# isolated apt. Returns 1 if the network is missing, 2 if there is no such package.
apt_fetch()
{
	local suite=$1 package=$2 dir=$4 log=$LOGS/apt-$2.log tmp uri size
	cache_tmp tmp
	apt_lists deb "$suite" "$3" "$log"
	uri=$(cd "$tmp" && apt-get "${APT_OPTIONS[@]}" download --print-uris "$package/$suite" 2>/dev/null) || true
	if [[ ! $uri ]]; then
		! offline "$log" || return 1
		return 2
	fi
	read -r _ _ size _ <<<"$uri"
	need_space $((size / 1000000 + 50)) "downloading $package"
	VN_DL_DIR=$tmp VN_DL_SIZE=$size
	watch_child "downloading $package" "$log" apt_got \
		env -C "$tmp" apt-get "${APT_OPTIONS[@]}" download "$package/$suite" || {
		! grep -aqE 'No space left' "$log" || die_full "the log says so"
		return 1
	}
	mkdir -p "$dir" 2>/dev/null || die_full
	mv "$tmp"/*.deb "$dir/" 2>/dev/null || die_full
	note "downloaded $package ($(((size + 999999) / 1000000)) MB)"
}

# apt_fetch_source SUITE PACKAGE DIR [OPTION]: downloads the source package's files, with
# an option of apt-get source some of them, into DIR, or the end.
apt_fetch_source()
{
	local package=$2 dir=$3 log=$LOGS/apt-$2.log
	apt_lists deb-src "$1" "$(dpkg --print-architecture)" "$log"
	watch_child "downloading the source of $package" "$log" no_text \
		env -C "$dir" apt-get "${APT_OPTIONS[@]}" source --download-only ${4:+"$4"} "$package" ||
		die_lists "$log" "connect"
}

apt_got()
{
	local got
	got=$(find "$VN_DL_DIR" -type f -printf '%s\n' | awk '{ s += $1 } END { printf "%d", s / 1000000 }')
	echo "$got of $((VN_DL_SIZE / 1000000)) MB"
}
