/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_mapbench.c - the map benchmark on both engines, its statistics, and its command
 *
 * Links with -Wl,--wrap=region_alloc: it makes simulated memory run out.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>

#include "bench/cmd.h"
#include "bench/mapbench.h"
#include "sim/rng.h"
#include "sim/topology.h"
#include "tests/sim_test.h"

#define CAP 0x19ed008c40780c66ULL
#define CAP_CM (1ULL << 7)
#define ECAP 0xc80000f020dfULL

/* Simulated allocations that still succeed; negative: all. One test sets it, and runs on one thread. */
static int allocations_left = -1;

void *__real_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align);
void *__wrap_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align);
void *__wrap_region_alloc(struct region *r, const struct obj_type *type, size_t size, size_t align)
{
	if (!allocations_left)
		return NULL;
	if (allocations_left > 0)
		allocations_left--;
	return __real_region_alloc(r, type, size, align);
}

/* ---- statistics ---- */

/* As the kernel's text has it, step by step, with a root that is found by counting. */
static void kernel_reference(const uint64_t *ps, uint64_t count, uint64_t *average, uint64_t *stddev)
{
	uint64_t sum = 0, squares = 0, variance, i;

	for (i = 0; i < count; i++) {
		sum += ps[i] / 1000 / 100;
		squares += ps[i] / 1000 / 100 * (ps[i] / 1000 / 100);
	}
	*average = sum / count;
	variance = squares / count - *average * *average;
	for (*stddev = 0; (*stddev + 1) * (*stddev + 1) <= variance;)
		++*stddev;
}

static void exact_reference(const uint64_t *ps, uint64_t count, double *mean, double *stddev)
{
	long double sum = 0, squares = 0;
	uint64_t i;

	for (i = 0; i < count; i++)
		sum += (long double)ps[i] / 1000;
	*mean = (double)(sum / count);
	for (i = 0; i < count; i++)
		squares += ((long double)ps[i] / 1000 - sum / count) * ((long double)ps[i] / 1000 - sum / count);
	*stddev = (double)sqrtl(squares / count);
}

static void check_stats(const uint64_t *ps, uint64_t count)
{
	struct mapbench_latency all = { 0 }, parts[2] = { { 0 }, { 0 } };
	uint64_t average, stddev, low = UINT64_MAX, high = 0, i;
	double mean_ns, stddev_ns;
	struct mapbench_stats s;

	for (i = 0; i < count; i++) {
		mapbench_latency_add(&all, ps[i]);
		mapbench_latency_add(&parts[i < count / 3], ps[i]);
		low = ps[i] < low ? ps[i] : low;
		high = ps[i] > high ? ps[i] : high;
	}
	mapbench_latency_merge(&parts[0], &parts[1]);
	assert_memory_equal(&parts[0], &all, sizeof(all));
	assert_int_equal(all.count, count);
	assert_int_equal(all.min_ps, low);
	assert_int_equal(all.max_ps, high);
	kernel_reference(ps, count, &average, &stddev);
	exact_reference(ps, count, &mean_ns, &stddev_ns);
	s = mapbench_latency_stats(&all);
	assert_int_equal(s.kernel_average_100ns, average);
	assert_int_equal(s.kernel_stddev_100ns, stddev);
	assert_true(fabs(s.mean_ns - mean_ns) <= 1e-9 * mean_ns);
	assert_true(fabs(s.stddev_ns - stddev_ns) <= 1e-6 * stddev_ns + 1e-9);
}

static void test_stats(void **state)
{
	static uint64_t ps[5000];
	struct mapbench_stats s = mapbench_latency_stats(&(struct mapbench_latency){ 0 });
	const uint64_t means[] = { 40000, 250000, 900000, 30000000, 20000000000 };
	struct rng rng;
	size_t i, k;

	(void)state;
	assert_true(s.mean_ns == 0 && s.stddev_ns == 0);
	assert_int_equal(s.kernel_average_100ns + s.kernel_stddev_100ns, 0);
	rng_seed(&rng, 5, 0);
	for (i = 0; i < sizeof(means) / sizeof(means[0]); i++) {
		for (k = 0; k < 5000; k++)
			ps[k] = 20000 + rng_exponential_ps(&rng, means[i]);
		check_stats(ps, 5000);
		check_stats(ps, 1);
		check_stats(ps, 2);
	}
	/* Half at 100 ns and half just short of 200: the kernel sees one and the same latency. */
	for (k = 0; k < 100; k++)
		ps[k] = k % 2 ? 199999 : 100000;
	check_stats(ps, 100);
	/* Rounding the mean down to 1 before it is squared makes a deviation of 1 out of one of 0.5. */
	for (k = 0; k < 100; k++)
		ps[k] = k % 2 ? 200000 : 100000;
	check_stats(ps, 100);
}

/* ---- the loop on simulated CPUs ---- */

