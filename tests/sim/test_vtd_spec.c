/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_vtd_spec.c - register decoders, descriptor builders and decoders, reserved bits, levels
 *
 * Expected values are literals worked out by hand from the specification's tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "sim/vtd_spec.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* The capability register of facts F5. */
static void test_reported_cap(void **state)
{
	const uint64_t cap = 0x19ed008c40780c66ULL;

	(void)state;
	assert_int_equal(cap_ndoms(cap), 65536);
	assert_false(cap_afl(cap));
	assert_false(cap_rwbf(cap));
	assert_true(cap_plmr(cap));
	assert_true(cap_phmr(cap));
	assert_false(cap_caching_mode(cap));
	assert_int_equal(cap_sagaw(cap), 0xc); /* 4 and 5 levels */
	assert_int_equal(cap_mgaw(cap), 57);
	assert_true(cap_zlr(cap));
	assert_int_equal(cap_fault_reg_offset(cap), 0x400);
	assert_int_equal(cap_super_page_val(cap), CAP_SSLPS_2M | CAP_SSLPS_1G);
	assert_true(cap_pgsel_inv(cap));
	assert_int_equal(cap_num_fault_regs(cap), 1);
	assert_int_equal(cap_max_amask_val(cap), 45);
	assert_true(cap_write_drain(cap));
	assert_true(cap_read_drain(cap));
	assert_true(cap_fl1gp_support(cap));
	assert_true(cap_pi_support(cap));
	assert_true(cap_fl5lp_support(cap));
	assert_false(cap_ecmds(cap));
	assert_false(cap_esirtps(cap));
	assert_false(cap_esrtps(cap));
}

struct field {
	const char *name;
	uint64_t (*get)(uint64_t reg);
	unsigned int lo;
	unsigned int width;
	unsigned int scale; /* what one unit of the field decodes to */
	unsigned int bias;  /* what zero decodes to */
};

#define GETTER(fn)                             \
	static uint64_t get_##fn(uint64_t reg) \
	{                                      \
		return fn(reg);                \
	}
#define CAP_FIELDS(X)                          \
	X(cap_esrtps, 63, 1, 1, 0)             \
	X(cap_esirtps, 62, 1, 1, 0)            \
	X(cap_ecmds, 61, 1, 1, 0)              \
	X(cap_fl5lp_support, 60, 1, 1, 0)      \
	X(cap_pi_support, 59, 1, 1, 0)         \
	X(cap_fl1gp_support, 56, 1, 1, 0)      \
	X(cap_read_drain, 55, 1, 1, 0)         \
	X(cap_write_drain, 54, 1, 1, 0)        \
	X(cap_max_amask_val, 48, 6, 1, 0)      \
	X(cap_num_fault_regs, 40, 8, 1, 1)     \
	X(cap_pgsel_inv, 39, 1, 1, 0)          \
	X(cap_super_page_val, 34, 4, 1, 0)     \
	X(cap_fault_reg_offset, 24, 10, 16, 0) \
	X(cap_zlr, 22, 1, 1, 0)                \
	X(cap_mgaw, 16, 6, 1, 1)               \
	X(cap_sagaw, 8, 5, 1, 0)               \
	X(cap_caching_mode, 7, 1, 1, 0)        \
	X(cap_phmr, 6, 1, 1, 0)                \
	X(cap_plmr, 5, 1, 1, 0)                \
	X(cap_rwbf, 4, 1, 1, 0)                \
	X(cap_afl, 3, 1, 1, 0)
