/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * scenarios.h - what the explorer explores, from INI files
 *
 *   [scenario NAME]
 *   says = what it is about
 *   devices = UNIT, ...         each device's unit; the domain is allocated for the first device's
 *   with = KEY=VALUE ...        options of run: cap, ecap, cm, rwbf (one value per unit), stage, invalidation, ats
 *   order = kernel|tags-first   of an attach; kernel unless said
 *   bug = NAME                  a planted bug (PLANTED_BUG_LIST)
 *   setup = CALL, ...           before anything runs at the same time
 *   cpu0 .. cpu3 = CALL, ...    one program each
 *   fail = cpuN                 each of that program's allocations fails in turn
 *   expect = POLICY VERDICT, ...  the policies to explore, and what has to come out: clean, M1 to M6, or refused
 *   steps = N                   transitions before a schedule is given up; 5000 unless said
 *
 * Refused: an attach of the programs has to fail with -EINVAL, and all else is clean.
 *
 * Calls: attach D, detach D, map P, unmap P, unmap2m P, dma_map P, dma_unmap P, dma D P, look D P, await cpuN,
 * await cpuN:K (its first K calls). D is a device's number, P a page's letter.
 */
#ifndef SIMBENCH_SCENARIOS_H
#define SIMBENCH_SCENARIOS_H

#include "bench/options.h"
#include "sim/race.h"

enum { EXPECT_CLEAN = 0, EXPECT_RULE_FIRST = 1, EXPECT_RULE_LAST = 6, EXPECT_REFUSED = 7 };

struct expectation {
	enum policy policy;
	int verdict; /* EXPECT_* ; 1..6 for M1..M6 */
};

struct scenario_config {
	char *name, *says;
	struct race_scenario race; /* but for the policy */
	int fail_program;	   /* -1: no allocation fails */
	struct expectation *expect;
	uint32_t expect_count;
	uint32_t max_steps;
};

struct scenario_set {
	struct scenario_config *scenarios;
	uint32_t count;
	struct json_t *text;
};

/* scenarios_take_pair - take note of a line of a [scenario NAME]; as claims_take_pair() */
int scenarios_take_pair(struct scenario_set *set, const struct options_ini_pair *pair, struct options_error *err);

/* scenarios_finish - check what the files say. Returns 0, -ENOMEM, or -EINVAL with @err filled in. */
int scenarios_finish(struct scenario_set *set, struct options_error *err);
void scenarios_destroy(struct scenario_set *set);

/* "clean", "M1", "refused" */
const char *expectation_name(int verdict);

#endif
