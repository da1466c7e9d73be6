/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_uncertain.c - the Latin hypercube, which parameters are drawn, and which one decides
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/options_table.h"
#include "bench/uncertain.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- the hypercube ---- */

__extension__ typedef unsigned __int128 u128;

/* In each of @draws equal parts of low..high there is one value. A part narrower than 1 may share its number. */
static void check_parts(uint64_t low, uint64_t high, uint32_t draws, const uint64_t *values)
{
	u128 span = (u128)high - low + 1, from, to;
	unsigned char *taken = calloc(draws, 1);
	uint32_t i, part;

	assert_non_null(taken);
	for (i = 0; i < draws; i++) {
		if (values[i] < low || values[i] > high)
			fail_msg("%llu is not in the range", (unsigned long long)values[i]);
		for (part = 0; part < draws; part++) {
			from = span * part / draws;
			to = span * (part + 1) / draws;
			if (to == from)
				to++;
			if (!taken[part] && values[i] - low >= from && values[i] - low < to)
				break;
		}
		if (part == draws)
			fail_msg("draw %u is in a part that has one", i);
		taken[part] = 1;
	}
	free(taken);
}

static void test_latin(void **state)
{
	static const struct {
		uint64_t low, high;
		uint32_t draws;
	} cases[] = {
		{ 0, 99, 100 },	  { 50, 100, 8 },	{ 51000, 90000, 200 },	  { 1000, 1000, 5 },
		{ 0, 1, 200 },	  { 0, 1, 7 },		{ 3, 5, 1000 },		  { 0, UINT64_MAX, 1 },
		{ 0, 999999, 1 }, { 0, UINT64_MAX, 2 }, { 0, UINT64_MAX, 999 },	  { UINT64_MAX - 9, UINT64_MAX, 4 },
		{ 7, 7, 1 },	  { 1, UINT64_MAX, 1 }, { 0, UINT64_MAX - 1, 3 }, { 30, 100, 71 },
	};
	uint64_t values[1000];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		assert_int_equal(uncertain_draw(i, cases[i].low, cases[i].high, 3, cases[i].draws, values), 0);
		check_parts(cases[i].low, cases[i].high, cases[i].draws, values);
	}
}

/* Of a range smaller than the number of draws each value comes equally often, and both ends do. */
static void test_small_ranges(void **state)
{
	uint64_t values[200];
	uint32_t count[5], i, high;

	(void)state;
	for (high = 1; high < 5; high++) {
		memset(count, 0, sizeof(count));
		assert_int_equal(uncertain_draw(1, 0, high, 0, 200, values), 0);
		for (i = 0; i < 200; i++)
			count[values[i]]++;
		for (i = 0; i <= high; i++)
			assert_in_range(count[i], 200 / (high + 1), 200 / (high + 1) + 1);
	}
}

/* Anywhere in its part of @width numbers, ends included, and not by the order of the draws. */
static void check_spread(uint64_t width)
{
	bool first[10] = { false }, last[10] = { false };
	uint32_t where_lowest[10] = { 0 }, i;
	uint64_t values[10], seed;

	for (seed = 0; seed < 2000; seed++) {
		assert_int_equal(uncertain_draw(seed, 100, 99 + 10 * width, 0, 10, values), 0);
		for (i = 0; i < 10; i++) {
			uint64_t part = (values[i] - 100) / width;

			first[part] |= (values[i] - 100) % width == 0;
			last[part] |= (values[i] - 100) % width == width - 1;
			where_lowest[i] += part == 0;
		}
	}
	for (i = 0; i < 10; i++) {
		assert_true(first[i] && last[i]);
		assert_in_range(where_lowest[i], 150, 250);
	}
}

static void test_spread(void **state)
{
	(void)state;
	check_spread(1);
	check_spread(2);
	check_spread(5);
}

static void test_streams(void **state)
{
	uint64_t a[100], b[100];
	uint32_t i, equal = 0;

	(void)state;
	assert_int_equal(uncertain_draw(5, 0, 1000000, 2, 100, a), 0);
	assert_int_equal(uncertain_draw(5, 0, 1000000, 2, 100, b), 0);
	assert_memory_equal(a, b, sizeof(a));
	/* of another parameter, and of another seed */
	assert_int_equal(uncertain_draw(5, 0, 1000000, 3, 100, b), 0);
	for (i = 0; i < 100; i++)
		equal += a[i] / 10000 == b[i] / 10000;
	assert_true(equal < 10);
	assert_int_equal(uncertain_draw(6, 0, 1000000, 2, 100, b), 0);
	assert_memory_not_equal(a, b, sizeof(a));
}

/* ---- the ranges of options.def ---- */

