/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_sweep.c - sweeps: what the section says, the numbers of the points, JSON and back; their directory
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/builtin_ini.h"
#include "bench/options_table.h"
#include "bench/sweep_dir.h"
#include "tests/json_schema.h"

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

struct loaded {
	struct sweep s;
	struct options base;
};

static int take_pair(void *arg, const struct options_ini_pair *pair, struct options_error *err)
{
	return sweep_take_pair(arg, pair, err);
}

/* What `simbench sweep` makes of an INI text; unload() in either case. */
static int try_load(struct loaded *l, const char *text, struct options_error *err)
{
	static char name[] = "sweep";
	char *argv[] = { name, NULL };
	struct options_input in = {
		.scope = S_SWEEP | S_POINT,
		.argc = 1,
		.argv = argv,
		.config_args = options_every_arg,
		.default_ini = text,
		.default_name = "t.ini",
		.take_pair = take_pair,
		.take_arg = &l->s,
	};
	int ret;

	memset(l, 0, sizeof(*l));
	err->msg[0] = '\0';
	ret = options_parse_input(&l->base, &in, err);
	return ret ? ret : sweep_finish(&l->s, &l->base, err);
}

static void unload(struct loaded *l)
{
	sweep_destroy(&l->s);
	options_free(&l->base);
}

static void load(struct loaded *l, const char *text)
{
	struct options_error err;

	if (try_load(l, text, &err))
		fail_msg("%s: %s", text, err.msg);
}

/* ---- what the section says ---- */

/* All values of an axis, with blanks between them. */
static void check_values(const char *line, const char *wanted)
{
	char text[512], values[2048] = "";
	struct loaded l;
	uint32_t i;

	snprintf(text, sizeof(text), "[sweep]\n%s\n", line);
	load(&l, text);
	assert_int_equal(l.s.axis_count, 1);
	assert_int_equal(l.s.count, l.s.axes[0].count);
	for (i = 0; i < l.s.axes[0].count; i++) {
		strcat(values, i ? " " : "");
		strcat(values, l.s.axes[0].values[i]);
	}
	if (strcmp(values, wanted))
		fail_msg("%s: %s, not %s", line, values, wanted);
	unload(&l);
}

