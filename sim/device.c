/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * device.c - devices and their groups, as the bus and the iommu core set them up before a driver sees them
 */
#include "sim/domain.h"

OBJ_TYPE(device, OBJ_FIELD(device, group), OBJ_FIELD(device, dma_mask), OBJ_FIELD(device, pci_32bit_workaround),
	 OBJ_FIELD(device, info.link), OBJ_FIELD(device, info.bus), OBJ_FIELD(device, info.devfn),
	 OBJ_FIELD(device, info.pfsid), OBJ_FIELD(device, info.ats_supported), OBJ_FIELD(device, info.ats_enabled),
	 OBJ_FIELD(device, info.ats_qdep), OBJ_FIELD(device, info.dtlb_extra_inval),
	 OBJ_FIELD(device, info.domain_attached), OBJ_FIELD(device, info.real_dma_subdevice),
	 OBJ_FIELD(device, info.dev), OBJ_FIELD(device, info.iommu), OBJ_FIELD(device, info.domain),
	 OBJ_FIELD(device, info.pasid_table));
OBJ_TYPE_PLAIN(iommu_group, "iommu group");

struct device *device_create(struct intel_iommu *iommu, uint32_t number, bool ats)
{
	struct device *dev = shared_alloc(&device_type, sizeof(*dev));
	struct iommu_group *group = shared_alloc(&iommu_group_type, sizeof(*group));

	if (!dev || !group) {
		shared_free(dev);
		shared_free(group);
		return NULL;
	}
	dev->group = group;
	dev->dma_mask = UINT64_MAX;
	dev->pci_32bit_workaround = true;
	dev->info = (struct device_domain_info){
		.bus = (uint8_t)(1 + number / 256),
		.devfn = (uint8_t)(number % 256),
		.dev = dev,
		.iommu = iommu,
		.ats_supported = ats,
		.ats_qdep = 32,
	};
	return dev;
}

void device_destroy(struct device *dev)
{
	if (!dev)
		return;
	shared_free(dev->group);
	shared_free(dev);
}

int iommu_setup_default_domain(struct device *dev, const struct domain_config *config, struct dmar_domain **domain)
{
	if (config->policy == POLICY_PT)
		return identity_domain_attach_dev(dev);
	if (!*domain)
		*domain = domain_alloc(config, dev->info.iommu);
	if (!*domain)
		return -ENOMEM;
	dev->group->default_domain = *domain;
	return intel_iommu_attach_device(*domain, dev);
}
