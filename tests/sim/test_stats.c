/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_stats.c - summaries worked out by hand
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/stats.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Equal up to the last few bits of a double. */
static void assert_near(double got, double expected)
{
	double gap = got > expected ? got - expected : expected - got;
	double size = expected < 0 ? -expected : expected;

	if (gap > size * 1e-14)
		fail_msg("%.17g instead of %.17g", got, expected);
}

static void test_one_value(void **state)
{
	const uint64_t v[] = { 42 };
	struct stats_summary s;

	(void)state;
	stats_summarize(v, 1, &s);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.min, 42);
	assert_int_equal(s.max, 42);
	assert_true(s.mean == 42.0);
	assert_false(s.has_ci95);
	assert_true(s.ci95 == 0.0);
}

static void test_equal_values(void **state)
{
	const uint64_t v[] = { 4985, 4985, 4985, 4985 };
	struct stats_summary s;

	(void)state;
	stats_summarize(v, 4, &s);
	assert_true(s.mean == 4985.0);
	assert_true(s.has_ci95);
	assert_true(s.ci95 == 0.0);
}

/* Deviations -3 -1 -1 -1 0 0 2 4: squares 32, variance 32/7, and t for 7 degrees of freedom is 2.3646. */
static void test_eight_values(void **state)
{
	const uint64_t v[] = { 2, 4, 4, 4, 5, 5, 7, 9 };
	struct stats_summary s;

	(void)state;
	stats_summarize(v, 8, &s);
	assert_int_equal(s.count, 8);
	assert_int_equal(s.min, 2);
	assert_int_equal(s.max, 9);
	assert_true(s.mean == 5.0);
	assert_near(s.ci95, 2.3646 * 0.7559289460184544); /* sqrt(32 / 7 / 8) */
}

/* Mean 4/3, deviations -1/3 -1/3 2/3: squares 2/3, variance 1/3, half-width 4.3027 * sqrt(1/9). */
static void test_fraction(void **state)
{
	const uint64_t v[] = { 1, 1, 2 };
	struct stats_summary s;

	(void)state;
	stats_summarize(v, 3, &s);
	assert_near(s.mean, 4.0 / 3.0);
	assert_near(s.ci95, 4.3027 / 3.0);
}

/* Small differences between huge values, whose sum and squares exceed 64 bits: nothing may cancel. */
static void test_huge_values(void **state)
{
	const uint64_t v[] = { UINT64_MAX, UINT64_MAX - 2, UINT64_MAX - 4 };
	const uint64_t wide[] = { 0, UINT64_MAX };
	struct stats_summary s;

	(void)state;
	stats_summarize(v, 3, &s);
	assert_int_equal(s.min, UINT64_MAX - 4);
	assert_int_equal(s.max, UINT64_MAX);
	assert_near(s.mean, 18446744073709551613.0);
	assert_near(s.ci95, 4.3027 * 1.1547005383792515); /* sqrt(4 / 3) */

	/* deviations of half of 2^64 each: variance 2^127, half-width 12.7062 * 2^63 */
	stats_summarize(wide, 2, &s);
	assert_near(s.mean, 9223372036854775808.0);
	assert_near(s.ci95, 12.7062 * 9223372036854775808.0);
}

static void test_order_of_values(void **state)
{
	const uint64_t v[] = { 6151, 6149, 6155, 6150, 6148 };
	const uint64_t w[] = { 6148, 6155, 6150, 6151, 6149 };
	struct stats_summary a, b;

	(void)state;
	stats_summarize(v, 5, &a);
	stats_summarize(w, 5, &b);
	assert_true(a.mean == b.mean);
	assert_near(a.mean, 6150.6);
	assert_near(a.ci95, b.ci95);
	/* deviations 0.4 -1.6 4.4 -0.6 -2.6: squares 29.2, variance 7.3 */
	assert_near(a.ci95, 2.7764 * 1.2083045973594573); /* sqrt(7.3 / 5) */
}

static void test_t95(void **state)
{
	(void)state;
	assert_true(stats_t95(1) == 12.7062);
	assert_true(stats_t95(2) == 4.3027);
	assert_true(stats_t95(4) == 2.7764);
	assert_true(stats_t95(9) == 2.2622);
	assert_true(stats_t95(10) == 2.2281);
	assert_true(stats_t95(11) == 2.2010);
	assert_true(stats_t95(20) == 2.0860);
	assert_true(stats_t95(30) == 2.0423);
	/* between the rows of the table: the next smaller row */
	assert_true(stats_t95(31) == 2.0423);
	assert_true(stats_t95(39) == 2.0423);
	assert_true(stats_t95(40) == 2.0211);
	assert_true(stats_t95(59) == 2.0211);
	assert_true(stats_t95(60) == 2.0003);
	assert_true(stats_t95(119) == 2.0003);
	assert_true(stats_t95(120) == 1.9799);
	assert_true(stats_t95(SIZE_MAX) == 1.9799);
	for (size_t df = 1; df < 1000; df++) {
		assert_true(stats_t95(df + 1) <= stats_t95(df));
		assert_true(stats_t95(df) > 1.95996);
		/* a row mistyped breaks the convexity of the quantiles; the tolerance is their rounding */
		if (df > 1 && df < 30)
			assert_true(stats_t95(df - 1) + stats_t95(df + 1) > 2 * stats_t95(df) - 0.0002);
	}
}

static void test_median_mad(void **state)
{
	static const struct {
		uint64_t values[6];
		size_t count;
		uint64_t median, mad;
	} cases[] = {
		{ { 7 }, 1, 7, 0 },
		{ { 9, 2 }, 2, 5, 3 }, /* 5.5; deviations 4 and 3 */
		{ { 9, 1, 5 }, 3, 5, 4 },
		{ { 1, 1000, 2, 4, 3 }, 5, 3, 1 }, /* deviations 2 997 1 1 0: the outlier does not count */
		{ { 6, 1, 4, 2, 9, 8 }, 6, 5, 3 }, /* deviations 1 4 1 3 4 3 */
		{ { UINT64_MAX, UINT64_MAX - 2 }, 2, UINT64_MAX - 1, 1 },
		{ { 0, UINT64_MAX, UINT64_MAX }, 3, UINT64_MAX, 0 },
		{ { 0, 0, UINT64_MAX, UINT64_MAX }, 4, INT64_MAX, INT64_MAX },
	};
	uint64_t median, mad;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(stats_median_mad(cases[i].values, cases[i].count, &median, &mad), 0);
		assert_int_equal(median, cases[i].median);
		assert_int_equal(mad, cases[i].mad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_value),    cmocka_unit_test(test_equal_values),
		cmocka_unit_test(test_eight_values), cmocka_unit_test(test_fraction),
		cmocka_unit_test(test_huge_values),  cmocka_unit_test(test_order_of_values),
		cmocka_unit_test(test_t95),	     cmocka_unit_test(test_median_mad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
