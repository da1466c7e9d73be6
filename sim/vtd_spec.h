/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vtd_spec.h - the VT-d formats: registers, translation structures, invalidation descriptors, paging entries
 *
 * Section numbers are those of "Intel Virtualization Technology for Directed I/O, Architecture Specification",
 * revision 4.1. Names are the kernel's where it has one, else the specification's. Everything here computes on
 * values and touches no memory, so drivers and the hardware model can each load and store in their own way.
 */
#ifndef SIMBENCH_VTD_SPEC_H
#define SIMBENCH_VTD_SPEC_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define BIT_ULL(n) (1ULL << (n))
#define GENMASK_ULL(h, l) ((~0ULL << (l)) & (~0ULL >> (63 - (h))))

/* Bits @hi..@lo of @v, both included, moved down to bit 0; and the way back, with @field cut to its width. */
static inline uint64_t vtd_field_get(uint64_t v, unsigned int hi, unsigned int lo)
{
	return (v & GENMASK_ULL(hi, lo)) >> lo;
}

static inline uint64_t vtd_field_prep(uint64_t field, unsigned int hi, unsigned int lo)
{
	return (field << lo) & GENMASK_ULL(hi, lo);
}

/* Translation always works on 4 KiB pages and tables of 512 entries (3.6, 3.7). */
#define VTD_PAGE_SHIFT 12
#define VTD_PAGE_SIZE (1UL << VTD_PAGE_SHIFT)
#define VTD_PAGE_MASK (~0ULL << VTD_PAGE_SHIFT)
#define VTD_STRIDE_SHIFT 9
#define VTD_STRIDE_MASK (~0ULL << VTD_STRIDE_SHIFT)
#define VTD_PTES_PER_TABLE (1U << VTD_STRIDE_SHIFT)

/* Register offsets (11.4, table of registers) */
#define DMAR_VER_REG 0x00    /* 11.4.1 */
#define DMAR_CAP_REG 0x08    /* 11.4.2 */
#define DMAR_ECAP_REG 0x10   /* 11.4.3 */
#define DMAR_GCMD_REG 0x18   /* 11.4.4.1 */
#define DMAR_GSTS_REG 0x1c   /* 11.4.4.2 */
#define DMAR_RTADDR_REG 0x20 /* 11.4.5 */
#define DMAR_CCMD_REG 0x28   /* 11.4.6.1 */
#define DMAR_FSTS_REG 0x34   /* 11.4.7.1 */
#define DMAR_FECTL_REG 0x38  /* 11.4.7.2 */
#define DMAR_IQH_REG 0x80    /* 11.4.9.1 */
#define DMAR_IQT_REG 0x88    /* 11.4.9.2 */
#define DMAR_IQA_REG 0x90    /* 11.4.9.3 */
#define DMAR_ICS_REG 0x9c    /* 11.4.9.4 */

/* Capability register (11.4.2) */
static inline bool cap_esrtps(uint64_t cap) /* ESRTPS: SRTP invalidates every translation cache */
{
	return vtd_field_get(cap, 63, 63);
}

static inline bool cap_esirtps(uint64_t cap) /* ESIRTPS: the same for interrupt remapping */
{
	return vtd_field_get(cap, 62, 62);
}

static inline bool cap_ecmds(uint64_t cap) /* ECMDS: enhanced command interface */
{
	return vtd_field_get(cap, 61, 61);
}

static inline bool cap_fl5lp_support(uint64_t cap) /* FS5LP: 5-level first-stage paging */
{
	return vtd_field_get(cap, 60, 60);
}

static inline bool cap_pi_support(uint64_t cap) /* PI: posted interrupts */
{
	return vtd_field_get(cap, 59, 59);
}

static inline bool cap_fl1gp_support(uint64_t cap) /* FS1GP: 1 GiB first-stage pages */
{
	return vtd_field_get(cap, 56, 56);
}

static inline bool cap_read_drain(uint64_t cap) /* DRD */
{
	return vtd_field_get(cap, 55, 55);
}

static inline bool cap_write_drain(uint64_t cap) /* DWD */
{
	return vtd_field_get(cap, 54, 54);
}

static inline unsigned int cap_max_amask_val(uint64_t cap) /* MAMV: widest address mask of an IOTLB descriptor */
{
	return vtd_field_get(cap, 53, 48);
}

static inline unsigned int cap_num_fault_regs(uint64_t cap) /* NFR, as a count: 1..256 */
{
	return vtd_field_get(cap, 47, 40) + 1;
}

static inline bool cap_pgsel_inv(uint64_t cap) /* PSI: page-selective IOTLB invalidation */
{
	return vtd_field_get(cap, 39, 39);
}

#define CAP_SSLPS_2M BIT_ULL(0)
#define CAP_SSLPS_1G BIT_ULL(1)

static inline unsigned int cap_super_page_val(uint64_t cap) /* SSLPS: CAP_SSLPS_* of the second stage */
{
	return vtd_field_get(cap, 37, 34);
}

static inline unsigned int cap_fault_reg_offset(uint64_t cap) /* FRO, in bytes */
{
	return vtd_field_get(cap, 33, 24) * 16;
}

static inline bool cap_zlr(uint64_t cap) /* ZLR: zero-length reads of write-only pages go through */
{
	return vtd_field_get(cap, 22, 22);
}

static inline int cap_mgaw(uint64_t cap) /* MGAW, in bits: 1..64 */
{
	return vtd_field_get(cap, 21, 16) + 1;
}

static inline unsigned int cap_sagaw(uint64_t cap) /* SAGAW: bit n set means AGAW n, tables of n + 2 levels */
{
	return vtd_field_get(cap, 12, 8);
}

static inline bool cap_caching_mode(uint64_t cap) /* CM: not-present second-stage entries may be cached (6.1) */
{
	return vtd_field_get(cap, 7, 7);
}

static inline bool cap_phmr(uint64_t cap) /* PHMR: protected high-memory region */
{
	return vtd_field_get(cap, 6, 6);
}

static inline bool cap_plmr(uint64_t cap) /* PLMR: protected low-memory region */
{
	return vtd_field_get(cap, 5, 5);
}

static inline bool cap_rwbf(uint64_t cap) /* RWBF: write buffer must be flushed by software (6.8) */
{
	return vtd_field_get(cap, 4, 4);
}

static inline bool cap_afl(uint64_t cap) /* AFL: advanced fault logging */
{
	return vtd_field_get(cap, 3, 3);
}

static inline unsigned int cap_ndoms(uint64_t cap) /* ND, as a count of domain ids: 16..65536 */
{
	assert(vtd_field_get(cap, 2, 0) != 7);
	return 1U << (4 + 2 * vtd_field_get(cap, 2, 0));
}

/* Extended capability register (11.4.3) */
static inline bool ecap_rprivs(uint64_t ecap) /* RPRIVS: RID_PRIV of the context entry */
{
	return vtd_field_get(ecap, 53, 53);
}

static inline bool ecap_adms(uint64_t ecap) /* ADMS: abort-DMA mode */
{
	return vtd_field_get(ecap, 52, 52);
}

