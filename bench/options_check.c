/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options_check.c - what options mean together: the VT-d units they describe, and what cannot work
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include "bench/options_table.h"

/* Capability register; VT-d spec 11.4.2. */
#define CAP_RWBF (1ULL << 4)
#define CAP_CM (1ULL << 7)
#define CAP_SAGAW(cap) (((cap) >> 8) & 0x1f)
#define SAGAW_3_4_5_LEVEL 0x0e

/* Extended capability register; VT-d spec 11.4.3. */
#define ECAP_QI (1ULL << 1)
#define ECAP_DT (1ULL << 2)
#define ECAP_SMTS (1ULL << 43)
#define ECAP_FLTS (1ULL << 47)

/* The value that @list has for @unit: its last one repeats. Not for an empty list. */
static uint64_t list_at(const struct options_list *list, unsigned int unit)
{
	return list->v[unit < list->count ? unit : list->count - 1];
}

static uint64_t override_bit(uint64_t reg, uint64_t bit, const struct options_list *list, unsigned int unit)
{
	if (!list->count)
		return reg;
	return list_at(list, unit) ? reg | bit : reg & ~bit;
}

uint64_t options_unit_cap(const struct options *o, unsigned int unit)
{
	uint64_t cap = list_at(&o->cap, unit);

	cap = override_bit(cap, CAP_CM, &o->cm, unit);
	return override_bit(cap, CAP_RWBF, &o->rwbf, unit);
}

uint64_t options_unit_ecap(const struct options *o, unsigned int unit)
{
	return list_at(&o->ecap, unit);
}

unsigned int options_unit_count(const struct options *o)
{
	const struct options_list *const lists[] = { &o->cap, &o->ecap, &o->cm, &o->rwbf };
	unsigned int count = 1;

	if (o->units == PLACE_SEPARATE && o->bridge == BRIDGE_SEPARATE)
		count = o->devices;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (lists[i]->count > count)
			count = lists[i]->count;
	}
	return count < o->devices ? count : o->devices;
}