#define ECAP_FIELDS(X)                        \
	X(ecap_rprivs, 53, 1, 1, 0)           \
	X(ecap_adms, 52, 1, 1, 0)             \
	X(ecap_pms, 51, 1, 1, 0)              \
	X(ecap_rps, 49, 1, 1, 0)              \
	X(ecap_smpwc, 48, 1, 1, 0)            \
	X(ecap_flts, 47, 1, 1, 0)             \
	X(ecap_slts, 46, 1, 1, 0)             \
	X(ecap_slads, 45, 1, 1, 0)            \
	X(ecap_vcs, 44, 1, 1, 0)              \
	X(ecap_smts, 43, 1, 1, 0)             \
	X(ecap_pds, 42, 1, 1, 0)              \
	X(ecap_dit, 41, 1, 1, 0)              \
	X(ecap_pasid, 40, 1, 1, 0)            \
	X(ecap_pss, 35, 5, 1, 0)              \
	X(ecap_eafs, 34, 1, 1, 0)             \
	X(ecap_nwfs, 33, 1, 1, 0)             \
	X(ecap_srs, 31, 1, 1, 0)              \
	X(ecap_ers, 30, 1, 1, 0)              \
	X(ecap_prs, 29, 1, 1, 0)              \
	X(ecap_nest, 26, 1, 1, 0)             \
	X(ecap_mts, 25, 1, 1, 0)              \
	X(ecap_max_handle_mask, 20, 4, 1, 0)  \
	X(ecap_iotlb_offset, 8, 10, 16, 0)    \
	X(ecap_sc_support, 7, 1, 1, 0)        \
	X(ecap_pass_through, 6, 1, 1, 0)      \
	X(ecap_eim_support, 4, 1, 1, 0)       \
	X(ecap_ir_support, 3, 1, 1, 0)        \
	X(ecap_dev_iotlb_support, 2, 1, 1, 0) \
	X(ecap_qis, 1, 1, 1, 0)               \
	X(ecap_coherent, 0, 1, 1, 0)

#define X(fn, lo, width, scale, bias) GETTER(fn)
CAP_FIELDS(X)
ECAP_FIELDS(X)
#undef X

#define X(fn, lo, width, scale, bias) { #fn, get_##fn, lo, width, scale, bias },
static const struct field cap_fields[] = { CAP_FIELDS(X) };
static const struct field ecap_fields[] = { ECAP_FIELDS(X) };
#undef X

/* Each field reads its own bits, all of them, and no others. */
static void check_fields(const struct field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct field *f = &fields[i];
		uint64_t max = (1ULL << f->width) - 1;

		for (unsigned int bit = 0; bit < 64; bit++) {
			bool own = bit >= f->lo && bit < f->lo + f->width;
			uint64_t expect = f->bias + (own ? f->scale * (1ULL << (bit - f->lo)) : 0);

			if (f->get(1ULL << bit) != expect)
				fail_msg("%s: bit %u", f->name, bit);
		}
		if (f->get(max << f->lo) != f->bias + f->scale * max)
			fail_msg("%s: all ones", f->name);
	}
}

static void test_register_fields(void **state)
{
	(void)state;
	check_fields(cap_fields, ARRAY_SIZE(cap_fields));
	check_fields(ecap_fields, ARRAY_SIZE(ecap_fields));
	for (unsigned int nd = 0; nd <= 6; nd++)
		assert_int_equal(cap_ndoms(nd | 0xfffffffffffffff8ULL), 1U << (4 + 2 * nd));
}

static void test_command_bits(void **state)
{
	(void)state;
	assert_int_equal(DMA_GCMD_TE, 0x80000000U);
	assert_int_equal(DMA_GCMD_SRTP, 0x40000000U);
	assert_int_equal(DMA_GCMD_WBF, 0x08000000U);
	assert_int_equal(DMA_GCMD_QIE, 0x04000000U);
	assert_int_equal(DMA_GSTS_WBFS, 0x08000000U);
	/* One-shot commands are those that a status must not be written back with. */
	assert_int_equal(DMA_GSTS_ONE_SHOT_MASK & (DMA_GCMD_SRTP | DMA_GCMD_WBF | DMA_GCMD_SIRTP), 0);
	assert_int_equal(DMA_GSTS_ONE_SHOT_MASK & (DMA_GCMD_TE | DMA_GCMD_QIE | DMA_GCMD_IRE | DMA_GCMD_CFI),
			 DMA_GCMD_TE | DMA_GCMD_QIE | DMA_GCMD_IRE | DMA_GCMD_CFI);
	assert_int_equal(DMA_RTADDR_SMT, 0x400);
	assert_int_equal(DMA_RTADDR_TTM_MASK, 0xc00);
}

static void assert_desc(struct qi_desc d, uint64_t qw0, uint64_t qw1)
{
	struct qi_desc reserved;

	assert_int_equal(d.qw0, qw0);
	assert_int_equal(d.qw1, qw1);
	assert_int_equal(d.qw2, 0);
	assert_int_equal(d.qw3, 0);
	assert_false(qi_desc_reserved(&d, &reserved));
}

