/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_crosscheck.c - which points there are, what their errors come to, and a small run on this machine
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/crosscheck.h"
#include "bench/report.h"
#include "bench/scenario.h"
#include "sim/topology.h"

static void test_points(void **state)
{
	static const uint32_t machines[] = { 1, 2, 3, 6, 64 };
	static const uint32_t steps[] = { 1, 2, 3, 4, 7 }; /* 1; 1 2; 1 2 3; 1 2 4 6; 1 2 4 8 16 32 64 */
	struct crosscheck_point *points;
	size_t count, i, k, m;

	(void)state;
	for (m = 0; m < 5; m++) {
		uint32_t most = 0, maps = 0, zero_think = 0, different = 0;

		assert_int_equal(crosscheck_points(machines[m], &points, &count), 0);
		for (i = 0; i < count; i++) {
			assert_in_range(points[i].cpus, 1, machines[m]);
			if (!i || points[i].cpus != points[i - 1].cpus)
				different++;
			if (points[i].cpus > most)
				most = points[i].cpus;
			maps += points[i].kind == CROSSCHECK_MAP;
			zero_think += !points[i].think_ps;
			for (k = 0; k < i; k++)
				assert_memory_not_equal(&points[i], &points[k], sizeof(points[i]));
		}
		assert_int_equal(most, machines[m]);
		assert_int_equal(different, steps[m]);
		assert_int_equal(maps, steps[m] * 5 * 3);
		assert_int_equal(count, steps[m] * (4 * 12 + 5 * 3));
		assert_int_equal(zero_think, steps[m] * (4 * 3 + 5));
		free(points);
	}
}

static void test_errors(void **state)
{
	struct crosscheck_point points[] = {
		{ .cpus = 1, .measured = 1000, .predicted = 9000, .repeated = 2 }, /* does not count */
		{ .cpus = 2, .measured = 1000, .predicted = 1100, .repeated = 1, .disturbed = true },
		{ .cpus = 2, .measured = 2000, .predicted = 1500 },
		{ .cpus = 4, .measured = 4000000000000ULL, .predicted = 4040000000000ULL },
	};
	struct crosscheck_summary s;

	(void)state;
	assert_int_equal(crosscheck_error_ppm(&points[0]), 8000000);
	assert_int_equal(crosscheck_error_ppm(&points[1]), 100000);
	assert_int_equal(crosscheck_error_ppm(&points[2]), -250000);
	assert_int_equal(crosscheck_error_ppm(&points[3]), 10000);
	assert_int_equal(crosscheck_summarize(points, 4, &s), 0);
	assert_int_equal(s.points, 3);
	assert_int_equal(s.median_ppm, 100000);
	assert_int_equal(s.worst_ppm, 250000);
	assert_int_equal(s.worst, 2);
	assert_int_equal(s.repeated, 3);
	assert_int_equal(s.disturbed, 1);
	assert_int_equal(crosscheck_summarize(points, 1, &s), 0);
	assert_int_equal(s.points, 0);
	assert_int_equal(s.median_ppm, 0);
}

/* Nothing is asserted of how far off the model is: other processes run here. */
static void test_run(void **state)
{
	struct crosscheck_point points[] = {
		{ .kind = CROSSCHECK_LOCK, .cpus = 1, .lock = LOCK_TICKET, .think_ps = 500000, .hold_ps = 100000 },
		{ .kind = CROSSCHECK_MAP, .cpus = 1, .policy = POLICY_ALWAYS, .think_ps = 1000000 },
	};
	struct options o;
	struct topology topology;
	struct crosscheck_params p = { .topology = &topology, .threads = 1 };
	char err[TOPOLOGY_ERR_SIZE];
	size_t i;

	(void)state;
	assert_int_equal(options_init(&o), 0);
	assert_int_equal(topology_load(&topology, "host", err, sizeof(err)), 0);
	p.sim = scenario_sim_params(&o, 1);
	assert_int_equal(crosscheck_run(&p, points, 2), 0);
	for (i = 0; i < 2; i++) {
		/* Per second, in thousandths: between a thousand and ten million. */
		assert_in_range(points[i].measured, 1000000, 10000000000);
		assert_in_range(points[i].predicted, 1000000, 10000000000);
		assert_true(points[i].measured_min <= points[i].measured);
		assert_true(points[i].measured_max >= points[i].measured);
		assert_true(points[i].repeated <= CROSSCHECK_ATTEMPTS);
	}
	/* A lone CPU's overhead is in the prediction: of a lock it cannot be far off, whoever else runs. */
	assert_in_range(points[0].predicted, points[0].measured / 2, points[0].measured * 20);
	topology_destroy(&topology);
	options_free(&o);
}

static void test_blind_spots(void **state)
{
	static const struct {
		const char *machine, *says;
	} cases[] = {
		{ "package:1 core:2 pu:1", "many readers" },
		{ "package:1 core:8 pu:1", "remote latency" },
		{ "package:2 core:2 pu:1", NULL },
	};
	struct topology t;
	char err[TOPOLOGY_ERR_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		const char *blind;

		assert_int_equal(topology_load(&t, cases[i].machine, err, sizeof(err)), 0);
		blind = report_blind_spots(&t);
		if (cases[i].says)
			assert_non_null(strstr(blind, cases[i].says));
		else
			assert_null(blind);
		topology_destroy(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_points),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_blind_spots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
