/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_topology.c - machines as hwloc describes them, and the jobs' places on them
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <hwloc.h>

#include "sim/topology.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* hwloc 2.9 forgets the object that it was reading when an XML file breaks off. Other leaks still count. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:hwloc_alloc_setup_object\n";
}

static char dir[] = "/tmp/test_topology.XXXXXX";
static char err[TOPOLOGY_ERR_SIZE];

static int make_dir(void **state)
{
	(void)state;
	return !mkdtemp(dir) || chdir(dir);
}

static int remove_dir(void **state)
{
	static const char *const names[] = { "m.xml", "machine", "cut.xml" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		unlink(names[i]);
	return chdir("/") || rmdir(dir);
}

static void load(struct topology *t, const char *machine)
{
	int ret = topology_load(t, machine, err, sizeof(err));

	if (ret)
		fail_msg("%s: %d %s", machine, ret, err);
}

static void write_file(const char *name, const char *text, size_t size)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

/* Of this process, so that a busy host does not count. */
static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* A regular machine: @l3s a package, or none at all if 0, then @cores each, then @threads each. */
static void check_regular(const char *machine, unsigned int packages, unsigned int l3s, unsigned int cores,
			  unsigned int threads)
{
	unsigned int l3_pus = cores * threads, package_pus = l3_pus * (l3s ? l3s : 1);
	struct topology t;

	load(&t, machine);
	assert_int_equal(t.pu_count, packages * package_pus);
	assert_int_equal(t.core_count, t.pu_count / threads);
	assert_int_equal(t.l3_count, t.pu_count / l3_pus);
	assert_int_equal(t.package_count, packages);
	assert_int_equal(t.numa_node_count, 1);
	for (unsigned int i = 0; i < t.pu_count; i++) {
		assert_int_equal(t.pu[i].os_index, i);
		assert_int_equal(t.pu[i].core, i / threads);
		assert_int_equal(t.pu[i].smt_index, i % threads);
		assert_int_equal(t.pu[i].l3, i / l3_pus);
		assert_int_equal(t.pu[i].package, i / package_pus);
		assert_int_equal(t.pu[i].numa_node, 0);
	}
	topology_destroy(&t);
}

static void test_regular_machines(void **state)
{
	(void)state;
	check_regular("package:4 l3:1 core:18 pu:2", 4, 1, 18, 2);
	check_regular("package:2 l3:1 core:48 pu:2", 2, 1, 48, 2);
	check_regular("package:2 l3:8 core:8 pu:2", 2, 8, 8, 2);
	check_regular("package:3 core:4 pu:1", 3, 0, 4, 1);
	check_regular("package:1 l3:1(size=16777216) core:2 pu:4", 1, 1, 2, 4);
	check_regular("pu:4", 1, 0, 4, 1);
	check_regular("pu:1", 1, 0, 1, 1);
	check_regular("core:0x3 pu:2", 1, 0, 3, 2);
}

static void test_numa_nodes(void **state)
{
	struct topology t;

	(void)state;
	load(&t, "package:2 [numa] l3:2 core:2 pu:2");
	assert_int_equal(t.numa_node_count, 2);
	for (unsigned int i = 0; i < t.pu_count; i++)
		assert_int_equal(t.pu[i].numa_node, i / 8);
	topology_destroy(&t);

	/* the node at an L3 is nearer than its package's */
	load(&t, "package:2 [numa] l3:2 [numa] core:2 pu:2");
	assert_int_equal(t.numa_node_count, 4);
	for (unsigned int i = 0; i < t.pu_count; i++)
		assert_int_equal(t.pu[i].numa_node, i / 4);
	topology_destroy(&t);
}

static void test_os_index(void **state)
{
	static const unsigned int os_index[] = { 0, 4, 1, 5, 2, 6, 3, 7 };
	struct topology t;

	(void)state;
	load(&t, "package:2 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)");
	for (unsigned int i = 0; i < t.pu_count; i++) {
		assert_int_equal(t.pu[i].os_index, os_index[i]);
		assert_int_equal(t.pu[i].core, i / 2);
	}
	topology_destroy(&t);
}

static void test_distance(void **state)
{
	enum topology_distance expected;
	struct topology t;

	(void)state;
	load(&t, "package:2 l3:2 core:2 pu:2");
	for (unsigned int a = 0; a < 16; a++)
		for (unsigned int b = 0; b < 16; b++) {
			expected = a == b	    ? DIST_SELF
				   : a / 2 == b / 2 ? DIST_SMT
				   : a / 4 == b / 4 ? DIST_L3
				   : a / 8 == b / 8 ? DIST_PACKAGE
						    : DIST_REMOTE;
			assert_int_equal(topology_distance(&t, a, b), expected);
		}
	topology_destroy(&t);

	load(&t, "package:2 core:2 pu:1");
	assert_int_equal(topology_distance(&t, 0, 1), DIST_L3);
	assert_int_equal(topology_distance(&t, 1, 2), DIST_REMOTE);
	topology_destroy(&t);
}

static void test_largest_machine(void **state)
{
	double start = cpu_seconds();

	(void)state;
	check_regular("package:8 l3:8 core:64 pu:2", 8, 8, 64, 2);
	assert_true(cpu_seconds() - start < 5);
}

/* Around the tests of what is refused: whatever it is, nobody may print anything. */
static int out_fd, error_fd;
static FILE *printed;

static int begin_silence(void **state)
{
	(void)state;
	fflush(stdout);
	fflush(stderr);
	printed = tmpfile();
	out_fd = dup(1);
	error_fd = dup(2);
	return !printed || dup2(fileno(printed), 1) < 0 || dup2(fileno(printed), 2) < 0;
}

static int end_silence(void **state)
{
	char line[512];
	int lines = 0;

	(void)state;
	fflush(stdout);
	fflush(stderr);
	dup2(out_fd, 1);
	dup2(error_fd, 2);
	close(out_fd);
	close(error_fd);
	rewind(printed);
	for (; fgets(line, sizeof(line), printed); lines++)
		print_error("printed: %s", line);
	fclose(printed);
	return lines;
}

struct refusal {
	const char *machine;
	int ret;
	const char *says;
};

static const struct refusal refusals[] = {
	{ "pu:8193", -E2BIG, "'pu:8193': more than 8192 CPUs" },
	{ "package:64 l3:8 core:64 pu:2", -E2BIG, "'package:64 l3:8 core:64 pu:2': more than 8192" },
	{ "2 4097", -E2BIG, "'2 4097': more than 8192" },
	{ "core:4294967296 pu:4294967296", -E2BIG, "more than 8192" },
	{ "pu:99999999999999999999999999", -E2BIG, "more than 8192" },
	{ "package:2(memory=1GB) [numa(memory=1GB)] core:4097 pu:1", -E2BIG, "more than 8192" },
	{ "pu:0x2001", -E2BIG, "more than 8192" },
	{ "", -EINVAL, "machine ''" },
	{ "  ", -EINVAL, "machine '  '" },
	{ "(", -EINVAL, "machine '('" },
	{ "hots", -EINVAL, "'hots': neither host, nor a file, nor an hwloc synthetic string" },
	{ "pu:-4", -EINVAL, "'pu:-4'" },
	{ "pu:", -EINVAL, "'pu:'" },
	{ "pu:0", -EINVAL, "'pu:0'" },
	{ "core:4", -EINVAL, "'core:4'" },
	{ "package:2 cabbage:3 pu:2", -EINVAL, "'package:2 cabbage:3 pu:2'" },
	{ "pu:2 core:2", -EINVAL, "'pu:2 core:2'" },
	{ "pu:4(indexes", -EINVAL, "'pu:4(indexes'" },
	{ "[[[[((((", -EINVAL, "'[[[[(((('" },
	{ "::::", -EINVAL, "'::::'" },
	{ "./missing", -ENOENT, "'./missing': cannot read it: No such file" },
	{ "missing.xml", -ENOENT, "'missing.xml': cannot read it: No such file" },
	{ "/tmp", -EISDIR, "'/tmp': cannot read it: Is a directory" },
};

static void expect_refusal(const char *machine, int ret, const char *says)
{
	struct topology t;

	memset(&t, 0xff, sizeof(t));
	memset(err, 0, sizeof(err));
	if (topology_load(&t, machine, err, sizeof(err)) != ret || !strstr(err, says))
		fail_msg("%s: not %d and \"%s\", but \"%s\"", machine, ret, says, err);
	assert_null(strchr(err, '\n'));
	assert_null(t.pu);
	assert_null(t.hwloc);
	topology_destroy(&t);
}

static void test_refusals(void **state)
{
	double start = cpu_seconds();

	(void)state;
	for (size_t i = 0; i < COUNT(refusals); i++)
		expect_refusal(refusals[i].machine, refusals[i].ret, refusals[i].says);
	assert_true(cpu_seconds() - start < 1);
}

/* A value of any length is cut in the message, and the reason stays; a caller may also want no message. */
static void test_long_value(void **state)
{
	char machine[1000];
	struct topology t;

	(void)state;
	memset(machine, 'x', sizeof(machine) - 1);
	machine[sizeof(machine) - 1] = '\0';
	expect_refusal(machine, -EINVAL, "xxx': neither host, nor a file, nor an hwloc synthetic string");
	assert_int_equal(topology_load(&t, machine, NULL, 0), -EINVAL);
}

static char *read_back(const char *name, size_t *size)
{
	FILE *f = fopen(name, "r");
	char *text = calloc(1, 1 << 20);

	assert_non_null(f);
	assert_non_null(text);
	*size = fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	return text;
}

/* A machine's file in which occurrence @n of @word begins with another letter; false if there are fewer. */
static bool write_damaged(const char *name, const char *word, unsigned int n)
{
	char *text, *p;
	size_t size;

	text = read_back("m.xml", &size);
	p = strstr(text, word);
	while (p && n--)
		p = strstr(p + 1, word);
	if (p)
		*p = '_';
	write_file(name, text, size);
	free(text);
	return p;
}

/* The same file with the first two PUs' lines exchanged: hwloc 2.9 loads that, but complains. */
static void write_swapped(const char *name)
{
	char *text, *first, *second, *copy;
	size_t size, len;

	text = read_back("m.xml", &size);
	first = strstr(text, "<object type=\"PU\"");
	assert_non_null(first);
	second = strstr(first + 1, "<object type=\"PU\"");
	assert_non_null(second);
	len = (size_t)(strchr(first, '\n') - first);
	assert_int_equal(len, strchr(second, '\n') - second);
	copy = strndup(first, len);
	assert_non_null(copy);
	memcpy(first, second, len);
	memcpy(second, copy, len);
	write_file(name, text, size);
	free(copy);
	free(text);
}

/* Files that hwloc 2.9 alone would crash on, or complain about on standard error. */
static void test_damaged_xml(void **state)
{
	static const char *const words[] = {
		"cpuset=", "complete_cpuset=", "nodeset=", "type=", "os_index=", "0000"
	};
	unsigned int refused = 0, tried = 0;
	struct topology t;

	(void)state;
	load(&t, "package:2 core:2 pu:2");
	assert_int_equal(topology_export_xml(&t, "m.xml"), 0);
	topology_destroy(&t);
	for (size_t i = 0; i < COUNT(words); i++)
		for (unsigned int n = 0; write_damaged("cut.xml", words[i], n); n += 5) {
			tried++;
			if (topology_load(&t, "cut.xml", err, sizeof(err))) {
				assert_string_equal(err,
						    "machine 'cut.xml': not an hwloc XML file, or a damaged one");
				refused++;
			}
			topology_destroy(&t);
		}
	write_swapped("cut.xml");
	expect_refusal("cut.xml", -EINVAL, "'cut.xml': not an hwloc XML file, or a damaged one");
	assert_true(tried > 25);
	assert_true(refused > tried / 2);
}

static void test_broken_xml(void **state)
{
	static const char pu[] = "<object type=\"PU\" os_index=\"0\"/>\n";
	char *big = malloc(8193 * (sizeof(pu) - 1));
	struct topology t;
	size_t size;
	char *text;

	(void)state;
	load(&t, "package:2 core:2 pu:2");
	assert_int_equal(topology_export_xml(&t, "m.xml"), 0);
	topology_destroy(&t);
	text = read_back("m.xml", &size);
	for (size_t cut = 0; cut < size - 1; cut += 397) {
		write_file("cut.xml", text, cut);
		expect_refusal("cut.xml", -EINVAL, "'cut.xml'");
	}
	free(text);

	write_file("cut.xml", "package:2 core:2 pu:2", 21);
	expect_refusal("cut.xml", -EINVAL, "'cut.xml'");
	write_file("machine", "nonsense", 8);
	expect_refusal("machine", -EINVAL, "'machine'");

	assert_non_null(big);
	for (size_t i = 0; i < 8193; i++)
		memcpy(big + i * (sizeof(pu) - 1), pu, sizeof(pu) - 1);
	write_file("cut.xml", big, 8193 * (sizeof(pu) - 1));
	expect_refusal("cut.xml", -E2BIG, "'cut.xml': more than 8192 CPUs");
	free(big);

	assert_int_equal(truncate("cut.xml", 65 << 20), 0);
	expect_refusal("cut.xml", -EFBIG, "'cut.xml': cannot read it: File too large");
}

/* A host beyond the limit, which hwloc's own environment variable pretends; only loading it tells. */
static void test_large_host(void **state)
{
	(void)state;
	assert_int_equal(setenv("HWLOC_SYNTHETIC", "package:65 core:64 pu:2", 1), 0);
	expect_refusal("host", -E2BIG, "'host': more than 8192 CPUs");
	assert_int_equal(unsetenv("HWLOC_SYNTHETIC"), 0);
}

static void assert_same_machine(const struct topology *a, const struct topology *b)
{
	assert_int_equal(a->pu_count, b->pu_count);
	assert_int_equal(a->core_count, b->core_count);
	assert_int_equal(a->l3_count, b->l3_count);
	assert_int_equal(a->package_count, b->package_count);
	assert_int_equal(a->numa_node_count, b->numa_node_count);
	for (unsigned int i = 0; i < a->pu_count; i++) {
		assert_int_equal(a->pu[i].os_index, b->pu[i].os_index);
		assert_int_equal(a->pu[i].core, b->pu[i].core);
		assert_int_equal(a->pu[i].l3, b->pu[i].l3);
		assert_int_equal(a->pu[i].package, b->pu[i].package);
		assert_int_equal(a->pu[i].numa_node, b->pu[i].numa_node);
		assert_int_equal(a->pu[i].smt_index, b->pu[i].smt_index);
	}
}

static void test_xml_round_trip(void **state)
{
	static const char *const machines[] = {
		"host",
		"pu:1",
		"package:2 [numa] l3:2 core:2 pu:2(indexes=0,8,1,9,2,10,3,11,4,12,5,13,6,14,7,15)",
		"package:8 l3:8 core:64 pu:2",
	};
	static const char *const names[] = { "m.xml", "./machine", "machine" };
	struct topology t, back;

	(void)state;
	for (size_t i = 0; i < COUNT(machines); i++) {
		load(&t, machines[i]);
		assert_int_equal(topology_export_xml(&t, names[i % COUNT(names)]), 0);
		load(&back, names[i % COUNT(names)]);
		assert_same_machine(&t, &back);
		topology_destroy(&back);
		topology_destroy(&t);
	}
}

static void test_export_errors(void **state)
{
	struct topology t;

	(void)state;
	load(&t, "pu:2");
	assert_int_equal(topology_export_xml(&t, "missing/m.xml"), -ENOENT);
	assert_int_equal(topology_export_xml(&t, "/dev/full"), -ENOSPC);
	topology_destroy(&t);
}

static void test_host(void **state)
{
	struct topology t;
	cpu_set_t allowed;

	(void)state;
	load(&t, "host");
	assert_in_range(t.pu_count, 1, TOPOLOGY_MAX_PUS);
	assert_in_range(t.core_count, 1, t.pu_count);
	assert_in_range(t.package_count, 1, t.core_count);
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		unsigned int hits = 0;

		for (unsigned int i = 0; i < t.pu_count; i++)
			hits += t.pu[i].os_index == (unsigned int)cpu;
		assert_in_range(hits, CPU_ISSET(cpu, &allowed) ? 1 : 0, 1);
	}
	topology_destroy(&t);
	topology_destroy(&t);
}

