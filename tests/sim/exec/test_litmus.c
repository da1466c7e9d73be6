/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_litmus.c - tiny programs under every schedule: what comes out is what the memory model allows, all of it and
 * nothing else
 *
 * A reference tries all interleavings of the programs on a memory of a few words. The known litmus tests have their
 * outcomes written down as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/exec/explore.h"
#include "sim/platform/model/platform.h"
#include "sim/rng.h"
#include "tests/sim_test.h"

#define MAX_CPUS 4
#define MAX_OPS 5
#define WORDS 3
#define LOCKS 2
#define BUFFER 8
#define MAX_STEPS 1000

/* Words are 0 to WORDS - 1; locks come after them. */
enum op_kind { END, LOAD, STORE, ADD, BARRIER, LOCK, UNLOCK };

struct op {
	enum op_kind kind;
	uint8_t word, value;
};

struct program {
	uint32_t cpus;
	struct op op[MAX_CPUS][MAX_OPS + 1];
};

/* ---- outcomes: what was read, CPU by CPU, then the words at the end; a hexadecimal digit each ---- */

#define DEADLOCKED (1ULL << 63)

struct outcomes {
	uint64_t *v; /* sorted */
	size_t count, capacity;
};

static void add_outcome(struct outcomes *o, uint64_t outcome)
{
	size_t at = 0, end = o->count;

	while (at < end) {
		size_t middle = (at + end) / 2;

		if (o->v[middle] < outcome)
			at = middle + 1;
		else
			end = middle;
	}
	if (at < o->count && o->v[at] == outcome)
		return;
	if (o->count == o->capacity) {
		o->capacity = o->capacity ? 2 * o->capacity : 16;
		o->v = realloc(o->v, o->capacity * sizeof(*o->v));
		assert_non_null(o->v);
	}
	memmove(&o->v[at + 1], &o->v[at], (o->count - at) * sizeof(*o->v));
	o->v[at] = outcome;
	o->count++;
}

static bool reads(const struct op *op)
{
	return op->kind == LOAD || op->kind == ADD;
}

static uint64_t pack(const struct program *p, const uint8_t read[][MAX_OPS], const uint64_t *words)
{
	uint64_t outcome = 0;
	uint32_t c, i;

	for (c = 0; c < p->cpus; c++)
		for (i = 0; p->op[c][i].kind; i++)
			if (reads(&p->op[c][i]))
				outcome = outcome << 4 | (read[c][i] & 0xf);
	for (i = 0; i < WORDS; i++)
		outcome = outcome << 4 | (words[i] & 0xf);
	return outcome;
}

static void print_program(const struct program *p)
{
	static const char *const names[] = { "", "load", "store", "add", "barrier", "lock", "unlock" };
	uint32_t c, i;

	for (c = 0; c < p->cpus; c++)
		for (i = 0; p->op[c][i].kind; i++)
			print_message("CPU %u: %s %u %u\n", c, names[p->op[c][i].kind], p->op[c][i].word,
				      p->op[c][i].value);
}

static void print_outcomes(const char *what, const struct outcomes *o)
{
	size_t i;

	print_message("%s:", what);
	for (i = 0; i < o->count; i++)
		print_message(" %llx", (unsigned long long)o->v[i]);
	print_message("\n");
}

static void assert_same_outcomes(const struct program *p, const char *what, const struct outcomes *got,
				 const struct outcomes *want)
{
	if (got->count == want->count && !memcmp(got->v, want->v, got->count * sizeof(*got->v)))
		return;
	print_program(p);
	print_outcomes(what, got);
	print_outcomes("allowed", want);
	fail();
}

/* ---- the reference ---- */

struct model {
	const struct program *p;
	struct outcomes *outcomes;
};

struct model_state {
	uint64_t words[WORDS + LOCKS];
	uint8_t read[MAX_CPUS][MAX_OPS];
	uint32_t at[MAX_CPUS];
};

/* Makes the next step of CPU @c. False when it cannot. */
static bool model_step(const struct model *m, struct model_state *s, uint32_t c)
{
	const struct op *op = &m->p->op[c][s->at[c]];
	uint64_t *word = &s->words[op->word];

	switch (op->kind) {
	case END:
		return false;
	case LOAD:
		s->read[c][s->at[c]] = (uint8_t)*word;
		break;
	case STORE:
		*word = op->value;
		break;
	case ADD:
		s->read[c][s->at[c]] = (uint8_t)*word;
		*word += op->value;
		break;
	case BARRIER:
		break;
	case LOCK:
		if (*word)
			return false;
		*word = 1;
		break;
	case UNLOCK:
		*word = 0;
		break;
	}
	s->at[c]++;
	return true;
}

