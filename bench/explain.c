/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/explain.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "bench/progress.h"
#include "bench/report.h"
#include "bench/results_json.h"
#include "bench/runner.h"

enum variant_kind {
	VARIANT_FULL,
	VARIANT_LOCK_WORD,
	VARIANT_MCS_NODES,
	VARIANT_FALSE_SHARING,
	VARIANT_HOLD,
	VARIANT_DISTANCE,
	VARIANT_PT,
	VARIANT_COUNT
};

static const struct {
	const char *name; /* in JSON */
	const char *what;
} variant_text[VARIANT_COUNT] = {
	[VARIANT_FULL] = { "full", "full model" },
	[VARIANT_LOCK_WORD] = { "lock_word", "without transfers of lock words" },
	[VARIANT_MCS_NODES] = { "mcs_nodes", "without transfers of MCS nodes" },
	[VARIANT_FALSE_SHARING] = { "false_sharing", "without false sharing with the lock" },
	[VARIANT_HOLD] = { "hold", "without work in the critical section" },
	[VARIANT_DISTANCE] = { "package_distance", "without distance between packages" },
	[VARIANT_PT] = { "pt", "no translation (policy pt)" },
};

struct explanation {
	enum variant_kind kind[VARIANT_COUNT];
	struct scenario scenario[VARIANT_COUNT];
	struct run run[VARIANT_COUNT];
	uint32_t scenarios, runs; /* initialised */
	double ceiling_mib_s;
};

static bool applies(const struct options *o, enum variant_kind kind)
{
	switch (kind) {
	case VARIANT_MCS_NODES:
		return o->lock == LOCK_QSPINLOCK || o->lock == LOCK_MCS;
	case VARIANT_FALSE_SHARING:
		return o->layout == LAYOUT_KERNEL;
	case VARIANT_DISTANCE:
		return o->remote_ns != o->local_ns;
	default:
		return true;
	}
}

/* The options that make the variant, as far as options do. */
static void change_options(struct options *o, enum variant_kind kind)
{
	switch (kind) {
	case VARIANT_FALSE_SHARING:
		o->layout = LAYOUT_PADDED;
		break;
	case VARIANT_DISTANCE:
		o->remote_ns = o->local_ns;
		break;
	case VARIANT_PT:
		o->policy = POLICY_PT;
		break;
	default:
		break;
	}
}

static int init_variant(struct explanation *e, const struct options *base, enum variant_kind kind,
			struct options_error *err)
{
	struct sim_without without = {
		.lock_word = kind == VARIANT_LOCK_WORD,
		.mcs_nodes = kind == VARIANT_MCS_NODES,
		.hold = kind == VARIANT_HOLD,
	};
	uint32_t i = e->scenarios;
	struct options o;
	int ret;

	e->kind[i] = kind;
	ret = options_copy(&o, base);
	if (!ret) {
		change_options(&o, kind);
		e->scenarios++;
		ret = scenario_init(&e->scenario[i], &o, err);
	}
	options_free(&o);
	if (!ret)
		ret = run_init(&e->run[i], &e->scenario[i], &without);
	if (!ret)
		e->runs++;
	return ret;
}

static void explanation_destroy(struct explanation *e)
{
	uint32_t i;

	for (i = 0; i < e->runs; i++)
		run_destroy(&e->run[i]);
	for (i = 0; i < e->scenarios; i++)
		scenario_destroy(&e->scenario[i]);
}

static double min_double(double a, double b)
{
	return a < b ? a : b;
}

/* What the devices and their bridges could do. */
static double ceiling_mib_s(const struct scenario *s)
{
	const struct host_params *p = &s->params;
	double device = min_double((double)p->nvme.iops / 256, (double)p->nvme.mib_s);

	if (p->shared_bridge)
		return min_double(device * p->devices, (double)p->bridge_mib_s);
	return min_double(device, (double)p->bridge_mib_s) * p->devices;
}

static const struct run *find_run(const struct explanation *e, enum variant_kind kind)
{
	uint32_t i;

	for (i = 0; i < e->runs; i++)
		if (e->kind[i] == kind)
			return &e->run[i];
	return NULL;
}

