/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_host.c - laws that every run obeys, whatever it simulates, and what the model must predict unfitted
 *
 * Links with -Wl,--wrap=vtd_translate: a DMA can be made to fault.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>

#include "sim/host.h"
#include "sim/vtd_hw.h"
#include "sim/rng.h"
#include "sim/topology.h"

#define CAP_F5 0x19ed008c40780c66ULL
#define ECAP 0xc80000f020dfULL
#define CAP_CM (1ULL << 7)
#define CAP_RWBF (1ULL << 4)
#define CAP_SAGAW_5LEVEL (1ULL << 11)

#define NS 1000ULL
#define US 1000000ULL
#define MS 1000000000ULL
#define PS_PER_S 1000000000000ULL
#define DEVICE_IOPS 787200ULL /* half of 6150 MiB/s, facts F1 */

#define MAX_UNITS 4

/* Translations until one faults; 0: none does */
static _Thread_local unsigned int fault_in;
/* Translations until one comes out wrong; 0: none does */
static _Thread_local unsigned int wrong_in;
/* Pages around each DMA's that the unit looks up of its own accord */
static _Thread_local unsigned int look_around;

enum vtd_fault_reason __real_vtd_translate(struct vtd_requester *r, uint64_t iova, bool write, uint64_t *time_ps,
					   uint64_t *phys);
enum vtd_fault_reason __wrap_vtd_translate(struct vtd_requester *r, uint64_t iova, bool write, uint64_t *time_ps,
					   uint64_t *phys);
enum vtd_fault_reason __wrap_vtd_translate(struct vtd_requester *r, uint64_t iova, bool write, uint64_t *time_ps,
					   uint64_t *phys)
{
	if (fault_in && !--fault_in) {
		r->dma_faults++;
		return VTD_FAULT_READ;
	}
	if (look_around) {
		uint64_t faults = r->dma_faults, now_ps, nowhere, page;

		for (page = iova - (uint64_t)look_around * 4096; page <= iova + look_around * 4096; page += 4096) {
			now_ps = *time_ps;
			if (page != iova)
				__real_vtd_translate(r, page, write, &now_ps, &nowhere);
		}
		r->dma_faults = faults;
	}
	if (wrong_in && !--wrong_in) {
		enum vtd_fault_reason fault = __real_vtd_translate(r, iova, write, time_ps, phys);

		*phys ^= 0x1000;
		return fault;
	}
	return __real_vtd_translate(r, iova, write, time_ps, phys);
}

struct fixture {
	struct topology small, large;
	uint64_t caps[MAX_UNITS], ecaps[MAX_UNITS];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char err[TOPOLOGY_ERR_SIZE];
	unsigned int i;

	assert_non_null(f);
	assert_int_equal(topology_load(&f->small, "package:2 l3:1 core:3 pu:1", err, sizeof(err)), 0);
	assert_int_equal(topology_load(&f->large, "package:2 l3:1 core:48 pu:2", err, sizeof(err)), 0);
	for (i = 0; i < MAX_UNITS; i++) {
		f->caps[i] = CAP_F5;
		f->ecaps[i] = ECAP;
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	topology_destroy(&f->small);
	topology_destroy(&f->large);
	free(f);
	return 0;
}

/* The program's defaults, by hand (bench/options.def). */
static struct host_params defaults(struct fixture *f)
{
	static const uint32_t instructions[] = {
#define X(name, count) [COST_##name] = (count),
		COST_STEPS(X)
#undef X
	};
	struct host_params p = {
		.sim = {
			.coh = {
				.latency_ps = { 0, 8 * NS, 86600, 86600, 173200 },
				.l1_hit_ps = 500,
				.atomic_ps = 6 * NS,
				.write_occupancy_pct = 100,
				.dirty_read_occupancy_pct = 80,
				.read_occupancy_ps = 5 * NS,
			},
			.mmio_write_ps = 60 * NS,
			.mmio_read_ps = 500 * NS,
			.irq_ps = 700 * NS,
				.lock = LOCK_QSPINLOCK,
			.seed = 1,
		},
		.topology = &f->large,
		.placement = "spread",
		.devices = 2,
		.shared_bridge = true,
		.units = 1,
		.unit_cap = f->caps,
		.unit_ecap = f->ecaps,
		.domain = { .policy = POLICY_ALWAYS, .lazy = true },
		.jobs = 8,
		.iodepth = 32,
		.bs = 4096,
		.read_pct = 100,
		.warmup_ps = 10 * MS,
		.runtime_ps = 20 * MS,
		.submit_ps = 1200 * NS,
		.complete_ps = 1000 * NS,
		.bridge_mib_s = 50000,
		.nvme = {
			.iops = DEVICE_IOPS,
			.mib_s = 3075,
			.parallelism = 256,
			.latency_ps = 70 * US,
			.latency_dist = LATDIST_ERLANG,
			.pcie_ps = 400 * NS,
		},
		.vtd = { 300 * NS, 150 * NS, 1000 * NS, 100 * NS, 120 * NS, 200 * NS },
		.iotlb_entries = 512,
	};
	unsigned int i;

