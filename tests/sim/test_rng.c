/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_rng.c - the generator against its published vectors, the variates against their distributions
 *
 * Seeds are fixed, so a statistical check either always passes or never does. The checksums of the variates come
 * from a model in another language; every compiler has to reproduce them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/rng.h"

#define GEN_RNG_TABLE_NO_MAIN
#include "tests/gen_rng_table.c"

/* The root of the source tree; without it, the tests run there. */
#ifndef SIMBENCH_SOURCE_DIR
#define SIMBENCH_SOURCE_DIR "."
#endif

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MEAN 70000000
#define DRAWS 1000000

/* xoshiro256** from state 1, 2, 3, 4, as the authors' code gives it. */
static void test_xoshiro_vector(void **state)
{
	static const uint64_t expected[] = {
		11520ULL,
		0ULL,
		1509978240ULL,
		1215971899390074240ULL,
		1216172134540287360ULL,
		607988272756665600ULL,
		16172922978634559625ULL,
		8476171486693032832ULL,
		10595114339597558777ULL,
		2904607092377533576ULL,
	};
	struct rng r = { { 1, 2, 3, 4 } };

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++)
		assert_int_equal(rng_next(&r), expected[i]);
}

/* Stream 0 is SplitMix64's output for the seed; a later stream has its own vector, and no two begin alike. */
static void test_seeding(void **state)
{
	static const uint64_t splitmix[] = { 6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL,
					     4593380528125082431ULL };
	static const uint64_t stream7[] = { 0x97d5a1cdc20ccc3eULL, 0xf9cd86247cc926e4ULL, 0x6d18887963b520dfULL,
					    0xf8686d288f81359fULL };
	uint64_t first[64];
	struct rng r;

	(void)state;
	rng_seed(&r, 1234567, 0);
	assert_memory_equal(r.s, splitmix, sizeof(splitmix));
	rng_seed(&r, 42, 7);
	for (size_t i = 0; i < COUNT(stream7); i++)
		assert_int_equal(rng_next(&r), stream7[i]);
	for (size_t i = 0; i < COUNT(first); i++) {
		rng_seed(&r, i / 8, i % 8);
		first[i] = rng_next(&r);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(first[k], first[i]);
	}
}

/* Neighbouring streams differ in half of their bits, give or take five standard deviations. */
static void test_streams_are_unrelated(void **state)
{
	struct rng a, b;
	int different;

	(void)state;
	for (uint64_t stream = 0; stream < 64; stream++) {
		rng_seed(&a, 1, stream);
		rng_seed(&b, stream & 1, stream + 1);
		different = 0;
		for (int i = 0; i < 1000; i++)
			different += __builtin_popcountll(rng_next(&a) ^ rng_next(&b));
		assert_in_range(different, 32000 - 632, 32000 + 632);
	}
}

static void test_below(void **state)
{
	unsigned int hits[7] = { 0 }, third[3] = { 0 };
	struct rng r;

	(void)state;
	rng_seed(&r, 3, 0);
	for (int i = 0; i < 70000; i++)
		hits[rng_below(&r, 7)]++;
	for (size_t i = 0; i < COUNT(hits); i++)
		assert_in_range(hits[i], 10000 - 500, 10000 + 500);
	assert_int_equal(rng_below(&r, 1), 0);

	/* without the second draw the middle third of 3 * 2^62 would get half of all numbers, not a third */
	for (int i = 0; i < 30000; i++)
		third[rng_below(&r, UINT64_C(3) << 62) >> 62]++;
	for (size_t i = 0; i < COUNT(third); i++)
		assert_in_range(third[i], 10000 - 500, 10000 + 500);
	for (int i = 0; i < 1000; i++)
		assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
}

