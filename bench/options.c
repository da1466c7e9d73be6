/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options.c - options.def as data, and struct options: defaults, setting by name, copying
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bench/options.h"
#include "bench/options_table.h"

#define ENUM_NAME(constant, name) [constant] = name,
#define ENUM_NAMES(values, LIST) static const char *const values##_names[] = { LIST(ENUM_NAME) NULL };

ENUM_NAMES(BRIDGE, BRIDGE_LIST)
ENUM_NAMES(PLACE, PLACE_LIST)
ENUM_NAMES(POLICY, POLICY_LIST)
ENUM_NAMES(STAGE, STAGE_LIST)
ENUM_NAMES(INVALIDATION, INVALIDATION_LIST)
ENUM_NAMES(ORACLE, ORACLE_LIST)
ENUM_NAMES(RW, RW_LIST)
ENUM_NAMES(LOCK, LOCK_LIST)
ENUM_NAMES(LAYOUT, LAYOUT_LIST)
ENUM_NAMES(LATDIST, LATDIST_LIST)
ENUM_NAMES(THINKDIST, THINKDIST_LIST)
ENUM_NAMES(DMADIR, DMADIR_LIST)
ENUM_NAMES(ENGINE, ENGINE_LIST)
ENUM_NAMES(STRATEGY, STRATEGY_LIST)
ENUM_NAMES(MEMORY, MEMORY_LIST)
ENUM_NAMES(FORMAT, FORMAT_LIST)
ENUM_NAMES(WHEN, WHEN_LIST)

#define ROW(k, scope_, member, ...)                                       \
	[OPTION_##member] = { .kind = OPTION_KIND_##k,                    \
			      .scope = (scope_),                          \
			      .name = #member,                            \
			      .offset = offsetof(struct options, member), \
			      __VA_ARGS__ },

static const struct option_row rows[OPTION_COUNT] = {
#define SECTION(title)
#define OPT_U64(scope, member, low, high, def, src, text) \
	ROW(U64, scope, member, .lo = low, .hi = high, .fallback = def, .source = src, .help = text)
#define OPT_PCT(scope, member, low, high, def, src, text) \
	ROW(PCT, scope, member, .lo = low, .hi = high, .fallback = def, .source = src, .help = text)
#define OPT_SIZE(scope, member, low, high, def, src, text) \
	ROW(SIZE, scope, member, .lo = low, .hi = high, .fallback = def, .source = src, .help = text)
#define OPT_TIME(scope, member, suffix, low, high, def, src, text)                                      \
	ROW(TIME, scope, member, .unit = suffix, .lo = low, .hi = high, .fallback = def, .source = src, \
	    .help = text)
#define OPT_BOOL(scope, member, def, src, text) \
	ROW(BOOL, scope, member, .fallback = def, .source = src, .help = text)
#define OPT_ENUM(scope, member, list, def, src, text) \
	ROW(ENUM, scope, member, .values = list##_names, .fallback = def, .source = src, .help = text)
#define OPT_HEXL(scope, member, max, def, src, text) \
	ROW(HEXL, scope, member, .hi = max, .fallback = def, .source = src, .help = text)
#define OPT_STR(scope, member, def, src, text) ROW(STR, scope, member, .fallback = def, .source = src, .help = text)
#define OPT_STRL(scope, member, src, text) ROW(STRL, scope, member, .fallback = "", .source = src, .help = text)
#define OPT_FLAG(scope, member, text) ROW(FLAG, scope, member, .fallback = "no", .source = "", .help = text)
#include "bench/options.def"
};

static const struct option_plausible plausible[OPTION_COUNT] = {
#define SECTION(title)
#define OPT_U64(scope, member, ...)
#define OPT_PCT(scope, member, ...)
#define OPT_SIZE(scope, member, ...)
#define OPT_TIME(scope, member, ...)
#define OPT_BOOL(scope, member, ...)
#define OPT_ENUM(scope, member, ...)
#define OPT_HEXL(scope, member, ...)
#define OPT_STR(scope, member, ...)
#define OPT_STRL(scope, member, ...)
#define OPT_FLAG(scope, member, ...)
#define PLAUSIBLE(member, low, high, text) [OPTION_##member] = { low, high, text },
#include "bench/options.def"
};

/* The table in its order, titles included, from which option_section() finds a row's title. */
struct entry {
	const char *title; /* NULL: a row */
	unsigned int id;
};

static const struct entry entries[] = {
#define SECTION(title_) { .title = title_ },
#define OPT_U64(scope, member, ...) { .id = OPTION_##member },
#define OPT_PCT(scope, member, ...) { .id = OPTION_##member },
#define OPT_SIZE(scope, member, ...) { .id = OPTION_##member },
#define OPT_TIME(scope, member, ...) { .id = OPTION_##member },
#define OPT_BOOL(scope, member, ...) { .id = OPTION_##member },
#define OPT_ENUM(scope, member, ...) { .id = OPTION_##member },
#define OPT_HEXL(scope, member, ...) { .id = OPTION_##member },
#define OPT_STR(scope, member, ...) { .id = OPTION_##member },
#define OPT_STRL(scope, member, ...) { .id = OPTION_##member },
#define OPT_FLAG(scope, member, ...) { .id = OPTION_##member },
#include "bench/options.def"
};

static const struct {
	enum options_scope bit;
	const char *name;
} scopes[] = { { S_RUN, "run" },	{ S_LOCK, "lockbench" },   { S_PING, "pingpong" },   { S_FIT, "fit" },
	       { S_MAP, "mapbench" },	{ S_CROSS, "crosscheck" }, { S_CAL, "calibrate" },   { S_SWEEP, "sweep" },
	       { S_MERGE, "merge" },	{ S_VALID, "validate" },   { S_COMPARE, "compare" }, { S_PLOT, "plot" },
	       { S_EXPLORE, "explore" } };

const char *option_section(unsigned int id)
{
	const char *title = "";

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		if (entries[i].title)
			title = entries[i].title;
		else if (entries[i].id == id)
			break;
	}
	return title;
}

