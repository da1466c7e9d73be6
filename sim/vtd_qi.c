/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vtd_qi.c - the invalidation queue of a unit: fetches descriptors and makes the unit's and the devices' caches
 * forget
 */
#include <string.h>

#include "sim/exec/machine_oracle.h"
#include "sim/vtd_internal.h"

/* What a device makes of an invalidation while its ATS is off is up to the device: none is to be sent (M4). */
static void check_ats(struct vtd_hw *hw, const struct vtd_requester *r)
{
	if (!hw->sim->explore || !r->ats_enabled)
		return;
	explore_agent_read(hw->sim, r->ats_enabled);
	if (!*r->ats_enabled)
		explore_violation(hw->sim->explore, "M4", "the TLB of a device is invalidated whose ATS is off");
}

static void dev_tlb_invalidate(struct vtd_hw *hw, const struct qi_dev_iotlb_fields *f, uint64_t time_ps)
{
	struct vtd_requester *r;
	unsigned int i;

	for (r = hw->requesters; r; r = r->next) {
		if (r->rid != f->sid || !r->dev_tlb)
			continue;
		check_ats(hw, r);
		for (i = 0; i < DEV_TLB_ENTRIES; i++)
			if (r->dev_tlb[i].valid &&
			    vtd_iotlb_in_range(&r->dev_tlb[i], f->addr >> PAGE_SHIFT, f->order))
				r->dev_tlb[i].valid = false;
		if (unlikely(hw->sim->oracle != NULL))
			machine_oracle_dev_tlb_invalidated(r, f->addr >> PAGE_SHIFT, f->order, time_ps);
	}
}

static void dev_tlb_empty(struct vtd_requester *r)
{
	if (r->dev_tlb)
		memset(r->dev_tlb, 0, DEV_TLB_ENTRIES * sizeof(*r->dev_tlb));
}

static void context_invalidate(struct vtd_hw *hw, const struct qi_context_fields *f)
{
	/* Function mask: how many of the function number's bits do not count, from the highest (6.5.2.1). */
	static const uint16_t ignored[] = { 0, 4, 6, 7 };
	struct vtd_requester *r;

	for (r = hw->requesters; r; r = r->next) {
		if (f->gran == QI_GRAN_DEVICE && ((r->rid ^ f->sid) & ~ignored[f->fm]))
			continue;
		if (f->gran == QI_GRAN_DOMAIN && r->did != f->did)
			continue;
		r->cached = r->absent = false;
		/* The driver turns ATS off when it takes a device away, and that empties the device's TLB. */
		if (f->gran == QI_GRAN_DEVICE)
			dev_tlb_empty(r);
	}
}

static struct qi_desc qi_read(const struct vtd_hw *hw, uint64_t offset)
{
	const uint64_t *qw = mem64(hw, (hw->iqa & DMA_IQA_IQA_MASK) + offset);
	struct qi_desc desc = { qw[0], qw[1], 0, 0 };

	if (hw->iqa & DMA_IQA_DW) {
		desc.qw2 = qw[2];
		desc.qw3 = qw[3];
	}
	return desc;
}

static uint64_t qi_desc_size(const struct vtd_hw *hw)
{
	return hw->iqa & DMA_IQA_DW ? 32 : 16;
}

static uint64_t qi_queue_size(const struct vtd_hw *hw)
{
	return PAGE_SIZE << (hw->iqa & DMA_IQA_QS_MASK);
}

/* Starts on the descriptor at the head: its effect comes when its time is over. */
static void qi_start(struct vtd_hw *hw, uint64_t time_ps)
{
	struct qi_desc desc;
	uint64_t took;

	if (hw->iqh == hw->iqt) {
		hw->qi_busy = false;
		return;
	}
	if (hw->sim->explore) {
		/* Without a clock nothing is gained by stopping between descriptors. */
		vtd_qi_step(&hw->step, time_ps, 0);
		return;
	}
	desc = qi_read(hw, hw->iqh);
	coh_agent_read(hw->sim, hw->agent, mem64(hw, (hw->iqa & DMA_IQA_IQA_MASK) + hw->iqh), qi_desc_size(hw),
		       time_ps);
	switch (qi_desc_type(desc.qw0)) {
	case QI_IWD_TYPE:
		took = hw->timing.qi_wait_ps;
		break;
	case QI_DIOTLB_TYPE:
	case QI_DEIOTLB_TYPE:
		took = hw->timing.qi_devtlb_ps;
		break;
	default:
		took = hw->timing.qi_iotlb_ps;
		break;
	}
	engine_post(&hw->sim->engine, time_ps + took, &hw->step, 0);
}

