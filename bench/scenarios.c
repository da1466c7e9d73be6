/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/scenarios.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bench/options_table.h"

#define SECTION_NAME "scenario"
#define DEFAULT_STEPS 5000

static const char *const scenario_keys[] = { "says", "devices", "with", "order", "bug",	   "setup", "cpu0",
					     "cpu1", "cpu2",	"cpu3", "fail",	 "expect", "steps" };

#define KEY_COUNT (sizeof(scenario_keys) / sizeof(scenario_keys[0]))

static const char *const verdict_names[] = { "clean", "M1", "M2", "M3", "M4", "M5", "M6", "refused" };

const char *expectation_name(int verdict)
{
	return verdict_names[verdict];
}

int scenarios_take_pair(struct scenario_set *set, const struct options_ini_pair *pair, struct options_error *err)
{
	struct option_guess guess;
	json_t *section, *line;
	const char *name;
	char hint[128];
	size_t i;

	if (strncmp(pair->section, SECTION_NAME, strlen(SECTION_NAME)))
		return 0;
	name = pair->section + strlen(SECTION_NAME);
	name += strspn(name, " \t");
	if (!*name)
		return option_error(err, "%s: a scenario needs a name: [" SECTION_NAME " NAME]", pair->where);
	if (!set->text)
		set->text = json_object();
	section = json_object_get(set->text, name);
	if (!pair->key) {
		if (section)
			return option_error(err, "%s: scenario %s: given before at %s", pair->where, name,
					    json_string_value(json_object_get(section, "")));
		return json_object_set_new(set->text, name, json_pack("{s:s}", "", pair->where)) ? -ENOMEM : 0;
	}
	option_guess_init(&guess, pair->key);
	for (i = 0; i < KEY_COUNT && strcmp(pair->key, scenario_keys[i]); i++)
		option_guess_try(&guess, scenario_keys[i]);
	if (i == KEY_COUNT)
		return option_error(err, "%s: %s: unknown key of a scenario%s", pair->where, pair->key,
				    option_guess_text(&guess, hint, sizeof(hint), ""));
	if (json_object_get(section, pair->key))
		return option_error(err, "%s: %s: given before", pair->where, pair->key);
	line = json_pack("{s:s, s:s}", "value", pair->value, "where", pair->where);
	return json_object_set_new(section, pair->key, line) ? -ENOMEM : 0;
}

static const char *text_of(const json_t *section, const char *key)
{
	return json_string_value(json_object_get(json_object_get(section, key), "value"));
}

static int refuse(const json_t *section, const char *key, struct options_error *err, const char *what)
{
	const char *where = json_string_value(json_object_get(json_object_get(section, key), "where"));

	if (!where)
		where = json_string_value(json_object_get(section, ""));
	return option_error(err, "%s: %s = %s: %s", where, key, text_of(section, key) ? text_of(section, key) : "",
			    what);
}

/* ---- programs ---- */

/* "cpu1" or "cpu1:2"; *@count 0 for all of its calls. */
static bool parse_cpu(const char *text, uint32_t *program, uint32_t *count)
{
	unsigned int n, k = 0;
	int used = 0, used_k = 0;

	if (sscanf(text, "cpu%1u%n", &n, &used) != 1 || n >= RACE_MAX_PROGRAMS)
		return false;
	if (text[used] == ':') {
		if (sscanf(text + used, ":%2u%n", &k, &used_k) != 1 || !k)
			return false;
		used += used_k;
	}
	*program = n;
	*count = k;
	return !text[used];
}

static bool parse_device(const struct scenario_config *c, const char *word, uint32_t *device)
{
	if (!word || word[0] < '0' || word[0] > '9' || word[1])
		return false;
	*device = (uint32_t)(word[0] - '0');
	return *device < c->race.devices;
}

static bool parse_page(const char *word, uint32_t *page)
{
	if (!word || word[0] < 'a' || word[0] >= 'a' + ORACLE_MAX_PAGES || word[1])
		return false;
	*page = (uint32_t)(word[0] - 'a');
	return true;
}

