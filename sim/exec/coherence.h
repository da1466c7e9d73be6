/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * coherence.h - what an access to shared memory costs, from the state of its cache line
 *
 * Shared objects live in one reserved region, so that an address finds its line by a shift. A line has an owner or
 * sharers, a dirty state, and a time until which it is busy. Latency (what the CPU waits) and occupancy (how long
 * the next request for the line waits) are separate. Caches are as large as need be: a line leaves a cache only
 * when somebody else wants it.
 *
 * Order. A hit does not wait for CPUs whose clocks are behind: it may miss a store that they are about to make, as
 * a load that was executed a little earlier would. Every access that needs the line from somebody else, and every
 * write to a line that more than one agent has ever touched, first lets everything happen that is due before it.
 */
#ifndef SIMBENCH_EXEC_COHERENCE_H
#define SIMBENCH_EXEC_COHERENCE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/exec/engine.h"
#include "sim/exec/params.h"
#include "sim/platform/common.h"

/* Agents are numbered from 1 in a line's owner field, so that fresh memory is a valid line. */
#define NO_OWNER 0

enum line_flag {
	LINE_DIRTY = 1,
	LINE_CONTENDED = 2, /* more than one agent has touched it */
	LINE_EXEMPT = 4,    /* holds a word whose accesses cost nothing (run --explain) */
	LINE_FREE = 8,	    /* every access to it costs nothing (run --explain) */
};

struct vcpu;
struct line;

struct waiter {
	struct waiter *next, *prev; /* in arrival order, circular */
	struct line *line;	    /* NULL when not waiting */
	struct vcpu *cpu;
};

struct line {
	uint64_t busy_until_ps;
	union {
		uint64_t mask;		/* up to 64 CPUs */
		struct sharer_set *set; /* more */
	} sharers;
	struct waiter *waiters;
	uint32_t lock_index; /* 1 + index of the lock table's entry for a lock on this line, 0: none */
	uint16_t owner;	     /* 1 + number of the agent that holds it exclusively, else NO_OWNER */
	uint16_t flags;
};

/* Where an agent (a CPU, a device, a VT-d unit) sits. */
struct agent_place {
	uint32_t core;
	uint32_t l3;
	uint32_t package;
};

struct line_stats {
	uint32_t transfers_local;
	uint32_t transfers_remote;
	uint64_t stall_ps;
};

/* The slow halves; see charge_load() and its kin in platform/model/platform.h. */
void coh_load_slow(struct vcpu *c, struct line *l, const void *p);
void coh_store_slow(struct vcpu *c, struct line *l, const void *p, size_t size);
void coh_rmw_slow(struct vcpu *c, struct line *l, const void *p);
void coh_rmw_local_slow(struct vcpu *c, struct line *l, const void *p, size_t size);

/* Forgets what @c was waiting for: it will never be resumed where it waits. */
void coh_forget_waits(struct vcpu *c);

/* Sleeps until the copy of @p's line that this CPU holds is taken away; returns at once when it holds none. */
void coh_wait_line(const void *p);

/* The same for either of two lines. */
void coh_wait_lines(const void *a, const void *b);

/* Takes @p's line for writing without a store; the CPU does not wait. */
void coh_prefetchw(const void *p);

struct sim;

/**
 * coh_agent_write - a device or a VT-d unit writes memory
 * @s: simulation
 * @agent: agent number, see sim_add_agent()
 * @p: first byte
 * @size: bytes
 * @time_ps: when the request reaches memory
 *
 * Invalidates the CPUs' copies. Returns the time at which the write is visible, in ps.
 */
uint64_t coh_agent_write(struct sim *s, uint16_t agent, const void *p, size_t size, uint64_t time_ps);

/**
 * coh_agent_read - a device or a VT-d unit reads memory
 *
 * Snoops, and leaves the line's state as it is. Parameters and result as for coh_agent_write().
 */
uint64_t coh_agent_read(struct sim *s, uint16_t agent, const void *p, size_t size, uint64_t time_ps);

/* True when @c could read @l without a transfer. */
bool coh_has_copy(const struct vcpu *c, const struct line *l);

/* Tests: internal consistency of one line's state. */
bool coh_line_valid(const struct sim *s, const struct line *l);

#endif
