/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_pingpong.c - measures the line transfer latencies that the coherence model was given, or this machine's
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/cmd.h"
#include "bench/pingpong.h"
#include "bench/report.h"
#include "bench/results_json.h"
#include "bench/scenario.h"

struct ping_run {
	const struct cmd_context *ctx;
	struct options *options;
	struct topology topology;
	uint32_t pair[2];
	struct sim_params sim;
	struct pingpong_params params;
	double wall_s;
};

/* Both with the atomic's own cost left out and with it. */
struct exchange_results {
	struct pingpong_result bare, full;
};

/* The range in which the model puts the last reader; both ends are the same where all distances are. */
struct readers_expected {
	uint64_t low_ps, high_ps;
};

static const char *const relation_names[] = {
	[DIST_SMT] = "SMT siblings",
	[DIST_L3] = "same L3",
	[DIST_PACKAGE] = "same package, other L3",
	[DIST_REMOTE] = "other package",
};

static uint64_t latency_ps(const struct ping_run *run, uint32_t a, uint32_t b)
{
	static const enum coh_class class_of[] = {
		[DIST_SELF] = COH_SELF,	      [DIST_SMT] = COH_SMT,	  [DIST_L3] = COH_L3,
		[DIST_PACKAGE] = COH_PACKAGE, [DIST_REMOTE] = COH_REMOTE,
	};

	return run->sim.coh.latency_ps[class_of[topology_distance(&run->topology, a, b)]];
}

static const char *parse_cpu(const char *p, uint32_t *cpu)
{
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)*p))
		return NULL;
	value = strtoull(p, &end, 10);
	*cpu = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
	return end;
}

/* Returns -1 to go on, or an exit code. */
static int check_cpus(struct ping_run *run)
{
	const struct options *o = run->options;
	uint32_t count = run->topology.pu_count;
	const char *p;

	p = parse_cpu(o->pair, &run->pair[0]);
	if (p && *p == ',')
		p = parse_cpu(p + 1, &run->pair[1]);
	else
		p = NULL;
	if (!p || *p)
		return cmd_fail(EXIT_USAGE, "--pair %s: not two CPU numbers, such as 0,1", o->pair);
	if (run->pair[0] == run->pair[1])
		return cmd_fail(EXIT_USAGE, "--pair %s: the same CPU twice", o->pair);
	if (run->pair[0] >= count || run->pair[1] >= count)
		return cmd_fail(EXIT_USAGE, "--pair %s: the machine has CPUs 0-%u (--machine %s)", o->pair,
				count - 1, o->machine);
	if (o->readers >= count)
		return cmd_fail(EXIT_USAGE,
				"--readers %llu: the machine has %u CPUs (--machine %s), and one writes",
				(unsigned long long)o->readers, count, o->machine);
	return -1;
}

static int run_failed(int ret)
{
	if (ret == -EDEADLK)
		return cmd_fail(EXIT_STUCK, "the simulation came to a stop: every CPU sleeps");
	return cmd_fail(EXIT_FAILED, "%s", strerror(-ret));
}

static int write_json(FILE *f, const struct ping_run *run, uint64_t events, json_t *result)
{
	struct runner runner = { .wall_s = run->wall_s };

	return results_json(f, run->ctx, &runner, events, run->options, json_pack("[o]", result));
}

static double mean_ns(uint64_t sum_ps, uint64_t count)
{
	return report_ratio(sum_ps, count) / 1000;
}

static json_t *exchange_json(const struct ping_run *run, const struct exchange_results *r)
{
	uint32_t a = run->pair[0], b = run->pair[1];

	return json_pack("{s:[I, I], s:s, s:f, s:f, s:f, s:{s:f, s:f}, s:f, s:I}", "pair", (json_int_t)a,
			 (json_int_t)b, "relation", relation_names[topology_distance(&run->topology, a, b)],
			 "configured_ns", (double)latency_ps(run, a, b) / 1000, "line_transfer_ns",
			 mean_ns(r->bare.elapsed_ps, r->bare.handovers), "handover_ns",
			 mean_ns(r->full.elapsed_ps, r->full.handovers), "handover_range_ns", "min",
			 (double)r->full.min_ps / 1000, "max", (double)r->full.max_ps / 1000,
			 "transfers_per_handover", report_ratio(r->full.transfers, r->full.handovers), "handovers",
			 (json_int_t)r->full.handovers);
}

