/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * calibrate_derive.c - from measurements to the model's parameters
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "bench/calibrate.h"
#include "bench/hotpath_ops.h"

/* A hit's cost while operations are compared with and without it. */
#define HIT_PS 1000

static const uint32_t step_instructions[COST_STEP_COUNT] = {
#define X(name, instructions) [COST_##name] = (instructions),
	COST_STEPS(X)
#undef X
};

/* ---- steps ---- */

#define GROUP_STEPS 6

/*
 * What an operation still lacks is the time of these steps of it; or, with a second one, what it takes longer than
 * that. In this order, so that all other steps of an operation are known.
 */
static const struct group {
	enum calibrate_op op;
	bool beyond; /* another operation */
	enum calibrate_op other;
	unsigned int count;
	enum cost_step step[GROUP_STEPS];
} groups[] = {
	{ .op = CAL_OP_IOVA, .count = 2, .step = { COST_IOVA_ALLOC, COST_IOVA_FREE } },
	{ .op = CAL_OP_PTE,
	  .count = 4,
	  .step = { COST_MAP_WALK_LEVEL, COST_PTE_SET, COST_UNMAP_WALK_LEVEL, COST_PTE_CLEAR } },
	{ .op = CAL_OP_FLUSH_8, .beyond = true, .other = CAL_OP_FLUSH_1, .count = 1, .step = { COST_TAG_VISIT } },
	{ .op = CAL_OP_FLUSH_1, .count = 2, .step = { COST_FLUSH_RANGE_SETUP, COST_SPIN_LOCK_IRQ } },
	{ .op = CAL_OP_QUEUE, .count = 1, .step = { COST_FQ_QUEUE } },
	{ .op = CAL_OP_DMA_STATIC,
	  .count = 6,
	  .step = { COST_DMA_MAP_ENTRY, COST_IOMMU_MAP, COST_DMA_MAP_EXIT, COST_DMA_UNMAP_ENTRY, COST_IOMMU_UNMAP,
		    COST_DMA_UNMAP_EXIT } },
	{ .op = CAL_OP_DMA_LEGACY, .count = 2, .step = { COST_XA_FOR_EACH, COST_IOMMU_VISIT } },
	{ .op = CAL_OP_DMA_STRICT, .count = 2, .step = { COST_QI_DESC, COST_QI_SUBMIT } },
};

/* On no operation's way: they get the time per instruction of those that are. */
static const enum cost_step rare_steps[] = { COST_RBTREE_STEP, COST_PAGE_ALLOC };

/* The time of a group's operation, or its time beyond the other one's. */
static int virtual_time(const struct calibrate_virtual *v, const struct group *g, const struct sim_params *sim,
			int64_t *ps)
{
	uint64_t op_ps, other_ps = 0;
	int ret = v->op(v->arg, g->op, sim, &op_ps);

	if (!ret && g->beyond)
		ret = v->op(v->arg, g->other, sim, &other_ps);
	if (!ret)
		*ps = (int64_t)(op_ps - other_ps);
	return ret;
}

static int64_t native_time(const struct group *g, const uint64_t native_ps[CAL_OP_COUNT])
{
	return (int64_t)(native_ps[g->op] - (g->beyond ? native_ps[g->other] : 0));
}

/* The most that a hit can cost; the unit's software in DMA_STRICT is not the model's. */
static int fit_hit(const uint64_t native_ps[CAL_OP_COUNT], struct sim_params *sim, uint64_t load_ps,
		   const struct calibrate_virtual *v)
{
	int64_t most_ps = (int64_t)load_ps, without_ps = 0, with_ps = 0, hit_ps;
	size_t i;

	memset(sim->step_ps, 0, sizeof(sim->step_ps));
	for (i = 0; i < ARRAY_SIZE(groups) && groups[i].op != CAL_OP_DMA_STRICT; i++) {
		int ret;

		sim->coh.l1_hit_ps = 0;
		ret = virtual_time(v, &groups[i], sim, &without_ps);
		sim->coh.l1_hit_ps = HIT_PS;
		if (!ret)
			ret = virtual_time(v, &groups[i], sim, &with_ps);
		if (ret)
			return ret;
		if (with_ps <= without_ps)
			continue;
		hit_ps = (native_time(&groups[i], native_ps) - without_ps) * HIT_PS / (with_ps - without_ps);
		most_ps = hit_ps < most_ps ? hit_ps : most_ps;
	}
	sim->coh.l1_hit_ps = most_ps > 0 ? (uint64_t)most_ps : 0;
	return 0;
}