/* One call; NULL, or what is wrong with it. @text is changed. */
static const char *parse_call(const struct scenario_config *c, char *text, struct race_op *op)
{
	char *rest = NULL, *name = strtok_r(text, " \t", &rest), *first = strtok_r(NULL, " \t", &rest);
	char *second = first ? strtok_r(NULL, " \t", &rest) : NULL;
	int kind;

	*op = (struct race_op){ 0 };
	if (!name)
		return "a call is empty";
	for (kind = RACE_ATTACH; kind <= RACE_AWAIT; kind++)
		if (!strcmp(name, race_op_kind_name(kind)))
			break;
	if (kind > RACE_AWAIT)
		return "no such call: attach D, detach D, map P, unmap P, unmap2m P, dma_map P, dma_unmap P, dma D "
		       "P, look D "
		       "P, await cpuN, await cpuN:K";
	op->kind = kind;
	switch (op->kind) {
	case RACE_ATTACH:
	case RACE_DETACH:
		return parse_device(c, first, &op->device) && !second ? NULL
								      : "attach and detach take a device's number";
	case RACE_MAP:
	case RACE_UNMAP:
	case RACE_UNMAP_2M:
	case RACE_DMA_MAP:
	case RACE_DMA_UNMAP:
		return parse_page(first, &op->page) && !second ? NULL : "maps and unmaps take a page, a letter";
	case RACE_DMA:
	case RACE_LOOK:
		if (!parse_device(c, first, &op->device) || !parse_page(second, &op->page))
			return "dma and look take a device's number and a page's letter";
		return NULL;
	case RACE_AWAIT:
		return first && !second && parse_cpu(first, &op->program, &op->count)
			       ? NULL
			       : "await takes cpuN or cpuN:K";
	}
	return NULL;
}

static int parse_calls(const struct scenario_config *c, const json_t *section, const char *key, struct race_op *ops,
		       uint32_t most, uint32_t *count, struct options_error *err)
{
	const char *text = text_of(section, key);
	char *copy = text ? strdup(text) : NULL, *rest = NULL, *call;
	int ret = text && !copy ? -ENOMEM : 0;

	*count = 0;
	for (call = copy ? strtok_r(copy, ",", &rest) : NULL; call && !ret; call = strtok_r(NULL, ",", &rest)) {
		const char *wrong = *count < most ? parse_call(c, call, &ops[*count]) : "too many calls";

		if (wrong)
			ret = refuse(section, key, err, wrong);
		else
			++*count;
	}
	free(copy);
	return ret;
}

/* "await cpu1" is for all its calls, of which there have to be some. */
static int settle_awaits(struct scenario_config *c, const json_t *section, struct options_error *err)
{
	uint32_t p, i;
	char key[16];

	for (p = 0; p < c->race.programs; p++) {
		for (i = 0; i < c->race.op_count[p]; i++) {
			struct race_op *op = &c->race.op[p][i];

			if (op->kind != RACE_AWAIT)
				continue;
			if (op->program < c->race.programs && !op->count)
				op->count = c->race.op_count[op->program];
			snprintf(key, sizeof(key), "cpu%u", p);
			if (op->program == p || op->program >= c->race.programs ||
			    op->count > c->race.op_count[op->program])
				return refuse(section, key, err, "awaits a call that no other program has");
		}
	}
	return 0;
}

static int read_programs(struct scenario_config *c, const json_t *section, struct options_error *err)
{
	char key[8];
	uint32_t i;
	int ret = parse_calls(c, section, "setup", c->race.setup, RACE_MAX_SETUP, &c->race.setup_count, err);

	for (i = 0; !ret && i < RACE_MAX_PROGRAMS; i++) {
		snprintf(key, sizeof(key), "cpu%u", i);
		if (!text_of(section, key))
			break;
		ret = parse_calls(c, section, key, c->race.op[i], RACE_MAX_OPS, &c->race.op_count[i], err);
		c->race.programs = i + 1;
	}
	for (; !ret && i < RACE_MAX_PROGRAMS; i++) {
		snprintf(key, sizeof(key), "cpu%u", i);
		if (text_of(section, key))
			return refuse(section, key, err, "the programs before it are missing");
	}
	if (!ret && !c->race.programs)
		ret = refuse(section, "cpu0", err, "is missing: a scenario has a program at least");
	return ret ? ret : settle_awaits(c, section, err);
}

