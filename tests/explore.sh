#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# explore.sh - explore from outside: the races of the review, planted mistakes, replays, the same for any -j
#
# explore.sh <simbench> <schedules>: that many at most for each of the races; from 20000 on more is looked at

set -uo pipefail

schedules=$2
source=$(realpath "$(dirname "$0")/..")
planted=$source/configs/explore/planted.ini
# shellcheck source=tests/harness.sh
. "$(dirname "$0")/harness.sh"

# explore <code> <argument>...: into out and err
explore() {
	local want=$1
	shift
	run explore --progress never "$@"
	[ "$code" -eq "$want" ] || fail "explore $* exits with $code, not $want"
}

# What does not depend on when and where.
verdicts() {
	jq -S '.results | map(del(.wall_s))' "$1"
}

# Every race that is known, and nothing else.
explore 0 --output-format json --schedules "$schedules"
if [ "$schedules" -ge 20000 ]; then
	[ "$(jq -r '.results[] | select(.coverage == "bounded") | .scenario' out | sort -u | tr '\n' ' ')" = \
		'attach-map-rwbf map-map tags-first-map-like-cm ' ] || fail "not all schedules of the others were seen"
fi
jq -e '(.results | length) >= 65 and all(.results[]; .as_expected)' out >/dev/null || fail "not as expected"
mv out races.json

# Each of them once more, by what was printed, and the same rule is broken.
while read -r scenario policy rule schedule; do
	explore 0 "$scenario" --policy "$policy" --replay "$schedule"
	grep -q "^$rule: " out || fail "$scenario under $policy: the replay does not break $rule"
done < <(jq -r '.results[] | select(.replay and .coverage == "found") | "\(.scenario) \(.policy) \(.verdict) \(.replay)"' \
	races.json)

# A report is where they are saved.
explore 0 attach-map-cm attach-map-like --replay races.json
[ "$(grep -c '^attach-map-cm, policy \(always\|dynamic\):$' out)" -eq 2 ] && [ "$(grep -c ', policy ' out)" -eq 2 ] &&
	[ "$(grep -c '^M1: ' out)" -eq 2 ] || fail "a report's schedules are not shown, or others"
grep -q '^ *write root table+16 0x[0-9a-f]* \[M1\]$' out && grep -q '^ *cache_tag_assign_domain()$' out ||
	fail "the listing does not say what was written, where the line is, and in which function"
[ "$(wc -L <out)" -le 120 ] || fail "the listing is wider than 120 columns"

# The documents' replays are what the program prints.
while read -r arguments; do
	read -ra argv <<<"$arguments"
	schedule=${argv[-1]}
	jq -e --arg s "${argv[0]}" --arg p "${argv[2]}" --arg r "$schedule" \
		'any(.results[]; .scenario == $s and .policy == $p and .replay == $r)' races.json >/dev/null ||
		fail "the documents have explore $arguments, which explore does not print"
done < <(grep -hoE 'simbench explore [a-z-]+ --policy [a-z]+ --replay [0-9:,]+' "$source/README.md" \
	"$source/docs/races.md" | sed 's/simbench explore //')

# The random strategies agree: PCT finds every one, and nobody finds one where all schedules are said to be clean.
mapfile -t racy < <(jq -r '.results[] | select(.coverage == "found") | .scenario' races.json | sort -u)
for strategy in pct random dfs; do
	[ "$schedules" -ge 20000 ] || break
	explore "$([ "$strategy" = pct ] && echo 0 || echo 4)" "${racy[@]}" --strategy "$strategy" \
		--schedules "$([ "$strategy" = pct ] && echo 20000 || echo 5000)" --output-format json
	jq -e 'all(.results[]; .as_expected or .verdict == "clean")' out >/dev/null || fail "$strategy finds something else"
done

# One mistake for each rule: every strategy finds it, twice the same, alone and with company.
for strategy in random pct dfs dpor; do
	explore 0 "$planted" --strategy "$strategy" --seed 7 --schedules 100000 --output-format json
	jq -e '[.results[].verdict] | unique == ["M1", "M2", "M3", "M4", "M5", "M6"]' out >/dev/null ||
		fail "$strategy does not find all"
	verdicts out >first
	for threads in 1 3; do
		explore 0 "$planted" --strategy "$strategy" --seed 7 --schedules 100000 --output-format json -j "$threads"
		verdicts out | cmp -s - first || fail "$strategy: another result with -j $threads"
	done
done
explore 0 "$planted" --strategy random --seed 8 --schedules 100000 --output-format json
verdicts out | cmp -s - first && fail "the seed makes no difference"

