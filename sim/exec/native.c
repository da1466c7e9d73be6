/* SPDX-License-Identifier: GPL-2.0-only */
#include "platform.h"

#include <hwloc.h>
#include <jemalloc/jemalloc.h>
#include <semaphore.h>
#include <stdio.h>
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#include "sim/exec/native_lock_stat.h"
#include "sim/exec/native_timer.h"
#include "sim/topology.h"

/* Reserved only, as little as a machine with tight limits on address space allows. */
#define MEMORY_SIZE_MAX (64ULL << 30)
#define MEMORY_SIZE_MIN (1ULL << 30)

#define EVENTS_CAPACITY 256

__thread struct native_cpu *native_this_cpu;

/* ---- memory ---- */

void *native_alloc(struct native *m, size_t size, size_t align)
{
	return arena_alloc(&m->memory, (size + CACHE_LINE_SIZE - 1) & ~(size_t)(CACHE_LINE_SIZE - 1), align);
}

void native_free(void *p)
{
	if (p)
		dallocx(p, MALLOCX_TCACHE_NONE);
}

/*
 * Sections that are over come before what a grace period has waited with. ThreadSanitizer does not see how liburcu
 * arranges that, and is told.
 */
#if defined(__SANITIZE_THREAD__)
static char rcu_sections; /* an address to name the order by */
#define rcu_sections_over() __tsan_release(&rcu_sections)
#define rcu_after_sections() __tsan_acquire(&rcu_sections)
#else
#define rcu_sections_over() ((void)0)
#define rcu_after_sections() ((void)0)
#endif

static void free_rcu(struct rcu_head *head)
{
	rcu_after_sections();
	native_free(head);
}

void shared_free_rcu(struct rcu_head *head)
{
	if (!head)
		return;
	__atomic_store_n(&this_cpu()->machine->rcu_used, true, __ATOMIC_RELAXED);
	urcu_qsbr_call_rcu(head, free_rcu);
}

void synchronize_rcu(void)
{
	urcu_qsbr_synchronize_rcu();
	rcu_after_sections();
}

struct last_callback {
	struct rcu_head rcu;
	sem_t ran;
};

static void last_callback_runs(struct rcu_head *head)
{
	sem_post(&container_of(head, struct last_callback, rcu)->ran);
}

/*
 * Waits for what is to be freed by RCU: callbacks run in order, on one thread. urcu_qsbr_barrier() would do, but
 * hides from ThreadSanitizer what it waits with.
 */
static void wait_for_callbacks(struct native *m)
{
	struct last_callback last;

	if (!m->rcu_used)
		return;
	sem_init(&last.ran, 0, 0);
	urcu_qsbr_call_rcu(&last.rcu, last_callback_runs);
	while (sem_wait(&last.ran))
		;
	sem_destroy(&last.ran);
}

static int reserve_memory(struct native *m)
{
	size_t size;
	int ret = -ENOMEM;

	for (size = MEMORY_SIZE_MAX; ret == -ENOMEM && size >= MEMORY_SIZE_MIN; size /= 4)
		ret = arena_create(&m->memory, size);
	return ret;
}

/* Only where all CPUs are on one node: elsewhere each page goes to the node of whoever touches it first. */
static void bind_memory(struct native *m)
{
	const struct topology *t = m->topology;
	hwloc_obj_t node;
	uint32_t i;

	for (i = 1; i < m->cpu_count; i++)
		if (t->pu[m->pus[i]].numa_node != t->pu[m->pus[0]].numa_node)
			return;
	node = hwloc_get_obj_by_type(t->hwloc, HWLOC_OBJ_NUMANODE, t->pu[m->pus[0]].numa_node);
	m->memory_bound = node && !hwloc_set_area_membind(t->hwloc, m->memory.base, m->memory.size, node->nodeset,
							  HWLOC_MEMBIND_BIND, HWLOC_MEMBIND_BYNODESET);
}

/* ---- the machine ---- */

static int init_cpu(struct native *m, uint32_t cpu)
{
	struct native_cpu *c = &m->cpus[cpu];

	c->machine = m;
	c->id = cpu;
	c->lock = m->params.lock;
	return event_queue_init(&c->events, EVENTS_CAPACITY);
}

