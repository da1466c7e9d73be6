/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_native.c - threads that are where they should be, events in order and on time, memory, RCU
 *
 * Links with -Wl,--wrap=pthread_create,--wrap=hwloc_set_cpubind,--wrap=dallocx: the first two can be made to fail,
 * and the third says when memory is freed.
 */
#include <dirent.h>
#include <errno.h>
#include <hwloc.h>
#include <jemalloc/jemalloc.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "platform.h"
#include "sim/platform/timer.h"
#include "tests/native_test.h"

#define MS 1000000000ULL /* in ps */
#define US 1000000ULL

OBJ_TYPE_PLAIN(test_object, "test_object");

/* ---- what is wrapped ---- */

static uint32_t threads_left = UINT32_MAX; /* pthread_create() fails after as many */
static uint32_t pins_left = UINT32_MAX;	   /* hwloc_set_cpubind() likewise */

#define WATCHED_MAX 64

/* Memory whose freeing is to be seen. */
static const void *watched[WATCHED_MAX];
static uint32_t watched_count, freed_count;

static bool take_one(uint32_t *left)
{
	uint32_t n = __atomic_load_n(left, __ATOMIC_RELAXED);

	do {
		if (!n)
			return false;
	} while (n != UINT32_MAX &&
		 !__atomic_compare_exchange_n(left, &n, n - 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *arg), void *arg)
{
	return take_one(&threads_left) ? __real_pthread_create(thread, attr, fn, arg) : EAGAIN;
}

int __real_hwloc_set_cpubind(hwloc_topology_t topology, hwloc_const_cpuset_t set, int flags);
int __wrap_hwloc_set_cpubind(hwloc_topology_t topology, hwloc_const_cpuset_t set, int flags);
int __wrap_hwloc_set_cpubind(hwloc_topology_t topology, hwloc_const_cpuset_t set, int flags)
{
	return take_one(&pins_left) ? __real_hwloc_set_cpubind(topology, set, flags) : -1;
}

void __real_dallocx(void *p, int flags);
void __wrap_dallocx(void *p, int flags);
void __wrap_dallocx(void *p, int flags)
{
	uint32_t i;

	for (i = 0; i < __atomic_load_n(&watched_count, __ATOMIC_ACQUIRE); i++)
		if (watched[i] == p)
			__atomic_fetch_add(&freed_count, 1, __ATOMIC_RELAXED);
	__real_dallocx(p, flags);
}

static void watch(const void *p)
{
	assert(watched_count < WATCHED_MAX);
	watched[watched_count] = p;
	__atomic_store_n(&watched_count, watched_count + 1, __ATOMIC_RELEASE);
}

static uint32_t freed(void)
{
	return __atomic_load_n(&freed_count, __ATOMIC_RELAXED);
}

static int reset_wraps(void **state)
{
	(void)state;
	threads_left = pins_left = UINT32_MAX;
	watched_count = freed_count = 0;
	return 0;
}

static struct native *create(uint32_t cpus)
{
	struct sim_params params = native_test_params();

	return native_test_create(cpus, &params, false);
}

/* ---- threads ---- */

struct crew {
	struct native *m;
	uint32_t arrived;
	uint32_t ran;
	int fail[8]; /* by CPU */
};

static uint32_t count_tasks(void)
{
	DIR *dir = opendir("/proc/self/task");
	uint32_t n = 0;
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		n += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static void check_place(struct native *m, uint32_t cpu)
{
	hwloc_topology_t hwloc = m->topology->hwloc;
	hwloc_obj_t pu = hwloc_get_obj_by_type(hwloc, HWLOC_OBJ_PU, m->pus[cpu]);
	hwloc_bitmap_t set = hwloc_bitmap_alloc();

	native_check(native_this_cpu == &m->cpus[cpu]);
	native_check(smp_processor_id() == cpu);
	native_check(nr_cpu_ids() == m->cpu_count);
	native_check(!hwloc_get_cpubind(hwloc, set, HWLOC_CPUBIND_THREAD));
	native_check(hwloc_bitmap_isequal(set, pu->cpuset));
	native_check(!hwloc_get_last_cpu_location(hwloc, set, HWLOC_CPUBIND_THREAD));
	native_check(hwloc_bitmap_isequal(set, pu->cpuset));
	native_check((uint32_t)sched_getcpu() == m->topology->pu[m->pus[cpu]].os_index);
	hwloc_bitmap_free(set);
}

static void crew_body(void *arg, uint32_t cpu)
{
	struct crew *crew = arg;

	/* Everybody is here before anybody starts. */
	native_check(count_tasks() >= crew->m->cpu_count + 1);
	check_place(crew->m, cpu);
	/* All at the same time: nobody goes before everybody has been here. */
	__atomic_fetch_add(&crew->arrived, 1, __ATOMIC_ACQ_REL);
	native_wait_until(&crew->arrived, crew->m->cpu_count);
	native_check(!cpu_stopping());
	__atomic_fetch_add(&crew->ran, 1, __ATOMIC_RELAXED);
}

static void threads_are_pinned_and_run_together(void **state)
{
	static const uint32_t cpus[] = { 1, 2, 5, 32 };
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cpus); i++) {
		struct crew crew = { .m = create(cpus[i]) };

		native_test_run(crew.m, crew_body, &crew);
		assert_int_equal(crew.ran, cpus[i]);
		crew.arrived = 0;
		native_test_run(crew.m, crew_body, &crew);
		assert_int_equal(crew.ran, 2 * cpus[i]);
		assert_null(native_this_cpu);
		native_test_destroy(crew.m);
	}
}

