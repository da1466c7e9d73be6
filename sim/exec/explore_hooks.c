/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore_hooks.c - what the hot path and the hardware do, as scheduling points and accesses
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exec/explore_internal.h"

static void add_access(struct explore *x, uint32_t location, enum explore_access_kind kind)
{
	struct explore_transition *t = &x->transition;
	uint32_t i;

	for (i = 0; i < t->count; i++)
		if (t->access[i].location == location &&
		    (t->access[i].kind == kind || (t->access[i].kind == ACCESS_STORE && kind == ACCESS_LOAD)))
			return;
	if (t->count == EXPLORE_MAX_ACCESSES) {
		x->error = -E2BIG;
		x->stop = true;
		return;
	}
	t->access[t->count++] = (struct explore_access){ location, (uint8_t)kind };
}

/* The running CPU waits for its turn. Returns when the strategy has chosen it. */
void explore_yield(struct explore *x)
{
	struct agent *a = &x->agents[x->current];

	coro_switch(&a->coro, &x->main);
}

static bool on_cpu(const struct explore *x)
{
	return x->current < x->cpu_count;
}

/* Comes before an access, which is not made before @until comes true. */
static void scheduling_point(struct explore *x, bool visible, enum agent_state until)
{
	struct agent *a;

	if (!on_cpu(x))
		return;
	a = &x->agents[x->current];
	a->state = until;
	if (visible || x->every_access || !explore_agent_enabled(x, x->current))
		explore_yield(x);
	a->state = AGENT_READY;
	x->reached[x->current]++;
}

void explore_record_write(struct explore *x, const void *p, uint32_t agent)
{
	struct word *w = explore_word_of(x, p);

	w->run = x->run;
	w->written_at = x->step;
	w->written_by = (uint8_t)agent;
}

void explore_load(struct vcpu *c, const void *p)
{
	struct explore *x = c->explore;
	struct agent *a = &x->agents[x->current];
	struct word *w;
	bool visible;

	if (!x->running)
		return;
	w = explore_word_of(x, p);
	if (!c->rcu_nesting)
		w->bare = !w->bare || w->bare == x->current + 1 ? x->current + 1 : SEVERAL;
	visible = explore_notice(x, &w->owner, &w->flags, &w->location, false);
	scheduling_point(x, visible, AGENT_READY);
	explore_check_not_freed(x, p, "reads", "M4");
	if (visible)
		add_access(x, w->location, ACCESS_LOAD);
	a->loads[a->load_count++ % RECENT_LOADS].word = w;
	a->loads[(a->load_count - 1) % RECENT_LOADS].step = x->step;
	explore_log_access(x, p, ACCESS_LOAD, visible);
}

/* The turn of a store that is made as soon as @until is true. Returns whether others can notice it. */
static bool store_point(struct explore *x, const void *p, enum agent_state until)
{
	struct word *w = explore_word_of(x, p);
	bool visible = explore_notice(x, &w->owner, &w->flags, &w->location, true);

	scheduling_point(x, visible, until);
	explore_check_not_freed(x, p, "writes", "M4");
	if (visible)
		add_access(x, w->location, ACCESS_STORE);
	return visible;
}

static void store_to_memory(struct explore *x, const void *p, bool visible)
{
	explore_save_line(x, p);
	explore_record_write(x, p, x->current);
	if (x->on_store)
		x->on_store(x->on_store_arg, p);
	explore_log_access(x, p, ACCESS_STORE, visible);
}

void explore_store(struct vcpu *c, const void *p, size_t size)
{
	struct explore *x = c->explore;
	bool visible;

	if (!x->running)
		return;
	visible = store_point(x, p, AGENT_FULL);
	if (x->tso)
		explore_buffer_append(x, p, size);
	else
		store_to_memory(x, p, visible);
}

void explore_rmw(struct vcpu *c, const void *p)
{
	struct explore *x = c->explore;

	if (x->running)
		store_to_memory(x, p, store_point(x, p, AGENT_BARRIER));
}

void explore_barrier(struct vcpu *c)
{
	struct explore *x = c->explore;

	if (x->running && x->tso)
		scheduling_point(x, false, AGENT_BARRIER);
}

void explore_agent_read(struct sim *s, const void *p)
{
	struct explore *x = s->explore;
	struct word *w;
	bool visible;

	if (!x->running)
		return;
	w = explore_word_of(x, p);
	visible = explore_notice(x, &w->owner, &w->flags, &w->location, false);
	scheduling_point(x, visible, AGENT_READY);
	explore_check_not_freed(x, p, "the walker reads", "M3");
	if (visible)
		add_access(x, w->location, ACCESS_LOAD);
	explore_log_access(x, p, ACCESS_LOAD, visible);
}

