/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd.h - the subcommands, and what they share
 */
#ifndef SIMBENCH_CMD_H
#define SIMBENCH_CMD_H

#include <signal.h>
#include <stdio.h>

#include "bench/options.h"

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,   /* the run failed */
	EXIT_USAGE = 2,	   /* usage or configuration */
	EXIT_REFUTED = 3,  /* or undecided: a claim */
	EXIT_UNSAFE = 4,   /* a safety violation */
	EXIT_STUCK = 5,	   /* deadlock or step bound */
	EXIT_SIGNAL = 128, /* plus the signal's number */
};

/* What main() has found out before it calls a subcommand. */
struct cmd_context {
	int argc; /* the whole command line, for the JSON context */
	char **argv;
	volatile sig_atomic_t *interrupted; /* number of the signal that asked to stop, or 0 */
};

/*
 * Each parses its own arguments (args[0] is its name), writes the report to standard output or --output, messages
 * to standard error, and returns an exit code.
 */
int cmd_run(const struct cmd_context *ctx, int argc, char **args);
int cmd_table(const struct cmd_context *ctx, int argc, char **args);
int cmd_lockbench(const struct cmd_context *ctx, int argc, char **args);
int cmd_mapbench(const struct cmd_context *ctx, int argc, char **args);
int cmd_pingpong(const struct cmd_context *ctx, int argc, char **args);
int cmd_crosscheck(const struct cmd_context *ctx, int argc, char **args);
int cmd_calibrate(const struct cmd_context *ctx, int argc, char **args);
int cmd_fit(const struct cmd_context *ctx, int argc, char **args);
int cmd_sweep(const struct cmd_context *ctx, int argc, char **args);
int cmd_merge(const struct cmd_context *ctx, int argc, char **args);
int cmd_validate(const struct cmd_context *ctx, int argc, char **args);
int cmd_compare(const struct cmd_context *ctx, int argc, char **args);
int cmd_explore(const struct cmd_context *ctx, int argc, char **args);
int cmd_plot(const struct cmd_context *ctx, int argc, char **args);

/**
 * cmd_parse - options of a subcommand, checked
 * @o: to fill in; options_free() releases it, whatever the result
 * @scope: S_*
 * @argc, @args: the subcommand's arguments
 * @usage: first line of --help
 *
 * Handles --help, --version and --show-config. Returns -1 to go on, or an exit code to leave with.
 */
int cmd_parse(struct options *o, unsigned int scope, int argc, char **args, const char *usage);

/**
 * cmd_parse_input - the same with everything that can be chosen, not checked together
 * @in: its argc, argv, builtin_ini and default texts are those of the caller
 *
 * For commands that run scenarios of their own: --show-config is theirs, too.
 */
int cmd_parse_input(struct options *o, struct options_input *in, const char *usage);

/* Prints "simbench: out of memory" or @err's message; returns the exit code for @ret, one of options.h's errors. */
int cmd_refuse(int ret, const struct options_error *err);

/* Prints the options to standard output, for --show-config; returns the exit code. */
int cmd_show_config(const struct options *o);

/* The file for the report; NULL, with a message printed, when it cannot be opened. */
FILE *cmd_open_output(const struct options *o);

/* Closes it; returns EXIT_OK, or EXIT_FAILED with a message printed when not everything could be written. */
int cmd_close_output(FILE *f, const struct options *o);

/* Whether a text report to @f is to have colours. */
bool cmd_use_color(const struct options *o, FILE *f);

/* Prints "simbench: " and a message to standard error; returns @code. */
int cmd_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