	for (i = 0; i < COST_STEP_COUNT; i++)
		p.sim.step_ps[i] = instructions[i] * 200ULL;
	return p;
}

static void run(const struct host_params *p, struct host_result *r)
{
	char err[256];
	int ret = host_run(p, r, err, sizeof(err));

	if (ret)
		fail_msg("host_run: %d: %s", ret, err);
}

/* ---- the laws ---- */

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static void check_counts(const struct host_params *p, const struct host_result *r)
{
	uint64_t all = (uint64_t)p->devices * p->jobs * p->iodepth, ios = 0, bytes = 0, latency = 0;
	uint32_t i;

	assert_false(r->interrupted);
	assert_int_equal(r->elapsed_ps, p->runtime_ps);
	assert_int_equal(r->dma_faults, 0);
	assert_true(r->ios > 20);
	assert_int_equal(r->bytes, r->ios * p->bs);
	assert_int_equal(r->latency_ns.count, r->ios);
	assert_int_equal(r->device_count, p->devices);
	for (i = 0; i < r->device_count; i++) {
		const struct host_device_result *d = &r->devices[i];
		uint64_t pages = p->bs / 4096, ceiling = p->nvme.iops / pages;

		ios += d->ios;
		bytes += d->bytes;
		latency += d->latency_sum_ps;
		if (p->nvme.mib_s * 256 / pages < ceiling)
			ceiling = p->nvme.mib_s * 256 / pages;
		/* Reaped may be what was completed before: at most what is in flight. */
		assert_true(d->ios <= r->elapsed_ps / US * ceiling / 1000000 + p->jobs * p->iodepth);
	}
	assert_int_equal(ios, r->ios);
	assert_int_equal(bytes, r->bytes);
	assert_int_equal(latency, r->latency_sum_ps);

	assert_int_equal(r->submitted, r->completed + r->inflight_end);
	assert_true(r->inflight_end <= all);
	assert_true(r->completed >= r->ios);
	/* Between the two counters lies at most the one I/O that each CPU is at. */
	assert_true(r->maps <= r->submitted && r->maps + r->cpu_count >= r->submitted);
	assert_true(r->unmaps >= r->completed);
	assert_int_equal(r->live_mappings, r->maps - r->unmaps);
	assert_true(r->live_mappings <= all);

	if (p->read_pct == 100)
		assert_int_equal(r->read_ios, r->ios);
	else if (p->read_pct == 0)
		assert_int_equal(r->read_ios, 0);
	else /* five standard deviations */
		assert_true(difference(r->read_ios * 100, r->ios * p->read_pct) *
				    difference(r->read_ios * 100, r->ios * p->read_pct) <
			    25 * r->ios * 100 * 100 / 4);
}

/*
 * Mean number in flight = completions per time x mean latency; allows @permille. Where one CPU serves the
 * interrupts of all, its own job can starve: what never ends is in flight, and is @starved in no latency.
 */
static void check_little(const struct host_result *r, uint64_t permille, bool starved)
{
	uint64_t sampled = r->inflight_sum * 10000 / r->inflight_samples;
	uint64_t computed = r->latency_sum_ps * 10 / (r->elapsed_ps / 1000);

	assert_true(r->inflight_samples > 600 && r->inflight_samples < 1009);
	if (starved && computed < sampled)
		return;
	if (difference(sampled, computed) * 1000 > computed * permille)
		fail_msg("%lu in flight sampled, %lu computed, in ten thousandths", sampled, computed);
}

static void check_locks(const struct host_params *p, const struct host_result *r)
{
	uint64_t slack = 100 * US; /* a hold that began before the measurement */
	uint64_t cache_lock = 0, flushes;
	uint32_t i;

	for (i = 0; i < r->lock_count; i++) {
		const struct host_lock_result *l = &r->locks[i];

		assert_true(l->hold_total_ps <= r->elapsed_ps + slack);
		assert_true(l->hold_max_ps <= l->hold_total_ps && l->wait_max_ps <= l->wait_total_ps);
		assert_true(l->hold_total_ps <= (l->acquisitions + 1) * l->hold_max_ps); /* one from before */
		assert_true(l->contended <= l->acquisitions);
		assert_true(!l->wait_total_ps || l->contended);
		assert_true(!i || l->wait_total_ps <= r->locks[i - 1].wait_total_ps);
		if (!strcmp(l->name, "cache_lock"))
			cache_lock += l->acquisitions;
	}
	/* Every flush takes it once, and nobody else does; where the tags are an array, not even those. */
	flushes = p->domain.policy == POLICY_INVS
			  ? 0
			  : r->calls[FN_cache_tag_flush_range] + r->calls[FN_cache_tag_flush_range_np] +
				    r->calls[FN_cache_tag_flush_all];
	assert_true(difference(cache_lock, flushes) <= r->cpu_count);
	assert_true(r->cpu_idle_ps <= r->cpu_count * r->elapsed_ps);
	assert_true(r->cpu_idle_ps + r->cpu_stall_ps <= r->cpu_count * (r->elapsed_ps + slack));
	assert_true(r->cpu_idle_ps + r->cpu_spin_ps <= r->cpu_count * (r->elapsed_ps + slack));
	for (i = 1; i < r->line_count; i++)
		assert_true(r->lines[i].stall_ps <= r->lines[i - 1].stall_ps);
}

/* Does a mapping need a flush? */
static bool needs_sync_map(const struct host_params *p)
{
	return (p->unit_cap[0] & CAP_RWBF) || ((p->unit_cap[0] & CAP_CM) && !p->domain.first_stage);
}

/* What each I/O calls, within what each CPU may be in the middle of. */
static void check_calls(const struct host_params *p, const struct host_result *r, unsigned int units_per_domain)
{
	uint64_t all = (uint64_t)p->devices * p->jobs * p->iodepth, maps = r->calls[FN_dma_map];
	uint64_t unmaps = r->calls[FN_dma_unmap], cpus = r->cpu_count, np = r->calls[FN_cache_tag_flush_range_np];
	uint64_t syncs = r->calls[FN_iotlb_sync_map], wbf = r->calls[FN_iommu_flush_write_buffer];
	uint64_t domains = p->shared_bridge ? 1 : p->devices;
	bool needed = needs_sync_map(p);

	assert_true(difference(maps, r->ios) <= all);
	assert_true(difference(unmaps, r->ios) <= all);
	if (p->domain.policy == POLICY_PT) {
		assert_int_equal(syncs | np | wbf | r->calls[FN_cache_tag_flush_range], 0);
		assert_int_equal(r->calls[FN_cache_tag_flush_all] | r->calls[FN_qi_submit_sync], 0);
		return;
	}
	assert_true(difference(syncs, maps) <= cpus);
	if (!p->ats) {
		/* The device reads the command, a list if it is long, the pages, and writes the completion. */
		uint64_t pages = p->bs / 4096, translations = 2 + pages + (pages > 2);

		assert_true(difference(r->iotlb_hits + r->iotlb_misses, translations * r->ios) <=
			    translations * all);
	}
	if (p->domain.policy == POLICY_ALWAYS || (p->domain.policy != POLICY_LEGACY && needed))
		assert_true(difference(np, syncs) <= cpus);
	else
		assert_int_equal(np, 0);
	/* A call for each unit of the domain that needs no invalidation */
	if (p->domain.policy == POLICY_LEGACY && !(p->unit_cap[0] & CAP_CM))
		assert_true(difference(wbf, syncs * units_per_domain) <= cpus * units_per_domain);
	if (p->domain.lazy) {
		assert_int_equal(r->calls[FN_cache_tag_flush_range], 0);
		/* A ring is full at 255, and the timer comes every 10 ms at the most. */
		assert_true(r->calls[FN_cache_tag_flush_all] <=
			    unmaps / 255 + cpus * domains + domains * (p->runtime_ps / (10 * MS) + 1));
	} else {
		assert_true(difference(r->calls[FN_cache_tag_flush_range], unmaps) <= cpus);
		assert_int_equal(r->calls[FN_cache_tag_flush_all], 0);
		assert_true(r->calls[FN_qi_submit_sync] + cpus >= unmaps);
	}
}

static uint64_t locks_in_maps(const struct host_result *r, const char *name)
{
	uint64_t acquisitions = 0;
	uint32_t i;

	for (i = 0; i < r->lock_count; i++)
		if (!name || !strcmp(r->locks[i].name, name))
			acquisitions += r->locks[i].acquisitions_in_map;
	return acquisitions;
}

/* Parts of map calls are no larger than what is known of all that CPUs did, and no smaller than their instructions.
 */
static void check_map_time(const struct host_params *p, const struct host_result *r)
{
	const uint64_t *ps = r->map_part_ps, *step_ps = p->sim.step_ps;
	uint64_t maps = r->map_calls[FN_dma_map];
	uint64_t total = 0, wait = 0, hold = 0;
	uint32_t i;

	for (i = 0; i < MAP_PART_COUNT; i++) {
		assert_true(ps[i] <= r->cpu_count * r->elapsed_ps);
		total += ps[i];
	}
	assert_true(total <= r->cpu_count * r->elapsed_ps);
	for (i = 0; i < r->lock_count; i++) {
		assert_true(r->locks[i].acquisitions_in_map <= r->locks[i].acquisitions);
		wait += r->locks[i].wait_total_ps;
		hold += r->locks[i].hold_total_ps;
	}
	assert_true(ps[MAP_lock_wait] <= wait && ps[MAP_lock_hold] <= hold);
	assert_true(ps[MAP_line_stalls] <= r->cpu_stall_ps);
	assert_true(ps[MAP_other] >= maps * step_ps[COST_DMA_MAP_ENTRY]);
	if (p->domain.policy == POLICY_PT) {
		assert_int_equal(ps[MAP_other], total);
		return;
	}
	assert_true(ps[MAP_iova] >= maps * step_ps[COST_IOVA_ALLOC]);
	assert_true(ps[MAP_page_table] >= maps * step_ps[COST_IOMMU_MAP] && ps[MAP_lock_hold]);
}

/* What is called and locked in a map call: no call is there in part, so that these are exact. */
static void check_map_calls(const struct host_params *p, const struct host_result *r, unsigned int units_per_domain)
{
	const uint64_t *calls = r->map_calls;
	uint64_t maps = calls[FN_dma_map], np;

	assert_true(maps > 0 && difference(maps, r->calls[FN_dma_map]) <= r->cpu_count);
	/* Completions, and the flush timer, are interrupts, which come in the midst of map calls too. */
	assert_int_equal(calls[FN_dma_unmap] | calls[FN_cache_tag_flush_range] | calls[FN_cache_tag_flush_all], 0);
	assert_int_equal(locks_in_maps(r, "&fq->lock") | locks_in_maps(r, "sq_lock"), 0);
	if (p->domain.policy == POLICY_PT) {
		assert_int_equal(calls[FN_iotlb_sync_map] | locks_in_maps(r, NULL), 0);
		return;
	}
	assert_int_equal(calls[FN_iotlb_sync_map], maps);
	np = p->domain.policy == POLICY_ALWAYS || (p->domain.policy != POLICY_LEGACY && needs_sync_map(p)) ? maps
													   : 0;
	assert_int_equal(calls[FN_cache_tag_flush_range_np], np);
	assert_int_equal(locks_in_maps(r, "cache_lock"), p->domain.policy == POLICY_INVS ? 0 : np);
	/* Of other locks only those that every allocation of an address may take: its own CPU's, or the depot's, or
	 * the tree's. */
	if (!needs_sync_map(p))
		assert_int_equal(locks_in_maps(r, NULL), np + locks_in_maps(r, "&cpu_rcache->lock") +
								 locks_in_maps(r, "&rcache->lock") +
								 locks_in_maps(r, "&iovad->iova_rbtree_lock"));
	if (p->unit_cap[0] & CAP_CM && !p->domain.first_stage) {
		assert_true(calls[FN_qi_submit_sync] >= maps * units_per_domain);
		assert_true(r->iotlb_invalidations >= maps);
	} else {
		assert_int_equal(calls[FN_qi_submit_sync], 0);
		assert_true(np || p->domain.policy == POLICY_LEGACY || !calls[FN_iommu_flush_write_buffer]);
	}
	if (p->unit_cap[0] & CAP_RWBF && !(p->unit_cap[0] & CAP_CM && !p->domain.first_stage)) {
		assert_true(r->write_buffer_flushes >= maps * units_per_domain);
		/* No flush of the warm-up is among them. */
		assert_true(difference(r->write_buffer_flushes, r->calls[FN_iommu_flush_write_buffer]) <=
			    r->cpu_count);
	} else {
		assert_int_equal(r->write_buffer_flushes, 0);
	}
	/* Each submission is of one descriptor for IOTLBs, if a domain has one tag. */
	if (units_per_domain == 1 && !p->ats)
		assert_true(difference(r->iotlb_invalidations, r->calls[FN_qi_submit_sync]) <= r->cpu_count);
	assert_true(p->ats && !p->domain.lazy ? r->devtlb_invalidations > 0 : p->ats || !r->devtlb_invalidations);
}

/* ---- runs of all kinds ---- */

static struct host_params draw(struct fixture *f, struct rng *rng)
{
	static const uint64_t sizes[] = { 4096, 4096, 8192, 12288, 65536, 1048576 };
	static const enum policy policies[] = { POLICY_PT,	POLICY_LEGACY, POLICY_ALWAYS,
						POLICY_DYNAMIC, POLICY_STATIC, POLICY_INVS };
	static const char *const placements[] = { "spread", "packed" };
	struct host_params p = defaults(f);

