/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options.h - every option of every subcommand: where it comes from, what it may be, how it is shown
 *
 * struct options has one member per row of options.def. Values come, lowest first, from that table, from a
 * built-in machine description, from the --config files in order, and from flags and --set in the order of the
 * command line. Each value remembers where it came from.
 *
 * Nothing here prints an error: it is returned in a struct options_error. Only options_parse() and
 * options_parse_input() touch process-wide state (that of getopt_long); call them from one thread at a time.
 */
#ifndef SIMBENCH_OPTIONS_H
#define SIMBENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "sim/config_enums.h"

struct json_t;

/* Scopes: the subcommands that take options. A row of options.def names one or several. */
enum options_scope {
	S_RUN = 1 << 0,
	S_LOCK = 1 << 1,
	S_PING = 1 << 2,
	S_FIT = 1 << 3,
	S_MAP = 1 << 4,
	S_CROSS = 1 << 5,
	S_CAL = 1 << 6,
	S_SWEEP = 1 << 7,
	S_MERGE = 1 << 8,
	S_VALID = 1 << 9,
	S_COMPARE = 1 << 10,
	S_PLOT = 1 << 11,
	S_EXPLORE = 1 << 12,
	S_SIM = S_RUN | S_LOCK | S_PING | S_FIT | S_MAP | S_CROSS,    /* takes a machine to simulate */
	S_POINT = S_RUN | S_LOCK | S_MAP,			      /* can be a point of a sweep */
	S_CONFIGURED = S_SIM | S_CAL | S_SWEEP | S_VALID | S_EXPLORE, /* does something that can be configured */
	S_ALL = S_CONFIGURED | S_MERGE | S_COMPARE | S_PLOT,
};

#define FORMAT_LIST(X)         \
	X(FORMAT_TEXT, "text") \
	X(FORMAT_JSON, "json")

#define STRATEGY_LIST(X)             \
	X(STRATEGY_RANDOM, "random") \
	X(STRATEGY_PCT, "pct")       \
	X(STRATEGY_DFS, "dfs")       \
	X(STRATEGY_DPOR, "dpor")

#define MEMORY_LIST(X)     \
	X(MEMORY_SC, "sc") \
	X(MEMORY_TSO, "tso")

#define WHEN_LIST(X)             \
	X(WHEN_AUTO, "auto")     \
	X(WHEN_ALWAYS, "always") \
	X(WHEN_NEVER, "never")

CONFIG_ENUM(output_format, FORMAT_LIST)
CONFIG_ENUM(output_when, WHEN_LIST)
CONFIG_ENUM(explore_strategy, STRATEGY_LIST)
CONFIG_ENUM(explore_memory, MEMORY_LIST)

/* The C type behind each list name that options.def uses. */
#define OPTION_ENUM_BRIDGE enum bridge_place
#define OPTION_ENUM_PLACE enum unit_place
#define OPTION_ENUM_POLICY enum policy
#define OPTION_ENUM_STAGE enum stage
#define OPTION_ENUM_INVALIDATION enum invalidation
#define OPTION_ENUM_ORACLE enum oracle_mode
#define OPTION_ENUM_RW enum rw
#define OPTION_ENUM_LOCK enum lock_kind
#define OPTION_ENUM_LAYOUT enum layout
#define OPTION_ENUM_LATDIST enum latency_dist
#define OPTION_ENUM_THINKDIST enum think_dist
#define OPTION_ENUM_DMADIR enum dma_data_direction
#define OPTION_ENUM_ENGINE enum engine_kind
#define OPTION_ENUM_STRATEGY enum explore_strategy
#define OPTION_ENUM_MEMORY enum explore_memory
#define OPTION_ENUM_FORMAT enum output_format
#define OPTION_ENUM_WHEN enum output_when

/* OPTION_<member>: the row's number, in the order of options.def. */
enum option_id {
#define SECTION(title)
#define OPT_U64(scope, member, ...) OPTION_##member,
#define OPT_PCT(scope, member, ...) OPTION_##member,
#define OPT_SIZE(scope, member, ...) OPTION_##member,
#define OPT_TIME(scope, member, ...) OPTION_##member,
#define OPT_BOOL(scope, member, ...) OPTION_##member,
#define OPT_ENUM(scope, member, ...) OPTION_##member,
#define OPT_HEXL(scope, member, ...) OPTION_##member,
#define OPT_STR(scope, member, ...) OPTION_##member,
#define OPT_STRL(scope, member, ...) OPTION_##member,
#define OPT_FLAG(scope, member, ...) OPTION_##member,
#include "bench/options.def"
	OPTION_COUNT
};

