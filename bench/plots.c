/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/plots_internal.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/options_table.h"

#define SECTION_NAME "plot"

static const char *const plot_keys[] = { "kind",   "x",	      "y",    "parts", "series",    "panel",
					 "where",  "against", "as",   "along", "level_pct", "title",
					 "xlabel", "ylabel",  "logx", "logy",  "zero",	    "reference" };

#define KEY_COUNT (sizeof(plot_keys) / sizeof(plot_keys[0]))

const char *plot_text(const json_t *keys, const char *key)
{
	return json_string_value(json_object_get(json_object_get(keys, key), "value"));
}

int plot_refuse(const struct plot *p, struct options_error *err, const char *what)
{
	return option_error(err, "%s: plot %s: %s", p->begins, p->name, what);
}

static int refuse(const json_t *keys, const char *key, struct options_error *err, const char *what)
{
	return option_error(err, "%s: %s = %s: %s",
			    json_string_value(json_object_get(json_object_get(keys, key), "where")), key,
			    plot_text(keys, key), what);
}

/* ---- the file ---- */

static json_t *find_section(const json_t *plots, const char *name)
{
	size_t i;

	for (i = 0; i < json_array_size(plots); i++)
		if (!strcmp(json_string_value(json_object_get(json_array_get(plots, i), "name")), name))
			return json_array_get(plots, i);
	return NULL;
}

int plots_take_pair(json_t **plots, const struct options_ini_pair *pair, struct options_error *err)
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
	if (!gnuplot_is_name(name))
		return option_error(err,
				    "%s: [plot NAME]: NAME becomes the name of a file: letters, digits and -_.+",
				    pair->where);
	if (!option_is_utf8(pair->where) ||
	    (pair->key && !(option_is_utf8(pair->key) && option_is_utf8(pair->value))))
		return option_error(err, "%s: not UTF-8", pair->where);
	if (!*plots)
		*plots = json_array();
	section = find_section(*plots, name);
	if (!pair->key) {
		if (section)
			return option_error(err, "%s: plot %s: given before at %s", pair->where, name,
					    json_string_value(json_object_get(section, "where")));
		section = json_pack("{s:s, s:s, s:{}}", "name", name, "where", pair->where, "keys");
		return json_array_append_new(*plots, section) ? -ENOMEM : 0;
	}
	option_guess_init(&guess, pair->key);
	for (i = 0; i < KEY_COUNT && strcmp(pair->key, plot_keys[i]); i++)
		option_guess_try(&guess, plot_keys[i]);
	if (i == KEY_COUNT)
		return option_error(err, "%s: %s: unknown key of a plot%s", pair->where, pair->key,
				    option_guess_text(&guess, hint, sizeof(hint), ""));
	if (plot_text(json_object_get(section, "keys"), pair->key))
		return option_error(err, "%s: %s: given before", pair->where, pair->key);
	line = json_pack("{s:s, s:s}", "value", pair->value, "where", pair->where);
	return json_object_set_new(json_object_get(section, "keys"), pair->key, line) ? -ENOMEM : 0;
}

/* ---- a section against the sweep ---- */

static bool find_axis(const struct sweep *s, const char *name, uint32_t *axis)
{
	for (*axis = 0; *axis < s->axis_count; ++*axis)
		if (!strcmp(option_row(s->axes[*axis].option)->name, name))
			return true;
	return false;
}

bool plot_axis_is_numeric(const struct sweep_axis *a)
{
	enum option_kind kind = option_row(a->option)->kind;

	return kind == OPTION_KIND_U64 || kind == OPTION_KIND_PCT || kind == OPTION_KIND_SIZE ||
	       kind == OPTION_KIND_TIME;
}

/* "a + b"; none where the key is missing. */
static int read_axes(struct axis_list *list, const json_t *keys, const char *key, const struct sweep *s,
		     struct options_error *err)
{
	const char *text = plot_text(keys, key);
	char *copy = text ? strdup(text) : NULL, *rest = NULL, *name;
	int ret = 0;

	if (text && !copy)
		return -ENOMEM;
	for (name = copy ? strtok_r(copy, "+ \t", &rest) : NULL; name && !ret;
	     name = strtok_r(NULL, "+ \t", &rest)) {
		if (list->count == MAX_JOINED)
			ret = refuse(keys, key, err, "more than four options");
		else if (!find_axis(s, name, &list->axis[list->count]))
			ret = refuse(keys, key, err, "not an option that this sweep goes through");
		else
			list->count++;
	}
	if (text && !ret && !list->count)
		ret = refuse(keys, key, err, "names no option");
	free(copy);
	return ret;
}

