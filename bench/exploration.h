/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * exploration.h - one scenario under one policy, explored
 */
#ifndef SIMBENCH_EXPLORATION_H
#define SIMBENCH_EXPLORATION_H

#include <signal.h>

#include "bench/scenarios.h"

/* What has happened to an address of a device. */
struct exploration_event {
	uint32_t step;
	uint8_t agent; /* below the number of programs: that CPU, else hardware */
	char text[72];
};

struct exploration_params {
	const struct scenario_config *scenario;
	enum policy policy;
	enum explore_strategy strategy;
	enum explore_memory memory; /* not TSO with dfs or dpor */
	uint64_t seed, schedules;   /* of them at most */
	uint32_t depth, preemptions;
	const volatile sig_atomic_t *interrupted;
};

struct exploration {
	uint64_t schedules, steps;
	uint64_t pruned; /* of the schedules: given up because others cover them */
	bool complete;	 /* no schedule is left that could come out differently */
	bool interrupted;
	bool diverged; /* a schedule came out differently when it was run again: something else had a hand in it */
	bool refused;  /* every schedule had an attach that failed with -EINVAL */
	struct explore_verdict verdict;	  /* the first schedule that was not clean, else a clean one's */
	struct explore_segment *segments; /* of that schedule, minimised; NULL for none */
	uint32_t segment_count;
	struct exploration_event *history; /* of verdict.iova in it */
	uint32_t history_count;
	uint32_t fail_at; /* the allocation that failed in it, from 1 on; 0: none */
	double wall_s;
};

/**
 * exploration_run - try schedules until one breaks a rule, or none is left
 *
 * Some schedules, ever fewer of them, and the one that breaks a rule are run again, to see that nothing but the
 * schedule decides what comes out. Where something does, the exploration ends with @e->diverged and that schedule.
 *
 * @e: to fill in; exploration_free() releases it, whatever the result. Returns 0, -ENOMEM, or what the setup
 * returned.
 */
int exploration_run(const struct exploration_params *p, struct exploration *e);
void exploration_free(struct exploration *e);

/* What came out, to be held against an expectation: EXPECT_*; -1 for a schedule that was too long. */
int exploration_verdict(const struct exploration *e);

/**
 * exploration_print - run a schedule once more and print it in columns, one for each CPU and one for the hardware
 *
 * Returns 0, -ENOMEM, or what the setup returned.
 */
int exploration_print(FILE *f, const struct exploration_params *p, const struct explore_segment *segments,
		      uint32_t segment_count, uint32_t fail_at);

/*
 * "0:57,1:12,3:2", or "fail:4,0:57,..." with an allocation that fails, and back; from malloc(), NULL when memory is
 * short or the text is not of that form.
 */
char *exploration_segments_text(const struct explore_segment *segments, uint32_t count, uint32_t fail_at);
struct explore_segment *exploration_parse_segments(const char *text, uint32_t *count, uint32_t *fail_at);

#endif