	p.topology = &f->small;
	p.placement = placements[rng_below(rng, 2)];
	p.domain.policy = policies[rng_below(rng, 6)];
	p.domain.layout = rng_below(rng, 2) ? LAYOUT_PADDED : LAYOUT_KERNEL;
	p.domain.first_stage = !rng_below(rng, 3);
	p.domain.lazy = rng_below(rng, 2);
	p.shared_bridge = rng_below(rng, 2);
	p.devices = 1 + (uint32_t)rng_below(rng, 3);
	p.units = 1 + (uint32_t)rng_below(rng, p.devices);
	p.ats = !rng_below(rng, 4);
	p.bs = sizes[rng_below(rng, 6)];
	p.read_pct = (uint32_t)rng_below(rng, 3) * 50;
	p.jobs = 1 + (uint32_t)rng_below(rng, 3);
	p.iodepth = 1U << rng_below(rng, 7);
	p.queues = (uint32_t)rng_below(rng, 4);
	p.sim.lock = (enum lock_kind)rng_below(rng, 4);
	p.sim.seed = rng_next(rng);
	p.nvme.latency_dist = (enum latency_dist)rng_below(rng, 3);
	p.warmup_ps = 2 * MS;
	p.runtime_ps = 12 * MS;
	return p;
}

static void laws_of_random_runs(void **state)
{
	struct fixture *f = *state;
	struct host_result r;
	struct rng rng;
	unsigned int i;

	rng_seed(&rng, 12, 0);
	for (i = 0; i < 48; i++) {
		struct host_params p = draw(f, &rng);

		run(&p, &r);
		check_counts(&p, &r);
		/* The fewer I/Os there are, the more those count that the measurement cuts in two. */
		check_little(&r, 10 + 1000 * p.devices * p.jobs * p.iodepth / r.ios, p.queues);
		check_locks(&p, &r);
		check_calls(&p, &r, p.shared_bridge ? p.units : 1);
		check_map_time(&p, &r);
		check_map_calls(&p, &r, p.shared_bridge ? p.units : 1);
		host_result_free(&r);
	}
}

/* Every policy on both kinds of bridge, lazy and strict by turns, and a closer look at Little's law. */
static void laws_of_the_matrix(void **state)
{
	static const enum policy policies[] = { POLICY_PT,	POLICY_LEGACY, POLICY_ALWAYS,
						POLICY_DYNAMIC, POLICY_STATIC, POLICY_INVS };
	struct fixture *f = *state;
	struct host_result r;
	unsigned int k;

	for (k = 0; k < 12; k++) {
		struct host_params p = defaults(f);

		p.domain.policy = policies[k % 6];
		p.shared_bridge = k / 6 & 1;
		p.domain.lazy = (k + k / 6) & 1;
		p.topology = &f->small;
		p.jobs = 3;
		p.warmup_ps = 2 * MS;
		run(&p, &r);
		check_counts(&p, &r);
		check_little(&r, 10, false);
		check_locks(&p, &r);
		check_calls(&p, &r, 1);
		check_map_time(&p, &r);
		check_map_calls(&p, &r, 1);
		host_result_free(&r);
	}
}

/* Caching mode and write buffers make every policy flush, and translation stays right. First stage needs no caching
 * mode's invalidations. */
static void laws_with_caching_mode(void **state)
{
	struct fixture *f = *state;
	struct host_result r;
	unsigned int k, policy;

	for (k = 1; k < 8; k++)
		for (policy = POLICY_LEGACY; policy <= POLICY_INVS; policy++) {
			struct host_params p = defaults(f);

			f->caps[0] = CAP_F5 | (k & 1 ? CAP_CM : 0) | (k & 2 ? CAP_RWBF : 0);
			p.domain.policy = (enum policy)policy;
			p.domain.first_stage = k & 4;
			p.domain.lazy = false;
			p.topology = &f->small;
			p.jobs = 2;
			p.warmup_ps = 1 * MS;
			p.runtime_ps = 5 * MS;
			run(&p, &r);
			check_counts(&p, &r);
			/* Few I/Os, and those count that the measurement cuts in two. */
			check_little(&r, 20 + 1000 * p.devices * p.jobs * p.iodepth / r.ios, false);
			check_locks(&p, &r);
			check_calls(&p, &r, 1);
			check_map_time(&p, &r);
			check_map_calls(&p, &r, 1);
			/* An invalidation per mapping and one per unmapping */
			if ((k & 5) == 1)
				assert_true(r.calls[FN_qi_submit_sync] + r.cpu_count >=
					    r.calls[FN_dma_map] + r.calls[FN_dma_unmap]);
			host_result_free(&r);
		}
}

/*
 * Nobody to wait for. What is locked, but for cache_lock under `always`, is what addresses come from: the CPU's own
 * magazines, and where they are empty the depot, and where that is empty the tree.
 */
static void a_lone_cpu(void **state)
{
	static const enum policy policies[] = { POLICY_STATIC, POLICY_DYNAMIC, POLICY_INVS, POLICY_LEGACY,
						POLICY_ALWAYS };
	struct fixture *f = *state;
	struct host_result r;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct host_params p = defaults(f);
		uint64_t maps, magazines, depot, tree;

		p.topology = &f->small;
		p.domain.policy = policies[i];
		p.devices = p.jobs = 1;
		run(&p, &r);
		assert_int_equal(r.cpu_count, 1);
		check_map_time(&p, &r);
		check_map_calls(&p, &r, 1);
		maps = r.map_calls[FN_dma_map];
		magazines = locks_in_maps(&r, "&cpu_rcache->lock");
		depot = locks_in_maps(&r, "&rcache->lock");
		tree = locks_in_maps(&r, "&iovad->iova_rbtree_lock");
		assert_int_equal(r.map_part_ps[MAP_lock_wait], 0);
		assert_int_equal(magazines, maps);
		assert_true(tree <= depot && depot < maps / 20);
		host_result_free(&r);
	}
}

