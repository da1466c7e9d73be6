/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lockbench.h - CPUs that loop on one lock, in the manner of locktorture
 */
#ifndef SIMBENCH_LOCKBENCH_H
#define SIMBENCH_LOCKBENCH_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/exec/params.h"

struct topology;

struct lockbench_params {
	uint64_t hold_ps;  /* work inside the critical section */
	uint64_t think_ps; /* mean work between a release and the next attempt */
	enum think_dist think_dist;
	uint32_t data_lines;  /* shared lines written inside the critical section */
	uint64_t overhead_ps; /* virtual: mean, of the instructions around an acquisition, half before it and half
				 after */
	uint64_t iterations;  /* acquisitions per CPU that are measured, at least 1 */
	const volatile sig_atomic_t *interrupted; /* stops the run early when it is not 0; may be NULL */
};

struct lockbench_result {
	uint64_t elapsed_ps;   /* from the end of the warm-up to the first CPU's last acquisition */
	uint64_t acquisitions; /* by all CPUs in that time */
	uint64_t contended;
	uint64_t min_per_cpu, max_per_cpu; /* acquisitions of the slowest and the fastest CPU */
	uint64_t jain_ppb; /* Jain's index of the CPUs' acquisitions: (sum x)^2 / (n * sum x^2), in billionths */
	uint64_t wait_total_ps, wait_max_ps;
	uint64_t hold_total_ps;
	uint64_t handover_total_ps; /* from a visible release to the next acquisition, over the contended ones */
	uint64_t transfers_local, transfers_remote; /* of all lines */
	uint64_t stall_ps;
	uint64_t violations; /* of mutual exclusion */
	uint64_t events;     /* that the engine dispatched */
};

/* One repetition, on whichever executor. */
typedef int (*lockbench_fn)(const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
			    const struct sim_params *sim, const struct lockbench_params *params,
			    struct lockbench_result *result);

/**
 * lockbench_run - simulate one repetition
 * @topology: machine
 * @pus: CPUs that loop, ascending, see topology_place()
 * @cpu_count: 1..SIM_MAX_CPUS
 * @sim: machine parameters, among them the lock and the seed
 * @params: the loop
 * @result: to fill in
 *
 * Returns 0, -ENOMEM, -EINTR when it was interrupted, or -EDEADLK when every CPU sleeps. A repetition in which no
 * time passes, because every cost is 0, has an elapsed_ps of 0.
 */
int lockbench_run(const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
		  const struct sim_params *sim, const struct lockbench_params *params,
		  struct lockbench_result *result);

/**
 * native_lockbench_run - the same on real CPUs
 *
 * Parameters as above; @topology is this machine's, and a CPU may come twice in @pus. Of the result, waits, holds
 * and line transfers stay 0: a clock that could see them would be most of what it saw. Violations are counted by
 * writes to the data lines that got lost, so none are found without such lines.
 *
 * Returns 0, -EINTR when it was interrupted, or as native_run().
 */
int native_lockbench_run(const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
			 const struct sim_params *sim, const struct lockbench_params *params,
			 struct lockbench_result *result);

/**
 * lockbench_fairness - least and most acquisitions of a CPU, and Jain's index
 * @first: the first CPU's acquisitions, a uint64_t; they are not all 0
 * @stride: bytes from one CPU's to the next one's
 * @cpu_count: how many there are
 * @result: to fill in
 */
void lockbench_fairness(const void *first, size_t stride, uint32_t cpu_count, struct lockbench_result *result);

#endif
