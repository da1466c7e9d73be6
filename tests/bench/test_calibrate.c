/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_calibrate.c - from samples to a machine file, with made-up noise; and the primitives on this machine
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>

#include "bench/calibrate.h"
#include "bench/hotpath_ops.h"
#include "bench/instruction_count.h"
#include "bench/pingpong.h"
#include "sim/exec/native_measure.h"
#include "tests/sim_test.h"

/* ---- one measurement ---- */

#define SAMPLES 100
#define ROUNDS_MAX 8

/* What happens in one round. */
struct script {
	uint64_t level_ps;	/* the samples are around it */
	unsigned int width_pct; /* and spread evenly over this much to both sides */
	uint32_t kept;		/* of SAMPLES; the rest are ten times as long */
	unsigned int noise;	/* of struct measurement_plan.measure */
	bool steal;		/* a tick of it */
	int error;
};

struct play {
	const struct script *script;
	uint32_t round;
	bool after;
	uint64_t steal_ns;
};

static int play_round(void *arg, uint64_t *sample_ps, uint32_t *kept, unsigned int *noise)
{
	struct play *p = arg;
	const struct script *s = &p->script[p->round];
	uint32_t i;

	for (i = 0; i < SAMPLES; i++) {
		uint64_t width_ps = s->level_ps * s->width_pct / 100;

		sample_ps[i] = s->level_ps - width_ps + 2 * width_ps * i / (SAMPLES - 1);
		if (i >= s->kept)
			sample_ps[i] = s->level_ps * 10;
	}
	*kept = s->kept;
	*noise = s->noise;
	return s->error;
}

/* Before and after each round. */
static int play_noise(void *arg, struct host_noise *now)
{
	struct play *p = arg;

	if (p->after && p->script[p->round].steal)
		p->steal_ns += 10000000;
	*now = (struct host_noise){ .time_ns = 50000000, .steal_ns = p->steal_ns };
	p->round += p->after;
	p->after = !p->after;
	return 0;
}

static int take(const struct script script[ROUNDS_MAX], uint32_t attempts, struct measurement *m)
{
	struct play play = { .script = script };
	const struct measurement_plan plan = {
		.rounds = 3,
		.max_rounds = attempts > 1 ? 4 : ROUNDS_MAX,
		.attempts = attempts,
		.samples = SAMPLES,
		.cpu_count = 2,
		.measure = play_round,
		.arg = &play,
		.read_noise = play_noise,
		.noise_arg = &play,
	};

	return measurement_take(&plan, m);
}

#define QUIET(level)                                                  \
	{                                                             \
		.level_ps = (level), .width_pct = 4, .kept = SAMPLES, \
	}
#define STOLEN(level)                                                                \
	{                                                                            \
		.level_ps = (level), .width_pct = 4, .kept = SAMPLES, .steal = true, \
	}

static void test_quantiles(void **state)
{
	uint64_t odd[] = { 5, 1, 3 }, even[] = { 4, 1, 3, 2 },
		 sorted[] = { 0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100 };
	int64_t differences[] = { 7, -9, -2, 100, -100 };

	(void)state;
	assert_int_equal(measurement_median(odd, 3), 3);
	assert_in_range(measurement_median(even, 4), 2, 3);
	assert_int_equal(measurement_quantile(sorted, 11, 0), 0);
	assert_int_equal(measurement_quantile(sorted, 11, 100), 10);
	assert_int_equal(measurement_quantile(sorted, 11, 900), 90);
	assert_int_equal(measurement_quantile(sorted, 11, 1000), 100);
	assert_int_equal(measurement_quantile(sorted, 1, 900), 0);
	assert_int_equal(measurement_median_signed(differences, 5), -2);
}

static void test_quiet(void **state)
{
	static const struct script script[ROUNDS_MAX] = { QUIET(60000), QUIET(61000), QUIET(60500) };
	struct measurement m;
	char verdict[200];

	(void)state;
	assert_int_equal(take(script, 1, &m), 0);
	assert_true(measurement_good(&m));
	assert_int_equal(m.rounds, 3);
	assert_int_equal(m.taken_rounds, 3);
	assert_int_equal(m.samples, 3 * SAMPLES);
	assert_int_equal(m.disturbed, 0);
	assert_in_range(m.median_ps, 60000, 61000);
	assert_in_range(m.p10_ps, 57600, 59500);
	assert_in_range(m.p90_ps, 61500, 63500);
	/* Half of what is evenly spread over 4 % to both sides is within 2 %. */
	assert_in_range(m.mad_ps, 1000, 1500);
	assert_in_range(m.low_ps, 59500, 60500);
	assert_in_range(m.high_ps, 60500, 61500);
	assert_string_equal(measurement_verdict(&m, verdict, sizeof(verdict)), "good");
}

/* Rounds with steal time are taken again, and do not count. */
static void test_steal(void **state)
{
	static const struct script script[ROUNDS_MAX] = { STOLEN(90000), QUIET(60000), STOLEN(10000), QUIET(60000),
							  QUIET(60000) };
	struct measurement m;

	(void)state;
	assert_int_equal(take(script, 1, &m), 0);
	assert_true(measurement_good(&m));
	assert_int_equal(m.rounds, 3);
	assert_int_equal(m.taken_rounds, 5);
	assert_int_equal(m.disturbed, 2);
	assert_int_equal(m.noise, NOISE_STEAL);
	assert_int_equal(m.samples, 3 * SAMPLES);
	assert_int_equal(m.low_ps, m.high_ps);
	assert_in_range(m.median_ps, 59500, 60500);
}

/* If there is steal time every time, the value is there, and not good. */
static void test_steal_always(void **state)
{
	static const struct script script[ROUNDS_MAX] = { STOLEN(60000), STOLEN(60000), QUIET(60000),
							  STOLEN(60000), STOLEN(60000), QUIET(60000),
							  STOLEN(60000), STOLEN(60000) };
	struct measurement m;
	char verdict[200];

	(void)state;
	assert_int_equal(take(script, 1, &m), 0);
	assert_false(measurement_good(&m));
	assert_int_equal(m.flaws, FLAW_NOISE);
	assert_int_equal(m.taken_rounds, ROUNDS_MAX);
	assert_int_equal(m.samples, ROUNDS_MAX * SAMPLES);
	assert_in_range(m.median_ps, 59500, 60500);
	assert_string_equal(measurement_verdict(&m, verdict, sizeof(verdict)), "steal time in 6 of 8 rounds");
}

/* Samples that were disturbed do not count, even where nothing else is left to count on. */
static void test_kept_samples(void **state)
{
	static const struct script some[ROUNDS_MAX] = { { .level_ps = 60000, .width_pct = 4, .kept = 30 },
							{ .level_ps = 60000, .width_pct = 4, .kept = 60 },
							{ .level_ps = 60000, .width_pct = 4, .kept = 99 } };
	static const struct script few[ROUNDS_MAX] = {
		{ .level_ps = 60000, .kept = 20, .noise = NOISE_SIBLING },
		{ .level_ps = 60000, .kept = 0 },
		{ .level_ps = 60000, .kept = 20, .noise = NOISE_SIBLING },
		{ .level_ps = 60000, .kept = 0, .noise = NOISE_LOAD },
		{ .level_ps = 60000, .kept = 0, .noise = NOISE_LOAD },
		{ .level_ps = 60000, .kept = 0, .noise = NOISE_LOAD },
		{ .level_ps = 60000, .kept = 0, .noise = NOISE_LOAD },
		{ .level_ps = 60000, .kept = 0, .noise = NOISE_FREQUENCY },
	};
	struct measurement m;
	char verdict[200];

	(void)state;
	assert_int_equal(take(some, 1, &m), 0);
	assert_true(measurement_good(&m));
	assert_int_equal(m.samples, 30 + 60 + 99);
	assert_in_range(m.p90_ps, 50000, 70000);

	assert_int_equal(take(few, 1, &m), 0);
	assert_int_equal(m.flaws, FLAW_NOISE);
	assert_int_equal(m.samples, 40);
	assert_int_equal(m.rounds, 2);
	assert_int_equal(m.median_ps, 60000);
	assert_string_equal(measurement_verdict(&m, verdict, sizeof(verdict)),
			    "other load, busy SMT sibling, changed frequency in 8 of 8 rounds");
}

