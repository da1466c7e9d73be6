/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/compare.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/options_table.h"

/* One of the two sets: a report, or a sweep. */
struct result_set {
	const char *path;
	bool is_dir;
	struct sweep_dir dir;
	json_t *report;
	uint64_t count; /* of points, or of results */
};

static void close_set(struct result_set *s)
{
	if (s->is_dir)
		sweep_dir_close(&s->dir);
	json_decref(s->report);
}

static int open_set(struct result_set *s, const char *path, struct options_error *err)
{
	json_error_t error;

	*s = (struct result_set){ .path = path, .is_dir = sweep_dir_is(path) };
	if (s->is_dir) {
		int ret = sweep_dir_open(&s->dir, path, err);

		s->count = s->dir.sweep.count;
		return ret;
	}
	s->report = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!s->report)
		return error.line > 0 ? option_error(err, "%s:%d: %s", path, error.line, error.text)
				      : option_error(err, "%s", error.text);
	s->count = json_array_size(json_object_get(s->report, "results"));
	if (!s->count || !json_is_object(json_object_get(s->report, "config")))
		return option_error(err, "%s: not a report of simbench: it has no config or no results", path);
	return 0;
}

static const json_t *config_of(const struct result_set *s)
{
	return json_object_get(s->is_dir ? s->dir.manifest : s->report, "config");
}

/*
 * Result @i, and as a new reference what tells it from the others of its set. NULL in *@result where there is none.
 * *@owner is what the result is a part of.
 */
static int get_result(const struct result_set *s, uint64_t i, json_t **owner, json_t **result, json_t **key,
		      struct options_error *err)
{
	int ret;

	*owner = *result = *key = NULL;
	if (!s->is_dir) {
		*result = json_array_get(json_object_get(s->report, "results"), i);
		*key = json_incref(json_object_get(*result, "scenario"));
		if (!*key)
			*key = json_object();
		return *key ? 0 : -ENOMEM;
	}
	ret = sweep_dir_read(&s->dir, i, owner);
	if (ret == -ENOENT)
		return 0;
	if (ret == -EINVAL)
		return option_error(err, "%s: its point %llu is damaged", s->path, (unsigned long long)i);
	if (ret) {
		option_error(err, "%s: point %llu: %s", s->path, (unsigned long long)i, strerror(-ret));
		return ret;
	}
	*result = json_object_get(*owner, "result");
	*key = json_incref(json_object_get(*owner, "point"));
	return 0;
}

static char *dump_key(const json_t *key)
{
	return json_dumps(key, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(12));
}

/* "devices=4 policy=static" of an object with scalars. */
static char *name_of(const json_t *key, const json_t *differing)
{
	size_t size = 0, used = 0;
	char *text = NULL, *value;
	FILE *f = open_memstream(&text, &size);
	const char *name;
	const json_t *member;

	if (!f)
		return NULL;
	json_object_foreach((json_t *)key, name, member) {
		if (differing && !json_object_get(differing, name))
			continue;
		value = json_is_string(member) ? strdup(json_string_value(member))
					       : json_dumps(member, JSON_COMPACT | JSON_ENCODE_ANY);
		used += (size_t)fprintf(f, "%s%s=%s", used ? " " : "", name, value ? value : "");
		free(value);
	}
	/* A report's only result is told from no other. */
	if (!used)
		fputs("result", f);
	fclose(f);
	return text;
}

/* ---- the measure ---- */

static const char *throughput_of(const json_t *result)
{
	int c;

	for (c = POINT_RUN; c <= POINT_MAPBENCH; c++)
		if (json_object_get(result, point_throughput(c)))
			return point_throughput(c);
	return NULL;
}

/* Settles what is compared from the first result that there is. Returns 1 where @result has no value. */
static int get_value(struct compare *c, const struct result_set *s, const json_t *result, struct measure *m,
		     struct options_error *err)
{
	char paths[600];
	int ret;

	if (!*c->measure) {
		const char *path = throughput_of(result);

		if (!path)
			return option_error(
				err, "%s: its results have no throughput: say what to compare with --measure",
				s->path);
		snprintf(c->measure, sizeof(c->measure), "%s", path);
	}
	ret = measure_get(result, c->measure, m);
	if (ret == -ENOENT)
		return option_error(err, "%s: its results have no %s: --measure takes one of %s", s->path,
				    c->measure, measure_paths(result, paths, sizeof(paths)));
	return ret ? 1 : 0;
}

