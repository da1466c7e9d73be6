/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stats.c - summary of repetitions
 */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/stats.h"

double stats_t95(size_t df)
{
	static const double small[] = {
		12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
		2.2010,	 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
		2.0796,	 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
	};

	assert(df > 0);
	if (df <= sizeof(small) / sizeof(small[0]))
		return small[df - 1];
	if (df < 40)
		return small[29];
	if (df < 60)
		return 2.0211;
	return df < 120 ? 2.0003 : 1.9799;
}

/* Sum of the squared deviations from the mean, which is @floor + @fraction. */
static double sum_of_squares(const uint64_t *values, size_t count, uint64_t floor, double fraction)
{
	double sum = 0, d;

	for (size_t i = 0; i < count; i++) {
		/* subtracted as integers first: near 2^64 a double is exact to 2048 only */
		if (values[i] >= floor)
			d = (double)(values[i] - floor) - fraction;
		else
			d = -(double)(floor - values[i]) - fraction;
		sum += d * d;
	}
	return sum;
}

void stats_summarize(const uint64_t *values, size_t count, struct stats_summary *s)
{
	__extension__ unsigned __int128 sum = 0;
	double fraction, variance;
	uint64_t floor;

	assert(count > 0);
	*s = (struct stats_summary){ .count = count, .min = UINT64_MAX };
	for (size_t i = 0; i < count; i++) {
		sum += values[i];
		if (values[i] < s->min)
			s->min = values[i];
		if (values[i] > s->max)
			s->max = values[i];
	}
	floor = (uint64_t)(sum / count);
	fraction = (double)(uint64_t)(sum % count) / (double)count;
	s->mean = (double)floor + fraction;
	if (count < 2)
		return;
	variance = sum_of_squares(values, count, floor, fraction) / (double)(count - 1);
	s->has_ci95 = true;
	s->ci95 = stats_t95(count - 1) * sqrt(variance / (double)count);
}

/*
 * The quantile for degrees of freedom that need not be whole: rounded down, as the table's own steps are, so that
 * the interval is never too narrow. What only the last bits keep from being whole is.
 */
static double t95_of(double df)
{
	df += df * 1e-9;
	return stats_t95(df < 1 ? 1 : df < 1e9 ? (size_t)df : 1000000000);
}

/* With the variances of the two parts of a standard error, and their degrees of freedom. */
static void combine(struct stats_comparison *c, double va, uint64_t na, double vb, uint64_t nb)
{
	double denominator = 0;

	c->stderror = sqrt(va + vb);
	c->df = c->ci95 = 0;
	if (na > 1)
		denominator += va * va / (double)(na - 1);
	if (nb > 1)
		denominator += vb * vb / (double)(nb - 1);
	if (denominator <= 0)
		return;
	c->df = (va + vb) * (va + vb) / denominator;
	c->ci95 = c->stderror * t95_of(c->df);
}

void stats_difference(const struct stats_mean *a, const struct stats_mean *b, struct stats_comparison *c)
{
	c->value = b->mean - a->mean;
	combine(c, a->stddev * a->stddev / (double)a->count, a->count, b->stddev * b->stddev / (double)b->count,
		b->count);
}

void stats_ratio(const struct stats_mean *a, const struct stats_mean *b, struct stats_comparison *c)
{
	double slope_a = b->mean / (a->mean * a->mean), slope_b = 1 / a->mean;

	c->value = b->mean / a->mean;
	combine(c, slope_a * slope_a * (a->stddev * a->stddev / (double)a->count), a->count,
		slope_b * slope_b * (b->stddev * b->stddev / (double)b->count), b->count);
}

double stats_welch_t(const struct stats_comparison *difference)
{
	if (difference->stderror > 0)
		return difference->value / difference->stderror;
	return difference->value > 0 ? INFINITY : difference->value < 0 ? -INFINITY : 0;
}

uint64_t stats_repetitions_needed(double ci95, double df, uint64_t count, double wanted)
{
	/* Of what one repetition each would have: the spread alone, and the degrees of freedom each one adds. */
	double spread = ci95 / t95_of(df) * sqrt((double)count), df_each = df / (double)(count - 1);
	const uint64_t most = 1000000000;
	uint64_t low = 1, high = 2;

	assert(count > 1 && wanted > 0);
	while (t95_of(df_each * (double)(high - 1)) * spread / sqrt((double)high) > wanted) {
		if (high == most)
			return UINT64_MAX;
		low = high;
		high = 2 * high < most ? 2 * high : most;
	}
	/* The width falls with the count. */
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (t95_of(df_each * (double)(middle - 1)) * spread / sqrt((double)middle) > wanted)
			low = middle;
		else
			high = middle;
	}
	return high;
}

struct ranked {
	double value, rank;
	size_t index;
};

static int by_value(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static int by_index(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

static void rank_values(struct ranked *r, const double *values, size_t count)
{
	size_t i, k, end;

	for (i = 0; i < count; i++)
		r[i] = (struct ranked){ values[i], 0, i };
	qsort(r, count, sizeof(*r), by_value);
	for (i = 0; i < count; i = end) {
		for (end = i + 1; end < count && r[end].value == r[i].value; end++)
			;
		for (k = i; k < end; k++)
			r[k].rank = (double)(i + end - 1) / 2;
	}
	qsort(r, count, sizeof(*r), by_index);
}

int stats_spearman(const double *x, const double *y, size_t count, double *rho)
{
	struct ranked *rx = calloc(2 * count + 1, sizeof(*rx)), *ry;
	double middle = count ? (double)(count - 1) / 2 : 0, xy = 0, xx = 0, yy = 0;
	size_t i;

	*rho = 0;
	if (!rx)
		return -ENOMEM;
	ry = rx + count;
	rank_values(rx, x, count);
	rank_values(ry, y, count);
	for (i = 0; i < count; i++) {
		double dx = rx[i].rank - middle, dy = ry[i].rank - middle;

		xy += dx * dy;
		xx += dx * dx;
		yy += dy * dy;
	}
	if (xx > 0 && yy > 0)
		*rho = xy / sqrt(xx * yy);
	free(rx);
	return 0;
}

void stats_proportion(uint64_t hits, uint64_t count, double *low, double *high)
{
	/* The normal distribution's 97.5 % quantile. */
	const double z = 1.959964;
	double n = (double)count, p = (double)hits / n, middle, width;

	middle = (p + z * z / (2 * n)) / (1 + z * z / n);
	width = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
	/* The ends are exact where rounding would leave them beside. */
	*low = hits ? middle - width : 0;
	*high = hits < count ? middle + width : 1;
}

static int compare_values(const void *a, const void *b)
{
	const uint64_t *va = a, *vb = b;

	return (*va > *vb) - (*va < *vb);
}

/* Sorts @values. */
static uint64_t median_of(uint64_t *values, size_t count)
{
	uint64_t low, high;

	qsort(values, count, sizeof(*values), compare_values);
	low = values[(count - 1) / 2];
	high = values[count / 2];
	return low + (high - low) / 2;
}

int stats_median_mad(const uint64_t *values, size_t count, uint64_t *median, uint64_t *mad)
{
	uint64_t *scratch;

	assert(count > 0);
	scratch = calloc(count, sizeof(*scratch));
	if (!scratch)
		return -ENOMEM;
	memcpy(scratch, values, count * sizeof(*scratch));
	*median = median_of(scratch, count);
	for (size_t i = 0; i < count; i++)
		scratch[i] = values[i] > *median ? values[i] - *median : *median - values[i];
	*mad = median_of(scratch, count);
	free(scratch);
	return 0;
}
