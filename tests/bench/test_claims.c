/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_claims.c - claims: what a file may say, verdicts, and results from a sweep
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/claims.h"
#include "bench/options_table.h"
#include "sim/stats.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- files ---- */

struct file {
	struct options options;
	struct claims claims;
	struct options_error err;
	int ret;
};

static int take_pair(void *arg, const struct options_ini_pair *pair, struct options_error *err)
{
	struct file *f = arg;

	return claims_take_pair(&f->claims, pair, err);
}

/* With @key set to @value as if on the command line, unless it is NULL. */
static void read_with(struct file *f, const char *text, const char *key, const char *value)
{
	struct options_input in = { .take_pair = take_pair, .take_arg = f };

	memset(f, 0, sizeof(*f));
	assert_int_equal(options_init(&f->options), 0);
	f->options.scope = S_VALID | S_POINT;
	if (key)
		assert_int_equal(options_set(&f->options, key, value, "--flag", &f->err), 0);
	f->ret = option_read_ini(&f->options, "my.ini", text, OPTIONS_FILE, &in, &f->err);
	if (!f->ret)
		f->ret = claims_finish(&f->claims, &f->options, &f->err);
}

static void read_file(struct file *f, const char *text)
{
	read_with(f, text, NULL, NULL);
}

static void free_file(struct file *f)
{
	claims_destroy(&f->claims);
	options_free(&f->options);
}

/* A claim, known to be well formed. */
static void read_good(struct file *f, const char *text)
{
	read_file(f, text);
	if (f->ret)
		fail_msg("refused: %s: %s", f->err.msg, text);
}

static void test_every_key(void **state)
{
	const struct claim_scenario *s;
	const struct claim *c;
	struct file f;

	(void)state;
	read_good(&f,
		  "[simbench]\ndevices = 3\n"
		  "[claim a-1]\nsays = it is so; really\nsource = somewhere\ncommand = mapbench\n"
		  "scenario = policy=static machine=\"package:1 core:4 pu:1\"\tmap_threads=2\n"
		  "against = policy=legacy machine=\"package:1 core:4 pu:1\"\nmeasure = maps_per_s\nas = ratio\n"
		  "claimed = 1.5\ntolerance = 10 %\n");
	assert_int_equal(f.claims.count, 1);
	c = &f.claims.claims[0];
	assert_string_equal(c->name, "a-1");
	assert_string_equal(c->says, "it is so; really");
	assert_string_equal(c->source, "somewhere");
	assert_string_equal(c->measure, "maps_per_s");
	assert_string_equal(c->claimed, "1.5");
	assert_string_equal(c->where, "my.ini:9");
	assert_false(c->attach);
	assert_int_equal(c->relation, CLAIM_RATIO);
	assert_true(fabs(c->low - 1.35) < 1e-12 && fabs(c->high - 1.65) < 1e-12);
	assert_int_equal(f.claims.scenario_count, 2);
	s = &f.claims.scenarios[c->scenario];
	assert_int_equal(s->command, POINT_MAPBENCH);
	assert_int_equal(s->options.scope, S_MAP);
	assert_int_equal(s->options.policy, POLICY_STATIC);
	assert_int_equal(s->options.devices, 3);
	assert_int_equal(s->options.map_threads, 2);
	assert_string_equal(s->options.machine, "package:1 core:4 pu:1");
	s = &f.claims.scenarios[c->against];
	assert_int_equal(s->options.policy, POLICY_LEGACY);
	assert_int_equal(s->options.map_threads, 1);
	free_file(&f);
}

static void test_defaults(void **state)
{
	const struct claim *c;
	struct file f;

	(void)state;
	read_good(&f, "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = iops\nclaimed = -2\n");
	c = &f.claims.claims[0];
	assert_string_equal(c->source, "");
	assert_int_equal(c->relation, CLAIM_ALONE);
	assert_int_equal(f.claims.scenarios[c->scenario].command, POINT_RUN);
	assert_true(c->low == -2 && c->high == -2);
	free_file(&f);
}