static void exchange_text(FILE *f, const struct ping_run *run, const struct exchange_results *r)
{
	uint32_t a = run->pair[0], b = run->pair[1];
	double configured = (double)latency_ps(run, a, b) / 1000;
	double measured = mean_ns(r->bare.elapsed_ps, r->bare.handovers);
	char atomic[32];

	fprintf(f, "CPUs %u and %u, %s: compare-and-swap ping-pong, %llu hand-overs\n", a, b,
		relation_names[topology_distance(&run->topology, a, b)], (unsigned long long)r->full.handovers);
	fprintf(f, "  configured       %.3f ns one way\n", configured);
	fprintf(f, "  line transfer    %.3f ns one way", measured);
	if (configured > 0)
		fprintf(f, ", %+.2f %%", 100 * (measured - configured) / configured);
	fprintf(f, " (measured with atomics that cost nothing else)\n");
	fprintf(f, "  with the atomic  %.3f ns a hand-over, %.3f to %.3f (atomic: %s)\n",
		mean_ns(r->full.elapsed_ps, r->full.handovers), (double)r->full.min_ps / 1000,
		(double)r->full.max_ps / 1000,
		options_format_time(atomic, sizeof(atomic), run->options->atomic_ns));
}

static int write_exchange(const struct ping_run *run, const struct exchange_results *r)
{
	FILE *f = cmd_open_output(run->options);
	int ret = 0, closed;

	if (!f)
		return EXIT_FAILED;
	if (run->options->output_format == FORMAT_JSON)
		ret = write_json(f, run, r->bare.events + r->full.events, exchange_json(run, r));
	else
		exchange_text(f, run, r);
	closed = cmd_close_output(f, run->options);
	return ret && !closed ? run_failed(ret) : closed;
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) * 1e-9;
}

static int run_exchange(struct ping_run *run)
{
	struct sim_params bare = run->sim;
	struct exchange_results r;
	struct timespec start;
	int ret;

	bare.coh.atomic_ps = 0;
	clock_gettime(CLOCK_MONOTONIC, &start);
	ret = pingpong_run(&run->topology, run->pair, &bare, &run->params, &r.bare);
	if (!ret)
		ret = pingpong_run(&run->topology, run->pair, &run->sim, &run->params, &r.full);
	run->wall_s = seconds_since(&start);
	if (ret == -EINTR)
		return EXIT_SIGNAL + *run->ctx->interrupted;
	return ret ? run_failed(ret) : write_exchange(run, &r);
}

/* The writer, the second of the pair, and then those with the next numbers. */
static void choose_readers(const struct ping_run *run, uint32_t *cpus, uint32_t count)
{
	uint32_t next = run->pair[1], i;

	cpus[0] = run->pair[0];
	for (i = 1; i < count; i++) {
		if (next == run->pair[0])
			next = (next + 1) % run->topology.pu_count;
		cpus[i] = next;
		next = (next + 1) % run->topology.pu_count;
	}
}

/* Shortest and longest distance between any two of the CPUs. */
static void latency_range(const struct ping_run *run, const uint32_t *cpus, uint32_t count, uint64_t *low,
			  uint64_t *high)
{
	uint32_t i, k;

	*low = UINT64_MAX;
	*high = 0;
	for (i = 0; i < count; i++) {
		for (k = 0; k < i; k++) {
			uint64_t ps = latency_ps(run, cpus[i], cpus[k]);

			*low = ps < *low ? ps : *low;
			*high = ps > *high ? ps : *high;
		}
	}
}

static uint64_t expected_ps(const struct ping_run *run, uint64_t latency, uint32_t readers)
{
	const struct coh_params *p = &run->sim.coh;
	uint64_t start = 0;

	/* The first reader occupies the line as the reader of a dirty line does, those between it and the last
	 * less. */
	if (readers > 1)
		start = latency * p->dirty_read_occupancy_pct / 100 + (readers - 2) * p->read_occupancy_ps;
	return start + latency + p->l1_hit_ps;
}

static json_t *readers_json(const struct ping_run *run, const struct pingpong_readers_result *r,
			    const struct readers_expected *e)
{
	uint64_t readers = run->options->readers;

	return json_pack(
		"{s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:{s:f, s:f}}", "writer", (json_int_t)run->pair[0],
		"readers", (json_int_t)readers, "writes", (json_int_t)r->writes, "write_visible_ns",
		mean_ns(r->visible_total_ps, r->writes), "first_reader_ns", mean_ns(r->first_total_ps, r->writes),
		"mean_reader_ns", mean_ns(r->read_total_ps, r->writes * readers), "last_reader_ns",
		mean_ns(r->last_total_ps, r->writes), "last_reader_max_ns", (double)r->last_max_ps / 1000,
		"last_reader_expected_ns", "min", (double)e->low_ps / 1000, "max", (double)e->high_ps / 1000);
}

