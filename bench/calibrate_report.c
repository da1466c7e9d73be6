/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * calibrate_report.c - what simbench calibrate prints
 */
#include <jansson.h>
#include <string.h>

#include "bench/calibrate.h"

#define KEY(id, key, text) key,
#define TEXT(id, key, text) text,

static const char *const value_keys[] = { CALIBRATE_VALUES(KEY) }, *const value_texts[] = { CALIBRATE_VALUES(
									   TEXT) };
static const char *const op_keys[] = { CALIBRATE_OPS(KEY) }, *const op_texts[] = { CALIBRATE_OPS(TEXT) };

#define NAME(option) #option,

static const char *const result_keys[] = { CALIBRATE_RESULTS(NAME) };

#define STEP_NAME(name, instructions) #name,

static const char *const step_names[] = { COST_STEPS(STEP_NAME) };

static const struct {
	const char *key, *text;
} class_names[] = {
	[DIST_SMT] = { "smt", "SMT siblings" },
	[DIST_L3] = { "l3", "cores of one L3" },
	[DIST_PACKAGE] = { "package", "L3s of one package" },
	[DIST_REMOTE] = { "remote", "packages" },
};

const char *calibrate_value_key(enum calibrate_value value)
{
	return value_keys[value];
}

const char *calibrate_value_text(enum calibrate_value value)
{
	return value_texts[value];
}

const char *calibrate_op_key(enum calibrate_op op)
{
	return op_keys[op];
}

const char *calibrate_op_text(enum calibrate_op op)
{
	return op_texts[op];
}

const char *calibrate_result_key(enum calibrate_result_id id)
{
	return result_keys[id];
}

const char *calibrate_class_text(enum topology_distance distance)
{
	return class_names[distance].text;
}

const char *calibrate_class_key(enum topology_distance distance)
{
	return class_names[distance].key;
}

const char *calibrate_step_name(enum cost_step step)
{
	return step_names[step];
}

const char *calibrate_print_result(const struct host_calibration *c, enum calibrate_result_id id, char *buf,
				   size_t size)
{
	uint64_t value = c->result[id].value;
	const char *key = result_keys[id], *unit = strrchr(key, '_');

	if (!strcmp(unit, "_pct"))
		snprintf(buf, size, "%llu %%", (unsigned long long)value);
	else if (!strcmp(unit, "_ps"))
		snprintf(buf, size, "%llu ps", (unsigned long long)value);
	else if (!strcmp(unit, "_ns"))
		snprintf(buf, size, "%.3f ns", (double)value / 1000);
	else
		snprintf(buf, size, "%s", value ? "yes" : "no");
	return buf;
}

/* ---- text ---- */

struct style {
	const char *bold, *bad, *off;
};

static double ns(uint64_t ps)
{
	return (double)ps / 1000;
}

static void heading(FILE *f, const struct style *s, const char *what, const char *column)
{
	fprintf(f, "\n%s%-52s %9s %9s %9s %8s  %s%s\n", s->bold, what, "median", "p10", "p90", "samples", column,
		s->off);
}

/* The start of a line; @after is what stands before the verdict. */
static void row(FILE *f, const struct style *s, const char *what, const struct measurement *m, const char *after)
{
	char verdict[200];

	measurement_verdict(m, verdict, sizeof(verdict));
	if (!m->taken)
		return;
	fprintf(f, "%-52s %9.2f %9.2f %9.2f %8u  %s%s%s%s%s\n", what, ns(m->median_ps), ns(m->p10_ps),
		ns(m->p90_ps), m->samples, after, m->flaws ? s->bad : "", m->flaws ? "NOT GOOD: " : "", verdict,
		m->flaws ? s->off : "");
}

static void text_class(FILE *f, const struct style *s, const struct host_calibration *c, enum topology_distance d)
{
	const struct calibrate_class *class = &c->class[d];
	char what[80];
	uint32_t i;

	if (!class->pair_count)
		return;
	snprintf(what, sizeof(what), "hand-over between %s", class_names[d].text);
	row(f, s, what, &class->handover, "");
	for (i = 0; class->pair_count > 1 && i < class->pair_count; i++) {
		snprintf(what, sizeof(what), "  CPUs %u and %u", class->pair[i].cpu[0], class->pair[i].cpu[1]);
		row(f, s, what, &class->pair[i].handover, "");
	}
}

static void text_crowds(FILE *f, const struct style *s, const struct host_calibration *c)
{
	char what[80];
	uint32_t i;

	for (i = 0; i < c->contend_count; i++) {
		const struct calibrate_crowd *crowd = &c->contend[i];

		snprintf(what, sizeof(what), "atomics of %u CPUs on a line: a turn, of %.2f each", crowd->cpus,
			 (double)crowd->held_permille / 1000);
		row(f, s, what, &crowd->time, "");
	}
	for (i = 0; i < c->broadcast_count; i++) {
		const struct calibrate_crowd *crowd = &c->broadcast[i];

		if (crowd->cpus == 2)
			snprintf(what, sizeof(what), "broadcast: store until the reader has it");
		else
			snprintf(what, sizeof(what), "broadcast, %u readers: last after first", crowd->cpus - 1);
		row(f, s, what, &crowd->time, "");
	}
}

