/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_engine.c - look-ahead, order, wake-ups, stop and deadlock, and a queue whose theory is known
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sim/exec/engine.h"
#include "sim/rng.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Assertions stay outside the processes: cmocka fails with longjmp(). */
struct fixture {
	struct engine engine;
	struct proc proc[4];
	struct actor actor;
	uint64_t seen[16];
	uint32_t seen_count;
	uint64_t dispatched_before, dispatched_after;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f ? engine_init(&f->engine) : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < COUNT(f->proc); i++)
		proc_destroy(&f->proc[i]);
	engine_destroy(&f->engine);
	free(f);
	return 0;
}

static void see(struct fixture *f, uint64_t value)
{
	if (f->seen_count < COUNT(f->seen))
		f->seen[f->seen_count] = value;
	f->seen_count++;
}

static void assert_seen(const struct fixture *f, const uint64_t *expected, uint32_t count)
{
	assert_int_equal(f->seen_count, count);
	assert_memory_equal(f->seen, expected, count * sizeof(expected[0]));
}

static struct fixture *fixture_of(struct actor *actor)
{
	return (struct fixture *)((char *)actor - offsetof(struct fixture, actor));
}

static void see_actor(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	see(fixture_of(actor), time_ps + arg);
}

static void stop_actor(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	(void)time_ps;
	(void)arg;
	engine_stop(&fixture_of(actor)->engine);
}

static void hold_many(void *arg)
{
	struct fixture *f = arg;
	int i;

	for (i = 0; i < 1000; i++)
		proc_hold(this_proc, 7);
	see(f, this_proc->now_ps);
	engine_stop(&f->engine);
}

static void test_alone_never_switches(void **state)
{
	static const uint64_t expected[] = { 7020 };
	struct fixture *f = *state;

	assert_null(this_proc);
	assert_int_equal(engine_spawn(&f->engine, &f->proc[0], 20, hold_many, f), 0);
	assert_int_equal(engine_run(&f->engine), 0);
	assert_null(this_proc);
	assert_seen(f, expected, COUNT(expected));
	assert_int_equal(f->engine.dispatched, 1); /* its start */
}

static void approach_the_horizon(void *arg)
{
	struct fixture *f = arg;
	int i;

	engine_post(&f->engine, 500, &f->actor, 0);
	for (i = 0; i < 499; i++)
		proc_hold(this_proc, 1);
	f->dispatched_before = f->engine.dispatched;
	see(f, this_proc->now_ps);
	proc_hold(this_proc, 1); /* at 500 the event, queued earlier, goes first */
	f->dispatched_after = f->engine.dispatched;
	see(f, this_proc->now_ps + 1);
	engine_stop(&f->engine);
}

static void test_no_switch_below_the_horizon(void **state)
{
	static const uint64_t expected[] = { 499, 500, 501 };
	struct fixture *f = *state;

	f->actor.fn = see_actor;
	assert_int_equal(engine_spawn(&f->engine, &f->proc[0], 0, approach_the_horizon, f), 0);
	assert_int_equal(engine_run(&f->engine), 0);
	assert_seen(f, expected, COUNT(expected));
	assert_int_equal(f->dispatched_before, 1);
	assert_int_equal(f->dispatched_after, 3); /* the actor, and the process itself */
}

#define WALKERS 7
#define WALK_STEPS 400

/* Processes that hold for short random times, so that clocks often agree. */
struct walk {
	struct engine engine;
	struct walker {
		struct proc proc;
		struct walk *walk;
		struct rng rng;
		uint32_t number;
	} walker[WALKERS];
	uint64_t seed;
	uint64_t trace[WALKERS * WALK_STEPS];
	uint32_t count;
	int ret;
};

static void walk_body(void *arg)
{
	struct walker *w = arg;
	int i;

	for (i = 0; i < WALK_STEPS; i++) {
		w->walk->trace[w->walk->count++] = w->proc.now_ps * WALKERS + w->number;
		proc_hold(&w->proc, rng_below(&w->rng, 4));
	}
}

