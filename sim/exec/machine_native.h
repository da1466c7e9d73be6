/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine_native.h - struct machine of the native executor, for its own devices and statistics
 */
#ifndef SIMBENCH_EXEC_MACHINE_NATIVE_H
#define SIMBENCH_EXEC_MACHINE_NATIVE_H

#include "sim/exec/machine.h"
#include "sim/exec/native.h"
#include "sim/exec/native_vtd.h"

struct machine_unit {
	struct native_vtd hw; /* must be first */
	struct machine_unit *next;
};

struct machine {
	struct native native;
	struct machine_unit *units;
	struct timer_event *timers;
	void (*body)(void *arg, uint32_t cpu);
	void *arg;
};

#endif
