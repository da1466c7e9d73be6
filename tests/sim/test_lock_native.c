/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_lock_native.c - the four spinlocks on real CPUs
 *
 * What they protect is plain memory: under ThreadSanitizer that is a data race unless every release of the lock
 * comes before the acquisition that follows it.
 *
 * Nobody who spins gives way. Where threads share a CPU, one that waits for another on the same CPU, or for the
 * turn of one, spends whole time slices: all runs end after a while, however far they have come.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "platform.h"
#include "tests/native_test.h"

#define MS 1000000000ULL
#define MAX_CPUS 4

OBJ_TYPE_PLAIN(test_locks, "test_locks");

static const enum lock_kind kinds[] = { LOCK_QSPINLOCK, LOCK_TICKET, LOCK_TAS, LOCK_MCS };

/* A lock and what it protects, on lines of their own. */
struct guarded {
	spinlock_t lock __cacheline_aligned;
	uint64_t counter __cacheline_aligned;
	uint32_t inside;
	uint64_t mirror __cacheline_aligned;
};

struct fixture {
	struct native *m;
	struct guarded *g; /* two of them */
	uint64_t limit;	   /* turns of a CPU */
	uint64_t limit_ps; /* of a run */
	uint64_t turns[MAX_CPUS];
	uint32_t started;
};

static void init_body(void *arg)
{
	struct fixture *f = arg;

	f->g = shared_alloc(&test_locks_type, 2 * sizeof(*f->g));
	spin_lock_init(&f->g[0].lock, "outer");
	spin_lock_init(&f->g[1].lock, "inner");
}

static void fixture_create(struct fixture *f, uint32_t cpus, enum lock_kind kind, bool lock_stat)
{
	struct sim_params params = native_test_params();

	*f = (struct fixture){ .limit = 10000, .limit_ps = 60 * MS };
	params.lock = kind;
	f->m = native_test_create(cpus, &params, lock_stat);
	native_test_call(f->m, 0, init_body, f);
}

/* The lock is held: plain accesses, in more than one place. */
static void count_inside(struct guarded *g)
{
	native_check(g->inside++ == 0);
	native_check(g->mirror == g->counter);
	g->counter++;
	g->mirror = g->counter;
	native_check(g->inside-- == 1);
}

static bool goes_on(const struct fixture *f, uint64_t turn, uint64_t start_ps)
{
	return turn < f->limit && (!turn || cpu_clock_ps() - start_ps < f->limit_ps);
}

static void plain_body(void *arg, uint32_t cpu)
{
	struct fixture *f = arg;
	uint64_t turn, start = cpu_clock_ps();

	for (turn = 0; goes_on(f, turn, start); turn++) {
		spin_lock(&f->g->lock);
		count_inside(f->g);
		spin_unlock(&f->g->lock);
	}
	f->turns[cpu] = turn;
}

static void check_counts(struct fixture *f, uint64_t per_turn)
{
	uint64_t turns = 0;
	uint32_t cpu;

	for (cpu = 0; cpu < f->m->cpu_count; cpu++) {
		assert_true(f->turns[cpu] > 0);
		turns += f->turns[cpu];
	}
	assert_int_equal(f->g[0].counter, turns * per_turn);
	assert_int_equal(f->g[0].mirror, turns * per_turn);
	assert_int_equal(f->g[0].inside, 0);
	/* Free, and no CPU keeps a queue node. */
	for (cpu = 0; cpu < f->m->cpu_count; cpu++)
		assert_int_equal(f->m->mcs_nodes[cpu].node[0].count, 0);
	if (f->m->params.lock != LOCK_TICKET)
		assert_int_equal(f->g[0].lock.val, 0);
	else
		assert_int_equal(f->g[0].lock.ticket.owner, f->g[0].lock.ticket.next);
}

static uint64_t contended(const struct native *m)
{
	uint64_t sum = 0;
	uint32_t cpu;

	for (cpu = 0; cpu < m->cpu_count; cpu++)
		sum += m->cpus[cpu].lock_contended;
	return sum;
}

