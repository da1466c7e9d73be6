/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * iova.h - the allocator of I/O virtual addresses: per-CPU magazines, a depot, a red-black tree (facts K6)
 *
 * It behaves as Linux 6.12 drivers/iommu/iova.c does. A cached address stays in the tree: freeing one only moves
 * its number to a magazine of the freeing CPU, and the tree is touched when the caches cannot serve a request.
 * All numbers are page frame numbers of the domain's granule; 0 is never a valid one.
 */
#ifndef SIMBENCH_IOVA_H
#define SIMBENCH_IOVA_H

#include <bsd/sys/tree.h>

#include "platform.h"
#include "sim/lock.h"

/* Ranges of 1, 2, 4 ... 32 pages are cached, each size in magazines of its own. */
#define IOVA_RANGE_CACHE_MAX_SIZE 6
/* Addresses in a magazine; with its size, or the link to the next one in the depot, it fills 1 KiB. */
#define IOVA_MAG_SIZE 127

struct iova;

/*
 * What RB_ENTRY() would declare, in 28 bytes instead of 32: the kernel keeps the colour in the parent pointer,
 * and the four bytes of padding are what keeps struct iova from having the kernel's 40.
 */
struct iova_rb_entry {
	struct iova *rbe_left;
	struct iova *rbe_right;
	struct iova *rbe_parent;
	int rbe_color;
} __attribute__((packed, aligned(4)));

/* An allocated range; the kernel stores its last frame number where this has the count. */
struct iova {
	struct iova_rb_entry node;
	uint32_t pages;
	unsigned long pfn_lo;
};

RB_HEAD(iova_tree, iova);

struct iova_rcache;

/* The kernel's fields in the kernel's order (facts K2a): struct iommu_dma_cookie embeds this at offset 8. */
struct iova_domain {
	spinlock_t iova_rbtree_lock;
	struct iova_tree rbroot;
	struct iova *cached_node;   /* where the last search ended */
	struct iova *cached32_node; /* where the last search below 4 GiB ended */
	unsigned long granule;
	unsigned long start_pfn;
	unsigned long dma_32bit_pfn;
	unsigned long max32_alloc_size; /* a request below 4 GiB as large as this one cannot succeed */
	struct iova anchor;		/* above every address, so that a search always has a start */
	struct iova_rcache *rcaches;
	uint64_t cpuhp_dead[2]; /* CPU hotplug in the kernel; nothing here uses it */
};

static_assert(sizeof(struct iova) == 40, "struct iova has the kernel's size");
static_assert(offsetof(struct iova_domain, iova_rbtree_lock) == 0, "facts K2a");
static_assert(offsetof(struct iova_domain, rbroot) == 8, "facts K2a");
static_assert(offsetof(struct iova_domain, cached_node) == 16, "facts K2a");
static_assert(offsetof(struct iova_domain, cached32_node) == 24, "facts K2a");
static_assert(offsetof(struct iova_domain, granule) == 32, "facts K2a");
static_assert(offsetof(struct iova_domain, start_pfn) == 40, "facts K2a");
static_assert(offsetof(struct iova_domain, dma_32bit_pfn) == 48, "facts K2a");
static_assert(offsetof(struct iova_domain, max32_alloc_size) == 56, "facts K2a");
static_assert(offsetof(struct iova_domain, anchor) == 64, "facts K2a");
static_assert(offsetof(struct iova_domain, rcaches) == 104, "facts K2a");
static_assert(offsetof(struct iova_domain, cpuhp_dead) == 112, "facts K2a");
static_assert(sizeof(struct iova_domain) == 128, "facts K2a");

/* log2 of the domain's granule. */
static inline unsigned int iova_shift(struct iova_domain *iovad)
{
	return (unsigned int)__builtin_ctzl(READ_ONCE(iovad->granule));
}

/* The frame number of the I/O virtual address @iova. */
static inline unsigned long iova_pfn(struct iova_domain *iovad, uint64_t iova)
{
	return iova >> iova_shift(iovad);
}

