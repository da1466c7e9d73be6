/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include "bench/runner.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/stats.h"

#include "sim/host_stats.h"

uint32_t runner_host_cpus(void)
{
	cpu_set_t set;
	int count = 1;

	if (!sched_getaffinity(0, sizeof(set), &set))
		count = CPU_COUNT(&set);
	return count > 0 ? (uint32_t)count : 1;
}

struct parallel {
	atomic_uint_fast64_t next;
	uint64_t count;
	void (*fn)(void *arg, uint64_t i);
	void *arg;
};

static void *parallel_worker(void *arg)
{
	struct parallel *p = arg;
	uint64_t i;

	while ((i = atomic_fetch_add(&p->next, 1)) < p->count)
		p->fn(p->arg, i);
	return NULL;
}

int parallel_for(uint32_t threads, uint64_t count, void (*fn)(void *arg, uint64_t i), void *arg)
{
	struct parallel p = { .count = count, .fn = fn, .arg = arg };
	uint32_t wanted = threads ? threads : runner_host_cpus(), started = 0, i;
	pthread_t *ids;

	if (wanted > count)
		wanted = (uint32_t)count;
	ids = calloc(wanted ? wanted : 1, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	/* This thread is one of them. */
	for (i = 1; i < wanted; i++)
		if (!pthread_create(&ids[started], NULL, parallel_worker, &p))
			started++;
	parallel_worker(&p);
	for (i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
	free(ids);
	return 0;
}

int run_init(struct run *run, struct scenario *s, const struct sim_without *without)
{
	uint64_t i;

	memset(run, 0, sizeof(*run));
	run->scenario = s;
	run->rep_count = (uint32_t)s->options.repetitions;
	run->reps = calloc(run->rep_count, sizeof(*run->reps));
	if (!run->reps)
		return -ENOMEM;
	for (i = 0; i < run->rep_count; i++)
		run->reps[i].seed = s->options.seed + i;
	if (without)
		s->params.sim.without = *without;
	return 0;
}

void run_destroy(struct run *run)
{
	uint32_t i;

	for (i = 0; run->reps && i < run->rep_count; i++)
		host_result_free(&run->reps[i].result);
	free(run->reps);
	host_result_free(&run->total);
	memset(run, 0, sizeof(*run));
}

struct runner_state {
	struct runner *runner;
	struct run *runs;
	uint32_t count;
	pthread_mutex_t lock;
	uint64_t done, total;
};

static bool run_is_native(const struct run *run)
{
	return run->scenario->options.engine == ENGINE_NATIVE;
}

static void run_repetition(void *arg, uint64_t i)
{
	struct runner_state *st = arg;
	struct run *run = st->runs;
	struct run_rep *rep;
	struct host_params params;

	while (i >= run->rep_count)
		i -= run++->rep_count;
	rep = &run->reps[i];
	params = scenario_params(run->scenario, i);
	params.interrupted = st->runner->interrupted;
	if (st->runner->interrupted && *st->runner->interrupted)
		rep->ret = -EINTR;
	else
		rep->ret = run_is_native(run) ? native_host_run(&params, &rep->result, rep->err, sizeof(rep->err))
					      : host_run(&params, &rep->result, rep->err, sizeof(rep->err));
	if (!rep->ret && rep->result.interrupted)
		rep->ret = -EINTR;
	if (!st->runner->progress)
		return;
	pthread_mutex_lock(&st->lock);
	st->runner->progress(st->runner->progress_arg, ++st->done, st->total);
	pthread_mutex_unlock(&st->lock);
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void add_locks(struct host_result *to, const struct host_result *from)
{
	uint32_t i, k;

	for (i = 0; i < from->lock_count; i++) {
		const struct host_lock_result *f = &from->locks[i];

		for (k = 0; k < to->lock_count; k++)
			if (to->locks[k].instance == f->instance && !strcmp(to->locks[k].name, f->name))
				break;
		if (k == to->lock_count) {
			to->locks[to->lock_count++] = *f;
			continue;
		}
		to->locks[k].acquisitions += f->acquisitions;
		to->locks[k].contended += f->contended;
		to->locks[k].acquisitions_in_map += f->acquisitions_in_map;
		to->locks[k].wait_total_ps += f->wait_total_ps;
		to->locks[k].hold_total_ps += f->hold_total_ps;
		to->locks[k].wait_max_ps = max_u64(to->locks[k].wait_max_ps, f->wait_max_ps);
		to->locks[k].hold_max_ps = max_u64(to->locks[k].hold_max_ps, f->hold_max_ps);
		to->locks[k].irq_off_max_ps = max_u64(to->locks[k].irq_off_max_ps, f->irq_off_max_ps);
	}
}

static void add_lines(struct host_result *to, const struct host_result *from)
{
	uint32_t i, k;

	for (i = 0; i < from->line_count; i++) {
		const struct host_line_result *f = &from->lines[i];

		for (k = 0; k < to->line_count; k++)
			if (to->lines[k].type == f->type && to->lines[k].index == f->index)
				break;
		if (k == to->line_count) {
			to->lines[to->line_count++] = *f;
			continue;
		}
		to->lines[k].transfers_local += f->transfers_local;
		to->lines[k].transfers_remote += f->transfers_remote;
		to->lines[k].stall_ps += f->stall_ps;
	}
}

static void add_oracle(struct oracle_stats *to, const struct oracle_stats *from)
{
	to->maps += from->maps;
	to->unmaps += from->unmaps;
	to->dmas += from->dmas;
	to->windows += from->windows;
	to->window_sum_ps += from->window_sum_ps;
	to->window_max_ps = max_u64(to->window_max_ps, from->window_max_ps);
}

static void add_counters(struct host_result *to, const struct host_result *from)
{
	uint32_t i;

	to->elapsed_ps += from->elapsed_ps;
	to->ios += from->ios;
	to->bytes += from->bytes;
	to->read_ios += from->read_ios;
	histogram_merge(&to->latency_ns, &from->latency_ns);
	to->latency_sum_ps += from->latency_sum_ps;
	to->inflight_samples += from->inflight_samples;
	to->inflight_sum += from->inflight_sum;
	for (i = 0; i < FN_COUNT; i++) {
		to->calls[i] += from->calls[i];
		to->map_calls[i] += from->map_calls[i];
	}
	for (i = 0; i < MAP_PART_COUNT; i++)
		to->map_part_ps[i] += from->map_part_ps[i];
	for (i = 0; i < from->device_count; i++) {
		to->devices[i].ios += from->devices[i].ios;
		to->devices[i].bytes += from->devices[i].bytes;
		to->devices[i].latency_sum_ps += from->devices[i].latency_sum_ps;
	}
	to->device_count = from->device_count;
	to->cpu_count = from->cpu_count;
	to->cpu_idle_ps += from->cpu_idle_ps;
	to->cpu_spin_ps += from->cpu_spin_ps;
	to->cpu_stall_ps += from->cpu_stall_ps;
	to->irq_off_max_ps = max_u64(to->irq_off_max_ps, from->irq_off_max_ps);
	to->iotlb_hits += from->iotlb_hits;
	to->iotlb_misses += from->iotlb_misses;
	to->write_buffer_flushes += from->write_buffer_flushes;
	to->iotlb_invalidations += from->iotlb_invalidations;
	to->devtlb_invalidations += from->devtlb_invalidations;
	add_oracle(&to->oracle, &from->oracle);
	to->submitted += from->submitted;
	to->completed += from->completed;
	to->inflight_end += from->inflight_end;
	to->maps += from->maps;
	to->unmaps += from->unmaps;
	to->live_mappings += from->live_mappings;
	to->events += from->events;
}

/* Most expensive first, as in each repetition. */
static int by_stall(const void *a, const void *b)
{
	const struct host_line_result *x = a, *y = b;
	int order;

	if (x->stall_ps != y->stall_ps)
		return x->stall_ps > y->stall_ps ? -1 : 1;
	order = strcmp(x->type->name, y->type->name);
	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static struct estimate estimate_of_thousandths(const uint64_t *values, uint32_t count)
{
	struct stats_summary s;

	stats_summarize(values, count, &s);
	return (struct estimate){ s.mean / 1000, (double)s.min / 1000, (double)s.max / 1000, s.ci95 / 1000 };
}

static int run_add_up(struct run *run)
{
	uint64_t *mib, *iops;
	uint32_t i, locks = 0, lines = 0;
	int ret = -ENOMEM;

	mib = calloc(run->rep_count, sizeof(*mib));
	iops = calloc(run->rep_count, sizeof(*iops));
	for (i = 0; i < run->rep_count; i++) {
		locks += run->reps[i].result.lock_count;
		lines += run->reps[i].result.line_count;
	}
	histogram_init(&run->total.latency_ns);
	run->total.locks = calloc(locks + 1UL, sizeof(*run->total.locks));
	run->total.lines = calloc(lines + 1UL, sizeof(*run->total.lines));
	run->total.devices = calloc(run->scenario->params.devices, sizeof(*run->total.devices));
	if (!mib || !iops || !run->total.locks || !run->total.lines || !run->total.devices)
		goto out;

	for (i = 0; i < run->rep_count; i++) {
		const struct host_result *r = &run->reps[i].result;

		if (run->reps[i].ret)
			continue;
		/* In thousandths, so that the summary works on integers. */
		mib[run->complete] =
			(uint64_t)((unsigned __int128)r->bytes * 1000000000000000ULL / r->elapsed_ps >> 20);
		iops[run->complete] = (uint64_t)((unsigned __int128)r->ios * 1000000000000000ULL / r->elapsed_ps);
		run->complete++;
		add_counters(&run->total, r);
		add_locks(&run->total, r);
		add_lines(&run->total, r);
	}
	qsort(run->total.locks, run->total.lock_count, sizeof(*run->total.locks), host_lock_by_wait);
	qsort(run->total.lines, run->total.line_count, sizeof(*run->total.lines), by_stall);
	if (run->complete) {
		run->throughput_mib_s = estimate_of_thousandths(mib, run->complete);
		run->iops = estimate_of_thousandths(iops, run->complete);
	}
	ret = 0;
out:
	free(mib);
	free(iops);
	return ret;
}

int runner_run(struct runner *r, struct run *runs, uint32_t count)
{
	struct runner_state st = { .runner = r, .runs = runs, .count = count };
	uint32_t threads = r->threads, i, k;
	struct timespec start, end;
	int ret;

	for (i = 0; i < count; i++) {
		st.total += runs[i].rep_count;
		/* On real CPUs one at a time: they would disturb each other. */
		if (run_is_native(&runs[i]))
			threads = 1;
	}
	pthread_mutex_init(&st.lock, NULL);
	clock_gettime(CLOCK_MONOTONIC, &start);
	ret = parallel_for(threads, st.total, run_repetition, &st);
	clock_gettime(CLOCK_MONOTONIC, &end);
	r->wall_s = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
	pthread_mutex_destroy(&st.lock);

	for (i = 0; !ret && i < count; i++) {
		for (k = 0; k < runs[i].rep_count && !runs[i].ret; k++)
			if (runs[i].reps[k].ret != -EINTR)
				runs[i].ret = runs[i].reps[k].ret;
		ret = run_add_up(&runs[i]);
	}
	return ret;
}
