/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_nvme_model.c - the driver's and the device's half of NVMe against each other, and both against the bytes
 *
 * Links with --wrap for vtd_translate and vcpu_raise_irq, where every DMA and every completion passes by, and for
 * region_alloc, so that memory can run out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/iommu.h"
#include "sim/nvme_driver.h"
#include "sim/nvme_model.h"
#include "sim/rng.h"
#include "tests/sim_test.h"

#define CAP (1ULL << 10 | 47ULL << 16 | 2 | 1ULL << 39 | 18ULL << 48)
#define ECAP (1ULL | 1ULL << 2 | 1ULL << 6)
#define BUF_PHYS (1ULL << 40) /* no CPU and no device reads what is there */
#define PS_PER_S 1000000000000ULL
#define MAX_TAGS 256
#define MAX_DMAS 1024
#define MAX_DONE 40000

struct dma {
	uint64_t iova, phys;
	bool write, fault;
};

struct completion {
	uint64_t time_ps;
	const struct irq *irq;
};

struct doorbell {
	uint32_t offset;
	uint64_t value;
};

/* The device's registers with an ear at them */
struct spy {
	struct mmio_device mmio; /* must be first */
	struct mmio_device *device;
	struct doorbell last[2]; /* submission, completion */
	unsigned int count[2];
	uint64_t rung_ps;
};

struct port {
	struct nvme_device nvme;
	struct spy spy;
	struct device *dev;
	struct iommu_group *group;
	struct nvme_queue *q[3]; /* by queue id, 1.. */
	struct nvme_iod *iods[3][MAX_TAGS];
};

struct fixture {
	struct sim *sim;
	struct vtd_hw unit;
	struct intel_iommu *iommu;
	struct domain_config config;
	struct dmar_domain *domain;
	struct bridge bridge;
	struct port port[2];
	unsigned int ports;
	struct dma dmas[MAX_DMAS];
	unsigned int dma_count;
	struct completion done[MAX_DONE];
	unsigned int done_count;
	unsigned int completed[MAX_TAGS]; /* by tag */
	unsigned int completed_total, irqs, irq_cpu;
	uint16_t order[MAX_DONE]; /* tags, as they completed */
	struct rng rng;
	int allocations_left; /* negative: no limit; none left: none until it is set again */
};

static struct fixture *current; /* the wrapped functions have no argument for it */

static void irq_handler(struct irq *irq);

enum vtd_fault_reason __real_vtd_translate(struct vtd_requester *r, uint64_t iova, bool write, uint64_t *time_ps,
					   uint64_t *phys);
enum vtd_fault_reason __wrap_vtd_translate(struct vtd_requester *r, uint64_t iova, bool write, uint64_t *time_ps,
					   uint64_t *phys);
enum vtd_fault_reason __wrap_vtd_translate(struct vtd_requester *r, uint64_t iova, bool write, uint64_t *time_ps,
					   uint64_t *phys)
{
	enum vtd_fault_reason fault = __real_vtd_translate(r, iova, write, time_ps, phys);

	if (current->dma_count < MAX_DMAS)
		current->dmas[current->dma_count++] = (struct dma){ iova, *phys, write, fault != VTD_FAULT_NONE };
	return fault;
}

void __real_vcpu_raise_irq(struct vcpu *c, struct irq *irq, uint64_t time_ps);
void __wrap_vcpu_raise_irq(struct vcpu *c, struct irq *irq, uint64_t time_ps);
void __wrap_vcpu_raise_irq(struct vcpu *c, struct irq *irq, uint64_t time_ps)
{
	/* Timers interrupt too. */
	if (irq->handler == irq_handler) {
		assert_true(current->done_count < MAX_DONE);
		current->done[current->done_count++] = (struct completion){ time_ps, irq };
	}
	__real_vcpu_raise_irq(c, irq, time_ps);
}

void *__real_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align);
void *__wrap_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align);
void *__wrap_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align)
{
	if (current && !current->allocations_left)
		return NULL;
	if (current && current->allocations_left > 0)
		current->allocations_left--;
	return __real_region_alloc(r, type, size, align);
}

