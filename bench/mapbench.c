/* SPDX-License-Identifier: GPL-2.0-only */
#include "platform.h"

#include "bench/mapbench.h"
#include "sim/exec/machine.h"
#include "sim/host_stats.h"
#include "sim/iommu.h"
#include "bench/think.h"
#include "sim/rng.h"
#include "sim/topology.h"

/* Threads start within this time of each other, as those that the kernel wakes one after another. */
#define START_SPREAD_PS 20000000ULL

/* Two lines apart, because processors fetch lines in pairs. */
#define THREAD_APART 128

/* Rounds between looks at the clock, where none of them is timed and none takes long. */
#define CLOCK_EVERY 16
#define CLOCK_EVERY_MAX_PS 1000000

/*
 * What the kernel's threads of one device share, at its offsets: devm_kzalloc() puts struct map_benchmark_data
 * behind 40 bytes of its own. The counters and the direction are on one line.
 */
struct map_benchmark_data {
	uint8_t devres_and_results[92];
	uint32_t dma_trans_ns;
	uint8_t other_params[80];
	struct device *dev;
	void *debugfs;
	uint32_t dir;
	uint64_t sum_map_100ns, sum_unmap_100ns, sum_sq_map, sum_sq_unmap, loops;
} __cacheline_aligned;

_Static_assert(offsetof(struct map_benchmark_data, dma_trans_ns) == 40 + 52, "the kernel's offset");
_Static_assert(offsetof(struct map_benchmark_data, dev) == 40 + 136, "the kernel's offset");
_Static_assert(offsetof(struct map_benchmark_data, dir) == 40 + 152, "the kernel's offset");
_Static_assert(offsetof(struct map_benchmark_data, loops) == 40 + 192, "the kernel's offset");

OBJ_TYPE(map_benchmark_data, OBJ_FIELD(map_benchmark_data, dma_trans_ns), OBJ_FIELD(map_benchmark_data, dev),
	 OBJ_FIELD(map_benchmark_data, dir), OBJ_FIELD(map_benchmark_data, sum_map_100ns),
	 OBJ_FIELD(map_benchmark_data, sum_unmap_100ns), OBJ_FIELD(map_benchmark_data, sum_sq_map),
	 OBJ_FIELD(map_benchmark_data, sum_sq_unmap), OBJ_FIELD(map_benchmark_data, loops));

/* What kthread_stop() sets. */
struct stop_flag {
	uint32_t stop;
};

OBJ_TYPE(stop_flag, OBJ_FIELD(stop_flag, stop));
OBJ_TYPE_PLAIN(buffer, "buffer");

/* A line of a buffer. */
struct buffer_line {
	uint64_t value __cacheline_aligned;
};

struct bench_thread {
	struct rng rng;
	struct map_benchmark_data *data;
	struct buffer_line *buffer;
	uint64_t phys;
	uint64_t warmup_maps, maps; /* not measured, and measured */
	uint64_t measured_from_ps, measured_to_ps;
	struct mapbench_latency map, unmap;
} __attribute__((aligned(THREAD_APART)));

struct bench {
	const struct mapbench_params *params;
	struct machine *machine;
	struct machine_timer warm;
	uint32_t packages;
	uint64_t seed;
	uint64_t size; /* bytes of a buffer */
	uint32_t clock_every;
	struct intel_iommu **iommus;
	struct dmar_domain **domains;
	struct map_benchmark_data **data; /* by device */
	struct bench_thread *threads;
	uint32_t thread_count;
	struct stop_flag *stop_flag;
	uint64_t clock_overhead_ps;
};

/* ---- units, domains and devices, on CPU 0 ---- */

static int create_units(struct bench *b)
{
	const struct mapbench_devices *d = &b->params->devices;
	uint32_t i;

	for (i = 0; i < d->units; i++) {
		struct mmio_device *reg = machine_add_unit(b->machine, i % b->packages, d->unit_cap[i],
							   d->unit_ecap[i], &d->vtd, d->iotlb_entries);

		if (!reg)
			return -ENOMEM;
		b->iommus[i] = iommu_create(reg, d->unit_cap[i], d->unit_ecap[i], (int)i, d->domain.first_stage);
		if (!b->iommus[i])
			return -ENOMEM;
	}
	return 0;
}

