/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/native_lock_stat.h"

#include "platform.h"

/* More locks than this are not counted; a power of two, and the table twice as large. */
#define LOCKS_MAX 4096
#define TABLE_SIZE (2 * LOCKS_MAX)

/* Locks that a CPU holds at the same time. */
#define HELD_MAX 8

/* Which lock has which number: written when a lock is initialised, read at every acquisition. */
struct lock_registry {
	uint32_t count;
	const char *name[LOCKS_MAX];
	uint32_t instance[LOCKS_MAX];
	const spinlock_t *lock[TABLE_SIZE]; /* open addressing */
	uint32_t index[TABLE_SIZE];
};

struct cpu_lock_stat {
	uint64_t acquisitions, contended;
	uint64_t wait_total_ps, wait_max_ps;
	uint64_t hold_total_ps, hold_max_ps;
};

struct native_lock_stats {
	uint32_t held_count;
	struct {
		const spinlock_t *lock;
		uint32_t index;
		uint64_t since_ps;
	} held[HELD_MAX];
	struct cpu_lock_stat stat[LOCKS_MAX];
};

static uint32_t slot_of(const struct lock_registry *r, const spinlock_t *lock)
{
	uint32_t slot = (uint32_t)(((uintptr_t)lock * 0x9e3779b97f4a7c15ULL) >> 40) & (TABLE_SIZE - 1);
	const spinlock_t *there;

	while ((there = __atomic_load_n(&r->lock[slot], __ATOMIC_ACQUIRE)) && there != lock)
		slot = (slot + 1) & (TABLE_SIZE - 1);
	return slot;
}

int native_lock_stat_init(struct native *m)
{
	uint32_t i;

	m->locks = calloc(1, sizeof(*m->locks));
	if (!m->locks)
		return -ENOMEM;
	for (i = 0; i < m->cpu_count; i++) {
		m->cpus[i].lock_stats = calloc(1, sizeof(struct native_lock_stats));
		if (!m->cpus[i].lock_stats)
			return -ENOMEM;
	}
	return 0;
}

void native_lock_stat_destroy(struct native *m)
{
	uint32_t i;

	for (i = 0; m->cpus && i < m->cpu_count; i++)
		free(m->cpus[i].lock_stats);
	free(m->locks);
}

/* One more than the highest there is: some of that name may have become locks of another one. */
static uint32_t next_instance(const struct lock_registry *r, const char *name)
{
	uint32_t next = 0, i;

	for (i = 0; i < r->count; i++)
		if (r->instance[i] >= next && !strcmp(r->name[i], name))
			next = r->instance[i] + 1;
	return next;
}

void native_lock_stat_register(struct native *m, const spinlock_t *lock, const char *name)
{
	struct lock_registry *r = m->locks;
	uint32_t slot, index;

	pthread_mutex_lock(&m->lock);
	slot = slot_of(r, lock);
	/* Memory reused keeps its number: the locks that came and went there are one. */
	index = r->lock[slot] ? r->index[slot] : r->count;
	if (index == LOCKS_MAX)
		goto out; /* not counted */
	if (!r->lock[slot] || strcmp(r->name[index], name)) {
		r->instance[index] = next_instance(r, name);
		r->name[index] = name;
	}
	if (!r->lock[slot]) {
		r->index[slot] = index;
		r->count++;
		__atomic_store_n(&r->lock[slot], lock, __ATOMIC_RELEASE);
	}
out:
	pthread_mutex_unlock(&m->lock);
}

void native_lock_stat_acquired(const spinlock_t *lock, uint64_t asked_ps, bool contended)
{
	struct native_cpu *c = this_cpu();
	struct native_lock_stats *s = c->lock_stats;
	const struct lock_registry *r = c->machine->locks;
	uint32_t slot = slot_of(r, lock);
	uint64_t now = cpu_clock_ps(), wait_ps = now - asked_ps;
	struct cpu_lock_stat *stat;

	if (!r->lock[slot])
		return;
	stat = &s->stat[r->index[slot]];
	stat->acquisitions++;
	if (contended) {
		stat->contended++;
		stat->wait_total_ps += wait_ps;
		if (wait_ps > stat->wait_max_ps)
			stat->wait_max_ps = wait_ps;
	}
	assert(s->held_count < HELD_MAX);
	s->held[s->held_count].lock = lock;
	s->held[s->held_count].index = r->index[slot];
	s->held[s->held_count++].since_ps = now;
}

void native_lock_stat_released(const spinlock_t *lock)
{
	struct native_lock_stats *s = this_cpu()->lock_stats;
	struct cpu_lock_stat *stat;
	uint64_t hold_ps;
	uint32_t i = s->held_count;

	while (i && s->held[i - 1].lock != lock)
		i--;
	if (!i)
		return;
	stat = &s->stat[s->held[i - 1].index];
	hold_ps = cpu_clock_ps() - s->held[i - 1].since_ps;
	stat->hold_total_ps += hold_ps;
	if (hold_ps > stat->hold_max_ps)
		stat->hold_max_ps = hold_ps;
	s->held[i - 1] = s->held[--s->held_count];
}

void native_lock_stat_reset(struct native *m, uint32_t cpu)
{
	struct native_lock_stats *s = m->cpus[cpu].lock_stats;

	if (s)
		memset(s->stat, 0, sizeof(s->stat));
}

uint32_t native_lock_stat_count(const struct native *m)
{
	return m->locks ? m->locks->count : 0;
}

struct native_lock_stat native_lock_stat_get(const struct native *m, uint32_t index)
{
	struct native_lock_stat sum = { .name = m->locks->name[index], .instance = m->locks->instance[index] };
	uint32_t i;

	for (i = 0; i < m->cpu_count; i++) {
		const struct cpu_lock_stat *s = &m->cpus[i].lock_stats->stat[index];

		sum.acquisitions += s->acquisitions;
		sum.contended += s->contended;
		sum.wait_total_ps += s->wait_total_ps;
		sum.hold_total_ps += s->hold_total_ps;
		if (s->wait_max_ps > sum.wait_max_ps)
			sum.wait_max_ps = s->wait_max_ps;
		if (s->hold_max_ps > sum.hold_max_ps)
			sum.hold_max_ps = s->hold_max_ps;
	}
	return sum;
}
