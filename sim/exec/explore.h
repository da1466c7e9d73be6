/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore.h - the explore executor: the hot path under every schedule, instead of the one that a clock gives
 *
 * It runs the same machine as the virtual executor, with its CPUs as coroutines in one thread, but without time:
 * each access that another agent could notice is a scheduling point, and a strategy (schedule.h) says who goes
 * next. Locks are taken and given back in one step; whoever waits, for a lock or for a line to change, is blocked,
 * so that schedules end. Memory is sequentially consistent, or x86's with a store buffer for each CPU.
 *
 * An access is a scheduling point when its word has been touched by two agents, one of which wrote it, in any
 * schedule so far. The first schedules find out which words those are; explore_new_words() tells whether the last
 * one has found more, after which an exhaustive search has to begin anew.
 *
 * After a snapshot each schedule starts from the same memory: what a schedule has changed is put back, and what it
 * has allocated was taken from a place of its own for each agent, so that addresses do not depend on the schedule.
 */
#ifndef SIMBENCH_EXEC_EXPLORE_H
#define SIMBENCH_EXEC_EXPLORE_H

#include "sim/exec/schedule.h"
#include "sim/exec/virtual.h"

struct explore;

/* What a schedule can be found guilty of, in a few words for people. */
struct explore_verdict {
	uint64_t iova; /* of the violation; 0: it is about no address of a device */
	enum explore_outcome outcome;
	char rule[8]; /* "M1".."M6"; "" where no rule is broken */
	char what[256];
	uint32_t steps;
	uint32_t preemptions; /* switches away from a CPU that could have gone on */
};

/**
 * explore_create - turn a machine over to the explorer
 * @s: created, and not running
 * @x: receives the executor
 *
 * From here on its CPUs run for explore_run() only. Returns 0 or -ENOMEM.
 */
int explore_create(struct sim *s, struct explore **x);
void explore_destroy(struct explore *x);

/* The program of CPU @cpu; before the snapshot. */
void explore_set_program(struct explore *x, uint32_t cpu, void (*body)(void *arg), void *arg);

/* A part of the hardware, which runs what is posted to it, in order; before the snapshot. Numbers follow the CPUs'.
 */
void explore_add_hardware(struct explore *x, struct actor *actor);

/* Called before every store of a CPU in a schedule. */
void explore_on_store(struct explore *x, void (*fn)(void *arg, const void *p), void *arg);

/* Host memory that schedules change: put back with the rest. Before the snapshot. Returns 0 or -ENOMEM. */
int explore_watch(struct explore *x, void *p, size_t size);

/*
 * Memory as x86-TSO has it, from the next schedule on: a CPU's plain stores wait in a buffer of
 * EXPLORE_BUFFERED_STORES; each reaches memory in a step of its own, after those before it. Atomics, locks' taking,
 * barriers and register accesses wait until the buffer is empty, and so does explore_touch(). A lock is given back
 * by a plain store. Not for dfs and dpor, which do not know what depends on such a step. For 4 CPUs at most.
 */
#define EXPLORE_BUFFERED_STORES 8
void explore_store_buffers(struct explore *x, bool on);

/* From here on each schedule starts here. Returns 0 or -ENOMEM. */
int explore_snapshot(struct explore *x);

/**
 * explore_run - one schedule
 * @x: after explore_snapshot()
 * @st: chooses; its begin() has returned true, and its end() is called
 * @max_steps: transitions before it is given up
 * @verdict: receives what came out
 */
void explore_run(struct explore *x, struct strategy *st, uint32_t max_steps, struct explore_verdict *verdict);

/* The last schedule, for strategy_replay(). */
const struct explore_segment *explore_segments(const struct explore *x, uint32_t *count);

/* Makes every access a scheduling point, or only those that others can notice: for a replay. */
void explore_every_access(struct explore *x, bool on);

/* Whether the last schedule has made words scheduling points that were none; asking resets it. */
bool explore_new_words(struct explore *x);

uint64_t explore_total_steps(const struct explore *x);

/* Of what the last schedule has made of memory, objects that it has freed apart, and of its verdict. */
uint64_t explore_state_hash(const struct explore *x);

/* Of the last schedule's accesses that others notice, while the log is on. What a CPU says before its first access
 * is left out: a replay does not know when that was. */
uint64_t explore_log_hash(const struct explore *x);

