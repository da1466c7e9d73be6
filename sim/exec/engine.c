/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/engine.h"

#include <errno.h>
#include <string.h>

_Thread_local struct proc *this_proc;

int engine_init(struct engine *e)
{
	int ret;

	memset(e, 0, sizeof(*e));
	e->horizon_ps = EVENT_NEVER;
	e->main.engine = e;
	ret = event_queue_init(&e->procs, 64);
	if (ret)
		return ret;
	ret = event_queue_init(&e->actors, 256);
	if (ret)
		event_queue_destroy(&e->procs);
	return ret;
}

void engine_destroy(struct engine *e)
{
	event_queue_destroy(&e->procs);
	event_queue_destroy(&e->actors);
}

static void engine_push(struct engine *e, struct event_queue *q, uint64_t time_ps, void *target, uint64_t arg)
{
	struct event ev = { time_ps, e->next_seq++, target, arg };

	if (event_queue_push(q, ev)) {
		e->error = -ENOMEM;
		e->stopping = true;
		return;
	}
	if (time_ps < e->horizon_ps)
		e->horizon_ps = time_ps;
}

static bool engine_empty(const struct engine *e)
{
	return !e->procs.count && !e->actors.count;
}

/* Does the earliest event belong to an actor? */
static bool actor_is_next(const struct engine *e)
{
	if (!e->actors.count)
		return false;
	return !e->procs.count || event_before(&e->actors.heap[0], &e->procs.heap[0]);
}

static void update_horizon(struct engine *e)
{
	uint64_t procs = event_queue_horizon(&e->procs), actors = event_queue_horizon(&e->actors);

	e->horizon_ps = procs < actors ? procs : actors;
}

static void switch_to(struct proc *from, struct proc *to)
{
	this_proc = to;
	coro_switch(&from->coro, &to->coro);
}

/* Resumes the process that @ev is for, unless @ev is stale. True when @p may go on. */
static bool resume(struct proc *p, const struct event *ev)
{
	struct proc *next = ev->target;

	if (ev->arg != next->generation)
		return false;
	next->generation++;
	if (next->now_ps < ev->time_ps)
		next->now_ps = ev->time_ps;
	if (next != p)
		switch_to(p, next);
	return true;
}

/* Lets things happen until @p is due; other processes may run in between. */
static void dispatch(struct engine *e, struct proc *p)
{
	for (;;) {
		struct event ev;

		if (engine_empty(e) && !e->stopping) {
			e->error = -EDEADLK;
			e->stopping = true;
		}
		if (e->stopping) {
			if (p != &e->main)
				switch_to(p, &e->main);
			return;
		}
		e->dispatched++;
		if (actor_is_next(e)) {
			struct actor *actor;

			ev = event_queue_pop(&e->actors);
			update_horizon(e);
			actor = ev.target;
			actor->fn(actor, ev.time_ps, ev.arg);
		} else {
			ev = event_queue_pop(&e->procs);
			update_horizon(e);
			if (resume(p, &ev))
				return;
		}
	}
}

void proc_resched(struct proc *p)
{
	struct engine *e = p->engine;
	struct event ev = { p->now_ps, e->next_seq++, p, p->generation };

	/* The common case: another process is next, and takes this one's place in the queue. */
	if (e->procs.count && !e->stopping && !actor_is_next(e)) {
		ev = event_queue_replace(&e->procs, ev);
		update_horizon(e);
		e->dispatched++;
		if (resume(p, &ev))
			return;
	} else if (event_queue_push(&e->procs, ev)) {
		e->error = -ENOMEM;
		e->stopping = true;
	}
	dispatch(e, p);
}

void proc_sleep(struct proc *p)
{
	dispatch(p->engine, p);
}

void proc_wake(struct proc *p, uint64_t time_ps)
{
	engine_push(p->engine, &p->engine->procs, time_ps > p->now_ps ? time_ps : p->now_ps, p, p->generation);
}

static void proc_entry(void *arg)
{
	struct proc *p = arg;

	p->body(p->arg);
	for (;;)
		proc_sleep(p);
}

int engine_spawn(struct engine *e, struct proc *p, uint64_t start_ps, void (*fn)(void *arg), void *arg)
{
	uint64_t generation = p->generation + 1;
	int ret;

	memset(p, 0, sizeof(*p));
	p->generation = generation;
	p->engine = e;
	p->now_ps = start_ps;
	ret = coro_create(&p->coro, proc_entry, p);
	if (ret)
		return ret;
	p->body = fn;
	p->arg = arg;
	engine_push(e, &e->procs, start_ps, p, p->generation);
	return e->error == -ENOMEM ? e->error : 0;
}

void proc_destroy(struct proc *p)
{
	coro_destroy(&p->coro);
}

int engine_run(struct engine *e)
{
	struct proc *outer = this_proc;
	int error;

	coro_adopt_thread(&e->main.coro);
	e->stopping = false;
	e->error = 0;
	this_proc = &e->main;
	dispatch(e, &e->main);
	this_proc = outer;
	/* Told once: the next run, and the spawning for it, start without. */
	error = e->error;
	e->error = 0;
	return error;
}

void engine_stop(struct engine *e)
{
	e->stopping = true;
}

void engine_post(struct engine *e, uint64_t time_ps, struct actor *actor, uint64_t arg)
{
	if (__builtin_expect(e->post_hook != NULL, 0)) {
		e->post_hook(e->post_hook_arg, actor, arg);
		return;
	}
	engine_push(e, &e->actors, time_ps, actor, arg);
}

void engine_clear(struct engine *e)
{
	e->procs.count = e->actors.count = 0;
	e->horizon_ps = EVENT_NEVER;
}
