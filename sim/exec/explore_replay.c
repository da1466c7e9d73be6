/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore_replay.c - one schedule once more
 */
#include <stdlib.h>

#include "sim/exec/schedule.h"

struct replay_strategy {
	struct strategy base; /* must be first */
	const struct explore_segment *segments;
	size_t count, next;
	bool done;
};

static bool replay_begin(struct strategy *s)
{
	struct replay_strategy *r = (struct replay_strategy *)s;
	bool first = !r->done;

	r->done = true;
	r->next = 0;
	return first;
}

static int replay_choose(struct strategy *s, const struct explore_choice *choice)
{
	struct replay_strategy *r = (struct replay_strategy *)s;

	for (; r->next < r->count; r->next++) {
		const struct explore_segment *seg = &r->segments[r->next];

		if (choice->reached[seg->agent] < seg->until && choice->enabled >> seg->agent & 1)
			return seg->agent;
	}
	return __builtin_ctz(choice->enabled);
}

static void replay_end(struct strategy *s, const struct explore_end *end)
{
	(void)s;
	(void)end;
}

static void replay_destroy(struct strategy *s)
{
	free(s);
}

static const struct strategy_ops replay_ops = { "replay", replay_begin, replay_choose, replay_end, replay_destroy };

struct strategy *strategy_replay(const struct explore_segment *segments, size_t count)
{
	struct replay_strategy *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct replay_strategy){ .base.ops = &replay_ops, .segments = segments, .count = count };
	return &r->base;
}
