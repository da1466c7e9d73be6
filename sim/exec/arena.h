/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arena.h - one reserved range of addresses, handed out from its start by a jemalloc arena of its own
 *
 * The arena's extent hooks hand out the range in order, so that one thread's sequence of allocations gives the same
 * offsets in every run. The range is reserved only; pages cost memory when touched.
 */
#ifndef SIMBENCH_EXEC_ARENA_H
#define SIMBENCH_EXEC_ARENA_H

#include <stddef.h>

struct arena {
	char *base;
	size_t size; /* reserved */
	size_t used; /* bytes that the hooks have handed out */
	unsigned int index;
	int alloc_flags; /* for mallocx() */
	void *hooks;
};

/* Reserves @size bytes. Returns 0, -ENOMEM, or -EAGAIN when jemalloc gives no further arena. */
int arena_create(struct arena *a, size_t size);
void arena_destroy(struct arena *a);

/**
 * arena_alloc - zeroed memory on cache lines of its own; several threads may ask at once
 * @a: arena
 * @size: bytes, a multiple of 64, at least 64
 * @align: power of two, at least 64
 *
 * Returns NULL when memory is short.
 */
void *arena_alloc(struct arena *a, size_t size, size_t align);

/* @p comes from arena_alloc(). */
void arena_free(struct arena *a, void *p);

/* Bytes that @p, from arena_alloc(), takes. */
size_t arena_size_of(const struct arena *a, const void *p);

/* Reserves @size bytes of addresses, which read as zeroes; NULL when there are not so many. */
void *arena_reserve(size_t size);

#endif
