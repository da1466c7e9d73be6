/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/uncertain.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench/options_table.h"
#include "bench/progress.h"
#include "bench/runner.h"
#include "sim/rng.h"
#include "sim/stats.h"

/* Streams of the generator that no simulation uses: those are numbered by job and device from 0. */
#define RNG_STREAM (1ULL << 40)

int uncertain_draw(uint64_t seed, uint64_t low, uint64_t high, uint32_t parameter, uint32_t draws, uint64_t *values)
{
	__extension__ typedef unsigned __int128 u128;
	uint32_t *order = calloc(draws, sizeof(*order)), i, k, swap;
	u128 span = (u128)high - low + 1;
	struct rng rng;

	if (!order)
		return -ENOMEM;
	rng_seed(&rng, seed, RNG_STREAM + parameter);
	for (i = 0; i < draws; i++)
		order[i] = i;
	for (i = draws; i > 1; i--) {
		k = (uint32_t)rng_below(&rng, i);
		swap = order[k];
		order[k] = order[i - 1];
		order[i - 1] = swap;
	}
	for (i = 0; i < draws; i++) {
		/* The part order[i] of @draws equal ones, and anywhere in it. */
		u128 from = span * order[i] / draws, to = span * (order[i] + 1) / draws;

		values[i] = low + (uint64_t)from;
		if (to - from > UINT64_MAX)
			values[i] += rng_next(&rng);
		else if (to - from > 1)
			values[i] += rng_below(&rng, (uint64_t)(to - from));
	}
	free(order);
	return 0;
}

/* ---- the parameters ---- */

static uint64_t bound_of(unsigned int id, const char *text)
{
	struct option_setting s = { .key = option_row(id)->name, .value = text };
	union option_value v = { 0 };
	int ret = option_parse_value(id, &s, &v, NULL);

	assert(!ret);
	(void)ret;
	return option_row(id)->kind == OPTION_KIND_BOOL ? v.boolean : v.number;
}

/* Somebody who says what it is does not want it drawn. The built-in machine's fitted values are nobody's word. */
static bool is_drawn(const struct options *o, unsigned int id, unsigned int scope)
{
	enum options_source source = o->origin[id].source;

	return option_plausible(id) && (option_row(id)->scope & scope) &&
	       (source == OPTIONS_DEFAULT || source == OPTIONS_BUILTIN);
}

static int draw_parameters(struct uncertain *u, const struct options *o, const struct claims *claims)
{
	unsigned int scope = 0, id;
	uint32_t i, p;
	int ret = 0;

	for (i = 0; i < claims->scenario_count; i++)
		scope |= point_scope(claims->scenarios[i].command);
	for (id = 0; id < OPTION_COUNT; id++)
		if (is_drawn(o, id, scope))
			u->parameter[u->parameter_count++] = id;
	u->drawn = calloc((size_t)u->parameter_count * u->draws + 1, sizeof(*u->drawn));
	if (!u->drawn)
		return -ENOMEM;
	for (p = 0; !ret && p < u->parameter_count; p++) {
		id = u->parameter[p];
		/* The stream is the option's, so that fixing one leaves the others' draws as they are. */
		ret = uncertain_draw(o->seed, bound_of(id, option_plausible(id)->lo),
				     bound_of(id, option_plausible(id)->hi), id, u->draws,
				     &u->drawn[(size_t)p * u->draws]);
	}
	return ret;
}

/* ---- one draw ---- */

struct drawing {
	const struct cmd_context *ctx;
	const struct options *options;
	const struct claims *claims;
	struct uncertain *u;
	pthread_mutex_t lock; /* of the three below */
	int code;
	uint64_t done;
	struct progress progress;
};

/* The scenario with the draw's values where it does not say otherwise. */
static int apply_draw(struct options *o, const struct uncertain *u, uint32_t draw)
{
	uint32_t p;
	int ret = 0;

	for (p = 0; !ret && p < u->parameter_count; p++) {
		unsigned int id = u->parameter[p];
		uint64_t v = u->drawn[(size_t)p * u->draws + draw];
		char text[40];

		if (!is_drawn(o, id, o->scope))
			continue;
		snprintf(text, sizeof(text), "%" PRIu64 "%s", v,
			 option_row(id)->kind == OPTION_KIND_TIME ? "ps" : "");
		ret = options_set(o, option_row(id)->name, text, "draw", NULL);
		assert(ret != -EINVAL);
	}
	return ret;
}

static int simulate_scenario(const struct drawing *d, uint32_t scenario, uint32_t draw, json_t **result)
{
	struct claim_scenario s = d->claims->scenarios[scenario];
	int code;

	*result = NULL;
	if (options_copy(&s.options, &d->claims->scenarios[scenario].options))
		return cmd_fail(EXIT_FAILED, "out of memory");
	/* The draws are the repetitions. */
	if (!options_given(d->options, OPTION_repetitions))
		s.options.repetitions = 1;
	if (apply_draw(&s.options, d->u, draw))
		code = cmd_fail(EXIT_FAILED, "out of memory");
	else
		code = claims_simulate(d->ctx, &s, result);
	options_free(&s.options);
	return code;
}

static int evaluate_claims(const struct drawing *d, uint32_t draw, json_t *const *results)
{
	uint32_t i;

	for (i = 0; i < d->claims->count; i++) {
		const struct claim *claim = &d->claims->claims[i];
		const json_t *against = claim->relation == CLAIM_ALONE ? NULL : results[claim->against];
		struct options_error err;
		struct claim_value v;

		if (claim_evaluate(claim, results[claim->scenario], against, &v, &err))
			return cmd_fail(EXIT_USAGE, "%s", err.msg);
		d->u->claims[i].value[draw] = v.value;
	}
	return EXIT_OK;
}

