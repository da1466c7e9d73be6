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
#define MAX_STEPS 1000
/*
 * Of random schedules: at most until all outcomes have been seen, and after that; and of random programs. Each of
 * these maps memory of its own, for which sanitizers take their time, as for changing stacks.
 */
#define RUNS 200000
#ifdef __SANITIZE_ADDRESS__
#define RUNS_BEHIND 200
#define PROGRAMS 5
#else
#define RUNS_BEHIND 2000
#define PROGRAMS 100
#endif

/*
 * Words are 0 to WORDS - 1; locks come after them. AWAIT: until the word is odd. ENTER, LEAVE: an RCU section;
 * SYNC: a grace period.
 */
enum op_kind { END, LOAD, STORE, ADD, BARRIER, LOCK, UNLOCK, AWAIT, ENTER, LEAVE, SYNC };

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
	return op->kind == LOAD || op->kind == ADD || op->kind == AWAIT;
}

static uint64_t pack(const struct program *p, const uint8_t read[][MAX_OPS], const uint8_t *words)
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
	static const char *const names[] = { "",       "load",	"store", "add",	  "barrier", "lock",
					     "unlock", "await", "enter", "leave", "sync" };
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

enum memory_model { SC, TSO };

struct store {
	uint8_t word, value;
};

struct model_state {
	uint8_t words[WORDS + LOCKS];
	uint8_t read[MAX_CPUS][MAX_OPS];
	uint8_t at[MAX_CPUS];
	struct store buffer[MAX_CPUS][MAX_OPS];
	uint8_t buffered[MAX_CPUS];
	bool inside[MAX_CPUS];	    /* of a section */
	bool waiting[MAX_CPUS];	    /* for a grace period, */
	uint8_t sections[MAX_CPUS]; /* until those of these CPUs are over, a bit each, */
	uint8_t unseen[MAX_CPUS];   /* and what these had in their buffers until then is in memory */
};

struct model {
	const struct program *p;
	enum memory_model memory;
	struct outcomes *outcomes;
	uint64_t *seen; /* hashes of states, in places that follow from them */
	size_t seen_size, seen_count;
};

static uint64_t hash_of(const void *p, size_t size)
{
	const uint8_t *byte = p;
	uint64_t hash = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < size; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3ULL;
	return hash ? hash : 1;
}

/* Whether the state is a new one. */
static bool see(struct model *m, uint64_t hash)
{
	size_t i;

	for (i = hash % m->seen_size; m->seen[i]; i = (i + 1) % m->seen_size)
		if (m->seen[i] == hash)
			return false;
	m->seen[i] = hash;
	assert_true(++m->seen_count < m->seen_size / 2);
	return true;
}

static uint8_t model_load(const struct model_state *s, uint32_t c, uint8_t word)
{
	uint32_t i;

	for (i = s->buffered[c]; i--;)
		if (s->buffer[c][i].word == word)
			return s->buffer[c][i].value;
	return s->words[word];
}

static void model_store(const struct model *m, struct model_state *s, uint32_t c, uint8_t word, uint8_t value)
{
	if (m->memory == SC)
		s->words[word] = value;
	else
		s->buffer[c][s->buffered[c]++] = (struct store){ word, value };
}

/* Nobody waits any more for what CPU @c has done up to here. */
static void model_over(struct model_state *s, uint32_t c)
{
	uint32_t i;

	for (i = 0; i < MAX_CPUS; i++)
		if (!s->buffered[c] && !(s->sections[i] >> c & 1))
			s->unseen[i] &= (uint8_t) ~(1U << c);
}

static void model_leave(struct model_state *s, uint32_t c)
{
	uint32_t i;

	s->inside[c] = false;
	for (i = 0; i < MAX_CPUS; i++)
		s->sections[i] &= (uint8_t) ~(1U << c);
	model_over(s, c);
}

