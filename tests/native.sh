#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# native.sh - the native engine through the built program: scenarios, reports, refusals
#
# native.sh <simbench>

set -uo pipefail

program=$(realpath "$1")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1

failures=0
cpus=$(getconf _NPROCESSORS_ONLN)
quick=(--runtime 80ms --warmup 10ms --repetitions 1 --progress never)

fail()
{
	echo "FAIL: $*"
	head -n 5 err
	failures=$((failures + 1))
}

# measured <jq filter on the result> <argument>...: a native run whose result satisfies the filter
measured()
{
	local filter=$1
	shift
	timeout 120 "$program" --engine native "${quick[@]}" --output-format json "$@" >out 2>err ||
		fail "$* exits with $?"
	jq -e ".results[0] | $filter" out >/dev/null || fail "$*: not $filter"
}

# refused <pattern> <argument>...
refused()
{
	local pattern=$1 code
	shift
	timeout 60 "$program" "$@" >out 2>err
	code=$?
	[ "$code" -eq 2 ] || fail "$* exits with $code"
	[ ! -s out ] || fail "$* writes to stdout"
	grep -Eq -- "$pattern" err || fail "$* does not say $pattern"
}

one=(--devices 1 --jobs 1)

# Calls per I/O are the policy's, whatever the clock says; a few I/Os are under way when the counting starts and ends.
np='.per_io.cache_tag_flush_range_np'
measured ".time_domain == \"wall\" and .iops.mean > 0 and $np > 0.8 and $np < 1.2" "${one[@]}" --policy always
measured "$np == 0 and .per_io.iotlb_sync_map > 0.8" "${one[@]}" --policy static
measured "$np == 0 and .per_io.iommu_flush_write_buffer > 0.8" "${one[@]}" --policy legacy
measured '.per_io.qi_submit_sync > 1.5' "${one[@]}" --policy dynamic --cm 1 --invalidation strict
measured '.per_io.qi_submit_sync == 0 and .iops.mean > 0' "${one[@]}" --policy pt
measured ".per_io.iommu_flush_write_buffer > 0.8" "${one[@]}" --policy static --rwbf 1
measured '.latency_ns.p50 > 50000' "${one[@]}" --policy static --bs 64k --rw randwrite

# What cannot be seen is null, not 0.
measured '.lines == null and .iotlb == null and .locks == null and .cpus.stall_fraction == null' "${one[@]}"
measured '.map_call == null and .units == null' "${one[@]}"
measured '.locks | map(select(.name == "cache_lock")) | .[0].acquisitions > 0' "${one[@]}" --lock-stat --policy always

# One queue on the first CPU, whose completions belong to jobs on others too
measured '.iops.mean > 0 and (.devices | all(.iops > 0))' --devices "$cpus" --jobs 1 --queues 1
measured '.iops.mean > 0' --devices 2 --jobs "$((cpus + 1))" --oversubscribe

refused "--jobs $((cpus + 1)) .*$cpus CPUs.*--oversubscribe" --engine native --devices 1 --jobs "$((cpus + 1))"
refused '--machine.*host' --engine native "${one[@]}" --machine 'core:2 pu:1'
refused '--explain.*engine=virtual' --engine native "${one[@]}" --explain
refused '--oversubscribe.*engine=native' --oversubscribe
refused '--lock-stat.*engine=native' --lock-stat

# A lock that loses writes would show in its data lines.
for lock in qspinlock ticket tas mcs; do
	timeout 60 "$program" lockbench --engine native --lock "$lock" --cpus "$((cpus > 1 ? 2 : 1))" --hold 50ns \
		--think 100ns --data-lines 3 --iterations 5000 --repetitions 2 --output-format json >out 2>err ||
		fail "lockbench $lock exits with $?"
	jq -e '.results[0] | .time_domain == "wall" and .acquisitions_per_s.mean > 0 and .wait_ns == null' out \
		>/dev/null || fail "lockbench $lock"
done

"$program" --engine native "${one[@]}" --runtime 100s --repetitions 1 --progress never >out 2>err &
pid=$!
sleep 1
kill -INT "$pid"
wait "$pid"
code=$?
[ "$code" -eq 130 ] || fail "SIGINT makes a native run exit with $code"
grep -q interrupted out || fail "SIGINT: the report does not say so"

echo "$failures failures"
[ "$failures" -eq 0 ]