/* The checked-in table is what its generator writes, to the byte. */
static void test_table_file(void **state)
{
	char *fresh, *checked_in;
	size_t size, got;
	FILE *f;

	(void)state;
	f = open_memstream(&fresh, &size);
	assert_non_null(f);
	gen_rng_table(f);
	assert_int_equal(fclose(f), 0);
	f = fopen(SIMBENCH_SOURCE_DIR "/sim/rng_table.h", "r");
	assert_non_null(f);
	checked_in = calloc(1, size + 2);
	assert_non_null(checked_in);
	got = fread(checked_in, 1, size + 1, f);
	fclose(f);
	assert_int_equal(got, size);
	assert_string_equal(checked_in, fresh);
	free(checked_in);
	free(fresh);
}

/* The compiled table too, and that it is -ln: the knots' values against a series of their own. */
static void test_table_values(void **state)
{
	(void)state;
	assert_int_equal(RNG_LN_KNOTS, KNOTS);
	assert_int_equal(RNG_LN_FRACTION_BITS, VALUE_BITS);
	assert_int_equal(rng_ln_knots[0].value, RNG_LN2);
	assert_int_equal(rng_ln_knots[RNG_LN_KNOTS].value, 0);
	for (uint64_t i = 0; i < KNOTS; i++) {
		assert_int_equal(rng_ln_knots[i].value, gen_round(gen_knot(i), VALUE_BITS));
		assert_int_equal(rng_ln_knots[i].curve, gen_round(gen_curve(i), CURVE_BITS));
		assert_true(rng_ln_knots[i].value > rng_ln_knots[i + 1].value);
	}
}

/* -ln(u / 2^64) in doubles, without libm: octaves of ln(2), and the series of atanh for the rest. */
static double exact_neg_ln(uint64_t u)
{
	int octave = __builtin_clzll(u);
	/* 2^64 minus the normalized number: exact where it is near 1 */
	double gap = (double)-(u << octave), z, power, sum = 0;

	z = gap / (2 * 18446744073709551616.0 - gap);
	power = z;
	for (int k = 1; k < 60; k += 2) {
		sum += power / k;
		power *= z * z;
	}
	return 2 * sum + octave * 0.69314718055994530942;
}

static double neg_ln(uint64_t u)
{
	return (double)rng_neg_ln(u) / (double)(UINT64_C(1) << RNG_LN_FRACTION_BITS);
}

static void check_neg_ln(uint64_t u)
{
	double exact = exact_neg_ln(u | 1), gap = neg_ln(u) - exact;

	gap = gap < 0 ? -gap : gap;
	if (gap > (exact > 1e-6 ? exact * 1e-6 : 0x1p-40))
		fail_msg("%#llx: off by %g of %g", (unsigned long long)u, gap, exact);
}

static void test_neg_ln_error(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, 4, 0);
	for (int i = 0; i < DRAWS; i++) {
		check_neg_ln(rng_next(&r));
		check_neg_ln(rng_next(&r) >> rng_below(&r, 64));
		check_neg_ln(-(rng_next(&r) >> rng_below(&r, 64)));
	}
	/* around each knot and each middle, in the highest and the lowest octaves that have them */
	for (uint64_t i = 512; i < 1024; i++)
		for (uint64_t d = 0; d < 4; d++) {
			check_neg_ln((i << 54) + d - 2);
			check_neg_ln((i << 20) + d - 2);
		}
}

static void test_neg_ln_extremes(void **state)
{
	(void)state;
	assert_int_equal(rng_neg_ln(0), 63 * RNG_LN2 + RNG_LN2);
	assert_int_equal(rng_neg_ln(1), rng_neg_ln(0));
	assert_int_equal(rng_neg_ln(UINT64_MAX) >> (RNG_LN_FRACTION_BITS - 40), 0);
	assert_true(neg_ln(0) > 44.36 && neg_ln(0) < 44.37);
}

