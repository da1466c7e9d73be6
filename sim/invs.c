/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/invs.h"

#include "sim/iommu.h"

/* Of the first tags; further ones are shown by their offset. */
#define TAG_FIELDS(i)                                                                                \
	OBJ_FIELD(invs, tags[i].type), OBJ_FIELD(invs, tags[i].iommu), OBJ_FIELD(invs, tags[i].dev), \
		OBJ_FIELD(invs, tags[i].domain_id), OBJ_FIELD(invs, tags[i].pasid), OBJ_FIELD(invs, tags[i].users)

OBJ_TYPE(invs, OBJ_FIELD(invs, rcu), OBJ_FIELD(invs, count), OBJ_FIELD(invs, sync_map), TAG_FIELDS(0),
	 TAG_FIELDS(1), TAG_FIELDS(2), TAG_FIELDS(3));

static struct cache_tag *invs_find(struct invs *invs, uint16_t did, struct device *dev, uint32_t pasid,
				   enum cache_tag_type type)
{
	struct cache_tag *tag = NULL;

	while ((tag = invs_walk_next(invs, tag)))
		if (cache_tag_match(tag, did, dev, pasid, type))
			break;
	return tag;
}

static void copy_tag(struct cache_tag *to, struct cache_tag *from)
{
	WRITE_ONCE(to->type, READ_ONCE(from->type));
	WRITE_ONCE(to->iommu, READ_ONCE(from->iommu));
	WRITE_ONCE(to->dev, READ_ONCE(from->dev));
	WRITE_ONCE(to->domain_id, READ_ONCE(from->domain_id));
	WRITE_ONCE(to->pasid, READ_ONCE(from->pasid));
	WRITE_ONCE(to->users, READ_ONCE(from->users));
}

/* What walks have to know of all tags before they look at one. */
static void note_tag(struct invs *invs, struct cache_tag *tag, bool first_stage)
{
	if (iommu_needs_sync_map(READ_ONCE(tag->iommu), first_stage))
		WRITE_ONCE(invs->sync_map, true);
}

/* The array that is to follow @old: its tags that have users, and room for one more. */
static struct invs *invs_grow(struct invs *old, bool first_stage)
{
	struct cache_tag *tag = NULL;
	uint32_t count = 0;
	struct invs *invs;

	while ((tag = invs_walk_next(old, tag)))
		count++;
	invs = shared_alloc(&invs_type, sizeof(*invs) + (count + 1) * sizeof(invs->tags[0]));
	if (!invs)
		return NULL;
	count = 0;
	while ((tag = invs_walk_next(old, tag))) {
		copy_tag(&invs->tags[count], tag);
		note_tag(invs, &invs->tags[count++], first_stage);
	}
	WRITE_ONCE(invs->count, count + 1);
	return invs;
}

int invs_add(struct dmar_domain *domain, uint16_t did, struct device *dev, uint32_t pasid, enum cache_tag_type type)
{
	struct domain_cache *cache = domain_cache(domain);
	bool first_stage = domain_use_first_level(domain);
	struct invs *old, *invs;
	struct cache_tag *tag;
	unsigned long flags;
	int ret = 0;

	flags = spin_lock_irqsave(&cache->cache_lock);
	old = READ_ONCE(cache->invs);
	tag = invs_find(old, did, dev, pasid, type);
	if (tag) {
		WRITE_ONCE(tag->users, READ_ONCE(tag->users) + 1);
		goto out;
	}
	invs = invs_grow(old, first_stage);
	if (!invs) {
		ret = -ENOMEM;
		goto out;
	}
	tag = &invs->tags[READ_ONCE(invs->count) - 1];
	cache_tag_init(tag, did, dev, pasid, type);
	note_tag(invs, tag, first_stage);
	rcu_assign_pointer(cache->invs, invs);
	if (unlikely(domain->config->bug == BUG_FREE_INVS_EARLY))
		shared_free(old);
	else if (old)
		shared_free_rcu(&old->rcu);
out:
	spin_unlock_irqrestore(&cache->cache_lock, flags);
	/* Pairs with the one in invs_walk_begin(): the tag can be seen before the caller lets the device walk. */
	smp_mb();
	return ret;
}

bool invs_del(struct dmar_domain *domain, uint16_t did, struct device *dev, uint32_t pasid,
	      enum cache_tag_type type)
{
	struct domain_cache *cache = domain_cache(domain);
	struct cache_tag *tag;
	unsigned long flags;
	uint32_t users = 1;

	flags = spin_lock_irqsave(&cache->cache_lock);
	tag = invs_find(READ_ONCE(cache->invs), did, dev, pasid, type);
	if (tag) {
		users = READ_ONCE(tag->users) - 1;
		smp_store_release(&tag->users, users);
	}
	spin_unlock_irqrestore(&cache->cache_lock, flags);
	return !users;
}

struct invs *invs_walk_begin(struct dmar_domain *domain)
{
	/* Pairs with the one in invs_add(): the walk finds the tag, or the device the page table as it is now. */
	smp_mb();
	rcu_read_lock();
	return rcu_dereference(domain_cache(domain)->invs);
}

void invs_walk_end(void)
{
	rcu_read_unlock();
}

struct cache_tag *invs_walk_next(struct invs *invs, struct cache_tag *tag)
{
	uint32_t i = tag ? (uint32_t)(tag - invs->tags) + 1 : 0, count = invs ? READ_ONCE(invs->count) : 0;

	for (; i < count; i++)
		if (smp_load_acquire(&invs->tags[i].users))
			return &invs->tags[i];
	return NULL;
}

bool invs_sync_map(struct dmar_domain *domain)
{
	struct invs *invs = invs_walk_begin(domain);
	bool needed = invs && READ_ONCE(invs->sync_map);

	invs_walk_end();
	return needed;
}
