/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_race.c - what each call of a scenario does, one program at a time: what it returns, what a DMA then finds,
 * and that the next schedule knows nothing of it
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/options.h"
#include "sim/race.h"

#define CAP_RWBF (1ULL << 4)
#define CAP_CM (1ULL << 7)
#define MAX_STEPS 5000

/* Page n of iommu_map() is there. */
#define IOVA(page) (((uint64_t)(page) + 1) << 21)

enum { A, B };

#define ATTACH(d)                                \
	{                                        \
		.kind = RACE_ATTACH, .device = d \
	}
#define DETACH(d)                                \
	{                                        \
		.kind = RACE_DETACH, .device = d \
	}
#define MAP(p)                              \
	{                                   \
		.kind = RACE_MAP, .page = p \
	}
#define UNMAP(p)                              \
	{                                     \
		.kind = RACE_UNMAP, .page = p \
	}
#define UNMAP_2M(p)                              \
	{                                        \
		.kind = RACE_UNMAP_2M, .page = p \
	}
#define DMA_MAP(p)                              \
	{                                       \
		.kind = RACE_DMA_MAP, .page = p \
	}
#define DMA_UNMAP(p)                              \
	{                                         \
		.kind = RACE_DMA_UNMAP, .page = p \
	}
#define DMA(d, p)                                        \
	{                                                \
		.kind = RACE_DMA, .device = d, .page = p \
	}
#define LOOK(d, p)                                        \
	{                                                 \
		.kind = RACE_LOOK, .device = d, .page = p \
	}
#define AWAIT(p, n)                                          \
	{                                                    \
		.kind = RACE_AWAIT, .program = p, .count = n \
	}

/* Two like devices behind two like units, with the capabilities that a run has unless said, and @cap. */
static struct race_scenario scenario(enum policy policy, uint64_t cap0, uint64_t cap1)
{
	struct race_scenario s = {
		.units = 2, .devices = 2, .programs = 1, .unit_of = { 0, 1 }, .domain = { .policy = policy }
	};
	struct options o;

	assert_int_equal(options_init(&o), 0);
	s.cap[0] = (options_unit_cap(&o, 0) & ~(CAP_CM | CAP_RWBF)) | cap0;
	s.cap[1] = (options_unit_cap(&o, 0) & ~(CAP_CM | CAP_RWBF)) | cap1;
	s.ecap[0] = s.ecap[1] = options_unit_ecap(&o, 0);
	options_free(&o);
	return s;
}

static void set_ops(struct race_op *to, uint32_t *count, const struct race_op *ops, size_t size)
{
	*count = (uint32_t)(size / sizeof(*ops));
	memcpy(to, ops, size);
}

#define SETUP(s, ...)                                                     \
	do {                                                              \
		const struct race_op ops[] = { __VA_ARGS__ };             \
		set_ops((s)->setup, &(s)->setup_count, ops, sizeof(ops)); \
	} while (0)
#define PROGRAM(s, n, ...)                                                     \
	do {                                                                   \
		const struct race_op ops[] = { __VA_ARGS__ };                  \
		set_ops((s)->op[n], &(s)->op_count[n], ops, sizeof(ops));      \
		(s)->programs = (s)->programs > (n) ? (s)->programs : (n) + 1; \
	} while (0)

/* The first agent that can go on does, to its end. */
static struct explore_verdict run(struct race *r)
{
	struct strategy *s = strategy_replay(NULL, 0);
	struct explore_verdict v;

	assert_true(s && s->ops->begin(s));
	explore_log(race_explorer(r), true);
	explore_run(race_explorer(r), s, MAX_STEPS, &v);
	strategy_destroy(s);
	return v;
}

/* Without the blanks that show who called whom. */
static const char *said(const struct explore_event *e)
{
	return e->text + strspn(e->text, " ");
}

