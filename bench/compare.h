/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compare.h - two sets of results, point by point
 */
#ifndef SIMBENCH_COMPARE_H
#define SIMBENCH_COMPARE_H

#include "bench/measure.h"
#include "bench/sweep_dir.h"

#define COMPARE_VERDICT_LIST(X)                                                                     \
	X(COMPARE_HIGHER, "higher")                                                                 \
	X(COMPARE_LOWER, "lower")                                                                   \
	X(COMPARE_SAME, "no difference")  /* none that the repetitions show with 95 % confidence */ \
	X(COMPARE_UNKNOWN, "no interval") /* too few repetitions to tell: interval and t mean nothing */

CONFIG_ENUM(compare_verdict, COMPARE_VERDICT_LIST)

struct compare_point {
	char *name; /* "devices=4 policy=static", as in the first set */
	struct measure a, b;
	struct stats_comparison difference;
	double t; /* Welch's; infinite where means without a spread differ */
	enum compare_verdict verdict;
};

struct compare {
	struct compare_point *points; /* in the order of the first set */
	uint32_t count;
	uint32_t only_a, only_b; /* points that the other one does not have */
	uint32_t valueless;	 /* points of both that have no value on one side */
	char measure[128];	 /* the path */
	char *differences; /* options that all points of the two differ in, "policy: always and static; ..." */
};

/**
 * compare_load - read two result files or sweep directories and compare what they have in common
 * @c: to fill in; compare_destroy() releases it, whatever the result
 * @a, @b: files of `simbench --output-format json`, or directories of sweeps
 * @measure: path of what is compared, or "" for the throughput
 * @err: receives what is wrong
 *
 * Points are the same if their scenarios, or the axes' values, are; a set that has one twice is refused. Two files
 * with one result each are compared whatever they are of. Returns 0, -ENOMEM, -EINVAL or another negative errno,
 * with @err filled in.
 */
int compare_load(struct compare *c, const char *a, const char *b, const char *measure, struct options_error *err);
void compare_destroy(struct compare *c);

/* compare_judge - fill in difference, t and verdict from a and b */
void compare_judge(struct compare_point *p);

#endif
