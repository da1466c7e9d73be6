/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore_log.c - what has happened in a schedule, to be shown
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exec/explore_internal.h"

void explore_log(struct explore *x, bool on)
{
	x->logging = on;
}

/* A store is made after its hook, and before anything else happens. */
static void note_last_store(struct explore *x)
{
	struct explore_event *e = x->event_count ? &x->events[x->event_count - 1] : NULL;

	if (e && e->kind == ACCESS_STORE)
		memcpy(&e->after, (const void *)((uintptr_t)e->address & ~7UL), sizeof(e->after));
}

static struct explore_event *new_event(struct explore *x)
{
	struct explore_event *e;

	note_last_store(x);

	if (x->event_count == x->event_capacity) {
		uint32_t capacity = x->event_capacity ? 2 * x->event_capacity : 256;

		e = realloc(x->events, capacity * sizeof(*e));
		if (!e)
			return NULL;
		x->events = e;
		x->event_capacity = capacity;
	}
	e = &x->events[x->event_count++];
	*e = (struct explore_event){ .step = x->step, .agent = x->current };
	return e;
}

static struct explore_event *new_text(struct explore *x, const char *format, va_list args)
{
	struct explore_event *e;

	if (!x || !x->logging || !x->running)
		return NULL;
	e = new_event(x);
	if (!e)
		return NULL;
	e->kind = EVENT_TEXT;
	vsnprintf(e->text, sizeof(e->text), format, args);
	return e;
}

const struct explore_event *explore_events(struct explore *x, uint32_t *count)
{
	note_last_store(x);
	*count = x->event_count;
	return x->events;
}

void explore_say(struct explore *x, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	new_text(x, format, args);
	va_end(args);
}

void explore_say_of(struct explore *x, uint64_t first, uint64_t last, const char *format, ...)
{
	struct explore_event *e;
	va_list args;

	va_start(args, format);
	e = new_text(x, format, args);
	va_end(args);
	if (!e)
		return;
	e->first = first;
	e->last = last;
}

static struct line_state *take_line(struct explore *x, const void *p, bool write)
{
	struct line_state *l = &x->lines[(size_t)((const char *)p - x->base) / CACHE_LINE_SIZE];

	if (l->log_run != x->run) {
		l->log_run = x->run;
		l->owner = 0;
		l->sharers = 0;
	}
	if (write) {
		/* What a unit writes is in memory. */
		l->owner = x->current < x->cpu_count ? x->current + 1 : 0;
		l->sharers = 0;
	} else if (l->owner != x->current + 1) {
		if (l->owner)
			l->sharers = 1U << (l->owner - 1);
		l->owner = 0;
		if (x->current < x->cpu_count)
			l->sharers |= 1U << x->current;
	}
	return l;
}

void explore_log_access(struct explore *x, const void *p, enum explore_access_kind kind, bool visible)
{
	const struct line_state *l = x->logging ? take_line(x, p, kind != ACCESS_LOAD) : NULL;
	struct explore_event *e = l && visible ? new_event(x) : NULL;

	if (!e)
		return;
	e->kind = (uint8_t)kind;
	e->address = p;
	e->owner = l->owner;
	e->sharers = l->sharers;
	memcpy(&e->before, (const void *)((uintptr_t)p & ~7UL), sizeof(e->before));
}

static void log_store(struct explore *x, const void *p, uint8_t kind, uint8_t agent)
{
	struct explore_event *e;

	/* Of words that only one CPU knows nobody wants to hear. */
	if (!x->logging || !(explore_word_of(x, p)->flags & WORD_VISIBLE))
		return;
	e = new_event(x);
	if (!e)
		return;
	e->kind = kind;
	e->agent = agent;
	e->address = p;
}

void explore_log_buffered(struct explore *x, const void *p)
{
	log_store(x, p, EVENT_BUFFERED, x->current);
}

void explore_log_drained(struct explore *x, const void *p, uint32_t cpu)
{
	log_store(x, p, EVENT_DRAINED, (uint8_t)(EXPLORE_FIRST_BUFFER + cpu));
}

void explore_called(struct vcpu *c, enum fn_id fn)
{
	static const char *const names[FN_COUNT] = {
#define X(name) [FN_##name] = #name,
		COUNTED_FUNCTIONS(X)
#undef X
	};

	explore_entered(c, names[fn]);
}

void explore_entered(struct vcpu *c, const char *name)
{
	explore_say(c->explore, "  %s()", name);
}
