/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mapbench.h - threads that map and unmap one buffer each, as the kernel's kernel/dma/map_benchmark.c does
 *
 * The loop is the kernel's, so that a measurement of tools/testing/selftests/dma/dma_map_benchmark can be laid
 * beside it: each thread takes one buffer and maps it again and again, writes it before unless only the device
 * does, lets the transmission's time pass, unmaps. Latencies are rounded down to units of 100 ns, and so is their
 * mean before the variance is formed from it and the sum of the squares, which therefore comes out too large rather
 * than too small. After each round, outside the measured times, all threads of a device add to five counters on one
 * cache line. The direction is on that line too, and is read within both measured times.
 *
 * What differs: the kernel's latencies include one ktime_get(), some 20 ns; so do those of the native engine, with
 * the time that it takes to read the time stamp counter (clock_overhead_ps); on the virtual engine a clock costs
 * nothing. The kernel has no warm-up, but measures 20 s unless told otherwise. It lets more threads run than there
 * are CPUs; the virtual engine does not.
 */
#ifndef SIMBENCH_MAPBENCH_H
#define SIMBENCH_MAPBENCH_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "sim/domain.h"
#include "sim/exec/params.h"
#include "sim/vtd_timing.h"

struct topology;

__extension__ typedef unsigned __int128 mapbench_u128;

/* The devices that are mapped for, and the units that they are behind. */
struct mapbench_devices {
	uint32_t count;			      /* 1.. ; thread i maps for device i % count */
	bool shared_bridge;		      /* one group and domain for all, or one each */
	uint32_t units;			      /* 1..count; device d is behind unit d % units */
	const uint64_t *unit_cap, *unit_ecap; /* by unit */
	struct domain_config domain;
	bool ats;
	uint64_t dma_mask;
	struct vtd_timing vtd;
	uint32_t iotlb_entries; /* at least 1; nothing is translated here */
};

struct mapbench_params {
	struct mapbench_devices devices;
	enum dma_data_direction dir;
	uint32_t granule;  /* pages, 1..1024, fewer than the DMA mask allows addresses */
	uint64_t trans_ps; /* between map and unmap */
	uint64_t think_ps; /* mean, between an unmap and the next map, not measured */
	enum think_dist think_dist;
	uint64_t overhead_ps; /* virtual: mean, of a round's instructions that nothing else stands for */
	uint64_t warmup_ps;
	uint64_t duration_ps; /* measured */
	uint64_t iterations;  /* not 0: measure until one thread has done so many, instead */
	bool timed;	      /* take each map's and unmap's time */
	bool kernel_counters; /* the shared counters; their cost is there without being timed too */
	bool lock_stat;	      /* native: measure cache_lock, which slows all locks down */
	const volatile sig_atomic_t *interrupted; /* stops the run early when it is not 0; may be NULL */
};

/* Of maps, or of unmaps. */
struct mapbench_latency {
	uint64_t count, sum_ps;
	mapbench_u128 sum_sq_ps2;
	uint64_t min_ps, max_ps;
	uint64_t sum_100ns, sum_sq_100ns; /* as the kernel counts */
};

struct mapbench_thread {
	uint64_t maps; /* that were measured, each with its unmap */
	uint64_t elapsed_ps;
	uint64_t map_sum_ps, unmap_sum_ps; /* 0 unless timed */
};

/* The domains' cache_lock, from the end of the warm-up on. */
struct mapbench_lock {
	uint64_t acquisitions, contended;
	uint64_t wait_total_ps, hold_total_ps;
};

struct mapbench_result {
	uint64_t elapsed_ps;		    /* from the first thread's start of measuring to the last one's end */
	uint64_t maps;			    /* by all threads in that time */
	struct mapbench_latency map, unmap; /* empty unless timed */
	struct mapbench_thread *threads;    /* in the order of the CPUs */
	uint32_t thread_count;
	struct mapbench_lock cache_lock; /* zeroes on the native engine without lock_stat */
	uint64_t clock_overhead_ps;	 /* of reading the clock once; 0 on the virtual engine */
	uint64_t calls[FN_COUNT];	 /* since power on: warm-up included */
	uint64_t events;		 /* that the engine dispatched */
};

/* One repetition, on whichever executor. */
typedef int (*mapbench_fn)(const struct topology *topology, const uint32_t *pus, uint32_t thread_count,
			   const struct sim_params *sim, const struct mapbench_params *params,
			   struct mapbench_result *result);

/**
 * mapbench_run - one repetition on simulated CPUs
 * @topology: machine
 * @pus: the threads' CPUs, ascending, see topology_place()
 * @thread_count: 1..SIM_MAX_CPUS
 * @sim: machine parameters; the seed decides when each thread starts, and its think times
 * @params: the loop
 * @result: to fill in; mapbench_result_free() releases it
 *
 * Returns 0; -ENOMEM; -ENOSPC when a mapping failed for want of addresses or memory; -EINVAL when a device cannot
 * be attached; -ETIME when no time passes, because every cost is 0; -EINTR when it was interrupted; -EDEADLK when
 * every CPU sleeps.
 */
int mapbench_run(const struct topology *topology, const uint32_t *pus, uint32_t thread_count,
		 const struct sim_params *sim, const struct mapbench_params *params,
		 struct mapbench_result *result);

/**
 * native_mapbench_run - the same on real CPUs
 *
 * Parameters and result as above; @topology is this machine's, and a CPU may come twice in @pus, which are then
 * shared. Invalidations take the time that the units' timing says. Also returns what machine_run() does.
 */
int native_mapbench_run(const struct topology *topology, const uint32_t *pus, uint32_t thread_count,
			const struct sim_params *sim, const struct mapbench_params *params,
			struct mapbench_result *result);

/* A zeroed result is fine. */
static inline void mapbench_result_free(struct mapbench_result *r)
{
	free(r->threads);
	r->threads = NULL;
}

/* Adds one latency; @l starts zeroed. */
static inline void mapbench_latency_add(struct mapbench_latency *l, uint64_t ps)
{
	uint64_t units = ps / 100000;

	if (!l->count || ps < l->min_ps)
		l->min_ps = ps;
	if (ps > l->max_ps)
		l->max_ps = ps;
	l->count++;
	l->sum_ps += ps;
	l->sum_sq_ps2 += (mapbench_u128)ps * ps;
	l->sum_100ns += units;
	l->sum_sq_100ns += units * units;
}

/* Adds all latencies of @from. */
static inline void mapbench_latency_merge(struct mapbench_latency *l, const struct mapbench_latency *from)
{
	if (from->count && (!l->count || from->min_ps < l->min_ps))
		l->min_ps = from->min_ps;
	if (from->max_ps > l->max_ps)
		l->max_ps = from->max_ps;
	l->count += from->count;
	l->sum_ps += from->sum_ps;
	l->sum_sq_ps2 += from->sum_sq_ps2;
	l->sum_100ns += from->sum_100ns;
	l->sum_sq_100ns += from->sum_sq_100ns;
}

/* Means and standard deviations; 0 without a latency. */
struct mapbench_stats {
	uint64_t kernel_average_100ns, kernel_stddev_100ns; /* by the kernel's formula, rounding included */
	double mean_ns, stddev_ns;			    /* of the whole population, exact sums */
};

struct mapbench_stats mapbench_latency_stats(const struct mapbench_latency *l);

#endif
