/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_map_stat.c - where a map call's time goes: parts without gaps, locks, stalls, interrupts, and what is
 * forgotten
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/rng.h"
#include "tests/sim_test.h"

/* Of sim_test_params(), ps. */
#define HIT 500ULL
#define ATOMIC 6000ULL
#define TRANSFER 50000ULL /* within a package, as CPUs 0 and 1 are */
#define LATER 10000000ULL /* no line is busy any more */

struct shared {
	spinlock_t lock[3];
	uint64_t value __attribute__((aligned(64)));
};

OBJ_TYPE_PLAIN(shared, "test object");

/* Assertions stay outside the simulated CPUs: cmocka fails with longjmp(). */
struct fixture {
	struct sim *sim;
	struct shared *shared;
	struct irq irq;
	uint32_t running; /* bodies that have not returned */
	struct rng rng;
	uint64_t spent_ps[TEST_CPUS]; /* what the clock says: in map calls, without interrupts */
	uint64_t in_irq_ps[TEST_CPUS];
	uint64_t locks_in_map;
};

static void make_shared(void *arg)
{
	struct fixture *f = arg;
	unsigned int i;

	f->shared = shared_alloc(&shared_type, sizeof(*f->shared));
	for (i = 0; i < ARRAY_SIZE(f->shared->lock); i++)
		spin_lock_init(&f->shared->lock[i], "test lock");
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *sim;

	assert_non_null(f);
	assert_int_equal(sim_test_setup(&sim), 0);
	f->sim = sim;
	rng_seed(&f->rng, 41, 0);
	run_on_cpu(0, make_shared, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *sim = f->sim;

	free(f);
	return sim_test_teardown(&sim);
}

static struct map_sums collected(const struct fixture *f, uint32_t cpu)
{
	return f->sim->cpus[cpu].map.done;
}

/* In the order of MAP_PARTS. */
#define PARTS(...) ((const uint64_t[MAP_PART_COUNT]){ __VA_ARGS__ })

static void assert_parts(const struct fixture *f, uint32_t cpu, const uint64_t *wanted)
{
	static const char *const names[] = {
#define X(name) #name,
		MAP_PARTS(X)
#undef X
	};
	struct map_sums s = collected(f, cpu);
	uint32_t i;

	for (i = 0; i < MAP_PART_COUNT; i++)
		if (s.part_ps[i] != wanted[i])
			fail_msg("%s is %lu, not %lu", names[i], s.part_ps[i], wanted[i]);
}

static const struct lock_stat *lock_stat(const struct fixture *f, unsigned int i)
{
	uint32_t k;

	for (k = 1; k < f->sim->lock_count; k++)
		if (f->sim->locks[k].lock == &f->shared->lock[i])
			return &f->sim->locks[k];
	return NULL;
}

/* ---- parts ---- */

static void phases_body(void *arg)
{
	(void)arg;
	map_phase(MAP_iova); /* outside */
	count_call(FN_iotlb_sync_map);
	cpu_spend(1000);
	map_call_begin();
	count_call(FN_dma_map);
	cpu_spend(1);
	map_phase(MAP_iova);
	cpu_spend(20);
	map_phase(MAP_page_table);
	cpu_spend(300);
	map_phase(MAP_sync_map);
	count_call(FN_iotlb_sync_map);
	count_call(FN_qi_submit_sync);
	count_call(FN_qi_submit_sync);
	cpu_spend(4000);
	map_phase(MAP_other);
	cpu_spend(50000);
	map_call_end();
	count_call(FN_dma_unmap);
	cpu_spend(600000);
}

static void phases_twice_body(void *arg)
{
	phases_body(arg);
	phases_body(arg);
}

static void phases(void **state)
{
	struct fixture *f = *state;
	struct map_sums s;

	run_on_cpu(0, phases_body, f);
	assert_parts(f, 0, PARTS(20, 300, 4000, 0, 0, 0, 50001));
	run_on_cpu(0, phases_twice_body, f);
	assert_parts(f, 0, PARTS(60, 900, 12000, 0, 0, 0, 150003));
	s = collected(f, 0);
	assert_int_equal(s.calls[FN_dma_map], 3);
	assert_int_equal(s.calls[FN_iotlb_sync_map], 3);
	assert_int_equal(s.calls[FN_qi_submit_sync], 6);
	assert_int_equal(s.calls[FN_dma_unmap], 0);
	assert_parts(f, 1, PARTS(0));
}

static void write_value(void *arg)
{
	struct fixture *f = arg;

	WRITE_ONCE(f->shared->value, 1UL);
}

static void read_in_part_body(void *arg)
{
	struct fixture *f = arg;

	map_call_begin();
	map_phase(MAP_page_table);
	(void)READ_ONCE(f->shared->value);
	(void)READ_ONCE(f->shared->value);
	map_call_end();
}

/* The first read is a stall as the table of cache lines counts it, the second is work. */
static void stalls(void **state)
{
	struct fixture *f = *state;

	run_on_cpu(1, write_value, f);
	f->sim->cpus[0].proc.now_ps = LATER;
	run_on_cpu(0, read_in_part_body, f);
	assert_parts(f, 0, PARTS(0, HIT, 0, 0, 0, TRANSFER + HIT, 0));
	assert_int_equal(f->sim->cpus[0].stall_ps, TRANSFER + HIT);
	/* What the CPU was stalled for before is not the call's. */
	run_on_cpu(1, write_value, f);
	f->sim->cpus[0].proc.now_ps = 2 * LATER;
	f->sim->cpus[0].stall_ps += 12345;
	run_on_cpu(0, read_in_part_body, f);
	assert_parts(f, 0, PARTS(0, 2 * HIT, 0, 0, 0, 2 * (TRANSFER + HIT), 0));
}

/* ---- locks ---- */

static void take_lock(void *arg)
{
	struct fixture *f = arg;

	spin_lock(&f->shared->lock[0]);
	spin_unlock(&f->shared->lock[0]);
}

static void lone_lock_body(void *arg)
{
	struct fixture *f = arg;

	map_call_begin();
	map_phase(MAP_iova);
	spin_lock(&f->shared->lock[0]);
	cpu_spend(1000);
	(void)READ_ONCE(f->shared->value);
	spin_unlock(&f->shared->lock[0]);
	cpu_spend(20);
	map_call_end();
	spin_lock(&f->shared->lock[0]);
	cpu_spend(300);
	spin_unlock(&f->shared->lock[0]);
}

/* Who finds a lock free has not waited, even where its line has to come. A stall under a lock is hold time. */
static void lone_lock(void **state)
{
	struct fixture *f = *state;

	run_on_cpu(1, take_lock, f);
	run_on_cpu(1, write_value, f);
	f->sim->cpus[0].proc.now_ps = LATER;
	run_on_cpu(0, lone_lock_body, f);
	assert_parts(f, 0, PARTS(ATOMIC + 20, 0, 0, 0, 1000 + TRANSFER + HIT + HIT, TRANSFER, 0));
	assert_int_equal(lock_stat(f, 0)->acquisitions_in_map, 1);
	assert_int_equal(lock_stat(f, 0)->acquisitions, 3);
}

static void nested_body(void *arg)
{
	struct fixture *f = arg;

	map_call_begin();
	map_phase(MAP_sync_map);
	spin_lock(&f->shared->lock[0]);
	cpu_spend(1000);
	spin_lock(&f->shared->lock[1]);
	cpu_spend(200);
	spin_unlock(&f->shared->lock[1]);
	cpu_spend(30);
	spin_unlock(&f->shared->lock[0]);
	cpu_spend(4);
	map_call_end();
}

/* The inner lock's atomic is under the outer one, and so is what follows its release. */
static void nested_locks(void **state)
{
	struct fixture *f = *state;

	run_on_cpu(0, nested_body, f); /* cold */
	run_on_cpu(0, nested_body, f);
	sim_reset_stats(f->sim, 0);
	run_on_cpu(0, nested_body, f);
	assert_parts(f, 0, PARTS(0, 0, ATOMIC + 4, 0, 1000 + ATOMIC + 200 + HIT + 30 + HIT, 0, 0));
	assert_int_equal(lock_stat(f, 0)->acquisitions_in_map, 1);
	assert_int_equal(lock_stat(f, 1)->acquisitions_in_map, 1);
}

/* On several CPUs at once. */
static void run_on_cpus(struct fixture *f, uint32_t count, void (*body)(void *arg))
{
	uint32_t i;

	f->running = count;
	for (i = 0; i < count; i++)
		assert_int_equal(sim_start_cpu(f->sim, i, body, f), 0);
	assert_int_equal(engine_run(&f->sim->engine), 0);
}

static void body_over(struct fixture *f)
{
	if (!--f->running)
		engine_stop(&f->sim->engine);
}

/* CPU 1 holds both locks for long; CPU 0 comes meanwhile and asks for one, then under it for the other. */
static void contended_body(void *arg)
{
	struct fixture *f = arg;
	struct shared *s = f->shared;

	if (this_vcpu()->id == 1) {
		spin_lock(&s->lock[0]);
		spin_lock(&s->lock[1]);
		vcpu_work(1000000);
		spin_unlock(&s->lock[0]);
		vcpu_work(1000000);
		spin_unlock(&s->lock[1]);
	} else {
		vcpu_work(500000);
		map_call_begin();
		map_phase(MAP_sync_map);
		f->spent_ps[0] = cpu_clock_ps();
		spin_lock(&s->lock[0]);
		cpu_spend(100);
		spin_lock(&s->lock[1]);
		cpu_spend(20);
		spin_unlock(&s->lock[1]);
		cpu_spend(3);
		spin_unlock(&s->lock[0]);
		f->spent_ps[0] = cpu_clock_ps() - f->spent_ps[0];
		map_call_end();
	}
	body_over(f);
}

/* The lock's line may cost what it will: all of a wait is wait, whether asked for with nothing held or under a
 * lock. */
static void contended_locks(void **state)
{
	struct fixture *f = *state;
	struct map_sums s;
	uint64_t wait_ps;

	run_on_cpus(f, 2, contended_body);
	wait_ps = lock_stat(f, 0)->wait_total_ps + lock_stat(f, 1)->wait_total_ps;
	assert_int_equal(lock_stat(f, 0)->contended + lock_stat(f, 1)->contended, 2);
	assert_true(wait_ps > 1400000 && f->sim->cpus[0].stall_ps > TRANSFER);
	s = collected(f, 0);
	assert_int_equal(s.part_ps[MAP_lock_wait], wait_ps);
	assert_int_equal(s.part_ps[MAP_lock_hold], f->spent_ps[0] - wait_ps);
	assert_parts(f, 0, PARTS(0, 0, 0, s.part_ps[MAP_lock_wait], s.part_ps[MAP_lock_hold], 0, 0));
}

#define MANY (3 * MAP_CALL_LOCKS + 5)

static void many_locks_body(void *arg)
{
	struct fixture *f = arg;
	unsigned int i;

	map_call_begin();
	for (i = 0; i < MANY; i++) {
		spin_lock(&f->shared->lock[i % 3]);
		spin_unlock(&f->shared->lock[i % 3]);
	}
	map_call_end();
}

static void many_locks(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	run_on_cpu(0, many_locks_body, f);
	for (i = 0; i < 3; i++) {
		assert_int_equal(lock_stat(f, i)->acquisitions, (MANY + 2 - i) / 3);
		assert_int_equal(lock_stat(f, i)->acquisitions_in_map, lock_stat(f, i)->acquisitions);
	}
}

/* ---- interrupts ---- */

/* Does in an interrupt all that counts in a map call. */
static void serve(struct irq *irq)
{
	struct fixture *f = container_of(irq, struct fixture, irq);
	uint64_t start_ps = cpu_clock_ps();

	cpu_spend(70000);
	map_phase(MAP_iova);
	count_call(FN_cache_tag_flush_all);
	spin_lock(&f->shared->lock[2]);
	cpu_spend(8000);
	spin_unlock(&f->shared->lock[2]);
	(void)READ_ONCE(f->shared->value);
	f->in_irq_ps[this_vcpu()->id] += cpu_clock_ps() - start_ps;
}

static void interrupted_body(void *arg)
{
	struct fixture *f = arg;
	unsigned long flags;

	map_call_begin();
	map_phase(MAP_page_table);
	cpu_spend(10);
	flags = local_irq_save();
	vcpu_raise_irq(this_vcpu(), &f->irq, cpu_clock_ps());
	cpu_spend(200);
	local_irq_restore(flags);
	cpu_spend(3000);
	map_call_end();
}

static void interrupts(void **state)
{
	struct fixture *f = *state;
	struct map_sums s;

	f->irq.handler = serve;
	run_on_cpu(1, write_value, f);
	run_on_cpu(0, interrupted_body, f);
	assert_true(f->in_irq_ps[0] > 70000 + 8000 + TRANSFER);
	assert_parts(f, 0, PARTS(0, 3210, 0, 0, 0, 0, 0));
	s = collected(f, 0);
	assert_int_equal(s.calls[FN_cache_tag_flush_all], 0);
	assert_int_equal(lock_stat(f, 2)->acquisitions, 1);
	assert_int_equal(lock_stat(f, 2)->acquisitions_in_map, 0);
}

/* ---- what is forgotten ---- */

static void forget(struct fixture *f)
{
	sim_reset_stats(f->sim, this_vcpu()->proc.now_ps);
}

static void forget_in_irq(struct irq *irq)
{
	forget(container_of(irq, struct fixture, irq));
	cpu_spend(1000);
}

/* The measurement begins in the midst of a call: in a part, under a lock, in an interrupt. */
static void forgotten_body(void *arg)
{
	struct fixture *f = arg;

	phases_body(f);
	take_lock(f);
	map_call_begin();
	spin_lock(&f->shared->lock[0]);
	spin_unlock(&f->shared->lock[0]);
	cpu_spend(1);
	forget(f);
	count_call(FN_dma_map);
	cpu_spend(20);
	map_phase(MAP_iova);
	spin_lock(&f->shared->lock[0]);
	spin_unlock(&f->shared->lock[0]);
	map_call_end();
}

static void forgotten_under_lock_body(void *arg)
{
	struct fixture *f = arg;

	map_call_begin();
	spin_lock(&f->shared->lock[0]);
	cpu_spend(1);
	forget(f);
	cpu_spend(20);
	spin_unlock(&f->shared->lock[0]);
	map_phase(MAP_iova);
	cpu_spend(300);
	map_call_end();
}

static void warm_up_forgotten(void **state)
{
	struct fixture *f = *state;
	struct map_sums s;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		run_on_cpu(1, write_value, f);
		f->irq.handler = forget_in_irq;
		run_on_cpu(0, i == 0 ? forgotten_body : i == 1 ? forgotten_under_lock_body : interrupted_body, f);
		assert_parts(f, 0, PARTS(0));
		s = collected(f, 0);
		assert_int_equal(s.calls[FN_dma_map], 0);
		assert_int_equal(lock_stat(f, 0)->acquisitions_in_map, 0);
		/* The next call counts again, all of it. */
		run_on_cpu(0, phases_body, f);
		assert_parts(f, 0, PARTS(20, 300, 4000, 0, 0, 0, 50001));
		s = collected(f, 0);
		assert_int_equal(s.calls[FN_dma_map], 1);
	}
}

