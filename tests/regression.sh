#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# regression.sh SIMBENCH - the reported regression, and where there must be none, at the default machine's latencies
#
# always on a shared bridge is what the latencies were fitted to; everything else is predicted.

set -euo pipefail

simbench=$1
failed=0

# mib_s [arguments]: mean throughput of a run
mib_s()
{
	"$simbench" run --output-format json --progress never "$@" |
		jq '.results[0].throughput_mib_s.mean'
}

# expect <MiB/s> <tolerance in tenths of a percent> [arguments]
expect()
{
	local wanted=$1 tolerance=$2 got

	shift 2
	got=$(mib_s "$@")
	if jq -en --argjson got "$got" --argjson wanted "$wanted" --argjson tolerance "$tolerance" \
		'($got - $wanted | fabs) * 1000 <= $wanted * $tolerance' >/dev/null; then
		echo "ok: $got MiB/s, $wanted expected: $*"
	else
		echo "FAILED: $got MiB/s, $wanted expected: $*"
		failed=1
	fi
}

expect 4985 5 --policy always
for policy in pt legacy dynamic static; do
	expect 6150 10 --policy "$policy" --runtime 20ms --repetitions 2
done
for policy in pt legacy always dynamic static; do
	expect 6150 10 --policy "$policy" --bridge separate --runtime 20ms --repetitions 2
	expect 3075 10 --policy "$policy" --devices 1 --runtime 20ms --repetitions 2
done
expect 12300 10 --devices 4 --policy static --runtime 20ms --repetitions 2
expect 6150 10 --policy always --local-ns 0 --remote-ns 0 --smt-ns 0 --runtime 20ms --repetitions 2
exit "$failed"
