/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/vtd_hw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exec/machine_oracle.h"
#include "sim/vtd_internal.h"

#define IOTLB_WAYS 4
#define PAGE_ORDER_1G 18

/* ---- under the explorer ---- */

static unsigned int context_part(const struct vtd_requester *r)
{
	return UNIT_CONTEXT + r->rid % 256;
}

static unsigned int iotlb_part(uint64_t iova)
{
	return UNIT_IOTLB + (unsigned int)(iova >> (PAGE_SHIFT + PAGE_ORDER_2M)) % 256;
}

/* Others may go first. */
static void touch_unit(const struct vtd_hw *hw, unsigned int part, enum explore_access_kind kind)
{
	if (hw->sim->explore)
		explore_touch(hw->sim->explore, unit_place(hw, part), kind);
}

/*
 * The write buffer. Walks depend on flushes, and on when the words that they read leave. A flush and a store's own
 * way out do not depend on each other: in either order it has left.
 */
static void note_buffered(const struct vtd_hw *hw, const uint64_t *p, enum explore_access_kind kind)
{
	struct explore *x = hw->sim->explore;

	/* A word has eight addresses, and there are four units at most. */
	if (x)
		explore_note(x, explore_location(x, (uintptr_t)p + hw->agent % 4U), kind);
}

void vtd_store_buffered(struct vtd_hw *hw, const uint64_t *p, uint32_t way)
{
	if (!cap_rwbf(hw->cap))
		return;
	assert(hw->buffered_count < VTD_WRITE_BUFFER_SIZE);
	hw->buffered[hw->buffered_count++] = (struct buffered_store){ p, *p, ++hw->buffered_number, false };
	/* Stores are in nobody's way but a flush's. */
	note_unit(hw, UNIT_BUFFER, ACCESS_LOAD);
	engine_post(&hw->sim->engine, 0, &hw->drain[way], (uint64_t)hw->buffered_number * VTD_DRAINS + way);
}

static void drain(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct vtd_hw *hw = container_of(actor - arg % VTD_DRAINS, struct vtd_hw, drain[0]);
	uint32_t i = 0;

	(void)time_ps;
	while (hw->buffered[i].number != arg / VTD_DRAINS)
		i++;
	/* Even where a flush was quicker: who has walked before that could have come later. */
	note_buffered(hw, hw->buffered[i].p, ACCESS_STORE);
	if (!hw->buffered[i].flushed)
		explore_say(hw->sim->explore, "write buffer: a store drains");
	hw->buffered_count--;
	memmove(hw->buffered + i, hw->buffered + i + 1, (hw->buffered_count - i) * sizeof(hw->buffered[0]));
}

void vtd_flush_write_buffer(struct vtd_hw *hw)
{
	uint32_t i;

	note_unit(hw, UNIT_BUFFER, ACCESS_STORE);
	for (i = 0; i < hw->buffered_count; i++)
		hw->buffered[i].flushed = true;
}

/* One memory read by the unit: snoops the CPUs' caches. */
struct walk_read {
	struct vtd_hw *hw;
	uint64_t time_ps;
	bool cached; /* the entry comes from the paging-structure cache, unless it is the last one */
	uint64_t last_pa;
	uint64_t (*read64)(void *ctx, uint64_t pa); /* walk_read64(), or without a trace */
};

/* What was there before the oldest store that is still in the buffer. */
static uint64_t behind_write_buffer(const struct vtd_hw *hw, const uint64_t *p)
{
	uint32_t i;

	for (i = 0; i < hw->buffered_count; i++)
		if (hw->buffered[i].p == p && !hw->buffered[i].flushed)
			return hw->buffered[i].old;
	return *p;
}

static uint64_t walk_read64(void *ctx, uint64_t pa)
{
	struct walk_read *w = ctx;
	const uint64_t *p = mem64(w->hw, pa);

	w->last_pa = pa;
	if (!w->cached)
		coh_agent_read(w->hw->sim, w->hw->agent, p, sizeof(*p), w->time_ps);
	if (cap_rwbf(w->hw->cap)) {
		note_unit(w->hw, UNIT_BUFFER, ACCESS_LOAD);
		note_buffered(w->hw, p, ACCESS_LOAD);
	}
	return w->hw->buffered_count ? behind_write_buffer(w->hw, p) : *p;
}

