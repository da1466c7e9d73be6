/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_lock.c - the four spinlocks: exclusion, progress, fairness, nesting, interrupts, and the same run every time
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/lockbench.h"
#include "platform.h"
#include "sim/lock.h"
#include "sim/rng.h"
#include "tests/sim_test.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_LOCKS 4
#define NS 1000ULL

static const enum lock_kind kinds[] = { LOCK_QSPINLOCK, LOCK_TICKET, LOCK_TAS, LOCK_MCS };
static const enum lock_kind queues[] = { LOCK_QSPINLOCK, LOCK_TICKET, LOCK_MCS };

/* ---- through the lock benchmark ---- */

struct machine {
	struct topology topology;
	uint32_t pus[512];
};

static int load_machine(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));
	char err[TOPOLOGY_ERR_SIZE];
	uint32_t i;

	assert_non_null(m);
	assert_int_equal(topology_load(&m->topology, "package:2 l3:2 core:64 pu:2", err, sizeof(err)), 0);
	for (i = 0; i < COUNT(m->pus); i++)
		m->pus[i] = i;
	*state = m;
	return 0;
}

static int free_machine(void **state)
{
	struct machine *m = *state;

	topology_destroy(&m->topology);
	free(m);
	return 0;
}

/* @cpus of the machine, half of them in each package. */
static void bench(const struct machine *m, uint32_t cpus, enum lock_kind kind, uint64_t seed,
		  const struct lockbench_params *params, struct lockbench_result *result)
{
	struct sim_params sim = sim_test_params();
	uint32_t pus[512], i;
	int ret;

	for (i = 0; i < cpus; i++)
		pus[i] = i < (cpus + 1) / 2 ? i : 256 + i - (cpus + 1) / 2;
	sim.lock = kind;
	sim.seed = seed;
	ret = lockbench_run(&m->topology, pus, cpus, &sim, params, result);
	if (ret)
		fail_msg("%s, %u CPUs, hold %llu, think %llu: error %d", lock_kind_name(kind), cpus,
			 (unsigned long long)params->hold_ps, (unsigned long long)params->think_ps, ret);
	assert_int_equal(result->violations, 0);
	assert_int_equal(result->max_per_cpu, params->iterations);
	assert_true(result->acquisitions >= params->iterations);
	assert_true(result->contended <= result->acquisitions);
	assert_true(result->elapsed_ps >= params->iterations * params->hold_ps);
}

/*
 * No wake-up is lost, no two hold the lock: a lost one ends in -EDEADLK. Without any randomness test-and-set
 * starves: the CPU that releases is always the first to try again, and the benchmark waits for all.
 */
static void test_exclusion_and_progress(void **state)
{
	static const uint32_t cpus[] = { 1, 2, 3, 8, 64 };
	static const struct lockbench_params params[] = {
		{ .hold_ps = 0,
		  .think_ps = 0,
		  .think_dist = THINKDIST_CONSTANT,
		  .data_lines = 0,
		  .iterations = 60 },
		{ .hold_ps = 60 * NS,
		  .think_ps = 0,
		  .think_dist = THINKDIST_CONSTANT,
		  .data_lines = 0,
		  .iterations = 60 },
		{ .hold_ps = 0,
		  .think_ps = 300 * NS,
		  .think_dist = THINKDIST_UNIFORM,
		  .data_lines = 1,
		  .iterations = 60 },
		{ .hold_ps = 60 * NS,
		  .think_ps = 500 * NS,
		  .think_dist = THINKDIST_EXPONENTIAL,
		  .data_lines = 2,
		  .iterations = 60 },
		{ .hold_ps = 100 * NS,
		  .think_ps = 100 * NS,
		  .think_dist = THINKDIST_CONSTANT,
		  .data_lines = 3,
		  .iterations = 60 },
	};
	struct lockbench_result result;
	size_t k, c, p;

	for (k = 0; k < COUNT(queues); k++) {
		for (c = 0; c < COUNT(cpus); c++) {
			for (p = 0; p < COUNT(params); p++) {
				bench(*state, cpus[c], queues[k], p, &params[p], &result);
				if (cpus[c] == 1)
					assert_int_equal(result.contended, 0);
				else if (!params[p].think_ps)
					assert_true(result.contended > 0);
			}
		}
	}
}