/* Its calls have said each of @want, in this order. */
static void assert_said(struct race *r, const char *const *want)
{
	uint32_t count, i;
	const struct explore_event *e = explore_events(race_explorer(r), &count);

	for (i = 0; *want && i < count; i++)
		if (e[i].kind == EVENT_TEXT && !strcmp(said(&e[i]), *want))
			want++;
	if (!*want)
		return;
	for (i = 0; i < count; i++)
		if (e[i].kind == EVENT_TEXT)
			print_message("%u: %s\n", e[i].agent, e[i].text);
	fail_msg("does not say \"%s\" where it should", *want);
}

static bool has_said(struct race *r, const char *text)
{
	uint32_t count, i;
	const struct explore_event *e = explore_events(race_explorer(r), &count);

	for (i = 0; i < count; i++)
		if (e[i].kind == EVENT_TEXT && !strcmp(said(&e[i]), text))
			return true;
	return false;
}

#define SAID(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* @s twice: what it says, and then the same once more. */
static void check_clean(const struct race_scenario *s, const char *const *want)
{
	struct explore_verdict v;
	struct race *r;
	uint64_t state;

	assert_int_equal(race_create(s, &r), 0);
	v = run(r);
	if (v.outcome != EXPLORE_FINISHED)
		fail_msg("%s: %s", v.rule, v.what);
	assert_false(race_refused(r));
	assert_said(r, want);
	state = explore_state_hash(race_explorer(r));
	v = run(r);
	assert_int_equal(v.outcome, EXPLORE_FINISHED);
	assert_said(r, want);
	assert_true(explore_state_hash(race_explorer(r)) == state);
	race_destroy(r);
}

static void test_calls(void **state)
{
	struct race_scenario s = scenario(POLICY_ALWAYS, 0, 0);

	(void)state;
	SETUP(&s, ATTACH(0));
	PROGRAM(&s, 0, MAP(A), DMA(0, A), MAP(A), UNMAP(A), DMA(0, A), MAP(B), UNMAP_2M(B), DMA(0, B), MAP(B),
		LOOK(0, B), DMA(0, B));
	check_clean(&s, SAID("map a", "map a returns 0", "device 0: DMA to a", "device 0: a translated, by a walk",
			     "map a returns -17", "unmap a returns 0", "device 0: a blocked, by a walk",
			     "map b returns 0", "free page table", "unmap b returns 0",
			     "device 0: b blocked, by a walk", "map b returns 0", "device 0: unit looks up b",
			     "device 0: b translated, by a walk", "device 0: b translated, by the IOTLB"));
}

static void test_attach_and_detach(void **state)
{
	struct race_scenario s = scenario(POLICY_STATIC, CAP_CM, CAP_CM);
	enum attach_order order;

	(void)state;
	SETUP(&s, ATTACH(0), MAP(A));
	PROGRAM(&s, 0, DMA(1, A), ATTACH(1), DMA(1, A), DETACH(1), DMA(1, A), ATTACH(1), DMA(1, A));
	for (order = ATTACH_KERNEL; order <= ATTACH_TAGS_FIRST; order++) {
		s.domain.attach_order = order;
		check_clean(&s, SAID("device 1: a blocked, for want of a context entry", "attach 1",
				     "attach 1 returns 0", "device 1: a translated, by a walk", "detach 1",
				     "detach 1 returns", "device 1: a blocked, for want of a context entry",
				     "attach 1 returns 0", "device 1: a translated, by a walk"));
	}
}

static void test_write_buffer(void **state)
{
	struct race_scenario s = scenario(POLICY_ALWAYS, CAP_RWBF, 0);

	(void)state;
	SETUP(&s, ATTACH(0));
	PROGRAM(&s, 0, MAP(A), DMA(0, A), UNMAP(A), DMA(0, A));
	check_clean(&s, SAID("device 0: a translated, by a walk", "device 0: a blocked, by a walk"));
}

