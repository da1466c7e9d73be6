/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_stats.c - summaries and comparisons worked out by hand, or by brute force
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "sim/rng.h"
#include "sim/stats.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Equal up to the last few bits of a double. */
static void assert_near(double got, double expected)
{
	double gap = got > expected ? got - expected : expected - got;
	double size = expected < 0 ? -expected : expected;

	if (!(gap <= size * 1e-14))
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

static void assert_close(double got, double expected, double tolerance)
{
	if (!(fabs(got - expected) <= tolerance))
		fail_msg("%.17g instead of %.17g", got, expected);
}

static struct stats_mean mean_of(const double *values, uint64_t count)
{
	struct stats_mean m = { .count = count };
	uint64_t i;

	for (i = 0; i < count; i++)
		m.mean += values[i] / (double)count;
	for (i = 0; i < count; i++)
		m.stddev += (values[i] - m.mean) * (values[i] - m.mean);
	m.stddev = count > 1 ? sqrt(m.stddev / (double)(count - 1)) : 0;
	return m;
}

/* Two samples with the t and the degrees of freedom that go round with them as examples of Welch's test. */
static void test_difference(void **state)
{
	static const struct {
		double a[15], b[20];
		uint64_t a_count, b_count;
		double t, df;
	} cases[] = {
		{ { 27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4 },
		  { 27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4 },
		  15,
		  15,
		  2.46,
		  25.0 },
		{ { 17.2, 20.9, 22.6, 18.1, 21.7, 21.4, 23.5, 24.2, 14.7, 21.8 },
		  { 21.5, 22.8, 21.0, 23.0, 21.6, 23.6, 22.5, 20.7, 23.4, 21.8,
		    20.7, 21.7, 21.5, 22.5, 23.6, 21.5, 22.5, 23.5, 21.5, 21.8 },
		  10,
		  20,
		  1.57,
		  9.9 },
		{ { 30.02, 29.99, 30.11, 29.97, 30.01, 29.99 },
		  { 29.89, 29.93, 29.72, 29.98, 30.02, 29.98 },
		  6,
		  6,
		  -1.959,
		  7.03 },
	};
	struct stats_comparison c;
	struct stats_mean a, b;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		a = mean_of(cases[i].a, cases[i].a_count);
		b = mean_of(cases[i].b, cases[i].b_count);
		stats_difference(&a, &b, &c);
		assert_close(c.value, b.mean - a.mean, 1e-12);
		assert_close(stats_welch_t(&c), cases[i].t, 5e-3);
		assert_close(c.df, cases[i].df, 5e-2);
		assert_close(c.ci95, stats_t95((size_t)c.df) * c.stderror, 1e-12);
	}
}

/* Of equal spreads and counts the degrees of freedom add up, whatever the last bits are. */
static void test_whole_df(void **state)
{
	struct stats_comparison c;
	uint64_t n;

	(void)state;
	for (n = 2; n < 200; n++) {
		struct stats_mean m = { 100, 0.1 + 1.0 / (double)n, n };

		stats_difference(&m, &m, &c);
		assert_close(c.df, 2.0 * (double)(n - 1), 1e-9);
		assert_near(c.ci95, stats_t95(2 * (n - 1)) * c.stderror);
		assert_true(stats_welch_t(&c) == 0);
	}
}

static void test_difference_edges(void **state)
{
	struct stats_mean still = { 5, 0, 4 }, other = { 7, 0, 3 }, once = { 6, 0, 1 }, spread = { 8, 3, 9 };
	struct stats_mean huge = { 1e18, 1e9, UINT64_MAX }, huger = { 1e18 + 1e6, 1e9, UINT64_MAX };
	struct stats_comparison c;

	(void)state;
	/* without a spread every difference is one */
	stats_difference(&still, &other, &c);
	assert_true(c.value == 2 && c.stderror == 0 && c.df == 0 && c.ci95 == 0);
	assert_true(stats_welch_t(&c) == INFINITY);
	stats_difference(&other, &still, &c);
	assert_true(stats_welch_t(&c) == -INFINITY);
	stats_difference(&still, &still, &c);
	assert_true(stats_welch_t(&c) == 0);
	/* one side's spread alone: its own degrees of freedom, 9 - 1, and standard error, 3 / 3 */
	stats_difference(&once, &spread, &c);
	assert_near(c.df, 8);
	assert_near(c.stderror, 1);
	assert_near(c.ci95, stats_t95(8));
	stats_difference(&spread, &once, &c);
	assert_near(c.df, 8);
	stats_difference(&spread, &still, &c);
	assert_near(c.df, 8);
	assert_near(stats_welch_t(&c), -3);
	/* more degrees of freedom than any table has */
	stats_difference(&huge, &huger, &c);
	assert_true(c.value == 999936); /* doubles are 128 apart there */
	assert_true(c.ci95 > 0 && c.ci95 < 1);
	assert_near(c.ci95, stats_t95(SIZE_MAX) * c.stderror);
}