static void on_one_pu(void **state)
{
	struct sim_params params = native_test_params();
	const uint32_t pus[] = { 0, 0, 0 };
	char err[TOPOLOGY_ERR_SIZE];
	struct topology topology;
	struct native m;
	struct crew crew = { .m = &m };

	(void)state;
	assert_int_equal(topology_load(&topology, "host", err, sizeof(err)), 0);
	assert_int_equal(native_create(&m, &topology, pus, 3, &params, false), 0);
	native_test_run(&m, crew_body, &crew);
	assert_int_equal(crew.ran, 3);
	native_destroy(&m);
	topology_destroy(&topology);
}

static void call_body(void *arg)
{
	struct crew *crew = arg;

	check_place(crew->m, 2);
	crew->ran++;
}

static void a_call_runs_on_its_cpu(void **state)
{
	struct crew crew = { .m = create(3) };

	(void)state;
	native_test_call(crew.m, 2, call_body, &crew);
	assert_int_equal(crew.ran, 1);
	assert_null(native_this_cpu);
	native_test_destroy(crew.m);
}

/* What a thread of somebody else's does to be a CPU for a while. */
static void *visitor(void *arg)
{
	struct crew *crew = arg;
	int i;

	for (i = 0; i < 2; i++) {
		native_check(!native_enter(crew->m, 2));
		native_check(this_cpu()->irq_depth == 0);
		local_irq_save();
		call_body(crew);
		native_fail(i ? 0 : -ENOSPC);
		native_check(native_leave() == (i ? 0 : -ENOSPC));
		native_check(!native_this_cpu);
	}
	pins_left = 0;
	native_check(native_enter(crew->m, 0) == -EXDEV);
	native_check(smp_processor_id() == 0);
	native_check(native_leave() == 0);
	return NULL;
}

static void a_thread_enters_and_leaves(void **state)
{
	struct crew crew = { .m = create(3) };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, visitor, &crew), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(crew.ran, 2);
	pins_left = UINT32_MAX;
	native_test_call(crew.m, 2, call_body, &crew);
	native_test_destroy(crew.m);
}

static void fail_body(void *arg, uint32_t cpu)
{
	struct crew *crew = arg;

	if (crew->fail[cpu]) {
		native_fail(crew->fail[cpu]);
		native_fail(-EDOM); /* later errors of the same CPU are its first one's consequences */
	}
	native_check(!cpu_stopping());
	__atomic_fetch_add(&crew->ran, 1, __ATOMIC_RELAXED);
}

/* The first CPU's error is the run's, and none of them is left for the next run. */
static void errors_of_cpus(void **state)
{
	struct crew crew = { .m = create(3), .fail = { 0, -EFBIG, -ENOSPC } };

	(void)state;
	assert_int_equal(native_run(crew.m, fail_body, &crew), -EFBIG);
	assert_int_equal(crew.ran, 3);
	memset(crew.fail, 0, sizeof(crew.fail));
	native_test_run(crew.m, fail_body, &crew);
	assert_int_equal(crew.ran, 6);
	native_test_destroy(crew.m);
}

