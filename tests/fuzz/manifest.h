/*
 * manifest.h - the two halves of the target "manifest": files (manifest.c) and tables in memory
 * (manifest_tables.c, manifest_check.c).
 */
#ifndef SX_FUZZ_MANIFEST_H
#define SX_FUZZ_MANIFEST_H

#include "fuzz.h"
#include "plugin/plugin_private.h"

#define MAX_TABLES 64

/* A table as the plugin has it, to compare the copy with. */
struct made_table {
    char *bytes; /* owned; of just its size */
    uint32_t size, own_size;
    bool has_tail; /* something in what this host does not know */
};

/* A plugin made of bytes. */
struct made {
    struct sx_slice left; /* bytes that drive it */
    char *bytes;          /* of the manifest; owned, of just its size */
    sx_manifest manifest; /* as far as this host knows it */
    bool has_good_sizes, has_tail;
    struct made_table tables[MAX_TABLES];
    size_t n_tables;
    const struct made_table *routes, *options, *hooks, *metrics, *migrations;
};

void manifest_run(struct sx_slice bytes);

/* manifest_tables.c */
void made_init(struct made *m, struct sx_slice bytes);
void made_finish(struct made *m);
/* How many entries before the zeroed one. */
uint32_t made_count(const struct made_table *t);
/* The table that lies there, or NULL. */
const struct made_table *made_find(const struct made *m, const void *at);

/* manifest_check.c */
/* An entry in today's layout. */
void made_entry(const struct made_table *t, uint32_t i, void *ret);
/* Must this be taken? */
bool made_is_good(const struct made *m);
void made_compare(const struct made *m, const struct sx_plugin *p);
bool made_may_mount(const struct sx_plugin *p);

#endif /* SX_FUZZ_MANIFEST_H */
