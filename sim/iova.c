/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/iova.h"
#include "sim/platform/percpu.h"
#include "sim/platform/timer.h"

/* The anchor sits above the top of the usable address space. */
#define IOVA_ANCHOR (~0UL)
#define IOVA_DEPOT_DELAY_NS 100000000ULL
#define DMA_32BIT_MASK 0xffffffffULL

OBJ_TYPE(iova, { "node", 0, sizeof(struct iova_rb_entry) }, OBJ_FIELD(iova, pages), OBJ_FIELD(iova, pfn_lo));

/*
 * What the tree costs: each node that a search looks at is read once and costs one step, and the nodes that linking
 * and unlinking write are marked by iova_links_written(). The links themselves are tree.h's plain accesses, to
 * the same lines, under iova_rbtree_lock. Rebalancing, a rotation or two, is not charged.
 */
static unsigned long iova_lo(struct iova *iova)
{
	return READ_ONCE(iova->pfn_lo);
}

static unsigned long iova_hi(struct iova *iova)
{
	unsigned long pfn_lo = READ_ONCE(iova->pfn_lo);

	return pfn_lo + READ_ONCE(iova->pages) - 1;
}

static void iova_links_written(struct iova *iova)
{
	if (iova)
		WRITE_ONCE(iova->node.rbe_color, iova->node.rbe_color);
}

/* Finds the range that contains key->pfn_lo; @key is the caller's own, so reading it costs nothing. */
static int iova_cmp(const struct iova *key, struct iova *node)
{
	compute(COST_RBTREE_STEP);
	if (key->pfn_lo < iova_lo(node))
		return -1;
	return key->pfn_lo > iova_hi(node);
}

RB_GENERATE_INTERNAL(iova_tree, iova, node, iova_cmp, __attribute__((unused)) static)

void init_iova_domain(struct iova_domain *iovad, unsigned long granule, unsigned long start_pfn)
{
	assert(granule && granule <= PAGE_SIZE && !(granule & (granule - 1)));
	assert(start_pfn);

	spin_lock_init(&iovad->iova_rbtree_lock, "&iovad->iova_rbtree_lock");
	RB_INIT(&iovad->rbroot);
	iovad->cached_node = &iovad->anchor;
	iovad->cached32_node = &iovad->anchor;
	iovad->granule = granule;
	iovad->start_pfn = start_pfn;
	iovad->dma_32bit_pfn = 1UL << (32 - __builtin_ctzl(granule));
	iovad->max32_alloc_size = iovad->dma_32bit_pfn;
	iovad->anchor.pfn_lo = IOVA_ANCHOR;
	iovad->anchor.pages = 1;
	RB_INSERT(iova_tree, &iovad->rbroot, &iovad->anchor);
}

static struct iova *get_cached_node(struct iova_domain *iovad, unsigned long limit_pfn)
{
	if (limit_pfn <= READ_ONCE(iovad->dma_32bit_pfn))
		return READ_ONCE(iovad->cached32_node);

	return READ_ONCE(iovad->cached_node);
}

static void cached_node_insert_update(struct iova_domain *iovad, struct iova *new)
{
	if (new->pfn_lo + new->pages - 1 < READ_ONCE(iovad->dma_32bit_pfn))
		WRITE_ONCE(iovad->cached32_node, new);
	else
		WRITE_ONCE(iovad->cached_node, new);
}

static void cached_node_delete_update(struct iova_domain *iovad, struct iova *iova)
{
	unsigned long dma_32bit_pfn = READ_ONCE(iovad->dma_32bit_pfn);
	struct iova *cached = READ_ONCE(iovad->cached32_node);
	unsigned long lo = iova_lo(iova);

	if (iova == cached || (iova_hi(iova) < dma_32bit_pfn && lo >= iova_lo(cached)))
		WRITE_ONCE(iovad->cached32_node, RB_NEXT(iova_tree, &iovad->rbroot, iova));

	/* Room below 4 GiB again: what failed before may succeed now. */
	if (lo < dma_32bit_pfn)
		WRITE_ONCE(iovad->max32_alloc_size, dma_32bit_pfn);

	cached = READ_ONCE(iovad->cached_node);
	if (lo >= iova_lo(cached))
		WRITE_ONCE(iovad->cached_node, RB_NEXT(iova_tree, &iovad->rbroot, iova));
}