static void stop_body(void *arg, uint32_t cpu)
{
	struct crew *crew = arg;

	if (cpu == 1)
		cpu_fail(-ENOSPC);
	while (!cpu_stopping())
		sched_yield();
	__atomic_fetch_add(&crew->ran, 1, __ATOMIC_RELAXED);
}

static void an_error_ends_the_run(void **state)
{
	struct crew crew = { .m = create(3) };

	(void)state;
	assert_int_equal(native_run(crew.m, stop_body, &crew), -ENOSPC);
	assert_int_equal(crew.ran, 3);
	native_test_run(crew.m, fail_body, &crew);
	native_test_destroy(crew.m);
}

static void no_more_threads(void **state)
{
	struct crew crew = { .m = create(4) };
	uint32_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		threads_left = i;
		assert_int_equal(native_run(crew.m, fail_body, &crew), -EAGAIN);
		assert_int_equal(crew.ran, 0);
	}
	threads_left = UINT32_MAX;
	native_test_run(crew.m, fail_body, &crew);
	assert_int_equal(crew.ran, 4);
	native_test_destroy(crew.m);
}

static void a_thread_that_cannot_be_pinned(void **state)
{
	struct crew crew = { .m = create(3) };

	(void)state;
	pins_left = 2;
	assert_int_equal(native_run(crew.m, fail_body, &crew), -EXDEV);
	pins_left = UINT32_MAX;
	native_test_run(crew.m, fail_body, &crew);
	native_test_destroy(crew.m);
}

/* ---- events ---- */

#define EVENTS_MAX 4096

struct test_event {
	struct native_event event; /* must be first */
	struct posting *p;
	uint32_t from, number;
};

struct posting {
	struct native *m;
	struct test_event *events;
	uint32_t happened;
	uint32_t order[EVENTS_MAX]; /* indexes of events */
	uint32_t poster_done;
	uint64_t lasts_ps; /* an event */
	bool again;
};

static void event_happens(struct native_event *event)
{
	struct test_event *e = (struct test_event *)event;
	struct posting *p = e->p;

	native_check(cpu_clock_ps() >= event->time_ps);
	native_check(smp_processor_id() == 0);
	/* With interrupts off: nothing else happens before this is over. */
	native_check(!native_poll());
	cpu_spend(p->lasts_ps);
	p->order[p->happened++] = (uint32_t)(e - p->events);
	if (p->again && p->happened == 1) {
		event->time_ps += 1 * MS;
		native_post(p->m, 0, event);
	}
}

static struct posting *posting_create(uint32_t cpus, uint32_t events)
{
	struct posting *p = calloc(1, sizeof(*p));
	uint32_t i;

	assert_non_null(p);
	p->m = create(cpus);
	p->events = calloc(events, sizeof(*p->events));
	assert_non_null(p->events);
	for (i = 0; i < events; i++)
		p->events[i] = (struct test_event){ .event.fn = event_happens, .p = p };
	return p;
}

static void posting_destroy(struct posting *p)
{
	native_test_destroy(p->m);
	free(p->events);
	free(p);
}

static void post(struct posting *p, uint32_t i, uint64_t time_ps)
{
	p->events[i].event.time_ps = time_ps;
	native_post(p->m, 0, &p->events[i].event);
}

static void own_events_body(void *arg)
{
	static const uint64_t times_us[] = { 300, 100, 200, 100, 300, 100 };
	static const uint32_t expected[] = { 1, 3, 5, 2, 0, 4 };
	struct posting *p = arg;
	uint64_t start = cpu_clock_ps();
	uint32_t i;

	/* Far enough away that none is due while the others are being posted. */
	for (i = 0; i < ARRAY_SIZE(times_us); i++)
		post(p, i, start + 20 * MS + times_us[i] * US);
	native_check(!native_poll());
	while (p->happened < ARRAY_SIZE(times_us))
		native_poll();
	for (i = 0; i < ARRAY_SIZE(times_us); i++)
		native_check(p->order[i] == expected[i]);
	native_check(!native_poll());
	native_check(this_cpu()->events_run == ARRAY_SIZE(times_us));
}

static void own_events_by_time_then_posting(void **state)
{
	struct posting *p = posting_create(1, 6);

	(void)state;
	native_test_call(p->m, 0, own_events_body, p);
	posting_destroy(p);
}