static void test_spread(void **state)
{
	static const struct script script[ROUNDS_MAX] = { { .level_ps = 60000, .width_pct = 30, .kept = SAMPLES },
							  { .level_ps = 60000, .width_pct = 30, .kept = SAMPLES },
							  { .level_ps = 60000, .width_pct = 30, .kept = SAMPLES } };
	struct measurement m;
	char verdict[200];

	(void)state;
	assert_int_equal(take(script, 1, &m), 0);
	assert_int_equal(m.flaws, FLAW_SPREAD);
	assert_string_equal(measurement_verdict(&m, verdict, sizeof(verdict)), "samples spread by 15 %");
}

/* As if the hypervisor had moved a CPU. All of it is done over, and the last time counts. */
static void test_rounds_differ(void **state)
{
	static const struct script script[ROUNDS_MAX] = { QUIET(60000), QUIET(7000),  QUIET(60000),
							  QUIET(60000), QUIET(60000), QUIET(61000) };
	struct measurement m;
	char verdict[200];

	(void)state;
	assert_int_equal(take(script, 1, &m), 0);
	assert_int_equal(m.flaws & ~(unsigned int)FLAW_SPREAD, FLAW_ROUNDS);
	assert_non_null(strstr(measurement_verdict(&m, verdict, sizeof(verdict)), "rounds differ by 9"));
	assert_int_equal(take(script, 2, &m), 0);
	assert_true(measurement_good(&m));
	assert_int_equal(m.attempts, 2);
	assert_in_range(m.median_ps, 60000, 61000);
}

/* Next to nothing has no spread. */
static void test_resolution(void **state)
{
	static const struct script script[ROUNDS_MAX] = { { .level_ps = 500, .width_pct = 90, .kept = SAMPLES },
							  { .level_ps = 900, .width_pct = 90, .kept = SAMPLES },
							  { .level_ps = 100, .width_pct = 90, .kept = SAMPLES } };
	struct play play = { .script = script };
	struct measurement_plan plan = {
		.rounds = 3,
		.max_rounds = 3,
		.attempts = 1,
		.samples = SAMPLES,
		.cpu_count = 1,
		.measure = play_round,
		.arg = &play,
		.read_noise = play_noise,
		.noise_arg = &play,
	};
	struct measurement m;

	(void)state;
	assert_int_equal(measurement_take(&plan, &m), 0);
	assert_int_equal(m.flaws, FLAW_SPREAD | FLAW_ROUNDS);
	play = (struct play){ .script = script };
	plan.resolution_ps = 1000;
	assert_int_equal(measurement_take(&plan, &m), 0);
	assert_true(measurement_good(&m));
}

static void test_measure_fails(void **state)
{
	static const struct script script[ROUNDS_MAX] = { QUIET(60000), { .error = -EINTR } };
	struct measurement m;

	(void)state;
	assert_int_equal(take(script, 3, &m), -EINTR);
	assert_false(m.taken);
}

/* ---- noise of the host ---- */

static const char stat_text[] = "cpu  1000 0 0 9000 0 0 0 500 0 0\n"
				"cpu0 100 20 3 900 7 4 5 60 0 0\n"
				"cpu1 200 0 0 900 0 0 0 70 0 0\n"
				"cpu2 300 0 0 900 0 0 0 80 0 0\n"
				"cpu3 400 1 1 900 0 1 1 90 0 0\n"
				"cpu9 999 0 0 900 0 0 0 99 0 0\n"
				"intr 12345 cpu0\n";

static void test_proc_stat(void **state)
{
	static const uint32_t pus[] = { 0, 1, 2 };
	uint64_t tick_ns = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);
	struct topology topology;
	char err[TOPOLOGY_ERR_SIZE];
	struct host_watch watch = { &topology, pus, 1 };
	struct host_noise now = { .steal_ns = 1 };
	FILE *f;

	(void)state;
	assert_int_equal(topology_load(&topology, "package:1 core:2 pu:2", err, sizeof(err)), 0);
	/* CPU 0: its core's other thread is CPU 1. */
	f = fmemopen((void *)stat_text, sizeof(stat_text) - 1, "r");
	assert_int_equal(host_noise_add_stat(&watch, f, &now), 0);
	assert_int_equal(now.steal_ns, 60 * tick_ns + 1);
	assert_int_equal(now.sibling_busy_ns, 200 * tick_ns);
	/* CPUs 0 to 2: the only sibling that is not watched itself is CPU 3. */
	rewind(f);
	watch.cpu_count = 3;
	now = (struct host_noise){ 0 };
	assert_int_equal(host_noise_add_stat(&watch, f, &now), 0);
	assert_int_equal(now.steal_ns, (60 + 70 + 80) * tick_ns);
	assert_int_equal(now.sibling_busy_ns, (400 + 1 + 1 + 1 + 1) * tick_ns);
	fclose(f);
	topology_destroy(&topology);
}

static void test_noise_kinds(void **state)
{
	const struct host_noise before = { 1000000000, 500000000, 700000000 };
	struct host_noise after = { 1050000000, 500000000, 720000000 };
	char names[80];

	(void)state;
	assert_int_equal(host_noise_between(&before, &after, 1), 0);
	after.sibling_busy_ns = 745000000;
	assert_int_equal(host_noise_between(&before, &after, 1), NOISE_SIBLING);
	after.steal_ns += 10000000;
	assert_int_equal(host_noise_between(&before, &after, 1), NOISE_SIBLING | NOISE_STEAL);
	/* Counters that go back are no noise. */
	after.steal_ns = 400000000;
	after.sibling_busy_ns = 600000000;
	assert_int_equal(host_noise_between(&before, &after, 1), 0);
	assert_string_equal(host_noise_names(0, names, sizeof(names)), "");
	assert_string_equal(host_noise_names(NOISE_STEAL | NOISE_FREQUENCY, names, sizeof(names)),
			    "steal time, changed frequency");
	assert_true(strlen(host_noise_names(~0U, names, sizeof(names))) < sizeof(names) - 1);
}

/* This machine has a /proc/stat, and time passes. */
static void test_read_noise(void **state)
{
	static const uint32_t pu = 0;
	struct host_noise before, after;
	struct topology topology;
	const struct host_watch watch = { &topology, &pu, 1 };
	char err[TOPOLOGY_ERR_SIZE], model[64];

	(void)state;
	assert_int_equal(topology_load(&topology, "host", err, sizeof(err)), 0);
	assert_int_equal(host_noise_read(&watch, &before), 0);
	assert_int_equal(host_noise_read(&watch, &after), 0);
	assert_true(after.time_ns > before.time_ns);
	assert_true(after.steal_ns >= before.steal_ns);
	assert_true(strlen(host_cpu_model(model, sizeof(model))) > 0);
	topology_destroy(&topology);
}

/* ---- results ---- */

#define HIT_PS 300
#define ATOMIC_PS 6000

/* A virtual executor made of a table. */
struct fake_op {
	uint32_t hits, atomics;
	uint32_t steps[COST_STEP_COUNT];
};

