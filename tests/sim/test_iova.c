/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_iova.c - the address allocator against brute force, and every address accounted for
 *
 * Links with -Wl,--wrap=mod_timer,--wrap=del_timer_sync: the depot's timers are kept here and fired by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/iova.h"
#include "sim/platform/timer.h"
#include "tests/sim_test.h"

#define LIMIT_32 ((1UL << 20) - 1) /* last frame below 4 GiB */
#define LIMIT_48 ((1UL << 36) - 1)
#define START_PFN 1
#define MAX_LIVE 1024
#define MAX_CPUS 8

OBJ_TYPE_PLAIN(test_shared, "test_shared");

struct range {
	unsigned long pfn;
	unsigned long size;    /* as requested */
	unsigned long rounded; /* as it occupies the tree */
};

struct fixture {
	void *sim; /* as sim_test_setup() leaves it */
	struct iova_domain *iovad;
	bool *workaround; /* in shared memory, as the device's is */
	unsigned int cpu_count;
	uint64_t rng;
	struct range live[MAX_LIVE];
	size_t live_count;
	struct sim_timer *timer; /* the one armed last */
	unsigned int armed;	 /* how many times since the start */
	uint64_t delay_ns;
};

/* The wrapped function has no context argument. */
static struct fixture *timer_owner;

void __wrap_mod_timer(struct sim_timer *timer, uint64_t delay_ns);
void __wrap_mod_timer(struct sim_timer *timer, uint64_t delay_ns)
{
	timer_owner->timer = timer;
	timer_owner->delay_ns = delay_ns;
	timer_owner->armed++;
}

void __wrap_del_timer_sync(struct sim_timer *timer);
void __wrap_del_timer_sync(struct sim_timer *timer)
{
	if (timer == timer_owner->timer)
		timer_owner->timer = NULL;
}

static void domain_setup(void *arg)
{
	struct fixture *f = arg;

	f->iovad = shared_alloc(&test_shared_type, sizeof(*f->iovad));
	f->workaround = shared_alloc(&test_shared_type, sizeof(*f->workaround));
	assert_non_null(f->iovad);
	assert_non_null(f->workaround);
	init_iova_domain(f->iovad, PAGE_SIZE, START_PFN);
	assert_int_equal(iova_domain_init_rcaches(f->iovad), 0);
	f->cpu_count = nr_cpu_ids() < MAX_CPUS ? nr_cpu_ids() : MAX_CPUS;
	assert_true(f->cpu_count >= 2);
}

