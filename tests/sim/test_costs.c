/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_costs.c - the instructions of a dma_map and a dma_unmap add up to what was counted on the kernel (facts K8b)
 *
 * On a machine where an instruction takes a picosecond and nothing else takes any time, the clock counts them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/domain.h"
#include "sim/iommu.h"
#include "tests/sim/vtd_double.h"
#include "tests/sim_test.h"

/* 5 levels, as QEMU's unit had; no caching mode, no write buffer */
#define CAP (1ULL << 11 | 1ULL << 10 | 56ULL << 16 | 2)
#define CAP_4LEVEL (1ULL << 10 | 47ULL << 16 | 2)
#define RING 255

OBJ_TYPE_PLAIN(test_object, "test object");

#define MAPS (8 * RING)

struct fixture {
	struct sim *sim;
	struct vtd_double hw;
	struct vtd_log log;
	struct intel_iommu *iommu;
	struct domain_config config;
	struct dmar_domain *domain;
	struct device *dev;
	uint64_t cap;
	uint64_t map, unmap;		   /* instructions of the common case */
	uint64_t unmap_total, unmap_count; /* of many, with the flushes in between */
	struct map_sums counted;	   /* in MAPS maps */
};

static struct sim_params only_instructions(void)
{
	struct sim_params params = { .seed = 1 };
	static const uint64_t instructions[] = {
#define X(name, count) [COST_##name] = (count),
		COST_STEPS(X)
#undef X
	};

	memcpy(params.step_ps, instructions, sizeof(instructions));
	return params;
}

static int setup(void **state)
{
	struct sim_params params = only_instructions();
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->sim = sim_test_create("package:1 l3:1 core:1 pu:1", 1, &params);
	f->cap = CAP;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sim_test_destroy(f->sim);
	free(f);
	return 0;
}

static uint64_t now(void)
{
	return this_vcpu()->proc.now_ps;
}

static void make(struct fixture *f)
{
	struct iommu_group *group;

	vtd_double_init(&f->hw, f->sim, &f->log, 0);
	f->log.off = true;
	f->iommu = iommu_create(&f->hw.mmio, f->cap, 0, 0, false);
	f->dev = shared_alloc(&test_object_type, sizeof(*f->dev));
	group = shared_alloc(&test_object_type, sizeof(*group));
	f->dev->group = group;
	f->dev->dma_mask = UINT64_MAX;
	f->dev->pci_32bit_workaround = true;
	f->dev->info = (struct device_domain_info){ .bus = 1, .dev = f->dev, .iommu = f->iommu };
	f->domain = group->default_domain = domain_alloc(&f->config, f->iommu);
	assert_int_equal(intel_iommu_attach_device(f->domain, f->dev), 0);
}

/* Counted like the MAPS before it. */
static void assert_one_more(const struct fixture *f)
{
	const struct map_sums *n = &f->sim->cpus[0].map.done;
	unsigned int i;

	for (i = 0; i < MAP_PART_COUNT; i++)
		assert_int_equal(n->part_ps[i] * MAPS, f->counted.part_ps[i] * (MAPS + 1));
	for (i = 0; i < FN_COUNT; i++)
		assert_int_equal(n->calls[i] * MAPS, f->counted.calls[i] * (MAPS + 1));
}

/*
 * One page, mapped and unmapped over and over: the first times build tables and take addresses from the tree. What
 * a mapping costs once the magazines are warm is what is compared.
 */
static void measure_body(void *arg)
{
	struct fixture *f = arg;
	const uint64_t phys = 1ULL << 40;
	uint64_t kept, iova, start;
	unsigned int i, flushes;

	make(f);
	/* It keeps the tables from going with the last mapping. */
	kept = dma_map_pages(f->dev, &phys, 1, DMA_FROM_DEVICE);
	for (i = 0; i < 4 * RING; i++) {
		iova = dma_map_pages(f->dev, &phys, 1, DMA_FROM_DEVICE);
		dma_unmap_pages(f->dev, iova, 1);
	}
	sim_reset_stats(f->sim, now());
	flushes = (unsigned int)this_vcpu()->calls[FN_cache_tag_flush_all];
	for (i = 0; i < MAPS; i++) {
		uint64_t map, unmap;
		bool flushed;

		start = now();
		iova = dma_map_pages(f->dev, &phys, 1, DMA_FROM_DEVICE);
		map = now() - start;
		start = now();
		dma_unmap_pages(f->dev, iova, 1);
		unmap = now() - start;
		flushed = this_vcpu()->calls[FN_cache_tag_flush_all] != flushes;
		flushes = (unsigned int)this_vcpu()->calls[FN_cache_tag_flush_all];
		if (!i) {
			f->map = map;
			f->unmap = unmap;
		}
		/* Every one is like the first, but for the unmaps that flush. */
		assert_int_equal(map, f->map);
		if (!flushed)
			assert_true(unmap <= f->unmap);
		f->unmap_total += unmap;
		f->unmap_count++;
	}
	f->counted = this_vcpu()->map.done;
	/* A page is a page, however it is asked for. */
	start = now();
	iova = dma_map_single(f->dev, phys, PAGE_SIZE, DMA_FROM_DEVICE);
	assert_int_equal(now() - start, f->map);
	assert_one_more(f);
	dma_unmap_pages(f->dev, dma_map_coherent(f->dev, f->domain->pgd, PAGE_SIZE), 1);
	assert_one_more(f); /* which that is not */
	dma_unmap_pages(f->dev, iova, 1);
	dma_unmap_pages(f->dev, kept, 1);
	device_block_translation(f->dev);
	domain_free(f->domain);
}

