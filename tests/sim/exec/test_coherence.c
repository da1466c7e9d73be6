/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_coherence.c - accesses whose cost is worked out by hand, and random ones against a plain MESI model
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/rng.h"
#include "tests/sim_test.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define MAX_LINES 12
#define MAX_STEPS 24
#define NS 1000ULL

OBJ_TYPE_PLAIN(cells, "cells");

/* One cache line. */
struct cell {
	uint64_t word[8];
} __cacheline_aligned;

enum op {
	LOAD,
	STORE,
	RMW,	    /* an atomic */
	RMW_LOCAL,  /* the same without LOCK prefix */
	MB,	    /* smp_mb() */
	WAIT,	    /* until somebody writes the line */
	WAIT_WORD1, /* reads and waits for the second word */
	STORE_WORD2,
	WAIT_TWO, /* this line or the next */
	PREFETCHW,
	DEVICE_WRITE, /* by the device beside package 0 or 1, whatever the CPU */
	DEVICE_READ,
};

/* ---- by hand ---- */

/* A CPU does its steps in the order of the table, each when its clock has reached at_ps. */
struct step {
	uint32_t cpu;
	uint64_t at_ps;
	enum op op;
	uint32_t line;
	uint64_t done_ps; /* expected */
};

struct script {
	struct sim *sim;
	struct cell *cells;
	const struct step *steps;
	uint32_t count, running;
	uint16_t device[2];
	uint64_t done_ps[MAX_STEPS];
	int invalid_at; /* step after which a line was inconsistent, or -1 */
};

struct script_cpu {
	struct script *script;
	uint32_t cpu;
};

static struct line *line_at(struct sim *s, const void *p)
{
	return &s->region.lines[region_line_index(&s->region, p)];
}

static uint64_t do_step(struct script *t, const struct step *st)
{
	struct cell *cell = &t->cells[st->line];
	struct proc *p = this_proc;
	uint64_t old;

	switch (st->op) {
	case LOAD:
		(void)READ_ONCE(cell->word[0]);
		break;
	case STORE:
		WRITE_ONCE(cell->word[0], st->at_ps);
		break;
	case STORE_WORD2:
		WRITE_ONCE(cell->word[2], st->at_ps);
		break;
	case RMW:
		(void)atomic_fetch_add(1, &cell->word[0]);
		break;
	case RMW_LOCAL:
		old = cell->word[0];
		(void)try_cmpxchg_local(&cell->word[0], &old, old + 1);
		break;
	case MB:
		smp_mb();
		break;
	case WAIT:
		coh_wait_line(&cell->word[0]);
		break;
	case WAIT_WORD1:
		coh_wait_line(&cell->word[1]);
		break;
	case WAIT_TWO:
		coh_wait_lines(&cell[0].word[0], &cell[1].word[0]);
		break;
	case PREFETCHW:
		prefetchw(&cell->word[0]);
		break;
	case DEVICE_WRITE:
		return coh_agent_write(t->sim, t->device[st->cpu / 4], cell, sizeof(*cell), p->now_ps);
	case DEVICE_READ:
		return coh_agent_read(t->sim, t->device[st->cpu / 4], cell, sizeof(*cell), p->now_ps);
	}
	return p->now_ps;
}

static void script_body(void *arg)
{
	struct script_cpu *me = arg;
	struct script *t = me->script;
	uint32_t i, k;

	for (i = 0; i < t->count; i++) {
		const struct step *st = &t->steps[i];

		if (st->cpu != me->cpu)
			continue;
		if (this_proc->now_ps < st->at_ps)
			this_proc->now_ps = st->at_ps;
		proc_sync(this_proc);
		t->done_ps[i] = do_step(t, st);
		for (k = 0; k < MAX_LINES; k++)
			if (!coh_line_valid(t->sim, line_at(t->sim, &t->cells[k])) && t->invalid_at < 0)
				t->invalid_at = (int)i;
	}
	if (!--t->running)
		engine_stop(&t->sim->engine);
}

/* The two-package test machine: CPUs 0-3 and 4-7. With @wide it is in the middle of one with 128 CPUs. */
static void script_run(struct script *t, const struct sim_params *params, bool wide)
{
	struct script_cpu cpus[TEST_CPUS];
	uint32_t i;
	int ret;

	t->sim = wide ? sim_test_create("package:2 l3:1 core:64 pu:1", 128, params)
		      : sim_test_create("package:2 l3:1 core:4 pu:1", TEST_CPUS, params);
	t->cells = region_alloc(&t->sim->region, &cells_type, MAX_LINES * sizeof(struct cell), CACHE_LINE_SIZE);
	assert_non_null(t->cells);
	for (i = 0; i < 2; i++) {
		ret = sim_add_agent(t->sim, i);
		assert_true(ret > 0);
		t->device[i] = (uint16_t)ret;
	}
	t->running = TEST_CPUS;
	t->invalid_at = -1;
	for (i = 0; i < TEST_CPUS; i++) {
		cpus[i] = (struct script_cpu){ t, i };
		/* CPUs on both sides of a boundary between words of the sharer set. */
		assert_int_equal(sim_start_cpu(t->sim, wide ? 60 + i : i, script_body, &cpus[i]), 0);
	}
	assert_int_equal(engine_run(&t->sim->engine), 0);
}

static struct line_stats stats_of(const struct script *t, uint32_t line)
{
	return t->sim->region.stats[region_line_index(&t->sim->region, &t->cells[line])];
}

/* Runs the steps on both machines; @check looks at the first one before it goes. */
static void play_checked(const struct step *steps, uint32_t count, const struct sim_params *params,
			 void (*check)(const struct script *t))
{
	struct script t = { .steps = steps, .count = count };
	int wide;
	uint32_t i;

	assert_true(count <= MAX_STEPS);
	for (wide = 0; wide < 2; wide++) {
		script_run(&t, params, wide);
		for (i = 0; i < count; i++)
			if (t.done_ps[i] != steps[i].done_ps)
				fail_msg("%s machine, step %u: %llu ps instead of %llu", wide ? "wide" : "small", i,
					 (unsigned long long)t.done_ps[i], (unsigned long long)steps[i].done_ps);
		assert_int_equal(t.invalid_at, -1);
		if (check)
			check(&t);
		sim_test_destroy(t.sim);
	}
}

