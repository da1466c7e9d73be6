#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# cli.sh - the built program from outside: exit codes, what goes to which stream, its limits
#
# cli.sh <simbench>

set -uo pipefail

# shellcheck source=tests/harness.sh
. "$(dirname "$0")/harness.sh"

quick=(--runtime 1ms --warmup 200us --repetitions 1 --progress never)

# ok <argument>...: success, something on stdout, nothing on stderr
ok() {
	run "$@"
	[ "$code" -eq 0 ] || fail "$* exits with $code"
	[ -s out ] || fail "$* prints nothing"
	[ ! -s err ] || fail "$* writes to stderr"
}

# json <jq filter> <argument>...: success, and the report satisfies the filter
json() {
	local filter=$1
	shift
	ok "$@" --output-format json
	jq -e "$filter" out >/dev/null || fail "$*: not $filter"
}

# refused <code> <pattern> <argument>...: nothing on stdout, one line that says why
refused() {
	local want=$1 pattern=$2
	shift 2
	run "$@"
	[ "$code" -eq "$want" ] || fail "$* exits with $code, not $want"
	[ ! -s out ] || fail "$* writes to stdout"
	[ "$(wc -l <err)" -eq 1 ] || fail "$* does not write one line"
	grep -Eq -- "$pattern" err || fail "$* does not say $pattern"
}

# ---- what works ----

ok --help
ok --version
ok help
ok man
ok completion
for command in run table lockbench mapbench pingpong calibrate fit; do
	ok "$command" --help
done
ok "${quick[@]}"
ok run "${quick[@]}"
ok --devices 4 --policy static "${quick[@]}"
ok --color always "${quick[@]}"
grep -q $'\033' out || fail "--color always has no colour"
ok --color auto "${quick[@]}"
! grep -q $'\033' out || fail "a file gets colours"
ok lockbench --cpus 4 --iterations 50 --repetitions 1 --progress never
ok pingpong
ok pingpong --readers 3

json '.schema_version == 1 and (.context | type) == "object" and .config.policy == "always" and
	(.results | length) == 1 and .results[0].throughput_mib_s.mean > 0' "${quick[@]}"
json '.results[0].acquisitions_per_s.mean > 0' lockbench --cpus 4 --iterations 50 --repetitions 1 --progress never
json '.results[0] | .line_transfer_ns / .configured_ns | . > 0.98 and . < 1.02' pingpong --pair 0,2
json '(.results | length) == 1 and .results[0].readers == 3' pingpong --readers 3

# The report in a file is the report on stdout.
ok "${quick[@]}" --output-format json
jq .results out >expected
run "${quick[@]}" --output-format json --output report.json
if [ "$code" -ne 0 ] || [ -s out ]; then
	fail "--output also writes to stdout"
fi
jq .results report.json | cmp -s expected - || fail "--output writes another report"

# As many threads as one likes.
for threads in 1 3; do
	run --repetitions 3 --runtime 1ms --warmup 200us --progress never --threads "$threads" --output-format json
	jq -e '.results | select(length > 0)' out >"results.$threads" || fail "--threads $threads gives no results"
done
grep -q 'warning: .*--repetitions' err || fail "a wide confidence interval is no warning"
cmp -s results.1 results.3 || fail "the results depend on --threads"

# What --show-config prints is a configuration.
ok --show-config --devices 3 --policy dynamic --lock ticket --local-ns 67.5
cp out first.ini
ok --config first.ini --show-config
grep -v '^ *[#;]' out | sed 's/ *[#;].*//' >second
grep -v '^ *[#;]' first.ini | sed 's/ *[#;].*//' >first
cmp -s first second || fail "--show-config and back differ"
json '.config.devices == 3 and .config.policy == "dynamic" and .config.local_ns == "67.5ns"' --config first.ini \
	"${quick[@]}"

# ---- this machine ----

# quiet <jq filter> <argument>...: a report of what is measured here, with as many warnings as it likes
quiet() {
	local filter=$1
	shift
	run "$@" --output-format json
	[ "$code" -le 1 ] || fail "$* exits with $code"
	jq -e "$filter" out >/dev/null || fail "$*: not $filter"
}

if [ "$(nproc)" -gt 1 ]; then
	quiet '.results[0] | .handover_ns > 1 and .handover_ns < 100000 and .handovers >= 4000' \
		pingpong --engine native
	quiet '.results[0] | .first_reader_ns > 1 and .last_reader_ns >= .first_reader_ns' \
		pingpong --engine native --readers 1
fi

# A machine file, good or not, that a run takes from anywhere.
mkdir machines
quiet '.results[0] | .cpus >= 1 and (.values.cmpxchg.median_ns | . > 0.1 and . < 10000) and
	(.operations | map(.median_ns > 1 and .median_ns < 1e6) | all) and (.model | map(.state) | length == 12) and
	(.good == ([.model[], .operations[]] | map(.state != "noisy" and .good != false) | all) or .good == false)' \
	calibrate --quick --accept-noisy -o machines/my.ini --progress never
[ "$code" -eq 0 ] || fail "calibrate --accept-noisy exits with $code"
[ "$(jq '.results[0].good' out)" = true ] || grep -q 'not all values are good' err ||
	fail "calibrate does not say what is wrong"
jq -r '.results[0].model.atomic_ns.value' out >atomic
json ".config.machine == \"$tmp/machines/my.xml\" and .config.atomic_ns == \"$(cat atomic)ns\"" \
	--config machines/my.ini "${quick[@]}" --devices 8 --policy always
