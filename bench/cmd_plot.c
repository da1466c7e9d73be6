/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_plot.c - the pictures of a sweep, or of what validate --uncertain has found
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/cmd.h"
#include "bench/gnuplot.h"
#include "bench/measure.h"
#include "bench/options_table.h"
#include "bench/plots.h"
#include "bench/runner.h"

#define USAGE "Usage: simbench plot DIR|FILE.json [-o DIR]    (a sweep, or what validate --uncertain wrote as JSON)"

/* A picture of more parameters would be one of noise. */
#define TORNADO_PARAMETERS 16

struct drawing {
	struct gnuplot_picture *pictures;
	char **names; /* by picture, without an ending */
	uint32_t count;
	const char *dir;
	int *ret; /* by picture and format */
};

static const char *const endings[] = { "svg", "png" };
#define ENDINGS (sizeof(endings) / sizeof(endings[0]))

/* ---- footers: the command that made it ---- */

/* A word as a shell wants it. */
static void put_word(FILE *f, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./%@";

	if (*word && strspn(word, plain) == strlen(word)) {
		fputs(word, f);
		return;
	}
	fputc('\'', f);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\'", f);
		fputc(*word, f);
	}
	fputc('\'', f);
}

/* A program goes by its name, wherever it is. */
static void put_command(FILE *f, const json_t *words)
{
	size_t i;

	for (i = 0; i < json_array_size(words); i++) {
		const char *word = json_string_value(json_array_get(words, i));
		const char *slash = word && !i ? strrchr(word, '/') : NULL;

		fputs(i ? " " : "", f);
		put_word(f, slash ? slash + 1 : word ? word : "");
	}
}

/* From malloc(), or NULL when memory ran out. */
static char *make_footer(const struct cmd_context *ctx, const json_t *made_by)
{
	const json_t *made = json_object_get(json_object_get(made_by, "context"), "command_line");
	json_t *own = json_array();
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int i;

	for (i = 0; i < ctx->argc; i++)
		json_array_append_new(own, json_string(ctx->argv[i]));
	if (f) {
		put_command(f, made);
		fputs(json_array_size(made) ? " && " : "", f);
		put_command(f, own);
		fclose(f);
	}
	json_decref(own);
	return text;
}

/* ---- tornados ---- */

struct effect {
	const json_t *json;
	double size;
};

static int by_size(const void *a, const void *b)
{
	const struct effect *x = a, *y = b;

	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return strcmp(json_string_value(json_object_get(x->json, "parameter")),
		      json_string_value(json_object_get(y->json, "parameter")));
}

static double real_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static const char *string_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int add_effects(struct gnuplot_picture *pic, const json_t *effects)
{
	size_t count = json_array_size(effects), i;
	struct effect *sorted = calloc(count + 1, sizeof(*sorted));
	int ret = sorted ? 0 : -ENOMEM;

	for (i = 0; !ret && i < count; i++) {
		const json_t *e = json_array_get(effects, i);

		sorted[i] = (struct effect){ e, fabs(real_of(e, "mean_at_high") - real_of(e, "mean_at_low")) };
	}
	if (!ret)
		qsort(sorted, count, sizeof(*sorted), by_size);
	for (i = 0; !ret && i < count && i < TORNADO_PARAMETERS; i++) {
		const json_t *e = sorted[i].json;
		double low = real_of(e, "mean_at_low"), high = real_of(e, "mean_at_high");
		struct gnuplot_value at_low = { (double)i, low, low, low },
				     at_high = { (double)i, high, high, high };
		char name[160];

		snprintf(name, sizeof(name), "%s %s to %s", string_of(e, "parameter"), string_of(e, "from"),
			 string_of(e, "to"));
		ret = gnuplot_add_category(pic, name);
		if (!ret)
			ret = gnuplot_add_value(pic, 0, 0, &at_low);
		if (!ret)
			ret = gnuplot_add_value(pic, 0, 1, &at_high);
	}
	free(sorted);
	return ret;
}

/* The claim's limits, with their names; where there is one only, it is the claimed value. */
static int add_limits(struct gnuplot_picture *pic, const json_t *claimed)
{
	const json_t *low = json_object_get(claimed, "low"), *high = json_object_get(claimed, "high");
	bool point = json_equal(low, high);
	int ret = 0;

	if (json_is_number(low))
		ret = gnuplot_add_reference(pic, json_number_value(low), point ? "claimed" : "claimed: not below");
	if (!ret && json_is_number(high) && !point)
		ret = gnuplot_add_reference(pic, json_number_value(high), "claimed: not above");
	return ret;
}

