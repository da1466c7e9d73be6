/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include "bench/cmd.h"
#include "bench/explain.h"
#include "bench/point.h"
#include "bench/progress.h"
#include "bench/report.h"
#include "bench/runner.h"
#include "bench/scenario.h"

/* What the person at the terminal should know before trusting the numbers. */
static void print_warnings(const struct run *run)
{
	const struct options *o = &run->scenario->options;
	double mean = run->throughput_mib_s.mean;

	if (run->scenario->forced_strict)
		fprintf(stderr,
			"simbench: warning: caching mode disallows lazy invalidation on second-stage domains: "
			"the run is strict (facts K4a); --invalidation strict says so\n");
	if (run->complete < 2)
		return;
	if (run->throughput_mib_s.ci95 > mean / 100)
		fprintf(stderr,
			"simbench: warning: the 95 %% confidence interval is +-%.1f %% of the mean: raise "
			"--runtime or "
			"--repetitions (now %llu)\n",
			100 * run->throughput_mib_s.ci95 / mean, (unsigned long long)o->repetitions);
}

/* The first repetition's failure, as a message and an exit code. */
static int run_failed(const struct run *run)
{
	uint32_t i;

	for (i = 0; i < run->rep_count; i++)
		if (run->reps[i].ret == run->ret)
			break;
	switch (run->ret) {
	case -EINVAL:
		return cmd_fail(EXIT_USAGE, "%s", run->reps[i].err);
	case -EDEADLK:
		return cmd_fail(EXIT_STUCK,
				"seed %llu: the simulation came to a stop: every CPU sleeps and no event "
				"is pending",
				(unsigned long long)run->reps[i].seed);
	case -ENOMEM:
		return cmd_fail(EXIT_FAILED, "out of memory, simulated or real");
	case -EIO:
		return cmd_fail(EXIT_UNSAFE, "seed %llu: %s", (unsigned long long)run->reps[i].seed,
				run->reps[i].err);
	}
	return cmd_fail(EXIT_FAILED, "seed %llu: %s", (unsigned long long)run->reps[i].seed, run->reps[i].err);
}

static int write_report(const struct cmd_context *ctx, const struct run *run, const struct runner *runner)
{
	const struct options *o = &run->scenario->options;
	FILE *f = cmd_open_output(o);
	int ret, closed;

	if (!f)
		return EXIT_FAILED;
	if (o->output_format == FORMAT_JSON)
		ret = report_json(f, ctx, run, 1, runner);
	else
		ret = report_text(f, run, runner, cmd_use_color(o, f));
	closed = cmd_close_output(f, o);
	return ret && !closed ? cmd_fail(EXIT_FAILED, "cannot write the report: %s", strerror(-ret)) : closed;
}

static int run_scenario(const struct cmd_context *ctx, struct scenario *s)
{
	struct progress progress;
	struct runner runner = { .threads = (uint32_t)s->options.threads, .interrupted = ctx->interrupted };
	struct run run;
	int code;

	if (run_init(&run, s, NULL))
		return cmd_fail(EXIT_FAILED, "out of memory");
	progress_init(&progress, &s->options, "repetitions");
	runner.progress = progress_update;
	runner.progress_arg = &progress;
	if (runner_run(&runner, &run, 1))
		code = cmd_fail(EXIT_FAILED, "out of memory");
	else if (run.ret)
		code = run_failed(&run);
	else
		code = EXIT_OK;
	progress_clear(&progress);
	if (!code) {
		print_warnings(&run);
		code = write_report(ctx, &run, &runner);
		if (!code && *ctx->interrupted)
			code = EXIT_SIGNAL + *ctx->interrupted;
	}
	run_destroy(&run);
	return code;
}

int run_point(const struct cmd_context *ctx, struct options *o, struct json_t **result)
{
	struct runner runner = { .threads = (uint32_t)o->threads, .interrupted = ctx->interrupted };
	struct options_error err = { "" };
	struct scenario s;
	struct run run;
	int code = EXIT_OK, ret;

	ret = scenario_init(&s, o, &err);
	if (ret) {
		code = ret == -ENOMEM ? cmd_fail(EXIT_FAILED, "out of memory")
				      : cmd_fail(EXIT_USAGE, "%s", err.msg);
		goto out;
	}
	if (run_init(&run, &s, NULL)) {
		code = cmd_fail(EXIT_FAILED, "out of memory");
		goto out;
	}
	if (runner_run(&runner, &run, 1))
		code = cmd_fail(EXIT_FAILED, "out of memory");
	else if (run.ret)
		code = run_failed(&run);
	else if (run.complete < run.rep_count)
		code = EXIT_SIGNAL + *ctx->interrupted;
	if (!code) {
		*result = report_json_point(&run);
		if (!*result)
			code = cmd_fail(EXIT_FAILED, "out of memory");
	}
	run_destroy(&run);
out:
	scenario_destroy(&s);
	return code;
}

int run_check(struct options *o, struct options_error *err)
{
	struct scenario s;
	int ret = scenario_init(&s, o, err);

	scenario_destroy(&s);
	return ret;
}

int cmd_run(const struct cmd_context *ctx, int argc, char **args)
{
	struct options_error err = { "" };
	struct scenario s;
	struct options o;
	int code, ret;

	code = cmd_parse(&o, S_RUN, argc, args, "Usage: simbench [run] [OPTION...]");
	if (code >= 0) {
		options_free(&o);
		return code;
	}
	ret = scenario_init(&s, &o, &err);
	options_free(&o);
	if (ret == -ENOMEM)
		code = cmd_fail(EXIT_FAILED, "out of memory");
	else if (ret)
		code = cmd_fail(EXIT_USAGE, "%s", err.msg);
	else if (s.options.explain)
		code = explain(ctx, &s);
	else
		code = run_scenario(ctx, &s);
	scenario_destroy(&s);
	return code;
}
