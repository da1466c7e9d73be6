# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# harness.sh - what the tests of the built program from outside share: a directory of their own, and failures
#
# Sourced with the program as the first argument.

program=$(realpath "$1")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
unset NO_COLOR

failures=0

fail() {
	echo "FAIL: $*"
	sed 's/^/  stdout: /' out | head -n 5
	sed 's/^/  stderr: /' err | head -n 5
	failures=$((failures + 1))
}

# run <argument>...: into out, err and code
run() {
	timeout 300 "$program" "$@" >out 2>err
	# shellcheck disable=SC2034
	code=$?
}
