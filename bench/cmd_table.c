/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_table.c - the regression table: what the reporter measured, and what the model makes of it
 */
#include <errno.h>
#include <string.h>

#include "bench/cmd.h"
#include "bench/progress.h"
#include "bench/report.h"
#include "bench/runner.h"
#include "bench/scenario.h"

enum kind { KIND_CEILING, KIND_FITTED, KIND_PREDICTED };

/* What was reported for a row (facts F1 to F3); 0: nothing was. */
static const struct reported {
	enum policy policy;
	unsigned int shared, separate; /* MiB/s */
	const char *tag;
} reported[] = {
	{ POLICY_PT, 0, 0, "" },
	{ POLICY_LEGACY, 6150, 6150, "F1, F2" },
	{ POLICY_ALWAYS, 4985, 6150, "F1, F2" },
	{ POLICY_DYNAMIC, 6150, 6150, "F3" },
	{ POLICY_STATIC, 0, 0, "" },
	{ POLICY_INVS, 0, 0, "" },
};

#define ROWS (sizeof(reported) / sizeof(reported[0]))
#define POINTS (ROWS * 2 * 2) /* x bridge x invalidation */

struct table {
	struct scenario scenario[POINTS];
	struct run run[POINTS];
	uint32_t scenarios, runs; /* initialised */
};

/* Lazy first; a row's two bridges side by side. */
static uint32_t point_index(bool strict, uint32_t row, bool separate)
{
	return (strict ? ROWS * 2 : 0) + row * 2 + separate;
}

static int init_point(struct table *t, const struct options *base, uint32_t i, struct options_error *err)
{
	bool strict = i >= ROWS * 2, separate = i % 2;
	uint32_t row = i % (ROWS * 2) / 2;
	struct options o;
	int ret;

	ret = options_copy(&o, base);
	if (!ret) {
		o.policy = reported[row].policy;
		o.bridge = separate ? BRIDGE_SEPARATE : BRIDGE_SHARED;
		o.invalidation = strict ? INVALIDATION_STRICT : INVALIDATION_LAZY;
		t->scenarios++;
		ret = scenario_init(&t->scenario[i], &o, err);
	}
	options_free(&o);
	if (!ret)
		ret = run_init(&t->run[i], &t->scenario[i], NULL);
	if (!ret)
		t->runs++;
	return ret;
}

static void table_destroy(struct table *t)
{
	uint32_t i;

	for (i = 0; i < t->runs; i++)
		run_destroy(&t->run[i]);
	for (i = 0; i < t->scenarios; i++)
		scenario_destroy(&t->scenario[i]);
}

static void print_cell(FILE *f, const struct run *run, unsigned int was, const char *kind)
{
	char value[32] = "-", measured[16] = "-";

	if (run->complete)
		snprintf(value, sizeof(value), "%.0f +-%.0f", run->throughput_mib_s.mean,
			 run->throughput_mib_s.ci95);
	if (was)
		snprintf(measured, sizeof(measured), "%u", was);
	fprintf(f, "  %9s %12s  %-9s", measured, value, kind);
}

static const char *kind_name(bool strict, enum policy policy, bool separate)
{
	return !strict && policy == POLICY_ALWAYS && !separate ? "fitted" : "predicted";
}

static void print_half(FILE *f, const struct table *t, bool strict, bool color)
{
	uint32_t row;

	fprintf(f, "\n%s%s%s\n", color ? "\033[1m" : "",
		strict ? "Strict invalidation: every unmap flushes the IOTLB, and waits"
		       : "Lazy invalidation (the default)",
		color ? "\033[0m" : "");
	fprintf(f, "  %-8s  %-33s    %-33s\n", "", "shared bridge, MiB/s", "separate bridges, MiB/s");
	fprintf(f, "  %-8s  %9s %12s  %-9s    %9s %12s  %-9s\n", "policy", "reported", "simulated", "", "reported",
		"simulated", "");
	for (row = 0; row < ROWS; row++) {
		const struct reported *r = &reported[row];

		fprintf(f, "  %-8s", policy_name(r->policy));
		print_cell(f, &t->run[point_index(strict, row, false)], strict ? 0 : r->shared,
			   kind_name(strict, r->policy, false));
		fputs("  ", f);
		print_cell(f, &t->run[point_index(strict, row, true)], strict ? 0 : r->separate,
			   kind_name(strict, r->policy, true));
		fputc('\n', f);
	}
}

