/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mmio.h - registers of a simulated device
 */
#ifndef SIMBENCH_PLATFORM_MMIO_H
#define SIMBENCH_PLATFORM_MMIO_H

#include <stdint.h>

struct mmio_device {
	/* A posted write left the CPU at @time_ps; the device acts when it arrives, by an event of its own. */
	void (*write)(struct mmio_device *dev, uint32_t offset, uint64_t value, uint64_t time_ps);
	/* A read returns to the CPU at @time_ps. */
	uint64_t (*read)(struct mmio_device *dev, uint32_t offset, uint64_t time_ps);
};

#endif
