/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_vtd_hw.c - what a unit translates, what it goes on translating until told otherwise, and what it refuses
 *
 * The driver's side of the unit (sim/iommu.c, sim/domain.c) writes the structures; entries are then changed behind
 * its back, so that what comes out shows where it came from.
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
#include "sim/page_table.h"
#include "sim/rng.h"
#include "sim/vtd_hw.h"
#include "tests/sim_test.h"

#define CAP_FS1GP (1ULL << 56)
#define CAP_FS5LP (1ULL << 60)
#define CAP_CM (1ULL << 7)
#define CAP_RWBF (1ULL << 4)
/* 2 MiB and 1 GiB pages, PSI with any mask, 256 domain ids */
#define CAP_COMMON (3ULL << 34 | 1ULL << 39 | 63ULL << 48 | 2)
#define CAP_4LEVEL (CAP_COMMON | 1ULL << 10 | 47ULL << 16)
#define CAP_5LEVEL (CAP_COMMON | 1ULL << 11 | 1ULL << 10 | 56ULL << 16 | CAP_FS5LP | CAP_FS1GP)
#define ECAP (1ULL | 1ULL << 2 | 1ULL << 6) /* coherent, DT, PT */

#define FAULT UINT64_MAX
#define OLD (1ULL << 40)
#define NEW (1ULL << 41)
#define BASE (1ULL << 33)
#define WALK_PS 70000

static const struct vtd_timing timing = {
	.qi_fetch_ps = 200000,
	.qi_iotlb_ps = 300000,
	.qi_devtlb_ps = 400000,
	.qi_wait_ps = 50000,
	.walk_ps = WALK_PS,
	.write_buffer_ps = 2000000,
};

struct fixture {
	void *sim; /* as sim_test_setup() leaves it */
	struct vtd_hw hw;
	struct intel_iommu *iommu;
	struct domain_config config;
	struct dmar_domain *domain[2];
	struct device *dev[4];
	struct vtd_requester r[4];
	struct iommu_group *group;
	struct rng rng;
};

OBJ_TYPE_PLAIN(test_device, "device");

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	sim_test_setup(&f->sim);
	rng_seed(&f->rng, 6, 6);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sim_test_teardown(&f->sim);
	free(f);
	return 0;
}

#define RUN(name)                                   \
	static void name(void **state)              \
	{                                           \
		run_on_cpu(0, name##_body, *state); \
	}

static void power_on(struct fixture *f, uint64_t cap, bool scalable, uint32_t iotlb_entries)
{
	assert_int_equal(vtd_hw_init(&f->hw, f->sim, 0, cap, ECAP, &timing, iotlb_entries), 0);
	f->iommu = iommu_create(&f->hw.mmio, cap, ECAP, 0, scalable);
	assert_non_null(f->iommu);
}

/* A device on bus 5; it is behind the unit and attached to nothing. */
static void add_device_at(struct fixture *f, unsigned int i, uint8_t devfn, bool ats)
{
	f->dev[i] = shared_alloc(&test_device_type, sizeof(*f->dev[i]));
	f->dev[i]->info = (struct device_domain_info){
		.bus = 5, .devfn = devfn, .dev = f->dev[i], .iommu = f->iommu, .ats_supported = ats
	};
	assert_int_equal(vtd_requester_init(&f->r[i], &f->hw, (uint16_t)(5 << 8 | devfn), ats), 0);
}

/* 05:00.0, .2, .4 and .6 */
static void add_device(struct fixture *f, unsigned int i, bool ats)
{
	add_device_at(f, i, (uint8_t)(i * 2), ats);
}

static void add_domain(struct fixture *f, unsigned int i, bool first_stage)
{
	f->config = (struct domain_config){ .policy = POLICY_ALWAYS, .first_stage = first_stage };
	f->domain[i] = domain_alloc(&f->config, f->iommu);
	assert_non_null(f->domain[i]);
}

/* The usual: unit, device 0 attached to domain 0. */
static void make(struct fixture *f, uint64_t cap, bool scalable, uint32_t iotlb_entries)
{
	power_on(f, cap, scalable, iotlb_entries);
	add_device(f, 0, false);
	add_domain(f, 0, false);
	assert_int_equal(intel_iommu_attach_device(f->domain[0], f->dev[0]), 0);
}

static void power_off(struct fixture *f)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(f->dev); i++) {
		if (!f->dev[i])
			continue;
		device_block_translation(f->dev[i]);
		vtd_requester_destroy(&f->r[i]);
		f->dev[i] = NULL;
	}
	for (i = 0; i < 2; i++) {
		domain_free(f->domain[i]);
		f->domain[i] = NULL;
	}
	iommu_destroy(f->iommu);
	vtd_hw_destroy(&f->hw);
}

static void map(struct fixture *f, unsigned int domain, uint64_t iova, uint64_t phys, uint64_t size)
{
	assert_int_equal(iommu_map(f->domain[domain], iova, phys, size, DMA_PTE_READ | DMA_PTE_WRITE), 0);
}

/* Where a request goes, FAULT when it is blocked; *@took_ps is the unit's time. */
static uint64_t request(struct vtd_requester *r, uint64_t iova, bool write, uint64_t *took_ps)
{
	uint64_t now = this_vcpu()->proc.now_ps, time_ps = now, phys, faults = r->dma_faults;
	enum vtd_fault_reason fault = vtd_translate(r, iova, write, &time_ps, &phys);

	assert_true(time_ps >= now);
	*took_ps = time_ps - now;
	assert_int_equal(r->dma_faults, faults + (fault != VTD_FAULT_NONE));
	if (fault == VTD_FAULT_NONE)
		return phys;
	assert_int_equal(r->last_fault, fault);
	return FAULT;
}

