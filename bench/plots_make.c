/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/plots_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure.h"
#include "bench/options_table.h"
#include "sim/stats.h"

/* ---- the points ---- */

/* What one plot needs of the points. */
struct plot_data {
	struct plot plot;
	struct measure *y[GNUPLOT_MAX_SERIES], *x; /* by point; count 0: there is none */
	json_t **quantiles;			   /* by point: cdf */
};

static bool matches(const struct sweep *s, uint64_t index, const fixed_t fixed)
{
	uint32_t i;

	for (i = 0; i < s->axis_count; i++)
		if (fixed[s->axes[i].group] >= 0 && sweep_value(s, index, i) != (uint64_t)fixed[s->axes[i].group])
			return false;
	return true;
}

/* The point that a point is related to, which `where` need not let through. */
static uint64_t baseline_of(const struct sweep *s, uint64_t index, const fixed_t against)
{
	uint32_t position[SWEEP_MAX_AXES], i;

	for (i = 0; i < s->axis_count; i++)
		position[s->axes[i].group] = sweep_value(s, index, i);
	for (i = 0; i < s->group_count; i++)
		if (against[i] >= 0)
			position[i] = (uint32_t)against[i];
	return sweep_index(s, position);
}

static int get(const struct plot *p, const json_t *result, const char *path, struct measure *m,
	       struct options_error *err)
{
	char paths[600];

	m->count = 0;
	if (measure_get(result, path, m) != -ENOENT)
		return 0;
	return option_error(err, "%s: plot %s: a result has no value %s; it has %s", p->begins, p->name, path,
			    measure_paths(result, paths, sizeof(paths)));
}

static int take_result(struct plot_data *pd, uint64_t index, const json_t *result, struct options_error *err)
{
	const json_t *quantiles = json_object_get(json_object_get(result, "latency_ns"), "quantiles");
	const struct plot *p = &pd->plot;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < p->y_count; i++)
		ret = get(p, result, p->y_path[i], &pd->y[i][index], err);
	if (!ret && p->x_path)
		ret = get(p, result, p->x_path, &pd->x[index], err);
	if (!ret && pd->quantiles)
		pd->quantiles[index] = json_incref((json_t *)quantiles);
	return ret;
}

static int alloc_data(struct plot_data *pd, uint64_t count)
{
	uint32_t i;

	for (i = 0; i < pd->plot.y_count; i++) {
		pd->y[i] = calloc(count, sizeof(*pd->y[i]));
		if (!pd->y[i])
			return -ENOMEM;
	}
	if (pd->plot.x_path)
		pd->x = calloc(count, sizeof(*pd->x));
	if (pd->plot.kind == GNUPLOT_CDF)
		pd->quantiles = calloc(count, sizeof(json_t *));
	return (pd->plot.x_path && !pd->x) || (pd->plot.kind == GNUPLOT_CDF && !pd->quantiles) ? -ENOMEM : 0;
}

static void free_data(struct plot_data *pd, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < GNUPLOT_MAX_SERIES; i++)
		free(pd->y[i]);
	for (i = 0; pd->quantiles && i < count; i++)
		json_decref(pd->quantiles[i]);
	free(pd->quantiles);
	free(pd->x);
}

/* Each point is read once, for all plots. */
static int read_points(const struct sweep_dir *d, struct plot_data *data, size_t count, struct options_error *err)
{
	uint64_t index;
	size_t i;
	int ret = 0;

	for (index = 0; !ret && index < d->sweep.count; index++) {
		json_t *record, *result;

		ret = sweep_dir_read(d, index, &record);
		if (ret == -ENOENT) {
			ret = 0;
			continue;
		}
		if (ret)
			option_error(err, "%s: point %llu: %s", d->path, (unsigned long long)index, strerror(-ret));
		result = json_object_get(record, "result");
		for (i = 0; !ret && result && i < count; i++)
			if (matches(&d->sweep, index, data[i].plot.where) || data[i].plot.related)
				ret = take_result(&data[i], index, result, err);
		json_decref(record);
	}
	return ret;
}

/* ---- places on the picture ---- */