/* Where a search below @limit_pfn can start: the lowest range that begins there or above. */
static struct iova *iova_find_limit(struct iova_domain *iovad, unsigned long limit_pfn)
{
	struct iova *node, *found = &iovad->anchor;

	/* As in the kernel: a high limit is taken to be above all ranges but the anchor. */
	if (limit_pfn > READ_ONCE(iovad->dma_32bit_pfn))
		return found;

	node = READ_ONCE(RB_ROOT(&iovad->rbroot));
	while (node) {
		compute(COST_RBTREE_STEP);
		if (iova_lo(node) >= limit_pfn) {
			found = node;
			node = RB_LEFT(node, node);
		} else {
			node = RB_RIGHT(node, node);
		}
	}
	return found;
}

/*
 * Walk down from @curr until there is room for @size pages below *@high_pfn or the search is below @low_pfn: the
 * caller finds out which. Returns the range above the room, the aligned start of the new range in *@new_pfn and
 * the end of the room in *@high_pfn.
 */
static struct iova *iova_search_down(struct iova *curr, unsigned long size, unsigned long low_pfn,
				     unsigned long *high_pfn, unsigned long *new_pfn)
{
	unsigned long align_mask = size > 1 ? ~0UL << (64 - __builtin_clzl(size - 1)) : ~0UL;
	struct iova *prev;

	do {
		unsigned long lo = iova_lo(curr);

		compute(COST_RBTREE_STEP);
		if (lo < *high_pfn)
			*high_pfn = lo;
		*new_pfn = (*high_pfn - size) & align_mask;
		prev = curr;
		curr = RB_PREV(iova_tree, NULL, curr);
	} while (curr && *new_pfn <= iova_hi(curr) && *new_pfn >= low_pfn);

	return prev;
}

/* Link @new below @start, a range above it with nothing but free space between them. */
static void iova_insert_rbtree(struct iova_domain *iovad, struct iova *new, struct iova *start)
{
	struct iova *parent = NULL, *node = start;
	bool left = false;

	while (node) {
		compute(COST_RBTREE_STEP);
		parent = node;
		left = new->pfn_lo < iova_lo(node);
		node = left ? RB_LEFT(node, node) : RB_RIGHT(node, node);
	}
	RB_SET(new, parent, node);
	if (left)
		RB_LEFT(parent, node) = new;
	else
		RB_RIGHT(parent, node) = new;
	iova_links_written(parent);
	iova_tree_RB_INSERT_COLOR(&iovad->rbroot, new);
}

/* Find room for @new between start_pfn and @limit_pfn, which is beyond it; under iova_rbtree_lock. */
static int insert_iova_range(struct iova_domain *iovad, unsigned long size, unsigned long limit_pfn,
			     struct iova *new)
{
	unsigned long low_pfn = READ_ONCE(iovad->start_pfn);
	unsigned long high_pfn = limit_pfn, new_pfn, retry_pfn;
	struct iova *curr, *above;

	if (limit_pfn <= READ_ONCE(iovad->dma_32bit_pfn) && size >= READ_ONCE(iovad->max32_alloc_size))
		return -ENOMEM;

	curr = get_cached_node(iovad, limit_pfn);
	retry_pfn = iova_hi(curr);
	above = iova_search_down(curr, size, low_pfn, &high_pfn, &new_pfn);