static int set_texts(struct gnuplot_picture *pic, const json_t *result, const char *footer)
{
	char label[160];

	pic->series_name[0] = strdup("mean of the draws in the lowest quarter of its range");
	pic->series_name[1] = strdup("in the highest quarter");
	pic->panel_name[0] = strdup("");
	pic->footer = strdup(footer);
	pic->xlabel = strdup("parameter and its plausible range");
	if (asprintf(&pic->title, "%s (claimed %s): holds in %.0f %% of %.0f draws", string_of(result, "says"),
		     string_of(json_object_get(result, "claimed"), "text"), 100 * real_of(result, "share"),
		     real_of(result, "draws")) < 0)
		pic->title = NULL;
	pic->ylabel = strdup(
		measure_related_label(string_of(result, "measure"), string_of(result, "as"), label, sizeof(label)));
	return pic->series_name[0] && pic->series_name[1] && pic->panel_name[0] && pic->footer && pic->xlabel &&
			       pic->title && pic->ylabel
		       ? 0
		       : -ENOMEM;
}

static int make_tornado(struct gnuplot_picture *pic, const json_t *result, const char *footer)
{
	char text[64];
	int ret;

	*pic = (struct gnuplot_picture){ .kind = GNUPLOT_TORNADO, .panel_count = 1, .series_count = 2 };
	pic->series_style[0] = 1;
	pic->series_style[1] = 2;
	ret = set_texts(pic, result, footer);
	snprintf(text, sizeof(text), "mean of all draws: %.5g", real_of(result, "mean"));
	if (!ret)
		ret = gnuplot_add_reference(pic, real_of(result, "mean"), text);
	if (!ret)
		ret = add_limits(pic, json_object_get(result, "claimed"));
	return ret ? ret : add_effects(pic, json_object_get(result, "effects"));
}

/* A claim whose value no parameter moves has no picture. */
static bool is_moved(const json_t *result)
{
	const json_t *effects = json_object_get(result, "effects");
	size_t i;

	for (i = 0; i < json_array_size(effects); i++) {
		const json_t *e = json_array_get(effects, i);

		if (fabs(real_of(e, "mean_at_high") - real_of(e, "mean_at_low")) > 0)
			return true;
	}
	return false;
}

static int add_tornado(struct drawing *d, const json_t *result, const char *footer)
{
	char *name;
	int ret;

	if (asprintf(&name, "tornado-%s", string_of(result, "name")) < 0)
		return -ENOMEM;
	d->names[d->count] = name;
	ret = make_tornado(&d->pictures[d->count++], result, footer);
	return !ret && !gnuplot_is_name(name) ? -EINVAL : ret;
}

static int load_tornados(struct drawing *d, const struct cmd_context *ctx, const char *path)
{
	json_error_t error;
	json_t *report = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	const json_t *results = json_object_get(report, "results");
	size_t count = json_array_size(results), i;
	char *footer;
	int ret = 0;

	if (!report)
		return error.line > 0 ? cmd_fail(EXIT_USAGE, "%s:%d: %s", path, error.line, error.text)
				      : cmd_fail(EXIT_USAGE, "%s", error.text);
	footer = make_footer(ctx, report);
	d->pictures = calloc(count + 1, sizeof(*d->pictures));
	d->names = calloc(count + 1, sizeof(*d->names));
	if (!footer || !d->pictures || !d->names)
		ret = -ENOMEM;
	for (i = 0; !ret && i < count; i++)
		if (is_moved(json_array_get(results, i)))
			ret = add_tornado(d, json_array_get(results, i), footer);
	free(footer);
	json_decref(report);
	if (ret == -ENOMEM)
		return cmd_fail(EXIT_FAILED, "out of memory");
	if (ret)
		return cmd_fail(EXIT_USAGE, "%s: a claim's name that cannot be that of a file", path);
	return d->count ? EXIT_OK
			: cmd_fail(EXIT_USAGE,
				   "%s: has no effects of parameters to draw: validate --uncertain "
				   "--output-format json writes them",
				   path);
}

/* ---- sweeps ---- */

/* The sections of the sweep's file, or the one that stands for none. */
static json_t *plots_of(const struct sweep_dir *dir)
{
	json_t *plots = json_object_get(dir->manifest, "plots");

	return json_array_size(plots) ? json_incref(plots) : plots_default(&dir->sweep);
}