static void qi_execute_wait(struct vtd_hw *hw, const struct qi_desc *desc, uint64_t time_ps)
{
	struct qi_wait_fields f = qi_decode_wait(desc);
	uint32_t *status = region_virt(&hw->sim->region, f.status_addr);

	if (!(f.flags & QI_IWD_STATUS_WRITE))
		return;
	coh_agent_write(hw->sim, hw->agent, status, sizeof(*status), time_ps);
	*status = f.status_data;
}

static void qi_execute_iotlb(struct vtd_hw *hw, const struct qi_desc *desc, uint64_t time_ps)
{
	struct qi_iotlb_fields f = qi_decode_iotlb(desc);

	if (f.gran == QI_GRAN_PAGE)
		vtd_iotlb_invalidate(hw, f.did, f.addr >> PAGE_SHIFT, f.am, f.ih, time_ps);
	else
		vtd_iotlb_invalidate(hw, f.gran == QI_GRAN_GLOBAL ? -1 : f.did, 0, EVERYTHING, false, time_ps);
}

static void qi_execute_piotlb(struct vtd_hw *hw, const struct qi_desc *desc, uint64_t time_ps)
{
	struct qi_piotlb_fields f = qi_decode_piotlb(desc);

	if (f.gran == QI_GRAN_PSI_PASID)
		vtd_iotlb_invalidate(hw, f.did, f.addr >> PAGE_SHIFT, f.am, f.ih, time_ps);
	else
		vtd_iotlb_invalidate(hw, f.did, 0, EVERYTHING, false, time_ps);
}

/* With RWBF=1 an invalidation of what the unit has cached of the structures in memory begins with a flush (6.8). */
static void flush_before_invalidation(struct vtd_hw *hw, unsigned int type)
{
	if (!cap_rwbf(hw->cap) || type == QI_DIOTLB_TYPE || type == QI_DEIOTLB_TYPE || type == QI_IWD_TYPE)
		return;
	vtd_flush_write_buffer(hw);
}

static void qi_execute(struct vtd_hw *hw, const struct qi_desc *desc, uint64_t time_ps)
{
	struct qi_context_fields context;
	struct qi_dev_iotlb_fields dev;
	struct qi_desc reserved;
	struct vtd_requester *r;

	hw->descriptors++;
	hw->invalidations++;
	if (qi_desc_reserved(desc, &reserved)) {
		hw->fsts |= DMA_FSTS_IQE;
		return;
	}
	flush_before_invalidation(hw, qi_desc_type(desc->qw0));
	switch (qi_desc_type(desc->qw0)) {
	case QI_CC_TYPE:
		context = qi_decode_context(desc);
		context_invalidate(hw, &context);
		break;
	case QI_PC_TYPE:
		for (r = hw->requesters; r; r = r->next) {
			r->cached = r->absent = false;
			dev_tlb_empty(r);
		}
		break;
	case QI_IOTLB_TYPE:
		hw->iotlb_invalidations++;
		qi_execute_iotlb(hw, desc, time_ps);
		break;
	case QI_EIOTLB_TYPE:
		hw->iotlb_invalidations++;
		qi_execute_piotlb(hw, desc, time_ps);
		break;
	case QI_DIOTLB_TYPE:
		hw->devtlb_invalidations++;
		dev = qi_decode_dev_iotlb(desc);
		dev_tlb_invalidate(hw, &dev, time_ps);
		break;
	case QI_DEIOTLB_TYPE:
		hw->devtlb_invalidations++;
		dev = qi_decode_dev_iotlb_pasid(desc);
		dev_tlb_invalidate(hw, &dev, time_ps);
		break;
	case QI_IWD_TYPE:
		qi_execute_wait(hw, desc, time_ps);
		break;
	}
}

