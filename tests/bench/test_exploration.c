/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_exploration.c - schedules of the races: the same twice, by seed and by replay; all final states with fewer
 * schedules; their text
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/exploration.h"

#define MAX_STEPS 100000
/* Sanitizers take their time: there, one in so many races. */
#ifdef __SANITIZE_ADDRESS__
#define ONE_IN 5
#else
#define ONE_IN 1
#endif

static int take_pair(void *arg, const struct options_ini_pair *pair, struct options_error *err)
{
	return scenarios_take_pair(arg, pair, err);
}

static bool is_file(const char *arg)
{
	(void)arg;
	return true;
}

static void load(struct scenario_set *set, const char *file)
{
	char command[] = "explore", path[256];
	char *argv[] = { command, path };
	struct options_error err = { "" };
	struct options o;
	const struct options_input in = {
		.scope = S_EXPLORE,
		.argc = 2,
		.argv = argv,
		.positional = true,
		.config_args = is_file,
		.take_pair = take_pair,
		.take_arg = set,
	};

	snprintf(path, sizeof(path), "%s/configs/explore/%s", SIMBENCH_SOURCE_DIR, file);
	memset(set, 0, sizeof(*set));
	assert_int_equal(options_parse_input(&o, &in, &err), 0);
	assert_int_equal(scenarios_finish(set, &err), 0);
	options_free(&o);
}

struct outcome {
	uint64_t log, state;
	uint32_t steps;
	struct explore_segment *segments;
	uint32_t segment_count;
};

static struct race *make_race(struct race_scenario *s, const struct scenario_config *c, uint32_t policy, bool tso)
{
	struct race *r;

	*s = c->race;
	s->domain.policy = c->expect[policy].policy;
	assert_int_equal(race_create(s, &r), 0);
	explore_store_buffers(race_explorer(r), tso);
	return r;
}

static struct outcome run(struct explore *x, struct strategy *s)
{
	struct explore_verdict v;
	const struct explore_segment *segments;
	struct outcome o;

	assert_non_null(s);
	assert_true(s->ops->begin(s));
	explore_run(x, s, MAX_STEPS, &v);
	strategy_destroy(s);
	o.log = explore_log_hash(x);
	o.state = explore_state_hash(x);
	o.steps = v.steps;
	segments = explore_segments(x, &o.segment_count);
	o.segments = malloc((o.segment_count + 1UL) * sizeof(*segments));
	assert_non_null(o.segments);
	memcpy(o.segments, segments, o.segment_count * sizeof(*segments));
	return o;
}

/* By seed, then by what that run's schedule was. */
static void check_same_twice(const struct scenario_config *c, uint32_t policy, bool tso)
{
	struct race_scenario s;
	struct race *r = make_race(&s, c, policy, tso);
	struct explore *x = race_explorer(r);
	uint64_t seed;

	explore_log(x, true);
	explore_every_access(x, true);
	/* What others notice of it is logged: let it be known. */
	for (seed = 0; seed < 20; seed++)
		free(run(x, strategy_random(seed, 1)).segments);
	for (seed = 0; seed < 20; seed++) {
		struct outcome a, b, by_segments;

		explore_new_words(x);
		a = run(x, strategy_random(seed, 1));
		b = run(x, strategy_random(seed, 1));
		by_segments = run(x, strategy_replay(a.segments, a.segment_count));
		if (!explore_new_words(x)) {
			assert_int_equal(a.steps, b.steps);
			assert_true(a.log == b.log);
			assert_true(a.log == by_segments.log);
		}
		assert_true(a.state == b.state);
		assert_true(a.state == by_segments.state);
		free(a.segments);
		free(b.segments);
		free(by_segments.segments);
	}
	race_destroy(r);
}

static void test_schedules_are_the_same_twice(void **state)
{
	struct scenario_set set;
	uint32_t i, k;

	(void)state;
	load(&set, "races.ini");
	assert_true(set.count > 15);
	for (i = 0; i < set.count; i++) {
		for (k = 0; k < set.scenarios[i].expect_count; k++) {
			if ((i + k) % ONE_IN)
				continue;
			check_same_twice(&set.scenarios[i], k, false);
			check_same_twice(&set.scenarios[i], k, true);
		}
	}
	scenarios_destroy(&set);
}

/* ---- all final states ---- */

struct states {
	uint64_t v[4096];
	uint32_t count;
};

static void add_state(struct states *s, uint64_t v)
{
	uint32_t i;

	for (i = 0; i < s->count && s->v[i] != v; i++)
		;
	assert_true(i < 4096);
	s->v[i] = v;
	s->count += i == s->count;
}

/* False when there are more than @most schedules. */
static bool all_states(struct explore *x, struct strategy *(*make)(void), uint64_t most, struct states *states,
		       uint64_t *count)
{
	struct explore_verdict v;
	struct strategy *s;
	bool again;

	do {
		s = make();
		assert_non_null(s);
		again = false;
		states->count = 0;
		for (*count = 0; !again && *count <= most && s->ops->begin(s); ++*count) {
			explore_run(x, s, MAX_STEPS, &v);
			if (v.outcome != EXPLORE_PRUNED)
				add_state(states, explore_state_hash(x));
			again = explore_new_words(x);
		}
		strategy_destroy(s);
	} while (again);
	return *count <= most;
}

static struct strategy *all(void)
{
	return strategy_dfs(UINT32_MAX);
}

