/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options_parse.c - one option's value: text to number and back, with integer arithmetic only
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bench/options_table.h"

static const struct time_unit {
	const char *name;
	uint64_t ps;
	unsigned int digits; /* after the point, down to one picosecond */
} time_units[] = {
	{ "ps", 1, 0 },
	{ "ns", 1000, 3 },
	{ "us", 1000000, 6 },
	{ "ms", 1000000000, 9 },
	{ "s", 1000000000000ULL, 12 },
};

#define TIME_UNITS (sizeof(time_units) / sizeof(time_units[0]))

static const struct time_unit *find_time_unit(const char *name)
{
	for (size_t i = 0; i < TIME_UNITS; i++) {
		if (!strcmp(time_units[i].name, name))
			return &time_units[i];
	}
	return NULL;
}

/* @ps in @unit, exactly, without trailing zeros. */
static const char *format_time_in(char *buf, size_t size, uint64_t ps, const struct time_unit *unit)
{
	int used = snprintf(buf, size, "%" PRIu64, ps / unit->ps);

	assert(size >= 32);
	if (ps % unit->ps) {
		used += snprintf(buf + used, size - used, ".%0*" PRIu64, (int)unit->digits, ps % unit->ps);
		while (buf[used - 1] == '0')
			used--;
	}
	snprintf(buf + used, size - used, "%s", unit->name);
	return buf;
}

const char *options_format_time(char *buf, size_t size, uint64_t ps)
{
	size_t i = TIME_UNITS - 1;

	while (ps && ps < time_units[i].ps)
		i--;
	return format_time_in(buf, size, ps, &time_units[i]);
}

const char *option_format_size(char *buf, size_t size, uint64_t bytes)
{
	const char *suffix = "";

	for (const char *s = "kMG"; *s && bytes && bytes % 1024 == 0; s++) {
		bytes /= 1024;
		suffix = s;
	}
	snprintf(buf, size, "%" PRIu64 "%.1s", bytes, suffix);
	return buf;
}

const char *option_print_range(unsigned int id, char *buf, size_t size)
{
	const struct option_row *row = option_row(id);
	const struct time_unit *unit;
	char lo[32], hi[32];

	assert(size >= 96);
	switch (row->kind) {
	case OPTION_KIND_U64:
	case OPTION_KIND_PCT:
		snprintf(buf, size, "%" PRIu64 " to %" PRIu64, row->lo, row->hi);
		break;
	case OPTION_KIND_SIZE:
		snprintf(buf, size, "%s to %s", option_format_size(lo, sizeof(lo), row->lo),
			 option_format_size(hi, sizeof(hi), row->hi));
		break;
	case OPTION_KIND_TIME:
		unit = find_time_unit(row->unit);
		snprintf(buf, size, "%s to %s", format_time_in(lo, sizeof(lo), row->lo, unit),
			 format_time_in(hi, sizeof(hi), row->hi, unit));
		break;
	default:
		buf[0] = '\0';
	}
	return buf;
}

/* *@v = *@v * @factor + @add, or false if that is 2^64 or more. */
static bool scale(uint64_t *v, uint64_t factor, uint64_t add)
{
	return !__builtin_mul_overflow(*v, factor, v) && !__builtin_add_overflow(*v, add, v);
}

/* Read the decimal digits at *@s, at least one, and step over them. *@fits: the number is below 2^64. */
static bool read_digits(const char **s, uint64_t *v, bool *fits)
{
	const char *start = *s;

	*v = 0;
	for (; isdigit((unsigned char)**s); ++*s)
		*fits = *fits && scale(v, 10, **s - '0');
	return *s > start;
}

static int refuse_range(unsigned int id, const struct option_setting *s, struct options_error *err,
			const char *what)
{
	char range[96];

	return option_refuse(err, s, "%s: allowed %s", what, option_print_range(id, range, sizeof(range)));
}

/* What is wrong with a text that does not begin with a digit. */
static int refuse_start(unsigned int id, const struct option_setting *s, struct options_error *err)
{
	bool negative = s->value[0] == '-' && isdigit((unsigned char)s->value[1]);

	return refuse_range(id, s, err, negative ? "negative" : "not a number");
}

/* *@fits becomes false where the number is 2^64 or more; the row's range is option_parse_number()'s business. */
static int parse_whole(unsigned int id, const struct option_setting *s, uint64_t *v, bool *fits,
		       struct options_error *err)
{
	const char *p = s->value;

	if (!read_digits(&p, v, fits))
		return refuse_start(id, s, err);
	if (*p)
		return refuse_range(id, s, err, "not a whole number");
	return 0;
}

static int parse_size(unsigned int id, const struct option_setting *s, uint64_t *v, bool *fits,
		      struct options_error *err)
{
	static const char suffixes[] = "kmg";
	const char *p = s->value, *suffix;

