/* SPDX-License-Identifier: GPL-2.0-only */
#include "platform.h"

#include <sys/resource.h>

#include "sim/exec/native_measure.h"
#include "sim/topology.h"

/* Samples before the first one that counts. */
#define WARMUP 8

/* Enough to have homes all over the chip; and those of one sample where each line takes a while. */
#define LINES 64
#define SAMPLE_LINES 16

/* What ends the wait on a line. */
#define STOP UINT64_MAX

/* Between the last reader and the next write: the readers are waiting for it again. */
#define REST_PS 500000

/* Some 15 us, the best of several; and less than 1 us. */
#define CHAIN_ROUNDS 16384
#define CHAINS 8
#define WIDE_ROUNDS 1024

struct measure_line {
	uint64_t value __attribute__((aligned(NATIVE_APART)));
	uint64_t time_ps; /* that comes with it */
	struct measure_line *next;
};

/* What a CPU has to say to the first one. */
struct measure_cpu {
	uint64_t done;	   /* round */
	uint64_t time_ps;  /* when that was */
	uint64_t arrivals; /* of the line that all want */
	uint64_t chain_ps[2];
	struct native_look *look; /* before each sample, and after the last one */
} __attribute__((aligned(NATIVE_APART)));

struct measure {
	struct native machine;
	struct native_measure *m;
	uint64_t total;				       /* samples, with those of the warm-up */
	void (*sample)(struct measure *x, uint64_t i); /* CPU 0's part of sample @i */
	void (*stop)(struct measure *x, uint64_t i);   /* ends the followers, who are at sample @i */
	void (*follow)(struct measure *x, struct measure_cpu *cpu);
	void (*round)(struct measure *x, uint64_t round, uint64_t *first, uint64_t *last);
	enum native_op op;
	enum native_fetch how;
	struct measure_line *lines;
	struct measure_line *control; /* what the followers are to do */
	struct measure_cpu *cpus;
	uint64_t *sample_ps, *first_ps, *last_ps, *held_permille; /* receive samples, if not NULL */
	bool interrupted;
};

OBJ_TYPE_PLAIN(measure, "measure");

static struct measure_line *line_of_round(const struct measure *x, uint64_t round)
{
	return &x->lines[round % LINES];
}

/* Not before everything that precedes it is complete: the counter by itself is read out of order. */
static uint64_t stamp_ps(void)
{
#if defined(__x86_64__)
	_mm_lfence();
#else
	smp_mb();
#endif
	return cpu_clock_ps();
}

static bool is_interrupted(struct measure *x)
{
	x->interrupted |= x->m->interrupted && *x->m->interrupted;
	return x->interrupted;
}

/* Where sample @i goes in @to; nowhere if nobody wants it. */
static void put_sample(uint64_t *to, uint64_t i, uint64_t ps)
{
	if (to && i >= WARMUP)
		to[i - WARMUP] = ps;
}

/* ---- the CPU's own speed ---- */

/* As many independent additions at a time as there may be units for. */
static __attribute__((noinline)) void run_wide(uint32_t rounds)
{
	uint64_t a = 0, b = 1, c = 2, d = 3, e = 4, f = 5, g = 6, h = 7;

	while (rounds--) {
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g), "+r"(h));
		a += 3, b += 5, c += 7, d += 9, e += 11, f += 13, g += 15, h += 17;
	}
	__asm__ volatile("" ::"r"(a), "r"(b), "r"(c), "r"(d), "r"(e), "r"(f), "r"(g), "r"(h));
}

void native_look(struct native_look *look)
{
	struct rusage usage;
	uint64_t start;

	getrusage(RUSAGE_THREAD, &usage);
	look->switches = (uint64_t)usage.ru_nivcsw;
	start = stamp_ps();
	run_wide(WIDE_ROUNDS);
	look->wide_ps = stamp_ps() - start;
}

static uint64_t chain_ps(void)
{
	uint64_t best = UINT64_MAX, ps;
	int i;

	for (i = 0; i < CHAINS; i++) {
		ps = stamp_ps();
		native_spin(CHAIN_ROUNDS);
		ps = stamp_ps() - ps;
		best = ps < best ? ps : best;
	}
	return best;
}

/* ---- one CPU ---- */

