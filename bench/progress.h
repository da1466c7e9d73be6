/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * progress.h - how far a command is, on standard error
 */
#ifndef SIMBENCH_PROGRESS_H
#define SIMBENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "bench/options.h"

struct progress {
	bool shown;    /* wanted at all */
	bool terminal; /* a line that is rewritten, instead of a line every few seconds */
	bool dirty;    /* the line is on the screen */
	const char *what;
	struct timespec start, last;
};

/* @what is counted, in the plural. */
void progress_init(struct progress *p, const struct options *o, const char *what);

/* @arg is the struct progress: matches struct runner's callback. */
void progress_update(void *arg, uint64_t done, uint64_t total);

/* Takes the line off the screen, before anything else is printed. */
void progress_clear(struct progress *p);

#endif
