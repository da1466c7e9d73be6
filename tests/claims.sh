#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# claims.sh - validate, compare and plot from outside: verdicts, exit codes, streams, pictures, memory
#
# claims.sh <simbench> <MiB>: with 2,000 points no more memory than that, 0 for any

set -uo pipefail

memory_mib=$2
# shellcheck source=tests/harness.sh
. "$(dirname "$0")/harness.sh"

# ends <code> <argument>...: with something on stdout, and nothing on stderr
ends() {
	local want=$1
	shift
	run "$@"
	[ "$code" -eq "$want" ] || fail "$* exits with $code, not $want"
	[ -s out ] || fail "$* prints nothing"
	[ ! -s err ] || fail "$* writes to stderr"
}

ok() {
	ends 0 "$@"
}

# says <pattern>: in what was printed last
says() {
	grep -Eq -- "$1" out || fail "the report does not say $1"
}

# holds <jq filter>: for what was printed last
holds() {
	jq -e "$1" out >/dev/null || fail "not $1"
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

# ini <file> <line>...
ini() {
	local file=$1
	shift
	printf '%s\n' "$@" >"$file"
}

# claim <name> <scenario> <claimed> [<line>...]: a claim of lockbench, printed
claim() {
	local name=$1 scenario=$2 claimed=$3
	shift 3
	printf '%s\n' "[claim $name]" 'says = it is so' 'command = lockbench' "scenario = $scenario" \
		'measure = acquisitions_per_s' "claimed = $claimed" "$@"
}

command=(validate --progress never)
json=(--output-format json)

# ---- the claims that are built in ----

ok "${command[@]}" --repetitions 3
says '^28 confirmed, 0 refuted, 0 undecided$'
says '^static-mixed-cm +refused +refused +confirmed$'

# ---- verdicts ----

{
	claim is 'cpus=4 lock=mcs' '>= 1000'
	claim is-not 'cpus=4 lock=mcs' '<= 1000'
	claim pair 'cpus=4 lock=mcs' '<= 5' 'against = cpus=2 lock=mcs' 'as = ratio'
} >claims.ini
ends 3 "${command[@]}" claims.ini --iterations 200
says '^is +>= 1000 +.*confirmed$'
says '^is-not +<= 1000 +.*refuted$'
says '^2 confirmed, 1 refuted, 0 undecided$'
ends 3 "${command[@]}" claims.ini --iterations 200 --color always
says $'\033\\[31mrefuted'
ok "${command[@]}" --iterations 200 --config /dev/null <(claim is 'cpus=4 lock=mcs' '>= 1000')

# As many repetitions as it says decide; a value that moves as it gets known better may take more than one step.
value=$("$program" lockbench --cpus 4 --lock mcs --iterations 200 --repetitions 3 --progress never "${json[@]}" |
	jq '.results[0].acquisitions_per_s | .mean - 0.5 * .ci95')
claim near 'cpus=4 lock=mcs' ">= $value" >near.ini
repetitions=3
ends 3 "${command[@]}" near.ini --iterations 200 --repetitions 3
says 'undecided: about [0-9]+ repetitions would decide, here are 3$'
for step in 1 2 3 4 5; do
	run "${command[@]}" near.ini --iterations 200 --repetitions "$repetitions" "${json[@]}"
	more=$(jq '.results[0].repetitions_to_decide // 0' out)
	[ "$step" -gt 1 ] || [ "$more" -gt 3 ] || fail "a value on the edge of its interval is decided"
	if [ "$more" -eq 0 ] || [ "$more" -gt 1000 ]; then
		break
	fi
	repetitions=$more
done
holds '.results[0].verdict == "confirmed" or .results[0].verdict == "refuted"'
[ "$step" -gt 1 ] || fail "nothing had to be repeated"

ends 3 "${command[@]}" near.ini --iterations 200 --repetitions 1
says 'undecided: one repetition has no interval, it takes at least 2$'

# ---- from a sweep ----

ini sweep.ini '[simbench]' 'iterations = 200' 'repetitions = 3' '[sweep]' 'command = lockbench' 'cpus = 2,4' \
	'lock = mcs,tas' '[plot one]' 'x = cpus' 'series = lock' "title = it's \`touch pwned\` \"\$HOME\""
ok sweep sweep.ini --progress never -o sweep
ends 3 "${command[@]}" claims.ini --from sweep "${json[@]}"
# What a file holds has twelve digits.
round='.results | walk(if type == "number" then (. * 1e6 | round) else . end)'
jq "$round" out >from
ends 3 "${command[@]}" claims.ini --iterations 200 --repetitions 3 "${json[@]}"
jq "$round" out | cmp -s - from || fail "a sweep gives other verdicts than simulations"
claim other 'cpus=3' 1 >other.ini
refused 2 '^simbench: --from sweep: claim other: the sweep has no point with cpus = 3$' \
	validate other.ini --from sweep
claim other 'cpus=2 lock=mcs hold=9ns' 1 >other.ini
refused 2 'claim other: the scenario has hold = "9ns", and the points of the sweep have "60ns"' validate other.ini \
	--from sweep

# ---- uncertain ----

uncertain=("${command[@]}" claims.ini --iterations 100 --uncertain --draws 16)
ok "${uncertain[@]}"
says '^is +>= 1000 +100\.0 % \(81-100\) +nothing: the same in every draw$'
says '^is-not +<= 1000 +0\.0 % \(0-19\) +nothing'
for threads in 1 2; do
	ok "${uncertain[@]}" "${json[@]}" -j "$threads"
	jq .results out >"results.$threads"
	cp out uncertain.json
done
cmp -s results.1 results.2 || fail "the draws depend on --threads"
holds '.results[0].holds == 16 and (.results[0].values | length) == 16 and
	(.results[0].effects | map(.parameter) | contains(["local_ns", "atomic_ns"])) and
	([.results[0].drawn[] | length] | unique) == [16]'
ok "${uncertain[@]}" "${json[@]}" --local-ns 60
holds '.results[0].effects | map(.parameter) | index("local_ns") == null'
refused 2 'engine = native' validate --uncertain --set engine=native --set oversubscribe=yes

# ---- compare ----

ini other.ini '[simbench]' 'iterations = 200' 'repetitions = 3' 'hold = 200' '[sweep]' 'command = lockbench' \
	'cpus = 4,8' 'lock = tas,mcs'
ok sweep other.ini --progress never -o other
ok compare sweep other
says '^A and B differ in hold: "60ns" and "200ns"$'
says '^cpus=4 lock=mcs .* lower$'
says '^2 points: 0 higher, '
says '^in A only: 2, in B only: 2$'
ok compare sweep other "${json[@]}" --measure contended_fraction
holds '.results[0] | .measure == "contended_fraction" and (.points | length) == 2 and
	(.points | map(.verdict) | all(. == "higher" or . == "no difference" or . == "lower"))'
ok compare sweep sweep
says '^4 points: 0 higher, 0 lower, 4 no difference$'
for lock in mcs tas; do
	run lockbench --cpus 4 --lock "$lock" --iterations 200 --repetitions 3 --progress never "${json[@]}" \
		-o "$lock.json"
done
ok compare mcs.json tas.json
says '^A and B differ in lock: "mcs" and "tas"$'
says '^result .*(higher|lower)$'
run compare mcs.json tas.json "${json[@]}" -o report.json
if [ "$code" -ne 0 ] || [ -s out ] || [ -s err ]; then
	fail "compare -o writes elsewhere"
fi
jq -e '.results[0].points[0].verdict' report.json >/dev/null || fail "compare -o writes no report"
ok compare mcs.json mcs.json "${json[@]}"
holds '.results[0].points[0] | .difference == 0 and .t == 0 and .verdict == "no difference"'
refused 2 'have no point in common: the first is' compare sweep mcs.json

# ---- plot ----

if command -v gnuplot >/dev/null; then
	ok plot sweep
	[ "$(cat out)" = $'sweep/one.svg\nsweep/one.png' ] || fail "plot does not list its pictures"
	head -c 8 sweep/one.png | grep -q PNG || fail "one.png is none"
	grep -q "simbench sweep sweep.ini --progress never -o sweep &amp;&amp; simbench plot sweep" sweep/one.svg ||
		fail "the picture does not have the commands that made it"
	[ ! -e pwned ] || fail "a title is run"
	cp sweep/one.svg sweep/one.png .
	ok plot sweep
	cmp -s one.svg sweep/one.svg || fail "the svg differs from time to time"
	cmp -s one.png sweep/one.png || fail "the png differs from time to time"
	ok plot other -o 'with blanks'
	[ -s 'with blanks/acquisitions_per_s.svg' ] || fail "a sweep without [plot] has no default one"
	grep -q "simbench plot other -o 'with blanks'" 'with blanks/acquisitions_per_s.svg' ||
		fail "the footer cannot be pasted into a shell"
	ok plot uncertain.json
	[ -s tornado-is.svg ] || fail "an uncertain claim has no tornado"
	refused 2 'has no effects of parameters' plot mcs.json
	refused 2 '^simbench: tmp: not a sweep.s directory: there is no manifest.json$' plot "$(mkdir -p tmp && echo tmp)"
	refused 2 'unable to open nothing: No such file' plot nothing
	refused 1 "no/such.*: No such file or directory" plot sweep -o no/such
	# Names that a shell, or gnuplot, would take for something else.
	for name in "it's" '|touch pwned;' '~root' "a\`touch pwned\`"; do
		cp -r other "$name"
		ok plot "$name"
		[ -s "$name/acquisitions_per_s.svg" ] || fail "no pictures in $name"
		[ ! -e pwned ] || fail "the directory $name is run"
	done
	cp -r other $'new\nline'
	refused 2 '"new.x0aline": not the name of a directory for pictures: choose one with -o' plot $'new\nline'
	timeout 300 "$program" plot sweep >/dev/full 2>err
	[ $? -eq 1 ] || fail "plot does not notice a full stdout"
	grep -q 'No space left' err || fail "plot does not name a full stdout"
	# Of a sweep that is not complete, what is there, with a warning.
	cp -r sweep part
	sed -i 4d part/points.jsonl
	run plot part
	[ "$code" -eq 0 ] || fail "plot of part of a sweep exits with $code"
	[ "$(cat err)" = 'simbench: warning: part: 3 of 4 points are there' ] || fail "plot does not say that it is a part"
else
	echo "skipped: pictures, without gnuplot"
fi
mkdir empty
PATH=empty "$program" plot sweep >out 2>err
[ $? -eq 1 ] || fail "plot without gnuplot exits otherwise"
[ "$(cat err)" = 'simbench: gnuplot is not installed (Debian: gnuplot-nox)' ] || fail "plot does not miss gnuplot"
[ ! -s out ] || fail "plot without gnuplot writes to stdout"

# ---- what is refused ----

refused 2 'one FILE.ini at a time' validate claims.ini near.ini
refused 2 'draws.*--uncertain' validate --draws 20
refused 2 '--from sweep: .*--uncertain' validate --uncertain --from sweep
refused 2 '8 to 100000' validate --uncertain --draws 7
refused 2 'nothing.ini: cannot open' validate nothing.ini
refused 2 'nothing: not a sweep' validate claims.ini --from nothing
refused 2 'sweep.ini: there is no section \[claim NAME\]' validate sweep.ini
refused 2 'claims.ini: there is no section \[sweep\]' sweep claims.ini -o no
claim typo 'cpus=4 lokc=mcs' 1 >typo.ini
refused 2 'typo.ini:4: lokc = mcs: .*did you mean lock' validate typo.ini
sed 's/acquisitions_per_s/aquisitions/' near.ini >typo.ini
refused 2 'typo.ini:5: measure = aquisitions: a result has no such value; it has .*acquisitions_per_s' \
	validate typo.ini --progress never --iterations 20
refused 2 'compare takes two' compare mcs.json
refused 2 'compare takes two' compare mcs.json tas.json sweep
refused 2 'no throughputt: --measure takes one of' compare mcs.json tas.json --measure throughputt
refused 2 'unable to open nothing.json' compare mcs.json nothing.json
refused 2 'plot takes one DIR' plot
refused 2 'plot takes one DIR' plot sweep sweep
refused 2 'not an option of plot' plot sweep --policy static
refused 1 'No space left' "${command[@]}" claims.ini --iterations 20 -o /dev/full
refused 1 'No space left' "${command[@]}" claims.ini --iterations 20 -o /dev/full "${json[@]}"
refused 1 'No space left' compare sweep sweep -o /dev/full
refused 1 'No space left' compare sweep sweep -o /dev/full "${json[@]}"

# ---- a signal ----

env --default-signal=INT "$program" validate --runtime 100s --progress never >out 2>err &
pid=$!
sleep 1
kill -INT "$pid"
wait "$pid"
code=$?
[ "$code" -eq 130 ] || fail "validate: SIGINT makes it exit with $code"
[ ! -s out ] || fail "validate: SIGINT leaves a report"

# ---- memory ----

if [ "$memory_mib" -gt 0 ] && command -v python3 >/dev/null; then
	ini many.ini '[sweep]' 'seed = 0,1'
	ok sweep many.ini --runtime 1ms --warmup 0 --repetitions 2 --progress never -o many
	jq '.sweep.axes[0].values = [range(2000) | tostring] | .points = 2000' many/manifest.json >manifest
	mv manifest many/manifest.json
	awk 'NR == 1 { sub(/.*"result":/, ""); for (i = 0; i < 2000; i++) {
		printf "{\"index\":%d,\"point\":{\"seed\":%d},\"result\":%s\n", i, i, $0 } }' many/points.jsonl >all
	mv all many/points.jsonl
	cat >peak.py <<'PY'
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=open("out", "w"), stderr=open("err", "w"))
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
PY
	# peak <argument>...: little memory
	peak() {
		local mib
		read -r code mib < <(python3 peak.py "$program" "$@")
		[ "$code" -eq 0 ] || fail "2,000 points: $* exits with $code"
		[ "$mib" -lt "$memory_mib" ] || fail "2,000 points: $* takes $mib MiB"
		echo "2,000 points of $(($(stat -c %s many/points.jsonl) / 1024)) KiB: $1 takes $mib MiB"
	}
	peak compare many many
	says '^2000 points: 0 higher, 0 lower, 2000 no difference$'
	ini seed.ini '[claim last]' 'says = s' 'scenario = seed=1999' 'measure = throughput_mib_s' 'claimed = >= 1'
	peak validate seed.ini --from many
	if command -v gnuplot >/dev/null; then
		peak plot many
	fi
else
	echo "skipped: memory for 2,000 points"
fi

echo "$failures failures"
[ "$failures" -eq 0 ]