OBJ_TYPE_PLAIN(test_object, "test object");

/* ---- fixture ---- */

static void spy_write(struct mmio_device *mmio, uint32_t offset, uint64_t value, uint64_t time_ps)
{
	struct spy *s = (struct spy *)mmio;
	bool completion = offset & 4;

	s->last[completion] = (struct doorbell){ offset, value };
	s->count[completion]++;
	s->rung_ps = time_ps;
	s->device->write(s->device, offset, value, time_ps);
}

/* Nothing but the device takes time: completion times are the device's own. */
static struct sim_params free_machine(void)
{
	return (struct sim_params){ .coh = { .write_occupancy_pct = 100, .dirty_read_occupancy_pct = 100 },
				    .seed = 1 };
}

static int setup(void **state)
{
	struct sim_params params = free_machine();
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->allocations_left = -1;
	f->sim = sim_test_create("package:2 l3:1 core:2 pu:1", 4, &params);
	f->bridge.mib_s = 1 << 20;
	rng_seed(&f->rng, 8, 8);
	current = f;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	current = NULL;
	sim_test_destroy(f->sim);
	free(f);
	return 0;
}

static void complete(struct nvme_iod *iod)
{
	struct fixture *f = iod->owner;

	f->completed[iod->tag]++;
	f->order[f->completed_total++] = iod->tag;
}

static void irq_handler(struct irq *irq)
{
	current->irqs++;
	current->irq_cpu = smp_processor_id();
	nvme_process_cq(nvme_queue_of_irq(irq), complete);
}

static const struct nvme_params fast = {
	.iops = 100000000,
	.mib_s = 1 << 20,
	.parallelism = 64,
	.latency_ps = 1000000,
	.latency_dist = LATDIST_CONSTANT,
};

static void add_queue(struct fixture *f, struct port *p, uint16_t qid, uint32_t depth, unsigned int cpu)
{
	struct nvme_queue *q = nvme_alloc_queue(p->dev, &p->spy.mmio, qid, depth);
	unsigned int i;
	uint64_t *lists;
	uint64_t dma;

	assert_non_null(q);
	p->q[qid] = q;
	assert_int_equal(nvme_device_add_queue(&p->nvme, q, &f->sim->cpus[cpu], irq_handler), 0);
	lists = shared_alloc_aligned(&test_object_type, depth * 4096UL, PAGE_SIZE);
	dma = dma_map_coherent(p->dev, lists, depth * 4096UL);
	for (i = 0; i < depth; i++) {
		struct nvme_iod *iod = shared_alloc(&test_object_type, sizeof(*iod));

		*iod = (struct nvme_iod){ .tag = (uint16_t)i,
					  .prp_list = lists + i * 512,
					  .prp_dma = dma + i * 4096UL };
		iod->owner = f;
		p->iods[qid][i] = q->iods[i] = iod;
	}
}

/* A device with one queue of @depth commands, its interrupts on CPU 1; behind a domain, or without translation. */
static struct port *add_port(struct fixture *f, const struct nvme_params *params, uint32_t depth, bool translated)
{
	static const struct vtd_timing no_time;
	struct port *p = &f->port[f->ports];
	unsigned int i = f->ports++;

	if (!i) {
		assert_int_equal(vtd_hw_init(&f->unit, f->sim, 0, CAP, ECAP, &no_time, 256), 0);
		f->iommu = iommu_create(&f->unit.mmio, CAP, ECAP, 0, false);
		f->config.policy = translated ? POLICY_ALWAYS : POLICY_PT;
	}
	p->dev = shared_alloc(&test_object_type, sizeof(*p->dev));
	p->group = shared_alloc(&test_object_type, sizeof(*p->group));
	p->dev->group = p->group;
	p->dev->dma_mask = UINT64_MAX;
	p->dev->pci_32bit_workaround = true;
	p->dev->info =
		(struct device_domain_info){ .bus = 7, .devfn = (uint8_t)i, .dev = p->dev, .iommu = f->iommu };
	assert_int_equal(nvme_device_init(&p->nvme, f->sim, 0, &f->bridge, &f->unit, (uint16_t)(0x700 + i), false,
					  params, 2, 256, 42),
			 0);
	p->spy = (struct spy){ .mmio = { .write = spy_write }, .device = &p->nvme.mmio };
	if (translated) {
		if (!f->domain)
			f->domain = domain_alloc(&f->config, f->iommu);
		p->group->default_domain = f->domain;
		assert_int_equal(intel_iommu_attach_device(f->domain, p->dev), 0);
	} else {
		assert_int_equal(identity_domain_attach_dev(p->dev), 0);
	}
	add_queue(f, p, 1, depth, 1);
	f->dma_count = f->done_count = 0;
	return p;
}

