/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_lockbench.c - the lock benchmark and its command
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
#include "bench/lockbench.h"
#include "tests/sim_test.h"

/* What is wrong with the lock, if anything. One test sets it; commands then run in one thread. */
static enum { LOCK_WORKS, LOCK_ADMITS_ALL, LOCK_STAYS_TAKEN } lock_fault;

unsigned long __real_spin_lock_irqsave(spinlock_t *lock);
void __real_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags);
unsigned long __wrap_spin_lock_irqsave(spinlock_t *lock);
void __wrap_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags);

unsigned long __wrap_spin_lock_irqsave(spinlock_t *lock)
{
	return lock_fault == LOCK_ADMITS_ALL ? 0 : __real_spin_lock_irqsave(lock);
}

void __wrap_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
	if (lock_fault == LOCK_WORKS)
		__real_spin_unlock_irqrestore(lock, flags);
}

static const enum lock_kind all_locks[] = { LOCK_QSPINLOCK, LOCK_TICKET, LOCK_TAS, LOCK_MCS };

#define LOCKS (sizeof(all_locks) / sizeof(all_locks[0]))

static struct lockbench_params bench_params(void)
{
	return (struct lockbench_params){
		.hold_ps = 60000,
		.think_ps = 500000,
		.think_dist = THINKDIST_EXPONENTIAL,
		.iterations = 200,
	};
}

/* On the first @cpus of a machine of 2 packages with 128 cores each. */
static int run_bench(enum lock_kind lock, uint32_t cpus, const struct lockbench_params *params,
		     const struct sim_params *base, struct lockbench_result *result)
{
	struct sim_params sim = *base;
	char err[TOPOLOGY_ERR_SIZE];
	struct topology topology;
	uint32_t pus[256], i;
	int ret;

	sim.lock = lock;
	assert_int_equal(topology_load(&topology, "package:2 l3:1 core:128 pu:1", err, sizeof(err)), 0);
	/* Every other one in each package. */
	for (i = 0; i < cpus; i++)
		pus[i] = i < cpus / 2 ? i : 128 + i - cpus / 2;
	ret = lockbench_run(&topology, pus, cpus, &sim, params, result);
	topology_destroy(&topology);
	return ret;
}

static struct lockbench_result bench(enum lock_kind lock, uint32_t cpus)
{
	struct lockbench_params params = bench_params();
	struct sim_params sim = sim_test_params();
	struct lockbench_result r;

	assert_int_equal(run_bench(lock, cpus, &params, &sim, &r), 0);
	return r;
}

static double mean(uint64_t sum, uint64_t count)
{
	return (double)sum / (double)count;
}

/* One CPU: think, take and release, with nobody to wait for. */
static void test_alone(void **state)
{
	struct lockbench_params params = bench_params();
	struct sim_params sim = sim_test_params();
	struct lockbench_result r;

	(void)state;
	params.think_dist = THINKDIST_CONSTANT;
	assert_int_equal(run_bench(LOCK_QSPINLOCK, 1, &params, &sim, &r), 0);
	/* The fast path: one atomic to take it, one store to release it. */
	assert_int_equal(r.elapsed_ps, 200 * (500000 + sim.coh.atomic_ps + 60000 + sim.coh.l1_hit_ps));
	assert_int_equal(r.acquisitions, 200);
	assert_int_equal(r.contended, 0);
	assert_int_equal(r.min_per_cpu, 200);
	assert_int_equal(r.max_per_cpu, 200);
	assert_int_equal(r.jain_ppb, 1000000000);
	assert_int_equal(r.transfers_local + r.transfers_remote, 0);
	assert_true(r.hold_total_ps >= 200 * params.hold_ps);
}

