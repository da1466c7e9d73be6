/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/coherence.h"

#include <stdlib.h>
#include <string.h>

#include "sim/exec/explore.h"
#include "sim/exec/virtual.h"

/* Sharers of a line where there are more than 64 CPUs. The words outside [low, high) are zero. */
struct sharer_set {
	uint32_t low, high;
	uint64_t words[];
};

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t percent_of(uint64_t ps, uint32_t pct)
{
	return pct == 100 ? ps : ps * pct / 100;
}

static enum coh_class place_distance(const struct agent_place *a, const struct agent_place *b)
{
	if (a->package != b->package)
		return COH_REMOTE;
	if (a->l3 != b->l3)
		return COH_PACKAGE;
	return a->core != b->core ? COH_L3 : COH_SMT;
}

static bool set_has_range(const struct sharer_set *set, uint32_t first, uint32_t end)
{
	uint32_t low = first / 64, high = (end + 63) / 64, i;

	if (low < set->low)
		low = set->low;
	if (high > set->high)
		high = set->high;
	for (i = low; i < high; i++) {
		uint64_t word = set->words[i];

		if (i == first / 64)
			word &= ~0ULL << (first % 64);
		if (i == end / 64)
			word &= ~(~0ULL << (end % 64));
		if (word)
			return true;
	}
	return false;
}

static bool set_has_outside(const struct sharer_set *set, uint32_t first, uint32_t end)
{
	return set_has_range(set, set->low * 64, first) || set_has_range(set, end, set->high * 64);
}

static bool has_sharers(const struct sim *s, const struct line *l)
{
	if (s->cpu_count <= 64)
		return l->sharers.mask != 0;
	return l->sharers.set && l->sharers.set->low < l->sharers.set->high;
}

static bool is_sharer(const struct vcpu *c, const struct line *l)
{
	const struct sharer_set *set = l->sharers.set;

	if (c->bit)
		return l->sharers.mask & c->bit;
	return set && set->low <= c->id / 64U && c->id / 64U < set->high &&
	       (set->words[c->id / 64] >> (c->id % 64) & 1);
}

bool coh_has_copy(const struct vcpu *c, const struct line *l)
{
	return l->owner == c->tag || is_sharer(c, l);
}

static void add_sharer(struct sim *s, struct line *l, uint32_t cpu)
{
	struct sharer_set *set;
	uint32_t word = cpu / 64;

	if (s->cpu_count <= 64) {
		l->sharers.mask |= 1ULL << cpu;
		return;
	}
	set = l->sharers.set;
	if (!set) {
		set = sim_alloc_sharer_set(s, sizeof(*set) + (s->cpu_count + 63) / 64 * sizeof(uint64_t));
		l->sharers.set = set;
	}
	if (set->low == set->high) {
		set->low = word;
		set->high = word + 1;
	}
	if (word < set->low)
		set->low = word;
	if (word >= set->high)
		set->high = word + 1;
	set->words[word] |= 1ULL << (cpu % 64);
}

static void clear_sharers(struct sim *s, struct line *l)
{
	struct sharer_set *set;

	if (s->cpu_count <= 64) {
		l->sharers.mask = 0;
		return;
	}
	set = l->sharers.set;
	if (set) {
		memset(&set->words[set->low], 0, (set->high - set->low) * sizeof(set->words[0]));
		set->low = set->high = 0;
	}
}

/* Where a clean line comes from: the nearest cache that has it. */
static enum coh_class nearest_sharer(const struct vcpu *c, const struct line *l)
{
	if (c->bit) {
		uint64_t sharers = l->sharers.mask;

		if (sharers & c->core_mask)
			return COH_SMT;
		if (sharers & c->l3_mask)
			return COH_L3;
		return sharers & c->package_mask ? COH_PACKAGE : COH_REMOTE;
	}
	if (set_has_range(l->sharers.set, c->core_cpus.first, c->core_cpus.end))
		return COH_SMT;
	if (set_has_range(l->sharers.set, c->l3_cpus.first, c->l3_cpus.end))
		return COH_L3;
	if (set_has_range(l->sharers.set, c->package_cpus.first, c->package_cpus.end))
		return COH_PACKAGE;
	return COH_REMOTE;
}

/* Whose invalidation takes longest; COH_SELF when nobody else has a copy. */
static enum coh_class farthest_sharer(const struct vcpu *c, const struct line *l)
{
	const struct sharer_set *set = l->sharers.set;

