/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * iommu.h - a VT-d unit as its driver sees it: registers, root and context tables, the invalidation queue
 *
 * Models struct intel_iommu and its users in drivers/iommu/intel/{iommu,dmar,pasid}.c, Linux 6.12. The hardware
 * behind the registers is sim/vtd_hw.h.
 */
#ifndef SIMBENCH_IOMMU_H
#define SIMBENCH_IOMMU_H

#include "platform.h"
#include "sim/lock.h"
#include "sim/platform/mmio.h"
#include "sim/vtd_spec.h"

struct device_domain_info;

#define QI_LENGTH 256	   /* descriptors in the queue */
#define FLPT_DEFAULT_DID 1 /* domain id of all pass-through devices */

enum qi_status { QI_FREE, QI_IN_USE, QI_DONE, QI_ABORT };

/* The queue as the driver keeps it, in the kernel's order. */
struct q_inval {
	spinlock_t q_lock;
	uint64_t *desc;	  /* two quadwords each, four in scalable mode */
	int *desc_status; /* enum qi_status; the wait descriptor's is written by hardware */
	int free_head;
	int free_tail;
	int free_cnt;
};

/* The kernel's fields at the kernel's offsets; what nothing here uses only holds its place. */
struct intel_iommu {
	struct mmio_device *reg;
	uint64_t reg_phys, reg_size;
	uint64_t cap, ecap;
	uint64_t vccap, ecmdcap[4];
	uint32_t gcmd;
	spinlock_t register_lock;
	int seq_id;
	int agaw;
	uint8_t names_and_irqs[32];
	uint64_t *domain_ids; /* bitmap */
	uint8_t copied_tables[8];
	spinlock_t lock; /* protects context tables and domain ids */
	struct root_entry *root_entry;
	uint8_t page_requests[136];
	struct q_inval *qi;
	uint8_t irqs_and_core[136];
	/* not the kernel's, which works it out */
	bool scalable_mode; /* sm_supported() */
};

/* pahole on 6.12.117; kernel-patch/verify compare holds them all against the kernel that it has built */
_Static_assert(offsetof(struct intel_iommu, cap) == 24, "the kernel's");
_Static_assert(offsetof(struct intel_iommu, gcmd) == 80, "the kernel's");
_Static_assert(offsetof(struct intel_iommu, domain_ids) == 128, "the kernel's");
_Static_assert(offsetof(struct intel_iommu, lock) == 144, "the kernel's");
_Static_assert(offsetof(struct intel_iommu, root_entry) == 152, "the kernel's");
_Static_assert(offsetof(struct intel_iommu, qi) == 296, "the kernel's");
_Static_assert(offsetof(struct intel_iommu, scalable_mode) == 440, "the kernel's size");

/**
 * iommu_create - bring a unit up: root table, invalidation queue, translation (kernel init_dmars())
 * @reg: its registers
 * @cap: capability register
 * @ecap: extended capability register
 * @seq_id: 0.. , in order of creation
 * @scalable_mode: with PASID tables, which first-stage translation needs
 *
 * Returns NULL when memory is short or @cap has no address width that the tables can have.
 */
struct intel_iommu *iommu_create(struct mmio_device *reg, uint64_t cap, uint64_t ecap, int seq_id,
				 bool scalable_mode);
void iommu_destroy(struct intel_iommu *iommu);

/**
 * qi_submit_sync - submit descriptors and wait until hardware has executed them
 * @iommu: unit
 * @desc: descriptors; shared memory or the caller's stack
 * @count: 1..QI_LENGTH-3
 *
 * Kernel function of that name (facts K5): polls with interrupts off, dropping and retaking the queue's lock.
 */
void qi_submit_sync(struct intel_iommu *iommu, const struct qi_desc *desc, unsigned int count);

/* Flushes the write buffer where there is one (CAP.RWBF); returns at once elsewhere. */
void iommu_flush_write_buffer(struct intel_iommu *iommu);

/* Whether a new mapping has to be followed by something: an invalidation or a write-buffer flush (facts F7). */
bool iommu_needs_sync_map(struct intel_iommu *iommu, bool first_stage);

/* Takes a free domain id; the caller holds iommu->lock. Returns 1.., or -ENOSPC. */
int iommu_alloc_domain_id(struct intel_iommu *iommu);
void iommu_free_domain_id(struct intel_iommu *iommu, uint16_t did);

/**
 * iommu_set_context - let a device's requests through the tables at @pgd
 * @iommu: unit
 * @info: the device
 * @pgd: physical address of the top table; ignored for pass-through
 * @agaw: its adjusted width
 * @did: domain id
 * @tt: CONTEXT_TT_*
 * @first_stage: the tables are first-stage ones; needs scalable mode
 *
 * Kernel domain_context_mapping_one() and intel_pasid_setup_*(). Returns 0 or -ENOMEM.
 */
int iommu_set_context(struct intel_iommu *iommu, struct device_domain_info *info, uint64_t pgd, int agaw,
		      uint16_t did, unsigned int tt, bool first_stage);

/* Blocks a device and invalidates what is cached of it (kernel domain_context_clear_one()). */
void iommu_clear_context(struct intel_iommu *iommu, struct device_domain_info *info);

#endif
