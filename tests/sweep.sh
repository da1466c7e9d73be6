#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# sweep.sh - sweeps from outside: what they refuse, what they write, and that nothing is lost or done twice
#
# sweep.sh <simbench> <kills> <MiB>: as many kill -9; and with 10,000 points no more memory than that, 0 for any

set -uo pipefail

kills=$2
memory_mib=$3
# shellcheck source=tests/harness.sh
. "$(dirname "$0")/harness.sh"
mounted=
trap '[ -z "$mounted" ] || umount "$tmp/small"; rm -rf "$tmp"' EXIT

# The moments of the kills; SEED=... repeats them.
seed=${SEED:-$(date +%s)}
RANDOM=$seed

base=(--warmup 0 --repetitions 1 --jobs 1 --progress never)
quick=("${base[@]}" --runtime 1ms)

# ok <argument>...: success, something on stdout
ok() {
	run "$@"
	[ "$code" -eq 0 ] || fail "$* exits with $code"
	[ -s out ] || fail "$* prints nothing"
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

# ini <line>...: into sweep.ini
ini() {
	printf '%s\n' "$@" >sweep.ini
}

# bad <pattern> <line>...: a sweep.ini that is refused, before there is a directory
bad() {
	local pattern=$1
	shift
	ini "$@"
	refused 2 "$pattern" sweep sweep.ini -o bad
	[ ! -e bad ] || fail "$* is refused and leaves a directory"
}

# same <directory> <directory>: the same points, and nothing else there
same() {
	cmp -s "$1/points.jsonl" "$2/points.jsonl" || fail "$1 and $2 have different points.jsonl"
	cmp -s "$1/points.csv" "$2/points.csv" || fail "$1 and $2 have different points.csv"
	diff <(jq 'del(.context)' "$1/manifest.json") <(jq 'del(.context)' "$2/manifest.json") >/dev/null ||
		fail "$1 and $2 have different manifest.json"
	[ "$(ls "$2")" = $'manifest.json\npoints.csv\npoints.jsonl' ] || fail "$2 has other files"
}

# lines <file>: whole ones
lines() {
	cat "$1" 2>/dev/null | wc -l
}

# ---- what is refused ----

bad 'sweep.ini: there is no section \[sweep\]' '[simbench]'
bad 'sweep.ini:1: .*OPTION = VALUE' '[sweep]'
bad 'sweep.ini:1: .*without a name' '[sweep one]' 'devices = 1'
bad 'sweep.ini:1: .*did you mean sweep' '[sweeep]' 'devices = 1'
bad 'sweep.ini:2: device: .*did you mean devices' '[sweep]' 'device = 1'
bad 'sweep.ini:2: frobnicate: not command, zip, invalid or an option of run' '[sweep]' 'frobnicate = 1'
bad 'sweep.ini:3: devices: given before at sweep.ini:2' '[sweep]' 'devices = 1' 'devices = 2'
bad 'sweep.ini:2: devices.*empty' '[sweep]' 'devices ='
bad 'sweep.ini:2: devices.*empty' '[sweep]' 'devices = 1,,2'
bad 'sweep.ini:2: devices = 0: .*1 to 4096' '[sweep]' 'devices = 1,0'
bad 'sweep.ini:2: policy = often: .*pt, legacy, always' '[sweep]' 'policy = legacy,often'
bad 'sweep.ini:2: devices: the value 2 stands there twice' '[sweep]' 'devices = 2,1,2'
bad 'sweep.ini:2: devices = 1:4: .*FIRST:LAST:STEP' '[sweep]' 'devices = 1:4'
bad 'sweep.ini:2: devices = 1:4:0: .*zero' '[sweep]' 'devices = 1:4:0'
bad 'sweep.ini:2: devices = 4:1:1: .*ends before' '[sweep]' 'devices = 4:1:1'
bad 'sweep.ini:2: devices = 1:4:\*1: .*from 2 on' '[sweep]' 'devices = 1:4:*1'
bad 'sweep.ini:2: seed = 0:4:\*2: .*zero' '[sweep]' 'seed = 0:4:*2'
bad 'sweep.ini:2: devices = 4097: .*1 to 4096' '[sweep]' 'devices = 4095:4097:1'
bad 'sweep.ini:2: devices = 0+\.\.\.: too long' '[sweep]' "devices = $(printf '0%.0s' {1..140})1:2:1"
bad 'sweep.ini:2: cm = .*bracket is not closed' '[sweep]' 'cm = [0,1'
bad 'sweep.ini:2: command = table: .*run, lockbench, mapbench' '[sweep]' 'command = table'
bad 'sweep.ini:3: invalid = perhaps: .*refuse.*skip' '[sweep]' 'devices = 1' 'invalid = perhaps'
bad 'sweep.ini:4: zip = .*equally many' '[sweep]' 'devices = 1,2' 'seed = 1,2,3' 'zip = devices + seed'
bad 'sweep.ini:3: zip = .*no axis' '[sweep]' 'devices = 1,2' 'zip = devices + seed'
bad 'sweep.ini:3: zip = .*twice' '[sweep]' 'devices = 1,2' 'zip = devices + devices'
bad 'sweep.ini:3: zip = devices: .*OPTION \+ OPTION' '[sweep]' 'devices = 1,2' 'zip = devices'
bad 'sweep.ini:3: zip = "": .*OPTION \+ OPTION' '[sweep]' 'devices = 1,2' 'zip ='
bad 'sweep.ini:2: hold: not an option of run' '[sweep]' 'hold = 1ns'
bad 'sweep.ini:2: threads: not an option of run' '[sweep]' 'threads = 1'
bad 'sweep.ini:2: seed: more than 1000000' '[sweep]' 'seed = 1:1000001:1'
bad 'sweep.ini:1: .*more than 1000000 points' '[sweep]' 'seed = 1:2000:1' 'jobs = 1:1000:1'
bad 'sweep.ini:2: not UTF-8' '[sweep]' $'machine = \xff'
# What only the machine shows; whatever the shard.
bad 'point 1 \(machine=/.*/no.xml\): .*No such file' '[sweep]' 'machine = package:1 core:2 pu:1, no.xml'
bad 'point 3 \(seed=1 devices=4096 jobs=8192\): .*jobs in all' \
	'[sweep]' 'seed = 1:2:1' 'devices = 1,4096' 'jobs = 1,8192'
refused 2 'point 3 \(seed=1 devices=4096 jobs=8192\)' sweep sweep.ini -o bad --shard 1/7
bad 'point 1 \(cpus=3\): .*the machine has 2' '[simbench]' 'machine = package:1 core:2 pu:1' '[sweep]' \
	'command = lockbench' 'cpus = 1,3'
bad 'point 1 \(map_threads=3\): .*there are 2 CPUs' '[simbench]' 'machine = package:1 core:2 pu:1' '[sweep]' \
	'command = mapbench' 'map_threads = 1,3'
bad 'point 1 \(policy=pt cm=0x0\).*invalid = skip' '[sweep]' 'policy = legacy,pt' 'cm = 0'

ini '[sweep]' 'devices = 1,2'
refused 2 '^simbench: --devices: .*sweep.ini:2' sweep sweep.ini --devices 3
refused 2 '^simbench: --set: .*sweep.ini:2' sweep sweep.ini --set devices=3
refused 2 '^simbench: --set: hold ' sweep sweep.ini --set hold=3ns
for shard in 0/2 3/2 1/0 1/2x -1/2 1 /; do
	refused 2 "shard $shard: .*1 <= K <= N" sweep sweep.ini "--shard=$shard"
done
refused 2 'which FILE.ini' sweep
printf '[simbench]\n' >empty.ini
refused 2 'one FILE.ini' sweep sweep.ini empty.ini
refused 2 'no.ini: .*No such file' sweep no.ini
refused 2 'sweep.ini: not a directory' sweep sweep.ini -o sweep.ini
refused 1 'no/such' sweep sweep.ini -o no/such
refused 2 'which directories' merge
refused 2 '-o' merge sweep.ini
refused 2 'no.sweep: .*manifest.json' merge no.sweep -o merged
[ ! -e merged ] || fail "merge leaves a directory of nothing"

# ---- what comes out ----

cat >points.ini <<'INI'
[simbench]
machine = package:2 core:8 pu:1
[sweep]
devices = 1, 2, 4
policy = legacy, always
cm = 0, 1
remote_ns = 100:180:20
local_ns = 50:90:10
zip = remote_ns + local_ns
INI
total=60
ok sweep points.ini "${quick[@]}" -j 1 -o whole
[ ! -s err ] || fail "a sweep that works writes to stderr"
grep -q "^$total points in whole\$" out || fail "the report does not say how many points there are"
[ "$(grep -c '^[124]  ' out)" -eq "$total" ] || fail "the report does not have a line for each point"
[ "$(lines whole/points.jsonl)" -eq "$total" ] || fail "not $total points"
jq -es '[.[].index] == [range(60)] and
	.[0].point == {devices: 1, policy: "legacy", cm: ["0x0"], remote_ns: "100ns", local_ns: "50ns"} and
	.[1].point.remote_ns == "120ns" and .[1].point.local_ns == "60ns" and .[5].point.cm == ["0x1"] and
	.[59].point == {devices: 4, policy: "always", cm: ["0x1"], remote_ns: "180ns", local_ns: "90ns"} and
	all(.result.throughput_mib_s.mean > 0)' whole/points.jsonl >/dev/null || fail "these are not the points"
jq -e '.points == 60 and .complete and .shard == null and .sweep.command == "run"' whole/manifest.json >/dev/null ||
	fail "the manifest does not say what it is"

# A point is what a run of its options is.
ok run "${quick[@]}" --machine 'package:2 core:8 pu:1' --devices 4 --policy always --cm 1 --remote-ns 180 \
	--local-ns 90 --output-format json
cmp -s <(jq .results[0].throughput_mib_s out) <(jq 'select(.index == 59).result.throughput_mib_s' \
	whole/points.jsonl) || fail "a point is not what a run of it is"

ok sweep points.ini "${quick[@]}" -j 3 -o three
same whole three
ok sweep points.ini "${quick[@]}" -j 1 -o three
grep -q '60 of 60 points are there already' err || fail "a complete sweep is done again"
same whole three

if command -v python3 >/dev/null; then
	cat >read_csv.py <<'PY'
import csv, json, sys
with open(sys.argv[1] + "/points.csv", newline="") as f:
    text = f.read()
rows = list(csv.reader(text.splitlines(keepends=True), strict=True))
assert text.count("\n") == text.count("\r\n") == len(rows), "lines do not end in CRLF"
names = rows[0]
assert len(set(names)) == len(names), "two columns of one name"
assert all(len(row) == len(names) for row in rows), "rows of unequal length"
points = [p for p in map(json.loads, open(sys.argv[1] + "/points.jsonl")) if "result" in p]
assert len(points) == len(rows) - 1, "not one row for each point"
axes = list(points[0]["point"])
for row, point in zip(rows[1:], points):
    row = dict(zip(names, row))
    assert int(row["index"]) == point["index"]
    for axis in axes:
        value = point["point"][axis]
        assert row[axis] == (",".join(value) if isinstance(value, list) else str(value)), axis
def flatten(value, path, out):
    if isinstance(value, dict):
        for key in value:
            flatten(value[key], path + [key], out)
    elif isinstance(value, list):
        if path == ["locks"]:
            lock = next((v for v in value if v["name"] == "cache_lock"), None)
            if lock:
                flatten(lock, path + ["cache_lock"], out)
    else:
        out[".".join(path)] = value
for row, point in zip(rows[1:], points):
    want = {}
    flatten(point["result"], [], want)
    got = {n.removeprefix("result."): v for n, v in list(zip(names, row))[1 + len(axes):] if v != ""}
    assert got.keys() == {k for k, v in want.items() if v is not None}, got.keys() ^ want.keys()
    for name, text in got.items():
        value = want[name]
        if isinstance(value, bool):
            assert text == ("true" if value else "false"), name
        elif isinstance(value, str):
            assert text == value, name
        else:
            assert float(text) == value, name
PY
	# csv <directory>
	csv() {
		python3 read_csv.py "$1" >out 2>err || fail "$1/points.csv is not $1/points.jsonl"
	}
else
	echo "skipped: reading points.csv back, without python3"
	csv() { :; }
fi
csv whole

# Text with commas and quotes, a list, and a name that results have as well.
ini '[sweep]' 'machine = [package:1 core:4 pu:1], package:2 core:4 pu:1' 'cm = [0,1], 1' 'placement = [0,2], packed' \
	'invalidation = lazy,strict' 'devices = 2'
ok sweep sweep.ini "${quick[@]}" -o text
csv text
grep -q '^0,package:1 core:4 pu:1,"0x0,0x1","0,2",lazy,2,' text/points.csv || fail "commas are not quoted"
head -n 1 text/points.csv | grep -q ',result\.invalidation,' || fail "the invalidation that was simulated is lost"

declare -A measures=([lockbench]='lock acquisitions per second' [mapbench]='maps per second')
for command in lockbench mapbench; do
	ini '[sweep]' "command = $command" 'lock = qspinlock,ticket' 'seed = 1:4:1'
	ok sweep sweep.ini --repetitions 2 --set machine='package:1 core:16 pu:1' -o "$command" --progress never \
		"$([ $command = mapbench ] && echo --map-seconds=1ms || echo --iterations=20)"
	jq -es 'length == 8 and all(.result.repetitions == 2)' $command/points.jsonl >/dev/null ||
		fail "$command: these are not the points"
	grep -q "${measures[$command]}" out || fail "the report of $command is of something else"
	csv "$command"
done

ini '[sweep]' 'policy = pt,legacy' 'cm = 0,1' 'invalid = skip'
ok sweep sweep.ini "${quick[@]}" -o skip
grep -q '^4 points in skip, 2 of them left out' out || fail "points that are left out are not mentioned"
jq -es 'map(has("skipped")) == [true, true, false, false]' skip/points.jsonl >/dev/null || fail "not those are left out"
csv skip

ini '[simbench]' 'machine = package:1 core:2 pu:1' '[sweep]' 'command = lockbench' 'cpus = 1:3:1' 'seed = 1,2' \
	'invalid = skip'
ok sweep sweep.ini --iterations 20 --repetitions 1 -o few.cpus --progress never
jq -es 'map(has("skipped")) == [false, false, false, false, true, true]' few.cpus/points.jsonl >/dev/null ||
	fail "CPUs that the machine does not have are not left out"

# Where it goes unless it is said; and a full stdout.
ini '[sweep]' 'seed = 1:3:1'
ok sweep sweep.ini "${quick[@]}"
[ -f sweep.sweep/points.csv ] || fail "sweep.ini does not go to sweep.sweep"
ok sweep sweep.ini "${quick[@]}" --shard 2/3
[ "$(lines sweep.2of3.sweep/points.jsonl)" -eq 1 ] || fail "shard 2/3 does not go to sweep.2of3.sweep"
"$program" sweep sweep.ini "${quick[@]}" -o full >/dev/full 2>err
[ $? -eq 1 ] || fail "a full stdout goes unnoticed"
grep -q 'No space left' err || fail "a full stdout is not named"
same sweep.sweep full

# A machine's file is beside sweep.ini.
mkdir elsewhere
"$program" --show-config >/dev/null # whatever hwloc prints the first time
if command -v lstopo-no-graphics >/dev/null; then
	lstopo-no-graphics --input 'package:1 core:4 pu:1' --of xml elsewhere/four.xml
else
	"$program" calibrate --quick --accept-noisy -o elsewhere/four.ini --progress never >out 2>&1
fi
printf '[sweep]\nmachine = ./four.xml, package:1 core:4 pu:1\n' >elsewhere/sweep.ini
ok sweep elsewhere/sweep.ini "${quick[@]}" -o beside
jq -es ".[0].point.machine == \"$tmp/elsewhere/./four.xml\"" beside/points.jsonl >/dev/null ||
	fail "a machine's file is looked for elsewhere"

# ---- another sweep ----

before=$(cat whole/*)
refused 2 'another sweep: runtime: "1ms" and "2ms"' \
	sweep points.ini "${base[@]}" --set runtime=2ms -o whole
refused 2 'another sweep: seed: 1 and 2' sweep points.ini "${quick[@]}" --seed 2 -o whole
refused 2 'another sweep: shard' sweep points.ini "${quick[@]}" --shard 1/2 -o whole
sed 's/^policy.*/policy = legacy, static/' points.ini >other.ini
refused 2 'another sweep: axes' sweep other.ini "${quick[@]}" -o whole
jq '.version = "0.0.0"' whole/manifest.json >three/manifest.json
refused 2 'another sweep: version: "0.0.0"' sweep points.ini "${quick[@]}" -o three
echo '{' >three/manifest.json
refused 2 'three/manifest.json:' sweep points.ini "${quick[@]}" -o three
rm three/manifest.json
refused 2 'three: has points.jsonl but no manifest.json' sweep points.ini "${quick[@]}" -o three
[ "$before" = "$(cat whole/*)" ] || fail "a refused sweep changes the directory"

# ---- damage ----

# damaged <pattern> <sed script>
damaged() {
	rm -rf damaged
	cp -r whole damaged
	sed -i "$2" damaged/points.jsonl
	before=$(cat damaged/*)
	refused 2 "$1" sweep points.ini "${quick[@]}" -o damaged
	[ "$before" = "$(cat damaged/*)" ] || fail "$2: what is damaged is changed"
}

damaged 'damaged/points.jsonl:3: not a point' '3s/.$//'
damaged 'damaged/points.jsonl:3: not a point' '3s/.*//'
damaged 'damaged/points.jsonl:3: not a point' '3s/"index":2/"index":60/'
damaged 'damaged/points.jsonl:3: not a point' '3s/"index":2/"index":-2/'
damaged 'damaged/points.jsonl:3: not a point' '3s/"result":/"outcome":/'
damaged 'damaged/points.jsonl:4: point 2 is there twice' '3p'
damaged 'damaged/points.jsonl:60: not a point' '60s/.$//'

# torn <command>...: part of a last line, which goes away, and its point is done again
torn() {
	rm -rf torn
	cp -r whole torn
	"$@" torn/points.jsonl
	ok sweep points.ini "${quick[@]}" -o torn
	same whole torn
}

torn truncate -s -1
torn truncate -s -100
torn truncate -s 10
torn truncate -s 0
torn rm
torn sed -i '7d'
torn perl -e 'open(F, ">>", $ARGV[0]); print F "\0" x 100;'

# ---- interruption ----

# interrupt <signal> <code>: a sweep in its middle
interrupt() {
	local pid
	rm -rf "stopped.$1"
	# A shell starts background jobs with SIGINT ignored; env puts that right.
	env --default-signal=INT,TERM "$program" sweep points.ini "${quick[@]}" -j 2 -o "stopped.$1" \
		>out 2>err &
	pid=$!
	while [ "$(lines "stopped.$1/points.jsonl")" -lt 3 ] && kill -0 $pid; do
		sleep 0.001
	done
	kill "-$1" $pid
	wait $pid
	code=$?
	# It may have been at its end.
	[ "$code" -eq 0 ] && [ "$(lines "stopped.$1/points.jsonl")" -eq "$total" ] && return
	[ "$code" -eq "$2" ] || fail "$1 makes it exit with $code, not $2"
	grep -q 'goes on from there' err || fail "$1: does not say how it goes on"
	grep -q ' points in .*, .* to go' out || fail "$1: no report of what is there"
	[ "$(lines "stopped.$1/points.csv")" -eq $(($(lines "stopped.$1/points.jsonl") + 1)) ] ||
		fail "$1: points.csv is not of what is there"
	jq -e '.complete | not' "stopped.$1/manifest.json" >/dev/null || fail "$1: the manifest says that it is complete"
	ok sweep points.ini "${quick[@]}" -j 2 -o "stopped.$1"
	same whole "stopped.$1"
}

interrupt INT 130
interrupt TERM 143

# Two at a time: the second is refused, and does no harm.
"$program" sweep points.ini "${base[@]}" --runtime 20ms -j 1 -o busy >first.out 2>first.err &
pid=$!
while [ ! -s busy/points.jsonl ] && kill -0 $pid; do
	sleep 0.01
done
refused 1 'busy: another simbench is writing' sweep points.ini "${base[@]}" --runtime 20ms -o busy
wait $pid || fail "the first of two fails"
[ "$(lines busy/points.jsonl)" -eq "$total" ] || fail "the first of two is not complete"

# ---- kill -9 ----

# indices <file>: of whole lines, sorted
indices() {
	sed -n 's/^{"index":\([0-9]*\),.*}$/\1/p' "$1" | sort
}

# What was there is there still: in the same place, or somewhere in a complete file, which is in order.
check_killed() {
	local there=0
	if [ -f before ] && ! cmp -s -n "$(stat -c %s before)" before killed/points.jsonl; then
		[ "$(lines killed/points.jsonl)" -eq "$total" ] || fail "kill $done: what was there has moved"
		[ -z "$(comm -23 <(sort before) <(sort killed/points.jsonl))" ] || fail "kill $done: a point is lost"
	fi
	[ -f killed/points.jsonl ] || return
	[ -z "$(indices killed/points.jsonl | uniq -d)" ] || fail "kill $done: a point is there twice"
	[ ! -f before ] || there=$(lines before)
	if [ "$there" -gt 0 ] && [ -s err ]; then
		grep -q "killed: $there of $total points" err || fail "kill $done: not all that was there counts"
	fi
	head -n "$(lines killed/points.jsonl)" killed/points.jsonl >before
}

start=$(date +%s%N)
"$program" sweep points.ini "${quick[@]}" -j 2 -o timed >out 2>err
whole_us=$((($(date +%s%N) - start) / 1000))
done=0 finished=0
rm -f before
while [ "$done" -lt "$kills" ]; do
	"$program" sweep points.ini "${quick[@]}" -j 2 -o killed >out 2>err &
	pid=$!
	sleep "$(printf '0.%06d' $((RANDOM * 32768 % (whole_us / 3 + 1))))"
	if kill -9 $pid 2>/dev/null; then
		done=$((done + 1))
	fi
	wait $pid 2>/dev/null
	code=$?
	check_killed
	if [ "$code" -eq 0 ]; then
		same whole killed
		finished=$((finished + 1))
		rm -rf killed before
	elif [ "$code" -ne 137 ]; then
		fail "kill $done: exits with $code"
	fi
done
ok sweep points.ini "${quick[@]}" -j 2 -o killed
check_killed
same whole killed
echo "$done kills, $((finished + 1)) sweeps that were complete in the end"

# ---- a full disk, and one that cannot be written to ----

# disk <mount options>: at small/
disk() {
	if [ -n "$mounted" ]; then
		mount -o "remount,$1" small
	else
		mkdir -p small && mount -t tmpfs -o "$1" none small 2>/dev/null && mounted=yes
	fi
}

if disk size=4k; then
	# What is too small for the manifest, for the points, for the table, for the points in order.
	points_kib=$(($(stat -c %s whole/points.jsonl) / 1024))
	last=0
	for kib in 4 8 $((points_kib / 3)) $((points_kib + 12)) $((points_kib + 13)); do
		disk "size=${kib}k"
		[ "$last" -lt "$total" ] || tac whole/points.jsonl >small/sweep/points.jsonl
		run sweep points.ini "${quick[@]}" -j 2 -o small/sweep
		[ "$code" -eq 1 ] || fail "$kib KiB: exits with $code"
		[ ! -s out ] || fail "$kib KiB: writes to stdout"
		grep -q '^simbench: small/sweep.*No space left' err || fail "$kib KiB: does not say what is full"
		there=$(indices small/sweep/points.jsonl | uniq | wc -l)
		[ "$there" -ge "$last" ] && [ "$there" -eq "$(lines small/sweep/points.jsonl)" ] ||
			fail "$kib KiB: $there points, and there were $last"
		last=$there
	done
	[ "$last" -eq "$total" ] || fail "the points do not fit where there is room for them"
	disk size=8m
	ok sweep points.ini "${quick[@]}" -j 2 -o small/sweep
	same whole small/sweep
	head -n 20 whole/points.jsonl >small/sweep/points.jsonl
	disk ro
	refused 1 'small/sweep/points.jsonl: Read-only file system' sweep points.ini "${quick[@]}" -o small/sweep
	refused 1 'small/new: Read-only file system' sweep points.ini "${quick[@]}" -o small/new
	disk rw
	ok sweep points.ini "${quick[@]}" -o small/sweep
	same whole small/sweep
	umount small
	mounted=
else
	echo "skipped: a full disk and a read-only one, for which tmpfs has to be mounted"
fi
if [ "$(id -u)" -ne 0 ]; then
	chmod a-w three
	refused 1 'three.*Permission denied' sweep points.ini "${quick[@]}" -o three
	chmod u+w three
fi

# ---- shards ----

for shard in 1 2 3; do
	ok sweep points.ini "${quick[@]}" --shard $shard/3 -o part.$shard
	[ "$(jq -s 'map(.index % 3) | unique' -c part.$shard/points.jsonl)" = "[$((shard - 1))]" ] ||
		fail "shard $shard/3 has other points"
done
ok merge part.3 part.1 part.2 -o merged
same whole merged
refused 1 'point 1 .*policy=legacy.* is missing: it belongs to shard 2 of 3' merge part.1 part.3 -o few
refused 1 'point 0 .* is in part.1 and in part.1' merge part.1 part.2 part.3 part.1 -o few
cp -r part.2 broken
sed -i '$d' broken/points.jsonl
refused 1 'point 58 .* is missing' merge part.1 broken part.3 -o few
sed -i '1s/"index":1,/"index":0,/' broken/points.jsonl
refused 2 'broken/points.jsonl:1: not a point' merge part.1 broken part.3 -o few
[ ! -e few ] || fail "a refused merge leaves a directory"
ok sweep points.ini "${quick[@]}" --seed 2 --shard 2/3 -o seed
refused 2 'part.1 and seed are not of one sweep: seed: 1 and 2' merge part.1 seed part.3 -o few
refused 2 'skip: is the directory of another sweep' merge part.1 part.2 part.3 -o skip
refused 2 'part.1: is the directory of another sweep: shard' merge part.1 part.2 part.3 -o part.1
# One that was interrupted goes on.
sed -i '40,$d' merged/points.jsonl
ok merge part.1 part.2 part.3 -o merged
same whole merged
# More shards than points.
ini '[sweep]' 'seed = 1,2'
for shard in 1 2 3; do
	ok sweep sweep.ini "${quick[@]}" --shard $shard/3 -o few.$shard
done
ok merge few.1 few.2 few.3 -o few
[ "$(lines few/points.jsonl)" -eq 2 ] || fail "two points of three shards are not two"

# ---- ten thousand points ----

if [ "$memory_mib" -gt 0 ] && command -v python3 >/dev/null; then
	ini '[simbench]' 'machine = package:1 core:4 pu:1' '[sweep]' 'seed = 1:10000:1'
	# All but the last from one, and in no order.
	ok sweep sweep.ini "${quick[@]}" --shard 1/10000 -o many
	jq '.shard = null' many/manifest.json >manifest
	mv manifest many/manifest.json
	awk '{ rest = substr($0, index($0, ",")); for (i = 9998; i >= 0; i--) print "{\"index\":" i rest }' \
		many/points.jsonl >all && mv all many/points.jsonl
	cat >peak.py <<'PY'
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=open("out", "w"), stderr=open("err", "w"))
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
PY
	read -r code peak < <(python3 peak.py "$program" sweep sweep.ini "${quick[@]}" -j 1 -o many)
	[ "$code" -eq 0 ] || fail "10,000 points: exits with $code"
	[ "$(lines many/points.csv)" -eq 10001 ] || fail "10,000 points have another number of rows"
	[ "$(sed -n 's/^{"index":\([0-9]*\),.*/\1/p' many/points.jsonl | sort -nc 2>&1)" = "" ] ||
		fail "10,000 points are not in order"
	[ "$peak" -lt "$memory_mib" ] || fail "10,000 points take $peak MiB"
	echo "10,000 points of $(($(stat -c %s many/points.jsonl) / 1024)) KiB take $peak MiB"
else
	echo "skipped: memory for 10,000 points"
fi

[ "$failures" -eq 0 ] || echo "the kills were those of SEED=$seed"
echo "$failures failures"
[ "$failures" -eq 0 ]
