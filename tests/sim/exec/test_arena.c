/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_arena.c - memory from one reserved range: aligned, zeroed, the same offsets every time, from any thread
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "sim/exec/arena.h"

#define MIB (1UL << 20)
#define GIB (1UL << 30)
#define OBJECTS 600

struct object {
	char *p;
	size_t size, align;
};

static uint64_t draw(uint64_t *x, uint64_t bound)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x % bound;
}

static bool filled_with(const char *p, size_t size, char value)
{
	return !size || (p[0] == value && !memcmp(p, p + 1, size - 1));
}

/* Sizes from a line to 100 KiB, alignments from a line to a page. */
static struct object alloc_one(struct arena *a, uint64_t *x)
{
	struct object o = { .size = 64 * (1 + draw(x, draw(x, 16) ? 40 : 1600)), .align = 64UL << draw(x, 7) };

	o.p = arena_alloc(a, o.size, o.align);
	return o;
}

static void check_object(const struct arena *a, const struct object *o)
{
	assert_non_null(o->p);
	assert_int_equal((uintptr_t)o->p % o->align, 0);
	assert_true(o->p >= a->base && o->p + o->size <= a->base + a->size);
	assert_true(arena_size_of(a, o->p) >= o->size);
	assert_true(filled_with(o->p, o->size, 0));
}

static void objects_do_not_overlap(void **state)
{
	struct object o[OBJECTS];
	struct arena a;
	uint64_t x = 1234567;
	int i, turn;

	(void)state;
	assert_int_equal(arena_create(&a, 1 * GIB), 0);
	for (turn = 0; turn < 4; turn++) {
		for (i = 0; i < OBJECTS; i++) {
			/* Every second one stays from the turn before. */
			if (turn && i % 2)
				continue;
			o[i] = alloc_one(&a, &x);
			check_object(&a, &o[i]);
			memset(o[i].p, 1 + i % 100, o[i].size);
		}
		for (i = 0; i < OBJECTS; i++)
			assert_true(filled_with(o[i].p, o[i].size, (char)(1 + i % 100)));
		for (i = 0; i < OBJECTS; i += 2)
			arena_free(&a, o[i].p);
	}
	assert_true(a.used <= a.size);
	arena_destroy(&a);
}

static void freed_memory_is_used_again(void **state)
{
	struct arena a;
	char *p;
	int i;

	(void)state;
	assert_int_equal(arena_create(&a, 64 * MIB), 0);
	for (i = 0; i < 2000; i++) {
		size_t size = i % 2 ? 100 * 1024 : 192;

		p = arena_alloc(&a, size, 64);
		assert_non_null(p);
		assert_true(filled_with(p, size, 0));
		memset(p, 1, size);
		arena_free(&a, p);
	}
	arena_destroy(&a);
}

static void the_same_offsets_every_time(void **state)
{
	struct arena a[2];
	uint64_t x[2] = { 99, 99 };
	struct object o[2][OBJECTS];
	int i, k;

	(void)state;
	assert_int_equal(arena_create(&a[0], 1 * GIB), 0);
	assert_int_equal(arena_create(&a[1], 4 * GIB), 0);
	for (i = 0; i < OBJECTS; i++) {
		for (k = 0; k < 2; k++) {
			o[k][i] = alloc_one(&a[k], &x[k]);
			assert_non_null(o[k][i].p);
			if (i > 10 && i % 3 == 0) {
				arena_free(&a[k], o[k][i - 7].p);
				o[k][i - 7].p = a[k].base;
			}
		}
		assert_int_equal(o[0][i].p - a[0].base, o[1][i].p - a[1].base);
	}
	assert_int_equal(a[0].used, a[1].used);
	arena_destroy(&a[0]);
	arena_destroy(&a[1]);
}

static void the_range_ends(void **state)
{
	struct arena a;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(arena_create(&a, 64 * MIB), 0);
	assert_null(arena_alloc(&a, 65 * MIB, 64));
	while (arena_alloc(&a, 1 * MIB, 4096))
		n++;
	assert_in_range(n, 32, 64);
	assert_true(a.used <= 64 * MIB);
	assert_null(arena_alloc(&a, 1 * MIB, 4096));
	arena_destroy(&a);
}

