/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_fit.c - calibrate the occupancies, predict the regression with them, and only then fit the latencies
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/calibration.h"
#include "bench/cmd.h"
#include "bench/fit.h"
#include "bench/progress.h"

/* The bounds of facts C for a processor without published figures, in ps. */
#define LOCAL_MIN 51000
#define LOCAL_MAX 90000
#define REMOTE_MIN 108000
#define REMOTE_MAX 190000

#define PREDICT_RUNTIME_PS 20000000000ULL

static const uint64_t grid_local[] = { 51000, 64000, 77000, 90000 };
static const uint64_t grid_remote[] = { 108000, 135000, 163000, 190000 };
#define GRID (sizeof(grid_local) / sizeof(grid_local[0]))

static const struct {
	const char *tag, *name;
	uint64_t local_ps, remote_ps;
} published[] = {
	{ "C1", "Ice Lake", 51000, 108000 },
	{ "C2", "Cascade Lake", 47000, 134000 },
};
#define PUBLISHED (sizeof(published) / sizeof(published[0]))

static const enum policy policies[] = { POLICY_PT, POLICY_LEGACY, POLICY_ALWAYS, POLICY_DYNAMIC, POLICY_STATIC };
#define POLICIES (sizeof(policies) / sizeof(policies[0]))

static void print_heading(FILE *f, const char *text, bool color)
{
	fprintf(f, "%s%s%s\n", color ? "\033[1m" : "", text, color ? "\033[0m" : "");
}

/* ---- 1. calibrate ---- */

static void print_calibration(FILE *f, const struct calibration *c, bool color)
{
	uint32_t i, w, r;

	print_heading(
		f,
		"1. Calibrate: the occupancies, on qspinlock scaling measured elsewhere (facts L, latencies C3a)",
		color);
	fprintf(f, "\n   threads ");
	for (i = 0; i < CALIBRATION_POINTS; i++)
		fprintf(f, "%8u", calibration_threads[i]);
	fprintf(f, "\n   measured");
	for (i = 0; i < CALIBRATION_POINTS; i++)
		fprintf(f, "%8.3f", calibration_measured[i]);
	fprintf(f, "  Mops/s\n   model   ");
	for (i = 0; i < CALIBRATION_POINTS; i++)
		fprintf(f, "%8.3f", c->best->simulated[i]);
	fprintf(f, "\n   error   ");
	for (i = 0; i < CALIBRATION_POINTS; i++)
		fprintf(f, "%+7.1f%%", 100 * (c->best->simulated[i] / calibration_measured[i] - 1));
	fprintf(f,
		"  rms %.1f%%\n   best: write occupancy %u %%, dirty-read occupancy %u %%"
		" (nuisance: hold %llu ns, think %llu ns)\n\n",
		100 * c->best->rms_error, c->best->write_pct, c->best->dirty_read_pct,
		(unsigned long long)c->best->hold_ps / 1000, (unsigned long long)c->best->think_ps / 1000);

	fprintf(f,
		"   rms error in %% by occupancies; * is the region that fits about as well (up to %.2f times the "
		"best)\n",
		CALIBRATION_REGION);
	fprintf(f, "   write \\ dirty read");
	for (r = 0; r < CALIBRATION_READ_STEPS; r++)
		fprintf(f, "%7u%%", c->cell[r].dirty_read_pct);
	for (w = 0; w < CALIBRATION_WRITE_STEPS; w++) {
		fprintf(f, "\n   %16u%% ", c->cell[w * CALIBRATION_READ_STEPS].write_pct);
		for (r = 0; r < CALIBRATION_READ_STEPS; r++) {
			const struct calibration_fit *cell = &c->cell[w * CALIBRATION_READ_STEPS + r];

			fprintf(f, "%7.1f%c", 100 * cell->rms_error, cell->in_region ? '*' : ' ');
		}
	}
	fprintf(f, "\n\n");
}

/* ---- 2. predict ---- */

