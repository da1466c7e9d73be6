/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/claims.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/gnuplot.h"
#include "bench/options_table.h"
#include "bench/runner.h"
#include "bench/scenario.h"
#include "sim/stats.h"

#define SECTION_NAME "claim"

/* Long enough for every attach, and for nothing else. */
#define ATTACH_RUNTIME_PS 100000000ULL

static const char *const claim_keys[] = { "says",    "source", "command", "scenario", "against",
					  "measure", "as",     "claimed", "tolerance" };

/* ---- the file ---- */

int claims_take_pair(struct claims *c, const struct options_ini_pair *pair, struct options_error *err)
{
	json_t *section, *line;
	const char *name;
	size_t i;

	if (strncmp(pair->section, SECTION_NAME, strlen(SECTION_NAME)))
		return 0;
	name = pair->section + strlen(SECTION_NAME);
	name += strspn(name, " \t");
	if (!gnuplot_is_name(name))
		return option_error(err,
				    "%s: [" SECTION_NAME
				    " NAME]: NAME can become that of a file: letters, digits and "
				    "-_.+",
				    pair->where);
	if (!option_is_utf8(pair->where) ||
	    (pair->key && !(option_is_utf8(pair->key) && option_is_utf8(pair->value))))
		return option_error(err, "%s: not UTF-8", pair->where);
	if (!c->text)
		c->text = json_object();
	section = json_object_get(c->text, name);
	if (!pair->key) {
		if (section)
			return option_error(err, "%s: claim %s: given before at %s", pair->where, name,
					    json_string_value(json_object_get(section, "")));
		return json_object_set_new(c->text, name, json_pack("{s:s}", "", pair->where)) ? -ENOMEM : 0;
	}
	for (i = 0; i < sizeof(claim_keys) / sizeof(claim_keys[0]); i++)
		if (!strcmp(pair->key, claim_keys[i]))
			break;
	if (i == sizeof(claim_keys) / sizeof(claim_keys[0])) {
		struct option_guess guess;
		char hint[128];

		option_guess_init(&guess, pair->key);
		for (i = 0; i < sizeof(claim_keys) / sizeof(claim_keys[0]); i++)
			option_guess_try(&guess, claim_keys[i]);
		return option_error(err, "%s: %s: unknown key of a claim%s", pair->where, pair->key,
				    option_guess_text(&guess, hint, sizeof(hint), ""));
	}
	if (json_object_get(section, pair->key))
		return option_error(err, "%s: %s: given before", pair->where, pair->key);
	line = json_pack("{s:s, s:s}", "value", pair->value, "where", pair->where);
	return json_object_set_new(section, pair->key, line) ? -ENOMEM : 0;
}

static const char *text_of(const json_t *section, const char *key)
{
	return json_string_value(json_object_get(json_object_get(section, key), "value"));
}

/* Where a key stands, or the section if it is missing. */
static const char *place_of(const json_t *section, const char *key)
{
	const char *where = json_string_value(json_object_get(json_object_get(section, key), "where"));

	return where ? where : json_string_value(json_object_get(section, ""));
}

/* Sets what @key of the section says in @o. */
static int read_scenario(struct options *o, const json_t *section, const char *key, struct options_error *err)
{
	const char *where = place_of(section, key);
	char *copy = strdup(text_of(section, key)), *rest = copy, *word;
	int ret = copy ? 0 : -ENOMEM;

	while (!ret && (word = option_next_word(&rest))) {
		char *equals = strchr(word, '=');

		if (!equals) {
			ret = option_error(err, "%s: %s: %s: not KEY=VALUE", where, key, word);
		} else {
			*equals = '\0';
			ret = options_set(o, word, equals + 1, where, err);
		}
	}
	free(copy);
	return ret;
}

static char *scenario_key(const struct claim_scenario *s)
{
	json_t *json = options_to_json(&s->options, s->options.scope);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL, *key = NULL;

	json_decref(json);
	if (text && asprintf(&key, "%s%s %s", s->attach ? "attach " : "", point_command_name(s->command), text) < 0)
		key = NULL;
	free(text);
	return key;
}

static void scenario_destroy_one(struct claim_scenario *s)
{
	options_free(&s->options);
	free(s->key);
	json_decref(s->result);
}

