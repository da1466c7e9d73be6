/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/native_timer.h"

#include "platform.h"
#include "sim/platform/timer.h"

/* An armed timer. */
struct native_timer {
	struct native_event event; /* must be first */
	struct native_timer *next, **link;
	struct sim_timer *timer; /* NULL: deleted */
};

static void timer_free(struct native_timer *t)
{
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	free(t);
}

static void timer_due(struct native_event *event)
{
	struct native_timer *t = (struct native_timer *)event;
	struct native *m = this_cpu()->machine;
	struct sim_timer *timer;

	pthread_mutex_lock(&m->lock);
	timer = t->timer;
	timer_free(t);
	pthread_mutex_unlock(&m->lock);
	if (!timer)
		return;
	cpu_spend(m->params.irq_ps);
	timer->fn(timer);
}

void mod_timer(struct sim_timer *timer, uint64_t delay_ns)
{
	struct native *m = this_cpu()->machine;
	struct native_timer *t = calloc(1, sizeof(*t));

	if (!t) {
		native_fail(-ENOMEM);
		return;
	}
	t->event.fn = timer_due;
	t->event.time_ps = cpu_clock_ps() + delay_ns * 1000;
	t->timer = timer;
	pthread_mutex_lock(&m->lock);
	t->next = m->timers;
	t->link = &m->timers;
	if (t->next)
		t->next->link = &t->next;
	m->timers = t;
	pthread_mutex_unlock(&m->lock);
	native_post(m, this_cpu()->id, &t->event);
}

void del_timer_sync(struct sim_timer *timer)
{
	struct native *m = this_cpu()->machine;
	struct native_timer *t;

	pthread_mutex_lock(&m->lock);
	for (t = m->timers; t; t = t->next)
		if (t->timer == timer)
			t->timer = NULL;
	pthread_mutex_unlock(&m->lock);
}

void native_free_timers(struct native *m)
{
	while (m->timers)
		timer_free(m->timers);
}
