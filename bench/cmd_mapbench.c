/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_mapbench.c - what the kernel's dma_map_benchmark prints, from either engine
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/cmd.h"
#include "bench/mapbench.h"
#include "bench/point.h"
#include "bench/progress.h"
#include "bench/report.h"
#include "bench/results_json.h"
#include "bench/scenario.h"

struct repetition {
	int ret; /* of mapbench_run() */
	struct mapbench_result result;
};

struct map_run {
	const struct cmd_context *ctx;
	struct options *options;
	struct scenario scenario;
	mapbench_fn run;
	uint32_t *pus; /* ascending */
	struct mapbench_params params;
	struct repetition *reps;
	pthread_mutex_t lock; /* of the two below */
	struct progress progress;
	uint64_t done;
};

/* What the repetitions say together. */
struct map_summary {
	uint64_t complete;			 /* repetitions that ran to their end */
	struct estimate per_s, map_ns, unmap_ns; /* over the repetitions */
	struct mapbench_latency map, unmap;	 /* of all of them */
	struct mapbench_stats map_stats, unmap_stats;
	uint64_t maps, elapsed_ps, clock_overhead_ps;
	struct mapbench_lock cache_lock;
	uint64_t calls[FN_COUNT], events;
	uint64_t *thread_maps; /* by thread */
	uint64_t min_per_thread, max_per_thread;
};

