/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_domain.c - attach and detach, the policies, map and unmap, and what happens when something fails in between
 *
 * Units are doubles that write down every descriptor; translations are looked up with the bare table walk of
 * sim/vtd_walk.h from the context entry on, so nothing cached hides a wrong entry.
 *
 * Links with -Wl,--wrap=region_alloc: it makes memory run out, and looks at the state at the time of an allocation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/cache_tag.h"
#include "sim/domain.h"
#include "sim/iommu.h"
#include "sim/page_table.h"
#include "sim/rng.h"
#include "sim/vtd_walk.h"
#include "tests/sim/vtd_double.h"
#include "tests/sim_test.h"

#define CAP_RWBF (1ULL << 4)
#define CAP_CM (1ULL << 7)
#define CAP_SAGAW_3LEVEL (1ULL << 9)
#define CAP_SAGAW_4LEVEL (1ULL << 10)
#define CAP_SAGAW_5LEVEL (1ULL << 11)
#define CAP_MGAW(bits) ((uint64_t)((bits)-1) << 16)
#define CAP_2M (1ULL << 34)
#define CAP_1G (1ULL << 35)
#define CAP_PSI (1ULL << 39 | 18ULL << 48)
#define CAP_FS1GP (1ULL << 56)
#define CAP_FS5LP (1ULL << 60)
#define CAP_4LEVEL (CAP_SAGAW_4LEVEL | CAP_MGAW(48) | CAP_PSI | CAP_2M | CAP_1G)
#define CAP_5LEVEL (CAP_SAGAW_4LEVEL | CAP_SAGAW_5LEVEL | CAP_MGAW(57) | CAP_PSI | CAP_2M | CAP_1G | CAP_FS5LP)
#define ND_16 0
#define ND_256 2

#define ECAP_C (1ULL << 0)
#define ECAP_DT (1ULL << 2)
#define ECAP_PT (1ULL << 6)
#define ECAP (ECAP_C | ECAP_DT | ECAP_PT)

#define BUF_PHYS (1ULL << 40) /* buffers: nobody reads them */
#define MAX_UNITS 3
#define MAX_DEVICES 24

struct unit {
	struct vtd_double hw;
	struct intel_iommu *iommu;
};

struct fixture {
	void *sim; /* as sim_test_setup() leaves it */
	struct unit units[MAX_UNITS];
	struct device *devices[MAX_DEVICES];
	struct iommu_group *group;
	struct domain_config config;
	struct dmar_domain *domain;
	struct vtd_log log;
	int allocations_left; /* negative: no limit */
	bool stays_short;     /* after the first that failed, all do */
	const char *watched;  /* type whose allocation the hook looks at */
	void (*hook)(struct fixture *f);
	unsigned int hook_calls;
};

static struct fixture *current;

void *__real_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align);
void *__wrap_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align);
void *__wrap_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align)
{
	if (current && current->watched && !strcmp(type->name, current->watched))
		current->hook(current);
	if (current && !current->allocations_left) {
		current->allocations_left -= !current->stays_short;
		return NULL;
	}
	if (current && current->allocations_left > 0)
		current->allocations_left--;
	return __real_region_alloc(r, type, size, align);
}

OBJ_TYPE_PLAIN(test_device, "device");
OBJ_TYPE_PLAIN(test_group, "group");

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->allocations_left = -1;
	current = f;
	sim_test_setup(&f->sim);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sim_test_teardown(&f->sim);
	current = NULL;
	free(f);
	return 0;
}

static void add_unit(struct fixture *f, unsigned int i, uint64_t cap, bool scalable)
{
	vtd_double_init(&f->units[i].hw, f->sim, &f->log, i);
	f->units[i].iommu = iommu_create(&f->units[i].hw.mmio, cap, ECAP, (int)i, scalable);
	assert_non_null(f->units[i].iommu);
}

static struct device *add_device(struct fixture *f, unsigned int i, unsigned int unit)
{
	struct device *dev = shared_alloc(&test_device_type, sizeof(*dev));

	assert_non_null(dev);
	if (!f->group)
		f->group = shared_alloc(&test_group_type, sizeof(*f->group));
	f->devices[i] = dev;
	dev->group = f->group;
	dev->dma_mask = UINT64_MAX;
	dev->pci_32bit_workaround = true;
	dev->info = (struct device_domain_info){
		.bus = 3, .devfn = (uint8_t)(i * 8), .dev = dev, .iommu = f->units[unit].iommu, .ats_qdep = 4
	};
	return dev;
}

static void new_domain(struct fixture *f, enum policy policy, bool first_stage, bool lazy)
{
	f->config = (struct domain_config){ .policy = policy, .first_stage = first_stage, .lazy = lazy };
	f->domain = domain_alloc(&f->config, f->units[0].iommu);
	assert_non_null(f->domain);
	if (f->group)
		f->group->default_domain = f->domain;
}

static uint64_t live_objects(const struct fixture *f)
{
	return ((struct sim *)f->sim)->region.live_objects;
}

static bool tags_empty(const struct fixture *f)
{
	return list_empty(&domain_cache(f->domain)->cache_tags);
}

static unsigned int tag_count(const struct fixture *f)
{
	struct cache_tag *tag;
	unsigned int n = 0;

	list_for_each_entry(tag, &domain_cache(f->domain)->cache_tags, node)
		n++;
	return n;
}

/* ---- what hardware would see: from the root table to the page ---- */

static uint64_t read64(void *ctx, uint64_t pa)
{
	struct fixture *f = ctx;

	return *(const uint64_t *)region_virt(&((struct sim *)f->sim)->region, pa);
}

struct view {
	bool present;
	uint64_t root;
	int levels;
	bool first_stage;
	unsigned int tt;
	uint16_t did;
};

static struct view legacy_view(struct fixture *f, const struct unit *u, const struct device_domain_info *info)
{
	uint64_t root = read64(f, (u->hw.rtaddr & ~4095ULL) + info->bus * 16UL), lo, hi;

	if (!(root & 1))
		return (struct view){ 0 };
	lo = read64(f, (root & ~4095ULL) + info->devfn * 16UL);
	hi = read64(f, (root & ~4095ULL) + info->devfn * 16UL + 8);
	return (struct view){
		.present = lo & 1,
		.root = lo & ~4095ULL,
		.levels = (int)(hi & 7) + 2,
		.tt = lo >> 2 & 3,
		.did = (uint16_t)(hi >> 8),
	};
}

static struct view scalable_view(struct fixture *f, const struct unit *u, const struct device_domain_info *info)
{
	uint64_t half = read64(f, (u->hw.rtaddr & ~4095ULL) + info->bus * 16UL + (info->devfn & 0x80 ? 8 : 0));
	uint64_t context, dir, entry, val0, val2;

	if (!(half & 1))
		return (struct view){ 0 };
	context = read64(f, (half & ~4095ULL) + (info->devfn & 0x7f) * 32UL);
	if (!(context & 1))
		return (struct view){ 0 };
	dir = read64(f, context & ~4095ULL);
	entry = dir & ~4095ULL;
	val0 = read64(f, entry);
	val2 = read64(f, entry + 16);
	return (struct view){
		.present = (dir & 1) && (val0 & 1),
		.first_stage = (val0 >> 6 & 7) == 1,
		.root = (val0 >> 6 & 7) == 1 ? val2 & ~4095ULL : val0 & ~4095ULL,
		.levels = (val0 >> 6 & 7) == 1 ? 4 + (int)(val2 >> 2 & 1) : (int)(val0 >> 2 & 7) + 2,
		.tt = (val0 >> 6 & 7) == 4 ? 2 : 0,
		.did = (uint16_t)read64(f, entry + 8),
	};
}

