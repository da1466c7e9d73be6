/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_rcu.c - RCU on simulated CPUs: freed when the last section that could have seen it is over, and not before
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "platform.h"
#include "tests/sim_test.h"

#define US 1000000ULL

OBJ_TYPE_PLAIN(test_rcu_object, "test_rcu_object");

struct object {
	struct rcu_head rcu; /* must be first */
	uint64_t value;
};

/* A read-side section, and what it looks at at its start and at its end. */
struct reader {
	struct fixture *f;
	uint64_t begin_ps, end_ps;
	bool nested;
	struct object *seen;
};

/* Replaces what is published and frees the old one. */
struct writer {
	struct fixture *f;
	uint64_t at_ps;
};

struct fixture {
	struct sim *s;
	struct object **published; /* in shared memory */
	uint64_t next_value;
	uint64_t live_objects; /* with nothing left to free */
	struct reader readers[4];
	struct writer writers[4];
};

static void proc_until(uint64_t time_ps)
{
	struct proc *p = &this_vcpu()->proc;

	if (p->now_ps < time_ps)
		proc_hold(p, time_ps - p->now_ps);
	proc_sync(p);
}

/* Objects that wait to be freed. */
static uint64_t waiting(const struct fixture *f)
{
	return f->s->region.live_objects - f->live_objects;
}

static struct object *object_new(struct fixture *f)
{
	struct object *o = shared_alloc(&test_rcu_object_type, sizeof(*o));

	assert_non_null(o);
	o->value = ++f->next_value;
	return o;
}

