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
	bool shown;	 /* wanted at all */
	bool terminal;	 /* a line that is rewritten, instead of a line every few seconds */
	bool dirty;	 /* the line is on the screen */
	bool rate;	 /* shown beside it: what is counted are points of a sweep */
	uint64_t before; /* done before the start */
	const char *what;
	struct timespec start, last;
};

/* @what is counted, in the plural. */
void progress_init(struct progress *p, const struct options *o, const char *what);

/* The same for what takes long and is often run without a terminal: "auto" then writes lines. @before are done. */
void progress_init_long(struct progress *p, const struct options *o, const char *what, uint64_t before);

/* @arg is the struct progress: matches struct runner's callback. */
void progress_update(void *arg, uint64_t done, uint64_t total);

/* Takes the line off the screen, before anything else is printed. */
void progress_clear(struct progress *p);

#endif