static uint64_t bound(unsigned int id, const char *text)
{
	struct option_setting s = { .key = option_row(id)->name, .value = text };
	struct options_error err = { "" };
	union option_value v = { 0 };

	if (option_parse_value(id, &s, &v, &err))
		fail_msg("%s: %s", option_row(id)->name, err.msg);
	return option_row(id)->kind == OPTION_KIND_BOOL ? v.boolean : v.number;
}

static void test_plausible(void **state)
{
	unsigned int id, count = 0;

	(void)state;
	for (id = 0; id < OPTION_COUNT; id++) {
		const struct option_plausible *p = option_plausible(id);
		const struct option_row *row = option_row(id);
		uint64_t low, high, fallback;

		if (!p)
			continue;
		count++;
		assert_true(row->kind == OPTION_KIND_U64 || row->kind == OPTION_KIND_PCT ||
			    row->kind == OPTION_KIND_SIZE || row->kind == OPTION_KIND_TIME ||
			    row->kind == OPTION_KIND_BOOL);
		low = bound(id, p->lo);
		high = bound(id, p->hi);
		fallback = bound(id, row->fallback);
		if (low >= high)
			fail_msg("%s: %s is not below %s", row->name, p->lo, p->hi);
		if (fallback < low || fallback > high)
			fail_msg("%s: the default %s is not plausible", row->name, row->fallback);
		/* Only what is nobody's word is drawn. */
		if (!strstr(row->source, "assumed") && !strstr(row->source, "fitted"))
			fail_msg("%s: has a plausible range, and its source is \"%s\"", row->name, row->source);
		assert_true(row->scope & S_POINT);
	}
	assert_true(count > 20);
}

/* ---- claims of a few tiny simulations ---- */

struct file {
	struct options options;
	struct claims claims;
	struct uncertain u;
};

static volatile sig_atomic_t interrupted;
static const struct cmd_context context = { .interrupted = &interrupted };

static int take_pair(void *arg, const struct options_ini_pair *pair, struct options_error *err)
{
	struct file *f = arg;

	return claims_take_pair(&f->claims, pair, err);
}

/* @flags: "KEY=VALUE" on the command line, up to a NULL. */
static void run_file(struct file *f, const char *text, const char *const *flags)
{
	struct options_input in = { .take_pair = take_pair, .take_arg = f };
	struct options_error err = { "" };
	int ret;

	memset(f, 0, sizeof(*f));
	assert_int_equal(options_init(&f->options), 0);
	f->options.scope = S_VALID | S_POINT;
	ret = option_read_ini(&f->options, "machine", "[simbench]\nlocal_ns = 60\n", OPTIONS_BUILTIN, NULL, &err);
	for (; !ret && *flags; flags++) {
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)strcspn(*flags, "="), *flags);
		ret = options_set(&f->options, key, strchr(*flags, '=') + 1, "--flag", &err);
	}
	if (!ret)
		ret = option_read_ini(&f->options, "my.ini", text, OPTIONS_FILE, &in, &err);
	if (!ret)
		ret = claims_finish(&f->claims, &f->options, &err);
	if (ret)
		fail_msg("%s", err.msg);
	assert_int_equal(uncertain_run(&context, &f->options, &f->claims, &f->u), EXIT_OK);
}

static void free_file(struct file *f)
{
	uncertain_destroy(&f->u);
	claims_destroy(&f->claims);
	options_free(&f->options);
}

static uint32_t parameter_of(const struct uncertain *u, unsigned int id)
{
	uint32_t p;

	for (p = 0; p < u->parameter_count && u->parameter[p] != id; p++)
		;
	return p;
}

#define LOCKBENCH(name, scenario, measure, claimed)                                                  \
	"[claim " name "]\nsays = s\ncommand = lockbench\nscenario = cpus=4 iterations=60 " scenario \
	"\nmeasure = " measure "\nclaimed = " claimed "\n"

static const char *const few_draws[] = { "draws=40", "progress=never", NULL };

/* Drawn is what nobody has said: not what a flag, a file or the scenario itself says. */
static void test_what_is_drawn(void **state)
{
	static const char *const flags[] = { "draws=12", "progress=never", "remote_ns=150", NULL };
	const struct uncertain *u;
	struct file f;

	(void)state;
	run_file(&f, "[simbench]\natomic_ns = 7\n" LOCKBENCH("a", "hold=1ns", "acquisitions_per_s", ">= 1"), flags);
	u = &f.u;
	assert_int_equal(u->draws, 12);
	/* the built-in machine's value is nobody's word */
	assert_true(parameter_of(u, OPTION_local_ns) < u->parameter_count);
	assert_true(parameter_of(u, OPTION_l1_hit_ns) < u->parameter_count);
	assert_int_equal(parameter_of(u, OPTION_remote_ns), u->parameter_count);
	assert_int_equal(parameter_of(u, OPTION_atomic_ns), u->parameter_count);
	/* nor does lockbench have what only run looks at */
	assert_int_equal(parameter_of(u, OPTION_submit_ns), u->parameter_count);
	free_file(&f);
}

