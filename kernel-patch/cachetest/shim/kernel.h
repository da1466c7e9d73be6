/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel.h - as much of the kernel, in user space, as the VT-d driver's headers and its cache.c ask for
 *
 * Every header that those name in angle brackets is a file of one line that includes this one (`run` makes them),
 * so that a patched tree may include what it likes. What is left out is noticed by the compiler.
 *
 * One thread runs, so locks only check that they are used in order. Memory is malloc()'s, filled with junk before
 * it is freed; a grace period ends when the harness says so.
 */
#ifndef CACHETEST_SHIM_KERNEL_H
#define CACHETEST_SHIM_KERNEL_H

#include <errno.h>
#include <asm-generic/errno.h> /* should the tree want a <linux/errno.h>, which the C library includes too */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- configuration and annotations ---- */

#define CONFIG_64BIT 1
#define CONFIG_X86_64 1
#define CONFIG_SMP 1
#define CONFIG_INTEL_IOMMU 1

#define __init
#define __exit
#define __iomem
#define __percpu
#define __rcu
#define __user
#define __force
#define __bitwise
#define __must_check
#define __must_hold(lock)
#define __acquires(lock)
#define __releases(lock)
#define __counted_by(member)
#define __uninitialized
#define __read_mostly
#define ____cacheline_aligned __attribute__((aligned(64)))
#define __cacheline_aligned ____cacheline_aligned
#define ____cacheline_aligned_in_smp ____cacheline_aligned
#define __packed __attribute__((packed))
#define __maybe_unused __attribute__((unused))
#define __always_unused __attribute__((unused))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define noinline __attribute__((noinline))
#define noinline_for_stack noinline
#define fallthrough __attribute__((fallthrough))
#define EXPORT_SYMBOL(symbol)
#define EXPORT_SYMBOL_GPL(symbol)
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define barrier() __asm__ __volatile__("" ::: "memory")
#define static_assert _Static_assert
#define BUILD_BUG_ON(condition) ((void)sizeof(char[1 - 2 * !!(condition)]))
#define U64_MAX UINT64_MAX
#define U32_MAX UINT32_MAX
#define U16_MAX UINT16_MAX

/* ---- types ---- */

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef long long s64;
typedef u32 __u32;
typedef u64 __u64;
typedef u64 dma_addr_t;
typedef u64 phys_addr_t;
typedef unsigned int gfp_t;
typedef unsigned int ioasid_t;
typedef unsigned long pgd_t;

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define sizeof_field(type, member) sizeof(((type *)0)->member)
#define struct_size(ptr, member, count) (sizeof(*(ptr)) + sizeof((ptr)->member[0]) * (size_t)(count))
#define struct_size_t(type, member, count) struct_size((type *)0, member, count)
#define array_size(a, b) ((size_t)(a) * (size_t)(b))
#define size_add(a, b) ((size_t)(a) + (size_t)(b))
#define DECLARE_FLEX_ARRAY(type, name) \
	struct {                       \
		struct {               \
		} __empty_##name;      \
		type name[];           \
	}
#define check_add_overflow(a, b, result) __builtin_add_overflow(a, b, result)
#define check_mul_overflow(a, b, result) __builtin_mul_overflow(a, b, result)

#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define min_t(type, a, b) min((type)(a), (type)(b))
#define max_t(type, a, b) max((type)(a), (type)(b))
#define swap(a, b)                          \
	do {                                \
		__typeof__(a) swap_a = (a); \
		(a) = (b);                  \
		(b) = swap_a;               \
	} while (0)

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))
#define smp_mb() barrier()
#define smp_rmb() barrier()
#define smp_wmb() barrier()
#define dma_wmb() barrier()
#define dma_rmb() barrier()
#define smp_load_acquire(p) READ_ONCE(*(p))
#define smp_store_release(p, value) WRITE_ONCE(*(p), value)
#define data_race(expression) (expression)

/* ---- bits and sizes ---- */