#define OPTIONS_LIST_MAX 64

/* A list of numbers, at most OPTIONS_LIST_MAX. */
struct options_list {
	unsigned int count;
	uint64_t v[OPTIONS_LIST_MAX];
};

/* A list of texts, each owned. */
struct options_strings {
	unsigned int count;
	char **v;
};

/* Where a value came from, lowest precedence first. */
enum options_source { OPTIONS_DEFAULT, OPTIONS_BUILTIN, OPTIONS_FILE, OPTIONS_FLAG, OPTIONS_SET };

struct options_origin {
	enum options_source source;
	char *where; /* "file:line", "--flag", "--set", ...; NULL for a default */
};

struct options {
	/* Units: SIZE in bytes, TIME in picoseconds, PCT in percent. Texts are owned and never NULL. */
#define SECTION(title)
#define OPT_U64(scope, member, ...) uint64_t member;
#define OPT_PCT(scope, member, ...) uint64_t member;
#define OPT_SIZE(scope, member, ...) uint64_t member;
#define OPT_TIME(scope, member, ...) uint64_t member;
#define OPT_BOOL(scope, member, ...) bool member;
#define OPT_ENUM(scope, member, values, ...) OPTION_ENUM_##values member;
#define OPT_HEXL(scope, member, ...) struct options_list member;
#define OPT_STR(scope, member, ...) char *member;
#define OPT_STRL(scope, member, ...) struct options_strings member;
#define OPT_FLAG(scope, member, ...) bool member;
#include "bench/options.def"

	unsigned int scope;	     /* S_*: what options_set() accepts and the output helpers show */
	struct options_strings args; /* positional arguments */
	struct options_origin origin[OPTION_COUNT];
};

/* One line, without a newline; "" when there was no error. */
struct options_error {
	char msg[1024];
};

/* Positive results of options_parse(): --help or --version was met, and nothing else was looked at. */
#define OPTIONS_HELP 1
#define OPTIONS_VERSION 2

/* A line of a section that is not [simbench]. */
struct options_ini_pair {
	const char *section; /* "sweep", "claim NAME", "plot NAME" */
	const char *key;     /* NULL: the section begins here */
	const char *value;
	const char *where; /* "file:12" */
	const char *path;  /* the file; NULL: it is a text */
};

/* For struct options_input: every positional argument is a file. */
bool options_every_arg(const char *arg);

/* What options_parse_input() reads. */
struct options_input {
	unsigned int scope;	  /* S_* of the subcommand */
	int argc;		  /* argv[0] is the (sub)command's name and is skipped */
	char **argv;		  /* read only, not permuted */
	const char *builtin_ini;  /* INI text of the built-in machine, or NULL */
	const char *builtin_name; /* its name in origins and messages; NULL: z3-metal.ini */
	bool positional;	  /* accept positional arguments, into options.args */
	/* Those of which this is true are files like those of --config, which are read after them. NULL: none is.
	 */
	bool (*config_args)(const char *arg);
	const char *default_ini;  /* INI text in place of such files, if there is none */
	const char *default_name; /* its name */
	/*
	 * Takes the sections [sweep], [claim NAME] and [plot NAME], which are skipped without it. Returns 0,
	 * -ENOMEM, or -EINVAL with @err filled in.
	 */
	int (*take_pair)(void *arg, const struct options_ini_pair *pair, struct options_error *err);
	void *take_arg;
};

/**
 * options_init - the defaults of options.def
 * @o: uninitialised; on return, even with an error, ready for options_free()
 *
 * The scope becomes S_ALL.
 * Return: 0 or -ENOMEM.
 */
int options_init(struct options *o);

/* options_free - free what @o owns; afterwards @o holds nothing and may be freed again. */
void options_free(struct options *o);

/**
 * options_copy - a deep copy, origins included
 * @dst: uninitialised; on return, even with an error, ready for options_free()
 * @src: stays as it is
 *
 * Return: 0 or -ENOMEM.
 */
int options_copy(struct options *dst, const struct options *src);

/**
 * options_parse - defaults, built-in INI, --config files and command line, in this order
 * @o: uninitialised; on return, whatever the result, ready for options_free()
 * @scope: S_* of the subcommand
 * @argc: number of elements in @argv
 * @argv: the command line; argv[0] is the (sub)command's name and is skipped
 * @builtin_ini: INI text of the built-in machine, or NULL
 * @err: the error's description; may be NULL
 *
 * Positional arguments are refused. Options are checked one by one; options_validate() checks them together.
 * Return: 0, OPTIONS_HELP, OPTIONS_VERSION, -EINVAL with @err filled in, or -ENOMEM.
 */
