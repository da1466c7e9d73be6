/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * race.h - a small machine whose CPUs run short programs on one domain, for the explorer
 *
 * Devices are behind units; the domain is allocated for the first device's unit. A program is a sequence of calls.
 * The oracle watches every DMA, and after the last call the whole machine is taken down, to see what has leaked.
 */
#ifndef SIMBENCH_RACE_H
#define SIMBENCH_RACE_H

#include <stdint.h>

#include "sim/domain.h"
#include "sim/exec/explore.h"
#include "sim/oracle.h"

#define RACE_MAX_UNITS 4
#define RACE_MAX_WRITE_BUFFERS 2 /* units with RWBF=1 */
#define RACE_MAX_PROGRAMS 4
#define RACE_MAX_OPS 12
#define RACE_MAX_SETUP 12

#define RACE_OP_LIST(X)                                                                                   \
	X(RACE_ATTACH, "attach")       /* DEVICE: as the group's first or next device */                  \
	X(RACE_DETACH, "detach")       /* DEVICE: its DMA is blocked */                                   \
	X(RACE_MAP, "map")	       /* PAGE: one 4 KiB page, at an address of its own (iommu_map()) */ \
	X(RACE_UNMAP, "unmap")	       /* PAGE: strictly (iommu_unmap()) */                               \
	X(RACE_UNMAP_2M, "unmap2m")    /* PAGE: all of the 2 MiB around it, which frees its table */      \
	X(RACE_DMA_MAP, "dma_map")     /* PAGE: through the DMA API, at the address it gives */           \
	X(RACE_DMA_UNMAP, "dma_unmap") /* PAGE: lazily where the domain is lazy */                        \
	X(RACE_DMA, "dma")	       /* DEVICE PAGE: a write by the device, which the oracle checks */  \
	X(RACE_LOOK, "look")	       /* DEVICE PAGE: the unit looks a page up, of its own accord */     \
	X(RACE_AWAIT, "await")	       /* PROGRAM OP: until that program has done so many of its calls */

CONFIG_ENUM(race_op_kind, RACE_OP_LIST)

struct race_op {
	enum race_op_kind kind;
	uint32_t device, page;	 /* as far as the kind has them */
	uint32_t program, count; /* await */
};

struct race_scenario {
	uint32_t units, devices, programs;
	uint64_t cap[RACE_MAX_UNITS], ecap[RACE_MAX_UNITS];
	uint32_t unit_of[ORACLE_MAX_DEVICES];
	bool ats;
	struct domain_config domain;
	struct race_op setup[RACE_MAX_SETUP];
	uint32_t setup_count;
	struct race_op op[RACE_MAX_PROGRAMS][RACE_MAX_OPS];
	uint32_t op_count[RACE_MAX_PROGRAMS];
};

struct race;

/**
 * race_create - build the machine and run the setup
 * @s: the scenario; stays the caller's, and is used until race_destroy()
 * @r: receives it
 *
 * Returns 0, -ENOMEM, or what a call of the setup returned.
 */
int race_create(const struct race_scenario *s, struct race **r);
void race_destroy(struct race *r);

struct explore *race_explorer(struct race *r);

/* Whether an attach of the last schedule failed with -EINVAL. */
bool race_refused(const struct race *r);

/* What an access of the explorer's log touched: "dmar_domain.max_addr", in @buf. Returns @buf. */
const char *race_address_name(const struct race *r, const void *p, char *buf, size_t size);

/* The bytes of the field that begins there; 8 where none does. */
uint32_t race_field_size(const struct race *r, const void *p);

/* The kind of object that @value is a pointer to, or NULL. */
const char *race_pointed_name(const struct race *r, uint64_t value);

#endif