# The same with store buffers: the replay needs them, and says so.
explore 0 "$planted" --memory tso --strategy pct --seed 7 --schedules 100000 --output-format json
mv out tso.json
while read -r scenario policy rule schedule; do
	explore 0 "$planted" "$scenario" --policy "$policy" --memory tso --replay "$schedule"
	grep -q "^$rule: " out || fail "$scenario under $policy: the replay with store buffers does not break $rule"
done < <(jq -r '.results[] | "\(.scenario) \(.policy) \(.verdict) \(.replay)"' tso.json)
explore 4 attach-map-like-cm --policy legacy --memory tso --strategy pct --schedules 5000
grep -q -- '--policy legacy --memory tso --replay .*,28:' out || fail "the barrier that legacy lacks is not found"

# With an allocation that has to fail.
sed 's/^expect = .*/fail = cpu1\n&/' "$planted" >fail.ini
explore 0 fail.ini leak-tag --output-format json
schedule=$(jq -r '.results[0].replay' out)
[[ $schedule == fail:* ]] || fail "the replay does not say which allocation fails: $schedule"
explore 0 fail.ini leak-tag --policy always --replay "$schedule"
grep -q '^M6: ' out || fail "the replay with a failing allocation does not break M6"
explore 0 fail.ini leak-tag --policy always --replay "fail:1,${schedule#fail:*,}"
grep -q 'allocation of a cache_tag fails' out || fail "no allocation fails"
grep -q 'no rule is broken' out || fail "the tag has not been needed, and has leaked"

# Without the mistake there is nothing to find.
sed '/^bug = /d; s/^expect = .*/expect = always clean, dynamic clean, static clean, invs clean/' "$planted" >clean.ini
explore 0 clean.ini --output-format json --schedules 20000
jq -e 'all(.results[]; .verdict == "clean")' out >/dev/null || fail "found without a mistake"

# What is unexpected exits with 4, and says so.
sed 's/^expect = .*/expect = always clean/' "$planted" >wrong.ini
explore 4 wrong.ini no-sync-map
grep -q 'UNEXPECTED' out || fail "does not say what is unexpected"

# Who is stuck without being expected to exits with 5; a broken rule beside that weighs more.
explore 5 wrong.ini lock-order
explore 4 wrong.ini lock-order leak-tag
sed 's/^expect = .*/steps = 5\n&/' "$planted" >short.ini
explore 5 short.ini no-sync-map
grep -q 'it has not ended after 5 steps' out || fail "does not say that the bound was reached"
explore 0 "$planted" lock-order
waits='M5: deadlock: CPU 0 waits for dmar_domain.lock, which CPU 1 holds; CPU 1 waits for dmar_domain.cache_lock, which CPU 0 holds'
[ "$(grep -cF "$waits" out)" = 3 ] || fail "does not say who waits for whom"
explore 0 "$planted" lock-order --policy always --replay "$(sed -n 's/.*--replay //p' out | head -n 1)"
grep -qxF "$waits" out || fail "a replay does not say who waits for whom"

# Refusals: what, where, and what is allowed.
refused() {
	local want=$1
	shift
	explore 2 "$@"
	grep -qF -- "$want" err || fail "explore $* does not say: $want"
	[ ! -s out ] || fail "explore $* prints something"
}
scenario() {
	printf '%s\n' '[scenario x]' 'says = y' 'devices = 0' "$@" 'expect = always clean' >bad.ini
}
refused 'nothere: no such scenario' nothere
refused '--replay: of which SCENARIO' --replay 0:1
refused '--replay zero: not AGENT:COUNT' attach-unmap --policy always --replay zero
refused '--strategy foo: not one of random, pct, dfs, dpor' --strategy foo
refused '--memory tso: needs strategy=random or strategy=pct (strategy is dpor)' --memory tso
refused '--memory tso: needs strategy=random or strategy=pct (strategy is dfs)' --memory tso --strategy dfs
refused '--replay: has steps of store buffers' attach-unmap --policy always --replay 0:1,28:1
refused '--replay 0:1,32:1: not AGENT:COUNT' attach-unmap --policy always --memory tso --replay 0:1,32:1
scenario 'cpu0 = mop a'
refused 'bad.ini:4: cpu0 = mop a: no such call' bad.ini
scenario 'cpu0 = dma 3 a'
refused 'bad.ini:4: cpu0 = dma 3 a' bad.ini
scenario 'cpu0 = map a' 'wish = b'
refused 'bad.ini:5: ' bad.ini

echo "$failures failures"
[ "$failures" -eq 0 ]
