/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_pingpong.c - the coherence model gives back the latencies that it was given
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>

#include "bench/cmd.h"
#include "bench/pingpong.h"
#include "tests/sim_test.h"

/* CPU 0's neighbours: 1 in the core, 2 in the L3, 8 in the package, 16 in the other one. */
#define MACHINE "package:2 l3:2 core:4 pu:2"

static const struct {
	uint32_t cpu;
	enum coh_class class;
} neighbours[] = { { 1, COH_SMT }, { 2, COH_L3 }, { 8, COH_PACKAGE }, { 16, COH_REMOTE } };

#define NEIGHBOURS (sizeof(neighbours) / sizeof(neighbours[0]))

static struct topology topology;

static int setup(void **state)
{
	char err[TOPOLOGY_ERR_SIZE];

	(void)state;
	return topology_load(&topology, MACHINE, err, sizeof(err));
}

static int teardown(void **state)
{
	(void)state;
	topology_destroy(&topology);
	return 0;
}

/* As in sim_test_params(), with a distance of its own for every class. */
static struct sim_params test_params(void)
{
	struct sim_params params = sim_test_params();

	params.coh.latency_ps[COH_PACKAGE] = 107000;
	params.coh.latency_ps[COH_REMOTE] = 197000;
	return params;
}

static double handover_ps(const struct sim_params *sim, uint32_t a, uint32_t b)
{
	struct pingpong_params params = { .iterations = 500 };
	const uint32_t pair[2] = { a, b };
	struct pingpong_result r;

	assert_int_equal(pingpong_run(&topology, pair, sim, &params, &r), 0);
	assert_int_equal(r.handovers, 1000);
	assert_true(r.min_ps * r.handovers <= r.elapsed_ps && r.elapsed_ps <= r.max_ps * r.handovers);
	assert_int_equal(r.transfers, r.handovers);
	return (double)r.elapsed_ps / (double)r.handovers;
}

static void assert_within_2_percent(double measured, uint64_t configured)
{
	assert_true(measured >= (double)configured * 0.98);
	assert_true(measured <= (double)configured * 1.02);
}

/* The configured one-way latency, at every distance and whatever the occupancies and the atomic cost. */
static void test_latency(void **state)
{
	static const uint32_t occupancies[] = { 0, 30, 50, 100 };
	size_t i, k;

	(void)state;
	for (i = 0; i < NEIGHBOURS; i++) {
		for (k = 0; k < sizeof(occupancies) / sizeof(occupancies[0]); k++) {
			struct sim_params sim = test_params();
			uint64_t configured = sim.coh.latency_ps[neighbours[i].class];

			sim.coh.atomic_ps = 0;
			sim.coh.write_occupancy_pct = sim.coh.dirty_read_occupancy_pct = occupancies[k];
			assert_within_2_percent(handover_ps(&sim, 0, neighbours[i].cpu), configured);
			assert_within_2_percent(handover_ps(&sim, neighbours[i].cpu, 0), configured);
		}
	}
}

/* The atomic may lengthen a hand-over, by its own cost at the most. */
static void test_atomic(void **state)
{
	struct sim_params sim = test_params();
	size_t i;

	(void)state;
	for (i = 0; i < NEIGHBOURS; i++) {
		double configured = (double)sim.coh.latency_ps[neighbours[i].class];
		double measured = handover_ps(&sim, 0, neighbours[i].cpu);

		assert_true(measured >= configured * 0.98);
		assert_true(measured <= (configured + (double)sim.coh.atomic_ps) * 1.02);
	}
}

static struct pingpong_readers_result run_readers(const struct sim_params *sim, const uint32_t *cpus,
						  uint32_t count)
{
	struct pingpong_params params = { .iterations = 50 };
	struct pingpong_readers_result r;

	assert_int_equal(pingpong_readers_run(&topology, cpus, count, sim, &params, &r), 0);
	assert_int_equal(r.writes, 50);
	return r;
}