static int out_of_memory(void)
{
	return cmd_fail(EXIT_FAILED, "out of memory");
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* One CPU each, ascending; several threads to a CPU only where they may share. 0, -ENOMEM, or -EINVAL with @err. */
static int place_threads(struct map_run *run, struct options_error *err)
{
	const struct options *o = run->options;
	uint32_t count = (uint32_t)o->map_threads, distinct = 1, i;
	int ret;

	run->pus = calloc(count, sizeof(*run->pus));
	if (!run->pus)
		return -ENOMEM;
	ret = topology_place(&run->scenario.topology, o->placement, count, run->pus, err->msg, sizeof(err->msg));
	if (ret)
		return ret == -ENOMEM ? ret : -EINVAL;
	qsort(run->pus, count, sizeof(*run->pus), by_number);
	for (i = 1; i < count; i++)
		distinct += run->pus[i] != run->pus[i - 1];
	if (distinct < count && !(o->oversubscribe && o->engine == ENGINE_NATIVE)) {
		snprintf(err->msg, sizeof(err->msg),
			 "-t/--map-threads %u: there are %u CPUs for them (--machine %s, "
			 "--placement %s)%s",
			 count, distinct, o->machine, o->placement,
			 o->engine == ENGINE_NATIVE ? "; --oversubscribe lets threads share them" : "");
		return -EINVAL;
	}
	return 0;
}

static void set_params(struct map_run *run)
{
	const struct options *o = run->options;
	const struct host_params *p = &run->scenario.params;

	run->params = (struct mapbench_params){
		.devices = {
			.count = p->devices,
			.shared_bridge = p->shared_bridge,
			.units = p->units,
			.unit_cap = p->unit_cap,
			.unit_ecap = p->unit_ecap,
			.domain = p->domain,
			.ats = p->ats,
			.dma_mask = UINT64_MAX >> (64 - o->map_bits),
			.vtd = p->vtd,
			.iotlb_entries = p->iotlb_entries,
		},
		.dir = o->map_dir,
		.granule = (uint32_t)o->map_granule,
		.trans_ps = o->map_trans,
		.think_ps = o->map_think,
		.think_dist = o->think_dist,
		.warmup_ps = o->warmup,
		.duration_ps = o->map_seconds,
		.timed = true,
		.kernel_counters = o->map_counters,
		.lock_stat = o->lock_stat,
		.interrupted = run->ctx->interrupted,
	};
}

static void run_repetition(void *arg, uint64_t i)
{
	struct map_run *run = arg;
	struct sim_params sim = scenario_sim_params(run->options, run->options->seed + i);

	if (*run->ctx->interrupted)
		run->reps[i].ret = -EINTR;
	else
		run->reps[i].ret = run->run(&run->scenario.topology, run->pus, (uint32_t)run->options->map_threads,
					    &sim, &run->params, &run->reps[i].result);
	pthread_mutex_lock(&run->lock);
	progress_update(&run->progress, ++run->done, run->options->repetitions);
	pthread_mutex_unlock(&run->lock);
}

/* Says what went wrong; returns the exit code. */
static int repetition_failed(const struct options *o, unsigned long long seed, int ret)
{
	switch (ret) {
	case -EDEADLK:
		return cmd_fail(EXIT_STUCK, "seed %llu: the simulation came to a stop: every CPU sleeps", seed);
	case -ENOSPC:
		return cmd_fail(
			EXIT_FAILED,
			"seed %llu: a mapping failed: no addresses below %llu bits (--map-bits) or no memory "
			"is left",
			seed, (unsigned long long)o->map_bits);
	case -EINVAL:
		return cmd_fail(EXIT_FAILED, "seed %llu: a device cannot be attached to a domain of policy %s",
				seed, policy_name(o->policy));
	case -ETIME:
		return cmd_fail(EXIT_USAGE, "no simulated time passes: every cost is 0");
	case -EXDEV:
		return cmd_fail(EXIT_FAILED, "a thread could not be pinned to its CPU");
	}
	return cmd_fail(EXIT_FAILED, "seed %llu: %s", seed, strerror(-ret));
}

/* The first repetition that went wrong, as a message and an exit code; -1 when none did. */
static int check_repetitions(const struct map_run *run)
{
	const struct options *o = run->options;
	uint64_t i;

	for (i = 0; i < o->repetitions; i++) {
		const struct repetition *rep = &run->reps[i];

		if (rep->ret && rep->ret != -EINTR)
			return repetition_failed(o, o->seed + i, rep->ret);
	}
	return -1;
}

static void add_repetition(struct map_summary *s, const struct mapbench_result *r)
{
	uint32_t i;

	mapbench_latency_merge(&s->map, &r->map);
	mapbench_latency_merge(&s->unmap, &r->unmap);
	s->maps += r->maps;
	s->elapsed_ps += r->elapsed_ps;
	s->clock_overhead_ps += r->clock_overhead_ps;
	s->cache_lock.acquisitions += r->cache_lock.acquisitions;
	s->cache_lock.contended += r->cache_lock.contended;
	s->cache_lock.wait_total_ps += r->cache_lock.wait_total_ps;
	s->cache_lock.hold_total_ps += r->cache_lock.hold_total_ps;
	s->events += r->events;
	for (i = 0; i < FN_COUNT; i++)
		s->calls[i] += r->calls[i];
	for (i = 0; i < r->thread_count; i++)
		s->thread_maps[i] += r->threads[i].maps;
}

static uint64_t thousandths(uint64_t a, uint64_t scale, uint64_t b)
{
	return (uint64_t)((mapbench_u128)a * scale / b);
}

/* Returns 0 or -ENOMEM. summary_free() in either case. */
static int summarize(const struct map_run *run, struct map_summary *s)
{
	uint64_t count = run->options->repetitions, threads = run->options->map_threads, i;
	uint64_t *values = calloc(3 * count, sizeof(*values));
	uint64_t *per_s, *map_ns, *unmap_ns;

	*s = (struct map_summary){ .thread_maps = calloc(threads, sizeof(*s->thread_maps)),
				   .min_per_thread = UINT64_MAX };
	if (!values || !s->thread_maps) {
		free(values);
		return -ENOMEM;
	}
	per_s = values;
	map_ns = values + count;
	unmap_ns = values + 2 * count;
	for (i = 0; i < count; i++) {
		const struct mapbench_result *r = &run->reps[i].result;

		if (run->reps[i].ret)
			continue;
		/* In thousandths, so that the summary works on integers: those of a nanosecond are picoseconds. */
		per_s[s->complete] = thousandths(r->maps, 1000000000000000ULL, r->elapsed_ps);
		map_ns[s->complete] = r->map.sum_ps / r->map.count;
		unmap_ns[s->complete] = r->unmap.sum_ps / r->unmap.count;
		s->complete++;
		add_repetition(s, r);
	}
	s->per_s = results_estimate(per_s, s->complete);
	s->map_ns = results_estimate(map_ns, s->complete);
	s->unmap_ns = results_estimate(unmap_ns, s->complete);
	s->map_stats = mapbench_latency_stats(&s->map);
	s->unmap_stats = mapbench_latency_stats(&s->unmap);
	for (i = 0; i < threads; i++) {
		if (s->thread_maps[i] < s->min_per_thread)
			s->min_per_thread = s->thread_maps[i];
		if (s->thread_maps[i] > s->max_per_thread)
			s->max_per_thread = s->thread_maps[i];
	}
	free(values);
	return 0;
}

/* "20", or "0.02" where the kernel's tool has no notation. */
static const char *format_seconds(char *buf, size_t size, uint64_t ps)
{
	const uint64_t second = 1000000000000ULL;
	size_t used = (size_t)snprintf(buf, size, "%llu", (unsigned long long)(ps / second));

	if (!(ps % second))
		return buf;
	used += (size_t)snprintf(buf + used, size - used, ".%012llu", (unsigned long long)(ps % second));
	while (buf[used - 1] == '0')
		buf[--used] = '\0';
	return buf;
}

static void print_latency(FILE *f, const char *what, const struct mapbench_stats *s)
{
	fprintf(f, "average %s latency(us):%.1f standard deviation:%.1f\n", what,
		(double)s->kernel_average_100ns / 10.0, (double)s->kernel_stddev_100ns / 10.0);
}

/* Character for character the lines of the kernel's tool, which scripts read; -1 is its word for any node. */
static void print_text(FILE *f, const struct options *o, const struct map_summary *s)
{
	char seconds[32], dir[16];
	size_t i;

	if (!s->complete)
		return;
	snprintf(dir, sizeof(dir), "%s", dma_data_direction_name(o->map_dir));
	for (i = 0; dir[i]; i++)
		dir[i] = (char)toupper((unsigned char)dir[i]);
	fprintf(f, "dma mapping benchmark: threads:%llu seconds:%s node:%d dir:%s granule: %llu\n",
		(unsigned long long)o->map_threads, format_seconds(seconds, sizeof(seconds), o->map_seconds), -1,
		dir, (unsigned long long)o->map_granule);
	print_latency(f, "map", &s->map_stats);
	print_latency(f, "unmap", &s->unmap_stats);
}

static const char *time_domain(const struct options *o)
{
	return o->engine == ENGINE_NATIVE ? "wall" : "virtual";
}

/* What the kernel's tool does not say. */
static void print_context(const struct map_run *run, const struct map_summary *s)
{
	const struct options *o = run->options;
	char seconds[32], warmup[32];

	fprintf(stderr,
		"simbench: %s time, %llu of %llu repetitions%s of %s after %s of warm-up; policy %s, %s, %llu "
		"device%s\n",
		time_domain(o), (unsigned long long)s->complete, (unsigned long long)o->repetitions,
		s->complete < o->repetitions ? " (interrupted)" : "",
		options_format_time(seconds, sizeof(seconds), o->map_seconds),
		options_format_time(warmup, sizeof(warmup), o->warmup), policy_name(o->policy),
		report_invalidation(&run->scenario), (unsigned long long)o->devices, o->devices == 1 ? "" : "s");
	if (!s->complete)
		return;
	fprintf(stderr,
		"simbench: %.3f M maps/s, +-%.3f; map %.1f ns, +-%.1f; unmap %.1f ns, +-%.1f; %llu to %llu maps a "
		"thread\n",
		s->per_s.mean / 1e6, s->per_s.ci95 / 1e6, s->map_ns.mean, s->map_ns.ci95, s->unmap_ns.mean,
		s->unmap_ns.ci95, (unsigned long long)s->min_per_thread, (unsigned long long)s->max_per_thread);
	if (o->engine != ENGINE_NATIVE)
		return;
	fprintf(stderr, "simbench: each latency includes one reading of the clock, %.1f ns\n",
		report_ratio(s->clock_overhead_ps, s->complete) / 1000);
	if (report_blind_spots(&run->scenario.topology))
		fprintf(stderr, "simbench: %s\n", report_blind_spots(&run->scenario.topology));
}

static json_t *json_latency(const struct mapbench_latency *l, const struct mapbench_stats *s,
			    const struct estimate *means)
{
	return json_pack("{s:f, s:f, s:o, s:f, s:f, s:f}", "kernel_average_us",
			 (double)s->kernel_average_100ns / 10, "kernel_stddev_us",
			 (double)s->kernel_stddev_100ns / 10, "mean_ns", results_json_estimate(means), "stddev_ns",
			 s->stddev_ns, "min_ns", (double)l->min_ps / 1000, "max_ns", (double)l->max_ps / 1000);
}

/* Null where the locks are not observed. */
static json_t *json_cache_lock(const struct options *o, const struct mapbench_lock *lock)
{
	if (o->engine == ENGINE_NATIVE && !o->lock_stat)
		return json_null();
	return json_pack("{s:I, s:I, s:f, s:f}", "acquisitions", (json_int_t)lock->acquisitions, "contended",
			 (json_int_t)lock->contended, "wait_ns",
			 report_ratio(lock->wait_total_ps, lock->contended) / 1000, "hold_ns",
			 report_ratio(lock->hold_total_ps, lock->acquisitions) / 1000);
}

/* Calls of the counted functions for each map, setup and warm-up included. */
static json_t *json_calls(const struct map_summary *s)
{
	static const char *const names[FN_COUNT] = {
#define X(name) #name,
		COUNTED_FUNCTIONS(X)
#undef X
	};
	json_t *calls = json_object();
	unsigned int i;

	for (i = 0; i < FN_COUNT; i++) {
		if (json_object_set_new(calls, names[i],
					json_real(report_ratio(s->calls[i], s->calls[FN_dma_map])))) {
			json_decref(calls);
			return NULL;
		}
	}
	return calls;
}

static json_t *json_thread_maps(const struct map_run *run, const struct map_summary *s)
{
	json_t *maps = json_array();
	uint64_t i;

	for (i = 0; i < run->options->map_threads; i++) {
		if (json_array_append_new(maps, json_integer((json_int_t)s->thread_maps[i]))) {
			json_decref(maps);
			return NULL;
		}
	}
	return maps;
}

/* What a run without a complete repetition would have measured is null. */
static json_t *json_measured(const struct map_run *run, const struct map_summary *s)
{
	if (!s->complete)
		return json_pack("{s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n}", "maps", "elapsed_s", "maps_per_s",
				 "map", "unmap", "maps_per_thread", "calls_per_map", "cache_lock",
				 "clock_overhead_ns");
	return json_pack("{s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:f}", "maps", (json_int_t)s->maps, "elapsed_s",
			 (double)s->elapsed_ps / 1e12, "maps_per_s", results_json_estimate(&s->per_s), "map",
			 json_latency(&s->map, &s->map_stats, &s->map_ns), "unmap",
			 json_latency(&s->unmap, &s->unmap_stats, &s->unmap_ns), "maps_per_thread",
			 json_thread_maps(run, s), "calls_per_map", json_calls(s), "cache_lock",
			 json_cache_lock(run->options, &s->cache_lock), "clock_overhead_ns",
			 report_ratio(s->clock_overhead_ps, s->complete) / 1000);
}

static json_t *json_results(const struct map_run *run, const struct map_summary *s)
{
	const struct options *o = run->options;
	json_t *measured = json_measured(run, s);
	json_t *object =
		json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:b}", "engine", engine_kind_name(o->engine),
			  "time_domain", time_domain(o), "policy", policy_name(o->policy), "invalidation",
			  report_invalidation(&run->scenario), "threads", (json_int_t)o->map_threads, "repetitions",
			  (json_int_t)s->complete, "interrupted", s->complete < o->repetitions);

	if (!measured || !object || json_object_update(object, measured)) {
		json_decref(object);
		object = NULL;
	}
	json_decref(measured);
	return json_pack("[o]", object);
}

