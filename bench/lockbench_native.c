/* SPDX-License-Identifier: GPL-2.0-only */
#include "platform.h"

#include "bench/lockbench.h"
#include "bench/think.h"
#include "sim/rng.h"

/* Acquisitions per CPU before the measurement: clocks and caches settle. */
#define WARMUP_MIN 10000

/* Think times are drawn beforehand: drawing takes as long as a short one. A power of two. */
#define DRAWS 2048

struct bench_lock {
	spinlock_t lock __attribute__((aligned(NATIVE_APART)));
};

struct bench_line {
	uint64_t value __cacheline_aligned;
};

struct bench_cpu {
	uint64_t acquisitions, contended; /* measured */
	uint64_t started_ps, stopped_ps;
	uint64_t think_ps[DRAWS];
} __attribute__((aligned(NATIVE_APART)));

OBJ_TYPE_PLAIN(bench_lock, "bench_lock");
OBJ_TYPE_PLAIN(bench_line, "bench_line");

struct bench {
	const struct lockbench_params *params;
	struct native machine;
	struct bench_lock *lock;
	struct bench_line *lines;
	struct bench_cpu *cpus;
	uint32_t warming __attribute__((aligned(NATIVE_APART))); /* CPUs that are not done with the warm-up */
	uint32_t stop __attribute__((aligned(NATIVE_APART)));	 /* read all the time, written once */
};

/* Scaled, so that so few draws have the mean that was asked for. */
static void draw_thinks(struct bench *b, struct bench_cpu *cpu, uint32_t id)
{
	unsigned __int128 want = (unsigned __int128)b->params->think_ps * DRAWS, sum = 0;
	struct rng rng;
	uint32_t i;

	rng_seed(&rng, b->machine.params.seed, id);
	for (i = 0; i < DRAWS; i++) {
		cpu->think_ps[i] = draw_think_ps(b->params->think_dist, b->params->think_ps, &rng);
		sum += cpu->think_ps[i];
	}
	for (i = 0; sum && i < DRAWS; i++)
		cpu->think_ps[i] = (uint64_t)(cpu->think_ps[i] * want / sum);
}

static void acquire_once(struct bench *b, const struct bench_cpu *cpu, uint64_t turn)
{
	const struct native_clock *clock = &b->machine.clock;
	unsigned long flags;
	uint32_t i;

	native_delay(clock, cpu->think_ps[turn % DRAWS]);
	flags = spin_lock_irqsave(&b->lock->lock);
	for (i = 0; i < b->params->data_lines; i++)
		b->lines[i].value++;
	native_delay(clock, b->params->hold_ps);
	spin_unlock_irqrestore(&b->lock->lock, flags);
}

static bool is_interrupted(const struct bench *b)
{
	return b->params->interrupted && *b->params->interrupted;
}

/* Nobody measures before everybody has warmed up; the lock stays busy until then. */
static void warm_up(struct bench *b, const struct bench_cpu *cpu)
{
	uint64_t turn;

	for (turn = 0; turn < WARMUP_MIN && !is_interrupted(b); turn++)
		acquire_once(b, cpu, turn);
	__atomic_fetch_sub(&b->warming, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&b->warming, __ATOMIC_ACQUIRE) && !is_interrupted(b))
		acquire_once(b, cpu, turn++);
}

static void bench_body(void *arg, uint32_t id)
{
	struct bench *b = arg;
	struct bench_cpu *cpu = &b->cpus[id];
	uint64_t contended, turn;

	draw_thinks(b, cpu, id);
	warm_up(b, cpu);
	contended = this_cpu()->lock_contended;
	cpu->started_ps = cpu_clock_ps();
	for (turn = 0; turn < b->params->iterations && !READ_ONCE(b->stop) && !is_interrupted(b); turn++)
		acquire_once(b, cpu, turn);
	cpu->stopped_ps = cpu_clock_ps();
	WRITE_ONCE(b->stop, 1U);
	cpu->acquisitions = turn;
	cpu->contended = this_cpu()->lock_contended - contended;
}

static void bench_setup(void *arg)
{
	struct bench *b = arg;

	b->lock = shared_alloc_aligned(&bench_lock_type, sizeof(*b->lock), NATIVE_APART);
	b->lines = shared_alloc(&bench_line_type, (b->params->data_lines + 1) * sizeof(*b->lines));
	b->cpus = shared_alloc_aligned(&bench_lock_type, b->machine.cpu_count * sizeof(*b->cpus), PAGE_SIZE);
	if (!b->lock || !b->lines || !b->cpus) {
		cpu_fail(-ENOMEM);
		return;
	}
	spin_lock_init(&b->lock->lock, "bench_lock");
}

/* CPUs stop within an acquisition of each other, and start within the time that a line takes to reach them. */
static void bench_collect(const struct bench *b, struct lockbench_result *r)
{
	uint64_t first = UINT64_MAX, last = 0;
	uint32_t i;

	for (i = 0; i < b->machine.cpu_count; i++) {
		const struct bench_cpu *cpu = &b->cpus[i];

		r->acquisitions += cpu->acquisitions;
		r->contended += cpu->contended;
		if (cpu->started_ps < first)
			first = cpu->started_ps;
		if (cpu->stopped_ps > last)
			last = cpu->stopped_ps;
	}
	r->elapsed_ps = last - first;
	lockbench_fairness(&b->cpus[0].acquisitions, sizeof(b->cpus[0]), b->machine.cpu_count, r);
}

/* Increments under the lock: as many as there were acquisitions, or two CPUs have been in at once. */
static void count_violations(const struct bench *b, struct lockbench_result *r)
{
	uint64_t entered = 0;
	uint32_t i;

	for (i = 0; i < b->machine.cpu_count; i++)
		entered += b->machine.cpus[i].lock_acquisitions;
	for (i = 0; i < b->params->data_lines; i++)
		r->violations += entered - b->lines[i].value;
}

int native_lockbench_run(const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
			 const struct sim_params *sim, const struct lockbench_params *params,
			 struct lockbench_result *result)
{
	struct bench b = { .params = params, .warming = cpu_count };
	int ret;

	memset(result, 0, sizeof(*result));
	ret = native_create(&b.machine, topology, pus, cpu_count, sim, false);
	if (ret)
		return ret;
	ret = native_call_on_cpu(&b.machine, 0, bench_setup, &b);
	if (!ret)
		ret = native_run(&b.machine, bench_body, &b);
	if (!ret && is_interrupted(&b))
		ret = -EINTR;
	if (!ret) {
		bench_collect(&b, result);
		count_violations(&b, result);
	}
	native_destroy(&b.machine);
	return ret;
}
