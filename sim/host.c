/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/host_stats.h"
#include "sim/iommu.h"
#include "sim/platform/model/platform.h"

/* I/O buffers are memory that no CPU here touches: addresses above all simulated memory, and not contiguous. */
#define DATA_PHYS_BASE (1ULL << 40)
#define PAGE_STRIDE 2

/* Jobs start within this time of each other. */
#define START_SPREAD_PS 20000000ULL

/* The completions that a job has not reaped yet (the kernel's aio ring): a line that both sides touch. */
struct aio_ring {
	uint32_t head, tail;
};

OBJ_TYPE(aio_ring, OBJ_FIELD(aio_ring, head), OBJ_FIELD(aio_ring, tail));
OBJ_TYPE_PLAIN(nvme_iod, "nvme_iod");
OBJ_TYPE_PLAIN(prp_list, "prp list");
OBJ_TYPE_PLAIN(device, "struct device");
OBJ_TYPE_PLAIN(iommu_group, "iommu group");

/* A job's I/O, host memory. */
struct io {
	struct nvme_iod *iod;
	struct job *job;
	struct io *next;
	uint64_t issued_ps;
	uint64_t phys[]; /* of each page */
};

struct job {
	struct host *host;
	struct job *next_on_cpu;
	struct vcpu *cpu;
	struct nvme_queue *queue;
	uint32_t device, number;
	struct aio_ring *ring;
	struct io *idle, *done, **done_tail;
	struct io **ios;
	struct irq wake; /* a completion on another CPU */
	struct rng rng;
	uint64_t blocks; /* of the device, to choose from */
};

struct host_device {
	struct device *dev;
	struct iommu_group *group;
	struct nvme_device nvme;
	struct nvme_queue **queues; /* by index, 0.. */
	uint32_t *queue_depth;
	struct host_device_result result;
};

struct host {
	const struct host_params *params;
	struct sim sim;
	struct host_result *result;
	uint32_t *pus; /* CPUs in use, ascending */
	uint32_t cpu_count;
	uint32_t *cpu_of_job; /* index into pus */
	struct vtd_hw *units;
	struct intel_iommu **iommus;
	struct bridge *bridges;
	struct dmar_domain **domains;
	uint32_t domain_count;
	struct host_device *devices;
	struct job *jobs;
	struct job **cpu_jobs; /* by CPU */
	uint32_t job_count;
	uint32_t queue_count; /* per device */
	struct actor warm, over, sample;
	bool measuring;
	uint64_t inflight;
	uint64_t calls_before[FN_COUNT];
	int setup_error;
	char *err;
	size_t err_size;
};

static void sum_calls(const struct host *h, uint64_t calls[FN_COUNT])
{
	uint32_t i, fn;

	memset(calls, 0, FN_COUNT * sizeof(calls[0]));
	for (i = 0; i < h->cpu_count; i++)
		for (fn = 0; fn < FN_COUNT; fn++)
			calls[fn] += h->sim.cpus[i].calls[fn];
}

/* ---- jobs ---- */

static void record_completion(struct job *job, const struct io *io)
{
	struct host_result *r = job->host->result;
	struct host_device_result *d = &job->host->devices[job->device].result;
	uint64_t latency_ps = this_vcpu()->proc.now_ps - io->issued_ps;

	job->host->inflight--;
	r->completed++;
	if (!job->host->measuring)
		return;
	r->ios++;
	r->bytes += job->host->params->bs;
	r->read_ios += !io->iod->write;
	r->latency_sum_ps += latency_ps;
	histogram_record(&r->latency_ns, latency_ps / 1000);
	d->ios++;
	d->bytes += job->host->params->bs;
	d->latency_sum_ps += latency_ps;
}

static void reap_one(struct job *job)
{
	struct io *io = job->done;

	vcpu_work(job->host->params->complete_ps / 2);
	(void)READ_ONCE(job->ring->tail);
	WRITE_ONCE(job->ring->head, READ_ONCE(job->ring->head) + 1);
	job->done = io->next;
	if (!job->done)
		job->done_tail = &job->done;
	record_completion(job, io);
	io->next = job->idle;
	job->idle = io;
}