/*
 * Under load test-and-set starves: whoever releases is the first to try again, and the benchmark waits until
 * everybody has been served. So the load here is light; test_saturated() has the heavy one, with an end.
 */
static void test_exclusion_of_test_and_set(void **state)
{
	static const uint32_t cpus[] = { 1, 2, 3, 8, 64 };
	struct lockbench_result result;
	size_t c;

	for (c = 0; c < COUNT(cpus); c++) {
		struct lockbench_params params = {
			.hold_ps = 20 * NS,
			.think_ps = cpus[c] * 400 * NS,
			.think_dist = THINKDIST_EXPONENTIAL,
			.data_lines = 1,
			.iterations = 60,
		};

		bench(*state, cpus[c], LOCK_TAS, c, &params, &result);
		assert_true((result.contended > 0) == (cpus[c] > 1));
	}
}

static void test_512_cpus(void **state)
{
	static const struct lockbench_params queued[] = {
		{ .hold_ps = 0,
		  .think_ps = 0,
		  .think_dist = THINKDIST_CONSTANT,
		  .data_lines = 0,
		  .iterations = 20 },
		{ .hold_ps = 60 * NS,
		  .think_ps = 20000 * NS,
		  .think_dist = THINKDIST_EXPONENTIAL,
		  .data_lines = 1,
		  .iterations = 20 },
	};
	/* Every release wakes everybody: dear to simulate when all want the lock all the time. */
	static const struct lockbench_params spread = { .hold_ps = 10 * NS,
							.think_ps = 40000 * NS,
							.think_dist = THINKDIST_EXPONENTIAL,
							.data_lines = 1,
							.iterations = 2 };
	struct lockbench_result result;
	size_t p;

	for (p = 0; p < COUNT(queued); p++) {
		bench(*state, 512, LOCK_QSPINLOCK, 1, &queued[p], &result);
		bench(*state, 512, LOCK_MCS, 1, &queued[p], &result);
	}
	bench(*state, 512, LOCK_TICKET, 1, &spread, &result);
	bench(*state, 512, LOCK_TAS, 1, &spread, &result);
}

/* Everybody wants the lock all the time: first come, first served gives each CPU the same share. */
static void test_queues_are_fair(void **state)
{
	static const uint32_t cpus[] = { 3, 8, 48 };
	static const struct lockbench_params params = { .hold_ps = 20 * NS,
							.think_ps = 0,
							.think_dist = THINKDIST_CONSTANT,
							.data_lines = 1,
							.iterations = 100 };
	struct lockbench_result result;
	size_t k, c;

	for (k = 0; k < COUNT(queues); k++) {
		for (c = 0; c < COUNT(cpus); c++) {
			bench(*state, cpus[c], queues[k], 1, &params, &result);
			if (result.max_per_cpu > result.min_per_cpu + 2)
				fail_msg("%s, %u CPUs: %llu to %llu acquisitions", lock_kind_name(queues[k]),
					 cpus[c], (unsigned long long)result.min_per_cpu,
					 (unsigned long long)result.max_per_cpu);
		}
	}
}

static const struct lockbench_params typical = { .hold_ps = 60 * NS,
						 .think_ps = 500 * NS,
						 .think_dist = THINKDIST_EXPONENTIAL,
						 .data_lines = 2,
						 .iterations = 200 };

static void test_same_seed_same_result(void **state)
{
	struct lockbench_result a, b, c;
	size_t k;

	for (k = 0; k < COUNT(kinds); k++) {
		bench(*state, 24, kinds[k], 7, &typical, &a);
		bench(*state, 24, kinds[k], 7, &typical, &b);
		bench(*state, 24, kinds[k], 8, &typical, &c);
		assert_memory_equal(&a, &b, sizeof(a));
		assert_memory_not_equal(&a, &c, sizeof(a));
	}
}

