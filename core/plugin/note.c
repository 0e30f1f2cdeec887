/*
 * plugin/note.c - what a file says of itself in its ELF note, read without mapping it.
 *
 * A file that this host cannot serve is refused here, before any of its code (constructors
 * among it) could run.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "plugin/plugin_private.h"

#define MAX_SECTIONS    4096u
#define MAX_NAMES_BYTES (1u << 20)

struct elf_file {
    int fd;
    uint64_t size;
    Elf64_Ehdr head;
};

static int read_at(const struct elf_file *f, void *to, uint64_t offset, size_t n)
{
    if (offset > f->size || n > f->size - offset)
        return SX_ERR_INVALID;
    return pread(f->fd, to, n, (off_t)offset) == (ssize_t)n ? 0 : SX_ERR_IO;
}

static const char *check_head(struct elf_file *f)
{
    uint64_t table;

    if (read_at(f, &f->head, 0, sizeof f->head) < 0 ||
        memcmp(f->head.e_ident, ELFMAG, SELFMAG) != 0)
        return "is not an ELF file";
    if (f->head.e_ident[EI_CLASS] != ELFCLASS64 || f->head.e_ident[EI_DATA] != ELFDATA2LSB)
        return "is not a 64-bit little-endian ELF file";
#if defined(__x86_64__)
    if (f->head.e_machine != EM_X86_64)
        return "was built for another processor, expected x86-64";
#elif defined(__aarch64__)
    if (f->head.e_machine != EM_AARCH64)
        return "was built for another processor, expected aarch64";
#endif
    if (f->head.e_type != ET_DYN)
        return "is not a shared object";
    table = (uint64_t)f->head.e_shnum * sizeof(Elf64_Shdr);
    if (f->head.e_shentsize != sizeof(Elf64_Shdr) || f->head.e_shnum > MAX_SECTIONS ||
        f->head.e_shstrndx >= f->head.e_shnum || table > f->size ||
        f->head.e_shoff > f->size - table)
        return "has a damaged section table";
    return NULL;
}

static int section_at(const struct elf_file *f, unsigned i, Elf64_Shdr *ret)
{
    return read_at(f, ret, f->head.e_shoff + (uint64_t)i * sizeof *ret, sizeof *ret);
}

/* The raw note of section ".note.sx". */
static const char *find_note(const struct elf_file *f, sx_note *ret_note)
{
    Elf64_Shdr names, section;
    char name[16];

    if (section_at(f, f->head.e_shstrndx, &names) < 0 || names.sh_size > MAX_NAMES_BYTES)
        return "has a damaged section table";
    for (unsigned i = 0; i < f->head.e_shnum; i++) {
        if (section_at(f, i, &section) < 0)
            return "has a damaged section table";
        memset(name, 0, sizeof name);
        if (section.sh_type != SHT_NOTE && section.sh_type != SHT_PROGBITS)
            continue;
        if (section.sh_name >= names.sh_size || names.sh_offset > f->size ||
            read_at(f, name, names.sh_offset + section.sh_name,
                    names.sh_size - section.sh_name < sizeof name - 1
                        ? (size_t)(names.sh_size - section.sh_name)
                        : sizeof name - 1) < 0 ||
            strncmp(name, ".note.sx", sizeof name - 1) != 0)
            continue;
        if (section.sh_size < sizeof *ret_note ||
            read_at(f, ret_note, section.sh_offset, sizeof *ret_note) < 0)
            return "has a note of the wrong size, it was not written by SX_PLUGIN";
        return NULL;
    }
    return "has no manifest: no note .note.sx, which SX_PLUGIN writes";
}

static bool is_plugin_name(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return *s >= 'a' && *s <= 'z' && s[n] == '\0';
}

static int judge(const char *path, const struct sx_plugin_note *note, struct sx_report *rep)
{
    if (note->magic != SX_ABI_MAGIC) {
        sx_report_add(rep, "%s: the note's magic is 0x%08x, expected 0x%08x", path, note->magic,
                      SX_ABI_MAGIC);
        return SX_ERR_INVALID;
    }
    if (!is_plugin_name(note->name)) {
        sx_report_add(rep, "%s: the plugin's name is \"%s\", expected [a-z][a-z0-9_]*", path,
                      note->name);
        return SX_ERR_INVALID;
    }
    if (note->abi_major != SX_ABI_MAJOR) {
        sx_report_add(rep,
                      "%s: plugin \"%s\" was built for ABI major %u, this host has %u\n"
                      "Rebuild it with the header of this host.",
                      path, note->name, note->abi_major, SX_ABI_MAJOR);
        return SX_ERR_INVALID;
    }
    if (note->abi_minor > SX_ABI_MINOR) {
        sx_report_add(rep,
                      "%s: plugin \"%s\" needs ABI %u.%u, this host has %u.%u\n"
                      "Update the host, or rebuild the plugin with SX_NEEDS_MINOR %u.",
                      path, note->name, note->abi_major, note->abi_minor, SX_ABI_MAJOR,
                      SX_ABI_MINOR, SX_ABI_MINOR);
        return SX_ERR_INVALID;
    }
    return 0;
}

static void copy_text(char *to, size_t size, const char *from, size_t len)
{
    size_t n = strnlen(from, len < size - 1 ? len : size - 1);

    memcpy(to, from, n);
    to[n] = '\0';
}

static const char *read_note(struct elf_file *f, sx_note *ret_note)
{
    struct stat st;
    const char *why;

    if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return "is not a regular file";
    f->size = (uint64_t)st.st_size;
    why = check_head(f);
    return why != NULL ? why : find_note(f, ret_note);
}

/* name: what the configuration calls it; the file may have no name to tell. */
static void refuse(struct sx_report *rep, const char *path, const char *name, const char *why)
{
    if (name == NULL)
        sx_report_add(rep, "%s: %s", path, why);
    else
        sx_report_add(rep, "%s: plugin \"%s\" %s", path, name, why);
}

int sx_plugin_note_read(const char *file, const char *path, const char *name, struct sx_report *rep,
                        struct sx_plugin_note *ret_note)
{
    struct elf_file f = { .fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
    struct sx_plugin_note note = { 0 };
    sx_note raw;
    const char *why;

    if (f.fd < 0) {
        char text[128];

        (void)snprintf(text, sizeof text, "cannot be read: %s", strerror(errno));
        refuse(rep, path, name, text);
        return SX_ERR_MISSING;
    }
    why = read_note(&f, &raw);
    (void)close(f.fd);
    if (why != NULL) {
        refuse(rep, path, name, why);
        return SX_ERR_INVALID;
    }
    note.magic = raw.magic;
    note.abi_major = raw.abi_major;
    note.abi_minor = raw.abi_minor;
    copy_text(note.name, sizeof note.name, raw.name, sizeof raw.name);
    copy_text(note.version, sizeof note.version, raw.version, sizeof raw.version);
    copy_text(note.build, sizeof note.build, raw.build, sizeof raw.build);
    if (judge(path, &note, rep) < 0)
        return SX_ERR_INVALID;
    *ret_note = note;
    return 0;
}
