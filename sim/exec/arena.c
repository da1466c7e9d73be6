/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/arena.h"

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/platform/common.h"

/* jemalloc passes the hooks' table back to each hook: the arena hangs behind it. */
struct arena_hooks {
	extent_hooks_t hooks;
	struct arena *arena;
};

static void *hook_alloc(extent_hooks_t *hooks, void *new_addr, size_t size, size_t alignment, bool *zero,
			bool *commit, unsigned int index)
{
	struct arena *a = ((struct arena_hooks *)hooks)->arena;
	size_t used = __atomic_load_n(&a->used, __ATOMIC_RELAXED), start;

	(void)index;
	do {
		start = (used + alignment - 1) & ~(alignment - 1);
		if (new_addr || start + size > a->size)
			return NULL;
	} while (!__atomic_compare_exchange_n(&a->used, &used, start + size, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	*zero = true;
	*commit = true;
	return a->base + start;
}

static bool hook_refuse_dalloc(extent_hooks_t *hooks, void *addr, size_t size, bool committed, unsigned int index)
{
	(void)hooks, (void)addr, (void)size, (void)committed, (void)index;
	return true;
}

static void hook_destroy(extent_hooks_t *hooks, void *addr, size_t size, bool committed, unsigned int index)
{
	(void)hooks, (void)addr, (void)size, (void)committed, (void)index;
}

static bool hook_refuse_range(extent_hooks_t *hooks, void *addr, size_t size, size_t offset, size_t length,
			      unsigned int index)
{
	(void)hooks, (void)addr, (void)size, (void)offset, (void)length, (void)index;
	return true;
}

static bool hook_split(extent_hooks_t *hooks, void *addr, size_t size, size_t a, size_t b, bool committed,
		       unsigned int index)
{
	(void)hooks, (void)addr, (void)size, (void)a, (void)b, (void)committed, (void)index;
	return false;
}

static bool hook_merge(extent_hooks_t *hooks, void *a, size_t size_a, void *b, size_t size_b, bool committed,
		       unsigned int index)
{
	(void)hooks, (void)a, (void)size_a, (void)b, (void)size_b, (void)committed, (void)index;
	return false;
}

static int arena_set(unsigned int index, const char *name, void *value, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "arena.%u.%s", index, name);
	return mallctl(path, NULL, NULL, value, size);
}

void *arena_reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int arena_create(struct arena *a, size_t size)
{
	struct arena_hooks *h;
	extent_hooks_t *hooks;
	size_t len = sizeof(a->index);
	ssize_t never = -1;
	int ret = -ENOMEM;

	memset(a, 0, sizeof(*a));
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	a->size = size;
	a->base = arena_reserve(size);
	if (!a->base)
		goto err;
	a->hooks = h;
	h->arena = a;
	h->hooks = (extent_hooks_t){
		.alloc = hook_alloc,
		.dalloc = hook_refuse_dalloc,
		.destroy = hook_destroy,
		.decommit = hook_refuse_range,
		.split = hook_split,
		.merge = hook_merge,
	};
	hooks = &h->hooks;
	ret = -EAGAIN;
	if (mallctl("arenas.create", &a->index, &len, &hooks, sizeof(hooks)))
		goto err_range;
	/* Decay follows the wall clock: off, or the offsets would. */
	arena_set(a->index, "dirty_decay_ms", &never, sizeof(never));
	arena_set(a->index, "muzzy_decay_ms", &never, sizeof(never));
	a->alloc_flags = (int)(MALLOCX_ARENA(a->index) | MALLOCX_TCACHE_NONE);
	return 0;

err_range:
	munmap(a->base, size);
err:
	free(h);
	return ret;
}

void arena_destroy(struct arena *a)
{
	arena_set(a->index, "destroy", NULL, 0);
	munmap(a->base, a->size);
	free(a->hooks);
}

void *arena_alloc(struct arena *a, size_t size, size_t align)
{
	/* Above its largest small size class jemalloc gives random offsets, unless they are to be page aligned. */
	if (size > 14336 && align < PAGE_SIZE)
		align = PAGE_SIZE;
	return mallocx(size, a->alloc_flags | MALLOCX_ALIGN(align) | MALLOCX_ZERO);
}

void arena_free(struct arena *a, void *p)
{
	dallocx(p, a->alloc_flags);
}

size_t arena_size_of(const struct arena *a, const void *p)
{
	return sallocx(p, a->alloc_flags);
}
