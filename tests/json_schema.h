/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * json_schema.h - a validator for the part of JSON Schema that docs/ uses; an unknown keyword fails the test
 */
#ifndef JSON_SCHEMA_H
#define JSON_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

/* A schema of docs/, such as "sweep.schema.json". It and those that it refers to are json_schema_free_all()'s. */
const json_t *json_schema_load(const char *name);

/* Whether @v satisfies @schema, all of a document of json_schema_load() or part of it: @root is the whole. */
bool json_schema_valid(const json_t *root, const json_t *schema, const json_t *v);

void json_schema_free_all(void);

#endif