#define POSTERS 3
#define POSTS 300

static void inbox_body(void *arg, uint32_t cpu)
{
	struct posting *p = arg;
	uint32_t i;

	if (!cpu) {
		while (p->happened < POSTERS * POSTS)
			if (!native_poll())
				sched_yield();
		return;
	}
	for (i = 0; i < POSTS; i++) {
		struct test_event *e = &p->events[(cpu - 1) * POSTS + i];

		e->from = cpu;
		e->number = i;
		post(p, (cpu - 1) * POSTS + i, 0);
		if (i % 64 == 0)
			sched_yield();
	}
}

/* All are due at the same time: each CPU's in the order in which it posted them. */
static void events_from_other_cpus(void **state)
{
	struct posting *p = posting_create(1 + POSTERS, POSTERS * POSTS);
	uint32_t next[1 + POSTERS] = { 0 }, i;

	(void)state;
	native_test_run(p->m, inbox_body, p);
	assert_int_equal(p->happened, POSTERS * POSTS);
	for (i = 0; i < p->happened; i++) {
		const struct test_event *e = &p->events[p->order[i]];

		assert_int_equal(e->number, next[e->from]++);
	}
	posting_destroy(p);
}

static void inbox_order_body(void *arg, uint32_t cpu)
{
	static const uint32_t expected[] = { 3, 1, 4, 0, 2 };
	struct posting *p = arg;
	uint32_t i;

	if (cpu) {
		post(p, 0, 5000);
		post(p, 1, 4000);
		post(p, 2, 5000);
		post(p, 3, 0);
		post(p, 4, 4000);
		__atomic_store_n(&p->poster_done, 1, __ATOMIC_RELEASE);
		return;
	}
	native_wait_until(&p->poster_done, 1);
	native_check(native_poll());
	native_check(p->happened == ARRAY_SIZE(expected));
	for (i = 0; i < ARRAY_SIZE(expected); i++)
		native_check(p->order[i] == expected[i]);
}

static void an_inbox_is_sorted_by_time_then_posting(void **state)
{
	struct posting *p = posting_create(2, 5);

	(void)state;
	native_test_run(p->m, inbox_order_body, p);
	posting_destroy(p);
}

static void poll_body(void *arg)
{
	native_check(native_poll());
	native_check(((struct posting *)arg)->happened == 2);
}

/* Before its CPU has a thread an event waits, and it outlives the thread. */
static void events_posted_from_outside(void **state)
{
	struct posting *p = posting_create(2, 2);

	(void)state;
	post(p, 0, 0);
	post(p, 1, 0);
	assert_int_equal(p->happened, 0);
	native_test_call(p->m, 0, poll_body, p);
	posting_destroy(p);
}

static void irq_body(void *arg)
{
	struct posting *p = arg;
	unsigned long outer = local_irq_save(), inner;

	post(p, 0, 0);
	native_check(!native_poll());
	inner = local_irq_save();
	native_check(!native_poll());
	local_irq_restore(inner);
	native_check(!native_poll());
	cpu_work(1 * MS);
	native_check(!p->happened);
	local_irq_restore(outer);
	native_check(native_poll());
	native_check(p->happened == 1);
}

static void nothing_happens_with_interrupts_off(void **state)
{
	struct posting *p = posting_create(1, 1);

	(void)state;
	native_test_call(p->m, 0, irq_body, p);
	posting_destroy(p);
}

static void again_body(void *arg)
{
	struct posting *p = arg;
	uint64_t first = cpu_clock_ps();

	p->again = true;
	post(p, 0, first);
	while (p->happened < 2)
		native_poll();
	native_check(cpu_clock_ps() >= first + 1 * MS);
	native_check(!native_poll());
}

static void an_event_posts_itself_again(void **state)
{
	struct posting *p = posting_create(1, 1);

	(void)state;
	native_test_call(p->m, 0, again_body, p);
	assert_int_equal(p->happened, 2);
	posting_destroy(p);
}

/* ---- time ---- */

