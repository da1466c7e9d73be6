/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/domain.h"

#include "sim/cache_tag.h"
#include "sim/invs.h"
#include "sim/iommu.h"
#include "sim/page_table.h"

OBJ_TYPE(dmar_domain, OBJ_FIELD(dmar_domain, nid), OBJ_FIELD(dmar_domain, iommu_array),
	 OBJ_FIELD(dmar_domain, flags), OBJ_FIELD(dmar_domain, lock), OBJ_FIELD(dmar_domain, devices),
	 OBJ_FIELD_AS(dmar_domain, cache.cache_lock, "cache_lock"),
	 OBJ_FIELD_AS(dmar_domain, cache.cache_tags, "cache_tags"),
	 OBJ_FIELD_AS(dmar_domain, cache.qi_batch, "qi_batch"), OBJ_FIELD(dmar_domain, iommu_superpage),
	 OBJ_FIELD(dmar_domain, pgd), OBJ_FIELD(dmar_domain, gaw), OBJ_FIELD(dmar_domain, agaw),
	 OBJ_FIELD(dmar_domain, max_addr), OBJ_FIELD_AS(dmar_domain, domain.type, "type"),
	 OBJ_FIELD_AS(dmar_domain, domain.ops, "ops"),
	 OBJ_FIELD_AS(dmar_domain, domain.pgsize_bitmap, "pgsize_bitmap"),
	 OBJ_FIELD_AS(dmar_domain, domain.geometry, "geometry"),
	 OBJ_FIELD_AS(dmar_domain, domain.iova_cookie, "iova_cookie"),
	 OBJ_FIELD_AS(dmar_domain, padded_cache.cache_lock, "cache_lock"),
	 OBJ_FIELD_AS(dmar_domain, padded_cache.cache_tags, "cache_tags"),
	 OBJ_FIELD_AS(dmar_domain, padded_cache.qi_batch, "qi_batch"));
OBJ_TYPE(iommu_domain_info, OBJ_FIELD(iommu_domain_info, iommu), OBJ_FIELD(iommu_domain_info, refcnt),
	 OBJ_FIELD(iommu_domain_info, did));
OBJ_TYPE_PLAIN(iommu_array, "iommu_array node");

enum { IOMMU_DOMAIN_DMA = 3, IOMMU_DOMAIN_DMA_FQ = 7 };

static const int intel_domain_ops; /* an address to stand in domain.ops */

static struct iommu_array *iommu_array_head(struct dmar_domain *domain)
{
	return rcu_dereference(domain->iommu_array.head);
}

static struct iommu_domain_info *iommu_array_find(struct dmar_domain *domain, struct intel_iommu *iommu)
{
	uint32_t place = (uint32_t)READ_ONCE(iommu->seq_id);
	struct iommu_domain_info *info = NULL;
	struct iommu_array *array;

	rcu_read_lock();
	array = iommu_array_head(domain);
	if (array && place < READ_ONCE(array->count))
		info = READ_ONCE(array->info[place]);
	rcu_read_unlock();
	return info;
}

uint16_t domain_id_iommu(struct dmar_domain *domain, struct intel_iommu *iommu)
{
	struct iommu_domain_info *info = iommu_array_find(domain, iommu);

	assert(info);
	return READ_ONCE(info->did);
}

/* Readers walk the array without a lock, so that a larger one replaces it, and RCU frees the old one. */
static int iommu_array_add(struct dmar_domain *domain, struct iommu_domain_info *add)
{
	uint32_t place = (uint32_t)READ_ONCE(add->iommu->seq_id), count, i;
	struct iommu_array *old, *array;

	spin_lock(&domain->iommu_array.lock);
	old = iommu_array_head(domain);
	count = old ? READ_ONCE(old->count) : 0;
	if (place < count) {
		WRITE_ONCE(old->info[place], add);
		spin_unlock(&domain->iommu_array.lock);
		return 0;
	}
	array = shared_alloc(&iommu_array_type, sizeof(*array) + (place + 1) * sizeof(array->info[0]));
	if (!array) {
		spin_unlock(&domain->iommu_array.lock);
		return -ENOMEM;
	}
	for (i = 0; i < count; i++)
		WRITE_ONCE(array->info[i], READ_ONCE(old->info[i]));
	WRITE_ONCE(array->info[place], add);
	WRITE_ONCE(array->count, place + 1);
	rcu_assign_pointer(domain->iommu_array.head, array);
	spin_unlock(&domain->iommu_array.lock);
	if (old)
		shared_free_rcu(&old->rcu);
	return 0;
}