void compare_judge(struct compare_point *p)
{
	struct stats_mean a = measure_mean(&p->a), b = measure_mean(&p->b);

	stats_difference(&a, &b, &p->difference);
	p->t = stats_welch_t(&p->difference);
	if ((!p->a.exact && p->a.count < 2) || (!p->b.exact && p->b.count < 2))
		p->verdict = COMPARE_UNKNOWN;
	else if (fabs(p->difference.value) <= p->difference.ci95)
		p->verdict = COMPARE_SAME;
	else
		p->verdict = p->difference.value > 0 ? COMPARE_HIGHER : COMPARE_LOWER;
}

/* ---- matching ---- */

/* Takes note of a point in @index, from key to number. */
static int note_point(const struct result_set *s, json_t *index, const char *key, uint64_t i,
		      struct options_error *err)
{
	if (json_object_get(index, key))
		return option_error(err, "%s: two results are of one scenario: %.200s", s->path, key);
	return json_object_set_new(index, key, json_integer((json_int_t)i)) ? -ENOMEM : 0;
}

/* Only what has to be remembered of the points of the second set. */
static int index_set(const struct result_set *s, json_t *index, struct options_error *err)
{
	uint64_t i;
	int ret = 0;

	for (i = 0; !ret && i < s->count; i++) {
		json_t *owner, *result, *key;
		char *text = NULL;

		ret = get_result(s, i, &owner, &result, &key, err);
		if (!ret && result) {
			text = dump_key(key);
			ret = text ? note_point(s, index, text, i, err) : -ENOMEM;
		}
		free(text);
		json_decref(key);
		json_decref(owner);
	}
	return ret;
}

static int add_point(struct compare *c, const struct result_set *a, const struct result_set *b, const json_t *ra,
		     uint64_t other, const json_t *key, const json_t *differing, struct options_error *err)
{
	struct compare_point *p, *more;
	json_t *owner, *rb, *kb;
	int ret = get_result(b, other, &owner, &rb, &kb, err);

	if (!(c->count & (c->count - 1))) {
		more = realloc(c->points, (c->count ? 2UL * c->count : 1) * sizeof(*more));
		if (!more)
			ret = -ENOMEM;
		else
			c->points = more;
	}
	if (!ret) {
		p = &c->points[c->count];
		*p = (struct compare_point){ .name = NULL };
		ret = get_value(c, a, ra, &p->a, err);
		if (!ret)
			ret = get_value(c, b, rb, &p->b, err);
	}
	if (!ret) {
		c->count++;
		compare_judge(p);
		p->name = name_of(key, differing);
		if (!p->name)
			ret = -ENOMEM;
	}
	json_decref(kb);
	json_decref(owner);
	c->valueless += ret == 1;
	return ret == 1 ? 0 : ret;
}

/* The members of a report's scenarios that are not the same in all of them; NULL for all of a sweep's. */
static json_t *differing_members(const struct result_set *s)
{
	const json_t *first, *value;
	json_t *members;
	const char *key;
	uint64_t i;

	if (s->is_dir)
		return NULL;
	members = json_object();
	first = json_object_get(json_array_get(json_object_get(s->report, "results"), 0), "scenario");
	for (i = 1; i < s->count; i++) {
		const json_t *scenario =
			json_object_get(json_array_get(json_object_get(s->report, "results"), i), "scenario");

		json_object_foreach((json_t *)scenario, key, value) {
			if (!json_equal(value, json_object_get(first, key)))
				json_object_set_new(members, key, json_true());
		}
	}
	return members;
}