static int create_devices(struct bench *b)
{
	const struct mapbench_params *p = b->params;
	const struct mapbench_devices *d = &p->devices;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < d->count; i++) {
		struct device *dev = device_create(b->iommus[i % d->units], i, d->ats);

		b->data[i] = shared_alloc(&map_benchmark_data_type, sizeof(*b->data[i]));
		if (!dev || !b->data[i])
			return -ENOMEM;
		b->data[i]->dev = dev;
		b->data[i]->dir = p->dir;
		b->data[i]->dma_trans_ns = (uint32_t)(p->trans_ps / 1000);
		dev->dma_mask = d->dma_mask;
		ret = iommu_setup_default_domain(dev, &d->domain, &b->domains[d->shared_bridge ? 0 : i]);
	}
	return ret;
}

/* Of many readings in a row, how long one takes: the shortest of several attempts, for lack of interruptions. */
static uint64_t measure_clock(void)
{
	const uint32_t readings = 256;
	uint64_t shortest = UINT64_MAX;
	uint32_t attempt, i;

	for (attempt = 0; attempt < 32; attempt++) {
		uint64_t first = cpu_clock_ps(), last = first;

		for (i = 0; i < readings; i++)
			last = cpu_clock_ps();
		if (last - first < shortest)
			shortest = last - first;
	}
	return shortest / readings;
}

static void setup(void *arg)
{
	struct bench *b = arg;
	uint32_t i;
	int ret;

	ret = create_units(b);
	if (!ret)
		ret = create_devices(b);
	b->stop_flag = shared_alloc(&stop_flag_type, sizeof(*b->stop_flag));
	if (!ret && !b->stop_flag)
		ret = -ENOMEM;
	for (i = 0; i < b->thread_count; i++)
		b->threads[i].data = b->data[i % b->params->devices.count];
	b->clock_overhead_ps = measure_clock();
	if (ret)
		cpu_fail(ret);
}

/* Gives back what the domains hold beside the machine's memory. */
static void teardown(void *arg)
{
	struct bench *b = arg;
	uint32_t i;

	for (i = 0; i < b->params->devices.count; i++)
		domain_free(b->domains[i]);
}

/* ---- the loop ---- */

/* The kernel fills the buffer with this, so that a device that is not coherent would have to be flushed to. */
static void fill_buffer(const struct bench *b, struct bench_thread *t)
{
	uint64_t i;

	for (i = 0; i < b->size / sizeof(t->buffer[0]); i++)
		WRITE_ONCE(t->buffer[i].value, UINT64_C(0x6666666666666666));
}

static void add_to_counters(struct map_benchmark_data *data, uint64_t map_ps, uint64_t unmap_ps)
{
	uint64_t map_100ns = map_ps / 100000, unmap_100ns = unmap_ps / 100000;

	atomic_fetch_add(map_100ns, &data->sum_map_100ns);
	atomic_fetch_add(unmap_100ns, &data->sum_unmap_100ns);
	atomic_fetch_add(map_100ns * map_100ns, &data->sum_sq_map);
	atomic_fetch_add(unmap_100ns * unmap_100ns, &data->sum_sq_unmap);
	atomic_fetch_add(1, &data->loops);
}