/* The algorithms are four: no two of them give the same run. */
static void test_kinds_differ(void **state)
{
	struct lockbench_result r[COUNT(kinds)];
	size_t k, i;

	for (k = 0; k < COUNT(kinds); k++) {
		bench(*state, 16, kinds[k], 7, &typical, &r[k]);
		for (i = 0; i < k; i++)
			assert_memory_not_equal(&r[i], &r[k], sizeof(r[k]));
	}
}

struct worker {
	const struct machine *machine;
	enum lock_kind kind;
	struct lockbench_result result;
	int ret;
};

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	struct sim_params sim = sim_test_params();

	sim.lock = w->kind;
	w->ret = lockbench_run(&w->machine->topology, w->machine->pus, 80, &sim, &typical, &w->result);
	return NULL;
}

static void test_two_simulations_at_once(void **state)
{
	struct worker alone[COUNT(kinds)], w[COUNT(kinds)];
	pthread_t thread[COUNT(kinds)];
	size_t k;
	int round;

	for (k = 0; k < COUNT(kinds); k++) {
		alone[k] = (struct worker){ .machine = *state, .kind = kinds[k] };
		worker_run(&alone[k]);
		assert_int_equal(alone[k].ret, 0);
	}
	for (round = 0; round < 2; round++) {
		for (k = 0; k < COUNT(kinds); k++) {
			w[k] = (struct worker){ .machine = *state, .kind = kinds[k] };
			assert_int_equal(pthread_create(&thread[k], NULL, worker_run, &w[k]), 0);
		}
		for (k = 0; k < COUNT(kinds); k++)
			assert_int_equal(pthread_join(thread[k], NULL), 0);
		for (k = 0; k < COUNT(kinds); k++) {
			assert_int_equal(w[k].ret, 0);
			assert_memory_equal(&w[k].result, &alone[k].result, sizeof(w[k].result));
		}
	}
}

/* ---- through loops of our own ---- */

struct guarded {
	spinlock_t lock __cacheline_aligned;
	uint64_t value __cacheline_aligned; /* what the lock protects */
};

OBJ_TYPE(guarded, OBJ_FIELD(guarded, lock), OBJ_FIELD(guarded, value));

struct cpu {
	struct contest *contest;
	struct rng rng;
	struct irq irq;
	struct actor actor;
	uint32_t irqs_left;
	uint64_t interrupts;
};

struct contest {
	struct sim *sim;
	struct guarded *guarded;
	struct cpu *cpus;
	uint32_t rounds, running;
	int holder[MAX_LOCKS]; /* 1 + CPU, 0: none */
	uint64_t taken[MAX_LOCKS];
	uint32_t violations;
};

static void contest_setup(void *arg)
{
	struct contest *t = arg;
	int i;

	t->guarded = shared_alloc(&guarded_type, MAX_LOCKS * sizeof(*t->guarded));
	for (i = 0; t->guarded && i < MAX_LOCKS; i++)
		spin_lock_init(&t->guarded[i].lock, "guarded");
}

static void take(struct contest *t, int lock)
{
	spin_lock(&t->guarded[lock].lock);
	if (t->holder[lock])
		t->violations++;
	t->holder[lock] = 1 + (int)smp_processor_id();
	t->taken[lock]++;
}

/* A read and a write that somebody else would come between if the lock let him. */
static void change(struct contest *t, int lock, uint64_t ps)
{
	uint64_t value = READ_ONCE(t->guarded[lock].value);

	proc_hold(this_proc, ps);
	WRITE_ONCE(t->guarded[lock].value, value + 1);
}

static void drop(struct contest *t, int lock)
{
	if (t->holder[lock] != 1 + (int)smp_processor_id())
		t->violations++;
	t->holder[lock] = 0;
	spin_unlock(&t->guarded[lock].lock);
}

static void contest_done(struct contest *t)
{
	if (!--t->running)
		engine_stop(&t->sim->engine);
}

