# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# apply.sh - every variant's patches apply with git am, and checkpatch has nothing to say
#
# Leaves in the work directory: tree/, a git repository of the files that it takes, with one branch a variant;
# variants/NAME/, the patched files of each; variants/files, which those are.
# shellcheck disable=SC2154

apply_about()
{
	cat <<'EOT'
every variant's patches apply with git am to the package's source, checkpatch --strict finds nothing
Needs linux-source-6.12, git, perl, xz-utils; 15 seconds, of which all but four go into unpacking, once.
EOT
}

# All patches of kernel-patch/, also those of no variant.
all_patches()
{
	(cd "$patch_dir" && printf '%s\n' [0-9]*.patch)
}

# What the patches touch; they add no files.
patched_files()
{
	all_patches | (cd "$patch_dir" && xargs sed -n 's,^+++ b/,,p') | sort -u
}

apply_git()
{
	env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE git -C "$work/tree" -c user.name=verify -c user.email=verify@localhost -c core.autocrlf=false -c gc.auto=0 \
		-c commit.gpgsign=false -c core.hooksPath=/dev/null -c advice.detachedHead=false "$@"
}

# Unpacks what git am and checkpatch read, and no more: reading all of the package takes long enough.
apply_unpack()
{
	local top files=() stamp

	stamp=$(fingerprint "$work/variants/files")
	[ ! -d "$work/tree/.git" ] || ! is_done tree "$stamp" || return 0
	say "unpacking what the patches touch: about 10 seconds"
	mapfile -t files <"$work/variants/files"
	rm -rf "$work/tree"
	mkdir -p "$work/tree"
	top=$(tar -tf "$source_tar" 2>/dev/null | head -n 1 | cut -d / -f 1) || true
	unpack "$work/tree" --strip-components=1 --occurrence=1 "${files[@]/#/$top/}" \
		"$top"/scripts/{checkpatch.pl,spelling.txt,const_structs.checkpatch} ||
		die "$source_tar lacks a file that the patches touch"
	apply_git init -q -b source
	apply_git add -f .
	apply_git commit -q -m 'as packaged'
	set_done tree "$stamp"
}

# apply_variant <variant>: its branch, from the packaged source, and its files
apply_variant()
{
	local variant=$1 file patches=()

	mapfile -t patches < <(variant_patches "$variant")
	apply_git checkout -q -f -B "$variant" source
	if [ ${#patches[@]} -gt 0 ]; then
		quiet "$work/logs/apply-$variant" apply_git am -q "${patches[@]/#/$patch_dir/}" || {
			apply_git am --abort >/dev/null 2>&1
			return 1
		}
	fi
	mkdir -p "$work/variants/$variant"
	while IFS= read -r file; do
		install -D -m 644 "$work/tree/$file" "$work/variants/$variant/$file" || return 1
	done <"$work/variants/files"
}

# The coding style is the kernel's, and so is who judges it.
apply_checkpatch()
{
	quiet "$work/logs/checkpatch-${1%.patch}" "$work/tree/scripts/checkpatch.pl" --no-tree --strict \
		--no-summary --terse --show-types "$patch_dir/$1"
}

apply_stage()
{
	local variant patch stamp status=0

	need_source
	need_programs git=git perl=perl xz=xz-utils
	stamp=$(fingerprint "$patch_dir/variants" "$patch_dir/lib/apply.sh" "$patch_dir"/[0-9]*.patch)
	if is_done apply "$stamp"; then
		say "apply: done before"
		return 0
	fi
	mkdir -p "$work/variants"
	patched_files >"$work/variants/files"
	apply_unpack
	for variant in $(all_variants); do
		if apply_variant "$variant"; then
			echo "apply $variant: ok"
		else
			echo "apply $variant: FAILED"
			status=1
		fi
	done
	apply_git checkout -q -f source
	for patch in $(all_patches); do
		if apply_checkpatch "$patch"; then
			echo "checkpatch $patch: ok"
		else
			echo "checkpatch $patch: FAILED"
			status=1
		fi
	done
	[ "$status" -ne 0 ] || set_done apply "$stamp"
	return "$status"
}
