/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_domain_native.c - the DMA API on several real CPUs at once, with devices that come and go and timers that
 * fire
 *
 * Two CPUs map and unmap, mostly what the other has mapped, and a third attaches and detaches other devices of
 * the same domain and maps large ranges beside theirs. ThreadSanitizer looks for races; every build checks that a
 * mapping stays what it is until it is taken away, and that nothing is left or lost at the end.
 *
 * Links with -Wl,--wrap=mod_timer: timers are due after a fraction of their time.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/cache_tag.h"
#include "sim/invs.h"
#include "sim/domain.h"
#include "sim/exec/native_vtd.h"
#include "sim/iommu.h"
#include "sim/page_table.h"
#include "sim/platform/timer.h"
#include "sim/rng.h"
#include "tests/native_test.h"

#define MS 1000000000ULL
#define TIMER_MAX_NS 200000

#define CAP_RWBF (1ULL << 4)
#define CAP_CM (1ULL << 7)
#define CAP_4LEVEL (1ULL << 10 | 47ULL << 16 | 1ULL << 39 | 18ULL << 48 | 3ULL << 34)
#define ND_256 2ULL
#define ECAP_C (1ULL << 0)
#define ECAP_DT (1ULL << 2)
#define ECAP_FIRST_STAGE (1ULL << 43 | 1ULL << 47) /* scalable mode, first stage */

#define CPUS 3
#define MAPPERS 2
#define UNITS 3
#define DEVICES 8 /* device i is behind unit i % UNITS; the first MAPPERS stay attached to unit 0 */
#define SLOTS 48
#define PAGES_MAX 64
#define BUF_PHYS (1ULL << 40)	/* buffers: nobody reads them */
#define LARGE_IOVA (1ULL << 38) /* far away from what the allocator hands out */

OBJ_TYPE_PLAIN(test_device, "device");
OBJ_TYPE_PLAIN(test_group, "group");

struct setting {
	enum policy policy;
	uint64_t caps[UNITS]; /* beside the common ones */
	bool lazy;
	bool first_stage;
	bool single_pages; /* all mappings have one page */
	enum lock_kind lock;
};

/* A mapping that waits for whoever unmaps it. */
struct slot {
	uint64_t iova; /* 0: none */
	uint64_t phys;
	uint32_t pages;
};

struct fixture {
	const struct setting *setting;
	struct native *m;
	struct native_vtd *hw[UNITS];
	struct intel_iommu *iommu[UNITS];
	struct iommu_group *group;
	struct device *devices[DEVICES];
	struct domain_config config;
	struct dmar_domain *domain;
	struct slot *slots[SLOTS]; /* taken and filled atomically */
	uint64_t end_ps;
	uint32_t maps, unmaps, toggles;
};

void __real_mod_timer(struct sim_timer *timer, uint64_t delay_ns);
void __wrap_mod_timer(struct sim_timer *timer, uint64_t delay_ns);
void __wrap_mod_timer(struct sim_timer *timer, uint64_t delay_ns)
{
	__real_mod_timer(timer, delay_ns < TIMER_MAX_NS ? delay_ns : TIMER_MAX_NS);
}

/* ---- the machine ---- */

static void add_device(struct fixture *f, uint32_t i, uint32_t unit)
{
	struct device *dev = shared_alloc(&test_device_type, sizeof(*dev));

	dev->group = f->group;
	dev->dma_mask = UINT64_MAX;
	dev->pci_32bit_workaround = true;
	dev->info = (struct device_domain_info){
		.bus = 3, .devfn = (uint8_t)(i * 8), .dev = dev, .iommu = f->iommu[unit], .ats_qdep = 4
	};
	dev->info.ats_supported = i % 2;
	f->devices[i] = dev;
}

static void setup_body(void *arg)
{
	struct fixture *f = arg;
	const struct setting *s = f->setting;
	uint64_t ecap = ECAP_C | ECAP_DT | (s->first_stage ? ECAP_FIRST_STAGE : 0);
	static const struct vtd_timing timing = { 0 };
	uint32_t i;

	for (i = 0; i < UNITS; i++) {
		uint64_t cap = CAP_4LEVEL | ND_256 | s->caps[i];

		f->hw[i] = aligned_alloc(NATIVE_APART, sizeof(*f->hw[i]));
		native_vtd_init(f->hw[i], f->m, cap, ecap, &timing);
		f->iommu[i] = iommu_create(&f->hw[i]->mmio, cap, ecap, (int)i, s->first_stage);
		native_check(f->iommu[i]);
	}
	f->group = shared_alloc(&test_group_type, sizeof(*f->group));
	for (i = 0; i < DEVICES; i++)
		add_device(f, i, i < MAPPERS ? 0 : i % UNITS);
	f->config = (struct domain_config){ .policy = s->policy, .first_stage = s->first_stage, .lazy = s->lazy };
	f->domain = domain_alloc(&f->config, f->iommu[0]);
	native_check(f->domain);
	f->group->default_domain = f->domain;
	for (i = 0; i < MAPPERS; i++)
		native_check(!intel_iommu_attach_device(f->domain, f->devices[i]));
}

