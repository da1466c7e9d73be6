/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * equivalence_dump.c - the state of a world, in a form that does not depend on where in memory it is
 */
#include "tests/sim/equivalence.h"

#include <inttypes.h>
#include <stdio.h>

#include "sim/invs.h"
#include "sim/iommu.h"
#include "sim/page_table.h"

/* Magazines and rings are nobody else's business: this is the program's only copy of the two files. */
#include "sim/flush_queue.c"
#include "sim/iova.c"

/* Buffers have invented physical addresses from here on; below are the tables and the driver's memory. */
#define INVENTED_PHYS (1ULL << 40)

static uint32_t device_index(const struct eq_world *w, const struct device *dev)
{
	uint32_t i = 0;

	while (i < EQ_DEVICES && w->devices[i] != dev)
		i++;
	return i;
}

static uint32_t domain_index(const struct eq_world *w, const struct dmar_domain *domain)
{
	uint32_t i = 0;

	while (i < EQ_DOMAINS && w->domains[i].domain != domain)
		i++;
	return i;
}

/* ---- page tables ---- */

/* An entry of whatever table without the address in it. */
static uint64_t attributes(uint64_t val)
{
	return val & ~(uint64_t)VTD_PTE_ADDR_MASK;
}

static void dump_leaf(const struct eq_world *w, int level, uint64_t iova, uint64_t val)
{
	uint64_t addr = dma_pte_addr(val);
	uint32_t i;

	printf("  page L%d %#" PRIx64 " attr %#" PRIx64 " -> ", level, iova, attributes(val));
	for (i = 0; addr < INVENTED_PHYS && i < EQ_BUFFERS; i++) {
		uint64_t start = virt_to_phys(w->buffers[i].p);

		if (addr < start || addr >= start + w->buffers[i].size)
			continue;
		printf("buffer %u + %#" PRIx64 "\n", i, addr - start);
		return;
	}
	assert(addr >= INVENTED_PHYS);
	printf("%#" PRIx64 "\n", addr);
}

static void dump_table(const struct eq_world *w, const struct dma_pte *table, int level, uint64_t iova)
{
	uint64_t step = level_size(level) << PAGE_SHIFT;
	uint32_t i;

	for (i = 0; i < 512; i++, iova += step) {
		uint64_t val = table[i].val;

		if (!val)
			continue;
		if (level == 1 || dma_pte_superpage(val)) {
			dump_leaf(w, level, iova, val);
			continue;
		}
		printf("  table L%d %#" PRIx64 " attr %#" PRIx64 "\n", level, iova, attributes(val));
		assert(dma_pte_present(val));
		dump_table(w, phys_to_virt(dma_pte_addr(val)), level - 1, iova);
	}
}

/* Which table is at @addr: a domain's, or one further down its first entries, for a unit with fewer levels. */
static void print_top_table(const struct eq_world *w, uint64_t addr)
{
	uint32_t i;
	int level;

	for (i = 0; i < EQ_DOMAINS; i++) {
		const struct dmar_domain *domain = w->domains[i].domain;
		const struct dma_pte *table = domain ? domain->pgd : NULL;

		for (level = domain ? agaw_to_level(domain->agaw) : 0; table && level > 0; level--) {
			if (virt_to_phys(table) == addr) {
				printf(" domain %u L%d", i, level);
				return;
			}
			if (!dma_pte_present(table->val) || dma_pte_superpage(table->val))
				break;
			table = phys_to_virt(dma_pte_addr(table->val));
		}
	}
	printf(addr ? " a table of no domain" : " no table");
}

/* ---- units ---- */

static void dump_legacy_contexts(const struct eq_world *w, uint64_t half, uint32_t bus)
{
	const struct context_entry *context = phys_to_virt(half & ROOT_ENTRY_CTP_MASK);
	uint32_t i;

	for (i = 0; i < 256; i++) {
		if (!context[i].lo && !context[i].hi)
			continue;
		printf("  context %02x:%02x lo %#" PRIx64 " hi %#" PRIx64, bus, i, attributes(context[i].lo),
		       context[i].hi);
		print_top_table(w, context[i].lo & VTD_PTE_ADDR_MASK);
		printf("\n");
	}
}

/* PASID 0 is all that is used; the entry has the table in its first quadword, or for the first stage in its third.
 */
static void dump_pasid_entry(const struct eq_world *w, const uint64_t *dir)
{
	const uint64_t *val = phys_to_virt(dir[0] & VTD_PTE_ADDR_MASK);
	uint64_t pgd = (val[0] | val[2]) & VTD_PTE_ADDR_MASK;
	uint32_t i;

	for (i = 0; i < 8; i++)
		printf(" %#" PRIx64, i == 0 || i == 2 ? attributes(val[i]) : val[i]);
	print_top_table(w, pgd);
}