static void test_qi_literals(void **state)
{
	const uint64_t drain = 3ULL << 54;

	(void)state;
	assert_desc(qi_desc_context(0x1234, 0x5678, 2, DMA_CCMD_DEVICE_INVL), 0x0002567812340031ULL, 0);
	assert_desc(qi_desc_context(0, 0, 0, DMA_CCMD_GLOBAL_INVL), 0x11, 0);
	assert_desc(qi_desc_iotlb(drain, 0x0102, 0xabcde000, 3, DMA_TLB_PSI_FLUSH), 0x010200f2, 0xabcde003);
	assert_desc(qi_desc_iotlb(0, 0xffff, 0xabcde001, 0, DMA_TLB_PSI_FLUSH), 0xffff0032, 0xabcde040);
	assert_desc(qi_desc_iotlb(1ULL << 54, 7, 0, 0, DMA_TLB_DSI_FLUSH), 0x70062, 0);
	assert_desc(qi_desc_iotlb(1ULL << 55, 0, 0, 0, DMA_TLB_GLOBAL_FLUSH), 0x92, 0);
	assert_desc(qi_desc_dev_iotlb(0x0310, 0x0abc, 16, 0x7000, 0), 0x0ab003100010c003ULL, 0x7000);
	assert_desc(qi_desc_dev_iotlb(0x0310, 0, 32, 0x10000, 1), 0x031000000003ULL, 0x10001);
	assert_desc(qi_desc_dev_iotlb(0x0310, 0, 33, 0x10000, 1), 0x031000000003ULL, 0x10001);
	assert_desc(qi_desc_dev_iotlb(1, 0, 0, 0x10000, 4), 0x100000003ULL, 0x17001);
	assert_desc(qi_desc_dev_iotlb(1, 0, 0, 0, 52), 0x100000003ULL, 0x7ffffffffffff001ULL);
	assert_desc(qi_desc_piotlb(5, 0xabcde, 0x3000, QI_IOTLB_NPAGES_ALL, true), 0x000abcde00050026ULL, 0);
	assert_desc(qi_desc_piotlb(5, 1, 0x7fff5000, 1, true), 0x100050036ULL, 0x7fff5040);
	assert_desc(qi_desc_piotlb(5, 1, 0x7fff5000, 3, false), 0x100050036ULL, 0x7fff4002);
	assert_desc(qi_desc_piotlb(5, 1, 0x7fff5000, 1ULL << 52, true), 0x100050036ULL, 0x74);
	assert_desc(qi_desc_pasid_cache(9, QI_PC_PASID_SEL, 0x12345), 0x0001234500090017ULL, 0);
	assert_desc(qi_desc_dev_iotlb_pasid(0x0310, 0x0abc, 0x12345, 5, 0x40000000, 9), 0x0ab123450310c058ULL,
		    0x400ff800ULL);
	assert_desc(qi_desc_dev_iotlb_pasid(1, 0, 2, 0, 0, 53), 0x200010008ULL, 0x7ffffffffffff800ULL);
	assert_desc(qi_desc_wait(0x123456780ULL, 2, QI_IWD_STATUS_WRITE | QI_IWD_FENCE), 0x200000065ULL,
		    0x123456780ULL);
}

