/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/iommu.h"

#include "sim/domain.h"

OBJ_TYPE(intel_iommu, OBJ_FIELD(intel_iommu, reg), OBJ_FIELD(intel_iommu, cap), OBJ_FIELD(intel_iommu, ecap),
	 OBJ_FIELD(intel_iommu, gcmd), OBJ_FIELD(intel_iommu, register_lock), OBJ_FIELD(intel_iommu, seq_id),
	 OBJ_FIELD(intel_iommu, agaw), OBJ_FIELD(intel_iommu, qi), OBJ_FIELD(intel_iommu, root_entry),
	 OBJ_FIELD(intel_iommu, lock), OBJ_FIELD(intel_iommu, domain_ids));
OBJ_TYPE(q_inval, OBJ_FIELD(q_inval, q_lock), OBJ_FIELD(q_inval, desc), OBJ_FIELD(q_inval, desc_status),
	 OBJ_FIELD(q_inval, free_head), OBJ_FIELD(q_inval, free_tail), OBJ_FIELD(q_inval, free_cnt));
OBJ_TYPE_PLAIN(qi_queue, "invalidation queue");
OBJ_TYPE_POLLED(qi_desc_status, "qi desc_status");
OBJ_TYPE_PLAIN(root_table, "root table");
OBJ_TYPE_PLAIN(context_table, "context table");
OBJ_TYPE_PLAIN(pasid_dir, "pasid directory");
OBJ_TYPE_PLAIN(pasid_table, "pasid table");
OBJ_TYPE_PLAIN(domain_id_bitmap, "domain id bitmap");

/* Quadwords of one descriptor in the queue (IQA.DW). */
static unsigned int qi_desc_qwords(struct intel_iommu *iommu)
{
	return iommu->scalable_mode ? 4 : 2;
}

static int qi_create(struct intel_iommu *iommu)
{
	size_t queue_size = QI_LENGTH * qi_desc_qwords(iommu) * sizeof(uint64_t);
	struct q_inval *qi = shared_alloc(&q_inval_type, sizeof(*qi));
	uint64_t qs = queue_size / PAGE_SIZE == 2 ? 1 : 0;

	if (!qi)
		return -ENOMEM;
	iommu->qi = qi;
	qi->desc = shared_alloc_aligned(&qi_queue_type, queue_size, PAGE_SIZE);
	qi->desc_status = shared_alloc(&qi_desc_status_type, QI_LENGTH * sizeof(int));
	if (!qi->desc || !qi->desc_status)
		return -ENOMEM;
	qi->free_cnt = QI_LENGTH;
	spin_lock_init(&qi->q_lock, "q_lock");

	mmio_write(iommu->reg, DMAR_IQT_REG, 0);
	mmio_write(iommu->reg, DMAR_IQA_REG, virt_to_phys(qi->desc) | (iommu->scalable_mode ? DMA_IQA_DW : 0) | qs);
	return 0;
}

/* Writes a command bit that stays set, and waits until hardware has it. */
static void gcmd_enable(struct intel_iommu *iommu, uint32_t command, uint32_t status)
{
	iommu->gcmd |= command;
	mmio_write(iommu->reg, DMAR_GCMD_REG, iommu->gcmd);
	while (!(mmio_read(iommu->reg, DMAR_GSTS_REG) & status))
		cpu_relax_paced(iommu, iommu);
}

/* Bit n: tables of AGAW n. In scalable mode both stages must have them (kernel __iommu_calculate_sagaw()). */
static unsigned int calculate_sagaw(uint64_t cap, uint64_t ecap, bool scalable_mode)
{
	unsigned int first = 1U << 2 | (cap_fl5lp_support(cap) ? 1U << 3 : 0), second = cap_sagaw(cap);

	if (!scalable_mode || !ecap_flts(ecap))
		return second;
	return ecap_slts(ecap) ? first & second : first;
}

/* The widest tables that the unit supports, within 57 bits; -1: none (kernel iommu_calculate_agaw()). */
static int calculate_agaw(uint64_t cap, uint64_t ecap, bool scalable_mode)
{
	unsigned int sagaw = calculate_sagaw(cap, ecap, scalable_mode);
	int agaw;

	for (agaw = width_to_agaw(57); agaw >= 1; agaw--)
		if (sagaw >> agaw & 1)
			return agaw;
	return -1;
}

