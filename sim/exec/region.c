/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/region.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/exec/coherence.h"
#include "sim/exec/explore.h"

/*
 * Far more than the largest machine needs; the tables beside it are as large again. Reserved, not used. Where so
 * many addresses cannot be had (a limit on address space, Valgrind), less will do.
 */
#define REGION_SIZE_MAX (64ULL << 30)
#define REGION_SIZE_MIN (1ULL << 30)

static size_t table_size(const struct region *r, size_t entry)
{
	return (r->memory.size >> CACHE_LINE_SHIFT) * entry;
}

static void region_unmap(struct region *r)
{
	if (r->lines)
		munmap(r->lines, table_size(r, sizeof(*r->lines)));
	if (r->stats)
		munmap(r->stats, table_size(r, sizeof(*r->stats)));
	if (r->objects)
		munmap(r->objects, table_size(r, sizeof(*r->objects)));
	arena_destroy(&r->memory);
}

int region_create(struct region *r)
{
	size_t size;
	int ret = -ENOMEM;

	memset(r, 0, sizeof(*r));
	for (size = REGION_SIZE_MAX; size >= REGION_SIZE_MIN; size /= 4) {
		ret = arena_create(&r->memory, size);
		if (ret == -ENOMEM)
			continue;
		if (ret)
			break;
		r->lines = arena_reserve(table_size(r, sizeof(*r->lines)));
		r->stats = arena_reserve(table_size(r, sizeof(*r->stats)));
		r->objects = arena_reserve(table_size(r, sizeof(*r->objects)));
		if (r->lines && r->stats && r->objects)
			return 0;
		region_unmap(r);
		ret = -ENOMEM;
	}
	return ret;
}

void region_destroy(struct region *r)
{
	region_unmap(r);
}

static uint16_t type_number(struct region *r, const struct obj_type *type)
{
	uint32_t i;

	for (i = 0; i < r->type_count; i++)
		if (r->types[i] == type)
			return (uint16_t)(i + 1);
	assert(r->type_count < REGION_MAX_TYPES);
	r->types[r->type_count++] = type;
	return (uint16_t)r->type_count;
}

void *region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align)
{
	size_t rounded = (size + CACHE_LINE_SIZE - 1) & ~(size_t)(CACHE_LINE_SIZE - 1);
	uint16_t number = type_number(r, type);
	size_t line, i;
	void *p;

	assert(size);
	if (r->explore)
		return explore_alloc(r->explore, type, size, align);
	p = arena_alloc(&r->memory, rounded, align);
	if (!p)
		return NULL;

	line = region_line_index(r, p);
	for (i = 0; i < rounded >> CACHE_LINE_SHIFT; i++) {
		r->objects[line + i].type = number;
		r->objects[line + i].index = i < UINT16_MAX ? (uint16_t)i : UINT16_MAX;
	}
	r->objects[line].live = true;
	r->live_objects++;
	r->live_bytes += arena_size_of(&r->memory, p);
	return p;
}

void region_free(struct region *r, void *p)
{
	struct line_object *o;

	if (!p)
		return;
	if (r->explore) {
		explore_free(r->explore, p);
		return;
	}
	o = &r->objects[region_line_index(r, p)];
	/* The allocator would not notice before it is too late to say what it was. */
	if (!o->live) {
		fprintf(stderr, "simbench: internal error: a %s is freed twice\n",
			o->type ? r->types[o->type - 1]->name : "piece of memory");
		abort();
	}
	o->live = false;
	r->live_objects--;
	r->live_bytes -= arena_size_of(&r->memory, p);
	arena_free(&r->memory, p);
}

void region_reset_stats(struct region *r)
{
	size_t lines = r->memory.used >> CACHE_LINE_SHIFT;

	/* Private anonymous pages read as zeroes again. */
	madvise(r->stats, lines * sizeof(*r->stats), MADV_DONTNEED);
}
