/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/event_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int event_queue_init(struct event_queue *q, uint32_t capacity)
{
	assert(capacity);
	memset(q, 0, sizeof(*q));
	q->heap = malloc(capacity * sizeof(*q->heap));
	if (!q->heap)
		return -ENOMEM;
	q->capacity = capacity;
	return 0;
}

void event_queue_destroy(struct event_queue *q)
{
	free(q->heap);
	memset(q, 0, sizeof(*q));
}

int event_queue_grow(struct event_queue *q)
{
	struct event *heap = realloc(q->heap, 2UL * q->capacity * sizeof(*heap));

	if (!heap)
		return -ENOMEM;
	q->heap = heap;
	q->capacity *= 2;
	return 0;
}
