/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * runner.h - runs the repetitions of scenarios on all CPUs of the host, and adds them up
 */
#ifndef SIMBENCH_RUNNER_H
#define SIMBENCH_RUNNER_H

#include <signal.h>

#include "bench/scenario.h"

/* One repetition. */
struct run_rep {
	uint64_t seed;
	int ret; /* of host_run() */
	char err[ORACLE_TEXT_SIZE];
	struct host_result result;
};

/* A mean over repetitions, for reports. */
struct estimate {
	double mean, min, max;
	double ci95; /* half width of the 95 % confidence interval; 0 with one repetition */
};

/* A scenario and all its repetitions. */
struct run {
	struct scenario *scenario;
	struct run_rep *reps;
	uint32_t rep_count;
	uint32_t complete;			/* repetitions that ran to their end */
	int ret;				/* the first repetition's error, if any */
	struct estimate throughput_mib_s, iops; /* over the complete repetitions */
	struct host_result total; /* sums over them; histograms merged; maxima where a maximum is meant */
};

struct runner {
	uint32_t threads;		    /* 0: one per CPU that this process may use */
	volatile sig_atomic_t *interrupted; /* set it to stop; may be NULL */
	/* Called after each repetition with those done and all; may be NULL. One call at a time. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *progress_arg;
	double wall_s; /* receives the time it all took */
};

/**
 * run_init - a run of a scenario, not started
 * @run: to fill in; run_destroy() releases it
 * @s: stays the caller's, and must outlive the run
 * @without: costs to leave out (run --explain), or NULL
 *
 * Returns 0 or -ENOMEM.
 */
int run_init(struct run *run, struct scenario *s, const struct sim_without *without);
void run_destroy(struct run *run);

/**
 * runner_run - run every repetition of every run, in parallel
 * @r: how
 * @runs: initialised
 * @count: of @runs
 *
 * The results do not depend on the number of threads. Returns 0, or -ENOMEM when no thread could be started; what
 * became of each run is in run->ret.
 */
int runner_run(struct runner *r, struct run *runs, uint32_t count);

/* CPUs that this process may use. */
uint32_t runner_host_cpus(void);

/**
 * parallel_for - call @fn(@arg, i) for 0 <= i < @count on several threads
 * @threads: 0: one per CPU
 *
 * Returns 0, or -ENOMEM when no thread could be started.
 */
int parallel_for(uint32_t threads, uint64_t count, void (*fn)(void *arg, uint64_t i), void *arg);

#endif
