/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_region.c - simulated memory: same offsets every time, objects on lines of their own, free and reuse
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sim/exec/coherence.h"
#include "sim/exec/region.h"
#include "sim/rng.h"

#define OBJECTS 600
#define STEPS 5000

OBJ_TYPE_PLAIN(small, "small");
OBJ_TYPE_PLAIN(large, "large");

struct object {
	unsigned char *p;
	size_t size;
	unsigned char fill;
};

struct history {
	uint64_t hash; /* of all offsets, in order */
	uint64_t live_objects, live_bytes;
	uint32_t errors;
};

static const struct history no_history;

static size_t draw_size(struct rng *rng)
{
	switch (rng_below(rng, 8)) {
	case 0:
		return 1 + rng_below(rng, 64);
	case 1:
		return 4096;
	case 2:
		return 1 + rng_below(rng, 300000); /* up to several tens of pages */
	default:
		return 1 + rng_below(rng, 3000);
	}
}

static size_t draw_align(struct rng *rng)
{
	static const size_t align[] = { 64, 64, 64, 128, 256, 4096 };

	return align[rng_below(rng, sizeof(align) / sizeof(align[0]))];
}

static bool filled_with(const unsigned char *p, size_t size, unsigned char value)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (p[i] != value)
			return false;
	return true;
}

static void alloc_one(struct region *r, struct object *o, struct rng *rng, struct history *h)
{
	size_t align = draw_align(rng);

	o->size = draw_size(rng);
	o->p = region_alloc(r, o->size < 4096 ? &small_type : &large_type, o->size, align);
	if (!o->p || (uintptr_t)o->p % align || !filled_with(o->p, o->size, 0)) {
		h->errors++;
		return;
	}
	h->hash = (h->hash ^ (uint64_t)((char *)o->p - r->memory.base)) * 0x9e3779b97f4a7c15ULL;
	h->hash ^= h->hash >> 31;
	o->fill = (unsigned char)(1 + rng_below(rng, 255));
	memset(o->p, o->fill, o->size);
}

static void free_one(struct region *r, struct object *o, struct history *h)
{
	/* Nobody else wrote here meanwhile: objects do not overlap. */
	if (o->p && !filled_with(o->p, o->size, o->fill))
		h->errors++;
	region_free(r, o->p);
	o->p = NULL;
}

/* Allocates and frees at random; with @keep the objects are there in the end. */
static void churn(struct region *r, uint64_t seed, struct history *h, bool keep)
{
	struct object *objects = calloc(OBJECTS, sizeof(*objects));
	struct rng rng;
	uint32_t i;

	*h = no_history;
	rng_seed(&rng, seed, 0);
	if (!objects) {
		h->errors++;
		return;
	}
	for (i = 0; i < STEPS; i++) {
		struct object *o = &objects[rng_below(&rng, OBJECTS)];

		if (o->p)
			free_one(r, o, h);
		else
			alloc_one(r, o, &rng, h);
	}
	h->live_objects = r->live_objects;
	h->live_bytes = r->live_bytes;
	for (i = 0; !keep && i < OBJECTS; i++)
		free_one(r, &objects[i], h);
	free(objects);
}

static void run(uint64_t seed, struct history *h)
{
	struct region r;

	*h = no_history;
	if (region_create(&r)) {
		h->errors++;
		return;
	}
	churn(&r, seed, h, false);
	if (r.live_objects || r.live_bytes)
		h->errors++;
	region_destroy(&r);
}

static void test_same_offsets_in_two_regions(void **state)
{
	struct history a, b, c, again;
	struct region r, q;

	(void)state;
	assert_int_equal(region_create(&r), 0);
	assert_int_equal(region_create(&q), 0);
	assert_ptr_not_equal(r.memory.base, q.memory.base);
	churn(&r, 1, &a, true);
	churn(&q, 1, &b, true);
	assert_int_equal(a.errors, 0);
	assert_memory_equal(&a, &b, sizeof(a));
	region_destroy(&r);
	region_destroy(&q);
	run(1, &again); /* jemalloc may hand out the destroyed arenas again */
	assert_memory_equal(&again, &a, sizeof(a));
	run(2, &c);
	assert_int_equal(c.errors, 0);
	assert_true(c.hash != a.hash);
}