int native_create(struct native *m, const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
		  const struct sim_params *params, bool lock_stat)
{
	uint32_t i;
	int ret;

	assert(cpu_count && cpu_count <= SIM_MAX_CPUS);
	memset(m, 0, sizeof(*m));
	m->topology = topology;
	m->params = *params;
	m->cpu_count = cpu_count;
	native_clock_init(&m->clock);
	pthread_mutex_init(&m->lock, NULL);
	ret = reserve_memory(m);
	if (ret) {
		pthread_mutex_destroy(&m->lock);
		return ret;
	}
	ret = -ENOMEM;
	m->pus = malloc(cpu_count * sizeof(*m->pus));
	if (!m->pus)
		goto err;
	memcpy(m->pus, pus, cpu_count * sizeof(*m->pus));
	bind_memory(m);
	m->cpus = native_alloc(m, cpu_count * sizeof(*m->cpus), NATIVE_APART);
	m->mcs_nodes = native_alloc(m, cpu_count * sizeof(*m->mcs_nodes), CACHE_LINE_SIZE);
	if (!m->cpus || !m->mcs_nodes)
		goto err;
	for (i = 0; i < cpu_count; i++)
		if (init_cpu(m, i))
			goto err;
	if (lock_stat && native_lock_stat_init(m))
		goto err;
	return 0;
err:
	native_destroy(m);
	return ret;
}

void native_destroy(struct native *m)
{
	uint32_t i;

	wait_for_callbacks(m);
	native_free_timers(m);
	native_lock_stat_destroy(m);
	for (i = 0; m->cpus && i < m->cpu_count; i++)
		event_queue_destroy(&m->cpus[i].events);
	free(m->pus);
	arena_destroy(&m->memory);
	pthread_mutex_destroy(&m->lock);
}

/* ---- threads ---- */

struct native_crew {
	struct native *machine;
	void (*body)(void *arg, uint32_t cpu);
	void *arg;
	uint32_t waiting; /* for the others to arrive */
	bool given_up;	  /* a thread could not be started */
};

struct native_thread {
	struct native_crew *crew;
	struct native_cpu *cpu;
	pthread_t thread;
	int error;
};

static int pin(const struct native_cpu *c)
{
	const struct topology *t = c->machine->topology;
	hwloc_obj_t pu = hwloc_get_obj_by_type(t->hwloc, HWLOC_OBJ_PU, c->machine->pus[c->id]);

	if (!pu || hwloc_set_cpubind(t->hwloc, pu->cpuset, HWLOC_CPUBIND_THREAD))
		return -EXDEV;
	return 0;
}

/* Spins, so that nobody starts while another still wakes up; gives way where CPUs are shared. */
static bool wait_for_all(struct native_crew *crew)
{
	unsigned int spins = 0;

	__atomic_fetch_sub(&crew->waiting, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&crew->waiting, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&crew->given_up, __ATOMIC_RELAXED))
			return false;
		cpu_relax();
		if (++spins % 1024 == 0)
			sched_yield();
	}
	return true;
}

int native_enter(struct native *m, uint32_t cpu)
{
	assert(!native_this_cpu && cpu < m->cpu_count);
	native_this_cpu = &m->cpus[cpu];
	native_this_cpu->irq_depth = 0;
	native_this_cpu->error = 0;
	urcu_qsbr_register_thread();
	return pin(native_this_cpu);
}

int native_leave(void)
{
	int error = this_cpu()->error;

	urcu_qsbr_unregister_thread();
	native_this_cpu = NULL;
	return error;
}

static void *thread_main(void *arg)
{
	struct native_thread *thread = arg;
	struct native_crew *crew = thread->crew;
	int pinned, error;

	pinned = native_enter(crew->machine, thread->cpu->id);
	if (wait_for_all(crew))
		crew->body(crew->arg, thread->cpu->id);
	error = native_leave();
	thread->error = pinned ? pinned : error;
	return NULL;
}

static int run_crew(struct native_crew *crew, struct native_thread *threads, uint32_t count)
{
	uint32_t started, i;
	int ret = 0;

	crew->waiting = count;
	crew->machine->stopping = false;
	for (started = 0; started < count; started++) {
		threads[started].crew = crew;
		if (pthread_create(&threads[started].thread, NULL, thread_main, &threads[started])) {
			__atomic_store_n(&crew->given_up, true, __ATOMIC_RELAXED);
			ret = -EAGAIN;
			break;
		}
	}
	for (i = 0; i < started; i++)
		pthread_join(threads[i].thread, NULL);
	for (i = 0; !ret && i < started; i++)
		ret = threads[i].error;
	return ret;
}