/* Readers that are all as far from the writer as from each other. */
static void test_readers(void **state)
{
	static const uint32_t cpus[] = { 2, 0, 6, 4 }; /* one L3, a core each; the writer is not the first */
	static const uint32_t dirty_pct[] = { 30, 100 };
	size_t i;
	uint32_t n;

	(void)state;
	for (i = 0; i < sizeof(dirty_pct) / sizeof(dirty_pct[0]); i++) {
		for (n = 1; n <= 3; n++) {
			struct sim_params sim = test_params();
			uint64_t latency = sim.coh.latency_ps[COH_L3], first = latency + sim.coh.l1_hit_ps;
			uint64_t occupied = latency * dirty_pct[i] / 100, last = first, sum = first, k;
			struct pingpong_readers_result r;

			sim.coh.dirty_read_occupancy_pct = dirty_pct[i];
			r = run_readers(&sim, cpus, n + 1);
			for (k = 2; k <= n; k++) {
				last = occupied + (k - 2) * sim.coh.read_occupancy_ps + first;
				sum += last;
			}
			assert_int_equal(r.first_total_ps, 50 * first);
			assert_int_equal(r.last_total_ps, 50 * last);
			assert_int_equal(r.last_max_ps, last);
			assert_int_equal(r.read_total_ps, 50 * sum);
			assert_int_equal(r.visible_total_ps, 50 * latency);
		}
	}
}

/* One more reader costs one more read occupancy: on a machine with sharer sets, too. */
static void test_many_readers(void **state)
{
	struct sim_params sim = test_params();
	uint64_t last_ps[2];
	uint32_t cpus[128], i, k;
	char err[TOPOLOGY_ERR_SIZE];
	struct topology wide;

	(void)state;
	assert_int_equal(topology_load(&wide, "package:1 l3:1 core:128 pu:1", err, sizeof(err)), 0);
	for (i = 0; i < 128; i++)
		cpus[i] = 127 - i;
	for (k = 0; k < 2; k++) {
		struct pingpong_params params = { .iterations = 5 };
		struct pingpong_readers_result r;

		assert_int_equal(pingpong_readers_run(&wide, cpus, k ? 128 : 64, &sim, &params, &r), 0);
		last_ps[k] = r.last_max_ps;
	}
	assert_int_equal(last_ps[1] - last_ps[0], 64 * sim.coh.read_occupancy_ps);
	topology_destroy(&wide);
}

/* A mixture of distances stays between the nearest and the farthest. */
static void test_mixed_readers(void **state)
{
	static const uint32_t cpus[] = { 0, 16, 1, 8, 2, 18 }, sorted[] = { 0, 1, 2, 8, 16, 18 };
	struct sim_params sim = test_params();
	struct pingpong_readers_result r = run_readers(&sim, cpus, 6), same = run_readers(&sim, sorted, 6);
	uint64_t far = sim.coh.latency_ps[COH_REMOTE];

	(void)state;
	assert_true(r.first_total_ps >= 50 * sim.coh.latency_ps[COH_SMT]);
	assert_true(r.last_max_ps <= far + 3 * sim.coh.read_occupancy_ps + far + sim.coh.l1_hit_ps);
	assert_int_equal(r.visible_total_ps, 50 * far); /* the farthest copy has to go */
	assert_memory_equal(&r, &same, sizeof(r));
}

static void test_interrupted(void **state)
{
	volatile sig_atomic_t interrupted = SIGINT;
	struct pingpong_params params = { .iterations = 500, .interrupted = &interrupted };
	static const uint32_t cpus[] = { 0, 2, 4 };
	struct sim_params sim = test_params();
	struct pingpong_readers_result readers;
	struct pingpong_result r;

	(void)state;
	assert_int_equal(pingpong_run(&topology, cpus, &sim, &params, &r), -EINTR);
	assert_int_equal(pingpong_readers_run(&topology, cpus, 3, &sim, &params, &readers), -EINTR);
}

#define MAX_ARGS 16

/* Runs the command with the report in a file; the exit code. @report receives the file's JSON, or NULL. */
static int run_command(sig_atomic_t signal_number, json_t **report, const char *machine, ...)
{
	volatile sig_atomic_t interrupted = signal_number;
	char path[] = "/tmp/test_pingpong.XXXXXX", output[sizeof(path) + 16], *args[MAX_ARGS + 1];
	struct cmd_context ctx = { 0, args, &interrupted };
	int fd = mkstemp(path), count = 0, code;
	const char *arg;
	va_list list;

	assert_true(fd >= 0);
	close(fd);
	snprintf(output, sizeof(output), "--output=%s", path);
	args[count++] = (char *)"pingpong";
	args[count++] = output;
	args[count++] = (char *)"--output-format=json";
	args[count++] = (char *)"--iterations=100";
	args[count++] = (char *)machine;
	va_start(list, machine);
	while ((arg = va_arg(list, const char *))) {
		assert_true(count < MAX_ARGS);
		args[count++] = (char *)arg;
	}
	va_end(list);
	args[count] = NULL;
	ctx.argc = count;
	code = cmd_pingpong(&ctx, count, args);
	*report = json_load_file(path, 0, NULL);
	unlink(path);
	return code;
}

