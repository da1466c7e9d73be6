/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cachetest.c - the kernel's cache.c against sim/cache_tag.c: the same random operations, the same submissions
 *
 * usage: cachetest [options] <kernel side, a shared object that kernel-patch/cachetest/run has built>
 *
 * Exit codes: 0 the same, 1 different, 2 usage, or the shared object cannot be used.
 */
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel-patch/cachetest/compare.h"
#include "kernel-patch/cachetest/sequence.h"
#include "platform.h"
#include "sim/exec/virtual.h"
#include "sim/topology.h"

#define SEQUENCE_LENGTH 1000
#define COVERED_AFTER 100000 /* operations */

struct test {
	uint64_t seed, operations;
	int64_t only; /* number of the only sequence to run, or -1 */
	bool hardware_only, own_allocations;
	struct draw_options how;
	const char *file;
	struct machine machine;
	struct operation ops[OPERATIONS_MAX];
	unsigned int count;
	struct comparison comparison;
	bool differs;
};

/* At the end the sequence takes back all that it has assigned, ATS tags included, so that leaks are seen. */
static void draw_sequence(struct test *t, uint64_t number)
{
	struct rng rng;
	unsigned int i;

	rng_seed(&rng, t->seed, number);
	draw_machine(&t->machine, &rng);
	for (t->count = 0; t->count < SEQUENCE_LENGTH; t->count++)
		draw_operation(&t->ops[t->count], &t->machine, &t->how, &rng);
	for (i = 0; i < t->machine.device_count && !t->how.ats_stays; i++)
		t->ops[t->count++] = (struct operation){
			.kind = OP_ATS, .device = (uint8_t)i, .on = true, .allocations = NO_LIMIT
		};
	for (i = 0; i < SEQUENCE_LENGTH; i++) {
		if (t->ops[i].kind != OP_ASSIGN)
			continue;
		t->ops[t->count] = t->ops[i];
		t->ops[t->count].kind = OP_UNASSIGN;
		t->ops[t->count++].allocations = NO_LIMIT;
	}
	assert(t->count <= OPERATIONS_MAX);
}

static void report(struct test *t, uint64_t number, uint64_t operations_before, unsigned int at)
{
	unsigned int i, count;

	printf("cachetest: they differ: seed %llu, operation %llu\n", (unsigned long long)t->seed,
	       (unsigned long long)operations_before + at + 1);
	printf("again, and only that: --seed %llu --sequence %llu\n", (unsigned long long)t->seed,
	       (unsigned long long)number);
	print_machine(stdout, &t->machine);
	count = minimise(&t->comparison, &t->machine, t->ops, at + 1);
	printf("%u of %u operations are enough:\n", count, at + 1);
	for (i = 0; i < count; i++) {
		printf("  ");
		print_operation(stdout, &t->ops[i]);
	}
	print_difference(stdout, &t->comparison);
}

/* Returns whether the two sides agree. */
static bool run_sequence(struct test *t, uint64_t number)
{
	struct comparison *c = &t->comparison;
	uint64_t before = c->coverage.operations;
	unsigned int at, i;
	bool leaks = false;

	draw_sequence(t, number);
	at = compare_sequence(c, &t->machine, t->ops, t->count);
	if (at < t->count) {
		report(t, number, before, at);
		return false;
	}
	for (i = 0; i < SIDES; i++) {
		if (!c->left_over[i])
			continue;
		printf("cachetest: the %s does not free %u objects: --seed %llu --sequence %llu\n",
		       c->sides[i]->name, c->left_over[i], (unsigned long long)t->seed, (unsigned long long)number);
		leaks = true;
	}
	return !leaks;
}

static void run_on_cpu(void *arg)
{
	struct test *t = arg;
	uint64_t number;

	for (number = 0; t->comparison.coverage.operations < t->operations && !t->differs; number++)
		if (t->only < 0)
			t->differs = !run_sequence(t, number);
		else if ((uint64_t)t->only == number) {
			t->differs = !run_sequence(t, number);
			return;
		}
}

