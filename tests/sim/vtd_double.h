/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vtd_double.h - a VT-d unit for tests that executes nothing and writes down everything
 *
 * It decodes no descriptor but the wait descriptor: what the driver put into the queue is there to be compared bit
 * for bit. Several units share one log, so that their order among each other is seen too.
 */
#ifndef SIMBENCH_TESTS_VTD_DOUBLE_H
#define SIMBENCH_TESTS_VTD_DOUBLE_H

#include <stdbool.h>

#include "sim/exec/virtual.h"
#include "sim/platform/mmio.h"

enum vtd_event_kind {
	VTD_EVENT_DESC, /* a descriptor other than a wait descriptor */
	VTD_EVENT_WAIT, /* a wait descriptor: the end of a submission */
	VTD_EVENT_WBF,	/* write-buffer flush */
};

struct vtd_event {
	unsigned int unit;
	enum vtd_event_kind kind;
	uint64_t qw[4]; /* zero for VTD_EVENT_WBF */
};

#define VTD_LOG_SIZE 4096

struct vtd_log {
	struct vtd_event events[VTD_LOG_SIZE];
	unsigned int count;
	bool off;		 /* for runs that nobody reads the log of */
	void (*hook)(void *arg); /* called with each event, after it is in the log; may be NULL */
	void *arg;
};

struct vtd_double {
	struct mmio_device mmio; /* must be first */
	struct actor step;
	struct sim *sim;
	struct vtd_log *log;
	unsigned int number;
	uint64_t step_ps; /* time for one descriptor; 0: all of them within the write of the tail register */
	bool busy;
	uint64_t rtaddr, iqa, head, tail; /* head and tail in bytes */
	uint32_t gsts;
	unsigned int wbf_reads; /* reads of GSTS that still have WBFS set */
	unsigned int gcmd_writes;
};

/* Powers unit @number of @log on. */
void vtd_double_init(struct vtd_double *u, struct sim *sim, struct vtd_log *log, unsigned int number);

/* Compares the whole log with @count events, says where it differs, and empties it. */
void vtd_log_check(struct vtd_log *log, const struct vtd_event *expected, unsigned int count);

/* Entries of @log of kind @kind, of all units. */
unsigned int vtd_log_count(const struct vtd_log *log, enum vtd_event_kind kind);

#endif
