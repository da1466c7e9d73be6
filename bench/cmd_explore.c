/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_explore.c - scenarios under every policy and schedule: the table of what came out, and schedules to look at
 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/builtin_ini.h"
#include "bench/cmd.h"
#include "bench/exploration.h"
#include "bench/options_table.h"
#include "bench/progress.h"
#include "bench/results_json.h"
#include "bench/runner.h"

#define USAGE "Usage: simbench explore [SCENARIO|FILE.ini]... [OPTION...]"

struct row {
	const struct scenario_config *scenario;
	const struct expectation *expect;
	struct exploration e;
	int ret;
};

struct matrix {
	const struct cmd_context *ctx;
	const struct options *options;
	struct scenario_set set;
	struct row *rows;
	uint32_t count;
	struct runner runner;
	pthread_mutex_t lock; /* of the two below */
	uint64_t done;
	struct progress progress;
};

static struct exploration_params params_of(const struct matrix *m, const struct row *r)
{
	const struct options *o = m->options;

	return (struct exploration_params){
		.scenario = r->scenario,
		.policy = r->expect->policy,
		.strategy = o->strategy,
		.memory = o->memory,
		.seed = o->seed,
		.schedules = o->schedules,
		.depth = (uint32_t)o->depth,
		.preemptions = (uint32_t)o->preemptions,
		.interrupted = m->ctx->interrupted,
	};
}

static void explore_row(void *arg, uint64_t i)
{
	struct matrix *m = arg;
	struct exploration_params p = params_of(m, &m->rows[i]);

	m->rows[i].ret = exploration_run(&p, &m->rows[i].e);
	pthread_mutex_lock(&m->lock);
	progress_update(&m->progress, ++m->done, m->count);
	pthread_mutex_unlock(&m->lock);
}

static bool as_expected(const struct row *r)
{
	return exploration_verdict(&r->e) == r->expect->verdict;
}

static const char *verdict_text(const struct exploration *e)
{
	int verdict = exploration_verdict(e);

	return verdict < 0 ? "too long" : expectation_name(verdict);
}

/* ---- reports ---- */

static const char *coverage(const struct exploration *e)
{
	if (e->segments)
		return "found";
	if (e->interrupted)
		return "interrupted";
	return e->complete ? "complete" : "bounded";
}

static const char *agent_text(const struct row *r, const struct exploration_event *e, char *buf, size_t size)
{
	if (e->agent >= r->scenario->race.programs)
		return "hardware";
	snprintf(buf, size, "CPU %u", e->agent);
	return buf;
}

static void print_history(FILE *f, const struct row *r)
{
	char agent[16];
	uint32_t i;

	if (r->e.history_count)
		fprintf(f, "    history of IOVA 0x%llx:\n", (unsigned long long)r->e.verdict.iova);
	for (i = 0; i < r->e.history_count; i++)
		fprintf(f, "      step %4u  %-8s  %s\n", r->e.history[i].step,
			agent_text(r, &r->e.history[i], agent, sizeof(agent)), r->e.history[i].text);
}

static json_t *history_json(const struct row *r)
{
	json_t *events, *event;
	char agent[16], iova[24];
	uint32_t i;

	if (!r->e.history_count)
		return json_null();
	events = json_array();
	for (i = 0; events && i < r->e.history_count; i++) {
		const struct exploration_event *e = &r->e.history[i];

		event = json_pack("{s:I, s:s, s:s}", "step", (json_int_t)e->step, "agent",
				  agent_text(r, e, agent, sizeof(agent)), "event", e->text);
		if (json_array_append_new(events, event)) {
			json_decref(events);
			events = NULL;
		}
	}
	snprintf(iova, sizeof(iova), "0x%llx", (unsigned long long)r->e.verdict.iova);
	return events ? json_pack("{s:s, s:o}", "iova", iova, "events", events) : NULL;
}

