/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_report.c - text and JSON reports of runs made by hand, and docs/results.schema.json against the JSON
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "bench/report.h"
#include "tests/json_schema.h"

/* ---- a run made by hand ---- */

#define DEVICES 12
#define LOCKS 80
#define LINES 40
#define REPS 3

static const struct obj_field domain_fields[] = {
	{ "flags", 24, 1 },	    { "iommu_array", 8, 16 },	     { "cache_lock", 64, 4 },
	{ "cache_tags", 72, 16 },   { "qi_batch", 88, 8 },	     { "agaw", 116, 4 },
	{ "max_addr", 120, 8 },	    { "straddles", 120, 16 },	     { "nested", 136, 8 },
	{ "entries", 192, 65 },	    { "a_rather_long_name", 64, 1 }, { "pgd", 104, 8 },
	{ "another_name", 127, 1 },
};
static const struct obj_type domain_type = { "dmar_domain", domain_fields, ARRAY_SIZE(domain_fields), false };
static const struct obj_type plain_type = { "page table", NULL, 0, false };

struct fixture {
	struct scenario s;
	struct run run;
	struct run_rep reps[REPS];
	struct host_device_result devices[DEVICES];
	struct host_lock_result locks[LOCKS];
	struct host_line_result lines[LINES];
	struct runner runner;
	volatile sig_atomic_t interrupted;
	struct cmd_context ctx;
};

static char *fixture_argv[] = { (char *)"simbench", (char *)"run", NULL };

static void fill_scenario(struct scenario *s)
{
	struct options_error err;

	assert_int_equal(options_init(&s->options), 0);
	s->options.scope = S_RUN;
	assert_int_equal(options_set(&s->options, "local_ns", "67.5", "fit.ini:3", &err), 0);
	assert_int_equal(options_set(&s->options, "machine", "package:2 l3:1 core:48 pu:2", "", &err), 0);
	/* Whatever the defaults are. */
	s->options.remote_ns = 160000;
	s->options.rw = RW_RANDREAD;
	s->options.runtime = 60000000000;
	s->options.seed = 1;
	s->options.invalidation = INVALIDATION_LAZY;
	s->topology.pu_count = 192;
	s->params.devices = 2;
	s->params.shared_bridge = true;
	s->params.units = 1;
	s->params.domain.policy = POLICY_ALWAYS;
	s->params.domain.lazy = true;
	s->params.jobs = 8;
	s->params.iodepth = 32;
	s->params.bs = 4096;
	s->params.read_pct = 100;
}

/* @ios I/Os of 100 to 199 us in 60 ms. */
static void fill_result(struct host_result *r, uint64_t ios)
{
	uint64_t i;

	histogram_init(&r->latency_ns);
	r->elapsed_ps = 60000000000;
	r->ios = ios;
	r->read_ios = ios - ios / 4;
	r->bytes = ios * 4096;
	for (i = 0; i < ios; i++) {
		histogram_record(&r->latency_ns, 100000 + i % 100 * 1000);
		r->latency_sum_ps += (100000 + i % 100 * 1000) * 1000;
	}
	r->inflight_samples = 1000;
	r->inflight_sum = 256500;
	r->events = 10 * ios;
	r->completed = ios + 100;
}

static void fill_total(struct fixture *x)
{
	struct host_result *r = &x->run.total;
	uint32_t i;

	fill_result(r, 147456);
	r->elapsed_ps *= 2;
	for (i = 0; i < FN_COUNT; i++)
		r->calls[i] = 147456 * i / 2;
	for (i = 0; i < FN_COUNT; i++)
		r->map_calls[i] = 100000 * (i + 1) / 2;
	for (i = 0; i < MAP_PART_COUNT; i++)
		r->map_part_ps[i] = 50000 * (i * i + 1) * 100000ULL;
	for (i = 0; i < DEVICES; i++)
		x->devices[i] = (struct host_device_result){ 73728, 73728 * 4096, 73728 * (100 + i) * 1000000ULL };
	r->devices = x->devices;
	r->device_count = 2;
	x->locks[0] = (struct host_lock_result){ "cache_lock", 0,	 147456,      100000,  147000,
						 500000000000, 11500000, 48000000000, 2600000, 16500000 };
	x->locks[1] = (struct host_lock_result){ "sq_lock", 0, 1000, 0, 0, 0, 0, 67500000, 67500, 0 };
	x->locks[2] =
		(struct host_lock_result){ "sq_lock", 1, 3000, 10, 1000, 5000000, 900000, 1200000000, 90000, 7000 };
	r->locks = x->locks;
	r->lock_count = 3;
	x->lines[0] = (struct host_line_result){ &domain_type, 1, 589824, 294912, 147456 * 3000000ULL };
	x->lines[1] = (struct host_line_result){ &plain_type, UINT32_MAX, 49152, 0, 147456 * 1000000ULL };
	r->lines = x->lines;
	r->line_count = 2;
	r->cpu_count = 16;
	r->cpu_idle_ps = r->elapsed_ps * 4;
	r->cpu_spin_ps = r->elapsed_ps * 8;
	r->cpu_stall_ps = r->elapsed_ps * 2;
	r->irq_off_max_ps = 34100000;
	r->iotlb_hits = 7;
	r->iotlb_misses = 3;
	r->write_buffer_flushes = 5;
	r->iotlb_invalidations = 11;
	r->devtlb_invalidations = 13;
}

/* Two repetitions of 300 and 276 MiB in 60 ms each: 5000 and 4600 MiB/s. */
static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	fill_scenario(&x->s);
	x->run.scenario = &x->s;
	x->run.reps = x->reps;
	x->run.rep_count = 2;
	x->run.complete = 2;
	x->reps[0].seed = 1;
	x->reps[1].seed = 2;
	fill_result(&x->reps[0].result, 76800);
	fill_result(&x->reps[1].result, 70656);
	fill_total(x);
	x->run.throughput_mib_s = (struct estimate){ .mean = 4800, .min = 4600, .max = 5000, .ci95 = 25.4 };
	x->run.iops = (struct estimate){ .mean = 1228800, .min = 1177600, .max = 1280000, .ci95 = 6502.4 };
	x->runner.interrupted = &x->interrupted;
	x->runner.wall_s = 2;
	x->ctx = (struct cmd_context){ 2, fixture_argv, &x->interrupted };
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	options_free(&x->s.options);
	free(x);
	return 0;
}

/* Nothing was complete: as runner_run() leaves it. */
static void nothing_complete(struct fixture *x)
{
	uint32_t i;

	for (i = 0; i < x->run.rep_count; i++) {
		memset(&x->reps[i].result, 0, sizeof(x->reps[i].result));
		x->reps[i].ret = -EINTR;
	}
	memset(&x->run.total, 0, sizeof(x->run.total));
	histogram_init(&x->run.total.latency_ns);
	memset(&x->run.throughput_mib_s, 0, sizeof(x->run.throughput_mib_s));
	memset(&x->run.iops, 0, sizeof(x->run.iops));
	x->run.complete = 0;
}

/* Everything ran, and nothing happened. */
static void nothing_happened(struct fixture *x)
{
	nothing_complete(x);
	x->reps[0].ret = x->reps[1].ret = 0;
	x->run.complete = 2;
	x->run.total.devices = x->devices;
	x->run.total.device_count = 2;
	x->run.total.locks = x->locks;
	x->run.total.lock_count = 1;
	x->run.total.lines = x->lines;
	x->run.total.line_count = 1;
	memset(x->devices, 0, sizeof(x->devices));
	x->locks[0] = (struct host_lock_result){ .name = "cache_lock" };
	x->lines[0] = (struct host_line_result){ .type = &domain_type };
}