static void test_limits(void **state)
{
	static const struct {
		const char *text;
		double low, high;
	} cases[] = {
		{ "claimed = 5\ntolerance = 0", 5, 5 },
		{ "claimed = 5\ntolerance = 2", 3, 7 },
		{ "claimed = 5\ntolerance = 0.5", 4.5, 5.5 },
		{ "claimed = -200\ntolerance = 10 %", -220, -180 },
		{ "claimed = -200\ntolerance = 10%", -220, -180 },
		{ "claimed = 1e3", 1000, 1000 },
		{ "claimed = >= 5", 5, INFINITY },
		{ "claimed = >=5", 5, INFINITY },
		{ "claimed = <= -5.25", -INFINITY, -5.25 },
	};
	char text[200];
	struct file f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = iops\n%s\n",
			 cases[i].text);
		read_good(&f, text);
		assert_true(f.claims.claims[0].low == cases[i].low);
		assert_true(f.claims.claims[0].high == cases[i].high);
		free_file(&f);
	}
}

static void test_attach(void **state)
{
	struct file f;

	(void)state;
	/* What options_validate() refuses is just what is claimed to be refused. */
	read_good(&f,
		  "[claim x]\nsays = s\nscenario = policy=static cm=0,1\nmeasure = attach\nclaimed = refused\n"
		  "[claim y]\nsays = s\nscenario = policy=dynamic cm=0,1\nmeasure = attach\nclaimed = accepted\n");
	assert_true(f.claims.claims[0].attach);
	assert_true(f.claims.scenarios[0].attach);
	assert_true(f.claims.claims[0].low == 0 && f.claims.claims[0].high == 0);
	assert_true(f.claims.claims[1].low == 1 && f.claims.claims[1].high == 1);
	free_file(&f);
}

/* Of each distinct scenario there is one, whoever it is for, and however it is written. */
static void test_shared_scenarios(void **state)
{
	struct file f;

	(void)state;
	read_good(
		&f,
		"[claim a]\nsays = s\nscenario = policy=static jobs=2\nagainst = policy=legacy jobs=2\nas = ratio\n"
		"measure = iops\nclaimed = 1\n"
		"[claim b]\nsays = s\nscenario = jobs=2 policy=legacy\nmeasure = iops\nclaimed = 1\n"
		"[claim c]\nsays = s\nscenario = policy=static runtime=60ms jobs=2\nmeasure = iops\nclaimed = 1\n"
		"[claim d]\nsays = s\nscenario = policy=static jobs=2\nmeasure = attach\nclaimed = accepted\n"
		"[claim e]\nsays = s\nscenario = policy=static runtime=61ms jobs=2\nmeasure = iops\nclaimed = 1\n"
		"[claim g]\nsays = s\nscenario = policy=static runtime=100us warmup=0 repetitions=1 jobs=2\n"
		"measure = iops\nclaimed = 1\n"
		"[claim f]\nsays = s\ncommand = mapbench\nscenario = policy=static\nmeasure = maps_per_s\n"
		"claimed = 1\n");
	assert_int_equal(f.claims.scenario_count, 6);
	assert_int_equal(f.claims.claims[0].against, f.claims.claims[1].scenario);
	assert_int_equal(f.claims.claims[0].scenario, f.claims.claims[2].scenario);
	assert_int_not_equal(f.claims.claims[0].scenario, f.claims.claims[3].scenario);
	assert_int_not_equal(f.claims.claims[0].scenario, f.claims.claims[4].scenario);
	free_file(&f);
}

/* What a claim needs; a case adds lines that begin in line 6. */
#define NEEDED "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = iops\nclaimed = 1\n"

