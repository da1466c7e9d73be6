/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * oracle.h - what software has promised of each page and device, and whether a DMA comes out that way
 *
 * Rules M1 and M2 of docs/races.md. A promise holds from the return of the call that gives it to the next call that
 * takes it back. A DMA that overlaps such a change may see either.
 */
#ifndef SIMBENCH_ORACLE_H
#define SIMBENCH_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

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

#endif