static void print_replay(FILE *f, const struct matrix *m, const struct row *r)
{
	char *text = exploration_segments_text(r->e.segments, r->e.segment_count, r->e.fail_at);

	fprintf(f, "    %s%s%s\n    simbench explore %s --policy %s%s --replay %s\n", r->e.verdict.rule,
		*r->e.verdict.rule ? ": " : "", r->e.verdict.what, r->scenario->name,
		policy_name(r->expect->policy), m->options->memory == MEMORY_TSO ? " --memory tso" : "",
		text ? text : "");
	free(text);
	print_history(f, r);
}

static void print_table(FILE *f, const struct matrix *m, bool color)
{
	uint32_t i, good = 0;
	int width = 8;

	for (i = 0; i < m->count; i++)
		if ((int)strlen(m->rows[i].scenario->name) > width)
			width = (int)strlen(m->rows[i].scenario->name);
	fprintf(f, "%-*s  %-8s %-8s %10s %-11s %7s  %-8s %-8s\n", width, "scenario", "policy", "strategy",
		"schedules", "coverage", "s", "verdict", "expected");
	for (i = 0; i < m->count; i++) {
		const struct row *r = &m->rows[i];
		bool fine = as_expected(r);

		good += fine;
		fprintf(f, "%-*s  %-8s %-8s %10llu %-11s %7.2f  %-8s %-8s%s\n", width, r->scenario->name,
			policy_name(r->expect->policy), explore_strategy_name(m->options->strategy),
			(unsigned long long)r->e.schedules, coverage(&r->e), r->e.wall_s, verdict_text(&r->e),
			expectation_name(r->expect->verdict),
			fine	? ""
			: color ? " \033[31mUNEXPECTED\033[0m"
				: " UNEXPECTED");
		if (r->e.segments)
			print_replay(f, m, r);
	}
	fprintf(f, "\n%u of %u as expected\n", good, m->count);
}

static json_t *row_json(const struct matrix *m, const struct row *r)
{
	char *text =
		r->e.segments ? exploration_segments_text(r->e.segments, r->e.segment_count, r->e.fail_at) : NULL;
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:b, s:s, s:o, s:o}", "scenario",
		r->scenario->name, "says", r->scenario->says, "policy", policy_name(r->expect->policy), "strategy",
		explore_strategy_name(m->options->strategy), "schedules", (json_int_t)r->e.schedules, "pruned",
		(json_int_t)r->e.pruned, "steps", (json_int_t)r->e.steps, "coverage", coverage(&r->e), "verdict",
		verdict_text(&r->e), "expected", expectation_name(r->expect->verdict), "as_expected",
		as_expected(r), "what", r->e.verdict.what, "replay", text ? json_string(text) : json_null(),
		"history", history_json(r));

	free(text);
	return json;
}

static json_t *results_of(const struct matrix *m)
{
	json_t *results = json_array();
	uint32_t i;

	for (i = 0; results && i < m->count; i++) {
		if (json_array_append_new(results, row_json(m, &m->rows[i]))) {
			json_decref(results);
			results = NULL;
		}
	}
	return results;
}

static int write_report(const struct matrix *m)
{
	const struct options *o = m->options;
	FILE *f = cmd_open_output(o);
	int ret = 0, closed;

	if (!f)
		return EXIT_FAILED;
	if (o->output_format == FORMAT_JSON)
		ret = results_json(f, m->ctx, &m->runner, 0, o, results_of(m));
	else
		print_table(f, m, cmd_use_color(o, f));
	closed = cmd_close_output(f, o);
	return ret && !closed ? cmd_fail(EXIT_FAILED, "cannot write the report: %s", strerror(-ret)) : closed;
}

/* ---- the command ---- */

static bool is_file(const char *name)
{
	size_t length = strlen(name);

	return strchr(name, '/') || (length > 4 && !strcmp(name + length - 4, ".ini"));
}

static bool is_wanted(const struct options *o, const struct scenario_config *c)
{
	bool any = false;
	uint32_t i;

	for (i = 0; i < o->args.count; i++) {
		if (is_file(o->args.v[i]))
			continue;
		any = true;
		if (!strcmp(o->args.v[i], c->name))
			return true;
	}
	return !any;
}