static struct sim_params with_occupancies(uint32_t write_pct, uint32_t dirty_read_pct)
{
	struct sim_params params = sim_test_params();

	params.coh.write_occupancy_pct = write_pct;
	params.coh.dirty_read_occupancy_pct = dirty_read_pct;
	return params;
}

static void play(const struct step *steps, uint32_t count, uint32_t write_pct, uint32_t dirty_read_pct)
{
	struct sim_params params = with_occupancies(write_pct, dirty_read_pct);

	play_checked(steps, count, &params, NULL);
}

/* Memory answers as the nearest cache does: 50 ns, and an L1 hit on top for a load. */
static void test_cold_read_then_hit(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, LOAD, 0, 50500 },
		{ 0, 60000, LOAD, 0, 60500 },
		{ 0, 60500, STORE, 0, 61000 }, /* held exclusively: nothing to pay */
		{ 0, 61000, RMW, 0, 67000 },
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

/* Posted: the barrier and the atomic wait for the line's arrival at 50 ns, the other store does not. */
static void test_cold_write_is_posted(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 },    { 0, 500, STORE, 0, 1000 },
		{ 0, 1000, LOAD, 0, 1500 }, /* from the store buffer */
		{ 0, 1500, MB, 0, 56000 },  { 0, 56000, MB, 0, 62000 },
		{ 1, 0, STORE, 1, 500 },    { 1, 500, RMW, 1, 56000 },
		{ 2, 0, RMW, 2, 56000 },    { 2, 56000, RMW, 2, 62000 },
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

static void check_dirty_read(const struct script *t)
{
	struct line_stats st = stats_of(t, 0);

	/* Reader 1: 50.5 ns. Reader 4 asks at 110, is served at 150, has it at 250.5. Reader 5: 120, 155, 205.5. */
	assert_int_equal(st.transfers_local, 2);
	assert_int_equal(st.transfers_remote, 1);
	assert_int_equal(st.stall_ps, 50500 + 140500 + 85500);
	st = stats_of(t, 1);
	assert_int_equal(st.transfers_local, 0);
	assert_int_equal(st.transfers_remote, 1);
	assert_int_equal(st.stall_ps, 100500);
}

/* The first reader of a dirty line occupies it for all of its 50 ns; those after it for 5 ns each. */
static void test_read_of_dirty_line(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 }, /* arrives at 50 ns; cold, so not counted */
		{ 1, 100000, LOAD, 0, 150500 }, { 4, 110000, LOAD, 0, 250500 },
		{ 5, 120000, LOAD, 0, 205500 },					/* from CPU 4's package */
		{ 0, 130000, LOAD, 0, 130500 },					/* kept its copy */
		{ 2, 0, STORE, 1, 500 },	{ 6, 100000, LOAD, 1, 200500 }, /* dirty in the other package */
		{ 6, 200500, LOAD, 1, 201000 },
	};
	struct sim_params params = with_occupancies(100, 100);

	(void)state;
	play_checked(steps, COUNT(steps), &params, check_dirty_read);
}

static void test_dirty_read_occupancy_30(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 },	 { 1, 100000, LOAD, 0, 150500 }, /* until 115 */
		{ 2, 100001, LOAD, 0, 165500 },					 /* until 120 */
		{ 3, 100002, LOAD, 0, 170500 },					 /* until 125 */
		{ 4, 100003, STORE, 0, 100503 }, /* 125 to 225: invalidates the other package, occupies */
		{ 4, 100503, MB, 0, 231000 },	 { 0, 500, STORE, 1, 1000 },
		{ 5, 100000, LOAD, 1, 200500 }, /* remote and dirty: until 130 */
		{ 6, 100001, LOAD, 1, 180500 }, /* beside CPU 5 */
	};

	(void)state;
	play(steps, COUNT(steps), 100, 30);
}

/* Clean and exclusive: nothing to write back, so the first reader occupies no longer than those after it. */
static void test_read_of_clean_exclusive_line(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, LOAD, 0, 50500 },
		{ 1, 100000, LOAD, 0, 150500 },
		{ 2, 100001, LOAD, 0, 155500 },
		{ 4, 100002, LOAD, 0, 210500 },
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

static void check_upgrades(const struct script *t)
{
	struct line_stats near = stats_of(t, 0), far = stats_of(t, 1);

	assert_int_equal(near.transfers_local, 2); /* CPU 1's read, CPU 0's upgrade */
	assert_int_equal(near.transfers_remote, 0);
	assert_int_equal(near.stall_ps, 50500 + 50000);
	assert_int_equal(far.transfers_local, 1);  /* CPU 1's read */
	assert_int_equal(far.transfers_remote, 2); /* CPU 4's read, CPU 0's upgrade */
	assert_int_equal(far.stall_ps, 50500 + 100500 + 100000);
}

/* A write to a shared line waits for the farthest other sharer, whoever else is near. */
static void test_upgrade_pays_the_farthest_sharer(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, LOAD, 0, 50500 },	{ 1, 100000, LOAD, 0, 150500 },
		{ 0, 400000, RMW, 0, 456000 }, /* CPU 1: 50 */
		{ 0, 456000, RMW, 0, 462000 }, /* exclusive now */
		{ 0, 500000, LOAD, 1, 550500 }, { 1, 600000, LOAD, 1, 650500 },
		{ 4, 700000, LOAD, 1, 800500 }, { 0, 900000, RMW, 1, 1006000 }, /* CPU 4: 100 */
	};
	struct sim_params params = with_occupancies(100, 100);

	(void)state;
	play_checked(steps, COUNT(steps), &params, check_upgrades);
}

/* The writer need not be a sharer itself. */
static void test_write_by_an_outsider(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, LOAD, 0, 50500 },	{ 1, 100000, LOAD, 0, 150500 },
		{ 2, 200000, RMW, 0, 256000 },	/* sharers in its own package only */
		{ 4, 300000, RMW, 0, 406000 },	/* from the owner, across */
		{ 5, 500000, RMW, 0, 556000 },	/* from the owner, beside */
		{ 0, 600000, LOAD, 0, 700500 }, /* 0 and 1 had lost it */
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

