/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/map_stat.h"

#include <string.h>

#include "sim/exec/virtual.h"

static void enter_phase(struct map_stat *m, enum map_part phase, uint64_t now_ps, uint64_t stall_ps)
{
	m->phase = phase;
	m->running.part_ps[phase] -= now_ps - stall_ps;
	m->running.part_ps[MAP_line_stalls] -= stall_ps;
}

static void leave_phase(struct map_stat *m, uint64_t now_ps, uint64_t stall_ps)
{
	m->running.part_ps[m->phase] += now_ps - stall_ps;
	m->running.part_ps[MAP_line_stalls] += stall_ps;
}

void map_stat_begin(struct vcpu *c)
{
	c->map.locks_held = 0;
	enter_phase(&c->map, MAP_other, c->proc.now_ps, c->stall_ps);
}

/* Only now: a lock is to have no more acquisitions than belong to the calls that are counted. */
static void count_locks(struct vcpu *c)
{
	struct map_stat *m = &c->map;
	uint32_t i;

	for (i = 0; i < m->lock_count; i++)
		c->sim->locks[m->locks[i]].acquisitions_in_map++;
	m->lock_count = 0;
}

void map_stat_end(struct vcpu *c)
{
	if (c->map.phase == MAP_OUTSIDE)
		return;
	leave_phase(&c->map, c->proc.now_ps, c->stall_ps);
	c->map.phase = MAP_OUTSIDE;
	c->map.done = c->map.running;
	count_locks(c);
}

void map_stat_abandon(struct map_stat *m)
{
	m->phase = m->interrupted = MAP_OUTSIDE;
	m->running = m->done;
	m->lock_count = 0;
}

void map_stat_reset(struct map_stat *m)
{
	memset(&m->done, 0, sizeof(m->done));
	map_stat_abandon(m);
}

void map_stat_suspend(struct vcpu *c)
{
	struct map_stat *m = &c->map;

	m->interrupted = m->phase;
	if (m->phase == MAP_OUTSIDE)
		return;
	assert(!m->locks_held);
	leave_phase(m, c->proc.now_ps, c->stall_ps);
	m->phase = MAP_OUTSIDE;
}

void map_stat_resume(struct vcpu *c)
{
	if (c->map.interrupted != MAP_OUTSIDE)
		enter_phase(&c->map, c->map.interrupted, c->proc.now_ps, c->stall_ps);
}

void map_stat_lock_acquired(struct vcpu *c, const struct lock_stat *lock, uint64_t asked_ps, bool contended)
{
	struct map_stat *m = &c->map;
	uint64_t now_ps = c->proc.now_ps, *part_ps = m->running.part_ps;

	/* As lock_stat has it: who finds a lock free does not wait, however long its line takes to come. */
	if (contended)
		part_ps[MAP_lock_wait] += now_ps - asked_ps;
	else
		asked_ps = now_ps;
	if (!m->locks_held++) {
		leave_phase(m, asked_ps, contended ? m->asked_stall_ps : c->stall_ps);
		part_ps[MAP_lock_hold] -= now_ps;
	} else {
		part_ps[MAP_lock_hold] -= now_ps - asked_ps;
	}
	if (m->lock_count == MAP_CALL_LOCKS)
		count_locks(c);
	m->locks[m->lock_count++] = (uint32_t)(lock - c->sim->locks);
}

void map_stat_lock_released(struct vcpu *c)
{
	struct map_stat *m = &c->map;

	if (--m->locks_held)
		return;
	m->running.part_ps[MAP_lock_hold] += c->proc.now_ps;
	enter_phase(m, m->phase, c->proc.now_ps, c->stall_ps);
}
