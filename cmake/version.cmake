# SPDX-License-Identifier: GPL-2.0-only
#
# version.cmake - writes OUTPUT, a C file that says what was built, from which commit, by which compiler
#
# Runs in every build; the file is rewritten only when something in it changes.
#
# cmake -D SOURCE_DIR=<dir> -D OUTPUT=<file.c> -D VERSION=<x.y.z> -D COMPILER=<text> -D BUILD_TYPE=<text>
#       -P version.cmake

set(commit unknown)
if(EXISTS "${SOURCE_DIR}/.git")
	execute_process(
		COMMAND git -C "${SOURCE_DIR}" describe --always --dirty --abbrev=12 --exclude=*
		OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE
		ERROR_QUIET RESULT_VARIABLE failed)
	if(NOT failed)
		set(commit "${described}")
	endif()
	# So that what two states of the sources have made is not taken for one thing.
	if(commit MATCHES "-dirty$")
		execute_process(
			COMMAND git -C "${SOURCE_DIR}" diff HEAD
			COMMAND git -C "${SOURCE_DIR}" hash-object --stdin
			OUTPUT_VARIABLE changes OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
		string(SUBSTRING "${changes}" 0 8 changes)
		string(APPEND commit "-${changes}")
	endif()
endif()

file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT [[
#include "bench/version.h"

const char simbench_version[] = "@VERSION@";
const char simbench_git_commit[] = "@commit@";
const char simbench_compiler[] = "@COMPILER@";
const char simbench_build_type[] = "@BUILD_TYPE@";
]])
