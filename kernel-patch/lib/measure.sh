# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# measure.sh - what the functions of the map path are called how often; contention; instructions
#
# Leaves in the work directory, one line of JSON each: calls/*.json, lockstat/*.json, instructions/*.json.
# shellcheck disable=SC2154

measure_about()
{
	cat <<'EOT'
"-- calls": calls per I/O under the function profiler; "-- lockstat": contention of cache_lock; "-- instructions": of a
dma_map and a dma_unmap, counted by the emulator; all three without an argument
Needs what boot needs; 20 seconds a boot: calls 20 minutes, lockstat 5 and another kernel (10), instructions 5.
EOT
}

# guest_json <log>: what the guest reported, but for counts of the kind of measurement
guest_json()
{
	awk '
		$1 != "verify" { next }
		$2 == "kernel" { kernel = $3 }
		$2 == "unit" { cap = $4; ecap = $5 }
		$2 == "device" && $3 == "nvme0" { type = $7 }
		$2 == "ios" { ios = $3 }
		$2 == "iops" { iops = $3 }
		$2 == "faults" { faults = $3 }
		END {
			printf "{\"kernel\":\"%s\",\"cap\":\"0x%s\",\"ecap\":\"0x%s\",\"domain_type\":\"%s\",\"ios\":%d,", \
				kernel, cap, ecap, type, ios
			printf "\"iops\":%.0f,\"faults\":%d}\n", iops, faults
		}' "$1"
}

# calls_json <log>: function -> calls
calls_json()
{
	awk '$1 == "verify" && $2 == "calls" { printf "%s\"%s\":%d", n++ ? "," : "{", $3, $4 } END { print "}" }' "$1"
}

# setting_json <variant> <cm> <placement> <invalidation> <rwbf>
setting_json()
{
	printf '{"variant":"%s","cm":%d,"placement":"%s","invalidation":"%s","rwbf":%d}\n' "$@"
}

# measure_calls_one <variant> <cm> <placement> <invalidation> <rwbf>
measure_calls_one()
{
	local name=$1-cm$2-$3-$4-rwbf$5 flavour=plain parameters=() log clock=host ios=500

	# What a timer sets off needs time to be counted, and a clock that does not depend on what else the host does.
	[ "$2$4" != 0lazy ] || {
		clock=8
		ios=5000
	}
	[ "$5" = 0 ] || {
		flavour=measure
		parameters=(iommu.rwbf_quirk=1)
	}
	log=$work/calls/$name
	guest_run "$log" "$work/kernels/$flavour/$1" "$BOOT_LIMIT" "$2" "$3" "$4" "$clock" \
		verify_task=count "verify_ios=$ios" "${parameters[@]}" || return 1
	jq -cn --argjson s "$(setting_json "$@")" --argjson g "$(guest_json "$log")" \
		--argjson c "$(calls_json "$log")" '$s + $g + {calls: $c}' >"$log.json"
}

# The settings in which a variant's calls are counted: cm placement invalidation rwbf
calls_settings()
{
	local placement invalidation

	for placement in shared separate; do
		for invalidation in lazy strict; do
			echo "0 $placement $invalidation 0"
			echo "1 $placement $invalidation 0"
		done
	done
	echo "0 switch lazy 0"
	echo "0 shared lazy 1"
	echo "0 separate strict 1"
}

measure_calls()
{
	local variant cm placement invalidation rwbf flavour name status=0

	for variant in $(variants); do
		while read -r -u 3 cm placement invalidation rwbf; do
			[ "$rwbf" = 0 ] && flavour=plain || flavour=measure
			build_kernel "$flavour" "$variant" || return 1
			name=$variant-cm$cm-$placement-$invalidation-rwbf$rwbf
			if once "calls-$name" "$flavour/$variant" \
				measure_calls_one "$variant" "$cm" "$placement" "$invalidation" "$rwbf"; then
				jq -r '"calls \(.variant) cm=\(.cm) \(.placement) \(.invalidation) rwbf=\(.rwbf): \(.ios) I/Os"' \
					"$work/calls/$name.json"
			else
				echo "calls $name: FAILED"
				status=1
			fi
		done 3< <(calls_settings)
	done
	return "$status"
}

