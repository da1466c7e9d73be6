/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * equivalence.c - random operations on domains, and then the state of everything
 *
 * Built twice, for the virtual and for the native executor; tests/equivalence.sh compares what the two print.
 *
 * usage: equivalence_{model,native} <machine> <seed> <operations> <policy> <lazy|strict> <legacy|scalable|first>
 *                                   <lock> <layout> <unit> <unit> <unit>
 *
 * A unit is its number of table levels, 3 to 5, and letters: c caching mode, w write buffer, s no large pages,
 * p no page-selective invalidation, n no coherent walks. The operations take turns on four CPUs, several in a row
 * on each, so that magazines and flush rings of all of them get their part. Time decides nothing: timers (links
 * with
 * --wrap=mod_timer,--wrap=del_timer_sync) fire when it is their turn among the operations.
 */
#include "tests/sim/equivalence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"
#include "sim/iommu.h"
#include "sim/page_table.h"
#include "sim/platform/timer.h"
#include "sim/topology.h"

#define BUF_PHYS (1ULL << 40) /* nobody reads them */
#define WINDOW_IOVA (1ULL << 38)
#define WINDOW_SIZE (1ULL << 32)
#define SIZE_2M (1ULL << 21)
#define SIZE_1G (1ULL << 30)
#define PAGES_MAX 256

OBJ_TYPE_PLAIN(eq_device, "device");
OBJ_TYPE_PLAIN(eq_group, "group");
OBJ_TYPE_PLAIN(eq_buffer, "buffer");

/* The timers' functions have no context argument. */
static struct eq_world *current;

void __wrap_mod_timer(struct sim_timer *timer, uint64_t delay_ns);
void __wrap_mod_timer(struct sim_timer *timer, uint64_t delay_ns)
{
	(void)delay_ns;
	assert(current->timer_count < EQ_TIMERS);
	current->timers[current->timer_count++] = timer;
}

static void take_timer(struct eq_world *w, uint32_t i)
{
	memmove(&w->timers[i], &w->timers[i + 1], (--w->timer_count - i) * sizeof(w->timers[0]));
}

void __wrap_del_timer_sync(struct sim_timer *timer);
void __wrap_del_timer_sync(struct sim_timer *timer)
{
	uint32_t i;

	for (i = 0; i < current->timer_count; i++) {
		if (current->timers[i] != timer)
			continue;
		take_timer(current, i);
		return;
	}
}

static uint64_t draw(struct eq_world *w, uint64_t n)
{
	return rng_below(&w->rng, n);
}

static bool chance(struct eq_world *w, uint64_t one_in)
{
	return draw(w, one_in) == 0;
}

static void note(struct eq_world *w, uint64_t result)
{
	w->results = sum_add(w->results, result);
}

static struct device *any_device(struct eq_world *w)
{
	return w->devices[draw(w, EQ_DEVICES)];
}

static struct eq_domain *eq_domain_of(struct eq_world *w, const struct dmar_domain *domain)
{
	uint32_t i;

	for (i = 0; domain && i < EQ_DOMAINS; i++)
		if (w->domains[i].domain == domain)
			return &w->domains[i];
	return NULL;
}

static struct eq_domain *any_domain(struct eq_world *w)
{
	struct eq_domain *d = &w->domains[draw(w, EQ_DOMAINS)];

	return d->domain ? d : NULL;
}

/* ---- the DMA API ---- */

static uint32_t draw_pages(struct eq_world *w)
{
	if (draw(w, 4))
		return 1;
	return 1 + (uint32_t)draw(w, chance(w, 8) ? PAGES_MAX : 8);
}

static uint64_t draw_phys(struct eq_world *w)
{
	return BUF_PHYS + draw(w, 1 << 22) * PAGE_SIZE;
}

static enum dma_data_direction draw_dir(struct eq_world *w)
{
	static const enum dma_data_direction dirs[] = { DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE };

	return dirs[draw(w, ARRAY_SIZE(dirs))];
}

static void keep(struct eq_world *w, struct eq_domain *d, uint64_t iova, uint32_t pages)
{
	note(w, iova);
	if (d && iova)
		d->live[d->live_count++] = (struct eq_mapping){ iova, pages };
}

