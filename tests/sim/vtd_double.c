/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/sim/vtd_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "sim/platform/model/platform.h"
#include "sim/vtd_spec.h"

#define WBF_READS 3

static void log_event(struct vtd_double *u, enum vtd_event_kind kind, const uint64_t qw[4])
{
	struct vtd_log *log = u->log;

	if (log->off)
		return;
	assert_true(log->count < VTD_LOG_SIZE);
	log->events[log->count] = (struct vtd_event){ u->number, kind, { qw[0], qw[1], qw[2], qw[3] } };
	log->count++;
	if (log->hook)
		log->hook(log->arg);
}

/* The descriptor at the head; its wait status reaches memory at once. */
static void execute_one(struct vtd_double *u)
{
	bool wide = u->iqa & (1 << 11);
	uint64_t size = wide ? 32 : 16, queue = 4096ULL << (u->iqa & 7), qw[4] = { 0 };
	uint32_t *status;

	memcpy(qw, region_virt(&u->sim->region, (u->iqa & ~4095ULL) + u->head), size);
	u->head = (u->head + size) % queue;
	if ((qw[0] & 0xe0f) != 5) {
		log_event(u, VTD_EVENT_DESC, qw);
		return;
	}
	log_event(u, VTD_EVENT_WAIT, qw);
	assert_true(qw[0] & (1 << 5));
	status = region_virt(&u->sim->region, qw[1]);
	*status = (uint32_t)(qw[0] >> 32);
}

static void step(struct actor *actor, uint64_t time_ps, uint64_t arg)
{
	struct vtd_double *u = container_of(actor, struct vtd_double, step);

	(void)arg;
	execute_one(u);
	u->busy = u->head != u->tail;
	if (u->busy)
		engine_post(&u->sim->engine, time_ps + u->step_ps, &u->step, 0);
}

static void tail_written(struct vtd_double *u, uint64_t tail, uint64_t time_ps)
{
	assert_true(u->gsts & (1U << 26));
	assert_int_equal(tail % (u->iqa & (1 << 11) ? 32 : 16), 0);
	assert_true(tail < 4096ULL << (u->iqa & 7));
	u->tail = tail;
	if (!u->step_ps) {
		while (u->head != u->tail)
			execute_one(u);
	} else if (!u->busy) {
		u->busy = true;
		engine_post(&u->sim->engine, time_ps + u->step_ps, &u->step, 0);
	}
}

static void gcmd_written(struct vtd_double *u, uint32_t value)
{
	static const uint64_t nothing[4];

	u->gcmd_writes++;
	/* All bits but the one-shot ones are state. */
	u->gsts = (u->gsts & (1U << 30)) | (value & ((1U << 31) | (1U << 26)));
	if (value & (1U << 30))
		u->gsts |= 1U << 30;
	if (value & (1U << 27)) {
		assert_int_equal(u->wbf_reads, 0);
		u->wbf_reads = WBF_READS;
		log_event(u, VTD_EVENT_WBF, nothing);
	}
}

static void double_write(struct mmio_device *dev, uint32_t offset, uint64_t value, uint64_t time_ps)
{
	struct vtd_double *u = (struct vtd_double *)dev;

	switch (offset) {
	case 0x18:
		gcmd_written(u, (uint32_t)value);
		break;
	case 0x20:
		u->rtaddr = value;
		break;
	case 0x88:
		if (u->iqa)
			tail_written(u, value, time_ps);
		else
			u->tail = value;
		break;
	case 0x90:
		u->iqa = value;
		u->head = 0;
		break;
	default:
		fail_msg("register %#x written", offset);
	}
}

static uint64_t double_read(struct mmio_device *dev, uint32_t offset, uint64_t time_ps)
{
	struct vtd_double *u = (struct vtd_double *)dev;

	(void)time_ps;
	switch (offset) {
	case 0x1c:
		if (!u->wbf_reads)
			return u->gsts;
		u->wbf_reads--;
		return u->gsts | 1U << 27;
	case 0x34:
		return 0;
	}
	fail_msg("register %#x read", offset);
	return 0;
}

void vtd_double_init(struct vtd_double *u, struct sim *sim, struct vtd_log *log, unsigned int number)
{
	*u = (struct vtd_double){
		.mmio = { double_write, double_read },
		.step = { step },
		.sim = sim,
		.log = log,
		.number = number,
	};
}

void vtd_log_check(struct vtd_log *log, const struct vtd_event *expected, unsigned int count)
{
	unsigned int i, k;

	for (i = 0; i < count && i < log->count; i++) {
		const struct vtd_event *e = &expected[i], *got = &log->events[i];
		bool same = e->unit == got->unit && e->kind == got->kind;

		/* Where a wait descriptor puts its status is the driver's business. */
		for (k = 0; k < 4; k++)
			same = same && (e->kind == VTD_EVENT_WAIT || e->qw[k] == got->qw[k]);
		if (!same)
			fail_msg("event %u: expected unit %u kind %d %#lx %#lx, got unit %u kind %d %#lx %#lx %#lx "
				 "%#lx",
				 i, e->unit, e->kind, e->qw[0], e->qw[1], got->unit, got->kind, got->qw[0],
				 got->qw[1], got->qw[2], got->qw[3]);
	}
	if (log->count != count)
		fail_msg("%u events expected, %u seen", count, log->count);
	log->count = 0;
}

unsigned int vtd_log_count(const struct vtd_log *log, enum vtd_event_kind kind)
{
	unsigned int i, n = 0;

	for (i = 0; i < log->count; i++)
		n += log->events[i].kind == kind;
	return n;
}