static void readers_text(FILE *f, const struct ping_run *run, const struct pingpong_readers_result *r,
			 const struct readers_expected *e)
{
	uint64_t readers = run->options->readers;

	fprintf(f, "CPU %u writes a line, %llu others read it: %llu writes\n", run->pair[0],
		(unsigned long long)readers, (unsigned long long)r->writes);
	fprintf(f, "  write visible  %.3f ns after the store\n", mean_ns(r->visible_total_ps, r->writes));
	fprintf(f, "  first reader   %.3f ns after that\n", mean_ns(r->first_total_ps, r->writes));
	fprintf(f, "  mean           %.3f ns\n", mean_ns(r->read_total_ps, r->writes * readers));
	fprintf(f, "  last reader    %.3f ns, %.3f at most\n", mean_ns(r->last_total_ps, r->writes),
		(double)r->last_max_ps / 1000);
	if (e->low_ps == e->high_ps)
		fprintf(f, "  expected       %.3f ns for the last reader\n", (double)e->low_ps / 1000);
	else
		fprintf(f, "  expected       %.3f to %.3f ns for the last reader, by the distances\n",
			(double)e->low_ps / 1000, (double)e->high_ps / 1000);
	fprintf(f, "The first reader pays for the dirty line and occupies it; each further one waits for those "
		   "before it\n"
		   "(dirty_read_occupancy_pct, then read_occupancy_ns each), and then for its own transfer.\n");
}

static int write_readers(const struct ping_run *run, const struct pingpong_readers_result *r,
			 const struct readers_expected *e)
{
	FILE *f = cmd_open_output(run->options);
	int ret = 0, closed;

	if (!f)
		return EXIT_FAILED;
	if (run->options->output_format == FORMAT_JSON)
		ret = write_json(f, run, r->events, readers_json(run, r, e));
	else
		readers_text(f, run, r, e);
	closed = cmd_close_output(f, run->options);
	return ret && !closed ? run_failed(ret) : closed;
}

static int run_readers(struct ping_run *run)
{
	uint32_t count = (uint32_t)run->options->readers + 1;
	struct pingpong_readers_result r;
	struct readers_expected e;
	struct timespec start;
	uint32_t *cpus = calloc(count, sizeof(*cpus));
	int ret;

	if (!cpus)
		return run_failed(-ENOMEM);
	choose_readers(run, cpus, count);
	clock_gettime(CLOCK_MONOTONIC, &start);
	ret = pingpong_readers_run(&run->topology, cpus, count, &run->sim, &run->params, &r);
	run->wall_s = seconds_since(&start);
	latency_range(run, cpus, count, &e.low_ps, &e.high_ps);
	e.low_ps = expected_ps(run, e.low_ps, count - 1);
	e.high_ps = expected_ps(run, e.high_ps, count - 1);
	free(cpus);
	if (ret == -EINTR)
		return EXIT_SIGNAL + *run->ctx->interrupted;
	return ret ? run_failed(ret) : write_readers(run, &r, &e);
}

/* ---- on this machine ---- */

static json_t *native_exchange_json(const struct ping_run *run, const struct pingpong_native_result *r)
{
	uint32_t a = run->pair[0], b = run->pair[1];

	return json_pack("{s:[I, I], s:s, s:f, s:{s:f, s:f}, s:I, s:I, s:I, s:f}", "pair", (json_int_t)a,
			 (json_int_t)b, "relation", relation_names[topology_distance(&run->topology, a, b)],
			 "handover_ns", (double)r->median_ps / 1000, "handover_spread_ns", "p10",
			 (double)r->p10_ps / 1000, "p90", (double)r->p90_ps / 1000, "handovers",
			 (json_int_t)r->count, "samples", (json_int_t)r->samples, "disturbed_samples",
			 (json_int_t)r->disturbed, "clock_skew_ns", (double)r->skew_ps / 1000);
}

static json_t *native_readers_json(const struct ping_run *run, const struct pingpong_native_result *r)
{
	return json_pack("{s:I, s:I, s:I, s:f, s:f, s:{s:f, s:f}, s:I, s:I}", "writer", (json_int_t)run->pair[0],
			 "readers", (json_int_t)run->options->readers, "writes", (json_int_t)r->count,
			 "first_reader_ns", (double)r->first_ps / 1000, "last_reader_ns",
			 (double)r->median_ps / 1000, "last_reader_spread_ns", "p10", (double)r->p10_ps / 1000,
			 "p90", (double)r->p90_ps / 1000, "samples", (json_int_t)r->samples, "disturbed_samples",
			 (json_int_t)r->disturbed);
}