/* Atomics on one line, asked for at about the same time: each starts where the line's occupancy ends. */
static void test_writes_are_served_in_arrival_order(void **state)
{
	static const struct step full[] = {
		{ 0, 0, RMW, 0, 56000 },       /* cold */
		{ 1, 100000, RMW, 0, 156000 }, /* 100 to 150 */
		{ 4, 100001, RMW, 0, 256000 }, /* 150 to 250 */
		{ 5, 100002, RMW, 0, 306000 }, /* 250 to 300 */
		{ 2, 100003, RMW, 0, 406000 }, /* 300 to 400 */
	};
	static const struct step half[] = {
		{ 0, 0, RMW, 0, 56000 },       { 1, 100000, RMW, 0, 156000 }, /* until 125 */
		{ 4, 100001, RMW, 0, 231000 },				      /* until 175 */
		{ 5, 100002, RMW, 0, 231000 },				      /* until 200 */
		{ 2, 100003, RMW, 0, 306000 },
	};

	(void)state;
	play(full, COUNT(full), 100, 100);
	play(half, COUNT(half), 50, 30);
}

/* A store to a shared line: the CPU goes on at once, the line is busy all the same. */
static void test_posted_store_occupies_the_line(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, LOAD, 0, 50500 },	 { 4, 100000, LOAD, 0, 200500 },
		{ 0, 300000, STORE, 0, 300500 }, /* arrives at 400 */
		{ 1, 310000, LOAD, 0, 450500 },	 { 0, 310000, MB, 0, 406000 },
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

/* Stores become visible in order: the barrier waits for the slowest, the waiter of the second for the first. */
static void test_store_buffer_order(void **state)
{
	static const struct step steps[] = {
		{ 4, 0, STORE, 0, 500 },	 { 1, 0, STORE, 1, 500 },	 { 0, 100000, LOAD, 2, 150500 },
		{ 2, 200000, LOAD, 2, 250500 },	 { 2, 250500, WAIT, 2, 400000 }, { 2, 400000, LOAD, 2, 450500 },
		{ 0, 300000, STORE, 0, 300500 }, /* from the other package: 400 */
		{ 0, 300500, STORE, 1, 301000 }, /* beside: 350.5, but not before 400 */
		{ 0, 301000, STORE, 2, 301500 }, /* upgrade: 351, but not before 400 */
		{ 0, 301500, MB, 0, 406000 },
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

/* An atomic on a line of its own waits for the drain as well. */
static void test_atomic_waits_for_the_drain(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, LOAD, 1, 50500 },	 { 4, 0, STORE, 0, 500 },
		{ 0, 100000, STORE, 0, 100500 }, /* 200 */
		{ 0, 100500, RMW, 1, 206000 },	 { 0, 206000, STORE, 1, 206500 },
		{ 5, 0, STORE, 2, 500 },	 { 1, 100000, STORE, 2, 100500 },
		{ 1, 100500, RMW, 3, 256000 }, /* the drain at 200, then memory */
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

/* Without a LOCK prefix it waits for its line and for nothing else. */
static void test_local_cmpxchg(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, RMW_LOCAL, 0, 50500 }, /* cold */
		{ 0, 50500, RMW_LOCAL, 0, 51000 },   { 4, 0, STORE, 1, 500 },
		{ 0, 100000, STORE, 1, 100500 }, /* arrives at 200 */
		{ 0, 100500, RMW_LOCAL, 0, 101000 }, { 0, 101000, MB, 0, 206000 },
		{ 4, 300000, RMW_LOCAL, 0, 400500 }, /* from the other package */
		{ 5, 300001, RMW_LOCAL, 0, 450500 }, /* the line is busy until 400 */
		{ 5, 450500, RMW, 0, 456500 },	     { 2, 0, STORE, 2, 500 },
		{ 1, 100000, RMW_LOCAL, 2, 150500 }, { 6, 0, STORE, 3, 500 },
		{ 1, 200000, STORE, 3, 200500 }, /* arrives at 300 */
		{ 1, 200500, RMW_LOCAL, 2, 201000 },
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

/* The second store is in the buffer behind the first: whoever asks for its line gets it no sooner than the first.
 */
static void test_nobody_sees_a_store_before_an_older_one(void **state)
{
	static const struct step steps[] = {
		{ 4, 0, STORE, 0, 500 },	 { 1, 0, STORE, 1, 500 },
		{ 0, 100000, STORE, 1, 100500 }, /* now it is CPU 0's */
		{ 0, 300000, STORE, 0, 300500 }, /* across: 400 */
		{ 0, 300500, STORE, 1, 301000 }, /* a hit, and behind it */
		{ 2, 310000, LOAD, 1, 450500 },	 { 3, 310001, LOAD, 0, 450500 },
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

static void check_wait(const struct script *t)
{
	struct vcpu *c = &t->sim->cpus[t->sim->cpu_count > 64 ? 61 : 1];

	assert_int_equal(c->spin_ps, 350000 - 150500);
}

/* The waiter sleeps until the line is taken from it, and pays for reading it again. */
static void test_wait_until_written(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 },	{ 1, 100000, LOAD, 0, 150500 },	 { 1, 150500, WAIT, 0, 350000 },
		{ 1, 350000, LOAD, 0, 400500 }, { 0, 300000, STORE, 0, 300500 }, /* upgrade: 50 */
	};
	static const struct step atomic[] = {
		{ 0, 0, STORE, 0, 500 },	{ 4, 100000, LOAD, 0, 200500 }, { 4, 200500, WAIT, 0, 400000 },
		{ 4, 400000, LOAD, 0, 500500 }, { 0, 300000, RMW, 0, 406000 }, /* woken when the line has arrived,
										  not when the CPU goes on */
	};
	struct sim_params params = with_occupancies(100, 100);

	(void)state;
	play_checked(steps, COUNT(steps), &params, check_wait);
	play(atomic, COUNT(atomic), 100, 100);
}

/* Whoever has lost the line before it sleeps has seen an old value, and must look again at once. */
static void test_wait_without_a_copy_returns(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 },
		{ 1, 100000, LOAD, 0, 150500 },
		{ 0, 120000, RMW, 0, 206000 }, /* the line is busy until 150 */
		{ 1, 150500, WAIT, 0, 150500 },
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

/* Three waiters wake together and queue for the line in the order in which they came. */
static void test_waiters_wake_in_order(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 },	{ 4, 100000, LOAD, 0, 200500 },
		{ 4, 200500, WAIT, 0, 600000 }, { 4, 600000, LOAD, 0, 700500 }, /* first: 600 to 700 */
		{ 1, 300000, LOAD, 0, 350500 }, { 1, 350500, WAIT, 0, 600000 },
		{ 1, 600000, LOAD, 0, 750500 }, /* 700 to 705 */
		{ 5, 400000, LOAD, 0, 450500 }, { 5, 450500, WAIT, 0, 600000 },
		{ 5, 600000, LOAD, 0, 755500 }, /* 705, from CPU 4 */
		{ 0, 500000, RMW, 0, 606000 },
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

/* Another word of the line wakes as well; another line does not. */
static void test_false_sharing_wakes(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 },	{ 0, 500, STORE, 1, 1000 },
		{ 1, 100000, LOAD, 0, 150500 }, { 1, 150500, WAIT_WORD1, 0, 450000 },
		{ 2, 200000, RMW, 1, 256000 },	{ 0, 400000, STORE_WORD2, 0, 400500 },
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

/* Either line wakes, and the wait for the other one is over with it. */
static void test_wait_for_two_lines(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 },
		{ 0, 500, STORE, 1, 1000 },
		{ 1, 100000, LOAD, 0, 150500 },
		{ 1, 200000, LOAD, 1, 250500 },
		{ 1, 250500, WAIT_TWO, 0, 350000 },
		{ 0, 300000, STORE, 1, 300500 },
		{ 1, 350000, LOAD, 1, 400500 },
		{ 1, 400500, WAIT_TWO, 0, 550000 },
		{ 0, 500000, STORE, 0, 500500 },
		{ 0, 600000, STORE, 1, 600500 },    /* nobody waits for it any more */
		{ 1, 550000, WAIT_TWO, 0, 550000 }, /* line 0 is gone */
		{ 1, 650000, LOAD, 0, 700500 },
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

static void check_prefetch(const struct script *t)
{
	struct sim *s = t->sim;
	uint32_t first = s->cpu_count > 64 ? 60 : 0;
	struct line *l = line_at(s, &t->cells[0]);

	assert_int_equal(l->owner, first + 1);
	assert_false(coh_has_copy(&s->cpus[first + 1], l));
	assert_int_equal(stats_of(t, 0).transfers_local, 2);
	assert_int_equal(stats_of(t, 0).stall_ps, 50500);
}

/* Nobody waits for a prefetch: not even a later barrier. */
static void test_prefetchw(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 },
		{ 1, 100000, LOAD, 0, 150500 },
		{ 1, 150500, WAIT, 0, 250000 }, /* the prefetch takes the line as a store does */
		{ 0, 200000, PREFETCHW, 0, 200000 },
		{ 0, 200000, MB, 0, 206000 },
		{ 0, 300000, PREFETCHW, 0, 300000 }, /* has it */
		{ 0, 300000, STORE, 0, 300500 },
		{ 0, 300500, MB, 0, 306500 },
		{ 2, 0, STORE, 1, 500 },
		{ 2, 100000, PREFETCHW, 1, 100000 },
		{ 3, 100000, STORE, 2, 100500 },
		{ 2, 150000, PREFETCHW, 2, 150000 }, /* until 200 */
		{ 3, 150001, LOAD, 2, 250500 },
	};
	struct sim_params params = with_occupancies(100, 100);

	(void)state;
	play_checked(steps, COUNT(steps), &params, check_prefetch);
}

