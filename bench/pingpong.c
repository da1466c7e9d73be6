/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/pingpong.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"

/* Until the state of the line repeats itself: with readers, their order settles. */
#define WARMUP_EXCHANGES 16

/* Between the last reader and the next write: more than any line stays busy. */
#define REST_PS 100000000

struct pingpong_line {
	uint64_t value __cacheline_aligned;
};

OBJ_TYPE(pingpong_line, OBJ_FIELD(pingpong_line, value));

static bool is_interrupted(const struct pingpong_params *p)
{
	return p->interrupted && *p->interrupted;
}

static void alloc_line(void *arg)
{
	struct pingpong_line **line = arg;

	*line = shared_alloc(&pingpong_line_type, sizeof(**line));
}

/* The machine, with the one line that all is about. */
static int setup(struct sim *sim, const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
		 const struct sim_params *params, struct pingpong_line **line)
{
	int ret = sim_create(sim, topology, pus, cpu_count, params);

	if (ret)
		return ret;
	*line = NULL;
	ret = sim_call_on_cpu(sim, 0, alloc_line, line);
	if (!ret && !*line)
		ret = -ENOMEM;
	if (ret)
		sim_destroy(sim);
	return ret;
}

struct exchange {
	const struct pingpong_params *params;
	struct sim *sim;
	struct pingpong_line *line;
	struct pingpong_result *result;
	uint64_t count;	  /* hand-overs, those of the warm-up included */
	uint64_t last_ps; /* when the last one was done */
	bool interrupted;
};

struct exchange_cpu {
	struct exchange *exchange;
	uint64_t mine, others; /* the line's value when it is this CPU's turn, and when it is the other's */
};

/* False when that was the last one. */
static bool count_handover(struct exchange *x)
{
	struct pingpong_result *r = x->result;
	uint64_t now = this_vcpu()->proc.now_ps, took_ps = now - x->last_ps;

	x->last_ps = now;
	if (x->count++ < WARMUP_EXCHANGES * 2) {
		region_reset_stats(&x->sim->region);
		return true;
	}
	r->handovers++;
	r->elapsed_ps += took_ps;
	if (took_ps < r->min_ps)
		r->min_ps = took_ps;
	if (took_ps > r->max_ps)
		r->max_ps = took_ps;
	x->interrupted = is_interrupted(x->params);
	return !x->interrupted && r->handovers < x->params->iterations * 2;
}

static void exchange_body(void *arg)
{
	struct exchange_cpu *cpu = arg;
	struct exchange *x = cpu->exchange;
	uint64_t *value = &x->line->value;

	for (;;) {
		uint64_t expected = cpu->mine;

		if (try_cmpxchg(value, &expected, cpu->others) && !count_handover(x))
			break;
		coh_wait_line(value);
	}
	engine_stop(&x->sim->engine);
}

int pingpong_run(const struct topology *topology, const uint32_t cpu[2], const struct sim_params *sim_params,
		 const struct pingpong_params *params, struct pingpong_result *result)
{
	const uint32_t pus[2] = { cpu[0] < cpu[1] ? cpu[0] : cpu[1], cpu[0] < cpu[1] ? cpu[1] : cpu[0] };
	struct sim sim;
	struct exchange x = { .params = params, .sim = &sim, .result = result };
	struct exchange_cpu cpus[2] = { { &x, 0, 1 }, { &x, 1, 0 } };
	uint32_t i;
	int ret;

	*result = (struct pingpong_result){ .min_ps = UINT64_MAX };
	ret = setup(&sim, topology, pus, 2, sim_params, &x.line);
	if (ret)
		return ret;
	for (i = 0; !ret && i < 2; i++)
		ret = sim_start_cpu(&sim, i, exchange_body, &cpus[i]);
	if (!ret)
		ret = engine_run(&sim.engine);
	if (!ret && x.interrupted)
		ret = -EINTR;
	if (!ret) {
		const struct line_stats *st = &sim.region.stats[region_line_index(&sim.region, x.line)];

		result->transfers = (uint64_t)st->transfers_local + st->transfers_remote;
		result->events = sim.engine.dispatched;
	}
	sim_destroy(&sim);
	return ret;
}

