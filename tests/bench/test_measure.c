/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_measure.c - values in JSON results, by path
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
#include <string.h>

#include "bench/measure.h"

static const char result_text[] =
	"{\"time_domain\": \"virtual\", \"throughput_mib_s\": {\"mean\": 5000.5, \"ci95\": 25.0, \"min\": 4900.0, "
	"\"max\": 5100.0}, \"latency_ns\": {\"mean\": 90000.5, \"p99\": 120000}, \"dma_faults\": null, "
	"\"interrupted\": true, \"cpus\": null, \"locks\": [{\"name\": \"sq_lock\", \"instance\": 0, \"wait_ns\": "
	"{\"mean\": 1.5}}, {\"name\": \"cache_lock\", \"instance\": 3, \"wait_ns\": {\"mean\": 7.5}, "
	"\"utilization\": 0.5}, {\"name\": \"cache_lock\", \"instance\": 1, \"wait_ns\": {\"mean\": 2.5}}], "
	"\"lines\": [{\"object\": \"domain+64\", \"stall_ns_per_io\": 3.0}], \"repetitions\": 4}";

static int setup(void **state)
{
	*state = json_loads(result_text, JSON_REJECT_DUPLICATES, NULL);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	json_decref(*state);
	return 0;
}

/* A value that is one number. */
static void check_number(const json_t *result, const char *path, double wanted)
{
	struct measure m;

	if (measure_get(result, path, &m))
		fail_msg("%s is not there", path);
	assert_true(m.estimate.mean == wanted);
	assert_true(m.estimate.min == wanted && m.estimate.max == wanted);
	assert_true(m.estimate.ci95 == 0);
	assert_int_equal(m.count, 1);
	assert_true(m.exact);
}

