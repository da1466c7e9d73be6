/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore_dpor.c - dynamic partial-order reduction with sleep sets
 *
 * Two transitions depend on each other if they access one location and one of them changes it. Schedules that
 * differ in the order of independent transitions alone come out alike; of each such class one schedule at least is
 * run. Whenever two dependent transitions of one schedule could have come the other way round, an agent that makes
 * them do so is put on the list of those to try at the place of the earlier one (Flanagan and Godefroid, POPL
 * 2005). Sleep sets keep from trying again what an earlier branch has covered.
 *
 * A lock's acquisitions race with each other, not with the release between them. What an agent was given to do, or
 * has waited for, comes after whoever gave or signalled it, and does not race with that.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exec/schedule.h"

#define NONE (-1)
#define MAX_RACES (EXPLORE_MAX_ACCESSES * (EXPLORE_MAX_AGENTS + 1))

/* Index of the last transition of each agent that has happened before. */
struct clock {
	int32_t at[EXPLORE_MAX_AGENTS];
};

struct dpor_node {
	uint32_t enabled, backtrack, done, sleep;
	struct explore_transition t;	   /* the chosen agent's */
	struct explore_transition *asleep; /* by agent, of those in done and sleep; NULL until needed */
	struct clock clock;
};

struct location {
	int32_t store;			     /* last transition that changed it */
	int32_t unlock, signal;		     /* the same for a lock's release, for a signal */
	int32_t load[EXPLORE_MAX_AGENTS];    /* by agent: last one that only looked */
	int32_t acquire[EXPLORE_MAX_AGENTS]; /* by agent: last acquisition */
	uint32_t run;
};

struct dpor_strategy {
	struct strategy base; /* must be first */
	bool started, failed;
	uint32_t run;
	struct dpor_node *nodes;
	uint32_t count;	   /* nodes of the schedule under way */
	uint32_t prefix;   /* of them, those that were chosen before it began */
	uint32_t analysed; /* transitions that have been looked at in this schedule */
	uint32_t capacity;
	struct location *locations;
	uint32_t location_capacity;
	struct clock clock[EXPLORE_MAX_AGENTS];
	int32_t races[MAX_RACES]; /* of the transition under way, with these */
	uint32_t race_count;
};

static bool changes(uint8_t kind)
{
	return kind != ACCESS_LOAD && kind != ACCESS_AWAIT;
}

static bool independent(const struct explore_transition *a, const struct explore_transition *b)
{
	uint32_t i, k;

	for (i = 0; i < a->count; i++)
		for (k = 0; k < b->count; k++)
			if (a->access[i].location == b->access[k].location &&
			    (changes(a->access[i].kind) || changes(b->access[k].kind)))
				return false;
	return true;
}

static struct location *location_of(struct dpor_strategy *d, uint32_t number)
{
	struct location *l;

	if (number >= d->location_capacity) {
		uint32_t capacity = d->location_capacity ? d->location_capacity : 256;

		while (capacity <= number)
			capacity *= 2;
		l = realloc(d->locations, capacity * sizeof(*l));
		if (!l) {
			d->failed = true;
			return NULL;
		}
		memset(l + d->location_capacity, 0, (capacity - d->location_capacity) * sizeof(*l));
		d->locations = l;
		d->location_capacity = capacity;
	}
	l = &d->locations[number];
	if (l->run != d->run) {
		l->run = d->run;
		l->store = l->unlock = l->signal = NONE;
		memset(l->load, 0xff, sizeof(l->load));
		memset(l->acquire, 0xff, sizeof(l->acquire));
	}
	return l;
}

static void join(struct clock *to, const struct clock *from)
{
	uint32_t i;

	for (i = 0; i < EXPLORE_MAX_AGENTS; i++)
		if (from->at[i] > to->at[i])
			to->at[i] = from->at[i];
}

/*
 * Remembers that the transition of agent @p under way and transition @i could have come the other way round.
 * @before: what comes before @p's next transition in any order.
 */
static void race(struct dpor_strategy *d, int32_t i, uint32_t p, const struct clock *before)
{
	uint32_t q;

	if (i == NONE)
		return;
	q = d->nodes[i].t.agent;
	if (q == p || before->at[q] >= i)
		return;
	for (q = 0; q < d->race_count; q++)
		if (d->races[q] == i)
			return;
	assert(d->race_count < MAX_RACES);
	d->races[d->race_count++] = i;
}

static void after(struct dpor_strategy *d, int32_t i, struct clock *clock)
{
	if (i != NONE)
		join(clock, &d->nodes[i].clock);
}

