/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore.c - one schedule after another: what may run next, what it ran into, and how often
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exec/explore_internal.h"

OBJ_TYPE_PLAIN(explore_heap, "heap of the explorer");

/* ---- verdicts ---- */

void explore_violation(struct explore *x, const char *rule, const char *format, ...)
{
	va_list args;

	if (!x->running || x->verdict->outcome != EXPLORE_FINISHED)
		return;
	x->verdict->outcome = EXPLORE_VIOLATION;
	snprintf(x->verdict->rule, sizeof(x->verdict->rule), "%s", rule);
	va_start(args, format);
	vsnprintf(x->verdict->what, sizeof(x->verdict->what), format, args);
	va_end(args);
	x->stop = true;
}

void explore_blame(struct explore *x, uint64_t iova)
{
	if (x->running && x->verdict->outcome == EXPLORE_FINISHED)
		x->verdict->iova = iova;
}

/* ---- the schedule ---- */

static bool explore_section_lasts(const struct explore *x, const struct agent *a)
{
	uint64_t since = x->agents[a->reader].cpu->rcu_since;

	return since && since <= a->began_before;
}

bool explore_agent_enabled(const struct explore *x, uint32_t i)
{
	const struct agent *a = &x->agents[i];
	uint32_t buffered;

	if (i >= x->cpu_count)
		return a->posted_count;
	buffered = x->tso ? x->buffers[i].count : 0;
	switch (a->state) {
	case AGENT_READY:
		return true;
	case AGENT_LOCK:
		return !a->lock->val && !buffered;
	case AGENT_WAIT:
		return a->word->run == x->run && a->word->written_at > a->since && a->word->written_by != i;
	case AGENT_AWAIT:
		return *a->flag;
	case AGENT_IDLE:
		return a->cpu->irqs && !buffered;
	case AGENT_FULL:
		return buffered < EXPLORE_BUFFERED_STORES;
	case AGENT_BARRIER:
		return !buffered;
	case AGENT_GRACE:
		return !explore_section_lasts(x, a) && !x->buffers[a->reader].count;
	}
	return false;
}

enum explore_wait explore_waiting(const struct explore *x, uint32_t cpu, const void **on)
{
	const struct agent *a = &x->agents[cpu];

	*on = NULL;
	switch (a->state) {
	case AGENT_LOCK:
		*on = a->lock;
		return EXPLORE_WAITS_LOCK;
	case AGENT_WAIT:
		*on = x->base + (size_t)(a->word - x->words) * sizeof(uint64_t);
		return EXPLORE_WAITS_WRITE;
	case AGENT_AWAIT:
		return EXPLORE_WAITS_CALL;
	case AGENT_GRACE:
		return EXPLORE_WAITS_GRACE;
	case AGENT_READY:
	case AGENT_IDLE:
	case AGENT_FULL:
	case AGENT_BARRIER:
		break;
	}
	return EXPLORE_WAITS_NOT;
}

static uint32_t enabled_agents(const struct explore *x)
{
	uint32_t mask = 0, i;

	for (i = 0; i < x->agent_count; i++)
		mask |= (uint32_t)explore_agent_enabled(x, i) << i;
	for (i = 0; x->tso && i < x->cpu_count; i++)
		mask |= (uint32_t) !!x->buffers[i].count << (EXPLORE_FIRST_BUFFER + i);
	return mask;
}

static bool all_ended(const struct explore *x)
{
	uint32_t i;

	for (i = 0; i < x->cpu_count; i++)
		if (x->agents[i].state != AGENT_IDLE || x->agents[i].cpu->irqs || (x->tso && x->buffers[i].count))
			return false;
	/* What nobody waits for comes too: it could have come earlier. */
	for (i = x->cpu_count; i < x->hardware_end; i++)
		if (x->agents[i].posted_count)
			return false;
	return true;
}

static void cpu_main(void *arg)
{
	struct agent *a = arg;
	struct explore *x = a->cpu->sim->explore;

	if (a->body)
		a->body(a->arg);
	for (;;) {
		a->state = AGENT_IDLE;
		explore_yield(x);
		a->state = AGENT_READY;
		vcpu_run_irqs(a->cpu);
	}
}

static void add_segment(struct explore *x, uint32_t agent)
{
	struct explore_segment *more;

	if (x->segment_count && x->segments[x->segment_count - 1].agent == agent) {
		x->segments[x->segment_count - 1].until = x->reached[agent];
		return;
	}
	if (x->segment_count == x->segment_capacity) {
		uint32_t capacity = x->segment_capacity ? 2 * x->segment_capacity : 128;

		more = realloc(x->segments, capacity * sizeof(*more));
		if (!more) {
			x->error = -ENOMEM;
			x->stop = true;
			return;
		}
		x->segments = more;
		x->segment_capacity = capacity;
	}
	x->segments[x->segment_count++] = (struct explore_segment){ (uint8_t)agent, x->reached[agent] };
}

