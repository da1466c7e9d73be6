/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_histogram.c - the histogram against the sorted values themselves
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim/histogram.h"
#include "sim/rng.h"

#define VALUES 20000

static const uint32_t shares[] = { 0,	  1,	 10,	1000,  5000,  25000, 50000,
				   75000, 90000, 99000, 99900, 99990, 99999, 100000 };

static struct histogram *new_histogram(void)
{
	struct histogram *h = malloc(sizeof(*h));

	assert_non_null(h);
	histogram_init(h);
	return h;
}

/* Every 64-bit value belongs to exactly one bucket, and no bucket is wider than 1/128 of its values. */
static void test_buckets_tile_the_range(void **state)
{
	uint64_t low, high, next = 0;

	(void)state;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		low = histogram_bucket_low(i);
		high = histogram_bucket_high(i);
		assert_int_equal(low, next);
		assert_true(high >= low);
		assert_int_equal(histogram_bucket(low), i);
		assert_int_equal(histogram_bucket(high), i);
		assert_true(high - low <= low / 128);
		next = high + 1;
	}
	assert_int_equal(next, 0);
	assert_int_equal(histogram_bucket(255), 255);
	assert_int_equal(histogram_bucket(256), 256);
	assert_int_equal(histogram_bucket(257), 256);
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void test_empty(void **state)
{
	struct histogram *h = new_histogram();

	(void)state;
	assert_int_equal(histogram_percentile(h, 0), 0);
	assert_int_equal(histogram_percentile(h, 100000), 0);
	assert_int_equal(histogram_mean(h), 0);
	assert_int_equal(histogram_min(h), 0);
	assert_int_equal(histogram_max(h), 0);
	histogram_record(h, 77);
	histogram_init(h);
	assert_int_equal(histogram_percentile(h, 50000), 0);
	assert_int_equal(histogram_min(h), 0);
	free(h);
}

/* 1..200 are exact. */
static void test_small_values(void **state)
{
	struct histogram *h = new_histogram();

	(void)state;
	for (uint64_t v = 1; v <= 200; v++)
		histogram_record(h, v);
	assert_int_equal(histogram_percentile(h, 0), 1);
	assert_int_equal(histogram_percentile(h, 500), 1);
	assert_int_equal(histogram_percentile(h, 501), 2);
	assert_int_equal(histogram_percentile(h, 50000), 100);
	assert_int_equal(histogram_percentile(h, 50001), 101);
	assert_int_equal(histogram_percentile(h, 99000), 198);
	assert_int_equal(histogram_percentile(h, 99999), 200);
	assert_int_equal(histogram_percentile(h, 100000), 200);
	assert_int_equal(histogram_mean(h), 100); /* 100.5 */
	assert_int_equal(histogram_min(h), 1);
	assert_int_equal(histogram_max(h), 200);
	free(h);
}

/* A percentile is a bucket's end, but no value above the largest is ever reported. */
static void test_largest_value_caps(void **state)
{
	struct histogram *h = new_histogram();

	(void)state;
	histogram_record(h, 1000000);
	assert_int_equal(histogram_percentile(h, 0), 1000000);
	assert_int_equal(histogram_percentile(h, 100000), 1000000);
	histogram_record(h, 2000000);
	assert_int_equal(histogram_percentile(h, 50000), 1003519); /* 245 * 2^12 - 1 */
	assert_int_equal(histogram_percentile(h, 50001), 2000000);
	free(h);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *va = a, *vb = b;

	return (*va > *vb) - (*va < *vb);
}

/* Rank by brute force: the first position that has at least the share of all values at or before it. */
static uint64_t sorted_percentile(const uint64_t *sorted, uint64_t count, uint32_t share)
{
	uint64_t position = 0;

	while ((position + 1) * 100000 < count * share)
		position++;
	return sorted[position];
}

