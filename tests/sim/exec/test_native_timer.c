/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_native_timer.c - timers on real CPUs: where they were armed, when they are due, and not once deleted
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/platform/timer.h"
#include "tests/native_test.h"

#define US_PS 1000000ULL
#define MS_PS 1000000000ULL
#define MS_NS 1000000ULL

struct test_timer {
	struct sim_timer timer; /* must be first */
	struct fixture *f;
	uint64_t due_ps;
	uint64_t again_ns; /* the handler arms it again, as long as there are repeats */
	uint32_t repeats;
	uint32_t runs;
	uint32_t cpu; /* of the last run */
	uint32_t order;
};

struct fixture {
	struct native *m;
	struct test_timer t[4];
	uint32_t runs;
	uint32_t armed, deleted;
};

static void arm(struct test_timer *t, uint64_t delay_ns)
{
	t->due_ps = cpu_clock_ps() + delay_ns * 1000;
	mod_timer(&t->timer, delay_ns);
}

static void timer_runs(struct sim_timer *timer)
{
	struct test_timer *t = (struct test_timer *)timer;

	native_check(cpu_clock_ps() >= t->due_ps);
	native_check(this_cpu()->irq_depth == 1);
	t->cpu = smp_processor_id();
	t->runs++;
	t->order = __atomic_add_fetch(&t->f->runs, 1, __ATOMIC_RELAXED);
	if (t->repeats) {
		t->repeats--;
		arm(t, t->again_ns);
	}
}

static void fixture_create(struct fixture *f, uint32_t cpus, uint64_t irq_ps)
{
	struct sim_params params = native_test_params();
	uint32_t i;

	*f = (struct fixture){ 0 };
	params.irq_ps = irq_ps;
	f->m = native_test_create(cpus, &params, false);
	for (i = 0; i < ARRAY_SIZE(f->t); i++)
		f->t[i] = (struct test_timer){ .timer.fn = timer_runs, .f = f };
}

static void serve_until(const uint32_t *runs, uint32_t count)
{
	uint64_t end = cpu_clock_ps() + 60000 * MS_PS;

	while (__atomic_load_n(runs, __ATOMIC_RELAXED) < count && cpu_clock_ps() < end)
		if (!native_poll())
			sched_yield();
	native_check(__atomic_load_n(runs, __ATOMIC_RELAXED) == count);
}

static void order_body(void *arg)
{
	struct fixture *f = arg;

	arm(&f->t[0], 9 * MS_NS);
	arm(&f->t[1], 3 * MS_NS);
	arm(&f->t[2], 6 * MS_NS);
	native_check(!f->runs || cpu_clock_ps() >= f->t[1].due_ps);
	serve_until(&f->runs, 3);
	native_check(!native_poll());
}

static void in_order_of_time(void **state)
{
	struct fixture f;

	(void)state;
	fixture_create(&f, 1, 0);
	native_test_call(f.m, 0, order_body, &f);
	assert_int_equal(f.t[1].order, 1);
	assert_int_equal(f.t[2].order, 2);
	assert_int_equal(f.t[0].order, 3);
	assert_null(f.m->timers);
	native_test_destroy(f.m);
}

static void on_every_cpu_body(void *arg, uint32_t cpu)
{
	struct fixture *f = arg;

	arm(&f->t[cpu], cpu * MS_NS);
	__atomic_fetch_add(&f->armed, 1, __ATOMIC_RELEASE);
	native_wait_until(&f->armed, 3);
	serve_until(&f->runs, 3);
}

static void on_the_cpu_that_armed_it(void **state)
{
	struct fixture f;
	uint32_t cpu;

	(void)state;
	fixture_create(&f, 3, 0);
	native_test_run(f.m, on_every_cpu_body, &f);
	for (cpu = 0; cpu < 3; cpu++) {
		assert_int_equal(f.t[cpu].runs, 1);
		assert_int_equal(f.t[cpu].cpu, cpu);
	}
	native_test_destroy(f.m);
}