static int predict(FILE *f, const struct fit_job *job, const struct calibration_fit *occ, bool color)
{
	struct fit_point points[PUBLISHED * POLICIES * 2 + GRID * GRID];
	uint32_t i, k, n = 0;
	int ret;

	memset(points, 0, sizeof(points));
	for (i = 0; i < PUBLISHED; i++)
		for (k = 0; k < POLICIES * 2; k++)
			points[n++] = (struct fit_point){ .policy = policies[k / 2],
							  .bridge = k % 2 ? BRIDGE_SEPARATE : BRIDGE_SHARED,
							  .local_ps = published[i].local_ps,
							  .remote_ps = published[i].remote_ps };
	for (i = 0; i < GRID; i++)
		for (k = 0; k < GRID; k++)
			points[n++] = (struct fit_point){ .policy = POLICY_ALWAYS,
							  .bridge = BRIDGE_SHARED,
							  .local_ps = grid_local[i],
							  .remote_ps = grid_remote[k] };
	for (i = 0; i < n; i++) {
		points[i].write_pct = occ->write_pct;
		points[i].dirty_read_pct = occ->dirty_read_pct;
	}
	ret = fit_simulate(job, points, n);
	if (ret)
		return ret;

	print_heading(
		f, "2. Predict: the regression at published latencies, with those occupancies and nothing fitted",
		color);
	fprintf(f, "\n   MiB/s, shared / separate bridges");
	for (k = 0; k < POLICIES; k++)
		fprintf(f, "%15s", policy_name(policies[k]));
	for (i = 0; i < PUBLISHED; i++) {
		fprintf(f, "\n   %s %-12s %4.0f / %3.0f ns ", published[i].tag, published[i].name,
			(double)published[i].local_ps / 1000, (double)published[i].remote_ps / 1000);
		for (k = 0; k < POLICIES; k++)
			fprintf(f, "    %5.0f/%5.0f", points[(i * POLICIES + k) * 2].mib_s,
				points[(i * POLICIES + k) * 2 + 1].mib_s);
	}
	fprintf(f, "\n\n   always, shared bridge, MiB/s\n   local \\ remote   ");
	for (k = 0; k < GRID; k++)
		fprintf(f, "%6.0f ns", (double)grid_remote[k] / 1000);
	for (i = 0; i < GRID; i++) {
		fprintf(f, "\n   %8.0f ns      ", (double)grid_local[i] / 1000);
		for (k = 0; k < GRID; k++)
			fprintf(f, "%9.0f", points[PUBLISHED * POLICIES * 2 + i * GRID + k].mib_s);
	}
	fprintf(f, "\n\n");
	return 0;
}

/* ---- 3. fit ---- */

enum variant { ONE_PACKAGE, JOBS_2, JOBS_4, JOBS_8, JOBS_16, PADDED, VARIANTS };

static const char *const variant_names[VARIANTS] = {
	"one package", "jobs=2", "jobs=4", "jobs=8", "jobs=16", "padded",
};

#define ONE_PACKAGE_MACHINE "package:1 l3:1 core:96 pu:2"

static struct fit_point variant_point(const struct fit *fit, enum variant v)
{
	struct fit_point p = {
		.policy = POLICY_ALWAYS,
		.bridge = BRIDGE_SHARED,
		.write_pct = fit->write_pct,
		.dirty_read_pct = fit->dirty_read_pct,
		.local_ps = fit->local_ps,
		.remote_ps = fit->local_ps * FIT_REMOTE_PER_LOCAL,
	};

	switch (v) {
	case ONE_PACKAGE:
		p.machine = ONE_PACKAGE_MACHINE;
		break;
	case JOBS_2:
	case JOBS_4:
	case JOBS_8:
	case JOBS_16:
		p.jobs = 2ULL << (v - JOBS_2);
		break;
	case PADDED:
		p.layout = LAYOUT_PADDED;
		break;
	case VARIANTS:
		break;
	}
	return p;
}

static void print_bounds_warning(FILE *f, const struct fit *fit)
{
	uint64_t remote = fit->local_ps * FIT_REMOTE_PER_LOCAL;

	if (fit->local_ps < LOCAL_MIN || fit->local_ps > LOCAL_MAX || remote < REMOTE_MIN || remote > REMOTE_MAX)
		fprintf(f,
			"   warning: at occupancies %u/%u %% the fit is outside facts C's bounds (51-90 and "
			"108-190 ns): look\n"
			"   for what the kernel touches and the model does not, or at the occupancies, not at the "
			"number\n",
			fit->write_pct, fit->dirty_read_pct);
}