static void work_body(void *arg)
{
	struct posting *p = arg;
	uint64_t start = cpu_clock_ps();

	p->lasts_ps = 5 * MS;
	post(p, 0, start + 1 * MS);
	cpu_spend(2 * MS);
	native_check(cpu_clock_ps() >= start + 2 * MS);
	native_check(!p->happened);
	/* Due from the start, and its time comes on top. */
	start = cpu_clock_ps();
	cpu_work(3 * MS);
	native_check(p->happened == 1);
	native_check(cpu_clock_ps() >= start + 8 * MS);
	/* Not due yet. */
	post(p, 1, cpu_clock_ps() + 100000 * MS);
	cpu_work(1 * MS);
	native_check(p->happened == 1);
}

/* Due in the middle of the work, unless that is when something else gets the CPU. */
static void middle_body(void *arg)
{
	struct posting *p = arg;
	bool served = false;
	uint64_t start;
	uint32_t i;

	p->lasts_ps = 5 * MS;
	for (i = 0; i < 20 && !served; i++) {
		start = cpu_clock_ps();
		post(p, 0, start + 1 * MS);
		cpu_work(3 * MS);
		served = p->happened == i + 1;
		native_check(!served || cpu_clock_ps() >= start + 8 * MS);
		native_check(served || native_poll());
	}
	native_check(served);
	/* It is over when it is over. */
	start = cpu_clock_ps();
	cpu_work(1 * MS);
	native_check(cpu_clock_ps() >= start + 1 * MS);
}

static void work_serves_events_and_spending_does_not(void **state)
{
	struct posting *p = posting_create(1, 2);

	(void)state;
	native_test_call(p->m, 0, work_body, p);
	posting_destroy(p);
	p = posting_create(1, 1);
	native_test_call(p->m, 0, middle_body, p);
	posting_destroy(p);
}

static void owe_body(void *arg)
{
	uint64_t start = cpu_clock_ps(), rest;

	(void)arg;
	native_owe(300 * MS);
	native_owe(703 * MS);
	/* Paid off without any of it passing, and the rest has to be worked. */
	cpu_work(1000 * MS);
	native_check(this_cpu()->owed_ps == 3 * MS);
	rest = cpu_clock_ps();
	cpu_work(7 * MS);
	native_check(this_cpu()->owed_ps == 0);
	native_check(cpu_clock_ps() >= rest + 4 * MS);
	native_check(cpu_clock_ps() < start + 1000 * MS);
}

static void work_is_left_out_for_what_is_owed(void **state)
{
	struct native *m = create(1);

	(void)state;
	native_test_call(m, 0, owe_body, NULL);
	native_test_destroy(m);
}

static void idle_body(void *arg)
{
	struct posting *p = arg;
	uint64_t start = cpu_clock_ps();

	native_check(this_cpu()->idle_ps == 0);
	post(p, 0, start + 3 * MS);
	cpu_idle();
	native_check(p->happened == 1);
	native_check(cpu_clock_ps() >= start + 3 * MS);
	/* The posting itself is not idle time; the event is, as the CPU woke up for it. */
	native_check(this_cpu()->idle_ps >= 2 * MS);
	native_check(this_cpu()->idle_ps <= cpu_clock_ps() - start);
}

static void idling_ends_with_an_event(void **state)
{
	struct posting *p = posting_create(1, 1);

	(void)state;
	native_test_call(p->m, 0, idle_body, p);
	posting_destroy(p);
}

struct kicked {
	struct posting *p;
	struct cpu_kick kick[2];
	uint32_t idles, kicked, woken;
};

static void kick_body(void *arg, uint32_t cpu)
{
	struct kicked *k = arg;
	uint64_t start;

	if (cpu == 1) {
		native_wait_until(&k->idles, 1);
		cpu_spend(2 * MS);
		cpu_kick(0, &k->kick[0]);
		native_wait_until(&k->woken, 1);
		cpu_kick(0, &k->kick[1]);
		__atomic_store_n(&k->kicked, 1, __ATOMIC_RELEASE);
		return;
	}
	__atomic_store_n(&k->idles, 1, __ATOMIC_RELEASE);
	cpu_idle();
	native_check(this_cpu()->idle_ps > 0);
	/* One that comes before is not missed. */
	__atomic_store_n(&k->woken, 1, __ATOMIC_RELEASE);
	native_wait_until(&k->kicked, 1);
	cpu_idle();
	/* It counts once: only the event ends this. */
	start = cpu_clock_ps();
	post(k->p, 0, start + 3 * MS);
	cpu_idle();
	native_check(cpu_clock_ps() >= start + 3 * MS);
	native_check(k->p->happened == 1);
}

