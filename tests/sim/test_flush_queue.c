/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_flush_queue.c - nothing is reused before a flush that began after it was queued, and all of it is then
 *
 * Links with -Wl,--wrap=mod_timer,--wrap=del_timer_sync,--wrap=page_list_free: the timer is kept here and fired by
 * hand, and the freeing of page-table pages is observed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/flush_queue.h"
#include "tests/sim_test.h"

#define LIMIT_32 ((1UL << 20) - 1) /* last frame below 4 GiB */
#define RING_CAPACITY 255	   /* facts K4 */
#define MAX_CPUS 8
#define MAX_PFNS 32768

/* The reference: a queued range, and how many flushes had begun by then. */
struct queued {
	bool waiting;
	unsigned int flushes_begun;
};

struct fixture {
	void *sim; /* as sim_test_setup() leaves it */
	struct iommu_dma_cookie *cookie;
	unsigned int cpu_count;
	uint64_t rng;
	unsigned int flushes_begun, flushes_ended;
	unsigned int unmaps;
	struct queued queued[MAX_PFNS]; /* by distance from LIMIT_32 */
	unsigned long waiting;		/* how many of them, by the reference */
	void (*in_flush)(struct fixture *f);
	struct sim_timer *timer; /* the one armed, or NULL */
	uint64_t delay_ns;
	unsigned int lists_freed;
	unsigned int list_frees_allowed_at; /* flushes that must have ended when a list is freed */
};

/* The wrapped functions have no context argument. */
static struct fixture *current;

void __wrap_mod_timer(struct sim_timer *timer, uint64_t delay_ns);
void __wrap_mod_timer(struct sim_timer *timer, uint64_t delay_ns)
{
	/* The address caches have timers too; none of them ever fires here. */
	if (timer != &current->cookie->fq_timer)
		return;
	assert_null(current->timer);
	current->timer = timer;
	current->delay_ns = delay_ns;
}

void __wrap_del_timer_sync(struct sim_timer *timer);
void __wrap_del_timer_sync(struct sim_timer *timer)
{
	if (timer == current->timer)
		current->timer = NULL;
}

void __wrap_page_list_free(struct page_list *list);
void __wrap_page_list_free(struct page_list *list)
{
	if (!page_list_empty(list)) {
		assert_true(current->flushes_ended >= current->list_frees_allowed_at);
		current->lists_freed++;
	}
	free(list->pages);
	*list = (struct page_list){ 0 };
}

static void flush_iotlb_all(void *fq_domain)
{
	struct fixture *f = fq_domain;

	f->flushes_begun++;
	if (f->in_flush)
		f->in_flush(f);
	f->flushes_ended++;
}

static void cookie_setup(void *arg)
{
	struct fixture *f = arg;

	f->cookie = iommu_get_dma_cookie();
	assert_non_null(f->cookie);
	init_iova_domain(&f->cookie->iovad, PAGE_SIZE, 1);
	assert_int_equal(iova_domain_init_rcaches(&f->cookie->iovad), 0);
	assert_null(f->cookie->fq_domain);
	assert_int_equal(iommu_dma_init_fq(f->cookie, f, flush_iotlb_all), 0);
	assert_ptr_equal(f->cookie->fq_domain, f);
	f->cpu_count = nr_cpu_ids() < MAX_CPUS ? nr_cpu_ids() : MAX_CPUS;
	assert_true(f->cpu_count >= 2);
}