	if (!read_digits(&p, v, fits))
		return refuse_start(id, s, err);
	if (*p) {
		suffix = strchr(suffixes, tolower((unsigned char)*p));
		if (!suffix || p[1])
			return refuse_range(id, s, err, "not a whole number of bytes, k, M or G");
		*fits = *fits && scale(v, 1ULL << (10 * (suffix - suffixes + 1)), 0);
	}
	return 0;
}

/* The picoseconds in the @len digits after the point, or false if they are not whole. */
static bool fraction_ps(const char *digits, size_t len, const struct time_unit *unit, uint64_t *ps)
{
	while (len && digits[len - 1] == '0')
		len--;
	if (len > unit->digits)
		return false;
	*ps = 0;
	for (size_t i = 0; i < unit->digits; i++)
		*ps = *ps * 10 + (i < len ? digits[i] - '0' : 0);
	return true;
}

static int parse_time(unsigned int id, const struct option_setting *s, uint64_t *v, bool *fits,
		      struct options_error *err)
{
	const char *p = s->value, *fraction = NULL;
	const struct time_unit *unit;
	uint64_t fraction_v, ps = 0;
	size_t fraction_len = 0;
	bool ignored = true;

	if (!read_digits(&p, v, fits))
		return refuse_start(id, s, err);
	if (*p == '.') {
		fraction = ++p;
		if (!read_digits(&p, &fraction_v, &ignored))
			return refuse_range(id, s, err, "no digit after the point");
		fraction_len = p - fraction;
	}
	unit = find_time_unit(*p ? p : option_row(id)->unit);
	if (!unit)
		return option_refuse(err, s, "not a time: a number, then ps, ns, us, ms or s (none means %s)",
				     option_row(id)->unit);
	if (fraction && !fraction_ps(fraction, fraction_len, unit, &ps))
		return option_refuse(err, s, "finer than a picosecond");
	*fits = *fits && scale(v, unit->ps, ps);
	return 0;
}

int option_parse_number(unsigned int id, const struct option_setting *s, bool in_range, uint64_t *v,
			struct options_error *err)
{
	const struct option_row *row = option_row(id);
	bool fits = true;
	int ret;

	if (row->kind == OPTION_KIND_TIME)
		ret = parse_time(id, s, v, &fits, err);
	else if (row->kind == OPTION_KIND_SIZE)
		ret = parse_size(id, s, v, &fits, err);
	else
		ret = parse_whole(id, s, v, &fits, err);
	if (!ret && (!fits || (in_range && (*v < row->lo || *v > row->hi))))
		return refuse_range(id, s, err, "out of range");
	return ret;
}

static int parse_bool(const struct option_setting *s, bool *v, struct options_error *err)
{
	static const char *const words[][2] = {
		{ "no", "yes" }, { "0", "1" }, { "false", "true" }, { "off", "on" }
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (int truth = 0; truth < 2; truth++) {
			if (!strcmp(s->value, words[i][truth])) {
				*v = truth;
				return 0;
			}
		}
	}
	return option_refuse(err, s, "neither yes nor no (nor 1, 0, true, false, on or off)");
}

static int parse_enum(unsigned int id, const struct option_setting *s, uint64_t *v, struct options_error *err)
{
	const char *const *values = option_row(id)->values;
	struct option_guess guess;
	char all[128], hint[128];
	size_t used = 0;

	option_guess_init(&guess, s->value);
	for (unsigned int i = 0; values[i]; i++) {
		if (!strcmp(s->value, values[i])) {
			*v = i;
			return 0;
		}
		option_guess_try(&guess, values[i]);
		used += snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", values[i]);
		assert(used < sizeof(all));
	}
	/* As the kernel's tool spells it. */
	if (id == OPTION_map_dir && s->value[0] >= '0' && s->value[0] <= '2' && !s->value[1]) {
		*v = (uint64_t)(s->value[0] - '0');
		return 0;
	}
	return option_refuse(err, s, "not one of %s%s%s", all, id == OPTION_map_dir ? ", 0, 1, 2" : "",
			     option_guess_text(&guess, hint, sizeof(hint), ""));
}

/* One element of a list, decimal or with 0x; @len characters of @s. */
static bool parse_element(const char *s, size_t len, uint64_t *v)
{
	unsigned int base = 10, digit;
	size_t i = 0;

	if (len > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		i = 2;
	}
	*v = 0;
	for (; i < len; i++) {
		if (!isxdigit((unsigned char)s[i]))
			return false;
		digit = isdigit((unsigned char)s[i]) ? s[i] - '0' : tolower((unsigned char)s[i]) - 'a' + 10;
		if (digit >= base || !scale(v, base, digit))
			return false;
	}
	return len > 0;
}

