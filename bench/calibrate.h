/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * calibrate.h - the virtual executor's parameters, measured on this machine (simbench calibrate)
 *
 * Not to be confused with calibration.h, which fits the occupancies to a published lock benchmark.
 */
#ifndef SIMBENCH_CALIBRATE_H
#define SIMBENCH_CALIBRATE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/measurement.h"
#include "bench/options.h"
#include "sim/exec/params.h"
#include "sim/topology.h"

struct json_t;

/* ---- what is measured ---- */

/* Primitives: identifier, key in files and reports, text. */
#define CALIBRATE_VALUES(X)                                                         \
	X(LOAD, "load", "load that hits, after another")                            \
	X(CMPXCHG, "cmpxchg", "compare-and-swap on an own line")                    \
	X(BARRIER, "barrier", "full barrier")                                       \
	X(PAUSE, "pause", "pause")                                                  \
	X(CLOCK, "clock", "reading the clock")                                      \
	X(FETCH_LOAD, "fetch_load", "load of a line another CPU wrote a while ago") \
	X(FETCH_ATOMIC, "fetch_atomic", "atomic on such a line")                    \
	X(FETCH_UPGRADE, "fetch_upgrade", "atomic on such a line after a load of it")

enum calibrate_value {
#define X(id, key, text) CAL_##id,
	CALIBRATE_VALUES(X)
#undef X
		CAL_VALUE_COUNT
};

/* Operations of the hot path on one CPU (bench/hotpath_ops.h). */
#define CALIBRATE_OPS(X)                                                  \
	X(IOVA, "iova", "IOVA, allocated and freed")                      \
	X(PTE, "pte", "page, mapped and unmapped in the tables")          \
	X(FLUSH_1, "flush_1", "cache_tag_flush_range_np(), 1 tag")        \
	X(FLUSH_8, "flush_8", "cache_tag_flush_range_np(), 8 tags")       \
	X(QUEUE, "queue_iova", "IOVA, allocated and queued")              \
	X(DMA_STATIC, "dma_static", "map and unmap, policy static, lazy") \
	X(DMA_ALWAYS, "dma_always", "map and unmap, policy always, lazy") \
	X(DMA_LEGACY, "dma_legacy", "map and unmap, policy legacy, lazy") \
	X(DMA_STRICT, "dma_strict", "map and unmap, policy static, strict")

enum calibrate_op {
#define X(id, key, text) CAL_OP_##id,
	CALIBRATE_OPS(X)
#undef X
		CAL_OP_COUNT
};

#define CALIBRATE_PAIRS 4   /* of a class, at most */
#define CALIBRATE_CROWDS 12 /* numbers of CPUs */
#define CALIBRATE_CPUS 64   /* at once, at most */

struct calibrate_pair {
	uint32_t cpu[2];
	struct measurement handover; /* compare-and-swap ping-pong, one way */
	int64_t skew_ps;	     /* how far the second CPU's clock is ahead */
};

/* CPU pairs at one distance. */
struct calibrate_class {
	uint64_t pairs_in_machine;
	uint32_t pair_count; /* measured */
	struct calibrate_pair pair[CALIBRATE_PAIRS];
	struct measurement handover; /* all of them: the median of the medians, and the worst of the rest */
};

/* Several CPUs of one L3 at one line. */
struct calibrate_crowd {
	uint32_t cpus;
	struct measurement
		time; /* contend: between two CPUs' getting the line; broadcast: last reader after the first */
	uint64_t first_ps, last_ps; /* broadcast: from the store to the first and to the last reader that has it */
	uint64_t held_permille;	    /* contend: atomics that a CPU does before it loses the line, in thousandths */
};

/* ---- what follows from it ---- */

/* Parameters of the model, by the options' names. */
#define CALIBRATE_RESULTS(X)        \
	X(smt_ns)                   \
	X(local_ns)                 \
	X(cross_l3_ns)              \
	X(remote_ns)                \
	X(l1_hit_ns)                \
	X(atomic_ns)                \
	X(write_occupancy_pct)      \
	X(dirty_read_occupancy_pct) \
	X(read_occupancy_ns)        \
	X(dirty_read_migrates)      \
	X(request_pct)              \
	X(instruction_ps)

enum calibrate_result_id {
#define X(option) CAL_RESULT_##option,
	CALIBRATE_RESULTS(X)
#undef X
		CAL_RESULT_COUNT
};

enum calibrate_state {
	CAL_ABSENT, /* cannot be measured here */
	CAL_NOISY,  /* measured, and not good */
	CAL_GOOD,
};

struct calibrate_result {
	enum calibrate_state state;
	uint64_t value; /* ps, percent, or 0 and 1 for no and yes */
	char why[256];	/* not good, or absent */
};

struct host_calibration {
	char cpu_model[128], kernel[96], governor[32], date[32];
	uint32_t pu_count, core_count, l3_count, package_count;

	struct measurement value[CAL_VALUE_COUNT];
	struct measurement op[CAL_OP_COUNT];
	struct calibrate_class class[DIST_REMOTE + 1]; /* by enum topology_distance */
	struct calibrate_crowd contend[CALIBRATE_CROWDS], broadcast[CALIBRATE_CROWDS];
	uint32_t contend_count, broadcast_count;
	int64_t skew_ps;		     /* of all pairs' clocks, the greatest */
	uint64_t pair_instructions_permille; /* that DMA_STATIC executes natively, in thousandths; 0: not known */
	int pair_instructions_error;	     /* why not: 0 or negative errno */
	double seconds;			     /* it took */

