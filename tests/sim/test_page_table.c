/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_page_table.c - the driver's tables against a flat array, walked by the driver and by the hardware
 *
 * page_table.c is compiled into the test, over its own page_alloc(), page_free() and cache_tag_flush_range(): the
 * test counts table pages, makes allocations fail, and lets another CPU's map happen in the middle of one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "platform.h"

/* Declared so first, they stay local to this file, whatever else defines them. */
struct dma_pte;
struct dmar_domain;
struct page_list;
static void page_list_free(struct page_list *list);
static struct dma_pte *pfn_to_dma_pte(struct dmar_domain *domain, uint64_t pfn, int *target_level,
				      enum cost_step step);
static int domain_mapping(struct dmar_domain *domain, uint64_t iov_pfn, uint64_t phys_pfn, uint64_t nr_pages,
			  int prot);
static void domain_unmap(struct dmar_domain *domain, uint64_t start_pfn, uint64_t last_pfn,
			 struct page_list *freelist);
static uint64_t domain_iova_to_phys(struct dmar_domain *domain, uint64_t iova);

#include "sim/cache_tag.h"
#include "sim/domain.h"
#include "sim/page_table.h"
#include "sim/vtd_walk.h"
#include "tests/sim_test.h"

#define PAGES_2M 512ULL
#define PAGES_1G 262144ULL

/* MGAW 57, 2 MiB and 1 GiB pages in both stages, 5-level first stage; snoop control */
#define TEST_CAP ((1ULL << 60) | (1ULL << 56) | (3ULL << 34) | (56ULL << 16) | (0xeULL << 8))
#define TEST_ECAP (1ULL << 7)

OBJ_TYPE_PLAIN(test_domain, "dmar_domain");

/* Table pages alive, and what the replaced functions are to do; one test runs at a time. */
static struct {
	int live;
	int allocs;
	int frees;
	int fail_at; /* this allocation from now on fails, and all after it; 0 never */
	int flushes;
	uint64_t flush_start;
	uint64_t flush_end;
	struct dmar_domain *race_domain; /* maps race_pfn during the next allocation */
	uint64_t race_pfn;
} env;

static void *test_page_alloc(void)
{
	struct dmar_domain *race = env.race_domain;
	void *page;

	env.allocs++;
	if (env.fail_at && env.allocs >= env.fail_at)
		return NULL;
	page = page_alloc();
	assert_non_null(page);
	env.live++;
	if (race) {
		env.race_domain = NULL;
		assert_int_equal(domain_mapping(race, env.race_pfn, 0x777, 1, DMA_PTE_READ), 0);
	}
	return page;
}

static void test_page_free(void *page)
{
	env.live--;
	env.frees++;
	page_free(page);
}

static void test_cache_tag_flush_range(struct dmar_domain *domain, uint64_t start, uint64_t end, int ih)
{
	(void)domain;
	assert_int_equal(ih, 0);
	env.flushes++;
	env.flush_start = start;
	env.flush_end = end;
}

#define page_alloc test_page_alloc
#define page_free test_page_free
#define cache_tag_flush_range test_cache_tag_flush_range
#include "sim/page_table.c"

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static struct dmar_domain *new_domain(int levels, bool first_stage, int superpage)
{
	struct dmar_domain *domain = shared_alloc(&test_domain_type, sizeof(*domain));

	assert_non_null(domain);
	memset(&env, 0, sizeof(env));
	domain->agaw = levels - 2;
	domain->gaw = agaw_to_width(levels - 2);
	domain->iommu_superpage = superpage;
	domain->flags = DOMAIN_IOMMU_COHERENCY | (first_stage ? DOMAIN_USE_FIRST_LEVEL : 0);
	domain->pgd = page_alloc();
	return domain;
}

/* As domain_exit(): everything goes, and nothing may be left. */
static void exit_domain(struct dmar_domain *domain)
{
	struct page_list freelist = { 0 };

	env.fail_at = 0;
	domain_unmap(domain, 0, domain_max_pfn(domain->gaw), &freelist);
	assert_null(domain->pgd);
	assert_int_equal(freelist.count, env.live);
	page_list_free(&freelist);
	assert_true(page_list_empty(&freelist));
	assert_int_equal(env.live, 0);
	shared_free(domain);
}

static uint64_t read_memory(void *ctx, uint64_t pa)
{
	(void)ctx;
	return *(const volatile uint64_t *)phys_to_virt(pa);
}

static enum walk_result walk(struct dmar_domain *domain, uint64_t iova, bool write, struct vtd_translation *t)
{
	return vtd_walk(virt_to_phys(domain->pgd), domain->agaw + 2, domain->flags & DOMAIN_USE_FIRST_LEVEL,
			TEST_CAP, TEST_ECAP, iova, write, read_memory, NULL, t);
}