static void model_explore(const struct model *m, const struct model_state *s)
{
	bool ended = true, stuck = true;
	uint32_t c;

	for (c = 0; c < m->p->cpus; c++) {
		struct model_state next = *s;

		ended &= !m->p->op[c][s->at[c]].kind;
		if (!model_step(m, &next, c))
			continue;
		stuck = false;
		model_explore(m, &next);
	}
	if (stuck)
		add_outcome(m->outcomes, pack(m->p, s->read, s->words) | (ended ? 0 : DEADLOCKED));
}

static struct outcomes allowed_outcomes(const struct program *p)
{
	struct outcomes allowed = { 0 };
	const struct model m = { p, &allowed };
	const struct model_state start = { 0 };

	model_explore(&m, &start);
	return allowed;
}

/* ---- the explorer ---- */

struct memory {
	uint64_t word[WORDS];
	uint64_t apart[5];
	spinlock_t lock[LOCKS];
};

OBJ_TYPE_PLAIN(memory, "litmus memory");

struct litmus;

struct cpu {
	struct litmus *l;
	uint32_t number;
};

struct litmus {
	const struct program *p;
	struct sim *sim;
	struct explore *x;
	struct memory *memory;
	struct cpu cpu[MAX_CPUS];
	uint8_t read[MAX_CPUS][MAX_OPS];
};

static void run_program(void *arg)
{
	const struct cpu *c = arg;
	struct litmus *l = c->l;
	const struct op *op = l->p->op[c->number];
	uint8_t *read = l->read[c->number];
	uint32_t i;

	for (i = 0; op[i].kind; i++) {
		switch (op[i].kind) {
		case END:
			break;
		case LOAD:
			read[i] = (uint8_t)READ_ONCE(l->memory->word[op[i].word]);
			break;
		case STORE:
			WRITE_ONCE(l->memory->word[op[i].word], op[i].value);
			break;
		case ADD:
			read[i] = (uint8_t)atomic_fetch_add(op[i].value, &l->memory->word[op[i].word]);
			break;
		case BARRIER:
			smp_mb();
			break;
		case LOCK:
			explore_lock(this_vcpu(), &l->memory->lock[op[i].word - WORDS]);
			break;
		case UNLOCK:
			explore_unlock(this_vcpu(), &l->memory->lock[op[i].word - WORDS]);
			break;
		}
	}
}

static void litmus_create(struct litmus *l, const struct program *p)
{
	struct sim_params params = sim_test_params();
	uint32_t c;

	memset(l, 0, sizeof(*l));
	l->p = p;
	l->sim = sim_test_create("package:1 core:4 pu:1", p->cpus, &params);
	l->memory = region_alloc(&l->sim->region, &memory_type, sizeof(*l->memory), CACHE_LINE_SIZE);
	assert_non_null(l->memory);
	assert_int_equal(explore_create(l->sim, &l->x), 0);
	for (c = 0; c < p->cpus; c++) {
		l->cpu[c] = (struct cpu){ l, c };
		explore_set_program(l->x, c, run_program, &l->cpu[c]);
	}
	assert_int_equal(explore_watch(l->x, l->read, sizeof(l->read)), 0);
	assert_int_equal(explore_snapshot(l->x), 0);
}

static void litmus_destroy(struct litmus *l)
{
	struct memory *memory = l->memory;
	struct sim *sim = l->sim;

	explore_destroy(l->x);
	region_free(&sim->region, memory);
	sim_test_destroy(sim);
}

/* One pass of a strategy; false when others were found to notice more accesses, and it has to begin anew. */
static bool pass(struct litmus *l, struct strategy *s, struct outcomes *got, uint64_t *schedules)
{
	struct explore_verdict v;

	while (s->ops->begin(s)) {
		explore_run(l->x, s, MAX_STEPS, &v);
		++*schedules;
		if (v.outcome == EXPLORE_FINISHED || v.outcome == EXPLORE_DEADLOCK)
			add_outcome(got, pack(l->p, l->read, l->memory->word) |
						 (v.outcome == EXPLORE_DEADLOCK ? DEADLOCKED : 0));
		else
			assert_int_equal(v.outcome, EXPLORE_PRUNED);
		if (explore_new_words(l->x))
			return false;
	}
	return true;
}

static struct strategy *dpor(void)
{
	return strategy_dpor();
}

static struct strategy *dfs(void)
{
	return strategy_dfs(UINT32_MAX);
}

/* All outcomes of an exhaustive strategy. Returns how many schedules its last pass had. */
static uint64_t explored_outcomes(const struct program *p, struct strategy *(*make)(void), struct outcomes *got)
{
	struct litmus l;
	uint64_t schedules;
	bool whole;

	litmus_create(&l, p);
	do {
		struct strategy *s = make();

		assert_non_null(s);
		schedules = 0;
		/* What was found before counts: no outcome is wrong because others were missed. */
		whole = pass(&l, s, got, &schedules);
		strategy_destroy(s);
	} while (!whole);
	litmus_destroy(&l);
	return schedules;
}

