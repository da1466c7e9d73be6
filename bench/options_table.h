/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options_table.h - options.def as data, and what the option files share; not for others
 */
#ifndef SIMBENCH_OPTIONS_TABLE_H
#define SIMBENCH_OPTIONS_TABLE_H

#include "bench/options.h"

enum option_kind {
	OPTION_KIND_U64,
	OPTION_KIND_PCT,
	OPTION_KIND_SIZE,
	OPTION_KIND_TIME,
	OPTION_KIND_BOOL,
	OPTION_KIND_ENUM,
	OPTION_KIND_HEXL,
	OPTION_KIND_STR,
	OPTION_KIND_STRL,
	OPTION_KIND_FLAG,
};

struct option_row {
	const char *name;     /* as in an INI file, with underscores */
	const char *fallback; /* default, as a user would write it; "" for none */
	const char *source;   /* facts tag, "assumed" or "" */
	const char *help;
	const char *unit;	   /* TIME: unit of a bare number and of the range in messages */
	const char *const *values; /* ENUM: names, NULL-terminated, indexed by constant */
	uint64_t lo, hi;	   /* U64, PCT, SIZE, TIME: inclusive range; HEXL: hi is the largest count */
	size_t offset;		   /* of the member in struct options */
	enum option_kind kind;
	unsigned int scope;
};

/* Over which values a default that is assumed or fitted is plausible, as a user would write them. */
struct option_plausible {
	const char *lo, *hi;
	const char *note; /* what the bounds stand for, or "" */
};

/* Names are at most this long, so that inih (49 characters) and the flag buffers hold them; tested. */
#define OPTION_NAME_MAX 40

/* Longest value, from whatever source. */
#define OPTION_TEXT_MAX 8191

/* Longest piece of a value between two commas: what fits on a line of an INI file beside the key. */
#define OPTION_PIECE_MAX 150

/* A row's second, shorter name. */
struct option_short {
	char letter;
	unsigned int id;
	unsigned int scope; /* the subcommands that know it */
};

/* Room for any value but a text, printed. */
#define OPTION_PRINT_MAX 2048

/* A flag's name with its dashes, "--no-" included. */
typedef char option_flag_t[OPTION_NAME_MAX + 8];

/* One value parsed and not yet stored. */
union option_value {
	uint64_t number; /* U64, PCT, SIZE, TIME, and ENUM as its constant */
	bool boolean;	 /* BOOL, FLAG */
	struct options_list list;
	char *text; /* STR, STRL: owned */
};

/* A value as somebody gave it. */
struct option_setting {
	const char *key;
	const char *value; /* NULL: there is none to show */
	enum options_source source;
	const char *where;  /* for messages: "--flag", "--set", "file:line", or NULL */
	const char *origin; /* for options_origin() */
};

/* --- options.c --- */
const struct option_row *option_row(unsigned int id);
/* Title of the row's section. */
const char *option_section(unsigned int id);
/* NULL where no range is known. */
const struct option_plausible *option_plausible(unsigned int id);
/* The row's number, or OPTION_COUNT. */
unsigned int option_find(const char *name);
/* All the scopes whose options the subcommand of @scope takes: sweep and validate take those of what they run. */
unsigned int option_scope_takes(unsigned int scope);
/* Whether a file or --set may hold it. What only makes sense for one invocation is left to the command line. */
bool option_in_ini(unsigned int id);
/* In @o, where a value is the table's default, the one that @scope has instead. */
void option_scope_defaults(struct options *o, unsigned int scope);
/* All letters, ended by a 0. */
extern const struct option_short option_shorts[];
/* The flag, "--read-occupancy-ns"; returns @flag. */
const char *option_flag_name(unsigned int id, option_flag_t flag);
/* The value in its canonical notation, in @buf of OPTION_PRINT_MAX bytes or in @o; "" when empty. Not for STRL. */
const char *option_print(const struct options *o, unsigned int id, char *buf, size_t size);
/* The member: texts and lists of texts. */
char **option_text(const struct options *o, unsigned int id);
struct options_strings *option_strings(const struct options *o, unsigned int id);
/* The member of a number, or of an ENUM as its constant. */
uint64_t option_number(const struct options *o, unsigned int id);
bool option_boolean(const struct options *o, unsigned int id);
const struct options_list *option_list(const struct options *o, unsigned int id);
/* Parse and store; the row's scope does not matter here. 0, -EINVAL or -ENOMEM; on an error @o is unchanged. */
int option_apply(struct options *o, unsigned int id, const struct option_setting *s, struct options_error *err);
/* As options_set(), with the setting in full. */
int option_set_key(struct options *o, const struct option_setting *s, struct options_error *err);
/* Refuse the option where no scope of @o takes it: 0 or -EINVAL. */
int option_check_scope(const struct options *o, unsigned int id, const struct option_setting *s,
		       struct options_error *err);
int option_strings_append(struct options_strings *list, const char *text);

/* --- options_show.c --- */
/* The value as in options_to_json(). New reference, or NULL when memory ran out. */
struct json_t *option_to_json(const struct options *o, unsigned int id);

/* --- options_parse.c --- */
/* Parse s->value as @id's kind into @v; the caller owns what it holds. 0, -EINVAL or -ENOMEM. */
int option_parse_value(unsigned int id, const struct option_setting *s, union option_value *v,
		       struct options_error *err);
/* The same for the numeric kinds; without @in_range anything below 2^64, as for the step of a range. */
int option_parse_number(unsigned int id, const struct option_setting *s, bool in_range, uint64_t *v,
			struct options_error *err);
/* "1 to 4096", in the row's own unit; "" for what has no range. At least 96 bytes. */
const char *option_print_range(unsigned int id, char *buf, size_t size);
const char *option_format_size(char *buf, size_t size, uint64_t bytes);
/* The next KEY=VALUE of *@text, which is changed, or NULL at the end. Quotes keep blanks together, and go. */
char *option_next_word(char **text);
/* What JSON can hold. */
bool option_is_utf8(const char *s);
/* How much of @s belongs on one line of an INI file, at most OPTION_PIECE_MAX; 0: a piece is longer than that. */
size_t option_piece(const char *s);

/* --- options_error.c --- */
/* Fill in @err, if there is one, and return -EINVAL. */
int option_error(struct options_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, after saying which setting is meant: "--devices 5000: ", "file:12: devices = 5000: ". */
int option_refuse(struct options_error *err, const struct option_setting *s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* @s made safe for a message: quoted if it has blanks or is empty, control characters escaped, cut when long. */
const char *option_quote(char *buf, size_t size, const char *s);

/* The best guess at what somebody meant by a misspelt name. */
struct option_guess {
	const char *given;
	const char *best; /* NULL: nothing is close; else kept by reference */
	unsigned int distance;
};
void option_guess_init(struct option_guess *g, const char *given);
void option_guess_try(struct option_guess *g, const char *candidate);
/* ": did you mean <prefix><best>?" or "", in @buf. */
const char *option_guess_text(const struct option_guess *g, char *buf, size_t size, const char *prefix);

/* --- options_ini.c --- */
/* Read INI text into @o. @text, or if that is NULL the file @name. @in: for its take_pair; may be NULL. */
int option_read_ini(struct options *o, const char *name, const char *text, enum options_source source,
		    const struct options_input *in, struct options_error *err);

/*
 * The name of a machine as it is meant in the INI file @path, or in a text if that is NULL: a relative name of an
 * XML file counts from the file's directory. From malloc(), or NULL when memory ran out or there is no such
 * directory.
 */
char *option_machine_beside(const char *path, const char *machine);

#endif
