/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/calibrate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "bench/hotpath_ops.h"
#include "bench/instruction_count.h"
#include "bench/pingpong.h"
#include "sim/exec/native_measure.h"

/* A sample takes some 100 us: 400 make a round of four ticks of /proc/stat, in which steal time shows. */
#define SAMPLES 400
#define SAMPLES_QUICK 100

#define SKEW_SAMPLES 1000

/* With fewer samples that nothing disturbed, a round does not count. */
#define KEPT_SHARE 4

/* When there is no time left to wait for quiet moments. */
#define PATIENCE_MS 20000
#define PATIENCE_QUICK_MS 3000

/* What the difference of two clock readings is worth. */
#define DIFFERENCE_PS 3000

/* A change of the CPU's speed, in percent, beyond what the same work varies by. */
#define FREQUENCY_PCT 3

/* Before anything is measured: governors notice that there is work to do. */
#define WARM_UP_ROUNDS 20
#define WARM_UP_SAMPLES 4000

/* Stepping through the pairs takes 0.3 s, in a guest 3; no single run may take longer than this. */
#define STEP_LIMIT_MS 5000
#define STEP_LIMIT_QUICK_MS 2000
#define STEP_PAIRS 4

/* Instructions of a count that are none of the pairs'. */
#define STEP_OVERHEAD 2000

struct job {
	const struct calibrate_params *p;
	struct host_calibration *c;
	uint64_t *wide_ps; /* by topology index: struct native_probe */
	struct timespec start;
	uint64_t done, total;
};

/* One measurement under way. */
struct take {
	struct job *job;
	const uint32_t *pus;
	uint32_t cpu_count;
	struct native_measure m;
	struct native_probe probes[CALIBRATE_CPUS];
	uint8_t disturbed[SAMPLES];
	/* One round of samples. */
	int (*round)(struct take *t, uint64_t *sample_ps);
	enum native_op op;
	enum native_fetch fetch;
	struct hotpath_ops_params ops;
	struct calibrate_crowd *crowd;
	uint64_t resolution_ps;		      /* struct measurement_plan */
	struct native_look look[SAMPLES + 1]; /* before and after each batch of the operations */
	uint32_t look_count;
};

/* ---- rounds ---- */

static int round_op(struct take *t, uint64_t *sample_ps)
{
	return native_measure_op(&t->m, t->op, sample_ps);
}

static int round_fetch(struct take *t, uint64_t *sample_ps)
{
	return native_measure_fetch(&t->m, t->fetch, sample_ps);
}

static int round_pingpong(struct take *t, uint64_t *sample_ps)
{
	return native_measure_pingpong(&t->m, sample_ps);
}

static int round_contend(struct take *t, uint64_t *sample_ps)
{
	uint64_t held[SAMPLES];
	int ret = native_measure_contend(&t->m, sample_ps, held);

	if (!ret)
		t->crowd->held_permille = measurement_median(held, t->m.samples);
	return ret;
}

/* One reader's sample is when it has the value; with several, how long the last one takes beyond the first. */
static int round_broadcast(struct take *t, uint64_t *sample_ps)
{
	uint64_t first[SAMPLES], last[SAMPLES];
	int ret = native_measure_broadcast(&t->m, first, last);
	uint32_t i;

	if (ret)
		return ret;
	for (i = 0; i < t->m.samples; i++)
		sample_ps[i] = last[i] - (t->cpu_count > 2 ? first[i] : 0);
	t->crowd->first_ps = measurement_median(first, t->m.samples);
	t->crowd->last_ps = measurement_median(last, t->m.samples);
	return 0;
}

static void look(void *arg)
{
	struct take *t = arg;

	native_look(&t->look[t->look_count++]);
}

