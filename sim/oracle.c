/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/oracle.h"

#include <assert.h>

void oracle_page_begins(struct oracle *o, uint32_t page)
{
	assert(page < ORACLE_MAX_PAGES);
	o->pages[page].state = PROMISE_CHANGING;
	o->pages[page].changes++;
}

void oracle_page_ends(struct oracle *o, uint32_t page, enum promise state, uint64_t iova, uint64_t phys)
{
	struct oracle_page *p = &o->pages[page];

	p->state = state;
	p->iova = iova;
	p->phys = phys;
}

void oracle_device_begins(struct oracle *o, uint32_t device)
{
	assert(device < ORACLE_MAX_DEVICES);
	o->devices[device].state = PROMISE_CHANGING;
	o->devices[device].changes++;
}

void oracle_device_ends(struct oracle *o, uint32_t device, enum promise state)
{
	o->devices[device].state = state;
}

struct oracle_look oracle_look(const struct oracle *o, uint32_t page, uint32_t device)
{
	return (struct oracle_look){ o->pages[page], o->devices[device] };
}

enum oracle_finding oracle_judge(const struct oracle *o, uint32_t page, uint32_t device,
				 const struct oracle_look *look, bool through, uint64_t phys)
{
	bool page_stayed = o->pages[page].changes == look->page.changes;
	bool device_stayed = o->devices[device].changes == look->device.changes;

	/* Either of them forbids it alone; it takes both to promise it. */
	if ((page_stayed && look->page.state == PROMISE_NO) || (device_stayed && look->device.state == PROMISE_NO))
		return through ? ORACLE_LEAKED : ORACLE_FINE;
	if (!page_stayed || !device_stayed || look->page.state != PROMISE_YES || look->device.state != PROMISE_YES)
		return ORACLE_FINE;
	if (!through)
		return ORACLE_MISSED;
	return phys == look->page.phys ? ORACLE_FINE : ORACLE_WRONG;
}
