/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_scenarios.c - scenarios from files: what is understood, and that a mistake is named with its place
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/scenarios.h"

/* Lines "key = value" of one scenario; line n of it is "f.ini:n". */
static int parse(struct scenario_set *set, const char *const *lines, struct options_error *err)
{
	char text[256], where[32];
	uint32_t i;
	int ret;

	memset(set, 0, sizeof(*set));
	ret = scenarios_take_pair(set, &(struct options_ini_pair){ .section = "scenario x", .where = "f.ini:1" },
				  err);
	for (i = 0; !ret && lines[i]; i++) {
		char *equals;

		snprintf(text, sizeof(text), "%s", lines[i]);
		snprintf(where, sizeof(where), "f.ini:%u", i + 2);
		equals = strstr(text, " = ");
		*equals = '\0';
		ret = scenarios_take_pair(
			set,
			&(struct options_ini_pair){
				.section = "scenario x", .key = text, .value = equals + 3, .where = where },
			err);
	}
	return ret ? ret : scenarios_finish(set, err);
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_all_that_can_be_said(void **state)
{
	struct options_error err = { "" };
	struct scenario_set set;
	const struct scenario_config *c;

	(void)state;
	assert_int_equal(parse(&set,
			       LINES("says = y", "devices = 0,1", "with = cm=0,1 stage=first", "order = tags-first",
				     "setup = attach 0, map b", "cpu0 = unmap2m b, dma 1 c", "cpu1 = await cpu0:1",
				     "fail = cpu1", "expect = always M2, static refused", "steps = 1000000"),
			       &err),
			 0);
	c = set.scenarios;
	assert_int_equal(set.count, 1);
	assert_string_equal(c->name, "x");
	assert_int_equal(c->race.devices, 2);
	assert_int_equal(c->race.units, 2);
	assert_int_equal(c->race.programs, 2);
	assert_int_equal(c->race.setup_count, 2);
	assert_int_equal(c->race.op[0][1].kind, RACE_DMA);
	assert_int_equal(c->race.op[0][1].device, 1);
	assert_int_equal(c->race.op[0][1].page, 2);
	assert_int_equal(c->race.op[1][0].count, 1);
	assert_int_equal(c->race.domain.attach_order, ATTACH_TAGS_FIRST);
	assert_true(c->race.domain.first_stage);
	assert_int_equal(c->fail_program, 1);
	assert_int_equal(c->max_steps, 1000000);
	assert_int_equal(c->expect_count, 2);
	assert_int_equal(c->expect[0].verdict, 2);
	assert_int_equal(c->expect[1].verdict, EXPECT_REFUSED);
	scenarios_destroy(&set);
}

#define BASE "says = y", "devices = 0"
#define EXPECT "expect = always clean"
#define THIRTEEN "map a,map a,map a,map a,map a,map a,map a,map a,map a,map a,map a,map a,map a"

static const struct {
	const char *const *lines;
	const char *want;
} mistakes[] = {
	{ LINES("devices = 0", "cpu0 = map a", EXPECT), "f.ini:1: says = : is missing" },
	{ LINES("says = y", "cpu0 = map a", EXPECT), "f.ini:1: devices = : is missing" },
	{ LINES("says = y", "devices = 4", "cpu0 = map a", EXPECT),
	  "f.ini:3: devices = 4: up to 8 units, each 0 to 3" },
	{ LINES("says = y", "devices = 0,0,0,0,0,0,0,0,0", "cpu0 = map a", EXPECT), "up to 8 units, each 0 to 3" },
	{ LINES(BASE, EXPECT), "f.ini:1: cpu0 = : is missing" },
	{ LINES(BASE, "cpu1 = map a", EXPECT), "f.ini:4: cpu1 = map a: the programs before it" },
	{ LINES(BASE, "cpu0 = map a", "cpu2 = map a", EXPECT),
	  "f.ini:5: cpu2 = map a: the programs before it are missing" },
	{ LINES(BASE, "cpu0 = fly a", EXPECT), "f.ini:4: cpu0 = fly a: no such call: attach D" },
	{ LINES(BASE, "cpu0 = map a,,map b", "cpu1 = map", EXPECT),
	  "f.ini:5: cpu1 = map: maps and unmaps take a page, a letter" },
	{ LINES(BASE, "cpu0 = map z", EXPECT), "maps and unmaps take a page" },
	{ LINES(BASE, "cpu0 = attach 1", EXPECT), "attach and detach take a device's number" },
	{ LINES(BASE, "cpu0 = dma a 0", EXPECT), "dma and look take a device's number and a page's letter" },
	{ LINES(BASE, "cpu0 = await cpu7", EXPECT), "await takes cpuN or cpuN:K" },
	{ LINES(BASE, "cpu0 = await cpu0", EXPECT), "awaits a call that no other program has" },
	{ LINES(BASE, "cpu0 = map a", "cpu1 = await cpu0:2", EXPECT),
	  "f.ini:5: cpu1 = await cpu0:2: awaits a call" },
	{ LINES(BASE, "cpu0 = " THIRTEEN, EXPECT), "too many calls" },
	{ LINES(BASE, "with = bs=4k", "cpu0 = map a", EXPECT),
	  "f.ini:4: with = bs=4k: not KEY=VALUE of cap, ecap" },
	{ LINES("says = y", "devices = 0,1,2", "with = rwbf=1", "cpu0 = map a", EXPECT),
	  "f.ini:4: with = rwbf=1: more than 2 units with a write buffer" },
	{ LINES(BASE, "order = last", "cpu0 = map a", EXPECT), "f.ini:4: order = last: no such value" },
	{ LINES(BASE, "bug = moth", "cpu0 = map a", EXPECT), "f.ini:4: bug = moth: no such value" },
	{ LINES(BASE, "cpu0 = map a"), "f.ini:1: expect = : is missing: POLICY VERDICT" },
	{ LINES(BASE, "cpu0 = map a", "expect = pt clean"), "f.ini:5: expect = pt clean: not POLICY VERDICT" },
	{ LINES(BASE, "cpu0 = map a", "expect = always M7"), "clean, M1 to M6 or refused" },
	{ LINES(BASE, "cpu0 = map a", "fail = cpu1", EXPECT), "f.ini:5: fail = cpu1: not the cpuN of a program" },
	{ LINES(BASE, "cpu0 = map a", "steps = 0", EXPECT), "f.ini:5: steps = 0: not a number from 1 to 1000000" },
	{ LINES(BASE, "cpu0 = map a", "steps = 1000001", EXPECT), "not a number from 1 to 1000000" },
	{ LINES(BASE, "cpu0 = map a", "stpes = 1", EXPECT), "f.ini:5: stpes: unknown key" },
	{ LINES(BASE, "says = z", "cpu0 = map a", EXPECT), "f.ini:4: says: given before" },
};

static void test_mistakes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct options_error err = { "" };
		struct scenario_set set;

		if (parse(&set, mistakes[i].lines, &err) != -EINVAL || !strstr(err.msg, mistakes[i].want))
			fail_msg("\"%s\" where \"%s\" was to come", err.msg, mistakes[i].want);
		scenarios_destroy(&set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_can_be_said),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
