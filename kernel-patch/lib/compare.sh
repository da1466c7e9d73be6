# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compare.sh - the simulator against what was measured, and its structs against the kernel's
# shellcheck disable=SC2154

COMPARED='iotlb_sync_map cache_tag_flush_range_np cache_tag_flush_range cache_tag_flush_all qi_submit_sync
iommu_flush_write_buffer'

compare_about()
{
	cat <<'EOT'
calls per I/O beside the simulator's, the layout of its structs beside the kernel's, and tables of what else has been
measured; "-- record" writes them to docs/kernel/; "-- calls", layout, lockstat or instructions does one of them only
Needs what measure needs, pahole, and simbench, built with ./dev build (or SIMBENCH, its path); seconds.
EOT
}

compare_simbench()
{
	simbench=${SIMBENCH:-$root/build/release/simbench}
	[ -x "$simbench" ] || skip "no $simbench: ./dev build"
}

# simulator_policy <variant>: the options that make the simulator do what the variant does
simulator_policy()
{
	case $1 in
	dynamic | always | static) echo "--policy $1" ;;
	layout) echo '--policy dynamic --layout padded' ;;
	# The order of attach makes no difference to what maps and unmaps call.
	tags-first) echo '--policy static' ;;
	invs | all) echo '--policy invs' ;;
	*) die "variant $1: the simulator's options for it are not known" ;;
	esac
}

# simulator_command <calls/*.json>: the same setting there
simulator_command()
{
	local variant placement cap ecap invalidation rwbf rate

	IFS=$'\t' read -r variant placement cap ecap invalidation rwbf rate < <(jq -r '
		[.variant, .placement, .cap, .ecap, .invalidation, .rwbf, (.iops / 2 | round)] | @tsv' "$1")
	[ "$placement" = separate ] || placement=shared
	printf 'run --devices 2 --jobs 2 --iodepth 32 --units shared --bridge %s %s --cap %s --ecap %s ' \
		"$placement" "$(simulator_policy "$variant")" "$cap" "$ecap"
	[ "$rwbf" = 0 ] || printf -- '--rwbf 1 '
	printf -- "--invalidation %s --machine 'core:2 pu:1' --device-iops %s --runtime 2s --warmup 200ms --repetitions 1\n" \
		"$invalidation" "$rate"
}

# How many times as long as 10 ms the kernel takes for 10 ms: timers run on ticks, of which there are CONFIG_HZ a second,
# and end with the first tick after the last one that they asked for. The simulator's end when asked for.
timer_stretch()
{
	sed -n 's/^CONFIG_HZ=//p' "$work/build/.config" | awk '{ ticks = int((10 * $1 + 999) / 1000) + 1; print ticks * 100 / $1 }'
}

# compare_one <calls/*.json>: a line of JSON for each function
compare_one()
{
	local command

	command=$(simulator_command "$1")
	eval '"$simbench"' "$command --output-format json" | jq -c --slurpfile kernel "$1" --arg functions "$COMPARED" \
		--arg command "simbench $command" --argjson stretch "$(timer_stretch)" '
		$kernel[0] as $k | .results[0].per_io as $s
		| ($k.domain_type == "DMA-FQ") as $lazy
		| ($functions | gsub("\n"; " ") | split(" ") | .[]) as $f
		| ($k.calls[if $f == "iotlb_sync_map" then "intel_iommu_iotlb_sync_map" else $f end] / $k.ios) as $real
		| $s[$f] as $simulated
		| (if $lazy and ($f == "cache_tag_flush_all" or $f == "qi_submit_sync") then "timer" else "call" end) as $kind
		| (if $kind == "timer" then $simulated / $stretch else $simulated end) as $expected
		| ([$real, $expected] | max) as $max | ([$real, $expected] | min) as $min
		| {variant: $k.variant, cm: $k.cm, rwbf: $k.rwbf, placement: $k.placement, invalidation: $k.invalidation,
		   domain_type: $k.domain_type, ios: $k.ios, iops: $k.iops, function: $f, kernel: $real,
		   simulator: $simulated, expected: $expected, kind: $kind,
		   agrees: (if $kind == "timer" then $max <= 1.5 * $min else $max - $min <= 0.02 * $max end),
		   command: $command}'
}

compare_csv()
{
	jq -rs '
		["variant", "cm", "rwbf", "placement", "invalidation", "domain_type", "ios", "iops", "function", "kernel",
		 "simulator", "expected", "kind", "agrees"] as $keys
		| $keys, (.[] | [.[$keys[]]]) | @csv' "$1" | tr -d '"'
}

# A row for each setting, real/simulated for each function; what differs is marked.
compare_table()
{
	jq -r '[.variant, "cm=\(.cm)", (if .rwbf == 1 then "rwbf" else "-" end), .placement, .invalidation,
		.domain_type, .function,		.kernel, .expected, .agrees] | @tsv' "$1" | awk -F '\t' -v functions="$COMPARED" '
		function short(x) { return sprintf(x == 0 ? "0" : x < 0.1 ? "%.5f" : "%.4f", x) }
		BEGIN {
			count = split(functions, name, /[ \n]+/)
			printf "%-11s %-5s %-5s %-9s %-7s %-7s", "variant", "", "", "placement", "asked", "domain"
			for (n = 1; n <= count; n++)
				printf " %24s", name[n]
			printf "\n"
		}
		{
			key = sprintf("%-11s %-5s %-5s %-9s %-7s %-7s", $1, $2, $3, $4, $5, $6)
			if (key != last) {
				if (last != "")
					print line
				last = key
				line = key
			}
			line = line sprintf(" %24s", short($8) " / " short($9) ($10 == "true" ? "" : " DIFFERS"))
		}
		END { print line }'
}