static void run_cpu(struct explore *x, uint32_t cpu)
{
	struct agent *a = &x->agents[cpu];

	if (x->tso)
		explore_buffer_enter(x, cpu);
	this_proc = &a->cpu->proc;
	coro_switch(&x->main, &a->coro);
	this_proc = NULL;
	if (x->tso)
		explore_buffer_leave(x, cpu);
}

static void run_hardware(struct explore *x, struct agent *a)
{
	struct posted *p = &a->posted[a->posted_first];

	x->transition.posted_by = p->by;
	x->transition.posted_at = p->at;
	a->posted_first = (a->posted_first + 1) % MAX_POSTED;
	a->posted_count--;
	x->reached[x->current]++;
	a->actor->fn(a->actor, 0, p->arg);
}

static void run_agent(struct explore *x, uint32_t i)
{
	x->current = (uint8_t)i;
	x->step++;
	x->total_steps++;
	x->transition.agent = (uint8_t)i;
	x->transition.count = 0;
	x->transition.posted_by = 0;
	if (i < x->cpu_count)
		run_cpu(x, i);
	else if (i >= EXPLORE_FIRST_BUFFER)
		explore_buffer_step(x, i - EXPLORE_FIRST_BUFFER);
	else
		run_hardware(x, &x->agents[i]);
	add_segment(x, i);
}

static void begin_schedule(struct explore *x, struct explore_verdict *verdict)
{
	uint32_t i;

	explore_reset_memory(x);
	x->run++;
	x->step = 0;
	x->stop = false;
	x->error = 0;
	x->segment_count = 0;
	x->event_count = 0;
	x->verdict = verdict;
	*verdict = (struct explore_verdict){ .outcome = EXPLORE_FINISHED };
	memset(x->reached, 0, sizeof(x->reached));
	for (i = 0; i < EXPLORE_MAX_BUFFERS; i++)
		x->buffers[i].count = 0;
	for (i = 0; i < x->agent_count; i++) {
		struct agent *a = &x->agents[i];

		a->state = AGENT_READY;
		a->load_count = a->allocations = 0;
		a->posted_count = a->posted_first = 0;
		if (i < x->cpu_count)
			coro_restart(&a->coro, cpu_main, a);
	}
}

static void end_schedule(struct explore *x, struct explore_verdict *verdict, enum explore_outcome outcome)
{
	if (verdict->outcome == EXPLORE_FINISHED && outcome == EXPLORE_FINISHED)
		explore_check_leaks(x);
	x->running = false;
	if (verdict->outcome == EXPLORE_FINISHED)
		verdict->outcome = outcome;
	if (verdict->outcome == EXPLORE_DEADLOCK) {
		snprintf(verdict->rule, sizeof(verdict->rule), "M5");
		snprintf(verdict->what, sizeof(verdict->what), "deadlock");
	}
	verdict->steps = x->step;
}

static void tell_end(struct explore *x, struct strategy *st, const struct explore_transition *last)
{
	struct explore_end end = { .outcome = x->verdict->outcome, .last = last };
	uint32_t i;

	for (i = 0; end.outcome == EXPLORE_DEADLOCK && i < x->cpu_count; i++) {
		if (x->agents[i].state != AGENT_LOCK)
			continue;
		end.stuck |= 1U << i;
		end.lock[i] = explore_place_of(x, (uintptr_t)x->agents[i].lock)->location;
	}
	st->ops->end(st, &end);
}

void explore_run(struct explore *x, struct strategy *st, uint32_t max_steps, struct explore_verdict *verdict)
{
	struct explore_transition last;
	struct explore_choice choice = { .last = -1, .reached = x->reached, .cpus = (1U << x->cpu_count) - 1 };
	enum explore_outcome outcome = EXPLORE_FINISHED;
	struct proc *outer = this_proc;

	begin_schedule(x, verdict);
	coro_adopt_thread(&x->main);
	x->running = true;
	while (!x->stop && !all_ended(x)) {
		int agent;

		choice.step = x->step;
		choice.enabled = enabled_agents(x);
		if (!choice.enabled || x->step == max_steps) {
			outcome = choice.enabled ? EXPLORE_BOUND : EXPLORE_DEADLOCK;
			break;
		}
		agent = st->ops->choose(st, &choice);
		if (agent == EXPLORE_PRUNE) {
			outcome = EXPLORE_PRUNED;
			break;
		}
		assert(choice.enabled >> agent & 1);
		verdict->preemptions += choice.last >= 0 && agent != choice.last &&
					(choice.enabled & choice.cpus) >> choice.last & 1;
		run_agent(x, (uint32_t)agent);
		last = x->transition;
		choice.last = agent;
		choice.done = &last;
	}
	this_proc = outer;
	end_schedule(x, verdict, outcome);
	assert(x->error == 0);
	tell_end(x, st, choice.done);
}

/* ---- making one ---- */