static void expect_places(const struct topology *t, const char *policy, const unsigned int *expected,
			  unsigned int job_count)
{
	unsigned int cpu[64] = { 0 };
	int ret = topology_place(t, policy, job_count, cpu, err, sizeof(err));

	if (ret)
		fail_msg("%s: %d %s", policy, ret, err);
	for (unsigned int i = 0; i < job_count; i++)
		if (cpu[i] != expected[i])
			fail_msg("%s: job %u on CPU %u, not %u", policy, i, cpu[i], expected[i]);
}

static void test_places_by_hand(void **state)
{
	static const unsigned int spread[] = { 0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15, 0, 8 };
	static const unsigned int packed[] = { 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15, 0, 2 };
	static const unsigned int cores[] = { 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15, 0, 2 };
	static const unsigned int list[] = { 5, 0, 1, 2, 3, 15, 5, 0 };
	static const unsigned int one[] = { 7, 7, 7 };
	unsigned int untouched = 99;
	struct topology t;

	(void)state;
	load(&t, "package:2 l3:2 core:2 pu:2");
	expect_places(&t, "spread", spread, COUNT(spread));
	expect_places(&t, "packed", packed, COUNT(packed));
	expect_places(&t, "cores", cores, COUNT(cores));
	expect_places(&t, "5,0-3,15", list, COUNT(list));
	expect_places(&t, "7-7", one, COUNT(one));
	assert_int_equal(topology_place(&t, "spread", 0, &untouched, err, sizeof(err)), 0);
	assert_int_equal(untouched, 99);
	topology_destroy(&t);
}