static void dump_scalable_contexts(const struct eq_world *w, uint64_t half, uint32_t bus, uint32_t first)
{
	const uint64_t(*context)[SM_CONTEXT_ENTRY_SIZE / sizeof(uint64_t)] =
		phys_to_virt(half & ROOT_ENTRY_CTP_MASK);
	uint32_t i;

	for (i = 0; i < 128; i++) {
		if (!context[i][0])
			continue;
		printf("  context %02x:%02x lo %#" PRIx64 " hi %#" PRIx64 " pasid 0", bus, first + i,
		       attributes(context[i][0]), context[i][1]);
		dump_pasid_entry(w, phys_to_virt(context[i][0] & VTD_PTE_ADDR_MASK));
		printf("\n");
	}
}

static void dump_unit(const struct eq_world *w, uint32_t i)
{
	const struct vtd_recorder *r = &w->recorder[i];
	const struct intel_iommu *iommu = w->iommu[i];
	uint32_t k;

	printf("unit %u: %" PRIu64 " descriptors, %" PRIu64 " waits, %" PRIu64 " write-buffer flushes, %" PRIu64
	       " writes, sum %016" PRIx64 "\n",
	       i, r->descriptors, r->waits, r->write_buffer_flushes, r->writes, r->sum);
	printf("  queue head %d tail %d free %d\n", iommu->qi->free_head, iommu->qi->free_tail,
	       iommu->qi->free_cnt);
	printf("  domain ids");
	for (k = 0; k < (cap_ndoms(iommu->cap) + 63) / 64; k++)
		printf(" %#" PRIx64, iommu->domain_ids[k]);
	printf("\n");
	for (k = 0; k < ROOT_ENTRY_NR; k++) {
		const struct root_entry *root = &iommu->root_entry[k];

		if (root->lo & ROOT_ENTRY_P && w->scalable)
			dump_scalable_contexts(w, root->lo, k, 0);
		else if (root->lo & ROOT_ENTRY_P)
			dump_legacy_contexts(w, root->lo, k);
		if (root->hi & ROOT_ENTRY_P)
			dump_scalable_contexts(w, root->hi, k, 128);
	}
}

/* ---- addresses ---- */

static void dump_iova_tree(const struct iova_domain *iovad, const struct iova *iova, uint32_t depth)
{
	if (!iova)
		return;
	dump_iova_tree(iovad, iova->node.rbe_left, depth + 1);
	if (iova == &iovad->anchor)
		printf("  range anchor");
	else
		printf("  range %#lx pages %u", iova->pfn_lo, iova->pages);
	printf(" depth %u colour %d\n", depth, iova->node.rbe_color);
	dump_iova_tree(iovad, iova->node.rbe_right, depth + 1);
}

static void dump_magazine(const char *name, const struct iova_magazine *mag, unsigned long size)
{
	unsigned long i;

	printf("   %s", name);
	for (i = 0; mag && i < size; i++)
		printf(" %#lx", mag->pfns[i]);
	printf(mag ? "\n" : " none\n");
}

static void dump_rcache(const struct iova_rcache *rcache, uint32_t order)
{
	const struct iova_magazine *mag;
	uint32_t cpu;

	printf("  cache %u depot %u work %" PRIu64 "\n", order, rcache->depot_size, rcache->work.pending);
	for (mag = rcache->depot; mag; mag = mag->next)
		dump_magazine("depot", mag, IOVA_MAG_SIZE);
	for (cpu = 0; cpu < EQ_CPUS; cpu++) {
		const struct iova_cpu_rcache *c = per_cpu_ptr(rcache->cpu_rcaches, cpu);

		if (!c)
			continue;
		printf("   cpu %u\n", cpu);
		dump_magazine(" loaded", c->loaded, c->loaded->size);
		dump_magazine(" prev", c->prev, c->prev->size);
	}
}

static void dump_iova_domain(const struct iova_domain *iovad)
{
	uint32_t i;

	printf("  iova cached %#lx cached32 %#lx max32 %#lx\n", iovad->cached_node->pfn_lo,
	       iovad->cached32_node->pfn_lo, iovad->max32_alloc_size);
	dump_iova_tree(iovad, iovad->rbroot.rbh_root, 0);
	for (i = 0; i < IOVA_RANGE_CACHE_MAX_SIZE; i++)
		dump_rcache(&iovad->rcaches[i], i);
}

static void dump_flush_queue(const struct iommu_dma_cookie *cookie)
{
	uint32_t cpu, idx;

	if (!cookie->fq_domain)
		return;
	printf("  flushes started %" PRIu64 " finished %" PRIu64 " timer %d\n", cookie->fq_flush_start_cnt,
	       cookie->fq_flush_finish_cnt, cookie->fq_timer_on);
	for (cpu = 0; cpu < EQ_CPUS; cpu++) {
		const struct iova_fq *fq = per_cpu_ptr(cookie->percpu_fq, cpu);

		if (!fq)
			continue;
		printf("   cpu %u head %u tail %u\n", cpu, fq->head, fq->tail);
		for (idx = fq->head; idx != fq->tail; idx = (idx + 1) & fq->mod_mask) {
			const struct iova_fq_entry *e = &fq->entries[idx];

			printf("    %#lx pages %lu counter %" PRIu64 " tables %u\n", e->iova_pfn, e->pages,
			       e->counter, e->freelist.count);
		}
	}
}

