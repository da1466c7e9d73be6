/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_options.c - the option machinery: the table itself, every kind of value, every source, every error
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/options.h"
#include "bench/options_table.h"

#define ARGV_MAX 32

/* options_parse_input() on a command line written as one NULL-terminated list of arguments. */
static int parse_list(struct options *o, struct options_input *in, struct options_error *err,
		      const char *const *args)
{
	static char name[] = "simbench";
	char *argv[ARGV_MAX + 2] = { name };

	for (in->argc = 1; args[in->argc - 1]; in->argc++) {
		assert_in_range(in->argc, 1, ARGV_MAX);
		argv[in->argc] = (char *)args[in->argc - 1];
	}
	in->argv = argv;
	return options_parse_input(o, in, err);
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_ARGS ((const char *const[]){ NULL })

/* The command line is good for simbench run; the caller frees @o. */
static void good(struct options *o, const char *const *args)
{
	struct options_input in = { .scope = S_RUN };
	struct options_error err;

	if (parse_list(o, &in, &err, args))
		fail_msg("%s", err.msg);
	assert_string_equal(err.msg, "");
}

/* The command line is refused with exactly @msg. */
static void bad(const char *msg, const char *const *args)
{
	struct options_input in = { .scope = S_RUN };
	struct options_error err;
	struct options o;

	assert_int_equal(parse_list(&o, &in, &err, args), -EINVAL);
	assert_string_equal(err.msg, msg);
	options_free(&o);
}

/* The command line parses, and options_validate() then refuses it with a message that begins with @msg. */
static void invalid(const char *msg, const char *const *args)
{
	struct options_error err;
	struct options o;

	good(&o, args);
	assert_int_equal(options_validate(&o, &err), -EINVAL);
	if (strncmp(err.msg, msg, strlen(msg)))
		assert_string_equal(err.msg, msg);
	options_free(&o);
}

static void valid(const char *const *args)
{
	struct options_error err;
	struct options o;

	good(&o, args);
	if (options_validate(&o, &err))
		fail_msg("%s", err.msg);
	options_free(&o);
}

/* The text is a good built-in INI; the caller frees @o. */
static void good_ini(struct options *o, unsigned int scope, const char *text)
{
	struct options_input in = { .scope = scope, .builtin_ini = text, .builtin_name = "t.ini" };
	struct options_error err;

	if (parse_list(o, &in, &err, NO_ARGS))
		fail_msg("%s", err.msg);
}

static void bad_ini(const char *msg, const char *text)
{
	struct options_input in = { .scope = S_RUN, .builtin_ini = text, .builtin_name = "t.ini" };
	struct options_error err;
	struct options o;

	assert_int_equal(parse_list(&o, &in, &err, NO_ARGS), -EINVAL);
	assert_string_equal(err.msg, msg);
	options_free(&o);
}

/* A file that holds @size bytes of @text; its name goes to @path. */
static void write_file(char path[32], const char *text, size_t size)
{
	int fd;

	strcpy(path, "/tmp/simbench-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), size);
	close(fd);
}

/* What @print writes, to be freed. */
static char *capture(int (*print)(FILE *f, const void *arg), const void *arg)
{
	char *text, *copy;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(print(f, arg), 0);
	fclose(f);
	copy = strdup(text);
	assert_non_null(copy);
	free(text);
	return copy;
}

static int print_config(FILE *f, const void *arg)
{
	return options_show_config(f, arg);
}

static int print_help(FILE *f, const void *arg)
{
	return options_help(f, *(const unsigned int *)arg, false);
}

static int print_color_help(FILE *f, const void *arg)
{
	return options_help(f, *(const unsigned int *)arg, true);
}

static int print_man(FILE *f, const void *arg)
{
	(void)arg;
	return options_man(f);
}

static int print_completion(FILE *f, const void *arg)
{
	(void)arg;
	return options_bash_completion(f);
}

/* Whether @a and @b have the same values, as far as an INI file can hold them. */
static void assert_same_values(const struct options *a, const struct options *b)
{
	char buf_a[OPTION_PRINT_MAX], buf_b[OPTION_PRINT_MAX];

	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		if (option_in_ini(id) && (option_row(id)->scope & a->scope))
			assert_string_equal(option_print(a, id, buf_a, sizeof(buf_a)),
					    option_print(b, id, buf_b, sizeof(buf_b)));
	}
}

static void assert_round_trip(const struct options *o)
{
	char *text = capture(print_config, o);
	struct options again;

	good_ini(&again, o->scope, text);
	assert_same_values(o, &again);
	options_free(&again);
	free(text);
}

/* --- the table --- */

static void test_table_is_sound(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(options_init(&o), 0);
	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		const struct option_row *row = option_row(id);
		struct option_setting s = { .key = row->name, .value = row->fallback };
		struct options_error err = { "" };
		bool text = row->kind == OPTION_KIND_STR || row->kind == OPTION_KIND_STRL ||
			    row->kind == OPTION_KIND_HEXL;

		assert_in_range(strlen(row->name), 1, OPTION_NAME_MAX);
		assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(row->name));
		assert_int_equal(option_find(row->name), id);
		assert_true(row->scope && !(row->scope & ~(unsigned int)S_ALL));
		assert_true(strlen(row->help) > 0);
		assert_true(strlen(option_section(id)) > 0);
		assert_true(row->lo <= row->hi);
		if (row->kind == OPTION_KIND_HEXL)
			assert_in_range(row->hi, 1, OPTIONS_LIST_MAX);
		assert_null(o.origin[id].where);
		if (!row->fallback[0]) {
			assert_true(text);
			continue;
		}
		/* Parsing checks the range. */
		if (option_apply(&o, id, &s, &err))
			fail_msg("default of %s", err.msg);
	}
	options_free(&o);
}

static void test_every_bound_parses(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(options_init(&o), 0);
	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		const struct option_row *row = option_row(id);
		const uint64_t bounds[] = { row->lo, row->hi };
		char text[40];

		if (row->kind > OPTION_KIND_TIME)
			continue;
		for (int i = 0; i < 2; i++) {
			snprintf(text, sizeof(text), "%" PRIu64 "%s", bounds[i], row->unit ? "ps" : "");
			assert_int_equal(options_set(&o, row->name, text, NULL, NULL), 0);
			assert_int_equal(option_number(&o, id), bounds[i]);
		}
		if (row->hi < UINT64_MAX) {
			snprintf(text, sizeof(text), "%" PRIu64 "%s", row->hi + 1, row->unit ? "ps" : "");
			assert_int_equal(options_set(&o, row->name, text, NULL, NULL), -EINVAL);
		}
		if (row->lo) {
			snprintf(text, sizeof(text), "%" PRIu64 "%s", row->lo - 1, row->unit ? "ps" : "");
			assert_int_equal(options_set(&o, row->name, text, NULL, NULL), -EINVAL);
		}
		assert_int_equal(option_number(&o, id), row->hi);
	}
	options_free(&o);
}

static void test_defaults(void **state)
{
	struct options o;

	(void)state;
	good(&o, NO_ARGS);
	assert_int_equal(o.devices, 2);
	assert_int_equal(o.bridge, BRIDGE_SHARED);
	assert_int_equal(o.policy, POLICY_ALWAYS);
	assert_int_equal(o.lock, LOCK_QSPINLOCK);
	assert_int_equal(o.device_latency_dist, LATDIST_ERLANG);
	assert_int_equal(o.cap.count, 1);
	assert_int_equal(o.cap.v[0], 0x19ed008c40780c66);
	assert_int_equal(o.cm.count, 0);
	assert_int_equal(o.bs, 4096);
	assert_int_equal(o.runtime, 60000000000);
	assert_false(o.ats);
	assert_false(o.show_config);
	assert_string_equal(o.machine, "package:2 l3:1 core:48 pu:2");
	assert_string_equal(o.output, "");
	assert_string_equal(options_origin(&o, OPTION_devices), "default");
	assert_false(options_given(&o, OPTION_devices));
	assert_int_equal(options_validate(&o, NULL), 0);
	options_free(&o);
}

/* --- values --- */

static void test_each_kind(void **state)
{
	struct options o;

	(void)state;
	good(&o, ARGS("--devices", "7", "--bs=8k", "--write-occupancy-pct=50", "--policy", "static", "--ats",
		      "--cap", "0xC66,1,18446744073709551615", "--placement=0-3,8", "--explain", "--runtime=1",
		      "--seed=18446744073709551615", "-o", "out.json", "--lock=mcs"));
	assert_int_equal(o.devices, 7);
	assert_int_equal(o.bs, 8192);
	assert_int_equal(o.write_occupancy_pct, 50);
	assert_int_equal(o.policy, POLICY_STATIC);
	assert_true(o.ats);
	assert_int_equal(o.cap.count, 3);
	assert_int_equal(o.cap.v[0], 0xc66);
	assert_int_equal(o.cap.v[1], 1);
	assert_int_equal(o.cap.v[2], UINT64_MAX);
	assert_string_equal(o.placement, "0-3,8");
	assert_true(o.explain);
	assert_int_equal(o.runtime, 1000000000000);
	assert_int_equal(o.seed, UINT64_MAX);
	assert_string_equal(o.output, "out.json");
	assert_int_equal(o.lock, LOCK_MCS);
	options_free(&o);
}