static void submit_one(struct job *job)
{
	const struct host_params *p = job->host->params;
	struct io *io = job->idle;
	uint64_t pages = p->bs >> PAGE_SHIFT;
	uint64_t slba = rng_below(&job->rng, job->blocks) * (p->bs >> NVME_SECTOR_SHIFT);
	bool write = rng_below(&job->rng, 100) >= p->read_pct;

	job->idle = io->next;
	vcpu_work(p->submit_ps);
	io->issued_ps = this_vcpu()->proc.now_ps;
	job->host->inflight++;
	job->host->result->submitted++;
	if (nvme_queue_rq(job->queue, io->iod, write, slba, io->phys, (unsigned int)pages)) {
		job->host->sim.engine.error = -ENOMEM;
		engine_stop(&job->host->sim.engine);
	}
}

/* Does one thing for the job; false when there is nothing to do until a completion comes. */
static bool job_step(struct job *job)
{
	if (!job->done && !job->idle)
		return false;
	if (job->done)
		reap_one(job);
	if (job->idle)
		submit_one(job);
	return true;
}

static void cpu_body(void *arg)
{
	struct job *first = *(struct job **)arg, *job;

	vcpu_work(rng_below(&first->rng, START_SPREAD_PS));
	for (;;) {
		bool busy = false;

		for (job = first; job; job = job->next_on_cpu)
			busy |= job_step(job);
		if (!busy)
			vcpu_idle();
	}
}

/* ---- interrupts ---- */

static void wake_handler(struct irq *irq)
{
	(void)irq;
	this_vcpu()->proc.now_ps += this_vcpu()->sim->params.irq_ps;
}

static void io_completed(struct nvme_iod *iod)
{
	struct io *io = iod->owner;
	struct job *job = io->job;
	struct vcpu *c = this_vcpu();

	c->proc.now_ps += job->host->params->complete_ps / 2;
	WRITE_ONCE(job->ring->tail, READ_ONCE(job->ring->tail) + 1);
	io->next = NULL;
	*job->done_tail = io;
	job->done_tail = &io->next;
	if (job->cpu != c) {
		proc_sync(&c->proc);
		vcpu_raise_irq(job->cpu, &job->wake, c->proc.now_ps);
	}
}

static void nvme_irq_handler(struct irq *irq)
{
	this_vcpu()->proc.now_ps += this_vcpu()->sim->params.irq_ps;
	nvme_process_cq(nvme_queue_of_irq(irq), io_completed);
}

/* ---- setup, on CPU 0 ---- */

static int create_units(struct host *h)
{
	const struct host_params *p = h->params;
	uint32_t i, packages = p->topology->package_count;
	int ret;

	for (i = 0; i < p->units; i++) {
		ret = vtd_hw_init(&h->units[i], &h->sim, i % packages, p->unit_cap[i], p->unit_ecap[i], &p->vtd,
				  p->iotlb_entries);
		if (ret)
			return ret;
		h->iommus[i] = iommu_create(&h->units[i].mmio, p->unit_cap[i], p->unit_ecap[i], (int)i,
					    p->domain.first_stage);
		if (!h->iommus[i])
			return -ENOMEM;
	}
	return 0;
}

static int attach_device(struct host *h, uint32_t i)
{
	const struct host_params *p = h->params;
	struct host_device *d = &h->devices[i];
	struct intel_iommu *iommu = h->iommus[i % p->units];
	uint32_t domain = p->shared_bridge ? 0 : i;
	int ret;

	d->dev = shared_alloc(&device_type, sizeof(*d->dev));
	d->group = shared_alloc(&iommu_group_type, sizeof(*d->group));
	if (!d->dev || !d->group)
		return -ENOMEM;
	d->dev->group = d->group;
	d->dev->dma_mask = UINT64_MAX;
	d->dev->pci_32bit_workaround = true;
	d->dev->info = (struct device_domain_info){
		.bus = (uint8_t)(1 + i / 256),
		.devfn = (uint8_t)(i % 256),
		.dev = d->dev,
		.iommu = iommu,
		.ats_supported = p->ats,
		.ats_qdep = 32,
	};
	if (p->domain.policy == POLICY_PT)
		return identity_domain_attach_dev(d->dev);

	if (!h->domains[domain]) {
		h->domains[domain] = domain_alloc(&p->domain, iommu);
		if (!h->domains[domain])
			return -ENOMEM;
	}
	d->group->default_domain = h->domains[domain];
	ret = intel_iommu_attach_device(h->domains[domain], d->dev);
	if (ret == -EINVAL)
		snprintf(h->err, h->err_size, "device %u cannot be attached to a domain of policy %s: -EINVAL", i,
			 policy_name(p->domain.policy));
	return ret;
}

