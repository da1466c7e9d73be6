/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sim_test.h - a small simulated machine for tests of the hot path
 */
#ifndef SIMBENCH_TESTS_SIM_TEST_H
#define SIMBENCH_TESTS_SIM_TEST_H

#include "sim/exec/virtual.h"

#define TEST_CPUS 8

/*
 * cmocka setup and teardown: a machine of TEST_CPUS CPUs in two packages, with latencies of 8, 50 and 100 ns,
 * occupancies of 100 % and no cost for instructions. The state pointer is the struct sim.
 */
int sim_test_setup(void **state);
int sim_test_teardown(void **state);

/* Parameters as sim_test_setup() uses them. */
struct sim_params sim_test_params(void);

/**
 * sim_test_create - a machine of any shape
 * @machine: hwloc synthetic string
 * @cpu_count: CPUs in use, the first of the machine
 * @params: machine parameters
 *
 * Fails the running test when it cannot be made. sim_test_destroy() frees it.
 */
struct sim *sim_test_create(const char *machine, uint32_t cpu_count, const struct sim_params *params);
void sim_test_destroy(struct sim *s);

/* Runs @fn(@arg) on simulated CPU @cpu of the machine that sim_test_setup() made last in this thread. */
void run_on_cpu(unsigned int cpu, void (*fn)(void *arg), void *arg);

#endif