static void remove_ports(struct fixture *f)
{
	unsigned int i;

	for (i = 0; i < f->ports; i++) {
		device_block_translation(f->port[i].dev);
		nvme_device_destroy(&f->port[i].nvme);
	}
	domain_free(f->domain);
	vtd_hw_destroy(&f->unit);
	memset(f->port, 0, sizeof(f->port));
	f->ports = 0;
	f->domain = NULL;
	f->completed_total = f->irqs = 0;
	memset(f->completed, 0, sizeof(f->completed));
}

/* CPU 1 serves interrupts for as long as the test body runs. */
static void idle_body(void *arg)
{
	(void)arg;
	for (;;)
		vcpu_idle();
}

static void start_idle_cpus(struct fixture *f)
{
	assert_int_equal(sim_start_cpu(f->sim, 1, idle_body, f), 0);
	assert_int_equal(sim_start_cpu(f->sim, 2, idle_body, f), 0);
}

/* Lets time pass until @total commands have completed, or for long. */
static void wait_for(struct fixture *f, unsigned int total)
{
	unsigned int i;

	for (i = 0; f->completed_total < total && i < 1000000; i++)
		proc_hold(&this_vcpu()->proc, 100000);
}

static void fill_phys(uint64_t *phys, unsigned int pages, unsigned int tag)
{
	unsigned int i;

	for (i = 0; i < pages; i++)
		phys[i] = BUF_PHYS + ((uint64_t)tag * 1024 + i * 3) * 4096;
}

static void queue_command(struct port *p, uint16_t qid, unsigned int tag, unsigned int pages, bool write)
{
	uint64_t phys[256];

	fill_phys(phys, pages, tag);
	assert_int_equal(nvme_queue_rq(p->q[qid], p->iods[qid][tag], write, 8000 + tag * 8, phys, pages), 0);
}