	if ((high_pfn < size || new_pfn < low_pfn) && retry_pfn < limit_pfn) {
		/* Nothing below where the last search ended: look between there and the limit. */
		high_pfn = limit_pfn;
		low_pfn = retry_pfn + 1;
		curr = iova_find_limit(iovad, limit_pfn);
		above = iova_search_down(curr, size, low_pfn, &high_pfn, &new_pfn);
	}
	if (high_pfn < size || new_pfn < low_pfn) {
		WRITE_ONCE(iovad->max32_alloc_size, size);
		return -ENOMEM;
	}

	WRITE_ONCE(new->pfn_lo, new_pfn);
	WRITE_ONCE(new->pages, (uint32_t)size);
	iova_insert_rbtree(iovad, new, above);
	cached_node_insert_update(iovad, new);
	return 0;
}

/* A range of @size pages in the tree, none of them above @limit_pfn; its first frame number, or 0. */
static unsigned long alloc_iova(struct iova_domain *iovad, unsigned long size, unsigned long limit_pfn)
{
	struct iova *new = shared_alloc(&iova_type, sizeof(*new));
	unsigned long flags, pfn = 0;
	int err;

	if (!new)
		return 0;

	flags = spin_lock_irqsave(&iovad->iova_rbtree_lock);
	err = insert_iova_range(iovad, size, limit_pfn + 1, new);
	if (!err)
		pfn = new->pfn_lo;
	spin_unlock_irqrestore(&iovad->iova_rbtree_lock, flags);

	if (err)
		shared_free(new);
	return pfn;
}

int reserve_iova(struct iova_domain *iovad, unsigned long pfn_lo, unsigned long pfn_hi)
{
	struct iova *new = shared_alloc(&iova_type, sizeof(*new));
	unsigned long flags;

	if (!new)
		return -ENOMEM;
	assert(pfn_lo <= pfn_hi);
	WRITE_ONCE(new->pfn_lo, pfn_lo);
	WRITE_ONCE(new->pages, (uint32_t)(pfn_hi - pfn_lo + 1));
	flags = spin_lock_irqsave(&iovad->iova_rbtree_lock);
	iova_insert_rbtree(iovad, new, RB_ROOT(&iovad->rbroot));
	spin_unlock_irqrestore(&iovad->iova_rbtree_lock, flags);
	return 0;
}

/* Take the range that contains @pfn out of the tree; under iova_rbtree_lock. NULL when there is none. */
static struct iova *remove_iova(struct iova_domain *iovad, unsigned long pfn)
{
	struct iova key = { .pfn_lo = pfn };
	struct iova *iova = RB_FIND(iova_tree, &iovad->rbroot, &key);

	if (!iova)
		return NULL;

	cached_node_delete_update(iovad, iova);
	iova_links_written(RB_PARENT(iova, node));
	iova_links_written(RB_LEFT(iova, node));
	iova_links_written(RB_RIGHT(iova, node));
	return RB_REMOVE(iova_tree, &iovad->rbroot, iova);
}

static void free_iova(struct iova_domain *iovad, unsigned long pfn)
{
	struct iova *iova;
	unsigned long flags;

	flags = spin_lock_irqsave(&iovad->iova_rbtree_lock);
	iova = remove_iova(iovad, pfn);
	spin_unlock_irqrestore(&iovad->iova_rbtree_lock, flags);

	assert(iova);
	shared_free(iova);
}

/* Magazines: see "Magazines and Vmem", Bonwick and Adams, USENIX 2001. Only full ones go to the depot. */
struct iova_magazine {
	union {
		unsigned long size;
		struct iova_magazine *next; /* in the depot */
	};
	unsigned long pfns[IOVA_MAG_SIZE];
};
static_assert(sizeof(struct iova_magazine) == 1024, "a magazine fills 1 KiB");

struct iova_cpu_rcache {
	spinlock_t lock;
	struct iova_magazine *loaded; /* NULL, and then prev too, when memory was short at first use */
	struct iova_magazine *prev;
} __cacheline_aligned;

