/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs benchmarks, each set in a process of its own, and reads what Google Benchmark says about them in its JSON
 * file.
 */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/gbench_shim.h"

#define THREADS 3

/* What a benchmark here counts of its runs; the threads of a run add to it with atomics. */
struct tally {
	unsigned int setups, teardowns;
	unsigned int inside;	  /* threads between setup and teardown */
	unsigned int wrong;	  /* what must not be seen has been */
	uint64_t iterations;	  /* of the last run, all threads */
	uint64_t bodies;	  /* passes of the last run's loops */
	unsigned int thread_mask; /* of the last run */
};

static void add(unsigned int *p, unsigned int n)
{
	__atomic_fetch_add(p, n, __ATOMIC_SEQ_CST);
}

static void add64(uint64_t *p, uint64_t n)
{
	__atomic_fetch_add(p, n, __ATOMIC_SEQ_CST);
}

/* ---- the benchmarks ---- */

/* In memory that the processes share. */
static struct tallies {
	struct tally shared, batch, failing;
} * tallies;

static int shared_setup(struct gbench_state *state, void **fixture)
{
	struct tally *t = (struct tally *)(uintptr_t)gbench_data(state);

	add(&t->setups, 1);
	t->wrong += t->inside != 0;
	t->iterations = 0;
	t->bodies = 0;
	t->thread_mask = 0;
	*fixture = t;
	return 0;
}

static void shared_run(struct gbench_state *state, void *fixture)
{
	struct tally *t = fixture;
	uint64_t bodies = 0;

	add(&t->inside, 1);
	add(&t->wrong, t->setups != t->teardowns + 1 || gbench_thread_count(state) != THREADS);
	while (gbench_keep_running(state))
		bodies++;
	/* Nobody is out before all are. */
	add(&t->wrong, t->inside != THREADS);
	add64(&t->bodies, bodies);
	add64(&t->iterations, gbench_iterations(state));
	__atomic_fetch_or(&t->thread_mask, 1U << gbench_thread_index(state), __ATOMIC_SEQ_CST);
	gbench_counter(state, "sum", 7, GBENCH_SUM);
	gbench_counter(state, "average", 7, GBENCH_AVERAGE);
	gbench_counter(state, "per_iteration", 2 * (double)gbench_iterations(state), GBENCH_PER_ITERATION);
	gbench_counter(state, "rate", 5 * (double)gbench_iterations(state), GBENCH_RATE);
	gbench_items_processed(state, 4 * gbench_iterations(state));
}

static void shared_teardown(void *fixture)
{
	struct tally *t = fixture;

	t->wrong += t->inside != THREADS;
	t->inside = 0;
	t->teardowns++;
}

/* 1000 ps each, however long it takes. */
static void batch_run(struct gbench_state *state, void *fixture)
{
	struct tally *t = (struct tally *)(uintptr_t)gbench_data(state);

	assert_null(fixture);
	t->bodies = 0;
	while (gbench_keep_running_batch(state, 64)) {
		t->bodies++;
		gbench_add_time(state, 64 * 1000);
	}
	t->iterations = gbench_iterations(state);
}

static void args_run(struct gbench_state *state, void *fixture)
{
	(void)fixture;
	while (gbench_keep_running(state))
		;
	gbench_counter(state, "first", (double)gbench_arg(state, 0), GBENCH_SUM);
	gbench_counter(state, "second", (double)gbench_arg(state, 1), GBENCH_SUM);
}

static void range_run(struct gbench_state *state, void *fixture)
{
	(void)fixture;
	while (gbench_keep_running(state))
		;
}

static int failing_setup(struct gbench_state *state, void **fixture)
{
	(void)state, (void)fixture;
	return -ENOSPC;
}

static void failing_run(struct gbench_state *state, void *fixture)
{
	(void)state, (void)fixture;
	add(&tallies->failing.wrong, 1);
}