static inline bool ecap_pms(uint64_t ecap) /* PMS: performance monitoring */
{
	return vtd_field_get(ecap, 51, 51);
}

static inline bool ecap_rps(uint64_t ecap) /* RPS: RID_PASID of the context entry */
{
	return vtd_field_get(ecap, 49, 49);
}

static inline bool ecap_smpwc(uint64_t ecap) /* SMPWCS: walks below a PASID entry can be coherent */
{
	return vtd_field_get(ecap, 48, 48);
}

static inline bool ecap_flts(uint64_t ecap) /* FSTS: first-stage translation */
{
	return vtd_field_get(ecap, 47, 47);
}

static inline bool ecap_slts(uint64_t ecap) /* SSTS: second-stage translation in scalable mode */
{
	return vtd_field_get(ecap, 46, 46);
}

static inline bool ecap_slads(uint64_t ecap) /* SSADS: second-stage accessed and dirty bits */
{
	return vtd_field_get(ecap, 45, 45);
}

static inline bool ecap_vcs(uint64_t ecap) /* VCS: virtual commands */
{
	return vtd_field_get(ecap, 44, 44);
}

static inline bool ecap_smts(uint64_t ecap) /* SMTS: scalable mode */
{
	return vtd_field_get(ecap, 43, 43);
}

static inline bool ecap_pds(uint64_t ecap) /* PDS: page-request drain in wait descriptors */
{
	return vtd_field_get(ecap, 42, 42);
}

static inline bool ecap_dit(uint64_t ecap) /* DIT: device-TLB invalidation throttle, the PFSID field */
{
	return vtd_field_get(ecap, 41, 41);
}

static inline bool ecap_pasid(uint64_t ecap) /* PASID */
{
	return vtd_field_get(ecap, 40, 40);
}

static inline unsigned int ecap_pss(uint64_t ecap) /* PSS: PASIDs are PSS + 1 bits wide */
{
	return vtd_field_get(ecap, 39, 35);
}

static inline bool ecap_eafs(uint64_t ecap) /* EAFS: extended-accessed flag */
{
	return vtd_field_get(ecap, 34, 34);
}

static inline bool ecap_nwfs(uint64_t ecap) /* NWFS: no-write flag of translation requests */
{
	return vtd_field_get(ecap, 33, 33);
}

static inline bool ecap_srs(uint64_t ecap) /* SRS: supervisor requests */
{
	return vtd_field_get(ecap, 31, 31);
}

static inline bool ecap_ers(uint64_t ecap) /* ERS: execute requests */
{
	return vtd_field_get(ecap, 30, 30);
}

static inline bool ecap_prs(uint64_t ecap) /* PRS: page requests */
{
	return vtd_field_get(ecap, 29, 29);
}

static inline bool ecap_nest(uint64_t ecap) /* NEST: nested translation */
{
	return vtd_field_get(ecap, 26, 26);
}

static inline bool ecap_mts(uint64_t ecap) /* MTS: memory types in paging entries */
{
	return vtd_field_get(ecap, 25, 25);
}

static inline unsigned int ecap_max_handle_mask(uint64_t ecap) /* MHMV */
{
	return vtd_field_get(ecap, 23, 20);
}

static inline unsigned int ecap_iotlb_offset(uint64_t ecap) /* IRO, in bytes */
{
	return vtd_field_get(ecap, 17, 8) * 16;
}

static inline bool ecap_sc_support(uint64_t ecap) /* SC: the SNP bit of second-stage leaves */
{
	return vtd_field_get(ecap, 7, 7);
}

static inline bool ecap_pass_through(uint64_t ecap) /* PT */
{
	return vtd_field_get(ecap, 6, 6);
}

static inline bool ecap_eim_support(uint64_t ecap) /* EIM: x2APIC destinations */
{
	return vtd_field_get(ecap, 4, 4);
}

static inline bool ecap_ir_support(uint64_t ecap) /* IR: interrupt remapping */
{
	return vtd_field_get(ecap, 3, 3);
}

static inline bool ecap_dev_iotlb_support(uint64_t ecap) /* DT: device TLBs */
{
	return vtd_field_get(ecap, 2, 2);
}

static inline bool ecap_qis(uint64_t ecap) /* QI: queued invalidation */
{
	return vtd_field_get(ecap, 1, 1);
}

static inline bool ecap_coherent(uint64_t ecap) /* C: walks of the legacy structures are coherent */
{
	return vtd_field_get(ecap, 0, 0);
}

/* Global command (11.4.4.1) and global status (11.4.4.2) registers; 32 bits */
#define DMA_GCMD_TE (1U << 31)	  /* translation enable */
#define DMA_GCMD_SRTP (1U << 30)  /* set root table pointer, one-shot */
#define DMA_GCMD_WBF (1U << 27)	  /* write buffer flush, one-shot */
#define DMA_GCMD_QIE (1U << 26)	  /* queued invalidation enable */
#define DMA_GCMD_IRE (1U << 25)	  /* interrupt remapping enable */
#define DMA_GCMD_SIRTP (1U << 24) /* set interrupt remapping table pointer, one-shot */
#define DMA_GCMD_CFI (1U << 23)	  /* compatibility format interrupts */

#define DMA_GSTS_TES (1U << 31)
#define DMA_GSTS_RTPS (1U << 30)
#define DMA_GSTS_WBFS (1U << 27) /* set while a flush is under way */
#define DMA_GSTS_QIES (1U << 26)
#define DMA_GSTS_IRES (1U << 25)
#define DMA_GSTS_IRTPS (1U << 24)
#define DMA_GSTS_CFIS (1U << 23)

/* What a read of GSTS may be written back to GCMD with: all but the one-shot bits (11.4.4.1) */
#define DMA_GSTS_ONE_SHOT_MASK 0x96ffffffU

/* Root table address register (11.4.5) */
#define DMA_RTADDR_RTA_MASK GENMASK_ULL(63, 12)
#define DMA_RTADDR_TTM_MASK GENMASK_ULL(11, 10)
#define DMA_RTADDR_TTM_LEGACY 0ULL
#define DMA_RTADDR_SMT BIT_ULL(10) /* TTM = 01b, scalable mode */
#define DMA_RTADDR_TTM_ABORT (3ULL << 10)

/* Context command register (11.4.6.1), CIRG: the granularities that qi_desc_context() takes */
#define DMA_CCMD_GLOBAL_INVL (1ULL << 61)
#define DMA_CCMD_DOMAIN_INVL (2ULL << 61)
#define DMA_CCMD_DEVICE_INVL (3ULL << 61)

/* IOTLB invalidate register (11.4.6.3), IIRG: the granularities that qi_desc_iotlb() takes */
#define DMA_TLB_GLOBAL_FLUSH (1ULL << 60)
#define DMA_TLB_DSI_FLUSH (2ULL << 60)
#define DMA_TLB_PSI_FLUSH (3ULL << 60)

