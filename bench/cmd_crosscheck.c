/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_crosscheck.c - calibrates on this machine, runs contended loops on it, predicts them, and shows how far off
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/builtin_ini.h"
#include "bench/calibrate.h"
#include "bench/cmd.h"
#include "bench/crosscheck.h"
#include "bench/gnuplot.h"
#include "bench/progress.h"
#include "bench/report.h"
#include "bench/results_json.h"
#include "bench/scenario.h"

struct check {
	const struct cmd_context *ctx;
	struct options *options;
	struct topology topology;
	struct host_calibration calibration;
	struct crosscheck_point *points;
	size_t count;
	struct crosscheck_summary summary;
	struct runner runner; /* for the wall time in the context */
};

static bool agrees(const struct check *c)
{
	return c->summary.median_ppm <= c->options->max_median_pct * 10000 &&
	       c->summary.worst_ppm <= c->options->max_worst_pct * 10000;
}

static const char *point_name(const struct crosscheck_point *p, char *buf, size_t size)
{
	char hold[32], think[32];

	options_format_time(think, sizeof(think), p->think_ps);
	if (p->kind == CROSSCHECK_MAP)
		snprintf(buf, size, "map+unmap %s, think %s", policy_name(p->policy), think);
	else
		snprintf(buf, size, "%s hold %s%s, think %s", lock_kind_name(p->lock),
			 options_format_time(hold, sizeof(hold), p->hold_ps), p->data_lines ? " +1 line" : "",
			 think);
	return buf;
}

static double millions(uint64_t thousandths)
{
	return (double)thousandths / 1e9;
}

/* ---- the scatter plot ---- */

static const char *series_of(const struct crosscheck_point *p)
{
	return p->kind == CROSSCHECK_MAP ? "map" : lock_kind_name(p->lock);
}

static void plot_series(FILE *f, const struct check *c, const char *series)
{
	size_t i;

	fprintf(f, "$%s << EOD\n", series);
	for (i = 0; i < c->count; i++)
		if (c->points[i].cpus > 1 && !strcmp(series_of(&c->points[i]), series))
			fprintf(f, "%.6f %.6f\n", millions(c->points[i].measured),
				millions(c->points[i].predicted));
	fputs("EOD\n", f);
}

/* Both axes alike, a little beyond the data. */
static void plot_range(FILE *f, const struct check *c)
{
	double low = 1e9, high = 0;
	size_t i;

	for (i = 0; i < c->count; i++) {
		double m = millions(c->points[i].measured), p = millions(c->points[i].predicted);

		if (c->points[i].cpus == 1)
			continue;
		low = m < low ? m : low;
		low = p < low ? p : low;
		high = m > high ? m : high;
		high = p > high ? p : high;
	}
	fprintf(f, "low = %g\nhigh = %g\n", low * 0.8, high * 1.25);
}

/* Runs gnuplot; @output is an .svg or .png file, or "" for characters on standard output. */
static int plot(const struct check *c, const char *output)
{
	static const char *const series[] = { "qspinlock", "ticket", "tas", "mcs", "map" };
	FILE *f = gnuplot_open();
	size_t i;

	if (!f)
		return -errno;
	fprintf(f, "output = '%s'\nfooter = '%s, %s: simbench crosscheck --plot %s'\n", output,
		c->calibration.cpu_model, c->calibration.date, output);
	plot_range(f, c);
	for (i = 0; i < sizeof(series) / sizeof(series[0]); i++)
		plot_series(f, c, series[i]);
	fputs(builtin_crosscheck_gp, f);
	return gnuplot_close(f);
}

/* ---- reports ---- */

static void print_point(FILE *f, const struct crosscheck_point *p)
{
	char name[96];

	fprintf(f, "  %4u  %-44s %9.3f %9.3f %+7.1f %%%s\n", p->cpus, point_name(p, name, sizeof(name)),
		millions(p->measured), millions(p->predicted), (double)crosscheck_error_ppm(p) / 10000,
		p->disturbed ? "  (steal time)" : "");
}