/* ---- domains ---- */

static void dump_units_of(const struct dmar_domain *domain)
{
	const struct iommu_array *array = domain->iommu_array.head;
	uint32_t i;

	for (i = 0; array && i < array->count; i++)
		if (array->info[i])
			printf("  unit %d did %u devices %u\n", array->info[i]->iommu->seq_id, array->info[i]->did,
			       array->info[i]->refcnt);
}

static void dump_tag(const struct eq_world *w, const struct cache_tag *tag)
{
	printf("  tag type %d unit %d device %u did %u pasid %u users %u\n", tag->type, tag->iommu->seq_id,
	       tag->dev ? device_index(w, tag->dev) : EQ_DEVICES, tag->domain_id, tag->pasid, tag->users);
}

static void dump_tags(const struct eq_world *w, struct dmar_domain *domain)
{
	const struct domain_cache *cache = domain_cache(domain);
	const struct cds_list_head *node;
	uint32_t i;

	if (domain_uses_invs(domain)) {
		for (i = 0; cache->invs && i < cache->invs->count; i++)
			dump_tag(w, &cache->invs->tags[i]);
		printf("  sync_map %d\n", cache->invs ? cache->invs->sync_map : 0);
		return;
	}
	for (node = cache->cache_tags.next; node != &cache->cache_tags; node = node->next)
		dump_tag(w, container_of(node, struct cache_tag, node));
	if (cache->qi_batch)
		printf("  batch of %u\n", cache->qi_batch->index);
}

static void dump_domain(const struct eq_world *w, uint32_t i)
{
	struct dmar_domain *domain = w->domains[i].domain;
	const struct cds_list_head *node;

	if (!domain)
		return;
	printf("domain %u: flags %#x max_addr %#" PRIx64 " gaw %d agaw %d superpage %d sizes %#" PRIx64
	       " end %#" PRIx64 " mapped %u\n",
	       i, domain->flags, domain->max_addr, domain->gaw, domain->agaw, domain->iommu_superpage,
	       domain->domain.pgsize_bitmap, domain->domain.geometry.aperture_end, w->domains[i].live_count);
	for (node = domain->devices.next; node != &domain->devices; node = node->next)
		printf("  device %u\n", device_index(w, container_of(node, struct device_domain_info, link)->dev));
	dump_units_of(domain);
	dump_tags(w, domain);
	dump_table(w, domain->pgd, agaw_to_level(domain->agaw), 0);
	dump_iova_domain(&domain->domain.iova_cookie->iovad);
	dump_flush_queue(domain->domain.iova_cookie);
}

static void dump_device(const struct eq_world *w, uint32_t i)
{
	const struct device *dev = w->devices[i];

	printf("device %u: attached %d domain %u default %u ats %d workaround %d\n", i, dev->info.domain_attached,
	       domain_index(w, dev->info.domain), domain_index(w, dev->group->default_domain),
	       dev->info.ats_enabled, dev->pci_32bit_workaround);
}

static void dump_timer(const struct eq_world *w, const struct sim_timer *timer)
{
	uint32_t i, order;

	for (i = 0; i < EQ_DOMAINS; i++) {
		const struct iommu_dma_cookie *cookie =
			w->domains[i].domain ? w->domains[i].domain->domain.iova_cookie : NULL;

		if (!cookie)
			continue;
		if (timer == &cookie->fq_timer)
			printf("timer: flush queue of domain %u\n", i);
		for (order = 0; order < IOVA_RANGE_CACHE_MAX_SIZE; order++)
			if (timer == &cookie->iovad.rcaches[order].work.timer)
				printf("timer: depot %u of domain %u\n", order, i);
	}
}

void eq_dump(const struct eq_world *w)
{
	uint32_t i;

	printf("operations %" PRIu64 ", the last one %s, results %016" PRIx64 "\n", w->operations, w->last,
	       w->results);
	for (i = 0; i < EQ_UNITS; i++)
		dump_unit(w, i);
	for (i = 0; i < EQ_DEVICES; i++)
		dump_device(w, i);
	for (i = 0; i < EQ_DOMAINS; i++)
		dump_domain(w, i);
	for (i = 0; i < w->timer_count; i++)
		dump_timer(w, w->timers[i]);
	for (i = 0; i < FN_COUNT; i++)
		printf("calls %u: %" PRIu64 "\n", i, machine_calls(w->machine, i));
}