/* The text report; the caller frees it. */
static char *text(const struct fixture *x, bool color)
{
	char *s = NULL;
	size_t size;
	FILE *f = open_memstream(&s, &size);

	assert_non_null(f);
	assert_int_equal(report_text(f, &x->run, &x->runner, color), 0);
	assert_int_equal(fclose(f), 0);
	return s;
}

/* report_json() into @s, which the caller frees. */
static int try_json(const struct fixture *x, const struct run *runs, uint32_t count, char **s)
{
	size_t size;
	FILE *f = open_memstream(s, &size);
	int ret;

	assert_non_null(f);
	ret = report_json(f, &x->ctx, runs, count, &x->runner);
	assert_int_equal(fclose(f), 0);
	return ret;
}

/* The JSON report; the caller frees it. */
static char *json(const struct fixture *x, const struct run *runs, uint32_t count)
{
	char *s = NULL;

	assert_int_equal(try_json(x, runs, count, &s), 0);
	return s;
}

/* cmocka cuts its messages at 1024 bytes. */
static void failed_on(const char *report, const char *why, const char *what)
{
	fputs(report, stderr);
	fail_msg("%s: %s", why, what);
}

static void has(const struct fixture *x, const char *wanted)
{
	char *s = text(x, false);

	if (!strstr(s, wanted))
		failed_on(s, "this is not there", wanted);
	free(s);
}

static void has_not(const struct fixture *x, const char *unwanted)
{
	char *s = text(x, false);

	if (strstr(s, unwanted))
		failed_on(s, "this is there", unwanted);
	free(s);
}

/* ---- text ---- */

static void test_text_whole(void **state)
{
	static const char wanted[] =
		"always, second stage, lazy: 2 devices, shared bridge, randread bs=4k, numjobs=8, iodepth=32\n"
		"package:2 l3:1 core:48 pu:2, 192 CPUs; "
		"line transfer 67.5ns local, 160ns remote; seed 1, 2 x 60ms\n"
		"\n"
		"  READ:  bw=4800MiB/s +-25.4, IOPS=1229k +-6.50k, "
		"clat p50/p99/p99.9=150 us/199 us/199 us, mean=149 us\n"
		"  CPU:   16 in use, 75.0 % busy, 50.0 % spinning, 12.5 % stalled on cache lines, "
		"interrupts off for up to 34.1 us\n"
		"\n"
		"  device     bw MiB/s       IOPS    clat mean\n"
		"       0         2400       614k       100 us\n"
		"       1         2400       614k       101 us\n"
		"\n"
		"  lock       locks  acquired contended wait mean wait max wait tot"
		" hold mean hold max    util irqs off\n"
		"  cache_lock     1    147456    100000   5.00 us  11.5 us   500 ms"
		"    326 ns  2.60 us  40.0 %  16.5 us\n"
		"  sq_lock        2      4000        10    500 ns   900 ns  5.00 us"
		"    317 ns  90.0 ns   1.0 %  7.00 ns\n"
		"\n"
		"  cache line      local/IO remote/IO  stall/IO   share  fields\n"
		"  dmar_domain+64     4.000     2.000   3.00 us  75.0 %  cache_lock, cache_tags, qi_batch, agaw, "
		"max_addr, straddles,\n"
		"                                                        a_rather_long_name, pgd, another_name\n"
		"  page table         0.333     0.000   1.00 us  25.0 %\n"
		"\n"
		"  map call      iova page table  sync map lock wait lock hold line stalls     other     total\n"
		"  time        100 ns     200 ns    500 ns   1.00 us   1.70 us     2.60 us   3.70 us   9.80 us\n"
		"  share        1.0 %      2.0 %     5.1 %    10.2 %    17.3 %      26.5 %    37.8 %   100.0 %\n"
		"\n"
		"   calls/IO  function\n"
		"     0.0000  dma_map\n"
		"     0.5000  dma_unmap\n"
		"     1.0000  iotlb_sync_map\n"
		"     1.5000  cache_tag_flush_range_np\n"
		"     2.0000  cache_tag_flush_range\n"
		"     2.5000  cache_tag_flush_all\n"
		"     3.0000  qi_submit_sync\n"
		"     3.5000  iommu_flush_write_buffer\n"
		"\n"
		"local/remote latency: fit.ini:3/default\n";
	char *s = text(*state, false);

	if (strcmp(s, wanted))
		failed_on(s, "this was expected", wanted);
	free(s);
}

static void test_text_head(void **state)
{
	struct fixture *x = *state;
	struct host_params *p = &x->s.params;
	struct options_error err;

	p->domain.lazy = false;
	p->domain.first_stage = true;
	has(x, "always, first stage, strict: 2");
	x->s.forced_strict = true;
	p->ats = true;
	p->domain.layout = LAYOUT_PADDED;
	p->sim.lock = LOCK_TICKET;
	has(x,
	    "always, first stage, strict (forced by caching mode), ATS, padded layout, ticket locks: 2 devices, ");
	p->shared_bridge = false;
	p->units = 2;
	has(x, "locks: 2 devices, separate bridges, 2 VT-d units, randread");
	p->domain.policy = POLICY_PT;
	p->ats = false;
	p->domain.layout = LAYOUT_KERNEL;
	p->sim.lock = LOCK_QSPINLOCK;
	p->devices = p->units = 1;
	has(x, "pt (no translation): 1 device, randread");

	assert_int_equal(options_set(&x->s.options, "local_ns", "80", "--fit", &err), 0);
	assert_int_equal(options_set(&x->s.options, "remote_ns", "1.2us", "--fit", &err), 0);
	assert_int_equal(options_set(&x->s.options, "seed", "18446744073709551615", "--fit", &err), 0);
	assert_int_equal(options_set(&x->s.options, "machine",
				     "a/very/long/path/a/very/long/path/a/very/long/path/a/very/long/path/of.xml",
				     "", &err),
			 0);
	has(x, "\na/very/long/path/a/very/long/path/a/very/long/path/a/very/lon..., 192 CPUs; line transfer 80ns "
	       "local, "
	       "1.2us remote; seed 18446744073709551615, 2 x 60ms\n");
	has(x, "local/remote latency: --fit\n");
}

static void test_text_rw(void **state)
{
	struct fixture *x = *state;

	x->s.params.read_pct = 0;
	x->s.options.rw = RW_RANDWRITE;
	has(x, "randwrite bs=4k");
	has(x, "\n  WRITE: bw=4800MiB/s +-25.4, IOPS=1229k +-6.50k, clat");
	has_not(x, "READ");

	x->s.params.read_pct = 75;
	x->s.options.rw = RW_RANDRW;
	has(x, "randrw 75/25 bs=4k");
	has(x, "\n  READ:  bw=3600MiB/s, IOPS=922k\n"
	       "  WRITE: bw=1200MiB/s, IOPS=307k\n"
	       "  ALL:   bw=4800MiB/s +-25.4, IOPS=1229k +-6.50k, clat p50");
}

static void test_text_one_repetition(void **state)
{
	struct fixture *x = *state;

	x->run.complete = x->run.rep_count = 1;
	has(x, "bw=4800MiB/s, IOPS=1229k, clat");
	has_not(x, "+-");
}