static void more_than_there_is(void **state)
{
	struct arena a;

	(void)state;
	assert_int_equal(arena_create(&a, 1UL << 60), -ENOMEM);
	assert_null(arena_reserve(1UL << 60));
}

/* The addresses are free again: nobody maps anything in between. */
static void gives_its_addresses_back(void **state)
{
	struct arena a;
	char *base;

	(void)state;
	assert_int_equal(arena_create(&a, 256 * MIB), 0);
	base = a.base;
	assert_non_null(arena_alloc(&a, 64, 64));
	assert_int_equal(msync(base, 256 * MIB, MS_ASYNC), 0);
	arena_destroy(&a);
	assert_int_equal(msync(base, 4096, MS_ASYNC), -1);
	assert_int_equal(errno, ENOMEM);
}

static void reserved_memory_reads_as_zeroes(void **state)
{
	char *p = arena_reserve(8 * GIB);

	(void)state;
	assert_non_null(p);
	assert_true(filled_with(p, 4096, 0));
	assert_true(filled_with(p + 8 * GIB - 4096, 4096, 0));
	p[5 * GIB] = 1;
	assert_int_equal(p[5 * GIB], 1);
	munmap(p, 8 * GIB);
}

/* ---- threads ---- */

#define THREADS 4

struct worker {
	struct arena *a;
	pthread_t thread;
	uint64_t x;
	int number;
	bool failed;
	struct object left[OBJECTS]; /* for another thread to free */
	int left_count;
};

/* No cmocka here: it knows the main thread only. */
static void *allocate(void *arg)
{
	struct worker *w = arg;
	struct object o[32] = { 0 };
	int turn, i;

	for (turn = 0; turn < 500; turn++) {
		i = (int)draw(&w->x, 32);
		if (o[i].p) {
			w->failed |= !filled_with(o[i].p, o[i].size, (char)w->number);
			if (w->left_count < OBJECTS && turn % 4 == 0)
				w->left[w->left_count++] = o[i];
			else
				arena_free(w->a, o[i].p);
		}
		o[i] = alloc_one(w->a, &w->x);
		if (!o[i].p || !filled_with(o[i].p, o[i].size, 0)) {
			w->failed = true;
			return NULL;
		}
		memset(o[i].p, w->number, o[i].size);
	}
	for (i = 0; i < 32; i++)
		arena_free(w->a, o[i].p ? o[i].p : arena_alloc(w->a, 64, 64));
	return NULL;
}

static void *free_others(void *arg)
{
	struct worker *w = arg;
	int i;

	for (i = 0; i < w->left_count; i++) {
		w->failed |= !filled_with(w->left[i].p, w->left[i].size, (char)w->number);
		arena_free(w->a, w->left[i].p);
	}
	return NULL;
}

static void run_all(struct worker *w, void *(*fn)(void *arg))
{
	int i;

	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&w[i].thread, NULL, fn, &w[i]), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
	for (i = 0; i < THREADS; i++)
		assert_false(w[i].failed);
}

static void threads_allocate_and_free(void **state)
{
	struct worker *w = calloc(THREADS, sizeof(*w));
	struct arena a;
	int i;

	(void)state;
	assert_non_null(w);
	assert_int_equal(arena_create(&a, 4 * GIB), 0);
	for (i = 0; i < THREADS; i++) {
		w[i].a = &a;
		w[i].x = 1000 + (uint64_t)i;
		w[i].number = i + 1;
	}
	run_all(w, allocate);
	/* Other threads than those that allocated them. */
	run_all(w, free_others);
	arena_destroy(&a);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_do_not_overlap),
		cmocka_unit_test(freed_memory_is_used_again),
		cmocka_unit_test(the_same_offsets_every_time),
		cmocka_unit_test(the_range_ends),
		cmocka_unit_test(more_than_there_is),
		cmocka_unit_test(gives_its_addresses_back),
		cmocka_unit_test(reserved_memory_reads_as_zeroes),
		cmocka_unit_test(threads_allocate_and_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
