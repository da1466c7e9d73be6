/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_machine.c - a machine that is stopped in the middle of what its CPUs do, and what it leaves behind
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/exec/machine_virtual.h"
#include "tests/sim_test.h"

#define US 1000000ULL
#define CPUS 4

struct fixture {
	struct topology topology;
	struct machine *m;
	struct machine_timer stop;
	uint64_t rounds[CPUS];
	bool inside[CPUS]; /* of a call that is not to be left half done */
	bool returned[CPUS];
	bool sleeps_for_ever, fails;
};

static int setup(void **state)
{
	static struct fixture f;
	struct sim_params params = sim_test_params();
	uint32_t pus[CPUS] = { 0, 1, 2, 3 };
	char err[TOPOLOGY_ERR_SIZE];

	f = (struct fixture){ 0 };
	assert_int_equal(topology_load(&f.topology, "package:1 core:4 pu:1", err, sizeof(err)), 0);
	assert_int_equal(machine_create(&f.topology, pus, CPUS, &params, false, &f.m), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	machine_destroy(f->m);
	topology_destroy(&f->topology);
	return 0;
}

static void call(struct fixture *f, uint32_t cpu)
{
	f->inside[cpu] = true;
	cpu_work((3 + cpu) * US);
	cpu_work(2 * US);
	if (f->fails)
		cpu_fail(-ENOSPC);
	cpu_work(US);
	f->inside[cpu] = false;
	f->rounds[cpu]++;
}

/* The last CPU has nothing to do. */
static void body(void *arg, uint32_t cpu)
{
	struct fixture *f = arg;

	while (!cpu_stopping()) {
		if (f->sleeps_for_ever && !cpu)
			proc_sleep(&this_vcpu()->proc);
		if (cpu < CPUS - 1)
			call(f, cpu);
		else
			cpu_idle();
	}
	f->returned[cpu] = true;
}

static void stop(void *arg, uint64_t time_ps)
{
	struct fixture *f = arg;

	(void)time_ps;
	machine_stop(f->m);
}

static void run(struct fixture *f, uint64_t delay_ps)
{
	f->stop = (struct machine_timer){ .fn = stop, .arg = f };
	assert_int_equal(machine_at(f->m, delay_ps, &f->stop), 0);
	assert_int_equal(machine_run(f->m, body, f), 0);
}

static void nothing_is_left_half_done(void **state)
{
	struct fixture *f = *state;
	uint64_t before[CPUS], halves = 0;
	uint32_t i;

	run(f, 100 * US);
	for (i = 0; i < CPUS; i++) {
		assert_false(f->returned[i]);
		halves += f->inside[i];
		before[i] = f->rounds[i];
	}
	assert_true(halves > 0);
	assert_int_equal(machine_quiesce(f->m), 0);
	for (i = 0; i < CPUS; i++) {
		assert_true(f->returned[i]);
		assert_false(f->inside[i]);
		assert_true(f->rounds[i] <= before[i] + 1);
	}
	/* Once is enough; and it can be run again. */
	assert_int_equal(machine_quiesce(f->m), 0);
	for (i = 0; i < CPUS; i++)
		f->returned[i] = false;
	run(f, 50 * US);
	assert_int_equal(machine_quiesce(f->m), 0);
	for (i = 0; i < CPUS; i++)
		assert_true(f->returned[i]);
	assert_true(f->rounds[0] > before[0] + 5);
}

/* The first one ends the run; the others run into the same when they go on. */
static void all_fail(void **state)
{
	struct fixture *f = *state;
	uint32_t i;

	f->fails = true;
	assert_int_equal(machine_run(f->m, body, f), -ENOSPC);
	assert_int_equal(machine_quiesce(f->m), 0);
	for (i = 0; i < CPUS; i++)
		assert_true(f->returned[i] && !f->inside[i]);
}

static void who_does_not_end_is_told_of(void **state)
{
	struct fixture *f = *state;

	f->sleeps_for_ever = true;
	run(f, 20 * US);
	assert_int_equal(machine_quiesce(f->m), -EDEADLK);
	assert_false(f->returned[0]);
	assert_true(f->returned[1] && f->returned[CPUS - 1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_left_half_done, setup, teardown),
		cmocka_unit_test_setup_teardown(all_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(who_does_not_end_is_told_of, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
