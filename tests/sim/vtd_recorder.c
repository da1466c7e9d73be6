/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/sim/vtd_recorder.h"

#include "platform.h"
#include "sim/vtd_spec.h"

static void record(struct vtd_recorder *r, uint64_t value)
{
	r->sum = sum_add(r->sum, value);
}

static void record_desc(struct vtd_recorder *r, const uint64_t *qw, unsigned int qwords)
{
	bool wait = qi_desc_type(qw[0]) == QI_IWD_TYPE;
	unsigned int i;

	r->descriptors++;
	r->waits += wait;
	for (i = 0; i < qwords; i++)
		record(r, wait && i == 1 ? qw[i] - virt_to_phys(r->iommu->qi->desc_status) : qw[i]);
}

/* The descriptors between the last tail and this one. */
static void record_queue(struct vtd_recorder *r, uint64_t tail)
{
	unsigned int qwords = r->iqa & DMA_IQA_DW ? 4 : 2;
	uint64_t size = PAGE_SIZE << (r->iqa & DMA_IQA_QS_MASK);

	for (; r->tail != tail; r->tail = (r->tail + qwords * sizeof(uint64_t)) % size)
		record_desc(r, phys_to_virt((r->iqa & DMA_IQA_IQA_MASK) + r->tail), qwords);
}

static void recorder_write(struct mmio_device *dev, uint32_t offset, uint64_t value, uint64_t time_ps)
{
	struct vtd_recorder *r = (struct vtd_recorder *)dev;

	r->writes++;
	record(r, offset);
	switch (offset) {
	case DMAR_IQA_REG:
		r->iqa = value;
		r->tail = 0;
		record(r, value & ~DMA_IQA_IQA_MASK);
		break;
	case DMAR_RTADDR_REG:
		record(r, value & ~DMA_RTADDR_RTA_MASK);
		break;
	case DMAR_IQT_REG:
		record_queue(r, value);
		record(r, value);
		break;
	default:
		r->write_buffer_flushes += offset == DMAR_GCMD_REG && value & DMA_GCMD_WBF;
		record(r, value);
		break;
	}
	r->real->write(r->real, offset, value, time_ps);
}

static uint64_t recorder_read(struct mmio_device *dev, uint32_t offset, uint64_t time_ps)
{
	struct vtd_recorder *r = (struct vtd_recorder *)dev;

	return r->real->read(r->real, offset, time_ps);
}

void vtd_recorder_init(struct vtd_recorder *r, struct mmio_device *real)
{
	*r = (struct vtd_recorder){ .mmio = { recorder_write, recorder_read }, .real = real };
}
