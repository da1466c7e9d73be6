/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * invs.h - policy invs: a domain's cache tags as an array that RCU manages, which maps and unmaps walk without a
 * lock
 *
 * What SMMUv3 has since v7.1 (facts K9), for VT-d's cache tags; kernel-patch/0004 is the same for the kernel. A tag
 * is added before the device can walk the page tables, and given up when it cannot any more. A device that is
 * detached must not be asked to invalidate its TLB later than that: SMMUv3 takes an rwlock for such devices, here
 * their detach waits for a grace period.
 */
#ifndef SIMBENCH_INVS_H
#define SIMBENCH_INVS_H

#include "sim/cache_tag.h"

/* Stays as it is once it can be seen, but for the users of its tags. */
struct invs {
	struct rcu_head rcu;
	uint32_t count;
	bool sync_map;		 /* a unit among them needs something after a map */
	struct cache_tag tags[]; /* in attach order; one without users has been given up */
};

static inline bool domain_uses_invs(const struct dmar_domain *domain)
{
	return domain->config->policy == POLICY_INVS;
}

/**
 * invs_add - a tag, in a new array; or one user more of one that is there
 *
 * Arguments as cache_tag_match(). Before the device is let in: whoever changes the page table after that finds the
 * tag. Returns 0 or -ENOMEM, with the old array in place.
 */
int invs_add(struct dmar_domain *domain, uint16_t did, struct device *dev, uint32_t pasid,
	     enum cache_tag_type type);

/*
 * Takes back one invs_add() with the same arguments. Needs no memory: the next array is made without the tag.
 * Returns whether it has no more users: those who have found it before still use it, and synchronize_rcu() waits
 * for them.
 */
bool invs_del(struct dmar_domain *domain, uint16_t did, struct device *dev, uint32_t pasid,
	      enum cache_tag_type type);

/**
 * invs_walk_begin - begin to walk a domain's tags, after its page table has been changed
 * @domain: domain
 *
 * Returns the array, which stays until invs_walk_end(); NULL when there has never been a tag.
 */
struct invs *invs_walk_begin(struct dmar_domain *domain);
void invs_walk_end(void);

/* The first tag with users behind @tag, which is NULL at the beginning; NULL: there is none. */
struct cache_tag *invs_walk_next(struct invs *invs, struct cache_tag *tag);

/* Whether a map that has just written its entries has to be followed by cache_tag_flush_range_np(). */
bool invs_sync_map(struct dmar_domain *domain);

#endif
