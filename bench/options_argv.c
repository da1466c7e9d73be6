/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options_argv.c - the command line, and the order in which all sources of options apply
 */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "bench/options_table.h"

/* What getopt_long() returns for a row, for --no-<row>, and for --version; beyond any short option's character. */
#define VAL_ROW 1000
#define VAL_NO 2000
#define VAL_VERSION 3000

/* Every flag: the rows, their --no- forms, --help and --version. */
#define FLAG_MAX (2 * OPTION_COUNT + 2)

struct flag_table {
	char shorts[32]; /* for getopt_long() */
	struct option getopt[FLAG_MAX + 1];
	char names[FLAG_MAX][sizeof(option_flag_t) + 4]; /* without leading dashes */
	unsigned int count;
};

/* One flag or --set, kept until the files have been read. */
struct given {
	unsigned int id;
	const char *value; /* NULL: a bare FLAG or BOOL */
	bool no;	   /* --no-<row> */
};

struct argv_state {
	struct options *o;
	const struct options_input *in;
	struct options_error *err;
	struct flag_table flags;
	struct given *given;
	unsigned int given_count;
	bool seen[OPTION_COUNT];
};

static void add_flag(struct flag_table *t, const char *name, int has_arg, int val)
{
	assert(t->count < FLAG_MAX);
	snprintf(t->names[t->count], sizeof(t->names[0]), "%s", name);
	t->getopt[t->count] = (struct option){ .name = t->names[t->count], .has_arg = has_arg, .val = val };
	t->count++;
}

/* '-': arguments stay in their order; ':': a missing value returns ':'. */
static void build_short_flags(struct flag_table *t, unsigned int scope)
{
	size_t used = snprintf(t->shorts, sizeof(t->shorts), "-:h");

	for (const struct option_short *s = option_shorts; s->letter; s++) {
		if (s->scope & scope)
			used += snprintf(t->shorts + used, sizeof(t->shorts) - used, "%c:", s->letter);
	}
	assert(used < sizeof(t->shorts));
}

static void build_flags(struct flag_table *t, unsigned int scope)
{
	option_flag_t flag;
	char no[sizeof(flag) + 4];

	build_short_flags(t, scope);
	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		enum option_kind kind = option_row(id)->kind;
		int has_arg = required_argument;

		if (kind == OPTION_KIND_FLAG)
			has_arg = no_argument;
		else if (kind == OPTION_KIND_BOOL)
			has_arg = optional_argument;
		option_flag_name(id, flag);
		add_flag(t, flag + 2, has_arg, VAL_ROW + id);
		if (kind == OPTION_KIND_BOOL) {
			snprintf(no, sizeof(no), "no-%s", flag + 2);
			add_flag(t, no, no_argument, VAL_NO + id);
		}
	}
	add_flag(t, "help", no_argument, 'h');
	add_flag(t, "version", no_argument, VAL_VERSION);
}

/* The flag as the table spells it, for messages: "--ats" or "--no-ats". */
static const char *print_flag(const struct given *g, char *buf, size_t size)
{
	option_flag_t flag;

	option_flag_name(g->id, flag);
	snprintf(buf, size, "--%s%s", g->no ? "no-" : "", flag + 2);
	return buf;
}

/* The row behind a getopt value, or OPTION_COUNT. */
static unsigned int val_to_id(int val)
{
	if (val >= VAL_ROW && val < VAL_ROW + OPTION_COUNT)
		return val - VAL_ROW;
	if (val >= VAL_NO && val < VAL_NO + OPTION_COUNT)
		return val - VAL_NO;
	for (const struct option_short *s = option_shorts; s->letter; s++) {
		if (s->letter == val)
			return s->id;
	}
	return OPTION_COUNT;
}

/* The flag's name within an argument, without dashes and value. */
static const char *flag_word(const char *arg, char *buf, size_t size)
{
	arg += strspn(arg, "-");
	snprintf(buf, size, "%.*s", (int)strcspn(arg, "="), arg);
	return buf;
}

static bool is_flag(const struct flag_table *t, const char *word)
{
	for (unsigned int i = 0; i < t->count; i++) {
		if (!strcmp(t->names[i], word))
			return true;
	}
	return false;
}

