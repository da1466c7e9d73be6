/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gen_rng_table.c - writes sim/rng_table.h, the table behind rng_neg_ln(), to standard output
 *
 * Only integers, so every compiler writes the same bytes. tests/sim/test_rng.c includes this file, with
 * GEN_RNG_TABLE_NO_MAIN defined, to hold the checked-in table against it.
 */
#include <stdint.h>
#include <stdio.h>

#define KNOTS 256

/* Precision of the computation, and of what is written: see sim/rng.h. */
#define WORK_BITS 100
#define VALUE_BITS 58
#define CURVE_BITS 38

__extension__ typedef unsigned __int128 gen_u128;

/*
 * -ln(n / d) with WORK_BITS fraction bits, for 0 < n <= d <= 2048: 2 atanh(z) with z = (d - n) / (d + n). The
 * remainders of the divisions by (d + n)^2 are lost, which costs a few times 2^-100 a term.
 */
static gen_u128 gen_neg_ln(uint64_t n, uint64_t d)
{
	uint64_t num = d - n, den = d + n;
	gen_u128 power = ((gen_u128)num << WORK_BITS) / den, sum = 0;

	for (uint64_t k = 1; power; k += 2) {
		sum += power / k;
		power = power / den * num / den * num;
	}
	return 2 * sum;
}

static gen_u128 gen_round(gen_u128 value, unsigned int bits)
{
	return (value + ((gen_u128)1 << (WORK_BITS - bits - 1))) >> (WORK_BITS - bits);
}

/* -ln at knot @i of KNOTS, which lies at x = 1/2 + i / (2 KNOTS). */
static gen_u128 gen_knot(uint64_t i)
{
	return gen_neg_ln(KNOTS + i, 2 * KNOTS);
}

/* How far the chord from knot @i to the next lies above the curve in the middle, times 4. */
static gen_u128 gen_curve(uint64_t i)
{
	return 2 * (gen_knot(i) + gen_knot(i + 1)) - 4 * gen_neg_ln(2 * (KNOTS + i) + 1, 4 * KNOTS);
}

static void gen_rng_table(FILE *out)
{
	fputs("/* SPDX-License-Identifier: GPL-2.0-only */\n"
	      "/*\n"
	      " * rng_table.h - knots of -ln(x) between 1/2 and 1, for rng_neg_ln(); only rng.c includes this\n"
	      " *\n"
	      " * Written by tests/gen_rng_table.c: change that, not this.\n"
	      " */\n"
	      "#ifndef SIMBENCH_RNG_TABLE_H\n"
	      "#define SIMBENCH_RNG_TABLE_H\n"
	      "\n"
	      "#include \"sim/rng.h\"\n"
	      "\n"
	      "const struct rng_ln_knot rng_ln_knots[RNG_LN_KNOTS + 1] = {\n",
	      out);
	for (uint64_t i = 0; i < KNOTS; i++)
		fprintf(out, "%s{ 0x%015llx, 0x%06llx },%s", i % 3 ? " " : "\t",
			(unsigned long long)gen_round(gen_knot(i), VALUE_BITS),
			(unsigned long long)gen_round(gen_curve(i), CURVE_BITS), i % 3 == 2 ? "\n" : "");
	fputs(" { 0x000000000000000, 0x000000 },\n"
	      "};\n"
	      "\n"
	      "#endif\n",
	      out);
}

#ifndef GEN_RNG_TABLE_NO_MAIN
int main(void)
{
	gen_rng_table(stdout);
	return ferror(stdout) || fflush(stdout);
}
#endif
