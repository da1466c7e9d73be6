/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/race.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/exec/machine_virtual.h"
#include "sim/iommu.h"
#include "sim/topology.h"

#define IOTLB_ENTRIES 8
/* Pages lie 2 MiB apart, each with a table of its own; page i is at physical (i + 1) MiB. */
#define PAGE_IOVA(page) (((uint64_t)(page) + 1) << 21)
#define PAGE_PHYS(page) ((1ULL << 40) + (((uint64_t)(page) + 1) << 20))

/* What schedules change of the host's own memory. */
struct race_state {
	struct oracle oracle;
	uint64_t iova[ORACLE_MAX_PAGES];		   /* of the DMA API */
	uint32_t awaited[RACE_MAX_PROGRAMS][RACE_MAX_OPS]; /* 1: done */
	bool refused;
};

struct program {
	struct race *race;
	uint32_t number;
};

struct race {
	const struct race_scenario *s;
	struct topology topology;
	struct machine *machine;
	struct explore *explore;
	struct intel_iommu *iommu[RACE_MAX_UNITS];
	struct device *device[ORACLE_MAX_DEVICES];
	struct vtd_requester requester[ORACLE_MAX_DEVICES];
	struct dmar_domain *domain;
	struct program programs[RACE_MAX_PROGRAMS];
	struct race_state state;
	int ret; /* of the setup */
};

/* ---- calls ---- */

static uint32_t page_place(struct race *r, uint32_t page)
{
	return explore_location(r->explore, (uintptr_t)&r->state.oracle.pages[page]);
}

static uint32_t device_place(struct race *r, uint32_t device)
{
	return explore_location(r->explore, (uintptr_t)&r->state.oracle.devices[device]);
}

static int do_attach(struct race *r, uint32_t d)
{
	int ret;

	explore_say(r->explore, "attach %u", d);
	oracle_device_begins(&r->state.oracle, d);
	explore_note(r->explore, device_place(r, d), ACCESS_STORE);
	ret = intel_iommu_attach_device(r->domain, r->device[d]);
	explore_touch(r->explore, device_place(r, d), ACCESS_STORE);
	oracle_device_ends(&r->state.oracle, d, ret ? PROMISE_NO : PROMISE_YES);
	explore_say(r->explore, "attach %u returns %d", d, ret);
	r->state.refused |= ret == -EINVAL;
	return ret;
}

static int do_detach(struct race *r, uint32_t d)
{
	explore_say(r->explore, "detach %u", d);
	oracle_device_begins(&r->state.oracle, d);
	explore_note(r->explore, device_place(r, d), ACCESS_STORE);
	device_block_translation(r->device[d]);
	explore_touch(r->explore, device_place(r, d), ACCESS_STORE);
	oracle_device_ends(&r->state.oracle, d, PROMISE_NO);
	explore_say(r->explore, "detach %u returns", d);
	return 0;
}

static uint64_t iova_of(const struct race *r, uint32_t page)
{
	return r->state.iova[page] ? r->state.iova[page] : PAGE_IOVA(page);
}

/* Of a page's history. */
#define say_of_page(r, page, ...) \
	explore_say_of((r)->explore, iova_of(r, page), iova_of(r, page) + PAGE_SIZE - 1, __VA_ARGS__)

static void page_begins(struct race *r, const char *what, uint32_t page)
{
	say_of_page(r, page, "%s %c", what, (char)('a' + page));
	oracle_page_begins(&r->state.oracle, page);
	explore_note(r->explore, page_place(r, page), ACCESS_STORE);
}

static int page_ends(struct race *r, const char *what, uint32_t page, int ret, enum promise state, uint64_t iova)
{
	explore_touch(r->explore, page_place(r, page), ACCESS_STORE);
	oracle_page_ends(&r->state.oracle, page, state, iova, PAGE_PHYS(page));
	say_of_page(r, page, "%s %c returns %d", what, (char)('a' + page), ret);
	return ret;
}

static int do_map(struct race *r, uint32_t page)
{
	int ret;

	page_begins(r, "map", page);
	ret = iommu_map(r->domain, PAGE_IOVA(page), PAGE_PHYS(page), PAGE_SIZE, DMA_PTE_READ | DMA_PTE_WRITE);
	return page_ends(r, "map", page, ret, ret ? PROMISE_NO : PROMISE_YES, PAGE_IOVA(page));
}

static int do_unmap(struct race *r, uint32_t page, bool table_too)
{
	uint64_t size = table_too ? 1UL << 21 : PAGE_SIZE;

	page_begins(r, "unmap", page);
	iommu_unmap(r->domain, PAGE_IOVA(page), size);
	return page_ends(r, "unmap", page, 0, PROMISE_NO, PAGE_IOVA(page));
}

