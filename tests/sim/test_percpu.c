/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_percpu.c - per-CPU objects: made by their CPU when it first asks, seen by all, freed together
 *
 * Links with -Wl,--wrap=calloc,--wrap=region_alloc: both can be told to fail.
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
#include "sim/platform/percpu.h"
#include "tests/sim_test.h"

#define CPUS 130 /* two full leaves of 64 and a bit */
#define SIZE 200
#define MAGIC 0x5ca1ab1eU

OBJ_TYPE_PLAIN(test_percpu, "test_percpu");

static bool calloc_fails, region_alloc_fails;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return calloc_fails ? NULL : __real_calloc(n, size);
}

void *__real_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align);
void *__wrap_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align);
void *__wrap_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align)
{
	return region_alloc_fails ? NULL : __real_region_alloc(r, type, size, align);
}

struct fixture {
	struct sim *s;
	struct percpu pc;
	uint32_t inits;
	void *got; /* by this_cpu_ptr() */
	uint64_t live_objects;
};

static void count_init(void *obj, void *arg)
{
	struct fixture *f = arg;
	const char *bytes = obj;
	uint32_t *magic = obj;
	size_t i;

	for (i = 0; i < SIZE; i++)
		assert_int_equal(bytes[i], 0);
	*magic = MAGIC;
	f->inits++;
}

static void ask(void *arg)
{
	struct fixture *f = arg;

	f->got = this_cpu_ptr(&f->pc);
}

static void *ask_on(struct fixture *f, uint32_t cpu)
{
	assert_int_equal(sim_call_on_cpu(f->s, cpu, ask, f), 0);
	return f->got;
}

static void destroy_body(void *arg)
{
	struct fixture *f = arg;

	percpu_destroy(&f->pc);
}

static int setup(void **state)
{
	struct sim_params params = sim_test_params();
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->s = sim_test_create("package:2 l3:1 core:65 pu:1", CPUS, &params);
	f->live_objects = f->s->region.live_objects;
	assert_int_equal(percpu_init(&f->pc, CPUS, &test_percpu_type, SIZE, count_init, f), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sim_call_on_cpu(f->s, 3, destroy_body, f), 0);
	assert_int_equal(f->s->region.live_objects, f->live_objects);
	sim_test_destroy(f->s);
	free(f);
	return 0;
}

static void nothing_before_its_cpu_asks(void **state)
{
	struct fixture *f = *state;
	uint32_t cpu;

	for (cpu = 0; cpu < CPUS; cpu++)
		assert_null(per_cpu_ptr(&f->pc, cpu));
	assert_int_equal(f->s->region.live_objects, f->live_objects);
	assert_non_null(ask_on(f, 64));
	for (cpu = 0; cpu < CPUS; cpu++)
		assert_int_equal(per_cpu_ptr(&f->pc, cpu) != NULL, cpu == 64);
	assert_int_equal(f->s->region.live_objects, f->live_objects + 1);
}

static void each_cpu_has_its_own(void **state)
{
	static const uint32_t cpus[] = { 5, 63, 64, 0, 129, 127, 128, 1 };
	struct fixture *f = *state;
	char *obj[ARRAY_SIZE(cpus)];
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(cpus); i++) {
		obj[i] = ask_on(f, cpus[i]);
		assert_non_null(obj[i]);
		assert_int_equal(f->inits, i + 1);
		assert_int_equal(*(uint32_t *)obj[i], MAGIC);
		for (k = 0; k < i; k++)
			assert_true(obj[i] + SIZE <= obj[k] || obj[k] + SIZE <= obj[i]);
	}
	/* The same one from then on, whoever asks. */
	for (i = 0; i < ARRAY_SIZE(cpus); i++) {
		assert_ptr_equal(ask_on(f, cpus[i]), obj[i]);
		assert_ptr_equal(per_cpu_ptr(&f->pc, cpus[i]), obj[i]);
	}
	assert_int_equal(f->inits, ARRAY_SIZE(cpus));
}

static void without_an_init(void **state)
{
	struct fixture *f = *state;
	struct percpu other;
	char *obj;
	size_t i;

	assert_int_equal(percpu_init(&other, 1, &test_percpu_type, SIZE, NULL, NULL), 0);
	assert_int_equal(sim_call_on_cpu(f->s, 1, destroy_body, f), 0);
	f->pc = other;
	obj = ask_on(f, 0);
	assert_non_null(obj);
	for (i = 0; i < SIZE; i++)
		assert_int_equal(obj[i], 0);
	assert_int_equal(f->inits, 0);
}

/* The CPU does without, and finds its object when there is memory again. */
static void short_of_memory(void **state)
{
	struct fixture *f = *state;
	struct percpu other;
	int ret;

	calloc_fails = true;
	ret = percpu_init(&other, CPUS, &test_percpu_type, SIZE, NULL, NULL);
	calloc_fails = false;
	assert_int_equal(ret, -ENOMEM);

	/* No leaf. */
	calloc_fails = true;
	ask_on(f, 70);
	calloc_fails = false;
	assert_null(f->got);
	/* A leaf, and nothing to put there. */
	region_alloc_fails = true;
	ask_on(f, 70);
	region_alloc_fails = false;
	assert_null(f->got);
	assert_null(per_cpu_ptr(&f->pc, 70));
	assert_int_equal(f->inits, 0);

	assert_non_null(ask_on(f, 70));
	assert_int_equal(f->inits, 1);
	assert_ptr_equal(per_cpu_ptr(&f->pc, 70), f->got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_before_its_cpu_asks, setup, teardown),
		cmocka_unit_test_setup_teardown(each_cpu_has_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(without_an_init, setup, teardown),
		cmocka_unit_test_setup_teardown(short_of_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