static struct view view_of(struct fixture *f, const struct device *dev)
{
	const struct unit *u = &f->units[dev->info.iommu->seq_id];

	return u->hw.rtaddr & 1 << 10 ? scalable_view(f, u, &dev->info) : legacy_view(f, u, &dev->info);
}

static bool blocked(struct fixture *f, const struct device *dev)
{
	return !view_of(f, dev).present;
}

/* Where @dev's request ends up; UINT64_MAX where it faults. */
static uint64_t translate(struct fixture *f, const struct device *dev, uint64_t iova, bool write)
{
	struct view v = view_of(f, dev);
	struct vtd_translation t;

	if (!v.present)
		return UINT64_MAX;
	if (v.tt == 2)
		return iova;
	if (vtd_walk(v.root, v.levels, v.first_stage, dev->info.iommu->cap, dev->info.iommu->ecap, iova, write,
		     read64, f, &t) != WALK_OK)
		return UINT64_MAX;
	return vtd_translation_addr(&t, iova);
}

#define RUN(name)                                   \
	static void name(void **state)              \
	{                                           \
		run_on_cpu(0, name##_body, *state); \
	}

/* ---- attach and detach ---- */

static void look_at_tag_allocation(struct fixture *f)
{
	const struct device *dev = f->devices[0];

	/* Context entry and ATS are there, tags and flag not yet (facts K7). */
	f->hook_calls++;
	assert_false(blocked(f, dev));
	assert_true(dev->info.ats_enabled);
	assert_false(f->domain->flags & DOMAIN_IOTLB_SYNC_MAP);
}

static unsigned int unit_count(const struct dmar_domain *domain)
{
	const struct iommu_array *array = domain->iommu_array.head;
	unsigned int n = 0, i;

	for (i = 0; i < array->count; i++)
		n += array->info[i] != NULL;
	return n;
}

static void look_at_context_invalidation(void *arg)
{
	struct fixture *f = arg;

	/* Caching mode: the first descriptors come with the entry, before ATS and tags. */
	assert_false(blocked(f, f->devices[0]));
	assert_false(f->devices[0]->info.ats_enabled);
	assert_true(tags_empty(f));
	assert_false(f->domain->flags & DOMAIN_IOTLB_SYNC_MAP);
	assert_int_equal(unit_count(f->domain), 1);
}

static void attach_order_body(void *arg)
{
	struct fixture *f = arg;
	struct device *dev;

	add_unit(f, 0, CAP_4LEVEL | CAP_CM | ND_256, false);
	dev = add_device(f, 0, 0);
	dev->info.ats_supported = true;
	new_domain(f, POLICY_DYNAMIC, false, false);
	f->log = (struct vtd_log){ .hook = look_at_context_invalidation, .arg = f };
	f->watched = "cache_tag";
	f->hook = look_at_tag_allocation;
	assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);
	f->watched = NULL;
	f->log.hook = NULL;
	assert_int_equal(f->hook_calls, 2);
	assert_int_equal(f->log.count, 4);
	assert_int_equal(tag_count(f), 2);
	assert_true(f->domain->flags & DOMAIN_IOTLB_SYNC_MAP);
	assert_int_equal(view_of(f, dev).tt, 1);
	device_block_translation(dev);
	assert_true(blocked(f, dev));
	assert_false(dev->info.ats_enabled);
	assert_true(tags_empty(f));
	domain_free(f->domain);
}

RUN(attach_order)

/* Attached and detached in any order, over and over: ids come back, memory too. */
static void churn_body(void *arg)
{
	struct fixture *f = arg;
	bool attached[MAX_DEVICES] = { false };
	unsigned int i, step, per_unit[MAX_UNITS] = { 0 };
	uint64_t before;
	struct rng rng;

	for (i = 0; i < MAX_UNITS; i++)
		add_unit(f, i, CAP_4LEVEL | (i == 1 ? CAP_CM : 0) | ND_16, false);
	for (i = 0; i < MAX_DEVICES; i++)
		add_device(f, i, i % MAX_UNITS)->info.ats_supported = i % 2;
	rng_seed(&rng, 3, 3);
	new_domain(f, POLICY_DYNAMIC, false, false);
	/* What a bus or a domain keeps for good is there once everything has been attached. */
	for (i = 0; i < MAX_DEVICES; i++)
		assert_int_equal(intel_iommu_attach_device(f->domain, f->devices[i]), 0);
	for (i = 0; i < MAX_DEVICES; i++)
		device_block_translation(f->devices[i]);
	before = live_objects(f);
	for (step = 0; step < 600; step++) {
		i = (unsigned int)rng_below(&rng, MAX_DEVICES);
		if (attached[i])
			device_block_translation(f->devices[i]);
		else
			assert_int_equal(intel_iommu_attach_device(f->domain, f->devices[i]), 0);
		attached[i] = !attached[i];
		per_unit[i % MAX_UNITS] += attached[i] ? 1 : -1U;
		assert_int_equal(blocked(f, f->devices[i]), !attached[i]);
		assert_int_equal(unit_count(f->domain), !!per_unit[0] + !!per_unit[1] + !!per_unit[2]);
		/* Every now and then all go. */
		if (step % 100 != 99)
			continue;
		for (i = 0; i < MAX_DEVICES; i++) {
			if (attached[i])
				device_block_translation(f->devices[i]);
			attached[i] = false;
			per_unit[i % MAX_UNITS] = 0;
		}
		assert_int_equal(live_objects(f), before);
		assert_true(tags_empty(f));
		assert_true(cds_list_empty(&f->domain->devices));
		for (i = 0; i < MAX_UNITS; i++)
			assert_int_equal(f->units[i].iommu->domain_ids[0] & ~3ULL, 0);
	}
	domain_free(f->domain);
}

RUN(churn)

/* Ids run out at 16 domains; 0 and FLPT_DEFAULT_DID are not for them. */
static void domain_ids_body(void *arg)
{
	struct fixture *f = arg;
	struct dmar_domain *domains[16];
	struct device *dev;
	unsigned int i, n, did;
	uint32_t seen = 0;
	int ret = 0;

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	f->config.policy = POLICY_ALWAYS;
	for (n = 0; n < 16; n++) {
		add_device(f, n, 0);
		domains[n] = domain_alloc(&f->config, f->units[0].iommu);
		ret = intel_iommu_attach_device(domains[n], f->devices[n]);
		if (ret)
			break;
		did = domain_id_iommu(domains[n], f->units[0].iommu);
		assert_true(did > 1 && did < 16);
		assert_false(seen & 1U << did);
		seen |= 1U << did;
		assert_int_equal(view_of(f, f->devices[n]).did, did);
	}
	assert_int_equal(n, 14);
	assert_int_equal(ret, -ENOSPC);
	assert_true(blocked(f, f->devices[n]));
	assert_false(f->devices[n]->info.domain_attached);

	/* The one that is given back is the one that is handed out. */
	dev = f->devices[5];
	did = domain_id_iommu(domains[5], f->units[0].iommu);
	device_block_translation(dev);
	assert_int_equal(intel_iommu_attach_device(domains[n], f->devices[n]), 0);
	assert_int_equal(domain_id_iommu(domains[n], f->units[0].iommu), did);
	device_block_translation(f->devices[n]);
	for (i = 0; i < n; i++)
		device_block_translation(f->devices[i]);
	for (i = 0; i <= n; i++)
		domain_free(domains[i]);
}

RUN(domain_ids)

