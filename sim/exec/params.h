/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * params.h - parameters of a machine, for whichever executor is to run it
 */
#ifndef SIMBENCH_EXEC_PARAMS_H
#define SIMBENCH_EXEC_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/config_enums.h"
#include "sim/platform/common.h"

#define SIM_MAX_CPUS 8192

/* Distance classes of two agents, from the topology. */
enum coh_class { COH_SELF, COH_SMT, COH_L3, COH_PACKAGE, COH_REMOTE, COH_CLASS_COUNT };

struct coh_params {
	uint64_t latency_ps[COH_CLASS_COUNT];
	uint64_t l1_hit_ps;
	uint64_t atomic_ps;
	uint32_t write_occupancy_pct;	   /* 0..100 */
	uint32_t dirty_read_occupancy_pct; /* 0..100 */
	uint64_t read_occupancy_ps;
	bool dirty_read_migrates; /* whoever reads a dirty line becomes its owner; the former one's copy is gone */
	uint32_t request_pct;	  /* 0..100: share of a transfer's latency until the holder loses the line */
};

/* run --explain: costs that one run leaves out. */
struct sim_without {
	bool lock_word;
	bool mcs_nodes;
	bool hold;
};

struct sim_params {
	struct coh_params coh;
	uint64_t step_ps[COST_STEP_COUNT];
	uint64_t mmio_write_ps; /* CPU side of a posted register write */
	uint64_t mmio_read_ps;	/* round trip */
	uint64_t irq_ps;	/* to enter and leave an interrupt */
	enum lock_kind lock;
	struct sim_without without;
	enum oracle_mode oracle; /* virtual executor */
	uint64_t seed;
};

#endif
