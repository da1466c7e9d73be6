/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/scenario.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One CPU number per job: more than this many jobs cannot be placed sensibly. */
#define MAX_JOBS (1U << 20)

static const uint32_t step_instructions[COST_STEP_COUNT] = {
#define X(name, instructions) [COST_##name] = (instructions),
	COST_STEPS(X)
#undef X
};

struct sim_params scenario_sim_params(const struct options *o, uint64_t seed)
{
	struct sim_params p = {
		.coh = {
			.latency_ps = {
				[COH_SMT] = o->smt_ns,
				[COH_L3] = o->local_ns,
				[COH_PACKAGE] = o->cross_l3_ns ? o->cross_l3_ns : o->local_ns,
				[COH_REMOTE] = o->remote_ns,
			},
			.l1_hit_ps = o->l1_hit_ns,
			.atomic_ps = o->atomic_ns,
			.write_occupancy_pct = (uint32_t)o->write_occupancy_pct,
			.dirty_read_occupancy_pct = (uint32_t)o->dirty_read_occupancy_pct,
			.read_occupancy_ps = o->read_occupancy_ns,
			.dirty_read_migrates = o->dirty_read_migrates,
			.request_pct = (uint32_t)o->request_pct,
		},
		.mmio_write_ps = o->mmio_write_ns,
		.mmio_read_ps = o->mmio_read_ns,
		.irq_ps = o->irq_ns,
		.lock = o->lock,
		.seed = seed,
	};
	unsigned int i;

	for (i = 0; i < COST_STEP_COUNT; i++)
		p.step_ps[i] = step_instructions[i] * o->instruction_ps;
	return p;
}

static int replace_text(char **text, const char *with)
{
	char *copy = strdup(with);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

int scenario_use_engine(struct options *o, struct options_error *err)
{
	int ret = 0;

	if (o->engine != ENGINE_NATIVE)
		return 0;
	if (options_given(o, OPTION_machine) && strcmp(o->machine, "host")) {
		snprintf(err->msg, sizeof(err->msg),
			 "%s %s: the native engine runs on this machine: leave it out, or say host",
			 options_origin(o, OPTION_machine), o->machine);
		return -EINVAL;
	}
	ret = replace_text(&o->machine, "host");
	if (!ret && !options_given(o, OPTION_placement))
		ret = replace_text(&o->placement, "cores");
	return ret;
}

static int init_units(struct scenario *s)
{
	const struct options *o = &s->options;
	unsigned int count = options_unit_count(o), i;

	s->unit_cap = calloc(count, sizeof(*s->unit_cap));
	s->unit_ecap = calloc(count, sizeof(*s->unit_ecap));
	if (!s->unit_cap || !s->unit_ecap)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		s->unit_cap[i] = options_unit_cap(o, i);
		s->unit_ecap[i] = options_unit_ecap(o, i);
		/* "IOMMU batching disallowed due to virtualization": one such unit decides for the system. */
		if (cap_caching_mode(s->unit_cap[i]) && o->stage == STAGE_SECOND &&
		    o->invalidation == INVALIDATION_LAZY && o->policy != POLICY_PT)
			s->forced_strict = true;
	}
	s->params.units = count;
	s->params.unit_cap = s->unit_cap;
	s->params.unit_ecap = s->unit_ecap;
	return 0;
}

static int check_placement(struct scenario *s, struct options_error *err)
{
	const struct options *o = &s->options;
	uint64_t jobs = o->devices * o->jobs;
	unsigned int *cpus;
	int ret;

	/* Its threads are no jobs, and it places them itself. */
	if (o->scope == S_MAP)
		return 0;
	if (jobs > MAX_JOBS) {
		snprintf(err->msg, sizeof(err->msg),
			 "--devices %llu with --jobs %llu: %llu jobs in all: at most %u are allowed",
			 (unsigned long long)o->devices, (unsigned long long)o->jobs, (unsigned long long)jobs,
			 MAX_JOBS);
		return -EINVAL;
	}
	if (o->engine == ENGINE_NATIVE && jobs > s->topology.pu_count && !o->oversubscribe) {
		snprintf(err->msg, sizeof(err->msg),
			 "--jobs %llu with --devices %llu: %llu jobs in all, and this machine has %u CPUs: fewer "
			 "--jobs or --devices, or --oversubscribe",
			 (unsigned long long)o->jobs, (unsigned long long)o->devices, (unsigned long long)jobs,
			 s->topology.pu_count);
		return -EINVAL;
	}
	cpus = calloc(jobs, sizeof(*cpus));
	if (!cpus)
		return -ENOMEM;
	ret = topology_place(&s->topology, o->placement, (unsigned int)jobs, cpus, err->msg, sizeof(err->msg));
	free(cpus);
	return ret == -ENOMEM ? ret : ret ? -EINVAL : 0;
}