static int do_dma_map(struct race *r, uint32_t page)
{
	const uint64_t phys = PAGE_PHYS(page);
	uint64_t iova;

	page_begins(r, "dma_map", page);
	iova = dma_map_pages(r->device[0], &phys, 1, DMA_BIDIRECTIONAL);
	r->state.iova[page] = iova;
	return page_ends(r, "dma_map", page, iova ? 0 : -ENOMEM, iova ? PROMISE_YES : PROMISE_NO, iova);
}

static int do_dma_unmap(struct race *r, uint32_t page)
{
	uint64_t iova = r->state.iova[page];

	page_begins(r, "dma_unmap", page);
	dma_unmap_pages(r->device[0], iova, 1);
	/* In lazy mode it may go through for a while yet. */
	return page_ends(r, "dma_unmap", page, 0, r->s->domain.lazy ? PROMISE_CHANGING : PROMISE_NO, iova);
}

static void judge(struct race *r, uint32_t d, uint32_t page, const struct oracle_look *look,
		  enum vtd_fault_reason fault, uint64_t phys)
{
	char name = (char)('a' + page);
	enum oracle_finding finding = oracle_judge(&r->state.oracle, page, d, look, fault == VTD_FAULT_NONE, phys);

	if (finding != ORACLE_FINE)
		explore_blame(r->explore, iova_of(r, page));
	switch (finding) {
	case ORACLE_FINE:
		break;
	case ORACLE_MISSED:
		explore_violation(
			r->explore, "M1",
			"map of %c had returned, and a DMA of device %u to it is blocked (fault reason %d)", name,
			d, fault);
		break;
	case ORACLE_WRONG:
		explore_violation(r->explore, "M1", "a DMA of device %u to %c goes to another page", d, name);
		break;
	case ORACLE_LEAKED:
		explore_violation(r->explore, "M2",
				  "%c is not mapped any more, and a DMA of device %u to it goes through", name, d);
		break;
	}
}

static int do_dma(struct race *r, uint32_t d, uint32_t page, bool real)
{
	const struct vtd_hw *hw = r->requester[d].hw;
	uint64_t time_ps = 0, phys = 0, misses, hits;
	enum vtd_fault_reason fault;
	struct oracle_look look;

	if (real) {
		explore_touch(r->explore, page_place(r, page), ACCESS_LOAD);
		explore_note(r->explore, device_place(r, d), ACCESS_LOAD);
	}
	say_of_page(r, page, "device %u: %s %c", d, real ? "DMA to" : "unit looks up", (char)('a' + page));
	look = oracle_look(&r->state.oracle, page, d);
	misses = hw->iotlb_misses;
	hits = hw->iotlb_hits;
	fault = vtd_translate(&r->requester[d], iova_of(r, page), true, &time_ps, &phys);
	say_of_page(r, page, "device %u: %c %s, %s", d, (char)('a' + page),
		    fault == VTD_FAULT_NONE ? "translated" : "blocked",
		    hw->iotlb_misses != misses ? "by a walk"
		    : hw->iotlb_hits != hits   ? "by the IOTLB"
		    : fault == VTD_FAULT_NONE  ? "by the device's TLB"
					       : "for want of a context entry");
	if (real) {
		explore_note(r->explore, page_place(r, page), ACCESS_LOAD);
		judge(r, d, page, &look, fault, phys);
	}
	return 0;
}

static int do_op(struct race *r, const struct race_op *op)
{
	switch (op->kind) {
	case RACE_ATTACH:
		return do_attach(r, op->device);
	case RACE_DETACH:
		return do_detach(r, op->device);
	case RACE_MAP:
		return do_map(r, op->page);
	case RACE_UNMAP:
		return do_unmap(r, op->page, false);
	case RACE_UNMAP_2M:
		return do_unmap(r, op->page, true);
	case RACE_DMA_MAP:
		return do_dma_map(r, op->page);
	case RACE_DMA_UNMAP:
		return do_dma_unmap(r, op->page);
	case RACE_DMA:
		return do_dma(r, op->device, op->page, true);
	case RACE_LOOK:
		return do_dma(r, op->device, op->page, false);
	case RACE_AWAIT:
		break;
	}
	return 0;
}

static void program_main(void *arg)
{
	struct program *p = arg;
	struct race *r = p->race;
	uint32_t i;

	for (i = 0; i < r->s->op_count[p->number]; i++) {
		const struct race_op *op = &r->s->op[p->number][i];

		if (op->kind == RACE_AWAIT) {
			const uint32_t *flag = &r->state.awaited[op->program][op->count - 1];

			explore_await(r->explore, explore_location(r->explore, (uintptr_t)flag), flag);
		} else {
			do_op(r, op);
		}
		r->state.awaited[p->number][i] = 1;
		explore_note(r->explore, explore_location(r->explore, (uintptr_t)&r->state.awaited[p->number][i]),
			     ACCESS_SIGNAL);
	}
}

