/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/measurement.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct round {
	uint64_t median_ps;
	uint32_t kept; /* samples */
	unsigned int noise;
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t measurement_quantile(const uint64_t *sorted, size_t count, unsigned int permille)
{
	assert(count && permille <= 1000);
	return sorted[((count - 1) * permille + 500) / 1000];
}

uint64_t measurement_median(uint64_t *ps, size_t count)
{
	qsort(ps, count, sizeof(*ps), by_value);
	return measurement_quantile(ps, count, 500);
}

int64_t measurement_median_signed(int64_t *ps, size_t count)
{
	uint64_t *shifted = (uint64_t *)ps;
	size_t i;

	for (i = 0; i < count; i++)
		shifted[i] += 1ULL << 62;
	return (int64_t)(measurement_median(shifted, count) - (1ULL << 62));
}

static bool is_wide(uint64_t width_ps, uint64_t median_ps, uint64_t resolution_ps)
{
	return width_ps > resolution_ps &&
	       (unsigned __int128)width_ps * 100 > (unsigned __int128)median_ps * MEASUREMENT_SPREAD_PCT;
}

/* Fills in what the samples say together; they are spoilt afterwards. */
static void summarize(struct measurement *m, const struct measurement_plan *plan, uint64_t *ps, size_t count)
{
	size_t i;

	m->median_ps = measurement_median(ps, count);
	m->p10_ps = measurement_quantile(ps, count, 100);
	m->p90_ps = measurement_quantile(ps, count, 900);
	for (i = 0; i < count; i++)
		ps[i] = ps[i] > m->median_ps ? ps[i] - m->median_ps : m->median_ps - ps[i];
	m->mad_ps = measurement_median(ps, count);
	m->samples = (uint32_t)count;
	if (is_wide(m->mad_ps, m->median_ps, plan->resolution_ps))
		m->flaws |= FLAW_SPREAD;
	if (is_wide(m->high_ps - m->low_ps, m->median_ps, plan->resolution_ps))
		m->flaws |= FLAW_ROUNDS;
}

static uint64_t kept_samples(const struct round *round, uint32_t taken)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < taken; i++)
		sum += round[i].kept;
	return sum;
}

static void use_round(struct measurement *m, const struct round *round)
{
	m->rounds++;
	if (round->median_ps < m->low_ps)
		m->low_ps = round->median_ps;
	if (round->median_ps > m->high_ps)
		m->high_ps = round->median_ps;
}

/*
 * The samples that count, moved to the front: those kept in the undisturbed rounds; where there are too few of
 * these, those kept in any; and all, if that is next to nothing. Returns how many they are.
 */
static size_t select_samples(struct measurement *m, const struct measurement_plan *plan, const struct round *round,
			     uint32_t taken, uint64_t *ps)
{
	bool noisy = taken - m->disturbed < plan->rounds;
	bool all = noisy && kept_samples(round, taken) < plan->samples / 4 + 1;
	size_t count = 0;
	uint32_t i;

	m->low_ps = UINT64_MAX;
	for (i = 0; i < taken; i++) {
		uint32_t used = all ? plan->samples : round[i].kept;

		if (!used || (round[i].noise && !noisy))
			continue;
		memmove(ps + count, ps + (size_t)i * plan->samples, used * sizeof(*ps));
		count += used;
		use_round(m, &round[i]);
	}
	if (noisy)
		m->flaws |= FLAW_NOISE;
	return count;
}

static int take_round(const struct measurement_plan *plan, uint64_t *ps, struct round *round)
{
	struct host_noise before, after;
	int ret;

	ret = plan->read_noise(plan->noise_arg, &before);
	if (!ret)
		ret = plan->measure(plan->arg, ps, &round->kept, &round->noise);
	if (!ret)
		ret = plan->read_noise(plan->noise_arg, &after);
	if (ret)
		return ret;
	assert(round->kept <= plan->samples);
	round->noise |= host_noise_between(&before, &after, plan->cpu_count);
	/* A round without a sample to keep is one of noise, whatever its kind. */
	if (!round->kept && !round->noise)
		round->noise = NOISE_LOAD;
	round->median_ps = measurement_median(ps, round->kept ? round->kept : plan->samples);
	return 0;
}

static int take_rounds(const struct measurement_plan *plan, struct measurement *m)
{
	uint64_t *ps = calloc(plan->max_rounds, plan->samples * sizeof(*ps));
	struct round *round = calloc(plan->max_rounds, sizeof(*round));
	uint32_t taken = 0;
	int ret = ps && round ? 0 : -ENOMEM;

	memset(m, 0, sizeof(*m));
	while (!ret && taken < plan->max_rounds && taken - m->disturbed < plan->rounds) {
		ret = take_round(plan, ps + (size_t)taken * plan->samples, &round[taken]);
		if (ret)
			break;
		m->noise |= round[taken].noise;
		m->disturbed += round[taken].noise != 0;
		taken++;
	}
	m->taken_rounds = taken;
	if (!ret) {
		summarize(m, plan, ps, select_samples(m, plan, round, taken, ps));
		m->taken = true;
	}
	free(round);
	free(ps);
	return ret;
}

int measurement_take(const struct measurement_plan *plan, struct measurement *m)
{
	uint32_t attempts = 0;
	int ret;

	assert(plan->rounds && plan->max_rounds >= plan->rounds && plan->samples && plan->attempts);
	do {
		ret = take_rounds(plan, m);
		m->attempts = ++attempts;
	} while (!ret && m->flaws && attempts < plan->attempts);
	return ret;
}

const char *measurement_verdict(const struct measurement *m, char *buf, size_t size)
{
	char noise[96];
	size_t used;

	if (!m->taken || !m->flaws) {
		snprintf(buf, size, "%s", m->taken ? "good" : "not measured");
		return buf;
	}
	host_noise_names(m->noise, noise, sizeof(noise));
	used = 0;
	buf[0] = '\0';
	if (m->flaws & FLAW_NOISE)
		used += (size_t)snprintf(buf + used, size - used, "%s in %u of %u rounds; ", noise, m->disturbed,
					 m->taken_rounds);
	if (m->flaws & FLAW_SPREAD)
		used += (size_t)snprintf(buf + used, size - used, "samples spread by %.0f %%; ",
					 100.0 * (double)m->mad_ps / (double)(m->median_ps ? m->median_ps : 1));
	if (m->flaws & FLAW_ROUNDS)
		used += (size_t)snprintf(buf + used, size - used, "rounds differ by %.0f %%; ",
					 100.0 * (double)(m->high_ps - m->low_ps) /
						 (double)(m->median_ps ? m->median_ps : 1));
	if (m->flaws & FLAW_CLOCKS)
		used += (size_t)snprintf(buf + used, size - used, "the CPUs' clocks differ; ");
	buf[used - 2] = '\0';
	return buf;
}
