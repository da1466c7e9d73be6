/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine_nvme_native.c - NVMe devices on the native executor: completions at the device's pace, on the queue's CPU
 *
 * A queue is worked by the thread that its interrupts go to, so that nobody else shares its state. A doorbell that
 * another CPU rings becomes an event there.
 */
#include "sim/exec/machine_nvme.h"

#include "platform.h"
#include "sim/exec/machine_native.h"
#include "sim/nvme_driver.h"
#include "sim/rng.h"

#define PS_PER_S 1000000000000ULL
#define ERLANG_PHASES 8

/* What a command in the device waits for. */
enum { MEDIA, TRANSFER };

/* A queue pair as the device sees it; everything but the doorbell is its CPU's own. */
struct device_queue {
	struct native_event due;  /* must be first: the earliest of commands */
	struct native_event rung; /* a doorbell that another CPU has rung */
	struct machine_nvme *device;
	struct nvme_queue *driver;
	uint32_t cpu;
	uint32_t sq_head, cq_tail;
	uint16_t phase;
	uint32_t in_service;
	uint32_t waiting_head, waiting_count; /* tags that wait for their service, a ring */
	uint16_t *waiting;
	struct event_queue commands; /* what each waits for: arg is the tag << 1 | MEDIA or TRANSFER */
	uint64_t next_seq;
	uint64_t due_ps; /* when the event above is posted for next */
	uint64_t free_at_ps, link_free_at_ps;
	struct rng rng;
	uint32_t tail __attribute__((aligned(NATIVE_APART))); /* as last rung, by whichever CPU */
	bool rung_posted;
} __attribute__((aligned(NATIVE_APART)));

struct machine_nvme {
	struct mmio_device mmio; /* must be first */
	struct machine *machine;
	struct machine_nvme *next;
	struct machine_nvme_config config;
	uint32_t queues_in_use;
	struct device_queue **queues; /* by queue id, 1.. */
};

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t transfer_ps(uint64_t pages, uint64_t mib_s)
{
	return (PS_PER_S / 256 + mib_s - 1) / mib_s * pages;
}

static uint64_t draw_latency_ps(struct device_queue *q)
{
	const struct nvme_params *p = &q->device->config.nvme;

	switch (p->latency_dist) {
	case LATDIST_CONSTANT:
		break;
	case LATDIST_ERLANG:
		return rng_erlang_ps(&q->rng, p->latency_ps, ERLANG_PHASES);
	case LATDIST_EXPONENTIAL:
		return rng_exponential_ps(&q->rng, p->latency_ps);
	}
	return p->latency_ps;
}

static void push(struct device_queue *q, uint64_t time_ps, uint16_t tag, unsigned int what)
{
	struct event ev = { time_ps, q->next_seq++, NULL, (uint64_t)tag << 1 | what };

	if (event_queue_push(&q->commands, ev))
		cpu_fail(-ENOMEM);
}

static void start_service(struct device_queue *q, uint16_t tag, uint64_t time_ps)
{
	q->in_service++;
	push(q, time_ps + draw_latency_ps(q), tag, MEDIA);
}

/* A share of the device's parallelism, like that of its bandwidth. */
static uint32_t parallelism(const struct device_queue *q)
{
	uint32_t share = q->device->config.nvme.parallelism / q->device->queues_in_use;

	return share ? share : 1;
}

/* Posts the queue's event for the earliest command, unless it is posted for then. */
static void arm(struct device_queue *q)
{
	uint64_t next = event_queue_horizon(&q->commands);

	if (next >= q->due_ps)
		return;
	q->due_ps = q->due.time_ps = next;
	native_post(&q->device->machine->native, q->cpu, &q->due);
}

static void fetch_commands(struct device_queue *q, uint32_t tail, uint64_t time_ps)
{
	while (q->sq_head != tail) {
		uint16_t tag = READ_ONCE(q->driver->sq_cmds[q->sq_head].command_id);

		q->sq_head = (q->sq_head + 1) & (q->driver->q_depth - 1);
		if (q->in_service < parallelism(q)) {
			start_service(q, tag, time_ps);
			continue;
		}
		q->waiting[(q->waiting_head + q->waiting_count++) & (q->driver->q_depth - 1)] = tag;
	}
	arm(q);
}

/* The media has the data: on to the data path and the link, behind what is under way there. */
static void media_done(struct device_queue *q, uint16_t tag, uint64_t time_ps)
{
	const struct machine_nvme *d = q->device;
	uint64_t pages = q->driver->iods[tag]->pages;
	uint64_t per_io = (PS_PER_S + d->config.nvme.iops - 1) / d->config.nvme.iops * pages;
	uint64_t path = later(per_io, transfer_ps(pages, d->config.nvme.mib_s)) * d->queues_in_use;
	uint64_t link = transfer_ps(pages, d->config.bridge_mib_s) * d->machine->nvme_queues;

	q->in_service--;
	if (q->waiting_count) {
		uint16_t next = q->waiting[q->waiting_head];

		q->waiting_head = (q->waiting_head + 1) & (q->driver->q_depth - 1);
		q->waiting_count--;
		start_service(q, next, time_ps);
	}
	q->free_at_ps = later(q->free_at_ps, time_ps) + path;
	q->link_free_at_ps = later(q->link_free_at_ps, time_ps) + link;
	push(q, later(q->free_at_ps, q->link_free_at_ps) + d->config.nvme.pcie_ps, tag, TRANSFER);
}

