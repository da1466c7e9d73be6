/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report.h - what a run prints: text for people, JSON for programs
 *
 * Neither form of a simulation's result depends on the compiler, the host or the number of threads: numbers come
 * from integers by IEEE operations in a fixed order, and whatever does vary from run to run is in the JSON context
 * alone.
 */
#ifndef SIMBENCH_REPORT_H
#define SIMBENCH_REPORT_H

#include <stdio.h>

#include "bench/cmd.h"
#include "bench/runner.h"

struct json_t;

#define REPORT_SCHEMA_VERSION 1

/* Locks that a JSON report lists; text shows fewer. */
#define REPORT_JSON_LOCKS 64

/**
 * report_text - a summary as fio prints it, then devices, locks, cache lines, map calls and calls per I/O
 * @f: written to and flushed
 * @run: after runner_run()
 * @runner: the one that ran it, for whether it was interrupted
 * @color: with ANSI attributes
 *
 * Without a complete repetition it says so and gives no numbers. Returns 0, or -EIO when @f has failed.
 */
int report_text(FILE *f, const struct run *run, const struct runner *runner, bool color);

/**
 * report_json - the same as one JSON object: context, config, results[]; docs/results.schema.json describes it
 * @f: written to and flushed
 * @ctx: for the context
 * @runs: one or more; the first one's options are the config
 * @count: of @runs
 * @runner: after runner_run()
 *
 * Everything that differs from run to run of the same simulation is in context; results are the same bytes wherever
 * and with whatever compiler they were made. A ratio over nothing, such as calls per I/O without I/O, is 0; what a
 * run without a complete repetition would have measured is null. Returns 0, -ENOMEM, or -EIO when @f has failed.
 */
int report_json(FILE *f, const struct cmd_context *ctx, const struct run *runs, uint32_t count,
		const struct runner *runner);

/**
 * report_json_point - a run's result without what a sweep has no room for
 * @run: after runner_run(), complete
 *
 * As in report_json(), but without scenario and devices, with the number of repetitions in their place, with the
 * REPORT_POINT_LOCKS and REPORT_POINT_LINES first locks and lines and the first cache_lock, and with a latency
 * distribution: latency_ns.quantiles holds pairs of a percentage and the latency that it does not exceed. New
 * reference, or NULL when memory ran out.
 */
struct json_t *report_json_point(const struct run *run);

#define REPORT_POINT_LOCKS 4
#define REPORT_POINT_LINES 4

/**
 * report_context - the context object: version, commit, compiler, host, date, command line, wall time
 * @ctx: for the command line
 * @runner: for the wall time
 * @events: simulated in that time
 * @ios: completed in that time
 *
 * Returns a new reference, or NULL when memory ran out.
 */
struct json_t *report_context(const struct cmd_context *ctx, const struct runner *runner, uint64_t events,
			      uint64_t ios);

/* @s as a JSON string, with '?' for each byte that is not ASCII if @s is not UTF-8. New reference or NULL. */
struct json_t *report_json_text(const char *s);

/* Whether the run lacks a repetition, or a signal came while it ran. */
bool report_interrupted(const struct run *run, const struct runner *runner);

/* Whether it ran on this machine's CPUs, in wall-clock time. */
bool report_is_native(const struct run *run);

/* What native runs on machine @t cannot tell, as a sentence without a full stop; NULL where they tell all. */
const char *report_blind_spots(const struct topology *t);

/* "lazy", "strict", or "none" without translation: what was simulated, which caching mode may have decided. */
const char *report_invalidation(const struct scenario *s);

/* @a / @b; 0 when @b is 0. */
double report_ratio(uint64_t a, uint64_t b);

/* MiB/s, and events per second; 0 when @elapsed_ps is 0. */
double report_mib_s(uint64_t bytes, uint64_t elapsed_ps);
double report_per_s(uint64_t count, uint64_t elapsed_ps);

/* Shares of all CPUs' time, 0..1. Spinning and stalling are parts of busy. */
struct report_cpus {
	double busy;  /* not idle */
	double spin;  /* waiting for another CPU's write */
	double stall; /* waiting for a cache line's transfer */
};

void report_cpus(const struct host_result *r, struct report_cpus *cpus);

/* "lock_wait", as in MAP_PARTS. */
const char *report_map_part_name(enum map_part part);

/* What all map calls took, their parts together. */
uint64_t report_map_ps(const struct host_result *r);

/**
 * report_line_field - go through the fields that a cache line holds, or holds a part of
 * @line: the line
 * @next: 0 to begin with; advanced
 *
 * Returns the next field's name, NULL after the last. Lines of a large object that are not told apart hold its
 * arrays, the fields larger than a line.
 */
const char *report_line_field(const struct host_line_result *line, uint32_t *next);

/**
 * report_line_name - name a cache line
 * @line: the line
 * @object: receives "dmar_domain+64"; or the bare name where an object's lines are not told apart, and
 *	"iova_fq (rest)" for those of its lines that are not
 * @object_size: bytes of @object
 * @fields: receives the fields on the line, comma separated; what does not fit is cut off after a whole name
 * @fields_size: bytes of @fields
 */
void report_line_name(const struct host_line_result *line, char *object, size_t object_size, char *fields,
		      size_t fields_size);

#endif
