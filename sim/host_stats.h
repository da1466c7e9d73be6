/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host_stats.h - the lock, cache-line and CPU tables of a result, from what the executor has measured
 */
#ifndef SIMBENCH_HOST_STATS_H
#define SIMBENCH_HOST_STATS_H

#include "sim/exec/machine.h"
#include "sim/host.h"

/* The end of the warm-up: forgets what has been measured so far. From machine_at()'s callback. */
void host_stats_reset(struct machine *m, uint64_t time_ps);

/*
 * Whether each CPU has counts of its own: natively. There a CPU that sees by itself that its warm-up is over calls
 * host_stats_reset_cpu(), because a timer may be late by more than a measurement takes. In the model there is one
 * set of counts, which only host_stats_reset() forgets.
 */
bool host_stats_per_cpu(void);
void host_stats_reset_cpu(void);

/*
 * Fills in what @r has of the CPUs' times, of map calls and of units, and its tables of locks and lines, most
 * expensive first. Returns 0 or -ENOMEM.
 */
int host_stats_collect(const struct machine *m, struct host_result *r);

/* For qsort(): the lock with the longest waits first. */
int host_lock_by_wait(const void *a, const void *b);

#endif
