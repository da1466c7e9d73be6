/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel-patch/cachetest/compare.h"

#include <assert.h>
#include <string.h>

#include "sim/vtd_spec.h"

#define BATCH 16

static bool same_events(const struct hw_log *a, const struct hw_log *b)
{
	return a->count == b->count && !memcmp(a->events, b->events, a->count * sizeof(a->events[0]));
}

static void cover(struct coverage *coverage, const struct comparison *c, const struct operation *op)
{
	const struct hw_log *log = &c->logs[KERNEL];
	unsigned int i;

	coverage->operations++;
	coverage->failed_assignments += op->kind == OP_ASSIGN && c->ret[KERNEL];
	for (i = 0; i < log->count; i++) {
		const struct hw_event *e = &log->events[i];

		switch (e->kind) {
		case EVENT_SUBMIT:
			coverage->submissions++;
			coverage->full_batches += e->qw[0] == BATCH;
			break;
		case EVENT_DESC:
			coverage->descriptors[e->qw[0] & 15]++;
			break;
		case EVENT_WBF:
			coverage->write_buffer_flushes++;
			break;
		}
	}
}

/* One of them had memory enough: it takes back what it did. Returns whether the two are alike again. */
static bool undo_assignment(struct comparison *c, const struct operation *op)
{
	struct operation undo = *op;
	int which = c->ret[KERNEL] ? SIMULATOR : KERNEL;

	if (!c->own_allocations || op->kind != OP_ASSIGN || op->allocations == NO_LIMIT || c->ret[which] ||
	    c->logs[which].count)
		return false;
	undo.kind = OP_UNASSIGN;
	undo.allocations = NO_LIMIT;
	c->sides[which]->execute(&undo);
	return !c->logs[which].count;
}

static bool same(struct comparison *c, const struct operation *op)
{
	int i;

	for (i = 0; i < SIDES; i++) {
		c->logs[i].count = 0;
		c->ret[i] = c->sides[i]->execute(op);
	}
	cover(&c->coverage, c, op);
	if (c->ret[KERNEL] != c->ret[SIMULATOR])
		return undo_assignment(c, op);
	return same_events(&c->logs[KERNEL], &c->logs[SIMULATOR]);
}

unsigned int compare_sequence(struct comparison *c, const struct machine *machine, const struct operation *ops,
			      unsigned int count)
{
	unsigned int i, at;

	for (i = 0; i < SIDES; i++)
		c->sides[i]->create(machine, &c->logs[i]);
	for (at = 0; at < count; at++)
		if (!same(c, &ops[at]))
			break;
	for (i = 0; i < SIDES; i++)
		c->left_over[i] = c->sides[i]->destroy();
	return at;
}

unsigned int minimise(struct comparison *c, const struct machine *machine, struct operation *ops,
		      unsigned int count)
{
	static struct operation fewer[OPERATIONS_MAX];
	unsigned int chunk, first, at;

	for (chunk = count / 2; chunk; chunk /= 2) {
		for (first = 0; first + chunk <= count;) {
			memcpy(fewer, ops, first * sizeof(ops[0]));
			memcpy(&fewer[first], &ops[first + chunk], (count - first - chunk) * sizeof(ops[0]));
			at = compare_sequence(c, machine, fewer, count - chunk);
			if (at == count - chunk) {
				first += chunk;
				continue;
			}
			count = at + 1;
			memcpy(ops, fewer, count * sizeof(ops[0]));
		}
	}
	at = compare_sequence(c, machine, ops, count);
	assert(at + 1 == count);
	return count;
}

static const char *const type_names[16] = {
	[QI_IOTLB_TYPE] = "IOTLB",
	[QI_DIOTLB_TYPE] = "device TLB",
	[QI_EIOTLB_TYPE] = "PASID IOTLB",
	[QI_DEIOTLB_TYPE] = "PASID device TLB",
};

static void print_event(FILE *f, const struct hw_event *e)
{
	const unsigned long long qw[4] = { e->qw[0], e->qw[1], e->qw[2], e->qw[3] };
	const char *type;

	switch (e->kind) {
	case EVENT_SUBMIT:
		fprintf(f, "unit %u submits %llu:\n", e->unit, qw[0]);
		break;
	case EVENT_DESC:
		type = type_names[e->qw[0] & 15];
		fprintf(f, "    %016llx %016llx %016llx %016llx %s\n", qw[0], qw[1], qw[2], qw[3],
			type ? type : "?");
		break;
	case EVENT_WBF:
		fprintf(f, "unit %u flushes its write buffer\n", e->unit);
		break;
	case EVENT_REGISTER:
		fprintf(f, "unit %u by register: id %llu address %#llx order %llu granularity %#llx\n", e->unit,
			qw[0], qw[1], qw[2], qw[3]);
		break;
	case EVENT_WARNING:
		fprintf(f, "a warning, line %llu: %s\n", qw[0], (const char *)(uintptr_t)e->qw[1]);
		break;
	}
}

void print_difference(FILE *f, const struct comparison *c)
{
	unsigned int i, k;

	for (k = 0; k < SIDES; k++) {
		const struct hw_log *log = &c->logs[k], *other = &c->logs[!k];

		fprintf(f, "%s: returns %d, %u events\n", c->sides[k]->name, c->ret[k], log->count);
		for (i = 0; i < log->count; i++) {
			bool differs = i >= other->count ||
				       memcmp(&log->events[i], &other->events[i], sizeof(struct hw_event));

			fprintf(f, "%s ", differs ? " *" : "  ");
			print_event(f, &log->events[i]);
		}
	}
}

bool print_coverage(FILE *f, const struct coverage *coverage)
{
	const struct {
		const char *what;
		uint64_t count;
	} seen[] = {
		{ "operations", coverage->operations },
		{ "assignments that failed", coverage->failed_assignments },
		{ "submissions", coverage->submissions },
		{ "of those full (16)", coverage->full_batches },
		{ "IOTLB descriptors", coverage->descriptors[QI_IOTLB_TYPE] },
		{ "PASID IOTLB descriptors", coverage->descriptors[QI_EIOTLB_TYPE] },
		{ "device TLB descriptors", coverage->descriptors[QI_DIOTLB_TYPE] },
		{ "PASID device TLB descriptors", coverage->descriptors[QI_DEIOTLB_TYPE] },
		{ "write-buffer flushes", coverage->write_buffer_flushes },
	};
	bool all = true;
	unsigned int i;

	for (i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
		fprintf(f, "%12llu %s\n", (unsigned long long)seen[i].count, seen[i].what);
		all = all && seen[i].count;
	}
	return all;
}
