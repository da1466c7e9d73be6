/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hotpath_bench_lock.c - an acquisition and release of each spinlock, beside Concurrency Kit's and pthread's
 *
 * Every acquisition increments a counter on the lock's own line, which tells in the end whether two threads have
 * been in at once.
 */
#include "bench/hotpath_machine.h"

#include "platform.h"

#include <ck_spinlock.h>
#include <inttypes.h>

#define BATCH 64

struct lock_bench {
	union {
		spinlock_t kernel;
		struct ck_spinlock_mcs *ck_mcs;
		struct ck_spinlock_ticket ck_ticket;
		pthread_spinlock_t pthread;
	};
	uint64_t acquisitions;
};

struct lock_case {
	const char *name;
	enum lock_kind kind; /* of those that are the kernel's */
	struct gbench_ops ops;
};

/* A thread's queue node, for the lock that has its nodes where its user wants them. */
typedef struct ck_spinlock_mcs lock_node_t;

/* Zeroes are an unlocked lock, of every kind but pthread's. */
static int lock_setup(struct gbench_state *state, void **fixture)
{
	const struct lock_case *c = gbench_data(state);
	const struct hotpath_config config = { .lock = c->kind };

	return hotpath_machine_create(state, &config, sizeof(struct lock_bench), fixture);
}

static int pthread_setup(struct gbench_state *state, void **fixture)
{
	int ret = lock_setup(state, fixture);
	struct lock_bench *b;

	if (ret)
		return ret;
	b = ((struct hotpath_machine *)*fixture)->own;
	pthread_spin_init(&b->pthread, PTHREAD_PROCESS_PRIVATE);
	return 0;
}

/* Every thread has left the loop, and has had as many iterations. */
static void check_exclusion(struct gbench_state *state, const struct lock_bench *b)
{
	uint64_t acquired = gbench_iterations(state) * gbench_thread_count(state);

	if (b->acquisitions != acquired)
		gbench_skip_with_error(state, "no mutual exclusion: %" PRIu64 " increments of %" PRIu64 " got lost",
				       acquired - b->acquisitions, acquired);
}

/* Inlined into a function for each lock, so that the lock is inlined as its users would have it. */
static inline __attribute__((always_inline)) void lock_loop(struct gbench_state *state, void *fixture,
							    void (*lock)(struct lock_bench *b, lock_node_t *node),
							    void (*unlock)(struct lock_bench *b, lock_node_t *node))
{
	struct lock_bench *b = ((struct hotpath_machine *)fixture)->own;
	lock_node_t node __attribute__((aligned(NATIVE_APART)));
	unsigned int i;

	if (!hotpath_enter(fixture, state))
		return;
	while (gbench_keep_running_batch(state, BATCH)) {
		for (i = 0; i < BATCH; i++) {
			lock(b, &node);
			b->acquisitions++;
			unlock(b, &node);
		}
	}
	check_exclusion(state, b);
	hotpath_leave(state);
}

static void kernel_lock(struct lock_bench *b, lock_node_t *node)
{
	(void)node;
	spin_lock(&b->kernel);
}

static void kernel_unlock(struct lock_bench *b, lock_node_t *node)
{
	(void)node;
	spin_unlock(&b->kernel);
}

static void kernel_run(struct gbench_state *state, void *fixture)
{
	lock_loop(state, fixture, kernel_lock, kernel_unlock);
}

static void ck_mcs_lock(struct lock_bench *b, lock_node_t *node)
{
	ck_spinlock_mcs_lock(&b->ck_mcs, node);
}

static void ck_mcs_unlock(struct lock_bench *b, lock_node_t *node)
{
	ck_spinlock_mcs_unlock(&b->ck_mcs, node);
}

static void ck_mcs_run(struct gbench_state *state, void *fixture)
{
	lock_loop(state, fixture, ck_mcs_lock, ck_mcs_unlock);
}

static void ck_ticket_lock(struct lock_bench *b, lock_node_t *node)
{
	(void)node;
	ck_spinlock_ticket_lock(&b->ck_ticket);
}

static void ck_ticket_unlock(struct lock_bench *b, lock_node_t *node)
{
	(void)node;
	ck_spinlock_ticket_unlock(&b->ck_ticket);
}

static void ck_ticket_run(struct gbench_state *state, void *fixture)
{
	lock_loop(state, fixture, ck_ticket_lock, ck_ticket_unlock);
}

static void pthread_lock(struct lock_bench *b, lock_node_t *node)
{
	(void)node;
	pthread_spin_lock(&b->pthread);
}

static void pthread_unlock(struct lock_bench *b, lock_node_t *node)
{
	(void)node;
	pthread_spin_unlock(&b->pthread);
}

static void pthread_run(struct gbench_state *state, void *fixture)
{
	lock_loop(state, fixture, pthread_lock, pthread_unlock);
}

#define KERNEL_LOCK(constant, name) \
	{ "spin_lock/" name, constant, { lock_setup, kernel_run, hotpath_machine_destroy } },

static const struct lock_case cases[] = {
	LOCK_LIST(KERNEL_LOCK){ "spin_lock/ck_mcs", 0, { lock_setup, ck_mcs_run, hotpath_machine_destroy } },
	{ "spin_lock/ck_ticket", 0, { lock_setup, ck_ticket_run, hotpath_machine_destroy } },
	{ "spin_lock/pthread", 0, { pthread_setup, pthread_run, hotpath_machine_destroy } },
};

void hotpath_register_locks(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct gbench *b = gbench_register(cases[i].name, &cases[i].ops, &cases[i]);

		hotpath_threads(b);
		gbench_use_real_time(b);
	}
}