void explore_agent_write(struct sim *s, const void *p)
{
	struct explore *x = s->explore;
	struct word *w;
	bool visible;

	if (!x->running)
		return;
	w = explore_word_of(x, p);
	if (w->flags & WORD_POLLED)
		add_access(x, w->location, ACCESS_SIGNAL);
	visible = explore_notice(x, &w->owner, &w->flags, &w->location, true);
	if (visible)
		add_access(x, w->location, ACCESS_STORE);
	explore_log_access(x, p, ACCESS_STORE, visible);
	explore_check_not_freed(x, p, "a unit writes", "M3");
	explore_save_line(x, p);
	explore_record_write(x, p, x->current);
}

/* Until somebody else has written the word after this CPU's last look at it. */
void explore_wait_word(struct vcpu *c, const void *p)
{
	struct explore *x = c->explore;
	struct agent *a = &x->agents[x->current];
	struct word *w;
	uint32_t i;

	if (!x->running)
		return;
	w = explore_word_of(x, p);
	a->since = 0;
	for (i = 0; i < RECENT_LOADS && i < a->load_count; i++)
		if (a->loads[i].word == w && a->loads[i].step > a->since)
			a->since = a->loads[i].step;
	a->word = w;
	a->state = AGENT_WAIT;
	explore_yield(x);
	a->state = AGENT_READY;
	x->reached[x->current]++;
	if (w->flags & (WORD_VISIBLE | WORD_POLLED))
		add_access(x, w->location, ACCESS_AWAIT);
}

void explore_lock(struct vcpu *c, spinlock_t *lock)
{
	struct explore *x = c->explore;
	struct agent *a = &x->agents[x->current];
	struct place *place;
	bool visible;

	if (!x->running) {
		lock->val = 1;
		return;
	}
	place = explore_place_of(x, (uintptr_t)lock);
	visible = explore_notice(x, &place->owner, &place->flags, &place->location, true);
	a->lock = lock;
	scheduling_point(x, visible, AGENT_LOCK);
	explore_check_not_freed(x, lock, "locks", "M4");
	place = explore_place_of(x, (uintptr_t)lock);
	if (place->flags & WORD_VISIBLE)
		add_access(x, place->location, ACCESS_LOCK);
	explore_save_line(x, lock);
	explore_log_access(x, lock, ACCESS_LOCK, place->flags & WORD_VISIBLE);
	lock->val = 1;
}

void explore_unlock(struct vcpu *c, spinlock_t *lock)
{
	struct explore *x = c->explore;
	struct place *place;

	if (!x->running) {
		lock->val = 0;
		return;
	}
	if (x->tso) {
		scheduling_point(x, false, AGENT_FULL);
		explore_buffer_append(x, &lock->val, sizeof(lock->val));
		lock->val = 0;
		return;
	}
	/* Never before something else: whoever waits can only gain by it. */
	place = explore_place_of(x, (uintptr_t)lock);
	if (place->flags & WORD_VISIBLE)
		add_access(x, place->location, ACCESS_UNLOCK);
	explore_log_access(x, lock, ACCESS_UNLOCK, place->flags & WORD_VISIBLE);
	explore_save_line(x, lock);
	lock->val = 0;
}

/* Whether somebody else may look at the word, and nothing keeps the object until then. */
static bool is_exposed(const struct explore *x, const struct word *w, bool after_rcu)
{
	return w->owner && (!after_rcu || (w->bare && w->bare != x->current + 1));
}

/* To whoever has looked at the object, it is a store to all of it. */
void explore_release(struct explore *x, const void *p, size_t size, bool after_rcu)
{
	struct word *w = explore_word_of(x, p);
	bool visible = false;
	size_t i;

	if (!x->running)
		return;
	for (i = 0; i < size / 8; i++)
		if (is_exposed(x, &w[i], after_rcu))
			visible |= explore_notice(x, &w[i].owner, &w[i].flags, &w[i].location, true);
	scheduling_point(x, visible, AGENT_READY);
	for (i = 0; i < size / 8; i++)
		if (w[i].flags & WORD_VISIBLE && is_exposed(x, &w[i], after_rcu))
			add_access(x, w[i].location, ACCESS_STORE);
}

