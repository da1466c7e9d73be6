/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine_native.c - machine.h on the native executor
 */
#include "platform.h"

#include "sim/exec/machine_native.h"

/* A machine_timer's event; all of them are CPU 0's. */
struct timer_event {
	struct native_event event; /* must be first */
	struct machine_timer *timer;
	struct timer_event *next;
	uint64_t delay_ps;
	bool waiting; /* for machine_run() to start */
};

int machine_create(const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
		   const struct sim_params *params, bool lock_stat, struct machine **machine)
{
	struct machine *m = calloc(1, sizeof(*m));
	int ret;

	if (!m)
		return -ENOMEM;
	ret = native_create(&m->native, topology, pus, cpu_count, params, lock_stat);
	if (ret) {
		free(m);
		return ret;
	}
	*machine = m;
	return 0;
}

void machine_destroy(struct machine *m)
{
	if (!m)
		return;
	machine_free_nvmes(m);
	while (m->unit_count)
		free(m->units[--m->unit_count]);
	free(m->units);
	while (m->timers) {
		struct timer_event *t = m->timers;

		m->timers = t->next;
		free(t);
	}
	native_destroy(&m->native);
	free(m);
}

struct mmio_device *machine_add_unit(struct machine *m, uint32_t package, uint64_t cap, uint64_t ecap,
				     const struct vtd_timing *timing, uint32_t iotlb_entries)
{
	struct native_vtd **units = realloc(m->units, (m->unit_count + 1) * sizeof(struct native_vtd *)), *hw;

	(void)package, (void)iotlb_entries;
	if (!units)
		return NULL;
	m->units = units;
	hw = aligned_alloc(NATIVE_APART, sizeof(*hw));
	if (!hw)
		return NULL;
	native_vtd_init(hw, &m->native, cap, ecap, timing);
	m->units[m->unit_count++] = hw;
	return &hw->mmio;
}

int machine_call(struct machine *m, uint32_t cpu, void (*fn)(void *arg), void *arg)
{
	return native_call_on_cpu(&m->native, cpu, fn, arg);
}

static void timer_fires(struct native_event *event)
{
	struct timer_event *t = (struct timer_event *)event;

	t->timer->fn(t->timer->arg, cpu_clock_ps());
}

static void timer_post(struct machine *m, struct timer_event *t)
{
	t->waiting = false;
	t->event.time_ps = cpu_clock_ps() + t->delay_ps;
	native_post(&m->native, 0, &t->event);
}

int machine_at(struct machine *m, uint64_t delay_ps, struct machine_timer *timer)
{
	struct timer_event *t = timer->event, **link = &m->timers;

	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		t->event.fn = timer_fires;
		t->timer = timer;
		timer->event = t;
		while (*link)
			link = &(*link)->next;
		*link = t;
	}
	t->delay_ps = delay_ps;
	t->waiting = true;
	if (native_this_cpu)
		timer_post(m, t);
	return 0;
}

static void body_main(void *arg, uint32_t cpu)
{
	struct machine *m = arg;
	struct timer_event *t;

	for (t = cpu ? NULL : m->timers; t; t = t->next)
		if (t->waiting)
			timer_post(m, t);
	m->body(m->arg, cpu);
}

int machine_run(struct machine *m, void (*body)(void *arg, uint32_t cpu), void *arg)
{
	m->body = body;
	m->arg = arg;
	return native_run(&m->native, body_main, m);
}

void machine_stop(struct machine *m)
{
	__atomic_store_n(&m->native.stopping, true, __ATOMIC_RELAXED);
}

int machine_quiesce(struct machine *m)
{
	uint32_t i;

	for (i = 0; i < m->native.cpu_count; i++) {
		m->native.cpus[i].events.count = 0;
		m->native.cpus[i].inbox = NULL;
	}
	return 0;
}

const char *machine_violation(const struct machine *m)
{
	(void)m;
	return NULL;
}

uint64_t machine_calls(const struct machine *m, enum fn_id fn)
{
	uint64_t calls = 0;
	uint32_t i;

	for (i = 0; i < m->native.cpu_count; i++)
		calls += READ_ONCE(m->native.cpus[i].calls[fn]);
	return calls;
}
