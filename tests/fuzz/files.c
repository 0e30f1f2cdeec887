#include "files.h"

#include <ftw.h>
#include <unistd.h>

#include "fuzz.h"

#define LARGE_BYTES 70000u

static char dir[256]; /* "": none yet; at file level because atexit() takes no argument */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_dir(void)
{
    (void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *files_dir(void)
{
    const char *tmp = getenv("TMPDIR");

    if (dir[0] != '\0')
        return dir;
    (void)snprintf(dir, sizeof dir, "%s/sx-fuzz-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    fuzz_check(mkdtemp(dir) != NULL, "no folder %s", dir);
    (void)atexit(remove_dir);
    return dir;
}

void files_write(const char *name, struct sx_slice bytes)
{
    char path[512];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", files_dir(), name);
    file = fopen(path, "we");
    fuzz_check(file != NULL, "no file %s", path);
    fuzz_check(fwrite(bytes.data, 1, bytes.len, file) == bytes.len && fclose(file) == 0,
               "no room for %s", path);
}

static void write_letters(const char *name, size_t len)
{
    char *text = malloc(len);

    fuzz_check(text != NULL, "no memory");
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 26);
    files_write(name, sx_slice_make(text, len));
    free(text);
}

const char *files_root(void)
{
    static bool is_made;

    if (!is_made) {
        write_letters("s.txt", 300);
        write_letters("l.bin", LARGE_BYTES);
        is_made = true;
    }
    return files_dir();
}
