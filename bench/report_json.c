/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report_json.c - the JSON report; docs/results.schema.json is its description
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/report.h"
#include "bench/version.h"

/* Twelve digits: fewer than a double has, so that its last bits do not show, and more than any result is worth. */
#define DUMP_FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(12))

static const char *const function_names[FN_COUNT] = {
#define X(name) [FN_##name] = #name,
	COUNTED_FUNCTIONS(X)
#undef X
};

/*
 * put() and add() take over @value. When it or the container is NULL, or memory runs out, the container is released
 * and becomes NULL: whoever builds a document need look at its end only.
 */
static void put(json_t **object, const char *key, json_t *value)
{
	if (json_object_set_new(*object, key, value)) {
		json_decref(*object);
		*object = NULL;
	}
}

static void add(json_t **array, json_t *value)
{
	if (json_array_append_new(*array, value)) {
		json_decref(*array);
		*array = NULL;
	}
}

json_t *report_json_text(const char *s)
{
	json_t *text = json_string(s);
	char *copy, *c;

	if (text)
		return text;
	copy = strdup(s);
	if (!copy)
		return NULL;
	for (c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	text = json_string(copy);
	free(copy);
	return text;
}

/* JSON integers are signed here; from 2^63 on it is a string, as in options_to_json(). */
static json_t *number(uint64_t v)
{
	char digits[24];

	if (v <= INT64_MAX)
		return json_integer((json_int_t)v);
	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v);
	return json_string(digits);
}

static json_t *ns(uint64_t ps)
{
	return json_real((double)ps / 1000);
}

static json_t *mean_ns(uint64_t sum_ps, uint64_t count)
{
	return json_real(report_ratio(sum_ps, count) / 1000);
}

static json_t *array_of(const struct run *run, uint32_t count, json_t *(*element)(const struct run *, uint32_t))
{
	json_t *array = json_array();
	uint32_t i;

	for (i = 0; i < count; i++)
		add(&array, element(run, i));
	return array;
}

/* ---- context and config ---- */

static json_t *command_line(const struct cmd_context *ctx)
{
	json_t *array = json_array();
	int i;

	for (i = 0; i < ctx->argc; i++)
		add(&array, report_json_text(ctx->argv[i]));
	return array;
}

json_t *report_context(const struct cmd_context *ctx, const struct runner *runner, uint64_t events, uint64_t ios)
{
	json_t *object = json_object();
	double wall_s = runner->wall_s;
	char host[256] = "", date[32] = "";
	time_t now = time(NULL);
	struct tm tm;

	/* A name that is too long is cut, and may then lack its terminating zero. */
	gethostname(host, sizeof(host) - 1);
	if (gmtime_r(&now, &tm))
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
	put(&object, "version", json_string(simbench_version));
	put(&object, "git_commit", json_string(simbench_git_commit));
	put(&object, "compiler", json_string(simbench_compiler));
	put(&object, "build_type", json_string(simbench_build_type));
	put(&object, "host_name", report_json_text(host));
	put(&object, "host_cpus", number(runner_host_cpus()));
	put(&object, "date", json_string(date));
	put(&object, "command_line", command_line(ctx));
	put(&object, "wall_s", json_real(wall_s));
	put(&object, "events_per_wall_s", json_real(wall_s > 0 ? (double)events / wall_s : 0));
	put(&object, "ios_per_wall_s", json_real(wall_s > 0 ? (double)ios / wall_s : 0));
	return object;
}

static json_t *config(const struct scenario *s)
{
	json_t *object = options_to_json(&s->options, S_RUN);

	put(&object, "invalidation_effective", json_string(report_invalidation(s)));
	return object;
}

static json_t *without(const struct sim_without *w)
{
	json_t *array = json_array();

	if (w->lock_word)
		add(&array, json_string("lock_word"));
	if (w->mcs_nodes)
		add(&array, json_string("mcs_nodes"));
	if (w->hold)
		add(&array, json_string("hold"));
	return array;
}

