/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_plots.c - [plot] sections: what they may say, what is drawn of points made by hand, and what gnuplot gets
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/options_table.h"
#include "bench/plots.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char directory[] = "/tmp/test_plots.XXXXXX";

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chdir(directory), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return system("rm -r \"$PWD\"");
}

/* ---- what gnuplot gets, and what it says ---- */

FILE *__real_popen(const char *command, const char *mode);
FILE *__wrap_popen(const char *command, const char *mode);
int __real_pclose(FILE *f);
int __wrap_pclose(FILE *f);

/* What runs in place of gnuplot, or NULL; either complains into the file "warnings". */
static const char *instead;

FILE *__wrap_popen(const char *command, const char *mode)
{
	char line[300];

	snprintf(line, sizeof(line), "%s 2>>warnings", instead ? instead : command);
	return __real_popen(line, mode);
}

int __wrap_pclose(FILE *f)
{
	return __real_pclose(f);
}

/* From malloc(). */
static char *read_whole(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text;
	size_t size;

	assert_non_null(f);
	text = calloc(1, 1 << 20);
	assert_non_null(text);
	size = fread(text, 1, (1 << 20) - 1, f);
	text[size] = '\0';
	fclose(f);
	return text;
}

/* ---- sweeps ---- */

struct file {
	struct options base;
	struct sweep sweep;
	json_t *plots;
	struct options_error err;
	int ret;
	struct gnuplot_picture *pictures;
};

static int take_pair(void *arg, const struct options_ini_pair *pair, struct options_error *err)
{
	struct file *f = arg;
	int ret = sweep_take_pair(&f->sweep, pair, err);

	return ret ? ret : plots_take_pair(&f->plots, pair, err);
}

static void read_file(struct file *f, const char *sweep, const char *plots)
{
	struct options_input in = { .take_pair = take_pair, .take_arg = f };
	char *text;

	memset(f, 0, sizeof(*f));
	assert_true(asprintf(&text, "[sweep]\n%s\n%s", sweep, plots) > 0);
	assert_int_equal(options_init(&f->base), 0);
	f->base.scope = S_SWEEP | S_POINT;
	f->ret = option_read_ini(&f->base, "my.ini", text, OPTIONS_FILE, &in, &f->err);
	free(text);
	if (!f->ret && sweep_finish(&f->sweep, &f->base, &f->err))
		fail_msg("%s: %s", sweep, f->err.msg);
	if (!f->ret)
		f->ret = plots_check(f->plots, &f->sweep, &f->err);
}

static void free_file(struct file *f)
{
	size_t i;

	for (i = 0; f->pictures && i < json_array_size(f->plots); i++)
		gnuplot_picture_free(&f->pictures[i]);
	free(f->pictures);
	json_decref(f->plots);
	sweep_destroy(&f->sweep);
	options_free(&f->base);
}

/* {"throughput_mib_s": the estimate, "n": the mean, "half": ...}; NAN: there is none */
static json_t *result_of(double mean)
{
	json_t *quantiles;

	if (isnan(mean))
		return json_pack("{s:n, s:n, s:f, s:{s:n}, s:i}", "throughput_mib_s", "n", "half", 1.0,
				 "latency_ns", "quantiles", "repetitions", 4);
	quantiles = json_pack("[[i,i],[i,i]]", 50, 1000 + (int)mean, 100, 3000);
	return json_pack("{s:{s:f, s:f, s:f, s:f}, s:f, s:f, s:{s:o}, s:i}", "throughput_mib_s", "mean", mean,
			 "ci95", 3.1824, "min", mean, "max", mean, "n", mean, "half", mean / 2, "latency_ns",
			 "quantiles", quantiles, "repetitions", 4);
}

/* The directory "d" of a sweep with the results of @value(index); what is negative is not there. */
static void write_sweep(struct file *f, double (*value)(const struct sweep *s, uint64_t index))
{
	volatile sig_atomic_t interrupted = 0;
	struct cmd_context context = { .interrupted = &interrupted };
	struct sweep_dir d;
	uint64_t i;

	assert_int_equal(system("rm -rf d"), 0);
	assert_int_equal(sweep_dir_create(&d, "d",
					  sweep_dir_manifest(&context, &f->sweep, &f->base, f->plots, 0, 1),
					  &f->err),
			 0);
	for (i = 0; i < f->sweep.count; i++) {
		json_t *record;

		if (value(&f->sweep, i) < 0)
			continue;
		record = sweep_record_json(&f->sweep, i, result_of(value(&f->sweep, i)), NULL);
		assert_int_equal(sweep_dir_append(&d, i, record), 0);
		json_decref(record);
	}
	sweep_dir_close(&d);
}

static void try_pictures(struct file *f, const char *sweep, const char *plots,
			 double (*value)(const struct sweep *s, uint64_t index))
{
	struct sweep_dir d;

	read_file(f, sweep, plots);
	if (f->ret)
		fail_msg("%s: %s", plots, f->err.msg);
	write_sweep(f, value);
	assert_int_equal(sweep_dir_open(&d, "d", &f->err), 0);
	if (!f->plots)
		f->plots = plots_default(&d.sweep);
	f->ret = plots_make(&d, f->plots, "the footer", &f->pictures, &f->err);
	sweep_dir_close(&d);
}