#define RUN(name)                                                                                              \
	static void name(void **state)                                                                         \
	{                                                                                                      \
		start_idle_cpus(*state);                                                                       \
		assert_int_equal(sim_call_on_cpu(((struct fixture *)*state)->sim, 0, name##_body, *state), 0); \
	}

/* ---- bytes ---- */

static void put16(uint8_t *p, unsigned int at, uint64_t v)
{
	p[at] = (uint8_t)v;
	p[at + 1] = (uint8_t)(v >> 8);
}

static void put64(uint8_t *p, unsigned int at, uint64_t v)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		p[at + i] = (uint8_t)(v >> (8 * i));
}

static void check_command(struct fixture *f, struct port *p, unsigned int pages, bool write, unsigned int slot)
{
	const struct nvme_iod *iod = p->iods[1][3];
	uint8_t sqe[64] = { write ? 1 : 2, 0, 3, 0, 1 }, cqe[16] = { 0 };
	uint64_t phys[256], page[256];
	const struct dma *dma = f->dmas;
	unsigned int i;

	fill_phys(phys, pages, 3);
	for (i = 0; i < pages; i++)
		page[i] = f->domain ? iod->first_dma + i * 4096UL : phys[i];
	put64(sqe, 24, page[0]);
	put64(sqe, 32, pages == 1 ? 0 : pages == 2 ? page[1] : iod->prp_dma);
	put64(sqe, 40, 8024);
	put16(sqe, 48, pages * 8 - 1);
	assert_memory_equal(&p->q[1]->sq_cmds[slot], sqe, 64);
	if (pages > 2)
		assert_memory_equal(iod->prp_list, &page[1], (pages - 1) * 8);

	/* The device read the command, the list if there is one, moved the pages and wrote the completion. */
	assert_int_equal(dma->iova, p->q[1]->sq_dma_addr + slot * 64);
	assert_int_equal(dma->phys, virt_to_phys(&p->q[1]->sq_cmds[slot]));
	assert_false(dma->write);
	dma++;
	if (pages > 2) {
		assert_int_equal(dma->iova, iod->prp_dma);
		assert_false(dma->write);
		dma++;
	}
	for (i = 0; i < pages; i++, dma++) {
		assert_int_equal(dma->iova, page[i]);
		assert_int_equal(dma->phys, phys[i]);
		assert_int_equal(dma->write, !write);
		assert_false(dma->fault);
	}
	assert_int_equal(dma->iova, p->q[1]->cq_dma_addr + slot * 16);
	assert_true(dma->write);
	assert_int_equal(dma + 1 - f->dmas, f->dma_count);

	put16(cqe, 8, slot + 1);
	put16(cqe, 10, 1);
	put16(cqe, 12, 3);
	put16(cqe, 14, 1);
	assert_memory_equal(&p->q[1]->cqes[slot], cqe, 16);
}

static void commands_body(void *arg)
{
	static const unsigned int sizes[] = { 1, 2, 3, 4, 32, 33, 34, 255, 256 };
	struct fixture *f = arg;
	unsigned int i, translated;

	for (translated = 0; translated < 2; translated++) {
		struct port *p = add_port(f, &fast, 32, translated);

		assert_int_equal(p->q[1]->q_depth, 64);
		for (i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
			unsigned int pages = sizes[i / 2];

			f->dma_count = 0;
			queue_command(p, 1, 3, pages, i & 1);
			assert_int_equal(p->spy.last[0].offset, 0x1008);
			assert_int_equal(p->spy.last[0].value, i + 1);
			wait_for(f, i + 1);
			assert_int_equal(f->completed[3], i + 1);
			check_command(f, p, pages, i & 1, i);
			assert_int_equal(p->spy.last[1].offset, 0x100c);
			assert_int_equal(p->spy.last[1].value, i + 1);
			/* Unmapped again */
			if (translated)
				assert_int_equal(domain_iova_to_phys(f->domain, p->iods[1][3]->first_dma), 0);
		}
		assert_int_equal(p->nvme.fetched, i);
		assert_int_equal(p->nvme.completed, i);
		assert_int_equal(p->nvme.bytes, 2 * (1 + 2 + 3 + 4 + 32 + 33 + 34 + 255 + 256) * 4096);
		assert_int_equal(p->nvme.requester.dma_faults, 0);
		assert_int_equal(f->irq_cpu, 1);
		assert_int_equal(f->irqs, i);
		remove_ports(f);
	}
}

RUN(commands)

/* As many commands as the depth says fit at once; indices and the phase bit go round. */
static void ring_wrap_body(void *arg)
{
	static const struct {
		uint32_t depth, entries;
	} rings[] = { { 1, 2 }, { 2, 4 }, { 3, 4 }, { 4, 8 }, { 31, 32 }, { 32, 64 } };
	struct fixture *f = arg;
	unsigned int r, i, k;

	for (r = 0; r < ARRAY_SIZE(rings); r++) {
		uint32_t depth = rings[r].depth, entries = rings[r].entries, total = 0;
		struct port *p = add_port(f, &fast, depth, true);

		assert_int_equal(p->q[1]->q_depth, entries);
		for (i = 0; i < 40; i++) {
			unsigned int count = 1 + (unsigned int)rng_below(&f->rng, depth);

			for (k = 0; k < count; k++)
				queue_command(p, 1, k, 1, false);
			total += count;
			assert_int_equal(p->spy.last[0].value, total % entries);
			wait_for(f, total);
			assert_int_equal(f->completed_total, total);
			assert_int_equal(p->q[1]->cq_head, total % entries);
			assert_int_equal(p->q[1]->cq_phase, !(total / entries & 1));
			assert_int_equal(p->spy.last[1].value, total % entries);
			/* The newest completion has the phase of its round, and so have all of this round. */
			for (k = 0; k < entries; k++) {
				unsigned int round = total / entries;

				if (k >= total % entries && !round--)
					continue;
				assert_int_equal(p->q[1]->cqes[k].status, !(round & 1));
			}
			assert_int_equal(p->q[1]->cqes[(total - 1) % entries].sq_head, total % entries);
		}
		remove_ports(f);
	}
}

RUN(ring_wrap)

/* Latencies differ, so completions overtake each other; each command ends once, and its own memory is unmapped. */
static void any_order_body(void *arg)
{
	struct nvme_params params = fast;
	struct fixture *f = arg;
	unsigned int i, round, overtaken = 0;
	struct port *p;

	params.latency_dist = LATDIST_EXPONENTIAL;
	p = add_port(f, &params, MAX_TAGS, true);
	add_queue(f, p, 2, 16, 2);
	for (round = 1; round <= 5; round++) {
		for (i = 0; i < MAX_TAGS; i++)
			queue_command(p, 1, i, 1 + i % 4, i & 1);
		wait_for(f, round * MAX_TAGS);
		for (i = 0; i < MAX_TAGS; i++) {
			assert_int_equal(f->completed[i], round);
			assert_int_equal(domain_iova_to_phys(f->domain, p->iods[1][i]->first_dma), 0);
		}
	}
	for (i = 1; i < f->completed_total; i++)
		overtaken += f->order[i] < f->order[i - 1];
	assert_true(overtaken > 100);

	/* The other queue's interrupts go where it was told to. */
	queue_command(p, 2, 5, 1, false);
	assert_int_equal(p->spy.last[0].offset, 0x1010);
	wait_for(f, 5 * MAX_TAGS + 1);
	assert_int_equal(p->spy.last[1].offset, 0x1014);
	assert_int_equal(f->irq_cpu, 2);
	assert_int_equal(p->q[2]->cqes[0].sq_id, 2);
	remove_ports(f);
}

RUN(any_order)

/* A CPU that is busy with interrupts off finds all that has completed meanwhile with one interrupt. */
static void busy_body(void *arg)
{
	unsigned long flags = local_irq_save();

	proc_hold(&this_vcpu()->proc, 2000000000);
	local_irq_restore(flags);
	idle_body(arg);
}

static void late_interrupt_body(void *arg)
{
	struct fixture *f = arg;
	struct port *p = add_port(f, &fast, MAX_TAGS, true);
	unsigned int i;

	for (i = 0; i < 200; i++)
		queue_command(p, 1, i, 1, false);
	wait_for(f, 200);
	assert_int_equal(f->completed_total, 200);
	assert_int_equal(f->irqs, 1);
	assert_int_equal(p->spy.last[1].value, 200);
	remove_ports(f);
}

static void late_interrupt(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sim_start_cpu(f->sim, 1, busy_body, f), 0);
	assert_int_equal(sim_call_on_cpu(f->sim, 0, late_interrupt_body, f), 0);
}