/*
 * 120 / 100: the delta method's variance is (b / a^2)^2 sa^2 / n + sb^2 / (a^2 n): 0.012^2 * 4 + 0.01^2 * 9, with
 * sa = 4, sb = 6 and n = 4.
 */
static void test_ratio(void **state)
{
	struct stats_mean a = { 100, 4, 4 }, b = { 120, 6, 4 }, minus = { -100, 4, 4 }, zero = { 0, 0, 3 };
	double va = 0.012 * 0.012 * 4, vb = 0.01 * 0.01 * 9;
	struct stats_comparison c;

	(void)state;
	stats_ratio(&a, &b, &c);
	assert_near(c.value, 1.2);
	assert_near(c.stderror, sqrt(va + vb));
	assert_near(c.df, (va + vb) * (va + vb) / (va * va / 3 + vb * vb / 3));
	assert_near(c.ci95, stats_t95(5) * c.stderror); /* 5.72 */
	stats_ratio(&minus, &b, &c);
	assert_near(c.value, -1.2);
	assert_near(c.stderror, sqrt(va + vb));
	/* nothing of something is nothing, exactly */
	stats_ratio(&a, &zero, &c);
	assert_true(c.value == 0 && c.ci95 == 0);
}

/* The delta method against what it approximates: ratios of means drawn around the two. */
static void test_ratio_spread(void **state)
{
	struct stats_mean a = { 1000, 20, 4 }, b = { 800, 10, 4 };
	double sum = 0, squares = 0;
	struct stats_comparison c;
	struct rng rng;
	int i, k;

	(void)state;
	rng_seed(&rng, 1, 0);
	for (i = 0; i < 20000; i++) {
		double ma = 0, mb = 0, ratio;

		/* twelve uniform numbers less six are almost normal */
		for (k = 0; k < 12; k++) {
			ma += (double)rng_below(&rng, 1000001) / 1e6 - 0.5;
			mb += (double)rng_below(&rng, 1000001) / 1e6 - 0.5;
		}
		ratio = (800 + mb * 5) / (1000 + ma * 10);
		sum += ratio;
		squares += ratio * ratio;
	}
	stats_ratio(&a, &b, &c);
	assert_close(c.value, sum / 20000, 1e-3);
	assert_close(c.stderror, sqrt(squares / 20000 - sum / 20000 * (sum / 20000)), 0.03 * c.stderror);
}

/* Half the width of a mean's interval, or of the difference of two with equal spreads, after so many repetitions.
 */
static double width_after(uint64_t count, double stddev, unsigned int sides)
{
	struct stats_mean a = { 0, stddev, count }, fixed = { 0, 0, count };
	struct stats_comparison c;

	stats_difference(&a, sides == 2 ? &a : &fixed, &c);
	return c.ci95;
}

static void test_repetitions_needed(void **state)
{
	static const double shares[] = { 3, 1, 0.9, 0.5, 0.3, 0.11, 0.05, 0.02 };
	uint64_t count, expected;
	unsigned int sides;
	size_t i;

	(void)state;
	for (sides = 1; sides <= 2; sides++) {
		for (count = 2; count < 40; count += 3) {
			double ci = width_after(count, 7, sides), df = sides * (double)(count - 1);

			for (i = 0; i < COUNT(shares); i++) {
				/* a hair more, so that the last bits do not matter */
				double wanted = ci * shares[i] * (1 + 1e-9);

				for (expected = 2; width_after(expected, 7, sides) > wanted; expected++)
					;
				assert_int_equal(stats_repetitions_needed(ci, df, count, wanted), expected);
			}
		}
	}
	/* as many as there are is enough for what they reach */
	assert_int_equal(stats_repetitions_needed(1, 4, 5, 1.000001), 5);
	/* 1.9799^2 s^2 / w^2 from df 120 on: s is sqrt(5) / 2.7764 */
	assert_int_equal(stats_repetitions_needed(1, 4, 5, 0.001),
			 (uint64_t)ceil(1.9799 * 1.9799 * 5 / (2.7764 * 2.7764) / 1e-6));
	assert_true(stats_repetitions_needed(1, 4, 5, 6e-5) > 600000000);
	assert_true(stats_repetitions_needed(1, 4, 5, 6e-5) < 1000000000);
	assert_true(stats_repetitions_needed(1, 4, 5, 1e-9) == UINT64_MAX);
	assert_true(stats_repetitions_needed(1, 4, 5, 1e-300) == UINT64_MAX);
}

/* The definition: Pearson's correlation of the ranks, each 1 + how many are less + half of how many others equal.
 */
