/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_oracle.c - what a DMA may and may not do, by what was promised from its beginning to its end
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
