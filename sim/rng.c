/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rng.c - seeding, and the variates off the fast path
 */
#include "sim/rng.h"
#include "sim/rng_table.h"

/* The finalizer of SplitMix64: a bijection of which 0 is a fixed point. */
static uint64_t mix64(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/*
 * The stream moves each of SplitMix64's four steps by another amount. So two sequences could only meet by chance
 * of four words at once, where a single word drawn from seed and stream would collide after 2^32 sequences.
 */
void rng_seed(struct rng *r, uint64_t seed, uint64_t stream)
{
	for (unsigned int i = 0; i < 4; i++) {
		stream = mix64(stream);
		seed += UINT64_C(0x9e3779b97f4a7c15);
		r->s[i] = mix64(seed + stream);
	}
}

uint64_t rng_erlang_ps(struct rng *r, uint64_t mean_ps, unsigned int phases)
{
	/* 52 fraction bits: 64 bits hold the sum of the most phases at their largest */
	const unsigned int dropped = 6, kept = RNG_LN_FRACTION_BITS - dropped;
	const rng_u128 half = (rng_u128)1 << (kept - 1);
	uint64_t sum = 0;

	assert(mean_ps <= RNG_MEAN_MAX_PS);
	assert(phases >= 1 && phases <= RNG_ERLANG_MAX);
	for (unsigned int i = 0; i < phases; i++)
		sum += rng_neg_ln(rng_next(r)) >> dropped;
	return (uint64_t)(((rng_u128)mean_ps * (sum / phases) + half) >> kept);
}
