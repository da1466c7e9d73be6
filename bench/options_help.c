/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options_help.c - the options described: --help, the manual page, completion for bash
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "bench/options_table.h"

#define HELP_WIDTH 100
#define HELP_INDENT 30

#define COLOR_TITLE "\033[1m"
#define COLOR_FLAG "\033[36m"
#define COLOR_OFF "\033[0m"

/* What is not a row, but belongs to every subcommand. */
static const struct {
	const char *flag;
	const char *help;
} extra_flags[] = { { "-h, --help", "print this and stop" }, { "--version", "print the version and stop" } };

#define EXTRA_FLAGS (sizeof(extra_flags) / sizeof(extra_flags[0]))

/* "-c, " or "" */
static const char *short_flag(unsigned int id, char *buf, size_t size)
{
	const struct option_short *s = option_shorts;

	buf[0] = '\0';
	for (; s->letter; s++)
		if (s->id == id)
			snprintf(buf, size, "-%c, ", s->letter);
	return buf;
}

/* What stands for the value of an option: "N", "TIME", "shared|separate". */
static const char *placeholder(unsigned int id, char *buf, size_t size)
{
	const struct option_row *row = option_row(id);
	size_t used = 0;

	switch (row->kind) {
	case OPTION_KIND_U64:
		return "N";
	case OPTION_KIND_PCT:
		return "PERCENT";
	case OPTION_KIND_SIZE:
		return "SIZE";
	case OPTION_KIND_TIME:
		return "TIME";
	case OPTION_KIND_HEXL:
		return "N,...";
	case OPTION_KIND_STR:
		return id == OPTION_output ? "FILE" : id == OPTION_from ? "DIR" : "TEXT";
	case OPTION_KIND_STRL:
		return id == OPTION_config ? "FILE" : "KEY=VALUE";
	case OPTION_KIND_BOOL:
	case OPTION_KIND_FLAG:
		return "";
	case OPTION_KIND_ENUM:
		break;
	}
	for (unsigned int i = 0; row->values[i]; i++)
		used += snprintf(buf + used, size - used, "%s%s", i ? "|" : "", row->values[i]);
	assert(used < size);
	return buf;
}

/* "-c, --config FILE", "--[no-]ats" */
static void print_usage(unsigned int id, char *buf, size_t size)
{
	const char *value;
	option_flag_t flag;
	char buf_value[128], buf_short[8];

	option_flag_name(id, flag);
	value = placeholder(id, buf_value, sizeof(buf_value));
	if (option_row(id)->kind == OPTION_KIND_BOOL)
		snprintf(buf, size, "--[no-]%s", flag + 2);
	else
		snprintf(buf, size, "%s%s%s%s", short_flag(id, buf_short, sizeof(buf_short)), flag,
			 *value ? " " : "", value);
}