int explore_create(struct sim *s, struct explore **out)
{
	struct explore *x = calloc(1, sizeof(*x));
	uint32_t i;

	if (!x)
		return -ENOMEM;
	x->sim = s;
	x->cpu_count = x->hardware_end = x->agent_count = s->cpu_count;
	assert(s->cpu_count < EXPLORE_MAX_AGENTS);
	for (i = 0; i < x->cpu_count; i++) {
		struct agent *a = &x->agents[i];

		a->cpu = &s->cpus[i];
		a->heap = region_alloc(&s->region, &explore_heap_type, HEAP_SIZE, PAGE_SIZE);
		if (!a->heap || coro_create(&a->coro, cpu_main, a)) {
			explore_destroy(x);
			return -ENOMEM;
		}
	}
	*out = x;
	return 0;
}

void explore_destroy(struct explore *x)
{
	uint32_t i;

	if (!x)
		return;
	if (x->words)
		explore_reset_memory(x);
	x->sim->explore = NULL;
	x->sim->region.explore = NULL;
	x->sim->engine.post_hook = NULL;
	if (x->former_cpus)
		memcpy(x->sim->cpus, x->former_cpus, x->cpu_count * sizeof(*x->sim->cpus));
	free(x->former_cpus);
	for (i = 0; i < x->cpu_count; i++) {
		region_free(&x->sim->region, x->agents[i].heap);
		coro_destroy(&x->agents[i].coro);
	}
	for (i = 0; i < x->watched_count; i++)
		free(x->watched[i].copy);
	free(x->words);
	free(x->lines);
	free(x->references);
	free(x->undo);
	free(x->places);
	free(x->segments);
	free(x->events);
	free(x);
}

void explore_fail_allocation(struct explore *x, uint32_t cpu, uint32_t nth)
{
	x->agents[cpu].fail_at = nth;
}

bool explore_allocation_failed(const struct explore *x)
{
	return x->allocation_failed;
}

void explore_set_program(struct explore *x, uint32_t cpu, void (*body)(void *arg), void *arg)
{
	assert(cpu < x->cpu_count && !x->words);
	x->agents[cpu].body = body;
	x->agents[cpu].arg = arg;
}

struct agent *explore_new_agent(struct explore *x)
{
	struct agent *a = &x->agents[x->agent_count++];

	assert(x->agent_count <= EXPLORE_MAX_AGENTS);
	*a = (struct agent){ .state = AGENT_READY };
	return a;
}

void explore_add_hardware(struct explore *x, struct actor *actor)
{
	assert(!x->words);
	explore_new_agent(x)->actor = actor;
	x->hardware_end = x->agent_count;
}

void explore_on_store(struct explore *x, void (*fn)(void *arg, const void *p), void *arg)
{
	x->on_store = fn;
	x->on_store_arg = arg;
}

int explore_watch(struct explore *x, void *p, size_t size)
{
	struct watched *w = &x->watched[x->watched_count];

	assert(!x->words && x->watched_count < MAX_WATCHED);
	w->p = p;
	w->size = size;
	w->copy = malloc(size);
	if (!w->copy)
		return -ENOMEM;
	x->watched_count++;
	return 0;
}

static void post_hook(void *arg, struct actor *actor, uint64_t event_arg)
{
	explore_post(arg, actor, event_arg);
}

int explore_snapshot(struct explore *x)
{
	struct sim *s = x->sim;
	uint32_t i;
	int ret;

	x->former_cpus = malloc(s->cpu_count * sizeof(*s->cpus));
	if (!x->former_cpus)
		return -ENOMEM;
	memcpy(x->former_cpus, s->cpus, s->cpu_count * sizeof(*s->cpus));
	/* Nothing hits: every access comes to the hooks. */
	for (i = 0; i < s->cpu_count; i++) {
		s->cpus[i].tag = UINT16_MAX;
		s->cpus[i].bit = 0;
		s->cpus[i].irqs = NULL;
		s->cpus[i].explore = x;
	}
	ret = explore_watch(x, s->cpus, s->cpu_count * sizeof(*s->cpus));
	if (!ret)
		ret = explore_watch(x, &s->rcu_seq, sizeof(s->rcu_seq));
	if (!ret)
		ret = explore_watch(x, &s->rcu_callbacks, sizeof(s->rcu_callbacks));
	if (!ret)
		ret = explore_watch(x, &s->region.live_objects, sizeof(s->region.live_objects));
	if (ret)
		return ret;
	ret = explore_init_memory(x);
	if (!ret)
		ret = explore_count_references(x);
	if (ret)
		return ret;
	for (i = 0; i < x->watched_count; i++)
		memcpy(x->watched[i].copy, x->watched[i].p, x->watched[i].size);
	for (i = 0; i < x->cpu_count; i++)
		x->sections[i] = explore_location(x, (uintptr_t)&s->cpus[i].rcu_since);
	s->explore = x;
	s->region.explore = x;
	s->engine.post_hook = post_hook;
	s->engine.post_hook_arg = x;
	return 0;
}

const struct explore_segment *explore_segments(const struct explore *x, uint32_t *count)
{
	*count = x->segment_count;
	return x->segments;
}

void explore_every_access(struct explore *x, bool on)
{
	x->every_access = on;
}

bool explore_new_words(struct explore *x)
{
	bool news = x->new_words;

	x->new_words = false;
	return news;
}

uint64_t explore_total_steps(const struct explore *x)
{
	return x->total_steps;
}
