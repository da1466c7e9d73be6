/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvme_driver.h - the driver's half of NVMe: queues, commands, PRP lists, mapping and unmapping of data
 *
 * Models drivers/nvme/host/pci.c, Linux 6.12. Structures are those of the NVM Express base specification 2.0.
 */
#ifndef SIMBENCH_NVME_DRIVER_H
#define SIMBENCH_NVME_DRIVER_H

#include "platform.h"
#include "sim/domain.h"
#include "sim/lock.h"

enum nvme_opcode { NVME_CMD_WRITE = 0x01, NVME_CMD_READ = 0x02 }; /* NVM command set 1.0, figure 17 */

/* Submission queue entry (base specification 3.3.3.1) */
struct nvme_command {
	uint8_t opcode;
	uint8_t flags;
	uint16_t command_id;
	uint32_t nsid;
	uint64_t reserved;
	uint64_t metadata;
	uint64_t prp1;
	uint64_t prp2; /* second page, or the PRP list when there are more than two */
	uint64_t slba;
	uint16_t length; /* 512-byte blocks, less one */
	uint16_t control;
	uint32_t dsmgmt;
	uint64_t appmask;
};

/* Completion queue entry (base specification 3.3.3.2) */
struct nvme_completion {
	uint64_t result;
	uint16_t sq_head;
	uint16_t sq_id;
	uint16_t command_id;
	uint16_t status; /* bit 0: phase */
};

_Static_assert(sizeof(struct nvme_command) == 64, "base specification 3.3.3.1");
_Static_assert(sizeof(struct nvme_completion) == 16, "base specification 3.3.3.2");

#define NVME_CTRL_PAGE_SIZE 4096
#define NVME_MAX_PAGES 256 /* of a command: one list, 1 MiB */
#define NVME_SECTOR_SHIFT 9
#define NVME_MAX_QUEUE_COMMANDS 65535 /* a ring has 65536 entries at most, one of them empty (3.3.3) */

/* Doorbells: register offset of a queue's (base specification 3.1.3) with a stride of 4 bytes */
#define NVME_SQ_DOORBELL(qid) (0x1000U + 8U * (qid))
#define NVME_CQ_DOORBELL(qid) (0x1000U + 8U * (qid) + 4U)

/* What the driver keeps per command (kernel struct nvme_iod in the request), on a line of its own. */
struct nvme_iod {
	uint64_t first_dma;
	uint32_t pages;
	uint16_t tag; /* command id */
	bool write;
	uint64_t *prp_list; /* shared memory; NULL when two pages are the most */
	uint64_t prp_dma;
	void *owner; /* the job's bookkeeping, host memory */
};

/* One queue pair, in the kernel's order. */
struct nvme_queue {
	struct device *dev;
	spinlock_t sq_lock;
	struct nvme_command *sq_cmds;
	struct nvme_completion *cqes __cacheline_aligned;
	uint64_t sq_dma_addr, cq_dma_addr;
	struct mmio_device *q_db;
	uint32_t q_depth; /* a power of two */
	uint16_t sq_tail;
	uint16_t cq_head;
	uint16_t qid;
	uint8_t cq_phase;
	struct nvme_iod **iods; /* by tag */
};

/**
 * nvme_alloc_queue - make a queue pair and map it for its device
 * @dev: device, attached
 * @db: the device's registers
 * @qid: 1..65535
 * @depth: commands that must fit, 1..NVME_MAX_QUEUE_COMMANDS; the rings get the next power of two of entries
 *
 * Returns NULL when memory is short.
 */
struct nvme_queue *nvme_alloc_queue(struct device *dev, struct mmio_device *db, uint16_t qid, uint32_t depth);

/**
 * nvme_queue_rq - map a command's data, write the command and ring the doorbell (kernel function of that name)
 * @q: queue
 * @iod: the command: tag, prp_list, prp_dma and owner are set
 * @write: direction
 * @slba: first 512-byte block
 * @phys: physical address of each page of data
 * @pages: 1..NVME_MAX_PAGES
 *
 * Returns 0, or -ENOMEM when no address or table could be had.
 */
int nvme_queue_rq(struct nvme_queue *q, struct nvme_iod *iod, bool write, uint64_t slba, const uint64_t *phys,
		  unsigned int pages);

/**
 * nvme_process_cq - take what has completed: doorbell first, then unmap and end each (kernel nvme_irq())
 * @q: queue
 * @complete: called for each command, its data unmapped
 *
 * Returns the number of commands.
 */
unsigned int nvme_process_cq(struct nvme_queue *q, void (*complete)(struct nvme_iod *iod));

#endif
