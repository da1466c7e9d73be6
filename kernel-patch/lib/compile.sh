# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compile.sh - what is patched compiles, and gives no warning that the source does not give by itself
# shellcheck disable=SC2154

compile_about()
{
	cat <<'EOT'
drivers/iommu and drivers/nvme of every variant, W=1 and sparse: no warning that the plain source has not
Needs what apply needs, and bc, bison, flex, gcc, libelf-dev, make, sparse; about 4 minutes on two CPUs.
EOT
}
