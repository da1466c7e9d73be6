/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/page_table.h"

#include "sim/cache_tag.h"
#include "sim/domain.h"

#define PAGE_LIST_FIRST_CAPACITY 8

static void page_list_add(struct page_list *list, void *page)
{
	if (list->count == list->capacity) {
		uint32_t capacity = list->capacity ? 2 * list->capacity : PAGE_LIST_FIRST_CAPACITY;
		void **pages = realloc(list->pages, capacity * sizeof(*pages));

		/* Unmapping cannot fail. A page too many until the simulation ends is harmless. */
		if (!pages)
			return;
		list->pages = pages;
		list->capacity = capacity;
	}
	list->pages[list->count++] = page;
}

void page_list_free(struct page_list *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		page_free(list->pages[i]);
	free(list->pages);
	*list = (struct page_list){ 0 };
}

static bool domain_pfn_supported(int agaw, uint64_t pfn)
{
	return !(pfn >> (agaw_to_width(agaw) - VTD_PAGE_SHIFT));
}

static bool first_pte_in_page(const struct dma_pte *pte)
{
	return !((uintptr_t)pte & (VTD_PAGE_SIZE - 1));
}

static uint64_t nr_pte_to_next_page(const struct dma_pte *pte)
{
	return (VTD_PAGE_SIZE - ((uintptr_t)pte & (VTD_PAGE_SIZE - 1))) / sizeof(*pte);
}

/*
 * Entries and tables that walks do not snoop must be written back. What that costs is not modelled but for its
 * fence; the domain's flag is read every time, as the kernel does.
 */
static void domain_flush_cache(struct dmar_domain *domain)
{
	if (!domain_iommu_coherency(domain))
		smp_mb();
}

/*
 * An entry, and behind it the table that it may lead to, as whoever has linked the table has left it. The kernel
 * reads it plainly and relies on the CPU not to read behind an address before the address, which C cannot say.
 */
static uint64_t dma_pte_read(struct dma_pte *pte)
{
	return smp_load_acquire(&pte->val);
}

static void dma_clear_pte(struct dma_pte *pte)
{
	WRITE_ONCE(pte->val, 0);
}

/* Put a new table behind the empty @pte, or use the one somebody else has just put there. Returns the entry or 0.
 */
static uint64_t dma_pte_add_table(struct dmar_domain *domain, struct dma_pte *pte)
{
	uint64_t pteval, old = 0;
	void *page;

	compute(COST_PAGE_ALLOC);
	page = page_alloc();
	if (!page)
		return 0;
	domain_flush_cache(domain);

	pteval = virt_to_phys(page) | DMA_PTE_READ | DMA_PTE_WRITE;
	if (domain_use_first_level(domain))
		pteval |= DMA_FL_PTE_US | DMA_FL_PTE_ACCESS;
	if (!try_cmpxchg(&pte->val, &old, pteval)) {
		page_free(page);
		return old;
	}
	domain_flush_cache(domain);
	return pteval;
}

struct dma_pte *pfn_to_dma_pte(struct dmar_domain *domain, uint64_t pfn, int *target_level, enum cost_step step)
{
	int agaw = READ_ONCE(domain->agaw);
	int level = agaw_to_level(agaw);
	struct dma_pte *parent, *pte;

	if (!domain_pfn_supported(agaw, pfn))
		return NULL;

	parent = READ_ONCE(domain->pgd);
	for (;;) {
		uint64_t val;

		compute(step);
		pte = &parent[pfn_level_offset(pfn, level)];
		/* Not read: the caller writes it, and a load first would move its cache line twice. */
		if (level == *target_level)
			break;
		val = dma_pte_read(pte);
		if (level == 1 || dma_pte_superpage(val))
			break;
		if (!dma_pte_present(val)) {
			if (!*target_level)
				break;
			val = dma_pte_add_table(domain, pte);
			if (!val)
				return NULL;
		}
		parent = phys_to_virt(dma_pte_addr(val));
		level--;
	}

	*target_level = level;
	return pte;
}