struct intel_iommu *iommu_create(struct mmio_device *reg, uint64_t cap, uint64_t ecap, int seq_id,
				 bool scalable_mode)
{
	struct intel_iommu *iommu;
	int agaw = calculate_agaw(cap, ecap, scalable_mode);

	if (agaw < 0)
		return NULL;
	iommu = shared_alloc(&intel_iommu_type, sizeof(*iommu));
	if (!iommu)
		return NULL;
	iommu->reg = reg;
	iommu->cap = cap;
	iommu->ecap = ecap;
	iommu->seq_id = seq_id;
	iommu->agaw = agaw;
	iommu->scalable_mode = scalable_mode;
	spin_lock_init(&iommu->register_lock, "register_lock");
	spin_lock_init(&iommu->lock, "iommu->lock");
	iommu->root_entry = shared_alloc_aligned(&root_table_type, PAGE_SIZE, PAGE_SIZE);
	iommu->domain_ids = shared_alloc(&domain_id_bitmap_type, (cap_ndoms(cap) + 63) / 64 * sizeof(uint64_t));
	if (!iommu->root_entry || !iommu->domain_ids || qi_create(iommu)) {
		iommu_destroy(iommu);
		return NULL;
	}
	/* Caching mode tags entries that are not present with domain id 0 (VT-d spec 6.1); pass-through has its
	 * own. */
	iommu->domain_ids[0] = 1ULL << 0 | 1ULL << FLPT_DEFAULT_DID;

	gcmd_enable(iommu, DMA_GCMD_QIE, DMA_GSTS_QIES);
	mmio_write(reg, DMAR_RTADDR_REG, virt_to_phys(iommu->root_entry) | (scalable_mode ? DMA_RTADDR_SMT : 0));
	mmio_write(reg, DMAR_GCMD_REG, iommu->gcmd | DMA_GCMD_SRTP);
	while (!(mmio_read(reg, DMAR_GSTS_REG) & DMA_GSTS_RTPS))
		cpu_relax_paced(iommu, iommu);
	gcmd_enable(iommu, DMA_GCMD_TE, DMA_GSTS_TES);
	return iommu;
}

static void free_context_tables(struct intel_iommu *iommu)
{
	unsigned int bus;

	for (bus = 0; bus < ROOT_ENTRY_NR; bus++) {
		struct root_entry *root = &iommu->root_entry[bus];

		if (root->lo & ROOT_ENTRY_P)
			shared_free(phys_to_virt(root->lo & ROOT_ENTRY_CTP_MASK));
		if (root->hi & ROOT_ENTRY_P)
			shared_free(phys_to_virt(root->hi & ROOT_ENTRY_CTP_MASK));
	}
}

void iommu_destroy(struct intel_iommu *iommu)
{
	if (!iommu)
		return;
	if (iommu->root_entry)
		free_context_tables(iommu);
	if (iommu->qi) {
		shared_free(iommu->qi->desc);
		shared_free(iommu->qi->desc_status);
	}
	shared_free(iommu->qi);
	shared_free(iommu->root_entry);
	shared_free(iommu->domain_ids);
	shared_free(iommu);
}

static void qi_write_desc(struct intel_iommu *iommu, struct q_inval *qi, int index, const struct qi_desc *desc)
{
	unsigned int qwords = qi_desc_qwords(iommu), i;
	const uint64_t value[] = { desc->qw0, desc->qw1, desc->qw2, desc->qw3 };
	uint64_t *slot = &READ_ONCE(qi->desc)[(unsigned int)index * qwords];

	for (i = 0; i < qwords; i++)
		WRITE_ONCE(slot[i], value[i]);
}

/* Gives back the slots whose descriptors are done, in order. The caller holds q_lock. */
static void reclaim_free_desc(struct q_inval *qi, const int *status)
{
	int tail = READ_ONCE(qi->free_tail);

	while (READ_ONCE(status[tail]) == QI_FREE && tail != READ_ONCE(qi->free_head)) {
		tail = (tail + 1) % QI_LENGTH;
		WRITE_ONCE(qi->free_tail, tail);
		WRITE_ONCE(qi->free_cnt, READ_ONCE(qi->free_cnt) + 1);
	}
}