const struct option_row *option_row(unsigned int id)
{
	assert(id < OPTION_COUNT);
	return &rows[id];
}

const struct option_plausible *option_plausible(unsigned int id)
{
	assert(id < OPTION_COUNT);
	return plausible[id].lo ? &plausible[id] : NULL;
}

unsigned int option_find(const char *name)
{
	unsigned int id;

	for (id = 0; id < OPTION_COUNT; id++) {
		if (!strcmp(rows[id].name, name))
			break;
	}
	return id;
}

/* The letters of mapbench are those of the kernel's dma_map_benchmark. */
const struct option_short option_shorts[] = {
	{ 'o', OPTION_output, S_ALL },	       { 'c', OPTION_config, S_ALL },
	{ 't', OPTION_map_threads, S_MAP },    { 's', OPTION_map_seconds, S_MAP },
	{ 'g', OPTION_map_granule, S_MAP },    { 'x', OPTION_map_trans, S_MAP },
	{ 'd', OPTION_map_dir, S_MAP },	       { 'b', OPTION_map_bits, S_MAP },
	{ 'j', OPTION_threads, S_CONFIGURED }, { 0 },
};

void option_scope_defaults(struct options *o, unsigned int scope)
{
	if (scope != S_MAP)
		return;
	/* The kernel's benchmark is bound to one device. */
	if (o->origin[OPTION_devices].source == OPTIONS_DEFAULT)
		o->devices = 1;
	/* Hundreds of threads take that long to fill their caches of addresses. */
	if (o->origin[OPTION_warmup].source == OPTIONS_DEFAULT)
		o->warmup = 100000000000;
}

unsigned int option_scope_takes(unsigned int scope)
{
	return scope & (S_SWEEP | S_VALID) ? scope | S_POINT : scope;
}

bool option_in_ini(unsigned int id)
{
	enum option_kind kind = option_row(id)->kind;

	return kind != OPTION_KIND_STRL && kind != OPTION_KIND_FLAG && id != OPTION_output && id != OPTION_shard &&
	       id != OPTION_from;
}

const char *option_flag_name(unsigned int id, option_flag_t flag)
{
	snprintf(flag, sizeof(option_flag_t), "--%s", option_row(id)->name);
	for (char *p = flag; *p; p++) {
		if (*p == '_')
			*p = '-';
	}
	return flag;
}

const char *options_scope_names(unsigned int scope, char *buf, size_t size)
{
	size_t used = 0;

	assert(size >= 128);
	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
		if (scope & scopes[i].bit)
			used += snprintf(buf + used, size - used, "%s%s", used ? ", " : "", scopes[i].name);
	}
	return buf;
}

static void *member(const struct options *o, unsigned int id)
{
	return (char *)o + option_row(id)->offset;
}

char **option_text(const struct options *o, unsigned int id)
{
	assert(option_row(id)->kind == OPTION_KIND_STR);
	return member(o, id);
}

