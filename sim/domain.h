/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * domain.h - DMA domains: allocation, attach and detach, map and unmap, and what iotlb_sync_map does
 *
 * Models drivers/iommu/intel/iommu.c and the paths of drivers/iommu/iommu.c and dma-iommu.c above it, Linux 6.12.
 */
#ifndef SIMBENCH_DOMAIN_H
#define SIMBENCH_DOMAIN_H

#include "platform.h"
#include "sim/config_enums.h"
#include "sim/flush_queue.h"
#include "sim/list.h"
#include "sim/lock.h"

struct intel_iommu;
struct invs;
struct dma_pte;
struct qi_batch;

#define IOMMU_NO_PASID 0U

/* What a domain is told when it is allocated; host memory, fixed for a run. */
struct domain_config {
	enum policy policy;
	enum layout layout;
	bool first_stage;
	bool lazy; /* with a flush queue */
	enum attach_order attach_order;
	enum planted_bug bug;
};

/* A VT-d unit that the domain is attached to. */
struct iommu_domain_info {
	struct intel_iommu *iommu;
	uint32_t refcnt; /* devices behind it */
	uint16_t did;	 /* domain id there */
};

/* What the kernel's xarray node is: read without a lock, replaced when it is too short. */
struct iommu_array {
	struct rcu_head rcu;
	uint32_t count;
	struct iommu_domain_info *info[]; /* by the unit's sequence number; NULL: not attached to it */
};

/* The lock, and what it protects: together, so that the padded layout can move them. */
struct domain_cache {
	spinlock_t cache_lock;
	union {
		struct cds_list_head cache_tags;
		struct invs *invs; /* policy invs; the lock is for those who change it */
	};
	struct qi_batch *qi_batch;
};

/* The flag byte of struct dmar_domain: bit fields in the kernel, set without a lock or an atomic. */
enum domain_flag {
	DOMAIN_IOMMU_COHERENCY = 1 << 0,
	DOMAIN_FORCE_SNOOPING = 1 << 1,
	DOMAIN_SET_PTE_SNP = 1 << 2,
	DOMAIN_USE_FIRST_LEVEL = 1 << 3,
	DOMAIN_DIRTY_TRACKING = 1 << 4,
	DOMAIN_NESTED_PARENT = 1 << 5,
	DOMAIN_HAS_MAPPINGS = 1 << 6,
	DOMAIN_IOTLB_SYNC_MAP = 1 << 7,
};

/* The kernel's field order and offsets (facts K2). */
struct dmar_domain {
	int nid;
	struct {
		spinlock_t lock; /* among those who change it */
		uint32_t flags;
		struct iommu_array *head;
	} iommu_array;
	uint8_t flags;	 /* enum domain_flag */
	spinlock_t lock; /* protects devices */
	struct cds_list_head devices;
	struct cds_list_head dev_pasids;
	struct domain_cache cache;
	int iommu_superpage; /* levels: 0 4 KiB only, 1 2 MiB, 2 1 GiB */
	struct dma_pte *pgd;
	int gaw;	   /* address width, bits */
	int agaw;	   /* adjusted: 1 is 3 levels (39 bits), 2 is 4 (48), 3 is 5 (57) */
	uint64_t max_addr; /* one above the highest mapped address */
	uint8_t nested_or_sva[32];
	struct {
		uint32_t type;
		const void *ops, *dirty_ops, *owner;
		uint64_t pgsize_bitmap;
		struct {
			uint64_t aperture_start, aperture_end;
			bool force_aperture;
		} geometry;
		struct iommu_dma_cookie *iova_cookie;
		uint8_t fault_and_mm[48];
	} domain;
	/* not the kernel's: what the compiled variant of it knows without reading memory */
	const struct domain_config *config;
	uint32_t cache_offset;
	uint8_t pad[52];
	struct domain_cache padded_cache __cacheline_aligned;
	uint8_t domain_end[];
};

