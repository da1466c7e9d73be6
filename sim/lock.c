/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/lock.h"

#include "platform.h"

/* qspinlock's word: locked byte, pending byte, and in the upper half the tail of the queue (facts K8). */
#define Q_LOCKED 1U
#define Q_PENDING (1U << 8)
#define Q_LOCKED_MASK 0xffU
#define Q_LOCKED_PENDING_MASK 0xffffU
#define Q_TAIL_SHIFT 16
#define Q_TAIL_MASK 0xffff0000U

/* With 8192 CPUs, one more and four nodes each, a tail fits 16 bits. */
_Static_assert((8192 + 1) * MCS_NODES <= 1 << 16, "encoded tails must fit 16 bits");
_Static_assert(sizeof(spinlock_t) == 4, "the kernel's structs have 4 bytes for it");

static uint16_t encode_tail(unsigned int cpu, unsigned int index)
{
	return (uint16_t)((cpu + 1) * MCS_NODES + index);
}

static struct mcs_node *decode_tail(uint16_t tail)
{
	return &mcs_nodes_of(tail / MCS_NODES - 1U)[tail % MCS_NODES];
}

/* Takes the next free node of this CPU. */
static struct mcs_node *node_get(unsigned int *index)
{
	struct mcs_node *first = mcs_nodes_of(smp_processor_id());

	*index = READ_ONCE(first->count);
	assert(*index < MCS_NODES);
	WRITE_ONCE(first->count, *index + 1);
	return &first[*index];
}

static void node_put(void)
{
	struct mcs_node *first = mcs_nodes_of(smp_processor_id());

	WRITE_ONCE(first->count, READ_ONCE(first->count) - 1);
}

static bool queued_spin_trylock(spinlock_t *lock)
{
	uint32_t val = READ_ONCE(lock->val);

	return !val && try_cmpxchg(&lock->val, &val, Q_LOCKED);
}

/* Second in line: spins on the lock word itself. False when the queue is the place to go. */
static bool queued_spin_lock_pending(spinlock_t *lock, uint32_t val)
{
	/* A hand-over from pending to locked is under way; the kernel bounds this wait, which never gets that long.
	 */
	if (val == Q_PENDING)
		val = smp_cond_load_relaxed(&lock->val, VAL != Q_PENDING);
	if (val & ~Q_LOCKED_MASK)
		return false;

	val = atomic_fetch_or(Q_PENDING, &lock->val);
	if (val & ~Q_LOCKED_MASK) {
		/* Somebody was quicker. Undo only what was ours. */
		if (!(val & Q_PENDING))
			WRITE_ONCE(lock->pending, 0);
		return false;
	}
	if (val & Q_LOCKED_MASK)
		smp_cond_load_acquire(&lock->locked, !VAL);
	WRITE_ONCE(lock->locked_pending, Q_LOCKED);
	return true;
}

/* Head of the queue: waits for holder and pending waiter to leave, then takes the lock and wakes the next head. */
static void queued_spin_lock_head(spinlock_t *lock, struct mcs_node *node, struct mcs_node *next, uint32_t tail)
{
	uint32_t val = smp_cond_load_acquire(&lock->val, !(VAL & Q_LOCKED_PENDING_MASK));

	if ((val & Q_TAIL_MASK) == tail && try_cmpxchg(&lock->val, &val, Q_LOCKED))
		return;
	WRITE_ONCE(lock->locked, Q_LOCKED);
	if (!next)
		next = smp_cond_load_relaxed(&node->next, VAL);
	smp_store_release(&next->locked, 1U);
}

static void queued_spin_lock_slowpath(spinlock_t *lock, uint32_t val)
{
	struct mcs_node *node, *next = NULL;
	unsigned int index;
	uint16_t tail, prev;

	if (queued_spin_lock_pending(lock, val))
		return;

	node = node_get(&index);
	tail = encode_tail(smp_processor_id(), index);
	WRITE_ONCE(node->locked, 0U);
	WRITE_ONCE(node->next, NULL);
	/* The node's line may have been cold and slow: look again before queueing. */
	if (queued_spin_trylock(lock))
		goto out;

	prev = xchg(&lock->tail, tail);
	if (prev) {
		WRITE_ONCE(decode_tail(prev)->next, node);
		smp_cond_load_acquire(&node->locked, VAL);
		next = READ_ONCE(node->next);
		if (next)
			prefetchw(next);
	}
	queued_spin_lock_head(lock, node, next, (uint32_t)tail << Q_TAIL_SHIFT);
out:
	node_put();
}

static bool queued_spin_lock(spinlock_t *lock)
{
	uint32_t val = 0;

	if (likely(try_cmpxchg(&lock->val, &val, Q_LOCKED)))
		return false;
	queued_spin_lock_slowpath(lock, val);
	return true;
}

static bool ticket_spin_lock(spinlock_t *lock)
{
	uint32_t old = atomic_fetch_add(1U << 16, &lock->val);
	uint16_t mine = (uint16_t)(old >> 16);

	if (likely((uint16_t)old == mine))
		return false;
	smp_cond_load_acquire(&lock->ticket.owner, VAL == mine);
	return true;
}

