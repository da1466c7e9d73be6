/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/sim_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct sim_test {
	struct sim sim; /* must be first */
	struct topology topology;
	uint32_t pus[SIM_MAX_CPUS];
};

static _Thread_local struct sim *current;

struct sim_params sim_test_params(void)
{
	return (struct sim_params){
		.coh = {
			.latency_ps = { 0, 8000, 50000, 50000, 100000 },
			.l1_hit_ps = 500,
			.atomic_ps = 6000,
			.write_occupancy_pct = 100,
			.dirty_read_occupancy_pct = 100,
			.read_occupancy_ps = 5000,
		},
		.mmio_write_ps = 60000,
		.mmio_read_ps = 500000,
		.seed = 1,
	};
}

struct sim *sim_test_create(const char *machine, uint32_t cpu_count, const struct sim_params *params)
{
	struct sim_test *t = calloc(1, sizeof(*t));
	char err[TOPOLOGY_ERR_SIZE];
	uint32_t i;

	assert_non_null(t);
	if (topology_load(&t->topology, machine, err, sizeof(err)))
		fail_msg("%s", err);
	assert_true(cpu_count <= t->topology.pu_count);
	for (i = 0; i < cpu_count; i++)
		t->pus[i] = i;
	assert_int_equal(sim_create(&t->sim, &t->topology, t->pus, cpu_count, params), 0);
	return &t->sim;
}

void sim_test_destroy(struct sim *s)
{
	struct sim_test *t = (struct sim_test *)s;

	sim_destroy(&t->sim);
	topology_destroy(&t->topology);
	free(t);
}

int sim_test_setup(void **state)
{
	struct sim_params params = sim_test_params();

	current = sim_test_create("package:2 l3:1 core:4 pu:1", TEST_CPUS, &params);
	*state = current;
	return 0;
}

int sim_test_teardown(void **state)
{
	sim_test_destroy(*state);
	current = NULL;
	return 0;
}

void run_on_cpu(unsigned int cpu, void (*fn)(void *arg), void *arg)
{
	assert_non_null(current);
	assert_int_equal(sim_call_on_cpu(current, cpu, fn, arg), 0);
}
