/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hotpath_bench_iova.c - alloc_iova_fast() and free_iova_fast() as a pair, hit and miss
 */
#include "bench/hotpath_machine.h"

#include "platform.h"

#define BATCH 64

/* Frames below 4 GiB, where the DMA API looks first. */
#define LIMIT_PFN ((1UL << (32 - PAGE_SHIFT)) - 1)

enum { ARG_PAGES, ARG_LIVE, ARG_COUNT };

static const struct domain_config config = { .policy = POLICY_ALWAYS };

static int iova_setup(struct gbench_state *state, void **fixture)
{
	const struct hotpath_config c = { .domain = config, .units = 1 };

	return hotpath_machine_create(state, &c, 0, fixture);
}

/* Ranges of a page each, that stay until the domain goes. */
static void fill(struct iova_domain *iovad, uint64_t live)
{
	while (live && alloc_iova_fast(iovad, 1, LIMIT_PFN, true))
		live--;
}

static void iova_run(struct gbench_state *state, void *fixture)
{
	struct hotpath_machine *m = fixture;
	struct iova_domain *iovad = &m->domain->domain.iova_cookie->iovad;
	unsigned long pages = (unsigned long)gbench_arg(state, ARG_PAGES);
	unsigned int i;

	if (!hotpath_enter(m, state))
		return;
	if (!gbench_thread_index(state))
		fill(iovad, (uint64_t)gbench_arg(state, ARG_LIVE));
	while (gbench_keep_running_batch(state, BATCH)) {
		for (i = 0; i < BATCH; i++) {
			unsigned long pfn = alloc_iova_fast(iovad, pages, LIMIT_PFN, true);

			if (!pfn) {
				gbench_skip_with_error(state, "no address below 4 GiB left");
				break;
			}
			free_iova_fast(iovad, pfn, pages);
		}
	}
	hotpath_leave(state);
}

static void register_iova(const char *name, const struct gbench_ops *ops, const int64_t (*args)[ARG_COUNT],
			  unsigned int count)
{
	static const char *const arg_names[] = { "pages", "live" };
	struct gbench *b = gbench_register(name, ops, NULL);
	unsigned int i;

	gbench_arg_names(b, arg_names, ARG_COUNT);
	for (i = 0; i < count; i++)
		gbench_args(b, args[i], ARG_COUNT);
	hotpath_threads(b);
	gbench_use_real_time(b);
}

void hotpath_register_iova(void)
{
	static const struct gbench_ops ops = { iova_setup, iova_run, hotpath_machine_destroy };
	/* After the first one, every address is in the CPU's magazine. */
	static const int64_t hit[][ARG_COUNT] = { { 1, 0 }, { 8, 0 }, { 32, 0 } };
	/* Above the largest size that is cached: to the tree, under its lock, among so many live ranges. */
	static const int64_t miss[][ARG_COUNT] = { { 64, 0 }, { 64, 1024 }, { 64, 65536 }, { 256, 0 } };

	register_iova("iova/hit", &ops, hit, ARRAY_SIZE(hit));
	register_iova("iova/miss", &ops, miss, ARRAY_SIZE(miss));
}