static uint64_t where(struct fixture *f, unsigned int device, uint64_t iova)
{
	uint64_t took_ps;

	return request(&f->r[device], iova, true, &took_ps);
}

static enum vtd_fault_reason reason(struct fixture *f, unsigned int device, uint64_t iova, bool write)
{
	uint64_t took_ps;

	assert_int_equal(request(&f->r[device], iova, write, &took_ps), FAULT);
	return f->r[device].last_fault;
}

/* Behind the driver's back: another page, without any invalidation. */
static void change_pte(struct fixture *f, unsigned int domain, uint64_t iova, uint64_t phys)
{
	int level = 0;
	struct dma_pte *pte = pfn_to_dma_pte(f->domain[domain], iova >> 12, &level, COST_MAP_WALK_LEVEL);

	pte->val = (pte->val & ~VTD_PTE_ADDR_MASK) | phys;
}

static void submit(struct fixture *f, uint64_t qw0, uint64_t qw1)
{
	struct qi_desc desc = { .qw0 = qw0, .qw1 = qw1 };

	qi_submit_sync(f->iommu, &desc, 1);
}

static uint64_t did_of(struct fixture *f, unsigned int domain)
{
	return domain_id_iommu(f->domain[domain], f->iommu);
}

static void invalidate_pages(struct fixture *f, unsigned int domain, uint64_t iova, unsigned int order, bool hint)
{
	submit(f, did_of(f, domain) << 16 | 3 << 4 | 2, iova | (hint ? 1 << 6 : 0) | order);
}

static void invalidate_domain(struct fixture *f, unsigned int domain)
{
	submit(f, did_of(f, domain) << 16 | 2 << 4 | 2, 0);
}

static void invalidate_all(struct fixture *f)
{
	submit(f, 1 << 4 | 2, 0);
}

/* ---- registers ---- */

static void registers_body(void *arg)
{
	struct fixture *f = arg;
	struct mmio_device *reg = &f->hw.mmio;
	uint64_t start;

	assert_int_equal(vtd_hw_init(&f->hw, f->sim, 1, CAP_4LEVEL | CAP_RWBF, ECAP, &timing, 64), 0);
	assert_int_equal(mmio_read(reg, 0x08), CAP_4LEVEL | CAP_RWBF);
	assert_int_equal(mmio_read(reg, 0x10), ECAP);
	assert_int_equal(mmio_read(reg, 0x1c), 0);
	assert_int_equal(mmio_read(reg, 0x34), 0);
	f->iommu = iommu_create(reg, CAP_4LEVEL | CAP_RWBF, ECAP, 0, false);
	assert_int_equal(mmio_read(reg, 0x1c), 1U << 31 | 1U << 30 | 1U << 26);
	assert_int_equal(mmio_read(reg, 0x80), 0);
	invalidate_all(f);
	assert_int_equal(mmio_read(reg, 0x80), 32); /* the descriptor and the wait descriptor */
	assert_int_equal(mmio_read(reg, 0x88), 32);
	assert_int_equal(f->hw.descriptors, 2);

	/* The flush takes its time, and TE stays set through it. */
	start = this_vcpu()->proc.now_ps;
	mmio_write(reg, 0x18, f->iommu->gcmd | 1U << 27);
	assert_int_equal(mmio_read(reg, 0x1c), 1U << 31 | 1U << 30 | 1U << 27 | 1U << 26);
	proc_hold(&this_vcpu()->proc, timing.write_buffer_ps);
	assert_int_equal(mmio_read(reg, 0x1c), 1U << 31 | 1U << 30 | 1U << 26);
	start = this_vcpu()->proc.now_ps;
	iommu_flush_write_buffer(f->iommu);
	assert_true(this_vcpu()->proc.now_ps - start >= timing.write_buffer_ps);

	/* Translation off: everything goes through as it is. */
	add_device(f, 0, false);
	assert_int_equal(reason(f, 0, 0x1000, false), VTD_FAULT_ROOT_NOT_PRESENT);
	mmio_write(reg, 0x18, 1U << 26);
	assert_int_equal(where(f, 0, 0x1234567), 0x1234567);
	power_off(f);
}

RUN(registers)

/* Time of an invalidation: fetch, execution, wait; the CPU polls no more often than a register can be read. */
static void invalidation_time_body(void *arg)
{
	struct fixture *f = arg;
	struct qi_desc desc[10] = { 0 };
	unsigned int i;

	make(f, CAP_4LEVEL, false, 64);
	f->hw.timing = (struct vtd_timing){
		.qi_fetch_ps = 5000000, .qi_iotlb_ps = 3000000, .qi_devtlb_ps = 11000000, .qi_wait_ps = 7000000
	};
	for (i = 0; i < 10; i++)
		desc[i].qw0 = i == 4 ? 0x500ULL << 32 | 3 : 1 << 4 | 2; /* one of them for a device TLB */
	for (i = 1; i <= 10; i++) {
		uint64_t least = 5000000 + i * 3000000ULL + (i > 4 ? 8000000 : 0) + 7000000, took;
		uint64_t start = this_vcpu()->proc.now_ps;

		qi_submit_sync(f->iommu, desc, i);
		took = this_vcpu()->proc.now_ps - start;
		assert_true(took >= least && took < least + 2000000);
	}
	power_off(f);
}

RUN(invalidation_time)

/* ---- translations ---- */

struct range {
	uint64_t iova, phys, size;
	bool write;
};

static uint64_t expected_phys(const struct range *ranges, unsigned int count, uint64_t iova, bool write)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (ranges[i].size && iova - ranges[i].iova < ranges[i].size)
			return write && !ranges[i].write ? FAULT : ranges[i].phys + (iova - ranges[i].iova);
	return FAULT;
}