static void unmap_one(struct eq_world *w, struct device *dev, struct eq_domain *d)
{
	uint32_t i = (uint32_t)draw(w, d->live_count);
	struct eq_mapping m = d->live[i];

	d->live[i] = d->live[--d->live_count];
	dma_unmap_pages(dev, m.iova, m.pages);
	if (!d->live_count)
		d->draining = false;
}

static void map_one(struct eq_world *w, struct device *dev, struct eq_domain *d)
{
	uint64_t phys[PAGES_MAX];
	uint32_t pages = draw_pages(w), i;
	bool contiguous = chance(w, 2);

	phys[0] = draw_phys(w);
	for (i = 1; i < pages; i++)
		phys[i] = contiguous || chance(w, 2) ? phys[i - 1] + PAGE_SIZE : draw_phys(w);
	keep(w, d, dma_map_pages(dev, phys, pages, draw_dir(w)), pages);
}

/*
 * Many mappings pile up, and then most of them go: the magazines of the CPUs that unmap fill the depot. CPUs 0 and
 * 1 rather map, and the others rather unmap.
 */
static void op_map_or_unmap(struct eq_world *w)
{
	struct device *dev = any_device(w);
	struct eq_domain *d = eq_domain_of(w, dev->group->default_domain);
	uint64_t unmaps_of_5 = 1 + (smp_processor_id() < EQ_CPUS / 2 ? 0 : 1) + (d && d->draining ? 2 : 0);
	bool unmap = draw(w, 5) < unmaps_of_5;

	if (d && d->live_count == EQ_LIVE)
		d->draining = unmap = true;
	if (!unmap)
		map_one(w, dev, d);
	else if (d && d->live_count)
		unmap_one(w, dev, d);
}

/* Large enough for large pages, now and then. */
static void op_map_single(struct eq_world *w)
{
	struct device *dev = any_device(w);
	struct eq_domain *d = eq_domain_of(w, dev->group->default_domain);
	uint32_t pages = chance(w, 4) ? 512 + (uint32_t)draw(w, 600) : draw_pages(w);
	uint64_t phys = chance(w, 2) ? BUF_PHYS + draw(w, 64) * SIZE_2M : draw_phys(w);

	if (d && d->live_count == EQ_LIVE)
		return;
	keep(w, d, dma_map_single(dev, phys, pages * PAGE_SIZE, draw_dir(w)), pages);
}

static void op_map_coherent(struct eq_world *w)
{
	struct device *dev = any_device(w);
	struct eq_domain *d = eq_domain_of(w, dev->group->default_domain);
	struct eq_buffer *b = &w->buffers[draw(w, EQ_BUFFERS)];

	if (!d || d->coherent == EQ_COHERENT)
		return;
	note(w, dma_map_coherent(dev, b->p, b->size));
	d->coherent++;
}

/* ---- ranges of the caller's choice ---- */

/* Of 4 KiB pages, because its physical address is odd; or of large ones where the domain has them. */
static void op_iommu_map(struct eq_world *w)
{
	struct eq_domain *d = any_domain(w);
	uint32_t i = (uint32_t)draw(w, EQ_WINDOWS);
	uint64_t iova = WINDOW_IOVA + i * WINDOW_SIZE, size, step = PAGE_SIZE, phys = BUF_PHYS + PAGE_SIZE;
	int ret;

	if (!d || d->window[i])
		return;
	size = (1 + draw(w, 700)) * PAGE_SIZE;
	if (chance(w, 2)) {
		size = (1 + draw(w, 4)) * SIZE_2M;
		step = SIZE_2M;
		phys = BUF_PHYS + draw(w, 512) * SIZE_2M + (chance(w, 8) ? 3 * PAGE_SIZE : 0);
	}
	if (d->domain->iommu_superpage == 2 && chance(w, 4)) {
		size = (1 + draw(w, 3)) * SIZE_1G;
		step = SIZE_1G;
		phys = BUF_PHYS + draw(w, 16) * SIZE_1G;
	}
	ret = iommu_map(d->domain, iova, phys, size, DMA_PTE_READ | (chance(w, 2) ? DMA_PTE_WRITE : 0));
	note(w, (uint64_t)ret);
	if (ret)
		return;
	d->window[i] = size;
	d->window_step[i] = step;
}