	if (c->bit) {
		uint64_t others = l->sharers.mask & ~c->bit;

		if (others & ~c->package_mask)
			return COH_REMOTE;
		if (others & ~c->l3_mask)
			return COH_PACKAGE;
		if (others & ~c->core_mask)
			return COH_L3;
		return others ? COH_SMT : COH_SELF;
	}
	if (!set)
		return COH_SELF;
	if (set_has_outside(set, c->package_cpus.first, c->package_cpus.end))
		return COH_REMOTE;
	if (set_has_outside(set, c->l3_cpus.first, c->l3_cpus.end))
		return COH_PACKAGE;
	if (set_has_outside(set, c->core_cpus.first, c->core_cpus.end))
		return COH_L3;
	return set_has_outside(set, c->id, c->id + 1U) ? COH_SMT : COH_SELF;
}

static enum coh_class owner_distance(const struct vcpu *c, const struct line *l)
{
	return place_distance(&c->place, &c->sim->places[l->owner - 1]);
}

static void count_transfer(struct vcpu *c, const struct line *l, enum coh_class class, uint64_t stall_ps)
{
	struct line_stats *st = &c->sim->region.stats[l - c->sim->region.lines];

	if (class == COH_REMOTE)
		st->transfers_remote++;
	else
		st->transfers_local++;
	st->stall_ps += stall_ps;
	c->stall_ps += stall_ps;
}

static void waiter_remove(struct waiter *w)
{
	struct line *l = w->line;

	if (!l)
		return;
	if (w->next == w) {
		l->waiters = NULL;
	} else {
		w->prev->next = w->next;
		w->next->prev = w->prev;
		if (l->waiters == w)
			l->waiters = w->next;
	}
	w->line = NULL;
}

void coh_forget_waits(struct vcpu *c)
{
	waiter_remove(&c->waiter[0]);
	waiter_remove(&c->waiter[1]);
}

static void waiter_append(struct waiter *w, struct line *l)
{
	w->line = l;
	if (!l->waiters) {
		l->waiters = w->next = w->prev = w;
		return;
	}
	w->next = l->waiters;
	w->prev = l->waiters->prev;
	w->prev->next = w->next->prev = w;
}

static void wake_waiters(struct line *l, uint64_t time_ps)
{
	while (l->waiters) {
		struct vcpu *c = l->waiters->cpu;

		waiter_remove(&c->waiter[0]);
		waiter_remove(&c->waiter[1]);
		proc_wake(&c->proc, time_ps);
	}
}

/* Nobody has ever held the line: it comes from memory, as from the nearest cache. */
static bool is_cold(const struct sim *s, const struct line *l)
{
	return l->owner == NO_OWNER && !has_sharers(s, l);
}

static bool is_exempt(const struct sim *s, const struct line *l, const void *p)
{
	return l->flags & LINE_FREE || (l->flags & LINE_EXEMPT && sim_is_lock_word(s, l, p));
}

/* Until the request has reached whoever has the line, it is theirs. */
static void request_travels(struct vcpu *c, uint64_t start_ps, uint64_t latency_ps)
{
	uint32_t pct = c->sim->params.coh.request_pct;

	if (!pct)
		return;
	c->proc.now_ps = start_ps + percent_of(latency_ps, pct);
	proc_sync(&c->proc);
}

void coh_load_slow(struct vcpu *c, struct line *l, const void *p)
{
	struct sim *s = c->sim;
	const struct coh_params *params = &s->params.coh;
	uint64_t asked, start, latency;
	enum coh_class class;

	if (s->explore) {
		explore_load(c, p);
		return;
	}
	if (is_exempt(s, l, p) || coh_has_copy(c, l)) {
		c->proc.now_ps += c->l1_hit_ps;
		return;
	}
	proc_sync(&c->proc);
	asked = c->proc.now_ps;
	start = later(asked, l->busy_until_ps);

	if (is_cold(s, l)) {
		l->owner = c->tag;
		c->proc.now_ps = start + params->latency_ps[COH_L3] + c->l1_hit_ps;
		return;
	}
	if (l->owner != NO_OWNER) {
		class = owner_distance(c, l);
		latency = params->latency_ps[class];
		l->busy_until_ps =
			start + (l->flags & LINE_DIRTY ? percent_of(latency, params->dirty_read_occupancy_pct)
						       : params->read_occupancy_ps);
		request_travels(c, start, latency);
		if (l->flags & LINE_DIRTY && params->dirty_read_migrates) {
			l->owner = c->tag;
			l->flags = (uint16_t)((l->flags & ~LINE_DIRTY) | LINE_CONTENDED);
			c->proc.now_ps = start + latency + c->l1_hit_ps;
			count_transfer(c, l, class, c->proc.now_ps - asked);
			wake_waiters(l, start + latency);
			return;
		}
		if (l->owner != NO_OWNER && l->owner <= s->cpu_count)
			add_sharer(s, l, l->owner - 1U);
		l->owner = NO_OWNER;
		l->flags &= (uint16_t)~LINE_DIRTY;
	} else {
		class = nearest_sharer(c, l);
		latency = params->latency_ps[class];
		l->busy_until_ps = start + params->read_occupancy_ps;
	}
	add_sharer(s, l, c->id);
	l->flags |= LINE_CONTENDED;
	c->proc.now_ps = start + latency + c->l1_hit_ps;
	count_transfer(c, l, class, c->proc.now_ps - asked);
}