static void teardown_body(void *arg)
{
	struct fixture *f = arg;
	struct cache_tag *tag;
	uint32_t i;

	for (i = 0; i < DEVICES; i++)
		device_block_translation(f->devices[i]);
	if (domain_uses_invs(f->domain)) {
		native_check(!invs_walk_next(domain_cache(f->domain)->invs, NULL));
	} else {
		list_for_each_entry(tag, &domain_cache(f->domain)->cache_tags, node)
			native_check(!"a tag is left");
	}
	domain_free(f->domain);
	for (i = 0; i < UNITS; i++) {
		/* Id 0 is the hardware's, 1 is pass-through's. */
		native_check(f->iommu[i]->domain_ids[0] == 3);
		iommu_destroy(f->iommu[i]);
		free(f->hw[i]);
	}
}

/* ---- what runs at the same time ---- */

static bool goes_on(const struct fixture *f)
{
	native_poll();
	return cpu_clock_ps() < f->end_ps;
}

static struct slot *map_some(struct fixture *f, struct device *dev, struct rng *rng)
{
	uint64_t phys[PAGES_MAX];
	struct slot *slot = calloc(1, sizeof(*slot));
	bool contiguous = rng_below(rng, 2);
	uint32_t i;

	slot->pages = 1;
	if (!f->setting->single_pages)
		slot->pages += (uint32_t)rng_below(rng, rng_below(rng, 4) ? 4 : PAGES_MAX);
	for (i = 0; i < slot->pages; i++)
		phys[i] = BUF_PHYS + (contiguous ? i : rng_below(rng, 1 << 20)) * PAGE_SIZE;
	slot->phys = phys[slot->pages - 1];
	slot->iova = dma_map_pages(dev, phys, slot->pages, DMA_FROM_DEVICE);
	native_check(slot->iova);
	native_check(domain_iova_to_phys(f->domain, slot->iova) == phys[0]);
	__atomic_fetch_add(&f->maps, 1, __ATOMIC_RELAXED);
	return slot;
}

/* Still what it was: nobody else was given the addresses, and nobody has taken them away. */
static void unmap_one(struct fixture *f, struct device *dev, struct slot *slot)
{
	uint64_t last = slot->iova + (slot->pages - 1) * PAGE_SIZE;

	native_check(domain_iova_to_phys(f->domain, last) == slot->phys);
	dma_unmap_pages(dev, slot->iova, slot->pages);
	free(slot);
	__atomic_fetch_add(&f->unmaps, 1, __ATOMIC_RELAXED);
}