static const uint64_t caps[] = { CAP, CAP, CAP, CAP }, ecaps[] = { ECAP, ECAP, ECAP, ECAP };

static struct mapbench_params map_params(enum policy policy)
{
	return (struct mapbench_params){
		.devices = {
			.count = 1,
			.shared_bridge = true,
			.units = 1,
			.unit_cap = caps,
			.unit_ecap = ecaps,
			.domain = { .policy = policy, .lazy = true },
			.dma_mask = UINT32_MAX,
			.vtd = { 300000, 150000, 1000000, 100000, 120000, 200000 },
			.iotlb_entries = 64,
		},
		.dir = DMA_BIDIRECTIONAL,
		.granule = 1,
		.warmup_ps = 1000000000,
		.duration_ps = 1000000000,
		.timed = true,
	};
}

/* With the steps of the DMA API at a plausible cost. */
static struct sim_params costs(void)
{
	struct sim_params sim = sim_test_params();
	uint32_t i;

	for (i = 0; i < COST_STEP_COUNT; i++)
		sim.step_ps[i] = 20000;
	return sim;
}

static int run_mapbench_seed(uint32_t threads, const struct mapbench_params *params, uint64_t seed,
			     struct mapbench_result *result)
{
	struct sim_params sim = costs();
	char err[TOPOLOGY_ERR_SIZE];
	struct topology topology;
	uint32_t pus[128], i;
	int ret;

	sim.seed = seed;
	assert_int_equal(topology_load(&topology, "package:2 l3:1 core:64 pu:1", err, sizeof(err)), 0);
	/* Every other one in each package. */
	for (i = 0; i < threads; i++)
		pus[i] = i < threads / 2 ? i : 64 + i - threads / 2;
	ret = mapbench_run(&topology, pus, threads, &sim, params, result);
	topology_destroy(&topology);
	return ret;
}

/* What must hold of every result. */
static void check_result(const struct mapbench_result *r, const struct mapbench_params *p, uint32_t threads)
{
	uint64_t maps = 0, map_sum = 0, unmap_sum = 0;
	uint32_t i;

	assert_int_equal(r->thread_count, threads);
	for (i = 0; i < threads; i++) {
		maps += r->threads[i].maps;
		map_sum += r->threads[i].map_sum_ps;
		unmap_sum += r->threads[i].unmap_sum_ps;
		assert_true(r->threads[i].elapsed_ps <= r->elapsed_ps);
		/* A thread does one thing at a time. */
		assert_true(r->threads[i].map_sum_ps + r->threads[i].unmap_sum_ps <= r->threads[i].elapsed_ps);
	}
	assert_int_equal(maps, r->maps);
	assert_true(maps > 0);
	assert_int_equal(r->map.count, p->timed ? maps : 0);
	assert_int_equal(r->unmap.count, r->map.count);
	assert_int_equal(map_sum, r->map.sum_ps);
	assert_int_equal(unmap_sum, r->unmap.sum_ps);
	/* What is mapped is unmapped. */
	assert_int_equal(r->calls[FN_dma_map], r->calls[FN_dma_unmap]);
	assert_true(r->calls[FN_dma_map] >= maps);
	assert_int_equal(r->calls[FN_iotlb_sync_map],
			 p->devices.domain.policy == POLICY_PT ? 0 : r->calls[FN_dma_map]);
}

static struct mapbench_result map_bench(uint32_t threads, const struct mapbench_params *p)
{
	struct mapbench_result r;

	assert_int_equal(run_mapbench_seed(threads, p, 1, &r), 0);
	check_result(&r, p, threads);
	return r;
}

static double mean_map_ns(uint32_t threads, const struct mapbench_params *p)
{
	struct mapbench_result r = map_bench(threads, p);

	mapbench_result_free(&r);
	return mapbench_latency_stats(&r.map).mean_ns;
}

/* The shortest time varies by a load or two with what the caches of addresses hold. */
static bool about_equal(uint64_t a, uint64_t b)
{
	return a > b / 100 * 97 && a < b / 100 * 103;
}