/* "always", "cm=0, rwbf=1": the values of some axes at a point; @named: "policy=always", too. From malloc(). */
static char *values_text(const struct sweep *s, const struct axis_list *list, uint64_t index, bool named)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	uint32_t i;

	for (i = 0; f && i < list->count; i++) {
		const struct sweep_axis *a = &s->axes[list->axis[i]];
		const char *value = a->values[sweep_value(s, index, list->axis[i])],
			   *name = option_row(a->option)->name;
		enum option_kind kind = option_row(a->option)->kind;

		/* Bits are not read as hexadecimal numbers. */
		if (kind == OPTION_KIND_HEXL && strlen(value) == 3)
			value += 2;
		fputs(i ? ", " : "", f);
		if ((!named && list->count == 1 && kind == OPTION_KIND_ENUM) || kind == OPTION_KIND_STR)
			fputs(value, f);
		else
			fprintf(f, "%s=%s", name, value);
	}
	if (f)
		fclose(f);
	return text;
}

/* An axis as a number, in the unit of its option. */
static double numeric_value(const struct sweep_axis *a, uint32_t value)
{
	struct option_setting s = { .key = "", .value = a->values[value] }, unit = { .key = "", .value = "1" };
	uint64_t v = 0, one = 1;

	option_parse_number(a->option, &s, false, &v, NULL);
	if (option_row(a->option)->kind == OPTION_KIND_TIME)
		option_parse_number(a->option, &unit, false, &one, NULL);
	else if (option_row(a->option)->kind == OPTION_KIND_SIZE)
		one = 1024;
	return (double)v / (double)one;
}

static const char *axis_label(const struct sweep *s, const struct axis_list *list, char *buf, size_t size)
{
	size_t used = 0;
	uint32_t i;

	buf[0] = '\0';
	for (i = 0; i < list->count && used < size; i++) {
		const struct option_row *row = option_row(s->axes[list->axis[i]].option);
		const char *unit = row->kind == OPTION_KIND_TIME   ? row->unit
				   : row->kind == OPTION_KIND_SIZE ? "KiB"
				   : row->kind == OPTION_KIND_PCT  ? "%"
								   : "";

		used += (size_t)snprintf(buf + used, size - used, "%s%s%s%s", i ? ", " : "", row->name,
					 list->count == 1 && *unit ? ", " : "", list->count == 1 ? unit : "");
	}
	return buf;
}

/* Which of @names @text is, adding it at the end. Takes @text over. -ENOSPC where there are @most already. */
static int name_number(char **names, uint32_t *count, uint32_t most, char *text, uint32_t *number)
{
	int ret = text ? 0 : -ENOMEM;

	for (*number = 0; text && *number < *count; ++*number)
		if (!strcmp(names[*number], text))
			break;
	if (!ret && *number == most)
		ret = -ENOSPC;
	if (!ret && *number == *count)
		names[(*count)++] = text;
	else
		free(text);
	return ret;
}

static unsigned int style_of(const struct sweep *s, const struct axis_list *list, uint64_t index, uint32_t series)
{
	const struct sweep_axis *a = list->count == 1 ? &s->axes[list->axis[0]] : NULL;
	const char *const *values = a ? option_row(a->option)->values : NULL;
	unsigned int i;

	/* A policy looks the same in every picture. */
	for (i = 0; values && values[i]; i++)
		if (i < GNUPLOT_MAX_SERIES && !strcmp(values[i], a->values[sweep_value(s, index, list->axis[0])]))
			return i + 1;
	return series % GNUPLOT_MAX_SERIES + 1;
}

/* Panel and series of a point, which are added at the first one of theirs. */
static int place(struct gnuplot_picture *pic, const struct plot *p, const struct sweep *s, uint64_t index,
		 uint32_t *panel, uint32_t *series, struct options_error *err)
{
	uint32_t before;
	int ret;

	ret = name_number(pic->panel_name, &pic->panel_count, GNUPLOT_MAX_PANELS,
			  values_text(s, &p->panel, index, true), panel);
	if (ret == -ENOSPC)
		return option_error(err, "%s: plot %s: more than %u panels: fix something with `where`", p->begins,
				    p->name, GNUPLOT_MAX_PANELS);
	if (ret || p->kind == GNUPLOT_STACKED)
		return ret;
	before = pic->series_count;
	ret = name_number(pic->series_name, &pic->series_count, GNUPLOT_MAX_SERIES,
			  values_text(s, &p->series, index, false), series);
	if (ret == -ENOSPC)
		return option_error(err, "%s: plot %s: more than %u series: fix something with `where`", p->begins,
				    p->name, GNUPLOT_MAX_SERIES);
	if (!ret && pic->series_count > before)
		pic->series_style[*series] = style_of(s, &p->series, index, *series);
	return ret;
}

