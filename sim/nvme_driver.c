/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/nvme_driver.h"

OBJ_TYPE(nvme_queue, OBJ_FIELD(nvme_queue, dev), OBJ_FIELD(nvme_queue, sq_lock), OBJ_FIELD(nvme_queue, sq_cmds),
	 OBJ_FIELD(nvme_queue, cqes), OBJ_FIELD(nvme_queue, sq_dma_addr), OBJ_FIELD(nvme_queue, cq_dma_addr),
	 OBJ_FIELD(nvme_queue, q_db), OBJ_FIELD(nvme_queue, q_depth), OBJ_FIELD(nvme_queue, sq_tail),
	 OBJ_FIELD(nvme_queue, cq_head), OBJ_FIELD(nvme_queue, qid), OBJ_FIELD(nvme_queue, cq_phase));
OBJ_TYPE_PLAIN(nvme_sq, "nvme submission queue");
OBJ_TYPE_PLAIN(nvme_cq, "nvme completion queue");

static uint32_t round_up_pow2(uint32_t v)
{
	return v > 1 ? 1U << (32 - __builtin_clz(v - 1)) : 1;
}

struct nvme_queue *nvme_alloc_queue(struct device *dev, struct mmio_device *db, uint16_t qid, uint32_t depth)
{
	struct nvme_queue *q = shared_alloc(&nvme_queue_type, sizeof(*q));
	size_t sq_size, cq_size;

	assert(depth && depth <= NVME_MAX_QUEUE_COMMANDS);
	if (!q)
		return NULL;
	/* One slot stays empty, or full would look like empty. */
	q->q_depth = round_up_pow2(depth + 1);
	sq_size = q->q_depth * sizeof(*q->sq_cmds);
	cq_size = q->q_depth * sizeof(*q->cqes);
	q->dev = dev;
	q->q_db = db;
	q->qid = qid;
	q->cq_phase = 1;
	spin_lock_init(&q->sq_lock, "sq_lock");
	q->sq_cmds = shared_alloc_aligned(&nvme_sq_type, sq_size, PAGE_SIZE);
	q->cqes = shared_alloc_aligned(&nvme_cq_type, cq_size, PAGE_SIZE);
	q->iods = calloc(q->q_depth, sizeof(*q->iods));
	if (!q->sq_cmds || !q->cqes || !q->iods)
		goto err;
	q->sq_dma_addr = dma_map_coherent(dev, q->sq_cmds, sq_size);
	q->cq_dma_addr = dma_map_coherent(dev, q->cqes, cq_size);
	if (q->sq_dma_addr && q->cq_dma_addr)
		return q;
err:
	/* What is simulated memory goes with the simulation. */
	free(q->iods);
	return NULL;
}

/* Where the device finds page @i: consecutive addresses behind an IOMMU, the pages themselves without. */
static uint64_t page_dma(struct nvme_queue *q, const struct nvme_iod *iod, const uint64_t *phys, unsigned int i)
{
	return q->dev->group->default_domain ? iod->first_dma + (uint64_t)i * NVME_CTRL_PAGE_SIZE : phys[i];
}

/* The second PRP: nothing, a page, or the list of all pages but the first (kernel nvme_pci_setup_prps()). */
static uint64_t setup_prps(struct nvme_queue *q, struct nvme_iod *iod, const uint64_t *phys, unsigned int pages)
{
	unsigned int i;

	if (pages == 1)
		return 0;
	if (pages == 2)
		return page_dma(q, iod, phys, 1);
	for (i = 1; i < pages; i++)
		WRITE_ONCE(iod->prp_list[i - 1], page_dma(q, iod, phys, i));
	return iod->prp_dma;
}

static void ring_doorbell(struct nvme_queue *q, bool completion, uint16_t value)
{
	struct mmio_device *db = READ_ONCE(q->q_db);
	uint16_t qid = READ_ONCE(q->qid);

	mmio_write(db, completion ? NVME_CQ_DOORBELL(qid) : NVME_SQ_DOORBELL(qid), value);
}

static void submit_cmd(struct nvme_queue *q, const struct nvme_command *cmd)
{
	const uint64_t *from = (const uint64_t *)cmd;
	uint16_t tail = READ_ONCE(q->sq_tail);
	uint64_t *to = (uint64_t *)&READ_ONCE(q->sq_cmds)[tail];
	unsigned int i;

	for (i = 0; i < sizeof(*cmd) / sizeof(*to); i++)
		WRITE_ONCE(to[i], from[i]);
	tail = (uint16_t)((tail + 1U) & (READ_ONCE(q->q_depth) - 1));
	WRITE_ONCE(q->sq_tail, tail);
	ring_doorbell(q, false, tail);
}

int nvme_queue_rq(struct nvme_queue *q, struct nvme_iod *iod, bool write, uint64_t slba, const uint64_t *phys,
		  unsigned int pages)
{
	struct nvme_command cmd = {
		.opcode = write ? NVME_CMD_WRITE : NVME_CMD_READ,
		.nsid = 1,
		.slba = slba,
		.length = (uint16_t)((pages * NVME_CTRL_PAGE_SIZE >> NVME_SECTOR_SHIFT) - 1),
	};
	uint64_t dma;

	assert(pages && pages <= NVME_MAX_PAGES);
	dma = dma_map_pages(READ_ONCE(q->dev), phys, pages, write ? DMA_TO_DEVICE : DMA_FROM_DEVICE);
	if (!dma)
		return -ENOMEM;
	WRITE_ONCE(iod->first_dma, dma);
	WRITE_ONCE(iod->pages, pages);
	WRITE_ONCE(iod->write, write);
	cmd.command_id = READ_ONCE(iod->tag);
	cmd.prp1 = dma;
	cmd.prp2 = setup_prps(q, iod, phys, pages);

	spin_lock(&q->sq_lock);
	submit_cmd(q, &cmd);
	spin_unlock(&q->sq_lock);
	return 0;
}

/* The next completion's command, or NULL when there is none; moves the head. */
static struct nvme_iod *next_completed(struct nvme_queue *q)
{
	uint16_t head = READ_ONCE(q->cq_head);
	struct nvme_completion *cqe = &READ_ONCE(q->cqes)[head];
	uint8_t phase = READ_ONCE(q->cq_phase);
	uint16_t tag;

	if ((smp_load_acquire(&cqe->status) & 1) != phase)
		return NULL;
	tag = READ_ONCE(cqe->command_id);
	head = (uint16_t)((head + 1U) & (READ_ONCE(q->q_depth) - 1));
	if (!head)
		WRITE_ONCE(q->cq_phase, (uint8_t)(phase ^ 1));
	WRITE_ONCE(q->cq_head, head);
	return q->iods[tag];
}

unsigned int nvme_process_cq(struct nvme_queue *q, void (*complete)(struct nvme_iod *iod))
{
	struct device *dev = READ_ONCE(q->dev);
	struct nvme_iod *batch[64];
	unsigned int found, total = 0, i;

	do {
		for (found = 0; found < ARRAY_SIZE(batch); found++) {
			batch[found] = next_completed(q);
			if (!batch[found])
				break;
		}
		if (found)
			ring_doorbell(q, true, READ_ONCE(q->cq_head));
		for (i = 0; i < found; i++) {
			uint64_t dma = READ_ONCE(batch[i]->first_dma);
			uint32_t pages = READ_ONCE(batch[i]->pages);

			dma_unmap_pages(dev, dma, pages);
			complete(batch[i]);
		}
		total += found;
	} while (found == ARRAY_SIZE(batch));
	return total;
}
