/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/sweep.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bench/options_table.h"
#include "bench/scenario.h"

#define SECTION_NAME "sweep"

int sweep_take_pair(struct sweep *s, const struct options_ini_pair *pair, struct options_error *err)
{
	json_t *line;

	if (strcmp(pair->section, SECTION_NAME)) {
		/* "[sweep one]" is nobody's. */
		if (!strncmp(pair->section, SECTION_NAME " ", sizeof(SECTION_NAME)))
			return option_error(err, "%s: the section is [%s], without a name", pair->where,
					    SECTION_NAME);
		return 0;
	}
	if (!s->text) {
		s->text = json_object();
		s->where = strdup(pair->where);
	}
	if (!pair->key)
		return s->text && s->where ? 0 : -ENOMEM;
	if (!option_is_utf8(pair->key) || !option_is_utf8(pair->value))
		return option_error(err, "%s: not UTF-8", pair->where);
	if (!option_is_utf8(pair->where) || (pair->path && !option_is_utf8(pair->path)))
		return option_error(err, "%s: the file's name is not UTF-8", pair->where);
	line = json_object_get(s->text, pair->key);
	if (line)
		return option_error(err, "%s: %s: given before at %s", pair->where, pair->key,
				    json_string_value(json_object_get(line, "where")));
	line = json_pack("{s:s, s:s, s:s?}", "value", pair->value, "where", pair->where, "path", pair->path);
	return json_object_set_new(s->text, pair->key, line) ? -ENOMEM : 0;
}

static int refuse(const char *key, const json_t *line, struct options_error *err, const char *what)
{
	char value[80];

	return option_error(err, "%s: %s = %s: %s", json_string_value(json_object_get(line, "where")), key,
			    option_quote(value, sizeof(value), json_string_value(json_object_get(line, "value"))),
			    what);
}

/* ---- the values of an axis ---- */

struct axis_reader {
	struct sweep_axis *axis;
	struct options *scratch; /* values are set in it, so that they are checked and come out in one notation */
	const char *key, *where;
	const char *path; /* of the file; may be NULL */
	struct options_error *err;
};

static int set_value(struct axis_reader *r, const char *text)
{
	char *machine;
	int ret;

	if (r->axis->option != OPTION_machine)
		return options_set(r->scratch, r->key, text, r->where, r->err);
	machine = option_machine_beside(r->path, text);
	ret = machine ? options_set(r->scratch, r->key, machine, r->where, r->err) : -ENOMEM;
	free(machine);
	return ret;
}

static int add_value(struct axis_reader *r, const char *text)
{
	struct sweep_axis *a = r->axis;
	char buf[OPTION_PRINT_MAX];
	char **values;
	int ret = set_value(r, text);

	if (ret)
		return ret;
	if (a->count == SWEEP_MAX_POINTS)
		return option_error(r->err, "%s: %s: more than %u values", r->where, r->key, SWEEP_MAX_POINTS);
	if (!(a->count & (a->count - 1))) {
		values = realloc(a->values, (a->count ? 2UL * a->count : 1) * sizeof(*values));
		if (!values)
			return -ENOMEM;
		a->values = values;
	}
	a->values[a->count] = strdup(option_print(r->scratch, a->option, buf, sizeof(buf)));
	if (!a->values[a->count])
		return -ENOMEM;
	a->count++;
	return 0;
}

static int add_number(struct axis_reader *r, uint64_t v)
{
	char text[40];

	snprintf(text, sizeof(text), "%" PRIu64 "%s", v,
		 option_row(r->axis->option)->kind == OPTION_KIND_TIME ? "ps" : "");
	return add_value(r, text);
}

static int bad_range(struct axis_reader *r, const char *range, const char *what)
{
	char quoted[80];

	return option_error(r->err, "%s: %s = %s: %s: a range is FIRST:LAST:STEP or FIRST:LAST:*FACTOR", r->where,
			    r->key, option_quote(quoted, sizeof(quoted), range), what);
}

