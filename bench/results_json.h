/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * results_json.h - the JSON frame of the commands whose results are not those of a run
 */
#ifndef SIMBENCH_RESULTS_JSON_H
#define SIMBENCH_RESULTS_JSON_H

#include <stdio.h>

#include "bench/cmd.h"
#include "bench/runner.h"

struct json_t;

/**
 * results_json - write context, config and results[] as one object
 * @f: written to
 * @ctx: for the context
 * @runner: its wall time is in the context
 * @events: simulated in that time
 * @o: the rows of its scope are the config
 * @results: array; taken over; NULL when memory ran out
 *
 * Returns 0, -ENOMEM, or -EIO when @f has failed.
 */
int results_json(FILE *f, const struct cmd_context *ctx, const struct runner *runner, uint64_t events,
		 const struct options *o, struct json_t *results);

/* {"mean", "ci95", "min", "max"}. New reference or NULL. */
struct json_t *results_json_estimate(const struct estimate *e);

/* Mean and interval of @count values, each in thousandths of the unit; zeros without a value. */
struct estimate results_estimate(const uint64_t *thousandths, size_t count);

#endif