#define BITS_PER_LONG 64
#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1ULL << (n))
#define GENMASK(high, low) (~0UL >> (63 - (high)) & ~0UL << (low))
#define GENMASK_ULL(high, low) (~0ULL >> (63 - (high)) & ~0ULL << (low))
#define FIELD_GET(mask, value) (((value) & (mask)) >> __builtin_ctzll(mask))
#define FIELD_PREP(mask, value) ((u64)(value) << __builtin_ctzll(mask) & (mask))
#define DECLARE_BITMAP(name, bits) unsigned long name[((bits) + 63) / 64]

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
/* A power of two, or zero for 2^64. */
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN(x, a) ALIGN_DOWN((x) + ((__typeof__(x))(a)-1), a)
#define PAGE_ALIGN(x) ALIGN(x, PAGE_SIZE)
#define IS_ALIGNED(x, a) (!((x) & ((__typeof__(x))(a)-1)))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define round_up(x, a) ALIGN(x, a)
#define round_down(x, a) ALIGN_DOWN(x, a)

#define __ffs(x) ((unsigned long)__builtin_ctzl(x))
#define ilog2(x) (63 - __builtin_clzll(x))

static inline unsigned int fls64(u64 x)
{
	return x ? 64U - (unsigned int)__builtin_clzll(x) : 0;
}

#define fls_long(x) fls64(x)

/* Of 0 it is 1, as x86 shifts modulo 64. */
static inline unsigned long __roundup_pow_of_two(unsigned long n)
{
	return 1UL << (fls_long(n - 1) & 63);
}

#define roundup_pow_of_two(n) __roundup_pow_of_two(n)

static inline bool test_bit(long n, const volatile unsigned long *bits)
{
	return bits[n / 64] >> (n % 64) & 1;
}

static inline void set_bit(long n, volatile unsigned long *bits)
{
	bits[n / 64] |= 1UL << (n % 64);
}

static inline void clear_bit(long n, volatile unsigned long *bits)
{
	bits[n / 64] &= ~(1UL << (n % 64));
}

static inline bool test_and_clear_bit(long n, volatile unsigned long *bits)
{
	bool set = test_bit(n, bits);

	clear_bit(n, bits);
	return set;
}

/* ---- what a kernel would print ---- */

/* The harness counts it as a difference. */
void shim_warn(const char *what, int line);

