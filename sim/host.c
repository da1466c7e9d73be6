/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/host.h"

#include <stdio.h>

#include "platform.h"
#include "sim/exec/machine_nvme.h"
#include "sim/host_stats.h"
#include "sim/iommu.h"
#include "sim/nvme_driver.h"
#include "sim/rng.h"
#include "sim/topology.h"

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

/* A job's I/O, host memory. */
struct io {
	struct nvme_iod *iod;
	struct job *job;
	struct io *next; /* idle */
	uint64_t issued_ps;
	uint64_t phys[]; /* of each page */
};

/*
 * A job's own memory, on lines of its own. What is counted here only its CPU writes; others may read what has
 * happened so far.
 */
struct job {
	struct host *host;
	struct job *next_on_cpu;
	uint32_t cpu;
	struct nvme_queue *queue;
	uint32_t device, number;
	struct aio_ring *ring;
	struct io **events; /* what has completed: the ring's, from its head to its tail; a power of two of them */
	uint32_t event_mask;
	struct io *idle;
	struct io **ios;
	struct cpu_kick wake; /* a completion on another CPU */
	struct rng rng;
	uint64_t blocks; /* of the device, to choose from */
	uint64_t submitted, completed;
	/* in the time that is measured */
	uint64_t ios_done, reads_done, latency_sum_ps;
	struct histogram *latency_ns;
} __attribute__((aligned(128)));

struct host_device {
	struct device *dev;
	struct machine_nvme *nvme;
	struct nvme_queue **queues; /* by index, 0.. */
	uint32_t *queue_depth;
};

struct host {
	const struct host_params *params;
	struct machine *machine;
	struct host_result *result;
	uint32_t *pus; /* CPUs in use, ascending */
	uint32_t cpu_count;
	uint32_t *cpu_of_job; /* index into pus */
	struct intel_iommu **iommus;
	struct dmar_domain **domains;
	uint32_t domain_count;
	struct host_device *devices;
	struct job *jobs;
	struct job **cpu_jobs; /* by CPU */
	uint32_t job_count;
	uint32_t queue_count;		/* per device */
	struct histogram *latencies_ns; /* one that CPUs take turns with, or one each */
	uint32_t histogram_count;
	struct machine_timer warm, over, sample;
	uint64_t sample_period_ps;
	bool measuring;
	bool collected; /* results are: nothing is to change them */
	uint64_t measure_start_ps;
	uint64_t calls_before[FN_COUNT];
	int setup_error;
	char *err;
	size_t err_size;
};

/* ---- jobs ---- */