static int map(struct dmar_domain *domain, uint64_t iov_pfn, uint64_t phys_pfn, uint64_t nr)
{
	return domain_mapping(domain, iov_pfn, phys_pfn, nr, DMA_PTE_READ | DMA_PTE_WRITE);
}

static void unmap(struct dmar_domain *domain, uint64_t first, uint64_t last)
{
	struct page_list freelist = { 0 };

	domain_unmap(domain, first, last, &freelist);
	page_list_free(&freelist);
}

/* The entry for @pfn at exactly @level, which must be there. */
static struct dma_pte *entry_at(struct dmar_domain *domain, uint64_t pfn, int level)
{
	struct dma_pte *table = domain->pgd;
	int at = domain->agaw + 2;

	for (; at > level; at--)
		table = phys_to_virt(table[pfn >> 9 * (at - 1) & 511].val & 0x000ffffffffff000ULL);
	return &table[pfn >> 9 * (level - 1) & 511];
}

/* Tables reachable from @table, itself included. */
static int count_tables(const struct dma_pte *table, int level)
{
	int count = 1;

	for (int i = 0; level > 1 && i < 512; i++)
		if ((table[i].val & 3) && !(table[i].val & 0x80))
			count += count_tables(phys_to_virt(table[i].val & 0x000ffffffffff000ULL), level - 1);
	return count;
}

/*
 * The reference: a few windows of IOVA space, each a flat array of what every page is mapped to. A page's word is
 * the physical page number above its DMA_PTE_READ and DMA_PTE_WRITE bits, 0 when it is not mapped.
 */
#define WINDOW_PAGES (2 * PAGES_1G + 1024)
#define WINDOWS 3
#define MAPS 24

struct ref_map {
	uint64_t first; /* page in the window */
	uint64_t count; /* 0: the slot is free */
	int window;
};

struct reference {
	struct dmar_domain *domain;
	uint64_t rng;
	uint64_t base[WINDOWS];
	uint64_t *page[WINDOWS];
	struct ref_map maps[MAPS];
	int large_maps; /* how often large pages came out */
};

static void check_page(struct reference *ref, int window, uint64_t index)
{
	uint64_t word = ref->page[window][index], iova = (ref->base[window] + index) << 12 | 0xabc;
	struct vtd_translation t;
	enum walk_result read = walk(ref->domain, iova, false, &t);
	enum walk_result write;
	int allocs = env.allocs;

	if (!word) {
		assert_int_equal(read, WALK_NOT_PRESENT);
		assert_int_equal(walk(ref->domain, iova, true, &t), WALK_NOT_PRESENT);
		assert_int_equal(domain_iova_to_phys(ref->domain, iova), 0);
		assert_int_equal(env.allocs, allocs);
		return;
	}
	assert_int_equal(read, WALK_OK); /* bit 0 is set even for write-only mappings */
	assert_int_equal(vtd_translation_addr(&t, iova), word >> 2 << 12 | 0xabc);
	assert_int_equal(t.reads, ref->domain->agaw + 2 - (t.level - 1));
	assert_int_equal(t.page_addr & ((1ULL << (3 + 9 * t.level)) - 1), 0);
	assert_true(t.level <= 1 + ref->domain->iommu_superpage);
	assert_int_equal(t.write, !!(word & DMA_PTE_WRITE));
	write = walk(ref->domain, iova, true, &t);
	assert_int_equal(write, word & DMA_PTE_WRITE ? WALK_OK : WALK_NO_WRITE);
	assert_int_equal(domain_iova_to_phys(ref->domain, iova), word >> 2 << 12 | 0xabc);
}

/* Every page when they are few, else the edges and a random sample; the neighbours always. */
static void check_range(struct reference *ref, int window, uint64_t first, uint64_t count)
{
	uint64_t lo = first > 2 ? first - 2 : 0;
	uint64_t hi = first + count + 2 < WINDOW_PAGES ? first + count + 2 : WINDOW_PAGES;

	for (uint64_t i = lo; i < hi; i++) {
		if (i > first + 600 && i + 600 < first + count)
			i += next_random(&ref->rng) % 1000;
		check_page(ref, window, i);
	}
}

static void check_tables(struct reference *ref)
{
	assert_int_equal(count_tables(ref->domain->pgd, ref->domain->agaw + 2), env.live);
}

static uint64_t random_length(struct reference *ref)
{
	switch (next_random(&ref->rng) % 8) {
	case 0:
		return PAGES_1G + next_random(&ref->rng) % PAGES_2M;
	case 1:
	case 2:
		return PAGES_2M * (1 + next_random(&ref->rng) % 4) + next_random(&ref->rng) % 40;
	case 3:
		return 1 + next_random(&ref->rng) % 2000;
	default:
		return 1 + next_random(&ref->rng) % 16;
	}
}

static bool range_is_free(const struct reference *ref, int window, uint64_t first, uint64_t count)
{
	if (first + count > WINDOW_PAGES)
		return false;
	for (uint64_t i = first; i < first + count; i++)
		if (ref->page[window][i])
			return false;
	return true;
}