static void write_completion(struct device_queue *q, uint16_t tag)
{
	struct nvme_completion *cqe = &q->driver->cqes[q->cq_tail];

	WRITE_ONCE(cqe->sq_head, (uint16_t)q->sq_head);
	WRITE_ONCE(cqe->sq_id, q->driver->qid);
	WRITE_ONCE(cqe->command_id, tag);
	smp_store_release(&cqe->status, q->phase);
	q->cq_tail = (q->cq_tail + 1) & (q->driver->q_depth - 1);
	if (!q->cq_tail)
		q->phase ^= 1;
}

/* Everything that is due for this queue; completions that came together make one interrupt. */
static void queue_due(struct native_event *event)
{
	struct device_queue *q = (struct device_queue *)event;
	struct machine_nvme *d = q->device;
	uint64_t start_ps = cpu_clock_ps();
	bool completed = false;

	if (event_queue_horizon(&q->commands) > start_ps)
		return; /* it was posted again, for an earlier command, and has been here for that */
	q->due_ps = EVENT_NEVER;
	while (event_queue_horizon(&q->commands) <= start_ps) {
		struct event ev = event_queue_pop(&q->commands);

		if ((ev.arg & 1) == MEDIA) {
			media_done(q, (uint16_t)(ev.arg >> 1), ev.time_ps);
		} else {
			write_completion(q, (uint16_t)(ev.arg >> 1));
			completed = true;
		}
	}
	arm(q);
	native_owe(cpu_clock_ps() - start_ps);
	if (!completed)
		return;
	cpu_spend(d->machine->native.params.irq_ps);
	d->config.irq(q->driver);
}

static void doorbell_rung(struct native_event *event)
{
	struct device_queue *q = container_of(event, struct device_queue, rung);
	uint64_t start_ps = cpu_clock_ps();

	__atomic_store_n(&q->rung_posted, false, __ATOMIC_SEQ_CST);
	fetch_commands(q, __atomic_load_n(&q->tail, __ATOMIC_SEQ_CST), start_ps);
	native_owe(cpu_clock_ps() - start_ps);
}

static void nvme_write(struct mmio_device *mmio, uint32_t offset, uint64_t value, uint64_t time_ps)
{
	struct machine_nvme *d = (struct machine_nvme *)mmio;
	struct device_queue *q;

	if (offset % 8)
		return; /* completion doorbell: frees entries that are never short here */
	q = d->queues[(offset - 0x1000U) / 8];
	/* The write to the device, and the fetch of the command */
	time_ps += 2 * d->config.nvme.pcie_ps;
	if (q->cpu == this_cpu()->id) {
		q->tail = (uint32_t)value;
		fetch_commands(q, (uint32_t)value, time_ps);
		native_owe(cpu_clock_ps() - (time_ps - 2 * d->config.nvme.pcie_ps));
		return;
	}
	__atomic_store_n(&q->tail, (uint32_t)value, __ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(&q->rung_posted, true, __ATOMIC_SEQ_CST))
		return;
	q->rung.time_ps = time_ps;
	native_post(&d->machine->native, q->cpu, &q->rung);
}

static uint64_t nvme_read(struct mmio_device *mmio, uint32_t offset, uint64_t time_ps)
{
	(void)mmio, (void)offset, (void)time_ps;
	assert(!"the driver reads no register while it does I/O");
	return 0;
}

struct machine_nvme *machine_add_nvme(struct machine *m, const struct machine_nvme_config *config)
{
	struct machine_nvme *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->mmio.write = nvme_write;
	d->mmio.read = nvme_read;
	d->machine = m;
	d->config = *config;
	d->next = m->nvmes;
	m->nvmes = d;
	d->queues = calloc(config->queue_count + 1UL, sizeof(struct device_queue *));
	return d->queues ? d : NULL;
}

void machine_free_nvmes(struct machine *m)
{
	while (m->nvmes) {
		struct machine_nvme *d = m->nvmes;
		uint32_t i;

		for (i = 1; d->queues && i <= d->config.queue_count; i++) {
			if (!d->queues[i])
				continue;
			event_queue_destroy(&d->queues[i]->commands);
			free(d->queues[i]->waiting);
			free(d->queues[i]->driver->iods);
			free(d->queues[i]);
		}
		m->nvmes = d->next;
		free(d->queues);
		free(d);
	}
}

struct mmio_device *machine_nvme_registers(struct machine_nvme *d)
{
	return &d->mmio;
}

int machine_nvme_add_queue(struct machine_nvme *d, struct nvme_queue *driver, uint32_t cpu)
{
	struct device_queue *q = aligned_alloc(NATIVE_APART, sizeof(*q));

	if (!q)
		return -ENOMEM;
	memset(q, 0, sizeof(*q));
	q->due.fn = queue_due;
	q->rung.fn = doorbell_rung;
	q->device = d;
	q->driver = driver;
	q->cpu = cpu;
	q->phase = 1;
	q->due_ps = EVENT_NEVER;
	q->waiting = calloc(driver->q_depth, sizeof(*q->waiting));
	if (!q->waiting || event_queue_init(&q->commands, driver->q_depth)) {
		free(q->waiting);
		free(q);
		return -ENOMEM;
	}
	rng_seed(&q->rng, d->config.seed, (uint64_t)d->config.rid << 16 | driver->qid);
	d->queues[driver->qid] = q;
	d->queues_in_use++;
	d->machine->nvme_queues++;
	return 0;
}

uint64_t machine_nvme_faults(const struct machine_nvme *d)
{
	(void)d;
	return 0;
}
