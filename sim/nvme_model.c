/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/nvme_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exec/machine_oracle.h"
#include "sim/platform/model/platform.h"

#define PS_PER_S 1000000000000ULL
#define ERLANG_PHASES 8

struct nvme_cmd_state {
	struct nvme_cmd_state *next;
	struct nvme_cmd_state *next_allocated;
	uint16_t qid;
	uint16_t command_id;
	bool write;
	uint32_t pages;
	uint64_t page[]; /* DMA address of each */
};

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Rounded up, so that a ceiling is never exceeded. */
static uint64_t transfer_ps(uint64_t bytes, uint64_t mib_s)
{
	uint64_t ps_per_page = (PS_PER_S / 256 + mib_s - 1) / mib_s;

	return (bytes + PAGE_SIZE - 1) / PAGE_SIZE * ps_per_page;
}

static struct nvme_cmd_state *cmd_get(struct nvme_device *d)
{
	struct nvme_cmd_state *cmd = d->free;

	if (cmd) {
		d->free = cmd->next;
		return cmd;
	}
	cmd = malloc(sizeof(*cmd) + d->max_pages * sizeof(cmd->page[0]));
	if (!cmd) {
		d->sim->engine.error = -ENOMEM;
		engine_stop(&d->sim->engine);
		return NULL;
	}
	cmd->next_allocated = d->allocated;
	d->allocated = cmd;
	return cmd;
}

static void cmd_put(struct nvme_device *d, struct nvme_cmd_state *cmd)
{
	cmd->next = d->free;
	d->free = cmd;
}

/* Every DMA goes through here. */
static enum vtd_fault_reason translate(struct nvme_device *d, uint64_t addr, bool write, uint64_t *time_ps,
				       uint64_t *phys)
{
	enum vtd_fault_reason fault = vtd_translate(&d->requester, addr, write, time_ps, phys);

	if (unlikely(d->sim->oracle != NULL))
		machine_oracle_dma(d->sim, &d->requester, addr, fault == VTD_FAULT_NONE, *phys, *time_ps);
	return fault;
}

/*
 * Reads driver memory by DMA; NULL when the request faults. The request reaches memory at *@time_ps, which moves on
 * to when the data is at the device.
 */
static const void *dma_read(struct nvme_device *d, uint64_t addr, size_t size, uint64_t *time_ps)
{
	uint64_t phys;
	const void *p;

	if (translate(d, addr, false, time_ps, &phys) != VTD_FAULT_NONE)
		return NULL;
	p = region_virt(&d->sim->region, phys);
	*time_ps = coh_agent_read(d->sim, d->agent, p, size, *time_ps) + d->params.pcie_ps;
	return p;
}

static uint64_t sample_latency_ps(struct nvme_device *d)
{
	switch (d->params.latency_dist) {
	case LATDIST_CONSTANT:
		break;
	case LATDIST_ERLANG:
		return rng_erlang_ps(&d->rng, d->params.latency_ps, ERLANG_PHASES);
	case LATDIST_EXPONENTIAL:
		return rng_exponential_ps(&d->rng, d->params.latency_ps);
	}
	return d->params.latency_ps;
}

static void start_service(struct nvme_device *d, struct nvme_cmd_state *cmd, uint64_t time_ps)
{
	d->in_service++;
	engine_post(&d->sim->engine, time_ps + sample_latency_ps(d), &d->media_done, (uintptr_t)cmd);
}

/* The pages of a command: PRP1, then PRP2 as a page or a list. False when the list cannot be read. */
static bool read_prps(struct nvme_device *d, struct nvme_cmd_state *cmd, const struct nvme_command *sqe,
		      uint64_t *time_ps)
{
	const uint64_t *list;

	cmd->page[0] = sqe->prp1;
	if (cmd->pages == 2)
		cmd->page[1] = sqe->prp2;
	if (cmd->pages <= 2)
		return true;
	*time_ps += d->params.pcie_ps;
	list = dma_read(d, sqe->prp2, (cmd->pages - 1) * sizeof(*list), time_ps);
	if (!list)
		return false;
	memcpy(&cmd->page[1], list, (cmd->pages - 1) * sizeof(*list));
	return true;
}