/* Entries live in sets by page frame; large pages by their first one. */
static struct iotlb_entry *iotlb_set(const struct vtd_hw *hw, uint64_t pfn)
{
	return &hw->iotlb[(pfn ^ pfn >> 9) % hw->iotlb_sets * IOTLB_WAYS];
}

static const uint8_t page_orders[] = { 0, PAGE_ORDER_2M, PAGE_ORDER_1G };

/* The entry for @pfn among the pages of one size. */
static struct iotlb_entry *iotlb_find_order(const struct vtd_hw *hw, uint16_t did, uint64_t pfn, uint8_t order)
{
	uint64_t first = pfn & ~((1ULL << order) - 1);
	struct iotlb_entry *set = iotlb_set(hw, first);
	unsigned int way;

	for (way = 0; way < IOTLB_WAYS; way++)
		if (set[way].valid && set[way].iova_pfn == first && set[way].did == did && set[way].order == order)
			return &set[way];
	return NULL;
}

static struct iotlb_entry *iotlb_find(const struct vtd_hw *hw, uint16_t did, uint64_t pfn)
{
	struct iotlb_entry *e = NULL;
	unsigned int i;

	for (i = 0; !e && i < ARRAY_SIZE(page_orders); i++)
		e = iotlb_find_order(hw, did, pfn, page_orders[i]);
	return e;
}

/* All entries for @pfn: where a large page has replaced a table, both sizes may be cached (VT-d spec 6.5.1). */
static void iotlb_drop_page(struct vtd_hw *hw, uint16_t did, uint64_t pfn)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(page_orders); i++) {
		struct iotlb_entry *e = iotlb_find_order(hw, did, pfn, page_orders[i]);

		if (e)
			e->valid = false;
	}
}

static void iotlb_insert(struct vtd_hw *hw, const struct iotlb_entry *entry)
{
	struct iotlb_entry *set = iotlb_set(hw, entry->iova_pfn);
	unsigned int way;

	for (way = 0; way < IOTLB_WAYS; way++)
		if (!set[way].valid)
			break;
	if (way == IOTLB_WAYS)
		way = hw->iotlb_next_way++ % IOTLB_WAYS;
	set[way] = *entry;
}

bool vtd_iotlb_in_range(const struct iotlb_entry *e, uint64_t pfn, unsigned int order)
{
	unsigned int wide = order > e->order ? order : e->order;

	return wide >= 52 || e->iova_pfn >> wide == pfn >> wide;
}

void vtd_iotlb_invalidate(struct vtd_hw *hw, int did, uint64_t pfn, unsigned int order, bool leaves_only,
			  uint64_t time_ps)
{
	uint32_t i, count = hw->iotlb_sets * IOTLB_WAYS;

	if (order == 0 && did >= 0) {
		iotlb_drop_page(hw, (uint16_t)did, pfn);
	} else {
		for (i = 0; i < count; i++) {
			struct iotlb_entry *e = &hw->iotlb[i];

			if (e->valid && (did < 0 || e->did == did) && vtd_iotlb_in_range(e, pfn, order))
				e->valid = false;
		}
	}
	if (unlikely(hw->sim->oracle != NULL))
		machine_oracle_iotlb_invalidated(hw, did, pfn, order, time_ps);
	if (leaves_only)
		return;
	for (i = 0; i < VTD_PSC_SIZE; i++) {
		struct psc_entry *e = &hw->psc[i];
		unsigned int wide = order > PAGE_ORDER_2M ? order : PAGE_ORDER_2M;

		if (did >= 0 && e->did != did)
			continue;
		if (wide >= 52 || e->iova_2m >> (wide - PAGE_ORDER_2M) == pfn >> wide)
			e->valid = false;
	}
}

static void gcmd_written(struct vtd_hw *hw, uint32_t value, uint64_t time_ps)
{
	hw->gsts = (hw->gsts & DMA_GSTS_RTPS) | (value & (DMA_GSTS_TES | DMA_GSTS_QIES | DMA_GSTS_IRES));
	if (value & DMA_GCMD_SRTP)
		hw->gsts |= DMA_GSTS_RTPS;
	if (!(value & DMA_GCMD_WBF))
		return;
	if (cap_rwbf(hw->cap))
		touch_unit(hw, UNIT_BUFFER, ACCESS_STORE);
	vtd_flush_write_buffer(hw);
	hw->write_buffer_until_ps = time_ps + hw->timing.write_buffer_ps;
	hw->write_buffer_flushes += cap_rwbf(hw->cap);
}

