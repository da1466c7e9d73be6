/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * engine_bench.c - how fast the simulator is: the event engine alone, and with the model on top
 *
 *   engine_bench mm1 [OBJECTS]      the M/M/1 queue as two processes: arrivals at rate 0.9, service at rate 1.0
 *   engine_bench switch [SWITCHES]  two coroutines that switch to each other
 *   engine_bench events             CPUs that share a lock: events per second with 16 and with 4096 of them
 *   engine_bench run [MILLISECONDS] policy always, shared bridge, 2 devices x 8 jobs, on one thread
 *   engine_bench memory             what a further device, domain and CPU take
 *   engine_bench explore [SCHEDULES] the explorer: an attach and a map on two CPUs, every step drawn at random
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/builtin_ini.h"
#include "bench/lockbench.h"
#include "bench/scenario.h"
#include "sim/exec/engine.h"
#include "sim/race.h"
#include "sim/rng.h"

#define SERVICE_MEAN_PS 1000000ULL
#define ARRIVAL_MEAN_PS (SERVICE_MEAN_PS * 10 / 9)

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct mm1 {
	struct engine engine;
	struct proc arrivals, server;
	struct rng arrival_rng, service_rng;
	uint64_t objects, in_system;
	uint64_t busy_until_ps, area; /* time integral of the number in the system */
	uint64_t last_change_ps;
	bool server_sleeps;
};

/* In units of a nanosecond, so that a million objects' integral fits. */
static void mm1_change(struct mm1 *m, const struct proc *p, int by)
{
	m->area += m->in_system * ((p->now_ps - m->last_change_ps) / 1000);
	m->last_change_ps = p->now_ps;
	m->in_system += (uint64_t)(int64_t)by;
}

static void mm1_arrivals(void *arg)
{
	struct mm1 *m = arg;
	uint64_t i;

	for (i = 0; i < m->objects; i++) {
		proc_hold(&m->arrivals, rng_exponential_ps(&m->arrival_rng, ARRIVAL_MEAN_PS));
		mm1_change(m, &m->arrivals, 1);
		if (m->server_sleeps) {
			m->server_sleeps = false;
			proc_wake(&m->server, m->arrivals.now_ps);
		}
	}
}

static void mm1_server(void *arg)
{
	struct mm1 *m = arg;
	uint64_t i;

	for (i = 0; i < m->objects; i++) {
		while (!m->in_system) {
			m->server_sleeps = true;
			proc_sleep(&m->server);
		}
		proc_hold(&m->server, rng_exponential_ps(&m->service_rng, SERVICE_MEAN_PS));
		mm1_change(m, &m->server, -1);
	}
	engine_stop(&m->engine);
}

static int bench_mm1(uint64_t objects)
{
	struct mm1 m = { .objects = objects };
	double start, took;

	rng_seed(&m.arrival_rng, 1, 0);
	rng_seed(&m.service_rng, 1, 1);
	if (engine_init(&m.engine) || engine_spawn(&m.engine, &m.server, 0, mm1_server, &m) ||
	    engine_spawn(&m.engine, &m.arrivals, 0, mm1_arrivals, &m))
		return 1;
	start = now_s();
	if (engine_run(&m.engine))
		return 1;
	took = now_s() - start;
	printf("mm1: %.2f M objects/s (%" PRIu64 " objects, mean in system %.2f, theory 9.00)\n",
	       (double)objects / took / 1e6, objects, (double)m.area * 1000 / (double)m.server.now_ps);
	proc_destroy(&m.arrivals);
	proc_destroy(&m.server);
	engine_destroy(&m.engine);
	return 0;
}

struct pong {
	struct coro main, other;
};

static void pong_body(void *arg)
{
	struct pong *p = arg;

	for (;;)
		coro_switch(&p->other, &p->main);
}

static int bench_switch(uint64_t switches)
{
	struct pong p;
	double start, took;
	uint64_t i;

	if (coro_create(&p.other, pong_body, &p))
		return 1;
	start = now_s();
	coro_adopt_thread(&p.main);
	for (i = 0; i < switches / 2; i++)
		coro_switch(&p.main, &p.other);
	took = now_s() - start;
	printf("switch: %.1f M switches/s (%" PRIu64 " switches)\n", (double)switches / took / 1e6, switches);
	coro_destroy(&p.other);
	return 0;
}

/* A lock among @cpus CPUs, and work on lines of their own in between. Returns events per second, 0 on failure. */
static double events_per_s(uint32_t cpus)
{
	struct lockbench_params params = {
		.hold_ps = 20000,
		.think_ps = 300000ULL * cpus,
		.iterations = 400000 / cpus + 1,
	};
	struct sim_params sim = {
		.coh = {
			.latency_ps = { 0, 8000, 80000, 80000, 160000 },
			.l1_hit_ps = 500,
			.atomic_ps = 6000,
			.write_occupancy_pct = 100,
			.dirty_read_occupancy_pct = 100,
			.read_occupancy_ps = 5000,
		},
		.seed = 1,
	};
	struct lockbench_result r;
	struct topology t;
	char err[TOPOLOGY_ERR_SIZE];
	uint32_t *pus = calloc(cpus, sizeof(*pus)), i;
	double start, rate = 0;

	if (!pus || topology_load(&t, "package:4 l3:4 core:128 pu:2", err, sizeof(err)))
		goto out;
	for (i = 0; i < cpus; i++)
		pus[i] = (uint32_t)((uint64_t)i * t.pu_count / cpus);
	start = now_s();
	if (!lockbench_run(&t, pus, cpus, &sim, &params, &r))
		rate = (double)r.events / (now_s() - start);
	topology_destroy(&t);
out:
	free(pus);
	return rate;
}

