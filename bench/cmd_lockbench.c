/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_lockbench.c - CPUs that loop on one lock: throughput, fairness and hand-over of the four algorithms
 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/cmd.h"
#include "bench/lockbench.h"
#include "bench/point.h"
#include "bench/progress.h"
#include "bench/report.h"
#include "bench/results_json.h"
#include "bench/scenario.h"

struct repetition {
	int ret; /* of lockbench_run() */
	struct lockbench_result result;
};

struct lock_run {
	const struct cmd_context *ctx;
	struct options *options;
	lockbench_fn run;
	struct topology topology;
	uint32_t *pus; /* ascending */
	struct lockbench_params params;
	struct repetition *reps;
	pthread_mutex_t lock; /* of the two below */
	struct progress progress;
	uint64_t done;
};

/* What the repetitions say together. */
struct lock_summary {
	uint64_t complete; /* repetitions that ran to their end */
	struct estimate per_s, jain;
	struct lockbench_result total; /* sums; extremes where an extreme is meant */
};

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* One CPU each, ascending. Returns 0, -ENOMEM, or -EINVAL with @err filled in. */
static int place_cpus(struct lock_run *run, struct options_error *err)
{
	const struct options *o = run->options;
	uint32_t count = (uint32_t)o->cpus, i;
	int ret;

	if (count > run->topology.pu_count) {
		snprintf(err->msg, sizeof(err->msg), "--cpus %u: the machine has %u CPUs (--machine %s)", count,
			 run->topology.pu_count, o->machine);
		return -EINVAL;
	}
	run->pus = calloc(count, sizeof(*run->pus));
	if (!run->pus)
		return -ENOMEM;
	ret = topology_place(&run->topology, o->placement, count, run->pus, err->msg, sizeof(err->msg));
	if (ret)
		return ret == -ENOMEM ? ret : -EINVAL;
	/* A list that is too short starts over, with the first of those behind it. */
	for (i = 1; i < count; i++) {
		if (run->pus[i] == run->pus[0]) {
			snprintf(err->msg, sizeof(err->msg), "--cpus %u: --placement %s names %u CPUs", count,
				 o->placement, i);
			return -EINVAL;
		}
	}
	qsort(run->pus, count, sizeof(*run->pus), by_number);
	return 0;
}

static void run_repetition(void *arg, uint64_t i)
{
	struct lock_run *run = arg;
	struct sim_params sim = scenario_sim_params(run->options, run->options->seed + i);

	if (*run->ctx->interrupted)
		run->reps[i].ret = -EINTR;
	else
		run->reps[i].ret = run->run(&run->topology, run->pus, (uint32_t)run->options->cpus, &sim,
					    &run->params, &run->reps[i].result);
	pthread_mutex_lock(&run->lock);
	progress_update(&run->progress, ++run->done, run->options->repetitions);
	pthread_mutex_unlock(&run->lock);
}

