/*
 * The note of a plugin's file, out of crafted and damaged ELF files: each gets its sentence,
 * none can do more.
 */
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/report.h"
#include "plugin/plugin_private.h"

#define REAL_PLUGIN SX_PLUGIN_DIR "/hello.so"

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#endif

/* The smallest file that passes: a head, three sections, their names, the note. */
struct image {
    Elf64_Ehdr head;
    Elf64_Shdr sections[3]; /* none, the names, the note */
    char names[32];
    sx_note note;
};

static struct image good_image(void)
{
    struct image f = {
        .head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1 },
                  .e_type = ET_DYN,
                  .e_machine = MACHINE,
                  .e_shoff = offsetof(struct image, sections),
                  .e_shentsize = sizeof(Elf64_Shdr),
                  .e_shnum = 3,
                  .e_shstrndx = 1 },
        .sections = { [1] = { .sh_name = 1,
                              .sh_type = SHT_STRTAB,
                              .sh_offset = offsetof(struct image, names),
                              .sh_size = sizeof f.names },
                      [2] = { .sh_name = 11,
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

    return f;
}

/* The state of the group: a file's path. */
static int make_file(void **state)
{
    char *path = strdup("/tmp/sx-note-XXXXXX");
    int fd = path == NULL ? -1 : mkstemp(path);

    *state = path;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    int rc = unlink(*state);

    free(*state);
    return rc;
}

static void write_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(close(fd), 0);
}

/* The result; exactly one sentence when it is refused, and none otherwise. */
static int read_note(const char *path, struct sx_report *rep, struct sx_plugin_note *ret_note)
{
    int err;

    sx_report_init(rep);
    err = sx_plugin_note_read(path, path, NULL, rep, ret_note);
    assert_int_equal(rep->n_faults, err == 0 ? 0 : 1);
    return err;
}

static void assert_refused(const char *path, const char *sentence)
{
    struct sx_plugin_note note;
    struct sx_report rep;
    char expected[512];

    assert_int_equal(read_note(path, &rep, &note), SX_ERR_INVALID);
    (void)snprintf(expected, sizeof expected, "%s: %s", path, sentence);
    assert_string_equal(rep.faults[0], expected);
    sx_report_finish(&rep);
}

static void assert_image_refused(const char *path, const struct image *f, const char *sentence)
{
    write_file(path, f, sizeof *f);
    assert_refused(path, sentence);
}

static void a_note_is_read_from_the_file(void **state)
{
    struct image f = good_image();
    struct sx_plugin_note note = { .name = "before" };
    struct sx_report rep;

    write_file(*state, &f, sizeof f);
    assert_int_equal(read_note(*state, &rep, &note), 0);

    assert_string_equal(note.name, "orders");
    assert_string_equal(note.version, "1.2.3");
    assert_string_equal(note.build, "here");
    assert_int_equal(note.abi_major, SX_ABI_MAJOR);
    assert_int_equal(note.abi_minor, SX_ABI_MINOR);
    sx_report_finish(&rep);
}

static void texts_that_fill_their_place_are_cut(void **state)
{
    struct image f = good_image();
    struct sx_plugin_note note;
    struct sx_report rep;

    memset(f.note.name, 'n', sizeof f.note.name);
    memset(f.note.version, 'v', sizeof f.note.version);
    memset(f.note.build, 'b', sizeof f.note.build);
    write_file(*state, &f, sizeof f);
    assert_int_equal(read_note(*state, &rep, &note), 0);

    assert_int_equal(strlen(note.name), sizeof note.name - 1);
    assert_int_equal(strlen(note.version), sizeof note.version - 1);
    assert_int_equal(strlen(note.build), sizeof note.build - 1);
    sx_report_finish(&rep);
}

static void what_is_no_plugin_is_told_apart(void **state)
{
    struct image f;

    write_file(*state, "", 0);
    assert_refused(*state, "is not an ELF file");
    write_file(*state, "#!/bin/sh\n", 10);
    assert_refused(*state, "is not an ELF file");

    f = good_image();
    f.head.e_ident[EI_CLASS] = ELFCLASS32;
    assert_image_refused(*state, &f, "is not a 64-bit little-endian ELF file");
    f = good_image();
    f.head.e_ident[EI_DATA] = ELFDATA2MSB;
    assert_image_refused(*state, &f, "is not a 64-bit little-endian ELF file");
    f = good_image();
    f.head.e_type = ET_REL;
    assert_image_refused(*state, &f, "is not a shared object");
    f = good_image();
    f.head.e_machine = EM_S390;
    write_file(*state, &f, sizeof f);
    {
        struct sx_plugin_note note;
        struct sx_report rep;

        assert_int_equal(read_note(*state, &rep, &note), SX_ERR_INVALID);
        assert_non_null(strstr(rep.faults[0], "was built for another processor, expected "));
        sx_report_finish(&rep);
    }
}