/* In place, as xa_erase(): detaching needs no memory. */
static void iommu_array_remove(struct dmar_domain *domain, struct intel_iommu *iommu)
{
	spin_lock(&domain->iommu_array.lock);
	WRITE_ONCE(iommu_array_head(domain)->info[READ_ONCE(iommu->seq_id)], NULL);
	spin_unlock(&domain->iommu_array.lock);
}

/* Levels of large pages that a unit has for a stage. */
static int iommu_superpage_capability(uint64_t cap, bool first_stage)
{
	unsigned int sizes = cap_super_page_val(cap);

	if (first_stage)
		return cap_fl1gp_support(cap) ? 2 : 1;
	/* Each size only on top of the one below it. */
	return sizes & 1 ? (sizes & 2 ? 2 : 1) : 0;
}

static uint64_t superpage_bitmap(int superpage)
{
	return PAGE_SIZE | (superpage >= 1 ? 1ULL << 21 : 0) | (superpage >= 2 ? 1ULL << 30 : 0);
}

/* A domain's large pages are those that all its units have. */
static void domain_limit_superpage(struct dmar_domain *domain, struct intel_iommu *iommu)
{
	int has = iommu_superpage_capability(iommu->cap, domain->config->first_stage);

	if (has >= READ_ONCE(domain->iommu_superpage))
		return;
	WRITE_ONCE(domain->iommu_superpage, has);
	WRITE_ONCE(domain->domain.pgsize_bitmap, superpage_bitmap(has));
}

/* Refers the domain to a unit; the first device behind it takes a domain id there. */
static int domain_attach_iommu(struct dmar_domain *domain, struct intel_iommu *iommu)
{
	struct iommu_domain_info *info;
	int ret = 0, did;

	function_entered(__func__);
	spin_lock(&iommu->lock);
	info = iommu_array_find(domain, iommu);
	if (info) {
		WRITE_ONCE(info->refcnt, READ_ONCE(info->refcnt) + 1);
		goto out;
	}
	did = iommu_alloc_domain_id(iommu);
	if (did < 0) {
		ret = did;
		goto out;
	}
	domain_limit_superpage(domain, iommu);
	info = shared_alloc(&iommu_domain_info_type, sizeof(*info));
	if (!info) {
		ret = -ENOMEM;
		goto err_id;
	}
	WRITE_ONCE(info->iommu, iommu);
	WRITE_ONCE(info->refcnt, 1U);
	WRITE_ONCE(info->did, (uint16_t)did);
	ret = iommu_array_add(domain, info);
	if (ret)
		goto err_info;
out:
	spin_unlock(&iommu->lock);
	return ret;

err_info:
	shared_free(info);
err_id:
	iommu_free_domain_id(iommu, (uint16_t)did);
	goto out;
}

static void domain_detach_iommu(struct dmar_domain *domain, struct intel_iommu *iommu)
{
	struct iommu_domain_info *info;

	function_entered(__func__);
	spin_lock(&iommu->lock);
	info = iommu_array_find(domain, iommu);
	assert(info);
	WRITE_ONCE(info->refcnt, READ_ONCE(info->refcnt) - 1);
	if (!READ_ONCE(info->refcnt)) {
		iommu_array_remove(domain, iommu);
		iommu_free_domain_id(iommu, READ_ONCE(info->did));
		shared_free(info);
	}
	spin_unlock(&iommu->lock);
}

/* Writes there are interrupts, not DMA (VT-d spec 3.15): the kernel reserves the range in every domain. */
#define MSI_FIRST_PFN (0xfee00000UL >> PAGE_SHIFT)
#define MSI_LAST_PFN (0xfeefffffUL >> PAGE_SHIFT)

static int domain_init_dma(struct dmar_domain *domain)
{
	struct iommu_dma_cookie *cookie = iommu_get_dma_cookie();
	int ret;

	if (!cookie)
		return -ENOMEM;
	domain->domain.iova_cookie = cookie;
	init_iova_domain(&cookie->iovad, PAGE_SIZE, 1);
	ret = iova_domain_init_rcaches(&cookie->iovad);
	return ret ? ret : reserve_iova(&cookie->iovad, MSI_FIRST_PFN, MSI_LAST_PFN);
}