static void test_device_tlb(void **state)
{
	struct race_scenario s = scenario(POLICY_ALWAYS, 0, 0);

	(void)state;
	s.ats = true;
	SETUP(&s, ATTACH(0));
	PROGRAM(&s, 0, MAP(A), DMA(0, A), DMA(0, A), UNMAP(A), DMA(0, A));
	check_clean(&s, SAID("device 0: a translated, by a walk", "device 0: a translated, by the device's TLB",
			     "device 0: a blocked, by a walk"));
}

static void test_dma_api(void **state)
{
	struct race_scenario s = scenario(POLICY_ALWAYS, 0, 0);

	(void)state;
	SETUP(&s, ATTACH(0));
	PROGRAM(&s, 0, DMA_MAP(A), DMA(0, A), DMA_UNMAP(A), DMA(0, A));
	check_clean(&s, SAID("dma_map a returns 0", "device 0: a translated, by a walk", "dma_unmap a returns 0",
			     "device 0: a blocked, by a walk"));
	s.domain.lazy = true;
	check_clean(&s, SAID("dma_map a returns 0", "device 0: a translated, by a walk", "dma_unmap a returns 0",
			     "device 0: a translated, by the IOTLB"));
}

/* The first program awaits the second one's first call, and that the first one's. */
static void test_await(void **state)
{
	struct race_scenario s = scenario(POLICY_ALWAYS, 0, 0);

	(void)state;
	SETUP(&s, ATTACH(0));
	PROGRAM(&s, 0, AWAIT(1, 1), MAP(A));
	PROGRAM(&s, 1, MAP(B), AWAIT(0, 2), UNMAP(A), UNMAP(B));
	check_clean(&s, SAID("map b returns 0", "map a", "map a returns 0", "unmap a", "unmap b returns 0"));
}

static void test_deadlock(void **state)
{
	struct race_scenario s = scenario(POLICY_ALWAYS, 0, 0);
	struct explore_verdict v;
	struct race *r;

	(void)state;
	PROGRAM(&s, 0, AWAIT(1, 1));
	PROGRAM(&s, 1, AWAIT(0, 1));
	assert_int_equal(race_create(&s, &r), 0);
	v = run(r);
	assert_int_equal(v.outcome, EXPLORE_DEADLOCK);
	assert_string_equal(v.rule, "M5");
	race_destroy(r);
}

static void test_refused(void **state)
{
	struct race_scenario s = scenario(POLICY_STATIC, 0, CAP_CM);
	struct race *r;
	int i;

	(void)state;
	SETUP(&s, ATTACH(0));
	PROGRAM(&s, 0, ATTACH(1));
	assert_int_equal(race_create(&s, &r), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(run(r).outcome, EXPLORE_FINISHED);
		assert_true(race_refused(r));
		assert_said(r, SAID("attach 1", "attach 1 returns -22"));
	}
	race_destroy(r);

	/* In the setup there is nothing to explore. */
	SETUP(&s, ATTACH(0), ATTACH(1));
	assert_int_equal(race_create(&s, &r), -EINVAL);
	SETUP(&s, ATTACH(0), MAP(A), MAP(A));
	assert_int_equal(race_create(&s, &r), -EEXIST);
}

static void test_allocation_fails(void **state)
{
	struct race_scenario s = scenario(POLICY_ALWAYS, 0, 0);
	struct explore_verdict v;
	struct race *r;
	uint32_t i;

	(void)state;
	SETUP(&s, ATTACH(0), MAP(A));
	PROGRAM(&s, 0, ATTACH(1), DMA(1, A), DMA(0, A));
	assert_int_equal(race_create(&s, &r), 0);
	for (i = 1; i < 100; i++) {
		explore_fail_allocation(race_explorer(r), 0, i);
		v = run(r);
		if (v.outcome != EXPLORE_FINISHED)
			fail_msg("allocation %u: %s: %s", i, v.rule, v.what);
		assert_false(race_refused(r));
		assert_said(r, SAID("device 0: a translated, by a walk"));
		/* None is left that could fail. */
		if (has_said(r, "attach 1 returns 0"))
			break;
		assert_said(r, SAID("attach 1 returns -12", "device 1: a blocked, for want of a context entry"));
	}
	assert_true(explore_allocation_failed(race_explorer(r)));
	assert_true(i > 1 && i < 100);
	race_destroy(r);
}

