/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_validate.c - claims against simulations: confirmed, refuted or undecided, and how sure that is
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/builtin_ini.h"
#include "bench/claims.h"
#include "bench/options_table.h"
#include "bench/progress.h"
#include "bench/report.h"
#include "bench/results_json.h"
#include "bench/runner.h"
#include "bench/uncertain.h"
#include "sim/stats.h"

#define USAGE "Usage: simbench validate [FILE.ini] [OPTION...]"

/* Of several dozen parameters that have nothing to do with a value, one in twenty runs shows one beyond this. */
static double chance_rho(uint32_t draws)
{
	return 3.1 / sqrt(draws - 1.0);
}

struct verdict {
	struct claim_value value;
	enum claim_verdict verdict;
	uint64_t repetitions; /* that would decide */
};

struct validation {
	const struct cmd_context *ctx;
	const struct options *options;
	struct claims claims;
	struct sweep_dir dir; /* --from */
	struct verdict *verdicts;
	struct uncertain uncertain;
	struct runner runner; /* for the wall time in the context */
	pthread_mutex_t lock; /* of the three below */
	int code;
	uint64_t done;
	struct progress progress;
};

/* ---- simulating ---- */

static void simulate_one(void *arg, uint64_t i)
{
	struct validation *v = arg;
	struct claim_scenario *s = &v->claims.scenarios[i];
	int code;

	pthread_mutex_lock(&v->lock);
	code = v->code;
	pthread_mutex_unlock(&v->lock);
	if (!code)
		code = *v->ctx->interrupted ? EXIT_SIGNAL + *v->ctx->interrupted
					    : claims_simulate(v->ctx, s, &s->result);
	pthread_mutex_lock(&v->lock);
	if (!v->code)
		v->code = code;
	if (!code)
		progress_update(&v->progress, ++v->done, v->claims.scenario_count);
	pthread_mutex_unlock(&v->lock);
}

/* On real CPUs one at a time: they would disturb each other. */
static bool any_native(const struct claims *c)
{
	uint32_t i;

	for (i = 0; i < c->scenario_count; i++)
		if (c->scenarios[i].options.engine == ENGINE_NATIVE)
			return true;
	return false;
}

static int simulate(struct validation *v)
{
	uint32_t threads = any_native(&v->claims) ? 1 : (uint32_t)v->options->threads;
	int ret;

	pthread_mutex_init(&v->lock, NULL);
	progress_init(&v->progress, v->options, "scenarios");
	ret = parallel_for(threads, v->claims.scenario_count, simulate_one, v);
	progress_clear(&v->progress);
	pthread_mutex_destroy(&v->lock);
	return ret ? cmd_fail(EXIT_FAILED, "out of memory") : v->code;
}

/* What a sweep cannot have, whether devices can be attached, is simulated all the same. */
static int look_up(struct validation *v)
{
	struct options_error err = { "" };
	uint32_t i;
	int ret = sweep_dir_open(&v->dir, v->options->from, &err);

	if (ret)
		return cmd_refuse(ret, &err);
	for (i = 0; i < v->claims.count; i++) {
		const struct claim *claim = &v->claims.claims[i];
		uint32_t which[] = { claim->scenario, claim->against }, k;

		for (k = 0; k < (claim->relation == CLAIM_ALONE ? 1U : 2U); k++) {
			struct claim_scenario *s = &v->claims.scenarios[which[k]];

			if (s->result)
				continue;
			if (s->attach && claims_simulate(v->ctx, s, &s->result))
				return EXIT_FAILED;
			ret = s->attach ? 0 : claims_from_sweep(s, &v->dir, &s->result, &err);
			if (ret == -ENOMEM)
				return cmd_fail(EXIT_FAILED, "out of memory");
			if (ret)
				return cmd_fail(EXIT_USAGE, "--from %s: claim %s: %s", v->options->from,
						claim->name, err.msg);
		}
	}
	return EXIT_OK;
}