/* Into a place where another CPU may find it; one that has got something meanwhile keeps that. */
static void put(struct fixture *f, struct device *dev, struct slot **place, struct slot *slot)
{
	struct slot *none = NULL;

	if (!__atomic_compare_exchange_n(place, &none, slot, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		unmap_one(f, dev, slot);
}

/*
 * CPU 0 maps and CPU 1 unmaps, for the most part, as where a device has fewer queues than there are CPUs: addresses
 * flow back through the depot.
 */
static void mapper(struct fixture *f, uint32_t cpu)
{
	struct device *dev = f->devices[cpu];
	struct rng rng;

	rng_seed(&rng, 7, cpu);
	do {
		struct slot **place = &f->slots[rng_below(&rng, SLOTS)], *slot;

		if ((cpu == 0) != (rng_below(&rng, 16) == 0)) {
			if (!__atomic_load_n(place, __ATOMIC_RELAXED))
				put(f, dev, place, map_some(f, dev, &rng));
		} else {
			slot = __atomic_exchange_n(place, NULL, __ATOMIC_ACQ_REL);
			if (slot)
				unmap_one(f, dev, slot);
		}
	} while (goes_on(f));
}

/*
 * A policy `legacy` walks the domain's units without a lock, and the kernel of that time frees what it says about a
 * unit as soon as its last device is gone: whoever maps meanwhile may read freed memory. So there the first device
 * of every unit comes first and stays.
 */
static bool may_toggle(const struct fixture *f, uint32_t device)
{
	const struct device *first;

	if (f->setting->policy != POLICY_LEGACY)
		return true;
	if (device < MAPPERS + UNITS)
		return !f->devices[device]->info.domain_attached;
	first = f->devices[device - UNITS];
	assert(first->info.iommu == f->devices[device]->info.iommu);
	return first->info.domain_attached;
}

static bool needs_sync_map(const struct fixture *f, uint32_t unit)
{
	return f->setting->caps[unit] & (CAP_RWBF | (f->setting->first_stage ? 0 : CAP_CM));
}

/* Policy `static` has decided when the domain was made, for unit 0. */
static int expected_result(const struct fixture *f, const struct device *dev)
{
	return f->setting->policy == POLICY_STATIC && needs_sync_map(f, (uint32_t)dev->info.iommu->seq_id) &&
			       !needs_sync_map(f, 0)
		       ? -EINVAL
		       : 0;
}

static void toggle(struct fixture *f, struct rng *rng)
{
	uint32_t i = MAPPERS + (uint32_t)rng_below(rng, DEVICES - MAPPERS);
	struct device *dev = f->devices[i];

	if (!may_toggle(f, i))
		return;
	if (!dev->info.domain_attached)
		native_check(intel_iommu_attach_device(f->domain, dev) == expected_result(f, dev));
	else
		device_block_translation(dev);
	f->toggles++;
}

/* Large pages, and tables that come and go with them, under the same top table as the mappers' tables. */
static void map_large(struct fixture *f, struct rng *rng)
{
	uint64_t iova = LARGE_IOVA + rng_below(rng, 4) * (1ULL << 30);
	uint64_t size = (1 + rng_below(rng, 3)) << 21, phys = BUF_PHYS + (rng_below(rng, 2) ? 0 : PAGE_SIZE);

	native_check(!iommu_map(f->domain, iova, phys, size, DMA_PTE_READ | DMA_PTE_WRITE));
	native_check(domain_iova_to_phys(f->domain, iova + size - 1) == phys + size - 1);
	native_check(iommu_unmap(f->domain, iova, size) == size);
}

static void attacher(struct fixture *f)
{
	struct rng rng;

	rng_seed(&rng, 7, CPUS);
	do {
		toggle(f, &rng);
		if (rng_below(&rng, 8) == 0)
			map_large(f, &rng);
	} while (goes_on(f));
}

static void crowd_body(void *arg, uint32_t cpu)
{
	if (cpu < MAPPERS)
		mapper(arg, cpu);
	else
		attacher(arg);
}

/* ---- what is left ---- */

static bool table_is_empty(const struct dma_pte *table, int level)
{
	uint32_t i;

	for (i = 0; i < 512; i++) {
		uint64_t val = table[i].val;

		if (!dma_pte_present(val))
			continue;
		if (level == 1 || dma_pte_superpage(val) ||
		    !table_is_empty(phys_to_virt(dma_pte_addr(val)), level - 1))
			return false;
	}
	return true;
}

static uint64_t sum(const unsigned long *by_order)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < IOVA_RANGE_CACHE_MAX_SIZE; i++)
		n += by_order[i];
	return n;
}

struct cached {
	uint64_t *pfns;
	uint64_t count;
};