static const struct fake_op fake_ops[CAL_OP_COUNT] = {
	[CAL_OP_IOVA] = { 18, 2, { [COST_IOVA_ALLOC] = 1, [COST_IOVA_FREE] = 1 } },
	[CAL_OP_PTE] = { 22,
			 0,
			 { [COST_MAP_WALK_LEVEL] = 4,
			   [COST_PTE_SET] = 1,
			   [COST_UNMAP_WALK_LEVEL] = 4,
			   [COST_PTE_CLEAR] = 1 } },
	[CAL_OP_FLUSH_1] = { 8,
			     1,
			     { [COST_FLUSH_RANGE_SETUP] = 1, [COST_SPIN_LOCK_IRQ] = 1, [COST_TAG_VISIT] = 1 } },
	[CAL_OP_FLUSH_8] = { 36,
			     1,
			     { [COST_FLUSH_RANGE_SETUP] = 1, [COST_SPIN_LOCK_IRQ] = 1, [COST_TAG_VISIT] = 8 } },
	[CAL_OP_QUEUE] = { 41, 4, { [COST_IOVA_ALLOC] = 1, [COST_IOVA_FREE] = 1, [COST_FQ_QUEUE] = 1 } },
	[CAL_OP_DMA_STATIC] = { 100,
				4,
				{ [COST_IOVA_ALLOC] = 1,
				  [COST_IOVA_FREE] = 1,
				  [COST_FQ_QUEUE] = 1,
				  [COST_PTE_SET] = 1,
				  [COST_DMA_MAP_ENTRY] = 1,
				  [COST_IOMMU_MAP] = 1,
				  [COST_DMA_MAP_EXIT] = 1,
				  [COST_DMA_UNMAP_ENTRY] = 1,
				  [COST_IOMMU_UNMAP] = 1,
				  [COST_DMA_UNMAP_EXIT] = 1 } },
	[CAL_OP_DMA_ALWAYS] = { 107,
				5,
				{ [COST_IOVA_ALLOC] = 1,
				  [COST_FLUSH_RANGE_SETUP] = 1,
				  [COST_SPIN_LOCK_IRQ] = 1,
				  [COST_TAG_VISIT] = 1 } },
	[CAL_OP_DMA_LEGACY] = { 105,
				4,
				{ [COST_DMA_MAP_ENTRY] = 1, [COST_XA_FOR_EACH] = 1, [COST_IOMMU_VISIT] = 1 } },
	[CAL_OP_DMA_STRICT] = { 139, 6, { [COST_DMA_MAP_ENTRY] = 1, [COST_QI_DESC] = 1, [COST_QI_SUBMIT] = 1 } },
};

static int fake_op(void *arg, enum calibrate_op op, const struct sim_params *sim, uint64_t *ps)
{
	const struct fake_op *f = &fake_ops[op];
	enum cost_step i;

	(void)arg;
	*ps = f->hits * sim->coh.l1_hit_ps + f->atomics * sim->coh.atomic_ps;
	for (i = 0; i < COST_STEP_COUNT; i++)
		*ps += f->steps[i] * sim->step_ps[i];
	return 0;
}

/* As if a hand-over took 2 ns more than the latency that the model was given. */
static int fake_handover(void *arg, enum topology_distance distance, const struct sim_params *sim, uint64_t *ps)
{
	static const enum coh_class of[] = {
		[DIST_SMT] = COH_SMT, [DIST_L3] = COH_L3, [DIST_PACKAGE] = COH_PACKAGE, [DIST_REMOTE] = COH_REMOTE
	};

	(void)arg;
	*ps = sim->coh.latency_ps[of[distance]] + 2000;
	return 0;
}

static const struct calibrate_virtual fake = { fake_op, fake_handover, NULL };

static int failing_op(void *arg, enum calibrate_op op, const struct sim_params *sim, uint64_t *ps)
{
	(void)arg, (void)op, (void)sim, (void)ps;
	return -ENOMEM;
}

/* What the fake executor takes with these steps per instruction and HIT_PS a hit. */
static void true_times(const struct sim_params *truth, uint64_t native_ps[CAL_OP_COUNT])
{
	enum calibrate_op op;

	for (op = 0; op < CAL_OP_COUNT; op++)
		fake_op(NULL, op, truth, &native_ps[op]);
}

static struct sim_params truth(void)
{
	static const uint64_t instructions[COST_STEP_COUNT] = {
#define X(name, count) [COST_##name] = (count),
		COST_STEPS(X)
#undef X
	};
	struct sim_params p = { .coh = { .l1_hit_ps = HIT_PS, .atomic_ps = ATOMIC_PS } };
	enum cost_step i;

	for (i = 0; i < COST_STEP_COUNT; i++)
		p.step_ps[i] = instructions[i] * 50;
	/* Its loads are all there is to a visit: that is what a hit's cost is found by. */
	p.step_ps[COST_TAG_VISIT] = 0;
	return p;
}

/* What went in comes out. */
static void test_fit_steps(void **state)
{
	const struct sim_params want = truth();
	struct sim_params sim = { .coh = { .atomic_ps = ATOMIC_PS } };
	uint64_t native_ps[CAL_OP_COUNT];
	bool clamped[COST_STEP_COUNT];
	enum cost_step i;

	(void)state;
	true_times(&want, native_ps);
	assert_int_equal(calibrate_fit_steps(native_ps, &sim, 1700, &fake, clamped), 0);
	assert_int_equal(sim.coh.l1_hit_ps, HIT_PS);
	for (i = 0; i < COST_STEP_COUNT; i++) {
		assert_false(clamped[i]);
		if (i == COST_RBTREE_STEP || i == COST_PAGE_ALLOC)
			continue;
		assert_in_range(sim.step_ps[i] + 1, want.step_ps[i], want.step_ps[i] + 2);
	}
	/* On no operation's way: the mean of the others, some of which take nothing. */
	assert_in_range(sim.step_ps[COST_PAGE_ALLOC], 400 * 45, 400 * 50);
	assert_in_range(sim.step_ps[COST_RBTREE_STEP], 12 * 45, 12 * 50);
}

/* A hit costs no more than a load that the next one waits for, and steps take the rest. */
static void test_fit_load(void **state)
{
	const struct sim_params want = truth();
	struct sim_params sim = { .coh = { .atomic_ps = ATOMIC_PS } };
	uint64_t native_ps[CAL_OP_COUNT], predicted_ps;
	bool clamped[COST_STEP_COUNT];
	enum calibrate_op op;

	(void)state;
	true_times(&want, native_ps);
	assert_int_equal(calibrate_fit_steps(native_ps, &sim, 200, &fake, clamped), 0);
	assert_int_equal(sim.coh.l1_hit_ps, 200);
	for (op = 0; op < CAL_OP_COUNT; op++) {
		if (op == CAL_OP_DMA_ALWAYS)
			continue; /* fitted by nothing */
		fake_op(NULL, op, &sim, &predicted_ps);
		assert_in_range(predicted_ps + 10, native_ps[op], native_ps[op] + 20);
	}
	assert_true(sim.step_ps[COST_TAG_VISIT] > 0);
}

/* Accesses that take longer than the operation: nothing goes below 0, and it is said. */
static void test_fit_clamps(void **state)
{
	const struct sim_params want = truth();
	struct sim_params sim = { .coh = { .atomic_ps = ATOMIC_PS } };
	uint64_t native_ps[CAL_OP_COUNT];
	bool clamped[COST_STEP_COUNT];

	(void)state;
	true_times(&want, native_ps);
	/* The unit is software there, and says nothing about hits. */
	native_ps[CAL_OP_DMA_STRICT] = 1000;
	assert_int_equal(calibrate_fit_steps(native_ps, &sim, 1700, &fake, clamped), 0);
	assert_int_equal(sim.coh.l1_hit_ps, HIT_PS);
	assert_true(clamped[COST_QI_DESC] && !clamped[COST_IOVA_ALLOC]);
	native_ps[CAL_OP_IOVA] = ATOMIC_PS;
	assert_int_equal(calibrate_fit_steps(native_ps, &sim, 1700, &fake, clamped), 0);
	assert_int_equal(sim.coh.l1_hit_ps, 0);
	assert_true(clamped[COST_IOVA_ALLOC] && clamped[COST_IOVA_FREE]);
	assert_true(clamped[COST_QI_DESC] && clamped[COST_QI_SUBMIT]);
	assert_false(clamped[COST_PTE_SET]);
	assert_int_equal(sim.step_ps[COST_IOVA_ALLOC], 0);
	assert_int_equal(sim.step_ps[COST_QI_SUBMIT], 0);
	assert_true(sim.step_ps[COST_PTE_SET] > 0);
}

