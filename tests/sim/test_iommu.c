/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_iommu.c - bringing a unit up, its queue under load, and the structures that hardware reads, bit for bit
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/domain.h"
#include "sim/iommu.h"
#include "sim/rng.h"
#include "tests/sim/vtd_double.h"
#include "tests/sim_test.h"

#define CAP_RWBF (1ULL << 4)
#define CAP_CM (1ULL << 7)
/* 4 and 5 levels, 57 bits, FS5LP, 256 domain ids */
#define CAP (1ULL << 60 | 1ULL << 11 | 1ULL << 10 | 56ULL << 16 | 2)
#define CAP_4LEVEL (1ULL << 10 | 47ULL << 16 | 2)
#define ECAP_SMPWC (1ULL << 48)
#define ECAP_COHERENT 1ULL

#define PGD 0x7654321000ULL /* looked at by nobody here */

OBJ_TYPE_PLAIN(test_info, "device_domain_info");

struct fixture {
	void *sim; /* as sim_test_setup() leaves it */
	struct vtd_double hw;
	struct vtd_log log;
	struct intel_iommu *iommu;
	struct rng rng;
	unsigned int running;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	sim_test_setup(&f->sim);
	rng_seed(&f->rng, 4, 4);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sim_test_teardown(&f->sim);
	free(f);
	return 0;
}

static void create(struct fixture *f, uint64_t cap, uint64_t ecap, bool scalable)
{
	f->log.count = 0;
	vtd_double_init(&f->hw, f->sim, &f->log, 0);
	f->iommu = iommu_create(&f->hw.mmio, cap, ecap, 0, scalable);
	assert_non_null(f->iommu);
}

static uint64_t read64(const struct fixture *f, uint64_t pa)
{
	return *(const uint64_t *)region_virt(&((struct sim *)f->sim)->region, pa);
}