# compare_context <one of the measurements> <stages that make them>: how the data came about
compare_context()
{
	jq -rn --slurpfile first "$1" --arg command "kernel-patch/verify $2" --arg date "$(date -u -r "$1" +%F)" \
		--arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" --arg cpus "$(nproc)" \
		--arg qemu "$(qemu-system-x86_64 --version | head -n 1)" --arg fio "$(fio --version)" \
		--arg gcc "$(gcc -dumpfullversion)" --arg accel "$(guest_accel)" '
		$first[0] as $k |
		"command   \($command)",
		"date      \($date)",
		"machine   \($cpus) CPUs, \($cpu); the guest has \(if $k.instructions then 1 else 2 end), \($qemu), accelerator \($accel)",
		"kernel    Linux \($k.kernel) from \("linux-source-6.12"), gcc \($gcc), kernel-patch/config",
		(if $k.cap then "unit      cap \($k.cap), ecap \($k.ecap)" else empty end),
		(if $k.ios then "workload  \($fio): 4k randread, libaio, iodepth 32, 2 jobs on each of 2 devices"
		 else empty end)'
}

compare_calls()
{
	local file bad

	mkdir -p "$work/compare"
	: >"$work/compare/calls.jsonl"
	for file in $(compare_files); do
		compare_one "$file" >>"$work/compare/calls.jsonl" || die "the simulator did not run"
	done
	[ -s "$work/compare/calls.jsonl" ] || die "nothing has been measured: kernel-patch/verify measure"
	compare_csv "$work/compare/calls.jsonl" >"$work/compare/calls.csv"
	{
		echo 'Calls per I/O: real / simulated'
		echo
		compare_context "$(compare_files | head -n 1)" 'measure compare -- calls'
		echo
		compare_table "$work/compare/calls.jsonl"
	} >"$work/compare/calls.txt"
	cat "$work/compare/calls.txt"
	bad=$(jq -c 'select(.agrees | not)' "$work/compare/calls.jsonl" | wc -l)
	echo "compare calls: $(wc -l <"$work/compare/calls.jsonl") rates, $bad differ"
	[ "$bad" -eq 0 ]
}