/* Laid out as the kernel's, so that the timer is as far from the rest as there. */
struct delayed_work {
	uint64_t pending;
	uint64_t work[3];
	union {
		struct sim_timer timer;
		uint64_t timer_list[5];
	};
	uint64_t queue[2];
};

struct iova_rcache {
	spinlock_t lock;
	unsigned int depot_size;
	struct iova_magazine *depot;
	struct percpu *cpu_rcaches; /* host memory: looking a CPU's object up in it is free */
	struct iova_domain *iovad;
	struct delayed_work work;
};
static_assert(sizeof(struct delayed_work) == 88, "as the kernel's without lock debugging");
static_assert(sizeof(struct iova_rcache) == 120, "as the kernel's without lock debugging");

struct iova_rcaches {
	struct iova_rcache order[IOVA_RANGE_CACHE_MAX_SIZE];
};

#define RCACHE_FIELDS(i)                                                                                \
	OBJ_FIELD(iova_rcaches, order[i].lock), OBJ_FIELD(iova_rcaches, order[i].depot_size),           \
		OBJ_FIELD(iova_rcaches, order[i].depot), OBJ_FIELD(iova_rcaches, order[i].cpu_rcaches), \
		OBJ_FIELD(iova_rcaches, order[i].iovad), OBJ_FIELD(iova_rcaches, order[i].work)

OBJ_TYPE_PLAIN(iova_magazine, "iova_magazine");
OBJ_TYPE(iova_cpu_rcache, OBJ_FIELD(iova_cpu_rcache, lock), OBJ_FIELD(iova_cpu_rcache, loaded),
	 OBJ_FIELD(iova_cpu_rcache, prev));
OBJ_TYPE(iova_rcaches, RCACHE_FIELDS(0), RCACHE_FIELDS(1), RCACHE_FIELDS(2), RCACHE_FIELDS(3), RCACHE_FIELDS(4),
	 RCACHE_FIELDS(5));

static struct iova_magazine *iova_magazine_alloc(void)
{
	return shared_alloc(&iova_magazine_type, sizeof(struct iova_magazine));
}

static bool iova_magazine_full(struct iova_magazine *mag)
{
	return READ_ONCE(mag->size) == IOVA_MAG_SIZE;
}

static bool iova_magazine_empty(struct iova_magazine *mag)
{
	return READ_ONCE(mag->size) == 0;
}

/* The topmost address up to @limit_pfn, or 0 when all are above it; @mag is not empty. */
static unsigned long iova_magazine_pop(struct iova_magazine *mag, unsigned long limit_pfn)
{
	unsigned long size = READ_ONCE(mag->size);

	for (unsigned long i = size; i-- > 0;) {
		unsigned long pfn = READ_ONCE(mag->pfns[i]);

		if (pfn > limit_pfn)
			continue;
		/* The top one fills the gap. */
		WRITE_ONCE(mag->size, size - 1);
		WRITE_ONCE(mag->pfns[i], READ_ONCE(mag->pfns[size - 1]));
		return pfn;
	}
	return 0;
}

static void iova_magazine_push(struct iova_magazine *mag, unsigned long pfn)
{
	unsigned long size = READ_ONCE(mag->size);

	WRITE_ONCE(mag->size, size + 1);
	WRITE_ONCE(mag->pfns[size], pfn);
}

/* Return a magazine's addresses to the tree; it is empty afterwards. */
static void iova_magazine_free_pfns(struct iova_magazine *mag, struct iova_domain *iovad)
{
	unsigned long flags, size;

	flags = spin_lock_irqsave(&iovad->iova_rbtree_lock);
	size = READ_ONCE(mag->size);
	for (unsigned long i = 0; i < size; i++) {
		struct iova *iova = remove_iova(iovad, READ_ONCE(mag->pfns[i]));

		assert(iova);
		shared_free(iova);
	}
	spin_unlock_irqrestore(&iovad->iova_rbtree_lock, flags);

	WRITE_ONCE(mag->size, 0);
}

