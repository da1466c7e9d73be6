# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build.sh - a kernel of every variant
#
# Leaves kernels/FLAVOUR/VARIANT in the work directory. Flavours: plain is the variant as it is; measure is the same
# with the patches of kernel-patch/measure/ on top; lockstat and debug are plain with another configuration.
# shellcheck disable=SC2154

build_about()
{
	cat <<'EOT'
a bzImage of every variant; with "-- measure", "-- lockstat" or "-- debug" of that flavour
Needs what compile needs, and libelf-dev, patch; uses ccache if there; 2 GB; two CPUs take 10 minutes for the first one
of a configuration, and half a minute for each further one.
EOT
}

build_make()
{
	local dir=$1 cc=gcc

	shift
	! command -v ccache >/dev/null || cc='ccache gcc'
	make -C "$work/linux" O="$dir" CC="$cc" -j "$jobs" "$@"
}

# build_dir <flavour>: its objects; measure shares them with plain, of which it changes few
build_dir()
{
	case $1 in
	plain | measure) echo "$work/build" ;;
	lockstat | debug) echo "$work/build-$1" ;;
	*) usage_error "no flavour named $1: plain, measure, lockstat, debug" ;;
	esac
}

# The fragments of a flavour's configuration.
build_fragments()
{
	echo "$patch_dir/config"
	[ ! -f "$patch_dir/measure/$1.config" ] || echo "$patch_dir/measure/$1.config"
}

build_measure_files()
{
	sed -n 's,^+++ b/,,p' "$patch_dir"/measure/*.patch | sort -u
}

# put_flavour <flavour> <variant>: the tree as that is built. What only the measurement patches touch is kept as
# packaged, to be put back.
put_flavour()
{
	local file dir=$work/measure patch

	rm -rf "$dir"
	mkdir -p "$dir"
	(cd "$work/variants/$2" && tar -c .) | tar -x -C "$dir"
	while IFS= read -r file; do
		! grep -qxF "$file" "$work/variants/files" || continue
		[ -f "$work/packaged/$file" ] || install -D -m 644 "$work/linux/$file" "$work/packaged/$file"
		install -D -m 644 "$work/packaged/$file" "$dir/$file"
	done < <(build_measure_files)
	if [ "$1" = measure ]; then
		for patch in "$patch_dir"/measure/*.patch; do
			quiet "$work/logs/measure-$2" patch -p1 --no-backup-if-mismatch -d "$dir" -i "$patch" ||
				die "${patch##*/} does not apply to $2"
		done
	fi
	(cd "$dir" && find . -type f) | while IFS= read -r file; do
		cmp -s "$dir/$file" "$work/linux/$file" || cp "$dir/$file" "$work/linux/$file"
	done
}

# build_configure <flavour>
build_configure()
{
	local dir stamp fragments

	dir=$(build_dir "$1")
	mapfile -t fragments < <(build_fragments "$1")
	stamp=$(fingerprint "${fragments[@]}")
	! is_done "config-${dir##*/}" "$stamp" || return 0
	rm -f "$work/stamps/config-${dir##*/}"
	configure_kernel "$dir" "${fragments[@]}"
	set_done "config-${dir##*/}" "$stamp"
}

# What a kernel of a flavour and variant is made from.
build_print()
{
	local patches fragments

	mapfile -t fragments < <(build_fragments "$1")
	mapfile -t patches < <(variant_patches "$2" | sed "s,^,$patch_dir/,")
	[ "$1" != measure ] || patches+=("$patch_dir"/measure/*.patch)
	fingerprint "${fragments[@]}" "${patches[@]}"
}

# build_kernel <flavour> <variant>
build_kernel()
{
	local flavour=$1 variant=$2 dir stamp

	stamp=$(build_print "$flavour" "$variant")
	if [ -f "$work/kernels/$flavour/$variant" ] && is_done "build-$flavour-$variant" "$stamp"; then
		return 0
	fi
	dir=$(build_dir "$flavour")
	build_configure "$flavour"
	put_flavour "$flavour" "$variant"
	say "building $flavour $variant: half a minute, and the first one about 10 minutes"
	quiet "$work/logs/build-$flavour-$variant" build_make "$dir" bzImage || {
		echo "build $flavour $variant: FAILED"
		return 1
	}
	mkdir -p "$work/kernels/$flavour"
	cp "$dir/arch/x86/boot/bzImage" "$work/kernels/$flavour/$variant"
	sed -n 's/^#define UTS_VERSION "\(.*\)"$/\1/p' "$dir/include/generated/utsversion.h" \
		>"$work/kernels/$flavour/$variant.version"
	set_done "build-$flavour-$variant" "$stamp"
	echo "build $flavour $variant: ok"
}

# Everything that build_kernel() wants to be there.
build_prepare()
{
	run_stage apply
	need_programs bc=bc bison=bison flex=flex gcc=gcc make=make patch=patch
	full_tree
	load_stage compile
}

build_stage()
{
	local variant flavour status=0

	build_prepare
	for flavour in "${@:-plain}"; do
		for variant in $(variants); do
			build_kernel "$flavour" "$variant" || status=1
		done
	done
	return "$status"
}