/* One queue for the jobs of six CPUs: who waits for a completion on another CPU is woken. */
static void laws_with_one_queue(void **state)
{
	struct fixture *f = *state;
	struct host_params p = defaults(f);
	struct host_result r;

	p.topology = &f->small;
	p.devices = 1;
	p.jobs = 6;
	p.iodepth = 1;
	p.queues = 1;
	run(&p, &r);
	assert_int_equal(r.cpu_count, 6);
	check_counts(&p, &r);
	check_little(&r, 20, false);
	check_locks(&p, &r);
	check_calls(&p, &r, 1);
	host_result_free(&r);
}

/* ---- repeatable ---- */

static void assert_same(const struct host_result *a, const struct host_result *b)
{
	struct host_result x = *a, y = *b;
	uint32_t i;

	x.devices = y.devices = NULL;
	x.locks = y.locks = NULL;
	x.lines = y.lines = NULL;
	assert_memory_equal(&x, &y, sizeof(x));
	assert_memory_equal(a->devices, b->devices, a->device_count * sizeof(a->devices[0]));
	for (i = 0; i < a->lock_count; i++) {
		const struct host_lock_result *l = &a->locks[i], *m = &b->locks[i];

		assert_string_equal(l->name, m->name);
		assert_int_equal(l->instance, m->instance);
		assert_memory_equal(&l->acquisitions, &m->acquisitions,
				    sizeof(*l) - offsetof(struct host_lock_result, acquisitions));
	}
	for (i = 0; i < a->line_count; i++) {
		const struct host_line_result *l = &a->lines[i], *m = &b->lines[i];

		assert_ptr_equal(l->type, m->type);
		assert_int_equal(l->index, m->index);
		assert_memory_equal(&l->transfers_local, &m->transfers_local,
				    sizeof(*l) - offsetof(struct host_line_result, transfers_local));
	}
}

