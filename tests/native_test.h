/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * native_test.h - CPUs of this machine for tests of the native build
 *
 * cmocka knows the main thread only. What runs on a CPU says native_check() instead of assert_true(), and whoever
 * started it finds out.
 */
#ifndef SIMBENCH_TESTS_NATIVE_TEST_H
#define SIMBENCH_TESTS_NATIVE_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/exec/native.h"
#include "sim/topology.h"

/**
 * native_test_create - CPUs on this machine's cores, which they share when there are not enough
 * @cpu_count: CPUs
 * @params: parameters
 * @lock_stat: as for native_create()
 *
 * Fails the running test when that is not possible. native_test_destroy() frees it.
 */
struct native *native_test_create(uint32_t cpu_count, const struct sim_params *params, bool lock_stat);
void native_test_destroy(struct native *m);

/* Parameters under which register accesses and interrupts cost nothing. */
struct sim_params native_test_params(void);

/* As native_run() and native_call_on_cpu(); fail the running test after an error or a failed native_check(). */
void native_test_run(struct native *m, void (*body)(void *arg, uint32_t cpu), void *arg);
void native_test_call(struct native *m, uint32_t cpu, void (*fn)(void *arg), void *arg);

/* On a CPU: says so if @condition is false, and goes on. */
#define native_check(condition) ((condition) ? (void)0 : native_check_failed(#condition, __FILE__, __LINE__))
void native_check_failed(const char *condition, const char *file, int line);

/*
 * On a CPU: waits until another one has raised *@counter to @value, and gives way meanwhile. A wait of a minute is
 * a failed check, and ends it.
 */
void native_wait_until(const uint32_t *counter, uint32_t value);

#endif
