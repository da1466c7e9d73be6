/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vtd_walk.h - one translation as VT-d hardware makes it: a walk of the real tables, without any cache
 */
#ifndef SIMBENCH_VTD_WALK_H
#define SIMBENCH_VTD_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/vtd_spec.h"

enum walk_result {
	WALK_OK,
	WALK_NOT_CANONICAL,  /* first stage: the address's upper bits do not repeat its highest translated bit */
	WALK_BEYOND_WIDTH,   /* second stage: the address is wider than MGAW or the tables */
	WALK_NOT_PRESENT,    /* an entry on the way grants nothing, or all of them together do not */
	WALK_RESERVED,	     /* a present entry has a reserved bit set */
	WALK_NO_USER,	     /* first stage: an entry is for supervisors, and a DMA request has user privilege */
	WALK_NO_READ,	     /* the entries together do not grant a read */
	WALK_NO_WRITE,	     /* the entries together do not grant a write */
	WALK_INTERRUPT_ADDR, /* the result is in the interrupt address range */
};

struct vtd_translation {
	uint64_t page_addr; /* physical address of the page, aligned to its size; for WALK_OK only */
	uint64_t entry;	    /* the entry read last */
	int level;	    /* its level: after WALK_OK 1, 2 or 3 for pages of 4 KiB, 2 MiB or 1 GiB */
	unsigned int reads; /* entries read: 0..5 */
	bool read;	    /* what all entries read grant together */
	bool write;
	bool snoop; /* second stage: the leaf's SNP bit */
};

/**
 * vtd_walk - translate one address of a request without PASID (VT-d 3.6, 3.7)
 * @root_pa: physical address of the top table, 4 KiB aligned
 * @levels: of the tables: 2..5 for the second stage, 4 or 5 for the first
 * @first_stage: which format the tables have
 * @cap: capability register: MGAW, SSLPS, FS1GP
 * @ecap: extended capability register: SC
 * @iova: the request's address
 * @write: whether it is a write
 * @read64: reads 8 bytes of physical memory at @pa, 8-byte aligned
 * @ctx: for @read64
 * @out: what came out of it; page_addr only with WALK_OK, the rest of the walk's progress always
 *
 * Reserved bits are looked at before anything else in a present entry, and permissions only once the leaf is
 * reached. Accessed and dirty bits are left alone: the driver sets them itself when it maps.
 */
enum walk_result vtd_walk(uint64_t root_pa, int levels, bool first_stage, uint64_t cap, uint64_t ecap,
			  uint64_t iova, bool write, uint64_t (*read64)(void *ctx, uint64_t pa), void *ctx,
			  struct vtd_translation *out);

/**
 * vtd_walk_fault - the fault reason that hardware records (VT-d 7.1.3)
 * @result: of vtd_walk()
 * @first_stage: as given to it
 * @scalable: RTADDR.TTM = 01b; always so with a first stage
 * @write: as given to it
 *
 * Legacy mode has no reason of its own for an entry that is not present: it reports the missing permission.
 */
enum vtd_fault_reason vtd_walk_fault(enum walk_result result, bool first_stage, bool scalable, bool write);

/* The physical address that @iova itself comes to, after WALK_OK. */
static inline uint64_t vtd_translation_addr(const struct vtd_translation *t, uint64_t iova)
{
	return t->page_addr | (iova & ((level_size(t->level) << VTD_PAGE_SHIFT) - 1));
}

#endif
