/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_sweep.c - runs the points of a sweep in parallel, into a directory from which it can go on after a crash
 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure.h"
#include "bench/options_table.h"
#include "bench/plots.h"
#include "bench/progress.h"
#include "bench/runner.h"
#include "bench/sweep_dir.h"

/* A table of more points than this is for other programs. */
#define PRINTED_POINTS 100

#define USAGE "Usage: simbench sweep FILE.ini [OPTION...] [-o DIR]"

struct sweeper {
	const struct cmd_context *ctx;
	const struct options *options; /* those of the sweep itself */
	struct options base;	       /* those of its points */
	struct sweep sweep;
	json_t *plots;		/* the file's [plot] sections; NULL for none */
	uint32_t shard, shards; /* as in struct sweep_dir */
	struct sweep_dir dir;
	uint64_t *todo;
	uint64_t todo_count;
	pthread_mutex_t lock; /* of the two below */
	int code;	      /* what went wrong first; the others then stop */
	struct progress progress;
};

/* Says which point it was, behind what its command has said. */
static int point_failed(const struct sweeper *s, uint64_t index, int code)
{
	char text[256];

	fprintf(stderr, "simbench: that was point %llu: %s\n", (unsigned long long)index,
		sweep_point_text(&s->sweep, index, text, sizeof(text)));
	return code;
}

/* Its line, or NULL with *@code set. */
static json_t *make_record(const struct sweeper *s, uint64_t index, int *code)
{
	struct options_error err = { "" };
	json_t *result = NULL, *record = NULL;
	struct options o;
	int ret = sweep_point(&s->sweep, &s->base, index, &o, &err);

	if (!ret && s->sweep.skip_invalid)
		ret = point_check(s->sweep.command, &o, &err);
	if (ret == -EINVAL && s->sweep.skip_invalid) {
		record = sweep_record_json(&s->sweep, index, NULL, err.msg);
	} else if (ret) {
		*code = point_failed(s, index, cmd_refuse(ret, &err));
		goto out;
	} else {
		*code = point_simulate(s->ctx, s->sweep.command, &o, &result);
		if (*code > EXIT_SIGNAL)
			goto out;
		if (*code) {
			point_failed(s, index, *code);
			goto out;
		}
		record = sweep_record_json(&s->sweep, index, result, NULL);
	}
	if (!record)
		*code = cmd_fail(EXIT_FAILED, "out of memory");
out:
	options_free(&o);
	return record;
}

static int run_point_to_file(struct sweeper *s, uint64_t index)
{
	int code = EXIT_OK, ret;
	json_t *record = make_record(s, index, &code);

	if (!record)
		return code;
	ret = sweep_dir_append(&s->dir, index, record);
	json_decref(record);
	if (ret)
		return cmd_fail(EXIT_FAILED, "%s: %s: this point is not done; the others are safe", s->dir.path,
				strerror(-ret));
	return EXIT_OK;
}

/* The exit code that ends it all, or EXIT_OK to go on. */
static int stop_code(struct sweeper *s)
{
	int code;

	pthread_mutex_lock(&s->lock);
	code = s->code;
	pthread_mutex_unlock(&s->lock);
	return !code && *s->ctx->interrupted ? EXIT_SIGNAL + *s->ctx->interrupted : code;
}

static void run_todo(void *arg, uint64_t i)
{
	struct sweeper *s = arg;
	int code = stop_code(s);

	if (!code)
		code = run_point_to_file(s, s->todo[i]);
	pthread_mutex_lock(&s->lock);
	if (code && !s->code)
		s->code = code;
	else if (!code)
		progress_update(&s->progress, s->dir.done, s->dir.wanted);
	pthread_mutex_unlock(&s->lock);
}

static int list_todo(struct sweeper *s)
{
	uint64_t index;

	s->todo = calloc(s->dir.wanted + 1, sizeof(*s->todo));
	if (!s->todo)
		return cmd_fail(EXIT_FAILED, "out of memory");
	for (index = s->dir.shard; index < s->sweep.count; index += s->dir.shards)
		if (!sweep_dir_has(&s->dir, index))
			s->todo[s->todo_count++] = index;
	return EXIT_OK;
}

/*
 * Whether the machine and its CPUs may be others than at a point that comes before, in whatever shard: looking at
 * them takes time.
 */
static bool may_place_otherwise(const struct sweep *sweep, uint64_t index)
{
	bool depends[SWEEP_MAX_AXES] = { false };
	uint32_t i;

	for (i = 0; i < sweep->axis_count; i++)
		depends[sweep->axes[i].group] |= point_check_depends(sweep->axes[i].option);
	for (i = 0; i < sweep->axis_count; i++)
		if (!depends[sweep->axes[i].group] && sweep_value(sweep, index, i))
			return false;
	return true;
}