static void round_trip(uint64_t *rng)
{
	uint16_t did = next_random(rng), sid = next_random(rng), pfsid = next_random(rng);
	uint32_t pasid = next_random(rng) & 0xfffff;
	unsigned int order = next_random(rng) % 53, fm = next_random(rng) % 4, qdep = next_random(rng) % 32;
	unsigned int gran = 1 + next_random(rng) % 3;
	uint64_t raw = next_random(rng), cap = next_random(rng);
	uint64_t addr = order == 52 ? 0 : raw & (~0ULL << (12 + order));
	struct qi_desc d, reserved;

	d = qi_desc_context(did, sid, fm, (uint64_t)gran << 61);
	struct qi_context_fields cc = qi_decode_context(&d);

	assert_int_equal(qi_desc_type(d.qw0), 1);
	assert_false(qi_desc_reserved(&d, &reserved));
	assert_true(cc.gran == gran && cc.did == did && cc.sid == sid && cc.fm == fm);

	d = qi_desc_iotlb(cap, did, addr | (raw & 1), order, (uint64_t)gran << 60);
	struct qi_iotlb_fields tlb = qi_decode_iotlb(&d);

	assert_int_equal(qi_desc_type(d.qw0), 2);
	assert_false(qi_desc_reserved(&d, &reserved));
	assert_true(tlb.gran == gran && tlb.did == did && tlb.addr == addr && tlb.am == order);
	assert_true(tlb.ih == (raw & 1) && tlb.dr == (cap >> 55 & 1) && tlb.dw == (cap >> 54 & 1));

	d = qi_desc_dev_iotlb(sid, pfsid, qdep, addr, order);
	struct qi_dev_iotlb_fields dev = qi_decode_dev_iotlb(&d);

	assert_int_equal(qi_desc_type(d.qw0), 3);
	assert_false(qi_desc_reserved(&d, &reserved));
	assert_true(dev.sid == sid && dev.pfsid == pfsid && dev.mip == qdep && dev.addr == addr);
	assert_int_equal(dev.order, order);
	assert_true(!dev.pasid && !dev.global);

	d = qi_desc_dev_iotlb_pasid(sid, pfsid, pasid, qdep, addr, order);
	dev = qi_decode_dev_iotlb_pasid(&d);
	assert_int_equal(qi_desc_type(d.qw0), 8);
	assert_false(qi_desc_reserved(&d, &reserved));
	assert_true(dev.sid == sid && dev.pfsid == pfsid && dev.mip == qdep && dev.addr == addr);
	assert_true(dev.order == order && dev.pasid == pasid && !dev.global);

	uint64_t npages = (1ULL << order) - (order > 1 ? next_random(rng) % (1ULL << (order - 1)) : 0);

	d = qi_desc_piotlb(did, pasid, raw, npages, raw & 1);
	struct qi_piotlb_fields p = qi_decode_piotlb(&d);

	assert_int_equal(qi_desc_type(d.qw0), 6);
	assert_false(qi_desc_reserved(&d, &reserved));
	assert_true(p.gran == 3 && p.did == did && p.pasid == pasid && p.addr == addr);
	assert_true(p.am == order && p.ih == (raw & 1));

	d = qi_desc_pasid_cache(did, gran, pasid);
	struct qi_pasid_cache_fields pc = qi_decode_pasid_cache(&d);

	assert_int_equal(qi_desc_type(d.qw0), 7);
	assert_false(qi_desc_reserved(&d, &reserved));
	assert_true(pc.gran == gran && pc.did == did && pc.pasid == pasid);

	d = qi_desc_wait(raw & ~3ULL, cap, raw & 0xf0);
	struct qi_wait_fields w = qi_decode_wait(&d);

	assert_int_equal(qi_desc_type(d.qw0), 5);
	assert_false(qi_desc_reserved(&d, &reserved));
	assert_true(w.status_addr == (raw & ~3ULL) && w.status_data == (uint32_t)cap && w.flags == (raw & 0xf0));
}

static void test_qi_round_trip(void **state)
{
	uint64_t rng = 1;

	(void)state;
	for (int i = 0; i < 20000; i++)
		round_trip(&rng);
}

/* The bits of the figures in 6.5.2 that belong to a field, bits 11:9 of the type left at 0. */
static const struct {
	uint64_t type;
	uint64_t qw0;
	uint64_t qw1;
} qi_fields[] = {
	{ 1, 0x0003ffffffff0030ULL, 0 },
	{ 2, 0x00000000ffff00f0ULL, 0xfffffffffffff07fULL },
	{ 3, 0xfff0ffff001ff000ULL, 0xfffffffffffff001ULL },
	{ 5, 0xffffffff000000f0ULL, 0xfffffffffffffffcULL },
	{ 6, 0x000fffffffff0030ULL, 0xfffffffffffff07fULL },
	{ 7, 0x000fffffffff0030ULL, 0 },
	{ 8, 0xfffffffffffff1f0ULL, 0xfffffffffffff801ULL },
};

static void test_qi_reserved(void **state)
{
	struct qi_desc d, reserved;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(qi_fields); i++) {
		for (unsigned int bit = 4; bit < 64; bit++) {
			if (bit >= 9 && bit <= 11)
				continue;
			d = (struct qi_desc){ .qw0 = qi_fields[i].type | 1ULL << bit };
			assert_int_equal(qi_desc_reserved(&d, &reserved), !(qi_fields[i].qw0 >> bit & 1));
		}
		for (unsigned int bit = 0; bit < 64; bit++) {
			d = (struct qi_desc){ .qw0 = qi_fields[i].type, .qw1 = 1ULL << bit };
			assert_int_equal(qi_desc_reserved(&d, &reserved), !(qi_fields[i].qw1 >> bit & 1));
			d = (struct qi_desc){ .qw0 = qi_fields[i].type, .qw2 = 1ULL << bit };
			assert_true(qi_desc_reserved(&d, &reserved));
			assert_int_equal(reserved.qw2, 1ULL << bit);
			d = (struct qi_desc){ .qw0 = qi_fields[i].type, .qw3 = 1ULL << bit };
			assert_true(qi_desc_reserved(&d, &reserved));
		}
	}
	/* Types 0 and 9, and a known one with an upper type bit, are not descriptors of DMA remapping. */
	d = (struct qi_desc){ 0 };
	assert_true(qi_desc_reserved(&d, &reserved));
	d.qw0 = 9;
	assert_true(qi_desc_reserved(&d, &reserved));
	d.qw0 = 0x202;
	assert_int_equal(qi_desc_type(d.qw0), 0x12);
	assert_true(qi_desc_reserved(&d, &reserved));
}