static void ticket_spin_unlock(spinlock_t *lock)
{
	smp_store_release(&lock->ticket.owner, (uint16_t)(READ_ONCE(lock->ticket.owner) + 1));
}

/* Test and test-and-set, as the kernel's guests use it (facts K8a). */
static bool tas_spin_lock(spinlock_t *lock)
{
	uint32_t val = 0;

	if (likely(try_cmpxchg(&lock->val, &val, Q_LOCKED)))
		return false;
	do {
		smp_cond_load_relaxed(&lock->val, !VAL);
		val = 0;
	} while (!try_cmpxchg(&lock->val, &val, Q_LOCKED));
	return true;
}

static bool mcs_spin_lock(spinlock_t *lock)
{
	struct mcs_node *node;
	unsigned int index;
	uint32_t prev;

	node = node_get(&index);
	WRITE_ONCE(node->locked, 0U);
	WRITE_ONCE(node->next, NULL);
	prev = xchg(&lock->val, (uint32_t)encode_tail(smp_processor_id(), index));
	if (likely(!prev))
		return false;
	WRITE_ONCE(decode_tail((uint16_t)prev)->next, node);
	smp_cond_load_acquire(&node->locked, VAL);
	return true;
}

static void mcs_spin_unlock(spinlock_t *lock)
{
	struct mcs_node *first = mcs_nodes_of(smp_processor_id());
	unsigned int index = READ_ONCE(first->count) - 1; /* locks are released in reverse order */
	struct mcs_node *node = &first[index], *next = READ_ONCE(node->next);
	uint32_t tail = encode_tail(smp_processor_id(), index);

	if (!next) {
		if (try_cmpxchg(&lock->val, &tail, 0U))
			return;
		next = smp_cond_load_relaxed(&node->next, VAL);
	}
	smp_store_release(&next->locked, 1U);
}

void spin_lock_init(spinlock_t *lock, const char *name)
{
	lock->val = 0;
	lock_stat_register(lock, name);
}

/*
 * Whether to lock without further ado: the kernel's lock, and nobody wants to know when. spin_lock() and
 * spin_unlock() are inline for link-time optimisation: they are all that such a run needs of this file, as long as
 * nobody waits.
 */
static inline bool lock_is_plain(void)
{
	return likely(lock_kind() == LOCK_QSPINLOCK) && !lock_stat_timed();
}

/* Out of line, as the next two: the fast path then has no register to save, as in the kernel. */
static __attribute__((noinline)) void plain_spin_lock_contended(spinlock_t *lock, uint32_t val)
{
	queued_spin_lock_slowpath(lock, val);
	lock_stat_acquired(lock, 0, true);
}

static __attribute__((noinline)) void any_spin_lock(spinlock_t *lock)
{
	uint64_t asked = lock_stat_begin();
	bool contended = false;

	switch (lock_kind()) {
	case LOCK_QSPINLOCK:
		contended = queued_spin_lock(lock);
		break;
	case LOCK_TICKET:
		contended = ticket_spin_lock(lock);
		break;
	case LOCK_TAS:
		contended = tas_spin_lock(lock);
		break;
	case LOCK_MCS:
		contended = mcs_spin_lock(lock);
		break;
	}
	lock_stat_acquired(lock, asked, contended);
}

inline void spin_lock(spinlock_t *lock)
{
	uint32_t val = 0;

	if (executor_spin_lock(lock))
		return;
	if (!lock_is_plain())
		any_spin_lock(lock);
	else if (likely(try_cmpxchg(&lock->val, &val, Q_LOCKED)))
		lock_stat_acquired(lock, 0, false);
	else
		plain_spin_lock_contended(lock, val);
}

static __attribute__((noinline)) void any_spin_unlock(spinlock_t *lock)
{
	uint64_t since = lock_stat_held_since(lock);

	switch (lock_kind()) {
	case LOCK_QSPINLOCK:
		smp_store_release(&lock->locked, (uint8_t)0);
		break;
	case LOCK_TICKET:
		ticket_spin_unlock(lock);
		break;
	case LOCK_TAS:
		smp_store_release(&lock->val, 0U);
		break;
	case LOCK_MCS:
		mcs_spin_unlock(lock);
		break;
	}
	lock_stat_released(lock, since);
	if (lock_kind() == LOCK_MCS)
		node_put();
}

inline void spin_unlock(spinlock_t *lock)
{
	if (executor_spin_unlock(lock))
		return;
	if (lock_is_plain())
		smp_store_release(&lock->locked, (uint8_t)0);
	else
		any_spin_unlock(lock);
}

unsigned long spin_lock_irqsave(spinlock_t *lock)
{
	unsigned long flags = local_irq_save();

	spin_lock(lock);
	return flags;
}

void spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
	spin_unlock(lock);
	local_irq_restore(flags);
}
