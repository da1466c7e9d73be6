/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * claims.h - what somebody claims of scenarios, and what simulations say to it
 *
 * A section of an INI file for each:
 *
 *   [claim NAME]
 *   says = the claim in words
 *   source = where it stands
 *   command = run | lockbench | mapbench       run unless said
 *   scenario = KEY=VALUE ...                   on top of [simbench]; a value with blanks in quotes
 *   measure = PATH                             a value of the result (measure.h)
 *   measure = attach                           or whether the devices can be attached
 *   against = KEY=VALUE ...                    a second scenario, from [simbench] too, that it is related to
 *   as = drop_pct                              how: 100 (1 - scenario / against)
 *   as = ratio                                 scenario / against
 *   as = difference                            scenario - against
 *   claimed = NUMBER | >= NUMBER | <= NUMBER
 *   claimed = accepted | refused               for attach
 *   tolerance = NUMBER | NUMBER %              around a NUMBER; none unless said
 *
 * NAME can be that of a file, because what is uncertain of a claim can be drawn.
 */
#ifndef SIMBENCH_CLAIMS_H
#define SIMBENCH_CLAIMS_H

#include "bench/measure.h"
#include "bench/point.h"
#include "bench/sweep_dir.h"

enum claim_relation { CLAIM_ALONE, CLAIM_DROP_PCT, CLAIM_RATIO, CLAIM_DIFFERENCE };

/* As in the file; NULL for CLAIM_ALONE. */
const char *claim_relation_name(enum claim_relation relation);

#define CLAIM_VERDICT_LIST(X)           \
	X(CLAIM_CONFIRMED, "confirmed") \
	X(CLAIM_REFUTED, "refuted")     \
	X(CLAIM_UNDECIDED, "undecided")

CONFIG_ENUM(claim_verdict, CLAIM_VERDICT_LIST)

/* A scenario that one claim or several look at. */
struct claim_scenario {
	enum point_command command;
	bool attach;		/* only whether the devices can be attached is of interest */
	struct options options; /* checked */
	char *key;		/* tells it from others: command and every option that can change a result */
	struct json_t *result;	/* once it has been simulated */
};

struct claim {
	char *name, *says, *source, *measure, *claimed; /* as in the file; source may be "" */
	char *where;					/* the measure stands, "file:12" */
	uint32_t scenario, against;			/* in claims.scenarios */
	bool attach;
	enum claim_relation relation;
	double low, high; /* the claim holds from low to high, one of which may be infinite */
};

/* A claim's value as simulated. */
struct claim_value {
	double value, ci95;
	double df;	/* of the interval */
	uint64_t count; /* repetitions of each scenario */
	bool exact;	/* no spread is known, none is counted */
};

struct claims {
	struct claim *claims;
	uint32_t count;
	struct claim_scenario *scenarios; /* each once */
	uint32_t scenario_count;
	struct json_t *text; /* what the file says, until claims_finish() has looked at it */
};

/* claims_take_pair - take note of a line of a [claim NAME]; as sweep_take_pair() */
int claims_take_pair(struct claims *c, const struct options_ini_pair *pair, struct options_error *err);

/**
 * claims_finish - check what the file says, and list the scenarios
 * @c: after the last claims_take_pair()
 * @base: options of the command line and [simbench]
 * @err: receives what is wrong
 *
 * Returns 0, -ENOMEM, or -EINVAL with @err filled in.
 */
int claims_finish(struct claims *c, const struct options *base, struct options_error *err);
void claims_destroy(struct claims *c);

/**
 * claims_simulate - run a scenario
 * @ctx: for interruption
 * @s: what to run; stays as it is
 * @result: as point_simulate() makes it; for attach {"attached": true or false}
 *
 * Returns an exit code, with a message printed.
 */
int claims_simulate(const struct cmd_context *ctx, const struct claim_scenario *s, struct json_t **result);

/**
 * claims_from_sweep - take a scenario's result from a sweep
 * @s: how long it runs, how often and with what seed may differ from the sweep's points
 * @d: open for reading
 * @result: receives it, a new reference
 * @err: receives why the sweep has no such point
 *
 * Returns 0, -ENOMEM, or -EINVAL with @err filled in.
 */
int claims_from_sweep(const struct claim_scenario *s, const struct sweep_dir *d, struct json_t **result,
		      struct options_error *err);

/**
 * claim_evaluate - a claim's value
 * @claim: the claim
 * @scenario, @against: results of its scenarios; the latter NULL where it has none
 * @v: receives the value
 * @err: receives why there is none
 *
 * Returns 0 or -EINVAL with @err filled in.
 */
int claim_evaluate(const struct claim *claim, const struct json_t *scenario, const struct json_t *against,
		   struct claim_value *v, struct options_error *err);

/**
 * claim_judge - what a value with its interval says to a claim
 * @repetitions: receives for CLAIM_UNDECIDED how many would decide at this value and spread, 2 where there is only
 * one, which has no spread; UINT64_MAX where none would
 *
 * Confirmed when all of the interval is within the claim, refuted when none of it is.
 */
enum claim_verdict claim_judge(const struct claim *claim, const struct claim_value *v, uint64_t *repetitions);

/* Whether a value without an interval is within the claim. */
bool claim_holds(const struct claim *claim, double value);

#endif
