/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cache_tag.h - which hardware caches a domain's translations may be in, and their invalidation
 *
 * Models drivers/iommu/intel/cache.c of Linux 6.12 (facts K1).
 */
#ifndef SIMBENCH_CACHE_TAG_H
#define SIMBENCH_CACHE_TAG_H

#include "sim/domain.h"
#include "sim/vtd_spec.h"

enum cache_tag_type {
	CACHE_TAG_IOTLB,
	CACHE_TAG_DEVTLB,
	CACHE_TAG_NESTING_IOTLB,
	CACHE_TAG_NESTING_DEVTLB,
};

struct cache_tag {
	struct cds_list_head node;
	enum cache_tag_type type;
	struct intel_iommu *iommu;
	struct device *dev; /* DEVTLB kinds only */
	uint16_t domain_id;
	uint32_t pasid;
	uint32_t users;
};

/* A new tag, with one user. */
void cache_tag_init(struct cache_tag *tag, uint16_t did, struct device *dev, uint32_t pasid,
		    enum cache_tag_type type);
bool cache_tag_match(struct cache_tag *tag, uint16_t did, struct device *dev, uint32_t pasid,
		     enum cache_tag_type type);

static inline bool is_devtlb(enum cache_tag_type type)
{
	return type == CACHE_TAG_DEVTLB || type == CACHE_TAG_NESTING_DEVTLB;
}

#define QI_MAX_BATCHED_DESC_COUNT 16

struct qi_batch {
	struct qi_desc descs[QI_MAX_BATCHED_DESC_COUNT];
	uint32_t index;
};

/**
 * cache_tag_assign_domain - note that a device's translations may be cached (kernel function of that name)
 * @domain: attached to the device's unit
 * @dev: device; with ATS enabled it gets a DEVTLB tag too
 * @pasid: IOMMU_NO_PASID or 1..2^20-1
 * @parent: the nesting parent when @domain is a nested one, else NULL; it gets tags of the NESTING kinds
 *
 * Devices with the same unit, domain id and PASID share a tag (facts K4b). Returns 0 or -ENOMEM.
 */
int cache_tag_assign_domain(struct dmar_domain *domain, struct device *dev, uint32_t pasid,
			    struct dmar_domain *parent);

/* Takes back what cache_tag_assign_domain() noted with the same arguments. */
void cache_tag_unassign_domain(struct dmar_domain *domain, struct device *dev, uint32_t pasid,
			       struct dmar_domain *parent);

/**
 * cache_tag_flush_range - invalidate a range after its mappings changed
 * @domain: domain
 * @start: first byte
 * @end: last byte
 * @ih: invalidation hint: no table above the leaves changed
 */
void cache_tag_flush_range(struct dmar_domain *domain, uint64_t start, uint64_t end, int ih);

/* Invalidates everything of the domain. */
void cache_tag_flush_all(struct dmar_domain *domain);

/**
 * cache_tag_flush_range_np - invalidate what may be cached of a range that has just been mapped
 *
 * Needed with caching mode, on second-stage domains (VT-d spec 6.1); a write buffer, where there is one, is flushed
 * instead (6.8). Without either it takes the lock for nothing: the regression.
 */
void cache_tag_flush_range_np(struct dmar_domain *domain, uint64_t start, uint64_t end);

/**
 * calculate_psi_aligned_address - the smallest naturally aligned power-of-two range that covers [@start, @end]
 * @start: first byte
 * @end: last byte
 * @pages: receives its pages
 * @mask: receives log2 of that; 52 is everything
 *
 * Returns its first byte.
 */
uint64_t calculate_psi_aligned_address(uint64_t start, uint64_t end, uint64_t *pages, unsigned int *mask);

#endif