/* Never growing: in the finest steps down from each knot, among all small numbers, and for random pairs. */
static void test_neg_ln_is_monotone(void **state)
{
	uint64_t u, step;
	struct rng r;

	(void)state;
	for (unsigned int octave = 0; octave < 24; octave++)
		for (uint64_t i = 256; i < 512; i++) {
			u = i << (55 - octave);
			step = UINT64_C(1) << (23 - octave);
			for (int n = 0; n < 64; n++, u -= step)
				assert_true(rng_neg_ln(u - step) >= rng_neg_ln(u));
		}
	for (u = 1; u < 65536; u++)
		assert_true(rng_neg_ln(u - 1) >= rng_neg_ln(u));
	rng_seed(&r, 5, 0);
	for (int i = 0; i < DRAWS; i++) {
		u = rng_next(&r) >> rng_below(&r, 63) | 1;
		step = 1 + (rng_next(&r) >> rng_below(&r, 64)) % u;
		assert_true(rng_neg_ln(u - step) >= rng_neg_ln(u));
		assert_true(rng_neg_ln(u - 1) >= rng_neg_ln(u));
	}
}

/* e^-x for x in 0..64, without libm. */
static double exp_neg(double x)
{
	double term = 1, sum = 0, y = x / 1024;

	for (int i = 1; i < 16; i++) {
		sum += term;
		term *= -y / i;
	}
	for (int i = 0; i < 10; i++)
		sum *= sum;
	return sum;
}

/* Share of an Erlang variate of @phases phases, in units of its mean, that does not exceed @x. */
static double erlang_cdf(double x, unsigned int phases)
{
	double y = x * phases, term = 1, sum = 0;

	for (unsigned int i = 1; i <= phases; i++) {
		sum += term;
		term *= y / i;
	}
	return 1 - exp_neg(y) * sum;
}

static double uniform_cdf(double x, unsigned int phases)
{
	(void)phases;
	return x < 2 ? x / 2 : 1;
}

static uint64_t draw_exponential(struct rng *r, uint64_t mean, unsigned int phases)
{
	(void)phases;
	return rng_exponential_ps(r, mean);
}

static uint64_t draw_uniform(struct rng *r, uint64_t mean, unsigned int phases)
{
	(void)phases;
	return rng_uniform_ps(r, mean);
}

typedef uint64_t draw_fn(struct rng *r, uint64_t mean, unsigned int phases);
typedef double cdf_fn(double x, unsigned int phases);

static int compare(const void *a, const void *b)
{
	const uint64_t *va = a, *vb = b;

	return (*va > *vb) - (*va < *vb);
}

/* Mean and variance, at least four standard errors wide; Kolmogorov and Smirnov's distance at 0.1 %. */
static void check_distribution(draw_fn *draw, cdf_fn *cdf, unsigned int phases, double variance)
{
	uint64_t *value = malloc(DRAWS * sizeof(*value));
	double sum = 0, squares = 0, x, gap, widest = 0;
	struct rng r;

	assert_non_null(value);
	rng_seed(&r, 6, phases);
	for (size_t i = 0; i < DRAWS; i++) {
		value[i] = draw(&r, MEAN, phases);
		x = (double)value[i] / MEAN;
		sum += x;
		squares += (x - 1) * (x - 1);
	}
	assert_true(sum / DRAWS > 0.996 && sum / DRAWS < 1.004);
	assert_true(squares / DRAWS > variance * 0.988 && squares / DRAWS < variance * 1.012);

	qsort(value, DRAWS, sizeof(*value), compare);
	for (size_t i = 0; i < DRAWS; i++) {
		gap = cdf((double)value[i] / MEAN, phases) - (i + 0.5) / DRAWS;
		gap = gap < 0 ? -gap : gap;
		widest = gap > widest ? gap : widest;
	}
	if (widest > 1.95 / 1000 + 0.5 / DRAWS) /* sqrt(DRAWS) is 1000 */
		fail_msg("%u phases: distance %g", phases, widest);
	free(value);
}

static void test_exponential(void **state)
{
	(void)state;
	check_distribution(draw_exponential, erlang_cdf, 1, 1);
}

static void test_erlang(void **state)
{
	static const unsigned int phases[] = { 1, 2, 3, 8, 64 };

	(void)state;
	for (size_t i = 0; i < COUNT(phases); i++)
		check_distribution(rng_erlang_ps, erlang_cdf, phases[i], 1.0 / phases[i]);
}

static void test_uniform(void **state)
{
	(void)state;
	check_distribution(draw_uniform, uniform_cdf, 0, 1.0 / 3);
}

