/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/exploration.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* More than any program allocates. */
#define MAX_FAILING 24

/* What a schedule is worth repeating for, when it is made shorter. */
struct culprit {
	struct explore_segment *segments;
	uint32_t count, preemptions, steps;
};

struct explorer {
	const struct exploration_params *p;
	struct race_scenario scenario;
	struct race *race;
	struct explore *x;
	struct exploration *e;
	uint32_t fail_at;
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int create(struct explorer *r)
{
	int ret;

	r->scenario = r->p->scenario->race;
	r->scenario.domain.policy = r->p->policy;
	ret = race_create(&r->scenario, &r->race);
	if (ret)
		return ret;
	r->x = race_explorer(r->race);
	explore_store_buffers(r->x, r->p->memory == MEMORY_TSO);
	if (r->p->scenario->fail_program >= 0)
		explore_fail_allocation(r->x, (uint32_t)r->p->scenario->fail_program, r->fail_at);
	return 0;
}

static struct strategy *make_strategy(const struct exploration_params *p)
{
	switch (p->strategy) {
	case STRATEGY_RANDOM:
		return strategy_random(p->seed, p->schedules);
	case STRATEGY_PCT:
		return strategy_pct(p->seed, p->schedules, p->depth, 200);
	case STRATEGY_DFS:
		return strategy_dfs(p->preemptions);
	case STRATEGY_DPOR:
		break;
	}
	return strategy_dpor();
}

static bool is_bad(const struct explore_verdict *v)
{
	return v->outcome != EXPLORE_FINISHED && v->outcome != EXPLORE_PRUNED;
}

/* ---- the same schedule twice ---- */

static int copy_segments(const struct explore *x, struct culprit *c)
{
	const struct explore_segment *segments = explore_segments(x, &c->count);

	c->segments = malloc((c->count + 1UL) * sizeof(*segments));
	if (!c->segments)
		return -ENOMEM;
	memcpy(c->segments, segments, c->count * sizeof(*segments));
	return 0;
}

/*
 * Runs the schedule @c again, which came out as @like, with @state behind it. What a CPU still does after it has
 * broken a rule depends on which accesses are known to be noticed by others: then states may differ.
 */
static int run_again(struct explorer *r, const struct culprit *c, const struct explore_verdict *like,
		     uint64_t state)
{
	struct strategy *s = strategy_replay(c->segments, c->count);
	struct explore_verdict v;

	if (!s)
		return -ENOMEM;
	s->ops->begin(s);
	explore_run(r->x, s, r->p->scenario->max_steps, &v);
	strategy_destroy(s);
	r->e->diverged = v.outcome != like->outcome || strcmp(v.rule, like->rule) ||
			 (v.outcome == EXPLORE_FINISHED && explore_state_hash(r->x) != state);
	return 0;
}

/* The last schedule, which @v came out of. */
static int check_determined(struct explorer *r, const struct explore_verdict *v)
{
	uint64_t state = explore_state_hash(r->x);
	struct culprit c;
	int ret = copy_segments(r->x, &c);

	if (ret)
		return ret;
	ret = run_again(r, &c, v, state);
	if (ret || !r->e->diverged) {
		free(c.segments);
		return ret;
	}
	r->e->segments = c.segments;
	r->e->segment_count = c.count;
	r->e->fail_at = r->fail_at;
	return 0;
}

/* ---- making a schedule shorter ---- */

static bool still_bad(struct explorer *r, const struct culprit *c, const struct explore_verdict *like,
		      struct culprit *result)
{
	struct strategy *s = strategy_replay(c->segments, c->count);
	struct explore_verdict v;
	bool bad;