static void lock_first_body(void *arg)
{
	struct fixture *f = arg;

	map_call_begin();
	spin_lock(&f->shared->lock[0]);
	spin_unlock(&f->shared->lock[0]);
	cpu_spend(700);
	map_call_end();
}

/* A call begins in no phase of the one before, and under no lock, even where a release has been missed. */
static void calls_apart(void **state)
{
	struct fixture *f = *state;

	run_on_cpu(0, forgotten_under_lock_body, f);
	run_on_cpu(0, read_in_part_body, f);
	sim_reset_stats(f->sim, f->sim->cpus[0].proc.now_ps);
	run_on_cpu(0, lock_first_body, f);
	assert_parts(f, 0, PARTS(0, 0, 0, 0, HIT, 0, ATOMIC + 700));
}

static void unfinished_body(void *arg)
{
	struct fixture *f = arg;

	phases_body(f);
	map_call_begin();
	count_call(FN_dma_map);
	map_phase(MAP_page_table);
	spin_lock(&f->shared->lock[0]);
	cpu_spend(1);
}

/* A call that the end of the run cuts off is in nothing, and the CPU is not in it any more when it starts again. */
static void unfinished(void **state)
{
	struct fixture *f = *state;
	struct map_sums s;

	run_on_cpu(0, unfinished_body, f);
	assert_parts(f, 0, PARTS(20, 300, 4000, 0, 0, 0, 50001));
	s = collected(f, 0);
	assert_int_equal(s.calls[FN_dma_map], 1);
	assert_int_equal(lock_stat(f, 0)->acquisitions_in_map, 0);

	run_on_cpu(0, phases_body, f);
	assert_parts(f, 0, PARTS(40, 600, 8000, 0, 0, 0, 100002));
	s = collected(f, 0);
	assert_int_equal(s.calls[FN_dma_map], 2);
	assert_int_equal(s.calls[FN_iotlb_sync_map], 2);
	assert_int_equal(lock_stat(f, 0)->acquisitions_in_map, 0);
}