# What has been measured of the chosen variants, in a fixed order.
compare_files()
{
	local variant cm placement invalidation rwbf

	for variant in $(variants); do
		while read -r cm placement invalidation rwbf; do
			printf '%s\n' "$work/calls/$variant-cm$cm-$placement-$invalidation-rwbf$rwbf.json"
		done < <(calls_settings | sort)
	done | while IFS= read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done
}

# layout_object <object>: the kernel's, compiled once more as it was, but with what pahole reads; prints where it is
layout_object()
{
	local command out=$work/layout/${1//\//-}

	mkdir -p "$work/layout"
	command=$(sed -n 's/^savedcmd_[^ ]* := //p' "$work/build/${1%/*}/.${1##*/}.cmd")
	# Up to the first of what is done to the object afterwards, and with another name to write to.
	command=${command%% ; *}
	command="${command/ -o $1 / -g -o $out } -Wp,-MMD,/dev/null"
	(cd "$work/build" && quiet "$work/logs/layout" bash -c "$command") || die "$1 does not compile with -g"
	echo "$out"
}

# struct_offsets <object> <struct>: "field offset size" of each member, those of nested structs as a.b, and "size"
struct_offsets()
{
	local all

	all=$(pahole -E -C "$2" "$1" 2>/dev/null) || true
	[ -n "$all" ] || die "pahole finds no struct $2 in $1"
	awk -f "$patch_dir/lib/pahole.awk" <<<"$all"
}

# Bit fields: the enumerators as "NAME bit".
enum_bits()
{
	pahole -C "$2" "$1" 2>/dev/null | awk '$2 == "=" { v = $3 + 0; for (b = 0; v > 1; b++) v /= 2; print $1, b }'
}

# layout_fields <struct> <field>...: "struct field offset size simulator-offset simulator-size agrees"
layout_fields()
{
	local struct=$1

	shift
	printf '%s\n' "$@" | awk -v struct="$struct" -v kernel="$work/layout/kernel" -v model="$work/layout/model" \
		-v bits="$work/layout/bits" '
		BEGIN {
			while ((getline line <kernel) > 0) { split(line, f, " "); ko[f[1]] = f[2]; ks[f[1]] = f[3] }
			while ((getline line <model) > 0) { split(line, f, " "); mo[f[1]] = f[2]; ms[f[1]] = f[3] }
			while ((getline line <bits) > 0) { split(line, f, " "); bit[f[1]] = f[2] }
		}
		{
			loose = sub(/~$/, "")
			name = mine = $1
			mask = ""
			if (name ~ /@/) {
				split(name, part, /[@=]/)
				name = part[1]
				mine = part[2]
				mask = part[3]
			} else if (name ~ /=/) {
				split(name, part, "=")
				name = part[1]
				mine = part[2]
			}
			if (!(name in ko))
				ko[name] = ks[name] = "none"
			if (!(mine in mo))
				mo[mine] = ms[mine] = "none"
			o = mo[mine]
			s = ms[mine]
			if (mask != "") {
				o = mo[mine] "." bit[mask]
				# A mask of the first byte; pahole gives the declared unit and the first bit in it.
				if (!(mask in bit))
					o = "none"
			}
			ok = ko[name] != "none" && ko[name] "" == o "" && (loose || ks[name] "" == s "")
			print struct, name, ko[name], ks[name], o, s, (ok ? "true" : "false")
		}'
}

compare_layout()
{
	local struct object fields table bad

	build_kernel plain dynamic
	put_flavour plain dynamic
	mkdir -p "$work/compare" "$work/layout"
	table=$work/layout/table
	: >"$table"
	while read -r struct object fields; do
		[ -f "$work/layout/${object//\//-}.new" ] || {
			layout_object "$object" >/dev/null
			touch "$work/layout/${object//\//-}.new"
		}
		struct_offsets "$work/layout/${object//\//-}" "$struct" >"$work/layout/kernel"
		struct_offsets "$simbench" "$struct" >"$work/layout/model"
		enum_bits "$simbench" domain_flag >"$work/layout/bits"
		# shellcheck disable=SC2086
		layout_fields "$struct" $fields >>"$table"
	done < <(grep -v '^#' "$patch_dir/layout")
	rm -f "$work/layout"/*.new
	{
		echo struct,field,kernel_offset,kernel_size,simulator_offset,simulator_size,agrees
		tr ' ' , <"$table"
	} >"$work/compare/layout.csv"
	{
		echo "Offsets and sizes of fields, in bytes (a bit field's is byte.bit): in the kernel's structs and the simulator's"
		echo
		echo "command   kernel-patch/verify compare -- layout"
		echo "kernel    Linux $(make -s -C "$work/linux" kernelversion), gcc $(gcc -dumpfullversion), kernel-patch/config," \
			"pahole $(pahole --version)"
		echo
		printf '%-20s %-22s %7s %5s   %9s %5s\n' struct field kernel size simulator size
		awk '{ printf "%-20s %-22s %7s %5s   %9s %5s%s\n", $1, $2, $3, $4, $5, $6, $7 == "true" ? "" : "  DIFFERS" }' \
			"$table"
	} >"$work/compare/layout.txt"
	cat "$work/compare/layout.txt"
	bad=$(grep -c ' false$' "$table" || true)
	echo "compare layout: $(wc -l <"$table") fields, $bad differ"
	[ "$bad" -eq 0 ]
}

# compare_table_of <kind> <title> <jq filter that makes rows, the first of them names>: what was only measured
compare_table_of()
{
	local files

	mapfile -t files < <(find "$work/$1" -name '*.json' 2>/dev/null | sort)
	[ ${#files[@]} -gt 0 ] || {
		say "nothing measured: kernel-patch/verify measure -- $1"
		return 0
	}
	mkdir -p "$work/compare"
	cat "${files[@]}" | jq -rs "[$3] | .[] | @csv" | tr -d '"' >"$work/compare/$1.csv"
	{
		echo "$2"
		echo
		compare_context "${files[0]}" "measure -- $1"
		echo
		column -t -s , "$work/compare/$1.csv"
	} >"$work/compare/$1.txt"
	cat "$work/compare/$1.txt"
}

compare_instructions()
{
	compare_table_of instructions 'Instructions of one dma_map_single() and one dma_unmap_single() of a page, two clock reads included' '
		["variant", "cm", "rwbf", "invalidation", "domain_type", "map_min", "map_median", "unmap_min", "unmap_median",
		 "calls"],
		(.[] | [.variant, .cm, .rwbf, .invalidation, .domain_type, .instructions.map.min, .instructions.map.median,
		 .instructions.unmap.min, .instructions.unmap.median, .instructions.map.calls])'
}

compare_lockstat()
{
	compare_table_of lockstat 'Contention of cache_lock, by lock_stat' '
		["variant", "placement", "invalidation", "ios", "acquisitions", "contentions", "contended_pct", "wait_avg_us",
		 "hold_avg_us"],
		(.[] | [.variant, .placement, .invalidation, .ios, .cache_lock.acquisitions, .cache_lock.contentions,
		 (if .cache_lock.acquisitions > 0 then
			(.cache_lock.contentions / .cache_lock.acquisitions * 10000 | round / 100) else 0 end),
		 .cache_lock.wait_avg_us // 0, .cache_lock.hold_avg_us // 0])'
}

compare_stage()
{
	local what=() record=false status=0 arg

	for arg in "$@"; do
		case $arg in
		record) record=true ;;
		calls | layout | instructions | lockstat) what+=("$arg") ;;
		*) usage_error "compare: no $arg: calls, layout, instructions, lockstat, record" ;;
		esac
	done
	[ ${#what[@]} -gt 0 ] || what=(calls layout instructions lockstat)
	load_stage measure
	load_stage boot
	boot_load
	compare_simbench
	need_programs jq=jq pahole=dwarves
	for arg in "${what[@]}"; do
		"compare_$arg" || status=1
		if "$record" && [ -f "$work/compare/$arg.csv" ]; then
			install -D -m 644 -t "$root/docs/kernel" "$work/compare/$arg".{csv,txt}
		fi
	done
	return "$status"
}