static int write_report(const struct map_run *run, const struct map_summary *s, const struct runner *runner)
{
	const struct options *o = run->options;
	FILE *f = cmd_open_output(o);
	int ret = 0, closed;

	if (!f)
		return EXIT_FAILED;
	if (o->output_format == FORMAT_JSON)
		ret = results_json(f, run->ctx, runner, s->events, o, json_results(run, s));
	else
		print_text(f, o, s);
	closed = cmd_close_output(f, o);
	if (o->output_format == FORMAT_TEXT && !closed)
		print_context(run, s);
	return ret && !closed ? cmd_fail(EXIT_FAILED, "cannot write the report: %s", strerror(-ret)) : closed;
}

static void print_warnings(const struct map_summary *s)
{
	if (s->complete >= 2 && s->per_s.ci95 > s->per_s.mean / 50)
		fprintf(stderr,
			"simbench: warning: the 95 %% confidence interval of the throughput is +-%.1f %% of the "
			"mean: raise -s/--map-seconds or --repetitions\n",
			100 * s->per_s.ci95 / s->per_s.mean);
}

/* Runs all repetitions and adds them up. Returns EXIT_OK, or an exit code with a message printed; in either case
 * the caller frees summary->thread_maps. */
static int simulate(struct map_run *run, struct runner *runner, struct map_summary *summary)
{
	struct options *o = run->options;
	struct timespec start, end;
	int code, ret;

	*summary = (struct map_summary){ 0 };
	/* On real CPUs one at a time: they would disturb each other. */
	runner->threads = o->engine == ENGINE_NATIVE ? 1 : (uint32_t)o->threads;
	progress_init(&run->progress, o, "repetitions");
	pthread_mutex_init(&run->lock, NULL);
	clock_gettime(CLOCK_MONOTONIC, &start);
	ret = parallel_for(runner->threads, o->repetitions, run_repetition, run);
	clock_gettime(CLOCK_MONOTONIC, &end);
	runner->wall_s = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
	pthread_mutex_destroy(&run->lock);
	progress_clear(&run->progress);

	if (ret)
		return out_of_memory();
	code = check_repetitions(run);
	if (code >= 0)
		return code;
	return summarize(run, summary) ? out_of_memory() : EXIT_OK;
}