static int refuse(const struct options *o, enum option_id id, struct options_error *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Refuse what option @id now is, showing it the way it was given. */
static int refuse(const struct options *o, enum option_id id, struct options_error *err, const char *fmt, ...)
{
	const struct options_origin *origin = &o->origin[id];
	struct option_setting s = { .source = origin->source, .where = origin->where };
	char value[OPTION_PRINT_MAX], msg[512];
	va_list args;

	s.key = option_row(id)->name;
	/* "--ats" and "--no-ats" say their value themselves. */
	if (origin->source != OPTIONS_FLAG || option_row(id)->kind != OPTION_KIND_BOOL)
		s.value = option_print(o, id, value, sizeof(value));
	va_start(args, fmt);
	vsnprintf(msg, sizeof(msg), fmt, args);
	va_end(args);
	return option_refuse(err, &s, "%s", msg);
}

static int check_bit_list(const struct options *o, enum option_id id, struct options_error *err)
{
	const struct options_list *list = option_list(o, id);

	for (unsigned int i = 0; i < list->count; i++) {
		if (list->v[i] > 1)
			return refuse(o, id, err, "value %u is 0x%" PRIx64 ": allowed 0 or 1", i + 1, list->v[i]);
	}
	return 0;
}

/* Every ecap must have all of @bits, because of option @id. */
static int need_ecap(const struct options *o, enum option_id id, uint64_t bits, const char *what,
		     struct options_error *err)
{
	for (unsigned int i = 0; i < o->ecap.count; i++) {
		if ((o->ecap.v[i] & bits) != bits)
			return refuse(o, id, err,
				      "needs %s in every ecap, and ecap value %u, 0x%" PRIx64 ", lacks it", what,
				      i + 1, o->ecap.v[i]);
	}
	return 0;
}

static int check_registers(const struct options *o, struct options_error *err)
{
	int ret = check_bit_list(o, OPTION_cm, err);

	if (!ret)
		ret = check_bit_list(o, OPTION_rwbf, err);
	if (!ret)
		ret = need_ecap(o, OPTION_ecap, ECAP_QI, "queued invalidation (QI, bit 1)", err);
	for (unsigned int i = 0; i < o->cap.count && !ret; i++) {
		if (!(CAP_SAGAW(o->cap.v[i]) & SAGAW_3_4_5_LEVEL))
			ret = refuse(o, OPTION_cap, err,
				     "value %u, 0x%" PRIx64
				     ", has no page table of 3, 4 or 5 levels (SAGAW, bits 12:8)",
				     i + 1, o->cap.v[i]);
	}
	return ret;
}

/* Without translation there is no domain to map into. A file may say more than one run of several uses. */
static int check_passthrough(const struct options *o, struct options_error *err)
{
	static const enum option_id unused[] = { OPTION_cm,	      OPTION_rwbf, OPTION_ats,	  OPTION_stage,
						 OPTION_invalidation, OPTION_lock, OPTION_layout, OPTION_oracle };

	for (size_t i = 0; i < sizeof(unused) / sizeof(unused[0]); i++) {
		if (options_given(o, unused[i]))
			return refuse(o, unused[i], err,
				      "does nothing with policy pt, which does not translate (policy is from %s)",
				      options_origin(o, OPTION_policy));
	}
	return 0;
}

static int check_translation(const struct options *o, struct options_error *err)
{
	int ret = 0;

	if (o->stage == STAGE_FIRST)
		ret = need_ecap(o, OPTION_stage, ECAP_SMTS | ECAP_FLTS,
				"scalable mode and first-stage translation (SMTS, bit 43, and FLTS, bit 47)", err);
	if (!ret && o->ats)
		ret = need_ecap(o, OPTION_ats, ECAP_DT, "device TLBs (DT, bit 2)", err);
	return ret;
}

/* Whether a mapping on this unit has to be followed by a flush: iotlb_sync_map in struct dmar_domain. */
static bool unit_needs_sync_map(const struct options *o, unsigned int unit)
{
	uint64_t cap = options_unit_cap(o, unit);

	return (cap & CAP_RWBF) || ((cap & CAP_CM) && o->stage == STAGE_SECOND);
}

/*
 * A static policy settles iotlb_sync_map when the domain is allocated, for the first device's unit. Attaching a
 * device behind a unit that needs it, where the domain lacks it, is refused (fact F7).
 */
static int check_static_attach(const struct options *o, struct options_error *err)
{
	if (o->policy != POLICY_STATIC || o->bridge != BRIDGE_SHARED || unit_needs_sync_map(o, 0))
		return 0;
	for (unsigned int unit = 1; unit < options_unit_count(o); unit++) {
		if (unit_needs_sync_map(o, unit))
			return refuse(o, OPTION_policy, err,
				      "attach would fail with -EINVAL: the domain is allocated for unit 0, whose "
				      "mappings need no "
				      "flush, and unit %u needs one (cap 0x%" PRIx64
				      "); choose another --policy or give all units the same --cm and --rwbf",
				      unit, options_unit_cap(o, unit));
	}
	return 0;
}

static int check_workload(const struct options *o, struct options_error *err)
{
	if (options_given(o, OPTION_rwmixread) && o->rw != RW_RANDRW)
		return refuse(o, OPTION_rwmixread, err, "does nothing without rw=randrw (rw is %s)",
			      rw_name(o->rw));
	if (o->bs % 4096)
		return refuse(o, OPTION_bs, err, "not a multiple of 4k");
	return 0;
}

static int check_map_benchmark(const struct options *o, struct options_error *err)
{
	if (options_given(o, OPTION_think_dist) && !o->map_think)
		return refuse(o, OPTION_think_dist, err, "does nothing without map_think");
	/* Page 0 is never given out. */
	if (o->map_granule >= 1ULL << (o->map_bits - 12))
		return refuse(o, OPTION_map_granule, err,
			      "so many pages do not fit into the addresses of %" PRIu64 " bits (map_bits)",
			      o->map_bits);
	return 0;
}

/* What only one of the engines has. */
static int check_engine(const struct options *o, struct options_error *err)
{
	static const enum option_id native_only[] = { OPTION_oversubscribe, OPTION_lock_stat };

	for (size_t i = 0; i < sizeof(native_only) / sizeof(native_only[0]); i++) {
		if (o->engine != ENGINE_NATIVE && options_given(o, native_only[i]))
			return refuse(o, native_only[i], err, "does nothing without engine=native (engine is %s)",
				      engine_kind_name(o->engine));
	}
	if (o->engine == ENGINE_NATIVE && o->scope & S_RUN && options_given(o, OPTION_oracle))
		return refuse(o, OPTION_oracle, err,
			      "does nothing with engine=native, where nothing translates (engine is from %s)",
			      options_origin(o, OPTION_engine));
	if (o->engine == ENGINE_NATIVE && o->explain)
		return refuse(o, OPTION_explain, err, "needs engine=virtual: only there can a cost be taken away");
	return 0;
}

/* The exhaustive strategies do not know what depends on a store that reaches memory. */
static int check_explorer(const struct options *o, struct options_error *err)
{
	if (o->memory == MEMORY_TSO && !*o->replay && o->strategy != STRATEGY_RANDOM && o->strategy != STRATEGY_PCT)
		return refuse(o, OPTION_memory, err, "needs strategy=random or strategy=pct (strategy is %s)",
			      explore_strategy_name(o->strategy));
	return 0;
}

int options_validate_but_attach(const struct options *o, struct options_error *err)
{
	int ret = 0;

	if (err)
		err->msg[0] = '\0';
	if (o->scope & S_EXPLORE)
		return check_explorer(o, err);
	if (!(o->scope & (S_RUN | S_MAP)))
		return 0;
	if (o->scope & S_RUN)
		ret = check_workload(o, err);
	if (!ret && o->scope & S_MAP)
		ret = check_map_benchmark(o, err);
	if (!ret)
		ret = check_engine(o, err);
	if (!ret)
		ret = check_registers(o, err);
	if (ret)
		return ret;
	if (o->policy == POLICY_PT)
		return check_passthrough(o, err);
	return check_translation(o, err);
}

int options_validate(const struct options *o, struct options_error *err)
{
	int ret = options_validate_but_attach(o, err);

	return ret || !(o->scope & (S_RUN | S_MAP)) ? ret : check_static_attach(o, err);
}