static void native_text(FILE *f, const struct ping_run *run, const struct pingpong_native_result *r)
{
	const char *blind = report_blind_spots(&run->topology);
	uint32_t a = run->pair[0], b = run->pair[1];

	if (run->options->readers) {
		fprintf(f, "CPU %u writes a line, %llu others read it, on this machine: %llu writes\n", a,
			(unsigned long long)run->options->readers, (unsigned long long)r->count);
		fprintf(f, "  first reader  %.3f ns from before the store, median\n", (double)r->first_ps / 1000);
		fprintf(f, "  last reader   %.3f ns; p10 %.3f, p90 %.3f\n", (double)r->median_ps / 1000,
			(double)r->p10_ps / 1000, (double)r->p90_ps / 1000);
	} else {
		fprintf(f, "CPUs %u and %u, %s: compare-and-swap ping-pong on this machine, %llu hand-overs\n", a,
			b, relation_names[topology_distance(&run->topology, a, b)], (unsigned long long)r->count);
		fprintf(f, "  hand-over     %.3f ns one way, median; p10 %.3f, p90 %.3f\n",
			(double)r->median_ps / 1000, (double)r->p10_ps / 1000, (double)r->p90_ps / 1000);
		fprintf(f, "  clocks        CPU %u's is %.3f ns ahead, by what the ways differ included\n", b,
			(double)r->skew_ps / 1000);
	}
	fprintf(f, "  disturbed     %u of %u samples%s\n", r->disturbed, r->samples,
		r->disturbed && r->disturbed < r->samples ? ", left out" : "");
	if (blind)
		fprintf(f, "%s\n", blind);
}

static int write_native(const struct ping_run *run, const struct pingpong_native_result *r)
{
	FILE *f = cmd_open_output(run->options);
	int ret = 0, closed;

	if (!f)
		return EXIT_FAILED;
	if (run->options->output_format == FORMAT_JSON)
		ret = write_json(f, run, 0,
				 run->options->readers ? native_readers_json(run, r)
						       : native_exchange_json(run, r));
	else
		native_text(f, run, r);
	closed = cmd_close_output(f, run->options);
	if (r->disturbed * 2 > r->samples)
		fprintf(stderr,
			"simbench: warning: %u of %u samples were disturbed by an SMT sibling, which a guest may "
			"not "
			"know of, or by another process: try again when the machine is quiet\n",
			r->disturbed, r->samples);
	return ret && !closed ? run_failed(ret) : closed;
}

static int run_native(struct ping_run *run)
{
	uint32_t count = (uint32_t)run->options->readers + 1;
	struct pingpong_native_result r;
	struct timespec start;
	uint32_t *cpus = calloc(count, sizeof(*cpus));
	int ret;

	if (!cpus)
		return run_failed(-ENOMEM);
	choose_readers(run, cpus, count);
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (run->options->readers)
		ret = pingpong_native_readers_run(&run->topology, cpus, count, &run->params, &r);
	else
		ret = pingpong_native_run(&run->topology, run->pair, &run->params, &r);
	run->wall_s = seconds_since(&start);
	free(cpus);
	if (ret == -EINTR)
		return EXIT_SIGNAL + *run->ctx->interrupted;
	return ret ? run_failed(ret) : write_native(run, &r);
}

int cmd_pingpong(const struct cmd_context *ctx, int argc, char **args)
{
	char err[TOPOLOGY_ERR_SIZE];
	struct options o;
	struct ping_run run = { .ctx = ctx, .options = &o };
	int code, ret;

	code = cmd_parse(&o, S_PING, argc, args, "Usage: simbench pingpong [OPTION...]");
	if (code >= 0)
		goto out;
	run.params = (struct pingpong_params){ .iterations = o.iterations, .interrupted = ctx->interrupted };
	run.sim = scenario_sim_params(&o, o.seed);
	ret = topology_load(&run.topology, o.machine, err, sizeof(err));
	if (ret == -ENOMEM)
		code = cmd_fail(EXIT_FAILED, "out of memory");
	else if (ret)
		code = cmd_fail(EXIT_USAGE, "%s", err);
	else
		code = check_cpus(&run);
	if (code < 0 && o.engine == ENGINE_NATIVE)
		code = run_native(&run);
	else if (code < 0)
		code = o.readers ? run_readers(&run) : run_exchange(&run);
	topology_destroy(&run.topology);
out:
	options_free(&o);
	return code;
}
