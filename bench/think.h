/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * think.h - how long a benchmark's loop thinks between two rounds
 */
#ifndef SIMBENCH_THINK_H
#define SIMBENCH_THINK_H

#include "sim/config_enums.h"
#include "sim/rng.h"

/* A time whose mean is @mean_ps. */
static inline uint64_t draw_think_ps(enum think_dist dist, uint64_t mean_ps, struct rng *rng)
{
	switch (dist) {
	case THINKDIST_EXPONENTIAL:
		return rng_exponential_ps(rng, mean_ps);
	case THINKDIST_UNIFORM:
		return rng_uniform_ps(rng, mean_ps);
	case THINKDIST_CONSTANT:
		break;
	}
	return mean_ps;
}

#endif