/* FIRST:LAST:STEP or FIRST:LAST:*FACTOR, both ends included where a step meets them. */
static int add_range(struct axis_reader *r, const char *text)
{
	char copy[128], *last, *step;
	struct option_setting s = { .key = r->key, .source = OPTIONS_SET, .where = r->where };
	uint64_t from, to, by, v;
	bool factor;
	int ret;

	if (strlen(text) >= sizeof(copy))
		return bad_range(r, text, "too long");
	strcpy(copy, text);
	last = strchr(copy, ':');
	*last++ = '\0';
	step = strchr(last, ':');
	if (!step)
		return bad_range(r, text, "the step is missing");
	*step++ = '\0';
	factor = *step == '*';
	s.value = copy;
	ret = option_parse_number(r->axis->option, &s, true, &from, r->err);
	s.value = last;
	if (!ret)
		ret = option_parse_number(r->axis->option, &s, true, &to, r->err);
	s.value = step;
	if (!ret && !factor)
		ret = option_parse_number(r->axis->option, &s, false, &by, r->err);
	if (ret)
		return ret;
	if (factor) {
		char *end;

		by = isdigit((unsigned char)step[1]) ? strtoull(step + 1, &end, 10) : 0;
		if (by < 2 || by > UINT32_MAX || *end)
			return bad_range(r, text, "the factor is not a whole number from 2 on");
		if (!from)
			return bad_range(r, text, "zero times the factor stays zero");
	} else if (!by) {
		return bad_range(r, text, "the step is zero");
	}
	if (from > to)
		return bad_range(r, text, "it ends before it begins");
	for (v = from; !ret && v <= to; v = factor ? v * by : v + by) {
		ret = add_number(r, v);
		/* The next one would not fit into a number. */
		if (factor ? v > UINT64_MAX / by : v > UINT64_MAX - by)
			break;
	}
	return ret;
}

static bool is_numeric(unsigned int option)
{
	enum option_kind kind = option_row(option)->kind;

	return kind == OPTION_KIND_U64 || kind == OPTION_KIND_PCT || kind == OPTION_KIND_SIZE ||
	       kind == OPTION_KIND_TIME;
}

/* One element of the list, without blanks around it; @text is changed. */
static int add_element(struct axis_reader *r, char *text)
{
	size_t length;

	while (isblank((unsigned char)*text))
		text++;
	length = strlen(text);
	while (length && isblank((unsigned char)text[length - 1]))
		text[--length] = '\0';
	if (*text == '[') {
		text[length - 1] = '\0';
		return add_value(r, text + 1);
	}
	return is_numeric(r->axis->option) && strchr(text, ':') ? add_range(r, text) : add_value(r, text);
}

static int read_values(struct axis_reader *r, const char *value)
{
	char *copy = strdup(value), *p = copy, *end;
	char quoted[80];
	bool more = true;
	int ret = 0;

	if (!copy)
		return -ENOMEM;
	while (!ret && more) {
		end = p + strspn(p, " \t");
		if (*end == '[') {
			end = strchr(end, ']');
			if (!end || !strchr(",", *(end + 1 + strspn(end + 1, " \t")))) {
				ret = option_error(r->err,
						   "%s: %s = %s: a bracket is not closed before the next comma",
						   r->where, r->key, option_quote(quoted, sizeof(quoted), value));
				break;
			}
		}
		end = strchr(end, ',');
		more = end != NULL;
		if (more)
			*end = '\0';
		ret = add_element(r, p);
		p = end + 1;
	}
	free(copy);
	return ret;
}

static int compare_values(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_distinct(const struct axis_reader *r)
{
	const struct sweep_axis *a = r->axis;
	char **sorted = malloc(a->count * sizeof(*sorted));
	uint32_t i;
	int ret = 0;

	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, a->values, a->count * sizeof(*sorted));
	qsort(sorted, a->count, sizeof(*sorted), compare_values);
	for (i = 1; !ret && i < a->count; i++)
		if (!strcmp(sorted[i], sorted[i - 1]))
			ret = option_error(r->err, "%s: %s: the value %s stands there twice", r->where, r->key,
					   sorted[i]);
	free(sorted);
	return ret;
}

/* ---- the section ---- */

static int read_command(struct sweep *s, const json_t *line, struct options_error *err)
{
	const char *value = json_string_value(json_object_get(line, "value"));
	int i;

	for (i = POINT_RUN; i <= POINT_MAPBENCH; i++) {
		if (!strcmp(value, point_command_name(i))) {
			s->command = i;
			return 0;
		}
	}
	return refuse("command", line, err, "not one of run, lockbench, mapbench");
}

static int read_invalid(struct sweep *s, const json_t *line, struct options_error *err)
{
	const char *value = json_string_value(json_object_get(line, "value"));

	s->skip_invalid = !strcmp(value, "skip");
	if (!s->skip_invalid && strcmp(value, "refuse"))
		return refuse("invalid", line, err, "neither refuse nor skip");
	return 0;
}

