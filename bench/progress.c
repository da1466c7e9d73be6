/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/progress.h"

#include <stdio.h>
#include <unistd.h>

#define LINE_INTERVAL_S 5.0
#define REDRAW_INTERVAL_S 0.1

static double seconds_between(const struct timespec *a, const struct timespec *b)
{
	return (double)(b->tv_sec - a->tv_sec) + (double)(b->tv_nsec - a->tv_nsec) * 1e-9;
}

void progress_init(struct progress *p, const struct options *o, const char *what)
{
	p->terminal = isatty(STDERR_FILENO);
	p->shown = o->progress == WHEN_ALWAYS || (o->progress == WHEN_AUTO && p->terminal);
	p->dirty = false;
	p->what = what;
	clock_gettime(CLOCK_MONOTONIC, &p->start);
	p->last = p->start;
}

void progress_update(void *arg, uint64_t done, uint64_t total)
{
	struct progress *p = arg;
	struct timespec now;
	double elapsed, left;

	if (!p->shown)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (seconds_between(&p->last, &now) < (p->terminal ? REDRAW_INTERVAL_S : LINE_INTERVAL_S))
		return;
	p->last = now;
	elapsed = seconds_between(&p->start, &now);
	left = elapsed / (double)done * (double)(total - done);
	fprintf(stderr, "%s%llu of %llu %s, %.0f s left%s", p->terminal ? "\r\033[K" : "", (unsigned long long)done,
		(unsigned long long)total, p->what, left, p->terminal ? "" : "\n");
	fflush(stderr);
	p->dirty = p->terminal;
}

void progress_clear(struct progress *p)
{
	if (p->dirty)
		fputs("\r\033[K", stderr);
	p->dirty = false;
}