/* One thread knows no contention: nearly every round takes the same time. */
static void test_alone(void **state)
{
	struct mapbench_params p = map_params(POLICY_STATIC);
	struct mapbench_result r = map_bench(1, &p), slow, one_way;
	uint64_t filling_ps;

	(void)state;
	assert_true(mapbench_latency_stats(&r.map).stddev_ns < mapbench_latency_stats(&r.map).mean_ns / 10);
	assert_true(r.elapsed_ps >= p.duration_ps);
	assert_true(r.elapsed_ps < p.duration_ps + 2000000);
	/* The warm-up is as long as the measurement. */
	assert_true(r.calls[FN_dma_map] > 19 * r.maps / 10 && r.calls[FN_dma_map] < 21 * r.maps / 10);
	assert_int_equal(r.threads[0].elapsed_ps, r.elapsed_ps);
	assert_int_equal(r.clock_overhead_ps, 0);
	/* Only the flushes of the ring take it. */
	assert_true(r.cache_lock.acquisitions > 0 && r.cache_lock.acquisitions < r.maps / 100);
	assert_true(r.events > 0);

	/* The transmission is not part of either latency. */
	p.trans_ps = 5000000;
	slow = map_bench(1, &p);
	assert_true(about_equal(slow.map.min_ps, r.map.min_ps));
	assert_true(about_equal(slow.unmap.min_ps, r.unmap.min_ps));
	assert_true(slow.maps * 5000000 < p.duration_ps && slow.maps * 8000000 > p.duration_ps);

	/* Nor is the filling of the buffer, which only a device that writes all of it makes needless. */
	p.trans_ps = 0;
	p.dir = DMA_FROM_DEVICE;
	one_way = map_bench(1, &p);
	assert_true(about_equal(one_way.map.min_ps, r.map.min_ps));
	assert_true(one_way.maps > r.maps);
	filling_ps = r.elapsed_ps / r.maps - one_way.elapsed_ps / one_way.maps;
	/* A line costs a hit, give or take what the flushes of the ring take from either run. */
	assert_true(filling_ps > 64 * 300 && filling_ps < 64 * 700);
	mapbench_result_free(&r);
	mapbench_result_free(&slow);
	mapbench_result_free(&one_way);
}

static void test_policies(void **state)
{
	const uint32_t threads[] = { 2, 4, 8 };
	uint32_t i;

	(void)state;
	for (i = 0; i < 2 * sizeof(threads) / sizeof(threads[0]); i++) {
		struct mapbench_params always = map_params(POLICY_ALWAYS), none = map_params(POLICY_STATIC);

		always.kernel_counters = none.kernel_counters = i % 2;
		assert_true(mean_map_ns(threads[i / 2], &always) > mean_map_ns(threads[i / 2], &none) + 40);
	}
}

/* Separate domains share no lock. */
static void test_devices(void **state)
{
	struct mapbench_params p = map_params(POLICY_ALWAYS);
	struct mapbench_result shared, separate;

	(void)state;
	p.devices.count = p.devices.units = 4;
	shared = map_bench(4, &p);
	p.devices.shared_bridge = false;
	separate = map_bench(4, &p);
	assert_true(shared.cache_lock.contended > shared.maps / 10);
	assert_true(shared.cache_lock.wait_total_ps > 0);
	assert_int_equal(separate.cache_lock.contended, 0);
	/* A CPU that shares nothing is ahead of the others when the lock statistics start. */
	assert_true(separate.cache_lock.acquisitions > separate.maps / 10 * 9);
	assert_true(separate.cache_lock.acquisitions < separate.maps / 10 * 11);
	assert_true(separate.maps > 2 * shared.maps);
	mapbench_result_free(&shared);
	mapbench_result_free(&separate);
}

/* The kernel's counters are a cache line that all threads of a device write. */
static void test_counters(void **state)
{
	struct mapbench_params p = map_params(POLICY_STATIC);
	struct mapbench_result without, with, apart;

	(void)state;
	without = map_bench(8, &p);
	p.kernel_counters = true;
	with = map_bench(8, &p);
	p.devices.count = 8;
	p.devices.shared_bridge = false;
	apart = map_bench(8, &p);
	assert_true(without.maps > 2 * with.maps);
	assert_true(apart.maps > 2 * with.maps);
	/* The direction lies beside them. */
	assert_true(with.unmap.sum_ps / with.unmap.count > without.unmap.sum_ps / without.unmap.count);
	mapbench_result_free(&without);
	mapbench_result_free(&with);
	mapbench_result_free(&apart);
}

static void test_iterations(void **state)
{
	struct mapbench_params p = map_params(POLICY_ALWAYS);
	struct mapbench_result r;
	uint64_t most = 0;
	uint32_t i;

	(void)state;
	p.iterations = 333;
	r = map_bench(1, &p);
	assert_int_equal(r.maps, 333);
	mapbench_result_free(&r);
	r = map_bench(5, &p);
	for (i = 0; i < 5; i++) {
		assert_true(r.threads[i].maps <= 333 && r.threads[i].maps > 100);
		most = r.threads[i].maps > most ? r.threads[i].maps : most;
	}
	assert_int_equal(most, 333);
	assert_true(r.maps < 5 * 333);
	mapbench_result_free(&r);
}

/* A clock costs nothing here, so leaving it out changes nothing but how exactly the end is met. */
static void test_untimed(void **state)
{
	struct mapbench_params p = map_params(POLICY_ALWAYS);
	struct mapbench_result timed = map_bench(4, &p), untimed;

	(void)state;
	p.timed = false;
	untimed = map_bench(4, &p);
	assert_true(untimed.maps >= timed.maps - 4 * 16 && untimed.maps <= timed.maps + 4 * 32);
	assert_int_equal(untimed.map.sum_ps + untimed.unmap.sum_ps, 0);
	mapbench_result_free(&timed);
	mapbench_result_free(&untimed);
}