/* ---- the machine ---- */

static int create_device(struct race *r, uint32_t d)
{
	const struct race_scenario *s = r->s;
	struct vtd_hw *hw = r->machine->units[s->unit_of[d]];

	r->device[d] = device_create(r->iommu[s->unit_of[d]], d, s->ats);
	if (!r->device[d])
		return -ENOMEM;
	if (vtd_requester_init(&r->requester[d], hw, device_rid(&r->device[d]->info), s->ats))
		return -ENOMEM;
	r->requester[d].ats_enabled = &r->device[d]->info.ats_enabled;
	return 0;
}

static void setup(void *arg)
{
	struct race *r = arg;
	const struct race_scenario *s = r->s;
	uint32_t i;

	for (i = 0; !r->ret && i < s->units; i++) {
		r->iommu[i] = iommu_create(&r->machine->units[i]->mmio, s->cap[i], s->ecap[i], (int)i,
					   s->domain.first_stage);
		r->ret = r->iommu[i] ? 0 : -ENOMEM;
	}
	for (i = 0; !r->ret && i < s->devices; i++)
		r->ret = create_device(r, i);
	if (!r->ret) {
		r->domain = domain_alloc(&s->domain, r->iommu[s->unit_of[0]]);
		r->ret = r->domain ? 0 : -ENOMEM;
	}
	for (i = 0; !r->ret && i < s->devices; i++)
		r->device[i]->group->default_domain = r->domain;
	for (i = 0; !r->ret && i < s->setup_count; i++)
		r->ret = do_op(r, &s->setup[i]);
}

static bool uses_dma_api(const struct race_scenario *s)
{
	uint32_t i, k;

	for (i = 0; i < s->programs; i++)
		for (k = 0; k < s->op_count[i]; k++)
			if (s->op[i][k].kind == RACE_DMA_MAP || s->op[i][k].kind == RACE_DMA_UNMAP)
				return true;
	return false;
}

/*
 * Makes what the DMA API keeps for each CPU: in a schedule it would stay for the next one. Then it sees off the
 * flush queue's timer, so that a schedule arms it anew.
 */
static void touch_dma_api(void *arg)
{
	const struct race *r = arg;
	const uint64_t phys = PAGE_PHYS(ORACLE_MAX_PAGES);
	uint64_t iova = dma_map_pages(r->device[0], &phys, 1, DMA_BIDIRECTIONAL);

	if (iova)
		dma_unmap_pages(r->device[0], iova, 1);
	vcpu_work(2 * IOVA_DEFAULT_FQ_TIMEOUT * 1000000000ULL);
}

static int watch(struct race *r)
{
	uint32_t i;
	int ret = explore_watch(r->explore, &r->state, sizeof(r->state));

	/* They do not change, but refer to objects. */
	if (!ret)
		ret = explore_watch(r->explore, &r->domain, sizeof(r->domain));
	if (!ret)
		ret = explore_watch(r->explore, r->device, sizeof(r->device));
	if (!ret)
		ret = explore_watch(r->explore, r->iommu, sizeof(r->iommu));

	for (i = 0; !ret && i < r->s->units; i++) {
		struct vtd_hw *hw = r->machine->units[i];

		ret = explore_watch(r->explore, hw, sizeof(*hw));
		if (!ret)
			ret = explore_watch(r->explore, hw->iotlb, IOTLB_ENTRIES * sizeof(*hw->iotlb));
	}
	for (i = 0; !ret && i < r->s->devices; i++) {
		ret = explore_watch(r->explore, &r->requester[i], sizeof(r->requester[i]));
		if (!ret && r->requester[i].dev_tlb)
			ret = explore_watch(r->explore, r->requester[i].dev_tlb,
					    64 * sizeof(*r->requester[i].dev_tlb));
	}
	return ret;
}

/*
 * Structures that walkers read: what is not on their pages cannot be behind a write buffer. Two ways out are for
 * the halves of context entries and their like, the others for page tables, by what tells the entries of a small
 * scenario apart.
 */
static bool is_walked(const struct race *r, const void *p, uint32_t *way)
{
	const struct obj_type *type = explore_type_of(r->explore, p);
	uint64_t pa = region_phys(&r->machine->sim.region, p);

	if (type == &page_table_type) {
		*way = 2 + (uint32_t)(pa / sizeof(uint64_t) + pa / PAGE_SIZE) % (VTD_DRAINS - 2);
		return true;
	}
	*way = (uint32_t)(pa / sizeof(uint64_t)) % 2;
	return type && (!strcmp(type->name, "root table") || !strcmp(type->name, "context table") ||
			!strcmp(type->name, "pasid directory") || !strcmp(type->name, "pasid table"));
}