/* Armed on CPU 1, deleted on CPU 0, before it is due; another timer goes on. */
static void delete_body(void *arg, uint32_t cpu)
{
	struct fixture *f = arg;

	if (cpu) {
		unsigned long flags = local_irq_save();

		arm(&f->t[0], 0);
		arm(&f->t[1], MS_NS);
		arm(&f->t[2], 0);
		__atomic_store_n(&f->armed, 1, __ATOMIC_RELEASE);
		native_wait_until(&f->deleted, 1);
		local_irq_restore(flags);
		serve_until(&f->runs, 1);
		cpu_work(2 * MS_PS);
	} else {
		native_wait_until(&f->armed, 1);
		del_timer_sync(&f->t[0].timer);
		del_timer_sync(&f->t[2].timer);
		del_timer_sync(&f->t[3].timer); /* not armed */
		__atomic_store_n(&f->deleted, 1, __ATOMIC_RELEASE);
	}
}

static void not_once_it_is_deleted(void **state)
{
	struct fixture f;

	(void)state;
	fixture_create(&f, 2, 0);
	native_test_run(f.m, delete_body, &f);
	assert_int_equal(f.t[0].runs, 0);
	assert_int_equal(f.t[1].runs, 1);
	assert_int_equal(f.t[2].runs, 0);
	assert_int_equal(f.runs, 1);
	/* What is deleted goes when it would have been due. */
	assert_null(f.m->timers);
	native_test_destroy(f.m);
}

static void rearm_body(void *arg)
{
	struct fixture *f = arg;

	arm(&f->t[0], 1000);
	del_timer_sync(&f->t[0].timer);
	arm(&f->t[0], 2000);
	serve_until(&f->runs, 1);
	/* From its handler. */
	f->t[1].repeats = 4;
	f->t[1].again_ns = 100000;
	arm(&f->t[1], 0);
	serve_until(&f->runs, 6);
	cpu_work(1 * MS_PS);
}

static void armed_again(void **state)
{
	struct fixture f;

	(void)state;
	fixture_create(&f, 1, 0);
	native_test_call(f.m, 0, rearm_body, &f);
	assert_int_equal(f.t[0].runs, 1);
	assert_int_equal(f.t[1].runs, 5);
	assert_int_equal(f.runs, 6);
	native_test_destroy(f.m);
}

static void cost_body(void *arg)
{
	struct fixture *f = arg;
	uint64_t start;

	arm(&f->t[0], 0);
	start = cpu_clock_ps();
	native_check(native_poll());
	native_check(f->t[0].runs == 1);
	native_check(cpu_clock_ps() - start >= 4 * MS_PS);
	/* Nothing runs, so nothing is entered. */
	arm(&f->t[1], 0);
	del_timer_sync(&f->t[1].timer);
	native_check(native_poll());
	native_check(f->t[1].runs == 0);
}

static void the_interrupt_takes_its_time(void **state)
{
	struct fixture f;

	(void)state;
	fixture_create(&f, 1, 4 * MS_PS);
	native_test_call(f.m, 0, cost_body, &f);
	native_test_destroy(f.m);
}

static void outlive_body(void *arg)
{
	struct fixture *f = arg;

	arm(&f->t[0], 0);
}

static void serve_body(void *arg)
{
	struct fixture *f = arg;

	serve_until(&f->runs, 1);
}

/* The next thread that is the CPU serves what the last one has armed. */
static void outlives_its_thread(void **state)
{
	struct fixture f;

	(void)state;
	fixture_create(&f, 2, 0);
	native_test_call(f.m, 1, outlive_body, &f);
	native_test_call(f.m, 1, serve_body, &f);
	assert_int_equal(f.t[0].cpu, 1);
	native_test_destroy(f.m);
}

/* Timers of all CPUs come and go at the same time. */
static void churn_body(void *arg, uint32_t cpu)
{
	struct fixture *f = arg;
	uint32_t i;

	for (i = 0; i < 500; i++) {
		arm(&f->t[cpu], i % 3 ? 0 : 1000000000);
		if (i % 3)
			native_check(native_poll());
		else
			del_timer_sync(&f->t[cpu].timer);
	}
}

static void cpus_arm_and_delete(void **state)
{
	struct fixture f;
	uint32_t cpu;

	(void)state;
	fixture_create(&f, 3, 0);
	native_test_run(f.m, churn_body, &f);
	for (cpu = 0; cpu < 3; cpu++)
		assert_int_equal(f.t[cpu].runs, 500 - 167);
	native_test_destroy(f.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_of_time),
		cmocka_unit_test(on_the_cpu_that_armed_it),
		cmocka_unit_test(not_once_it_is_deleted),
		cmocka_unit_test(armed_again),
		cmocka_unit_test(the_interrupt_takes_its_time),
		cmocka_unit_test(outlives_its_thread),
		cmocka_unit_test(cpus_arm_and_delete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