/* Fault status register (11.4.7.1); 32 bits */
#define DMA_FSTS_PFO (1U << 0) /* primary fault overflow */
#define DMA_FSTS_PPF (1U << 1) /* primary pending fault */
#define DMA_FSTS_IQE (1U << 4) /* invalidation queue error */
#define DMA_FSTS_ICE (1U << 5) /* invalidation completion error */
#define DMA_FSTS_ITE (1U << 6) /* invalidation time-out error */
#define DMA_FSTS_FRI_SHIFT 8   /* fault record index, 8 bits */

/* Invalidation queue head and tail (11.4.9.1, 11.4.9.2): byte offset of a descriptor; address (11.4.9.3) */
#define DMAR_IQ_OFFSET_MASK GENMASK_ULL(18, 4)
#define DMAR_IQ_SHIFT 4 /* of a 128-bit descriptor; one more with 256 bits */
#define DMA_IQA_IQA_MASK GENMASK_ULL(63, 12)
#define DMA_IQA_DW BIT_ULL(11)		  /* 256-bit descriptors */
#define DMA_IQA_QS_MASK GENMASK_ULL(2, 0) /* 2^(QS) pages of queue */

/*
 * Fault reasons (7.1.3, table of fault conditions), with the condition codes. The legacy codes are those of
 * RTADDR.TTM = 00b, the scalable-mode ones those of TTM = 01b.
 */
enum vtd_fault_reason {
	VTD_FAULT_NONE = 0x00,
	VTD_FAULT_ROOT_NOT_PRESENT = 0x01,	  /* LRT.2 */
	VTD_FAULT_CONTEXT_NOT_PRESENT = 0x02,	  /* LCT.2 */
	VTD_FAULT_CONTEXT_INVALID = 0x03,	  /* LCT.4 */
	VTD_FAULT_BEYOND_MGAW = 0x04,		  /* LGN.1 */
	VTD_FAULT_WRITE = 0x05,			  /* LGN.2 */
	VTD_FAULT_READ = 0x06,			  /* LGN.3 */
	VTD_FAULT_SS_ACCESS = 0x07,		  /* LSS.1 */
	VTD_FAULT_ROOT_ACCESS = 0x08,		  /* LRT.1 */
	VTD_FAULT_CONTEXT_ACCESS = 0x09,	  /* LCT.1 */
	VTD_FAULT_ROOT_RESERVED = 0x0a,		  /* LRT.3 */
	VTD_FAULT_CONTEXT_RESERVED = 0x0b,	  /* LCT.3 */
	VTD_FAULT_SS_RESERVED = 0x0c,		  /* LSS.2 */
	VTD_FAULT_CONTEXT_TT_BLOCKS = 0x0d,	  /* LCT.5 */
	VTD_FAULT_INTERRUPT_ADDR = 0x0e,	  /* LGN.4 */
	VTD_FAULT_RTADDR_INVALID = 0x30,	  /* RTA.1 */
	VTD_FAULT_SM_ROOT_ACCESS = 0x38,	  /* SRT.1 */
	VTD_FAULT_SM_ROOT_NOT_PRESENT = 0x39,	  /* SRT.2 */
	VTD_FAULT_SM_ROOT_RESERVED = 0x3a,	  /* SRT.3 */
	VTD_FAULT_SM_CONTEXT_ACCESS = 0x40,	  /* SCT.1 */
	VTD_FAULT_SM_CONTEXT_NOT_PRESENT = 0x41,  /* SCT.2 */
	VTD_FAULT_SM_CONTEXT_RESERVED = 0x42,	  /* SCT.3 */
	VTD_FAULT_SM_CONTEXT_INVALID = 0x43,	  /* SCT.4 */
	VTD_FAULT_SM_CONTEXT_DTE_CLEAR = 0x44,	  /* SCT.5 */
	VTD_FAULT_PASID_DIR_ACCESS = 0x50,	  /* SPD.1 */
	VTD_FAULT_PASID_DIR_NOT_PRESENT = 0x51,	  /* SPD.2 */
	VTD_FAULT_PASID_DIR_RESERVED = 0x52,	  /* SPD.3 */
	VTD_FAULT_PASID_ENTRY_ACCESS = 0x58,	  /* SPT.1 */
	VTD_FAULT_PASID_ENTRY_NOT_PRESENT = 0x59, /* SPT.2 */
	VTD_FAULT_PASID_ENTRY_RESERVED = 0x5a,	  /* SPT.3 */
	VTD_FAULT_PASID_ENTRY_INVALID = 0x5b,	  /* SPT.4 */
	VTD_FAULT_FS_ACCESS = 0x70,		  /* SFS.1 */
	VTD_FAULT_FS_NOT_PRESENT = 0x71,	  /* SFS.2 */
	VTD_FAULT_FS_RESERVED = 0x72,		  /* SFS.3 */
	VTD_FAULT_FSPTPTR_ACCESS = 0x73,	  /* SFS.4 */
	VTD_FAULT_SM_SS_ACCESS = 0x78,		  /* SSS.1 */
	VTD_FAULT_SM_SS_NOT_PRESENT = 0x79,	  /* SSS.2 */
	VTD_FAULT_SM_SS_RESERVED = 0x7a,	  /* SSS.3 */
	VTD_FAULT_SSPTPTR_ACCESS = 0x7b,	  /* SSS.4 */
	VTD_FAULT_SM_NOT_CANONICAL = 0x80,	  /* SGN.1 */
	VTD_FAULT_SM_PRIVILEGE = 0x81,		  /* SGN.2 */
	VTD_FAULT_SM_BEYOND_HAW = 0x83,		  /* SGN.4 */
	VTD_FAULT_SM_BEYOND_MGAW = 0x84,	  /* SGN.5 */
	VTD_FAULT_SM_WRITE = 0x85,		  /* SGN.6 */
	VTD_FAULT_SM_READ = 0x86,		  /* SGN.7 */
	VTD_FAULT_SM_INTERRUPT_ADDR = 0x87,	  /* SGN.8 */
};

/* Addresses FEEx_xxxxh are interrupt requests, not memory (3.15). */
static inline bool vtd_interrupt_address(uint64_t addr)
{
	return addr >> 20 == 0xfee;
}

/* Root entry (9.1); each half of a scalable-mode root entry (9.2) has the same format. */
struct root_entry {
	uint64_t lo;
	uint64_t hi;
};

#define ROOT_ENTRY_NR (VTD_PAGE_SIZE / sizeof(struct root_entry))
#define ROOT_ENTRY_P BIT_ULL(0)
#define ROOT_ENTRY_CTP_MASK GENMASK_ULL(63, 12) /* context table */
#define ROOT_ENTRY_RESERVED GENMASK_ULL(11, 1)

/* A present root entry, or half a scalable-mode one, that points at the context table @ctp. */
static inline uint64_t root_entry_val(uint64_t ctp)
{
	assert(!(ctp & ~ROOT_ENTRY_CTP_MASK));
	return ctp | ROOT_ENTRY_P;
}

/* Context entry of legacy mode (9.3): @lo and @hi are bits 63:0 and 127:64. */
struct context_entry {
	uint64_t lo;
	uint64_t hi;
};