static int judge(struct validation *v)
{
	uint32_t i;

	v->verdicts = calloc(v->claims.count, sizeof(*v->verdicts));
	if (!v->verdicts)
		return cmd_fail(EXIT_FAILED, "out of memory");
	for (i = 0; i < v->claims.count; i++) {
		const struct claim *claim = &v->claims.claims[i];
		const json_t *against =
			claim->relation == CLAIM_ALONE ? NULL : v->claims.scenarios[claim->against].result;
		struct verdict *verdict = &v->verdicts[i];
		struct options_error err;

		if (claim_evaluate(claim, v->claims.scenarios[claim->scenario].result, against, &verdict->value,
				   &err))
			return cmd_fail(EXIT_USAGE, "%s", err.msg);
		verdict->verdict = claim_judge(claim, &verdict->value, &verdict->repetitions);
	}
	return EXIT_OK;
}

/* ---- the text report ---- */

static const char *claimed_text(const struct claim *claim, char *buf, size_t size)
{
	double middle = (claim->low + claim->high) / 2;

	if (claim->attach || isinf(claim->low) || isinf(claim->high))
		snprintf(buf, size, "%s", claim->claimed);
	else if (claim->low < claim->high)
		snprintf(buf, size, "%s +-%.4g", claim->claimed, claim->high - middle);
	else
		snprintf(buf, size, "%s", claim->claimed);
	return buf;
}

/* A count has no spread, and neither has one repetition. */
static bool has_interval(const struct claim_value *v)
{
	return !v->exact && v->count > 1;
}

static const char *value_text(const struct claim *claim, const struct claim_value *v, char *buf, size_t size)
{
	/* Two digits of the interval, and the value as far as those go. */
	double places = v->ci95 > 0 ? 1 - floor(log10(v->ci95)) : 9;

	if (claim->attach)
		snprintf(buf, size, "%s", v->value > 0 ? "accepted" : "refused");
	else if (!has_interval(v))
		snprintf(buf, size, "%.5g", v->value);
	else if (places > 6)
		snprintf(buf, size, "%.7g +-%.2g", v->value, v->ci95);
	else
		snprintf(buf, size, "%.*f +-%.*f", places > 0 ? (int)places : 0, v->value,
			 places > 0 ? (int)places : 0, v->ci95);
	return buf;
}

static const char *measured_text(const struct claim *claim, char *buf, size_t size)
{
	if (claim->attach)
		return "attaching the devices";
	return measure_related_label(claim->measure, claim_relation_name(claim->relation), buf, size);
}

static const char *verdict_color(enum claim_verdict verdict)
{
	switch (verdict) {
	case CLAIM_CONFIRMED:
		return "\033[32m";
	case CLAIM_REFUTED:
		return "\033[31m";
	case CLAIM_UNDECIDED:
		break;
	}
	return "\033[33m";
}

/* "what it says (where)", broken before column 100. */
static void print_says(FILE *f, const struct claim *claim)
{
	char *text, *word, *rest = NULL;
	size_t column = 2;

	if (asprintf(&text, "%s%s%s%s", claim->says, *claim->source ? " (" : "", claim->source,
		     *claim->source ? ")" : "") < 0)
		return;
	fputs("  ", f);
	for (word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		if (column > 2 && column + 1 + strlen(word) > 98) {
			fputs("\n  ", f);
			column = 2;
		}
		column += (size_t)fprintf(f, "%s%s", column > 2 ? " " : "", word);
	}
	fputc('\n', f);
	free(text);
}

static int name_width(const struct claims *c)
{
	int width = 5;
	uint32_t i;

	for (i = 0; i < c->count; i++)
		if ((int)strlen(c->claims[i].name) > width)
			width = (int)strlen(c->claims[i].name);
	return width;
}

