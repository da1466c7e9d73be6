# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# guest.sh - the initramfs, and QEMU with VT-d and two NVMe devices
# shellcheck disable=SC2154

need_guest()
{
	need_programs busybox=busybox-static cpio=cpio fio=fio gcc=gcc gzip=gzip jq=jq make=make \
		qemu-system-x86_64=qemu-system-x86 timeout=coreutils
	! ldd "$(command -v busybox)" >/dev/null 2>&1 || skip "busybox is not a static one: install busybox-static"
}

# guest_program <output> <source> <header of the kernel>...: what runs in the guest, with headers that user space lacks
guest_program()
{
	local out=$1 source=$2 header

	shift 2
	mkdir -p "$work/guest-include/linux"
	for header in "$@"; do
		cp "$work/linux/$header" "$work/guest-include/linux/"
	done
	quiet "$work/logs/${out##*/}" gcc -O2 -static -pthread -D __user= -I "$work/guest-include" -o "$out" "$source" ||
		die "${source##*/} does not compile"
}

# make_initramfs: $work/initramfs.gz, with BusyBox, fio, its libraries and our init
make_initramfs()
{
	local dir=$work/initramfs file stamp program

	full_tree
	stamp=$(fingerprint "$patch_dir"/guest/* "$patch_dir/lib/guest.sh" "$(command -v fio)" "$(command -v busybox)")
	[ ! -f "$work/initramfs.gz" ] || ! is_done initramfs "$stamp" || return 0
	say "packing the initramfs: a few seconds"
	rm -rf "$dir"
	mkdir -p "$dir"/{bin,dev,proc,sys,tmp,lib64}
	cp "$(command -v busybox)" "$dir/bin/busybox"
	for program in $(busybox --list); do
		[ "$program" = busybox ] || ln -sf busybox "$dir/bin/$program"
	done
	cp "$(command -v fio)" "$dir/bin/fio"
	ldd "$(command -v fio)" | grep -o '/[^ ]*' | while IFS= read -r file; do
		install -D -m 755 "$file" "$dir$file" || return 1
	done
	guest_program "$dir/bin/dma_map_benchmark" "$work/linux/tools/testing/selftests/dma/dma_map_benchmark.c" \
		include/linux/map_benchmark.h
	guest_program "$dir/bin/attach_stress" "$patch_dir/guest/attach_stress.c" include/uapi/linux/vfio.h \
		include/uapi/linux/iommufd.h
	install -m 755 "$patch_dir/guest/init" "$dir/init"
	(cd "$dir" && find . | cpio -o -H newc --quiet -R 0:0 | gzip -1) >"$work/initramfs.new"
	mv "$work/initramfs.new" "$work/initramfs.gz"
	set_done initramfs "$stamp"
}

# Emulation unless the processor really has what KVM needs: /dev/kvm alone says too little.
guest_accel()
{
	if grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
		echo kvm
	else
		echo tcg
	fi
}

# guest_devices <placement>: the two NVMe devices
#   shared    two functions of one slot: one IOMMU group
#   switch    behind a switch without ACS: one group, and closest to "under the same PCIe bridge"
#   separate  a root port each: two groups
#   attach    separate, a third device in a group of its own, and one that has ATS and no driver
guest_devices()
{
	local n last=1

	[ "$1" != attach ] || last=2
	for ((n = 0; n <= last; n++)); do
		printf '%s\n' -blockdev "driver=null-co,node-name=d$n,size=68719476736,read-zeroes=off"
	done
	case $1 in
	shared)
		printf '%s\n' -device nvme,drive=d0,serial=s0,addr=4.0,multifunction=on \
			-device nvme,drive=d1,serial=s1,addr=4.1
		;;
	switch)
		printf '%s\n' -device pcie-root-port,id=root,slot=1,disable-acs=true -device x3130-upstream,id=up,bus=root
		for n in 0 1; do
			printf '%s\n' -device "xio3130-downstream,id=down$n,bus=up,chassis=$((n + 2))" \
				-device "nvme,drive=d$n,serial=s$n,bus=down$n"
		done
		;;
	separate | attach)
		for ((n = 0; n <= last; n++)); do
			printf '%s\n' -device "pcie-root-port,id=root$n,slot=$((n + 1))" \
				-device "nvme,drive=d$n,serial=s$n,bus=root$n"
		done
		[ "$1" != attach ] || printf '%s\n' -device pcie-root-port,id=root9,slot=9 \
			-device virtio-rng-pci,bus=root9,disable-legacy=on,iommu_platform=on,ats=on
		;;
	*) die "no placement named $1" ;;
	esac
}

# guest_run <log> <kernel> <seconds> <caching mode: 0, 1> <placement> <lazy|strict> <clock> <parameter>...
#
# The clock is "host", or the nanoseconds of an instruction, a power of two: the guest's time is then its instructions,
# whatever else the host does, and the same in each run. It has one CPU if an instruction takes 1 ns, else two.
# Boots, with a time limit, and leaves the console in the log. Fails unless the guest says that it got to its end,
# in the placement that was asked for, without a fault or a splat.
guest_run()
{
	local log=$1 kernel=$2 limit=$3 cm=$4 placement=$5 invalidation=$6 clock=$7 args accel ats status=0

	shift 7
	# shellcheck disable=SC2054 # QEMU's commas
	args=(-machine q35,kernel-irqchip=split -m 2G -nodefaults -no-user-config -display none -no-reboot
		-action panic=exit-failure)
	accel=$(guest_accel)
	case $clock in
	host) [ "$accel" = kvm ] && args+=(-accel kvm -cpu host -smp 2) || args+=(-accel "tcg,thread=multi" -cpu max -smp 2) ;;
	1) args+=(-accel "tcg,thread=single" -cpu max -smp 1 -icount "shift=0,sleep=off") ;;
	8) args+=(-accel "tcg,thread=single" -cpu max -smp 2 -icount "shift=3,sleep=off") ;;
	*) die "no clock $clock" ;;
	esac
	[ "$cm" = 1 ] && cm=on || cm=off
	[ "$placement" = attach ] && ats=on || ats=off
	args+=(-device "intel-iommu,intremap=on,caching-mode=$cm,device-iotlb=$ats")
	mapfile -t -O ${#args[@]} args < <(guest_devices "$placement")
	[ "$invalidation" = strict ] && invalidation=1 || invalidation=0
	# On a busy host the emulated timer is late, which the kernel takes for broken hardware.
	args+=(-kernel "$kernel" -initrd "$work/initramfs.gz" -append "console=ttyS0 quiet intel_iommu=on \
iommu.passthrough=0 iommu.strict=$invalidation panic=-1 no_timer_check tsc=reliable $*")
	mkdir -p "$(dirname "$log")"
	printf '%s ' qemu-system-x86_64 "${args[@]}" >"$log.command"
	rm -f "$log" "$log.new"
	timeout --foreground --kill-after=10 "$limit" qemu-system-x86_64 "${args[@]}" -serial "file:$log.new" \
		>"$log.qemu" 2>&1 </dev/null || status=$?
	[ ! -f "$log.new" ] || tr -d '\r' <"$log.new" >"$log.failed"
	rm -f "$log.new"
	if guest_ok "$log.failed" "$placement" "$kernel.version"; then
		mv "$log.failed" "$log"
		return 0
	fi
	grep '^verify' "$log.failed" | tail -n 5 >&2
	tail -n 5 "$log.failed" "$log.qemu" >&2
	[ "$status" -ne 124 ] || say "no end after $limit s"
	return 1
}

# guest_ok <log> <placement> <file with the kernel's version>
guest_ok()
{
	[ -f "$1" ] || return 1
	# A compiler's cache has put the kernel of another variant into an image before.
	[ "$(sed -n 's/^verify version //p' "$1")" = "$(cat "$3")" ] || {
		say "the guest ran another kernel than was built"
		return 1
	}
	awk -v placement="$2" '
		$1 != "verify" { next }
		$2 == "end" && $3 == "ok" { end = 1 }
		$2 == "device" { group[$3] = $6 }
		($2 == "faults" || $2 == "splats") && $3 != 0 { print "verify: " $3 " " $2 >"/dev/stderr"; bad = 1 }
		END {
			shared = group["nvme0"] == group["nvme1"]
			if (end && shared != (placement == "shared" || placement == "switch")) {
				print "verify: not the IOMMU groups that were asked for" >"/dev/stderr"
				bad = 1
			}
			exit !end || bad
		}' "$1"
}