/* Pass-through devices all use FLPT_DEFAULT_DID: any number of them, and domains keep theirs. */
static void identity_body(void *arg)
{
	struct fixture *f = arg;
	bool scalable;
	unsigned int i;

	for (scalable = false;; scalable = true) {
		uint64_t ids;

		add_unit(f, 0, CAP_4LEVEL | ND_16, scalable);
		ids = f->units[0].iommu->domain_ids[0];
		for (i = 0; i < MAX_DEVICES; i++) {
			struct view v;

			add_device(f, i, 0);
			assert_int_equal(identity_domain_attach_dev(f->devices[i]), 0);
			v = view_of(f, f->devices[i]);
			assert_true(v.present);
			assert_int_equal(v.tt, 2);
			assert_int_equal(v.did, 1);
			assert_int_equal(v.levels, 4);
			assert_int_equal(translate(f, f->devices[i], 0x1234000, true), 0x1234000);
		}
		for (i = 0; i < MAX_DEVICES; i++) {
			device_block_translation(f->devices[i]);
			assert_true(blocked(f, f->devices[i]));
		}
		assert_int_equal(f->units[0].iommu->domain_ids[0], ids);
		if (scalable)
			break;
	}
}

RUN(identity)

/* From pass-through to a domain and back. */
static void change_of_domain_body(void *arg)
{
	struct fixture *f = arg;
	struct device *dev;
	unsigned int i;

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	dev = add_device(f, 0, 0);
	new_domain(f, POLICY_STATIC, false, false);
	assert_int_equal(iommu_map(f->domain, 0x10000, BUF_PHYS, 4096, DMA_PTE_READ), 0);
	for (i = 0; i < 40; i++) {
		assert_int_equal(identity_domain_attach_dev(dev), 0);
		assert_int_equal(translate(f, dev, 0x10000, false), 0x10000);
		assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);
		assert_int_equal(translate(f, dev, 0x10000, false), BUF_PHYS);
		assert_int_equal(tag_count(f), 1);
	}
	device_block_translation(dev);
	domain_free(f->domain);
}

RUN(change_of_domain)

/* Facts K4c: no context entry of its own and no tag. Another device on the bus has the context table made. */
static void subdevice_body(void *arg)
{
	struct fixture *f = arg;
	struct device *dev;

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	dev = add_device(f, 0, 0);
	assert_int_equal(identity_domain_attach_dev(add_device(f, 1, 0)), 0);
	dev->info.real_dma_subdevice = true;
	new_domain(f, POLICY_STATIC, false, false);
	assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);
	assert_true(tags_empty(f));
	assert_true(blocked(f, dev));
	assert_int_equal(unit_count(f->domain), 1);
	f->log.count = 0;
	device_block_translation(dev);
	assert_int_equal(f->log.count, 0);
	assert_int_equal(unit_count(f->domain), 0);
	domain_free(f->domain);
}

RUN(subdevice)

/* ---- the policies ---- */

static void static_refuses_body(void *arg)
{
	struct fixture *f = arg;
	struct device *plain, *needy;

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	add_unit(f, 1, CAP_4LEVEL | CAP_CM | ND_16, false);
	add_unit(f, 2, CAP_4LEVEL | CAP_RWBF | ND_16, false);
	plain = add_device(f, 0, 0);
	new_domain(f, POLICY_STATIC, false, false);
	assert_false(f->domain->flags & DOMAIN_IOTLB_SYNC_MAP);
	assert_int_equal(intel_iommu_attach_device(f->domain, plain), 0);
	assert_int_equal(iommu_map(f->domain, 0x10000, BUF_PHYS, 4096, DMA_PTE_WRITE), 0);

	for (unsigned int unit = 1; unit <= 2; unit++) {
		struct domain_config always = { .policy = POLICY_ALWAYS };
		struct dmar_domain *other = domain_alloc(&always, f->units[unit].iommu);

		/* It comes from a domain of its own, and is in none afterwards. */
		needy = add_device(f, unit, unit);
		assert_int_equal(intel_iommu_attach_device(other, needy), 0);
		assert_false(blocked(f, needy));
		assert_int_equal(intel_iommu_attach_device(f->domain, needy), -EINVAL);
		assert_true(blocked(f, needy));
		assert_false(needy->info.domain_attached);
		assert_null(needy->info.domain);
		assert_int_equal(tag_count(f), 1);
		assert_int_equal(unit_count(f->domain), 1);
		assert_false(f->domain->flags & DOMAIN_IOTLB_SYNC_MAP);
		assert_int_equal(translate(f, plain, 0x10000, true), BUF_PHYS);
		domain_free(other);
	}
	device_block_translation(plain);
	domain_free(f->domain);

	/* Allocated for a unit that needs it, the domain takes units that do not. */
	f->units[0].iommu->cap |= CAP_CM;
	new_domain(f, POLICY_STATIC, false, false);
	assert_true(f->domain->flags & DOMAIN_IOTLB_SYNC_MAP);
	f->units[0].iommu->cap &= ~CAP_CM;
	assert_int_equal(intel_iommu_attach_device(f->domain, plain), 0);
	assert_int_equal(intel_iommu_attach_device(f->domain, needy), 0);
	device_block_translation(plain);
	device_block_translation(needy);
	domain_free(f->domain);
}

RUN(static_refuses)

static void dynamic_body(void *arg)
{
	struct fixture *f = arg;
	const struct vtd_event flush[] = {
		{ 1, VTD_EVENT_DESC, { 2ULL << 16 | 3 << 4 | 2, 0x11000 } },
		{ .unit = 1, .kind = VTD_EVENT_WAIT },
	};
	struct device *plain, *needy;
	const uint64_t *calls = this_vcpu()->calls;

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	add_unit(f, 1, CAP_4LEVEL | CAP_CM | ND_16, false);
	plain = add_device(f, 0, 0);
	needy = add_device(f, 1, 1);
	new_domain(f, POLICY_DYNAMIC, false, false);
	assert_int_equal(intel_iommu_attach_device(f->domain, plain), 0);
	assert_false(f->domain->flags & DOMAIN_IOTLB_SYNC_MAP);
	f->log.count = 0;
	assert_int_equal(iommu_map(f->domain, 0x10000, BUF_PHYS, 4096, DMA_PTE_READ), 0);
	assert_int_equal(calls[FN_cache_tag_flush_range_np], 0);
	assert_int_equal(f->log.count, 0);

	assert_int_equal(intel_iommu_attach_device(f->domain, needy), 0);
	assert_true(f->domain->flags & DOMAIN_IOTLB_SYNC_MAP);
	f->log.count = 0;
	assert_int_equal(iommu_map(f->domain, 0x11000, BUF_PHYS, 4096, DMA_PTE_READ), 0);
	assert_int_equal(calls[FN_cache_tag_flush_range_np], 1);
	f->log.events[0].qw[0] = (f->log.events[0].qw[0] & ~0xffff0000ULL) | 2ULL << 16; /* whichever id it got */
	vtd_log_check(&f->log, flush, 2);

	/* The flag stays when the unit goes, as in the kernel. */
	device_block_translation(needy);
	assert_true(f->domain->flags & DOMAIN_IOTLB_SYNC_MAP);
	device_block_translation(plain);
	domain_free(f->domain);
}

RUN(dynamic)