static size_t append(char *buf, size_t size, size_t used, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Add to the parts in @buf, separated by semicolons. */
static size_t append(char *buf, size_t size, size_t used, const char *fmt, ...)
{
	va_list args;

	if (used)
		used += snprintf(buf + used, size - used, "; ");
	va_start(args, fmt);
	used += vsnprintf(buf + used, size - used, fmt, args);
	va_end(args);
	assert(used < size);
	return used;
}

/* "default 60ms; 0.0001s to 1000s; source F8", of a struct options that holds the defaults. */
static void print_facts(const struct options *defaults, unsigned int id, char *buf, size_t size)
{
	const struct option_plausible *plausible = option_plausible(id);
	const struct option_row *row = option_row(id);
	char value[OPTION_PRINT_MAX], range[96];
	size_t used = 0;

	buf[0] = '\0';
	if (row->kind == OPTION_KIND_STRL)
		used = append(buf, size, used, "may be given more than once");
	else if (row->kind != OPTION_KIND_FLAG && row->fallback[0])
		used = append(buf, size, used, "default %s", option_print(defaults, id, value, sizeof(value)));
	if (*option_print_range(id, range, sizeof(range)))
		used = append(buf, size, used, "%s", range);
	if (plausible)
		used = append(buf, size, used, "plausible %s to %s%s%s", plausible->lo, plausible->hi,
			      *plausible->note ? ", " : "", plausible->note);
	if (row->kind == OPTION_KIND_TIME)
		used = append(buf, size, used, "without a unit: %s", row->unit);
	if (row->source[0])
		append(buf, size, used, "source %s", row->source);
}

/* @text in lines that begin at HELP_INDENT and end before HELP_WIDTH. The first is already indented. */
static void print_wrapped(FILE *f, const char *text)
{
	const size_t width = HELP_WIDTH - HELP_INDENT;
	size_t len;

	while (strlen(text) > width) {
		len = width;
		while (len && text[len] != ' ')
			len--;
		if (!len)
			len = strcspn(text, " ");
		fprintf(f, "%.*s\n", (int)len, text);
		text += len + strspn(text + len, " ");
		if (*text)
			fprintf(f, "%*s", HELP_INDENT, "");
	}
	if (*text)
		fprintf(f, "%s\n", text);
}

static void help_entry(FILE *f, const char *usage, const char *help, const char *facts, bool color)
{
	/* Long options without a short one line up with those that have one. */
	int column = fprintf(f, "  %s", usage[1] == '-' ? "    " : "");

	fprintf(f, "%s%s%s", color ? COLOR_FLAG : "", usage, color ? COLOR_OFF : "");
	column += strlen(usage);
	if (column > HELP_INDENT - 2)
		fprintf(f, "\n%*s", HELP_INDENT, "");
	else
		fprintf(f, "%*s", HELP_INDENT - column, "");
	print_wrapped(f, help);
	if (*facts) {
		fprintf(f, "%*s", HELP_INDENT, "");
		print_wrapped(f, facts);
	}
}

static void help_title(FILE *f, const char *title, bool first, bool color)
{
	fprintf(f, "%s%s%s:%s\n", first ? "" : "\n", color ? COLOR_TITLE : "", title, color ? COLOR_OFF : "");
}

int options_help(FILE *f, unsigned int scope, bool color)
{
	const char *section = "";
	struct options defaults;
	int ret = options_init(&defaults);

	if (ret)
		return ret;
	option_scope_defaults(&defaults, scope);
	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		char usage[192], facts[512], bracketed[520] = "";

		if (!(option_row(id)->scope & scope))
			continue;
		if (strcmp(section, option_section(id)))
			help_title(f, option_section(id), !*section, color);
		section = option_section(id);
		print_usage(id, usage, sizeof(usage));
		print_facts(&defaults, id, facts, sizeof(facts));
		if (*facts)
			snprintf(bracketed, sizeof(bracketed), "[%s]", facts);
		help_entry(f, usage, option_row(id)->help, bracketed, color);
	}
	help_title(f, "General", false, color);
	for (size_t i = 0; i < EXTRA_FLAGS; i++)
		help_entry(f, extra_flags[i].flag, extra_flags[i].help, "", color);
	options_free(&defaults);
	return ferror(f) ? -EIO : 0;
}

/* Text that groff shall take as it is: a hyphen is a minus, a backslash no escape, a leading dot no request. */
static void man_text(FILE *f, const char *s)
{
	if (*s == '.' || *s == '\'')
		fputs("\\&", f);
	for (; *s; s++) {
		if (*s == '-')
			fputs("\\-", f);
		else if (*s == '\\')
			fputs("\\e", f);
		else
			fputc(*s, f);
	}
}

static void man_entry(FILE *f, const char *usage, const char *help, const char *facts, const char *scopes)
{
	fputs(".TP\n.B ", f);
	/* A quoted macro argument keeps its blanks. */
	fputc('"', f);
	man_text(f, usage);
	fputs("\"\n", f);
	man_text(f, help);
	fputc('\n', f);
	if (*facts) {
		fputs(".br\n", f);
		man_text(f, facts);
		fputc('\n', f);
	}
	if (*scopes) {
		fputs(".br\n", f);
		man_text(f, "subcommands: ");
		man_text(f, scopes);
		fputc('\n', f);
	}
}