static void test_every_lock(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < LOCKS; i++) {
		struct lockbench_result r = bench(all_locks[i], 8);

		assert_int_equal(r.violations, 0);
		assert_int_equal(r.max_per_cpu, 200);
		assert_true(r.min_per_cpu <= r.max_per_cpu);
		assert_true(r.acquisitions >= 200);
		/* CPUs count an acquisition when it is over, lock_stat when it begins. */
		assert_true(r.acquisitions <= 8 * r.max_per_cpu);
		assert_true(r.contended > 0 && r.contended <= r.acquisitions);
		assert_true(r.wait_max_ps * r.contended >= r.wait_total_ps);
		assert_true(r.hold_total_ps >= (r.acquisitions - 1) * 60000);
		/* The lock cannot be held for longer than there was time. */
		assert_true(r.acquisitions * 60000 <= r.elapsed_ps + 60000);
		assert_true(r.transfers_local > 0 && r.transfers_remote > 0);
		assert_true(r.jain_ppb > 125000000 - 1 && r.jain_ppb <= 1000000000);
		assert_true(r.events > r.acquisitions);
	}
}

/* Queue locks are fair; test-and-set lets the last holder go first. */
static void test_fairness(void **state)
{
	(void)state;
	assert_true(bench(LOCK_QSPINLOCK, 16).jain_ppb > 999000000);
	assert_true(bench(LOCK_TICKET, 16).jain_ppb > 999000000);
	assert_true(bench(LOCK_MCS, 16).jain_ppb > 999000000);
	assert_true(bench(LOCK_TAS, 16).jain_ppb < 900000000);
}

/* With two CPUs the extremes are all there is, so the index can be computed again. */
static void test_jain(void **state)
{
	struct lockbench_result r = bench(LOCK_TAS, 2);
	uint64_t a = r.min_per_cpu, b = r.max_per_cpu;

	(void)state;
	assert_true(a < b);
	assert_int_equal(r.jain_ppb, (a + b) * (a + b) * 1000000000 / (2 * (a * a + b * b)));
}

/* Facts I6: a ticket lock's hand-over grows with the waiters, that of the queue locks does not. */
static void test_handover_scaling(void **state)
{
	double few[LOCKS], many[LOCKS];
	size_t i;

	(void)state;
	for (i = 0; i < LOCKS; i++) {
		struct lockbench_result r;

		if (all_locks[i] == LOCK_TAS)
			continue;
		r = bench(all_locks[i], 16);
		few[i] = mean(r.elapsed_ps, r.acquisitions);
		r = bench(all_locks[i], 128);
		many[i] = mean(r.elapsed_ps, r.acquisitions);
	}
	assert_true(many[0] < few[0] * 1.1); /* qspinlock */
	assert_true(many[3] < few[3] * 1.1); /* MCS */
	/* 112 more waiters re-read the line after the release, 5 ns each; the line is free when they have. */
	assert_true(many[1] > few[1] + 112 * 5000);
}

/* A starved CPU must not keep the warm-up from ending. */
static void test_starvation_ends(void **state)
{
	struct lockbench_result r = bench(LOCK_TAS, 64);

	(void)state;
	assert_int_equal(r.min_per_cpu, 0);
	assert_int_equal(r.max_per_cpu, 200);
}

static void test_data_lines(void **state)
{
	struct lockbench_params params = bench_params();
	struct sim_params sim = sim_test_params();
	struct lockbench_result none, two;

	(void)state;
	assert_int_equal(run_bench(LOCK_MCS, 8, &params, &sim, &none), 0);
	params.data_lines = 2;
	assert_int_equal(run_bench(LOCK_MCS, 8, &params, &sim, &two), 0);
	/* Each line moves once to be read and once more to be written. */
	assert_true(mean(two.transfers_local + two.transfers_remote, two.acquisitions) >
		    mean(none.transfers_local + none.transfers_remote, none.acquisitions) + 3.5);
}