static void make_pictures(struct file *f, const char *sweep, const char *plots,
			  double (*value)(const struct sweep *s, uint64_t index))
{
	try_pictures(f, sweep, plots, value);
	if (f->ret)
		fail_msg("%s: %s", plots, f->err.msg);
}

static double by_index(const struct sweep *s, uint64_t index)
{
	(void)s;
	return 100 + (double)index;
}

/* ---- refusals ---- */

/* Two numeric axes, of 3 and 2 values, a policy and two that advance together; sections begin in line 8. */
#define SWEEP                                                                                          \
	"devices = 1,2,3\njobs = 4,8\npolicy = always,static\nremote_ns = 100,150\nlocal_ns = 50,75\n" \
	"zip = remote_ns + local_ns"
#define REST "where = policy=static jobs=4 remote_ns=100\n"

static void test_refusals(void **state)
{
	static const struct {
		const char *plots, *message;
	} cases[] = {
		{ "[plot]\n", "my.ini:8: [plot NAME]: NAME becomes the name of a file: letters, digits and -_.+" },
		{ "[plot ../x]\n", "my.ini:8: [plot NAME]: NAME becomes" },
		{ "[plot it's]\n", "my.ini:8: [plot NAME]: NAME becomes" },
		{ "[plot a]\nx = devices\n[plot a]\n", "my.ini:10: plot a: given before at my.ini:8" },
		{ "[plot a]\nx = devices\nx = jobs\n", "my.ini:10: x: given before" },
		{ "[plot a]\nserie = devices\n", "my.ini:9: serie: unknown key of a plot: did you mean series?" },
		{ "[plot a]\ntitle = \xff\n", "my.ini:9: not UTF-8" },
		{ "[plot a]\nkind = pie\n",
		  "my.ini:9: kind = pie: not one of lines, bars, stacked, cdf, scatter, knee" },
		{ "[plot a]\nkind = bars\n",
		  "my.ini:8: plot a: x is missing: an option that the sweep goes through" },
		{ "[plot a]\nx =\n", "my.ini:9: x = : names no option" },
		{ "[plot a]\nx = bs\n", "my.ini:9: x = bs: not an option that this sweep goes through" },
		{ "[plot a]\nx = devices + jobs + policy + remote_ns + local_ns\n",
		  "my.ini:9: x = devices + jobs + policy + remote_ns + local_ns: more than four options" },
		{ "[plot a]\nx = devices\nseries = +\n", "my.ini:10: series = +: names no option" },
		{ "[plot a]\nx = devices\npanel = rw\n", "my.ini:10: panel = rw: not an option" },
		/* what nothing shows */
		{ "[plot a]\nx = devices\n",
		  "my.ini:8: plot a: the sweep goes through jobs too: x, series, panel or "
		  "where has to name it" },
		{ "[plot a]\nx = devices\nseries = jobs\npanel = policy\n",
		  "my.ini:8: plot a: the sweep goes through remote_ns too" },
		{ "[plot a]\nx = devices\n" REST "against = devices=2\n", NULL },
		{ "[plot a]\nx = jobs\nwhere = remote_ns=100\nagainst = policy=static\nseries = devices\n", NULL },
		{ "[plot a]\nx = jobs\nwhere = policy=static remote_ns=100\nagainst = devices=2\n",
		  "my.ini:8: plot a: the sweep goes through devices too" },
		{ "[plot a]\nx = devices\nseries = jobs\nwhere = policy\n",
		  "my.ini:11: where = policy: not OPTION=VALUE of options that this sweep goes through" },
		{ "[plot a]\nx = devices\nwhere = bs=4k\n",
		  "my.ini:10: where = bs=4k: not OPTION=VALUE of options" },
		{ "[plot a]\nx = devices\nwhere = jobs=5\n",
		  "my.ini:10: where = jobs=5: the values of jobs are 4, 8" },
		{ "[plot a]\nx = devices\nwhere = jobs=4 jobs=8\n",
		  "my.ini:10: where = jobs=4 jobs=8: no point of the sweep has all of this" },
		{ "[plot a]\nx = devices\nwhere = remote_ns=100 local_ns=75\n",
		  "my.ini:10: where = remote_ns=100 local_ns=75: no point of the sweep has all of this" },
		/* in any notation */
		{ "[plot a]\nx = devices\nwhere = policy=static jobs=4 remote_ns=0.1us local_ns=50ns\n", NULL },
		/* y */
		{ "[plot a]\nx = devices\n" REST "y = a,b\n",
		  "my.ini:11: y = a,b: only kind = stacked has several" },
		{ "[plot a]\nx = devices\n" REST "parts = a\n", "my.ini:11: parts = a: only kind = stacked" },
		{ "[plot a]\nkind = stacked\nx = devices\n" REST "y = a,,b\n",
		  "my.ini:12: y = a,,b: nothing between two commas" },
		{ "[plot a]\nkind = stacked\nx = devices\n" REST "y = a,b,c,d,e,f,g,h,i\n",
		  "my.ini:12: y = a,b,c,d,e,f,g,h,i: more than eight" },
		{ "[plot a]\nkind = stacked\nx = devices\n" REST "y = a,b\nparts = c\n",
		  "my.ini:13: parts = c: as many names as y has paths" },
		{ "[plot a]\nkind = stacked\nx = devices\nseries = jobs\n",
		  "my.ini:11: series = jobs: the parts are the series of kind = stacked" },
		{ "[plot a]\nkind = cdf\nx = devices\n", "my.ini:10: x = devices: a cdf's x is the latency" },
		{ "[plot a]\nkind = cdf\n" REST "y = iops\n",
		  "my.ini:8: plot a: kind = cdf draws the latencies of run, and nothing else: without y" },
		{ "[plot a]\nkind = scatter\n", "my.ini:8: plot a: kind = scatter needs x, a value of the result" },
		/* relations */
		{ "[plot a]\nx = devices\n" REST "as = ratio\n", "my.ini:11: as = ratio: needs `against`" },
		{ "[plot a]\nx = devices\n" REST "against = policy=always\nas = difference\n",
		  "my.ini:12: as = difference: neither ratio nor drop_pct" },
		{ "[plot a]\nkind = scatter\nx = n\nagainst = policy=always\n",
		  "my.ini:11: against = policy=always: only for lines, bars and knee" },
		{ "[plot a]\nx = devices\n" REST "along = jobs\n",
		  "my.ini:11: along = jobs: only for kind = knee" },
		{ "[plot a]\nx = devices\n" REST "level_pct = 5\n",
		  "my.ini:11: level_pct = 5: only for kind = knee" },
		{ "[plot a]\nkind = knee\nx = devices\n",
		  "my.ini:8: plot a: kind = knee needs `along` and `against`" },
		{ "[plot a]\nkind = knee\nx = devices\nalong = bs\nagainst = policy=static\n",
		  "my.ini:11: along = bs: not an option" },
		{ "[plot a]\nkind = knee\nx = devices\nalong = policy\nagainst = jobs=4\n",
		  "my.ini:11: along = policy: not a number" },
		{ "[plot a]\nkind = knee\nx = devices\nalong = jobs\nagainst = policy=static\nas = drop_pct\n",
		  "my.ini:13: as = drop_pct: kind = knee looks at the ratio" },
		{ "[plot a]\nkind = knee\nx = devices\nalong = jobs\nagainst = policy=static\nlevel_pct = 100\n",
		  "my.ini:13: level_pct = 100: not a percentage above 0 and below 100" },
		{ "[plot a]\nx = devices\n" REST "logx = true\n", "my.ini:11: logx = true: neither yes nor no" },
		{ "[plot a]\nx = devices\n" REST "reference = 5 five, six\n",
		  "my.ini:11: reference = 5 five, six: not NUMBER TEXT, ..." },
		{ "[plot a]\nx = devices\n" REST "reference = inf\n", "my.ini:11: reference = inf: not NUMBER" },
	};
	struct file f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		read_file(&f, SWEEP, cases[i].plots);
		if (cases[i].message
			    ? f.ret != -EINVAL || strncmp(f.err.msg, cases[i].message, strlen(cases[i].message))
			    : f.ret)
			fail_msg("%d \"%s\" instead of \"%s\"", f.ret, f.err.msg,
				 cases[i].message ? cases[i].message : "");
		free_file(&f);
	}
	/* of lockbench there are no latencies of I/Os */
	read_file(&f, "command = lockbench\ncpus = 1,2", "[plot a]\nkind = cdf\n");
	assert_int_equal(f.ret, -EINVAL);
	assert_string_equal(f.err.msg,
			    "my.ini:4: plot a: kind = cdf draws the latencies of run, and nothing else: without y");
	free_file(&f);
}