static void test_values(void **state)
{
	(void)state;
	check_values("devices = 4", "4");
	check_values("devices = 1, 2 ,4,  8", "1 2 4 8");
	check_values("devices = 1,\n\t2,\n\t4", "1 2 4");
	check_values("policy = legacy,always", "legacy always");
	check_values("ats = no,yes", "no yes");
	check_values("devices = 1:4:1", "1 2 3 4");
	check_values("devices = 1:6:2", "1 3 5");
	check_values("devices = 3:3:1", "3");
	check_values("devices = 1:16:*2", "1 2 4 8 16");
	check_values("devices = 1:20:*3", "1 3 9");
	check_values("devices = 32, 1:3:1, 8:16:*2", "32 1 2 3 8 16");
	check_values("remote_ns = 100:200:50", "100ns 150ns 200ns");
	check_values("remote_ns = 1:2:0.25", "1ns 1.25ns 1.5ns 1.75ns 2ns");
	check_values("remote_ns = 100ns:1us:300ns", "100ns 400ns 700ns 1us");
	check_values("remote_ns = 0:2:1", "0s 1ns 2ns");
	check_values("device_latency = 10:1000:*10", "10us 100us 1ms");
	check_values("bs = 4k:1M:*16", "4k 64k 1M");
	check_values("bs = 4k:16k:4k", "4k 8k 12k 16k");
	check_values("rwmixread = 0:100:25", "0 25 50 75 100");
	check_values("seed = 18446744073709551610:18446744073709551615:2",
		     "18446744073709551610 18446744073709551612 18446744073709551614");
	check_values("seed = 9223372036854775808:18446744073709551615:*2", "9223372036854775808");
	/* A colon in what is no number is part of the text. */
	check_values("machine = package:1 core:4 pu:1, package:2 core:2 pu:1",
		     "package:1 core:4 pu:1 package:2 core:2 pu:1");
	check_values("cm = 0,1", "0x0 0x1");
	check_values("cm = [0,1], [1] ,0,[0,0]", "0x0,0x1 0x1 0x0 0x0,0x0");
	check_values("placement = [0-3,8], packed", "0-3,8 packed");
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *msg;
	} cases[] = {
		{ "[simbench]\n", "configuration: there is no section [sweep]" },
		{ "[sweep]\n", "1: [sweep] goes through no option: it needs a line OPTION = VALUE, ..." },
		{ "[sweep]\ninvalid = skip\n",
		  "1: [sweep] goes through no option: it needs a line OPTION = VALUE, ..." },
		{ "[sweep 2]\ndevices = 1\n", "1: the section is [sweep], without a name" },
		{ "[sweep]\ndevices = 1\n[sweep]\ndevices = 2\n", "4: devices: given before at built-in t.ini:2" },
		{ "[sweep]\ndevices = 1,1\n", "2: devices: the value 1 stands there twice" },
		{ "[sweep]\ncm = 1,[1]\n", "2: cm: the value 0x1 stands there twice" },
		{ "[sweep]\nremote_ns = 1us,1000ns\n", "2: remote_ns: the value 1us stands there twice" },
		/* Longer lists than one would compare with each other. */
		{ "[sweep]\nseed = 1:5000:1,4000\n", "2: seed: the value 4000 stands there twice" },
		{ "[sweep]\ndevices = 1,\n", "2: devices = \"\": the value is empty" },
		{ "[sweep]\ndevices = 1:2\n",
		  "2: devices = 1:2: the step is missing: a range is FIRST:LAST:STEP or FIRST:LAST:*FACTOR" },
		{ "[sweep]\ndevices = 1:2:*\n",
		  "2: devices = 1:2:*: the factor is not a whole number from 2 on: a range is FIRST:LAST:STEP or "
		  "FIRST:LAST:*FACTOR" },
		{ "[sweep]\ndevices = 1:2:*2x\n",
		  "2: devices = 1:2:*2x: the factor is not a whole number from 2 on: a range is FIRST:LAST:STEP or "
		  "FIRST:LAST:*FACTOR" },
		{ "[sweep]\ndevices = 1:2:*-2\n",
		  "2: devices = 1:2:*-2: the factor is not a whole number from 2 on: a range is FIRST:LAST:STEP or "
		  "FIRST:LAST:*FACTOR" },
		{ "[sweep]\ncm = [0,1\n", "2: cm = [0,1: a bracket is not closed before the next comma" },
		{ "[sweep]\ncm = [0]1\n", "2: cm = [0]1: a bracket is not closed before the next comma" },
		{ "[sweep]\ncm = []\n", "2: cm = \"\": the value is empty" },
		{ "[sweep]\nshow_config = 1\n",
		  "2: show_config: not an option of run that a sweep can go through" },
		{ "[sweep]\noutput = x\n", "2: output: not an option of run that a sweep can go through" },
		{ "[sweep]\ncommand = lockbench\ndevices = 1\n",
		  "3: devices: not an option of lockbench that a sweep can go through" },
		{ "[sweep]\ncommand = explain\n", "2: command = explain: not one of run, lockbench, mapbench" },
		{ "[sweep]\nseed = 1,2\ndevices = 1,2\nzip = seed + devices, devices + seed\n",
		  "4: zip = \"seed + devices, devices + seed\": names an option twice" },
		{ "[sweep]\nseed = 1,2\ndevices = 1,2\nzip = seed + devices, jobs\n",
		  "4: zip = \"seed + devices, jobs\": names an option that is no axis of this sweep" },
		{ "[sweep]\nseed = 1:1001:1\njobs = 1:1000:1\n", "1: the sweep has more than 1000000 points" },
	};
	struct options_error err;
	struct loaded l;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(cases); i++) {
		const char *msg = err.msg;

		assert_int_equal(try_load(&l, cases[i].text, &err), -EINVAL);
		if (!strncmp(msg, "built-in t.ini:", 15))
			msg += 15;
		assert_string_equal(msg, cases[i].msg);
		unload(&l);
	}
}

static void test_too_many_axes(void **state)
{
	char text[2048] = "[sweep]\n";
	unsigned int id, axes = 0;
	struct options_error err;
	struct loaded l;

	(void)state;
	for (id = 0; id < OPTION_COUNT && axes <= SWEEP_MAX_AXES; id++) {
		const struct option_row *row = option_row(id);

		if (!(row->scope & S_RUN) || !option_in_ini(id) || row->kind != OPTION_KIND_TIME)
			continue;
		sprintf(text + strlen(text), "%s = %s\n", row->name, row->fallback);
		axes++;
	}
	assert_int_equal(axes, SWEEP_MAX_AXES + 1);
	assert_int_equal(try_load(&l, text, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "t.ini:18: "));
	assert_non_null(strstr(err.msg, "more than 16 axes"));
	unload(&l);
}

