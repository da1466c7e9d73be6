/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hotpath_bench_engine.c - what the virtual executor does most: coroutine switches, events
 */
#include "bench/hotpath_machine.h"

#include "platform.h"
#include "sim/exec/coro.h"
#include "sim/rng.h"

#define BATCH 64

struct pong {
	struct coro thread, other;
};

static void pong_body(void *arg)
{
	struct pong *p = arg;

	for (;;)
		coro_switch(&p->other, &p->thread);
}

static int coro_setup(struct gbench_state *state, void **fixture)
{
	struct pong *p = calloc(1, sizeof(*p));
	int ret = p ? coro_create(&p->other, pong_body, p) : -ENOMEM;

	(void)state;
	if (ret) {
		free(p);
		return ret;
	}
	*fixture = p;
	return 0;
}

static void coro_teardown(void *fixture)
{
	struct pong *p = fixture;

	coro_destroy(&p->other);
	free(p);
}

/*
 * There and back are two. The harness computes with floating point, which leaves flags behind that make switches
 * slow (sim/exec/coro.c); adopting the thread clears them, and is needed after the first call only.
 */
static void coro_run(struct gbench_state *state, void *fixture)
{
	struct pong *p = fixture;
	bool adopted = false;
	unsigned int i;

	while (gbench_keep_running_batch(state, BATCH)) {
		if (!adopted)
			coro_adopt_thread(&p->thread);
		adopted = true;
		for (i = 0; i < BATCH; i += 2)
			coro_switch(&p->thread, &p->other);
	}
}

/* How far ahead of now events are put, a power of two of them. */
#define DELAYS 4096

struct holder {
	struct event_queue queue;
	uint64_t next_seq;
	uint64_t delay_ps[DELAYS];
};

static int push(struct holder *h, uint64_t now_ps)
{
	struct event ev = { now_ps + h->delay_ps[h->next_seq % DELAYS], h->next_seq, NULL, 0 };

	h->next_seq++;
	return event_queue_push(&h->queue, ev);
}

static void queue_teardown(void *fixture)
{
	struct holder *h = fixture;

	event_queue_destroy(&h->queue);
	free(h);
}

static int queue_setup(struct gbench_state *state, void **fixture)
{
	uint32_t pending = (uint32_t)gbench_arg(state, 0), i;
	struct holder *h = calloc(1, sizeof(*h));
	struct rng rng;
	int ret;

	if (!h)
		return -ENOMEM;
	rng_seed(&rng, 1, 0);
	for (i = 0; i < DELAYS; i++)
		h->delay_ps[i] = rng_exponential_ps(&rng, 1000000);
	ret = event_queue_init(&h->queue, pending);
	for (i = 0; !ret && i < pending; i++)
		ret = push(h, 0);
	if (ret)
		queue_teardown(h);
	else
		*fixture = h;
	return ret;
}

/* Takes the earliest event out and puts another one in: as many are pending all the time. */
static void queue_run(struct gbench_state *state, void *fixture)
{
	struct holder *h = fixture;
	unsigned int i;

	while (gbench_keep_running_batch(state, BATCH)) {
		for (i = 0; i < BATCH; i++) {
			struct event ev = event_queue_pop(&h->queue);

			if (push(h, ev.time_ps))
				gbench_skip_with_error(state, "out of memory");
		}
	}
}

void hotpath_register_engine(void)
{
	static const struct gbench_ops coro_ops = { coro_setup, coro_run, coro_teardown };
	static const struct gbench_ops queue_ops = { queue_setup, queue_run, queue_teardown };
	static const char *const arg_names[] = { "pending" };
	struct gbench *b;

	gbench_register("coro_switch", &coro_ops, NULL);
	b = gbench_register("event_queue/pop_push", &queue_ops, NULL);
	gbench_arg_names(b, arg_names, ARRAY_SIZE(arg_names));
	gbench_range(b, 1, 1 << 12, 16);
}