/* What only the results show. */
static void test_late_refusals(void **state)
{
	struct file f;

	(void)state;
	try_pictures(&f, "devices = 1,2", "[plot a]\nx = devices\ny = trhoughput\n", by_index);
	assert_int_equal(f.ret, -EINVAL);
	assert_non_null(strstr(f.err.msg, "my.ini:3: plot a: a result has no value trhoughput; it has "));
	free_file(&f);
	try_pictures(&f, "devices = 1:5:1\njobs = 1,2", "[plot a]\nx = jobs\npanel = devices\n", by_index);
	assert_string_equal(f.err.msg, "my.ini:4: plot a: more than 4 panels: fix something with `where`");
	free_file(&f);
	try_pictures(&f, "devices = 1:9:1\njobs = 1,2", "[plot a]\nx = jobs\nseries = devices\n", by_index);
	assert_string_equal(f.err.msg, "my.ini:4: plot a: more than 8 series: fix something with `where`");
	free_file(&f);
	make_pictures(&f, "devices = 1:8:1\njobs = 1,2", "[plot a]\nx = jobs\nseries = devices\n", by_index);
	assert_int_equal(f.pictures[0].series_count, 8);
	free_file(&f);
}

static double none(const struct sweep *s, uint64_t index)
{
	(void)s;
	(void)index;
	return -1;
}