static void test_think(void **state)
{
	struct mapbench_params p = map_params(POLICY_STATIC);
	const enum think_dist dists[] = { THINKDIST_EXPONENTIAL, THINKDIST_UNIFORM, THINKDIST_CONSTANT };
	struct mapbench_result busy = map_bench(1, &p);
	uint32_t i;

	(void)state;
	p.think_ps = 10000000;
	p.duration_ps = 20000000000;
	for (i = 0; i < 3; i++) {
		struct mapbench_result r;
		uint64_t round_ps;

		p.think_dist = dists[i];
		r = map_bench(1, &p);
		round_ps = r.elapsed_ps / r.maps - busy.elapsed_ps / busy.maps;
		assert_true(round_ps > p.think_ps / 100 * 90 && round_ps < p.think_ps / 100 * 110);
		assert_true(about_equal(r.map.min_ps, busy.map.min_ps));
		mapbench_result_free(&r);
	}
	mapbench_result_free(&busy);
}

/* From 2 MiB on large pages do the work of 512 small ones. */
static void test_granule(void **state)
{
	struct mapbench_params p = map_params(POLICY_STATIC);
	double one, many, large;

	(void)state;
	p.dir = DMA_FROM_DEVICE;
	one = mean_map_ns(2, &p);
	p.granule = 256;
	many = mean_map_ns(2, &p);
	p.granule = 1024;
	large = mean_map_ns(2, &p);
	assert_true(many > 5 * one);
	assert_true(large < many / 4);
}

static void test_seeds(void **state)
{
	struct mapbench_params p = map_params(POLICY_ALWAYS);
	struct mapbench_result a, b, c;

	(void)state;
	p.kernel_counters = true;
	assert_int_equal(run_mapbench_seed(8, &p, 1, &a), 0);
	assert_int_equal(run_mapbench_seed(8, &p, 1, &b), 0);
	assert_int_equal(run_mapbench_seed(8, &p, 2, &c), 0);
	assert_memory_equal(a.threads, b.threads, 8 * sizeof(a.threads[0]));
	assert_int_not_equal(a.map.sum_ps, c.map.sum_ps);
	mapbench_result_free(&a);
	mapbench_result_free(&b);
	mapbench_result_free(&c);
	assert_memory_equal(&a, &b, sizeof(a));
}

static void test_failures(void **state)
{
	const uint64_t mixed[] = { CAP, CAP | CAP_CM };
	struct mapbench_params p = map_params(POLICY_STATIC);
	struct mapbench_result r;

	(void)state;
	/* 255 pages: after a few mappings in the ring that waits to be flushed nothing is left. */
	p.devices.dma_mask = (1 << 20) - 1;
	p.granule = 20;
	assert_int_equal(run_mapbench_seed(2, &p, 1, &r), -ENOSPC);
	assert_null(r.threads);

	p = map_params(POLICY_STATIC);
	p.devices.count = p.devices.units = 2;
	p.devices.unit_cap = mixed;
	assert_int_equal(run_mapbench_seed(2, &p, 1, &r), -EINVAL);
	p.devices.domain.policy = POLICY_DYNAMIC;
	assert_int_equal(run_mapbench_seed(2, &p, 1, &r), 0);
	mapbench_result_free(&r);
}

static void test_short_of_memory(void **state)
{
	struct mapbench_params p = map_params(POLICY_ALWAYS);
	unsigned int failures = 0;
	int at, ret;

	(void)state;
	p.warmup_ps = 0;
	p.iterations = 5;
	p.kernel_counters = true;
	p.devices.count = 2;
	for (at = 0;; at++) {
		struct mapbench_result r;

		allocations_left = at;
		ret = run_mapbench_seed(2, &p, 1, &r);
		allocations_left = -1;
		mapbench_result_free(&r);
		if (!ret)
			break;
		failures++;
		assert_true(ret == -ENOMEM || ret == -ENOSPC);
	}
	assert_true(failures > 20);
}

static void test_interrupted(void **state)
{
	struct mapbench_params p = map_params(POLICY_ALWAYS);
	volatile sig_atomic_t interrupted = SIGINT;
	struct mapbench_result r;

	(void)state;
	p.interrupted = &interrupted;
	p.duration_ps = 300000000000000;
	assert_int_equal(run_mapbench_seed(4, &p, 1, &r), -EINTR);
	assert_null(r.threads);
	interrupted = 0;
	p.duration_ps = 1000000000;
	assert_int_equal(run_mapbench_seed(4, &p, 1, &r), 0);
	mapbench_result_free(&r);
}

/* ---- real CPUs ---- */