static int parse_list(unsigned int id, const struct option_setting *s, struct options_list *list,
		      struct options_error *err)
{
	const char *p = s->value;
	char element[48];

	list->count = 0;
	for (;; p++) {
		size_t len = strcspn(p, ",");

		if (list->count == option_row(id)->hi)
			return option_refuse(err, s, "more than %u values", list->count);
		if (!parse_element(p, len, &list->v[list->count])) {
			char copy[32];

			snprintf(copy, sizeof(copy), "%.*s", len < sizeof(copy) ? (int)len : (int)sizeof(copy) - 1,
				 p);
			return option_refuse(
				err, s,
				"value %u, %s, is not a 64-bit number: allowed 0 to 0xffffffffffffffff, "
				"decimal or with 0x, separated by commas alone",
				list->count + 1, option_quote(element, sizeof(element), copy));
		}
		list->count++;
		p += len;
		if (!*p)
			return 0;
	}
}

char *option_next_word(char **text)
{
	char *word, *to, *from;
	bool quoted = false;

	*text += strspn(*text, " \t");
	if (!**text)
		return NULL;
	word = to = from = *text;
	for (; *from && (quoted || !isblank((unsigned char)*from)); from++) {
		if (*from == '"')
			quoted = !quoted;
		else
			*to++ = *from;
	}
	*text = *from ? from + 1 : from;
	*to = '\0';
	return word;
}

size_t option_piece(const char *s)
{
	size_t len = strlen(s), best = 0;

	if (len <= OPTION_PIECE_MAX)
		return len;
	/* A line may go on after a comma, but not with a blank or what would begin a comment. */
	for (size_t i = 0; i < OPTION_PIECE_MAX; i++) {
		if (s[i] == ',' && isalnum((unsigned char)s[i + 1]))
			best = i + 1;
	}
	return best;
}

/* The length of the UTF-8 sequence at @s, as RFC 3629 has it, or 0. */
static size_t utf8_length(const unsigned char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;
	uint32_t code = len > 1 ? *s & (0x7f >> len) : *s;

	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (len && (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)))
		return 0;
	return len;
}

bool option_is_utf8(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	for (size_t len; *p; p += len) {
		len = utf8_length(p);
		if (!len)
			return false;
	}
	return true;
}

/* Texts must survive --show-config, so nothing that inih would strip, cut or take for a comment; and JSON. */
static int check_text(const struct option_setting *s, struct options_error *err)
{
	size_t len = strlen(s->value), piece;

	if (isblank((unsigned char)s->value[0]) || isblank((unsigned char)s->value[len - 1]))
		return option_refuse(err, s, "begins or ends with a blank");
	if (s->value[0] == ';' || strstr(s->value, " ;"))
		return option_refuse(err, s, "has a semicolon where an INI file has a comment");
	if (!option_is_utf8(s->value))
		return option_refuse(err, s, "not UTF-8");
	for (const char *p = s->value; *p; p += piece) {
		piece = option_piece(p);
		if (!piece)
			return option_refuse(err, s, "longer than %d characters without a comma", OPTION_PIECE_MAX);
	}
	return 0;
}

static int parse_text(unsigned int id, const struct option_setting *s, char **text, struct options_error *err)
{
	int ret;

	for (const char *p = s->value; *p; p++) {
		if (iscntrl((unsigned char)*p))
			return option_refuse(err, s, "has a control character");
	}
	ret = option_in_ini(id) ? check_text(s, err) : 0;
	if (ret)
		return ret;
	*text = strdup(s->value);
	return *text ? 0 : -ENOMEM;
}

int option_parse_value(unsigned int id, const struct option_setting *s, union option_value *v,
		       struct options_error *err)
{
	if (!s->value[0])
		return option_refuse(err, s, "the value is empty");
	if (strlen(s->value) > OPTION_TEXT_MAX)
		return option_refuse(err, s, "longer than %d characters", OPTION_TEXT_MAX);
	switch (option_row(id)->kind) {
	case OPTION_KIND_U64:
	case OPTION_KIND_PCT:
	case OPTION_KIND_SIZE:
	case OPTION_KIND_TIME:
		return option_parse_number(id, s, true, &v->number, err);
	case OPTION_KIND_ENUM:
		return parse_enum(id, s, &v->number, err);
	case OPTION_KIND_BOOL:
	case OPTION_KIND_FLAG:
		return parse_bool(s, &v->boolean, err);
	case OPTION_KIND_HEXL:
		return parse_list(id, s, &v->list, err);
	case OPTION_KIND_STR:
	case OPTION_KIND_STRL:
		return parse_text(id, s, &v->text, err);
	}
	assert(!"unknown kind");
	return -EINVAL;
}