/* Mapped and unmapped at random, with a small IOTLB: each request is answered as by the list of what is mapped. */
static void check_translations(struct fixture *f, uint64_t cap, bool scalable, bool first_stage)
{
	struct range ranges[32] = { 0 };
	unsigned int step, i;
	uint64_t took_ps;

	power_on(f, cap, scalable, 12);
	add_device(f, 0, false);
	add_domain(f, 0, first_stage);
	assert_int_equal(intel_iommu_attach_device(f->domain[0], f->dev[0]), 0);
	for (step = 0; step < 1500; step++) {
		struct range *range = &ranges[rng_below(&f->rng, ARRAY_SIZE(ranges))];

		if (range->size) {
			assert_int_equal(iommu_unmap(f->domain[0], range->iova, range->size), range->size);
			range->size = 0;
		} else {
			static const uint64_t sizes[] = { 4096, 8192, 65536, 1 << 21, 3 << 21, 1 << 30 };
			uint64_t slot = (uint64_t)(range - ranges);

			/* Each range has 4 GiB of its own, so that large pages happen. */
			*range = (struct range){
				.iova = (slot + 1) << 32,
				.phys = rng_below(&f->rng, 1ULL << 18) << 30,
				.size = sizes[rng_below(&f->rng, ARRAY_SIZE(sizes))],
				.write = rng_below(&f->rng, 2),
			};
			if (rng_below(&f->rng, 2)) {
				range->iova += rng_below(&f->rng, 512) << 12;
				range->size = (range->size & 0xffffff) | 4096;
			}
			assert_int_equal(iommu_map(f->domain[0], range->iova, range->phys, range->size,
						   range->write ? DMA_PTE_WRITE : DMA_PTE_READ),
					 0);
		}
		for (i = 0; i < 12; i++) {
			const struct range *at = &ranges[rng_below(&f->rng, ARRAY_SIZE(ranges))];
			uint64_t size = at->size ? at->size : 1 << 21;
			uint64_t iova = at->iova + (rng_below(&f->rng, size + 8192) & ~(i & 1 ? 4095ULL : 0));
			bool write = rng_below(&f->rng, 2);

			if (iova)
				assert_int_equal(request(&f->r[0], iova, write, &took_ps),
						 expected_phys(ranges, ARRAY_SIZE(ranges), iova, write));
		}
	}
	assert_true(f->hw.iotlb_hits > 100 && f->hw.iotlb_misses > 100);
	power_off(f);
}

static void translations_body(void *arg)
{
	check_translations(arg, CAP_4LEVEL, false, false);
	check_translations(arg, CAP_5LEVEL, false, false);
	check_translations(arg, CAP_4LEVEL | CAP_CM, false, false);
	check_translations(arg, CAP_5LEVEL, true, false);
	check_translations(arg, CAP_4LEVEL, true, true);
	check_translations(arg, CAP_5LEVEL, true, true);
}

RUN(translations)

/* Reads a miss costs: as many as there are levels, one where the paging-structure cache knows the upper ones. */
static void hits_and_misses_body(void *arg)
{
	struct fixture *f = arg;
	uint64_t took_ps;
	unsigned int i, k;

	make(f, CAP_4LEVEL, false, 4);
	assert_int_equal(f->hw.iotlb_sets, 1);
	map(f, 0, BASE, OLD, 8 * 4096);
	request(&f->r[0], BASE, false, &took_ps);
	assert_int_equal(took_ps, (2 + 4) * WALK_PS); /* root and context entry, four levels */
	for (i = 1; i < 4; i++) {
		request(&f->r[0], BASE + i * 4096, false, &took_ps);
		assert_int_equal(took_ps, WALK_PS);
	}
	assert_int_equal(f->hw.iotlb_misses, 4);
	for (k = 0; k < 5; k++)
		for (i = 0; i < 4; i++) {
			assert_int_equal(request(&f->r[0], BASE + i * 4096 + k, k & 1, &took_ps),
					 OLD + i * 4096 + k);
			assert_int_equal(took_ps, 0);
		}
	assert_int_equal(f->hw.iotlb_hits, 20);

	/* A fifth page takes the place of one of them: of one only. */
	request(&f->r[0], BASE + 4 * 4096, false, &took_ps);
	f->hw.iotlb_misses = 0;
	request(&f->r[0], BASE + 4 * 4096, false, &took_ps);
	assert_int_equal(f->hw.iotlb_misses, 0);
	for (i = k = 0; i < 4; i++) {
		const struct iotlb_entry *e;
		unsigned int way;

		for (way = 0; way < 4; way++) {
			e = &f->hw.iotlb[way];
			k += e->valid && e->iova_pfn == (BASE >> 12) + i;
		}
	}
	assert_int_equal(k, 3);

	/* Where a permission was missing, what is found then takes the old entry's place. */
	invalidate_all(f);
	pfn_to_dma_pte(f->domain[0], BASE >> 12, &(int){ 0 }, COST_MAP_WALK_LEVEL)->val &= ~2ULL;
	assert_int_equal(request(&f->r[0], BASE, true, &took_ps), FAULT);
	assert_int_equal(request(&f->r[0], BASE, false, &took_ps), OLD);
	pfn_to_dma_pte(f->domain[0], BASE >> 12, &(int){ 0 }, COST_MAP_WALK_LEVEL)->val |= 2;
	assert_int_equal(request(&f->r[0], BASE, true, &took_ps), OLD);
	f->hw.iotlb_misses = 0;
	assert_int_equal(request(&f->r[0], BASE, true, &took_ps), OLD);
	assert_int_equal(request(&f->r[0], BASE, false, &took_ps), OLD);
	assert_int_equal(f->hw.iotlb_misses, 0);

	/* With the hint the upper levels stay known, without it they go. */
	invalidate_pages(f, 0, BASE, 3, true);
	request(&f->r[0], BASE, false, &took_ps);
	assert_int_equal(took_ps, WALK_PS);
	invalidate_pages(f, 0, BASE, 3, false);
	request(&f->r[0], BASE, false, &took_ps);
	assert_int_equal(took_ps, 4 * WALK_PS);
	invalidate_domain(f, 0);
	request(&f->r[0], BASE, false, &took_ps);
	assert_int_equal(took_ps, 4 * WALK_PS);
	power_off(f);
}