/* Two threads, on two CPUs if there are so many. */
static int run_native(const struct mapbench_params *params, struct mapbench_result *result)
{
	struct sim_params sim = sim_test_params();
	char err[TOPOLOGY_ERR_SIZE];
	uint32_t pus[2] = { 0, 0 };
	struct topology topology;
	int ret;

	assert_int_equal(topology_load(&topology, "host", err, sizeof(err)), 0);
	pus[1] = topology.pu_count > 1;
	ret = native_mapbench_run(&topology, pus, 2, &sim, params, result);
	topology_destroy(&topology);
	return ret;
}

static void test_native(void **state)
{
	struct mapbench_params p = map_params(POLICY_ALWAYS);
	struct mapbench_result r;

	(void)state;
	p.warmup_ps = 5000000000;
	p.duration_ps = 50000000000;
	p.kernel_counters = true;
	assert_int_equal(run_native(&p, &r), 0);
	check_result(&r, &p, 2);
	assert_true(r.elapsed_ps >= p.duration_ps);
	assert_true(r.map.min_ps > 1000 && r.unmap.min_ps > 1000);
	assert_true(r.map.max_ps >= r.map.sum_ps / r.map.count);
	assert_true(r.clock_overhead_ps > 0 && r.clock_overhead_ps < 10000000);
	assert_int_equal(r.cache_lock.acquisitions, 0);
	/* The rings were flushed, when full or by the timer. */
	assert_true(r.calls[FN_cache_tag_flush_all] > 0);
	mapbench_result_free(&r);

	p.iterations = 2000;
	p.timed = false;
	p.lock_stat = true;
	assert_int_equal(run_native(&p, &r), 0);
	check_result(&r, &p, 2);
	assert_true(r.threads[0].maps == 2000 || r.threads[1].maps == 2000);
	/* Each thread counts from the end of its own warm-up. */
	assert_true(r.cache_lock.acquisitions >= r.maps);
	mapbench_result_free(&r);
}

static void test_native_strict(void **state)
{
	struct mapbench_params p = map_params(POLICY_STATIC);
	struct mapbench_result r;

	(void)state;
	p.devices.domain.lazy = false;
	p.devices.count = 2;
	p.warmup_ps = 1000000000;
	p.duration_ps = 10000000000;
	assert_int_equal(run_native(&p, &r), 0);
	check_result(&r, &p, 2);
	assert_int_equal(r.calls[FN_cache_tag_flush_range], r.calls[FN_dma_unmap]);
	/* The unit takes its time: fetch, invalidation, wait descriptor. */
	assert_true(r.unmap.min_ps > 550000);
	mapbench_result_free(&r);
}

static void test_native_failures(void **state)
{
	struct mapbench_params p = map_params(POLICY_STATIC);
	volatile sig_atomic_t interrupted = SIGINT;
	struct mapbench_result r;

	(void)state;
	p.devices.dma_mask = (1 << 20) - 1;
	p.granule = 20;
	p.duration_ps = 300000000000000;
	assert_int_equal(run_native(&p, &r), -ENOSPC);
	p = map_params(POLICY_STATIC);
	p.duration_ps = 300000000000000;
	p.interrupted = &interrupted;
	assert_int_equal(run_native(&p, &r), -EINTR);
	assert_null(r.threads);
}

/* ---- the command ---- */

#define MAX_ARGS 32

struct command_output {
	int code;
	char out[65536], err[4096];
};

static void slurp(int fd, char *text, size_t size)
{
	ssize_t got = pread(fd, text, size - 1, 0);

	assert_true(got >= 0);
	text[got] = '\0';
	close(fd);
}