static int find_category(struct gnuplot_picture *pic, const char *text, double *x)
{
	uint32_t i;

	for (i = 0; i < pic->category_count; i++)
		if (!strcmp(pic->category_name[i], text))
			break;
	*x = i;
	return i < pic->category_count ? 0 : gnuplot_add_category(pic, text);
}

/* Bars stand over names; lines over numbers where there are any. */
static int x_of(struct gnuplot_picture *pic, const struct plot *p, const struct sweep *s, uint64_t index, double *x)
{
	const struct sweep_axis *a = &s->axes[p->x.axis[0]];
	char *text;
	int ret;

	if (p->kind == GNUPLOT_LINES && p->x.count == 1 && plot_axis_is_numeric(a)) {
		*x = numeric_value(a, sweep_value(s, index, p->x.axis[0]));
		return 0;
	}
	if (p->x.count == 1 && option_row(a->option)->kind != OPTION_KIND_HEXL)
		return find_category(pic, a->values[sweep_value(s, index, p->x.axis[0])], x);
	text = values_text(s, &p->x, index, false);
	ret = text ? find_category(pic, text, x) : -ENOMEM;
	free(text);
	return ret;
}

/* ---- kinds ---- */

static struct gnuplot_value value_of(const struct measure *m, double x)
{
	return (struct gnuplot_value){ x, m->estimate.mean, m->estimate.mean - m->estimate.ci95,
				       m->estimate.mean + m->estimate.ci95 };
}

/* The value, or what it is related to the baseline's. False where there is none. */
static bool related_value(const struct plot_data *pd, const struct sweep *s, uint64_t index,
			  struct gnuplot_value *v)
{
	const struct plot *p = &pd->plot;
	const struct measure *m = &pd->y[0][index], *base;
	struct stats_comparison c;
	struct stats_mean a, b;
	uint64_t other;

	if (!m->count)
		return false;
	*v = value_of(m, 0);
	if (!p->related)
		return true;
	other = baseline_of(s, index, p->against);
	base = &pd->y[0][other];
	if (other == index || !base->count || !(base->estimate.mean > 0))
		return false;
	a = measure_mean(base);
	b = measure_mean(m);
	stats_ratio(&a, &b, &c);
	v->y = p->drop ? 100 * (1 - c.value) : c.value;
	v->low = v->y - (p->drop ? 100 : 1) * c.ci95;
	v->high = v->y + (p->drop ? 100 : 1) * c.ci95;
	return true;
}

static int add_related(struct gnuplot_picture *pic, const struct plot_data *pd, const struct sweep *s,
		       uint64_t index, struct options_error *err)
{
	struct gnuplot_value v;
	uint32_t panel, series = 0;
	int ret;

	if (!related_value(pd, s, index, &v))
		return 0;
	ret = place(pic, &pd->plot, s, index, &panel, &series, err);
	if (!ret)
		ret = x_of(pic, &pd->plot, s, index, &v.x);
	return ret ? ret : gnuplot_add_value(pic, panel, series, &v);
}

static int add_stack(struct gnuplot_picture *pic, const struct plot_data *pd, const struct sweep *s, uint64_t index,
		     struct options_error *err)
{
	const struct plot *p = &pd->plot;
	struct gnuplot_value v;
	uint32_t panel, i;
	double x;
	int ret = place(pic, p, s, index, &panel, &i, err);

	if (!ret)
		ret = x_of(pic, p, s, index, &x);
	for (i = pic->series_count; !ret && i < p->y_count; i++) {
		pic->series_name[i] = strdup(p->part_name[i]);
		pic->series_style[i] = i + 1;
		pic->series_count = i + 1;
	}
	for (i = 0; !ret && i < p->y_count; i++) {
		if (!pd->y[i][index].count)
			continue;
		v = value_of(&pd->y[i][index], x);
		v.low = v.high = v.y;
		ret = gnuplot_add_value(pic, panel, i, &v);
	}
	return ret;
}