/* What struct native_measure does, around and in the middle of what is not one of its measurements. */
static int round_ops(struct take *t, uint64_t *sample_ps)
{
	struct native_measure probe = t->m;
	uint64_t before_ps, *wide_ps = &t->probes[0].wide_ps;
	uint32_t i;
	int ret;

	probe.samples = probe.batch = 1;
	probe.disturbed = NULL;
	ret = native_measure_probes(&probe);
	before_ps = t->probes[0].chain_ps[0];
	t->look_count = 0;
	if (!ret)
		ret = native_hotpath_ops_run(&t->ops, sample_ps);
	if (!ret)
		ret = native_measure_probes(&probe);
	if (ret)
		return ret;
	t->probes[0].chain_ps[0] = before_ps;
	for (i = 0; i < t->look_count; i++)
		if (t->look[i].wide_ps < *wide_ps)
			*wide_ps = t->look[i].wide_ps;
	for (i = 0; i < t->m.samples; i++)
		t->disturbed[i] = (uint8_t)native_disturbances(&t->look[i], *wide_ps);
	return 0;
}

static bool speed_changed(const struct take *t)
{
	uint32_t i;

	for (i = 0; i < t->cpu_count; i++) {
		const uint64_t *ps = t->probes[i].chain_ps;
		uint64_t change = ps[0] < ps[1] ? ps[1] - ps[0] : ps[0] - ps[1];

		if (change * 100 > ps[0] * FREQUENCY_PCT)
			return true;
	}
	return false;
}

/* Undisturbed samples first; returns how many they are, and what disturbed more than half of the others. */
static uint32_t sort_out(const struct take *t, uint64_t *sample_ps, unsigned int *noise)
{
	uint32_t kept = 0, shared = 0, i;

	for (i = 0; i < t->m.samples; i++) {
		uint64_t ps = sample_ps[i];

		shared += (t->disturbed[i] & NATIVE_SHARED) != 0;
		if (t->disturbed[i])
			continue;
		sample_ps[i] = sample_ps[kept];
		sample_ps[kept++] = ps;
	}
	*noise = shared * 2 >= t->m.samples - kept ? NOISE_SIBLING : NOISE_LOAD;
	return kept;
}

static int measure_round(void *arg, uint64_t *sample_ps, uint32_t *kept, unsigned int *noise)
{
	struct take *t = arg;
	uint32_t i;
	int ret;

	for (i = 0; i < t->cpu_count; i++)
		t->probes[i].wide_ps = t->job->wide_ps[t->pus[i]];
	ret = t->round(t, sample_ps);
	if (ret)
		return ret;
	for (i = 0; i < t->cpu_count; i++)
		t->job->wide_ps[t->pus[i]] = t->probes[i].wide_ps;
	*kept = sort_out(t, sample_ps, noise);
	if (*kept >= t->m.samples / KEPT_SHARE)
		*noise = 0;
	if (speed_changed(t))
		*noise |= NOISE_FREQUENCY;
	return 0;
}

static int read_noise(void *arg, struct host_noise *now)
{
	const struct take *t = arg;
	const struct host_watch watch = { t->job->p->topology, t->pus, t->cpu_count };

	return host_noise_read(&watch, now);
}

/* ---- measurements ---- */

static struct take *start_take(struct job *j, struct take *t, const uint32_t *pus, uint32_t cpu_count,
			       int (*round)(struct take *, uint64_t *), uint32_t batch)
{
	*t = (struct take){ .job = j, .pus = pus, .cpu_count = cpu_count, .round = round };
	t->m = (struct native_measure){
		.topology = j->p->topology,
		.pus = pus,
		.cpu_count = cpu_count,
		.samples = j->p->quick ? SAMPLES_QUICK : SAMPLES,
		.batch = batch,
		.interrupted = j->p->interrupted,
		.probes = t->probes,
		.disturbed = t->disturbed,
	};
	return t;
}

