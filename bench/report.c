/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report.c - what text and JSON reports share
 */
#include "bench/report.h"

#include <string.h>

bool report_interrupted(const struct run *run, const struct runner *runner)
{
	return run->complete < run->rep_count || (runner->interrupted && *runner->interrupted);
}

bool report_is_native(const struct run *run)
{
	return run->scenario->options.engine == ENGINE_NATIVE;
}

const char *report_blind_spots(const struct topology *t)
{
	if (t->package_count > 1)
		return NULL;
	if (t->pu_count > 2)
		return "a machine of one package: it cannot check remote latency";
	return "a machine of one package and two CPUs: it cannot check remote latency, nor many readers of a line";
}

const char *report_invalidation(const struct scenario *s)
{
	if (s->params.domain.policy == POLICY_PT)
		return "none";
	return invalidation_name(s->params.domain.lazy ? INVALIDATION_LAZY : INVALIDATION_STRICT);
}

double report_ratio(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

double report_per_s(uint64_t count, uint64_t elapsed_ps)
{
	return report_ratio(count, elapsed_ps) * 1e12;
}

double report_mib_s(uint64_t bytes, uint64_t elapsed_ps)
{
	return report_per_s(bytes, elapsed_ps) / 1048576;
}

void report_cpus(const struct host_result *r, struct report_cpus *cpus)
{
	/* As a double: thousands of CPUs for hours are more picoseconds than an integer holds. */
	double all = (double)r->cpu_count * (double)r->elapsed_ps;

	*cpus = (struct report_cpus){ 0, 0, 0 };
	if (!r->cpu_count || !r->elapsed_ps)
		return;
	if ((double)r->cpu_idle_ps < all)
		cpus->busy = 1 - (double)r->cpu_idle_ps / all;
	cpus->spin = (double)r->cpu_spin_ps / all;
	cpus->stall = (double)r->cpu_stall_ps / all;
}

const char *report_map_part_name(enum map_part part)
{
	static const char *const names[MAP_PART_COUNT] = {
#define X(name) [MAP_##name] = #name,
		MAP_PARTS(X)
#undef X
	};

	return names[part];
}

uint64_t report_map_ps(const struct host_result *r)
{
	uint64_t sum_ps = 0;
	uint32_t i;

	for (i = 0; i < MAP_PART_COUNT; i++)
		sum_ps += r->map_part_ps[i];
	return sum_ps;
}

static bool field_on_line(const struct obj_field *field, uint32_t index)
{
	uint64_t start = (uint64_t)index << CACHE_LINE_SHIFT;

	if (index == UINT32_MAX)
		return field->size > CACHE_LINE_SIZE;
	return field->offset < start + CACHE_LINE_SIZE && (uint64_t)field->offset + field->size > start;
}

const char *report_line_field(const struct host_line_result *line, uint32_t *next)
{
	while (*next < line->type->field_count) {
		const struct obj_field *field = &line->type->fields[(*next)++];

		if (field_on_line(field, line->index))
			return field->name;
	}
	return NULL;
}

void report_line_name(const struct host_line_result *line, char *object, size_t object_size, char *fields,
		      size_t fields_size)
{
	const char *name = line->type->name, *field;
	size_t used = 0, length;
	uint32_t next = 0;

	if (line->index != UINT32_MAX)
		snprintf(object, object_size, "%s+%llu", name, (unsigned long long)line->index << CACHE_LINE_SHIFT);
	else
		snprintf(object, object_size, "%s%s", name, line->type->field_count ? " (rest)" : "");
	if (fields_size)
		fields[0] = '\0';
	while ((field = report_line_field(line, &next))) {
		length = strlen(field) + (used ? 1 : 0);
		if (used + length >= fields_size)
			return;
		snprintf(fields + used, fields_size - used, "%s%s", used ? "," : "", field);
		used += length;
	}
}
