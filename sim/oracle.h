/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * oracle.h - what software has promised of each page and device, and whether a DMA comes out that way
 *
 * Rules M1 and M2 of docs/races.md. A promise holds from the return of the call that gives it to the next call that
 * takes it back. A DMA that overlaps such a change may see either.
 *
 * struct oracle knows a few pages by number and is plain data, which the explorer saves and restores with the rest.
 * struct oracle_run knows the pages of a whole run by address, each with its history, and how long the hardware may
 * go on translating what is not mapped any more.
 */
#ifndef SIMBENCH_ORACLE_H
#define SIMBENCH_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/config_enums.h"

#define ORACLE_MAX_PAGES 16
#define ORACLE_MAX_DEVICES 8

enum promise {
	PROMISE_NO,	  /* not mapped, or not attached: a DMA must not go through */
	PROMISE_CHANGING, /* a call is under way */
	PROMISE_YES,	  /* mapped, attached: a DMA must go through */
};

struct oracle_page {
	enum promise state;
	uint64_t iova, phys;
	uint32_t changes; /* that have begun */
};

struct oracle_device {
	enum promise state;
	uint32_t changes;
};

struct oracle {
	struct oracle_page pages[ORACLE_MAX_PAGES];
	struct oracle_device devices[ORACLE_MAX_DEVICES];
};

/* What a DMA found promised when it began. */
struct oracle_look {
	struct oracle_page page;
	struct oracle_device device;
};

enum oracle_finding {
	ORACLE_FINE,
	ORACLE_MISSED, /* M1: it was promised to go through */
	ORACLE_WRONG,  /* M1: it went elsewhere */
	ORACLE_LEAKED, /* M2: it was promised not to go through */
};

/* A call on the page or the device begins, and returns with @state. */
void oracle_page_begins(struct oracle *o, uint32_t page);
void oracle_page_ends(struct oracle *o, uint32_t page, enum promise state, uint64_t iova, uint64_t phys);
void oracle_device_begins(struct oracle *o, uint32_t device);
void oracle_device_ends(struct oracle *o, uint32_t device, enum promise state);

/* At the beginning of a DMA. */
struct oracle_look oracle_look(const struct oracle *o, uint32_t page, uint32_t device);

/**
 * oracle_judge - at its end
 * @o: oracle
 * @page, @device: of the DMA
 * @look: from its beginning
 * @through: whether it was translated
 * @phys: where to, if so
 */
enum oracle_finding oracle_judge(const struct oracle *o, uint32_t page, uint32_t device,
				 const struct oracle_look *look, bool through, uint64_t phys);

/* ---- a run ---- */

#define ORACLE_HISTORY 16    /* events of a page that are kept */
#define ORACLE_MAX_CACHES 64 /* of a domain: IOTLBs, device TLBs */
#define ORACLE_SAMPLED_LG2 4
#define ORACLE_TEXT_SIZE 2048

#define ORACLE_EVENT_LIST(X)                                                 \
	X(ORACLE_MAPPED, "CPU", "map returns")                               \
	X(ORACLE_UNMAP_BEGINS, "CPU", "unmap begins")                        \
	X(ORACLE_UNMAPPED, "CPU", "unmap returns")                           \
	X(ORACLE_DMA_THROUGH, "device", "DMA goes through")                  \
	X(ORACLE_DMA_BLOCKED, "device", "DMA is blocked")                    \
	X(ORACLE_IOTLB_INVALIDATED, "unit", "IOTLB is invalidated")          \
	X(ORACLE_DEV_TLB_INVALIDATED, "device", "device TLB is invalidated") \
	X(ORACLE_WOULD_TRANSLATE, "device", "a DMA would still go through")

enum oracle_event_kind {
#define X(kind, agent, text) kind,
	ORACLE_EVENT_LIST(X)
#undef X
};

struct oracle_event {
	uint64_t time_ps;
	uint32_t agent; /* number of the CPU, device or unit */
	enum oracle_event_kind kind;
};

/* A page of a domain's IOVA space. */
struct oracle_entry {
	uint64_t pfn;
	uint32_t domain;
	struct oracle_page page;
	uint64_t caches; /* that may have it yet, though it is not mapped any more */
	uint64_t cleared_ps, unmapped_ps;
	uint32_t event_count; /* since the run's start */
	struct oracle_event events[ORACLE_HISTORY];
};

