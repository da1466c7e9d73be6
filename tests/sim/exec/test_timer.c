/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_timer.c - work that interrupts cut, interrupts off, idling, and one-shot timers
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/platform/timer.h"
#include "tests/sim_test.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct source {
	struct actor actor; /* must be first: raises irq on cpu when its event is due */
	struct irq irq;
	struct fixture *f;
	struct vcpu *cpu;
	uint64_t cost_ps;
	uint32_t served;
};

/* Assertions stay outside the simulated CPUs: cmocka fails with longjmp(). */
struct fixture {
	struct sim *sim;
	struct source source[3];
	struct sim_timer timer[2];
	uint32_t fired[2];
	unsigned int fired_cpu;
	uint64_t fired_at_ps;
	uint64_t seen[24];
	uint32_t seen_count;
	uint32_t wrong; /* broken promises, seen on a simulated CPU */
};

static struct fixture *current_of(struct irq *irq)
{
	return container_of(irq, struct source, irq)->f;
}

static void see(struct fixture *f, uint64_t value)
{
	if (f->seen_count < COUNT(f->seen))
		f->seen[f->seen_count] = value;
	f->seen_count++;
}

static void see_now(struct fixture *f)
{
	see(f, this_proc->now_ps);
}

/* Notes when it starts, and takes cost_ps, which nothing may cut. */
static void serve(struct irq *irq)
{
	struct source *src = container_of(irq, struct source, irq);
	struct fixture *f = current_of(irq);

	if (this_vcpu() != src->cpu || !this_vcpu()->irq_depth)
		f->wrong++;
	src->served++;
	see_now(f);
	vcpu_work(src->cost_ps);
}

static void raise_irq(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct source *src = (struct source *)actor;

	(void)arg;
	vcpu_raise_irq(src->cpu, &src->irq, time_ps);
}

