/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel_side.c - the kernel's side: its cache.c, with its own headers, on the machine that the harness describes
 *
 * Compiled together with a tree's cache.c, never with the simulator. domain_init.h, which `run` makes, has the
 * statements that the tree's iommu.c makes a new domain's locks and lists with.
 */
#include <linux/types.h>
#include "iommu.h"
#include "pasid.h"

#include "../cachetest.h"
#include "shim.h"

struct kernel_domain {
	struct dmar_domain domain;
	struct iommu_domain_info info[UNITS_MAX];
};

static struct {
	struct hw_log *log;
	unsigned int domain_count;
	struct intel_iommu units[UNITS_MAX];
	struct device unit_devices[UNITS_MAX];
	struct device devices[DEVICES_MAX];
	struct device_domain_info infos[DEVICES_MAX];
	struct kernel_domain domains[DOMAINS_MAX];
} k;

/* ---- what cache.c calls ---- */

int qi_submit_sync(struct intel_iommu *iommu, struct qi_desc *desc, unsigned int count, unsigned long options)
{
	_Static_assert(sizeof(*desc) == 4 * sizeof(uint64_t), "four quadwords");
	log_submission(k.log, (unsigned int)iommu->seq_id, desc, count);
	if (options)
		shim_warn("a submission with options", __LINE__);
	return 0;
}

void iommu_flush_write_buffer(struct intel_iommu *iommu)
{
	log_write_buffer_flush(k.log, (unsigned int)iommu->seq_id, iommu->cap);
}

void __iommu_flush_iotlb(struct intel_iommu *iommu, u16 did, u64 addr, unsigned int size_order, u64 type)
{
	log_event(k.log,
		  (struct hw_event){ EVENT_REGISTER, (uint32_t)iommu->seq_id, { did, addr, size_order, type } });
}

void shim_warn(const char *what, int line)
{
	if (k.log)
		log_event(k.log, (struct hw_event){ EVENT_WARNING, 0, { (uint64_t)line, (uintptr_t)what } });
}

/* ---- the machine ---- */

static void create_domain(const struct machine *machine, unsigned int number)
{
	const struct domain_spec *spec = &machine->domains[number];
	struct dmar_domain *domain = &k.domains[number].domain;
	unsigned int i;

#include "domain_init.h"
	domain->use_first_level = spec->first_stage;
	domain->domain.type = spec->sva ? IOMMU_DOMAIN_SVA : IOMMU_DOMAIN_UNMANAGED;
	if (spec->parent >= 0) {
		domain->domain.type = IOMMU_DOMAIN_NESTED;
		domain->s2_domain = &k.domains[spec->parent].domain;
		domain->s2_domain->nested_parent = 1;
	}
	for (i = 0; i < machine->unit_count; i++) {
		k.domains[number].info[i] = (struct iommu_domain_info){ &k.units[i], 1, spec->did[i] };
		domain->iommu_array.slots[i] = &k.domains[number].info[i];
	}
}

static void create_device(const struct device_spec *spec, struct device *dev, struct device_domain_info *info)
{
	dev->iommu_priv = info;
	info->bus = spec->bus;
	info->devfn = spec->devfn;
	info->pfsid = spec->pfsid;
	info->ats_supported = 1;
	info->ats_enabled = spec->ats;
	info->ats_qdep = spec->qdep;
	info->dtlb_extra_inval = spec->extra_invalidation;
	info->dev = dev;
	info->iommu = &k.units[spec->unit];
}

static void kernel_create(const struct machine *machine, struct hw_log *log)
{
	unsigned int i;

	memset(&k, 0, sizeof(k));
	k.log = log;
	k.domain_count = machine->domain_count;
	for (i = 0; i < machine->unit_count; i++) {
		k.units[i].cap = machine->units[i].cap;
		k.units[i].ecap = machine->units[i].ecap;
		k.units[i].gcmd = machine->units[i].translates ? DMA_GCMD_TE : 0;
		k.units[i].seq_id = (int)i;
		k.units[i].iommu.dev = &k.unit_devices[i];
	}
	for (i = 0; i < machine->device_count; i++)
		create_device(&machine->devices[i], &k.devices[i], &k.infos[i]);
	for (i = 0; i < machine->domain_count; i++)
		create_domain(machine, i);
}

static int call(const struct operation *op)
{
	struct dmar_domain *domain = &k.domains[op->domain].domain;
	struct device *dev = &k.devices[op->device];

	switch (op->kind) {
	case OP_ASSIGN:
		return cache_tag_assign_domain(domain, dev, op->pasid);
	case OP_UNASSIGN:
		cache_tag_unassign_domain(domain, dev, op->pasid);
		break;
	case OP_FLUSH_RANGE:
		cache_tag_flush_range(domain, op->start, op->end, op->ih);
		break;
	case OP_FLUSH_RANGE_NP:
		cache_tag_flush_range_np(domain, op->start, op->end);
		break;
	case OP_FLUSH_ALL:
		cache_tag_flush_all(domain);
		break;
	case OP_TRANSLATION:
		k.units[op->unit].gcmd = op->on ? DMA_GCMD_TE : 0;
		break;
	case OP_ATS:
		k.infos[op->device].ats_enabled = op->on;
		break;
	case OP_KIND_COUNT:
		break;
	}
	return 0;
}

static int kernel_execute(const struct operation *op)
{
	int ret;

	shim_allocations(op->allocations);
	ret = call(op);
	shim_allocations(NO_LIMIT);
	shim_quiescent();
	return ret;
}

static unsigned int kernel_destroy(void)
{
	unsigned int left = shim_free_all(), expected = 2 * k.domain_count;

	k.log = NULL;
	return left > expected ? left - expected : 0;
}

__attribute__((visibility("default"))) const struct side cachetest_kernel_side = {
	.name = "kernel",
	.create = kernel_create,
	.execute = kernel_execute,
	.destroy = kernel_destroy,
};
