/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * crosscheck.h - the same contended loops on this machine's CPUs and on simulated ones: is the model right?
 *
 * What a single CPU takes alone is measured and handed to the model; what several CPUs do to each other is not, and
 * has to come out.
 */
#ifndef SIMBENCH_CROSSCHECK_H
#define SIMBENCH_CROSSCHECK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/config_enums.h"
#include "sim/exec/params.h"

struct topology;

/* Undisturbed measurements of a point, of which the median counts; and attempts to get them. */
#define CROSSCHECK_REPETITIONS 3
#define CROSSCHECK_ATTEMPTS 8

enum crosscheck_kind { CROSSCHECK_LOCK, CROSSCHECK_MAP };

struct crosscheck_point {
	enum crosscheck_kind kind;
	uint32_t cpus;
	uint64_t think_ps; /* mean, exponentially distributed */
	/* a lock */
	enum lock_kind lock;
	uint64_t hold_ps;
	uint32_t data_lines;
	/* maps and lazy unmaps in one domain */
	enum policy policy;
	/* results: operations of all CPUs together per second, in thousandths */
	int ret; /* negative errno of what failed */
	uint64_t measured, predicted;
	uint64_t measured_min, measured_max; /* of the repetitions that count */
	uint32_t repeated;		     /* measurements that coincided with steal time and were repeated */
	bool disturbed;			     /* not enough without were to be had: these had some too */
};

struct crosscheck_params {
	const struct topology *topology; /* this machine's */
	struct sim_params sim;		 /* calibrated on it */
	uint32_t threads;		 /* for the predictions; 0: one per CPU */
	const volatile sig_atomic_t *interrupted;
	void (*progress)(void *arg, uint64_t done, uint64_t total); /* may be NULL */
	void *progress_arg;
};

struct crosscheck_summary {
	uint32_t repeated, disturbed; /* of all points */
	uint32_t points;	      /* of more than one CPU, which the following is about */
	uint64_t median_ppm;	      /* absolute errors of prediction, in millionths of what was measured */
	uint64_t worst_ppm;
	size_t worst; /* which point */
};

/**
 * crosscheck_points - what is run on a machine with so many CPUs
 * @cpu_count: 1..
 * @points: receives them; the caller's to free
 * @count: receives their number
 *
 * Returns 0 or -ENOMEM.
 */
int crosscheck_points(uint32_t cpu_count, struct crosscheck_point **points, size_t *count);

/**
 * crosscheck_run - measure every point, then predict it
 * @p: how
 * @points: results are filled in
 * @count: of @points
 *
 * Returns 0, the first point's error, -EINTR or -ENOMEM.
 */
int crosscheck_run(const struct crosscheck_params *p, struct crosscheck_point *points, size_t count);

/* (predicted - measured) / measured, in millionths. */
int64_t crosscheck_error_ppm(const struct crosscheck_point *p);

/* Points of one CPU do not count: what they take went into the prediction. Returns 0 or -ENOMEM. */
int crosscheck_summarize(const struct crosscheck_point *points, size_t count, struct crosscheck_summary *s);

#endif