static void walk_run(struct walk *k)
{
	uint32_t i;

	k->count = 0;
	k->ret = engine_init(&k->engine);
	for (i = 0; !k->ret && i < WALKERS; i++) {
		k->walker[i] = (struct walker){ .walk = k, .number = i };
		rng_seed(&k->walker[i].rng, k->seed, i);
		k->ret = engine_spawn(&k->engine, &k->walker[i].proc, i % 3, walk_body, &k->walker[i]);
	}
	if (!k->ret)
		k->ret = engine_run(&k->engine);
	for (i = 0; i < WALKERS; i++)
		proc_destroy(&k->walker[i].proc);
	engine_destroy(&k->engine);
}

/* The reference queues every process after every step, behind all others of the same time. */
static void walk_reference(const struct walk *k, uint64_t *trace)
{
	uint64_t now[WALKERS], seq[WALKERS], next_seq = 0;
	struct rng rng[WALKERS];
	uint32_t left[WALKERS], i, count = 0;

	for (i = 0; i < WALKERS; i++) {
		now[i] = i % 3;
		seq[i] = next_seq++;
		left[i] = WALK_STEPS;
		rng_seed(&rng[i], k->seed, i);
	}
	while (count < WALKERS * WALK_STEPS) {
		uint32_t best = WALKERS;

		for (i = 0; i < WALKERS; i++)
			if (left[i] &&
			    (best == WALKERS || now[i] < now[best] || (now[i] == now[best] && seq[i] < seq[best])))
				best = i;
		trace[count++] = now[best] * WALKERS + best;
		now[best] += rng_below(&rng[best], 4);
		seq[best] = next_seq++;
		left[best]--;
	}
}

static void test_order_by_time_then_sequence(void **state)
{
	struct walk *k = calloc(1, sizeof(*k));
	uint64_t *expected = calloc(WALKERS * WALK_STEPS, sizeof(*expected));

	(void)state;
	assert_non_null(k);
	assert_non_null(expected);
	for (k->seed = 1; k->seed <= 20; k->seed++) {
		walk_run(k);
		assert_int_equal(k->ret, -EDEADLK); /* all are over, and nobody said stop */
		assert_int_equal(k->count, WALKERS * WALK_STEPS);
		walk_reference(k, expected);
		assert_memory_equal(k->trace, expected, sizeof(k->trace));
	}
	free(expected);
	free(k);
}

static void *walk_thread(void *arg)
{
	struct walk *k = arg;

	walk_run(k);
	return NULL;
}

/* this_proc is each thread's own. */
static void test_engines_in_two_threads(void **state)
{
	struct walk *k = calloc(3, sizeof(*k));
	pthread_t thread[2];
	int round, i;

	(void)state;
	assert_non_null(k);
	for (i = 0; i < 3; i++)
		k[i].seed = 77;
	walk_run(&k[2]);
	for (round = 0; round < 10; round++) {
		for (i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, walk_thread, &k[i]), 0);
		for (i = 0; i < 2; i++)
			assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_memory_equal(k[0].trace, k[2].trace, sizeof(k[0].trace));
		assert_memory_equal(k[1].trace, k[2].trace, sizeof(k[1].trace));
	}
	free(k);
}

static void sleep_four_times(void *arg)
{
	struct fixture *f = arg;
	int i;

	for (i = 0; i < 4; i++) {
		proc_sleep(this_proc);
		see(f, this_proc->now_ps);
	}
	engine_stop(&f->engine);
}

