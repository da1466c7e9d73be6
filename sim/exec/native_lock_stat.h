/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * native_lock_stat.h - acquisitions, waits and holds of every lock on real CPUs, as the kernel's lock_stat has them
 *
 * Every CPU counts for itself; reading the clock twice for each acquisition makes all of it slower, so it has to be
 * asked for.
 */
#ifndef SIMBENCH_EXEC_NATIVE_LOCK_STAT_H
#define SIMBENCH_EXEC_NATIVE_LOCK_STAT_H

#include <stdint.h>

struct native;

/* Of one lock: all CPUs' together. Times in ps. */
struct native_lock_stat {
	const char *name;
	uint32_t instance; /* counts the locks of one name */
	uint64_t acquisitions, contended;
	uint64_t wait_total_ps, wait_max_ps;
	uint64_t hold_total_ps, hold_max_ps;
};

/* Before any lock is initialised. Returns 0 or -ENOMEM. */
int native_lock_stat_init(struct native *m);
void native_lock_stat_destroy(struct native *m);

/* Forgets what CPU @cpu has counted; called there. */
void native_lock_stat_reset(struct native *m, uint32_t cpu);

/* How many locks there are, and the sums over all CPUs for one of them; nothing may run meanwhile. */
uint32_t native_lock_stat_count(const struct native *m);
struct native_lock_stat native_lock_stat_get(const struct native *m, uint32_t index);

#endif