/* Only one CPU writes it, and no order is needed. */
static inline void count(uint64_t *counter, uint64_t by)
{
	__atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

static inline uint64_t counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void record_completion(struct job *job, const struct io *io)
{
	uint64_t latency_ps = cpu_clock_ps() - io->issued_ps;

	count(&job->completed, 1);
	if (!__atomic_load_n(&job->host->measuring, __ATOMIC_RELAXED))
		return;
	job->ios_done++;
	job->reads_done += !io->iod->write;
	job->latency_sum_ps += latency_ps;
	histogram_record(job->latency_ns, latency_ps / 1000);
}

static bool has_completions(const struct job *job)
{
	return data_race(job->ring->tail) != data_race(job->ring->head);
}

static void reap_one(struct job *job)
{
	struct io *io;
	uint32_t head;

	cpu_work(job->host->params->complete_ps / 2);
	(void)smp_load_acquire(&job->ring->tail);
	head = READ_ONCE(job->ring->head);
	WRITE_ONCE(job->ring->head, head + 1);
	io = job->events[head & job->event_mask];
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
	cpu_work(p->submit_ps);
	io->issued_ps = cpu_clock_ps();
	count(&job->submitted, 1);
	if (nvme_queue_rq(job->queue, io->iod, write, slba, io->phys, (unsigned int)pages))
		cpu_fail(-ENOMEM);
}

/* Does one thing for the job; false when there is nothing to do until a completion comes. */
static bool job_step(struct job *job)
{
	bool done = has_completions(job);

	if (!done && !job->idle)
		return false;
	if (done)
		reap_one(job);
	if (job->idle)
		submit_one(job);
	return true;
}

static void cpu_body(void *arg, uint32_t cpu)
{
	struct host *h = arg;
	struct job *first = h->cpu_jobs[cpu], *job;

	cpu_work(rng_below(&first->rng, START_SPREAD_PS));
	while (!cpu_stopping()) {
		bool busy = false;

		for (job = first; job; job = job->next_on_cpu)
			busy |= job_step(job);
		if (!busy)
			cpu_idle();
	}
}

/* ---- interrupts ---- */

static void io_completed(struct nvme_iod *iod)
{
	struct io *io = iod->owner;
	struct job *job = io->job;
	uint32_t tail;

	cpu_spend(job->host->params->complete_ps / 2);
	tail = READ_ONCE(job->ring->tail);
	job->events[tail & job->event_mask] = io;
	smp_store_release(&job->ring->tail, tail + 1);
	if (job->cpu != smp_processor_id())
		cpu_kick(job->cpu, &job->wake);
}

static void nvme_irq(struct nvme_queue *q)
{
	nvme_process_cq(q, io_completed);
}

/* ---- setup, on CPU 0 ---- */

static int create_units(struct host *h)
{
	const struct host_params *p = h->params;
	uint32_t i, packages = p->topology->package_count;

	for (i = 0; i < p->units; i++) {
		struct mmio_device *unit = machine_add_unit(h->machine, i % packages, p->unit_cap[i],
							    p->unit_ecap[i], &p->vtd, p->iotlb_entries);

		if (!unit)
			return -ENOMEM;
		h->iommus[i] = iommu_create(unit, p->unit_cap[i], p->unit_ecap[i], (int)i, p->domain.first_stage);
		if (!h->iommus[i])
			return -ENOMEM;
	}
	return 0;
}

static int attach_device(struct host *h, uint32_t i)
{
	const struct host_params *p = h->params;
	struct host_device *d = &h->devices[i];
	int ret;

	d->dev = device_create(h->iommus[i % p->units], i, p->ats);
	if (!d->dev)
		return -ENOMEM;
	ret = iommu_setup_default_domain(d->dev, &p->domain, &h->domains[p->shared_bridge ? 0 : i]);
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
	struct machine_nvme_config config = {
		.package = bridge % p->topology->package_count,
		.bridge = bridge,
		.bridge_mib_s = p->bridge_mib_s,
		.unit = i % p->units,
		.rid = (uint16_t)((1 + i / 256) << 8 | i % 256),
		.ats = p->ats,
		.nvme = p->nvme,
		.queue_count = h->queue_count,
		.max_pages = (uint32_t)(p->bs >> PAGE_SHIFT),
		.seed = p->sim.seed,
		.irq = nvme_irq,
	};

	d->nvme = machine_add_nvme(h->machine, &config);
	d->queues = calloc(h->queue_count, sizeof(struct nvme_queue *));
	d->queue_depth = calloc(h->queue_count, sizeof(*d->queue_depth));
	if (!d->nvme || !d->queues || !d->queue_depth)
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
			 "%u commands in flight on one queue, at most %d are possible: fewer --jobs, a smaller "
			 "--iodepth or more --queues",
			 d->queue_depth[index], NVME_MAX_QUEUE_COMMANDS);
		return -EINVAL;
	}
	q = nvme_alloc_queue(d->dev, machine_nvme_registers(d->nvme), (uint16_t)(index + 1), d->queue_depth[index]);
	if (!q)
		return -ENOMEM;
	if (machine_nvme_add_queue(d->nvme, q, first_cpu_of_queue(h, index))) {
		free(q->iods);
		return -ENOMEM;
	}
	d->queues[index] = q;
	return 0;
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
	size_t size =
		(sizeof(struct io) + pages * sizeof(uint64_t) + CACHE_LINE_SIZE - 1) & ~(CACHE_LINE_SIZE - 1UL);
	struct io *io = aligned_alloc(CACHE_LINE_SIZE, size);
	uint64_t i;

	if (!io)
		return -ENOMEM;
	memset(io, 0, size);
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
	uint32_t events = 1, i;
	int ret = 0;

	while (events < h->params->iodepth)
		events *= 2;
	job->ring = shared_alloc(&aio_ring_type, sizeof(*job->ring));
	job->ios = calloc(h->params->iodepth, sizeof(struct io *));
	job->events = calloc(events, sizeof(struct io *));
	job->event_mask = events - 1;
	if (!job->ring || !job->ios || !job->events)
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
		uint32_t index = queue_of_cpu(h, job->cpu);

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
		h->devices[h->jobs[i].device].queue_depth[queue_of_cpu(h, h->jobs[i].cpu)] += h->params->iodepth;
	if (!ret)
		ret = create_jobs(h);
	h->setup_error = ret;
}

