/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd_merge.c - joins the directories of a sweep's shards, and sees that no point is missing or there twice
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bench/sweep_dir.h"

#define USAGE "Usage: simbench merge DIR... -o DIR"

struct merge {
	struct sweep_dir *in;
	uint32_t count;
	struct sweep_dir out;
};

/* What all shards of a sweep have in common. */
static json_t *without_shard(const json_t *manifest)
{
	json_t *copy = json_copy((json_t *)manifest);

	json_object_set_new(copy, "shard", json_null());
	return copy;
}

static int open_shards(struct merge *m, const struct options *o)
{
	char difference[300];
	uint32_t i;

	m->in = calloc(o->args.count, sizeof(*m->in));
	if (!m->in)
		return cmd_fail(EXIT_FAILED, "out of memory");
	for (i = 0; i < o->args.count; i++) {
		struct options_error err = { "" };
		json_t *first, *this;
		int ret;

		m->count = i + 1;
		ret = sweep_dir_open(&m->in[i], o->args.v[i], &err);
		if (ret)
			return cmd_refuse(ret, &err);
		first = without_shard(m->in[0].manifest);
		this = without_shard(m->in[i].manifest);
		sweep_manifest_difference(first, this, difference, sizeof(difference));
		json_decref(first);
		json_decref(this);
		if (*difference)
			return cmd_fail(EXIT_USAGE, "%s and %s are not of one sweep: %s", o->args.v[0],
					o->args.v[i], difference);
	}
	return EXIT_OK;
}

/* Which of them has a point; refuses none and two. */
static int find_point(const struct merge *m, uint64_t index, uint32_t *which)
{
	char text[256];
	uint32_t i;

	*which = m->count;
	for (i = 0; i < m->count; i++) {
		if (!sweep_dir_has(&m->in[i], index))
			continue;
		if (*which < m->count)
			return cmd_fail(EXIT_FAILED, "point %llu (%s) is in %s and in %s",
					(unsigned long long)index,
					sweep_point_text(&m->in[0].sweep, index, text, sizeof(text)),
					m->in[*which].path, m->in[i].path);
		*which = i;
	}
	if (*which < m->count)
		return EXIT_OK;
	return cmd_fail(EXIT_FAILED, "point %llu (%s) is missing: it belongs to shard %llu of %u",
			(unsigned long long)index, sweep_point_text(&m->in[0].sweep, index, text, sizeof(text)),
			(unsigned long long)(index % m->in[0].shards + 1), m->in[0].shards);
}

static int copy_points(struct merge *m)
{
	uint64_t index;
	int code = EXIT_OK, ret = 0;

	for (index = 0; !code && index < m->out.sweep.count; index++) {
		json_t *record;
		uint32_t from;

		code = find_point(m, index, &from);
		if (code || sweep_dir_has(&m->out, index))
			continue;
		ret = sweep_dir_read(&m->in[from], index, &record);
		if (ret)
			return cmd_fail(EXIT_FAILED, "%s: point %llu: %s", m->in[from].path,
					(unsigned long long)index, strerror(-ret));
		ret = sweep_dir_append(&m->out, index, record);
		json_decref(record);
		if (ret)
			return cmd_fail(EXIT_FAILED, "%s: %s", m->out.path, strerror(-ret));
	}
	return code;
}

static int merge(struct merge *m, const struct options *o)
{
	struct options_error err = { "" };
	uint64_t index;
	uint32_t from;
	int code = open_shards(m, o), ret;

	/* Nothing is written before it is certain that all is there. */
	for (index = 0; !code && index < m->in[0].sweep.count; index++)
		code = find_point(m, index, &from);
	if (code)
		return code;
	ret = sweep_dir_create(&m->out, o->output, without_shard(m->in[0].manifest), &err);
	if (ret)
		return cmd_refuse(ret, &err);
	code = copy_points(m);
	if (code)
		return code;
	ret = sweep_dir_finish(&m->out, &err);
	if (ret)
		return cmd_refuse(ret == -EINVAL ? -EIO : ret, &err);
	printf("%llu points in %s\n", (unsigned long long)m->out.done, m->out.path);
	return EXIT_OK;
}

int cmd_merge(const struct cmd_context *ctx, int argc, char **args)
{
	struct options_input in = { .scope = S_MERGE, .argc = argc, .argv = args, .positional = true };
	struct merge m = { .out.fd = -1 };
	struct options o;
	uint32_t i;
	int code;

	(void)ctx;
	code = cmd_parse_input(&o, &in, USAGE);
	if (code < 0 && !o.args.count)
		code = cmd_fail(EXIT_USAGE, "which directories? " USAGE);
	if (code < 0 && !*o.output)
		code = cmd_fail(EXIT_USAGE, "-o DIR is missing: where to?");
	if (code < 0)
		code = merge(&m, &o);
	for (i = 0; i < m.count; i++)
		sweep_dir_close(&m.in[i]);
	free(m.in);
	sweep_dir_close(&m.out);
	options_free(&o);
	return code;
}
