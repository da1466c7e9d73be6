/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * platform.h (model) - what the hot path needs from the machine, charged to a simulated CPU
 *
 * The hot path includes "platform.h" and never learns which executor runs it. Here every access first pays for its
 * cache line on the CPU that this thread simulates now, then happens.
 */
#ifndef SIMBENCH_PLATFORM_H
#define SIMBENCH_PLATFORM_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exec/coherence.h"
#include "sim/exec/explore.h"
#include "sim/exec/machine_oracle.h"
#include "sim/exec/virtual.h"
#include "sim/platform/common.h"
#include "sim/platform/mmio.h"

/* The name under which this build of the code offers @name to the rest of the program. */
#define ENTRY(name) name

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

static inline struct line *line_of(const struct vcpu *c, const void *p)
{
	return (struct line *)(c->lines_bias + ((uintptr_t)p >> CACHE_LINE_SHIFT) * sizeof(struct line));
}

static inline void charge_load(const void *p)
{
	struct vcpu *c = this_vcpu();
	struct line *l = line_of(c, p);

	if (likely(l->owner == c->tag || l->sharers.mask & c->bit))
		c->proc.now_ps += c->l1_hit_ps;
	else
		coh_load_slow(c, l, p);
}

/* Nobody else has ever touched the line, so nobody waits for it either. */
static inline bool line_is_private(const struct vcpu *c, const struct line *l)
{
	return l->owner == c->tag && !(l->flags & ~LINE_DIRTY);
}

static inline void charge_store(const void *p, size_t size)
{
	struct vcpu *c = this_vcpu();
	struct line *l = line_of(c, p);

	if (likely(line_is_private(c, l))) {
		l->flags |= LINE_DIRTY;
		c->proc.now_ps += c->l1_hit_ps;
	} else {
		coh_store_slow(c, l, p, size);
	}
}

static inline void charge_rmw(const void *p, size_t size)
{
	(void)size;
	struct vcpu *c = this_vcpu();
	struct line *l = line_of(c, p);

	if (likely(line_is_private(c, l))) {
		l->flags |= LINE_DIRTY;
		if (c->proc.now_ps < c->store_drain_ps)
			c->proc.now_ps = c->store_drain_ps;
		c->proc.now_ps += c->atomic_ps;
	} else {
		coh_rmw_slow(c, l, p);
	}
}

/* Without the LOCK prefix: no barrier, atomic only against this CPU's own interrupts. */
static inline void charge_rmw_local(const void *p, size_t size)
{
	struct vcpu *c = this_vcpu();
	struct line *l = line_of(c, p);

	if (likely(line_is_private(c, l))) {
		l->flags |= LINE_DIRTY;
		c->proc.now_ps += c->l1_hit_ps;
	} else {
		coh_rmw_local_slow(c, l, p, size);
	}
}

#define READ_ONCE(x)                                  \
	({                                            \
		__typeof__(&(x)) _rp = &(x);          \
		charge_load(_rp);                     \
		*(const volatile __typeof__(x) *)_rp; \
	})
#define WRITE_ONCE(x, v)                              \
	do {                                          \
		__typeof__(&(x)) _wp = &(x);          \
		__typeof__(x) _wv = (v);              \
		charge_store(_wp, sizeof(*_wp));      \
		*(volatile __typeof__(x) *)_wp = _wv; \
	} while (0)
#define smp_load_acquire(p) READ_ONCE(*(p))
#define smp_store_release(p, v) WRITE_ONCE(*(p), v)
/* A look at shared memory that stands for no access of the kernel's: free of charge. */
#define data_race(x) (x)

#define xchg(p, v)                               \
	({                                       \
		__typeof__(p) _xp = (p);         \
		__typeof__(*_xp) _xv = (v), _xo; \
		charge_rmw(_xp, sizeof(*_xp));   \
		_xo = *_xp;                      \
		*_xp = _xv;                      \
		_xo;                             \
	})
#define try_cmpxchg_charged(charge, p, oldp, new)            \
	({                                                   \
		__typeof__(p) _cp = (p);                     \
		__typeof__(*_cp) *_co = (oldp), _cn = (new); \
		bool _ok;                                    \
		charge(_cp, sizeof(*_cp));                   \
		_ok = *_cp == *_co;                          \
		if (_ok)                                     \
			*_cp = _cn;                          \
		else                                         \
			*_co = *_cp;                         \
		_ok;                                         \
	})