/**
 * init_iova_domain - make an empty allocator
 * @iovad: in zeroed shared memory; not yet visible to another CPU
 * @granule: bytes in a page frame, a power of two, at most PAGE_SIZE
 * @start_pfn: the lowest frame number to hand out, at least 1
 *
 * Kernel: init_iova_domain().
 */
void init_iova_domain(struct iova_domain *iovad, unsigned long granule, unsigned long start_pfn);

/**
 * iova_domain_init_rcaches - add the per-CPU caches to a domain
 * @iovad: initialised; must have them before its first allocation
 *
 * A CPU's magazines are allocated when it first allocates or frees a range of their size.
 * Returns 0 or -ENOMEM. Kernel: iova_domain_init_rcaches().
 */
int iova_domain_init_rcaches(struct iova_domain *iovad);

/**
 * reserve_iova - keep a range from ever being allocated (kernel function of that name)
 * @iovad: nothing allocated or reserved in the range yet
 * @pfn_lo: first frame number
 * @pfn_hi: last frame number
 *
 * Returns 0 or -ENOMEM.
 */
int reserve_iova(struct iova_domain *iovad, unsigned long pfn_lo, unsigned long pfn_hi);

/**
 * put_iova_domain - free the caches and every range still allocated, but not @iovad itself
 * @iovad: initialised, with or without caches; no CPU uses it any more
 *
 * Kernel: put_iova_domain().
 */
void put_iova_domain(struct iova_domain *iovad);

/**
 * alloc_iova_fast - allocate a range aligned to its size rounded up to a power of two
 * @iovad: with caches
 * @size: pages, 1..2^32-1; fewer than 32 are rounded up to a power of two
 * @limit_pfn: the last frame number that the range may contain, at least @size - 1
 * @flush_rcache: when the space is exhausted, return every cached range to the tree and try once more
 *
 * Returns the first frame number, or 0 when there is no room. Kernel: alloc_iova_fast().
 */
unsigned long alloc_iova_fast(struct iova_domain *iovad, unsigned long size, unsigned long limit_pfn,
			      bool flush_rcache);

/**
 * free_iova_fast - give a range back, to this CPU's magazine if its size is a cached one
 * @iovad: the domain that it came from
 * @pfn: what alloc_iova_fast() returned
 * @size: what alloc_iova_fast() was called with, in pages
 *
 * Kernel: free_iova_fast().
 */
void free_iova_fast(struct iova_domain *iovad, unsigned long pfn, unsigned long size);

/**
 * iova_alloc_dma - allocate the I/O virtual addresses of a DMA mapping, below 4 GiB while there is room
 * @iovad: with caches
 * @size: bytes, a multiple of the granule, not 0
 * @dma_limit: the highest address that the device can reach
 * @aperture_end: the highest address that the domain can map
 * @pci_32bit_workaround: the device's flag, in shared memory; cleared for good when the space below 4 GiB runs out
 *
 * Returns the first address, or 0 when there is no room. Kernel: iommu_dma_alloc_iova().
 */
uint64_t iova_alloc_dma(struct iova_domain *iovad, size_t size, uint64_t dma_limit, uint64_t aperture_end,
			bool *pci_32bit_workaround);

/* What iova_domain_count() found; the tree holds allocated and cached ranges alike. */
struct iova_count {
	unsigned long tree_ranges;
	unsigned long tree_pages;
	unsigned long magazine_pfns[IOVA_RANGE_CACHE_MAX_SIZE]; /* by log2 of the range's pages */
	unsigned long depot_pfns[IOVA_RANGE_CACHE_MAX_SIZE];
	unsigned long depot_magazines[IOVA_RANGE_CACHE_MAX_SIZE];
};

/**
 * iova_domain_count - where every range is; for tests and checks, so nothing is charged
 * @iovad: with caches, and used by no CPU meanwhile
 * @count: to fill in
 * @cached: called with the first frame number and log2 of the pages of each cached range; may be NULL
 * @arg: for @cached
 */
void iova_domain_count(struct iova_domain *iovad, struct iova_count *count,
		       void (*cached)(unsigned long pfn, unsigned int log_size, void *arg), void *arg);

#endif
