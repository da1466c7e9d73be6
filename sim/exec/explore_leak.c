/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore_leak.c - what a schedule has allocated and nothing refers to at its end
 *
 * Marks from what has changed: a reference to a new object can only be in memory that the schedule has written. Any
 * word counts as a reference that has the address of a byte of the object, virtual or physical.
 */
#include <stdlib.h>

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

static void mark_from(struct marks *m, const void *p, size_t size)
{
	const uint64_t *word = p;
	uint64_t first_phys = region_phys(&m->x->sim->region, m->x->base);
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++) {
		/* Tables are mostly empty. */
		while (size / sizeof(*word) - i >= 8 && is_empty(&word[i]))
			i += 8;
		if (i == size / sizeof(*word))
			break;
		if (!word[i])
			continue;
		mark_address(m, word[i] - (uintptr_t)m->x->base);
		mark_address(m, (word[i] & ENTRY_ADDRESS_MASK) - first_phys);
	}
}

void explore_check_leaks(struct explore *x)
{
	struct marks m = { .x = x };
	uint32_t i;

	for (i = 0; i < x->allocation_count && x->allocations[i].freed; i++)
		;
	if (i == x->allocation_count)
		return;
	for (i = 0; i < x->undo_count; i++)
		mark_from(&m, x->base + (size_t)x->undo[i].line * CACHE_LINE_SIZE, CACHE_LINE_SIZE);
	for (i = 0; i < x->watched_count; i++)
		mark_from(&m, x->watched[i].p, x->watched[i].size);
	while (m.depth) {
		const struct allocation *a = &x->allocations[m.stack[--m.depth]];

		mark_from(&m, a->p, a->size);
	}
	for (i = 0; i < x->allocation_count; i++)
		if (!m.marked[i] && !x->allocations[i].freed)
			explore_violation(x, "M6", "nothing refers to a %s any more, and it has not been freed",
					  x->allocations[i].type->name);
}
