/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * native_vtd.h - a VT-d unit's registers and invalidation queue on the native executor
 *
 * There is no unit, so whoever reads its registers works it: what it would have done by the time of the read is
 * done then. The driver holds the queue's lock whenever it touches the queue's registers, which keeps CPUs apart
 * here too. The unit does not translate, and its writes to memory come from the CPU that polls: unlike a device's
 * they do not take the line away from it.
 */
#ifndef SIMBENCH_EXEC_NATIVE_VTD_H
#define SIMBENCH_EXEC_NATIVE_VTD_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/exec/native.h"
#include "sim/platform/mmio.h"
#include "sim/vtd_timing.h"

struct native_vtd {
	struct mmio_device mmio; /* must be first */
	struct native *machine;
	uint64_t cap, ecap;
	struct vtd_timing timing;
	uint32_t gsts;
	uint64_t rtaddr, iqa;
	uint64_t write_buffer_until_ps;
	/* the invalidation queue: touched under the driver's lock of it */
	uint64_t iqh __attribute__((aligned(NATIVE_APART))); /* byte offsets */
	uint64_t iqt;
	uint64_t head_done_ps; /* when the descriptor at the head will have been executed */
	uint32_t fsts;
	uint64_t descriptors;
};

/**
 * native_vtd_init - power a unit on
 * @u: to fill in
 * @m: its machine
 * @cap: capability register
 * @ecap: extended capability register
 * @timing: copied
 */
void native_vtd_init(struct native_vtd *u, struct native *m, uint64_t cap, uint64_t ecap,
		     const struct vtd_timing *timing);

#endif