static void test_refusals(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "[simbench]\njobs = 2\n", "configuration: there is no section [claim NAME]" },
		{ "[claim]\n", "my.ini:1: [claim NAME]: NAME can become that of a file: letters, digits and -_.+" },
		{ "[claim a/b]\n", "my.ini:1: [claim NAME]: NAME can become" },
		{ "[claim two words]\n", "my.ini:1: [claim NAME]: NAME can become" },
		{ "[claim .x]\n", "my.ini:1: [claim NAME]: NAME can become" },
		{ NEEDED "[claim x]\n", "my.ini:6: claim x: given before at my.ini:1" },
		{ NEEDED "says = t\n", "my.ini:6: says: given before" },
		{ NEEDED "tolerence = 1\n",
		  "my.ini:6: tolerence: unknown key of a claim: did you mean tolerance?" },
		{ NEEDED "zzzzzzzz = 1\n", "my.ini:6: zzzzzzzz: unknown key of a claim" },
		{ NEEDED "source = \xff\n", "my.ini:6: not UTF-8" },
		{ "[claim x]\nscenario = jobs=2\nmeasure = iops\nclaimed = 1\n",
		  "my.ini:1: claim x: says = ... is missing" },
		{ "[claim x]\nsays = s\nmeasure = iops\nclaimed = 1\n",
		  "my.ini:1: claim x: scenario = ... is missing" },
		{ "\n\n[claim x]\nsays = s\nscenario = jobs=2\nclaimed = 1\n",
		  "my.ini:3: claim x: measure = ... is missing" },
		{ "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = iops\n",
		  "my.ini:1: claim x: claimed = ... is missing" },
		{ NEEDED "command = pingpong\n",
		  "my.ini:6: command = pingpong: not one of run, lockbench, mapbench" },
		{ NEEDED "as = ratio\n", "my.ini:6: as: needs a second scenario: against = KEY=VALUE ..." },
		{ NEEDED "against = jobs=3\n",
		  "my.ini:6: against: needs to be told how: as = drop_pct, ratio or difference" },
		{ NEEDED "against = jobs=3\nas = product\n",
		  "my.ini:7: as = product: not one of drop_pct, ratio, difference" },
		{ NEEDED "tolerance = some\n",
		  "my.ini:6: tolerance = some: not a number from 0 on, nor a percentage" },
		{ NEEDED "tolerance = -1\n", "my.ini:6: tolerance = -1: not a number" },
		{ NEEDED "tolerance = 1 % of it\n", "my.ini:6: tolerance = 1 % of it: not a number" },
		{ NEEDED "tolerance = 1e999\n", "my.ini:6: tolerance = 1e999: not a number" },
		{ NEEDED "against = jobs\nas = ratio\n", "my.ini:6: against: jobs: not KEY=VALUE" },
		{ NEEDED "against = jobs=0\nas = ratio\n", "my.ini:6: jobs = 0: out of range: allowed 1 to 8192" },
		{ NEEDED "against = polcy=pt\nas = ratio\n",
		  "my.ini:6: polcy = pt: unknown key: did you mean policy?" },
		{ NEEDED "against = hold=5ns\nas = ratio\n", "my.ini:6: hold = 5ns: not an option of run" },
		/* together, not one by one */
		{ NEEDED "against = rwmixread=10\nas = ratio\n", "my.ini:6: against: " },
		{ "[claim x]\nsays = s\nscenario = policy=static cm=0,1\nmeasure = iops\nclaimed = 1\n",
		  "my.ini:3: scenario: " },
		{ "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = iops\nclaimed = many\n",
		  "my.ini:5: claimed = many: not NUMBER, >= NUMBER or <= NUMBER" },
		{ "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = iops\nclaimed = > 5\n",
		  "my.ini:5: claimed = > 5: not NUMBER" },
		{ "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = iops\nclaimed = 5 MiB\n",
		  "my.ini:5: claimed = 5 MiB: not NUMBER" },
		{ "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = iops\nclaimed = inf\n",
		  "my.ini:5: claimed = inf: not NUMBER" },
		{ "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = iops\nclaimed = 0x10\n",
		  "my.ini:5: claimed = 0x10: not NUMBER" },
		{ "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = iops\nclaimed = >= 5\ntolerance = 1\n",
		  "my.ini:6: tolerance: only a NUMBER that is claimed has one" },
		{ "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = attach\nclaimed = 1\n",
		  "my.ini:5: claimed = 1: an attach is accepted or refused" },
		{ "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = attach\nclaimed = refused\ntolerance = 1\n",
		  "my.ini:6: tolerance: only a NUMBER" },
		{ "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = attach\nclaimed = refused\n"
		  "against = jobs=3\nas = ratio\n",
		  "my.ini:7: as: an attach is related to nothing" },
		{ "[claim x]\nsays = s\nscenario = cpus=2\ncommand = lockbench\nmeasure = attach\nclaimed = "
		  "refused\n",
		  "my.ini:5: measure = attach: needs command = run" },
	};
	struct file f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		read_file(&f, cases[i].text);
		if (f.ret != -EINVAL || strncmp(f.err.msg, cases[i].message, strlen(cases[i].message)))
			fail_msg("%d \"%s\" instead of \"%s\"", f.ret, f.err.msg, cases[i].message);
		free_file(&f);
	}
}

