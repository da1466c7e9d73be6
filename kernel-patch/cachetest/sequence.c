/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel-patch/cachetest/sequence.h"

#define CAP_RWBF (1ULL << 4)
#define CAP_CM (1ULL << 7)
#define CAP_PSI (1ULL << 39)
#define CAP_MAMV(n) ((uint64_t)(n) << 48)
#define CAP_DWD (1ULL << 54)
#define CAP_DRD (1ULL << 55)
#define ECAP_QI (1ULL << 1)
#define ECAP_COHERENT 1ULL
#define LAST_PFN ((1ULL << 52) - 1)

#define DRAW_FROM(rng, array) ((array)[rng_below(rng, sizeof(array) / sizeof((array)[0]))])

static bool chance(struct rng *rng, unsigned int one_in)
{
	return !rng_below(rng, one_in);
}

static unsigned int draw(struct rng *rng, unsigned int n)
{
	return (unsigned int)rng_below(rng, n);
}

static uint64_t draw_cap(struct rng *rng)
{
	static const uint64_t flags[] = { CAP_CM, CAP_RWBF, CAP_DWD, CAP_DRD };
	static const unsigned int mamv[] = { 0, 1, 6, 9, 18, 45, 52, 63 };
	uint64_t cap = CAP_MAMV(DRAW_FROM(rng, mamv));
	unsigned int i;

	if (!chance(rng, 4))
		cap |= CAP_PSI;
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (chance(rng, 2))
			cap |= flags[i];
	return cap;
}

static void draw_device(struct device_spec *device, const struct machine *machine, unsigned int ats_one_in,
			struct rng *rng)
{
	device->unit = draw(rng, machine->unit_count);
	device->bus = (uint8_t)draw(rng, 256);
	device->devfn = (uint8_t)draw(rng, 256);
	device->qdep = (uint8_t)draw(rng, chance(rng, 4) ? 256 : 33);
	device->pfsid = (uint16_t)draw(rng, 65536);
	device->ats = chance(rng, ats_one_in);
	device->extra_invalidation = chance(rng, 4);
}

/* Second stage, first stage, processes', or, where there is a second-stage domain before it, nested on that. */
static void draw_domain(struct domain_spec *domain, const struct machine *machine, unsigned int number,
			struct rng *rng)
{
	unsigned int i;

	domain->parent = -1;
	domain->first_stage = chance(rng, 2);
	domain->sva = domain->first_stage && chance(rng, 3);
	domain->padded = chance(rng, 2);
	if (number && chance(rng, 2)) {
		i = draw(rng, number);
		if (!machine->domains[i].first_stage) {
			domain->parent = (int)i;
			domain->first_stage = true;
			domain->sva = false;
		}
	}
	/* Ids are the unit's: two units may well use the same. */
	for (i = 0; i < machine->unit_count; i++)
		domain->did[i] = (uint16_t)(chance(rng, 2) ? 2 + number : 1 + draw(rng, 65535));
}

void draw_machine(struct machine *machine, struct rng *rng)
{
	unsigned int ats_one_in = 1 + draw(rng, 4), i;

	*machine = (struct machine){
		.unit_count = 1 + draw(rng, UNITS_MAX),
		.device_count = 1 + draw(rng, chance(rng, 5) ? DEVICES_MAX : 5),
		.domain_count = 1 + draw(rng, DOMAINS_MAX),
	};
	for (i = 0; i < machine->unit_count; i++)
		machine->units[i] =
			(struct unit_spec){ draw_cap(rng), ECAP_QI | (chance(rng, 2) ? ECAP_COHERENT : 0),
					    !chance(rng, 8) };
	for (i = 0; i < machine->device_count; i++)
		draw_device(&machine->devices[i], machine, ats_one_in, rng);
	for (i = 0; i < machine->domain_count; i++)
		draw_domain(&machine->domains[i], machine, i, rng);
}

/* Up to the whole space, small counts as likely as large ones. */
static uint64_t draw_log_uniform(struct rng *rng)
{
	return rng_next(rng) >> 12 >> draw(rng, 52);
}

/* First and last page. */
static void draw_pages(struct operation *op, const struct machine *machine, struct rng *rng)
{
	uint64_t first, count = 1, edge;
	unsigned int order;

	switch (draw(rng, 10)) {
	default: /* what an NVMe device maps */
		first = draw(rng, 1 << 20);
		count = chance(rng, 2) ? 1 : 1 + draw(rng, 256);
		break;
	case 4: /* aligned, and perhaps not quite */
		order = draw(rng, 30);
		first = (rng_next(rng) & LAST_PFN) >> order << order;
		count = (1ULL << order) + draw(rng, 3) - 1;
		break;
	case 5: /* about as large as a unit can select */
		order = machine->units[draw(rng, machine->unit_count)].cap >> 48 & 63;
		order = order > 51 ? 51 : order;
		first = (rng_next(rng) & LAST_PFN) >> order << order;
		count = (1ULL << order) + draw(rng, 3) - 1;
		break;
	case 6: /* over a power of two, where carries run */
		edge = 1ULL << draw(rng, 52);
		first = edge - (edge < 6 ? edge : draw(rng, 6));
		count = 1 + draw(rng, 12);
		break;
	case 7: /* from page 0 */
		first = 0;
		count = 1 + draw_log_uniform(rng);
		break;
	case 8: /* to the end */
		count = 1 + draw_log_uniform(rng);
		first = LAST_PFN - (count - 1);
		break;
	case 9:
		first = draw_log_uniform(rng);
		count = 1 + draw_log_uniform(rng);
		break;
	}
	count = count ? count : 1;
	op->start = first << 12;
	op->end = (count - 1 > LAST_PFN - first ? LAST_PFN : first + count - 1) << 12;
}