static struct measurement value(uint64_t ps)
{
	return (struct measurement){
		.taken = true,
		.median_ps = ps,
		.p10_ps = ps - ps / 50,
		.p90_ps = ps + ps / 50,
		.mad_ps = ps / 100,
		.low_ps = ps,
		.high_ps = ps,
		.samples = 1000,
		.rounds = 5,
		.taken_rounds = 5,
		.attempts = 1,
	};
}

static struct measurement noisy(uint64_t ps)
{
	struct measurement m = value(ps);

	m.flaws = FLAW_NOISE;
	m.noise = NOISE_STEAL;
	m.disturbed = 4;
	return m;
}

static void add_class(struct host_calibration *c, enum topology_distance d, uint64_t ps)
{
	c->class[d].pairs_in_machine = c->class[d].pair_count = 1;
	c->class[d].pair[0].handover = c->class[d].handover = value(ps);
	c->class[d].pair[0].cpu[1] = 1;
}

static void test_pair_instructions(void **state)
{
	uint64_t permille = 0;

	(void)state;
	/* 1568 a pair, 34762 a flush, 125 of the count itself: as three counts of the real thing came out. */
	assert_int_equal(calibrate_pair_instructions(6397, 18941, 41159, 4, 2000, &permille), 0);
	assert_int_equal(permille, 1568000 + 34762000 / 255);
	/* A run that ended early, one that took a detour, and one that did not flush. */
	assert_int_equal(calibrate_pair_instructions(6397, 9000, 41159, 4, 2000, &permille), -ERANGE);
	assert_int_equal(calibrate_pair_instructions(9000, 18941, 41159, 4, 2000, &permille), -ERANGE);
	assert_int_equal(calibrate_pair_instructions(6397, 18941, 6397, 4, 2000, &permille), -ERANGE);
	assert_int_equal(calibrate_pair_instructions(6397, 6000, 41159, 4, 2000, &permille), -ERANGE);
}

/* A machine with two cores, all of it quiet. */
static struct host_calibration two_cores(void)
{
	struct host_calibration c = { .cpu_model = "Test CPU; with #4",
				      .kernel = "Linux 6.12",
				      .date = "2025-01-02T03:04:05Z",
				      .pu_count = 2,
				      .core_count = 2,
				      .l3_count = 1,
				      .package_count = 1 };
	const struct sim_params want = truth();
	uint64_t native_ps[CAL_OP_COUNT];
	enum calibrate_op op;

	true_times(&want, native_ps);
	for (op = 0; op < CAL_OP_COUNT; op++)
		c.op[op] = value(native_ps[op]);
	c.value[CAL_LOAD] = value(1700);
	c.value[CAL_CMPXCHG] = value(ATOMIC_PS);
	c.value[CAL_FETCH_LOAD] = value(73000);
	c.value[CAL_FETCH_ATOMIC] = value(75000);
	c.value[CAL_FETCH_UPGRADE] = value(100);
	add_class(&c, DIST_L3, 60000);
	c.contend_count = c.broadcast_count = 1;
	c.contend[0] = (struct calibrate_crowd){ .cpus = 2, .time = value(54000), .held_permille = 2500 };
	c.broadcast[0] = (struct calibrate_crowd){ .cpus = 2, .time = value(160000) };
	c.pair_instructions_permille = 1000000;
	return c;
}

static uint64_t good_result(const struct host_calibration *c, enum calibrate_result_id id)
{
	assert_int_equal(c->result[id].state, CAL_GOOD);
	assert_string_equal(c->result[id].why, "");
	return c->result[id].value;
}

static void derive(struct host_calibration *c)
{
	const struct sim_params sim = { .coh = { .write_occupancy_pct = 100, .dirty_read_occupancy_pct = 80 } };

	assert_int_equal(calibrate_derive(c, &sim, &fake), 0);
}

static void test_two_cores(void **state)
{
	static const enum calibrate_result_id absent[] = { CAL_RESULT_smt_ns, CAL_RESULT_cross_l3_ns,
							   CAL_RESULT_remote_ns,
							   CAL_RESULT_dirty_read_occupancy_pct,
							   CAL_RESULT_read_occupancy_ns };
	struct host_calibration c = two_cores();
	uint64_t accesses_ps = 100 * HIT_PS + 4 * ATOMIC_PS;
	size_t i;

	(void)state;
	derive(&c);
	assert_true(c.good);
	/* The simulated ping-pong adds 2 ns to whatever it is given. */
	assert_int_equal(good_result(&c, CAL_RESULT_local_ns), 58000);
	assert_int_equal(good_result(&c, CAL_RESULT_atomic_ns), ATOMIC_PS);
	assert_int_equal(good_result(&c, CAL_RESULT_l1_hit_ns), HIT_PS);
	assert_int_equal(good_result(&c, CAL_RESULT_write_occupancy_pct), 90);
	/* Two atomics of 6 ns, and the 10 % of 60 ns by which the next CPU is served early. */
	assert_int_equal(good_result(&c, CAL_RESULT_request_pct), 30);
	assert_int_equal(good_result(&c, CAL_RESULT_dirty_read_migrates), 1);
	assert_int_equal(good_result(&c, CAL_RESULT_instruction_ps),
			 (c.op[CAL_OP_DMA_STATIC].median_ps - accesses_ps + 500) / 1000);
	for (i = 0; i < ARRAY_SIZE(absent); i++) {
		assert_int_equal(c.result[absent[i]].state, CAL_ABSENT);
		assert_true(strlen(c.result[absent[i]].why) > 10);
	}
	assert_int_equal(c.steps, CAL_GOOD);
	assert_int_equal(c.op_virtual_ps[CAL_OP_IOVA], c.op[CAL_OP_IOVA].median_ps);
}

/* Many readers: dirty-read occupancy from the second, read occupancy from the further ones. */
static void test_many_cores(void **state)
{
	struct host_calibration c = two_cores();
	uint32_t i;

	(void)state;
	add_class(&c, DIST_SMT, 8000);
	add_class(&c, DIST_PACKAGE, 107000);
	add_class(&c, DIST_REMOTE, 130000);
	c.contend[1] = (struct calibrate_crowd){ .cpus = 8, .time = value(45000), .held_permille = 1000 };
	c.contend_count = 2;
	for (i = 1; i < 5; i++)
		c.broadcast[i] = (struct calibrate_crowd){ .cpus = 2 + i, .time = value(42000 + (i - 1) * 7000) };
	c.broadcast_count = 5;
	derive(&c);
	assert_true(c.good);
	assert_int_equal(good_result(&c, CAL_RESULT_smt_ns), 6000);
	assert_int_equal(good_result(&c, CAL_RESULT_cross_l3_ns), 105000);
	assert_int_equal(good_result(&c, CAL_RESULT_remote_ns), 128000);
	assert_int_equal(good_result(&c, CAL_RESULT_dirty_read_occupancy_pct), 70);
	assert_int_equal(good_result(&c, CAL_RESULT_read_occupancy_ns), 7000);
	/* The more CPUs, the surer. */
	assert_int_equal(good_result(&c, CAL_RESULT_write_occupancy_pct), 75);
	c.broadcast[3].time.flaws = FLAW_CLOCKS;
	derive(&c);
	assert_int_equal(c.result[CAL_RESULT_read_occupancy_ns].state, CAL_NOISY);
	assert_int_equal(c.result[CAL_RESULT_dirty_read_occupancy_pct].state, CAL_GOOD);
	assert_false(c.good);
}