/* What tells the runs of one report apart. */
static json_t *scenario(const struct scenario *s)
{
	const struct host_params *p = &s->params;
	json_t *object = json_object();

	put(&object, "policy", json_string(policy_name(p->domain.policy)));
	put(&object, "bridge", json_string(bridge_place_name(p->shared_bridge ? BRIDGE_SHARED : BRIDGE_SEPARATE)));
	put(&object, "devices", number(p->devices));
	put(&object, "units", number(p->units));
	put(&object, "stage", json_string(stage_name(p->domain.first_stage ? STAGE_FIRST : STAGE_SECOND)));
	put(&object, "invalidation", json_string(report_invalidation(s)));
	put(&object, "ats", json_boolean(p->ats));
	put(&object, "lock", json_string(lock_kind_name(p->sim.lock)));
	put(&object, "layout", json_string(layout_name(p->domain.layout)));
	put(&object, "rw", json_string(rw_name(s->options.rw)));
	put(&object, "read_pct", number(p->read_pct));
	put(&object, "bs", number(p->bs));
	put(&object, "jobs", number(p->jobs));
	put(&object, "iodepth", number(p->iodepth));
	put(&object, "machine", report_json_text(s->options.machine));
	put(&object, "without", without(&p->sim.without));
	return object;
}

/* ---- what one run measured ---- */

static json_t *estimate(const struct estimate *e)
{
	json_t *object = json_object();

	put(&object, "mean", json_real(e->mean));
	put(&object, "ci95", json_real(e->ci95));
	put(&object, "min", json_real(e->min));
	put(&object, "max", json_real(e->max));
	return object;
}

static json_t *percentile(const struct host_result *r, uint32_t parts)
{
	return number(histogram_percentile(&r->latency_ns, parts));
}

static json_t *latency(const struct host_result *r)
{
	json_t *object = json_object();

	put(&object, "mean", mean_ns(r->latency_sum_ps, r->ios));
	put(&object, "p50", percentile(r, 50000));
	put(&object, "p90", percentile(r, 90000));
	put(&object, "p99", percentile(r, 99000));
	put(&object, "p999", percentile(r, 99900));
	put(&object, "max", number(histogram_max(&r->latency_ns)));
	return object;
}

static json_t *cpus(const struct run *run)
{
	const struct host_result *r = &run->total;
	bool seen = !report_is_native(run);
	json_t *object = json_object();
	struct report_cpus share;

	report_cpus(r, &share);
	put(&object, "count", number(r->cpu_count));
	put(&object, "busy_fraction", json_real(share.busy));
	put(&object, "spin_fraction", seen ? json_real(share.spin) : json_null());
	put(&object, "stall_fraction", seen ? json_real(share.stall) : json_null());
	put(&object, "irq_off_max_ns", seen ? ns(r->irq_off_max_ps) : json_null());
	return object;
}

static json_t *per_io(const struct host_result *r)
{
	json_t *object = json_object();
	uint32_t fn;

	for (fn = 0; fn < FN_COUNT; fn++)
		put(&object, function_names[fn], json_real(report_ratio(r->calls[fn], r->ios)));
	return object;
}

/* Mean time of a map call in each part; the total is their sum. */
static json_t *map_time(const struct host_result *r)
{
	uint64_t maps = r->map_calls[FN_dma_map];
	json_t *object = json_object();
	uint32_t part;

	for (part = 0; part < MAP_PART_COUNT; part++)
		put(&object, report_map_part_name(part), mean_ns(r->map_part_ps[part], maps));
	put(&object, "total", mean_ns(report_map_ps(r), maps));
	return object;
}

static json_t *calls_per_map(const struct host_result *r)
{
	json_t *object = json_object();
	uint32_t fn;

	for (fn = 0; fn < FN_COUNT; fn++)
		if (fn != FN_dma_map)
			put(&object, function_names[fn],
			    json_real(report_ratio(r->map_calls[fn], r->map_calls[FN_dma_map])));
	return object;
}