static void test_seeds(void **state)
{
	struct lockbench_params params = bench_params();
	struct sim_params sim = sim_test_params();
	struct lockbench_result a, b, c;

	(void)state;
	assert_int_equal(run_bench(LOCK_QSPINLOCK, 8, &params, &sim, &a), 0);
	assert_int_equal(run_bench(LOCK_QSPINLOCK, 8, &params, &sim, &b), 0);
	sim.seed++;
	assert_int_equal(run_bench(LOCK_QSPINLOCK, 8, &params, &sim, &c), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_not_equal(a.elapsed_ps, c.elapsed_ps);
}

/* run --explain: what is taken away leaves no transfer behind. */
static void test_without(void **state)
{
	struct lockbench_params params = bench_params();
	struct sim_params sim = sim_test_params();
	struct lockbench_result r;
	size_t i;

	(void)state;
	for (i = 0; i < LOCKS; i++) {
		sim.without = (struct sim_without){ .lock_word = true, .mcs_nodes = true };
		assert_int_equal(run_bench(all_locks[i], 8, &params, &sim, &r), 0);
		assert_int_equal(r.violations, 0);
		assert_int_equal(r.transfers_local + r.transfers_remote, 0);
		sim.without = (struct sim_without){ .mcs_nodes = true };
		assert_int_equal(run_bench(all_locks[i], 8, &params, &sim, &r), 0);
		assert_int_equal(r.violations, 0);
		assert_true(r.transfers_local > 0);
	}
}

static void test_without_hold(void **state)
{
	struct sim_params params = sim_test_params();
	struct sim *s;
	uint32_t i;

	(void)state;
	for (i = 0; i < COST_STEP_COUNT; i++)
		params.step_ps[i] = 1000 + i;
	params.without.hold = true;
	s = sim_test_create("package:1 core:2 pu:1", 2, &params);
	for (i = 0; i < COST_STEP_COUNT; i++) {
		bool held =
			i == COST_SPIN_LOCK_IRQ || i == COST_TAG_VISIT || i == COST_QI_DESC || i == COST_QI_SUBMIT;

		assert_int_equal(s->cpus[1].step_ps[i], held ? 0 : 1000 + i);
	}
	sim_test_destroy(s);
}

static void test_faults_are_seen(void **state)
{
	struct lockbench_params params = bench_params();
	struct sim_params sim = sim_test_params();
	struct lockbench_result r;

	(void)state;
	params.iterations = 20;
	lock_fault = LOCK_STAYS_TAKEN;
	assert_int_equal(run_bench(LOCK_TICKET, 4, &params, &sim, &r), -EDEADLK);
	lock_fault = LOCK_WORKS;
}

static void test_interrupted(void **state)
{
	struct lockbench_params params = bench_params();
	struct sim_params sim = sim_test_params();
	volatile sig_atomic_t interrupted = SIGINT;
	struct lockbench_result r;

	(void)state;
	params.interrupted = &interrupted;
	assert_int_equal(run_bench(LOCK_MCS, 4, &params, &sim, &r), -EINTR);
	/* Nobody else is there to let the engine look. */
	assert_int_equal(run_bench(LOCK_MCS, 1, &params, &sim, &r), -EINTR);
	interrupted = 0;
	assert_int_equal(run_bench(LOCK_MCS, 4, &params, &sim, &r), 0);
}

#define MAX_ARGS 24

/* Runs the command with the report in a file; the exit code. @report receives the file's JSON, or NULL. */
static int run_command(sig_atomic_t signal_number, json_t **report, const char *first, ...)
{
	volatile sig_atomic_t interrupted = signal_number;
	char path[] = "/tmp/test_lockbench.XXXXXX", output[sizeof(path) + 16], *args[MAX_ARGS + 1];
	struct cmd_context ctx = { 0, args, &interrupted };
	int fd = mkstemp(path), count = 0, code;
	const char *arg;
	va_list list;

	assert_true(fd >= 0);
	close(fd);
	snprintf(output, sizeof(output), "--output=%s", path);
	args[count++] = (char *)"lockbench";
	args[count++] = output;
	args[count++] = (char *)"--output-format=json";
	args[count++] = (char *)"--threads=1";
	args[count++] = (char *)"--progress=never";
	va_start(list, first);
	for (arg = first; arg; arg = va_arg(list, const char *)) {
		assert_true(count < MAX_ARGS);
		args[count++] = (char *)arg;
	}
	va_end(list);
	args[count] = NULL;
	ctx.argc = count;
	code = cmd_lockbench(&ctx, count, args);
	*report = json_load_file(path, 0, NULL);
	unlink(path);
	return code;
}

static double number_at(json_t *object, const char *a, const char *b)
{
	json_t *value = json_object_get(object, a);

	if (b)
		value = json_object_get(value, b);
	assert_true(json_is_number(value));
	return json_number_value(value);
}

static void test_command(void **state)
{
	json_t *report, *result, *per_s;

	(void)state;
	assert_int_equal(
		run_command(0, &report, "--cpus=8", "--lock=mcs", "--iterations=300", "--repetitions=3", NULL),
		EXIT_OK);
	assert_non_null(report);
	assert_int_equal(json_integer_value(json_object_get(report, "schema_version")), 1);
	assert_true(json_is_object(json_object_get(report, "context")));
	assert_string_equal(json_string_value(json_object_get(json_object_get(report, "config"), "lock")), "mcs");
	assert_int_equal(json_array_size(json_object_get(report, "results")), 1);
	result = json_array_get(json_object_get(report, "results"), 0);
	assert_true(number_at(result, "cpus", NULL) == 8);
	assert_true(number_at(result, "repetitions", NULL) == 3);
	per_s = json_object_get(result, "acquisitions_per_s");
	assert_true(number_at(per_s, "min", NULL) < number_at(per_s, "mean", NULL));
	assert_true(number_at(per_s, "mean", NULL) < number_at(per_s, "max", NULL));
	assert_true(number_at(per_s, "ci95", NULL) > 0);
	assert_true(number_at(per_s, "mean", NULL) > 1e6 && number_at(per_s, "mean", NULL) < 1e9 / 60);
	assert_true(number_at(result, "fairness", "jain") > 0.99 && number_at(result, "fairness", "jain") <= 1);
	assert_true(number_at(result, "contended_fraction", NULL) > 0.5);
	assert_true(number_at(result, "wait_ns", "max") > number_at(result, "wait_ns", "mean"));
	assert_true(number_at(result, "handover_ns", "mean") > 0);
	assert_true(number_at(result, "hold_ns", "mean") > 60);
	assert_true(number_at(result, "transfers_per_acquisition", "local") > 0);
	assert_true(json_is_false(json_object_get(result, "interrupted")));
	json_decref(report);
}

static void test_command_exit_codes(void **state)
{
	json_t *report, *result;

	(void)state;
	assert_int_equal(run_command(0, &report, "--machine=package:1 core:4 pu:1", "--cpus=5", NULL), EXIT_USAGE);
	assert_null(report);
	assert_int_equal(run_command(0, &report, "--cpus=3", "--placement=0,2", NULL), EXIT_USAGE);
	assert_null(report);
	assert_int_equal(run_command(0, &report, "--cpus=1", "--hold=0", "--think=0", "--atomic-ns=0",
				     "--l1-hit-ns=0", NULL),
			 EXIT_USAGE);
	assert_null(report);

	lock_fault = LOCK_ADMITS_ALL;
	assert_int_equal(run_command(0, &report, "--cpus=4", "--iterations=20", NULL), EXIT_UNSAFE);
	assert_null(report);
	lock_fault = LOCK_STAYS_TAKEN;
	assert_int_equal(run_command(0, &report, "--cpus=4", "--iterations=20", NULL), EXIT_STUCK);
	assert_null(report);
	lock_fault = LOCK_WORKS;

	assert_int_equal(run_command(SIGINT, &report, "--cpus=4", NULL), EXIT_SIGNAL + SIGINT);
	result = json_array_get(json_object_get(report, "results"), 0);
	assert_true(json_is_true(json_object_get(result, "interrupted")));
	assert_true(json_is_null(json_object_get(result, "acquisitions_per_s")));
	json_decref(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_every_lock),
		cmocka_unit_test(test_fairness),
		cmocka_unit_test(test_jain),
		cmocka_unit_test(test_handover_scaling),
		cmocka_unit_test(test_starvation_ends),
		cmocka_unit_test(test_data_lines),
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_without),
		cmocka_unit_test(test_without_hold),
		cmocka_unit_test(test_faults_are_seen),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_command_exit_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