# lockstat_json <log>: of the domains' lock: what lock_stat says of waits and holds, microseconds
lockstat_json()
{
	awk '
		$1 == "verify" && $2 == "lock" && $3 == "&domain->cache_lock" {
			printf "{\"bounces\":%d,\"contentions\":%d,\"wait_total_us\":%s,\"wait_avg_us\":%s,", $4, $5, $8, $9
			printf "\"acquisition_bounces\":%d,\"acquisitions\":%d,\"hold_total_us\":%s,\"hold_avg_us\":%s}\n", \
				$10, $11, $14, $15
			found = 1
		}
		END { if (!found) print "{\"contentions\":0,\"acquisitions\":0}" }' "$1"
}

# measure_lockstat_one <variant> <placement> <invalidation>
measure_lockstat_one()
{
	local log=$work/lockstat/$1-$2-$3

	guest_run "$log" "$work/kernels/lockstat/$1" "$BOOT_LIMIT" 0 "$2" "$3" host verify_task=lockstat \
		"verify_ios=${LOCKSTAT_IOS:-20000}" || return 1
	jq -cn --argjson s "$(setting_json "$1" 0 "$2" "$3" 0)" --argjson g "$(guest_json "$log")" \
		--argjson l "$(lockstat_json "$log")" '$s + $g + {cache_lock: $l}' >"$log.json"
}

measure_lockstat()
{
	local variant placement invalidation name status=0

	for variant in $(variants); do
		build_kernel lockstat "$variant" || return 1
		for placement in shared separate; do
			for invalidation in lazy strict; do
				name=$variant-$placement-$invalidation
				if once "lockstat-$name" "lockstat/$variant" \
					measure_lockstat_one "$variant" "$placement" "$invalidation"; then
					jq -r '"lockstat \(.variant) \(.placement) \(.invalidation): \(.ios) I/Os, cache_lock " +
						"\(.cache_lock.acquisitions) times, contended \(.cache_lock.contentions)"' \
						"$work/lockstat/$name.json"
				else
					echo "lockstat $name: FAILED"
					status=1
				fi
			done
		done
	done
	return "$status"
}

# measure_instructions_one <variant> <cm> <invalidation> <rwbf>
measure_instructions_one()
{
	local log=$work/instructions/$1-cm$2-$3-rwbf$4 parameters=()

	[ "$4" = 0 ] || parameters=(iommu.rwbf_quirk=1)
	guest_run "$log" "$work/kernels/measure/$1" "$BOOT_LIMIT" "$2" shared "$3" 1 verify_task=mapbench \
		verify_seconds=1 "${parameters[@]}" || return 1
	awk '$1 == "verify" && $2 == "ns" {
		printf "%s\"%s\":{\"min\":%d,\"median\":%d,\"mode\":%d,\"calls\":%d}", n++ ? "," : "{", $3, $5, $7, $9, $11
	} END { print "}" }' "$log" >"$log.ns"
	jq -cn --argjson s "$(setting_json "$1" "$2" shared "$3" "$4")" --argjson g "$(guest_json "$log")" \
		--slurpfile n "$log.ns" '$s + ($g | {kernel, domain_type}) + {instructions: $n[0]}' >"$log.json"
}

measure_instructions()
{
	local variant cm invalidation rwbf name status=0

	for variant in $(variants); do
		build_kernel measure "$variant" || return 1
		while read -r -u 3 cm invalidation rwbf; do
			name=$variant-cm$cm-$invalidation-rwbf$rwbf
			if once "instructions-$name" "measure/$variant" \
				measure_instructions_one "$variant" "$cm" "$invalidation" "$rwbf"; then
				jq -r '"instructions \(.variant) cm=\(.cm) \(.invalidation) rwbf=\(.rwbf): map " +
					"\(.instructions.map.median), unmap \(.instructions.unmap.median)"' \
					"$work/instructions/$name.json"
			else
				echo "instructions $name: FAILED"
				status=1
			fi
		done 3< <(printf '%s\n' '0 lazy 0' '0 strict 0' '1 strict 0' '0 lazy 1')
	done
	return "$status"
}

measure_stage()
{
	local what status=0

	load_stage boot
	boot_load
	boot_prepare
	[ $# -gt 0 ] || set -- calls lockstat instructions
	for what in "$@"; do
		case $what in
		calls | lockstat | instructions) "measure_$what" || status=1 ;;
		*) usage_error "no measurement named $what: calls, lockstat, instructions" ;;
		esac
	done
	return "$status"
}
