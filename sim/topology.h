/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * topology.h - the machine: its processing units, and what any two of them share
 *
 * A machine is described in one of hwloc's three ways: the host itself, an XML export of another machine, or a
 * synthetic string. Every CPU number in this project is hwloc's logical index of a processing unit (PU), not the
 * number that the operating system gave it; struct topology_pu.os_index translates.
 */
#ifndef SIMBENCH_TOPOLOGY_H
#define SIMBENCH_TOPOLOGY_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* The largest machine: as many CPUs as the kernel's NR_CPUS allows on x86-64. */
#define TOPOLOGY_MAX_PUS 8192

/* A buffer of this size holds every error message of this file. */
#define TOPOLOGY_ERR_SIZE 256

struct hwloc_topology;

/* Identifiers are dense and start at 0, in logical order; each is unique in the whole machine. */
struct topology_pu {
	uint32_t os_index;
	uint16_t core;
	uint16_t l3; /* the package, where the machine has no L3 objects */
	uint16_t package;
	uint16_t numa_node; /* the nearest one that has memory */
	uint16_t smt_index; /* place among the PUs of the core, from 0 */
};

struct topology {
	uint32_t pu_count;
	uint32_t core_count;
	uint32_t l3_count;
	uint32_t package_count;
	uint32_t numa_node_count;
	struct topology_pu *pu;	      /* by CPU number */
	struct hwloc_topology *hwloc; /* for binding threads and for export; read only */
};

/* How far apart two PUs are, nearest first: the smallest object that holds both. */
enum topology_distance { DIST_SELF, DIST_SMT, DIST_L3, DIST_PACKAGE, DIST_REMOTE };

/**
 * topology_load - describe a machine
 * @t: to fill in; topology_destroy() releases it
 * @machine: "host", where hwloc's environment variables apply; or an XML file of hwloc (lstopo machine.xml); or a
 *synthetic string, such as "package:2 l3:1 core:48 pu:2". A name with a slash in it or with .xml at its end is a
 *file; anything else is a file only if it is no synthetic string and such a file exists.
 * @err: receives a message, without newline, that names @machine, when the load fails
 * @err_size: bytes of @err; TOPOLOGY_ERR_SIZE is enough
 *
 * A PU without a core, an L3 or a package above it counts as a core of its own, as a part of its package's L3
 * and as a part of one package for the whole machine. hwloc builds thousands of siblings below one parent in
 * quadratic time: 8192 PUs take it 0.2 s where the levels are balanced, and up to 20 s where they are flat.
 *
 * Returns 0; -EINVAL for a string or file that describes no machine; -E2BIG beyond TOPOLOGY_MAX_PUS, which a
 * synthetic string or a file of hwloc's is told before hwloc builds anything; -EFBIG for an XML file above
 * 64 MiB; -ENOMEM; or why the file cannot be read.
 */
int topology_load(struct topology *t, const char *machine, char *err, size_t err_size);

/* Release what topology_load() took; a zeroed or already destroyed topology is fine. */
void topology_destroy(struct topology *t);

/**
 * topology_place - choose each job's CPU
 * @t: the machine
 * @policy: "spread", round robin over packages, then over the L3s of each, one job a core as long as cores are
 *	free, SMT siblings last, as the kernel's load balancer ends up (select_idle_core() before
 *	select_idle_smt()); "packed", the cores of package 0, then its SMT siblings, then the next package;
 *	"cores", the cores of NUMA node 0, then of the next, and then the SMT siblings likewise; or a list of CPU
 *numbers and ranges such as "0-3,8,12-14", each at most once, in the order of the jobs
 * @job_count: entries of @cpu_of_job; jobs beyond the last CPU of the policy start over at the first
 * @cpu_of_job: receives CPU numbers, 0..pu_count-1
 * @err: receives a message, without newline, that names @policy, on failure
 * @err_size: bytes of @err
 *
 * Returns 0; -EINVAL for bad syntax or a repeated number; -ERANGE for a number the machine does not have; -ENOMEM.
 */
int topology_place(const struct topology *t, const char *policy, unsigned int job_count, unsigned int *cpu_of_job,
		   char *err, size_t err_size);

/**
 * topology_export_xml - write the machine as an XML file that topology_load() and lstopo read
 * @t: the machine
 * @path: the file, replaced if it exists
 *
 * Returns 0, -ENOMEM, or why the file cannot be written.
 */
int topology_export_xml(const struct topology *t, const char *path);

/* topology_distance - what CPUs @a and @b, each below pu_count, have in common */
static inline enum topology_distance topology_distance(const struct topology *t, unsigned int a, unsigned int b)
{
	const struct topology_pu *pa, *pb;

	assert(a < t->pu_count && b < t->pu_count);
	pa = &t->pu[a];
	pb = &t->pu[b];
	if (a == b)
		return DIST_SELF;
	if (pa->core == pb->core)
		return DIST_SMT;
	if (pa->package != pb->package)
		return DIST_REMOTE;
	return pa->l3 == pb->l3 ? DIST_L3 : DIST_PACKAGE;
}

#endif