static void test_text_devices(void **state)
{
	struct fixture *x = *state;
	struct host_result *r = &x->run.total;

	r->device_count = 1;
	has_not(x, "device  ");
	r->device_count = 8;
	has(x, "       7         2400       614k       107 us\n\n  lock");
	has_not(x, "more device");
	has_not(x, "mean  ");
	r->device_count = 9;
	has(x, "       7         2400       614k       107 us\n  ... 1 more device\n");
	r->device_count = DEVICES;
	x->devices[9].ios = 10000;
	x->devices[10].bytes = 1000000;
	x->devices[11] = (struct host_device_result){ 0, 100000, 0 };
	has(x, "       7         2400       614k       107 us\n  ... 4 more devices\n"
	       "     min          0.8          0       100 us\n"
	       "    mean        400.0       102k       149 us\n"
	       "     max         2400       614k       804 us\n\n");
	/* 23 I/Os of 12 devices: not 1 each. */
	r->ios = 23;
	r->bytes = 23 * 4096;
	r->elapsed_ps = 1000000000;
	has(x, "    mean          7.5      1.92k ");
	memset(x->devices, 0, sizeof(x->devices));
	r->bytes = r->ios = 0;
	has(x, "     min          0.0          0            -\n"
	       "    mean          0.0          0            -\n"
	       "     max          0.0          0            -\n\n");
}

static void test_text_locks(void **state)
{
	static char names[16][8];
	struct fixture *x = *state;
	struct host_result *r = &x->run.total;
	uint32_t i;

	for (i = 0; i < 16; i++) {
		snprintf(names[i], sizeof(names[i]), "lock_%c", 'a' + (int)i);
		x->locks[i] = (struct host_lock_result){ names[i], 0, i, 0, 0, 0, 0, 0, 0, 0 };
	}
	r->lock_count = 16;
	has(x,
	    "\n  lock_g     1         6         0         -     0 ns     0 ns      0 ns     0 ns   0.0 %     0 ns\n"
	    "  ... 6 more kinds\n");
	has_not(x, "lock_f");
	r->lock_count = 11;
	has(x, "... 1 more kind\n");
	r->lock_count = 10;
	has_not(x, "more kind");
	x->locks[3].wait_total_ps = 1000;
	x->locks[3].acquisitions = 20000000000;
	has(x, "irqs off\n  lock_d     1    20000M         0");
	r->lock_count = 0;
	has_not(x, "irqs off");
}

static void test_text_odd_names(void **state)
{
	struct fixture *x = *state;

	x->locks[0].name = "a\tb\033[1m\x7f\n";
	x->locks[1].name = "a_name_of_thirty_two_characters_";
	x->locks[2].name = "a_name_of_thirty_three_characters";
	has(x, "\n  a?b?[1m?? ");
	has(x, "\n  a_name_of_thirty_two_characters_     1 ");
	has(x, "\n  a_name_of_thirty_three_charac...     1 ");
}

static void test_text_lines(void **state)
{
	struct fixture *x = *state;
	struct host_result *r = &x->run.total;
	uint32_t i;

	for (i = 0; i < LINES; i++)
		x->lines[i] = (struct host_line_result){ &domain_type, i, i, 0, 0 };
	r->line_count = 14;
	has(x, "\n  dmar_domain+704     0.000     0.000      0 ns   0.0 %\n  ... 2 more cache lines\n");
	has_not(x, "dmar_domain+768");
	r->line_count = 12;
	has_not(x, "more cache");
	r->line_count = 0;
	has_not(x, "cache line  ");
}

/* A field is on the row as long as it and a comma end within the width. */
static void test_text_wrap(void **state)
{
	static char names[2][80] = { "a" };
	static const struct obj_field fields[] = { { names[0], 0, 1 }, { names[1], 1, 1 } };
	static const struct obj_type type = { "t", fields, ARRAY_SIZE(fields), false };
	struct fixture *x = *state;
	char wanted[200];

	x->lines[0] = (struct host_line_result){ .type = &type };
	x->run.total.line_count = 1;
	memset(names[1], 'b', 60);
	snprintf(wanted, sizeof(wanted), "  0 ns   0.0 %%  a, %s\n", names[1]);
	has(x, wanted);
	names[1][60] = 'b';
	snprintf(wanted, sizeof(wanted), "  0 ns   0.0 %%  a,\n%*s%s\n", 52, "", names[1]);
	has(x, wanted);
	/* What is too long for any row does not leave one empty. */
	memset(names[0], 'a', 79);
	snprintf(wanted, sizeof(wanted), "  0 ns   0.0 %%  %s,\n", names[0]);
	has(x, wanted);
}

static void test_text_times(void **state)
{
	static const struct {
		uint64_t ps;
		const char *wanted;
	} times[] = {
		{ 0, "to 0 ns\n" },
		{ 1, "to 0.00 ns\n" },
		{ 500, "to 0.50 ns\n" },
		{ 9994, "to 9.99 ns\n" },
		{ 9995, "to 10.0 ns\n" },
		{ 67500, "to 67.5 ns\n" },
		{ 99949, "to 99.9 ns\n" },
		{ 99951, "to 100 ns\n" },
		{ 999499, "to 999 ns\n" },
		{ 999500, "to 1.00 us\n" },
		{ 999499999999, "to 999 ms\n" },
		{ 999500000000, "to 1.00 s\n" },
		{ 60000000000000, "to 60.0 s\n" },
		{ UINT64_MAX, "to 18446744 s\n" },
	};
	struct fixture *x = *state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(times); i++) {
		x->run.total.irq_off_max_ps = times[i].ps;
		has(x, times[i].wanted);
	}
}

static void test_text_rates(void **state)
{
	static const struct {
		double mib, iops;
		const char *wanted;
	} rates[] = {
		{ 0, 0, "bw=0.0MiB/s, IOPS=0, " },
		{ 3.84, 983, "bw=3.8MiB/s, IOPS=983, " },
		{ 999.94, 999.4, "bw=999.9MiB/s, IOPS=999, " },
		{ 999.96, 999.6, "bw=1000MiB/s, IOPS=1.00k, " },
		{ 5000, 99940, "bw=5000MiB/s, IOPS=99.9k, " },
		{ 50000, 9999400, "bw=50000MiB/s, IOPS=9999k, " },
		{ 5000000000, 9999600, "bw=5000000000MiB/s, IOPS=10.0M, " },
		{ 1, 128e6, "IOPS=128M, " },
	};
	struct fixture *x = *state;
	size_t i;

	x->run.complete = x->run.rep_count = 1;
	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		x->run.throughput_mib_s.mean = rates[i].mib;
		x->run.iops.mean = rates[i].iops;
		has(x, rates[i].wanted);
	}
}

static void test_text_interrupted(void **state)
{
	struct fixture *x = *state;

	has_not(x, "interrupted:");
	x->run.rep_count = 5;
	has(x, "5 x 60ms\ninterrupted: 2 of 5 repetitions complete\n\n  READ:");
	x->run.rep_count = 2;
	x->interrupted = 2;
	has(x, "\ninterrupted: 2 of 2 repetitions complete\n\n  READ:");
	x->runner.interrupted = NULL;
	has_not(x, "interrupted:");
}

/* Everything but the digits of the two lines that say what was to be simulated. */
static void test_text_nothing(void **state)
{
	struct fixture *x = *state;
	char *s;

	nothing_complete(x);
	s = text(x, false);
	assert_non_null(strstr(s, "2 x 60ms\ninterrupted: 0 of 2 repetitions complete\n"));
	assert_string_equal(strstr(s, "complete\n"), "complete\n");
	free(s);

	nothing_happened(x);
	s = text(x, false);
	assert_non_null(strstr(s, "bw=0.0MiB/s +-0.0, IOPS=0 +-0, no I/O completed\n"));
	assert_non_null(strstr(s, "0 in use, 0.0 % busy, 0.0 % spinning, 0.0 % stalled"));
	assert_non_null(strstr(s, "\n       1          0.0          0            -\n"));
	assert_non_null(strstr(s, "\n  cache_lock     1         0         0         -     0 ns"));
	assert_null(strstr(s, "/IO"));
	assert_null(strstr(s, "map call"));
	assert_null(strcasestr(s, "nan"));
	assert_null(strcasestr(s, "inf"));
	free(s);
}