/* Maps and unmaps once, and thinks. False when there was no address or memory. */
static bool map_once(const struct bench *b, struct bench_thread *t, bool measured)
{
	const struct mapbench_params *p = b->params;
	struct map_benchmark_data *data = t->data;
	uint64_t map_ps = 0, unmap_ps = 0, think_ps, addr;
	struct device *dev;
	uint32_t dir;

	if (READ_ONCE(data->dir) != DMA_FROM_DEVICE)
		fill_buffer(b, t);
	if (p->timed)
		map_ps = cpu_clock_ps();
	/* One after the other: in which order a call's arguments are read is the compiler's choice. */
	dev = READ_ONCE(data->dev);
	dir = READ_ONCE(data->dir);
	addr = dma_map_single(dev, t->phys, b->size, dir);
	if (!addr)
		return false;
	if (p->timed)
		map_ps = cpu_clock_ps() - map_ps;
	(void)READ_ONCE(data->dma_trans_ns);
	cpu_spend(p->trans_ps);
	if (p->timed)
		unmap_ps = cpu_clock_ps();
	dev = READ_ONCE(data->dev);
	(void)READ_ONCE(data->dir);
	dma_unmap_pages(dev, addr, p->granule);
	if (p->timed)
		unmap_ps = cpu_clock_ps() - unmap_ps;

	if (measured && p->timed) {
		mapbench_latency_add(&t->map, map_ps);
		mapbench_latency_add(&t->unmap, unmap_ps);
	}
	if (p->kernel_counters)
		add_to_counters(data, map_ps, unmap_ps);
	/* Interrupts and timers have their turn. */
	think_ps = p->think_ps ? draw_think_ps(p->think_dist, p->think_ps, &t->rng) : 0;
	if (p->overhead_ps)
		think_ps += rng_uniform_ps(&t->rng, p->overhead_ps);
	cpu_work(think_ps);
	return true;
}

static bool is_interrupted(const struct bench *b)
{
	return b->params->interrupted && *b->params->interrupted;
}

/* Goes around until the clock says @end_ps, or @rounds times, or until told to stop; returns how often. */
static uint64_t loop(const struct bench *b, struct bench_thread *t, uint64_t end_ps, uint64_t rounds, bool measured)
{
	uint64_t before = UINT64_MAX, n;

	for (n = 0; n < rounds; n++) {
		if (n % b->clock_every == 0) {
			uint64_t now = cpu_clock_ps();

			if (now >= end_ps)
				break;
			if (now == before) {
				cpu_fail(-ETIME);
				break;
			}
			before = now;
		}
		if (READ_ONCE(b->stop_flag->stop) || cpu_stopping() || is_interrupted(b))
			break;
		if (!map_once(b, t, measured)) {
			cpu_fail(-ENOSPC);
			break;
		}
	}
	return n;
}

static void thread_body(void *arg, uint32_t cpu)
{
	struct bench *b = arg;
	const struct mapbench_params *p = b->params;
	struct bench_thread *t = &b->threads[cpu];
	uint64_t start = cpu_clock_ps(), end = UINT64_MAX;

	rng_seed(&t->rng, b->seed, cpu);
	t->buffer = shared_alloc_aligned(&buffer_type, b->size, 1UL << (64 - __builtin_clzl(b->size - 1)));
	if (!t->buffer) {
		cpu_fail(-ENOMEM);
		return;
	}
	t->phys = virt_to_phys(t->buffer);
	cpu_work(rng_below(&t->rng, START_SPREAD_PS));
	t->warmup_maps = loop(b, t, start + p->warmup_ps, UINT64_MAX, false);

	if (host_stats_per_cpu())
		host_stats_reset_cpu();
	t->measured_from_ps = cpu_clock_ps();
	if (!p->iterations)
		end = t->measured_from_ps + p->duration_ps;
	t->maps = loop(b, t, end, p->iterations ? p->iterations : UINT64_MAX, true);
	t->measured_to_ps = cpu_clock_ps();
	if (p->iterations && t->maps == p->iterations)
		WRITE_ONCE(b->stop_flag->stop, 1U);
}

/* ---- a repetition ---- */

static void warmup_over(void *arg, uint64_t time_ps)
{
	struct bench *b = arg;

	host_stats_reset(b->machine, time_ps);
}

static int collect_stats(const struct bench *b, struct mapbench_result *r)
{
	struct host_result stats = { .elapsed_ps = r->elapsed_ps };
	int ret = host_stats_collect(b->machine, &stats);
	uint32_t i;

	for (i = 0; !ret && i < stats.lock_count; i++) {
		const struct host_lock_result *lock = &stats.locks[i];

		if (strcmp(lock->name, "cache_lock"))
			continue;
		r->cache_lock.acquisitions += lock->acquisitions;
		r->cache_lock.contended += lock->contended;
		r->cache_lock.wait_total_ps += lock->wait_total_ps;
		r->cache_lock.hold_total_ps += lock->hold_total_ps;
	}
	r->events = stats.events;
	ENTRY(host_result_free)(&stats);
	return ret;
}

