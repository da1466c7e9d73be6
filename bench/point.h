/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * point.h - one scenario with all its repetitions, as JSON: what sweeps and claims are made of
 */
#ifndef SIMBENCH_POINT_H
#define SIMBENCH_POINT_H

#include "bench/cmd.h"

struct json_t;

#define POINT_COMMAND_LIST(X)           \
	X(POINT_RUN, "run")             \
	X(POINT_LOCKBENCH, "lockbench") \
	X(POINT_MAPBENCH, "mapbench")

/* The subcommand that a point is a run of. */
CONFIG_ENUM(point_command, POINT_COMMAND_LIST)

/* Its S_* bit. */
unsigned int point_scope(enum point_command command);

/* Path of its throughput in a result, for measure_get(). */
const char *point_throughput(enum point_command command);

/**
 * point_simulate - run all repetitions of a scenario, one after the other
 * @ctx: for interruption
 * @command: what to run
 * @o: options of its scope, checked by options_validate()
 * @result: receives the result object, a new reference; docs/sweep.schema.json describes it
 *
 * It depends on the options alone. Returns EXIT_OK; 128 + the signal's number when it was interrupted; or the exit
 * code for what went wrong, with a message printed.
 */
int point_simulate(const struct cmd_context *ctx, enum point_command command, const struct options *o,
		   struct json_t **result);

/**
 * point_check - see what point_simulate() would refuse: a machine that is none, and CPUs that it does not have
 * @command: what would run
 * @o: as there
 * @err: receives what is wrong
 *
 * Returns 0, -ENOMEM, or -EINVAL with @err filled in.
 */
int point_check(enum point_command command, const struct options *o, struct options_error *err);

/* Whether the option @id can make a difference to that. */
bool point_check_depends(unsigned int id);

/* The same for one of the commands, with @o->threads at a time. */
int run_point(const struct cmd_context *ctx, struct options *o, struct json_t **result);
int lockbench_point(const struct cmd_context *ctx, struct options *o, struct json_t **result);
int mapbench_point(const struct cmd_context *ctx, struct options *o, struct json_t **result);
int run_check(struct options *o, struct options_error *err);
int lockbench_check(struct options *o, struct options_error *err);
int mapbench_check(struct options *o, struct options_error *err);

#endif