/* ---- the numbers of the points ---- */

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

#define ODOMETER_AXES 6

/* A sweep in words and by hand: which value each axis has at each point. */
struct odometer {
	uint32_t count, wheel[ODOMETER_AXES]; /* axes on one wheel advance together */
	uint32_t size[ODOMETER_AXES];	      /* of each axis */
	uint32_t at[ODOMETER_AXES];	      /* of each wheel */
	char text[1024];
};

static void make_odometer(struct odometer *m, uint64_t *rng)
{
	static const char *const names[] = { "devices", "jobs", "seed", "iodepth", "queues", "remote_ns" };
	uint32_t sizes[ODOMETER_AXES], i, k, members;
	char zip[512] = "";

	memset(m, 0, sizeof(*m));
	m->count = 1 + (uint32_t)(next_random(rng) % ODOMETER_AXES);
	strcpy(m->text, "[sweep]\n");
	for (i = 0; i < m->count; i++)
		sizes[i] = 1 + (uint32_t)(next_random(rng) % 4);
	for (i = 0; i < m->count; i++) {
		m->wheel[i] = (uint32_t)(next_random(rng) % m->count);
		m->size[i] = sizes[m->wheel[i]];
		sprintf(m->text + strlen(m->text), "%s = 1:%u:1\n", names[i], m->size[i]);
	}
	for (k = 0; k < m->count; k++) {
		char group[256] = "";

		for (i = members = 0; i < m->count; i++) {
			if (m->wheel[i] != k)
				continue;
			sprintf(group + strlen(group), "%s%s", members++ ? " + " : "", names[i]);
		}
		if (members > 1)
			sprintf(zip + strlen(zip), "%s%s", *zip ? ", " : "", group);
	}
	if (*zip)
		sprintf(m->text + strlen(m->text), "zip = %s\n", zip);
}

/* The next point: the wheel whose first axis was named last turns first. Returns false after the last one. */
static bool turn(struct odometer *m)
{
	uint32_t i, k, first;

	for (i = m->count; i-- > 0;) {
		for (first = 0; m->wheel[first] != m->wheel[i]; first++)
			;
		if (first != i)
			continue;
		k = m->wheel[i];
		if (++m->at[k] < m->size[i])
			return true;
		m->at[k] = 0;
	}
	return false;
}

static void test_numbers(void **state)
{
	uint64_t rng = 0x9e3779b97f4a7c15, index;
	uint32_t position[ODOMETER_AXES], i;
	struct odometer m;
	struct loaded l;
	int round;

	(void)state;
	for (round = 0; round < 300; round++) {
		make_odometer(&m, &rng);
		load(&l, m.text);
		assert_int_equal(l.s.axis_count, m.count);
		index = 0;
		do {
			assert_true(index < l.s.count);
			for (i = 0; i < m.count; i++) {
				if (sweep_value(&l.s, index, i) != m.at[m.wheel[i]])
					fail_msg("%s: point %d, axis %u", m.text, (int)index, i);
				position[l.s.axes[i].group] = m.at[m.wheel[i]];
			}
			assert_int_equal(sweep_index(&l.s, position), index);
			index++;
		} while (turn(&m));
		assert_int_equal(index, l.s.count);
		unload(&l);
	}
}

