/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/native_test.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#define WAIT_MAX_S 60

/* This machine does not change, and looking at it takes longer than many a test. */
static struct topology host;

/* Since the last native_test_run() or native_test_call() began: those are the main thread's only. */
static uint32_t failed_checks;

struct sim_params native_test_params(void)
{
	return (struct sim_params){ .seed = 1 };
}

static void load_host(void)
{
	char err[TOPOLOGY_ERR_SIZE];

	if (!host.hwloc && topology_load(&host, "host", err, sizeof(err)))
		fail_msg("%s", err);
}

struct native *native_test_create(uint32_t cpu_count, const struct sim_params *params, bool lock_stat)
{
	struct native *m = calloc(1, sizeof(*m));
	uint32_t *pus = calloc(cpu_count, sizeof(*pus));
	char err[TOPOLOGY_ERR_SIZE];

	assert_non_null(m);
	assert_non_null(pus);
	load_host();
	if (topology_place(&host, "cores", cpu_count, pus, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(native_create(m, &host, pus, cpu_count, params, lock_stat), 0);
	free(pus);
	return m;
}

void native_test_destroy(struct native *m)
{
	native_destroy(m);
	free(m);
}

static void check_result(int ret)
{
	uint32_t failed = __atomic_exchange_n(&failed_checks, 0, __ATOMIC_RELAXED);

	if (failed)
		fail_msg("%u checks failed on the CPUs", failed);
	assert_int_equal(ret, 0);
}

void native_test_run(struct native *m, void (*body)(void *arg, uint32_t cpu), void *arg)
{
	check_result(native_run(m, body, arg));
}

void native_test_call(struct native *m, uint32_t cpu, void (*fn)(void *arg), void *arg)
{
	check_result(native_call_on_cpu(m, cpu, fn, arg));
}

void native_check_failed(const char *condition, const char *file, int line)
{
	if (__atomic_fetch_add(&failed_checks, 1, __ATOMIC_RELAXED) < 10)
		fprintf(stderr, "%s:%d: %s is false\n", file, line, condition);
}

void native_wait_until(const uint32_t *counter, uint32_t value)
{
	uint64_t start_ns = native_clock_monotonic_ns();

	while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) < value) {
		sched_yield();
		if (native_clock_monotonic_ns() - start_ns > WAIT_MAX_S * 1000000000ULL) {
			native_check_failed("another CPU got there", __FILE__, __LINE__);
			return;
		}
	}
}