/* Writes @count descriptors and the wait descriptor behind them; returns the first slot. q_lock is held. */
static int qi_fill(struct intel_iommu *iommu, struct q_inval *qi, int *status, const struct qi_desc *desc,
		   unsigned int count)
{
	int index = READ_ONCE(qi->free_head), wait_index = (index + (int)count) % QI_LENGTH;
	struct qi_desc wait;
	unsigned int i;

	for (i = 0; i < count; i++) {
		int slot = (index + (int)i) % QI_LENGTH;

		qi_write_desc(iommu, qi, slot, &desc[i]);
		WRITE_ONCE(status[slot], QI_IN_USE);
	}
	WRITE_ONCE(status[wait_index], QI_IN_USE);
	wait = qi_desc_wait(virt_to_phys(&status[wait_index]), QI_DONE, QI_IWD_STATUS_WRITE);
	qi_write_desc(iommu, qi, wait_index, &wait);

	WRITE_ONCE(qi->free_head, (wait_index + 1) % QI_LENGTH);
	WRITE_ONCE(qi->free_cnt, READ_ONCE(qi->free_cnt) - (int)count - 1);
	return index;
}

void qi_submit_sync(struct intel_iommu *iommu, const struct qi_desc *desc, unsigned int count)
{
	struct q_inval *qi = READ_ONCE(iommu->qi);
	int *status = READ_ONCE(qi->desc_status);
	int index, wait_index;
	unsigned long flags;
	unsigned int i;

	assert(count && count <= QI_LENGTH - 3);
	count_call(FN_qi_submit_sync);
	compute(COST_QI_SUBMIT);

	flags = spin_lock_irqsave(&qi->q_lock);
	while (READ_ONCE(qi->free_cnt) < (int)count + 2) {
		spin_unlock_irqrestore(&qi->q_lock, flags);
		cpu_relax_until(&qi->free_cnt, &qi->q_lock);
		flags = spin_lock_irqsave(&qi->q_lock);
	}
	index = qi_fill(iommu, qi, status, desc, count);
	wait_index = (index + (int)count) % QI_LENGTH;
	mmio_write(iommu->reg, DMAR_IQT_REG,
		   (uint64_t)READ_ONCE(qi->free_head) * qi_desc_qwords(iommu) * sizeof(uint64_t));

	/* Interrupts stay off: a handler that submits too could wait for slots that only this CPU can free. */
	while (READ_ONCE(status[wait_index]) != QI_DONE) {
		uint64_t fault = mmio_read(iommu->reg, DMAR_FSTS_REG);

		assert(!(fault & (DMA_FSTS_IQE | DMA_FSTS_ITE | DMA_FSTS_ICE)));
		spin_unlock(&qi->q_lock);
		cpu_relax_paced(&status[wait_index], &qi->q_lock);
		spin_lock(&qi->q_lock);
	}
	for (i = 0; i <= count; i++)
		WRITE_ONCE(status[(index + (int)i) % QI_LENGTH], QI_FREE);
	reclaim_free_desc(qi, status);
	spin_unlock_irqrestore(&qi->q_lock, flags);
}

/* Not inlined: next to no unit has one. */
static __attribute__((noinline)) void write_buffer_flush(struct intel_iommu *iommu)
{
	unsigned long flags;

	flags = spin_lock_irqsave(&iommu->register_lock);
	mmio_write(iommu->reg, DMAR_GCMD_REG, READ_ONCE(iommu->gcmd) | DMA_GCMD_WBF);
	while (mmio_read(iommu->reg, DMAR_GSTS_REG) & DMA_GSTS_WBFS)
		cpu_relax_paced(iommu, iommu);
	spin_unlock_irqrestore(&iommu->register_lock, flags);
}

void iommu_flush_write_buffer(struct intel_iommu *iommu)
{
	count_call(FN_iommu_flush_write_buffer);
	if (cap_rwbf(READ_ONCE(iommu->cap)))
		write_buffer_flush(iommu);
}

bool iommu_needs_sync_map(struct intel_iommu *iommu, bool first_stage)
{
	uint64_t cap = READ_ONCE(iommu->cap);

	return cap_rwbf(cap) || (cap_caching_mode(cap) && !first_stage);
}

int iommu_alloc_domain_id(struct intel_iommu *iommu)
{
	uint32_t words = (cap_ndoms(iommu->cap) + 63) / 64, i;

	for (i = 0; i < words; i++) {
		uint64_t word = READ_ONCE(iommu->domain_ids[i]);
		uint32_t did;

		if (word == UINT64_MAX)
			continue;
		did = i * 64 + (uint32_t)__builtin_ctzll(~word);
		if (did >= cap_ndoms(iommu->cap))
			break;
		WRITE_ONCE(iommu->domain_ids[i], word | 1ULL << (did % 64));
		return (int)did;
	}
	return -ENOSPC;
}

