/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rng.h - random numbers and variates that are the same with every compiler and on every CPU
 *
 * The generator is xoshiro256** 1.0 by David Blackman and Sebastiano Vigna ("Scrambled Linear Pseudorandom Number
 * Generators", ACM TOMS 47:4, 2021), seeded through SplitMix64 by Guy Steele, Doug Lea and Christine Flood
 * ("Fast Splittable Pseudorandom Number Generators", OOPSLA 2014); bounded numbers follow Daniel Lemire ("Fast
 * Random Integer Generation in an Interval", ACM TOMACS 29:1, 2019). Variates use integer arithmetic and one
 * constant table: no libm, no floating point.
 */
#ifndef SIMBENCH_RNG_H
#define SIMBENCH_RNG_H

#include <assert.h>
#include <stdint.h>

/* The largest mean of a variate, in ps (80 hours): 64 bits hold the largest variate, 44.4 times its mean. */
#define RNG_MEAN_MAX_PS (UINT64_C(1) << 58)

/* The most phases of rng_erlang_ps(). */
#define RNG_ERLANG_MAX 64

__extension__ typedef unsigned __int128 rng_u128;

struct rng {
	uint64_t s[4];
};

/**
 * rng_seed - start a sequence
 * @r: receives the state
 * @seed: any number
 * @stream: any number; sequences of different streams of one seed, or of one stream of different seeds, are
 *	independent. Stream 0 is the generator as its authors seed it, with four outputs of SplitMix64.
 */
void rng_seed(struct rng *r, uint64_t seed, uint64_t stream);

static inline uint64_t rng_rotl(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

/* rng_next - 64 random bits */
static inline uint64_t rng_next(struct rng *r)
{
	uint64_t s0 = r->s[0], s1 = r->s[1], s2 = r->s[2] ^ s0, s3 = r->s[3] ^ s1;
	uint64_t result = rng_rotl(s1 * 5, 7) * 9;

	s0 ^= s3;
	/*
	 * Keeps gcc from working on pairs of words in vector registers: a vector load of words just stored one by
	 * one misses store forwarding, which doubles the time of a variate.
	 */
	__asm__("" : "+r"(s0), "+r"(s2));
	r->s[0] = s0;
	r->s[1] = s1 ^ s2;
	r->s[2] = s2 ^ s1 << 17;
	r->s[3] = rng_rotl(s3, 45);
	return result;
}

/* rng_below - a number in 0..@n-1, all equally likely; @n is at least 1 */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
	rng_u128 product;
	uint64_t short_of;

	assert(n > 0);
	product = (rng_u128)rng_next(r) * n;
	if ((uint64_t)product < n) {
		/* 2^64 mod n of the low halves would favour some results: draw again for those */
		short_of = -n % n;
		while ((uint64_t)product < short_of)
			product = (rng_u128)rng_next(r) * n;
	}
	return (uint64_t)(product >> 64);
}

/* rng_leading_zeros - how many of the top bits of @u, which is not 0, are clear */
static inline unsigned int rng_leading_zeros(uint64_t u)
{
#ifdef __x86_64__
	/* BSR waits for its old destination too; gcc may leave the last variate's result there, a cleared one is
	 * free */
	uint64_t top = 0;

	__asm__("bsrq %1, %0" : "+r"(top) : "r"(u) : "cc");
	return 63 - (unsigned int)top;
#else
	return (unsigned int)__builtin_clzll(u);
#endif
}

/* -ln(x) where a stretch of x in [1/2, 1) begins, and its curvature over the stretch. */
struct rng_ln_knot {
	uint64_t value; /* 58 fraction bits */
	uint64_t curve; /* 38 fraction bits: 4 times the chord's height above the curve, in the middle */
};

#define RNG_LN_KNOTS 256
#define RNG_LN_FRACTION_BITS 58
#define RNG_LN2 UINT64_C(0x2c5c85fdf473de7) /* ln(2), the first knot's value too */

extern const struct rng_ln_knot rng_ln_knots[RNG_LN_KNOTS + 1];

/**
 * rng_neg_ln - -ln(u / 2^64) as an integer with RNG_LN_FRACTION_BITS fraction bits
 * @u: 64 random bits; an even number counts as the odd one above it, which keeps 0 away
 *
 * The relative error is below 1e-6 for all results above 1e-6 (all but one @u in a million; below, the absolute
 * error is under 2^-40). The result never grows with @u. It lies in 0..64 ln(2), which is 44.36.
 */
static inline uint64_t rng_neg_ln(uint64_t u)
{
	const struct rng_ln_knot *k;
	unsigned int octave;
	uint64_t x, t, slope;

	u |= 1;
	octave = rng_leading_zeros(u);
	x = u << octave;
	k = &rng_ln_knots[x >> 55 & (RNG_LN_KNOTS - 1)];
	/*
	 * A parabola through both knots and the curve's middle. With 32 bits of @t no bit of the product is lost
	 * before the last shift, so rounding cannot make the result grow with @u.
	 */
	t = x >> 23 & UINT32_MAX;
	slope = ((k[0].value - k[1].value) << 12) + k->curve * ((UINT64_C(1) << 32) - t);
	return octave * RNG_LN2 + k->value - (uint64_t)((rng_u128)t * slope >> 44);
}

/* rng_exponential_ps - an exponentially distributed time; @mean_ps is at most RNG_MEAN_MAX_PS */
static inline uint64_t rng_exponential_ps(struct rng *r, uint64_t mean_ps)
{
	const rng_u128 half = (rng_u128)1 << (RNG_LN_FRACTION_BITS - 1);

	assert(mean_ps <= RNG_MEAN_MAX_PS);
	return (uint64_t)(((rng_u128)mean_ps * rng_neg_ln(rng_next(r)) + half) >> RNG_LN_FRACTION_BITS);
}

/**
 * rng_erlang_ps - a time of @phases exponential phases, one after another, of equal mean
 * @r: the generator
 * @mean_ps: mean of the whole, in ps, at most RNG_MEAN_MAX_PS
 * @phases: 1..RNG_ERLANG_MAX; the standard deviation is the mean divided by the square root of it
 */
uint64_t rng_erlang_ps(struct rng *r, uint64_t mean_ps, unsigned int phases);

/* rng_uniform_ps - a time in 0..2 @mean_ps, both included, all equally likely; @mean_ps at most RNG_MEAN_MAX_PS */
static inline uint64_t rng_uniform_ps(struct rng *r, uint64_t mean_ps)
{
	assert(mean_ps <= RNG_MEAN_MAX_PS);
	return rng_below(r, 2 * mean_ps + 1);
}

#endif
