/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * page_table.h - a domain's DMA translation tables: map, unmap, look up
 *
 * Models drivers/iommu/intel/iommu.c of Linux 6.12. The domain's fields are read where and as often as the kernel
 * reads them, because the line they share with cache_lock is what the simulator measures (facts K2).
 */
#ifndef SIMBENCH_PAGE_TABLE_H
#define SIMBENCH_PAGE_TABLE_H

#include <stdint.h>

#include "platform.h"
#include "sim/vtd_spec.h"

struct dmar_domain;

/* One paging entry of either stage (VT-d 9.7, 9.8). */
struct dma_pte {
	uint64_t val;
};

static inline bool dma_pte_present(uint64_t val)
{
	return val & (DMA_PTE_READ | DMA_PTE_WRITE);
}

static inline bool dma_pte_superpage(uint64_t val)
{
	return val & DMA_PTE_LARGE_PAGE;
}

static inline uint64_t dma_pte_addr(uint64_t val)
{
	return val & VTD_PTE_ADDR_MASK;
}

/*
 * Table pages that have been unlinked and may be freed once the IOTLB has been flushed. The kernel links them
 * through struct page; links inside the pages would change what a walker still under way reads, so the list is an
 * array of its own. All zero is an empty list; it may be copied as long as only one copy goes on being used. It is
 * as big as the kernel's list_head, so that structs which embed one keep their layout.
 */
struct page_list {
	void **pages;
	uint32_t count;
	uint32_t capacity;
};

static inline bool page_list_empty(const struct page_list *list)
{
	return !list->count;
}

/**
 * page_list_free - free the pages and the list; it is empty afterwards (kernel iommu_put_pages_list())
 * @list: unlinked pages that no walker can reach any more
 */
void page_list_free(struct page_list *list);

/**
 * pfn_to_dma_pte - find the entry for an IOVA page
 * @domain: with a pgd
 * @pfn: IOVA page frame number
 * @target_level: 0: stop at the entry that maps @pfn or at the first that is not present, build nothing;
 *	1..3: build missing tables down to this level. Returns the level of the entry found, which is above the one
 *	asked for only when a large page is in the way
 * @step: what to charge per level
 *
 * Returns the entry, or NULL when @pfn is beyond the domain's width or memory is short.
 */
struct dma_pte *pfn_to_dma_pte(struct dmar_domain *domain, uint64_t pfn, int *target_level, enum cost_step step);

/**
 * domain_mapping - map pages, with large pages where sizes and alignment allow (kernel __domain_mapping())
 * @domain: with a pgd
 * @iov_pfn: first IOVA page
 * @phys_pfn: first physical page
 * @nr_pages: 4 KiB pages, at least 1
 * @prot: DMA_PTE_READ, DMA_PTE_WRITE, DMA_PTE_SNP; one of the first two at least
 *
 * As in the kernel, the entry's bit 0 is always set: a write-only mapping can be read.
 *
 * Returns 0; -EINVAL for no permission or an IOVA beyond the domain's width; -ENOMEM; -EEXIST when an entry was
 * already set, where the kernel warns. What was mapped before an error stays, and domain_unmap() removes it.
 */
int domain_mapping(struct dmar_domain *domain, uint64_t iov_pfn, uint64_t phys_pfn, uint64_t nr_pages, int prot);

/**
 * domain_unmap - clear a range's entries and unlink the tables that it covers whole
 * @domain: with a pgd
 * @start_pfn: first IOVA page
 * @last_pfn: last IOVA page, within the domain's width; the range must not cut a large page
 * @freelist: takes the unlinked tables. They stay as they are until page_list_free()
 *
 * A range of the whole space, 0..domain_max_pfn(domain->gaw), also unlinks the top table and leaves no pgd, as
 * the kernel's domain_exit() has it.
 */
void domain_unmap(struct dmar_domain *domain, uint64_t start_pfn, uint64_t last_pfn, struct page_list *freelist);

/**
 * domain_iova_to_phys - translate as the driver sees it (kernel intel_iommu_iova_to_phys())
 *
 * Returns the physical address, 0 when @iova is not mapped. The DMA API's unmap calls it, so a level costs what it
 * does there.
 */
uint64_t domain_iova_to_phys(struct dmar_domain *domain, uint64_t iova);

#endif