/* ---- everything at once ---- */

static void random_lock(struct fixture *f, unsigned int i)
{
	spin_lock(&f->shared->lock[i]);
	f->locks_in_map++;
	cpu_spend(rng_below(&f->rng, 40000));
	if (!rng_below(&f->rng, 3))
		(void)READ_ONCE(f->shared->value);
	if (i < 1 && rng_below(&f->rng, 2))
		random_lock(f, i + 1);
	spin_unlock(&f->shared->lock[i]);
}

static void random_step(struct fixture *f)
{
	static const enum map_part phases_of[] = { MAP_iova, MAP_page_table, MAP_sync_map, MAP_other };
	unsigned long flags = local_irq_save();

	switch (rng_below(&f->rng, 6)) {
	case 0:
		cpu_spend(rng_below(&f->rng, 50000));
		break;
	case 1:
		(void)READ_ONCE(f->shared->value);
		break;
	case 2:
		WRITE_ONCE(f->shared->value, 1UL);
		break;
	case 3:
		random_lock(f, 0);
		break;
	case 4:
		map_phase(phases_of[rng_below(&f->rng, ARRAY_SIZE(phases_of))]);
		break;
	case 5:
		if (!f->irq.pending)
			vcpu_raise_irq(this_vcpu(), &f->irq, cpu_clock_ps());
		break;
	}
	local_irq_restore(flags);
}

