/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/virtual.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/platform/model/platform.h"
#include "sim/exec/timer.h"

OBJ_TYPE_PLAIN(mcs_cpu_nodes, "mcs nodes");
const struct obj_type page_table_type = { "page table", NULL, 0, false };

/* A set takes up to 1 KiB, at 8192 CPUs, and every line that CPUs share needs one. Reserved only. */
#define SETS_SIZE(region) ((region)->memory.size / 4)

/* The consecutive CPUs, around @cpu, that agree with it on the place's member at @offset. */
static struct cpu_range range_around(const struct sim *s, uint32_t cpu, size_t offset)
{
	struct cpu_range r = { cpu, cpu + 1 };
	uint32_t mine = *(const uint32_t *)((const char *)&s->places[cpu] + offset);

	while (r.first && *(const uint32_t *)((const char *)&s->places[r.first - 1] + offset) == mine)
		r.first--;
	while (r.end < s->cpu_count && *(const uint32_t *)((const char *)&s->places[r.end] + offset) == mine)
		r.end++;
	return r;
}

static void vcpu_init(struct sim *s, uint32_t cpu, uint32_t pu)
{
	struct vcpu *c = &s->cpus[cpu];

	c->sim = s;
	c->id = (uint16_t)cpu;
	c->tag = (uint16_t)(cpu + 1);
	c->pu = pu;
	c->place = s->places[cpu];
	c->lines_bias = (uintptr_t)s->region.lines -
			((uintptr_t)s->region.memory.base >> CACHE_LINE_SHIFT) * sizeof(struct line);
	c->l1_hit_ps = s->params.coh.l1_hit_ps;
	c->atomic_ps = s->params.coh.atomic_ps;
	c->step_ps = s->params.step_ps;
	c->waiter[0].cpu = c->waiter[1].cpu = c;
	c->core_cpus = range_around(s, cpu, offsetof(struct agent_place, core));
	c->l3_cpus = range_around(s, cpu, offsetof(struct agent_place, l3));
	c->package_cpus = range_around(s, cpu, offsetof(struct agent_place, package));
	if (s->cpu_count <= 64) {
		c->bit = 1ULL << cpu;
		c->core_mask = cpu_range_mask(&c->core_cpus);
		c->l3_mask = cpu_range_mask(&c->l3_cpus);
		c->package_mask = cpu_range_mask(&c->package_cpus);
	}
}

static int sim_init_places(struct sim *s, const struct topology *t, const uint32_t *pus)
{
	uint32_t i;

	s->agent_count = s->agent_capacity = s->cpu_count;
	s->package_count = t->package_count;
	s->places = calloc(s->agent_capacity, sizeof(*s->places));
	s->package_cpus = calloc(s->package_count, sizeof(*s->package_cpus));
	if (!s->places || !s->package_cpus)
		return -ENOMEM;
	for (i = 0; i < s->cpu_count; i++) {
		const struct topology_pu *pu = &t->pu[pus[i]];
		struct cpu_range *in = &s->package_cpus[pu->package];

		s->places[i] = (struct agent_place){ pu->core, pu->l3, pu->package };
		if (in->end != i)
			in->first = i;
		in->end = i + 1;
	}
	return 0;
}

/* run --explain: the work that a cache lock is held for, IOTLB invalidation included. */
static void remove_hold(uint64_t *step_ps)
{
	step_ps[COST_SPIN_LOCK_IRQ] = 0;
	step_ps[COST_TAG_VISIT] = 0;
	step_ps[COST_QI_DESC] = 0;
	step_ps[COST_QI_SUBMIT] = 0;
}