void iommu_free_domain_id(struct intel_iommu *iommu, uint16_t did)
{
	WRITE_ONCE(iommu->domain_ids[did / 64], READ_ONCE(iommu->domain_ids[did / 64]) & ~(1ULL << (did % 64)));
}

/* The table that a root entry's half points at, made if need be; NULL when memory is short. */
static void *root_half_table(uint64_t *half)
{
	uint64_t entry = READ_ONCE(*half);
	void *table;

	if (entry & ROOT_ENTRY_P)
		return phys_to_virt(entry & ROOT_ENTRY_CTP_MASK);
	table = shared_alloc_aligned(&context_table_type, PAGE_SIZE, PAGE_SIZE);
	if (table)
		WRITE_ONCE(*half, root_entry_val(virt_to_phys(table)));
	return table;
}

/*
 * From not present to present. A unit with caching mode may have cached the absence, as domain 0; elsewhere only
 * the write buffer can keep the entry from the walker.
 */
static void context_present_cache_flush(struct intel_iommu *iommu, uint16_t did, uint16_t rid)
{
	struct qi_desc desc;

	function_entered(__func__);
	if (!cap_caching_mode(iommu->cap)) {
		iommu_flush_write_buffer(iommu);
		return;
	}
	desc = qi_desc_context(0, rid, 0, DMA_CCMD_DEVICE_INVL);
	qi_submit_sync(iommu, &desc, 1);
	desc = qi_desc_iotlb(iommu->cap, did, 0, 0, DMA_TLB_DSI_FLUSH);
	qi_submit_sync(iommu, &desc, 1);
}

static int set_legacy_context(struct intel_iommu *iommu, struct device_domain_info *info, uint64_t pgd, int agaw,
			      uint16_t did, unsigned int tt)
{
	struct context_entry *context;
	uint16_t rid = device_rid(info);
	int ret = -ENOMEM;

	function_entered("domain_context_mapping_one");
	spin_lock(&iommu->lock);
	context = root_half_table(&iommu->root_entry[info->bus].lo);
	if (context) {
		context += info->devfn;
		WRITE_ONCE(context->hi, context_entry_hi(did, agaw));
		/* The present bit comes last. */
		WRITE_ONCE(context->lo, context_entry_lo(tt == CONTEXT_TT_PASS_THROUGH ? 0 : pgd, tt));
		context_present_cache_flush(iommu, did, rid);
		ret = 0;
	}
	spin_unlock(&iommu->lock);
	return ret;
}

/* A directory of one page and the table for PASIDs 0..63: requests without PASID use PASID 0. */
static int alloc_pasid_table(struct intel_iommu *iommu, struct device_domain_info *info)
{
	uint64_t *dir, *half;
	void *table;
	uint64_t(*context)[SM_CONTEXT_ENTRY_SIZE / sizeof(uint64_t)];

	dir = shared_alloc_aligned(&pasid_dir_type, PAGE_SIZE, PAGE_SIZE);
	table = shared_alloc_aligned(&pasid_table_type, PAGE_SIZE, PAGE_SIZE);
	half = info->devfn < 0x80 ? &iommu->root_entry[info->bus].lo : &iommu->root_entry[info->bus].hi;
	context = root_half_table(half);
	if (!dir || !table || !context) {
		shared_free(dir);
		shared_free(table);
		return -ENOMEM;
	}
	WRITE_ONCE(dir[0], pasid_dir_entry_val(virt_to_phys(table)));
	WRITE_ONCE(info->pasid_table, virt_to_phys(table));
	context += info->devfn & 0x7f;
	WRITE_ONCE((*context)[1], sm_context_entry_hi(0));
	WRITE_ONCE((*context)[0], sm_context_entry_lo(virt_to_phys(dir), 0, info->ats_supported));
	return 0;
}