static void vtd_mmio_write(struct mmio_device *dev, uint32_t offset, uint64_t value, uint64_t time_ps)
{
	struct vtd_hw *hw = (struct vtd_hw *)dev;

	switch (offset) {
	case DMAR_GCMD_REG:
		gcmd_written(hw, (uint32_t)value, time_ps);
		break;
	case DMAR_RTADDR_REG:
		hw->rtaddr = value;
		break;
	case DMAR_IQA_REG:
		hw->iqa = value;
		hw->iqh = 0;
		break;
	case DMAR_IQT_REG:
		engine_post(&hw->sim->engine, time_ps + hw->timing.qi_fetch_ps, &hw->tail_written, value);
		break;
	case DMAR_FSTS_REG:
		/* The queue stood still at the descriptor in error (6.5.2.10). */
		if (hw->fsts & value & DMA_FSTS_IQE)
			engine_post(&hw->sim->engine, time_ps, &hw->step, 0);
		hw->fsts &= ~(uint32_t)value;
		break;
	default:
		assert(!"a register that the unit does not have");
	}
}

static uint64_t vtd_mmio_read(struct mmio_device *dev, uint32_t offset, uint64_t time_ps)
{
	struct vtd_hw *hw = (struct vtd_hw *)dev;

	switch (offset) {
	case DMAR_CAP_REG:
		return hw->cap;
	case DMAR_ECAP_REG:
		return hw->ecap;
	case DMAR_GSTS_REG:
		return hw->gsts | (time_ps < hw->write_buffer_until_ps ? DMA_GSTS_WBFS : 0);
	case DMAR_FSTS_REG:
		return hw->fsts;
	case DMAR_IQH_REG:
		return hw->iqh;
	case DMAR_IQT_REG:
		return hw->iqt;
	}
	assert(!"a register that the unit does not have");
	return 0;
}

int vtd_hw_init(struct vtd_hw *hw, struct sim *sim, uint32_t package, uint64_t cap, uint64_t ecap,
		const struct vtd_timing *timing, uint32_t iotlb_entries)
{
	int agent = sim_add_agent(sim, package);
	uint32_t i;

	memset(hw, 0, sizeof(*hw));
	if (agent < 0)
		return agent;
	hw->mmio.write = vtd_mmio_write;
	hw->mmio.read = vtd_mmio_read;
	hw->tail_written.fn = vtd_qi_tail_written;
	hw->step.fn = vtd_qi_step;
	for (i = 0; i < VTD_DRAINS; i++)
		hw->drain[i].fn = drain;
	hw->sim = sim;
	hw->agent = (uint16_t)agent;
	hw->cap = cap;
	hw->ecap = ecap;
	hw->timing = *timing;
	hw->iotlb_sets = (iotlb_entries + IOTLB_WAYS - 1) / IOTLB_WAYS;
	hw->iotlb = calloc(hw->iotlb_sets, IOTLB_WAYS * sizeof(*hw->iotlb));
	return hw->iotlb ? 0 : -ENOMEM;
}

void vtd_hw_destroy(struct vtd_hw *hw)
{
	free(hw->iotlb);
	hw->iotlb = NULL;
}

int vtd_requester_init(struct vtd_requester *r, struct vtd_hw *hw, uint16_t rid, bool ats)
{
	memset(r, 0, sizeof(*r));
	r->hw = hw;
	r->rid = rid;
	if (ats) {
		r->dev_tlb = calloc(DEV_TLB_ENTRIES, sizeof(*r->dev_tlb));
		if (!r->dev_tlb)
			return -ENOMEM;
	}
	r->next = hw->requesters;
	hw->requesters = r;
	return 0;
}

void vtd_requester_destroy(struct vtd_requester *r)
{
	free(r->dev_tlb);
	r->dev_tlb = NULL;
}

/* Reads root and context entry; scalable mode: root, context, PASID directory and PASID table entry. */
static enum vtd_fault_reason legacy_context(struct vtd_requester *r, struct walk_read *w)
{
	struct vtd_hw *hw = r->hw;
	uint64_t root, lo, hi, table;
	unsigned int tt;

