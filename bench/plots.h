/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plots.h - what of a sweep is drawn, and how
 *
 * A section of the sweep's INI file for each picture:
 *
 *   [plot NAME]                          NAME.svg and NAME.png
 *   kind = lines | bars | stacked | cdf | scatter | knee
 *   x = OPTION, or OPTION + OPTION       axes of the sweep; scatter: a value of the result (measure.h)
 *   y = PATH                             a value of the result, the throughput unless said; cdf has none
 *   y = PATH, ...                        stacked: several
 *   parts = NAME, ...                    stacked: what they are called
 *   series = OPTION, or OPTION + OPTION  a line each
 *   panel = OPTION                       plots side by side
 *   where = KEY=VALUE ...                only these points
 *   against = KEY=VALUE ...              y is related to the point that differs in this
 *   as = ratio | drop_pct                how; ratio unless said
 *   along = OPTION                       knee: y is where along this axis the value falls below a share
 *   level_pct = N                        knee: the share of what it is against, 99 % unless said
 *   title, xlabel, ylabel = TEXT
 *   logx, logy, zero = yes | no
 *   reference = NUMBER TEXT, ...         lines across
 *
 * Axes of the sweep with several values that none of these names are refused, so that nothing is averaged silently.
 */
#ifndef SIMBENCH_PLOTS_H
#define SIMBENCH_PLOTS_H

#include "bench/gnuplot.h"
#include "bench/sweep_dir.h"

/* plots_take_pair - take note of a line of a [plot NAME] in the array *@plots; as sweep_take_pair() */
int plots_take_pair(struct json_t **plots, const struct options_ini_pair *pair, struct options_error *err);

/**
 * plots_check - check what the sections say against the sweep
 * @plots: array, or NULL for none
 * @s: finished
 *
 * Returns 0, -ENOMEM, or -EINVAL with @err filled in.
 */
int plots_check(const struct json_t *plots, const struct sweep *s, struct options_error *err);

/**
 * plots_default - the section that a sweep without any gets: its throughput along the numeric axis with most values
 *
 * New reference to an array, or NULL when memory ran out.
 */
struct json_t *plots_default(const struct sweep *s);

/**
 * plots_make - the pictures of a sweep
 * @d: open for reading; all points are looked at once
 * @plots: checked
 * @footer: text for all of them
 * @pictures: receives an array of json_array_size(@plots) pictures, to be freed one by one and as a whole
 * @err: receives what is wrong
 *
 * Returns 0 or a negative errno with @err filled in.
 */
int plots_make(const struct sweep_dir *d, const struct json_t *plots, const char *footer,
	       struct gnuplot_picture **pictures, struct options_error *err);

#endif