	if (!s)
		return false;
	s->ops->begin(s);
	explore_run(r->x, s, r->p->scenario->max_steps * 20, &v);
	strategy_destroy(s);
	bad = v.outcome == like->outcome && !strcmp(v.rule, like->rule);
	if (!bad)
		return false;
	result->preemptions = v.preemptions;
	result->steps = v.steps;
	return !copy_segments(r->x, result);
}

/* Without segment @skip: its agent goes on later, in one piece with its next one. */
static void without(const struct culprit *from, uint32_t skip, struct culprit *to)
{
	uint32_t i;

	to->count = 0;
	for (i = 0; i < from->count; i++)
		if (i != skip)
			to->segments[to->count++] = from->segments[i];
}

/* Segment @at goes on for as long as its agent can. */
static void to_its_end(const struct culprit *from, uint32_t at, struct culprit *to)
{
	to->count = from->count;
	memcpy(to->segments, from->segments, from->count * sizeof(*from->segments));
	to->segments[at].until = UINT32_MAX;
}

/* Fewer preemptions; then fewer switches of any kind; then fewer steps. */
static bool is_better(const struct culprit *a, const struct culprit *b)
{
	if (a->preemptions != b->preemptions)
		return a->preemptions < b->preemptions;
	return a->count != b->count ? a->count < b->count : a->steps < b->steps;
}

/* Takes the first change of one segment that is better, if there is one. */
static bool improve(struct explorer *r, struct culprit *c, const struct explore_verdict *like,
		    struct culprit *tried)
{
	struct culprit result;
	uint32_t i;