static void domain_teardown(void *arg)
{
	struct fixture *f = arg;

	put_iova_domain(f->iovad);
	assert_null(f->timer);
	shared_free(f->iovad);
	shared_free(f->workaround);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->rng = 0x9e3779b97f4a7c15ULL;
	timer_owner = f;
	sim_test_setup(&f->sim);
	run_on_cpu(0, domain_setup, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	run_on_cpu(0, domain_teardown, f);
	sim_test_teardown(&f->sim);
	free(f);
	return 0;
}

/* Uniform enough over 0..@bound - 1, the same on every machine. */
static unsigned long draw(struct fixture *f, unsigned long bound)
{
	f->rng ^= f->rng << 13;
	f->rng ^= f->rng >> 7;
	f->rng ^= f->rng << 17;
	return (unsigned long)(f->rng % bound);
}

static unsigned long roundup_pow_of_two(unsigned long n)
{
	unsigned long p = 1;

	while (p < n)
		p *= 2;
	return p;
}

struct alloc_call {
	struct iova_domain *iovad;
	unsigned long size;
	unsigned long limit_pfn;
	bool flush;
	unsigned long pfn;
};

static void do_alloc(void *arg)
{
	struct alloc_call *c = arg;

	c->pfn = alloc_iova_fast(c->iovad, c->size, c->limit_pfn, c->flush);
}

static void do_free(void *arg)
{
	struct alloc_call *c = arg;

	free_iova_fast(c->iovad, c->pfn, c->size);
}

static unsigned long alloc_on(struct fixture *f, unsigned int cpu, unsigned long size, unsigned long limit_pfn,
			      bool flush)
{
	struct alloc_call c = { .iovad = f->iovad, .size = size, .limit_pfn = limit_pfn, .flush = flush };

	run_on_cpu(cpu, do_alloc, &c);
	return c.pfn;
}

static void free_on(struct fixture *f, unsigned int cpu, unsigned long pfn, unsigned long size)
{
	struct alloc_call c = { .iovad = f->iovad, .size = size, .pfn = pfn };

	run_on_cpu(cpu, do_free, &c);
}

static void fire_timer(void *arg)
{
	struct fixture *f = arg;

	f->timer->fn(f->timer);
}

static unsigned long count_all(const unsigned long *by_order)
{
	unsigned long sum = 0;

	for (int i = 0; i < IOVA_RANGE_CACHE_MAX_SIZE; i++)
		sum += by_order[i];
	return sum;
}

/* Records @pfn as live after checking it against all that are. */
static void live_add(struct fixture *f, unsigned long pfn, unsigned long size, unsigned long limit_pfn)
{
	unsigned long rounded = size < 32 ? roundup_pow_of_two(size) : size;

	assert_true(pfn >= START_PFN);
	assert_true(pfn + rounded - 1 <= limit_pfn);
	assert_int_equal(pfn % roundup_pow_of_two(size), 0);
	for (size_t i = 0; i < f->live_count; i++)
		assert_true(pfn + rounded <= f->live[i].pfn || f->live[i].pfn + f->live[i].rounded <= pfn);
	assert_true(f->live_count < MAX_LIVE);
	f->live[f->live_count++] = (struct range){ pfn, size, rounded };
}

static void live_free(struct fixture *f, unsigned int cpu, size_t index)
{
	struct range r = f->live[index];

	f->live[index] = f->live[--f->live_count];
	free_on(f, cpu, r.pfn, r.size);
}

struct interval_list {
	struct range *at;
	size_t count, capacity;
};

static void interval_add(unsigned long pfn, unsigned int log_size, void *arg)
{
	struct interval_list *list = arg;

	assert_true(list->count < list->capacity);
	list->at[list->count++] = (struct range){ pfn, 1UL << log_size, 1UL << log_size };
}

static int by_pfn(const void *a, const void *b)
{
	unsigned long x = ((const struct range *)a)->pfn, y = ((const struct range *)b)->pfn;

	return (x > y) - (x < y);
}

/* Every range of the tree is live, in one magazine or in the depot, and in one of them only. */
static void check_conservation(struct fixture *f)
{
	struct interval_list list = { .capacity = f->live_count };
	struct iova_count count;
	unsigned long pages = 0;

	iova_domain_count(f->iovad, &count, NULL, NULL);
	list.capacity += count_all(count.magazine_pfns) + count_all(count.depot_pfns);
	assert_int_equal(count.tree_ranges, list.capacity);

	list.at = calloc(list.capacity + 1, sizeof(*list.at));
	assert_non_null(list.at);
	iova_domain_count(f->iovad, &count, interval_add, &list);
	for (size_t i = 0; i < f->live_count; i++)
		list.at[list.count++] = f->live[i];
	assert_int_equal(list.count, list.capacity);

	qsort(list.at, list.count, sizeof(*list.at), by_pfn);
	for (size_t i = 0; i < list.count; i++) {
		pages += list.at[i].rounded;
		if (i)
			assert_true(list.at[i - 1].pfn + list.at[i - 1].rounded <= list.at[i].pfn);
	}
	assert_int_equal(count.tree_pages, pages);
	free(list.at);
}

static void random_ranges_never_overlap(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20000; i++) {
		/* Phases that mostly allocate and phases that mostly free: magazines fill up and run dry. */
		unsigned long alloc_pct = i / 2500 % 2 ? 30 : 70;
		unsigned int cpu = (unsigned int)draw(f, f->cpu_count);

		if (draw(f, 100) < alloc_pct && f->live_count < MAX_LIVE) {
			unsigned long size = draw(f, 4) ? 1 + draw(f, 4) : 1 + draw(f, 128);
			unsigned long limit_pfn = draw(f, 2) ? LIMIT_32 : LIMIT_48;
			unsigned long pfn = alloc_on(f, cpu, size, limit_pfn, true);

			assert_int_not_equal(pfn, 0);
			live_add(f, pfn, size, limit_pfn);
		} else if (f->live_count) {
			live_free(f, cpu, draw(f, f->live_count));
		}
		if (i % 500 == 0)
			check_conservation(f);
	}
	while (f->live_count)
		live_free(f, (unsigned int)draw(f, f->cpu_count), draw(f, f->live_count));
	check_conservation(f);
}