static int check_names(const struct matrix *m)
{
	const struct options *o = m->options;
	uint32_t i, k;

	for (i = 0; i < o->args.count; i++) {
		struct option_guess guess;
		char hint[128];

		if (is_file(o->args.v[i]))
			continue;
		option_guess_init(&guess, o->args.v[i]);
		for (k = 0; k < m->set.count && strcmp(o->args.v[i], m->set.scenarios[k].name); k++)
			option_guess_try(&guess, m->set.scenarios[k].name);
		if (k == m->set.count)
			return cmd_fail(EXIT_USAGE, "%s: no such scenario%s", o->args.v[i],
					option_guess_text(&guess, hint, sizeof(hint), ""));
	}
	return -1;
}

static int list_rows(struct matrix *m)
{
	const struct options *o = m->options;
	uint32_t total = 0, i, k;

	for (i = 0; i < m->set.count; i++)
		total += m->set.scenarios[i].expect_count;
	m->rows = calloc(total + 1, sizeof(*m->rows));
	if (!m->rows)
		return cmd_fail(EXIT_FAILED, "out of memory");
	for (i = 0; i < m->set.count; i++) {
		const struct scenario_config *c = &m->set.scenarios[i];

		for (k = 0; is_wanted(o, c) && k < c->expect_count; k++)
			if (!options_given(o, OPTION_policy) || c->expect[k].policy == o->policy)
				m->rows[m->count++] = (struct row){ .scenario = c, .expect = &c->expect[k] };
	}
	return m->count ? -1
			: cmd_fail(EXIT_USAGE, "--policy %s: none of the scenarios expects anything of it",
				   policy_name(o->policy));
}

static bool has_buffer_steps(const struct explore_segment *segments, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count && segments[i].agent < EXPLORE_FIRST_BUFFER; i++)
		;
	return i < count;
}

static int show_schedule(const struct matrix *m, const struct row *r, const char *text)
{
	struct exploration_params p = params_of(m, r);
	struct explore_segment *segments;
	uint32_t count, fail_at;
	int ret;

	segments = exploration_parse_segments(text, &count, &fail_at);
	if (!segments)
		return cmd_fail(EXIT_USAGE, "--replay %.40s: not AGENT:COUNT,... as explore prints it", text);
	if (m->options->memory != MEMORY_TSO && has_buffer_steps(segments, count)) {
		free(segments);
		return cmd_fail(EXIT_USAGE, "--replay: has steps of store buffers, which only --memory tso has");
	}
	ret = exploration_print(stdout, &p, segments, count, fail_at);
	free(segments);
	return ret ? cmd_fail(EXIT_FAILED, "%s", strerror(-ret)) : EXIT_OK;
}

static bool is_report(const char *replay)
{
	size_t length = strlen(replay);

	return length > 5 && !strcmp(replay + length - 5, ".json");
}

/* What a report has saved of a row, or NULL. */
static const char *saved_replay(json_t *report, const struct row *r)
{
	json_t *result;
	size_t i;

	json_array_foreach(json_object_get(report, "results"), i, result) {
		const char *scenario = json_string_value(json_object_get(result, "scenario"));
		const char *policy = json_string_value(json_object_get(result, "policy"));

		if (scenario && policy && !strcmp(scenario, r->scenario->name) &&
		    !strcmp(policy, policy_name(r->expect->policy)))
			return json_string_value(json_object_get(result, "replay"));
	}
	return NULL;
}

static int show_saved(const struct matrix *m)
{
	const char *path = m->options->replay;
	json_error_t error;
	json_t *report = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	uint32_t i, shown = 0;
	int code = EXIT_OK;

	if (!report)
		return cmd_fail(EXIT_USAGE, "--replay %s: %s", path, error.text);
	for (i = 0; !code && i < m->count; i++) {
		const struct row *r = &m->rows[i];
		const char *text = saved_replay(report, r);

		if (!text)
			continue;
		printf("%s%s, policy %s:\n\n", shown++ ? "\n" : "", r->scenario->name,
		       policy_name(r->expect->policy));
		code = show_schedule(m, r, text);
	}
	json_decref(report);
	if (!code && !shown)
		code = cmd_fail(EXIT_USAGE, "--replay %s: has no schedule of these scenarios", path);
	return code;
}