/* Keeps @s unless it is there already; *@index: which it is. Takes it over. */
static int keep_scenario(struct claims *c, struct claim_scenario *s, uint32_t *index)
{
	struct claim_scenario *more;

	s->key = scenario_key(s);
	if (!s->key) {
		scenario_destroy_one(s);
		return -ENOMEM;
	}
	for (*index = 0; *index < c->scenario_count; ++*index) {
		if (!strcmp(c->scenarios[*index].key, s->key)) {
			scenario_destroy_one(s);
			return 0;
		}
	}
	more = realloc(c->scenarios, (c->scenario_count + 1UL) * sizeof(*more));
	if (!more) {
		scenario_destroy_one(s);
		return -ENOMEM;
	}
	c->scenarios = more;
	c->scenarios[c->scenario_count++] = *s;
	return 0;
}

static int add_scenario(struct claims *c, const struct options *base, const json_t *section, const char *key,
			enum point_command command, bool attach, uint32_t *index, struct options_error *err)
{
	struct claim_scenario s = { .command = command, .attach = attach };
	char msg[sizeof(err->msg)];
	int ret = options_copy(&s.options, base);

	if (ret)
		return ret;
	s.options.scope = point_scope(command);
	option_scope_defaults(&s.options, s.options.scope);
	ret = read_scenario(&s.options, section, key, err);
	if (!ret) {
		ret = attach ? options_validate_but_attach(&s.options, err) : options_validate(&s.options, err);
		if (!ret)
			ret = scenario_use_engine(&s.options, err);
		if (ret == -EINVAL) {
			snprintf(msg, sizeof(msg), "%s", err->msg);
			option_error(err, "%s: %s: %.800s", place_of(section, key), key, msg);
		}
	}
	if (attach) {
		s.options.runtime = ATTACH_RUNTIME_PS;
		s.options.warmup = 0;
		s.options.repetitions = 1;
	}
	if (ret) {
		options_free(&s.options);
		return ret;
	}
	return keep_scenario(c, &s, index);
}

static int read_command(const json_t *section, enum point_command *command, struct options_error *err)
{
	const char *text = text_of(section, "command");
	int i;

	*command = POINT_RUN;
	if (!text)
		return 0;
	for (i = POINT_RUN; i <= POINT_MAPBENCH; i++) {
		if (!strcmp(text, point_command_name(i))) {
			*command = i;
			return 0;
		}
	}
	return option_error(err, "%s: command = %s: not one of run, lockbench, mapbench",
			    place_of(section, "command"), text);
}

/* A decimal number, then @rest. */
static bool read_number(const char *text, double *v, const char **rest)
{
	char *end;

	/* Not the infinities and hexadecimals that strtod() would take. */
	if (!isdigit((unsigned char)text[*text == '-']) || strpbrk(text, "xX"))
		return false;
	*v = strtod(text, &end);
	*rest = end + strspn(end, " \t");
	return isfinite(*v);
}

static int read_tolerance(struct claim *claim, const json_t *section, double value, struct options_error *err)
{
	const char *text = text_of(section, "tolerance"), *rest;
	double tolerance = 0;

	if (text && (!read_number(text, &tolerance, &rest) || tolerance < 0 || (*rest && strcmp(rest, "%"))))
		return option_error(err, "%s: tolerance = %s: not a number from 0 on, nor a percentage",
				    place_of(section, "tolerance"), text);
	if (text && *rest)
		tolerance *= fabs(value) / 100;
	claim->low = value - tolerance;
	claim->high = value + tolerance;
	return 0;
}

static int read_claimed(struct claim *claim, const json_t *section, struct options_error *err)
{
	const char *text = claim->claimed, *rest;
	bool least = !strncmp(text, ">=", 2), most = !strncmp(text, "<=", 2);
	double value;

	if (claim->attach) {
		claim->low = claim->high = !strcmp(text, "accepted");
		if (strcmp(text, "accepted") && strcmp(text, "refused"))
			return option_error(err, "%s: claimed = %s: an attach is accepted or refused",
					    place_of(section, "claimed"), text);
	} else {
		text += least || most ? 2 : 0;
		text += strspn(text, " \t");
		if (!read_number(text, &value, &rest) || *rest)
			return option_error(err, "%s: claimed = %s: not NUMBER, >= NUMBER or <= NUMBER",
					    place_of(section, "claimed"), claim->claimed);
		if (!least && !most)
			return read_tolerance(claim, section, value, err);
		claim->low = least ? value : -INFINITY;
		claim->high = least ? INFINITY : value;
	}
	if (text_of(section, "tolerance"))
		return option_error(err, "%s: tolerance: only a NUMBER that is claimed has one",
				    place_of(section, "tolerance"));
	return 0;
}