static int temporary_file(void)
{
	char path[] = "/tmp/test_mapbench.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* Runs the command line, which is split at blanks, with both streams caught. */
static const struct command_output *run_signalled(sig_atomic_t signal_number, const char *line)
{
	static struct command_output o;
	volatile sig_atomic_t interrupted = signal_number;
	char copy[512], *args[MAX_ARGS + 1], *rest = copy;
	int fds[2] = { temporary_file(), temporary_file() }, saved[2] = { dup(1), dup(2) }, count = 0;
	struct cmd_context ctx = { 0, args, &interrupted };

	snprintf(copy, sizeof(copy), "mapbench %s", line);
	while (count < MAX_ARGS && (args[count] = strsep(&rest, " ")))
		count += *args[count] != '\0';
	args[count] = NULL;
	ctx.argc = count;
	fflush(stdout);
	fflush(stderr);
	dup2(fds[0], 1);
	dup2(fds[1], 2);
	o.code = cmd_mapbench(&ctx, count, args);
	fflush(stdout);
	fflush(stderr);
	dup2(saved[0], 1);
	dup2(saved[1], 2);
	close(saved[0]);
	close(saved[1]);
	slurp(fds[0], o.out, sizeof(o.out));
	slurp(fds[1], o.err, sizeof(o.err));
	return &o;
}

static const struct command_output *run(const char *line)
{
	return run_signalled(0, line);
}

static json_t *run_json(const char *line)
{
	const struct command_output *o;
	char more[512];
	json_t *report;

	snprintf(more, sizeof(more), "%s --output-format=json", line);
	o = run(more);
	assert_int_equal(o->code, EXIT_OK);
	report = json_loads(o->out, 0, NULL);
	assert_non_null(report);
	return report;
}

static json_t *result_of(json_t *report)
{
	json_t *results = json_object_get(report, "results");

	assert_int_equal(json_array_size(results), 1);
	return json_array_get(results, 0);
}

static double number_at(json_t *object, const char *a, const char *b)
{
	json_t *value = json_object_get(object, a);

	if (b)
		value = json_object_get(value, b);
	assert_true(json_is_number(value));
	return json_number_value(value);
}

#define QUICK "--map-seconds=500us --warmup=300us --repetitions=2 --progress=never "

static void test_text(void **state)
{
	static const char pattern[] =
		"^dma mapping benchmark: threads:4 seconds:0\\.0005 node:-1 dir:TO_DEVICE granule: 2\n"
		"average map latency\\(us\\):[0-9]+\\.[0-9] standard deviation:[0-9]+\\.[0-9]\n"
		"average unmap latency\\(us\\):[0-9]+\\.[0-9] standard deviation:[0-9]+\\.[0-9]\n$";
	json_t *report = run_json(QUICK "-t 4 -g 2 -d 1");
	const struct command_output *o = run(QUICK "-t 4 -g 2 -d 1");
	json_t *map = json_object_get(result_of(report), "map"),
	       *unmap = json_object_get(result_of(report), "unmap");
	char expected[512];
	regex_t regex;

	(void)state;
	assert_int_equal(o->code, EXIT_OK);
	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	assert_int_equal(regexec(&regex, o->out, 0, NULL, 0), 0);
	regfree(&regex);
	snprintf(expected, sizeof(expected),
		 "dma mapping benchmark: threads:4 seconds:0.0005 node:-1 dir:TO_DEVICE granule: 2\n"
		 "average map latency(us):%.1f standard deviation:%.1f\n"
		 "average unmap latency(us):%.1f standard deviation:%.1f\n",
		 number_at(map, "kernel_average_us", NULL), number_at(map, "kernel_stddev_us", NULL),
		 number_at(unmap, "kernel_average_us", NULL), number_at(unmap, "kernel_stddev_us", NULL));
	assert_string_equal(o->out, expected);
	assert_true(number_at(map, "kernel_average_us", NULL) > 0);
	assert_true(number_at(unmap, "kernel_average_us", NULL) > 0);
	assert_non_null(strstr(o->err,
			       "simbench: virtual time, 2 of 2 repetitions of 500us after 300us of warm-up; "
			       "policy always, lazy, 1 device\n"));
	assert_non_null(strstr(o->err, " M maps/s, +-"));
	json_decref(report);
}

/* A whole number of seconds is spelt as the kernel's tool does, which takes no other. */
static void test_text_header(void **state)
{
	(void)state;
	assert_non_null(strstr(run("-s 1 -x 10000000 --warmup=0 --repetitions=1 --progress=never")->out,
			       "threads:1 seconds:1 node:-1 dir:BIDIRECTIONAL granule: 1\n"));
	assert_non_null(strstr(run(QUICK "-d 2")->out, " dir:FROM_DEVICE "));
	assert_non_null(strstr(run(QUICK "-d 0")->out, " dir:BIDIRECTIONAL "));
	assert_non_null(strstr(run(QUICK "--map-dir from_device")->out, " dir:FROM_DEVICE "));
}

static void test_json(void **state)
{
	json_t *report = run_json(QUICK "-t 8 --policy always --devices 2 --bridge separate"),
	       *result = result_of(report);
	json_t *config = json_object_get(report, "config"),
	       *per_thread = json_object_get(result, "maps_per_thread");
	double sum = 0;
	size_t i;

	(void)state;
	assert_string_equal(json_string_value(json_object_get(result, "engine")), "virtual");
	assert_string_equal(json_string_value(json_object_get(result, "time_domain")), "virtual");
	assert_true(json_is_false(json_object_get(result, "interrupted")));
	assert_int_equal(json_integer_value(json_object_get(config, "map_threads")), 8);
	assert_int_equal(json_integer_value(json_object_get(config, "devices")), 2);
	assert_string_equal(json_string_value(json_object_get(config, "map_dir")), "bidirectional");
	assert_null(json_object_get(config, "iodepth"));
	assert_true(number_at(result, "repetitions", NULL) == 2);
	assert_int_equal(json_array_size(per_thread), 8);
	for (i = 0; i < 8; i++)
		sum += json_number_value(json_array_get(per_thread, i));
	assert_true(sum == number_at(result, "maps", NULL));
	assert_true(number_at(result, "elapsed_s", NULL) >= 0.001);
	assert_true(number_at(result, "elapsed_s", NULL) < 0.0011);
	assert_true(fabs(number_at(result, "maps_per_s", "mean") * number_at(result, "elapsed_s", NULL) / sum - 1) <
		    0.01);
	assert_true(number_at(result, "clock_overhead_ns", NULL) == 0);
	assert_true(number_at(result, "calls_per_map", "dma_unmap") == 1);
	assert_true(number_at(result, "calls_per_map", "cache_tag_flush_range_np") == 1);
	assert_true(number_at(result, "cache_lock", "acquisitions") >= sum);
	assert_true(number_at(json_object_get(result, "map"), "mean_ns", "min") <
		    number_at(json_object_get(result, "map"), "mean_ns", "max"));
	assert_true(number_at(json_object_get(result, "map"), "max_ns", NULL) >
		    number_at(json_object_get(result, "map"), "min_ns", NULL));
	assert_true(number_at(json_object_get(result, "map"), "stddev_ns", NULL) > 0);
	json_decref(report);
}

static void test_one_device_unless_given(void **state)
{
	json_t *report = run_json(QUICK);

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(json_object_get(report, "config"), "devices")), 1);
	json_decref(report);
	assert_non_null(strstr(run("--show-config")->out, "\ndevices = 1 "));
	assert_non_null(strstr(run("--help")->out, "-t, --map-threads N"));
	assert_non_null(strstr(run("--help")->out, "[default 1; 1 to 4096; source F1]"));
}

