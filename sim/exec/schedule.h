/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * schedule.h - who goes next: the interface of the explorer's strategies, one file each
 *
 * A schedule is the sequence of agents that were chosen, one for each transition. An agent is a CPU that runs its
 * program, or a part of a VT-d unit that has something to do, or a store buffer with something in it. A transition
 * is one access that others can notice, with everything up to the agent's next one that only it itself can notice.
 */
#ifndef SIMBENCH_EXEC_SCHEDULE_H
#define SIMBENCH_EXEC_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPLORE_MAX_AGENTS 28 /* 4 CPUs, 2 parts of each of 4 units, 6 more of 2 with a write buffer, timers */

/* Behind them one agent for the store buffer of each CPU: its steps are stores that reach memory. */
#define EXPLORE_MAX_BUFFERS 4
#define EXPLORE_FIRST_BUFFER EXPLORE_MAX_AGENTS
#define EXPLORE_ALL_AGENTS (EXPLORE_FIRST_BUFFER + EXPLORE_MAX_BUFFERS)

enum explore_access_kind {
	ACCESS_LOAD,
	ACCESS_STORE, /* or an atomic, or a change of a unit's state */
	ACCESS_LOCK,  /* waits while somebody has it */
	ACCESS_UNLOCK,
	ACCESS_SIGNAL, /* lets others go on who wait for it; never races with them */
	ACCESS_AWAIT,
};

struct explore_access {
	uint32_t location; /* the same in every schedule */
	uint8_t kind;
};

#define EXPLORE_MAX_ACCESSES 24

/* What a transition did. */
struct explore_transition {
	uint8_t agent;
	uint8_t count;
	uint8_t posted_by; /* of a unit's: 1 + the agent that gave it something to do; 0: nobody in this schedule */
	uint32_t posted_at; /* and in which transition */
	struct explore_access access[EXPLORE_MAX_ACCESSES];
};

struct explore_choice {
	uint32_t step;			       /* transitions so far */
	uint32_t enabled;		       /* agents that can go on, one bit each; not 0 */
	uint32_t cpus;			       /* agents that run programs; the others are hardware */
	int last;			       /* the agent of the transition before; -1 at the beginning */
	const uint32_t *reached;	       /* by agent: accesses, or for hardware things done, so far */
	const struct explore_transition *done; /* that transition; NULL at the beginning */
};

enum explore_outcome {
	EXPLORE_FINISHED,  /* every program has ended */
	EXPLORE_VIOLATION, /* a rule was broken */
	EXPLORE_DEADLOCK,  /* programs wait, and nobody can go on */
	EXPLORE_BOUND,	   /* too many transitions */
	EXPLORE_PRUNED,	   /* the strategy gave this schedule up: another one covers it */
};

#define EXPLORE_PRUNE -1

/* How a schedule ended. */
struct explore_end {
	enum explore_outcome outcome;
	const struct explore_transition *last; /* its last transition, or NULL */
	uint32_t stuck;			       /* of a deadlock: agents that wait for a lock, one bit each */
	uint32_t lock[EXPLORE_MAX_AGENTS];     /* and its location */
};

struct strategy;

/* The three calls. */
struct strategy_ops {
	const char *name;
	/* Before each schedule. False when there is none left to try. */
	bool (*begin)(struct strategy *s);
	/* The agent that goes next, one of choice->enabled, or EXPLORE_PRUNE. */
	int (*choose)(struct strategy *s, const struct explore_choice *choice);
	/* After each schedule. */
	void (*end)(struct strategy *s, const struct explore_end *end);
	void (*destroy)(struct strategy *s);
};

struct strategy {
	const struct strategy_ops *ops;
};

/**
 * strategy_random - every agent that can go on is as likely as the others
 * @seed: of the first schedule; each further one has a stream of its own
 * @schedules: how many
 *
 * All of these return NULL when memory is short.
 */
struct strategy *strategy_random(uint64_t seed, uint64_t schedules);

/**
 * strategy_pct - random priorities that change at @depth - 1 random places
 * @depth: of the bugs that are looked for, at least 1
 * @steps: transitions that a schedule is expected to have
 *
 * Finds a bug of that depth with probability 1/(n k^(depth-1)) a schedule, for n agents and k transitions (facts
 * I5).
 */
struct strategy *strategy_pct(uint64_t seed, uint64_t schedules, uint32_t depth, uint32_t steps);

/**
 * strategy_dfs - all schedules with at most @preemptions switches away from a CPU that could go on
 * @preemptions: iterated from 0 to this; UINT32_MAX: all schedules
 */
struct strategy *strategy_dfs(uint32_t preemptions);

/* strategy_dpor - one schedule at least of every class that differ in more than the order of independent
 * transitions */
struct strategy *strategy_dpor(void);

/* An agent ran until it had made @until accesses (hardware: done as many things) since the schedule's beginning. */
struct explore_segment {
	uint8_t agent;
	uint32_t until;
};

/**
 * strategy_replay - one schedule once more
 * @segments: as explore_segments() gives them; stays the caller's
 *
 * Segments do not depend on which accesses are scheduling points. Where one cannot be followed, because its agent
 * is blocked, it is left out; behind the last one everybody runs to its end, the first agent first.
 */
struct strategy *strategy_replay(const struct explore_segment *segments, size_t count);

static inline void strategy_destroy(struct strategy *s)
{
	if (s)
		s->ops->destroy(s);
}

#endif