/* Begins to wait; or goes on, if all is over. */
static bool model_sync(struct model_state *s, uint32_t c)
{
	uint32_t i;

	if (s->waiting[c]) {
		s->waiting[c] = s->unseen[c];
		s->at[c] += !s->unseen[c];
		return !s->unseen[c];
	}
	s->waiting[c] = true;
	for (i = 0; i < MAX_CPUS; i++) {
		if (i == c)
			continue;
		s->sections[c] |= (uint8_t)(s->inside[i] << i);
		s->unseen[c] |= (uint8_t)((s->inside[i] || s->buffered[i]) << i);
	}
	return true;
}

static bool model_drain(struct model_state *s, uint32_t c)
{
	if (!s->buffered[c])
		return false;
	s->words[s->buffer[c][0].word] = s->buffer[c][0].value;
	s->buffered[c]--;
	memmove(s->buffer[c], s->buffer[c] + 1, s->buffered[c] * sizeof(s->buffer[c][0]));
	/* What is beyond is to be the same in the same state. */
	s->buffer[c][s->buffered[c]] = (struct store){ 0, 0 };
	model_over(s, c);
	return true;
}

/* Makes the next step of CPU @c. False when it cannot. */
static bool model_step(const struct model *m, struct model_state *s, uint32_t c)
{
	const struct op *op = &m->p->op[c][s->at[c]];

	if ((op->kind == ADD || op->kind == BARRIER || op->kind == LOCK || op->kind == SYNC) && s->buffered[c])
		return false;
	switch (op->kind) {
	case END:
		return false;
	case LOAD:
		s->read[c][s->at[c]] = model_load(s, c, op->word);
		break;
	case STORE:
		model_store(m, s, c, op->word, op->value);
		break;
	case ADD:
		s->read[c][s->at[c]] = s->words[op->word];
		s->words[op->word] += op->value;
		break;
	case BARRIER:
		break;
	case LOCK:
		if (s->words[op->word])
			return false;
		s->words[op->word] = 1;
		break;
	case UNLOCK:
		model_store(m, s, c, op->word, 0);
		break;
	case AWAIT:
		if (!(model_load(s, c, op->word) & 1))
			return false;
		s->read[c][s->at[c]] = model_load(s, c, op->word);
		break;
	case ENTER:
		s->inside[c] = true;
		break;
	case LEAVE:
		model_leave(s, c);
		break;
	case SYNC:
		return model_sync(s, c);
	}
	s->at[c]++;
	return true;
}

static void model_explore(struct model *m, const struct model_state *s)
{
	bool ended = true, stuck = true;
	uint32_t c, drains;

	if (!see(m, hash_of(s, sizeof(*s))))
		return;
	for (c = 0; c < m->p->cpus; c++) {
		ended &= !m->p->op[c][s->at[c]].kind;
		for (drains = 0; drains < 2; drains++) {
			struct model_state next = *s;

			if (!(drains ? model_drain(&next, c) : model_step(m, &next, c)))
				continue;
			stuck = false;
			model_explore(m, &next);
		}
	}
	if (stuck)
		add_outcome(m->outcomes, pack(m->p, s->read, s->words) | (ended ? 0 : DEADLOCKED));
}

static struct outcomes allowed_outcomes(const struct program *p, enum memory_model memory)
{
	struct outcomes allowed = { 0 };
	struct model m = { .p = p, .memory = memory, .outcomes = &allowed, .seen_size = 1 << 18 };
	const struct model_state start = { 0 };

	m.seen = calloc(m.seen_size, sizeof(*m.seen));
	assert_non_null(m.seen);
	model_explore(&m, &start);
	free(m.seen);
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
	uint32_t runs;
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
		case AWAIT:
			read[i] = (uint8_t)smp_cond_load_acquire(&l->memory->word[op[i].word], VAL & 1);
			break;
		case ENTER:
			rcu_read_lock();
			break;
		case LEAVE:
			rcu_read_unlock();
			break;
		case SYNC:
			synchronize_rcu();
			break;
		}
	}
}

static void (*body_of_first)(void *arg) = run_program;