static void text_measured(FILE *f, const struct style *s, const struct host_calibration *c)
{
	enum topology_distance d;
	enum calibrate_value v;

	heading(f, s, "cache lines and primitives, ns", "verdict");
	for (d = DIST_SMT; d <= DIST_REMOTE; d++)
		text_class(f, s, c, d);
	text_crowds(f, s, c);
	for (v = 0; v < CAL_VALUE_COUNT; v++)
		row(f, s, value_texts[v], &c->value[v], "");
	fprintf(f,
		"clocks of two CPUs differ by at most %.1f ns, what the ways there and back differ by included\n",
		(double)(c->skew_ps < 0 ? -c->skew_ps : c->skew_ps) / 1000);
}

static void text_ops(FILE *f, const struct style *s, const struct host_calibration *c)
{
	enum calibrate_op op;
	char after[32];

	heading(f, s, "hot path on one CPU, ns", "  virtual  verdict");
	for (op = 0; op < CAL_OP_COUNT; op++) {
		snprintf(after, sizeof(after), "%9.2f  ", ns(c->op_virtual_ps[op]));
		row(f, s, op_texts[op], &c->op[op], after);
	}
	if (c->pair_instructions_permille)
		fprintf(f, "a pair of map and unmap (static, lazy) executes %.1f instructions\n",
			(double)c->pair_instructions_permille / 1000);
}

static void text_results(FILE *f, const struct style *s, const struct host_calibration *c)
{
	enum calibrate_result_id id;
	char value[32];

	fprintf(f, "\n%s%-26s %12s%s\n", s->bold, "model", "value", s->off);
	for (id = 0; id < CAL_RESULT_COUNT; id++) {
		const struct calibrate_result *r = &c->result[id];

		if (r->state == CAL_ABSENT)
			fprintf(f, "%-26s %12s  not measured: %s\n", result_keys[id], "-", r->why);
		else
			fprintf(f, "%-26s %12s  %s%s%s%s\n", result_keys[id],
				calibrate_print_result(c, id, value, sizeof(value)),
				r->state == CAL_NOISY ? s->bad : "", r->state == CAL_NOISY ? "NOT GOOD: " : "good",
				r->why, r->state == CAL_NOISY ? s->off : "");
	}
}

static void text_steps(FILE *f, const struct style *s, const struct host_calibration *c)
{
	enum cost_step step;

	fprintf(f, "\n%ssteps of this native build, ps%s%s\n", s->bold, s->off,
		c->steps == CAL_GOOD ? "" : " (NOT GOOD)");
	for (step = 0; step < COST_STEP_COUNT; step++)
		fprintf(f, "  %-18s %7llu%s%s", step_names[step], (unsigned long long)c->step_ps[step],
			c->step_clamped[step] ? "!" : " ",
			step % 3 == 2 || step + 1 == COST_STEP_COUNT ? "\n" : "");
	for (step = 0; step < COST_STEP_COUNT && !c->step_clamped[step]; step++)
		;
	if (step < COST_STEP_COUNT)
		fprintf(f, "! cannot be less than nothing: the model's accesses alone take longer than the "
			   "operation\n");
}

void calibrate_text(FILE *f, const struct host_calibration *c, bool color)
{
	const struct style s =
		color ? (struct style){ "\033[1m", "\033[31m", "\033[0m" } : (struct style){ "", "", "" };

	fprintf(f, "%s, %s: CPUs %u, cores %u, L3 caches %u, packages %u%s%s\n", c->cpu_model, c->kernel,
		c->pu_count, c->core_count, c->l3_count, c->package_count, c->governor[0] ? ", governor " : "",
		c->governor);
	text_measured(f, &s, c);
	text_ops(f, &s, c);
	text_results(f, &s, c);
	text_steps(f, &s, c);
	fprintf(f, "\n%s, in %.1f s\n", c->good ? "All values are good" : "NOT ALL VALUES ARE GOOD", c->seconds);
}

/* ---- JSON ---- */

/* Takes over @value; whoever runs out of memory releases the object, which becomes NULL. */
static void put(json_t **object, const char *key, json_t *value)
{
	if (json_object_set_new(*object, key, value)) {
		json_decref(*object);
		*object = NULL;
	}
}