	root = w->read64(w, (hw->rtaddr & DMA_RTADDR_RTA_MASK) + (r->rid >> 8) * sizeof(struct root_entry));
	if (!(root & ROOT_ENTRY_P))
		return VTD_FAULT_ROOT_NOT_PRESENT;
	table = (root & ROOT_ENTRY_CTP_MASK) + (r->rid & 0xff) * sizeof(struct context_entry);
	lo = w->read64(w, table);
	hi = w->read64(w, table + 8);
	if (!context_entry_present(lo))
		return VTD_FAULT_CONTEXT_NOT_PRESENT;
	if (lo & CONTEXT_ENTRY_LO_RESERVED || hi & CONTEXT_ENTRY_HI_RESERVED)
		return VTD_FAULT_CONTEXT_RESERVED;
	tt = context_entry_tt(lo);
	if (tt == CONTEXT_TT_PASS_THROUGH && !ecap_pass_through(hw->ecap))
		return VTD_FAULT_CONTEXT_INVALID;
	/* One half of an entry may be there before the other: a write buffer keeps no order. */
	if (!(cap_sagaw(hw->cap) >> context_entry_agaw(hi) & 1))
		return VTD_FAULT_CONTEXT_INVALID;
	r->did = context_entry_did(hi);
	r->root = context_entry_slptptr(lo);
	r->levels = agaw_to_level(context_entry_agaw(hi));
	r->pass_through = tt == CONTEXT_TT_PASS_THROUGH;
	r->first_stage = false;
	return VTD_FAULT_NONE;
}

static enum vtd_fault_reason scalable_context(struct vtd_requester *r, struct walk_read *w)
{
	struct vtd_hw *hw = r->hw;
	uint64_t half, context, dir, val0, val1, val2, entry;
	unsigned int devfn = r->rid & 0xff;

	half = w->read64(w, (hw->rtaddr & DMA_RTADDR_RTA_MASK) + (r->rid >> 8) * sizeof(struct root_entry) +
				    (devfn >= 0x80 ? 8 : 0));
	if (!(half & ROOT_ENTRY_P))
		return VTD_FAULT_SM_ROOT_NOT_PRESENT;
	context = w->read64(w, (half & ROOT_ENTRY_CTP_MASK) + (devfn & 0x7f) * SM_CONTEXT_ENTRY_SIZE);
	if (!(context & SM_CONTEXT_P))
		return VTD_FAULT_SM_CONTEXT_NOT_PRESENT;
	if (context & SM_CONTEXT_LO_RESERVED)
		return VTD_FAULT_SM_CONTEXT_RESERVED;
	dir = w->read64(w, context & SM_CONTEXT_PASIDDIRPTR_MASK);
	if (!(dir & PASID_DIR_P))
		return VTD_FAULT_PASID_DIR_NOT_PRESENT;
	entry = dir & PASID_DIR_SMPTBLPTR_MASK;
	val0 = w->read64(w, entry);
	val1 = w->read64(w, entry + 8);
	val2 = w->read64(w, entry + 16);
	if (!(val0 & PASID_ENTRY_P))
		return VTD_FAULT_PASID_ENTRY_NOT_PRESENT;
	if (val0 & PASID_ENTRY_0_RESERVED || val1 & PASID_ENTRY_1_RESERVED || val2 & PASID_ENTRY_2_RESERVED)
		return VTD_FAULT_PASID_ENTRY_RESERVED;
	r->did = pasid_entry_did(val1);
	r->pass_through = pasid_entry_pgtt(val0) == PASID_ENTRY_PGTT_PT;
	r->first_stage = pasid_entry_pgtt(val0) == PASID_ENTRY_PGTT_FL_ONLY;
	if (r->first_stage) {
		r->root = pasid_entry_flptptr(val2);
		r->levels = pasid_entry_fspm(val2) == PASID_ENTRY_FSPM_5LEVEL ? 5 : 4;
	} else {
		r->root = pasid_entry_slptptr(val0);
		r->levels = agaw_to_level(pasid_entry_agaw(val0));
	}
	return VTD_FAULT_NONE;
}

static enum vtd_fault_reason look_up_context(struct vtd_requester *r, uint64_t *time_ps)
{
	struct walk_read w = { .hw = r->hw, .time_ps = *time_ps, .read64 = walk_read64 };
	bool scalable = r->hw->rtaddr & DMA_RTADDR_SMT;
	enum vtd_fault_reason fault;

	uint64_t invalidations;