#define CONTEXT_ENTRY_NR (VTD_PAGE_SIZE / sizeof(struct context_entry))
#define CONTEXT_ENTRY_P BIT_ULL(0)
#define CONTEXT_ENTRY_FPD BIT_ULL(1)		       /* fault processing disable */
#define CONTEXT_ENTRY_TT_MASK GENMASK_ULL(3, 2)	       /* CONTEXT_TT_* */
#define CONTEXT_ENTRY_SLPTPTR_MASK GENMASK_ULL(63, 12) /* second-stage tables */
#define CONTEXT_ENTRY_LO_RESERVED GENMASK_ULL(11, 4)
#define CONTEXT_ENTRY_HI_AW_MASK GENMASK_ULL(2, 0) /* AGAW; bits 6:3 are software's */
#define CONTEXT_ENTRY_HI_DID_MASK GENMASK_ULL(23, 8)
#define CONTEXT_ENTRY_HI_RESERVED (BIT_ULL(7) | GENMASK_ULL(63, 24))

#define CONTEXT_TT_MULTI_LEVEL 0  /* untranslated requests only */
#define CONTEXT_TT_DEV_IOTLB 1	  /* and those of a device TLB; needs ECAP.DT */
#define CONTEXT_TT_PASS_THROUGH 2 /* no translation; needs ECAP.PT */

/* A present entry for the tables at @slptptr (4 KiB aligned) with translation type @tt; faults are reported. */
static inline uint64_t context_entry_lo(uint64_t slptptr, unsigned int tt)
{
	assert(!(slptptr & ~CONTEXT_ENTRY_SLPTPTR_MASK) && tt <= CONTEXT_TT_PASS_THROUGH);
	return slptptr | vtd_field_prep(tt, 3, 2) | CONTEXT_ENTRY_P;
}

/* @agaw as agaw_to_level() takes it, @did 16 bits */
static inline uint64_t context_entry_hi(uint16_t did, int agaw)
{
	assert(agaw >= 1 && agaw <= 3);
	return vtd_field_prep(did, 23, 8) | vtd_field_prep(agaw, 2, 0);
}

static inline bool context_entry_present(uint64_t lo)
{
	return lo & CONTEXT_ENTRY_P;
}

static inline unsigned int context_entry_tt(uint64_t lo)
{
	return vtd_field_get(lo, 3, 2);
}

static inline uint64_t context_entry_slptptr(uint64_t lo)
{
	return lo & CONTEXT_ENTRY_SLPTPTR_MASK;
}

static inline int context_entry_agaw(uint64_t hi)
{
	return vtd_field_get(hi, 2, 0);
}

static inline uint16_t context_entry_did(uint64_t hi)
{
	return vtd_field_get(hi, 23, 8);
}

/* Context entry of scalable mode (9.4): 256 bits, of which the upper 128 are reserved */
#define SM_CONTEXT_ENTRY_SIZE 32
#define SM_CONTEXT_P BIT_ULL(0)
#define SM_CONTEXT_FPD BIT_ULL(1)
#define SM_CONTEXT_DTE BIT_ULL(2)    /* device TLB enable */
#define SM_CONTEXT_PASIDE BIT_ULL(3) /* requests with PASID */
#define SM_CONTEXT_PRE BIT_ULL(4)    /* page requests */
#define SM_CONTEXT_LO_RESERVED GENMASK_ULL(8, 5)
#define SM_CONTEXT_PDTS_MASK GENMASK_ULL(11, 9) /* PASID directory of 2^(PDTS + 7) entries */
#define SM_CONTEXT_PASIDDIRPTR_MASK GENMASK_ULL(63, 12)
#define SM_CONTEXT_HI_RID_PASID_MASK GENMASK_ULL(19, 0)
#define SM_CONTEXT_HI_RID_PRIV BIT_ULL(20)
#define SM_CONTEXT_HI_RESERVED GENMASK_ULL(63, 21)

/* A present entry for the PASID directory at @dir (4 KiB aligned) of 2^(@pdts + 7) entries */
static inline uint64_t sm_context_entry_lo(uint64_t dir, unsigned int pdts, bool dte)
{
	assert(!(dir & ~SM_CONTEXT_PASIDDIRPTR_MASK) && pdts <= 7);
	return dir | vtd_field_prep(pdts, 11, 9) | (dte ? SM_CONTEXT_DTE : 0) | SM_CONTEXT_P;
}

static inline uint64_t sm_context_entry_hi(uint32_t rid_pasid)
{
	return vtd_field_prep(rid_pasid, 19, 0);
}

/* PASID directory entry (9.5) */
struct pasid_dir_entry {
	uint64_t val;
};

#define PASID_PDE_SHIFT 6 /* PASIDs of one directory entry, as a power of two */
#define PASID_DIR_P BIT_ULL(0)
#define PASID_DIR_FPD BIT_ULL(1)
#define PASID_DIR_RESERVED GENMASK_ULL(11, 2)
#define PASID_DIR_SMPTBLPTR_MASK GENMASK_ULL(63, 12)

static inline uint64_t pasid_dir_entry_val(uint64_t table)
{
	assert(!(table & ~PASID_DIR_SMPTBLPTR_MASK));
	return table | PASID_DIR_P;
}

/* PASID table entry (9.6): 512 bits; bit n of the specification is bit n % 64 of val[n / 64] */
struct pasid_entry {
	uint64_t val[8];
};

#define PASID_ENTRY_P BIT_ULL(0) /* val[0] */
#define PASID_ENTRY_FPD BIT_ULL(1)
#define PASID_ENTRY_AW_MASK GENMASK_ULL(4, 2) /* AGAW of the second stage */
#define PASID_ENTRY_PGTT_MASK GENMASK_ULL(8, 6)
#define PASID_ENTRY_SSADE BIT_ULL(9) /* second-stage accessed and dirty bits */
#define PASID_ENTRY_SLPTPTR_MASK GENMASK_ULL(63, 12)
#define PASID_ENTRY_0_RESERVED (BIT_ULL(5) | GENMASK_ULL(11, 10))
#define PASID_ENTRY_1_DID_MASK GENMASK_ULL(15, 0) /* val[1] */
#define PASID_ENTRY_1_PWSNP BIT_ULL(23)		  /* walks snoop; needs ECAP.SMPWCS */
#define PASID_ENTRY_1_PGSNP BIT_ULL(24)		  /* pages snoop; needs ECAP.SC */
#define PASID_ENTRY_1_RESERVED (GENMASK_ULL(22, 16) | GENMASK_ULL(31, 27))
#define PASID_ENTRY_2_SRE BIT_ULL(0) /* val[2] */
#define PASID_ENTRY_2_FSPM_MASK GENMASK_ULL(3, 2)
#define PASID_ENTRY_2_WPE BIT_ULL(4)
#define PASID_ENTRY_2_EAFE BIT_ULL(7)
#define PASID_ENTRY_2_FLPTPTR_MASK GENMASK_ULL(63, 12)
#define PASID_ENTRY_2_RESERVED (BIT_ULL(1) | GENMASK_ULL(11, 8))

