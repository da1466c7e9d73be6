/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/native_vtd.h"

#include "platform.h"
#include "sim/vtd_spec.h"

static uint64_t desc_size(const struct native_vtd *u)
{
	return u->iqa & DMA_IQA_DW ? 32 : 16;
}

static struct qi_desc desc_at_head(const struct native_vtd *u)
{
	const uint64_t *qw = native_phys_to_virt(u->machine, (u->iqa & DMA_IQA_IQA_MASK) + u->iqh);
	struct qi_desc desc = { READ_ONCE(qw[0]), READ_ONCE(qw[1]), 0, 0 };

	if (u->iqa & DMA_IQA_DW) {
		desc.qw2 = READ_ONCE(qw[2]);
		desc.qw3 = READ_ONCE(qw[3]);
	}
	return desc;
}

static uint64_t desc_time(const struct native_vtd *u, const struct qi_desc *desc)
{
	switch (qi_desc_type(desc->qw0)) {
	case QI_IWD_TYPE:
		return u->timing.qi_wait_ps;
	case QI_DIOTLB_TYPE:
	case QI_DEIOTLB_TYPE:
		return u->timing.qi_devtlb_ps;
	}
	return u->timing.qi_iotlb_ps;
}

static void execute(struct native_vtd *u, const struct qi_desc *desc)
{
	struct qi_wait_fields wait;
	struct qi_desc reserved;

	if (qi_desc_reserved(desc, &reserved)) {
		u->fsts |= DMA_FSTS_IQE; /* the queue stops here */
		return;
	}
	u->descriptors++;
	u->iqh = (u->iqh + desc_size(u)) % (PAGE_SIZE << (u->iqa & DMA_IQA_QS_MASK));
	if (qi_desc_type(desc->qw0) != QI_IWD_TYPE)
		return;
	wait = qi_decode_wait(desc);
	if (wait.flags & QI_IWD_STATUS_WRITE)
		WRITE_ONCE(*(uint32_t *)native_phys_to_virt(u->machine, wait.status_addr), wait.status_data);
}

/* Executes what a unit would have executed by now. */
static void advance(struct native_vtd *u, uint64_t now_ps)
{
	struct qi_desc desc;

	while (u->iqh != u->iqt && u->head_done_ps <= now_ps && !(u->fsts & DMA_FSTS_IQE)) {
		desc = desc_at_head(u);
		execute(u, &desc);
		if (u->iqh == u->iqt)
			break;
		desc = desc_at_head(u);
		u->head_done_ps += desc_time(u, &desc);
	}
}

static void tail_written(struct native_vtd *u, uint64_t tail, uint64_t now_ps)
{
	struct qi_desc desc;
	bool idle;

	advance(u, now_ps);
	idle = u->iqh == u->iqt;
	u->iqt = tail & DMAR_IQ_OFFSET_MASK;
	if (!idle || u->iqh == u->iqt)
		return;
	desc = desc_at_head(u);
	u->head_done_ps = now_ps + u->timing.qi_fetch_ps + desc_time(u, &desc);
}

static void gcmd_written(struct native_vtd *u, uint32_t value, uint64_t now_ps)
{
	u->gsts = (u->gsts & DMA_GSTS_RTPS) | (value & (DMA_GSTS_TES | DMA_GSTS_QIES | DMA_GSTS_IRES));
	if (value & DMA_GCMD_SRTP)
		u->gsts |= DMA_GSTS_RTPS;
	if (value & DMA_GCMD_WBF)
		u->write_buffer_until_ps = now_ps + u->timing.write_buffer_ps;
}

static void unit_write(struct mmio_device *dev, uint32_t offset, uint64_t value, uint64_t time_ps)
{
	struct native_vtd *u = (struct native_vtd *)dev;

	switch (offset) {
	case DMAR_GCMD_REG:
		gcmd_written(u, (uint32_t)value, time_ps);
		break;
	case DMAR_RTADDR_REG:
		u->rtaddr = value;
		break;
	case DMAR_IQA_REG:
		u->iqa = value;
		u->iqh = 0;
		break;
	case DMAR_IQT_REG:
		tail_written(u, value, time_ps);
		break;
	case DMAR_FSTS_REG:
		u->fsts &= ~(uint32_t)value;
		break;
	default:
		assert(!"a register that the unit does not have");
	}
}

static uint64_t unit_read(struct mmio_device *dev, uint32_t offset, uint64_t time_ps)
{
	struct native_vtd *u = (struct native_vtd *)dev;

	switch (offset) {
	case DMAR_CAP_REG:
		return u->cap;
	case DMAR_ECAP_REG:
		return u->ecap;
	case DMAR_GSTS_REG:
		return u->gsts | (time_ps < u->write_buffer_until_ps ? DMA_GSTS_WBFS : 0);
	case DMAR_FSTS_REG:
		advance(u, time_ps);
		return u->fsts;
	}
	assert(!"a register that the driver does not read");
	return 0;
}

void native_vtd_init(struct native_vtd *u, struct native *m, uint64_t cap, uint64_t ecap,
		     const struct vtd_timing *timing)
{
	memset(u, 0, sizeof(*u));
	u->mmio.write = unit_write;
	u->mmio.read = unit_read;
	u->machine = m;
	u->cap = cap;
	u->ecap = ecap;
	u->timing = *timing;
}
