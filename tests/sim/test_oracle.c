/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_oracle.c - what a DMA may and may not do, by what was promised from its beginning to its end
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/oracle.h"

enum { PAGE = 3, DEVICE = 5 };

#define PHYS 0x5000
#define ELSEWHERE 0x6000

static void mapped(struct oracle *o)
{
	oracle_page_begins(o, PAGE);
	oracle_page_ends(o, PAGE, PROMISE_YES, 0x1000, PHYS);
}

static void attached(struct oracle *o)
{
	oracle_device_begins(o, DEVICE);
	oracle_device_ends(o, DEVICE, PROMISE_YES);
}

static void unmapped(struct oracle *o)
{
	oracle_page_begins(o, PAGE);
	oracle_page_ends(o, PAGE, PROMISE_NO, 0x1000, PHYS);
}

static void detached(struct oracle *o)
{
	oracle_device_begins(o, DEVICE);
	oracle_device_ends(o, DEVICE, PROMISE_NO);
}

static void unmap_begins(struct oracle *o)
{
	oracle_page_begins(o, PAGE);
}

static void detach_begins(struct oracle *o)
{
	oracle_device_begins(o, DEVICE);
}

static void lazily_unmapped(struct oracle *o)
{
	oracle_page_begins(o, PAGE);
	oracle_page_ends(o, PAGE, PROMISE_CHANGING, 0x1000, PHYS);
}

static void nothing(struct oracle *o)
{
	(void)o;
}

static void remapped(struct oracle *o)
{
	unmapped(o);
	mapped(o);
}

static void others_change(struct oracle *o)
{
	oracle_page_begins(o, PAGE + 1);
	oracle_page_ends(o, PAGE + 1, PROMISE_NO, 0, 0);
	oracle_device_begins(o, DEVICE + 1);
	oracle_device_ends(o, DEVICE + 1, PROMISE_NO);
}

/* What is found when the DMA is blocked, goes where the page is, goes elsewhere. */
struct dma_case {
	void (*before[4])(struct oracle *o);
	void (*meanwhile)(struct oracle *o);
	enum oracle_finding blocked, through, elsewhere;
};

static const struct dma_case cases[] = {
	/* nothing has ever been promised */
	{ { nothing }, nothing, ORACLE_FINE, ORACLE_LEAKED, ORACLE_LEAKED },
	{ { mapped }, nothing, ORACLE_FINE, ORACLE_LEAKED, ORACLE_LEAKED },
	{ { attached }, nothing, ORACLE_FINE, ORACLE_LEAKED, ORACLE_LEAKED },
	/* all is, from beginning to end */
	{ { mapped, attached }, nothing, ORACLE_MISSED, ORACLE_FINE, ORACLE_WRONG },
	{ { attached, mapped }, others_change, ORACLE_MISSED, ORACLE_FINE, ORACLE_WRONG },
	{ { mapped, attached, unmapped, mapped }, nothing, ORACLE_MISSED, ORACLE_FINE, ORACLE_WRONG },
	/* taken back before */
	{ { mapped, attached, unmapped }, nothing, ORACLE_FINE, ORACLE_LEAKED, ORACLE_LEAKED },
	{ { mapped, attached, detached }, nothing, ORACLE_FINE, ORACLE_LEAKED, ORACLE_LEAKED },
	/* on the way when it begins, or while it lasts: either is right */
	{ { mapped, attached, unmap_begins }, nothing, ORACLE_FINE, ORACLE_FINE, ORACLE_FINE },
	{ { mapped, attached, detach_begins }, nothing, ORACLE_FINE, ORACLE_FINE, ORACLE_FINE },
	{ { mapped, attached }, unmapped, ORACLE_FINE, ORACLE_FINE, ORACLE_FINE },
	{ { mapped, attached }, detached, ORACLE_FINE, ORACLE_FINE, ORACLE_FINE },
	{ { mapped, attached }, remapped, ORACLE_FINE, ORACLE_FINE, ORACLE_FINE },
	{ { mapped, attached, unmapped }, mapped, ORACLE_FINE, ORACLE_FINE, ORACLE_FINE },
	{ { mapped, attached, lazily_unmapped }, nothing, ORACLE_FINE, ORACLE_FINE, ORACLE_FINE },
	/* one of the two forbids it the whole time, whatever the other does */
	{ { mapped }, unmapped, ORACLE_FINE, ORACLE_LEAKED, ORACLE_LEAKED },
	{ { attached }, detached, ORACLE_FINE, ORACLE_LEAKED, ORACLE_LEAKED },
	{ { mapped, attached, unmapped }, detached, ORACLE_FINE, ORACLE_LEAKED, ORACLE_LEAKED },
};

static void test_judge(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct dma_case *c = &cases[i];
		struct oracle o = { 0 };
		struct oracle_look look;
		enum oracle_finding found[3];

		for (k = 0; k < 4 && c->before[k]; k++)
			c->before[k](&o);
		look = oracle_look(&o, PAGE, DEVICE);
		c->meanwhile(&o);
		found[0] = oracle_judge(&o, PAGE, DEVICE, &look, false, 0);
		found[1] = oracle_judge(&o, PAGE, DEVICE, &look, true, PHYS);
		found[2] = oracle_judge(&o, PAGE, DEVICE, &look, true, ELSEWHERE);
		if (found[0] != c->blocked || found[1] != c->through || found[2] != c->elsewhere)
			fail_msg("case %zu: %d, %d, %d instead of %d, %d, %d", i, found[0], found[1], found[2],
				 c->blocked, c->through, c->elsewhere);
	}
}

/* ---- a run's oracle ---- */

#define IOVA 0xfffff000ULL
#define DOMAIN 1

static struct oracle_run *two_caches(void)
{
	struct oracle_run *o = oracle_run_create(ORACLE_FULL);