RUN(hits_and_misses)

/* ---- invalidation ---- */

/* The lazy window: as long as nobody invalidates, the old page is where requests go. */
static void stale_until_invalidated_body(void *arg)
{
	struct fixture *f = arg;

	make(f, CAP_4LEVEL, false, 64);
	map(f, 0, BASE, OLD, 4096);
	assert_int_equal(where(f, 0, BASE + 5), OLD + 5);
	change_pte(f, 0, BASE, NEW);
	assert_int_equal(where(f, 0, BASE + 5), OLD + 5);
	invalidate_pages(f, 0, BASE + 4096, 0, false);
	assert_int_equal(where(f, 0, BASE + 5), OLD + 5);
	invalidate_pages(f, 0, BASE, 0, false);
	assert_int_equal(where(f, 0, BASE + 5), NEW + 5);
	/* Gone from the tables, and still there. */
	change_pte(f, 0, BASE, 0);
	pfn_to_dma_pte(f->domain[0], BASE >> 12, &(int){ 0 }, COST_MAP_WALK_LEVEL)->val = 0;
	assert_int_equal(where(f, 0, BASE), NEW);
	invalidate_domain(f, 0);
	assert_int_equal(where(f, 0, BASE), FAULT);
	/* What is not there is not cached: a mapping needs no invalidation. */
	map(f, 0, BASE, OLD, 4096);
	assert_int_equal(where(f, 0, BASE), OLD);
	power_off(f);
}

RUN(stale_until_invalidated)

/* Of 256 cached pages, those in the aligned power of two that the descriptor says, and no others. */
static void page_ranges_body(void *arg)
{
	struct fixture *f = arg;
	unsigned int round, i;

	make(f, CAP_4LEVEL, false, 4096);
	map(f, 0, BASE, OLD, 256 * 4096);
	for (round = 0; round < 120; round++) {
		uint64_t old = round & 1 ? NEW : OLD, new = round & 1 ? OLD : NEW;
		unsigned int order = (unsigned int)rng_below(&f->rng, 10);
		unsigned int page = (unsigned int)rng_below(&f->rng, 256) >> order << order;

		for (i = 0; i < 256; i++)
			assert_int_equal(where(f, 0, BASE + i * 4096), old + i * 4096);
		for (i = 0; i < 256; i++)
			change_pte(f, 0, BASE + i * 4096, new + i * 4096);
		invalidate_pages(f, 0, BASE + page * 4096UL, order, round & 2);
		for (i = 0; i < 256; i++)
			assert_int_equal(where(f, 0, BASE + i * 4096),
					 (i >> order == page >> order ? new : old) + i * 4096);
		invalidate_domain(f, 0);
	}
	power_off(f);
}

RUN(page_ranges)

/* A range that only touches a large page takes all of it away. */
static void large_pages_body(void *arg)
{
	static const uint64_t sizes[] = { 1 << 21, 1 << 30 };
	struct fixture *f = arg;
	unsigned int s, order;

	make(f, CAP_4LEVEL, false, 64);
	for (s = 0; s < 2; s++) {
		uint64_t size = sizes[s];

		map(f, 0, BASE, OLD, size);
		map(f, 0, BASE + size, OLD + size, size);
		for (order = 0; order < 20; order++) {
			uint64_t within = (size - 4096) >> (12 + order) << (12 + order);

			change_pte(f, 0, BASE, OLD);
			change_pte(f, 0, BASE + size, OLD + size);
			invalidate_all(f);
			assert_int_equal(where(f, 0, BASE + 12345), OLD + 12345);
			assert_int_equal(where(f, 0, BASE + size + 12345), OLD + size + 12345);
			change_pte(f, 0, BASE, NEW);
			change_pte(f, 0, BASE + size, NEW + size);
			assert_int_equal(where(f, 0, BASE + size - 1), OLD + size - 1);
			invalidate_pages(f, 0, BASE + within, order, false);
			assert_int_equal(where(f, 0, BASE + 12345), NEW + 12345);
			if (size > within && 1ULL << (12 + order) <= size)
				assert_int_equal(where(f, 0, BASE + size), OLD + size);
		}
		invalidate_all(f);
		iommu_unmap(f->domain[0], BASE, 2 * size);
	}
	power_off(f);
}

RUN(large_pages)

/*
 * A page may be cached twice after its table has given way to a large page (6.5.1): an invalidation of the page
 * takes both.
 */
static void two_entries_body(void *arg)
{
	struct fixture *f = arg;
	struct dma_pte *pte;
	uint64_t table;
	int level = 2;

	make(f, CAP_4LEVEL, false, 64);
	map(f, 0, BASE, OLD, 8192);
	pte = pfn_to_dma_pte(f->domain[0], BASE >> 12, &level, COST_MAP_WALK_LEVEL);
	table = pte->val;
	assert_int_equal(where(f, 0, BASE), OLD);
	pte->val = NEW | 1 << 7 | 3;
	assert_int_equal(where(f, 0, BASE + 8192), NEW + 8192); /* caches the large page */
	pte->val = table;
	change_pte(f, 0, BASE, OLD + 4096);
	invalidate_pages(f, 0, BASE, 0, false);
	assert_int_equal(where(f, 0, BASE), OLD + 4096);
	power_off(f);
}