int options_parse(struct options *o, unsigned int scope, int argc, char **argv, const char *builtin_ini,
		  struct options_error *err);

/* options_parse_input - options_parse() with everything that can be chosen; see struct options_input. */
int options_parse_input(struct options *o, const struct options_input *in, struct options_error *err);

/**
 * options_set - set one option by name, as --set does
 * @o: its scope must take the option
 * @key: name as in options.def
 * @value: text as in an INI file
 * @origin: where it came from, such as "sweep.ini:7" or "--sweep", for messages and options_origin(); may be NULL
 * @err: the error's description; may be NULL
 *
 * The value counts as given on the command line. On an error @o is unchanged.
 * Return: 0, -EINVAL with @err filled in, or -ENOMEM.
 */
int options_set(struct options *o, const char *key, const char *value, const char *origin,
		struct options_error *err);

/**
 * options_validate - what no option can check alone
 * @o: checked as far as its scope goes
 * @err: the error's description; may be NULL
 *
 * Covers register bits that a choice needs (VT-d spec 11.4.2 and 11.4.3), options that would do nothing, and a
 * static policy on units whose needs differ, where attach fails (fact F7).
 * Return: 0 or -EINVAL with @err filled in.
 */
int options_validate(const struct options *o, struct options_error *err);

/* options_validate_but_attach - the same, except that an attach may be going to fail: to see it fail. */
int options_validate_but_attach(const struct options *o, struct options_error *err);

/**
 * options_unit_count - number of VT-d units, at least 1
 * @o: options
 *
 * One per device if both units and bridge are separate, else one; or as many as the longest of cap, ecap, cm and
 * rwbf has values, whichever is more; but no more than devices.
 */
unsigned int options_unit_count(const struct options *o);

/**
 * options_unit_cap - capability register of one unit, with cm (bit 7) and rwbf (bit 4) applied
 * @o: options
 * @unit: any number; a list's last value repeats
 */
uint64_t options_unit_cap(const struct options *o, unsigned int unit);

/* options_unit_ecap - extended capability register of one unit; @unit as for options_unit_cap(). */
uint64_t options_unit_ecap(const struct options *o, unsigned int unit);

/* options_origin - "default", "built-in z3-metal.ini", "file:line", "--flag", "--set" or options_set()'s @origin.
 */
const char *options_origin(const struct options *o, enum option_id id);

/* options_given - whether the value came from the command line or options_set(), not from a file or a default. */
bool options_given(const struct options *o, enum option_id id);

/**
 * options_scope_names - "run, lockbench": the names of the scopes in @scope
 * @scope: S_* bits
 * @buf: at least 128 bytes
 * @size: of @buf
 *
 * Return: @buf.
 */
const char *options_scope_names(unsigned int scope, char *buf, size_t size);

/**
 * options_format_time - the shortest exact notation in the largest unit that fits: "60ms", "67.5ns", "0s"
 * @buf: at least 32 bytes
 * @size: of @buf
 * @ps: picoseconds
 *
 * Return: @buf.
 */
const char *options_format_time(char *buf, size_t size, uint64_t ps);

/**
 * options_show_config - every effective option as an INI file, with where it came from
 * @f: written to
 * @o: the rows of its scope are shown
 *
 * As a --config file the text gives the same options again. Rows that an INI file cannot hold, or that are empty,
 * are comments.
 * Return: 0, or -EIO when @f has failed.
 */
int options_show_config(FILE *f, const struct options *o);

/**
 * options_help - the option part of --help, by section, at most 100 columns wide
 * @f: written to
 * @scope: the subcommand's S_* bits
 * @color: with ANSI colours
 *
 * Return: 0, -ENOMEM, or -EIO when @f has failed.
 */
int options_help(FILE *f, unsigned int scope, bool color);

/* options_man - the OPTIONS section of the manual page, for man(7) macros; returns as options_help(). */
int options_man(FILE *f);

/* options_bash_completion - a completion function for bash; returns as options_help(). */
int options_bash_completion(FILE *f);

/**
 * options_to_json - every effective option that can change a result, as one JSON object
 * @o: options
 * @scope: the S_* bits whose rows are wanted
 *
 * Keys are table names, in table order. Numbers, percents and sizes (bytes) are integers, or strings from 2^63 on;
 * times are strings such as "67.5ns"; lists are arrays of "0x..." strings; the rest are strings and booleans. The
 * section Output is left out, so that the same simulation gives the same bytes wherever its report goes.
 * Return: a new reference, or NULL when memory ran out.
 */
struct json_t *options_to_json(const struct options *o, unsigned int scope);

#endif
