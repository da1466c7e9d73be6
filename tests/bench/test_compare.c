/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_compare.c - two sets of results: what is compared with what, and the verdicts
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/compare.h"
#include "sim/stats.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- verdicts ---- */

static struct measure estimate(double mean, double stddev, uint64_t count)
{
	double ci95 = count > 1 ? stats_t95(count - 1) * stddev / sqrt((double)count) : 0;

	return (struct measure){ { mean, mean, mean, ci95 }, count, false };
}

static struct measure number(double value)
{
	return (struct measure){ { value, value, value, 0 }, 1, true };
}

/* Standard error 1, or 5 / 3, with 6 degrees of freedom, whose quantile is 2.4469. */
static void test_judge(void **state)
{
	const double sd = sqrt(2); /* of 4 repetitions on both sides: 2/4 + 2/4 */
	const struct {
		struct measure a, b;
		enum compare_verdict verdict;
		double t;
	} cases[] = {
		{ estimate(100, sd, 4), estimate(102.5, sd, 4), COMPARE_HIGHER, 2.5 },
		{ estimate(100, sd, 4), estimate(97.5, sd, 4), COMPARE_LOWER, -2.5 },
		{ estimate(100, sd, 4), estimate(102.4, sd, 4), COMPARE_SAME, 2.4 },
		{ estimate(100, sd, 4), estimate(97.6, sd, 4), COMPARE_SAME, -2.4 },
		{ estimate(100, sd, 4), estimate(100, sd, 4), COMPARE_SAME, 0 },
		/* without a spread any difference is one */
		{ estimate(100, 0, 4), estimate(100, 0, 3), COMPARE_SAME, 0 },
		{ estimate(100, 0, 4), estimate(100.001, 0, 3), COMPARE_HIGHER, INFINITY },
		{ number(5), number(5), COMPARE_SAME, 0 },
		{ number(5), number(4), COMPARE_LOWER, -INFINITY },
		/* one repetition on either side */
		{ estimate(100, 0, 1), estimate(200, sd, 4), COMPARE_UNKNOWN, NAN },
		{ estimate(100, sd, 4), estimate(200, 0, 1), COMPARE_UNKNOWN, NAN },
		{ estimate(100, 0, 1), estimate(100, 0, 1), COMPARE_UNKNOWN, NAN },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		struct compare_point p = { .a = cases[i].a, .b = cases[i].b };

		compare_judge(&p);
		if (p.verdict != cases[i].verdict)
			fail_msg("case %zu: %s", i, compare_verdict_name(p.verdict));
		assert_true(p.difference.value == p.b.estimate.mean - p.a.estimate.mean);
		if (isfinite(cases[i].t))
			assert_true(fabs(p.t - cases[i].t) < 1e-9);
		else if (isinf(cases[i].t))
			assert_true(p.t == cases[i].t);
	}
}

/* ---- files and directories ---- */

static char directory[] = "/tmp/test_compare.XXXXXX";

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
	return system("rm -r \"$PWD\"");
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

#define RESULT(scenario, mean)                                                                          \
	"{" scenario "\"throughput_mib_s\": {\"mean\": " mean ", \"ci95\": 1, \"min\": 1, \"max\": 9}," \
	" \"n\": " mean ", \"none\": null, \"repetitions\": 5}"
#define REPORT(policy, results) \
	"{\"config\": {\"policy\": \"" policy "\", \"jobs\": 8}, \"results\": [" results "]}"
#define OF(devices, bridge) "\"scenario\": {\"devices\": " devices ", \"bridge\": \"" bridge "\", \"bs\": 4096}, "

/* A sweep over one or two axes; of the points only those of @records are there. */
static void write_sweep(const char *path, const char *policy, const char *axes, int points, const char *records)
{
	char name[200], text[2000];

	mkdir(path, 0777);
	snprintf(text, sizeof(text),
		 "{\"schema_version\": 1, \"config\": {\"policy\": \"%s\", \"jobs\": 8, \"devices\": \"%s\"},"
		 "\"sweep\": {\"command\": \"run\", \"invalid\": \"skip\", \"axes\": [%s]}, \"points\": %d,"
		 "\"shard\": null, \"plots\": []}",
		 policy, policy, axes, points);
	snprintf(name, sizeof(name), "%s/manifest.json", path);
	write_text(name, text);
	snprintf(name, sizeof(name), "%s/points.jsonl", path);
	write_text(name, records);
}

#define AXIS(option, group, values) "{\"option\": \"" option "\", \"group\": " group ", \"values\": [" values "]}"
#define RECORD(index, point, mean) \
	"{\"index\": " index ", \"point\": {" point "}, \"result\": " RESULT("", mean) "}\n"

struct outcome {
	struct compare c;
	struct options_error err;
	int ret;
};

static void compare(struct outcome *o, const char *a, const char *b, const char *measure)
{
	memset(o, 0, sizeof(*o));
	o->ret = compare_load(&o->c, a, b, measure, &o->err);
}

