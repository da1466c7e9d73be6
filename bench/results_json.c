/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/results_json.h"

#include <errno.h>
#include <jansson.h>

#include "bench/report.h"
#include "sim/stats.h"

int results_json(FILE *f, const struct cmd_context *ctx, const struct runner *runner, uint64_t events,
		 const struct options *o, json_t *results)
{
	json_t *report = json_pack("{s:i, s:o, s:o, s:o}", "schema_version", REPORT_SCHEMA_VERSION, "context",
				   report_context(ctx, runner, events, 0), "config", options_to_json(o, o->scope),
				   "results", results);
	int bad;

	if (!report)
		return -ENOMEM;
	/* Twelve digits are below the last bits of a double. */
	bad = json_dumpf(report, f, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	json_decref(report);
	fputc('\n', f);
	if (fflush(f) || ferror(f))
		return -EIO;
	return bad ? -ENOMEM : 0;
}

json_t *results_json_estimate(const struct estimate *e)
{
	return json_pack("{s:f, s:f, s:f, s:f}", "mean", e->mean, "ci95", e->ci95, "min", e->min, "max", e->max);
}

struct estimate results_estimate(const uint64_t *thousandths, size_t count)
{
	struct stats_summary s;

	if (!count)
		return (struct estimate){ 0, 0, 0, 0 };
	stats_summarize(thousandths, count, &s);
	return (struct estimate){ s.mean / 1000, (double)s.min / 1000, (double)s.max / 1000, s.ci95 / 1000 };
}
