/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options_ini.c - options from INI text, through inih
 *
 * Debian's libinih cuts lines at 200 characters, takes an indented line for more of the value above, and tells its
 * handler no line number. So it is fed through a reader that counts lines and refuses what inih would misread. A
 * value may go on in an indented line only where it has just ended in a comma: long lists need that.
 *
 * A relative name of a machine's XML file counts from the directory of the INI file. The section [calibration] is
 * somebody else's everywhere; [sweep], [claim NAME] and [plot NAME] are for a caller that asks for them.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/options_table.h"

#define SECTION_NAME "simbench"

/* What `simbench calibrate` has measured, for other programs. */
#define RAW_SECTION_NAME "calibration"

/* Those that a caller may take; the name may go on after a blank. */
static const char *const caller_sections[] = { "sweep", "claim", "plot", "scenario" };

enum section_state { SECTION_NONE, SECTION_OURS, SECTION_CALLERS, SECTION_OTHER };

struct ini_state {
	struct options *o;
	struct options_error *err;
	enum options_source source;
	const struct options_input *in; /* for take_pair; may be NULL */
	char name[300];			/* of the file, safe to print */
	const char *path;		/* NULL: it is a text */
	FILE *file;
	const char *text; /* what is left, when there is no file */
	unsigned int line;
	enum section_state section;
	bool comma;	/* the last value ended in a comma */
	bool continues; /* the line that inih is looking at continues that value */
	int ret;
	unsigned int failed_line;
	/* A key waits here until it is certain that its value is complete. */
	unsigned int pending_line; /* 0: none */
	char section_name[256];
	char key[256];
	char value[OPTION_TEXT_MAX + 1];
	unsigned int seen[OPTION_COUNT]; /* line of each key so far; 0: none */
};