static double number_at(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	assert_true(json_is_number(value));
	return json_number_value(value);
}

static void test_command(void **state)
{
	static const char *const pairs[] = { "--pair=0,1", "--pair=2,0", "--pair=0,8", "--pair=31,0" };
	static const char *const relations[] = { "SMT siblings", "same L3", "same package, other L3",
						 "other package" };
	static const double configured[] = { 7, 51, 90, 108 };
	json_t *report, *result;
	size_t i;

	(void)state;
	for (i = 0; i < NEIGHBOURS; i++) {
		assert_int_equal(run_command(0, &report, "--machine=" MACHINE, pairs[i], "--smt-ns=7",
					     "--local-ns=51", "--cross-l3-ns=90", "--remote-ns=108", NULL),
				 EXIT_OK);
		assert_int_equal(json_array_size(json_object_get(report, "results")), 1);
		result = json_array_get(json_object_get(report, "results"), 0);
		assert_string_equal(json_string_value(json_object_get(result, "relation")), relations[i]);
		assert_true(number_at(result, "configured_ns") == configured[i]);
		assert_true(number_at(result, "line_transfer_ns") >= 0.98 * configured[i]);
		assert_true(number_at(result, "line_transfer_ns") <= 1.02 * configured[i]);
		assert_true(number_at(result, "handover_ns") >= 0.98 * configured[i]);
		json_decref(report);
	}
}

static void test_command_readers(void **state)
{
	json_t *report, *result, *expected;
	double last;

	(void)state;
	assert_int_equal(run_command(0, &report, "--machine=" MACHINE, "--pair=3,9", "--readers=31", NULL),
			 EXIT_OK);
	result = json_array_get(json_object_get(report, "results"), 0);
	expected = json_object_get(result, "last_reader_expected_ns");
	last = number_at(result, "last_reader_ns");
	assert_true(number_at(result, "readers") == 31);
	assert_true(number_at(expected, "min") <= last && last <= number_at(expected, "max"));
	assert_true(number_at(result, "first_reader_ns") <= number_at(result, "mean_reader_ns"));
	assert_true(number_at(result, "mean_reader_ns") <= last);
	json_decref(report);

	/* One distance only: what is expected is one number, and that is what comes. */
	assert_int_equal(run_command(0, &report, "--machine=package:1 l3:1 core:16 pu:1", "--readers=15", NULL),
			 EXIT_OK);
	result = json_array_get(json_object_get(report, "results"), 0);
	expected = json_object_get(result, "last_reader_expected_ns");
	assert_true(number_at(expected, "min") == number_at(expected, "max"));
	assert_true(number_at(expected, "min") == number_at(result, "last_reader_ns"));
	json_decref(report);
}

static void test_command_exit_codes(void **state)
{
	static const char *const bad[] = { "--pair=0",	  "--pair=0,",	  "--pair=a,1",
					   "--pair=1,1",  "--pair=0,1,2", "--pair=0,32",
					   "--pair=-1,1", "--readers=32", "--pair=0 1",
					   "--pair=0,1 ", "--pair=",	  "--pair=99999999999999999999,1" };
	json_t *report;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(run_command(0, &report, "--machine=" MACHINE, bad[i], NULL), EXIT_USAGE);
		assert_null(report);
	}
	assert_int_equal(run_command(SIGINT, &report, "--machine=" MACHINE, "--pair=0,1", NULL),
			 EXIT_SIGNAL + SIGINT);
	assert_null(report);
	assert_int_equal(run_command(SIGTERM, &report, "--machine=" MACHINE, "--readers=3", NULL),
			 EXIT_SIGNAL + SIGTERM);
	assert_null(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_latency),
		cmocka_unit_test(test_atomic),
		cmocka_unit_test(test_readers),
		cmocka_unit_test(test_many_readers),
		cmocka_unit_test(test_mixed_readers),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_command_readers),
		cmocka_unit_test(test_command_exit_codes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