/* Is there a naturally aligned hole for @size among the live ranges of frames START_PFN..@limit_pfn? */
static bool has_room(const struct fixture *f, unsigned long size, unsigned long limit_pfn)
{
	unsigned long align = roundup_pow_of_two(size), rounded = size < 32 ? align : size;

	for (unsigned long pfn = align; pfn + rounded - 1 <= limit_pfn; pfn += align) {
		bool room = true;

		for (size_t i = 0; i < f->live_count && room; i++)
			room = pfn + rounded <= f->live[i].pfn || f->live[i].pfn + f->live[i].rounded <= pfn;
		if (room)
			return true;
	}
	return false;
}

static void fails_only_when_there_is_no_room(void **state)
{
	const unsigned long limit_pfn = 1023;
	struct fixture *f = *state;
	unsigned int failures = 0;

	for (int i = 0; i < 8000; i++) {
		unsigned long alloc_pct = i / 500 % 2 ? 40 : 65;
		unsigned int cpu = (unsigned int)draw(f, f->cpu_count);

		if (draw(f, 100) < alloc_pct) {
			unsigned long size = draw(f, 2) ? 1 + draw(f, 8) : 1 + draw(f, 128);
			unsigned long pfn = alloc_on(f, cpu, size, limit_pfn, true);

			assert_int_equal(pfn != 0, has_room(f, size, limit_pfn));
			if (pfn)
				live_add(f, pfn, size, limit_pfn);
			else
				failures++;
		} else if (f->live_count) {
			live_free(f, cpu, draw(f, f->live_count));
		}
		if (i % 100 == 0)
			check_conservation(f);
	}
	assert_true(failures > 100);
}

static void exhausted_space_recovers_by_flushing_the_caches(void **state)
{
	const unsigned long limit_pfn = 2 * IOVA_MAG_SIZE; /* two magazines hold all of it */
	struct fixture *f = *state;
	struct iova_count count;

	for (unsigned long i = START_PFN; i <= limit_pfn; i++)
		live_add(f, alloc_on(f, 0, 1, limit_pfn, true), 1, limit_pfn);
	assert_int_equal(alloc_on(f, 0, 1, limit_pfn, true), 0);

	while (f->live_count)
		live_free(f, 1, 0);
	iova_domain_count(f->iovad, &count, NULL, NULL);
	assert_int_equal(count.magazine_pfns[0], limit_pfn);

	/* All of it is in the other CPU's magazines: only a flush of them helps. */
	assert_int_equal(alloc_on(f, 0, 1, limit_pfn, false), 0);
	live_add(f, alloc_on(f, 0, 1, limit_pfn, true), 1, limit_pfn);
	iova_domain_count(f->iovad, &count, NULL, NULL);
	assert_int_equal(count.magazine_pfns[0], 0);
	assert_int_equal(count.tree_ranges, 1);
	check_conservation(f);
}

static void flushing_the_caches_empties_the_depot(void **state)
{
	const unsigned long limit_pfn = 4 * IOVA_MAG_SIZE;
	struct fixture *f = *state;
	struct iova_count count;

	for (unsigned long i = START_PFN; i <= limit_pfn; i++)
		live_add(f, alloc_on(f, 0, 1, limit_pfn, false), 1, limit_pfn);
	while (f->live_count)
		live_free(f, 1, 0);
	iova_domain_count(f->iovad, &count, NULL, NULL);
	assert_int_equal(count.depot_magazines[0], 2);

	live_add(f, alloc_on(f, 0, 128, limit_pfn, true), 128, limit_pfn);
	iova_domain_count(f->iovad, &count, NULL, NULL);
	assert_int_equal(count.depot_magazines[0], 0);
	check_conservation(f);
}