#define WARN_ON(condition)                                              \
	({                                                              \
		bool warn_on = (condition);                             \
		if (unlikely(warn_on))                                  \
			shim_warn("WARN_ON(" #condition ")", __LINE__); \
		unlikely(warn_on);                                      \
	})
#define WARN_ON_ONCE(condition) WARN_ON(condition)
#define WARN_ONCE(condition, ...) WARN_ON(condition)
#define WARN(condition, ...) WARN_ON(condition)
#define BUG_ON(condition) WARN_ON(condition)
#define shim_pr(...)                                                \
	do {                                                        \
		if (0)                                              \
			printf(__VA_ARGS__);                        \
		shim_warn("the driver prints a warning", __LINE__); \
	} while (0)
#define pr_err(...) shim_pr(__VA_ARGS__)
#define pr_warn(...) shim_pr(__VA_ARGS__)
#define pr_warn_once(...) shim_pr(__VA_ARGS__)
#define pr_warn_ratelimited(...) shim_pr(__VA_ARGS__)
#define pr_err_ratelimited(...) shim_pr(__VA_ARGS__)
#define pr_info(...) ((void)0)
#define pr_debug(...) ((void)0)
#define dev_warn(dev, ...) shim_pr(__VA_ARGS__)
#define dev_err(dev, ...) shim_pr(__VA_ARGS__)
#define panic(...) abort()

/* ---- locks and RCU ---- */

typedef struct {
	bool held;
} spinlock_t;

typedef spinlock_t raw_spinlock_t;

struct mutex {
	spinlock_t lock;
};

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

void shim_lock(spinlock_t *lock, bool atomic, int line);
void shim_unlock(spinlock_t *lock, bool atomic, int line);
void shim_rcu(int nesting, int line);
void shim_might_sleep(int line);
void shim_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void shim_free_after_rcu(const void *object);

#define spin_lock_init(lock_) ((void)((lock_)->held = false))
#define spin_lock(lock) shim_lock(lock, true, __LINE__)
#define spin_unlock(lock) shim_unlock(lock, true, __LINE__)
#define spin_lock_irqsave(lock, flags) ((flags) = 0, shim_lock(lock, true, __LINE__))
#define spin_unlock_irqrestore(lock, flags) ((void)(flags), shim_unlock(lock, true, __LINE__))
#define spin_lock_irq(lock) spin_lock(lock)
#define spin_unlock_irq(lock) spin_unlock(lock)
#define spin_lock_bh(lock) spin_lock(lock)
#define spin_unlock_bh(lock) spin_unlock(lock)
#define raw_spin_lock_init(lock) spin_lock_init(lock)
#define raw_spin_lock(lock) spin_lock(lock)
#define raw_spin_unlock(lock) spin_unlock(lock)
#define raw_spin_lock_irqsave(lock, flags) spin_lock_irqsave(lock, flags)
#define raw_spin_unlock_irqrestore(lock, flags) spin_unlock_irqrestore(lock, flags)
#define spin_is_locked(lock_) ((lock_)->held)
#define mutex_init(mutex) spin_lock_init(&(mutex)->lock)
#define mutex_lock(mutex) (shim_might_sleep(__LINE__), shim_lock(&(mutex)->lock, false, __LINE__))
#define mutex_unlock(mutex) shim_unlock(&(mutex)->lock, false, __LINE__)
#define local_irq_save(flags) ((flags) = 0)
#define local_irq_restore(flags) ((void)(flags))
#define might_sleep() shim_might_sleep(__LINE__)
#define lockdep_is_held(p) \
	_Generic((p), spinlock_t * : (spinlock_t *)(p), struct mutex * : &((struct mutex *)(p))->lock)->held
#define lockdep_assert_held(lock) ((void)WARN_ON(!lockdep_is_held(lock)))
#define lockdep_assert(condition) ((void)WARN_ON(!(condition)))

#define rcu_read_lock() shim_rcu(1, __LINE__)
#define rcu_read_unlock() shim_rcu(-1, __LINE__)
#define rcu_dereference(p) READ_ONCE(p)
#define rcu_dereference_protected(p, condition) ((void)WARN_ON(!(condition)), READ_ONCE(p))
#define rcu_dereference_check(p, condition) READ_ONCE(p)
#define rcu_dereference_raw(p) READ_ONCE(p)
#define rcu_access_pointer(p) READ_ONCE(p)
#define rcu_assign_pointer(p, value) WRITE_ONCE(p, value)
#define rcu_replace_pointer(p, value, condition)                                  \
	({                                                                        \
		__typeof__(p) replaced = rcu_dereference_protected(p, condition); \
		rcu_assign_pointer(p, value);                                     \
		replaced;                                                         \
	})
#define RCU_INIT_POINTER(p, value) WRITE_ONCE(p, value)
#define synchronize_rcu() shim_might_sleep(__LINE__)
#define call_rcu(head, func) shim_call_rcu(head, func)
#define kfree_rcu(object, head) shim_free_after_rcu(object)
#define kvfree_rcu(object, head) shim_free_after_rcu(object)
#define kfree_rcu_mightsleep(object) (shim_might_sleep(__LINE__), shim_free_after_rcu(object))

#define guard(kind) SHIM_GUARD_(kind, __COUNTER__)
#define SHIM_GUARD_(kind, n) SHIM_GUARD__(kind, n)
#define SHIM_GUARD__(kind, n) \
	shim_guard_##kind##_t guard_##n __attribute__((cleanup(shim_unguard_##kind), unused)) = shim_guard_##kind
typedef int shim_guard_rcu_t;
typedef spinlock_t *shim_guard_spinlock_t, *shim_guard_spinlock_irqsave_t, *shim_guard_spinlock_irq_t;
typedef struct mutex *shim_guard_mutex_t;

static inline int shim_guard_rcu(void)
{
	rcu_read_lock();
	return 0;
}

static inline void shim_unguard_rcu(int *unused)
{
	(void)unused;
	rcu_read_unlock();
}

static inline spinlock_t *shim_guard_spinlock(spinlock_t *lock)
{
	spin_lock(lock);
	return lock;
}

static inline void shim_unguard_spinlock(spinlock_t **lock)
{
	spin_unlock(*lock);
}

#define shim_guard_spinlock_irqsave shim_guard_spinlock
#define shim_unguard_spinlock_irqsave shim_unguard_spinlock
#define shim_guard_spinlock_irq shim_guard_spinlock
#define shim_unguard_spinlock_irq shim_unguard_spinlock

static inline struct mutex *shim_guard_mutex(struct mutex *mutex)
{
	mutex_lock(mutex);
	return mutex;
}

static inline void shim_unguard_mutex(struct mutex **mutex)
{
	mutex_unlock(*mutex);
}

/* ---- memory ---- */

#define ___GFP_MAY_SLEEP 1U
#define ___GFP_NEVER_FAILS 2U
#define ___GFP_ZEROED 4U
#define GFP_ATOMIC 0U
#define GFP_NOWAIT 0U
#define GFP_KERNEL ___GFP_MAY_SLEEP
#define GFP_KERNEL_ACCOUNT GFP_KERNEL
#define __GFP_NOFAIL ___GFP_NEVER_FAILS
#define __GFP_ZERO ___GFP_ZEROED
#define __GFP_NOWARN 0U

void *shim_alloc(size_t size, gfp_t flags, int line);
void *shim_realloc(const void *object, size_t size, gfp_t flags, int line);
void shim_free(const void *object);

#define kmalloc(size, flags) shim_alloc(size, flags, __LINE__)
#define kzalloc(size, flags) shim_alloc(size, (flags) | __GFP_ZERO, __LINE__)
#define kmalloc_array(count, size, flags) kmalloc(array_size(count, size), flags)
#define kcalloc(count, size, flags) kzalloc(array_size(count, size), flags)
#define krealloc(object, size, flags) shim_realloc(object, size, flags, __LINE__)
#define krealloc_array(object, count, size, flags) krealloc(object, array_size(count, size), flags)
#define kfree(object) shim_free(object)
#define kvmalloc(size, flags) kmalloc(size, flags)
#define kvzalloc(size, flags) kzalloc(size, flags)
#define kvmalloc_array(count, size, flags) kmalloc_array(count, size, flags)
#define kvcalloc(count, size, flags) kcalloc(count, size, flags)
#define kvfree(object) kfree(object)
#define kmalloc_node(size, flags, node) kmalloc(size, flags)
#define kzalloc_node(size, flags, node) kzalloc(size, flags)

static inline void *shim_memdup(const void *object, size_t size, gfp_t flags, int line)
{
	void *copy = shim_alloc(size, flags, line);

	return copy ? memcpy(copy, object, size) : NULL;
}

#define kmemdup(object, size, flags) shim_memdup(object, size, flags, __LINE__)
#define kmemdup_array(object, count, size, flags) kmemdup(object, array_size(count, size), flags)

static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline long PTR_ERR(const void *p)
{
	return (long)p;
}

static inline bool IS_ERR(const void *p)
{
	return (unsigned long)p >= (unsigned long)-4095;
}

/* ---- lists, trees and arrays ---- */

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name)     \
	{                        \
		&(name), &(name) \
	}
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head->prev = head;
}

