/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/cache_tag.h"

#include "sim/invs.h"
#include "sim/iommu.h"

OBJ_TYPE(cache_tag, OBJ_FIELD(cache_tag, node), OBJ_FIELD(cache_tag, type), OBJ_FIELD(cache_tag, iommu),
	 OBJ_FIELD(cache_tag, dev), OBJ_FIELD(cache_tag, domain_id), OBJ_FIELD(cache_tag, users));
OBJ_TYPE(qi_batch, OBJ_FIELD(qi_batch, descs), OBJ_FIELD(qi_batch, index));

/* "All pages", as the pages argument of the flush functions below. */
#define ALL_PAGES UINT64_MAX
#define MAX_AGAW_PFN_WIDTH 52

bool cache_tag_match(struct cache_tag *tag, uint16_t did, struct device *dev, uint32_t pasid,
		     enum cache_tag_type type)
{
	if (READ_ONCE(tag->type) != type || READ_ONCE(tag->domain_id) != did || READ_ONCE(tag->pasid) != pasid)
		return false;
	if (is_devtlb(type))
		return READ_ONCE(tag->dev) == dev;
	return READ_ONCE(tag->iommu) == dev->info.iommu;
}

void cache_tag_init(struct cache_tag *tag, uint16_t did, struct device *dev, uint32_t pasid,
		    enum cache_tag_type type)
{
	WRITE_ONCE(tag->type, type);
	WRITE_ONCE(tag->iommu, dev->info.iommu);
	WRITE_ONCE(tag->dev, is_devtlb(type) ? dev : NULL);
	WRITE_ONCE(tag->domain_id, did);
	WRITE_ONCE(tag->pasid, pasid);
	WRITE_ONCE(tag->users, 1U);
}

static struct cache_tag *cache_tag_find(struct domain_cache *cache, uint16_t did, struct device *dev,
					uint32_t pasid, enum cache_tag_type type)
{
	struct cache_tag *tag;

	list_for_each_entry(tag, &cache->cache_tags, node)
		if (cache_tag_match(tag, did, dev, pasid, type))
			return tag;
	return NULL;
}

static int cache_tag_assign(struct dmar_domain *domain, uint16_t did, struct device *dev, uint32_t pasid,
			    enum cache_tag_type type)
{
	struct domain_cache *cache = domain_cache(domain);
	struct cache_tag *tag, *found;
	unsigned long flags;

	if (domain_uses_invs(domain))
		return invs_add(domain, did, dev, pasid, type);
	/* Before the lock: allocation may sleep. */
	tag = shared_alloc(&cache_tag_type, sizeof(*tag));
	if (!tag)
		return -ENOMEM;
	cache_tag_init(tag, did, dev, pasid, type);

	flags = spin_lock_irqsave(&cache->cache_lock);
	if (unlikely(domain->config->bug == BUG_LOCK_ORDER)) {
		spin_lock(&domain->lock);
		spin_unlock(&domain->lock);
	}
	found = cache_tag_find(cache, did, dev, pasid, type);
	if (found)
		WRITE_ONCE(found->users, READ_ONCE(found->users) + 1);
	else
		list_add_tail(&tag->node, &cache->cache_tags);
	spin_unlock_irqrestore(&cache->cache_lock, flags);
	if (found && domain->config->bug != BUG_LEAK_TAG)
		shared_free(tag);
	return 0;
}

/* Returns whether those who have found the tag before may still use it. */
static bool cache_tag_unassign(struct dmar_domain *domain, uint16_t did, struct device *dev, uint32_t pasid,
			       enum cache_tag_type type)
{
	struct domain_cache *cache = domain_cache(domain);
	struct cache_tag *tag;
	unsigned long flags;
	uint32_t users = 1;

	if (domain_uses_invs(domain))
		return invs_del(domain, did, dev, pasid, type);
	flags = spin_lock_irqsave(&cache->cache_lock);
	tag = cache_tag_find(cache, did, dev, pasid, type);
	if (tag) {
		users = READ_ONCE(tag->users) - 1;
		WRITE_ONCE(tag->users, users);
		if (!users && domain->config->bug != BUG_FREE_LINKED_TAG)
			list_del(&tag->node);
	}
	spin_unlock_irqrestore(&cache->cache_lock, flags);
	if (!users && domain->config->bug != BUG_LOSE_TAG)
		shared_free(tag);
	return false;
}