/* A device's write takes the line from everybody and wakes; its read takes nothing. */
static void test_device_accesses(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 },
		{ 0, 100000, DEVICE_READ, 0, 150000 }, /* dirty beside it: busy until 150 */
		{ 0, 100000, STORE, 0, 100500 },       /* still its own */
		{ 1, 110000, LOAD, 0, 200500 },	       /* dirty still, behind the device */
		{ 4, 300000, LOAD, 0, 400500 },
		{ 4, 400500, WAIT, 0, 600000 },
		{ 2, 500000, DEVICE_WRITE, 0, 600000 }, /* a copy in the other package: 100 */
		{ 4, 600000, LOAD, 0, 700500 },		/* from the device beside package 0 */
		{ 1, 800000, LOAD, 0, 900500 },		/* from CPU 4: the device keeps nothing to read from */
		{ 0, 1000000, LOAD, 0, 1050500 },
	};

	(void)state;
	play(steps, COUNT(steps), 100, 100);
}

static void test_device_distance_and_occupancy(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 },
		{ 4, 100000, DEVICE_READ, 0, 200000 },	/* across; busy for 30 */
		{ 1, 100001, LOAD, 0, 180500 },		/* 130, dirty still: busy until 145 */
		{ 5, 100002, DEVICE_READ, 0, 245000 },	/* clean now: busy until 150 */
		{ 0, 100003, DEVICE_WRITE, 0, 200000 }, /* sharers in its package only: busy for 25 */
		{ 1, 180500, LOAD, 0, 231000 },		/* free at 175; 50 from the device */
		{ 6, 100000, DEVICE_WRITE, 3, 150000 }, /* cold */
		{ 6, 150000, LOAD, 3, 200500 },
	};

	(void)state;
	play(steps, COUNT(steps), 50, 30);
}

/* Lines of one request travel together. */
static void test_device_request_over_lines(void **state)
{
	struct sim_params params = sim_test_params();
	struct sim *s = sim_test_create("package:2 l3:1 core:4 pu:1", TEST_CPUS, &params);
	struct cell *cells = region_alloc(&s->region, &cells_type, 4 * sizeof(*cells), CACHE_LINE_SIZE);
	int near = sim_add_agent(s, 0), far = sim_add_agent(s, 1), i;

	(void)state;
	assert_non_null(cells);
	assert_int_equal(near, TEST_CPUS);
	assert_int_equal(far, TEST_CPUS + 1);
	/* Words 7, 8, 9: the end of the first line and the beginning of the second. */
	assert_int_equal(coh_agent_write(s, (uint16_t)near, &cells[0].word[7], 24, 1000), 51000);
	assert_int_equal(line_at(s, &cells[0])->owner, near + 1);
	assert_int_equal(line_at(s, &cells[1])->owner, near + 1);
	assert_int_equal(line_at(s, &cells[2])->owner, NO_OWNER);
	/* Exactly one line is one line. */
	assert_int_equal(coh_agent_write(s, (uint16_t)near, &cells[2], sizeof(*cells), 1000), 51000);
	assert_int_equal(line_at(s, &cells[3])->owner, NO_OWNER);
	/* The slowest line counts: 0 and 1 are busy until 51 ns and across, 3 is cold. */
	assert_int_equal(coh_agent_read(s, (uint16_t)far, cells, 4 * sizeof(*cells), 10000), 151000);
	for (i = 0; i < 4; i++)
		assert_true(coh_line_valid(s, line_at(s, &cells[i])));
	sim_test_destroy(s);
}

