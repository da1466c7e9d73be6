/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_calibrate.c - measures this machine and writes a machine file, so that it can be simulated
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bench/calibrate.h"
#include "bench/cmd.h"
#include "bench/progress.h"
#include "bench/results_json.h"
#include "bench/scenario.h"

static int measure(const struct cmd_context *ctx, const struct options *o, const struct topology *topology,
		   struct host_calibration *c)
{
	struct progress progress;
	const struct calibrate_params params = {
		.topology = topology,
		.sim = scenario_sim_params(o, o->seed),
		.quick = o->quick,
		.interrupted = ctx->interrupted,
		.progress = progress_update,
		.progress_arg = &progress,
	};
	int ret;

	progress_init(&progress, o, "measurements");
	ret = calibrate_run(&params, c);
	progress_clear(&progress);
	if (ret == -EINTR)
		return EXIT_SIGNAL + *ctx->interrupted;
	if (ret == -EXDEV)
		return cmd_fail(EXIT_FAILED, "this process may not run on every CPU of the machine: %s",
				"give it all of them (taskset, cpuset)");
	return ret ? cmd_fail(EXIT_FAILED, "cannot measure: %s", strerror(-ret)) : -1;
}

static int print_report(const struct cmd_context *ctx, const struct options *o, const struct host_calibration *c)
{
	const struct runner runner = { .wall_s = c->seconds };
	int ret = 0;

	if (o->output_format == FORMAT_JSON)
		ret = results_json(stdout, ctx, &runner, 0, o, json_pack("[o]", calibrate_json(c)));
	else
		calibrate_text(stdout, c, cmd_use_color(o, stdout));
	if (ret == -ENOMEM)
		return cmd_fail(EXIT_FAILED, "out of memory");
	if (fflush(stdout) || ferror(stdout))
		return cmd_fail(EXIT_FAILED, "standard output: cannot write the report: %s", strerror(errno));
	return EXIT_OK;
}

/* A machine file says something of this machine as long as it has a line latency of its own. */
static bool file_will_do(const struct options *o, const struct host_calibration *c)
{
	return o->output[0] && (o->accept_noisy || c->result[CAL_RESULT_local_ns].state == CAL_GOOD);
}

static int calibrate(const struct cmd_context *ctx, const struct options *o, const struct topology *topology,
		     struct host_calibration *c)
{
	struct options_error err = { "" };
	int code = measure(ctx, o, topology, c), ret = 0;

	if (code >= 0)
		return code;
	code = print_report(ctx, o, c);
	if (code)
		return code;
	if (o->output[0])
		ret = calibrate_write(c, topology, o->output, o, o->accept_noisy, &err);
	if (ret)
		return cmd_fail(EXIT_FAILED, "%s", ret == -ENOMEM ? "out of memory" : err.msg);
	if (c->good)
		return EXIT_OK;
	code = cmd_fail(EXIT_FAILED, "not all values are good%s: try again when the machine is quiet",
			o->output[0] && !o->accept_noisy ? "; those that are not are comments in the file" : "");
	return file_will_do(o, c) ? EXIT_OK : code;
}

int cmd_calibrate(const struct cmd_context *ctx, int argc, char **args)
{
	struct host_calibration *c = NULL;
	struct options_error bad = { "" };
	struct topology topology = { 0 };
	char err[TOPOLOGY_ERR_SIZE];
	struct options o;
	int code, ret;

	code = cmd_parse(&o, S_CAL, argc, args, "Usage: simbench calibrate [-o MACHINE.ini] [OPTION...]");
	if (code >= 0)
		goto out;
	ret = o.output[0] ? calibrate_check_output(o.output, &bad) : 0;
	if (ret == -EINVAL) {
		code = cmd_fail(EXIT_USAGE, "%s", bad.msg);
		goto out;
	}
	c = ret ? NULL : malloc(sizeof(*c));
	ret = c ? topology_load(&topology, "host", err, sizeof(err)) : -ENOMEM;
	if (ret)
		code = cmd_fail(EXIT_FAILED, "%s", ret == -ENOMEM ? "out of memory" : err);
	else
		code = calibrate(ctx, &o, &topology, c);
out:
	topology_destroy(&topology);
	free(c);
	options_free(&o);
	return code;
}
