/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore_internal.h - the explorer's own: what its files share; not for others
 */
#ifndef SIMBENCH_EXEC_EXPLORE_INTERNAL_H
#define SIMBENCH_EXEC_EXPLORE_INTERNAL_H

#include "sim/exec/explore.h"
#include "sim/platform/model/platform.h"

/* What a CPU may allocate in one schedule. */
#define HEAP_SIZE (256UL << 10)
#define MAX_ALLOCATIONS 256
/* Objects from before the schedule that it frees; of more, losses are not looked for. */
#define MAX_FREED 64
#define MAX_WATCHED 64
#define MAX_POSTED 64
/* Loads that a wait can refer to. */
#define RECENT_LOADS 16

enum { WORD_WRITTEN = 1, WORD_VISIBLE = 2, WORD_POLLED = 4 };

/* In place of 1 + an agent's number. */
#define SEVERAL UINT8_MAX

/* Eight bytes of simulated memory. What stands in [run...] is of that schedule only. */
struct word {
	uint32_t location; /* once it is visible */
	uint32_t run;
	uint32_t written_at; /* step of the last write, from 1 on; 0: none */
	uint8_t written_by;
	uint8_t owner; /* 1 + the only agent that has ever touched it */
	uint8_t flags;
	uint8_t bare; /* 1 + the only CPU that has read it outside of RCU's sections, which wait for nobody */
};

struct line_state {
	uint32_t saved_run; /* its former contents are in the undo log */
	uint32_t freed_run;
	uint8_t freed_by;
	/* for the log, in schedule log_run: as in struct explore_event */
	uint8_t owner;
	uint32_t sharers;
	uint32_t log_run;
};

struct undo {
	uint64_t content[CACHE_LINE_SIZE / sizeof(uint64_t)];
	uint32_t line;
};

/* A place that is no memory. */
struct place {
	uintptr_t key;
	uint32_t location;
	uint8_t owner, flags;
};

struct allocation {
	char *p;
	uint32_t size;
	const struct obj_type *type;
	bool freed;
};

struct watched {
	void *p;
	size_t size;
	char *copy;
};

enum agent_state {
	AGENT_READY,
	AGENT_LOCK,
	AGENT_WAIT,
	AGENT_AWAIT,
	AGENT_IDLE,
	AGENT_FULL,    /* the store buffer: until there is room */
	AGENT_BARRIER, /* until it is empty */
	AGENT_GRACE,   /* until another CPU's RCU section is over, and has reached memory */
};

struct posted {
	uint64_t arg;
	uint8_t by; /* 1 + agent */
	uint32_t at;
};

struct agent {
	enum agent_state state;
	/* a CPU */
	struct vcpu *cpu;
	void (*body)(void *arg);
	void *arg;
	struct coro coro;
	const spinlock_t *lock;	 /* AGENT_LOCK */
	const struct word *word; /* AGENT_WAIT: until somebody else writes it after step `since` */
	uint32_t since;
	const uint32_t *flag; /* AGENT_AWAIT */
	/* AGENT_GRACE: for that CPU's section, if it began before; 1 + the transition that ended it, or 0 */
	uint32_t reader, reader_ended;
	uint64_t began_before;
	struct {
		const struct word *word;
		uint32_t step;
	} loads[RECENT_LOADS];
	uint32_t load_count;
	char *heap;
	uint32_t heap_used;
	uint32_t allocations, fail_at;
	/* a part of a unit */
	struct actor *actor;
	struct posted posted[MAX_POSTED];
	uint32_t posted_first, posted_count;
};

struct buffered {
	void *p;
	uint8_t size;
	char value[8];
	char under[8]; /* what it hides while its CPU runs */
};

struct store_buffer {
	struct buffered store[EXPLORE_BUFFERED_STORES]; /* the oldest first */
	uint32_t count;
	bool open; /* the last one's value is not known yet: it is written after the hook */
};

struct explore {
	struct sim *sim;
	uint32_t cpu_count, hardware_end, agent_count; /* CPUs, then hardware, then timers */
	struct agent agents[EXPLORE_MAX_AGENTS];
	uint32_t reached[EXPLORE_ALL_AGENTS];
	uint32_t sections[EXPLORE_MAX_AGENTS]; /* by CPU: the place that stands for whether it is in an RCU section
						*/
	bool tso;
	struct store_buffer buffers[EXPLORE_MAX_BUFFERS]; /* by CPU */
	struct coro main;
	struct vcpu *former_cpus; /* as they were before the snapshot */
	bool running;
	bool allocation_failed;
	bool every_access;
	bool new_words;