/* ---- random accesses against a reference ---- */

enum mesi { INVALID, SHARED, EXCLUSIVE, MODIFIED };

#define REF_MAX_AGENTS 260

/* Caches of unlimited size on one shared line each, in the words of the design and nothing else. */
struct ref_line {
	enum mesi state[REF_MAX_AGENTS];
	uint64_t busy_until_ps;
	uint64_t local, remote, stall_ps;
	bool met; /* more than one agent has used it */
};

struct ref_waiter {
	bool asleep;
	uint32_t line[2];
	uint64_t since_ps, wake_ps;
};

/* How CPU numbers map to places: so many CPUs in a core, an L3, a package. */
struct shape {
	const char *machine;
	uint32_t cpu_count, core, l3, package;
};

struct ref {
	struct shape shape;
	struct coh_params p;
	uint32_t agents; /* CPUs, then the two devices beside packages 0 and 1 */
	struct ref_line line[MAX_LINES];
	uint64_t drain_ps[REF_MAX_AGENTS];
	struct ref_waiter waiter[REF_MAX_AGENTS];
	uint64_t last_miss_ps; /* misses come in order of time */
	bool out_of_order;
};

static bool ref_is_device(const struct ref *r, uint32_t agent)
{
	return agent >= r->shape.cpu_count;
}

static uint32_t ref_package(const struct ref *r, uint32_t agent)
{
	return ref_is_device(r, agent) ? agent - r->shape.cpu_count : agent / r->shape.package;
}

static uint64_t ref_latency(const struct ref *r, uint32_t a, uint32_t b)
{
	if (ref_package(r, a) != ref_package(r, b))
		return r->p.latency_ps[COH_REMOTE];
	if (ref_is_device(r, a) || ref_is_device(r, b) || a / r->shape.l3 != b / r->shape.l3)
		return r->p.latency_ps[COH_PACKAGE];
	return r->p.latency_ps[a / r->shape.core != b / r->shape.core ? COH_L3 : COH_SMT];
}

/* Nearest and farthest of the other agents that hold the line; false when there is none. */
static bool ref_others(const struct ref *r, const struct ref_line *l, uint32_t me, uint64_t *nearest,
		       uint64_t *farthest)
{
	bool any = false;
	uint32_t i;

	*nearest = UINT64_MAX;
	*farthest = 0;
	for (i = 0; i < r->agents; i++) {
		uint64_t ps;

		if (i == me || l->state[i] == INVALID)
			continue;
		ps = ref_latency(r, me, i);
		any = true;
		if (ps < *nearest)
			*nearest = ps;
		if (ps > *farthest)
			*farthest = ps;
	}
	return any;
}

static bool ref_is_dirty(const struct ref *r, const struct ref_line *l)
{
	uint32_t i;

	for (i = 0; i < r->agents; i++)
		if (l->state[i] == MODIFIED)
			return true;
	return false;
}

static void ref_count(const struct ref *r, struct ref_line *l, uint64_t latency_ps, uint64_t stall_ps)
{
	l->met = true;
	if (latency_ps == r->p.latency_ps[COH_REMOTE])
		l->remote++;
	else
		l->local++;
	l->stall_ps += stall_ps;
}

static uint64_t ref_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void ref_miss(struct ref *r, uint64_t asked_ps)
{
	if (asked_ps < r->last_miss_ps)
		r->out_of_order = true;
	r->last_miss_ps = asked_ps;
}

static uint64_t ref_load(struct ref *r, uint32_t cpu, struct ref_line *l, uint64_t asked_ps)
{
	uint64_t start = ref_max(asked_ps, l->busy_until_ps), near, far, done;
	uint32_t i;

	if (l->state[cpu] != INVALID)
		return asked_ps + r->p.l1_hit_ps;
	ref_miss(r, asked_ps);
	if (!ref_others(r, l, cpu, &near, &far)) {
		l->state[cpu] = EXCLUSIVE;
		return start + r->p.latency_ps[COH_L3] + r->p.l1_hit_ps;
	}
	l->busy_until_ps =
		start + (ref_is_dirty(r, l) ? near * r->p.dirty_read_occupancy_pct / 100 : r->p.read_occupancy_ps);
	for (i = 0; i < r->agents; i++)
		if (l->state[i] != INVALID)
			l->state[i] = ref_is_device(r, i) ? INVALID : SHARED;
	l->state[cpu] = SHARED;
	done = start + near + r->p.l1_hit_ps;
	ref_count(r, l, near, done - asked_ps);
	return done;
}

/* Returns when the line has arrived. */
static uint64_t ref_own(struct ref *r, uint32_t cpu, struct ref_line *l, uint64_t asked_ps, bool posted)
{
	uint64_t start = ref_max(asked_ps, l->busy_until_ps), near, far;
	bool mine = l->state[cpu] != INVALID;

	if (l->state[cpu] == EXCLUSIVE || l->state[cpu] == MODIFIED) {
		l->state[cpu] = MODIFIED;
		return asked_ps;
	}
	ref_miss(r, asked_ps);
	if (ref_others(r, l, cpu, &near, &far))
		ref_count(r, l, far, posted ? 0 : start + far - asked_ps);
	else
		far = mine ? 0 : r->p.latency_ps[COH_L3];
	l->busy_until_ps = start + far * r->p.write_occupancy_pct / 100;
	memset(l->state, 0, sizeof(l->state));
	l->state[cpu] = MODIFIED;
	return start + far;
}

static void ref_wake(struct ref *r, uint32_t line, uint64_t visible_ps)
{
	uint32_t i;

	for (i = 0; i < r->shape.cpu_count; i++) {
		struct ref_waiter *w = &r->waiter[i];

		if (!w->asleep || (w->line[0] != line && w->line[1] != line))
			continue;
		w->asleep = false;
		w->wake_ps = ref_max(w->since_ps, visible_ps);
	}
}