/* Whether a point may have it: what says where a result goes is the sweep's. */
static bool can_be_axis(const struct sweep *s, unsigned int option)
{
	return option_in_ini(option) && (option_row(option)->scope & point_scope(s->command)) &&
	       strcmp(option_section(option), "Output");
}

static int unknown_axis(const struct sweep *s, const char *key, const char *where, struct options_error *err)
{
	struct option_guess guess;
	unsigned int id;
	char hint[128], quoted[80];

	if (option_find(key) != OPTION_COUNT)
		return option_error(err, "%s: %s: not an option of %s that a sweep can go through", where, key,
				    point_command_name(s->command));
	option_guess_init(&guess, key);
	option_guess_try(&guess, "command");
	option_guess_try(&guess, "zip");
	option_guess_try(&guess, "invalid");
	for (id = 0; id < OPTION_COUNT; id++)
		if (can_be_axis(s, id))
			option_guess_try(&guess, option_row(id)->name);
	return option_error(err, "%s: %s: not command, zip, invalid or an option of %s%s", where,
			    option_quote(quoted, sizeof(quoted), key), point_command_name(s->command),
			    option_guess_text(&guess, hint, sizeof(hint), ""));
}

static int read_axis(struct sweep *s, const struct options *base, const char *key, const json_t *line,
		     struct options_error *err)
{
	const char *where = json_string_value(json_object_get(line, "where"));
	struct axis_reader r = {
		.key = key,
		.where = where,
		.path = json_string_value(json_object_get(line, "path")),
		.err = err,
	};
	unsigned int option = option_find(key);
	struct options scratch;
	int ret;

	if (option == OPTION_COUNT || !can_be_axis(s, option))
		return unknown_axis(s, key, where, err);
	if (options_given(base, option))
		return option_error(err, "%s: the sweep goes through %s (%s)", options_origin(base, option), key,
				    where);
	if (s->axis_count == SWEEP_MAX_AXES)
		return option_error(err, "%s: %s: more than %u axes", where, key, SWEEP_MAX_AXES);
	r.axis = &s->axes[s->axis_count++];
	*r.axis = (struct sweep_axis){ .option = option, .group = UINT32_MAX };
	ret = options_copy(&scratch, base);
	if (ret)
		return ret;
	r.scratch = &scratch;
	ret = read_values(&r, json_string_value(json_object_get(line, "value")));
	options_free(&scratch);
	return ret ? ret : check_distinct(&r);
}

/* "a + b": one group of zip. @text is changed. */
static int read_group(struct sweep *s, char *text, const json_t *line, struct options_error *err)
{
	uint32_t group = s->group_count++, members = 0, i;
	char *name, *rest = NULL;

	s->group_size[group] = 0;
	for (name = strtok_r(text, "+ \t", &rest); name; name = strtok_r(NULL, "+ \t", &rest)) {
		for (i = 0; i < s->axis_count; i++)
			if (!strcmp(option_row(s->axes[i].option)->name, name))
				break;
		if (i == s->axis_count)
			return refuse("zip", line, err, "names an option that is no axis of this sweep");
		if (s->axes[i].group != UINT32_MAX)
			return refuse("zip", line, err, "names an option twice");
		if (members++ && s->axes[i].count != s->group_size[group])
			return refuse("zip", line, err, "options that advance together need equally many values");
		s->axes[i].group = group;
		s->group_size[group] = s->axes[i].count;
	}
	return members < 2 ? refuse("zip", line, err, "not OPTION + OPTION, ...") : 0;
}

static int read_zip(struct sweep *s, const json_t *line, struct options_error *err)
{
	char *copy = strdup(json_string_value(json_object_get(line, "value"))), *rest = NULL, *part;
	int ret = copy ? 0 : -ENOMEM;

	for (part = copy ? strtok_r(copy, ",", &rest) : NULL; part && !ret; part = strtok_r(NULL, ",", &rest))
		ret = read_group(s, part, line, err);
	free(copy);
	return !ret && !s->group_count ? refuse("zip", line, err, "not OPTION + OPTION, ...") : ret;
}

/* Groups in the order of their first axes, so that the axis that comes first is the slowest. */
static void number_groups(struct sweep *s)
{
	uint32_t number[SWEEP_MAX_AXES], size[SWEEP_MAX_AXES], i, next = 0;

	for (i = 0; i < SWEEP_MAX_AXES; i++)
		number[i] = UINT32_MAX;
	for (i = 0; i < s->axis_count; i++) {
		uint32_t *group = &s->axes[i].group;

		if (*group == UINT32_MAX) {
			size[next] = s->axes[i].count;
			*group = next++;
			continue;
		}
		if (number[*group] == UINT32_MAX) {
			size[next] = s->axes[i].count;
			number[*group] = next++;
		}
		*group = number[*group];
	}
	s->group_count = next;
	memcpy(s->group_size, size, next * sizeof(size[0]));
}