static bool fetch_command(struct nvme_device *d, uint16_t qid, uint64_t time_ps)
{
	struct nvme_dev_queue *q = d->queues[qid];
	const struct nvme_command *sqe;
	struct nvme_cmd_state *cmd;

	sqe = dma_read(d, q->sq_addr + q->sq_head * sizeof(*sqe), sizeof(*sqe), &time_ps);
	if (!sqe)
		return false;
	cmd = cmd_get(d);
	if (!cmd)
		return false;
	cmd->next = NULL;
	cmd->qid = qid;
	cmd->command_id = sqe->command_id;
	cmd->write = sqe->opcode == NVME_CMD_WRITE;
	cmd->pages = ((sqe->length + 1U) << NVME_SECTOR_SHIFT) / NVME_CTRL_PAGE_SIZE;
	if (cmd->pages > d->max_pages || !read_prps(d, cmd, sqe, &time_ps)) {
		cmd_put(d, cmd);
		return false;
	}
	d->fetched++;
	q->sq_head = (q->sq_head + 1) & (q->depth - 1);
	if (d->in_service < d->params.parallelism) {
		start_service(d, cmd, time_ps);
	} else {
		*d->waiting_tail = cmd;
		d->waiting_tail = &cmd->next;
	}
	return true;
}

/* A submission doorbell has arrived, and the fetch of what is new has reached memory: @arg is queue id and new
 * tail. */
static void doorbell_arrived(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct nvme_device *d = container_of(actor, struct nvme_device, doorbell);
	uint16_t qid = (uint16_t)(arg >> 32);
	uint32_t tail = (uint32_t)arg;

	while (d->queues[qid]->sq_head != tail)
		if (!fetch_command(d, qid, time_ps))
			break;
}

/* Translates each page of a command; the translations overlap. Returns when the last one is there. */
static uint64_t translate_pages(struct nvme_device *d, const struct nvme_cmd_state *cmd, uint64_t time_ps)
{
	uint64_t done = time_ps;
	uint32_t i;

	for (i = 0; i < cmd->pages; i++) {
		uint64_t t = time_ps, phys;

		translate(d, cmd->page[i], !cmd->write, &t, &phys);
		done = later(done, t);
	}
	return done;
}

/* The data is there: it goes over the device's data path and the bridge's link, behind what is under way. */
static void media_done(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct nvme_device *d = container_of(actor, struct nvme_device, media_done);
	struct nvme_cmd_state *cmd = (struct nvme_cmd_state *)(uintptr_t)arg, *next = d->waiting;
	uint64_t bytes = (uint64_t)cmd->pages * PAGE_SIZE;
	uint64_t per_io = (PS_PER_S + d->params.iops - 1) / d->params.iops * cmd->pages;
	uint64_t per_byte = transfer_ps(bytes, d->params.mib_s);
	uint64_t ready_ps = translate_pages(d, cmd, time_ps);

	d->in_service--;
	if (next) {
		d->waiting = next->next;
		if (!d->waiting)
			d->waiting_tail = &d->waiting;
		start_service(d, next, time_ps);
	}
	d->free_at_ps = later(d->free_at_ps, ready_ps) + later(per_io, per_byte);
	d->bridge->free_at_ps = later(d->bridge->free_at_ps, ready_ps) + transfer_ps(bytes, d->bridge->mib_s);
	engine_post(&d->sim->engine, later(d->free_at_ps, d->bridge->free_at_ps), &d->transfer_done, arg);
}

static void post_completion(struct nvme_device *d, const struct nvme_cmd_state *cmd, uint64_t time_ps)
{
	struct nvme_dev_queue *q = d->queues[cmd->qid];
	struct nvme_completion *cqe;
	uint64_t phys;

	if (translate(d, q->cq_addr + q->cq_tail * sizeof(*cqe), true, &time_ps, &phys) != VTD_FAULT_NONE)
		return;
	cqe = region_virt(&d->sim->region, phys);
	time_ps = coh_agent_write(d->sim, d->agent, cqe, sizeof(*cqe), time_ps);
	cqe->sq_head = (uint16_t)q->sq_head;
	cqe->sq_id = cmd->qid;
	cqe->command_id = cmd->command_id;
	cqe->status = q->phase;
	q->cq_tail = (q->cq_tail + 1) & (q->depth - 1);
	if (!q->cq_tail)
		q->phase ^= 1;
	vcpu_raise_irq(q->cpu, &q->irq, time_ps + d->params.pcie_ps);
}