/* Devices: what a CPU of their package would pay to or from the nearest or the farthest. */
static uint64_t ref_device(struct ref *r, uint32_t device, uint32_t line, uint64_t asked_ps, bool write)
{
	struct ref_line *l = &r->line[line];
	uint64_t start = ref_max(asked_ps, l->busy_until_ps), near, far;

	if (!ref_others(r, l, device, &near, &far))
		far = r->p.latency_ps[COH_L3];
	if (!write) {
		l->busy_until_ps = start + (ref_is_dirty(r, l) ? far * r->p.dirty_read_occupancy_pct / 100
							       : r->p.read_occupancy_ps);
		return start + far;
	}
	l->busy_until_ps = start + far * r->p.write_occupancy_pct / 100;
	memset(l->state, 0, sizeof(l->state));
	l->met = true;
	l->state[device] = MODIFIED;
	ref_wake(r, line, start + far);
	return start + far;
}

static uint64_t ref_access(struct ref *r, uint32_t cpu, enum op op, uint32_t line, uint64_t asked_ps)
{
	struct ref_line *l = &r->line[line];
	bool private = !l->met && l->state[cpu] != INVALID;
	uint64_t arrived;

	switch (op) {
	case LOAD:
		return ref_load(r, cpu, l, asked_ps);
	case STORE:
		arrived = ref_own(r, cpu, l, asked_ps, true);
		r->drain_ps[cpu] = ref_max(r->drain_ps[cpu], arrived);
		/* Stores drain in order: while an older one is on its way, nobody gets this line. */
		if (!private && arrived < r->drain_ps[cpu])
			l->busy_until_ps = ref_max(l->busy_until_ps, r->drain_ps[cpu]);
		ref_wake(r, line, ref_max(r->drain_ps[cpu], asked_ps));
		return asked_ps + r->p.l1_hit_ps;
	case RMW:
		arrived = ref_own(r, cpu, l, ref_max(asked_ps, r->drain_ps[cpu]), false);
		ref_wake(r, line, arrived);
		return arrived + r->p.atomic_ps;
	case MB:
		return ref_max(asked_ps, r->drain_ps[cpu]) + r->p.atomic_ps;
	default:
		return 0;
	}
}

struct random_run {
	struct ref ref;
	struct sim *sim;
	struct cell *cells;
	const uint32_t *cpu_of; /* number in the machine of each that takes part */
	uint32_t cpus, running;
	uint32_t steps; /* per CPU */
	uint32_t line_count;
	bool devices;
	uint64_t seed;
	uint16_t device[2];
	uint64_t hash; /* of all that happened */
	uint64_t accesses, sleeps;
	char error[200];
};

struct random_cpu {
	struct random_run *run;
	struct rng rng;
	uint32_t index, cpu;
};

static void mix(struct random_run *t, uint64_t value)
{
	t->hash = (t->hash ^ value) * 0x9e3779b97f4a7c15ULL;
	t->hash ^= t->hash >> 29;
}

static bool line_agrees(const struct random_run *t, uint32_t line)
{
	const struct line *l = line_at(t->sim, &t->cells[line]);
	const struct ref_line *rl = &t->ref.line[line];
	uint32_t i;

	if (!coh_line_valid(t->sim, l) || l->busy_until_ps != rl->busy_until_ps)
		return false;
	if (!!(l->flags & LINE_DIRTY) != ref_is_dirty(&t->ref, rl))
		return false;
	for (i = 0; i < t->ref.agents; i++) {
		bool owner = rl->state[i] == MODIFIED || rl->state[i] == EXCLUSIVE;

		if ((l->owner == i + 1) != owner)
			return false;
		if (i < t->sim->cpu_count && coh_has_copy(&t->sim->cpus[i], l) != (rl->state[i] != INVALID))
			return false;
	}
	return true;
}

/* Remembers the first difference; the run goes on to its end. */
static void compare(struct random_run *t, uint32_t agent, enum op op, uint32_t line, uint64_t asked, uint64_t done,
		    uint64_t expected)
{
	t->accesses++;
	mix(t, done);
	if (t->error[0] || (done == expected && line_agrees(t, line) && !t->ref.out_of_order))
		return;
	snprintf(t->error, sizeof(t->error),
		 "seed %llu, access %llu: agent %u, op %d, line %u at %llu: %llu instead of %llu%s",
		 (unsigned long long)t->seed, (unsigned long long)t->accesses, agent, op, line,
		 (unsigned long long)asked, (unsigned long long)done, (unsigned long long)expected,
		 done == expected ? ", but another state or out of order" : "");
}

static void random_wait(struct random_cpu *me, uint32_t first, uint32_t second)
{
	struct random_run *t = me->run;
	struct ref_waiter *w = &t->ref.waiter[me->cpu];
	uint64_t asked = this_proc->now_ps;

	*w = (struct ref_waiter){ .line = { first, second }, .since_ps = asked, .wake_ps = asked };
	w->asleep = t->ref.line[first].state[me->cpu] != INVALID && t->ref.line[second].state[me->cpu] != INVALID;
	t->sleeps += w->asleep;
	coh_wait_lines(&t->cells[first], &t->cells[second].word[3]);
	if (w->asleep && !t->error[0])
		snprintf(t->error, sizeof(t->error), "CPU %u woke too early", me->cpu);
	compare(t, me->cpu, WAIT, first, asked, this_proc->now_ps, w->wake_ps);
}

static void random_step(struct random_cpu *me)
{
	struct random_run *t = me->run;
	uint32_t what = (uint32_t)rng_below(&me->rng, 100), line = (uint32_t)rng_below(&me->rng, t->line_count);
	struct cell *cell = &t->cells[line];
	enum op op = MB;
	uint64_t asked;

	if (what < 12 && me->index) {
		random_wait(me, line, what < 6 ? line : (line + 1) % t->line_count);
		return;
	}
	asked = this_proc->now_ps;
	if (what < 50) {
		op = LOAD;
		(void)READ_ONCE(cell->word[what % 8]);
	} else if (what < 75) {
		op = STORE;
		WRITE_ONCE(cell->word[what % 8], asked);
	} else if (what < 96) {
		op = RMW;
		(void)xchg(&cell->word[what % 8], asked);
	} else {
		smp_mb();
	}
	compare(t, me->cpu, op, line, asked, this_proc->now_ps, ref_access(&t->ref, me->cpu, op, line, asked));
}

