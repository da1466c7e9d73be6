/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * simbench.c - main(): finds the subcommand
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bench/cmd.h"
#include "bench/options.h"
#include "bench/version.h"

static volatile sig_atomic_t interrupted;

static const struct command {
	const char *name;
	int (*run)(const struct cmd_context *ctx, int argc, char **args);
	const char *what;
} commands[] = {
	{ "run", cmd_run, "simulate one scenario and report it (the default)" },
	{ "table", cmd_table, "the regression table: every policy, shared and separate bridges" },
	{ "sweep", cmd_sweep, "many scenarios: every combination of lists of options, into a directory" },
	{ "merge", cmd_merge, "join the directories of a sweep's shards" },
	{ "validate", cmd_validate, "claims, such as a patch makes, against simulations" },
	{ "compare", cmd_compare,
	  "two results or sweeps, point by point: what changed, and is it more than noise" },
	{ "explore", cmd_explore, "every order of attach, map and DMA: which policy is free of races" },
	{ "plot", cmd_plot, "the pictures of a sweep" },
	{ "lockbench", cmd_lockbench, "CPUs that loop on one lock" },
	{ "mapbench", cmd_mapbench, "map and unmap in a loop, as the kernel's dma_map_benchmark does" },
	{ "pingpong", cmd_pingpong, "two CPUs that exchange a cache line" },
	{ "crosscheck", cmd_crosscheck, "the model against this machine: measured and predicted" },
	{ "calibrate", cmd_calibrate, "measure this machine, and write it into a machine file" },
	{ "fit", cmd_fit, "calibrate the occupancies, predict, fit the latencies" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* The first one asks; the second one insists. */
static void on_signal(int sig)
{
	interrupted = sig;
	signal(sig, SIG_DFL);
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

static int help(void)
{
	size_t i;

	printf("simbench %s: the Intel VT-d DMA map and unmap path, simulated\n\n", simbench_version);
	printf("Usage: simbench [COMMAND] [OPTION...]\n\nCommands:\n");
	for (i = 0; i < COMMAND_COUNT; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].what);
	printf("  %-10s %s\n\n", "help", "this text; COMMAND --help lists its options");
	printf("Examples:\n"
	       "  simbench --devices 4 --policy static\n"
	       "  simbench --policy always --explain\n"
	       "  simbench lockbench --lock ticket --cpus 32\n"
	       "  simbench table\n"
	       "  simbench sweep configs/sweeps/devices.ini && simbench plot devices.sweep\n"
	       "  simbench validate\n"
	       "  simbench calibrate -o my.ini && simbench --config my.ini --devices 8 --policy always\n\n"
	       "Exit codes: 0 ok, 1 run failed, 2 usage or configuration, 3 a claim is not confirmed or crosscheck "
	       "disagrees,\n4 safety violation, 5 deadlock, 128+N stopped by signal N\n");
	return EXIT_OK;
}

static int completion(const char *which)
{
	int ret = strcmp(which, "man") ? options_bash_completion(stdout) : options_man(stdout);

	return ret ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
	struct cmd_context ctx = { argc, argv, &interrupted };
	size_t i;

	catch_signals();
	if (argc < 2 || argv[1][0] == '-') {
		if (argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) && argc == 2)
			help();
		return cmd_run(&ctx, argc, argv);
	}
	if (!strcmp(argv[1], "help"))
		return help();
	if (!strcmp(argv[1], "man") || !strcmp(argv[1], "completion"))
		return completion(argv[1]);
	for (i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(&ctx, argc - 1, argv + 1);
	return cmd_fail(EXIT_USAGE, "%s: no such command; simbench help lists them", argv[1]);
}