static int unknown_flag(struct argv_state *st, const char *arg)
{
	struct option_guess guess;
	char word[64], shown[64], quoted[80], hint[128];

	option_guess_init(&guess, flag_word(arg, word, sizeof(word)));
	for (unsigned int i = 0; i < st->flags.count; i++) {
		unsigned int id = val_to_id(st->flags.getopt[i].val);

		if (id == OPTION_COUNT || (option_row(id)->scope & st->in->scope))
			option_guess_try(&guess, st->flags.names[i]);
	}
	option_guess_text(&guess, hint, sizeof(hint), "--");
	snprintf(shown, sizeof(shown), "%.*s", (int)strcspn(arg, "="), arg);
	return option_error(st->err, "%s: unknown option%s", option_quote(quoted, sizeof(quoted), shown),
			    guess.best ? hint : ": --help lists all");
}

static int refuse_positional(struct argv_state *st, const char *arg)
{
	const struct given *last = st->given_count ? &st->given[st->given_count - 1] : NULL;
	char quoted[80];
	option_flag_t flag;

	option_quote(quoted, sizeof(quoted), arg);
	/* "--ats no": the value of a BOOL only counts after an equals sign. */
	if (last && option_row(last->id)->kind == OPTION_KIND_BOOL && !last->value)
		return option_error(st->err, "%s: unexpected argument: did you mean %s=%s?", quoted,
				    option_flag_name(last->id, flag), quoted);
	return option_error(st->err, "%s: unexpected argument", quoted);
}

static int take_positional(struct argv_state *st, const char *arg)
{
	if (!st->in->positional)
		return refuse_positional(st, arg);
	return option_strings_append(&st->o->args, arg);
}

/* Remember one flag for apply_given(). @separate: its value was the next argument. */
static int take_flag(struct argv_state *st, int val, const char *value, bool separate)
{
	struct given g = { .id = val_to_id(val), .value = value, .no = val >= VAL_NO };
	const struct option_row *row = option_row(g.id);
	struct option_setting s = { .source = OPTIONS_FLAG };
	char flag[64], quoted[80];
	int ret;

	s.key = row->name;
	s.where = print_flag(&g, flag, sizeof(flag));
	ret = option_check_scope(st->o, g.id, &s, st->err);
	if (ret)
		return ret;
	if (separate && !strncmp(value, "--", 2))
		return option_error(st->err, "%s: the value is missing (write %s=%s if it is that)", flag, flag,
				    option_quote(quoted, sizeof(quoted), value));
	if (st->seen[g.id] && row->kind != OPTION_KIND_STRL)
		return option_error(st->err, "%s: given twice%s", flag,
				    row->kind == OPTION_KIND_BOOL ? ", with or without no-" : "");
	st->seen[g.id] = true;
	st->given[st->given_count++] = g;
	return 0;
}

/* getopt_long() has refused @arg with @val; optopt tells which flag it is about, 0 or a character if none. */
static int bad_flag(struct argv_state *st, int val, const char *arg)
{
	struct given g = { .id = val_to_id(optopt), .no = optopt >= VAL_NO };
	char flag[64];

	if (val == ':')
		return option_error(st->err, "%s: the value is missing", print_flag(&g, flag, sizeof(flag)));
	if (optopt >= VAL_ROW || (optopt == 'h' && arg[1] == '-'))
		return option_error(st->err, "--%s: takes no value", flag_word(arg, flag, sizeof(flag)));
	if (optopt == 'n' && st->in->scope == S_MAP)
		return option_error(st->err, "-n: threads are placed by --placement, not by a NUMA node");
	return unknown_flag(st, arg);
}

/* One step of getopt_long(), unless that was all: 0 to go on, else what options_parse() returns. */
static int next_flag(struct argv_state *st, bool *done)
{
	const struct options_input *in = st->in;
	int before = optind ? optind : 1, val;
	char word[64];
	const char *arg;

	*done = before >= in->argc;
	if (*done)
		return 0;
	arg = in->argv[before];
	/* getopt_long() would take an unambiguous beginning for the whole name. */
	if (!strncmp(arg, "--", 2) && arg[2] && !is_flag(&st->flags, flag_word(arg, word, sizeof(word))))
		return unknown_flag(st, arg);
	val = getopt_long(in->argc, in->argv, st->flags.shorts, st->flags.getopt, NULL);
	switch (val) {
	case -1:
		*done = true;
		return 0;
	case 1:
		return take_positional(st, optarg);
	case ':':
	case '?':
		return bad_flag(st, val, arg);
	case 'h':
		return OPTIONS_HELP;
	case VAL_VERSION:
		return OPTIONS_VERSION;
	}
	return take_flag(st, val, optarg, optind == before + 2);
}