static void a_damaged_section_table_is_told(void **state)
{
    static const char damaged[] = "has a damaged section table";
    struct image f = good_image();

    f.head.e_shnum = 0xffff;
    assert_image_refused(*state, &f, damaged);
    f = good_image();
    f.head.e_shnum = 4096; /* as many as it takes, but the file ends before */
    assert_image_refused(*state, &f, damaged);
    f = good_image();
    f.head.e_shnum = 0;
    assert_image_refused(*state, &f, damaged);
    f = good_image();
    f.head.e_shstrndx = 3;
    assert_image_refused(*state, &f, damaged);
    f = good_image();
    f.head.e_shentsize = 1;
    assert_image_refused(*state, &f, damaged);
    f = good_image();
    f.head.e_shoff = UINT64_MAX - 8;
    assert_image_refused(*state, &f, damaged);
    f = good_image();
    f.sections[1].sh_size = UINT64_MAX;
    assert_image_refused(*state, &f, damaged);
}

static void a_file_without_a_note_is_told(void **state)
{
    static const char none[] = "has no manifest: no note .note.sx, which SX_PLUGIN writes";
    struct image f = good_image();

    f.names[18] = 'y';
    assert_image_refused(*state, &f, none);
    f = good_image();
    memcpy(f.names + 11, ".note.sxx", 10);
    assert_image_refused(*state, &f, none);
    f = good_image();
    f.sections[2].sh_name = UINT32_MAX;
    assert_image_refused(*state, &f, none);
    f = good_image();
    f.sections[2].sh_type = SHT_NOBITS; /* has no bytes in the file */
    assert_image_refused(*state, &f, none);
    f = good_image();
    f.sections[1].sh_offset = UINT64_MAX - 4; /* of the names */
    assert_image_refused(*state, &f, none);
}

static void a_note_of_the_wrong_size_is_told(void **state)
{
    static const char wrong[] = "has a note of the wrong size, it was not written by SX_PLUGIN";
    struct image f = good_image();

    f.sections[2].sh_size = sizeof f.note - 1;
    assert_image_refused(*state, &f, wrong);
    f = good_image();
    f.sections[2].sh_offset += 1; /* ends behind the file */
    assert_image_refused(*state, &f, wrong);
    f = good_image();
    f.sections[2].sh_offset = UINT64_MAX;
    assert_image_refused(*state, &f, wrong);
}

static void a_note_of_another_host_is_told(void **state)
{
    struct image f = good_image();
    char expected[256];

    f.note.magic = 0x12345678;
    (void)snprintf(expected, sizeof expected, "the note's magic is 0x12345678, expected 0x%08x",
                   SX_ABI_MAGIC);
    assert_image_refused(*state, &f, expected);

    f = good_image();
    f.note.abi_major = SX_ABI_MAJOR + 1;
    (void)snprintf(expected, sizeof expected,
                   "plugin \"orders\" was built for ABI major %u, this host has %u\n"
                   "Rebuild it with the header of this host.",
                   SX_ABI_MAJOR + 1u, SX_ABI_MAJOR + 0u);
    assert_image_refused(*state, &f, expected);

    f = good_image();
    f.note.abi_minor = SX_ABI_MINOR + 1;
    (void)snprintf(expected, sizeof expected,
                   "plugin \"orders\" needs ABI %u.%u, this host has %u.%u\n"
                   "Update the host, or rebuild the plugin with SX_NEEDS_MINOR %u.",
                   SX_ABI_MAJOR + 0u, SX_ABI_MINOR + 1u, SX_ABI_MAJOR + 0u, SX_ABI_MINOR + 0u,
                   SX_ABI_MINOR + 0u);
    assert_image_refused(*state, &f, expected);
}

