/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * calibrate_ini.c - a machine file from a calibration
 *
 * The section [simbench] has what is good, as any machine file has it; what is not is a comment that says why. The
 * section [calibration] has everything that was measured, for programs: the parser of options passes over it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/calibrate.h"
#include "bench/options_table.h"
#include "bench/version.h"

#define XML_SUFFIX ".xml"
#define INI_SUFFIX ".ini"

static bool ends_in(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len > suffix_len && !strcmp(name + len - suffix_len, suffix);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* my.ini and my.xml; mine and mine.xml. From malloc(), or NULL. */
static char *xml_path(const char *path)
{
	size_t len = strlen(path) - (ends_in(path, INI_SUFFIX) ? strlen(INI_SUFFIX) : 0);
	char *xml = malloc(len + sizeof(XML_SUFFIX));

	if (xml) {
		memcpy(xml, path, len);
		memcpy(xml + len, XML_SUFFIX, sizeof(XML_SUFFIX));
	}
	return xml;
}

/* What a value in an INI file may be without being cut or taken for something else. */
static bool is_plain(const char *name)
{
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("._+-@", *name))
			return false;
	return true;
}

static int check_directory(const char *path, struct options_error *err)
{
	size_t len = (size_t)(base_name(path) - path);
	char *dir = len ? strndup(path, len) : strdup(".");
	int ret = 0;

	if (!dir)
		return -ENOMEM;
	if (access(dir, W_OK | X_OK))
		ret = option_error(err, "--output %s: cannot write in %s: %s", path, dir, strerror(errno));
	free(dir);
	return ret;
}

int calibrate_check_output(const char *path, struct options_error *err)
{
	const char *name = base_name(path);
	struct stat st;

	if (!*name || !is_plain(name) || strlen(name) > OPTION_PIECE_MAX)
		return option_error(err,
				    "--output %s: a machine file's name is 1 to %d letters, digits, and . _ + - @, "
				    "because the file names the XML file beside it",
				    path, OPTION_PIECE_MAX);
	if (ends_in(name, XML_SUFFIX))
		return option_error(err, "--output %s: the XML file is the one beside it: call it .ini", path);
	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return option_error(err, "--output %s: not a regular file", path);
	return check_directory(path, err);
}

/* ---- what it says ---- */

/* The parser takes no long lines, not even as comments. */
#define COMMENT_WIDTH 100