/* Which of an axis' values @text means, in whatever notation; the number of values if none. */
static uint32_t find_value(const struct sweep_axis *a, const char *text)
{
	char buf[OPTION_PRINT_MAX];
	struct options o;
	uint32_t k = a->count;

	if (!options_init(&o)) {
		if (!options_set(&o, option_row(a->option)->name, text, NULL, NULL))
			text = option_print(&o, a->option, buf, sizeof(buf));
		for (k = 0; k < a->count; k++)
			if (!strcmp(a->values[k], text))
				break;
	}
	options_free(&o);
	return k;
}

static int refuse_value(const json_t *keys, const char *key, const struct sweep_axis *a, struct options_error *err)
{
	char what[300];
	int used = snprintf(what, sizeof(what), "the values of %s are", option_row(a->option)->name);
	uint32_t k;

	for (k = 0; k < a->count && (size_t)used + strlen(a->values[k]) + 8 < sizeof(what); k++)
		used += snprintf(what + used, sizeof(what) - (size_t)used, "%s %s", k ? "," : "", a->values[k]);
	if (k < a->count)
		snprintf(what + used, sizeof(what) - (size_t)used, ", ...");
	return refuse(keys, key, err, what);
}

/* KEY=VALUE ...: values of axes. */
static int read_fixed(fixed_t fixed, const json_t *keys, const char *key, const struct sweep *s,
		      struct options_error *err)
{
	const char *text = plot_text(keys, key);
	char *copy = text ? strdup(text) : NULL, *rest = copy, *word;
	uint32_t i, k;
	int ret = text && !copy ? -ENOMEM : 0;

	for (i = 0; i < SWEEP_MAX_AXES; i++)
		fixed[i] = -1;
	while (copy && !ret && (word = option_next_word(&rest))) {
		char *equals = strchr(word, '=');

		if (equals)
			*equals = '\0';
		if (!equals || !find_axis(s, word, &i)) {
			ret = refuse(keys, key, err, "not OPTION=VALUE of options that this sweep goes through");
			break;
		}
		k = find_value(&s->axes[i], equals + 1);
		if (k == s->axes[i].count)
			ret = refuse_value(keys, key, &s->axes[i], err);
		else if (fixed[s->axes[i].group] >= 0 && fixed[s->axes[i].group] != k)
			ret = refuse(keys, key, err, "no point of the sweep has all of this");
		else
			fixed[s->axes[i].group] = k;
	}
	free(copy);
	return ret;
}

static int read_kind(struct plot *p, struct options_error *err)
{
	const char *text = plot_text(p->keys, "kind");
	int i;

	p->kind = GNUPLOT_LINES;
	if (!text)
		return 0;
	p->knee = !strcmp(text, "knee");
	for (i = GNUPLOT_LINES; i < GNUPLOT_TORNADO; i++) {
		if (!strcmp(text, gnuplot_kind_name(i))) {
			p->kind = i;
			return 0;
		}
	}
	return p->knee ? 0 : refuse(p->keys, "kind", err, "not one of lines, bars, stacked, cdf, scatter, knee");
}

/* A comma-separated list into elements of @size bytes. */
static int read_list(const struct plot *p, const char *key, char *elements, size_t size, uint32_t *count,
		     struct options_error *err)
{
	const char *text = plot_text(p->keys, key);

	while (text && *text) {
		size_t length;

		text += strspn(text, " \t");
		length = strcspn(text, ",");
		if (*count == GNUPLOT_MAX_SERIES)
			return refuse(p->keys, key, err, "more than eight");
		if (!length)
			return refuse(p->keys, key, err, "nothing between two commas");
		if (length >= size)
			return refuse(p->keys, key, err, "too long");
		memcpy(elements + *count * size, text, length);
		while (length && isblank((unsigned char)elements[*count * size + length - 1]))
			length--;
		elements[*count * size + length] = '\0';
		++*count;
		text += strcspn(text, ",");
		text += *text == ',';
	}
	return 0;
}

