/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/platform/timer.h"

#include <errno.h>
#include <stdlib.h>

#include "sim/exec/timer.h"
#include "sim/exec/virtual.h"

/* An armed timer: an event that raises an interrupt on the CPU that armed it. */
struct timer_event {
	struct actor actor; /* must be first */
	struct irq irq;
	struct sim_timer *timer; /* NULL: deleted */
	struct vcpu *cpu;
	struct timer_event *next, **link;
};

static void timer_free(struct timer_event *t)
{
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	free(t);
}

static void timer_due(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct timer_event *t = (struct timer_event *)actor;

	(void)arg;
	vcpu_raise_irq(t->cpu, &t->irq, time_ps);
}

static void timer_run(struct irq *irq)
{
	struct timer_event *t = container_of(irq, struct timer_event, irq);
	struct sim_timer *timer = t->timer;

	timer_free(t);
	if (!timer)
		return;
	this_vcpu()->proc.now_ps += this_vcpu()->sim->params.irq_ps;
	timer->fn(timer);
}

void mod_timer(struct sim_timer *timer, uint64_t delay_ns)
{
	struct vcpu *c = this_vcpu();
	struct sim *s = c->sim;
	struct timer_event *t = calloc(1, sizeof(*t));

	if (!t) {
		s->engine.error = -ENOMEM;
		engine_stop(&s->engine);
		return;
	}
	t->actor.fn = timer_due;
	t->irq.handler = timer_run;
	t->timer = timer;
	t->cpu = c;
	t->next = s->timers;
	t->link = &s->timers;
	if (t->next)
		t->next->link = &t->next;
	s->timers = t;
	engine_post(&s->engine, c->proc.now_ps + delay_ns * 1000, &t->actor, 0);
}

void del_timer_sync(struct sim_timer *timer)
{
	struct timer_event *t;

	for (t = this_vcpu()->sim->timers; t; t = t->next)
		if (t->timer == timer)
			t->timer = NULL;
}

void sim_free_timers(struct sim *s)
{
	while (s->timers)
		timer_free(s->timers);
}