/*
 * The entry at @level for @pfn. When the walk ends above, *@found_level says where: at a large page, which is
 * returned, or at an entry that is not present, and then NULL.
 */
static struct dma_pte *dma_pfn_level_pte(struct dmar_domain *domain, uint64_t pfn, int level, int *found_level)
{
	int total = agaw_to_level(READ_ONCE(domain->agaw));
	struct dma_pte *parent = READ_ONCE(domain->pgd);

	for (;; total--) {
		struct dma_pte *pte = &parent[pfn_level_offset(pfn, total)];
		uint64_t val;

		compute(COST_UNMAP_WALK_LEVEL);
		*found_level = total;
		if (total == level)
			return pte;
		val = dma_pte_read(pte);
		if (!dma_pte_present(val))
			return NULL;
		if (dma_pte_superpage(val))
			return pte;
		parent = phys_to_virt(dma_pte_addr(val));
	}
}

/*
 * Clear the leaves of a range and leave the tables. Nobody else touches the range; the caller flushes the IOTLB.
 * After a large page the kernel clears the entries next to it unseen, and loses the tables some may point at. Here
 * every one is looked up.
 */
static void dma_pte_clear_range(struct dmar_domain *domain, uint64_t start_pfn, uint64_t last_pfn)
{
	while (start_pfn <= last_pfn) {
		int level;
		struct dma_pte *pte = dma_pfn_level_pte(domain, start_pfn, 1, &level);

		if (!pte) {
			start_pfn = align_to_level(start_pfn + 1, level);
			continue;
		}
		do {
			dma_clear_pte(pte);
			start_pfn += level_size(level);
			pte++;
		} while (level == 1 && start_pfn <= last_pfn && !first_pte_in_page(pte));
		compute(COST_PTE_CLEAR);
		domain_flush_cache(domain);
	}
}

/* A range of pages and the walk over it: the same in every level of the recursions below. */
struct pte_range {
	struct dmar_domain *domain;
	uint64_t start_pfn;
	uint64_t last_pfn;
	int retain_level;	    /* tables that entries of this level and above point at stay */
	struct page_list *freelist; /* takes unlinked tables */
};

static bool pte_range_covers(const struct pte_range *range, uint64_t level_pfn, int level)
{
	return range->start_pfn <= level_pfn && range->last_pfn >= level_pfn + level_size(level) - 1;
}

/* Free, at once, the tables that the range covers whole. They map nothing any more. */
static void dma_pte_free_level(const struct pte_range *range, int level, struct dma_pte *table, uint64_t pfn)
{
	struct dma_pte *pte;

	if (pfn < range->start_pfn)
		pfn = range->start_pfn;
	pte = &table[pfn_level_offset(pfn, level)];
	do {
		uint64_t level_pfn = pfn & level_mask(level);
		uint64_t val = dma_pte_read(pte);

		if (dma_pte_present(val) && !dma_pte_superpage(val)) {
			struct dma_pte *child = phys_to_virt(dma_pte_addr(val));

			if (level > 2)
				dma_pte_free_level(range, level - 1, child, level_pfn);
			if (level < range->retain_level && pte_range_covers(range, level_pfn, level)) {
				dma_clear_pte(pte);
				domain_flush_cache(range->domain);
				page_free(child);
			}
		}
		pfn = level_pfn + level_size(level);
		pte++;
	} while (!first_pte_in_page(pte) && pfn <= range->last_pfn);
}

/* Clear a range and free its tables, but for those that entries of @retain_level and above point at. */
static void dma_pte_free_pagetable(struct dmar_domain *domain, uint64_t start_pfn, uint64_t last_pfn,
				   int retain_level)
{
	struct pte_range range = {
		.domain = domain, .start_pfn = start_pfn, .last_pfn = last_pfn, .retain_level = retain_level
	};

	int agaw;

	dma_pte_clear_range(domain, start_pfn, last_pfn);
	agaw = READ_ONCE(domain->agaw);
	dma_pte_free_level(&range, agaw_to_level(agaw), READ_ONCE(domain->pgd), 0);
}