/* One mapping in a domain of one unit: which calls, and what hardware gets. */
static void check_policy(struct fixture *f, enum policy policy, uint64_t cap, bool first_stage)
{
	bool cm = cap & CAP_CM, rwbf = cap & CAP_RWBF, needed = rwbf || (cm && !first_stage);
	const uint64_t *calls = this_vcpu()->calls;
	uint64_t before[FN_COUNT], wanted_np;
	struct device *dev;

	add_unit(f, 0, cap | ND_16, first_stage);
	dev = add_device(f, 0, 0);
	new_domain(f, policy, first_stage, false);
	assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);
	/* The tables are there before: their write-buffer flush is not what is counted. */
	assert_int_equal(iommu_map(f->domain, 0x20000, BUF_PHYS, 4096, DMA_PTE_READ), 0);
	memcpy(before, calls, sizeof(before));
	f->log.count = 0;
	assert_int_equal(iommu_map(f->domain, 0x10000, BUF_PHYS, 8192, DMA_PTE_READ), 0);

	wanted_np = policy == POLICY_ALWAYS || (policy != POLICY_LEGACY && needed);
	assert_int_equal(calls[FN_iotlb_sync_map] - before[FN_iotlb_sync_map], 1);
	assert_int_equal(calls[FN_cache_tag_flush_range_np] - before[FN_cache_tag_flush_range_np], wanted_np);
	assert_int_equal(calls[FN_cache_tag_flush_range] - before[FN_cache_tag_flush_range], 0);
	if (cm && !first_stage) {
		uint64_t did = domain_id_iommu(f->domain, f->units[0].iommu);
		const struct vtd_event flush[] = {
			{ 0, VTD_EVENT_DESC, { did << 16 | 3 << 4 | 2, 0x10000 | 1 } },
			{ .unit = 0, .kind = VTD_EVENT_WAIT },
		};

		vtd_log_check(&f->log, flush, 2);
	} else if (rwbf) {
		const struct vtd_event flush = { .unit = 0, .kind = VTD_EVENT_WBF };

		vtd_log_check(&f->log, &flush, 1);
	} else {
		vtd_log_check(&f->log, NULL, 0);
	}
	/* Lock-free: the early return counts for `always` as for `legacy`. */
	if (policy == POLICY_LEGACY || policy == POLICY_ALWAYS)
		assert_int_equal(calls[FN_iommu_flush_write_buffer] - before[FN_iommu_flush_write_buffer],
				 !cm || first_stage);
	device_block_translation(dev);
	domain_free(f->domain);
}

static void policies_body(void *arg)
{
	static const enum policy policies[] = { POLICY_LEGACY, POLICY_ALWAYS, POLICY_DYNAMIC, POLICY_STATIC,
						POLICY_INVS };
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(policies); i++)
		for (k = 0; k < 8; k++)
			check_policy(arg, policies[i], CAP_4LEVEL | (k & 1 ? CAP_CM : 0) | (k & 2 ? CAP_RWBF : 0),
				     k & 4);
}

RUN(policies)

/* Legacy goes by unit, not by tag, in the order of the units; a range too large for PSI takes the domain. */
static void legacy_units_body(void *arg)
{
	struct fixture *f = arg;
	struct vtd_event flush[4] = { 0 };
	unsigned int i;

	for (i = 0; i < MAX_UNITS; i++)
		add_unit(f, i, (i == 1 ? CAP_4LEVEL : CAP_4LEVEL | CAP_CM) | ND_16, false);
	f->units[2].iommu->cap &= ~(63ULL << 48);
	new_domain(f, POLICY_LEGACY, false, false);
	for (i = 0; i < 6; i++)
		assert_int_equal(
			intel_iommu_attach_device(f->domain, add_device(f, i, MAX_UNITS - 1 - i % MAX_UNITS)), 0);
	f->log.count = 0;
	assert_int_equal(iommu_map(f->domain, 0x10000, BUF_PHYS, 8192, DMA_PTE_READ), 0);
	flush[0] = (struct vtd_event){ 0,
				       VTD_EVENT_DESC,
				       { (uint64_t)domain_id_iommu(f->domain, f->units[0].iommu) << 16 | 3 << 4 | 2,
					 0x10001 } };
	flush[1] = (struct vtd_event){ .unit = 0, .kind = VTD_EVENT_WAIT };
	flush[2] = (struct vtd_event){
		2, VTD_EVENT_DESC, { (uint64_t)domain_id_iommu(f->domain, f->units[2].iommu) << 16 | 2 << 4 | 2, 0 }
	};
	flush[3] = (struct vtd_event){ .unit = 2, .kind = VTD_EVENT_WAIT };
	vtd_log_check(&f->log, flush, 4);
	for (i = 0; i < 6; i++)
		device_block_translation(f->devices[i]);
	domain_free(f->domain);
}

RUN(legacy_units)

/* ---- widths ---- */

static void narrower_unit_body(void *arg)
{
	struct fixture *f = arg;
	struct device *wide, *narrow;
	uint64_t before;

	/* A domain for five levels, then a unit with four: the top table goes. */
	add_unit(f, 0, CAP_5LEVEL | ND_16, false);
	add_unit(f, 1, CAP_4LEVEL | ND_16, false);
	wide = add_device(f, 0, 0);
	narrow = add_device(f, 1, 1);
	new_domain(f, POLICY_ALWAYS, false, false);
	assert_int_equal(f->domain->agaw, 3);
	assert_int_equal(f->domain->gaw, 57);
	assert_int_equal(iommu_map(f->domain, 0x7fff00000000, BUF_PHYS, 8192, DMA_PTE_READ), 0);
	before = live_objects(f);
	assert_int_equal(intel_iommu_attach_device(f->domain, narrow), 0);
	assert_int_equal(f->domain->agaw, 2);
	assert_int_equal(f->domain->gaw, 48);
	/* One table less; tag, batch, array and its entry, context table more. */
	assert_int_equal(live_objects(f), before - 1 + 5);
	assert_int_equal(view_of(f, narrow).levels, 4);
	assert_int_equal(translate(f, narrow, 0x7fff00001004, false), BUF_PHYS + 4096 + 4);
	assert_int_equal(domain_iova_to_phys(f->domain, 0x7fff00000000), BUF_PHYS);

	/* A unit with more levels uses the four. */
	assert_int_equal(intel_iommu_attach_device(f->domain, wide), 0);
	assert_int_equal(view_of(f, wide).levels, 4);
	assert_int_equal(translate(f, wide, 0x7fff00001004, false), BUF_PHYS + 4096 + 4);
	assert_true(iommu_map(f->domain, 1ULL << 48, BUF_PHYS, 4096, DMA_PTE_READ) < 0);
	device_block_translation(wide);
	device_block_translation(narrow);
	domain_free(f->domain);
}

RUN(narrower_unit)

/* Something is mapped where the unit does not reach: refused, and nothing changes. */
static void too_narrow_body(void *arg)
{
	struct fixture *f = arg;
	struct device *narrow;
	uint64_t before;

	add_unit(f, 0, CAP_5LEVEL | ND_16, false);
	add_unit(f, 1, CAP_SAGAW_3LEVEL | CAP_MGAW(39) | CAP_PSI | ND_16, false);
	narrow = add_device(f, 0, 1);
	new_domain(f, POLICY_ALWAYS, false, false);
	assert_int_equal(iommu_map(f->domain, (1ULL << 39) - 4096, BUF_PHYS, 8192, DMA_PTE_READ), 0);
	before = live_objects(f);
	assert_int_equal(intel_iommu_attach_device(f->domain, narrow), -EINVAL);
	assert_true(blocked(f, narrow));
	assert_int_equal(f->domain->agaw, 3);
	assert_int_equal(live_objects(f), before);
	assert_int_equal(domain_iova_to_phys(f->domain, 1ULL << 39), BUF_PHYS + 4096);

	/* Unmapping the highest one lowers max_addr. */
	assert_int_equal(iommu_unmap(f->domain, (1ULL << 39) - 4096, 8192), 8192);
	assert_int_equal(intel_iommu_attach_device(f->domain, narrow), 0);
	assert_int_equal(f->domain->agaw, 1);
	assert_int_equal(iommu_map(f->domain, (1ULL << 39) - 4096, BUF_PHYS, 4096, DMA_PTE_READ), 0);
	assert_int_equal(translate(f, narrow, (1ULL << 39) - 1, false), BUF_PHYS + 4095);
	device_block_translation(narrow);
	domain_free(f->domain);
}

