#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# cluster.sh - the recipes of docs/sweeps.md, as they stand there: GNU parallel, here and over ssh to loopback; Slurm
#
# cluster.sh <simbench>
#
# Slurm's part needs a cluster that runs jobs as whoever runs this; without one, the script of the job array is run
# as Slurm would. Exit status 77: GNU parallel or sshd are missing.

set -uo pipefail

program=$(realpath "$1")
source=$(realpath "$(dirname "$0")/..")
tmp=$(mktemp -d)
sshd_pid=
trap '[ -z "$sshd_pid" ] || kill "$sshd_pid"; rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1

PATH=$PATH:/usr/sbin
for tool in parallel sshd ssh ssh-keygen; do
	if ! command -v "$tool" >/dev/null; then
		echo "skipped: there is no $tool"
		exit 77
	fi
done

failures=0

fail() {
	echo "FAIL: $*"
	tail -n 20 log
	failures=$((failures + 1))
}

# recipe <name>: the commands that the document has behind the comment of that name
recipe() {
	awk -v comment="<!-- tests/cluster.sh: $1 -->" '
		$0 == comment { found = 1; next }
		found && /^```$/ { exit }
		found && !/^```/' "$source/docs/sweeps.md"
}

# try <name>: runs it in a directory of its own, where it makes what the sweep makes in one piece; twice, the second
# time after something has been lost
try() {
	mkdir "$1"
	cp my.ini hosts "$source/configs/slurm/sweep.sbatch" "$1"
	recipe "$1" >recipe.sh
	[ -s recipe.sh ] || fail "docs/sweeps.md has no recipe $1"
	for round in 1 2; do
		(cd "$1" && bash -e -o pipefail ../recipe.sh) >log 2>&1 || fail "$1: exits with $?"
		cmp -s whole/points.jsonl "$1/my.sweep/points.jsonl" || fail "$1: has other points"
		cmp -s whole/points.csv "$1/my.sweep/points.csv" || fail "$1: has another table"
		[ "$(ls -d "$1"/my.?of8.sweep | wc -l)" -eq 8 ] || fail "$1: not 8 shards"
		[ "$round" -eq 2 ] || rm -r "$1/my.sweep" "$1/my.3of8.sweep"
		sed -i '$d' "$1/my.5of8.sweep/points.jsonl"
	done
}

# sshd of our own, for this user and this key only.
start_sshd() {
	local port attempt
	ssh-keygen -q -t ed25519 -N '' -f host_key
	ssh-keygen -q -t ed25519 -N '' -f user_key
	cat >sshd_config <<-CONFIG
		HostKey $tmp/host_key
		AuthorizedKeysFile $tmp/user_key.pub
		PidFile none
		StrictModes no
		UsePAM no
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		PermitRootLogin prohibit-password
	CONFIG
	# Where it locks itself in; a boot may not have made it yet.
	[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
	for attempt in 1 2 3 4 5; do
		port=$((20000 + (RANDOM + attempt) % 30000))
		"$(command -v sshd)" -D -e -f sshd_config -o ListenAddress=127.0.0.1 -p "$port" 2>sshd.log &
		sshd_pid=$!
		ssh_command="ssh -p $port -i $tmp/user_key -o BatchMode=yes -o IdentitiesOnly=yes"
		ssh_command+=" -o StrictHostKeyChecking=no -o UserKnownHostsFile=$tmp/known_hosts -o LogLevel=ERROR"
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			sleep 0.2
			kill -0 "$sshd_pid" 2>/dev/null || break
			$ssh_command 127.0.0.1 true </dev/null 2>ssh.log && return 0
		done
		kill "$sshd_pid" 2>/dev/null
	done
	sshd_pid=
	return 1
}

mkdir bin home
ln -s "$program" bin/simbench
export PATH="$tmp/bin:$PATH"
# Where parallel keeps its files, and asks nobody to cite it.
export PARALLEL_HOME="$tmp/home"
touch home/will-cite hosts
cat >my.ini <<'INI'
[simbench]
machine = package:1 core:4 pu:1
runtime = 1ms
warmup = 0
repetitions = 1
jobs = 1
[sweep]
policy = legacy, always
seed = 1:12:1
INI
simbench sweep my.ini --progress never -o whole >log 2>&1 || fail "the sweep in one piece exits with $?"

try local

if start_sshd; then
	# Two at a time, over a line that ssh is told to take.
	echo "2/$ssh_command 127.0.0.1" >hosts
	try ssh
	grep -q 'Accepted publickey' sshd.log || fail "ssh: nobody came over ssh"
else
	tail -n 3 sshd.log ssh.log
	echo "skipped: ssh to loopback"
fi

if command -v sbatch >/dev/null && sinfo >/dev/null 2>&1; then
	try slurm
	echo "Slurm: run as a job array"
else
	# As Slurm runs it: a task's number and its CPUs are in its environment.
	mkdir stand_in
	cat >stand_in/sbatch <<'SBATCH'
#!/bin/bash
[ "$1 $2" = "--wait --array=1-8" ] || exit 2
shift 2
for task in 1 2 3 4 5 6 7 8; do
	SLURM_ARRAY_TASK_ID=$task SLURM_CPUS_PER_TASK=1 bash "$@" || exit
done
SBATCH
	chmod +x stand_in/sbatch
	PATH=$tmp/stand_in:$PATH
	try slurm
	echo "Slurm: the job array's script alone, there is no cluster"
fi

echo "$failures failures"
[ "$failures" -eq 0 ]