static void test_no_points(void **state)
{
	struct file f;

	(void)state;
	try_pictures(&f, "devices = 1,2", "[plot a]\nx = devices\n", none);
	assert_string_equal(f.err.msg, "my.ini:3: plot a: no point of the sweep is on it");
	free_file(&f);
}

/* ---- what is drawn ---- */

static void check_value(const struct gnuplot_picture *pic, uint32_t panel, uint32_t series, uint32_t i, double x,
			double y)
{
	const struct gnuplot_value *v = &pic->data[panel][series].values[i];

	assert_true(i < pic->data[panel][series].count);
	if (!(fabs(v->x - x) < 1e-9 && fabs(v->y - y) < 1e-9))
		fail_msg("%u/%u/%u is %g, %g instead of %g, %g", panel, series, i, v->x, v->y, x, y);
}

/* Every value at its place, by increasing x whatever the order of the axis. */
static void test_lines(void **state)
{
	const struct gnuplot_picture *pic;
	struct file f;

	(void)state;
	make_pictures(
		&f, "remote_ns = 150,100\npolicy = static,always\nbridge = shared,separate",
		"[plot a]\nx = remote_ns\nseries = policy\npanel = bridge\nlogx = yes\nreference = 7 seven, 8.5\n"
		"xlabel = X\n",
		by_index);
	pic = &f.pictures[0];
	assert_int_equal(pic->kind, GNUPLOT_LINES);
	assert_string_equal(pic->title, "a");
	assert_string_equal(pic->footer, "the footer");
	assert_string_equal(pic->xlabel, "X");
	assert_string_equal(pic->ylabel, "throughput, MiB/s");
	assert_true(pic->logx && !pic->logy && !pic->zero);
	assert_int_equal(pic->panel_count, 2);
	assert_string_equal(pic->panel_name[1], "bridge=separate");
	assert_int_equal(pic->series_count, 2);
	assert_string_equal(pic->series_name[0], "static");
	/* a policy looks the same everywhere */
	assert_int_equal(pic->series_style[0], POLICY_STATIC + 1);
	assert_int_equal(pic->series_style[1], POLICY_ALWAYS + 1);
	assert_int_equal(pic->category_count, 0);
	/* indices: remote_ns 4, policy 2, bridge 1 */
	check_value(pic, 0, 0, 0, 100, 104);
	check_value(pic, 0, 0, 1, 150, 100);
	check_value(pic, 1, 1, 0, 100, 107);
	check_value(pic, 1, 1, 1, 150, 103);
	assert_true(fabs(pic->data[0][0].values[0].low - (104 - 3.1824)) < 1e-9);
	assert_true(fabs(pic->data[0][0].values[0].high - (104 + 3.1824)) < 1e-9);
	assert_int_equal(pic->reference_count, 2);
	assert_true(pic->references[0].value == 7 && pic->references[1].value == 8.5);
	assert_string_equal(pic->references[0].name, "seven");
	assert_string_equal(pic->references[1].name, "");
	free_file(&f);
}

static void test_units(void **state)
{
	struct file f;

	(void)state;
	make_pictures(&f, "remote_ns = 100ns,0.15us", "[plot a]\nx = remote_ns\n", by_index);
	assert_string_equal(f.pictures[0].xlabel, "remote_ns, ns");
	check_value(&f.pictures[0], 0, 0, 1, 150, 101);
	free_file(&f);
	make_pictures(&f, "bs = 4k,1M", "[plot a]\nx = bs\n", by_index);
	assert_string_equal(f.pictures[0].xlabel, "bs, KiB");
	check_value(&f.pictures[0], 0, 0, 1, 1024, 101);
	free_file(&f);
}

static void test_categories(void **state)
{
	const struct gnuplot_picture *pic;
	struct file f;

	(void)state;
	make_pictures(&f, "cm = 0,1\nrwbf = 0,[0,1]\npolicy = legacy,always",
		      "[plot a]\nkind = bars\nx = cm + rwbf\nseries = policy\n"
		      "[plot b]\nx = policy\nseries = cm\nwhere = rwbf=0,1\n"
		      "[plot c]\nkind = bars\nx = cm\nwhere = \"rwbf=0\" policy=always\n",
		      by_index);
	pic = &f.pictures[0];
	assert_int_equal(pic->category_count, 4);
	assert_string_equal(pic->category_name[0], "cm=0, rwbf=0");
	assert_string_equal(pic->category_name[3], "cm=1, rwbf=0x0,0x1");
	check_value(pic, 0, 1, 2, 2, 105);
	assert_true(pic->zero);
	assert_string_equal(pic->xlabel, "cm, rwbf");
	pic = &f.pictures[1];
	assert_string_equal(pic->title, "b: rwbf=0,1");
	assert_int_equal(pic->category_count, 2);
	assert_string_equal(pic->category_name[1], "always");
	assert_string_equal(pic->series_name[1], "cm=1");
	check_value(pic, 0, 1, 0, 0, 106);
	pic = &f.pictures[2];
	assert_string_equal(pic->category_name[1], "cm=1");
	assert_string_equal(pic->series_name[0], "");
	free_file(&f);
}

