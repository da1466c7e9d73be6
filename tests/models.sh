#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# models.sh - a second opinion: Spin's verdicts on docs/models/sync_map.pml, and whether explore comes to the same
#
# models.sh <simbench>

set -uo pipefail
export LC_ALL=C

for tool in spin gcc; do
	command -v "$tool" >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
source=$(realpath "$(dirname "$0")/..")
model=$source/docs/models/sync_map.pml
# shellcheck source=tests/harness.sh
. "$(dirname "$0")/harness.sh"
: >out
: >err

# ---- Spin: all choices in one search ----

# Goes on after a violation and prints each: SCENARIO ORDER POLICY KIND KIND MISTAKE VERDICT
spin -a "$model" >out 2>err && gcc -Og -DSAFETY -DPRINTF -DNOREDUCE -o pan pan.c 2>err || fail "spin or gcc"
timeout 300 ./pan -c0 -m1000 -w22 >pan.out 2>&1 || fail "pan: exit $?"
grep -E '^([a-z_]+ ){6}(checked|refused|M[0-9])$' pan.out >lines

# A search that ended early, or stopped for another reason than a rule's violation, would look clean.
tail -n 60 pan.out >out
grep -q '^Full statespace search' pan.out || fail "not a full search"
grep -qiE 'not completed|too small|out of memory|truncated|warning' pan.out && fail "the search is not complete"
violations=$(grep -c ' M[0-9]$' lines)
grep -qE "^State-vector .*, errors: $violations\$" pan.out ||
	fail "Spin counts other errors than the $violations violations of a rule"
sed -n '/^unreached in/,$p' pan.out | grep ', state ' | grep -v '"-end-"' &&
	fail "the model has code that is never reached"

# By choice: what the search has found there.
declare -A spin
while read -r choice verdict; do
	spin[$choice]+=" $verdict"
done < <(sort -u lines | sed 's/ \([^ ]*\)$/\t\1/' | awk -F '\t' '{ gsub(" ", "/", $1); print $1, $2 }')

