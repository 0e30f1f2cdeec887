/*
 * config/schema.c - the table of keys as a JSON Schema, for editors.
 *
 * config/schema.json is what this writes; a test compares them.  A schema cannot say everything
 * that loading checks, so it is never stricter and sometimes laxer.
 */
#include "config/config_private.h"

#include <string.h>

#define VARIABLE "\\$\\{|^sm://|^berglas://" /* or a reference to a secret */

static void describe(json_t *schema, const struct config_key *key)
{
    json_t *preset = json_loads(key->preset, JSON_DECODE_ANY, NULL);

    if (key->unit != NULL)
        (void)json_object_set_new(schema, "description",
                                  json_sprintf("%s In %s.", key->doc,
                                               strcmp(key->unit, "s") == 0    ? "seconds"
                                               : strcmp(key->unit, "ms") == 0 ? "milliseconds"
                                                                              : key->unit));
    else
        (void)json_object_set_new(schema, "description", json_string(key->doc));
    (void)json_object_set_new(schema, "default", preset);
}

/* A text of its own rules, or anything with a variable in it, or a reference. */
static json_t *text_schema(const struct config_key *key)
{
    json_t *choices;

    if (key->choices != NULL) {
        choices = json_array();
        for (size_t i = 0; key->choices[i] != NULL; i++)
            (void)json_array_append_new(choices, json_string(key->choices[i]));
        return json_pack("{s:[{s:o}, {s:s, s:s}]}", "anyOf", "enum", choices, "type", "string",
                         "pattern", VARIABLE);
    }
    if (key->format != NULL && key->format->pattern != NULL)
        return json_pack("{s:s, s:o}", "type", "string", "pattern",
                         json_sprintf("(%s)|" VARIABLE, key->format->pattern));
    return json_pack("{s:s}", "type", "string");
}

static json_t *key_schema(const struct config_key *key)
{
    switch (key->type) {
    case CONFIG_INT:
        return json_pack("{s:[s, s], s:I, s:I, s:s}", "type", "integer", "string", "minimum",
                         (json_int_t)key->min, "maximum", (json_int_t)key->max, "pattern",
                         VARIABLE);
    case CONFIG_BOOL:
        return json_pack("{s:[s, s], s:s}", "type", "boolean", "string", "pattern", VARIABLE);
    case CONFIG_TEXT: return text_schema(key);
    case CONFIG_LIST: return json_pack("{s:s, s:o}", "type", "array", "items", text_schema(key));
    case CONFIG_OBJECT: break;
    }
    return json_pack("{s:s}", "type", "object");
}

static json_t *object_schema(void)
{
    return json_pack("{s:s, s:b, s:{}}", "type", "object", "additionalProperties", 0, "properties");
}

/* The schema of the object that a group stands for, made where it is missing. */
static json_t *group_schema(json_t *schema, const char *name, size_t len)
{
    json_t *properties = json_object_get(schema, "properties");

    if (json_object_getn(properties, name, len) == NULL)
        (void)json_object_setn_new(properties, name, len, object_schema());
    return json_object_getn(properties, name, len);
}

static void add_key(json_t *schema, const struct config_key *key)
{
    const char *name = key->path;
    json_t *leaf = key_schema(key);

    while (name[strcspn(name, ".")] == '.') {
        size_t len = strcspn(name, ".");

        schema = group_schema(schema, name, len);
        name += len + 1;
    }
    describe(leaf, key);
    (void)json_object_set_new(json_object_get(schema, "properties"), name, leaf);
}

static json_t *table_schema(const struct config_key *table)
{
    json_t *schema = object_schema();

    for (; table->path != NULL; table++)
        add_key(schema, table);
    return schema;
}

static json_t *plugins_schema(void)
{
    return json_pack("{s:s, s:s, s:{s:s, s:i}, s:o}", "type", "object", "description",
                     "The plugins of this environment by their names.", "propertyNames", "pattern",
                     "^[a-z][a-z0-9_]*$", "maxLength", CONFIG_MAX_NAME, "additionalProperties",
                     table_schema(config_plugin_keys));
}

char *sx_config_schema(void)
{
    json_t *schema = json_pack("{s:s, s:s}", "$schema",
                               "https://json-schema.org/draft/2020-12/schema", "title",
                               "Configuration of sim-exchange");
    json_t *table = table_schema(config_keys);
    json_t *properties = json_object_get(table, "properties");
    char *text;

    (void)json_object_set_new(properties, "$schema", json_pack("{s:s}", "type", "string"));
    (void)json_object_set_new(properties, "plugins", plugins_schema());
    (void)json_object_update_new(schema, table);
    text = json_dumps(schema, JSON_INDENT(2));
    json_decref(schema);
    return text;
}