static void flush_iotlb_all(void *domain)
{
	cache_tag_flush_all(domain);
}

static void domain_init(struct dmar_domain *domain, const struct domain_config *config, struct intel_iommu *iommu)
{
	struct domain_cache *cache;
	int width = agaw_to_width(iommu->agaw);

	domain->config = config;
	domain->cache_offset = config->layout == LAYOUT_PADDED ? offsetof(struct dmar_domain, padded_cache)
							       : offsetof(struct dmar_domain, cache);
	cache = domain_cache(domain);
	list_init(&domain->devices);
	list_init(&domain->dev_pasids);
	if (config->policy != POLICY_INVS)
		list_init(&cache->cache_tags);
	spin_lock_init(&domain->lock, "domain->lock");
	spin_lock_init(&domain->iommu_array.lock, "xa_lock");
	spin_lock_init(&cache->cache_lock, "cache_lock");

	if (config->first_stage)
		domain->flags |= DOMAIN_USE_FIRST_LEVEL;
	if (ecap_coherent(iommu->ecap))
		domain->flags |= DOMAIN_IOMMU_COHERENCY;
	if (config->policy == POLICY_STATIC && iommu_needs_sync_map(iommu, config->first_stage))
		domain->flags |= DOMAIN_IOTLB_SYNC_MAP;
	domain->agaw = iommu->agaw;
	domain->gaw = width < cap_mgaw(iommu->cap) ? width : cap_mgaw(iommu->cap);
	domain->iommu_superpage = iommu_superpage_capability(iommu->cap, config->first_stage);
	domain->domain.type = config->lazy ? IOMMU_DOMAIN_DMA_FQ : IOMMU_DOMAIN_DMA;
	domain->domain.ops = &intel_domain_ops;
	domain->domain.pgsize_bitmap = superpage_bitmap(domain->iommu_superpage);
	/* First-stage addresses are canonical: the upper half is out of reach. */
	domain->domain.geometry.aperture_end = (1ULL << (domain->gaw - config->first_stage)) - 1;
	domain->domain.geometry.force_aperture = true;
}

struct dmar_domain *domain_alloc(const struct domain_config *config, struct intel_iommu *iommu)
{
	struct dmar_domain *domain = shared_alloc(&dmar_domain_type, sizeof(*domain));

	if (!domain)
		return NULL;
	domain_init(domain, config, iommu);
	domain->pgd = page_alloc();
	if (!domain->pgd || domain_init_dma(domain))
		goto err;
	if (config->lazy && iommu_dma_init_fq(domain->domain.iova_cookie, domain, flush_iotlb_all))
		goto err;
	return domain;

err:
	domain_free(domain);
	return NULL;
}

void domain_free(struct dmar_domain *domain)
{
	struct page_list pages = { 0 };

	if (!domain)
		return;
	iommu_put_dma_cookie(domain->domain.iova_cookie);
	if (domain->pgd) {
		domain_unmap(domain, 0, domain_max_pfn(domain->gaw), &pages);
		page_list_free(&pages);
	}
	shared_free(domain->iommu_array.head);
	shared_free(domain_cache(domain)->qi_batch);
	if (domain_uses_invs(domain))
		shared_free(domain_cache(domain)->invs);
	shared_free(domain);
}

/* Can the unit serve the domain as it is? Narrower tables only lose levels that are empty but for their first
 * entry. */
static int prepare_domain_attach_device(struct dmar_domain *domain, struct intel_iommu *iommu)
{
	int width = agaw_to_width(iommu->agaw);

	if (width > cap_mgaw(iommu->cap))
		width = cap_mgaw(iommu->cap);
	if (READ_ONCE(domain->max_addr) > 1ULL << width)
		return -EINVAL;
	if (domain->config->policy == POLICY_STATIC &&
	    iommu_needs_sync_map(iommu, domain_use_first_level(domain)) &&
	    !domain_flag(domain, DOMAIN_IOTLB_SYNC_MAP))
		return -EINVAL;

	/* The kernel goes on, and leaves the context entries of the devices that are attached at a table that it
	 * frees. */
	if (iommu->agaw < READ_ONCE(domain->agaw) && !list_empty(&domain->devices))
		return -EINVAL;
	while (iommu->agaw < READ_ONCE(domain->agaw)) {
		struct dma_pte *top = READ_ONCE(domain->pgd);
		uint64_t first = READ_ONCE(top->val);

		if (dma_pte_present(first)) {
			WRITE_ONCE(domain->pgd, phys_to_virt(dma_pte_addr(first)));
			page_free(top);
		}
		WRITE_ONCE(domain->agaw, READ_ONCE(domain->agaw) - 1);
	}
	/* No wider than the tables: the kernel takes the unit's width even after a narrower one has shortened them.
	 */
	if (width > agaw_to_width(READ_ONCE(domain->agaw)))
		width = agaw_to_width(READ_ONCE(domain->agaw));
	WRITE_ONCE(domain->gaw, width);
	return 0;
}