/* An option of the command line that no scenario takes would do nothing; in a file it may be for others. */
static void test_given(void **state)
{
	struct file f;

	(void)state;
	read_with(&f, NEEDED, "hold", "5ns");
	assert_int_equal(f.ret, -EINVAL);
	assert_string_equal(f.err.msg, "--flag: hold: no claim has a scenario that takes it");
	free_file(&f);
	read_with(&f, NEEDED, "iodepth", "3");
	assert_int_equal(f.ret, 0);
	assert_int_equal(f.claims.scenarios[0].options.iodepth, 3);
	free_file(&f);
	read_with(&f, NEEDED, "draws", "100");
	assert_int_equal(f.ret, 0);
	free_file(&f);
	read_file(&f, "[simbench]\nhold = 5ns\n" NEEDED);
	assert_int_equal(f.ret, 0);
	free_file(&f);
}

/* ---- verdicts ---- */

static struct claim between(double low, double high)
{
	return (struct claim){
		.name = (char *)"x", .measure = (char *)"v", .where = (char *)"my.ini:4", .low = low, .high = high
	};
}

static void test_judge(void **state)
{
	static const struct {
		double low, high;
		struct claim_value v;
		enum claim_verdict verdict;
		uint64_t repetitions;
	} cases[] = {
		/* the interval inside, on both limits, outside, touching from outside */
		{ 90, 110, { 100, 5, 4, 5, false }, CLAIM_CONFIRMED, 0 },
		{ 95, 105, { 100, 5, 4, 5, false }, CLAIM_CONFIRMED, 0 },
		{ 90, 94.9, { 100, 5, 4, 5, false }, CLAIM_REFUTED, 0 },
		{ 105.1, 110, { 100, 5, 4, 5, false }, CLAIM_REFUTED, 0 },
		/* a limit 3 from the value, which 2.2622 * 5 sqrt(5) / 2.7764 / sqrt(10) is below */
		{ 103, 110, { 100, 5, 4, 5, false }, CLAIM_UNDECIDED, 10 },
		{ 97, 110, { 100, 5, 4, 5, false }, CLAIM_UNDECIDED, 10 },
		{ 90, 97, { 100, 5, 4, 5, false }, CLAIM_UNDECIDED, 10 },
		{ 90, 103, { 100, 5, 4, 5, false }, CLAIM_UNDECIDED, 10 },
		/* one side */
		{ 95, INFINITY, { 100, 5, 4, 5, false }, CLAIM_CONFIRMED, 0 },
		{ 105.5, INFINITY, { 100, 5, 4, 5, false }, CLAIM_REFUTED, 0 },
		{ -INFINITY, 105, { 100, 5, 4, 5, false }, CLAIM_CONFIRMED, 0 },
		{ -INFINITY, 94, { 100, 5, 4, 5, false }, CLAIM_REFUTED, 0 },
		/* the value on the limit, or on the only one that is claimed */
		{ 100, INFINITY, { 100, 5, 4, 5, false }, CLAIM_UNDECIDED, UINT64_MAX },
		{ 90, 100, { 100, 5, 4, 5, false }, CLAIM_UNDECIDED, UINT64_MAX },
		{ 100, 100, { 100, 5, 4, 5, false }, CLAIM_UNDECIDED, UINT64_MAX },
		/* repetitions that do not differ, and counts, have no width */
		{ 100, 100, { 100, 0, 4, 5, false }, CLAIM_CONFIRMED, 0 },
		{ 100, 100, { 100, 0, 0, 1, true }, CLAIM_CONFIRMED, 0 },
		{ 100.001, 101, { 100, 0, 0, 1, true }, CLAIM_REFUTED, 0 },
		{ 0, 99.999, { 100, 0, 0, 1, true }, CLAIM_REFUTED, 0 },
		/* one repetition says nothing, however clear it is */
		{ 0, 1e9, { 100, 0, 0, 1, false }, CLAIM_UNDECIDED, 2 },
		{ 1e8, 1e9, { 100, 0, 0, 1, false }, CLAIM_UNDECIDED, 2 },
	};
	uint64_t repetitions;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		struct claim c = between(cases[i].low, cases[i].high);

		if (claim_judge(&c, &cases[i].v, &repetitions) != cases[i].verdict ||
		    repetitions != cases[i].repetitions)
			fail_msg("case %zu: %s with %" PRIu64, i,
				 claim_verdict_name(claim_judge(&c, &cases[i].v, &repetitions)), repetitions);
	}
}