static void idling_ends_with_a_kick(void **state)
{
	struct kicked k = { .p = posting_create(2, 1) };

	(void)state;
	native_test_run(k.p->m, kick_body, &k);
	posting_destroy(k.p);
}

static void idle_until_stopped_body(void *arg, uint32_t cpu)
{
	struct crew *crew = arg;

	if (cpu == 0) {
		cpu_fail(-EDOM);
		return;
	}
	while (!cpu_stopping())
		cpu_idle();
	__atomic_fetch_add(&crew->ran, 1, __ATOMIC_RELAXED);
}

static void idling_ends_with_the_run(void **state)
{
	struct crew crew = { .m = create(3) };

	(void)state;
	assert_int_equal(native_run(crew.m, idle_until_stopped_body, &crew), -EDOM);
	assert_int_equal(crew.ran, 2);
	native_test_destroy(crew.m);
}

/* ---- memory ---- */

#define OBJECTS 512

struct memory {
	struct native *m;
	char *object[OBJECTS];
	size_t size[OBJECTS], align[OBJECTS];
	uint32_t filled;
};

static bool all_zero(const char *p, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (p[i])
			return false;
	return true;
}

/* Lines of its own: what is written to the last byte of the last one is nobody else's. */
static void alloc_body(void *arg)
{
	struct memory *mem = arg;
	uint64_t x = 88172645463325252ULL;
	uint32_t i;

	for (i = 0; i < OBJECTS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		mem->size[i] = 1 + (x >> 8) % (i % 16 ? 700 : 40000);
		mem->align[i] = 64UL << x % 7;
		mem->object[i] = shared_alloc_aligned(&test_object_type, mem->size[i], mem->align[i]);
		native_check(mem->object[i]);
		native_check((uintptr_t)mem->object[i] % mem->align[i] == 0);
		mem->size[i] = (mem->size[i] + CACHE_LINE_SIZE - 1) & ~(size_t)(CACHE_LINE_SIZE - 1);
		native_check(all_zero(mem->object[i], mem->size[i]));
		native_check(mem->object[i] >= mem->m->memory.base);
		native_check(mem->object[i] + mem->size[i] <= mem->m->memory.base + mem->m->memory.size);
		memset(mem->object[i], (int)(i % 255) + 1, mem->size[i]);
	}
	for (i = 0; i < OBJECTS; i++) {
		native_check(mem->object[i][0] == (char)(i % 255 + 1));
		native_check(!memcmp(mem->object[i], mem->object[i] + 1, mem->size[i] - 1));
		native_check(phys_to_virt(virt_to_phys(mem->object[i])) == mem->object[i]);
		native_check(virt_to_phys(mem->object[i]) >= REGION_PHYS_BASE);
	}
}

static void free_body(void *arg)
{
	struct memory *mem = arg;
	uint32_t i;

	for (i = 0; i < OBJECTS; i++)
		shared_free(mem->object[i]);
	shared_free(NULL);
}

static void page_body(void *arg)
{
	void *page = page_alloc();

	(void)arg;
	native_check((uintptr_t)page % PAGE_SIZE == 0);
	native_check(all_zero(page, PAGE_SIZE));
	memset(page, 0xff, PAGE_SIZE);
	page_free(page);
}

static void too_much_body(void *arg)
{
	(void)arg;
	native_check(!shared_alloc(&test_object_type, 128UL << 30));
	native_check(shared_alloc(&test_object_type, 64));
}

/* Allocated on one CPU, freed on another, and zeroed again when it comes back. */
static void memory_of_all_sizes(void **state)
{
	struct memory mem = { .m = create(2) };
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		native_test_call(mem.m, 0, alloc_body, &mem);
		native_test_call(mem.m, 1, free_body, &mem);
		native_test_call(mem.m, 0, page_body, &mem);
	}
	native_test_call(mem.m, 0, too_much_body, NULL);
	native_test_destroy(mem.m);
}

struct ping {
	uint64_t *slot[64];
	uint32_t done;
};