/* A machine with holes: in package 0 only the first L3's cores have two threads; package 1 is one core. */
static void test_places_on_uneven_machine(void **state)
{
	static const unsigned int spread[] = { 0, 6, 4, 2, 5, 1, 7, 3, 0 };
	static const unsigned int packed[] = { 0, 2, 4, 5, 1, 3, 6, 7, 0 };
	static const unsigned int cores[] = { 0, 2, 4, 5, 6, 1, 3, 7, 0 };
	hwloc_topology_t hwloc;
	hwloc_bitmap_t set = hwloc_bitmap_alloc();
	struct topology t;

	(void)state;
	assert_int_equal(hwloc_topology_init(&hwloc), 0);
	assert_int_equal(hwloc_topology_set_synthetic(hwloc, "package:2 l3:2 core:2 pu:2"), 0);
	assert_int_equal(hwloc_topology_load(hwloc), 0);
	assert_int_equal(hwloc_bitmap_list_sscanf(set, "0-4,6,12-13"), 0);
	assert_int_equal(hwloc_topology_restrict(hwloc, set, 0), 0);
	assert_int_equal(hwloc_topology_export_xml(hwloc, "m.xml", 0), 0);
	hwloc_bitmap_free(set);
	hwloc_topology_destroy(hwloc);

	load(&t, "m.xml");
	assert_int_equal(t.pu_count, 8);
	assert_int_equal(t.core_count, 5);
	assert_int_equal(t.l3_count, 3);
	assert_int_equal(t.pu[5].os_index, 6);
	assert_int_equal(t.pu[5].core, 3);
	assert_int_equal(t.pu[5].smt_index, 0);
	assert_int_equal(t.pu[7].os_index, 13);
	assert_int_equal(t.pu[7].core, 4);
	assert_int_equal(t.pu[7].smt_index, 1);
	expect_places(&t, "spread", spread, COUNT(spread));
	expect_places(&t, "packed", packed, COUNT(packed));
	expect_places(&t, "cores", cores, COUNT(cores));
	topology_destroy(&t);
}

