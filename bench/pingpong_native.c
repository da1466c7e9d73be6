/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measurement.h"
#include "bench/pingpong.h"
#include "sim/exec/native_measure.h"

/* Exchanges, or writes, in a sample; and as many samples as that makes, at most. */
#define EXCHANGE_LINES 16
#define EXCHANGES (EXCHANGE_LINES * 8)
#define WRITES 64
#define SAMPLES_MAX 1000

#define SKEW_SAMPLES 1000

/* A measurement and what it fills in. */
struct run {
	struct native_measure m;
	struct native_probe *probes;
	uint8_t *disturbed;
	uint64_t *sample_ps, *first_ps;
};

static void free_run(struct run *r)
{
	free(r->probes);
	free(r->disturbed);
	free(r->sample_ps);
	free(r->first_ps);
}

static int init_run(struct run *r, const struct topology *topology, const uint32_t *cpus, uint32_t cpu_count,
		    const struct pingpong_params *params, uint32_t per_sample)
{
	uint64_t samples = params->iterations / per_sample;

	samples = samples > SAMPLES_MAX ? SAMPLES_MAX : samples ? samples : 1;
	*r = (struct run){
		.probes = calloc(cpu_count, sizeof(*r->probes)),
		.disturbed = calloc(samples, sizeof(*r->disturbed)),
		.sample_ps = calloc(samples, sizeof(*r->sample_ps)),
		.first_ps = calloc(samples, sizeof(*r->first_ps)),
	};
	if (!r->probes || !r->disturbed || !r->sample_ps || !r->first_ps)
		return -ENOMEM;
	r->m = (struct native_measure){
		.topology = topology,
		.pus = cpus,
		.cpu_count = cpu_count,
		.samples = (uint32_t)samples,
		.batch = (uint32_t)((params->iterations + samples - 1) / samples),
		.interrupted = params->interrupted,
		.probes = r->probes,
		.disturbed = r->disturbed,
	};
	return 0;
}

/* Undisturbed samples first, and only those if there are any. */
static uint32_t keep_undisturbed(const struct run *r, uint64_t *sample_ps)
{
	uint32_t kept = 0, i;

	for (i = 0; i < r->m.samples; i++) {
		uint64_t ps = sample_ps[i];

		if (r->disturbed[i])
			continue;
		sample_ps[i] = sample_ps[kept];
		sample_ps[kept++] = ps;
	}
	return kept ? kept : r->m.samples;
}

static void summarize(const struct run *r, struct pingpong_native_result *result)
{
	uint32_t used = keep_undisturbed(r, r->sample_ps), i;

	result->samples = r->m.samples;
	for (i = 0; i < r->m.samples; i++)
		result->disturbed += r->disturbed[i] != 0;
	result->median_ps = measurement_median(r->sample_ps, used);
	result->p10_ps = measurement_quantile(r->sample_ps, used, 100);
	result->p90_ps = measurement_quantile(r->sample_ps, used, 900);
	result->first_ps = measurement_median(r->first_ps, keep_undisturbed(r, r->first_ps));
}

/* Half of what the orders differ by. */
static int measure_skew(const struct run *r, const uint32_t cpu[2], int64_t *skew_ps)
{
	const uint32_t swapped[2] = { cpu[1], cpu[0] };
	int64_t sample_ps[SKEW_SAMPLES], one_ps;
	struct native_measure m = r->m;
	int ret;

	m.samples = SKEW_SAMPLES;
	m.disturbed = NULL;
	ret = native_measure_skew(&m, sample_ps);
	if (ret)
		return ret;
	one_ps = measurement_median_signed(sample_ps, SKEW_SAMPLES);
	m.pus = swapped;
	ret = native_measure_skew(&m, sample_ps);
	if (!ret)
		*skew_ps = (one_ps - measurement_median_signed(sample_ps, SKEW_SAMPLES)) / 2;
	return ret;
}

int pingpong_native_run(const struct topology *topology, const uint32_t cpu[2],
			const struct pingpong_params *params, struct pingpong_native_result *result)
{
	struct run r;
	int ret = init_run(&r, topology, cpu, 2, params, EXCHANGES);

	memset(result, 0, sizeof(*result));
	if (!ret) {
		r.m.batch = (r.m.batch + EXCHANGE_LINES - 1) / EXCHANGE_LINES;
		result->count = 2ULL * EXCHANGE_LINES * r.m.batch * r.m.samples;
		ret = native_measure_pingpong(&r.m, r.sample_ps);
	}
	if (!ret)
		ret = measure_skew(&r, cpu, &result->skew_ps);
	if (!ret)
		summarize(&r, result);
	free_run(&r);
	return ret;
}

int pingpong_native_readers_run(const struct topology *topology, const uint32_t *cpus, uint32_t cpu_count,
				const struct pingpong_params *params, struct pingpong_native_result *result)
{
	struct run r;
	int ret = init_run(&r, topology, cpus, cpu_count, params, WRITES);

	memset(result, 0, sizeof(*result));
	if (!ret) {
		result->count = (uint64_t)r.m.batch * r.m.samples;
		ret = native_measure_broadcast(&r.m, r.first_ps, r.sample_ps);
	}
	if (!ret)
		summarize(&r, result);
	free_run(&r);
	return ret;
}