static void test_table_entries(void **state)
{
	uint64_t lo = context_entry_lo(0x123456789000ULL, CONTEXT_TT_DEV_IOTLB), hi = context_entry_hi(0xabcd, 2);
	uint64_t val;

	(void)state;
	assert_int_equal(root_entry_val(0x5000), 0x5001);
	assert_int_equal(lo, 0x123456789005ULL);
	assert_int_equal(hi, 0xabcd02);
	assert_int_equal(context_entry_lo(0x1000, CONTEXT_TT_PASS_THROUGH), 0x1009);
	assert_true(context_entry_present(lo) && !context_entry_present(lo & ~1ULL));
	assert_int_equal(context_entry_tt(lo), 1);
	assert_int_equal(context_entry_slptptr(lo), 0x123456789000ULL);
	assert_int_equal(context_entry_agaw(hi), 2);
	assert_int_equal(context_entry_did(hi), 0xabcd);
	assert_int_equal(CONTEXT_ENTRY_LO_RESERVED, 0xff0);
	assert_int_equal(CONTEXT_ENTRY_HI_RESERVED, 0xffffffffff000080ULL);
	assert_int_equal(ROOT_ENTRY_RESERVED, 0xffe);
	/* Every bit is a field's, software's (6:3 of the upper half), or reserved. */
	assert_int_equal(CONTEXT_ENTRY_P | CONTEXT_ENTRY_FPD | CONTEXT_ENTRY_TT_MASK | CONTEXT_ENTRY_SLPTPTR_MASK |
				 CONTEXT_ENTRY_LO_RESERVED,
			 ~0ULL);
	assert_int_equal(CONTEXT_ENTRY_HI_AW_MASK | CONTEXT_ENTRY_HI_DID_MASK | CONTEXT_ENTRY_HI_RESERVED | 0x78,
			 ~0ULL);

	assert_int_equal(sm_context_entry_lo(0x7000, 2, true), 0x7405);
	assert_int_equal(sm_context_entry_lo(0x7000, 0, false), 0x7001);
	assert_int_equal(sm_context_entry_hi(0x1fffff), 0xfffff);
	assert_int_equal(pasid_dir_entry_val(0x8000), 0x8001);

	val = pasid_entry_second_stage(0x9000, 3);
	assert_int_equal(val, 0x908d);
	assert_int_equal(pasid_entry_pgtt(val), PASID_ENTRY_PGTT_SL_ONLY);
	assert_int_equal(pasid_entry_agaw(val), 3);
	assert_int_equal(pasid_entry_slptptr(val), 0x9000);
	val = pasid_entry_first_stage(2);
	assert_int_equal(val, 0x49);
	assert_int_equal(pasid_entry_pgtt(val), PASID_ENTRY_PGTT_FL_ONLY);
	assert_int_equal(pasid_entry_val1(0xabcd, true), 0x80abcd);
	assert_int_equal(pasid_entry_did(pasid_entry_val1(0xabcd, true)), 0xabcd);
	assert_int_equal(pasid_entry_val1(1, false), 1);
	val = pasid_entry_val2(0xa000, 5);
	assert_int_equal(val, 0xa004);
	assert_int_equal(pasid_entry_fspm(val), 1);
	assert_int_equal(pasid_entry_flptptr(val), 0xa000);
	assert_int_equal(pasid_entry_val2(0xa000, 4), 0xa000);
}