/* In one or in two parts, neither of which cuts a large page. */
static void op_iommu_unmap(struct eq_world *w)
{
	struct eq_domain *d = any_domain(w);
	uint32_t i = (uint32_t)draw(w, EQ_WINDOWS);
	uint64_t iova = WINDOW_IOVA + i * WINDOW_SIZE, first;

	if (!d || !d->window[i])
		return;
	first = draw(w, d->window[i] / d->window_step[i]) * d->window_step[i];
	if (first)
		note(w, iommu_unmap(d->domain, iova, first));
	note(w, iommu_unmap(d->domain, iova + first, d->window[i] - first));
	d->window[i] = 0;
}

/* No address below a mask that leaves none; the allocator empties its caches, and remembers. */
static void map_without_room(struct eq_world *w)
{
	struct device *dev = any_device(w);
	uint64_t mask = dev->dma_mask, phys = draw_phys(w);

	if (!eq_domain_of(w, dev->group->default_domain))
		return;
	dev->dma_mask = PAGE_SIZE - 1;
	note(w, dma_map_pages(dev, &phys, 1, DMA_TO_DEVICE));
	dev->dma_mask = mask;
}

static void op_failure(struct eq_world *w)
{
	struct eq_domain *d = any_domain(w);
	const uint64_t elsewhere = BUF_PHYS / 2;
	uint64_t iova;

	if (!d)
		return;
	switch (draw(w, 4)) {
	case 0:
		note(w, (uint64_t)iommu_map(d->domain, WINDOW_IOVA + 1, elsewhere, PAGE_SIZE, DMA_PTE_READ));
		break;
	case 1:
		iova = 1ULL << d->domain->gaw;
		note(w, (uint64_t)iommu_map(d->domain, iova, elsewhere, PAGE_SIZE, DMA_PTE_READ));
		break;
	case 2:
		if (!d->live_count)
			break;
		iova = d->live[draw(w, d->live_count)].iova;
		note(w, (uint64_t)iommu_map(d->domain, iova, elsewhere, PAGE_SIZE, DMA_PTE_READ));
		break;
	case 3:
		if (chance(w, 16))
			map_without_room(w);
		break;
	}
}

/* ---- devices and domains ---- */

static void release_pasid(struct eq_pasid *p)
{
	cache_tag_unassign_domain(p->domain->domain, p->dev, p->pasid, p->parent ? p->parent->domain : NULL);
	*p = (struct eq_pasid){ 0 };
}

/* Those of a device that is about to leave, or of a domain that is about to go. */
static void release_pasids(struct eq_world *w, const struct device *dev, const struct eq_domain *d)
{
	uint32_t i;

	for (i = 0; i < EQ_PASIDS; i++) {
		struct eq_pasid *p = &w->pasids[i];

		if (p->dev && (p->dev == dev || p->domain == d || p->parent == d))
			release_pasid(p);
	}
}

static void op_pasid(struct eq_world *w)
{
	struct eq_pasid *p = &w->pasids[draw(w, EQ_PASIDS)];
	struct device *dev = any_device(w);
	struct eq_domain *parent = any_domain(w);
	int ret;

	if (p->dev) {
		release_pasid(p);
		return;
	}
	/* A device that has no tag of its own has none for its processes either. */
	if (!dev->info.domain || dev->info.real_dma_subdevice)
		return;
	p->domain = eq_domain_of(w, dev->info.domain);
	p->parent = parent != p->domain ? parent : NULL;
	p->pasid = 1 + (uint32_t)draw(w, 3);
	ret = cache_tag_assign_domain(p->domain->domain, dev, p->pasid, p->parent ? p->parent->domain : NULL);
	note(w, (uint64_t)ret);
	p->dev = dev;
}

static void op_attach(struct eq_world *w)
{
	struct device *dev = any_device(w);
	struct eq_domain *d = any_domain(w);

	if (!d)
		return;
	release_pasids(w, dev, NULL);
	dev->pci_32bit_workaround = !chance(w, 4);
	note(w, (uint64_t)intel_iommu_attach_device(d->domain, dev));
	dev->group->default_domain = d->domain;
}