static inline void shim_list_insert(struct list_head *entry, struct list_head *before, struct list_head *after)
{
	entry->next = after;
	entry->prev = before;
	after->prev = entry;
	before->next = entry;
}

static inline void list_add(struct list_head *entry, struct list_head *head)
{
	shim_list_insert(entry, head, head->next);
}

static inline void list_add_tail(struct list_head *entry, struct list_head *head)
{
	shim_list_insert(entry, head->prev, head);
}

/* Readers under RCU may still stand on the entry: they find their way on. */
static inline void list_del_rcu(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
	entry->prev = NULL;
}

static inline void list_del(struct list_head *entry)
{
	list_del_rcu(entry);
	entry->next = NULL;
}

static inline void list_del_init(struct list_head *entry)
{
	list_del_rcu(entry);
	INIT_LIST_HEAD(entry);
}

static inline void list_replace_rcu(struct list_head *old, struct list_head *entry)
{
	shim_list_insert(entry, old->prev, old->next);
	old->prev = NULL;
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

#define list_add_rcu(entry, head) list_add(entry, head)
#define list_add_tail_rcu(entry, head) list_add_tail(entry, head)
#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_next_entry(pos, member) list_entry((pos)->member.next, __typeof__(*(pos)), member)
#define list_is_head(entry, head) ((entry) == (head))
#define list_for_each_entry(pos, head, member)                                                     \
	for ((pos) = list_first_entry(head, __typeof__(*(pos)), member); &(pos)->member != (head); \
	     (pos) = list_next_entry(pos, member))
#define list_for_each_entry_safe(pos, n, head, member)                                                       \
	for ((pos) = list_first_entry(head, __typeof__(*(pos)), member), (n) = list_next_entry(pos, member); \
	     &(pos)->member != (head); (pos) = (n), (n) = list_next_entry(n, member))
#define list_for_each_entry_rcu(pos, head, member, ...) list_for_each_entry(pos, head, member)
#define list_for_each_entry_lockless(pos, head, member) list_for_each_entry(pos, head, member)

struct rb_node {
	struct rb_node *left, *right;
};

struct rb_root {
	struct rb_node *rb_node;
};

#define SHIM_XARRAY_SLOTS 16

struct xarray {
	void *slots[SHIM_XARRAY_SLOTS];
};

static inline void xa_init(struct xarray *xa)
{
	memset(xa, 0, sizeof(*xa));
}

static inline void *xa_load(struct xarray *xa, unsigned long index)
{
	return index < SHIM_XARRAY_SLOTS ? xa->slots[index] : NULL;
}

#define xa_for_each(xa, index, entry)                             \
	for ((index) = 0; (index) < SHIM_XARRAY_SLOTS; (index)++) \
		if (((entry) = (xa)->slots[index]))

typedef struct {
	int refs;
} refcount_t;

#define refcount_set(r, n) ((void)((r)->refs = (n)))
#define refcount_read(r) ((r)->refs)
#define refcount_inc(r) ((void)(r)->refs++)
#define refcount_dec(r) ((void)(r)->refs--)
#define refcount_dec_and_test(r) (!--(r)->refs)

typedef struct {
	int counter;
} atomic_t;

#define atomic_set(a, n) WRITE_ONCE((a)->counter, n)
#define atomic_read(a) READ_ONCE((a)->counter)
#define atomic_inc(a) ((void)(a)->counter++)
#define atomic_dec(a) ((void)(a)->counter--)
#define atomic_inc_return(a) (++(a)->counter)
#define atomic_dec_and_test(a) (!--(a)->counter)

/* ---- the rest of the kernel, as the driver's headers see it ---- */

struct mm_struct;
struct page;
struct pci_dev;
struct intel_iommu;
struct iommu_ops;
struct iopf_fault;
struct iopf_queue;
struct iommu_page_response;
struct iommu_user_data;
struct attribute_group;
struct dentry;

struct device {
	void *iommu_priv;
};

struct iommu_device {
	struct device *dev;
};

struct completion {
	unsigned int done;
};

struct mmu_notifier {
	struct mm_struct *mm;
};

struct pmu {
	struct device *dev;
};

struct perf_event {
	struct pmu *pmu;
};

struct iommu_hwpt_vtd_s1 {
	u64 flags, pgtbl_addr;
	u32 addr_width, __reserved;
};

enum {
	IOMMU_DOMAIN_BLOCKED,
	IOMMU_DOMAIN_IDENTITY,
	IOMMU_DOMAIN_UNMANAGED,
	IOMMU_DOMAIN_DMA,
	IOMMU_DOMAIN_DMA_FQ,
	IOMMU_DOMAIN_SVA,
	IOMMU_DOMAIN_NESTED,
};

struct iommu_domain {
	unsigned int type;
	const void *ops, *owner;
	unsigned long pgsize_bitmap;
};

#define IOMMU_NO_PASID 0U
#define IOMMU_DIRTY_NO_CLEAR (1 << 0)
#define DMAR_UNITS_SUPPORTED 1024
#define PCI_DEVID(bus, devfn) ((u16)((u16)(bus) << 8 | (devfn)))

static inline void *dev_iommu_priv_get(struct device *dev)
{
	return dev->iommu_priv;
}

#define page_to_pfn(page) ((unsigned long)(page) >> PAGE_SHIFT)
#define virt_to_page(p) ((struct page *)(p))
#define virt_to_phys(p) ((phys_addr_t)(p))
#define phys_to_virt(phys) ((void *)(phys))
#define clflush_cache_range(p, size) ((void)(p), (void)(size))

/* Trace events, all of them off. */
#define TP_PROTO(...) __VA_ARGS__
#define TP_ARGS(...)
#define TRACE_EVENT(name, proto, ...)          \
	static inline void trace_##name(proto) \
	{                                      \
	}
#define DECLARE_EVENT_CLASS(name, ...)
#define DEFINE_EVENT(class, name, proto, ...)  \
	static inline void trace_##name(proto) \
	{                                      \
	}

#endif