/* {"v": an estimate after @count repetitions, "repetitions": @count} */
static json_t *result_of(double mean, double stddev, uint64_t count)
{
	double ci95 = count > 1 ? stats_t95(count - 1) * stddev / sqrt((double)count) : 0;

	return json_pack("{s:{s:f, s:f, s:f, s:f}, s:I}", "v", "mean", mean, "ci95", ci95, "min", mean, "max", mean,
			 "repetitions", (json_int_t)count);
}

struct spread {
	double mean, stddev;
};

static enum claim_verdict judge_after(const struct claim *claim, const struct spread *s, const struct spread *other,
				      uint64_t count, uint64_t *more)
{
	json_t *scenario = result_of(s->mean, s->stddev, count);
	json_t *against = other ? result_of(other->mean, other->stddev, count) : NULL;
	struct options_error err;
	struct claim_value v;

	assert_int_equal(claim_evaluate(claim, scenario, against, &v, &err), 0);
	assert_int_equal(v.count, count);
	json_decref(scenario);
	json_decref(against);
	return claim_judge(claim, &v, more);
}

/* With as many repetitions of the same spread as are said to decide it is decided, and with one fewer it is not. */
static void test_repetitions_that_decide(void **state)
{
	static const struct {
		enum claim_relation relation;
		double low, high;
		struct spread s, other;
	} cases[] = {
		{ CLAIM_ALONE, 100, INFINITY, { 101, 5 }, { 0, 0 } },
		{ CLAIM_ALONE, 100, INFINITY, { 99.7, 5 }, { 0, 0 } },
		{ CLAIM_ALONE, -INFINITY, 100, { 99.7, 5 }, { 0, 0 } },
		{ CLAIM_ALONE, 90, 102, { 101, 5 }, { 0, 0 } },
		{ CLAIM_ALONE, 90, 110, { 89, 8 }, { 0, 0 } },
		{ CLAIM_ALONE, 100, 100, { 101, 5 }, { 0, 0 } },
		{ CLAIM_DIFFERENCE, 10, INFINITY, { 112, 5 }, { 100, 5 } },
		{ CLAIM_DIFFERENCE, 10, INFINITY, { 109, 5 }, { 100, 1 } },
		{ CLAIM_DROP_PCT, 10, INFINITY, { 88, 4 }, { 100, 3 } },
		{ CLAIM_DROP_PCT, -1, 1, { 99.5, 4 }, { 100, 0 } },
		{ CLAIM_RATIO, 0.9, 1.1, { 105, 9 }, { 100, 9 } },
		{ CLAIM_RATIO, -INFINITY, 2, { 205, 9 }, { 100, 9 } },
	};
	uint64_t count, more, rest;
	size_t i, undecided = 0;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		const struct spread *other = cases[i].relation == CLAIM_ALONE ? NULL : &cases[i].other;
		struct claim c = between(cases[i].low, cases[i].high);

		c.relation = cases[i].relation;
		for (count = 2; count < 30; count++) {
			if (judge_after(&c, &cases[i].s, other, count, &more) != CLAIM_UNDECIDED)
				break;
			undecided++;
			assert_true(more > count && more < 100000);
			if (judge_after(&c, &cases[i].s, other, more, &rest) == CLAIM_UNDECIDED)
				fail_msg("case %zu: %" PRIu64 " after %" PRIu64 " do not decide", i, more, count);
			if (judge_after(&c, &cases[i].s, other, more - 1, &rest) != CLAIM_UNDECIDED)
				fail_msg("case %zu: fewer than %" PRIu64 " after %" PRIu64 " decide", i, more,
					 count);
		}
	}
	assert_true(undecided > 100);
}