/* Returns how often somebody had to wait; 1 where there is only one CPU to run on. */
static uint64_t run_one_at_a_time(enum lock_kind kind, uint32_t cpus)
{
	struct fixture f;
	uint64_t waits;

	fixture_create(&f, cpus, kind, false);
	native_test_run(f.m, plain_body, &f);
	check_counts(&f, 1);
	waits = contended(f.m);
	if (cpus > 1 && f.m->topology->pu_count == 1)
		waits = 1;
	native_test_destroy(f.m);
	return waits;
}

/* Where other work has this machine's CPUs too, the threads may run one after the other: that would be no test. */
static void one_at_a_time(void **state)
{
	uint32_t k, cpus, attempt;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		uint64_t waits = 0;

		assert_int_equal(run_one_at_a_time(kinds[k], 1), 0);
		for (attempt = 0; attempt < 50 && !waits; attempt++)
			for (cpus = 2; cpus <= MAX_CPUS; cpus++)
				waits += run_one_at_a_time(kinds[k], cpus);
		assert_true(waits > 0);
	}
}

/* As the hot path nests them: a lock with interrupts off, and another one inside. */
static void nested_body(void *arg, uint32_t cpu)
{
	struct fixture *f = arg;
	uint64_t turn, start = cpu_clock_ps();

	for (turn = 0; goes_on(f, turn, start); turn++) {
		unsigned long flags = spin_lock_irqsave(&f->g[0].lock);

		native_check(this_cpu()->irq_depth == 1);
		count_inside(&f->g[0]);
		spin_lock(&f->g[1].lock);
		count_inside(&f->g[1]);
		spin_unlock(&f->g[1].lock);
		count_inside(&f->g[0]);
		spin_unlock_irqrestore(&f->g[0].lock, flags);
		native_check(this_cpu()->irq_depth == 0);
		/* Some take the inner one alone. */
		if ((turn + cpu) % 3 == 0) {
			spin_lock(&f->g[1].lock);
			count_inside(&f->g[1]);
			spin_unlock(&f->g[1].lock);
		}
	}
	f->turns[cpu] = turn;
}

static void nested(void **state)
{
	uint32_t k;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct fixture f;

		fixture_create(&f, 3, kinds[k], true);
		native_test_run(f.m, nested_body, &f);
		check_counts(&f, 2);
		assert_true(f.g[1].counter > f.turns[0] + f.turns[1] + f.turns[2]);
		assert_int_equal(f.g[1].mirror, f.g[1].counter);
		native_test_destroy(f.m);
	}
}

/* Dropped and taken again while others want it, as qi_submit_sync() does, with no pause in between. */
static void retake_body(void *arg, uint32_t cpu)
{
	struct fixture *f = arg;
	uint64_t turn, start = cpu_clock_ps();
	uint32_t i;

	for (turn = 0; goes_on(f, turn, start); turn++) {
		spin_lock(&f->g->lock);
		for (i = 0; i < 3; i++) {
			count_inside(f->g);
			spin_unlock(&f->g->lock);
			spin_lock(&f->g->lock);
		}
		count_inside(f->g);
		spin_unlock(&f->g->lock);
	}
	f->turns[cpu] = turn;
}

static void dropped_and_taken_again(void **state)
{
	uint32_t k;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct fixture f;

		fixture_create(&f, 2, kinds[k], false);
		native_test_run(f.m, retake_body, &f);
		check_counts(&f, 4);
		native_test_destroy(f.m);
	}
}

static void *run_machine(void *arg)
{
	struct fixture *f = arg;

	return native_run(f->m, plain_body, f) ? f : NULL;
}

/* Two machines with different locks at the same time: the choice is the machine's. */
static void two_machines_with_different_locks(void **state)
{
	struct fixture f[2];
	pthread_t thread;
	void *failed;
	int i;

	(void)state;
	fixture_create(&f[0], 2, LOCK_TICKET, false);
	fixture_create(&f[1], 2, LOCK_MCS, false);
	assert_int_equal(pthread_create(&thread, NULL, run_machine, &f[0]), 0);
	native_test_run(f[1].m, plain_body, &f[1]);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	for (i = 0; i < 2; i++) {
		check_counts(&f[i], 1);
		native_test_destroy(f[i].m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(nested),
		cmocka_unit_test(dropped_and_taken_again),
		cmocka_unit_test(two_machines_with_different_locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
