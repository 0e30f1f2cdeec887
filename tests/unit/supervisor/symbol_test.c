/*
 * Functions by their addresses: of this very program, and of what is no good file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <link.h>

#include "base/error.h"
#include "base/file.h"
#include "supervisor/symbol.h"

static int take_base(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    *(uintptr_t *)arg = info->dlpi_addr; /* the program comes first */
    return 1;
}

static uint64_t offset_of(void (*function)(void **))
{
    uintptr_t base = 0;

    (void)dl_iterate_phdr(take_base, &base);
    return (uintptr_t)function - base;
}

static void finds_the_function_around_an_address(void **state)
{
    uint64_t offset = offset_of(finds_the_function_around_an_address), inside = 99;
    struct sx_symbols symbols;
    const char *name = NULL;

    (void)state;
    assert_int_equal(sx_symbols_open("/proc/self/exe", &symbols), 0);

    assert_true(sx_symbols_find(&symbols, offset, &name, &inside));
    assert_string_equal(name, "finds_the_function_around_an_address");
    assert_int_equal(inside, 0);
    assert_true(sx_symbols_find(&symbols, offset + 5, &name, &inside));
    assert_int_equal(inside, 5);
    assert_false(sx_symbols_find(&symbols, UINT64_MAX, &name, &inside));
    assert_false(sx_symbols_find(&symbols, 1, &name, &inside));
    sx_symbols_close(&symbols);
}

static int open_bytes(const char *data, size_t len, struct sx_symbols *ret)
{
    char path[] = "/tmp/sx-symbols-XXXXXX";
    int fd = mkstemp(path), rc;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    (void)close(fd);
    rc = sx_symbols_open(path, ret);
    (void)unlink(path);
    return rc;
}

/* Cut anywhere, or with numbers that point anywhere: read within its bytes, or refused. */
static void survives_any_bytes(void **state)
{
    struct sx_symbols symbols;
    const char *name;
    uint64_t inside;
    char *data, *copy;
    size_t len;

    (void)state;
    assert_int_equal(sx_symbols_open("/nowhere", &symbols), SX_ERR_IO);
    assert_int_equal(open_bytes("", 0, &symbols), SX_ERR_INVALID);
    assert_int_equal(open_bytes("#!/bin/sh\n", 10, &symbols), SX_ERR_INVALID);
    assert_int_equal(sx_file_read(SX_BUILD_DIR "/plugins/hello.so", 1u << 28, &data, &len), 0);
    copy = malloc(len);
    assert_non_null(copy);
    srand(7);
    for (int i = 0; i < 300; i++) {
        size_t kept = i % 3 == 0 ? (size_t)rand() % len : len;
        uint64_t wild = (uint64_t)rand() << 33 ^ (uint64_t)rand();

        memcpy(copy, data, len);
        if (i % 2 == 0) /* the head, or the table of the sections at the end */
            memcpy(copy + (size_t)rand() % 56, &wild, sizeof wild);
        else
            memcpy(copy + len - 8 - (size_t)rand() % 2000, &wild, sizeof wild);
        if (open_bytes(copy, kept, &symbols) != 0)
            continue;
        (void)sx_symbols_find(&symbols, (uint64_t)rand(), &name, &inside);
        sx_symbols_close(&symbols);
    }
    free(copy);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_function_around_an_address),
        cmocka_unit_test(survives_any_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