static void op_detach(struct eq_world *w)
{
	struct device *dev = any_device(w);

	release_pasids(w, dev, NULL);
	device_block_translation(dev);
}

static void op_identity(struct eq_world *w)
{
	struct device *dev = any_device(w);

	release_pasids(w, dev, NULL);
	note(w, (uint64_t)identity_domain_attach_dev(dev));
	dev->group->default_domain = NULL;
}

static void op_domain_alloc(struct eq_world *w)
{
	struct eq_domain *d = &w->domains[draw(w, EQ_DOMAINS)];

	if (d->domain)
		return;
	memset(d, 0, sizeof(*d));
	d->domain = domain_alloc(&w->config, w->iommu[draw(w, EQ_UNITS)]);
	assert(d->domain);
}

static void free_domain(struct eq_world *w, struct eq_domain *d)
{
	uint32_t i;

	release_pasids(w, NULL, d);
	for (i = 0; i < EQ_DEVICES; i++) {
		struct device *dev = w->devices[i];

		if (dev->info.domain == d->domain) {
			release_pasids(w, dev, NULL);
			device_block_translation(dev);
		}
		if (dev->group->default_domain == d->domain)
			dev->group->default_domain = NULL;
	}
	domain_free(d->domain);
	d->domain = NULL;
}

static void op_domain_free(struct eq_world *w)
{
	struct eq_domain *d = any_domain(w);

	if (d && chance(w, 16))
		free_domain(w, d);
}

/* ---- the rest ---- */

static void op_flush_all(struct eq_world *w)
{
	struct eq_domain *d = any_domain(w);

	if (d)
		cache_tag_flush_all(d->domain);
}

static void op_timer(struct eq_world *w)
{
	struct sim_timer *timer;
	uint32_t i;

	if (!w->timer_count)
		return;
	i = (uint32_t)draw(w, w->timer_count);
	timer = w->timers[i];
	take_timer(w, i);
	timer->fn(timer);
}

static void op_submit(struct eq_world *w)
{
	struct intel_iommu *iommu = w->iommu[draw(w, EQ_UNITS)];
	uint32_t count = 1 + (uint32_t)draw(w, chance(w, 4) ? QI_LENGTH - 3 : 4), i;
	struct qi_desc desc[QI_LENGTH];

	for (i = 0; i < count; i++)
		desc[i] = qi_desc_iotlb(iommu->cap, (uint16_t)draw(w, 16), 0, 0, DMA_TLB_DSI_FLUSH);
	qi_submit_sync(iommu, desc, count);
}

static const struct operation {
	const char *name;
	uint32_t weight;
	void (*fn)(struct eq_world *w);
} operations[] = {
	{ "dma_map_pages or dma_unmap_pages", 800, op_map_or_unmap },
	{ "dma_map_single", 15, op_map_single },
	{ "dma_map_coherent", 5, op_map_coherent },
	{ "iommu_map", 40, op_iommu_map },
	{ "iommu_unmap", 40, op_iommu_unmap },
	{ "a mapping that fails", 25, op_failure },
	{ "intel_iommu_attach_device", 35, op_attach },
	{ "device_block_translation", 10, op_detach },
	{ "identity_domain_attach_dev", 3, op_identity },
	{ "cache_tag_assign_domain or _unassign_domain", 20, op_pasid },
	{ "domain_alloc", 10, op_domain_alloc },
	{ "domain_free", 2, op_domain_free },
	{ "cache_tag_flush_all", 5, op_flush_all },
	{ "a timer", 5, op_timer },
	{ "qi_submit_sync", 5, op_submit },
};

static const struct operation *draw_operation(struct eq_world *w)
{
	const struct operation *op = operations;
	uint64_t total = 0, at;
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		total += operations[i].weight;
	for (at = draw(w, total); at >= op->weight; op++)
		at -= op->weight;
	return op;
}

/* ---- the world ---- */

struct batch {
	struct eq_world *w;
	uint64_t count;
};

static void batch_body(void *arg)
{
	struct batch *b = arg;
	struct eq_world *w = b->w;

	for (; b->count; b->count--) {
		const struct operation *op = draw_operation(w);

		w->last = op->name;
		w->operations++;
		op->fn(w);
	}
}