static int add_scatter(struct gnuplot_picture *pic, const struct plot_data *pd, const struct sweep *s,
		       uint64_t index, struct options_error *err)
{
	struct gnuplot_value v;
	uint32_t panel, series;
	int ret;

	if (!pd->y[0][index].count || !pd->x[index].count)
		return 0;
	v = value_of(&pd->y[0][index], pd->x[index].estimate.mean);
	ret = place(pic, &pd->plot, s, index, &panel, &series, err);
	return ret ? ret : gnuplot_add_value(pic, panel, series, &v);
}

static int add_cdf(struct gnuplot_picture *pic, const struct plot_data *pd, const struct sweep *s, uint64_t index,
		   struct options_error *err)
{
	const json_t *quantiles = pd->quantiles[index];
	uint32_t panel, series;
	size_t i;
	int ret = place(pic, &pd->plot, s, index, &panel, &series, err);

	for (i = 0; !ret && i < json_array_size(quantiles); i++) {
		const json_t *pair = json_array_get(quantiles, i);
		double y = json_number_value(json_array_get(pair, 0)) / 100;
		struct gnuplot_value v = { json_number_value(json_array_get(pair, 1)) / 1000, y, y, y };

		ret = gnuplot_add_value(pic, panel, series, &v);
	}
	return ret;
}

static int by_along(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (x[0] > y[0]) - (x[0] < y[0]);
}

/*
 * Where the ratio to the baseline falls below the level for the first time along the axis, between the last point
 * above and the first one below. @index is the point with the axis' first value. False where it never does.
 */
static bool find_knee(const struct plot_data *pd, const struct sweep *s, uint64_t index, double *knee)
{
	const struct plot *p = &pd->plot;
	const struct sweep_axis *a = &s->axes[p->along];
	double(*pairs)[2] = calloc(a->count, sizeof(*pairs));
	uint32_t k, count = 0;
	bool found = false;

	for (k = 0; pairs && k < a->count; k++) {
		struct gnuplot_value v;
		fixed_t along;
		uint32_t i;

		for (i = 0; i < SWEEP_MAX_AXES; i++)
			along[i] = -1;
		along[a->group] = k;
		if (!related_value(pd, s, baseline_of(s, index, along), &v))
			continue;
		pairs[count][0] = numeric_value(a, k);
		pairs[count++][1] = v.y;
	}
	if (pairs)
		qsort(pairs, count, sizeof(*pairs), by_along);
	for (k = 0; k < count && !found; k++) {
		found = pairs[k][1] < p->level;
		if (!found)
			continue;
		*knee = pairs[k][0];
		if (k)
			*knee -= (pairs[k][0] - pairs[k - 1][0]) * (p->level - pairs[k][1]) /
				 (pairs[k - 1][1] - pairs[k][1]);
	}
	free(pairs);
	return found;
}

static int add_knee(struct gnuplot_picture *pic, const struct plot_data *pd, const struct sweep *s, uint64_t index,
		    struct options_error *err)
{
	struct gnuplot_value v;
	uint32_t panel, series;
	double knee;
	int ret;

	if (sweep_value(s, index, pd->plot.along) || baseline_of(s, index, pd->plot.against) == index)
		return 0;
	/* A series that never falls still has its place in the legend. */
	ret = place(pic, &pd->plot, s, index, &panel, &series, err);
	if (ret || !find_knee(pd, s, index, &knee))
		return ret;
	v = (struct gnuplot_value){ 0, knee, knee, knee };
	ret = x_of(pic, &pd->plot, s, index, &v.x);
	return ret ? ret : gnuplot_add_value(pic, panel, series, &v);
}

/* ---- texts ---- */

static bool flag(const struct plot *p, const char *key, bool otherwise)
{
	const char *text = plot_text(p->keys, key);

	return text ? !strcmp(text, "yes") : otherwise;
}

static const char *y_label(const struct plot *p, const struct sweep *s, char *buf, size_t size)
{
	struct axis_list along = { { p->along }, 1 };
	char axis[128];

	if (p->knee)
		snprintf(buf, size, "%s at which %.4g %% is reached", axis_label(s, &along, axis, sizeof(axis)),
			 100 * p->level);
	else if (p->kind == GNUPLOT_CDF)
		return "share of the I/Os";
	else if (p->related)
		measure_related_label(p->y_path[0], p->drop ? "drop_pct" : "ratio", buf, size);
	else
		return measure_label(p->y_path[0], buf, size);
	return buf;
}