	if (r->cached)
		return VTD_FAULT_NONE;
	if (r->absent)
		return scalable ? VTD_FAULT_SM_CONTEXT_NOT_PRESENT : VTD_FAULT_CONTEXT_NOT_PRESENT;
	do {
		invalidations = r->hw->invalidations;
		fault = scalable ? scalable_context(r, &w) : legacy_context(r, &w);
	} while (r->hw->invalidations != invalidations);
	*time_ps += r->hw->timing.walk_ps * (scalable ? 4 : 2);
	r->cached = fault == VTD_FAULT_NONE;
	/* Caching mode lets a unit remember what is not there (VT-d spec 6.1). */
	r->absent = fault == VTD_FAULT_CONTEXT_NOT_PRESENT && cap_caching_mode(r->hw->cap);
	note_unit(r->hw, context_part(r), ACCESS_STORE);
	return fault;
}

/* The paging-structure cache saves the reads above the last level's. */
static enum walk_result walk(struct vtd_requester *r, uint64_t iova, bool write, uint64_t *time_ps,
			     struct vtd_translation *out)
{
	struct vtd_hw *hw = r->hw;
	uint64_t iova_2m = iova >> (PAGE_SHIFT + PAGE_ORDER_2M);
	struct psc_entry *psc = &hw->psc[(iova_2m ^ r->did) % VTD_PSC_SIZE];
	bool hit = psc->valid && psc->did == r->did && psc->iova_2m == iova_2m;
	struct walk_read w = { .hw = hw, .time_ps = *time_ps, .cached = hit };
	enum walk_result result;

	result = vtd_walk(r->root, r->levels, r->first_stage, hw->cap, hw->ecap, iova, write, walk_read64, &w, out);
	if (hit)
		coh_agent_read(hw->sim, hw->agent, mem64(hw, w.last_pa), sizeof(uint64_t), *time_ps);
	*time_ps += hw->timing.walk_ps * (hit ? 1 : out->reads);
	if (result == WALK_OK && out->level == 1)
		*psc = (struct psc_entry){ iova_2m, r->did, true };
	return result;
}

static enum vtd_fault_reason iotlb_translate(struct vtd_requester *r, uint64_t iova, bool write, uint64_t *time_ps,
					     struct iotlb_entry *found)
{
	struct vtd_hw *hw = r->hw;
	struct iotlb_entry *e = iotlb_find(hw, r->did, iova >> PAGE_SHIFT);
	struct vtd_translation t;
	enum walk_result result;
	uint64_t invalidations;

	if (e && (e->phys & (write ? 2 : 1) || e->absent)) {
		hw->iotlb_hits++;
		*found = *e;
		return e->absent ? vtd_walk_fault(WALK_NOT_PRESENT, r->first_stage, hw->rtaddr & DMA_RTADDR_SMT,
						  write)
				 : VTD_FAULT_NONE;
	}
	hw->iotlb_misses++;
	do {
		invalidations = hw->invalidations;
		result = walk(r, iova, write, time_ps, &t);
	} while (hw->invalidations != invalidations);
	note_unit(hw, iotlb_part(iova), ACCESS_STORE);
	/* What was there before may have gone meanwhile. */
	e = iotlb_find(hw, r->did, iova >> PAGE_SHIFT);
	if (result == WALK_NOT_PRESENT && cap_caching_mode(hw->cap) && !r->first_stage && !e) {
		struct iotlb_entry absent = {
			.iova_pfn = iova >> PAGE_SHIFT, .did = r->did, .valid = true, .absent = true
		};

		iotlb_insert(hw, &absent);
	}
	if (result != WALK_OK)
		return vtd_walk_fault(result, r->first_stage, hw->rtaddr & DMA_RTADDR_SMT, write);
	*found = (struct iotlb_entry){
		.phys = t.page_addr | (t.read ? 1 : 0) | (t.write ? 2 : 0),
		.did = r->did,
		.order = (uint8_t)(9 * (t.level - 1)),
		.valid = true,
	};
	found->iova_pfn = iova >> PAGE_SHIFT & ~((1ULL << found->order) - 1);
	if (e)
		*e = *found;
	else
		iotlb_insert(hw, found);
	return VTD_FAULT_NONE;
}

static enum vtd_fault_reason fault_at(struct vtd_requester *r, enum vtd_fault_reason fault)
{
	if (fault != VTD_FAULT_NONE) {
		r->dma_faults++;
		r->last_fault = fault;
	}
	return fault;
}