static struct iova_magazine *iova_depot_pop(struct iova_rcache *rcache)
{
	struct iova_magazine *mag = READ_ONCE(rcache->depot);

	WRITE_ONCE(rcache->depot, READ_ONCE(mag->next));
	WRITE_ONCE(mag->size, IOVA_MAG_SIZE);
	WRITE_ONCE(rcache->depot_size, READ_ONCE(rcache->depot_size) - 1);
	return mag;
}

static void iova_depot_push(struct iova_rcache *rcache, struct iova_magazine *mag)
{
	WRITE_ONCE(mag->next, READ_ONCE(rcache->depot));
	WRITE_ONCE(rcache->depot, mag);
	WRITE_ONCE(rcache->depot_size, READ_ONCE(rcache->depot_size) + 1);
}

/* Nothing happens when the work is pending already: the depot is looked at when it is due anyway. */
static void schedule_depot_work(struct iova_rcache *rcache)
{
	if (!atomic_fetch_or(1, &rcache->work.pending))
		mod_timer(&rcache->work.timer, IOVA_DEPOT_DELAY_NS);
}

/* Kernel: iova_depot_work_func(). One magazine at a time, until no more are left than there are CPUs. */
static void iova_depot_work(struct sim_timer *timer)
{
	struct iova_rcache *rcache = container_of(timer, struct iova_rcache, work.timer);
	struct iova_magazine *mag = NULL;
	unsigned long flags;

	xchg(&rcache->work.pending, 0);

	flags = spin_lock_irqsave(&rcache->lock);
	if (READ_ONCE(rcache->depot_size) > nr_cpu_ids())
		mag = iova_depot_pop(rcache);
	spin_unlock_irqrestore(&rcache->lock, flags);

	if (mag) {
		iova_magazine_free_pfns(mag, READ_ONCE(rcache->iovad));
		shared_free(mag);
		schedule_depot_work(rcache);
	}
}

static void iova_cpu_rcache_init(void *obj, void *arg)
{
	struct iova_cpu_rcache *cpu_rcache = obj;

	(void)arg;
	spin_lock_init(&cpu_rcache->lock, "&cpu_rcache->lock");
	cpu_rcache->loaded = iova_magazine_alloc();
	cpu_rcache->prev = iova_magazine_alloc();
	if (cpu_rcache->loaded && cpu_rcache->prev)
		return;

	/* This CPU does without: its ranges come from the tree and go back there. */
	if (cpu_rcache->loaded)
		shared_free(cpu_rcache->loaded);
	if (cpu_rcache->prev)
		shared_free(cpu_rcache->prev);
	cpu_rcache->loaded = NULL;
	cpu_rcache->prev = NULL;
}

static int iova_rcache_init(struct iova_rcache *rcache, struct iova_domain *iovad)
{
	struct percpu *pc = malloc(sizeof(*pc));
	int err;

	if (!pc)
		return -ENOMEM;
	err = percpu_init(pc, nr_cpu_ids(), &iova_cpu_rcache_type, sizeof(struct iova_cpu_rcache),
			  iova_cpu_rcache_init, NULL);
	if (err) {
		free(pc);
		return err;
	}
	spin_lock_init(&rcache->lock, "&rcache->lock");
	rcache->iovad = iovad;
	rcache->work.timer.fn = iova_depot_work;
	rcache->cpu_rcaches = pc;
	return 0;
}

static void iova_rcache_free(struct iova_rcache *rcache)
{
	struct iova_magazine *mag;

	del_timer_sync(&rcache->work.timer);
	for (uint32_t cpu = 0; cpu < rcache->cpu_rcaches->cpu_count; cpu++) {
		struct iova_cpu_rcache *cpu_rcache = per_cpu_ptr(rcache->cpu_rcaches, cpu);

		if (!cpu_rcache || !cpu_rcache->loaded)
			continue;
		shared_free(cpu_rcache->loaded);
		shared_free(cpu_rcache->prev);
	}
	percpu_destroy(rcache->cpu_rcaches);
	free(rcache->cpu_rcaches);
	while ((mag = rcache->depot)) {
		rcache->depot = mag->next;
		shared_free(mag);
	}
}