static void random_map(struct reference *ref, struct ref_map *slot)
{
	static const int prots[] = { DMA_PTE_READ, DMA_PTE_WRITE, DMA_PTE_READ | DMA_PTE_WRITE };
	int window = next_random(&ref->rng) % WINDOWS, prot = prots[next_random(&ref->rng) % 3], level = 0;
	uint64_t count = random_length(ref), first = next_random(&ref->rng) % WINDOW_PAGES;
	uint64_t phys = 0x100000 + next_random(&ref->rng) % (1ULL << 35);

	/* Aligned like a large page, both sides, in three of four cases; else only alike, or not at all. */
	if (next_random(&ref->rng) % 4) {
		uint64_t align = count >= PAGES_1G && next_random(&ref->rng) % 2 ? PAGES_1G : PAGES_2M;

		first &= ~(align - 1);
		phys &= ~(align - 1);
	} else if (next_random(&ref->rng) % 2) {
		phys = (phys & ~(PAGES_1G - 1)) | ((ref->base[window] + first) & (PAGES_1G - 1));
	}
	if (!range_is_free(ref, window, first, count))
		return;

	assert_int_equal(domain_mapping(ref->domain, ref->base[window] + first, phys, count, prot), 0);
	for (uint64_t i = 0; i < count; i++)
		ref->page[window][first + i] = (phys + i) << 2 | prot;
	*slot = (struct ref_map){ .first = first, .count = count, .window = window };
	pfn_to_dma_pte(ref->domain, ref->base[window] + first, &level, COST_UNMAP_WALK_LEVEL);
	ref->large_maps += level > 1;
	check_range(ref, window, first, count);
}

/* Pages that the large page at @index spans, or 1. */
static uint64_t page_span(struct reference *ref, int window, uint64_t index)
{
	int level = 0;

	assert_non_null(pfn_to_dma_pte(ref->domain, ref->base[window] + index, &level, COST_UNMAP_WALK_LEVEL));
	return 1ULL << 9 * (level - 1);
}

/* Unmap all of a mapping, or its head or tail, without cutting a large page. */
static void random_unmap(struct reference *ref, struct ref_map *slot)
{
	uint64_t count = slot->count, cut = 0, first = slot->first;
	int choice = next_random(&ref->rng) % 3;

	if (choice && count > 1) {
		cut = slot->first + next_random(&ref->rng) % count;
		cut -= (ref->base[slot->window] + cut) % page_span(ref, slot->window, cut);
	}
	if (cut > slot->first && choice == 1) {
		count = cut - slot->first;
		*slot = (struct ref_map){ .first = cut, .count = slot->count - count, .window = slot->window };
	} else if (cut > slot->first) {
		first = cut;
		count = slot->first + slot->count - cut;
		slot->count -= count;
	} else {
		slot->count = 0;
	}
	unmap(ref->domain, ref->base[slot->window] + first, ref->base[slot->window] + first + count - 1);
	memset(&ref->page[slot->window][first], 0, count * sizeof(uint64_t));
	check_range(ref, slot->window, first, count);
}

static void run_reference(int levels, bool first_stage, int superpage, uint64_t seed)
{
	struct reference ref = { .domain = new_domain(levels, first_stage, superpage), .rng = seed };
	/* First-stage addresses are canonical only in the lower half (VT-d 3.6). */
	uint64_t top = domain_max_pfn(ref.domain->gaw - first_stage) + 1;

	print_message("levels %d, first stage %d, large page levels %d, seed %llu\n", levels, first_stage,
		      superpage, (unsigned long long)seed);
	ref.base[1] = 37 * PAGES_1G;
	ref.base[2] = top - WINDOW_PAGES;
	for (int i = 0; i < WINDOWS; i++) {
		ref.page[i] = calloc(WINDOW_PAGES, sizeof(uint64_t));
		assert_non_null(ref.page[i]);
	}
	for (int i = 0; i < 400; i++) {
		struct ref_map *slot = &ref.maps[next_random(&ref.rng) % MAPS];

		if (slot->count)
			random_unmap(&ref, slot);
		else
			random_map(&ref, slot);
		check_tables(&ref);
	}
	assert_true(superpage ? ref.large_maps > 0 : ref.large_maps == 0);
	for (int i = 0; i < WINDOWS; i++)
		free(ref.page[i]);
	exit_domain(ref.domain);
}

static void reference_body(void *arg)
{
	(void)arg;
	for (int superpage = 0; superpage <= 2; superpage++) {
		for (int levels = 3; levels <= 5; levels++)
			run_reference(levels, false, superpage, 100 + 10 * levels + superpage);
		for (int levels = 4; levels <= 5; levels++)
			run_reference(levels, true, superpage, 200 + 10 * levels + superpage);
	}
}