static int create_device(struct host *h, uint32_t i)
{
	const struct host_params *p = h->params;
	struct host_device *d = &h->devices[i];
	uint32_t bridge = p->shared_bridge ? 0 : i;
	int ret;

	ret = nvme_device_init(&d->nvme, &h->sim, bridge % p->topology->package_count, &h->bridges[bridge],
			       &h->units[i % p->units], (uint16_t)((1 + i / 256) << 8 | i % 256), p->ats, &p->nvme,
			       h->queue_count, (uint32_t)(p->bs >> PAGE_SHIFT), p->sim.seed);
	if (ret)
		return ret;
	d->queues = calloc(h->queue_count, sizeof(struct nvme_queue *));
	d->queue_depth = calloc(h->queue_count, sizeof(*d->queue_depth));
	if (!d->queues || !d->queue_depth)
		return -ENOMEM;
	return attach_device(h, i);
}

/* blk-mq's mapping: consecutive CPUs share a queue; its interrupt goes to the first of them. */
static uint32_t queue_of_cpu(const struct host *h, uint32_t cpu)
{
	return (uint32_t)((uint64_t)cpu * h->queue_count / h->cpu_count);
}

static uint32_t first_cpu_of_queue(const struct host *h, uint32_t queue)
{
	return (uint32_t)(((uint64_t)queue * h->cpu_count + h->queue_count - 1) / h->queue_count);
}

static int create_queue(struct host *h, struct host_device *d, uint32_t index)
{
	struct nvme_queue *q;

	if (d->queue_depth[index] > NVME_MAX_QUEUE_COMMANDS) {
		snprintf(h->err, h->err_size,
			 "%u commands in flight on one queue, at most %u are possible: fewer --jobs, a smaller "
			 "--iodepth "
			 "or more --queues",
			 d->queue_depth[index], NVME_MAX_QUEUE_COMMANDS);
		return -EINVAL;
	}
	q = nvme_alloc_queue(d->dev, &d->nvme.mmio, (uint16_t)(index + 1), d->queue_depth[index]);
	if (!q)
		return -ENOMEM;
	d->queues[index] = q;
	return nvme_device_add_queue(&d->nvme, q, &h->sim.cpus[first_cpu_of_queue(h, index)], nvme_irq_handler);
}

/* One list for each I/O of a job, mapped for good as a dma_pool's pages are. */
static int create_prp_lists(struct host *h, struct job *job)
{
	uint64_t pages = h->params->bs >> PAGE_SHIFT, dma;
	size_t size = pages > 33 ? PAGE_SIZE : 256; /* the kernel's two pools */
	uint32_t i;
	char *lists;

	if (pages <= 2)
		return 0;
	lists = shared_alloc_aligned(&prp_list_type, size * h->params->iodepth, PAGE_SIZE);
	if (!lists)
		return -ENOMEM;
	dma = dma_map_coherent(h->devices[job->device].dev, lists, size * h->params->iodepth);
	if (!dma)
		return -ENOMEM;
	for (i = 0; i < h->params->iodepth; i++) {
		job->ios[i]->iod->prp_list = (uint64_t *)(void *)(lists + i * size);
		job->ios[i]->iod->prp_dma = dma + i * size;
	}
	return 0;
}

