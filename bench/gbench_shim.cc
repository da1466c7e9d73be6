/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/gbench_shim.h"

#include <benchmark/benchmark.h>

#include <atomic>
#include <cassert>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

struct gbench_state {
	benchmark::State &state;
	const void *data;
};

struct gbench final : benchmark::internal::Benchmark {
	gbench(const char *name, const gbench_ops *ops_arg, const void *data_arg)
	    : Benchmark(name), ops(ops_arg), data(data_arg)
	{
	}

	void Run(benchmark::State &state) override;

    private:
	bool enter(gbench_state *state, void **fixture);
	void leave();

	const gbench_ops *const ops;
	const void *const data;
	std::mutex lock; /* of what follows */
	unsigned int inside = 0;
	void *shared = nullptr;
};

/* Google Benchmark runs one set of benchmarks per process, too. */
static std::atomic<bool> any_error;

/* Google Benchmark's own setup function would be told neither the benchmark nor who calls it. */
bool gbench::enter(gbench_state *state, void **fixture)
{
	std::lock_guard<std::mutex> guard(lock);
	int ret = 0;

	if (!inside) {
		shared = nullptr;
		if (ops->setup)
			ret = ops->setup(state, &shared);
	}
	if (ret) {
		gbench_skip_with_error(state, "setup: %s", strerror(-ret));
		return false;
	}
	inside++;
	*fixture = shared;
	return true;
}

void gbench::leave()
{
	std::lock_guard<std::mutex> guard(lock);

	if (!--inside && ops->teardown)
		ops->teardown(shared);
}

void gbench::Run(benchmark::State &state)
{
	gbench_state s = { state, data };
	void *fixture;

	if (!enter(&s, &fixture))
		return;
	ops->run(&s, fixture);
	leave();
}

gbench *gbench_register(const char *name, const gbench_ops *ops, const void *data)
{
	auto *b = new gbench(name, ops, data);

	benchmark::internal::RegisterBenchmarkInternal(b);
	return b;
}

void gbench_arg_names(gbench *b, const char *const *names, unsigned int count)
{
	b->ArgNames(std::vector<std::string>(names, names + count));
}

void gbench_args(gbench *b, const int64_t *values, unsigned int count)
{
	b->Args(std::vector<int64_t>(values, values + count));
}

void gbench_range(gbench *b, int64_t first, int64_t last, int factor)
{
	b->RangeMultiplier(factor)->Range(first, last);
}

void gbench_threads(gbench *b, unsigned int threads)
{
	b->Threads(static_cast<int>(threads));
}

void gbench_use_real_time(gbench *b)
{
	b->UseRealTime();
}

void gbench_use_manual_time(gbench *b)
{
	b->UseManualTime();
}

void gbench_add_context(const char *key, const char *value)
{
	benchmark::AddCustomContext(key, value);
}

bool gbench_keep_running(gbench_state *state)
{
	return state->state.KeepRunning();
}

bool gbench_keep_running_batch(gbench_state *state, uint64_t iterations)
{
	return state->state.KeepRunningBatch(static_cast<benchmark::IterationCount>(iterations));
}

uint64_t gbench_iterations(const gbench_state *state)
{
	return static_cast<uint64_t>(state->state.iterations());
}

int64_t gbench_arg(const gbench_state *state, unsigned int index)
{
	return state->state.range(index);
}

unsigned int gbench_thread_index(const gbench_state *state)
{
	return static_cast<unsigned int>(state->state.thread_index());
}

unsigned int gbench_thread_count(const gbench_state *state)
{
	return static_cast<unsigned int>(state->state.threads());
}

const void *gbench_data(const gbench_state *state)
{
	return state->data;
}

void gbench_add_time(gbench_state *state, uint64_t ps)
{
	state->state.SetIterationTime(static_cast<double>(ps) * 1e-12);
}

static benchmark::Counter::Flags counter_flags(gbench_counter_kind kind)
{
	switch (kind) {
	case GBENCH_SUM:
		break;
	case GBENCH_AVERAGE:
		return benchmark::Counter::kAvgThreads;
	case GBENCH_RATE:
		return benchmark::Counter::kIsRate;
	case GBENCH_PER_ITERATION:
		return benchmark::Counter::kAvgIterations;
	}
	return benchmark::Counter::kDefaults;
}

void gbench_counter(gbench_state *state, const char *name, double value, gbench_counter_kind kind)
{
	state->state.counters[name] = benchmark::Counter(value, counter_flags(kind));
}

void gbench_items_processed(gbench_state *state, uint64_t items)
{
	state->state.SetItemsProcessed(static_cast<int64_t>(items));
}

void gbench_skip_with_error(gbench_state *state, const char *format, ...)
{
	char message[256];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	any_error = true;
	state->state.SkipWithError(message);
}

int gbench_main(int argc, char **argv)
{
	size_t ran;

	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	ran = benchmark::RunSpecifiedBenchmarks();
	benchmark::Shutdown();
	if (!ran)
		return 2;
	return any_error ? 1 : 0;
}