static int read_argv(struct argv_state *st)
{
	bool done = false;
	int ret = 0;

	/* 0 makes glibc start afresh, whatever was parsed before. */
	optind = 0;
	opterr = 0;
	while (!ret && !done)
		ret = next_flag(st, &done);
	for (int i = optind; !ret && i > 0 && i < st->in->argc; i++)
		ret = take_positional(st, st->in->argv[i]);
	return ret;
}

bool options_every_arg(const char *arg)
{
	(void)arg;
	return true;
}

static bool has_config_args(const struct argv_state *st)
{
	for (unsigned int i = 0; i < st->o->args.count; i++)
		if (st->in->config_args && st->in->config_args(st->o->args.v[i]))
			return true;
	return false;
}

static int read_files(struct argv_state *st)
{
	const struct options_input *in = st->in;
	char name[128];
	int ret = 0;

	if (in->builtin_ini) {
		snprintf(name, sizeof(name), "built-in %s", in->builtin_name ? in->builtin_name : "z3-metal.ini");
		ret = option_read_ini(st->o, name, in->builtin_ini, OPTIONS_BUILTIN, NULL, st->err);
	}
	if (!ret && in->default_ini && !has_config_args(st)) {
		snprintf(name, sizeof(name), "built-in %s", in->default_name);
		ret = option_read_ini(st->o, name, in->default_ini, OPTIONS_FILE, in, st->err);
	}
	for (unsigned int i = 0; i < st->o->args.count && !ret; i++)
		if (in->config_args && in->config_args(st->o->args.v[i]))
			ret = option_read_ini(st->o, st->o->args.v[i], NULL, OPTIONS_FILE, in, st->err);
	for (unsigned int i = 0; i < st->given_count && !ret; i++) {
		struct option_setting s = { .key = "config",
					    .value = st->given[i].value,
					    .source = OPTIONS_FLAG,
					    .where = "--config",
					    .origin = "--config" };

		if (st->given[i].id != OPTION_config)
			continue;
		ret = option_apply(st->o, OPTION_config, &s, st->err);
		if (!ret)
			ret = option_read_ini(st->o, s.value, NULL, OPTIONS_FILE, in, st->err);
	}
	return ret;
}

/* --set KEY=VALUE */
static int apply_set(struct argv_state *st, const char *pair)
{
	struct option_setting list = {
		.key = "set", .value = pair, .source = OPTIONS_FLAG, .where = "--set", .origin = "--set"
	};
	struct option_setting s = { .source = OPTIONS_SET, .where = "--set", .origin = "--set" };
	const char *equals = strchr(pair, '=');
	char *key;
	int ret;

	if (!equals)
		return option_refuse(st->err, &list, "not KEY=VALUE");
	key = strndup(pair, equals - pair);
	if (!key)
		return -ENOMEM;
	s.key = key;
	s.value = equals + 1;
	ret = option_set_key(st->o, &s, st->err);
	if (!ret)
		ret = option_apply(st->o, OPTION_set, &list, st->err);
	free(key);
	return ret;
}

static int apply_given(struct argv_state *st)
{
	int ret = 0;

	for (unsigned int i = 0; i < st->given_count && !ret; i++) {
		const struct given *g = &st->given[i];
		struct option_setting s = { .value = g->value, .source = OPTIONS_FLAG };
		char flag[64];

		s.key = option_row(g->id)->name;
		s.where = s.origin = print_flag(g, flag, sizeof(flag));
		if (!s.value)
			s.value = g->no ? "no" : "yes";
		if (g->id == OPTION_set)
			ret = apply_set(st, g->value);
		else if (g->id != OPTION_config)
			ret = option_apply(st->o, g->id, &s, st->err);
	}
	return ret;
}

int options_parse_input(struct options *o, const struct options_input *in, struct options_error *err)
{
	struct argv_state st = { .o = o, .in = in, .err = err };
	int ret;

	if (err)
		err->msg[0] = '\0';
	ret = options_init(o);
	if (ret)
		return ret;
	o->scope = in->scope;
	option_scope_defaults(o, in->scope);
	build_flags(&st.flags, in->scope);
	st.given = calloc(in->argc > 0 ? in->argc : 1, sizeof(*st.given));
	ret = st.given ? read_argv(&st) : -ENOMEM;
	if (!ret)
		ret = read_files(&st);
	if (!ret)
		ret = apply_given(&st);
	free(st.given);
	if (ret < 0)
		options_free(o);
	return ret;
}

int options_parse(struct options *o, unsigned int scope, int argc, char **argv, const char *builtin_ini,
		  struct options_error *err)
{
	const struct options_input in = { .scope = scope, .argc = argc, .argv = argv, .builtin_ini = builtin_ini };

	return options_parse_input(o, &in, err);
}