/* Entries bit by bit, in literals. */
static void entry_bits_body(void *arg)
{
	struct dmar_domain *ss = new_domain(4, false, 2), *fs;

	(void)arg;
	assert_int_equal(domain_mapping(ss, 0x1000, 0x12345, 1, DMA_PTE_READ), 0);
	assert_int_equal(domain_mapping(ss, 0x1001, 0x12346, 1, DMA_PTE_WRITE), 0);
	assert_int_equal(domain_mapping(ss, 0x1002, 0x12347, 1, DMA_PTE_READ | DMA_PTE_WRITE | DMA_PTE_SNP), 0);
	assert_int_equal(domain_mapping(ss, PAGES_1G, 2 * PAGES_1G, PAGES_1G, DMA_PTE_READ), 0);
	assert_int_equal(entry_at(ss, 0x1000, 1)->val, 0x12345001);
	assert_int_equal(entry_at(ss, 0x1001, 1)->val, 0x12346003);
	assert_int_equal(entry_at(ss, 0x1002, 1)->val, 0x12347803);
	assert_int_equal(entry_at(ss, PAGES_1G, 3)->val, 0x80000081);
	for (int level = 2; level <= 4; level++)
		assert_int_equal(entry_at(ss, 0x1000, level)->val & 0xfff, 0x003);
	exit_domain(ss);

	fs = new_domain(4, true, 2);
	assert_int_equal(domain_mapping(fs, 0x1000, 0x12345, 1, DMA_PTE_READ), 0);
	assert_int_equal(domain_mapping(fs, 0x1001, 0x12346, 1, DMA_PTE_READ | DMA_PTE_WRITE), 0);
	assert_int_equal(domain_mapping(fs, 0x2000, 0x20000, PAGES_2M, DMA_PTE_WRITE), 0);
	assert_int_equal(entry_at(fs, 0x1000, 1)->val, 0x12345025);
	assert_int_equal(entry_at(fs, 0x1001, 1)->val, 0x12346067);
	assert_int_equal(entry_at(fs, 0x2000, 2)->val, 0x200000e7);
	for (int level = 2; level <= 4; level++)
		assert_int_equal(entry_at(fs, 0x1000, level)->val & 0xfff, 0x027);
	exit_domain(fs);
}

static void bad_arguments_body(void *arg)
{
	struct dmar_domain *domain = new_domain(3, false, 0);
	uint64_t max = domain_max_pfn(39);
	int level = 1;

	(void)arg;
	assert_int_equal(domain_mapping(domain, 0, 1, 1, DMA_PTE_SNP), -EINVAL);
	assert_int_equal(map(domain, max + 1, 1, 1), -EINVAL);
	assert_int_equal(map(domain, max, 1, 2), -EINVAL);
	assert_null(pfn_to_dma_pte(domain, max + 1, &level, COST_MAP_WALK_LEVEL));
	assert_int_equal(domain_iova_to_phys(domain, (max + 1) << 12), 0);
	assert_int_equal(env.live, 1);
	assert_int_equal(map(domain, max, 1, 1), 0);
	unmap(domain, max, max);
	assert_non_null(domain->pgd);
	exit_domain(domain);
}

static void already_set_body(void *arg)
{
	struct dmar_domain *domain = new_domain(4, false, 2);

	(void)arg;
	assert_int_equal(map(domain, 0x1005, 0x100, 1), 0);
	assert_int_equal(map(domain, 0x1003, 0x200, 4), -EEXIST);
	assert_int_equal(domain_iova_to_phys(domain, 0x1005000), 0x100000);
	/* What was mapped before the error stays, and what comes after it was not touched. */
	assert_int_equal(domain_iova_to_phys(domain, 0x1004000), 0x201000);
	assert_int_equal(domain_iova_to_phys(domain, 0x1006000), 0);

	/* A page, or 2 MiB, in the middle of larger pages. */
	assert_int_equal(map(domain, 4 * PAGES_2M, 8 * PAGES_2M, PAGES_2M), 0);
	assert_int_equal(map(domain, 4 * PAGES_2M + 7, 0x300, 1), -EEXIST);
	assert_int_equal(map(domain, PAGES_1G, 4 * PAGES_1G, PAGES_1G), 0);
	assert_int_equal(map(domain, PAGES_1G + PAGES_2M, 0x400000, PAGES_2M), -EEXIST);
	assert_int_equal(domain_iova_to_phys(domain, (4 * PAGES_2M + 7) << 12), (8 * PAGES_2M + 7) << 12);
	assert_int_equal(domain_iova_to_phys(domain, (PAGES_1G + PAGES_2M) << 12), (4 * PAGES_1G + PAGES_2M) << 12);
	exit_domain(domain);
}

