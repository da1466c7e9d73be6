/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * model_side.c - the simulator's side: sim/cache_tag.c on the machine that the harness describes
 *
 * Links with -Wl,--wrap for qi_submit_sync, iommu_flush_write_buffer and region_alloc. Runs on a simulated CPU.
 */
#include "kernel-patch/cachetest/cachetest.h"

#include "platform.h"
#include "sim/cache_tag.h"
#include "sim/iommu.h"

OBJ_TYPE_PLAIN(model_unit, "intel_iommu");
OBJ_TYPE_PLAIN(model_device, "device");
OBJ_TYPE_PLAIN(model_array, "iommu_array");
OBJ_TYPE_PLAIN(model_info, "iommu_domain_info");

/* A 4-level unit of 48 bits, as far as domain_alloc() reads it. */
#define CAP_MGAW_48 (47ULL << 16)
#define AGAW_48 2

/* The wrapped functions have no context argument. */
static struct {
	const struct machine *machine;
	struct hw_log *log;
	struct intel_iommu *units[UNITS_MAX];
	struct device *devices[DEVICES_MAX];
	struct domain_config configs[DOMAINS_MAX];
	struct dmar_domain *domains[DOMAINS_MAX];
	int allocations_left;
	uint64_t objects_before;
} m = { .allocations_left = NO_LIMIT };

void __wrap_qi_submit_sync(struct intel_iommu *iommu, const struct qi_desc *desc, unsigned int count);
void __wrap_qi_submit_sync(struct intel_iommu *iommu, const struct qi_desc *desc, unsigned int count)
{
	log_submission(m.log, (unsigned int)iommu->seq_id, desc, count);
}

void __wrap_iommu_flush_write_buffer(struct intel_iommu *iommu);
void __wrap_iommu_flush_write_buffer(struct intel_iommu *iommu)
{
	log_write_buffer_flush(m.log, (unsigned int)iommu->seq_id, iommu->cap);
}

void *__real_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align);
void *__wrap_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align);
void *__wrap_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align)
{
	if (!m.allocations_left)
		return NULL;
	if (m.allocations_left > 0)
		m.allocations_left--;
	return __real_region_alloc(r, type, size, align);
}

static uint64_t live_objects(void)
{
	return this_vcpu()->sim->region.live_objects;
}

static struct intel_iommu *create_unit(const struct unit_spec *spec, unsigned int number)
{
	struct intel_iommu *iommu = shared_alloc(&model_unit_type, sizeof(*iommu));

	assert(iommu);
	iommu->cap = spec->cap | CAP_MGAW_48;
	iommu->ecap = spec->ecap;
	iommu->gcmd = spec->translates ? DMA_GCMD_TE : 0;
	iommu->seq_id = (int)number;
	iommu->agaw = AGAW_48;
	return iommu;
}

static struct device *create_device(const struct device_spec *spec)
{
	struct device *dev = shared_alloc(&model_device_type, sizeof(*dev));

	assert(dev);
	dev->info = (struct device_domain_info){
		.bus = spec->bus,
		.devfn = spec->devfn,
		.pfsid = spec->pfsid,
		.ats_supported = true,
		.ats_enabled = spec->ats,
		.dtlb_extra_inval = spec->extra_invalidation,
		.ats_qdep = spec->qdep,
		.dev = dev,
		.iommu = m.units[spec->unit],
	};
	return dev;
}

/* The domain ids are there from the start, as if a device of each unit were attached. */
static void create_domain(unsigned int number)
{
	const struct domain_spec *spec = &m.machine->domains[number];
	struct domain_config *config = &m.configs[number];
	struct iommu_array *array;
	unsigned int i;

	*config = (struct domain_config){
		.policy = POLICY_ALWAYS,
		.layout = spec->padded ? LAYOUT_PADDED : LAYOUT_KERNEL,
		.first_stage = spec->first_stage,
	};
	m.domains[number] = domain_alloc(config, m.units[0]);
	array = shared_alloc(&model_array_type, sizeof(*array) + UNITS_MAX * sizeof(array->info[0]));
	assert(m.domains[number] && array);
	array->count = m.machine->unit_count;
	for (i = 0; i < m.machine->unit_count; i++) {
		array->info[i] = shared_alloc(&model_info_type, sizeof(*array->info[i]));
		assert(array->info[i]);
		*array->info[i] =
			(struct iommu_domain_info){ m.units[i], 1, spec->sva ? FLPT_DEFAULT_DID : spec->did[i] };
	}
	m.domains[number]->iommu_array.head = array;
}

static void model_create(const struct machine *machine, struct hw_log *log)
{
	unsigned int i;

	m.machine = machine;
	m.log = log;
	m.objects_before = live_objects();
	for (i = 0; i < machine->unit_count; i++)
		m.units[i] = create_unit(&machine->units[i], i);
	for (i = 0; i < machine->device_count; i++)
		m.devices[i] = create_device(&machine->devices[i]);
	for (i = 0; i < machine->domain_count; i++)
		create_domain(i);
}

static int call(const struct operation *op)
{
	struct dmar_domain *domain = m.domains[op->domain], *parent = NULL;
	struct device *dev = m.devices[op->device];

	if (m.machine->domains[op->domain].parent >= 0)
		parent = m.domains[m.machine->domains[op->domain].parent];
	switch (op->kind) {
	case OP_ASSIGN:
		return cache_tag_assign_domain(domain, dev, op->pasid, parent);
	case OP_UNASSIGN:
		cache_tag_unassign_domain(domain, dev, op->pasid, parent);
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
		m.units[op->unit]->gcmd = op->on ? DMA_GCMD_TE : 0;
		break;
	case OP_ATS:
		dev->info.ats_enabled = op->on;
		break;
	case OP_KIND_COUNT:
		break;
	}
	return 0;
}

static int model_execute(const struct operation *op)
{
	int ret;

	m.allocations_left = op->allocations;
	ret = call(op);
	m.allocations_left = NO_LIMIT;
	return ret;
}

static unsigned int model_destroy(void)
{
	unsigned int i, u;

	for (i = 0; i < m.machine->domain_count; i++) {
		for (u = 0; u < m.machine->unit_count; u++)
			shared_free(m.domains[i]->iommu_array.head->info[u]);
		domain_free(m.domains[i]);
	}
	for (i = 0; i < m.machine->device_count; i++)
		shared_free(m.devices[i]);
	for (i = 0; i < m.machine->unit_count; i++)
		shared_free(m.units[i]);
	return (unsigned int)(live_objects() - m.objects_before);
}

const struct side model_side = {
	.name = "simulator",
	.create = model_create,
	.execute = model_execute,
	.destroy = model_destroy,
};
