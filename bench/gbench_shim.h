/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gbench_shim.h - Google Benchmark for C programs
 *
 * A benchmark is a function with a loop, which one thread or several run at the same time. Google Benchmark chooses
 * the number of iterations, repeats, takes the times, and reports them; its flags are those of the program.
 *
 * Of a run by N threads it reports, for each iteration of any of them, the wall time, which is 1/N of what an
 * iteration takes, and the CPU time, which is what an iteration takes.
 */
#ifndef SIMBENCH_GBENCH_SHIM_H
#define SIMBENCH_GBENCH_SHIM_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gbench;	     /* a registered benchmark; lives as long as the process */
struct gbench_state; /* one thread of one run */

struct gbench_ops {
	/*
	 * Makes what the threads of a run share: called before every run, by one of its threads, while the others
	 * wait. Returns 0, or a negative errno, which becomes the run's error. May be NULL.
	 */
	int (*setup)(struct gbench_state *state, void **fixture);
	/* Called by every thread; loops until gbench_keep_running() or gbench_keep_running_batch() says stop. */
	void (*run)(struct gbench_state *state, void *fixture);
	/* Called by the last thread that leaves a run whose setup succeeded. May be NULL. */
	void (*teardown)(void *fixture);
};

/* ---- before gbench_main() ---- */

/**
 * gbench_register - add a benchmark
 * @name: by which --benchmark_filter finds it, with the family first, as "family/variant"; copied
 * @ops: kept by reference
 * @data: for gbench_data(); kept by reference
 *
 * It runs once without arguments, by one thread, and reports CPU time, unless the functions below say otherwise.
 */
struct gbench *gbench_register(const char *name, const struct gbench_ops *ops, const void *data);

/* Names the arguments in reports, as "name:value". All of them, in their order; copied. */
void gbench_arg_names(struct gbench *b, const char *const *names, unsigned int count);

/* Adds an instance of the benchmark with these arguments, as many each time. */
void gbench_args(struct gbench *b, const int64_t *values, unsigned int count);

/* Adds instances with a single argument: @first, @last and each power of @factor, at least 2, in between. */
void gbench_range(struct gbench *b, int64_t first, int64_t last, int factor);

/* Adds instances that @threads, 1.., threads run at the same time, one for each list of arguments. */
void gbench_threads(struct gbench *b, unsigned int threads);

/* Reports wall time: for everything that several threads run. */
void gbench_use_real_time(struct gbench *b);

/* Reports what gbench_add_time() was told. */
void gbench_use_manual_time(struct gbench *b);

/* Adds a line to the context that reports begin with. */
void gbench_add_context(const char *key, const char *value);

/* ---- in a benchmark ---- */

/*
 * The condition of the loop. No thread's first call returns before all threads have made theirs, no thread's last
 * one before all have made theirs. A call takes about 2 ns, so what takes no longer should go in batches.
 */
bool gbench_keep_running(struct gbench_state *state);

/* The same where the loop's body is @iterations, 1.., iterations; the last batch may exceed what was asked for. */
bool gbench_keep_running_batch(struct gbench_state *state, uint64_t iterations);

/* Iterations that this thread has run so far, exact after the loop. */
uint64_t gbench_iterations(const struct gbench_state *state);

/* Argument number @index, from 0, of those given to gbench_args(). */
int64_t gbench_arg(const struct gbench_state *state, unsigned int index);

/* This thread, 0..gbench_thread_count()-1. */
unsigned int gbench_thread_index(const struct gbench_state *state);
unsigned int gbench_thread_count(const struct gbench_state *state);

/* What the benchmark was registered with. */
const void *gbench_data(const struct gbench_state *state);

/* Adds @ps picoseconds to the time of this thread's iterations, with gbench_use_manual_time(). */
void gbench_add_time(struct gbench_state *state, uint64_t ps);

enum gbench_counter_kind {
	GBENCH_SUM,	      /* over all threads */
	GBENCH_AVERAGE,	      /* over all threads */
	GBENCH_RATE,	      /* of the sum, by second */
	GBENCH_PER_ITERATION, /* of the sum */
};

/* Reports a number of one's own, after the loop; each thread gives its part. */
void gbench_counter(struct gbench_state *state, const char *name, double value, enum gbench_counter_kind kind);

/* Items that this thread has processed, after the loop: reported as items_per_second. */
void gbench_items_processed(struct gbench_state *state, uint64_t items);

/* Ends the loop and reports an error in place of a time; the program's exit status tells of it. */
__attribute__((format(printf, 2, 3))) void gbench_skip_with_error(struct gbench_state *state, const char *format,
								  ...);

/* ---- main() ---- */

/**
 * gbench_main - run the registered benchmarks as the flags in @argv say; once in a process
 *
 * Returns the exit status: 0; 1 when a benchmark reported an error; 2 for a flag that Google Benchmark does not
 * know, and when the filter matches no benchmark. With --help, or when a file cannot be written, the process exits.
 */
int gbench_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif
