/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hotpath_bench.c - how long the steps of the hot path take on this machine, with Google Benchmark and its flags
 *
 *   hotpath_bench --benchmark_list_tests
 *   hotpath_bench --benchmark_filter=^dma_map_unmap/always --benchmark_repetitions=5
 *   hotpath_bench --benchmark_format=json
 *
 * It is the native build of the hot path: C11 atomics, each thread pinned to a core of its own. A register access
 * takes no time, and neither does an invalidation, except in qi_submit_sync/typical. Debian's library warns that it
 * was built as debug; that is its own loop, of which one pass is 64 operations here.
 *
 * Families, by what comes first in a name. N threads are 1, 2, 4 ... and one per core. What their times are,
 * gbench_shim.h says.
 *
 *   dma_map, dma_unmap		the DMA API: one of the two, the other one untimed
 *   dma_map_unmap		both as a pair
 *	<policy>/<lazy, strict>	each by N threads, 4 KiB, one cache tag
 *	always, legacy/lazy	2 to 64 cache tags: as many units have a device in the domain
 *	always/lazy		8 KiB to 1 MiB, in scattered pages
 *   cache_tag_flush_range_np	1 to 64 cache tags: the hot path's, the same by hand, and both in turns with the
 *				difference of their medians: what the platform header and its counters cost
 *   iova			hit: from the CPU's magazine; miss: larger than those are, hence from the tree,
 *				with ranges that stay live in it; by N threads
 *   page_table			map 1 to 512 pages where the tables exist; walk to an entry of up to 2^18
 *   qi_submit_sync		1 and 16 descriptors, to a unit that is done at once and to a typical one;
 *				by N threads
 *   spin_lock			the kernel's four, Concurrency Kit's MCS and ticket, pthread's; by N threads
 *   coro_switch, event_queue	the virtual executor's; 1 to 4096 events pending
 */
#include <stdio.h>

#include "bench/gbench_shim.h"
#include "bench/hotpath_machine.h"
#include "bench/version.h"
#include "sim/topology.h"

int main(int argc, char **argv)
{
	char err[TOPOLOGY_ERR_SIZE];
	int status;

	if (hotpath_init(err, sizeof(err))) {
		fprintf(stderr, "hotpath_bench: %s\n", err);
		return 1;
	}
	gbench_add_context("simbench_version", simbench_version);
	gbench_add_context("simbench_commit", simbench_git_commit);
	gbench_add_context("simbench_build_type", simbench_build_type);
	gbench_add_context("simbench_compiler", simbench_compiler);
	hotpath_register_flush();
	hotpath_register_map();
	hotpath_register_iova();
	hotpath_register_page_table();
	hotpath_register_qi();
	hotpath_register_locks();
	hotpath_register_engine();
	status = gbench_main(argc, argv);
	hotpath_exit();
	return status;
}