/* Another process has other addresses. */
static void test_same_offsets_in_another_process(void **state)
{
	struct history h;
	char path[4096], command[4200];
	unsigned long long other = 0;
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	int i;

	(void)state;
	assert_true(len > 0);
	path[len] = 0;
	run(3, &h);
	assert_int_equal(h.errors, 0);
	snprintf(command, sizeof(command), "'%s' --hash", path);
	for (i = 0; i < 3; i++) {
		FILE *f = popen(command, "r");

		assert_non_null(f);
		assert_int_equal(fscanf(f, "%llu", &other), 1);
		assert_int_equal(pclose(f), 0);
		assert_true(other == h.hash);
	}
}

/* Around every limit between jemalloc's ways to place an object. */
static void test_every_size(void **state)
{
	struct region r, q;
	size_t size;

	(void)state;
	assert_int_equal(region_create(&r), 0);
	assert_int_equal(region_create(&q), 0);
	for (size = 64; size <= 40000; size += 64) {
		const char *a = region_alloc(&r, &small_type, size, 64),
			   *b = region_alloc(&q, &small_type, size, 64);

		assert_non_null(a);
		assert_non_null(b);
		if (a - r.memory.base != b - q.memory.base)
			fail_msg("objects of %zu bytes are at offsets %td and %td", size, a - r.memory.base,
				 b - q.memory.base);
	}
	region_destroy(&r);
	region_destroy(&q);
}

struct worker {
	uint64_t seed;
	struct history history;
};

static void *worker_run(void *arg)
{
	struct worker *w = arg;

	run(w->seed, &w->history);
	return NULL;
}

static void test_two_threads(void **state)
{
	struct worker alone = { .seed = 5 }, w[2];
	pthread_t thread[2];
	int round, i;

	(void)state;
	worker_run(&alone);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 2; i++) {
			w[i] = (struct worker){ .seed = 5 };
			assert_int_equal(pthread_create(&thread[i], NULL, worker_run, &w[i]), 0);
		}
		for (i = 0; i < 2; i++)
			assert_int_equal(pthread_join(thread[i], NULL), 0);
		for (i = 0; i < 2; i++) {
			assert_int_equal(w[i].history.errors, 0);
			assert_memory_equal(&w[i].history, &alone.history, sizeof(alone.history));
		}
	}
}

static void test_objects_have_whole_lines(void **state)
{
	struct region r;
	unsigned char *a, *b;
	size_t line;

	(void)state;
	assert_int_equal(region_create(&r), 0);
	a = region_alloc(&r, &small_type, 1, 64);
	b = region_alloc(&r, &large_type, 65, 64);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal((uintptr_t)a % 64, 0);
	assert_int_equal((uintptr_t)b % 64, 0);
	assert_true(b >= a + 64 || b + 128 <= a);

	line = region_line_index(&r, a);
	assert_int_equal(region_line_index(&r, a + 63), line);
	assert_int_equal(region_line_index(&r, a + 64), line + 1);
	assert_int_equal(r.objects[line].index, 0);
	assert_string_equal(r.types[r.objects[line].type - 1]->name, "small");
	line = region_line_index(&r, b);
	assert_int_equal(r.objects[line].type, r.objects[line + 1].type);
	assert_int_equal(r.objects[line + 1].index, 1);
	assert_string_equal(r.types[r.objects[line].type - 1]->name, "large");
	assert_int_equal(r.type_count, 2);
	/* Fresh lines belong to nobody. */
	assert_int_equal(r.lines[line].owner, NO_OWNER);
	assert_int_equal(r.lines[line].busy_until_ps, 0);
	region_destroy(&r);
}

