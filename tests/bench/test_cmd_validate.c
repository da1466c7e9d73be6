/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_cmd_validate.c - the JSON reports of validate, compare and explore against their schemas in docs/
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/cmd.h"
#include "tests/json_schema.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char directory[] = "/tmp/test_cmd_validate.XXXXXX";

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chdir(directory), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	json_schema_free_all();
	return system("rm -r \"$PWD\"");
}

/* ---- reports ---- */

static volatile sig_atomic_t interrupted;

/* A command line without the program's name; its report as JSON. */
static json_t *report_of(int (*cmd)(const struct cmd_context *ctx, int argc, char **args), int code,
			 const char *line)
{
	char copy[500], *words[40] = { (char *)"simbench" }, *rest = NULL;
	struct cmd_context ctx = { .argv = words, .interrupted = &interrupted };
	json_error_t err;
	json_t *report;

	snprintf(copy, sizeof(copy), "%s --output-format json -o report.json", line);
	for (words[++ctx.argc] = strtok_r(copy, " ", &rest); words[ctx.argc];)
		words[++ctx.argc] = strtok_r(NULL, " ", &rest);
	assert_int_equal(cmd(&ctx, ctx.argc - 1, words + 1), code);
	report = json_load_file("report.json", JSON_REJECT_DUPLICATES, &err);
	if (!report)
		fail_msg("%s: line %d: %s", line, err.line, err.text);
	return report;
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* ---- schemas ---- */

static const json_t *schema;

static void accepts(const json_t *report)
{
	if (!json_schema_valid(schema, schema, report))
		fail_msg("the schema refuses %s", json_dumps(report, JSON_INDENT(1)));
}

/* Where a key may be missing, or any may come. */
static bool is_free(const char *key)
{
	return !strcmp(key, "as") || !strcmp(key, "drawn");
}

static void refuses(const json_t *root, const char *what, const char *key)
{
	if (json_schema_valid(schema, schema, root))
		fail_msg("the schema accepts %s %s", what, key);
}

static unsigned int mutations;

/* Each member taken away, each replaced by an object, and one more: none of it is accepted. */
static void mutate(const json_t *root, json_t *v)
{
	json_t *names, *value;
	const char *key;
	size_t i;

	for (i = 0; i < json_array_size(v); i++)
		mutate(root, json_array_get(v, i));
	if (!json_is_object(v))
		return;
	names = json_copy(v);
	json_object_foreach(names, key, value) {
		json_object_set_new(v, key, json_pack("{s:i}", "nothing", 1));
		refuses(root, "an object as", key);
		json_object_del(v, key);
		if (!is_free(key))
			refuses(root, "no", key);
		json_object_set(v, key, value);
		mutations++;
		if (strcmp(key, "config") && strcmp(key, "context") && strcmp(key, "drawn"))
			mutate(root, value);
	}
	json_object_set_new(v, "surplus", json_integer(1));
	refuses(root, "a", "surplus");
	json_object_del(v, "surplus");
	json_decref(names);
}

static void check(json_t *report, unsigned int most)
{
	accepts(report);
	mutations = 0;
	mutate(report, report);
	assert_true(mutations >= most);
	accepts(report);
}

/* ---- the commands ---- */

#define LOCKBENCH "command = lockbench\nscenario = cpus=4 lock=mcs\nmeasure = acquisitions_per_s\n"

static const char claims[] =
	"[simbench]\niterations = 100\n"
	"[claim confirmed]\nsays = s\nsource = t\n" LOCKBENCH "claimed = >= 1\n"
	"[claim refuted]\nsays = s\n" LOCKBENCH "claimed = <= 1\n"
	"[claim related]\nsays = s\n" LOCKBENCH "against = cpus=2 lock=mcs\nas = ratio\nclaimed = 1\n"
	"tolerance = 1000\n"
	"[claim undecided]\nsays = s\ncommand = lockbench\nscenario = cpus=4 lock=mcs repetitions=1\n"
	"measure = acquisitions_per_s\nclaimed = >= 1\n"
	"[claim count]\nsays = s\ncommand = lockbench\nscenario = cpus=4 lock=mcs\nmeasure = cpus\n"
	"claimed = 4\n"
	"[claim attach]\nsays = s\nscenario = policy=static cm=0,1\nmeasure = attach\n"
	"claimed = refused\n";

static json_t *result(json_t *report, size_t i)
{
	return json_array_get(json_object_get(report, "results"), i);
}

static const char *string(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void test_validate(void **state)
{
	static const char *const verdicts[] = { "confirmed", "refuted",	  "confirmed",
						"undecided", "confirmed", "confirmed" };
	json_t *report;
	size_t i;

	(void)state;
	write_text("claims.ini", claims);
	schema = json_schema_load("validate.schema.json");
	report = report_of(cmd_validate, EXIT_REFUTED, "validate claims.ini --progress never");
	for (i = 0; i < COUNT(verdicts); i++)
		assert_string_equal(string(result(report, i), "verdict"), verdicts[i]);
	assert_true(json_is_null(json_object_get(json_object_get(result(report, 0), "claimed"), "high")));
	assert_true(json_is_null(json_object_get(json_object_get(result(report, 4), "simulated"), "ci95")));
	assert_true(json_is_null(json_object_get(json_object_get(result(report, 3), "simulated"), "ci95")));
	assert_int_equal(json_integer_value(json_object_get(result(report, 3), "repetitions_to_decide")), 2);
	assert_string_equal(string(result(report, 2), "as"), "ratio");
	check(report, 60);
	/* a choice that is none */
	json_object_set_new(result(report, 0), "verdict", json_string("perhaps"));
	refuses(report, "the verdict", "perhaps");
	json_decref(report);
}

static void test_uncertain(void **state)
{
	json_t *report;

	(void)state;
	write_text("claims.ini", claims);
	schema = json_schema_load("validate.schema.json");
	report = report_of(cmd_validate, EXIT_OK, "validate claims.ini --progress never --uncertain --draws 8");
	assert_int_equal(json_integer_value(json_object_get(result(report, 0), "holds")), 8);
	assert_int_equal(json_integer_value(json_object_get(result(report, 1), "holds")), 0);
	assert_non_null(json_object_get(result(report, 0), "drawn"));
	assert_null(json_object_get(result(report, 1), "drawn"));
	check(report, 60);
	json_object_set_new(result(report, 0), "share", json_real(1.5));
	refuses(report, "the share", "1.5");
	json_decref(report);
}

#define SIDE(mean, repetitions)                                                  \
	"{\"config\": {}, \"results\": [{\"throughput_mib_s\": {\"mean\": " mean \
	", \"ci95\": 1, \"min\": 1, \"max\": 9},"                                \
	" \"none\": 0, \"repetitions\": " repetitions "}]}"

static void test_compare(void **state)
{
	static const struct {
		const char *a, *b, *verdict;
	} cases[] = {
		{ SIDE("100", "5"), SIDE("90", "5"), "lower" },
		{ SIDE("100", "5"), SIDE("110", "5"), "higher" },
		{ SIDE("100", "5"), SIDE("100", "5"), "no difference" },
		{ SIDE("0", "5"), SIDE("100", "1"), "no interval" },
	};
	json_t *report, *point;
	size_t i;

	(void)state;
	schema = json_schema_load("compare.schema.json");
	for (i = 0; i < COUNT(cases); i++) {
		write_text("a.json", cases[i].a);
		write_text("b.json", cases[i].b);
		report = report_of(cmd_compare, EXIT_OK, "compare a.json b.json");
		point = json_array_get(json_object_get(result(report, 0), "points"), 0);
		assert_string_equal(string(point, "verdict"), cases[i].verdict);
		check(report, 20);
		/* what there is not is null */
		assert_int_equal(json_is_null(json_object_get(point, "ci95")), i == 3);
		assert_int_equal(json_is_null(json_object_get(point, "t")), i == 3);
		assert_int_equal(json_is_null(json_object_get(point, "percent")), i == 3);
		json_decref(report);
	}
	/* two counts that differ: infinitely sure */
	report = report_of(cmd_compare, EXIT_OK, "compare a.json b.json --measure none");
	check(report, 20);
	json_decref(report);
}

/* Two events of one history are all that need be broken in every way. */
static void shorten_histories(json_t *report)
{
	size_t i, kept = 0;

	for (i = 0; i < 5; i++) {
		json_t *events = json_object_get(json_object_get(result(report, i), "history"), "events");

		if (!events)
			continue;
		assert_true(json_array_size(events) >= 2);
		while (json_array_size(events) > 2)
			json_array_remove(events, 2);
		if (kept++)
			json_object_set_new(result(report, i), "history", json_null());
	}
}

static void test_explore(void **state)
{
	static const char *const lines[] = {
		"explore map-map --schedules 10 --progress never",
		"explore attach-map-cm --strategy pct --schedules 20000 --progress never",
	};
	static const char *const coverages[] = { "bounded", "found" };
	json_t *report;
	size_t i;

	(void)state;
	schema = json_schema_load("explore.schema.json");
	for (i = 0; i < COUNT(lines); i++) {
		report = report_of(cmd_explore, EXIT_OK, lines[i]);
		assert_int_equal(json_array_size(json_object_get(report, "results")), 5);
		assert_string_equal(string(result(report, 1), "coverage"), coverages[i]);
		shorten_histories(report);
		check(report, 56);
		json_object_set_new(result(report, 0), "verdict", json_string("M7"));
		refuses(report, "the verdict", "M7");
		json_decref(report);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_explore),
		cmocka_unit_test(test_validate),
		cmocka_unit_test(test_uncertain),
		cmocka_unit_test(test_compare),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