static void test_bool_forms(void **state)
{
	static const char *const words[] = { "no", "yes", "0", "1", "false", "true", "off", "on" };
	struct options o;

	(void)state;
	assert_int_equal(options_init(&o), 0);
	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		assert_int_equal(options_set(&o, "ats", words[i], NULL, NULL), 0);
		assert_int_equal(o.ats, i % 2);
	}
	options_free(&o);
	good(&o, ARGS("--set", "ats=yes", "--no-ats"));
	assert_false(o.ats);
	assert_string_equal(options_origin(&o, OPTION_ats), "--no-ats");
	options_free(&o);
	good(&o, ARGS("--ats=no"));
	assert_false(o.ats);
	assert_true(options_given(&o, OPTION_ats));
	options_free(&o);
	bad("no: unexpected argument: did you mean --ats=no?", ARGS("--ats", "no"));
	bad("--ats maybe: neither yes nor no (nor 1, 0, true, false, on or off)", ARGS("--ats=maybe"));
}

static void test_times_are_exact(void **state)
{
	static const struct {
		const char *text;
		uint64_t ps;
		const char *canonical;
	} cases[] = {
		{ "73.25ns", 73250, "73.25ns" },
		{ "67.5", 67500, "67.5ns" },
		{ "0.001", 1, "1ps" },
		{ "0", 0, "0s" },
		{ "00.5000000", 500, "500ps" },
		{ "1200ns", 1200000, "1.2us" },
		{ "9.999999us", 9999999, "9.999999us" },
		{ "0.01ms", 10000000, "10us" },
		{ "0.000000000001s", 1, "1ps" },
		{ "10000000ps", 10000000, "10us" },
	};
	char buf[32];
	struct options o;

	(void)state;
	assert_int_equal(options_init(&o), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(options_set(&o, "local_ns", cases[i].text, NULL, NULL), 0);
		assert_int_equal(o.local_ns, cases[i].ps);
		assert_string_equal(options_format_time(buf, sizeof(buf), o.local_ns), cases[i].canonical);
	}
	options_free(&o);
	assert_string_equal(options_format_time(buf, sizeof(buf), 60000000000), "60ms");
	assert_string_equal(options_format_time(buf, sizeof(buf), 1000000000000), "1s");
	assert_string_equal(options_format_time(buf, sizeof(buf), 1000000000001), "1.000000000001s");
	assert_string_equal(options_format_time(buf, sizeof(buf), UINT64_MAX), "18446744.073709551615s");
}

static void test_number_errors(void **state)
{
	(void)state;
	bad("--devices 5000: out of range: allowed 1 to 4096", ARGS("--devices", "5000"));
	bad("--devices 0: out of range: allowed 1 to 4096", ARGS("--devices=0"));
	bad("--devices 18446744073709551617: out of range: allowed 1 to 4096",
	    ARGS("--devices", "18446744073709551617"));
	bad("--devices 18446744073709551620: out of range: allowed 1 to 4096",
	    ARGS("--devices", "18446744073709551620"));
	bad("--devices -3: negative: allowed 1 to 4096", ARGS("--devices", "-3"));
	bad("--devices +3: not a number: allowed 1 to 4096", ARGS("--devices", "+3"));
	bad("--devices 3x: not a whole number: allowed 1 to 4096", ARGS("--devices", "3x"));
	bad("--devices 2.5: not a whole number: allowed 1 to 4096", ARGS("--devices", "2.5"));
	bad("--devices 0x2: not a whole number: allowed 1 to 4096", ARGS("--devices", "0x2"));
	bad("--devices nan: not a number: allowed 1 to 4096", ARGS("--devices", "nan"));
	bad("--devices \" 5\": not a number: allowed 1 to 4096", ARGS("--devices", " 5"));
	bad("--devices \"5 0\": not a whole number: allowed 1 to 4096", ARGS("--devices", "5 0"));
	bad("--devices \"\": the value is empty", ARGS("--devices", ""));
	bad("--devices: the value is missing", ARGS("--devices"));
	bad("--output: the value is missing", ARGS("-o"));
	bad("--devices: the value is missing (write --devices=--jobs if it is that)",
	    ARGS("--devices", "--jobs", "4"));
	bad("--dirty-read-occupancy-pct 101: out of range: allowed 0 to 100",
	    ARGS("--dirty-read-occupancy-pct", "101"));
	bad("--seed 18446744073709551616: out of range: allowed 0 to 18446744073709551615",
	    ARGS("--seed", "18446744073709551616"));
	bad("--bs 2M: out of range: allowed 4k to 1M", ARGS("--bs", "2M"));
	bad("--bs 17179869185G: out of range: allowed 4k to 1M", ARGS("--bs", "17179869185G"));
	bad("--bs 4kb: not a whole number of bytes, k, M or G: allowed 4k to 1M", ARGS("--bs", "4kb"));
	bad("--bs 4x: not a whole number of bytes, k, M or G: allowed 4k to 1M", ARGS("--bs", "4x"));
}

static void test_time_errors(void **state)
{
	(void)state;
	bad("--local-ns 2s: out of range: allowed 0ns to 10000ns", ARGS("--local-ns", "2s"));
	bad("--local-ns 18446744073709552ns: out of range: allowed 0ns to 10000ns",
	    ARGS("--local-ns", "18446744073709552ns"));
	bad("--runtime 1us: out of range: allowed 0.0001s to 1000s", ARGS("--runtime", "1us"));
	bad("--runtime 0: out of range: allowed 0.0001s to 1000s", ARGS("--runtime", "0"));
	bad("--local-ns 1.0001: finer than a picosecond", ARGS("--local-ns", "1.0001"));
	bad("--local-ns 0.5ps: finer than a picosecond", ARGS("--local-ns", "0.5ps"));
	bad("--local-ns 1.ns: no digit after the point: allowed 0ns to 10000ns", ARGS("--local-ns", "1.ns"));
	bad("--local-ns .5: not a number: allowed 0ns to 10000ns", ARGS("--local-ns", ".5"));
	bad("--local-ns 1ks: not a time: a number, then ps, ns, us, ms or s (none means ns)",
	    ARGS("--local-ns", "1ks"));
	bad("--local-ns \"1 ns\": not a time: a number, then ps, ns, us, ms or s (none means ns)",
	    ARGS("--local-ns", "1 ns"));
	bad("--local-ns -1ns: negative: allowed 0ns to 10000ns", ARGS("--local-ns", "-1ns"));
	bad("--local-ns inf: not a number: allowed 0ns to 10000ns", ARGS("--local-ns", "inf"));
}

static void test_list_errors(void **state)
{
#define NOT_64_BIT \
	", is not a 64-bit number: allowed 0 to 0xffffffffffffffff, decimal or with 0x, separated by commas alone"
	char many[2 * (OPTIONS_LIST_MAX + 1) + 1];
	struct options o;

	(void)state;
	bad("--cm 0,,1: value 2, \"\"" NOT_64_BIT, ARGS("--cm", "0,,1"));
	bad("--cm 1,: value 2, \"\"" NOT_64_BIT, ARGS("--cm", "1,"));
	bad("--cm \"0, 1\": value 2, \" 1\"" NOT_64_BIT, ARGS("--cm", "0, 1"));
	bad("--cap 0x: value 1, 0x" NOT_64_BIT, ARGS("--cap", "0x"));
	bad("--cap 12ab: value 1, 12ab" NOT_64_BIT, ARGS("--cap", "12ab"));
	bad("--cap -1: value 1, -1" NOT_64_BIT, ARGS("--cap", "-1"));
	bad("--cap 0x10000000000000000: value 1, 0x10000000000000000" NOT_64_BIT,
	    ARGS("--cap", "0x10000000000000000"));

	good(&o, ARGS("--cap", "0012,0"));
	assert_int_equal(o.cap.v[0], 12);
	options_free(&o);

	for (int i = 0; i <= OPTIONS_LIST_MAX; i++)
		memcpy(many + 2 * i, "1,", 3);
	many[2 * OPTIONS_LIST_MAX - 1] = '\0';
	good(&o, ARGS("--cm", many));
	assert_int_equal(o.cm.count, OPTIONS_LIST_MAX);
	options_free(&o);
	many[2 * OPTIONS_LIST_MAX - 1] = ',';
	many[2 * OPTIONS_LIST_MAX + 1] = '\0';
	assert_int_equal(options_init(&o), 0);
	assert_int_equal(options_set(&o, "cm", many, NULL, NULL), -EINVAL);
	assert_int_equal(o.cm.count, 0);
	options_free(&o);
}

