/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine_nvme.h - NVMe devices of a machine, on whichever executor
 */
#ifndef SIMBENCH_EXEC_MACHINE_NVME_H
#define SIMBENCH_EXEC_MACHINE_NVME_H

#include "sim/exec/machine.h"
#include "sim/nvme_params.h"
#include "sim/platform/mmio.h"

struct nvme_queue;

struct machine_nvme_config {
	uint32_t package;      /* where its bridge is attached */
	uint32_t bridge;       /* devices that give the same number share its link and their domain */
	uint64_t bridge_mib_s; /* bandwidth of the link, at least 1 */
	uint32_t unit;	       /* its VT-d unit, in the order of machine_add_unit() */
	uint16_t rid;
	bool ats;
	struct nvme_params nvme;
	uint32_t queue_count; /* 1..65535 */
	uint32_t max_pages;   /* of a command */
	uint64_t seed;
	void (*irq)(struct nvme_queue *q); /* runs on the queue's CPU when completions have been written */
};

struct machine_nvme;

/**
 * machine_add_nvme - power a device on
 * @m: machine; destroys the device with itself
 * @config: copied
 *
 * On the native executor the data does not move and nothing is translated; the device's and the link's ceilings are
 * divided evenly among the queues, and the time that a CPU spends on being the device is taken off the work it does
 * next (cpu_work()). Returns NULL when memory is short.
 */
struct machine_nvme *machine_add_nvme(struct machine *m, const struct machine_nvme_config *config);

/* Its registers. */
struct mmio_device *machine_nvme_registers(struct machine_nvme *d);

/* Tells the device of a queue pair whose interrupts go to @cpu. Returns 0 or -ENOMEM. */
int machine_nvme_add_queue(struct machine_nvme *d, struct nvme_queue *q, uint32_t cpu);

/* DMA requests of the device that faulted so far. */
uint64_t machine_nvme_faults(const struct machine_nvme *d);

#endif