struct thread_run {
	struct host_params params;
	struct host_result result;
	int ret;
};

static void *thread_body(void *arg)
{
	struct thread_run *t = arg;
	char err[256];

	t->ret = host_run(&t->params, &t->result, err, sizeof(err));
	return NULL;
}

static void repeatable(void **state)
{
	struct fixture *f = *state;
	struct thread_run runs[4];
	struct host_result alone[2];
	pthread_t threads[4];
	struct rng rng;
	unsigned int round, i;

	rng_seed(&rng, 34, 0);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 4; i++) {
			runs[i] = (struct thread_run){ .params = i < 2 ? draw(f, &rng) : runs[i - 2].params };
			runs[i].params.runtime_ps = 4 * MS;
		}
		run(&runs[0].params, &alone[0]);
		run(&runs[1].params, &alone[1]);
		/* Two different ones and each of them twice, all at the same time */
		for (i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, thread_body, &runs[i]), 0);
		for (i = 0; i < 4; i++) {
			pthread_join(threads[i], NULL);
			assert_int_equal(runs[i].ret, 0);
			assert_same(&alone[i % 2], &runs[i].result);
			host_result_free(&runs[i].result);
		}
		host_result_free(&alone[0]);
		host_result_free(&alone[1]);
	}
}

static void seeds_differ(void **state)
{
	struct fixture *f = *state;
	struct host_params p = defaults(f);
	struct host_result a, b;

	p.topology = &f->small;
	p.jobs = 3;
	p.runtime_ps = p.warmup_ps = 2 * MS;
	run(&p, &a);
	p.sim.seed++;
	run(&p, &b);
	assert_int_not_equal(a.latency_sum_ps, b.latency_sum_ps);
	host_result_free(&a);
	host_result_free(&b);

	/* Not by the devices alone */
	p.nvme.latency_dist = LATDIST_CONSTANT;
	run(&p, &a);
	p.sim.seed++;
	run(&p, &b);
	assert_int_not_equal(a.latency_sum_ps, b.latency_sum_ps);
	host_result_free(&a);
	host_result_free(&b);
}