/* ---- the run ---- */

static void count_calls(const struct host *h, uint64_t calls[FN_COUNT])
{
	uint32_t fn;

	for (fn = 0; fn < FN_COUNT; fn++)
		calls[fn] = machine_calls(h->machine, fn);
}

static uint64_t inflight(const struct host *h)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < h->job_count; i++)
		n += counted(&h->jobs[i].submitted) - counted(&h->jobs[i].completed);
	return n;
}

static void warmup_over(void *arg, uint64_t time_ps)
{
	struct host *h = arg;

	if (h->collected)
		return;
	count_calls(h, h->calls_before);
	host_stats_reset(h->machine, time_ps);
	h->measure_start_ps = time_ps;
	__atomic_store_n(&h->measuring, true, __ATOMIC_RELAXED);
}

static void run_over(void *arg, uint64_t time_ps)
{
	struct host *h = arg;

	if (h->collected)
		return;
	h->result->elapsed_ps = time_ps - h->measure_start_ps;
	machine_stop(h->machine);
}

static void sample_inflight(void *arg, uint64_t time_ps)
{
	struct host *h = arg;

	(void)time_ps;
	if (h->collected)
		return;
	if (h->measuring) {
		h->result->inflight_samples++;
		h->result->inflight_sum += inflight(h);
	}
	if (h->params->interrupted && *h->params->interrupted) {
		h->result->interrupted = true;
		machine_stop(h->machine);
		return;
	}
	/* It has been there before, so it takes no memory. */
	machine_at(h->machine, h->sample_period_ps, &h->sample);
}

static int run_jobs(struct host *h)
{
	const struct host_params *p = h->params;

	h->sample_period_ps = (p->warmup_ps + p->runtime_ps) / 1009 + 1;
	h->warm = (struct machine_timer){ warmup_over, h, NULL };
	h->over = (struct machine_timer){ run_over, h, NULL };
	h->sample = (struct machine_timer){ sample_inflight, h, NULL };
	if (machine_at(h->machine, p->warmup_ps, &h->warm) ||
	    machine_at(h->machine, p->warmup_ps + p->runtime_ps, &h->over) ||
	    machine_at(h->machine, h->sample_period_ps, &h->sample))
		return -ENOMEM;
	return machine_run(h->machine, cpu_body, h);
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
	h->histogram_count = CPUS_TAKE_TURNS ? 1 : h->cpu_count;
	h->iommus = calloc(p->units, sizeof(struct intel_iommu *));
	h->domains = calloc(h->domain_count, sizeof(struct dmar_domain *));
	h->devices = calloc(p->devices, sizeof(*h->devices));
	h->jobs = aligned_alloc(_Alignof(struct job), h->job_count * sizeof(*h->jobs));
	h->cpu_jobs = calloc(h->cpu_count, sizeof(struct job *));
	h->latencies_ns = calloc(h->histogram_count, sizeof(*h->latencies_ns));
	h->result->devices = calloc(p->devices, sizeof(*h->result->devices));
	if (h->jobs)
		memset(h->jobs, 0, h->job_count * sizeof(*h->jobs));
	if (!h->iommus || !h->domains || !h->devices || !h->jobs || !h->cpu_jobs || !h->latencies_ns ||
	    !h->result->devices)
		return -ENOMEM;
	for (i = 0; i < h->histogram_count; i++)
		histogram_init(&h->latencies_ns[i]);
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
		job->cpu = cpu;
		job->latency_ns = &h->latencies_ns[cpu % h->histogram_count];
		job->blocks = (1ULL << 40) / p->bs;
		rng_seed(&job->rng, p->sim.seed, 1000000 + i);
		job->next_on_cpu = h->cpu_jobs[cpu];
		h->cpu_jobs[cpu] = job;
	}
}

