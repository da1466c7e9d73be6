/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hotpath_bench_qi.c - qi_submit_sync() to a unit that takes no time, and to one that takes a real one's
 */
#include "bench/hotpath_machine.h"

#include "platform.h"
#include "sim/cache_tag.h"
#include "sim/iommu.h"

/* In picoseconds; the typical unit is the one that simbench run has by default. */
struct qi_unit {
	const char *name;
	struct vtd_timing timing;
	uint64_t mmio_write_ps, mmio_read_ps;
};

static const struct qi_unit units[] = {
	{ .name = "qi_submit_sync/immediate" },
	{
		.name = "qi_submit_sync/typical",
		.timing = { .qi_fetch_ps = 300000, .qi_iotlb_ps = 150000, .qi_wait_ps = 100000 },
		.mmio_write_ps = 60000,
		.mmio_read_ps = 500000,
	},
};

static int qi_setup(struct gbench_state *state, void **fixture)
{
	const struct qi_unit *unit = gbench_data(state);
	const struct hotpath_config c = {
		.domain = { .policy = POLICY_ALWAYS },
		.units = 1,
		.timing = unit->timing,
		.mmio_write_ps = unit->mmio_write_ps,
		.mmio_read_ps = unit->mmio_read_ps,
	};

	return hotpath_machine_create(state, &c, 0, fixture);
}

/* A submission takes far longer than the harness's loop. */
static void qi_run(struct gbench_state *state, void *fixture)
{
	unsigned int count = (unsigned int)gbench_arg(state, 0), i;
	struct qi_desc desc[QI_MAX_BATCHED_DESC_COUNT];
	struct hotpath_machine *m = fixture;

	if (!hotpath_enter(m, state))
		return;
	for (i = 0; i < count; i++)
		desc[i] = qi_desc_iotlb(m->iommus[0]->cap, 1, i * PAGE_SIZE, 0, DMA_TLB_PSI_FLUSH);
	while (gbench_keep_running(state))
		qi_submit_sync(m->iommus[0], desc, count);
	gbench_items_processed(state, gbench_iterations(state) * count);
	hotpath_leave(state);
}

void hotpath_register_qi(void)
{
	static const struct gbench_ops ops = { qi_setup, qi_run, hotpath_machine_destroy };
	static const char *const arg_names[] = { "descriptors" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(units); i++) {
		struct gbench *b = gbench_register(units[i].name, &ops, &units[i]);

		gbench_arg_names(b, arg_names, ARRAY_SIZE(arg_names));
		gbench_range(b, 1, QI_MAX_BATCHED_DESC_COUNT, QI_MAX_BATCHED_DESC_COUNT);
		hotpath_threads(b);
		gbench_use_real_time(b);
	}
}
