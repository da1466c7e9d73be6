/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config_enums.h - the choices that both the hot path and the options know, each with its name
 *
 * Every list is an X-macro of X(constant, "name"), in the order of --help. From it come the enum and its
 * <enum>_name() function here, and the values that the option parser accepts.
 */
#ifndef SIMBENCH_CONFIG_ENUMS_H
#define SIMBENCH_CONFIG_ENUMS_H

/* What iotlb_sync_map does; facts F4, F7, F9. */
#define POLICY_LIST(X)                                                                               \
	X(POLICY_PT, "pt")	     /* no translation at all: the baseline */                       \
	X(POLICY_LEGACY, "legacy")   /* before v6.10: lock-free walk of the domain's IOMMUs */       \
	X(POLICY_ALWAYS, "always")   /* v6.10: cache_tag_flush_range_np() for every mapping */       \
	X(POLICY_DYNAMIC, "dynamic") /* domain flag, set at attach */                                \
	X(POLICY_STATIC, "static")   /* domain flag, set at allocation; attach refuses a mismatch */ \
	X(POLICY_INVS, "invs")	     /* cache tags in an array that RCU manages: no lock, no list */

/* Which executor runs the hot path. */
#define ENGINE_LIST(X)                                                       \
	X(ENGINE_VIRTUAL, "virtual") /* simulated CPUs on a virtual clock */ \
	X(ENGINE_NATIVE, "native")   /* this machine's CPUs, one pinned thread each, and its clock */

/* Which devices share a PCIe bridge, hence an IOMMU group and a DMA domain; fact F6. */
#define BRIDGE_LIST(X)             \
	X(BRIDGE_SHARED, "shared") \
	X(BRIDGE_SEPARATE, "separate")

/* Which bridges share a VT-d unit. */
#define PLACE_LIST(X)             \
	X(PLACE_SHARED, "shared") \
	X(PLACE_SEPARATE, "separate")

/* Translation stage of DMA domains; VT-d spec 3.6 (first) and 3.7 (second). */
#define STAGE_LIST(X)           \
	X(STAGE_FIRST, "first") \
	X(STAGE_SECOND, "second")

/* When unmap invalidates the IOTLB; fact K4. */
#define INVALIDATION_LIST(X)         \
	X(INVALIDATION_LAZY, "lazy") \
	X(INVALIDATION_STRICT, "strict")

/* In which order an attach lets the device in and sees to invalidations; facts K7 and the review of F7. */
#define ATTACH_ORDER_LIST(X)                                                                   \
	X(ATTACH_KERNEL, "kernel") /* context entry first, then the cache tags and the flag */ \
	X(ATTACH_TAGS_FIRST,                                                                   \
	  "tags-first") /* cache tags, then the flag, then a write-buffer flush, then the entry */

/* Mistakes that the explorer has to find, one for each of its rules, and a run's oracle some (docs/races.md). */
#define PLANTED_BUG_LIST(X)                                                                                \
	X(BUG_NONE, "none")                                                                                \
	X(BUG_NO_SYNC_MAP, "no-sync-map")	      /* M1: a map does not invalidate */                  \
	X(BUG_NO_SYNC_UNMAP, "no-sync-unmap")	      /* M2: an unmap does not invalidate */               \
	X(BUG_FREE_TABLES_FIRST, "free-tables-first") /* M3: an unmap frees tables and then invalidates */ \
	X(BUG_FREE_LINKED_TAG, "free-linked-tag")     /* M4: a tag is freed and stays in the list */       \
	X(BUG_FREE_INVS_EARLY, "free-invs-early")     /* M4: invs frees an array that is being walked */   \
	X(BUG_NO_GRACE_PERIOD, "no-grace-period")     /* M4: invs turns ATS off while tags are walked */   \
	X(BUG_LOCK_ORDER, "lock-order")		      /* M5: two locks, taken either way round */          \
	X(BUG_LOSE_TAG, "lose-tag")		      /* M6: a tag that goes out of use is not freed */    \
	X(BUG_LEAK_TAG, "leak-tag")		      /* M6: a tag that is not needed is not freed */

/* Of which pages a run checks every DMA against what software has promised (sim/oracle.h). */
#define ORACLE_LIST(X)                                  \
	X(ORACLE_OFF, "off")                            \
	X(ORACLE_SAMPLE, "sample") /* one page in 16 */ \
	X(ORACLE_FULL, "full")

/* fio's rw. */
#define RW_LIST(X)                   \
	X(RW_RANDREAD, "randread")   \
	X(RW_RANDWRITE, "randwrite") \
	X(RW_RANDRW, "randrw")

/* Field order of struct dmar_domain; fact K2. */
#define LAYOUT_LIST(X)             \
	X(LAYOUT_KERNEL, "kernel") \
	X(LAYOUT_PADDED, "padded")

/* Distribution of a device's command latency; erlang has 8 phases. */
#define LATDIST_LIST(X)                 \
	X(LATDIST_CONSTANT, "constant") \
	X(LATDIST_ERLANG, "erlang")     \
	X(LATDIST_EXPONENTIAL, "exponential")

/* Distribution of the lock benchmark's think time. */
#define THINKDIST_LIST(X)                       \
	X(THINKDIST_EXPONENTIAL, "exponential") \
	X(THINKDIST_UNIFORM, "uniform")         \
	X(THINKDIST_CONSTANT, "constant")

/* Who writes a mapped buffer; the kernel's values, which are those of dma_map_benchmark -d too. */
#define DMADIR_LIST(X)                        \
	X(DMA_BIDIRECTIONAL, "bidirectional") \
	X(DMA_TO_DEVICE, "to_device")         \
	X(DMA_FROM_DEVICE, "from_device")

/* Algorithm of every spinlock; fact K8. */
#define LOCK_LIST(X)                   \
	X(LOCK_QSPINLOCK, "qspinlock") \
	X(LOCK_TICKET, "ticket")       \
	X(LOCK_TAS, "tas")             \
	X(LOCK_MCS, "mcs")

#define CONFIG_ENUM_CONSTANT(constant, name) constant,
#define CONFIG_ENUM_CASE(constant, name) \
	case constant:                   \
		return name;

/* Defines enum <tag> and <tag>_name(): a value's name as in --help and reports, "?" for no value of the enum. */
#define CONFIG_ENUM(tag, LIST)                           \
	enum tag { LIST(CONFIG_ENUM_CONSTANT) };         \
	static inline const char *tag##_name(enum tag v) \
	{                                                \
		switch (v) {                             \
			LIST(CONFIG_ENUM_CASE)           \
		}                                        \
		return "?";                              \
	}

CONFIG_ENUM(engine_kind, ENGINE_LIST)
CONFIG_ENUM(attach_order, ATTACH_ORDER_LIST)
CONFIG_ENUM(planted_bug, PLANTED_BUG_LIST)
CONFIG_ENUM(policy, POLICY_LIST)
CONFIG_ENUM(oracle_mode, ORACLE_LIST)
CONFIG_ENUM(bridge_place, BRIDGE_LIST)
CONFIG_ENUM(unit_place, PLACE_LIST)
CONFIG_ENUM(stage, STAGE_LIST)
CONFIG_ENUM(invalidation, INVALIDATION_LIST)
CONFIG_ENUM(rw, RW_LIST)
CONFIG_ENUM(layout, LAYOUT_LIST)
CONFIG_ENUM(latency_dist, LATDIST_LIST)
CONFIG_ENUM(think_dist, THINKDIST_LIST)
CONFIG_ENUM(dma_data_direction, DMADIR_LIST)
CONFIG_ENUM(lock_kind, LOCK_LIST)

#endif