static int set_texts(struct gnuplot_picture *pic, const struct plot *p, const struct sweep *s, const char *footer)
{
	const char *title = plot_text(p->keys, "title"), *xlabel = plot_text(p->keys, "xlabel");
	const char *ylabel = plot_text(p->keys, "ylabel"), *where = plot_text(p->keys, "where");
	char buf[512];

	if (!ylabel)
		ylabel = y_label(p, s, buf, sizeof(buf));
	pic->ylabel = strdup(ylabel);
	if (!xlabel && p->x_path)
		xlabel = measure_label(p->x_path, buf, sizeof(buf));
	else if (!xlabel)
		xlabel = p->kind == GNUPLOT_CDF ? "latency of an I/O, us" : axis_label(s, &p->x, buf, sizeof(buf));
	pic->xlabel = strdup(xlabel);
	if (title || !where)
		pic->title = strdup(title ? title : p->name);
	else if (asprintf(&pic->title, "%s: %s", p->name, where) < 0)
		pic->title = NULL;
	pic->footer = strdup(footer);
	pic->logx = flag(p, "logx", p->kind == GNUPLOT_CDF);
	pic->logy = flag(p, "logy", false);
	pic->zero = flag(p, "zero", p->kind == GNUPLOT_BARS || p->kind == GNUPLOT_STACKED);
	return pic->ylabel && pic->xlabel && pic->title && pic->footer ? 0 : -ENOMEM;
}

static int by_x(const void *a, const void *b)
{
	const struct gnuplot_value *x = a, *y = b;

	if (x->x != y->x)
		return x->x < y->x ? -1 : 1;
	return (x->y > y->y) - (x->y < y->y);
}

static void sort_values(struct gnuplot_picture *pic)
{
	uint32_t i, k;

	for (i = 0; i < pic->panel_count; i++)
		for (k = 0; k < pic->series_count; k++)
			if (pic->data[i][k].count && pic->kind != GNUPLOT_CDF)
				qsort(pic->data[i][k].values, pic->data[i][k].count, sizeof(struct gnuplot_value),
				      by_x);
}

static int make_picture(struct gnuplot_picture *pic, const struct plot_data *pd, const struct sweep *s,
			const char *footer, struct options_error *err)
{
	static int (*const add[])(struct gnuplot_picture * pic, const struct plot_data *pd, const struct sweep *s,
				  uint64_t index, struct options_error *err) = {
		[GNUPLOT_LINES] = add_related,	 [GNUPLOT_BARS] = add_related, [GNUPLOT_STACKED] = add_stack,
		[GNUPLOT_SCATTER] = add_scatter, [GNUPLOT_CDF] = add_cdf,
	};
	const struct plot *p = &pd->plot;
	uint64_t index;
	int ret = set_texts(pic, p, s, footer);

	pic->kind = p->kind;
	if (!ret)
		ret = plot_references(p, pic, err);
	for (index = 0; !ret && index < s->count; index++)
		if (matches(s, index, p->where))
			ret = (p->knee ? add_knee : add[p->kind])(pic, pd, s, index, err);
	if (!ret && (!pic->series_count || !pic->panel_count))
		ret = plot_refuse(p, err, "no point of the sweep is on it");
	sort_values(pic);
	return ret;
}

int plots_make(const struct sweep_dir *d, const json_t *plots, const char *footer,
	       struct gnuplot_picture **pictures, struct options_error *err)
{
	size_t count = json_array_size(plots), i;
	struct plot_data *data = calloc(count + 1, sizeof(*data));
	int ret = 0;

	*pictures = calloc(count + 1, sizeof(**pictures));
	if (!data || !*pictures)
		ret = -ENOMEM;
	for (i = 0; !ret && i < count; i++) {
		ret = plot_parse(&data[i].plot, json_array_get(plots, i), &d->sweep, err);
		if (!ret)
			ret = alloc_data(&data[i], d->sweep.count);
	}
	if (!ret)
		ret = read_points(d, data, count, err);
	for (i = 0; !ret && i < count; i++)
		ret = make_picture(&(*pictures)[i], &data[i], &d->sweep, footer, err);
	for (i = 0; data && i < count; i++)
		free_data(&data[i], d->sweep.count);
	free(data);
	return ret;
}