static void test_text_color(void **state)
{
	struct fixture *x = *state;
	char *plain, *colored, *from, *to;
	bool on = false;

	x->run.rep_count = 3;
	x->run.total.device_count = DEVICES;
	plain = text(x, false);
	colored = text(x, true);
	assert_null(strchr(plain, '\033'));
	assert_non_null(strstr(colored, "\033[1m  lock "));
	assert_non_null(strstr(colored, "\033[2m  ... 4 more devices\033[0m\n"));
	/* Without the attributes it is the same; each line ends what it began. */
	for (from = to = colored; *from; from++) {
		if (*from == '\033') {
			on = strncmp(from, "\033[0m", 4);
			from = strchr(from, 'm');
			continue;
		}
		if (*from == '\n')
			assert_false(on);
		*to++ = *from;
	}
	*to = '\0';
	assert_string_equal(colored, plain);
	free(plain);
	free(colored);
}

/* Every row of the table whose head begins with @columns[0] ends its cells where the head's columns end. */
static void check_columns(const char *report, const char *const *columns)
{
	const char *head = strstr(report, columns[0]), *row;
	size_t end;

	assert_non_null(head);
	for (columns++; *columns; columns++) {
		end = (size_t)(strstr(head, *columns) - head) + strlen(*columns);
		for (row = strchr(head, '\n') + 1; *row != '\n'; row = strchr(row, '\n') + 1) {
			if (!strncmp(row, "  ... ", 6))
				continue;
			if (strcspn(row, "\n") < end || row[end - 1] == ' ' || row[end] > ' ')
				failed_on(head, "a column that is not in line", *columns);
		}
	}
}

#define COLUMNS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_text_columns(void **state)
{
	struct fixture *x = *state;
	char *s, *line;
	uint32_t i;

	x->s.params.read_pct = 70;
	x->run.total.device_count = DEVICES;
	x->locks[0].name = "&iovad->iova_rbtree_lock";
	x->locks[0].acquisitions = x->locks[0].contended = 999999999;
	x->locks[0].wait_max_ps = 999499000;
	x->locks[2].wait_max_ps = 12345678901234;
	x->lines[1].transfers_remote = 147456ULL * 1234;
	s = text(x, false);
	check_columns(s, COLUMNS("  device ", "device", "bw MiB/s", "IOPS", "clat mean"));
	check_columns(s, COLUMNS("  lock ", "locks", "acquired", "contended", "wait mean", "wait max", "wait tot",
				 "hold mean", "hold max", "util", "irqs off"));
	check_columns(s, COLUMNS("  map call ", "iova", "page table", "sync map", "lock wait", "lock hold",
				 "line stalls", "other", "total"));
	x->run.total.line_count = 1; /* rows of fields alone have no cells */
	for (i = 0; i < 2; i++) {
		x->lines[0] = x->lines[i];
		x->lines[0].type = &plain_type;
		free(s);
		s = text(x, false);
		check_columns(s, COLUMNS("  cache line ", "local/IO", "remote/IO", "stall/IO", "share"));
	}
	for (line = s; *line; line += strcspn(line, "\n") + 1) {
		assert_in_range(strcspn(line, "\n"), 0, 120);
		if (*line != '\n')
			assert_int_not_equal(line[strcspn(line, "\n") - 1], ' ');
	}
	free(s);
}

/* All of the report is still in the buffer when the report is done. */
static FILE *full_device(char *buffer, size_t size)
{
	FILE *f = fopen("/dev/full", "w");

	if (f)
		assert_int_equal(setvbuf(f, buffer, _IOFBF, size), 0);
	return f;
}

static void test_full_device(void **state)
{
	static char buffer[1 << 20];
	struct fixture *x = *state;
	FILE *f = full_device(buffer, sizeof(buffer));

	if (!f)
		skip();
	assert_int_equal(report_text(f, &x->run, &x->runner, false), -EIO);
	fclose(f);
	f = full_device(buffer, sizeof(buffer));
	assert_int_equal(report_json(f, &x->ctx, &x->run, 1, &x->runner), -EIO);
	fclose(f);
}

/* An error that is there already, and that flushing does not meet again. */
static void test_failed_file(void **state)
{
	struct fixture *x = *state;
	FILE *f = fopen("/dev/null", "r");

	assert_non_null(f);
	assert_int_equal(report_text(f, &x->run, &x->runner, false), -EIO);
	assert_int_equal(report_json(f, &x->ctx, &x->run, 1, &x->runner), -EIO);
	fclose(f);
}

/* ---- lines ---- */

static void check_line(const struct obj_type *type, uint32_t index, const char *object, const char *fields)
{
	struct host_line_result line = { .type = type, .index = index };
	char o[64], f[128];

	report_line_name(&line, o, sizeof(o), f, sizeof(f));
	assert_string_equal(o, object);
	assert_string_equal(f, fields);
}

static void test_line_name(void **state)
{
	struct host_line_result line = { .type = &domain_type, .index = 1 };
	char object[16], fields[21];

	(void)state;
	check_line(&domain_type, 0, "dmar_domain+0", "flags,iommu_array");
	check_line(&domain_type, 1, "dmar_domain+64",
		   "cache_lock,cache_tags,qi_batch,agaw,max_addr,straddles,a_rather_long_name,pgd,another_name");
	check_line(&domain_type, 2, "dmar_domain+128", "straddles,nested");
	check_line(&domain_type, 3, "dmar_domain+192", "entries");
	check_line(&domain_type, 4, "dmar_domain+256", "entries");
	check_line(&domain_type, 5, "dmar_domain+320", "");
	check_line(&domain_type, UINT32_MAX, "dmar_domain (rest)", "entries");
	check_line(&plain_type, UINT32_MAX, "page table", "");
	check_line(&plain_type, 3, "page table+192", "");

	report_line_name(&line, object, sizeof(object), fields, 22 - 1);
	assert_string_equal(fields, "cache_lock");
	report_line_name(&line, object, sizeof(object), NULL, 0);
	assert_string_equal(object, "dmar_domain+64");
}

/* ---- the schema ---- */

static const json_t *schema_root;

static bool valid(const json_t *schema, const json_t *v)
{
	return json_schema_valid(schema_root, schema, v);
}

static json_t *load(const char *s)
{
	json_error_t err;
	json_t *doc = json_loads(s, JSON_REJECT_DUPLICATES, &err);

	if (!doc)
		fail_msg("line %d: %s in:\n%s", err.line, err.text, s);
	return doc;
}

static int load_schema(void **state)
{
	(void)state;
	schema_root = json_schema_load("results.schema.json");
	return 0;
}

static int free_schema(void **state)
{
	(void)state;
	json_schema_free_all();
	return 0;
}

/* The report, known to satisfy the schema; the caller releases it. */
static json_t *report_of(const struct fixture *x, const struct run *runs, uint32_t count)
{
	char *s = json(x, runs, count);
	json_t *doc = load(s);

	if (!valid(schema_root, doc))
		failed_on(s, "the schema", "refuses this");
	free(s);
	return doc;
}

