/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/vtd_walk.h"

/* Address bits that @levels of tables translate */
static int table_width(int levels)
{
	return VTD_PAGE_SHIFT + levels * VTD_STRIDE_SHIFT;
}

static enum walk_result check_address(uint64_t iova, int levels, bool first_stage, uint64_t cap)
{
	int width = table_width(levels);

	if (first_stage) {
		uint64_t upper = iova >> (width - 1);

		return !upper || upper == ~0ULL >> (width - 1) ? WALK_OK : WALK_NOT_CANONICAL;
	}
	if (cap_mgaw(cap) < width)
		width = cap_mgaw(cap);
	return iova >> width ? WALK_BEYOND_WIDTH : WALK_OK;
}

static enum walk_result check_first_stage(uint64_t entry, int level, uint64_t cap)
{
	if (!(entry & DMA_FL_PTE_PRESENT))
		return WALK_NOT_PRESENT;
	if (entry & fs_pte_reserved_bits(level, entry & FS_PTE_PS, cap))
		return WALK_RESERVED;
	return entry & DMA_FL_PTE_US ? WALK_OK : WALK_NO_USER;
}

static enum walk_result check_second_stage(uint64_t entry, int level, uint64_t cap, uint64_t ecap)
{
	if (!(entry & (DMA_PTE_READ | DMA_PTE_WRITE)))
		return WALK_NOT_PRESENT;
	return entry & ss_pte_reserved_bits(level, entry & DMA_PTE_LARGE_PAGE, cap, ecap) ? WALK_RESERVED : WALK_OK;
}

/* The leaf is reached, and *@out says what all entries grant. */
static enum walk_result check_access(uint64_t iova, bool write, struct vtd_translation *out)
{
	uint64_t offset_mask = (level_size(out->level) << VTD_PAGE_SHIFT) - 1;

	if (!out->read && !out->write)
		return WALK_NOT_PRESENT;
	if (write && !out->write)
		return WALK_NO_WRITE;
	if (!write && !out->read)
		return WALK_NO_READ;
	out->page_addr = out->entry & VTD_PTE_ADDR_MASK & ~offset_mask;
	return vtd_interrupt_address(vtd_translation_addr(out, iova)) ? WALK_INTERRUPT_ADDR : WALK_OK;
}

enum walk_result vtd_walk(uint64_t root_pa, int levels, bool first_stage, uint64_t cap, uint64_t ecap,
			  uint64_t iova, bool write, uint64_t (*read64)(void *ctx, uint64_t pa), void *ctx,
			  struct vtd_translation *out)
{
	enum walk_result result = check_address(iova, levels, first_stage, cap);
	uint64_t table = root_pa;

	assert(levels <= 5 && levels >= (first_stage ? 4 : 2));
	*out = (struct vtd_translation){ .level = levels, .read = true, .write = true };
	if (result != WALK_OK)
		return result;

	for (;; out->level--) {
		out->entry = read64(ctx, table + 8 * pfn_level_offset(iova >> VTD_PAGE_SHIFT, out->level));
		out->reads++;
		result = first_stage ? check_first_stage(out->entry, out->level, cap)
				     : check_second_stage(out->entry, out->level, cap, ecap);
		if (result != WALK_OK)
			return result;
		out->read = out->read && (out->entry & DMA_PTE_READ); /* in the first stage P, and set */
		out->write = out->write && (out->entry & DMA_PTE_WRITE);
		if (pte_is_leaf(out->entry, out->level))
			break;
		table = out->entry & VTD_PTE_ADDR_MASK;
	}
	out->snoop = !first_stage && (out->entry & DMA_PTE_SNP);
	return check_access(iova, write, out);
}

enum vtd_fault_reason vtd_walk_fault(enum walk_result result, bool first_stage, bool scalable, bool write)
{
	assert(scalable || !first_stage);
	switch (result) {
	case WALK_OK:
		return VTD_FAULT_NONE;
	case WALK_NOT_CANONICAL:
		return VTD_FAULT_SM_NOT_CANONICAL;
	case WALK_BEYOND_WIDTH:
		return scalable ? VTD_FAULT_SM_BEYOND_MGAW : VTD_FAULT_BEYOND_MGAW;
	case WALK_NOT_PRESENT:
		if (!scalable)
			return write ? VTD_FAULT_WRITE : VTD_FAULT_READ;
		return first_stage ? VTD_FAULT_FS_NOT_PRESENT : VTD_FAULT_SM_SS_NOT_PRESENT;
	case WALK_RESERVED:
		if (!scalable)
			return VTD_FAULT_SS_RESERVED;
		return first_stage ? VTD_FAULT_FS_RESERVED : VTD_FAULT_SM_SS_RESERVED;
	case WALK_NO_USER:
		return VTD_FAULT_SM_PRIVILEGE;
	case WALK_NO_READ:
		return scalable ? VTD_FAULT_SM_READ : VTD_FAULT_READ;
	case WALK_NO_WRITE:
		return scalable ? VTD_FAULT_SM_WRITE : VTD_FAULT_WRITE;
	case WALK_INTERRUPT_ADDR:
		return scalable ? VTD_FAULT_SM_INTERRUPT_ADDR : VTD_FAULT_INTERRUPT_ADDR;
	}
	assert(!"walk result out of range");
	return VTD_FAULT_NONE;
}