static void failing_teardown(void *fixture)
{
	(void)fixture;
	add(&tallies->failing.wrong, 1);
}

static void skipped_run(struct gbench_state *state, void *fixture)
{
	(void)fixture;
	while (gbench_keep_running(state))
		gbench_skip_with_error(state, "%d of %s", 3, "them");
}

static void register_benchmarks(void)
{
	static const struct gbench_ops shared_ops = { shared_setup, shared_run, shared_teardown };
	static const struct gbench_ops batch_ops = { .run = batch_run };
	static const struct gbench_ops args_ops = { .run = args_run };
	static const struct gbench_ops range_ops = { .run = range_run };
	static const struct gbench_ops failing_ops = { failing_setup, failing_run, failing_teardown };
	static const struct gbench_ops skipped_ops = { .run = skipped_run };
	static const char *const names[] = { "a", "b" };
	char name[] = "shared";
	struct gbench *b;

	b = gbench_register(name, &shared_ops, &tallies->shared);
	memset(name, 'x', strlen(name)); /* copied */
	gbench_threads(b, THREADS);
	gbench_use_real_time(b);
	gbench_use_manual_time(gbench_register("batch", &batch_ops, &tallies->batch));
	b = gbench_register("args", &args_ops, NULL);
	gbench_arg_names(b, names, 2);
	gbench_args(b, (const int64_t[]){ 1, -2 }, 2);
	gbench_args(b, (const int64_t[]){ 3, 4 }, 2);
	gbench_range(gbench_register("range", &range_ops, NULL), 2, 70, 4);
	gbench_threads(gbench_register("failing", &failing_ops, NULL), THREADS);
	gbench_register("skipped", &skipped_ops, NULL);
	gbench_add_context("answer", "42");
}

/* ---- running them ---- */

static char out_file[] = "/tmp/test_gbench_shim.XXXXXX";

