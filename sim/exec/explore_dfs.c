/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore_dfs.c - all schedules, depth first, with a bound on preemptions that grows
 */
#include <stdlib.h>

#include "sim/exec/schedule.h"

struct dfs_node {
	uint32_t left; /* agents that are still to be tried here, the chosen one not among them */
	uint8_t chosen;
};

struct dfs_strategy {
	struct strategy base; /* must be first */
	uint32_t bound, last_bound;
	bool cut; /* a schedule of this round had more choices than the bound allows */
	bool started, failed;
	struct dfs_node *nodes;
	uint32_t depth;	    /* nodes whose choice is fixed */
	uint32_t preempted; /* switches so far, in this schedule */
	uint32_t capacity;
};

/* A switch away from a CPU that could go on. What hardware does preempts nobody. */
static bool is_preemption(const struct explore_choice *choice, int agent)
{
	return choice->last >= 0 && agent != choice->last && choice->cpus >> choice->last & 1 &&
	       choice->enabled >> choice->last & 1 && choice->cpus >> agent & 1;
}

static bool dfs_begin(struct strategy *s)
{
	struct dfs_strategy *d = (struct dfs_strategy *)s;

	d->preempted = 0;
	if (d->failed)
		return false;
	if (!d->started) {
		d->started = true;
		return true;
	}
	/* The deepest node with something left. */
	while (d->depth && !d->nodes[d->depth - 1].left)
		d->depth--;
	if (d->depth) {
		struct dfs_node *n = &d->nodes[d->depth - 1];

		n->chosen = (uint8_t)__builtin_ctz(n->left);
		n->left &= n->left - 1;
		return true;
	}
	if (!d->cut || d->bound == d->last_bound)
		return false;
	d->bound++;
	d->cut = false;
	return true;
}

/* Whoever ran last comes first; the others only as far as the bound allows. */
static int open_node(struct dfs_strategy *d, const struct explore_choice *choice)
{
	int first = choice->last >= 0 && choice->enabled >> choice->last & 1 ? choice->last
									     : __builtin_ctz(choice->enabled);
	uint32_t left = choice->enabled & ~(1U << first), i;
	struct dfs_node *more;

	for (i = 0; i < EXPLORE_MAX_AGENTS; i++) {
		if (left >> i & 1 && is_preemption(choice, (int)i) && d->preempted >= d->bound) {
			left &= ~(1U << i);
			d->cut = true;
		}
	}
	if (d->depth == d->capacity) {
		uint32_t capacity = d->capacity ? 2 * d->capacity : 256;

		more = realloc(d->nodes, capacity * sizeof(*more));
		if (!more) {
			d->failed = true;
			return EXPLORE_PRUNE;
		}
		d->nodes = more;
		d->capacity = capacity;
	}
	d->nodes[d->depth++] = (struct dfs_node){ left, (uint8_t)first };
	return first;
}

static int dfs_choose(struct strategy *s, const struct explore_choice *choice)
{
	struct dfs_strategy *d = (struct dfs_strategy *)s;
	int agent = choice->step < d->depth ? d->nodes[choice->step].chosen : open_node(d, choice);

	if (agent >= 0)
		d->preempted += is_preemption(choice, agent);
	return agent;
}

static void dfs_end(struct strategy *s, const struct explore_end *end)
{
	(void)s;
	(void)end;
}

static void dfs_destroy(struct strategy *s)
{
	struct dfs_strategy *d = (struct dfs_strategy *)s;

	free(d->nodes);
	free(d);
}

static const struct strategy_ops dfs_ops = { "dfs", dfs_begin, dfs_choose, dfs_end, dfs_destroy };

struct strategy *strategy_dfs(uint32_t preemptions)
{
	struct dfs_strategy *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->base.ops = &dfs_ops;
	d->last_bound = preemptions;
	/* Without a bound there is nothing to iterate. */
	d->bound = preemptions == UINT32_MAX ? UINT32_MAX : 0;
	return &d->base;
}