/*
 * Put the table at @page, which an entry of level @level + 1 has pointed at, and all below it on the list. None of
 * them is modified: hardware may still be walking them.
 */
static void dma_pte_list_pagetables(struct dma_pte *page, int level, struct page_list *freelist)
{
	struct dma_pte *pte = page;

	page_list_add(freelist, page);
	if (level == 1)
		return;
	do {
		uint64_t val = dma_pte_read(pte);

		if (dma_pte_present(val) && !dma_pte_superpage(val))
			dma_pte_list_pagetables(phys_to_virt(dma_pte_addr(val)), level - 1, freelist);
		pte++;
	} while (!first_pte_in_page(pte));
}

static void dma_pte_clear_level(const struct pte_range *range, int level, struct dma_pte *table, uint64_t pfn)
{
	bool cleared = false;
	struct dma_pte *pte;

	compute(COST_UNMAP_WALK_LEVEL);
	if (pfn < range->start_pfn)
		pfn = range->start_pfn;
	pte = &table[pfn_level_offset(pfn, level)];
	do {
		uint64_t level_pfn = pfn & level_mask(level);
		uint64_t val = dma_pte_read(pte);
		bool leaf = level == 1 || dma_pte_superpage(val);

		if (dma_pte_present(val) && pte_range_covers(range, level_pfn, level)) {
			if (!leaf)
				dma_pte_list_pagetables(phys_to_virt(dma_pte_addr(val)), level - 1,
							range->freelist);
			compute(COST_PTE_CLEAR);
			dma_clear_pte(pte);
			cleared = true;
		} else if (dma_pte_present(val)) {
			assert(!leaf);
			dma_pte_clear_level(range, level - 1, phys_to_virt(dma_pte_addr(val)), level_pfn);
		}
		pfn = level_pfn + level_size(level);
		pte++;
	} while (!first_pte_in_page(pte) && pfn <= range->last_pfn);

	if (cleared)
		domain_flush_cache(range->domain);
}

void domain_unmap(struct dmar_domain *domain, uint64_t start_pfn, uint64_t last_pfn, struct page_list *freelist)
{
	struct pte_range range = {
		.domain = domain, .start_pfn = start_pfn, .last_pfn = last_pfn, .freelist = freelist
	};
	int agaw;

	function_entered(__func__);
	agaw = READ_ONCE(domain->agaw);
	assert(domain_pfn_supported(agaw, last_pfn) && start_pfn <= last_pfn);
	dma_pte_clear_level(&range, agaw_to_level(agaw), READ_ONCE(domain->pgd), 0);

	if (start_pfn == 0 && last_pfn == domain_max_pfn(READ_ONCE(domain->gaw))) {
		page_list_add(freelist, READ_ONCE(domain->pgd));
		WRITE_ONCE(domain->pgd, NULL);
	}
}

/*
 * The highest level whose pages fit: IOVA and physical address aligned alike, and enough pages left. The domain
 * says how many levels of large pages all its IOMMUs have.
 */
static int hardware_largepage_caps(struct dmar_domain *domain, uint64_t iov_pfn, uint64_t phys_pfn, uint64_t pages)
{
	int support = READ_ONCE(domain->iommu_superpage);
	uint64_t pfnmerge = iov_pfn | phys_pfn;
	int level = 1;

	while (support && !(pfnmerge & ~VTD_STRIDE_MASK)) {
		pages >>= VTD_STRIDE_SHIFT;
		if (!pages)
			break;
		pfnmerge >>= VTD_STRIDE_SHIFT;
		level++;
		support--;
	}
	return level;
}

/*
 * Make room for large pages where smaller ones have been: tables below @level go, with all they may still map, and
 * the caches are flushed. The kernel frees the tables before it flushes, unlike in domain_unmap(), and so does
 * this.
 */
static void switch_to_super_page(struct dmar_domain *domain, uint64_t start_pfn, uint64_t end_pfn, int level,
				 struct dma_pte *pte)
{
	uint64_t lvl_pages = level_size(level);

