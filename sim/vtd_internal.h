/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vtd_internal.h - a unit's own: what its files share; not for others
 */
#ifndef SIMBENCH_VTD_INTERNAL_H
#define SIMBENCH_VTD_INTERNAL_H

#include "sim/platform/model/platform.h"
#include "sim/vtd_hw.h"

#define DEV_TLB_ENTRIES 64
#define PAGE_ORDER_2M 9
#define EVERYTHING 64 /* an order: all addresses */

static inline const uint64_t *mem64(const struct vtd_hw *hw, uint64_t pa)
{
	return region_virt(&hw->sim->region, pa);
}

/*
 * What of a unit's state an access is about. Each requester's context and each 2 MiB of addresses are places of
 * their own: what is done with different ones can be done in any order.
 */
enum unit_part {
	UNIT_QUEUE,	   /* head and tail of the invalidation queue */
	UNIT_BUFFER,	   /* write buffer */
	UNIT_CONTEXT = 64, /* + requester */
	UNIT_IOTLB = 320,  /* + address */
	UNIT_PARTS = 576,
};

_Static_assert(UNIT_PARTS <= sizeof(struct vtd_hw), "a part's place is an address inside of the unit");

static inline uint32_t unit_place(const struct vtd_hw *hw, unsigned int part)
{
	return explore_location(hw->sim->explore, (uintptr_t)hw + part);
}

/* As a part of what is going on. */
static inline void note_unit(const struct vtd_hw *hw, unsigned int part, enum explore_access_kind kind)
{
	if (hw->sim->explore)
		explore_note(hw->sim->explore, unit_place(hw, part), kind);
}

/* All contexts and addresses: an invalidation. */
static inline void note_caches(const struct vtd_hw *hw)
{
	if (hw->sim->explore)
		explore_note_range(hw->sim->explore, (uintptr_t)hw + UNIT_CONTEXT, (uintptr_t)hw + UNIT_PARTS,
				   ACCESS_STORE);
}

/* ---- vtd_hw.c ---- */

void vtd_flush_write_buffer(struct vtd_hw *hw);

/* Whether a page is, or is in, or has in it the 2^@order pages from @pfn on. */
bool vtd_iotlb_in_range(const struct iotlb_entry *e, uint64_t pfn, unsigned int order);

/* @order EVERYTHING: the whole domain; @did negative: all domains. @leaves_only is the invalidation hint. */
void vtd_iotlb_invalidate(struct vtd_hw *hw, int did, uint64_t pfn, unsigned int order, bool leaves_only,
			  uint64_t time_ps);

/* ---- vtd_qi.c: what the unit's actors do ---- */

/* The descriptor at the head takes effect. */
void vtd_qi_step(struct actor *actor, uint64_t time_ps, uint64_t arg);

/* The tail register has been written. */
void vtd_qi_tail_written(struct actor *actor, uint64_t time_ps, uint64_t tail);

#endif