	struct calibrate_result result[CAL_RESULT_COUNT];
	uint64_t step_ps[COST_STEP_COUNT];    /* that make the virtual executor's operations take the native time */
	enum calibrate_state steps;	      /* whether these are any good */
	bool step_clamped[COST_STEP_COUNT];   /* 0, and the virtual operation still takes longer */
	uint64_t op_virtual_ps[CAL_OP_COUNT]; /* with all results and steps */
	bool good;			      /* no result and no step is noisy */
};

struct calibrate_params {
	const struct topology *topology;	  /* of this machine ("host") */
	struct sim_params sim;			  /* what is not measured */
	bool quick;				  /* fewer rounds, in a tenth of the time */
	const volatile sig_atomic_t *interrupted; /* stops early when it is not 0; may be NULL */
	/* Called after each measurement with those done and all; may be NULL. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *progress_arg;
};

/**
 * calibrate_run - measure this machine
 * @p: how
 * @c: to fill in
 *
 * Takes 10 to 30 seconds, with quick 2 or 3. Forks, so that it must not run while other threads of the process do.
 *
 * Returns 0, however noisy it was; -EINTR when interrupted; -ENOMEM; -ENOENT without /proc/stat; or as
 * native_run().
 */
int calibrate_run(const struct calibrate_params *p, struct host_calibration *c);

/* What the virtual executor takes; calibrate_derive() asks. */
struct calibrate_virtual {
	int (*op)(void *arg, enum calibrate_op op, const struct sim_params *sim, uint64_t *ps);
	/* A hand-over of the ping-pong between two CPUs at @distance. */
	int (*handover)(void *arg, enum topology_distance distance, const struct sim_params *sim, uint64_t *ps);
	void *arg;
};

/**
 * calibrate_derive - results and steps from the measurements
 * @c: with all measurements; receives all that follows from them
 * @sim: what is not measured
 * @v: the virtual executor
 *
 * Returns 0, or what @v's functions did.
 */
int calibrate_derive(struct host_calibration *c, const struct sim_params *sim, const struct calibrate_virtual *v);

/**
 * calibrate_fit_steps - steps that make the virtual operations take as long as the native ones
 * @native_ps: time of each operation
 * @sim: with latencies and the cost of an atomic; receives l1_hit_ps, at most @load_ps, and all of step_ps
 * @load_ps: time of a load that hits and that the next one waits for
 * @v: the virtual executor
 * @clamped: receives, for each step, whether it is 0 and its operation is too slow all the same
 *
 * A hit costs as much as it can without an operation's accesses alone taking longer than it does natively. What an
 * operation then still lacks, its own steps get in proportion to their instructions in COST_STEPS.
 *
 * Returns 0, or what @v's functions did.
 */
int calibrate_fit_steps(const uint64_t native_ps[CAL_OP_COUNT], struct sim_params *sim, uint64_t load_ps,
			const struct calibrate_virtual *v, bool clamped[COST_STEP_COUNT]);

/**
 * calibrate_pair_instructions - the instructions of a pair from three counts
 * @few: of @pairs pairs, none of which flushes
 * @many: of three times as many
 * @flush: of @pairs pairs, one of which flushes what HOTPATH_RING of them have queued
 * @pairs: at least 1
 * @overhead: instructions of a count that may be none of the pairs'
 * @permille: receives the mean of a pair, in thousandths
 *
 * Returns 0, or -ERANGE when the counts contradict each other: something else happened during one of them.
 */
int calibrate_pair_instructions(uint64_t few, uint64_t many, uint64_t flush, uint32_t pairs, uint32_t overhead,
				uint64_t *permille);

/* Puts all results that there are and the steps into @sim, which then predicts this native build. */
void calibrate_apply(const struct host_calibration *c, struct sim_params *sim);

/* ---- what it is called, and how it is shown ---- */

const char *calibrate_value_key(enum calibrate_value value);
const char *calibrate_value_text(enum calibrate_value value);
const char *calibrate_op_key(enum calibrate_op op);
const char *calibrate_op_text(enum calibrate_op op);
const char *calibrate_result_key(enum calibrate_result_id id);
/* "CPUs of one L3", ... */
const char *calibrate_class_text(enum topology_distance distance);
const char *calibrate_class_key(enum topology_distance distance);
const char *calibrate_step_name(enum cost_step step);

/* "60.2 ns", "95 %", "yes"; returns @buf. */
const char *calibrate_print_result(const struct host_calibration *c, enum calibrate_result_id id, char *buf,
				   size_t size);

void calibrate_text(FILE *f, const struct host_calibration *c, bool color);

/* New reference, or NULL when memory ran out. */
struct json_t *calibrate_json(const struct host_calibration *c);

/**
 * calibrate_check_output - whether a machine file can be called @path
 * @path: name of the INI file to be
 * @err: receives a message, on -EINVAL
 *
 * It must be a regular file or none yet, in a directory that can be written, with a name that an INI file can hold
 * and that is not that of the XML file beside it. Returns 0, -EINVAL or -ENOMEM.
 */
int calibrate_check_output(const char *path, struct options_error *err);

/**
 * calibrate_write - the machine file, and hwloc's XML of this machine beside it
 * @c: after calibrate_run()
 * @topology: this machine's
 * @path: of the INI file; the XML file has .xml instead of its .ini, or behind its name
 * @o: whose values apply where nothing was measured
 * @accept_noisy: values that are not good count too
 * @err: receives a message, on -EIO
 *
 * Returns 0, -EIO or -ENOMEM.
 */
int calibrate_write(const struct host_calibration *c, const struct topology *topology, const char *path,
		    const struct options *o, bool accept_noisy, struct options_error *err);

#endif