static char *results_text(const char *line)
{
	json_t *report = run_json(line);
	char *text = json_dumps(json_object_get(report, "results"), 0);

	assert_non_null(text);
	json_decref(report);
	return text;
}

static void test_deterministic(void **state)
{
	char *one = results_text(QUICK "-t 6 --threads=1"), *again = results_text(QUICK "-t 6 --threads=2");
	char *other = results_text(QUICK "-t 6 --seed=7");

	(void)state;
	assert_string_equal(one, again);
	assert_string_not_equal(one, other);
	free(one);
	free(again);
	free(other);
}

static double maps_of(const char *line)
{
	json_t *report = run_json(line);
	double maps = number_at(result_of(report), "maps", NULL);

	json_decref(report);
	return maps;
}

#define TINY "--map-seconds=200us --warmup=100us --repetitions=1 --progress=never "

/* Each option reaches the loop. */
static void test_options_count(void **state)
{
	double plain = maps_of(TINY "-t 4"), thinking = maps_of(TINY "-t 4 --map-think 3us");
	char *early = results_text(TINY "-t 4 --devices 4 --bridge separate"),
	     *late = results_text(
		     "--map-seconds=200us --warmup=400us --repetitions=1 --progress=never -t 4 --devices 4 "
		     "--bridge separate");

	(void)state;
	/* A round takes 3 us or so. */
	assert_true(maps_of(TINY "-t 4 -x 20000") < plain * 0.6);
	assert_true(maps_of(TINY "-t 4 --map-think 100us") < plain * 0.6);
	assert_true(maps_of(TINY "-t 4 --map-think 3us --think-dist constant") != thinking);
	assert_true(maps_of(TINY "-t 4 -g 256") < plain * 0.6);
	assert_true(maps_of(TINY "-t 4 --policy pt --no-map-counters") > 2 * maps_of(TINY "-t 4 --policy pt"));
	assert_string_not_equal(early, late);
	free(early);
	free(late);
}

/* Exit code 2, nothing on standard output, and one line that says @why. */
static void refused(const char *why, const char *line)
{
	const struct command_output *o = run(line);

	if (o->code != EXIT_USAGE || *o->out || !strstr(o->err, why))
		fail_msg("%s: exit code %d, \"%s\", \"%s\"", line, o->code, o->out, o->err);
	assert_int_equal(strcspn(o->err, "\n"), strlen(o->err) - 1);
}

