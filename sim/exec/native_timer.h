/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * native_timer.h - the native executor's side of sim/platform/timer.h
 */
#ifndef SIMBENCH_EXEC_NATIVE_TIMER_H
#define SIMBENCH_EXEC_NATIVE_TIMER_H

struct native;

/* Frees the timers that are still armed; nothing may run any more. */
void native_free_timers(struct native *m);

#endif
