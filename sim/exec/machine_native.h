/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine_native.h - struct machine of the native executor, for its own devices and statistics
 */
#ifndef SIMBENCH_EXEC_MACHINE_NATIVE_H
#define SIMBENCH_EXEC_MACHINE_NATIVE_H

#include "sim/exec/machine.h"
#include "sim/exec/native.h"
#include "sim/exec/native_vtd.h"

struct machine {
	struct native native;
	struct native_vtd **units; /* in the order of machine_add_unit() */
	uint32_t unit_count;
	struct machine_nvme *nvmes;
	uint32_t nvme_queues; /* of all devices */
	struct timer_event *timers;
	void (*body)(void *arg, uint32_t cpu);
	void *arg;
};

/* Part of machine_destroy(). */
void machine_free_nvmes(struct machine *m);

#endif