#define PASID_ENTRY_PGTT_FL_ONLY 1
#define PASID_ENTRY_PGTT_SL_ONLY 2
#define PASID_ENTRY_PGTT_NESTED 3
#define PASID_ENTRY_PGTT_PT 4

#define PASID_ENTRY_FSPM_4LEVEL 0
#define PASID_ENTRY_FSPM_5LEVEL 1 /* needs CAP.FS5LP */

/**
 * pasid_entry_second_stage - val[0] of a present entry for second-stage translation
 * @slptptr: physical address of the top table, 4 KiB aligned
 * @agaw: 1..3
 */
static inline uint64_t pasid_entry_second_stage(uint64_t slptptr, int agaw)
{
	assert(!(slptptr & ~PASID_ENTRY_SLPTPTR_MASK) && agaw >= 1 && agaw <= 3);
	return slptptr | vtd_field_prep(PASID_ENTRY_PGTT_SL_ONLY, 8, 6) | vtd_field_prep(agaw, 4, 2) |
	       PASID_ENTRY_P;
}

/* val[0] of a present entry for first-stage translation; the kernel sets AW here too, hardware ignores it. */
static inline uint64_t pasid_entry_first_stage(int agaw)
{
	return vtd_field_prep(PASID_ENTRY_PGTT_FL_ONLY, 8, 6) | vtd_field_prep(agaw, 4, 2) | PASID_ENTRY_P;
}

/* val[1]: the domain id, and whether walks snoop */
static inline uint64_t pasid_entry_val1(uint16_t did, bool pwsnp)
{
	return did | (pwsnp ? PASID_ENTRY_1_PWSNP : 0);
}

/* val[2] for first-stage tables of @levels (4 or 5) levels at @flptptr, 4 KiB aligned */
static inline uint64_t pasid_entry_val2(uint64_t flptptr, int levels)
{
	assert(!(flptptr & ~PASID_ENTRY_2_FLPTPTR_MASK) && (levels == 4 || levels == 5));
	return flptptr | vtd_field_prep(levels == 5 ? PASID_ENTRY_FSPM_5LEVEL : PASID_ENTRY_FSPM_4LEVEL, 3, 2);
}

static inline unsigned int pasid_entry_pgtt(uint64_t val0)
{
	return vtd_field_get(val0, 8, 6);
}

static inline int pasid_entry_agaw(uint64_t val0)
{
	return vtd_field_get(val0, 4, 2);
}

static inline uint64_t pasid_entry_slptptr(uint64_t val0)
{
	return val0 & PASID_ENTRY_SLPTPTR_MASK;
}

static inline uint16_t pasid_entry_did(uint64_t val1)
{
	return vtd_field_get(val1, 15, 0);
}

static inline unsigned int pasid_entry_fspm(uint64_t val2)
{
	return vtd_field_get(val2, 3, 2);
}

static inline uint64_t pasid_entry_flptptr(uint64_t val2)
{
	return val2 & PASID_ENTRY_2_FLPTPTR_MASK;
}

/*
 * Invalidation descriptors (6.5.2). A queue with IQA.DW = 0 holds only qw0 and qw1 of each: 128 bits. Builders
 * return the value; storing it in shared memory is the caller's business.
 */
struct qi_desc {
	uint64_t qw0;
	uint64_t qw1;
	uint64_t qw2;
	uint64_t qw3;
};

#define QI_CC_TYPE 0x1	    /* 6.5.2.1 */
#define QI_IOTLB_TYPE 0x2   /* 6.5.2.3 */
#define QI_DIOTLB_TYPE 0x3  /* 6.5.2.5 */
#define QI_IEC_TYPE 0x4	    /* 6.5.2.7 */
#define QI_IWD_TYPE 0x5	    /* 6.5.2.8 */
#define QI_EIOTLB_TYPE 0x6  /* 6.5.2.4, 256 bits only */
#define QI_PC_TYPE 0x7	    /* 6.5.2.2, 256 bits only */
#define QI_DEIOTLB_TYPE 0x8 /* 6.5.2.6, 256 bits only */

/* Granularities, as the G field has them */
#define QI_GRAN_GLOBAL 1     /* context cache and IOTLB */
#define QI_GRAN_DOMAIN 2     /* context cache and IOTLB */
#define QI_GRAN_DEVICE 3     /* context cache */
#define QI_GRAN_PAGE 3	     /* IOTLB */
#define QI_GRAN_NONG_PASID 2 /* PASID-based IOTLB: all of a PASID */
#define QI_GRAN_PSI_PASID 3  /* PASID-based IOTLB: pages of a PASID */
#define QI_PC_ALL_PASIDS 0   /* PASID cache: all of a domain */
#define QI_PC_PASID_SEL 1    /* PASID cache: one of a domain */
#define QI_PC_GLOBAL 3	     /* PASID cache */

#define QI_DEV_IOTLB_MAX_INVS 32
#define QI_IOTLB_NPAGES_ALL UINT64_MAX

/* Flags of a wait descriptor (6.5.2.8) */
#define QI_IWD_INTERRUPT BIT_ULL(4)    /* IF */
#define QI_IWD_STATUS_WRITE BIT_ULL(5) /* SW */
#define QI_IWD_FENCE BIT_ULL(6)	       /* FN */
#define QI_IWD_PRQ_DRAIN BIT_ULL(7)    /* PD */

/* The type is 7 bits in two places: 11:9 above 3:0. */
static inline unsigned int qi_desc_type(uint64_t qw0)
{
	return vtd_field_get(qw0, 11, 9) << 4 | vtd_field_get(qw0, 3, 0);
}

/**
 * qi_desc_reserved - the bits of a descriptor that must be zero and are not
 * @desc: the descriptor; a 128-bit one with qw2 and qw3 zero
 * @out: the offending bits of qw0 and qw1 (qw2 and qw3 are reserved in every type)
 *
 * Returns true when there are any, or when the type is unknown: hardware then sets FSTS.IQE (6.5.2.10).
 */
static inline bool qi_desc_reserved(const struct qi_desc *desc, struct qi_desc *out)
{
	uint64_t qw0, qw1;

	switch (qi_desc_type(desc->qw0)) {
	case QI_CC_TYPE:
		qw0 = GENMASK_ULL(8, 6) | GENMASK_ULL(15, 12) | GENMASK_ULL(63, 50);
		qw1 = ~0ULL;
		break;
	case QI_PC_TYPE:
		qw0 = GENMASK_ULL(8, 6) | GENMASK_ULL(15, 12) | GENMASK_ULL(63, 52);
		qw1 = ~0ULL;
		break;
	case QI_IOTLB_TYPE:
		qw0 = BIT_ULL(8) | GENMASK_ULL(15, 12) | GENMASK_ULL(63, 32);
		qw1 = GENMASK_ULL(11, 7);
		break;
	case QI_EIOTLB_TYPE:
		qw0 = GENMASK_ULL(8, 6) | GENMASK_ULL(15, 12) | GENMASK_ULL(63, 52);
		qw1 = GENMASK_ULL(11, 7);
		break;
	case QI_DIOTLB_TYPE:
		qw0 = GENMASK_ULL(8, 4) | GENMASK_ULL(31, 21) | GENMASK_ULL(51, 48);
		qw1 = GENMASK_ULL(11, 1);
		break;
	case QI_DEIOTLB_TYPE:
		qw0 = 0;
		qw1 = GENMASK_ULL(10, 1);
		break;
	case QI_IWD_TYPE:
		qw0 = BIT_ULL(8) | GENMASK_ULL(31, 12);
		qw1 = GENMASK_ULL(1, 0);
		break;
	default:
		*out = *desc;
		return true;
	}
	*out = (struct qi_desc){ desc->qw0 & qw0, desc->qw1 & qw1, desc->qw2, desc->qw3 };
	return out->qw0 | out->qw1 | out->qw2 | out->qw3;
}