/* The widest gap between the jobs of two groups, all of one size, after any number of jobs at one SMT level. */
static void check_balance(const struct topology *t, const unsigned int *cpu, unsigned int first, unsigned int last)
{
	unsigned int *package = calloc(t->package_count, sizeof(*package));
	unsigned int *l3 = calloc(t->l3_count, sizeof(*l3));
	unsigned int l3s = t->l3_count / t->package_count, base;
	const struct topology_pu *p;

	for (unsigned int job = first; job < last; job++) {
		p = &t->pu[cpu[job]];
		package[p->package]++;
		l3[p->l3]++;
		for (unsigned int i = 0; i < t->package_count; i++)
			assert_in_range(package[p->package], 0, package[i] + 1);
		base = p->package * l3s;
		for (unsigned int i = base; i < base + l3s; i++)
			assert_in_range(l3[p->l3], 0, l3[i] + 1);
	}
	free(package);
	free(l3);
}

static void check_permutation(const struct topology *t, const unsigned int *cpu)
{
	unsigned char *seen = calloc(t->pu_count, 1);

	for (unsigned int job = 0; job < t->pu_count; job++) {
		assert_in_range(cpu[job], 0, t->pu_count - 1);
		assert_int_equal(seen[cpu[job]]++, 0);
		assert_int_equal(cpu[job + t->pu_count], cpu[job]);
	}
	free(seen);
}

