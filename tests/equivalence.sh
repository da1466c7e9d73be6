#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# equivalence.sh - one sequence of random operations on domains, on the virtual and on the native executor
#
# usage: equivalence.sh <equivalence_model> <equivalence_native> <operations>
#
# Page tables, contexts, tags, descriptors, addresses, magazines, flush rings: both print the state of all of it, and
# are to print the same. Where they do not, the first operation after which they differ is looked for.

set -euo pipefail
export LC_ALL=C

model=$1
native=$2
operations=$3

# A machine of four CPUs for the one; the other takes what there is.
synthetic='package:2 l3:1 core:2 pu:1'

# seed policy invalidation mode lock layout unit unit unit; see tests/sim/equivalence.c
settings=(
	'1 always lazy legacy qspinlock kernel 4 4c 4w'
	'2 legacy lazy legacy ticket kernel 4c 4n 4w'
	'3 legacy strict scalable mcs padded 4 5c 4w'
	'4 always strict first tas kernel 4 5c 5wn'
	'5 dynamic strict legacy ticket kernel 3 4c 5s'
	'6 dynamic lazy first mcs padded 4 4c 5w'
	'7 static lazy scalable qspinlock padded 4c 4 4w'
	'8 static strict legacy mcs kernel 3p 3cp 4wps'
	'9 invs strict legacy qspinlock kernel 4c 4 4w'
	'10 invs lazy scalable ticket padded 4 4c 5w'
)

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# same <file> <operations> <setting>...: leaves the states in <file>.model and <file>.native
same()
{
	local file=$1 count=$2 seed=$3

	shift 3
	{
		"$model" "$synthetic" "$seed" "$count" "$@" >"$file.model" &&
			"$native" host "$seed" "$count" "$@" >"$file.native" &&
			grep -q "^operations $count, " "$file.model" &&
			cmp -s "$file.model" "$file.native"
	} 2>"$file.errors"
}

# The first operation after which the states differ; its number goes to stdout.
first_difference()
{
	local equal=0 different=$operations middle

	while [ $((different - equal)) -gt 1 ]; do
		middle=$(((equal + different) / 2))
		if same "$tmp/search" "$middle" "$@"; then
			equal=$middle
		else
			different=$middle
		fi
	done
	echo "$different"
}

pids=()
for i in "${!settings[@]}"; do
	read -ra setting <<<"${settings[i]}"
	same "$tmp/$i" "$operations" "${setting[@]}" &
	pids+=($!)
done

failed=0
for i in "${!settings[@]}"; do
	if wait "${pids[i]}"; then
		echo "${settings[i]}: the same after $operations operations, $(wc -l <"$tmp/$i.model") lines"
		continue
	fi
	failed=$((failed + 1))
	echo "${settings[i]}: not the same"
	[ "$failed" -eq 1 ] || continue
	read -ra setting <<<"${settings[i]}"
	count=$(first_difference "${setting[@]}")
	same "$tmp/search" "$count" "${setting[@]}" || true
	sed -n '1s/, results.*//p' "$tmp/search.model"
	cat "$tmp/search.errors"
	diff -U 1 "$tmp/search.model" "$tmp/search.native" | sed -n '3,40p'
done
[ "$failed" -eq 0 ]