/* Returns the exit status. Google Benchmark is not to be run twice in a process. */
static int run_main(const char *flag)
{
	char *argv[] = { "test_gbench_shim",
			 (char *)(uintptr_t)flag,
			 "--benchmark_min_time=0.001",
			 "--benchmark_out_format=json",
			 NULL,
			 NULL };
	char out[64];
	int status;
	pid_t pid;

	snprintf(out, sizeof(out), "--benchmark_out=%s", out_file);
	argv[4] = out;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(gbench_main(5, argv));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The report of the benchmarks that @filter matches; @status is the expected exit status. */
static json_t *run(const char *filter, int status)
{
	char flag[64];
	json_error_t err;
	json_t *report;

	snprintf(flag, sizeof(flag), "--benchmark_filter=%s", filter);
	assert_int_equal(run_main(flag), status);
	report = json_load_file(out_file, 0, &err);
	if (!report)
		fail_msg("%s:%d: %s", out_file, err.line, err.text);
	return report;
}

static json_t *benchmark(const json_t *report, size_t index)
{
	return json_array_get(json_object_get(report, "benchmarks"), index);
}

static size_t benchmark_count(const json_t *report)
{
	return json_array_size(json_object_get(report, "benchmarks"));
}

static double number(const json_t *b, const char *key)
{
	const json_t *value = json_object_get(b, key);

	if (!json_is_number(value))
		fail_msg("no number %s", key);
	return json_number_value(value);
}

static void assert_name(const json_t *b, const char *name)
{
	assert_string_equal(json_string_value(json_object_get(b, "name")), name);
}

static void assert_near(double value, double want)
{
	if (value < want * 0.999 || value > want * 1.001)
		fail_msg("%g, not %g", value, want);
}

/* ---- the tests ---- */

static void test_threads_share_a_fixture(void **state)
{
	json_t *report = run("^shared", 0), *b = benchmark(report, 0);
	const struct tally *t = &tallies->shared;

	(void)state;
	assert_int_equal(benchmark_count(report), 1);
	assert_name(b, "shared/real_time/threads:3");
	assert_int_equal(t->wrong, 0);
	assert_true(t->setups > 0);
	assert_int_equal(t->setups, t->teardowns);
	assert_int_equal(t->thread_mask, (1U << THREADS) - 1);
	assert_int_equal(t->bodies, t->iterations);
	assert_int_equal(number(b, "iterations"), t->iterations);
	json_decref(report);
}

static void test_counters(void **state)
{
	json_t *report = run("^shared", 0), *b = benchmark(report, 0);

	(void)state;
	assert_near(number(b, "sum"), 7 * THREADS);
	assert_near(number(b, "average"), 7);
	assert_near(number(b, "per_iteration"), 2);
	/* Wall time per iteration of any thread, in ns. */
	assert_near(number(b, "rate"), 5e9 / number(b, "real_time"));
	assert_near(number(b, "items_per_second"), 4e9 / number(b, "real_time"));
	json_decref(report);
}

static void test_batches_and_manual_time(void **state)
{
	json_t *report = run("^batch", 0), *b = benchmark(report, 0);
	const struct tally *t = &tallies->batch;

	(void)state;
	assert_name(b, "batch/manual_time");
	assert_near(number(b, "real_time"), 1);
	assert_int_equal(t->iterations, t->bodies * 64);
	assert_int_equal(number(b, "iterations"), t->iterations);
	/* A millisecond of them, as was asked for. */
	assert_true(t->iterations >= 1000000);
	json_decref(report);
}

static void test_arguments(void **state)
{
	json_t *report = run("^args", 0);

	(void)state;
	assert_int_equal(benchmark_count(report), 2);
	assert_name(benchmark(report, 0), "args/a:1/b:-2");
	assert_int_equal(number(benchmark(report, 0), "first"), 1);
	assert_int_equal(number(benchmark(report, 0), "second"), -2);
	assert_name(benchmark(report, 1), "args/a:3/b:4");
	assert_int_equal(number(benchmark(report, 1), "second"), 4);
	json_decref(report);
}

static void test_range(void **state)
{
	static const char *const names[] = { "range/2", "range/4", "range/16", "range/64", "range/70" };
	json_t *report = run("^range", 0);
	size_t i;

	(void)state;
	assert_int_equal(benchmark_count(report), 5);
	for (i = 0; i < 5; i++)
		assert_name(benchmark(report, i), names[i]);
	json_decref(report);
}

static void assert_error(const json_t *b, const char *message)
{
	assert_true(json_is_true(json_object_get(b, "error_occurred")));
	assert_string_equal(json_string_value(json_object_get(b, "error_message")), message);
}

static void test_failed_setup(void **state)
{
	json_t *report = run("^failing", 1);

	(void)state;
	assert_error(benchmark(report, 0), "setup: No space left on device");
	assert_int_equal(tallies->failing.wrong, 0);
	json_decref(report);
}

static void test_skipped(void **state)
{
	json_t *report = run("^skipped", 1);

	(void)state;
	assert_error(benchmark(report, 0), "3 of them");
	json_decref(report);
	/* Only what runs decides. */
	json_decref(run("^range/2", 0));
}

static void test_context(void **state)
{
	json_t *report = run("^range/2", 0);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(json_object_get(report, "context"), "answer")), "42");
	json_decref(report);
}

static void test_exit_status(void **state)
{
	(void)state;
	assert_int_equal(run_main("--benchmark_filter=^nothing$"), 2);
	assert_int_equal(run_main("--no_such_flag"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_share_a_fixture),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_batches_and_manual_time),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_failed_setup),
		cmocka_unit_test(test_skipped),
		cmocka_unit_test(test_context),
		cmocka_unit_test(test_exit_status),
	};
	int fd = mkstemp(out_file), failed;

	if (fd < 0)
		return 1;
	close(fd);
	tallies = mmap(NULL, sizeof(*tallies), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tallies == MAP_FAILED)
		return 1;
	register_benchmarks();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(out_file);
	return failed;
}