static int create_io(struct host *h, struct job *job, uint32_t slot, uint32_t *next_tag)
{
	uint64_t pages = h->params->bs >> PAGE_SHIFT;
	uint64_t first = ((uint64_t)job->number * h->params->iodepth + slot) * pages;
	struct io *io = calloc(1, sizeof(*io) + pages * sizeof(io->phys[0]));
	uint64_t i;

	if (!io)
		return -ENOMEM;
	job->ios[slot] = io;
	io->job = job;
	io->iod = shared_alloc(&nvme_iod_type, sizeof(*io->iod));
	if (!io->iod)
		return -ENOMEM;
	io->iod->owner = io;
	io->iod->tag = (uint16_t)*next_tag;
	job->queue->iods[(*next_tag)++] = io->iod;
	for (i = 0; i < pages; i++)
		io->phys[i] = DATA_PHYS_BASE + (first + i) * PAGE_STRIDE * PAGE_SIZE;
	io->next = job->idle;
	job->idle = io;
	return 0;
}

static int create_job(struct host *h, struct job *job, uint32_t *next_tag)
{
	uint32_t i;
	int ret = 0;

	job->ring = shared_alloc(&aio_ring_type, sizeof(*job->ring));
	job->ios = calloc(h->params->iodepth, sizeof(struct io *));
	if (!job->ring || !job->ios)
		return -ENOMEM;
	for (i = 0; !ret && i < h->params->iodepth; i++)
		ret = create_io(h, job, i, next_tag);
	return ret ? ret : create_prp_lists(h, job);
}

static int create_jobs(struct host *h)
{
	uint32_t *next_tag = calloc((size_t)h->params->devices * h->queue_count, sizeof(*next_tag));
	uint32_t i;
	int ret = next_tag ? 0 : -ENOMEM;

	for (i = 0; !ret && i < h->job_count; i++) {
		struct job *job = &h->jobs[i];
		struct host_device *d = &h->devices[job->device];
		uint32_t index = queue_of_cpu(h, job->cpu->id);

		if (!d->queues[index])
			ret = create_queue(h, d, index);
		if (!ret) {
			job->queue = d->queues[index];
			ret = create_job(h, job, &next_tag[(size_t)job->device * h->queue_count + index]);
		}
	}
	free(next_tag);
	return ret;
}

static void host_setup(void *arg)
{
	struct host *h = arg;
	uint32_t i;
	int ret;

	ret = create_units(h);
	for (i = 0; !ret && i < h->params->devices; i++)
		ret = create_device(h, i);
	for (i = 0; !ret && i < h->job_count; i++)
		h->devices[h->jobs[i].device].queue_depth[queue_of_cpu(h, h->jobs[i].cpu->id)] +=
			h->params->iodepth;
	if (!ret)
		ret = create_jobs(h);
	h->setup_error = ret;
}

/* ---- the run ---- */

static void warmup_over(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct host *h = container_of(actor, struct host, warm);
	uint32_t i;

	(void)arg;
	sum_calls(h, h->calls_before);
	for (i = 0; i < h->params->units; i++)
		h->units[i].iotlb_hits = h->units[i].iotlb_misses = 0;
	sim_reset_stats(&h->sim, time_ps);
	h->measuring = true;
}

static void run_over(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct host *h = container_of(actor, struct host, over);

	(void)arg;
	h->result->elapsed_ps = time_ps - h->sim.measure_start_ps;
	engine_stop(&h->sim.engine);
}

static void sample_inflight(struct actor *actor, uint64_t time_ps, uint64_t period_ps)
{
	struct host *h = container_of(actor, struct host, sample);

	if (h->measuring) {
		h->result->inflight_samples++;
		h->result->inflight_sum += h->inflight;
	}
	if (h->params->interrupted && *h->params->interrupted) {
		h->result->interrupted = true;
		engine_stop(&h->sim.engine);
		return;
	}
	engine_post(&h->sim.engine, time_ps + period_ps, actor, period_ps);
}