int options_man(FILE *f)
{
	const char *section = "";
	struct options defaults;
	int ret = options_init(&defaults);

	if (ret)
		return ret;
	fputs(".SH OPTIONS\n", f);
	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		char usage[192], facts[512], scopes[128] = "";

		if (strcmp(section, option_section(id))) {
			section = option_section(id);
			fputs(".SS \"", f);
			man_text(f, section);
			fputs("\"\n", f);
		}
		print_usage(id, usage, sizeof(usage));
		print_facts(&defaults, id, facts, sizeof(facts));
		if (option_row(id)->scope != S_ALL)
			options_scope_names(option_row(id)->scope, scopes, sizeof(scopes));
		man_entry(f, usage, option_row(id)->help, facts, scopes);
	}
	fputs(".SS \"General\"\n", f);
	for (size_t i = 0; i < EXTRA_FLAGS; i++)
		man_entry(f, extra_flags[i].flag, extra_flags[i].help, "", "");
	options_free(&defaults);
	return ferror(f) ? -EIO : 0;
}

/* The flags of one subcommand, as words for compgen. */
static void completion_flags(FILE *f, unsigned int scope)
{
	option_flag_t flag;

	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		if (!(option_row(id)->scope & scope))
			continue;
		fprintf(f, "%s ", option_flag_name(id, flag));
		if (option_row(id)->kind == OPTION_KIND_BOOL)
			fprintf(f, "--no-%s ", flag + 2);
	}
	fputs("--help --version", f);
}

/* One branch per option whose values can be listed. A BOOL has its value after an equals sign or not at all. */
static void completion_values(FILE *f)
{
	option_flag_t flag;

	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		const struct option_row *row = option_row(id);

		if (row->kind == OPTION_KIND_BOOL)
			fprintf(f, "\t%s) [[ $equals ]] && words=\"yes no\" ;;\n", option_flag_name(id, flag));
		if (row->kind != OPTION_KIND_ENUM)
			continue;
		fprintf(f, "\t%s) words=\"", option_flag_name(id, flag));
		for (unsigned int i = 0; row->values[i]; i++)
			fprintf(f, "%s%s", i ? " " : "", row->values[i]);
		fputs("\" ;;\n", f);
	}
}

/* One branch for files, and one for what nobody can list: there, a flag would be wrong. */
static void completion_other_values(FILE *f)
{
	const char *separator = "";
	option_flag_t flag;

	fputs("\t-c | -o | --config | --output | --machine)\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	      "\t\treturn ;;\n"
	      "\t",
	      f);
	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		enum option_kind kind = option_row(id)->kind;

		if (kind == OPTION_KIND_BOOL || kind == OPTION_KIND_FLAG || kind == OPTION_KIND_ENUM ||
		    id == OPTION_config || id == OPTION_output || id == OPTION_machine)
			continue;
		fprintf(f, "%s%s", separator, option_flag_name(id, flag));
		separator = " | ";
	}
	fputs(") return ;;\n", f);
}

int options_bash_completion(FILE *f)
{
	char name[128];

	fputs("# bash completion for simbench\n"
	      "_simbench()\n"
	      "{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words='' equals=''\n"
	      "\n"
	      "\tCOMPREPLY=()\n"
	      "\t# bash makes a word of its own of the sign in --flag=value\n"
	      "\tif [[ $cur == = ]]; then\n"
	      "\t\tcur='' equals=1\n"
	      "\telif [[ $prev == = ]] && ((COMP_CWORD >= 2)); then\n"
	      "\t\tprev=${COMP_WORDS[COMP_CWORD - 2]} equals=1\n"
	      "\tfi\n"
	      "\tcase $prev in\n",
	      f);
	completion_values(f);
	completion_other_values(f);
	fputs("\tesac\n"
	      "\tif [[ -z $words ]] && ((COMP_CWORD == 1)); then\n"
	      "\t\twords=\"",
	      f);
	for (unsigned int bit = 1; bit & S_ALL; bit <<= 1)
		fprintf(f, "%s ", options_scope_names(bit, name, sizeof(name)));
	fputs("--help --version\"\n"
	      "\telif [[ -z $words ]]; then\n"
	      "\t\tcase ${COMP_WORDS[1]} in\n",
	      f);
	for (unsigned int bit = 1; bit & S_ALL; bit <<= 1) {
		fprintf(f, "\t\t%s)\n\t\t\twords=\"", options_scope_names(bit, name, sizeof(name)));
		completion_flags(f, option_scope_takes(bit));
		fputs("\" ;;\n", f);
	}
	fputs("\t\tesac\n"
	      "\tfi\n"
	      "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	      "}\n"
	      "complete -F _simbench simbench\n",
	      f);
	return ferror(f) ? -EIO : 0;
}
