/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fit.h - the regression at given line latencies, and the latencies that give the reported drop
 */
#ifndef SIMBENCH_FIT_H
#define SIMBENCH_FIT_H

#include <signal.h>
#include <stdint.h>

#include "bench/options.h"
#include "sim/config_enums.h"

#define FIT_REPORTED_MIB_S 4985.0 /* facts F1 */
#define FIT_REMOTE_PER_LOCAL 2

/* One throughput that is wanted. Members at 0 (machine: NULL) leave the options' value. */
struct fit_point {
	enum policy policy;
	enum bridge_place bridge;
	enum layout layout;
	uint32_t write_pct, dirty_read_pct;
	uint64_t local_ps, remote_ps;
	uint64_t jobs;
	const char *machine;
	double mib_s; /* receives the mean over the repetitions */
	int ret;
};

struct fit_job {
	const struct options *options; /* the scenario: facts F1 and F8; repetitions, runtime, seed, threads */
	const volatile sig_atomic_t *interrupted;
};

/**
 * fit_simulate - simulate all points, in parallel
 *
 * Returns 0, -ENOMEM, -EINTR, or what the first failed simulation returned.
 */
int fit_simulate(const struct fit_job *job, struct fit_point *points, uint32_t count);

/* The latencies at which `always` on a shared bridge comes down to the reported value, at given occupancies. */
struct fit {
	uint32_t write_pct, dirty_read_pct;
	uint64_t local_ps; /* remote is FIT_REMOTE_PER_LOCAL times as long */
	double mib_s;	   /* what they give */
	int ret;
};

/**
 * fit_latencies - bisect each fit's local latency between 0 and 400 ns, in parallel
 *
 * Returns as fit_simulate(); -ERANGE when even 400 ns do not bring the throughput down to the reported value.
 */
int fit_latencies(const struct fit_job *job, struct fit *fits, uint32_t count);

#endif
