/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * platform.h (native) - what the hot path needs from the machine, straight from the one at hand
 *
 * The same names as in platform/model/platform.h. Here an access is a C11 atomic of the compiler's, and costs what
 * the hardware makes of it.
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

/*
 * liburcu's inline functions; its licence allows them to programs under this one. ThreadSanitizer takes their
 * volatile accesses for races, and sees nothing of what is in the library.
 */
#if !defined(__SANITIZE_THREAD__)
#define _LGPL_SOURCE
#endif
#define URCU_API_MAP
#include <urcu/urcu-qsbr.h>

#include "sim/exec/native.h"
#include "sim/oracle.h"
#include "sim/platform/common.h"
#include "sim/platform/mmio.h"

/* Liburcu's are the same. */
#undef likely
#undef unlikely
/* The name under which this build of the code offers @name to the rest of the program. */
#define ENTRY(name) native_##name

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define data_race(x) READ_ONCE(x)

/* Liburcu's are volatile accesses and fences, which ThreadSanitizer does not know; on x86 they cost the same. */
#undef rcu_dereference
#undef rcu_assign_pointer
#define rcu_dereference(p) smp_load_acquire(&(p))
#define rcu_assign_pointer(p, v) smp_store_release(&(p), (v))

#define xchg(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define try_cmpxchg(p, oldp, new) \
	__atomic_compare_exchange_n((p), (oldp), (new), false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)
#define cmpxchg(p, old, new)                    \
	({                                      \
		__typeof__(*(p)) _old = (old);  \
		try_cmpxchg((p), &_old, (new)); \
		_old;                           \
	})
#define atomic_fetch_or(v, p) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define atomic_fetch_add(v, p) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
/* Without the LOCK prefix: no barrier, atomic only against this CPU's own interrupts. Quadwords only. */
static inline bool cmpxchg_local_u64(uint64_t *p, uint64_t *old, uint64_t new)
{
	bool ok;

	__asm__ volatile("cmpxchgq %3, %1" : "=@ccz"(ok), "+m"(*p), "+a"(*old) : "r"(new) : "memory");
	return ok;
}
#define try_cmpxchg_local(p, oldp, new) cmpxchg_local_u64((p), (oldp), (new))

/* As the kernel's, and cheaper than mfence. */
static inline void smp_mb(void)
{
	__asm__ volatile("lock; addl $0, -4(%%rsp)" ::: "memory", "cc");
}

/* The compiler's own takes the line for writing only where a flag allows the instruction. */
static inline void prefetchw(const void *p)
{
	__asm__ volatile("prefetchw %0" ::"m"(*(const char *)p));
}
#else
#define try_cmpxchg_local(p, oldp, new) try_cmpxchg(p, oldp, new)

static inline void smp_mb(void)
{
	static _Thread_local int barrier; /* ThreadSanitizer knows no fences */

	__atomic_fetch_add(&barrier, 0, __ATOMIC_SEQ_CST);
}

static inline void prefetchw(const void *p)
{
	__builtin_prefetch(p, 1);
}
#endif

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

#define smp_cond_load(load, p, cond)     \
	({                               \
		__typeof__(p) _lp = (p); \
		__typeof__(*_lp) VAL;    \
		for (;;) {               \
			VAL = load;      \
			if (cond)        \
				break;   \
			cpu_relax();     \
		}                        \
		VAL;                     \
	})
#define smp_cond_load_relaxed(p, cond) smp_cond_load(READ_ONCE(*_lp), p, cond)
#define smp_cond_load_acquire(p, cond) smp_cond_load(smp_load_acquire(_lp), p, cond)

static inline void cpu_relax_until(const void *a, const void *b)
{
	(void)a, (void)b;
	cpu_relax();
}

/* The poll's register read takes far longer than a pause would. */
static inline void cpu_relax_paced(const void *a, const void *b)
{
	(void)a, (void)b;
}

/* This CPU; an asm-free thread-local load. */
static inline struct native_cpu *this_cpu(void)
{
	return native_this_cpu;
}

static inline unsigned int smp_processor_id(void)
{
	return this_cpu()->id;
}

/* Real CPUs run a lock's algorithm. */
static inline bool executor_spin_lock(spinlock_t *lock)
{
	(void)lock;
	return false;
}

static inline bool executor_spin_unlock(spinlock_t *lock)
{
	(void)lock;
	return false;
}

static inline enum lock_kind lock_kind(void)
{
	return (enum lock_kind)__builtin_expect(this_cpu()->lock, LOCK_QSPINLOCK);
}

static inline struct mcs_node *mcs_nodes_of(unsigned int cpu)
{
	return this_cpu()->machine->mcs_nodes[cpu].node;
}

static inline unsigned int nr_cpu_ids(void)
{
	return this_cpu()->machine->cpu_count;
}

/*
 * Events do not cut into this thread wherever it is: it lets them happen, and only with interrupts on. Nothing is
 * in the flags: whoever saved them need not keep them anywhere.
 */
static inline unsigned long local_irq_save(void)
{
	this_cpu()->irq_depth++;
	return 0;
}

static inline void local_irq_restore(unsigned long flags)
{
	(void)flags;
	this_cpu()->irq_depth--;
}

/* The instructions are there: nothing has to be charged for them. */
static inline void compute(enum cost_step step)
{
	(void)step;
}

static inline void function_entered(const char *name)
{
	(void)name;
}

static inline void count_call(enum fn_id fn)
{
	uint64_t *calls = &this_cpu()->calls[fn];

	/* Other CPUs may read it. */
	WRITE_ONCE(*calls, *calls + 1);
}

/* What a map call does with its time is not watched here. */
static inline void map_call_begin(void)
{
}

static inline void map_call_end(void)
{
}