static void collect_jobs(struct host *h)
{
	struct host_result *r = h->result;
	uint32_t i;

	for (i = 0; i < h->job_count; i++) {
		const struct job *job = &h->jobs[i];
		struct host_device_result *d = &r->devices[job->device];

		r->submitted += job->submitted;
		r->completed += job->completed;
		r->read_ios += job->reads_done;
		d->ios += job->ios_done;
		d->latency_sum_ps += job->latency_sum_ps;
	}
	for (i = 0; i < r->device_count; i++) {
		r->devices[i].bytes = r->devices[i].ios * h->params->bs;
		r->ios += r->devices[i].ios;
		r->bytes += r->devices[i].bytes;
		r->latency_sum_ps += r->devices[i].latency_sum_ps;
		r->dma_faults += machine_nvme_faults(h->devices[i].nvme);
	}
	for (i = 0; i < h->histogram_count; i++)
		histogram_merge(&r->latency_ns, &h->latencies_ns[i]);
	r->inflight_end = inflight(h);
}

static int collect(struct host *h)
{
	struct host_result *r = h->result;
	uint64_t calls[FN_COUNT];
	uint32_t fn;

	count_calls(h, calls);
	for (fn = 0; fn < FN_COUNT; fn++)
		r->calls[fn] = calls[fn] - h->calls_before[fn];
	r->maps = calls[FN_dma_map];
	r->unmaps = calls[FN_dma_unmap];
	r->live_mappings = r->maps - r->unmaps;
	r->device_count = h->params->devices;
	r->cpu_count = h->cpu_count;
	collect_jobs(h);
	return host_stats_collect(h->machine, r);
}

static void free_jobs(struct host *h)
{
	uint32_t i, slot;

	for (i = 0; h->jobs && i < h->job_count; i++) {
		for (slot = 0; h->jobs[i].ios && slot < h->params->iodepth; slot++)
			free(h->jobs[i].ios[slot]);
		free(h->jobs[i].ios);
		free(h->jobs[i].events);
	}
	free(h->jobs);
	free(h->cpu_jobs);
	free(h->cpu_of_job);
	free(h->pus);
	free(h->latencies_ns);
}

static void host_free(struct host *h)
{
	uint32_t i;

	for (i = 0; h->devices && i < h->params->devices; i++) {
		free(h->devices[i].queues);
		free(h->devices[i].queue_depth);
	}
	free_jobs(h);
	free(h->devices);
	free(h->iommus);
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

static int run_on_machine(struct host *h)
{
	int ret, torn;

	init_jobs(h);
	ret = machine_call(h->machine, 0, host_setup, h);
	if (!ret)
		ret = h->setup_error;
	if (!ret)
		ret = run_jobs(h);
	if (!ret)
		ret = collect(h);
	/* Nothing else may run while the domains go, nor be in the middle of a call on one. */
	h->collected = true;
	torn = machine_quiesce(h->machine);
	if (ret == -EIO && machine_violation(h->machine))
		snprintf(h->err, h->err_size, "%s", machine_violation(h->machine));
	if (!torn)
		torn = machine_call(h->machine, 0, host_teardown, h);
	return ret ? ret : torn;
}

static void result_free(struct host_result *result)
{
	free(result->devices);
	free(result->locks);
	free(result->lines);
	result->devices = NULL;
	result->locks = NULL;
	result->lines = NULL;
}

int ENTRY(host_run)(const struct host_params *params, struct host_result *result, char *err, size_t err_size)
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
		ret = machine_create(params->topology, h.pus, h.cpu_count, &params->sim, params->lock_stat,
				     &h.machine);
	if (!ret)
		ret = run_on_machine(&h);
	machine_destroy(h.machine);
	host_free(&h);
	if (!ret && result->dma_faults) {
		snprintf(err, err_size, "%llu DMA requests faulted", (unsigned long long)result->dma_faults);
		ret = -EIO;
	}
	if (ret)
		result_free(result);
	return ret;
}

void ENTRY(host_result_free)(struct host_result *result)
{
	result_free(result);
}