struct broadcast {
	const struct pingpong_params *params;
	struct sim *sim;
	struct pingpong_line *line;
	struct pingpong_readers_result *result;
	struct vcpu *writer;
	uint32_t readers;
	uint32_t pending;		    /* readers that have not seen the last write */
	uint64_t visible_ps;		    /* when it became visible */
	uint64_t first_ps, last_ps, sum_ps; /* after that */
	bool interrupted;
};

/* A reader has the new value. The last one wakes the writer. */
static void count_read(struct broadcast *b)
{
	uint64_t took_ps = this_vcpu()->proc.now_ps - b->visible_ps;

	if (took_ps < b->first_ps)
		b->first_ps = took_ps;
	if (took_ps > b->last_ps)
		b->last_ps = took_ps;
	b->sum_ps += took_ps;
	if (!--b->pending)
		proc_wake(&b->writer->proc, b->visible_ps + b->last_ps + REST_PS);
}

static void reader_body(void *arg)
{
	struct broadcast *b = arg;
	uint64_t seen = UINT64_MAX;

	for (;;) {
		seen = smp_cond_load_acquire(&b->line->value, VAL != seen);
		count_read(b);
	}
}

static void start_round(struct broadcast *b)
{
	b->pending = b->readers;
	b->first_ps = UINT64_MAX;
	b->last_ps = b->sum_ps = 0;
}

static void count_write(struct broadcast *b, uint64_t store_ps)
{
	struct pingpong_readers_result *r = b->result;

	r->writes++;
	r->visible_total_ps += b->visible_ps - store_ps;
	r->first_total_ps += b->first_ps;
	r->last_total_ps += b->last_ps;
	r->read_total_ps += b->sum_ps;
	if (b->last_ps > r->last_max_ps)
		r->last_max_ps = b->last_ps;
}

static void writer_body(void *arg)
{
	struct broadcast *b = arg;
	struct vcpu *c = this_vcpu();
	uint64_t i;

	/* Each reader starts with a read. */
	if (b->pending)
		proc_sleep(&c->proc);
	for (i = 1; b->result->writes < b->params->iterations; i++) {
		uint64_t store_ps = c->proc.now_ps;

		b->interrupted = is_interrupted(b->params);
		if (b->interrupted)
			break;
		WRITE_ONCE(b->line->value, i);
		b->visible_ps = c->store_drain_ps;
		start_round(b);
		proc_sleep(&c->proc);
		if (i > WARMUP_EXCHANGES)
			count_write(b, store_ps);
	}
	engine_stop(&b->sim->engine);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int run_broadcast(struct broadcast *b, const uint32_t *pus, uint32_t cpu_count, uint32_t writer_pu)
{
	uint32_t i;
	int ret = 0;

	start_round(b);
	for (i = 0; !ret && i < cpu_count; i++) {
		if (pus[i] == writer_pu)
			b->writer = &b->sim->cpus[i];
		ret = sim_start_cpu(b->sim, i, pus[i] == writer_pu ? writer_body : reader_body, b);
	}
	if (!ret)
		ret = engine_run(&b->sim->engine);
	if (!ret && b->interrupted)
		ret = -EINTR;
	b->result->events = b->sim->engine.dispatched;
	return ret;
}

int pingpong_readers_run(const struct topology *topology, const uint32_t *cpus, uint32_t cpu_count,
			 const struct sim_params *sim_params, const struct pingpong_params *params,
			 struct pingpong_readers_result *result)
{
	struct sim sim;
	struct broadcast b = { .params = params, .sim = &sim, .result = result, .readers = cpu_count - 1 };
	uint32_t *pus;
	int ret;

	assert(cpu_count >= 2);
	memset(result, 0, sizeof(*result));
	pus = malloc(cpu_count * sizeof(*pus));
	if (!pus)
		return -ENOMEM;
	memcpy(pus, cpus, cpu_count * sizeof(*pus));
	qsort(pus, cpu_count, sizeof(*pus), by_number);
	ret = setup(&sim, topology, pus, cpu_count, sim_params, &b.line);
	if (!ret) {
		ret = run_broadcast(&b, pus, cpu_count, cpus[0]);
		sim_destroy(&sim);
	}
	free(pus);
	return ret;
}