/* Fail each allocation in turn of a mapping that needs several tables. */
static void no_memory_body(void *arg)
{
	int fail_at;

	(void)arg;
	for (fail_at = 2;; fail_at++) {
		struct dmar_domain *domain = new_domain(5, fail_at & 1, 1);
		uint64_t first = PAGES_1G - 700;
		int ret;

		env.fail_at = fail_at;
		ret = map(domain, first, 0x100000, 1400);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			assert_int_equal(count_tables(domain->pgd, 5), env.live);
			assert_int_equal(env.live, fail_at - 1);
			unmap(domain, first, first + 1399);
			assert_int_equal(domain_iova_to_phys(domain, first << 12), 0);
		}
		exit_domain(domain);
		if (!ret)
			break;
	}
	/* pgd; 4 tables down to the first page; one more at 512 pages; then level 2 and two of level 1 beyond 1 GiB
	 */
	assert_int_equal(fail_at, 2 + 4 + 1 + 1 + 2);
}

static void freelist_body(void *arg)
{
	struct dmar_domain *domain = new_domain(4, false, 0);
	struct page_list freelist = { 0 };
	uint64_t pd_entry, pd_pa;
	struct vtd_translation t;
	int frees;

	(void)arg;
	assert_int_equal(map(domain, 0, 0x100000, PAGES_1G), 0);
	assert_int_equal(env.live, 1 + 1 + 1 + 512);
	pd_entry = entry_at(domain, 0, 3)->val;
	pd_pa = pd_entry & ~0xfffULL;
	frees = env.frees;

	domain_unmap(domain, 0, PAGES_1G - 1, &freelist);
	assert_int_equal(freelist.count, 1 + 512);
	assert_int_equal(env.frees, frees);
	assert_int_equal(entry_at(domain, 0, 3)->val, 0);
	assert_int_equal(walk(domain, 0, false, &t), WALK_NOT_PRESENT);
	/* A walker that had read the old entry still finds every page. */
	for (uint64_t pfn = 0; pfn < PAGES_1G; pfn += 97) {
		assert_int_equal(
			vtd_walk(pd_pa, 2, false, TEST_CAP, TEST_ECAP, pfn << 12, true, read_memory, NULL, &t),
			WALK_OK);
		assert_int_equal(t.page_addr, (0x100000 + pfn) << 12);
	}
	page_list_free(&freelist);
	assert_int_equal(env.live, 2);

	/* Less than a table's range leaves the table. */
	assert_int_equal(map(domain, 0, 0x100000, PAGES_2M), 0);
	domain_unmap(domain, 0, PAGES_2M - 2, &freelist);
	assert_true(page_list_empty(&freelist));
	assert_int_equal(env.live, 4);
	domain_unmap(domain, PAGES_2M - 1, PAGES_2M - 1, &freelist);
	assert_true(page_list_empty(&freelist));
	exit_domain(domain);
}

/* A 2 MiB page goes where a table of small ones, empty or not, has been; and 1 GiB where 2 MiB pages have been. */
static void super_page_body(void *arg)
{
	struct dmar_domain *domain = new_domain(4, false, 2);
	struct vtd_translation t;

	(void)arg;
	assert_int_equal(map(domain, PAGES_2M + 5, 0x105, 1), 0);
	unmap(domain, PAGES_2M + 5, PAGES_2M + 5);
	assert_int_equal(env.live, 4);
	assert_int_equal(map(domain, PAGES_2M, 4 * PAGES_2M, 2 * PAGES_2M), 0);
	assert_int_equal(env.live, 3);
	assert_int_equal(env.flushes, 1);
	assert_int_equal(env.flush_start, 0x200000);
	assert_int_equal(env.flush_end, 0x5ff000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(walk(domain, 0x200000 + i * 0x200000 + 0x1234, true, &t), WALK_OK);
		assert_int_equal(t.level, 2);
		assert_int_equal(t.reads, 3);
		assert_int_equal(t.page_addr, 0x800000 + i * 0x200000);
	}

	assert_int_equal(map(domain, 3 * PAGES_2M + 9, 0x300, 3), 0);
	assert_int_equal(env.live, 4);
	assert_int_equal(map(domain, 0, PAGES_1G, PAGES_1G), 0);
	assert_int_equal(env.flushes, 2);
	assert_int_equal(env.flush_start, 0);
	assert_int_equal(env.flush_end, 0x3ffff000);
	assert_int_equal(env.live, 2);
	assert_int_equal(walk(domain, 0x3fffffff, true, &t), WALK_OK);
	assert_int_equal(t.level, 3);
	assert_int_equal(vtd_translation_addr(&t, 0x3fffffff), 0x7fffffff);
	exit_domain(domain);
}

/* Two CPUs build the same table: the loser's page is freed, and both mappings are there. */
static void race_body(void *arg)
{
	struct dmar_domain *domain = new_domain(4, true, 0);

	(void)arg;
	env.race_domain = domain;
	env.race_pfn = 0x42;
	assert_int_equal(map(domain, 0x43, 0x888, 1), 0);
	assert_int_equal(env.frees, 1);
	assert_int_equal(env.live, 4);
	assert_int_equal(domain_iova_to_phys(domain, 0x42000), 0x777000);
	assert_int_equal(domain_iova_to_phys(domain, 0x43000), 0x888000);
	exit_domain(domain);
}

