/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_compare.c - two results or sweeps side by side: what changed, and whether that is more than noise
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "bench/compare.h"
#include "bench/results_json.h"

#define USAGE "Usage: simbench compare A B [OPTION...]    (each a JSON report or the directory of a sweep)"

/* Of nothing there are no percents. */
static double percent(const struct compare_point *p)
{
	return p->a.estimate.mean > 0 ? 100 * p->difference.value / p->a.estimate.mean : NAN;
}

/* What there is not is a dash. */
static const char *number(double v, bool known, const char *format, char *buf, size_t size)
{
	if (known && !isnan(v))
		snprintf(buf, size, format, v);
	else
		snprintf(buf, size, "-");
	return buf;
}

static int name_width(const struct compare *c)
{
	int width = 5;
	uint32_t i;

	for (i = 0; i < c->count; i++)
		if ((int)strlen(c->points[i].name) > width)
			width = (int)strlen(c->points[i].name);
	return width;
}

static uint32_t count_verdicts(const struct compare *c, enum compare_verdict verdict)
{
	uint32_t count = 0, i;

	for (i = 0; i < c->count; i++)
		count += c->points[i].verdict == verdict;
	return count;
}

static const char *verdict_color(enum compare_verdict verdict)
{
	return verdict == COMPARE_HIGHER || verdict == COMPARE_LOWER ? "\033[1m" : "";
}

static void print_text(FILE *f, const struct compare *c, const struct options *o, bool color)
{
	int width = name_width(c);
	char label[128];
	uint32_t i;

	fprintf(f, "A: %s\nB: %s\n%s\n", o->args.v[0], o->args.v[1],
		measure_label(c->measure, label, sizeof(label)));
	if (*c->differences)
		fprintf(f, "A and B differ in %s\n", c->differences);
	fprintf(f, "\n%-*s  %12s %12s %12s %9s %9s %8s  verdict for B\n", width, "point", "A", "B", "B - A", "+-",
		"in %", "t");
	for (i = 0; i < c->count; i++) {
		const struct compare_point *p = &c->points[i];
		bool known = p->verdict != COMPARE_UNKNOWN;
		char ci95[32], pct[32], t[32];

		fprintf(f, "%-*s  %12.6g %12.6g %+12.5g %9s %9s %8s  %s%s%s\n", width, p->name, p->a.estimate.mean,
			p->b.estimate.mean, p->difference.value,
			number(p->difference.ci95, known, "%.3g", ci95, sizeof(ci95)),
			number(percent(p), true, "%+.2f", pct, sizeof(pct)),
			number(p->t, known, "%.2f", t, sizeof(t)), color ? verdict_color(p->verdict) : "",
			compare_verdict_name(p->verdict), color ? "\033[0m" : "");
	}
	fprintf(f, "\n%u point%s: %u higher, %u lower, %u no difference", c->count, c->count == 1 ? "" : "s",
		count_verdicts(c, COMPARE_HIGHER), count_verdicts(c, COMPARE_LOWER),
		count_verdicts(c, COMPARE_SAME));
	if (count_verdicts(c, COMPARE_UNKNOWN))
		fprintf(f, ", %u of single repetitions, which have no interval",
			count_verdicts(c, COMPARE_UNKNOWN));
	fprintf(f, "\n+- is the 95 %% confidence interval of the difference, t is Welch's\n");
	if (c->only_a || c->only_b)
		fprintf(f, "in A only: %u, in B only: %u\n", c->only_a, c->only_b);
	if (c->valueless)
		fprintf(f, "in both, but without a value in one: %u\n", c->valueless);
}

static json_t *real_or_null(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *side_json(const struct measure *m)
{
	return json_pack("{s:f, s:f, s:I}", "mean", m->estimate.mean, "ci95", m->estimate.ci95, "repetitions",
			 (json_int_t)m->count);
}

static json_t *point_json(const struct compare_point *p)
{
	double unknown = p->verdict == COMPARE_UNKNOWN ? NAN : 0;

	return json_pack("{s:s, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:s}", "point", p->name, "a", side_json(&p->a),
			 "b", side_json(&p->b), "difference", p->difference.value, "ci95",
			 real_or_null(p->difference.ci95 + unknown), "percent", real_or_null(percent(p)), "df",
			 real_or_null(p->difference.df + unknown), "t", real_or_null(p->t + unknown), "verdict",
			 compare_verdict_name(p->verdict));
}

static json_t *results_of(const struct compare *c, const struct options *o)
{
	json_t *points = json_array();
	uint32_t i;

	for (i = 0; points && i < c->count; i++) {
		if (json_array_append_new(points, point_json(&c->points[i]))) {
			json_decref(points);
			points = NULL;
		}
	}
	return json_pack("[{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o}]", "a", o->args.v[0], "b", o->args.v[1],
			 "measure", c->measure, "differences", c->differences, "only_a", (json_int_t)c->only_a,
			 "only_b", (json_int_t)c->only_b, "valueless", (json_int_t)c->valueless, "points", points);
}

static int write_report(const struct cmd_context *ctx, const struct compare *c, const struct options *o)
{
	struct runner no_time = { .threads = 0 };
	FILE *f = cmd_open_output(o);
	int ret = 0, closed;

	if (!f)
		return EXIT_FAILED;
	if (o->output_format == FORMAT_JSON)
		ret = results_json(f, ctx, &no_time, 0, o, results_of(c, o));
	else
		print_text(f, c, o, cmd_use_color(o, f));
	closed = cmd_close_output(f, o);
	return ret && !closed ? cmd_fail(EXIT_FAILED, "cannot write the report: %s", strerror(-ret)) : closed;
}

int cmd_compare(const struct cmd_context *ctx, int argc, char **args)
{
	struct options_input in = { .scope = S_COMPARE, .argc = argc, .argv = args, .positional = true };
	struct compare c = { .points = NULL };
	struct options_error err = { "" };
	struct options o;
	int code = cmd_parse_input(&o, &in, USAGE), ret;

	if (code < 0 && o.args.count != 2)
		code = cmd_fail(EXIT_USAGE,
				"compare takes two: A and B, each a JSON report or the directory of a sweep");
	if (code < 0) {
		ret = compare_load(&c, o.args.v[0], o.args.v[1], o.measure, &err);
		code = ret ? cmd_refuse(ret, &err) : write_report(ctx, &c, &o);
	}
	compare_destroy(&c);
	options_free(&o);
	return code;
}