/* All of them before the first one runs, or has a directory: a slip should not show after a night. */
static int check_points(const struct sweeper *s)
{
	struct options_error err = { "" };
	uint64_t index;

	for (index = 0; index < s->sweep.count && !s->sweep.skip_invalid; index++) {
		bool place = may_place_otherwise(&s->sweep, index);
		struct options o;
		char text[256];
		int ret;

		if (!place && index % s->shards != s->shard)
			continue;
		ret = sweep_point(&s->sweep, &s->base, index, &o, &err);
		if (!ret && place)
			ret = point_check(s->sweep.command, &o, &err);
		options_free(&o);
		if (ret == -EINVAL)
			return cmd_fail(EXIT_USAGE, "point %llu (%s): %s; invalid = skip leaves such points out",
					(unsigned long long)index,
					sweep_point_text(&s->sweep, index, text, sizeof(text)), err.msg);
		if (ret)
			return cmd_refuse(ret, &err);
	}
	return -1;
}

/* On real CPUs one at a time: they would disturb each other. */
static bool is_native(const struct sweeper *s)
{
	const struct sweep_axis *a = sweep_axis_of(&s->sweep, OPTION_engine);
	uint32_t i;

	for (i = 0; a && i < a->count; i++)
		if (!strcmp(a->values[i], engine_kind_name(ENGINE_NATIVE)))
			return true;
	return !a && s->base.engine == ENGINE_NATIVE;
}

static int run_points(struct sweeper *s)
{
	uint32_t threads = is_native(s) ? 1 : (uint32_t)s->options->threads;
	int ret;

	pthread_mutex_init(&s->lock, NULL);
	progress_init_long(&s->progress, s->options, "points", s->dir.done);
	ret = parallel_for(threads, s->todo_count, run_todo, s);
	progress_clear(&s->progress);
	pthread_mutex_destroy(&s->lock);
	return ret ? cmd_fail(EXIT_FAILED, "out of memory") : s->code;
}

/* ---- the report ---- */

static int column_width(const struct sweep_axis *a)
{
	int width = (int)strlen(option_row(a->option)->name);
	uint32_t i;

	for (i = 0; i < a->count; i++)
		if ((int)strlen(a->values[i]) > width)
			width = (int)strlen(a->values[i]);
	return width;
}

static int print_point(FILE *f, const struct sweep_dir *d, uint64_t index, const char *path)
{
	struct measure m;
	json_t *record;
	uint32_t i;
	int ret = sweep_dir_read(d, index, &record);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	for (i = 0; i < d->sweep.axis_count; i++)
		fprintf(f, "%-*s  ", column_width(&d->sweep.axes[i]),
			d->sweep.axes[i].values[sweep_value(&d->sweep, index, i)]);
	if (!measure_get(json_object_get(record, "result"), path, &m))
		fprintf(f, "%12.6g +-%.3g\n", m.estimate.mean, m.estimate.ci95);
	else
		fprintf(f, "%12s\n", "left out");
	json_decref(record);
	return 0;
}

static int print_table(FILE *f, const struct sweep_dir *d)
{
	const char *path = point_throughput(d->sweep.command);
	char label[128];
	uint64_t index;
	uint32_t i;
	int ret = 0;

	for (i = 0; i < d->sweep.axis_count; i++)
		fprintf(f, "%-*s  ", column_width(&d->sweep.axes[i]), option_row(d->sweep.axes[i].option)->name);
	fprintf(f, "%s\n", measure_label(path, label, sizeof(label)));
	for (index = 0; !ret && index < d->sweep.count; index++)
		ret = print_point(f, d, index, path);
	return ret;
}

static int report(const struct sweeper *s)
{
	const struct sweep_dir *d = &s->dir;
	int ret = 0;

	if (d->done <= PRINTED_POINTS)
		ret = print_table(stdout, d);
	printf("%s%llu points in %s", d->done <= PRINTED_POINTS ? "\n" : "", (unsigned long long)d->done, d->path);
	if (d->done < d->wanted)
		printf(", %llu to go", (unsigned long long)(d->wanted - d->done));
	if (d->skipped)
		printf(", %llu of them left out as invalid", (unsigned long long)d->skipped);
	if (d->shards > 1)
		printf(": shard %u of %u of %llu points", d->shard + 1, d->shards,
		       (unsigned long long)d->sweep.count);
	putchar('\n');
	if (ret)
		return cmd_fail(EXIT_FAILED, "%s: cannot read a point back: %s", d->path, strerror(-ret));
	return fflush(stdout) || ferror(stdout)
		       ? cmd_fail(EXIT_FAILED, "standard output: cannot write the report: %s", strerror(errno))
		       : EXIT_OK;
}

