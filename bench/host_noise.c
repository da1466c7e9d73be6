/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/host_noise.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/topology.h"

/* Of the time, in percent, that the siblings of a quiet machine are busy too. */
#define SIBLING_PCT 10

struct cpu_ticks {
	unsigned int cpu;
	uint64_t busy, steal;
};

/* A line "cpu12 user nice system idle iowait irq softirq steal ..."; false for any other. */
static bool parse_cpu_line(const char *line, struct cpu_ticks *t)
{
	unsigned long long v[8] = { 0 };
	int n = sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", &t->cpu, &v[0], &v[1], &v[2], &v[3],
		       &v[4], &v[5], &v[6], &v[7]);

	if (n < 5)
		return false;
	t->busy = v[0] + v[1] + v[2] + v[5] + v[6];
	t->steal = v[7];
	return true;
}

enum { CPU_OTHER, CPU_SIBLING, CPU_WATCHED };

/* What each CPU, by the operating system's number, is to the watch. */
static uint8_t *make_roles(const struct host_watch *w, uint32_t *role_count)
{
	const struct topology *t = w->topology;
	uint8_t *roles;
	uint32_t i, k;

	*role_count = 0;
	for (i = 0; i < t->pu_count; i++)
		if (t->pu[i].os_index >= *role_count)
			*role_count = t->pu[i].os_index + 1;
	roles = calloc(*role_count, sizeof(*roles));
	if (!roles)
		return NULL;
	for (i = 0; i < w->cpu_count; i++)
		for (k = 0; k < t->pu_count; k++)
			if (t->pu[k].core == t->pu[w->pus[i]].core)
				roles[t->pu[k].os_index] = CPU_SIBLING;
	for (i = 0; i < w->cpu_count; i++)
		roles[t->pu[w->pus[i]].os_index] = CPU_WATCHED;
	return roles;
}

int host_noise_add_stat(const struct host_watch *watch, FILE *stat, struct host_noise *now)
{
	uint64_t tick_ns = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);
	uint32_t role_count;
	uint8_t *roles = make_roles(watch, &role_count);
	struct cpu_ticks ticks;
	char line[512];

	if (!roles)
		return -ENOMEM;
	while (fgets(line, sizeof(line), stat) && !strncmp(line, "cpu", 3)) {
		if (!parse_cpu_line(line, &ticks) || ticks.cpu >= role_count)
			continue;
		if (roles[ticks.cpu] == CPU_WATCHED) {
			now->steal_ns += ticks.steal * tick_ns;
		} else if (roles[ticks.cpu] == CPU_SIBLING) {
			now->sibling_busy_ns += ticks.busy * tick_ns;
		}
	}
	free(roles);
	return 0;
}

int host_noise_read(const struct host_watch *watch, struct host_noise *now)
{
	struct timespec t;
	FILE *stat;
	int ret;

	memset(now, 0, sizeof(*now));
	clock_gettime(CLOCK_MONOTONIC, &t);
	now->time_ns = (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
	stat = fopen("/proc/stat", "re");
	if (!stat)
		return -ENOENT;
	ret = host_noise_add_stat(watch, stat, now);
	fclose(stat);
	return ret;
}

/* Counters of a hypervisor's have been seen to go back. */
static uint64_t increase(uint64_t before, uint64_t after)
{
	return after > before ? after - before : 0;
}

unsigned int host_noise_between(const struct host_noise *before, const struct host_noise *after, uint32_t cpu_count)
{
	uint64_t elapsed_ns = increase(before->time_ns, after->time_ns);
	uint64_t tick_ns = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);
	/* Each CPU's ticks are rounded, and so a tick says no more than that there may have been something. */
	uint64_t allowed_ns = elapsed_ns / 100 * SIBLING_PCT * cpu_count + (cpu_count + 1) * tick_ns;
	unsigned int kinds = 0;

	if (increase(before->steal_ns, after->steal_ns))
		kinds |= NOISE_STEAL;
	if (increase(before->sibling_busy_ns, after->sibling_busy_ns) > allowed_ns)
		kinds |= NOISE_SIBLING;
	return kinds;
}

const char *host_noise_names(unsigned int kinds, char *buf, size_t size)
{
	static const char *const names[] = { "steal time", "other load", "busy SMT sibling", "changed frequency" };
	size_t used = 0, i;

	buf[0] = '\0';
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (kinds & 1U << i && used < size)
			used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "", names[i]);
	return buf;
}

/* The first line of a file, without its end; false when there is none. */
static bool read_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(buf, (int)size, f);

	if (f)
		fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = '\0';
	return ok;
}

const char *host_cpu_model(char *buf, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[512];

	snprintf(buf, size, "unknown processor");
	while (f && fgets(line, sizeof(line), f)) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		snprintf(buf, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
		break;
	}
	if (f)
		fclose(f);
	return buf;
}

const char *host_governor(uint32_t os_index, char *buf, size_t size)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", os_index);
	if (!read_line(path, buf, size))
		buf[0] = '\0';
	return buf;
}
