/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vtd_hw.h - the hardware of a VT-d unit: registers, invalidation queue, page walker, IOTLB
 *
 * It knows of the driver only what the driver writes into registers and memory.
 */
#ifndef SIMBENCH_VTD_HW_H
#define SIMBENCH_VTD_HW_H

#include "sim/exec/virtual.h"
#include "sim/platform/mmio.h"
#include "sim/vtd_timing.h"
#include "sim/vtd_walk.h"

struct iotlb_entry {
	uint64_t iova_pfn; /* of the page's first frame */
	uint64_t phys;	   /* of the page, and the permissions in bits 1:0 */
	uint16_t did;
	uint8_t order; /* frames of the page, as a power of two */
	bool valid;
	bool absent; /* with caching mode: that nothing is mapped (VT-d spec 6.1) */
};

/* Paging-structure cache: 2 MiB ranges whose upper-level entries need no read. */
struct psc_entry {
	uint64_t iova_2m; /* IOVA / 2 MiB */
	uint16_t did;
	bool valid;
};

#define VTD_PSC_SIZE 32

/* Stores that may still be in the write buffer of a unit with RWBF=1, under the explorer. */
#define VTD_WRITE_BUFFER_SIZE 64
/* Ways out of the write buffer: through one of them stores go in order, through different ones in any. */
#define VTD_DRAINS 6

/* A store that the walker does not see yet. */
struct buffered_store {
	const uint64_t *p;
	uint64_t old;
	uint32_t number;
	bool flushed; /* it has left, and its turn to leave is yet to come */
};

struct vtd_hw {
	struct mmio_device mmio; /* must be first */
	struct actor tail_written, step;
	struct sim *sim;
	uint16_t agent;
	uint64_t cap, ecap;
	struct vtd_timing timing;
	uint32_t gsts, fsts;
	uint64_t rtaddr, iqa;
	uint64_t iqh, iqt; /* byte offsets */
	bool qi_busy;
	uint64_t write_buffer_until_ps;
	struct buffered_store buffered[VTD_WRITE_BUFFER_SIZE]; /* oldest first */
	uint32_t buffered_count;
	uint32_t buffered_number;	/* of the last one that came in */
	struct actor drain[VTD_DRAINS]; /* let one go, at any time; among them the order is nobody's */
	/* An invalidation waits for the translations that are under way, and makes them start over (spec 6.5.2.8).
	 */
	uint32_t translating;
	bool wait_held;
	uint64_t invalidations;
	struct iotlb_entry *iotlb;
	uint32_t iotlb_sets; /* of IOTLB_WAYS entries */
	uint32_t iotlb_next_way;
	struct psc_entry psc[VTD_PSC_SIZE];
	struct vtd_requester *requesters;
	uint32_t number; /* for messages */
	uint64_t descriptors;
	/* measured */
	uint64_t iotlb_hits, iotlb_misses;
	uint64_t write_buffer_flushes; /* where there is a write buffer */
	uint64_t iotlb_invalidations, devtlb_invalidations;
};

/* A device behind the unit; whoever is one embeds it. */
struct vtd_requester {
	struct vtd_requester *next;
	struct vtd_hw *hw;
	uint16_t rid;
	struct oracle_device_watch *watch; /* the oracle's; may be NULL */
	/* context cache */
	bool cached;
	bool absent; /* with caching mode: that there is no entry */
	bool pass_through, first_stage;
	uint16_t did;
	uint64_t root;
	int levels;
	/* device TLB, with ATS */
	struct iotlb_entry *dev_tlb;
	const bool *ats_enabled; /* explorer: where software has it; without ATS the device takes no invalidation */
	uint64_t dma_faults;
	enum vtd_fault_reason last_fault;
};

/**
 * vtd_hw_init - power a unit on
 * @hw: to fill in
 * @sim: its simulation
 * @package: where it sits
 * @cap: capability register
 * @ecap: extended capability register
 * @timing: copied
 * @iotlb_entries: at least 1; rounded up to a whole number of sets
 *
 * Returns 0 or -ENOMEM.
 */
int vtd_hw_init(struct vtd_hw *hw, struct sim *sim, uint32_t package, uint64_t cap, uint64_t ecap,
		const struct vtd_timing *timing, uint32_t iotlb_entries);
void vtd_hw_destroy(struct vtd_hw *hw);

/**
 * vtd_requester_init - connect a device
 * @r: to fill in
 * @hw: its unit
 * @rid: requester id: bus, device, function
 * @ats: with a device TLB
 *
 * Returns 0 or -ENOMEM.
 */
int vtd_requester_init(struct vtd_requester *r, struct vtd_hw *hw, uint16_t rid, bool ats);
void vtd_requester_destroy(struct vtd_requester *r);

/**
 * vtd_translate - translate one request of a device
 * @r: device
 * @iova: address; the request stays within its page
 * @write: direction
 * @time_ps: when the unit gets the request; receives when the translation is there
 * @phys: receives the physical address
 *
 * Returns VTD_FAULT_NONE, or the reason why the request is blocked; the device's fault count then goes up.
 */
enum vtd_fault_reason vtd_translate(struct vtd_requester *r, uint64_t iova, bool write, uint64_t *time_ps,
				    uint64_t *phys);

/**
 * vtd_would_translate - whether a request to read or write would be let through now
 * @r: device
 * @iova: address
 *
 * For the oracle: nothing changes, no time passes, and no simulated memory is charged for being read.
 */
bool vtd_would_translate(const struct vtd_requester *r, uint64_t iova) __attribute__((cold));

/* The domain id that a device's requests have now, read in the same way; negative: they are blocked. */
int vtd_domain_id(const struct vtd_requester *r) __attribute__((cold));

/**
 * vtd_store_buffered - a CPU is about to store to memory that walkers may read
 * @hw: unit
 * @p: the word, with its former contents
 * @way: 0..VTD_DRAINS-1, the way out; the same for every store to it
 *
 * With RWBF=1 the unit goes on seeing those until the buffer is flushed, or drains by itself. For the explorer: the
 * virtual executor's stores are seen at once.
 */
void vtd_store_buffered(struct vtd_hw *hw, const uint64_t *p, uint32_t way);

#endif
