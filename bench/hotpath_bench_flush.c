/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hotpath_bench_flush.c - cache_tag_flush_range_np() beside the same by hand: what the platform header costs
 */
#include "bench/hotpath_machine.h"

#include "platform.h"
#include "sim/cache_tag.h"
#include "sim/iommu.h"

/* The loop of the harness takes 2 ns, and reading the clock 10 to 20: calls come in batches. */
#define BATCH 64

/* Batches of each kind of which the difference is the median. */
#define SAMPLES 4096

static const struct domain_config config = { .policy = POLICY_ALWAYS, .lazy = true };

/*
 * What cache_tag_flush_range_np() does for tags of IOTLBs, with the same accesses to memory and the same atomics,
 * as one would write it without a platform: the compiler's atomics, qspinlock's fast path in place, no counters, no
 * choice of a lock, no notion of interrupts. What such a unit as ours has no use for is out of line.
 */

static __attribute__((noinline)) void lock_slowpath_by_hand(uint32_t *lock)
{
	uint32_t unlocked;

	do {
		cpu_relax();
		unlocked = 0;
	} while (!__atomic_compare_exchange_n(lock, &unlocked, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
}

static __attribute__((noinline)) void submit_by_hand(struct intel_iommu *iommu, struct qi_batch *batch)
{
	qi_submit_sync(iommu, batch->descs, batch->index);
	memset(batch, 0, sizeof(*batch));
}

static __attribute__((noinline)) void invalidate_by_hand(struct intel_iommu *iommu, struct cache_tag *tag,
							 struct qi_batch *batch, uint64_t addr, unsigned int mask)
{
	bool by_page = cap_pgsel_inv(iommu->cap) && mask <= cap_max_amask_val(iommu->cap);

	batch->descs[batch->index++] =
		qi_desc_iotlb(iommu->cap, tag->domain_id, by_page ? addr : 0, by_page ? mask : 0,
			      by_page ? DMA_TLB_PSI_FLUSH : DMA_TLB_DSI_FLUSH);
	if (batch->index == QI_MAX_BATCHED_DESC_COUNT)
		submit_by_hand(iommu, batch);
}

static __attribute__((noinline)) void flush_range_np_by_hand(struct dmar_domain *domain, uint64_t start,
							     uint64_t end)
{
	struct domain_cache *cache = (struct domain_cache *)((char *)domain + domain->cache_offset);
	uint64_t first = start >> PAGE_SHIFT, last = end >> PAGE_SHIFT, addr, cap;
	unsigned int mask = first == last ? 0 : 64U - (unsigned int)__builtin_clzll(last - first);
	struct intel_iommu *iommu = NULL, *next;
	struct cds_list_head *node;
	struct qi_batch *batch;
	uint32_t unlocked = 0;

	if (first & ((1ULL << mask) - 1))
		mask = 64U - (unsigned int)__builtin_clzll(first ^ last);
	addr = start & ~((PAGE_SIZE << mask) - 1);

	if (!__atomic_compare_exchange_n(&cache->cache_lock.val, &unlocked, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		lock_slowpath_by_hand(&cache->cache_lock.val);
	batch = __atomic_load_n(&cache->qi_batch, __ATOMIC_RELAXED);
	for (node = __atomic_load_n(&cache->cache_tags.next, __ATOMIC_RELAXED); node != &cache->cache_tags;
	     node = __atomic_load_n(&node->next, __ATOMIC_RELAXED)) {
		struct cache_tag *tag = (struct cache_tag *)((char *)node - offsetof(struct cache_tag, node));

		next = __atomic_load_n(&tag->iommu, __ATOMIC_RELAXED);
		if (iommu && iommu != next && __atomic_load_n(&batch->index, __ATOMIC_RELAXED))
			submit_by_hand(iommu, batch);
		iommu = next;
		cap = __atomic_load_n(&iommu->cap, __ATOMIC_RELAXED);
		if (!cap_caching_mode(cap) ||
		    __atomic_load_n(&domain->flags, __ATOMIC_RELAXED) & DOMAIN_USE_FIRST_LEVEL) {
			if (cap_rwbf(__atomic_load_n(&iommu->cap, __ATOMIC_RELAXED)))
				iommu_flush_write_buffer(iommu);
			continue;
		}
		if (__atomic_load_n(&tag->type, __ATOMIC_RELAXED) == CACHE_TAG_IOTLB)
			invalidate_by_hand(iommu, tag, batch, addr, mask);
	}
	if (iommu && __atomic_load_n(&batch->index, __ATOMIC_RELAXED))
		submit_by_hand(iommu, batch);
	__atomic_store_n(&cache->cache_lock.locked, 0, __ATOMIC_RELEASE);
}

static void hot_path_batch(struct dmar_domain *domain)
{
	unsigned int i;

	for (i = 0; i < BATCH; i++)
		cache_tag_flush_range_np(domain, i * PAGE_SIZE, (i + 1) * PAGE_SIZE - 1);
}

static void by_hand_batch(struct dmar_domain *domain)
{
	unsigned int i;

	for (i = 0; i < BATCH; i++)
		flush_range_np_by_hand(domain, i * PAGE_SIZE, (i + 1) * PAGE_SIZE - 1);
}

static int flush_setup(struct gbench_state *state, void **fixture)
{
	const struct hotpath_config c = { .domain = config, .units = (uint32_t)gbench_arg(state, 0) };

	return hotpath_machine_create(state, &c, 0, fixture);
}

static void hot_path_run(struct gbench_state *state, void *fixture)
{
	struct hotpath_machine *m = fixture;

	if (!hotpath_enter(m, state))
		return;
	while (gbench_keep_running_batch(state, BATCH))
		hot_path_batch(m->domain);
	hotpath_leave(state);
}

static void by_hand_run(struct gbench_state *state, void *fixture)
{
	struct hotpath_machine *m = fixture;

	if (!hotpath_enter(m, state))
		return;
	while (gbench_keep_running_batch(state, BATCH))
		by_hand_batch(m->domain);
	hotpath_leave(state);
}

struct samples {
	uint64_t count; /* of which the last SAMPLES are kept */
	uint64_t ps[SAMPLES];
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Nanoseconds of a call. */
static double median_ns(struct samples *s)
{
	uint64_t n = s->count < SAMPLES ? s->count : SAMPLES;

	qsort(s->ps, n, sizeof(s->ps[0]), by_value);
	return (double)s->ps[n / 2] / BATCH / 1000;
}

static uint64_t time_batch(struct dmar_domain *domain, void (*batch)(struct dmar_domain *domain),
			   struct samples *samples)
{
	uint64_t start = cpu_clock_ps(), took;

	batch(domain);
	took = cpu_clock_ps() - start;
	samples->ps[samples->count++ % SAMPLES] = took;
	return took;
}

/*
 * Both, in turns, so that neither has a quieter machine or a faster clock than the other; and each goes first as
 * often. The time reported is the hot path's.
 */
static void difference_run(struct gbench_state *state, void *fixture)
{
	struct samples hot_path = { 0 }, by_hand = { 0 };
	struct hotpath_machine *m = fixture;
	double hot_path_ns, by_hand_ns;
	bool by_hand_first = false;

	if (!hotpath_enter(m, state))
		return;
	while (gbench_keep_running_batch(state, BATCH)) {
		if (by_hand_first)
			time_batch(m->domain, by_hand_batch, &by_hand);
		gbench_add_time(state, time_batch(m->domain, hot_path_batch, &hot_path));
		if (!by_hand_first)
			time_batch(m->domain, by_hand_batch, &by_hand);
		by_hand_first = !by_hand_first;
	}
	hotpath_leave(state);
	hot_path_ns = median_ns(&hot_path);
	by_hand_ns = median_ns(&by_hand);
	gbench_counter(state, "hot_path_ns", hot_path_ns, GBENCH_SUM);
	gbench_counter(state, "by_hand_ns", by_hand_ns, GBENCH_SUM);
	gbench_counter(state, "difference_ns", hot_path_ns - by_hand_ns, GBENCH_SUM);
}

static struct gbench *register_flush(const char *name, const struct gbench_ops *ops)
{
	static const char *const arg_names[] = { "tags" };
	struct gbench *b = gbench_register(name, ops, NULL);

	gbench_arg_names(b, arg_names, ARRAY_SIZE(arg_names));
	gbench_range(b, 1, HOTPATH_MAX_UNITS, 2);
	return b;
}

void hotpath_register_flush(void)
{
	static const struct gbench_ops hot_path = { flush_setup, hot_path_run, hotpath_machine_destroy };
	static const struct gbench_ops by_hand = { flush_setup, by_hand_run, hotpath_machine_destroy };
	static const struct gbench_ops difference = { flush_setup, difference_run, hotpath_machine_destroy };

	register_flush("cache_tag_flush_range_np/hot_path", &hot_path);
	register_flush("cache_tag_flush_range_np/by_hand", &by_hand);
	gbench_use_manual_time(register_flush("cache_tag_flush_range_np/difference", &difference));
}