static void print_verdict(FILE *f, const struct validation *v, uint32_t i, bool color)
{
	const struct claim *claim = &v->claims.claims[i];
	const struct verdict *verdict = &v->verdicts[i];
	char claimed[64], value[64], measured[160];

	fprintf(f, "%s%-*s%s  %-16s %-20s %s%s%s", color ? "\033[1m" : "", name_width(&v->claims), claim->name,
		color ? "\033[0m" : "", claimed_text(claim, claimed, sizeof(claimed)),
		value_text(claim, &verdict->value, value, sizeof(value)),
		color ? verdict_color(verdict->verdict) : "", claim_verdict_name(verdict->verdict),
		color ? "\033[0m" : "");
	if (verdict->verdict == CLAIM_UNDECIDED && !has_interval(&verdict->value))
		fprintf(f, ": one repetition has no interval, it takes at least 2");
	else if (verdict->verdict == CLAIM_UNDECIDED && verdict->repetitions < UINT64_MAX)
		fprintf(f, ": about %llu repetitions would decide, here are %llu",
			(unsigned long long)verdict->repetitions, (unsigned long long)verdict->value.count);
	else if (verdict->verdict == CLAIM_UNDECIDED)
		fprintf(f, ": the value is on the limit");
	fprintf(f, "\n");
	print_says(f, claim);
	fprintf(f, "  measured: %s\n", measured_text(claim, measured, sizeof(measured)));
}

static uint32_t count_verdicts(const struct validation *v, enum claim_verdict verdict)
{
	uint32_t count = 0, i;

	for (i = 0; i < v->claims.count; i++)
		count += v->verdicts[i].verdict == verdict;
	return count;
}

static void print_verdicts(FILE *f, const struct validation *v, bool color)
{
	uint32_t i;

	fprintf(f, "%-*s  %-16s %-20s verdict\n", name_width(&v->claims), "claim", "claimed", "simulated");
	for (i = 0; i < v->claims.count; i++)
		print_verdict(f, v, i, color);
	fprintf(f,
		"\n%u confirmed, %u refuted, %u undecided\n"
		"+- of the simulated is its 95 %% confidence interval; a count has none\n",
		count_verdicts(v, CLAIM_CONFIRMED), count_verdicts(v, CLAIM_REFUTED),
		count_verdicts(v, CLAIM_UNDECIDED));
}

static void print_share(FILE *f, const struct validation *v, uint32_t i, bool color)
{
	const struct claim *claim = &v->claims.claims[i];
	const struct uncertain *u = &v->uncertain;
	const struct uncertain_claim *c = &u->claims[i];
	char claimed[64], share[64], measured[160];
	double low, high;

	stats_proportion(c->holds, u->draws, &low, &high);
	snprintf(share, sizeof(share), "%.1f %% (%.0f-%.0f)", 100.0 * (double)c->holds / u->draws, 100 * low,
		 100 * high);
	fprintf(f, "%s%-*s%s  %-16s %-16s  ", color ? "\033[1m" : "", name_width(&v->claims), claim->name,
		color ? "\033[0m" : "", claimed_text(claim, claimed, sizeof(claimed)), share);
	if (!c->holds || c->holds == u->draws)
		fprintf(f, "nothing: the same in every draw\n");
	else if (!u->parameter_count || fabs(c->effects[c->decisive].rho) < chance_rho(u->draws))
		fprintf(f, "no single one of them\n");
	else
		fprintf(f, "%s (rank correlation %+.2f)\n", option_row(u->parameter[c->decisive])->name,
			c->effects[c->decisive].rho);
	print_says(f, claim);
	fprintf(f, "  measured: %s; %.5g in the mean of the draws\n",
		measured_text(claim, measured, sizeof(measured)), c->mean);
}