#define try_cmpxchg(p, oldp, new) try_cmpxchg_charged(charge_rmw, p, oldp, new)
#define try_cmpxchg_local(p, oldp, new) try_cmpxchg_charged(charge_rmw_local, p, oldp, new)
#define cmpxchg(p, old, new)                    \
	({                                      \
		__typeof__(*(p)) _old = (old);  \
		try_cmpxchg((p), &_old, (new)); \
		_old;                           \
	})
#define atomic_fetch_or(v, p)                  \
	({                                     \
		__typeof__(p) _op = (p);       \
		__typeof__(*_op) _oo;          \
		charge_rmw(_op, sizeof(*_op)); \
		_oo = *_op;                    \
		*_op = _oo | (v);              \
		_oo;                           \
	})
#define atomic_fetch_add(v, p)                 \
	({                                     \
		__typeof__(p) _ap = (p);       \
		__typeof__(*_ap) _ao;          \
		charge_rmw(_ap, sizeof(*_ap)); \
		_ao = *_ap;                    \
		*_ap = _ao + (v);              \
		_ao;                           \
	})

#define smp_cond_load_relaxed(p, cond)         \
	({                                     \
		__typeof__(p) _lp = (p);       \
		__typeof__(*_lp) VAL;          \
		for (;;) {                     \
			VAL = READ_ONCE(*_lp); \
			if (cond)              \
				break;         \
			coh_wait_line(_lp);    \
		}                              \
		VAL;                           \
	})
#define smp_cond_load_acquire(p, cond) smp_cond_load_relaxed(p, cond)

static inline void smp_mb(void)
{
	struct vcpu *c = this_vcpu();

	if (c->proc.now_ps < c->store_drain_ps)
		c->proc.now_ps = c->store_drain_ps;
	c->proc.now_ps += c->atomic_ps;
	if (unlikely(c->explore != NULL))
		explore_barrier(c);
}

/* Asks for a line to write soon; nobody waits for it to arrive. */
static inline void prefetchw(const void *p)
{
	coh_prefetchw(p);
}

/* Uncached: after all stores before it. */
static inline void mmio_write(struct mmio_device *dev, uint32_t offset, uint64_t value)
{
	struct vcpu *c = this_vcpu();

	if (c->proc.now_ps < c->store_drain_ps)
		c->proc.now_ps = c->store_drain_ps;
	c->proc.now_ps += c->sim->params.mmio_write_ps;
	if (unlikely(c->explore != NULL))
		explore_barrier(c);
	dev->write(dev, offset, value, c->proc.now_ps);
}

static inline uint64_t mmio_read(struct mmio_device *dev, uint32_t offset)
{
	struct vcpu *c = this_vcpu();

	if (c->proc.now_ps < c->store_drain_ps)
		c->proc.now_ps = c->store_drain_ps;
	c->proc.now_ps += c->sim->params.mmio_read_ps;
	/* The explorer has no clock to catch up with. */
	if (likely(!c->explore))
		proc_sync(&c->proc);
	else
		explore_barrier(c);
	return dev->read(dev, offset, c->proc.now_ps);
}

/* A poll that a register read paces goes on at once; see cpu_relax_until() for one that nothing paces. */
static inline void cpu_relax_paced(const void *a, const void *b)
{
	struct vcpu *c = this_vcpu();

	(void)b;
	if (unlikely(c->explore != NULL))
		explore_wait_word(c, a);
}

/* A caller that polls says what for, with cpu_relax_until() or smp_cond_load_acquire(). */
static inline void cpu_relax_until(const void *a, const void *b)
{
	coh_wait_lines(a, b);
}

static inline unsigned int smp_processor_id(void)
{
	return this_vcpu()->id;
}

static inline enum lock_kind lock_kind(void)
{
	return this_vcpu()->sim->params.lock;
}

/* Takes or gives back a lock as a whole, where the executor does that instead of the lock's algorithm. */
static inline bool executor_spin_lock(spinlock_t *lock)
{
	struct vcpu *c = this_vcpu();

	if (likely(!c->explore))
		return false;
	explore_lock(c, lock);
	return true;
}

