/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/host_stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exec/machine_oracle.h"
#include "sim/exec/machine_virtual.h"

/* Lines of an object that are told apart; what is larger is an array of equals. */
#define MAX_LINES_PER_OBJECT 8

void host_stats_reset(struct machine *m, uint64_t time_ps)
{
	uint32_t i;

	for (i = 0; i < m->unit_count; i++) {
		struct vtd_hw *hw = m->units[i];

		hw->iotlb_hits = hw->iotlb_misses = 0;
		hw->write_buffer_flushes = hw->iotlb_invalidations = hw->devtlb_invalidations = 0;
	}
	if (m->sim.oracle)
		m->sim.oracle->run->stats = (struct oracle_stats){ 0 };
	sim_reset_stats(&m->sim, time_ps);
}

bool host_stats_per_cpu(void)
{
	return false;
}

void host_stats_reset_cpu(void)
{
}

static void collect_map_calls(const struct map_sums *done, struct host_result *r)
{
	uint32_t i;

	for (i = 0; i < MAP_PART_COUNT; i++)
		r->map_part_ps[i] += done->part_ps[i];
	for (i = 0; i < FN_COUNT; i++)
		r->map_calls[i] += done->calls[i];
}

static void collect_cpus(const struct sim *s, struct host_result *r)
{
	uint64_t end_ps = s->measure_start_ps + r->elapsed_ps;
	uint32_t i;

	for (i = 0; i < s->cpu_count; i++) {
		const struct vcpu *c = &s->cpus[i];

		r->cpu_idle_ps += c->idle_ps;
		if (c->state == VCPU_IDLE && c->idle_since_ps < end_ps)
			r->cpu_idle_ps += end_ps - (c->idle_since_ps > s->measure_start_ps ? c->idle_since_ps
											   : s->measure_start_ps);
		r->cpu_spin_ps += c->spin_ps;
		r->cpu_stall_ps += c->stall_ps;
		collect_map_calls(&c->map.done, r);
		if (c->irq_off_max_ps > r->irq_off_max_ps)
			r->irq_off_max_ps = c->irq_off_max_ps;
	}
}

static int collect_locks(const struct sim *s, struct host_result *r)
{
	uint32_t i;

	r->locks = calloc(s->lock_count, sizeof(*r->locks));
	if (!r->locks)
		return -ENOMEM;
	for (i = 1; i < s->lock_count; i++) {
		const struct lock_stat *ls = &s->locks[i];

		if (!ls->acquisitions)
			continue;
		r->locks[r->lock_count++] = (struct host_lock_result){
			.name = ls->name,
			.instance = ls->instance,
			.acquisitions = ls->acquisitions,
			.contended = ls->contended,
			.acquisitions_in_map = ls->acquisitions_in_map,
			.wait_total_ps = ls->wait_total_ps,
			.wait_max_ps = ls->wait_max_ps,
			.hold_total_ps = ls->hold_total_ps,
			.hold_max_ps = ls->hold_max_ps,
			.irq_off_max_ps = ls->irq_off_max_ps,
		};
	}
	qsort(r->locks, r->lock_count, sizeof(*r->locks), host_lock_by_wait);
	return 0;
}

static int by_stall(const void *a, const void *b)
{
	const struct host_line_result *x = a, *y = b;
	uint64_t tx = x->transfers_local + x->transfers_remote, ty = y->transfers_local + y->transfers_remote;
	int order;

	if (x->stall_ps != y->stall_ps)
		return x->stall_ps > y->stall_ps ? -1 : 1;
	if (tx != ty)
		return tx > ty ? -1 : 1;
	order = strcmp(x->type->name, y->type->name);
	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int collect_lines(const struct sim *s, struct host_result *r)
{
	const struct region *region = &s->region;
	size_t lines = region->memory.used >> CACHE_LINE_SHIFT, i;
	struct host_line_result *table;
	uint32_t slots = region->type_count * (MAX_LINES_PER_OBJECT + 1), k;

	table = calloc(slots, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (i = 0; i < lines; i++) {
		const struct line_stats *st = &region->stats[i];
		const struct line_object *o = &region->objects[i];
		const struct obj_type *type;
		struct host_line_result *line;
		uint32_t index;

		if (!(st->transfers_local | st->transfers_remote) || !o->type)
			continue;
		type = region->types[o->type - 1];
		index = type->field_count && o->index < MAX_LINES_PER_OBJECT ? o->index : MAX_LINES_PER_OBJECT;
		line = &table[(o->type - 1U) * (MAX_LINES_PER_OBJECT + 1) + index];
		line->type = type;
		line->index = index == MAX_LINES_PER_OBJECT ? UINT32_MAX : index;
		line->transfers_local += st->transfers_local;
		line->transfers_remote += st->transfers_remote;
		line->stall_ps += st->stall_ps;
	}
	for (k = 0; k < slots; k++)
		if (table[k].type)
			table[r->line_count++] = table[k];
	qsort(table, r->line_count, sizeof(*table), by_stall);
	r->lines = table;
	return 0;
}

static void collect_units(const struct machine *m, struct host_result *r)
{
	uint32_t i;

	for (i = 0; i < m->unit_count; i++) {
		const struct vtd_hw *hw = m->units[i];

		r->iotlb_hits += hw->iotlb_hits;
		r->iotlb_misses += hw->iotlb_misses;
		r->write_buffer_flushes += hw->write_buffer_flushes;
		r->iotlb_invalidations += hw->iotlb_invalidations;
		r->devtlb_invalidations += hw->devtlb_invalidations;
	}
}

int host_stats_collect(const struct machine *m, struct host_result *r)
{
	int ret;

	collect_units(m, r);
	r->events = m->sim.engine.dispatched;
	if (m->sim.oracle)
		r->oracle = m->sim.oracle->run->stats;
	collect_cpus(&m->sim, r);
	ret = collect_locks(&m->sim, r);
	return ret ? ret : collect_lines(&m->sim, r);
}