/* One entry changed, on the way to a mapped page. */
static enum walk_result walk_with(struct dmar_domain *domain, uint64_t pfn, int level, uint64_t flip)
{
	struct dma_pte *pte = entry_at(domain, pfn, level);
	uint64_t val = pte->val;
	struct vtd_translation t, unchanged;
	enum walk_result result;

	assert_int_equal(walk(domain, pfn << 12, true, &unchanged), WALK_OK);
	WRITE_ONCE(pte->val, val ^ flip);
	result = walk(domain, pfn << 12, true, &t);
	if (result == WALK_OK)
		assert_int_equal(t.page_addr, unchanged.page_addr);
	else
		assert_true(t.level == level && t.entry == (val ^ flip));
	WRITE_ONCE(pte->val, val);
	return result;
}

/* Bits of present entries that hardware must reject, and those that it must ignore (VT-d 9.7, 9.8). */
static const struct {
	bool first_stage;
	uint64_t pfn;
	int level;
	uint64_t reserved;
	uint64_t ignored;
} entry_cases[] = {
	{ false, 0x1000, 5, 0x4000000000000880ULL, 0xbff000000000077cULL },
	{ false, 0x1000, 4, 0x4000000000000880ULL, 0xbff000000000077cULL },
	{ false, 0x1000, 3, 0x4000000000000800ULL, 0xbff000000000077cULL },
	{ false, 0x1000, 2, 0x4000000000000800ULL, 0xbff000000000077cULL },
	{ false, 0x1000, 1, 0x4000000000000000ULL, 0xbff0000000000ffcULL },
	{ false, 0x2000, 2, 0x40000000001ff000ULL, 0xbff0000000000f7cULL },
	{ false, PAGES_1G, 3, 0x400000003ffff000ULL, 0xbff0000000000f7cULL },
	{ true, 0x1000, 5, 0x0000000000000080ULL, 0xfff0000000000f78ULL },
	{ true, 0x1000, 4, 0x0000000000000080ULL, 0xfff0000000000f78ULL },
	{ true, 0x1000, 3, 0, 0xfff0000000000f78ULL },
	{ true, 0x1000, 2, 0, 0xfff0000000000f78ULL },
	{ true, 0x1000, 1, 0, 0xfff0000000000ff8ULL },
	{ true, 0x2000, 2, 0x00000000001fe000ULL, 0xfff0000000001f78ULL },
	{ true, PAGES_1G, 3, 0x000000003fffe000ULL, 0xfff0000000001f78ULL },
};

static void check_entry_case(struct dmar_domain *domain, size_t i)
{
	for (int bit = 0; bit < 64; bit++) {
		uint64_t flip = 1ULL << bit;
		enum walk_result result;

		if (!((entry_cases[i].reserved | entry_cases[i].ignored) & flip))
			continue;
		result = walk_with(domain, entry_cases[i].pfn, entry_cases[i].level, flip);
		if (result != (entry_cases[i].reserved & flip ? WALK_RESERVED : WALK_OK))
			fail_msg("case %zu, bit %d: result %d", i, bit, result);
	}
}

static void reserved_bits_body(void *arg)
{
	(void)arg;
	for (int first_stage = 0; first_stage <= 1; first_stage++) {
		struct dmar_domain *domain = new_domain(5, first_stage, 2);

		assert_int_equal(map(domain, 0x1000, 0x12345, 1), 0);
		assert_int_equal(map(domain, 0x2000, 0x20000, PAGES_2M), 0);
		assert_int_equal(map(domain, PAGES_1G, 4 * PAGES_1G, PAGES_1G), 0);
		for (size_t i = 0; i < ARRAY_SIZE(entry_cases); i++)
			if (entry_cases[i].first_stage == first_stage)
				check_entry_case(domain, i);
		/* In an entry that grants nothing, reserved bits do not count; nor does a missing permission yet.
		 */
		assert_int_equal(walk_with(domain, 0x1000, 4, 3 | 0x80), WALK_NOT_PRESENT);
		assert_int_equal(walk_with(domain, 0x1000, 4, 2 | 0x80), WALK_RESERVED);
		exit_domain(domain);
	}
}

static enum walk_result walk_caps(struct dmar_domain *domain, uint64_t iova, uint64_t cap, uint64_t ecap)
{
	struct vtd_translation t;

	return vtd_walk(virt_to_phys(domain->pgd), 4, domain->flags & DOMAIN_USE_FIRST_LEVEL, cap, ecap, iova,
			false, read_memory, NULL, &t);
}

