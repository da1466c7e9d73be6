# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# boot.sh - every variant boots, in each setting, and reads from both devices through the IOMMU without a fault
# shellcheck disable=SC2154

# Seconds that a guest may take; it takes 15 on two idle CPUs.
BOOT_LIMIT=${VERIFY_BOOT_LIMIT:-180}

boot_about()
{
	cat <<'EOT'
every variant in QEMU, caching mode off and on, both devices in one IOMMU group (functions of one slot; a switch without
ACS) and in two (a root port each): reads through the IOMMU, no DMA fault, no splat; "-- attach": devices come and go
through VFIO and iommufd while their page table is mapped; "-- refuse": what an attach that does not fit gives; "-- debug":
attach with KASAN, lockdep and PROVE_RCU
Needs what build needs, and busybox-static, cpio, fio, jq, qemu-system-x86; 15 seconds a boot, 10 minutes in all.
VERIFY_BOOT_LIMIT is the time limit of each in seconds (180).
EOT
}

# What a guest's run depends on.
guest_print()
{
	fingerprint "$work/kernels/$1" "$patch_dir"/guest/* "$patch_dir/lib/guest.sh"
}

# once <name> <kernel> <command>...: runs it unless that has been done with this kernel and guest
once()
{
	local name=$1 stamp

	stamp=$(guest_print "$2")
	shift 2
	if is_done "$name" "$stamp"; then
		return 0
	fi
	"$@" || return 1
	set_done "$name" "$stamp"
}

# boot_one <variant> <caching mode> <placement>
boot_one()
{
	local name=boot-$1-cm$2-$3

	if once "$name" "plain/$1" guest_run "$work/boot/$1-cm$2-$3" "$work/kernels/plain/$1" "$BOOT_LIMIT" \
		"$2" "$3" lazy host verify_task=boot verify_ios=1000; then
		echo "boot $1 cm=$2 $3: ok"
	else
		echo "boot $1 cm=$2 $3: FAILED: $work/boot/$1-cm$2-$3.failed"
		return 1
	fi
}

boot_prepare()
{
	build_prepare
	need_guest
	make_initramfs
}

boot_load()
{
	load_stage build
	load_stage guest
}

# boot_attach_one <flavour> <variant> <caching mode>
boot_attach_one()
{
	local name=attach-$1-$2-cm$3 limit=$BOOT_LIMIT parameters=()

	# An interrupt while identify_cpu() has forgotten the CPU's features makes KASAN take addresses of five-level page
	# tables for wild ones.
	[ "$1" != debug ] || {
		limit=$((limit * 5))
		parameters=(no5lvl)
	}
	if once "$name" "$1/$2" guest_run "$work/boot/$name" "$work/kernels/$1/$2" "$limit" "$3" attach lazy host \
		verify_task=attach "verify_seconds=${ATTACH_SECONDS:-10}" "${parameters[@]}"; then
		echo "attach $1 $2 cm=$3: ok," \
			"$(awk '$2 == "stress" { print $4, $3 }' "$work/boot/$name" | paste -sd , | sed 's/,/, /g')"
	else
		echo "attach $1 $2 cm=$3: FAILED: $work/boot/$name.failed"
		return 1
	fi
}

# boot_attach <flavour>
boot_attach()
{
	local variant cm status=0

	for variant in $(variants); do
		build_kernel "$1" "$variant" || return 1
		for cm in 0 1; do
			boot_attach_one "$1" "$variant" "$cm" || status=1
		done
	done
	return "$status"
}

# With a flag fixed at allocation -EINVAL (22), and nothing is left behind; with any other 0.
boot_refuse()
{
	local variant expected found status=0

	for variant in $(variants); do
		build_kernel measure "$variant" || return 1
		case " $(variant_patches "$variant" | paste -sd ' ') " in
		*' 0002'*) expected='mismatch 22 own 0 match 0' ;;
		*) expected='mismatch 0 own 0 match 0' ;;
		esac
		found=
		if once "refuse-$variant" "measure/$variant" guest_run "$work/boot/refuse-$variant" \
			"$work/kernels/measure/$variant" "$BOOT_LIMIT" 0 attach lazy host verify_task=refuse; then
			found=$(awk '$2 == "refuse" { print $3, $4 }' "$work/boot/refuse-$variant" | paste -sd ' ')
		fi
		if [ "$found" = "$expected" ]; then
			echo "refuse $variant: ok, $found"
		else
			echo "refuse $variant: FAILED: $found, not $expected"
			status=1
		fi
	done
	return "$status"
}

boot_settings()
{
	local variant cm placement status=0

	for variant in $(variants); do
		build_kernel plain "$variant" || {
			status=1
			continue
		}
		for cm in 0 1; do
			for placement in shared switch separate; do
				boot_one "$variant" "$cm" "$placement" || status=1
			done
		done
	done
	return "$status"
}

boot_stage()
{
	local what status=0

	boot_load
	boot_prepare
	[ $# -gt 0 ] || set -- settings
	for what in "$@"; do
		case $what in
		settings | refuse) "boot_$what" || status=1 ;;
		attach) boot_attach plain || status=1 ;;
		debug) boot_attach debug || status=1 ;;
		*) usage_error "boot: no $what: settings, attach, refuse, debug" ;;
		esac
	done
	return "$status"
}
