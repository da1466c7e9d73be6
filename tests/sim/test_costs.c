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
	flushes = (unsigned int)this_vcpu()->calls[FN_cache_tag_flush_all];
	for (i = 0; i < 8 * RING; i++) {
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
	/* A page is a page, however it is asked for. */
	start = now();
	iova = dma_map_single(f->dev, phys, PAGE_SIZE, DMA_FROM_DEVICE);
	assert_int_equal(now() - start, f->map);
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
	measure(f, POLICY_ALWAYS, true);
	assert_int_equal(f->map, 847 + 146);
	measure(f, POLICY_LEGACY, true);
	assert_int_equal(f->map, 847 + 217);
}

/* Facts K8b counted unmaps of a lazy domain in the long run: with the addresses that flushes free, without flushes.
 */
static void unmaps(void **state)
{
	static const enum policy policies[] = { POLICY_DYNAMIC, POLICY_STATIC, POLICY_ALWAYS, POLICY_LEGACY };
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
	const struct CMUnitTest tests[] = { TEST(maps), TEST(unmaps), TEST(levels) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
