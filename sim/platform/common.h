/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * common.h - what both platform headers share: object types, work steps, counted functions
 */
#ifndef SIMBENCH_PLATFORM_COMMON_H
#define SIMBENCH_PLATFORM_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE_SIZE 64
#define CACHE_LINE_SHIFT 6
#define PAGE_SIZE 4096UL
#define PAGE_SHIFT 12

#define __cacheline_aligned __attribute__((aligned(CACHE_LINE_SIZE)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

/* A shared object's fields, so that a report can say which of them a cache line holds. */
struct obj_field {
	const char *name;
	uint32_t offset;
	uint32_t size;
};

struct obj_type {
	const char *name;
	const struct obj_field *fields;
	uint32_t field_count;
	bool polled; /* whoever reads it waits for what a unit writes to it, and makes nothing of what it finds
			before */
};

#define OBJ_FIELD(type, member)                                                            \
	{                                                                                  \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member) \
	}
#define OBJ_FIELD_AS(type, member, as)                                                \
	{                                                                             \
		as, offsetof(struct type, member), sizeof(((struct type *)0)->member) \
	}
#define OBJ_TYPE(type, ...)                                              \
	static const struct obj_field type##_fields[] = { __VA_ARGS__ }; \
	static const struct obj_type type##_type = { #type, type##_fields, ARRAY_SIZE(type##_fields), false }
#define OBJ_TYPE_PLAIN(ident, label) static const struct obj_type ident##_type = { label, NULL, 0, false }
#define OBJ_TYPE_POLLED(ident, label) static const struct obj_type ident##_type = { label, NULL, 0, true }

/*
 * Work steps: the instructions of the DMA API path between its shared accesses. The counts split the totals of
 * docs/facts.md K8b, measured on the real kernel without contention: 847 instructions a map and 1159 an unmap
 * when iotlb_sync_map does nothing, 146 more under `always`, 217 more under `legacy`. The split is assumed, the
 * sums are not; tests/sim/test_costs.c holds them together.
 */
#define COST_STEPS(X)             \
	/* dma_map_page() */      \
	X(DMA_MAP_ENTRY, 150)     \
	X(IOVA_ALLOC, 190)        \
	X(IOMMU_MAP, 170)         \
	X(MAP_WALK_LEVEL, 24)     \
	X(PTE_SET, 60)            \
	X(DMA_MAP_EXIT, 157)      \
	/* iotlb_sync_map */      \
	X(FLUSH_RANGE_SETUP, 62)  \
	X(SPIN_LOCK_IRQ, 34)      \
	X(TAG_VISIT, 50)          \
	X(IOMMU_VISIT, 117)       \
	X(XA_FOR_EACH, 100)       \
	/* dma_unmap_page() */    \
	X(DMA_UNMAP_ENTRY, 150)   \
	X(UNMAP_WALK_LEVEL, 18)   \
	X(IOMMU_UNMAP, 190)       \
	X(PTE_CLEAR, 60)          \
	X(IOVA_FREE, 145)         \
	X(FQ_QUEUE, 230)          \
	X(DMA_UNMAP_EXIT, 114)    \
	/* off the common path */ \
	X(RBTREE_STEP, 12)        \
	X(QI_DESC, 40)            \
	X(QI_SUBMIT, 120)         \
	X(PAGE_ALLOC, 400)

enum cost_step {
#define X(name, instructions) COST_##name,
	COST_STEPS(X)
#undef X
		COST_STEP_COUNT
};

/* Functions whose calls are counted as ftrace would: early returns included. */
#define COUNTED_FUNCTIONS(X)        \
	X(dma_map)                  \
	X(dma_unmap)                \
	X(iotlb_sync_map)           \
	X(cache_tag_flush_range_np) \
	X(cache_tag_flush_range)    \
	X(cache_tag_flush_all)      \
	X(qi_submit_sync)           \
	X(iommu_flush_write_buffer)

enum fn_id {
#define X(name) FN_##name,
	COUNTED_FUNCTIONS(X)
#undef X
		FN_COUNT
};

/*
 * What the time of a map call is divided into. The hot path says with map_phase() when the first three begin, and
 * when they are over; the rest is found out below it.
 */
#define MAP_PARTS(X)   \
	X(iova)        \
	X(page_table)  \
	X(sync_map)    \
	X(lock_wait)   \
	X(lock_hold)   \
	X(line_stalls) \
	X(other)

enum map_part {
#define X(name) MAP_##name,
	MAP_PARTS(X)
#undef X
		MAP_PART_COUNT
};

#endif
