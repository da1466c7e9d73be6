/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_native_lock_stat.c - lock statistics on real CPUs: counts exact, times no shorter than what was waited
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/exec/native_lock_stat.h"
#include "tests/native_test.h"

#define MS 1000000000ULL
#define LOCKS_MAX 4096 /* as the implementation has it */

OBJ_TYPE_PLAIN(test_locks, "test_locks");

static const enum lock_kind kinds[] = { LOCK_QSPINLOCK, LOCK_TICKET, LOCK_TAS, LOCK_MCS };

struct fixture {
	struct native *m;
	spinlock_t *lock;
	uint32_t locks;
	uint32_t held, asks;
	uint64_t turns[2];
};

static struct native *create(uint32_t cpus, enum lock_kind kind, bool lock_stat)
{
	struct sim_params params = native_test_params();

	params.lock = kind;
	return native_test_create(cpus, &params, lock_stat);
}

static void init_locks(void *arg)
{
	static const char *const names[] = { "first", "second", "first", "third", "first" };
	struct fixture *f = arg;
	uint32_t i;

	f->lock = shared_alloc(&test_locks_type, 5 * sizeof(*f->lock));
	for (i = 0; i < 5; i++)
		spin_lock_init(&f->lock[i], names[i]);
}

static struct native_lock_stat stat_of(const struct native *m, const char *name, uint32_t instance)
{
	struct native_lock_stat s = { 0 };
	uint32_t i, found = 0;

	for (i = 0; i < native_lock_stat_count(m); i++) {
		struct native_lock_stat candidate = native_lock_stat_get(m, i);

		if (strcmp(candidate.name, name) || candidate.instance != instance)
			continue;
		s = candidate;
		found++;
	}
	if (found != 1)
		fail_msg("%u locks are %s %u", found, name, instance);
	return s;
}

/* Alone on the machine. */
static void hold_body(void *arg)
{
	struct fixture *f = arg;
	unsigned long flags;
	uint32_t i;

	init_locks(f);
	for (i = 0; i < 1000; i++) {
		spin_lock(&f->lock[0]);
		spin_unlock(&f->lock[0]);
	}
	flags = spin_lock_irqsave(&f->lock[1]);
	cpu_spend(3 * MS);
	spin_lock(&f->lock[2]);
	cpu_spend(2 * MS);
	spin_unlock(&f->lock[2]);
	spin_unlock_irqrestore(&f->lock[1], flags);
	spin_lock(&f->lock[1]);
	spin_unlock(&f->lock[1]);
}

static void check_stat(const struct native_lock_stat *s, uint64_t acquisitions, uint64_t hold_ps)
{
	assert_int_equal(s->acquisitions, acquisitions);
	assert_int_equal(s->contended, 0);
	assert_int_equal(s->wait_total_ps, 0);
	assert_int_equal(s->wait_max_ps, 0);
	assert_true(s->hold_max_ps >= hold_ps);
	assert_true(s->hold_total_ps >= s->hold_max_ps);
}

static void counts_and_holds(void **state)
{
	struct native_lock_stat s;
	uint32_t k;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct fixture f = { .m = create(1, kinds[k], true) };

		native_test_call(f.m, 0, hold_body, &f);
		assert_int_equal(native_lock_stat_count(f.m), 5);
		s = stat_of(f.m, "first", 0);
		check_stat(&s, 1000, 0);
		s = stat_of(f.m, "second", 0);
		check_stat(&s, 2, 5 * MS);
		/* The short one adds to the total and leaves the longest as it is. */
		assert_true(s.hold_total_ps > s.hold_max_ps);
		s = stat_of(f.m, "first", 1);
		check_stat(&s, 1, 2 * MS);
		assert_int_equal(s.hold_total_ps, s.hold_max_ps);
		s = stat_of(f.m, "third", 0);
		check_stat(&s, 0, 0);
		assert_int_equal(s.hold_total_ps, 0);
		s = stat_of(f.m, "first", 2);
		check_stat(&s, 0, 0);
		assert_int_equal(f.m->cpus[0].lock_acquisitions, 1003);
		assert_int_equal(f.m->cpus[0].lock_contended, 0);
		native_test_destroy(f.m);
	}
}