/* Point @i of the first set. */
static int match_point(struct compare *c, const struct result_set *a, const struct result_set *b, uint64_t i,
		       json_t *seen, const json_t *index, const json_t *differing, struct options_error *err)
{
	/* Two single results are compared whatever they are of: that is what somebody wants who gives them. */
	bool single = !a->is_dir && !b->is_dir && a->count == 1 && b->count == 1;
	json_t *owner, *result, *key, *other;
	char *text = NULL;
	int ret = get_result(a, i, &owner, &result, &key, err);

	if (!ret && result) {
		text = dump_key(key);
		ret = text ? note_point(a, seen, text, i, err) : -ENOMEM;
	}
	if (!ret && result) {
		other = json_object_get(index, text);
		if (single || other)
			ret = add_point(c, a, b, result, other ? (uint64_t)json_integer_value(other) : 0, key,
					differing, err);
	}
	free(text);
	json_decref(key);
	json_decref(owner);
	return ret;
}

/* The key of the first point, or NULL. */
static const char *first_key(const json_t *index)
{
	return json_object_iter_key(json_object_iter((json_t *)index));
}

static int nothing_in_common(const struct compare *c, const struct result_set *a, const struct result_set *b,
			     const json_t *seen, const json_t *index, struct options_error *err)
{
	const struct result_set *empty = json_object_size(seen) ? b : a;

	if (c->valueless)
		return option_error(err, "%s and %s: no point of both has a value for %s", a->path, b->path,
				    c->measure);
	if (!json_object_size(seen) || !json_object_size(index))
		return option_error(err, "%s: there is no result yet", empty->path);
	return option_error(err,
			    "%s and %s have no point in common: the first is %.150s in one and %.150s in the other",
			    a->path, b->path, first_key(seen), first_key(index));
}

static int match(struct compare *c, const struct result_set *a, const struct result_set *b,
		 struct options_error *err)
{
	json_t *index = json_object(), *seen = json_object(), *differing = differing_members(a);
	int ret = index && seen ? index_set(b, index, err) : -ENOMEM;
	uint64_t i;

	for (i = 0; !ret && i < a->count; i++)
		ret = match_point(c, a, b, i, seen, index, differing, err);
	if (!ret && !c->count)
		ret = nothing_in_common(c, a, b, seen, index, err);
	c->only_a = (uint32_t)json_object_size(seen) - c->count - c->valueless;
	c->only_b = (uint32_t)json_object_size(index) - c->count - c->valueless;
	json_decref(index);
	json_decref(seen);
	json_decref(differing);
	return ret;
}

/* What is not told apart point by point. */
static int describe_differences(struct compare *c, const struct result_set *a, const struct result_set *b)
{
	const json_t *ca = config_of(a), *cb = config_of(b), *value;
	const char *key, *between = "";
	size_t size;
	FILE *f = open_memstream(&c->differences, &size);

	if (!f)
		return -ENOMEM;
	json_object_foreach((json_t *)ca, key, value) {
		const json_t *other = json_object_get(cb, key);
		unsigned int id = option_find(key);
		char *ta, *tb;

		if (json_equal(value, other))
			continue;
		if (a->is_dir && b->is_dir && id != OPTION_COUNT && sweep_axis_of(&a->dir.sweep, id))
			continue;
		ta = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		tb = other ? json_dumps(other, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
		fprintf(f, "%s%s: %s and %s", between, key, ta ? ta : "", tb ? tb : "none");
		between = "; ";
		free(ta);
		free(tb);
	}
	return fclose(f) ? -ENOMEM : 0;
}

int compare_load(struct compare *c, const char *a, const char *b, const char *measure, struct options_error *err)
{
	struct result_set sa = { .path = a }, sb = { .path = b };
	int ret;

	memset(c, 0, sizeof(*c));
	if (strlen(measure) >= sizeof(c->measure))
		return option_error(err, "--measure: longer than %zu characters", sizeof(c->measure) - 1);
	snprintf(c->measure, sizeof(c->measure), "%s", measure);
	ret = open_set(&sa, a, err);
	if (!ret)
		ret = open_set(&sb, b, err);
	if (!ret)
		ret = match(c, &sa, &sb, err);
	if (!ret)
		ret = describe_differences(c, &sa, &sb);
	close_set(&sa);
	close_set(&sb);
	return ret;
}

void compare_destroy(struct compare *c)
{
	uint32_t i;

	for (i = 0; i < c->count; i++)
		free(c->points[i].name);
	free(c->points);
	free(c->differences);
	memset(c, 0, sizeof(*c));
}