/* 100, 120 against 50, 60 more */
static double related(const struct sweep *s, uint64_t index)
{
	return (index % 2 ? 50 : 100) + (sweep_value(s, index, 0) ? (index % 2 ? 10 : 20) : 0);
}

static void test_related(void **state)
{
	const struct gnuplot_picture *pic;
	struct file f;

	(void)state;
	make_pictures(&f, "devices = 1,2\npolicy = always,static",
		      "[plot a]\nx = devices\nseries = policy\nagainst = policy=static\n"
		      "[plot b]\nx = devices\nwhere = policy=static\nagainst = policy=always\nas = drop_pct\n",
		      related);
	pic = &f.pictures[0];
	/* what the others are related to is no line of its own */
	assert_int_equal(pic->series_count, 1);
	assert_string_equal(pic->series_name[0], "always");
	assert_string_equal(pic->ylabel, "throughput, as a ratio");
	check_value(pic, 0, 0, 0, 1, 2);
	check_value(pic, 0, 0, 1, 2, 2);
	/* delta method: standard deviation 2, standard error 1 on both sides; (100 / 50^2)^2 + 1 / 50^2, df 4.09 */
	assert_true(fabs(pic->data[0][0].values[0].high - 2 - 2.7764 * sqrt(0.04 * 0.04 + 0.02 * 0.02)) < 1e-9);
	pic = &f.pictures[1];
	assert_string_equal(pic->ylabel, "drop of throughput, %");
	check_value(pic, 0, 0, 0, 1, 50);
	free_file(&f);
}

/* always: 1, 0.99, 0.97, 0.5 of static along the devices 1, 2, 4, 8; with jobs=2 never below */
static double falling(const struct sweep *s, uint64_t index)
{
	static const double share[] = { 0.5, 1, 0.97, 0.99 };
	uint32_t devices = sweep_value(s, index, 1);

	if (!strcmp(s->axes[2].values[sweep_value(s, index, 2)], "static"))
		return 1000;
	return sweep_value(s, index, 0) ? 1000 : 1000 * share[devices];
}

static void test_knee(void **state)
{
	static const struct {
		const char *level;
		double knee;
	} cases[] = { { "", 2 + 2 * 0 / 0.02 },
		      { "level_pct = 98\n", 3 },
		      { "level_pct = 97\n", 4 },
		      { "level_pct = 60\n", 4 + 4 * (0.97 - 0.6) / 0.47 } };
	char plot[300];
	struct file f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		snprintf(plot, sizeof(plot),
			 "[plot a]\nkind = knee\nx = jobs\nalong = devices\nseries = policy\nagainst = "
			 "policy=static\n%s",
			 cases[i].level);
		make_pictures(&f, "jobs = 1,2\ndevices = 8,1,4,2\npolicy = always,static", plot, falling);
		assert_int_equal(f.pictures[0].series_count, 1);
		assert_int_equal(f.pictures[0].data[0][0].count, 1);
		check_value(&f.pictures[0], 0, 0, 0, 1, cases[i].knee);
		free_file(&f);
	}
}

static double knee_at_once(const struct sweep *s, uint64_t index)
{
	return !strcmp(s->axes[1].values[sweep_value(s, index, 1)], "static") ? 1000 : 500;
}

static void test_knee_ends(void **state)
{
	struct file f;

	(void)state;
	/* below from the first value on: there */
	make_pictures(&f, "devices = 3,5\npolicy = always,static\nbridge = shared,separate",
		      "[plot a]\nkind = knee\nx = bridge\nalong = devices\nagainst = policy=static\n",
		      knee_at_once);
	check_value(&f.pictures[0], 0, 0, 0, 0, 3);
	check_value(&f.pictures[0], 0, 0, 1, 1, 3);
	assert_string_equal(f.pictures[0].ylabel, "devices at which 99 % is reached");
	free_file(&f);
}

static void test_scatter_and_cdf(void **state)
{
	const struct gnuplot_picture *pic;
	struct file f;

	(void)state;
	make_pictures(&f, "devices = 1,2\npolicy = always,static",
		      "[plot a]\nkind = scatter\nx = half\ny = n\nseries = policy\n"
		      "[plot b]\nkind = cdf\nseries = policy\nwhere = devices=2\n",
		      by_index);
	pic = &f.pictures[0];
	check_value(pic, 0, 1, 0, 50.5, 101);
	check_value(pic, 0, 1, 1, 51.5, 103);
	assert_true(pic->data[0][1].values[0].low == 101);
	assert_string_equal(pic->xlabel, "half");
	pic = &f.pictures[1];
	assert_true(pic->logx);
	assert_string_equal(pic->xlabel, "latency of an I/O, us");
	check_value(pic, 0, 0, 0, 1.102, 0.5);
	check_value(pic, 0, 0, 1, 3, 1);
	free_file(&f);
}

/* Without n, where there is no throughput either. */
static double partly(const struct sweep *s, uint64_t index)
{
	return sweep_value(s, index, 0) ? NAN : 100;
}

