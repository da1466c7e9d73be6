/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report_text.c - the text report
 *
 * Every table is printed row by row with one format, its head included: that lines the columns up.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bench/report.h"

#define WIDTH 116
#define MAX_DEVICES 8
#define MAX_CLASSES 10
#define MAX_LINES 12
#define MAX_NAME 32    /* longest name of a lock or line */
#define MAX_MACHINE 64 /* longest description of the machine */

/* A number as a person reads it. */
typedef char cell_t[24];

struct text {
	FILE *f;
	bool color;
	const struct run *run;
};

static const char *const function_names[FN_COUNT] = {
#define X(name) [FN_##name] = #name,
	COUNTED_FUNCTIONS(X)
#undef X
};

/* ---- numbers and names ---- */

/* @v with three digits, or four before the point. */
static void print_digits(cell_t cell, double v, const char *unit)
{
	int decimals = v < 9.995 ? 2 : v < 99.95 ? 1 : 0;

	snprintf(cell, sizeof(cell_t), "%.*f%s", decimals, v, unit);
}

static const char *time_cell(cell_t cell, double ps)
{
	static const char *const units[] = { " ns", " us", " ms" };
	double v = ps / 1000;
	size_t i = 0;

	/* What would be rounded to 1000 is 1 of the next unit. */
	while (v >= 999.5 && i < ARRAY_SIZE(units)) {
		v /= 1000;
		i++;
	}
	print_digits(cell, v, i < ARRAY_SIZE(units) ? units[i] : " s");
	if (v == 0)
		snprintf(cell, sizeof(cell_t), "0 ns");
	return cell;
}

static const char *mean_time_cell(cell_t cell, uint64_t sum_ps, uint64_t count)
{
	if (count)
		return time_cell(cell, report_ratio(sum_ps, count));
	snprintf(cell, sizeof(cell_t), "-");
	return cell;
}

/* As fio prints IOPS: 950, 6.71k, 12.8k, 1276k, 12.8M. */
static const char *count_cell(cell_t cell, double v)
{
	if (v < 999.5)
		snprintf(cell, sizeof(cell_t), "%.0f", v);
	else if (v < 9999.5e3)
		print_digits(cell, v / 1e3, "k");
	else
		print_digits(cell, v / 1e6, "M");
	return cell;
}

static const char *mib_cell(cell_t cell, double v)
{
	snprintf(cell, sizeof(cell_t), "%.*f", v < 999.95, v);
	return cell;
}

static const char *percent_cell(cell_t cell, double fraction)
{
	snprintf(cell, sizeof(cell_t), "%.1f %%", 100 * fraction);
	return cell;
}

/* Exact, as far as nine digits go. */
static const char *integer_cell(cell_t cell, uint64_t v)
{
	if (v > 999999999)
		return count_cell(cell, (double)v);
	snprintf(cell, sizeof(cell_t), "%u", (uint32_t)v);
	return cell;
}