/* ---- values ---- */

static void test_evaluate(void **state)
{
	json_t *scenario = json_loads("{\"v\": {\"mean\": 75, \"ci95\": 3, \"min\": 70, \"max\": 80}, \"n\": 6,"
				      "\"zero\": 0, \"none\": null, \"attached\": true, \"repetitions\": 5}",
				      0, NULL);
	json_t *against = json_loads("{\"v\": {\"mean\": 100, \"ci95\": 2, \"min\": 90, \"max\": 110}, \"n\": 4,"
				     "\"zero\": 0, \"none\": 1, \"repetitions\": 3}",
				     0, NULL);
	struct claim c = between(0, 1);
	struct options_error err;
	struct claim_value v;

	(void)state;
	assert_int_equal(claim_evaluate(&c, scenario, NULL, &v, &err), 0);
	assert_true(v.value == 75 && v.ci95 == 3 && v.count == 5 && v.df == 4 && !v.exact);
	c.relation = CLAIM_DROP_PCT;
	assert_int_equal(claim_evaluate(&c, scenario, against, &v, &err), 0);
	assert_true(fabs(v.value - 25) < 1e-12 && v.ci95 > 3 && v.ci95 < 10 && !v.exact);
	assert_int_equal(v.count, 3); /* of the one with fewer */
	c.relation = CLAIM_RATIO;
	assert_int_equal(claim_evaluate(&c, scenario, against, &v, &err), 0);
	assert_true(fabs(v.value - 0.75) < 1e-12 && v.ci95 > 0.03 && v.ci95 < 0.1);
	c.relation = CLAIM_DIFFERENCE;
	assert_int_equal(claim_evaluate(&c, scenario, against, &v, &err), 0);
	assert_true(v.value == -25);
	/* a count, alone and beside another one */
	c.measure = (char *)"n";
	assert_int_equal(claim_evaluate(&c, scenario, against, &v, &err), 0);
	assert_true(v.value == 2 && v.ci95 == 0 && v.exact);
	c.attach = true;
	assert_int_equal(claim_evaluate(&c, scenario, NULL, &v, &err), 0);
	assert_true(v.value == 1 && v.exact);
	/* what there is not */
	c.attach = false;
	c.measure = (char *)"nothing";
	assert_int_equal(claim_evaluate(&c, scenario, NULL, &v, &err), -EINVAL);
	assert_string_equal(err.msg, "my.ini:4: measure = nothing: a result has no such value; it has v, n,"
				     " zero, repetitions");
	c.measure = (char *)"none";
	assert_int_equal(claim_evaluate(&c, scenario, NULL, &v, &err), -EINVAL);
	assert_string_equal(err.msg, "my.ini:4: measure = none: the scenario's result has no value for it");
	c.measure = (char *)"zero";
	assert_int_equal(claim_evaluate(&c, scenario, against, &v, &err), 0);
	c.relation = CLAIM_RATIO;
	assert_int_equal(claim_evaluate(&c, scenario, against, &v, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "my.ini:4: measure = zero: "));
	json_decref(scenario);
	json_decref(against);
}

