/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * region.h - simulated memory: an arena, and beside it, for every line, its coherence state, its statistics and
 * what object it belongs to
 *
 * All of it is reserved only; pages cost memory when touched.
 */
#ifndef SIMBENCH_EXEC_REGION_H
#define SIMBENCH_EXEC_REGION_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/exec/arena.h"
#include "sim/platform/common.h"

struct line;
struct line_stats;

#define REGION_MAX_TYPES 255

/* What a line holds: which type of object, and which of the object's lines. */
struct line_object {
	uint16_t type;	/* 1 + index into region.types; 0: nothing */
	uint16_t index; /* line within the object, saturating */
	bool live;	/* the first line of an object that has not been freed */
};

struct region {
	struct arena memory;
	struct line *lines;
	struct line_stats *stats;
	struct line_object *objects;
	const struct obj_type *types[REGION_MAX_TYPES];
	uint32_t type_count;
	uint64_t live_objects, live_bytes; /* allocated and not freed */
	struct explore *explore;	   /* serves allocations while its schedules run; else NULL */
};

/* Returns 0, -ENOMEM, or -EAGAIN when jemalloc gives no further arena. */
int region_create(struct region *r);
void region_destroy(struct region *r);

/**
 * region_alloc - a zeroed object on cache lines of its own
 * @r: region
 * @type: for reports; kept by reference
 * @size: bytes, at least 1
 * @align: power of two, at least 64
 *
 * Returns NULL when memory is short.
 */
void *region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align);
void region_free(struct region *r, void *p);

/* Forgets the lines' statistics. */
void region_reset_stats(struct region *r);

static inline size_t region_line_index(const struct region *r, const void *p)
{
	return (size_t)((const char *)p - r->memory.base) >> CACHE_LINE_SHIFT;
}

#endif