static void print_summary(FILE *f, const struct check *c)
{
	const struct crosscheck_summary *s = &c->summary;
	const char *blind = report_blind_spots(&c->topology);
	char name[96];

	if (!s->points) {
		fprintf(f, "\nthis machine has one CPU: there is no contention to predict\n");
		return;
	}
	fprintf(f,
		"\n%u points of more than one CPU: absolute error %.1f %% in the median (at most %llu), %.1f %% at "
		"worst (at most %llu): %s\n",
		s->points, (double)s->median_ppm / 10000, (unsigned long long)c->options->max_median_pct,
		(double)s->worst_ppm / 10000, (unsigned long long)c->options->max_worst_pct,
		agrees(c) ? "agreement" : "NO AGREEMENT");
	fprintf(f, "worst: %u CPUs, %s\n", c->points[s->worst].cpus,
		point_name(&c->points[s->worst], name, sizeof(name)));
	fprintf(f,
		"%u measurements coincided with steal time or other load and were repeated; %u points never came "
		"without\n",
		s->repeated, s->disturbed);
	if (blind)
		fprintf(f, "%s\n", blind);
}

static int print_text(FILE *f, const struct check *c, bool color)
{
	uint32_t cpus = 0;
	size_t i;

	fprintf(f, "%s%s, %u CPUs%s: million operations a second, all CPUs together\n", color ? "\033[1m" : "",
		c->calibration.cpu_model, c->topology.pu_count, color ? "\033[0m" : "");
	fprintf(f, "what one CPU takes alone is calibrated; what more of them do to each other is predicted\n\n");
	fprintf(f, "  %4s  %-44s %9s %9s %9s\n", "CPUs", "loop", "measured", "predicted", "error");
	for (i = 0; i < c->count; i++) {
		if (cpus && cpus != c->points[i].cpus)
			fputc('\n', f);
		cpus = c->points[i].cpus;
		print_point(f, &c->points[i]);
	}
	print_summary(f, c);
	return fflush(f) || ferror(f) ? -EIO : 0;
}

static json_t *json_point(const struct crosscheck_point *p)
{
	json_t *object = json_pack("{s:s, s:I, s:f}", "kind", p->kind == CROSSCHECK_MAP ? "map" : "lock", "cpus",
				   (json_int_t)p->cpus, "think_ns", (double)p->think_ps / 1000);
	json_t *what, *result;

	if (p->kind == CROSSCHECK_MAP)
		what = json_pack("{s:s}", "policy", policy_name(p->policy));
	else
		what = json_pack("{s:s, s:f, s:I}", "lock", lock_kind_name(p->lock), "hold_ns",
				 (double)p->hold_ps / 1000, "data_lines", (json_int_t)p->data_lines);
	result = json_pack("{s:f, s:f, s:f, s:f, s:f, s:I, s:b}", "measured_per_s", (double)p->measured / 1000,
			   "measured_min_per_s", (double)p->measured_min / 1000, "measured_max_per_s",
			   (double)p->measured_max / 1000, "predicted_per_s", (double)p->predicted / 1000, "error",
			   (double)crosscheck_error_ppm(p) / 1e6, "repeated", (json_int_t)p->repeated, "disturbed",
			   p->disturbed);
	if (!object || !what || !result || json_object_update(object, what) || json_object_update(object, result)) {
		json_decref(object);
		object = NULL;
	}
	json_decref(what);
	json_decref(result);
	return object;
}

static json_t *json_results(const struct check *c)
{
	const struct crosscheck_summary *s = &c->summary;
	json_t *points = json_array();
	size_t i;

	for (i = 0; points && i < c->count; i++) {
		if (json_array_append_new(points, json_point(&c->points[i]))) {
			json_decref(points);
			points = NULL;
		}
	}
	return json_pack("[{s:o, s:I, s:f, s:f, s:b, s:I, s:I, s:o}]", "calibration",
			 calibrate_json(&c->calibration), "contended_points", (json_int_t)s->points,
			 "median_absolute_error", (double)s->median_ppm / 1e6, "worst_absolute_error",
			 (double)s->worst_ppm / 1e6, "agreement", agrees(c), "repeated", (json_int_t)s->repeated,
			 "disturbed", (json_int_t)s->disturbed, "points", points);
}

static int write_report(const struct check *c)
{
	const struct options *o = c->options;
	FILE *f = cmd_open_output(o);
	int ret, closed;

	if (!f)
		return EXIT_FAILED;
	if (o->output_format == FORMAT_JSON)
		ret = results_json(f, c->ctx, &c->runner, 0, o, json_results(c));
	else
		ret = print_text(f, c, cmd_use_color(o, f));
	closed = cmd_close_output(f, o);
	return ret && !closed ? cmd_fail(EXIT_FAILED, "cannot write the report: %s", strerror(-ret)) : closed;
}