static int count_points(struct sweep *s, struct options_error *err)
{
	uint32_t i;

	s->count = 1;
	for (i = 0; i < s->group_count; i++) {
		s->count *= s->group_size[i];
		if (s->count > SWEEP_MAX_POINTS)
			return option_error(err, "%s: the sweep has more than %u points",
					    s->where ? s->where : SECTION_NAME, SWEEP_MAX_POINTS);
	}
	return 0;
}

/* What the command does not take. A file may say more than one command uses; the command line means this one. */
static int check_given(const struct sweep *s, const struct options *base, struct options_error *err)
{
	unsigned int id;

	for (id = 0; id < OPTION_COUNT; id++)
		if (options_given(base, id) && !(option_row(id)->scope & (base->scope | S_SWEEP | S_VALID)))
			return option_error(err, "%s: %s is not an option of %s, which this goes through",
					    options_origin(base, id), option_row(id)->name,
					    point_command_name(s->command));
	return 0;
}

int sweep_finish(struct sweep *s, struct options *base, struct options_error *err)
{
	const json_t *zip = json_object_get(s->text, "zip"), *line;
	const char *key;
	char file[300];
	int ret = 0;

	if (!s->text)
		return option_error(err, "%s: there is no section [%s]",
				    base->args.count ? option_quote(file, sizeof(file), base->args.v[0])
						     : "configuration",
				    SECTION_NAME);
	line = json_object_get(s->text, "command");
	if (line)
		ret = read_command(s, line, err);
	line = json_object_get(s->text, "invalid");
	if (!ret && line)
		ret = read_invalid(s, line, err);
	base->scope = point_scope(s->command);
	option_scope_defaults(base, base->scope);
	if (!ret)
		ret = check_given(s, base, err);
	json_object_foreach(s->text, key, line) {
		if (!ret && strcmp(key, "command") && strcmp(key, "zip") && strcmp(key, "invalid"))
			ret = read_axis(s, base, key, line, err);
	}
	if (!ret && !s->axis_count)
		ret = option_error(err, "%s: [%s] goes through no option: it needs a line OPTION = VALUE, ...",
				   s->where, SECTION_NAME);
	if (!ret && zip)
		ret = read_zip(s, zip, err);
	if (ret)
		return ret;
	number_groups(s);
	ret = count_points(s, err);
	json_decref(s->text);
	s->text = NULL;
	free(s->where);
	s->where = NULL;
	return ret;
}

void sweep_destroy(struct sweep *s)
{
	uint32_t i, k;

	for (i = 0; i < s->axis_count; i++) {
		for (k = 0; k < s->axes[i].count; k++)
			free(s->axes[i].values[k]);
		free(s->axes[i].values);
	}
	json_decref(s->text);
	free(s->where);
	memset(s, 0, sizeof(*s));
}

/* ---- the points ---- */

uint32_t sweep_value(const struct sweep *s, uint64_t index, uint32_t axis)
{
	uint32_t group = s->group_count;

	assert(index < s->count && axis < s->axis_count);
	while (--group > s->axes[axis].group)
		index /= s->group_size[group];
	return (uint32_t)(index % s->group_size[group]);
}

uint64_t sweep_index(const struct sweep *s, const uint32_t *position)
{
	uint64_t index = 0;
	uint32_t g;

	for (g = 0; g < s->group_count; g++)
		index = index * s->group_size[g] + position[g];
	return index;
}

const struct sweep_axis *sweep_axis_of(const struct sweep *s, unsigned int option)
{
	uint32_t i;

	for (i = 0; i < s->axis_count; i++)
		if (s->axes[i].option == option)
			return &s->axes[i];
	return NULL;
}

int sweep_point(const struct sweep *s, const struct options *base, uint64_t index, struct options *o,
		struct options_error *err)
{
	int ret = options_copy(o, base);
	uint32_t i;

	for (i = 0; !ret && i < s->axis_count; i++)
		ret = options_set(o, option_row(s->axes[i].option)->name,
				  s->axes[i].values[sweep_value(s, index, i)], SECTION_NAME, err);
	if (!ret)
		ret = options_validate(o, err);
	return ret ? ret : scenario_use_engine(o, err);
}