/* The addresses that a descriptor makes a unit or a device forget; everything, unless it says which. */
static void invalidated_range(const struct qi_desc *desc, uint64_t *first, uint64_t *last)
{
	struct qi_dev_iotlb_fields dev;
	struct qi_piotlb_fields piotlb;
	struct qi_iotlb_fields iotlb;
	unsigned int order = EVERYTHING;
	uint64_t addr = 0;

	switch (qi_desc_type(desc->qw0)) {
	case QI_IOTLB_TYPE:
		iotlb = qi_decode_iotlb(desc);
		addr = iotlb.addr;
		order = iotlb.gran == QI_GRAN_PAGE ? iotlb.am : EVERYTHING;
		break;
	case QI_EIOTLB_TYPE:
		piotlb = qi_decode_piotlb(desc);
		addr = piotlb.addr;
		order = piotlb.gran == QI_GRAN_PSI_PASID ? piotlb.am : EVERYTHING;
		break;
	case QI_DIOTLB_TYPE:
	case QI_DEIOTLB_TYPE:
		dev = qi_desc_type(desc->qw0) == QI_DIOTLB_TYPE ? qi_decode_dev_iotlb(desc)
								: qi_decode_dev_iotlb_pasid(desc);
		addr = dev.addr;
		order = dev.order;
		break;
	}
	*first = order < 52 ? addr & ~((PAGE_SIZE << order) - 1) : 0;
	*last = order < 52 ? *first + (PAGE_SIZE << order) - 1 : UINT64_MAX;
}

static void say_descriptor(const struct vtd_hw *hw, const struct qi_desc *desc)
{
	static const char *const names[16] = {
		[QI_CC_TYPE] = "context cache", [QI_IOTLB_TYPE] = "IOTLB",	  [QI_DIOTLB_TYPE] = "device TLB",
		[QI_PC_TYPE] = "PASID cache",	[QI_EIOTLB_TYPE] = "PASID IOTLB", [QI_DEIOTLB_TYPE] = "device TLB",
	};
	unsigned int type = qi_desc_type(desc->qw0);
	uint64_t first, last;

	invalidated_range(desc, &first, &last);
	if (type == QI_IWD_TYPE)
		explore_say(hw->sim->explore, "QI: wait descriptor, status written");
	else
		explore_say_of(hw->sim->explore, first, last, "QI: %s invalidated",
			       type < 16 && names[type] ? names[type] : "cache");
}

void vtd_qi_step(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct vtd_hw *hw = container_of(actor, struct vtd_hw, step);
	struct qi_desc desc = qi_read(hw, hw->iqh);

	(void)arg;
	note_caches(hw);
	hw->wait_held = hw->translating && qi_desc_type(desc.qw0) == QI_IWD_TYPE;
	if (hw->wait_held)
		return;
	if (hw->sim->explore)
		say_descriptor(hw, &desc);
	qi_execute(hw, &desc, time_ps);
	if (hw->fsts & DMA_FSTS_IQE)
		return; /* stopped until software clears the error */
	hw->iqh = (hw->iqh + qi_desc_size(hw)) % qi_queue_size(hw);
	qi_start(hw, time_ps);
}

/* The write has arrived and the first of the new descriptors has been fetched. */
void vtd_qi_tail_written(struct actor *actor, uint64_t time_ps, uint64_t tail)
{
	struct vtd_hw *hw = container_of(actor, struct vtd_hw, tail_written);

	hw->iqt = tail & DMAR_IQ_OFFSET_MASK;
	note_unit(hw, UNIT_QUEUE, ACCESS_STORE);
	if (hw->qi_busy || !(hw->gsts & DMA_GSTS_QIES))
		return;
	hw->qi_busy = true;
	qi_start(hw, time_ps);
}