/* The validator itself, both ways. */
static void test_validator(void **state)
{
	static const struct {
		const char *schema, *good, *bad;
	} cases[] = {
		{ "{\"type\": \"integer\"}", "[1]", "[1.5]" },
		{ "{\"type\": [\"string\", \"null\"]}", "[null]", "[1]" },
		{ "{\"const\": true}", "[true]", "[false]" },
		{ "{\"enum\": [\"a\", \"b\"]}", "[\"b\"]", "[\"c\"]" },
		{ "{\"minimum\": 0}", "[0]", "[-1]" },
		{ "{\"maximum\": 100}", "[100]", "[101]" },
		{ "{\"minItems\": 1}", "[[1]]", "[[]]" },
		{ "{\"maxItems\": 1}", "[[1]]", "[[1, 2]]" },
		{ "{\"items\": {\"type\": \"string\"}}", "[[\"a\"]]", "[[\"a\", 1]]" },
		{ "{\"required\": [\"a\"]}", "[{\"a\": 1}]", "[{\"b\": 1}]" },
		{ "{\"properties\": {\"a\": {\"type\": \"null\"}}}", "[{\"b\": 1}]", "[{\"a\": 1}]" },
		{ "{\"properties\": {\"a\": true}, \"additionalProperties\": false}", "[{\"a\": 1}]",
		  "[{\"b\": 1}]" },
		{ "{\"additionalProperties\": {\"type\": \"string\"}}", "[{\"a\": \"b\"}]", "[{\"a\": 1}]" },
		{ "{\"anyOf\": [{\"type\": \"null\"}, {\"type\": \"string\"}]}", "[null]", "[1]" },
		{ "{\"$ref\": \"#/$defs/device\"}",
		  "[{\"index\": 0, \"throughput_mib_s\": 1.0, \"iops\": 1.0, \"latency_mean_ns\": 1.0}]", "[{}]" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *schema = load(cases[i].schema), *good = load(cases[i].good), *bad = load(cases[i].bad);

		if (!valid(schema, json_array_get(good, 0)))
			fail_msg("%s refuses %s", cases[i].schema, cases[i].good);
		if (valid(schema, json_array_get(bad, 0)))
			fail_msg("%s accepts %s", cases[i].schema, cases[i].bad);
		json_decref(schema);
		json_decref(good);
		json_decref(bad);
	}
}

/* ---- the schema against the report: every change to the document must be refused ---- */

struct mutation {
	json_t *doc;
	bool any_key; /* under config, where keys come and go with the options */
	unsigned int count;
};

static void refused(struct mutation *m, const char *what, const char *key)
{
	m->count++;
	if (valid(schema_root, m->doc))
		fail_msg("the schema accepts %s \"%s\"", what, key);
}

static void mutate(struct mutation *m, json_t *v);

/* Replaced, taken away and put back. An object in an object's place, and an array in an array's, lacks its keys. */
static void mutate_member(struct mutation *m, json_t *object, const char *key)
{
	json_t *value = json_incref(json_object_get(object, key));
	bool any_key = m->any_key;

	json_object_set_new(object, key, json_object());
	refused(m, "an empty object as", key);
	if (!any_key) {
		json_object_del(object, key);
		refused(m, "no", key);
	}
	json_object_set(object, key, value);
	m->any_key = any_key || !strcmp(key, "config");
	mutate(m, value);
	m->any_key = any_key;
	json_decref(value);
}

static void mutate_object(struct mutation *m, json_t *object)
{
	json_t *names = json_copy(object), *value;
	const char *key;

	/* Taking a key away frees its name: go by those of a copy. */
	json_object_foreach(names, key, value) {
		mutate_member(m, object, key);
	}
	json_decref(names);
	if (!m->any_key) {
		json_object_set_new(object, "surplus", json_integer(1));
		refused(m, "an object with", "surplus");
		json_object_del(object, "surplus");
	}
}

static void mutate(struct mutation *m, json_t *v)
{
	size_t i;

	if (json_is_object(v))
		mutate_object(m, v);
	for (i = 0; i < json_array_size(v); i++) {
		json_t *value = json_incref(json_array_get(v, i));

		json_array_set_new(v, i, json_object());
		refused(m, "an empty object as element of", "an array");
		json_array_set(v, i, value);
		mutate(m, value);
		json_decref(value);
	}
}

static void test_schema_refuses(void **state)
{
	struct fixture *x = *state;
	struct mutation m = { 0 };

	/* One complete repetition and one that is not. */
	x->reps[1].ret = -EINTR;
	x->run.complete = 1;
	m.doc = report_of(x, &x->run, 1);
	mutate(&m, m.doc);
	assert_true(valid(schema_root, m.doc));
	assert_true(m.count > 300);
	json_decref(m.doc);
}

/* Values that have the right type and are wrong. */
static void test_schema_values(void **state)
{
	static const struct {
		const char *path, *bad;
	} cases[] = {
		{ "schema_version", "2" },
		{ "config/invalidation_effective", "\"lax\"" },
		{ "results", "[]" },
		{ "results/0/repetitions", "[]" },
		{ "results/0/repetitions/0/complete", "false" },
		{ "results/0/repetitions/0/ios", "-1" },
		{ "results/0/repetitions/0/iops", "null" },
		{ "results/0/throughput_mib_s/mean", "-0.5" },
		{ "results/0/scenario/policy", "\"sometimes\"" },
		{ "results/0/scenario/read_pct", "101" },
		{ "results/0/scenario/without", "[\"everything\"]" },
		{ "results/0/locks/0/contended", "0.5" },
	};
	struct fixture *x = *state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *doc = report_of(x, &x->run, 1), *parent = doc, *bad;
		char path[64], *key = path, *slash;

		snprintf(path, sizeof(path), "%s", cases[i].path);
		for (; (slash = strchr(key, '/')); key = slash + 1) {
			*slash = '\0';
			parent = json_is_array(parent) ? json_array_get(parent, (size_t)atoi(key))
						       : json_object_get(parent, key);
		}
		assert_non_null(json_object_get(parent, key));
		bad = json_loads(cases[i].bad, JSON_DECODE_ANY, NULL);
		assert_int_equal(json_object_set_new(parent, key, bad), 0);
		if (valid(schema_root, doc))
			fail_msg("the schema accepts %s = %s", cases[i].path, cases[i].bad);
		json_decref(doc);
	}
}

/* A choice that is added to config_enums.h must be added to the schema. */
static void test_schema_choices(void **state)
{
	struct fixture *x = *state;
	struct host_params *p = &x->s.params;

#define TRY(member, constant)                          \
	do {                                           \
		member = constant;                     \
		json_decref(report_of(x, &x->run, 1)); \
	} while (0);
#define X(constant, name) TRY(p->domain.policy, constant)
	POLICY_LIST(X)
#undef X
#define X(constant, name) TRY(p->sim.lock, constant)
	LOCK_LIST(X)
#undef X
#define X(constant, name) TRY(p->domain.layout, constant)
	LAYOUT_LIST(X)
#undef X
#define X(constant, name) TRY(x->s.options.rw, constant)
	RW_LIST(X)
#undef X
#undef TRY
	p->domain.first_stage = true;
	p->shared_bridge = false;
	p->domain.lazy = false;
	p->ats = true;
	p->sim.without = (struct sim_without){ true, true, true };
	json_decref(report_of(x, &x->run, 1));
}

/* ---- JSON ---- */

/* The value at @path, such as "locks/0/name", of the first result. */
static const json_t *at(const json_t *doc, const char *path)
{
	const json_t *v = json_array_get(json_object_get(doc, "results"), 0);
	char copy[128], *key, *rest = copy;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((key = strsep(&rest, "/"))) {
		v = json_is_array(v) ? json_array_get(v, (size_t)atoi(key)) : json_object_get(v, key);
		if (!v)
			fail_msg("no %s in %s", key, path);
	}
	return v;
}

static void check_integer(const json_t *doc, const char *path, json_int_t wanted)
{
	assert_true(json_is_integer(at(doc, path)));
	assert_int_equal(json_integer_value(at(doc, path)), wanted);
}

static void check_real(const json_t *doc, const char *path, double wanted)
{
	double got = json_real_value(at(doc, path));

	assert_true(json_is_real(at(doc, path)));
	if (got < wanted * (1 - 1e-11) || got > wanted * (1 + 1e-11))
		fail_msg("%s is %.12g, not %.12g", path, got, wanted);
}

static void check_text(const json_t *doc, const char *path, const char *wanted)
{
	assert_true(json_is_string(at(doc, path)));
	assert_string_equal(json_string_value(at(doc, path)), wanted);
}

static void check_size(const json_t *doc, const char *path, size_t wanted)
{
	assert_true(json_is_array(at(doc, path)));
	assert_int_equal(json_array_size(at(doc, path)), wanted);
}

static void test_json_summary(void **state)
{
	struct fixture *x = *state;
	json_t *doc = report_of(x, &x->run, 1);

	assert_int_equal(json_integer_value(json_object_get(doc, "schema_version")), 1);
	assert_true(json_is_false(at(doc, "interrupted")));
	check_real(doc, "throughput_mib_s/mean", 4800);
	check_real(doc, "throughput_mib_s/ci95", 25.4);
	check_real(doc, "throughput_mib_s/min", 4600);
	check_real(doc, "throughput_mib_s/max", 5000);
	check_real(doc, "iops/mean", 1228800);
	check_real(doc, "iops/ci95", 6502.4);
	check_real(doc, "latency_ns/mean", (double)x->run.total.latency_sum_ps / 147456 / 1000);
	check_integer(doc, "latency_ns/p50", 149503); /* 149 us is in the bucket that ends there */
	check_integer(doc, "latency_ns/p90", 189439);
	check_integer(doc, "latency_ns/p99", 198655);
	check_integer(doc, "latency_ns/p999", 199000);
	check_integer(doc, "latency_ns/max", 199000);
	check_integer(doc, "cpus/count", 16);
	check_real(doc, "cpus/busy_fraction", 0.75);
	check_real(doc, "cpus/spin_fraction", 0.5);
	check_real(doc, "cpus/stall_fraction", 0.125);
	check_real(doc, "cpus/irq_off_max_ns", 34100);
	check_real(doc, "per_io/dma_map", 0);
	check_real(doc, "per_io/iotlb_sync_map", 1);
	check_real(doc, "per_io/qi_submit_sync", 3);
	check_integer(doc, "iotlb/hits", 7);
	check_integer(doc, "iotlb/misses", 3);
	check_integer(doc, "dma_faults", 0);
	json_decref(doc);
}

static void test_json_tables(void **state)
{
	struct fixture *x = *state;
	json_t *doc = report_of(x, &x->run, 1);

	check_size(doc, "devices", 2);
	check_integer(doc, "devices/1/index", 1);
	check_real(doc, "devices/1/throughput_mib_s", 2400);
	check_real(doc, "devices/1/iops", 614400);
	check_real(doc, "devices/1/latency_mean_ns", 101000);
	check_size(doc, "locks", 3);
	check_text(doc, "locks/2/name", "sq_lock");
	check_integer(doc, "locks/2/instance", 1);
	check_integer(doc, "locks/2/acquisitions", 3000);
	check_integer(doc, "locks/2/contended", 10);
	check_real(doc, "locks/2/wait_ns/mean", 500);
	check_real(doc, "locks/2/wait_ns/max", 900);
	check_real(doc, "locks/2/wait_ns/total", 5000);
	check_real(doc, "locks/2/hold_ns/mean", 400);
	check_real(doc, "locks/2/hold_ns/max", 90);
	check_real(doc, "locks/0/utilization", 0.4);
	check_real(doc, "locks/2/irq_off_max_ns", 7);
	check_real(doc, "locks/1/wait_ns/mean", 0);
	check_integer(doc, "locks_left_out", 0);
	check_size(doc, "lines", 2);
	check_text(doc, "lines/0/object", "dmar_domain+64");
	check_size(doc, "lines/0/fields", 9);
	check_text(doc, "lines/0/fields/0", "cache_lock");
	check_text(doc, "lines/0/fields/8", "another_name");
	check_real(doc, "lines/0/transfers_local_per_io", 4);
	check_real(doc, "lines/0/transfers_remote_per_io", 2);
	check_real(doc, "lines/0/stall_ns_per_io", 3000);
	check_text(doc, "lines/1/object", "page table");
	check_size(doc, "lines/1/fields", 0);
	check_real(doc, "lines/1/transfers_local_per_io", 1.0 / 3);
	json_decref(doc);
}

static void test_json_map_call(void **state)
{
	struct fixture *x = *state;
	json_t *doc = report_of(x, &x->run, 1);
	uint32_t i;

	check_integer(doc, "map_call/count", 50000);
	check_real(doc, "map_call/time_ns/iova", 100);
	check_real(doc, "map_call/time_ns/page_table", 200);
	check_real(doc, "map_call/time_ns/sync_map", 500);
	check_real(doc, "map_call/time_ns/lock_wait", 1000);
	check_real(doc, "map_call/time_ns/lock_hold", 1700);
	check_real(doc, "map_call/time_ns/line_stalls", 2600);
	check_real(doc, "map_call/time_ns/other", 3700);
	check_real(doc, "map_call/time_ns/total", 9800);
	assert_int_equal(json_object_size(at(doc, "map_call/calls_per_map")), FN_COUNT - 1);
	check_real(doc, "map_call/calls_per_map/dma_unmap", 2);
	check_real(doc, "map_call/calls_per_map/iommu_flush_write_buffer", 8);
	check_real(doc, "map_call/cache_lock_per_map", 2.94);
	check_real(doc, "map_call/locks_per_map", 2.96);
	check_integer(doc, "units/write_buffer_flushes", 5);
	check_real(doc, "units/write_buffer_flushes_per_map", 0.0001);
	check_integer(doc, "units/iotlb_invalidations", 11);
	check_integer(doc, "units/devtlb_invalidations", 13);
	check_integer(doc, "locks/2/acquisitions_in_map", 1000);
	json_decref(doc);

	/* Locks that the report leaves out count too, and so do cache locks of other domains. */
	x->locks[70] = x->locks[0];
	for (i = 3; i < 70; i++)
		x->locks[i].name = "sq_lock";
	x->run.total.lock_count = 71;
	doc = report_of(x, &x->run, 1);
	check_real(doc, "map_call/cache_lock_per_map", 5.88);
	check_real(doc, "map_call/locks_per_map", 5.9);
	json_decref(doc);
}

/* On real CPUs nobody looks. */
static void test_native(void **state)
{
	struct fixture *x = *state;
	json_t *doc;

	x->s.options.engine = ENGINE_NATIVE;
	x->s.options.lock_stat = true;
	doc = report_of(x, &x->run, 1);
	check_text(doc, "time_domain", "wall");
	assert_true(json_is_null(at(doc, "map_call")));
	assert_true(json_is_null(at(doc, "units")));
	assert_true(json_is_null(at(doc, "locks/0/acquisitions_in_map")));
	check_integer(doc, "locks/0/acquisitions", 147456);
	json_decref(doc);
	has_not(x, "map call");
}