static int domain_set_context(struct dmar_domain *domain, struct device_domain_info *info)
{
	struct intel_iommu *iommu = info->iommu;
	struct dma_pte *pgd = READ_ONCE(domain->pgd);
	uint16_t did = domain_id_iommu(domain, iommu);
	int agaw;

	/* A unit with fewer levels than the domain starts further down. */
	for (agaw = READ_ONCE(domain->agaw); agaw > iommu->agaw; agaw--) {
		uint64_t first = READ_ONCE(pgd->val);

		if (!dma_pte_present(first))
			return -ENOMEM;
		pgd = phys_to_virt(dma_pte_addr(first));
	}
	return iommu_set_context(iommu, info, virt_to_phys(pgd), agaw, did,
				 info->ats_supported ? CONTEXT_TT_DEV_IOTLB : CONTEXT_TT_MULTI_LEVEL,
				 domain_use_first_level(domain));
}

/* An array that is walked without a lock needs its order whatever the kernel's is. */
static bool tags_first(const struct dmar_domain *domain)
{
	return domain->config->attach_order == ATTACH_TAGS_FIRST || domain_uses_invs(domain);
}

/* Lets mappings know that they have to be followed by something, where the flag is not fixed at allocation. */
static void attach_sync_map(struct dmar_domain *domain, struct intel_iommu *iommu)
{
	if (domain->config->policy == POLICY_DYNAMIC && iommu_needs_sync_map(iommu, domain_use_first_level(domain)))
		domain_set_flag(domain, DOMAIN_IOTLB_SYNC_MAP);
}

/* The kernel's order: context entry, ATS, cache tags, flag (facts K7). */
static int attach_context_first(struct dmar_domain *domain, struct device *dev)
{
	struct device_domain_info *info = &dev->info;
	int ret = domain_set_context(domain, info);

	if (ret)
		return ret;
	if (info->ats_supported)
		WRITE_ONCE(info->ats_enabled, true);
	ret = cache_tag_assign_domain(domain, dev, IOMMU_NO_PASID, NULL);
	if (!ret)
		attach_sync_map(domain, info->iommu);
	return ret;
}

/*
 * What the review of the flag asks for: whatever a mapping has to be followed by is in force before the unit can
 * walk the tables, and entries that were written before that have left the write buffer.
 */
static int attach_tags_first(struct dmar_domain *domain, struct device *dev)
{
	struct device_domain_info *info = &dev->info;
	int ret;

	if (info->ats_supported)
		WRITE_ONCE(info->ats_enabled, true);
	ret = cache_tag_assign_domain(domain, dev, IOMMU_NO_PASID, NULL);
	if (ret)
		return ret;
	attach_sync_map(domain, info->iommu);
	/* A map that has not seen the flag has written its entries before this, or sees it. */
	smp_mb();
	iommu_flush_write_buffer(info->iommu);
	return domain_set_context(domain, info);
}

static int dmar_domain_attach_device(struct dmar_domain *domain, struct device *dev)
{
	struct device_domain_info *info = &dev->info;
	struct intel_iommu *iommu = info->iommu;
	unsigned long flags;
	int ret;

	ret = domain_attach_iommu(domain, iommu);
	if (ret)
		return ret;
	WRITE_ONCE(info->domain, domain);
	WRITE_ONCE(info->domain_attached, true);
	flags = spin_lock_irqsave(&domain->lock);
	list_add(&info->link, &domain->devices);
	spin_unlock_irqrestore(&domain->lock, flags);
	if (info->real_dma_subdevice)
		return 0;

	if (tags_first(domain))
		ret = attach_tags_first(domain, dev);
	else
		ret = attach_context_first(domain, dev);
	if (ret)
		device_block_translation(dev);
	return ret;
}