static inline void map_phase(enum map_part phase)
{
	(void)phase;
}

/* ---- what the oracle is told: nothing translates here ---- */

static inline void oracle_map(uint16_t rid, uint64_t iova, const uint64_t *phys, uint64_t paddr, uint64_t pages)
{
	(void)rid, (void)iova, (void)phys, (void)paddr, (void)pages;
}

static inline void oracle_unmap(uint16_t rid, uint64_t iova, uint64_t pages, enum oracle_unmap stage)
{
	(void)rid, (void)iova, (void)pages, (void)stage;
}

/* ---- time and interrupts, for what runs above the DMA API ---- */

static inline uint64_t cpu_clock_ps(void)
{
	return native_now_ps(this_cpu()->machine);
}

/* Spends @ps without letting an event happen. */
void cpu_spend(uint64_t ps);
/* Spends @ps; events that are due happen meanwhile, and their time is added. */
void cpu_work(uint64_t ps);
/* Waits until an event has happened here, another CPU has kicked this one, or the run is to end. */
void cpu_idle(void);
/* Whether what is one for all CPUs can be written by each: they run at the same time. */
#define CPUS_TAKE_TURNS 0

/* A reason to look up, for a CPU that may idle; all that it takes here is a flag of that CPU's. */
struct cpu_kick {
	char nothing;
};

static inline void cpu_kick(uint32_t cpu, struct cpu_kick *kick)
{
	(void)kick;
	smp_store_release(&this_cpu()->machine->cpus[cpu].kicked, true);
}

/* Whether the run is to end: whoever loops looks. */
static inline bool cpu_stopping(void)
{
	return __atomic_load_n(&this_cpu()->machine->stopping, __ATOMIC_RELAXED);
}

/* Ends the run with @error. */
void cpu_fail(int error);

static inline void mmio_write(struct mmio_device *dev, uint32_t offset, uint64_t value)
{
	cpu_spend(this_cpu()->machine->params.mmio_write_ps);
	dev->write(dev, offset, value, cpu_clock_ps());
}

static inline uint64_t mmio_read(struct mmio_device *dev, uint32_t offset)
{
	cpu_spend(this_cpu()->machine->params.mmio_read_ps);
	return dev->read(dev, offset, cpu_clock_ps());
}

/* ---- memory ---- */

void *native_alloc(struct native *m, size_t size, size_t align);
void native_free(void *p);

static inline void *shared_alloc_aligned(const struct obj_type *type, size_t size, size_t align)
{
	(void)type;
	return native_alloc(this_cpu()->machine, size, align);
}

static inline void *shared_alloc(const struct obj_type *type, size_t size)
{
	return shared_alloc_aligned(type, size, CACHE_LINE_SIZE);
}

static inline void shared_free(void *p)
{
	native_free(p);
}

static inline void *page_alloc(void)
{
	return native_alloc(this_cpu()->machine, PAGE_SIZE, PAGE_SIZE);
}

static inline void page_free(void *page)
{
	native_free(page);
}

/* Simulated memory starts at a physical address that no bit of an address field truncates. */
#define REGION_PHYS_BASE (1ULL << 32)

static inline uint64_t native_virt_to_phys(const struct native *m, const void *p)
{
	return REGION_PHYS_BASE + (uint64_t)((const char *)p - m->memory.base);
}

static inline void *native_phys_to_virt(const struct native *m, uint64_t pa)
{
	return m->memory.base + (pa - REGION_PHYS_BASE);
}

static inline uint64_t virt_to_phys(const void *p)
{
	return native_virt_to_phys(this_cpu()->machine, p);
}

static inline void *phys_to_virt(uint64_t pa)
{
	return native_phys_to_virt(this_cpu()->machine, pa);
}

/* Frees an object that starts with @head once nobody can be reading it any more. */
void shared_free_rcu(struct rcu_head *head);

/* Waits until every section that has begun before this is over. Not from within one, nor with a spinlock. */
#undef synchronize_rcu /* liburcu's */
void synchronize_rcu(void);

/* ---- lock_stat's hooks: counts always, times only where they are wanted ---- */

void native_lock_stat_register(struct native *m, const spinlock_t *lock, const char *name);
/* Not inlined: nearly every run goes without. */
__attribute__((noinline, cold)) void native_lock_stat_acquired(const spinlock_t *lock, uint64_t asked_ps,
							       bool contended);
__attribute__((noinline, cold)) void native_lock_stat_released(const spinlock_t *lock);

static inline void lock_stat_register(const spinlock_t *lock, const char *name)
{
	if (this_cpu()->machine->locks)
		native_lock_stat_register(this_cpu()->machine, lock, name);
}

static inline bool lock_stat_timed(void)
{
	return unlikely(this_cpu()->lock_stats != NULL);
}

/* Returns 0 where times are not wanted. */
static inline uint64_t lock_stat_begin(void)
{
	return lock_stat_timed() ? cpu_clock_ps() : 0;
}

static inline void lock_stat_acquired(const spinlock_t *lock, uint64_t asked_ps, bool contended)
{
	struct native_cpu *c = this_cpu();

	WRITE_ONCE(c->lock_acquisitions, c->lock_acquisitions + 1);
	if (unlikely(contended))
		WRITE_ONCE(c->lock_contended, c->lock_contended + 1);
	if (unlikely(asked_ps))
		native_lock_stat_acquired(lock, asked_ps, contended);
}

static inline uint64_t lock_stat_held_since(const spinlock_t *lock)
{
	if (lock_stat_timed())
		native_lock_stat_released(lock);
	return 0;
}

static inline void lock_stat_released(const spinlock_t *lock, uint64_t held_since_ps)
{
	(void)lock, (void)held_since_ps;
}

#endif