static void test_json_repetitions(void **state)
{
	struct fixture *x = *state;
	json_t *doc;

	x->reps[0].seed = INT64_MAX;
	x->reps[1].seed = INT64_MAX + 1ULL;
	doc = report_of(x, &x->run, 1);
	check_size(doc, "repetitions", 2);
	check_integer(doc, "repetitions/0/seed", INT64_MAX);
	check_text(doc, "repetitions/1/seed", "9223372036854775808");
	check_real(doc, "repetitions/0/elapsed_ns", 60000000);
	check_integer(doc, "repetitions/0/ios", 76800);
	check_integer(doc, "repetitions/0/read_ios", 57600);
	check_integer(doc, "repetitions/0/bytes", 76800 * 4096);
	check_real(doc, "repetitions/0/throughput_mib_s", 5000);
	check_real(doc, "repetitions/1/throughput_mib_s", 4600);
	check_real(doc, "repetitions/0/iops", 1280000);
	check_real(doc, "repetitions/0/latency_ns/mean", 149500);
	check_integer(doc, "repetitions/0/latency_ns/p50", 149503);
	check_integer(doc, "repetitions/0/latency_ns/p99", 198655);
	check_real(doc, "repetitions/0/inflight_mean", 256.5);
	assert_true(json_is_true(at(doc, "repetitions/0/complete")));
	json_decref(doc);

	x->reps[0].ret = -EINTR;
	x->run.complete = 1;
	doc = report_of(x, &x->run, 1);
	assert_true(json_is_true(at(doc, "interrupted")));
	assert_true(json_is_false(at(doc, "repetitions/0/complete")));
	assert_true(json_is_null(at(doc, "repetitions/0/ios")));
	assert_true(json_is_true(at(doc, "repetitions/1/complete")));
	check_real(doc, "throughput_mib_s/mean", 4800);
	json_decref(doc);
}

static void test_json_scenario(void **state)
{
	struct fixture *x = *state;
	struct host_params *p = &x->s.params;
	const json_t *config;
	json_t *doc;

	p->domain.policy = POLICY_STATIC;
	p->domain.lazy = false;
	p->shared_bridge = false;
	p->devices = 3;
	p->units = 3;
	p->sim.without.hold = true;
	doc = report_of(x, &x->run, 1);
	check_text(doc, "scenario/policy", "static");
	check_text(doc, "scenario/bridge", "separate");
	check_integer(doc, "scenario/devices", 3);
	check_integer(doc, "scenario/units", 3);
	check_text(doc, "scenario/stage", "second");
	check_text(doc, "scenario/invalidation", "strict");
	check_text(doc, "scenario/lock", "qspinlock");
	check_text(doc, "scenario/layout", "kernel");
	check_text(doc, "scenario/rw", "randread");
	check_integer(doc, "scenario/read_pct", 100);
	check_integer(doc, "scenario/bs", 4096);
	check_integer(doc, "scenario/jobs", 8);
	check_integer(doc, "scenario/iodepth", 32);
	check_text(doc, "scenario/machine", "package:2 l3:1 core:48 pu:2");
	check_size(doc, "scenario/without", 1);
	check_text(doc, "scenario/without/0", "hold");
	/* What was asked for, and what it came to. */
	config = json_object_get(doc, "config");
	assert_string_equal(json_string_value(json_object_get(config, "invalidation")), "lazy");
	assert_string_equal(json_string_value(json_object_get(config, "invalidation_effective")), "strict");
	assert_string_equal(json_string_value(json_object_get(config, "local_ns")), "67.5ns");
	json_decref(doc);

	p->domain.policy = POLICY_PT;
	doc = report_of(x, &x->run, 1);
	check_text(doc, "scenario/invalidation", "none");
	json_decref(doc);
}

static void test_json_context(void **state)
{
	static char odd[] = "--output=\xff\xc3\xa4";
	struct fixture *x = *state;
	json_t *doc;
	const json_t *context, *argv;

	fixture_argv[1] = odd;
	doc = report_of(x, &x->run, 1);
	context = json_object_get(doc, "context");
	argv = json_object_get(context, "command_line");
	assert_int_equal(json_array_size(argv), 2);
	assert_string_equal(json_string_value(json_array_get(argv, 0)), "simbench");
	assert_string_equal(json_string_value(json_array_get(argv, 1)), "--output=???");
	assert_int_equal(strlen(json_string_value(json_object_get(context, "date"))),
			 strlen("2025-07-01T15:11:54Z"));
	assert_float_equal(json_real_value(json_object_get(context, "wall_s")), 2, 0);
	assert_float_equal(json_real_value(json_object_get(context, "events_per_wall_s")), 737280, 0);
	assert_float_equal(json_real_value(json_object_get(context, "ios_per_wall_s")), 73778, 0);
	json_decref(doc);
	fixture_argv[1] = (char *)"\xc3\xa4";
	x->runner.wall_s = 0;
	doc = report_of(x, &x->run, 1);
	context = json_object_get(doc, "context");
	argv = json_object_get(context, "command_line");
	assert_string_equal(json_string_value(json_array_get(argv, 1)), "\xc3\xa4");
	assert_float_equal(json_real_value(json_object_get(context, "events_per_wall_s")), 0, 0);
	json_decref(doc);
	fixture_argv[1] = (char *)"run";
}

/* Only the context may differ; the rest has the digits that it is meant to have. */
static void test_json_bytes(void **state)
{
	struct fixture *x = *state;
	char *a = json(x, &x->run, 1), *b;

	assert_non_null(strstr(a, "\"transfers_local_per_io\": 0.333333333333,\n"));
	assert_non_null(strstr(a, "\"mean\": 1228800.0,\n"));
	x->runner.wall_s = 7;
	x->ctx.argc = 1;
	b = json(x, &x->run, 1);
	assert_string_not_equal(a, b);
	assert_string_equal(strstr(a, "\n  \"config\""), strstr(b, "\n  \"config\""));
	assert_string_equal(a + strlen(a) - 3, "\n}\n");
	free(a);
	free(b);
}

static void test_json_many_locks(void **state)
{
	struct fixture *x = *state;
	json_t *doc;
	uint32_t i;

	for (i = 0; i < LOCKS; i++)
		x->locks[i] = (struct host_lock_result){ .name = "lock \xfe\n\"", .instance = i };
	x->run.total.lock_count = LOCKS;
	doc = report_of(x, &x->run, 1);
	check_size(doc, "locks", 64);
	check_integer(doc, "locks_left_out", 16);
	check_integer(doc, "locks/63/instance", 63);
	check_text(doc, "locks/63/name", "lock ?\n\"");
	assert_int_equal(json_array_append((json_t *)at(doc, "locks"), (json_t *)at(doc, "locks/0")), 0);
	assert_false(valid(schema_root, doc));
	json_decref(doc);
}

static void test_json_nothing(void **state)
{
	struct fixture *x = *state;
	json_t *doc;
	char *s;

	nothing_complete(x);
	doc = report_of(x, &x->run, 1);
	assert_true(json_is_true(at(doc, "interrupted")));
	assert_true(json_is_null(at(doc, "throughput_mib_s")));
	assert_true(json_is_null(at(doc, "locks")));
	assert_true(json_is_null(at(doc, "map_call")));
	check_size(doc, "repetitions", 2);
	json_decref(doc);

	nothing_happened(x);
	x->run.total.cpu_count = 1; /* a machine has one */
	doc = report_of(x, &x->run, 1);
	assert_true(json_is_false(at(doc, "interrupted")));
	check_real(doc, "latency_ns/mean", 0);
	check_real(doc, "cpus/busy_fraction", 0);
	check_real(doc, "per_io/dma_map", 0);
	check_real(doc, "map_call/time_ns/total", 0);
	check_real(doc, "map_call/locks_per_map", 0);
	check_real(doc, "locks/0/hold_ns/mean", 0);
	check_real(doc, "locks/0/utilization", 0);
	check_real(doc, "repetitions/0/iops", 0);
	check_real(doc, "repetitions/0/inflight_mean", 0);
	json_decref(doc);
	s = json(x, &x->run, 1);
	assert_null(strcasestr(s, "nan"));
	free(s);
}