static int bench_events(void)
{
	double few = events_per_s(16), many = events_per_s(4096);

	if (!few || !many)
		return 1;
	printf("events: %.2f M/s with 16 CPUs, %.2f M/s with 4096: %.2f of it\n", few / 1e6, many / 1e6,
	       many / few);
	return 0;
}

static double peak_mib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_maxrss / 1024;
}

/* Runs one repetition of what the command line @args describes. */
static int run_options(int argc, char **args, struct host_result *r, double *took)
{
	struct options_error err = { "" };
	struct host_params params;
	struct scenario s;
	struct options o;
	char msg[256] = "";
	double start;
	int ret;

	ret = options_parse(&o, S_RUN, argc, args, builtin_machine_ini, &err);
	if (!ret) {
		ret = scenario_init(&s, &o, &err);
		if (!ret) {
			params = scenario_params(&s, 0);
			start = now_s();
			ret = host_run(&params, r, msg, sizeof(msg));
			*took = now_s() - start;
		}
		scenario_destroy(&s);
	}
	options_free(&o);
	if (ret)
		fprintf(stderr, "engine_bench: %s%s\n", err.msg, msg);
	return ret;
}

static int bench_run(uint64_t milliseconds)
{
	char runtime[32];
	char *args[] = { "run", "--policy", "always", "--runtime", runtime, "--repetitions", "1" };
	struct host_result r;
	double took;

	snprintf(runtime, sizeof(runtime), "%" PRIu64 "ms", milliseconds);
	if (run_options((int)ARRAY_SIZE(args), args, &r, &took))
		return 1;
	printf("run: %.2f s of wall time for %.2f s simulated (%.2f M I/Os, %.2f us each, %.1f M events/s), %.0f "
	       "MiB\n",
	       took, (double)milliseconds / 1000, (double)r.submitted / 1e6, took * 1e6 / (double)r.submitted,
	       (double)r.events / took / 1e6, peak_mib());
	host_result_free(&r);
	return 0;
}

/* Peak memory after a short run with @devices devices of @jobs jobs, in KiB; 0 on failure. Only ever grows. */
static double run_and_peak_kib(const char *devices, const char *jobs, const char *bridge, const char *placement)
{
	char *args[] = { "run",
			 "--machine",
			 "package:4 l3:4 core:128 pu:2",
			 "--runtime",
			 "4ms",
			 "--warmup",
			 "1ms",
			 "--units",
			 "shared",
			 "--devices",
			 (char *)devices,
			 "--jobs",
			 (char *)jobs,
			 "--bridge",
			 (char *)bridge,
			 "--placement",
			 (char *)placement };
	struct host_result r;
	double took;

	if (run_options((int)ARRAY_SIZE(args), args, &r, &took))
		return 0;
	host_result_free(&r);
	return peak_mib() * 1024;
}

/* Ever larger runs in one process: each difference is what the addition takes. */
static int bench_memory(void)
{
	double base = run_and_peak_kib("16", "1", "shared", "0-15");
	double devices = run_and_peak_kib("1016", "1", "shared", "0-15");
	double domains = run_and_peak_kib("1016", "1", "separate", "0-15");
	double cpus = run_and_peak_kib("2", "4096", "shared", "spread");

	if (!base || !devices || !domains || !cpus)
		return 1;
	printf("memory: %.0f MiB with 16 CPUs and devices; KiB more for each further device: %.0f, domain: %.0f, "
	       "CPU: %.0f\n",
	       base / 1024, (devices - base) / 1000, (domains - devices) / 1000, (cpus - base) / (4096 - 16));
	return 0;
}

static int bench_explore(uint64_t schedules)
{
	struct race_scenario scenario = {
		.units = 2,
		.devices = 2,
		.programs = 2,
		.unit_of = { 0, 1 },
		.domain = { .policy = POLICY_ALWAYS },
		.setup = { { .kind = RACE_ATTACH } },
		.setup_count = 1,
		.op = { { { .kind = RACE_MAP } }, { { .kind = RACE_ATTACH, .device = 1 } } },
		.op_count = { 1, 1 },
	};
	struct strategy *s = strategy_random(1, schedules);
	struct explore_verdict v;
	struct options o;
	struct race *r = NULL;
	double start, took;

	if (options_init(&o))
		return 1;
	scenario.cap[0] = scenario.cap[1] = options_unit_cap(&o, 0);
	scenario.ecap[0] = scenario.ecap[1] = options_unit_ecap(&o, 0);
	options_free(&o);
	if (!s || race_create(&scenario, &r)) {
		strategy_destroy(s);
		return 1;
	}
	start = now_s();
	while (s->ops->begin(s))
		explore_run(race_explorer(r), s, 100000, &v);
	took = now_s() - start;
	printf("explore: %.0f schedules/s, %.2f M steps/s, %.0f steps each\n", (double)schedules / took,
	       (double)explore_total_steps(race_explorer(r)) / took * 1e-6,
	       (double)explore_total_steps(race_explorer(r)) / (double)schedules);
	strategy_destroy(s);
	race_destroy(r);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;

	if (argc > 1 && !strcmp(argv[1], "mm1"))
		return bench_mm1(n ? n : 1000000);
	if (argc > 1 && !strcmp(argv[1], "switch"))
		return bench_switch(n ? n : 20000000);
	if (argc > 1 && !strcmp(argv[1], "events"))
		return bench_events();
	if (argc > 1 && !strcmp(argv[1], "run"))
		return bench_run(n ? n : 1000);
	if (argc > 1 && !strcmp(argv[1], "memory"))
		return bench_memory();
	if (argc > 1 && !strcmp(argv[1], "explore"))
		return bench_explore(n ? n : 50000);
	fprintf(stderr, "Usage: engine_bench mm1|switch|events|run|memory|explore [N]\n");
	return 2;
}
