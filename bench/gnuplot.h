/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gnuplot.h - pictures: what is drawn as data, the scripts of plots/ as they were when the program was built
 */
#ifndef SIMBENCH_GNUPLOT_H
#define SIMBENCH_GNUPLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define GNUPLOT_MAX_SERIES 8
#define GNUPLOT_MAX_PANELS 4

/* Names of plots/<name>.gp. */
#define GNUPLOT_KIND_LIST(X)          \
	X(GNUPLOT_LINES, "lines")     \
	X(GNUPLOT_BARS, "bars")       \
	X(GNUPLOT_STACKED, "stacked") \
	X(GNUPLOT_CDF, "cdf")         \
	X(GNUPLOT_SCATTER, "scatter") \
	X(GNUPLOT_TORNADO, "tornado")

#include "sim/config_enums.h"

CONFIG_ENUM(gnuplot_kind, GNUPLOT_KIND_LIST)

struct gnuplot_value {
	double x, y, low, high; /* low and high: the interval; y where there is none */
};

struct gnuplot_dataset {
	struct gnuplot_value *values; /* by increasing x */
	uint32_t count, capacity;
};

struct gnuplot_reference {
	double value;
	char *name;
};

/* Texts are owned, and may be NULL for none; plots/style.gp says what they mean. */
struct gnuplot_picture {
	enum gnuplot_kind kind;
	char *title, *footer, *xlabel, *ylabel;
	bool logx, logy, zero;
	uint32_t panel_count, series_count;
	char *panel_name[GNUPLOT_MAX_PANELS];
	char *series_name[GNUPLOT_MAX_SERIES];
	unsigned int series_style[GNUPLOT_MAX_SERIES]; /* 1..8 */
	struct gnuplot_reference *references;
	uint32_t reference_count;
	char **category_name;
	uint32_t category_count;
	struct gnuplot_dataset data[GNUPLOT_MAX_PANELS][GNUPLOT_MAX_SERIES];
};

void gnuplot_picture_free(struct gnuplot_picture *p);

/* Each returns 0 or -ENOMEM; @name is copied. */
int gnuplot_add_value(struct gnuplot_picture *p, uint32_t panel, uint32_t series, const struct gnuplot_value *v);
int gnuplot_add_reference(struct gnuplot_picture *p, double value, const char *name);
int gnuplot_add_category(struct gnuplot_picture *p, const char *name);

/* Whether it is installed. */
bool gnuplot_exists(void);

/* Whether @name can be that of a picture: ends in .svg or .png, and holds nothing that would need quoting. */
bool gnuplot_is_picture(const char *name);

/* Whether @name can be that of a picture without its ending: no directories, and nothing that needs quoting. */
bool gnuplot_is_name(const char *name);

/* A running gnuplot that takes commands, or NULL with errno set; and its end: 0 or -EIO. */
FILE *gnuplot_open(void);
int gnuplot_close(FILE *f);

/* Writes @s as a string constant of gnuplot. */
void gnuplot_string(FILE *f, const char *s);

/**
 * gnuplot_draw - make a picture
 * @p: what is on it
 * @output: file, whose name ends in .svg or .png and has no control characters
 *
 * The same picture gives the same bytes. Returns 0, -EIO when gnuplot has failed (it has said why, and a former
 * picture is still there), or another negative errno.
 */
int gnuplot_draw(const struct gnuplot_picture *p, const char *output);

#endif