	for (i = 0; i < 2 * c->count; i++) {
		if (i < c->count)
			without(c, i, tried);
		else
			to_its_end(c, i - c->count, tried);
		if (!still_bad(r, tried, like, &result))
			continue;
		if (is_better(&result, c)) {
			free(c->segments);
			*c = result;
			return true;
		}
		free(result.segments);
	}
	return false;
}

/* As long as the same rule is broken, and a change of one segment makes it better. */
static void minimise(struct explorer *r, struct culprit *c, const struct explore_verdict *like)
{
	struct culprit tried = { malloc((c->count + 1UL) * sizeof(*c->segments)), 0, 0, 0 };
	uint32_t room = c->count;

	while (tried.segments && c->count <= room && improve(r, c, like, &tried))
		;
	free(tried.segments);
}

/* 1 + the CPU that took the lock last, in the log; 0: none did. */
static uint32_t holder(const struct explore_event *events, uint32_t count, const void *lock)
{
	while (count--)
		if (events[count].kind == ACCESS_LOCK && events[count].address == lock)
			return events[count].agent + 1U;
	return 0;
}

/* "deadlock: CPU 0 waits for dmar_domain.lock, which CPU 1 holds; CPU 1 ..." */
static void tell_waits(const struct explorer *r, struct explore_verdict *v)
{
	size_t n = (size_t)snprintf(v->what, sizeof(v->what), "deadlock");
	const struct explore_event *events;
	const char *separator = ": ";
	char name[64], text[128];
	uint32_t count, i, by;

	events = explore_events(r->x, &count);
	for (i = 0; i < r->scenario.programs; i++) {
		const void *on;

		switch (explore_waiting(r->x, i, &on)) {
		case EXPLORE_WAITS_NOT:
			continue;
		case EXPLORE_WAITS_LOCK:
			by = holder(events, count, on);
			race_address_name(r->race, on, name, sizeof(name));
			if (by == i + 1)
				snprintf(text, sizeof(text), "waits for %s, which it holds itself", name);
			else if (by)
				snprintf(text, sizeof(text), "waits for %s, which CPU %u holds", name, by - 1);
			else
				snprintf(text, sizeof(text), "waits for %s", name);
			break;
		case EXPLORE_WAITS_WRITE:
			race_address_name(r->race, on, name, sizeof(name));
			snprintf(text, sizeof(text), "waits until somebody writes %s", name);
			break;
		case EXPLORE_WAITS_CALL:
			snprintf(text, sizeof(text), "waits for a call of another program");
			break;
		case EXPLORE_WAITS_GRACE:
			snprintf(text, sizeof(text), "waits for a grace period of RCU");
			break;
		}
		n += (size_t)snprintf(v->what + n, sizeof(v->what) - n, "%sCPU %u %s", separator, i, text);
		if (n >= sizeof(v->what))
			return;
		separator = "; ";
	}
}

/*
 * Runs the schedule once more and keeps what it did to the address that the violation is about, or says who waits
 * for whom.
 */
static void keep_history(struct explorer *r, const struct culprit *c, const struct explore_verdict *like)
{
	const struct explore_event *events;
	struct culprit again;
	uint32_t count, i;
	bool bad;

	if (!like->iova && like->outcome != EXPLORE_DEADLOCK)
		return;
	explore_log(r->x, true);
	bad = still_bad(r, c, like, &again);
	explore_log(r->x, false);
	if (!bad)
		return;
	free(again.segments);
	if (like->outcome == EXPLORE_DEADLOCK) {
		tell_waits(r, &r->e->verdict);
		return;
	}
	events = explore_events(r->x, &count);
	r->e->history = calloc(count + 1UL, sizeof(*r->e->history));
	for (i = 0; r->e->history && i < count; i++) {
		struct exploration_event *e = &r->e->history[r->e->history_count];

		if (events[i].kind != EVENT_TEXT || !events[i].last || events[i].first > like->iova ||
		    events[i].last < like->iova)
			continue;
		e->step = events[i].step;
		e->agent = events[i].agent;
		snprintf(e->text, sizeof(e->text), "%s", events[i].text);
		r->e->history_count++;
	}
}

static int keep_culprit(struct explorer *r, const struct explore_verdict *v)
{
	struct culprit c, again;
	int ret = copy_segments(r->x, &c);

	if (ret)
		return ret;
	ret = run_again(r, &c, v, 0);
	if (ret) {
		free(c.segments);
		return ret;
	}
	explore_every_access(r->x, true);
	/* In terms of every access it has to come out alike; else it stays as it is. */
	if (!r->e->diverged && still_bad(r, &c, v, &again)) {
		free(c.segments);
		c = again;
		minimise(r, &c, v);
	} else {
		explore_every_access(r->x, false);
	}
	if (!r->e->diverged)
		keep_history(r, &c, v);
	explore_every_access(r->x, false);
	r->e->segments = c.segments;
	r->e->segment_count = c.count;
	r->e->fail_at = r->fail_at;
	return 0;
}

/* ---- exploring ---- */

static bool stopped(const struct explorer *r)
{
	return r->p->interrupted && *r->p->interrupted;
}

/* One pass of the strategy. Returns 0, -ENOMEM, or -EAGAIN when more accesses turned out to be noticed by others.
 */
static int pass(struct explorer *r, struct strategy *s)
{
	struct exploration *e = r->e;
	bool exhaustive = r->p->strategy == STRATEGY_DPOR || r->p->strategy == STRATEGY_DFS;
	uint64_t again_at = e->schedules + 1;
	struct explore_verdict v;
	int ret;

	while (e->schedules < r->p->schedules && !stopped(r)) {
		if (!s->ops->begin(s)) {
			e->complete = r->p->strategy == STRATEGY_DPOR;
			return 0;
		}
		explore_run(r->x, s, r->p->scenario->max_steps, &v);
		e->schedules++;
		e->pruned += v.outcome == EXPLORE_PRUNED;
		if (v.outcome == EXPLORE_FINISHED) {
			e->refused &= race_refused(r->race);
			e->verdict = v;
		}
		if (v.outcome == EXPLORE_BOUND)
			snprintf(v.what, sizeof(v.what), "it has not ended after %u steps", v.steps);
		if (is_bad(&v)) {
			e->verdict = v;
			return keep_culprit(r, &v);
		}
		if (v.outcome == EXPLORE_FINISHED && e->schedules >= again_at) {
			again_at = 2 * e->schedules;
			ret = check_determined(r, &v);
			if (ret || e->diverged)
				return ret;
		}
		if (explore_new_words(r->x) && exhaustive)
			return -EAGAIN;
	}
	return 0;
}

static int explore_all(struct explorer *r)
{
	struct strategy *s;
	int ret;

	do {
		s = make_strategy(r->p);
		if (!s)
			return -ENOMEM;
		ret = pass(r, s);
		strategy_destroy(s);
	} while (ret == -EAGAIN);
	return ret;
}

int exploration_run(const struct exploration_params *p, struct exploration *e)
{
	struct explorer r = { .p = p, .e = e };
	uint32_t last = p->scenario->fail_program >= 0 ? MAX_FAILING : 0;
	double start = now_s();
	bool complete = true;
	int ret = 0;

	*e = (struct exploration){ .refused = true };
	for (r.fail_at = last ? 1 : 0; !ret && r.fail_at <= last && !is_bad(&e->verdict) && !e->diverged;
	     r.fail_at++) {
		ret = create(&r);
		if (ret)
			break;
		e->complete = false;
		ret = explore_all(&r);
		e->steps += explore_total_steps(r.x);
		complete &= e->complete;
		/* No allocation is left that could fail. */
		if (last && !explore_allocation_failed(r.x))
			last = 0;
		race_destroy(r.race);
	}
	e->complete = complete && !ret && !e->diverged;
	e->interrupted = stopped(&r);
	e->wall_s = now_s() - start;
	return ret;
}

void exploration_free(struct exploration *e)
{
	free(e->segments);
	free(e->history);
	e->segments = NULL;
	e->history = NULL;
}

int exploration_verdict(const struct exploration *e)
{
	if (e->verdict.outcome == EXPLORE_VIOLATION || e->verdict.outcome == EXPLORE_DEADLOCK)
		return e->verdict.rule[1] - '0';
	if (e->verdict.outcome != EXPLORE_FINISHED)
		return -1;
	return e->refused ? EXPECT_REFUSED : EXPECT_CLEAN;
}

/* ---- a schedule in columns ---- */

/* So that what is in the last column ends before this. */
#define LISTING_WIDTH 120

static uint32_t column_width(uint32_t programs)
{
	return programs < 3 ? 40 : 24 - 4 * (programs > 3);
}

/* What was there, as its field has it: 0x1, or what it points to. */
static void value_text(const struct race *race, const struct explore_event *e, uint64_t word, char *buf,
		       size_t size)
{
	uint32_t bytes = race_field_size(race, e->address);
	unsigned int first = (uintptr_t)e->address % 8;
	const char *name;

	if (first + bytes > 8)
		bytes = 8 - first;
	word >>= 8 * first;
	if (bytes < 8)
		word &= (1ULL << 8 * bytes) - 1;
	name = race_pointed_name(race, word);
	if (name)
		snprintf(buf, size, "-> %.20s", name);
	else
		snprintf(buf, size, "%#llx", (unsigned long long)word);
}

/* "M0": modified in CPU 0's cache; "S01": CPUs 0 and 1 have read it; "-": in no cache. */
static void line_text(const struct explore_event *e, char *buf, size_t size)
{
	uint32_t i, n = 0;

	if (e->owner) {
		snprintf(buf, size, "M%u", e->owner - 1U);
		return;
	}
	snprintf(buf, size, "-");
	for (i = 0; i < 8 && n + 3 < size; i++)
		if (e->sharers >> i & 1)
			n += (uint32_t)snprintf(buf + n, size - n, n ? "%u" : "S%u", i);
}

static void describe(const struct race *race, const struct explore_event *e, char *buf, size_t size)
{
	char name[64], was[32], is[32], line[16];

	race_address_name(race, e->address, name, sizeof(name));
	if (e->kind <= ACCESS_UNLOCK)
		line_text(e, line, sizeof(line));
	switch (e->kind) {
	case ACCESS_LOAD:
		value_text(race, e, e->before, was, sizeof(was));
		snprintf(buf, size, "    read %s %s [%s]", name, was, line);
		break;
	case ACCESS_STORE:
		value_text(race, e, e->after, is, sizeof(is));
		snprintf(buf, size, "    write %s %s [%s]", name, is, line);
		break;
	case ACCESS_LOCK:
		snprintf(buf, size, "    lock %s [%s]", name, line);
		break;
	case ACCESS_UNLOCK:
		snprintf(buf, size, "    unlock %s [%s]", name, line);
		break;
	case EVENT_BUFFERED:
		snprintf(buf, size, "  buffer %s", name);
		break;
	case EVENT_DRAINED:
		snprintf(buf, size, "CPU %d's buffer: %s", e->agent - EXPLORE_FIRST_BUFFER, name);
		break;
	default:
		snprintf(buf, size, "%s", e->text);
	}
}

/* A text that is too wide for its column goes on in the next line. */
static void print_cell(FILE *f, uint32_t indent, const char *text)
{
	int room = LISTING_WIDTH - (int)indent, length = (int)strlen(text), cut = length;

	if (length > room) {
		for (cut = room; cut > 8 && text[cut] != ' '; cut--)
			;
		cut = cut > 8 ? cut : room;
	}
	fprintf(f, "%*s%.*s\n", (int)indent, "", cut, text);
	if (cut < length)
		fprintf(f, "%*s      %s\n", (int)indent, "", text + cut + (text[cut] == ' '));
}

/* The same once more, with nothing of another agent in between. */
static bool is_repeated(const struct explore_event *e, const struct explore_event *before)
{
	return e->agent == before->agent && e->kind == before->kind && e->kind != EVENT_TEXT &&
	       e->address == before->address;
}

static void print_events(FILE *f, const struct race *race, struct explore *x, uint32_t programs)
{
	uint32_t count, i, last_column = UINT32_MAX;
	const struct explore_event *events = explore_events(x, &count);

	for (i = 0; i < count; i++) {
		uint32_t column = events[i].agent < programs ? events[i].agent : programs;
		char text[160];

		if (i && is_repeated(&events[i], &events[i - 1]))
			continue;
		describe(race, &events[i], text, sizeof(text));
		if (column != last_column)
			fputc('\n', f);
		last_column = column;
		print_cell(f, column * column_width(programs), text);
	}
}

int exploration_print(FILE *f, const struct exploration_params *p, const struct explore_segment *segments,
		      uint32_t segment_count, uint32_t fail_at)
{
	struct explorer r = { .p = p, .fail_at = fail_at };
	struct strategy *s = strategy_replay(segments, segment_count);
	struct explore_verdict v;
	uint32_t i, programs = p->scenario->race.programs;
	int ret = s ? create(&r) : -ENOMEM;

	if (ret)
		goto out;
	explore_log(r.x, true);
	explore_every_access(r.x, true);
	/* The first time tells which accesses others notice, the second time shows those. */
	for (i = 0; i < 2; i++) {
		s->ops->begin(s);
		explore_run(r.x, s, p->scenario->max_steps * 20, &v);
	}
	for (i = 0; i < programs; i++)
		fprintf(f, "CPU %-*u", (int)column_width(programs) - 4, i);
	fputs("hardware\n", f);
	print_events(f, r.race, r.x, programs);
	if (v.outcome == EXPLORE_DEADLOCK)
		tell_waits(&r, &v);
	if (*v.rule)
		fprintf(f, "\n%s: %s\n", v.rule, v.what);
	else
		fprintf(f, "\nno rule is broken\n");
	race_destroy(r.race);
out:
	strategy_destroy(s);
	return ret;
}

char *exploration_segments_text(const struct explore_segment *segments, uint32_t count, uint32_t fail_at)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	uint32_t i;

	if (!f)
		return NULL;
	if (fail_at)
		fprintf(f, "fail:%u,", fail_at);
	for (i = 0; i < count; i++)
		fprintf(f, "%s%u:%u", i ? "," : "", segments[i].agent, segments[i].until);
	fclose(f);
	return text;
}

struct explore_segment *exploration_parse_segments(const char *text, uint32_t *count, uint32_t *fail_at)
{
	struct explore_segment *segments = malloc((strlen(text) / 2 + 1) * sizeof(*segments));
	unsigned int agent, until;
	int used = 0;

	*count = *fail_at = 0;
	if (sscanf(text, "fail:%9u%n", fail_at, &used) == 1)
		text += used + (text[used] == ',');
	while (segments && *text) {
		used = 0;
		if (sscanf(text, "%2u:%9u%n", &agent, &until, &used) != 2 || agent >= EXPLORE_ALL_AGENTS ||
		    (text[used] && text[used] != ',')) {
			free(segments);
			return NULL;
		}
		segments[(*count)++] = (struct explore_segment){ (uint8_t)agent, until };
		text += used + (text[used] == ',');
	}
	return segments;
}