# spin_verdict <scenario> <order> <policy> <kind> <kind> <mistake>: into verdict_of_spin
spin_verdict() {
	local IFS=/

	verdict_of_spin=${spin[$*]-missing}
	verdict_of_spin=${verdict_of_spin/ checked/}
	verdict_of_spin=${verdict_of_spin# }
	: "${verdict_of_spin:=clean}"
}

# Both suggestions, whatever the units are: an array under RCU, and tags first with a flag that is an atomic bit.
for scenario in attach_map attach_unmap detach_map detach_unmap; do
	for a in plain cm rwbf; do
		for b in plain cm rwbf cm_rwbf; do
			for design in 'kernel invs' 'tags_first invs' 'tags_first dynamic_atomic' 'tags_first always'; do
				# shellcheck disable=SC2086
				spin_verdict "$scenario" $design "$a" "$b" none
				[ "$verdict_of_spin" = clean ] || fail "Spin: $scenario $design $a $b: $verdict_of_spin"
			done
		done
	done
done

# Each mistake is found, and breaks the rule that it is to break. So is each race that README.md tells of.
while read -r want choice; do
	# shellcheck disable=SC2086
	spin_verdict $choice
	[ "$verdict_of_spin" = "$want" ] || fail "Spin: $choice: $verdict_of_spin, not $want"
done <<-'END'
	M1 attach_map tags_first always plain cm_rwbf keep_absent
	M1 attach_map tags_first invs plain cm_rwbf late_invs
	M2 attach_unmap tags_first always plain cm_rwbf keep_present
	M1 attach_map tags_first always plain cm_rwbf no_wait
	M2 attach_unmap tags_first always plain cm_rwbf no_wait
	M2 attach_unmap tags_first always plain cm_rwbf no_early_flush
	M2 attach_unmap tags_first invs plain cm_rwbf no_early_flush
	M2 detach_unmap tags_first always plain cm_rwbf keep_context
	M4 attach_map tags_first invs plain cm_rwbf no_grace_period
	M4 detach_unmap tags_first invs plain cm_rwbf no_grace_period
	M1 attach_map kernel always cm cm none
	M1 attach_map kernel dynamic_atomic cm cm none
	M1 attach_map kernel dynamic_atomic plain rwbf none
	M1 attach_map kernel static rwbf rwbf none
	refused attach_map kernel static plain rwbf none
	M1 attach_map tags_first dynamic plain cm none
	clean attach_map tags_first dynamic cm cm none
	M2 attach_unmap kernel dynamic_atomic plain plain none
	M2 detach_unmap kernel dynamic_atomic plain plain none
	M4 detach_map kernel legacy plain plain none
	M4 detach_map tags_first legacy plain plain none
END

# ---- explore: the races of races.ini that the model has ----

# choices <file>: NAME SCENARIO ORDER KIND KIND of those, a page and two devices behind two units
choices() {
	awk -F ' *= *' '
		function flag(key, i,   v, n) {
			if (!match(with, "(^| )" key "=[0-9,]+"))
				return 0
			n = split(substr(with, RSTART, RLENGTH), v, /[=,]/)
			return v[i + 2 > n ? n : i + 2]
		}
		function kind(i) {
			return flag("cm", i) ? (flag("rwbf", i) ? "cm_rwbf" : "cm") : (flag("rwbf", i) ? "rwbf" : "plain")
		}
		function show(   scenario, setup) {
			scenario = cpu1 "_" cpu0
			gsub(/ [a1]/, "", scenario)
			setup = "attach 0" (cpu1 == "detach 1" ? ", attach 1" : "") (cpu0 == "unmap a" ? ", map a" : "")
			if (scenario ~ /^(at|de)tach_(un)?map$/ && key["devices"] == "0,1" && key["setup"] == setup && !other)
				print name, scenario, order, kind(0), kind(1)
		}
		/^\[scenario / {
			show()
			name = substr($0, 11, length($0) - 11)
			with = cpu0 = cpu1 = other = ""
			order = "kernel"
			split("", key)
			next
		}
		/^(;|$)/ { next }
		{ key[$1] = $2 }
		$1 == "with" { with = substr($0, index($0, "=") + 2) }
		$1 == "cpu0" { cpu0 = $2 }
		$1 == "cpu1" { cpu1 = $2 }
		$1 == "order" { order = $2; sub("-", "_", order) }
		with ~ /ats|stage|cap|invalidation/ || $1 !~ /^(says|devices|with|order|setup|cpu[012]|expect)$/ { other = 1 }
		END { show() }
	' "$1" | sort
}

# compare <file> <argument>...: NAME SCENARIO ORDER KIND KIND POLICY VERDICT, by explore, into both
compare() {
	local file=$1 code_wanted=$2 names

	shift 2
	choices "$file" >choices
	mapfile -t names < <(cut -d ' ' -f 1 choices)
	run explore "$file" "${names[@]}" --progress never --output-format json "$@"
	[[ $code =~ ^($code_wanted)$ ]] || fail "explore exits with $code"
	jq -r '.results[] | "\(.scenario) \(.policy) \(.verdict)"' out | sort | join choices - >both
}

compare "$source/configs/explore/races.ini" 0 --schedules 20000
for name in attach-map-cm attach-map-rwbf attach-map-like-cm attach-map-like attach-unmap detach-unmap \
	tags-first-map-cm tags-first-map-like-cm tags-first-unmap tags-first-detach-unmap; do
	for policy in always dynamic static; do
		grep -qE "^$name .* $policy [a-zA-Z0-9]+$" both || fail "not compared: $name, $policy"
	done
done
count=0
while read -r name scenario order a b policy verdict; do
	spin_verdict "$scenario" "$order" "$policy" "$a" "$b" none
	[[ " $verdict_of_spin " == *" $verdict "* ]] ||
		fail "$name, $policy: explore says $verdict, Spin says $verdict_of_spin"
	count=$((count + 1))
done <both
echo "$count of races.ini compared"

# ---- explore, any units: what it finds in a few schedules, Spin has found ----

grep -q ' invs [^ ]*$' both && more=', invs clean' || more=''
declare -A cm=([plain]=0 [cm]=1 [rwbf]=0 [cm_rwbf]=1) rwbf=([plain]=0 [cm]=0 [rwbf]=1 [cm_rwbf]=1)
for scenario in attach_map attach_unmap detach_map detach_unmap; do
	for a in plain cm rwbf; do
		for b in plain cm rwbf cm_rwbf; do
			policies="always clean, dynamic clean$more"
			setup='attach 0'
			[[ $scenario == attach* ]] || setup+=', attach 1'
			# The setup of a detach would be refused.
			[[ $scenario == detach* && $a == plain && $b != plain ]] || policies+=', static clean'
			[[ $scenario == *_map ]] && policies+=', legacy clean' || setup+=', map a'
			for order in kernel tags-first; do
				printf '%s\n' "[scenario $scenario-$order-$a-$b]" 'says = any' 'devices = 0,1' \
					"with = cm=${cm[$a]},${cm[$b]} rwbf=${rwbf[$a]},${rwbf[$b]}" "order = $order" "setup = $setup" \
					"cpu0 = ${scenario#*_} a" "cpu1 = ${scenario%_*} 1" \
					'cpu2 = look 1 a, await cpu0, dma 1 a' "expect = $policies"
			done
		done
	done
done >any.ini
compare any.ini '0|4' --strategy pct --schedules 200
count=0
found=0
while read -r name scenario order a b policy verdict; do
	count=$((count + 1))
	[ "$verdict" = clean ] && continue
	found=$((found + 1))
	spin_verdict "$scenario" "$order" "$policy" "$a" "$b" none
	[[ " $verdict_of_spin " == *" $verdict "* ]] ||
		fail "$name, $policy: explore says $verdict, Spin says $verdict_of_spin"
done <both
echo "$found of $count with any units found by explore as well"
[ "$count" -ge 320 ] && [ "$found" -ge 80 ] || fail "explore finds too little"

echo "$failures failures"
[ "$failures" -eq 0 ]