/* What a variant gains over the full model. */
struct gain {
	bool known; /* both have run */
	double mib_s;
	bool has_share; /* there is a gap to close */
	double share;	/* of the gap to pt */
};

static struct gain gain_of(const struct explanation *e, const struct run *run)
{
	const struct run *full = find_run(e, VARIANT_FULL), *pt = find_run(e, VARIANT_PT);
	struct gain g = { 0 };
	double gap;

	if (run == full || !run->complete || !full->complete)
		return g;
	g.known = true;
	g.mib_s = run->throughput_mib_s.mean - full->throughput_mib_s.mean;
	if (run == pt || !pt->complete)
		return g;
	gap = pt->throughput_mib_s.mean - full->throughput_mib_s.mean;
	/* A gap within the confidence intervals is none. */
	g.has_share = gap > pt->throughput_mib_s.ci95 + full->throughput_mib_s.ci95;
	if (g.has_share)
		g.share = g.mib_s / gap;
	return g;
}

static void print_row(FILE *f, const struct explanation *e, uint32_t i)
{
	const struct run *run = &e->run[i];
	struct gain g = gain_of(e, run);
	char value[48] = "interrupted", delta[32] = "", share[32] = "";

	if (run->complete)
		snprintf(value, sizeof(value), "%.0f +-%.0f%s", run->throughput_mib_s.mean,
			 run->throughput_mib_s.ci95, run->complete < run->rep_count ? "*" : "");
	if (g.known)
		snprintf(delta, sizeof(delta), "%+.0f", g.mib_s);
	if (g.has_share)
		snprintf(share, sizeof(share), "%.0f %%", 100 * g.share);
	fprintf(f, "  %-38s %14s %10s %10s\n", variant_text[e->kind[i]].what, value, delta, share);
}

static bool is_interrupted(const struct explanation *e)
{
	uint32_t i;

	for (i = 0; i < e->runs; i++)
		if (e->run[i].complete < e->run[i].rep_count)
			return true;
	return false;
}

static void print_text(FILE *f, const struct explanation *e, bool color)
{
	const struct run *full = find_run(e, VARIANT_FULL);
	uint32_t i;

	fprintf(f, "%s%-40s %14s %10s %10s%s\n", color ? "\033[1m" : "", "one cost taken away at a time", "MiB/s",
		"gain", "of the gap", color ? "\033[0m" : "");
	for (i = 0; i < e->runs; i++)
		print_row(f, e, i);
	fprintf(f, "  %-38s %14.0f", "ceiling of the devices", e->ceiling_mib_s);
	if (full->complete)
		fprintf(f, " %+10.0f", e->ceiling_mib_s - full->throughput_mib_s.mean);
	fprintf(f,
		"\n\n"
		"+- is the 95 %% confidence interval over %u repetitions; the gap is from the full model to pt.\n"
		"The shares need not add up: costs overlap, and without one the next bottleneck shows.\n"
		"A gain below zero is a cost that kept a CPU from something worse, such as reading the line\n"
		"of a lock that is still held.\n",
		full->rep_count);
	if (is_interrupted(e))
		fprintf(f, "* interrupted: not all repetitions are complete\n");
}

static json_t *gain_json(const struct gain *g)
{
	json_t *gain = g->known ? json_real(g->mib_s) : json_null();
	json_t *share = g->has_share ? json_real(g->share) : json_null();

	return json_pack("{s:o, s:o}", "gain_mib_s", gain, "share_of_gap", share);
}

static json_t *row_json(const struct explanation *e, uint32_t i)
{
	const struct run *run = &e->run[i];
	enum variant_kind kind = e->kind[i];
	bool cost = kind != VARIANT_FULL && kind != VARIANT_PT;
	struct gain g = gain_of(e, run);
	json_t *gain = gain_json(&g);
	json_t *row =
		json_pack("{s:s, s:o, s:s, s:o, s:I, s:b}", "name", variant_text[kind].name, "without",
			  cost ? json_string(variant_text[kind].name) : json_null(), "policy",
			  policy_name(run->scenario->options.policy), "throughput_mib_s",
			  run->complete ? results_json_estimate(&run->throughput_mib_s) : json_null(),
			  "repetitions", (json_int_t)run->complete, "interrupted", run->complete < run->rep_count);

	if (!gain || !row || json_object_update(row, gain)) {
		json_decref(row);
		row = NULL;
	}
	json_decref(gain);
	return row;
}