/* ---- speed ---- */

/* Keeps @depth commands of @pages pages in flight until @total have been issued, then waits for all. */
static void saturate(struct fixture *f, unsigned int depth, unsigned int total, const unsigned int *pages)
{
	unsigned int issued = 0, reaped = 0, i;
	uint64_t phys[256];

	fill_phys(phys, 256, 0);
	for (i = 0; i < depth * f->ports; i++, issued++)
		queue_command(&f->port[i % f->ports], 1, i / f->ports, pages[issued % 4], issued & 1);
	while (issued < total) {
		while (reaped == f->completed_total)
			proc_hold(&this_vcpu()->proc, 20000);
		/* The slot that has ended goes again, on whichever port it was idle. */
		for (i = 0; i < f->ports && issued < total && reaped < f->completed_total; i++) {
			uint16_t tag = f->order[reaped];
			struct port *p = &f->port[i];
			unsigned int in_flight = (p->q[1]->sq_tail - p->q[1]->cq_head) & (p->q[1]->q_depth - 1);

			if (in_flight >= depth)
				continue;
			queue_command(p, 1, tag, pages[issued % 4], issued & 1);
			issued++, reaped++;
		}
	}
	wait_for(f, total);
	assert_int_equal(f->completed_total, total);
}

/* No two completions are closer than the slowest of the limits allows, and a full queue keeps it busy. */
static void check_ceiling(struct fixture *f, struct nvme_params params, uint64_t bridge_mib_s, unsigned int pages,
			  uint64_t per_command_ps)
{
	const unsigned int sizes[4] = { pages, pages, pages, pages };
	unsigned int total = 3000, i;
	uint64_t span;

	f->bridge.mib_s = bridge_mib_s;
	add_port(f, &params, 64, true);
	saturate(f, 64, total, sizes);
	assert_int_equal(f->done_count, total);
	for (i = 1; i < total; i++)
		assert_true(f->done[i].time_ps - f->done[i - 1].time_ps >= per_command_ps);
	/* From the middle on, when it runs at full speed */
	span = f->done[total - 100].time_ps - f->done[100].time_ps;
	assert_true(span <= (total - 200) * per_command_ps * 1001 / 1000);
	remove_ports(f);
}

