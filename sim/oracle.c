/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/oracle.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Either of them forbids it alone; it takes both to promise it. CHANGING where a change was under way. */
static enum oracle_finding judge(enum promise page, enum promise device, bool through, bool right)
{
	if (page == PROMISE_NO || device == PROMISE_NO)
		return through ? ORACLE_LEAKED : ORACLE_FINE;
	if (page != PROMISE_YES || device != PROMISE_YES)
		return ORACLE_FINE;
	if (!through)
		return ORACLE_MISSED;
	return right ? ORACLE_FINE : ORACLE_WRONG;
}

enum oracle_finding oracle_judge(const struct oracle *o, uint32_t page, uint32_t device,
				 const struct oracle_look *look, bool through, uint64_t phys)
{
	bool page_stayed = o->pages[page].changes == look->page.changes;
	bool device_stayed = o->devices[device].changes == look->device.changes;

	return judge(page_stayed ? look->page.state : PROMISE_CHANGING,
		     device_stayed ? look->device.state : PROMISE_CHANGING, through, phys == look->page.phys);
}

/* ---- a run ---- */

#define PAGE_LG2 12
#define PAGE_MASK ((1ULL << PAGE_LG2) - 1)
#define FIRST_SIZE 1024U
/* An invalidation of so many pages at most is looked up page by page. */
#define MAX_LOOKED_UP 512

struct oracle_run *oracle_run_create(enum oracle_mode mode)
{
	struct oracle_run *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->mode = mode;
	o->table_size = FIRST_SIZE;
	o->table = calloc(o->table_size, sizeof(struct oracle_entry *));
	if (!o->table) {
		free(o);
		return NULL;
	}
	return o;
}

void oracle_run_destroy(struct oracle_run *o)
{
	uint32_t i;

	if (!o)
		return;
	for (i = 0; i < o->table_size; i++)
		free(o->table[i]);
	for (i = 0; i < o->domain_count; i++)
		free(o->domains[i].stale.entries);
	free(o->domains);
	free(o->table);
	free(o);
}

/* Where the entry is, or has its place. */
static struct oracle_entry **slot_of(struct oracle_entry **table, uint32_t size, uint32_t domain, uint64_t pfn)
{
	uint64_t hash = (pfn ^ (uint64_t)domain << 40) * 0x9e3779b97f4a7c15ULL;
	uint32_t i = (uint32_t)(hash >> 32) & (size - 1);

	while (table[i] && (table[i]->pfn != pfn || table[i]->domain != domain))
		i = (i + 1) & (size - 1);
	return &table[i];
}

static struct oracle_entry *find(const struct oracle_run *o, uint32_t domain, uint64_t pfn)
{
	return *slot_of(o->table, o->table_size, domain, pfn);
}

static bool grow_table(struct oracle_run *o)
{
	uint32_t size = o->table_size * 2, i;
	struct oracle_entry **table = calloc(size, sizeof(struct oracle_entry *));

	if (!table)
		return false;
	for (i = 0; i < o->table_size; i++)
		if (o->table[i])
			*slot_of(table, size, o->table[i]->domain, o->table[i]->pfn) = o->table[i];
	free(o->table);
	o->table = table;
	o->table_size = size;
	return true;
}

static struct oracle_entry *find_or_add(struct oracle_run *o, uint32_t domain, uint64_t pfn)
{
	struct oracle_entry *e = find(o, domain, pfn);

	if (e)
		return e;
	if (o->table_used >= o->table_size / 2 && !grow_table(o))
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->pfn = pfn;
	e->domain = domain;
	*slot_of(o->table, o->table_size, domain, pfn) = e;
	o->table_used++;
	return e;
}

static void remember(struct oracle_entry *e, enum oracle_event_kind kind, uint32_t agent, uint64_t time_ps)
{
	e->events[e->event_count++ % ORACLE_HISTORY] = (struct oracle_event){ time_ps, agent, kind };
}

/* Appends to the violation's text; what does not fit is cut. */
static void say(struct oracle_run *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct oracle_run *o, const char *fmt, ...)
{
	size_t used = strlen(o->violation);
	va_list args;

	va_start(args, fmt);
	vsnprintf(o->violation + used, sizeof(o->violation) - used, fmt, args);
	va_end(args);
}

