/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options_error.c - messages about options: where, what was given, what was probably meant
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "bench/options_table.h"

/* Names and values longer than this are never a slip of one of ours. */
#define GUESS_MAX 48

int option_error(struct options_error *err, const char *fmt, ...)
{
	va_list args;

	if (err) {
		va_start(args, fmt);
		vsnprintf(err->msg, sizeof(err->msg), fmt, args);
		va_end(args);
	}
	return -EINVAL;
}

/* One character of a quoted text, escaped so that it can do nothing to a terminal. */
static size_t quote_char(char *buf, unsigned char c)
{
	if (c == '"' || c == '\\')
		return sprintf(buf, "\\%c", c);
	if (c < ' ' || c == 0x7f)
		return sprintf(buf, "\\x%02x", c);
	*buf = c;
	return 1;
}

const char *option_quote(char *buf, size_t size, const char *s)
{
	bool quoted = !*s;
	char *end = buf;

	assert(size >= 32);
	for (const char *p = s; *p && !quoted; p++)
		quoted = (unsigned char)*p <= ' ' || *p == 0x7f || *p == '"' || *p == '\\';
	if (quoted)
		*end++ = '"';
	/* Beside the next character there must be room for "...", the closing quote and the NUL. */
	for (; *s && end - buf + 4 + 5 <= (ptrdiff_t)size; s++) {
		if (quoted)
			end += quote_char(end, *s);
		else
			*end++ = *s;
	}
	if (*s)
		end += sprintf(end, "...");
	if (quoted)
		*end++ = '"';
	*end = '\0';
	return buf;
}

/* "--devices 5000", "--set devices=5000", "file:12: devices = 5000" or "devices = 5000". */
static void print_location(char *buf, size_t size, const struct option_setting *s)
{
	char key[64], value[80];

	option_quote(key, sizeof(key), s->key);
	option_quote(value, sizeof(value), s->value ? s->value : "");
	if (s->source == OPTIONS_FLAG)
		snprintf(buf, size, "%s%s%s", s->where, s->value ? " " : "", s->value ? value : "");
	else if (s->where && s->where[0] == '-')
		snprintf(buf, size, "%s %s%s%s", s->where, key, s->value ? "=" : "", s->value ? value : "");
	else
		snprintf(buf, size, "%s%s%s%s%s", s->where ? s->where : "", s->where ? ": " : "", key,
			 s->value ? " = " : "", s->value ? value : "");
}

int option_refuse(struct options_error *err, const struct option_setting *s, const char *fmt, ...)
{
	char location[512];
	va_list args;
	int used;

	if (!err)
		return -EINVAL;
	print_location(location, sizeof(location), s);
	used = snprintf(err->msg, sizeof(err->msg), "%s: ", location);
	va_start(args, fmt);
	vsnprintf(err->msg + used, sizeof(err->msg) - used, fmt, args);
	va_end(args);
	return -EINVAL;
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Dashes and underscores are the same here: which of them a name has depends on where it stands. */
static bool same_char(char a, char b)
{
	return a == b || (strchr("-_", a) && strchr("-_", b));
}

/*
 * Damerau-Levenshtein distance (optimal string alignment): insertions, deletions, replacements and swaps of
 * neighbours that make @a into @b. Both at most GUESS_MAX long.
 */
static unsigned int edit_distance(const char *a, const char *b)
{
	unsigned int row[3][GUESS_MAX + 1];
	size_t len_a = strlen(a), len_b = strlen(b);

	for (size_t j = 0; j <= len_b; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= len_a; i++) {
		unsigned int *now = row[i % 3], *prev = row[(i + 2) % 3], *prev2 = row[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= len_b; j++) {
			bool same = same_char(a[i - 1], b[j - 1]);

			now[j] = min3(prev[j] + 1, now[j - 1] + 1, prev[j - 1] + !same);
			if (i > 1 && j > 1 && same_char(a[i - 1], b[j - 2]) && same_char(a[i - 2], b[j - 1]) &&
			    prev2[j - 2] + 1 < now[j])
				now[j] = prev2[j - 2] + 1;
		}
	}
	return row[len_a % 3][len_b];
}

void option_guess_init(struct option_guess *g, const char *given)
{
	*g = (struct option_guess){ .given = given };
	/* The longer the word, the more slips still leave it recognisable. The bound is exclusive. */
	g->distance = strlen(given) <= 3 ? 2 : strlen(given) <= 6 ? 3 : 4;
}

void option_guess_try(struct option_guess *g, const char *candidate)
{
	size_t len = strlen(g->given);
	unsigned int distance;

	if (len > GUESS_MAX || strlen(candidate) > GUESS_MAX)
		return;
	distance = edit_distance(g->given, candidate);
	/* The beginning of a name counts as one slip, however much is missing. */
	if (distance > 1 && len >= 3 && !strncmp(g->given, candidate, len))
		distance = 1;
	if (distance < g->distance) {
		g->distance = distance;
		g->best = candidate;
	}
}

const char *option_guess_text(const struct option_guess *g, char *buf, size_t size, const char *prefix)
{
	if (g->best)
		snprintf(buf, size, ": did you mean %s%s?", prefix, g->best);
	else
		buf[0] = '\0';
	return buf;
}