static void random_device(struct random_cpu *me)
{
	struct random_run *t = me->run;
	uint32_t which = (uint32_t)rng_below(&me->rng, 2), line = (uint32_t)rng_below(&me->rng, t->line_count);
	bool write = rng_below(&me->rng, 2);
	uint64_t now = this_proc->now_ps, done;

	if (write)
		done = coh_agent_write(t->sim, t->device[which], &t->cells[line], 8, now);
	else
		done = coh_agent_read(t->sim, t->device[which], &t->cells[line], 8, now);
	compare(t, t->device[which], write ? DEVICE_WRITE : DEVICE_READ, line, now, done,
		ref_device(&t->ref, t->device[which], line, now, write));
}

/* The first CPU never sleeps and is the last to go, so that everybody is woken in the end. */
static void random_body(void *arg)
{
	struct random_cpu *me = arg;
	struct random_run *t = me->run;
	uint32_t i;

	for (i = 0; i < t->steps || (!me->index && t->running > 1); i++) {
		this_proc->now_ps += rng_below(&me->rng, 4) ? rng_below(&me->rng, 200 * NS) : 0;
		/* Hits run ahead; now and then everybody lets the others catch up. A device acts in order, too. */
		if (!rng_below(&me->rng, 8)) {
			proc_sync(this_proc);
			if (t->devices)
				random_device(me);
		}
		random_step(me);
	}
	if (!--t->running)
		engine_stop(&t->sim->engine);
}

static void compare_stats(const struct random_run *t)
{
	uint32_t i;

	for (i = 0; i < t->line_count; i++) {
		const struct line_stats *st =
			&t->sim->region.stats[region_line_index(&t->sim->region, &t->cells[i])];

		assert_int_equal(st->transfers_local, t->ref.line[i].local);
		assert_int_equal(st->transfers_remote, t->ref.line[i].remote);
		assert_int_equal(st->stall_ps, t->ref.line[i].stall_ps);
	}
}

/* Each CPU's random numbers depend on its index alone, whatever the machine. */
static void random_run(struct random_run *t, const struct shape *shape, const struct sim_params *params)
{
	struct random_cpu *cpus = calloc(t->cpus, sizeof(*cpus));
	uint32_t i;

	assert_non_null(cpus);
	assert_true(shape->cpu_count + 2 <= REF_MAX_AGENTS && t->line_count <= MAX_LINES);
	memset(&t->ref, 0, sizeof(t->ref));
	t->ref.shape = *shape;
	t->ref.p = params->coh;
	t->ref.agents = shape->cpu_count + 2;
	t->hash = t->accesses = t->sleeps = 0;
	t->error[0] = 0;
	t->sim = sim_test_create(shape->machine, shape->cpu_count, params);
	t->cells = region_alloc(&t->sim->region, &cells_type, MAX_LINES * sizeof(struct cell), CACHE_LINE_SIZE);
	assert_non_null(t->cells);
	for (i = 0; i < 2; i++)
		t->device[i] = (uint16_t)sim_add_agent(t->sim, i);
	t->running = t->cpus;
	for (i = 0; i < t->cpus; i++) {
		cpus[i] = (struct random_cpu){ .run = t, .index = i, .cpu = t->cpu_of[i] };
		rng_seed(&cpus[i].rng, t->seed, i);
		assert_int_equal(sim_start_cpu(t->sim, cpus[i].cpu, random_body, &cpus[i]), 0);
	}
	assert_int_equal(engine_run(&t->sim->engine), 0);
	if (t->error[0])
		fail_msg("%s", t->error);
	compare_stats(t);
	assert_true(t->sleeps || t->cpus == 1);
	sim_test_destroy(t->sim);
	free(cpus);
}

/* Distances that all differ, and percentages that do not divide them evenly. */
static struct sim_params odd_params(uint32_t write_pct, uint32_t dirty_read_pct)
{
	struct sim_params params = with_occupancies(write_pct, dirty_read_pct);

	params.coh.latency_ps[COH_SMT] = 7901;
	params.coh.latency_ps[COH_L3] = 23017;
	params.coh.latency_ps[COH_PACKAGE] = 53003;
	params.coh.latency_ps[COH_REMOTE] = 107009;
	params.coh.l1_hit_ps = 503;
	params.coh.atomic_ps = 6007;
	params.coh.read_occupancy_ps = 2003;
	return params;
}

/* Two packages of two L3s of two cores of two threads. */
static const struct shape sixteen = { "package:2 l3:2 core:2 pu:2", 16, 2, 4, 8 };
static const struct shape sixtyfour = { "package:2 l3:2 core:8 pu:2", 64, 2, 16, 32 };
static const struct shape wide = { "package:2 l3:2 core:32 pu:2", 256, 2, 64, 128 };

static void count_up(uint32_t *cpu_of, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		cpu_of[i] = i;
}

static void test_random_against_reference(void **state)
{
	static const uint32_t pct[][2] = { { 100, 100 }, { 50, 30 }, { 73, 41 }, { 0, 0 } };
	uint32_t cpu_of[16];
	uint64_t accesses = 0;
	size_t i;

	(void)state;
	count_up(cpu_of, 16);
	for (i = 0; i < COUNT(pct); i++) {
		struct sim_params params = odd_params(pct[i][0], pct[i][1]);
		struct random_run t = { .cpu_of = cpu_of, .cpus = 16, .steps = 2000, .line_count = 5, .seed = i };

		random_run(&t, &sixteen, &params);
		accesses += t.accesses;
		t.cpus = 2;
		t.line_count = 2;
		random_run(&t, &sixteen, &params);
	}
	assert_true(accesses >= 100000);
}

/* Devices know only their own package and the other. */
static void test_random_with_devices(void **state)
{
	uint32_t cpu_of[64];
	uint64_t seed;

	(void)state;
	count_up(cpu_of, 64);
	for (seed = 0; seed < 4; seed++) {
		struct sim_params params = odd_params(50 + 10 * (uint32_t)seed, 30);
		struct random_run t = {
			.cpu_of = cpu_of,
			.cpus = seed & 1 ? 64 : 6,
			.steps = 1000,
			.line_count = MAX_LINES,
			.seed = seed,
			.devices = true,
		};

		params.coh.latency_ps[COH_L3] = params.coh.latency_ps[COH_PACKAGE];
		random_run(&t, &sixtyfour, &params);
	}
}

