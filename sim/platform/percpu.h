/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * percpu.h - per-CPU state that is allocated when its CPU first touches it
 *
 * The table of pointers is private to the host and costs the simulated CPU nothing, as the kernel's per-CPU
 * base register does; the objects are shared memory.
 */
#ifndef SIMBENCH_PLATFORM_PERCPU_H
#define SIMBENCH_PLATFORM_PERCPU_H

#include <stddef.h>
#include <stdint.h>

struct obj_type;

struct percpu_leaf;

struct percpu {
	struct percpu_leaf **leaf; /* of 64 CPUs' objects each; NULL until one of them touches its own */
	uint32_t cpu_count;
	size_t size;
	const struct obj_type *type;
	void (*init)(void *obj, void *arg);
	void *arg;
};

/**
 * percpu_init - describe a per-CPU object; nothing is allocated yet but the table
 * @pc: to fill in
 * @cpu_count: CPUs, 1..8192
 * @type: for reports
 * @size: bytes of one CPU's object
 * @init: called with each new, zeroed object and @arg; may be NULL
 *
 * Returns 0 or -ENOMEM.
 */
int percpu_init(struct percpu *pc, uint32_t cpu_count, const struct obj_type *type, size_t size,
		void (*init)(void *obj, void *arg), void *arg);
void percpu_destroy(struct percpu *pc);

/* This CPU's object, made if need be; NULL when memory is short. */
void *this_cpu_ptr(struct percpu *pc);

/* Another CPU's object, or NULL when that CPU never touched it. */
void *per_cpu_ptr(const struct percpu *pc, uint32_t cpu);

#endif
