/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore_leak.c - what nothing refers to at the end of a schedule
 *
 * What the schedule has allocated: marks from what has changed: a reference to a new object can only be in memory
 * that the schedule has written. Any word counts as a reference that has the address of a byte of the object,
 * virtual or physical.
 *
 * What was there before: words that refer to each object from outside of it are counted at the snapshot, and what
 * has changed is taken off and added. An object that loses its last one is lost, unless host memory refers to it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exec/explore_internal.h"

/* Bits of a page-table or context entry that are an address, or may be. */
#define ENTRY_ADDRESS_MASK 0x000ffffffffff000ULL

struct marks {
	const struct explore *x;
	uint32_t stack[MAX_ALLOCATIONS];
	uint32_t depth;
	bool marked[MAX_ALLOCATIONS];
};

static void mark_address(struct marks *m, uint64_t offset)
{
	const struct explore *x = m->x;
	uint32_t i;

	if (offset >= x->used)
		return;
	for (i = 0; i < x->allocation_count; i++) {
		const struct allocation *a = &x->allocations[i];

		if (m->marked[i] || a->freed || offset - (uint64_t)(a->p - x->base) >= a->size)
			continue;
		m->marked[i] = true;
		m->stack[m->depth++] = i;
	}
}

static bool is_empty(const uint64_t *line)
{
	return !(line[0] | line[1] | line[2] | line[3] | line[4] | line[5] | line[6] | line[7]);
}

/* The first of the words from @i on that may not be 0, or @count: tables are mostly empty. */
static size_t pass_empty(const uint64_t *word, size_t i, size_t count)
{
	while (count - i >= 8 && is_empty(&word[i]))
		i += 8;
	return i;
}

static void mark_from(struct marks *m, const void *p, size_t size)
{
	const uint64_t *word = p;
	uint64_t first_phys = region_phys(&m->x->sim->region, m->x->base);
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++) {
		i = pass_empty(word, i, size / sizeof(*word));
		if (i == size / sizeof(*word))
			break;
		if (!word[i])
			continue;
		mark_address(m, word[i] - (uintptr_t)m->x->base);
		mark_address(m, (word[i] & ENTRY_ADDRESS_MASK) - first_phys);
	}
}

static const uint64_t *line_now(const struct explore *x, const struct undo *u)
{
	return (const uint64_t *)(x->base + (size_t)u->line * CACHE_LINE_SIZE);
}

/* From what has changed. */
static void mark_from_changes(struct marks *m, const void *now, const void *before, size_t size)
{
	const uint64_t *is = now, *was = before;
	size_t i;

	for (i = 0; i < size / sizeof(*is); i++) {
		/* Most of it is as it was. */
		while (size / sizeof(*is) - i >= 8 && !memcmp(&is[i], &was[i], 8 * sizeof(*is)))
			i += 8;
		if (i == size / sizeof(*is))
			break;
		if (is[i] != was[i])
			mark_from(m, &is[i], sizeof(*is));
	}
}

/* ---- objects from before the schedule ---- */

#define NO_OBJECT UINT32_MAX

/* The first line of the live object that a byte of simulated memory belongs to. */
static uint32_t object_at(const struct explore *x, uint64_t offset)
{
	const struct line_object *o;
	uint32_t line = (uint32_t)(offset / CACHE_LINE_SIZE);

	if (offset >= x->used)
		return NO_OBJECT;
	o = &x->sim->region.objects[line];
	if (!o->type || o->index > line || !o[-(int)o->index].live)
		return NO_OBJECT;
	return line - o->index;
}

/* Entries of tables refer to whole pages; two small numbers in one word must not look like an entry. */
static bool is_page(const struct explore *x, uint32_t object)
{
	const char *p = x->base + (size_t)object * CACHE_LINE_SIZE;

	return object % (PAGE_SIZE / CACHE_LINE_SIZE) == 0 && arena_size_of(&x->sim->region.memory, p) >= PAGE_SIZE;
}

static uint32_t object_referred(const struct explore *x, uint64_t word)
{
	uint32_t object;

	if (!word)
		return NO_OBJECT;
	object = object_at(x, word - (uintptr_t)x->base);
	if (object != NO_OBJECT)
		return object;
	object = object_at(x, (word & ENTRY_ADDRESS_MASK) - region_phys(&x->sim->region, x->base));
	return object != NO_OBJECT && is_page(x, object) ? object : NO_OBJECT;
}