static void print_table(FILE *f, const struct table *t, const struct runner *runner, bool color)
{
	const struct options *o = &t->scenario[0].options;
	char local[32], remote[32];

	fprintf(f,
		"Two NVMe devices behind Intel VT-d without caching mode and without required write-buffer "
		"flushing:\n"
		"%llu jobs a device, iodepth %llu, %llu KiB %s; %s; %llu repetitions\n",
		(unsigned long long)o->jobs, (unsigned long long)o->iodepth, (unsigned long long)o->bs / 1024,
		rw_name(o->rw), o->machine, (unsigned long long)o->repetitions);
	print_half(f, t, false, color);
	print_half(f, t, true, color);
	fprintf(f,
		"\n"
		"reported   by the reporter of the regression and of the patch's test (facts F1 to F3); nothing "
		"for strict mode\n"
		"input      the devices' ceiling, 6150 MiB/s together (F1)\n"
		"fitted     line latencies of %s within and %s across packages, so that this one value is met\n"
		"predicted  all else, with nothing adjusted; +- is the 95 %% confidence interval\n"
		"\n%.1f s; where a value comes from: simbench --policy always --explain\n",
		options_format_time(local, sizeof(local), o->local_ns),
		options_format_time(remote, sizeof(remote), o->remote_ns), runner->wall_s);
}

static int write_table(const struct cmd_context *ctx, const struct table *t, const struct runner *runner)
{
	const struct options *o = &t->scenario[0].options;
	FILE *f = cmd_open_output(o);
	int ret = 0, closed;

	if (!f)
		return EXIT_FAILED;
	if (o->output_format == FORMAT_JSON)
		ret = report_json(f, ctx, t->run, POINTS, runner);
	else
		print_table(f, t, runner, cmd_use_color(o, f));
	closed = cmd_close_output(f, o);
	return ret && !closed ? cmd_fail(EXIT_FAILED, "cannot write the report: %s", strerror(-ret)) : closed;
}

static int run_table(const struct cmd_context *ctx, struct table *t)
{
	const struct options *o = &t->scenario[0].options;
	struct runner runner = { .threads = (uint32_t)o->threads, .interrupted = ctx->interrupted };
	struct progress progress;
	uint32_t i;
	int code = EXIT_OK;

	progress_init(&progress, o, "repetitions");
	runner.progress = progress_update;
	runner.progress_arg = &progress;
	if (runner_run(&runner, t->run, POINTS))
		code = cmd_fail(EXIT_FAILED, "out of memory");
	progress_clear(&progress);
	for (i = 0; !code && i < POINTS; i++)
		if (t->run[i].ret)
			code = cmd_fail(EXIT_FAILED, "policy %s: %s", policy_name(t->scenario[i].options.policy),
					strerror(-t->run[i].ret));
	if (!code)
		code = write_table(ctx, t, &runner);
	return !code && *ctx->interrupted ? EXIT_SIGNAL + *ctx->interrupted : code;
}

/* The table sets these itself. */
static int check_given(const struct options *o)
{
	static const struct {
		enum option_id id;
		const char *flag;
	} own[] = {
		{ OPTION_policy, "--policy" },
		{ OPTION_bridge, "--bridge" },
		{ OPTION_invalidation, "--invalidation" },
		{ OPTION_explain, "--explain" },
	};
	size_t i;

	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (options_given(o, own[i].id))
			return cmd_fail(EXIT_USAGE,
					"%s: the table goes through all of them; simbench run takes one",
					own[i].flag);
	return -1;
}

int cmd_table(const struct cmd_context *ctx, int argc, char **args)
{
	struct table t = { .scenarios = 0 };
	struct options_error err = { "" };
	struct options o;
	uint32_t i;
	int code, ret = 0;

	code = cmd_parse(&o, S_RUN, argc, args, "Usage: simbench table [OPTION...]");
	if (code < 0)
		code = check_given(&o);
	for (i = 0; code < 0 && !ret && i < POINTS; i++)
		ret = init_point(&t, &o, i, &err);
	if (ret)
		code = ret == -ENOMEM ? cmd_fail(EXIT_FAILED, "out of memory")
				      : cmd_fail(EXIT_USAGE, "%s", err.msg);
	options_free(&o);
	if (code < 0)
		code = run_table(ctx, &t);
	table_destroy(&t);
	return code;
}