int intel_iommu_attach_device(struct dmar_domain *domain, struct device *dev)
{
	int ret;

	function_entered(__func__);
	device_block_translation(dev);
	ret = prepare_domain_attach_device(domain, dev->info.iommu);
	return ret ? ret : dmar_domain_attach_device(domain, dev);
}

void device_block_translation(struct device *dev)
{
	struct device_domain_info *info = &dev->info;
	struct dmar_domain *domain;
	unsigned long flags;

	function_entered(__func__);
	if (!READ_ONCE(info->domain_attached))
		return;
	domain = READ_ONCE(info->domain);
	if (domain && tags_first(domain)) {
		/* The other way round: invalidations go on until the device cannot walk any more. */
		if (!info->real_dma_subdevice)
			iommu_clear_context(info->iommu, info);
		cache_tag_unassign_domain(domain, dev, IOMMU_NO_PASID, NULL);
		WRITE_ONCE(info->ats_enabled, false);
	} else {
		if (domain)
			cache_tag_unassign_domain(domain, dev, IOMMU_NO_PASID, NULL);
		WRITE_ONCE(info->ats_enabled, false);
		if (!info->real_dma_subdevice)
			iommu_clear_context(info->iommu, info);
	}
	WRITE_ONCE(info->domain_attached, false);
	if (!domain)
		return;
	flags = spin_lock_irqsave(&domain->lock);
	list_del(&info->link);
	if (unlikely(domain->config->bug == BUG_LOCK_ORDER)) {
		spin_lock(&domain_cache(domain)->cache_lock);
		spin_unlock(&domain_cache(domain)->cache_lock);
	}
	spin_unlock_irqrestore(&domain->lock, flags);
	domain_detach_iommu(domain, info->iommu);
	WRITE_ONCE(info->domain, NULL);
}

int identity_domain_attach_dev(struct device *dev)
{
	struct device_domain_info *info = &dev->info;
	int ret;

	device_block_translation(dev);
	ret = iommu_set_context(info->iommu, info, 0, info->iommu->agaw, FLPT_DEFAULT_DID, CONTEXT_TT_PASS_THROUGH,
				false);
	if (!ret)
		WRITE_ONCE(info->domain_attached, true);
	return ret;
}

static int intel_iommu_map(struct dmar_domain *domain, uint64_t iova, uint64_t paddr, uint64_t size, int prot)
{
	uint64_t max_addr = iova + size;

	if (domain_flag(domain, DOMAIN_SET_PTE_SNP))
		prot |= DMA_PTE_SNP;
	/* On the line of the cache lock, and written when the highest mapping grows: facts K2. */
	if (READ_ONCE(domain->max_addr) < max_addr) {
		if (max_addr > 1ULL << READ_ONCE(domain->gaw))
			return -EFAULT;
		WRITE_ONCE(domain->max_addr, max_addr);
	}
	return domain_mapping(domain, iova >> PAGE_SHIFT, paddr >> PAGE_SHIFT, size >> PAGE_SHIFT, prot);
}

/* Before v6.10 (facts F9): each unit of the domain, found without a lock. */
static void legacy_iotlb_sync_map(struct dmar_domain *domain, uint64_t iova, uint64_t size)
{
	struct iommu_array *array;
	uint32_t count, i;

	compute(COST_XA_FOR_EACH);
	rcu_read_lock();
	array = iommu_array_head(domain);
	count = array ? READ_ONCE(array->count) : 0;
	for (i = 0; i < count; i++) {
		struct iommu_domain_info *info = READ_ONCE(array->info[i]);
		uint64_t cap, pages, addr, type = DMA_TLB_PSI_FLUSH;
		struct intel_iommu *iommu;
		struct qi_desc desc;
		unsigned int mask;

		if (!info)
			continue;
		iommu = READ_ONCE(info->iommu);
		cap = READ_ONCE(iommu->cap);
		compute(COST_IOMMU_VISIT);
		if (!cap_caching_mode(cap) || domain_use_first_level(domain)) {
			iommu_flush_write_buffer(iommu);
			continue;
		}
		addr = calculate_psi_aligned_address(iova, iova + size - 1, &pages, &mask);
		if (!cap_pgsel_inv(cap) || mask > cap_max_amask_val(cap)) {
			addr = mask = 0;
			type = DMA_TLB_DSI_FLUSH;
		}
		desc = qi_desc_iotlb(cap, READ_ONCE(info->did), addr, mask, type);
		qi_submit_sync(iommu, &desc, 1);
	}
	rcu_read_unlock();
}

