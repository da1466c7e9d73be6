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

/* A mean of independent repetitions. */
struct stats_mean {
	double mean;
	double stddev;	/* of one repetition, with count - 1 in the denominator; 0 with one repetition */
	uint64_t count; /* at least 1 */
};

/* How two of them differ. */
struct stats_comparison {
	double value; /* the difference or the ratio */
	double stderror;
	double df;   /* Welch-Satterthwaite; 0 where neither side has a spread */
	double ci95; /* the value is known to plus or minus this, with 95 % confidence */
};

/**
 * stats_difference - b - a, with Welch's interval for unequal variances
 *
 * Either side may have one repetition, whose spread then counts as none: whoever has a choice does not ask.
 */
void stats_difference(const struct stats_mean *a, const struct stats_mean *b, struct stats_comparison *c);

/* stats_ratio - b / a, with the interval of the delta method; @a's mean is not 0 */
void stats_ratio(const struct stats_mean *a, const struct stats_mean *b, struct stats_comparison *c);

/* stats_welch_t - the difference over its standard error; 0 for equal means, infinite for others without spread */
double stats_welch_t(const struct stats_comparison *difference);

/**
 * stats_repetitions_needed - how many repetitions make an interval small enough
 * @ci95: half width of the interval that there is
 * @df: its degrees of freedom: @count - 1, or those of a comparison
 * @count: repetitions behind it, of each side of a comparison; at least 2
 * @wanted: half width that is wanted, above 0
 *
 * Takes the spread to stay as it is. Returns the smallest such number from 2 on, or UINT64_MAX where it is beyond
 * 10^9.
 */
uint64_t stats_repetitions_needed(double ci95, double df, uint64_t count, double wanted);

/**
 * stats_spearman - Spearman's rank correlation, ties sharing their mean rank
 * @x, @y: the values
 * @count: how many pairs
 * @rho: receives it, -1..1; 0 where either has only one value
 *
 * Returns 0 or -ENOMEM.
 */
int stats_spearman(const double *x, const double *y, size_t count, double *rho);

/**
 * stats_proportion - Wilson's 95 % interval of a share
 * @hits: of @count, which is at least 1
 * @low, @high: receive it, 0..1
 */
void stats_proportion(uint64_t hits, uint64_t count, double *low, double *high);

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
