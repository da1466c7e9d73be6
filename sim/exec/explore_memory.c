/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore_memory.c - what schedules see of memory, and how it is put back; which places others can notice
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exec/explore_internal.h"
#include "sim/exec/timer.h"

struct word *explore_word_of(struct explore *x, const void *p)
{
	size_t offset = (size_t)((const char *)p - x->base);

	assert(offset < x->used);
	return &x->words[offset / 8];
}

static struct line_state *line_state_of(struct explore *x, const void *p)
{
	return &x->lines[((size_t)((const char *)p - x->base)) / CACHE_LINE_SIZE];
}

static bool in_a_heap(const struct explore *x, const void *p)
{
	uint32_t i;

	for (i = 0; i < x->cpu_count; i++)
		if ((size_t)((const char *)p - x->agents[i].heap) < HEAP_SIZE)
			return true;
	return false;
}

/* Keeps what is there before the first change of a schedule. Heaps are emptied as a whole. */
void explore_save_line(struct explore *x, const void *p)
{
	struct line_state *l = line_state_of(x, p);
	struct undo *u;

	if (l->saved_run == x->run)
		return;
	l->saved_run = x->run;
	if (in_a_heap(x, p))
		return;
	if (x->undo_count == x->undo_capacity) {
		uint32_t capacity = x->undo_capacity ? 2 * x->undo_capacity : 256;

		u = realloc(x->undo, capacity * sizeof(*u));
		if (!u) {
			x->error = -ENOMEM;
			x->stop = true;
			return;
		}
		x->undo = u;
		x->undo_capacity = capacity;
	}
	u = &x->undo[x->undo_count++];
	u->line = (uint32_t)(l - x->lines);
	memcpy(u->content, x->base + (size_t)u->line * CACHE_LINE_SIZE, CACHE_LINE_SIZE);
}

const struct obj_type *explore_object_of(const struct explore *x, const void *p, uint32_t *offset)
{
	const struct region *r = &x->sim->region;
	const struct line_object *o;
	uint32_t i;

	for (i = 0; i < x->allocation_count; i++) {
		*offset = (uint32_t)((const char *)p - x->allocations[i].p);
		if (*offset < x->allocations[i].size)
			return x->allocations[i].type;
	}
	o = &r->objects[region_line_index(r, p)];
	*offset = o->index * CACHE_LINE_SIZE + (uint32_t)((uintptr_t)p % CACHE_LINE_SIZE);
	return o->type ? r->types[o->type - 1] : NULL;
}

const struct obj_type *explore_type_of(const struct explore *x, const void *p)
{
	uint32_t offset;

	return explore_object_of(x, p, &offset);
}

const struct obj_type *explore_pointed_type(const struct explore *x, const void *p)
{
	return (size_t)((const char *)p - x->base) < x->used ? explore_type_of(x, p) : NULL;
}

void explore_check_not_freed(struct explore *x, const void *p, const char *what, const char *rule)
{
	const struct obj_type *type;

	if (line_state_of(x, p)->freed_run != x->run)
		return;
	type = explore_type_of(x, p);
	explore_violation(x, rule, "%s a freed %s", what, type ? type->name : "object");
}

void explore_check_not_freed_by_others(struct explore *x, const void *p, uint32_t cpu)
{
	if (line_state_of(x, p)->freed_by != cpu)
		explore_check_not_freed(x, p, "writes, out of its store buffer,", "M4");
}

void *explore_alloc(struct explore *x, const struct obj_type *type, size_t size, size_t align)
{
	uint32_t rounded = ((uint32_t)size + CACHE_LINE_SIZE - 1) & ~(CACHE_LINE_SIZE - 1U), at;
	struct agent *a = &x->agents[x->current];

	if (++a->allocations == a->fail_at) {
		x->allocation_failed = true;
		explore_say(x, "allocation of a %s fails", type->name);
		return NULL;
	}
	at = (a->heap_used + (uint32_t)align - 1) & ~((uint32_t)align - 1);
	if (at + rounded > HEAP_SIZE || x->allocation_count == MAX_ALLOCATIONS)
		return NULL;
	a->heap_used = at + rounded;
	x->allocations[x->allocation_count++] = (struct allocation){ a->heap + at, rounded, type, false };
	x->sim->region.live_objects++;
	return a->heap + at;
}

static struct allocation *allocation_at(struct explore *x, const void *p)
{
	uint32_t i;

	for (i = 0; i < x->allocation_count; i++)
		if (x->allocations[i].p == p)
			return &x->allocations[i];
	return NULL;
}

static void free_object(struct explore *x, void *p, bool after_rcu)
{
	const struct obj_type *type = explore_type_of(x, p);
	struct allocation *a = allocation_at(x, p);
	size_t size = a ? a->size : arena_size_of(&x->sim->region.memory, p), i;

	explore_release(x, p, size, after_rcu);
	if (line_state_of(x, p)->freed_run == x->run)
		explore_violation(x, "M6", "a %s is freed twice", type ? type->name : "object");
	if (a)
		a->freed = true;
	else if (x->freed_count++ < MAX_FREED)
		x->freed[x->freed_count - 1] = p;
	for (i = 0; i < size; i += CACHE_LINE_SIZE) {
		struct line_state *l = line_state_of(x, (char *)p + i);

		l->freed_run = x->run;
		l->freed_by = x->current;
	}
	x->sim->region.live_objects--;
	explore_say(x, "    free %s", type ? type->name : "object");
}