static void test_text_errors(void **state)
{
	char longest[OPTION_PIECE_MAX + 2];
	struct options_error err;
	struct options o;

	(void)state;
	bad("--machine \" x\": begins or ends with a blank", ARGS("--machine", " x"));
	bad("--machine \"x \": begins or ends with a blank", ARGS("--machine", "x "));
	bad("--machine \"a ;b\": has a semicolon where an INI file has a comment", ARGS("--machine", "a ;b"));
	bad("--machine ;b: has a semicolon where an INI file has a comment", ARGS("--machine", ";b"));
	bad("--machine \"a\\x0ab\": has a control character", ARGS("--machine", "a\nb"));
	bad("--machine \xff: not UTF-8", ARGS("--machine", "\xff"));
	bad("--machine \xed\xa0\x80: not UTF-8", ARGS("--machine", "\xed\xa0\x80"));
	bad("--machine \xe0\x80\x80: not UTF-8", ARGS("--machine", "\xe0\x80\x80"));
	bad("--output \"\": the value is empty", ARGS("--output="));

	memset(longest, 'x', sizeof(longest) - 1);
	longest[OPTION_PIECE_MAX + 1] = '\0';
	assert_int_equal(options_init(&o), 0);
	assert_int_equal(options_set(&o, "machine", longest, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "...: longer than 150 characters without a comma"));
	longest[OPTION_PIECE_MAX] = '\0';
	assert_int_equal(options_set(&o, "machine", longest, NULL, &err), 0);
	assert_int_equal(options_set(&o, "machine", "z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80", NULL, &err), 0);
	options_free(&o);
}

static void test_longest_value(void **state)
{
	char text[OPTION_TEXT_MAX + 2];
	struct options_error err;
	struct options o;

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = i % 2 ? ',' : '1';
	text[OPTION_TEXT_MAX] = '\0';
	assert_int_equal(options_init(&o), 0);
	assert_int_equal(options_set(&o, "placement", text, NULL, &err), 0);
	assert_round_trip(&o);
	text[OPTION_TEXT_MAX] = ',';
	text[OPTION_TEXT_MAX + 1] = '\0';
	assert_int_equal(options_set(&o, "placement", text, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "...: longer than 8191 characters"));
	options_free(&o);
}

/* Whatever we take for UTF-8, jansson does too, and the other way round: else the JSON echo fails. */
static void test_utf8_is_what_jansson_takes(void **state)
{
	static const unsigned char edges[] = { 0x7e, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
					       0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
					       0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff, 0 };
	const size_t n = sizeof(edges);
	struct options o;

	(void)state;
	assert_int_equal(options_init(&o), 0);
	for (size_t i = 0; i < (n - 1) * n * n * n; i++) {
		char text[] = { edges[i % (n - 1)], edges[i / (n - 1) % n], edges[i / (n - 1) / n % n],
				edges[i / (n - 1) / n / n], '\0' };
		json_t *json = json_string(text);

		assert_int_equal(options_set(&o, "machine", text, NULL, NULL), json ? 0 : -EINVAL);
		json_decref(json);
	}
	options_free(&o);
}

static void test_quote(void **state)
{
	static const char *const cases[][2] = {
		{ "plain", "plain" },
		{ "", "\"\"" },
		{ "a b", "\"a b\"" },
		{ "a\"b", "\"a\\\"b\"" },
		{ "a\\b", "\"a\\\\b\"" },
		{ "a\x7f", "\"a\\x7f\"" },
		{ "\x1b[2J", "\"\\x1b[2J\"" },
		{ "0123456789012345678901234567890123456789", "012345678901234567890123..." },
		{ "\t123456789012345678901234567890123456789", "\"\\x091234567890123456789...\"" },
	};
	char buf[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		option_quote(buf, sizeof(buf), cases[i][0]);
		assert_string_equal(buf, cases[i][1]);
	}
}

static void test_enum_errors(void **state)
{
	(void)state;
	bad("--policy statc: not one of pt, legacy, always, dynamic, static, invs: did you mean static?",
	    ARGS("--policy", "statc"));
	bad("--policy foo: not one of pt, legacy, always, dynamic, static, invs", ARGS("--policy", "foo"));
	bad("--lock Ticket: not one of qspinlock, ticket, tas, mcs: did you mean ticket?",
	    ARGS("--lock", "Ticket"));
}

/* --- names --- */

static void test_unknown_flags(void **state)
{
	(void)state;
	bad("--polcy: unknown option: did you mean --policy?", ARGS("--polcy=pt"));
	bad("--dveices: unknown option: did you mean --devices?", ARGS("--dveices", "3"));
	bad("--dev: unknown option: did you mean --devices?", ARGS("--dev", "3"));
	bad("--device: unknown option: did you mean --devices?", ARGS("--device"));
	bad("--show: unknown option: did you mean --show-config?", ARGS("--show=yes"));
	bad("--local_ns: unknown option: did you mean --local-ns?", ARGS("--local_ns", "3"));
	bad("-devices: unknown option: did you mean --devices?", ARGS("-devices", "3"));
	bad("--hel: unknown option: did you mean --help?", ARGS("--hel"));
	bad("-x: unknown option: --help lists all", ARGS("-x"));
	bad("--xyzzyx: unknown option: --help lists all", ARGS("--xyzzyx"));
	bad("--: unknown option: --help lists all", ARGS("--=3"));
	bad("--show-config: takes no value", ARGS("--show-config=yes"));
	bad("--no-ats: takes no value", ARGS("--no-ats=yes"));
	bad("--help: takes no value", ARGS("--help=all"));
	/* No hint at what the subcommand does not take. */
	bad("--hlod: unknown option: --help lists all", ARGS("--hlod", "3"));
}

static void test_guess(void **state)
{
	static const struct {
		const char *given, *best;
		unsigned int distance;
	} cases[] = {
		{ "devices", "devices", 0 }, { "evices", "devices", 1 },  { "deviices", "devices", 1 },
		{ "dewices", "devices", 1 }, { "edvices", "devices", 1 }, { "dev", "devices", 1 },
		{ "edvicse", "devices", 2 }, { "d_vices", "devices", 1 }, { "local-ns", "local_ns", 0 },
		{ "dvices", "devices", 1 },  { "xyz", NULL, 2 },	  { "xyzxyz", NULL, 3 },
		{ "abcdefg", NULL, 4 },	     { "de", NULL, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct option_guess g;

		option_guess_init(&g, cases[i].given);
		option_guess_try(&g, "devices");
		option_guess_try(&g, "local_ns");
		assert_int_equal(g.distance, cases[i].distance);
		if (cases[i].best)
			assert_string_equal(g.best, cases[i].best);
		else
			assert_null(g.best);
	}
}

/* Words far longer than any name of ours: the distance would need more room than there is. */
static void test_guess_long_words(void **state)
{
	char word[200] = "";
	struct option_guess g;

	(void)state;
	memset(word, 'd', sizeof(word) - 1);
	option_guess_init(&g, word);
	option_guess_try(&g, "devices");
	option_guess_try(&g, word);
	assert_null(g.best);
	option_guess_init(&g, "devices");
	option_guess_try(&g, word);
	assert_null(g.best);
}

static void test_positional(void **state)
{
	struct options_input in = { .scope = S_RUN, .positional = true };
	struct options_error err;
	struct options o;

	(void)state;
	bad("foo: unexpected argument", ARGS("--devices", "3", "foo"));
	bad("--ats: unexpected argument", ARGS("--", "--ats"));
	assert_int_equal(parse_list(&o, &in, &err, ARGS("a", "--devices", "3", "b", "--", "--ats")), 0);
	assert_int_equal(o.args.count, 3);
	assert_string_equal(o.args.v[0], "a");
	assert_string_equal(o.args.v[1], "b");
	assert_string_equal(o.args.v[2], "--ats");
	assert_int_equal(o.devices, 3);
	assert_false(o.ats);
	options_free(&o);
}

static void test_help_and_version(void **state)
{
	const char *const *const lines[] = { ARGS("--help"), ARGS("-h"), ARGS("--devices", "0", "--help") };
	struct options_input in = { .scope = S_RUN };
	struct options o;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(parse_list(&o, &in, NULL, lines[i]), OPTIONS_HELP);
		options_free(&o);
	}
	assert_int_equal(parse_list(&o, &in, NULL, ARGS("--version")), OPTIONS_VERSION);
	options_free(&o);
	in.argc = 0;
	assert_int_equal(options_parse_input(&o, &in, NULL), 0);
	options_free(&o);
}

static void test_duplicates(void **state)
{
	struct options o;

	(void)state;
	bad("--devices: given twice", ARGS("--devices", "3", "--devices", "3"));
	bad("--output: given twice", ARGS("-o", "a", "--output", "b"));
	bad("--explain: given twice", ARGS("--explain", "--explain"));
	bad("--no-ats: given twice, with or without no-", ARGS("--ats", "--no-ats"));
	good(&o, ARGS("--set", "devices=3", "--set", "jobs=4", "--set", "devices=5"));
	assert_int_equal(o.devices, 5);
	assert_int_equal(o.set.count, 3);
	assert_string_equal(o.set.v[1], "jobs=4");
	options_free(&o);
}