static void random_body(void *arg)
{
	struct fixture *f = arg;
	uint32_t cpu = this_vcpu()->id, i, k;

	for (i = 0; i < 400; i++) {
		uint64_t start_ps = cpu_clock_ps(), irq_ps = f->in_irq_ps[cpu];

		map_call_begin();
		count_call(FN_dma_map);
		for (k = (uint32_t)rng_below(&f->rng, 30); k; k--)
			random_step(f);
		map_call_end();
		f->spent_ps[cpu] += cpu_clock_ps() - start_ps - (f->in_irq_ps[cpu] - irq_ps);
		if (!f->irq.pending)
			vcpu_raise_irq(this_vcpu(), &f->irq, cpu_clock_ps());
		vcpu_work(rng_below(&f->rng, 200000));
	}
	body_over(f);
}

static void add_up(void **state)
{
	struct fixture *f = *state;
	uint64_t wait_ps = 0, all_wait_ps, locks;
	uint32_t cpu, i;

	f->irq.handler = serve;
	run_on_cpus(f, TEST_CPUS, random_body);
	for (cpu = 0; cpu < TEST_CPUS; cpu++) {
		struct map_sums s = collected(f, cpu);
		uint64_t all = 0;

		assert_int_equal(s.calls[FN_dma_map], 400);
		for (i = 0; i < MAP_PART_COUNT; i++) {
			assert_true(s.part_ps[i] > 0 && s.part_ps[i] < f->spent_ps[cpu]);
			all += s.part_ps[i];
		}
		assert_int_equal(all, f->spent_ps[cpu]);
		wait_ps += s.part_ps[MAP_lock_wait];
		assert_true(f->in_irq_ps[cpu] > 0);
	}
	/* Locks 0 and 1 are taken in map calls alone, lock 2 in interrupts. */
	all_wait_ps = lock_stat(f, 0)->wait_total_ps + lock_stat(f, 1)->wait_total_ps;
	assert_int_equal(wait_ps, all_wait_ps);
	assert_true(lock_stat(f, 0)->contended > 1000);
	locks = lock_stat(f, 0)->acquisitions_in_map + lock_stat(f, 1)->acquisitions_in_map;
	assert_int_equal(locks, f->locks_in_map);
	assert_int_equal(lock_stat(f, 2)->acquisitions_in_map, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(phases),	       TEST(stalls),	 TEST(lone_lock),  TEST(nested_locks),
		TEST(contended_locks), TEST(many_locks), TEST(interrupts), TEST(warm_up_forgotten),
		TEST(calls_apart),     TEST(unfinished), TEST(add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