/* What the whole project is about. */
static void intel_iommu_iotlb_sync_map(struct dmar_domain *domain, uint64_t iova, uint64_t size)
{
	map_phase(MAP_sync_map);
	count_call(FN_iotlb_sync_map);
	switch (domain->config->policy) {
	case POLICY_PT:
		break;
	case POLICY_LEGACY:
		legacy_iotlb_sync_map(domain, iova, size);
		break;
	case POLICY_ALWAYS:
		cache_tag_flush_range_np(domain, iova, iova + size - 1);
		break;
	case POLICY_DYNAMIC:
	case POLICY_STATIC:
		if (domain_flag(domain, DOMAIN_IOTLB_SYNC_MAP))
			cache_tag_flush_range_np(domain, iova, iova + size - 1);
		break;
	case POLICY_INVS:
		if (invs_sync_map(domain))
			cache_tag_flush_range_np(domain, iova, iova + size - 1);
		break;
	}
}

/* The core's part of a call into the driver: the operations and the page sizes (kernel __iommu_map(), _unmap()). */
static uint64_t read_domain_ops(struct dmar_domain *domain)
{
	(void)READ_ONCE(domain->domain.ops);
	(void)READ_ONCE(domain->domain.type);
	return READ_ONCE(domain->domain.pgsize_bitmap);
}

/* What an unmap leaves to be done once it is over (kernel struct iommu_iotlb_gather). */
struct iotlb_gather {
	uint64_t start, end;
	struct page_list freelist;
	bool queued;
};

static void iotlb_sync(struct dmar_domain *domain, struct iotlb_gather *gather)
{
	bool leaves_only = page_list_empty(&gather->freelist);

	if (unlikely(domain->config->bug == BUG_FREE_TABLES_FIRST))
		page_list_free(&gather->freelist);
	if (likely(domain->config->bug != BUG_NO_SYNC_UNMAP))
		cache_tag_flush_range(domain, gather->start, gather->end, leaves_only);
	page_list_free(&gather->freelist);
}

static uint64_t intel_iommu_unmap(struct dmar_domain *domain, uint64_t iova, uint64_t size,
				  struct iotlb_gather *gather)
{
	int level = 0;

	if (!pfn_to_dma_pte(domain, iova >> PAGE_SHIFT, &level, COST_UNMAP_WALK_LEVEL))
		return 0;
	/* The interface cannot split a large page: all of it goes. */
	if (size < PAGE_SIZE << level_to_offset_bits(level))
		size = PAGE_SIZE << level_to_offset_bits(level);
	domain_unmap(domain, iova >> PAGE_SHIFT, (iova + size - 1) >> PAGE_SHIFT, &gather->freelist);
	if (READ_ONCE(domain->max_addr) == iova + size)
		WRITE_ONCE(domain->max_addr, iova);
	if (!gather->queued) {
		if (iova < gather->start)
			gather->start = iova;
		if (iova + size - 1 > gather->end)
			gather->end = iova + size - 1;
	}
	return size;
}

static uint64_t __iommu_unmap(struct dmar_domain *domain, uint64_t iova, uint64_t size, struct iotlb_gather *gather)
{
	uint64_t unmapped = 0;

	compute(COST_IOMMU_UNMAP);
	read_domain_ops(domain);
	while (unmapped < size) {
		uint64_t step = intel_iommu_unmap(domain, iova + unmapped, size - unmapped, gather);

		if (!step)
			break;
		unmapped += step;
	}
	return unmapped;
}

uint64_t iommu_unmap(struct dmar_domain *domain, uint64_t iova, uint64_t size)
{
	struct iotlb_gather gather = { .start = UINT64_MAX };
	uint64_t unmapped;

	function_entered(__func__);
	unmapped = __iommu_unmap(domain, iova, size, &gather);
	if (unmapped)
		iotlb_sync(domain, &gather);
	return unmapped;
}

/*
 * Takes back what an attempt to map a range had mapped, from its start on, when it failed: pages that lead where
 * they were to lead, to @phys[i] each or, without that, to @paddr on.
 */