static void test_stacked(void **state)
{
	const struct gnuplot_picture *pic;
	struct file f;

	(void)state;
	make_pictures(
		&f, "devices = 1,2",
		"[plot a]\nkind = stacked\nx = devices\ny = half , n,throughput_mib_s\nparts = one half, all,T\n"
		"[plot b]\nkind = stacked\nx = devices\ny = n, latency_ns.quantiles,half\nwhere = devices=2\n",
		partly);
	pic = &f.pictures[0];
	assert_int_equal(pic->series_count, 3);
	assert_string_equal(pic->series_name[0], "one half");
	assert_string_equal(pic->series_name[1], "all");
	check_value(pic, 0, 0, 0, 0, 50);
	check_value(pic, 0, 1, 0, 0, 100);
	assert_int_equal(pic->data[0][1].count, 1);
	/* a part that no point has keeps its place */
	pic = &f.pictures[1];
	assert_int_equal(pic->series_count, 3);
	assert_string_equal(pic->series_name[0], "n");
	assert_string_equal(pic->series_name[1], "quantiles");
	assert_int_equal(pic->series_style[0], 1);
	assert_int_equal(pic->data[0][0].count, 0);
	check_value(pic, 0, 2, 0, 0, 1);
	free_file(&f);
}

/* ---- the plot of a sweep that has none ---- */

static const char *key_of(const json_t *plots, const char *key)
{
	const json_t *keys = json_object_get(json_array_get(plots, 0), "keys");

	return json_string_value(json_object_get(json_object_get(keys, key), "value"));
}

static void test_default(void **state)
{
	static const struct {
		const char *sweep, *kind, *x, *series, *where;
	} cases[] = {
		{ "devices = 1,2", "lines", "devices", NULL, NULL },
		{ "devices = 1,2\njobs = 1,2,3", "lines", "jobs", "devices", NULL },
		{ "policy = pt,legacy,always,static\ndevices = 1,2", "lines", "devices", "policy", NULL },
		{ "policy = always,static\nbridge = shared,separate\nlock = tas,mcs,ticket", "bars", "lock",
		  "policy", "\"bridge=shared\"" },
		/* too many for lines, and what advances with the axis */
		{ "devices = 1:9:1\njobs = 1:10:1", "lines", "jobs", NULL, "\"devices=1\"" },
		{ "remote_ns = 100,150\nlocal_ns = 50,75\nzip = remote_ns + local_ns\npolicy = always,static",
		  "lines", "remote_ns", "policy", NULL },
		{ "machine = package:1 core:4 pu:1, package:2 core:2 pu:1\njobs = 1,2,3\nbs = 4k, 8k", "lines",
		  "jobs", "machine", "\"bs=4k\"" },
		{ "command = lockbench\ncpus = 2,4\nlock = tas,mcs", "lines", "cpus", "lock", NULL },
	};
	struct file f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		read_file(&f, cases[i].sweep, "");
		assert_int_equal(f.ret, 0);
		f.plots = plots_default(&f.sweep);
		assert_string_equal(key_of(f.plots, "kind"), cases[i].kind);
		assert_string_equal(key_of(f.plots, "x"), cases[i].x);
		if (cases[i].series)
			assert_string_equal(key_of(f.plots, "series"), cases[i].series);
		else
			assert_null(key_of(f.plots, "series"));
		if (cases[i].where)
			assert_string_equal(key_of(f.plots, "where"), cases[i].where);
		else
			assert_null(key_of(f.plots, "where"));
		/* it is a plot like any other */
		if (plots_check(f.plots, &f.sweep, &f.err))
			fail_msg("%s: %s", cases[i].sweep, f.err.msg);
		free_file(&f);
	}
}

/* ---- gnuplot ---- */

static const char *const nasty[] = {
	"",
	"'",
	"''",
	"it's",
	"it's @x \"@x\"",
	"`touch pwned`",
	"\"$(touch pwned)\"",
	"\\n \\",
	"a%b%%s",
	"{/Symbol a}_1^2@x~&",
	"\xc3\xbc\xe2\x82\xac\xf0\x9f\x92\xbe",
	"# ; , [1:2] ]",
	"EOD",
	"<b>&amp;</b>",
};

/* What gnuplot makes of them. */
static void test_strings(void **state)
{
	char *text, *expected;
	size_t size, i;
	FILE *f;

	(void)state;
	f = open_memstream(&text, &size);
	gnuplot_string(f, "a\nb\tc\x01'");
	fclose(f);
	assert_string_equal(text, "'a b c '.\"\\047\".''");
	free(text);
	if (!gnuplot_exists())
		skip();
	unlink("warnings");
	f = gnuplot_open();
	fputs("set print 'printed'\n", f);
	for (i = 0; i < COUNT(nasty); i++) {
		fputs("array a[1] = [", f);
		gnuplot_string(f, nasty[i]);
		fputs("]\nprint a[1]\n", f);
	}
	assert_int_equal(gnuplot_close(f), 0);
	f = open_memstream(&expected, &size);
	for (i = 0; i < COUNT(nasty); i++)
		fprintf(f, "%s\n", nasty[i]);
	fclose(f);
	text = read_whole("printed");
	assert_string_equal(text, expected);
	free(text);
	free(expected);
	text = read_whole("warnings");
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(access("pwned", F_OK), -1);
}