static int read_y(struct plot *p, const struct sweep *s, struct options_error *err)
{
	int ret = read_list(p, "y", p->y_path[0], sizeof(p->y_path[0]), &p->y_count, err);
	uint32_t i;

	if (!ret)
		ret = read_list(p, "parts", p->part_name[0], sizeof(p->part_name[0]), &p->part_count, err);
	if (ret)
		return ret;
	if (!p->y_count && p->kind != GNUPLOT_CDF) {
		snprintf(p->y_path[0], sizeof(p->y_path[0]), "%s", point_throughput(s->command));
		p->y_count = 1;
	}
	if (p->kind == GNUPLOT_CDF && (p->y_count || s->command != POINT_RUN))
		return plot_refuse(p, err, "kind = cdf draws the latencies of run, and nothing else: without y");
	if (p->kind != GNUPLOT_STACKED && (p->y_count > 1 || p->part_count))
		return refuse(p->keys, p->part_count ? "parts" : "y", err, "only kind = stacked has several");
	if (p->part_count && p->part_count != p->y_count)
		return refuse(p->keys, "parts", err, "as many names as y has paths");
	/* By the end of their paths. */
	for (i = p->part_count; i < p->y_count; i++) {
		const char *dot = strrchr(p->y_path[i], '.'), *name = dot ? dot + 1 : p->y_path[i];
		size_t length = strnlen(name, sizeof(p->part_name[i]) - 1);

		memcpy(p->part_name[i], name, length);
		p->part_name[i][length] = '\0';
	}
	return 0;
}

static int read_relation(struct plot *p, const struct sweep *s, struct options_error *err)
{
	const char *as = plot_text(p->keys, "as");
	int ret = read_fixed(p->against, p->keys, "against", s, err);

	if (ret)
		return ret;
	p->related = plot_text(p->keys, "against") != NULL;
	p->drop = as && !strcmp(as, "drop_pct");
	if (as && !p->related)
		return refuse(p->keys, "as", err, "needs `against`");
	if (as && p->knee)
		return refuse(p->keys, "as", err, "kind = knee looks at the ratio");
	if (as && !p->drop && strcmp(as, "ratio"))
		return refuse(p->keys, "as", err, "neither ratio nor drop_pct");
	if (p->related && p->kind != GNUPLOT_LINES && p->kind != GNUPLOT_BARS)
		return refuse(p->keys, "against", err, "only for lines, bars and knee");
	return 0;
}

static int read_knee(struct plot *p, const struct sweep *s, struct options_error *err)
{
	const char *level = plot_text(p->keys, "level_pct"), *along = plot_text(p->keys, "along");
	char *end;

	if (!p->knee && (level || along))
		return refuse(p->keys, level ? "level_pct" : "along", err, "only for kind = knee");
	if (!p->knee)
		return 0;
	if (!along || !p->related)
		return plot_refuse(p, err, "kind = knee needs `along` and `against`");
	if (!find_axis(s, along, &p->along))
		return refuse(p->keys, "along", err, "not an option that this sweep goes through");
	if (!plot_axis_is_numeric(&s->axes[p->along]))
		return refuse(p->keys, "along", err, "not a number");
	p->level = level ? strtod(level, &end) / 100 : 0.99;
	if (level && (*end || !(p->level > 0 && p->level < 1)))
		return refuse(p->keys, "level_pct", err, "not a percentage above 0 and below 100");
	return 0;
}

static int read_x(struct plot *p, const struct sweep *s, struct options_error *err)
{
	const char *x = plot_text(p->keys, "x");

	if (p->kind == GNUPLOT_SCATTER) {
		p->x_path = x;
		return x ? 0 : plot_refuse(p, err, "kind = scatter needs x, a value of the result");
	}
	if (p->kind == GNUPLOT_CDF)
		return x ? refuse(p->keys, "x", err, "a cdf's x is the latency") : 0;
	return x ? read_axes(&p->x, p->keys, "x", s, err)
		 : plot_refuse(p, err, "x is missing: an option that the sweep goes through");
}

static int check_flags(const struct plot *p, struct options_error *err)
{
	static const char *const flags[] = { "logx", "logy", "zero" };
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		const char *text = plot_text(p->keys, flags[i]);

		if (text && strcmp(text, "yes") && strcmp(text, "no"))
			return refuse(p->keys, flags[i], err, "neither yes nor no");
	}
	return 0;
}

static void cover(bool *covered, const struct axis_list *list, const struct sweep *s)
{
	uint32_t i;

	for (i = 0; i < list->count; i++)
		covered[s->axes[list->axis[i]].group] = true;
}

/* Points that differ in what no axis of the picture shows would be drawn on top of each other. */
static int check_covered(const struct plot *p, const struct sweep *s, struct options_error *err)
{
	bool covered[SWEEP_MAX_AXES] = { false };
	uint32_t i;

	cover(covered, &p->x, s);
	cover(covered, &p->series, s);
	cover(covered, &p->panel, s);
	if (p->knee)
		covered[s->axes[p->along].group] = true;
	for (i = 0; i < s->axis_count; i++) {
		uint32_t group = s->axes[i].group;

		/* Points of a scatter are told apart by where they are. */
		if (covered[group] || p->where[group] >= 0 || s->axes[i].count == 1 || p->kind == GNUPLOT_SCATTER)
			continue;
		if (p->related && p->against[group] >= 0 && s->group_size[group] == 2)
			continue;
		return option_error(
			err, "%s: plot %s: the sweep goes through %s too: x, series, panel or where has to name it",
			p->begins, p->name, option_row(s->axes[i].option)->name);
	}
	return 0;
}

