/*
 * supervisor/crash.c - what a worker said as it died, in words: the signal, the place, the way
 * there, with the names of functions.
 *
 * The text comes from a process that was no more itself: whatever does not look like a place is
 * left out, and what is shown is printable.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/denied.h"
#include "base/text.h"
#include "supervisor/supervisor_private.h"
#include "supervisor/symbol.h"

#define PLUGIN     "plugin:"
#define MAX_MODULE 64
#define MAX_FILES  8

/* The files of the places, each read once. */
struct files {
    size_t n;
    struct {
        char module[MAX_MODULE];
        struct sx_symbols symbols; /* zeroed: has none */
    } v[MAX_FILES];
};

static const char *find_path(const struct sx_supervisor *sup, const struct sx_child *child,
                             const char *module)
{
    const struct sx_copy *copy;

    if (strcmp(module, "program") == 0)
        return sup->exe_path;
    if (strncmp(module, PLUGIN, sizeof PLUGIN - 1) != 0)
        return NULL;
    copy = sx_generation_copy_of(child->gen, module + sizeof PLUGIN - 1);
    return copy == NULL ? NULL : copy->path;
}

static const struct sx_symbols *find_symbols(const struct sx_supervisor *sup,
                                             const struct sx_child *child, struct files *files,
                                             const char *module)
{
    const char *path;

    for (size_t i = 0; i < files->n; i++)
        if (strcmp(files->v[i].module, module) == 0)
            return &files->v[i].symbols;
    path = find_path(sup, child, module);
    if (path == NULL || files->n == MAX_FILES)
        return NULL;
    (void)snprintf(files->v[files->n].module, MAX_MODULE, "%s", module);
    (void)sx_symbols_open(path, &files->v[files->n].symbols); /* a stripped file has no names */
    return &files->v[files->n++].symbols;
}

static bool is_printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '"')
            return false;
    return len > 0;
}

/* "plugin:faults+0x1139" as "faults.so+0x1139 (segv+0x9)"; false: it is no place. */
static bool add_place(const struct sx_supervisor *sup, const struct sx_child *child,
                      struct files *files, const char *word, size_t len, struct sx_buf *to)
{
    const char *plus = memchr(word, '+', len);
    size_t n = plus == NULL ? 0 : (size_t)(plus - word);
    char module[MAX_MODULE], number[24], *end;
    const struct sx_symbols *symbols;
    const char *name;
    uint64_t offset, inside;

    if (n == 0 || n >= sizeof module || len - n - 1 >= sizeof number || !is_printable(word, len))
        return false;
    (void)snprintf(module, sizeof module, "%.*s", (int)n, word);
    (void)snprintf(number, sizeof number, "%.*s", (int)(len - n - 1), plus + 1);
    offset = strtoull(number, &end, 16); /* as the worker wrote it */
    if (*end != '\0')
        return false;
    if (strncmp(module, PLUGIN, sizeof PLUGIN - 1) == 0)
        sx_buf_printf(to, "%s.so", module + sizeof PLUGIN - 1);
    else
        sx_buf_add_text(to, strcmp(module, "program") == 0 ? "sim-exchange" : module);
    sx_buf_printf(to, "+0x%" PRIx64, offset);
    symbols = find_symbols(sup, child, files, module);
    if (symbols != NULL && sx_symbols_find(symbols, offset, &name, &inside) &&
        is_printable(name, strlen(name)))
        sx_buf_printf(to, " (%s+0x%" PRIx64 ")", name, inside);
    return true;
}

/* The next word behind blanks; false: none. */
static bool next_word(const char **at, const char **ret_word, size_t *ret_len)
{
    *at += strspn(*at, " ");
    *ret_word = *at;
    *ret_len = strcspn(*at, " ");
    *at += *ret_len;
    return *ret_len > 0;
}

/* What was added behind the first `before` bytes of the trace. */
static void note_place(struct sx_crash *crash, size_t before, bool is_plugin)
{
    if (before == 0) {
        crash->place_len = crash->trace.len;
        crash->from_len = is_plugin ? SIZE_MAX : 0; /* no other is looked for */
    } else if (is_plugin && crash->from_len == 0) {
        crash->from = before + 3; /* " < " */
        crash->from_len = crash->trace.len - crash->from;
    }
}

/* "0x3b" is execve. */
static void name_denied(struct sx_crash *crash, int signo)
{
    long number = strtol(crash->address, NULL, 16);
    const char *name = sx_denied_name(number);

    crash->denied[0] = '\0';
    if (signo == SIGSYS && name != NULL)
        (void)snprintf(crash->denied, sizeof crash->denied, "%s", name);
    else if (signo == SIGSYS)
        (void)snprintf(crash->denied, sizeof crash->denied, "number %ld", number);
}

bool sx_crash_read(const struct sx_supervisor *sup, const struct sx_child *child,
                   struct sx_crash *ret_crash)
{
    const char *at = child->crash, *word, *name;
    struct files files = { .n = 0 };
    uint64_t signo;
    size_t len;

    sx_buf_init(&ret_crash->trace, SX_CRASH_MAX_BYTES);
    ret_crash->place_len = ret_crash->from_len = 0;
    if (at == NULL || !next_word(&at, &word, &len) || sx_parse_uint(word, len, &signo) != 0 ||
        signo > 64 || !next_word(&at, &word, &len))
        return false;
    name = sigabbrev_np((int)signo);
    (void)snprintf(ret_crash->signal, sizeof ret_crash->signal, "%s%s",
                   signo == SX_CONTROL_STALL_SIGNAL ? "" : "SIG",
                   signo == SX_CONTROL_STALL_SIGNAL ? "stall"
                   : name == NULL                   ? "?"
                                                    : name);
    (void)snprintf(ret_crash->address, sizeof ret_crash->address, "%.*s", (int)len,
                   is_printable(word, len) ? word : "?");
    name_denied(ret_crash, (int)signo);
    while (next_word(&at, &word, &len)) {
        size_t before = ret_crash->trace.len;

        if (before > 0)
            sx_buf_add_text(&ret_crash->trace, " < ");
        if (!add_place(sup, child, &files, word, len, &ret_crash->trace))
            ret_crash->trace.len = before;
        else
            note_place(ret_crash, before, strncmp(word, PLUGIN, sizeof PLUGIN - 1) == 0);
    }
    for (size_t i = 0; i < files.n; i++)
        sx_symbols_close(&files.v[i].symbols);
    if (ret_crash->from_len == SIZE_MAX)
        ret_crash->from_len = 0;
    ret_crash->trace.failed = false; /* what did not fit is missing at its end */
    return true;
}

void sx_crash_finish(struct sx_crash *crash)
{
    sx_buf_finish(&crash->trace);
}
