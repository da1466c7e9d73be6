/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flush_queue.h - lazy invalidation: unmapped addresses wait on per-CPU rings until a flush has covered them
 *
 * It behaves as Linux 6.12 drivers/iommu/dma-iommu.c does with per-CPU queues (facts K4). An address may be handed
 * out again, and the page-table pages that an unmap detached may be freed, only after an IOTLB flush that started
 * after they were queued: two counters, of flushes started and finished, tell.
 */
#ifndef SIMBENCH_FLUSH_QUEUE_H
#define SIMBENCH_FLUSH_QUEUE_H

#include "platform.h"
#include "sim/iova.h"
#include "sim/page_table.h"
#include "sim/platform/percpu.h"
#include "sim/platform/timer.h"

/* Entries in a CPU's ring, a power of two; one is always free, so it is full at 255 (facts K4). */
#define IOVA_DEFAULT_FQ_SIZE 256
/* How long an entry may wait for a flush, in milliseconds (facts K4). */
#define IOVA_DEFAULT_FQ_TIMEOUT 10

enum iommu_dma_cookie_type { IOMMU_DMA_IOVA_COOKIE };
enum iommu_dma_queue_type { IOMMU_DMA_OPTS_PER_CPU_QUEUE };

struct iommu_dma_options {
	enum iommu_dma_queue_type qt;
	size_t fq_size;
	unsigned int fq_timeout; /* milliseconds */
};

/* What the DMA API keeps per domain, in the kernel's layout (facts K2a). */
struct iommu_dma_cookie {
	enum iommu_dma_cookie_type type;
	struct iova_domain iovad;
	struct percpu *percpu_fq; /* host memory: looking a CPU's ring up in it is free */
	uint64_t fq_flush_start_cnt;
	uint64_t fq_flush_finish_cnt;
	union {
		struct sim_timer fq_timer;
		uint64_t timer_list[5]; /* the size of the kernel's timer */
	};
	int fq_timer_on;
	uint64_t msi_page_list[2]; /* holds the place only: interrupts are not remapped here */
	void *fq_domain;	   /* NULL while the flush queue is not in use */
	struct iommu_dma_options options;
	union {
		/* The kernel finds it through fq_domain; here it stands where the kernel's mutex does. */
		void (*flush_iotlb_all)(void *fq_domain);
		uint64_t mutex[4];
	};
};

static_assert(offsetof(struct iommu_dma_cookie, type) == 0, "facts K2a");
static_assert(offsetof(struct iommu_dma_cookie, iovad) == 8, "facts K2a");
static_assert(offsetof(struct iommu_dma_cookie, percpu_fq) == 136, "facts K2a");
static_assert(offsetof(struct iommu_dma_cookie, fq_flush_start_cnt) == 144, "facts K2a");
static_assert(offsetof(struct iommu_dma_cookie, fq_flush_finish_cnt) == 152, "facts K2a");
static_assert(offsetof(struct iommu_dma_cookie, fq_timer) == 160, "facts K2a");
static_assert(sizeof(struct sim_timer) <= 40, "fits where the kernel's timer is");
static_assert(offsetof(struct iommu_dma_cookie, fq_timer_on) == 200, "facts K2a");
static_assert(offsetof(struct iommu_dma_cookie, msi_page_list) == 208, "facts K2a");
static_assert(offsetof(struct iommu_dma_cookie, fq_domain) == 224, "facts K2a");
static_assert(offsetof(struct iommu_dma_cookie, options) == 232, "facts K2a");
static_assert(sizeof(struct iommu_dma_cookie) == 288, "facts K2a");

/**
 * iommu_get_dma_cookie - allocate a domain's cookie, with no address allocator and no flush queue in it yet
 *
 * Returns NULL when memory is short. Kernel: iommu_get_dma_cookie().
 */
struct iommu_dma_cookie *iommu_get_dma_cookie(void);

/**
 * iommu_put_dma_cookie - free a cookie, its flush queue if there is one and its allocator if it was initialised
 * @cookie: used by no CPU any more; NULL does nothing
 *
 * What is still queued is not flushed: the domain is gone from the hardware by then. Kernel:
 * iommu_put_dma_cookie().
 */
void iommu_put_dma_cookie(struct iommu_dma_cookie *cookie);

/**
 * iommu_dma_init_fq - make a domain lazy; one that is already stays as it is
 * @cookie: with its allocator initialised; no CPU unmaps meanwhile
 * @fq_domain: not NULL
 * @flush_iotlb_all: invalidates everything that the hardware caches of @fq_domain and waits for the end of it;
 *called by the timer, and by queue_iova() with interrupts off and this CPU's ring locked
 *
 * Returns 0, or -ENOMEM; the domain is strict then. Kernel: iommu_dma_init_fq().
 */
int iommu_dma_init_fq(struct iommu_dma_cookie *cookie, void *fq_domain, void (*flush_iotlb_all)(void *fq_domain));

/**
 * iommu_dma_free_fq - free the rings and the page-table pages queued there; the queued addresses stay allocated
 * @cookie: as for iommu_put_dma_cookie(); without a flush queue nothing happens
 *
 * Kernel: iommu_dma_free_fq().
 */
void iommu_dma_free_fq(struct iommu_dma_cookie *cookie);

/**
 * queue_iova - free an unmapped range once a flush has covered it
 * @cookie: with a flush queue
 * @pfn: the first frame number
 * @pages: as it was allocated with
 * @freelist: page-table pages to free along with it; empty afterwards
 *
 * Flushes when this CPU's ring is full. Kernel: queue_iova().
 */
void queue_iova(struct iommu_dma_cookie *cookie, unsigned long pfn, unsigned long pages,
		struct page_list *freelist);

#endif