static void on_store(void *arg, const void *p)
{
	struct race *r = arg;
	uint32_t i, way;

	for (i = 0; i < r->s->units; i++)
		if (cap_rwbf(r->s->cap[i]) && is_walked(r, p, &way))
			vtd_store_buffered(r->machine->units[i], (const uint64_t *)((uintptr_t)p & ~7UL), way);
}

static int create_machine(struct race *r)
{
	static const uint32_t pus[RACE_MAX_PROGRAMS] = { 0, 1, 2, 3 };
	const struct vtd_timing no_time = { 0 };
	const struct sim_params params = { .lock = LOCK_QSPINLOCK };
	char err[TOPOLOGY_ERR_SIZE];
	uint32_t i, k;
	int ret = topology_load(&r->topology, "package:1 core:4 pu:1", err, sizeof(err));

	if (ret)
		return ret;
	ret = machine_create(&r->topology, pus, r->s->programs, &params, false, &r->machine);
	if (ret)
		return ret;
	for (i = 0; i < r->s->units; i++)
		if (!machine_add_unit(r->machine, 0, r->s->cap[i], r->s->ecap[i], &no_time, IOTLB_ENTRIES))
			return -ENOMEM;
	ret = explore_create(&r->machine->sim, &r->explore);
	for (i = 0; !ret && i < r->s->units; i++) {
		struct vtd_hw *hw = r->machine->units[i];

		explore_add_hardware(r->explore, &hw->tail_written);
		explore_add_hardware(r->explore, &hw->step);
		for (k = 0; cap_rwbf(r->s->cap[i]) && k < VTD_DRAINS; k++)
			explore_add_hardware(r->explore, &hw->drain[k]);
	}
	return ret;
}

int race_create(const struct race_scenario *s, struct race **out)
{
	struct race *r = calloc(1, sizeof(*r));
	uint32_t i;
	int ret;

	if (!r)
		return -ENOMEM;
	r->s = s;
	ret = create_machine(r);
	if (!ret)
		ret = machine_call(r->machine, 0, setup, r);
	if (!ret)
		ret = r->ret;
	for (i = 0; !ret && uses_dma_api(s) && i < s->programs; i++)
		ret = machine_call(r->machine, i, touch_dma_api, r);
	for (i = 0; !ret && i < s->programs; i++) {
		r->programs[i] = (struct program){ r, i };
		explore_set_program(r->explore, i, program_main, &r->programs[i]);
	}
	if (!ret) {
		explore_on_store(r->explore, on_store, r);
		ret = watch(r);
	}
	if (!ret)
		ret = explore_snapshot(r->explore);
	if (ret) {
		race_destroy(r);
		return ret;
	}
	*out = r;
	return 0;
}

/* What a domain keeps is not all in simulated memory. */
static void teardown(void *arg)
{
	struct race *r = arg;
	uint32_t i;

	for (i = 0; i < r->s->devices; i++)
		if (r->device[i])
			device_block_translation(r->device[i]);
	domain_free(r->domain);
}

void race_destroy(struct race *r)
{
	uint32_t i;

	explore_destroy(r->explore);
	r->explore = NULL;
	if (r->domain)
		machine_call(r->machine, 0, teardown, r);
	for (i = 0; i < r->s->devices; i++)
		vtd_requester_destroy(&r->requester[i]);
	machine_destroy(r->machine);
	topology_destroy(&r->topology);
	free(r);
}

struct explore *race_explorer(struct race *r)
{
	return r->explore;
}

bool race_refused(const struct race *r)
{
	return r->state.refused;
}

uint32_t race_field_size(const struct race *r, const void *p)
{
	uint32_t offset = 0, i;
	const struct obj_type *type = p ? explore_object_of(r->explore, p, &offset) : NULL;

	for (i = 0; type && i < type->field_count; i++)
		if (offset == type->fields[i].offset)
			return type->fields[i].size;
	return sizeof(uint64_t);
}

const char *race_pointed_name(const struct race *r, uint64_t value)
{
	const struct obj_type *type = explore_pointed_type(r->explore, (const void *)(uintptr_t)value);

	return type ? type->name : NULL;
}

const char *race_address_name(const struct race *r, const void *p, char *buf, size_t size)
{
	uint32_t offset = 0, i;
	const struct obj_type *type = p ? explore_object_of(r->explore, p, &offset) : NULL;

	if (!type) {
		snprintf(buf, size, "memory");
		return buf;
	}
	for (i = 0; i < type->field_count; i++) {
		if (offset - type->fields[i].offset < type->fields[i].size) {
			snprintf(buf, size, "%s.%s", type->name, type->fields[i].name);
			return buf;
		}
	}
	snprintf(buf, size, "%s+%u", type->name, offset);
	return buf;
}
