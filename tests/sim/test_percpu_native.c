/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_percpu_native.c - per-CPU objects when all CPUs ask for the first time at once
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/platform/percpu.h"
#include "tests/native_test.h"

#define CPUS 4
#define ROUNDS 400

OBJ_TYPE_PLAIN(test_percpu, "test_percpu");

struct object {
	uint64_t owner; /* plain: its CPU writes it, and others read it once they have found the object */
	uint64_t inited;
};

struct fixture {
	struct percpu pc[ROUNDS];
	uint32_t arrived;
	uint32_t inits; /* of all rounds */
	struct object *got[ROUNDS][CPUS];
};

static void count_init(void *obj, void *arg)
{
	struct fixture *f = arg;
	struct object *o = obj;

	native_check(!o->owner && !o->inited);
	o->inited = 1;
	__atomic_fetch_add(&f->inits, 1, __ATOMIC_RELAXED);
}

/* All CPUs at the same time, as far as they have CPUs of this machine to run on. */
static void meet(struct fixture *f, uint32_t round)
{
	uint32_t spins = 0;

	__atomic_fetch_add(&f->arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&f->arrived, __ATOMIC_ACQUIRE) < (round + 1) * CPUS)
		if (++spins % 256 == 0)
			sched_yield();
}

static void touch_body(void *arg, uint32_t cpu)
{
	struct fixture *f = arg;
	uint32_t round, other;

	for (round = 0; round < ROUNDS; round++) {
		struct percpu *pc = &f->pc[round];
		struct object *o, *seen;

		meet(f, round);
		o = this_cpu_ptr(pc);
		native_check(o && o->inited == 1);
		o->owner = cpu + 1;
		native_check(this_cpu_ptr(pc) == o);
		native_check(per_cpu_ptr(pc, cpu) == o);
		f->got[round][cpu] = o;
		for (other = 0; other < CPUS; other++) {
			seen = per_cpu_ptr(pc, other);
			native_check(!seen || seen->inited == 1);
		}
	}
}

static void init_body(void *arg)
{
	struct fixture *f = arg;
	uint32_t round;

	for (round = 0; round < ROUNDS; round++)
		native_check(
			!percpu_init(&f->pc[round], CPUS, &test_percpu_type, sizeof(struct object), count_init, f));
}

static void destroy_body(void *arg)
{
	struct fixture *f = arg;
	uint32_t round;

	for (round = 0; round < ROUNDS; round++)
		percpu_destroy(&f->pc[round]);
}

static void first_touch_of_one_leaf(void **state)
{
	struct sim_params params = native_test_params();
	struct native *m = native_test_create(CPUS, &params, false);
	struct fixture *f = calloc(1, sizeof(*f));
	uint32_t round, a, b;

	(void)state;
	assert_non_null(f);
	native_test_call(m, 0, init_body, f);
	native_test_run(m, touch_body, f);
	assert_int_equal(f->inits, ROUNDS * CPUS);
	for (round = 0; round < ROUNDS; round++) {
		for (a = 0; a < CPUS; a++) {
			assert_ptr_equal(per_cpu_ptr(&f->pc[round], a), f->got[round][a]);
			assert_int_equal(f->got[round][a]->owner, a + 1);
			for (b = 0; b < a; b++)
				assert_ptr_not_equal(f->got[round][a], f->got[round][b]);
		}
	}
	native_test_call(m, 1, destroy_body, f);
	free(f);
	native_test_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_touch_of_one_leaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
