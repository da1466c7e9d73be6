/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtual.h - the virtual executor: simulated CPUs on a virtual clock that the coherence model drives
 */
#ifndef SIMBENCH_EXEC_VIRTUAL_H
#define SIMBENCH_EXEC_VIRTUAL_H

#include "sim/config_enums.h"
#include "sim/exec/coherence.h"
#include "sim/exec/engine.h"
#include "sim/exec/map_stat.h"
#include "sim/exec/params.h"
#include "sim/exec/region.h"
#include "sim/lock.h"
#include "sim/topology.h"

/* One pending interrupt source; whoever owns it embeds it. */
struct irq {
	void (*handler)(struct irq *irq);
	struct irq *next;
	uint64_t time_ps; /* when it reaches the CPU */
	bool pending;
};

/* CPUs [first, end): a package's, an L3's and a core's CPUs have consecutive numbers. */
struct cpu_range {
	uint32_t first, end;
};

struct explore;

enum vcpu_state {
	VCPU_RUNNING, /* or about to: never to be woken by an interrupt */
	VCPU_WORKING, /* inside vcpu_work(), which an interrupt cuts */
	VCPU_IDLE,
};

struct vcpu {
	struct proc proc;     /* must be first: this_vcpu() casts */
	uintptr_t lines_bias; /* &lines[(region base) / 64], biased so that an address shifted is an index */
	uint64_t bit;	      /* this CPU in a sharers mask; 0 when there are more than 64 CPUs */
	uint64_t l1_hit_ps;
	uint64_t atomic_ps;
	const uint64_t *step_ps;
	struct explore *explore; /* as in struct sim */
	uint64_t store_drain_ps; /* when the last posted store becomes visible */
	struct sim *sim;
	uint16_t id;
	uint16_t tag;	    /* id + 1, as in a line's owner field */
	uint16_t irq_depth; /* >0: interrupts are off */
	enum vcpu_state state;
	uint32_t rcu_nesting; /* read-side sections; in one since rcu_since, in the order of sim->rcu_seq */
	uint64_t rcu_since;   /* 0: in none */
	uint64_t irq_off_since_ps;
	struct irq *irqs;				   /* pending, earliest first */
	uint64_t core_mask, l3_mask, package_mask;	   /* CPUs beside and including this one, up to 64 CPUs */
	struct cpu_range core_cpus, l3_cpus, package_cpus; /* the same, in any number */
	struct agent_place place;
	uint32_t pu; /* index in the topology */
	struct waiter waiter[2];
	uint64_t work_end_ps;
	/* measured */
	uint64_t idle_ps, spin_ps, stall_ps, idle_since_ps;
	uint64_t irq_off_max_ps;
	uint64_t calls[FN_COUNT]; /* since the start */
	struct map_stat map;
} __attribute__((aligned(CACHE_LINE_SIZE)));

/* Per lock, as lock_stat would have it. Times in ps. */
struct lock_stat {
	const spinlock_t *lock;
	const char *name;
	uint32_t instance;   /* counts the locks of one name */
	uint32_t next_index; /* 1 + index of another lock on the same line */
	uint64_t acquired_at_ps;
	uint64_t released_at_ps; /* when the last release became visible */
	uint64_t acquisitions, contended;
	uint64_t acquisitions_in_map; /* in map calls that have been completed */
	uint64_t wait_total_ps, wait_max_ps;
	uint64_t hold_total_ps, hold_max_ps;
	uint64_t handover_total_ps; /* from a release to the next acquisition, where somebody waited for it */
	uint64_t irq_off_max_ps;
};

#define SIM_MAX_LOCK_CLASSES 32

struct lock_class {
	const char *name;
	uint32_t count;
};

struct sim {
	struct explore *explore;       /* the explorer runs it, not the clock; else NULL */
	struct machine_oracle *oracle; /* NULL: nothing is checked */
	struct engine engine;
	struct region region;
	struct sim_params params;
	uint32_t cpu_count;
	struct vcpu *cpus;
	uint32_t agent_count; /* CPUs first, then the others */
	uint32_t agent_capacity;
	struct agent_place *places;
	struct cpu_range *package_cpus; /* by package */
	uint32_t package_count;
	char *sets; /* sharer sets, where there are more than 64 CPUs */
	size_t sets_used;
	size_t sets_size;
	struct lock_stat *locks; /* locks[0] unused */
	uint32_t lock_count, lock_capacity;
	struct lock_class lock_classes[SIM_MAX_LOCK_CLASSES];
	uint32_t lock_class_count;
	struct timer_event *timers; /* armed */
	uint64_t rcu_seq;
	struct rcu_head *rcu_callbacks; /* objects to free when their last reader is gone */
	uint64_t measure_start_ps;
	bool ending;			 /* programs are to return */
	struct mcs_cpu_nodes *mcs_nodes; /* by CPU */
};

/**
 * sim_create - a machine with memory and CPUs, and nothing that runs yet
 * @s: to fill in
 * @topology: the machine; kept by reference until sim_destroy()
 * @pus: topology indexes of the CPUs in use, ascending
 * @cpu_count: 1..SIM_MAX_CPUS
 * @params: copied
 *
 * Returns 0 or -ENOMEM.
 */
int sim_create(struct sim *s, const struct topology *topology, const uint32_t *pus, uint32_t cpu_count,
	       const struct sim_params *params);
void sim_destroy(struct sim *s);

/* Adds a device or VT-d unit as a coherence agent beside @package; returns its number, or -ENOMEM. */
int sim_add_agent(struct sim *s, uint32_t package);

/* Starts @body(@arg) on CPU @cpu. Returns 0 or -ENOMEM. */
int sim_start_cpu(struct sim *s, uint32_t cpu, void (*body)(void *arg), void *arg);

/* Runs @fn(@arg) on CPU @cpu until it returns. Returns 0, -EDEADLK or -ENOMEM. */
int sim_call_on_cpu(struct sim *s, uint32_t cpu, void (*fn)(void *arg), void *arg);

/* Forgets what was measured so far: the end of the warm-up. */
void sim_reset_stats(struct sim *s, uint64_t now_ps);

/* @r as a sharers mask; up to 64 CPUs. */
static inline uint64_t cpu_range_mask(const struct cpu_range *r)
{
	return (r->end < 64 ? 1ULL << r->end : 0) - (1ULL << r->first);
}

/* Memory for one sharer set, zeroed; freed with the simulation. */
void *sim_alloc_sharer_set(struct sim *s, size_t size);

/* True when @p lies in a lock that is on line @l. */
bool sim_is_lock_word(const struct sim *s, const struct line *l, const void *p);

static inline struct vcpu *this_vcpu(void)
{
	return (struct vcpu *)this_proc;
}

/* Spends @ps on the running CPU; with interrupts on, an interrupt is served in between and its time added. */
void vcpu_work(uint64_t ps);

/* Idles until an interrupt has been served. */
void vcpu_idle(void);

/* Makes @irq reach CPU @c at @time_ps; one that is pending already stays as it is. */
void vcpu_raise_irq(struct vcpu *c, struct irq *irq, uint64_t time_ps);

/* Does an interrupt wait that has reached the CPU by now? */
static inline bool vcpu_irq_due(const struct vcpu *c)
{
	return c->irqs && c->irqs->time_ps <= c->proc.now_ps;
}

/* Runs the interrupts that have arrived, with interrupts off meanwhile. */
void vcpu_run_irqs(struct vcpu *c);

#endif
