/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uncertain.h - what becomes of claims when the assumed parameters are drawn from their plausible ranges
 */
#ifndef SIMBENCH_UNCERTAIN_H
#define SIMBENCH_UNCERTAIN_H

#include "bench/claims.h"

/* A parameter's part in a claim. */
struct uncertain_effect {
	double rho;	  /* Spearman's rank correlation of the parameter with the claim's value */
	double low, high; /* the value's mean over the quarter of the draws with the parameter's lowest, highest
			     values */
};

struct uncertain_claim {
	double *value;			  /* by draw */
	uint64_t holds;			  /* draws in which it does */
	double mean;			  /* of the values */
	struct uncertain_effect *effects; /* by parameter */
	uint32_t decisive;		  /* the parameter with the largest |rho| */
};

struct uncertain {
	uint32_t draws;
	uint32_t parameter_count;
	unsigned int parameter[OPTION_COUNT]; /* option ids */
	uint64_t *drawn;		/* [parameter * draws + draw], in the option's unit; booleans 0 or 1 */
	struct uncertain_claim *claims; /* by claim */
	uint32_t claim_count;
};

/**
 * uncertain_run - draw, simulate every scenario of the claims in every draw, and evaluate
 * @ctx: for interruption
 * @o: draws, seed, threads, progress; what the user has set by flag or file is not drawn
 * @claims: finished
 * @u: to fill in; uncertain_destroy() releases it, whatever the result
 *
 * The draws are a Latin hypercube: each parameter has one value in each of @o->draws equal parts of its range. A
 * scenario that sets a parameter itself keeps it. Returns an exit code, with a message printed.
 */
int uncertain_run(const struct cmd_context *ctx, const struct options *o, const struct claims *claims,
		  struct uncertain *u);
void uncertain_destroy(struct uncertain *u);

/**
 * uncertain_draw - the Latin hypercube alone
 * @seed: as options' seed
 * @low, @high: inclusive range
 * @parameter: number of the parameter, for a stream of its own
 * @draws: at least 1
 * @values: receives them
 *
 * Returns 0 or -ENOMEM.
 */
int uncertain_draw(uint64_t seed, uint64_t low, uint64_t high, uint32_t parameter, uint32_t draws,
		   uint64_t *values);

#endif