static void draw_range(struct operation *op, const struct machine *machine, bool whole_space, struct rng *rng)
{
	draw_pages(op, machine, rng);
	op->end |= 4095;
	if (chance(rng, 8)) { /* nothing says that it begins and ends with a page */
		op->start += draw(rng, 4096);
		op->end -= draw(rng, 4096);
		if (op->end < op->start)
			op->end = op->start;
	}
	if (whole_space && chance(rng, 1000)) {
		op->start = 0;
		op->end = UINT64_MAX;
	} else if (op->start >> 12 == 0 && op->end >> 12 == LAST_PFN) {
		op->start = 4096;
	}
}

void draw_operation(struct operation *op, const struct machine *machine, const struct draw_options *how,
		    struct rng *rng)
{
	static const uint32_t pasids[] = { 0, 0, 1, 0xfffff };
	static const enum operation_kind kinds[] = {
		OP_ASSIGN,	   OP_ASSIGN,	      OP_UNASSIGN,	 OP_FLUSH_RANGE,    OP_FLUSH_RANGE,
		OP_FLUSH_RANGE_NP, OP_FLUSH_RANGE_NP, OP_FLUSH_RANGE_NP, OP_FLUSH_RANGE_NP, OP_FLUSH_ALL,
	};

	*op = (struct operation){
		.kind = chance(rng, 5) ? OP_UNASSIGN : DRAW_FROM(rng, kinds),
		.domain = (uint8_t)draw(rng, machine->domain_count),
		.device = (uint8_t)draw(rng, machine->device_count),
		.unit = (uint8_t)draw(rng, machine->unit_count),
		.ih = chance(rng, 2),
		.on = !chance(rng, 3),
		.allocations = NO_LIMIT,
		.pasid = DRAW_FROM(rng, pasids),
	};
	if (chance(rng, 100))
		op->kind = how->ats_stays || chance(rng, 2) ? OP_TRANSLATION : OP_ATS;
	if (op->kind == OP_FLUSH_RANGE || op->kind == OP_FLUSH_RANGE_NP)
		draw_range(op, machine, how->whole_space, rng);
	else if (op->kind <= OP_UNASSIGN && chance(rng, 6))
		op->allocations = (int)draw(rng, 7);
}

void print_machine(FILE *f, const struct machine *machine)
{
	unsigned int i, u;

	for (i = 0; i < machine->unit_count; i++)
		fprintf(f, "  unit %u: cap %#llx ecap %#llx translation %s\n", i,
			(unsigned long long)machine->units[i].cap, (unsigned long long)machine->units[i].ecap,
			machine->units[i].translates ? "on" : "off");
	for (i = 0; i < machine->device_count; i++) {
		const struct device_spec *d = &machine->devices[i];

		fprintf(f, "  device %u: unit %u %02x:%02x.%u pfsid %#x qdep %u%s%s\n", i, d->unit, d->bus,
			d->devfn >> 3, d->devfn & 7U, d->pfsid, d->qdep, d->ats ? " ats" : "",
			d->extra_invalidation ? " extra-invalidation" : "");
	}
	for (i = 0; i < machine->domain_count; i++) {
		const struct domain_spec *d = &machine->domains[i];

		fprintf(f, "  domain %u: %s stage%s", i, d->first_stage ? "first" : "second", d->sva ? " sva" : "");
		if (d->parent >= 0)
			fprintf(f, " nested on %d", d->parent);
		fprintf(f, ", ids");
		for (u = 0; u < machine->unit_count; u++)
			fprintf(f, " %u", d->sva ? 1U : d->did[u]);
		fprintf(f, "\n");
	}
}

void print_operation(FILE *f, const struct operation *op)
{
	static const char *const names[] = { "assign", "unassign", "flush_range", "flush_range_np", "flush_all" };

	switch (op->kind) {
	case OP_ASSIGN:
	case OP_UNASSIGN:
		fprintf(f, "%s domain %u device %u pasid %u", names[op->kind], op->domain, op->device, op->pasid);
		if (op->allocations != NO_LIMIT)
			fprintf(f, ", memory for %d allocations", op->allocations);
		break;
	case OP_FLUSH_RANGE:
	case OP_FLUSH_RANGE_NP:
	case OP_FLUSH_ALL:
		fprintf(f, "%s domain %u", names[op->kind], op->domain);
		if (op->kind != OP_FLUSH_ALL)
			fprintf(f, " [%#llx, %#llx]", (unsigned long long)op->start, (unsigned long long)op->end);
		if (op->kind == OP_FLUSH_RANGE)
			fprintf(f, " ih %d", op->ih);
		break;
	case OP_TRANSLATION:
		fprintf(f, "translation of unit %u %s", op->unit, op->on ? "on" : "off");
		break;
	case OP_ATS:
		fprintf(f, "ATS of device %u %s", op->device, op->on ? "on" : "off");
		break;
	case OP_KIND_COUNT:
		break;
	}
	fprintf(f, "\n");
}
