/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sweep.h - the points of a sweep: which options take which values, and in what combinations
 *
 * The section [sweep] of an INI file:
 *
 *   command = run | lockbench | mapbench        what every point is a run of; run unless said
 *   <option> = VALUE, VALUE, ...                an axis; VALUE as in [simbench], or a range FIRST:LAST:STEP, or
 *                                               FIRST:LAST:*FACTOR; a value that has commas itself stands in
 * brackets zip = <option> + <option>, ...              axes that advance together, instead of each with each
 *   invalid = refuse | skip                     combinations that a run would refuse: refuse the sweep, or leave
 * them out
 *
 * Points are numbered from 0, the axis that was named first being the slowest.
 */
#ifndef SIMBENCH_SWEEP_H
#define SIMBENCH_SWEEP_H

#include "bench/point.h"

#define SWEEP_MAX_AXES 16
#define SWEEP_MAX_POINTS 1000000

struct sweep_axis {
	unsigned int option;
	uint32_t group; /* axes of one group advance together */
	uint32_t count;
	char **values; /* in canonical notation */
};

struct sweep {
	enum point_command command;
	bool skip_invalid;
	uint32_t axis_count;
	struct sweep_axis axes[SWEEP_MAX_AXES];
	uint32_t group_count;
	uint32_t group_size[SWEEP_MAX_AXES]; /* values of a group's axes */
	uint64_t count;			     /* points, those that are left out included */
	struct json_t *text;		     /* what the file says, until sweep_finish() has looked at it */
	char *where;			     /* the section begins, "file:12"; as @text */
};

/**
 * sweep_take_pair - take note of a line of [sweep]
 * @s: zeroed before the first one
 *
 * For struct options_input; other sections are left alone. Returns 0, -ENOMEM, or -EINVAL with @err filled in.
 */
int sweep_take_pair(struct sweep *s, const struct options_ini_pair *pair, struct options_error *err);

/**
 * sweep_finish - check what the file says, and count the points
 * @s: after the last sweep_take_pair()
 * @base: options of the command line and [simbench]; its scope and defaults become the command's
 * @err: receives what is wrong
 *
 * Returns 0, -ENOMEM, or -EINVAL with @err filled in.
 */
int sweep_finish(struct sweep *s, struct options *base, struct options_error *err);

void sweep_destroy(struct sweep *s);

/* Which of its values an axis has at point @index. */
uint32_t sweep_value(const struct sweep *s, uint64_t index, uint32_t axis);

/* The point at which group g's axes have value number position[g]. */
uint64_t sweep_index(const struct sweep *s, const uint32_t *position);

/* The axis of @option, or NULL. */
const struct sweep_axis *sweep_axis_of(const struct sweep *s, unsigned int option);

/**
 * sweep_point - the options of a point
 * @s: finished
 * @base: as sweep_finish() left it
 * @index: below s->count
 * @o: to fill in; options_free() releases it, whatever the result
 * @err: receives why a run would refuse them
 *
 * Returns 0, -ENOMEM, or -EINVAL with @err filled in.
 */
int sweep_point(const struct sweep *s, const struct options *base, uint64_t index, struct options *o,
		struct options_error *err);

/* {"devices": 4, "policy": "static"}: the axes' values at a point, as in options_to_json(). New reference or NULL.
 */
struct json_t *sweep_point_json(const struct sweep *s, uint64_t index);

/* "devices=4 policy=static", in @buf. Returns @buf. */
const char *sweep_point_text(const struct sweep *s, uint64_t index, char *buf, size_t size);

/* {"command", "axes"}: what is needed to number the points again. New reference or NULL. */
struct json_t *sweep_to_json(const struct sweep *s);

/* The opposite. Returns 0, -ENOMEM, or -EINVAL where @json is not what sweep_to_json() makes. */
int sweep_from_json(struct sweep *s, const struct json_t *json);

#endif
