/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * scenario.h - from options to what the simulator runs
 */
#ifndef SIMBENCH_SCENARIO_H
#define SIMBENCH_SCENARIO_H

#include "bench/options.h"
#include "sim/host.h"
#include "sim/topology.h"

struct scenario {
	struct options options; /* a copy */
	struct topology topology;
	struct host_params params; /* points into the members around it: do not copy a scenario */
	uint64_t *unit_cap, *unit_ecap;
	bool forced_strict; /* lazy was asked for, but caching mode does not let it (facts K4a) */
};

/* The machine part of the options, which every subcommand shares. @seed is the repetition's. */
struct sim_params scenario_sim_params(const struct options *o, uint64_t seed);

/**
 * scenario_init - build a scenario
 * @s: to fill in; on return, even with an error, ready for scenario_destroy()
 * @o: checked by options_validate(); copied
 * @err: receives what is wrong with the machine, the placement or their combination
 *
 * Returns 0; -EINVAL with @err filled in; -ENOMEM.
 */
int scenario_init(struct scenario *s, const struct options *o, struct options_error *err);
void scenario_destroy(struct scenario *s);

/* The parameters of repetition @repetition, 0..: those of the scenario with a seed of its own. */
struct host_params scenario_params(const struct scenario *s, uint64_t repetition);

/**
 * scenario_use_engine - settle what the choice of the engine decides
 * @o: parsed options; with the native engine, machine becomes "host" and placement "cores" unless they were given
 * @err: message on error
 *
 * Returns 0, -ENOMEM, or -EINVAL for an option that has no meaning with the engine.
 */
int scenario_use_engine(struct options *o, struct options_error *err);

#endif
