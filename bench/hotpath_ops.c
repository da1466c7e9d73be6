/* SPDX-License-Identifier: GPL-2.0-only */
#include "platform.h"

#include "bench/hotpath_ops.h"
#include "sim/cache_tag.h"
#include "sim/domain.h"
#include "sim/exec/machine.h"
#include "sim/iommu.h"
#include "sim/page_table.h"
#include "sim/topology.h"

/* The unit of facts F5: no caching mode, no write buffer. */
#define CAP 0x19ed008c40780c66ULL
#define ECAP 0xc80000f020dfULL

#define IOTLB_ENTRIES 512

/* Pages that HOTPATH_PTE goes through, in a table of their own, as far apart as a ring's addresses. */
#define PTE_FIRST_PFN 0x1000
#define PTE_PAGES 256

#define PHYS (1ULL << 40)

struct ops {
	const struct hotpath_ops_params *p;
	struct domain_config config;
	struct mmio_device *unit;
	struct intel_iommu *iommu;
	struct device *dev;
	struct dmar_domain *domain;
	struct iommu_dma_cookie *cookie;
	uint64_t *sample_ps;
	bool interrupted;
};

/* The device's own tag, and more of the same unit for PASIDs of its. */
static int assign_tags(struct ops *o)
{
	uint32_t pasid;
	int ret = 0;

	for (pasid = 1; !ret && pasid < o->p->tags; pasid++)
		ret = cache_tag_assign_domain(o->domain, o->dev, pasid, NULL);
	return ret;
}

static int make_domain(struct ops *o)
{
	int ret;

	o->iommu = iommu_create(o->unit, CAP, ECAP, 0, false);
	if (!o->iommu)
		return -ENOMEM;
	o->dev = device_create(o->iommu, 0, false);
	if (!o->dev)
		return -ENOMEM;
	ret = iommu_setup_default_domain(o->dev, &o->config, &o->domain);
	if (ret)
		return ret;
	o->cookie = o->domain->domain.iova_cookie;
	return assign_tags(o);
}

static void release(struct ops *o)
{
	uint32_t pasid;

	if (o->domain) {
		for (pasid = 1; pasid < o->p->tags; pasid++)
			cache_tag_unassign_domain(o->domain, o->dev, pasid, NULL);
		device_block_translation(o->dev);
		domain_free(o->domain);
	}
	device_destroy(o->dev);
	if (o->iommu)
		iommu_destroy(o->iommu);
}

/* ---- the operations ---- */

static void run_iova(struct ops *o, uint32_t count)
{
	struct iova_domain *iovad = &o->cookie->iovad;
	unsigned long limit = UINT32_MAX >> PAGE_SHIFT, pfn;
	uint32_t i;

	for (i = 0; i < count; i++) {
		pfn = alloc_iova_fast(iovad, 1, limit, false);
		free_iova_fast(iovad, pfn, 1);
	}
}

static void run_queue_iova(struct ops *o, uint32_t count)
{
	unsigned long limit = UINT32_MAX >> PAGE_SHIFT, pfn;
	struct page_list none = { 0 };
	uint32_t i;

	for (i = 0; i < count; i++) {
		pfn = alloc_iova_fast(&o->cookie->iovad, 1, limit, false);
		queue_iova(o->cookie, pfn, 1, &none);
	}
}

static void run_pte(struct ops *o, uint32_t count)
{
	struct page_list freelist = { 0 };
	int ret = 0;
	uint32_t i;

	for (i = 0; !ret && i < count; i++) {
		uint64_t pfn = PTE_FIRST_PFN + i % PTE_PAGES;

		ret = domain_mapping(o->domain, pfn, PHYS >> PAGE_SHIFT, 1, DMA_PTE_WRITE);
		domain_unmap(o->domain, pfn, pfn, &freelist);
	}
	page_list_free(&freelist);
	if (ret)
		cpu_fail(ret);
}

static void run_flush_np(struct ops *o, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		cache_tag_flush_range_np(o->domain, PTE_FIRST_PFN << PAGE_SHIFT,
					 (PTE_FIRST_PFN << PAGE_SHIFT) + PAGE_SIZE - 1);
}

static void run_dma(struct ops *o, uint32_t count)
{
	const uint64_t phys = PHYS;
	uint64_t iova;
	uint32_t i;

	for (i = 0; i < count; i++) {
		iova = dma_map_pages(o->dev, &phys, 1, DMA_FROM_DEVICE);
		if (!iova) {
			cpu_fail(-ENOMEM);
			return;
		}
		dma_unmap_pages(o->dev, iova, 1);
	}
}

static void run_ops(struct ops *o, uint32_t count)
{
	switch (o->p->op) {
	case HOTPATH_IOVA:
		run_iova(o, count);
		break;
	case HOTPATH_QUEUE_IOVA:
		run_queue_iova(o, count);
		break;
	case HOTPATH_PTE:
		run_pte(o, count);
		break;
	case HOTPATH_FLUSH_NP:
		run_flush_np(o, count);
		break;
	case HOTPATH_DMA:
		run_dma(o, count);
		break;
	}
}

static bool is_interrupted(struct ops *o)
{
	o->interrupted |= o->p->interrupted && *o->p->interrupted;
	return o->interrupted;
}

/* Stores that are still on their way belong to what made them. */
static uint64_t settled_ps(void)
{
	smp_mb();
	return cpu_clock_ps();
}

static void run_batches(struct ops *o)
{
	const struct hotpath_ops_params *p = o->p;
	uint64_t start;
	uint32_t i;

	run_ops(o, p->warmup);
	for (i = 0; i < p->samples && !is_interrupted(o); i++) {
		if (p->mark)
			p->mark(p->mark_arg);
		start = settled_ps();
		run_ops(o, p->batch);
		o->sample_ps[i] = (settled_ps() - start) / p->batch;
	}
	if (p->mark)
		p->mark(p->mark_arg);
}

static void body(void *arg)
{
	struct ops *o = arg;
	int ret = make_domain(o);

	if (ret)
		cpu_fail(ret);
	else
		run_batches(o);
	release(o);
}

int ENTRY(hotpath_ops_run)(const struct hotpath_ops_params *p, uint64_t *sample_ps)
{
	const struct vtd_timing no_time = { 0 };
	struct ops o = { .p = p, .config = { .policy = p->policy, .lazy = p->lazy }, .sample_ps = sample_ps };
	struct sim_params sim = p->sim;
	struct machine *m;
	int ret;

	assert(p->samples && p->batch && p->tags && p->policy != POLICY_PT);
	sim.mmio_read_ps = sim.mmio_write_ps = 0;
	ret = machine_create(p->topology, &p->pu, 1, &sim, false, &m);
	if (ret)
		return ret;
	o.unit = machine_add_unit(m, p->topology->pu[p->pu].package, CAP, ECAP, &no_time, IOTLB_ENTRIES);
	ret = o.unit ? machine_call(m, 0, body, &o) : -ENOMEM;
	machine_quiesce(m);
	machine_destroy(m);
	return !ret && o.interrupted ? -EINTR : ret;
}