RUN(too_narrow)

/*
 * A device that is attached already keeps its access when a narrower unit joins: its context entry must not go on
 * pointing at the table that is knocked out. Either the newcomer is refused, or the old device still translates.
 */
static void wide_device_body(void *arg)
{
	struct fixture *f = arg;
	struct device *wide, *narrow;

	add_unit(f, 0, CAP_5LEVEL | ND_16, false);
	add_unit(f, 1, CAP_4LEVEL | ND_16, false);
	wide = add_device(f, 0, 0);
	narrow = add_device(f, 1, 1);
	new_domain(f, POLICY_ALWAYS, false, false);
	assert_int_equal(intel_iommu_attach_device(f->domain, wide), 0);
	assert_int_equal(iommu_map(f->domain, 0x10000, BUF_PHYS, 4096, DMA_PTE_READ), 0);
	if (!intel_iommu_attach_device(f->domain, narrow)) {
		assert_int_equal(view_of(f, wide).levels, 4);
		assert_int_equal(view_of(f, wide).root, virt_to_phys(f->domain->pgd));
	}
	assert_int_equal(translate(f, wide, 0x10000, false), BUF_PHYS);
	device_block_translation(wide);
	device_block_translation(narrow);
	domain_free(f->domain);
}

RUN(wide_device)

/* In scalable mode both stages must have the level: FS5LP and SAGAW (kernel __iommu_calculate_sagaw()). */
static void first_stage_levels_body(void *arg)
{
	struct fixture *f = arg;
	const uint64_t flts_slts = 1ULL << 47 | 1ULL << 46;
	struct intel_iommu *iommu;

	vtd_double_init(&f->units[0].hw, f->sim, &f->log, 0);
	iommu = iommu_create(&f->units[0].hw.mmio, CAP_5LEVEL & ~CAP_FS5LP, ECAP | flts_slts, 0, true);
	assert_int_equal(iommu->agaw, 2);
	iommu_destroy(iommu);
	vtd_double_init(&f->units[0].hw, f->sim, &f->log, 0);
	iommu = iommu_create(&f->units[0].hw.mmio, CAP_5LEVEL, ECAP | flts_slts, 0, true);
	assert_int_equal(iommu->agaw, 3);
	iommu_destroy(iommu);
	/* A first stage of five levels, a second of four; then without a second */
	vtd_double_init(&f->units[0].hw, f->sim, &f->log, 0);
	iommu = iommu_create(&f->units[0].hw.mmio, CAP_4LEVEL | CAP_FS5LP, ECAP | flts_slts, 0, true);
	assert_int_equal(iommu->agaw, 2);
	iommu_destroy(iommu);
	vtd_double_init(&f->units[0].hw, f->sim, &f->log, 0);
	iommu = iommu_create(&f->units[0].hw.mmio, CAP_4LEVEL | CAP_FS5LP, ECAP | 1ULL << 47, 0, true);
	assert_int_equal(iommu->agaw, 3);
	iommu_destroy(iommu);
	/* Legacy mode does not ask. */
	vtd_double_init(&f->units[0].hw, f->sim, &f->log, 0);
	iommu = iommu_create(&f->units[0].hw.mmio, CAP_5LEVEL & ~CAP_FS5LP, ECAP | flts_slts, 0, false);
	assert_int_equal(iommu->agaw, 3);
	iommu_destroy(iommu);
}

RUN(first_stage_levels)

/* ---- map and unmap ---- */

static void sizes_body(void *arg)
{
	static const uint64_t sizes[] = {
		1, 2, 3, 511, 512, 513, 1024, 512 * 511, 1 << 18, (1 << 18) + 513, 1 << 19
	};
	static const uint64_t offsets[] = { 0, 1, 511, 512, 1 << 18, (1 << 18) - 1 };
	struct fixture *f = arg;
	const uint64_t base = 1ULL << 34;
	unsigned int stage, i, k, p;

	for (stage = 0; stage < 2; stage++) {
		struct device *dev;
		uint64_t before;

		add_unit(f, 0, CAP_5LEVEL | CAP_FS1GP | ND_16, stage);
		dev = add_device(f, 0, 0);
		new_domain(f, POLICY_ALWAYS, stage, false);
		assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);
		before = live_objects(f);
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			for (k = 0; k < ARRAY_SIZE(offsets); k++) {
				uint64_t iova = base + (offsets[k] << 12), size = sizes[i] << 12;
				uint64_t phys = BUF_PHYS + (offsets[(k + i) % ARRAY_SIZE(offsets)] << 12);

				assert_int_equal(iommu_map(f->domain, iova, phys, size, DMA_PTE_WRITE), 0);
				for (p = 0; p < 40; p++) {
					uint64_t at = (sizes[i] * p / 40) << 12 | p;

					assert_int_equal(translate(f, dev, iova + at, true), phys + at);
					assert_int_equal(domain_iova_to_phys(f->domain, iova + at), phys + at);
				}
				assert_int_equal(translate(f, dev, iova + size - 1, false), phys + size - 1);
				assert_int_equal(translate(f, dev, iova - 1, true), UINT64_MAX);
				assert_int_equal(translate(f, dev, iova + size, true), UINT64_MAX);
				assert_int_equal(iommu_unmap(f->domain, iova, size), size);
				assert_int_equal(translate(f, dev, iova, true), UINT64_MAX);
				assert_int_equal(translate(f, dev, iova + size - 1, true), UINT64_MAX);
			}
		/* Tables that hold nothing any more may stay, but not all of them: only those above the leaves. */
		assert_true(live_objects(f) - before < 16);
		device_block_translation(dev);
		domain_free(f->domain);
	}
}

RUN(sizes)

/* 1 GiB is one entry at level 3, 2 MiB one at level 2. */
static void superpages_body(void *arg)
{
	struct fixture *f = arg;
	struct vtd_translation t;
	struct device *dev;
	struct view v;

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	dev = add_device(f, 0, 0);
	new_domain(f, POLICY_ALWAYS, false, false);
	assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);
	v = view_of(f, dev);
	assert_int_equal(iommu_map(f->domain, 1ULL << 30, BUF_PHYS, 1ULL << 30, DMA_PTE_READ), 0);
	assert_int_equal(
		vtd_walk(v.root, v.levels, false, dev->info.iommu->cap, 0, 1ULL << 30, false, read64, f, &t), 0);
	assert_int_equal(t.level, 3);
	assert_int_equal(iommu_map(f->domain, 1ULL << 31, BUF_PHYS, 1ULL << 21, DMA_PTE_READ), 0);
	assert_int_equal(
		vtd_walk(v.root, v.levels, false, dev->info.iommu->cap, 0, 1ULL << 31, false, read64, f, &t), 0);
	assert_int_equal(t.level, 2);
	/* Half of a large page cannot be unmapped: all of it goes. */
	assert_int_equal(iommu_unmap(f->domain, 1ULL << 31, 4096), 1ULL << 21);
	assert_int_equal(translate(f, dev, (1ULL << 31) + 8192, false), UINT64_MAX);
	device_block_translation(dev);
	domain_free(f->domain);
}

