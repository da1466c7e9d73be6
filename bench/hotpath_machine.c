/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/hotpath_machine.h"

#include "platform.h"

#include <stdio.h>

#include "sim/exec/machine_native.h"
#include "sim/iommu.h"
#include "sim/topology.h"

/* A unit as on the machine of the report (facts F5): no caching mode, no write buffer to flush. */
#define UNIT_CAP 0x19ed008c40780c66ULL
#define UNIT_ECAP 0xc80000f020dfULL

OBJ_TYPE_PLAIN(own, "benchmark");

/* The machine that the process runs on; written before the first benchmark only. */
static struct {
	struct topology topology;
	uint32_t *pus; /* one of each core */
} host;

int hotpath_init(char *err, size_t err_size)
{
	int ret = topology_load(&host.topology, "host", err, err_size);

	if (ret)
		return ret;
	host.pus = calloc(host.topology.core_count, sizeof(*host.pus));
	if (!host.pus) {
		topology_destroy(&host.topology);
		snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
	ret = topology_place(&host.topology, "cores", host.topology.core_count, host.pus, err, err_size);
	if (ret)
		hotpath_exit();
	return ret;
}

void hotpath_exit(void)
{
	free(host.pus);
	host.pus = NULL;
	topology_destroy(&host.topology);
}

unsigned int hotpath_core_count(void)
{
	return host.topology.core_count;
}

void hotpath_threads(struct gbench *b)
{
	unsigned int threads;

	for (threads = 1; threads < hotpath_core_count(); threads *= 2)
		gbench_threads(b, threads);
	gbench_threads(b, hotpath_core_count());
}

/* On a CPU of the machine. */
static int create_objects(struct hotpath_machine *m, size_t own_size)
{
	uint32_t i;
	int ret;

	for (i = 0; i < m->config.units; i++) {
		struct mmio_device *reg =
			machine_add_unit(m->machine, 0, UNIT_CAP, UNIT_ECAP, &m->config.timing, 1);

		m->iommus[i] = reg ? iommu_create(reg, UNIT_CAP, UNIT_ECAP, (int)i, false) : NULL;
		if (!m->iommus[i])
			return -ENOMEM;
		m->devices[i] = device_create(m->iommus[i], i, false);
		if (!m->devices[i])
			return -ENOMEM;
		ret = iommu_setup_default_domain(m->devices[i], &m->config.domain, &m->domain);
		if (ret)
			return ret;
	}
	if (own_size) {
		m->own = shared_alloc_aligned(&own_type, own_size, NATIVE_APART);
		if (!m->own)
			return -ENOMEM;
	}
	return 0;
}

static void destroy_objects(struct hotpath_machine *m)
{
	uint32_t i;

	for (i = 0; i < m->config.units && m->devices[i]; i++)
		device_block_translation(m->devices[i]);
	domain_free(m->domain);
	for (i = 0; i < m->config.units; i++)
		iommu_destroy(m->iommus[i]);
}

int hotpath_machine_create(struct gbench_state *state, const struct hotpath_config *config, size_t own_size,
			   void **fixture)
{
	struct sim_params params = {
		.lock = config->lock,
		.mmio_write_ps = config->mmio_write_ps,
		.mmio_read_ps = config->mmio_read_ps,
		.seed = 1,
	};
	struct hotpath_machine *m = calloc(1, sizeof(*m));
	int ret;

	assert(config->units <= HOTPATH_MAX_UNITS);
	if (!m)
		return -ENOMEM;
	m->config = *config;
	ret = machine_create(&host.topology, host.pus, gbench_thread_count(state), &params, false, &m->machine);
	if (ret) {
		free(m);
		return ret;
	}
	ret = native_enter(&m->machine->native, 0);
	if (!ret)
		ret = create_objects(m, own_size);
	native_leave();
	if (ret) {
		hotpath_machine_destroy(m);
		return ret;
	}
	*fixture = m;
	return 0;
}

void hotpath_machine_destroy(void *fixture)
{
	struct hotpath_machine *m = fixture;

	/* Whether it is pinned makes no difference to what is freed. */
	native_enter(&m->machine->native, 0);
	destroy_objects(m);
	native_leave();
	machine_destroy(m->machine);
	free(m);
}

bool hotpath_enter(struct hotpath_machine *m, struct gbench_state *state)
{
	int ret = native_enter(&m->machine->native, gbench_thread_index(state));

	if (!ret)
		return true;
	native_leave();
	gbench_skip_with_error(state, "cannot pin thread %u to CPU %u of the machine", gbench_thread_index(state),
			       host.pus[gbench_thread_index(state)]);
	return false;
}

void hotpath_leave(struct gbench_state *state)
{
	int ret = native_leave();

	if (ret)
		gbench_skip_with_error(state, "thread %u: %s", gbench_thread_index(state), strerror(-ret));
}
