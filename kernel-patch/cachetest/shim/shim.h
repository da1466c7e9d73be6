/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim.h - what the harness asks of the kernel in user space
 */
#ifndef CACHETEST_SHIM_H
#define CACHETEST_SHIM_H

/* Only @count allocations more succeed; negative: all of them. */
void shim_allocations(int count);

/* Between two operations: nothing may be locked; what waits for a grace period is freed. */
void shim_quiescent(void);

/* Frees all that was allocated, and returns how many objects that were. */
unsigned int shim_free_all(void);

#endif