static void check_exhaustive(const struct program *p)
{
	struct outcomes want = allowed_outcomes(p), by_dpor = { 0 }, by_dfs = { 0 };
	uint64_t few = explored_outcomes(p, dpor, &by_dpor), all = explored_outcomes(p, dfs, &by_dfs);

	assert_same_outcomes(p, "dfs", &by_dfs, &want);
	assert_same_outcomes(p, "dpor", &by_dpor, &want);
	assert_true(few <= all);
	free(want.v);
	free(by_dpor.v);
	free(by_dfs.v);
}

/* ---- the known ones ---- */

enum { X = 0, Y = 1 };

#define R(w)               \
	{                  \
		LOAD, w, 0 \
	}
#define W(w, v)             \
	{                   \
		STORE, w, v \
	}
#define MB                    \
	{                     \
		BARRIER, 0, 0 \
	}

struct known {
	const char *name;
	struct program p;
	uint64_t sc[16]; /* what is read, then the words; ended by ~0 */
};

#define NO_MORE UINT64_MAX

static const struct known known[] = {
	{ "SB", { 2, { { W(X, 1), R(Y) }, { W(Y, 1), R(X) } } }, { 0x01110, 0x10110, 0x11110, NO_MORE } },
	{ "SB with barriers",
	  { 2, { { W(X, 1), MB, R(Y) }, { W(Y, 1), MB, R(X) } } },
	  { 0x01110, 0x10110, 0x11110, NO_MORE } },
	{ "MP", { 2, { { W(X, 1), W(Y, 1) }, { R(Y), R(X) } } }, { 0x00110, 0x01110, 0x11110, NO_MORE } },
	{ "LB", { 2, { { R(X), W(Y, 1) }, { R(Y), W(X, 1) } } }, { 0x00110, 0x01110, 0x10110, NO_MORE } },
	{ "2+2W", { 2, { { W(X, 1), W(Y, 2) }, { W(Y, 1), W(X, 2) } } }, { 0x120, 0x210, 0x220, NO_MORE } },
	{ "IRIW",
	  { 4, { { W(X, 1) }, { W(Y, 1) }, { R(X), R(Y) }, { R(Y), R(X) } } },
	  { 0x0000110, 0x0001110, 0x0010110, 0x0011110, 0x0100110, 0x0101110, 0x0110110, 0x0111110, 0x1000110,
	    0x1001110, 0x1011110, 0x1100110, 0x1101110, 0x1110110, 0x1111110, NO_MORE } },
};

static void test_known_under_sc(void **state)
{
	size_t k, i;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(known); k++) {
		struct outcomes want = allowed_outcomes(&known[k].p), listed = { 0 };

		for (i = 0; known[k].sc[i] != NO_MORE; i++)
			add_outcome(&listed, known[k].sc[i]);
		assert_same_outcomes(&known[k].p, known[k].name, &listed, &want);
		check_exhaustive(&known[k].p);
		free(want.v);
		free(listed.v);
	}
}

/* ---- random ones ---- */

static struct op random_op(struct rng *r, uint8_t value)
{
	static const enum op_kind kinds[] = { LOAD, LOAD, LOAD, STORE, STORE, STORE, ADD, BARRIER };

	return (struct op){ kinds[rng_below(r, ARRAY_SIZE(kinds))], (uint8_t)rng_below(r, WORDS), value };
}

/* @ops at most for each CPU, with a part of them under a lock now and then, or under both. */
static void random_program(struct rng *r, struct program *p, uint32_t cpus, uint32_t ops)
{
	uint32_t c, i;

	memset(p, 0, sizeof(*p));
	p->cpus = cpus;
	for (c = 0; c < cpus; c++) {
		struct op *op = p->op[c];
		uint8_t lock = (uint8_t)(WORDS + rng_below(r, LOCKS));

		for (i = 0; i < ops; i++)
			op[i] = random_op(r, (uint8_t)(1 + c * ops + i));
		if (ops < 3 || rng_below(r, 2))
			continue;
		op[0] = (struct op){ LOCK, lock, 0 };
		op[ops - 1] = (struct op){ UNLOCK, lock, 0 };
		if (ops < 4 || rng_below(r, 2))
			continue;
		/* The other one inside: in the other order elsewhere, that may be a deadlock. */
		lock = (uint8_t)(2 * WORDS + LOCKS - 1 - lock);
		op[1] = (struct op){ LOCK, lock, 0 };
		op[ops - 2] = (struct op){ UNLOCK, lock, 0 };
	}
}

static void test_random_under_sc(void **state)
{
	struct rng r;
	uint32_t i;

	(void)state;
	rng_seed(&r, 1, 0);
	for (i = 0; i < 300; i++) {
		struct program p;

		if (i % 2)
			random_program(&r, &p, 2, 3 + i % 3);
		else
			random_program(&r, &p, 3, 3);
		check_exhaustive(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_under_sc),
		cmocka_unit_test(test_random_under_sc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