const char *claim_relation_name(enum claim_relation relation)
{
	static const char *const names[] = { [CLAIM_ALONE] = NULL,
					     [CLAIM_DROP_PCT] = "drop_pct",
					     [CLAIM_RATIO] = "ratio",
					     [CLAIM_DIFFERENCE] = "difference" };

	return names[relation];
}

static int read_relation(struct claim *claim, const json_t *section, struct options_error *err)
{
	const char *as = text_of(section, "as"), *against = text_of(section, "against");
	int i;

	if (!as != !against)
		return option_error(err, "%s: %s", place_of(section, as ? "as" : "against"),
				    as ? "as: needs a second scenario: against = KEY=VALUE ..."
				       : "against: needs to be told how: as = drop_pct, ratio or difference");
	if (!as)
		return 0;
	if (claim->attach)
		return option_error(err, "%s: as: an attach is related to nothing", place_of(section, "as"));
	for (i = CLAIM_DROP_PCT; i <= CLAIM_DIFFERENCE; i++) {
		if (!strcmp(as, claim_relation_name(i))) {
			claim->relation = i;
			return 0;
		}
	}
	return option_error(err, "%s: as = %s: not one of drop_pct, ratio, difference", place_of(section, "as"),
			    as);
}

static int copy_texts(struct claim *claim, const char *name, const json_t *section, struct options_error *err)
{
	static const char *const needed[] = { "says", "scenario", "measure", "claimed" };
	const char *source = text_of(section, "source");
	size_t i;

	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!text_of(section, needed[i]))
			return option_error(err, "%s: claim %s: %s = ... is missing", place_of(section, needed[i]),
					    name, needed[i]);
	claim->name = strdup(name);
	claim->says = strdup(text_of(section, "says"));
	claim->source = strdup(source ? source : "");
	claim->measure = strdup(text_of(section, "measure"));
	claim->claimed = strdup(text_of(section, "claimed"));
	claim->where = strdup(place_of(section, "measure"));
	if (!claim->where || !claim->name || !claim->says || !claim->source || !claim->measure || !claim->claimed)
		return -ENOMEM;
	claim->attach = !strcmp(claim->measure, "attach");
	return 0;
}

static int read_claim(struct claims *c, struct claim *claim, const struct options *base, const char *name,
		      const json_t *section, struct options_error *err)
{
	enum point_command command;
	int ret = copy_texts(claim, name, section, err);

	if (!ret)
		ret = read_command(section, &command, err);
	if (!ret && claim->attach && command != POINT_RUN)
		ret = option_error(err, "%s: measure = attach: needs command = run", place_of(section, "measure"));
	if (!ret)
		ret = read_relation(claim, section, err);
	if (!ret)
		ret = read_claimed(claim, section, err);
	if (!ret)
		ret = add_scenario(c, base, section, "scenario", command, claim->attach, &claim->scenario, err);
	if (!ret && claim->relation != CLAIM_ALONE)
		ret = add_scenario(c, base, section, "against", command, false, &claim->against, err);
	return ret;
}

/* What no scenario takes does nothing. A file may say more than its claims use; the command line means them. */
static int check_given(const struct claims *c, const struct options *base, struct options_error *err)
{
	unsigned int scope = S_VALID, id;
	uint32_t i;

	for (i = 0; i < c->scenario_count; i++)
		scope |= point_scope(c->scenarios[i].command);
	for (id = 0; id < OPTION_COUNT; id++)
		if (options_given(base, id) && !(option_row(id)->scope & scope))
			return option_error(err, "%s: %s: no claim has a scenario that takes it",
					    options_origin(base, id), option_row(id)->name);
	return 0;
}

int claims_finish(struct claims *c, const struct options *base, struct options_error *err)
{
	size_t count = json_object_size(c->text);
	json_t *section;
	const char *name;
	char file[300];
	int ret = 0;

	if (!count)
		return option_error(err, "%s: there is no section [" SECTION_NAME " NAME]",
				    base->args.count ? option_quote(file, sizeof(file), base->args.v[0])
						     : "configuration");
	c->claims = calloc(count, sizeof(*c->claims));
	if (!c->claims)
		return -ENOMEM;
	json_object_foreach(c->text, name, section) {
		if (!ret)
			ret = read_claim(c, &c->claims[c->count++], base, name, section, err);
	}
	json_decref(c->text);
	c->text = NULL;
	return ret ? ret : check_given(c, base, err);
}