/**
 * qi_desc_context - context-cache invalidate descriptor (6.5.2.1; kernel qi_flush_context())
 * @did: domain id
 * @sid: requester id, for DMA_CCMD_DEVICE_INVL
 * @fm: function mask, 0..3
 * @type: DMA_CCMD_{GLOBAL,DOMAIN,DEVICE}_INVL
 */
static inline struct qi_desc qi_desc_context(uint16_t did, uint16_t sid, unsigned int fm, uint64_t type)
{
	struct qi_desc desc = { 0 };

	assert(fm <= 3);
	desc.qw0 = QI_CC_TYPE | vtd_field_prep(vtd_field_get(type, 62, 61), 5, 4) | vtd_field_prep(did, 31, 16) |
		   vtd_field_prep(sid, 47, 32) | vtd_field_prep(fm, 49, 48);
	return desc;
}

struct qi_context_fields {
	unsigned int gran;
	uint16_t did;
	uint16_t sid;
	unsigned int fm;
};

static inline struct qi_context_fields qi_decode_context(const struct qi_desc *desc)
{
	return (struct qi_context_fields){
		.gran = vtd_field_get(desc->qw0, 5, 4),
		.did = vtd_field_get(desc->qw0, 31, 16),
		.sid = vtd_field_get(desc->qw0, 47, 32),
		.fm = vtd_field_get(desc->qw0, 49, 48),
	};
}

/**
 * qi_desc_iotlb - IOTLB invalidate descriptor (6.5.2.3; kernel qi_desc_iotlb())
 * @cap: capability register, for the drain flags
 * @did: domain id
 * @addr: IOVA, aligned to 2^@size_order pages; bit 0 set is the invalidation hint, that only leaves changed
 * @size_order: pages as a power of two, 0..CAP.MAMV
 * @type: DMA_TLB_{GLOBAL,DSI,PSI}_FLUSH
 */
static inline struct qi_desc qi_desc_iotlb(uint64_t cap, uint16_t did, uint64_t addr, unsigned int size_order,
					   uint64_t type)
{
	struct qi_desc desc = { 0 };

	desc.qw0 = QI_IOTLB_TYPE | vtd_field_prep(vtd_field_get(type, 61, 60), 5, 4) |
		   vtd_field_prep(cap_write_drain(cap), 6, 6) | vtd_field_prep(cap_read_drain(cap), 7, 7) |
		   vtd_field_prep(did, 31, 16);
	desc.qw1 = (addr & VTD_PAGE_MASK) | vtd_field_prep(addr & 1, 6, 6) | vtd_field_prep(size_order, 5, 0);
	return desc;
}

struct qi_iotlb_fields {
	unsigned int gran;
	bool dw;
	bool dr;
	uint16_t did;
	uint64_t addr;
	unsigned int am;
	bool ih;
};

static inline struct qi_iotlb_fields qi_decode_iotlb(const struct qi_desc *desc)
{
	return (struct qi_iotlb_fields){
		.gran = vtd_field_get(desc->qw0, 5, 4),
		.dw = vtd_field_get(desc->qw0, 6, 6),
		.dr = vtd_field_get(desc->qw0, 7, 7),
		.did = vtd_field_get(desc->qw0, 31, 16),
		.addr = desc->qw1 & VTD_PAGE_MASK,
		.am = vtd_field_get(desc->qw1, 5, 0),
		.ih = vtd_field_get(desc->qw1, 6, 6),
	};
}

/*
 * How a device TLB's range is encoded (PCIe ATS): with S set, the lowest clear bit from bit 12 up tells the size;
 * the bits below it are ones. @order pages as a power of two, 0..52; 52 is the whole space.
 */
static inline uint64_t qi_dev_iotlb_range(uint64_t addr, unsigned int order)
{
	assert(order <= 52);
	addr &= VTD_PAGE_MASK;
	if (!order)
		return addr;
	addr |= GENMASK_ULL(VTD_PAGE_SHIFT + order - 1, VTD_PAGE_SHIFT);
	return addr & ~BIT_ULL(VTD_PAGE_SHIFT + order - 1);
}

/* The way back: from the descriptor's address bits and its S flag to the order and the range's first byte. */
static inline unsigned int qi_dev_iotlb_order(uint64_t addr, bool s)
{
	uint64_t clear = ~addr >> VTD_PAGE_SHIFT;

	if (!s)
		return 0;
	return clear ? (unsigned int)__builtin_ctzll(clear) + 1 : 52;
}

static inline uint64_t qi_dev_iotlb_base(uint64_t addr, unsigned int order)
{
	return order == 52 ? 0 : addr & (~0ULL << (VTD_PAGE_SHIFT + order));
}

/**
 * qi_desc_dev_iotlb - device-TLB invalidate descriptor (6.5.2.5; kernel qi_desc_dev_iotlb())
 * @sid: requester id
 * @pfsid: requester id of the physical function
 * @qdep: invalidations the device can hold; 32 and more is written as 0, which means 32
 * @addr: IOVA, aligned to 2^@order pages
 * @order: pages as a power of two, 0..52
 */
static inline struct qi_desc qi_desc_dev_iotlb(uint16_t sid, uint16_t pfsid, unsigned int qdep, uint64_t addr,
					       unsigned int order)
{
	struct qi_desc desc = { 0 };

	if (qdep >= QI_DEV_IOTLB_MAX_INVS)
		qdep = 0;
	desc.qw0 = QI_DIOTLB_TYPE | vtd_field_prep(pfsid, 15, 12) | vtd_field_prep(qdep, 20, 16) |
		   vtd_field_prep(sid, 47, 32) | vtd_field_prep(pfsid >> 4, 63, 52);
	desc.qw1 = qi_dev_iotlb_range(addr, order) | vtd_field_prep(order != 0, 0, 0);
	return desc;
}

struct qi_dev_iotlb_fields {
	uint32_t pasid; /* only in the PASID-based descriptor, else 0 */
	uint16_t sid;
	uint16_t pfsid;
	unsigned int mip;
	uint64_t addr; /* first byte of the range */
	unsigned int order;
	bool global; /* GI, only in the PASID-based descriptor */
};

