/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sequence.h - random machines and operations
 */
#ifndef CACHETEST_SEQUENCE_H
#define CACHETEST_SEQUENCE_H

#include <stdio.h>

#include "kernel-patch/cachetest/cachetest.h"
#include "sim/rng.h"

struct draw_options {
	bool whole_space; /* ranges may cover all 2^52 pages, which 6.12 takes for one page */
	bool ats_stays;	  /* as it is from the start */
};

/* A machine with 1..UNITS_MAX units that have little in common. */
void draw_machine(struct machine *machine, struct rng *rng);

/**
 * draw_operation - one operation
 * @op: to fill in
 * @machine: whose units, devices and domains it names
 * @how: what may be drawn
 * @rng: source
 */
void draw_operation(struct operation *op, const struct machine *machine, const struct draw_options *how,
		    struct rng *rng);

void print_machine(FILE *f, const struct machine *machine);
void print_operation(FILE *f, const struct operation *op);

#endif