void claims_destroy(struct claims *c)
{
	uint32_t i;

	for (i = 0; i < c->count; i++) {
		free(c->claims[i].name);
		free(c->claims[i].says);
		free(c->claims[i].source);
		free(c->claims[i].measure);
		free(c->claims[i].claimed);
		free(c->claims[i].where);
	}
	for (i = 0; i < c->scenario_count; i++)
		scenario_destroy_one(&c->scenarios[i]);
	free(c->claims);
	free(c->scenarios);
	json_decref(c->text);
	memset(c, 0, sizeof(*c));
}

/* ---- simulating ---- */

/* Nothing but what the hot path says when the devices are attached. */
static int simulate_attach(const struct cmd_context *ctx, const struct claim_scenario *s, json_t **result)
{
	struct options_error err = { "" };
	struct host_result host = { 0 };
	struct host_params params;
	struct scenario scenario;
	char msg[256] = "";
	int ret = scenario_init(&scenario, &s->options, &err), code = EXIT_OK;

	if (ret) {
		code = cmd_refuse(ret, &err);
		goto out;
	}
	params = scenario_params(&scenario, 0);
	params.interrupted = ctx->interrupted;
	ret = host_run(&params, &host, msg, sizeof(msg));
	if (ret && ret != -EINVAL)
		code = cmd_fail(EXIT_FAILED, "%s", *msg ? msg : strerror(-ret));
	else
		*result = json_pack("{s:b}", "attached", !ret);
	if (!code && !*result)
		code = cmd_fail(EXIT_FAILED, "out of memory");
	host_result_free(&host);
out:
	scenario_destroy(&scenario);
	return code;
}

int claims_simulate(const struct cmd_context *ctx, const struct claim_scenario *s, json_t **result)
{
	*result = NULL;
	if (s->attach)
		return simulate_attach(ctx, s, result);
	return point_simulate(ctx, s->command, &s->options, result);
}

/* ---- a sweep in place of simulations ---- */

/* These say how well something is measured, not what. */
static bool is_precision(const char *option)
{
	static const char *const names[] = {
		"runtime", "warmup", "repetitions", "seed", "iterations", "map_seconds"
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], option))
			return true;
	return false;
}

/* The number of the point whose axes have the scenario's values. */
static int find_point(const struct claim_scenario *s, const struct sweep *sweep, uint64_t *index,
		      struct options_error *err)
{
	uint32_t position[SWEEP_MAX_AXES], i, k;
	bool known[SWEEP_MAX_AXES] = { false };

	for (i = 0; i < sweep->axis_count; i++) {
		const struct sweep_axis *a = &sweep->axes[i];
		char buf[OPTION_PRINT_MAX];
		const char *value = option_print(&s->options, a->option, buf, sizeof(buf));

		for (k = 0; k < a->count; k++)
			if (!strcmp(a->values[k], value))
				break;
		if (k == a->count || (known[a->group] && position[a->group] != k))
			return option_error(err, "the sweep has no point with %s = %s%s",
					    option_row(a->option)->name, *value ? value : "(none)",
					    k == a->count ? ""
							  : " beside what the scenario has of the options that "
							    "advance together with it");
		known[a->group] = true;
		position[a->group] = k;
	}
	*index = sweep_index(sweep, position);
	return 0;
}