/* A core is never shared as long as another is free, and a node is left only when its cores are taken. */
static void check_cores_first(const struct topology *t, const unsigned int *cpu)
{
	for (unsigned int job = 1; job < t->pu_count; job++) {
		const struct topology_pu *p = &t->pu[cpu[job - 1]], *q = &t->pu[cpu[job]];

		assert_in_range(q->smt_index, p->smt_index, p->smt_index + 1);
		if (q->smt_index != p->smt_index) {
			assert_int_equal(q->numa_node, 0);
			assert_int_equal(job % t->core_count, 0);
			continue;
		}
		assert_in_range(q->numa_node, p->numa_node, p->numa_node + 1);
		if (q->numa_node == p->numa_node)
			assert_true(q->core > p->core);
	}
}

static void test_place_properties(void **state)
{
	static const char *const machines[] = {
		"package:4 l3:1 core:18 pu:2",	     "package:2 l3:1 core:48 pu:2",
		"package:2 l3:8 core:8 pu:2",	     "package:3 core:5 pu:4",
		"package:2 l3:3 core:7 pu:1",	     "pu:6",
		"package:8 l3:8 core:64 pu:2",	     "package:2 [numa] l3:2 core:3 pu:2",
		"package:2 l3:4 [numa] core:4 pu:2",
	};
	const struct topology_pu *p, *q;
	struct topology t;
	unsigned int *cpu;

	(void)state;
	for (size_t m = 0; m < COUNT(machines); m++) {
		load(&t, machines[m]);
		cpu = calloc(2 * (size_t)t.pu_count, sizeof(*cpu));
		assert_non_null(cpu);

		assert_int_equal(topology_place(&t, "spread", 2 * t.pu_count, cpu, err, sizeof(err)), 0);
		check_permutation(&t, cpu);
		for (unsigned int job = 0; job < t.pu_count; job++)
			assert_int_equal(t.pu[cpu[job]].smt_index, job / t.core_count);
		for (unsigned int job = 0; job < t.pu_count; job += t.core_count)
			check_balance(&t, cpu, job, job + t.core_count);

		assert_int_equal(topology_place(&t, "packed", 2 * t.pu_count, cpu, err, sizeof(err)), 0);
		check_permutation(&t, cpu);
		for (unsigned int job = 1; job < t.pu_count; job++) {
			p = &t.pu[cpu[job - 1]];
			q = &t.pu[cpu[job]];
			assert_in_range(q->package, p->package, p->package + 1);
			if (q->package == p->package)
				assert_in_range(q->smt_index, p->smt_index, p->smt_index + 1);
			else
				assert_int_equal(q->smt_index, 0);
		}

		assert_int_equal(topology_place(&t, "cores", 2 * t.pu_count, cpu, err, sizeof(err)), 0);
		check_permutation(&t, cpu);
		check_cores_first(&t, cpu);
		free(cpu);
		topology_destroy(&t);
	}
}