/* Cuts @name to fit its column, and takes out what would move the cursor. */
static void tame(char *name, size_t size)
{
	size_t i;

	for (i = 0; name[i]; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
			name[i] = '?';
	if (i >= size)
		memcpy(name + size - 4, "...", 4);
}

/* ---- lines ---- */

static void attribute(const struct text *t, const char *code)
{
	if (t->color)
		fprintf(t->f, "\033[%sm", code);
}

/* A line in bold or dim, where there is colour. */
static void __attribute__((format(printf, 3, 4)))
line_in(const struct text *t, const char *code, const char *format, ...)
{
	va_list args;

	attribute(t, code);
	va_start(args, format);
	vfprintf(t->f, format, args);
	va_end(args);
	attribute(t, "0");
	fputc('\n', t->f);
}

#define BOLD "1"
#define DIM "2"
#define ALARM "1;31"

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void left_out(const struct text *t, uint32_t count, uint32_t shown, const char *what)
{
	if (count > shown)
		line_in(t, DIM, "  ... %u more %s%s", count - shown, what, plural(count - shown));
}

/* ---- what was simulated ---- */

static void print_policy(const struct text *t)
{
	const struct scenario *s = t->run->scenario;
	const struct domain_config *d = &s->params.domain;

	if (d->policy == POLICY_PT)
		fprintf(t->f, "%s (no translation)", policy_name(d->policy));
	else
		fprintf(t->f, "%s, %s stage, %s%s", policy_name(d->policy),
			stage_name(d->first_stage ? STAGE_FIRST : STAGE_SECOND), report_invalidation(s),
			s->forced_strict ? " (forced by caching mode)" : "");
	if (s->params.ats)
		fputs(", ATS", t->f);
	if (d->layout == LAYOUT_PADDED)
		fputs(", padded layout", t->f);
	if (s->params.sim.lock != LOCK_QSPINLOCK)
		fprintf(t->f, ", %s locks", lock_kind_name(s->params.sim.lock));
}

static void print_workload(const struct text *t)
{
	const struct host_params *p = &t->run->scenario->params;

	fprintf(t->f, ": %u device%s, ", p->devices, plural(p->devices));
	if (p->devices > 1)
		fprintf(t->f, "%s, ", p->shared_bridge ? "shared bridge" : "separate bridges");
	if (p->units > 1)
		fprintf(t->f, "%u VT-d units, ", p->units);
	fputs(rw_name(t->run->scenario->options.rw), t->f);
	if (p->read_pct && p->read_pct < 100)
		fprintf(t->f, " %u/%u", p->read_pct, 100 - p->read_pct);
	fprintf(t->f, " bs=%lluk, numjobs=%u, iodepth=%u", (unsigned long long)p->bs >> 10, p->jobs, p->iodepth);
}

static void print_machine(const struct text *t)
{
	const struct scenario *s = t->run->scenario;
	const struct options *o = &s->options;
	char machine[MAX_MACHINE + 2], local[32], remote[32], runtime[32];

	options_format_time(runtime, sizeof(runtime), o->runtime);
	if (report_is_native(t->run)) {
		fprintf(t->f, "this machine's CPUs, %u of them; time is the wall clock's; seed %llu, %u x %s\n",
			s->topology.pu_count, (unsigned long long)o->seed, t->run->rep_count, runtime);
		return;
	}
	snprintf(machine, sizeof(machine), "%s", o->machine);
	tame(machine, MAX_MACHINE + 1);
	fprintf(t->f, "%s, %u CPUs; line transfer %s local, %s remote; seed %llu, %u x %s\n", machine,
		s->topology.pu_count, options_format_time(local, sizeof(local), o->local_ns),
		options_format_time(remote, sizeof(remote), o->remote_ns), (unsigned long long)o->seed,
		t->run->rep_count, runtime);
}

static void print_head(const struct text *t)
{
	attribute(t, BOLD);
	print_policy(t);
	print_workload(t);
	attribute(t, "0");
	fputc('\n', t->f);
	print_machine(t);
}

/* ---- summary ---- */

/* One direction of a mixed load: all its I/Os have one size, so bytes follow from their number. */
static void print_direction(const struct text *t, const char *name, uint64_t ios)
{
	const struct host_result *r = &t->run->total;
	cell_t bw, iops;

	fprintf(t->f, "  %-6s bw=%sMiB/s, IOPS=%s\n", name,
		mib_cell(bw, report_mib_s(ios * t->run->scenario->params.bs, r->elapsed_ps)),
		count_cell(iops, report_per_s(ios, r->elapsed_ps)));
}

/* "4985 +-12": the mean and its 95 % confidence interval, as far as there is one. */
static void print_estimate(const struct text *t, const struct estimate *e, const char *unit,
			   const char *(*print)(cell_t, double))
{
	cell_t cell;

	fprintf(t->f, "%s%s", print(cell, e->mean), unit);
	if (t->run->complete > 1)
		fprintf(t->f, " +-%s", print(cell, e->ci95));
}

static void print_latency(const struct text *t)
{
	static const uint32_t parts[] = { 50000, 99000, 99900 };
	const struct host_result *r = &t->run->total;
	cell_t cell;
	size_t i;

	if (!r->ios) {
		fputs(", no I/O completed\n", t->f);
		return;
	}
	fputs(", clat p50/p99/p99.9=", t->f);
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		fprintf(t->f, "%s%s", i ? "/" : "",
			time_cell(cell, 1000.0 * (double)histogram_percentile(&r->latency_ns, parts[i])));
	fprintf(t->f, ", mean=%s\n", mean_time_cell(cell, r->latency_sum_ps, r->ios));
}

static void print_summary(const struct text *t)
{
	const struct host_result *r = &t->run->total;
	uint32_t read_pct = t->run->scenario->params.read_pct;
	bool mixed = read_pct && read_pct < 100;

	fputc('\n', t->f);
	if (mixed) {
		print_direction(t, "READ:", r->read_ios);
		print_direction(t, "WRITE:", r->ios - r->read_ios);
	}
	attribute(t, BOLD);
	fprintf(t->f, "  %-6s bw=", mixed ? "ALL:" : read_pct ? "READ:" : "WRITE:");
	print_estimate(t, &t->run->throughput_mib_s, "MiB/s", mib_cell);
	fputs(", IOPS=", t->f);
	print_estimate(t, &t->run->iops, "", count_cell);
	attribute(t, "0");
	print_latency(t);
}

static void print_cpus(const struct text *t)
{
	const struct host_result *r = &t->run->total;
	cell_t busy, spin, stall, irq_off;
	struct report_cpus share;

	report_cpus(r, &share);
	if (report_is_native(t->run)) {
		fprintf(t->f, "  CPU:   %u in use, %s busy\n", r->cpu_count, percent_cell(busy, share.busy));
		return;
	}
	fprintf(t->f,
		"  CPU:   %u in use, %s busy, %s spinning, %s stalled on cache lines, "
		"interrupts off for up to %s\n",
		r->cpu_count, percent_cell(busy, share.busy), percent_cell(spin, share.spin),
		percent_cell(stall, share.stall), time_cell(irq_off, (double)r->irq_off_max_ps));
}

/* ---- devices ---- */

#define DEVICE_ROW "  %6s %12s %10s %12s"

#define NO_LATENCY -1.0

/* Mean latency of a device in ps. */
static double device_latency(uint64_t latency_sum_ps, uint64_t ios)
{
	return ios ? report_ratio(latency_sum_ps, ios) : NO_LATENCY;
}

static void print_device(const struct text *t, const char *name, double mib_s, double iops, double latency_ps)
{
	cell_t bw, rate, latency;

	fprintf(t->f, DEVICE_ROW "\n", name, mib_cell(bw, mib_s), count_cell(rate, iops),
		latency_ps < 0 ? "-" : time_cell(latency, latency_ps));
}

/* Each value in its own right: the device with the least bandwidth need not have the least latency. */
struct device_range {
	uint64_t min_bytes, max_bytes, min_ios, max_ios;
	double min_latency_ps, max_latency_ps; /* of those that completed anything */
};

static struct device_range device_range(const struct host_result *r)
{
	struct device_range range = {
		.min_bytes = UINT64_MAX,
		.min_ios = UINT64_MAX,
		.min_latency_ps = NO_LATENCY,
		.max_latency_ps = NO_LATENCY,
	};
	uint32_t i;

	for (i = 0; i < r->device_count; i++) {
		const struct host_device_result *d = &r->devices[i];
		double latency_ps = device_latency(d->latency_sum_ps, d->ios);

		if (d->bytes < range.min_bytes)
			range.min_bytes = d->bytes;
		if (d->bytes > range.max_bytes)
			range.max_bytes = d->bytes;
		if (d->ios < range.min_ios)
			range.min_ios = d->ios;
		if (d->ios > range.max_ios)
			range.max_ios = d->ios;
		if (d->ios && (range.min_latency_ps < 0 || latency_ps < range.min_latency_ps))
			range.min_latency_ps = latency_ps;
		if (latency_ps > range.max_latency_ps)
			range.max_latency_ps = latency_ps;
	}
	return range;
}

static void print_device_range(const struct text *t)
{
	const struct host_result *r = &t->run->total;
	struct device_range range = device_range(r);
	double count = r->device_count;

	print_device(t, "min", report_mib_s(range.min_bytes, r->elapsed_ps),
		     report_per_s(range.min_ios, r->elapsed_ps), range.min_latency_ps);
	print_device(t, "mean", report_mib_s(r->bytes, r->elapsed_ps) / count,
		     report_per_s(r->ios, r->elapsed_ps) / count, device_latency(r->latency_sum_ps, r->ios));
	print_device(t, "max", report_mib_s(range.max_bytes, r->elapsed_ps),
		     report_per_s(range.max_ios, r->elapsed_ps), range.max_latency_ps);
}

static void print_devices(const struct text *t)
{
	const struct host_result *r = &t->run->total;
	uint32_t shown = r->device_count < MAX_DEVICES ? r->device_count : MAX_DEVICES, i;
	cell_t name;

	if (r->device_count < 2)
		return;
	fputc('\n', t->f);
	line_in(t, BOLD, DEVICE_ROW, "device", "bw MiB/s", "IOPS", "clat mean");
	for (i = 0; i < shown; i++) {
		const struct host_device_result *d = &r->devices[i];

		print_device(t, integer_cell(name, i), report_mib_s(d->bytes, r->elapsed_ps),
			     report_per_s(d->ios, r->elapsed_ps), device_latency(d->latency_sum_ps, d->ios));
	}
	left_out(t, r->device_count, shown, "device");
	if (r->device_count > shown)
		print_device_range(t);
}

/* ---- locks ---- */

#define LOCK_ROW "  %-*s %5s %9s %9s %9s %8s %8s %9s %8s %7s %8s"

typedef char name_t[MAX_NAME + 2];

/* All locks of one name, as lock_stat and perf have them. */
struct lock_class_result {
	uint32_t locks;
	struct host_lock_result sum; /* and maxima */
	uint64_t hold_most_ps;	     /* of the lock that was held longest in all */
};

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void add_lock(struct lock_class_result *class, const struct host_lock_result *l)
{
	struct host_lock_result *sum = &class->sum;

	class->locks++;
	class->hold_most_ps = max_u64(class->hold_most_ps, l->hold_total_ps);
	sum->acquisitions += l->acquisitions;
	sum->contended += l->contended;
	sum->wait_total_ps += l->wait_total_ps;
	sum->hold_total_ps += l->hold_total_ps;
	sum->wait_max_ps = max_u64(sum->wait_max_ps, l->wait_max_ps);
	sum->hold_max_ps = max_u64(sum->hold_max_ps, l->hold_max_ps);
	sum->irq_off_max_ps = max_u64(sum->irq_off_max_ps, l->irq_off_max_ps);
}

static int by_wait(const void *a, const void *b)
{
	const struct host_lock_result *x = &((const struct lock_class_result *)a)->sum;
	const struct host_lock_result *y = &((const struct lock_class_result *)b)->sum;

	if (x->wait_total_ps != y->wait_total_ps)
		return x->wait_total_ps > y->wait_total_ps ? -1 : 1;
	if (x->acquisitions != y->acquisitions)
		return x->acquisitions > y->acquisitions ? -1 : 1;
	return strcmp(x->name, y->name);
}

static uint32_t classify_locks(const struct host_result *r, struct lock_class_result *classes)
{
	uint32_t count = 0, i, k;

	for (i = 0; i < r->lock_count; i++) {
		for (k = 0; k < count; k++)
			if (!strcmp(classes[k].sum.name, r->locks[i].name))
				break;
		if (k == count) {
			assert(count < SIM_MAX_LOCK_CLASSES);
			memset(&classes[count], 0, sizeof(classes[count]));
			classes[count++].sum.name = r->locks[i].name;
		}
		add_lock(&classes[k], &r->locks[i]);
	}
	qsort(classes, count, sizeof(*classes), by_wait);
	return count;
}

static void print_lock(const struct text *t, int width, const char *name, const struct lock_class_result *class)
{
	const struct host_lock_result *l = &class->sum;
	cell_t locks, acquired, contended, wait_mean, wait_max, wait_total, hold_mean, hold_max, util, irq_off;

	fprintf(t->f, LOCK_ROW "\n", width, name, integer_cell(locks, class->locks),
		integer_cell(acquired, l->acquisitions), integer_cell(contended, l->contended),
		mean_time_cell(wait_mean, l->wait_total_ps, l->contended),
		time_cell(wait_max, (double)l->wait_max_ps), time_cell(wait_total, (double)l->wait_total_ps),
		mean_time_cell(hold_mean, l->hold_total_ps, l->acquisitions),
		time_cell(hold_max, (double)l->hold_max_ps),
		percent_cell(util, report_ratio(class->hold_most_ps, t->run->total.elapsed_ps)),
		time_cell(irq_off, (double)l->irq_off_max_ps));
}

static int name_width(const name_t *names, uint32_t count, const char *head)
{
	size_t width = strlen(head);
	uint32_t i;

	for (i = 0; i < count; i++)
		if (strlen(names[i]) > width)
			width = strlen(names[i]);
	return (int)width;
}

static void print_locks(const struct text *t)
{
	struct lock_class_result classes[SIM_MAX_LOCK_CLASSES];
	uint32_t count = classify_locks(&t->run->total, classes);
	uint32_t shown = count < MAX_CLASSES ? count : MAX_CLASSES, i;
	name_t names[MAX_CLASSES];
	int width;

	if (!shown)
		return;
	for (i = 0; i < shown; i++) {
		snprintf(names[i], sizeof(names[i]), "%s", classes[i].sum.name);
		tame(names[i], MAX_NAME + 1);
	}
	width = name_width(names, shown, "lock");
	fputc('\n', t->f);
	/* Utilisation is that of the busiest lock of the name. */
	line_in(t, BOLD, LOCK_ROW, width, "lock", "locks", "acquired", "contended", "wait mean", "wait max",
		"wait tot", "hold mean", "hold max", "util", "irqs off");
	for (i = 0; i < shown; i++)
		print_lock(t, width, names[i], &classes[i]);
	left_out(t, count, shown, "kind");
}

/* ---- cache lines ---- */

#define LINE_ROW "  %-*s %9s %9s %9s %7s"
#define LINE_NUMBERS (2 + 1 + 9 + 1 + 9 + 1 + 9 + 1 + 7) /* width of a row without the name */

/* The fields after the numbers, on as many rows as they need. */
static void print_fields(const struct text *t, const struct host_line_result *l, int indent)
{
	uint32_t next = 0;
	const char *field = report_line_field(l, &next), *following;
	int column = indent + 1, width;

	for (; field; field = following) {
		following = report_line_field(l, &next);
		width = (int)strlen(field) + 2; /* a blank before, a comma behind */
		if (column > indent + 1 && column + width > WIDTH) {
			fprintf(t->f, "\n%*s", indent, "");
			column = indent + 1;
		}
		fprintf(t->f, "%s%s%s", column > indent + 1 ? " " : "  ", field, following ? "," : "");
		column += width;
	}
	fputc('\n', t->f);
}

static void print_line(const struct text *t, int width, const char *name, const struct host_line_result *l,
		       uint64_t stall_ps)
{
	const struct host_result *r = &t->run->total;
	cell_t local, remote, stall, share;

	snprintf(local, sizeof(local), "%.3f", report_ratio(l->transfers_local, r->ios));
	snprintf(remote, sizeof(remote), "%.3f", report_ratio(l->transfers_remote, r->ios));
	fprintf(t->f, LINE_ROW, width, name, local, remote, mean_time_cell(stall, l->stall_ps, r->ios),
		percent_cell(share, report_ratio(l->stall_ps, stall_ps)));
	print_fields(t, l, width + LINE_NUMBERS);
}

static void print_lines(const struct text *t)
{
	const struct host_result *r = &t->run->total;
	uint32_t shown = r->line_count < MAX_LINES ? r->line_count : MAX_LINES, i;
	uint64_t stall_ps = 0;
	name_t names[MAX_LINES];
	int width;

	if (!shown || !r->ios)
		return;
	for (i = 0; i < r->line_count; i++)
		stall_ps += r->lines[i].stall_ps;
	for (i = 0; i < shown; i++) {
		report_line_name(&r->lines[i], names[i], sizeof(names[i]), NULL, 0);
		tame(names[i], MAX_NAME + 1);
	}
	width = name_width(names, shown, "cache line");
	fputc('\n', t->f);
	line_in(t, BOLD, LINE_ROW "  fields", width, "cache line", "local/IO", "remote/IO", "stall/IO", "share");
	for (i = 0; i < shown; i++)
		print_line(t, width, names[i], &r->lines[i], stall_ps);
	left_out(t, r->line_count, shown, "cache line");
}

/* ---- map calls ---- */

#define MAP_ROW "  %-8s %9s %10s %9s %9s %9s %11s %9s %9s"

/* All parts over @by. */
static void print_map_row(const struct text *t, const char *name, const char *(*print)(cell_t, double), uint64_t by)
{
	const struct host_result *r = &t->run->total;
	cell_t cells[MAP_PART_COUNT], total;
	uint32_t i;

	for (i = 0; i < MAP_PART_COUNT; i++)
		print(cells[i], report_ratio(r->map_part_ps[i], by));
	fprintf(t->f, MAP_ROW "\n", name, cells[MAP_iova], cells[MAP_page_table], cells[MAP_sync_map],
		cells[MAP_lock_wait], cells[MAP_lock_hold], cells[MAP_line_stalls], cells[MAP_other],
		print(total, report_ratio(report_map_ps(r), by)));
}

/* What the time of a map call is made of. */
static void print_map_call(const struct text *t)
{
	const struct host_result *r = &t->run->total;
	uint64_t maps = r->map_calls[FN_dma_map];

	if (report_is_native(t->run) || !maps)
		return;
	fputc('\n', t->f);
	line_in(t, BOLD, MAP_ROW, "map call", "iova", "page table", "sync map", "lock wait", "lock hold",
		"line stalls", "other", "total");
	print_map_row(t, "time", time_cell, maps);
	print_map_row(t, "share", percent_cell, report_map_ps(r));
}

/* ---- calls and origin ---- */

static void print_calls(const struct text *t)
{
	const struct host_result *r = &t->run->total;
	uint32_t fn;

	if (!r->ios)
		return;
	fputc('\n', t->f);
	line_in(t, BOLD, "  %9s  %s", "calls/IO", "function");
	for (fn = 0; fn < FN_COUNT; fn++)
		fprintf(t->f, "  %9.4f  %s\n", report_ratio(r->calls[fn], r->ios), function_names[fn]);
}

static void print_oracle(const struct text *t)
{
	const struct oracle_stats *o = &t->run->total.oracle;
	enum oracle_mode mode = t->run->scenario->params.sim.oracle;
	cell_t mean, max;

	if (mode == ORACLE_OFF)
		return;
	fprintf(t->f, "\n  oracle (%s): %llu maps, %llu unmaps and %llu DMAs of a page as promised\n",
		mode == ORACLE_SAMPLE ? "one page in 16" : "every page", (unsigned long long)o->maps,
		(unsigned long long)o->unmaps, (unsigned long long)o->dmas);
	if (o->windows)
		fprintf(t->f,
			"  stale window: mean %s, max %s from an unmap's return to the invalidation that "
			"covers it (%llu pages)\n",
			time_cell(mean, report_ratio(o->window_sum_ps, o->windows)),
			time_cell(max, (double)o->window_max_ps), (unsigned long long)o->windows);
}

/* What a native run does not show, and why. */
static void print_native_limits(const struct text *t)
{
	const char *blind = report_blind_spots(&t->run->scenario->topology);

	fputc('\n', t->f);
	if (!t->run->scenario->options.lock_stat)
		line_in(t, DIM, "--lock-stat shows the locks, and slows them down");
	if (blind)
		line_in(t, DIM, "%s", blind);
}

static void print_origin(const struct text *t)
{
	const struct options *o = &t->run->scenario->options;
	const char *local = options_origin(o, OPTION_local_ns), *remote = options_origin(o, OPTION_remote_ns);

	if (report_is_native(t->run)) {
		print_native_limits(t);
		return;
	}
	fputc('\n', t->f);
	if (strcmp(local, remote))
		line_in(t, DIM, "local/remote latency: %s/%s", local, remote);
	else
		line_in(t, DIM, "local/remote latency: %s", local);
}

int report_text(FILE *f, const struct run *run, const struct runner *runner, bool color)
{
	const struct text t = { f, color, run };

	print_head(&t);
	if (report_interrupted(run, runner))
		line_in(&t, ALARM, "interrupted: %u of %u repetitions complete", run->complete, run->rep_count);
	if (run->complete) {
		print_summary(&t);
		print_cpus(&t);
		print_devices(&t);
		print_locks(&t);
		print_lines(&t);
		print_map_call(&t);
		print_calls(&t);
		print_oracle(&t);
		print_origin(&t);
	}
	return fflush(f) || ferror(f) ? -EIO : 0;
}