RUN(superpages)

/* The domain's large pages are those that all its units have (kernel domain_update_iommu_superpage()). */
static void common_superpages_body(void *arg)
{
	struct fixture *f = arg;
	struct device *dev[2];

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	add_unit(f, 1, (CAP_4LEVEL & ~(CAP_2M | CAP_1G)) | ND_16, false);
	dev[0] = add_device(f, 0, 0);
	dev[1] = add_device(f, 1, 1);
	new_domain(f, POLICY_ALWAYS, false, false);
	assert_int_equal(intel_iommu_attach_device(f->domain, dev[0]), 0);
	assert_int_equal(intel_iommu_attach_device(f->domain, dev[1]), 0);
	assert_int_equal(iommu_map(f->domain, 1ULL << 30, BUF_PHYS, 1ULL << 21, DMA_PTE_READ), 0);
	assert_int_equal(translate(f, dev[0], (1ULL << 30) + 4096, false), BUF_PHYS + 4096);
	assert_int_equal(translate(f, dev[1], (1ULL << 30) + 4096, false), BUF_PHYS + 4096);
	device_block_translation(dev[0]);
	device_block_translation(dev[1]);
	domain_free(f->domain);
}

RUN(common_superpages)

/* What fails must leave its neighbours alone. */
static void map_errors_body(void *arg)
{
	struct fixture *f = arg;
	const uint64_t end = 1ULL << 48;
	struct device *dev;

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	dev = add_device(f, 0, 0);
	new_domain(f, POLICY_ALWAYS, false, false);
	assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);

	assert_int_equal(iommu_map(f->domain, 0x1001, BUF_PHYS, 4096, DMA_PTE_READ), -EINVAL);
	assert_int_equal(iommu_map(f->domain, 0x1000, BUF_PHYS + 1, 4096, DMA_PTE_READ), -EINVAL);
	assert_int_equal(iommu_map(f->domain, 0x1000, BUF_PHYS, 4097, DMA_PTE_READ), -EINVAL);
	assert_int_equal(iommu_map(f->domain, 0x1000, BUF_PHYS, 0, DMA_PTE_READ), -EINVAL);
	assert_int_equal(iommu_map(f->domain, 0x1000, BUF_PHYS, 4096, 0), -EINVAL);

	assert_int_equal(iommu_map(f->domain, end - 4096, BUF_PHYS, 4096, DMA_PTE_READ), 0);
	assert_int_equal(translate(f, dev, end - 1, false), BUF_PHYS + 4095);
	assert_int_equal(f->domain->max_addr, end);
	assert_int_equal(iommu_map(f->domain, end, BUF_PHYS, 4096, DMA_PTE_READ), -EFAULT);
	assert_int_equal(f->domain->max_addr, end);
	/* Across the end: the page that is there stays there. */
	assert_int_equal(iommu_map(f->domain, end - 8192, BUF_PHYS, 12288, DMA_PTE_READ), -EFAULT);
	assert_int_equal(translate(f, dev, end - 8192, false), UINT64_MAX);
	assert_int_equal(translate(f, dev, end - 1, false), BUF_PHYS + 4095);
	device_block_translation(dev);
	domain_free(f->domain);
}

RUN(map_errors)

/* A page that is mapped already stays what it is when another mapping of it fails. */
static void map_twice_body(void *arg)
{
	const uint64_t end = 1ULL << 48;
	struct fixture *f = arg;
	struct device *dev;

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	dev = add_device(f, 0, 0);
	new_domain(f, POLICY_ALWAYS, false, false);
	assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);
	assert_int_equal(iommu_map(f->domain, 0x10000, BUF_PHYS, 8192, DMA_PTE_READ), 0);
	assert_int_equal(iommu_map(f->domain, 0x10000, 2 * BUF_PHYS, 4096, DMA_PTE_READ), -EEXIST);
	assert_int_equal(translate(f, dev, 0x10000, false), BUF_PHYS);
	/* From two pages before it on: these two are mapped, and go again. */
	assert_int_equal(iommu_map(f->domain, 0xe000, 2 * BUF_PHYS, 4 * 4096, DMA_PTE_READ), -EEXIST);
	assert_int_equal(translate(f, dev, 0xe000, false), UINT64_MAX);
	assert_int_equal(translate(f, dev, 0xf000, false), UINT64_MAX);
	assert_int_equal(translate(f, dev, 0x10000, false), BUF_PHYS);
	assert_int_equal(translate(f, dev, 0x11000, false), BUF_PHYS + 4096);
	/* Too wide: nothing of it is mapped, so nothing is taken back. */
	assert_int_equal(iommu_map(f->domain, end - 8192, BUF_PHYS, 4096, DMA_PTE_READ), 0);
	assert_int_equal(iommu_map(f->domain, end - 8192, BUF_PHYS, 12288, DMA_PTE_READ), -EFAULT);
	assert_int_equal(translate(f, dev, end - 8192, false), BUF_PHYS);
	device_block_translation(dev);
	domain_free(f->domain);
}

RUN(map_twice)

/* Memory runs out while a page is mapped next to others. */
static void map_short_of_memory_body(void *arg)
{
	static const uint64_t iovas[] = { 0x3fe000, 0x3fdff000, 0x7fbfdff000, 0x5fff000 };
	struct fixture *f = arg;
	struct device *dev;
	unsigned int i;
	int at, ret;

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	dev = add_device(f, 0, 0);
	for (i = 0; i < ARRAY_SIZE(iovas); i++) {
		/* The neighbours: right behind, and in the next table, as addresses are handed out from the top
		 * down. */
		uint64_t iova = iovas[i], next = (iova | 0x1fffff) + 1;

		new_domain(f, POLICY_ALWAYS, false, false);
		assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);
		assert_int_equal(iommu_map(f->domain, next, BUF_PHYS, 16384, DMA_PTE_READ), 0);
		for (at = 0;; at++) {
			f->allocations_left = at;
			ret = iommu_map(f->domain, iova, BUF_PHYS, 4096, DMA_PTE_READ);
			f->allocations_left = -1;
			assert_int_equal(translate(f, dev, next, false), BUF_PHYS);
			assert_int_equal(translate(f, dev, next + 12288, false), BUF_PHYS + 12288);
			if (!ret)
				break;
			assert_int_equal(ret, -ENOMEM);
			assert_int_equal(translate(f, dev, iova, false), UINT64_MAX);
		}
		assert_true(at > 0);
		assert_int_equal(translate(f, dev, iova, false), BUF_PHYS);
		device_block_translation(dev);
		domain_free(f->domain);
	}
}

RUN(map_short_of_memory)