static enum vtd_fault_reason translate(struct vtd_requester *r, uint64_t iova, bool write, uint64_t *time_ps,
				       uint64_t *phys)
{
	struct iotlb_entry entry, *cached = NULL;
	enum vtd_fault_reason fault;

	*phys = iova;
	if (!(r->hw->gsts & DMA_GSTS_TES))
		return VTD_FAULT_NONE;
	if (vtd_interrupt_address(iova))
		return fault_at(r, r->hw->rtaddr & DMA_RTADDR_SMT ? VTD_FAULT_SM_INTERRUPT_ADDR
								  : VTD_FAULT_INTERRUPT_ADDR);
	fault = look_up_context(r, time_ps);
	if (fault != VTD_FAULT_NONE)
		return fault_at(r, fault);
	if (r->pass_through)
		return VTD_FAULT_NONE;
	if (r->dev_tlb) {
		cached = &r->dev_tlb[(iova >> PAGE_SHIFT) % DEV_TLB_ENTRIES];
		if (cached->valid && cached->iova_pfn == iova >> PAGE_SHIFT && cached->phys & (write ? 2 : 1)) {
			*phys = (cached->phys & VTD_PTE_ADDR_MASK) | (iova & (PAGE_SIZE - 1));
			return VTD_FAULT_NONE;
		}
	}
	fault = iotlb_translate(r, iova, write, time_ps, &entry);
	if (fault != VTD_FAULT_NONE)
		return fault_at(r, fault);
	*phys = (entry.phys & VTD_PTE_ADDR_MASK) | (iova & ((PAGE_SIZE << entry.order) - 1));
	if (cached)
		*cached = (struct iotlb_entry){
			iova >> PAGE_SHIFT, (*phys & VTD_PTE_ADDR_MASK) | (entry.phys & 3), r->did, 0, true, false
		};
	return VTD_FAULT_NONE;
}

enum vtd_fault_reason vtd_translate(struct vtd_requester *r, uint64_t iova, bool write, uint64_t *time_ps,
				    uint64_t *phys)
{
	enum vtd_fault_reason fault;

	touch_unit(r->hw, context_part(r), ACCESS_LOAD);
	note_unit(r->hw, iotlb_part(iova), ACCESS_LOAD);
	r->hw->translating++;
	fault = translate(r, iova, write, time_ps, phys);
	note_unit(r->hw, iotlb_part(iova), ACCESS_LOAD);
	if (!--r->hw->translating && r->hw->wait_held) {
		r->hw->wait_held = false;
		engine_post(&r->hw->sim->engine, *time_ps, &r->hw->step, 0);
	}
	return fault;
}

static uint64_t peek_read64(void *ctx, uint64_t pa)
{
	const struct walk_read *w = ctx;
	const uint64_t *p = mem64(w->hw, pa);

	return w->hw->buffered_count ? behind_write_buffer(w->hw, p) : *p;
}

/* @r's context as the unit has it or would read it, into @r itself: a copy. */
static bool peek_context(struct vtd_requester *r)
{
	struct walk_read w = { .hw = r->hw, .read64 = peek_read64 };

	if (r->cached)
		return true;
	if (r->absent)
		return false;
	return (r->hw->rtaddr & DMA_RTADDR_SMT ? scalable_context(r, &w) : legacy_context(r, &w)) == VTD_FAULT_NONE;
}

int vtd_domain_id(const struct vtd_requester *r)
{
	struct vtd_requester copy = *r;

	return peek_context(&copy) ? copy.did : -1;
}

static bool would_walk(const struct vtd_requester *r, uint64_t iova, bool write)
{
	struct walk_read w = { .hw = r->hw, .read64 = peek_read64 };
	struct vtd_translation t;

	return vtd_walk(r->root, r->levels, r->first_stage, r->hw->cap, r->hw->ecap, iova, write, peek_read64, &w,
			&t) == WALK_OK;
}

bool vtd_would_translate(const struct vtd_requester *r, uint64_t iova)
{
	struct vtd_requester copy = *r;
	uint64_t pfn = iova >> PAGE_SHIFT;
	const struct iotlb_entry *e;

	if (!(r->hw->gsts & DMA_GSTS_TES))
		return true;
	if (!peek_context(&copy))
		return false;
	if (copy.pass_through)
		return true;
	e = r->dev_tlb ? &r->dev_tlb[pfn % DEV_TLB_ENTRIES] : NULL;
	if (e && e->valid && e->iova_pfn == pfn)
		return true;
	e = iotlb_find(r->hw, copy.did, pfn);
	if (e)
		return !e->absent;
	return would_walk(&copy, iova, false) || would_walk(&copy, iova, true);
}