/* More than 64 CPUs all over the machine: the sharer set against the same reference. */
static void test_random_on_a_wide_machine(void **state)
{
	uint32_t cpu_of[256];
	struct sim_params params = odd_params(50, 30);
	struct random_run t = { .cpu_of = cpu_of, .cpus = 256, .steps = 150, .line_count = 3, .seed = 9 };

	(void)state;
	count_up(cpu_of, 256);
	random_run(&t, &wide, &params);
	params.coh.latency_ps[COH_L3] = params.coh.latency_ps[COH_PACKAGE];
	t.devices = true;
	random_run(&t, &wide, &params);
}

/* CPUs at the same places in a machine of 64 and of 256 CPUs: what they do takes the same time. */
static void test_mask_and_set_agree(void **state)
{
	uint32_t small[64], large[64], i;
	uint64_t seed;

	(void)state;
	for (i = 0; i < 64; i++) {
		small[i] = i;
		large[i] = i / 16 * 64 + 24 + i % 16; /* both threads of a core, eight cores of each L3 */
	}
	for (seed = 100; seed < 106; seed++) {
		struct sim_params params = odd_params(50, 30);
		struct random_run t = { .cpus = 64, .steps = 200, .line_count = 4, .seed = seed };
		uint64_t hash, accesses;

		if (seed & 1) {
			t.devices = true;
			params.coh.latency_ps[COH_L3] = params.coh.latency_ps[COH_PACKAGE];
		}
		t.cpu_of = small;
		random_run(&t, &sixtyfour, &params);
		hash = t.hash;
		accesses = t.accesses;
		t.cpu_of = large;
		random_run(&t, &wide, &params);
		assert_int_equal(t.accesses, accesses);
		assert_true(t.hash == hash);
	}
}

static void test_line_valid_sees_nonsense(void **state)
{
	struct sim_params params = sim_test_params();
	struct sim *s = sim_test_create("package:2 l3:1 core:4 pu:1", TEST_CPUS, &params);
	struct line l = { 0 };

	(void)state;
	assert_true(coh_line_valid(s, &l)); /* fresh memory */
	l.flags = LINE_DIRTY;
	assert_false(coh_line_valid(s, &l));
	l.owner = 1;
	assert_true(coh_line_valid(s, &l));
	l.sharers.mask = 2;
	assert_false(coh_line_valid(s, &l));
	l.sharers.mask = 0;
	l.owner = TEST_CPUS + 1;
	assert_false(coh_line_valid(s, &l));
	sim_test_destroy(s);
}

/* The reader of a dirty line has it for itself: what it writes next is a hit, and the former owner has to fetch it.
 */
static void test_dirty_read_migrates(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 },	{ 1, 100000, LOAD, 0, 150500 }, { 1, 150500, STORE, 0, 151000 },
		{ 1, 151000, RMW, 0, 157000 },	{ 0, 200000, LOAD, 0, 250500 }, /* dirty again: back it goes */
		{ 2, 300000, LOAD, 0, 350500 },					/* clean: shared from here on */
		{ 0, 400000, LOAD, 0, 400500 }, { 2, 400000, RMW, 0, 456000 },
	};
	struct sim_params params = with_occupancies(100, 100);

	(void)state;
	params.coh.dirty_read_migrates = true;
	play_checked(steps, COUNT(steps), &params, NULL);
}

/* Whoever spins on a line that migrates to a reader notices, and reads again. */
static void test_migration_wakes(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, STORE, 0, 500 },
		{ 0, 60000, WAIT, 0, 150000 },
		{ 1, 100000, LOAD, 0, 150500 },
		{ 0, 150000, LOAD, 0, 200500 },
	};
	struct sim_params params = with_occupancies(100, 100);

	(void)state;
	params.coh.dirty_read_migrates = true;
	play_checked(steps, COUNT(steps), &params, NULL);
}

/* CPU 1 asks at 100 ns. CPU 0 has the line until 125 ns, and it arrives at 150 ns. */
static void test_request_travels(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, RMW, 0, 56000 },	 { 0, 56000, STORE, 1, 56500 }, { 1, 100000, RMW, 0, 156000 },
		{ 0, 110000, RMW, 0, 116000 },	 { 0, 130000, RMW, 0, 206000 }, { 3, 300000, LOAD, 1, 350500 },
		{ 0, 310000, STORE, 1, 310500 }, /* still exclusive */
		{ 0, 330000, LOAD, 1, 330500 },	 /* shared */
		{ 0, 360000, RMW, 1, 416000 },
	};
	struct sim_params params = with_occupancies(100, 100);

	(void)state;
	params.coh.request_pct = 50;
	play_checked(steps, COUNT(steps), &params, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dirty_read_migrates),
		cmocka_unit_test(test_migration_wakes),
		cmocka_unit_test(test_request_travels),
		cmocka_unit_test(test_cold_read_then_hit),
		cmocka_unit_test(test_cold_write_is_posted),
		cmocka_unit_test(test_read_of_dirty_line),
		cmocka_unit_test(test_dirty_read_occupancy_30),
		cmocka_unit_test(test_read_of_clean_exclusive_line),
		cmocka_unit_test(test_upgrade_pays_the_farthest_sharer),
		cmocka_unit_test(test_write_by_an_outsider),
		cmocka_unit_test(test_writes_are_served_in_arrival_order),
		cmocka_unit_test(test_posted_store_occupies_the_line),
		cmocka_unit_test(test_store_buffer_order),
		cmocka_unit_test(test_atomic_waits_for_the_drain),
		cmocka_unit_test(test_local_cmpxchg),
		cmocka_unit_test(test_nobody_sees_a_store_before_an_older_one),
		cmocka_unit_test(test_wait_until_written),
		cmocka_unit_test(test_wait_without_a_copy_returns),
		cmocka_unit_test(test_waiters_wake_in_order),
		cmocka_unit_test(test_false_sharing_wakes),
		cmocka_unit_test(test_wait_for_two_lines),
		cmocka_unit_test(test_prefetchw),
		cmocka_unit_test(test_device_accesses),
		cmocka_unit_test(test_device_distance_and_occupancy),
		cmocka_unit_test(test_device_request_over_lines),
		cmocka_unit_test(test_random_against_reference),
		cmocka_unit_test(test_random_with_devices),
		cmocka_unit_test(test_random_on_a_wide_machine),
		cmocka_unit_test(test_mask_and_set_agree),
		cmocka_unit_test(test_line_valid_sees_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