/* Takes some of the locks, in the order of their numbers, and leaves them in reverse. */
static void nested_body(void *arg)
{
	struct cpu *cpu = arg;
	struct contest *t = cpu->contest;
	uint32_t round;

	for (round = 0; round < t->rounds; round++) {
		unsigned int wanted = 1 + (unsigned int)rng_below(&cpu->rng, (1 << MAX_LOCKS) - 1);
		unsigned long flags = local_irq_save();
		int i;

		for (i = 0; i < MAX_LOCKS; i++)
			if (wanted >> i & 1)
				take(t, i);
		for (i = MAX_LOCKS - 1; i >= 0; i--) {
			if (!(wanted >> i & 1))
				continue;
			change(t, i, rng_below(&cpu->rng, 50 * NS));
			drop(t, i);
		}
		local_irq_restore(flags);
		vcpu_work(rng_below(&cpu->rng, 400 * NS));
	}
	contest_done(t);
}

static void change_one(struct contest *t, int lock, uint64_t ps)
{
	unsigned long flags = spin_lock_irqsave(&t->guarded[lock].lock);

	if (t->holder[lock] || !this_vcpu()->irq_depth)
		t->violations++;
	t->holder[lock] = 1 + (int)smp_processor_id();
	t->taken[lock]++;
	change(t, lock, ps);
	t->holder[lock] = 0;
	spin_unlock_irqrestore(&t->guarded[lock].lock, flags);
}

static void handler(struct irq *irq)
{
	struct cpu *cpu = container_of(irq, struct cpu, irq);

	cpu->interrupts++;
	change_one(cpu->contest, 0, 30 * NS);
}

static void raise_irq(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct cpu *cpu = container_of(actor, struct cpu, actor);
	struct contest *t = cpu->contest;

	vcpu_raise_irq(&t->sim->cpus[arg], &cpu->irq, time_ps);
	if (--cpu->irqs_left)
		engine_post(&t->sim->engine, time_ps + rng_below(&cpu->rng, 2000 * NS), actor, arg);
}

/* No work in between at all, and a fixed number of rounds. */
static void saturating_body(void *arg)
{
	struct cpu *cpu = arg;
	struct contest *t = cpu->contest;
	uint32_t round;

	for (round = 0; round < t->rounds; round++) {
		take(t, 0);
		change(t, 0, 0);
		drop(t, 0);
	}
	contest_done(t);
}

/* The handler wants the very lock that the interrupted CPU takes. */
static void interrupted_body(void *arg)
{
	struct cpu *cpu = arg;
	struct contest *t = cpu->contest;
	uint32_t round;

	for (round = 0; round < t->rounds; round++) {
		change_one(t, 0, rng_below(&cpu->rng, 100 * NS));
		vcpu_work(rng_below(&cpu->rng, 300 * NS));
	}
	contest_done(t);
}

static void contest(enum lock_kind kind, uint32_t cpus, uint32_t rounds, uint64_t seed, void (*body)(void *arg),
		    uint32_t irqs)
{
	struct sim_params params = sim_test_params();
	struct contest t = { .rounds = rounds, .running = cpus };
	uint64_t interrupts = 0;
	uint32_t i;

	params.lock = kind;
	t.sim = sim_test_create("package:2 l3:2 core:24 pu:1", cpus, &params);
	t.cpus = calloc(cpus, sizeof(*t.cpus));
	assert_non_null(t.cpus);
	assert_int_equal(sim_call_on_cpu(t.sim, 0, contest_setup, &t), 0);
	assert_non_null(t.guarded);
	for (i = 0; i < cpus; i++) {
		t.cpus[i].contest = &t;
		t.cpus[i].irq.handler = handler;
		t.cpus[i].actor.fn = raise_irq;
		t.cpus[i].irqs_left = irqs;
		rng_seed(&t.cpus[i].rng, seed, i);
		assert_int_equal(sim_start_cpu(t.sim, i, body, &t.cpus[i]), 0);
		if (irqs)
			engine_post(&t.sim->engine, i * 100, &t.cpus[i].actor, i);
	}
	if (engine_run(&t.sim->engine))
		fail_msg("%s, %u CPUs, seed %llu: stuck", lock_kind_name(kind), cpus, (unsigned long long)seed);
	assert_int_equal(t.violations, 0);
	for (i = 0; i < cpus; i++)
		interrupts += t.cpus[i].interrupts;
	assert_true(!irqs || interrupts > cpus);
	for (i = 0; i < MAX_LOCKS; i++) {
		assert_int_equal(t.guarded[i].value, t.taken[i]);
		/* Free again, whoever was the last to leave. */
		if (kind == LOCK_TICKET)
			assert_int_equal(t.guarded[i].lock.ticket.owner, t.guarded[i].lock.ticket.next);
		else
			assert_int_equal(t.guarded[i].lock.val, 0);
		assert_int_equal(t.sim->locks[1 + i].acquisitions, t.taken[i]);
	}
	for (i = 0; i < cpus; i++)
		assert_int_equal(t.sim->mcs_nodes[i].node[0].count, 0);
	if (irqs)
		assert_int_equal(t.taken[0], (uint64_t)cpus * rounds + interrupts);
	sim_test_destroy(t.sim);
	free(t.cpus);
}