/* The batch is made at the first attach and lives as long as the domain. Without the lock each walk has its own. */
static int domain_qi_batch_alloc(struct dmar_domain *domain)
{
	struct domain_cache *cache = domain_cache(domain);
	unsigned long flags;
	int ret = 0;

	if (domain_uses_invs(domain))
		return 0;
	flags = spin_lock_irqsave(&cache->cache_lock);
	if (!READ_ONCE(cache->qi_batch)) {
		struct qi_batch *batch = shared_alloc(&qi_batch_type, sizeof(*batch));

		if (batch)
			WRITE_ONCE(cache->qi_batch, batch);
		else
			ret = -ENOMEM;
	}
	spin_unlock_irqrestore(&cache->cache_lock, flags);
	return ret;
}

/*
 * Returns whether the device's TLB may still be invalidated by those who have found its tag before. An IOTLB's tag
 * does no harm later: at worst it invalidates too much.
 */
static bool unassign_pair(struct dmar_domain *domain, uint16_t did, struct device *dev, uint32_t pasid,
			  enum cache_tag_type iotlb, enum cache_tag_type devtlb)
{
	cache_tag_unassign(domain, did, dev, pasid, iotlb);
	return READ_ONCE(dev->info.ats_enabled) && cache_tag_unassign(domain, did, dev, pasid, devtlb);
}

/* Until that is over: then ATS may go off. */
static void wait_for_walks(const struct dmar_domain *domain)
{
	if (domain->config->bug != BUG_NO_GRACE_PERIOD)
		synchronize_rcu();
}

static int assign_pair(struct dmar_domain *domain, uint16_t did, struct device *dev, uint32_t pasid,
		       enum cache_tag_type iotlb, enum cache_tag_type devtlb)
{
	int ret;

	ret = domain_qi_batch_alloc(domain);
	if (ret)
		return ret;
	ret = cache_tag_assign(domain, did, dev, pasid, iotlb);
	if (ret || !READ_ONCE(dev->info.ats_enabled))
		return ret;
	ret = cache_tag_assign(domain, did, dev, pasid, devtlb);
	if (ret)
		cache_tag_unassign(domain, did, dev, pasid, iotlb);
	return ret;
}

int cache_tag_assign_domain(struct dmar_domain *domain, struct device *dev, uint32_t pasid,
			    struct dmar_domain *parent)
{
	uint16_t did = domain_id_iommu(domain, dev->info.iommu);
	int ret;

	function_entered(__func__);
	ret = assign_pair(domain, did, dev, pasid, CACHE_TAG_IOTLB, CACHE_TAG_DEVTLB);
	if (ret || !parent)
		return ret;
	ret = assign_pair(parent, did, dev, pasid, CACHE_TAG_NESTING_IOTLB, CACHE_TAG_NESTING_DEVTLB);
	if (ret && unassign_pair(domain, did, dev, pasid, CACHE_TAG_IOTLB, CACHE_TAG_DEVTLB))
		wait_for_walks(domain);
	return ret;
}

void cache_tag_unassign_domain(struct dmar_domain *domain, struct device *dev, uint32_t pasid,
			       struct dmar_domain *parent)
{
	uint16_t did = domain_id_iommu(domain, dev->info.iommu);
	bool walks;

	function_entered(__func__);
	walks = unassign_pair(domain, did, dev, pasid, CACHE_TAG_IOTLB, CACHE_TAG_DEVTLB);
	if (parent)
		walks |= unassign_pair(parent, did, dev, pasid, CACHE_TAG_NESTING_IOTLB, CACHE_TAG_NESTING_DEVTLB);
	if (walks)
		wait_for_walks(domain);
}

uint64_t calculate_psi_aligned_address(uint64_t start, uint64_t end, uint64_t *pages, unsigned int *mask)
{
	uint64_t first = start >> PAGE_SHIFT, last = end >> PAGE_SHIFT, count = last - first + 1;
	unsigned int order = count > 1 ? 64U - (unsigned int)__builtin_clzll(count - 1) : 0;

	/* Where the range straddles a multiple of its rounded size, the highest bit that differs decides. */
	if (first & ((1ULL << order) - 1)) {
		uint64_t differ = first ^ last;
		unsigned int bits = differ ? 64U - (unsigned int)__builtin_clzll(differ) : 0;

		if (bits > order)
			order = bits;
	}
	if (order > MAX_AGAW_PFN_WIDTH)
		order = MAX_AGAW_PFN_WIDTH;
	*mask = order;
	*pages = 1ULL << order;
	return order == MAX_AGAW_PFN_WIDTH ? 0 : start & ~((PAGE_SIZE << order) - 1);
}

/*
 * A walk over a domain's tags, which come in attach order: what is batched for one unit goes out before the next
 * one's. The tags are a list under cache_lock or, with policy invs, an array that is walked without a lock.
 */
