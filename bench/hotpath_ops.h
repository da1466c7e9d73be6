/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hotpath_ops.h - single operations of the hot path, over and over on one CPU of either executor
 *
 * Nobody is in the way and the VT-d unit takes no time: what remains is instructions, accesses that hit, and
 * atomics.
 */
#ifndef SIMBENCH_HOTPATH_OPS_H
#define SIMBENCH_HOTPATH_OPS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/exec/params.h"

struct topology;

enum hotpath_op {
	HOTPATH_IOVA,	    /* alloc_iova_fast() and free_iova_fast(), from the CPU's magazine */
	HOTPATH_QUEUE_IOVA, /* alloc_iova_fast() and queue_iova(), which frees what flushes have covered */
	HOTPATH_PTE,	    /* domain_mapping() and domain_unmap() of one page */
	HOTPATH_FLUSH_NP,   /* cache_tag_flush_range_np() */
	HOTPATH_DMA,	    /* dma_map_pages() and dma_unmap_pages() of one page */
};

/* As many as fill the flush queue's ring: operation 255, 510, ... of HOTPATH_QUEUE_IOVA and HOTPATH_DMA flushes. */
#define HOTPATH_RING 255

struct hotpath_ops_params {
	const struct topology *topology;
	uint32_t pu;	       /* topology index of the CPU */
	struct sim_params sim; /* native: the lock is all that matters */
	enum hotpath_op op;
	enum policy policy; /* not pt: there is no domain then */
	bool lazy;
	uint32_t tags;	  /* cache tags of the domain, at least 1; one unit's, without need of an invalidation */
	uint32_t warmup;  /* operations that do not count */
	uint32_t samples; /* batches, at least 1 */
	uint32_t batch; /* operations in each, at least 1; a multiple of HOTPATH_RING gives all the same flushes */
	/* Called by the CPU before and after each batch that counts; may be NULL. */
	void (*mark)(void *arg);
	void *mark_arg;
	/* Looked at between batches; may be NULL. */
	const volatile sig_atomic_t *interrupted;
};

/**
 * hotpath_ops_run - repeat one operation and time it
 * @p: what and how often
 * @sample_ps: receives the mean time of an operation, for each of p->samples batches
 *
 * Returns 0, -ENOMEM, -EINTR when interrupted, or as machine_create() and machine_call().
 */
int hotpath_ops_run(const struct hotpath_ops_params *p, uint64_t *sample_ps);
int native_hotpath_ops_run(const struct hotpath_ops_params *p, uint64_t *sample_ps);

#endif