/* The last byte has been written. */
static void transfer_done(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct nvme_device *d = container_of(actor, struct nvme_device, transfer_done);
	struct nvme_cmd_state *cmd = (struct nvme_cmd_state *)(uintptr_t)arg;

	d->completed++;
	d->bytes += (uint64_t)cmd->pages * PAGE_SIZE;
	post_completion(d, cmd, time_ps);
	cmd_put(d, cmd);
}

static void nvme_mmio_write(struct mmio_device *mmio, uint32_t offset, uint64_t value, uint64_t time_ps)
{
	struct nvme_device *d = (struct nvme_device *)mmio;
	uint64_t qid = (offset - 0x1000U) / 8;

	if (offset % 8)
		return; /* completion doorbell: frees entries that are never short here */
	engine_post(&d->sim->engine, time_ps + 2 * d->params.pcie_ps, &d->doorbell, qid << 32 | value);
}

static uint64_t nvme_mmio_read(struct mmio_device *mmio, uint32_t offset, uint64_t time_ps)
{
	(void)mmio, (void)offset, (void)time_ps;
	assert(!"the driver reads no register while it does I/O");
	return 0;
}

int nvme_device_init(struct nvme_device *d, struct sim *sim, uint32_t package, struct bridge *bridge,
		     struct vtd_hw *unit, uint16_t rid, bool ats, const struct nvme_params *params,
		     uint32_t queue_count, uint32_t max_pages, uint64_t seed)
{
	int agent = sim_add_agent(sim, package), ret;

	memset(d, 0, sizeof(*d));
	if (agent < 0)
		return agent;
	ret = vtd_requester_init(&d->requester, unit, rid, ats);
	if (ret)
		return ret;
	d->mmio.write = nvme_mmio_write;
	d->mmio.read = nvme_mmio_read;
	d->doorbell.fn = doorbell_arrived;
	d->media_done.fn = media_done;
	d->transfer_done.fn = transfer_done;
	d->sim = sim;
	d->agent = (uint16_t)agent;
	d->bridge = bridge;
	d->params = *params;
	d->queue_count = queue_count;
	d->max_pages = max_pages;
	d->waiting_tail = &d->waiting;
	rng_seed(&d->rng, seed, rid);
	d->queues = calloc(queue_count + 1UL, sizeof(struct nvme_dev_queue *));
	return d->queues ? 0 : -ENOMEM;
}

void nvme_device_destroy(struct nvme_device *d)
{
	uint32_t i;

	for (i = 1; d->queues && i <= d->queue_count; i++) {
		if (d->queues[i])
			free(d->queues[i]->driver_queue->iods);
		free(d->queues[i]);
	}
	free(d->queues);
	while (d->allocated) {
		struct nvme_cmd_state *cmd = d->allocated;

		d->allocated = cmd->next_allocated;
		free(cmd);
	}
	vtd_requester_destroy(&d->requester);
}

int nvme_device_add_queue(struct nvme_device *d, struct nvme_queue *driver, struct vcpu *cpu,
			  void (*handler)(struct irq *irq))
{
	struct nvme_dev_queue *q = calloc(1, sizeof(*q));

	assert(driver->qid && driver->qid <= d->queue_count);
	if (!q)
		return -ENOMEM;
	q->sq_addr = driver->sq_dma_addr;
	q->cq_addr = driver->cq_dma_addr;
	q->depth = driver->q_depth;
	q->phase = 1;
	q->irq.handler = handler;
	q->cpu = cpu;
	q->device = d;
	q->driver_queue = driver;
	d->queues[driver->qid] = q;
	return 0;
}