RUN(two_entries)

/* The same addresses in two domains */
static void domains_apart_body(void *arg)
{
	struct fixture *f = arg;

	make(f, CAP_4LEVEL, false, 64);
	add_device(f, 1, false);
	add_domain(f, 1, false);
	assert_int_equal(intel_iommu_attach_device(f->domain[1], f->dev[1]), 0);
	map(f, 0, BASE, OLD, 4096);
	map(f, 1, BASE, OLD + 4096, 4096);
	for (unsigned int i = 0; i < 3; i++) {
		change_pte(f, 0, BASE, OLD);
		change_pte(f, 1, BASE, OLD + 4096);
		invalidate_all(f);
		assert_int_equal(where(f, 0, BASE), OLD);
		assert_int_equal(where(f, 1, BASE), OLD + 4096);
		change_pte(f, 0, BASE, NEW);
		change_pte(f, 1, BASE, NEW + 4096);
		if (i == 0)
			invalidate_pages(f, 1, BASE, 0, false);
		if (i == 1)
			invalidate_pages(f, 1, BASE, 9, false);
		if (i == 2)
			invalidate_domain(f, 1);
		assert_int_equal(where(f, 0, BASE), OLD);
		assert_int_equal(where(f, 1, BASE), NEW + 4096);
		invalidate_all(f);
		assert_int_equal(where(f, 0, BASE), NEW);
	}
	power_off(f);
}

RUN(domains_apart)

/* First stage: by PASID-based descriptors (6.5.2.4), all of a PASID or pages of it. */
static void first_stage_invalidation_body(void *arg)
{
	struct fixture *f = arg;
	uint64_t did;

	power_on(f, CAP_4LEVEL, true, 64);
	add_device(f, 0, false);
	add_domain(f, 0, true);
	assert_int_equal(intel_iommu_attach_device(f->domain[0], f->dev[0]), 0);
	did = did_of(f, 0);
	map(f, 0, BASE, OLD, 8192);
	assert_int_equal(where(f, 0, BASE), OLD);
	assert_int_equal(where(f, 0, BASE + 4096), OLD + 4096);
	change_pte(f, 0, BASE, NEW);
	change_pte(f, 0, BASE + 4096, NEW + 4096);
	submit(f, did << 16 | 3 << 4 | 6, BASE);
	assert_int_equal(where(f, 0, BASE), NEW);
	assert_int_equal(where(f, 0, BASE + 4096), OLD + 4096);
	submit(f, (did + 1) << 16 | 2 << 4 | 6, 0);
	assert_int_equal(where(f, 0, BASE + 4096), OLD + 4096);
	submit(f, did << 16 | 2 << 4 | 6, 0);
	assert_int_equal(where(f, 0, BASE + 4096), NEW + 4096);
	power_off(f);
}

RUN(first_stage_invalidation)

/* ---- context cache ---- */

static void point_at(struct fixture *f, unsigned int device, unsigned int domain)
{
	assert_int_equal(iommu_set_context(f->iommu, &f->dev[device]->info, virt_to_phys(f->domain[domain]->pgd), 2,
					   (uint16_t)(40 + domain), 0, false),
			 0);
}

static void context_invalidate(struct fixture *f, unsigned int gran, uint64_t did, uint64_t sid, uint64_t fm)
{
	submit(f, fm << 48 | sid << 32 | did << 16 | gran << 4 | 1, 0);
}

static void check_contexts(struct fixture *f, unsigned int changed)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		assert_int_equal(where(f, i, BASE), changed & 1U << i ? NEW : OLD);
		point_at(f, i, 0);
	}
	context_invalidate(f, 1, 0, 0, 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(where(f, i, BASE), OLD);
		point_at(f, i, 1);
		assert_int_equal(where(f, i, BASE), OLD);
	}
}

static void context_cache_body(void *arg)
{
	struct fixture *f = arg;
	unsigned int i;

	power_on(f, CAP_4LEVEL, false, 64);
	for (i = 0; i < 4; i++)
		add_device(f, i, false); /* 05:00.0, .2, .4, .6 */
	add_domain(f, 0, false);
	add_domain(f, 1, false);
	map(f, 0, BASE, OLD, 4096);
	map(f, 1, BASE, NEW, 4096);
	for (i = 0; i < 4; i++) {
		point_at(f, i, 0);
		assert_int_equal(where(f, i, BASE), OLD);
		point_at(f, i, 1);
	}
	check_contexts(f, 0);
	context_invalidate(f, 3, 40, 0x502, 0);
	check_contexts(f, 1 << 1);
	context_invalidate(f, 3, 40, 0x600, 0);
	check_contexts(f, 0);
	/* Function mask 2: bits 2:1 of the function are not compared; here: .0, .2, .4 and .6 are one. */
	context_invalidate(f, 3, 40, 0x500, 2);
	check_contexts(f, 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3);
	/* Function mask 1: bit 2 is not compared: .0 and .4. */
	context_invalidate(f, 3, 40, 0x504, 1);
	check_contexts(f, 1 << 0 | 1 << 2);
	context_invalidate(f, 2, 41, 0, 0);
	check_contexts(f, 0);
	context_invalidate(f, 2, 40, 0, 0);
	check_contexts(f, 15);
	context_invalidate(f, 1, 0, 0, 0);
	check_contexts(f, 15);
	for (i = 0; i < 4; i++) {
		vtd_requester_destroy(&f->r[i]);
		f->dev[i] = NULL;
	}
	power_off(f);
}

RUN(context_cache)

/* ---- faults (7.1.3) ---- */