/* Before a CPU's first measurement: how fast it is with its core for itself. */
static int learn_speeds(struct job *j, const struct take *t)
{
	struct native_probe probe = { .wide_ps = 0 };
	struct native_measure m = t->m;
	uint32_t i;
	int ret = 0;

	m.cpu_count = 1;
	m.samples = 100;
	m.probes = &probe;
	m.disturbed = NULL;
	for (i = 0; !ret && i < t->cpu_count; i++) {
		uint64_t *wide_ps = &j->wide_ps[t->pus[i]];

		if (*wide_ps)
			continue;
		m.pus = &t->pus[i];
		probe.wide_ps = 0;
		ret = native_measure_probes(&m);
		*wide_ps = probe.wide_ps;
	}
	return ret;
}

static uint64_t elapsed_ms(const struct job *j)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - j->start.tv_sec) * 1000 + (now.tv_nsec - j->start.tv_nsec) / 1000000);
}

static int finish_take(struct take *t, struct measurement *m)
{
	struct job *j = t->job;
	bool quick = j->p->quick, patient = elapsed_ms(j) < (quick ? PATIENCE_QUICK_MS : PATIENCE_MS);
	const struct measurement_plan plan = {
		.rounds = quick ? 2 : 5,
		.max_rounds = (quick ? 2 : 5) * (patient ? 2 : 1),
		.attempts = patient && !quick ? 2 : 1,
		.samples = t->m.samples,
		.cpu_count = t->cpu_count,
		.resolution_ps = t->resolution_ps,
		.measure = measure_round,
		.arg = t,
		.read_noise = read_noise,
		.noise_arg = t,
	};
	int ret = learn_speeds(j, t);

	if (!ret)
		ret = measurement_take(&plan, m);
	j->done++;
	if (!ret && j->p->progress)
		j->p->progress(j->p->progress_arg, j->done, j->total);
	return ret;
}

static int measure_values(struct job *j)
{
	static const struct {
		enum calibrate_value value;
		enum native_op op;
		uint32_t batch;
	} ops[] = {
		{ CAL_LOAD, NATIVE_OP_LOAD, 49152 },	   { CAL_CMPXCHG, NATIVE_OP_CMPXCHG, 16384 },
		{ CAL_BARRIER, NATIVE_OP_BARRIER, 16384 }, { CAL_PAUSE, NATIVE_OP_PAUSE, 4096 },
		{ CAL_CLOCK, NATIVE_OP_CLOCK, 8192 },
	};
	const uint32_t pu = 0;
	struct take t;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_SIZE(ops); i++) {
		start_take(j, &t, &pu, 1, round_op, ops[i].batch)->op = ops[i].op;
		ret = finish_take(&t, &j->c->value[ops[i].value]);
	}
	return ret;
}

static int measure_fetches(struct job *j, const uint32_t pair[2])
{
	static const struct {
		enum calibrate_value value;
		enum native_fetch fetch;
	} fetches[] = { { CAL_FETCH_LOAD, NATIVE_FETCH_LOAD },
			{ CAL_FETCH_ATOMIC, NATIVE_FETCH_ATOMIC },
			{ CAL_FETCH_UPGRADE, NATIVE_FETCH_UPGRADE } };
	struct take t;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_SIZE(fetches); i++) {
		start_take(j, &t, pair, 2, round_fetch, 64)->fetch = fetches[i].fetch;
		t.resolution_ps = DIFFERENCE_PS;
		ret = finish_take(&t, &j->c->value[fetches[i].value]);
	}
	return ret;
}

static int measure_skew(struct job *j, const uint32_t cpu[2], int64_t *skew_ps)
{
	const uint32_t pus[2][2] = { { cpu[0], cpu[1] }, { cpu[1], cpu[0] } };
	int64_t sample_ps[SKEW_SAMPLES], median[2] = { 0, 0 };
	struct take t;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < 2; i++) {
		start_take(j, &t, pus[i], 2, NULL, 1);
		t.m.samples = SKEW_SAMPLES;
		t.m.disturbed = NULL;
		ret = native_measure_skew(&t.m, sample_ps);
		if (!ret)
			median[i] = measurement_median_signed(sample_ps, SKEW_SAMPLES);
	}
	*skew_ps = (median[0] - median[1]) / 2;
	if (llabs(*skew_ps) > llabs(j->c->skew_ps))
		j->c->skew_ps = *skew_ps;
	return ret;
}