/* Returns 0, -ENOMEM, or -EINVAL with @err filled in; map_run_destroy() in either case. */
static int map_run_prepare(struct map_run *run, struct options *o, struct options_error *err)
{
	int ret;

	*run = (struct map_run){
		.options = o,
		.run = o->engine == ENGINE_NATIVE ? native_mapbench_run : mapbench_run,
		.reps = calloc(o->repetitions, sizeof(*run->reps)),
	};
	ret = run->reps ? scenario_init(&run->scenario, o, err) : -ENOMEM;
	return ret ? ret : place_threads(run, err);
}

/* Returns -1 to go on, or an exit code with a message printed; map_run_destroy() in either case. */
static int map_run_init(struct map_run *run, const struct cmd_context *ctx, struct options *o)
{
	struct options_error err = { "" };
	int ret = map_run_prepare(run, o, &err);

	if (ret)
		return cmd_refuse(ret, &err);
	run->ctx = ctx;
	set_params(run);
	return -1;
}

static void map_run_destroy(struct map_run *run)
{
	uint64_t i;

	for (i = 0; run->reps && i < run->options->repetitions; i++)
		mapbench_result_free(&run->reps[i].result);
	free(run->reps);
	free(run->pus);
	scenario_destroy(&run->scenario);
}

int mapbench_check(struct options *o, struct options_error *err)
{
	struct map_run run;
	int ret = map_run_prepare(&run, o, err);

	map_run_destroy(&run);
	return ret;
}