/* Of the words at @p, which stand at @at in simulated memory. */
static void count_words(struct explore *x, const void *p, const char *at, size_t size, int by)
{
	uint32_t self = object_at(x, (uint64_t)(at - x->base)), object;
	const uint64_t *word = p;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++) {
		i = pass_empty(word, i, size / sizeof(*word));
		if (i == size / sizeof(*word))
			break;
		object = object_referred(x, word[i]);
		if (object != NO_OBJECT && object != self)
			x->references[object] += (uint32_t)by;
	}
}

int explore_count_references(struct explore *x)
{
	size_t line;

	x->references = calloc(x->used / CACHE_LINE_SIZE + 1, sizeof(*x->references));
	if (!x->references)
		return -ENOMEM;
	for (line = 0; line < x->used / CACHE_LINE_SIZE; line++) {
		const char *p = x->base + line * CACHE_LINE_SIZE;

		if (object_at(x, line * CACHE_LINE_SIZE) != NO_OBJECT)
			count_words(x, p, p, CACHE_LINE_SIZE, 1);
	}
	return 0;
}

/* What the schedule has changed, in or out of the counts. */
static void count_changes(struct explore *x, int by)
{
	uint32_t i, k;

	for (i = 0; i < x->undo_count; i++) {
		const uint64_t *now = line_now(x, &x->undo[i]), *before = x->undo[i].content;

		for (k = 0; k < CACHE_LINE_SIZE / sizeof(*now); k++) {
			if (now[k] == before[k])
				continue;
			count_words(x, &before[k], (const char *)&now[k], sizeof(*now), -by);
			count_words(x, &now[k], (const char *)&now[k], sizeof(*now), by);
		}
	}
	for (i = 0; i < x->freed_count; i++)
		count_words(x, x->freed[i], x->freed[i], arena_size_of(&x->sim->region.memory, x->freed[i]), -by);
	for (i = 0; i < x->allocation_count; i++)
		if (!x->allocations[i].freed)
			count_words(x, x->allocations[i].p, x->allocations[i].p, x->allocations[i].size, by);
}

static bool host_refers(const struct explore *x, uint32_t object)
{
	uint32_t i;
	size_t k;

	for (i = 0; i < x->watched_count; i++)
		for (k = 0; k < x->watched[i].size / sizeof(uint64_t); k++)
			if (object_referred(x, ((const uint64_t *)x->watched[i].p)[k]) == object)
				return true;
	return false;
}

/* Whether an object that the words at @p referred to has been lost. */
static void check_former(struct explore *x, const void *p, size_t size)
{
	const uint64_t *word = p;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++) {
		uint32_t object = object_referred(x, word[i]);
		uint16_t type;

		if (object == NO_OBJECT || x->references[object] || x->lines[object].freed_run == x->run ||
		    host_refers(x, object))
			continue;
		type = x->sim->region.objects[object].type;
		explore_violation(x, "M6", "nothing refers to a %s any more, and it has not been freed",
				  x->sim->region.types[type - 1]->name);
	}
}

static void check_former_objects(struct explore *x)
{
	uint32_t i, k;

	if (x->freed_count > MAX_FREED)
		return;
	count_changes(x, 1);
	for (i = 0; i < x->undo_count; i++) {
		const uint64_t *now = line_now(x, &x->undo[i]), *before = x->undo[i].content;

		/* What is still there is still counted. */
		for (k = 0; k < CACHE_LINE_SIZE / sizeof(*now); k++)
			if (now[k] != before[k])
				check_former(x, &before[k], sizeof(*before));
	}
	for (i = 0; i < x->freed_count; i++)
		check_former(x, x->freed[i], arena_size_of(&x->sim->region.memory, x->freed[i]));
	count_changes(x, -1);
}

/* ---- objects of the schedule ---- */

static void check_new_objects(struct explore *x)
{
	struct marks m = { .x = x };
	uint32_t i;

	for (i = 0; i < x->allocation_count && x->allocations[i].freed; i++)
		;
	if (i == x->allocation_count)
		return;
	for (i = 0; i < x->undo_count; i++)
		mark_from_changes(&m, line_now(x, &x->undo[i]), x->undo[i].content, CACHE_LINE_SIZE);
	for (i = 0; i < x->watched_count; i++)
		mark_from_changes(&m, x->watched[i].p, x->watched[i].copy, x->watched[i].size);
	while (m.depth) {
		const struct allocation *a = &x->allocations[m.stack[--m.depth]];

		mark_from(&m, a->p, a->size);
	}
	for (i = 0; i < x->allocation_count; i++)
		if (!m.marked[i] && !x->allocations[i].freed)
			explore_violation(x, "M6", "nothing refers to a %s any more, and it has not been freed",
					  x->allocations[i].type->name);
}

void explore_check_leaks(struct explore *x)
{
	check_new_objects(x);
	check_former_objects(x);
}
