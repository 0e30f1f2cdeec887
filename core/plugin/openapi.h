/*
 * plugin/openapi.h - what openapi.c (the document) and operation.c (one route of it) share.
 *
 * Writing has a sticky error: *ret_failed becomes true when there was no memory.
 */
#ifndef SX_PLUGIN_OPENAPI_H
#define SX_PLUGIN_OPENAPI_H

#include "plugin/plugin_private.h"

#define SX_OPENAPI_PROBLEM_SCHEMA   "#/components/schemas/Problem"
#define SX_OPENAPI_PROBLEM_RESPONSE "#/components/responses/Problem"

void sx_openapi_put(json_t *object, const char *key, json_t *taken, bool *ret_failed);
/* Nothing for NULL and "". */
void sx_openapi_put_text(json_t *object, const char *key, const char *text, bool *ret_failed);
/* Bytes that are not UTF-8 are replaced. */
json_t *sx_openapi_text(const char *text);

/* path: as the document has it, with the parameters of the entry's in the same places. */
json_t *sx_operation_json(const struct sx_entry *e, const char *path, const char *id,
                          bool *ret_failed);
const char *sx_operation_tag(const struct sx_entry *e);

#endif /* SX_PLUGIN_OPENAPI_H */
