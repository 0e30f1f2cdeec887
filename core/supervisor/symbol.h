/*
 * supervisor/symbol.h - functions by their addresses, from the symbol table of an ELF file.
 *
 * The file is read as bytes and never mapped or run (I1); every number in it is checked, because
 * it may be anything.
 */
#ifndef SX_SUPERVISOR_SYMBOL_H
#define SX_SUPERVISOR_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file's bytes and its table; zeroed: none. */
struct sx_symbols {
    char *data; /* owned */
    size_t len;
    uint64_t table, n_entries; /* of 24 bytes, from table on */
    uint64_t names, names_len;
};

/* The table for programmers if it was not stripped, else that of the linker.  SX_ERR_IO,
 * SX_ERR_INVALID, SX_ERR_MISSING (no table). */
int sx_symbols_open(const char *path, struct sx_symbols *ret_symbols);
void sx_symbols_close(struct sx_symbols *symbols); /* takes a zeroed one */

/* Which function has the byte at offset (relative to where the file is mapped)?  Its name, NUL
 * terminated, and how far inside; false: none. */
bool sx_symbols_find(const struct sx_symbols *symbols, uint64_t offset, const char **ret_name,
                     uint64_t *ret_inside);

#endif /* SX_SUPERVISOR_SYMBOL_H */
