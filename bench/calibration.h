/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * calibration.h - the occupancies, from measured qspinlock scaling that has nothing to do with the regression
 *
 * Facts L: will-it-scale lock2_threads on four packages of 18 cores, at the line latencies of facts C3a. What the
 * threads do while they hold the lock and between two acquisitions is not known: hold and think are fitted along,
 * as nuisance parameters, for each pair of occupancies.
 */
#ifndef SIMBENCH_CALIBRATION_H
#define SIMBENCH_CALIBRATION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/options.h"

#define CALIBRATION_POINTS 7

/* Thread counts, and millions of operations a second measured there (facts L). */
extern const uint32_t calibration_threads[CALIBRATION_POINTS];
extern const double calibration_measured[CALIBRATION_POINTS];

/* The best that one pair of occupancies can do. */
struct calibration_fit {
	uint32_t write_pct, dirty_read_pct;
	uint64_t hold_ps, think_ps;
	double simulated[CALIBRATION_POINTS]; /* Mops/s */
	double rms_error;		      /* of the relative errors */
	bool in_region;			      /* fits about as well as the best */
	int ret;
};

#define CALIBRATION_WRITE_STEPS 6 /* 50..100 % */
#define CALIBRATION_READ_STEPS 8  /* 30..100 % */
#define CALIBRATION_CELLS (CALIBRATION_WRITE_STEPS * CALIBRATION_READ_STEPS)

/* "About as well": up to this many times the best fit's error. */
#define CALIBRATION_REGION 1.25

struct calibration {
	struct calibration_fit cell[CALIBRATION_CELLS]; /* write occupancy by write occupancy, ascending */
	const struct calibration_fit *best;
};

/**
 * calibrate - fit every pair of occupancies over their plausible ranges
 * @c: to fill in
 * @o: seed and threads; the machine's other parameters
 * @interrupted: not 0: stop early; may be NULL
 *
 * Returns 0, -ENOMEM, -EINTR, or what the simulation failed with.
 */
int calibrate(struct calibration *c, const struct options *o, const volatile sig_atomic_t *interrupted);

/* The extreme cells of the region: at most four, in @corner; returns how many. */
uint32_t calibration_corners(const struct calibration *c, const struct calibration_fit *corner[4]);

#endif