static void test_scope(void **state)
{
	struct options_error err;
	struct options o;

	(void)state;
	bad("--hold: not an option of run, but of lockbench", ARGS("--hold", "5ns"));
	bad("--set hold=5: not an option of run, but of lockbench", ARGS("--set", "hold=5"));
	bad("--iterations: not an option of run, but of lockbench, pingpong", ARGS("--iterations", "5"));
	/* A file may serve several subcommands, but what it says must still make sense. */
	good_ini(&o, S_RUN, "[simbench]\nhold = 5ns\n");
	assert_int_equal(o.hold, 5000);
	assert_int_equal(options_set(&o, "hold", "6ns", "sweep.ini:4", &err), -EINVAL);
	assert_string_equal(err.msg, "sweep.ini:4: hold = 6ns: not an option of run, but of lockbench");
	assert_int_equal(o.hold, 5000);
	options_free(&o);
	bad_ini("built-in t.ini:2: hold = x: not a number: allowed 0ns to 1000000000ns", "[simbench]\nhold = x\n");
}

/* The letters of the kernel's dma_map_benchmark, which other subcommands do not know. */
static void test_map_benchmark(void **state)
{
	static const char *const words[] = { "bidirectional", "to_device", "from_device" };
	struct options_input in = { .scope = S_MAP };
	struct options_error err;
	struct options o;

	(void)state;
	assert_int_equal(parse_list(&o, &in, &err, NO_ARGS), 0);
	assert_int_equal(o.devices, 1);
	assert_int_equal(o.warmup, 100000000000);
	assert_string_equal(options_origin(&o, OPTION_devices), "default");
	options_free(&o);
	assert_int_equal(parse_list(&o, &in, &err,
				    ARGS("-t", "3", "-s2.5", "-g", "4", "-x", "700", "-d", "1", "-b", "40",
					 "--devices", "2")),
			 0);
	assert_int_equal(o.map_threads, 3);
	assert_int_equal(o.map_seconds, 2500000000000);
	assert_int_equal(o.map_granule, 4);
	assert_int_equal(o.map_trans, 700000);
	assert_int_equal(o.map_dir, DMA_TO_DEVICE);
	assert_int_equal(o.map_bits, 40);
	assert_int_equal(o.devices, 2);
	assert_string_equal(options_origin(&o, OPTION_map_threads), "--map-threads");
	options_free(&o);
	for (unsigned int i = 0; i < 3; i++) {
		const char number[] = { (char)('0' + i), '\0' };

		assert_int_equal(parse_list(&o, &in, &err, ARGS("--map-dir", number)), 0);
		assert_int_equal(o.map_dir, i);
		options_free(&o);
		assert_int_equal(parse_list(&o, &in, &err, ARGS("--map-dir", words[i])), 0);
		assert_int_equal(o.map_dir, i);
		options_free(&o);
	}
	assert_int_equal(parse_list(&o, &in, &err, ARGS("-t", "3", "--map-threads", "4")), -EINVAL);
	assert_string_equal(err.msg, "--map-threads: given twice");
	assert_int_equal(parse_list(&o, &in, &err, ARGS("-n", "0")), -EINVAL);
	bad("-t: unknown option: --help lists all", ARGS("-t", "3"));
	bad("-n: unknown option: --help lists all", ARGS("-n", "0"));
	bad("--map-threads: not an option of run, but of mapbench", ARGS("--map-threads", "3"));
	/* No other choice is also a number. */
	bad("--policy 1: not one of pt, legacy, always, dynamic, static, invs", ARGS("--policy", "1"));

	good_ini(&o, S_MAP, "[simbench]\nbs=5000\nrwmixread=3\n");
	assert_int_equal(options_validate(&o, &err), 0);
	options_free(&o);
	good_ini(&o, S_MAP, "[simbench]\necap=0\n");
	assert_int_equal(options_validate(&o, &err), -EINVAL);
	options_free(&o);
}

static void test_set_errors(void **state)
{
	(void)state;
	bad("--set devices: not KEY=VALUE", ARGS("--set", "devices"));
	bad("--set \"\"=3: unknown key", ARGS("--set", "=3"));
	bad("--set local-ns=3: unknown key: did you mean local_ns?", ARGS("--set", "local-ns=3"));
	/* Neither what only a flag can set, nor what the subcommand does not take; a file may say the latter. */
	bad("--set outpt=x: unknown key", ARGS("--set", "outpt=x"));
	bad("--set hodl=x: unknown key", ARGS("--set", "hodl=x"));
	bad_ini("built-in t.ini:2: hodl = x: unknown key: did you mean hold?", "[simbench]\nhodl = x\n");
	bad("--set devices=\"\": the value is empty", ARGS("--set", "devices="));
	bad("--set devices=0: out of range: allowed 1 to 4096", ARGS("--set", "devices=0"));
	bad("--set output=x: only a flag of its own can set it: --output", ARGS("--set", "output=x"));
	bad("--set config=x: only a flag of its own can set it: --config", ARGS("--set", "config=x"));
	bad("--set show_config=x: only a flag of its own can set it: --show-config",
	    ARGS("--set", "show_config=x"));
}

static void test_set_by_name(void **state)
{
	struct options_error err;
	struct options o;

	(void)state;
	assert_int_equal(options_init(&o), 0);
	assert_int_equal(options_set(&o, "devices", "9", "sweep.ini:4", &err), 0);
	assert_int_equal(o.devices, 9);
	assert_string_equal(options_origin(&o, OPTION_devices), "sweep.ini:4");
	assert_true(options_given(&o, OPTION_devices));
	assert_int_equal(options_set(&o, "devices", "x", "sweep.ini:5", &err), -EINVAL);
	assert_string_equal(err.msg, "sweep.ini:5: devices = x: not a number: allowed 1 to 4096");
	assert_int_equal(options_set(&o, "devices", "x", NULL, &err), -EINVAL);
	assert_string_equal(err.msg, "devices = x: not a number: allowed 1 to 4096");
	assert_int_equal(o.devices, 9);
	assert_string_equal(options_origin(&o, OPTION_devices), "sweep.ini:4");
	assert_int_equal(options_set(&o, "machine", "host", "--sweep", &err), 0);
	assert_string_equal(o.machine, "host");
	options_free(&o);
	options_free(&o);
}

/* --- INI text --- */

static void test_ini(void **state)
{
	struct options o;

	(void)state;
	good_ini(&o, S_RUN,
		 "\xef\xbb\xbf; comment\n"
		 "# comment\r\n"
		 "\t ; indented comment\n"
		 "\n"
		 "   \n"
		 "[simbench] ; comment\r\n"
		 "devices=3\r\n"
		 "jobs = 4 ; comment,\n"
		 "machine: package:4 core:2\n"
		 "cap = 0x1966,\n"
		 "\t0x2966,\n"
		 "    0x3966\n"
		 "[simbench]\n"
		 "ats = on");
	assert_int_equal(o.devices, 3);
	assert_int_equal(o.jobs, 4);
	assert_string_equal(o.machine, "package:4 core:2");
	assert_int_equal(o.cap.count, 3);
	assert_int_equal(o.cap.v[2], 0x3966);
	assert_true(o.ats);
	assert_string_equal(options_origin(&o, OPTION_devices), "built-in t.ini");
	assert_false(options_given(&o, OPTION_devices));
	options_free(&o);
	good_ini(&o, S_RUN, "");
	options_free(&o);
}