_Static_assert(offsetof(struct dmar_domain, iommu_array) == 8, "facts K2");
_Static_assert(offsetof(struct dmar_domain, flags) == 24, "facts K2");
_Static_assert(offsetof(struct dmar_domain, lock) == 28, "facts K2");
_Static_assert(offsetof(struct dmar_domain, devices) == 32, "facts K2");
_Static_assert(offsetof(struct dmar_domain, dev_pasids) == 48, "facts K2");
_Static_assert(offsetof(struct dmar_domain, cache.cache_lock) == 64, "facts K2");
_Static_assert(offsetof(struct dmar_domain, cache.cache_tags) == 72, "facts K2");
_Static_assert(offsetof(struct dmar_domain, cache.qi_batch) == 88, "facts K2");
_Static_assert(offsetof(struct dmar_domain, iommu_superpage) == 96, "facts K2");
_Static_assert(offsetof(struct dmar_domain, pgd) == 104, "facts K2");
_Static_assert(offsetof(struct dmar_domain, gaw) == 112, "facts K2");
_Static_assert(offsetof(struct dmar_domain, agaw) == 116, "facts K2");
_Static_assert(offsetof(struct dmar_domain, max_addr) == 120, "facts K2");
_Static_assert(offsetof(struct dmar_domain, domain) == 160, "pahole on 6.12.117");
_Static_assert(offsetof(struct dmar_domain, config) == 280, "facts K2: 280 bytes");

/* The cache lock and tags, wherever the layout puts them. */
static inline struct domain_cache *domain_cache(struct dmar_domain *domain)
{
	return (struct domain_cache *)((char *)domain + domain->cache_offset);
}

static inline bool domain_flag(struct dmar_domain *domain, enum domain_flag flag)
{
	return READ_ONCE(domain->flags) & flag;
}

/*
 * As the kernel's bit field store: a load and a store, not atomic. Two CPUs that set different flags at the same
 * time can lose one of them.
 */
static inline void domain_set_flag(struct dmar_domain *domain, enum domain_flag flag)
{
	WRITE_ONCE(domain->flags, (uint8_t)(READ_ONCE(domain->flags) | flag));
}

static inline bool domain_use_first_level(struct dmar_domain *domain)
{
	return domain_flag(domain, DOMAIN_USE_FIRST_LEVEL);
}

static inline bool domain_iommu_coherency(struct dmar_domain *domain)
{
	return domain_flag(domain, DOMAIN_IOMMU_COHERENCY);
}

static inline void domain_set_has_mappings(struct dmar_domain *domain)
{
	domain_set_flag(domain, DOMAIN_HAS_MAPPINGS);
}

/* What the driver knows of a device. */
struct device_domain_info {
	struct cds_list_head link; /* in domain->devices */
	uint32_t segment;
	uint8_t bus, devfn;
	uint16_t pfsid;
	bool ats_supported, ats_enabled; /* bit fields in the kernel, as those after ats_qdep */
	uint8_t ats_qdep;
	bool dtlb_extra_inval; /* quirk: every device-TLB invalidation twice */
	bool domain_attached;
	bool real_dma_subdevice; /* attaches without a cache tag (facts K4c) */
	struct device *dev;
	struct intel_iommu *iommu;
	struct dmar_domain *domain;
	uint64_t pasid_table; /* physical address of its PASID table, scalable mode; 0: none yet */
};

/* struct device and its iommu group, as far as the DMA API reads them. */
struct device {
	struct iommu_group *group;
	uint64_t dma_mask;
	bool pci_32bit_workaround;
	struct device_domain_info info;
};

struct iommu_group {
	struct dmar_domain *default_domain; /* NULL: no translation */
};

static inline uint16_t device_rid(const struct device_domain_info *info)
{
	return (uint16_t)(info->bus << 8 | info->devfn);
}

/**
 * domain_alloc - allocate a paging domain for a first device (kernel paging_domain_alloc())
 * @config: kept by reference
 * @iommu: the first device's unit: decides widths, page sizes and, under policy static, the flag
 *
 * Returns NULL when memory is short.
 */
