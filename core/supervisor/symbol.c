#include "supervisor/symbol.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

#define MAX_FILE_BYTES (256u << 20)

_Static_assert(sizeof(Elf64_Sym) == 24, "the size that symbol.h speaks of");

/* n entries of size bytes from offset on lie inside the file. */
static bool fits(const struct sx_symbols *s, uint64_t offset, uint64_t n, uint64_t size)
{
    return offset <= s->len && n <= (s->len - offset) / size;
}

static void load(const struct sx_symbols *s, uint64_t offset, void *to, size_t size)
{
    memcpy(to, s->data + offset, size);
}

static bool take_table(struct sx_symbols *s, const Elf64_Ehdr *head, const Elf64_Shdr *table)
{
    Elf64_Shdr names;

    if (table->sh_link >= head->e_shnum || table->sh_entsize != sizeof(Elf64_Sym))
        return false;
    load(s, head->e_shoff + table->sh_link * sizeof names, &names, sizeof names);
    if (!fits(s, table->sh_offset, table->sh_size, 1) ||
        !fits(s, names.sh_offset, names.sh_size, 1))
        return false;
    s->table = table->sh_offset;
    s->n_entries = table->sh_size / sizeof(Elf64_Sym);
    s->names = names.sh_offset;
    s->names_len = names.sh_size;
    return true;
}

static int find_table(struct sx_symbols *s)
{
    Elf64_Ehdr head;
    Elf64_Shdr section;
    bool is_found = false;

    if (!fits(s, 0, 1, sizeof head))
        return SX_ERR_INVALID;
    load(s, 0, &head, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_shentsize != sizeof section || !fits(s, head.e_shoff, head.e_shnum, sizeof section))
        return SX_ERR_INVALID;
    for (uint16_t i = 0; i < head.e_shnum; i++) {
        load(s, head.e_shoff + i * sizeof section, &section, sizeof section);
        if (section.sh_type == SHT_SYMTAB && take_table(s, &head, &section))
            return 0;
        if (section.sh_type == SHT_DYNSYM)
            is_found = take_table(s, &head, &section);
    }
    return is_found ? 0 : SX_ERR_MISSING;
}

int sx_symbols_open(const char *path, struct sx_symbols *ret_symbols)
{
    struct sx_symbols s = { .data = NULL };
    int rc = sx_file_read(path, MAX_FILE_BYTES, &s.data, &s.len);

    if (rc != 0)
        return SX_ERR_IO;
    rc = find_table(&s);
    if (rc != 0)
        free(s.data);
    else
        *ret_symbols = s;
    return rc;
}

void sx_symbols_close(struct sx_symbols *symbols)
{
    free(symbols->data);
    *symbols = (struct sx_symbols){ .data = NULL };
}

bool sx_symbols_find(const struct sx_symbols *symbols, uint64_t offset, const char **ret_name,
                     uint64_t *ret_inside)
{
    for (uint64_t i = 0; i < symbols->n_entries; i++) {
        Elf64_Sym sym;
        const char *name;

        load(symbols, symbols->table + i * sizeof sym, &sym, sizeof sym);
        if (ELF64_ST_TYPE(sym.st_info) != STT_FUNC || offset < sym.st_value ||
            offset - sym.st_value >= sym.st_size || sym.st_name >= symbols->names_len)
            continue;
        name = symbols->data + symbols->names + sym.st_name;
        if (*name == '\0' || memchr(name, '\0', symbols->names_len - sym.st_name) == NULL)
            continue;
        *ret_name = name;
        *ret_inside = offset - sym.st_value;
        return true;
    }
    return false;
}