static void ceilings_body(void *arg)
{
	struct nvme_params params = fast;

	params.latency_ps = 20000000;
	params.latency_dist = LATDIST_ERLANG;
	params.iops = 700000; /* 64 commands of 20 us could do 3.2 million */
	check_ceiling(arg, params, 1 << 20, 1, PS_PER_S / 700000);
	check_ceiling(arg, params, 1 << 20, 5, 5 * (PS_PER_S / 700000));
	params.iops = 100000000;
	params.mib_s = 3000;
	check_ceiling(arg, params, 1 << 20, 1, PS_PER_S / 256 / 3000);
	check_ceiling(arg, params, 1 << 20, 32, 32 * (PS_PER_S / 256 / 3000));
	/* The bridge is narrower than the device. */
	check_ceiling(arg, params, 2000, 16, 16 * (PS_PER_S / 256 / 2000));
}

RUN(ceilings)

/* At most so many commands are worked on at a time: with a constant latency they come in groups. */
static void parallelism_body(void *arg)
{
	struct fixture *f = arg;
	struct nvme_params params = fast;
	unsigned int i;
	struct port *p;

	params.parallelism = 6;
	params.latency_ps = 5000000;
	p = add_port(f, &params, 64, true);
	for (i = 0; i < 60; i++)
		queue_command(p, 1, i, 1, false);
	wait_for(f, 60);
	for (i = 6; i < 60; i++) {
		uint64_t apart = f->done[i].time_ps - f->done[i - 6].time_ps;

		assert_true(apart >= params.latency_ps && apart < params.latency_ps + 100000);
	}
	/* First come, first served */
	for (i = 0; i < 60; i++)
		assert_int_equal(f->order[i], i);
	remove_ports(f);
}

RUN(parallelism)

/* Two devices that together want more than their bridge carries; both get on. */
static void shared_bridge_body(void *arg)
{
	static const unsigned int sizes[4] = { 1, 8, 2, 4 };
	struct nvme_params params = fast;
	struct fixture *f = arg;
	unsigned int total = 4000, i;
	uint64_t bytes, span, page_ps = PS_PER_S / 256 / 2500;

	params.latency_ps = 20000000;
	params.latency_dist = LATDIST_ERLANG;
	params.mib_s = 2400;
	f->bridge.mib_s = 2500;
	add_port(f, &params, 64, true);
	add_port(f, &params, 64, true);
	saturate(f, 60, total, sizes);
	bytes = f->port[0].nvme.bytes + f->port[1].nvme.bytes;
	assert_int_equal(bytes, total / 4 * 15 * 4096UL);
	/* In every window: what completes in it after its first must have passed within it. */
	for (i = 1; i < total; i++)
		assert_true(f->done[i].time_ps - f->done[i - 1].time_ps >= page_ps);
	span = f->done[total - 1].time_ps - f->done[0].time_ps;
	assert_true(span >= (bytes / 4096 - 8) * page_ps);
	assert_true(span <= bytes / 4096 * page_ps * 103 / 100);
	assert_true(f->port[0].nvme.completed > total / 3 && f->port[1].nvme.completed > total / 3);
	remove_ports(f);
}

