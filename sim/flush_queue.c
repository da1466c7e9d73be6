/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/flush_queue.h"

#define NSEC_PER_MSEC 1000000ULL

struct iova_fq_entry {
	unsigned long iova_pfn;
	unsigned long pages;
	struct page_list freelist;
	uint64_t counter; /* flushes started when this was queued */
};

struct iova_fq {
	spinlock_t lock;
	unsigned int head, tail;
	unsigned int mod_mask;
	struct iova_fq_entry entries[];
};

static_assert(sizeof(struct iova_fq_entry) == 40, "as the kernel's");
static_assert(offsetof(struct iova_fq, entries) == 16, "as the kernel's without lock debugging");

#define COOKIE_FIELD(member) OBJ_FIELD(iommu_dma_cookie, member)

OBJ_TYPE(iommu_dma_cookie, COOKIE_FIELD(type), COOKIE_FIELD(iovad.iova_rbtree_lock), COOKIE_FIELD(iovad.rbroot),
	 COOKIE_FIELD(iovad.cached_node), COOKIE_FIELD(iovad.cached32_node), COOKIE_FIELD(iovad.granule),
	 COOKIE_FIELD(iovad.start_pfn), COOKIE_FIELD(iovad.dma_32bit_pfn), COOKIE_FIELD(iovad.max32_alloc_size),
	 COOKIE_FIELD(iovad.anchor), COOKIE_FIELD(iovad.rcaches), COOKIE_FIELD(iovad.cpuhp_dead),
	 COOKIE_FIELD(percpu_fq), COOKIE_FIELD(fq_flush_start_cnt), COOKIE_FIELD(fq_flush_finish_cnt),
	 COOKIE_FIELD(fq_timer), COOKIE_FIELD(fq_timer_on), COOKIE_FIELD(msi_page_list), COOKIE_FIELD(fq_domain),
	 COOKIE_FIELD(options), COOKIE_FIELD(flush_iotlb_all));

OBJ_TYPE(iova_fq, OBJ_FIELD(iova_fq, lock), OBJ_FIELD(iova_fq, head), OBJ_FIELD(iova_fq, tail),
	 OBJ_FIELD(iova_fq, mod_mask),
	 { "entries", offsetof(struct iova_fq, entries), IOVA_DEFAULT_FQ_SIZE * sizeof(struct iova_fq_entry) });

/* Free what a finished flush has covered, oldest first; under fq->lock. */
static void fq_ring_free_locked(struct iommu_dma_cookie *cookie, struct iova_fq *fq)
{
	uint64_t finished = READ_ONCE(cookie->fq_flush_finish_cnt);
	unsigned int mod_mask = READ_ONCE(fq->mod_mask);
	unsigned int tail = READ_ONCE(fq->tail);
	unsigned int idx = READ_ONCE(fq->head);

	while (idx != tail) {
		struct iova_fq_entry *entry = &fq->entries[idx];
		unsigned long pfn, pages;

		/* Counted from 0, flush number `counter` is the first that started after this was queued. */
		if (READ_ONCE(entry->counter) >= finished)
			break;

		if (READ_ONCE(entry->freelist.count))
			page_list_free(&entry->freelist);
		pfn = READ_ONCE(entry->iova_pfn);
		pages = READ_ONCE(entry->pages);
		free_iova_fast(&cookie->iovad, pfn, pages);
		idx = (idx + 1) & mod_mask;
		WRITE_ONCE(fq->head, idx);
	}
}

static bool fq_full(struct iova_fq *fq)
{
	unsigned int next = READ_ONCE(fq->tail) + 1;

	next &= READ_ONCE(fq->mod_mask);
	return next == READ_ONCE(fq->head);
}

static void fq_flush_iotlb(struct iommu_dma_cookie *cookie)
{
	void (*flush_iotlb_all)(void *fq_domain);

	atomic_fetch_add(1, &cookie->fq_flush_start_cnt);
	flush_iotlb_all = READ_ONCE(cookie->flush_iotlb_all);
	flush_iotlb_all(READ_ONCE(cookie->fq_domain));
	atomic_fetch_add(1, &cookie->fq_flush_finish_cnt);
}

/* The timer: flush, then drain every CPU's ring here. */
static void fq_flush_timeout(struct sim_timer *timer)
{
	struct iommu_dma_cookie *cookie = container_of(timer, struct iommu_dma_cookie, fq_timer);
	struct percpu *percpu_fq;

	function_entered(__func__);
	WRITE_ONCE(cookie->fq_timer_on, 0);
	fq_flush_iotlb(cookie);

	percpu_fq = READ_ONCE(cookie->percpu_fq);
	for (unsigned int cpu = 0; cpu < nr_cpu_ids(); cpu++) {
		struct iova_fq *fq = per_cpu_ptr(percpu_fq, cpu);
		unsigned long flags;

		if (!fq)
			continue;
		flags = spin_lock_irqsave(&fq->lock);
		fq_ring_free_locked(cookie, fq);
		spin_unlock_irqrestore(&fq->lock, flags);
	}
}

/* No memory to queue with, which the kernel allocates in advance: do what strict mode does. */
static void free_iova_now(struct iommu_dma_cookie *cookie, unsigned long pfn, unsigned long pages,
			  struct page_list *freelist)
{
	unsigned long flags = local_irq_save();

	fq_flush_iotlb(cookie);
	page_list_free(freelist);
	free_iova_fast(&cookie->iovad, pfn, pages);
	local_irq_restore(flags);
}

