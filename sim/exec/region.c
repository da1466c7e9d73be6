/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/region.h"

#include <assert.h>
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/exec/coherence.h"

/*
 * Far more than the largest machine needs; the tables beside it are as large again. Reserved, not used. Where so
 * many addresses cannot be had (a limit on address space, Valgrind), less will do.
 */
#define REGION_SIZE_MAX (64ULL << 30)
#define REGION_SIZE_MIN (1ULL << 30)

/* jemalloc passes the hooks' table back to each hook: the region hangs behind it. */
struct region_hooks {
	extent_hooks_t hooks;
	struct region *region;
};

static void *hook_alloc(extent_hooks_t *hooks, void *new_addr, size_t size, size_t alignment, bool *zero,
			bool *commit, unsigned int arena)
{
	struct region *r = ((struct region_hooks *)hooks)->region;
	size_t start = (r->used + alignment - 1) & ~(alignment - 1);

	(void)arena;
	if (new_addr || start + size > r->size)
		return NULL;
	r->used = start + size;
	*zero = true;
	*commit = true;
	return r->base + start;
}

static bool hook_refuse_dalloc(extent_hooks_t *hooks, void *addr, size_t size, bool committed, unsigned int arena)
{
	(void)hooks, (void)addr, (void)size, (void)committed, (void)arena;
	return true;
}

static void hook_destroy(extent_hooks_t *hooks, void *addr, size_t size, bool committed, unsigned int arena)
{
	(void)hooks, (void)addr, (void)size, (void)committed, (void)arena;
}

static bool hook_refuse_range(extent_hooks_t *hooks, void *addr, size_t size, size_t offset, size_t length,
			      unsigned int arena)
{
	(void)hooks, (void)addr, (void)size, (void)offset, (void)length, (void)arena;
	return true;
}

static bool hook_split(extent_hooks_t *hooks, void *addr, size_t size, size_t a, size_t b, bool committed,
		       unsigned int arena)
{
	(void)hooks, (void)addr, (void)size, (void)a, (void)b, (void)committed, (void)arena;
	return false;
}

static bool hook_merge(extent_hooks_t *hooks, void *a, size_t size_a, void *b, size_t size_b, bool committed,
		       unsigned int arena)
{
	(void)hooks, (void)a, (void)size_a, (void)b, (void)size_b, (void)committed, (void)arena;
	return false;
}

static int arena_set(unsigned int arena, const char *name, void *value, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "arena.%u.%s", arena, name);
	return mallctl(path, NULL, NULL, value, size);
}

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static size_t table_size(const struct region *r, size_t entry)
{
	return (r->size >> CACHE_LINE_SHIFT) * entry;
}

static void region_unmap(struct region *r)
{
	if (r->base)
		munmap(r->base, r->size);
	if (r->lines)
		munmap(r->lines, table_size(r, sizeof(*r->lines)));
	if (r->stats)
		munmap(r->stats, table_size(r, sizeof(*r->stats)));
	if (r->objects)
		munmap(r->objects, table_size(r, sizeof(*r->objects)));
}

static int region_reserve(struct region *r)
{
	for (r->size = REGION_SIZE_MAX; r->size >= REGION_SIZE_MIN; r->size /= 4) {
		r->base = reserve(r->size);
		r->lines = reserve(table_size(r, sizeof(*r->lines)));
		r->stats = reserve(table_size(r, sizeof(*r->stats)));
		r->objects = reserve(table_size(r, sizeof(*r->objects)));
		if (r->base && r->lines && r->stats && r->objects)
			return 0;
		region_unmap(r);
	}
	return -ENOMEM;
}

int region_create(struct region *r)
{
	struct region_hooks *h;
	extent_hooks_t *hooks;
	size_t len = sizeof(r->arena);
	ssize_t never = -1;

	memset(r, 0, sizeof(*r));
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	if (region_reserve(r)) {
		free(h);
		return -ENOMEM;
	}
	r->hooks = h;
	h->region = r;
	h->hooks = (extent_hooks_t){
		.alloc = hook_alloc,
		.dalloc = hook_refuse_dalloc,
		.destroy = hook_destroy,
		.decommit = hook_refuse_range,
		.split = hook_split,
		.merge = hook_merge,
	};
	hooks = &h->hooks;
	if (mallctl("arenas.create", &r->arena, &len, &hooks, sizeof(hooks))) {
		region_unmap(r);
		free(h);
		return -EAGAIN;
	}
	/* Decay follows the wall clock: off, or the offsets would. */
	arena_set(r->arena, "dirty_decay_ms", &never, sizeof(never));
	arena_set(r->arena, "muzzy_decay_ms", &never, sizeof(never));
	r->alloc_flags = (int)(MALLOCX_ARENA(r->arena) | MALLOCX_TCACHE_NONE);
	return 0;
}

void region_destroy(struct region *r)
{
	arena_set(r->arena, "destroy", NULL, 0);
	region_unmap(r);
	free(r->hooks);
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
	/* Above its largest small size class jemalloc gives random offsets, unless they are to be page aligned. */
	if (rounded > 14336 && align < PAGE_SIZE)
		align = PAGE_SIZE;
	p = mallocx(rounded, r->alloc_flags | MALLOCX_ALIGN(align) | MALLOCX_ZERO);
	if (!p)
		return NULL;

	line = region_line_index(r, p);
	for (i = 0; i < rounded >> CACHE_LINE_SHIFT; i++) {
		r->objects[line + i].type = number;
		r->objects[line + i].index = i < UINT16_MAX ? (uint16_t)i : UINT16_MAX;
	}
	r->live_objects++;
	r->live_bytes += sallocx(p, r->alloc_flags);
	return p;
}

void region_free(struct region *r, void *p)
{
	if (!p)
		return;
	r->live_objects--;
	r->live_bytes -= sallocx(p, r->alloc_flags);
	dallocx(p, r->alloc_flags);
}

void region_reset_stats(struct region *r)
{
	size_t lines = r->used >> CACHE_LINE_SHIFT;

	/* Private anonymous pages read as zeroes again. */
	madvise(r->stats, lines * sizeof(*r->stats), MADV_DONTNEED);
}
