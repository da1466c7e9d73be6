/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * native.h - the native executor: real CPUs, one pinned thread for each simulated CPU
 *
 * An access costs what the machine at hand makes of it. What is not there, devices and their interrupts, is paced
 * by the clock: a simulated device's events wait in the queue of the CPU that its interrupts go to, and run on that
 * CPU's own thread when they are due and the thread has its interrupts on.
 */
#ifndef SIMBENCH_EXEC_NATIVE_H
#define SIMBENCH_EXEC_NATIVE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/exec/arena.h"
#include "sim/exec/event_queue.h"
#include "sim/exec/native_clock.h"
#include "sim/exec/params.h"
#include "sim/lock.h"
#include "sim/platform/common.h"

struct topology;
struct native;
struct native_lock_stats;
struct native_timer;

/* Two lines apart, because processors fetch lines in pairs. */
#define NATIVE_APART 128

/* Something that is to happen on a CPU's thread; its holder frees it. */
struct native_event {
	struct native_event *next; /* in the inbox of another CPU */
	uint64_t time_ps;
	void (*fn)(struct native_event *event);
};

/* What a thread needs at hand. */
struct native_cpu {
	struct native *machine;
	uint32_t id;
	enum lock_kind lock;
	uint64_t calls[FN_COUNT]; /* since the start */
	uint64_t lock_acquisitions, lock_contended;
	struct native_lock_stats *lock_stats; /* NULL: not wanted */
	uint32_t irq_depth;
	struct event_queue events; /* of struct native_event, by time */
	uint64_t next_seq;
	uint64_t idle_ps; /* with nothing to do but wait for events */
	uint64_t events_run;
	uint64_t owed_ps;	    /* time that went into being a device, not yet taken off this CPU's work */
	struct native_event forget; /* what has been measured: at the end of a warm-up */
	int error;		    /* negative errno of what failed in the middle of a run */
	/* What others write: not beside what this CPU reads all the time. */
	struct native_event *inbox __attribute__((aligned(NATIVE_APART)));
	bool kicked; /* cpu_idle() is to return */
} __attribute__((aligned(NATIVE_APART)));

struct native {
	struct arena memory;
	struct sim_params params;
	const struct topology *topology;
	uint32_t cpu_count;
	uint32_t *pus;
	struct native_cpu *cpus;
	struct mcs_cpu_nodes *mcs_nodes; /* by CPU */
	struct native_clock clock;
	bool stopping;	      /* native_run() is to end */
	bool rcu_used;	      /* something waits, or has waited, to be freed by RCU */
	bool memory_bound;    /* to the NUMA node of the CPUs, because they are all on one */
	pthread_mutex_t lock; /* of what follows: none of it is on the hot path */
	struct native_timer *timers;
	struct lock_registry *locks; /* NULL: nobody asked for the locks' statistics */
};

/* The CPU that this thread is; NULL elsewhere. */
extern __thread struct native_cpu *native_this_cpu __attribute__((tls_model("local-exec")));

/**
 * native_create - memory and CPUs of this machine, and nothing that runs yet
 * @m: to fill in
 * @topology: of this machine ("host"); kept by reference until native_destroy()
 * @pus: topology indexes of the CPUs in use; one may come twice, and its threads then take turns
 * @cpu_count: 1..SIM_MAX_CPUS
 * @params: copied; of them the native executor needs lock, the costs of register accesses and interrupts, and seed
 * @lock_stat: time every lock's waits and holds, which costs some 30 ns an acquisition
 *
 * Returns 0, -ENOMEM, or -EAGAIN when jemalloc gives no further arena.
 */
int native_create(struct native *m, const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
		  const struct sim_params *params, bool lock_stat);
void native_destroy(struct native *m);

/**
 * native_run - run @body(@arg, cpu) on every CPU at the same time
 * @m: machine
 * @body: called on each CPU's thread, pinned and registered with RCU, after all of them have arrived
 * @arg: for @body
 *
 * Returns 0 when every body has returned; -EAGAIN when there are no more threads; -EXDEV when a thread could not be
 * pinned; or the first error that a CPU met (native_fail()).
 */
int native_run(struct native *m, void (*body)(void *arg, uint32_t cpu), void *arg);

/* Runs @fn(@arg) on CPU @cpu until it returns. Result as for native_run(). */
int native_call_on_cpu(struct native *m, uint32_t cpu, void (*fn)(void *arg), void *arg);

/**
 * native_enter - make the calling thread CPU @cpu of @m, as native_run() does with threads of its own
 * @m: machine
 * @cpu: 0..cpu_count-1; no other thread is this CPU meanwhile
 *
 * Pins the thread, for good, and registers it with RCU. Returns 0, or -EXDEV when it could not be pinned: it is the
 * CPU all the same, until native_leave().
 */
int native_enter(struct native *m, uint32_t cpu);

/* Returns the first error that this CPU has met since native_enter() (native_fail()), or 0. */
int native_leave(void);

/* Makes native_run() return @error, a negative errno, once every body has returned. */
void native_fail(int error);

/*
 * Lets @event happen on CPU @cpu at event->time_ps. The CPU itself may post it again before that, for another time,
 * and it then happens twice; other CPUs only once it has run.
 */
void native_post(struct native *m, uint32_t cpu, struct native_event *event);

/* Lets happen what is due on this CPU; true when something was. Nothing is while interrupts are off. */
bool native_poll(void);

/* This CPU has been a device for @ps: as much of its next work is left out. */
void native_owe(uint64_t ps);

/* Time since native_create(). */
static inline uint64_t native_now_ps(const struct native *m)
{
	return native_clock_ps(&m->clock);
}

#endif
