#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# hotpath_bench.sh - hotpath_bench from outside: every benchmark runs, and Google Benchmark's flags are its flags
#
# hotpath_bench.sh <hotpath_bench>

set -uo pipefail

program=$(realpath "$1")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1

failures=0

fail() {
	echo "FAIL: $*"
	sed 's/^/  stderr: /' err | tail -n 5
	failures=$((failures + 1))
}

# run <argument>...: into out, err and code
run() {
	timeout 60 "$program" --benchmark_min_time=0.0005 "$@" >out 2>err
	code=$?
}

# ok <argument>...: success
ok() {
	run "$@"
	[ "$code" -eq 0 ] || fail "$* exits with $code"
}

# holds <jq filter> <file>
holds() {
	jq -e "$1" "$2" >/dev/null || fail "not $1"
}

# refused <pattern> <argument>...: exit code 2, nothing but a message
refused() {
	local pattern=$1
	shift
	run "$@"
	[ "$code" -eq 2 ] || fail "$* exits with $code, not 2"
	[ ! -s out ] || fail "$* writes to stdout"
	grep -q -- "$pattern" err || fail "$* does not say $pattern"
}

# ---- the families ----

ok --benchmark_list_tests
cp out names
for family in cache_tag_flush_range_np/{hot_path,by_hand,difference} \
	{dma_map,dma_unmap,dma_map_unmap}/{pt,legacy,always,dynamic,static}/{lazy,strict} \
	iova/{hit,miss} page_table/{map,walk} qi_submit_sync/{immediate,typical} \
	spin_lock/{qspinlock,ticket,tas,mcs,ck_mcs,ck_ticket,pthread} coro_switch event_queue/pop_push; do
	grep -Eq "^$family(/|\$)" names || fail "no $family"
done

# All of them once.
ok --benchmark_format=json
cp out all.json
holds ".benchmarks | length == $(wc -l <names)" all.json
holds '[.benchmarks[] | select(.error_occurred)] == []' all.json
holds 'all(.benchmarks[]; .iterations > 0 and .real_time > 0 and .time_unit == "ns")' all.json
holds '.context | .simbench_commit and .simbench_build_type and .simbench_compiler and .simbench_version' all.json
holds '.benchmarks[] | select(.name == "cache_tag_flush_range_np/difference/tags:1/manual_time") |
	.hot_path_ns > 0 and .by_hand_ns > 0 and
	(.difference_ns - (.hot_path_ns - .by_hand_ns) | fabs) < 0.001' all.json

# ---- flags ----

ok --benchmark_filter='^coro_switch$' --benchmark_repetitions=3 --benchmark_out=file.json \
	--benchmark_out_format=json
holds '[.benchmarks[] | select(.run_type == "iteration").name] == [range(3) | "coro_switch"]' file.json
holds '[.benchmarks[] | select(.run_type == "aggregate").aggregate_name] |
	contains(["mean", "median", "stddev"])' file.json
grep -q '^coro_switch_mean' out || fail "no table beside the file"

ok --benchmark_filter='spin_lock/.*threads:1$' --benchmark_list_tests
[ "$(wc -l <out)" -eq 7 ] || fail "not 7 locks with one thread"

refused 'unrecognized command-line flag: --policy=always' --policy=always
refused 'unrecognized command-line flag: dma_map' dma_map
refused 'Failed to match any benchmarks' --benchmark_filter=no_such_benchmark
refused 'Could not compile benchmark re' --benchmark_filter='['

echo "$failures failures"
[ "$failures" -eq 0 ]
