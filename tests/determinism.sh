#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# determinism.sh - the same run gives the same results, whatever compiler and flags simbench was built with
#
# Compares the builds that `./dev test` has just made; one made earlier from other sources may rightly differ.

set -euo pipefail
cd "$(dirname "$0")/.."

common=(--output-format json --repetitions 2)
run="run --runtime 5ms --warmup 2ms"
mapbench="mapbench --map-seconds 5ms --warmup 2ms"
scenarios=(
	"$run"
	"$run --invalidation strict --bs 16k --rw randrw --queues 2 --lock mcs"
	"$run --stage first --policy dynamic --bridge separate --lock ticket --layout padded"
	"$run --devices 5 --jobs 20 --iodepth 4 --cm 1 --ats --device-latency-dist exponential"
	"$mapbench -t 6"
	"$mapbench -t 9 -g 600 -d 1 -x 700 --devices 3 --bridge separate --invalidation strict --map-think 1us"
	"lockbench --cpus 12 --data-lines 2"
)

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

compared=0
status=0
for build in release debug asan clang; do
	program=build/$build/simbench
	[ -x "$program" ] || continue
	for scenario in "${scenarios[@]}"; do
		read -ra arguments <<<"$scenario"
		"$program" "${arguments[@]}" "${common[@]}" >"$tmp/one.json" 2>/dev/null
		# -e: a document without results must not equal another one without.
		jq -e '.results | select(length > 0)' "$tmp/one.json" >>"$tmp/$build.results"
	done
	if ! cmp "$tmp/release.results" "$tmp/$build.results"; then
		diff "$tmp/release.results" "$tmp/$build.results" | head -n 20
		status=1
	fi
	compared=$((compared + 1))
done

if [ "$compared" -lt 2 ]; then
	echo "nothing to compare build/release with"
	exit 77
fi
exit "$status"