static void add_device(struct eq_world *w, uint32_t i)
{
	static const uint64_t masks[] = { UINT64_MAX, UINT32_MAX, (1ULL << 48) - 1, (1ULL << 36) - 1 };
	struct device *dev = shared_alloc(&eq_device_type, sizeof(*dev));

	w->groups[i] = shared_alloc(&eq_group_type, sizeof(*w->groups[i]));
	dev->group = w->groups[i];
	dev->dma_mask = masks[i % ARRAY_SIZE(masks)];
	dev->info = (struct device_domain_info){
		.bus = (uint8_t)(3 + i / 4),
		.devfn = (uint8_t)(i * 0x25),
		.dev = dev,
		.iommu = w->iommu[i % EQ_UNITS],
		.ats_supported = i % 2,
		.ats_qdep = (uint8_t)(4 * i),
		.pfsid = (uint16_t)(0x300 + i),
		.dtlb_extra_inval = i == 3,
		.real_dma_subdevice = i == EQ_DEVICES - 1,
	};
	w->devices[i] = dev;
}

static void setup_body(void *arg)
{
	struct eq_world *w = arg;
	uint32_t i;

	for (i = 0; i < EQ_UNITS; i++) {
		struct mmio_device *real = w->recorder[i].real;
		uint64_t cap = real->read(real, DMAR_CAP_REG, 0), ecap = real->read(real, DMAR_ECAP_REG, 0);

		w->iommu[i] = iommu_create(&w->recorder[i].mmio, cap, ecap, (int)i, w->scalable);
		assert(w->iommu[i]);
		w->recorder[i].iommu = w->iommu[i];
	}
	for (i = 0; i < EQ_DEVICES; i++)
		add_device(w, i);
	for (i = 0; i < EQ_BUFFERS; i++) {
		w->buffers[i].size = (i + 1) * PAGE_SIZE;
		w->buffers[i].p = shared_alloc_aligned(&eq_buffer_type, w->buffers[i].size, PAGE_SIZE);
		assert(w->buffers[i].p);
	}
}

static void dump_body(void *arg)
{
	eq_dump(arg);
}

static void teardown_body(void *arg)
{
	struct eq_world *w = arg;
	uint32_t i;

	for (i = 0; i < EQ_DOMAINS; i++)
		if (w->domains[i].domain)
			free_domain(w, &w->domains[i]);
	for (i = 0; i < EQ_DEVICES; i++)
		device_block_translation(w->devices[i]);
	for (i = 0; i < EQ_UNITS; i++)
		iommu_destroy(w->iommu[i]);
	assert(!w->timer_count);
}

static int run_operations(struct eq_world *w, uint64_t count)
{
	int ret = 0;

	while (!ret && count) {
		struct batch b = { w, 1 + draw(w, chance(w, 8) ? 4 : 400) };

		if (b.count > count)
			b.count = count;
		count -= b.count;
		ret = machine_call(w->machine, (uint32_t)draw(w, EQ_CPUS), batch_body, &b);
	}
	return ret;
}

/* ---- the command line ---- */

static void usage(const char *problem)
{
	fprintf(stderr, "equivalence: %s\n", problem);
	exit(2);
}

static unsigned int find_name(const char *name, const char *const *names, unsigned int count, const char *what)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (!strcmp(name, names[i]))
			return i;
	usage(what);
	return 0;
}

static void parse_unit(const char *spec, bool first_stage, uint64_t *cap, uint64_t *ecap)
{
	const uint64_t nd_256 = 2, psi = 1ULL << 39 | 18ULL << 48, large = 3ULL << 34 | 1ULL << 56;
	const uint64_t coherent = 1ULL << 0, dt = 1ULL << 2, pass_through = 1ULL << 6, smpwc = 1ULL << 48;
	int levels = spec[0] - '0', width = 12 + 9 * levels;

	if (levels < 3 || levels > 5)
		usage("a unit has 3, 4 or 5 levels");
	*cap = nd_256 | psi | large | (uint64_t)(width - 1) << 16;
	/* A unit with five levels has four too. */
	*cap |= (levels == 5 ? 3ULL << 10 | 1ULL << 60 : 1ULL << (6 + levels));
	*ecap = coherent | dt | pass_through | smpwc | 1ULL << 43 | (first_stage ? 1ULL << 47 : 1ULL << 46);
	for (spec++; *spec; spec++) {
		switch (*spec) {
		case 'c':
			*cap |= 1ULL << 7;
			break;
		case 'w':
			*cap |= 1ULL << 4;
			break;
		case 's':
			*cap &= ~large;
			break;
		case 'p':
			*cap &= ~psi;
			break;
		case 'n':
			*ecap &= ~(coherent | smpwc);
			break;
		default:
			usage("a unit's letters are c, w, s, p and n");
		}
	}
}