struct options_strings *option_strings(const struct options *o, unsigned int id)
{
	assert(option_row(id)->kind == OPTION_KIND_STRL);
	return member(o, id);
}

bool option_boolean(const struct options *o, unsigned int id)
{
	assert(option_row(id)->kind == OPTION_KIND_BOOL || option_row(id)->kind == OPTION_KIND_FLAG);
	return *(bool *)member(o, id);
}

const struct options_list *option_list(const struct options *o, unsigned int id)
{
	assert(option_row(id)->kind == OPTION_KIND_HEXL);
	return member(o, id);
}

uint64_t option_number(const struct options *o, unsigned int id)
{
	unsigned int constant;

	if (option_row(id)->kind != OPTION_KIND_ENUM)
		return *(uint64_t *)member(o, id);
	/* Every enum has its own type: memcpy() reads them all alike. */
	_Static_assert(sizeof(enum policy) == sizeof(constant), "enums are ints");
	memcpy(&constant, member(o, id), sizeof(constant));
	return constant;
}

static const char *print_list(const struct options_list *list, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < list->count; i++)
		used += snprintf(buf + used, size - used, "%s0x%" PRIx64, i ? "," : "", list->v[i]);
	return buf;
}

const char *option_print(const struct options *o, unsigned int id, char *buf, size_t size)
{
	const struct option_row *row = option_row(id);

	assert(size >= OPTION_PRINT_MAX);
	switch (row->kind) {
	case OPTION_KIND_U64:
	case OPTION_KIND_PCT:
		snprintf(buf, size, "%" PRIu64, option_number(o, id));
		return buf;
	case OPTION_KIND_SIZE:
		return option_format_size(buf, size, option_number(o, id));
	case OPTION_KIND_TIME:
		return options_format_time(buf, size, option_number(o, id));
	case OPTION_KIND_ENUM:
		return row->values[option_number(o, id)];
	case OPTION_KIND_BOOL:
	case OPTION_KIND_FLAG:
		return option_boolean(o, id) ? "yes" : "no";
	case OPTION_KIND_HEXL:
		return print_list(option_list(o, id), buf, size);
	case OPTION_KIND_STR:
		return *option_text(o, id);
	case OPTION_KIND_STRL:
		break;
	}
	assert(!"a list of texts has no one-line form");
	return "";
}