/* Memory runs out when part of a range is mapped: that part goes again. */
static void map_half_body(void *arg)
{
	const uint64_t iova = 0x1fe000, size = (4 << 20) + 4 * 4096; /* in four tables */
	struct fixture *f = arg;
	struct device *dev;
	uint64_t before = 0, at_iova;
	int at, ret;

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	dev = add_device(f, 0, 0);
	new_domain(f, POLICY_ALWAYS, false, false);
	assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);
	assert_int_equal(iommu_map(f->domain, iova - 4096, BUF_PHYS, 4096, DMA_PTE_READ), 0);
	assert_int_equal(iommu_map(f->domain, iova + size, BUF_PHYS, 4096, DMA_PTE_READ), 0);
	for (at = 0;; at++) {
		f->allocations_left = at;
		ret = iommu_map(f->domain, iova, BUF_PHYS + 4096, size, DMA_PTE_READ);
		f->allocations_left = -1;
		if (!ret)
			break;
		before++;
		assert_int_equal(ret, -ENOMEM);
		for (at_iova = iova; at_iova < iova + size; at_iova += 4096)
			assert_int_equal(translate(f, dev, at_iova, false), UINT64_MAX);
		assert_int_equal(translate(f, dev, iova - 4096, false), BUF_PHYS);
		assert_int_equal(translate(f, dev, iova + size, false), BUF_PHYS);
	}
	assert_true(before >= 1);
	assert_int_equal(iommu_unmap(f->domain, iova, size), size);
	assert_int_equal(translate(f, dev, iova - 4096, false), BUF_PHYS);
	assert_int_equal(translate(f, dev, iova + size, false), BUF_PHYS);
	device_block_translation(dev);
	domain_free(f->domain);
}

RUN(map_half)

/* ---- memory runs out in domain_alloc(), attach and the DMA API ---- */

static void attach_short_of_memory_body(void *arg)
{
	struct fixture *f = arg;
	unsigned int kind;

	/* Nor is there any for the way back. */
	f->stays_short = true;
	for (kind = 0; kind < 4; kind++) {
		bool scalable = kind & 1, lazy = kind & 2;
		struct device *dev;
		uint64_t before;
		int at, ret;

		add_unit(f, 0, CAP_4LEVEL | ND_16, scalable);
		dev = add_device(f, 0, 0);
		dev->info.ats_supported = true;
		/* What a device or its bus keeps for good is there already. */
		new_domain(f, POLICY_DYNAMIC, scalable, lazy);
		assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);
		device_block_translation(dev);
		domain_free(f->domain);
		before = live_objects(f);

		for (at = 0;; at++) {
			f->allocations_left = at;
			f->domain = domain_alloc(&f->config, f->units[0].iommu);
			ret = f->domain ? intel_iommu_attach_device(f->domain, dev) : -ENOMEM;
			f->allocations_left = -1;
			if (!ret)
				break;
			assert_int_equal(ret, -ENOMEM);
			assert_true(blocked(f, dev));
			assert_false(dev->info.domain_attached);
			assert_false(dev->info.ats_enabled);
			if (f->domain)
				domain_free(f->domain);
			assert_int_equal(live_objects(f), before);
			assert_int_equal(f->units[0].iommu->domain_ids[0] & ~3ULL, 0);
		}
		assert_true(at > 6);
		assert_false(blocked(f, dev));
		assert_int_equal(tag_count(f), 2);
		device_block_translation(dev);
		domain_free(f->domain);
		assert_int_equal(live_objects(f), before);
	}
}

RUN(attach_short_of_memory)

/* First attach of all on a unit: context table and PASID tables too. */
static void first_attach_short_of_memory_body(void *arg)
{
	struct fixture *f = arg;
	unsigned int kind;

	/* Nor is there any for the way back. */
	f->stays_short = true;
	for (kind = 0; kind < 4; kind++) {
		bool scalable = kind & 1, identity = kind & 2;
		struct device *dev;
		int at, ret;

		add_unit(f, 0, CAP_4LEVEL | ND_16, scalable);
		dev = add_device(f, 0, 0);
		new_domain(f, POLICY_DYNAMIC, scalable, false);
		for (at = 0;; at++) {
			f->allocations_left = at;
			ret = identity ? identity_domain_attach_dev(dev)
				       : intel_iommu_attach_device(f->domain, dev);
			f->allocations_left = -1;
			if (!ret)
				break;
			assert_int_equal(ret, -ENOMEM);
			assert_true(blocked(f, dev));
			assert_int_equal(f->units[0].iommu->domain_ids[0] & ~3ULL, 0);
			assert_true(tags_empty(f));
		}
		assert_false(blocked(f, dev));
		device_block_translation(dev);
		assert_int_equal(f->units[0].iommu->domain_ids[0] & ~3ULL, 0);
		domain_free(f->domain);
	}
}

RUN(first_attach_short_of_memory)

/* Addresses in use: neither free nor in a cache */
static unsigned long addresses_in_use(const struct fixture *f)
{
	struct iova_count count;
	unsigned long n;
	unsigned int i;

	iova_domain_count(&f->domain->domain.iova_cookie->iovad, &count, NULL, NULL);
	n = count.tree_ranges;
	for (i = 0; i < IOVA_RANGE_CACHE_MAX_SIZE; i++)
		n -= count.magazine_pfns[i] + count.depot_pfns[i];
	return n;
}

/* Maps 1 MiB of scattered pages, or 4 MiB for good, in which memory runs out at each allocation in turn. */
static uint64_t map_short_of(struct fixture *f, struct device *dev, const uint64_t *phys, bool coherent)
{
	unsigned long before = addresses_in_use(f);
	unsigned int failures = 0;
	uint64_t iova;
	int at;

	/* An address is asked for more than once. */
	f->stays_short = true;
	for (at = 0;; at++) {
		f->allocations_left = at;
		iova = coherent ? dma_map_coherent(dev, dev, 4 << 20)
				: dma_map_pages(dev, phys, 256, DMA_FROM_DEVICE);
		f->allocations_left = -1;
		if (iova)
			break;
		failures++;
		assert_int_equal(addresses_in_use(f), before);
	}
	/* The address, and a table at the least */
	assert_true(failures >= 2);
	assert_int_equal(addresses_in_use(f), before + 1);
	return iova;
}

static void dma_short_of_memory_body(void *arg)
{
	struct fixture *f = arg;
	uint64_t phys[256], kept[2], iova;
	struct device *dev;
	unsigned int i;

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	dev = add_device(f, 0, 0);
	for (i = 0; i < 256; i++)
		phys[i] = BUF_PHYS + i * 8192;
	new_domain(f, POLICY_ALWAYS, false, false);
	assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);
	/* These fill the highest table. */
	for (i = 0; i < 2; i++) {
		kept[i] = dma_map_pages(dev, phys, 256, DMA_FROM_DEVICE);
		assert_true(kept[i]);
	}
	iova = map_short_of(f, dev, phys, false);
	assert_true(iova >> 21 != kept[0] >> 21);
	for (i = 0; i < 256; i++) {
		assert_int_equal(translate(f, dev, iova + i * 4096UL, true), phys[i]);
		assert_int_equal(translate(f, dev, kept[0] + i * 4096UL, true), phys[i]);
		assert_int_equal(translate(f, dev, kept[1] + i * 4096UL, true), phys[i]);
	}
	dma_unmap_pages(dev, iova, 256);
	iova = map_short_of(f, dev, phys, true);
	assert_int_equal(translate(f, dev, iova + (4 << 20) - 1, true), virt_to_phys(dev) + (4 << 20) - 1);
	assert_int_equal(translate(f, dev, kept[0], true), phys[0]);
	device_block_translation(dev);
	domain_free(f->domain);
}

RUN(dma_short_of_memory)

/*
 * Contiguous memory: with large pages where they fit, and writable by the device if that was asked for. Readable it
 * always is, as the driver sets what is the read bit of the second stage for the present bit of the first.
 */
