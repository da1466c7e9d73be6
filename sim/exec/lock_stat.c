/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lock_stat.c - acquisitions, waits and holds of every lock, as the kernel's lock_stat counts them
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exec/virtual.h"
#include "sim/platform/model/platform.h"

bool sim_is_lock_word(const struct sim *s, const struct line *l, const void *p)
{
	uint32_t i;

	for (i = l->lock_index; i; i = s->locks[i].next_index)
		if ((uintptr_t)p - (uintptr_t)s->locks[i].lock < sizeof(spinlock_t))
			return true;
	return false;
}

static struct lock_stat *lock_stat_find(struct sim *s, const spinlock_t *lock)
{
	uint32_t i = s->region.lines[region_line_index(&s->region, lock)].lock_index;

	while (i && s->locks[i].lock != lock)
		i = s->locks[i].next_index;
	return i ? &s->locks[i] : NULL;
}

static void out_of_memory(struct sim *s)
{
	s->engine.error = -ENOMEM;
	s->engine.stopping = true;
}

/* How many locks of this name there are so far; counts this one. */
static uint32_t next_instance(struct sim *s, const char *name)
{
	uint32_t i;

	for (i = 0; i < s->lock_class_count; i++)
		if (!strcmp(s->lock_classes[i].name, name))
			return s->lock_classes[i].count++;
	assert(s->lock_class_count < SIM_MAX_LOCK_CLASSES);
	s->lock_classes[s->lock_class_count++] = (struct lock_class){ name, 1 };
	return 0;
}

static struct lock_stat *new_lock_stat(struct sim *s)
{
	if (s->lock_count == s->lock_capacity) {
		struct lock_stat *locks = realloc(s->locks, 2UL * s->lock_capacity * sizeof(*locks));

		if (!locks)
			return NULL;
		s->locks = locks;
		s->lock_capacity *= 2;
	}
	memset(&s->locks[s->lock_count], 0, sizeof(s->locks[0]));
	return &s->locks[s->lock_count++];
}

void lock_stat_register(const spinlock_t *lock, const char *name)
{
	struct sim *s = this_vcpu()->sim;
	struct line *l = &s->region.lines[region_line_index(&s->region, lock)];
	struct lock_stat *ls = lock_stat_find(s, lock);

	if (s->params.without.lock_word)
		l->flags |= LINE_EXEMPT;
	if (ls && !strcmp(ls->name, name))
		return; /* memory reused for an object of the same kind */
	if (!ls) {
		ls = new_lock_stat(s);
		if (!ls) {
			out_of_memory(s);
			return;
		}
		ls->lock = lock;
		ls->next_index = l->lock_index;
		l->lock_index = (uint32_t)(ls - s->locks);
	}
	ls->name = name;
	ls->instance = next_instance(s, name);
}

void lock_stat_acquired(const spinlock_t *lock, uint64_t asked_ps, bool contended)
{
	struct vcpu *c = this_vcpu();
	struct lock_stat *ls = lock_stat_find(c->sim, lock);
	uint64_t wait_ps = c->proc.now_ps - asked_ps;
	uint64_t free_ps;

	assert(ls);
	free_ps = ls->released_at_ps > asked_ps ? ls->released_at_ps : asked_ps;
	ls->acquired_at_ps = c->proc.now_ps;
	ls->acquisitions++;
	if (contended) {
		ls->contended++;
		ls->wait_total_ps += wait_ps;
		if (wait_ps > ls->wait_max_ps)
			ls->wait_max_ps = wait_ps;
		if (c->proc.now_ps > free_ps)
			ls->handover_total_ps += c->proc.now_ps - free_ps;
	}
	if (c->map.phase != MAP_OUTSIDE)
		map_stat_lock_acquired(c, ls, asked_ps, contended);
}

uint64_t lock_stat_held_since(const spinlock_t *lock)
{
	struct lock_stat *ls = lock_stat_find(this_vcpu()->sim, lock);

	assert(ls);
	return ls->acquired_at_ps;
}

/* The lock is held until the releasing store is visible. */
void lock_stat_released(const spinlock_t *lock, uint64_t held_since_ps)
{
	struct vcpu *c = this_vcpu();
	struct lock_stat *ls = lock_stat_find(c->sim, lock);
	uint64_t end_ps = c->proc.now_ps > c->store_drain_ps ? c->proc.now_ps : c->store_drain_ps;
	uint64_t hold_ps = end_ps - held_since_ps;

	ls->released_at_ps = end_ps;
	ls->hold_total_ps += hold_ps;
	if (hold_ps > ls->hold_max_ps)
		ls->hold_max_ps = hold_ps;
	if (c->irq_depth && c->proc.now_ps - c->irq_off_since_ps > ls->irq_off_max_ps)
		ls->irq_off_max_ps = c->proc.now_ps - c->irq_off_since_ps;
	if (c->map.phase != MAP_OUTSIDE)
		map_stat_lock_released(c);
}
