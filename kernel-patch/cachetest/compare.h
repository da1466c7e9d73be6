/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compare.h - one sequence of operations on both sides, and where they part
 */
#ifndef CACHETEST_COMPARE_H
#define CACHETEST_COMPARE_H

#include <stdio.h>

#include "kernel-patch/cachetest/cachetest.h"

#define OPERATIONS_MAX 2048

enum { KERNEL, SIMULATOR, SIDES };

/* What happened, so that nobody takes silence for agreement. */
struct coverage {
	uint64_t operations, failed_assignments, submissions, full_batches, write_buffer_flushes;
	uint64_t descriptors[16]; /* by type */
};

struct comparison {
	const struct side *sides[SIDES];
	/* A tree that allocates otherwise: where memory runs out, one side may fail and the other may not. */
	bool own_allocations;
	struct hw_log logs[SIDES];
	int ret[SIDES];
	unsigned int left_over[SIDES];
	struct coverage coverage;
};

/**
 * compare_sequence - execute operations on both sides of a new machine until they differ
 *
 * Returns the number of the operation that differs, which logs and ret are then of, or @count. Objects that are
 * left over are in left_over, for a sequence that takes back what it assigned.
 */
unsigned int compare_sequence(struct comparison *c, const struct machine *machine, const struct operation *ops,
			      unsigned int count);

/* Leaves out operations for as long as some still differs. Returns how many are left; the last one differs. */
unsigned int minimise(struct comparison *c, const struct machine *machine, struct operation *ops,
		      unsigned int count);

/* Both sides' submissions for the operation that differed. */
void print_difference(FILE *f, const struct comparison *c);

/* Returns whether everything that there is to see was seen. */
bool print_coverage(FILE *f, const struct coverage *coverage);

#endif