static void test_point(void **state)
{
	struct options_error err;
	char text[64];
	struct options o;
	struct loaded l;
	json_t *json;

	(void)state;
	load(&l, "[simbench]\njobs = 3\n[sweep]\npolicy = legacy,pt\ncm = [0,1],1\nremote_ns = 100,200\n"
		 "zip = cm + remote_ns\ninvalid = skip\n");
	assert_int_equal(l.s.count, 4);
	assert_true(l.s.skip_invalid);
	assert_int_equal(sweep_point(&l.s, &l.base, 0, &o, &err), 0);
	assert_int_equal(o.policy, POLICY_LEGACY);
	assert_int_equal(o.cm.count, 2);
	assert_int_equal(o.remote_ns, 100000);
	assert_int_equal(o.jobs, 3);
	options_free(&o);
	assert_int_equal(sweep_point(&l.s, &l.base, 3, &o, &err), -EINVAL);
	options_free(&o);
	json = sweep_point_json(&l.s, 1);
	assert_string_equal(json_string_value(json_object_get(json, "policy")), "legacy");
	assert_int_equal(json_array_size(json_object_get(json, "cm")), 1);
	assert_string_equal(json_string_value(json_object_get(json, "remote_ns")), "200ns");
	assert_int_equal(json_object_size(json), 3);
	json_decref(json);
	assert_string_equal(sweep_point_text(&l.s, 1, text, sizeof(text)), "policy=legacy cm=0x1 remote_ns=200ns");
	assert_string_equal(sweep_point_text(&l.s, 1, text, 8), "policy=");
	assert_ptr_equal(sweep_axis_of(&l.s, OPTION_cm), &l.s.axes[1]);
	assert_null(sweep_axis_of(&l.s, OPTION_jobs));
	unload(&l);
}

/* ---- JSON ---- */

static void assert_same(const struct sweep *a, const struct sweep *b)
{
	uint32_t i, k;

	assert_int_equal(a->command, b->command);
	assert_int_equal(a->skip_invalid, b->skip_invalid);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->axis_count, b->axis_count);
	assert_int_equal(a->group_count, b->group_count);
	assert_memory_equal(a->group_size, b->group_size, a->group_count * sizeof(a->group_size[0]));
	for (i = 0; i < a->axis_count; i++) {
		assert_int_equal(a->axes[i].option, b->axes[i].option);
		assert_int_equal(a->axes[i].group, b->axes[i].group);
		assert_int_equal(a->axes[i].count, b->axes[i].count);
		for (k = 0; k < a->axes[i].count; k++)
			assert_string_equal(a->axes[i].values[k], b->axes[i].values[k]);
	}
}

static void test_json(void **state)
{
	uint64_t rng = 0xd1b54a32d192ed03;
	struct odometer m;
	struct sweep back;
	struct loaded l;
	json_t *json;
	int round;

	(void)state;
	for (round = 0; round < 100; round++) {
		make_odometer(&m, &rng);
		if (round % 2)
			strcat(m.text, "invalid = skip\n");
		load(&l, m.text);
		json = sweep_to_json(&l.s);
		assert_int_equal(sweep_from_json(&back, json), 0);
		assert_same(&l.s, &back);
		json_decref(json);
		sweep_destroy(&back);
		unload(&l);
	}
}

static void test_bad_json(void **state)
{
#define SWEEP(command, axes) "{\"command\": \"" command "\", \"invalid\": \"skip\", \"axes\": " axes "}"
#define AXIS(option, group, values) "{\"option\": \"" option "\", \"group\": " group ", \"values\": " values "}"
	static const char *const bad[] = {
		"null",
		"[]",
		"{}",
		SWEEP("table", "[" AXIS("devices", "0", "[\"1\"]") "]"),
		SWEEP("run", "[]"),
		SWEEP("run", "{}"),
		SWEEP("run", "[1]"),
		SWEEP("run", "[" AXIS("device", "0", "[\"1\"]") "]"),
		SWEEP("run", "[" AXIS("devices", "-1", "[\"1\"]") "]"),
		SWEEP("run", "[" AXIS("devices", "16", "[\"1\"]") "]"),
		SWEEP("run", "[" AXIS("devices", "1", "[\"1\"]") "]"),
		SWEEP("run", "[" AXIS("devices", "0", "[]") "]"),
		SWEEP("run", "[" AXIS("devices", "0", "[\"1\", 2]") "]"),
		SWEEP("run", "[" AXIS("devices", "0", "[\"1\"]") ", " AXIS("jobs", "0", "[\"1\", \"2\"]") "]"),
	};
	struct sweep s;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(bad); i++) {
		json_t *json = json_loads(bad[i], JSON_DECODE_ANY, NULL);

		assert_non_null(json);
		if (sweep_from_json(&s, json) != -EINVAL)
			fail_msg("this is taken: %s", bad[i]);
		assert_int_equal(s.axis_count, 0);
		json_decref(json);
	}
}

/* ---- anything at all ---- */