/* ---- classes of pairs ---- */

/* Pair number @wanted at @distance, in ascending order; the number of them all when it is beyond. */
static uint64_t find_pair(const struct topology *t, enum topology_distance distance, uint64_t wanted,
			  uint32_t cpu[2])
{
	uint64_t count = 0;
	uint32_t a, b;

	for (a = 0; a < t->pu_count; a++)
		for (b = a + 1; b < t->pu_count; b++) {
			if (topology_distance(t, a, b) != distance)
				continue;
			cpu[0] = a;
			cpu[1] = b;
			if (count++ == wanted)
				return count - 1;
		}
	return count;
}

/* Evenly from all that there are. */
static void choose_pairs(const struct topology *t, struct host_calibration *c)
{
	enum topology_distance d;
	uint32_t i, none[2];

	for (d = DIST_SMT; d <= DIST_REMOTE; d++) {
		struct calibrate_class *class = &c->class[d];
		uint64_t all = find_pair(t, d, UINT64_MAX, none);

		class->pairs_in_machine = all;
		class->pair_count = all < CALIBRATE_PAIRS ? (uint32_t)all : CALIBRATE_PAIRS;
		for (i = 0; i < class->pair_count; i++)
			find_pair(t, d, class->pair_count > 1 ? i * (all - 1) / (class->pair_count - 1) : 0,
				  class->pair[i].cpu);
	}
}

static void merge_pairs(struct calibrate_class *class)
{
	uint64_t medians[CALIBRATE_PAIRS];
	struct measurement *all = &class->handover;
	uint32_t i;

	*all = class->pair[0].handover;
	medians[0] = all->median_ps;
	for (i = 1; i < class->pair_count; i++) {
		const struct measurement *m = &class->pair[i].handover;

		medians[i] = m->median_ps;
		all->p10_ps = m->p10_ps < all->p10_ps ? m->p10_ps : all->p10_ps;
		all->p90_ps = m->p90_ps > all->p90_ps ? m->p90_ps : all->p90_ps;
		all->mad_ps = m->mad_ps > all->mad_ps ? m->mad_ps : all->mad_ps;
		all->low_ps = m->low_ps < all->low_ps ? m->low_ps : all->low_ps;
		all->high_ps = m->high_ps > all->high_ps ? m->high_ps : all->high_ps;
		all->attempts = m->attempts > all->attempts ? m->attempts : all->attempts;
		all->samples += m->samples;
		all->rounds += m->rounds;
		all->taken_rounds += m->taken_rounds;
		all->disturbed += m->disturbed;
		all->noise |= m->noise;
		all->flaws |= m->flaws;
	}
	all->median_ps = measurement_median(medians, class->pair_count);
}

static int measure_pairs(struct job *j)
{
	enum topology_distance d;
	struct take t;
	uint32_t i;
	int ret = 0;

	for (d = DIST_SMT; !ret && d <= DIST_REMOTE; d++) {
		struct calibrate_class *class = &j->c->class[d];

		for (i = 0; !ret && i < class->pair_count; i++) {
			struct calibrate_pair *pair = &class->pair[i];

			start_take(j, &t, pair->cpu, 2, round_pingpong, 32);
			ret = finish_take(&t, &pair->handover);
			if (!ret)
				ret = measure_skew(j, pair->cpu, &pair->skew_ps);
		}
		if (!ret && class->pair_count)
			merge_pairs(class);
	}
	return ret;
}

/* ---- crowds: CPUs of one L3, a core each ---- */