/* A run that is cut short is the run's beginning. */
static void interrupted(void **state)
{
	struct fixture *f = *state;
	const volatile sig_atomic_t stop = 1;
	struct host_params p = defaults(f);
	struct host_result r;

	p.topology = &f->small;
	p.jobs = 1;
	p.interrupted = &stop;
	run(&p, &r);
	assert_true(r.interrupted);
	assert_true(r.submitted < 1000);
	host_result_free(&r);
}

/* ---- what must come out (design: predicted, not fitted) ---- */

/* Completed in percent of what the devices can do */
static unsigned int percent_of_ceiling(const struct host_params *p)
{
	struct host_result r;
	uint64_t ceiling = p->devices * DEVICE_IOPS, iops;

	run(p, &r);
	iops = r.ios * 1000000 / (r.elapsed_ps / US);
	host_result_free(&r);
	return (unsigned int)((iops * 1000 + ceiling * 5) / (ceiling * 10));
}

static void no_drop(void **state)
{
	struct fixture *f = *state;
	struct host_params p = defaults(f);

	/* F1: there is one, with two devices on one bridge. */
	assert_true(percent_of_ceiling(&p) < 95);
	/* F3: not when a flag says that nothing need be flushed */
	p.domain.policy = POLICY_DYNAMIC;
	assert_int_equal(percent_of_ceiling(&p), 100);
	p.domain.policy = POLICY_STATIC;
	assert_int_equal(percent_of_ceiling(&p), 100);
	/* F1: nor before v6.10, whose walk had no lock */
	p.domain.policy = POLICY_LEGACY;
	assert_int_equal(percent_of_ceiling(&p), 100);
	p.domain.policy = POLICY_PT;
	assert_int_equal(percent_of_ceiling(&p), 100);
	/* F2: nor on separate bridges */
	p.domain.policy = POLICY_ALWAYS;
	p.shared_bridge = false;
	assert_int_equal(percent_of_ceiling(&p), 100);
	/* Nor with one device */
	p.shared_bridge = true;
	p.devices = 1;
	assert_int_equal(percent_of_ceiling(&p), 100);
	/* Nor where a line's transfer costs nothing: it is contention, not work. */
	p = defaults(f);
	memset(p.sim.coh.latency_ps, 0, sizeof(p.sim.coh.latency_ps));
	assert_int_equal(percent_of_ceiling(&p), 100);
}