/* The prelude is lines of its own, whatever the texts are. */
static void test_prelude(void **state)
{
	struct gnuplot_picture pic = {
		.kind = GNUPLOT_LINES, .panel_count = 1, .series_count = 2, .series_style = { 1, 2 }
	};
	const struct gnuplot_value v = { 123456.75, 2, 1.5, 2.5 };
	char *text;

	(void)state;
	pic.title = strdup("two\nlines");
	pic.series_name[0] = strdup("`a`");
	assert_int_equal(gnuplot_add_category(&pic, "b'"), 0);
	assert_int_equal(gnuplot_add_reference(&pic, -5, "c"), 0);
	assert_int_equal(gnuplot_add_value(&pic, 0, 1, &v), 0);
	instead = "cat >commands";
	assert_int_equal(gnuplot_draw(&pic, "|d.svg"), 0);
	instead = NULL;
	text = read_whole("commands");
	*strstr(text, "\nEOD\n") = '\0';
	/* a series without values has a dataset all the same */
	assert_string_equal(
		text, "output = './'.'|d.part.svg'\ntitle = 'two lines'\nfooter = ''\nxlabel = ''\nylabel = ''\n"
		      "logx = 0\nlogy = 0\nzero = 0\npanel_count = 1\nseries_count = 2\ncategory_count = 1\n"
		      "array panel_name[1] = ['']\narray series_name[2] = ['`a`', '']\n"
		      "array category_name[1] = ['b'.\"\\047\".'']\narray series_style[2] = [1, 2]\n"
		      "reference_count = 1\narray reference_value[1] = [-5]\n"
		      "array reference_name[1] = ['c']\n"
		      "$data << EOD\nNaN NaN NaN NaN\n\n\n123456.75 2 1.5 2.5");
	free(text);
	gnuplot_picture_free(&pic);
}

static void test_names(void **state)
{
	static const char *const good[] = { "a", "a.b", "a-1_+" }, *const bad[] = { "",	   ".a",  "..",
										    "a/b", "a b", "a'" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++)
		assert_true(gnuplot_is_name(good[i]));
	for (i = 0; i < COUNT(bad); i++)
		assert_false(gnuplot_is_name(bad[i]));
	assert_true(gnuplot_is_picture("d/a.svg") && gnuplot_is_picture("a.png"));
	assert_false(gnuplot_is_picture("a.pdf") || gnuplot_is_picture(".svg") || gnuplot_is_picture("it's.svg") ||
		     gnuplot_is_picture("a`b`.svg") || gnuplot_is_picture("a\n.svg"));
}

/* Draws all of @f's pictures in both formats: something comes out, and gnuplot has nothing to say. */
static void draw_all(const struct file *f)
{
	static const char *const files[] = { "picture.svg", "picture.png" };
	struct stat st;
	char *warnings;
	size_t i, k;

	unlink("warnings");
	for (i = 0; i < json_array_size(f->plots); i++) {
		for (k = 0; k < COUNT(files); k++) {
			unlink(files[k]);
			if (gnuplot_draw(&f->pictures[i], files[k]) || stat(files[k], &st) || st.st_size < 2000)
				fail_msg("picture %zu fails: %s", i, read_whole("warnings"));
		}
	}
	warnings = read_whole("warnings");
	assert_string_equal(warnings, "");
	free(warnings);
}

static double with_gaps(const struct sweep *s, uint64_t index)
{
	(void)s;
	return index % 5 == 3 ? NAN : index % 7 == 6 ? -1 : (double)index;
}

static void test_pictures(void **state)
{
	char *svg;
	struct file f;

	(void)state;
	if (!gnuplot_exists())
		skip();
	make_pictures(
		&f, SWEEP,
		"[plot a]\nx = devices\nseries = policy\npanel = jobs\nwhere = remote_ns=100\nlogx = yes\n"
		"logy = yes\ntitle = 'it''s `touch pwned` \"q\" 50 % <&> {/Symbol a}_1 \xc3\xbc\n"
		"reference = 5 `touch pwned` $HOME\\n, -3 below\n"
		"[plot b]\nkind = bars\nx = policy + jobs\nseries = devices\npanel = remote_ns\n"
		"[plot c]\nkind = stacked\nx = policy + devices\ny = n,half\npanel = jobs\nwhere = remote_ns=100\n"
		"[plot d]\nkind = cdf\nseries = devices\nwhere = policy=static remote_ns=100 jobs=4\n"
		"[plot e]\nkind = scatter\nx = half\nseries = policy\npanel = devices\n"
		"[plot f]\nx = devices\nseries = jobs\npanel = policy\nagainst = remote_ns=100\n"
		"[plot g]\nkind = bars\nx = devices\nwhere = policy=static remote_ns=150 jobs=8\nagainst = "
		"policy=always\n"
		"as = drop_pct\n"
		"[plot h]\nkind = knee\nx = jobs\nalong = devices\nwhere = remote_ns=100\nagainst = policy=static\n"
		"[plot i]\nx = devices\nwhere = policy=static remote_ns=150 jobs=8\nlogy = yes\nzero = yes\n",
		with_gaps);
	draw_all(&f);
	assert_int_equal(gnuplot_draw(&f.pictures[0], "picture.svg"), 0);
	svg = read_whole("picture.svg");
	assert_non_null(strstr(svg, "'it''s `touch pwned` \"q\" 50 % &lt;&amp;> {/Symbol a}_1 \xc3\xbc"));
	free(svg);
	assert_int_equal(access("pwned", F_OK), -1);
	free_file(&f);
}