int native_run(struct native *m, void (*body)(void *arg, uint32_t cpu), void *arg)
{
	struct native_crew crew = { .machine = m, .body = body, .arg = arg };
	struct native_thread *threads = calloc(m->cpu_count, sizeof(*threads));
	uint32_t i;
	int ret;

	if (!threads)
		return -ENOMEM;
	for (i = 0; i < m->cpu_count; i++)
		threads[i].cpu = &m->cpus[i];
	ret = run_crew(&crew, threads, m->cpu_count);
	free(threads);
	return ret;
}

struct native_call {
	void (*fn)(void *arg);
	void *arg;
};

static void call_body(void *arg, uint32_t cpu)
{
	struct native_call *call = arg;

	(void)cpu;
	call->fn(call->arg);
}

int native_call_on_cpu(struct native *m, uint32_t cpu, void (*fn)(void *arg), void *arg)
{
	struct native_call call = { fn, arg };
	struct native_crew crew = { .machine = m, .body = call_body, .arg = &call };
	struct native_thread thread = { .cpu = &m->cpus[cpu] };

	assert(cpu < m->cpu_count);
	return run_crew(&crew, &thread, 1);
}

void native_fail(int error)
{
	if (!this_cpu()->error)
		this_cpu()->error = error;
}

void cpu_fail(int error)
{
	native_fail(error);
	__atomic_store_n(&this_cpu()->machine->stopping, true, __ATOMIC_RELAXED);
}

/* ---- events ---- */

static void push_event(struct native_cpu *c, struct native_event *event)
{
	struct event ev = { event->time_ps, c->next_seq++, event, 0 };

	if (event_queue_push(&c->events, ev))
		native_fail(-ENOMEM);
}

/* What came from other CPUs, the first one first. */
static void empty_inbox(struct native_cpu *c)
{
	struct native_event *event = __atomic_exchange_n(&c->inbox, NULL, __ATOMIC_ACQUIRE), *next, *oldest = NULL;

	for (; event; event = next) {
		next = event->next;
		event->next = oldest;
		oldest = event;
	}
	for (event = oldest; event; event = next) {
		next = event->next;
		push_event(c, event);
	}
}

void native_post(struct native *m, uint32_t cpu, struct native_event *event)
{
	struct native_cpu *c = &m->cpus[cpu];

	if (c == native_this_cpu) {
		push_event(c, event);
		return;
	}
	event->next = __atomic_load_n(&c->inbox, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&c->inbox, &event->next, event, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
}

bool native_poll(void)
{
	struct native_cpu *c = this_cpu();
	bool any = false;

	rcu_sections_over();
	urcu_qsbr_quiescent_state();
	if (c->irq_depth)
		return false;
	if (unlikely(__atomic_load_n(&c->inbox, __ATOMIC_RELAXED) != NULL))
		empty_inbox(c);
	while (event_queue_horizon(&c->events) != EVENT_NEVER &&
	       event_queue_horizon(&c->events) <= native_now_ps(c->machine)) {
		struct native_event *event = event_queue_pop(&c->events).target;

		c->irq_depth++;
		event->fn(event);
		c->irq_depth--;
		c->events_run++;
		any = true;
	}
	return any;
}

void cpu_spend(uint64_t ps)
{
	native_delay(&this_cpu()->machine->clock, ps);
}

void native_owe(uint64_t ps)
{
	this_cpu()->owed_ps += ps;
}

void cpu_work(uint64_t ps)
{
	struct native_cpu *c = this_cpu();
	uint64_t now, end;

	native_poll();
	if (c->owed_ps) {
		uint64_t paid = c->owed_ps < ps ? c->owed_ps : ps;

		c->owed_ps -= paid;
		ps -= paid;
	}
	now = native_now_ps(c->machine);
	end = now + ps;
	while (now < end) {
		if (native_poll()) {
			uint64_t after = native_now_ps(c->machine);

			end += after - now;
			now = after;
			continue;
		}
		now = native_now_ps(c->machine);
	}
}

void cpu_idle(void)
{
	struct native_cpu *c = this_cpu();
	uint64_t since = native_now_ps(c->machine);

	while (!native_poll() && !smp_load_acquire(&c->kicked) && !cpu_stopping())
		cpu_relax();
	/* A full barrier: what the kick was about is seen afterwards, or the kick is still there. */
	if (READ_ONCE(c->kicked))
		(void)xchg(&c->kicked, false);
	c->idle_ps += native_now_ps(c->machine) - since;
}
