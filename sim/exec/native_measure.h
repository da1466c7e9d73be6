/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * native_measure.h - what a cache line, an atomic or a pause costs on this machine
 *
 * Each function makes CPUs of its own, pinned, and takes samples. A sample is the mean of a batch, so that reading
 * the clock does not count, over many lines, because lines differ in how far away their home is.
 */
#ifndef SIMBENCH_EXEC_NATIVE_MEASURE_H
#define SIMBENCH_EXEC_NATIVE_MEASURE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct topology;

/*
 * What becomes of a CPU's speed. The clock counts at one rate; the CPU may not, and it may share its core with an
 * SMT sibling, of which a guest need not even know.
 */
struct native_probe {
	/* Before and after: multiplications that wait for each other, which go with the frequency and nothing else.
	 */
	uint64_t chain_ps[2];
	/* The shortest time ever of work that keeps all units busy. 0: not known yet. */
	uint64_t wide_ps;
};

/* What may come between: bits of a sample. */
enum native_disturbance {
	NATIVE_SHARED = 1 << 0,	   /* a CPU had to share its core with a sibling */
	NATIVE_PREEMPTED = 1 << 1, /* a thread lost its CPU */
};

/* A look at a CPU between two samples. */
struct native_look {
	uint64_t wide_ps;  /* time of the work of native_probe.wide_ps just now; 0: not looked */
	uint64_t switches; /* times that this thread has lost its CPU so far */
};

/* What to measure on, and how often. */
struct native_measure {
	const struct topology *topology; /* of this machine ("host") */
	const uint32_t *pus;		 /* topology indexes of the CPUs, each of them once */
	uint32_t cpu_count;
	uint32_t samples; /* at least 1 */
	uint32_t batch;	  /* operations in a sample, or in a sample on each of its lines; at least 1 */
	/* Ends the measurement early when it is not 0; may be NULL. */
	const volatile sig_atomic_t *interrupted;
	/* By CPU: reads and updates wide_ps, receives the rest. */
	struct native_probe *probes;
	uint8_t *disturbed; /* receives NATIVE_* of each sample; may be NULL */
};

/*
 * All return 0; -EINTR when interrupted, and the samples are not complete then; -ENOMEM, -EAGAIN or -EXDEV as
 * native_create() and native_run() do.
 */

enum native_op {
	NATIVE_OP_LOAD,	   /* hits, and needs the value of the load before it */
	NATIVE_OP_CMPXCHG, /* compare-and-swap on a line that this CPU owns */
	NATIVE_OP_BARRIER, /* smp_mb() */
	NATIVE_OP_PAUSE,   /* cpu_relax() */
	NATIVE_OP_CLOCK,   /* native_clock_ps() */
};

/* Nothing but the probes, by all CPUs at the same time. */
int native_measure_probes(struct native_measure *m);

/* One operation after the other on the first CPU. @sample_ps: of one operation, m->samples of them. */
int native_measure_op(struct native_measure *m, enum native_op op, uint64_t *sample_ps);

/**
 * native_measure_pingpong - two CPUs hand over a line by compare-and-swap, as pingpong_run() simulates it
 * @m: with two CPUs; a batch counts exchanges on a line, of two hand-overs each
 * @sample_ps: receives the mean time of a hand-over
 *
 * A CPU whose turn it is not compares and swaps in vain, without a pause, as the published figures were measured
 * (facts C).
 */
int native_measure_pingpong(struct native_measure *m, uint64_t *sample_ps);

/**
 * native_measure_skew - how far the second CPU's clock is ahead of the first one's
 * @m: with two CPUs; a batch is one attempt, whatever m->batch says
 * @sample_ps: receives the difference, as each attempt sees it
 *
 * A line carries the time there and back; half the difference of the two ways is the sample. The median is as good
 * as the ways are equally long: measure with the CPUs in both orders and take half the difference of the medians.
 * What the chip makes of one way and not of the other stays in.
 */
int native_measure_skew(struct native_measure *m, int64_t *sample_ps);

/**
 * native_measure_broadcast - the first CPU writes a line that all the others are spinning on
 * @m: with at least two CPUs; a batch counts writes
 * @first_ps: receives the mean time from before the store to the first reader that has the value; may be NULL
 * @last_ps: the same for the last one; may be NULL
 *
 * Readers spin without a pause, which would hide when they could have had it.
 */
int native_measure_broadcast(struct native_measure *m, uint64_t *first_ps, uint64_t *last_ps);

/**
 * native_measure_contend - all CPUs do one atomic after the other on the same line
 * @m: with at least two CPUs; a batch counts arrivals of a line at the first CPU
 * @sample_ps: receives the mean time from one CPU's getting the line to the next one's
 * @held_permille: receives the mean number of atomics, in thousandths, that a CPU does before the line is taken
 *away from it; may be NULL
 */
int native_measure_contend(struct native_measure *m, uint64_t *sample_ps, uint64_t *held_permille);

enum native_fetch {
	NATIVE_FETCH_LOAD,    /* a load of the line */
	NATIVE_FETCH_ATOMIC,  /* an atomic on it */
	NATIVE_FETCH_UPGRADE, /* an atomic on it, after a load that is not counted */
};

/**
 * native_measure_fetch - the first CPU wants a line that the second one has written a while ago
 * @m: with two CPUs; a batch counts lines, of which there are 64
 * @how: what the first CPU does
 * @sample_ps: receives the mean time, beyond that of the same once the line is there
 */
int native_measure_fetch(struct native_measure *m, enum native_fetch how, uint64_t *sample_ps);

/* For those who measure on a native CPU themselves: looks at this one. */
void native_look(struct native_look *look);

/* What was between two looks. @wide_ps: the shortest time of that work. Returns NATIVE_* bits. */
static inline unsigned int native_disturbances(const struct native_look look[2], uint64_t wide_ps)
{
	uint64_t shared_ps = wide_ps + wide_ps / 7;
	unsigned int bits = 0;

	if (look[0].wide_ps > shared_ps || look[1].wide_ps > shared_ps)
		bits |= NATIVE_SHARED;
	if (look[1].wide_ps && look[0].switches != look[1].switches)
		bits |= NATIVE_PREEMPTED;
	return bits;
}

#endif
