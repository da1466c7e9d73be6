/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plots_internal.h - a section that says what is drawn, read and checked: between plots.c, which reads it, and
 * plots_make.c, which draws it; not for others
 */
#ifndef SIMBENCH_PLOTS_INTERNAL_H
#define SIMBENCH_PLOTS_INTERNAL_H

#include <jansson.h>

#include "bench/plots.h"

/* Options that one axis of a picture can be made of. */
#define MAX_JOINED 4

/* Axes of the sweep, by their number there. */
struct axis_list {
	uint32_t axis[MAX_JOINED];
	uint32_t count;
};

/* Value number by group of the sweep's axes; -1: any. */
typedef int64_t fixed_t[SWEEP_MAX_AXES];

/* A section, checked. Texts belong to the section. */
struct plot {
	const char *name, *begins; /* "file:12" */
	enum gnuplot_kind kind;
	bool knee;
	struct axis_list x, series, panel;
	const char *x_path; /* scatter */
	char y_path[GNUPLOT_MAX_SERIES][128];
	char part_name[GNUPLOT_MAX_SERIES][64];
	uint32_t y_count, part_count;
	fixed_t where, against;
	bool related, drop;
	uint32_t along; /* axis */
	double level;	/* of the knee, as a ratio */
	const json_t *keys;
};

/* What the section says of a key, or NULL. */
const char *plot_text(const json_t *keys, const char *key);

/* Whether the axis is one of numbers, not of names. */
bool plot_axis_is_numeric(const struct sweep_axis *a);

/* Returns -EINVAL, with @err saying @what of the section. */
int plot_refuse(const struct plot *p, struct options_error *err, const char *what);

/* Reads a section and checks it against the sweep. Returns 0, -ENOMEM, or -EINVAL with @err filled in. */
int plot_parse(struct plot *p, const json_t *section, const struct sweep *s, struct options_error *err);

/* Checks the lines across, and adds them to @pic unless that is NULL. Returns as plot_parse(). */
int plot_references(const struct plot *p, struct gnuplot_picture *pic, struct options_error *err);

#endif