/* From line to line: a CPU may guess what a single address gives again and again. */
static void run_loads(const struct measure_line *line, uint32_t count)
{
	uint32_t i;

#pragma GCC unroll 16
	for (i = 0; i < count; i++)
		line = READ_ONCE(line->next);
	__asm__ volatile("" ::"r"(line));
}

static void run_cmpxchgs(uint64_t *value, uint32_t count)
{
	uint64_t old = READ_ONCE(*value);
	uint32_t i;

#pragma GCC unroll 16
	for (i = 0; i < count; i++)
		try_cmpxchg(value, &old, i);
}

static void run_barriers(uint32_t count)
{
	uint32_t i;

#pragma GCC unroll 16
	for (i = 0; i < count; i++)
		smp_mb();
}

static void run_pauses(uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		cpu_relax();
}

static void run_clocks(uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		__asm__ volatile("" ::"r"(cpu_clock_ps()));
}

static void run_op(const struct measure *x, uint64_t i)
{
	switch (x->op) {
	case NATIVE_OP_LOAD:
		run_loads(line_of_round(x, i), x->m->batch);
		break;
	case NATIVE_OP_CMPXCHG:
		run_cmpxchgs(&line_of_round(x, i)->value, x->m->batch);
		break;
	case NATIVE_OP_BARRIER:
		run_barriers(x->m->batch);
		break;
	case NATIVE_OP_PAUSE:
		run_pauses(x->m->batch);
		break;
	case NATIVE_OP_CLOCK:
		run_clocks(x->m->batch);
		break;
	}
}

static void sample_op(struct measure *x, uint64_t i)
{
	uint64_t start = stamp_ps();

	run_op(x, i);
	put_sample(x->sample_ps, i, (stamp_ps() - start) / x->m->batch);
}

/* ---- two CPUs ---- */

/* False when the line says that it is over. */
static bool hand_over(uint64_t *value, uint64_t mine, uint64_t others)
{
	uint64_t seen;

	do {
		seen = mine;
		if (try_cmpxchg(value, &seen, others))
			return true;
	} while (seen != STOP);
	return false;
}

/* Line @k of those that every sample goes through. */
static uint64_t *sample_line(const struct measure *x, uint32_t k)
{
	return &x->lines[k * (LINES / SAMPLE_LINES)].value;
}

/* The second hand-over proves that the other CPU is there; the time counts from then on. */
static uint64_t exchange_ps(const struct measure *x, uint64_t *value)
{
	uint64_t start;
	uint32_t i;

	hand_over(value, 0, 1);
	hand_over(value, 0, 1);
	start = cpu_clock_ps();
	for (i = 0; i < x->m->batch; i++)
		hand_over(value, 0, 1);
	return cpu_clock_ps() - start;
}

static void sample_pingpong(struct measure *x, uint64_t i)
{
	uint64_t sum_ps = 0;
	uint32_t k;

	for (k = 0; k < SAMPLE_LINES; k++)
		sum_ps += exchange_ps(x, sample_line(x, k));
	put_sample(x->sample_ps, i, sum_ps / SAMPLE_LINES / x->m->batch / 2);
}

static bool follow_exchange(const struct measure *x, uint64_t *value)
{
	uint32_t i;

	for (i = 0; i < x->m->batch + 2; i++)
		if (!hand_over(value, 1, 0))
			return false;
	return true;
}

static void follow_pingpong(struct measure *x, struct measure_cpu *cpu)
{
	uint64_t i;
	uint32_t k;

	for (i = 0;; i++) {
		native_look(&cpu->look[i]);
		for (k = 0; k < SAMPLE_LINES; k++)
			if (!follow_exchange(x, sample_line(x, k)))
				return;
	}
}

static void stop_pingpong(struct measure *x, uint64_t i)
{
	(void)i;
	smp_store_release(sample_line(x, 0), STOP);
}

/* ---- rounds: the leader writes their number to a line, and the others answer ---- */

/* False when it is over. */
static bool await_round(const uint64_t *value, uint64_t round)
{
	uint64_t seen;

	do
		seen = smp_load_acquire(value);
	while (seen != round && seen != STOP);
	return seen == round;
}

static void stop_rounds(struct measure *x, uint64_t i)
{
	uint32_t k;

	(void)i;
	for (k = 0; k < LINES; k++)
		smp_store_release(&x->lines[k].value, STOP);
}