static uint32_t find_peers(const struct topology *t, uint32_t peers[CALIBRATE_CPUS])
{
	uint32_t count = 0, i;

	for (i = 0; i < t->pu_count && count < CALIBRATE_CPUS; i++)
		if (t->pu[i].l3 == t->pu[0].l3 && !t->pu[i].smt_index)
			peers[count++] = i;
	return count;
}

/* 2, 3, 4, 5, 6, 8, 10 ... and as many as there are. Returns how many numbers. */
static uint32_t crowd_sizes(uint32_t peers, struct calibrate_crowd crowds[CALIBRATE_CROWDS])
{
	uint32_t count = 0, size;

	for (size = 2; size < peers && count < CALIBRATE_CROWDS - 1; size += size < 4 ? 1 : size / 3)
		crowds[count++].cpus = size;
	if (peers >= 2)
		crowds[count++].cpus = peers;
	return count;
}

/* Differences of the clocks spoil what is measured by two of them. */
static int check_clocks(struct job *j, const uint32_t *peers)
{
	uint64_t latency_ps = j->c->class[DIST_L3].handover.median_ps;
	struct calibrate_crowd *last = &j->c->broadcast[j->c->broadcast_count - 1];
	bool apart = false;
	int64_t skew_ps;
	uint32_t i;
	int ret = 0;

	for (i = 1; !ret && i < last->cpus; i++) {
		const uint32_t pair[2] = { peers[0], peers[i] };

		ret = measure_skew(j, pair, &skew_ps);
		apart |= (uint64_t)llabs(skew_ps) > latency_ps / 2;
	}
	for (i = 0; apart && i < j->c->broadcast_count; i++)
		j->c->broadcast[i].time.flaws |= FLAW_CLOCKS;
	return ret;
}

static int measure_crowds(struct job *j, const uint32_t *peers)
{
	struct host_calibration *c = j->c;
	struct take t;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < c->contend_count; i++) {
		start_take(j, &t, peers, c->contend[i].cpus, round_contend, 32)->crowd = &c->contend[i];
		ret = finish_take(&t, &c->contend[i].time);
	}
	for (i = 0; !ret && i < c->broadcast_count; i++) {
		start_take(j, &t, peers, c->broadcast[i].cpus, round_broadcast, 64)->crowd = &c->broadcast[i];
		t.resolution_ps = DIFFERENCE_PS;
		ret = finish_take(&t, &c->broadcast[i].time);
	}
	if (!ret && c->broadcast_count)
		ret = check_clocks(j, peers);
	return ret;
}

/* ---- the hot path ---- */

/* What each operation is; a batch takes some 100 us. */
static struct hotpath_ops_params op_params(enum calibrate_op op)
{
	static const struct hotpath_ops_params params[CAL_OP_COUNT] = {
		[CAL_OP_IOVA] = { .op = HOTPATH_IOVA, .policy = POLICY_STATIC, .tags = 1, .batch = 2560 },
		[CAL_OP_PTE] = { .op = HOTPATH_PTE, .policy = POLICY_STATIC, .tags = 1, .batch = 2560 },
		[CAL_OP_FLUSH_1] = { .op = HOTPATH_FLUSH_NP, .policy = POLICY_STATIC, .tags = 1, .batch = 5120 },
		[CAL_OP_FLUSH_8] = { .op = HOTPATH_FLUSH_NP, .policy = POLICY_STATIC, .tags = 8, .batch = 2560 },
		[CAL_OP_QUEUE] = { .op = HOTPATH_QUEUE_IOVA,
				   .policy = POLICY_STATIC,
				   .lazy = true,
				   .tags = 1,
				   .batch = 5 * HOTPATH_RING },
		[CAL_OP_DMA_STATIC] = { .op = HOTPATH_DMA,
					.policy = POLICY_STATIC,
					.lazy = true,
					.tags = 1,
					.batch = 2 * HOTPATH_RING },
		[CAL_OP_DMA_ALWAYS] = { .op = HOTPATH_DMA,
					.policy = POLICY_ALWAYS,
					.lazy = true,
					.tags = 1,
					.batch = 2 * HOTPATH_RING },
		[CAL_OP_DMA_LEGACY] = { .op = HOTPATH_DMA,
					.policy = POLICY_LEGACY,
					.lazy = true,
					.tags = 1,
					.batch = 2 * HOTPATH_RING },
		[CAL_OP_DMA_STRICT] = { .op = HOTPATH_DMA, .policy = POLICY_STATIC, .tags = 1, .batch = 512 },
	};

