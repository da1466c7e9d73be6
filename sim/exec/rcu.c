/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rcu.c - RCU on simulated CPUs: an object lives until every section that could have seen it is over
 */
#include <assert.h>

#include "sim/exec/explore.h"
#include "sim/platform/model/platform.h"

/* How often a waiting CPU looks whether the sections are over. */
#define GRACE_POLL_PS 1000000

/* Of the oldest section that a CPU is in; UINT64_MAX when there is none. */
static uint64_t oldest_reader(const struct sim *s)
{
	uint64_t oldest = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < s->cpu_count; i++)
		if (s->cpus[i].rcu_since && s->cpus[i].rcu_since < oldest)
			oldest = s->cpus[i].rcu_since;
	return oldest;
}

void rcu_run_callbacks(struct sim *s)
{
	uint64_t oldest = oldest_reader(s);
	struct rcu_head **link = &s->rcu_callbacks, *head;

	while ((head = *link)) {
		if (head->seq >= oldest) {
			link = &head->next;
			continue;
		}
		*link = head->next;
		if (s->explore)
			explore_free_after_rcu(s->explore, head);
		else
			shared_free(head);
	}
}

/*
 * As long as the sections take, and no longer: how the kernel finds out that they are over, which takes it some
 * milliseconds, is not modelled.
 */
void synchronize_rcu(void)
{
	struct vcpu *c = this_vcpu();
	uint64_t before;

	assert(!c->rcu_nesting);
	smp_mb();
	if (c->explore) {
		explore_synchronize_rcu(c);
		return;
	}
	before = c->sim->rcu_seq;
	while (oldest_reader(c->sim) <= before)
		cpu_work(GRACE_POLL_PS);
	smp_mb();
}

void shared_free_rcu(struct rcu_head *head)
{
	struct sim *s = this_vcpu()->sim;

	if (!head)
		return;
	head->seq = s->rcu_seq;
	head->next = s->rcu_callbacks;
	s->rcu_callbacks = head;
	rcu_run_callbacks(s);
}