/* ---- the machine ---- */

static int read_devices(struct scenario_config *c, const json_t *section, struct options_error *err)
{
	const char *text = text_of(section, "devices");
	char *copy = text ? strdup(text) : NULL, *rest = NULL, *word;
	int ret = 0;

	if (!text)
		return refuse(section, "devices", err, "is missing: the unit of each device");
	for (word = copy ? strtok_r(copy, ", \t", &rest) : NULL; word && !ret;
	     word = strtok_r(NULL, ", \t", &rest)) {
		uint32_t unit = (uint32_t)(word[0] - '0');

		if (word[1] || unit >= RACE_MAX_UNITS || c->race.devices == ORACLE_MAX_DEVICES) {
			ret = refuse(section, "devices", err, "up to 8 units, each 0 to 3");
			break;
		}
		c->race.unit_of[c->race.devices++] = unit;
		if (unit >= c->race.units)
			c->race.units = unit + 1;
	}
	free(copy);
	return copy ? ret : -ENOMEM;
}

/* The options that make the units, with the meaning that they have for a run. */
static int read_with(struct scenario_config *c, const json_t *section, struct options_error *err)
{
	static const enum option_id allowed[] = { OPTION_cap, OPTION_ecap,  OPTION_cm,		OPTION_rwbf,
						  OPTION_ats, OPTION_stage, OPTION_invalidation };
	const char *text = text_of(section, "with");
	char *copy = strdup(text ? text : ""), *rest = copy, *word;
	struct options o;
	uint32_t i, buffers = 0;
	int ret = copy ? options_init(&o) : -ENOMEM;

	if (ret) {
		free(copy);
		return ret;
	}
	while (!ret && (word = option_next_word(&rest))) {
		char *equals = strchr(word, '=');

		if (equals)
			*equals = '\0';
		for (i = 0; equals && i < sizeof(allowed) / sizeof(allowed[0]); i++)
			if (!strcmp(option_row(allowed[i])->name, word))
				break;
		if (!equals || i == sizeof(allowed) / sizeof(allowed[0]))
			ret = refuse(section, "with", err,
				     "not KEY=VALUE of cap, ecap, cm, rwbf, ats, stage, invalidation");
		else
			ret = options_set(
				&o, word, equals + 1,
				json_string_value(json_object_get(json_object_get(section, "with"), "where")), err);
	}
	for (i = 0; !ret && i < c->race.units; i++) {
		c->race.cap[i] = options_unit_cap(&o, i);
		c->race.ecap[i] = options_unit_ecap(&o, i);
		buffers += cap_rwbf(c->race.cap[i]);
	}
	if (!ret && buffers > RACE_MAX_WRITE_BUFFERS)
		ret = refuse(section, "with", err, "more than 2 units with a write buffer (rwbf)");
	/* Strict unless said: what the explorer is after is whether invalidations are right. */
	c->race.domain.lazy = options_given(&o, OPTION_invalidation) && o.invalidation == INVALIDATION_LAZY;
	c->race.domain.first_stage = o.stage == STAGE_FIRST;
	c->race.ats = o.ats;
	options_free(&o);
	free(copy);
	return ret;
}

static int read_choice(const json_t *section, const char *key, const char *(*name)(int), int count, int *value,
		       struct options_error *err)
{
	const char *text = text_of(section, key);

	*value = 0;
	if (!text)
		return 0;
	for (*value = 0; *value < count; ++*value)
		if (!strcmp(name(*value), text))
			return 0;
	return refuse(section, key, err, "no such value");
}

static const char *order_name(int v)
{
	return attach_order_name(v);
}

static const char *bug_name(int v)
{
	return planted_bug_name(v);
}

/* ---- what has to come out ---- */