static void fail(struct ini_state *st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct ini_state *st, const char *fmt, ...)
{
	char msg[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(msg, sizeof(msg), fmt, args);
	va_end(args);
	st->failed_line = st->line;
	st->ret = option_error(st->err, "%s:%u: %s", st->name, st->line, msg);
}

/* Whether @name is @other or "@other anything". */
static bool section_is(const char *name, const char *other)
{
	size_t len = strlen(other);

	return !strncmp(name, other, len) && (name[len] == '\0' || name[len] == ' ');
}

/* A pair of somebody else's section, or with @key NULL its beginning. */
static void give_pair(struct ini_state *st, unsigned int line, const char *key, const char *value)
{
	char where[sizeof(st->name) + 16];
	struct options_ini_pair pair = { st->section_name, key, value, where, st->path };

	if (!st->in || !st->in->take_pair)
		return;
	snprintf(where, sizeof(where), "%s:%u", st->name, line);
	st->ret = st->in->take_pair(st->in->take_arg, &pair, st->err);
	if (st->ret)
		st->failed_line = line;
}

static void flush_pending(struct ini_state *st);

static void enter_section(struct ini_state *st, const char *name)
{
	struct option_guess guess;
	char hint[128], quoted[64];
	size_t i;

	/* What has been waiting belongs to the section before. */
	flush_pending(st);
	if (st->ret)
		return;
	snprintf(st->section_name, sizeof(st->section_name), "%s", name);
	option_guess_init(&guess, name);
	option_guess_try(&guess, SECTION_NAME);
	st->section = SECTION_OTHER;
	if (!strcmp(name, SECTION_NAME)) {
		st->section = SECTION_OURS;
		return;
	}
	if (!strcmp(name, RAW_SECTION_NAME))
		return;
	for (i = 0; i < sizeof(caller_sections) / sizeof(caller_sections[0]); i++) {
		if (section_is(name, caller_sections[i])) {
			st->section = SECTION_CALLERS;
			give_pair(st, st->line, NULL, NULL);
			return;
		}
		option_guess_try(&guess, caller_sections[i]);
	}
	fail(st, "unknown section %s%s", option_quote(quoted, sizeof(quoted), name),
	     option_guess_text(&guess, hint, sizeof(hint), ""));
}

/* Take note of a line that begins with a bracket. */
static void read_section(struct ini_state *st, const char *line)
{
	const char *end = strchr(line, ']');
	char name[256];

	if (!end) {
		fail(st, "a section without its closing bracket");
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(end - line - 1), line + 1);
	for (end++; isspace((unsigned char)*end); end++)
		;
	if (*end && !strchr(";#", *end))
		fail(st, "a section has a line of its own");
	else
		enter_section(st, name);
}

/* Decide what kind of line this is before inih does. */
static void check_line(struct ini_state *st, const char *line)
{
	const char *start = line;
	bool may_continue = st->comma;

	st->comma = false;
	st->continues = false;
	while (isspace((unsigned char)*start))
		start++;
	if (!*start || strchr(";#", *start))
		return;
	if (start > line) {
		st->continues = may_continue;
		if (!may_continue)
			fail(st, "the line is indented: only a value that ended in a comma goes on like this");
	} else if (*line == '[') {
		read_section(st, line);
	} else if (st->section == SECTION_NONE) {
		fail(st, "outside of any section: [%s] comes first", SECTION_NAME);
	}
}

static int next_char(struct ini_state *st)
{
	if (st->file)
		return getc(st->file);
	return *st->text ? (unsigned char)*st->text++ : EOF;
}

/* Past the byte order mark that some editors put at the very beginning, as inih skips it. */
static const char *skip_bom(const char *line)
{
	static const char bom[] = "\xef\xbb\xbf";

	return strncmp(line, bom, sizeof(bom) - 1) ? line : line + sizeof(bom) - 1;
}

/* One line into @buf, as fgets() would but without its newline. inih's buffer also has to hold "\r\n". */
static char *read_line(char *buf, int size, void *stream)
{
	struct ini_state *st = stream;
	int len = 0, c;

	if (st->ret)
		return NULL;
	st->line++;
	while ((c = next_char(st)) != EOF && c != '\n') {
		if (c == '\0' || len >= size - 2) {
			if (c)
				fail(st, "the line is longer than %d characters", size - 2);
			else
				fail(st, "a NUL byte: not a text file");
			return NULL;
		}
		buf[len++] = c;
	}
	if (st->file && ferror(st->file)) {
		fail(st, "cannot read: %s", strerror(errno));
		return NULL;
	}
	if (c == EOF && !len)
		return NULL;
	buf[len] = '\0';
	check_line(st, st->line == 1 ? skip_bom(buf) : buf);
	return st->ret ? NULL : buf;
}

/* Whether a machine is an XML file whose name does not say where it is (as topology_load() tells files). */
static bool is_relative_file(const char *machine)
{
	size_t len = strlen(machine);

	return machine[0] != '/' && (strchr(machine, '/') || (len >= 4 && !strcmp(machine + len - 4, ".xml")));
}

/* The same file from anywhere: its name counts from where the INI file is. From malloc(), or NULL. */
static char *beside_ini(const char *ini, const char *name)
{
	const char *slash = strrchr(ini, '/');
	char *dir = slash ? strndup(ini, (size_t)(slash - ini) + 1) : strdup(".");
	char *absolute = dir ? realpath(dir, NULL) : NULL, *path = NULL;

	if (absolute && asprintf(&path, "%s/%s", strcmp(absolute, "/") ? absolute : "", name) < 0)
		path = NULL;
	free(absolute);
	free(dir);
	return path;
}

char *option_machine_beside(const char *path, const char *machine)
{
	return path && is_relative_file(machine) ? beside_ini(path, machine) : strdup(machine);
}

/* Set the key that has been waiting. */
static void flush_pending(struct ini_state *st)
{
	struct option_setting s = { .key = st->key, .value = st->value, .source = st->source };
	char where[sizeof(st->name) + 16];
	unsigned int id = option_find(st->key);
	char *machine = NULL;

	if (!st->pending_line || st->ret)
		return;
	if (st->section == SECTION_CALLERS) {
		give_pair(st, st->pending_line, st->key, st->value);
		st->pending_line = 0;
		return;
	}
	if (id == OPTION_machine) {
		machine = option_machine_beside(st->path, st->value);
		if (!machine) {
			st->ret = -ENOMEM;
			return;
		}
		s.value = machine;
	}
	snprintf(where, sizeof(where), "%s:%u", st->name, st->pending_line);
	s.where = where;
	s.origin = st->source == OPTIONS_BUILTIN ? st->name : where;
	if (id != OPTION_COUNT && st->seen[id])
		st->ret = option_refuse(st->err, &s, "given before on line %u", st->seen[id]);
	else
		st->ret = option_set_key(st->o, &s, st->err);
	if (id != OPTION_COUNT)
		st->seen[id] = st->pending_line;
	if (st->ret)
		st->failed_line = st->pending_line;
	st->pending_line = 0;
	free(machine);
}

static int take_pair(void *user, const char *section, const char *key, const char *value)
{
	struct ini_state *st = user;
	size_t len = strlen(value), used;

	(void)section; /* inih cuts long names: enter_section() has seen the whole one */
	st->comma = len && value[len - 1] == ',';
	if (st->section == SECTION_OTHER)
		return 1;
	if (!st->continues) {
		flush_pending(st);
		st->pending_line = st->line;
		snprintf(st->key, sizeof(st->key), "%s", key);
		st->value[0] = '\0';
	}
	used = strlen(st->value);
	if (used + len > OPTION_TEXT_MAX && !st->ret)
		fail(st, "the value is longer than %d characters", OPTION_TEXT_MAX);
	else if (!st->ret)
		memcpy(st->value + used, value, len + 1);
	return !st->ret;
}

int option_read_ini(struct options *o, const char *name, const char *text, enum options_source source,
		    const struct options_input *in, struct options_error *err)
{
	struct ini_state st = { .o = o, .err = err, .source = source, .in = in, .text = text };
	int line;

	if (text) {
		snprintf(st.name, sizeof(st.name), "%s", name);
	} else {
		option_quote(st.name, sizeof(st.name), name);
		st.path = name;
		st.file = fopen(name, "re");
		if (!st.file)
			return option_error(err, "%s: cannot open: %s", st.name, strerror(errno));
	}
	line = ini_parse_stream(read_line, &st, take_pair, &st);
	if (st.file)
		fclose(st.file);
	flush_pending(&st);
	/* inih goes on after a bad line; a message of ours about an earlier line is the better one. */
	if (line > 0 && (!st.ret || (unsigned int)line < st.failed_line))
		return option_error(err, "%s:%d: neither a section, nor KEY = VALUE, nor a comment", st.name, line);
	return line < 0 ? -ENOMEM : st.ret;
}