static void test_refused(void **state)
{
	(void)state;
	refused("--map-threads 0: out of range: allowed 1 to 1024", "-t 0");
	refused("--map-threads 1025: out of range: allowed 1 to 1024", "-t 1025");
	refused("--map-threads x: not a number: allowed 1 to 1024", "-t x");
	refused("--map-threads: the value is missing", "-t");
	refused("--map-seconds 301: out of range: allowed 0.000001s to 300s", "-s 301");
	refused("--map-seconds 0: out of range", "-s 0");
	refused("--map-granule 0: out of range: allowed 1 to 1024", "-g 0");
	refused("--map-granule 1025: out of range: allowed 1 to 1024", "-g 1025");
	refused("--map-granule 256: so many pages do not fit into the addresses of 20 bits (map_bits)",
		"-g 256 -b 20");
	refused("--map-trans 10000001: out of range: allowed 0ns to 10000000ns", "-x 10000001");
	refused("--map-dir 3: not one of bidirectional, to_device, from_device, 0, 1, 2", "-d 3");
	refused("--map-dir 10: not one of", "-d 10");
	refused("--map-dir to: not one of", "-d to");
	refused("--map-bits 19: out of range: allowed 20 to 64", "-b 19");
	refused("-n: threads are placed by --placement", "-n 0");
	refused("-q: unknown option", "-q");
	refused("--think-dist constant: does nothing without map_think", "--think-dist constant");
	refused("--jobs: not an option of mapbench, but of run", "--jobs 3");
	refused("--cm 0x2: value 1 is 0x2: allowed 0 or 1", "--cm 2");
	refused("-t/--map-threads 193: there are 192 CPUs for them (--machine package:2 l3:1 core:48 pu:2, "
		"--placement spread)\n",
		"-t 193");
	refused("-t/--map-threads 3: there are 2 CPUs for them", "-t 3 --placement 0,4");
	refused("engine=native", "--oversubscribe");
	refused("no simulated time passes: every cost is 0",
		"--policy pt --instruction-ps=0 --l1-hit-ns=0 --atomic-ns=0 --smt-ns=0 --local-ns=0 --remote-ns=0 "
		"-t 2 "
		"--progress=never");
}

/* A file may serve both engines, but only the native one's CPUs can be shared. */
static void test_oversubscribed_file(void **state)
{
	char path[] = "/tmp/test_mapbench.XXXXXX", line[128];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_true(write(fd, "[simbench]\noversubscribe = yes\n", 31) == 31);
	close(fd);
	snprintf(line, sizeof(line), "--config %s -t 193", path);
	refused("-t/--map-threads 193: there are 192 CPUs", line);
	unlink(path);
}

static void test_exit_codes(void **state)
{
	const struct command_output *o;
	json_t *report, *result;

	(void)state;
	o = run(QUICK "-b 20 -g 20");
	assert_int_equal(o->code, EXIT_FAILED);
	assert_non_null(strstr(o->err, "seed 1: a mapping failed: no addresses below 20 bits (--map-bits)"));
	assert_string_equal(o->out, "");

	o = run_signalled(SIGINT, QUICK);
	assert_int_equal(o->code, EXIT_SIGNAL + SIGINT);
	assert_string_equal(o->out, "");
	assert_non_null(strstr(o->err, "0 of 2 repetitions (interrupted)"));

	o = run_signalled(SIGINT, QUICK "--output-format=json");
	assert_int_equal(o->code, EXIT_SIGNAL + SIGINT);
	report = json_loads(o->out, 0, NULL);
	assert_non_null(report);
	result = result_of(report);
	assert_true(json_is_true(json_object_get(result, "interrupted")));
	assert_true(json_is_null(json_object_get(result, "map")));
	assert_true(json_is_null(json_object_get(result, "maps_per_s")));
	json_decref(report);
}

static void test_native_command(void **state)
{
	const char line[] =
		"--engine native --policy static -t 2 --oversubscribe -s 10ms --warmup=1ms --repetitions=2 "
		"--progress=never";
	json_t *report = run_json(line), *result = result_of(report);
	const struct command_output *o;

	(void)state;
	assert_string_equal(json_string_value(json_object_get(result, "engine")), "native");
	assert_string_equal(json_string_value(json_object_get(result, "time_domain")), "wall");
	assert_true(json_is_null(json_object_get(result, "cache_lock")));
	assert_true(number_at(result, "clock_overhead_ns", NULL) > 0);
	assert_true(number_at(result, "maps", NULL) > 0);
	json_decref(report);
	o = run(line);
	assert_int_equal(o->code, EXIT_OK);
	assert_int_equal(strncmp(o->out, "dma mapping benchmark: threads:2 seconds:0.01 ", 46), 0);
	assert_non_null(strstr(o->err, "simbench: wall time, "));
	assert_non_null(strstr(o->err, "simbench: each latency includes one reading of the clock, "));

	refused("--oversubscribe lets threads share them", "--engine native -t 2 --placement 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_iterations),
		cmocka_unit_test(test_untimed),
		cmocka_unit_test(test_think),
		cmocka_unit_test(test_granule),
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_short_of_memory),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_native),
		cmocka_unit_test(test_native_strict),
		cmocka_unit_test(test_native_failures),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_header),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_one_device_unless_given),
		cmocka_unit_test(test_deterministic),
		cmocka_unit_test(test_options_count),
		cmocka_unit_test(test_oversubscribed_file),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_exit_codes),
		cmocka_unit_test(test_native_command),
	};

#if defined(__SANITIZE_THREAD__)
	/* It has nothing to see where there is one thread, and takes long about it. */
	cmocka_set_test_filter("test_native*");
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
