/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vtd_timing.h - how long a VT-d unit takes
 */
#ifndef SIMBENCH_VTD_TIMING_H
#define SIMBENCH_VTD_TIMING_H

#include <stdint.h>

struct vtd_timing {
	uint64_t qi_fetch_ps; /* from the tail register's write to the first descriptor's execution */
	uint64_t qi_iotlb_ps, qi_devtlb_ps, qi_wait_ps; /* execution of a descriptor */
	uint64_t walk_ps;				/* one read of a paging entry */
	uint64_t write_buffer_ps;			/* a write-buffer flush */
};

#endif