static void cookie_teardown(void *arg)
{
	struct fixture *f = arg;

	iommu_put_dma_cookie(f->cookie);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->rng = 0x9e3779b97f4a7c15ULL;
	current = f;
	sim_test_setup(&f->sim);
	run_on_cpu(0, cookie_setup, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	run_on_cpu(0, cookie_teardown, f);
	assert_null(f->timer);
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

/* @pfn has been given back, to a magazine or through one to a new user: may it have been? */
static void check_covered(unsigned long pfn, unsigned int log_size, void *arg)
{
	struct fixture *f = arg;
	struct queued *q = &f->queued[LIMIT_32 - pfn];

	assert_int_equal(log_size, 0);
	if (!q->waiting)
		return;
	/* The first flush to begin after it was queued has ended: as none overlap here, so have all before. */
	assert_true(f->flushes_ended > q->flushes_begun);
	q->waiting = false;
	f->waiting--;
}

/* Compares with the reference; returns how many addresses still wait. */
static unsigned long check_queues(struct fixture *f)
{
	struct iova_count count;

	iova_domain_count(&f->cookie->iovad, &count, check_covered, f);
	assert_int_equal(count.tree_ranges, f->waiting + count.magazine_pfns[0] + count.depot_pfns[0]);
	return f->waiting;
}

/* An unmap of one page on this CPU: allocates an address and queues it, with @freelist or without. */
static void unmap_here(struct fixture *f, struct page_list *freelist)
{
	struct page_list none = { 0 };
	unsigned long pfn = alloc_iova_fast(&f->cookie->iovad, 1, LIMIT_32, false);
	struct queued *q = &f->queued[LIMIT_32 - pfn];

	assert_true(pfn && LIMIT_32 - pfn < MAX_PFNS);
	check_covered(pfn, 0, f);
	queue_iova(f->cookie, pfn, 1, freelist ? freelist : &none);
	/* A flush within that call was before this was queued. */
	q->waiting = true;
	q->flushes_begun = f->flushes_begun;
	f->waiting++;
	f->unmaps++;
}

static void unmap_body(void *arg)
{
	unmap_here(arg, NULL);
}

static void unmap_on(struct fixture *f, unsigned int cpu, unsigned int times)
{
	while (times--)
		run_on_cpu(cpu, unmap_body, f);
}

static void timer_body(void *arg)
{
	struct fixture *f = arg;
	struct sim_timer *timer = f->timer;

	assert_non_null(timer);
	f->timer = NULL;
	timer->fn(timer);
}

static void the_ring_is_full_at_255(void **state)
{
	struct fixture *f = *state;

	unmap_on(f, 0, RING_CAPACITY);
	assert_int_equal(f->flushes_begun, 0);
	assert_int_equal(check_queues(f), RING_CAPACITY);

	unmap_on(f, 0, 1);
	assert_int_equal(f->flushes_begun, 1);
	assert_int_equal(check_queues(f), 1);

	/* And again once around the ring, which then wraps. */
	unmap_on(f, 0, RING_CAPACITY - 1);
	assert_int_equal(f->flushes_begun, 1);
	unmap_on(f, 0, 1);
	assert_int_equal(f->flushes_begun, 2);
	assert_int_equal(check_queues(f), 1);
}

static void another_cpus_flush_frees_what_waits_here(void **state)
{
	struct fixture *f = *state;

	unmap_on(f, 0, 100);
	unmap_on(f, 1, RING_CAPACITY + 1);
	assert_int_equal(f->flushes_begun, 1);
	/* Covered, but freed only when this CPU comes by. */
	assert_int_equal(check_queues(f), 101);
	unmap_on(f, 0, 1);
	assert_int_equal(f->flushes_begun, 1);
	assert_int_equal(check_queues(f), 2);

	for (unsigned int i = 0; i < 40 * RING_CAPACITY; i++)
		unmap_on(f, i % f->cpu_count, 1);
	check_queues(f);
	assert_true(f->flushes_begun < f->unmaps / RING_CAPACITY);
}

static void nothing_is_freed_before_a_later_flush(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 6000; i++) {
		/* Mostly on few CPUs, so that some rings fill up while others hold old entries. */
		unsigned int cpu = (unsigned int)(draw(f, 4) ? draw(f, 2) : draw(f, f->cpu_count));

		if (draw(f, 700) == 0 && f->timer)
			run_on_cpu(cpu, timer_body, f);
		else
			unmap_on(f, cpu, 1);
		check_queues(f);
	}
	assert_true(f->flushes_begun > 10);
	assert_int_equal(f->cookie->fq_flush_start_cnt, f->flushes_begun);
	assert_int_equal(f->cookie->fq_flush_finish_cnt, f->flushes_begun);
}

static void unmap_during_flush(struct fixture *f)
{
	/* From the timer no ring is locked meanwhile. It is off already: this unmap arms it again. */
	f->in_flush = NULL;
	assert_int_equal(f->cookie->fq_timer_on, 0);
	unmap_here(f, NULL);
	assert_int_equal(f->cookie->fq_timer_on, 1);
}

static void the_timer_drains_every_cpu(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->cookie->fq_timer_on, 0);
	for (unsigned int cpu = 0; cpu < f->cpu_count; cpu++)
		unmap_on(f, cpu, 10);
	/* Armed once: arming an armed timer fails in __wrap_mod_timer(). */
	assert_int_equal(f->cookie->fq_timer_on, 1);
	assert_int_equal(f->delay_ns, 10000000);

	run_on_cpu(1, timer_body, f);
	assert_int_equal(f->flushes_begun, 1);
	assert_int_equal(check_queues(f), 0);
	assert_int_equal(f->cookie->fq_timer_on, 0);
	assert_null(f->timer);
}