/* One instruction of these steps costs @rate_ppm millionths of a picosecond. */
static void set_steps(struct sim_params *sim, const enum cost_step *step, unsigned int count, int64_t rate_ppm)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		sim->step_ps[step[i]] = ((uint64_t)rate_ppm * step_instructions[step[i]] + 500000) / 1000000;
}

static int fit_group(const struct group *g, const uint64_t native_ps[CAL_OP_COUNT], struct sim_params *sim,
		     const struct calibrate_virtual *v, bool clamped[COST_STEP_COUNT])
{
	int64_t without_ps = 0, with_ps = 0, lacking_ps;
	unsigned int i;
	int ret;

	set_steps(sim, g->step, g->count, 0);
	ret = virtual_time(v, g, sim, &without_ps);
	/* With a nanosecond an instruction, the difference counts them. */
	set_steps(sim, g->step, g->count, 1000 * 1000000LL);
	if (!ret)
		ret = virtual_time(v, g, sim, &with_ps);
	if (ret)
		return ret;
	lacking_ps = native_time(g, native_ps) - without_ps;
	for (i = 0; i < g->count; i++)
		clamped[g->step[i]] = lacking_ps < 0;
	if (lacking_ps < 0 || with_ps <= without_ps)
		lacking_ps = 0;
	set_steps(sim, g->step, g->count, lacking_ps ? lacking_ps * 1000000000LL / (with_ps - without_ps) : 0);
	return 0;
}

/* Over all steps that have been fitted to something. */
static int64_t mean_rate_ppm(const struct sim_params *sim)
{
	uint64_t ps = 0, instructions = 0;
	size_t i;
	unsigned int k;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		for (k = 0; k < groups[i].count; k++) {
			ps += sim->step_ps[groups[i].step[k]];
			instructions += step_instructions[groups[i].step[k]];
		}
	/* cppcheck-suppress zerodiv */
	return (int64_t)(ps * 1000000 / instructions);
}

int calibrate_fit_steps(const uint64_t native_ps[CAL_OP_COUNT], struct sim_params *sim, uint64_t load_ps,
			const struct calibrate_virtual *v, bool clamped[COST_STEP_COUNT])
{
	size_t i;
	int ret;

	memset(clamped, 0, COST_STEP_COUNT * sizeof(*clamped));
	ret = fit_hit(native_ps, sim, load_ps, v);
	for (i = 0; !ret && i < ARRAY_SIZE(groups); i++)
		ret = fit_group(&groups[i], native_ps, sim, v, clamped);
	if (!ret)
		set_steps(sim, rare_steps, ARRAY_SIZE(rare_steps), mean_rate_ppm(sim));
	return ret;
}

/* ---- results ---- */

/* Good, until something that it rests on says otherwise. */
static struct calibrate_result *set_result(struct host_calibration *c, enum calibrate_result_id id, uint64_t value)
{
	struct calibrate_result *r = &c->result[id];

	*r = (struct calibrate_result){ .state = CAL_GOOD, .value = value };
	return r;
}