static void capabilities_body(void *arg)
{
	const uint64_t sslps = 3ULL << 34, sslps_1g = 2ULL << 34, fs1gp = 1ULL << 56, mgaw = 0x3fULL << 16;
	struct dmar_domain *ss = new_domain(4, false, 2), *fs;

	(void)arg;
	assert_int_equal(map(ss, PAGES_2M, 4 * PAGES_2M, PAGES_2M), 0);
	assert_int_equal(map(ss, PAGES_1G, 4 * PAGES_1G, PAGES_1G), 0);
	assert_int_equal(domain_mapping(ss, 7, 8, 1, DMA_PTE_READ | DMA_PTE_SNP), 0);
	assert_int_equal(walk_caps(ss, 0x200000, TEST_CAP, TEST_ECAP), WALK_OK);
	assert_int_equal(walk_caps(ss, 0x200000, TEST_CAP & ~sslps, TEST_ECAP), WALK_RESERVED);
	assert_int_equal(walk_caps(ss, 0x200000, TEST_CAP & ~sslps_1g & ~fs1gp, TEST_ECAP), WALK_OK);
	assert_int_equal(walk_caps(ss, 0x40000000, TEST_CAP & ~fs1gp, TEST_ECAP), WALK_OK);
	assert_int_equal(walk_caps(ss, 0x40000000, TEST_CAP & ~sslps_1g, TEST_ECAP), WALK_RESERVED);
	assert_int_equal(walk_caps(ss, 0x7000, TEST_CAP, TEST_ECAP), WALK_OK);
	assert_int_equal(walk_caps(ss, 0x7000, TEST_CAP, 0), WALK_RESERVED);
	/* The address is limited by the tables, and by MGAW where that is less. */
	assert_int_equal(walk_caps(ss, 0xffffffffffffULL, TEST_CAP, TEST_ECAP), WALK_NOT_PRESENT);
	assert_int_equal(walk_caps(ss, 0x1000000000000ULL, TEST_CAP, TEST_ECAP), WALK_BEYOND_WIDTH);
	assert_int_equal(walk_caps(ss, 0x7fffffffffULL, (TEST_CAP & ~mgaw) | 38ULL << 16, TEST_ECAP),
			 WALK_NOT_PRESENT);
	assert_int_equal(walk_caps(ss, 0x8000000000ULL, (TEST_CAP & ~mgaw) | 38ULL << 16, TEST_ECAP),
			 WALK_BEYOND_WIDTH);
	exit_domain(ss);

	fs = new_domain(4, true, 2);
	assert_int_equal(map(fs, PAGES_2M, 4 * PAGES_2M, PAGES_2M), 0);
	assert_int_equal(map(fs, PAGES_1G, 4 * PAGES_1G, PAGES_1G), 0);
	assert_int_equal(walk_caps(fs, 0x200000, TEST_CAP & ~sslps & ~fs1gp, 0), WALK_OK);
	assert_int_equal(walk_caps(fs, 0x40000000, TEST_CAP & ~sslps, 0), WALK_OK);
	assert_int_equal(walk_caps(fs, 0x40000000, TEST_CAP & ~fs1gp, 0), WALK_RESERVED);
	assert_int_equal(walk_caps(fs, 0x7fffffffffffULL, TEST_CAP, 0), WALK_NOT_PRESENT);
	assert_int_equal(walk_caps(fs, 0x800000000000ULL, TEST_CAP, 0), WALK_NOT_CANONICAL);
	assert_int_equal(walk_caps(fs, 0x1000000000000ULL, TEST_CAP, 0), WALK_NOT_CANONICAL);
	assert_int_equal(walk_caps(fs, 0xffff7fffffffffffULL, TEST_CAP, 0), WALK_NOT_CANONICAL);
	assert_int_equal(walk_caps(fs, 0xffff800000000000ULL, TEST_CAP, 0), WALK_NOT_PRESENT);
	exit_domain(fs);
}