/* CPU 0 holds the lock until CPU 1 has asked for it, and for a while after that. */
static void contend_body(void *arg, uint32_t cpu)
{
	struct fixture *f = arg;

	if (!cpu) {
		spin_lock(&f->lock[0]);
		__atomic_store_n(&f->held, 1, __ATOMIC_RELEASE);
		native_wait_until(&f->asks, 1);
		cpu_spend(20 * MS);
		spin_unlock(&f->lock[0]);
	} else {
		native_wait_until(&f->held, 1);
		__atomic_store_n(&f->asks, 1, __ATOMIC_RELEASE);
		spin_lock(&f->lock[0]);
		spin_unlock(&f->lock[0]);
	}
}

/*
 * Where other work has this machine's CPUs too, or both threads are on one, the second may come when the first is
 * done: once in a while it has to find the lock taken.
 */
static void waits(void **state)
{
	struct native_lock_stat s;
	uint32_t k, turn;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct fixture f = { .m = create(2, kinds[k], true) };

		native_test_call(f.m, 0, init_locks, &f);
		for (turn = 0; turn < 50; turn++) {
			f.held = f.asks = 0;
			native_test_run(f.m, contend_body, &f);
			s = stat_of(f.m, "first", 0);
			assert_int_equal(s.acquisitions, 2 * (turn + 1));
			if (s.contended)
				break;
			assert_int_equal(s.wait_total_ps, 0);
		}
		assert_int_equal(s.contended, 1);
		assert_int_equal(s.wait_max_ps, s.wait_total_ps);
		/* It may have been late, but not by all of the time, unless it was not scheduled at all. */
		assert_true(s.wait_max_ps > 0);
		assert_true(s.hold_max_ps >= 20 * MS);
		assert_true(s.hold_total_ps >= (turn + 1) * 20 * MS);
		assert_int_equal(f.m->cpus[0].lock_contended + f.m->cpus[1].lock_contended, 1);
		native_test_destroy(f.m);
	}
}

static void reset_body(void *arg)
{
	struct fixture *f = arg;

	native_lock_stat_reset(f->m, smp_processor_id());
}

static void lock_once(void *arg)
{
	struct fixture *f = arg;

	spin_lock(&f->lock[0]);
	spin_unlock(&f->lock[0]);
}

static void sums_over_cpus_and_forgets(void **state)
{
	struct fixture f = { .m = create(3, LOCK_QSPINLOCK, true) };
	struct native_lock_stat s;
	uint32_t cpu;

	(void)state;
	native_test_call(f.m, 0, init_locks, &f);
	for (cpu = 0; cpu < 3; cpu++)
		native_test_call(f.m, cpu, lock_once, &f);
	s = stat_of(f.m, "first", 0);
	assert_int_equal(s.acquisitions, 3);
	assert_true(s.hold_total_ps > s.hold_max_ps);
	native_test_call(f.m, 1, reset_body, &f);
	assert_int_equal(stat_of(f.m, "first", 0).acquisitions, 2);
	native_test_call(f.m, 0, reset_body, &f);
	native_test_call(f.m, 2, reset_body, &f);
	s = stat_of(f.m, "first", 0);
	check_stat(&s, 0, 0);
	assert_int_equal(s.hold_total_ps, 0);
	native_test_call(f.m, 2, lock_once, &f);
	s = stat_of(f.m, "first", 0);
	check_stat(&s, 1, 0);
	native_test_destroy(f.m);
}

/* Taken in one order and released in another, as qspinlocks may be. */
static void crossed_body(void *arg)
{
	struct fixture *f = arg;

	init_locks(f);
	spin_lock(&f->lock[0]);
	cpu_spend(2 * MS);
	spin_lock(&f->lock[1]);
	cpu_spend(2 * MS);
	spin_lock(&f->lock[3]);
	spin_unlock(&f->lock[0]);
	cpu_spend(2 * MS);
	spin_unlock(&f->lock[1]);
	spin_unlock(&f->lock[3]);
}

static void crossed_holds(void **state)
{
	struct fixture f = { .m = create(1, LOCK_QSPINLOCK, true) };
	struct native_lock_stat s;

	(void)state;
	native_test_call(f.m, 0, crossed_body, &f);
	s = stat_of(f.m, "first", 0);
	check_stat(&s, 1, 4 * MS);
	s = stat_of(f.m, "second", 0);
	check_stat(&s, 1, 4 * MS);
	s = stat_of(f.m, "third", 0);
	check_stat(&s, 1, 2 * MS);
	native_test_destroy(f.m);
}

static void reuse_body(void *arg)
{
	struct fixture *f = arg;

	init_locks(f);
	lock_once(f);
	spin_lock_init(&f->lock[0], "first"); /* the next object of its kind, in the same place */
	lock_once(f);
	spin_lock_init(&f->lock[2], "other");
	spin_lock_init(&f->lock[3], "first");
}