/* ---- the command ---- */

/* "K/N"; none is all. */
static int read_shard(struct sweeper *s)
{
	const char *text = s->options->shard;
	unsigned long k = 1, n = 1;
	char rest;

	if (*text && (sscanf(text, "%lu/%lu%c", &k, &n, &rest) != 2 || !k || k > n || n > SWEEP_MAX_POINTS ||
		      strspn(text, "0123456789/") != strlen(text)))
		return cmd_fail(EXIT_USAGE, "--shard %s: not K/N with 1 <= K <= N <= %u", text, SWEEP_MAX_POINTS);
	s->shard = (uint32_t)k - 1;
	s->shards = (uint32_t)n;
	return -1;
}

/* FILE.ini's sweep goes to FILE.sweep of the current directory, a shard's to FILE.2of4.sweep. */
static char *default_dir(const char *file, uint32_t shard, uint32_t shards)
{
	const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	int length = (int)strlen(name);
	char part[32] = "", *dir;

	if (length > 4 && !strcmp(name + length - 4, ".ini"))
		length -= 4;
	if (shards > 1)
		snprintf(part, sizeof(part), ".%uof%u", shard + 1, shards);
	return asprintf(&dir, "%.*s%s.sweep", length, name, part) < 0 ? NULL : dir;
}

static int open_dir(struct sweeper *s)
{
	struct options_error err = { "" };
	char *dir;
	int ret;

	dir = *s->options->output ? strdup(s->options->output)
				  : default_dir(s->options->args.v[0], s->shard, s->shards);
	if (!dir)
		return cmd_fail(EXIT_FAILED, "out of memory");
	ret = sweep_dir_create(
		&s->dir, dir, sweep_dir_manifest(s->ctx, &s->sweep, &s->base, s->plots, s->shard, s->shards), &err);
	free(dir);
	return ret ? cmd_refuse(ret, &err) : -1;
}

/* Points that are there stay there, whatever happens. */
static int sweep_into_dir(struct sweeper *s)
{
	struct options_error err = { "" };
	int code, ret;

	code = list_todo(s);
	if (code)
		return code;
	if (s->dir.done)
		fprintf(stderr, "simbench: %s: %llu of %llu points are there already\n", s->dir.path,
			(unsigned long long)s->dir.done, (unsigned long long)s->dir.wanted);
	code = run_points(s);
	if (code && code < EXIT_SIGNAL)
		return code;
	ret = sweep_dir_finish(&s->dir, &err);
	if (ret)
		return cmd_fail(EXIT_FAILED, "%s", err.msg);
	if (code)
		fprintf(stderr,
			"simbench: stopped with %llu of %llu points done; the same command goes on from there\n",
			(unsigned long long)s->dir.done, (unsigned long long)s->dir.wanted);
	ret = report(s);
	return ret ? ret : code;
}

static int take_pair(void *arg, const struct options_ini_pair *pair, struct options_error *err)
{
	struct sweeper *s = arg;

	int ret = sweep_take_pair(&s->sweep, pair, err);

	return ret ? ret : plots_take_pair(&s->plots, pair, err);
}

int cmd_sweep(const struct cmd_context *ctx, int argc, char **args)
{
	struct sweeper s = { .ctx = ctx, .dir.fd = -1 };
	struct options o;
	struct options_input in = {
		.scope = S_SWEEP | S_POINT,
		.argc = argc,
		.argv = args,
		.positional = true,
		.config_args = options_every_arg,
		.take_pair = take_pair,
		.take_arg = &s,
	};
	struct options_error err = { "" };
	int code = cmd_parse_input(&o, &in, USAGE), ret;

	s.options = &o;
	if (code < 0 && o.args.count != 1)
		code = cmd_fail(EXIT_USAGE, "%s",
				o.args.count ? "one FILE.ini at a time" : "which FILE.ini? " USAGE);
	ret = code < 0 ? options_copy(&s.base, &o) : 0;
	if (!ret && code < 0)
		ret = sweep_finish(&s.sweep, &s.base, &err);
	if (!ret && code < 0)
		ret = plots_check(s.plots, &s.sweep, &err);
	if (ret)
		code = cmd_refuse(ret, &err);
	if (code < 0 && o.show_config)
		code = cmd_show_config(&s.base);
	if (code < 0)
		code = read_shard(&s);
	if (code < 0)
		code = check_points(&s);
	if (code < 0)
		code = open_dir(&s);
	if (code < 0)
		code = sweep_into_dir(&s);
	sweep_dir_close(&s.dir);
	sweep_destroy(&s.sweep);
	json_decref(s.plots);
	options_free(&s.base);
	options_free(&o);
	free(s.todo);
	return code;
}