static struct sim_params sim_params(enum lock_kind lock)
{
	return (struct sim_params){
		.coh = { .latency_ps = { 0, 8000, 50000, 50000, 100000 }, .l1_hit_ps = 500, .atomic_ps = 6000 },
		.mmio_write_ps = 1000,
		.mmio_read_ps = 50000,
		.lock = lock,
		.seed = 1,
	};
}

static void parse(char **argv, struct eq_world *w, enum lock_kind *lock)
{
	static const char *const policies[] = { "pt", "legacy", "always", "dynamic", "static", "invs" };
	static const char *const invalidations[] = { "lazy", "strict" };
	static const char *const modes[] = { "legacy", "scalable", "first" };
	static const char *const locks[] = { "qspinlock", "ticket", "tas", "mcs" };
	static const char *const layouts[] = { "kernel", "padded" };
	unsigned int mode = find_name(argv[6], modes, ARRAY_SIZE(modes), "no such mode");

	rng_seed(&w->rng, strtoull(argv[2], NULL, 10), 0);
	w->config.policy = find_name(argv[4], policies, ARRAY_SIZE(policies), "no such policy");
	w->config.lazy =
		find_name(argv[5], invalidations, ARRAY_SIZE(invalidations), "neither lazy nor strict") == 0;
	w->config.layout = find_name(argv[8], layouts, ARRAY_SIZE(layouts), "no such layout");
	w->config.first_stage = mode == 2;
	w->scalable = mode >= 1;
	*lock = find_name(argv[7], locks, ARRAY_SIZE(locks), "no such lock");
}

static void add_units(struct eq_world *w, char **specs)
{
	static const struct vtd_timing timing = { 1000, 1000, 1000, 1000, 1000, 1000 };
	uint32_t i;

	for (i = 0; i < EQ_UNITS; i++) {
		struct mmio_device *real;
		uint64_t cap, ecap;

		parse_unit(specs[i], w->config.first_stage, &cap, &ecap);
		real = machine_add_unit(w->machine, 0, cap, ecap, &timing, 64);
		assert(real);
		vtd_recorder_init(&w->recorder[i], real);
	}
}

int main(int argc, char **argv)
{
	struct eq_world *w = calloc(1, sizeof(*w));
	char err[TOPOLOGY_ERR_SIZE];
	struct sim_params params;
	struct topology topology;
	uint32_t pus[EQ_CPUS], i;
	enum lock_kind lock;
	int ret;

	assert(w);
	current = w;
	if (argc != 9 + EQ_UNITS)
		usage("see the top of its source");
	parse(argv, w, &lock);
	if (topology_load(&topology, argv[1], err, sizeof(err)))
		usage(err);
	for (i = 0; i < EQ_CPUS; i++)
		pus[i] = i % topology.pu_count;
	params = sim_params(lock);
	ret = machine_create(&topology, pus, EQ_CPUS, &params, false, &w->machine);
	if (!ret) {
		add_units(w, &argv[9]);
		ret = machine_call(w->machine, 0, setup_body, w);
	}
	if (!ret)
		ret = run_operations(w, strtoull(argv[3], NULL, 10));
	if (!ret)
		ret = machine_call(w->machine, 0, dump_body, w);
	if (!ret)
		ret = machine_call(w->machine, 1, teardown_body, w);
	if (ret)
		fprintf(stderr, "equivalence: %s\n", strerror(-ret));
	machine_destroy(w->machine);
	topology_destroy(&topology);
	free(w);
	return ret ? 1 : 0;
}