static int run_jobs(struct host *h)
{
	const struct host_params *p = h->params;
	uint64_t start = h->sim.cpus[0].proc.now_ps, period = (p->warmup_ps + p->runtime_ps) / 1009 + 1;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < h->cpu_count; i++) {
		h->sim.cpus[i].proc.now_ps = start;
		ret = sim_start_cpu(&h->sim, i, cpu_body, &h->cpu_jobs[i]);
	}
	if (ret)
		return ret;
	h->warm.fn = warmup_over;
	h->over.fn = run_over;
	h->sample.fn = sample_inflight;
	engine_post(&h->sim.engine, start + p->warmup_ps, &h->warm, 0);
	engine_post(&h->sim.engine, start + p->warmup_ps + p->runtime_ps, &h->over, 0);
	engine_post(&h->sim.engine, start + period, &h->sample, period);
	return engine_run(&h->sim.engine);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Which CPUs are in use: those that jobs are placed on, in the order of the topology. */
static int place_jobs(struct host *h)
{
	const struct host_params *p = h->params;
	uint32_t i, n = 0;
	int ret;

	h->cpu_of_job = calloc(h->job_count, sizeof(*h->cpu_of_job));
	h->pus = calloc(h->job_count, sizeof(*h->pus));
	if (!h->cpu_of_job || !h->pus)
		return -ENOMEM;
	ret = topology_place(p->topology, p->placement, h->job_count, h->cpu_of_job, h->err, h->err_size);
	if (ret)
		return ret;
	memcpy(h->pus, h->cpu_of_job, h->job_count * sizeof(*h->pus));
	qsort(h->pus, h->job_count, sizeof(*h->pus), compare_u32);
	for (i = 0; i < h->job_count; i++)
		if (!i || h->pus[i] != h->pus[n - 1])
			h->pus[n++] = h->pus[i];
	h->cpu_count = n;
	for (i = 0; i < h->job_count; i++) {
		const uint32_t *pu = bsearch(&h->cpu_of_job[i], h->pus, n, sizeof(*h->pus), compare_u32);

		h->cpu_of_job[i] = (uint32_t)(pu - h->pus);
	}
	return 0;
}

static int alloc_tables(struct host *h)
{
	const struct host_params *p = h->params;
	uint32_t i;

	h->queue_count = p->queues ? p->queues : h->cpu_count;
	if (h->queue_count > h->cpu_count)
		h->queue_count = h->cpu_count;
	h->domain_count = p->shared_bridge ? 1 : p->devices;
	h->units = calloc(p->units, sizeof(*h->units));
	h->iommus = calloc(p->units, sizeof(struct intel_iommu *));
	h->bridges = calloc(p->shared_bridge ? 1 : p->devices, sizeof(*h->bridges));
	h->domains = calloc(h->domain_count, sizeof(struct dmar_domain *));
	h->devices = calloc(p->devices, sizeof(*h->devices));
	h->jobs = calloc(h->job_count, sizeof(*h->jobs));
	h->cpu_jobs = calloc(h->cpu_count, sizeof(struct job *));
	h->result->devices = calloc(p->devices, sizeof(*h->result->devices));
	if (!h->units || !h->iommus || !h->bridges || !h->domains || !h->devices || !h->jobs || !h->cpu_jobs ||
	    !h->result->devices)
		return -ENOMEM;
	for (i = 0; i < (p->shared_bridge ? 1 : p->devices); i++)
		h->bridges[i].mib_s = p->bridge_mib_s;
	return 0;
}

static void init_jobs(struct host *h)
{
	const struct host_params *p = h->params;
	uint32_t i;

	for (i = h->job_count; i-- > 0;) {
		struct job *job = &h->jobs[i];
		uint32_t cpu = h->cpu_of_job[i];

		job->host = h;
		/* A device's jobs are placed one after another, so that each device's jobs spread as all do. */
		job->device = i / p->jobs;
		job->number = i;
		job->cpu = &h->sim.cpus[cpu];
		job->done_tail = &job->done;
		job->wake.handler = wake_handler;
		job->blocks = (1ULL << 40) / p->bs;
		rng_seed(&job->rng, p->sim.seed, 1000000 + i);
		job->next_on_cpu = h->cpu_jobs[cpu];
		h->cpu_jobs[cpu] = job;
	}
}