static void test_four_locks_nested(void **state)
{
	static const uint32_t cpus[] = { 1, 2, 3, 16, 96 };
	uint64_t seed;
	size_t k, c;

	(void)state;
	for (k = 0; k < COUNT(kinds); k++)
		for (c = 0; c < COUNT(cpus); c++)
			for (seed = 1; seed <= 2; seed++)
				contest(kinds[k], cpus[c], 1 + 300 / cpus[c], seed, nested_body, 0);
}

static void test_saturated(void **state)
{
	static const uint32_t cpus[] = { 1, 2, 3, 64, 96 };
	size_t k, c;

	(void)state;
	for (k = 0; k < COUNT(kinds); k++)
		for (c = 0; c < COUNT(cpus); c++)
			contest(kinds[k], cpus[c], 1 + 200 / cpus[c], 1, saturating_body, 0);
}

static void test_handler_takes_the_same_lock(void **state)
{
	static const uint32_t cpus[] = { 1, 2, 12, 70 };
	uint64_t seed;
	size_t k, c;

	(void)state;
	for (k = 0; k < COUNT(kinds); k++)
		for (c = 0; c < COUNT(cpus); c++)
			for (seed = 1; seed <= 2; seed++)
				contest(kinds[k], cpus[c], 20 + 300 / cpus[c], seed, interrupted_body, 1000);
}

/* A ticket wraps around its 16 bits while CPUs wait. */
static void wrap_setup(void *arg)
{
	struct contest *t = arg;

	contest_setup(t);
	t->guarded[0].lock.ticket.owner = t->guarded[0].lock.ticket.next = 65530;
}

static void test_tickets_wrap(void **state)
{
	struct sim_params params = sim_test_params();
	struct contest t = { .rounds = 10, .running = 6 };
	struct cpu cpus[6] = { 0 };
	uint32_t i;

	(void)state;
	params.lock = LOCK_TICKET;
	t.sim = sim_test_create("package:2 l3:1 core:4 pu:1", 6, &params);
	assert_int_equal(sim_call_on_cpu(t.sim, 0, wrap_setup, &t), 0);
	for (i = 0; i < 6; i++) {
		cpus[i].contest = &t;
		assert_int_equal(sim_start_cpu(t.sim, i, interrupted_body, &cpus[i]), 0);
		rng_seed(&cpus[i].rng, 1, i);
	}
	assert_int_equal(engine_run(&t.sim->engine), 0);
	assert_int_equal(t.violations, 0);
	assert_int_equal(t.guarded[0].value, 60);
	assert_int_equal(t.guarded[0].lock.ticket.owner, 65530 + 60 - 65536);
	sim_test_destroy(t.sim);
}

/* ---- hand-over by hand ---- */

struct handover {
	struct sim *sim;
	struct guarded *guarded;
	uint64_t acquired_ps[2];
};

static void hold_first(void *arg)
{
	struct handover *h = arg;

	spin_lock(&h->guarded->lock);
	h->acquired_ps[0] = this_proc->now_ps;
	proc_hold(this_proc, 1000 * NS - this_proc->now_ps);
	spin_unlock(&h->guarded->lock);
	proc_sleep(this_proc);
}