RUN(shared_bridge)

/* One command at a time: mean and variance of the time inside the device. */
static void check_latency(struct fixture *f, enum latency_dist dist, double cv2, double tolerance)
{
	struct nvme_params params = fast;
	const unsigned int samples = 6000;
	double sum = 0, squares = 0, mean;
	struct port *p;
	unsigned int i;

	params.latency_ps = 80000000;
	params.latency_dist = dist;
	params.pcie_ps = 0;
	p = add_port(f, &params, 4, true);
	for (i = 0; i < samples; i++) {
		/* What the data path adds: one page at the IOPS ceiling */
		uint64_t start, transfer_ps = PS_PER_S / params.iops;
		double took;

		queue_command(p, 1, 0, 1, false);
		start = p->spy.rung_ps;
		wait_for(f, i + 1);
		took = (double)(f->done[i].time_ps - start - transfer_ps);
		if (dist == LATDIST_CONSTANT)
			assert_true(f->done[i].time_ps - start - transfer_ps == params.latency_ps);
		sum += took;
		squares += took * took;
	}
	mean = sum / samples;
	assert_true(mean >= 80e6 * (1 - tolerance) && mean <= 80e6 * (1 + tolerance));
	assert_true(squares / samples / mean / mean - 1 >= cv2 - 4 * tolerance);
	assert_true(squares / samples / mean / mean - 1 <= cv2 + 4 * tolerance);
	remove_ports(f);
}

static void latencies_body(void *arg)
{
	check_latency(arg, LATDIST_CONSTANT, 0, 0);
	check_latency(arg, LATDIST_ERLANG, 1. / 8, 0.02);
	check_latency(arg, LATDIST_EXPONENTIAL, 1, 0.04);
}

RUN(latencies)

/*
 * The link's delay, four times: for the doorbell, for the read of the command and the answer to it, and for the
 * interrupt; the command's own time and the data path's on top.
 */
static void link_delay_body(void *arg)
{
	struct nvme_params params = fast;
	struct fixture *f = arg;
	struct port *p;
	uint64_t rung_ps;

	params.pcie_ps = 400000;
	p = add_port(f, &params, 4, true);
	queue_command(p, 1, 0, 1, false);
	rung_ps = p->spy.rung_ps;
	wait_for(f, 1);
	assert_int_equal(f->done[0].time_ps - rung_ps,
			 4 * params.pcie_ps + params.latency_ps + PS_PER_S / params.iops);
	/* A list is another read. */
	queue_command(p, 1, 0, 3, false);
	rung_ps = p->spy.rung_ps;
	wait_for(f, 2);
	assert_int_equal(f->done[1].time_ps - rung_ps,
			 6 * params.pcie_ps + params.latency_ps + 3 * PS_PER_S / params.iops);
	remove_ports(f);
}

RUN(link_delay)

/* ---- what goes wrong ---- */