static int fit_and_print(FILE *f, const struct fit_job *job, const struct calibration *c, struct fit *best,
			 bool color)
{
	const struct calibration_fit *corner[4];
	struct fit fits[5] = { { .write_pct = c->best->write_pct, .dirty_read_pct = c->best->dirty_read_pct } };
	struct fit_point points[5 * VARIANTS];
	uint32_t count = 1 + calibration_corners(c, corner), i, v;
	int ret;

	for (i = 1; i < count; i++)
		fits[i] = (struct fit){ .write_pct = corner[i - 1]->write_pct,
					.dirty_read_pct = corner[i - 1]->dirty_read_pct };
	ret = fit_latencies(job, fits, count);
	if (ret)
		return ret;
	for (i = 0; i < count; i++)
		for (v = 0; v < VARIANTS; v++)
			points[i * VARIANTS + v] = variant_point(&fits[i], v);
	ret = fit_simulate(job, points, count * VARIANTS);
	if (ret)
		return ret;

	print_heading(
		f,
		"3. Fit: remote = 2 x local, local such that always on a shared bridge gives 4985 MiB/s (facts F1)",
		color);
	fprintf(f, "\n   occupancies  %18s  %7s  with these latencies, MiB/s:\n", "latencies", "always");
	fprintf(f, "   write/read   %18s  %7s", "local/remote", "");
	for (v = 0; v < VARIANTS; v++)
		fprintf(f, "%12s", variant_names[v]);
	for (i = 0; i < count; i++) {
		fprintf(f, "\n   %3u/%3u %%%s  %7.1f/%6.1f ns   %7.0f", fits[i].write_pct, fits[i].dirty_read_pct,
			i ? "   " : " * ", (double)fits[i].local_ps / 1000,
			(double)fits[i].local_ps * FIT_REMOTE_PER_LOCAL / 1000, fits[i].mib_s);
		for (v = 0; v < VARIANTS; v++)
			fprintf(f, "%12.0f", points[i * VARIANTS + v].mib_s);
	}
	fprintf(f, "\n   * the best calibration; the others are the corners of its region\n");
	for (i = 0; i < count; i++)
		print_bounds_warning(f, &fits[i]);
	*best = fits[0];
	return 0;
}

static void print_ini(FILE *f, const struct fit *fit)
{
	uint64_t tenths = (fit->local_ps + 50) / 100;

	fprintf(f,
		"\n; configs/machines/z3-metal.ini\nlocal_ns = %llu.%llu\nremote_ns = %llu.%llu\n"
		"write_occupancy_pct = %u\ndirty_read_occupancy_pct = %u\n",
		(unsigned long long)tenths / 10, (unsigned long long)tenths % 10,
		(unsigned long long)tenths * FIT_REMOTE_PER_LOCAL / 10,
		(unsigned long long)tenths * FIT_REMOTE_PER_LOCAL % 10, fit->write_pct, fit->dirty_read_pct);
}

static int fit_all(struct options *o, const struct cmd_context *ctx, FILE *f, bool color)
{
	const struct fit_job job_value = { o, ctx->interrupted }, *job = &job_value;
	struct calibration *c = malloc(sizeof(*c));
	uint64_t runtime = o->runtime;
	struct fit best;
	int ret = c ? calibrate(c, job->options, job->interrupted) : -ENOMEM;

	if (!ret) {
		print_calibration(f, c, color);
		fflush(f);
		/* Whole tables of points: shorter than what is fitted, which is the default run. */
		o->runtime = PREDICT_RUNTIME_PS;
		ret = predict(f, job, c->best, color);
		o->runtime = runtime;
		fflush(f);
	}
	if (!ret)
		ret = fit_and_print(f, job, c, &best, color);
	if (!ret)
		print_ini(f, &best);
	free(c);
	return ret;
}

int cmd_fit(const struct cmd_context *ctx, int argc, char **args)
{
	struct options o;
	int code, ret;
	FILE *f;

	code = cmd_parse(&o, S_FIT, argc, args, "Usage: simbench fit [OPTION...]");
	if (code >= 0)
		goto out;
	if (o.output_format != FORMAT_TEXT) {
		code = cmd_fail(EXIT_USAGE, "--output-format: fit prints text only");
		goto out;
	}
	f = cmd_open_output(&o);
	if (!f) {
		code = EXIT_FAILED;
		goto out;
	}
	/* The scenario is the report's, a few repetitions of it. */
	o.repetitions = 3;
	ret = fit_all(&o, ctx, f, cmd_use_color(&o, f));
	code = cmd_close_output(f, &o);
	if (ret == -EINTR)
		code = EXIT_SIGNAL + *ctx->interrupted;
	else if (ret)
		code = cmd_fail(EXIT_FAILED, "%s", strerror(-ret));
out:
	options_free(&o);
	return code;
}