/* ---- what cannot run ---- */

static void refused(void **state)
{
	struct fixture *f = *state;
	struct host_params p = defaults(f);
	struct host_result r;
	char err[256];

	p.topology = &f->small;
	p.jobs = 1;
	p.units = 2;
	p.domain.policy = POLICY_STATIC;
	p.domain.lazy = false;
	f->caps[1] |= CAP_CM;
	assert_int_equal(host_run(&p, &r, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "device 1"));
	assert_non_null(strstr(err, "static"));
	/* The other way round it is no mismatch. */
	f->caps[0] |= CAP_CM;
	f->caps[1] &= ~CAP_CM;
	p.runtime_ps = 1 * MS;
	run(&p, &r);
	host_result_free(&r);
}

/* A run in which a DMA faulted has no result, whichever DMA it was. */
static void faults(void **state)
{
	static const unsigned int at[] = { 1, 100, 1000, 1001, 1002 };
	struct fixture *f = *state;
	struct host_params p = defaults(f);
	struct host_result r;
	unsigned int i;
	char err[256];

	p.topology = &f->small;
	p.jobs = 2;
	p.warmup_ps = p.runtime_ps = 1 * MS;
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		fault_in = at[i];
		assert_int_equal(host_run(&p, &r, err, sizeof(err)), -EIO);
		assert_non_null(strstr(err, "1 DMA"));
		assert_null(r.devices);
	}
	fault_in = 0;
}

/* ---- the oracle ---- */

/* CM=0, CM=1 or RWBF=1 */
static const uint64_t oracle_caps[] = { 0, CAP_CM, CAP_RWBF };

static struct host_params watched(struct fixture *f, enum oracle_mode mode, bool lazy, uint64_t cap)
{
	struct host_params p = defaults(f);

	f->caps[0] = CAP_F5 | cap;
	p.topology = &f->small;
	p.jobs = 2;
	p.warmup_ps = 1 * MS;
	p.runtime_ps = 14 * MS; /* the flush queue's timer comes every 10 ms */
	p.domain.lazy = lazy;
	p.sim.oracle = mode;
	return p;
}

/* A run with the oracle is the run without it. */
static void oracle_only_looks(void **state)
{
	struct fixture *f = *state;
	struct oracle_stats sample, full;
	struct host_result r[3];
	unsigned int lazy, mode, cap;

	for (lazy = 0; lazy < 2; lazy++) {
		for (cap = 0; cap < (lazy ? 1 : ARRAY_SIZE(oracle_caps)); cap++) {
			for (mode = ORACLE_OFF; mode <= ORACLE_FULL; mode++) {
				struct host_params p = watched(f, mode, lazy, oracle_caps[cap]);

				run(&p, &r[mode]);
			}
			sample = r[ORACLE_SAMPLE].oracle;
			full = r[ORACLE_FULL].oracle;
			assert_int_equal(r[ORACLE_OFF].oracle.maps, 0);
			assert_true(full.maps > 1000 && full.unmaps > 1000 && full.dmas > 3000);
			/* About one in 16 */
			assert_true(sample.dmas > full.dmas / 64 && sample.dmas < full.dmas / 4);
			if (lazy) {
				/* A timer's period, or as long as it takes to fill a ring */
				assert_true(full.windows > 1000 && full.window_max_ps < 15 * MS);
				assert_true(full.window_sum_ps / full.windows > 100 * US);
			} else {
				assert_int_equal(full.windows, 0);
			}
			r[ORACLE_SAMPLE].oracle = r[ORACLE_FULL].oracle = r[ORACLE_OFF].oracle;
			for (mode = ORACLE_SAMPLE; mode <= ORACLE_FULL; mode++)
				assert_same(&r[ORACLE_OFF], &r[mode]);
			for (mode = ORACLE_OFF; mode <= ORACLE_FULL; mode++)
				host_result_free(&r[mode]);
		}
	}
}

