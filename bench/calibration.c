/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/calibration.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "bench/lockbench.h"
#include "bench/runner.h"
#include "bench/scenario.h"

#define CORES_PER_PACKAGE 18
#define CALIBRATION_MACHINE "package:4 l3:1 core:18 pu:1"

/* Acquisitions per CPU: about as many in all at every point. */
#define ACQUISITIONS 24000

const uint32_t calibration_threads[CALIBRATION_POINTS] = { 1, 2, 4, 8, 16, 32, 36 };
const double calibration_measured[CALIBRATION_POINTS] = { 1.551, 2.722, 5.286, 4.115, 4.119, 2.508, 2.457 };

struct calibration_job {
	struct calibration *calibration;
	const struct options *options;
	const struct topology *topology;
	const volatile sig_atomic_t *interrupted;
};

/* Simulates the seven points with the cell's parameters; fills in simulated and rms_error. */
static int evaluate(struct calibration_fit *f, const struct calibration_job *job)
{
	struct sim_params sim = scenario_sim_params(job->options, job->options->seed);
	struct lockbench_params params = { .hold_ps = f->hold_ps, .think_ps = f->think_ps };
	double sum = 0;
	uint32_t pus[36], i;

	sim.lock = LOCK_QSPINLOCK;
	sim.coh.latency_ps[COH_SMT] = 7600; /* C3a */
	sim.coh.latency_ps[COH_L3] = sim.coh.latency_ps[COH_PACKAGE] = 44000;
	sim.coh.latency_ps[COH_REMOTE] = 118000;
	sim.coh.write_occupancy_pct = f->write_pct;
	sim.coh.dirty_read_occupancy_pct = f->dirty_read_pct;
	/* Socket by socket, a core each. */
	for (i = 0; i < 36; i++)
		pus[i] = i;
	for (i = 0; i < CALIBRATION_POINTS; i++) {
		struct lockbench_result r;
		double error;
		int ret;

		if (job->interrupted && *job->interrupted)
			return -EINTR;
		params.iterations = ACQUISITIONS / (calibration_threads[i] + 4);
		ret = lockbench_run(job->topology, pus, calibration_threads[i], &sim, &params, &r);
		if (ret)
			return ret;
		f->simulated[i] = (double)r.acquisitions * 1e6 / (double)r.elapsed_ps;
		error = f->simulated[i] / calibration_measured[i] - 1;
		sum += error * error;
	}
	f->rms_error = sqrt(sum / CALIBRATION_POINTS);
	return 0;
}

/* Moves one nuisance parameter by @step_ps if that helps. */
static int try_step(struct calibration_fit *best, const struct calibration_job *job, bool hold, int64_t step_ps,
		    bool *better)
{
	struct calibration_fit f = *best;
	uint64_t *value = hold ? &f.hold_ps : &f.think_ps;
	int ret;

	*better = false;
	if ((int64_t)*value + step_ps < 0)
		return 0;
	*value = (uint64_t)((int64_t)*value + step_ps);
	ret = evaluate(&f, job);
	if (!ret && f.rms_error < best->rms_error) {
		*best = f;
		*better = true;
	}
	return ret;
}

/* Pattern search over hold and think, down to steps of 5 ns. */
static int fit_cell(struct calibration_fit *f, const struct calibration_job *job)
{
	int64_t step_ps;
	int ret;

	f->hold_ps = 60000;
	f->think_ps = 540000;
	ret = evaluate(f, job);
	for (step_ps = 40000; !ret && step_ps >= 5000; step_ps /= 2) {
		bool any;

		do {
			static const struct {
				bool hold;
				int sign;
			} moves[] = { { true, 1 }, { true, -1 }, { false, 1 }, { false, -1 } };
			uint32_t i;

			any = false;
			for (i = 0; !ret && i < sizeof(moves) / sizeof(moves[0]); i++) {
				bool better;

				ret = try_step(f, job, moves[i].hold, moves[i].sign * step_ps, &better);
				any |= better;
			}
		} while (any && !ret);
	}
	return ret;
}

static void calibrate_cell(void *arg, uint64_t i)
{
	struct calibration_job *job = arg;
	struct calibration_fit *f = &job->calibration->cell[i];

	f->write_pct = 50 + 10 * (uint32_t)(i / CALIBRATION_READ_STEPS);
	f->dirty_read_pct = 30 + 10 * (uint32_t)(i % CALIBRATION_READ_STEPS);
	f->ret = fit_cell(f, job);
}

int calibrate(struct calibration *c, const struct options *o, const volatile sig_atomic_t *interrupted)
{
	struct calibration_job job = { c, o, NULL, interrupted };
	struct topology topology;
	char err[TOPOLOGY_ERR_SIZE];
	uint32_t i;
	int ret;

	memset(c, 0, sizeof(*c));
	ret = topology_load(&topology, CALIBRATION_MACHINE, err, sizeof(err));
	if (ret)
		return ret;
	job.topology = &topology;
	ret = parallel_for((uint32_t)o->threads, CALIBRATION_CELLS, calibrate_cell, &job);
	topology_destroy(&topology);
	for (i = 0; !ret && i < CALIBRATION_CELLS; i++) {
		ret = c->cell[i].ret;
		if (!c->best || c->cell[i].rms_error < c->best->rms_error)
			c->best = &c->cell[i];
	}
	for (i = 0; !ret && i < CALIBRATION_CELLS; i++)
		c->cell[i].in_region = c->cell[i].rms_error <= c->best->rms_error * CALIBRATION_REGION;
	return ret;
}

/* Is @f further out than @than, towards small or large write occupancy first, dirty-read occupancy second? */
static bool further(const struct calibration_fit *f, const struct calibration_fit *than, int write_sign,
		    int read_sign)
{
	int write = write_sign * ((int)f->write_pct - (int)than->write_pct);
	int read = read_sign * ((int)f->dirty_read_pct - (int)than->dirty_read_pct);

	return write + read > 0 || (write + read == 0 && write > 0);
}

uint32_t calibration_corners(const struct calibration *c, const struct calibration_fit *corner[4])
{
	uint32_t count = 0, k, i, j;

	for (k = 0; k < 4; k++) {
		const struct calibration_fit *out = c->best;

		for (i = 0; i < CALIBRATION_CELLS; i++)
			if (c->cell[i].in_region && further(&c->cell[i], out, k & 2 ? 1 : -1, k & 1 ? 1 : -1))
				out = &c->cell[i];
		for (j = 0; j < count && corner[j] != out; j++)
			;
		if (j == count && out != c->best)
			corner[count++] = out;
	}
	return count;
}
