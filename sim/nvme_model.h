/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvme_model.h - the device's half of NVMe, and the bridge above it
 *
 * The device knows only doorbells and memory: it fetches commands and PRP lists, moves data and writes completions
 * by DMA, and every DMA is translated by its VT-d unit.
 */
#ifndef SIMBENCH_NVME_MODEL_H
#define SIMBENCH_NVME_MODEL_H

#include "sim/config_enums.h"
#include "sim/exec/virtual.h"
#include "sim/nvme_driver.h"
#include "sim/nvme_params.h"
#include "sim/platform/mmio.h"
#include "sim/rng.h"
#include "sim/vtd_hw.h"

struct bridge {
	uint64_t mib_s;	     /* upstream link, MiB/s, at least 1 */
	uint64_t free_at_ps; /* when the link is done with what it was given */
};

struct nvme_cmd_state; /* a command inside the device */

/* A queue pair as the device sees it. */
struct nvme_dev_queue {
	uint64_t sq_addr, cq_addr; /* DMA addresses */
	uint32_t depth;
	uint32_t sq_head, cq_tail;
	uint16_t phase;
	struct irq irq; /* raised on cpu when a completion has been written */
	struct vcpu *cpu;
	struct nvme_device *device;
	struct nvme_queue *driver_queue; /* for the interrupt handler */
};

struct nvme_device {
	struct mmio_device mmio; /* must be first */
	struct actor doorbell, media_done, transfer_done;
	struct sim *sim;
	uint16_t agent;
	struct bridge *bridge;
	struct vtd_requester requester;
	struct nvme_params params;
	struct rng rng;
	struct nvme_dev_queue **queues; /* by queue id, 1.. */
	uint32_t queue_count;
	uint32_t max_pages; /* of a command */
	struct nvme_cmd_state *allocated, *free, *waiting, **waiting_tail;
	uint32_t in_service;
	uint64_t free_at_ps;		    /* when the data path is done with what it was given */
	uint64_t fetched, completed, bytes; /* commands since power on */
};

/**
 * nvme_device_init - power a device on
 * @d: to fill in
 * @sim: its simulation
 * @package: where its bridge is attached
 * @bridge: kept by reference
 * @unit: its VT-d unit
 * @rid: requester id
 * @ats: with a device TLB
 * @params: copied
 * @queue_count: 1..65535
 * @max_pages: of a command, 1..NVME_MAX_PAGES
 * @seed: for latencies
 *
 * Returns 0 or -ENOMEM.
 */
int nvme_device_init(struct nvme_device *d, struct sim *sim, uint32_t package, struct bridge *bridge,
		     struct vtd_hw *unit, uint16_t rid, bool ats, const struct nvme_params *params,
		     uint32_t queue_count, uint32_t max_pages, uint64_t seed);
void nvme_device_destroy(struct nvme_device *d);

/**
 * nvme_device_add_queue - tell the device of a queue pair (the admin queue's Create I/O Queue commands)
 * @d: device
 * @q: the driver's queue; its id is within queue_count
 * @cpu: interrupts go there
 * @handler: runs there; nvme_queue_of_irq() gives the queue
 *
 * Returns 0 or -ENOMEM.
 */
int nvme_device_add_queue(struct nvme_device *d, struct nvme_queue *q, struct vcpu *cpu,
			  void (*handler)(struct irq *irq));

static inline struct nvme_device *nvme_device_of_irq(struct irq *irq)
{
	return container_of(irq, struct nvme_dev_queue, irq)->device;
}

static inline struct nvme_queue *nvme_queue_of_irq(struct irq *irq)
{
	return container_of(irq, struct nvme_dev_queue, irq)->driver_queue;
}

#endif