/* Of all locks named @name, or of all locks if that is NULL. */
static json_t *locks_per_map(const struct host_result *r, const char *name)
{
	uint64_t acquisitions = 0;
	uint32_t i;

	for (i = 0; i < r->lock_count; i++)
		if (!name || !strcmp(r->locks[i].name, name))
			acquisitions += r->locks[i].acquisitions_in_map;
	return json_real(report_ratio(acquisitions, r->map_calls[FN_dma_map]));
}

static json_t *map_call(const struct host_result *r)
{
	json_t *object = json_object();

	put(&object, "count", number(r->map_calls[FN_dma_map]));
	put(&object, "time_ns", map_time(r));
	put(&object, "calls_per_map", calls_per_map(r));
	put(&object, "cache_lock_per_map", locks_per_map(r, "cache_lock"));
	put(&object, "locks_per_map", locks_per_map(r, NULL));
	return object;
}

static json_t *units(const struct host_result *r)
{
	json_t *object = json_object();

	put(&object, "write_buffer_flushes", number(r->write_buffer_flushes));
	put(&object, "write_buffer_flushes_per_map",
	    json_real(report_ratio(r->write_buffer_flushes, r->map_calls[FN_dma_map])));
	put(&object, "iotlb_invalidations", number(r->iotlb_invalidations));
	put(&object, "devtlb_invalidations", number(r->devtlb_invalidations));
	return object;
}

static json_t *iotlb(const struct host_result *r)
{
	json_t *object = json_object();

	put(&object, "hits", number(r->iotlb_hits));
	put(&object, "misses", number(r->iotlb_misses));
	return object;
}

static json_t *stale_window(const struct oracle_stats *o)
{
	json_t *object = json_object();

	put(&object, "count", number(o->windows));
	put(&object, "mean", mean_ns(o->window_sum_ps, o->windows));
	put(&object, "max", ns(o->window_max_ps));
	return object;
}

/* Strict unmaps leave no window. */
static json_t *oracle(const struct run *run)
{
	const struct oracle_stats *o = &run->total.oracle;
	json_t *object = json_object();

	put(&object, "maps", number(o->maps));
	put(&object, "unmaps", number(o->unmaps));
	put(&object, "dmas", number(o->dmas));
	put(&object, "stale_window_ns", run->scenario->params.domain.lazy ? stale_window(o) : json_null());
	return object;
}

static json_t *device(const struct run *run, uint32_t i)
{
	const struct host_device_result *d = &run->total.devices[i];
	uint64_t elapsed_ps = run->total.elapsed_ps;
	json_t *object = json_object();

	put(&object, "index", number(i));
	put(&object, "throughput_mib_s", json_real(report_mib_s(d->bytes, elapsed_ps)));
	put(&object, "iops", json_real(report_per_s(d->ios, elapsed_ps)));
	put(&object, "latency_mean_ns", mean_ns(d->latency_sum_ps, d->ios));
	return object;
}

static json_t *lock(const struct run *run, uint32_t i)
{
	const struct host_lock_result *l = &run->total.locks[i];
	json_t *object = json_object(), *wait = json_object(), *hold = json_object();

	put(&wait, "mean", mean_ns(l->wait_total_ps, l->contended));
	put(&wait, "max", ns(l->wait_max_ps));
	put(&wait, "total", ns(l->wait_total_ps));
	put(&hold, "mean", mean_ns(l->hold_total_ps, l->acquisitions));
	put(&hold, "max", ns(l->hold_max_ps));
	put(&object, "name", report_json_text(l->name));
	put(&object, "instance", number(l->instance));
	put(&object, "acquisitions", number(l->acquisitions));
	put(&object, "acquisitions_in_map", report_is_native(run) ? json_null() : number(l->acquisitions_in_map));
	put(&object, "contended", number(l->contended));
	put(&object, "wait_ns", wait);
	put(&object, "hold_ns", hold);
	put(&object, "utilization", json_real(report_ratio(l->hold_total_ps, run->total.elapsed_ps)));
	put(&object, "irq_off_max_ns", ns(l->irq_off_max_ps));
	return object;
}

