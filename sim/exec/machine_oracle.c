/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/machine_oracle.h"

#include "sim/platform/model/platform.h"
#include "sim/vtd_hw.h"

struct machine_oracle *machine_oracle_create(enum oracle_mode mode)
{
	struct machine_oracle *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->run = oracle_run_create(mode);
	if (o->run)
		return o;
	free(o);
	return NULL;
}

void machine_oracle_destroy(struct machine_oracle *o)
{
	uint32_t i;

	if (!o)
		return;
	for (i = 0; i < o->rid_count; i++)
		free(o->by_rid[i]);
	free(o->by_rid);
	free(o->by_domain);
	free(o->cache_count);
	oracle_run_destroy(o->run);
	free(o);
}

/* Makes room for element @last of a zeroed array. */
static bool reach(void **array, uint32_t *count, uint32_t last, size_t size)
{
	char *grown;

	if (last < *count)
		return true;
	grown = realloc(*array, (last + 1UL) * size);
	if (!grown)
		return false;
	memset(grown + *count * size, 0, (last + 1UL - *count) * size);
	*array = grown;
	*count = last + 1;
	return true;
}

static bool add_domain(struct machine_oracle *o, uint32_t domain)
{
	uint32_t count = o->domain_count;

	return reach((void **)&o->cache_count, &count, domain, sizeof(*o->cache_count)) &&
	       reach((void **)&o->by_domain, &o->domain_count, domain, sizeof(struct oracle_device_watch *));
}

int machine_oracle_add_device(struct machine_oracle *o, struct vtd_requester *r, uint32_t domain)
{
	struct oracle_device_watch *w, *other;

	if (!reach((void **)&o->by_rid, &o->rid_count, r->rid, sizeof(struct oracle_device_watch *)) ||
	    !add_domain(o, domain))
		return -ENOMEM;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	o->by_rid[r->rid] = w;
	w->requester = r;
	w->domain = domain;
	w->number = o->device_count++;
	for (other = o->by_domain[domain]; other; other = other->next)
		if (other->requester->hw == r->hw)
			break;
	w->iotlb = other ? other->iotlb : o->cache_count[domain]++;
	w->dev_tlb = r->dev_tlb ? o->cache_count[domain]++ : w->iotlb;
	w->next = o->by_domain[domain];
	o->by_domain[domain] = w;
	r->watch = w;
	return oracle_run_add_cache(o->run, domain, w->iotlb) && oracle_run_add_cache(o->run, domain, w->dev_tlb)
		       ? 0
		       : -ENOMEM;
}

static void stop(struct sim *sim)
{
	sim->engine.error = sim->oracle->run->out_of_memory ? -ENOMEM : -EIO;
	engine_stop(&sim->engine);
}

void machine_oracle_dma(struct sim *sim, const struct vtd_requester *r, uint64_t iova, bool through, uint64_t phys,
			uint64_t time_ps)
{
	struct oracle_run *run = sim->oracle->run;
	const struct oracle_device_watch *w = r->watch;

	/* The first violation is the one that counts. */
	if (!w || run->violation[0] || !oracle_watches(run, iova >> PAGE_SHIFT))
		return;
	if (!oracle_run_dma(run, w->domain, iova, w->number, through, phys, time_ps))
		stop(sim);
}

static const struct oracle_device_watch *watch_of(const struct machine_oracle *o, uint16_t rid)
{
	return rid < o->rid_count ? o->by_rid[rid] : NULL;
}

static uint32_t cpu_number(const struct vcpu *c)
{
	return (uint32_t)(c - c->sim->cpus);
}

void machine_oracle_map(uint16_t rid, uint64_t iova, const uint64_t *phys, uint64_t paddr, uint64_t pages)
{
	struct vcpu *c = this_vcpu();
	struct machine_oracle *o = c->sim->oracle;
	const struct oracle_device_watch *w = watch_of(o, rid);
	uint64_t i;

	for (i = 0; w && i < pages; i++)
		if (!oracle_run_mapped(o->run, w->domain, iova + i * PAGE_SIZE,
				       phys ? phys[i] : paddr + i * PAGE_SIZE, cpu_number(c), c->proc.now_ps))
			stop(c->sim);
}

/* Asks the hardware of each of the domain's devices. */
static void probe(struct vcpu *c, struct oracle_entry *e)
{
	struct machine_oracle *o = c->sim->oracle;
	const struct oracle_device_watch *w;

	for (w = o->by_domain[e->domain]; w && !o->run->violation[0]; w = w->next) {
		if (!vtd_would_translate(w->requester, e->pfn << PAGE_SHIFT))
			continue;
		oracle_run_would_translate(o->run, e, w->number, c->proc.now_ps);
		stop(c->sim);
	}
}

void machine_oracle_unmap(uint16_t rid, uint64_t iova, uint64_t pages, enum oracle_unmap stage)
{
	struct vcpu *c = this_vcpu();
	struct machine_oracle *o = c->sim->oracle;
	const struct oracle_device_watch *w = watch_of(o, rid);
	uint64_t i;

	for (i = 0; w && i < pages; i++) {
		struct oracle_entry *e = oracle_run_unmap(o->run, w->domain, iova + i * PAGE_SIZE, stage,
							  cpu_number(c), c->proc.now_ps);

		if (e && stage == ORACLE_STRICT)
			probe(c, e);
	}
	if (o->run->out_of_memory)
		stop(c->sim);
}

void machine_oracle_iotlb_invalidated(struct vtd_hw *hw, int did, uint64_t pfn, unsigned int order,
				      uint64_t time_ps)
{
	struct oracle_run *run = hw->sim->oracle->run;
	const struct vtd_requester *r;

	for (r = hw->requesters; r; r = r->next) {
		const struct oracle_device_watch *w = r->watch, *other;

		if (!w || (did >= 0 && vtd_domain_id(r) != did))
			continue;
		/* Once for each domain: by its device that was added last. */
		for (other = hw->sim->oracle->by_domain[w->domain]; other->requester->hw != hw;)
			other = other->next;
		if (other == w)
			oracle_run_invalidated(run, w->domain, w->iotlb, pfn, order, ORACLE_IOTLB_INVALIDATED,
					       hw->number, time_ps);
	}
}

void machine_oracle_dev_tlb_invalidated(const struct vtd_requester *r, uint64_t pfn, unsigned int order,
					uint64_t time_ps)
{
	const struct oracle_device_watch *w = r->watch;

	if (w)
		oracle_run_invalidated(r->hw->sim->oracle->run, w->domain, w->dev_tlb, pfn, order,
				       ORACLE_DEV_TLB_INVALIDATED, w->number, time_ps);
}
