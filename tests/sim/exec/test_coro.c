/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_coro.c - switch order, stack depth, ten thousand coroutines, and stacks that are given back in use
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sim/exec/coro.h"

#ifdef CORO_TSAN
#define MANY 512 /* TSan has no room for more fibers */
#else
#define MANY 10000
#endif

/* Assertions stay on the thread's own stack: cmocka fails with longjmp(). */
struct player {
	struct coro coro;
	struct coro *back;
	uint32_t *trace;
	uint32_t *trace_count;
	uint32_t number;
	uint64_t local_sum; /* of numbers kept on the coroutine's stack */
};

static void record(struct player *p, uint32_t value)
{
	p->trace[(*p->trace_count)++] = value;
}

static void play_forever(void *arg)
{
	struct player *p = arg;
	volatile uint64_t own[8];
	uint32_t round, i;

	for (i = 0; i < 8; i++)
		own[i] = p->number;
	for (round = 0;; round++) {
		record(p, p->number * 100 + round);
		coro_switch(&p->coro, p->back);
		p->local_sum = 0;
		for (i = 0; i < 8; i++)
			p->local_sum += ++own[i];
	}
}

static void test_switch_order(void **state)
{
	static const uint32_t expected[] = { 100, 300, 200, 301, 101, 102, 201, 302 };
	static const uint32_t order[] = { 1, 3, 2, 3, 1, 1, 2, 3 };
	struct player p[4] = { 0 };
	uint32_t trace[16], count = 0, i;
	struct coro self;

	(void)state;
	coro_adopt_thread(&self);
	for (i = 1; i < 4; i++) {
		p[i] = (struct player){ .back = &self, .trace = trace, .trace_count = &count, .number = i };
		assert_int_equal(coro_create(&p[i].coro, play_forever, &p[i]), 0);
	}
	assert_int_equal(count, 0); /* nothing runs before it is switched to */
	for (i = 0; i < 8; i++) {
		coro_switch(&self, &p[order[i]].coro);
		assert_int_equal(count, i + 1);
	}
	assert_memory_equal(trace, expected, sizeof(expected));
	for (i = 1; i < 4; i++)
		coro_destroy(&p[i].coro);
}

struct ring {
	struct player *p;
	struct coro *home;
	uint32_t count;
	uint64_t hops, hop_limit;
};

struct ring_arg {
	struct ring *ring;
	uint32_t index;
};

/* Passes control on to its neighbour; nobody goes home before the last hop. */
static void pass_on(void *arg)
{
	struct ring_arg *a = arg;
	struct ring *r = a->ring;

	for (;;) {
		struct coro *me = &r->p[a->index].coro;

		r->p[a->index].local_sum += a->index + ++r->hops;
		if (r->hops == r->hop_limit)
			coro_switch(me, r->home);
		else
			coro_switch(me, &r->p[(a->index + 1) % r->count].coro);
	}
}

/* From coroutine to coroutine, without going through the thread's stack. */
static void test_many_in_a_ring(void **state)
{
	struct ring r = { .count = MANY, .hop_limit = 3UL * MANY };
	struct ring_arg *args = calloc(MANY, sizeof(*args));
	struct coro self;
	uint32_t i;

	(void)state;
	r.p = calloc(MANY, sizeof(*r.p));
	assert_non_null(args);
	assert_non_null(r.p);
	coro_adopt_thread(&self);
	r.home = &self;
	for (i = 0; i < MANY; i++) {
		args[i] = (struct ring_arg){ &r, i };
		assert_int_equal(coro_create(&r.p[i].coro, pass_on, &args[i]), 0);
	}
	coro_switch(&self, &r.p[0].coro);
	assert_int_equal(r.hops, r.hop_limit);
	for (i = 0; i < MANY; i++) {
		assert_int_equal(r.p[i].local_sum, 3UL * i + 3UL * (i + 1) + 3UL * MANY);
		coro_destroy(&r.p[i].coro);
	}
	free(args);
	free(r.p);
}