static void post(struct fixture *f, uint32_t source, uint64_t time_ps)
{
	engine_post(&f->sim->engine, time_ps, &f->source[source].actor, 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *sim;
	uint32_t i;

	assert_non_null(f);
	assert_int_equal(sim_test_setup(&sim), 0);
	f->sim = sim;
	for (i = 0; i < COUNT(f->source); i++)
		f->source[i] = (struct source){
			.actor.fn = raise_irq,
			.irq.handler = serve,
			.f = f,
			.cpu = &f->sim->cpus[0],
			.cost_ps = 100,
		};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *sim = f->sim;

	free(f);
	return sim_test_teardown(&sim);
}

static void assert_seen(const struct fixture *f, const uint64_t *expected, uint32_t count)
{
	uint32_t i;

	assert_int_equal(f->wrong, 0);
	for (i = 0; i < count && i < f->seen_count; i++)
		assert_int_equal(f->seen[i], expected[i]);
	assert_int_equal(f->seen_count, count);
}

static void work_thrice(void *arg)
{
	struct fixture *f = arg;

	vcpu_work(1000);
	see_now(f);
	vcpu_work(0);
	vcpu_work(1000);
	see_now(f);
	vcpu_work(1000);
	see_now(f);
}

static void test_work_without_interrupts(void **state)
{
	static const uint64_t expected[] = { 1000, 2000, 3000 };
	struct fixture *f = *state;

	run_on_cpu(0, work_thrice, f);
	assert_seen(f, expected, COUNT(expected));
	assert_int_equal(f->sim->engine.dispatched, 1); /* no events: no switch */
}

static void test_interrupt_extends_work_by_its_time(void **state)
{
	static const uint64_t expected[] = { 400, 1050, 1200, 2200, 2250, 2350, 3450 };
	struct fixture *f = *state;

	f->source[1].cost_ps = 150;
	post(f, 0, 400); /* the first work's 1000 become 1200 */
	post(f, 0, 1050);
	post(f, 0, 2250); /* the second's, from 1200 to 2200, stay; the third's become 1250 */
	post(f, 1, 2300); /* waits for the handler to end at 2350 */
	run_on_cpu(0, work_thrice, f);
	assert_seen(f, expected, COUNT(expected));
	assert_int_equal(f->source[0].served, 3);
	assert_int_equal(f->source[1].served, 1);
}

static void idle_twice(void *arg)
{
	struct fixture *f = arg;

	vcpu_work(500);
	vcpu_idle();
	see_now(f);
	vcpu_idle();
	see_now(f);
}

static void test_idle_until_an_interrupt(void **state)
{
	static const uint64_t expected[] = { 2000, 2100, 5000, 5100 };
	struct fixture *f = *state;

	post(f, 0, 2000);
	post(f, 0, 5000);
	run_on_cpu(0, idle_twice, f);
	assert_seen(f, expected, COUNT(expected));
	assert_int_equal(f->sim->cpus[0].idle_ps, 1500 + 2900);
}

static void off_and_on(void *arg)
{
	struct fixture *f = arg;
	unsigned long outer, inner;

	vcpu_work(100);
	outer = local_irq_save();
	proc_hold(this_proc, 900); /* the interrupt of 500 comes here */
	vcpu_work(1000);	   /* not cut */
	see_now(f);
	inner = local_irq_save();
	local_irq_restore(inner); /* still off */
	see_now(f);
	local_irq_restore(outer);
	see_now(f);
	see(f, this_vcpu()->irq_off_max_ps);
	see(f, this_vcpu()->irq_depth);
}

static void test_interrupts_off_defer(void **state)
{
	static const uint64_t expected[] = { 2000, 2000, 2000, 2100, 1900, 0 };
	struct fixture *f = *state;

	post(f, 0, 500);
	run_on_cpu(0, off_and_on, f);
	assert_seen(f, expected, COUNT(expected));
}

/* Deferred interrupts are served in the order in which they came, each once. */
static void test_pending_is_not_doubled(void **state)
{
	static const uint64_t expected[] = { 2000, 2000, 2000, 2150, 2250, 1900, 0 };
	struct fixture *f = *state;

	f->source[1].cost_ps = 150;
	post(f, 1, 300);
	post(f, 0, 400);
	post(f, 1, 500);
	post(f, 0, 600);
	post(f, 0, 700);
	run_on_cpu(0, off_and_on, f);
	assert_seen(f, expected, COUNT(expected));
	assert_int_equal(f->source[0].served, 1);
	assert_int_equal(f->source[1].served, 1);
}

static void serve_long(struct irq *irq)
{
	serve(irq);
	proc_hold(this_proc, 100); /* lets events in, as an access to memory does */
	see_now(current_of(irq));
}

static void idle_once(void *arg)
{
	struct fixture *f = arg;

	vcpu_idle();
	see(f, f->source[0].served);
}

/* Pending ends when the handler starts: what comes meanwhile is served after it, before the CPU goes on. */
static void test_raised_again_while_served(void **state)
{
	static const uint64_t expected[] = { 1000, 1200, 1200, 1400, 2 };
	struct fixture *f = *state;

	f->source[0].irq.handler = serve_long;
	post(f, 0, 1000);
	post(f, 0, 1150);
	post(f, 0, 1160); /* pending already */
	run_on_cpu(0, idle_once, f);
	assert_seen(f, expected, COUNT(expected));
}

static void timer_seen(struct fixture *f, uint32_t which)
{
	f->fired[which]++;
	f->fired_cpu = smp_processor_id();
	f->fired_at_ps = this_proc->now_ps;
	if (!this_vcpu()->irq_depth)
		f->wrong++;
}

static void first_timer(struct sim_timer *timer)
{
	timer_seen(container_of(timer, struct fixture, timer[0]), 0);
}

static void second_timer(struct sim_timer *timer)
{
	struct fixture *f = container_of(timer, struct fixture, timer[1]);

	timer_seen(f, 1);
	if (f->fired[1] < 3)
		mod_timer(timer, 10); /* arms itself again */
}

static void arm_and_idle(void *arg)
{
	struct fixture *f = arg;

	vcpu_work(1000);
	mod_timer(&f->timer[0], 7);
	see(f, f->fired[0]);
	vcpu_work(6999);
	see(f, f->fired[0]);
	vcpu_work(2);
	see(f, f->fired[0]);
	see(f, f->fired_at_ps);
	see(f, f->fired_cpu);
	vcpu_work(100000); /* one-shot */
	see(f, f->fired[0]);
}

static void test_timer_fires_once_on_its_cpu(void **state)
{
	static const uint64_t expected[] = { 0, 0, 1, 8000, 3, 1 };
	struct fixture *f = *state;

	f->timer[0].fn = first_timer;
	run_on_cpu(3, arm_and_idle, f);
	assert_seen(f, expected, COUNT(expected));
	assert_null(f->sim->timers);
}

static void rearm(void *arg)
{
	struct fixture *f = arg;

	mod_timer(&f->timer[1], 10);
	while (f->fired[1] < 3)
		vcpu_idle();
	see_now(f);
	see(f, f->fired_at_ps);
	mod_timer(&f->timer[1], 5); /* a spent timer can be armed again */
	vcpu_idle();
	see_now(f);
	see(f, f->fired[1]);
}

static void test_timer_arms_itself(void **state)
{
	static const uint64_t expected[] = { 30000, 30000, 35000, 4 };
	struct fixture *f = *state;

	f->timer[1].fn = second_timer;
	run_on_cpu(0, rearm, f);
	assert_seen(f, expected, COUNT(expected));
}

static void arm_and_delete(void *arg)
{
	struct fixture *f = arg;
	unsigned long flags;

	del_timer_sync(&f->timer[0]); /* not armed */
	mod_timer(&f->timer[0], 10);
	mod_timer(&f->timer[1], 20);
	vcpu_work(5000);
	del_timer_sync(&f->timer[0]);
	vcpu_work(50000);
	see(f, f->fired[0]);
	see(f, f->fired[1]); /* the other one is not touched */

	/* Due, and kept pending by interrupts that are off: still in time. */
	mod_timer(&f->timer[0], 10);
	flags = local_irq_save();
	proc_hold(this_proc, 20000);
	see(f, !!this_vcpu()->irqs);
	del_timer_sync(&f->timer[0]);
	local_irq_restore(flags);
	see(f, f->fired[0]);
	mod_timer(&f->timer[0], 1);
	vcpu_work(2000);
	see(f, f->fired[0]);
}

static void test_deleted_timer_does_not_fire(void **state)
{
	static const uint64_t expected[] = { 0, 3, 1, 0, 1 };
	struct fixture *f = *state;

	f->timer[0].fn = first_timer;
	f->timer[1].fn = second_timer;
	run_on_cpu(0, arm_and_delete, f);
	assert_seen(f, expected, COUNT(expected));
	assert_null(f->sim->timers);
}

static void arm_only(void *arg)
{
	struct fixture *f = arg;

	mod_timer(&f->timer[0], 1000);
	mod_timer(&f->timer[1], 1000);
}

/* What is armed when the simulation goes away is freed with it. */
static void test_destroyed_while_armed(void **state)
{
	struct fixture *f = *state;

	f->timer[0].fn = f->timer[1].fn = first_timer;
	run_on_cpu(1, arm_only, f);
	assert_non_null(f->sim->timers);
}

static void raise_across(void *arg)
{
	struct fixture *f = arg;

	vcpu_work(2500);
	vcpu_raise_irq(&f->sim->cpus[0], &f->source[0].irq, this_proc->now_ps + 250);
	vcpu_work(1000);
}

/* From one CPU to another that works, at a time that lies ahead. */
static void test_raised_by_another_cpu(void **state)
{
	static const uint64_t expected[] = { 1000, 2000, 2750, 3700 };
	struct fixture *f = *state;

	assert_int_equal(sim_start_cpu(f->sim, 1, raise_across, f), 0);
	f->source[0].cost_ps = 700;
	run_on_cpu(0, work_thrice, f);
	assert_seen(f, expected, COUNT(expected));
}

/* Each source is raised at its event for delay_ps later. */
static void raise_later(struct actor *actor, uint64_t time_ps, uint64_t delay_ps)
{
	struct source *src = (struct source *)actor;

	vcpu_raise_irq(src->cpu, &src->irq, time_ps + delay_ps);
}

static void post_later(struct fixture *f, uint32_t source, uint64_t time_ps, uint64_t delay_ps)
{
	f->source[source].actor.fn = raise_later;
	engine_post(&f->sim->engine, time_ps, &f->source[source].actor, delay_ps);
}

static void work_long(void *arg)
{
	struct fixture *f = arg;

	vcpu_work(5000);
	see_now(f);
}

/* What is on its way arrives at its time, not when it was sent, and not behind what was sent earlier. */
static void test_irqs_arrive_in_order_of_time(void **state)
{
	static const uint64_t expected[] = { 200, 490, 5200 };
	struct fixture *f = *state;

	post_later(f, 0, 90, 400);
	post_later(f, 1, 150, 50);
	run_on_cpu(0, work_long, f);
	assert_seen(f, expected, COUNT(expected));
	assert_int_equal(f->source[0].served, 1);
	assert_int_equal(f->source[1].served, 1);
}

/* The second request is lost in the first, and does not put it off. */
static void test_pending_keeps_its_time(void **state)
{
	static const uint64_t expected[] = { 500, 5100 };
	struct fixture *f = *state;

	post_later(f, 0, 100, 400);
	post_later(f, 0, 200, 700);
	run_on_cpu(0, work_long, f);
	assert_seen(f, expected, COUNT(expected));
}

static void off_early(void *arg)
{
	struct fixture *f = arg;
	unsigned long flags = local_irq_save();

	proc_hold(this_proc, 110);
	local_irq_restore(flags);
	see_now(f); /* not yet */
	vcpu_work(1000);
	see_now(f);
	flags = local_irq_save();
	proc_hold(this_proc, 200);
	local_irq_restore(flags);
	see_now(f);
	vcpu_idle();
	see_now(f);
}

static void test_irq_on_its_way_is_not_served_early(void **state)
{
	static const uint64_t expected[] = { 110, 490, 1210, 1410, 2000, 2100 };
	struct fixture *f = *state;

	post_later(f, 0, 90, 400);
	post_later(f, 1, 1300, 700); /* comes while the CPU idles */
	run_on_cpu(0, off_early, f);
	assert_seen(f, expected, COUNT(expected));
}

/* Due when the work ends: served before anything else happens. */
static void test_irq_at_the_end_of_work(void **state)
{
	static const uint64_t expected[] = { 5000, 5100 };
	struct fixture *f = *state;

	post(f, 0, 5000);
	run_on_cpu(0, work_long, f);
	assert_seen(f, expected, COUNT(expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_work_without_interrupts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interrupt_extends_work_by_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_idle_until_an_interrupt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interrupts_off_defer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pending_is_not_doubled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_raised_again_while_served, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irqs_arrive_in_order_of_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pending_keeps_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq_on_its_way_is_not_served_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq_at_the_end_of_work, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_fires_once_on_its_cpu, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_arms_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deleted_timer_does_not_fire, setup, teardown),
		cmocka_unit_test_setup_teardown(test_destroyed_while_armed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_raised_by_another_cpu, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