static void free_iova_rcaches(struct iova_domain *iovad)
{
	for (int i = 0; i < IOVA_RANGE_CACHE_MAX_SIZE; i++)
		if (iovad->rcaches[i].cpu_rcaches)
			iova_rcache_free(&iovad->rcaches[i]);
	shared_free(iovad->rcaches);
	iovad->rcaches = NULL;
}

int iova_domain_init_rcaches(struct iova_domain *iovad)
{
	struct iova_rcaches *rcaches = shared_alloc(&iova_rcaches_type, sizeof(*rcaches));

	if (!rcaches)
		return -ENOMEM;
	iovad->rcaches = rcaches->order;
	for (int i = 0; i < IOVA_RANGE_CACHE_MAX_SIZE; i++) {
		int err = iova_rcache_init(&iovad->rcaches[i], iovad);

		if (err) {
			free_iova_rcaches(iovad);
			return err;
		}
	}
	return 0;
}

void put_iova_domain(struct iova_domain *iovad)
{
	struct iova *iova;

	if (iovad->rcaches)
		free_iova_rcaches(iovad);

	RB_REMOVE(iova_tree, &iovad->rbroot, &iovad->anchor);
	while ((iova = RB_ROOT(&iovad->rbroot))) {
		RB_REMOVE(iova_tree, &iovad->rbroot, iova);
		shared_free(iova);
	}
}

static void swap_magazines(struct iova_cpu_rcache *cpu_rcache, struct iova_magazine *loaded,
			   struct iova_magazine *prev)
{
	WRITE_ONCE(cpu_rcache->prev, loaded);
	WRITE_ONCE(cpu_rcache->loaded, prev);
}

/* The loaded magazine with room in it, under cpu_rcache->lock; NULL when memory is short. */
static struct iova_magazine *load_magazine_with_room(struct iova_rcache *rcache, struct iova_cpu_rcache *cpu_rcache)
{
	struct iova_magazine *loaded = READ_ONCE(cpu_rcache->loaded), *mag;

	if (!loaded || !iova_magazine_full(loaded))
		return loaded;

	mag = READ_ONCE(cpu_rcache->prev);
	if (!iova_magazine_full(mag)) {
		swap_magazines(cpu_rcache, loaded, mag);
		return mag;
	}

	mag = iova_magazine_alloc();
	if (!mag)
		return NULL;
	spin_lock(&rcache->lock);
	iova_depot_push(rcache, loaded);
	spin_unlock(&rcache->lock);
	schedule_depot_work(rcache);
	WRITE_ONCE(cpu_rcache->loaded, mag);
	return mag;
}

/* The loaded magazine with addresses in it, under cpu_rcache->lock; NULL when neither it nor the depot has any. */
static struct iova_magazine *load_magazine_with_pfns(struct iova_rcache *rcache, struct iova_cpu_rcache *cpu_rcache)
{
	struct iova_magazine *loaded = READ_ONCE(cpu_rcache->loaded), *mag;

	if (!loaded || !iova_magazine_empty(loaded))
		return loaded;

	mag = READ_ONCE(cpu_rcache->prev);
	if (!iova_magazine_empty(mag)) {
		swap_magazines(cpu_rcache, loaded, mag);
		return mag;
	}

	mag = NULL;
	spin_lock(&rcache->lock);
	if (READ_ONCE(rcache->depot)) {
		shared_free(loaded);
		mag = iova_depot_pop(rcache);
		WRITE_ONCE(cpu_rcache->loaded, mag);
	}
	spin_unlock(&rcache->lock);
	return mag;
}