static void analyse_access(struct dpor_strategy *d, int32_t at, const struct explore_access *a, uint32_t p,
			   const struct clock *before, struct clock *clock)
{
	struct location *l = location_of(d, a->location);
	uint32_t q;

	if (!l)
		return;
	switch (a->kind) {
	case ACCESS_LOAD:
		race(d, l->store, p, before);
		after(d, l->store, clock);
		l->load[p] = at;
		break;
	case ACCESS_STORE:
		race(d, l->store, p, before);
		after(d, l->store, clock);
		for (q = 0; q < EXPLORE_MAX_AGENTS; q++) {
			race(d, l->load[q], p, before);
			after(d, l->load[q], clock);
		}
		l->store = at;
		break;
	case ACCESS_LOCK:
		for (q = 0; q < EXPLORE_MAX_AGENTS; q++)
			race(d, l->acquire[q], p, before);
		after(d, l->unlock, clock);
		l->acquire[p] = at;
		break;
	case ACCESS_UNLOCK:
		l->unlock = at;
		break;
	case ACCESS_SIGNAL:
		after(d, l->signal, clock);
		l->signal = at;
		break;
	case ACCESS_AWAIT:
		after(d, l->signal, clock);
		after(d, l->store, clock);
		break;
	}
}

/* Whether transition @i comes before what has @clock, in any order. */
static bool precedes(const struct dpor_strategy *d, int32_t i, const struct clock *clock)
{
	return clock->at[d->nodes[i].t.agent] >= i;
}

/*
 * Agents that can go first at node @i in a schedule that has the transition of agent @p, with @clock, before
 * transition @i: @p's comes after those from @i on that do not come after @i in any order. One of these agents has
 * to be tried there; which one does not matter (source sets: Abdulla, Aronis, Jonsson and Sagonas, POPL 2014).
 */
static uint32_t initials(const struct dpor_strategy *d, int32_t i, int32_t end, uint32_t p,
			 const struct clock *clock)
{
	uint32_t first = 0, seen = 0, k;
	int32_t at, other;

	for (at = i + 1; at < end; at++) {
		const struct dpor_node *n = &d->nodes[at];

		k = n->t.agent;
		if (seen >> k & 1 || precedes(d, i, &n->clock))
			continue;
		seen |= 1U << k;
		for (other = i + 1; other < at; other++)
			if (!precedes(d, i, &d->nodes[other].clock) && precedes(d, other, &n->clock))
				break;
		first |= (uint32_t)(other == at) << k;
	}
	if (seen >> p & 1)
		return first;
	for (other = i + 1; other < end; other++)
		if (!precedes(d, i, &d->nodes[other].clock) && precedes(d, other, clock))
			return first;
	return first | 1U << p;
}

/* Whoever can make the races come the other way round is to be tried. @end: the place of @p's transition. */
static void add_backtracks(struct dpor_strategy *d, int32_t end, uint32_t p, const struct clock *clock)
{
	uint32_t r;

	for (r = 0; r < d->race_count; r++) {
		struct dpor_node *n = &d->nodes[d->races[r]];
		uint32_t first = initials(d, d->races[r], end, p, clock);

		/* Whoever waits here for something that nobody was known to notice when the schedule began. */
		first &= n->enabled;
		if (!first)
			first = n->enabled;
		if (first & (n->backtrack | n->sleep))
			continue;
		n->backtrack |= first >> p & 1 ? 1U << p : first & -first;
	}
	d->race_count = 0;
}

/* What the transition that has just been made means for those before it. */
static void analyse(struct dpor_strategy *d, const struct explore_transition *t)
{
	int32_t at = (int32_t)d->analysed++;
	struct dpor_node *n = &d->nodes[at];
	uint32_t p = t->agent, i;
	struct clock before = d->clock[p], clock;

	/* Whoever gave it something to do came before, and could not have come after. */
	if (t->posted_by && t->posted_at < (uint32_t)at)
		join(&before, &d->nodes[t->posted_at].clock);
	clock = before;
	n->t = *t;
	for (i = 0; i < t->count; i++)
		analyse_access(d, at, &t->access[i], p, &before, &clock);
	add_backtracks(d, at, p, &clock);
	clock.at[p] = at;
	n->clock = clock;
	d->clock[p] = clock;
}

/* Agent @p waits for a lock for ever; it could have been quicker than those who have taken it. */
static void analyse_stuck(struct dpor_strategy *d, uint32_t p, uint32_t lock)
{
	struct location *l = location_of(d, lock);
	uint32_t q;

	for (q = 0; l && q < EXPLORE_MAX_AGENTS; q++)
		race(d, l->acquire[q], p, &d->clock[p]);
	add_backtracks(d, (int32_t)d->analysed, p, &d->clock[p]);
}