struct tag_walk {
	struct domain_cache *cache;
	struct intel_iommu *iommu; /* of the last tag */
	struct invs *array;
	bool lockless;
	unsigned long flags;
	struct qi_batch *shared; /* the domain's, under the lock */
	struct qi_batch own;	 /* on the stack: nobody else sees it */
};

/* Not inlined: a mapping has nothing to submit, and the caller registers enough to save. */
static __attribute__((noinline)) void qi_batch_submit(struct intel_iommu *iommu, struct qi_batch *batch,
						      uint32_t count)
{
	uint32_t i;

	qi_submit_sync(iommu, batch->descs, count);
	/* The kernel clears the whole batch: a store to each of its lines. */
	for (i = 0; i < QI_MAX_BATCHED_DESC_COUNT; i += CACHE_LINE_SIZE / sizeof(struct qi_desc))
		WRITE_ONCE(batch->descs[i].qw0, 0UL);
	WRITE_ONCE(batch->index, 0U);
}

static void qi_batch_flush_descs(struct tag_walk *w)
{
	uint32_t count;

	if (!w->iommu)
		return;
	if (unlikely(w->lockless)) {
		if (w->own.index)
			qi_submit_sync(w->iommu, w->own.descs, w->own.index);
		w->own.index = 0;
		return;
	}
	count = READ_ONCE(w->shared->index);
	if (count)
		qi_batch_submit(w->iommu, w->shared, count);
}

static void qi_batch_add(struct tag_walk *w, struct qi_desc desc)
{
	struct qi_batch *batch = w->shared;
	uint32_t index;

	compute(COST_QI_DESC);
	if (unlikely(w->lockless)) {
		index = w->own.index++;
		w->own.descs[index] = desc;
	} else {
		index = READ_ONCE(batch->index);
		WRITE_ONCE(batch->descs[index].qw0, desc.qw0);
		WRITE_ONCE(batch->descs[index].qw1, desc.qw1);
		WRITE_ONCE(batch->descs[index].qw2, desc.qw2);
		WRITE_ONCE(batch->descs[index].qw3, desc.qw3);
		WRITE_ONCE(batch->index, index + 1);
	}
	if (index + 1 == QI_MAX_BATCHED_DESC_COUNT)
		qi_batch_flush_descs(w);
}

/* Arrives at @tag, if there is one. */
static struct cache_tag *tag_walk_at(struct tag_walk *w, struct cache_tag *tag)
{
	struct intel_iommu *iommu;

	if (!tag)
		return NULL;
	compute(COST_TAG_VISIT);
	iommu = READ_ONCE(tag->iommu);
	if (unlikely(w->iommu && w->iommu != iommu))
		qi_batch_flush_descs(w);
	w->iommu = iommu;
	return tag;
}

static struct cache_tag *tag_at(const struct tag_walk *w, struct cds_list_head *node)
{
	return node == &w->cache->cache_tags ? NULL : container_of(node, struct cache_tag, node);
}

/* Each of these returns a tag, or NULL behind the last one. */
static struct cache_tag *tag_walk_begin(struct tag_walk *w, struct dmar_domain *domain)
{
	w->cache = domain_cache(domain);
	w->iommu = NULL;
	w->lockless = domain_uses_invs(domain);
	if (unlikely(w->lockless)) {
		w->own.index = 0;
		w->array = invs_walk_begin(domain);
		return tag_walk_at(w, invs_walk_next(w->array, NULL));
	}
	w->flags = spin_lock_irqsave(&w->cache->cache_lock);
	compute(COST_SPIN_LOCK_IRQ);
	w->shared = READ_ONCE(w->cache->qi_batch);
	return tag_walk_at(w, tag_at(w, READ_ONCE(w->cache->cache_tags.next)));
}

static struct cache_tag *tag_walk_next(struct tag_walk *w, struct cache_tag *tag)
{
	if (unlikely(w->lockless))
		return tag_walk_at(w, invs_walk_next(w->array, tag));
	return tag_walk_at(w, tag_at(w, READ_ONCE(tag->node.next)));
}

static void tag_walk_end(struct tag_walk *w)
{
	qi_batch_flush_descs(w);
	if (unlikely(w->lockless))
		invs_walk_end();
	else
		spin_unlock_irqrestore(&w->cache->cache_lock, w->flags);
}

#define for_each_tag(w, domain, tag) for ((tag) = tag_walk_begin(w, domain); (tag); (tag) = tag_walk_next(w, tag))

