/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host.h - one simulated run: a machine with devices, domains and fio-like jobs, and what was measured on it
 */
#ifndef SIMBENCH_HOST_H
#define SIMBENCH_HOST_H

#include <signal.h>

#include "sim/config_enums.h"
#include "sim/domain.h"
#include "sim/exec/params.h"
#include "sim/histogram.h"
#include "sim/nvme_params.h"
#include "sim/oracle.h"
#include "sim/vtd_timing.h"

struct topology;

#define HOST_MAX_DEVICES 4096
#define HOST_MAX_UNITS HOST_MAX_DEVICES

struct host_params {
	struct sim_params sim;
	const struct topology *topology;
	const char *placement; /* topology_place() policy */

	uint32_t devices;		      /* 1..HOST_MAX_DEVICES */
	bool shared_bridge;		      /* one bridge, group and domain for all, or one each */
	uint32_t units;			      /* 1..devices; device d is behind unit d % units */
	const uint64_t *unit_cap, *unit_ecap; /* by unit */
	struct domain_config domain;
	bool ats;

	uint32_t jobs; /* per device */
	uint32_t iodepth;
	uint32_t queues;   /* per device; 0: one per CPU in use */
	uint64_t bs;	   /* bytes, a multiple of 4096 */
	uint32_t read_pct; /* 0..100 */
	uint64_t warmup_ps, runtime_ps;

	uint64_t submit_ps, complete_ps; /* CPU time per I/O outside the DMA API */
	uint64_t bridge_mib_s;
	struct nvme_params nvme;
	struct vtd_timing vtd;
	uint32_t iotlb_entries;
	bool lock_stat;				  /* native: measure the locks' waits and holds */
	const volatile sig_atomic_t *interrupted; /* stops the run early when it is not 0; may be NULL */
};

struct host_device_result {
	uint64_t ios, bytes;
	uint64_t latency_sum_ps;
};

struct host_lock_result {
	const char *name;
	uint32_t instance;
	uint64_t acquisitions, contended;
	uint64_t acquisitions_in_map; /* of host_result's map calls */
	uint64_t wait_total_ps, wait_max_ps;
	uint64_t hold_total_ps, hold_max_ps;
	uint64_t irq_off_max_ps;
};

struct host_line_result {
	const struct obj_type *type;
	uint32_t index; /* line within the object; UINT32_MAX: all lines of large objects */
	uint64_t transfers_local, transfers_remote;
	uint64_t stall_ps;
};

struct host_result {
	uint64_t elapsed_ps; /* measured time */
	uint64_t ios, bytes; /* completed in that time */
	uint64_t read_ios;
	struct histogram latency_ns;
	uint64_t latency_sum_ps;
	uint64_t inflight_samples, inflight_sum; /* I/Os in flight, sampled at regular times */
	uint64_t calls[FN_COUNT];
	/* Map calls that have begun and ended in that time, all CPUs'; interrupts in their midst are left out. */
	uint64_t map_part_ps[MAP_PART_COUNT]; /* the sum is all their time */
	uint64_t map_calls[FN_COUNT];	      /* calls made in them; of dma_map: they themselves */
	struct host_device_result *devices;
	uint32_t device_count;
	struct host_lock_result *locks; /* by total wait, longest first */
	uint32_t lock_count;
	struct host_line_result *lines; /* by stall, longest first */
	uint32_t line_count;
	uint32_t cpu_count;
	uint64_t cpu_idle_ps, cpu_spin_ps, cpu_stall_ps; /* of all CPUs */
	uint64_t irq_off_max_ps;
	uint64_t dma_faults;
	struct oracle_stats oracle;
	uint64_t iotlb_hits, iotlb_misses;
	uint64_t write_buffer_flushes;			    /* done by units that have a write buffer */
	uint64_t iotlb_invalidations, devtlb_invalidations; /* descriptors that units have executed */
	/* since power on, for conservation laws */
	uint64_t submitted, completed, inflight_end;
	uint64_t maps, unmaps, live_mappings;
	uint64_t events;
	bool interrupted;
};

/* One repetition, on whichever executor. */
typedef int (*host_fn)(const struct host_params *params, struct host_result *result, char *err, size_t err_size);

/**
 * host_run - simulate one repetition
 * @params: scenario; see the members for ranges
 * @result: to fill in; host_result_free() releases it
 * @err: receives a message when a device cannot be attached or the run fails
 * @err_size: bytes of @err
 *
 * Returns 0; -EINVAL when a device cannot be attached; -ENOMEM; -EDEADLK when the simulation comes to a stop; -EIO
 * when a DMA faulted or the oracle has found a violation, whose history @err then tells.
 */
int host_run(const struct host_params *params, struct host_result *result, char *err, size_t err_size);

/**
 * native_host_run - the same on this machine's CPUs, which params->topology describes
 *
 * Times are of the wall clock. Cache lines and map calls are not observed, locks only with params->lock_stat, and
 * of the CPUs' time only what was idle is known; nothing translates, so that there are no faults and no IOTLB.
 * Returns -EAGAIN or -EXDEV besides when threads cannot be had or pinned.
 */
int native_host_run(const struct host_params *params, struct host_result *result, char *err, size_t err_size);

/* Either frees what either has made. */
void host_result_free(struct host_result *result);
void native_host_result_free(struct host_result *result);

#endif