/* One CPU allocates and the other frees, both all the time. */
static void churn_body(void *arg, uint32_t cpu)
{
	struct ping *ping = arg;
	uint32_t turn, i;

	for (turn = 0; turn < 4000; turn++) {
		uint64_t **slot = &ping->slot[turn % 64], *p;

		if (!cpu) {
			p = shared_alloc(&test_object_type, 64 * (1 + turn % 5));
			native_check(p);
			for (i = 0; i < 8; i++)
				native_check(!p[i]);
			p[0] = turn;
			while (__atomic_load_n(slot, __ATOMIC_ACQUIRE))
				sched_yield();
			__atomic_store_n(slot, p, __ATOMIC_RELEASE);
		} else {
			while (!(p = __atomic_load_n(slot, __ATOMIC_ACQUIRE)))
				sched_yield();
			native_check(p[0] == turn);
			p[7] = turn;
			__atomic_store_n(slot, NULL, __ATOMIC_RELEASE);
			shared_free(p);
		}
	}
}

static void two_cpus_allocate_and_free(void **state)
{
	struct ping ping = { 0 };
	struct native *m = create(2);

	(void)state;
	native_test_run(m, churn_body, &ping);
	native_test_destroy(m);
}

/* ---- RCU ---- */

struct rcu_object {
	struct rcu_head rcu; /* must be first */
	uint64_t value;
};

struct rcu_test {
	struct rcu_object *published;
	uint32_t in_section, unpublished, may_leave, left;
	bool exits; /* instead of reporting a quiescent state */
	uint32_t watched_ms;
};

static void run_reader(struct rcu_test *t)
{
	struct rcu_object *seen;

	rcu_read_lock();
	seen = rcu_dereference(t->published);
	__atomic_store_n(&t->in_section, 1, __ATOMIC_RELEASE);
	native_wait_until(&t->may_leave, 1);
	native_check(!freed());
	native_check(seen->value == 42);
	rcu_read_unlock();
	if (t->exits)
		return;
	while (!freed()) {
		native_poll();
		sched_yield();
	}
}

/* The memory comes back, and is written: after whatever was read there. */
static void use_again(const struct rcu_object *old)
{
	struct rcu_object *o;
	uint32_t i;

	for (i = 0; i < 1000; i++) {
		o = shared_alloc(&test_object_type, sizeof(*o));
		native_check(o && !o->value);
		o->value = 43;
		if (o == old)
			return;
	}
	native_check(!"freed, and never handed out again");
}

/* Each CPU is a thread that RCU waits for; this one keeps telling that it is in no section. */
static void run_writer(struct rcu_test *t)
{
	struct rcu_object *old;
	uint64_t end;

	native_wait_until(&t->in_section, 1);
	old = t->published;
	rcu_assign_pointer(t->published, NULL);
	watch(old);
	shared_free_rcu(&old->rcu);
	shared_free_rcu(NULL);
	for (end = cpu_clock_ps() + 30 * MS; cpu_clock_ps() < end;) {
		native_poll();
		native_check(!freed());
		sched_yield();
	}
	__atomic_store_n(&t->may_leave, 1, __ATOMIC_RELEASE);
	for (end = cpu_clock_ps() + 20000 * MS; !freed() && cpu_clock_ps() < end;) {
		native_poll();
		sched_yield();
	}
	native_check(freed() == 1);
	use_again(old);
}

static void rcu_body(void *arg, uint32_t cpu)
{
	if (cpu)
		run_reader(arg);
	else
		run_writer(arg);
}

static void publish_body(void *arg)
{
	struct rcu_test *t = arg;

	t->published = shared_alloc(&test_object_type, sizeof(*t->published));
	native_check(t->published);
	t->published->value = 42;
}

static void rcu_waits_for_a_reader(bool exits)
{
	struct rcu_test t = { .exits = exits };
	struct native *m = create(2);

	native_test_call(m, 0, publish_body, &t);
	native_test_run(m, rcu_body, &t);
	native_test_destroy(m);
	assert_int_equal(freed(), 1);
}

static void rcu_waits_for_a_reader_that_goes_on(void **state)
{
	(void)state;
	rcu_waits_for_a_reader(false);
}

static void rcu_waits_for_a_reader_that_ends(void **state)
{
	(void)state;
	rcu_waits_for_a_reader(true);
}

/* ---- the end ---- */

static void never(struct sim_timer *timer)
{
	(void)timer;
	abort();
}

static void event_never(struct native_event *event)
{
	(void)event;
	abort();
}

struct leftovers {
	struct native *m;
	struct sim_timer timers[3];
	struct native_event own, other;
	bool rcu;
};