static void measure(struct fixture *f, enum policy policy, bool lazy)
{
	f->config = (struct domain_config){ .policy = policy, .lazy = lazy };
	f->unmap_total = f->unmap_count = 0;
	assert_int_equal(sim_call_on_cpu(f->sim, 0, measure_body, f), 0);
}

static void maps(void **state)
{
	struct fixture *f = *state;

	measure(f, POLICY_DYNAMIC, true);
	assert_int_equal(f->map, 847);
	measure(f, POLICY_STATIC, true);
	assert_int_equal(f->map, 847);
	measure(f, POLICY_INVS, true);
	assert_int_equal(f->map, 847);
	measure(f, POLICY_ALWAYS, true);
	assert_int_equal(f->map, 847 + 146);
	measure(f, POLICY_LEGACY, true);
	assert_int_equal(f->map, 847 + 217);
}

/* Of MAPS map calls, and one more. */
static uint64_t locks_in_maps(const struct fixture *f, const char *name)
{
	uint64_t acquisitions = 0;
	uint32_t i;

	for (i = 1; i < f->sim->lock_count; i++)
		if (!strcmp(f->sim->locks[i].name, name))
			acquisitions += f->sim->locks[i].acquisitions_in_map;
	return acquisitions;
}

static void check_parts(struct fixture *f, enum policy policy, uint64_t sync_map, uint64_t lock_hold)
{
	bool flushes = lock_hold != 0;
	const uint64_t *ps = f->counted.part_ps, *calls = f->counted.calls;
	uint64_t total = 0;
	unsigned int i;

	measure(f, policy, true);
	assert_int_equal(ps[MAP_iova], MAPS * 190);
	assert_int_equal(ps[MAP_page_table], MAPS * (170 + 5 * 24 + 60));
	assert_int_equal(ps[MAP_sync_map], MAPS * sync_map);
	assert_int_equal(ps[MAP_lock_wait], 0);
	assert_int_equal(ps[MAP_lock_hold], MAPS * lock_hold);
	assert_int_equal(ps[MAP_line_stalls], 0);
	assert_int_equal(ps[MAP_other], MAPS * (150 + 157));
	for (i = 0; i < MAP_PART_COUNT; i++)
		total += ps[i];
	assert_int_equal(total, MAPS * f->map);

	assert_int_equal(calls[FN_dma_map], MAPS);
	assert_int_equal(calls[FN_iotlb_sync_map], MAPS);
	assert_int_equal(calls[FN_cache_tag_flush_range_np], flushes ? MAPS : 0);
	assert_int_equal(calls[FN_iommu_flush_write_buffer], flushes || policy == POLICY_LEGACY ? MAPS : 0);
	/* The unmaps between the maps flush too. */
	assert_int_equal(calls[FN_dma_unmap] | calls[FN_cache_tag_flush_all] | calls[FN_qi_submit_sync], 0);

	/* That of the CPU's own magazine, and the depot's when a magazine of 127 is empty. */
	assert_int_equal(locks_in_maps(f, "cache_lock"), flushes ? MAPS + 1 : 0);
	assert_int_equal(locks_in_maps(f, "&cpu_rcache->lock"), MAPS + 1);
	assert_true(locks_in_maps(f, "&rcache->lock") <= (MAPS + 1) / 127 + 1);
	assert_int_equal(locks_in_maps(f, "&iovad->iova_rbtree_lock"), 0);
	assert_int_equal(locks_in_maps(f, "&fq->lock") + locks_in_maps(f, "q_lock"), 0);
}

/* Where a map spends its instructions, what it calls and what it locks. Without other CPUs it waits for nothing. */
static void parts(void **state)
{
	struct fixture *f = *state;

	check_parts(f, POLICY_DYNAMIC, 0, 0);
	check_parts(f, POLICY_STATIC, 0, 0);
	check_parts(f, POLICY_INVS, 0, 0);
	check_parts(f, POLICY_ALWAYS, 62, 34 + 50);
	check_parts(f, POLICY_LEGACY, 217, 0);
}

/* Facts K8b counted unmaps of a lazy domain in the long run: with the addresses that flushes free, without flushes.
 */
static void unmaps(void **state)
{
	static const enum policy policies[] = { POLICY_DYNAMIC, POLICY_STATIC, POLICY_INVS, POLICY_ALWAYS,
						POLICY_LEGACY };
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		uint64_t mean;

		measure(f, policies[i], true);
		mean = f->unmap_total / f->unmap_count;
		if (mean < 1159 || mean > 1163)
			fail_msg("an unmap takes %lu instructions, %lu the first", mean, f->unmap);
	}
}

/* Fewer levels, fewer steps: one of a map, three walks of an unmap. */
static void levels(void **state)
{
	struct fixture *f = *state;
	uint64_t map, unmap;

	measure(f, POLICY_DYNAMIC, true);
	map = f->map;
	unmap = f->unmap_total / f->unmap_count;
	f->cap = CAP_4LEVEL;
	measure(f, POLICY_DYNAMIC, true);
	assert_int_equal(map - f->map, 24);
	assert_int_equal(unmap - f->unmap_total / f->unmap_count, 3 * 18);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(maps), TEST(parts), TEST(unmaps), TEST(levels) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
