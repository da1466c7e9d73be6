/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore_random.c - schedules drawn at random: each step, or priorities with a few changes (PCT)
 */
#include <stdlib.h>

#include "sim/exec/schedule.h"
#include "sim/rng.h"

struct random_strategy {
	struct strategy base; /* must be first */
	uint64_t seed, next, count;
	struct rng rng;
};

/* The @n-th of the agents in @mask. */
static int nth_agent(uint32_t mask, uint32_t n)
{
	while (n--)
		mask &= mask - 1;
	return __builtin_ctz(mask);
}

static bool random_begin(struct strategy *s)
{
	struct random_strategy *r = (struct random_strategy *)s;

	if (r->next == r->count)
		return false;
	rng_seed(&r->rng, r->seed, r->next++);
	return true;
}

static int random_choose(struct strategy *s, const struct explore_choice *choice)
{
	struct random_strategy *r = (struct random_strategy *)s;

	return nth_agent(choice->enabled,
			 (uint32_t)rng_below(&r->rng, (uint64_t)__builtin_popcount(choice->enabled)));
}

static void nothing_to_learn(struct strategy *s, const struct explore_end *end)
{
	(void)s;
	(void)end;
}

static void free_strategy(struct strategy *s)
{
	free(s);
}

static const struct strategy_ops random_ops = { "random", random_begin, random_choose, nothing_to_learn,
						free_strategy };

struct strategy *strategy_random(uint64_t seed, uint64_t schedules)
{
	struct random_strategy *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct random_strategy){ .base.ops = &random_ops, .seed = seed, .count = schedules };
	return &r->base;
}

/* ---- PCT (facts I5) ---- */

#define MAX_DEPTH 16
#define PRIORITY_STEP 1024

struct pct_strategy {
	struct strategy base; /* must be first */
	uint64_t seed, next, count;
	uint32_t depth, steps;
	struct rng rng;
	uint32_t priority[EXPLORE_ALL_AGENTS]; /* the highest goes first; changed ones are below all others */
	bool buffers;			       /* have theirs */
	uint32_t change_at[MAX_DEPTH];
};

static bool pct_begin(struct strategy *s)
{
	struct pct_strategy *p = (struct pct_strategy *)s;
	uint32_t i;

	if (p->next == p->count)
		return false;
	rng_seed(&p->rng, p->seed, p->next++);
	p->buffers = false;
	for (i = 0; i < EXPLORE_MAX_AGENTS; i++)
		p->priority[i] = p->depth + i * PRIORITY_STEP;
	for (i = EXPLORE_MAX_AGENTS; i > 1; i--) {
		uint32_t k = (uint32_t)rng_below(&p->rng, i), swap = p->priority[k];

		p->priority[k] = p->priority[i - 1];
		p->priority[i - 1] = swap;
	}
	for (i = 0; i + 1 < p->depth; i++)
		p->change_at[i] = (uint32_t)rng_below(&p->rng, p->steps);
	return true;
}

/* Somewhere among the others; drawn when there are any, so that schedules without them stay what they were. */
static void draw_buffers(struct pct_strategy *p)
{
	uint32_t i;

	p->buffers = true;
	for (i = EXPLORE_FIRST_BUFFER; i < EXPLORE_ALL_AGENTS; i++)
		p->priority[i] = p->depth + (uint32_t)rng_below(&p->rng, EXPLORE_MAX_AGENTS * PRIORITY_STEP);
}

static int pct_highest(const struct pct_strategy *p, uint32_t enabled)
{
	int best = __builtin_ctz(enabled), i;

	for (i = best + 1; i < EXPLORE_ALL_AGENTS; i++)
		if (enabled >> i & 1 && p->priority[i] > p->priority[best])
			best = i;
	return best;
}

static int pct_choose(struct strategy *s, const struct explore_choice *choice)
{
	struct pct_strategy *p = (struct pct_strategy *)s;
	uint32_t i;

	if (!p->buffers && choice->enabled >> EXPLORE_FIRST_BUFFER)
		draw_buffers(p);
	for (i = 0; i + 1 < p->depth; i++)
		if (p->change_at[i] == choice->step)
			p->priority[pct_highest(p, choice->enabled)] = i;
	return pct_highest(p, choice->enabled);
}

static const struct strategy_ops pct_ops = { "pct", pct_begin, pct_choose, nothing_to_learn, free_strategy };

struct strategy *strategy_pct(uint64_t seed, uint64_t schedules, uint32_t depth, uint32_t steps)
{
	struct pct_strategy *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct pct_strategy){
		.base.ops = &pct_ops,
		.seed = seed,
		.count = schedules,
		.depth = depth > MAX_DEPTH ? MAX_DEPTH : depth,
		.steps = steps ? steps : 1,
	};
	return &p->base;
}