/* ---- simulations, and a sweep in their place ---- */

static volatile sig_atomic_t interrupted;
static const struct cmd_context context = { .interrupted = &interrupted };

static void test_simulate_attach(void **state)
{
	json_t *result;
	struct file f;

	(void)state;
	read_good(&f,
		  "[claim x]\nsays = s\nscenario = policy=static cm=0,1\nmeasure = attach\nclaimed = refused\n"
		  "[claim y]\nsays = s\nscenario = policy=dynamic cm=0,1\nmeasure = attach\nclaimed = accepted\n");
	assert_int_equal(claims_simulate(&context, &f.claims.scenarios[0], &result), EXIT_OK);
	assert_true(json_is_false(json_object_get(result, "attached")));
	json_decref(result);
	assert_int_equal(claims_simulate(&context, &f.claims.scenarios[1], &result), EXIT_OK);
	assert_true(json_is_true(json_object_get(result, "attached")));
	json_decref(result);
	free_file(&f);
}

struct swept {
	struct sweep sweep;
	struct options base;
};

static int take_sweep(void *arg, const struct options_ini_pair *pair, struct options_error *err)
{
	struct swept *s = arg;

	return sweep_take_pair(&s->sweep, pair, err);
}

/* Simulates the points of a sweep but the last @missing ones into a directory, whose name it returns. */
static char *run_sweep(const char *text, uint64_t missing)
{
	char *path = strdup("/tmp/test_claims.XXXXXX");
	struct swept s = { .sweep.count = 0 };
	struct options_input in = { .take_pair = take_sweep, .take_arg = &s };
	struct options_error err;
	struct sweep_dir d;
	uint64_t i;

	assert_non_null(mkdtemp(path));
	assert_int_equal(options_init(&s.base), 0);
	s.base.scope = S_SWEEP | S_POINT;
	assert_int_equal(option_read_ini(&s.base, "sweep.ini", text, OPTIONS_FILE, &in, &err), 0);
	assert_int_equal(sweep_finish(&s.sweep, &s.base, &err), 0);
	assert_int_equal(
		sweep_dir_create(&d, path, sweep_dir_manifest(&context, &s.sweep, &s.base, NULL, 0, 1), &err), 0);
	for (i = 0; i < s.sweep.count - missing; i++) {
		json_t *result = NULL, *record;
		struct options o;

		if (!sweep_point(&s.sweep, &s.base, i, &o, &err))
			assert_int_equal(point_simulate(&context, s.sweep.command, &o, &result), EXIT_OK);
		record = sweep_record_json(&s.sweep, i, result, err.msg);
		assert_int_equal(sweep_dir_append(&d, i, record), 0);
		json_decref(record);
		options_free(&o);
	}
	assert_int_equal(sweep_dir_finish(&d, &err), 0);
	sweep_dir_close(&d);
	sweep_destroy(&s.sweep);
	options_free(&s.base);
	return path;
}

static void remove_sweep(char *path)
{
	static const char *const names[] = { "manifest.json", "points.jsonl", "points.csv" };
	char name[200];
	size_t i;

	for (i = 0; i < COUNT(names); i++) {
		snprintf(name, sizeof(name), "%s/%s", path, names[i]);
		unlink(name);
	}
	assert_int_equal(rmdir(path), 0);
	free(path);
}

#define LOCKBENCH(scenario)                                              \
	"[claim x]\nsays = s\ncommand = lockbench\nscenario = " scenario \
	"\nmeasure = acquisitions_per_s\nclaimed = 1\n"

