/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_native_clock.c - the clock against CLOCK_MONOTONIC, and delays against the clock
 *
 * Bounds are wide where another process could be using the CPU: a median of many tells more than a single sample.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "sim/exec/native_clock.h"

#define NS 1000ULL
#define US 1000000ULL
#define MS 1000000000ULL

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void starts_at_zero_and_never_goes_back(void **state)
{
	struct native_clock c;
	uint64_t last, now;
	int i;

	(void)state;
	native_clock_init(&c);
	last = native_clock_ps(&c);
	/* A minute would be the counter's own value, or seconds since the machine's start. */
	assert_true(last < 60000 * MS);
	for (i = 0; i < 1000000; i++) {
		now = native_clock_ps(&c);
		if (now < last)
			fail_msg("%llu ps after %llu ps", (unsigned long long)now, (unsigned long long)last);
		last = now;
	}
	assert_true(last > 0);
}

/* How much longer than the system's clock this one takes for 20 ms, in ppm; a preemption in between blurs it. */
static int64_t rate_error_ppm(const struct native_clock *c)
{
	const struct timespec pause = { 0, 20000000 };
	uint64_t ps, ns, system_ps;

	ns = native_clock_monotonic_ns();
	ps = native_clock_ps(c);
	nanosleep(&pause, NULL);
	system_ps = (native_clock_monotonic_ns() - ns) * 1000;
	ps = native_clock_ps(c) - ps;
	return ((int64_t)ps - (int64_t)system_ps) / (int64_t)(system_ps / 1000000);
}

static void check_rate(const struct native_clock *c)
{
	int64_t best = INT64_MAX;
	int i;

	for (i = 0; i < 10 && best > 1000; i++) {
		int64_t error = rate_error_ppm(c);

		if (llabs(error) < best)
			best = llabs(error);
	}
	if (best > 1000)
		fail_msg("runs %lld ppm off", (long long)best);
}

static void keeps_pace_with_the_system(void **state)
{
	struct native_clock c;

	(void)state;
	native_clock_init(&c);
	check_rate(&c);
}

/* Where there is no invariant time stamp counter. */
static void works_without_a_counter(void **state)
{
	struct native_clock c;

	(void)state;
	native_clock_init(&c);
	c.scale = 0;
	c.start = native_clock_monotonic_ns();
	assert_true(native_clock_ps(&c) < 60000 * MS);
	check_rate(&c);
}

static void each_clock_has_its_own_start(void **state)
{
	struct native_clock early, late;
	uint64_t a, b;

	(void)state;
	native_clock_init(&early);
	native_delay(&early, 5 * MS);
	native_clock_init(&late);
	b = native_clock_ps(&late);
	a = native_clock_ps(&early);
	assert_true(a >= b + 5 * MS);
}

/* The median of @count delays of @ps each, by the system's clock, in ps. */
static uint64_t median_delay(const struct native_clock *c, uint64_t ps, unsigned int batch)
{
	uint64_t sample[301];
	unsigned int i, k;

	for (i = 0; i < 301; i++) {
		sample[i] = native_clock_monotonic_ns();
		for (k = 0; k < batch; k++)
			native_delay(c, ps);
		sample[i] = (native_clock_monotonic_ns() - sample[i]) * 1000 / batch;
	}
	qsort(sample, 301, sizeof(sample[0]), by_value);
	return sample[301 / 2];
}

static void check_delay(const struct native_clock *c, uint64_t ps, unsigned int batch, uint64_t low, uint64_t high)
{
	uint64_t taken = 0;
	int i;

	/* Something else may have the CPU, or its other half, for a while. */
	for (i = 0; i < 20; i++) {
		taken = median_delay(c, ps, batch);
		if (taken >= low && taken <= high)
			return;
	}
	fail_msg("a delay of %llu ps takes %llu ps", (unsigned long long)ps, (unsigned long long)taken);
}

/* What native_spin() does was measured when the CPU may have had another speed; the clock is exact. */
static void delays_take_about_as_long_as_asked(void **state)
{
	static const uint64_t spun_ns[] = { 100, 500, 1000, 5000, 19000 }, timed_us[] = { 20, 50 };
	struct native_clock c;
	unsigned int i;

	(void)state;
	native_clock_init(&c);
	for (i = 0; i < sizeof(spun_ns) / sizeof(spun_ns[0]); i++) {
		assert_true(spun_ns[i] * NS < NATIVE_SPIN_MAX_PS);
		check_delay(&c, spun_ns[i] * NS, 1 + (unsigned int)(5000 / spun_ns[i]), spun_ns[i] * NS / 3,
			    spun_ns[i] * NS * 19 / 10);
	}
	for (i = 0; i < sizeof(timed_us) / sizeof(timed_us[0]); i++) {
		assert_true(timed_us[i] * US >= NATIVE_SPIN_MAX_PS);
		check_delay(&c, timed_us[i] * US, 1, timed_us[i] * US * 99 / 100, timed_us[i] * US * 2);
	}
	check_delay(&c, 0, 1000, 0, 20 * NS);
}

/* A longer delay takes longer, all the way down to the shortest that can be told from nothing. */
static void longer_delays_take_longer(void **state)
{
	static const uint64_t delays_ns[] = { 50, 150, 400, 900, 2000 };
	struct native_clock c;
	uint64_t last = 0, taken;
	unsigned int i, attempt;

	(void)state;
	native_clock_init(&c);
	for (i = 0; i < sizeof(delays_ns) / sizeof(delays_ns[0]); i++) {
		for (attempt = 0, taken = 0; attempt < 20 && taken <= last; attempt++)
			taken = median_delay(&c, delays_ns[i] * NS, 50);
		if (taken <= last)
			fail_msg("%llu ns take %llu ps", (unsigned long long)delays_ns[i],
				 (unsigned long long)taken);
		last = taken;
	}
}

/* From NATIVE_SPIN_MAX_PS on the clock decides: never too short, whatever the frequency does. */
static void long_delays_are_never_too_short(void **state)
{
	struct native_clock c;
	uint64_t start;
	int i;

	(void)state;
	native_clock_init(&c);
	for (i = 0; i < 50; i++) {
		start = native_clock_ps(&c);
		native_delay(&c, NATIVE_SPIN_MAX_PS + (uint64_t)i * US);
		assert_true(native_clock_ps(&c) - start >= NATIVE_SPIN_MAX_PS + (uint64_t)i * US);
	}
}

static void *init_thread(void *arg)
{
	native_clock_init(arg);
	return NULL;
}

/* The rates are measured once for all, whoever comes first. */
static void threads_get_the_same_rates(void **state)
{
	struct native_clock c[8];
	pthread_t thread[8];
	int i;

	(void)state;
	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, init_thread, &c[i]), 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	for (i = 1; i < 8; i++) {
		assert_int_equal(c[i].scale, c[0].scale);
		assert_int_equal(c[i].spin_scale, c[0].spin_scale);
		assert_int_equal(c[i].spin_start_ps, c[0].spin_start_ps);
	}
	assert_true(c[0].spin_scale > 0);
	assert_true(c[0].spin_start_ps < 1 * US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_get_the_same_rates),
		cmocka_unit_test(starts_at_zero_and_never_goes_back),
		cmocka_unit_test(keeps_pace_with_the_system),
		cmocka_unit_test(works_without_a_counter),
		cmocka_unit_test(each_clock_has_its_own_start),
		cmocka_unit_test(delays_take_about_as_long_as_asked),
		cmocka_unit_test(longer_delays_take_longer),
		cmocka_unit_test(long_delays_are_never_too_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