static void test_ini_errors(void **state)
{
	(void)state;
	bad_ini("built-in t.ini:2: devices = 0: out of range: allowed 1 to 4096", "[simbench]\ndevices = 0\n");
	bad_ini("built-in t.ini:2: devices = \"\": the value is empty", "[simbench]\ndevices =\njobs = 3\n");
	bad_ini("built-in t.ini:2: devices = \"2 # two\": not a whole number: allowed 1 to 4096",
		"[simbench]\ndevices = 2 # two\n");
	bad_ini("built-in t.ini:3: dveices = 2: unknown key: did you mean devices?", "[simbench]\n\ndveices = 2\n");
	bad_ini("built-in t.ini:2: local-ns = 2: unknown key: did you mean local_ns?",
		"[simbench]\nlocal-ns = 2\n");
	bad_ini("built-in t.ini:2: \"\" = 2: unknown key", "[simbench]\n= 2\n");
	bad_ini("built-in t.ini:4: devices = 3: given before on line 2",
		"[simbench]\ndevices = 2\n\ndevices = 3\n");
	bad_ini("built-in t.ini:1: outside of any section: [simbench] comes first", "devices = 2\n[simbench]\n");
	bad_ini("built-in t.ini:1: unknown section simbnech: did you mean simbench?", "[simbnech]\n");
	bad_ini("built-in t.ini:1: unknown section \"simbench \": did you mean simbench?", "[simbench ]\n");
	bad_ini("built-in t.ini:2: unknown section \"\"", "[simbench]\n[]\n");
	bad_ini("built-in t.ini:1: a section without its closing bracket", "[simbench\n");
	bad_ini("built-in t.ini:1: a section has a line of its own", "[simbench] devices = 3\n");
	bad_ini("built-in t.ini:2: neither a section, nor KEY = VALUE, nor a comment",
		"[simbench]\ndevices\njobs = 0\n");
	bad_ini("built-in t.ini:2: jobs = 0: out of range: allowed 1 to 8192", "[simbench]\njobs = 0\ndevices\n");
	bad_ini("built-in t.ini:2: config = x: only a flag of its own can set it: --config",
		"[simbench]\nconfig = x\n");
	bad_ini("built-in t.ini:2: output = x: only a flag of its own can set it: --output",
		"[simbench]\noutput = x\n");
	bad_ini("built-in t.ini:3: the line is indented: only a value that ended in a comma goes on like this",
		"[simbench]\ndevices = 2\n\tjobs = 3\n");
	/* A comma in a comment is none, and a blank line ends a value. */
	bad_ini("built-in t.ini:3: the line is indented: only a value that ended in a comma goes on like this",
		"[simbench]\ndevices = 2 ; one,\n 5\n");
	bad_ini("built-in t.ini:4: the line is indented: only a value that ended in a comma goes on like this",
		"[simbench]\ncm = 1,\n\n 0\n");
	bad_ini("built-in t.ini:2: cm = 1,: value 2, \"\"" NOT_64_BIT, "[simbench]\ncm = 1,\njobs = 3\n");
}

/* inih cuts lines at 200 characters: nothing that long may reach it. */
static void test_ini_long_lines(void **state)
{
	char text[1024] = "[simbench]\nmachine = ";
	struct options o;
	size_t used;

	(void)state;
	/* Both commas count: a piece is at most 150 characters, the line 198. */
	used = strlen(text);
	memset(text + used, 'x', 188);
	text[used + 100] = ',';
	good_ini(&o, S_RUN, text);
	assert_int_equal(strlen(o.machine), 188);
	options_free(&o);
	memset(text + used + 188, 'x', 1);
	bad_ini("built-in t.ini:2: the line is longer than 198 characters", text);

	strcpy(text, "[simbench]\n;");
	memset(text + strlen(text), ' ', 198);
	bad_ini("built-in t.ini:2: the line is longer than 198 characters", text);
}

static void test_ini_long_value(void **state)
{
	size_t size = 2 * OPTION_TEXT_MAX, used;
	char *text = calloc(1, size);

	(void)state;
	assert_non_null(text);
	used = sprintf(text, "[simbench]\nplacement = 1,\n");
	while (used < size - 200)
		used += sprintf(text + used, "\t%0120d,\n", 1);
	strcpy(text + used, "\t2\n");
	bad_ini("built-in t.ini:70: the value is longer than 8191 characters", text);
	free(text);
}

static void test_config_files(void **state)
{
	struct options_error err;
	struct options o;
	char path[32], msg[128];

	(void)state;
	write_file(path, "[simbench]\njobs = 3\n[sweep]\nx = 1,\n\t2\n[claim one]\ny = 2\n", 55);
	{
		struct options_input in = { .scope = S_RUN };

		assert_int_equal(parse_list(&o, &in, &err, ARGS("--config", path)), 0);
		assert_int_equal(o.jobs, 3);
		assert_int_equal(o.config.count, 1);
		assert_string_equal(o.config.v[0], path);
		snprintf(msg, sizeof(msg), "%s:2", path);
		assert_string_equal(options_origin(&o, OPTION_jobs), msg);
		assert_int_equal(o.origin[OPTION_jobs].source, OPTIONS_FILE);
		options_free(&o);
	}
	unlink(path);

	write_file(path, "[claims]\n", 9);
	snprintf(msg, sizeof(msg), "%s:1: unknown section claims: did you mean claim?", path);
	{
		struct options_input in = { .scope = S_RUN };

		assert_int_equal(parse_list(&o, &in, &err, ARGS("--config", path)), -EINVAL);
		assert_string_equal(err.msg, msg);
		options_free(&o);
	}
	unlink(path);

	write_file(path, "[simbench]\njobs\0 = 3\n", 21);
	snprintf(msg, sizeof(msg), "%s:2: a NUL byte: not a text file", path);
	bad(msg, ARGS("-c", path));
	unlink(path);

	bad("/:1: cannot read: Is a directory", ARGS("-c", "/"));
	bad("/nonexistent/simbench.ini: cannot open: No such file or directory",
	    ARGS("-c", "/nonexistent/simbench.ini"));
}

static void test_precedence(void **state)
{
	struct options_input in = { .scope = S_RUN,
				    .builtin_ini = "[simbench]\ndevices=10\njobs=10\niodepth=10\nqueues=10\n" };
	char first[32], second[32];
	struct options o;

	(void)state;
	write_file(first, "[simbench]\njobs=20\niodepth=20\nqueues=20\n", 40);
	write_file(second, "[simbench]\niodepth=30\nqueues=30\n", 32);
	/* Files come before flags, wherever they stand. */
	assert_int_equal(parse_list(&o, &in, NULL,
				    ARGS("--queues=40", "--set", "queues=50", "-c", first, "--set", "iodepth=60",
					 "--iodepth", "70", "--config", second)),
			 0);
	assert_int_equal(o.repetitions, 5);
	assert_int_equal(o.devices, 10);
	assert_int_equal(o.jobs, 20);
	assert_int_equal(o.queues, 50);
	assert_int_equal(o.iodepth, 70);
	assert_string_equal(options_origin(&o, OPTION_repetitions), "default");
	assert_string_equal(options_origin(&o, OPTION_devices), "built-in z3-metal.ini");
	assert_string_equal(options_origin(&o, OPTION_queues), "--set");
	assert_string_equal(options_origin(&o, OPTION_iodepth), "--iodepth");
	assert_true(options_given(&o, OPTION_queues));
	assert_true(options_given(&o, OPTION_iodepth));
	assert_false(options_given(&o, OPTION_jobs));
	options_free(&o);
	unlink(first);
	unlink(second);
}

static void test_parse_is_the_plain_form(void **state)
{
	char name[] = "run", flag[] = "--devices=3", stray[] = "x";
	char *argv[] = { name, flag, stray, NULL };
	struct options_error err;
	struct options o;

	(void)state;
	assert_int_equal(options_parse(&o, S_RUN, 2, argv, "[simbench]\njobs=2\n", &err), 0);
	assert_int_equal(o.devices, 3);
	assert_int_equal(o.jobs, 2);
	assert_int_equal(o.scope, S_RUN);
	options_free(&o);
	assert_int_equal(options_parse(&o, S_RUN, 3, argv, NULL, &err), -EINVAL);
	assert_string_equal(err.msg, "x: unexpected argument");
	options_free(&o);
}

/* --- what options mean together --- */

static void test_validate(void **state)
{
	(void)state;
	invalid("--rwmixread 30: does nothing without rw=randrw (rw is randread)", ARGS("--rwmixread", "30"));
	invalid("--set rwmixread=30: does nothing", ARGS("--set", "rwmixread=30"));
	valid(ARGS("--rwmixread", "30", "--rw=randrw"));
	invalid("--bs 5000: not a multiple of 4k", ARGS("--bs", "5000"));
	invalid("--bs 6k: not a multiple of 4k", ARGS("--bs", "6k"));
	valid(ARGS("--bs", "12k"));
	invalid("--cm 0x0,0x2: value 2 is 0x2: allowed 0 or 1", ARGS("--cm", "0,2"));
	invalid("--rwbf 0x10: value 1 is 0x10: allowed 0 or 1", ARGS("--rwbf", "16"));
	invalid("--ecap 0xc80000f020df,0x0: needs queued invalidation (QI, bit 1) in every ecap, and ecap value 2, "
		"0x0",
		ARGS("--ecap", "0xc80000f020df,0"));
	invalid("--cap 0xc66,0x1166: value 2, 0x1166, has no page table", ARGS("--cap", "0xc66,0x1166"));
	valid(ARGS("--cap", "0x266,0x466,0x866"));
	valid(ARGS("--stage", "first"));
	invalid("--stage first: needs scalable mode", ARGS("--stage", "first", "--ecap", "0x80000000001e"));
	invalid("--stage first: needs scalable mode", ARGS("--stage", "first", "--ecap", "0x08000000001e"));
	valid(ARGS("--stage", "first", "--ecap", "0x88000000001e"));
	invalid("--ats: needs device TLBs (DT, bit 2)", ARGS("--ats", "--ecap", "0x88000000001a"));
	invalid("--set ats=yes: needs device TLBs", ARGS("--set", "ats=yes", "--ecap", "0x88000000001a"));
	invalid("--stage first: needs scalable mode", ARGS("--ats", "--stage", "first", "--ecap", "0x6"));
	valid(ARGS("--ats"));
	valid(ARGS("--ecap", "0x2"));
	valid(ARGS("--queues", "8192"));
}

