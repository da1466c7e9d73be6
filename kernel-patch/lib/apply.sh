# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# apply.sh - every variant's patches apply with git am, and please checkpatch
# shellcheck disable=SC2154

apply_about()
{
	cat <<'EOT'
every variant's patches apply with git am to the package's source, checkpatch --strict finds nothing
Needs linux-source-6.12, git, perl, xz-utils; 10 seconds, of which all but one go into unpacking, once.
EOT
}