static inline struct qi_dev_iotlb_fields qi_decode_dev_iotlb(const struct qi_desc *desc)
{
	unsigned int order = qi_dev_iotlb_order(desc->qw1, desc->qw1 & BIT_ULL(0));

	return (struct qi_dev_iotlb_fields){
		.sid = vtd_field_get(desc->qw0, 47, 32),
		.pfsid = vtd_field_get(desc->qw0, 15, 12) | vtd_field_get(desc->qw0, 63, 52) << 4,
		.mip = vtd_field_get(desc->qw0, 20, 16),
		.addr = qi_dev_iotlb_base(desc->qw1 & VTD_PAGE_MASK, order),
		.order = order,
	};
}

/**
 * qi_desc_piotlb - PASID-based IOTLB invalidate descriptor (6.5.2.4; kernel qi_desc_piotlb())
 * @did: domain id
 * @pasid: 20 bits
 * @addr: IOVA; rounded down to the range's size
 * @npages: 1..2^52 pages, rounded up to a power of two; QI_IOTLB_NPAGES_ALL for everything of the PASID
 * @ih: invalidation hint, only leaves changed
 */
static inline struct qi_desc qi_desc_piotlb(uint16_t did, uint32_t pasid, uint64_t addr, uint64_t npages, bool ih)
{
	struct qi_desc desc = { 0 };
	unsigned int order, gran = QI_GRAN_NONG_PASID;

	assert(npages && (npages <= 1ULL << 52 || npages == QI_IOTLB_NPAGES_ALL));
	if (npages != QI_IOTLB_NPAGES_ALL) {
		order = npages > 1 ? 64 - (unsigned int)__builtin_clzll(npages - 1) : 0;
		gran = QI_GRAN_PSI_PASID;
		if (order < 64 - VTD_PAGE_SHIFT)
			desc.qw1 = addr & (~0ULL << (VTD_PAGE_SHIFT + order));
		desc.qw1 |= vtd_field_prep(ih, 6, 6) | vtd_field_prep(order, 5, 0);
	}
	desc.qw0 = QI_EIOTLB_TYPE | vtd_field_prep(gran, 5, 4) | vtd_field_prep(did, 31, 16) |
		   vtd_field_prep(pasid, 51, 32);
	return desc;
}

struct qi_piotlb_fields {
	unsigned int gran;
	uint16_t did;
	uint32_t pasid;
	uint64_t addr;
	unsigned int am;
	bool ih;
};

static inline struct qi_piotlb_fields qi_decode_piotlb(const struct qi_desc *desc)
{
	return (struct qi_piotlb_fields){
		.gran = vtd_field_get(desc->qw0, 5, 4),
		.did = vtd_field_get(desc->qw0, 31, 16),
		.pasid = vtd_field_get(desc->qw0, 51, 32),
		.addr = desc->qw1 & VTD_PAGE_MASK,
		.am = vtd_field_get(desc->qw1, 5, 0),
		.ih = vtd_field_get(desc->qw1, 6, 6),
	};
}

/**
 * qi_desc_pasid_cache - PASID-cache invalidate descriptor (6.5.2.2; kernel qi_flush_pasid_cache())
 * @did: domain id
 * @gran: QI_PC_{ALL_PASIDS,PASID_SEL,GLOBAL}
 * @pasid: 20 bits
 */
static inline struct qi_desc qi_desc_pasid_cache(uint16_t did, unsigned int gran, uint32_t pasid)
{
	struct qi_desc desc = { 0 };

	desc.qw0 = QI_PC_TYPE | vtd_field_prep(gran, 5, 4) | vtd_field_prep(did, 31, 16) |
		   vtd_field_prep(pasid, 51, 32);
	return desc;
}

struct qi_pasid_cache_fields {
	unsigned int gran;
	uint16_t did;
	uint32_t pasid;
};

static inline struct qi_pasid_cache_fields qi_decode_pasid_cache(const struct qi_desc *desc)
{
	return (struct qi_pasid_cache_fields){
		.gran = vtd_field_get(desc->qw0, 5, 4),
		.did = vtd_field_get(desc->qw0, 31, 16),
		.pasid = vtd_field_get(desc->qw0, 51, 32),
	};
}

/**
 * qi_desc_dev_iotlb_pasid - PASID-based device-TLB invalidate descriptor (6.5.2.6; kernel
 * qi_desc_dev_iotlb_pasid())
 *
 * Parameters as for qi_desc_dev_iotlb(), and @pasid of 20 bits; only @order above 52 is cut to 52, and @qdep
 * to its 5 bits.
 */
static inline struct qi_desc qi_desc_dev_iotlb_pasid(uint16_t sid, uint16_t pfsid, uint32_t pasid,
						     unsigned int qdep, uint64_t addr, unsigned int order)
{
	struct qi_desc desc = { 0 };

	if (order > 52)
		order = 52;
	desc.qw0 = QI_DEIOTLB_TYPE | vtd_field_prep(qdep, 8, 4) | vtd_field_prep(pfsid, 15, 12) |
		   vtd_field_prep(sid, 31, 16) | vtd_field_prep(pasid, 51, 32) | vtd_field_prep(pfsid >> 4, 63, 52);
	desc.qw1 = qi_dev_iotlb_range(addr, order) | vtd_field_prep(order != 0, 11, 11);
	return desc;
}

static inline struct qi_dev_iotlb_fields qi_decode_dev_iotlb_pasid(const struct qi_desc *desc)
{
	unsigned int order = qi_dev_iotlb_order(desc->qw1, desc->qw1 & BIT_ULL(11));

	return (struct qi_dev_iotlb_fields){
		.pasid = vtd_field_get(desc->qw0, 51, 32),
		.sid = vtd_field_get(desc->qw0, 31, 16),
		.pfsid = vtd_field_get(desc->qw0, 15, 12) | vtd_field_get(desc->qw0, 63, 52) << 4,
		.mip = vtd_field_get(desc->qw0, 8, 4),
		.addr = qi_dev_iotlb_base(desc->qw1 & VTD_PAGE_MASK, order),
		.order = order,
		.global = desc->qw1 & BIT_ULL(0),
	};
}

/**
 * qi_desc_wait - invalidation wait descriptor (6.5.2.8; built in the kernel's qi_submit_sync())
 * @status_addr: physical address that hardware writes @status_data to, 4-byte aligned
 * @status_data: 32 bits
 * @flags: QI_IWD_*
 */
static inline struct qi_desc qi_desc_wait(uint64_t status_addr, uint32_t status_data, uint64_t flags)
{
	struct qi_desc desc = { 0 };

	assert(!(status_addr & 3) && !(flags & ~GENMASK_ULL(7, 4)));
	desc.qw0 = QI_IWD_TYPE | flags | vtd_field_prep(status_data, 63, 32);
	desc.qw1 = status_addr;
	return desc;
}

struct qi_wait_fields {
	uint64_t status_addr;
	uint32_t status_data;
	uint64_t flags; /* QI_IWD_* */
};

static inline struct qi_wait_fields qi_decode_wait(const struct qi_desc *desc)
{
	return (struct qi_wait_fields){
		.status_addr = desc->qw1 & GENMASK_ULL(63, 2),
		.status_data = vtd_field_get(desc->qw0, 63, 32),
		.flags = desc->qw0 & GENMASK_ULL(7, 4),
	};
}