static void print_uncertain(FILE *f, const struct validation *v, bool color)
{
	const struct uncertain *u = &v->uncertain;
	uint32_t i;

	fprintf(f, "%-*s  %-16s %-16s  decided by\n", name_width(&v->claims), "claim", "claimed", "holds in");
	for (i = 0; i < v->claims.count; i++)
		print_share(f, v, i, color);
	fprintf(f,
		"\n%u draws of %u parameters that are assumed or fitted, each from its plausible range (Latin "
		"hypercube)\n"
		"in brackets the 95 %% confidence interval of the share\n"
		"decided by: the parameter whose rank correlates most with the measured value\n"
		"their ranges: simbench run --help; --output-format json has every draw, and simbench plot draws "
		"it\n",
		u->draws, u->parameter_count);
}

/* ---- the JSON report ---- */

static json_t *bound_json(double v)
{
	return isinf(v) ? json_null() : json_real(v);
}

static json_t *claim_json(const struct claim *claim)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s*, s:{s:s, s:o, s:o}}", "name", claim->name, "says", claim->says,
			 "source", claim->source, "measure", claim->measure, "as",
			 claim_relation_name(claim->relation), "claimed", "text", claim->claimed, "low",
			 bound_json(claim->low), "high", bound_json(claim->high));
}

static json_t *verdict_json(const struct verdict *v)
{
	bool more = v->verdict == CLAIM_UNDECIDED && v->repetitions < UINT64_MAX;

	return json_pack("{s:{s:f, s:o, s:I}, s:s, s:o}", "simulated", "value", v->value.value, "ci95",
			 has_interval(&v->value) ? json_real(v->value.ci95) : json_null(), "repetitions",
			 (json_int_t)v->value.count, "verdict", claim_verdict_name(v->verdict),
			 "repetitions_to_decide", more ? json_integer((json_int_t)v->repetitions) : json_null());
}

static json_t *effect_json(const struct uncertain *u, uint32_t p, const struct uncertain_effect *e)
{
	unsigned int id = u->parameter[p];

	return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f}", "parameter", option_row(id)->name, "from",
			 option_plausible(id)->lo, "to", option_plausible(id)->hi, "rank_correlation", e->rho,
			 "mean_at_low", e->low, "mean_at_high", e->high);
}

static json_t *share_json(const struct uncertain *u, const struct uncertain_claim *c)
{
	json_t *effects = json_array(), *values = json_array();
	double low, high;
	uint32_t i;

	for (i = 0; i < u->parameter_count; i++)
		json_array_append_new(effects, effect_json(u, i, &c->effects[i]));
	for (i = 0; i < u->draws; i++)
		json_array_append_new(values, json_real(c->value[i]));
	stats_proportion(c->holds, u->draws, &low, &high);
	return json_pack("{s:I, s:I, s:f, s:[f, f], s:f, s:o, s:o}", "draws", (json_int_t)u->draws, "holds",
			 (json_int_t)c->holds, "share", (double)c->holds / u->draws, "share_ci95", low, high,
			 "mean", c->mean, "effects", effects, "values", values);
}

static json_t *drawn_json(const struct uncertain *u)
{
	json_t *object = json_object();
	uint32_t p, i;

	for (p = 0; p < u->parameter_count; p++) {
		json_t *values = json_array();

		for (i = 0; i < u->draws; i++)
			json_array_append_new(values, json_integer((json_int_t)u->drawn[(size_t)p * u->draws + i]));
		json_object_set_new(object, option_row(u->parameter[p])->name, values);
	}
	return object;
}

static json_t *results_of(const struct validation *v)
{
	json_t *results = json_array();
	uint32_t i;

	for (i = 0; results && i < v->claims.count; i++) {
		json_t *object = claim_json(&v->claims.claims[i]);
		json_t *more = v->verdicts ? verdict_json(&v->verdicts[i])
					   : share_json(&v->uncertain, &v->uncertain.claims[i]);

		if (!object || !more || json_object_update(object, more) || json_array_append(results, object)) {
			json_decref(results);
			results = NULL;
		}
		json_decref(object);
		json_decref(more);
	}
	/* In the units that options have: picoseconds, percent, counts. */
	if (results && !v->verdicts && json_array_size(results))
		json_object_set_new(json_array_get(results, 0), "drawn", drawn_json(&v->uncertain));
	return results;
}