static void a_name_that_is_none_is_told(void **state)
{
    static const char *const names[] = { "", "1st", "_x", "Orders", "or-ders", "or ders", "a/b" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct image f = good_image();
        char expected[128];

        (void)snprintf(f.note.name, sizeof f.note.name, "%s", names[i]);
        (void)snprintf(expected, sizeof expected,
                       "the plugin's name is \"%s\", expected [a-z][a-z0-9_]*", names[i]);
        assert_image_refused(*state, &f, expected);
    }
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    struct sx_plugin_note note;
    struct sx_report rep;

    (void)state;
    assert_int_equal(read_note("/nowhere/x.so", &rep, &note), SX_ERR_MISSING);
    assert_string_equal(rep.faults[0], "/nowhere/x.so: cannot be read: No such file or directory");
    sx_report_finish(&rep);
    assert_refused("/tmp", "is not a regular file");
}

/* A pipe without a writer must not keep the one who looks at it. */
static void a_pipe_is_no_file(void **state)
{
    char path[] = "/tmp/sx-note-dir-XXXXXX", fifo[64];

    (void)state;
    assert_non_null(mkdtemp(path));
    (void)snprintf(fifo, sizeof fifo, "%s/fifo.so", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_refused(fifo, "is not a regular file");
    assert_int_equal(unlink(fifo), 0);
    assert_int_equal(rmdir(path), 0);
}

static void the_caller_can_name_the_plugin(void **state)
{
    struct sx_plugin_note note;
    struct sx_report rep;

    write_file(*state, "", 0);
    sx_report_init(&rep);
    assert_int_equal(sx_plugin_note_read(*state, *state, "orders", &rep, &note), SX_ERR_INVALID);
    assert_non_null(strstr(rep.faults[0], ": plugin \"orders\" is not an ELF file"));
    sx_report_finish(&rep);
}

static void a_file_cut_at_any_byte_is_refused(void **state)
{
    struct image f = good_image();

    for (size_t len = 0; len < sizeof f; len++) {
        struct sx_plugin_note note;
        struct sx_report rep;

        write_file(*state, &f, len);
        assert_int_equal(read_note(*state, &rep, &note), SX_ERR_INVALID);
        sx_report_finish(&rep);
    }
}

/* --- A real plugin, each byte of its headers damaged in turn ------------------------------ */

static void damage(int fd, const char *path, const char *data, size_t from, size_t len)
{
    static const unsigned char masks[] = { 0x01, 0x80, 0xff };

    for (size_t at = from; at < from + len; at++)
        for (size_t i = 0; i < sizeof masks; i++) {
            char byte = (char)((unsigned char)data[at] ^ masks[i]);
            struct sx_plugin_note note = { 0 };
            struct sx_report rep;

            assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
            if (read_note(path, &rep, &note) == 0) {
                assert_int_not_equal(note.name[0], '\0');
                assert_int_equal(note.abi_major, SX_ABI_MAJOR);
            }
            sx_report_finish(&rep);
            assert_int_equal(pwrite(fd, &data[at], 1, (off_t)at), 1);
        }
}

static void no_damaged_byte_of_a_real_plugin_does_harm(void **state)
{
    const Elf64_Ehdr *head;
    struct sx_plugin_note note;
    struct sx_report rep;
    char *data;
    size_t len;
    int fd;

    assert_int_equal(sx_file_read(REAL_PLUGIN, 64u << 20, &data, &len), 0);
    head = (const Elf64_Ehdr *)(const void *)data;
    write_file(*state, data, len);
    assert_int_equal(read_note(*state, &rep, &note), 0);
    assert_string_equal(note.name, "hello");
    sx_report_finish(&rep);
    fd = open(*state, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);

    damage(fd, *state, data, 0, sizeof *head);
    damage(fd, *state, data, head->e_shoff, (size_t)head->e_shnum * sizeof(Elf64_Shdr));

    assert_int_equal(close(fd), 0);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_is_read_from_the_file),
        cmocka_unit_test(texts_that_fill_their_place_are_cut),
        cmocka_unit_test(what_is_no_plugin_is_told_apart),
        cmocka_unit_test(a_damaged_section_table_is_told),
        cmocka_unit_test(a_file_without_a_note_is_told),
        cmocka_unit_test(a_note_of_the_wrong_size_is_told),
        cmocka_unit_test(a_note_of_another_host_is_told),
        cmocka_unit_test(a_name_that_is_none_is_told),
        cmocka_unit_test(a_file_that_cannot_be_read_is_told),
        cmocka_unit_test(a_pipe_is_no_file),
        cmocka_unit_test(the_caller_can_name_the_plugin),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(no_damaged_byte_of_a_real_plugin_does_harm),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
