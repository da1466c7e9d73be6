/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * measurement.h - one measured value: rounds of samples, repeated where something else was going on, and a verdict
 */
#ifndef SIMBENCH_MEASUREMENT_H
#define SIMBENCH_MEASUREMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/host_noise.h"

/* Why a value is not good, as bits. */
enum measurement_flaw {
	FLAW_NOISE = 1 << 0,  /* there were never enough rounds without noise */
	FLAW_SPREAD = 1 << 1, /* the median absolute deviation is more than MEASUREMENT_SPREAD_PCT */
	FLAW_ROUNDS = 1 << 2, /* the rounds' medians differ by more than that */
	FLAW_CLOCKS = 1 << 3, /* the CPUs' clocks are too far apart for it */
};

/* Of the median. */
#define MEASUREMENT_SPREAD_PCT 10

struct measurement {
	bool taken;
	uint64_t median_ps, p10_ps, p90_ps, mad_ps; /* of all samples that were used */
	uint64_t low_ps, high_ps;		    /* medians of the lowest and the highest round */
	uint32_t samples, rounds;		    /* used */
	uint32_t taken_rounds, disturbed;	    /* all, and those with noise */
	uint32_t attempts;			    /* it took; all else is of the last one */
	unsigned int noise;			    /* kinds of it, in any round */
	unsigned int flaws;			    /* 0: a good value */
};

struct measurement_plan {
	uint32_t rounds;     /* without noise that are wanted, at least 1 */
	uint32_t max_rounds; /* at least as many */
	uint32_t attempts;   /* times that all of it is done over until the value is good, at least 1 */
	uint32_t samples;    /* in a round, at least 1 */
	uint32_t cpu_count;  /* CPUs that the noise is of */
	/* Differences up to this are none: a value that may be next to nothing has no spread in percent. */
	uint64_t resolution_ps;
	/*
	 * Takes one round of samples, and puts those that nothing disturbed first: @kept of them. @noise receives
	 * the kinds of what the counters cannot know. Returns 0 or a negative errno.
	 */
	int (*measure)(void *arg, uint64_t *sample_ps, uint32_t *kept, unsigned int *noise);
	void *arg;
	int (*read_noise)(void *arg, struct host_noise *now);
	void *noise_arg;
};

/**
 * measurement_take - take rounds until enough of them were undisturbed, or no more are allowed; and all that again
 * until the value is good
 * @plan: how
 * @m: to fill in
 *
 * The kept samples of the undisturbed rounds are used. Where there are too few such rounds, those of all of them
 * are; and if that is next to nothing, all samples; the flaw is set. Returns 0, -ENOMEM, or what plan->measure()
 * did.
 */
int measurement_take(const struct measurement_plan *plan, struct measurement *m);

/* The value that is at @permille of the way through @count sorted samples, at least 1 of them. */
uint64_t measurement_quantile(const uint64_t *sorted, size_t count, unsigned int permille);

/* The median; sorts @ps, of at least one value. */
uint64_t measurement_median(uint64_t *ps, size_t count);

/* The same for differences, of less than 2^62 ps. */
int64_t measurement_median_signed(int64_t *ps, size_t count);

static inline bool measurement_good(const struct measurement *m)
{
	return m->taken && !m->flaws;
}

/* "good", "not measured", or what is wrong with it; @size: at least 200. Returns @buf. */
const char *measurement_verdict(const struct measurement *m, char *buf, size_t size);

#endif