static void collect(struct host *h)
{
	struct host_result *r = h->result;
	uint64_t calls[FN_COUNT];
	uint32_t i, fn;

	sum_calls(h, calls);
	for (fn = 0; fn < FN_COUNT; fn++)
		r->calls[fn] = calls[fn] - h->calls_before[fn];
	r->maps = calls[FN_dma_map];
	r->unmaps = calls[FN_dma_unmap];
	r->live_mappings = r->maps - r->unmaps;
	r->inflight_end = h->inflight;
	r->device_count = h->params->devices;
	for (i = 0; i < r->device_count; i++) {
		r->devices[i] = h->devices[i].result;
		r->dma_faults += h->devices[i].nvme.requester.dma_faults;
	}
	for (i = 0; i < h->params->units; i++) {
		r->iotlb_hits += h->units[i].iotlb_hits;
		r->iotlb_misses += h->units[i].iotlb_misses;
	}
	r->events = h->sim.engine.dispatched;
	host_collect_cpus(&h->sim, r);
}

static void free_jobs(struct host *h)
{
	uint32_t i, slot;

	for (i = 0; h->jobs && i < h->job_count; i++) {
		for (slot = 0; h->jobs[i].ios && slot < h->params->iodepth; slot++)
			free(h->jobs[i].ios[slot]);
		free(h->jobs[i].ios);
	}
	free(h->jobs);
	free(h->cpu_jobs);
	free(h->cpu_of_job);
	free(h->pus);
}

static void host_free(struct host *h)
{
	uint32_t i;

	for (i = 0; h->devices && i < h->params->devices; i++) {
		nvme_device_destroy(&h->devices[i].nvme);
		free(h->devices[i].queues);
		free(h->devices[i].queue_depth);
	}
	for (i = 0; h->units && i < h->params->units; i++)
		vtd_hw_destroy(&h->units[i]);
	free_jobs(h);
	free(h->devices);
	free(h->units);
	free(h->iommus);
	free(h->bridges);
	free(h->domains);
}

/* Gives back what the domains hold: host memory behind simulated objects. */
static void host_teardown(void *arg)
{
	struct host *h = arg;
	uint32_t i;

	for (i = 0; i < h->domain_count; i++)
		domain_free(h->domains[i]);
}

static int run_in_sim(struct host *h)
{
	int ret, torn;

	init_jobs(h);
	ret = sim_call_on_cpu(&h->sim, 0, host_setup, h);
	if (!ret)
		ret = h->setup_error;
	if (!ret)
		ret = run_jobs(h);
	if (!ret) {
		collect(h);
		ret = host_collect_tables(&h->sim, h->result);
	}
	/* Nothing else may run while the domains go. */
	engine_clear(&h->sim.engine);
	torn = sim_call_on_cpu(&h->sim, 0, host_teardown, h);
	return ret ? ret : torn;
}

int host_run(const struct host_params *params, struct host_result *result, char *err, size_t err_size)
{
	struct host h = { .params = params, .result = result, .err = err, .err_size = err_size };
	int ret;

	memset(result, 0, sizeof(*result));
	histogram_init(&result->latency_ns);
	err[0] = '\0';
	h.job_count = params->devices * params->jobs;
	ret = place_jobs(&h);
	if (!ret)
		ret = alloc_tables(&h);
	if (!ret)
		ret = sim_create(&h.sim, params->topology, h.pus, h.cpu_count, &params->sim);
	if (!ret) {
		ret = run_in_sim(&h);
		host_free(&h);
		sim_destroy(&h.sim);
	} else {
		host_free(&h);
	}
	if (!ret && result->dma_faults) {
		snprintf(err, err_size, "%llu DMA requests faulted", (unsigned long long)result->dma_faults);
		ret = -EIO;
	}
	if (ret)
		host_result_free(result);
	return ret;
}

void host_result_free(struct host_result *result)
{
	free(result->devices);
	free(result->locks);
	free(result->lines);
	result->devices = NULL;
	result->locks = NULL;
	result->lines = NULL;
}