(cd / && "$program" --config "$tmp/machines/my.ini" --show-config) >out 2>err
grep -q "^atomic_ns = $(cat atomic)ns" out || fail "the machine file does not have the atomic's $(cat atomic) ns"
rm machines/my.xml
refused 2 'machines/my.xml' --config machines/my.ini
refused 2 'regular file' calibrate -o /dev/full
refused 2 'no/such' calibrate -o no/such/my.ini
refused 2 'my.xml' calibrate -o my.xml
refused 2 'not an option of run' --quick

# ---- what each cost is worth ----

explain=(--runtime 500us --warmup 200us --repetitions 1 --progress never --jobs 4 --explain)
for lock in qspinlock ticket tas mcs; do
	json '[.results[] | select(.name != "ceiling") | .throughput_mib_s.mean > 0] | length >= 6 and all' \
		"${explain[@]}" --lock "$lock"
done
json '.results[0].name == "full" and .results[-2].name == "pt" and .results[-1].throughput_mib_s.mean == 6150 and
	([.results[].without] | contains(["lock_word", "mcs_nodes", "false_sharing", "hold", "package_distance"]))' \
	"${explain[@]}"
ok "${explain[@]}"
refused 2 'policy pt' --explain --policy pt

# The oracle tells its own results and changes no others.
json '.results[0].oracle == null' "${quick[@]}" --oracle off
jq -S '.results' out >without
json '.results[0].oracle | .dmas > 0 and .stale_window_ns.count >= 0' "${quick[@]}" --oracle full
jq -S '.results | .[0].oracle = null' out | cmp -s without - || fail "--oracle full changes results"
json '.results[0].oracle | .unmaps > 0 and .stale_window_ns == null' "${quick[@]}" --oracle full \
	--invalidation strict

# ---- what is refused ----

refused 2 'did you mean .*--devices' --device 3
refused 2 'no such command' frobnicate
refused 2 '1 to 4096' --devices 0
refused 2 '1 to 4096' --devices 4097
refused 2 'policy' --policy sometimes
refused 2 'bs' --bs 4097
refused 2 'off, sample, full' --oracle always
refused 2 'does nothing with policy pt' --oracle full --policy pt
refused 2 'does nothing with engine=native' --oracle full --engine native
refused 2 'not an option of mapbench' mapbench --oracle full
refused 2 'nothing.ini' --config nothing.ini
refused 2 'machine' --machine package:0
refused 2 '8192' --machine 'package:8193 core:1 pu:1' "${quick[@]}"
refused 2 '1 to 8192' lockbench --cpus 8193
refused 2 '--cpus 5: the machine has 4' lockbench --machine 'package:1 core:4 pu:1' --cpus 5
refused 2 '--pair 1,1' pingpong --pair 1,1
refused 2 '--readers 4: the machine has 4' pingpong --machine 'package:1 core:4 pu:1' --readers 4
refused 2 'explain' lockbench --explain
refused 1 'No space left' "${quick[@]}" --output /dev/full
refused 1 'No space left' "${quick[@]}" --output-format json --output /dev/full
refused 1 'No space left' pingpong --output /dev/full
refused 1 'No space left' lockbench --cpus 2 --iterations 10 --repetitions 1 --output /dev/full
refused 1 'No space left' "${explain[@]}" --output /dev/full
refused 1 'No such file' "${quick[@]}" --output no/such/directory
"$program" "${quick[@]}" >/dev/full 2>err
[ $? -eq 1 ] || fail "a full stdout goes unnoticed"
grep -q 'No space left' err || fail "a full stdout is not named"

# ---- limits ----

tiny=(--runtime 100us --warmup 0 --repetitions 1 --progress never --iodepth 1 --output-format json)
ok --machine 'package:8 l3:1 core:512 pu:2' --devices 1024 --jobs 8 "${tiny[@]}"
jq -e '.results[0].cpus.count == 8192' out >/dev/null || fail "not 8192 CPUs"
ok --devices 4096 --jobs 1 "${tiny[@]}"
jq -e '(.results[0].devices | length) == 4096' out >/dev/null || fail "not 4096 devices"

# ---- signals ----

# interrupt <signal> <code> <argument>...: ends early with what is complete
interrupt() {
	local signal=$1 want=$2 pid
	shift 2
	# A shell starts background jobs with SIGINT ignored; env puts that right.
	env --default-signal=INT,TERM "$program" "$@" >out 2>err &
	pid=$!
	sleep 1
	kill "-$signal" "$pid"
	wait "$pid"
	code=$?
	[ "$code" -eq "$want" ] || fail "$*: $signal makes it exit with $code, not $want"
}

interrupt INT 130 --runtime 2ms --warmup 1ms --repetitions 1000 --output-format json --threads 1 --progress never
jq -e '.results[0] | .interrupted and (.repetitions | map(select(.complete)) | length > 0) and
	.throughput_mib_s.mean > 0' out >/dev/null || fail "SIGINT: no report of what is complete"
interrupt TERM 143 --runtime 100s --repetitions 1 --progress never
grep -qi interrupted out || fail "SIGTERM: the report does not say so"
interrupt INT 130 lockbench --cpus 1 --iterations 1000000000 --output-format json --progress never
jq -e '.results[0].interrupted' out >/dev/null || fail "lockbench: SIGINT goes unmarked"
interrupt INT 130 --explain --runtime 100s --output-format json --progress never
jq -e '.results[0].interrupted' out >/dev/null || fail "--explain: SIGINT goes unmarked"
interrupt INT 130 pingpong --iterations 1000000000
interrupt INT 130 calibrate --progress never
[ ! -s out ] || fail "calibrate: SIGINT leaves half a report"

echo "$failures failures"
[ "$failures" -eq 0 ]