static void legacy_faults_body(void *arg)
{
	struct fixture *f = arg;
	struct context_entry *context;
	int level = 2;

	power_on(f, CAP_4LEVEL, false, 64);
	add_device(f, 0, false);
	assert_int_equal(reason(f, 0, BASE, false), 0x01); /* root entry */
	add_domain(f, 0, false);
	assert_int_equal(intel_iommu_attach_device(f->domain[0], f->dev[0]), 0);
	add_device(f, 1, false);
	assert_int_equal(reason(f, 1, BASE, true), 0x02); /* context entry */

	assert_int_equal(reason(f, 0, BASE, false), 0x06); /* not mapped */
	assert_int_equal(reason(f, 0, BASE, true), 0x05);
	assert_int_equal(iommu_map(f->domain[0], BASE, OLD, 4096, DMA_PTE_READ), 0);
	assert_int_equal(reason(f, 0, BASE, true), 0x05); /* read-only */
	assert_int_equal(where(f, 0, BASE + 4096), FAULT);
	assert_int_equal(reason(f, 0, 1ULL << 48, false), 0x04); /* too wide */
	assert_int_equal(reason(f, 0, 0xfee00000, true), 0x0e);
	assert_int_equal(reason(f, 0, 0xfeefffff, false), 0x0e);
	assert_int_equal(reason(f, 0, 0xfef00000, false), 0x06);
	assert_int_equal(reason(f, 0, 0xfedfffff, false), 0x06);
	pfn_to_dma_pte(f->domain[0], BASE >> 12, &level, COST_MAP_WALK_LEVEL)->val |= 1ULL << 62;
	assert_int_equal(reason(f, 0, BASE, false), 0x0c); /* reserved bit in an entry */

	/* A context entry with a reserved bit, and one for a type that the unit does not have */
	context = phys_to_virt(f->iommu->root_entry[5].lo & ~4095ULL);
	context[0].hi |= 1ULL << 30;
	context_invalidate(f, 1, 0, 0, 0);
	assert_int_equal(reason(f, 0, BASE, false), 0x0b);
	context[0].hi &= ~(1ULL << 30);
	context[0].lo = (context[0].lo & ~12ULL) | 2 << 2;
	assert_int_equal(where(f, 0, BASE), BASE);
	f->hw.ecap &= ~(1ULL << 6);
	context_invalidate(f, 1, 0, 0, 0);
	assert_int_equal(reason(f, 0, BASE, false), 0x03);
	f->hw.ecap |= 1ULL << 6;

	/* Half of an entry: no address width, which CM=0 does not remember. */
	context[0].lo = (context[0].lo & ~12ULL);
	context[0].hi &= ~7ULL;
	context_invalidate(f, 1, 0, 0, 0);
	assert_int_equal(reason(f, 0, BASE, false), 0x03);
	context[0].hi |= 2;
	assert_int_equal(reason(f, 0, BASE, false), 0x0c);

	/* Detached: blocked at once. */
	context[0].lo = (context[0].lo & ~12ULL);
	context_invalidate(f, 1, 0, 0, 0);
	map(f, 0, 1ULL << 34, OLD, 4096);
	assert_int_equal(where(f, 0, 1ULL << 34), OLD);
	device_block_translation(f->dev[0]);
	assert_int_equal(reason(f, 0, 1ULL << 34, false), 0x02);
	power_off(f);
}

RUN(legacy_faults)

static void scalable_faults_body(void *arg)
{
	struct fixture *f = arg;
	int level = 0;

	power_on(f, CAP_4LEVEL, true, 64);
	add_device(f, 0, false);
	assert_int_equal(reason(f, 0, BASE, false), 0x39); /* root entry */
	add_domain(f, 0, true);
	assert_int_equal(intel_iommu_attach_device(f->domain[0], f->dev[0]), 0);
	add_device(f, 1, false);
	assert_int_equal(reason(f, 1, BASE, true), 0x41);  /* context entry */
	assert_int_equal(reason(f, 0, BASE, false), 0x71); /* not mapped, first stage */
	assert_int_equal(iommu_map(f->domain[0], BASE, OLD, 4096, DMA_PTE_READ), 0);
	assert_int_equal(reason(f, 0, BASE, true), 0x85);	 /* read-only */
	assert_int_equal(reason(f, 0, 1ULL << 47, false), 0x80); /* not canonical */
	assert_int_equal(reason(f, 0, 0xfee00000, true), 0x87);
	pfn_to_dma_pte(f->domain[0], BASE >> 12, &level, COST_MAP_WALK_LEVEL)->val &= ~4ULL;
	assert_int_equal(reason(f, 0, BASE, false), 0x81); /* not for users */
	device_block_translation(f->dev[0]);
	assert_int_equal(reason(f, 0, BASE, false), 0x59); /* PASID-table entry */

	add_domain(f, 1, false);
	assert_int_equal(intel_iommu_attach_device(f->domain[1], f->dev[1]), 0);
	assert_int_equal(reason(f, 1, BASE, false), 0x79);	 /* not mapped, second stage */
	assert_int_equal(reason(f, 1, 1ULL << 48, false), 0x84); /* too wide */

	/* The upper half of the root entry is for devices from 10h on. */
	add_device_at(f, 2, 0x90, false);
	assert_int_equal(reason(f, 2, BASE, false), 0x39);
	assert_int_equal(intel_iommu_attach_device(f->domain[1], f->dev[2]), 0);
	map(f, 1, BASE, OLD, 4096);
	assert_int_equal(where(f, 2, BASE), OLD);
	add_device_at(f, 3, 0x98, false);
	assert_int_equal(reason(f, 3, BASE, false), 0x41);
	power_off(f);
}

RUN(scalable_faults)

/* ---- device TLBs ---- */

static void invalidate_device_tlb(struct fixture *f, uint64_t sid, uint64_t range)
{
	submit(f, sid << 32 | 3, range);
}