	assert(!(start_pfn & (lvl_pages - 1)) && !((end_pfn + 1) & (lvl_pages - 1)));
	for (; start_pfn <= end_pfn; start_pfn += lvl_pages, pte++) {
		if (!dma_pte_present(READ_ONCE(pte->val)))
			continue;
		dma_pte_free_pagetable(domain, start_pfn, start_pfn + lvl_pages - 1, level + 1);
		cache_tag_flush_range(domain, start_pfn << VTD_PAGE_SHIFT, end_pfn << VTD_PAGE_SHIFT, 0);
	}
}

/*
 * Map as many pages as are of one size and lie in one table, from the start of the range given. Returns their
 * number in 4 KiB pages, or -ENOMEM or -EEXIST.
 */
static int64_t domain_map_run(struct dmar_domain *domain, uint64_t iov_pfn, uint64_t phys_pfn, uint64_t nr_pages,
			      uint64_t attr)
{
	int wanted = hardware_largepage_caps(domain, iov_pfn, phys_pfn, nr_pages);
	int level = wanted;
	struct dma_pte *pte = pfn_to_dma_pte(domain, iov_pfn, &level, COST_MAP_WALK_LEVEL);
	uint64_t lvl_pages = level_size(wanted);
	uint64_t count, done;

	if (!pte)
		return -ENOMEM;
	if (level != wanted)
		return -EEXIST;

	count = nr_pte_to_next_page(pte);
	if (count > nr_pages / lvl_pages)
		count = nr_pages / lvl_pages;
	if (level > 1) {
		attr |= DMA_PTE_LARGE_PAGE;
		switch_to_super_page(domain, iov_pfn, iov_pfn + count * lvl_pages - 1, level, pte);
	}
	/* Nobody else touches the IOVA range: an entry that is set is a double map. */
	for (done = 0; done < count; done++, pte++, phys_pfn += lvl_pages) {
		uint64_t old = 0;

		compute(COST_PTE_SET);
		if (!try_cmpxchg_local(&pte->val, &old, phys_pfn << VTD_PAGE_SHIFT | attr))
			break;
	}
	domain_flush_cache(domain);
	return done == count ? (int64_t)(count * lvl_pages) : -EEXIST;
}

int domain_mapping(struct dmar_domain *domain, uint64_t iov_pfn, uint64_t phys_pfn, uint64_t nr_pages, int prot)
{
	uint64_t attr;

	function_entered("__domain_mapping");
	assert(nr_pages);
	if (!domain_pfn_supported(READ_ONCE(domain->agaw), iov_pfn + nr_pages - 1))
		return -EINVAL;
	if (!(prot & (DMA_PTE_READ | DMA_PTE_WRITE)))
		return -EINVAL;

	attr = (prot & (DMA_PTE_READ | DMA_PTE_WRITE | DMA_PTE_SNP)) | DMA_FL_PTE_PRESENT;
	if (domain_use_first_level(domain)) {
		attr |= DMA_FL_PTE_US | DMA_FL_PTE_ACCESS;
		if (prot & DMA_PTE_WRITE)
			attr |= DMA_FL_PTE_DIRTY;
	}
	domain_set_has_mappings(domain);

	while (nr_pages) {
		int64_t run = domain_map_run(domain, iov_pfn, phys_pfn, nr_pages, attr);

		if (run < 0)
			return run;
		nr_pages -= run;
		iov_pfn += run;
		phys_pfn += run;
	}
	return 0;
}

uint64_t domain_iova_to_phys(struct dmar_domain *domain, uint64_t iova)
{
	int level = 0;
	struct dma_pte *pte = pfn_to_dma_pte(domain, iova >> VTD_PAGE_SHIFT, &level, COST_UNMAP_WALK_LEVEL);
	uint64_t val = pte ? READ_ONCE(pte->val) : 0;

	if (!dma_pte_present(val))
		return 0;
	return dma_pte_addr(val) + (iova & ((level_size(level) << VTD_PAGE_SHIFT) - 1));
}
