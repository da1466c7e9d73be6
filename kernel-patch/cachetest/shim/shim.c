/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim.c - memory, locks and grace periods for the kernel's code in user space
 */
#include "kernel.h"
#include "shim.h"

#define JUNK 0x6b
#define DEFERRED_MAX 256

struct object {
	struct list_head link; /* of all that are allocated */
	size_t size;
	_Alignas(16) char data[];
};

static LIST_HEAD(objects);
static int allocations_left = -1;
static int atomic_depth, locks_held, rcu_nesting;
/* What is freed after the grace period. */
static struct rcu_head *callbacks;
static const void *deferred[DEFERRED_MAX];
static unsigned int deferred_count;

void shim_allocations(int count)
{
	allocations_left = count;
}

void *shim_alloc(size_t size, gfp_t flags, int line)
{
	struct object *o;

	if (flags & ___GFP_MAY_SLEEP)
		shim_might_sleep(line);
	if (allocations_left >= 0 && !(flags & ___GFP_NEVER_FAILS) && allocations_left-- == 0) {
		/* Nor any that follows. */
		allocations_left = 0;
		return NULL;
	}
	o = malloc(sizeof(*o) + size);
	if (!o)
		abort();
	o->size = size;
	memset(o->data, flags & ___GFP_ZEROED ? 0 : JUNK, size);
	list_add(&o->link, &objects);
	return o->data;
}

void shim_free(const void *object)
{
	struct object *o;

	if (!object)
		return;
	o = container_of((char *)object, struct object, data);
	list_del(&o->link);
	memset(o->data, JUNK, o->size);
	free(o);
}

void *shim_realloc(const void *object, size_t size, gfp_t flags, int line)
{
	void *grown = shim_alloc(size, flags, line);
	size_t old;

	if (!grown || !object)
		return grown;
	old = container_of((char *)object, struct object, data)->size;
	memcpy(grown, object, old < size ? old : size);
	shim_free(object);
	return grown;
}

unsigned int shim_free_all(void)
{
	unsigned int count = 0;

	for (; !list_empty(&objects); count++)
		shim_free(list_first_entry(&objects, struct object, link)->data);
	return count;
}

void shim_lock(spinlock_t *lock, bool atomic, int line)
{
	if (lock->held)
		shim_warn("a lock is taken twice", line);
	lock->held = true;
	locks_held++;
	atomic_depth += atomic;
}

void shim_unlock(spinlock_t *lock, bool atomic, int line)
{
	if (!lock->held)
		shim_warn("a lock is released that nobody holds", line);
	lock->held = false;
	locks_held--;
	atomic_depth -= atomic;
}

void shim_might_sleep(int line)
{
	if (atomic_depth || rcu_nesting)
		shim_warn("may sleep in atomic context", line);
}

void shim_rcu(int nesting, int line)
{
	rcu_nesting += nesting;
	if (rcu_nesting < 0)
		shim_warn("rcu_read_unlock() without rcu_read_lock()", line);
}

void shim_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	head->next = callbacks;
	callbacks = head;
}

void shim_free_after_rcu(const void *object)
{
	if (deferred_count == DEFERRED_MAX)
		abort();
	if (object)
		deferred[deferred_count++] = object;
}

void shim_quiescent(void)
{
	if (locks_held || atomic_depth || rcu_nesting)
		shim_warn("returns with a lock held", __LINE__);
	locks_held = atomic_depth = rcu_nesting = 0;
	while (callbacks) {
		struct rcu_head *head = callbacks;

		callbacks = head->next;
		head->func(head);
	}
	while (deferred_count)
		shim_free(deferred[--deferred_count]);
}