	return params[op];
}

/* Operations until magazines, rings and tables are as they will stay. */
#define OPS_WARMUP (8 * HOTPATH_RING)

static int measure_ops(struct job *j)
{
	const uint32_t pu = 0;
	enum calibrate_op op;
	struct take t;
	int ret = 0;

	for (op = 0; !ret && op < CAL_OP_COUNT; op++) {
		start_take(j, &t, &pu, 1, round_ops, 1);
		t.ops = op_params(op);
		t.ops.topology = j->p->topology;
		t.ops.sim = j->p->sim;
		t.ops.pu = pu;
		t.ops.warmup = OPS_WARMUP;
		t.ops.samples = t.m.samples;
		t.ops.mark = look;
		t.ops.mark_arg = &t;
		t.ops.interrupted = j->p->interrupted;
		ret = finish_take(&t, &j->c->op[op]);
	}
	return ret;
}

static void run_pairs(void *arg, void (*mark)(void *mark_arg), void *mark_arg)
{
	struct hotpath_ops_params *ops = arg;
	uint64_t sample_ps;

	ops->mark = mark;
	ops->mark_arg = mark_arg;
	native_hotpath_ops_run(ops, &sample_ps);
}

static int count_pairs(struct job *j, uint32_t before, uint32_t pairs, uint64_t *instructions)
{
	struct hotpath_ops_params ops = op_params(CAL_OP_DMA_STATIC);

	if (j->p->interrupted && *j->p->interrupted)
		return -EINTR;
	ops.topology = j->p->topology;
	ops.sim = j->p->sim;
	ops.warmup = before;
	ops.samples = 1;
	ops.batch = pairs;
	return count_instructions(run_pairs, &ops, j->p->quick ? STEP_LIMIT_QUICK_MS : STEP_LIMIT_MS, instructions);
}

/* A pair as most are, from the difference of two runs; and its share of the flush, from one that does flush. */
static int measure_instructions(struct job *j)
{
	uint64_t few = 0, many = 0, flush = 0;
	int ret;

	ret = count_pairs(j, OPS_WARMUP + 16, STEP_PAIRS, &few);
	if (!ret)
		ret = count_pairs(j, OPS_WARMUP + 16, 3 * STEP_PAIRS, &many);
	if (!ret)
		ret = count_pairs(j, OPS_WARMUP - STEP_PAIRS / 2, STEP_PAIRS, &flush);
	if (ret == -EINTR || ret == -ENOMEM)
		return ret;
	if (!ret)
		ret = calibrate_pair_instructions(few, many, flush, STEP_PAIRS, STEP_OVERHEAD,
						  &j->c->pair_instructions_permille);
	j->c->pair_instructions_error = ret;
	return 0;
}

/* ---- the virtual executor ---- */

static int virtual_op(void *arg, enum calibrate_op op, const struct sim_params *sim, uint64_t *ps)
{
	const struct job *j = arg;
	struct hotpath_ops_params ops = op_params(op);

	ops.topology = j->p->topology;
	ops.sim = *sim;
	ops.warmup = OPS_WARMUP;
	ops.samples = 1;
	ops.batch = 2 * HOTPATH_RING;
	return hotpath_ops_run(&ops, ps);
}