int sim_create(struct sim *s, const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
	       const struct sim_params *params)
{
	uint32_t i;
	int ret;

	assert(cpu_count && cpu_count <= SIM_MAX_CPUS);
	memset(s, 0, sizeof(*s));
	s->params = *params;
	if (params->without.hold)
		remove_hold(s->params.step_ps);
	s->cpu_count = cpu_count;
	ret = engine_init(&s->engine);
	if (ret)
		return ret;
	ret = region_create(&s->region);
	if (ret)
		goto err_engine;

	ret = sim_init_places(s, topology, pus);
	if (ret)
		goto err;
	ret = -ENOMEM;
	s->cpus = aligned_alloc(64, cpu_count * sizeof(*s->cpus));
	if (s->cpus)
		memset(s->cpus, 0, cpu_count * sizeof(*s->cpus));
	s->lock_capacity = 64;
	s->lock_count = 1;
	s->locks = calloc(s->lock_capacity, sizeof(*s->locks));
	s->mcs_nodes =
		region_alloc(&s->region, &mcs_cpu_nodes_type, cpu_count * sizeof(*s->mcs_nodes), CACHE_LINE_SIZE);
	if (!s->cpus || !s->locks || !s->mcs_nodes)
		goto err;
	if (cpu_count > 64) {
		void *sets = mmap(NULL, SETS_SIZE(&s->region), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (sets == MAP_FAILED)
			goto err;
		s->sets = sets;
		s->sets_size = SETS_SIZE(&s->region);
	}
	for (i = 0; i < cpu_count; i++) {
		vcpu_init(s, i, pus[i]);
		if (s->params.without.mcs_nodes)
			s->region.lines[region_line_index(&s->region, &s->mcs_nodes[i])].flags |= LINE_FREE;
	}
	return 0;

err:
	sim_destroy(s);
	return ret;
err_engine:
	engine_destroy(&s->engine);
	return ret;
}

void sim_destroy(struct sim *s)
{
	uint32_t i;

	for (i = 0; s->cpus && i < s->cpu_count; i++)
		proc_destroy(&s->cpus[i].proc);
	sim_free_timers(s);
	if (s->sets)
		munmap(s->sets, s->sets_size);
	free(s->cpus);
	free(s->locks);
	free(s->places);
	free(s->package_cpus);
	region_destroy(&s->region);
	engine_destroy(&s->engine);
}

int sim_add_agent(struct sim *s, uint32_t package)
{
	if (s->agent_count == s->agent_capacity) {
		uint32_t capacity = s->agent_capacity * 2;
		struct agent_place *places = realloc(s->places, capacity * sizeof(*places));

		if (!places)
			return -ENOMEM;
		s->places = places;
		s->agent_capacity = capacity;
	}
	/* In no core and no L3: every CPU of the package is as far as the package is wide. */
	s->places[s->agent_count] = (struct agent_place){ UINT32_MAX, UINT32_MAX, package };
	return (int)s->agent_count++;
}

void *sim_alloc_sharer_set(struct sim *s, size_t size)
{
	void *set = s->sets + s->sets_used;

	s->sets_used += size;
	assert(s->sets_used <= s->sets_size);
	return set;
}

int sim_start_cpu(struct sim *s, uint32_t cpu, void (*body)(void *arg), void *arg)
{
	struct vcpu *c = &s->cpus[cpu];
	uint64_t now = c->proc.now_ps;

	assert(cpu < s->cpu_count);
	/* Whatever it was in the middle of is over. */
	proc_destroy(&c->proc);
	coh_forget_waits(c);
	c->irq_depth = 0;
	c->irqs = NULL;
	c->rcu_nesting = 0;
	c->rcu_since = 0;
	map_stat_abandon(&c->map);
	c->state = VCPU_RUNNING;
	return engine_spawn(&s->engine, &c->proc, now, body, arg);
}

struct call {
	struct engine *engine;
	void (*fn)(void *arg);
	void *arg;
};

static void call_body(void *arg)
{
	struct call *call = arg;

	call->fn(call->arg);
	engine_stop(call->engine);
}

int sim_call_on_cpu(struct sim *s, uint32_t cpu, void (*fn)(void *arg), void *arg)
{
	struct call call = { &s->engine, fn, arg };
	int ret = sim_start_cpu(s, cpu, call_body, &call);

	return ret ? ret : engine_run(&s->engine);
}

void sim_reset_stats(struct sim *s, uint64_t now_ps)
{
	uint32_t i;

	s->measure_start_ps = now_ps;
	region_reset_stats(&s->region);
	for (i = 0; i < s->cpu_count; i++) {
		struct vcpu *c = &s->cpus[i];

		c->idle_ps = c->spin_ps = c->stall_ps = c->irq_off_max_ps = 0;
		map_stat_reset(&c->map);
	}
	for (i = 1; i < s->lock_count; i++) {
		struct lock_stat *ls = &s->locks[i];

		ls->acquisitions = ls->contended = ls->acquisitions_in_map = 0;
		ls->wait_total_ps = ls->wait_max_ps = ls->hold_total_ps = ls->hold_max_ps = 0;
		ls->handover_total_ps = ls->irq_off_max_ps = 0;
	}
}

void vcpu_run_irqs(struct vcpu *c)
{
	unsigned long flags = local_irq_save();

	map_stat_suspend(c);
	while (vcpu_irq_due(c)) {
		struct irq *irq = c->irqs;

		c->irqs = irq->next;
		irq->pending = false;
		irq->handler(irq);
	}
	map_stat_resume(c);
	local_irq_restore(flags);
}

void vcpu_raise_irq(struct vcpu *c, struct irq *irq, uint64_t time_ps)
{
	struct irq **at = &c->irqs;

	if (irq->pending)
		return;
	while (*at && (*at)->time_ps <= time_ps)
		at = &(*at)->next;
	irq->pending = true;
	irq->time_ps = time_ps;
	irq->next = *at;
	*at = irq;
	if (c->state != VCPU_RUNNING)
		proc_wake(&c->proc, time_ps);
}

/* Sleeps until @time_ps or until an interrupt is raised, whichever is earlier. */
static void sleep_until(struct vcpu *c, enum vcpu_state state, uint64_t time_ps)
{
	c->state = state;
	if (time_ps != EVENT_NEVER)
		proc_wake(&c->proc, time_ps);
	proc_sleep(&c->proc);
	c->state = VCPU_RUNNING;
}

void vcpu_work(uint64_t ps)
{
	struct vcpu *c = this_vcpu();
	uint64_t left = ps;

	if (c->irq_depth) {
		c->proc.now_ps += ps;
		return;
	}
	while (left || vcpu_irq_due(c)) {
		uint64_t start = c->proc.now_ps, until = start + left;

		if (vcpu_irq_due(c)) {
			vcpu_run_irqs(c);
			continue;
		}
		if (c->irqs && c->irqs->time_ps < until)
			until = c->irqs->time_ps;
		/* Asleep until then, or until an interrupt cuts it: the clock shows which. */
		if (until < c->proc.engine->horizon_ps)
			c->proc.now_ps = until;
		else
			sleep_until(c, VCPU_WORKING, until);
		left -= c->proc.now_ps - start;
	}
}

void vcpu_idle(void)
{
	struct vcpu *c = this_vcpu();
	uint64_t since = c->proc.now_ps;

	c->idle_since_ps = since;
	while (!vcpu_irq_due(c) && !c->sim->ending)
		sleep_until(c, VCPU_IDLE, c->irqs ? c->irqs->time_ps : EVENT_NEVER);
	if (since < c->sim->measure_start_ps)
		since = c->sim->measure_start_ps;
	if (c->proc.now_ps > since)
		c->idle_ps += c->proc.now_ps - since;
	vcpu_run_irqs(c);
}