static void say_history(struct oracle_run *o, const struct oracle_entry *e)
{
	static const char *const agents[] = {
#define X(kind, agent, text) [kind] = (agent),
		ORACLE_EVENT_LIST(X)
#undef X
	};
	static const char *const texts[] = {
#define X(kind, agent, text) [kind] = (text),
		ORACLE_EVENT_LIST(X)
#undef X
	};
	uint32_t first = e->event_count > ORACLE_HISTORY ? e->event_count - ORACLE_HISTORY : 0, i;

	say(o, "\nhistory of IOVA 0x%llx, %u of %u events:", (unsigned long long)e->pfn << PAGE_LG2,
	    e->event_count - first, e->event_count);
	for (i = first; i < e->event_count; i++) {
		const struct oracle_event *event = &e->events[i % ORACLE_HISTORY];

		say(o, "\n  %llu.%06llu us  %s %u: %s", (unsigned long long)(event->time_ps / 1000000),
		    (unsigned long long)(event->time_ps % 1000000), agents[event->kind], event->agent,
		    texts[event->kind]);
	}
}

bool oracle_run_add_cache(struct oracle_run *o, uint32_t domain, uint32_t cache)
{
	if (domain >= o->domain_count) {
		struct oracle_domain *domains = realloc(o->domains, (domain + 1UL) * sizeof(*domains));

		if (!domains)
			return false;
		memset(domains + o->domain_count, 0, (domain + 1UL - o->domain_count) * sizeof(*domains));
		o->domains = domains;
		o->domain_count = domain + 1;
	}
	if (cache < ORACLE_MAX_CACHES)
		o->domains[domain].caches |= 1ULL << cache;
	return true;
}

bool oracle_run_mapped(struct oracle_run *o, uint32_t domain, uint64_t iova, uint64_t phys, uint32_t cpu,
		       uint64_t time_ps)
{
	struct oracle_entry *e;

	if (!oracle_watches(o, iova >> PAGE_LG2))
		return true;
	e = find_or_add(o, domain, iova >> PAGE_LG2);
	if (!e) {
		o->out_of_memory = true;
		return false;
	}
	e->page = (struct oracle_page){ PROMISE_YES, iova, phys, e->page.changes + 1 };
	e->caches = 0;
	o->stats.maps++;
	remember(e, ORACLE_MAPPED, cpu, time_ps);
	return true;
}

static bool queue_push(struct oracle_queue *q, struct oracle_entry *e)
{
	if (q->count == q->capacity) {
		uint32_t capacity = q->capacity ? q->capacity * 2 : 64, i;
		struct oracle_entry **entries = calloc(capacity, sizeof(struct oracle_entry *));

		if (!entries)
			return false;
		for (i = 0; i < q->count; i++)
			entries[i] = q->entries[(q->head + i) & (q->capacity - 1)];
		free(q->entries);
		*q = (struct oracle_queue){ entries, 0, q->count, capacity };
	}
	q->entries[(q->head + q->count++) & (q->capacity - 1)] = e;
	return true;
}

static void queue_drop_settled(struct oracle_queue *q)
{
	while (q->count && !q->entries[q->head]->caches) {
		q->head = (q->head + 1) & (q->capacity - 1);
		q->count--;
	}
}

static void count_window(struct oracle_run *o, uint64_t window_ps)
{
	o->stats.windows++;
	o->stats.window_sum_ps += window_ps;
	if (window_ps > o->stats.window_max_ps)
		o->stats.window_max_ps = window_ps;
}

static bool unmap_cleared(struct oracle_run *o, struct oracle_entry *e, uint64_t time_ps)
{
	struct oracle_domain *d = &o->domains[e->domain];

	e->cleared_ps = time_ps;
	e->unmapped_ps = UINT64_MAX;
	e->caches = d->caches;
	queue_drop_settled(&d->stale);
	return queue_push(&d->stale, e);
}

static void unmap_ends(struct oracle_run *o, struct oracle_entry *e, bool lazy, uint32_t cpu, uint64_t time_ps)
{
	e->unmapped_ps = time_ps;
	o->stats.unmaps++;
	/* An interrupt can hold the call up until the address has been flushed, and given out once more. */
	if (e->page.state == PROMISE_YES) {
		count_window(o, 0);
		return;
	}
	e->page.state = lazy && e->caches ? PROMISE_CHANGING : PROMISE_NO;
	remember(e, ORACLE_UNMAPPED, cpu, time_ps);
	if (!lazy)
		e->caches = 0;
	else if (!e->caches)
		count_window(o, 0);
}