static void compare_good(struct outcome *o, const char *a, const char *b, const char *measure)
{
	compare(o, a, b, measure);
	if (o->ret)
		fail_msg("%s", o->err.msg);
}

static void refused(const char *a, const char *b, const char *measure, const char *message)
{
	struct outcome o;

	compare(&o, a, b, measure);
	if (o.ret != -EINVAL || !strstr(o.err.msg, message))
		fail_msg("%d \"%s\" instead of \"%s\"", o.ret, o.err.msg, message);
	compare_destroy(&o.c);
}

static void test_single(void **state)
{
	struct outcome o;

	(void)state;
	/* whatever they are of */
	write_text("a.json", REPORT("always", RESULT(OF("2", "shared"), "100")));
	write_text("b.json", REPORT("static", RESULT(OF("4", "separate"), "110")));
	compare_good(&o, "a.json", "b.json", "");
	assert_int_equal(o.c.count, 1);
	assert_string_equal(o.c.measure, "throughput_mib_s");
	assert_string_equal(o.c.points[0].name, "result");
	assert_string_equal(o.c.differences, "policy: \"always\" and \"static\"");
	assert_true(o.c.points[0].difference.value == 10);
	assert_int_equal(o.c.points[0].verdict, COMPARE_HIGHER);
	assert_int_equal(o.c.only_a, 0);
	assert_int_equal(o.c.only_b, 0);
	compare_destroy(&o.c);
	compare_good(&o, "b.json", "a.json", "n");
	assert_true(o.c.points[0].a.exact && o.c.points[0].difference.value == -10);
	compare_destroy(&o.c);
	compare_good(&o, "a.json", "a.json", "");
	assert_string_equal(o.c.differences, "");
	compare_destroy(&o.c);
}

static void test_by_scenario(void **state)
{
	struct outcome o;

	(void)state;
	write_text("a.json",
		   REPORT("always", RESULT(OF("1", "shared"), "100") "," RESULT(
					    OF("2", "shared"), "200") "," RESULT(OF("3", "shared"), "300")));
	write_text("b.json",
		   REPORT("always", RESULT(OF("5", "shared"), "1") "," RESULT(OF("3", "shared"), "300") "," RESULT(
					    OF("4", "shared"), "1") "," RESULT(OF("1", "shared"), "90")));
	compare_good(&o, "a.json", "b.json", "");
	assert_int_equal(o.c.count, 2);
	/* in A's order, by what differs within A */
	assert_string_equal(o.c.points[0].name, "devices=1");
	assert_int_equal(o.c.points[0].verdict, COMPARE_LOWER);
	assert_string_equal(o.c.points[1].name, "devices=3");
	assert_int_equal(o.c.points[1].verdict, COMPARE_SAME);
	assert_int_equal(o.c.only_a, 1);
	assert_int_equal(o.c.only_b, 2);
	assert_int_equal(o.c.valueless, 0);
	compare_destroy(&o.c);
	/* a single result is told from several */
	write_text("c.json", REPORT("always", RESULT(OF("3", "shared"), "301")));
	compare_good(&o, "c.json", "b.json", "");
	assert_int_equal(o.c.count, 1);
	assert_true(o.c.points[0].difference.value == -1);
	assert_int_equal(o.c.only_b, 3);
	compare_destroy(&o.c);
	write_text("c.json", REPORT("always", RESULT(OF("7", "shared"), "301")));
	refused("c.json", "b.json", "",
		"c.json and b.json have no point in common: the first is {\"bridge\":\"shared\",\"bs\":4096,"
		"\"devices\":7} in one and {\"bridge\":\"shared\",\"bs\":4096,\"devices\":5} in the other");
}

static void test_twofold(void **state)
{
	static const char twofold[] = "twofold.json: two results are of one scenario: {\"bridge\":";

	(void)state;
	write_text("once.json", REPORT("always", RESULT(OF("1", "shared"), "100")));
	write_text("twofold.json",
		   REPORT("always", RESULT(OF("1", "shared"), "100") "," RESULT(OF("1", "shared"), "200")));
	refused("once.json", "twofold.json", "", twofold);
	refused("twofold.json", "once.json", "", twofold);
}