static void wake_often(void *arg)
{
	struct fixture *f = arg;
	struct proc *sleeper = &f->proc[0];

	proc_hold(this_proc, 10);
	proc_wake(sleeper, 100);
	proc_wake(sleeper, 50); /* counts */
	proc_wake(sleeper, 200);
	proc_hold(this_proc, 290); /* 100 and 200 pass and find the second sleep: too old for it */
	see(f, this_proc->now_ps);
	proc_wake(sleeper, 300);
	proc_wake(sleeper, 300);
	proc_hold(this_proc, 100);
	proc_wake(sleeper, 250); /* in the past: 250 is before the waker, but not before the sleeper */
	proc_hold(this_proc, 100);
	sleeper->now_ps = 5000;
	proc_wake(sleeper, 600); /* the sleeper's own clock is later */
	proc_sleep(this_proc);
}

static void test_wakeups(void **state)
{
	static const uint64_t expected[] = { 50, 300, 300, 300, 5000 };
	struct fixture *f = *state;

	assert_int_equal(engine_spawn(&f->engine, &f->proc[0], 0, sleep_four_times, f), 0);
	assert_int_equal(engine_spawn(&f->engine, &f->proc[1], 0, wake_often, f), 0);
	assert_int_equal(engine_run(&f->engine), 0);
	assert_seen(f, expected, COUNT(expected));
}

static void sleep_for_ever(void *arg)
{
	struct fixture *f = arg;

	proc_hold(this_proc, 5);
	see(f, this_proc->now_ps);
	for (;;) {
		proc_sleep(this_proc);
		see(f, this_proc->now_ps);
	}
}

static void test_deadlock_is_found_and_left_again(void **state)
{
	static const uint64_t first[] = { 5, 5 }, second[] = { 5, 5, 40 };
	struct fixture *f = *state;

	assert_int_equal(engine_spawn(&f->engine, &f->proc[0], 0, sleep_for_ever, f), 0);
	assert_int_equal(engine_spawn(&f->engine, &f->proc[1], 0, sleep_for_ever, f), 0);
	assert_int_equal(engine_run(&f->engine), -EDEADLK);
	assert_seen(f, first, COUNT(first));

	f->actor.fn = stop_actor;
	proc_wake(&f->proc[1], 40);
	engine_post(&f->engine, 41, &f->actor, 0);
	assert_int_equal(engine_run(&f->engine), 0);
	assert_seen(f, second, COUNT(second));
	assert_int_equal(engine_run(&f->engine), -EDEADLK);
}

static void run_out_of_memory(void *arg)
{
	struct fixture *f = arg;

	f->engine.error = -ENOMEM;
	engine_stop(&f->engine);
}

/* What runs next, to clean up, is not held to have failed too. */
static void test_error_is_told_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(engine_spawn(&f->engine, &f->proc[0], 0, run_out_of_memory, f), 0);
	assert_int_equal(engine_run(&f->engine), -ENOMEM);
	f->actor.fn = stop_actor;
	assert_int_equal(engine_spawn(&f->engine, &f->proc[1], 0, sleep_for_ever, f), 0);
	engine_post(&f->engine, 41, &f->actor, 0);
	assert_int_equal(engine_run(&f->engine), 0);
}

/* A wake-up that is too old does not hide a deadlock. */
static void wake_self_twice(void *arg)
{
	struct fixture *f = arg;

	proc_wake(this_proc, 10);
	proc_wake(this_proc, 20);
	proc_sleep(this_proc);
	see(f, this_proc->now_ps);
	proc_sleep(this_proc);
	see(f, this_proc->now_ps);
}

static void test_stale_wakeup_wakes_nobody(void **state)
{
	static const uint64_t expected[] = { 10 };
	struct fixture *f = *state;

	assert_int_equal(engine_spawn(&f->engine, &f->proc[0], 0, wake_self_twice, f), 0);
	assert_int_equal(engine_run(&f->engine), -EDEADLK);
	assert_seen(f, expected, COUNT(expected));
}

static void tick(void *arg)
{
	struct fixture *f = arg;

	for (;;) {
		proc_hold(this_proc, 10);
		see(f, this_proc->now_ps);
	}
}