/* Names of several hundred characters, in every place that has a name. */
static void test_long_names(void **state)
{
	char sweep[2000] = "jobs = 1,2\nmachine = ", plots[3000];
	struct file f;
	int i, k;

	(void)state;
	if (!gnuplot_exists())
		skip();
	/* A line of an INI file has fewer than 200 characters, and its first ones are equal here. */
	for (i = 0; i < 3; i++) {
		strcat(sweep, i ? ",\n  /m" : "\n /m");
		if (!i)
			strcpy(sweep, "jobs = 1,2\nmachine = /m");
		for (k = 0; k < 65; k++)
			strcat(sweep, "\xc3\xbc");
		sprintf(sweep + strlen(sweep), "%d.xml", i);
	}
	snprintf(plots, sizeof(plots),
		 "[plot a]\nkind = bars\nx = machine\nseries = jobs\n[plot b]\nx = jobs\nseries = machine\n"
		 "[plot c]\nx = jobs\npanel = machine\n[plot d]\nkind = bars\nx = machine + jobs\n");
	make_pictures(&f, sweep, plots, by_index);
	assert_int_equal(f.pictures[0].category_count, 3);
	assert_int_equal(f.pictures[1].series_count, 3);
	for (i = 0; i < 3; i++) {
		char longer[1000] = "", *name = f.pictures[1].series_name[i];

		for (k = 0; k < 3; k++)
			strcat(longer, name);
		free(f.pictures[0].category_name[i]);
		f.pictures[0].category_name[i] = strdup(longer);
		free(name);
		f.pictures[1].series_name[i] = strdup(longer);
		free(f.pictures[2].panel_name[i]);
		f.pictures[2].panel_name[i] = strdup(longer);
	}
	for (i = 0; i < 4; i++) {
		free(f.pictures[i].footer);
		f.pictures[i].footer = calloc(1, 3000);
		for (k = 0; k < 290; k++)
			strcat(f.pictures[i].footer, i % 2 ? "simbench " : "simbench-");
	}
	draw_all(&f);
	free_file(&f);
}

/* Not a signal, and not silence. */
static void test_failing_gnuplot(void **state)
{
	struct gnuplot_picture pic = {
		.kind = GNUPLOT_LINES, .panel_count = 1, .series_count = 1, .series_style = { 1 }
	};
	const struct gnuplot_value v = { 1, 2, 2, 2 };
	int i;

	(void)state;
	if (!gnuplot_exists())
		skip();
	assert_int_equal(gnuplot_add_value(&pic, 0, 0, &v), 0);
	assert_int_equal(gnuplot_draw(&pic, "no/such/directory.svg"), -ENOENT);
	/* what it says goes where its warnings go */
	pic.series_style[0] = 9;
	assert_int_equal(gnuplot_draw(&pic, "failing.svg"), -EIO);
	assert_int_equal(access("failing.svg", F_OK), -1);
	assert_int_equal(access("failing.part.svg", F_OK), -1);
	/* the former picture stays */
	fclose(fopen("failing.svg", "w"));
	assert_int_equal(gnuplot_draw(&pic, "failing.svg"), -EIO);
	assert_int_equal(access("failing.svg", F_OK), 0);
	/* ends before it has read what a pipe does not hold */
	for (i = 0; i < 10000; i++)
		assert_int_equal(gnuplot_add_value(&pic, 0, 0, &v), 0);
	instead = "exit 1";
	assert_int_equal(gnuplot_draw(&pic, "failing.svg"), -EIO);
	instead = NULL;
	gnuplot_picture_free(&pic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),   cmocka_unit_test(test_late_refusals),
		cmocka_unit_test(test_no_points),  cmocka_unit_test(test_lines),
		cmocka_unit_test(test_units),	   cmocka_unit_test(test_categories),
		cmocka_unit_test(test_related),	   cmocka_unit_test(test_knee),
		cmocka_unit_test(test_knee_ends),  cmocka_unit_test(test_scatter_and_cdf),
		cmocka_unit_test(test_stacked),	   cmocka_unit_test(test_default),
		cmocka_unit_test(test_strings),	   cmocka_unit_test(test_prelude),
		cmocka_unit_test(test_names),	   cmocka_unit_test(test_pictures),
		cmocka_unit_test(test_long_names), cmocka_unit_test(test_failing_gnuplot),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