/* Small means round to the nearest ps, so they keep their mean; the ends of the uniform range occur. */
static void test_small_means(void **state)
{
	uint64_t sum = 0, u;
	unsigned int hits[5] = { 0 };
	struct rng r;

	(void)state;
	rng_seed(&r, 7, 0);
	for (int i = 0; i < DRAWS; i++)
		sum += rng_exponential_ps(&r, 20);
	assert_in_range(sum, 20 * DRAWS - 80000, 20 * DRAWS + 80000);
	for (int i = 0; i < 50000; i++) {
		u = rng_uniform_ps(&r, 2);
		assert_in_range(u, 0, 4);
		hits[u]++;
	}
	for (size_t i = 0; i < COUNT(hits); i++)
		assert_in_range(hits[i], 10000 - 500, 10000 + 500);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(rng_exponential_ps(&r, 0), 0);
		assert_int_equal(rng_erlang_ps(&r, 0, 8), 0);
		assert_int_equal(rng_uniform_ps(&r, 0), 0);
	}
}

/*
 * A state whose next outputs are known: rng_next() yields 0 for a second word of 0, which is the rarest and
 * largest exponential. At the largest mean it still fits 64 bits.
 */
static void test_largest_variate(void **state)
{
	struct rng r = { { 1, 0, 0, 0 } };
	uint64_t v;

	(void)state;
	v = rng_exponential_ps(&r, RNG_MEAN_MAX_PS);
	assert_int_equal(v, 64 * RNG_LN2);
	r = (struct rng){ { 1, 0, 0, 0 } };
	assert_int_equal(rng_exponential_ps(&r, MEAN), 3105299369); /* 64 ln(2) times MEAN */
}

static uint64_t checksum(uint64_t sum, uint64_t value)
{
	return (sum ^ value) * 0x100000001b3ULL;
}

static uint64_t draw_any(struct rng *r, int kind)
{
	switch (kind) {
	case 0:
		return rng_exponential_ps(r, MEAN);
	case 1:
		return rng_uniform_ps(r, MEAN);
	case 2:
		return rng_erlang_ps(r, MEAN, 8);
	case 3:
		return rng_neg_ln(rng_next(r));
	default:
		/* a quarter of the numbers are drawn again */
		return rng_below(r, (UINT64_C(1) << 62) + 1);
	}
}

/* The first value and the checksum of 10000 draws, each from seed 1 and stream 2. */
static void test_same_everywhere(void **state)
{
	static const struct {
		uint64_t first, sum;
	} expected[] = {
		{ 68925355, 0x8a65580933d26a42 },
		{ 52299902, 0xaf642de23fd4b9c0 },
		{ 74935235, 0x044283c737382ffe },
		{ 283805440888146166, 0x00d44a316dda8c8a },
		{ 3338474056676568689, 0x5c001f5a686b79c9 },
	};
	uint64_t sum, v;
	struct rng r;

	(void)state;
	for (int kind = 0; kind < (int)COUNT(expected); kind++) {
		rng_seed(&r, 1, 2);
		sum = 0xcbf29ce484222325;
		for (int i = 0; i < 10000; i++) {
			v = draw_any(&r, kind);
			if (i == 0)
				assert_int_equal(v, expected[kind].first);
			sum = checksum(sum, v);
		}
		assert_int_equal(sum, expected[kind].sum);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xoshiro_vector),
		cmocka_unit_test(test_seeding),
		cmocka_unit_test(test_streams_are_unrelated),
		cmocka_unit_test(test_below),
		cmocka_unit_test(test_table_file),
		cmocka_unit_test(test_table_values),
		cmocka_unit_test(test_neg_ln_error),
		cmocka_unit_test(test_neg_ln_extremes),
		cmocka_unit_test(test_neg_ln_is_monotone),
		cmocka_unit_test(test_exponential),
		cmocka_unit_test(test_erlang),
		cmocka_unit_test(test_uniform),
		cmocka_unit_test(test_small_means),
		cmocka_unit_test(test_largest_variate),
		cmocka_unit_test(test_same_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
