/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * timer.h - one-shot timers that run on the CPU that armed them, as the kernel's timer wheel does
 */
#ifndef SIMBENCH_PLATFORM_TIMER_H
#define SIMBENCH_PLATFORM_TIMER_H

#include <stdint.h>

struct sim_timer {
	void (*fn)(struct sim_timer *timer);
};

/**
 * mod_timer - run @timer->fn once, on this CPU, in interrupt context
 * @timer: not armed now
 * @delay_ns: from now, in nanoseconds
 */
void mod_timer(struct sim_timer *timer, uint64_t delay_ns);

/*
 * Makes sure that @timer does not run any more; nothing happens when it is not armed. A handler that is running on
 * another CPU is not waited for: the caller is alone by then.
 */
void del_timer_sync(struct sim_timer *timer);

#endif