static void test_place_errors(void **state)
{
	static const struct {
		const char *policy;
		int ret;
		const char *says;
	} cases[] = {
		{ "", -EINVAL, "placement '': neither spread, nor packed, nor cores, nor a list of CPUs 0-15" },
		{ "sprad", -EINVAL, "'sprad': neither" },
		{ "spread ", -EINVAL, "'spread '" },
		{ "1,", -EINVAL, "'1,': neither" },
		{ ",1", -EINVAL, "',1': neither" },
		{ "1,,2", -EINVAL, "'1,,2': neither" },
		{ "1-", -EINVAL, "'1-': neither" },
		{ "-1", -EINVAL, "'-1': neither" },
		{ "+1", -EINVAL, "'+1': neither" },
		{ " 1", -EINVAL, "' 1': neither" },
		{ "1-2-3", -EINVAL, "'1-2-3': neither" },
		{ "1 2", -EINVAL, "'1 2': neither" },
		{ "0x1", -EINVAL, "'0x1': neither" },
		{ "3-1", -EINVAL, "'3-1': the range 3-1 runs backwards" },
		{ "16", -ERANGE, "'16': the machine has CPUs 0-15" },
		{ "0-16", -ERANGE, "'0-16': the machine has CPUs 0-15" },
		{ "99999999999999999999999", -ERANGE, "the machine has CPUs 0-15" },
		{ "4294967297", -ERANGE, "the machine has CPUs 0-15" },
		{ "2,2", -EINVAL, "'2,2': CPU 2 appears twice" },
		{ "0-4,3-5", -EINVAL, "'0-4,3-5': CPU 3 appears twice" },
	};
	unsigned int cpu[2] = { 99, 99 };
	struct topology t;

	(void)state;
	load(&t, "package:2 l3:2 core:2 pu:2");
	for (size_t i = 0; i < COUNT(cases); i++) {
		memset(err, 0, sizeof(err));
		if (topology_place(&t, cases[i].policy, 2, cpu, err, sizeof(err)) != cases[i].ret ||
		    !strstr(err, cases[i].says))
			fail_msg("%s: not %d and \"%s\", but \"%s\"", cases[i].policy, cases[i].ret, cases[i].says,
				 err);
		assert_int_equal(cpu[0], 99);
		assert_int_equal(cpu[1], 99);
	}
	topology_destroy(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refusals, begin_silence, end_silence),
		cmocka_unit_test_setup_teardown(test_long_value, begin_silence, end_silence),
		cmocka_unit_test_setup_teardown(test_broken_xml, begin_silence, end_silence),
		cmocka_unit_test_setup_teardown(test_damaged_xml, begin_silence, end_silence),
		cmocka_unit_test_setup_teardown(test_large_host, begin_silence, end_silence),
		cmocka_unit_test(test_regular_machines),
		cmocka_unit_test(test_numa_nodes),
		cmocka_unit_test(test_os_index),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_largest_machine),
		cmocka_unit_test(test_xml_round_trip),
		cmocka_unit_test(test_export_errors),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_places_by_hand),
		cmocka_unit_test(test_places_on_uneven_machine),
		cmocka_unit_test(test_place_properties),
		cmocka_unit_test(test_place_errors),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