static void test_validate_passthrough(void **state)
{
	static const char *const flags[] = { "--cm=1",		"--rwbf=1",
					     "--ats",		"--no-ats",
					     "--stage=second",	"--lock=mcs",
					     "--layout=kernel", "--invalidation=strict" };
	struct options_error err;
	struct options o;
	char shown[64];

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		/* The message shows lists in hexadecimal, and a blank where the flag had an equals sign. */
		snprintf(shown, sizeof(shown), "%.*s", (int)strcspn(flags[i], "="), flags[i]);
		good(&o, ARGS("--policy=pt", flags[i]));
		assert_int_equal(options_validate(&o, &err), -EINVAL);
		assert_memory_equal(err.msg, shown, strlen(shown));
		assert_non_null(strstr(err.msg, ": does nothing with policy pt, which does not translate"));
		options_free(&o);
	}
	valid(ARGS("--policy=pt", "--cap=0xc66"));
	good_ini(&o, S_RUN, "[simbench]\npolicy=pt\ncm=1\nats=yes\nstage=first\nlock=mcs\nrwmixread=3\n");
	assert_int_equal(options_validate(&o, &err), 0);
	options_free(&o);
	/* Other subcommands have nothing to do with it. */
	good_ini(&o, S_LOCK, "[simbench]\nbs=5000\n");
	assert_int_equal(options_validate(&o, &err), 0);
	options_free(&o);
}

static void test_validate_static_attach(void **state)
{
	(void)state;
	invalid("--policy static: attach would fail with -EINVAL", ARGS("--policy=static", "--cm=0,1"));
	invalid("--policy static: attach would fail with -EINVAL",
		ARGS("--policy=static", "--rwbf=0,0,1", "--devices=3"));
	invalid("--policy static: attach would fail with -EINVAL",
		ARGS("--policy=static", "--stage=first", "--rwbf=0,1"));
	invalid("--policy static: attach would fail with -EINVAL", ARGS("--policy=static", "--cap=0xc66,0xce6"));
	valid(ARGS("--policy=static", "--cm=1,0"));
	valid(ARGS("--policy=static", "--cm=1"));
	valid(ARGS("--policy=static", "--stage=first", "--cm=0,1"));
	valid(ARGS("--policy=static", "--rwbf=0,0,1", "--devices=2"));
	valid(ARGS("--policy=static", "--cm=0,1", "--devices=1"));
	valid(ARGS("--policy=static", "--cm=0,1", "--bridge=separate"));
	valid(ARGS("--policy=dynamic", "--cm=0,1"));
}

static void test_units(void **state)
{
	struct options o;

	(void)state;
	good(&o, ARGS("--devices=6", "--cm=0,1", "--rwbf=1,0,1", "--cap=0xc66,0xcf6", "--ecap=0x2,0x6"));
	assert_int_equal(options_unit_count(&o), 3);
	assert_int_equal(options_unit_cap(&o, 0), 0xc76);
	assert_int_equal(options_unit_cap(&o, 1), 0xce6);
	assert_int_equal(options_unit_cap(&o, 2), 0xcf6);
	assert_int_equal(options_unit_cap(&o, 5), 0xcf6);
	assert_int_equal(options_unit_ecap(&o, 0), 0x2);
	assert_int_equal(options_unit_ecap(&o, 1), 0x6);
	assert_int_equal(options_unit_ecap(&o, 4000), 0x6);
	o.devices = 2;
	assert_int_equal(options_unit_count(&o), 2);
	options_free(&o);

	good(&o, ARGS("--devices=6"));
	assert_int_equal(options_unit_cap(&o, 3), 0x19ed008c40780c66);
	assert_int_equal(options_unit_count(&o), 1);
	o.bridge = BRIDGE_SEPARATE;
	assert_int_equal(options_unit_count(&o), 6);
	o.units = PLACE_SHARED;
	assert_int_equal(options_unit_count(&o), 1);
	o.cm.count = 2;
	assert_int_equal(options_unit_count(&o), 2);
	options_free(&o);
}

/* --- output --- */

static void test_show_config(void **state)
{
	char many[20 * OPTIONS_LIST_MAX + 1] = "", cpus[3000] = "0";
	struct options o;
	char *text;

	(void)state;
	good(&o, NO_ARGS);
	assert_round_trip(&o);
	options_free(&o);

	for (int i = 0; i < OPTIONS_LIST_MAX; i++)
		sprintf(many + strlen(many), "%s0x19ed008c407%05x", i ? "," : "", i);
	for (int i = 2; i < 1000; i += 2)
		sprintf(cpus + strlen(cpus), ",%d", i);
	good(&o, ARGS("--devices=64", "--cap", many, "--placement", cpus, "--cm=1,0", "--ats", "--local-ns=73.25",
		      "--runtime=1.000000000001s", "--bs=12k", "--seed=18446744073709551615",
		      "--machine=a;b # c=d:e", "--rw=randrw", "--set", "rwmixread=7", "--output=f"));
	assert_round_trip(&o);
	text = capture(print_config, &o);
	assert_non_null(strstr(text, "\nlocal_ns = 73.25ns                       ; --local-ns\n"));
	assert_non_null(strstr(text, "\nrwmixread = 7                            ; --set\n"));
	assert_non_null(strstr(text, "\njobs = 8                                 ; default\n"));
	assert_non_null(strstr(text, "\n; --cap:\ncap = 0x19ed008c40700000,"));
	assert_non_null(strstr(text, "\n; rwbf is not set\n"));
	assert_non_null(strstr(text, "\n; output = f, a flag only ; --output\n"));
	assert_null(strstr(text, "\nhold = "));
	free(text);
	options_free(&o);

	assert_int_equal(options_init(&o), 0);
	assert_round_trip(&o);
	options_free(&o);
}

static void test_json(void **state)
{
	struct options o;
	json_t *json;

	(void)state;
	good(&o, ARGS("--cm=1,0", "--seed=18446744073709551615", "--local-ns=67.5", "--bs=8k", "--ats", "-o", "x",
		      "--threads=3", "--explain", "--machine=z\xc3\xbcrich"));
	json = options_to_json(&o, S_RUN);
	assert_non_null(json);
	assert_int_equal(json_integer_value(json_object_get(json, "devices")), 2);
	assert_int_equal(json_integer_value(json_object_get(json, "bs")), 8192);
	assert_int_equal(json_integer_value(json_object_get(json, "rwmixread")), 50);
	assert_string_equal(json_string_value(json_object_get(json, "seed")), "18446744073709551615");
	assert_string_equal(json_string_value(json_object_get(json, "local_ns")), "67.5ns");
	assert_string_equal(json_string_value(json_object_get(json, "policy")), "always");
	assert_string_equal(json_string_value(json_object_get(json, "machine")), "z\xc3\xbcrich");
	assert_true(json_is_true(json_object_get(json, "ats")));
	assert_int_equal(json_array_size(json_object_get(json, "cm")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(json, "cm"), 0)), "0x1");
	assert_int_equal(json_array_size(json_object_get(json, "rwbf")), 0);
	/* Neither other subcommands' options nor what leaves the result alone. */
	assert_null(json_object_get(json, "hold"));
	assert_null(json_object_get(json, "threads"));
	assert_null(json_object_get(json, "output"));
	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		const struct option_row *row = option_row(id);
		bool wanted = (row->scope & S_RUN) && strcmp(option_section(id), "Output");

		assert_int_equal(wanted, json_object_get(json, row->name) != NULL);
	}
	json_decref(json);
	options_free(&o);
}

static void test_json_seed_boundary(void **state)
{
	struct options o;
	json_t *json;

	(void)state;
	good(&o, ARGS("--seed=9223372036854775807"));
	json = options_to_json(&o, S_ALL);
	assert_true(json_integer_value(json_object_get(json, "seed")) == INT64_MAX);
	assert_non_null(json_object_get(json, "hold"));
	json_decref(json);
	o.seed++;
	json = options_to_json(&o, S_PING);
	assert_string_equal(json_string_value(json_object_get(json, "seed")), "9223372036854775808");
	assert_null(json_object_get(json, "devices"));
	json_decref(json);
	options_free(&o);
}

static void assert_lines_fit(const char *text, size_t width)
{
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		if (strcspn(line, "\n") > width)
			fail_msg("too wide: %.*s", (int)strcspn(line, "\n"), line);
	}
}

