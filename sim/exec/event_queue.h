/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * event_queue.h - pending events in order of (time, sequence number): a 4-ary heap
 *
 * The sequence number is the caller's, unique, so that no two events compare equal and the order never depends on
 * addresses or on the heap's shape.
 */
#ifndef SIMBENCH_EXEC_EVENT_QUEUE_H
#define SIMBENCH_EXEC_EVENT_QUEUE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define EVENT_NEVER UINT64_MAX

__extension__ typedef unsigned __int128 event_key_t;

struct event {
	uint64_t time_ps;
	uint64_t seq;
	void *target;
	uint64_t arg;
};

struct event_queue {
	struct event *heap; /* heap[0] is the earliest */
	uint32_t count;
	uint32_t capacity;
};

/* Returns 0 or -ENOMEM. */
int event_queue_init(struct event_queue *q, uint32_t capacity);
void event_queue_destroy(struct event_queue *q);

/* Doubles the capacity; returns 0 or -ENOMEM. */
int event_queue_grow(struct event_queue *q);

/* Time and sequence number as one number: comparing it takes no branch. */
static inline event_key_t event_key(const struct event *ev)
{
	return (event_key_t)ev->time_ps << 64 | ev->seq;
}

static inline bool event_before(const struct event *a, const struct event *b)
{
	return event_key(a) < event_key(b);
}

/* Time of the earliest event in ps, EVENT_NEVER when there is none. */
static inline uint64_t event_queue_horizon(const struct event_queue *q)
{
	return q->count ? q->heap[0].time_ps : EVENT_NEVER;
}

static inline void event_sift_up(struct event *heap, uint32_t hole, struct event ev)
{
	while (hole) {
		uint32_t parent = (hole - 1) / 4;

		if (!event_before(&ev, &heap[parent]))
			break;
		heap[hole] = heap[parent];
		hole = parent;
	}
	heap[hole] = ev;
}

static inline uint32_t event_earlier(const struct event *heap, uint32_t a, uint32_t b)
{
	return event_before(&heap[b], &heap[a]) ? b : a;
}

/* The earliest of a node's children; the first of them exists. */
static inline uint32_t event_best_child(const struct event *heap, uint32_t first, uint32_t count)
{
	uint32_t best = first, i;

	if (first + 4 <= count)
		return event_earlier(heap, event_earlier(heap, first, first + 1),
				     event_earlier(heap, first + 2, first + 3));
	for (i = first + 1; i < count; i++)
		best = event_earlier(heap, best, i);
	return best;
}

static inline void event_sift_down(struct event *heap, uint32_t count, struct event ev)
{
	uint32_t hole = 0;

	for (;;) {
		uint32_t first = hole * 4 + 1, best;

		if (first >= count)
			break;
		best = event_best_child(heap, first, count);
		if (!event_before(&heap[best], &ev))
			break;
		heap[hole] = heap[best];
		hole = best;
	}
	heap[hole] = ev;
}

/* Adds an event; returns 0 or -ENOMEM. */
static inline int event_queue_push(struct event_queue *q, struct event ev)
{
	if (__builtin_expect(q->count == q->capacity, 0)) {
		int ret = event_queue_grow(q);

		if (ret)
			return ret;
	}
	event_sift_up(q->heap, q->count++, ev);
	return 0;
}

/* Takes the earliest event out; there must be one. */
static inline struct event event_queue_pop(struct event_queue *q)
{
	struct event top;

	assert(q->count);
	top = q->heap[0];
	if (--q->count)
		event_sift_down(q->heap, q->count, q->heap[q->count]);
	return top;
}

/* Takes the earliest event out and adds @ev, in a single pass; there must be one, and not after @ev. */
static inline struct event event_queue_replace(struct event_queue *q, struct event ev)
{
	struct event top;

	assert(q->count);
	top = q->heap[0];
	event_sift_down(q->heap, q->count, ev);
	return top;
}

#endif
