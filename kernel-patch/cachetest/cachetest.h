/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cachetest.h - what both sides of the differential test are told, and what they say
 *
 * Each side makes the same machine and executes the same operations; what it submits goes into an event log. The
 * kernel's side includes the kernel's headers and the simulator's side the simulator's: here are neither.
 */
#ifndef CACHETEST_H
#define CACHETEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define UNITS_MAX 4
#define DEVICES_MAX 24
#define DOMAINS_MAX 5
#define NO_LIMIT (-1)

struct machine {
	unsigned int unit_count, device_count, domain_count;
	struct unit_spec {
		uint64_t cap, ecap;
		bool translates; /* GCMD.TE */
	} units[UNITS_MAX];
	struct device_spec {
		unsigned int unit;
		uint8_t bus, devfn, qdep;
		uint16_t pfsid;
		bool ats, extra_invalidation;
	} devices[DEVICES_MAX];
	struct domain_spec {
		bool first_stage;
		bool sva;   /* one domain id everywhere, whatever did[] says */
		int parent; /* of a nested domain, else -1 */
		bool padded;
		uint16_t did[UNITS_MAX];
	} domains[DOMAINS_MAX];
};

enum operation_kind {
	OP_ASSIGN,
	OP_UNASSIGN,
	OP_FLUSH_RANGE,
	OP_FLUSH_RANGE_NP,
	OP_FLUSH_ALL,
	OP_TRANSLATION, /* of a unit: on or off */
	OP_ATS,		/* of a device */
	OP_KIND_COUNT,
};

struct operation {
	enum operation_kind kind;
	uint8_t domain, device, unit;
	bool ih, on;
	int allocations; /* that succeed, or NO_LIMIT */
	uint32_t pasid;
	uint64_t start, end; /* first and last byte */
};

enum hw_event_kind {
	EVENT_SUBMIT,	/* qw[0]: descriptors, which follow */
	EVENT_DESC,	/* qw[0..3] */
	EVENT_WBF,	/* iommu_flush_write_buffer() */
	EVENT_REGISTER, /* __iommu_flush_iotlb(): qw[0..3] domain id, address, order, granularity */
	EVENT_WARNING,	/* the kernel's code warned, or misused what it stands on: qw[0] line, qw[1] text */
};

struct hw_event {
	uint32_t kind, unit;
	uint64_t qw[4];
};

#define EVENTS_MAX 4096

struct hw_log {
	unsigned int count;
	bool hardware_only; /* without write-buffer flushes of units that have no write buffer */
	struct hw_event events[EVENTS_MAX];
};

static inline void log_event(struct hw_log *log, struct hw_event event)
{
	if (log->count == EVENTS_MAX)
		abort();
	log->events[log->count++] = event;
}

static inline void log_write_buffer_flush(struct hw_log *log, unsigned int unit, uint64_t cap)
{
	if (!log->hardware_only || cap & 1 << 4)
		log_event(log, (struct hw_event){ EVENT_WBF, unit, { 0 } });
}

/* @qws: four quadwords each */
static inline void log_submission(struct hw_log *log, unsigned int unit, const void *qws, unsigned int count)
{
	const uint64_t(*qw)[4] = qws;
	unsigned int i;

	log_event(log, (struct hw_event){ EVENT_SUBMIT, unit, { count } });
	for (i = 0; i < count; i++)
		log_event(log, (struct hw_event){ EVENT_DESC, unit, { qw[i][0], qw[i][1], qw[i][2], qw[i][3] } });
}

/* One implementation of the cache tags. One machine at a time. */
struct side {
	const char *name;
	void (*create)(const struct machine *machine, struct hw_log *log);
	/* Returns what the function under test returned, 0 where it returns nothing. */
	int (*execute)(const struct operation *op);
	/* Returns objects that were left over beside two for each domain. */
	unsigned int (*destroy)(void);
};

extern const struct side model_side;
/* In the shared object that `run` builds from a kernel tree. */
#define KERNEL_SIDE "cachetest_kernel_side"

#endif
