/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/crosscheck.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/host_noise.h"
#include "bench/lockbench.h"
#include "bench/mapbench.h"
#include "bench/runner.h"
#include "sim/topology.h"
#include "sim/vtd_spec.h"

#define NS 1000ULL
#define US 1000000ULL
#define MS 1000000000ULL

/* How long a measurement takes, and how long a map benchmark runs before and in a prediction. */
#define MEASURED_PS (40 * MS)
#define MAP_WARMUP_PS (10 * MS)
#define MAP_PREDICTED_PS (8 * MS)
#define LOCK_PREDICTED_ITERATIONS 4000

#define OVERHEAD_MAX_PS (300 * NS)

/* Times that a thread may be preempted during a measurement: more is another process, not the kernel's
 * housekeeping. */
#define SWITCHES_MAX 4

/* A unit without caching mode and write-buffer flushing, whose invalidations take no time (facts F5). */
static const uint64_t unit_cap = 0x19ed008c40780c66, unit_ecap = 0xc80000f020df;

struct job {
	const struct crosscheck_params *p;
	struct crosscheck_point *points;
	uint32_t *order; /* all CPUs, those to use first in front */
	uint32_t **pus;	 /* by number of CPUs: these, ascending; NULL where no point has so many */
};

/* ---- what is run ---- */

struct point_list {
	struct crosscheck_point *point;
	size_t count, capacity;
	bool failed;
};

static void add(struct point_list *list, struct crosscheck_point point)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 64;
		struct crosscheck_point *grown = realloc(list->point, capacity * sizeof(*grown));

		if (!grown) {
			list->failed = true;
			return;
		}
		list->point = grown;
		list->capacity = capacity;
	}
	list->point[list->count++] = point;
}

static void add_locks(struct point_list *list, enum lock_kind lock, uint32_t cpus)
{
	static const uint64_t thinks[] = { 0, 500 * NS, 2 * US, 10 * US }, holds[] = { 0, 100 * NS, 1 * US };
	size_t t, h;

	for (t = 0; t < sizeof(thinks) / sizeof(thinks[0]); t++)
		for (h = 0; h < sizeof(holds) / sizeof(holds[0]); h++)
			add(list, (struct crosscheck_point){ .kind = CROSSCHECK_LOCK,
							     .cpus = cpus,
							     .lock = lock,
							     .think_ps = thinks[t],
							     .hold_ps = holds[h],
							     .data_lines = holds[h] == 100 * NS });
}

/*
 * Lazy ones only: a strict unmap waits for a status that a unit writes, and the native executor has no unit whose
 * writes would take the line away from the CPUs.
 */
static void add_maps(struct point_list *list, enum policy policy, uint32_t cpus)
{
	static const uint64_t thinks[] = { 0, 1 * US, 10 * US };
	size_t t;

	for (t = 0; t < sizeof(thinks) / sizeof(thinks[0]); t++)
		add(list, (struct crosscheck_point){
				  .kind = CROSSCHECK_MAP, .cpus = cpus, .policy = policy, .think_ps = thinks[t] });
}

/* 1, 2, 4, ... and all. */
static uint32_t more_cpus(uint32_t cpus, uint32_t cpu_count)
{
	return cpus == cpu_count ? cpu_count + 1 : cpus * 2 < cpu_count ? cpus * 2 : cpu_count;
}

