/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine.h - a machine with CPUs, memory and VT-d units on whichever executor this file's includer is built for
 *
 * Code that is compiled for both, as the hot path is, makes its machine here and runs on it. What it offers to the
 * rest of the program it names with ENTRY(): host_run() is ENTRY(host_run)() in host.c, of which the native build
 * makes native_host_run().
 */
#ifndef SIMBENCH_EXEC_MACHINE_H
#define SIMBENCH_EXEC_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/exec/params.h"
#include "sim/vtd_timing.h"

struct topology;
struct machine;
struct mmio_device;

/**
 * machine_create - memory and CPUs, and nothing that runs yet
 * @topology: kept by reference until machine_destroy()
 * @pus: topology indexes of the CPUs in use, ascending; CPU 0 is the first of them
 * @cpu_count: 1..SIM_MAX_CPUS
 * @params: copied
 * @lock_stat: native: time the locks' waits and holds; the virtual executor always does
 * @machine: receives the machine
 *
 * Returns 0, -ENOMEM, or -EAGAIN when jemalloc gives no further arena.
 */
int machine_create(const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
		   const struct sim_params *params, bool lock_stat, struct machine **machine);
void machine_destroy(struct machine *m);

/**
 * machine_add_unit - power a VT-d unit on
 * @m: machine; destroys the unit with itself
 * @package: where the unit sits
 * @cap: capability register
 * @ecap: extended capability register
 * @timing: copied
 * @iotlb_entries: at least 1; the native executor's units do not translate and have no IOTLB
 *
 * Returns the unit's registers, for iommu_create(), or NULL when memory is short.
 */
struct mmio_device *machine_add_unit(struct machine *m, uint32_t package, uint64_t cap, uint64_t ecap,
				     const struct vtd_timing *timing, uint32_t iotlb_entries);

/* Runs @fn(@arg) on CPU @cpu until it returns. Returns 0, or the error that cpu_fail() was given. */
int machine_call(struct machine *m, uint32_t cpu, void (*fn)(void *arg), void *arg);

/**
 * machine_run - run @body(@arg, cpu) on every CPU from the same moment on
 *
 * Returns when every body has returned or machine_stop() has been called: 0; -EDEADLK when the virtual executor
 * finds every CPU asleep; the error that cpu_fail() was given; as native_run() for want of threads. A body that
 * machine_stop() is to end has to look at cpu_stopping().
 */
int machine_run(struct machine *m, void (*body)(void *arg, uint32_t cpu), void *arg);

/*
 * Lets bodies that machine_stop() or an error has left in the middle of something go on to their end, and drops
 * whatever is still to happen: device events, timers. For what comes before machine_destroy(). Returns 0, or an
 * error as machine_run() when they do not come to their end: then nobody may touch what they worked on.
 */
int machine_quiesce(struct machine *m);

/* From one of its CPUs, or from machine_at()'s callback: ends machine_run(). */
void machine_stop(struct machine *m);

/* Calls @fn(@arg, time) once, @delay_ps after the next machine_run() starts, or from now if called during it. */
struct machine_timer {
	void (*fn)(void *arg, uint64_t time_ps);
	void *arg;
	void *event; /* the executor's */
};

/* @t lives until it has fired or the machine is destroyed. Returns 0 or -ENOMEM. */
int machine_at(struct machine *m, uint64_t delay_ps, struct machine_timer *t);

/* What the oracle found and ended the run for; NULL: nothing. */
const char *machine_violation(const struct machine *m);

/* Calls of a counted function so far, by all CPUs. */
uint64_t machine_calls(const struct machine *m, enum fn_id fn);

#endif
