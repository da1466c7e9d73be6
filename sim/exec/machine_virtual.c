/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine_virtual.c - machine.h on the virtual executor
 */
#include "sim/exec/machine_virtual.h"

#include "sim/exec/machine_oracle.h"
#include "sim/platform/model/platform.h"

/* A machine_timer's event. */
struct timer_actor {
	struct actor actor; /* must be first */
	struct machine *machine;
	struct machine_timer *timer;
	struct timer_actor *next;
	uint64_t delay_ps;
	bool waiting; /* for machine_run() to start */
};

/* What a CPU's coroutine starts with. */
struct cpu_start {
	struct machine *machine;
	uint32_t cpu;
};

int machine_create(const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
		   const struct sim_params *params, bool lock_stat, struct machine **machine)
{
	struct machine *m = calloc(1, sizeof(*m));
	int ret;

	(void)lock_stat;
	if (!m)
		return -ENOMEM;
	ret = sim_create(&m->sim, topology, pus, cpu_count, params);
	if (ret) {
		free(m);
		return ret;
	}
	m->timers_tail = &m->timers;
	m->starts = calloc(cpu_count, sizeof(*m->starts));
	if (params->oracle != ORACLE_OFF)
		m->sim.oracle = machine_oracle_create(params->oracle);
	if (!m->starts || (params->oracle != ORACLE_OFF && !m->sim.oracle)) {
		machine_destroy(m);
		return -ENOMEM;
	}
	*machine = m;
	return 0;
}

void machine_destroy(struct machine *m)
{
	if (!m)
		return;
	machine_free_nvmes(m);
	while (m->unit_count) {
		vtd_hw_destroy(m->units[--m->unit_count]);
		free(m->units[m->unit_count]);
	}
	free(m->units);
	while (m->timers) {
		struct timer_actor *t = m->timers;

		m->timers = t->next;
		free(t);
	}
	free(m->starts);
	machine_oracle_destroy(m->sim.oracle);
	sim_destroy(&m->sim);
	free(m);
}

struct mmio_device *machine_add_unit(struct machine *m, uint32_t package, uint64_t cap, uint64_t ecap,
				     const struct vtd_timing *timing, uint32_t iotlb_entries)
{
	struct vtd_hw **units = realloc(m->units, (m->unit_count + 1) * sizeof(struct vtd_hw *)), *hw;

	if (!units)
		return NULL;
	m->units = units;
	hw = calloc(1, sizeof(*hw));
	if (!hw || vtd_hw_init(hw, &m->sim, package, cap, ecap, timing, iotlb_entries)) {
		free(hw);
		return NULL;
	}
	hw->number = m->unit_count;
	m->units[m->unit_count++] = hw;
	return &hw->mmio;
}

int machine_call(struct machine *m, uint32_t cpu, void (*fn)(void *arg), void *arg)
{
	return sim_call_on_cpu(&m->sim, cpu, fn, arg);
}

static void timer_fires(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct timer_actor *t = (struct timer_actor *)actor;

	(void)arg;
	t->machine->callback_ps = time_ps;
	t->timer->fn(t->timer->arg, time_ps);
	t->machine->callback_ps = 0;
}

static struct timer_actor *timer_actor_of(struct machine *m, struct machine_timer *timer)
{
	struct timer_actor *t = timer->event;

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->actor.fn = timer_fires;
	t->machine = m;
	t->timer = timer;
	*m->timers_tail = t;
	m->timers_tail = &t->next;
	timer->event = t;
	return t;
}

int machine_at(struct machine *m, uint64_t delay_ps, struct machine_timer *timer)
{
	struct timer_actor *t = timer_actor_of(m, timer);
	uint64_t now_ps;

	if (!t)
		return -ENOMEM;
	t->waiting = !m->running;
	t->delay_ps = delay_ps;
	if (m->running) {
		now_ps = m->callback_ps ? m->callback_ps : this_vcpu()->proc.now_ps;
		engine_post(&m->sim.engine, now_ps + delay_ps, &t->actor, 0);
	}
	return 0;
}

static void body_main(void *arg)
{
	struct cpu_start *start = arg;
	struct machine *m = start->machine;

	m->body(m->arg, start->cpu);
	if (!--m->running)
		engine_stop(&m->sim.engine);
}

/* All from the time that the busiest has reached. */
static int start_cpus(struct machine *m, uint64_t *start_ps)
{
	uint32_t i;
	int ret = 0;

	*start_ps = 0;
	for (i = 0; i < m->sim.cpu_count; i++)
		if (m->sim.cpus[i].proc.now_ps > *start_ps)
			*start_ps = m->sim.cpus[i].proc.now_ps;
	for (i = 0; !ret && i < m->sim.cpu_count; i++) {
		m->starts[i] = (struct cpu_start){ m, i };
		m->sim.cpus[i].proc.now_ps = *start_ps;
		ret = sim_start_cpu(&m->sim, i, body_main, &m->starts[i]);
	}
	return ret;
}

int machine_run(struct machine *m, void (*body)(void *arg, uint32_t cpu), void *arg)
{
	struct timer_actor *t;
	uint64_t start_ps;
	int ret;

	m->body = body;
	m->arg = arg;
	ret = start_cpus(m, &start_ps);
	if (ret)
		return ret;
	for (t = m->timers; t; t = t->next) {
		if (t->waiting)
			engine_post(&m->sim.engine, start_ps + t->delay_ps, &t->actor, 0);
		t->waiting = false;
	}
	m->running = m->sim.cpu_count;
	return engine_run(&m->sim.engine);
}

void machine_stop(struct machine *m)
{
	engine_stop(&m->sim.engine);
}

/* Wakes those who sleep for want of anything to do. */
static void wake_idle(struct machine *m)
{
	uint64_t now_ps = 0;
	uint32_t i;

	for (i = 0; i < m->sim.cpu_count; i++)
		if (m->sim.cpus[i].proc.now_ps > now_ps)
			now_ps = m->sim.cpus[i].proc.now_ps;
	for (i = 0; i < m->sim.cpu_count; i++)
		if (m->sim.cpus[i].state == VCPU_IDLE)
			proc_wake(&m->sim.cpus[i].proc, now_ps);
}

int machine_quiesce(struct machine *m)
{
	uint32_t failures = 2 * m->running;
	int ret = 0;

	m->sim.ending = true;
	wake_idle(m);
	/* Who fails on the way stops the others again. */
	do
		ret = m->running ? engine_run(&m->sim.engine) : 0;
	while (m->running && ret != -EDEADLK && failures--);
	m->sim.ending = false;
	if (!m->running)
		ret = 0;
	else if (!ret)
		ret = -EBUSY;
	m->running = 0;
	engine_clear(&m->sim.engine);
	return ret;
}

const char *machine_violation(const struct machine *m)
{
	return m->sim.oracle && m->sim.oracle->run->violation[0] ? m->sim.oracle->run->violation : NULL;
}

uint64_t machine_calls(const struct machine *m, enum fn_id fn)
{
	uint64_t calls = 0;
	uint32_t i;

	for (i = 0; i < m->sim.cpu_count; i++)
		calls += m->sim.cpus[i].calls[fn];
	return calls;
}