int crosscheck_points(uint32_t cpu_count, struct crosscheck_point **points, size_t *count)
{
	static const enum lock_kind locks[] = { LOCK_QSPINLOCK, LOCK_TICKET, LOCK_TAS, LOCK_MCS };
	static const enum policy policies[] = { POLICY_LEGACY, POLICY_ALWAYS, POLICY_DYNAMIC, POLICY_STATIC,
						POLICY_INVS };
	struct point_list list = { 0 };
	uint32_t cpus;
	size_t i;

	for (cpus = 1; cpus <= cpu_count; cpus = more_cpus(cpus, cpu_count)) {
		for (i = 0; i < sizeof(locks) / sizeof(locks[0]); i++)
			add_locks(&list, locks[i], cpus);
		for (i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
			add_maps(&list, policies[i], cpus);
	}
	if (list.failed) {
		free(list.point);
		return -ENOMEM;
	}
	*points = list.point;
	*count = list.count;
	return 0;
}

/* ---- one run of a point ---- */

static uint64_t per_s_thousandths(uint64_t count, uint64_t elapsed_ps)
{
	return elapsed_ps ? (uint64_t)((unsigned __int128)count * 1000000000000000ULL / elapsed_ps) : 0;
}

/* Acquisitions per CPU that fill the time, about. */
static uint64_t lock_iterations(const struct crosscheck_point *point)
{
	uint64_t round_ps = point->think_ps + point->hold_ps * point->cpus + 100 * NS;

	return MEASURED_PS / round_ps;
}

static int run_lock(const struct job *job, const struct crosscheck_point *point, bool native, uint64_t overhead_ps,
		    uint64_t seed, uint64_t *per_s)
{
	struct lockbench_params params = {
		.hold_ps = point->hold_ps,
		.think_ps = point->think_ps,
		.think_dist = THINKDIST_EXPONENTIAL,
		.data_lines = point->data_lines,
		.overhead_ps = overhead_ps,
		.iterations = native ? lock_iterations(point) : LOCK_PREDICTED_ITERATIONS,
		.interrupted = job->p->interrupted,
	};
	struct sim_params sim = job->p->sim;
	struct lockbench_result result;
	int ret;

	sim.lock = point->lock;
	sim.seed = seed;
	ret = (native ? native_lockbench_run : lockbench_run)(job->p->topology, job->pus[point->cpus], point->cpus,
							      &sim, &params, &result);
	*per_s = per_s_thousandths(result.acquisitions, result.elapsed_ps);
	return ret;
}

static int run_map(const struct job *job, const struct crosscheck_point *point, bool native, uint64_t overhead_ps,
		   uint64_t seed, uint64_t *per_s)
{
	struct mapbench_params params = {
		.devices = {
			.count = 1,
			.shared_bridge = true,
			.units = 1,
			.unit_cap = &unit_cap,
			.unit_ecap = &unit_ecap,
			.domain = { .policy = point->policy, .lazy = true },
			.dma_mask = UINT64_MAX,
			.iotlb_entries = 512,
		},
		.dir = DMA_FROM_DEVICE,
		.granule = 1,
		.think_ps = point->think_ps,
		.think_dist = THINKDIST_EXPONENTIAL,
		.overhead_ps = overhead_ps,
		.warmup_ps = MAP_WARMUP_PS,
		.duration_ps = native ? MEASURED_PS : MAP_PREDICTED_PS,
		.interrupted = job->p->interrupted,
	};
	struct sim_params sim = job->p->sim;
	struct mapbench_result result = { 0 };
	int ret;

	/* The native unit's registers are memory. */
	sim.mmio_read_ps = sim.mmio_write_ps = 0;
	sim.seed = seed;
	ret = (native ? native_mapbench_run : mapbench_run)(job->p->topology, job->pus[point->cpus], point->cpus,
							    &sim, &params, &result);
	*per_s = per_s_thousandths(result.maps, result.elapsed_ps);
	mapbench_result_free(&result);
	return ret;
}

static int run_point(const struct job *job, const struct crosscheck_point *point, bool native, uint64_t overhead_ps,
		     uint64_t seed, uint64_t *per_s)
{
	if (point->kind == CROSSCHECK_LOCK)
		return run_lock(job, point, native, overhead_ps, seed, per_s);
	return run_map(job, point, native, overhead_ps, seed, per_s);
}

/* ---- measuring ---- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Of this process's threads so far, by other threads. */
static long preemptions(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) ? 0 : usage.ru_nivcsw;
}

/* One measurement; *@stolen: it coincided with steal time, or another process was on the CPUs. */
static int measure_once(const struct job *job, const struct crosscheck_point *point, uint64_t seed, uint64_t *per_s,
			bool *stolen)
{
	const struct host_watch watch = { job->p->topology, job->pus[point->cpus], point->cpus };
	struct host_noise before, after;
	long preempted = preemptions();
	int ret;

	ret = host_noise_read(&watch, &before);
	if (!ret)
		ret = run_point(job, point, true, 0, seed, per_s);
	if (!ret)
		ret = host_noise_read(&watch, &after);
	if (!ret)
		*stolen = host_noise_between(&before, &after, point->cpus) & NOISE_STEAL ||
			  preemptions() - preempted > SWITCHES_MAX * (long)point->cpus;
	return ret;
}

/* Only what was not disturbed counts, if there is enough of it. */
static int measure_point(const struct job *job, struct crosscheck_point *point)
{
	uint64_t all[CROSSCHECK_ATTEMPTS], quiet[CROSSCHECK_REPETITIONS], *used = quiet;
	uint32_t all_count = 0, quiet_count = 0, count;
	bool stolen = false;
	int ret;

	while (all_count < CROSSCHECK_ATTEMPTS && quiet_count < CROSSCHECK_REPETITIONS) {
		ret = measure_once(job, point, all_count + 1, &all[all_count], &stolen);
		if (ret)
			return ret;
		if (!stolen)
			quiet[quiet_count++] = all[all_count];
		all_count++;
	}
	point->repeated = all_count - quiet_count;
	count = quiet_count;
	if (quiet_count < CROSSCHECK_REPETITIONS) {
		point->disturbed = true;
		used = all;
		count = all_count;
	}
	qsort(used, count, sizeof(*used), by_value);
	point->measured = used[count / 2];
	point->measured_min = used[0];
	point->measured_max = used[count - 1];
	return 0;
}

/* ---- predicting ---- */