/* A line goes there with an odd number and comes back with the next one. */
static void sample_skew(struct measure *x, uint64_t i)
{
	struct measure_line *line = line_of_round(x, i);
	uint64_t start, there;

	start = stamp_ps();
	smp_store_release(&line->value, 2 * i + 1);
	await_round(&line->value, 2 * i + 2);
	there = line->time_ps;
	put_sample(x->sample_ps, i, (uint64_t)((int64_t)(there - start - (stamp_ps() - there)) / 2));
}

static void follow_skew(struct measure *x, struct measure_cpu *cpu)
{
	struct measure_line *line;
	uint64_t i;

	(void)cpu;
	for (i = 0;; i++) {
		line = line_of_round(x, i);
		if (!await_round(&line->value, 2 * i + 1))
			return;
		line->time_ps = stamp_ps();
		smp_store_release(&line->value, 2 * i + 2);
	}
}

static void answer(struct measure_cpu *cpu, uint64_t round)
{
	cpu->time_ps = stamp_ps();
	smp_store_release(&cpu->done, round);
}

static void await_answer(const struct measure_cpu *cpu, uint64_t round)
{
	while (smp_load_acquire(&cpu->done) != round)
		;
}

/* The earliest and the latest of the answers from CPU @cpu on, counted from @start. */
static void add_answers(struct measure *x, uint32_t cpu, uint64_t round, uint64_t start, uint64_t *first,
			uint64_t *last)
{
	int64_t low = INT64_MAX, high = 0, ps;

	for (; cpu < x->m->cpu_count; cpu++) {
		await_answer(&x->cpus[cpu], round);
		ps = (int64_t)(x->cpus[cpu].time_ps - start);
		ps = ps > 0 ? ps : 0; /* the clocks may differ a little */
		low = ps < low ? ps : low;
		high = ps > high ? ps : high;
	}
	*first += (uint64_t)low;
	*last += (uint64_t)high;
}

static void sample_rounds(struct measure *x, uint64_t i)
{
	uint64_t round = i * x->m->batch + 1, first = 0, last = 0;
	uint32_t k;

	for (k = 0; k < x->m->batch; k++)
		x->round(x, round + k, &first, &last);
	put_sample(x->first_ps, i, first / x->m->batch);
	put_sample(x->last_ps, i, last / x->m->batch);
}

/* Before the first round of each sample. */
static void probe_round(struct measure *x, struct measure_cpu *cpu, uint64_t round)
{
	if ((round - 1) % x->m->batch == 0)
		native_look(&cpu->look[(round - 1) / x->m->batch]);
}

static void broadcast_round(struct measure *x, uint64_t round, uint64_t *first, uint64_t *last)
{
	uint64_t start;

	cpu_spend(REST_PS);
	start = stamp_ps();
	smp_store_release(&line_of_round(x, round)->value, round);
	add_answers(x, 1, round, start, first, last);
}

static void follow_broadcast(struct measure *x, struct measure_cpu *cpu)
{
	uint64_t round = 1;

	probe_round(x, cpu, round);
	while (await_round(&line_of_round(x, round)->value, round)) {
		answer(cpu, round++);
		probe_round(x, cpu, round);
	}
}

static void stop_control(struct measure *x, uint64_t i)
{
	(void)i;
	smp_store_release(&x->control->value, STOP);
}

static uint64_t touch(const struct measure *x, struct measure_line *line)
{
	uint64_t start = stamp_ps();

	if (x->how == NATIVE_FETCH_LOAD)
		(void)READ_ONCE(line->value);
	else
		atomic_fetch_add(1, &line->value);
	return stamp_ps() - start;
}

static void sample_fetch(struct measure *x, uint64_t i)
{
	uint64_t round = i * x->m->batch + 1, first = 0, again = 0;
	uint32_t k;

	for (k = 0; k < x->m->batch; k++, round++) {
		smp_store_release(&x->control->value, round);
		await_answer(&x->cpus[1], round);
		cpu_spend(REST_PS);
		if (x->how == NATIVE_FETCH_UPGRADE)
			(void)READ_ONCE(line_of_round(x, round)->value);
		first += touch(x, line_of_round(x, round));
		again += touch(x, line_of_round(x, round));
	}
	put_sample(x->sample_ps, i, first > again ? (first - again) / x->m->batch : 0);
}

static void follow_fetch(struct measure *x, struct measure_cpu *cpu)
{
	uint64_t round = 1;

	probe_round(x, cpu, round);
	while (await_round(&x->control->value, round)) {
		WRITE_ONCE(line_of_round(x, round)->value, round);
		smp_mb();
		answer(cpu, round++);
		probe_round(x, cpu, round);
	}
}