struct dmar_domain *domain_alloc(const struct domain_config *config, struct intel_iommu *iommu);

/* Frees a domain that no device is attached to (kernel domain_exit()). */
void domain_free(struct dmar_domain *domain);

/**
 * intel_iommu_attach_device - make a device translate through @domain, in the kernel's order (facts K7)
 *
 * Returns 0; -EINVAL when the unit cannot serve the domain: too narrow, or, under policy static, in need of
 * iotlb_sync_map that the domain was not allocated with; -ENOSPC without a free domain id; -ENOMEM. The device is
 * blocked after a failure.
 */
int intel_iommu_attach_device(struct dmar_domain *domain, struct device *dev);

/* Takes a device off its domain; its DMA is blocked (kernel device_block_translation()). */
void device_block_translation(struct device *dev);

/* Makes a device's DMA go through untranslated (kernel identity_domain_attach_dev()). Returns 0 or -ENOMEM. */
int identity_domain_attach_dev(struct device *dev);

/**
 * device_create - a device in an iommu group of its own that has no domain yet
 * @iommu: its unit
 * @number: 0..65023; gives bus and function, from bus 1 on
 * @ats: with address translation services
 *
 * It can address all memory. Returns NULL when memory is short; device_destroy() frees both.
 */
struct device *device_create(struct intel_iommu *iommu, uint32_t number, bool ats);
void device_destroy(struct device *dev);

/**
 * iommu_setup_default_domain - attach a device for the DMA API (kernel function of that name)
 * @dev: not attached
 * @config: for a new domain; under policy pt the device's DMA goes through untranslated
 * @domain: the domain to share; allocated for @dev where it is NULL
 *
 * Returns 0, -ENOMEM, or as intel_iommu_attach_device().
 */
int iommu_setup_default_domain(struct device *dev, const struct domain_config *config, struct dmar_domain **domain);

/* Domain id on @iommu; the domain is attached there. */
uint16_t domain_id_iommu(struct dmar_domain *domain, struct intel_iommu *iommu);

/**
 * iommu_map - map a range (kernel iommu_map())
 * @domain: domain
 * @iova: page aligned
 * @paddr: page aligned
 * @size: bytes, page aligned
 * @prot: DMA_PTE_READ, DMA_PTE_WRITE
 *
 * Returns 0, -EINVAL, -EFAULT (too wide), -ENOMEM or -EEXIST; nothing stays mapped after an error.
 */
int iommu_map(struct dmar_domain *domain, uint64_t iova, uint64_t paddr, uint64_t size, int prot);

/* Unmaps a range and flushes the IOTLB (kernel iommu_unmap()). Returns the bytes unmapped. */
uint64_t iommu_unmap(struct dmar_domain *domain, uint64_t iova, uint64_t size);

/**
 * dma_map_single - make contiguous memory visible to a device (kernel dma_map_single())
 * @dev: device
 * @phys: physical address, page aligned
 * @size: bytes, a multiple of 4096, at least one page
 * @dir: direction
 *
 * Returns the device's address, 0 when no address or memory is left. dma_unmap_pages() takes it away again.
 */
uint64_t dma_map_single(struct device *dev, uint64_t phys, uint64_t size, enum dma_data_direction dir);

/**
 * dma_map_pages - make pages visible to a device in one stretch (kernel dma_map_page() and dma_map_sgtable())
 * @dev: device
 * @phys: physical address of each page
 * @count: pages, 1..256
 * @dir: direction
 *
 * Returns the device's address of the first page, 0 when no address or memory is left.
 */
uint64_t dma_map_pages(struct device *dev, const uint64_t *phys, unsigned int count, enum dma_data_direction dir);

/* Takes @count pages at @addr away from the device again. */
void dma_unmap_pages(struct device *dev, uint64_t addr, unsigned int count);

/* Makes a table of the driver's visible to the device for good (kernel dma_alloc_coherent()); result as above. */
uint64_t dma_map_coherent(struct device *dev, void *p, size_t size);

#endif