int mapbench_point(const struct cmd_context *ctx, struct options *o, json_t **result)
{
	struct map_summary summary = { 0 };
	struct runner runner;
	struct map_run run;
	json_t *results;
	int code = map_run_init(&run, ctx, o);

	if (code < 0)
		code = simulate(&run, &runner, &summary);
	if (!code && summary.complete < o->repetitions)
		code = EXIT_SIGNAL + *ctx->interrupted;
	if (!code) {
		results = json_results(&run, &summary);
		*result = json_incref(json_array_get(results, 0));
		json_decref(results);
		if (!*result)
			code = out_of_memory();
	}
	free(summary.thread_maps);
	map_run_destroy(&run);
	return code;
}

int cmd_mapbench(const struct cmd_context *ctx, int argc, char **args)
{
	struct map_summary summary = { 0 };
	struct runner runner;
	struct map_run run;
	struct options o;
	int code;

	code = cmd_parse(&o, S_MAP, argc, args, "Usage: simbench mapbench [OPTION...]");
	if (code < 0) {
		code = map_run_init(&run, ctx, &o);
		if (code < 0)
			code = simulate(&run, &runner, &summary);
		if (!code) {
			print_warnings(&summary);
			code = write_report(&run, &summary, &runner);
		}
		free(summary.thread_maps);
		map_run_destroy(&run);
		if (!code && *ctx->interrupted)
			code = EXIT_SIGNAL + *ctx->interrupted;
	}
	options_free(&o);
	return code;
}
