/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * timer.h - the executor's side of sim/platform/timer.h
 */
#ifndef SIMBENCH_EXEC_TIMER_H
#define SIMBENCH_EXEC_TIMER_H

struct sim;

/* Frees the timers that are still armed; nothing may run any more. */
void sim_free_timers(struct sim *s);

#endif