static int set_pasid_context(struct intel_iommu *iommu, struct device_domain_info *info, uint64_t pgd, int agaw,
			     uint16_t did, bool pass_through, bool first_stage)
{
	struct pasid_entry *entry;
	struct qi_desc desc;
	int ret = 0;

	function_entered("intel_pasid_setup");
	spin_lock(&iommu->lock);
	if (!READ_ONCE(info->pasid_table))
		ret = alloc_pasid_table(iommu, info);
	if (ret)
		goto out;
	entry = phys_to_virt(READ_ONCE(info->pasid_table));
	WRITE_ONCE(entry->val[1], pasid_entry_val1(did, ecap_smpwc(iommu->ecap)));
	if (pass_through) {
		WRITE_ONCE(entry->val[0], vtd_field_prep(PASID_ENTRY_PGTT_PT, 8, 6) |
						  vtd_field_prep((uint64_t)agaw, 4, 2) | PASID_ENTRY_P);
	} else if (first_stage) {
		WRITE_ONCE(entry->val[2], pasid_entry_val2(pgd, agaw_to_level(agaw)));
		WRITE_ONCE(entry->val[0], pasid_entry_first_stage(agaw));
	} else {
		WRITE_ONCE(entry->val[0], pasid_entry_second_stage(pgd, agaw));
	}
	if (cap_caching_mode(iommu->cap)) {
		desc = qi_desc_pasid_cache(did, QI_PC_PASID_SEL, IOMMU_NO_PASID);
		qi_submit_sync(iommu, &desc, 1);
		desc = qi_desc_piotlb(did, IOMMU_NO_PASID, 0, QI_IOTLB_NPAGES_ALL, false);
		qi_submit_sync(iommu, &desc, 1);
	} else {
		iommu_flush_write_buffer(iommu);
	}
out:
	spin_unlock(&iommu->lock);
	return ret;
}

int iommu_set_context(struct intel_iommu *iommu, struct device_domain_info *info, uint64_t pgd, int agaw,
		      uint16_t did, unsigned int tt, bool first_stage)
{
	if (iommu->scalable_mode)
		return set_pasid_context(iommu, info, pgd, agaw, did, tt == CONTEXT_TT_PASS_THROUGH, first_stage);
	assert(!first_stage);
	return set_legacy_context(iommu, info, pgd, agaw, did, tt);
}

static void clear_pasid_context(struct intel_iommu *iommu, struct device_domain_info *info)
{
	struct pasid_entry *entry;
	struct qi_desc desc[2];
	uint64_t val0;
	uint16_t did;
	unsigned int i;

	if (!READ_ONCE(info->pasid_table))
		return;
	entry = phys_to_virt(READ_ONCE(info->pasid_table));
	spin_lock(&iommu->lock);
	val0 = READ_ONCE(entry->val[0]);
	if (!(val0 & PASID_ENTRY_P)) {
		spin_unlock(&iommu->lock);
		return;
	}
	did = pasid_entry_did(READ_ONCE(entry->val[1]));
	WRITE_ONCE(entry->val[0], 0UL);
	spin_unlock(&iommu->lock);

	desc[0] = qi_desc_pasid_cache(did, QI_PC_PASID_SEL, IOMMU_NO_PASID);
	if (pasid_entry_pgtt(val0) == PASID_ENTRY_PGTT_FL_ONLY || pasid_entry_pgtt(val0) == PASID_ENTRY_PGTT_PT)
		desc[1] = qi_desc_piotlb(did, IOMMU_NO_PASID, 0, QI_IOTLB_NPAGES_ALL, false);
	else
		desc[1] = qi_desc_iotlb(iommu->cap, did, 0, 0, DMA_TLB_DSI_FLUSH);
	qi_submit_sync(iommu, &desc[0], 1);
	qi_submit_sync(iommu, &desc[1], 1);
	for (i = 0; i < ARRAY_SIZE(entry->val); i++)
		WRITE_ONCE(entry->val[i], 0UL);
}

void iommu_clear_context(struct intel_iommu *iommu, struct device_domain_info *info)
{
	struct context_entry *context;
	struct qi_desc desc;
	uint64_t root;
	uint16_t did;

	function_entered(__func__);
	if (iommu->scalable_mode) {
		clear_pasid_context(iommu, info);
		return;
	}
	spin_lock(&iommu->lock);
	root = READ_ONCE(iommu->root_entry[info->bus].lo);
	if (!(root & ROOT_ENTRY_P)) {
		spin_unlock(&iommu->lock);
		return;
	}
	context = (struct context_entry *)phys_to_virt(root & ROOT_ENTRY_CTP_MASK) + info->devfn;
	did = context_entry_did(READ_ONCE(context->hi));
	WRITE_ONCE(context->lo, READ_ONCE(context->lo) & ~CONTEXT_ENTRY_P);
	spin_unlock(&iommu->lock);

	desc = qi_desc_context(did, device_rid(info), 0, DMA_CCMD_DEVICE_INVL);
	qi_submit_sync(iommu, &desc, 1);
	desc = qi_desc_iotlb(iommu->cap, did, 0, 0, DMA_TLB_DSI_FLUSH);
	qi_submit_sync(iommu, &desc, 1);
	WRITE_ONCE(context->lo, 0UL);
	WRITE_ONCE(context->hi, 0UL);
}