static bool dpor_begin(struct strategy *s)
{
	struct dpor_strategy *d = (struct dpor_strategy *)s;
	uint32_t i;

	if (d->failed)
		return false;
	d->run++;
	d->analysed = 0;
	for (i = 0; i < EXPLORE_MAX_AGENTS; i++)
		memset(&d->clock[i], 0xff, sizeof(d->clock[i]));
	if (!d->started) {
		d->started = true;
		d->count = d->prefix = 0;
		return true;
	}
	while (d->count) {
		struct dpor_node *n = &d->nodes[d->count - 1];
		uint32_t todo = n->backtrack & ~n->done & ~n->sleep;

		if (todo) {
			n->t.agent = (uint8_t)__builtin_ctz(todo);
			d->prefix = d->count;
			return true;
		}
		free(n->asleep);
		n->asleep = NULL;
		d->count--;
	}
	return false;
}

static bool need_asleep(struct dpor_strategy *d, struct dpor_node *n)
{
	if (!n->asleep)
		n->asleep = calloc(EXPLORE_MAX_AGENTS, sizeof(*n->asleep));
	d->failed |= !n->asleep;
	return n->asleep;
}

/* What the branches before this one have covered, as long as nothing that depends on it has happened. */
static void inherit_sleep(struct dpor_strategy *d, struct dpor_node *n, const struct dpor_node *parent)
{
	uint32_t asleep = parent->sleep | parent->done, i;

	asleep &= ~(1U << parent->t.agent);
	for (i = 0; asleep && i < EXPLORE_MAX_AGENTS; i++) {
		if (!(asleep >> i & 1) || !(n->enabled >> i & 1) || !independent(&parent->asleep[i], &parent->t))
			continue;
		if (!need_asleep(d, n))
			return;
		n->sleep |= 1U << i;
		n->asleep[i] = parent->asleep[i];
	}
}

static int open_node(struct dpor_strategy *d, const struct explore_choice *choice)
{
	struct dpor_node *n, *more;
	uint32_t awake;
	int agent;

	if (d->count == d->capacity) {
		uint32_t capacity = d->capacity ? 2 * d->capacity : 256;

		more = realloc(d->nodes, capacity * sizeof(*more));
		if (!more) {
			d->failed = true;
			return EXPLORE_PRUNE;
		}
		d->nodes = more;
		d->capacity = capacity;
	}
	n = &d->nodes[d->count];
	*n = (struct dpor_node){ .enabled = choice->enabled };
	if (d->count)
		inherit_sleep(d, n, n - 1);
	awake = n->enabled & ~n->sleep;
	if (!awake) {
		free(n->asleep);
		return EXPLORE_PRUNE;
	}
	agent = choice->last >= 0 && awake >> choice->last & 1 ? choice->last : __builtin_ctz(awake);
	n->backtrack = 1U << agent;
	n->t.agent = (uint8_t)agent;
	d->count++;
	return agent;
}

static void take_done(struct dpor_strategy *d, const struct explore_transition *done)
{
	struct dpor_node *n;

	if (!done || d->analysed == d->count)
		return;
	n = &d->nodes[d->analysed];
	analyse(d, done);
	n->done |= 1U << done->agent;
	if (need_asleep(d, n))
		n->asleep[done->agent] = *done;
}

static int dpor_choose(struct strategy *s, const struct explore_choice *choice)
{
	struct dpor_strategy *d = (struct dpor_strategy *)s;

	take_done(d, choice->done);
	if (choice->step < d->prefix)
		return d->nodes[choice->step].t.agent;
	return open_node(d, choice);
}

static void dpor_end(struct strategy *s, const struct explore_end *end)
{
	struct dpor_strategy *d = (struct dpor_strategy *)s;
	uint32_t i;

	take_done(d, end->last);
	for (i = 0; i < EXPLORE_MAX_AGENTS; i++)
		if (end->stuck >> i & 1)
			analyse_stuck(d, i, end->lock[i]);
}

static void dpor_destroy(struct strategy *s)
{
	struct dpor_strategy *d = (struct dpor_strategy *)s;
	uint32_t i;

	for (i = 0; i < d->count; i++)
		free(d->nodes[i].asleep);
	free(d->nodes);
	free(d->locations);
	free(d);
}

static const struct strategy_ops dpor_ops = { "dpor", dpor_begin, dpor_choose, dpor_end, dpor_destroy };

struct strategy *strategy_dpor(void)
{
	struct dpor_strategy *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->base.ops = &dpor_ops;
	return &d->base;
}