struct oracle_entry *oracle_run_unmap(struct oracle_run *o, uint32_t domain, uint64_t iova, enum oracle_unmap stage,
				      uint32_t cpu, uint64_t time_ps)
{
	struct oracle_entry *e;

	if (!oracle_watches(o, iova >> PAGE_LG2))
		return NULL;
	e = find_or_add(o, domain, iova >> PAGE_LG2);
	if (!e)
		goto out_of_memory;
	switch (stage) {
	case ORACLE_BEGINS:
		e->page.state = PROMISE_CHANGING;
		e->page.changes++;
		remember(e, ORACLE_UNMAP_BEGINS, cpu, time_ps);
		break;
	case ORACLE_CLEARED:
		if (!unmap_cleared(o, e, time_ps))
			goto out_of_memory;
		break;
	case ORACLE_STRICT:
	case ORACLE_LAZY:
		unmap_ends(o, e, stage == ORACLE_LAZY, cpu, time_ps);
		break;
	}
	return e;

out_of_memory:
	o->out_of_memory = true;
	return NULL;
}

/* What the hardware had read before the page table's entry was cleared, it has forgotten only now. */
static void settle(struct oracle_run *o, struct oracle_entry *e, uint32_t cache, uint64_t time_ps)
{
	uint64_t bit = cache < ORACLE_MAX_CACHES ? 1ULL << cache : 0;

	if (!(e->caches & bit) || time_ps < e->cleared_ps)
		return;
	e->caches &= ~bit;
	if (e->caches || e->unmapped_ps == UINT64_MAX)
		return;
	e->page.state = PROMISE_NO;
	count_window(o, time_ps > e->unmapped_ps ? time_ps - e->unmapped_ps : 0);
}

void oracle_run_invalidated(struct oracle_run *o, uint32_t domain, uint32_t cache, uint64_t pfn, unsigned int order,
			    enum oracle_event_kind kind, uint32_t agent, uint64_t time_ps)
{
	struct oracle_queue *q = &o->domains[domain].stale;
	uint64_t first, i;

	if (order < 52 && 1ULL << order <= MAX_LOOKED_UP) {
		first = pfn & ~((1ULL << order) - 1);
		for (i = 0; i < 1ULL << order; i++) {
			struct oracle_entry *e = oracle_watches(o, first + i) ? find(o, domain, first + i) : NULL;

			if (!e)
				continue;
			remember(e, kind, agent, time_ps);
			settle(o, e, cache, time_ps);
		}
	} else {
		for (i = 0; i < q->count; i++) {
			struct oracle_entry *e = q->entries[(q->head + i) & (q->capacity - 1)];

			if (!e->caches || (order < 52 && e->pfn >> order != pfn >> order))
				continue;
			remember(e, kind, agent, time_ps);
			settle(o, e, cache, time_ps);
		}
	}
	queue_drop_settled(q);
}

bool oracle_run_dma(struct oracle_run *o, uint32_t domain, uint64_t iova, uint32_t device, bool through,
		    uint64_t phys, uint64_t time_ps)
{
	struct oracle_entry *e = find_or_add(o, domain, iova >> PAGE_LG2);
	unsigned long long addr = iova;

	if (!e) {
		o->out_of_memory = true;
		return false;
	}
	o->stats.dmas++;
	remember(e, through ? ORACLE_DMA_THROUGH : ORACLE_DMA_BLOCKED, device, time_ps);
	switch (judge(e->page.state, PROMISE_YES, through, phys == (e->page.phys | (iova & PAGE_MASK)))) {
	case ORACLE_FINE:
		return true;
	case ORACLE_MISSED:
		say(o, "M1: a DMA of device %u to IOVA 0x%llx, which is mapped, is blocked", device, addr);
		break;
	case ORACLE_WRONG:
		say(o, "M1: a DMA of device %u to IOVA 0x%llx goes to 0x%llx instead of 0x%llx", device, addr,
		    (unsigned long long)phys, (unsigned long long)(e->page.phys | (iova & PAGE_MASK)));
		break;
	case ORACLE_LEAKED:
		say(o, "M2: a DMA of device %u to IOVA 0x%llx, which is not mapped, goes through", device, addr);
		break;
	}
	say_history(o, e);
	return false;
}

void oracle_run_would_translate(struct oracle_run *o, struct oracle_entry *e, uint32_t device, uint64_t time_ps)
{
	remember(e, ORACLE_WOULD_TRANSLATE, device, time_ps);
	say(o, "M2: unmap of IOVA 0x%llx has ended, and a DMA of device %u to it would still go through",
	    (unsigned long long)e->pfn << PAGE_LG2, device);
	say_history(o, e);
}