static void map_single_body(void *arg)
{
	static const struct {
		enum dma_data_direction dir;
		bool writable;
	} directions[] = { { DMA_BIDIRECTIONAL, true }, { DMA_TO_DEVICE, false }, { DMA_FROM_DEVICE, true } };
	const uint64_t size = (2 << 20) + 3 * 4096;
	struct fixture *f = arg;
	struct vtd_translation t;
	struct device *dev;
	unsigned int i;

	add_unit(f, 0, CAP_4LEVEL | ND_16, false);
	dev = add_device(f, 0, 0);
	new_domain(f, POLICY_ALWAYS, false, false);
	assert_int_equal(intel_iommu_attach_device(f->domain, dev), 0);
	for (i = 0; i < ARRAY_SIZE(directions); i++) {
		uint64_t iova = dma_map_single(dev, BUF_PHYS, size, directions[i].dir), end = iova + size - 1;
		struct view v = view_of(f, dev);

		assert_true(iova);
		assert_int_equal(translate(f, dev, iova, false), BUF_PHYS);
		assert_int_equal(translate(f, dev, iova, true), directions[i].writable ? BUF_PHYS : UINT64_MAX);
		assert_int_equal(translate(f, dev, end, directions[i].writable), BUF_PHYS + size - 1);
		assert_int_equal(translate(f, dev, end + 1, directions[i].writable), UINT64_MAX);
		assert_int_equal(vtd_walk(v.root, v.levels, false, dev->info.iommu->cap, 0, iova,
					  directions[i].writable, read64, f, &t),
				 WALK_OK);
		assert_int_equal(t.level, 2);
		dma_unmap_pages(dev, iova, size >> PAGE_SHIFT);
		assert_int_equal(translate(f, dev, iova, directions[i].writable), UINT64_MAX);
		assert_int_equal(translate(f, dev, end, directions[i].writable), UINT64_MAX);
	}
	/* No room below the mask. */
	dev->dma_mask = size - 1;
	assert_int_equal(dma_map_single(dev, BUF_PHYS, size, DMA_TO_DEVICE), 0);
	device_block_translation(dev);
	domain_free(f->domain);

	/* Without translation the device takes memory's own addresses. */
	f->group->default_domain = NULL;
	assert_int_equal(identity_domain_attach_dev(dev), 0);
	assert_int_equal(dma_map_single(dev, BUF_PHYS, size, DMA_TO_DEVICE), BUF_PHYS);
	device_block_translation(dev);
}

RUN(map_single)

/* ---- the DMA API on many CPUs ---- */

struct worker {
	struct fixture *f;
	unsigned int cpu, *running;
	unsigned int maps;
};

static void worker_body(void *arg)
{
	struct worker *w = arg;
	struct fixture *f = w->f;
	struct device *dev = f->devices[w->cpu % 2];
	struct {
		uint64_t iova, phys[16];
		unsigned int pages;
	} held[24] = { 0 };
	unsigned int i, step;
	struct rng rng;

	rng_seed(&rng, 11, w->cpu);
	for (step = 0; step < 700; step++) {
		unsigned int slot = (unsigned int)rng_below(&rng, ARRAY_SIZE(held));

		if (held[slot].iova) {
			for (i = 0; i < held[slot].pages; i++)
				assert_int_equal(translate(f, dev, held[slot].iova + i * 4096UL, true),
						 held[slot].phys[i]);
			dma_unmap_pages(dev, held[slot].iova, held[slot].pages);
			assert_int_equal(domain_iova_to_phys(f->domain, held[slot].iova), 0);
			held[slot].iova = 0;
			continue;
		}
		held[slot].pages = rng_below(&rng, 3) ? 1 : 1 + (unsigned int)rng_below(&rng, 16);
		for (i = 0; i < held[slot].pages; i++)
			held[slot].phys[i] = BUF_PHYS + (rng_below(&rng, 1 << 20) << 12);
		held[slot].iova = dma_map_pages(dev, held[slot].phys, held[slot].pages, DMA_FROM_DEVICE);
		assert_true(held[slot].iova);
		assert_false(held[slot].iova >> 20 == 0xfee);
		w->maps++;
	}
	for (i = 0; i < ARRAY_SIZE(held); i++)
		if (held[i].iova)
			dma_unmap_pages(dev, held[i].iova, held[i].pages);
	if (!--*w->running)
		engine_stop(this_vcpu()->proc.engine);
}

static void workers_setup(void *arg)
{
	struct fixture *f = arg;
	bool lazy = f->config.lazy;
	unsigned int i;

	add_unit(f, 0, CAP_5LEVEL | ND_16, false);
	f->units[0].hw.step_ps = 30000;
	for (i = 0; i < 2; i++)
		add_device(f, i, 0);
	new_domain(f, POLICY_ALWAYS, false, lazy);
	for (i = 0; i < 2; i++)
		assert_int_equal(intel_iommu_attach_device(f->domain, f->devices[i]), 0);
}

static void workers_teardown(void *arg)
{
	struct fixture *f = arg;
	unsigned int i;

	for (i = 0; i < 2; i++)
		device_block_translation(f->devices[i]);
	assert_true(tags_empty(f));
	domain_free(f->domain);
}

static void run_workers(struct fixture *f, bool lazy)
{
	struct worker workers[TEST_CPUS];
	struct sim *sim = f->sim;
	unsigned int i, running = TEST_CPUS;
	uint64_t calls[FN_COUNT] = { 0 }, maps = 0;

	f->config.lazy = lazy;
	run_on_cpu(0, workers_setup, f);
	memset(sim->cpus[0].calls, 0, sizeof(sim->cpus[0].calls));
	f->log.off = true;
	for (i = 0; i < TEST_CPUS; i++) {
		workers[i] = (struct worker){ f, i, &running, 0 };
		assert_int_equal(sim_start_cpu(sim, i, worker_body, &workers[i]), 0);
	}
	assert_int_equal(engine_run(&sim->engine), 0);
	for (i = 0; i < TEST_CPUS; i++) {
		maps += workers[i].maps;
		for (unsigned int fn = 0; fn < FN_COUNT; fn++)
			calls[fn] += sim->cpus[i].calls[fn];
	}
	assert_int_equal(calls[FN_dma_map], maps);
	assert_int_equal(calls[FN_dma_unmap], maps);
	assert_int_equal(calls[FN_iotlb_sync_map], maps);
	assert_int_equal(calls[FN_cache_tag_flush_range_np], maps);
	if (lazy) {
		assert_int_equal(calls[FN_cache_tag_flush_range], 0);
		assert_true(calls[FN_cache_tag_flush_all] <= maps / 255);
		assert_true(calls[FN_cache_tag_flush_all]);
	} else {
		assert_int_equal(calls[FN_cache_tag_flush_range], maps);
		assert_int_equal(calls[FN_cache_tag_flush_all], 0);
	}
	run_on_cpu(0, workers_teardown, f);
}

static void strict_on_many_cpus(void **state)
{
	run_workers(*state, false);
}

static void lazy_on_many_cpus(void **state)
{
	run_workers(*state, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(attach_order),
		TEST(churn),
		TEST(domain_ids),
		TEST(identity),
		TEST(change_of_domain),
		TEST(subdevice),
		TEST(static_refuses),
		TEST(dynamic),
		TEST(policies),
		TEST(legacy_units),
		TEST(narrower_unit),
		TEST(too_narrow),
		TEST(wide_device),
		TEST(first_stage_levels),
		TEST(sizes),
		TEST(superpages),
		TEST(common_superpages),
		TEST(map_errors),
		TEST(map_twice),
		TEST(map_short_of_memory),
		TEST(map_half),
		TEST(attach_short_of_memory),
		TEST(first_attach_short_of_memory),
		TEST(dma_short_of_memory),
		TEST(map_single),
		TEST(strict_on_many_cpus),
		TEST(lazy_on_many_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
