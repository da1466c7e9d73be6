/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/measure.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Longest path, and deepest nesting of a result. */
#define PATH_MAX_LENGTH 128

static const json_t *select_element(const json_t *array, const char *key)
{
	const char *name;
	size_t i;

	for (i = 0; i < json_array_size(array); i++) {
		const json_t *element = json_array_get(array, i);

		name = json_string_value(json_object_get(element, "name"));
		if (!name)
			name = json_string_value(json_object_get(element, "object"));
		if (name && !strcmp(name, key))
			return element;
	}
	return NULL;
}

/* NULL where the path leads nowhere. An array lists what there was: what it lacks is a value that is missing, null.
 */
static const json_t *follow(const json_t *value, const char *path)
{
	char key[PATH_MAX_LENGTH];
	bool array;

	while (value && *path) {
		size_t length = strcspn(path, ".");

		if (json_is_null(value))
			return value;
		if (length >= sizeof(key))
			return NULL;
		memcpy(key, path, length);
		key[length] = '\0';
		array = json_is_array(value);
		value = array ? select_element(value, key) : json_object_get(value, key);
		if (array && !value)
			return json_null();
		path += length + (path[length] == '.');
	}
	return value;
}

/* Repetitions that ran to their end: an array in reports, a number in points and in the benchmarks' reports. */
static uint64_t repetitions(const json_t *result)
{
	const json_t *value = json_object_get(result, "repetitions");
	uint64_t complete = 0;
	size_t i;

	if (json_is_integer(value))
		return (uint64_t)json_integer_value(value);
	for (i = 0; i < json_array_size(value); i++)
		complete += json_is_true(json_object_get(json_array_get(value, i), "complete"));
	return complete;
}

int measure_get(const json_t *result, const char *path, struct measure *m)
{
	const json_t *value = follow(result, path), *mean = json_object_get(value, "mean");
	double number;

	if (json_is_null(value))
		return -ENODATA;
	if (json_is_number(mean) && json_object_get(value, "ci95")) {
		m->estimate = (struct estimate){
			.mean = json_number_value(mean),
			.min = json_number_value(json_object_get(value, "min")),
			.max = json_number_value(json_object_get(value, "max")),
			.ci95 = json_number_value(json_object_get(value, "ci95")),
		};
		m->count = repetitions(result);
		m->exact = false;
		return m->count ? 0 : -ENODATA;
	}
	if (!json_is_number(value) && !json_is_boolean(value))
		return -ENOENT;
	number = json_is_number(value) ? json_number_value(value) : json_is_true(value);
	*m = (struct measure){ { number, number, number, 0 }, 1, true };
	return 0;
}

struct stats_mean measure_mean(const struct measure *m)
{
	struct stats_mean mean = { .mean = m->estimate.mean, .count = m->count };

	if (m->count > 1)
		mean.stddev = m->estimate.ci95 * sqrt((double)m->count) / stats_t95(m->count - 1);
	return mean;
}

struct walk {
	int (*fn)(void *arg, const char *path, const json_t *value);
	void *arg;
	bool estimates_whole; /* not one by one what an estimate consists of */
	char path[PATH_MAX_LENGTH];
};

static int walk_value(struct walk *w, size_t length, const json_t *value);

static int walk_key(struct walk *w, size_t length, const char *key, const json_t *value)
{
	int added = snprintf(w->path + length, sizeof(w->path) - length, "%s%s", length ? "." : "", key);
	int ret = 0;

	if ((size_t)added < sizeof(w->path) - length)
		ret = walk_value(w, length + (size_t)added, value);
	w->path[length] = '\0';
	return ret;
}

static int walk_value(struct walk *w, size_t length, const json_t *value)
{
	const json_t *child;
	const char *key;
	int ret = 0;

	if (json_is_array(value)) {
		/* The domains' own lock is what it is all about; the others would be a column for each queue. */
		child = !strcmp(w->path, "locks") ? select_element(value, "cache_lock") : NULL;
		return child ? walk_key(w, length, "cache_lock", child) : 0;
	}
	if (!json_is_object(value) || (w->estimates_whole && json_object_get(value, "ci95")))
		return w->fn(w->arg, w->path, value);
	json_object_foreach((json_t *)value, key, child) {
		ret = walk_key(w, length, key, child);
		if (ret)
			break;
	}
	return ret;
}

int measure_each(const json_t *result, int (*fn)(void *arg, const char *path, const json_t *value), void *arg)
{
	struct walk w = { .fn = fn, .arg = arg };

	return walk_value(&w, 0, result);
}

struct path_list {
	char *buf;
	size_t size, used;
};

static int add_path(void *arg, const char *path, const json_t *value)
{
	struct path_list *list = arg;
	size_t length = strlen(path);

	if (!json_is_number(value) && !json_is_object(value))
		return 0;
	if (list->used + length + 3 > list->size)
		return 1;
	list->used += (size_t)snprintf(list->buf + list->used, list->size - list->used, "%s%s",
				       list->used ? ", " : "", path);
	return 0;
}

const char *measure_paths(const json_t *result, char *buf, size_t size)
{
	struct path_list list = { buf, size, 0 };
	struct walk w = { .fn = add_path, .arg = &list, .estimates_whole = true };

	buf[0] = '\0';
	walk_value(&w, 0, result);
	return buf;
}

static const struct {
	const char *path, *label;
} labels[] = {
	{ "throughput_mib_s", "throughput, MiB/s" },
	{ "iops", "I/Os per second" },
	{ "acquisitions_per_s", "lock acquisitions per second" },
	{ "maps_per_s", "maps per second" },
	{ "latency_ns.mean", "mean latency of an I/O, ns" },
	{ "latency_ns.p50", "median latency of an I/O, ns" },
	{ "latency_ns.p99", "99th percentile of an I/O's latency, ns" },
	{ "latency_ns.p999", "99.9th percentile of an I/O's latency, ns" },
	{ "cpus.busy_fraction", "share of the CPUs' time that is busy" },
	{ "cpus.spin_fraction", "share of the CPUs' time spent spinning" },
	{ "cpus.stall_fraction", "share of the CPUs' time spent waiting for cache lines" },
	{ "locks.cache_lock.wait_ns.mean", "mean wait of the contended cache_lock, ns" },
	{ "locks.cache_lock.hold_ns.mean", "mean hold of cache_lock, ns" },
	{ "locks.cache_lock.utilization", "share of the time that cache_lock is held" },
	{ "map_call.time_ns.total", "mean time of a map call, ns" },
	{ "map.mean_ns", "mean time of a map, ns" },
	{ "unmap.mean_ns", "mean time of an unmap, ns" },
};

const char *measure_label(const char *path, char *buf, size_t size)
{
	size_t i;

	for (i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (!strcmp(labels[i].path, path))
			return labels[i].label;
	if (!strncmp(path, "per_io.", 7))
		snprintf(buf, size, "calls of %s per I/O", path + 7);
	else
		snprintf(buf, size, "%s", path);
	return buf;
}

const char *measure_related_label(const char *path, const char *as, char *buf, size_t size)
{
	char own[128];
	const char *label = measure_label(path, own, sizeof(own));
	/* Without its unit. */
	int name = (int)strcspn(label, ",");

	if (as && !strcmp(as, "drop_pct"))
		snprintf(buf, size, "drop of %.*s, %%", name, label);
	else if (as && !strcmp(as, "ratio"))
		snprintf(buf, size, "%.*s, as a ratio", name, label);
	else if (as && !strcmp(as, "difference"))
		snprintf(buf, size, "difference of %s", label);
	else
		snprintf(buf, size, "%s", label);
	return buf;
}