static inline bool executor_spin_unlock(spinlock_t *lock)
{
	struct vcpu *c = this_vcpu();

	if (likely(!c->explore))
		return false;
	explore_unlock(c, lock);
	return true;
}

static inline struct mcs_node *mcs_nodes_of(unsigned int cpu)
{
	return this_vcpu()->sim->mcs_nodes[cpu].node;
}

static inline unsigned int nr_cpu_ids(void)
{
	return this_vcpu()->sim->cpu_count;
}

static inline unsigned long local_irq_save(void)
{
	struct vcpu *c = this_vcpu();

	if (!c->irq_depth)
		c->irq_off_since_ps = c->proc.now_ps;
	return c->irq_depth++;
}

static inline void local_irq_restore(unsigned long flags)
{
	struct vcpu *c = this_vcpu();

	c->irq_depth = (uint16_t)flags;
	if (flags)
		return;
	if (c->proc.now_ps - c->irq_off_since_ps > c->irq_off_max_ps)
		c->irq_off_max_ps = c->proc.now_ps - c->irq_off_since_ps;
	if (unlikely(vcpu_irq_due(c)))
		vcpu_run_irqs(c);
}

static inline void compute(enum cost_step step)
{
	struct vcpu *c = this_vcpu();

	c->proc.now_ps += c->step_ps[step];
}

static inline void count_call(enum fn_id fn)
{
	struct vcpu *c = this_vcpu();

	c->calls[fn]++;
	if (unlikely(c->explore != NULL))
		explore_called(c, fn);
	c->map.running.calls[fn] += c->map.phase != MAP_OUTSIDE;
}

/* The explorer's listings say where a CPU is: by the kernel's name. */
static inline void function_entered(const char *name)
{
	struct vcpu *c = this_vcpu();

	if (unlikely(c->explore != NULL))
		explore_entered(c, name);
}

/* ---- what a map call does with its time ---- */

/* Around all of dma_map_*(): a map call is what counts as a call of dma_map. */
static inline void map_call_begin(void)
{
	map_stat_begin(this_vcpu());
}

static inline void map_call_end(void)
{
	map_stat_end(this_vcpu());
}

/* From here on a map call is busy with @phase; means nothing elsewhere. The caller holds no lock. */
static inline void map_phase(enum map_part phase)
{
	struct vcpu *c = this_vcpu();

	if (c->map.phase == MAP_OUTSIDE)
		return;
	map_stat_go_to(&c->map, phase, c->proc.now_ps, c->stall_ps);
}

/* ---- what the oracle is told ---- */

/* A map for device @rid returns; pages as for machine_oracle_map(). */
static inline void oracle_map(uint16_t rid, uint64_t iova, const uint64_t *phys, uint64_t paddr, uint64_t pages)
{
	if (unlikely(this_vcpu()->sim->oracle != NULL))
		machine_oracle_map(rid, iova, phys, paddr, pages);
}

static inline void oracle_unmap(uint16_t rid, uint64_t iova, uint64_t pages, enum oracle_unmap stage)
{
	if (unlikely(this_vcpu()->sim->oracle != NULL))
		machine_oracle_unmap(rid, iova, pages, stage);
}

/* ---- time and interrupts, for what runs above the DMA API ---- */

static inline uint64_t cpu_clock_ps(void)
{
	return this_vcpu()->proc.now_ps;
}

/* Spends @ps without letting an interrupt happen. */
static inline void cpu_spend(uint64_t ps)
{
	this_vcpu()->proc.now_ps += ps;
}

/* Spends @ps; interrupts that arrive are served meanwhile, and their time is added. */
static inline void cpu_work(uint64_t ps)
{
	vcpu_work(ps);
}

/* Idles until an interrupt has been served, a cpu_kick() among them. */
static inline void cpu_idle(void)
{
	vcpu_idle();
}

/* Whether what is one for all CPUs can be written by each: they take turns. */
#define CPUS_TAKE_TURNS 1

/* A reason to look up, for a CPU that may idle; whoever has one embeds it. */
struct cpu_kick {
	struct irq irq;
};

