/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lock.h - the spinlock, in the four algorithms that can stand behind it
 *
 * A spinlock is 4 bytes, as in the kernel without lock debugging, whichever algorithm runs: the structs that
 * embed one keep the kernel's layout (facts K2). The algorithm is chosen once per simulation.
 */
#ifndef SIMBENCH_LOCK_H
#define SIMBENCH_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/config_enums.h"

typedef struct spinlock {
	union {
		uint32_t val;
		struct {
			uint8_t locked;
			uint8_t pending;
		};
		struct {
			uint16_t locked_pending;
			uint16_t tail;
		};
		struct {
			uint16_t owner;
			uint16_t next;
		} ticket;
	};
} spinlock_t;

/*
 * A CPU's queue nodes, one per nesting level: task, softirq, hardirq, NMI in the kernel; here also the nesting of
 * locks, because an MCS lock needs its node until the release.
 */
#define MCS_NODES 4

struct mcs_node {
	struct mcs_node *next;
	uint32_t locked; /* 1: the predecessor has handed over */
	uint32_t count;	 /* nodes in use; only in the first node of a CPU */
};

struct mcs_cpu_nodes {
	struct mcs_node node[MCS_NODES];
} __attribute__((aligned(64)));

/**
 * spin_lock_init - make a lock ready and name it for the lock table
 * @lock: the lock, in shared memory
 * @name: its name there, as lockdep would call the class; kept by reference
 */
void spin_lock_init(spinlock_t *lock, const char *name);

/* spin_lock() and spin_unlock(): take and release. The caller has interrupts off, or no interrupt takes the lock.
 */
void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);

/* The same with local interrupts off in between; @flags is what spin_lock_irqsave() returned. */
unsigned long spin_lock_irqsave(spinlock_t *lock);
void spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags);

#endif
