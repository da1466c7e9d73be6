/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * histogram.h - distribution of 64-bit values (latencies in ns or ps) in fixed memory
 *
 * Log-linear buckets, as HdrHistogram and fio's clat percentiles have them: every power of two is split into
 * 2^7 buckets of one width, so a bucket is never wider than 1/128 (0.79 %) of its values, and values
 * below 256 are exact. Count, sum, smallest and largest value are exact everywhere. There are only integers in it.
 */
#ifndef SIMBENCH_HISTOGRAM_H
#define SIMBENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_SUB_COUNT (1U << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB_COUNT)

/* Percentiles are given in parts of this: 99.999 % is 99999. */
#define HISTOGRAM_PERCENT_SCALE 100000

struct histogram {
	__extension__ unsigned __int128 sum;
	uint64_t count;
	uint64_t min; /* UINT64_MAX while empty */
	uint64_t max;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* histogram_init - make @h empty; also to start over */
void histogram_init(struct histogram *h);

/* histogram_bucket - index of the bucket that counts @value, below HISTOGRAM_BUCKETS */
static inline uint32_t histogram_bucket(uint64_t value)
{
	uint32_t shift;

	if (value < HISTOGRAM_SUB_COUNT)
		return (uint32_t)value;
	shift = 63 - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return shift * HISTOGRAM_SUB_COUNT + (uint32_t)(value >> shift);
}

/* histogram_record - count one value */
static inline void histogram_record(struct histogram *h, uint64_t value)
{
	h->bucket[histogram_bucket(value)]++;
	h->sum += value;
	h->count++;
	if (value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
}

/* histogram_merge - count into @to everything that @from has counted; the result does not depend on any order */
void histogram_merge(struct histogram *to, const struct histogram *from);

/* The smallest and the largest value that bucket @index, below HISTOGRAM_BUCKETS, counts. */
uint64_t histogram_bucket_low(uint32_t index);
uint64_t histogram_bucket_high(uint32_t index);

/**
 * histogram_percentile - the value that a share of all recorded values does not exceed
 * @h: the histogram
 * @parts: that share in parts of HISTOGRAM_PERCENT_SCALE, 0..100000
 *
 * The nearest-rank percentile: the ceil(count * share)-th smallest value, but the first for a share of 0,
 * rounded up to the end of its bucket, though never beyond the largest value. So it is at most 1/128 too high
 * and never too low. An empty histogram gives 0.
 */
uint64_t histogram_percentile(const struct histogram *h, uint32_t parts);

/* histogram_mean - sum / count, rounded down; 0 for an empty histogram */
uint64_t histogram_mean(const struct histogram *h);

/* histogram_min, histogram_max - the exact extremes; 0 for an empty histogram */
uint64_t histogram_min(const struct histogram *h);
uint64_t histogram_max(const struct histogram *h);

#endif