/* Every level has its say in what is allowed. */
static void permissions_body(void *arg)
{
	struct dmar_domain *ss = new_domain(5, false, 0), *fs;
	struct vtd_translation t;

	(void)arg;
	assert_int_equal(domain_mapping(ss, 0x1000, 0x12345, 1, DMA_PTE_READ | DMA_PTE_WRITE | DMA_PTE_SNP), 0);
	assert_int_equal(map(ss, 0x1001, 0xfee00, 1), 0);
	assert_int_equal(walk(ss, 0x1000000, true, &t), WALK_OK);
	assert_true(t.read && t.write && t.snoop && t.reads == 5);
	for (int level = 1; level <= 5; level++) {
		struct dma_pte *pte = entry_at(ss, 0x1000, level);
		uint64_t val = pte->val;

		WRITE_ONCE(pte->val, val & ~2ULL);
		assert_int_equal(walk(ss, 0x1000000, true, &t), WALK_NO_WRITE);
		assert_int_equal(t.reads, 5);
		assert_int_equal(walk(ss, 0x1000000, false, &t), WALK_OK);
		assert_true(t.read && !t.write);
		WRITE_ONCE(pte->val, val & ~1ULL);
		assert_int_equal(walk(ss, 0x1000000, true, &t), WALK_OK);
		assert_int_equal(walk(ss, 0x1000000, false, &t), WALK_NO_READ);
		WRITE_ONCE(pte->val, val & ~3ULL);
		assert_int_equal(walk(ss, 0x1000000, false, &t), WALK_NOT_PRESENT);
		assert_int_equal(t.reads, 6 - level);
		WRITE_ONCE(pte->val, val);
	}
	/* One level forbids the read and another the write. */
	entry_at(ss, 0x1000, 3)->val &= ~1ULL;
	entry_at(ss, 0x1000, 1)->val &= ~2ULL;
	assert_int_equal(walk(ss, 0x1000000, false, &t), WALK_NOT_PRESENT);
	entry_at(ss, 0x1000, 3)->val |= 1ULL;
	assert_int_equal(walk(ss, 0x1001000, false, &t), WALK_INTERRUPT_ADDR);
	exit_domain(ss);

	fs = new_domain(5, true, 0);
	assert_int_equal(map(fs, 0x1000, 0x12345, 1), 0);
	for (int level = 1; level <= 5; level++) {
		assert_int_equal(walk_with(fs, 0x1000, level, 4), WALK_NO_USER);
		assert_int_equal(walk_with(fs, 0x1000, level, 1), WALK_NOT_PRESENT);
		entry_at(fs, 0x1000, level)->val ^= 2;
		assert_int_equal(walk(fs, 0x1000000, true, &t), WALK_NO_WRITE);
		assert_int_equal(walk(fs, 0x1000000, false, &t), WALK_OK);
		entry_at(fs, 0x1000, level)->val ^= 2;
	}
	entry_at(fs, 0x1000, 1)->val |= DMA_PTE_SNP;
	assert_int_equal(walk(fs, 0x1000000, true, &t), WALK_OK);
	assert_false(t.snoop);
	exit_domain(fs);
}

static void test_fault_reasons(void **state)
{
	/* legacy read, legacy write, scalable second stage, first stage; -1 cannot be */
	static const int reason[][4] = {
		[WALK_OK] = { 0, 0, 0, 0 },
		[WALK_NOT_CANONICAL] = { -1, -1, -1, 0x80 },
		[WALK_BEYOND_WIDTH] = { 0x4, 0x4, 0x84, -1 },
		[WALK_NOT_PRESENT] = { 0x6, 0x5, 0x79, 0x71 },
		[WALK_RESERVED] = { 0xc, 0xc, 0x7a, 0x72 },
		[WALK_NO_USER] = { -1, -1, -1, 0x81 },
		[WALK_NO_READ] = { 0x6, -1, 0x86, -1 },
		[WALK_NO_WRITE] = { -1, 0x5, 0x85, 0x85 },
		[WALK_INTERRUPT_ADDR] = { 0xe, 0xe, 0x87, 0x87 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(reason); i++) {
		for (int column = 0; column < 4; column++) {
			bool write = column == 1;

			if (reason[i][column] >= 0)
				assert_int_equal(vtd_walk_fault(i, column == 3, column >= 2, write),
						 reason[i][column]);
		}
	}
}

#define ON_CPU(name)                              \
	static void test_##name(void **state)     \
	{                                         \
		(void)state;                      \
		run_on_cpu(0, name##_body, NULL); \
	}
ON_CPU(reference)
ON_CPU(entry_bits)
ON_CPU(bad_arguments)
ON_CPU(already_set)
ON_CPU(no_memory)
ON_CPU(freelist)
ON_CPU(super_page)
ON_CPU(race)
ON_CPU(reserved_bits)
ON_CPU(capabilities)
ON_CPU(permissions)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_entry_bits, sim_test_setup, sim_test_teardown),
		cmocka_unit_test_setup_teardown(test_bad_arguments, sim_test_setup, sim_test_teardown),
		cmocka_unit_test_setup_teardown(test_already_set, sim_test_setup, sim_test_teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, sim_test_setup, sim_test_teardown),
		cmocka_unit_test_setup_teardown(test_freelist, sim_test_setup, sim_test_teardown),
		cmocka_unit_test_setup_teardown(test_super_page, sim_test_setup, sim_test_teardown),
		cmocka_unit_test_setup_teardown(test_race, sim_test_setup, sim_test_teardown),
		cmocka_unit_test_setup_teardown(test_reserved_bits, sim_test_setup, sim_test_teardown),
		cmocka_unit_test_setup_teardown(test_capabilities, sim_test_setup, sim_test_teardown),
		cmocka_unit_test_setup_teardown(test_permissions, sim_test_setup, sim_test_teardown),
		cmocka_unit_test(test_fault_reasons),
		cmocka_unit_test_setup_teardown(test_reference, sim_test_setup, sim_test_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
