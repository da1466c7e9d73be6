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
	p->dirty = p->rate = false;
	p->before = 0;
	p->what = what;
	clock_gettime(CLOCK_MONOTONIC, &p->start);
	p->last = p->start;
}

void progress_init_long(struct progress *p, const struct options *o, const char *what, uint64_t before)
{
	progress_init(p, o, what);
	p->shown = o->progress != WHEN_NEVER;
	p->rate = true;
	p->before = before;
}

void progress_update(void *arg, uint64_t done, uint64_t total)
{
	struct progress *p = arg;
	struct timespec now;
	double elapsed, left, rate;
	char per_s[32] = "";

	if (!p->shown)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (seconds_between(&p->last, &now) < (p->terminal ? REDRAW_INTERVAL_S : LINE_INTERVAL_S))
		return;
	p->last = now;
	elapsed = seconds_between(&p->start, &now);
	rate = (double)(done - p->before) / elapsed;
	left = (double)(total - done) / rate;
	if (p->rate)
		snprintf(per_s, sizeof(per_s), ", %.3g/s", rate);
	fprintf(stderr, "%s%llu of %llu %s%s, %.0f s left%s", p->terminal ? "\r\033[K" : "",
		(unsigned long long)done, (unsigned long long)total, p->what, per_s, left, p->terminal ? "" : "\n");
	fflush(stderr);
	p->dirty = p->terminal;
}

void progress_clear(struct progress *p)
{
	if (p->dirty)
		fputs("\r\033[K", stderr);
	p->dirty = false;
}