static void test_get(void **state)
{
	static const char *const nowhere[] = {
		"",
		"time_domain",
		"throughput",
		"throughput_mib_s.median",
		"throughput_mib_s.mean.x",
		"latency_ns",
		"latency_ns.p9",
		"locks",
		"locks.sq_lock",
		"locks.cache_lock.wait_ns",
		".",
		"..latency_ns",
		"repetitions.mean",
		"a_key_that_is_longer_than_any_key_may_be_a_key_that_is_longer_than_any_key_may_be_a_key_that_is_"
		"longer_"
		"than_any_key_may_be_a_key_that_is_longer",
	};
	const json_t *result = *state;
	struct measure m;
	size_t i;

	assert_int_equal(measure_get(result, "throughput_mib_s", &m), 0);
	assert_true(m.estimate.mean == 5000.5 && m.estimate.ci95 == 25 && m.estimate.min == 4900 &&
		    m.estimate.max == 5100);
	assert_int_equal(m.count, 4);
	assert_false(m.exact);
	check_number(result, "throughput_mib_s.max", 5100);
	check_number(result, "latency_ns.p99", 120000);
	check_number(result, "latency_ns.mean", 90000.5);
	check_number(result, "interrupted", 1);
	check_number(result, "locks.sq_lock.wait_ns.mean", 1.5);
	/* The first of a name. */
	check_number(result, "locks.cache_lock.wait_ns.mean", 7.5);
	check_number(result, "locks.cache_lock.instance", 3);
	check_number(result, "lines.domain+64.stall_ns_per_io", 3);
	/* Null, and what would be behind it. */
	assert_int_equal(measure_get(result, "dma_faults", &m), -ENODATA);
	assert_int_equal(measure_get(result, "cpus.busy_fraction", &m), -ENODATA);
	/* A list has what there was. */
	assert_int_equal(measure_get(result, "locks.sq.wait_ns.mean", &m), -ENODATA);
	assert_int_equal(measure_get(result, "lines.domain", &m), -ENODATA);
	for (i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
		if (measure_get(result, nowhere[i], &m) != -ENOENT)
			fail_msg("%s is there", nowhere[i]);
	assert_int_equal(measure_get(NULL, "iops", &m), -ENOENT);
}

/* Reports have an array where points have a number. */
static void test_repetitions(void **state)
{
	json_t *result = *state;
	struct measure m;

	json_object_set_new(result, "repetitions",
			    json_pack("[{s:b}, {s:b}, {s:b}]", "complete", 1, "complete", 0, "complete", 1));
	assert_int_equal(measure_get(result, "throughput_mib_s", &m), 0);
	assert_int_equal(m.count, 2);
	json_object_set_new(result, "repetitions", json_array());
	assert_int_equal(measure_get(result, "throughput_mib_s", &m), -ENODATA);
}

/* The interval is t * s / sqrt(n): with 4 repetitions t is 3.182. */
static void test_mean(void **state)
{
	struct stats_mean mean;
	struct measure m;

	assert_int_equal(measure_get(*state, "throughput_mib_s", &m), 0);
	mean = measure_mean(&m);
	assert_true(mean.mean == 5000.5);
	assert_int_equal(mean.count, 4);
	assert_true(fabs(mean.stddev - 25 * 2 / 3.182) < 0.01);
	m.count = 1;
	assert_true(measure_mean(&m).stddev == 0);
}

struct walk {
	unsigned int calls, stop;
	char paths[512];
};

static int note_path(void *arg, const char *path, const json_t *value)
{
	struct walk *w = arg;

	assert_non_null(value);
	snprintf(w->paths + strlen(w->paths), sizeof(w->paths) - strlen(w->paths), "%s ", path);
	return ++w->calls == w->stop ? -EIO : 0;
}

static void test_each(void **state)
{
	struct walk w = { 0 };

	assert_int_equal(measure_each(*state, note_path, &w), 0);
	assert_string_equal(w.paths,
			    "time_domain throughput_mib_s.mean throughput_mib_s.ci95 throughput_mib_s.min "
			    "throughput_mib_s.max latency_ns.mean latency_ns.p99 dma_faults interrupted cpus "
			    "locks.cache_lock.name locks.cache_lock.instance locks.cache_lock.wait_ns.mean "
			    "locks.cache_lock.utilization repetitions ");
	w = (struct walk){ .stop = 3 };
	assert_int_equal(measure_each(*state, note_path, &w), -EIO);
	assert_int_equal(w.calls, 3);
}

/* As deep as anybody likes: paths that are too long are left out. */
static void test_each_deep(void **state)
{
	json_t *deep = json_integer(1);
	struct walk w = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		deep = json_pack("{s:o, s:i}", "a", deep, "b", i);
	assert_int_equal(measure_each(deep, note_path, &w), 0);
	assert_in_range(w.calls, 60, 64);
	json_decref(deep);
}

static void test_paths(void **state)
{
	static const char wanted[] = "throughput_mib_s, latency_ns.mean, latency_ns.p99, "
				     "locks.cache_lock.instance, locks.cache_lock.wait_ns.mean, "
				     "locks.cache_lock.utilization, repetitions";
	char buf[512];
	size_t size;

	assert_string_equal(measure_paths(*state, buf, sizeof(buf)), wanted);
	/* Whole names only, and never more than there is room for. */
	for (size = 1; size < sizeof(wanted); size++) {
		memset(buf, 'x', sizeof(buf));
		measure_paths(*state, buf, size);
		assert_true(strlen(buf) < size);
		assert_int_equal(strncmp(buf, wanted, strlen(buf)), 0);
		assert_true(strchr(",", wanted[strlen(buf)]) || !*buf);
		assert_int_equal(buf[size], 'x');
	}
}

static void test_label(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(measure_label("throughput_mib_s", buf, sizeof(buf)), "throughput, MiB/s");
	assert_string_equal(measure_label("per_io.dma_map", buf, sizeof(buf)), "calls of dma_map per I/O");
	assert_string_equal(measure_label("lines.x.y", buf, sizeof(buf)), "lines.x.y");
	assert_string_equal(measure_label("lines.x.y", buf, 4), "lin");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_get),	      TEST(test_repetitions), TEST(test_mean),	TEST(test_each),
		TEST(test_each_deep), TEST(test_paths),	      TEST(test_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
