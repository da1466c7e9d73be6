/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/point.h"

static const struct {
	unsigned int scope;
	const char *throughput;
	int (*simulate)(const struct cmd_context *ctx, struct options *o, struct json_t **result);
	int (*check)(struct options *o, struct options_error *err);
} commands[] = {
	[POINT_RUN] = { S_RUN, "throughput_mib_s", run_point, run_check },
	[POINT_LOCKBENCH] = { S_LOCK, "acquisitions_per_s", lockbench_point, lockbench_check },
	[POINT_MAPBENCH] = { S_MAP, "maps_per_s", mapbench_point, mapbench_check },
};

unsigned int point_scope(enum point_command command)
{
	return commands[command].scope;
}

const char *point_throughput(enum point_command command)
{
	return commands[command].throughput;
}

int point_simulate(const struct cmd_context *ctx, enum point_command command, const struct options *o,
		   struct json_t **result)
{
	struct options own;
	int code;

	*result = NULL;
	if (options_copy(&own, o))
		return cmd_fail(EXIT_FAILED, "out of memory");
	/* Whoever has several points runs those in parallel, and shows how far they are. */
	own.threads = 1;
	own.progress = WHEN_NEVER;
	code = commands[command].simulate(ctx, &own, result);
	options_free(&own);
	return code;
}

int point_check(enum point_command command, const struct options *o, struct options_error *err)
{
	struct options own;
	int ret = options_copy(&own, o);

	if (!ret)
		ret = commands[command].check(&own, err);
	options_free(&own);
	return ret;
}

bool point_check_depends(unsigned int id)
{
	switch (id) {
	case OPTION_machine:
	case OPTION_placement:
	case OPTION_engine:
	case OPTION_oversubscribe:
	case OPTION_devices:
	case OPTION_jobs:
	case OPTION_cpus:
	case OPTION_map_threads:
		return true;
	}
	return false;
}