/* Change, drop, double or insert a few characters. @buf has room for @size. */
static void mutate(char *buf, size_t size, uint64_t *rng)
{
	static const char alphabet[] = "=-+*_,.;:#[] \t\n\r\"{}0123456789xkMnsupolcy\xff\xc3\x01";
	uint64_t n;

	for (n = 1 + next_random(rng) % 4; n; n--) {
		size_t len = strlen(buf), at = next_random(rng) % (len + 1);
		char c = alphabet[next_random(rng) % (sizeof(alphabet) - 1)];

		switch (next_random(rng) % 3) {
		case 0:
			if (at < len)
				buf[at] = c;
			break;
		case 1:
			memmove(buf + at, buf + at + (at < len), len - at + (at == len));
			break;
		case 2:
			if (len + 2 > size)
				break;
			memmove(buf + at + 1, buf + at, len - at + 1);
			buf[at] = c;
			break;
		}
	}
}

static void use_points(const struct loaded *l)
{
	const uint64_t indices[] = { 0, l->s.count / 2, l->s.count - 1 };
	struct options_error err;
	struct options o;
	char text[64];
	json_t *json;
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_LENGTH(indices); i++) {
		ret = sweep_point(&l->s, &l->base, indices[i], &o, &err);
		assert_true(!ret || ret == -EINVAL);
		options_free(&o);
		json = sweep_point_json(&l->s, indices[i]);
		assert_non_null(json);
		json_decref(json);
		sweep_point_text(&l->s, indices[i], text, sizeof(text));
	}
}

static void test_random_ini(void **state)
{
	static const char *const lines[] = {
		"[sweep]\n",	     "command = lockbench\n", "command = mapbench\n",
		"invalid = skip\n",  "devices = 1,2,4\n",     "remote_ns = 100:200:10\n",
		"jobs = 1:64:*2\n",  "cm = [0,1], 1\n",	      "machine = package:1 core:4, [package:2]\n",
		"policy = pt,\n",    "\tlegacy,always\n",     "zip = devices + seed, jobs + iodepth\n",
		"seed = 3,4,5\n",    "[simbench]\n",	      "iodepth = 1:7:1\n",
		"bs = 4k:64k:4k\n",  "; comment\n",	      "cpus = 1,2\n",
		"map_threads = 1\n", "ats = no,yes\n",	      "[plot a]\n",
	};
	uint64_t rng = 0x2545f4914f6cdd1d, n;
	struct options_error err;
	struct loaded l;
	int round, good = 0, ret;

	(void)state;
	for (round = 0; round < 6000; round++) {
		char text[1024] = "[sweep]\n";

		for (n = next_random(&rng) % 6; n; n--)
			strcat(text, lines[next_random(&rng) % ARRAY_LENGTH(lines)]);
		if (next_random(&rng) % 4)
			mutate(text, sizeof(text), &rng);
		ret = try_load(&l, text, &err);
		if (ret) {
			assert_int_equal(ret, -EINVAL);
			assert_in_range(strlen(err.msg), 1, sizeof(err.msg) - 1);
			assert_null(strchr(err.msg, '\n'));
		} else {
			good++;
			use_points(&l);
		}
		unload(&l);
	}
	assert_in_range(good, 300, 5000);
}

static void test_random_json(void **state)
{
	uint64_t rng = 0x94d049bb133111eb;
	struct sweep s;
	struct loaded l;
	json_t *json;
	char *text;
	int round;

	(void)state;
	load(&l, "[sweep]\ndevices = 1,2\njobs = 1,2\ncm = 0,1,[0,1]\nzip = devices + jobs\n");
	json = sweep_to_json(&l.s);
	text = json_dumps(json, 0);
	json_decref(json);
	for (round = 0; round < 5000; round++) {
		char buf[1024];

		snprintf(buf, sizeof(buf), "%s", text);
		mutate(buf, sizeof(buf), &rng);
		json = json_loads(buf, 0, NULL);
		if (!sweep_from_json(&s, json)) {
			assert_in_range(s.count, 1, SWEEP_MAX_POINTS);
			assert_true(sweep_value(&s, s.count - 1, s.axis_count - 1) <
				    s.axes[s.axis_count - 1].count);
			sweep_destroy(&s);
		}
		json_decref(json);
	}
	free(text);
	unload(&l);
}

/* ---- the directory ---- */

