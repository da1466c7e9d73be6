/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sweep_dir.h - the directory of a sweep: points.jsonl, which survives crashes, manifest.json and points.csv
 *
 * points.jsonl has a line for each finished point, {"index", "point", "result"}, or {"index", "point", "skipped"}
 * for a combination that was left out. A line that is there in full, and synced, is a point that is done; a crash
 * can only leave part of a last line, which is taken away again. When all are there they are put in order, and the
 * file is then the same whatever order they were finished in. Memory does not grow with the results: 16 bytes a
 * point.
 *
 * manifest.json says what sweep it is: program, configuration, axes, shard, plots.
 */
#ifndef SIMBENCH_SWEEP_DIR_H
#define SIMBENCH_SWEEP_DIR_H

#include <pthread.h>

#include "bench/sweep.h"

#define SWEEP_SCHEMA_VERSION 1

struct sweep_record {
	uint64_t offset;
	uint32_t length; /* with its newline; 0: there is none */
};

struct sweep_dir {
	char *path;
	struct json_t *manifest;
	struct sweep sweep;
	uint32_t shard, shards; /* this directory's points are those of index % shards == shard; 0 of 1 for all */
	int fd;			/* of points.jsonl; -1: not open */
	bool writing;
	uint64_t size;		      /* of points.jsonl, whole lines */
	struct sweep_record *records; /* by index */
	uint64_t done, wanted;	      /* lines there are, and lines there will be */
	uint64_t skipped;	      /* of those that are there */
	bool broken;		      /* part of a line is there that could not be taken away again */
	pthread_mutex_t lock;
};

/**
 * sweep_dir_manifest - what is to be known of a sweep before its first point
 * @ctx: for the context
 * @s: finished
 * @base: as sweep_finish() left it
 * @plots: array of the file's [plot] sections, or NULL; stays the caller's
 * @shard: 0..@shards - 1
 * @shards: at least 1
 *
 * New reference, or NULL when memory ran out.
 */
struct json_t *sweep_dir_manifest(const struct cmd_context *ctx, const struct sweep *s, const struct options *base,
				  const struct json_t *plots, uint32_t shard, uint32_t shards);

/**
 * sweep_dir_create - begin a sweep's directory, or go on with it
 * @d: to fill in; sweep_dir_close() releases it, whatever the result
 * @path: created if it is not there
 * @manifest: taken over; a directory with another one is refused, but for its plots, which are replaced
 * @err: receives what is wrong
 *
 * Takes away what a crash left of a last line. Returns 0; -EINVAL when @path is another sweep's, or no sweep's;
 * -EBUSY when another process is writing to it; another negative errno.
 */
int sweep_dir_create(struct sweep_dir *d, const char *path, struct json_t *manifest, struct options_error *err);

/* The same for reading: the sweep may be incomplete, and may be going on. */
int sweep_dir_open(struct sweep_dir *d, const char *path, struct options_error *err);

void sweep_dir_close(struct sweep_dir *d);

/* Whether @path has a manifest, or could be meant to: is a directory. */
bool sweep_dir_is(const char *path);

/* Whether a point belongs to this directory, and whether it is there. */
bool sweep_dir_wants(const struct sweep_dir *d, uint64_t index);
bool sweep_dir_has(const struct sweep_dir *d, uint64_t index);

/**
 * sweep_dir_append - add a point, and sync it
 * @d: opened by sweep_dir_create()
 * @index: of a point that is wanted and not there
 * @record: its line; stays the caller's
 *
 * From any thread. What cannot be written in full is taken away again. Returns 0 or a negative errno.
 */
int sweep_dir_append(struct sweep_dir *d, uint64_t index, const struct json_t *record);

/* A point's line. Returns 0; -ENOENT when it is not there; -EINVAL when it is damaged; another negative errno. */
int sweep_dir_read(const struct sweep_dir *d, uint64_t index, struct json_t **record);

/**
 * sweep_dir_finish - write points.csv, and if all points are there put them in order and say so in the manifest
 * @d: opened by sweep_dir_create()
 * @err: receives what is wrong, with the file's name
 *
 * Returns 0 or a negative errno.
 */
int sweep_dir_finish(struct sweep_dir *d, struct options_error *err);

/* {"index", "point", "result"}, which takes over @result; or with a NULL result {"index", "point", "skipped"}. */
struct json_t *sweep_record_json(const struct sweep *s, uint64_t index, struct json_t *result, const char *skipped);

/* What two manifests differ in, as "config.local_ns: 51ns and 86.5ns", in @buf; "" where they are of one sweep. */
const char *sweep_manifest_difference(const struct json_t *a, const struct json_t *b, char *buf, size_t size);

#endif
