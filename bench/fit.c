/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/fit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/runner.h"
#include "bench/scenario.h"

#define MAX_LOCAL_PS 400000ULL
#define BISECTIONS 12 /* to 0.1 ns */

static int apply_point(struct options *o, const struct fit_point *p)
{
	o->policy = p->policy;
	o->bridge = p->bridge;
	o->layout = p->layout;
	if (p->write_pct)
		o->write_occupancy_pct = p->write_pct;
	if (p->dirty_read_pct)
		o->dirty_read_occupancy_pct = p->dirty_read_pct;
	o->local_ns = p->local_ps;
	o->remote_ns = p->remote_ps;
	if (p->jobs)
		o->jobs = p->jobs;
	if (p->machine) {
		char *machine = strdup(p->machine);

		if (!machine)
			return -ENOMEM;
		free(o->machine);
		o->machine = machine;
	}
	return 0;
}

/* One point with all its repetitions, on this thread. */
static int simulate_point(const struct fit_job *job, struct fit_point *p)
{
	struct options_error err;
	struct scenario s;
	struct options o;
	uint64_t rep;
	double sum = 0;
	int ret;

	ret = options_copy(&o, job->options);
	if (!ret)
		ret = apply_point(&o, p);
	if (!ret) {
		ret = scenario_init(&s, &o, &err);
		for (rep = 0; !ret && rep < o.repetitions; rep++) {
			struct host_params params = scenario_params(&s, rep);
			struct host_result r;
			char msg[256];

			params.interrupted = job->interrupted;
			ret = host_run(&params, &r, msg, sizeof(msg));
			if (ret)
				break;
			if (r.interrupted)
				ret = -EINTR;
			else
				sum += (double)r.bytes / 1048576 * 1e12 / (double)r.elapsed_ps;
			host_result_free(&r);
		}
		p->mib_s = sum / (double)o.repetitions;
		scenario_destroy(&s);
	}
	options_free(&o);
	return ret;
}

struct simulate_arg {
	const struct fit_job *job;
	struct fit_point *points;
};

static void simulate_one(void *arg, uint64_t i)
{
	struct simulate_arg *a = arg;

	a->points[i].ret = simulate_point(a->job, &a->points[i]);
}

int fit_simulate(const struct fit_job *job, struct fit_point *points, uint32_t count)
{
	struct simulate_arg arg = { job, points };
	uint32_t i;
	int ret;

	ret = parallel_for((uint32_t)job->options->threads, count, simulate_one, &arg);
	for (i = 0; !ret && i < count; i++)
		ret = points[i].ret;
	return ret;
}

static int simulate_local(const struct fit_job *job, struct fit *f, uint64_t local_ps, double *mib_s)
{
	struct fit_point p = {
		.policy = POLICY_ALWAYS,
		.bridge = BRIDGE_SHARED,
		.layout = LAYOUT_KERNEL,
		.write_pct = f->write_pct,
		.dirty_read_pct = f->dirty_read_pct,
		.local_ps = local_ps,
		.remote_ps = local_ps * FIT_REMOTE_PER_LOCAL,
	};
	int ret = simulate_point(job, &p);

	*mib_s = p.mib_s;
	return ret;
}

/* Throughput falls as the latency grows; the value kept is the one that came closest. */
static int bisect(const struct fit_job *job, struct fit *f)
{
	uint64_t low = 0, high = MAX_LOCAL_PS;
	double mib_s, best = 1e9;
	int ret, i;

	ret = simulate_local(job, f, high, &mib_s);
	if (!ret && mib_s > FIT_REPORTED_MIB_S)
		ret = -ERANGE;
	for (i = 0; !ret && i < BISECTIONS; i++) {
		uint64_t middle = (low + high) / 2;
		double error;

		ret = simulate_local(job, f, middle, &mib_s);
		if (ret)
			break;
		error = mib_s > FIT_REPORTED_MIB_S ? mib_s - FIT_REPORTED_MIB_S : FIT_REPORTED_MIB_S - mib_s;
		if (error < best) {
			best = error;
			f->local_ps = middle;
			f->mib_s = mib_s;
		}
		if (mib_s > FIT_REPORTED_MIB_S)
			low = middle;
		else
			high = middle;
	}
	return ret;
}

struct bisect_arg {
	const struct fit_job *job;
	struct fit *fits;
};

static void bisect_one(void *arg, uint64_t i)
{
	struct bisect_arg *a = arg;

	a->fits[i].ret = bisect(a->job, &a->fits[i]);
}

int fit_latencies(const struct fit_job *job, struct fit *fits, uint32_t count)
{
	struct bisect_arg arg = { job, fits };
	uint32_t i;
	int ret;

	ret = parallel_for((uint32_t)job->options->threads, count, bisect_one, &arg);
	for (i = 0; !ret && i < count; i++)
		ret = fits[i].ret;
	return ret;
}
