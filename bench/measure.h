/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * measure.h - values in JSON results, by path: what sweeps tabulate and plots, claims and comparisons look at
 *
 * A path is keys with dots between them, as "throughput_mib_s", "latency_ns.p99" or
 * "locks.cache_lock.wait_ns.mean". In an array a key selects the first element of that "name" or "object"; the
 * first lock of a name is the one that was waited for longest.
 */
#ifndef SIMBENCH_MEASURE_H
#define SIMBENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "bench/runner.h"
#include "sim/stats.h"

struct json_t;

/* A value with what is known of its spread. */
struct measure {
	struct estimate estimate; /* without spread: ci95 is 0 and min and max are the mean */
	uint64_t count;		  /* repetitions behind it, at least 1 */
	bool exact;		  /* a count or a sum over all of them, of which no spread is known */
};

/**
 * measure_get - the value at a path
 * @result: an object of results[], or of a sweep's point
 * @path: see above; it ends at a number, a boolean (0 or 1) or an object with "mean" and "ci95"
 * @m: receives it
 *
 * Returns 0; -ENODATA where the path ends at null, as for what a run could not see, or at a lock or a line that it
 * did not have; -ENOENT where it leads nowhere.
 */
int measure_get(const struct json_t *result, const char *path, struct measure *m);

/* The same as the statistics want it; the standard deviation comes from the interval. */
struct stats_mean measure_mean(const struct measure *m);

/* The paths that @result has, comma separated, in @buf; what does not fit is left out. Returns @buf. */
const char *measure_paths(const struct json_t *result, char *buf, size_t size);

/* A name for axes and tables: "throughput, MiB/s", "wait for cache_lock, ns"; else made of the path. Returns @buf.
 */
const char *measure_label(const char *path, char *buf, size_t size);

/* The same for what is related to another value: @as is drop_pct, ratio, difference, or NULL for the value itself.
 */
const char *measure_related_label(const char *path, const char *as, char *buf, size_t size);

/**
 * measure_each - call @fn for each value in @result, in its order
 *
 * Of arrays it looks at locks only, and there at cache_lock. Stops at the first call that does not return 0, and
 * returns that.
 */
int measure_each(const struct json_t *result, int (*fn)(void *arg, const char *path, const struct json_t *value),
		 void *arg);

#endif