/* The cache for ranges of @size pages, or NULL when such are not cached. */
static struct iova_rcache *iova_rcache_of(struct iova_domain *iovad, unsigned long size)
{
	unsigned int log_size = size > 1 ? 64 - (unsigned int)__builtin_clzl(size - 1) : 0;

	if (log_size >= IOVA_RANGE_CACHE_MAX_SIZE)
		return NULL;
	return &READ_ONCE(iovad->rcaches)[log_size];
}

static bool iova_rcache_insert(struct iova_domain *iovad, unsigned long pfn, unsigned long size)
{
	struct iova_rcache *rcache = iova_rcache_of(iovad, size);
	struct iova_cpu_rcache *cpu_rcache;
	struct iova_magazine *mag;
	unsigned long flags;

	if (!rcache)
		return false;
	cpu_rcache = this_cpu_ptr(READ_ONCE(rcache->cpu_rcaches));
	if (!cpu_rcache)
		return false;

	flags = spin_lock_irqsave(&cpu_rcache->lock);
	mag = load_magazine_with_room(rcache, cpu_rcache);
	if (mag)
		iova_magazine_push(mag, pfn);
	spin_unlock_irqrestore(&cpu_rcache->lock, flags);

	return mag != NULL;
}

/* A cached range of @size pages that begins at @limit_pfn or below, or 0. */
static unsigned long iova_rcache_get(struct iova_domain *iovad, unsigned long size, unsigned long limit_pfn)
{
	struct iova_rcache *rcache = iova_rcache_of(iovad, size);
	struct iova_cpu_rcache *cpu_rcache;
	struct iova_magazine *mag;
	unsigned long flags, pfn = 0;

	if (!rcache)
		return 0;
	cpu_rcache = this_cpu_ptr(READ_ONCE(rcache->cpu_rcaches));
	if (!cpu_rcache)
		return 0;

	flags = spin_lock_irqsave(&cpu_rcache->lock);
	mag = load_magazine_with_pfns(rcache, cpu_rcache);
	if (mag)
		pfn = iova_magazine_pop(mag, limit_pfn);
	spin_unlock_irqrestore(&cpu_rcache->lock, flags);

	return pfn;
}

static void free_cpu_cached_iovas(unsigned int cpu, struct iova_domain *iovad)
{
	struct iova_rcache *rcaches = READ_ONCE(iovad->rcaches);

	for (int i = 0; i < IOVA_RANGE_CACHE_MAX_SIZE; i++) {
		struct iova_cpu_rcache *cpu_rcache = per_cpu_ptr(READ_ONCE(rcaches[i].cpu_rcaches), cpu);
		struct iova_magazine *loaded;
		unsigned long flags;

		if (!cpu_rcache)
			continue;
		flags = spin_lock_irqsave(&cpu_rcache->lock);
		loaded = READ_ONCE(cpu_rcache->loaded);
		if (loaded) {
			iova_magazine_free_pfns(loaded, iovad);
			iova_magazine_free_pfns(READ_ONCE(cpu_rcache->prev), iovad);
		}
		spin_unlock_irqrestore(&cpu_rcache->lock, flags);
	}
}

static void free_global_cached_iovas(struct iova_domain *iovad)
{
	struct iova_rcache *rcaches = READ_ONCE(iovad->rcaches);

	for (int i = 0; i < IOVA_RANGE_CACHE_MAX_SIZE; i++) {
		unsigned long flags = spin_lock_irqsave(&rcaches[i].lock);

		while (READ_ONCE(rcaches[i].depot)) {
			struct iova_magazine *mag = iova_depot_pop(&rcaches[i]);

			iova_magazine_free_pfns(mag, iovad);
			shared_free(mag);
		}
		spin_unlock_irqrestore(&rcaches[i].lock, flags);
	}
}