static void test_stop_and_continue(void **state)
{
	static const uint64_t first[] = { 10, 20 }, second[] = { 10, 20, 30, 40, 50 };
	struct fixture *f = *state;

	f->actor.fn = stop_actor;
	assert_int_equal(engine_spawn(&f->engine, &f->proc[0], 0, tick, f), 0);
	engine_post(&f->engine, 25, &f->actor, 0);
	engine_post(&f->engine, 55, &f->actor, 0);
	assert_int_equal(engine_run(&f->engine), 0);
	assert_seen(f, first, COUNT(first));
	assert_int_equal(engine_run(&f->engine), 0);
	assert_seen(f, second, COUNT(second));
}

static void stop_at_once(void *arg)
{
	struct fixture *f = arg;

	see(f, this_proc->now_ps);
	engine_stop(&f->engine);
}

/* The body that says stop is the last to run. */
static void test_stop_by_a_body(void **state)
{
	static const uint64_t first[] = { 3 }, second[] = { 3, 4, 5 };
	struct fixture *f = *state;

	assert_int_equal(engine_spawn(&f->engine, &f->proc[0], 3, stop_at_once, f), 0);
	assert_int_equal(engine_spawn(&f->engine, &f->proc[1], 4, stop_at_once, f), 0);
	assert_int_equal(engine_spawn(&f->engine, &f->proc[2], 5, stop_at_once, f), 0);
	assert_int_equal(engine_run(&f->engine), 0);
	assert_seen(f, first, COUNT(first));
	assert_int_equal(engine_run(&f->engine), 0);
	assert_int_equal(engine_run(&f->engine), 0);
	assert_seen(f, second, COUNT(second));
	assert_int_equal(engine_run(&f->engine), -EDEADLK);
}

static void stop_and_go_on(void *arg)
{
	struct fixture *f = arg;

	for (;;) {
		proc_hold(this_proc, 10);
		see(f, this_proc->now_ps);
		if (this_proc->now_ps == 20)
			engine_stop(&f->engine);
	}
}

/* A body need not end to stop the engine: no event comes after it, and the next run goes on from there. */
static void test_stop_by_a_process_that_goes_on(void **state)
{
	static const uint64_t first[] = { 10, 15, 20 }, second[] = { 10, 15, 20, 25, 30 };
	struct fixture *f = *state;

	assert_int_equal(engine_spawn(&f->engine, &f->proc[0], 0, stop_and_go_on, f), 0);
	assert_int_equal(engine_spawn(&f->engine, &f->proc[1], 5, tick, f), 0);
	assert_int_equal(engine_run(&f->engine), 0);
	assert_seen(f, first, COUNT(first));
	f->actor.fn = stop_actor;
	engine_post(&f->engine, 31, &f->actor, 0);
	assert_int_equal(engine_run(&f->engine), 0);
	assert_seen(f, second, COUNT(second));
}

/* What was queued for a process in its first life does not start its second. */
static void test_second_life(void **state)
{
	static const uint64_t expected[] = { 5, 60, 100 };
	struct fixture *f = *state;

	f->actor.fn = stop_actor;
	assert_int_equal(engine_spawn(&f->engine, &f->proc[0], 0, sleep_for_ever, f), 0);
	engine_post(&f->engine, 8, &f->actor, 0);
	assert_int_equal(engine_run(&f->engine), 0);
	proc_wake(&f->proc[0], 50);
	proc_wake(&f->proc[0], 200);

	proc_destroy(&f->proc[0]);
	f->actor.fn = see_actor;
	engine_post(&f->engine, 60, &f->actor, 0);
	assert_int_equal(engine_spawn(&f->engine, &f->proc[0], 100, stop_at_once, f), 0);
	assert_int_equal(engine_run(&f->engine), 0);
	assert_seen(f, expected, COUNT(expected));
	assert_int_equal(engine_run(&f->engine), -EDEADLK);
	assert_int_equal(f->seen_count, COUNT(expected));
}