static void device_tlb_body(void *arg)
{
	struct fixture *f = arg;
	uint64_t took_ps;
	unsigned int i;

	power_on(f, CAP_4LEVEL, false, 4096);
	add_device(f, 0, true);
	add_device(f, 1, true);
	add_domain(f, 0, false);
	assert_int_equal(intel_iommu_attach_device(f->domain[0], f->dev[0]), 0);
	assert_int_equal(intel_iommu_attach_device(f->domain[0], f->dev[1]), 0);
	map(f, 0, BASE, OLD, 32 * 4096);
	for (i = 0; i < 32; i++) {
		assert_int_equal(where(f, 0, BASE + i * 4096), OLD + i * 4096);
		assert_int_equal(where(f, 1, BASE + i * 4096), OLD + i * 4096);
	}
	for (i = 0; i < 32; i++)
		change_pte(f, 0, BASE + i * 4096, NEW + i * 4096);
	/* The unit has forgotten, the devices have not, and do not ask. */
	invalidate_domain(f, 0);
	for (i = 0; i < 32; i++) {
		assert_int_equal(request(&f->r[0], BASE + i * 4096 + 7, false, &took_ps), OLD + i * 4096 + 7);
		assert_int_equal(took_ps, 0);
	}
	invalidate_device_tlb(f, 0x500, BASE + 3 * 4096);
	assert_int_equal(where(f, 0, BASE + 2 * 4096), OLD + 2 * 4096);
	assert_int_equal(where(f, 0, BASE + 3 * 4096), NEW + 3 * 4096);
	assert_int_equal(where(f, 0, BASE + 4 * 4096), OLD + 4 * 4096);
	assert_int_equal(where(f, 1, BASE + 3 * 4096), OLD + 3 * 4096);
	/* Eight pages from the ninth on: bits 12 and 13 set, 14 clear, S */
	invalidate_device_tlb(f, 0x502, (BASE + 8 * 4096) | 3 << 12 | 1);
	for (i = 0; i < 32; i++)
		assert_int_equal(where(f, 1, BASE + i * 4096), (i / 8 == 1 ? NEW : OLD) + i * 4096);
	assert_int_equal(where(f, 0, BASE + 8 * 4096), OLD + 8 * 4096);
	/* Many pages share an entry of it; and what it holds for reading is not for writing. */
	map(f, 0, BASE + 64 * 4096, OLD + 64 * 4096, 64 * 4096);
	for (i = 0; i < 32; i++) {
		assert_int_equal(where(f, 0, BASE + (64 + i) * 4096), OLD + (64 + i) * 4096);
		assert_int_equal(where(f, 0, BASE + (96 + i) * 4096), OLD + (96 + i) * 4096);
		assert_int_equal(where(f, 0, BASE + i * 4096), NEW + i * 4096);
	}
	assert_int_equal(iommu_map(f->domain[0], BASE + 200 * 4096, OLD, 4096, DMA_PTE_READ), 0);
	assert_int_equal(request(&f->r[0], BASE + 200 * 4096, false, &took_ps), OLD);
	assert_int_equal(request(&f->r[0], BASE + 200 * 4096, true, &took_ps), FAULT);
	for (i = 0; i < 32; i++)
		change_pte(f, 0, BASE + i * 4096, OLD + i * 4096);
	invalidate_domain(f, 0);
	assert_int_equal(where(f, 0, BASE), NEW);
	invalidate_device_tlb(f, 0x500, 0x7ffffffffffff001);
	for (i = 0; i < 32; i++)
		assert_int_equal(where(f, 0, BASE + i * 4096), OLD + i * 4096);
	power_off(f);
}

RUN(device_tlb)

/* ATS goes off with the device's translation: nothing that its TLB held may serve a request after that. */
static void detached_device_tlb_body(void *arg)
{
	struct fixture *f = arg;

	power_on(f, CAP_4LEVEL, false, 64);
	add_device(f, 0, true);
	add_domain(f, 0, false);
	add_domain(f, 1, false);
	map(f, 0, BASE, OLD, 4096);
	map(f, 1, BASE, NEW, 4096);
	assert_int_equal(intel_iommu_attach_device(f->domain[0], f->dev[0]), 0);
	assert_int_equal(where(f, 0, BASE), OLD);
	assert_int_equal(intel_iommu_attach_device(f->domain[1], f->dev[0]), 0);
	assert_int_equal(where(f, 0, BASE), NEW);
	device_block_translation(f->dev[0]);
	assert_int_equal(where(f, 0, BASE), FAULT);
	power_off(f);
}

RUN(detached_device_tlb)

/* Unmapped through the driver, an address is gone from the device TLB too when iommu_unmap() returns. */
static void unmap_reaches_device_tlb_body(void *arg)
{
	struct fixture *f = arg;
	unsigned int i;

	power_on(f, CAP_4LEVEL, false, 64);
	add_device(f, 0, true);
	add_device(f, 1, true);
	add_domain(f, 0, false);
	assert_int_equal(intel_iommu_attach_device(f->domain[0], f->dev[0]), 0);
	assert_int_equal(intel_iommu_attach_device(f->domain[0], f->dev[1]), 0);
	for (i = 1; i < 40; i++) {
		map(f, 0, BASE, OLD, i * 4096UL);
		assert_int_equal(where(f, 0, BASE + i * 4096 - 1), OLD + i * 4096 - 1);
		assert_int_equal(where(f, 1, BASE), OLD);
		assert_int_equal(iommu_unmap(f->domain[0], BASE, i * 4096UL), i * 4096UL);
		assert_int_equal(where(f, 0, BASE + i * 4096 - 1), FAULT);
		assert_int_equal(where(f, 1, BASE), FAULT);
	}
	power_off(f);
}

RUN(unmap_reaches_device_tlb)

/* ---- errors in the queue (6.5.2.10) ---- */

