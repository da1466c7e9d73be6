/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hotpath_bench_page_table.c - domain_mapping() and the walk of pfn_to_dma_pte(), on a domain of one thread
 */
#include "bench/hotpath_machine.h"

#include "platform.h"
#include "sim/page_table.h"

#define BATCH 64

/* In the middle of a leaf table, so that no range of up to 512 pages covers a whole one, which would go with it. */
#define IOVA_PFN 0x10100UL
/* Odd where the other is even, so that no large page fits. */
#define PHYS_PFN 0x10000001UL

/* Odd, so that a range of a power of two is visited whole; no page is near the one before. */
#define WALK_STRIDE 8191U

static const struct domain_config config = { .policy = POLICY_ALWAYS };

static int page_table_setup(struct gbench_state *state, void **fixture)
{
	const struct hotpath_config c = { .domain = config, .units = 1 };

	return hotpath_machine_create(state, &c, 0, fixture);
}

static bool map(struct hotpath_machine *m, uint64_t first, uint64_t pages)
{
	return !domain_mapping(m->domain, IOVA_PFN + first, PHYS_PFN + first, pages, DMA_PTE_READ | DMA_PTE_WRITE);
}

static void unmap(struct hotpath_machine *m, uint64_t first, uint64_t pages)
{
	struct page_list unlinked = { 0 };

	domain_unmap(m->domain, IOVA_PFN + first, IOVA_PFN + first + pages - 1, &unlinked);
	assert(page_list_empty(&unlinked));
}

/* The tables are there but for the first batch. */
static void map_run(struct gbench_state *state, void *fixture)
{
	uint64_t pages = (uint64_t)gbench_arg(state, 0), start, i;
	struct hotpath_machine *m = fixture;
	bool ok = true;

	if (!hotpath_enter(m, state))
		return;
	while (gbench_keep_running_batch(state, BATCH)) {
		start = cpu_clock_ps();
		for (i = 0; i < BATCH; i++)
			ok &= map(m, i * pages, pages);
		gbench_add_time(state, cpu_clock_ps() - start);
		if (!ok)
			gbench_skip_with_error(state, "domain_mapping() failed");
		for (i = 0; i < BATCH; i++)
			unmap(m, i * pages, pages);
	}
	hotpath_leave(state);
}

static void walk_run(struct gbench_state *state, void *fixture)
{
	uint64_t pages = (uint64_t)gbench_arg(state, 0), page = 0, i;
	struct hotpath_machine *m = fixture;
	bool ok;

	if (!hotpath_enter(m, state))
		return;
	ok = map(m, 0, pages);
	while (gbench_keep_running_batch(state, BATCH)) {
		for (i = 0; i < BATCH; i++) {
			int level = 0;
			struct dma_pte *pte =
				pfn_to_dma_pte(m->domain, IOVA_PFN + page, &level, COST_UNMAP_WALK_LEVEL);

			ok &= pte && dma_pte_addr(READ_ONCE(pte->val)) == (PHYS_PFN + page) << PAGE_SHIFT;
			page = (page + WALK_STRIDE) & (pages - 1);
		}
		if (!ok)
			gbench_skip_with_error(state, "a page is not mapped where it should be");
	}
	hotpath_leave(state);
}

static struct gbench *register_page_table(const char *name, const struct gbench_ops *ops)
{
	static const char *const arg_names[] = { "pages" };
	struct gbench *b = gbench_register(name, ops, NULL);

	gbench_arg_names(b, arg_names, ARRAY_SIZE(arg_names));
	return b;
}

void hotpath_register_page_table(void)
{
	static const struct gbench_ops map_ops = { page_table_setup, map_run, hotpath_machine_destroy };
	static const struct gbench_ops walk_ops = { page_table_setup, walk_run, hotpath_machine_destroy };
	struct gbench *b;

	b = register_page_table("page_table/map", &map_ops);
	gbench_range(b, 1, 512, 8);
	gbench_use_manual_time(b);
	b = register_page_table("page_table/walk", &walk_ops);
	gbench_range(b, 1, 1 << 18, 512);
}