static int write_report(const struct validation *v)
{
	const struct options *o = v->options;
	FILE *f = cmd_open_output(o);
	int ret = 0, closed;

	if (!f)
		return EXIT_FAILED;
	if (o->output_format == FORMAT_JSON)
		ret = results_json(f, v->ctx, &v->runner, 0, o, results_of(v));
	else if (v->verdicts)
		print_verdicts(f, v, cmd_use_color(o, f));
	else
		print_uncertain(f, v, cmd_use_color(o, f));
	closed = cmd_close_output(f, o);
	return ret && !closed ? cmd_fail(EXIT_FAILED, "cannot write the report: %s", strerror(-ret)) : closed;
}

/* ---- the command ---- */

static int validate(struct validation *v)
{
	struct timespec start, end;
	int code;

	clock_gettime(CLOCK_MONOTONIC, &start);
	if (v->options->uncertain)
		code = uncertain_run(v->ctx, v->options, &v->claims, &v->uncertain);
	else if (*v->options->from)
		code = look_up(v);
	else
		code = simulate(v);
	clock_gettime(CLOCK_MONOTONIC, &end);
	v->runner.wall_s = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
	if (!code && !v->options->uncertain)
		code = judge(v);
	if (!code)
		code = write_report(v);
	if (code || v->options->uncertain)
		return code;
	/* A check that passes what it could not decide would be none. */
	return count_verdicts(v, CLAIM_CONFIRMED) == v->claims.count ? EXIT_OK : EXIT_REFUTED;
}

/* The parameters that are drawn are the model's: to real CPUs they mean nothing. */
static int check_uncertain(const struct validation *v)
{
	if (v->options->uncertain && any_native(&v->claims))
		return cmd_fail(EXIT_USAGE,
				"--uncertain: draws parameters of the model, which engine = native has not");
	return -1;
}

static int check_together(const struct options *o)
{
	if (o->args.count > 1)
		return cmd_fail(EXIT_USAGE, "one FILE.ini at a time");
	if (o->uncertain && *o->from)
		return cmd_fail(EXIT_USAGE, "--from %s: the draws of --uncertain are of no sweep", o->from);
	if (!o->uncertain && options_given(o, OPTION_draws))
		return cmd_fail(EXIT_USAGE, "--draws: does nothing without --uncertain");
	return -1;
}

static int take_pair(void *arg, const struct options_ini_pair *pair, struct options_error *err)
{
	struct validation *v = arg;

	return claims_take_pair(&v->claims, pair, err);
}

int cmd_validate(const struct cmd_context *ctx, int argc, char **args)
{
	struct validation v = { .ctx = ctx, .dir.fd = -1 };
	struct options_error err = { "" };
	struct options o;
	struct options_input in = {
		.scope = S_VALID | S_POINT,
		.argc = argc,
		.argv = args,
		.positional = true,
		.config_args = options_every_arg,
		.default_ini = builtin_claims_ini,
		.default_name = "lp2115738.ini",
		.take_pair = take_pair,
		.take_arg = &v,
	};
	int code = cmd_parse_input(&o, &in, USAGE), ret = 0;

	v.options = &o;
	if (code < 0)
		code = check_together(&o);
	if (code < 0)
		ret = claims_finish(&v.claims, &o, &err);
	if (ret)
		code = cmd_refuse(ret, &err);
	if (code < 0)
		code = check_uncertain(&v);
	if (code < 0 && o.show_config)
		code = cmd_show_config(&o);
	if (code < 0)
		code = validate(&v);
	claims_destroy(&v.claims);
	uncertain_destroy(&v.uncertain);
	sweep_dir_close(&v.dir);
	free(v.verdicts);
	options_free(&o);
	return code;
}