static void a_failed_size_is_not_searched_for_again_until_a_free(void **state)
{
	struct fixture *f = *state;
	unsigned long pfn;

	assert_int_equal(f->iovad->max32_alloc_size, LIMIT_32 + 1);
	pfn = alloc_on(f, 0, 64, 127, false);
	assert_int_equal(pfn, 64);
	assert_int_equal(alloc_on(f, 0, 64, 127, false), 0);
	assert_int_equal(f->iovad->max32_alloc_size, 64);

	/* As in the kernel, this holds for every limit below 4 GiB, but not for smaller sizes nor higher limits. */
	assert_int_equal(alloc_on(f, 0, 64, LIMIT_32, false), 0);
	assert_int_equal(alloc_on(f, 0, 32, 63, false), 32);
	assert_int_not_equal(alloc_on(f, 0, 64, LIMIT_48, false), 0);

	free_on(f, 0, pfn, 64);
	assert_int_equal(f->iovad->max32_alloc_size, LIMIT_32 + 1);
	assert_int_equal(alloc_on(f, 0, 64, 127, false), 64);
}

static void search_starts_over_from_the_limit(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(alloc_on(f, 0, 64, 4095, false), 4032);
	/* Down to the bottom: where the next search begins there is nothing left below. */
	for (unsigned long pfn = 960; pfn >= 64; pfn -= 64)
		assert_int_equal(alloc_on(f, 0, 64, 1023, false), pfn);

	/* The limit lies within the first range. */
	assert_int_equal(alloc_on(f, 0, 64, 4063, false), 3968);
	/* And the search after that goes on from there. */
	assert_int_equal(alloc_on(f, 0, 64, 4095, false), 3904);
	/* A range above 4 GiB has its own starting point. */
	assert_int_equal(alloc_on(f, 0, 64, LIMIT_48, false), LIMIT_48 - 63);
	assert_int_equal(alloc_on(f, 0, 64, LIMIT_48, false), LIMIT_48 - 127);
	assert_int_equal(alloc_on(f, 0, 64, 4095, false), 3840);
}

static void the_second_search_covers_all_above_the_first(void **state)
{
	struct fixture *f = *state;

	/* The only hole is next to where the first search began. */
	assert_int_equal(alloc_on(f, 0, 64, 127, false), 64);
	assert_int_equal(alloc_on(f, 0, 64, 191, false), 128);

	/* And the only one right below the limit. */
	assert_int_equal(alloc_on(f, 0, 64, 255, false), 192);
	assert_int_equal(alloc_on(f, 0, 64, 319, false), 256);
	assert_int_equal(alloc_on(f, 0, 64, 447, false), 384);
	free_on(f, 0, 128, 64);
	assert_int_equal(alloc_on(f, 0, 64, 191, false), 128);
	assert_int_equal(alloc_on(f, 0, 64, 511, false), 448);
}

static void freed_space_near_the_top_is_found_again(void **state)
{
	struct fixture *f = *state;
	unsigned long top = alloc_on(f, 0, 64, LIMIT_32, false);

	assert_int_equal(alloc_on(f, 0, 64, LIMIT_32, false), top - 64);
	free_on(f, 0, top, 64);
	assert_int_equal(alloc_on(f, 0, 64, LIMIT_32, false), top);
	assert_int_equal(alloc_on(f, 0, 64, LIMIT_32, false), top - 128);
}

static void a_magazine_serves_what_fits_below_the_limit(void **state)
{
	struct fixture *f = *state;
	unsigned long low = alloc_on(f, 0, 2, LIMIT_32, false), high[2];
	struct iova_count count;

	for (int i = 0; i < 2; i++)
		high[i] = alloc_on(f, 0, 2, LIMIT_48, false);
	assert_true(low <= LIMIT_32 && high[0] > LIMIT_32 && high[1] > LIMIT_32);
	free_on(f, 0, low, 2);
	free_on(f, 0, high[0], 2);
	free_on(f, 0, high[1], 2);

	/* From under the two on top of it; its place is taken by the topmost. */
	assert_int_equal(alloc_on(f, 0, 2, low + 1, false), low);
	iova_domain_count(f->iovad, &count, NULL, NULL);
	assert_int_equal(count.magazine_pfns[1], 2);
	/* None fits: the tree serves it, the magazine keeps both. */
	assert_true(alloc_on(f, 0, 2, LIMIT_32, false) < low);
	assert_int_equal(alloc_on(f, 0, 2, LIMIT_48, false), high[0]);
	/* The limit is that of the last page: 1 below it does not do. */
	assert_int_not_equal(alloc_on(f, 0, 2, high[1], false), high[1]);
	assert_int_equal(alloc_on(f, 0, 2, high[1] + 1, false), high[1]);
}

