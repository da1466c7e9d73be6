# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compile.sh - what is patched compiles, and gives no warning that the source does not give by itself
# shellcheck disable=SC2154

compile_about()
{
	cat <<'EOT'
drivers/iommu and drivers/nvme of every variant, W=1 and sparse: no warning that the plain source does not give
Needs what apply needs, and bc, bison, flex, gcc, libelf-dev, make, sparse; 1.7 GB; 3 minutes on two CPUs.
EOT
}

compile_make()
{
	make -C "$work/linux" O="$work/compile" -j "$jobs" "$@"
}

# configure_kernel <build directory> <fragment>...: tinyconfig with those on top; every line of theirs must hold
configure_kernel()
{
	local dir=$1 line fragment bad=()

	shift
	mkdir -p "$dir"
	quiet "$dir.log" make -C "$work/linux" O="$dir" tinyconfig || die "tinyconfig failed"
	(cd "$dir" && quiet "$dir.log" "$work/linux/scripts/kconfig/merge_config.sh" -m -O . .config "$@") ||
		die "merge_config.sh failed"
	quiet "$dir.log" make -C "$work/linux" O="$dir" olddefconfig || die "olddefconfig failed"
	for fragment in "$@"; do
		while IFS= read -r line; do
			case $line in
			CONFIG_* | '# CONFIG_'*) grep -qxF "$line" "$dir/.config" || bad+=("$line") ;;
			esac
		done <"$fragment"
	done
	[ ${#bad[@]} -eq 0 ] || die "this kernel does not take: ${bad[*]}"
}

# compile_warnings <log>: what the compiler and sparse said, without line numbers, which patches move
compile_warnings()
{
	sed -n -E "s,^$work/linux/,,; s,^([^ :]+):[0-9]+:([0-9]+:)? ((fatal )?error|warning): ,\1: \3: ,p" "$1" | sort
}

# compile_variant <variant>: 1 if it does not compile, or says something new; what it says stays in logs/
compile_variant()
{
	local log=$work/logs/compile-$1 new

	put_variant "$1" "$work/linux"
	# Whatever is patched is compiled, and says what it has to say, in this run.
	(cd "$work/linux" && xargs touch) <"$work/variants/files"
	if ! compile_make W=1 C=1 CHECK=sparse drivers/iommu/ drivers/nvme/ >"$log" 2>&1 </dev/null; then
		tail -n 40 "$log" >&2
		echo "compile $1: FAILED, all of it: $log"
		return 1
	fi
	[ "$1" != dynamic ] || compile_warnings "$log" >"$work/compile/warnings"
	new=$(comm -13 "$work/compile/warnings" <(compile_warnings "$log"))
	if [ -n "$new" ]; then
		echo "compile $1: FAILED, new warnings:"
		printf '%s\n' "$new"
		return 1
	fi
	echo "compile $1: ok"
}

compile_stage()
{
	local variant patches stamp status=0

	run_stage apply
	need_programs bc=bc bison=bison flex=flex gcc=gcc make=make sparse=sparse
	full_tree
	stamp=$(fingerprint "$patch_dir/config" "$patch_dir/lib/compile.sh")
	if ! is_done compile-config "$stamp"; then
		say "configuring: about 15 seconds"
		rm -rf "$work/compile"
		configure_kernel "$work/compile" "$patch_dir/config"
		quiet "$work/logs/prepare" compile_make prepare || die "make prepare failed"
		set_done compile-config "$stamp"
	fi
	for variant in $(variants); do
		mapfile -t patches < <(variant_patches "$variant")
		stamp=$(cd "$patch_dir" && fingerprint config lib/compile.sh "${patches[@]}")
		if is_done "compile-$variant" "$stamp"; then
			say "compile $variant: done before"
		elif compile_variant "$variant"; then
			set_done "compile-$variant" "$stamp"
		else
			status=1
		fi
	done
	return "$status"
}
