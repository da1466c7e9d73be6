/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine_virtual.h - struct machine of the virtual executor, for its own devices and statistics
 */
#ifndef SIMBENCH_EXEC_MACHINE_VIRTUAL_H
#define SIMBENCH_EXEC_MACHINE_VIRTUAL_H

#include "sim/exec/machine.h"
#include "sim/exec/virtual.h"
#include "sim/vtd_hw.h"

struct machine {
	struct sim sim;
	struct vtd_hw **units; /* in the order of machine_add_unit() */
	uint32_t unit_count;
	struct machine_nvme *nvmes;
	struct machine_bridge *bridges;
	struct timer_actor *timers, **timers_tail;
	struct cpu_start *starts; /* by CPU */
	void (*body)(void *arg, uint32_t cpu);
	void *arg;
	uint32_t running;     /* bodies that have not returned */
	uint64_t callback_ps; /* time of the machine_at() callback that runs; 0: none does */
};

/* Part of machine_destroy(). */
void machine_free_nvmes(struct machine *m);

#endif