#define FRAME_SIZE 1024

static __attribute__((noinline)) uint64_t descend(struct player *p, uint32_t depth)
{
	volatile char frame[FRAME_SIZE];
	uint64_t below = 0;
	size_t i;

	for (i = 0; i < sizeof(frame); i++)
		frame[i] = (char)(depth + i);
	if (depth)
		below = descend(p, depth - 1);
	else
		coro_switch(&p->coro, p->back);
	for (i = 0; i < sizeof(frame); i++)
		if (frame[i] != (char)(depth + i))
			return UINT64_MAX;
	return below + 1;
}

static void dive(void *arg)
{
	struct player *p = arg;

	p->local_sum = descend(p, p->number);
	for (;;)
		coro_switch(&p->coro, p->back);
}

/* The same with frames that lie elsewhere: redzones left behind by descend() would be in their way. */
static __attribute__((noinline)) uint64_t descend_small(struct player *p, uint32_t depth)
{
	volatile char frame[72];
	uint64_t below = 0;

	memset((char *)frame, (int)depth, sizeof(frame));
	if (depth)
		below = descend_small(p, depth - 1);
	else
		coro_switch(&p->coro, p->back);
	return below + (frame[depth % sizeof(frame)] == (char)depth);
}

static void dive_small(void *arg)
{
	struct player *p = arg;

	p->local_sum = descend_small(p, p->number);
	for (;;)
		coro_switch(&p->coro, p->back);
}

/* Most of the 60 KiB that a stack has without sanitizers, two of them at the same time. */
static void test_deep_stacks(void **state)
{
	struct player a = { .number = 48 }, b = { .number = 48 };
	struct coro self;

	(void)state;
	coro_adopt_thread(&self);
	a.back = b.back = &self;
	assert_int_equal(coro_create(&a.coro, dive, &a), 0);
	assert_int_equal(coro_create(&b.coro, dive, &b), 0);
	coro_switch(&self, &a.coro);
	coro_switch(&self, &b.coro);
	assert_int_equal(a.local_sum, 0);
	coro_switch(&self, &a.coro);
	assert_int_equal(a.local_sum, 49);
	assert_int_equal(b.local_sum, 0);
	coro_switch(&self, &b.coro);
	assert_int_equal(b.local_sum, 49);
	coro_destroy(&a.coro);
	coro_destroy(&b.coro);
}

/* A simulation ends with its coroutines in the middle of something; their addresses are soon used again. */
static void test_destroyed_in_use(void **state)
{
	struct coro self;
	uint32_t i;

	(void)state;
	coro_adopt_thread(&self);
	for (i = 0; i < 200; i++) {
		struct player p = { .back = &self, .number = 10 + i % 37 };

		assert_int_equal(coro_create(&p.coro, i & 1 ? dive_small : dive, &p), 0);
		coro_switch(&self, &p.coro);
		assert_int_equal(p.local_sum, 0);
		coro_destroy(&p.coro);
		coro_destroy(&p.coro); /* a second time does nothing */
	}
}

/* The addresses belong to somebody else by then. */
static void test_destroyed_twice(void **state)
{
	struct player old = { 0 }, young = { .number = 20 };
	struct coro self;

	(void)state;
	coro_adopt_thread(&self);
	young.back = &self;
	assert_int_equal(coro_create(&old.coro, dive, &old), 0);
	coro_destroy(&old.coro);
	assert_int_equal(coro_create(&young.coro, dive, &young), 0);
	coro_destroy(&old.coro);
	coro_switch(&self, &young.coro);
	coro_switch(&self, &young.coro);
	assert_int_equal(young.local_sum, 21);
	coro_destroy(&young.coro);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_switch_order),	cmocka_unit_test(test_many_in_a_ring),
		cmocka_unit_test(test_deep_stacks),	cmocka_unit_test(test_destroyed_in_use),
		cmocka_unit_test(test_destroyed_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