static void put_raw(struct fixture *f, uint64_t slot, uint64_t qw0, uint64_t qw1)
{
	f->iommu->qi->desc[2 * slot] = qw0;
	f->iommu->qi->desc[2 * slot + 1] = qw1;
}

static void invalid_descriptor_body(void *arg)
{
	struct fixture *f = arg;
	struct mmio_device *reg = &f->hw.mmio;
	uint64_t slot, did;

	make(f, CAP_4LEVEL, false, 64);
	map(f, 0, BASE, OLD, 4096);
	assert_int_equal(where(f, 0, BASE), OLD);
	change_pte(f, 0, BASE, NEW);
	did = did_of(f, 0);
	slot = mmio_read(reg, 0x80) / 16;
	put_raw(f, slot, 1 << 4 | 1, 0);
	put_raw(f, slot + 1, did << 16 | 2 << 4 | 2 | 1ULL << 40, 0); /* bit 40 is reserved */
	put_raw(f, slot + 2, did << 16 | 2 << 4 | 2, 0);
	mmio_write(reg, 0x88, (slot + 3) * 16);
	proc_hold(&this_vcpu()->proc, 10000000);
	assert_int_equal(mmio_read(reg, 0x34), 1 << 4);
	assert_int_equal(mmio_read(reg, 0x80), (slot + 1) * 16); /* the head stays at it */
	assert_int_equal(where(f, 0, BASE), OLD);
	assert_int_equal(f->hw.iotlb_invalidations, 0);

	/* Repaired and cleared, the queue goes on from there. */
	put_raw(f, slot + 1, 1 << 4 | 1, 0);
	mmio_write(reg, 0x34, 1 << 4);
	proc_hold(&this_vcpu()->proc, 10000000);
	assert_int_equal(mmio_read(reg, 0x34), 0);
	assert_int_equal(mmio_read(reg, 0x80), (slot + 3) * 16);
	assert_int_equal(where(f, 0, BASE), NEW);
	/* The driver knows nothing of them: its ring stands where the unit's head is now. */
	f->iommu->qi->free_head = f->iommu->qi->free_tail = (int)slot + 3;
	power_off(f);
}

RUN(invalid_descriptor)

/* ---- what the unit counts ---- */

static void check_counters(const struct fixture *f, uint64_t flushes, uint64_t iotlb, uint64_t devtlb)
{
	assert_int_equal(f->hw.write_buffer_flushes, flushes);
	assert_int_equal(f->hw.iotlb_invalidations, iotlb);
	assert_int_equal(f->hw.devtlb_invalidations, devtlb);
}

static void forget_counters(struct fixture *f)
{
	f->hw.write_buffer_flushes = f->hw.iotlb_invalidations = f->hw.devtlb_invalidations = 0;
}

/* Descriptors of 128 bits, one by one and several at a time; where nothing is to be flushed, no flush is done. */
static void counters_body(void *arg)
{
	struct fixture *f = arg;
	struct qi_desc desc[3];

	make(f, CAP_4LEVEL, false, 64);
	forget_counters(f);
	invalidate_pages(f, 0, BASE, 2, false);
	invalidate_domain(f, 0);
	invalidate_all(f);
	check_counters(f, 0, 3, 0);
	invalidate_device_tlb(f, 0x500, BASE);
	check_counters(f, 0, 3, 1);
	context_invalidate(f, 1, 0, 0, 0);
	check_counters(f, 0, 3, 1);
	desc[0] = desc[2] = qi_desc_iotlb(CAP_4LEVEL, 0, 0, 0, DMA_TLB_GLOBAL_FLUSH);
	desc[1] = qi_desc_dev_iotlb(0x500, 0, 0, BASE, 0);
	qi_submit_sync(f->iommu, desc, 3);
	check_counters(f, 0, 5, 2);
	mmio_write(&f->hw.mmio, 0x18, f->iommu->gcmd | 1U << 27);
	mmio_write(&f->hw.mmio, 0x18, f->iommu->gcmd);
	check_counters(f, 0, 5, 2);
	power_off(f);
}

RUN(counters)

/* Descriptors of 256 bits, and a unit with a write buffer. */
static void scalable_counters_body(void *arg)
{
	struct fixture *f = arg;
	struct qi_desc desc;

	power_on(f, CAP_4LEVEL | CAP_RWBF, true, 64);
	check_counters(f, 0, 0, 0);
	desc = qi_desc_piotlb(1, 0, 0, QI_IOTLB_NPAGES_ALL, false);
	qi_submit_sync(f->iommu, &desc, 1);
	check_counters(f, 0, 1, 0);
	desc = qi_desc_dev_iotlb_pasid(0x500, 0, 0, 0, BASE, 0);
	qi_submit_sync(f->iommu, &desc, 1);
	check_counters(f, 0, 1, 1);
	desc = qi_desc_pasid_cache(1, QI_PC_PASID_SEL, 0);
	qi_submit_sync(f->iommu, &desc, 1);
	iommu_flush_write_buffer(f->iommu);
	iommu_flush_write_buffer(f->iommu);
	check_counters(f, 2, 1, 1);
	power_off(f);
}

RUN(scalable_counters)

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers),
		TEST(invalidation_time),
		TEST(translations),
		TEST(hits_and_misses),
		TEST(stale_until_invalidated),
		TEST(page_ranges),
		TEST(large_pages),
		TEST(two_entries),
		TEST(domains_apart),
		TEST(first_stage_invalidation),
		TEST(context_cache),
		TEST(legacy_faults),
		TEST(scalable_faults),
		TEST(device_tlb),
		TEST(detached_device_tlb),
		TEST(unmap_reaches_device_tlb),
		TEST(invalid_descriptor),
		TEST(counters),
		TEST(scalable_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