static int run_draw(const struct drawing *d, uint32_t draw)
{
	uint32_t count = d->claims->scenario_count, i;
	json_t **results = calloc(count, sizeof(*results));
	int code = results ? EXIT_OK : cmd_fail(EXIT_FAILED, "out of memory");

	for (i = 0; !code && i < count; i++)
		code = simulate_scenario(d, i, draw, &results[i]);
	if (!code)
		code = evaluate_claims(d, draw, results);
	for (i = 0; results && i < count; i++)
		json_decref(results[i]);
	free(results);
	return code;
}

static void run_one(void *arg, uint64_t draw)
{
	struct drawing *d = arg;
	int code;

	pthread_mutex_lock(&d->lock);
	code = d->code;
	pthread_mutex_unlock(&d->lock);
	if (!code)
		code = *d->ctx->interrupted ? EXIT_SIGNAL + *d->ctx->interrupted : run_draw(d, (uint32_t)draw);
	pthread_mutex_lock(&d->lock);
	if (!d->code)
		d->code = code;
	if (!code)
		progress_update(&d->progress, ++d->done, d->u->draws);
	pthread_mutex_unlock(&d->lock);
}

/* ---- what decides ---- */

struct drawn_value {
	uint64_t drawn;
	double value;
	uint32_t draw;
};

/* Equal ones by draw, so that the order is everywhere the same. */
static int by_drawn(const void *a, const void *b)
{
	const struct drawn_value *x = a, *y = b;

	if (x->drawn != y->drawn)
		return x->drawn < y->drawn ? -1 : 1;
	return (x->draw > y->draw) - (x->draw < y->draw);
}

/* @sorted: room for the draws. */
static int measure_effect(const struct uncertain *u, uint32_t p, const double *value, struct drawn_value *sorted,
			  struct uncertain_effect *e)
{
	uint32_t n = u->draws, quarter = n / 4, i;
	double *parameter = calloc(n, sizeof(*parameter));
	int ret;

	if (!parameter)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		sorted[i] = (struct drawn_value){ u->drawn[(size_t)p * n + i], value[i], i };
		parameter[i] = (double)sorted[i].drawn;
	}
	ret = stats_spearman(parameter, value, n, &e->rho);
	free(parameter);
	qsort(sorted, n, sizeof(*sorted), by_drawn);
	e->low = e->high = 0;
	for (i = 0; i < quarter; i++) {
		e->low += sorted[i].value / quarter;
		e->high += sorted[n - 1 - i].value / quarter;
	}
	return ret;
}

static int analyse(struct uncertain *u, const struct claims *claims)
{
	struct drawn_value *sorted = calloc(u->draws, sizeof(*sorted));
	uint32_t i, p;
	int ret = sorted ? 0 : -ENOMEM;

	for (i = 0; !ret && i < claims->count; i++) {
		struct uncertain_claim *c = &u->claims[i];

		for (p = 0; p < u->draws; p++) {
			c->holds += claim_holds(&claims->claims[i], c->value[p]);
			c->mean += c->value[p] / u->draws;
		}
		for (p = 0; !ret && p < u->parameter_count; p++) {
			ret = measure_effect(u, p, c->value, sorted, &c->effects[p]);
			if (fabs(c->effects[p].rho) > fabs(c->effects[c->decisive].rho))
				c->decisive = p;
		}
	}
	free(sorted);
	return ret;
}

static int alloc_claims(struct uncertain *u, const struct claims *claims)
{
	uint32_t i;

	u->claim_count = claims->count;
	u->claims = calloc(claims->count, sizeof(*u->claims));
	if (!u->claims)
		return -ENOMEM;
	for (i = 0; i < claims->count; i++) {
		u->claims[i].value = calloc(u->draws, sizeof(double));
		u->claims[i].effects = calloc(u->parameter_count + 1UL, sizeof(struct uncertain_effect));
		if (!u->claims[i].value || !u->claims[i].effects)
			return -ENOMEM;
	}
	return 0;
}

int uncertain_run(const struct cmd_context *ctx, const struct options *o, const struct claims *claims,
		  struct uncertain *u)
{
	struct drawing d = { .ctx = ctx, .options = o, .claims = claims, .u = u };
	int ret;

	*u = (struct uncertain){ .draws = (uint32_t)o->draws };
	ret = draw_parameters(u, o, claims);
	if (!ret)
		ret = alloc_claims(u, claims);
	if (ret)
		return cmd_fail(EXIT_FAILED, "out of memory");
	pthread_mutex_init(&d.lock, NULL);
	progress_init_long(&d.progress, o, "draws", 0);
	ret = parallel_for((uint32_t)o->threads, u->draws, run_one, &d);
	progress_clear(&d.progress);
	pthread_mutex_destroy(&d.lock);
	if (!ret && d.code)
		return d.code;
	if (!ret)
		ret = analyse(u, claims);
	return ret ? cmd_fail(EXIT_FAILED, "out of memory") : EXIT_OK;
}

void uncertain_destroy(struct uncertain *u)
{
	uint32_t i;

	for (i = 0; u->claims && i < u->claim_count; i++) {
		free(u->claims[i].value);
		free(u->claims[i].effects);
	}
	free(u->claims);
	free(u->drawn);
	memset(u, 0, sizeof(*u));
}