static void leftovers_body(void *arg)
{
	struct leftovers *l = arg;
	uint32_t i;

	for (i = 0; i < 3; i++) {
		l->timers[i].fn = never;
		mod_timer(&l->timers[i], 3600000000000ULL);
	}
	del_timer_sync(&l->timers[1]);
	l->own = l->other = (struct native_event){ .fn = event_never, .time_ps = UINT64_MAX / 2 };
	native_post(l->m, 0, &l->own);
	native_post(l->m, 1, &l->other);
	for (i = 0; i < WATCHED_MAX && l->rcu; i++) {
		struct rcu_object *o = shared_alloc(&test_object_type, sizeof(*o));

		watch(o);
		shared_free_rcu(&o->rcu);
	}
}

/* Whatever is still to happen does not, and leaves nothing behind; what RCU has to free is freed first. */
static void destroyed_in_the_middle(void **state)
{
	struct leftovers l = { .rcu = true };

	(void)state;
	l.m = create(2);
	native_test_call(l.m, 0, leftovers_body, &l);
	native_test_destroy(l.m);
	assert_int_equal(freed(), WATCHED_MAX);
}

static void count_body(void *arg, uint32_t cpu)
{
	struct native_cpu *c = this_cpu();
	uint64_t before = c->calls[FN_dma_map];
	uint32_t i;

	native_check(c->machine == arg);
	for (i = 0; i < 1000 * (cpu + 1); i++)
		count_call(FN_dma_map);
	native_check(c->calls[FN_dma_map] == before + 1000 * (cpu + 1));
}

static void *machine_thread(void *arg)
{
	struct native *m = arg;
	int i;

	for (i = 0; i < 20; i++)
		if (native_run(m, count_body, m))
			return m;
	return NULL;
}

static void two_machines_in_one_process(void **state)
{
	struct native *m[2];
	pthread_t thread[2];
	void *failed;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		m[i] = create(2);
		assert_int_equal(pthread_create(&thread[i], NULL, machine_thread, m[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	/* Takes the failed checks of both. */
	native_test_run(m[0], count_body, m[0]);
	native_test_destroy(m[0]);
	native_test_destroy(m[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(threads_are_pinned_and_run_together, reset_wraps),
		cmocka_unit_test_setup(on_one_pu, reset_wraps),
		cmocka_unit_test_setup(a_call_runs_on_its_cpu, reset_wraps),
		cmocka_unit_test_setup(a_thread_enters_and_leaves, reset_wraps),
		cmocka_unit_test_setup(errors_of_cpus, reset_wraps),
		cmocka_unit_test_setup(an_error_ends_the_run, reset_wraps),
		cmocka_unit_test_setup(no_more_threads, reset_wraps),
		cmocka_unit_test_setup(a_thread_that_cannot_be_pinned, reset_wraps),
		cmocka_unit_test_setup(own_events_by_time_then_posting, reset_wraps),
		cmocka_unit_test_setup(events_from_other_cpus, reset_wraps),
		cmocka_unit_test_setup(an_inbox_is_sorted_by_time_then_posting, reset_wraps),
		cmocka_unit_test_setup(events_posted_from_outside, reset_wraps),
		cmocka_unit_test_setup(nothing_happens_with_interrupts_off, reset_wraps),
		cmocka_unit_test_setup(an_event_posts_itself_again, reset_wraps),
		cmocka_unit_test_setup(work_serves_events_and_spending_does_not, reset_wraps),
		cmocka_unit_test_setup(work_is_left_out_for_what_is_owed, reset_wraps),
		cmocka_unit_test_setup(idling_ends_with_an_event, reset_wraps),
		cmocka_unit_test_setup(idling_ends_with_a_kick, reset_wraps),
		cmocka_unit_test_setup(idling_ends_with_the_run, reset_wraps),
		cmocka_unit_test_setup(memory_of_all_sizes, reset_wraps),
		cmocka_unit_test_setup(two_cpus_allocate_and_free, reset_wraps),
		cmocka_unit_test_setup(rcu_waits_for_a_reader_that_goes_on, reset_wraps),
		cmocka_unit_test_setup(rcu_waits_for_a_reader_that_ends, reset_wraps),
		cmocka_unit_test_setup(destroyed_in_the_middle, reset_wraps),
		cmocka_unit_test_setup(two_machines_in_one_process, reset_wraps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