static void litmus_create(struct litmus *l, const struct program *p, enum memory_model memory)
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
		explore_set_program(l->x, c, c ? run_program : body_of_first, &l->cpu[c]);
	}
	assert_int_equal(explore_watch(l->x, l->read, sizeof(l->read)), 0);
	explore_store_buffers(l->x, memory == TSO);
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

static uint64_t outcome_of(const struct litmus *l, const struct explore_verdict *v)
{
	uint8_t words[WORDS];
	uint32_t i;

	assert_true(v->outcome == EXPLORE_FINISHED || v->outcome == EXPLORE_DEADLOCK);
	for (i = 0; i < WORDS; i++)
		words[i] = (uint8_t)l->memory->word[i];
	return pack(l->p, l->read, words) | (v->outcome == EXPLORE_DEADLOCK ? DEADLOCKED : 0);
}

/* One pass of a strategy; false when others were found to notice more accesses, and it has to begin anew. */
static bool pass(struct litmus *l, struct strategy *s, struct outcomes *got, uint64_t *schedules)
{
	struct explore_verdict v;

	while (s->ops->begin(s)) {
		explore_run(l->x, s, MAX_STEPS, &v);
		++*schedules;
		if (v.outcome != EXPLORE_PRUNED)
			add_outcome(got, outcome_of(l, &v));
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

	litmus_create(&l, p, SC);
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
	struct outcomes want = allowed_outcomes(p, SC), by_dpor = { 0 }, by_dfs = { 0 };
	uint64_t few = explored_outcomes(p, dpor, &by_dpor), all = explored_outcomes(p, dfs, &by_dfs);

	assert_same_outcomes(p, "dfs", &by_dfs, &want);
	assert_same_outcomes(p, "dpor", &by_dpor, &want);
	assert_true(few <= all);
	free(want.v);
	free(by_dpor.v);
	free(by_dfs.v);
}

/* Outcomes of a random strategy until it has all of @want, with @schedules at most. */
static void check_random(const struct program *p, enum memory_model memory, struct strategy *s)
{
	struct outcomes want = allowed_outcomes(p, memory), got = { 0 };
	struct explore_verdict v;
	struct litmus l;

	assert_non_null(s);
	litmus_create(&l, p, memory);
	while (got.count < want.count && s->ops->begin(s)) {
		explore_run(l.x, s, MAX_STEPS, &v);
		add_outcome(&got, outcome_of(&l, &v));
	}
	/* As many once more, for those that are not allowed. */
	for (; got.count == want.count && s->ops->begin(s) && l.runs < RUNS_BEHIND; l.runs++) {
		explore_run(l.x, s, MAX_STEPS, &v);
		add_outcome(&got, outcome_of(&l, &v));
	}
	assert_same_outcomes(p, s->ops->name, &got, &want);
	strategy_destroy(s);
	litmus_destroy(&l);
	free(want.v);
	free(got.v);
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

#define GP                 \
	{                  \
		SYNC, 0, 0 \
	}
#define RCU_IN              \
	{                   \
		ENTER, 0, 0 \
	}
#define RCU_OUT             \
	{                   \
		LEAVE, 0, 0 \
	}

#define NO_MORE UINT64_MAX

/* What is read, then the words X, Y and an unused one, under SC; and what TSO allows besides. */
struct known {
	const char *name;
	struct program p;
	uint64_t sc[16], tso[4];
};

static const struct known known[] = {
	{ "SB",
	  { 2, { { W(X, 1), R(Y) }, { W(Y, 1), R(X) } } },
	  { 0x01110, 0x10110, 0x11110, NO_MORE },
	  { 0x00110, NO_MORE } },
	{ "SB with barriers",
	  { 2, { { W(X, 1), MB, R(Y) }, { W(Y, 1), MB, R(X) } } },
	  { 0x01110, 0x10110, 0x11110, NO_MORE },
	  { NO_MORE } },
	{ "SB with one barrier",
	  { 2, { { W(X, 1), MB, R(Y) }, { W(Y, 1), R(X) } } },
	  { 0x01110, 0x10110, 0x11110, NO_MORE },
	  { 0x00110, NO_MORE } },
	{ "SB with own loads",
	  { 2, { { W(X, 1), R(X), R(Y) }, { W(Y, 1), R(Y), R(X) } } },
	  { 0x1011110, 0x1110110, 0x1111110, NO_MORE },
	  { 0x1010110, NO_MORE } },
	{ "MP",
	  { 2, { { W(X, 1), W(Y, 1) }, { R(Y), R(X) } } },
	  { 0x00110, 0x01110, 0x11110, NO_MORE },
	  { NO_MORE } },
	{ "LB",
	  { 2, { { R(X), W(Y, 1) }, { R(Y), W(X, 1) } } },
	  { 0x00110, 0x01110, 0x10110, NO_MORE },
	  { NO_MORE } },
	{ "2+2W",
	  { 2, { { W(X, 1), W(Y, 2) }, { W(Y, 1), W(X, 2) } } },
	  { 0x120, 0x210, 0x220, NO_MORE },
	  { NO_MORE } },
	{ "RCU",
	  { 2, { { W(X, 1), GP, W(Y, 1) }, { RCU_IN, R(X), R(Y), RCU_OUT } } },
	  { 0x00110, 0x10110, 0x11110, NO_MORE },
	  { NO_MORE } },
	{ "RCU without a section",
	  { 2, { { W(X, 1), GP, W(Y, 1) }, { R(X), R(Y) } } },
	  { 0x00110, 0x01110, 0x10110, 0x11110, NO_MORE },
	  { NO_MORE } },
	{ "RCU with a section that comes too late",
	  { 2, { { W(X, 1), GP, W(Y, 1) }, { R(X), RCU_IN, R(Y), RCU_OUT } } },
	  { 0x00110, 0x01110, 0x10110, 0x11110, NO_MORE },
	  { NO_MORE } },
	{ "IRIW",
	  { 4, { { W(X, 1) }, { W(Y, 1) }, { R(X), R(Y) }, { R(Y), R(X) } } },
	  { 0x0000110, 0x0001110, 0x0010110, 0x0011110, 0x0100110, 0x0101110, 0x0110110, 0x0111110, 0x1000110,
	    0x1001110, 0x1011110, 0x1100110, 0x1101110, 0x1110110, 0x1111110, NO_MORE },
	  { NO_MORE } },
};

static void list_outcomes(struct outcomes *o, const uint64_t *v)
{
	for (; *v != NO_MORE; v++)
		add_outcome(o, *v);
}

static void test_known(void **state)
{
	size_t k;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(known); k++) {
		const struct known *t = &known[k];
		struct outcomes sc = allowed_outcomes(&t->p, SC), tso = allowed_outcomes(&t->p, TSO),
				listed = { 0 };

		list_outcomes(&listed, t->sc);
		assert_same_outcomes(&t->p, t->name, &listed, &sc);
		list_outcomes(&listed, t->tso);
		assert_same_outcomes(&t->p, t->name, &listed, &tso);
		check_exhaustive(&t->p);
		check_random(&t->p, SC, strategy_random(1, RUNS));
		check_random(&t->p, TSO, strategy_random(1, RUNS));
		check_random(&t->p, TSO, strategy_pct(1, RUNS, 4, 20));
		free(sc.v);
		free(tso.v);
		free(listed.v);
	}
}

/* ---- random ones ---- */

static struct op random_op(struct rng *r, uint8_t value)
{
	static const enum op_kind kinds[] = { LOAD, LOAD, LOAD, AWAIT, STORE, STORE, STORE, ADD, BARRIER };

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

/* Sections on some CPUs, grace periods on others, and what they read and write around and inside of them. */
static void random_rcu_program(struct rng *r, struct program *p, uint32_t cpus, uint32_t ops)
{
	uint32_t c, i;

	memset(p, 0, sizeof(*p));
	p->cpus = cpus;
	for (c = 0; c < cpus; c++) {
		struct op *op = p->op[c];
		uint32_t from = rng_below(r, 2), to = ops - 1 - rng_below(r, 2);

		for (i = 0; i < ops; i++)
			op[i] = random_op(r, (uint8_t)(1 + c * ops + i));
		if (c ? rng_below(r, 3) : rng_below(r, 8)) {
			op[from] = (struct op){ ENTER, 0, 0 };
			op[to] = (struct op){ LEAVE, 0, 0 };
		} else {
			op[1 + rng_below(r, ops - 2)] = (struct op){ SYNC, 0, 0 };
		}
		/* Its second section is waited for by nobody who has seen the first. */
		if (ops == MAX_OPS && op[0].kind == ENTER && rng_below(r, 2)) {
			op[1] = (struct op){ LEAVE, 0, 0 };
			op[2] = (struct op){ ENTER, 0, 0 };
			op[4] = (struct op){ LEAVE, 0, 0 };
		}
	}
}

static void test_random_rcu(void **state)
{
	struct rng r;
	uint32_t i;

	(void)state;
	rng_seed(&r, 3, 0);
	for (i = 0; i < 3 * PROGRAMS; i++) {
		struct program p;

		random_rcu_program(&r, &p, i % 2 ? 2 : 3, i % 2 ? 4 + i / 2 % 2 : 3 + i / 2 % 2);
		check_exhaustive(&p);
		if (i % 3 == 0)
			check_random(&p, TSO, strategy_random(i, RUNS));
	}
}

static void test_random_under_sc(void **state)
{
	struct rng r;
	uint32_t i;

	(void)state;
	rng_seed(&r, 1, 0);
	for (i = 0; i < 3 * PROGRAMS; i++) {
		struct program p;

		if (i % 2)
			random_program(&r, &p, 2, 3 + i % 3);
		else
			random_program(&r, &p, 3, 3);
		check_exhaustive(&p);
	}
}

static void test_random_under_tso(void **state)
{
	struct rng r;
	uint32_t i;

	(void)state;
	rng_seed(&r, 2, 0);
	for (i = 0; i < PROGRAMS; i++) {
		struct program p;

		random_program(&r, &p, i % 4 ? 2 : 3, i % 4 ? 2 + i % 3 : 2);
		check_random(&p, TSO, strategy_random(i, RUNS));
	}
}

/* ---- what is not determined by the schedule is found out ---- */

static uint32_t host_counter;

static void undetermined(void *arg)
{
	const struct cpu *c = arg;

	WRITE_ONCE(c->l->memory->word[host_counter++ & 1], 1);
}

static void run_twice(struct litmus *l, uint64_t state[2], uint64_t log[2])
{
	struct explore_verdict v;
	uint32_t i;

	explore_log(l->x, true);
	for (i = 0; i < 4; i++) {
		struct strategy *s = strategy_random(5, 1);

		assert_true(s && s->ops->begin(s));
		explore_run(l->x, s, MAX_STEPS, &v);
		strategy_destroy(s);
		state[i % 2] = explore_state_hash(l->x);
		log[i % 2] = explore_log_hash(l->x);
	}
}

static void test_nondeterminism_is_found(void **state)
{
	const struct program p = { 2, { { W(X, 1), R(Y) }, { R(X), W(Y, 1) } } };
	uint64_t memory[2], log[2];
	struct litmus l;

	(void)state;
	litmus_create(&l, &p, SC);
	run_twice(&l, memory, log);
	assert_true(memory[0] == memory[1]);
	assert_true(log[0] == log[1]);
	litmus_destroy(&l);

	body_of_first = undetermined;
	litmus_create(&l, &p, SC);
	body_of_first = run_program;
	run_twice(&l, memory, log);
	assert_true(memory[0] != memory[1]);
	assert_true(log[0] != log[1]);
	litmus_destroy(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_random_under_sc),
		cmocka_unit_test(test_random_rcu),
		cmocka_unit_test(test_random_under_tso),
		cmocka_unit_test(test_nondeterminism_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