static void missing_mapping_body(void *arg)
{
	struct fixture *f = arg;
	struct nvme_params params = fast;
	struct port *p;
	uint64_t iova;

	params.latency_ps = 100000000;
	p = add_port(f, &params, 8, true);
	add_queue(f, p, 2, 8, 2);
	f->unit.iotlb_misses = 0;

	/* Two of a command's five pages are gone when it moves them: it completes, and they are counted. */
	queue_command(p, 1, 0, 5, false);
	iova = p->iods[1][0]->first_dma;
	assert_int_equal(iommu_unmap(f->domain, iova + 4096, 4096), 4096);
	assert_int_equal(iommu_unmap(f->domain, iova + 3 * 4096, 4096), 4096);
	proc_hold(&this_vcpu()->proc, 90000000);
	assert_int_equal(p->nvme.requester.dma_faults, 0);
	assert_int_equal(iommu_map(f->domain, iova + 4096, BUF_PHYS, 4096, DMA_PTE_READ), 0);
	proc_hold(&this_vcpu()->proc, 5000000);
	assert_int_equal(f->completed_total, 0);
	assert_int_equal(iommu_map(f->domain, iova + 3 * 4096, BUF_PHYS, 4096, DMA_PTE_WRITE), 0);
	wait_for(f, 1);
	assert_int_equal(f->completed_total, 1);
	assert_int_equal(p->nvme.requester.dma_faults, 1); /* mapped, but not for writing */
	assert_int_equal(p->nvme.requester.last_fault, VTD_FAULT_WRITE);

	/* A PRP list that is not there stops its queue; the other one goes on. */
	assert_int_equal(iommu_unmap(f->domain, p->iods[1][1]->prp_dma, 4096), 4096);
	queue_command(p, 1, 1, 3, false);
	queue_command(p, 1, 2, 1, false);
	queue_command(p, 2, 3, 1, false);
	proc_hold(&this_vcpu()->proc, 300000000);
	assert_int_equal(f->completed_total, 2);
	assert_int_equal(f->completed[3], 1);
	assert_true(p->nvme.requester.dma_faults >= 2);
	assert_int_equal(p->nvme.requester.last_fault, VTD_FAULT_READ);

	/* Nor does anything come of commands that cannot be read, or of a completion that cannot be written. */
	assert_int_equal(iommu_unmap(f->domain, p->q[2]->cq_dma_addr, 4096), 4096);
	queue_command(p, 2, 3, 1, false);
	proc_hold(&this_vcpu()->proc, 300000000);
	assert_int_equal(f->completed[3], 1);
	assert_int_equal(p->nvme.requester.last_fault, VTD_FAULT_WRITE);
	assert_int_equal(iommu_unmap(f->domain, p->q[2]->sq_dma_addr, 4096), 4096);
	queue_command(p, 2, 4, 1, false);
	proc_hold(&this_vcpu()->proc, 300000000);
	assert_int_equal(f->completed[4], 0);
	assert_int_equal(p->nvme.requester.last_fault, VTD_FAULT_READ);
	remove_ports(f);
}

RUN(missing_mapping)

/* Without memory for a mapping nothing is submitted; a queue that cannot be made leaves nothing behind. */
static void short_of_memory_body(void *arg)
{
	struct fixture *f = arg;
	struct port *p = add_port(f, &fast, 8, true);
	struct nvme_queue *q = NULL;
	uint64_t phys[256];
	unsigned int i;

	fill_phys(phys, 256, 0);
	f->allocations_left = 0;
	assert_int_equal(nvme_queue_rq(p->q[1], p->iods[1][0], false, 0, phys, 256), -ENOMEM);
	f->allocations_left = -1;
	assert_int_equal(p->q[1]->sq_tail, 0);
	assert_int_equal(p->spy.count[0], 0);
	queue_command(p, 1, 0, 256, false);
	wait_for(f, 1);
	assert_int_equal(f->completed[0], 1);
	for (i = 0; !q; i++) {
		f->allocations_left = (int)i;
		q = nvme_alloc_queue(p->dev, &p->spy.mmio, 2, 1000);
		f->allocations_left = -1;
		assert_true(i < 40);
	}
	assert_true(i > 3);
	assert_int_equal(nvme_device_add_queue(&p->nvme, q, &f->sim->cpus[2], irq_handler), 0);
	remove_ports(f);
}

RUN(short_of_memory)

/* Larger than the device was told that commands get */
static void too_large_body(void *arg)
{
	struct fixture *f = arg;
	struct port *p = add_port(f, &fast, 8, true);

	p->nvme.max_pages = 4;
	queue_command(p, 1, 0, 4, false);
	wait_for(f, 1);
	queue_command(p, 1, 1, 5, false);
	proc_hold(&this_vcpu()->proc, 100000000);
	assert_int_equal(f->completed_total, 1);
	assert_int_equal(p->nvme.fetched, 1);
	remove_ports(f);
}

RUN(too_large)

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands),	  TEST(ring_wrap),	 TEST(any_order),	TEST(late_interrupt),
		TEST(ceilings),	  TEST(parallelism),	 TEST(shared_bridge),	TEST(latencies),
		TEST(link_delay), TEST(missing_mapping), TEST(short_of_memory), TEST(too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