/*
 * Paging entries. The host address width is taken as 52, the widest that the formats hold, so that there are no
 * reserved bits between it and bit 51.
 */
#define VTD_PTE_ADDR_MASK GENMASK_ULL(51, 12)

/* Second-stage paging entries (9.8). An entry is present when it grants something: R or W. */
#define DMA_PTE_READ BIT_ULL(0)		  /* R */
#define DMA_PTE_WRITE BIT_ULL(1)	  /* W */
#define SS_PTE_X BIT_ULL(2)		  /* X, ignored without ECAP.ERS */
#define SS_PTE_EMT_MASK GENMASK_ULL(5, 3) /* EMT, leaves; ignored without ECAP.MTS */
#define SS_PTE_IPAT BIT_ULL(6)		  /* IPAT, leaves; ignored without ECAP.MTS */
#define DMA_PTE_LARGE_PAGE BIT_ULL(7)	  /* PS at levels 2 and 3 */
#define SS_PTE_A BIT_ULL(8)		  /* A, ignored without PASID_ENTRY_SSADE */
#define DMA_SL_PTE_DIRTY BIT_ULL(9)	  /* D, leaves; ignored without PASID_ENTRY_SSADE */
#define DMA_PTE_SNP BIT_ULL(11)		  /* SNP, leaves; needs ECAP.SC */
#define SS_PTE_RESERVED_62 BIT_ULL(62)	  /* once TM; bits 63 and 61:52 are ignored */

/* First-stage paging entries (9.7), as the CPU's */
#define DMA_FL_PTE_PRESENT BIT_ULL(0) /* P */
#define FS_PTE_RW BIT_ULL(1)	      /* R/W; the driver calls it DMA_PTE_WRITE */
#define DMA_FL_PTE_US BIT_ULL(2)      /* U/S: user privilege, which is what requests have */
#define FS_PTE_PWT BIT_ULL(3)	      /* leaves; ignored without ECAP.MTS */
#define FS_PTE_PCD BIT_ULL(4)	      /* leaves; ignored without ECAP.MTS */
#define DMA_FL_PTE_ACCESS BIT_ULL(5)  /* A */
#define DMA_FL_PTE_DIRTY BIT_ULL(6)   /* D, leaves */
#define FS_PTE_PS BIT_ULL(7)	      /* PS at levels 2 and 3; PAT at level 1 */
#define FS_PTE_G BIT_ULL(8)	      /* G, ignored */
#define FS_PTE_EA BIT_ULL(10)	      /* EA, ignored without PASID_ENTRY_2_EAFE */
#define FS_PTE_PAT_LARGE BIT_ULL(12)  /* PAT of a large page */
#define FS_PTE_XD BIT_ULL(63)	      /* XD, ignored without ECAP.ERS, as all of 63:52 */

/* Levels that may hold large pages at all: 2 MiB and 1 GiB */
static inline bool pte_is_leaf(uint64_t pte, int level)
{
	return level == 1 || (level <= 3 && (pte & DMA_PTE_LARGE_PAGE));
}

/**
 * ss_pte_reserved_bits - which bits of a present second-stage entry must be zero (9.8)
 * @level: 1 (SS-PTE) .. 5 (SS-PML5E)
 * @ps: whether the entry has bit 7 set; no difference at level 1
 * @cap: SSLPS tells which large pages exist; PS is reserved where they do not
 * @ecap: SC tells whether SNP exists
 */
static inline uint64_t ss_pte_reserved_bits(int level, bool ps, uint64_t cap, uint64_t ecap)
{
	uint64_t reserved = SS_PTE_RESERVED_62;
	bool leaf = level == 1 || (ps && level <= 3);

	assert(level >= 1 && level <= 5);
	if (!leaf || !ecap_sc_support(ecap))
		reserved |= DMA_PTE_SNP;
	if (level >= 4 || (level == 3 && !(cap_super_page_val(cap) & CAP_SSLPS_1G)) ||
	    (level == 2 && !(cap_super_page_val(cap) & CAP_SSLPS_2M)))
		reserved |= DMA_PTE_LARGE_PAGE;
	if (leaf && level > 1)
		reserved |= GENMASK_ULL(level == 3 ? 29 : 20, 12);
	return reserved;
}

/**
 * fs_pte_reserved_bits - which bits of a present first-stage entry must be zero (9.7)
 * @level: 1 (FS-PTE) .. 5 (FS-PML5E)
 * @ps: whether the entry has bit 7 set; no difference at level 1
 * @cap: FS1GP tells whether 1 GiB pages exist; 2 MiB pages always do
 */
static inline uint64_t fs_pte_reserved_bits(int level, bool ps, uint64_t cap)
{
	uint64_t reserved = 0;

	assert(level >= 1 && level <= 5);
	if (level >= 4 || (level == 3 && !cap_fl1gp_support(cap)))
		reserved |= FS_PTE_PS;
	if (ps && (level == 2 || level == 3))
		reserved |= GENMASK_ULL(level == 3 ? 29 : 20, 13);
	return reserved;
}

/* Address widths and levels. AGAW n means 30 + 9n bits and n + 2 levels (11.4.2, SAGAW). */
#define MAX_AGAW_WIDTH 64

static inline int agaw_to_level(int agaw)
{
	return agaw + 2;
}

static inline int agaw_to_width(int agaw)
{
	int width = 30 + agaw * VTD_STRIDE_SHIFT;

	return width < MAX_AGAW_WIDTH ? width : MAX_AGAW_WIDTH;
}

/* The smallest AGAW that holds @width bits; @width from 30 */
static inline int width_to_agaw(int width)
{
	assert(width >= 30);
	return (width - 30 + VTD_STRIDE_SHIFT - 1) / VTD_STRIDE_SHIFT;
}

/* Highest page frame number in @gaw bits of address, 13..64 (kernel DOMAIN_MAX_PFN()) */
static inline uint64_t domain_max_pfn(int gaw)
{
	assert(gaw > VTD_PAGE_SHIFT && gaw <= MAX_AGAW_WIDTH);
	return ~0ULL >> (MAX_AGAW_WIDTH - (gaw - VTD_PAGE_SHIFT));
}

/* Position, in bits of the page frame number, of @level's index */
static inline unsigned int level_to_offset_bits(int level)
{
	return (level - 1) * VTD_STRIDE_SHIFT;
}

static inline unsigned int pfn_level_offset(uint64_t pfn, int level)
{
	return (pfn >> level_to_offset_bits(level)) & (VTD_PTES_PER_TABLE - 1);
}

/* 4 KiB pages that one entry at @level spans */
static inline uint64_t level_size(int level)
{
	return 1ULL << level_to_offset_bits(level);
}

static inline uint64_t level_mask(int level)
{
	return ~0ULL << level_to_offset_bits(level);
}

static inline uint64_t align_to_level(uint64_t pfn, int level)
{
	return (pfn + level_size(level) - 1) & level_mask(level);
}

#endif