static void a_size_comes_back_to_its_own_class(void **state)
{
	static const unsigned int log_size[] = { [1] = 0, [2] = 1,  [3] = 2,  [4] = 2,	[5] = 3, [8] = 3,
						 [9] = 4, [16] = 4, [17] = 5, [31] = 5, [32] = 5 };
	struct fixture *f = *state;
	struct iova_count count;

	for (unsigned long size = 1; size < ARRAY_SIZE(log_size); size++) {
		unsigned long pfn, before;

		if (size != 1 && !log_size[size])
			continue;
		pfn = alloc_on(f, 0, size, LIMIT_32, false);
		iova_domain_count(f->iovad, &count, NULL, NULL);
		before = count.magazine_pfns[log_size[size]];
		free_on(f, 0, pfn, size);
		iova_domain_count(f->iovad, &count, NULL, NULL);
		assert_int_equal(count.magazine_pfns[log_size[size]], before + 1);
	}

	/* 33 pages and more go back to the tree. */
	iova_domain_count(f->iovad, &count, NULL, NULL);
	free_on(f, 0, alloc_on(f, 0, 33, LIMIT_32, false), 33);
	assert_int_equal(count.tree_ranges, count_all(count.magazine_pfns));
	check_conservation(f);
}

static void allocate_here_free_there_goes_through_the_depot(void **state)
{
	enum { RANGES = 5 * IOVA_MAG_SIZE };
	struct fixture *f = *state;
	struct iova_count count;

	for (int i = 0; i < RANGES; i++)
		live_add(f, alloc_on(f, 0, 1, LIMIT_32, false), 1, LIMIT_32);
	while (f->live_count)
		live_free(f, 1, f->live_count - 1);

	/* The freeing CPU keeps two magazines, full as it happens, and hands on the others. */
	iova_domain_count(f->iovad, &count, NULL, NULL);
	assert_int_equal(count.magazine_pfns[0], 2 * IOVA_MAG_SIZE);
	assert_int_equal(count.depot_magazines[0], 3);
	assert_int_equal(count.depot_pfns[0], 3 * IOVA_MAG_SIZE);
	check_conservation(f);

	/* The allocating CPU is served from the depot, then from the tree: never from the other CPU. */
	for (int i = 0; i < 3 * IOVA_MAG_SIZE; i++) {
		live_add(f, alloc_on(f, 0, 1, LIMIT_32, false), 1, LIMIT_32);
		iova_domain_count(f->iovad, &count, NULL, NULL);
		assert_int_equal(count.depot_magazines[0], 2 - i / IOVA_MAG_SIZE);
	}
	assert_int_equal(count.tree_ranges, RANGES);
	live_add(f, alloc_on(f, 0, 1, LIMIT_32, false), 1, LIMIT_32);
	iova_domain_count(f->iovad, &count, NULL, NULL);
	assert_int_equal(count.tree_ranges, RANGES + 1);
	check_conservation(f);
}

static void get_cpu_ids(void *arg)
{
	*(unsigned int *)arg = nr_cpu_ids();
}

