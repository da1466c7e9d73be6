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