/* What the next calls do: nothing, unless they are to fail. */
static int fail_writes, fail_syncs, fail_truncates;

ssize_t __real_write(int fd, const void *data, size_t length);
int __real_fdatasync(int fd);
int __real_ftruncate(int fd, off_t length);
ssize_t __wrap_write(int fd, const void *data, size_t length);
int __wrap_fdatasync(int fd);
int __wrap_ftruncate(int fd, off_t length);

/* Half of it, and then no more. */
ssize_t __wrap_write(int fd, const void *data, size_t length)
{
	if (!fail_writes)
		return __real_write(fd, data, length);
	if (fail_writes++ == 1)
		return __real_write(fd, data, length / 2);
	errno = ENOSPC;
	return -1;
}

int __wrap_fdatasync(int fd)
{
	if (!fail_syncs)
		return __real_fdatasync(fd);
	errno = EIO;
	return -1;
}

int __wrap_ftruncate(int fd, off_t length)
{
	if (!fail_truncates)
		return __real_ftruncate(fd, length);
	errno = EIO;
	return -1;
}

static volatile sig_atomic_t never;
static char *context_argv[] = { (char *)"simbench", (char *)"sweep", NULL };
static const struct cmd_context ctx = { 2, context_argv, &never };

static void make_path(char path[32])
{
	strcpy(path, "/tmp/simbench-test-XXXXXX");
	assert_non_null(mkdtemp(path));
}

static void remove_dir(const char *path)
{
	static const char *const names[] = { "points.jsonl", "points.csv", "manifest.json" };
	char full[64];
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(names); i++) {
		snprintf(full, sizeof(full), "%s/%s", path, names[i]);
		unlink(full);
	}
	assert_int_equal(rmdir(path), 0);
}

static void create(struct sweep_dir *d, const char *path, const struct loaded *l)
{
	json_t *plots = json_array();
	struct options_error err;

	if (sweep_dir_create(d, path, sweep_dir_manifest(&ctx, &l->s, &l->base, plots, 0, 1), &err))
		fail_msg("%s", err.msg);
	json_decref(plots);
}

/* A point whose result is one number. */
static int append(struct sweep_dir *d, uint64_t index, int number)
{
	json_t *record = sweep_record_json(&d->sweep, index, json_pack("{s:i}", "number", number), NULL);
	int ret = sweep_dir_append(d, index, record);

	json_decref(record);
	return ret;
}

static void check_number(const struct sweep_dir *d, uint64_t index, int wanted)
{
	json_t *record;
	int number;

	assert_int_equal(sweep_dir_read(d, index, &record), 0);
	assert_int_equal(json_unpack(record, "{s:{s:i}}", "result", "number", &number), 0);
	assert_int_equal(number, wanted);
	json_decref(record);
}

static void test_append(void **state)
{
	struct options_error err;
	struct sweep_dir d, reader;
	struct loaded l;
	json_t *record;
	char path[32];

	(void)state;
	load(&l, "[sweep]\nseed = 1:3:1\n");
	make_path(path);
	create(&d, path, &l);
	assert_int_equal(append(&d, 2, 12), 0);
	assert_int_equal(append(&d, 0, 10), 0);
	assert_true(sweep_dir_has(&d, 2));
	assert_false(sweep_dir_has(&d, 1));
	check_number(&d, 2, 12);
	assert_int_equal(sweep_dir_read(&d, 1, &record), -ENOENT);

	/* Who only reads may come in between. */
	assert_int_equal(sweep_dir_open(&reader, path, &err), 0);
	assert_int_equal(reader.done, 2);
	check_number(&reader, 0, 10);
	sweep_dir_close(&reader);

	assert_int_equal(sweep_dir_finish(&d, &err), 0);
	assert_int_equal(append(&d, 1, 11), 0);
	assert_int_equal(sweep_dir_finish(&d, &err), 0);
	check_number(&d, 0, 10);
	check_number(&d, 1, 11);
	check_number(&d, 2, 12);
	assert_int_equal(d.records[0].offset, 0);
	assert_true(json_is_true(json_object_get(d.manifest, "complete")));
	sweep_dir_close(&d);
	remove_dir(path);
	unload(&l);
}