/* What cannot be told is not made up. */
static void test_not_identifiable(void **state)
{
	struct host_calibration c = two_cores();

	(void)state;
	c.contend[0].time = value(34000);
	c.value[CAL_FETCH_UPGRADE] = value(30000);
	c.pair_instructions_permille = 0;
	c.pair_instructions_error = -EPERM;
	derive(&c);
	assert_int_equal(c.result[CAL_RESULT_write_occupancy_pct].state, CAL_ABSENT);
	assert_int_equal(c.result[CAL_RESULT_request_pct].state, CAL_ABSENT);
	assert_int_equal(c.result[CAL_RESULT_dirty_read_migrates].state, CAL_ABSENT);
	assert_int_equal(c.result[CAL_RESULT_instruction_ps].state, CAL_ABSENT);
	assert_non_null(strstr(c.result[CAL_RESULT_instruction_ps].why, "ptrace"));
	assert_true(c.good);

	c = two_cores();
	c.value[CAL_FETCH_UPGRADE] = value(60000);
	c.contend[0].held_permille = 1000;
	derive(&c);
	assert_int_equal(good_result(&c, CAL_RESULT_dirty_read_migrates), 0);
	assert_int_equal(c.result[CAL_RESULT_request_pct].state, CAL_ABSENT);
}

/* One CPU: nothing about lines, and no crash. */
static void test_one_cpu(void **state)
{
	struct host_calibration c = two_cores();

	(void)state;
	memset(c.class, 0, sizeof(c.class));
	memset(&c.value[CAL_FETCH_LOAD], 0, 3 * sizeof(c.value[0]));
	c.contend_count = c.broadcast_count = 0;
	derive(&c);
	assert_true(c.good);
	assert_int_equal(c.result[CAL_RESULT_local_ns].state, CAL_ABSENT);
	assert_int_equal(c.result[CAL_RESULT_write_occupancy_pct].state, CAL_ABSENT);
	assert_int_equal(c.result[CAL_RESULT_dirty_read_migrates].state, CAL_ABSENT);
	assert_int_equal(good_result(&c, CAL_RESULT_atomic_ns), ATOMIC_PS);
}

/* A bad measurement spoils what rests on it, and nothing else. */
static void test_noise_spreads(void **state)
{
	struct host_calibration c = two_cores();

	(void)state;
	c.op[CAL_OP_PTE] = noisy(c.op[CAL_OP_PTE].median_ps);
	derive(&c);
	assert_false(c.good);
	assert_int_equal(c.steps, CAL_NOISY);
	assert_int_equal(c.result[CAL_RESULT_l1_hit_ns].state, CAL_NOISY);
	assert_non_null(strstr(c.result[CAL_RESULT_l1_hit_ns].why, "steal time in 4 of 5 rounds"));
	assert_non_null(strstr(c.result[CAL_RESULT_l1_hit_ns].why, calibrate_op_text(CAL_OP_PTE)));
	assert_int_equal(c.result[CAL_RESULT_instruction_ps].state, CAL_NOISY);
	assert_int_equal(c.result[CAL_RESULT_local_ns].state, CAL_GOOD);
	assert_int_equal(c.result[CAL_RESULT_write_occupancy_pct].state, CAL_GOOD);

	c = two_cores();
	c.class[DIST_L3].handover = noisy(60000);
	derive(&c);
	assert_false(c.good);
	assert_int_equal(c.result[CAL_RESULT_local_ns].state, CAL_NOISY);
	assert_int_equal(c.result[CAL_RESULT_write_occupancy_pct].state, CAL_NOISY);
	assert_int_equal(c.result[CAL_RESULT_l1_hit_ns].state, CAL_GOOD);
	assert_int_equal(c.steps, CAL_GOOD);
}

static void test_virtual_fails(void **state)
{
	const struct calibrate_virtual failing = { failing_op, fake_handover, NULL };
	const struct sim_params sim = { .seed = 1 };
	struct host_calibration c = two_cores();

	(void)state;
	assert_int_equal(calibrate_derive(&c, &sim, &failing), -ENOMEM);
}

static void test_apply(void **state)
{
	struct sim_params sim = { .coh = { .latency_ps = { 0, 1, 2, 3, 4 }, .dirty_read_occupancy_pct = 55 } };
	struct host_calibration c = two_cores();

	(void)state;
	derive(&c);
	calibrate_apply(&c, &sim);
	assert_int_equal(sim.coh.latency_ps[COH_SMT], 1);
	assert_int_equal(sim.coh.latency_ps[COH_L3], 58000);
	assert_int_equal(sim.coh.latency_ps[COH_PACKAGE], 58000);
	assert_int_equal(sim.coh.latency_ps[COH_REMOTE], 4);
	assert_int_equal(sim.coh.l1_hit_ps, HIT_PS);
	assert_int_equal(sim.coh.atomic_ps, ATOMIC_PS);
	assert_int_equal(sim.coh.write_occupancy_pct, 90);
	assert_int_equal(sim.coh.dirty_read_occupancy_pct, 55);
	assert_int_equal(sim.coh.request_pct, 30);
	assert_true(sim.coh.dirty_read_migrates);
	assert_memory_equal(sim.step_ps, c.step_ps, sizeof(sim.step_ps));
	assert_in_range(sim.step_ps[COST_FQ_QUEUE], 230 * 50 - 2, 230 * 50 + 2);
}

/* ---- reports ---- */

static char *text_of(const struct host_calibration *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	calibrate_text(f, c, false);
	fclose(f);
	return text;
}

static void test_reports(void **state)
{
	struct host_calibration c = two_cores();
	json_t *json, *model;
	char *text;

	(void)state;
	c.op[CAL_OP_PTE] = noisy(c.op[CAL_OP_PTE].median_ps);
	derive(&c);
	text = text_of(&c);
	assert_non_null(strstr(text, "local_ns"));
	assert_non_null(strstr(text, "58.000 ns  good"));
	assert_non_null(strstr(text, "NOT GOOD: steal time in 4 of 5 rounds"));
	assert_non_null(strstr(text, "NOT ALL VALUES ARE GOOD"));
	assert_non_null(strstr(text, "remote_ns"));
	assert_null(strstr(text, "\033"));
	free(text);

	json = calibrate_json(&c);
	assert_non_null(json);
	model = json_object_get(json, "model");
	assert_false(json_is_true(json_object_get(json, "good")));
	assert_true(json_number_value(json_object_get(json_object_get(model, "local_ns"), "value")) == 58);
	assert_true(json_is_null(json_object_get(json_object_get(model, "remote_ns"), "value")));
	assert_string_equal(json_string_value(json_object_get(json_object_get(model, "l1_hit_ns"), "state")),
			    "noisy");
	assert_int_equal(json_object_size(json_object_get(json, "steps")), COST_STEP_COUNT);
	assert_int_equal(json_object_size(model), CAL_RESULT_COUNT);
	assert_int_equal(json_object_size(json_object_get(json, "operations")), CAL_OP_COUNT);
	json_decref(json);
}

/* ---- the machine file ---- */

struct dir {
	char path[64];
	char home[PATH_MAX];
};

static int make_dir(void **state)
{
	struct dir *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	strcpy(d->path, "/tmp/test_calibrate.XXXXXX");
	assert_non_null(mkdtemp(d->path));
	assert_non_null(getcwd(d->home, sizeof(d->home)));
	*state = d;
	return 0;
}