/* The first repetition that went wrong, as a message and an exit code; -1 when none did. */
static int check_repetitions(const struct lock_run *run)
{
	const struct options *o = run->options;
	uint64_t i;

	for (i = 0; i < o->repetitions; i++) {
		const struct repetition *rep = &run->reps[i];
		unsigned long long seed = o->seed + i;

		if (rep->ret == -EDEADLK)
			return cmd_fail(EXIT_STUCK,
					"seed %llu: the simulation came to a stop: every CPU waits for "
					"the lock",
					seed);
		if (rep->ret && rep->ret != -EINTR)
			return cmd_fail(EXIT_FAILED, "seed %llu: %s", seed, strerror(-rep->ret));
		if (!rep->ret && rep->result.violations)
			return cmd_fail(EXIT_UNSAFE,
					"seed %llu: %s let a second CPU into the critical section %llu "
					"times",
					seed, lock_kind_name(o->lock), (unsigned long long)rep->result.violations);
		if (!rep->ret && !rep->result.elapsed_ps)
			return cmd_fail(EXIT_USAGE,
					"no simulated time passes: hold, think and every latency are 0");
	}
	return -1;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void add_repetition(struct lockbench_result *to, const struct lockbench_result *from)
{
	to->elapsed_ps += from->elapsed_ps;
	to->acquisitions += from->acquisitions;
	to->contended += from->contended;
	if (from->min_per_cpu < to->min_per_cpu)
		to->min_per_cpu = from->min_per_cpu;
	to->max_per_cpu = max_u64(to->max_per_cpu, from->max_per_cpu);
	to->wait_total_ps += from->wait_total_ps;
	to->wait_max_ps = max_u64(to->wait_max_ps, from->wait_max_ps);
	to->hold_total_ps += from->hold_total_ps;
	to->handover_total_ps += from->handover_total_ps;
	to->transfers_local += from->transfers_local;
	to->transfers_remote += from->transfers_remote;
	to->stall_ps += from->stall_ps;
	to->events += from->events;
}

/* Returns 0 or -ENOMEM. */
static int summarize(const struct lock_run *run, struct lock_summary *s)
{
	uint64_t count = run->options->repetitions, i;
	uint64_t *per_s = calloc(count, sizeof(*per_s)), *jain = calloc(count, sizeof(*jain));
	int ret = -ENOMEM;

	*s = (struct lock_summary){ .total.min_per_cpu = UINT64_MAX };
	if (!per_s || !jain)
		goto out;
	for (i = 0; i < count; i++) {
		const struct lockbench_result *r = &run->reps[i].result;

		if (run->reps[i].ret)
			continue;
		/* In thousandths, so that the summary works on integers. */
		per_s[s->complete] =
			(uint64_t)((unsigned __int128)r->acquisitions * 1000000000000000ULL / r->elapsed_ps);
		jain[s->complete] = r->jain_ppb / 1000;
		s->complete++;
		add_repetition(&s->total, r);
	}
	s->per_s = results_estimate(per_s, s->complete);
	s->jain = results_estimate(jain, s->complete);
	s->jain = (struct estimate){ s->jain.mean / 1000, s->jain.min / 1000, s->jain.max / 1000,
				     s->jain.ci95 / 1000 };
	ret = 0;
out:
	free(per_s);
	free(jain);
	return ret;
}

static double mean_ns(uint64_t sum_ps, uint64_t count)
{
	return report_ratio(sum_ps, count) / 1000;
}

static void print_text(FILE *f, const struct lock_run *run, const struct lock_summary *s, bool color)
{
	const struct options *o = run->options;
	const struct lockbench_result *t = &s->total;
	char hold[32], think[32];

	fprintf(f,
		"%s%s, %llu CPUs%s: hold %s, think %s (%s), %llu acquisitions a CPU, %llu of %llu repetitions%s\n",
		color ? "\033[1m" : "", lock_kind_name(o->lock), (unsigned long long)o->cpus,
		color ? "\033[0m" : "", options_format_time(hold, sizeof(hold), o->hold),
		options_format_time(think, sizeof(think), o->think), think_dist_name(o->think_dist),
		(unsigned long long)o->iterations, (unsigned long long)s->complete,
		(unsigned long long)o->repetitions, s->complete < o->repetitions ? ", interrupted" : "");
	if (!s->complete)
		return;
	fprintf(f, "  throughput      %.3f M acquisitions/s, +-%.3f (min %.3f, max %.3f)\n", s->per_s.mean / 1e6,
		s->per_s.ci95 / 1e6, s->per_s.min / 1e6, s->per_s.max / 1e6);
	fprintf(f, "  fairness        Jain's index %.4f; %llu to %llu acquisitions a CPU\n", s->jain.mean,
		(unsigned long long)t->min_per_cpu, (unsigned long long)t->max_per_cpu);
	fprintf(f, "  contended       %.1f %%\n", 100 * report_ratio(t->contended, t->acquisitions));
	if (o->engine == ENGINE_NATIVE) {
		if (report_blind_spots(&run->topology))
			fprintf(f, "%s\n", report_blind_spots(&run->topology));
		return;
	}
	fprintf(f, "  wait            %.1f ns mean of the contended, %.1f ns max\n",
		mean_ns(t->wait_total_ps, t->contended), (double)t->wait_max_ps / 1000);
	fprintf(f, "  hand-over       %.1f ns mean of the contended, from release to acquisition\n",
		mean_ns(t->handover_total_ps, t->contended));
	fprintf(f, "  held            %.1f ns mean, until the release is visible\n",
		mean_ns(t->hold_total_ps, t->acquisitions));
	fprintf(f, "  line transfers  %.3f an acquisition: %.3f in the package, %.3f across\n",
		report_ratio(t->transfers_local + t->transfers_remote, t->acquisitions),
		report_ratio(t->transfers_local, t->acquisitions),
		report_ratio(t->transfers_remote, t->acquisitions));
}

/* What a run without a complete repetition would have measured is null. */
static json_t *json_measured(const struct lock_run *run, const struct lock_summary *s)
{
	const struct lockbench_result *t = &s->total;

	if (!s->complete)
		return json_pack("{s:n, s:n, s:n, s:n, s:n, s:n, s:n}", "acquisitions_per_s", "fairness",
				 "contended_fraction", "wait_ns", "handover_ns", "hold_ns",
				 "transfers_per_acquisition");
	/* What cannot be seen on real CPUs is null too. */
	if (run->options->engine == ENGINE_NATIVE)
		return json_pack("{s:o, s:{s:f, s:I, s:I}, s:f, s:n, s:n, s:n, s:n}", "acquisitions_per_s",
				 results_json_estimate(&s->per_s), "fairness", "jain", s->jain.mean, "min_per_cpu",
				 (json_int_t)t->min_per_cpu, "max_per_cpu", (json_int_t)t->max_per_cpu,
				 "contended_fraction", report_ratio(t->contended, t->acquisitions), "wait_ns",
				 "handover_ns", "hold_ns", "transfers_per_acquisition");
	return json_pack("{s:o, s:{s:f, s:I, s:I}, s:f, s:{s:f, s:f}, s:{s:f}, s:{s:f}, s:{s:f, s:f}}",
			 "acquisitions_per_s", results_json_estimate(&s->per_s), "fairness", "jain", s->jain.mean,
			 "min_per_cpu", (json_int_t)t->min_per_cpu, "max_per_cpu", (json_int_t)t->max_per_cpu,
			 "contended_fraction", report_ratio(t->contended, t->acquisitions), "wait_ns", "mean",
			 mean_ns(t->wait_total_ps, t->contended), "max", (double)t->wait_max_ps / 1000,
			 "handover_ns", "mean", mean_ns(t->handover_total_ps, t->contended), "hold_ns", "mean",
			 mean_ns(t->hold_total_ps, t->acquisitions), "transfers_per_acquisition", "local",
			 report_ratio(t->transfers_local, t->acquisitions), "remote",
			 report_ratio(t->transfers_remote, t->acquisitions));
}

static json_t *json_results(const struct lock_run *run, const struct lock_summary *s)
{
	const struct options *o = run->options;
	json_t *measured = json_measured(run, s);
	json_t *object =
		json_pack("{s:s, s:s, s:I, s:I, s:b}", "lock", lock_kind_name(o->lock), "time_domain",
			  o->engine == ENGINE_NATIVE ? "wall" : "virtual", "cpus", (json_int_t)o->cpus,
			  "repetitions", (json_int_t)s->complete, "interrupted", s->complete < o->repetitions);

	if (!measured || !object || json_object_update(object, measured)) {
		json_decref(object);
		object = NULL;
	}
	json_decref(measured);
	return json_pack("[o]", object);
}

static int write_report(const struct lock_run *run, const struct lock_summary *s, const struct runner *runner)
{
	const struct options *o = run->options;
	FILE *f = cmd_open_output(o);
	int ret = 0, closed;

	if (!f)
		return EXIT_FAILED;
	if (o->output_format == FORMAT_JSON)
		ret = results_json(f, run->ctx, runner, s->total.events, o, json_results(run, s));
	else
		print_text(f, run, s, cmd_use_color(o, f));
	closed = cmd_close_output(f, o);
	return ret && !closed ? cmd_fail(EXIT_FAILED, "cannot write the report: %s", strerror(-ret)) : closed;
}

static void print_warnings(const struct lock_summary *s)
{
	if (s->complete >= 2 && s->per_s.ci95 > s->per_s.mean / 100)
		fprintf(stderr,
			"simbench: warning: the 95 %% confidence interval is +-%.1f %% of the mean: raise "
			"--iterations or --repetitions\n",
			100 * s->per_s.ci95 / s->per_s.mean);
}

/* Runs all repetitions and adds them up. Returns EXIT_OK, or an exit code with a message printed. */
static int simulate(struct lock_run *run, struct runner *runner, struct lock_summary *summary)
{
	struct options *o = run->options;
	struct timespec start, end;
	int code, ret;

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

	code = ret ? -1 : check_repetitions(run);
	if (code >= 0)
		return code;
	if (ret || summarize(run, summary))
		return cmd_fail(EXIT_FAILED, "out of memory");
	return EXIT_OK;
}

/* Returns 0, -ENOMEM, or -EINVAL with @err filled in; lock_run_destroy() in either case. */
static int lock_run_prepare(struct lock_run *run, volatile sig_atomic_t *interrupted, struct options *o,
			    struct options_error *err)
{
	int ret;

	*run = (struct lock_run){
		.options = o,
		.run = o->engine == ENGINE_NATIVE ? native_lockbench_run : lockbench_run,
		.params = {
			.hold_ps = o->hold,
			.think_ps = o->think,
			.think_dist = o->think_dist,
			.data_lines = (uint32_t)o->data_lines,
			.iterations = o->iterations,
			.interrupted = interrupted,
		},
		.reps = calloc(o->repetitions, sizeof(*run->reps)),
	};
	ret = run->reps ? topology_load(&run->topology, o->machine, err->msg, sizeof(err->msg)) : -ENOMEM;
	if (ret)
		return ret == -ENOMEM ? ret : -EINVAL;
	return place_cpus(run, err);
}

/* Returns -1 to go on, or an exit code with a message printed; lock_run_destroy() in either case. */
static int lock_run_init(struct lock_run *run, const struct cmd_context *ctx, struct options *o)
{
	struct options_error err = { "" };
	int ret = lock_run_prepare(run, ctx->interrupted, o, &err);

	run->ctx = ctx;
	return ret ? cmd_refuse(ret, &err) : -1;
}

static void lock_run_destroy(struct lock_run *run)
{
	topology_destroy(&run->topology);
	free(run->reps);
	free(run->pus);
}

int lockbench_check(struct options *o, struct options_error *err)
{
	struct lock_run run;
	int ret = lock_run_prepare(&run, NULL, o, err);

	lock_run_destroy(&run);
	return ret;
}

int lockbench_point(const struct cmd_context *ctx, struct options *o, json_t **result)
{
	struct lock_summary summary;
	struct lock_run run;
	struct runner runner;
	json_t *results;
	int code = lock_run_init(&run, ctx, o);

	if (code < 0)
		code = simulate(&run, &runner, &summary);
	if (!code && summary.complete < o->repetitions)
		code = EXIT_SIGNAL + *ctx->interrupted;
	if (!code) {
		results = json_results(&run, &summary);
		*result = json_incref(json_array_get(results, 0));
		json_decref(results);
		if (!*result)
			code = cmd_fail(EXIT_FAILED, "out of memory");
	}
	lock_run_destroy(&run);
	return code;
}

int cmd_lockbench(const struct cmd_context *ctx, int argc, char **args)
{
	struct lock_summary summary;
	struct runner runner;
	struct lock_run run;
	struct options o;
	int code;

	code = cmd_parse(&o, S_LOCK, argc, args, "Usage: simbench lockbench [OPTION...]");
	if (code < 0) {
		code = lock_run_init(&run, ctx, &o);
		if (code < 0)
			code = simulate(&run, &runner, &summary);
		if (!code) {
			print_warnings(&summary);
			code = write_report(&run, &summary, &runner);
		}
		lock_run_destroy(&run);
		if (!code && *ctx->interrupted)
			code = EXIT_SIGNAL + *ctx->interrupted;
	}
	options_free(&o);
	return code;
}