static void set_absent(struct host_calibration *c, enum calibrate_result_id id, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void set_absent(struct host_calibration *c, enum calibrate_result_id id, const char *format, ...)
{
	struct calibrate_result *r = &c->result[id];
	va_list args;

	*r = (struct calibrate_result){ .state = CAL_ABSENT };
	va_start(args, format);
	vsnprintf(r->why, sizeof(r->why), format, args);
	va_end(args);
}

/* The result rests on @m. */
static void rest_on(struct calibrate_result *r, const struct measurement *m, const char *what)
{
	char verdict[200];

	if (measurement_good(m) || r->state != CAL_GOOD)
		return;
	r->state = CAL_NOISY;
	snprintf(r->why, sizeof(r->why), "%.48s: %.199s", what, measurement_verdict(m, verdict, sizeof(verdict)));
}

/* The result rests on another one. */
static void rest_on_result(struct host_calibration *c, struct calibrate_result *r, enum calibrate_result_id other)
{
	if (c->result[other].state == CAL_GOOD || r->state != CAL_GOOD)
		return;
	r->state = CAL_NOISY;
	snprintf(r->why, sizeof(r->why), "rests on %s", calibrate_result_key(other));
}

static void derive_atomic(struct host_calibration *c, struct sim_params *sim)
{
	struct calibrate_result *r = set_result(c, CAL_RESULT_atomic_ns, c->value[CAL_CMPXCHG].median_ps);

	rest_on(r, &c->value[CAL_CMPXCHG], calibrate_value_text(CAL_CMPXCHG));
	sim->coh.atomic_ps = r->value;
}

static const struct {
	enum calibrate_result_id result;
	enum coh_class coh;
	const char *absent;
} classes[] = {
	[DIST_SMT] = { CAL_RESULT_smt_ns, COH_SMT, "no two CPUs are threads of one core" },
	[DIST_L3] = { CAL_RESULT_local_ns, COH_L3, "no two cores share an L3" },
	[DIST_PACKAGE] = { CAL_RESULT_cross_l3_ns, COH_PACKAGE, "no package has several L3 caches" },
	[DIST_REMOTE] = { CAL_RESULT_remote_ns, COH_REMOTE,
			  "there is one package: this machine says nothing about remote latency" },
};

static void start_latencies(const struct host_calibration *c, struct sim_params *sim)
{
	enum topology_distance d;

	for (d = DIST_SMT; d <= DIST_REMOTE; d++)
		if (c->class[d].pair_count)
			sim->coh.latency_ps[classes[d].coh] = c->class[d].handover.median_ps;
	if (!c->class[DIST_PACKAGE].pair_count)
		sim->coh.latency_ps[COH_PACKAGE] = sim->coh.latency_ps[COH_L3];
}

/* The latency with which the simulated ping-pong takes what the real one took. */
static int derive_latency(struct host_calibration *c, enum topology_distance d, struct sim_params *sim,
			  const struct calibrate_virtual *v)
{
	uint64_t *latency_ps = &sim->coh.latency_ps[classes[d].coh], virtual_ps;
	const struct measurement *m = &c->class[d].handover;
	int64_t better_ps;
	int ret;

	ret = v->handover(v->arg, d, sim, &virtual_ps);
	if (ret)
		return ret;
	better_ps = (int64_t)(*latency_ps + m->median_ps - virtual_ps);
	*latency_ps = better_ps > 0 ? (uint64_t)better_ps : 0;
	rest_on(set_result(c, classes[d].result, *latency_ps), m, calibrate_class_text(d));
	return 0;
}

static int derive_latencies(struct host_calibration *c, struct sim_params *sim, const struct calibrate_virtual *v)
{
	enum topology_distance d;
	int ret = 0;

	for (d = DIST_SMT; !ret && d <= DIST_REMOTE; d++) {
		if (c->class[d].pair_count)
			ret = derive_latency(c, d, sim, v);
		else
			set_absent(c, classes[d].result, "%s", classes[d].absent);
	}
	if (!c->class[DIST_PACKAGE].pair_count)
		sim->coh.latency_ps[COH_PACKAGE] = sim->coh.latency_ps[COH_L3];
	return ret;
}

static uint64_t percent(uint64_t part, uint64_t whole)
{
	uint64_t pct = whole ? (part * 100 + whole / 2) / whole : 0;

	return pct < 100 ? pct : 100;
}

/*
 * With all CPUs at one line, the next one is served when the line is no longer busy: the time from one to the next
 * is the occupancy. Two CPUs cannot tell an occupancy below half of the latency and an atomic, because neither asks
 * again any sooner.
 */
static bool derive_write_occupancy(struct host_calibration *c, struct sim_params *sim)
{
	uint64_t latency_ps = c->class[DIST_L3].handover.median_ps;
	const struct calibrate_crowd *most = c->contend;
	struct calibrate_result *r;

	if (!c->contend_count || !latency_ps) {
		set_absent(c, CAL_RESULT_write_occupancy_pct, "%s", classes[DIST_L3].absent);
		return false;
	}
	most += c->contend_count - 1;
	if (most->cpus == 2 && most->time.median_ps * 100 < (latency_ps + sim->coh.atomic_ps) * 55) {
		set_absent(c, CAL_RESULT_write_occupancy_pct,
			   "two CPUs get the line as often as they can ask for it");
		return false;
	}
	r = set_result(c, CAL_RESULT_write_occupancy_pct, percent(most->time.median_ps, latency_ps));
	rest_on(r, &most->time, "contended atomics");
	rest_on(r, &c->class[DIST_L3].handover, calibrate_class_text(DIST_L3));
	sim->coh.write_occupancy_pct = (uint32_t)r->value;
	return true;
}

/*
 * Of two CPUs at one line, the one that has it goes on until the other one's request has arrived: occupancy +
 * request - latency after it got the line itself. Half an atomic less: it loses the line in the middle of one.
 */
static void derive_request(struct host_calibration *c, struct sim_params *sim)
{
	uint64_t latency_ps = c->class[DIST_L3].handover.median_ps, pct = sim->coh.write_occupancy_pct, held_ps;
	const struct calibrate_crowd *two = &c->contend[0];
	struct calibrate_result *r;

	if (two->held_permille < 1200 && pct < 100) {
		set_absent(c, CAL_RESULT_request_pct, "whoever gets the line loses it at once");
		return;
	}
	held_ps = two->held_permille > 500 ? (two->held_permille - 500) * sim->coh.atomic_ps / 1000 : 0;
	r = set_result(c, CAL_RESULT_request_pct, percent(held_ps + (100 - pct) * latency_ps / 100, latency_ps));
	rest_on(r, &two->time, "contended atomics");
	rest_on_result(c, r, CAL_RESULT_write_occupancy_pct);
	sim->coh.request_pct = (uint32_t)r->value;
}

static void derive_contention(struct host_calibration *c, struct sim_params *sim)
{
	if (derive_write_occupancy(c, sim))
		derive_request(c, sim);
	else
		set_absent(c, CAL_RESULT_request_pct, "it takes the write occupancy");
}

/* Whoever has read a dirty line writes it at once, or has to take it from the former writer first. */
static void derive_migration(struct host_calibration *c, struct sim_params *sim)
{
	const struct measurement *upgrade = &c->value[CAL_FETCH_UPGRADE], *fetch = &c->value[CAL_FETCH_ATOMIC];
	struct calibrate_result *r;

	if (!upgrade->taken || !fetch->taken) {
		set_absent(c, CAL_RESULT_dirty_read_migrates, "there is one core");
		return;
	}
	r = set_result(c, CAL_RESULT_dirty_read_migrates, upgrade->median_ps < fetch->median_ps / 4);
	rest_on(r, fetch, calibrate_value_text(CAL_FETCH_ATOMIC));
	/* Next to nothing has no spread to speak of. */
	if (!r->value)
		rest_on(r, upgrade, calibrate_value_text(CAL_FETCH_UPGRADE));
	if (!r->value && upgrade->median_ps < fetch->median_ps / 2)
		set_absent(c, CAL_RESULT_dirty_read_migrates, "it is neither a hit nor a transfer");
	else
		sim->coh.dirty_read_migrates = r->value;
}

/* Least squares: how much each further reader adds. */
static uint64_t broadcast_slope_ps(const struct host_calibration *c)
{
	double n = c->broadcast_count - 1, x = 0, y = 0, xx = 0, xy = 0, slope;
	uint32_t i;

	for (i = 1; i < c->broadcast_count; i++) {
		double readers = c->broadcast[i].cpus - 1, ps = (double)c->broadcast[i].time.median_ps;

		x += readers;
		y += ps;
		xx += readers * readers;
		xy += readers * ps;
	}
	slope = (n * xy - x * y) / (n * xx - x * x);
	return slope > 0 ? (uint64_t)(slope + 0.5) : 0;
}

/* The second reader waits for the first one, which occupies the line as the reader of a dirty one does. */
static void derive_readers(struct host_calibration *c, struct sim_params *sim)
{
	uint64_t latency_ps = c->class[DIST_L3].handover.median_ps;
	struct calibrate_result *r;
	uint32_t i;

	if (c->broadcast_count < 2) {
		set_absent(c, CAL_RESULT_dirty_read_occupancy_pct, "it takes three cores of one L3");
	} else {
		r = set_result(c, CAL_RESULT_dirty_read_occupancy_pct,
			       percent(c->broadcast[1].time.median_ps, latency_ps));
		rest_on(r, &c->broadcast[1].time, "two readers");
		rest_on(r, &c->class[DIST_L3].handover, calibrate_class_text(DIST_L3));
		sim->coh.dirty_read_occupancy_pct = (uint32_t)r->value;
	}
	if (c->broadcast_count < 3) {
		set_absent(c, CAL_RESULT_read_occupancy_ns,
			   "it takes four cores of one L3: this machine says nothing about many readers");
		return;
	}
	r = set_result(c, CAL_RESULT_read_occupancy_ns, broadcast_slope_ps(c));
	for (i = 1; i < c->broadcast_count; i++)
		rest_on(r, &c->broadcast[i].time, "many readers");
	sim->coh.read_occupancy_ps = r->value;
}

static int derive_steps(struct host_calibration *c, struct sim_params *sim, const struct calibrate_virtual *v)
{
	uint64_t native_ps[CAL_OP_COUNT];
	struct calibrate_result *r;
	enum calibrate_op op;
	int ret;

	for (op = 0; op < CAL_OP_COUNT; op++)
		native_ps[op] = c->op[op].median_ps;
	ret = calibrate_fit_steps(native_ps, sim, c->value[CAL_LOAD].median_ps, v, c->step_clamped);
	if (ret)
		return ret;
	memcpy(c->step_ps, sim->step_ps, sizeof(c->step_ps));
	r = set_result(c, CAL_RESULT_l1_hit_ns, sim->coh.l1_hit_ps);
	rest_on(r, &c->value[CAL_LOAD], calibrate_value_text(CAL_LOAD));
	for (op = 0; op < CAL_OP_COUNT; op++)
		rest_on(r, &c->op[op], calibrate_op_text(op));
	rest_on_result(c, r, CAL_RESULT_atomic_ns);
	c->steps = r->state;
	return 0;
}

int calibrate_pair_instructions(uint64_t few, uint64_t many, uint64_t flush, uint32_t pairs, uint32_t overhead,
				uint64_t *permille)
{
	uint64_t twice = many - few; /* @pairs */

	if (many <= few || flush <= few || few < twice / 2 || few > twice / 2 + overhead)
		return -ERANGE;
	*permille = twice * 1000 / (2 * pairs) + (flush - few) * 1000 / HOTPATH_RING;
	return 0;
}

static void explain_no_count(struct host_calibration *c)
{
	if (c->pair_instructions_error == -EPERM)
		set_absent(c, CAL_RESULT_instruction_ps, "the kernel does not let processes be traced (ptrace)");
	else if (c->pair_instructions_error == -ETIME)
		set_absent(c, CAL_RESULT_instruction_ps, "stepping through the instructions takes too long here");
	else if (c->pair_instructions_error == -ERANGE)
		set_absent(c, CAL_RESULT_instruction_ps, "the counts of instructions contradict each other");
	else
		set_absent(c, CAL_RESULT_instruction_ps, "the instructions could not be counted: %s",
			   strerror(-c->pair_instructions_error));
}

/* What a pair takes beyond its accesses, by the instructions that it executes. */
static int derive_instruction(struct host_calibration *c, const struct sim_params *sim,
			      const struct calibrate_virtual *v)
{
	struct sim_params accesses = *sim;
	struct calibrate_result *r;
	uint64_t accesses_ps, rest_ps;
	int ret;

	if (!c->pair_instructions_permille) {
		explain_no_count(c);
		return 0;
	}
	memset(accesses.step_ps, 0, sizeof(accesses.step_ps));
	ret = v->op(v->arg, CAL_OP_DMA_STATIC, &accesses, &accesses_ps);
	if (ret)
		return ret;
	rest_ps = c->op[CAL_OP_DMA_STATIC].median_ps;
	rest_ps = rest_ps > accesses_ps ? rest_ps - accesses_ps : 0;
	r = set_result(c, CAL_RESULT_instruction_ps,
		       (rest_ps * 1000 + c->pair_instructions_permille / 2) / c->pair_instructions_permille);
	rest_on(r, &c->op[CAL_OP_DMA_STATIC], calibrate_op_text(CAL_OP_DMA_STATIC));
	rest_on_result(c, r, CAL_RESULT_l1_hit_ns);
	return 0;
}

static int predict_ops(struct host_calibration *c, const struct sim_params *sim, const struct calibrate_virtual *v)
{
	enum calibrate_op op;
	int ret = 0;

	for (op = 0; !ret && op < CAL_OP_COUNT; op++)
		ret = v->op(v->arg, op, sim, &c->op_virtual_ps[op]);
	return ret;
}

int calibrate_derive(struct host_calibration *c, const struct sim_params *sim, const struct calibrate_virtual *v)
{
	struct sim_params mine = *sim;
	enum calibrate_result_id id;
	int ret;

	derive_atomic(c, &mine);
	start_latencies(c, &mine);
	derive_contention(c, &mine);
	derive_migration(c, &mine);
	derive_readers(c, &mine);
	ret = derive_latencies(c, &mine, v);
	if (!ret)
		ret = derive_steps(c, &mine, v);
	if (!ret)
		ret = derive_instruction(c, &mine, v);
	if (!ret)
		ret = predict_ops(c, &mine, v);
	c->good = c->steps == CAL_GOOD;
	for (id = 0; id < CAL_RESULT_COUNT; id++)
		c->good &= c->result[id].state != CAL_NOISY;
	return ret;
}

void calibrate_apply(const struct host_calibration *c, struct sim_params *sim)
{
	const struct calibrate_result *r = c->result;
	struct coh_params *coh = &sim->coh;
	enum topology_distance d;

	for (d = DIST_SMT; d <= DIST_REMOTE; d++)
		if (r[classes[d].result].state != CAL_ABSENT)
			coh->latency_ps[classes[d].coh] = r[classes[d].result].value;
	if (r[CAL_RESULT_cross_l3_ns].state == CAL_ABSENT && r[CAL_RESULT_local_ns].state != CAL_ABSENT)
		coh->latency_ps[COH_PACKAGE] = coh->latency_ps[COH_L3];
	coh->l1_hit_ps = r[CAL_RESULT_l1_hit_ns].value;
	coh->atomic_ps = r[CAL_RESULT_atomic_ns].value;
	if (r[CAL_RESULT_write_occupancy_pct].state != CAL_ABSENT)
		coh->write_occupancy_pct = (uint32_t)r[CAL_RESULT_write_occupancy_pct].value;
	if (r[CAL_RESULT_dirty_read_occupancy_pct].state != CAL_ABSENT)
		coh->dirty_read_occupancy_pct = (uint32_t)r[CAL_RESULT_dirty_read_occupancy_pct].value;
	if (r[CAL_RESULT_read_occupancy_ns].state != CAL_ABSENT)
		coh->read_occupancy_ps = r[CAL_RESULT_read_occupancy_ns].value;
	if (r[CAL_RESULT_dirty_read_migrates].state != CAL_ABSENT)
		coh->dirty_read_migrates = r[CAL_RESULT_dirty_read_migrates].value;
	if (r[CAL_RESULT_request_pct].state != CAL_ABSENT)
		coh->request_pct = (uint32_t)r[CAL_RESULT_request_pct].value;
	memcpy(sim->step_ps, c->step_ps, sizeof(sim->step_ps));
}
