/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine_virtual.h - struct machine of the virtual executor, for its own devices and statistics
 */
#ifndef SIMBENCH_EXEC_MACHINE_VIRTUAL_H
#define SIMBENCH_EXEC_MACHINE_VIRTUAL_H

#include "sim/exec/machine.h"
#include "sim/exec/virtual.h"
#include "sim/vtd_hw.h"

/* A VT-d unit; whose registers are the first member. */
struct machine_unit {
	struct vtd_hw hw; /* must be first */
	struct machine_unit *next;
};

struct machine {
	struct sim sim;
	struct machine_unit *units;
	struct timer_actor *timers, **timers_tail;
	struct cpu_start *starts; /* by CPU */
	void (*body)(void *arg, uint32_t cpu);
	void *arg;
	uint32_t running;     /* bodies that have not returned */
	uint64_t callback_ps; /* time of the machine_at() callback that runs; 0: none does */
};

#endif