int option_strings_append(struct options_strings *list, const char *text)
{
	char **v = realloc(list->v, (list->count + 1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	list->v = v;
	v[list->count] = strdup(text);
	if (!v[list->count])
		return -ENOMEM;
	list->count++;
	return 0;
}

static void strings_free(struct options_strings *list)
{
	for (unsigned int i = 0; i < list->count; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct options_strings){ 0 };
}

/* Move @v into @o, which takes over what it owns. A list of texts may fail, and then keeps what it had. */
static int store(struct options *o, unsigned int id, union option_value *v)
{
	unsigned int constant;
	int ret;

	switch (option_row(id)->kind) {
	case OPTION_KIND_U64:
	case OPTION_KIND_PCT:
	case OPTION_KIND_SIZE:
	case OPTION_KIND_TIME:
		*(uint64_t *)member(o, id) = v->number;
		break;
	case OPTION_KIND_ENUM:
		constant = v->number;
		memcpy(member(o, id), &constant, sizeof(constant));
		break;
	case OPTION_KIND_BOOL:
	case OPTION_KIND_FLAG:
		*(bool *)member(o, id) = v->boolean;
		break;
	case OPTION_KIND_HEXL:
		*(struct options_list *)member(o, id) = v->list;
		break;
	case OPTION_KIND_STR:
		free(*option_text(o, id));
		*option_text(o, id) = v->text;
		break;
	case OPTION_KIND_STRL:
		ret = option_strings_append(member(o, id), v->text);
		free(v->text);
		return ret;
	}
	return 0;
}

int option_apply(struct options *o, unsigned int id, const struct option_setting *s, struct options_error *err)
{
	union option_value v;
	char *where = NULL;
	int ret;

	if (s->origin) {
		where = strdup(s->origin);
		if (!where)
			return -ENOMEM;
	}
	ret = option_parse_value(id, s, &v, err);
	if (!ret)
		ret = store(o, id, &v);
	if (ret) {
		free(where);
		return ret;
	}
	free(o->origin[id].where);
	o->origin[id].source = s->source;
	o->origin[id].where = where;
	return 0;
}

int option_check_scope(const struct options *o, unsigned int id, const struct option_setting *s,
		       struct options_error *err)
{
	/* These take the options of the commands that they run. */
	const unsigned int own = S_SWEEP | S_VALID;
	char mine[128], others[128];

	if (option_row(id)->scope & o->scope)
		return 0;
	return option_refuse(err, s, "not an option of %s, but of %s",
			     options_scope_names(o->scope & own ? o->scope & own : o->scope, mine, sizeof(mine)),
			     options_scope_names(option_row(id)->scope, others, sizeof(others)));
}

static int unknown_key(const struct options *o, const struct option_setting *s, struct options_error *err)
{
	struct option_guess guess;
	char hint[128];

	option_guess_init(&guess, s->key);
	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		/* A file may serve several subcommands. */
		if (option_in_ini(id) && (s->source != OPTIONS_SET || (rows[id].scope & o->scope)))
			option_guess_try(&guess, rows[id].name);
	}
	return option_refuse(err, s, "unknown key%s", option_guess_text(&guess, hint, sizeof(hint), ""));
}

int option_set_key(struct options *o, const struct option_setting *s, struct options_error *err)
{
	unsigned int id = option_find(s->key);
	option_flag_t flag;
	int ret;

	if (id == OPTION_COUNT)
		return unknown_key(o, s, err);
	if (!option_in_ini(id))
		return option_refuse(err, s, "only a flag of its own can set it: %s", option_flag_name(id, flag));
	ret = s->source == OPTIONS_SET ? option_check_scope(o, id, s, err) : 0;
	return ret ? ret : option_apply(o, id, s, err);
}

int options_set(struct options *o, const char *key, const char *value, const char *origin,
		struct options_error *err)
{
	struct option_setting s = { .key = key, .value = value, .source = OPTIONS_SET, .where = origin };

	s.origin = origin ? origin : key;
	return option_set_key(o, &s, err);
}

int options_init(struct options *o)
{
	memset(o, 0, sizeof(*o));
	o->scope = S_ALL;
	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		const struct option_row *row = &rows[id];
		struct option_setting s = { .key = row->name, .value = row->fallback };
		int ret = 0;

		if (row->kind == OPTION_KIND_STR) {
			*option_text(o, id) = strdup(row->fallback);
			ret = *option_text(o, id) ? 0 : -ENOMEM;
		} else if (row->fallback[0]) {
			ret = option_apply(o, id, &s, NULL);
		}
		assert(ret != -EINVAL);
		if (ret) {
			options_free(o);
			return ret;
		}
	}
	return 0;
}

void options_free(struct options *o)
{
	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		free(o->origin[id].where);
		if (rows[id].kind == OPTION_KIND_STR)
			free(*option_text(o, id));
		else if (rows[id].kind == OPTION_KIND_STRL)
			strings_free(option_strings(o, id));
	}
	strings_free(&o->args);
	memset(o, 0, sizeof(*o));
}

static int strings_copy(struct options_strings *dst, const struct options_strings *src)
{
	int ret = 0;

	*dst = (struct options_strings){ 0 };
	for (unsigned int i = 0; i < src->count && !ret; i++)
		ret = option_strings_append(dst, src->v[i]);
	return ret;
}

/* Give @dst its own copy of what @src owns for one row, and say whether that worked. */
static bool copy_owned(struct options *dst, const struct options *src, unsigned int id)
{
	const char *where = src->origin[id].where;
	bool ok = true;

	dst->origin[id].where = where ? strdup(where) : NULL;
	if (where && !dst->origin[id].where)
		ok = false;
	if (rows[id].kind == OPTION_KIND_STR) {
		*option_text(dst, id) = strdup(*option_text(src, id));
		ok = ok && *option_text(dst, id);
	} else if (rows[id].kind == OPTION_KIND_STRL) {
		ok = !strings_copy(option_strings(dst, id), option_strings(src, id)) && ok;
	}
	return ok;
}

int options_copy(struct options *dst, const struct options *src)
{
	bool ok = true;

	/* Every owned member is replaced below before anything can fail: @dst never frees what @src owns. */
	*dst = *src;
	for (unsigned int id = 0; id < OPTION_COUNT; id++)
		ok = copy_owned(dst, src, id) && ok;
	ok = !strings_copy(&dst->args, &src->args) && ok;
	if (ok)
		return 0;
	options_free(dst);
	return -ENOMEM;
}

const char *options_origin(const struct options *o, enum option_id id)
{
	return o->origin[id].where ? o->origin[id].where : "default";
}

bool options_given(const struct options *o, enum option_id id)
{
	return o->origin[id].source == OPTIONS_FLAG || o->origin[id].source == OPTIONS_SET;
}