/* What a CPU waited for when the last schedule ended. */
enum explore_wait {
	EXPLORE_WAITS_NOT,   /* its program had ended, or could go on */
	EXPLORE_WAITS_LOCK,  /* for the lock at *@on */
	EXPLORE_WAITS_WRITE, /* until somebody writes *@on, as a unit its status */
	EXPLORE_WAITS_CALL,  /* explore_await() */
	EXPLORE_WAITS_GRACE, /* for the end of an RCU section */
};
enum explore_wait explore_waiting(const struct explore *x, uint32_t cpu, const void **on);

/* What kind of object an address belongs to in the last schedule, and where in it; NULL for none. */
const struct obj_type *explore_object_of(const struct explore *x, const void *p, uint32_t *offset);
/* The same for what may not be an address. */
const struct obj_type *explore_pointed_type(const struct explore *x, const void *p);
const struct obj_type *explore_type_of(const struct explore *x, const void *p);

/* In each schedule the @nth allocation, from 1 on, of CPU @cpu fails; 0: none. */
void explore_fail_allocation(struct explore *x, uint32_t cpu, uint32_t nth);
/* Whether one has failed in any schedule so far. */
bool explore_allocation_failed(const struct explore *x);

/* ---- for what runs inside ---- */

/* A rule is broken: the schedule ends here. The first one counts. */
void explore_violation(struct explore *x, const char *rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A place that is no memory: a unit's state, an oracle's knowledge. The same @key gives the same location. */
uint32_t explore_location(struct explore *x, uintptr_t key);

/* A scheduling point for such a place, then the access. From a CPU. */
void explore_touch(struct explore *x, uint32_t location, enum explore_access_kind kind);

/* The access alone, as a part of the transition that is under way. */
void explore_note(struct explore *x, uint32_t location, enum explore_access_kind kind);

/* The same for all places with keys from @first to @end. */
void explore_note_range(struct explore *x, uintptr_t first, uintptr_t end, enum explore_access_kind kind);

/* Blocks the running CPU until *@flag is not 0; whoever sets it notes an ACCESS_SIGNAL on @location. */
void explore_await(struct explore *x, uint32_t location, const uint32_t *flag);

/* The agent that is running: a CPU's number, or that of a unit's part. */
uint32_t explore_agent(const struct explore *x);

/* What has happened, line by line, once explore_log() is on; kept until the next schedule. */
struct explore_event {
	uint32_t step;
	uint8_t agent;
	uint8_t kind; /* explore_access_kind, or EVENT_* */
	/* The line after the access. Modified by an owner (1 + CPU), or read by sharers (a bit each), or in no
	 * cache. */
	uint8_t owner;
	uint32_t sharers;
	const void *address;	/* NULL: no memory */
	uint64_t before, after; /* the eight bytes around it; after: of a store */
	uint64_t first, last;	/* the addresses of devices that a text is about; @last 0: none */
	char text[72];
};

/* A store into a store buffer, and out of it. */
enum { EVENT_TEXT = 64, EVENT_BUFFERED, EVENT_DRAINED };

void explore_log(struct explore *x, bool on);
const struct explore_event *explore_events(struct explore *x, uint32_t *count);
/* Adds a text, while the log is on. */
void explore_say(struct explore *x, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same about what concerns the addresses @first to @last of devices: it belongs to their history. */
void explore_say_of(struct explore *x, uint64_t first, uint64_t last, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The address that the next violation is about. */
void explore_blame(struct explore *x, uint64_t iova);

/* ---- hooks of the platform and the coherence model, when sim->explore is set ---- */

void explore_load(struct vcpu *c, const void *p);
void explore_store(struct vcpu *c, const void *p, size_t size);
void explore_rmw(struct vcpu *c, const void *p);
/* Until the CPU's store buffer is empty. */
void explore_barrier(struct vcpu *c);
void explore_agent_read(struct sim *s, const void *p);
void explore_agent_write(struct sim *s, const void *p);
void explore_wait_word(struct vcpu *c, const void *p);
void explore_lock(struct vcpu *c, spinlock_t *lock);
void explore_unlock(struct vcpu *c, spinlock_t *lock);
/* The outermost section of a CPU is about to begin, or to end. */
void explore_rcu_lock(struct vcpu *c);
void explore_rcu_unlock(struct vcpu *c);
/* Until the sections that others are in now are over. */
void explore_synchronize_rcu(struct vcpu *c);
void explore_called(struct vcpu *c, enum fn_id fn);
void explore_entered(struct vcpu *c, const char *name);
void explore_post(struct explore *x, struct actor *actor, uint64_t arg);
void *explore_alloc(struct explore *x, const struct obj_type *type, size_t size, size_t align);
void explore_free(struct explore *x, void *p);
/* Whoever has looked at it has stopped before. */
void explore_free_after_rcu(struct explore *x, void *p);

#endif
