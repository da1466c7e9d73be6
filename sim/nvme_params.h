/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvme_params.h - what an NVMe device can do
 */
#ifndef SIMBENCH_NVME_PARAMS_H
#define SIMBENCH_NVME_PARAMS_H

#include <stdint.h>

#include "sim/config_enums.h"

struct nvme_params {
	uint64_t iops;	      /* ceiling, in 4 KiB I/Os a second, at least 1 */
	uint64_t mib_s;	      /* ceiling, at least 1 */
	uint32_t parallelism; /* commands worked on at a time, at least 1 */
	uint64_t latency_ps;  /* mean time of a command inside the device */
	enum latency_dist latency_dist;
	uint64_t pcie_ps; /* one way between the device and memory */
};

#endif