static int add_expectation(struct scenario_config *c, const char *policy, const char *verdict)
{
	struct expectation e = { .verdict = -1 }, *more;
	bool known = false;
	int i;

	for (i = POLICY_PT + 1; strcmp(policy_name(i), "?"); i++) {
		if (!strcmp(policy, policy_name(i))) {
			e.policy = i;
			known = true;
		}
	}
	for (i = 0; i < (int)(sizeof(verdict_names) / sizeof(verdict_names[0])); i++)
		if (!strcmp(verdict, verdict_names[i]))
			e.verdict = i;
	if (!known || e.verdict < 0)
		return -EINVAL;
	more = realloc(c->expect, (c->expect_count + 1UL) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	c->expect = more;
	c->expect[c->expect_count++] = e;
	return 0;
}

static int read_expect(struct scenario_config *c, const json_t *section, struct options_error *err)
{
	const char *text = text_of(section, "expect");
	char *copy = text ? strdup(text) : NULL, *rest = NULL, *part;
	int ret = text && !copy ? -ENOMEM : 0;

	if (!text)
		return refuse(section, "expect", err, "is missing: POLICY VERDICT, ...");
	for (part = copy ? strtok_r(copy, ",", &rest) : NULL; part && !ret; part = strtok_r(NULL, ",", &rest)) {
		char policy[16], verdict[16], more;

		ret = sscanf(part, " %15s %15s %c", policy, verdict, &more) == 2
			      ? add_expectation(c, policy, verdict)
			      : -EINVAL;
	}
	free(copy);
	return ret == -EINVAL
		       ? refuse(section, "expect", err,
				"not POLICY VERDICT, ... with a translating policy, and clean, M1 to M6 or refused")
		       : ret;
}

static int read_rest(struct scenario_config *c, const json_t *section, struct options_error *err)
{
	const char *fail = text_of(section, "fail"), *steps = text_of(section, "steps");
	uint32_t program, none;
	char *end;

	c->fail_program = -1;
	c->max_steps = DEFAULT_STEPS;
	if (fail) {
		if (!parse_cpu(fail, &program, &none) || none || program >= c->race.programs)
			return refuse(section, "fail", err, "not the cpuN of a program");
		c->fail_program = (int)program;
	}
	if (steps) {
		c->max_steps = (uint32_t)strtoul(steps, &end, 10);
		if (*end || !c->max_steps || c->max_steps > 1000000)
			return refuse(section, "steps", err, "not a number from 1 to 1000000");
	}
	return 0;
}

static int read_scenario(struct scenario_config *c, const char *name, const json_t *section,
			 struct options_error *err)
{
	const char *says = text_of(section, "says");
	int order = 0, bug = 0, ret;

	c->name = strdup(name);
	c->says = strdup(says ? says : "");
	if (!c->name || !c->says)
		return -ENOMEM;
	if (!says)
		return refuse(section, "says", err, "is missing: what the scenario is about");
	ret = read_devices(c, section, err);
	if (!ret)
		ret = read_with(c, section, err);
	if (!ret)
		ret = read_choice(section, "order", order_name, ATTACH_TAGS_FIRST + 1, &order, err);
	if (!ret)
		ret = read_choice(section, "bug", bug_name, BUG_LEAK_TAG + 1, &bug, err);
	c->race.domain.attach_order = order;
	c->race.domain.bug = bug;
	if (!ret)
		ret = read_programs(c, section, err);
	if (!ret)
		ret = read_expect(c, section, err);
	return ret ? ret : read_rest(c, section, err);
}

int scenarios_finish(struct scenario_set *set, struct options_error *err)
{
	size_t count = json_object_size(set->text);
	json_t *section;
	const char *name;
	int ret = 0;

	if (!count)
		return option_error(err, "there is no section [" SECTION_NAME " NAME]");
	set->scenarios = calloc(count, sizeof(*set->scenarios));
	if (!set->scenarios)
		return -ENOMEM;
	json_object_foreach(set->text, name, section) {
		if (!ret)
			ret = read_scenario(&set->scenarios[set->count++], name, section, err);
	}
	json_decref(set->text);
	set->text = NULL;
	return ret;
}

void scenarios_destroy(struct scenario_set *set)
{
	uint32_t i;

	for (i = 0; i < set->count; i++) {
		free(set->scenarios[i].name);
		free(set->scenarios[i].says);
		free(set->scenarios[i].expect);
	}
	free(set->scenarios);
	json_decref(set->text);
	memset(set, 0, sizeof(*set));
}
