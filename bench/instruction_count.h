/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * instruction_count.h - how many instructions a piece of code executes, counted one by one
 */
#ifndef SIMBENCH_INSTRUCTION_COUNT_H
#define SIMBENCH_INSTRUCTION_COUNT_H

#include <stdint.h>

/**
 * count_instructions - let a child process run some code, and single-step the part that counts
 * @run: called in the child; calls @mark(@mark_arg) twice from one thread, which need not be the first. What is
 *	between the two is counted, with some dozen instructions of the calls themselves
 * @arg: for @run
 * @limit_ms: time that stepping may take
 * @count: receives the number
 *
 * The child is killed at the second mark. A step takes 2 to 5 us, in a guest 30.
 *
 * Returns 0; -EPERM where the kernel does not let processes be traced; -ETIME beyond the limit; -ENOMEM or -EAGAIN
 * without a child; -ECHILD when it ended before the second mark.
 */
int count_instructions(void (*run)(void *arg, void (*mark)(void *mark_arg), void *mark_arg), void *arg,
		       uint32_t limit_ms, uint64_t *count);

#endif
