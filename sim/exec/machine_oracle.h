/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine_oracle.h - the oracle (sim/oracle.h) in the virtual executor's runs
 *
 * It watches from the host's side: nothing here reads or writes simulated memory, takes simulated time or changes
 * what the hardware has cached, so that a run with it is the run without it. A violation ends the run with -EIO.
 */
#ifndef SIMBENCH_EXEC_MACHINE_ORACLE_H
#define SIMBENCH_EXEC_MACHINE_ORACLE_H

#include "sim/oracle.h"

struct sim;
struct vtd_hw;
struct vtd_requester;

/* A device that is watched. */
struct oracle_device_watch {
	struct vtd_requester *requester;
	struct oracle_device_watch *next; /* of the same domain */
	uint32_t domain, number;
	uint32_t iotlb, dev_tlb; /* numbers of the domain's caches */
};

struct machine_oracle {
	struct oracle_run *run;
	struct oracle_device_watch **by_rid, **by_domain;
	uint32_t rid_count, domain_count;
	uint32_t *cache_count; /* by domain */
	uint32_t device_count;
};

/* Returns the oracle, or NULL when memory is short. */
struct machine_oracle *machine_oracle_create(enum oracle_mode mode);
void machine_oracle_destroy(struct machine_oracle *o);

/* Watches @r, a device of domain @domain. Returns 0 or -ENOMEM. */
int machine_oracle_add_device(struct machine_oracle *o, struct vtd_requester *r, uint32_t domain);

/* The calls below are made where @sim has an oracle; cold, so that they cost nothing where it has none. */

/* A DMA has been translated, or blocked. */
void machine_oracle_dma(struct sim *sim, const struct vtd_requester *r, uint64_t iova, bool through, uint64_t phys,
			uint64_t time_ps) __attribute__((cold));

/* The running CPU's call for device @rid: page i is at @phys[i], or without that at @paddr + i pages. */
void machine_oracle_map(uint16_t rid, uint64_t iova, const uint64_t *phys, uint64_t paddr, uint64_t pages)
	__attribute__((cold));
void machine_oracle_unmap(uint16_t rid, uint64_t iova, uint64_t pages, enum oracle_unmap stage)
	__attribute__((cold));

/* @did negative: all domains; @order as in oracle_run_invalidated(). */
void machine_oracle_iotlb_invalidated(struct vtd_hw *hw, int did, uint64_t pfn, unsigned int order,
				      uint64_t time_ps) __attribute__((cold));
void machine_oracle_dev_tlb_invalidated(const struct vtd_requester *r, uint64_t pfn, unsigned int order,
					uint64_t time_ps) __attribute__((cold));

#endif
