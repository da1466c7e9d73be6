/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * histogram.c - log-linear histogram: the parts off the recording path
 */
#include <assert.h>
#include <string.h>

#include "sim/histogram.h"

void histogram_init(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
	to->sum += from->sum;
	to->count += from->count;
	if (from->min < to->min)
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
}

/* Buckets up to two sub-bucket runs are one value wide; each run after that doubles the width. */
static uint32_t bucket_shift(uint32_t index)
{
	return index < 2 * HISTOGRAM_SUB_COUNT ? 0 : index / HISTOGRAM_SUB_COUNT - 1;
}

uint64_t histogram_bucket_low(uint32_t index)
{
	uint32_t shift = bucket_shift(index);

	assert(index < HISTOGRAM_BUCKETS);
	return (uint64_t)(index - shift * HISTOGRAM_SUB_COUNT) << shift;
}

uint64_t histogram_bucket_high(uint32_t index)
{
	return histogram_bucket_low(index) + ((UINT64_C(1) << bucket_shift(index)) - 1);
}

/* ceil(count * parts / scale), at least 1, without a product that overflows */
static uint64_t nearest_rank(uint64_t count, uint32_t parts)
{
	uint64_t whole = count / HISTOGRAM_PERCENT_SCALE * parts;
	uint64_t rest = count % HISTOGRAM_PERCENT_SCALE * parts;
	uint64_t rank = whole + (rest + HISTOGRAM_PERCENT_SCALE - 1) / HISTOGRAM_PERCENT_SCALE;

	return rank ? rank : 1;
}

uint64_t histogram_percentile(const struct histogram *h, uint32_t parts)
{
	uint64_t rank, below = 0, high;
	uint32_t i = 0;

	assert(parts <= HISTOGRAM_PERCENT_SCALE);
	if (!h->count)
		return 0;
	rank = nearest_rank(h->count, parts);
	while (below + h->bucket[i] < rank)
		below += h->bucket[i++];
	high = histogram_bucket_high(i);
	return high < h->max ? high : h->max;
}

uint64_t histogram_mean(const struct histogram *h)
{
	return h->count ? (uint64_t)(h->sum / h->count) : 0;
}

uint64_t histogram_min(const struct histogram *h)
{
	return h->count ? h->min : 0;
}

uint64_t histogram_max(const struct histogram *h)
{
	return h->max;
}