static void undo_mapping(struct dmar_domain *domain, uint64_t iova, const uint64_t *phys, uint64_t paddr,
			 uint64_t size)
{
	struct iotlb_gather gather = { .start = UINT64_MAX };
	uint64_t done = 0;

	while (done < size &&
	       domain_iova_to_phys(domain, iova + done) == (phys ? phys[done >> PAGE_SHIFT] : paddr + done))
		done += intel_iommu_unmap(domain, iova + done, PAGE_SIZE, &gather);
	if (done)
		iotlb_sync(domain, &gather);
}

/* Errors that come when part of a range may be mapped; the others come before. */
static bool is_halfway_error(int ret)
{
	return ret == -ENOMEM || ret == -EEXIST;
}

/* Maps @count pages, a run of contiguous ones at a time, and syncs once at the end (kernel iommu_map_sg()). */
static int map_pages(struct dmar_domain *domain, uint64_t iova, const uint64_t *phys, unsigned int count, int prot)
{
	unsigned int i, run;
	int ret = 0;

	map_phase(MAP_page_table);
	compute(COST_IOMMU_MAP);
	read_domain_ops(domain);
	for (i = 0; !ret && i < count; i += run) {
		for (run = 1; i + run < count && phys[i + run] == phys[i] + run * PAGE_SIZE; run++)
			;
		ret = intel_iommu_map(domain, iova + i * PAGE_SIZE, phys[i], run * PAGE_SIZE, prot);
	}
	if (!ret) {
		if (likely(domain->config->bug != BUG_NO_SYNC_MAP))
			intel_iommu_iotlb_sync_map(domain, iova, count * PAGE_SIZE);
		return 0;
	}
	if (is_halfway_error(ret))
		undo_mapping(domain, iova, phys, 0, count * PAGE_SIZE);
	return ret;
}

int iommu_map(struct dmar_domain *domain, uint64_t iova, uint64_t paddr, uint64_t size, int prot)
{
	int ret;

	function_entered(__func__);
	if ((iova | paddr | size) & (PAGE_SIZE - 1) || !size)
		return -EINVAL;
	map_phase(MAP_page_table);
	compute(COST_IOMMU_MAP);
	read_domain_ops(domain);
	ret = intel_iommu_map(domain, iova, paddr, size, prot);
	if (!ret && likely(domain->config->bug != BUG_NO_SYNC_MAP))
		intel_iommu_iotlb_sync_map(domain, iova, size);
	else if (is_halfway_error(ret))
		undo_mapping(domain, iova, NULL, paddr, size);
	return ret;
}

static struct dmar_domain *iommu_get_dma_domain(struct device *dev)
{
	struct iommu_group *group = READ_ONCE(dev->group);

	return READ_ONCE(group->default_domain);
}

/* An address for @size bytes, 0 when there is none left (kernel iommu_dma_alloc_iova()). */
static uint64_t alloc_dma_addr(struct device *dev, struct dmar_domain *domain, struct iommu_dma_cookie *cookie,
			       uint64_t size)
{
	uint64_t mask, end;

	map_phase(MAP_iova);
	mask = READ_ONCE(dev->dma_mask);
	end = READ_ONCE(domain->domain.geometry.aperture_end);
	return iova_alloc_dma(&cookie->iovad, size, mask, end, &dev->pci_32bit_workaround);
}

/* What the device may do (kernel dma_info_to_prot()). */
static int dma_prot(enum dma_data_direction dir)
{
	switch (dir) {
	case DMA_TO_DEVICE:
		return DMA_PTE_READ;
	case DMA_FROM_DEVICE:
		return DMA_PTE_WRITE;
	case DMA_BIDIRECTIONAL:
		break;
	}
	return DMA_PTE_READ | DMA_PTE_WRITE;
}

/* An address for contiguous memory, mapped there; 0 when no address or memory is left. */
static uint64_t map_contiguous(struct device *dev, struct dmar_domain *domain, uint64_t phys, uint64_t size,
			       int prot)
{
	struct iommu_dma_cookie *cookie = READ_ONCE(domain->domain.iova_cookie);
	uint64_t iova = alloc_dma_addr(dev, domain, cookie, size);
	int ret;

	if (!iova)
		return 0;
	ret = iommu_map(domain, iova, phys, size, prot);
	map_phase(MAP_other);
	if (!ret)
		return iova;
	free_iova_fast(&cookie->iovad, iova_pfn(&cookie->iovad, iova), size >> PAGE_SHIFT);
	return 0;
}

