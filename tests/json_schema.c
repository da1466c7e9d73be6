/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/json_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* What has been loaded, by name. */
static json_t *loaded;

const json_t *json_schema_load(const char *name)
{
	const json_t *known = json_object_get(loaded, name);
	char path[256];
	json_error_t err;
	json_t *root;

	if (known)
		return known;
	snprintf(path, sizeof(path), "%s/docs/%s", SIMBENCH_SOURCE_DIR, name);
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &err);
	if (!root)
		fail_msg("docs/%s:%d: %s", name, err.line, err.text);
	if (!loaded)
		loaded = json_object();
	assert_int_equal(json_object_set_new(loaded, name, root), 0);
	return root;
}

void json_schema_free_all(void)
{
	json_decref(loaded);
	loaded = NULL;
}

static bool is_type(const json_t *v, const char *type)
{
	if (!strcmp(type, "number"))
		return json_is_number(v);
	if (!strcmp(type, "integer"))
		return json_is_integer(v);
	if (!strcmp(type, "string"))
		return json_is_string(v);
	if (!strcmp(type, "boolean"))
		return json_is_boolean(v);
	if (!strcmp(type, "array"))
		return json_is_array(v);
	if (!strcmp(type, "object"))
		return json_is_object(v);
	assert_string_equal(type, "null");
	return json_is_null(v);
}

static bool valid(const json_t *root, const json_t *schema, const json_t *v);

static bool valid_type(const json_t *types, const json_t *v)
{
	size_t i;

	if (json_is_string(types))
		return is_type(v, json_string_value(types));
	for (i = 0; i < json_array_size(types); i++)
		if (is_type(v, json_string_value(json_array_get(types, i))))
			return true;
	return false;
}

static bool valid_properties(const json_t *root, const json_t *schema, const json_t *v)
{
	const json_t *properties = json_object_get(schema, "properties");
	const json_t *others = json_object_get(schema, "additionalProperties"), *value;
	const char *key;

	if (!json_is_object(v))
		return true;
	json_object_foreach((json_t *)v, key, value) {
		const json_t *property = json_object_get(properties, key);

		if (property ? !valid(root, property, value) : others && !valid(root, others, value))
			return false;
	}
	return true;
}

static bool valid_required(const json_t *names, const json_t *v)
{
	size_t i;

	for (i = 0; json_is_object(v) && i < json_array_size(names); i++)
		if (!json_object_get(v, json_string_value(json_array_get(names, i))))
			return false;
	return true;
}

static bool valid_items(const json_t *root, const json_t *items, const json_t *v)
{
	size_t i;

	for (i = 0; json_is_array(v) && i < json_array_size(v); i++)
		if (!valid(root, items, json_array_get(v, i)))
			return false;
	return true;
}

/* enum and anyOf: one of @choices. */
static bool valid_choice(const json_t *root, const json_t *choices, const json_t *v, bool schemas)
{
	size_t i;

	for (i = 0; i < json_array_size(choices); i++) {
		const json_t *choice = json_array_get(choices, i);

		if (schemas ? valid(root, choice, v) : json_equal(choice, v))
			return true;
	}
	return false;
}

/* "#/$defs/NAME", or the same of another file of docs/. */
static bool valid_ref(const json_t *root, const char *ref, const json_t *v)
{
	static const char prefix[] = "#/$defs/";
	const char *hash = strchr(ref, '#');
	const json_t *target;
	char name[64];

	assert_non_null(hash);
	assert_int_equal(strncmp(hash, prefix, sizeof(prefix) - 1), 0);
	if (hash > ref) {
		snprintf(name, sizeof(name), "%.*s", (int)(hash - ref), ref);
		root = json_schema_load(name);
	}
	target = json_object_get(json_object_get(root, "$defs"), hash + sizeof(prefix) - 1);
	if (!target)
		fail_msg("%s: no such definition", ref);
	return valid(root, target, v);
}

static bool valid_keyword(const json_t *root, const json_t *schema, const char *keyword, const json_t *arg,
			  const json_t *v)
{
	if (!strcmp(keyword, "$ref"))
		return valid_ref(root, json_string_value(arg), v);
	if (!strcmp(keyword, "type"))
		return valid_type(arg, v);
	if (!strcmp(keyword, "const"))
		return json_equal(arg, v);
	if (!strcmp(keyword, "enum"))
		return valid_choice(root, arg, v, false);
	if (!strcmp(keyword, "anyOf"))
		return valid_choice(root, arg, v, true);
	if (!strcmp(keyword, "required"))
		return valid_required(arg, v);
	if (!strcmp(keyword, "properties") || !strcmp(keyword, "additionalProperties"))
		return valid_properties(root, schema, v);
	if (!strcmp(keyword, "items"))
		return valid_items(root, arg, v);
	if (!strcmp(keyword, "minItems"))
		return !json_is_array(v) || json_array_size(v) >= (size_t)json_integer_value(arg);
	if (!strcmp(keyword, "maxItems"))
		return !json_is_array(v) || json_array_size(v) <= (size_t)json_integer_value(arg);
	if (!strcmp(keyword, "minimum"))
		return !json_is_number(v) || json_number_value(v) >= json_number_value(arg);
	if (!strcmp(keyword, "maximum"))
		return !json_is_number(v) || json_number_value(v) <= json_number_value(arg);
	if (strcmp(keyword, "$schema") && strcmp(keyword, "title") && strcmp(keyword, "description") &&
	    strcmp(keyword, "$defs"))
		fail_msg("%s: json_schema.c does not know the keyword", keyword);
	return true;
}

static bool valid(const json_t *root, const json_t *schema, const json_t *v)
{
	const char *keyword;
	const json_t *arg;

	if (json_is_boolean(schema))
		return json_is_true(schema);
	assert_true(json_is_object(schema));
	json_object_foreach((json_t *)schema, keyword, arg) {
		if (!valid_keyword(root, schema, keyword, arg, v))
			return false;
	}
	return true;
}

bool json_schema_valid(const json_t *root, const json_t *schema, const json_t *v)
{
	return valid(root, schema, v);
}
