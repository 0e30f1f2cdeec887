/*
 * manifest.c - what a plugin's file says of itself.
 *
 * The first byte chooses: 'e' the rest is an ELF file; 'p' the rest patches a good one, three
 * bytes each: where, low byte first, and what; anything else: the rest drives a manifest with
 * its tables in memory of just their size.
 */
#include "manifest.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#endif

struct image {
    Elf64_Ehdr head;
    Elf64_Shdr sections[4];
    char names[32];
    sx_note note;
};

static const struct image good_image = {
    .head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1 },
              .e_type = ET_DYN,
              .e_machine = MACHINE,
              .e_shoff = offsetof(struct image, sections),
              .e_shentsize = sizeof(Elf64_Shdr),
              .e_shnum = 4,
              .e_shstrndx = 1 },
    .sections = { [1] = { .sh_name = 1,
                          .sh_type = SHT_STRTAB,
                          .sh_offset = offsetof(struct image, names),
                          .sh_size = 32 },
                  [2] = { .sh_name = 11, .sh_type = SHT_NOBITS },
                  [3] = { .sh_name = 11,
                          .sh_type = SHT_NOTE,
                          .sh_offset = offsetof(struct image, note),
                          .sh_size = sizeof(sx_note) } },
    .names = "\0.shstrtab\0.note.sx",
    .note = { .owner_size = 4,
              .desc_size = sizeof(sx_note) - offsetof(sx_note, magic),
              .type = 1,
              .owner = "SX",
              .magic = SX_ABI_MAGIC,
              .abi_major = SX_ABI_MAJOR,
              .abi_minor = SX_ABI_MINOR,
              .name = "orders",
              .version = "1.2.3",
              .build = "here" },
};

static bool is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

    return strspn(name, letters) == strlen(name) && *name >= 'a' && *name <= 'z';
}

/* Whatever was taken must stand in the file as a note that this host may serve. */
static bool stands_in(struct sx_slice file, const struct sx_plugin_note *note)
{
    for (size_t at = 0; file.len - at >= sizeof(sx_note); at++) {
        sx_note raw;

        memcpy(&raw, file.data + at, sizeof raw);
        if (raw.magic == SX_ABI_MAGIC && raw.abi_major == SX_ABI_MAJOR &&
            raw.abi_minor <= SX_ABI_MINOR &&
            strncmp(raw.name, note->name, sizeof note->name - 1) == 0 &&
            strncmp(raw.version, note->version, sizeof note->version - 1) == 0)
            return true;
    }
    return false;
}

static int next_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)close(fd);
    return fd;
}

static void read_note(struct sx_slice file, bool is_good)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC), before, err;
    struct sx_plugin_note note;
    struct sx_report rep;
    char path[64];

    fuzz_check(fd >= 0 && write(fd, file.data, file.len) == (ssize_t)file.len, "no file");
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    before = next_fd();
    sx_report_init(&rep);
    err = sx_plugin_note_read(path, "lib.so", file.len % 2 == 0 ? NULL : "orders", &rep, &note);
    fuzz_check(rep.n_faults == (err == 0 ? 0 : 1), "%d with %zu faults", err, rep.n_faults);
    fuzz_check(err == 0 || strncmp(rep.faults[0], "lib.so: ", 8) == 0, "%s", rep.faults[0]);
    fuzz_check(err == 0 || !is_good, "a good file is refused: %s", rep.faults[0]);
    if (err == 0)
        fuzz_check(is_name(note.name) && stands_in(file, &note), "\"%s\" is taken", note.name);
    fuzz_check(next_fd() == before, "a descriptor is left open");
    sx_report_finish(&rep);
    (void)close(fd);
}

static void patch(struct sx_slice patches)
{
    struct image image = good_image;
    size_t len = sizeof image;

    for (; patches.len >= 3; patches = sx_slice_after(patches, 3)) {
        const unsigned char *p = (const unsigned char *)patches.data;
        size_t at = (size_t)p[0] | (size_t)p[1] << 8;

        if (at < sizeof image)
            ((unsigned char *)&image)[at] = p[2];
        else
            len = at % (sizeof image + 1); /* cut off */
    }
    read_note(sx_slice_make((const char *)&image, len),
              len == sizeof image && memcmp(&image, &good_image, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sx_slice rest = fuzz_input(data, len);

    if (len == 0)
        return -1;
    rest = sx_slice_after(rest, 1);
    switch (data[0]) {
    case 'e': read_note(rest, false); break;
    case 'p': patch(rest); break;
    default: manifest_run(rest); break;
    }
    return 0;
}