#define RUN(name)                                   \
	static void name(void **state)              \
	{                                           \
		run_on_cpu(0, name##_body, *state); \
	}

/* ---- bringing it up ---- */

static void bring_up_body(void *arg)
{
	struct fixture *f = arg;
	struct sim *sim = f->sim;
	uint64_t before = sim->region.live_objects;

	create(f, CAP, 0, false);
	assert_int_equal(f->hw.gsts, 1U << 31 | 1U << 30 | 1U << 26);
	assert_int_equal(f->iommu->gcmd, 1U << 31 | 1U << 26);
	assert_int_equal(f->hw.rtaddr, virt_to_phys(f->iommu->root_entry));
	assert_int_equal(f->hw.rtaddr & 4095, 0);
	assert_int_equal(f->hw.iqa, virt_to_phys(f->iommu->qi->desc)); /* 256 descriptors of 16 bytes: one page */
	assert_int_equal(f->iommu->qi->free_cnt, 256);
	assert_int_equal(f->iommu->agaw, 3);
	assert_int_equal(f->log.count, 0);
	iommu_destroy(f->iommu);
	assert_int_equal(sim->region.live_objects, before);

	create(f, CAP_4LEVEL, 0, true);
	assert_int_equal(f->hw.rtaddr, virt_to_phys(f->iommu->root_entry) | 1 << 10);
	assert_int_equal(f->hw.iqa, virt_to_phys(f->iommu->qi->desc) | 1 << 11 | 1); /* 32 bytes each: two pages */
	assert_int_equal(f->iommu->agaw, 2);
	iommu_destroy(f->iommu);

	/* No width that tables can have. */
	vtd_double_init(&f->hw, f->sim, &f->log, 0);
	assert_null(iommu_create(&f->hw.mmio, 2, 0, 0, false));
	assert_int_equal(f->hw.gcmd_writes, 0);
	iommu_destroy(NULL);
}

RUN(bring_up)

/* Ids come lowest first, never twice, never beyond CAP.ND. */
static void domain_ids_body(void *arg)
{
	struct fixture *f = arg;
	unsigned int nd, i;

	for (nd = 0; nd < 7; nd++) {
		unsigned int count = 16U << (2 * nd);
		int first, id;

		create(f, (CAP & ~7ULL) | nd, 0, false);
		first = iommu_alloc_domain_id(f->iommu);
		assert_in_range(first, 1, 2);
		for (i = (unsigned int)first + 1; i < count; i++)
			assert_int_equal(iommu_alloc_domain_id(f->iommu), i);
		assert_int_equal(iommu_alloc_domain_id(f->iommu), -ENOSPC);
		iommu_free_domain_id(f->iommu, (uint16_t)(count - 1));
		iommu_free_domain_id(f->iommu, 7);
		assert_int_equal(iommu_alloc_domain_id(f->iommu), 7);
		id = iommu_alloc_domain_id(f->iommu);
		assert_int_equal(id, count - 1);
		assert_int_equal(iommu_alloc_domain_id(f->iommu), -ENOSPC);
		iommu_destroy(f->iommu);
	}
}

RUN(domain_ids)

/* ---- write buffer ---- */

static void write_buffer_body(void *arg)
{
	struct fixture *f = arg;
	const struct vtd_event flush = { .unit = 0, .kind = VTD_EVENT_WBF };
	unsigned int writes;
	uint32_t gsts;

	create(f, CAP, 0, false);
	writes = f->hw.gcmd_writes;
	iommu_flush_write_buffer(f->iommu);
	assert_int_equal(f->hw.gcmd_writes, writes);
	assert_int_equal(this_vcpu()->calls[FN_iommu_flush_write_buffer], 1);

	create(f, CAP | CAP_RWBF, 0, false);
	gsts = f->hw.gsts;
	f->log.count = 0;
	iommu_flush_write_buffer(f->iommu);
	vtd_log_check(&f->log, &flush, 1);
	/* It waited until hardware was done, and turned nothing off. */
	assert_int_equal(f->hw.wbf_reads, 0);
	assert_int_equal(f->hw.gsts, gsts);
	assert_int_equal(this_vcpu()->irq_depth, 0);
	iommu_destroy(f->iommu);
}

RUN(write_buffer)

/* ---- queued invalidation ---- */

static struct qi_desc numbered(unsigned int cpu, unsigned int seq)
{
	/* An IOTLB descriptor that says whose it is: domain id and address. */
	return (struct qi_desc){ .qw0 = (uint64_t)cpu << 16 | 2 << 4 | 2, .qw1 = (uint64_t)seq << 12 };
}

static void check_idle(const struct fixture *f)
{
	const struct q_inval *qi = f->iommu->qi;
	unsigned int i;

	assert_int_equal(qi->free_cnt, QI_LENGTH);
	assert_int_equal(qi->free_head, qi->free_tail);
	for (i = 0; i < QI_LENGTH; i++)
		assert_int_equal(qi->desc_status[i], QI_FREE);
	assert_int_equal(f->hw.head, f->hw.tail);
	assert_int_equal(f->hw.head, (unsigned int)qi->free_head * (f->iommu->scalable_mode ? 32U : 16U));
}

/* Every count of descriptors, several times round the ring; a wait descriptor with a status word ends each. */
static void one_cpu_body(void *arg)
{
	struct fixture *f = arg;
	struct qi_desc desc[QI_LENGTH - 3];
	unsigned int mode, count, i, slot = 0;

	for (mode = 0; mode < 2; mode++) {
		create(f, CAP, 0, mode);
		slot = 0;
		for (count = 1; count <= ARRAY_SIZE(desc); count++) {
			const struct vtd_event *wait = &f->log.events[count];

			for (i = 0; i < count; i++) {
				desc[i] = numbered(count, i);
				desc[i].qw2 = desc[i].qw3 = mode ? 0x1111111111111111ULL * i : 0;
			}
			f->log.count = 0;
			qi_submit_sync(f->iommu, desc, count);
			assert_int_equal(f->log.count, count + 1);
			for (i = 0; i < count; i++)
				assert_memory_equal(f->log.events[i].qw, &desc[i], sizeof(desc[i]));
			/* QI_DONE is 2; the status word is the one of the descriptor's slot. */
			slot = (slot + count) % QI_LENGTH;
			assert_int_equal(wait->kind, VTD_EVENT_WAIT);
			assert_int_equal(wait->qw[0], 2ULL << 32 | 1 << 5 | 5);
			assert_int_equal(wait->qw[1], virt_to_phys(&f->iommu->qi->desc_status[slot]));
			assert_int_equal(wait->qw[2] | wait->qw[3], 0);
			slot = (slot + 1) % QI_LENGTH;
			check_idle(f);
			assert_int_equal(f->iommu->qi->free_head, slot);
		}
		iommu_destroy(f->iommu);
	}
}

RUN(one_cpu)

struct submitter {
	struct fixture *f;
	unsigned int cpu, rounds, max_count;
	unsigned int submitted;
	struct rng rng;
};

static void submitter_body(void *arg)
{
	struct submitter *s = arg;
	struct fixture *f = s->f;
	struct qi_desc desc[QI_LENGTH - 3];
	unsigned int i, k;

	for (i = 0; i < s->rounds; i++) {
		unsigned int count = 1 + (unsigned int)rng_below(&s->rng, s->max_count);

		for (k = 0; k < count; k++)
			desc[k] = numbered(s->cpu, s->submitted++);
		qi_submit_sync(f->iommu, desc, count);
		assert_int_equal(this_vcpu()->irq_depth, 0);
	}
	if (!--f->running)
		engine_stop(this_vcpu()->proc.engine);
}

/* What comes out must be each CPU's descriptors in its order, none lost to somebody who overwrote it. */
struct watcher {
	struct fixture *f;
	unsigned int next[TEST_CPUS];
	unsigned int total, used_max, waits;
};

static void watch(void *arg)
{
	struct watcher *w = arg;
	struct fixture *f = w->f;
	const struct vtd_event *e = &f->log.events[0];
	const struct q_inval *qi = f->iommu->qi;
	unsigned int used = (unsigned int)(QI_LENGTH - qi->free_cnt);

	f->log.count = 0;
	if (used > w->used_max)
		w->used_max = used;
	assert_in_range(qi->free_cnt, 1, QI_LENGTH);
	if (e->kind == VTD_EVENT_WAIT) {
		w->waits++;
		return;
	}
	assert_int_equal(e->qw[1] >> 12, w->next[e->qw[0] >> 16]++);
	w->total++;
}

static void create_body(void *arg)
{
	create(arg, CAP, 0, false);
}

static void destroy_body(void *arg)
{
	struct fixture *f = arg;

	check_idle(f);
	iommu_destroy(f->iommu);
}

static struct watcher run_submitters(struct fixture *f, unsigned int max_count, unsigned int rounds,
				     uint64_t step_ps)
{
	struct sim *sim = f->sim;
	struct watcher w = { .f = f };
	struct submitter s[TEST_CPUS];
	unsigned int i, total = 0;

	run_on_cpu(0, create_body, f);
	f->log.count = 0;
	f->log.hook = watch;
	f->log.arg = &w;
	f->hw.step_ps = step_ps;
	f->running = TEST_CPUS;
	for (i = 0; i < TEST_CPUS; i++) {
		s[i] = (struct submitter){ .f = f, .cpu = i, .rounds = rounds, .max_count = max_count };
		rng_seed(&s[i].rng, 9, i);
		assert_int_equal(sim_start_cpu(sim, i, submitter_body, &s[i]), 0);
	}
	assert_int_equal(engine_run(&sim->engine), 0);
	for (i = 0; i < TEST_CPUS; i++) {
		assert_int_equal(w.next[i], s[i].submitted);
		total += s[i].submitted;
	}
	assert_int_equal(w.total, total);
	assert_int_equal(w.waits, TEST_CPUS * rounds);
	f->log.hook = NULL;
	run_on_cpu(0, destroy_body, f);
	return w;
}

static void many_cpus(void **state)
{
	struct watcher w = run_submitters(*state, 16, 150, 20000);

	assert_true(w.used_max > 40); /* they did meet */
}

/* Eight submissions of up to 120 do not fit: the ring fills up to its last free slot and they wait. */
static void a_full_queue(void **state)
{
	struct watcher w = run_submitters(*state, 120, 40, 20000);

	assert_true(w.used_max > 200 && w.used_max < QI_LENGTH);
}

/* The largest submission, from all at once: one at a time. */
static void largest_submissions(void **state)
{
	struct watcher w = run_submitters(*state, QI_LENGTH - 3, 12, 1000);

	assert_true(w.used_max <= QI_LENGTH - 1);
}

/* A CPU that waits for another's submission gets the lock in between: nobody waits for a whole invalidation. */
static void polls_drop_the_lock(void **state)
{
	struct fixture *f = *state;
	struct sim *sim = f->sim;
	const struct lock_stat *ls = NULL;
	uint32_t i;

	run_submitters(f, 16, 50, 1000000);
	for (i = 1; i < sim->lock_count; i++)
		if (!strcmp(sim->locks[i].name, "q_lock"))
			ls = &sim->locks[i];
	assert_non_null(ls);
	/* Up to 17 descriptors of 1 us are waited for; held it is for the filling and a few register accesses. */
	assert_true(ls->hold_max_ps < 3000000);
	assert_true(ls->acquisitions > 3ULL * TEST_CPUS * 50);
}

/* ---- context entries ---- */

/* In shared memory, as a device's is: accesses to it are charged. */
static struct device_domain_info *new_info(void)
{
	return shared_alloc(&test_info_type, sizeof(struct device_domain_info));
}

static void make_info(struct device_domain_info *info, struct fixture *f, uint8_t bus, uint8_t devfn, bool ats)
{
	*info = (struct device_domain_info){ .bus = bus, .devfn = devfn, .iommu = f->iommu, .ats_supported = ats };
}

/* Context-cache (6.5.2.1) and IOTLB (6.5.2.3) descriptors of an entry's install and of its removal */
static struct vtd_event context_desc(uint16_t did, uint16_t rid)
{
	return (struct vtd_event){ 0, VTD_EVENT_DESC, { (uint64_t)rid << 32 | (uint64_t)did << 16 | 3 << 4 | 1 } };
}

static struct vtd_event domain_desc(uint16_t did)
{
	return (struct vtd_event){ 0, VTD_EVENT_DESC, { (uint64_t)did << 16 | 2 << 4 | 2 } };
}

/* PASID-cache (6.5.2.2) and PASID-based IOTLB (6.5.2.4) */
static struct vtd_event pasid_desc(uint16_t did)
{
	return (struct vtd_event){ 0, VTD_EVENT_DESC, { (uint64_t)did << 16 | 1 << 4 | 7 } };
}

static struct vtd_event pasid_iotlb_desc(uint16_t did)
{
	return (struct vtd_event){ 0, VTD_EVENT_DESC, { (uint64_t)did << 16 | 2 << 4 | 6 } };
}

static void check_pair(struct fixture *f, struct vtd_event first, struct vtd_event second)
{
	const struct vtd_event wait = { .unit = 0, .kind = VTD_EVENT_WAIT };
	const struct vtd_event expected[] = { first, wait, second, wait };

	vtd_log_check(&f->log, expected, 4);
}

static uint64_t legacy_entry(const struct fixture *f, uint8_t bus, uint8_t devfn)
{
	uint64_t root = read64(f, f->hw.rtaddr + bus * 16UL);

	assert_int_equal(read64(f, f->hw.rtaddr + bus * 16UL + 8), 0);
	assert_int_equal(root & 4095, 1);
	return (root & ~4095ULL) + devfn * 16UL;
}

static void legacy_entries_body(void *arg)
{
	const struct vtd_event wbf = { .unit = 0, .kind = VTD_EVENT_WBF };
	struct fixture *f = arg;
	struct device_domain_info *info = new_info();
	uint64_t entry;

	create(f, CAP | CAP_CM | CAP_RWBF, 0, false);
	make_info(info, f, 0x5a, 0xf9, false);
	f->log.count = 0;
	assert_int_equal(iommu_set_context(f->iommu, info, PGD, 2, 0x12, 0, false), 0);
	entry = legacy_entry(f, 0x5a, 0xf9);
	assert_int_equal(read64(f, entry), 0x7654321001);
	assert_int_equal(read64(f, entry + 8), 0x1202);
	check_pair(f, context_desc(0, 0x5af9), domain_desc(0x12));
	/* The next device on the bus shares the table. */
	make_info(info, f, 0x5a, 0x00, true);
	assert_int_equal(iommu_set_context(f->iommu, info, PGD + 4096, 3, 0xff, 1, false), 0);
	assert_int_equal(legacy_entry(f, 0x5a, 0), entry - 0xf90);
	assert_int_equal(read64(f, entry - 0xf90), 0x7654322005);
	assert_int_equal(read64(f, entry - 0xf90 + 8), 0xff03);
	check_pair(f, context_desc(0, 0x5a00), domain_desc(0xff));

	/* Pass-through: no tables. */
	make_info(info, f, 0x00, 0x08, false);
	assert_int_equal(iommu_set_context(f->iommu, info, PGD, 3, 1, 2, false), 0);
	assert_int_equal(read64(f, legacy_entry(f, 0, 8)), 9);
	assert_int_equal(read64(f, legacy_entry(f, 0, 8) + 8), 0x103);
	check_pair(f, context_desc(0, 0x0008), domain_desc(1));

	make_info(info, f, 0x5a, 0xf9, false);
	iommu_clear_context(f->iommu, info);
	check_pair(f, context_desc(0x12, 0x5af9), domain_desc(0x12));
	assert_int_equal(read64(f, entry) | read64(f, entry + 8), 0);
	assert_int_equal(read64(f, entry - 0xf90), 0x7654322005);
	/* A bus on which there is nothing */
	make_info(info, f, 0x33, 0, false);
	iommu_clear_context(f->iommu, info);
	assert_int_equal(f->log.count, 0);
	iommu_destroy(f->iommu);

	/* Without caching mode the install only flushes the write buffer, if there is one. */
	create(f, CAP | CAP_RWBF, 0, false);
	make_info(info, f, 1, 1, false);
	assert_int_equal(iommu_set_context(f->iommu, info, PGD, 2, 5, 0, false), 0);
	vtd_log_check(&f->log, &wbf, 1);
	iommu_destroy(f->iommu);
	create(f, CAP, 0, false);
	make_info(info, f, 1, 1, false);
	assert_int_equal(iommu_set_context(f->iommu, info, PGD, 2, 5, 0, false), 0);
	vtd_log_check(&f->log, NULL, 0);
	iommu_clear_context(f->iommu, info);
	check_pair(f, context_desc(5, 0x0101), domain_desc(5));
	iommu_destroy(f->iommu);
}

RUN(legacy_entries)

/* Physical address of the device's entry for PASID 0; checks what is on the way. */
static uint64_t pasid_entry_of(const struct fixture *f, const struct device_domain_info *info)
{
	uint64_t half = read64(f, (f->hw.rtaddr & ~4095ULL) + info->bus * 16UL + (info->devfn < 0x80 ? 0 : 8));
	uint64_t context, dir;

	assert_int_equal(half & 4095, 1);
	context = (half & ~4095ULL) + (info->devfn % 128) * 32UL;
	/* P, and DTE for ATS; a directory of 128 entries; RID_PASID 0 */
	assert_int_equal(read64(f, context) & 4095, info->ats_supported ? 5 : 1);
	assert_int_equal(read64(f, context + 8) | read64(f, context + 16) | read64(f, context + 24), 0);
	dir = read64(f, context) & ~4095ULL;
	assert_int_equal(read64(f, dir) & 4095, 1);
	assert_int_equal(read64(f, dir + 8), 0);
	return read64(f, dir) & ~4095ULL;
}

static void check_pasid_entry(const struct fixture *f, const struct device_domain_info *info, uint64_t val0,
			      uint64_t val1, uint64_t val2)
{
	const uint64_t expected[8] = { val0, val1, val2 };
	uint64_t entry = pasid_entry_of(f, info);
	unsigned int i;

	for (i = 0; i < 8; i++)
		if (read64(f, entry + 8 * i) != expected[i])
			fail_msg("val[%u]: %#lx expected, got %#lx", i, expected[i], read64(f, entry + 8 * i));
}

static void scalable_entries_body(void *arg)
{
	struct fixture *f = arg;
	struct device_domain_info *info = new_info(), *high = new_info();
	uint64_t entry;

	create(f, CAP, 0, true);
	f->log.count = 0;
	make_info(info, f, 0x21, 0x7f, true);
	assert_int_equal(iommu_set_context(f->iommu, info, PGD, 3, 0x34, 0, true), 0);
	/* P, AW 3, first stage; domain id; five levels */
	check_pasid_entry(f, info, 0x4d, 0x34, 0x7654321004);
	vtd_log_check(&f->log, NULL, 0);
	make_info(high, f, 0x21, 0x80, false);
	assert_int_equal(iommu_set_context(f->iommu, high, PGD, 2, 0x35, 0, false), 0);
	/* P, AW 2, second stage */
	check_pasid_entry(f, high, 0x7654321089, 0x35, 0);
	check_pasid_entry(f, info, 0x4d, 0x34, 0x7654321004);

	/* What is removed is gone, all of it; the tables stay the device's. */
	f->log.count = 0;
	entry = pasid_entry_of(f, info);
	iommu_clear_context(f->iommu, info);
	check_pasid_entry(f, info, 0, 0, 0);
	check_pair(f, pasid_desc(0x34), pasid_iotlb_desc(0x34));
	iommu_clear_context(f->iommu, high);
	check_pasid_entry(f, high, 0, 0, 0);
	check_pair(f, pasid_desc(0x35), domain_desc(0x35));
	/* Nothing is there any more, so nothing is cached of it. */
	iommu_clear_context(f->iommu, high);
	vtd_log_check(&f->log, NULL, 0);

	assert_int_equal(iommu_set_context(f->iommu, info, PGD, 2, 0x36, 0, false), 0);
	assert_int_equal(pasid_entry_of(f, info), entry);
	check_pasid_entry(f, info, 0x7654321089, 0x36, 0);
	iommu_clear_context(f->iommu, info);
	f->log.count = 0;

	assert_int_equal(iommu_set_context(f->iommu, info, 0, 3, 1, 2, false), 0);
	check_pasid_entry(f, info, 0x10d, 1, 0); /* P, AW 3, pass-through */
	iommu_clear_context(f->iommu, info);
	check_pair(f, pasid_desc(1), pasid_iotlb_desc(1));
	iommu_destroy(f->iommu);

	/* Four levels, and walks that snoop. */
	create(f, CAP_4LEVEL, ECAP_SMPWC, true);
	make_info(info, f, 0, 0, false);
	assert_int_equal(iommu_set_context(f->iommu, info, PGD, 2, 0xffff, 0, true), 0);
	check_pasid_entry(f, info, 0x49, 0x80ffff, 0x7654321000);
	iommu_destroy(f->iommu);
}

RUN(scalable_entries)

/* Caching mode: an entry that was not present may be cached (6.1), whichever stage it is for. */
static void scalable_caching_mode_body(void *arg)
{
	const struct vtd_event wbf = { .unit = 0, .kind = VTD_EVENT_WBF };
	struct fixture *f = arg;
	struct device_domain_info *info = new_info();
	bool first_stage;

	for (first_stage = false;; first_stage = true) {
		create(f, CAP | CAP_CM, 0, true);
		make_info(info, f, 2, 2, false);
		f->log.count = 0;
		assert_int_equal(iommu_set_context(f->iommu, info, PGD, 3, 0x77, 0, first_stage), 0);
		check_pair(f, pasid_desc(0x77), pasid_iotlb_desc(0x77));
		iommu_destroy(f->iommu);
		create(f, CAP | CAP_RWBF, 0, true);
		make_info(info, f, 2, 2, false);
		f->log.count = 0;
		assert_int_equal(iommu_set_context(f->iommu, info, PGD, 3, 0x77, 0, first_stage), 0);
		vtd_log_check(&f->log, &wbf, 1);
		iommu_destroy(f->iommu);
		if (first_stage)
			break;
	}
}

RUN(scalable_caching_mode)

/* A handler that invalidates while its CPU waits for its own invalidation would wait for slots: interrupts are off.
 */
struct interrupter {
	struct fixture *f;
	struct irq irq;
	struct actor fire;
	unsigned int served;
};

static void interrupt_handler(struct irq *irq)
{
	struct interrupter *t = container_of(irq, struct interrupter, irq);

	assert_int_equal(t->f->iommu->qi->free_cnt, QI_LENGTH);
	t->served++;
}

static void fire(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct interrupter *t = container_of(actor, struct interrupter, fire);

	(void)arg;
	vcpu_raise_irq(&((struct sim *)t->f->sim)->cpus[0], &t->irq, time_ps);
}

static void interrupts_are_off(void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(((struct sim *)f->sim)->cpus[0].irq_depth, 1);
}

static void interrupt_body(void *arg)
{
	struct interrupter *t = arg;
	struct qi_desc desc = numbered(0, 0);

	create(t->f, CAP, 0, false);
	t->f->hw.step_ps = 1000000;
	engine_post(this_vcpu()->proc.engine, this_vcpu()->proc.now_ps + 900000, &t->fire, 0);
	t->f->log.hook = interrupts_are_off;
	t->f->log.arg = t->f;
	qi_submit_sync(t->f->iommu, &desc, 1);
	assert_int_equal(t->served, 1);
	iommu_destroy(t->f->iommu);
}

static void interrupts_wait(void **state)
{
	struct interrupter t = { .f = *state, .irq = { .handler = interrupt_handler }, .fire = { fire } };

	run_on_cpu(0, interrupt_body, &t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bring_up),
		TEST(domain_ids),
		TEST(write_buffer),
		TEST(one_cpu),
		TEST(many_cpus),
		TEST(a_full_queue),
		TEST(largest_submissions),
		TEST(polls_drop_the_lock),
		TEST(legacy_entries),
		TEST(scalable_entries),
		TEST(scalable_caching_mode),
		TEST(interrupts_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
