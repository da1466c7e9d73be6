/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explain.h - run --explain: what each cost is worth
 */
#ifndef SIMBENCH_EXPLAIN_H
#define SIMBENCH_EXPLAIN_H

#include "bench/cmd.h"
#include "bench/scenario.h"

/**
 * explain - repeat a run with one cost taken away at a time
 * @ctx: for the JSON context and interruption
 * @s: the full model
 *
 * The costs: transfers of lock words and of the lock's queue nodes, what shares the lock's cache line (facts K2),
 * the work inside the critical section, and the distance between packages. What does not apply to the scenario is
 * left out. The report ends with the baseline `pt` and the devices' ceiling, and says what part of the gap between
 * the full model and `pt` each cost closes. Shares need not add up: costs overlap, and the next bottleneck takes
 * over.
 *
 * Writes the report and returns an exit code.
 */
int explain(const struct cmd_context *ctx, struct scenario *s);

#endif
