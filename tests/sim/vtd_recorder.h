/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vtd_recorder.h - sits between the driver and the registers of a VT-d unit, and sums up what the driver tells it
 *
 * Code for both executors. What differs between them does not go into the sum: where memory is, and how often the
 * driver has to look until the unit is done.
 */
#ifndef SIMBENCH_TESTS_VTD_RECORDER_H
#define SIMBENCH_TESTS_VTD_RECORDER_H

#include <stdint.h>

#include "sim/iommu.h"
#include "sim/platform/mmio.h"

struct vtd_recorder {
	struct mmio_device mmio; /* must be first; for iommu_create() */
	struct mmio_device *real;
	const struct intel_iommu *iommu; /* set by whoever creates it, before its first invalidation */
	uint64_t iqa, tail;
	uint64_t writes, write_buffer_flushes;
	uint64_t descriptors, waits;
	uint64_t sum; /* of all that was written, in order */
};

/* Passes everything on to @real. */
void vtd_recorder_init(struct vtd_recorder *r, struct mmio_device *real);

/* @sum with @value added to it; the order counts. */
static inline uint64_t sum_add(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * 0x9e3779b97f4a7c15ULL;
	return sum ^ sum >> 29;
}

#endif