static json_t *line_fields(const struct host_line_result *l)
{
	json_t *array = json_array();
	const char *field;
	uint32_t next = 0;

	while ((field = report_line_field(l, &next)))
		add(&array, report_json_text(field));
	return array;
}

static json_t *line(const struct run *run, uint32_t i)
{
	const struct host_line_result *l = &run->total.lines[i];
	json_t *object = json_object();
	char name[128];

	report_line_name(l, name, sizeof(name), NULL, 0);
	put(&object, "object", report_json_text(name));
	put(&object, "fields", line_fields(l));
	put(&object, "transfers_local_per_io", json_real(report_ratio(l->transfers_local, run->total.ios)));
	put(&object, "transfers_remote_per_io", json_real(report_ratio(l->transfers_remote, run->total.ios)));
	put(&object, "stall_ns_per_io", mean_ns(l->stall_ps, run->total.ios));
	return object;
}

static json_t *repetition_latency(const struct host_result *r)
{
	json_t *object = json_object();

	put(&object, "mean", mean_ns(r->latency_sum_ps, r->ios));
	put(&object, "p50", percentile(r, 50000));
	put(&object, "p99", percentile(r, 99000));
	return object;
}

/* What an incomplete one has measured means nothing; null says so, as 0 would not. */
static json_t *repetition(const struct run *run, uint32_t i)
{
	const struct run_rep *rep = &run->reps[i];
	const struct host_result *r = &rep->result;
	bool complete = !rep->ret;
	json_t *object = json_object();

	put(&object, "seed", number(rep->seed));
	put(&object, "complete", json_boolean(complete));
	put(&object, "elapsed_ns", complete ? ns(r->elapsed_ps) : json_null());
	put(&object, "ios", complete ? number(r->ios) : json_null());
	put(&object, "read_ios", complete ? number(r->read_ios) : json_null());
	put(&object, "bytes", complete ? number(r->bytes) : json_null());
	put(&object, "throughput_mib_s", complete ? json_real(report_mib_s(r->bytes, r->elapsed_ps)) : json_null());
	put(&object, "iops", complete ? json_real(report_per_s(r->ios, r->elapsed_ps)) : json_null());
	put(&object, "latency_ns", complete ? repetition_latency(r) : json_null());
	put(&object, "inflight_mean",
	    complete ? json_real(report_ratio(r->inflight_sum, r->inflight_samples)) : json_null());
	return object;
}

/* ---- all of it ---- */

static uint32_t at_most(uint32_t count, uint32_t most)
{
	return count < most ? count : most;
}

/* The @lock_count and @line_count first ones. */
static void put_measured(json_t **object, const struct run *run, uint32_t lock_count, uint32_t line_count)
{
	const struct host_result *r = &run->total;
	uint32_t locks = at_most(r->lock_count, lock_count);
	bool native = report_is_native(run);

	put(object, "throughput_mib_s", estimate(&run->throughput_mib_s));
	put(object, "iops", estimate(&run->iops));
	put(object, "latency_ns", latency(r));
	put(object, "cpus", cpus(run));
	put(object, "per_io", per_io(r));
	/* What cannot be seen on real CPUs is null. */
	put(object, "map_call", native ? json_null() : map_call(r));
	put(object, "units", native ? json_null() : units(r));
	put(object, "iotlb", native ? json_null() : iotlb(r));
	put(object, "dma_faults", native ? json_null() : number(r->dma_faults));
	put(object, "oracle", native || run->scenario->params.sim.oracle == ORACLE_OFF ? json_null() : oracle(run));
	put(object, "locks",
	    native && !run->scenario->options.lock_stat ? json_null() : array_of(run, locks, lock));
	put(object, "locks_left_out",
	    native && !run->scenario->options.lock_stat ? json_null() : number(r->lock_count - locks));
	put(object, "lines", native ? json_null() : array_of(run, at_most(r->line_count, line_count), line));
}

