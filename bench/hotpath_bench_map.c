/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hotpath_bench_map.c - dma_map_pages() and dma_unmap_pages(), alone and as a pair
 */
#include "bench/hotpath_machine.h"

#include "platform.h"

#include <stdio.h>

/* Mappings that are made before they are taken away again, where only one of the two is timed. */
#define BATCH 64

#define PAGES_MAX 256

/* Scattered pages, as in simbench run: no two of them make one run. */
#define DATA_PHYS_BASE (1ULL << 40)
#define PAGE_STRIDE 2

enum { ARG_PAGES, ARG_TAGS, ARG_COUNT };

#define CONFIGS(constant, name) \
	[constant] = { { .policy = constant, .lazy = false }, { .policy = constant, .lazy = true } },

/* By policy, and whether it is lazy. */
static const struct domain_config configs[][2] = { POLICY_LIST(CONFIGS) };

struct mapper {
	struct device *dev;
	unsigned int pages;
	uint64_t phys[PAGES_MAX];
	uint64_t addr[BATCH];
};

static int map_setup(struct gbench_state *state, void **fixture)
{
	const struct hotpath_config config = {
		.domain = *(const struct domain_config *)gbench_data(state),
		.units = (uint32_t)gbench_arg(state, ARG_TAGS),
	};

	return hotpath_machine_create(state, &config, 0, fixture);
}

/* Threads share the domain; with several devices each has its own. */
static void mapper_init(struct mapper *t, const struct hotpath_machine *m, const struct gbench_state *state)
{
	unsigned int thread = gbench_thread_index(state), i;

	t->dev = m->devices[thread % m->config.units];
	t->pages = (unsigned int)gbench_arg(state, ARG_PAGES);
	for (i = 0; i < t->pages; i++)
		t->phys[i] = DATA_PHYS_BASE + ((uint64_t)thread * PAGES_MAX + i) * PAGE_STRIDE * PAGE_SIZE;
}

/* Returns false when there was no room for them all; those that are mapped stay. */
static bool map_batch(struct mapper *t)
{
	bool ok = true;
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		t->addr[i] = dma_map_pages(t->dev, t->phys, t->pages, DMA_FROM_DEVICE);
		ok &= t->addr[i] != 0;
	}
	return ok;
}

static void unmap_batch(struct mapper *t)
{
	unsigned int i;

	for (i = 0; i < BATCH; i++)
		if (t->addr[i])
			dma_unmap_pages(t->dev, t->addr[i], t->pages);
}

static void out_of_addresses(struct gbench_state *state)
{
	gbench_skip_with_error(state, "dma_map_pages() found no address or no memory");
}

static void map_run(struct gbench_state *state, void *fixture)
{
	struct mapper t;

	if (!hotpath_enter(fixture, state))
		return;
	mapper_init(&t, fixture, state);
	while (gbench_keep_running_batch(state, BATCH)) {
		uint64_t start = cpu_clock_ps();

		if (!map_batch(&t))
			out_of_addresses(state);
		gbench_add_time(state, cpu_clock_ps() - start);
		unmap_batch(&t);
		native_poll();
	}
	hotpath_leave(state);
}

static void unmap_run(struct gbench_state *state, void *fixture)
{
	struct mapper t;

	if (!hotpath_enter(fixture, state))
		return;
	mapper_init(&t, fixture, state);
	while (gbench_keep_running_batch(state, BATCH)) {
		uint64_t start;

		if (!map_batch(&t))
			out_of_addresses(state);
		start = cpu_clock_ps();
		unmap_batch(&t);
		gbench_add_time(state, cpu_clock_ps() - start);
		native_poll();
	}
	hotpath_leave(state);
}

static void pair_run(struct gbench_state *state, void *fixture)
{
	struct mapper t;
	unsigned int i;

	if (!hotpath_enter(fixture, state))
		return;
	mapper_init(&t, fixture, state);
	while (gbench_keep_running_batch(state, BATCH)) {
		for (i = 0; i < BATCH; i++) {
			uint64_t addr = dma_map_pages(t.dev, t.phys, t.pages, DMA_FROM_DEVICE);

			if (!addr) {
				out_of_addresses(state);
				break;
			}
			dma_unmap_pages(t.dev, addr, t.pages);
		}
		native_poll();
	}
	hotpath_leave(state);
}

static const struct map_op {
	const char *name;
	bool manual_time;
	struct gbench_ops ops;
} map_ops[] = {
	{ "dma_map", true, { map_setup, map_run, hotpath_machine_destroy } },
	{ "dma_unmap", true, { map_setup, unmap_run, hotpath_machine_destroy } },
	{ "dma_map_unmap", false, { map_setup, pair_run, hotpath_machine_destroy } },
};

static struct gbench *register_map(const struct map_op *op, const struct domain_config *config)
{
	static const char *const arg_names[] = { "pages", "tags" };
	char name[64];
	struct gbench *b;

	snprintf(name, sizeof(name), "%s/%s/%s", op->name, policy_name(config->policy),
		 invalidation_name(config->lazy ? INVALIDATION_LAZY : INVALIDATION_STRICT));
	b = gbench_register(name, &op->ops, config);
	gbench_arg_names(b, arg_names, ARG_COUNT);
	if (op->manual_time)
		gbench_use_manual_time(b);
	else
		gbench_use_real_time(b);
	return b;
}

static void map_args(struct gbench *b, int64_t pages, int64_t tags)
{
	gbench_args(b, (const int64_t[]){ [ARG_PAGES] = pages, [ARG_TAGS] = tags }, ARG_COUNT);
}

/* Tags and sizes at one thread; the rest on as many as there are cores. */
static void register_sweeps(const struct map_op *op, const struct domain_config *config)
{
	struct gbench *b = register_map(op, config);
	int64_t n;

	for (n = 2; n <= HOTPATH_MAX_UNITS; n *= 2)
		map_args(b, 1, n);
	if (config->policy != POLICY_ALWAYS)
		return;
	for (n = 2; n <= PAGES_MAX; n *= 2)
		map_args(b, n, 1);
}

static void register_op(const struct map_op *op)
{
	unsigned int policy, lazy;

	for (policy = 0; policy < ARRAY_SIZE(configs); policy++) {
		for (lazy = 0; lazy < 2; lazy++) {
			struct gbench *b = register_map(op, &configs[policy][lazy]);

			map_args(b, 1, 1);
			hotpath_threads(b);
		}
	}
	register_sweeps(op, &configs[POLICY_LEGACY][true]);
	register_sweeps(op, &configs[POLICY_ALWAYS][true]);
}

void hotpath_register_map(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(map_ops); i++)
		register_op(&map_ops[i]);
}
