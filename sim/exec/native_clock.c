/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/native_clock.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

__attribute__((noinline)) void native_spin(uint64_t rounds)
{
	uint64_t x = rounds;

#if defined(__x86_64__)
	_mm_lfence();
#endif
	while (rounds--) {
		x *= 0x9e3779b97f4a7c15ULL;
		__asm__ volatile("" : "+r"(x));
	}
#if defined(__x86_64__)
	_mm_lfence();
#endif
}

/* The rates are the machine's, so one measurement serves the whole process. */
static pthread_once_t rate_once = PTHREAD_ONCE_INIT;
static struct native_clock measured;

#if defined(__x86_64__)

/* It counts at one rate in every power state, on every CPU. */
static bool tsc_is_invariant(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && d & 1U << 8;
}

/* Both clocks at one moment: of several attempts the one that took the shortest time. */
static void read_both(uint64_t *ticks, uint64_t *ns)
{
	uint64_t shortest = UINT64_MAX;
	int i;

	for (i = 0; i < 100; i++) {
		uint64_t before = __rdtsc(), now = native_clock_monotonic_ns(), after = __rdtsc();

		if (after - before >= shortest)
			continue;
		shortest = after - before;
		*ticks = before + shortest / 2;
		*ns = now;
	}
}

static void measure_ticks(void)
{
	const struct timespec pause = { 0, 50000000 };
	uint64_t ticks[2] = { 0 }, ns[2] = { 0 };

	if (!tsc_is_invariant())
		return;
	read_both(&ticks[0], &ns[0]);
	nanosleep(&pause, NULL);
	read_both(&ticks[1], &ns[1]);
	measured.scale = (uint64_t)(((unsigned __int128)(ns[1] - ns[0]) * 1000 << 32) / (ticks[1] - ticks[0]));
}
#endif

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

#define SPIN_SAMPLES 401

static uint64_t time_spins(uint64_t rounds, unsigned int calls)
{
	uint64_t start = native_clock_ps(&measured);

	while (calls--)
		native_spin(rounds);
	return native_clock_ps(&measured) - start;
}

static uint64_t median(uint64_t *sample)
{
	qsort(sample, SPIN_SAMPLES, sizeof(sample[0]), by_value);
	return sample[SPIN_SAMPLES / 2];
}

/* Of long and of short ones, in turns: what changes the CPU's speed meanwhile changes it for both. */
static void measure_spin(void)
{
	const uint64_t rounds = 16384, few = 64;
	const unsigned int calls = 256;
	uint64_t longs[SPIN_SAMPLES], shorts[SPIN_SAMPLES], long_ps, short_ps, rounds_ps;
	unsigned int i;

	for (i = 0; i < SPIN_SAMPLES; i++) {
		longs[i] = time_spins(rounds, 1);
		shorts[i] = time_spins(few, calls);
	}
	long_ps = median(longs);
	short_ps = median(shorts) / calls;
	rounds_ps = few * long_ps / rounds;
	measured.spin_scale = (rounds << 32) / long_ps;
	/* Less than nothing would be noise. */
	measured.spin_start_ps = short_ps > rounds_ps ? short_ps - rounds_ps : 0;
}

static void measure_rates(void)
{
#if defined(__x86_64__)
	measure_ticks();
#endif
	measure_spin();
}

void native_clock_init(struct native_clock *c)
{
	pthread_once(&rate_once, measure_rates);
	*c = measured;
#if defined(__x86_64__)
	if (c->scale) {
		c->start = __rdtsc();
		return;
	}
#endif
	c->start = native_clock_monotonic_ns();
}
