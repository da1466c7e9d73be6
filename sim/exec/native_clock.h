/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * native_clock.h - picoseconds on a real machine: the invariant time stamp counter, or CLOCK_MONOTONIC without one
 */
#ifndef SIMBENCH_EXEC_NATIVE_CLOCK_H
#define SIMBENCH_EXEC_NATIVE_CLOCK_H

#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

struct native_clock {
	uint64_t start;
	uint64_t scale;	     /* ps = ticks * scale >> 32; 0: CLOCK_MONOTONIC, in ns */
	uint64_t spin_scale; /* rounds of native_spin() = (ps - spin_start_ps) * spin_scale >> 32 */
	uint64_t spin_start_ps;
};

/* Starts at 0 now. The first call of a process takes some 60 ms to measure the counter's rate and native_spin(). */
void native_clock_init(struct native_clock *c);

static inline uint64_t native_clock_monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static inline uint64_t native_clock_ps(const struct native_clock *c)
{
#if defined(__x86_64__)
	if (__builtin_expect(c->scale != 0, 1))
		return (uint64_t)((unsigned __int128)(__rdtsc() - c->start) * c->scale >> 32);
#endif
	return (native_clock_monotonic_ns() - c->start) * 1000;
}

/*
 * Work that takes its time and touches no memory: multiplications, each of which waits for the one before. Neither
 * do they start before what precedes them is complete, nor does anything that follows start before they are. Out of
 * line, so that what was measured is what runs.
 */
void native_spin(uint64_t rounds);

/* Longer than this is told by the clock, which takes some 15 ns to read, but knows of changes of frequency. */
#define NATIVE_SPIN_MAX_PS 20000000

/* Lets @ps pass on this CPU; next to nothing happens where they are shorter than a native_spin() at its least. */
static inline void native_delay(const struct native_clock *c, uint64_t ps)
{
	if (ps < NATIVE_SPIN_MAX_PS) {
		if (ps > c->spin_start_ps)
			native_spin((ps - c->spin_start_ps) * c->spin_scale >> 32);
	} else {
		uint64_t end = native_clock_ps(c) + ps;

		while (native_clock_ps(c) < end)
			;
	}
}

#endif