static void test_empty_engine(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(engine_run(&f->engine), -EDEADLK);
	f->actor.fn = see_actor;
	engine_post(&f->engine, 9, &f->actor, 1);
	assert_int_equal(engine_run(&f->engine), -EDEADLK);
	assert_int_equal(f->seen_count, 1);
	assert_int_equal(f->seen[0], 10);
	assert_int_equal(f->engine.dispatched, 1);
}

#define MM1_SERVICE_PS 1000000
#define MM1_INTERARRIVAL_PS 1111111 /* load 0.9 */
#define MM1_CUSTOMERS 2000000

struct mm1 {
	struct engine engine;
	struct proc source, server;
	struct rng arrivals, services;
	uint64_t in_system, changed_ps;
	uint64_t served;
	bool idle;
	uint64_t idle_since_ps, idle_ps;
	rng_u128 area; /* customers times ps */
};

static void mm1_change(struct mm1 *q, int by)
{
	uint64_t now = this_proc->now_ps;

	q->area += (rng_u128)q->in_system * (now - q->changed_ps);
	q->changed_ps = now;
	q->in_system += (uint64_t)(int64_t)by;
}

static void mm1_source(void *arg)
{
	struct mm1 *q = arg;

	for (;;) {
		proc_hold(this_proc, rng_exponential_ps(&q->arrivals, MM1_INTERARRIVAL_PS));
		mm1_change(q, 1);
		if (q->idle)
			proc_wake(&q->server, this_proc->now_ps);
		q->idle = false;
	}
}

static void mm1_server(void *arg)
{
	struct mm1 *q = arg;

	while (q->served < MM1_CUSTOMERS) {
		if (!q->in_system) {
			uint64_t since = this_proc->now_ps;

			q->idle = true;
			proc_sleep(this_proc);
			q->idle_ps += this_proc->now_ps - since;
		}
		proc_hold(this_proc, rng_exponential_ps(&q->services, MM1_SERVICE_PS));
		mm1_change(q, -1);
		q->served++;
	}
	engine_stop(&q->engine);
}

/*
 * Theory: 9 customers on average, idle 10 % of the time. The mean's standard error over two million services is
 * sqrt(2 rho (1 + rho) / (1 - rho)^4 / 2.2e6) = 0.125: the bounds are four of them.
 */
static void test_mm1_queue(void **state)
{
	struct mm1 *q = calloc(1, sizeof(*q));
	uint64_t end_ps, mean_milli, idle_permille;

	(void)state;
	assert_non_null(q);
	assert_int_equal(engine_init(&q->engine), 0);
	rng_seed(&q->arrivals, 1, 0);
	rng_seed(&q->services, 1, 1);
	assert_int_equal(engine_spawn(&q->engine, &q->source, 0, mm1_source, q), 0);
	assert_int_equal(engine_spawn(&q->engine, &q->server, 0, mm1_server, q), 0);
	assert_int_equal(engine_run(&q->engine), 0);
	end_ps = q->server.now_ps;
	mean_milli = (uint64_t)(q->area * 1000 / end_ps);
	idle_permille = q->idle_ps * 1000 / end_ps;
	assert_in_range(mean_milli, 8500, 9500);
	assert_in_range(idle_permille, 97, 103);
	assert_in_range(end_ps / MM1_CUSTOMERS, MM1_INTERARRIVAL_PS / 1000 * 995,
			MM1_INTERARRIVAL_PS / 1000 * 1005);
	proc_destroy(&q->source);
	proc_destroy(&q->server);
	engine_destroy(&q->engine);
	free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_alone_never_switches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_switch_below_the_horizon, setup, teardown),
		cmocka_unit_test(test_order_by_time_then_sequence),
		cmocka_unit_test(test_engines_in_two_threads),
		cmocka_unit_test_setup_teardown(test_wakeups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadlock_is_found_and_left_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_wakeup_wakes_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_and_continue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_by_a_body, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_by_a_process_that_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_engine, setup, teardown),
		cmocka_unit_test(test_mm1_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