void explore_touch(struct explore *x, uint32_t location, enum explore_access_kind kind)
{
	struct place *place;
	bool visible;

	if (!x->running)
		return;
	place = &x->places[location];
	visible = explore_notice(x, &place->owner, &place->flags, &place->location, kind != ACCESS_LOAD);
	scheduling_point(x, visible, AGENT_BARRIER);
	place = &x->places[location];
	if (visible)
		add_access(x, place->location, kind);
}

void explore_note(struct explore *x, uint32_t location, enum explore_access_kind kind)
{
	struct place *place;

	if (!x->running)
		return;
	place = &x->places[location];
	if (explore_notice(x, &place->owner, &place->flags, &place->location, kind != ACCESS_LOAD))
		add_access(x, place->location, kind);
}

void explore_note_range(struct explore *x, uintptr_t first, uintptr_t end, enum explore_access_kind kind)
{
	uint32_t i;

	for (i = 0; x->running && i < x->place_count; i++)
		if (x->places[i].key >= first && x->places[i].key < end)
			explore_note(x, i, kind);
}

void explore_await(struct explore *x, uint32_t location, const uint32_t *flag)
{
	struct agent *a = &x->agents[x->current];

	if (!x || !x->running)
		return;
	a->flag = flag;
	a->state = AGENT_AWAIT;
	explore_yield(x);
	a->state = AGENT_READY;
	x->reached[x->current]++;
	explore_note(x, location, ACCESS_AWAIT);
}

/*
 * A grace period looks at who is in a section, once, when it begins: that is what depends on whether a section has
 * begun. Then it comes after the end of each that it has seen, and of no later one of the same CPU.
 */
void explore_rcu_lock(struct vcpu *c)
{
	struct explore *x = c->explore;
	struct place *p = &x->places[x->sections[x->current]];
	bool visible;

	if (!x->running)
		return;
	visible = explore_notice(x, &p->owner, &p->flags, &p->location, true);
	scheduling_point(x, visible, AGENT_READY);
	if (visible)
		add_access(x, x->places[x->sections[x->current]].location, ACCESS_STORE);
}

void explore_rcu_unlock(struct vcpu *c)
{
	struct explore *x = c->explore;
	uint32_t i;

	for (i = 0; x->running && i < x->cpu_count; i++) {
		struct agent *a = &x->agents[i];

		if (a->state == AGENT_GRACE && a->reader == x->current && c->rcu_since <= a->began_before)
			a->reader_ended = x->step;
	}
}

void explore_synchronize_rcu(struct vcpu *c)
{
	struct explore *x = c->explore;
	struct agent *a = &x->agents[x->current];
	uint32_t visible = 0, i;

	if (!x->running)
		return;
	for (i = 0; i < x->cpu_count; i++) {
		struct place *p = &x->places[x->sections[i]];

		if (i != x->current)
			visible |= (uint32_t)explore_notice(x, &p->owner, &p->flags, &p->location, false) << i;
	}
	scheduling_point(x, visible, AGENT_BARRIER);
	for (i = 0; i < x->cpu_count; i++)
		if (visible >> i & 1)
			add_access(x, x->places[x->sections[i]].location, ACCESS_LOAD);
	a->began_before = c->sim->rcu_seq;
	for (i = 0; i < x->cpu_count; i++) {
		if (i == x->current)
			continue;
		a->reader = i;
		a->reader_ended = 0;
		a->state = AGENT_GRACE;
		if (!explore_agent_enabled(x, x->current)) {
			explore_yield(x);
			if (a->reader_ended) {
				x->transition.posted_by = (uint8_t)(1 + i);
				x->transition.posted_at = a->reader_ended - 1;
			}
			x->reached[x->current]++;
		}
		a->state = AGENT_READY;
	}
}

uint32_t explore_agent(const struct explore *x)
{
	return x->current;
}

void explore_post(struct explore *x, struct actor *actor, uint64_t arg)
{
	struct agent *a = NULL;
	uint32_t i;

	for (i = x->cpu_count; !a && i < x->hardware_end; i++)
		if (x->agents[i].actor == actor)
			a = &x->agents[i];
	/* A timer is another one each time it is armed, and takes the first free place. */
	for (i = x->hardware_end; !a && i < x->agent_count; i++)
		if (!x->agents[i].posted_count)
			a = &x->agents[i];
	if (!a)
		a = explore_new_agent(x);
	a->actor = actor;
	assert(a->posted_count < MAX_POSTED);
	a->posted[(a->posted_first + a->posted_count++) % MAX_POSTED] =
		(struct posted){ arg, (uint8_t)(x->current + 1), x->step ? x->step - 1 : 0 };
}