/* ---- everybody at the same line all the time ---- */

/* One atomic; counts it if somebody else has had the line since the last one. */
static void contend_once(uint64_t *value, struct measure_cpu *cpu, uint64_t *last)
{
	uint64_t old = atomic_fetch_add(1, value);

	if (old != *last + 1)
		WRITE_ONCE(cpu->arrivals, cpu->arrivals + 1);
	*last = old;
}

static void contend_for(struct measure *x, uint64_t *value, uint64_t arrivals)
{
	struct measure_cpu *cpu = &x->cpus[0];
	uint64_t end = cpu->arrivals + arrivals, last = READ_ONCE(*value);

	while (cpu->arrivals < end)
		contend_once(value, cpu, &last);
}

static uint64_t all_arrivals(const struct measure *x)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < x->m->cpu_count; i++)
		sum += READ_ONCE(x->cpus[i].arrivals);
	return sum;
}

/* The others are there when the line has gone away and come back a few times. */
#define CONTEND_SETTLE 8

struct contention {
	uint64_t time_ps, arrivals, atomics;
};

/* All CPUs at line @k, until it has come here often enough. */
static void contend_at(struct measure *x, uint32_t k, struct contention *c)
{
	uint64_t *value = sample_line(x, k), arrivals, atomics, start;

	smp_store_release(&x->control->value, k);
	contend_for(x, value, CONTEND_SETTLE);
	arrivals = all_arrivals(x);
	atomics = READ_ONCE(*value);
	start = cpu_clock_ps();
	contend_for(x, value, x->m->batch);
	c->time_ps += cpu_clock_ps() - start;
	c->arrivals += all_arrivals(x) - arrivals;
	c->atomics += READ_ONCE(*value) - atomics;
}

static void sample_contend(struct measure *x, uint64_t i)
{
	struct contention c = { 0 };
	uint32_t k;

	for (k = 0; k < SAMPLE_LINES; k++)
		contend_at(x, k, &c);
	put_sample(x->sample_ps, i, c.time_ps / c.arrivals);
	put_sample(x->held_permille, i, c.atomics * 1000 / c.arrivals);
}

static void follow_contend(struct measure *x, struct measure_cpu *cpu)
{
	uint64_t k, last = 0;

	while ((k = smp_load_acquire(&x->control->value)) != STOP)
		contend_once(sample_line(x, (uint32_t)k), cpu, &last);
}

/* ---- the crew ---- */

static void setup(void *arg)
{
	struct measure *x = arg;
	uint32_t i;

	x->lines = shared_alloc_aligned(&measure_type, (LINES + 1) * sizeof(*x->lines), PAGE_SIZE);
	x->cpus = shared_alloc_aligned(&measure_type, x->m->cpu_count * sizeof(*x->cpus), PAGE_SIZE);
	if (!x->lines || !x->cpus) {
		cpu_fail(-ENOMEM);
		return;
	}
	x->control = &x->lines[LINES];
	for (i = 0; i < LINES; i++)
		x->lines[i].next = &x->lines[(i + 1) % LINES];
	for (i = 0; i < x->m->cpu_count; i++) {
		x->cpus[i].look = shared_alloc_aligned(&measure_type, (x->total + 1) * sizeof(struct native_look),
						       NATIVE_APART);
		if (!x->cpus[i].look)
			cpu_fail(-ENOMEM);
	}
}

static void lead(struct measure *x, struct measure_cpu *cpu)
{
	uint64_t i;

	for (i = 0; i < x->total && !is_interrupted(x); i++) {
		native_look(&cpu->look[i]);
		x->sample(x, i);
	}
	native_look(&cpu->look[i]);
	if (x->stop)
		x->stop(x, i);
}

static void measure_body(void *arg, uint32_t id)
{
	struct measure *x = arg;
	struct measure_cpu *cpu = &x->cpus[id];

	cpu->chain_ps[0] = chain_ps();
	if (id)
		x->follow(x, cpu);
	else
		lead(x, cpu);
	cpu->chain_ps[1] = chain_ps();
}