/* More CPU time than 64 bits of picoseconds. And idle time that ends after the measurement. */
static void test_json_large(void **state)
{
	struct fixture *x = *state;
	struct host_result *r = &x->run.total;
	json_t *doc;

	r->cpu_count = 8192;
	r->elapsed_ps = 1000000000000000000;
	r->cpu_idle_ps = 0;
	r->cpu_spin_ps = 4096000000000000000;
	doc = report_of(x, &x->run, 1);
	check_real(doc, "cpus/busy_fraction", 1);
	check_real(doc, "cpus/spin_fraction", 0.0005);
	json_decref(doc);
	r->cpu_count = 1;
	r->cpu_idle_ps = r->elapsed_ps + 1000000000;
	doc = report_of(x, &x->run, 1);
	check_real(doc, "cpus/busy_fraction", 0);
	json_decref(doc);
}

static void test_json_runs(void **state)
{
	struct fixture *x = *state;
	struct scenario other = x->s;
	struct run runs[2] = { x->run, x->run };
	json_t *doc, *results;

	other.params.domain.policy = POLICY_LEGACY;
	runs[1].scenario = &other;
	doc = report_of(x, runs, 2);
	results = json_object_get(doc, "results");
	assert_int_equal(json_array_size(results), 2);
	check_text(doc, "scenario/policy", "always");
	json_array_remove(results, 0);
	check_text(doc, "scenario/policy", "legacy");
	assert_float_equal(json_real_value(json_object_get(json_object_get(doc, "context"), "events_per_wall_s")),
			   1474560, 0);
	json_decref(doc);
}

/* ---- memory runs out ---- */

static struct {
	unsigned int until_failure; /* allocations */
	bool failed;
	unsigned int live;
} memory;

static void *failing_malloc(size_t size)
{
	if (!memory.until_failure--) {
		memory.failed = true;
		return NULL;
	}
	memory.live++;
	return malloc(size);
}

static void counting_free(void *p)
{
	memory.live -= p != NULL;
	free(p);
}

/* Whichever allocation of jansson's fails: the report fails, or is none the worse for it; and nothing leaks. */
static void test_json_out_of_memory(void **state)
{
	struct fixture *x = *state;
	char *whole = NULL, *s = NULL;
	unsigned int n = 0;
	bool same;
	int ret;

	x->reps[1].ret = -EINTR;
	x->run.complete = 1;
	assert_int_equal(try_json(x, &x->run, 1, &whole), 0);
	json_set_alloc_funcs(failing_malloc, counting_free);
	do {
		memory.until_failure = n++;
		memory.failed = false;
		ret = try_json(x, &x->run, 1, &s);
		same = !ret && !strcmp(strstr(s, "\n  \"config\""), strstr(whole, "\n  \"config\""));
		free(s);
	} while (memory.failed && !memory.live && (ret == -ENOMEM || same));
	json_set_alloc_funcs(malloc, free);
	free(whole);
	if (memory.failed)
		fail_msg("allocation %u fails: %d, %u left", n, ret, memory.live);
	assert_true(same);
	assert_true(n > 300);
}

/* ---- the real thing ---- */

/* Of what is counted the total is the sum; @member is one of struct host_result's. */
#define CHECK_SUM(run, member) \
	assert_int_equal((run).total.member, (run).reps[0].result.member + (run).reps[1].result.member)

static void check_sums(const struct run *run)
{
	uint64_t locks[2] = { 0 };
	uint32_t i, k;

	for (i = 0; i < FN_COUNT; i++)
		CHECK_SUM(*run, map_calls[i]);
	for (i = 0; i < MAP_PART_COUNT; i++)
		CHECK_SUM(*run, map_part_ps[i]);
	CHECK_SUM(*run, write_buffer_flushes);
	CHECK_SUM(*run, iotlb_invalidations);
	CHECK_SUM(*run, devtlb_invalidations);
	for (i = 0; i < run->total.lock_count; i++)
		locks[0] += run->total.locks[i].acquisitions_in_map;
	for (k = 0; k < 2; k++)
		for (i = 0; i < run->reps[k].result.lock_count; i++)
			locks[1] += run->reps[k].result.locks[i].acquisitions_in_map;
	assert_int_equal(locks[0], locks[1]);
}

/* With write buffers, strict and with ATS, so that there is something of everything. */
static void test_real_run(void **state)
{
	static char name[] = "run", flag[] = "--set", runtime[] = "runtime=200us", warmup[] = "warmup=100us";
	static char repetitions[] = "repetitions=2", rwbf[] = "rwbf=1", strict[] = "invalidation=strict";
	static char ats[] = "ats=1";
	char *argv[] = {
		name, flag, runtime, flag, warmup, flag, repetitions, flag, rwbf, flag, strict, flag, ats
	};
	struct fixture *x = *state;
	struct options_error err = { "" };
	struct scenario s;
	struct options o;
	struct run run;
	json_t *doc;
	FILE *f;

	assert_int_equal(options_parse(&o, S_RUN, ARRAY_SIZE(argv), argv, NULL, &err), 0);
	assert_int_equal(scenario_init(&s, &o, &err), 0);
	options_free(&o);
	assert_int_equal(run_init(&run, &s, NULL), 0);
	assert_int_equal(runner_run(&x->runner, &run, 1), 0);
	assert_int_equal(run.complete, 2);
	check_sums(&run);
	assert_true(run.total.write_buffer_flushes && run.total.iotlb_invalidations);
	assert_true(run.total.devtlb_invalidations && run.total.map_part_ps[MAP_lock_wait]);
	doc = report_of(x, &run, 1);
	assert_true(json_array_size(at(doc, "lines")) > 0);
	assert_string_equal(json_string_value(json_object_get(json_object_get(doc, "config"), "runtime")), "200us");
	json_decref(doc);
	f = fopen("/dev/null", "w");
	assert_int_equal(report_text(f, &run, &x->runner, true), 0);
	fclose(f);
	run_destroy(&run);
	scenario_destroy(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_text_whole),
		TEST(test_text_head),
		TEST(test_text_rw),
		TEST(test_text_one_repetition),
		TEST(test_text_devices),
		TEST(test_text_locks),
		TEST(test_text_odd_names),
		TEST(test_text_lines),
		TEST(test_text_wrap),
		TEST(test_text_times),
		TEST(test_text_rates),
		TEST(test_text_interrupted),
		TEST(test_text_nothing),
		TEST(test_text_color),
		TEST(test_text_columns),
		TEST(test_full_device),
		TEST(test_failed_file),
		cmocka_unit_test(test_line_name),
		cmocka_unit_test(test_validator),
		TEST(test_schema_refuses),
		TEST(test_schema_values),
		TEST(test_schema_choices),
		TEST(test_json_summary),
		TEST(test_json_tables),
		TEST(test_json_map_call),
		TEST(test_native),
		TEST(test_json_repetitions),
		TEST(test_json_scenario),
		TEST(test_json_context),
		TEST(test_json_bytes),
		TEST(test_json_many_locks),
		TEST(test_json_nothing),
		TEST(test_json_large),
		TEST(test_json_runs),
		TEST(test_json_out_of_memory),
		TEST(test_real_run),
	};

	return cmocka_run_group_tests(tests, load_schema, free_schema);
}