static void test_sweeps(void **state)
{
	static const char axes[] = AXIS("devices", "0", "\"1\", \"2\"") "," AXIS("bs", "1", "\"4k\", \"8k\"");
	struct outcome o;

	(void)state;
	write_sweep("a", "always", axes, 4,
		    RECORD("0", "\"devices\": 1, \"bs\": 4096", "100")
			    RECORD("1", "\"devices\": 1, \"bs\": 8192", "200")
				    RECORD("3", "\"devices\": 2, \"bs\": 8192",
					   "300") "{\"index\": 2, \"point\": {\"devices\": 2,"
						  " \"bs\": 4096}, \"skipped\": \"why not\"}\n");
	/* axes the other way round, other values, other records */
	write_sweep(
		"b", "static", AXIS("bs", "0", "\"8k\", \"4k\"") "," AXIS("devices", "1", "\"2\", \"1\", \"3\""), 6,
		RECORD("0", "\"bs\": 8192, \"devices\": 2", "300") RECORD("2", "\"bs\": 8192, \"devices\": 3", "7")
			RECORD("4", "\"bs\": 4096, \"devices\": 1", "110"));
	compare_good(&o, "a", "b/", "");
	assert_int_equal(o.c.count, 2);
	assert_string_equal(o.c.points[0].name, "devices=1 bs=4096");
	assert_int_equal(o.c.points[0].verdict, COMPARE_HIGHER);
	assert_string_equal(o.c.points[1].name, "devices=2 bs=8192");
	assert_int_equal(o.c.points[1].verdict, COMPARE_SAME);
	assert_int_equal(o.c.only_a, 1); /* that which was left out has no result */
	assert_int_equal(o.c.only_b, 1);
	/* the axes' own values say nothing */
	assert_string_equal(o.c.differences, "policy: \"always\" and \"static\"");
	compare_destroy(&o.c);
	/* a sweep's points are by axes, a report's by scenario */
	write_text("c.json", REPORT("always", RESULT(OF("1", "shared"), "100")));
	refused("a", "c.json", "", "have no point in common");
	write_sweep("empty", "always", axes, 4, "");
	refused("a", "empty", "", "empty: there is no result yet");
	refused("empty", "b", "", "empty: there is no result yet");
}

static void test_without_value(void **state)
{
	struct outcome o;

	(void)state;
	write_text("a.json",
		   REPORT("always", RESULT(OF("1", "shared"), "100") "," RESULT(OF("2", "shared"), "200")));
	write_text("b.json",
		   REPORT("always", RESULT(OF("1", "shared"), "100") ", {" OF(
					    "2", "shared") " \"throughput_mib_s\": null, \"repetitions\": 1}"));
	compare_good(&o, "a.json", "b.json", "");
	assert_int_equal(o.c.count, 1);
	assert_int_equal(o.c.valueless, 1);
	assert_int_equal(o.c.only_a, 0);
	assert_int_equal(o.c.only_b, 0);
	compare_destroy(&o.c);
	refused("a.json", "a.json", "none", "a.json and a.json: no point of both has a value for none");
}

static void test_measures(void **state)
{
	char path[200];

	(void)state;
	write_text("a.json", REPORT("always", RESULT("", "100")));
	write_text("b.json", REPORT("always", "{\"ns\": 5}"));
	refused("a.json", "a.json", "trhoughput",
		"a.json: its results have no trhoughput: --measure takes one of ");
	refused("a.json", "b.json", "", "b.json: its results have no throughput_mib_s: --measure takes one of ns");
	refused("b.json", "b.json", "",
		"b.json: its results have no throughput: say what to compare with --measure");
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	refused("a.json", "a.json", path, "--measure: longer than 127 characters");
}

static void test_files(void **state)
{
	(void)state;
	write_text("a.json", REPORT("always", RESULT("", "100")));
	write_text("broken.json", "{\n\"config\": {},\n\"results\": [\n");
	write_text("other.json", "{\"results\": [{}]}");
	write_text("none.json", "{\"config\": {}, \"results\": []}");
	assert_int_equal(mkdir("nothing", 0777), 0);
	refused("missing.json", "a.json", "", "unable to open missing.json: No such file or directory");
	refused("a.json", "broken.json", "", "broken.json:4: ");
	refused("a.json", "other.json", "", "other.json: not a report of simbench: it has no config or no results");
	refused("none.json", "a.json", "", "none.json: not a report of simbench");
	refused("a.json", "nothing", "", "nothing: not a sweep's directory: there is no manifest.json");
}

/* Longer than any buffer, and with characters of several bytes. */
static void test_long_differences(void **state)
{
	char *text, value[3001] = "", other[3001] = "";
	struct outcome o;
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		strcat(value, "ü");
		strcat(other, "ö");
	}
	assert_true(asprintf(&text, "{\"config\": {\"machine\": \"%s\"}, \"results\": [%s]}", value,
			     RESULT("", "1")) > 0);
	write_text("a.json", text);
	free(text);
	assert_true(asprintf(&text, "{\"config\": {\"machine\": \"%s\"}, \"results\": [%s]}", other,
			     RESULT("", "1")) > 0);
	write_text("b.json", text);
	free(text);
	compare_good(&o, "a.json", "b.json", "");
	assert_true(strlen(o.c.differences) > 4000);
	compare_destroy(&o.c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_single),
		cmocka_unit_test(test_by_scenario),
		cmocka_unit_test(test_twofold),
		cmocka_unit_test(test_sweeps),
		cmocka_unit_test(test_without_value),
		cmocka_unit_test(test_measures),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_long_differences),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
