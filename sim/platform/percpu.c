/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/platform/percpu.h"

#include "platform.h"

/*
 * The table is the host's own, not simulated memory: its atomics cost a simulated CPU nothing.
 *
 * Two levels: with thousands of domains on thousands of CPUs, most of which never meet, a flat table of pointers
 * would outgrow what it points to.
 */
#define LEAF_SHIFT 6
#define LEAF_SIZE (1U << LEAF_SHIFT)

struct percpu_leaf {
	void *obj[LEAF_SIZE];
};

static uint32_t leaf_count(const struct percpu *pc)
{
	return (pc->cpu_count + LEAF_SIZE - 1) >> LEAF_SHIFT;
}

int percpu_init(struct percpu *pc, uint32_t cpu_count, const struct obj_type *type, size_t size,
		void (*init)(void *obj, void *arg), void *arg)
{
	pc->cpu_count = cpu_count;
	pc->type = type;
	pc->size = size;
	pc->init = init;
	pc->arg = arg;
	pc->leaf = calloc(leaf_count(pc), sizeof(*pc->leaf));
	return pc->leaf ? 0 : -ENOMEM;
}

void percpu_destroy(struct percpu *pc)
{
	uint32_t i, k;

	for (i = 0; pc->leaf && i < leaf_count(pc); i++) {
		for (k = 0; pc->leaf[i] && k < LEAF_SIZE; k++)
			shared_free(pc->leaf[i]->obj[k]);
		free(pc->leaf[i]);
	}
	free(pc->leaf);
	pc->leaf = NULL;
}

static struct percpu_leaf *leaf_of(const struct percpu *pc, uint32_t cpu)
{
	return __atomic_load_n(&pc->leaf[cpu >> LEAF_SHIFT], __ATOMIC_ACQUIRE);
}

/* CPUs of one leaf may come here at the same time: the first one's stays. */
static struct percpu_leaf *leaf_alloc(struct percpu *pc, uint32_t cpu)
{
	struct percpu_leaf *leaf = calloc(1, sizeof(*leaf)), *first = NULL;

	if (leaf && !__atomic_compare_exchange_n(&pc->leaf[cpu >> LEAF_SHIFT], &first, leaf, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		free(leaf);
		leaf = first;
	}
	return leaf;
}

static void *percpu_alloc(struct percpu *pc, uint32_t cpu)
{
	struct percpu_leaf *leaf = leaf_of(pc, cpu);
	void *obj;

	if (!leaf)
		leaf = leaf_alloc(pc, cpu);
	if (!leaf)
		return NULL;
	obj = shared_alloc(pc->type, pc->size);
	if (obj && pc->init)
		pc->init(obj, pc->arg);
	__atomic_store_n(&leaf->obj[cpu & (LEAF_SIZE - 1)], obj, __ATOMIC_RELEASE);
	return obj;
}

void *this_cpu_ptr(struct percpu *pc)
{
	uint32_t cpu = smp_processor_id();
	void *obj = per_cpu_ptr(pc, cpu);

	return obj ? obj : percpu_alloc(pc, cpu);
}

void *per_cpu_ptr(const struct percpu *pc, uint32_t cpu)
{
	const struct percpu_leaf *leaf;

	assert(cpu < pc->cpu_count);
	leaf = leaf_of(pc, cpu);
	return leaf ? __atomic_load_n(&leaf->obj[cpu & (LEAF_SIZE - 1)], __ATOMIC_ACQUIRE) : NULL;
}
