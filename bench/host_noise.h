/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host_noise.h - what else happens on the CPUs of this machine while something is measured
 */
#ifndef SIMBENCH_HOST_NOISE_H
#define SIMBENCH_HOST_NOISE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct topology;

/* Kinds of noise, as bits. */
enum host_noise_kind {
	NOISE_STEAL = 1 << 0,	  /* the hypervisor ran something else */
	NOISE_LOAD = 1 << 1,	  /* so did the kernel: threads were preempted */
	NOISE_SIBLING = 1 << 2,	  /* an SMT sibling of a CPU was busy */
	NOISE_FREQUENCY = 1 << 3, /* the CPU got faster or slower */
};

/* Counters at one moment; differences count. Those of /proc/stat advance in ticks of 10 ms. */
struct host_noise {
	uint64_t time_ns;
	uint64_t steal_ns;	  /* of the CPUs that are watched, together */
	uint64_t sibling_busy_ns; /* of the other threads of their cores, together */
};

/* The CPUs to watch: topology indexes of this machine. */
struct host_watch {
	const struct topology *topology;
	const uint32_t *pus;
	uint32_t cpu_count;
};

/* Reads all counters now. What /proc does not tell stays 0. Returns 0, or -ENOENT without a /proc/stat. */
int host_noise_read(const struct host_watch *watch, struct host_noise *now);

/**
 * host_noise_add_stat - the part of it that comes from /proc/stat
 * @watch: CPUs
 * @stat: in the format of /proc/stat
 * @now: steal_ns and sibling_busy_ns are added to
 *
 * Returns 0 or -ENOMEM.
 */
int host_noise_add_stat(const struct host_watch *watch, FILE *stat, struct host_noise *now);

/**
 * host_noise_between - which kinds there were
 * @before: counters
 * @after: the same, later
 * @cpu_count: CPUs that were watched, at least 1
 *
 * Steal time counts from one tick on. Returns NOISE_STEAL and NOISE_SIBLING; the other kinds are not in the
 * counters.
 */
unsigned int host_noise_between(const struct host_noise *before, const struct host_noise *after,
				uint32_t cpu_count);

/* "steal time, other load"; "" for none. @size: at least 80. Returns @buf. */
const char *host_noise_names(unsigned int kinds, char *buf, size_t size);

/* The processor's name, or "unknown processor". Returns @buf. */
const char *host_cpu_model(char *buf, size_t size);

/* How CPU @os_index chooses its frequency (cpufreq's governor), or "" where the kernel does not. Returns @buf. */
const char *host_governor(uint32_t os_index, char *buf, size_t size);

#endif