/*
 * Makes @c the exclusive owner of a line that it may not hold yet. Returns when the line arrives; *@class is how
 * far the farthest party was, COH_SELF when there was none.
 */
static uint64_t take_line(struct vcpu *c, struct line *l, enum coh_class *class, bool waits)
{
	struct sim *s = c->sim;
	const struct coh_params *p = &s->params.coh;
	uint64_t start = later(c->proc.now_ps, l->busy_until_ps);
	uint64_t latency;

	if (l->owner == c->tag) {
		*class = COH_SELF;
		l->flags |= LINE_DIRTY;
		return c->proc.now_ps;
	}
	if (is_cold(s, l)) {
		*class = COH_SELF;
		latency = p->latency_ps[COH_L3];
	} else {
		if (l->owner != NO_OWNER)
			*class = owner_distance(c, l);
		else
			*class = farthest_sharer(c, l);
		latency = p->latency_ps[*class];
		if (*class != COH_SELF)
			l->flags |= LINE_CONTENDED;
	}
	l->busy_until_ps = start + percent_of(latency, p->write_occupancy_pct);
	if (waits)
		request_travels(c, start, latency);
	l->owner = c->tag;
	l->flags |= LINE_DIRTY;
	clear_sharers(s, l);
	return start + latency;
}

/* The lock words that run --explain exempts: a hit, and still seen by those who wait. */
static bool exempt_write(struct vcpu *c, struct line *l, const void *p)
{
	if (!is_exempt(c->sim, l, p))
		return false;
	proc_sync(&c->proc);
	wake_waiters(l, c->proc.now_ps);
	return true;
}

void coh_store_slow(struct vcpu *c, struct line *l, const void *p, size_t size)
{
	uint64_t arrived, asked;
	enum coh_class class;

	if (c->explore) {
		explore_store(c, p, size);
		return;
	}
	if (exempt_write(c, l, p)) {
		c->proc.now_ps += c->l1_hit_ps;
		return;
	}
	proc_sync(&c->proc);
	asked = c->proc.now_ps;
	arrived = take_line(c, l, &class, false);
	/* Posted: the CPU goes on, the store becomes visible after those before it, and nobody gets the line
	 * sooner. */
	if (arrived < c->store_drain_ps)
		l->busy_until_ps = later(l->busy_until_ps, c->store_drain_ps);
	else
		c->store_drain_ps = arrived;
	if (class != COH_SELF)
		count_transfer(c, l, class, 0);
	wake_waiters(l, later(c->store_drain_ps, asked));
	c->proc.now_ps = asked + c->l1_hit_ps;
}

/* Waits for the line, then spends @cost_ps on the operation. */
static void rmw(struct vcpu *c, struct line *l, const void *p, uint64_t cost_ps)
{
	uint64_t arrived, asked;
	enum coh_class class;

	if (exempt_write(c, l, p)) {
		c->proc.now_ps += cost_ps;
		return;
	}
	proc_sync(&c->proc);
	asked = c->proc.now_ps;
	arrived = take_line(c, l, &class, true);
	c->proc.now_ps = arrived + cost_ps;
	if (class != COH_SELF)
		count_transfer(c, l, class, arrived - asked);
	wake_waiters(l, arrived);
}

void coh_rmw_slow(struct vcpu *c, struct line *l, const void *p)
{
	if (c->explore) {
		explore_rmw(c, p);
		return;
	}
	c->proc.now_ps = later(c->proc.now_ps, c->store_drain_ps);
	rmw(c, l, p, c->sim->params.coh.atomic_ps);
}

void coh_rmw_local_slow(struct vcpu *c, struct line *l, const void *p, size_t size)
{
	if (c->explore) {
		explore_store(c, p, size);
		return;
	}
	rmw(c, l, p, c->l1_hit_ps);
}

