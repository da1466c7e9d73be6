/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * map_stat.h - what a simulated CPU does in DMA map calls, and how long it takes
 *
 * Where a part of a call begins, the clock is taken off the part's sum, and where it ends it is added: what has
 * passed in between remains. There are no gaps, and no time counts twice. The clock itself is only read.
 */
#ifndef SIMBENCH_EXEC_MAP_STAT_H
#define SIMBENCH_EXEC_MAP_STAT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/platform/common.h"

/* The phase of a CPU that is in no map call, or in an interrupt that has come into the midst of one. */
#define MAP_OUTSIDE MAP_PART_COUNT

/* Acquisitions of one call that are remembered until it ends; those of a longer one are counted before. */
#define MAP_CALL_LOCKS 64

struct map_sums {
	uint64_t part_ps[MAP_PART_COUNT];
	uint64_t calls[FN_COUNT];
};

struct map_stat {
	enum map_part phase;	   /* what the hot path has said last, MAP_other at first */
	enum map_part interrupted; /* the phase to return to from interrupts */
	uint32_t locks_held;	   /* above 0 the time is not the phase's */
	uint64_t asked_stall_ps;   /* stall_ps when a lock was asked for last */
	struct map_sums running;   /* less the clock where a part has begun */
	struct map_sums done;	   /* of the calls that are over */
	uint32_t lock_count;
	uint32_t locks[MAP_CALL_LOCKS]; /* that the call under way has taken, by index */
};

struct vcpu;
struct lock_stat;

/* From one phase to another, without a lock. Both clocks go on: that of the phase stands still in stalls. */
static inline void map_stat_go_to(struct map_stat *m, enum map_part phase, uint64_t now_ps, uint64_t stall_ps)
{
	assert(!m->locks_held);
	m->running.part_ps[m->phase] += now_ps - stall_ps;
	m->running.part_ps[phase] -= now_ps - stall_ps;
	m->phase = phase;
}

/* A map call begins and ends. */
void map_stat_begin(struct vcpu *c);
void map_stat_end(struct vcpu *c);

/* Forgets the call that is under way, if one is: what remains of it is outside. */
void map_stat_abandon(struct map_stat *m);

/* The end of the warm-up: forgets all calls. */
void map_stat_reset(struct map_stat *m);

/* Around interrupt handlers, which do not come while a lock is held. */
void map_stat_suspend(struct vcpu *c);
void map_stat_resume(struct vcpu *c);

/* In a map call: has taken, or released, a lock. */
void map_stat_lock_acquired(struct vcpu *c, const struct lock_stat *lock, uint64_t asked_ps, bool contended);
void map_stat_lock_released(struct vcpu *c);

#endif