static void check_against_sorted(uint64_t *value, uint64_t count)
{
	struct histogram *h = new_histogram();
	__extension__ unsigned __int128 sum = 0;
	uint64_t exact, got;

	for (uint64_t i = 0; i < count; i++) {
		histogram_record(h, value[i]);
		sum += value[i];
	}
	qsort(value, count, sizeof(*value), compare);
	assert_int_equal(h->count, count);
	assert_int_equal(histogram_min(h), value[0]);
	assert_int_equal(histogram_max(h), value[count - 1]);
	assert_int_equal(histogram_mean(h), (uint64_t)(sum / count));
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		exact = sorted_percentile(value, count, shares[i]);
		got = histogram_percentile(h, shares[i]);
		assert_true(got >= exact);
		assert_true(got - exact <= exact / 128);
	}
	free(h);
}

static void test_against_sorted_values(void **state)
{
	static const uint64_t counts[] = { 1, 2, 3, 7, 99, 100, 101, 1000, VALUES };
	static uint64_t value[VALUES];
	struct rng r;

	(void)state;
	rng_seed(&r, 1, 0);
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		for (uint64_t i = 0; i < counts[c]; i++)
			value[i] = rng_exponential_ps(&r, 70000000);
		check_against_sorted(value, counts[c]);
		for (uint64_t i = 0; i < counts[c]; i++)
			value[i] = rng_below(&r, 300);
		check_against_sorted(value, counts[c]);
		/* all magnitudes, up to sums beyond 64 bits */
		for (uint64_t i = 0; i < counts[c]; i++)
			value[i] = rng_next(&r) >> rng_below(&r, 64);
		check_against_sorted(value, counts[c]);
		for (uint64_t i = 0; i < counts[c]; i++)
			value[i] = UINT64_MAX - i % 2;
		check_against_sorted(value, counts[c]);
	}
}

static void assert_same(const struct histogram *a, const struct histogram *b)
{
	assert_true(a->sum == b->sum);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->min, b->min);
	assert_int_equal(a->max, b->max);
	assert_memory_equal(a->bucket, b->bucket, sizeof(a->bucket));
}

static void test_merge(void **state)
{
	struct histogram *part[3], *whole = new_histogram(), *merged = new_histogram(),
				   *backwards = new_histogram();
	struct rng r;
	uint64_t v;

	(void)state;
	rng_seed(&r, 2, 0);
	for (int i = 0; i < 3; i++)
		part[i] = new_histogram();
	/* the third stays empty */
	for (int i = 0; i < VALUES; i++) {
		v = rng_next(&r) >> rng_below(&r, 64);
		histogram_record(whole, v);
		histogram_record(part[i % 3 == 0], v);
	}
	for (int i = 0; i < 3; i++) {
		histogram_merge(merged, part[i]);
		histogram_merge(backwards, part[2 - i]);
	}
	assert_same(merged, whole);
	assert_same(backwards, whole);
	for (int i = 0; i < 3; i++)
		free(part[i]);
	free(whole);
	free(merged);
	free(backwards);
}

/* Ranks stay exact where count times share exceeds 64 bits: 2^60 times three 1s and one 2. */
static void test_huge_count(void **state)
{
	struct histogram *h = new_histogram(), *copy = new_histogram();

	(void)state;
	for (int i = 0; i < 3; i++)
		histogram_record(h, 1);
	histogram_record(h, 2);
	for (int i = 0; i < 60; i++) {
		*copy = *h;
		histogram_merge(h, copy);
	}
	assert_int_equal(h->count, UINT64_C(1) << 62);
	assert_int_equal(histogram_percentile(h, 74999), 1);
	assert_int_equal(histogram_percentile(h, 75000), 1);
	assert_int_equal(histogram_percentile(h, 75001), 2);
	assert_int_equal(histogram_percentile(h, 100000), 2);
	assert_int_equal(histogram_mean(h), 1);
	free(h);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets_tile_the_range),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_small_values),
		cmocka_unit_test(test_largest_value_caps),
		cmocka_unit_test(test_against_sorted_values),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_huge_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
