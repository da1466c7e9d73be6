/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hotpath_machine.h - what the benchmarks of hotpath_bench run on: CPUs of this machine, VT-d units, one domain
 *
 * A run of a benchmark has a machine of its own, so that none starts with what another one has left.
 */
#ifndef SIMBENCH_HOTPATH_MACHINE_H
#define SIMBENCH_HOTPATH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/gbench_shim.h"
#include "sim/domain.h"
#include "sim/exec/native.h"
#include "sim/vtd_timing.h"

/* Cache tags in the domain: it is attached to as many units, with one device behind each. */
#define HOTPATH_MAX_UNITS 64

struct hotpath_config {
	struct domain_config domain;
	enum lock_kind lock;
	uint32_t units; /* 0..HOTPATH_MAX_UNITS; with 0 there is no domain */
	struct vtd_timing timing;
	uint64_t mmio_write_ps, mmio_read_ps;
};

struct hotpath_machine {
	struct hotpath_config config;
	struct machine *machine;
	struct intel_iommu *iommus[HOTPATH_MAX_UNITS];
	struct device *devices[HOTPATH_MAX_UNITS]; /* attached to the domain, but for policy pt */
	struct dmar_domain *domain;		   /* NULL for policy pt */
	void *own;				   /* the benchmark's; of the machine's memory */
};

/**
 * hotpath_init - look at this machine and choose CPUs; once in a process, before everything else here
 * @err: receives a message on failure
 * @err_size: TOPOLOGY_ERR_SIZE is enough
 *
 * Returns 0 or a negative errno.
 */
int hotpath_init(char *err, size_t err_size);
void hotpath_exit(void);

/* Cores of this machine: the most threads that a benchmark has. */
unsigned int hotpath_core_count(void);

/* Lets 1, 2, 4 ... threads run @b, and one thread per core. */
void hotpath_threads(struct gbench *b);

/**
 * hotpath_machine_create - a machine with a CPU for each thread of a run; for a benchmark's setup function
 * @state: of the thread that sets up
 * @config: copied
 * @own_size: bytes of hotpath_machine.own, zeroed; may be 0
 * @fixture: receives the machine
 *
 * Returns 0 or a negative errno.
 */
int hotpath_machine_create(struct gbench_state *state, const struct hotpath_config *config, size_t own_size,
			   void **fixture);

/* For a benchmark's teardown function. */
void hotpath_machine_destroy(void *fixture);

/* Makes the calling thread a CPU of the machine, pinned. When it fails, the benchmark is reported as failed. */
bool hotpath_enter(struct hotpath_machine *m, struct gbench_state *state);

/* Ends that. The benchmark is reported as failed when the CPU has met an error. */
void hotpath_leave(struct gbench_state *state);

/* ---- the benchmarks ---- */

void hotpath_register_flush(void);
void hotpath_register_map(void);
void hotpath_register_iova(void);
void hotpath_register_page_table(void);
void hotpath_register_qi(void);
void hotpath_register_locks(void);
void hotpath_register_engine(void);

#endif