static void comment(FILE *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* In lines of whole words. */
static void comment(FILE *f, const char *format, ...)
{
	char text[1024], *word = text, *end;
	size_t column = 0;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (; *word; word = end + strspn(end, " ")) {
		end = word + strcspn(word, " ");
		if (column && column + (size_t)(end - word) >= COMMENT_WIDTH) {
			fputc('\n', f);
			column = 0;
		}
		fprintf(f, "%s %.*s", column ? "" : ";", (int)(end - word), word);
		column += (size_t)(end - word) + 1;
	}
	fputc('\n', f);
}

static void write_head(FILE *f, const struct host_calibration *c)
{
	comment(f, "%s, %s: CPUs %u, cores %u, L3 caches %u, packages %u%s%s", c->cpu_model, c->kernel, c->pu_count,
		c->core_count, c->l3_count, c->package_count, c->governor[0] ? ", governor " : "", c->governor);
	comment(f, "Measured by simbench %s (%s) calibrate, %s.", simbench_version, simbench_git_commit, c->date);
	if (!c->good)
		comment(f, "NOT ALL VALUES ARE GOOD. Those that are not are marked.");
	if (c->package_count == 1)
		comment(f, "One package: nothing here has been checked against a second one.");
	if (c->core_count < 4)
		comment(f, "Cores: %u. Nothing here has been checked with more of them at one line.",
			c->core_count);
}

/* What to know about a value before it is used. */
static const char *remark(enum calibrate_result_id id)
{
	switch (id) {
	case CAL_RESULT_l1_hit_ns:
		return "the most that a hit can cost without the accesses of a measured operation taking longer "
		       "than "
		       "it does";
	case CAL_RESULT_instruction_ps:
		return "in a loop with everything in its caches; a kernel at work takes longer";
	default:
		return NULL;
	}
}

static void write_value(FILE *f, const struct host_calibration *c, enum calibrate_result_id id)
{
	const char *key = calibrate_result_key(id), *unit = strrchr(key, '_');
	uint64_t value = c->result[id].value;

	if (!strcmp(unit, "_ns"))
		fprintf(f, "%s = %llu.%03llu\n", key, (unsigned long long)value / 1000,
			(unsigned long long)value % 1000);
	else if (!strcmp(unit, "_ps") || !strcmp(unit, "_pct"))
		fprintf(f, "%s = %llu\n", key, (unsigned long long)value);
	else
		fprintf(f, "%s = %s\n", key, value ? "yes" : "no");
}

static void write_result(FILE *f, const struct host_calibration *c, enum calibrate_result_id id,
			 const struct options *o, bool accept_noisy)
{
	const struct calibrate_result *r = &c->result[id];
	const char *key = calibrate_result_key(id), *fallback;
	char buf[OPTION_PRINT_MAX];

	fallback = option_print(o, option_find(key), buf, sizeof(buf));
	if (r->state == CAL_ABSENT) {
		comment(f, "%s was not measured: %s. The default applies: %s", key, r->why, fallback);
		return;
	}
	if (r->state == CAL_NOISY)
		comment(f, "%s is NOT GOOD: %s", key, r->why);
	if (r->state == CAL_NOISY && !accept_noisy)
		fprintf(f, "; The default applies: %s. Measured: ", fallback);
	else if (remark(id))
		comment(f, "%s: %s", key, remark(id));
	write_value(f, c, id);
}

static void write_raw(FILE *f, const char *key, const struct measurement *m)
{
	if (m->taken)
		fprintf(f, "%s = %llu %llu %llu %llu %u %u %u %s\n", key, (unsigned long long)m->median_ps,
			(unsigned long long)m->p10_ps, (unsigned long long)m->p90_ps, (unsigned long long)m->mad_ps,
			m->samples, m->rounds, m->disturbed, m->flaws ? "noisy" : "good");
}

static void write_raw_lines(FILE *f, const struct host_calibration *c)
{
	enum topology_distance d;
	char key[64];
	uint32_t i;

	for (d = DIST_SMT; d <= DIST_REMOTE; d++) {
		const struct calibrate_class *class = &c->class[d];

		snprintf(key, sizeof(key), "handover_%s", calibrate_class_key(d));
		write_raw(f, key, &class->handover);
		for (i = 0; i < class->pair_count; i++) {
			snprintf(key, sizeof(key), "handover_%s_%u_%u", calibrate_class_key(d),
				 class->pair[i].cpu[0], class->pair[i].cpu[1]);
			write_raw(f, key, &class->pair[i].handover);
		}
	}
	for (i = 0; i < c->contend_count; i++) {
		snprintf(key, sizeof(key), "contend_%u", c->contend[i].cpus);
		write_raw(f, key, &c->contend[i].time);
		fprintf(f, "contend_%u_atomics_permille = %llu\n", c->contend[i].cpus,
			(unsigned long long)c->contend[i].held_permille);
	}
	for (i = 0; i < c->broadcast_count; i++) {
		snprintf(key, sizeof(key), "broadcast_%u", c->broadcast[i].cpus - 1);
		write_raw(f, key, &c->broadcast[i].time);
	}
}

static void write_raw_section(FILE *f, const struct host_calibration *c)
{
	enum calibrate_value v;
	enum calibrate_op op;
	enum cost_step step;

	fputc('\n', f);
	comment(f, "For programs; simbench does not read it. Times are in ps. A measurement is: median, p10, p90, "
		   "median absolute deviation, samples, rounds, disturbed rounds, verdict.");
	fprintf(f, "[calibration]\n");
	fprintf(f, "date = %s\nversion = %s\n", c->date, simbench_version);
	write_raw_lines(f, c);
	for (v = 0; v < CAL_VALUE_COUNT; v++)
		write_raw(f, calibrate_value_key(v), &c->value[v]);
	for (op = 0; op < CAL_OP_COUNT; op++)
		write_raw(f, calibrate_op_key(op), &c->op[op]);
	fprintf(f, "clock_skew = %lld\npair_instructions_permille = %llu\n", (long long)c->skew_ps,
		(unsigned long long)c->pair_instructions_permille);
	for (step = 0; step < COST_STEP_COUNT; step++)
		fprintf(f, "step_%s = %llu\n", calibrate_step_name(step), (unsigned long long)c->step_ps[step]);
}

static void write_ini(FILE *f, const struct host_calibration *c, const char *xml, const struct options *o,
		      bool accept_noisy)
{
	enum calibrate_result_id id;

	write_head(f, c);
	fprintf(f, "[simbench]\nmachine = %s\n", xml);
	for (id = 0; id < CAL_RESULT_COUNT; id++)
		write_result(f, c, id, o, accept_noisy);
	write_raw_section(f, c);
}

int calibrate_write(const struct host_calibration *c, const struct topology *topology, const char *path,
		    const struct options *o, bool accept_noisy, struct options_error *err)
{
	char *xml = xml_path(path);
	bool bad;
	FILE *f;
	int ret;

	if (!xml)
		return -ENOMEM;
	ret = topology_export_xml(topology, xml);
	if (ret) {
		snprintf(err->msg, sizeof(err->msg), "%s: cannot write the topology: %s", xml, strerror(-ret));
		free(xml);
		return ret == -ENOMEM ? ret : -EIO;
	}
	f = fopen(path, "we");
	if (f)
		write_ini(f, c, base_name(xml), o, accept_noisy);
	bad = !f || fflush(f) || ferror(f);
	if (f)
		bad |= fclose(f) != 0;
	if (bad)
		snprintf(err->msg, sizeof(err->msg), "%s: cannot write the machine file: %s", path,
			 strerror(errno));
	free(xml);
	return bad ? -EIO : 0;
}