/* Does @p differ from @point in the number of CPUs only? */
static bool same_loop(const struct crosscheck_point *p, const struct crosscheck_point *point)
{
	return p->kind == point->kind && p->think_ps == point->think_ps && p->lock == point->lock &&
	       p->hold_ps == point->hold_ps && p->policy == point->policy;
}

/*
 * What a round takes natively beyond what the model charges, on a CPU alone: the loop's own instructions, and those
 * of the lock. Whatever it is, it is not contention.
 */
static uint64_t lone_overhead_ps(const struct job *job, size_t count, const struct crosscheck_point *point)
{
	uint64_t native_ps, virtual_ps, per_s;
	size_t i;

	for (i = 0; i < count; i++) {
		const struct crosscheck_point *p = &job->points[i];

		if (p->cpus != 1 || !same_loop(p, point) || !p->measured)
			continue;
		if (run_point(job, p, false, 0, 1, &per_s) || !per_s)
			return 0;
		native_ps = 1000000000000000ULL / p->measured;
		virtual_ps = 1000000000000000ULL / per_s;
		if (native_ps <= virtual_ps)
			return 0;
		/* More than this is no code of the loop's, but noise. */
		return native_ps - virtual_ps < OVERHEAD_MAX_PS ? native_ps - virtual_ps : OVERHEAD_MAX_PS;
	}
	return 0;
}

struct prediction {
	const struct job *job;
	size_t count;
};

static void predict_point(void *arg, uint64_t i)
{
	const struct prediction *prediction = arg;
	const struct job *job = prediction->job;
	struct crosscheck_point *point = &job->points[i];
	uint64_t overhead_ps = lone_overhead_ps(job, prediction->count, point), first, second;

	point->ret = run_point(job, point, false, overhead_ps, 1, &first);
	if (!point->ret)
		point->ret = run_point(job, point, false, overhead_ps, 2, &second);
	if (!point->ret)
		point->predicted = first / 2 + second / 2;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int place_cpus(struct job *job, size_t count)
{
	const struct topology *t = job->p->topology;
	char err[TOPOLOGY_ERR_SIZE];
	size_t i;
	int ret;

	job->order = calloc(t->pu_count, sizeof(*job->order));
	job->pus = calloc(t->pu_count + 1UL, sizeof(uint32_t *));
	if (!job->order || !job->pus)
		return -ENOMEM;
	ret = topology_place(t, "cores", t->pu_count, job->order, err, sizeof(err));
	for (i = 0; !ret && i < count; i++) {
		uint32_t cpus = job->points[i].cpus, *pus;

		if (job->pus[cpus])
			continue;
		pus = malloc(cpus * sizeof(*pus));
		if (!pus)
			return -ENOMEM;
		memcpy(pus, job->order, cpus * sizeof(*pus));
		qsort(pus, cpus, sizeof(*pus), by_number);
		job->pus[cpus] = pus;
	}
	return ret;
}

static void free_cpus(struct job *job)
{
	uint32_t i;

	for (i = 0; job->pus && i <= job->p->topology->pu_count; i++)
		free(job->pus[i]);
	free(job->pus);
	free(job->order);
}

int crosscheck_run(const struct crosscheck_params *p, struct crosscheck_point *points, size_t count)
{
	struct job job = { .p = p, .points = points };
	struct prediction prediction = { &job, count };
	int ret = place_cpus(&job, count);
	size_t i;

	for (i = 0; !ret && i < count; i++) {
		ret = measure_point(&job, &points[i]);
		if (p->progress)
			p->progress(p->progress_arg, i + 1, count);
	}
	if (!ret)
		ret = parallel_for(p->threads, count, predict_point, &prediction);
	for (i = 0; !ret && i < count; i++)
		ret = points[i].ret;
	free_cpus(&job);
	return ret;
}

/* ---- what it comes to ---- */

int64_t crosscheck_error_ppm(const struct crosscheck_point *p)
{
	if (!p->measured)
		return 0;
	return (int64_t)(((__int128)p->predicted - (__int128)p->measured) * 1000000 / (__int128)p->measured);
}

static uint64_t magnitude(int64_t v)
{
	return v < 0 ? (uint64_t)-v : (uint64_t)v;
}

int crosscheck_summarize(const struct crosscheck_point *points, size_t count, struct crosscheck_summary *s)
{
	uint64_t *errors = calloc(count + 1, sizeof(*errors));
	size_t i;

	if (!errors)
		return -ENOMEM;
	*s = (struct crosscheck_summary){ 0 };
	for (i = 0; i < count; i++) {
		s->repeated += points[i].repeated;
		s->disturbed += points[i].disturbed;
		if (points[i].cpus == 1)
			continue;
		errors[s->points] = magnitude(crosscheck_error_ppm(&points[i]));
		if (errors[s->points] >= s->worst_ppm) {
			s->worst_ppm = errors[s->points];
			s->worst = i;
		}
		s->points++;
	}
	qsort(errors, s->points, sizeof(*errors), by_value);
	s->median_ppm = s->points ? errors[s->points / 2] : 0;
	free(errors);
	return 0;
}