static int draw(const struct check *c)
{
	const struct options *o = c->options;
	bool text = o->output_format == FORMAT_TEXT && !o->output[0] && c->summary.points;

	if (!gnuplot_exists()) {
		if (o->plot[0])
			return cmd_fail(EXIT_FAILED, "--plot %s: gnuplot is not installed (Debian: gnuplot-nox)",
					o->plot);
		if (text)
			fprintf(stderr,
				"simbench: no scatter plot: gnuplot is not installed (Debian: gnuplot-nox)\n");
		return EXIT_OK;
	}
	if ((text && plot(c, "")) || (o->plot[0] && plot(c, o->plot)))
		return cmd_fail(EXIT_FAILED, "gnuplot failed");
	return EXIT_OK;
}

/* ---- the command ---- */

static int failed(int ret, const char *what)
{
	if (ret == -ENOMEM)
		return cmd_fail(EXIT_FAILED, "out of memory");
	return cmd_fail(EXIT_FAILED, "%s: %s", what, strerror(-ret));
}

static int calibrate(struct check *c, struct sim_params *sim)
{
	struct progress progress;
	struct calibrate_params p = {
		.topology = &c->topology,
		.sim = scenario_sim_params(c->options, c->options->seed),
		.interrupted = c->ctx->interrupted,
		.progress = progress_update,
		.progress_arg = &progress,
	};
	int ret;

	progress_init(&progress, c->options, "calibrations");
	ret = calibrate_run(&p, &c->calibration);
	progress_clear(&progress);
	*sim = p.sim;
	if (!ret)
		calibrate_apply(&c->calibration, sim);
	return ret;
}

static int check_points(struct check *c, const struct sim_params *sim)
{
	struct progress progress;
	struct crosscheck_params p = {
		.topology = &c->topology,
		.sim = *sim,
		.threads = (uint32_t)c->options->threads,
		.interrupted = c->ctx->interrupted,
		.progress = progress_update,
		.progress_arg = &progress,
	};
	int ret = crosscheck_points(c->topology.pu_count, &c->points, &c->count);

	progress_init(&progress, c->options, "points");
	if (!ret)
		ret = crosscheck_run(&p, c->points, c->count);
	progress_clear(&progress);
	return ret ? ret : crosscheck_summarize(c->points, c->count, &c->summary);
}

static int run_check(struct check *c)
{
	struct timespec start, end;
	struct sim_params sim;
	int ret, code;

	clock_gettime(CLOCK_MONOTONIC, &start);
	ret = calibrate(c, &sim);
	if (!ret && !c->calibration.good)
		fprintf(stderr,
			"simbench: warning: the calibration was disturbed: simbench calibrate says by what\n");
	if (!ret)
		ret = check_points(c, &sim);
	if (*c->ctx->interrupted)
		return EXIT_SIGNAL + *c->ctx->interrupted;
	if (ret)
		return failed(ret, "crosscheck");
	clock_gettime(CLOCK_MONOTONIC, &end);
	c->runner.wall_s = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
	code = write_report(c);
	if (!code)
		code = draw(c);
	if (code)
		return code;
	return agrees(c) ? EXIT_OK : EXIT_REFUTED;
}

int cmd_crosscheck(const struct cmd_context *ctx, int argc, char **args)
{
	char err[TOPOLOGY_ERR_SIZE];
	struct options o;
	struct check c = { .ctx = ctx, .options = &o };
	int code, ret;

	code = cmd_parse(&o, S_CROSS, argc, args, "Usage: simbench crosscheck [OPTION...]");
	if (code < 0 && o.plot[0] && !gnuplot_is_picture(o.plot))
		code = cmd_fail(EXIT_USAGE, "--plot %s: not the name of an .svg or .png file, without quotes",
				o.plot);
	if (code >= 0)
		goto out;
	ret = topology_load(&c.topology, "host", err, sizeof(err));
	code = ret ? cmd_fail(EXIT_FAILED, "%s", err) : run_check(&c);
	topology_destroy(&c.topology);
out:
	free(c.points);
	options_free(&o);
	return code;
}