/* Append to a ring with room; what is on @freelist moves there. */
static void fq_ring_add(struct iommu_dma_cookie *cookie, struct iova_fq *fq, unsigned long pfn, unsigned long pages,
			struct page_list *freelist)
{
	unsigned int idx = READ_ONCE(fq->tail);
	struct iova_fq_entry *entry = &fq->entries[idx];

	WRITE_ONCE(fq->tail, (idx + 1) & READ_ONCE(fq->mod_mask));
	WRITE_ONCE(entry->iova_pfn, pfn);
	WRITE_ONCE(entry->pages, pages);
	WRITE_ONCE(entry->counter, READ_ONCE(cookie->fq_flush_start_cnt));
	if (page_list_empty(freelist))
		return;
	WRITE_ONCE(entry->freelist.pages, freelist->pages);
	WRITE_ONCE(entry->freelist.count, freelist->count);
	WRITE_ONCE(entry->freelist.capacity, freelist->capacity);
	*freelist = (struct page_list){ 0 };
}

void queue_iova(struct iommu_dma_cookie *cookie, unsigned long pfn, unsigned long pages, struct page_list *freelist)
{
	struct iova_fq *fq;
	unsigned long flags;

	function_entered(__func__);
	compute(COST_FQ_QUEUE);
	/* The page-table writes of the unmap come before the flush that another CPU may start from here on. */
	smp_mb();

	fq = this_cpu_ptr(READ_ONCE(cookie->percpu_fq));
	if (!fq) {
		free_iova_now(cookie, pfn, pages, freelist);
		return;
	}

	flags = spin_lock_irqsave(&fq->lock);
	/* What another CPU's flush has covered meanwhile may already make room. */
	fq_ring_free_locked(cookie, fq);
	/*
	 * A flush that is under way elsewhere counts as started and not as finished, so the one here may not be
	 * enough for a ring that has filled meanwhile. The kernel does not look again, and loses such a ring with
	 * all in it.
	 */
	while (fq_full(fq)) {
		fq_flush_iotlb(cookie);
		fq_ring_free_locked(cookie, fq);
	}

	fq_ring_add(cookie, fq, pfn, pages, freelist);
	spin_unlock_irqrestore(&fq->lock, flags);

	/* The read keeps the line shared while the timer is armed, which is nearly always. */
	if (!READ_ONCE(cookie->fq_timer_on) && !xchg(&cookie->fq_timer_on, 1))
		mod_timer(&cookie->fq_timer, READ_ONCE(cookie->options.fq_timeout) * NSEC_PER_MSEC);
}

static void iommu_dma_init_one_fq(void *obj, void *arg)
{
	const struct iommu_dma_options *options = arg;
	struct iova_fq *fq = obj;

	fq->mod_mask = (unsigned int)options->fq_size - 1;
	spin_lock_init(&fq->lock, "&fq->lock");
}

int iommu_dma_init_fq(struct iommu_dma_cookie *cookie, void *fq_domain, void (*flush_iotlb_all)(void *fq_domain))
{
	size_t size = sizeof(struct iova_fq) + cookie->options.fq_size * sizeof(struct iova_fq_entry);
	struct percpu *pc;
	int err;

	assert(fq_domain);
	if (cookie->fq_domain)
		return 0;

	pc = malloc(sizeof(*pc));
	if (!pc)
		return -ENOMEM;
	err = percpu_init(pc, nr_cpu_ids(), &iova_fq_type, size, iommu_dma_init_one_fq, &cookie->options);
	if (err) {
		free(pc);
		return err;
	}
	cookie->percpu_fq = pc;
	cookie->fq_flush_start_cnt = 0;
	cookie->fq_flush_finish_cnt = 0;
	cookie->fq_timer.fn = fq_flush_timeout;
	cookie->fq_timer_on = 0;
	cookie->flush_iotlb_all = flush_iotlb_all;
	cookie->fq_domain = fq_domain;
	return 0;
}

void iommu_dma_free_fq(struct iommu_dma_cookie *cookie)
{
	if (!cookie->fq_domain)
		return;

	del_timer_sync(&cookie->fq_timer);
	for (uint32_t cpu = 0; cpu < cookie->percpu_fq->cpu_count; cpu++) {
		struct iova_fq *fq = per_cpu_ptr(cookie->percpu_fq, cpu);

		if (!fq)
			continue;
		for (unsigned int idx = fq->head; idx != fq->tail; idx = (idx + 1) & fq->mod_mask)
			page_list_free(&fq->entries[idx].freelist);
	}
	percpu_destroy(cookie->percpu_fq);
	free(cookie->percpu_fq);
	cookie->percpu_fq = NULL;
	cookie->fq_domain = NULL;
}

struct iommu_dma_cookie *iommu_get_dma_cookie(void)
{
	struct iommu_dma_cookie *cookie = shared_alloc(&iommu_dma_cookie_type, sizeof(*cookie));

	if (!cookie)
		return NULL;
	cookie->type = IOMMU_DMA_IOVA_COOKIE;
	cookie->options.qt = IOMMU_DMA_OPTS_PER_CPU_QUEUE;
	cookie->options.fq_size = IOVA_DEFAULT_FQ_SIZE;
	cookie->options.fq_timeout = IOVA_DEFAULT_FQ_TIMEOUT;
	return cookie;
}

void iommu_put_dma_cookie(struct iommu_dma_cookie *cookie)
{
	if (!cookie)
		return;

	if (cookie->iovad.granule) {
		iommu_dma_free_fq(cookie);
		put_iova_domain(&cookie->iovad);
	}
	shared_free(cookie);
}