static int remove_dir(void **state)
{
	struct dir *d = *state;
	char command[128];

	assert_int_equal(chdir(d->home), 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", d->path);
	assert_int_equal(system(command), 0);
	free(d);
	return 0;
}

static int parse(struct options *o, const char *config, struct options_error *err)
{
	char *args[] = { (char *)"run", (char *)"--config", (char *)config, NULL };

	return options_parse(o, S_RUN, 3, args, NULL, err);
}

static void write_machine(const struct host_calibration *c, const char *path, bool accept_noisy)
{
	struct options_error err = { "" };
	struct topology topology;
	struct options o;
	char msg[TOPOLOGY_ERR_SIZE];

	assert_int_equal(topology_load(&topology, "package:1 l3:1 core:2 pu:1", msg, sizeof(msg)), 0);
	assert_int_equal(options_init(&o), 0);
	assert_int_equal(calibrate_check_output(path, &err), 0);
	if (calibrate_write(c, &topology, path, &o, accept_noisy, &err))
		fail_msg("%s", err.msg);
	options_free(&o);
	topology_destroy(&topology);
}

static char *file_text(const char *path)
{
	char *text = calloc(1, 65536);
	FILE *f = fopen(path, "r");

	assert_non_null(text);
	assert_non_null(f);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

/* Written here, read from there: the same values, and a topology that loads. */
static void test_round_trip(void **state)
{
	const struct dir *d = *state;
	struct host_calibration c = two_cores();
	struct options_error err = { "" };
	struct topology topology;
	struct options o;
	char path[128], xml[128], msg[TOPOLOGY_ERR_SIZE], *text;

	derive(&c);
	snprintf(path, sizeof(path), "%s/my.ini", d->path);
	snprintf(xml, sizeof(xml), "%s/my.xml", d->path);
	write_machine(&c, path, false);
	text = file_text(path);
	assert_non_null(strstr(text, "\nmachine = my.xml\n"));
	free(text);
	assert_int_equal(chdir("/"), 0);
	if (parse(&o, path, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(o.machine, xml);
	assert_int_equal(o.local_ns, 58000);
	assert_int_equal(o.l1_hit_ns, HIT_PS);
	assert_int_equal(o.atomic_ns, ATOMIC_PS);
	assert_int_equal(o.write_occupancy_pct, 90);
	assert_int_equal(o.request_pct, 30);
	assert_true(o.dirty_read_migrates);
	assert_int_equal(o.instruction_ps, c.result[CAL_RESULT_instruction_ps].value);
	/* Not measured: the defaults. */
	assert_int_equal(o.origin[OPTION_remote_ns].source, OPTIONS_DEFAULT);
	assert_int_equal(o.origin[OPTION_read_occupancy_ns].source, OPTIONS_DEFAULT);
	assert_int_equal(topology_load(&topology, o.machine, msg, sizeof(msg)), 0);
	assert_int_equal(topology.pu_count, 2);
	topology_destroy(&topology);
	options_free(&o);

	/* By a relative name, from its own directory and from the one above. */
	assert_int_equal(chdir(d->path), 0);
	assert_int_equal(parse(&o, "my.ini", &err), 0);
	assert_string_equal(o.machine, xml);
	options_free(&o);
	assert_int_equal(mkdir("below", 0700), 0);
	assert_int_equal(chdir("below"), 0);
	assert_int_equal(parse(&o, "../my.ini", &err), 0);
	assert_string_equal(o.machine, xml);
	options_free(&o);
}

/* Noisy values are comments, unless they are accepted; either way it says why. */
static void test_noisy_file(void **state)
{
	struct host_calibration c = two_cores();
	const struct dir *d = *state;
	struct options_error err = { "" };
	struct options o;
	char path[128], *text;
	int accept;

	c.value[CAL_CMPXCHG] = noisy(9000);
	derive(&c);
	snprintf(path, sizeof(path), "%s/my.ini", d->path);
	for (accept = 0; accept <= 1; accept++) {
		write_machine(&c, path, accept);
		if (parse(&o, path, &err))
			fail_msg("%s", err.msg);
		assert_int_equal(o.origin[OPTION_atomic_ns].source, accept ? OPTIONS_FILE : OPTIONS_DEFAULT);
		assert_int_equal(o.atomic_ns, accept ? 9000 : 6000);
		assert_int_equal(o.local_ns, 58000);
		options_free(&o);
		text = file_text(path);
		assert_non_null(strstr(text, "NOT ALL VALUES ARE GOOD"));
		assert_non_null(strstr(
			text, "; atomic_ns is NOT GOOD: compare-and-swap on an own line: steal time in 4 of"));
		assert_non_null(strstr(text, "cmpxchg = 9000 8820 9180 90 1000 5 4 noisy\n"));
		assert_non_null(strstr(text, "handover_l3_0_1 = 60000 "));
		assert_int_equal(strstr(text, "Measured: atomic_ns = 9.000\n") == NULL, accept);
		free(text);
	}
}

/* The longest reasons still make lines that the parser takes. */
static void test_long_reasons(void **state)
{
	struct host_calibration c = two_cores();
	const struct dir *d = *state;
	struct options_error err = { "" };
	enum calibrate_result_id id;
	struct options o;
	char path[128];

	derive(&c);
	for (id = 0; id < CAL_RESULT_COUNT; id++) {
		c.result[id].state = id % 2 ? CAL_NOISY : CAL_ABSENT;
		memset(c.result[id].why, 'x', sizeof(c.result[id].why) - 1);
		memset(c.result[id].why + 60, ' ', 1);
		memset(c.result[id].why + 120, ' ', 1);
		memset(c.result[id].why + 180, ' ', 1);
	}
	memset(c.cpu_model, 'y', sizeof(c.cpu_model) - 1);
	snprintf(path, sizeof(path), "%s/long", d->path);
	write_machine(&c, path, false);
	if (parse(&o, path, &err))
		fail_msg("%s", err.msg);
	options_free(&o);
}

/* The file's directory, not the current one; and only for what is a relative name of a file. */
static void test_relative_machine(void **state)
{
	static const struct {
		const char *written, *read; /* NULL: as written */
	} cases[] = {
		{ "host", NULL },
		{ "package:2 l3:1 core:4 pu:2", NULL },
		{ "/abs/olute.xml", NULL },
		{ "my.xml", "%s/sub/my.xml" },
		{ "below/machine", "%s/sub/below/machine" },
		{ "../my.xml", "%s/sub/../my.xml" },
	};
	const struct dir *d = *state;
	struct options_error err = { "" };
	char expected[256];
	struct options o;
	size_t i;
	FILE *f;

	assert_int_equal(chdir(d->path), 0);
	assert_int_equal(mkdir("sub", 0700), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		f = fopen("sub/m.ini", "w");
		assert_non_null(f);
		fprintf(f,
			"[calibration]\nanything = goes here\n[simbench]\nmachine = %s\n[calibration]\nmore = 1\n",
			cases[i].written);
		fclose(f);
		if (parse(&o, "sub/m.ini", &err))
			fail_msg("%s", err.msg);
		snprintf(expected, sizeof(expected), cases[i].read ? cases[i].read : "%.0s", d->path);
		assert_string_equal(o.machine, cases[i].read ? expected : cases[i].written);
		options_free(&o);
	}
	/* A section of almost that name is still an error. */
	f = fopen("sub/m.ini", "w");
	fprintf(f, "[calibrations]\nanything = 1\n");
	fclose(f);
	assert_int_equal(parse(&o, "sub/m.ini", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "[calibrations]") ? err.msg : strstr(err.msg, "calibrations"));
}

static void test_check_output(void **state)
{
	static const char *const bad[] = { "",	     "dir/",	  "a b.ini",	   "a;b.ini", "a#.ini",
					   "my.xml", "/dev/full", "no/such/x.ini", "sub",     "\303\244.ini" };
	const struct dir *d = *state;
	struct options_error err;
	char longest[200];
	size_t i;

	assert_int_equal(chdir(d->path), 0);
	assert_int_equal(mkdir("sub", 0700), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		err.msg[0] = '\0';
		assert_int_equal(calibrate_check_output(bad[i], &err), -EINVAL);
		assert_non_null(strstr(err.msg, "--output"));
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(calibrate_check_output(longest, &err), -EINVAL);
	assert_int_equal(calibrate_check_output("my.ini", &err), 0);
	assert_int_equal(calibrate_check_output("sub/my-2.ini", &err), 0);
	assert_int_equal(calibrate_check_output("mine", &err), 0);
}

/* ---- counting instructions ---- */

/* Two instructions a turn, and the same few besides, however many. */
static void run_turns(void *arg, void (*mark)(void *mark_arg), void *mark_arg)
{
	uint64_t turns = *(uint64_t *)arg;

	mark(mark_arg);
#if defined(__x86_64__)
	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(turns)::"cc");
#elif defined(__aarch64__)
	__asm__ volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(turns)::"cc");
#endif
	mark(mark_arg);
}

static void run_once(void *arg, void (*mark)(void *mark_arg), void *mark_arg)
{
	(void)arg;
	mark(mark_arg);
}

static void run_nothing(void *arg, void (*mark)(void *mark_arg), void *mark_arg)
{
	(void)arg, (void)mark, (void)mark_arg;
}

static void test_count_instructions(void **state)
{
	uint64_t few = 100, many = 1100, count[2] = { 0, 0 };
	int ret = count_instructions(run_turns, &few, 10000, &count[0]);

	(void)state;
	if (ret == -EPERM)
		skip();
	assert_int_equal(ret, 0);
	assert_int_equal(count_instructions(run_turns, &many, 10000, &count[1]), 0);
	/* A sanitizer's marks need not be the same every time. */
	assert_in_range(count[1] - count[0], 2 * (many - few) - 20, 2 * (many - few) + 20);
	assert_in_range(count[0], 2 * few, 2 * few + 500);
	assert_int_equal(count_instructions(run_once, NULL, 10000, &count[0]), -ECHILD);
	assert_int_equal(count_instructions(run_nothing, NULL, 10000, &count[0]), -ECHILD);
	many = 1ULL << 40;
	assert_int_equal(count_instructions(run_turns, &many, 20, &count[0]), -ETIME);
}

/* ---- this machine ---- */

static struct topology host;

static int load_host(void **state)
{
	char err[TOPOLOGY_ERR_SIZE];

	(void)state;
	return topology_load(&host, "host", err, sizeof(err));
}

static int unload_host(void **state)
{
	(void)state;
	topology_destroy(&host);
	return 0;
}

/*
 * Few samples: what matters is that they come. How long two CPUs take for something together is up to whoever else
 * has them: where they do not run at the same time, it is a scheduler's turns.
 */
#define FEW 20
#define NATIVE_MAX_PS 10000000000000

static struct native_measure measure_on(const uint32_t *pus, uint32_t cpu_count, uint32_t batch,
					struct native_probe *probes)
{
	memset(probes, 0, cpu_count * sizeof(*probes));
	return (struct native_measure){ .topology = &host,
					.pus = pus,
					.cpu_count = cpu_count,
					.samples = FEW,
					.batch = batch,
					.probes = probes };
}

static void assert_sane(uint64_t *sample_ps, uint64_t low_ps, uint64_t high_ps)
{
	assert_in_range(measurement_median(sample_ps, FEW), low_ps, high_ps);
}

static void test_native_ops(void **state)
{
	static const uint64_t low_ps[] = { 100, 500, 500, 100, 500 };
	const uint32_t pu = 0;
	uint8_t disturbed[FEW];
	struct native_probe probe;
	struct native_measure m = measure_on(&pu, 1, 1000, &probe);
	uint64_t sample_ps[FEW];
	enum native_op op;

	(void)state;
	m.disturbed = disturbed;
	for (op = NATIVE_OP_LOAD; op <= NATIVE_OP_CLOCK; op++) {
		memset(disturbed, 0xff, sizeof(disturbed));
		assert_int_equal(native_measure_op(&m, op, sample_ps), 0);
		assert_sane(sample_ps, low_ps[op], 2000000);
		assert_true(disturbed[0] <= (NATIVE_SHARED | NATIVE_PREEMPTED));
		assert_true(disturbed[FEW - 1] <= (NATIVE_SHARED | NATIVE_PREEMPTED));
	}
	assert_true(probe.wide_ps > 10000 && probe.wide_ps < 1000000000);
	assert_true(probe.chain_ps[0] > 1000000 && probe.chain_ps[1] > 1000000);
	assert_int_equal(native_measure_probes(&m), 0);
}

static void test_native_pairs(void **state)
{
	static const uint32_t pus[] = { 0, 1 };
	struct native_probe probes[2];
	struct native_measure m = measure_on(pus, 2, 4, probes);
	uint64_t sample_ps[FEW], more_ps[FEW], i;
	int64_t skew_ps[FEW];

	(void)state;
	if (host.pu_count < 2)
		skip();
	assert_int_equal(native_measure_pingpong(&m, sample_ps), 0);
	assert_sane(sample_ps, 500, NATIVE_MAX_PS);
	assert_int_equal(native_measure_contend(&m, sample_ps, more_ps), 0);
	assert_sane(sample_ps, 500, NATIVE_MAX_PS);
	/* Whoever gets the line does at least one. */
	for (i = 0; i < FEW; i++)
		assert_true(more_ps[i] >= 900);
	assert_int_equal(native_measure_broadcast(&m, sample_ps, more_ps), 0);
	/* One reader is both. */
	assert_memory_equal(sample_ps, more_ps, sizeof(sample_ps));
	assert_sane(sample_ps, 500, NATIVE_MAX_PS);
	assert_int_equal(native_measure_fetch(&m, NATIVE_FETCH_ATOMIC, sample_ps), 0);
	assert_sane(sample_ps, 0, NATIVE_MAX_PS);
	assert_int_equal(native_measure_skew(&m, skew_ps), 0);
	assert_true(llabs(measurement_median_signed(skew_ps, FEW)) < NATIVE_MAX_PS);
}

/* More threads than this machine has CPUs: they take turns, and all of them get through. */
static void test_native_crowd(void **state)
{
	static const uint32_t pus[] = { 0, 1, 0 };
	struct native_probe probes[3];
	struct native_measure m = measure_on(pus, 3, 1, probes);
	uint64_t first_ps[FEW], last_ps[FEW], i;
	uint8_t disturbed[FEW], all = 0;

	(void)state;
	if (host.pu_count < 2)
		skip();
	m.samples = 4;
	assert_int_equal(native_measure_broadcast(&m, first_ps, last_ps), 0);
	for (i = 0; i < m.samples; i++)
		assert_true(first_ps[i] <= last_ps[i]);
	/* Long enough for the leader to lose its CPU to the third thread, and to notice. */
	m.samples = FEW;
	m.batch = 512;
	m.disturbed = disturbed;
	assert_int_equal(native_measure_contend(&m, first_ps, NULL), 0);
	for (i = 0; i < m.samples; i++) {
		assert_true(first_ps[i] > 0);
		all |= i < m.samples - 1 ? disturbed[i] : 0;
	}
	assert_true(all & NATIVE_PREEMPTED);
}

static void test_native_interrupted(void **state)
{
	static const volatile sig_atomic_t interrupted = SIGINT;
	static const uint32_t pus[] = { 0, 1 };
	struct native_probe probes[2];
	struct native_measure m = measure_on(pus, 2, 4, probes);
	const struct pingpong_params params = { .iterations = 100, .interrupted = &interrupted };
	struct pingpong_native_result r;
	uint64_t sample_ps[FEW];
	int64_t skew_ps[FEW];

	(void)state;
	m.interrupted = &interrupted;
	assert_int_equal(native_measure_op(&m, NATIVE_OP_LOAD, sample_ps), -EINTR);
	if (host.pu_count < 2)
		skip();
	assert_int_equal(native_measure_pingpong(&m, sample_ps), -EINTR);
	assert_int_equal(native_measure_contend(&m, sample_ps, NULL), -EINTR);
	assert_int_equal(native_measure_broadcast(&m, sample_ps, NULL), -EINTR);
	assert_int_equal(native_measure_fetch(&m, NATIVE_FETCH_LOAD, sample_ps), -EINTR);
	assert_int_equal(native_measure_skew(&m, skew_ps), -EINTR);
	assert_int_equal(pingpong_native_run(&host, pus, &params, &r), -EINTR);
	assert_int_equal(pingpong_native_readers_run(&host, pus, 2, &params, &r), -EINTR);
}

static void test_disturbances(void **state)
{
	struct native_look quiet[2] = { { 1000, 5 }, { 1100, 5 } }, unknown[2] = { { 0, 0 }, { 0, 7 } };
	struct native_look shared[2] = { { 1000, 5 }, { 1300, 5 } }, preempted[2] = { { 1000, 5 }, { 1000, 6 } };

	(void)state;
	assert_int_equal(native_disturbances(quiet, 1000), 0);
	assert_int_equal(native_disturbances(unknown, 1000), 0);
	assert_int_equal(native_disturbances(shared, 1000), NATIVE_SHARED);
	assert_int_equal(native_disturbances(preempted, 1000), NATIVE_PREEMPTED);
}

static void test_native_pingpong(void **state)
{
	static const uint32_t pus[] = { 1, 0 };
	const struct pingpong_params params = { .iterations = 1000 };
	struct pingpong_native_result r;

	(void)state;
	if (host.pu_count < 2)
		skip();
	assert_int_equal(pingpong_native_run(&host, pus, &params, &r), 0);
	assert_true(r.count >= 2000 && r.count <= 5000);
	assert_true(r.samples && r.disturbed <= r.samples);
	assert_true(r.p10_ps <= r.median_ps && r.median_ps <= r.p90_ps);
	assert_in_range(r.median_ps, 500, 1000000000);
	assert_int_equal(pingpong_native_readers_run(&host, pus, 2, &params, &r), 0);
	assert_true(r.count >= 1000 && r.count <= 2000);
	assert_true(r.first_ps > 500);
}

/* ---- operations of the hot path, on both executors ---- */

static uint64_t op_ps(const struct sim_params *sim, enum hotpath_op op, enum policy policy, bool lazy,
		      uint32_t tags, int (*run)(const struct hotpath_ops_params *p, uint64_t *sample_ps))
{
	const struct hotpath_ops_params p = {
		.topology = &host,
		.sim = *sim,
		.op = op,
		.policy = policy,
		.lazy = lazy,
		.tags = tags,
		.warmup = 4 * HOTPATH_RING,
		.samples = 1,
		.batch = HOTPATH_RING,
	};
	uint64_t sample_ps;

	assert_int_equal(run(&p, &sample_ps), 0);
	return sample_ps;
}

static void test_hotpath_ops(void **state)
{
	struct sim_params sim = { .seed = 1 };
	uint64_t one, eight, always, fixed;

	(void)state;
#define X(name, instructions) sim.step_ps[COST_##name] = (instructions)*1000;
	COST_STEPS(X)
#undef X
	assert_int_equal(op_ps(&sim, HOTPATH_IOVA, POLICY_STATIC, true, 1, hotpath_ops_run), (190 + 145) * 1000);
	one = op_ps(&sim, HOTPATH_FLUSH_NP, POLICY_STATIC, true, 1, hotpath_ops_run);
	eight = op_ps(&sim, HOTPATH_FLUSH_NP, POLICY_STATIC, true, 8, hotpath_ops_run);
	assert_int_equal(one, (62 + 34 + 50) * 1000);
	assert_int_equal(eight - one, 7 * 50 * 1000);
	always = op_ps(&sim, HOTPATH_DMA, POLICY_ALWAYS, true, 1, hotpath_ops_run);
	fixed = op_ps(&sim, HOTPATH_DMA, POLICY_STATIC, true, 1, hotpath_ops_run);
	assert_int_equal(always - fixed, one);
	assert_true(op_ps(&sim, HOTPATH_QUEUE_IOVA, POLICY_STATIC, true, 1, hotpath_ops_run) >=
		    (190 + 145 + 230) * 1000);
	/* Five levels each way, an entry set and an entry cleared. */
	assert_int_equal(op_ps(&sim, HOTPATH_PTE, POLICY_STATIC, true, 1, hotpath_ops_run),
			 (5 * 24 + 60 + 5 * 18 + 60) * 1000);
}

static void count_mark(void *arg)
{
	++*(uint32_t *)arg;
}

static void test_native_hotpath_ops(void **state)
{
	static const volatile sig_atomic_t interrupted = SIGINT;
	const struct sim_params sim = { .seed = 1 };
	uint32_t marks = 0;
	struct hotpath_ops_params p = { .topology = &host,
					.op = HOTPATH_DMA,
					.policy = POLICY_ALWAYS,
					.lazy = true,
					.tags = 1,
					.samples = 3,
					.batch = HOTPATH_RING,
					.mark = count_mark,
					.mark_arg = &marks };
	uint64_t sample_ps[3];
	enum hotpath_op op;

	(void)state;
	for (op = HOTPATH_IOVA; op <= HOTPATH_DMA; op++) {
		assert_in_range(op_ps(&sim, op, POLICY_STATIC, true, 2, native_hotpath_ops_run), 1000, 1000000000);
		assert_in_range(op_ps(&sim, op, POLICY_LEGACY, op == HOTPATH_QUEUE_IOVA, 1, native_hotpath_ops_run),
				1000, 1000000000);
	}
	assert_int_equal(native_hotpath_ops_run(&p, sample_ps), 0);
	assert_int_equal(marks, 4);
	p.interrupted = &interrupted;
	assert_int_equal(native_hotpath_ops_run(&p, sample_ps), -EINTR);
	assert_int_equal(hotpath_ops_run(&p, sample_ps), -EINTR);
}

/* An interrupt ends the whole of it. */
static void test_run_interrupted(void **state)
{
	static const volatile sig_atomic_t interrupted = SIGINT;
	const struct calibrate_params params = { .topology = &host, .quick = true, .interrupted = &interrupted };
	struct host_calibration *c = malloc(sizeof(*c));

	(void)state;
	assert_non_null(c);
	assert_int_equal(calibrate_run(&params, c), -EINTR);
	free(c);
}

#define IN_DIR(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_steal),
		cmocka_unit_test(test_steal_always),
		cmocka_unit_test(test_kept_samples),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_rounds_differ),
		cmocka_unit_test(test_resolution),
		cmocka_unit_test(test_measure_fails),
		cmocka_unit_test(test_proc_stat),
		cmocka_unit_test(test_noise_kinds),
		cmocka_unit_test(test_read_noise),
		cmocka_unit_test(test_fit_steps),
		cmocka_unit_test(test_fit_load),
		cmocka_unit_test(test_fit_clamps),
		cmocka_unit_test(test_pair_instructions),
		cmocka_unit_test(test_two_cores),
		cmocka_unit_test(test_many_cores),
		cmocka_unit_test(test_not_identifiable),
		cmocka_unit_test(test_one_cpu),
		cmocka_unit_test(test_noise_spreads),
		cmocka_unit_test(test_virtual_fails),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_reports),
		IN_DIR(test_round_trip),
		IN_DIR(test_noisy_file),
		IN_DIR(test_long_reasons),
		IN_DIR(test_relative_machine),
		IN_DIR(test_check_output),
		cmocka_unit_test(test_count_instructions),
		cmocka_unit_test(test_native_ops),
		cmocka_unit_test(test_native_pairs),
		cmocka_unit_test(test_native_crowd),
		cmocka_unit_test(test_native_interrupted),
		cmocka_unit_test(test_disturbances),
		cmocka_unit_test(test_native_pingpong),
		cmocka_unit_test(test_hotpath_ops),
		cmocka_unit_test(test_native_hotpath_ops),
		cmocka_unit_test(test_run_interrupted),
	};

	return cmocka_run_group_tests(tests, load_host, unload_host);
}
