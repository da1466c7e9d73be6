/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_event_queue.c - the heap against a sorted array
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sim/exec/event_queue.h"
#include "sim/rng.h"

#define MAX_EVENTS 4096

/* The reference: pending events, earliest first; a new one goes behind those of its own time. */
struct sorted {
	uint64_t time_ps[MAX_EVENTS];
	uint64_t arg[MAX_EVENTS];
	uint32_t count;
};

static struct event event(uint64_t time_ps, uint64_t seq, void *target, uint64_t arg)
{
	return (struct event){ .time_ps = time_ps, .seq = seq, .target = target, .arg = arg };
}

static void sorted_insert(struct sorted *r, uint64_t time_ps, uint64_t arg)
{
	uint32_t at = r->count, i;

	assert_true(r->count < MAX_EVENTS);
	while (at && r->time_ps[at - 1] > time_ps)
		at--;
	for (i = r->count; i > at; i--) {
		r->time_ps[i] = r->time_ps[i - 1];
		r->arg[i] = r->arg[i - 1];
	}
	r->time_ps[at] = time_ps;
	r->arg[at] = arg;
	r->count++;
}

static void sorted_remove_first(struct sorted *r)
{
	r->count--;
	memmove(r->time_ps, r->time_ps + 1, r->count * sizeof(r->time_ps[0]));
	memmove(r->arg, r->arg + 1, r->count * sizeof(r->arg[0]));
}

static void assert_first(const struct sorted *r, struct event ev)
{
	assert_int_equal(ev.time_ps, r->time_ps[0]);
	assert_int_equal(ev.arg, r->arg[0]);
	assert_ptr_equal(ev.target, r);
}

static void drain(struct event_queue *q, struct sorted *r)
{
	while (r->count) {
		assert_int_equal(event_queue_horizon(q), r->time_ps[0]);
		assert_first(r, event_queue_pop(q));
		sorted_remove_first(r);
	}
	assert_int_equal(q->count, 0);
	assert_true(event_queue_horizon(q) == EVENT_NEVER);
}

/* Times are below @span: a narrow one makes most of them equal. */
static void compare(uint64_t seed, uint64_t span, uint32_t steps, uint32_t push_pct)
{
	static _Thread_local struct sorted r;
	struct event_queue q;
	struct rng rng;
	uint32_t i;

	r.count = 0;
	rng_seed(&rng, seed, 0);
	assert_int_equal(event_queue_init(&q, 1), 0);
	for (i = 0; i < steps; i++) {
		uint64_t time_ps = rng_below(&rng, span), what = rng_below(&rng, 100);

		if (!r.count || (what < push_pct && r.count < MAX_EVENTS)) {
			assert_int_equal(event_queue_push(&q, event(time_ps, i, &r, i)), 0);
			sorted_insert(&r, time_ps, i);
		} else if (what & 1) {
			assert_first(&r, event_queue_pop(&q));
			sorted_remove_first(&r);
		} else {
			assert_first(&r, event_queue_replace(&q, event(time_ps, i, &r, i)));
			sorted_remove_first(&r);
			sorted_insert(&r, time_ps, i);
		}
		assert_int_equal(q.count, r.count);
		assert_true(event_queue_horizon(&q) == (r.count ? r.time_ps[0] : EVENT_NEVER));
	}
	drain(&q, &r);
	event_queue_destroy(&q);
}

static void test_against_sorted_array(void **state)
{
	static const uint64_t spans[] = { 1, 2, 7, 100, 100000, UINT64_MAX };
	uint64_t seed;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		for (seed = 1; seed <= 5; seed++) {
			compare(seed, spans[i], 4000, 30); /* hovers near empty */
			compare(seed, spans[i], 4000, 60); /* grows */
		}
	}
}

static void test_equal_times_keep_insertion_order(void **state)
{
	struct event_queue q;
	uint64_t i;

	(void)state;
	assert_int_equal(event_queue_init(&q, 4), 0);
	for (i = 0; i < 1000; i++)
		assert_int_equal(event_queue_push(&q, event(5, i, NULL, i)), 0);
	/* Each replacement goes behind everything that was there. */
	for (i = 0; i < 500; i++)
		assert_int_equal(event_queue_replace(&q, event(5, 1000 + i, NULL, 1000 + i)).arg, i);
	for (i = 500; i < 1500; i++) {
		struct event ev = event_queue_pop(&q);

		assert_int_equal(ev.arg, i);
		assert_int_equal(ev.seq, i);
	}
	event_queue_destroy(&q);
}

/* Times decide before sequence numbers, over the whole range of both. */
static void test_order(void **state)
{
	static const struct event sorted[] = {
		{ .time_ps = 0, .seq = UINT64_MAX },
		{ .time_ps = 1, .seq = 0 },
		{ .time_ps = 1, .seq = 1 },
		{ .time_ps = 1, .seq = UINT64_MAX },
		{ .time_ps = 1ULL << 63, .seq = 5 },
		{ .time_ps = UINT64_MAX, .seq = 0 },
		{ .time_ps = UINT64_MAX, .seq = 1ULL << 63 },
	};
	const size_t count = sizeof(sorted) / sizeof(sorted[0]);
	size_t i, k;

	(void)state;
	for (i = 0; i < count; i++)
		for (k = 0; k < count; k++)
			assert_int_equal(event_before(&sorted[i], &sorted[k]), i < k);
}

static void test_growth_keeps_everything(void **state)
{
	struct event_queue q;
	uint64_t i;

	(void)state;
	assert_int_equal(event_queue_init(&q, 1), 0);
	assert_int_equal(q.capacity, 1);
	for (i = 0; i < 100000; i++)
		assert_int_equal(event_queue_push(&q, event(100000 - i, i, &q, i)), 0);
	assert_int_equal(q.count, 100000);
	assert_int_equal(q.capacity, 131072);
	for (i = 0; i < 100000; i++) {
		struct event ev = event_queue_pop(&q);

		assert_int_equal(ev.time_ps, i + 1);
		assert_int_equal(ev.arg, 99999 - i);
		assert_ptr_equal(ev.target, &q);
	}
	event_queue_destroy(&q);
	assert_null(q.heap);
	assert_int_equal(q.capacity, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_sorted_array),
		cmocka_unit_test(test_equal_times_keep_insertion_order),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_growth_keeps_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