/* Entries whose page a cache may have yet, in the order of their unmaps. */
struct oracle_queue {
	struct oracle_entry **entries;
	uint32_t head, count, capacity; /* a power of two */
};

struct oracle_domain {
	uint64_t caches; /* that it has */
	struct oracle_queue stale;
};

struct oracle_stats {
	uint64_t maps, unmaps, dmas; /* pages checked */
	/* Lazy mode: from an unmap's return to the last invalidation that covers it. */
	uint64_t windows, window_sum_ps, window_max_ps;
};

struct oracle_run {
	enum oracle_mode mode;
	struct oracle_entry **table;
	uint32_t table_used, table_size; /* a power of two */
	struct oracle_domain *domains;
	uint32_t domain_count;
	struct oracle_stats stats;
	bool out_of_memory;
	char violation[ORACLE_TEXT_SIZE]; /* the first one; empty: none */
};

/* An unmap's stages. */
enum oracle_unmap {
	ORACLE_BEGINS,	/* the entries are there yet */
	ORACLE_CLEARED, /* they are gone, and caches may still have them */
	ORACLE_STRICT,	/* no cache has them any more */
	ORACLE_LAZY,	/* somebody will see to that later */
};

/* Returns a run's oracle, or NULL when memory is short. */
struct oracle_run *oracle_run_create(enum oracle_mode mode);
void oracle_run_destroy(struct oracle_run *o);

/* Whether pages with this frame number are watched: in sample mode by a hash of it, never by time. */
static inline bool oracle_watches(const struct oracle_run *o, uint64_t pfn)
{
	return o->mode == ORACLE_FULL || pfn * 0x9e3779b97f4a7c15ULL >> (64 - ORACLE_SAMPLED_LG2) == 0;
}

/* Domain @domain has cache number @cache. Beyond ORACLE_MAX_CACHES the stale windows do not count it. */
bool oracle_run_add_cache(struct oracle_run *o, uint32_t domain, uint32_t cache);

/* A page has been mapped: called when the map returns. False: out of memory. */
bool oracle_run_mapped(struct oracle_run *o, uint32_t domain, uint64_t iova, uint64_t phys, uint32_t cpu,
		       uint64_t time_ps);

/**
 * oracle_run_unmap - a stage of an unmap, for each of its pages
 * @o: oracle
 * @domain: the page's domain
 * @iova: page
 * @stage: the last one is ORACLE_STRICT or ORACLE_LAZY
 * @cpu: which CPU
 * @time_ps: its time
 *
 * Returns the page's entry; NULL when it is not watched or memory is short.
 */
struct oracle_entry *oracle_run_unmap(struct oracle_run *o, uint32_t domain, uint64_t iova, enum oracle_unmap stage,
				      uint32_t cpu, uint64_t time_ps);

/**
 * oracle_run_invalidated - a cache of a domain has forgotten a range
 * @o: oracle
 * @domain: domain
 * @cache: which of its caches
 * @pfn: first page
 * @order: pages, as a power of two; 52 or more: all
 * @kind: ORACLE_IOTLB_INVALIDATED or ORACLE_DEV_TLB_INVALIDATED
 * @agent: the unit or device
 * @time_ps: when
 */
void oracle_run_invalidated(struct oracle_run *o, uint32_t domain, uint32_t cache, uint64_t pfn, unsigned int order,
			    enum oracle_event_kind kind, uint32_t agent, uint64_t time_ps);

/**
 * oracle_run_dma - judge a DMA
 * @o: oracle
 * @domain: the device's domain
 * @iova: within a page that is watched
 * @device: its number
 * @through: whether it was translated
 * @phys: where to, if so
 * @time_ps: when
 *
 * Returns whether it was as promised; o->violation says what is wrong if not.
 */
bool oracle_run_dma(struct oracle_run *o, uint32_t domain, uint64_t iova, uint32_t device, bool through,
		    uint64_t phys, uint64_t time_ps);

/* After an unmap has ended: a DMA of @device would still go through. */
void oracle_run_would_translate(struct oracle_run *o, struct oracle_entry *e, uint32_t device, uint64_t time_ps);

#endif