static void test_help(void **state)
{
	unsigned int scope;
	option_flag_t flag;
	char *text, needle[64];

	(void)state;
	for (scope = 1; scope <= S_ALL; scope++) {
		text = capture(print_help, &scope);
		assert_lines_fit(text, 100);
		for (unsigned int id = 0; id < OPTION_COUNT; id++) {
			bool is_bool = option_row(id)->kind == OPTION_KIND_BOOL;
			const char *found;

			option_flag_name(id, flag);
			snprintf(needle, sizeof(needle), " --%s%s", is_bool ? "[no-]" : "", flag + 2);
			for (found = strstr(text, needle); found && !isspace(found[strlen(needle)]);)
				found = strstr(found + 1, needle);
			assert_int_equal(found != NULL, (option_row(id)->scope & scope) != 0);
		}
		assert_int_equal(strncmp(text, "Scenario:\n", 10) == 0, (scope & (S_RUN | S_MAP | S_EXPLORE)) != 0);
		free(text);
	}
	scope = S_RUN;
	text = capture(print_help, &scope);
	assert_non_null(strstr(text,
			       "\n      --runtime TIME          simulated time that is measured, per repetition\n"
			       "                              [default 60ms; 0.0001s to 1000s; without a unit: s"));
	assert_non_null(strstr(text, "\n  -c, --config FILE           INI file"));
	assert_null(strchr(text, '\033'));
	free(text);
	text = capture(print_color_help, &scope);
	assert_non_null(strstr(text, "\033[1mScenario:\033[0m\n"));
	free(text);
}

static void test_man(void **state)
{
	char *text = capture(print_man, NULL);

	(void)state;
	assert_int_equal(strncmp(text, ".SH OPTIONS\n.SS \"Scenario\"\n.TP\n.B \"\\-\\-devices N\"\n", 50), 0);
	assert_non_null(strstr(text, ".br\nsubcommands: run, lockbench, mapbench\n"));
	assert_non_null(strstr(text, "\n.B \"\\-h, \\-\\-help\"\n"));
	/* A hyphen that is not escaped would be typeset as one, and could not be copied from the page. */
	for (size_t i = 0; text[i]; i++)
		assert_true(text[i] != '-' || text[i - 1] == '\\');
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		assert_true(*line != '\n' && *line != '\'' && (*line != '.' || isalpha(line[1])));
	free(text);
}

static void test_completion(void **state)
{
	char *text = capture(print_completion, NULL);

	(void)state;
	assert_non_null(strstr(text, "\t--policy) words=\"pt legacy always dynamic static invs\" ;;\n"));
	assert_non_null(strstr(text, "\t\twords=\"run lockbench pingpong fit mapbench crosscheck calibrate sweep "
				     "merge validate compare plot explore --help --version\"\n"));
	assert_non_null(strstr(text, "\t\tpingpong)\n\t\t\twords=\"--seed "));
	assert_non_null(strstr(text, " --ats --no-ats "));
	assert_non_null(strstr(text, "\t--ats) [[ $equals ]] && words=\"yes no\" ;;\n"));
	assert_non_null(strstr(text, " | --seed | "));
	assert_non_null(strstr(text, " | --set | --threads) return ;;\n"));
	assert_non_null(strstr(text, "complete -F _simbench simbench\n"));
	free(text);
}

static void test_copy(void **state)
{
	struct options o, copy;

	(void)state;
	good(&o, ARGS("--machine=host", "--set", "jobs=3", "--cm=1,0", "-o", "x"));
	assert_int_equal(options_copy(&copy, &o), 0);
	assert_ptr_not_equal(o.machine, copy.machine);
	assert_ptr_not_equal(o.set.v[0], copy.set.v[0]);
	assert_ptr_not_equal(o.origin[OPTION_machine].where, copy.origin[OPTION_machine].where);
	assert_int_equal(options_set(&copy, "machine", "other", NULL, NULL), 0);
	assert_string_equal(o.machine, "host");
	options_free(&o);
	assert_string_equal(copy.machine, "other");
	assert_int_equal(copy.jobs, 3);
	assert_int_equal(copy.cm.count, 2);
	assert_string_equal(copy.output, "x");
	assert_int_equal(copy.set.count, 1);
	assert_string_equal(copy.set.v[0], "jobs=3");
	assert_string_equal(options_origin(&copy, OPTION_cm), "--cm");
	assert_int_equal(copy.scope, S_RUN);
	options_free(&copy);
}

/* ---- sections and files that a caller takes ---- */

struct taken {
	char text[1024];    /* "[section]" and "key=value@line " of each call */
	const char *refuse; /* a key */
};

static int note_pair(void *arg, const struct options_ini_pair *pair, struct options_error *err)
{
	struct taken *t = arg;
	const char *line = strrchr(pair->where, ':');
	size_t used = strlen(t->text);

	assert_non_null(line);
	if (!pair->key) {
		assert_null(pair->value);
		snprintf(t->text + used, sizeof(t->text) - used, "[%s]%s ", pair->section, line);
		return 0;
	}
	snprintf(t->text + used, sizeof(t->text) - used, "%s.%s=%s%s ", pair->section, pair->key, pair->value,
		 line);
	if (t->refuse && !strcmp(pair->key, t->refuse))
		return option_error(err, "%s: not %s", pair->where, pair->key);
	return 0;
}

/* A caller's input for the text, as if it was its default file. */
static struct options_input taking(struct taken *t, const char *text)
{
	memset(t, 0, sizeof(*t));
	return (struct options_input){
		.scope = S_RUN,
		.positional = true,
		.config_args = options_every_arg,
		.default_ini = text,
		.default_name = "d.ini",
		.take_pair = note_pair,
		.take_arg = t,
	};
}

static void test_take_pair(void **state)
{
	static const char text[] = "[sweep]\n"
				   "devices = 1,\n"
				   "\t2,\n"
				   "\t4\n"
				   "anything at all = [a, b]\n"
				   "[simbench]\n"
				   "devices = 3\n"
				   "[plot one two]\n"
				   "[calibration]\n"
				   "local = 1\n"
				   "[claim x]\n"
				   "devices = 1\n"
				   "devices = 2\n";
	struct taken t;
	struct options_input in = taking(&t, text);
	struct options_error err;
	struct options o;

	(void)state;
	if (parse_list(&o, &in, &err, NO_ARGS))
		fail_msg("%s", err.msg);
	/* Keys and their repetition are the caller's business. */
	assert_string_equal(t.text,
			    "[sweep]:1 sweep.devices=1,2,4:2 sweep.anything at all=[a, b]:5 [plot one two]:8 "
			    "[claim x]:11 claim x.devices=1:12 claim x.devices=2:13 ");
	assert_int_equal(o.devices, 3);
	assert_string_equal(options_origin(&o, OPTION_devices), "built-in d.ini:7");
	assert_false(options_given(&o, OPTION_devices));
	options_free(&o);

	/* Nobody takes them: they are passed over. */
	in.take_pair = NULL;
	assert_int_equal(parse_list(&o, &in, &err, NO_ARGS), 0);
	assert_int_equal(o.devices, 3);
	options_free(&o);
}

static void test_take_pair_errors(void **state)
{
	static const struct {
		const char *text, *msg;
	} cases[] = {
		{ "[sweep]\nbad = 1\nworse = 1\n", "built-in d.ini:2: not bad" },
		{ "[sweep]\nbad = 1,\n\t2\n[simbench]\ndevices = 0\n", "built-in d.ini:2: not bad" },
		{ "[sweep]\nbad = 1\n[nonsense]\n", "built-in d.ini:2: not bad" },
		{ "[sweep]\ngood = 1\n[simbench]\ndevices = 0\nbad = 1\n",
		  "built-in d.ini:4: devices = 0: out of range: allowed 1 to 4096" },
		{ "[sweeps]\n", "built-in d.ini:1: unknown section sweeps: did you mean sweep?" },
		{ "[claims]\n", "built-in d.ini:1: unknown section claims: did you mean claim?" },
		{ "[sweep]\ngood = 1\n  good = 2\n",
		  "built-in d.ini:3: the line is indented: only a value that ended in a comma goes on like this" },
	};
	struct options_error err;
	struct taken t;
	struct options o;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct options_input in = taking(&t, cases[i].text);

		t.refuse = "bad";
		assert_int_equal(parse_list(&o, &in, &err, NO_ARGS), -EINVAL);
		assert_string_equal(err.msg, cases[i].msg);
		options_free(&o);
	}
}

