# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# common.sh - what the stages of kernel-patch/verify share
#
# A stage NAME is lib/NAME.sh with two functions: NAME_about prints what it needs and about how long it takes, and
# NAME_stage does it.
# shellcheck disable=SC2154 # patch_dir, work and the options are verify's

say()
{
	printf 'verify: %s\n' "$*" >&2
}

die()
{
	say "$*"
	exit 1
}

usage_error()
{
	say "$*"
	say "kernel-patch/verify --help tells more"
	exit 2
}

# Not a failure: the machine lacks something.
skip()
{
	say "skipped: $*"
	exit 77
}

# need_programs <program>=<Debian package>...
need_programs()
{
	local pair missing=()

	for pair in "$@"; do
		command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
	done
	[ ${#missing[@]} -eq 0 ] || skip "packages are missing: ${missing[*]}"
}

need_source()
{
	[ -r "$source_tar" ] || skip "no $source_tar: install Debian's linux-source-6.12, or give --source"
}

# quiet <log> <command>...: keeps what it prints in the log, and shows the end of it only when it fails
quiet()
{
	local log=$1

	shift
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null && return 0
	tail -n 40 "$log" >&2
	say "failed: $*"
	say "all of it: $log"
	return 1
}

# The names of all variants, one per line.
all_variants()
{
	sed -n 's/^\([a-z][a-z0-9-]*\):.*/\1/p' "$patch_dir/variants"
}

# Those chosen with --variant, else all; first, and always, the source as it is.
variants()
{
	echo dynamic
	if [ ${#only[@]} -gt 0 ]; then
		printf '%s\n' "${only[@]}" | grep -vxF dynamic || true
	else
		all_variants | grep -vxF dynamic
	fi
}

# variant_patches <variant>: its patches, in order, relative to kernel-patch/; fails if there is no such variant
variant_patches()
{
	local line number

	line=$(sed -n "s/^$1: *//p" "$patch_dir/variants")
	grep -q "^$1:" "$patch_dir/variants" || return 1
	for number in $line; do
		(cd "$patch_dir" && ls "$number"*.patch) || die "variants: $1 names $number, and there is no such patch"
	done
}

# fingerprint [file]...: what a stage starts from, as one word: the source's size and date, and what is in the files
fingerprint()
{
	{
		stat -L -c '%s %Y' "$source_tar"
		cat "$@" </dev/null
	} | sha256sum | cut -c1-32
}

# is_done <stamp> <fingerprint>
is_done()
{
	! "$force" && [ -f "$work/stamps/$1" ] && [ "$(cat "$work/stamps/$1")" = "$2" ]
}

# set_done <stamp> <fingerprint>
set_done()
{
	mkdir -p "$work/stamps"
	echo "$2" >"$work/stamps/$1"
}

# unpack <directory> [argument of tar]...: with all CPUs, of which xz alone keeps one busy
unpack()
{
	local dir=$1

	shift
	case $source_tar in
	*.xz) tar -x -I "xz -T $jobs" -f "$source_tar" -C "$dir" "$@" ;;
	*) tar -xf "$source_tar" -C "$dir" "$@" ;;
	esac
}

# full_tree: unpacks all of the source to $work/linux, once (about 20 seconds, 1.5 GB); it stays as packaged but for
# what put_variant() puts there
full_tree()
{
	local print

	need_source
	need_programs xz=xz-utils tar=tar
	print=$(stat -L -c '%s %Y' "$source_tar")
	[ ! -d "$work/linux" ] || [ "$(cat "$work/stamps/linux" 2>/dev/null)" != "$print" ] || return 0
	say "unpacking $source_tar: about 20 seconds"
	rm -rf "$work/linux" "$work/linux.new"
	mkdir -p "$work/linux.new"
	unpack "$work/linux.new" --strip-components=1
	mv "$work/linux.new" "$work/linux"
	set_done linux "$print"
}

# put_variant <variant> <tree>: makes the files that any variant touches those of this one. Files that are the same
# are left alone, so that make builds again only what differs. Needs the apply stage.
put_variant()
{
	local file

	while IFS= read -r file; do
		cmp -s "$work/variants/$1/$file" "$2/$file" || cp "$work/variants/$1/$file" "$2/$file"
	done <"$work/variants/files"
}