/* NUMBER TEXT, ...: onto @pic, or with NULL only looked at. */
int plot_references(const struct plot *p, struct gnuplot_picture *pic, struct options_error *err)
{
	const char *text = plot_text(p->keys, "reference");
	char *copy = text ? strdup(text) : NULL, *rest = NULL, *part;
	int ret = text && !copy ? -ENOMEM : 0;

	for (part = copy ? strtok_r(copy, ",", &rest) : NULL; part && !ret; part = strtok_r(NULL, ",", &rest)) {
		char *end;
		double value = strtod(part, &end);

		if (end == part || !isfinite(value))
			ret = refuse(p->keys, "reference", err, "not NUMBER TEXT, ...");
		else if (pic)
			ret = gnuplot_add_reference(pic, value, end + strspn(end, " \t"));
	}
	free(copy);
	return ret;
}

int plot_parse(struct plot *p, const json_t *section, const struct sweep *s, struct options_error *err)
{
	int ret;

	*p = (struct plot){ .name = json_string_value(json_object_get(section, "name")),
			    .begins = json_string_value(json_object_get(section, "where")),
			    .keys = json_object_get(section, "keys") };
	ret = read_kind(p, err);
	if (!ret)
		ret = read_x(p, s, err);
	if (!ret)
		ret = read_axes(&p->series, p->keys, "series", s, err);
	if (!ret)
		ret = read_axes(&p->panel, p->keys, "panel", s, err);
	if (!ret)
		ret = read_fixed(p->where, p->keys, "where", s, err);
	if (!ret)
		ret = read_y(p, s, err);
	if (!ret && p->kind == GNUPLOT_STACKED && p->series.count)
		ret = refuse(p->keys, "series", err, "the parts are the series of kind = stacked");
	if (!ret)
		ret = read_relation(p, s, err);
	if (!ret)
		ret = read_knee(p, s, err);
	if (!ret)
		ret = check_flags(p, err);
	if (!ret)
		ret = plot_references(p, NULL, err);
	return ret ? ret : check_covered(p, s, err);
}

int plots_check(const json_t *plots, const struct sweep *s, struct options_error *err)
{
	struct plot p;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < json_array_size(plots); i++)
		ret = plot_parse(&p, json_array_get(plots, i), s, err);
	return ret;
}

/* ---- the plot of a sweep that says nothing of plots ---- */

static void set_key(json_t *keys, const char *key, const char *value)
{
	json_object_set_new(keys, key, json_pack("{s:s, s:s}", "value", value, "where", "default plot"));
}

json_t *plots_default(const struct sweep *s)
{
	json_t *keys = json_object(), *plots;
	uint32_t x = 0, series = UINT32_MAX, i;
	char where[1024] = "", name[64];
	size_t used = 0;

	for (i = 1; i < s->axis_count; i++)
		if (plot_axis_is_numeric(&s->axes[i]) > plot_axis_is_numeric(&s->axes[x]) ||
		    (plot_axis_is_numeric(&s->axes[i]) == plot_axis_is_numeric(&s->axes[x]) &&
		     s->axes[i].count > s->axes[x].count))
			x = i;
	for (i = 0; i < s->axis_count; i++)
		if (s->axes[i].group != s->axes[x].group && s->axes[i].count > 1 &&
		    s->axes[i].count <= GNUPLOT_MAX_SERIES && series == UINT32_MAX)
			series = i;
	/* Of what is left, the first value. */
	for (i = 0; i < s->axis_count; i++)
		if (s->axes[i].group != s->axes[x].group && s->axes[i].count > 1 &&
		    (series == UINT32_MAX || s->axes[i].group != s->axes[series].group) && used < sizeof(where))
			used += (size_t)snprintf(where + used, sizeof(where) - used, "%s\"%s=%s\"", used ? " " : "",
						 option_row(s->axes[i].option)->name, s->axes[i].values[0]);
	set_key(keys, "kind", plot_axis_is_numeric(&s->axes[x]) ? "lines" : "bars");
	set_key(keys, "x", option_row(s->axes[x].option)->name);
	set_key(keys, "zero", "yes");
	if (series != UINT32_MAX)
		set_key(keys, "series", option_row(s->axes[series].option)->name);
	if (used)
		set_key(keys, "where", where);
	snprintf(name, sizeof(name), "%s", point_throughput(s->command));
	plots = json_pack("[{s:s, s:s, s:o}]", "name", name, "where", "default plot", "keys", keys);
	return plots;
}