static uint32_t read_percent(const struct options *o)
{
	switch (o->rw) {
	case RW_RANDREAD:
		return 100;
	case RW_RANDWRITE:
		return 0;
	case RW_RANDRW:
		break;
	}
	return (uint32_t)o->rwmixread;
}

static void fill_params(struct scenario *s)
{
	const struct options *o = &s->options;
	struct host_params *p = &s->params;

	p->topology = &s->topology;
	p->placement = o->placement;
	p->devices = (uint32_t)o->devices;
	p->shared_bridge = o->bridge == BRIDGE_SHARED;
	p->domain = (struct domain_config){
		.policy = o->policy,
		.layout = o->layout,
		.first_stage = o->stage == STAGE_FIRST,
		.lazy = o->invalidation == INVALIDATION_LAZY && !s->forced_strict,
	};
	p->ats = o->ats;
	p->jobs = (uint32_t)o->jobs;
	p->iodepth = (uint32_t)o->iodepth;
	p->queues = (uint32_t)o->queues;
	p->bs = o->bs;
	p->read_pct = read_percent(o);
	p->warmup_ps = o->warmup;
	p->runtime_ps = o->runtime;
	p->submit_ps = o->submit_ns;
	p->complete_ps = o->complete_ns;
	p->bridge_mib_s = o->bridge_mib_s;
	p->nvme = (struct nvme_params){
		.iops = o->device_iops,
		.mib_s = o->device_mib_s,
		.parallelism = (uint32_t)o->device_parallelism,
		.latency_ps = o->device_latency,
		.latency_dist = o->device_latency_dist,
		.pcie_ps = o->pcie_ns,
	};
	p->vtd = (struct vtd_timing){
		.qi_fetch_ps = o->qi_fetch_ns,
		.qi_iotlb_ps = o->qi_iotlb_ns,
		.qi_devtlb_ps = o->qi_devtlb_ns,
		.qi_wait_ps = o->qi_wait_ns,
		.walk_ps = o->walk_ns,
		.write_buffer_ps = o->wbf_ns,
	};
	p->iotlb_entries = (uint32_t)o->iotlb_entries;
	p->lock_stat = o->lock_stat;
	p->sim = scenario_sim_params(o, o->seed);
	/* What is not translated breaks no promise. */
	p->sim.oracle = o->policy == POLICY_PT ? ORACLE_OFF : o->oracle;
}

int scenario_init(struct scenario *s, const struct options *o, struct options_error *err)
{
	int ret;

	memset(s, 0, sizeof(*s));
	ret = options_copy(&s->options, o);
	if (ret)
		return ret;
	ret = topology_load(&s->topology, s->options.machine, err->msg, sizeof(err->msg));
	if (ret)
		return ret == -ENOMEM ? ret : -EINVAL;
	ret = check_placement(s, err);
	if (ret)
		return ret;
	ret = init_units(s);
	if (ret)
		return ret;
	fill_params(s);
	return 0;
}

void scenario_destroy(struct scenario *s)
{
	topology_destroy(&s->topology);
	free(s->unit_cap);
	free(s->unit_ecap);
	options_free(&s->options);
	memset(s, 0, sizeof(*s));
}

struct host_params scenario_params(const struct scenario *s, uint64_t repetition)
{
	struct host_params p = s->params;

	p.sim.seed = s->options.seed + repetition;
	return p;
}