	assert_non_null(o);
	assert_true(oracle_run_add_cache(o, DOMAIN, 0));
	assert_true(oracle_run_add_cache(o, DOMAIN, 1));
	return o;
}

static void unmap(struct oracle_run *o, enum oracle_unmap how, uint64_t time_ps)
{
	assert_non_null(oracle_run_unmap(o, DOMAIN, IOVA, ORACLE_BEGINS, 0, time_ps));
	assert_non_null(oracle_run_unmap(o, DOMAIN, IOVA, ORACLE_CLEARED, 0, time_ps + 1));
	assert_non_null(oracle_run_unmap(o, DOMAIN, IOVA, how, 0, time_ps + 2));
}

static void invalidate(struct oracle_run *o, uint32_t cache, unsigned int order, uint64_t time_ps)
{
	oracle_run_invalidated(o, DOMAIN, cache, IOVA >> 12, order, ORACLE_IOTLB_INVALIDATED, cache, time_ps);
}

/* From the return of the unmap to when the last cache has forgotten the page, whatever comes first. */
static void test_stale_window(void **state)
{
	static const unsigned int orders[] = { 0, 9, 10, 64 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct oracle_run *o = two_caches();

		assert_true(oracle_run_mapped(o, DOMAIN, IOVA, PHYS, 0, 0));
		invalidate(o, 0, orders[i], 50);
		unmap(o, ORACLE_LAZY, 100);
		assert_true(oracle_run_dma(o, DOMAIN, IOVA, 0, true, PHYS, 110));
		assert_true(oracle_run_dma(o, DOMAIN, IOVA, 0, false, 0, 110));
		/* One from before the entry was cleared does not count. */
		invalidate(o, 0, orders[i], 100);
		invalidate(o, 1, orders[i], 200);
		assert_int_equal(o->stats.windows, 0);
		invalidate(o, 0, orders[i], 302);
		invalidate(o, 1, orders[i], 400);
		assert_int_equal(o->stats.windows, 1);
		assert_int_equal(o->stats.window_sum_ps, 200);
		assert_int_equal(o->stats.window_max_ps, 200);
		assert_true(oracle_run_dma(o, DOMAIN, IOVA, 0, false, 0, 410));
		assert_false(oracle_run_dma(o, DOMAIN, IOVA, 0, true, PHYS, 420));
		assert_ptr_equal(strstr(o->violation, "M2"), o->violation);
		oracle_run_destroy(o);
	}
}

/* Each state a page can be in, and what a DMA may do there. */
static void test_run_dma(void **state)
{
	struct oracle_run *o = two_caches();

	(void)state;
	assert_true(oracle_run_dma(o, DOMAIN, IOVA, 0, false, 0, 1));
	assert_true(oracle_run_mapped(o, DOMAIN, IOVA, PHYS, 0, 2));
	assert_true(oracle_run_dma(o, DOMAIN, IOVA + 8, 0, true, PHYS + 8, 3));
	/* Other domains have addresses of their own. */
	assert_true(oracle_run_dma(o, DOMAIN - 1, IOVA, 0, false, 0, 3));
	unmap(o, ORACLE_STRICT, 4);
	assert_true(oracle_run_dma(o, DOMAIN, IOVA, 0, false, 0, 7));
	assert_int_equal(o->stats.windows, 0);
	assert_string_equal(o->violation, "");
	assert_false(oracle_run_dma(o, DOMAIN, IOVA, 3, true, PHYS, 8000001));
	assert_string_equal(o->violation,
			    "M2: a DMA of device 3 to IOVA 0xfffff000, which is not mapped, goes through\n"
			    "history of IOVA 0xfffff000, 7 of 7 events:\n"
			    "  0.000001 us  device 0: DMA is blocked\n"
			    "  0.000002 us  CPU 0: map returns\n"
			    "  0.000003 us  device 0: DMA goes through\n"
			    "  0.000004 us  CPU 0: unmap begins\n"
			    "  0.000006 us  CPU 0: unmap returns\n"
			    "  0.000007 us  device 0: DMA is blocked\n"
			    "  8.000001 us  device 3: DMA goes through");
	oracle_run_destroy(o);
}

/* The last 16 events stay, and many pages find theirs. */
static void test_history_of_many(void **state)
{
	struct oracle_run *o = two_caches();
	uint64_t i, k;

	(void)state;
	for (i = 0; i < 5000; i++)
		assert_true(oracle_run_mapped(o, DOMAIN, i << 12, PHYS + (i << 12), 0, i));
	for (i = 0; i < 5000; i++)
		for (k = 0; k < 20; k++)
			assert_true(oracle_run_dma(o, DOMAIN, i << 12, 0, true, PHYS + (i << 12), i + k));
	assert_false(oracle_run_dma(o, DOMAIN, 4321 << 12, 0, true, PHYS, 9000));
	assert_non_null(strstr(o->violation, "M1: a DMA of device 0 to IOVA 0x10e1000 goes to"));
	assert_non_null(strstr(o->violation, "16 of 22 events"));
	assert_null(strstr(o->violation, "map returns"));
	oracle_run_destroy(o);
}

/* One page in 16, and always the same ones. */
static void test_sample(void **state)
{
	struct oracle_run *o = oracle_run_create(ORACLE_SAMPLE);
	unsigned int watched = 0, pfn;

	(void)state;
	for (pfn = 0; pfn < 160000; pfn++)
		watched += oracle_watches(o, pfn);
	assert_in_range(watched, 9500, 10500);
	oracle_run_destroy(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),	cmocka_unit_test(test_stale_window),
		cmocka_unit_test(test_run_dma), cmocka_unit_test(test_history_of_many),
		cmocka_unit_test(test_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