/* The first ones, and the domains' own lock if it is not among them: it is what it is all about. */
static json_t *point_locks(const struct run *run)
{
	uint32_t count = at_most(run->total.lock_count, REPORT_POINT_LOCKS), i;
	json_t *array = array_of(run, count, lock);

	for (i = 0; i < run->total.lock_count; i++)
		if (!strcmp(run->total.locks[i].name, "cache_lock"))
			break;
	if (i >= count && i < run->total.lock_count)
		add(&array, lock(run, i));
	return array;
}

static json_t *quantile(const struct host_result *r, uint32_t parts)
{
	return json_pack("[f, o]", (double)parts * 100 / HISTOGRAM_PERCENT_SCALE, percentile(r, parts));
}

/* Enough of the distribution to draw it. */
static json_t *quantiles(const struct host_result *r)
{
	static const uint32_t tail[] = { 0, 100, 500, 1000 };
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tail); i++)
		add(&array, quantile(r, tail[i]));
	for (i = 2; i <= 98; i += 2)
		add(&array, quantile(r, (uint32_t)i * (HISTOGRAM_PERCENT_SCALE / 100)));
	for (i = ARRAY_SIZE(tail); i--;)
		add(&array, quantile(r, HISTOGRAM_PERCENT_SCALE - tail[i]));
	return array;
}

json_t *report_json_point(const struct run *run)
{
	json_t *object = json_object();

	put(&object, "time_domain", json_string(report_is_native(run) ? "wall" : "virtual"));
	put(&object, "invalidation", json_string(report_invalidation(run->scenario)));
	put_measured(&object, run, REPORT_POINT_LOCKS, REPORT_POINT_LINES);
	if (!json_is_null(json_object_get(object, "locks"))) {
		put(&object, "locks", point_locks(run));
		put(&object, "locks_left_out",
		    number(run->total.lock_count - json_array_size(json_object_get(object, "locks"))));
	}
	put(&object, "repetitions", number(run->complete));
	if (object &&
	    json_object_set_new(json_object_get(object, "latency_ns"), "quantiles", quantiles(&run->total))) {
		json_decref(object);
		object = NULL;
	}
	return object;
}

static void put_not_measured(json_t **object)
{
	static const char *const keys[] = {
		"throughput_mib_s", "iops",   "latency_ns", "cpus",  "per_io",	       "map_call", "units", "iotlb",
		"dma_faults",	    "oracle", "devices",    "locks", "locks_left_out", "lines",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		put(object, keys[i], json_null());
}

static json_t *result(const struct run *run, const struct runner *runner)
{
	json_t *object = json_object();

	put(&object, "scenario", scenario(run->scenario));
	put(&object, "time_domain", json_string(report_is_native(run) ? "wall" : "virtual"));
	put(&object, "interrupted", json_boolean(report_interrupted(run, runner)));
	if (run->complete) {
		put_measured(&object, run, REPORT_JSON_LOCKS, UINT32_MAX);
		put(&object, "devices", array_of(run, run->total.device_count, device));
	} else {
		put_not_measured(&object);
	}
	put(&object, "repetitions", array_of(run, run->rep_count, repetition));
	return object;
}

int report_json(FILE *f, const struct cmd_context *ctx, const struct run *runs, uint32_t count,
		const struct runner *runner)
{
	json_t *report = json_object(), *results = json_array();
	uint64_t events = 0, ios = 0;
	uint32_t i;
	int bad;

	for (i = 0; i < count; i++) {
		events += runs[i].total.events;
		ios += runs[i].total.completed;
		add(&results, result(&runs[i], runner));
	}
	put(&report, "schema_version", json_integer(REPORT_SCHEMA_VERSION));
	put(&report, "context", report_context(ctx, runner, events, ios));
	put(&report, "config", config(runs[0].scenario));
	put(&report, "results", results);
	if (!report)
		return -ENOMEM;
	bad = json_dumpf(report, f, DUMP_FLAGS);
	json_decref(report);
	fputc('\n', f);
	if (fflush(f) || ferror(f))
		return -EIO;
	return bad ? -ENOMEM : 0;
}