/* One program alone runs into a planted mistake. */
static void check_broken(const struct race_scenario *s, const char *rule, uint32_t page)
{
	struct explore_verdict v;
	struct race *r;

	assert_int_equal(race_create(s, &r), 0);
	v = run(r);
	assert_int_equal(v.outcome, EXPLORE_VIOLATION);
	assert_string_equal(v.rule, rule);
	assert_int_equal(v.iova, IOVA(page));
	race_destroy(r);
}

static void test_the_oracle_judges(void **state)
{
	struct race_scenario s = scenario(POLICY_ALWAYS, CAP_CM, CAP_CM);

	(void)state;
	SETUP(&s, ATTACH(0));
	PROGRAM(&s, 0, LOOK(0, B), MAP(B), DMA(0, B));
	check_clean(&s, SAID("device 0: b translated, by a walk"));
	s.domain.bug = BUG_NO_SYNC_MAP;
	check_broken(&s, "M1", B);

	PROGRAM(&s, 0, MAP(A), LOOK(0, A), UNMAP(A), DMA(0, A));
	s.domain.bug = BUG_NONE;
	check_clean(&s, SAID("device 0: a blocked, by a walk"));
	s.domain.bug = BUG_NO_SYNC_UNMAP;
	check_broken(&s, "M2", A);
}

/* What a listing calls an address. */
static void test_names(void **state)
{
	struct race_scenario s = scenario(POLICY_ALWAYS, 0, 0);
	bool entry = false, field = false;
	const struct explore_event *e;
	uint32_t count, i;
	char name[64];
	struct race *r;

	(void)state;
	SETUP(&s, ATTACH(0));
	PROGRAM(&s, 0, MAP(A));
	PROGRAM(&s, 1, MAP(B), UNMAP(A));
	assert_int_equal(race_create(&s, &r), 0);
	/* What both touch is listed, once that is known. */
	run(r);
	assert_int_equal(run(r).outcome, EXPLORE_FINISHED);
	e = explore_events(race_explorer(r), &count);
	for (i = 0; i < count; i++) {
		if (e[i].kind != ACCESS_LOAD && e[i].kind != ACCESS_STORE)
			continue;
		race_address_name(r, e[i].address, name, sizeof(name));
		if (!strcmp(name, "dmar_domain.max_addr")) {
			field = true;
			assert_int_equal(race_field_size(r, e[i].address), 8);
			assert_string_equal(race_pointed_name(r, (uintptr_t)e[i].address & ~63UL), "dmar_domain");
		}
		if (!strcmp(name, "page table+8") && e[i].kind == ACCESS_STORE) {
			entry = true;
			assert_int_equal(race_field_size(r, e[i].address), 8);
			assert_string_equal(race_pointed_name(r, (uintptr_t)e[i].address - 8), "page table");
		}
		if (!strcmp(name, "dmar_domain.flags"))
			assert_int_equal(race_field_size(r, e[i].address),
					 sizeof(((struct dmar_domain *)0)->flags));
	}
	assert_true(entry && field);
	assert_string_equal(race_address_name(r, NULL, name, sizeof(name)), "memory");
	assert_int_equal(race_field_size(r, NULL), 8);
	assert_null(race_pointed_name(r, 0));
	assert_null(race_pointed_name(r, 12345));
	race_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_attach_and_detach),
		cmocka_unit_test(test_write_buffer),
		cmocka_unit_test(test_device_tlb),
		cmocka_unit_test(test_dma_api),
		cmocka_unit_test(test_await),
		cmocka_unit_test(test_deadlock),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_allocation_fails),
		cmocka_unit_test(test_the_oracle_judges),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