void coh_prefetchw(const void *p)
{
	struct vcpu *c = this_vcpu();
	struct line *l = &c->sim->region.lines[region_line_index(&c->sim->region, p)];
	uint64_t arrived;
	enum coh_class class;

	if (c->explore || l->owner == c->tag || is_exempt(c->sim, l, p))
		return;
	proc_sync(&c->proc);
	arrived = take_line(c, l, &class, false);
	if (class != COH_SELF)
		count_transfer(c, l, class, 0);
	wake_waiters(l, arrived);
}

void coh_wait_line(const void *p)
{
	coh_wait_lines(p, p);
}

void coh_wait_lines(const void *a, const void *b)
{
	struct vcpu *c = this_vcpu();
	struct region *r = &c->sim->region;
	struct line *la = &r->lines[region_line_index(r, a)], *lb = &r->lines[region_line_index(r, b)];
	uint64_t since = c->proc.now_ps;

	if (c->explore) {
		explore_wait_word(c, a);
		return;
	}
	/* A line that the reader spins on for free has no copy to lose: the words it holds do the waking. */
	if (!(la->flags & (LINE_EXEMPT | LINE_FREE)) && !coh_has_copy(c, la))
		return;
	if (lb != la && !(lb->flags & (LINE_EXEMPT | LINE_FREE)) && !coh_has_copy(c, lb))
		return;
	waiter_append(&c->waiter[0], la);
	if (lb != la)
		waiter_append(&c->waiter[1], lb);
	proc_sleep(&c->proc);
	c->spin_ps += c->proc.now_ps - since;
}

static bool shared_outside(const struct sim *s, const struct line *l, uint32_t package)
{
	const struct cpu_range *in = &s->package_cpus[package];

	if (s->cpu_count <= 64)
		return l->sharers.mask & ~cpu_range_mask(in);
	return l->sharers.set && set_has_outside(l->sharers.set, in->first, in->end);
}

static uint64_t agent_touch(struct sim *s, uint16_t agent, struct line *l, uint64_t time_ps, bool write)
{
	const struct coh_params *p = &s->params.coh;
	uint64_t start = later(time_ps, l->busy_until_ps);
	enum coh_class class = COH_PACKAGE;

	if (l->owner != NO_OWNER) {
		if (place_distance(&s->places[agent], &s->places[l->owner - 1]) == COH_REMOTE)
			class = COH_REMOTE;
	} else if (shared_outside(s, l, s->places[agent].package)) {
		class = COH_REMOTE;
	}
	if (!write) {
		l->busy_until_ps = start + (l->flags & LINE_DIRTY
						    ? percent_of(p->latency_ps[class], p->dirty_read_occupancy_pct)
						    : p->read_occupancy_ps);
		return start + p->latency_ps[class];
	}
	l->busy_until_ps = start + percent_of(p->latency_ps[class], p->write_occupancy_pct);
	l->owner = (uint16_t)(agent + 1);
	l->flags |= LINE_DIRTY | LINE_CONTENDED;
	clear_sharers(s, l);
	wake_waiters(l, start + p->latency_ps[class]);
	return start + p->latency_ps[class];
}

static uint64_t agent_access(struct sim *s, uint16_t agent, const void *p, size_t size, uint64_t time_ps,
			     bool write)
{
	size_t first = region_line_index(&s->region, p);
	size_t last = region_line_index(&s->region, (const char *)p + size - 1);
	uint64_t done = time_ps;
	size_t i;

	for (i = first; i <= last; i++)
		done = later(done, agent_touch(s, agent, &s->region.lines[i], time_ps, write));
	return done;
}

uint64_t coh_agent_write(struct sim *s, uint16_t agent, const void *p, size_t size, uint64_t time_ps)
{
	if (s->explore) {
		explore_agent_write(s, p);
		return time_ps;
	}
	return agent_access(s, agent, p, size, time_ps, true);
}

uint64_t coh_agent_read(struct sim *s, uint16_t agent, const void *p, size_t size, uint64_t time_ps)
{
	if (s->explore) {
		explore_agent_read(s, p);
		return time_ps;
	}
	return agent_access(s, agent, p, size, time_ps, false);
}

bool coh_line_valid(const struct sim *s, const struct line *l)
{
	if (l->owner > s->agent_count)
		return false;
	if (l->owner != NO_OWNER && has_sharers(s, l))
		return false; /* exclusive means exclusive */
	if (l->flags & LINE_DIRTY && l->owner == NO_OWNER)
		return false; /* somebody must have the data */
	return true;
}
