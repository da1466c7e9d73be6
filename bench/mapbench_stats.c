/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mapbench_stats.c - averages and deviations of the map benchmark's latencies
 */
#include "bench/mapbench.h"

#include <math.h>

/* The largest number whose square is not above @x. */
static uint64_t integer_sqrt(uint64_t x)
{
	uint64_t root = 0, bit;

	for (bit = 1ULL << 31; bit; bit >>= 1)
		if ((root + bit) * (root + bit) <= x)
			root += bit;
	return root;
}

struct mapbench_stats mapbench_latency_stats(const struct mapbench_latency *l)
{
	struct mapbench_stats s = { 0, 0, 0, 0 };
	mapbench_u128 spread;

	if (!l->count)
		return s;
	s.kernel_average_100ns = l->sum_100ns / l->count;
	s.kernel_stddev_100ns =
		integer_sqrt(l->sum_sq_100ns / l->count - s.kernel_average_100ns * s.kernel_average_100ns);
	s.mean_ns = (double)l->sum_ps / (double)l->count / 1000;
	/* n sum(x^2) - sum(x)^2, which is n^2 times the variance: of 1e10 latencies of 1 ms it takes 127 bits. */
	spread = l->count * l->sum_sq_ps2 - (mapbench_u128)l->sum_ps * l->sum_ps;
	s.stddev_ns = sqrt((double)spread) / (double)l->count / 1000;
	return s;
}