static int show_replay(const struct matrix *m)
{
	int code;

	if (is_report(m->options->replay))
		code = show_saved(m);
	else if (m->count != 1)
		return cmd_fail(EXIT_USAGE, "--replay: of which SCENARIO, under which --policy?");
	else
		code = show_schedule(m, &m->rows[0], m->options->replay);
	if (code)
		return code;
	return fflush(stdout) || ferror(stdout) ? cmd_fail(EXIT_FAILED, "standard output: %s", strerror(errno))
						: EXIT_OK;
}

/* The worst of the unexpected. */
static int exit_code(const struct matrix *m)
{
	int code = EXIT_OK;
	uint32_t i;

	for (i = 0; i < m->count; i++) {
		const struct row *r = &m->rows[i];

		if (as_expected(r))
			continue;
		if (r->e.verdict.outcome == EXPLORE_DEADLOCK || r->e.verdict.outcome == EXPLORE_BOUND)
			code = code == EXIT_UNSAFE ? code : EXIT_STUCK;
		else
			code = EXIT_UNSAFE;
	}
	return code;
}

/* A mistake of ours. */
static int fail_diverged(const struct row *r)
{
	char *text = exploration_segments_text(r->e.segments, r->e.segment_count, r->e.fail_at);
	int code = cmd_fail(EXIT_FAILED,
			    "scenario %s, policy %s: internal error: schedule %.1000s comes out differently when "
			    "it is run again",
			    r->scenario->name, policy_name(r->expect->policy), text ? text : "");

	free(text);
	return code;
}

static int explore_matrix(struct matrix *m)
{
	uint32_t i;
	int code = EXIT_OK;

	pthread_mutex_init(&m->lock, NULL);
	progress_init(&m->progress, m->options, "rows");
	if (parallel_for((uint32_t)m->options->threads, m->count, explore_row, m))
		code = cmd_fail(EXIT_FAILED, "out of memory");
	progress_clear(&m->progress);
	pthread_mutex_destroy(&m->lock);
	for (i = 0; !code && i < m->count; i++) {
		if (m->rows[i].ret)
			code = cmd_fail(EXIT_FAILED, "scenario %s, policy %s: setup: %s", m->rows[i].scenario->name,
					policy_name(m->rows[i].expect->policy), strerror(-m->rows[i].ret));
		else if (m->rows[i].e.diverged)
			code = fail_diverged(&m->rows[i]);
	}
	if (!code)
		code = write_report(m);
	if (code)
		return code;
	return *m->ctx->interrupted ? EXIT_SIGNAL + *m->ctx->interrupted : exit_code(m);
}

static int take_pair(void *arg, const struct options_ini_pair *pair, struct options_error *err)
{
	struct matrix *m = arg;

	return scenarios_take_pair(&m->set, pair, err);
}

int cmd_explore(const struct cmd_context *ctx, int argc, char **args)
{
	struct matrix m = { .ctx = ctx };
	struct options_error err = { "" };
	struct options o;
	struct options_input in = {
		.scope = S_EXPLORE,
		.argc = argc,
		.argv = args,
		.positional = true,
		.config_args = is_file,
		.default_ini = builtin_races_ini,
		.default_name = "races.ini",
		.take_pair = take_pair,
		.take_arg = &m,
	};
	int code = cmd_parse_input(&o, &in, USAGE), ret = 0;
	uint32_t i;

	m.options = &o;
	if (code < 0)
		ret = options_validate(&o, &err);
	if (code < 0 && !ret)
		ret = scenarios_finish(&m.set, &err);
	if (ret)
		code = cmd_refuse(ret, &err);
	if (code < 0)
		code = check_names(&m);
	if (code < 0)
		code = list_rows(&m);
	if (code < 0 && *o.replay)
		code = show_replay(&m);
	if (code < 0)
		code = explore_matrix(&m);
	for (i = 0; i < m.count; i++)
		exploration_free(&m.rows[i].e);
	free(m.rows);
	scenarios_destroy(&m.set);
	options_free(&o);
	return code;
}
