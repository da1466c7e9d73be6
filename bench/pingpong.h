/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pingpong.h - CPUs that pass one cache line around: the line transfer latencies, measured in the simulation
 */
#ifndef SIMBENCH_PINGPONG_H
#define SIMBENCH_PINGPONG_H

#include <signal.h>
#include <stdint.h>

#include "sim/exec/virtual.h"

struct pingpong_params {
	uint64_t iterations;			  /* exchanges, or writes, that are measured; at least 1 */
	const volatile sig_atomic_t *interrupted; /* stops the run early when it is not 0; may be NULL */
};

struct pingpong_result {
	uint64_t handovers;	 /* successful compare-and-swaps that were measured: two an exchange */
	uint64_t elapsed_ps;	 /* of all of them */
	uint64_t min_ps, max_ps; /* from one success to the next one, on the other CPU */
	uint64_t transfers;	 /* of the line */
	uint64_t events;	 /* that the engine dispatched */
};

/* Times of the readers are those after the write has become visible. */
struct pingpong_readers_result {
	uint64_t writes;
	uint64_t visible_total_ps;		/* from the store to its visibility */
	uint64_t first_total_ps, last_total_ps; /* first and last reader to have the new value, over the writes */
	uint64_t read_total_ps;			/* all readers, over the writes */
	uint64_t last_max_ps;
	uint64_t events;
};

/**
 * pingpong_run - two CPUs that hand over one line by compare-and-swap (facts C)
 * @topology: machine
 * @cpu: two different CPUs of it, in either order
 * @sim: machine parameters
 * @params: the exchange
 * @result: to fill in
 *
 * Each CPU compares and swaps until it succeeds; that is the other's turn. An attempt takes the line, whether it
 * succeeds or not. Attempts that hit in the CPU's own cache change nothing, so between two of them a CPU waits for
 * its copy to be taken: one successful attempt is one line transfer.
 *
 * Returns 0, -ENOMEM, -EINTR when it was interrupted, or -EDEADLK when a wake-up was lost.
 */
int pingpong_run(const struct topology *topology, const uint32_t cpu[2], const struct sim_params *sim,
		 const struct pingpong_params *params, struct pingpong_result *result);

/**
 * pingpong_readers_run - one CPU writes a line, and after each write all the others read it
 * @topology: machine
 * @cpus: different CPUs of it; the first one writes
 * @cpu_count: 2..SIM_MAX_CPUS
 *
 * The next write follows when the last reader is done and the line at rest. The other parameters and the result are
 * those of pingpong_run().
 */
int pingpong_readers_run(const struct topology *topology, const uint32_t *cpus, uint32_t cpu_count,
			 const struct sim_params *sim, const struct pingpong_params *params,
			 struct pingpong_readers_result *result);

/* ---- the same on real CPUs ---- */

struct pingpong_native_result {
	uint64_t count;			    /* hand-overs, or writes, that were measured */
	uint32_t samples, disturbed;	    /* samples of them; those that a sibling or another process disturbed */
	uint64_t median_ps, p10_ps, p90_ps; /* of a hand-over; or of the last reader, from before the store */
	uint64_t first_ps;		    /* of the first reader, the median */
	int64_t skew_ps; /* exchange: how far the second CPU's clock is ahead, the ways' difference included */
};

/**
 * pingpong_native_run - pingpong_run() on this machine
 * @topology: this machine's
 *
 * The exchanges are spread over 16 lines. Disturbed samples are left out, unless all are. Returns 0, -ENOMEM,
 * -EINTR when it was interrupted, or as native_run().
 */
int pingpong_native_run(const struct topology *topology, const uint32_t cpu[2],
			const struct pingpong_params *params, struct pingpong_native_result *result);

/**
 * pingpong_native_readers_run - pingpong_readers_run() on this machine
 * @topology: this machine's
 *
 * The writes are spread over 64 lines. As for the rest, see pingpong_native_run().
 */
int pingpong_native_readers_run(const struct topology *topology, const uint32_t *cpus, uint32_t cpu_count,
				const struct pingpong_params *params, struct pingpong_native_result *result);

#endif