static void test_ss_reserved(void **state)
{
	const uint64_t cap2m = 1ULL << 34, cap1g = 3ULL << 34, sc = 1ULL << 7, top = 1ULL << 62;

	(void)state;
	assert_int_equal(ss_pte_reserved_bits(1, false, 0, 0), top | 0x800);
	assert_int_equal(ss_pte_reserved_bits(1, false, 0, sc), top);
	assert_int_equal(ss_pte_reserved_bits(1, true, 0, sc), top); /* bit 7 is ignored */
	assert_int_equal(ss_pte_reserved_bits(2, false, cap1g, sc), top | 0x800);
	assert_int_equal(ss_pte_reserved_bits(2, true, cap2m, sc), top | 0x1ff000);
	assert_int_equal(ss_pte_reserved_bits(2, true, cap2m, 0), top | 0x1ff800);
	assert_int_equal(ss_pte_reserved_bits(2, true, 0, sc), top | 0x1ff080);
	assert_int_equal(ss_pte_reserved_bits(3, true, cap1g, sc), top | 0x3ffff000);
	assert_int_equal(ss_pte_reserved_bits(3, true, cap2m, sc), top | 0x3ffff080);
	assert_int_equal(ss_pte_reserved_bits(3, false, cap1g, sc), top | 0x800);
	assert_int_equal(ss_pte_reserved_bits(4, false, cap1g, sc), top | 0x880);
	assert_int_equal(ss_pte_reserved_bits(4, true, cap1g, sc), top | 0x880);
	assert_int_equal(ss_pte_reserved_bits(5, true, cap1g, sc), top | 0x880);
}

static void test_fs_reserved(void **state)
{
	const uint64_t fs1gp = 1ULL << 56;

	(void)state;
	assert_int_equal(fs_pte_reserved_bits(1, false, 0), 0);
	assert_int_equal(fs_pte_reserved_bits(1, true, 0), 0); /* bit 7 is PAT */
	assert_int_equal(fs_pte_reserved_bits(2, false, 0), 0);
	assert_int_equal(fs_pte_reserved_bits(2, true, 0), 0x1fe000); /* bit 12 is PAT */
	assert_int_equal(fs_pte_reserved_bits(3, false, fs1gp), 0);
	assert_int_equal(fs_pte_reserved_bits(3, true, fs1gp), 0x3fffe000);
	assert_int_equal(fs_pte_reserved_bits(3, true, 0), 0x3fffe080);
	assert_int_equal(fs_pte_reserved_bits(4, false, fs1gp), 0x80);
	assert_int_equal(fs_pte_reserved_bits(5, true, fs1gp), 0x80);
}

static void test_levels(void **state)
{
	(void)state;
	for (int agaw = 1; agaw <= 3; agaw++) {
		assert_int_equal(agaw_to_level(agaw), agaw + 2);
		assert_int_equal(agaw_to_width(agaw), 30 + 9 * agaw);
		assert_int_equal(width_to_agaw(30 + 9 * agaw), agaw);
		assert_int_equal(width_to_agaw(30 + 9 * agaw - 1), agaw);
		assert_int_equal(width_to_agaw(30 + 9 * agaw + 1), agaw + 1);
	}
	assert_int_equal(agaw_to_width(4), 64);
	assert_int_equal(domain_max_pfn(48), 0xfffffffffULL);
	assert_int_equal(domain_max_pfn(57), 0x1fffffffffffULL);
	assert_int_equal(domain_max_pfn(64), 0xfffffffffffffULL);
	assert_int_equal(pfn_level_offset(0x123456789abULL, 1), 0x1ab);
	assert_int_equal(pfn_level_offset(0x123456789abULL, 2), 0x1c4);
	assert_int_equal(pfn_level_offset(0x123456789abULL, 5), 0x012);
	assert_int_equal(level_size(1), 1);
	assert_int_equal(level_size(2), 512);
	assert_int_equal(level_size(3), 262144);
	assert_int_equal(level_mask(2), ~511ULL);
	assert_int_equal(align_to_level(1, 2), 512);
	assert_int_equal(align_to_level(512, 2), 512);
	assert_true(vtd_interrupt_address(0xfee00000) && vtd_interrupt_address(0xfeefffff));
	assert_false(vtd_interrupt_address(0xfedfffff) || vtd_interrupt_address(0xfef00000) ||
		     vtd_interrupt_address(0x1fee00000ULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reported_cap),  cmocka_unit_test(test_register_fields),
		cmocka_unit_test(test_command_bits),  cmocka_unit_test(test_qi_literals),
		cmocka_unit_test(test_qi_round_trip), cmocka_unit_test(test_qi_reserved),
		cmocka_unit_test(test_table_entries), cmocka_unit_test(test_ss_reserved),
		cmocka_unit_test(test_fs_reserved),   cmocka_unit_test(test_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