	/* memory */
	char *base;
	size_t used;
	struct word *words;
	struct line_state *lines;
	struct undo *undo;
	uint32_t undo_count, undo_capacity;
	struct allocation allocations[MAX_ALLOCATIONS];
	uint32_t allocation_count;
	uint32_t *references; /* by an object's first line: words at the snapshot that are its address */
	void *freed[MAX_FREED];
	uint32_t freed_count;
	struct watched watched[MAX_WATCHED];
	uint32_t watched_count;
	struct place *places;
	uint32_t place_count, place_capacity;
	uint32_t location_count;

	/* the schedule */
	uint32_t run;  /* number of the schedule, from 1 on */
	uint32_t step; /* transitions so far, the one under way included */
	uint8_t current;
	struct explore_transition transition;
	struct explore_segment *segments;
	uint32_t segment_count, segment_capacity;
	struct explore_verdict *verdict;
	bool stop;
	int error;
	uint64_t total_steps;

	void (*on_store)(void *arg, const void *p);
	void *on_store_arg;

	bool logging;
	struct explore_event *events;
	uint32_t event_count, event_capacity;
};

/* ---- explore.c ---- */

struct agent *explore_new_agent(struct explore *x);

bool explore_agent_enabled(const struct explore *x, uint32_t agent);

/* ---- explore_hooks.c ---- */

/* The running CPU waits for its turn. Returns when the strategy has chosen it. */
void explore_yield(struct explore *x);

/* Before the @size bytes at @p are freed; @after_rcu: those who looked from within a section have left it. */
void explore_release(struct explore *x, const void *p, size_t size, bool after_rcu);

void explore_record_write(struct explore *x, const void *p, uint32_t agent);

/* ---- explore_buffer.c ---- */

/* What @cpu has buffered is laid over memory; and taken away. */
void explore_buffer_enter(struct explore *x, uint32_t cpu);
void explore_buffer_leave(struct explore *x, uint32_t cpu);

/* The running CPU's store of @size bytes that comes next. There is room. */
void explore_buffer_append(struct explore *x, const void *p, size_t size);

/* The oldest store of @cpu goes to memory. */
void explore_buffer_step(struct explore *x, uint32_t cpu);

/* All of all CPUs. */
void explore_buffer_drain_all(struct explore *x);

/* ---- explore_memory.c ---- */

struct word *explore_word_of(struct explore *x, const void *p);

/* Before an address is changed for the first time in a schedule. */
void explore_save_line(struct explore *x, const void *p);

/* A rule is broken where the object at @p has been freed in this schedule. */
void explore_check_not_freed(struct explore *x, const void *p, const char *what, const char *rule);

/* The same for a store of @cpu that comes out of its buffer, after which it may have freed the object. */
void explore_check_not_freed_by_others(struct explore *x, const void *p, uint32_t cpu);

/* Undoes what the last schedule has done. */
void explore_reset_memory(struct explore *x);

/* Tables for all memory that there is. Returns 0 or -ENOMEM. */
int explore_init_memory(struct explore *x);

struct place *explore_place_of(struct explore *x, uintptr_t key);

/*
 * Whether an access of the running agent is one that others can notice: two agents have touched the place, and one
 * of them has written it, in any schedule. @owner, @flags, @location: the place's.
 */
bool explore_notice(struct explore *x, uint8_t *owner, uint8_t *flags, uint32_t *location, bool write);

/* ---- explore_leak.c ---- */

/* At the snapshot. Returns 0 or -ENOMEM. */
int explore_count_references(struct explore *x);

/* At the end of a schedule: a rule is broken where an object of it, or from before it, is lost. */
void explore_check_leaks(struct explore *x);

/* ---- explore_log.c ---- */

/* Listed when @visible; the line's state changes in any case. */
void explore_log_access(struct explore *x, const void *p, enum explore_access_kind kind, bool visible);
void explore_log_buffered(struct explore *x, const void *p);
void explore_log_drained(struct explore *x, const void *p, uint32_t cpu);

#endif
