/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stats.h - what a few independent repetitions say about the value they measure
 *
 * Results are doubles, for reports only; nothing of the simulation depends on them. They come from IEEE
 * additions, subtractions, multiplications, divisions and square roots in a fixed order, and the build sets
 * -ffp-contract=off, so every compiler gets the same bits.
 */
#ifndef SIMBENCH_STATS_H
#define SIMBENCH_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stats_summary {
	size_t count;
	uint64_t min;
	uint64_t max;
	double mean;
	bool has_ci95; /* at least two values */
	double ci95;   /* the mean is known to plus or minus this, with 95 % confidence; 0 without has_ci95 */
};

/**
 * stats_summarize - mean of the repetitions and its 95 % confidence interval
 * @values: one value for each repetition, in any unit; their order does not matter beyond the last bits
 * @count: how many, at least 1
 * @s: receives the summary
 *
 * The interval is Student's, t * sqrt(variance / count), with the quantile of stats_t95().
 */
void stats_summarize(const uint64_t *values, size_t count, struct stats_summary *s);

/**
 * stats_t95 - two-sided 95 % quantile of Student's t distribution
 * @df: degrees of freedom, at least 1
 *
 * Exact to four decimals for 1..30, 40, 60 and 120. Any other @df gets the quantile of the next smaller of these,
 * so the interval is never too narrow, and at most 1.1 % too wide, however large @df is.
 */
double stats_t95(size_t df);

/**
 * stats_median_mad - median, and median of the absolute deviations from it
 * @values: the values, left as they are
 * @count: how many, at least 1
 * @median: receives the median; for an even @count the two middle values' mean, rounded down
 * @mad: receives the median of |value - *median|, by the same rule
 *
 * Returns 0 or -ENOMEM.
 */
int stats_median_mad(const uint64_t *values, size_t count, uint64_t *median, uint64_t *mad);

#endif