static void collect_probe(const struct measure *x, uint32_t cpu)
{
	struct native_probe *p = &x->m->probes[cpu];
	uint64_t i, ps;

	memcpy(p->chain_ps, x->cpus[cpu].chain_ps, sizeof(p->chain_ps));
	for (i = 0; i <= x->total; i++) {
		ps = x->cpus[cpu].look[i].wide_ps;
		if (ps && (!p->wide_ps || ps < p->wide_ps))
			p->wide_ps = ps;
	}
}

static uint8_t disturbances(const struct measure *x, uint64_t i)
{
	unsigned int bits = 0;
	uint32_t cpu;

	for (cpu = 0; cpu < x->m->cpu_count; cpu++)
		bits |= native_disturbances(&x->cpus[cpu].look[i], x->m->probes[cpu].wide_ps);
	return (uint8_t)bits;
}

static void collect(const struct measure *x)
{
	uint64_t i;
	uint32_t cpu;

	for (cpu = 0; cpu < x->m->cpu_count; cpu++)
		collect_probe(x, cpu);
	for (i = WARMUP; x->m->disturbed && i < x->total; i++)
		x->m->disturbed[i - WARMUP] = disturbances(x, i);
}

static int run(struct measure *x)
{
	const struct sim_params params = { .lock = LOCK_QSPINLOCK };
	int ret;

	assert(x->m->samples && x->m->batch && x->m->cpu_count && x->m->probes);
	x->total = WARMUP + (uint64_t)x->m->samples;
	ret = native_create(&x->machine, x->m->topology, x->m->pus, x->m->cpu_count, &params, false);
	if (ret)
		return ret;
	ret = native_call_on_cpu(&x->machine, 0, setup, x);
	if (!ret)
		ret = native_run(&x->machine, measure_body, x);
	if (!ret && x->interrupted)
		ret = -EINTR;
	if (!ret)
		collect(x);
	native_destroy(&x->machine);
	return ret;
}

static void sample_nothing(struct measure *x, uint64_t i)
{
	(void)x, (void)i;
}

static void follow_nothing(struct measure *x, struct measure_cpu *cpu)
{
	uint64_t i;

	for (i = 0; i <= x->total; i++)
		native_look(&cpu->look[i]);
}

int native_measure_probes(struct native_measure *m)
{
	struct measure x = { .m = m, .sample = sample_nothing, .follow = follow_nothing };

	return run(&x);
}

int native_measure_op(struct native_measure *m, enum native_op op, uint64_t *sample_ps)
{
	struct native_measure one = *m;
	struct measure x = { .m = &one, .sample = sample_op, .op = op, .sample_ps = sample_ps };

	one.cpu_count = 1;
	return run(&x);
}

int native_measure_pingpong(struct native_measure *m, uint64_t *sample_ps)
{
	struct measure x = { .m = m,
			     .sample = sample_pingpong,
			     .follow = follow_pingpong,
			     .stop = stop_pingpong,
			     .sample_ps = sample_ps };

	assert(m->cpu_count == 2);
	return run(&x);
}

int native_measure_skew(struct native_measure *m, int64_t *sample_ps)
{
	struct measure x = { .m = m,
			     .sample = sample_skew,
			     .follow = follow_skew,
			     .stop = stop_rounds,
			     .sample_ps = (uint64_t *)sample_ps };

	assert(m->cpu_count == 2);
	return run(&x);
}

int native_measure_broadcast(struct native_measure *m, uint64_t *first_ps, uint64_t *last_ps)
{
	struct measure x = { .m = m,
			     .sample = sample_rounds,
			     .round = broadcast_round,
			     .follow = follow_broadcast,
			     .stop = stop_rounds,
			     .first_ps = first_ps,
			     .last_ps = last_ps };

	assert(m->cpu_count >= 2);
	return run(&x);
}

int native_measure_contend(struct native_measure *m, uint64_t *sample_ps, uint64_t *held_permille)
{
	struct measure x = { .m = m,
			     .sample = sample_contend,
			     .follow = follow_contend,
			     .stop = stop_control,
			     .sample_ps = sample_ps,
			     .held_permille = held_permille };

	assert(m->cpu_count >= 2);
	return run(&x);
}

int native_measure_fetch(struct native_measure *m, enum native_fetch how, uint64_t *sample_ps)
{
	struct measure x = { .m = m,
			     .sample = sample_fetch,
			     .follow = follow_fetch,
			     .stop = stop_control,
			     .sample_ps = sample_ps,
			     .how = how };

	assert(m->cpu_count == 2);
	return run(&x);
}