/* A line that cannot be written or synced is taken away again, and the next one stands in its place. */
static void test_append_fails(void **state)
{
	struct options_error err;
	struct sweep_dir d;
	struct loaded l;
	char path[32];

	(void)state;
	load(&l, "[sweep]\nseed = 1:3:1\n");
	make_path(path);
	create(&d, path, &l);
	fail_writes = 1;
	assert_int_equal(append(&d, 0, 10), -ENOSPC);
	fail_writes = 0;
	fail_syncs = 1;
	assert_int_equal(append(&d, 0, 10), -EIO);
	fail_syncs = 0;
	assert_false(sweep_dir_has(&d, 0));
	assert_int_equal(append(&d, 1, 11), 0);
	sweep_dir_close(&d);
	assert_int_equal(sweep_dir_open(&d, path, &err), 0);
	assert_int_equal(d.done, 1);
	check_number(&d, 1, 11);
	sweep_dir_close(&d);

	/* What cannot be taken away stays the last: the others are safe. */
	create(&d, path, &l);
	fail_writes = fail_truncates = 1;
	assert_int_equal(append(&d, 0, 10), -ENOSPC);
	fail_writes = fail_truncates = 0;
	assert_int_equal(append(&d, 2, 12), -EIO);
	sweep_dir_close(&d);
	create(&d, path, &l);
	assert_int_equal(d.done, 1);
	check_number(&d, 1, 11);
	assert_int_equal(append(&d, 0, 10), 0);
	assert_int_equal(append(&d, 2, 12), 0);
	assert_int_equal(sweep_dir_finish(&d, &err), 0);
	sweep_dir_close(&d);
	remove_dir(path);
	unload(&l);
}

static void check_difference(const char *a, const char *b, const char *wanted)
{
	json_t *ja = json_loads(a, 0, NULL), *jb = json_loads(b, 0, NULL);
	char text[300];

	assert_string_equal(sweep_manifest_difference(ja, jb, text, sizeof(text)), wanted);
	json_decref(ja);
	json_decref(jb);
}

static void test_manifest_difference(void **state)
{
#define MANIFEST(commit, local_ns, shard, plots)                                                                   \
	"{\"version\": \"1\", \"git_commit\": \"" commit "\", \"config\": {\"seed\": 1, \"local_ns\": \"" local_ns \
	"\"}, \"sweep\": {\"command\": \"run\"}, \"points\": 2, \"shard\": " shard ", \"plots\": " plots "}"
	static const char whole[] = MANIFEST("a", "51ns", "null", "[]");

	(void)state;
	check_difference(whole, whole, "");
	check_difference(whole, MANIFEST("a", "51ns", "null", "[{}]"), "");
	check_difference(whole, MANIFEST("b", "51ns", "null", "[]"), "git_commit: \"a\" and \"b\"");
	check_difference(whole, MANIFEST("a", "90ns", "null", "[]"), "local_ns: \"51ns\" and \"90ns\"");
	check_difference(whole, MANIFEST("a", "51ns", "{\"number\": 1}", "[]"), "shard: null and {\"number\": 1}");
	check_difference(MANIFEST("a", "51ns", "{\"number\": 1}", "[]"), whole, "shard: {\"number\": 1} and null");
	check_difference(MANIFEST("a", "51ns", "{\"number\": 1}", "[]"),
			 MANIFEST("a", "51ns", "{\"number\": 2}", "[]"), "number: 1 and 2");
	check_difference(whole, "{}", "version: \"1\" and none");
}

/* ---- docs/sweep.schema.json ---- */

static void must_be_valid(const json_t *doc)
{
	const json_t *schema = json_schema_load("sweep.schema.json");
	char *text;

	if (json_schema_valid(schema, schema, doc))
		return;
	text = json_dumps(doc, 0);
	fputs(text, stderr);
	free(text);
	fail_msg("docs/sweep.schema.json refuses this");
}

static void must_be_refused(const json_t *doc, const char *what, const char *key)
{
	const json_t *schema = json_schema_load("sweep.schema.json");

	if (json_schema_valid(schema, schema, doc))
		fail_msg("docs/sweep.schema.json accepts %s \"%s\"", what, key);
}