static int differ(const char *key, const json_t *mine, const json_t *theirs, struct options_error *err)
{
	char *a = json_dumps(mine, JSON_ENCODE_ANY | JSON_COMPACT);
	char *b = theirs ? json_dumps(theirs, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	option_error(err, "the scenario has %s = %.200s, and the points of the sweep have %.200s", key, a ? a : "",
		     b ? b : "none");
	free(a);
	free(b);
	return -EINVAL;
}

/* What is no axis has to be the sweep's. */
static int check_config(const struct claim_scenario *s, const struct sweep_dir *d, struct options_error *err)
{
	json_t *mine = options_to_json(&s->options, s->options.scope), *value;
	const json_t *theirs = json_object_get(d->manifest, "config");
	const char *key;
	int ret = mine ? 0 : -ENOMEM;

	json_object_foreach(mine, key, value) {
		const json_t *other = json_object_get(theirs, key);

		if (ret || is_precision(key) || sweep_axis_of(&d->sweep, option_find(key)) ||
		    json_equal(value, other))
			continue;
		ret = differ(key, value, other, err);
	}
	json_decref(mine);
	return ret;
}

int claims_from_sweep(const struct claim_scenario *s, const struct sweep_dir *d, json_t **result,
		      struct options_error *err)
{
	json_t *record = NULL;
	char point[512];
	uint64_t index = 0;
	int ret;

	*result = NULL;
	if (s->command != d->sweep.command)
		return option_error(err, "the sweep is of %s, not of %s", point_command_name(d->sweep.command),
				    point_command_name(s->command));
	ret = find_point(s, &d->sweep, &index, err);
	if (!ret)
		ret = check_config(s, d, err);
	if (ret)
		return ret;
	ret = sweep_dir_read(d, index, &record);
	*result = json_incref(json_object_get(record, "result"));
	json_decref(record);
	if (ret == -ENOMEM)
		return ret;
	sweep_point_text(&d->sweep, index, point, sizeof(point));
	if (ret == -ENOENT)
		return option_error(err, "the sweep has not got to its point %llu yet: %s",
				    (unsigned long long)index, point);
	if (ret)
		return option_error(err, "point %llu of the sweep: %s", (unsigned long long)index, strerror(-ret));
	return *result ? 0
		       : option_error(err, "the sweep left its point %llu out as invalid: %s",
				      (unsigned long long)index, point);
}

/* ---- judging ---- */

static int get(const struct claim *claim, const json_t *result, struct measure *m, struct options_error *err)
{
	char paths[600];
	int ret = measure_get(result, claim->attach ? "attached" : claim->measure, m);

	if (ret == -ENODATA)
		return option_error(err, "%s: measure = %s: the scenario's result has no value for it",
				    claim->where, claim->measure);
	if (ret)
		return option_error(err, "%s: measure = %s: a result has no such value; it has %s", claim->where,
				    claim->measure, measure_paths(result, paths, sizeof(paths)));
	return 0;
}

static int relate(const struct claim *claim, const struct measure *m, const json_t *against, struct claim_value *v,
		  struct options_error *err)
{
	struct stats_comparison c;
	struct stats_mean a, b;
	struct measure other;
	int ret = get(claim, against, &other, err);

	if (ret)
		return ret;
	a = measure_mean(&other);
	b = measure_mean(m);
	if (claim->relation == CLAIM_DIFFERENCE) {
		stats_difference(&a, &b, &c);
	} else {
		if (!(a.mean > 0 || a.mean < 0))
			return option_error(err,
					    "%s: measure = %s: of what it is against it is 0, and nothing is a "
					    "share of that",
					    claim->where, claim->measure);
		stats_ratio(&a, &b, &c);
	}
	v->value = claim->relation == CLAIM_DROP_PCT ? 100 * (1 - c.value) : c.value;
	v->ci95 = claim->relation == CLAIM_DROP_PCT ? 100 * c.ci95 : c.ci95;
	v->df = c.df;
	v->exact = m->exact && other.exact;
	if (other.count < v->count)
		v->count = other.count;
	return 0;
}

int claim_evaluate(const struct claim *claim, const json_t *scenario, const json_t *against, struct claim_value *v,
		   struct options_error *err)
{
	struct measure m;
	int ret = get(claim, scenario, &m, err);

	if (ret)
		return ret;
	*v = (struct claim_value){ m.estimate.mean, m.estimate.ci95, (double)(m.count - 1), m.count, m.exact };
	return against ? relate(claim, &m, against, v, err) : 0;
}

bool claim_holds(const struct claim *claim, double value)
{
	return value >= claim->low && value <= claim->high;
}

enum claim_verdict claim_judge(const struct claim *claim, const struct claim_value *v, uint64_t *repetitions)
{
	double from = v->value - v->ci95, to = v->value + v->ci95, room;

	*repetitions = 0;
	/* One repetition of what varies says nothing of how much. */
	if (!v->exact && v->count < 2) {
		*repetitions = 2;
		return CLAIM_UNDECIDED;
	}
	if (from >= claim->low && to <= claim->high)
		return CLAIM_CONFIRMED;
	if (to < claim->low || from > claim->high)
		return CLAIM_REFUTED;
	/* How small the interval has to become to lie on one side of what it straddles. */
	if (claim_holds(claim, v->value))
		room = fmin(v->value - claim->low, claim->high - v->value);
	else
		room = fmax(claim->low - v->value, v->value - claim->high);
	*repetitions = room > 0 ? stats_repetitions_needed(v->ci95, v->df, v->count, room) : UINT64_MAX;
	return CLAIM_UNDECIDED;
}