static void want_second(void *arg)
{
	struct handover *h = arg;

	this_proc->now_ps = 500 * NS;
	proc_sync(this_proc);
	spin_lock(&h->guarded->lock);
	h->acquired_ps[1] = this_proc->now_ps;
	engine_stop(&h->sim->engine);
}

static void handover_setup(void *arg)
{
	struct handover *h = arg;

	h->guarded = shared_alloc(&guarded_type, sizeof(*h->guarded));
	if (h->guarded)
		spin_lock_init(&h->guarded->lock, "guarded");
}

/*
 * CPU 0 takes the lock from memory: 50 and 6 ns for the atomic. CPU @second, whose distance is @far_ps, asks at 500
 * ns, has the line then, and waits. CPU 0 leaves at 1000 ns, which is visible at @visible_ps; the waiter reads the
 * line again, for @far_ps and 0.5, and needs @last_ps more to make the lock its own.
 */
static void check_handover(enum lock_kind kind, uint32_t second, uint64_t far_ps, uint64_t visible_ps,
			   uint64_t last_ps)
{
	struct sim_params params = sim_test_params();
	struct handover h = { 0 };

	params.lock = kind;
	h.sim = sim_test_create("package:2 l3:1 core:4 pu:1", TEST_CPUS, &params);
	assert_int_equal(sim_call_on_cpu(h.sim, 0, handover_setup, &h), 0);
	assert_non_null(h.guarded);
	assert_int_equal(sim_start_cpu(h.sim, 0, hold_first, &h), 0);
	assert_int_equal(sim_start_cpu(h.sim, second, want_second, &h), 0);
	assert_int_equal(engine_run(&h.sim->engine), 0);
	assert_int_equal(h.acquired_ps[0], 56 * NS);
	assert_int_equal(h.acquired_ps[1], visible_ps + far_ps + 500 + last_ps);
	assert_int_equal(h.sim->locks[1].wait_total_ps, h.acquired_ps[1] - 500 * NS);
	assert_int_equal(h.sim->locks[1].acquisitions, 2);
	assert_int_equal(h.sim->locks[1].contended, 1);
	/* Held until the release is visible; from then on it is handed over. */
	assert_int_equal(h.sim->locks[1].hold_total_ps, visible_ps - 56 * NS);
	assert_int_equal(h.sim->locks[1].handover_total_ps, far_ps + 500 + last_ps);
	sim_test_destroy(h.sim);
}

static void test_handover_by_hand(void **state)
{
	(void)state;
	/* The pending waiter owns the lock by a store. */
	check_handover(LOCK_QSPINLOCK, 1, 50 * NS, 1050 * NS, 500);
	check_handover(LOCK_QSPINLOCK, 4, 100 * NS, 1100 * NS, 500);
	/* The waiter needs an atomic, which takes the line from CPU 0 again. */
	check_handover(LOCK_TAS, 1, 50 * NS, 1050 * NS, 56 * NS);
	check_handover(LOCK_TAS, 4, 100 * NS, 1100 * NS, 106 * NS);
	/* CPU 0 reads the line before it writes it; the waiter has only to see its number. */
	check_handover(LOCK_TICKET, 1, 50 * NS, 1100 * NS + 500, 0);
	check_handover(LOCK_TICKET, 4, 100 * NS, 1200 * NS + 500, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exclusion_and_progress),
		cmocka_unit_test(test_exclusion_of_test_and_set),
		cmocka_unit_test(test_512_cpus),
		cmocka_unit_test(test_queues_are_fair),
		cmocka_unit_test(test_same_seed_same_result),
		cmocka_unit_test(test_kinds_differ),
		cmocka_unit_test(test_two_simulations_at_once),
		cmocka_unit_test(test_saturated),
		cmocka_unit_test(test_four_locks_nested),
		cmocka_unit_test(test_handler_takes_the_same_lock),
		cmocka_unit_test(test_tickets_wrap),
		cmocka_unit_test(test_handover_by_hand),
	};

	return cmocka_run_group_tests(tests, load_machine, free_machine);
}