static void note_cached(unsigned long pfn, unsigned int log_size, void *arg)
{
	struct cached *c = arg;

	(void)log_size;
	c->pfns[c->count++] = pfn;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Ranges of the tree that are neither cached nor reserved: allocated, or waiting for a flush. */
static uint64_t ranges_in_use(struct fixture *f)
{
	struct iova_count count;
	uint64_t cached, reserved = 1;

	iova_domain_count(&f->domain->domain.iova_cookie->iovad, &count, NULL, NULL);
	cached = sum(count.magazine_pfns) + sum(count.depot_pfns);
	native_check(count.tree_ranges >= cached + reserved);
	return count.tree_ranges - cached - reserved;
}

/* No address is cached twice. */
static void check_caches(struct fixture *f)
{
	struct iova_domain *iovad = &f->domain->domain.iova_cookie->iovad;
	struct iova_count count;
	struct cached c = { 0 };
	uint64_t i;

	iova_domain_count(iovad, &count, NULL, NULL);
	c.pfns = calloc(sum(count.magazine_pfns) + sum(count.depot_pfns) + 1, sizeof(*c.pfns));
	iova_domain_count(iovad, &count, note_cached, &c);
	qsort(c.pfns, c.count, sizeof(*c.pfns), by_value);
	for (i = 1; i < c.count; i++)
		native_check(c.pfns[i] != c.pfns[i - 1]);
	free(c.pfns);
}

static void unmap_rest_body(void *arg)
{
	struct fixture *f = arg;
	uint32_t i;

	for (i = 0; i < SLOTS; i++)
		if (f->slots[i])
			unmap_one(f, f->devices[0], f->slots[i]);
}

/* The timer belongs to the CPU that armed it: all of them serve theirs until nothing waits for a flush any more. */
static void drain_body(void *arg, uint32_t cpu)
{
	struct fixture *f = arg;
	int *armed = &f->domain->domain.iova_cookie->fq_timer_on;

	(void)cpu;
	while (__atomic_load_n(armed, __ATOMIC_ACQUIRE) && cpu_clock_ps() < f->end_ps + 60000 * MS)
		if (!native_poll())
			sched_yield();
	/* What armed it last has queued something: its own run is over when it has polled once more. */
	native_poll();
}

static void check_body(void *arg)
{
	struct fixture *f = arg;

	native_check(ranges_in_use(f) == 0);
	check_caches(f);
	native_check(table_is_empty(f->domain->pgd, agaw_to_level(f->domain->agaw)));
}

static void run_setting(const struct setting *s, uint64_t ps)
{
	struct sim_params params = native_test_params();
	struct fixture f = { .setting = s };

	params.lock = s->lock;
	f.m = native_test_create(CPUS, &params, false);
	native_test_call(f.m, 0, setup_body, &f);
	f.end_ps = native_now_ps(f.m) + ps;
	native_test_run(f.m, crowd_body, &f);
	native_test_call(f.m, 0, unmap_rest_body, &f);
	native_test_run(f.m, drain_body, &f);
	native_test_call(f.m, 0, check_body, &f);
	assert_int_equal(f.maps, f.unmaps);
	assert_true(f.maps && f.toggles);
	native_test_call(f.m, 0, teardown_body, &f);
	native_test_destroy(f.m);
}

/* ---- the settings ---- */

static void run_policy(enum policy policy)
{
	const struct setting settings[] = {
		{ .policy = policy, .lazy = true },
		{ .policy = policy },
		{ .policy = policy, .caps = { CAP_CM, CAP_CM, CAP_CM }, .lazy = true },
		{ .policy = policy, .caps = { CAP_CM, CAP_CM, CAP_CM } },
		{ .policy = policy, .caps = { CAP_RWBF, CAP_RWBF, CAP_RWBF } },
		{ .policy = policy, .caps = { 0, CAP_CM, CAP_RWBF }, .lazy = true },
		{ .policy = policy, .lazy = true, .first_stage = true },
		{ .policy = policy, .caps = { 0, CAP_CM, CAP_RWBF }, .first_stage = true },
	};
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		run_setting(&settings[i], 20 * MS);
}

static void legacy(void **state)
{
	(void)state;
	run_policy(POLICY_LEGACY);
}

static void always(void **state)
{
	(void)state;
	run_policy(POLICY_ALWAYS);
}

static void set_at_attach(void **state)
{
	(void)state;
	run_policy(POLICY_DYNAMIC);
}

static void fixed_at_allocation(void **state)
{
	(void)state;
	run_policy(POLICY_STATIC);
}

static void without_a_lock(void **state)
{
	(void)state;
	run_policy(POLICY_INVS);
}

static void with_every_lock(void **state)
{
	static const enum lock_kind kinds[] = { LOCK_TICKET, LOCK_TAS, LOCK_MCS };
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct setting s = {
			.policy = POLICY_ALWAYS, .caps = { CAP_CM, CAP_CM, CAP_CM }, .lazy = true, .lock = kinds[i]
		};

		run_setting(&s, 30 * MS);
	}
}

/* Magazines of one size only: they fill soonest, and those that are full go from the one CPU to the other. */
static void through_the_depot(void **state)
{
	const struct setting strict = { .policy = POLICY_ALWAYS, .single_pages = true };
	const struct setting lazy = { .policy = POLICY_ALWAYS, .single_pages = true, .lazy = true };

	(void)state;
	run_setting(&strict, 100 * MS);
	run_setting(&lazy, 100 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legacy),
		cmocka_unit_test(always),
		cmocka_unit_test(set_at_attach),
		cmocka_unit_test(fixed_at_allocation),
		cmocka_unit_test(without_a_lock),
		cmocka_unit_test(with_every_lock),
		cmocka_unit_test(through_the_depot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