static void a_flush_under_way_covers_nothing_new(void **state)
{
	struct fixture *f = *state;

	unmap_on(f, 0, 10);
	f->in_flush = unmap_during_flush;
	run_on_cpu(0, timer_body, f);
	assert_int_equal(f->flushes_ended, 1);
	assert_int_equal(check_queues(f), 1);

	/* What it queued waits for the next one. */
	assert_non_null(f->timer);
	run_on_cpu(1, timer_body, f);
	assert_int_equal(f->flushes_ended, 2);
	assert_int_equal(check_queues(f), 0);
}

static void fill_ring_during_flush(struct fixture *f)
{
	f->in_flush = NULL;
	for (int i = 0; i < RING_CAPACITY; i++)
		unmap_here(f, NULL);
	assert_int_equal(f->flushes_begun, 1);
	/* A flush that ends before the first one does is not enough for what has been queued since that began. */
	unmap_here(f, NULL);
	assert_int_equal(f->flushes_begun, 3);
}

static void a_ring_that_fills_during_a_flush_is_not_lost(void **state)
{
	struct fixture *f = *state;

	unmap_on(f, 0, 10);
	f->in_flush = fill_ring_during_flush;
	run_on_cpu(1, timer_body, f);
	assert_int_equal(f->flushes_ended, 3);
	check_queues(f);
	unmap_on(f, 1, 1);
	run_on_cpu(1, timer_body, f);
	assert_int_equal(check_queues(f), 0);
}

static void unmap_with_table_body(void *arg)
{
	struct page_list list = { 0 };

	list.pages = malloc(sizeof(*list.pages));
	assert_non_null(list.pages);
	list.pages[0] = NULL;
	list.count = 1;
	list.capacity = 1;
	unmap_here(arg, &list);
	assert_true(page_list_empty(&list));
	assert_null(list.pages);
}

static void table_pages_are_freed_after_the_flush(void **state)
{
	struct fixture *f = *state;

	f->list_frees_allowed_at = 1;
	for (int i = 0; i < 3; i++) {
		run_on_cpu(0, unmap_with_table_body, f);
		unmap_on(f, 0, 2);
	}
	run_on_cpu(1, unmap_with_table_body, f);
	assert_int_equal(f->lists_freed, 0);

	unmap_on(f, 0, RING_CAPACITY - 9);
	assert_int_equal(f->lists_freed, 0);
	unmap_on(f, 0, 1);
	assert_int_equal(f->lists_freed, 3);
	run_on_cpu(0, timer_body, f);
	assert_int_equal(f->lists_freed, 4);

	/* The same slots again, now without pages. */
	unmap_on(f, 0, 2 * RING_CAPACITY);
	run_on_cpu(0, timer_body, f);
	assert_int_equal(f->lists_freed, 4);
	assert_int_equal(check_queues(f), 0);
}

static void free_fq_body(void *arg)
{
	struct fixture *f = arg;

	iommu_dma_free_fq(f->cookie);
	/* Twice is harmless. */
	iommu_dma_free_fq(f->cookie);
}

static void taking_the_queue_down_frees_the_table_pages(void **state)
{
	struct fixture *f = *state;

	run_on_cpu(0, unmap_with_table_body, f);
	run_on_cpu(1, unmap_with_table_body, f);
	run_on_cpu(0, free_fq_body, f);
	assert_int_equal(f->lists_freed, 2);
	assert_int_equal(f->flushes_begun, 0);
	assert_null(f->cookie->fq_domain);
	assert_null(f->timer);
}

static void init_again_body(void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(iommu_dma_init_fq(f->cookie, f->cookie, NULL), 0);
}

static void a_lazy_domain_stays_as_it_is(void **state)
{
	struct fixture *f = *state;

	unmap_on(f, 0, 10);
	run_on_cpu(0, init_again_body, f);
	assert_ptr_equal(f->cookie->fq_domain, f);
	unmap_on(f, 0, RING_CAPACITY - 9);
	assert_int_equal(f->flushes_begun, 1);
	assert_int_equal(check_queues(f), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_ring_is_full_at_255, setup, teardown),
		cmocka_unit_test_setup_teardown(another_cpus_flush_frees_what_waits_here, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_freed_before_a_later_flush, setup, teardown),
		cmocka_unit_test_setup_teardown(the_timer_drains_every_cpu, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flush_under_way_covers_nothing_new, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ring_that_fills_during_a_flush_is_not_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(table_pages_are_freed_after_the_flush, setup, teardown),
		cmocka_unit_test_setup_teardown(taking_the_queue_down_frees_the_table_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lazy_domain_stays_as_it_is, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