/* Without one of its members, with one too many, and with an object in a member's place. */
static void mutate_object(const json_t *doc, json_t *object)
{
	json_t *names = json_copy(object), *value;
	const char *key;

	/* Taking a key away frees its name: go by those of a copy. */
	json_object_foreach(names, key, value) {
		json_object_del(object, key);
		must_be_refused(doc, "no", key);
		json_object_set_new(object, key, json_object());
		must_be_refused(doc, "an empty object as", key);
		json_object_set(object, key, value);
	}
	json_decref(names);
	json_object_set_new(object, "surplus", json_null());
	must_be_refused(doc, "an object with", "surplus");
	json_object_del(object, "surplus");
	must_be_valid(doc);
}

static void mutate_record(json_t *record)
{
	json_t *result = json_object_get(record, "result"), *value;
	const char *key;

	/* An empty point is a point. */
	json_object_set_new(record, "point", json_string("devices=1"));
	must_be_refused(record, "text as", "point");
	json_object_set_new(record, "point", json_object());
	must_be_valid(record);
	json_object_set_new(record, "index", json_integer(-1));
	must_be_refused(record, "a negative", "index");
	json_object_set_new(record, "index", json_integer(0));
	mutate_object(record, result);
	json_object_foreach(result, key, value) {
		if (json_is_object(value))
			mutate_object(record, value);
	}
}

/* The points of one command, as they come, and its manifest. */
static void check_schema(const char *text)
{
	struct options_error err;
	struct sweep_dir d;
	struct loaded l;
	uint64_t index;
	char path[32];

	load(&l, text);
	make_path(path);
	create(&d, path, &l);
	for (index = 0; index < l.s.count; index++) {
		struct options o;
		json_t *result = NULL, *record;
		int ret = sweep_point(&l.s, &l.base, index, &o, &err);

		if (!ret)
			assert_int_equal(point_simulate(&ctx, l.s.command, &o, &result), EXIT_OK);
		options_free(&o);
		record = sweep_record_json(&l.s, index, result, err.msg);
		must_be_valid(record);
		assert_int_equal(sweep_dir_append(&d, index, record), 0);
		json_decref(record);
		assert_int_equal(sweep_dir_read(&d, index, &record), 0);
		must_be_valid(record);
		if (result)
			mutate_record(record);
		json_decref(record);
	}
	must_be_valid(d.manifest);
	assert_int_equal(sweep_dir_finish(&d, &err), 0);
	must_be_valid(d.manifest);
	mutate_object(d.manifest, json_object_get(d.manifest, "sweep"));
	json_object_set_new(d.manifest, "schema_version", json_integer(2));
	must_be_refused(d.manifest, "another", "schema_version");
	json_object_set_new(d.manifest, "schema_version", json_integer(SWEEP_SCHEMA_VERSION));
	json_object_set_new(d.manifest, "shard", json_pack("{s:i}", "number", 1));
	must_be_refused(d.manifest, "half a", "shard");
	json_object_set_new(d.manifest, "shard", json_pack("{s:i, s:i}", "number", 1, "of", 2));
	must_be_valid(d.manifest);
	sweep_dir_close(&d);
	remove_dir(path);
	unload(&l);
}

static void test_schema(void **state)
{
	(void)state;
	check_schema("[simbench]\nmachine = package:1 core:4 pu:1\njobs = 1\nruntime = 1ms\nwarmup = 0\n"
		     "repetitions = 2\n[sweep]\npolicy = pt,legacy,always\ncm = 0,1\ninvalid = skip\n");
	check_schema("[simbench]\nmachine = package:1 core:4 pu:1\ncpus = 4\niterations = 20\n"
		     "[sweep]\ncommand = lockbench\nlock = qspinlock,ticket,tas,mcs\n");
	check_schema("[simbench]\nmachine = package:1 core:4 pu:1\nmap_seconds = 200us\nwarmup = 0\n"
		     "[sweep]\ncommand = mapbench\npolicy = pt,always,dynamic\nmap_threads = 1,2\n");
}

static int free_schemas(void **state)
{
	(void)state;
	json_schema_free_all();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),	      cmocka_unit_test(test_errors),
		cmocka_unit_test(test_too_many_axes), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_point),	      cmocka_unit_test(test_json),
		cmocka_unit_test(test_bad_json),      cmocka_unit_test(test_random_ini),
		cmocka_unit_test(test_random_json),   cmocka_unit_test(test_append),
		cmocka_unit_test(test_append_fails),  cmocka_unit_test(test_manifest_difference),
		cmocka_unit_test(test_schema),
	};

	return cmocka_run_group_tests(tests, NULL, free_schemas);
}