/* Every round of every thread has been counted once. */
static bool counters_valid(const struct bench *b)
{
	uint64_t counted = 0, done = 0;
	uint32_t i;

	for (i = 0; i < b->params->devices.count; i++)
		counted += b->data[i]->loops;
	for (i = 0; i < b->thread_count; i++)
		done += b->threads[i].warmup_maps + b->threads[i].maps;
	return counted == (b->params->kernel_counters ? done : 0);
}

static int collect(const struct bench *b, struct mapbench_result *r)
{
	uint64_t first = UINT64_MAX, last = 0;
	uint32_t i;

	assert(counters_valid(b));
	r->threads = calloc(b->thread_count, sizeof(*r->threads));
	if (!r->threads)
		return -ENOMEM;
	r->thread_count = b->thread_count;
	for (i = 0; i < b->thread_count; i++) {
		const struct bench_thread *t = &b->threads[i];

		r->threads[i] = (struct mapbench_thread){
			.maps = t->maps,
			.elapsed_ps = t->measured_to_ps - t->measured_from_ps,
			.map_sum_ps = t->map.sum_ps,
			.unmap_sum_ps = t->unmap.sum_ps,
		};
		r->maps += t->maps;
		mapbench_latency_merge(&r->map, &t->map);
		mapbench_latency_merge(&r->unmap, &t->unmap);
		if (t->measured_from_ps < first)
			first = t->measured_from_ps;
		if (t->measured_to_ps > last)
			last = t->measured_to_ps;
	}
	r->elapsed_ps = last - first;
	r->clock_overhead_ps = b->clock_overhead_ps;
	for (i = 0; i < FN_COUNT; i++)
		r->calls[i] = machine_calls(b->machine, i);
	return collect_stats(b, r);
}

static int alloc_tables(struct bench *b)
{
	const struct mapbench_devices *d = &b->params->devices;

	b->iommus = calloc(d->units, sizeof(struct intel_iommu *));
	b->domains = calloc(d->count, sizeof(struct dmar_domain *));
	b->data = calloc(d->count, sizeof(struct map_benchmark_data *));
	b->threads = aligned_alloc(THREAD_APART, b->thread_count * sizeof(*b->threads));
	if (!b->iommus || !b->domains || !b->data || !b->threads)
		return -ENOMEM;
	memset(b->threads, 0, b->thread_count * sizeof(*b->threads));
	return 0;
}

static int run_on_machine(struct bench *b, struct mapbench_result *result)
{
	int ret, torn;

	b->warm = (struct machine_timer){ .fn = warmup_over, .arg = b };
	ret = machine_call(b->machine, 0, setup, b);
	if (!ret && !host_stats_per_cpu())
		ret = machine_at(b->machine, b->params->warmup_ps, &b->warm);
	if (!ret)
		ret = machine_run(b->machine, thread_body, b);
	if (!ret && is_interrupted(b))
		ret = -EINTR;
	if (!ret)
		ret = collect(b, result);
	/* Nothing else may run while the domains go, nor be in the middle of a call on one. */
	torn = machine_quiesce(b->machine);
	if (!torn)
		torn = machine_call(b->machine, 0, teardown, b);
	return ret ? ret : torn;
}

int ENTRY(mapbench_run)(const struct topology *topology, const uint32_t *pus, uint32_t thread_count,
			const struct sim_params *sim, const struct mapbench_params *params,
			struct mapbench_result *result)
{
	struct bench b = {
		.params = params,
		.packages = topology->package_count,
		.seed = sim->seed,
		.size = (uint64_t)params->granule << PAGE_SHIFT,
		.thread_count = thread_count,
	};
	int ret;

	memset(result, 0, sizeof(*result));
	b.clock_every = params->timed || params->trans_ps + params->think_ps > CLOCK_EVERY_MAX_PS ? 1 : CLOCK_EVERY;
	ret = alloc_tables(&b);
	if (!ret)
		ret = machine_create(topology, pus, thread_count, sim, params->lock_stat, &b.machine);
	if (!ret)
		ret = run_on_machine(&b, result);
	machine_destroy(b.machine);
	free(b.iommus);
	free(b.domains);
	free(b.data);
	free(b.threads);
	if (ret)
		mapbench_result_free(result);
	return ret;
}
