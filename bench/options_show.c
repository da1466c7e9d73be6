/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options_show.c - effective options written out: as an INI file that gives them again, and as JSON
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include "bench/options_table.h"

/* A value and its origin share a line up to this width; inih takes no more than 198 characters. */
#define SHOW_WIDTH 116

/* The value, broken after commas where a line of an INI file ends. */
static void show_value(FILE *f, const char *value)
{
	size_t piece;

	for (; *value; value += piece) {
		piece = option_piece(value);
		assert(piece);
		fprintf(f, "%.*s%s", (int)piece, value, value[piece] ? "\n\t" : "");
	}
}

static void show_option(FILE *f, const struct options *o, unsigned int id)
{
	const char *name = option_row(id)->name;
	char buf[OPTION_PRINT_MAX], origin[120];
	const char *value = option_print(o, id, buf, sizeof(buf));
	size_t width = strlen(name) + strlen(value) + 3;

	snprintf(origin, sizeof(origin), "%s", options_origin(o, id));
	if (!*value) {
		fprintf(f, "; %s is not set\n", name);
		return;
	}
	if (!option_in_ini(id)) {
		fprintf(f, "; %s = %.*s, a flag only ; %s\n", name, OPTION_PIECE_MAX / 2, value, origin);
		return;
	}
	if (width + 3 + strlen(origin) > SHOW_WIDTH) {
		fprintf(f, "; %s:\n%s = ", origin, name);
		show_value(f, value);
		fputc('\n', f);
	} else {
		fprintf(f, "%s = %s%*s ; %s\n", name, value, width < 40 ? (int)(40 - width) : 0, "", origin);
	}
}

int options_show_config(FILE *f, const struct options *o)
{
	const char *section = "";
	char scopes[128];

	fprintf(f, "; every effective option of %s; at the end of the line where it came from\n[simbench]\n",
		options_scope_names(o->scope, scopes, sizeof(scopes)));
	for (unsigned int id = 0; id < OPTION_COUNT; id++) {
		const struct option_row *row = option_row(id);

		if (!(row->scope & o->scope) || row->kind == OPTION_KIND_STRL || row->kind == OPTION_KIND_FLAG)
			continue;
		if (strcmp(section, option_section(id))) {
			section = option_section(id);
			fprintf(f, "\n; %s\n", section);
		}
		show_option(f, o, id);
	}
	return ferror(f) ? -EIO : 0;
}

static json_t *list_to_json(const struct options_list *list)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < list->count && array; i++) {
		char hex[24];

		snprintf(hex, sizeof(hex), "0x%" PRIx64, list->v[i]);
		/* json_array_append_new() takes a failed json_string() for an error too. */
		if (json_array_append_new(array, json_string(hex))) {
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}

json_t *option_to_json(const struct options *o, unsigned int id)
{
	char buf[OPTION_PRINT_MAX];

	switch (option_row(id)->kind) {
	case OPTION_KIND_U64:
	case OPTION_KIND_PCT:
	case OPTION_KIND_SIZE:
		if (option_number(o, id) <= INT64_MAX)
			return json_integer((json_int_t)option_number(o, id));
		return json_string(option_print(o, id, buf, sizeof(buf)));
	case OPTION_KIND_BOOL:
	case OPTION_KIND_FLAG:
		return json_boolean(option_boolean(o, id));
	case OPTION_KIND_HEXL:
		return list_to_json(option_list(o, id));
	case OPTION_KIND_TIME:
	case OPTION_KIND_ENUM:
	case OPTION_KIND_STR:
		return json_string(option_print(o, id, buf, sizeof(buf)));
	case OPTION_KIND_STRL:
		break;
	}
	assert(!"lists of texts are all in the section Output");
	return NULL;
}

json_t *options_to_json(const struct options *o, unsigned int scope)
{
	json_t *object = json_object();

	for (unsigned int id = 0; id < OPTION_COUNT && object; id++) {
		const struct option_row *row = option_row(id);

		if (!(row->scope & scope) || !strcmp(option_section(id), "Output"))
			continue;
		if (json_object_set_new(object, row->name, option_to_json(o, id))) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}