/* A scenario keeps what it sets itself: with all that matters set there is the same value in every draw. */
static void test_scenario_keeps(void **state)
{
	struct file f;
	uint32_t i;

	(void)state;
	run_file(&f,
		 LOCKBENCH("fixed",
			   "local_ns=70 remote_ns=150 l1_hit_ns=1 atomic_ns=5 write_occupancy_pct=90 "
			   "dirty_read_occupancy_pct=50 read_occupancy_ns=3 dirty_read_migrates=no request_pct=10",
			   "acquisitions_per_s", ">= 1")
			 LOCKBENCH("free", "hold=60ns", "acquisitions_per_s", ">= 1"),
		 few_draws);
	for (i = 1; i < 40; i++) {
		assert_true(f.u.claims[0].value[i] == f.u.claims[0].value[0]);
		assert_true(f.u.claims[1].value[i] != f.u.claims[1].value[0]);
	}
	assert_int_equal(f.u.claims[0].holds, 40);
	free_file(&f);
}

/* One CPU alone has no line to wait for: its time is what its own accesses cost, most of it the atomics'. */
static void test_decisive(void **state)
{
	const struct uncertain_claim *c;
	struct file f;
	uint32_t p, i;
	double sum = 0;
	uint64_t holds = 0;

	(void)state;
	run_file(&f,
		 "[claim alone]\nsays = s\ncommand = lockbench\nscenario = cpus=1 think=0 hold=0 iterations=50\n"
		 "measure = acquisitions_per_s\nclaimed = >= 1.3e8\n",
		 few_draws);
	c = &f.u.claims[0];
	p = parameter_of(&f.u, OPTION_atomic_ns);
	assert_int_equal(c->decisive, p);
	assert_true(c->effects[p].rho < -0.9);
	assert_true(c->effects[p].low > c->effects[p].high * 1.2);
	assert_true(fabs(c->effects[parameter_of(&f.u, OPTION_remote_ns)].rho) < 0.5);
	for (i = 0; i < 40; i++) {
		sum += c->value[i];
		holds += c->value[i] >= 1.3e8;
	}
	assert_true(fabs(c->mean - sum / 40) < 1e-6 * c->mean);
	assert_int_equal(c->holds, holds);
	assert_true(holds > 0 && holds < 40);
	free_file(&f);
}

/* The draws do not depend on the threads, nor on which other options are drawn. */
static void test_reproducible(void **state)
{
	static const char *const one[] = { "draws=16", "progress=never", "threads=1", NULL };
	static const char *const three[] = { "draws=16", "progress=never", "threads=3", NULL };
	static const char *const fixed[] = { "draws=16", "progress=never", "local_ns=60", NULL };
	static const char text[] = LOCKBENCH("a", "hold=9ns", "acquisitions_per_s", ">= 1");
	struct file a, b, c;
	size_t size;

	(void)state;
	run_file(&a, text, one);
	run_file(&b, text, three);
	run_file(&c, text, fixed);
	size = 16 * sizeof(uint64_t);
	assert_int_equal(a.u.parameter_count, b.u.parameter_count);
	assert_memory_equal(a.u.drawn, b.u.drawn, a.u.parameter_count * size);
	assert_memory_equal(a.u.claims[0].value, b.u.claims[0].value, 16 * sizeof(double));
	assert_int_equal(c.u.parameter_count, a.u.parameter_count - 1);
	assert_memory_equal(&a.u.drawn[16 * parameter_of(&a.u, OPTION_atomic_ns)],
			    &c.u.drawn[16 * parameter_of(&c.u, OPTION_atomic_ns)], size);
	free_file(&a);
	free_file(&b);
	free_file(&c);
}

/* Claims of pairs of scenarios see the same draw on both sides: against itself each is 1. */
static void test_pairs(void **state)
{
	struct file f;
	uint32_t i;

	(void)state;
	run_file(&f,
		 LOCKBENCH("a", "lock=mcs", "acquisitions_per_s",
			   "1") "against = cpus=4 iterations=60 lock=mcs seed=1\nas = ratio\n",
		 few_draws);
	for (i = 0; i < 40; i++)
		assert_true(f.u.claims[0].value[i] == 1);
	assert_int_equal(f.u.claims[0].holds, 40);
	free_file(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_latin),	       cmocka_unit_test(test_small_ranges),
		cmocka_unit_test(test_spread),	       cmocka_unit_test(test_streams),
		cmocka_unit_test(test_plausible),      cmocka_unit_test(test_what_is_drawn),
		cmocka_unit_test(test_scenario_keeps), cmocka_unit_test(test_decisive),
		cmocka_unit_test(test_reproducible),   cmocka_unit_test(test_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