static int virtual_handover(void *arg, enum topology_distance distance, const struct sim_params *sim, uint64_t *ps)
{
	const struct job *j = arg;
	const struct pingpong_params params = { .iterations = 200 };
	struct pingpong_result r;
	int ret;

	ret = pingpong_run(j->p->topology, j->c->class[distance].pair[0].cpu, sim, &params, &r);
	if (!ret)
		*ps = r.elapsed_ps / r.handovers;
	return ret;
}

/* ---- all of it ---- */

static void describe_host(struct job *j)
{
	const struct topology *t = j->p->topology;
	struct host_calibration *c = j->c;
	time_t now = time(NULL);
	struct utsname uts;
	struct tm tm;

	host_cpu_model(c->cpu_model, sizeof(c->cpu_model));
	host_governor(t->pu[0].os_index, c->governor, sizeof(c->governor));
	if (!uname(&uts))
		snprintf(c->kernel, sizeof(c->kernel), "%.15s %.79s", uts.sysname, uts.release);
	if (gmtime_r(&now, &tm))
		strftime(c->date, sizeof(c->date), "%Y-%m-%dT%H:%M:%SZ", &tm);
	c->pu_count = t->pu_count;
	c->core_count = t->core_count;
	c->l3_count = t->l3_count;
	c->package_count = t->package_count;
}

static int warm_up(struct job *j)
{
	const uint32_t pu = 0;
	struct take t;
	uint32_t i;
	int ret = 0;

	start_take(j, &t, &pu, 1, NULL, 1);
	t.m.samples = WARM_UP_SAMPLES;
	t.m.disturbed = NULL;
	for (i = 0; !ret && i < WARM_UP_ROUNDS; i++)
		ret = native_measure_probes(&t.m);
	j->wide_ps[pu] = t.probes[0].wide_ps;
	return ret;
}

/* The nearest two CPUs that are different cores. */
static const uint32_t *nearest_pair(const struct host_calibration *c)
{
	enum topology_distance d;

	for (d = DIST_L3; d <= DIST_REMOTE; d++)
		if (c->class[d].pair_count)
			return c->class[d].pair[0].cpu;
	return NULL;
}

static int measure_all(struct job *j)
{
	struct host_calibration *c = j->c;
	uint32_t peers[CALIBRATE_CPUS], peer_count = find_peers(j->p->topology, peers);
	enum topology_distance d;
	const uint32_t *near;
	int ret;

	choose_pairs(j->p->topology, c);
	near = nearest_pair(c);
	c->contend_count = crowd_sizes(peer_count, c->contend);
	c->broadcast_count = crowd_sizes(peer_count, c->broadcast);
	j->total = CAL_VALUE_COUNT - (near ? 0 : 3) + CAL_OP_COUNT + c->contend_count + c->broadcast_count;
	for (d = DIST_SMT; d <= DIST_REMOTE; d++)
		j->total += c->class[d].pair_count;
	ret = warm_up(j);
	if (!ret)
		ret = measure_values(j);
	if (!ret)
		ret = measure_pairs(j);
	if (!ret && near)
		ret = measure_fetches(j, near);
	if (!ret)
		ret = measure_crowds(j, peers);
	if (!ret)
		ret = measure_ops(j);
	if (!ret)
		ret = measure_instructions(j);
	return ret;
}

int calibrate_run(const struct calibrate_params *p, struct host_calibration *c)
{
	struct job j = { .p = p, .c = c };
	const struct calibrate_virtual v = { virtual_op, virtual_handover, &j };
	int ret;

	memset(c, 0, sizeof(*c));
	clock_gettime(CLOCK_MONOTONIC, &j.start);
	j.wide_ps = calloc(p->topology->pu_count, sizeof(*j.wide_ps));
	if (!j.wide_ps)
		return -ENOMEM;
	describe_host(&j);
	ret = measure_all(&j);
	if (!ret)
		ret = calibrate_derive(c, &p->sim, &v);
	free(j.wide_ps);
	c->seconds = (double)elapsed_ms(&j) / 1000;
	return ret;
}
