/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/host_stats.h"

#include "platform.h"
#include "sim/exec/machine_native.h"
#include "sim/exec/native_lock_stat.h"

bool host_stats_per_cpu(void)
{
	return true;
}

void host_stats_reset_cpu(void)
{
	struct native_cpu *c = this_cpu();

	c->idle_ps = c->events_run = 0;
	native_lock_stat_reset(c->machine, c->id);
}

/* Runs on each CPU, because what it forgets is that CPU's. */
static void forget(struct native_event *event)
{
	(void)event;
	host_stats_reset_cpu();
}

void host_stats_reset(struct machine *m, uint64_t time_ps)
{
	uint32_t i;

	for (i = 0; i < m->native.cpu_count; i++) {
		struct native_event *event = &m->native.cpus[i].forget;

		event->fn = forget;
		event->time_ps = time_ps;
		native_post(&m->native, i, event);
	}
}

static int collect_locks(const struct native *m, struct host_result *r)
{
	uint32_t count = native_lock_stat_count(m), i;

	if (!count)
		return 0;
	r->locks = calloc(count, sizeof(*r->locks));
	if (!r->locks)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		struct native_lock_stat ls = native_lock_stat_get(m, i);

		if (!ls.acquisitions)
			continue;
		r->locks[r->lock_count++] = (struct host_lock_result){
			.name = ls.name,
			.instance = ls.instance,
			.acquisitions = ls.acquisitions,
			.contended = ls.contended,
			.wait_total_ps = ls.wait_total_ps,
			.wait_max_ps = ls.wait_max_ps,
			.hold_total_ps = ls.hold_total_ps,
			.hold_max_ps = ls.hold_max_ps,
		};
	}
	qsort(r->locks, r->lock_count, sizeof(*r->locks), host_lock_by_wait);
	return 0;
}

int host_stats_collect(const struct machine *m, struct host_result *r)
{
	uint32_t i;

	for (i = 0; i < m->native.cpu_count; i++) {
		r->cpu_idle_ps += m->native.cpus[i].idle_ps;
		r->events += m->native.cpus[i].events_run;
	}
	return collect_locks(&m->native, r);
}