unsigned long alloc_iova_fast(struct iova_domain *iovad, unsigned long size, unsigned long limit_pfn,
			      bool flush_rcache)
{
	unsigned long pfn;

	assert(size && size <= UINT32_MAX);
	/* A cached range must fit whoever asks for its order later, so what can be cached is rounded up. */
	if (size > 1 && size < 1UL << (IOVA_RANGE_CACHE_MAX_SIZE - 1))
		size = 1UL << (64 - __builtin_clzl(size - 1));
	assert(limit_pfn >= size - 1 && limit_pfn < IOVA_ANCHOR);

	compute(COST_IOVA_ALLOC);
	pfn = iova_rcache_get(iovad, size, limit_pfn + 1 - size);
	if (pfn)
		return pfn;

	pfn = alloc_iova(iovad, size, limit_pfn);
	if (pfn || !flush_rcache)
		return pfn;

	for (unsigned int cpu = 0; cpu < nr_cpu_ids(); cpu++)
		free_cpu_cached_iovas(cpu, iovad);
	free_global_cached_iovas(iovad);
	return alloc_iova(iovad, size, limit_pfn);
}

void free_iova_fast(struct iova_domain *iovad, unsigned long pfn, unsigned long size)
{
	compute(COST_IOVA_FREE);
	if (!iova_rcache_insert(iovad, pfn, size))
		free_iova(iovad, pfn);
}

uint64_t iova_alloc_dma(struct iova_domain *iovad, size_t size, uint64_t dma_limit, uint64_t aperture_end,
			bool *pci_32bit_workaround)
{
	unsigned int shift = iova_shift(iovad);
	unsigned long pages = size >> shift, pfn;

	if (dma_limit > aperture_end)
		dma_limit = aperture_end;

	if (dma_limit > DMA_32BIT_MASK && READ_ONCE(*pci_32bit_workaround)) {
		pfn = alloc_iova_fast(iovad, pages, DMA_32BIT_MASK >> shift, false);
		if (pfn)
			return (uint64_t)pfn << shift;

		WRITE_ONCE(*pci_32bit_workaround, false);
	}

	pfn = alloc_iova_fast(iovad, pages, dma_limit >> shift, true);
	return (uint64_t)pfn << shift;
}

static void count_magazine(struct iova_magazine *mag, unsigned long size, unsigned int log_size,
			   void (*cached)(unsigned long pfn, unsigned int log_size, void *arg), void *arg)
{
	for (unsigned long i = 0; cached && i < size; i++)
		cached(mag->pfns[i], log_size, arg);
}

void iova_domain_count(struct iova_domain *iovad, struct iova_count *count,
		       void (*cached)(unsigned long pfn, unsigned int log_size, void *arg), void *arg)
{
	struct iova *iova;

	memset(count, 0, sizeof(*count));
	RB_FOREACH(iova, iova_tree, &iovad->rbroot) {
		if (iova == &iovad->anchor)
			continue;
		count->tree_ranges++;
		count->tree_pages += iova->pages;
	}
	for (unsigned int i = 0; i < IOVA_RANGE_CACHE_MAX_SIZE; i++) {
		struct iova_rcache *rcache = &iovad->rcaches[i];

		for (uint32_t cpu = 0; cpu < rcache->cpu_rcaches->cpu_count; cpu++) {
			struct iova_cpu_rcache *cpu_rcache = per_cpu_ptr(rcache->cpu_rcaches, cpu);

			if (!cpu_rcache || !cpu_rcache->loaded)
				continue;
			count->magazine_pfns[i] += cpu_rcache->loaded->size + cpu_rcache->prev->size;
			count_magazine(cpu_rcache->loaded, cpu_rcache->loaded->size, i, cached, arg);
			count_magazine(cpu_rcache->prev, cpu_rcache->prev->size, i, cached, arg);
		}
		for (struct iova_magazine *mag = rcache->depot; mag; mag = mag->next) {
			count->depot_magazines[i]++;
			count->depot_pfns[i] += IOVA_MAG_SIZE;
			count_magazine(mag, IOVA_MAG_SIZE, i, cached, arg);
		}
	}
}
