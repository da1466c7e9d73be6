/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/lockbench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"
#include "bench/think.h"
#include "sim/rng.h"

/*
 * Acquisitions per CPU before the measurement, at most; a quarter of what is measured where that is less. On
 * average, not of each CPU: an unfair lock may starve one for as long as it likes.
 */
#define WARMUP_MAX 50

/* The lock alone on its line, then the lines that it protects. */
struct bench_lock {
	spinlock_t lock __cacheline_aligned;
};

struct bench_line {
	uint64_t value __cacheline_aligned;
};

OBJ_TYPE(bench_lock, OBJ_FIELD(bench_lock, lock));
OBJ_TYPE(bench_line, OBJ_FIELD(bench_line, value));

struct bench {
	const struct lockbench_params *params;
	struct sim *sim;
	struct bench_lock *lock;
	struct bench_line *lines;
	struct bench_cpu *cpus;
	uint32_t cpu_count;
	uint64_t warming; /* acquisitions left of the warm-up */
	uint32_t holders;
	bool interrupted;
	struct lockbench_result *result;
};

struct bench_cpu {
	struct bench *bench;
	struct rng rng;
	uint64_t acquisitions; /* measured */
};

static void critical_section(struct bench *b)
{
	struct vcpu *c = this_vcpu();
	uint32_t i;

	if (b->holders++)
		b->result->violations++;
	for (i = 0; i < b->params->data_lines; i++)
		WRITE_ONCE(b->lines[i].value, READ_ONCE(b->lines[i].value) + 1);
	c->proc.now_ps += b->params->hold_ps + b->params->overhead_ps / 2;
	proc_sync(&c->proc); /* so that whoever breaks in meanwhile is seen */
	b->holders--;
}

/* False when somebody has asked for the end. */
static bool acquire_once(struct bench_cpu *cpu)
{
	struct bench *b = cpu->bench;
	unsigned long flags;
	uint64_t think_ps;

	if (b->params->interrupted && *b->params->interrupted)
		return false;
	think_ps = draw_think_ps(b->params->think_dist, b->params->think_ps, &cpu->rng);
	if (b->params->overhead_ps)
		think_ps += rng_uniform_ps(&cpu->rng, b->params->overhead_ps / 2);
	vcpu_work(think_ps);
	flags = spin_lock_irqsave(&b->lock->lock);
	critical_section(b);
	spin_unlock_irqrestore(&b->lock->lock, flags);
	return true;
}

static void start_measuring(struct bench *b)
{
	uint64_t now = this_vcpu()->proc.now_ps;
	uint32_t i;

	sim_reset_stats(b->sim, now);
	for (i = 0; i < b->cpu_count; i++)
		b->cpus[i].acquisitions = 0;
	*b->result = (struct lockbench_result){ .elapsed_ps = now, .violations = b->result->violations };
}

static void bench_cpu_body(void *arg)
{
	struct bench_cpu *cpu = arg;
	struct bench *b = cpu->bench;

	while (b->warming || cpu->acquisitions < b->params->iterations) {
		if (!acquire_once(cpu))
			goto interrupted;
		cpu->acquisitions++;
		if (b->warming && !--b->warming)
			start_measuring(b);
	}
	b->result->elapsed_ps = this_vcpu()->proc.now_ps - b->result->elapsed_ps;
	engine_stop(&b->sim->engine);
	return;

interrupted:
	b->interrupted = true;
	engine_stop(&b->sim->engine);
}

static void bench_setup(void *arg)
{
	struct bench *b = arg;

	b->lock = shared_alloc(&bench_lock_type, sizeof(*b->lock));
	if (b->params->data_lines)
		b->lines = shared_alloc(&bench_line_type, b->params->data_lines * sizeof(*b->lines));
	if (b->lock)
		spin_lock_init(&b->lock->lock, "bench_lock");
}

void lockbench_fairness(const void *first, size_t stride, uint32_t cpu_count, struct lockbench_result *r)
{
	unsigned __int128 sum = 0, squares = 0;
	uint32_t i;

	r->min_per_cpu = UINT64_MAX;
	for (i = 0; i < cpu_count; i++) {
		uint64_t n = *(const uint64_t *)(const void *)((const char *)first + i * stride);

		if (n < r->min_per_cpu)
			r->min_per_cpu = n;
		if (n > r->max_per_cpu)
			r->max_per_cpu = n;
		sum += n;
		squares += (unsigned __int128)n * n;
	}
	/* 8192 CPUs with 1e9 acquisitions each take 116 bits. */
	r->jain_ppb = (uint64_t)(sum * sum * 1000000000 / (cpu_count * squares));
}

static void bench_collect(struct bench *b)
{
	struct lockbench_result *r = b->result;
	struct region *region = &b->sim->region;
	const struct lock_stat *ls = &b->sim->locks[1];
	size_t i;

	r->events = b->sim->engine.dispatched;
	r->acquisitions = ls->acquisitions;
	r->contended = ls->contended;
	r->wait_total_ps = ls->wait_total_ps;
	r->wait_max_ps = ls->wait_max_ps;
	r->hold_total_ps = ls->hold_total_ps;
	r->handover_total_ps = ls->handover_total_ps;
	lockbench_fairness(&b->cpus[0].acquisitions, sizeof(b->cpus[0]), b->cpu_count, r);
	for (i = 0; i < region->memory.used >> CACHE_LINE_SHIFT; i++) {
		r->transfers_local += region->stats[i].transfers_local;
		r->transfers_remote += region->stats[i].transfers_remote;
		r->stall_ps += region->stats[i].stall_ps;
	}
}

int lockbench_run(const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
		  const struct sim_params *sim_params, const struct lockbench_params *params,
		  struct lockbench_result *result)
{
	struct bench b = { .params = params, .cpu_count = cpu_count, .result = result };
	struct sim sim;
	uint32_t i;
	int ret;

	memset(result, 0, sizeof(*result));
	ret = sim_create(&sim, topology, pus, cpu_count, sim_params);
	if (ret)
		return ret;
	b.sim = &sim;
	b.warming = cpu_count * (params->iterations / 4 + 1 < WARMUP_MAX ? params->iterations / 4 + 1 : WARMUP_MAX);
	b.cpus = calloc(cpu_count, sizeof(*b.cpus));
	ret = b.cpus ? sim_call_on_cpu(&sim, 0, bench_setup, &b) : -ENOMEM;
	if (!ret && (!b.lock || (params->data_lines && !b.lines)))
		ret = -ENOMEM;
	for (i = 0; !ret && i < cpu_count; i++) {
		b.cpus[i].bench = &b;
		rng_seed(&b.cpus[i].rng, sim_params->seed, i);
		ret = sim_start_cpu(&sim, i, bench_cpu_body, &b.cpus[i]);
	}
	if (!ret)
		ret = engine_run(&sim.engine);
	if (!ret && b.interrupted)
		ret = -EINTR;
	if (!ret)
		bench_collect(&b);
	free(b.cpus);
	sim_destroy(&sim);
	return ret;
}
