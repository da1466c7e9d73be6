/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * engine.h - discrete-event engine: processes (coroutines with a clock each) and actors (callbacks)
 *
 * A process runs ahead of global time for as long as no event is due before its clock reaches it; only then does
 * it queue itself and let the earliest event run. Whoever yields dispatches on its own stack: callbacks run in
 * place, and going from one process to the next is a single switch.
 */
#ifndef SIMBENCH_EXEC_ENGINE_H
#define SIMBENCH_EXEC_ENGINE_H

#include "sim/exec/coro.h"
#include "sim/exec/event_queue.h"

struct engine;

/* Something that events are for. A process has no callback: it is resumed instead. */
struct actor {
	void (*fn)(struct actor *actor, uint64_t time_ps, uint64_t arg);
};

struct proc {
	struct actor actor; /* fn is NULL */
	uint64_t now_ps;
	struct engine *engine;
	uint64_t generation; /* wake-ups that carry an older one are stale */
	void (*body)(void *arg);
	void *arg;
	struct coro coro;
};

/*
 * Processes come and go within nanoseconds, actors (devices) within microseconds: with a queue each, the few
 * processes that are about to run do not sift through hundreds of events that are far away.
 */
struct engine {
	uint64_t horizon_ps; /* time of the earliest event */
	struct event_queue procs, actors;
	uint64_t next_seq;
	struct proc main;    /* the thread that called engine_run() */
	uint64_t dispatched; /* events so far */
	/* Takes what is posted, instead of the queue: for an executor without time. NULL: none. */
	void (*post_hook)(void *arg, struct actor *actor, uint64_t event_arg);
	void *post_hook_arg;
	bool stopping;
	int error;
};

/* The process that is running on this thread; NULL outside engine_run(). */
extern _Thread_local struct proc *this_proc;

/* Returns 0 or -ENOMEM. */
int engine_init(struct engine *e);
void engine_destroy(struct engine *e);

/**
 * engine_spawn - make a process that starts at @start_ps
 * @e: engine
 * @p: to fill in; zeroed before its first use, the caller's to free after proc_destroy()
 * @start_ps: in ps, not before the time that the engine has reached
 * @fn: body; when it returns the process is over
 * @arg: for @fn
 *
 * Returns 0 or -ENOMEM.
 */
int engine_spawn(struct engine *e, struct proc *p, uint64_t start_ps, void (*fn)(void *arg), void *arg);
void proc_destroy(struct proc *p);

/**
 * engine_run - dispatch until engine_stop() or until there is nothing left to do
 *
 * Returns 0 after engine_stop(), -EDEADLK when every process sleeps and no event is pending, -ENOMEM.
 */
int engine_run(struct engine *e);

/* Makes engine_run() return before the next event. */
void engine_stop(struct engine *e);

/* Forgets all pending events: what is asleep or queued never runs again, unless started anew. */
void engine_clear(struct engine *e);

/* Calls @actor->fn at @time_ps. */
void engine_post(struct engine *e, uint64_t time_ps, struct actor *actor, uint64_t arg);

/* Slow half of proc_sync(): queues the running process and runs what is due before it. */
void proc_resched(struct proc *p);

/* Lets everything that is due before the running process' clock happen first. */
static inline void proc_sync(struct proc *p)
{
	if (__builtin_expect(p->now_ps >= p->engine->horizon_ps, 0))
		proc_resched(p);
}

/* Lets @ps of simulated time pass for the running process. */
static inline void proc_hold(struct proc *p, uint64_t ps)
{
	p->now_ps += ps;
	proc_sync(p);
}

/* Sleeps until somebody calls proc_wake(); the clock is then the waker's time, if that is later. */
void proc_sleep(struct proc *p);

/* Resumes a sleeping process at @time_ps. Of several wake-ups for one sleep the earliest counts. */
void proc_wake(struct proc *p, uint64_t time_ps);

#endif