static void test_large_objects_are_aligned(void **state)
{
	struct region r;
	size_t size;
	void *p;

	(void)state;
	assert_int_equal(region_create(&r), 0);
	for (size = 16384; size <= 64UL << 20; size = size * 3 / 2 + 64) {
		p = region_alloc(&r, &large_type, size, 64);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % PAGE_SIZE, 0);
		assert_true((char *)p >= r.memory.base && (char *)p + size <= r.memory.base + r.memory.used);
	}
	for (size = 64; size <= 16384; size *= 2) {
		p = region_alloc(&r, &large_type, size, PAGE_SIZE);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % PAGE_SIZE, 0);
	}
	/* Lines beyond the 65535th share the last index. */
	p = region_alloc(&r, &large_type, 5UL << 20, 64);
	assert_int_equal(r.objects[region_line_index(&r, (char *)p + 65534 * 64)].index, 65534);
	assert_int_equal(r.objects[region_line_index(&r, (char *)p + 70000 * 64)].index, UINT16_MAX);
	region_destroy(&r);
}

static void test_free_and_reuse(void **state)
{
	struct region r;
	char *p, *q;
	size_t used, bytes;
	int i;

	(void)state;
	assert_int_equal(region_create(&r), 0);
	p = region_alloc(&r, &small_type, 200, 64);
	q = region_alloc(&r, &large_type, 100000, 64);
	assert_non_null(p);
	assert_non_null(q);
	assert_int_equal(r.live_objects, 2);
	bytes = r.live_bytes;
	assert_true(bytes >= 256 + 100032);
	used = r.memory.used;
	for (i = 0; i < 2000; i++) {
		memset(p, 0xff, 200);
		memset(q, 0xff, 100000);
		region_free(&r, p);
		assert_int_equal(r.live_objects, 1);
		region_free(&r, q);
		assert_int_equal(r.live_objects, 0);
		assert_int_equal(r.live_bytes, 0);
		p = region_alloc(&r, &small_type, 200, 64);
		q = region_alloc(&r, &large_type, 100000, 64);
		assert_true(filled_with((unsigned char *)p, 200, 0));
		assert_true(filled_with((unsigned char *)q, 100000, 0));
		assert_int_equal(r.live_bytes, bytes);
	}
	assert_true(r.memory.used <= used + (4UL << 20)); /* reused, not taken from the range's end each time */
	region_free(&r, NULL);
	assert_int_equal(r.live_objects, 2);
	region_destroy(&r);
}

static void test_reset_stats(void **state)
{
	struct region r;
	size_t line;
	char *p;

	(void)state;
	assert_int_equal(region_create(&r), 0);
	p = region_alloc(&r, &large_type, 1UL << 20, 64);
	assert_non_null(p);
	for (line = region_line_index(&r, p); line < region_line_index(&r, p + (1UL << 20)); line++) {
		r.stats[line].transfers_remote = 7;
		r.lines[line].busy_until_ps = 7;
	}
	region_reset_stats(&r);
	for (line = region_line_index(&r, p); line < region_line_index(&r, p + (1UL << 20)); line++) {
		assert_int_equal(r.stats[line].transfers_remote, 0);
		assert_int_equal(r.lines[line].busy_until_ps, 7); /* the lines' state stays */
	}
	assert_string_equal(r.types[r.objects[region_line_index(&r, p)].type - 1]->name, "large");
	region_destroy(&r);
}

/* The allocator would go on with what it has been given twice. */
static void test_freed_twice(void **state)
{
	char told[128] = "";
	struct region r;
	int fds[2], status;
	pid_t pid;
	void *p;

	(void)state;
	assert_int_equal(region_create(&r), 0);
	p = region_alloc(&r, &small_type, 100, CACHE_LINE_SIZE);
	assert_non_null(p);
	region_free(&r, p);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		region_free(&r, p);
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(read(fds[0], told, sizeof(told) - 1) > 0);
	assert_non_null(strstr(told, "a small is freed twice"));
	close(fds[0]);
	region_destroy(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_offsets_in_two_regions),
		cmocka_unit_test(test_same_offsets_in_another_process),
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_two_threads),
		cmocka_unit_test(test_objects_have_whole_lines),
		cmocka_unit_test(test_large_objects_are_aligned),
		cmocka_unit_test(test_free_and_reuse),
		cmocka_unit_test(test_freed_twice),
		cmocka_unit_test(test_reset_stats),
	};

	if (argc > 1 && !strcmp(argv[1], "--hash")) {
		struct history h;

		run(3, &h);
		printf("%llu\n", (unsigned long long)h.hash);
		return h.errors != 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