static void publish_first(void *arg)
{
	struct fixture *f = arg;

	f->published = shared_alloc(&test_rcu_object_type, sizeof(*f->published));
	assert_non_null(f->published);
	rcu_assign_pointer(*f->published, object_new(f));
	f->live_objects = f->s->region.live_objects;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *s;
	int i;

	assert_non_null(f);
	sim_test_setup(&s);
	f->s = s;
	run_on_cpu(0, publish_first, f);
	for (i = 0; i < 4; i++) {
		f->readers[i].f = f;
		f->writers[i].f = f;
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *s = f->s;

	sim_test_teardown(&s);
	free(f);
	return 0;
}

static void replace(struct fixture *f)
{
	struct object *old = *f->published, *new = object_new(f);

	rcu_assign_pointer(*f->published, new);
	shared_free_rcu(&old->rcu);
}

static void read_body(void *arg)
{
	struct reader *r = arg;
	uint64_t value;

	proc_until(r->begin_ps);
	rcu_read_lock();
	r->seen = rcu_dereference(*r->f->published);
	value = READ_ONCE(r->seen->value);
	if (r->nested) {
		/* An inner section that is over does not end the outer one. */
		rcu_read_lock();
		rcu_read_unlock();
	}
	proc_until(r->end_ps);
	/* Freed memory would have been handed out again by the writers. */
	assert_int_equal(READ_ONCE(r->seen->value), value);
	rcu_read_unlock();
}

static void write_body(void *arg)
{
	struct writer *w = arg;

	proc_until(w->at_ps);
	replace(w->f);
	/* A part of what is freed comes back at once, with another value. */
	shared_free(object_new(w->f));
}

struct look {
	struct fixture *f;
	uint64_t at_ps;
	uint64_t expected;
};

static void look_body(void *arg)
{
	const struct look *l = arg;

	for (; l->f; l++) {
		proc_until(l->at_ps);
		if (waiting(l->f) != l->expected)
			fail_msg("%llu us: %llu objects wait, not %llu", (unsigned long long)(l->at_ps / US),
				 (unsigned long long)waiting(l->f), (unsigned long long)l->expected);
	}
}

/* All at the same time; the engine ends when nobody has anything to do any more. */
static void run(struct fixture *f, int readers, int writers, struct look *looks)
{
	uint32_t cpu = 0;
	int i;

	for (i = 0; i < readers; i++)
		assert_int_equal(sim_start_cpu(f->s, cpu++, read_body, &f->readers[i]), 0);
	for (i = 0; i < writers; i++)
		assert_int_equal(sim_start_cpu(f->s, cpu++, write_body, &f->writers[i]), 0);
	if (looks->f)
		assert_int_equal(sim_start_cpu(f->s, cpu, look_body, looks), 0);
	assert_true(cpu < TEST_CPUS);
	engine_run(&f->s->engine);
}

static void free_body(void *arg)
{
	struct fixture *f = arg;

	replace(f);
	assert_int_equal(waiting(f), 0);
	shared_free_rcu(NULL);
	/* In its own section nobody is spared. */
	rcu_read_lock();
	replace(f);
	assert_int_equal(waiting(f), 1);
	rcu_read_lock();
	rcu_read_unlock();
	assert_int_equal(waiting(f), 1);
	/* The inner one does not count from its own beginning. */
	replace(f);
	assert_int_equal(waiting(f), 2);
	rcu_read_unlock();
	assert_int_equal(waiting(f), 0);
}

static void at_once_without_readers(void **state)
{
	run_on_cpu(3, free_body, *state);
}

static void waits_for_the_section_that_saw_it(void **state)
{
	struct fixture *f = *state;
	struct look looks[] = { { f, 15 * US, 0 }, { f, 25 * US, 1 }, { f, 45 * US, 1 }, { f, 55 * US, 0 }, { 0 } };

	f->readers[0].begin_ps = 10 * US;
	f->readers[0].end_ps = 50 * US;
	f->readers[0].nested = true;
	f->writers[0].at_ps = 20 * US;
	run(f, 1, 1, looks);
	assert_ptr_not_equal(f->readers[0].seen, *f->published);
}

/* Two readers of the old one, one of whom came first and leaves last. */
static void waits_for_the_last_of_them(void **state)
{
	struct fixture *f = *state;
	struct look looks[] = { { f, 35 * US, 1 }, { f, 45 * US, 1 }, { f, 75 * US, 1 }, { f, 85 * US, 0 }, { 0 } };

	f->readers[0].begin_ps = 10 * US;
	f->readers[0].end_ps = 80 * US;
	f->readers[1].begin_ps = 20 * US;
	f->readers[1].end_ps = 40 * US;
	f->writers[0].at_ps = 30 * US;
	run(f, 2, 1, looks);
}

/* A section that begins after the object has gone sees the new one, and what is old does not wait for it. */
static void does_not_wait_for_those_who_come_later(void **state)
{
	struct fixture *f = *state;
	struct look looks[] = { { f, 25 * US, 1 }, { f, 45 * US, 0 }, { f, 85 * US, 0 }, { 0 } };

	f->readers[0].begin_ps = 10 * US;
	f->readers[0].end_ps = 40 * US;
	f->readers[1].begin_ps = 30 * US;
	f->readers[1].end_ps = 90 * US;
	f->writers[0].at_ps = 20 * US;
	run(f, 2, 1, looks);
	assert_ptr_not_equal(f->readers[0].seen, f->readers[1].seen);
	assert_ptr_equal(f->readers[1].seen, *f->published);
}

/* Each generation is freed when its own readers are gone, whatever the order. */
static void generations(void **state)
{
	struct fixture *f = *state;
	struct look looks[] = { { f, 25 * US, 1 }, { f, 45 * US, 2 }, { f, 65 * US, 2 },
				{ f, 75 * US, 2 }, { f, 95 * US, 0 }, { 0 } };

	/* The first one has the oldest in sight until the end, and so nothing newer is freed before it either. */
	f->readers[0].begin_ps = 10 * US;
	f->readers[0].end_ps = 90 * US;
	f->writers[0].at_ps = 20 * US;
	f->readers[1].begin_ps = 30 * US;
	f->readers[1].end_ps = 70 * US;
	f->writers[1].at_ps = 40 * US;
	run(f, 2, 2, looks);
}

static void the_oldest_leaves_first(void **state)
{
	struct fixture *f = *state;
	struct look looks[] = { { f, 25 * US, 1 }, { f, 45 * US, 2 }, { f, 65 * US, 1 },
				{ f, 85 * US, 1 }, { f, 95 * US, 0 }, { 0 } };

	f->readers[0].begin_ps = 10 * US;
	f->readers[0].end_ps = 60 * US;
	f->writers[0].at_ps = 20 * US;
	f->readers[1].begin_ps = 30 * US;
	f->readers[1].end_ps = 90 * US;
	f->writers[1].at_ps = 40 * US;
	run(f, 2, 2, looks);
}

struct synchronizer {
	struct fixture *f;
	uint64_t at_ps, returned_ps;
};

static void wait_body(void *arg)
{
	struct synchronizer *w = arg;

	proc_until(w->at_ps);
	synchronize_rcu();
	w->returned_ps = this_vcpu()->proc.now_ps;
}

/* Two sections that have begun before, and one that begins meanwhile; and a grace period with nobody to wait for.
 */
static void a_grace_period(void **state)
{
	struct fixture *f = *state;
	struct synchronizer first = { .f = f, .at_ps = 20 * US }, last = { .f = f, .at_ps = 95 * US };

	f->readers[0] = (struct reader){ f, 10 * US, 50 * US, true, NULL };
	f->readers[1] = (struct reader){ f, 15 * US, 40 * US, false, NULL };
	f->readers[2] = (struct reader){ f, 30 * US, 90 * US, false, NULL };
	assert_int_equal(sim_start_cpu(f->s, 3, wait_body, &first), 0);
	assert_int_equal(sim_start_cpu(f->s, 4, wait_body, &last), 0);
	run(f, 3, 0, (struct look[]){ { 0 } });
	assert_true(first.returned_ps >= 50 * US && first.returned_ps < 55 * US);
	assert_true(last.returned_ps >= 95 * US && last.returned_ps < 96 * US);
}

static void stop_in_section(void *arg)
{
	struct fixture *f = arg;

	rcu_read_lock();
	replace(f);
	assert_int_equal(waiting(f), 1);
	engine_stop(&f->s->engine);
	proc_sleep(&this_vcpu()->proc);
}

static void free_another(void *arg)
{
	replace(arg);
}

/* A run that is cut short leaves CPUs in their sections; what they run next starts outside. */
static void a_run_that_is_cut_short(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sim_start_cpu(f->s, 2, stop_in_section, f), 0);
	assert_int_equal(engine_run(&f->s->engine), 0);
	assert_int_equal(waiting(f), 1);
	run_on_cpu(2, free_another, f);
	assert_int_equal(waiting(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(at_once_without_readers, setup, teardown),
		cmocka_unit_test_setup_teardown(waits_for_the_section_that_saw_it, setup, teardown),
		cmocka_unit_test_setup_teardown(waits_for_the_last_of_them, setup, teardown),
		cmocka_unit_test_setup_teardown(does_not_wait_for_those_who_come_later, setup, teardown),
		cmocka_unit_test_setup_teardown(generations, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_leaves_first, setup, teardown),
		cmocka_unit_test_setup_teardown(a_grace_period, setup, teardown),
		cmocka_unit_test_setup_teardown(a_run_that_is_cut_short, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