/* The ceiling is the last row: what it has is not measured. */
static json_t *explain_results(const struct explanation *e)
{
	json_t *array = json_array();
	int bad = !array;
	uint32_t i;

	for (i = 0; i < e->runs && !bad; i++)
		bad |= json_array_append_new(array, row_json(e, i));
	if (!bad)
		bad |= json_array_append_new(array, json_pack("{s:s, s:n, s:{s:f}}", "name", "ceiling", "without",
							      "throughput_mib_s", "mean", e->ceiling_mib_s));
	if (bad) {
		json_decref(array);
		array = NULL;
	}
	return array;
}

static int write_report(const struct cmd_context *ctx, const struct explanation *e, const struct runner *runner)
{
	const struct options *o = &e->scenario[0].options;
	FILE *f = cmd_open_output(o);
	uint64_t events = 0;
	int ret = 0, closed;
	uint32_t i;

	if (!f)
		return EXIT_FAILED;
	for (i = 0; i < e->runs; i++)
		events += e->run[i].total.events;
	if (o->output_format == FORMAT_JSON)
		ret = results_json(f, ctx, runner, events, o, explain_results(e));
	else
		print_text(f, e, cmd_use_color(o, f));
	closed = cmd_close_output(f, o);
	return ret && !closed ? cmd_fail(EXIT_FAILED, "cannot write the report: %s", strerror(-ret)) : closed;
}

/* The first variant that failed, as a message and an exit code; EXIT_OK when none did. */
static int check_runs(const struct explanation *e)
{
	uint32_t i, k;

	for (i = 0; i < e->runs; i++) {
		const struct run *run = &e->run[i];
		const char *what = variant_text[e->kind[i]].what;

		for (k = 0; run->ret && k < run->rep_count; k++) {
			const struct run_rep *rep = &run->reps[k];
			unsigned long long seed = rep->seed;

			if (rep->ret != run->ret)
				continue;
			if (rep->ret == -EINVAL)
				return cmd_fail(EXIT_USAGE, "%s: %s", what, rep->err);
			if (rep->ret == -EDEADLK)
				return cmd_fail(EXIT_STUCK,
						"%s, seed %llu: the simulation came to a stop: every CPU "
						"sleeps and no event is pending",
						what, seed);
			return cmd_fail(EXIT_FAILED, "%s, seed %llu: %s", what, seed,
					rep->err[0] ? rep->err : strerror(-rep->ret));
		}
	}
	return EXIT_OK;
}

static int run_explanation(const struct cmd_context *ctx, struct explanation *e)
{
	const struct options *o = &e->scenario[0].options;
	struct runner runner = { .threads = (uint32_t)o->threads, .interrupted = ctx->interrupted };
	struct progress progress;
	int code;

	progress_init(&progress, o, "repetitions");
	runner.progress = progress_update;
	runner.progress_arg = &progress;
	if (runner_run(&runner, e->run, e->runs))
		code = cmd_fail(EXIT_FAILED, "out of memory");
	else
		code = check_runs(e);
	progress_clear(&progress);
	if (!code)
		code = write_report(ctx, e, &runner);
	return !code && *ctx->interrupted ? EXIT_SIGNAL + *ctx->interrupted : code;
}

int explain(const struct cmd_context *ctx, struct scenario *s)
{
	struct explanation e = { .ceiling_mib_s = ceiling_mib_s(s) };
	struct options_error err = { "" };
	enum variant_kind kind;
	int code, ret = 0;

	if (s->options.policy == POLICY_PT)
		return cmd_fail(EXIT_USAGE,
				"--explain: policy pt does not translate: it is what the others are compared "
				"with");
	for (kind = 0; kind < VARIANT_COUNT && !ret; kind++)
		if (applies(&s->options, kind))
			ret = init_variant(&e, &s->options, kind, &err);
	if (ret == -ENOMEM)
		code = cmd_fail(EXIT_FAILED, "out of memory");
	else if (ret)
		code = cmd_fail(EXIT_USAGE, "%s", err.msg);
	else
		code = run_explanation(ctx, &e);
	explanation_destroy(&e);
	return code;
}
