#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kernel_layout.sh - what kernel-patch/verify compare makes of structs: offsets read from pahole, and which count as the same

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if ! command -v pahole >/dev/null || ! command -v gcc >/dev/null; then
	echo 'skipped: pahole (Debian: dwarves) or gcc is missing'
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2034 # read by what is sourced
patch_dir=$root/kernel-patch
. "$patch_dir/lib/common.sh"
. "$patch_dir/lib/compare.sh"

expect()
{
	if [ "$2" != "$3" ]; then
		printf '%s:\n' "$1"
		diff <(echo "$2") <(echo "$3") || true
		exit 1
	fi
}

# object <name>: a struct of that shape, from standard input
object()
{
	{
		cat
		echo 'struct s s;'
	} | gcc -g -c -x c -o "$work/$1" -
}

object kernel <<'EOT'
struct s {
	int a;
	unsigned char one : 1, two : 1;
	union {
		struct { void (*call)(int); long in_union; };
		char bytes[16];
	};
	struct inner { short x; short y[3]; } nested __attribute__((aligned(16)));
	struct s *next;
};
EOT
object model <<'EOT'
enum flag { FLAG_ONE = 1, FLAG_TWO = 2, FLAG_FOUR = 4 };
enum flag flag;
struct s {
	int a;
	unsigned char flags;
	struct { void *call; long in_union; } part;
	struct inner { short x; short y[3]; } nested;
	struct s *next;
};
EOT

expect 'offsets of nested, nameless and packed members' "$(struct_offsets "$work/kernel" s)" "a 0 4
one 4.0 1
two 4.1 1
call 8 8
in_union 16 8
bytes 8 16
nested.x 32 2
nested.y 34 6
nested 32 8
next 40 8"

mkdir "$work/layout"
struct_offsets "$work/kernel" s >"$work/layout/kernel"
struct_offsets "$work/model" s >"$work/layout/model"
enum_bits "$work/model" flag >"$work/layout/bits"
expect 'bits of enumerators' "$(cat "$work/layout/bits")" "FLAG_ONE 0
FLAG_TWO 1
FLAG_FOUR 2"
expect 'what is the same, and what is not' \
	"$(layout_fields s a one@flags=FLAG_ONE two@flags=FLAG_FOUR in_union=part.in_union bytes=part.call bytes=part.call~ \
		nested next gone a=gone)" "s a 0 4 0 4 true
s one 4.0 1 4.0 1 true
s two 4.1 1 4.2 1 false
s in_union 16 8 16 8 true
s bytes 8 16 8 8 false
s bytes 8 16 8 8 true
s nested 32 8 24 8 false
s next 40 8 32 8 false
s gone none none none none false
s a 0 4 none none false"