json_t *sweep_point_json(const struct sweep *s, uint64_t index)
{
	json_t *object = json_object();
	struct options o;
	uint32_t i;

	if (options_init(&o)) {
		json_decref(object);
		return NULL;
	}
	for (i = 0; object && i < s->axis_count; i++) {
		const char *name = option_row(s->axes[i].option)->name;

		if (options_set(&o, name, s->axes[i].values[sweep_value(s, index, i)], NULL, NULL) ||
		    json_object_set_new(object, name, option_to_json(&o, s->axes[i].option))) {
			json_decref(object);
			object = NULL;
		}
	}
	options_free(&o);
	return object;
}

const char *sweep_point_text(const struct sweep *s, uint64_t index, char *buf, size_t size)
{
	size_t used = 0;
	uint32_t i;

	buf[0] = '\0';
	for (i = 0; i < s->axis_count && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s=%s", i ? " " : "",
					 option_row(s->axes[i].option)->name,
					 s->axes[i].values[sweep_value(s, index, i)]);
	return buf;
}

/* ---- as JSON ---- */

static json_t *axis_to_json(const struct sweep_axis *a)
{
	json_t *values = json_array();
	uint32_t i;

	for (i = 0; values && i < a->count; i++) {
		if (json_array_append_new(values, json_string(a->values[i]))) {
			json_decref(values);
			values = NULL;
		}
	}
	return json_pack("{s:s, s:i, s:o}", "option", option_row(a->option)->name, "group", (int)a->group, "values",
			 values);
}

json_t *sweep_to_json(const struct sweep *s)
{
	json_t *axes = json_array();
	uint32_t i;

	for (i = 0; axes && i < s->axis_count; i++) {
		if (json_array_append_new(axes, axis_to_json(&s->axes[i]))) {
			json_decref(axes);
			axes = NULL;
		}
	}
	return json_pack("{s:s, s:s, s:o}", "command", point_command_name(s->command), "invalid",
			 s->skip_invalid ? "skip" : "refuse", "axes", axes);
}

static int axis_from_json(struct sweep *s, const json_t *json)
{
	const char *name = json_string_value(json_object_get(json, "option"));
	const json_t *values = json_object_get(json, "values");
	json_int_t group = json_integer_value(json_object_get(json, "group"));
	struct sweep_axis *a = &s->axes[s->axis_count];
	size_t i;

	if (!name || option_find(name) == OPTION_COUNT || s->axis_count == SWEEP_MAX_AXES || group < 0 ||
	    group >= SWEEP_MAX_AXES || !json_array_size(values) || json_array_size(values) > SWEEP_MAX_POINTS)
		return -EINVAL;
	*a = (struct sweep_axis){ .option = option_find(name), .group = (uint32_t)group };
	a->values = calloc(json_array_size(values), sizeof(*a->values));
	if (!a->values)
		return -ENOMEM;
	s->axis_count++;
	for (i = 0; i < json_array_size(values); i++) {
		const char *text = json_string_value(json_array_get(values, i));

		if (!text)
			return -EINVAL;
		a->values[i] = strdup(text);
		if (!a->values[i])
			return -ENOMEM;
		a->count++;
	}
	if (s->group_size[a->group] && s->group_size[a->group] != a->count)
		return -EINVAL;
	s->group_size[a->group] = a->count;
	if (a->group >= s->group_count)
		s->group_count = a->group + 1;
	return 0;
}

int sweep_from_json(struct sweep *s, const json_t *json)
{
	const char *command = json_string_value(json_object_get(json, "command"));
	const char *invalid = json_string_value(json_object_get(json, "invalid"));
	const json_t *axes = json_object_get(json, "axes");
	struct options_error err;
	uint32_t g;
	size_t i;
	int ret = 0, c;

	memset(s, 0, sizeof(*s));
	if (!command || !invalid || !json_array_size(axes))
		return -EINVAL;
	for (c = POINT_RUN; c <= POINT_MAPBENCH; c++)
		if (!strcmp(command, point_command_name(c)))
			break;
	if (c > POINT_MAPBENCH)
		return -EINVAL;
	s->command = c;
	s->skip_invalid = !strcmp(invalid, "skip");
	for (i = 0; !ret && i < json_array_size(axes); i++)
		ret = axis_from_json(s, json_array_get(axes, i));
	for (g = 0; !ret && g < s->group_count; g++)
		if (!s->group_size[g])
			ret = -EINVAL;
	if (!ret)
		ret = count_points(s, &err);
	if (ret)
		sweep_destroy(s);
	return ret;
}
