/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host_stats.h - from a finished simulation to the lock, cache-line and CPU tables of a result
 */
#ifndef SIMBENCH_HOST_STATS_H
#define SIMBENCH_HOST_STATS_H

#include "sim/host.h"

/* Adds up the CPUs' idle, spin and stall times. */
void host_collect_cpus(const struct sim *s, struct host_result *r);

/* Makes the tables of locks and lines, most expensive first. Returns 0 or -ENOMEM. */
int host_collect_tables(const struct sim *s, struct host_result *r);

#endif