static inline void cpu_kicked(struct irq *irq)
{
	(void)irq;
	cpu_spend(this_vcpu()->sim->params.irq_ps);
}

static inline void cpu_kick(uint32_t cpu, struct cpu_kick *kick)
{
	struct vcpu *c = this_vcpu();

	kick->irq.handler = cpu_kicked;
	proc_sync(&c->proc);
	vcpu_raise_irq(&c->sim->cpus[cpu], &kick->irq, c->proc.now_ps);
}

/* Whether the run is to end: it is over, and what a CPU was in the middle of has been brought to an end. */
static inline bool cpu_stopping(void)
{
	return this_vcpu()->sim->ending;
}

/* Ends the run with @error. */
static inline void cpu_fail(int error)
{
	struct engine *e = &this_vcpu()->sim->engine;

	e->error = error;
	engine_stop(e);
}

/* ---- memory ---- */

static inline void *shared_alloc(const struct obj_type *type, size_t size)
{
	return region_alloc(&this_vcpu()->sim->region, type, size, CACHE_LINE_SIZE);
}

static inline void *shared_alloc_aligned(const struct obj_type *type, size_t size, size_t align)
{
	return region_alloc(&this_vcpu()->sim->region, type, size, align);
}

static inline void shared_free(void *p)
{
	region_free(&this_vcpu()->sim->region, p);
}

extern const struct obj_type page_table_type;

static inline void *page_alloc(void)
{
	return region_alloc(&this_vcpu()->sim->region, &page_table_type, PAGE_SIZE, PAGE_SIZE);
}

static inline void page_free(void *page)
{
	shared_free(page);
}

/* Simulated memory starts at a physical address that no bit of an address field truncates. */
#define REGION_PHYS_BASE (1ULL << 32)

static inline uint64_t region_phys(const struct region *r, const void *p)
{
	return REGION_PHYS_BASE + (uint64_t)((const char *)p - r->memory.base);
}

static inline void *region_virt(const struct region *r, uint64_t pa)
{
	return r->memory.base + (pa - REGION_PHYS_BASE);
}

static inline uint64_t virt_to_phys(const void *p)
{
	return region_phys(&this_vcpu()->sim->region, p);
}

static inline void *phys_to_virt(uint64_t pa)
{
	return region_virt(&this_vcpu()->sim->region, pa);
}

/* ---- RCU ---- */

/* Must be the first member of what shared_free_rcu() frees. */
struct rcu_head {
	struct rcu_head *next;
	uint64_t seq;
};

#define rcu_dereference(p) READ_ONCE(p)
#define rcu_assign_pointer(p, v) smp_store_release(&(p), v)

static inline void rcu_read_lock(void)
{
	struct vcpu *c = this_vcpu();

	if (c->rcu_nesting++)
		return;
	if (unlikely(c->explore != NULL))
		explore_rcu_lock(c);
	c->rcu_since = ++c->sim->rcu_seq;
}

void rcu_run_callbacks(struct sim *s);

static inline void rcu_read_unlock(void)
{
	struct vcpu *c = this_vcpu();

	if (--c->rcu_nesting)
		return;
	if (unlikely(c->explore != NULL))
		explore_rcu_unlock(c);
	c->rcu_since = 0;
	if (unlikely(c->sim->rcu_callbacks != NULL))
		rcu_run_callbacks(c->sim);
}

/* Frees an object that starts with @head once nobody can be reading it any more. */
void shared_free_rcu(struct rcu_head *head);

/* Waits until every section that has begun before this is over. Not from within one, nor with a spinlock. */
void synchronize_rcu(void);

/* lock_stat's hooks. Here it costs nothing to note the times. */
static inline bool lock_stat_timed(void)
{
	return true;
}

static inline uint64_t lock_stat_begin(void)
{
	struct vcpu *c = this_vcpu();

	c->map.asked_stall_ps = c->stall_ps;
	return c->proc.now_ps;
}

void lock_stat_register(const spinlock_t *lock, const char *name);
void lock_stat_acquired(const spinlock_t *lock, uint64_t asked_ps, bool contended);
uint64_t lock_stat_held_since(const spinlock_t *lock);
void lock_stat_released(const spinlock_t *lock, uint64_t held_since_ps);

#endif