/* Memory that comes back for an object of the same kind is the same lock; for another, a new one of its name. */
static void memory_that_is_used_again(void **state)
{
	struct fixture f = { .m = create(1, LOCK_QSPINLOCK, true) };
	uint32_t i, k;

	(void)state;
	native_test_call(f.m, 0, reuse_body, &f);
	assert_int_equal(native_lock_stat_count(f.m), 5);
	assert_int_equal(stat_of(f.m, "first", 0).acquisitions, 2);
	assert_int_equal(stat_of(f.m, "other", 0).acquisitions, 0);
	assert_int_equal(stat_of(f.m, "second", 0).acquisitions, 0);
	/* No two are called the same. */
	for (i = 0; i < 5; i++) {
		for (k = 0; k < i; k++) {
			struct native_lock_stat a = native_lock_stat_get(f.m, i), b = native_lock_stat_get(f.m, k);

			assert_true(strcmp(a.name, b.name) || a.instance != b.instance);
		}
	}
	native_test_destroy(f.m);
}

static void many_body(void *arg)
{
	struct fixture *f = arg;
	uint32_t i;

	f->lock = shared_alloc(&test_locks_type, f->locks * sizeof(*f->lock));
	for (i = 0; i < f->locks; i++)
		spin_lock_init(&f->lock[i], i % 2 ? "odd" : "even");
	for (i = 0; i < f->locks; i++) {
		spin_lock(&f->lock[i]);
		spin_unlock(&f->lock[i]);
	}
}

/* What is beyond the table works, and is not counted. */
static void more_locks_than_the_table_holds(void **state)
{
	struct fixture f = { .m = create(1, LOCK_QSPINLOCK, true), .locks = LOCKS_MAX + 100 };
	uint32_t i;

	(void)state;
	native_test_call(f.m, 0, many_body, &f);
	assert_int_equal(native_lock_stat_count(f.m), LOCKS_MAX);
	for (i = 0; i < LOCKS_MAX; i++) {
		struct native_lock_stat s = native_lock_stat_get(f.m, i);

		assert_int_equal(s.acquisitions, 1);
		assert_string_equal(s.name, i % 2 ? "odd" : "even");
		assert_int_equal(s.instance, i / 2);
	}
	assert_int_equal(f.m->cpus[0].lock_acquisitions, f.locks);
	native_test_destroy(f.m);
}

/* Both CPUs make locks and use them. */
static void register_body(void *arg, uint32_t cpu)
{
	struct fixture *f = arg;
	uint32_t i, first = cpu * 500;

	for (i = first; i < first + 500; i++) {
		spin_lock_init(&f->lock[i], cpu ? "one" : "zero");
		spin_lock(&f->lock[i]);
		spin_unlock(&f->lock[i]);
		f->turns[cpu]++;
	}
}

static void alloc_body(void *arg)
{
	struct fixture *f = arg;

	f->lock = shared_alloc(&test_locks_type, 1000 * sizeof(*f->lock));
}

static void cpus_register_locks_at_the_same_time(void **state)
{
	struct fixture f = { .m = create(2, LOCK_QSPINLOCK, true) };
	uint32_t i;

	(void)state;
	native_test_call(f.m, 0, alloc_body, &f);
	native_test_run(f.m, register_body, &f);
	assert_int_equal(native_lock_stat_count(f.m), 1000);
	for (i = 0; i < 500; i++) {
		assert_int_equal(stat_of(f.m, "zero", i).acquisitions, 1);
		assert_int_equal(stat_of(f.m, "one", i).acquisitions, 1);
	}
	native_test_destroy(f.m);
}

static void nobody_asked_for_times(void **state)
{
	struct fixture f = { .m = create(1, LOCK_MCS, false) };

	(void)state;
	native_test_call(f.m, 0, hold_body, &f);
	assert_int_equal(native_lock_stat_count(f.m), 0);
	assert_int_equal(f.m->cpus[0].lock_acquisitions, 1003);
	native_test_call(f.m, 0, reset_body, &f);
	native_test_destroy(f.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_and_holds),
		cmocka_unit_test(waits),
		cmocka_unit_test(sums_over_cpus_and_forgets),
		cmocka_unit_test(crossed_holds),
		cmocka_unit_test(memory_that_is_used_again),
		cmocka_unit_test(more_locks_than_the_table_holds),
		cmocka_unit_test(cpus_register_locks_at_the_same_time),
		cmocka_unit_test(nobody_asked_for_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