static json_t *json_measurement(const struct measurement *m)
{
	char verdict[200];

	if (!m->taken)
		return json_null();
	measurement_verdict(m, verdict, sizeof(verdict));
	return json_pack("{s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:b, s:s}", "median_ns", ns(m->median_ps),
			 "p10_ns", ns(m->p10_ps), "p90_ns", ns(m->p90_ps), "mad_ns", ns(m->mad_ps), "samples",
			 (json_int_t)m->samples, "rounds", (json_int_t)m->rounds, "disturbed_rounds",
			 (json_int_t)m->disturbed, "attempts", (json_int_t)m->attempts, "good", measurement_good(m),
			 "verdict", verdict);
}

static json_t *json_class(const struct calibrate_class *class)
{
	json_t *pairs = json_array();
	uint32_t i;

	for (i = 0; i < class->pair_count; i++) {
		const struct calibrate_pair *p = &class->pair[i];

		json_array_append_new(pairs,
				      json_pack("{s:[I, I], s:f, s:o}", "cpus", (json_int_t)p->cpu[0],
						(json_int_t)p->cpu[1], "clock_skew_ns", (double)p->skew_ps / 1000,
						"handover", json_measurement(&p->handover)));
	}
	return json_pack("{s:I, s:o, s:o}", "pairs_in_machine", (json_int_t) class->pairs_in_machine, "handover",
			 json_measurement(&class->handover), "pairs", pairs);
}

static json_t *json_classes(const struct host_calibration *c)
{
	json_t *object = json_object();
	enum topology_distance d;

	for (d = DIST_SMT; d <= DIST_REMOTE; d++)
		put(&object, class_names[d].key, json_class(&c->class[d]));
	return object;
}

static json_t *json_crowds(const struct calibrate_crowd *crowds, uint32_t count, bool contend)
{
	json_t *array = json_array(), *object;
	uint32_t i;

	for (i = 0; i < count; i++) {
		object = json_pack("{s:I, s:o}", "cpus", (json_int_t)crowds[i].cpus, "time",
				   json_measurement(&crowds[i].time));
		if (contend) {
			put(&object, "atomics_per_turn", json_real((double)crowds[i].held_permille / 1000));
		} else {
			put(&object, "first_reader_ns", json_real(ns(crowds[i].first_ps)));
			put(&object, "last_reader_ns", json_real(ns(crowds[i].last_ps)));
		}
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *json_values(const struct host_calibration *c)
{
	json_t *object = json_object();
	enum calibrate_value v;

	for (v = 0; v < CAL_VALUE_COUNT; v++)
		put(&object, value_keys[v], json_measurement(&c->value[v]));
	return object;
}

static json_t *json_ops(const struct host_calibration *c)
{
	json_t *object = json_object(), *op;
	enum calibrate_op i;

	for (i = 0; i < CAL_OP_COUNT; i++) {
		op = json_measurement(&c->op[i]);
		put(&op, "virtual_ns", json_real(ns(c->op_virtual_ps[i])));
		put(&object, op_keys[i], op);
	}
	return object;
}

static json_t *json_results(const struct host_calibration *c)
{
	static const char *const states[] = { [CAL_ABSENT] = "absent", [CAL_NOISY] = "noisy", [CAL_GOOD] = "good" };
	json_t *object = json_object(), *result;
	enum calibrate_result_id id;

	for (id = 0; id < CAL_RESULT_COUNT; id++) {
		const struct calibrate_result *r = &c->result[id];
		bool is_time = strlen(result_keys[id]) > 3 && !strcmp(strrchr(result_keys[id], '_'), "_ns");

		result = json_pack("{s:s, s:s}", "state", states[r->state], "why", r->why);
		if (r->state == CAL_ABSENT)
			put(&result, "value", json_null());
		else
			put(&result, "value",
			    is_time ? json_real(ns(r->value)) : json_integer((json_int_t)r->value));
		put(&object, result_keys[id], result);
	}
	return object;
}

static json_t *json_steps(const struct host_calibration *c)
{
	json_t *object = json_object();
	enum cost_step step;

	for (step = 0; step < COST_STEP_COUNT; step++)
		put(&object, step_names[step],
		    json_pack("{s:I, s:b}", "ps", (json_int_t)c->step_ps[step], "clamped", c->step_clamped[step]));
	return object;
}

json_t *calibrate_json(const struct host_calibration *c)
{
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:f, s:o, s:o}",
		"cpu_model", c->cpu_model, "kernel", c->kernel, "governor", c->governor, "date", c->date, "cpus",
		(json_int_t)c->pu_count, "cores", (json_int_t)c->core_count, "l3s", (json_int_t)c->l3_count,
		"packages", (json_int_t)c->package_count, "good", c->good, "seconds", c->seconds, "clock_skew_ns",
		(double)c->skew_ps / 1000, "classes", json_classes(c), "contend",
		json_crowds(c->contend, c->contend_count, true), "broadcast",
		json_crowds(c->broadcast, c->broadcast_count, false), "values", json_values(c), "operations",
		json_ops(c), "instructions_per_pair", (double)c->pair_instructions_permille / 1000, "model",
		json_results(c), "steps", json_steps(c));
}
