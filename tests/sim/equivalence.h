/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * equivalence.h - the world in which the same operations happen on either executor, and a look at all of it
 */
#ifndef SIMBENCH_TESTS_EQUIVALENCE_H
#define SIMBENCH_TESTS_EQUIVALENCE_H

#include "sim/cache_tag.h"
#include "sim/domain.h"
#include "sim/exec/machine.h"
#include "sim/rng.h"
#include "tests/sim/vtd_recorder.h"

#define EQ_CPUS 4
#define EQ_UNITS 3
#define EQ_DEVICES 8
#define EQ_DOMAINS 6
#define EQ_LIVE 1200
#define EQ_WINDOWS 8
#define EQ_BUFFERS 8
#define EQ_COHERENT 16
#define EQ_PASIDS 16
#define EQ_TIMERS 64

/* What the DMA API has mapped and not yet unmapped. */
struct eq_mapping {
	uint64_t iova;
	uint32_t pages;
};

struct eq_domain {
	struct dmar_domain *domain; /* NULL: there is none */
	struct eq_mapping live[EQ_LIVE];
	uint32_t live_count;
	bool draining;		     /* rather unmap than map, until nothing is mapped */
	uint64_t window[EQ_WINDOWS]; /* bytes that iommu_map() has mapped at its start */
	uint64_t window_step[EQ_WINDOWS];
	uint32_t coherent;
};

/* The driver's memory, which the devices see: the only physical addresses that depend on where memory is. */
struct eq_buffer {
	char *p;
	size_t size;
};

/* A process' address space on a device (kernel set_dev_pasid), and its nesting parent. */
struct eq_pasid {
	struct device *dev; /* NULL: not in use */
	uint32_t pasid;
	struct eq_domain *domain, *parent;
};

struct eq_world {
	struct machine *machine;
	struct domain_config config;
	bool scalable;
	struct rng rng;
	struct vtd_recorder recorder[EQ_UNITS];
	struct intel_iommu *iommu[EQ_UNITS];
	struct iommu_group *groups[EQ_DEVICES]; /* by device */
	struct device *devices[EQ_DEVICES];
	struct eq_domain domains[EQ_DOMAINS];
	struct eq_buffer buffers[EQ_BUFFERS];
	struct eq_pasid pasids[EQ_PASIDS];
	struct sim_timer *timers[EQ_TIMERS]; /* armed, in that order */
	uint32_t timer_count;
	uint64_t operations; /* done */
	uint64_t results;    /* sum of what they returned */
	const char *last;    /* what the last one was */
};

/* Prints the state of everything, on one of the machine's CPUs. Memory is named by what it is, not by address. */
void eq_dump(const struct eq_world *w);

#endif