void explore_free_after_rcu(struct explore *x, void *p)
{
	/* A grace period has a barrier on every CPU. */
	if (x->tso)
		explore_buffer_drain_all(x);
	free_object(x, p, true);
}

void explore_free(struct explore *x, void *p)
{
	if (p)
		free_object(x, p, false);
}

static uint64_t mix(uint64_t hash, uint64_t v)
{
	hash = (hash ^ v) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

static uint64_t hash_words(uint64_t seed, const void *p, size_t size)
{
	const uint64_t *word = p;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		seed = mix(seed, word[i]);
	return seed;
}

/* Sums, as the order in which lines and objects were first touched differs. */
uint64_t explore_state_hash(const struct explore *x)
{
	uint64_t sum = mix(x->verdict->outcome, (uint64_t)x->verdict->rule[1]);
	uint32_t i;

	for (i = 0; i < x->undo_count; i++) {
		const char *line = x->base + (size_t)x->undo[i].line * CACHE_LINE_SIZE;

		if (memcmp(line, x->undo[i].content, CACHE_LINE_SIZE))
			sum += hash_words(x->undo[i].line, line, CACHE_LINE_SIZE);
	}
	for (i = 0; i < x->allocation_count; i++) {
		const struct allocation *a = &x->allocations[i];

		if (!a->freed)
			sum += hash_words((uint64_t)(a->p - x->base), a->p, a->size);
	}
	return sum;
}

uint64_t explore_log_hash(const struct explore *x)
{
	uint64_t hash = 1;
	uint32_t i;

	for (i = 0; i < x->event_count; i++) {
		const struct explore_event *e = &x->events[i];

		if (e->kind == EVENT_TEXT)
			continue;
		hash = mix(mix(hash, e->agent), e->kind);
		hash = mix(hash, e->address ? (uint64_t)((const char *)e->address - x->base) : 0);
		hash = mix(hash, e->before);
	}
	return hash;
}

void explore_reset_memory(struct explore *x)
{
	uint32_t i;

	for (i = x->undo_count; i--;)
		memcpy(x->base + (size_t)x->undo[i].line * CACHE_LINE_SIZE, x->undo[i].content, CACHE_LINE_SIZE);
	x->undo_count = 0;
	for (i = 0; i < x->cpu_count; i++) {
		struct agent *a = &x->agents[i];

		memset(a->heap, 0, a->heap_used);
		a->heap_used = 0;
	}
	x->allocation_count = 0;
	x->freed_count = 0;
	sim_free_timers(x->sim);
	for (i = 0; i < x->watched_count; i++)
		memcpy(x->watched[i].p, x->watched[i].copy, x->watched[i].size);
}

/* A location for all words of a polled object's line. */
static void mark_polled(struct explore *x)
{
	const struct region *r = &x->sim->region;
	size_t line, i;

	for (line = 0; line < x->used / CACHE_LINE_SIZE; line++) {
		uint16_t type = r->objects[line].type;

		if (!type || !r->types[type - 1]->polled)
			continue;
		for (i = 0; i < CACHE_LINE_SIZE / 8; i++) {
			struct word *w = &x->words[line * (CACHE_LINE_SIZE / 8) + i];

			w->flags = WORD_POLLED;
			w->location = x->location_count++;
		}
	}
}

int explore_init_memory(struct explore *x)
{
	x->base = x->sim->region.memory.base;
	x->used = x->sim->region.memory.used;
	x->words = calloc(x->used / 8 + 1, sizeof(*x->words));
	x->lines = calloc(x->used / CACHE_LINE_SIZE + 1, sizeof(*x->lines));
	if (!x->words || !x->lines)
		return -ENOMEM;
	mark_polled(x);
	return 0;
}

/* ---- locations ---- */

struct place *explore_place_of(struct explore *x, uintptr_t key)
{
	struct place *more;
	uint32_t i;

	for (i = 0; i < x->place_count; i++)
		if (x->places[i].key == key)
			return &x->places[i];
	if (x->place_count == x->place_capacity) {
		x->place_capacity = x->place_capacity ? 2 * x->place_capacity : 64;
		more = realloc(x->places, x->place_capacity * sizeof(*more));
		assert(more);
		x->places = more;
	}
	x->places[x->place_count] = (struct place){ .key = key, .location = UINT32_MAX };
	return &x->places[x->place_count++];
}

uint32_t explore_location(struct explore *x, uintptr_t key)
{
	if (!x)
		return 0;
	return (uint32_t)(explore_place_of(x, key) - x->places);
}

/* Whether an access is one that others can notice. Owners and flags last over schedules. */
bool explore_notice(struct explore *x, uint8_t *owner, uint8_t *flags, uint32_t *location, bool write)
{
	/* Whether a poll finds what it waits for at once or later makes no difference. */
	if (*flags & WORD_POLLED)
		return false;
	if (!(*flags & WORD_VISIBLE)) {
		if (!*owner)
			*owner = x->current + 1;
		if (write)
			*flags |= WORD_WRITTEN;
		if (*owner != x->current + 1) {
			*owner = SEVERAL;
			if (*flags & WORD_WRITTEN) {
				*flags |= WORD_VISIBLE;
				*location = x->location_count++;
				x->new_words = true;
			}
		}
	}
	return *flags & WORD_VISIBLE;
}