/* One CPU: who waits for whom is not what is tested. */
static int run_on_machine(struct test *t)
{
	struct sim_params params = { .coh.l1_hit_ps = 500, .seed = 1 };
	char err[TOPOLOGY_ERR_SIZE];
	struct topology topology;
	uint32_t pu = 0;
	struct sim sim;
	int ret;

	ret = topology_load(&topology, "package:1 core:1 pu:1", err, sizeof(err));
	if (ret) {
		fprintf(stderr, "cachetest: %s\n", err);
		return ret;
	}
	ret = sim_create(&sim, &topology, &pu, 1, &params);
	if (!ret) {
		ret = sim_call_on_cpu(&sim, 0, run_on_cpu, t);
		sim_destroy(&sim);
	}
	topology_destroy(&topology);
	return ret;
}

static void usage(FILE *f)
{
	fprintf(f, "usage: cachetest [options] <kernel side>\n"
		   "  --operations N     at least so many (default 300000)\n"
		   "  --seed N           default 1\n"
		   "  --sequence N       only this one of the seed's sequences\n"
		   "  --own-allocations  the tree allocates otherwise than 6.12: where memory runs out, one side "
		   "may fail\n"
		   "                     and the other may not\n"
		   "  --hardware-only    calls of iommu_flush_write_buffer() that do nothing are not compared\n"
		   "  --ats-stays        no device's ATS is switched between its assignment and the end of that\n"
		   "  --whole-space      with ranges of all 2^52 pages, which 6.12 takes for one page\n");
}

static bool parse_number(const char *s, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(s, &end, 0);
	return *s >= '0' && *s <= '9' && !*end && !errno;
}

/* Returns 0, or -EINVAL after it has said what is wrong. */
static int parse(struct test *t, int argc, char **argv)
{
	static const struct option options[] = {
		{ "operations", required_argument, NULL, 'o' }, { "seed", required_argument, NULL, 's' },
		{ "sequence", required_argument, NULL, 'q' },	{ "own-allocations", no_argument, NULL, 'a' },
		{ "hardware-only", no_argument, NULL, 'w' },	{ "whole-space", no_argument, NULL, 'f' },
		{ "ats-stays", no_argument, NULL, 't' },	{ NULL, 0, NULL, 0 },
	};
	uint64_t value = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (strchr("osq", option) && !parse_number(optarg, &value)) {
			fprintf(stderr, "cachetest: %s is no number\n", optarg);
			return -EINVAL;
		}
		switch (option) {
		case 'o':
			t->operations = value;
			break;
		case 's':
			t->seed = value;
			break;
		case 'q':
			t->only = (int64_t)value;
			break;
		case 'a':
			t->own_allocations = true;
			break;
		case 'w':
			t->hardware_only = true;
			break;
		case 't':
			t->how.ats_stays = true;
			break;
		case 'f':
			t->how.whole_space = true;
			break;
		default:
			usage(stderr);
			return -EINVAL;
		}
	}
	if (optind + 1 != argc) {
		usage(stderr);
		return -EINVAL;
	}
	t->file = argv[optind];
	return 0;
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

/* Returns the exit code. */
static int run(struct test *t)
{
	struct comparison *c = &t->comparison;
	struct timespec start;
	double seconds;
	int i;

	c->own_allocations = t->own_allocations;
	for (i = 0; i < SIDES; i++)
		c->logs[i].hardware_only = t->hardware_only;
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (run_on_machine(t))
		return 2;
	seconds = seconds_since(&start);
	if (t->differs)
		return 1;
	if (!print_coverage(stdout, &c->coverage) && t->operations >= COVERED_AFTER) {
		printf("cachetest: something never happened, so that nothing is known of it\n");
		return 1;
	}
	printf("cachetest: the same, seed %llu (%.2f s, %.0f operations/s)\n", (unsigned long long)t->seed, seconds,
	       (double)c->coverage.operations / seconds);
	return 0;
}

int main(int argc, char **argv)
{
	struct test *t = calloc(1, sizeof(*t));
	void *kernel;
	int ret = 2;

	if (!t)
		return 2;
	*t = (struct test){ .seed = 1, .operations = 300000, .only = -1 };
	if (parse(t, argc, argv))
		goto out;
	kernel = dlopen(t->file, RTLD_NOW | RTLD_LOCAL);
	t->comparison.sides[SIMULATOR] = &model_side;
	t->comparison.sides[KERNEL] = kernel ? dlsym(kernel, KERNEL_SIDE) : NULL;
	if (!t->comparison.sides[KERNEL]) {
		fprintf(stderr, "cachetest: %s\n", dlerror());
		goto out;
	}
	ret = run(t);
out:
	free(t);
	return ret;
}