static double spearman(const double *x, const double *y, size_t count)
{
	double xx = 0, yy = 0, xy = 0, middle = ((double)count + 1) / 2;
	size_t i, k;

	for (i = 0; i < count; i++) {
		double rx = 1, ry = 1;

		for (k = 0; k < count; k++) {
			rx += x[k] < x[i] ? 1 : x[k] > x[i] || k == i ? 0 : 0.5;
			ry += y[k] < y[i] ? 1 : y[k] > y[i] || k == i ? 0 : 0.5;
		}
		xx += (rx - middle) * (rx - middle);
		yy += (ry - middle) * (ry - middle);
		xy += (rx - middle) * (ry - middle);
	}
	return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

static void test_spearman(void **state)
{
	/* The textbook's IQ and hours of television: 1 - 6 * 194 / (10 * 99) */
	static const double iq[] = { 106, 100, 86, 101, 99, 103, 97, 113, 112, 110 };
	static const double tv[] = { 7, 27, 2, 50, 28, 29, 20, 12, 6, 17 };
	double x[100], y[100], rho;
	struct rng rng;
	size_t count, i;
	unsigned int values;

	(void)state;
	assert_int_equal(stats_spearman(iq, tv, 10, &rho), 0);
	assert_near(rho, -29.0 / 165);
	assert_int_equal(stats_spearman(iq, iq, 10, &rho), 0);
	assert_near(rho, 1);
	rng_seed(&rng, 2, 0);
	for (count = 1; count <= COUNT(x); count++) {
		for (values = 1; values <= 64; values *= 4) {
			for (i = 0; i < count; i++) {
				x[i] = (double)rng_below(&rng, values);
				y[i] = x[i] / 2 - (double)rng_below(&rng, values);
			}
			assert_int_equal(stats_spearman(x, y, count, &rho), 0);
			assert_close(rho, spearman(x, y, count), 1e-12);
		}
	}
	/* the other way round, and with one value only */
	for (i = 0; i < 50; i++) {
		x[i] = (double)i;
		y[i] = -exp((double)i);
	}
	assert_int_equal(stats_spearman(x, y, 50, &rho), 0);
	assert_near(rho, -1);
	for (i = 0; i < 50; i++)
		y[i] = 3;
	assert_int_equal(stats_spearman(x, y, 50, &rho), 0);
	assert_true(rho == 0);
	assert_int_equal(stats_spearman(x, y, 0, &rho), 0);
	assert_true(rho == 0);
}

/* Wilson's interval is where |share - p| = z sqrt(p (1 - p) / n). */
static void test_proportion(void **state)
{
	double low, high;
	uint64_t hits;

	(void)state;
	stats_proportion(81, 263, &low, &high);
	assert_close(low, 0.2553, 5e-5);
	assert_close(high, 0.3662, 5e-5);
	stats_proportion(15, 148, &low, &high);
	assert_close(low, 0.0624, 5e-5);
	assert_close(high, 0.1605, 5e-5);
	stats_proportion(0, 20, &low, &high);
	assert_true(low == 0);
	assert_close(high, 0.1611252, 1e-6);
	stats_proportion(29, 29, &low, &high);
	assert_close(low, 29 / (29 + 1.959964 * 1.959964), 1e-12);
	assert_true(high == 1);
	stats_proportion(1, 29, &low, &high);
	assert_close(low, 0.0061, 5e-5);
	assert_close(high, 0.1718, 5e-5);
	for (hits = 1; hits < 1000; hits++) {
		stats_proportion(hits, hits, &low, &high);
		assert_true(low > 0 && high == 1);
		stats_proportion(0, hits, &low, &high);
		assert_true(low == 0 && high < 1);
	}
	for (hits = 1; hits < 200; hits++) {
		double p = (double)hits / 200;

		stats_proportion(hits, 200, &low, &high);
		assert_true(low > 0 && low < p && p < high && high < 1);
		assert_close(p - low, 1.959964 * sqrt(low * (1 - low) / 200), 1e-9);
		assert_close(high - p, 1.959964 * sqrt(high * (1 - high) / 200), 1e-9);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_value),
		cmocka_unit_test(test_equal_values),
		cmocka_unit_test(test_eight_values),
		cmocka_unit_test(test_fraction),
		cmocka_unit_test(test_huge_values),
		cmocka_unit_test(test_order_of_values),
		cmocka_unit_test(test_t95),
		cmocka_unit_test(test_median_mad),
		cmocka_unit_test(test_difference),
		cmocka_unit_test(test_whole_df),
		cmocka_unit_test(test_difference_edges),
		cmocka_unit_test(test_ratio),
		cmocka_unit_test(test_ratio_spread),
		cmocka_unit_test(test_repetitions_needed),
		cmocka_unit_test(test_spearman),
		cmocka_unit_test(test_proportion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