static void test_from_sweep(void **state)
{
	static const struct {
		const char *claim;
		int index;	     /* of the point; -1: refused */
		const char *message; /* begins like this */
	} cases[] = {
		{ LOCKBENCH("cpus=2 hold=10ns lock=tas"), 0, NULL },
		{ LOCKBENCH("cpus=3 hold=20ns lock=mcs"), 3, NULL },
		/* how well something is measured may differ */
		{ LOCKBENCH("cpus=2 hold=10ns lock=mcs iterations=7 repetitions=9 seed=4"), 1, NULL },
		{ LOCKBENCH("cpus=2 hold=10ns lock=ticket"), -1, "the sweep has no point with lock = ticket" },
		{ LOCKBENCH("cpus=2 hold=20ns lock=tas"), -1,
		  "the sweep has no point with hold = 20ns beside what the scenario has of the options that "
		  "advance "
		  "together with it" },
		{ LOCKBENCH("cpus=4 hold=30ns lock=tas"), 4, NULL },
		{ LOCKBENCH("cpus=4 hold=30ns lock=mcs"), -1,
		  "the sweep has not got to its point 5 yet: cpus=4 hold=30ns lock=mcs" },
		{ LOCKBENCH("cpus=2 hold=10ns lock=tas think=501ns"), -1,
		  "the scenario has think = \"501ns\", and the points of the sweep have \"500ns\"" },
		{ "[claim x]\nsays = s\nscenario = jobs=2\nmeasure = iops\nclaimed = 1\n", -1,
		  "the sweep is of lockbench, not of run" },
	};
	char *path = run_sweep("[simbench]\niterations = 20\nrepetitions = 2\n[sweep]\ncommand = lockbench\n"
			       "cpus = 2,3,4\nhold = 10,20,30\nlock = tas,mcs\nzip = cpus + hold\n",
			       1);
	struct options_error err;
	struct sweep_dir d;
	size_t i;

	(void)state;
	assert_int_equal(sweep_dir_open(&d, path, &err), 0);
	for (i = 0; i < COUNT(cases); i++) {
		json_t *result, *record = NULL;
		struct file f;
		int ret;

		read_good(&f, cases[i].claim);
		ret = claims_from_sweep(&f.claims.scenarios[0], &d, &result, &err);
		if (cases[i].index < 0) {
			if (ret != -EINVAL || strncmp(err.msg, cases[i].message, strlen(cases[i].message)))
				fail_msg("%s: %d %s", cases[i].claim, ret, err.msg);
			assert_null(result);
		} else {
			assert_int_equal(ret, 0);
			assert_int_equal(sweep_dir_read(&d, (uint64_t)cases[i].index, &record), 0);
			assert_true(json_equal(result, json_object_get(record, "result")));
			json_decref(record);
			json_decref(result);
		}
		free_file(&f);
	}
	sweep_dir_close(&d);
	remove_sweep(path);
}

/* A point that a run would refuse has no result. */
static void test_from_sweep_invalid(void **state)
{
	char *path = run_sweep("[simbench]\nruntime = 100us\nwarmup = 0\nrepetitions = 1\njobs = 1\niodepth = 1\n"
			       "policy = static\n[sweep]\ncm = 1,[0,1]\ninvalid = skip\n",
			       0);
	struct options_error err;
	struct sweep_dir d;
	json_t *result;
	struct file f;

	(void)state;
	read_good(&f, "[claim x]\nsays = s\nscenario = policy=static cm=0,1 jobs=1 iodepth=1\nmeasure = attach\n"
		      "claimed = refused\n");
	assert_int_equal(sweep_dir_open(&d, path, &err), 0);
	assert_int_equal(claims_from_sweep(&f.claims.scenarios[0], &d, &result, &err), -EINVAL);
	assert_string_equal(err.msg, "the sweep left its point 1 out as invalid: cm=0x0,0x1");
	sweep_dir_close(&d);
	free_file(&f);
	remove_sweep(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_shared_scenarios),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_repetitions_that_decide),
		cmocka_unit_test(test_evaluate),
		cmocka_unit_test(test_simulate_attach),
		cmocka_unit_test(test_from_sweep),
		cmocka_unit_test(test_from_sweep_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