static void cache_tag_flush_iotlb(struct dmar_domain *domain, struct cache_tag *tag, struct tag_walk *w,
				  uint64_t addr, uint64_t pages, unsigned int mask, int ih)
{
	struct intel_iommu *iommu = READ_ONCE(tag->iommu);
	uint64_t cap = READ_ONCE(iommu->cap), type = DMA_TLB_PSI_FLUSH;
	uint16_t did = READ_ONCE(tag->domain_id);

	if (domain_use_first_level(domain)) {
		qi_batch_add(w, qi_desc_piotlb(did, READ_ONCE(tag->pasid), addr, pages, ih));
		return;
	}
	/* The whole domain where pages cannot be selected, or not that many. */
	if (!cap_pgsel_inv(cap) || mask > cap_max_amask_val(cap) || pages == ALL_PAGES) {
		addr = 0;
		mask = 0;
		ih = 0;
		type = DMA_TLB_DSI_FLUSH;
	}
	qi_batch_add(w, qi_desc_iotlb(cap, did, addr | (ih ? 1 : 0), mask, type));
}

/*
 * Device TLBs: @order pages as a power of two, MAX_AGAW_PFN_WIDTH for everything. Flushing all ignores the PASID,
 * as the kernel does.
 */
static void cache_tag_flush_devtlb(struct cache_tag *tag, struct tag_walk *w, uint64_t addr, unsigned int order,
				   bool use_pasid)
{
	struct intel_iommu *iommu = READ_ONCE(tag->iommu);
	struct device_domain_info *info = &READ_ONCE(tag->dev)->info;
	uint32_t pasid = READ_ONCE(tag->pasid);
	uint16_t sid = device_rid(info), pfsid = READ_ONCE(info->pfsid);
	unsigned int qdep = READ_ONCE(info->ats_qdep), copies = READ_ONCE(info->dtlb_extra_inval) ? 2 : 1;
	struct qi_desc desc;

	/* A unit that does not translate has no device TLBs to invalidate (VT-d spec 4.3). */
	if (!(READ_ONCE(iommu->gcmd) & DMA_GCMD_TE))
		return;
	if (pasid == IOMMU_NO_PASID || !use_pasid)
		desc = qi_desc_dev_iotlb(sid, pfsid, qdep, addr, order);
	else
		desc = qi_desc_dev_iotlb_pasid(sid, pfsid, pasid, qdep, addr, order);
	while (copies--)
		qi_batch_add(w, desc);
}

void cache_tag_flush_range(struct dmar_domain *domain, uint64_t start, uint64_t end, int ih)
{
	struct cache_tag *tag;
	struct tag_walk w;
	unsigned int mask;
	uint64_t pages, addr;

	count_call(FN_cache_tag_flush_range);
	compute(COST_FLUSH_RANGE_SETUP);
	addr = calculate_psi_aligned_address(start, end, &pages, &mask);

	for_each_tag(&w, domain, tag)
	{
		switch (READ_ONCE(tag->type)) {
		case CACHE_TAG_IOTLB:
		case CACHE_TAG_NESTING_IOTLB:
			cache_tag_flush_iotlb(domain, tag, &w, addr, pages, mask, ih);
			break;
		case CACHE_TAG_NESTING_DEVTLB:
			/* It caches both stages in one: which entries are affected cannot be told. */
			cache_tag_flush_devtlb(tag, &w, 0, MAX_AGAW_PFN_WIDTH, true);
			break;
		case CACHE_TAG_DEVTLB:
			cache_tag_flush_devtlb(tag, &w, addr, mask, true);
			break;
		}
	}
	tag_walk_end(&w);
}

void cache_tag_flush_all(struct dmar_domain *domain)
{
	struct cache_tag *tag;
	struct tag_walk w;

	count_call(FN_cache_tag_flush_all);
	for_each_tag(&w, domain, tag)
	{
		if (is_devtlb(READ_ONCE(tag->type)))
			cache_tag_flush_devtlb(tag, &w, 0, MAX_AGAW_PFN_WIDTH, false);
		else
			cache_tag_flush_iotlb(domain, tag, &w, 0, ALL_PAGES, 0, 0);
	}
	tag_walk_end(&w);
}

void cache_tag_flush_range_np(struct dmar_domain *domain, uint64_t start, uint64_t end)
{
	struct cache_tag *tag;
	struct tag_walk w;
	unsigned int mask;
	uint64_t pages, addr;

	count_call(FN_cache_tag_flush_range_np);
	compute(COST_FLUSH_RANGE_SETUP);
	addr = calculate_psi_aligned_address(start, end, &pages, &mask);

	for_each_tag(&w, domain, tag)
	{
		if (!cap_caching_mode(READ_ONCE(w.iommu->cap)) || domain_use_first_level(domain)) {
			iommu_flush_write_buffer(w.iommu);
			continue;
		}
		if (!is_devtlb(READ_ONCE(tag->type)))
			cache_tag_flush_iotlb(domain, tag, &w, addr, pages, mask, 0);
	}
	tag_walk_end(&w);
}