static uint64_t __dma_map_single(struct device *dev, uint64_t phys, uint64_t size, enum dma_data_direction dir)
{
	struct dmar_domain *domain = iommu_get_dma_domain(dev);
	uint64_t iova;

	count_call(FN_dma_map);
	compute(COST_DMA_MAP_ENTRY);
	if (!domain)
		return phys;
	iova = map_contiguous(dev, domain, phys, size, dma_prot(dir));
	if (iova)
		compute(COST_DMA_MAP_EXIT);
	return iova;
}

uint64_t dma_map_single(struct device *dev, uint64_t phys, uint64_t size, enum dma_data_direction dir)
{
	uint64_t addr;

	map_call_begin();
	addr = __dma_map_single(dev, phys, size, dir);
	map_call_end();
	if (addr)
		oracle_map(device_rid(&dev->info), addr, NULL, phys, size >> PAGE_SHIFT);
	return addr;
}

static uint64_t __dma_map_pages(struct device *dev, const uint64_t *phys, unsigned int count,
				enum dma_data_direction dir)
{
	struct dmar_domain *domain = iommu_get_dma_domain(dev);
	struct iommu_dma_cookie *cookie;
	uint64_t size = (uint64_t)count << PAGE_SHIFT, iova;
	int ret;

	count_call(FN_dma_map);
	compute(COST_DMA_MAP_ENTRY);
	if (!domain)
		return phys[0]; /* pass-through: scattered pages go to the device one by one */
	cookie = READ_ONCE(domain->domain.iova_cookie);
	iova = alloc_dma_addr(dev, domain, cookie, size);
	if (!iova)
		return 0;
	ret = map_pages(domain, iova, phys, count, dma_prot(dir));
	map_phase(MAP_other);
	if (ret) {
		free_iova_fast(&cookie->iovad, iova_pfn(&cookie->iovad, iova), count);
		return 0;
	}
	compute(COST_DMA_MAP_EXIT);
	return iova;
}

uint64_t dma_map_pages(struct device *dev, const uint64_t *phys, unsigned int count, enum dma_data_direction dir)
{
	uint64_t addr;

	map_call_begin();
	addr = __dma_map_pages(dev, phys, count, dir);
	map_call_end();
	if (addr)
		oracle_map(device_rid(&dev->info), addr, phys, 0, count);
	return addr;
}

void dma_unmap_pages(struct device *dev, uint64_t addr, unsigned int count)
{
	struct dmar_domain *domain = iommu_get_dma_domain(dev);
	struct iotlb_gather gather = { .start = UINT64_MAX };
	struct iommu_dma_cookie *cookie;
	uint64_t size = (uint64_t)count << PAGE_SHIFT, unmapped, pfn, phys;

	count_call(FN_dma_unmap);
	compute(COST_DMA_UNMAP_ENTRY);
	if (!domain)
		return;
	cookie = READ_ONCE(domain->domain.iova_cookie);
	/* A single page may have been bounced: the kernel looks up where it is. */
	phys = count == 1 ? domain_iova_to_phys(domain, addr) : 1;
	assert(phys);
	pfn = iova_pfn(&cookie->iovad, addr);
	gather.queued = READ_ONCE(cookie->fq_domain) != NULL;
	oracle_unmap(device_rid(&dev->info), addr, count, ORACLE_BEGINS);
	unmapped = __iommu_unmap(domain, addr, size, &gather);
	assert(unmapped == size);
	oracle_unmap(device_rid(&dev->info), addr, count, ORACLE_CLEARED);
	if (gather.queued) {
		queue_iova(cookie, pfn, count, &gather.freelist);
		oracle_unmap(device_rid(&dev->info), addr, count, ORACLE_LAZY);
	} else {
		iotlb_sync(domain, &gather);
		/* Before anybody else can get the address. */
		oracle_unmap(device_rid(&dev->info), addr, count, ORACLE_STRICT);
		free_iova_fast(&cookie->iovad, pfn, count);
	}
	compute(COST_DMA_UNMAP_EXIT);
}

uint64_t dma_map_coherent(struct device *dev, void *p, size_t size)
{
	struct dmar_domain *domain = iommu_get_dma_domain(dev);
	uint64_t bytes = (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1), phys = virt_to_phys(p), addr;

	if (!domain)
		return phys;
	addr = map_contiguous(dev, domain, phys, bytes, dma_prot(DMA_BIDIRECTIONAL));
	if (addr)
		oracle_map(device_rid(&dev->info), addr, NULL, phys, bytes >> PAGE_SHIFT);
	return addr;
}
