/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore_buffer.c - store buffers, as x86-TSO has them (Owens, Sarkar and Sewell, TPHOLs 2009)
 *
 * A CPU's plain stores wait in a buffer and go to memory in their order; when each of them goes is a step of the
 * schedule. While a CPU runs, what it has buffered lies over memory, so that its loads see it; while anybody else
 * runs, it does not. Which accesses others notice makes no difference to when stores go: a replay is the same
 * whether all accesses are scheduling points or a few.
 */
#include <string.h>

#include "sim/exec/explore_internal.h"

static struct store_buffer *buffer_of(struct explore *x, uint32_t cpu)
{
	return &x->buffers[cpu];
}

/* The one that was appended last has happened by now. */
static void settle(struct store_buffer *b)
{
	struct buffered *s;

	if (!b->open)
		return;
	s = &b->store[b->count - 1];
	memcpy(s->value, s->p, s->size);
	b->open = false;
}

void explore_buffer_enter(struct explore *x, uint32_t cpu)
{
	struct store_buffer *b = buffer_of(x, cpu);
	uint32_t i;

	for (i = 0; i < b->count; i++) {
		struct buffered *s = &b->store[i];

		memcpy(s->under, s->p, s->size);
		memcpy(s->p, s->value, s->size);
	}
}

void explore_buffer_leave(struct explore *x, uint32_t cpu)
{
	struct store_buffer *b = buffer_of(x, cpu);
	uint32_t i;

	settle(b);
	for (i = b->count; i--;)
		memcpy(b->store[i].p, b->store[i].under, b->store[i].size);
}

void explore_buffer_append(struct explore *x, const void *p, size_t size)
{
	struct store_buffer *b = buffer_of(x, x->current);
	struct buffered *s;

	settle(b);
	assert(b->count < EXPLORE_BUFFERED_STORES && size <= sizeof(s->value));
	s = &b->store[b->count++];
	s->p = (void *)(uintptr_t)p;
	s->size = (uint8_t)size;
	memcpy(s->under, p, size);
	b->open = true;
	explore_log_buffered(x, p);
}

/* The oldest store of a CPU that is not running. */
static void drain(struct explore *x, uint32_t cpu)
{
	struct store_buffer *b = buffer_of(x, cpu);
	struct buffered s = b->store[0];

	b->count--;
	memmove(b->store, b->store + 1, b->count * sizeof(b->store[0]));
	x->reached[EXPLORE_FIRST_BUFFER + cpu]++;
	explore_check_not_freed_by_others(x, s.p, cpu);
	explore_save_line(x, s.p);
	explore_record_write(x, s.p, cpu);
	if (x->on_store)
		x->on_store(x->on_store_arg, s.p);
	explore_log_drained(x, s.p, cpu);
	memcpy(s.p, s.value, s.size);
}

void explore_buffer_step(struct explore *x, uint32_t cpu)
{
	drain(x, cpu);
}

void explore_buffer_drain_all(struct explore *x)
{
	uint32_t cpu;

	if (x->current < x->cpu_count)
		explore_buffer_leave(x, x->current);
	for (cpu = 0; cpu < x->cpu_count; cpu++)
		while (buffer_of(x, cpu)->count)
			drain(x, cpu);
}

void explore_store_buffers(struct explore *x, bool on)
{
	assert(!x->running && x->cpu_count <= EXPLORE_MAX_BUFFERS);
	x->tso = on;
}