static int name_plots(struct drawing *d, const json_t *plots)
{
	size_t i;

	d->names = calloc(json_array_size(plots) + 1, sizeof(*d->names));
	if (!d->names)
		return -ENOMEM;
	d->count = (uint32_t)json_array_size(plots);
	for (i = 0; i < d->count; i++) {
		d->names[i] = strdup(string_of(json_array_get(plots, i), "name"));
		if (!d->names[i])
			return -ENOMEM;
	}
	return 0;
}

static int load_sweep(struct drawing *d, const struct cmd_context *ctx, const char *path)
{
	struct options_error err = { "" };
	struct sweep_dir dir;
	json_t *plots = NULL;
	char *footer = NULL;
	int ret = sweep_dir_open(&dir, path, &err);

	if (!ret) {
		if (dir.done < dir.wanted)
			fprintf(stderr, "simbench: warning: %s: %llu of %llu points are there\n", path,
				(unsigned long long)dir.done, (unsigned long long)dir.wanted);
		plots = plots_of(&dir);
		footer = make_footer(ctx, dir.manifest);
		ret = plots && footer ? name_plots(d, plots) : -ENOMEM;
		if (!ret)
			ret = plots_make(&dir, plots, footer, &d->pictures, &err);
	}
	free(footer);
	json_decref(plots);
	sweep_dir_close(&dir);
	return ret ? cmd_refuse(ret, &err) : EXIT_OK;
}

/* ---- drawing ---- */

static void file_name(const struct drawing *d, uint64_t i, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s.%s", d->dir, d->names[i / ENDINGS], endings[i % ENDINGS]);
}

static void draw_one(void *arg, uint64_t i)
{
	struct drawing *d = arg;
	char name[4096];

	file_name(d, i, name, sizeof(name));
	d->ret[i] = gnuplot_draw(&d->pictures[i / ENDINGS], name);
}

static bool has_control_characters(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ')
			return true;
	return false;
}

static int draw(struct drawing *d)
{
	uint64_t count = d->count * ENDINGS, i;
	char name[4096], quoted[300];
	int code = EXIT_OK;

	if (has_control_characters(d->dir))
		return cmd_fail(EXIT_USAGE, "%s: not the name of a directory for pictures: choose one with -o",
				option_quote(quoted, sizeof(quoted), d->dir));
	if (mkdir(d->dir, 0777) && errno != EEXIST)
		return cmd_fail(EXIT_FAILED, "%s: %s", d->dir, strerror(errno));
	d->ret = calloc(count, sizeof(*d->ret));
	if (!d->ret || parallel_for(0, count, draw_one, d))
		return cmd_fail(EXIT_FAILED, "out of memory");
	for (i = 0; i < count; i++) {
		file_name(d, i, name, sizeof(name));
		if (d->ret[i])
			code = cmd_fail(EXIT_FAILED, "%s: %s", name,
					d->ret[i] == -EIO ? "gnuplot failed" : strerror(-d->ret[i]));
		else
			printf("%s\n", name);
	}
	if (fflush(stdout) || ferror(stdout))
		code = cmd_fail(EXIT_FAILED, "standard output: %s", strerror(errno));
	return code;
}

int cmd_plot(const struct cmd_context *ctx, int argc, char **args)
{
	struct options_input in = { .scope = S_PLOT, .argc = argc, .argv = args, .positional = true };
	struct drawing d = { .count = 0 };
	char parent[4096] = ".";
	struct options o;
	uint32_t i;
	int code = cmd_parse_input(&o, &in, USAGE);

	if (code < 0 && o.args.count != 1)
		code = cmd_fail(EXIT_USAGE,
				"plot takes one DIR of a sweep, or one FILE.json of validate --uncertain");
	if (code < 0 && !gnuplot_exists())
		code = cmd_fail(EXIT_FAILED, "gnuplot is not installed (Debian: gnuplot-nox)");
	if (code < 0) {
		const char *path = o.args.v[0], *slash = strrchr(path, '/');
		bool sweep = sweep_dir_is(path);

		/* Beside what they are made from. */
		if (slash && !sweep)
			snprintf(parent, sizeof(parent), "%.*s", slash > path ? (int)(slash - path) : 1, path);
		d.dir = *o.output ? o.output : sweep ? path : parent;
		code = sweep ? load_sweep(&d, ctx, path) : load_tornados(&d, ctx, path);
		if (!code)
			code = draw(&d);
	}
	for (i = 0; i < d.count; i++) {
		if (d.pictures)
			gnuplot_picture_free(&d.pictures[i]);
		free(d.names ? d.names[i] : NULL);
	}
	free(d.pictures);
	free(d.names);
	free(d.ret);
	options_free(&o);
	return code;
}