/* Arguments that are files: before --config, in place of the default one. */
static void test_config_args(void **state)
{
	static const char first[] = "[simbench]\ndevices = 5\njobs = 5\niodepth = 5\n[sweep]\na = 1\n";
	static const char second[] = "[simbench]\njobs = 6\niodepth = 6\n[sweep]\nb = 2\n";
	static const char third[] = "[simbench]\niodepth = 7\n[sweep]\nc = 3\n";
	char paths[3][32], origin[64];
	struct taken t;
	struct options_input in = taking(&t, "[simbench]\ndevices = 9\nqueues = 9\n[sweep]\nd = 4\n");
	struct options_error err;
	struct options o;

	(void)state;
	write_file(paths[0], first, sizeof(first) - 1);
	write_file(paths[1], second, sizeof(second) - 1);
	write_file(paths[2], third, sizeof(third) - 1);
	if (parse_list(&o, &in, &err, ARGS("-c", paths[2], paths[0], paths[1], "--seed", "8")))
		fail_msg("%s", err.msg);
	assert_string_equal(t.text, "[sweep]:5 sweep.a=1:6 [sweep]:4 sweep.b=2:5 [sweep]:3 sweep.c=3:4 ");
	assert_int_equal(o.args.count, 2);
	assert_int_equal(o.devices, 5);
	assert_int_equal(o.jobs, 6);
	assert_int_equal(o.iodepth, 7);
	assert_int_equal(o.seed, 8);
	assert_int_equal(o.queues, 0);
	snprintf(origin, sizeof(origin), "%s:2", paths[1]);
	assert_string_equal(options_origin(&o, OPTION_jobs), origin);
	options_free(&o);

	/* --config alone does not stand for the default one. */
	in = taking(&t, in.default_ini);
	assert_int_equal(parse_list(&o, &in, &err, ARGS("-c", paths[1])), 0);
	assert_string_equal(t.text, "[sweep]:4 sweep.d=4:5 [sweep]:4 sweep.b=2:5 ");
	assert_int_equal(o.queues, 9);
	assert_int_equal(o.jobs, 6);
	options_free(&o);

	/* Not files, unless the caller says so: they do not stand for the default one either. */
	in = taking(&t, in.default_ini);
	in.config_args = NULL;
	assert_int_equal(parse_list(&o, &in, &err, ARGS(paths[0])), 0);
	assert_string_equal(t.text, "[sweep]:4 sweep.d=4:5 ");
	assert_int_equal(o.args.count, 1);
	options_free(&o);
	in.config_args = options_every_arg;
	assert_int_equal(parse_list(&o, &in, &err, ARGS("/nonexistent/a.ini")), -EINVAL);
	assert_string_equal(err.msg, "/nonexistent/a.ini: cannot open: No such file or directory");
	options_free(&o);
	for (int i = 0; i < 3; i++)
		unlink(paths[i]);
}

/* As a machine is named in an INI file. */
static void test_machine_beside(void **state)
{
	static const struct {
		const char *path, *machine, *wanted;
	} cases[] = {
		{ "/tmp/a.ini", "m.xml", "/tmp/m.xml" },
		{ "/tmp/a.ini", "./m", "/tmp/./m" },
		{ "/tmp/a.ini", "/m.xml", "/m.xml" },
		{ "/tmp/a.ini", "package:1 core:2 pu:1", "package:1 core:2 pu:1" },
		{ "/a.ini", "m.xml", "/m.xml" },
		{ NULL, "m.xml", "m.xml" },
		{ "/nonexistent/a.ini", "m.xml", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *machine = option_machine_beside(cases[i].path, cases[i].machine);

		if (cases[i].wanted)
			assert_string_equal(machine, cases[i].wanted);
		else
			assert_null(machine);
		free(machine);
	}
}

/* --- anything at all --- */

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Change, drop, double or insert a few characters. @buf has room for @size. */
static void mutate(char *buf, size_t size, uint64_t *rng)
{
	static const char alphabet[] = "=-_,.;:#[] \t\n\r\\\"0123456789xkmsnupyoae\xff\xc3\x01";

	for (uint64_t n = next_random(rng) % 4; n; n--) {
		size_t len = strlen(buf), at = next_random(rng) % (len + 1);
		char c = alphabet[next_random(rng) % (sizeof(alphabet) - 1)];

		switch (next_random(rng) % 3) {
		case 0:
			if (at < len)
				buf[at] = c;
			break;
		case 1:
			memmove(buf + at, buf + at + (at < len), len - at + (at == len));
			break;
		case 2:
			if (len + 2 > size)
				break;
			memmove(buf + at + 1, buf + at, len - at + 1);
			buf[at] = c;
			break;
		}
	}
}

/* Whatever came out: a message with an error, and else options that survive every output helper. */
static void check_result(struct options *o, int ret, const struct options_error *err)
{
	struct options copy;

	if (ret == -EINVAL) {
		assert_in_range(strlen(err->msg), 1, sizeof(err->msg) - 1);
		assert_null(strchr(err->msg, '\n'));
	} else if (ret == 0) {
		(void)options_validate(o, NULL);
		assert_round_trip(o);
		assert_int_equal(options_copy(&copy, o), 0);
		assert_same_values(o, &copy);
		options_free(&copy);
		json_decref(options_to_json(o, S_ALL));
	} else {
		assert_true(ret == OPTIONS_HELP || ret == OPTIONS_VERSION);
	}
	options_free(o);
}

static void test_random_command_lines(void **state)
{
	static const char *const corpus[] = {
		"--devices",
		"4",
		"--bs=8k",
		"--local-ns",
		"73.25ns",
		"--ats",
		"--ats=no",
		"--no-ats",
		"--cm",
		"0,1",
		"--cap=0x19ed008c40780c66,0xc66",
		"--set",
		"jobs=4",
		"--set=machine=package:2 core:4",
		"--",
		"-h",
		"-o",
		"out",
		"-oout",
		"--explain",
		"--hold=60ns",
		"--policy",
		"static",
		"--seed=18446744073709551615",
		"--placement=0-3,8",
		"-x",
		"--version",
		"--runtime=0.5s",
		"--machine",
		"host",
		"",
	};
	uint64_t rng = 0x9e3779b97f4a7c15;

	(void)state;
	for (int round = 0; round < 4000; round++) {
		char buf[8][80];
		const char *args[9] = { NULL };
		struct options_input in = { .scope = 1 + next_random(&rng) % S_ALL };
		struct options_error err;
		struct options o;

		in.positional = next_random(&rng) % 2;
		for (uint64_t i = 0, n = next_random(&rng) % 8; i < n; i++) {
			strcpy(buf[i], corpus[next_random(&rng) % (sizeof(corpus) / sizeof(corpus[0]))]);
			mutate(buf[i], sizeof(buf[i]), &rng);
			args[i] = buf[i];
		}
		check_result(&o, parse_list(&o, &in, &err, args), &err);
	}
}

static void test_random_ini(void **state)
{
	static const char *const lines[] = {
		"[simbench]\n",
		"devices = 3\n",
		"jobs=4 ; comment,\n",
		"cap = 0x19ed008c40780c66,\n",
		"\t0xc66\n",
		"; comment\n",
		"\n",
		"machine = package:2 core:4\n",
		"local_ns = 73.25ns\n",
		"ats: yes\r\n",
		"placement = 0-3,8\n",
		"policy=static\n",
		"seed = 18446744073709551615\n",
		"[sweep]\n",
		"rw=randrw\n",
	};
	uint64_t rng = 0xd1b54a32d192ed03;

	(void)state;
	for (int round = 0; round < 4000; round++) {
		struct options_input in = { .scope = S_ALL };
		struct options_error err;
		struct options o;
		char text[1024] = "[simbench]\n", path[32] = "";

		for (uint64_t n = next_random(&rng) % 6; n; n--)
			strcat(text, lines[next_random(&rng) % (sizeof(lines) / sizeof(lines[0]))]);
		if (next_random(&rng) % 4)
			mutate(text, sizeof(text), &rng);
		if (round % 8)
			in.builtin_ini = text;
		else
			write_file(path, text, strlen(text));
		check_result(&o, parse_list(&o, &in, &err, *path ? ARGS("-c", path) : NO_ARGS), &err);
		if (*path)
			unlink(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_sound),
		cmocka_unit_test(test_every_bound_parses),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_each_kind),
		cmocka_unit_test(test_bool_forms),
		cmocka_unit_test(test_times_are_exact),
		cmocka_unit_test(test_number_errors),
		cmocka_unit_test(test_time_errors),
		cmocka_unit_test(test_list_errors),
		cmocka_unit_test(test_text_errors),
		cmocka_unit_test(test_longest_value),
		cmocka_unit_test(test_utf8_is_what_jansson_takes),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_enum_errors),
		cmocka_unit_test(test_unknown_flags),
		cmocka_unit_test(test_guess),
		cmocka_unit_test(test_guess_long_words),
		cmocka_unit_test(test_positional),
		cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_scope),
		cmocka_unit_test(test_map_benchmark),
		cmocka_unit_test(test_set_errors),
		cmocka_unit_test(test_set_by_name),
		cmocka_unit_test(test_ini),
		cmocka_unit_test(test_ini_errors),
		cmocka_unit_test(test_ini_long_lines),
		cmocka_unit_test(test_ini_long_value),
		cmocka_unit_test(test_config_files),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_parse_is_the_plain_form),
		cmocka_unit_test(test_validate),
		cmocka_unit_test(test_validate_passthrough),
		cmocka_unit_test(test_validate_static_attach),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_show_config),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_seed_boundary),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_man),
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_take_pair),
		cmocka_unit_test(test_take_pair_errors),
		cmocka_unit_test(test_config_args),
		cmocka_unit_test(test_machine_beside),
		cmocka_unit_test(test_random_command_lines),
		cmocka_unit_test(test_random_ini),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