static void test_dpor_has_all_states(void **state)
{
	struct scenario_set set;
	uint32_t i, k, compared = 0;
	uint64_t few, many;

	(void)state;
	load(&set, "races.ini");
	for (i = 0; i < set.count; i++) {
		for (k = 0; k < set.scenarios[i].expect_count; k++) {
			static struct states by_dpor, by_dfs;
			struct race_scenario s;
			struct race *r;
			uint32_t n;

			if ((i + k) % ONE_IN)
				continue;
			r = make_race(&s, &set.scenarios[i], k, false);
			/* Few classes are not always few schedules. */
			if (all_states(race_explorer(r), strategy_dpor, 100, &by_dpor, &few) &&
			    all_states(race_explorer(r), all, 5000, &by_dfs, &many)) {
				/* Finding words out in another order, they are told from each other by the last. */
				assert_true(all_states(race_explorer(r), strategy_dpor, 1000, &by_dpor, &few));
				for (n = 0; n < by_dfs.count; n++)
					add_state(&by_dpor, by_dfs.v[n]);
				if (by_dpor.count != by_dfs.count || few > many)
					fail_msg("%s: %u of %u states", set.scenarios[i].name, by_dfs.count,
						 by_dpor.count);
				print_message("%s: %llu schedules, %llu by dpor, %u states\n",
					      set.scenarios[i].name, (unsigned long long)many,
					      (unsigned long long)few, by_dfs.count);
				compared++;
			}
			race_destroy(r);
		}
	}
	assert_true(compared >= 10 / ONE_IN);
	scenarios_destroy(&set);
}

/* ---- what no schedule decides is found out ---- */

static enum { NEVER, EVERY_OTHER, AFTER_A_VIOLATION } maps_fail;
static uint32_t maps;
static bool violated;

int __real_iommu_map(struct dmar_domain *domain, uint64_t iova, uint64_t paddr, uint64_t size, int prot);
int __wrap_iommu_map(struct dmar_domain *domain, uint64_t iova, uint64_t paddr, uint64_t size, int prot);

int __wrap_iommu_map(struct dmar_domain *domain, uint64_t iova, uint64_t paddr, uint64_t size, int prot)
{
	if ((maps_fail == EVERY_OTHER && ++maps % 2) || (maps_fail == AFTER_A_VIOLATION && violated))
		return -ENOMEM;
	return __real_iommu_map(domain, iova, paddr, size, prot);
}

void __real_explore_violation(struct explore *x, const char *rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void __wrap_explore_violation(struct explore *x, const char *rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void __wrap_explore_violation(struct explore *x, const char *rule, const char *format, ...)
{
	char what[256];
	va_list args;

	violated = true;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	__real_explore_violation(x, rule, "%s", what);
}

static void check_found_out(const struct scenario_config *c, enum explore_strategy strategy)
{
	const struct exploration_params p = {
		.scenario = c,
		.policy = c->expect->policy,
		.strategy = strategy,
		.seed = 1,
		.schedules = 20000,
		.depth = 3,
		.preemptions = 2,
	};
	struct exploration e;

	maps = 0;
	violated = false;
	assert_int_equal(exploration_run(&p, &e), 0);
	assert_int_equal(e.diverged, maps_fail != NEVER);
	assert_non_null(e.segments);
	assert_true(!e.diverged || !e.complete);
	exploration_free(&e);
}

static void test_nondeterminism_is_found_out(void **state)
{
	struct scenario_set set;
	int i;

	(void)state;
	load(&set, "planted.ini");
	assert_string_equal(set.scenarios[0].name, "no-sync-map");
	for (i = STRATEGY_RANDOM; i <= STRATEGY_DPOR; i++) {
		for (maps_fail = AFTER_A_VIOLATION; maps_fail > NEVER; maps_fail--)
			check_found_out(&set.scenarios[0], i);
		check_found_out(&set.scenarios[0], i);
	}
	scenarios_destroy(&set);
}

/* ---- made shorter, and written down ---- */

static void check_replays(enum explore_memory memory)
{
	struct scenario_set set;
	uint32_t i;

	load(&set, "planted.ini");
	for (i = 0; i < set.count; i++) {
		const struct exploration_params p = {
			.scenario = &set.scenarios[i],
			.policy = set.scenarios[i].expect->policy,
			.strategy = STRATEGY_PCT,
			.memory = memory,
			.seed = 3,
			.schedules = 20000,
			.depth = 3,
		};
		struct exploration e;
		char *text = NULL;
		size_t size = 0;
		FILE *f = open_memstream(&text, &size);

		assert_int_equal(exploration_run(&p, &e), 0);
		assert_int_equal(exploration_verdict(&e), set.scenarios[i].expect->verdict);
		assert_non_null(e.segments);
		assert_int_equal(exploration_print(f, &p, e.segments, e.segment_count, e.fail_at), 0);
		fclose(f);
		assert_non_null(strstr(text, e.verdict.rule));
		free(text);
		exploration_free(&e);
	}
	scenarios_destroy(&set);
}

static void test_short_schedules_still_fail(void **state)
{
	(void)state;
	check_replays(MEMORY_SC);
	check_replays(MEMORY_TSO);
}

static void test_segments_text(void **state)
{
	static const char *const good[] = { "", "0:1", "fail:7,0:12,31:3,5:999999999", "0:57,1:12,3:2" };
	static const char *const bad[] = { "0", "0:", ":1", "0:1;1:2", "32:1", "x:1", "0:1,x", "0:1 ", "-1:2" };
	uint32_t i, count, fail_at;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct explore_segment *s = exploration_parse_segments(good[i], &count, &fail_at);
		char *text;

		assert_non_null(s);
		text = exploration_segments_text(s, count, fail_at);
		assert_string_equal(text, good[i]);
		free(text);
		free(s);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(exploration_parse_segments(bad[i], &count, &fail_at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedules_are_the_same_twice),
		cmocka_unit_test(test_dpor_has_all_states),
		cmocka_unit_test(test_nondeterminism_is_found_out),
		cmocka_unit_test(test_short_schedules_still_fail),
		cmocka_unit_test(test_segments_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