static void assert_violation(const struct host_params *p, const char *rule, const char *before, const char *last)
{
	char err[ORACLE_TEXT_SIZE];
	struct host_result r;
	const char *history;

	assert_int_equal(host_run(p, &r, err, sizeof(err)), -EIO);
	assert_null(r.devices);
	assert_ptr_equal(strstr(err, rule), err);
	history = strstr(err, "\nhistory of IOVA 0x");
	assert_non_null(history);
	assert_non_null(strstr(history, before));
	/* The history ends with what is wrong. */
	assert_string_equal(err + strlen(err) - strlen(last), last);
}

static void oracle_finds_missing_invalidation(void **state)
{
	struct fixture *f = *state;
	unsigned int i, ats;

	for (i = 0; i < ARRAY_SIZE(oracle_caps); i++) {
		for (ats = 0; ats < 2; ats++) {
			struct host_params p = watched(f, ORACLE_FULL, false, oracle_caps[i]);

			p.ats = ats;
			p.domain.bug = BUG_NO_SYNC_UNMAP;
			assert_violation(&p, "M2: unmap of IOVA 0x", " unmap returns\n",
					 "a DMA would still go through");
		}
	}
}

/* What the unit looks up of its own accord it may remember as absent, with CM=1: then a map has to invalidate. */
static void oracle_finds_missing_sync_map(void **state)
{
	struct fixture *f = *state;
	struct host_params p = watched(f, ORACLE_FULL, false, CAP_CM);
	struct host_result r;

	look_around = 4;
	run(&p, &r);
	assert_true(r.oracle.dmas > 3000);
	host_result_free(&r);
	p.domain.bug = BUG_NO_SYNC_MAP;
	assert_violation(&p, "M1: a DMA of device ", " map returns\n", "DMA is blocked");
	look_around = 0;
	/* Devices that look up only what is mapped do not see the mistake: docs/model.md says so. */
	run(&p, &r);
	host_result_free(&r);
}

static void oracle_judges_every_dma(void **state)
{
	static const unsigned int at[] = { 1, 100, 1000, 1001, 1002 };
	struct fixture *f = *state;
	struct host_params p = watched(f, ORACLE_FULL, true, 0);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		fault_in = at[i];
		assert_violation(&p, "M1: a DMA of device ", "device ", "DMA is blocked");
		fault_in = 0;
		wrong_in = at[i];
		assert_violation(&p, "M1: a DMA of device ", "device ", "DMA goes through");
		wrong_in = 0;
	}
}

/* Units of different widths: the run either works, whatever their order, or says which device cannot be attached.
 */
static void mixed_widths(void **state)
{
	struct fixture *f = *state;
	unsigned int narrow;
	char err[256];

	for (narrow = 0; narrow < 2; narrow++) {
		struct host_params p = defaults(f);
		struct host_result r;
		int ret;

		f->caps[narrow] = CAP_F5 & ~CAP_SAGAW_5LEVEL;
		f->caps[!narrow] = CAP_F5;
		p.topology = &f->small;
		p.units = 2;
		p.jobs = 1;
		p.runtime_ps = p.warmup_ps = 1 * MS;
		ret = host_run(&p, &r, err, sizeof(err));
		if (ret) {
			assert_int_equal(ret, -EINVAL);
			assert_non_null(strstr(err, "device 1"));
		} else {
			check_counts(&p, &r);
			host_result_free(&r);
		}
	}
}

/* The largest ring there is, and more I/Os in flight than fit even there */
static void deep_queue(void **state)
{
	struct fixture *f = *state;
	struct host_params p = defaults(f);
	struct host_result r;
	char err[256];

	p.topology = &f->small;
	p.devices = 1;
	p.jobs = 10;
	p.iodepth = 4096;
	p.queues = 1;
	p.nvme.parallelism = 65536;
	p.nvme.iops = 4000000;
	p.nvme.mib_s = 100000;
	p.submit_ps = p.complete_ps = 100 * NS;
	p.warmup_ps = 20 * MS;
	p.runtime_ps = 160 * MS;
	run(&p, &r);
	assert_true(r.completed > 140000); /* more than twice round the ring of 65536 */
	check_counts(&p, &r);
	host_result_free(&r);

	/* More than a ring can have entries */
	p.jobs = 17;
	assert_int_equal(host_run(&p, &r, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "69632"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(laws_of_random_runs),
		TEST(laws_of_the_matrix),
		TEST(laws_with_caching_mode),
		TEST(a_lone_cpu),
		TEST(laws_with_one_queue),
		TEST(repeatable),
		TEST(seeds_differ),
		TEST(interrupted),
		TEST(no_drop),
		TEST(refused),
		TEST(faults),
		TEST(oracle_only_looks),
		TEST(oracle_finds_missing_invalidation),
		TEST(oracle_finds_missing_sync_map),
		TEST(oracle_judges_every_dma),
		TEST(mixed_widths),
		TEST(deep_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