static void the_depot_is_trimmed_to_a_magazine_per_cpu(void **state)
{
	struct fixture *f = *state;
	unsigned int cpu_ids, excess = 3;
	unsigned long magazines, *pfn;
	struct iova_count count;

	run_on_cpu(0, get_cpu_ids, &cpu_ids);
	magazines = cpu_ids + excess;
	pfn = calloc((magazines + 3) * IOVA_MAG_SIZE, sizeof(*pfn));
	assert_non_null(pfn);
	for (unsigned long i = 0; i < (magazines + 3) * IOVA_MAG_SIZE; i++)
		pfn[i] = alloc_on(f, 0, 1, LIMIT_32, false);

	/* Armed by the first magazine in the depot; the others find it pending. */
	for (unsigned long i = 0; i < 2 * IOVA_MAG_SIZE; i++)
		free_on(f, 1, pfn[i], 1);
	assert_int_equal(f->armed, 0);
	for (unsigned long i = 2 * IOVA_MAG_SIZE; i < (magazines + 2) * IOVA_MAG_SIZE; i++)
		free_on(f, 1, pfn[i], 1);
	assert_int_equal(f->armed, 1);
	assert_int_equal(f->delay_ns, 100000000);

	/* One magazine's addresses go back to the tree each time, until there is one magazine per CPU. */
	for (unsigned int i = 0; i < excess; i++) {
		run_on_cpu(1, fire_timer, f);
		assert_int_equal(f->armed, i + 2);
		iova_domain_count(f->iovad, &count, NULL, NULL);
		assert_int_equal(count.depot_magazines[0], magazines - i - 1);
		assert_int_equal(count.tree_ranges, (magazines + 3 - i - 1) * IOVA_MAG_SIZE);
	}
	run_on_cpu(1, fire_timer, f);
	assert_int_equal(f->armed, excess + 1);
	iova_domain_count(f->iovad, &count, NULL, NULL);
	assert_int_equal(count.depot_magazines[0], cpu_ids);

	/* The next magazine in the depot arms it again. */
	for (unsigned long i = (magazines + 2) * IOVA_MAG_SIZE; i < (magazines + 3) * IOVA_MAG_SIZE; i++)
		free_on(f, 1, pfn[i], 1);
	assert_int_equal(f->armed, excess + 2);
	check_conservation(f);
	free(pfn);
}

struct dma_call {
	struct fixture *f;
	size_t size;
	uint64_t dma_limit, aperture_end;
	uint64_t iova;
};

static void do_dma(void *arg)
{
	struct dma_call *c = arg;

	c->iova = iova_alloc_dma(c->f->iovad, c->size, c->dma_limit, c->aperture_end, c->f->workaround);
}

static uint64_t dma_on(struct fixture *f, size_t size, uint64_t dma_limit, uint64_t aperture_end)
{
	struct dma_call c = { f, size, dma_limit, aperture_end, 0 };

	run_on_cpu(0, do_dma, &c);
	return c.iova;
}

static void addresses_stay_below_4_gib_while_there_is_room(void **state)
{
	const uint64_t gib = 1ULL << 30, mask_32 = 4 * gib - 1, mask_48 = (1ULL << 48) - 1;
	struct fixture *f = *state;
	uint64_t iova;

	*f->workaround = true;
	assert_int_equal(dma_on(f, PAGE_SIZE, mask_48, mask_48), 4 * gib - PAGE_SIZE);
	/* The aperture and the device's own limit hold as well. */
	assert_int_equal(dma_on(f, 64 * PAGE_SIZE, 2 * gib - 1, mask_48), 2 * gib - 64 * PAGE_SIZE);
	assert_int_equal(dma_on(f, 64 * PAGE_SIZE, mask_48, gib - 1), gib - 64 * PAGE_SIZE);
	assert_true(*f->workaround);

	/* Two GiB do not fit any more: from now on this device goes above, though there is room for less. */
	assert_int_equal(dma_on(f, 2 * gib, mask_48, mask_48), (1ULL << 48) - 2 * gib);
	assert_false(*f->workaround);
	iova = dma_on(f, PAGE_SIZE, mask_48, mask_48);
	assert_true(iova > mask_32 && iova <= mask_48);

	/* A device that reaches 4 GiB only is refused what does not fit there. */
	assert_int_equal(dma_on(f, 2 * gib, mask_32, mask_48), 0);
	assert_true(dma_on(f, PAGE_SIZE, mask_32, mask_48) <= mask_32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_ranges_never_overlap, setup, teardown),
		cmocka_unit_test_setup_teardown(fails_only_when_there_is_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(exhausted_space_recovers_by_flushing_the_caches, setup, teardown),
		cmocka_unit_test_setup_teardown(flushing_the_caches_empties_the_depot, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_size_is_not_searched_for_again_until_a_free, setup,
						teardown),
		cmocka_unit_test_setup_teardown(search_starts_over_from_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(the_second_search_covers_all_above_the_first, setup, teardown),
		cmocka_unit_test_setup_teardown(freed_space_near_the_top_is_found_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_magazine_serves_what_fits_below_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(a_size_comes_back_to_its_own_class, setup, teardown),
		cmocka_unit_test_setup_teardown(allocate_here_free_there_goes_through_the_depot, setup, teardown),
		cmocka_unit_test_setup_teardown(the_depot_is_trimmed_to_a_magazine_per_cpu, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_stay_below_4_gib_while_there_is_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
