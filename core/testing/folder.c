/*
 * testing/folder.c - the configuration of the checkout in a folder of the test's own: its base,
 * and one overlay of the environment, the plugins under test and what the test asks for.
 *
 * It is read by sx_config_load, so a test's mistake in it is told as an operator's.
 */
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "testing/testing_private.h"

#define MAX_FILE_BYTES (4u << 20)
#define DEFAULT_ENV    "testing"

/* --- The folder ---------------------------------------------------------------------- */

static int copy_file(const char *from, const char *to, struct sx_report *rep)
{
    char *data;
    size_t len;
    int err = sx_file_read(from, MAX_FILE_BYTES, &data, &len);

    if (err == 0) {
        err = sx_file_write(to, data, len, 0600);
        free(data);
    }
    if (err < 0)
        sx_report_add(rep, "%s: cannot be copied to %s", from, to);
    return err;
}

int sxt_folder_open(struct sxt_folder *f, struct sx_report *rep)
{
    const char *tmp = getenv("TMPDIR");
    char path[128];

    (void)snprintf(f->dir, sizeof f->dir, "%.40s/sx-test-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(f->dir) == NULL) {
        sx_report_add(rep, "%s: no folder for the test", f->dir);
        f->dir[0] = '\0';
        return SX_ERR_IO;
    }
    (void)snprintf(path, sizeof path, "%s/state", f->dir);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/config", f->dir);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/config/base.json", f->dir);
    return copy_file(SX_SOURCE_DIR "/config/base.json", path, rep);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void sxt_folder_close(struct sxt_folder *f)
{
    if (f->dir[0] != '\0')
        (void)nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    f->dir[0] = '\0';
}

unsigned sxt_folder_uploads(const struct sxt_folder *f)
{
    char path[128];
    struct dirent *entry;
    unsigned n = 0;
    DIR *dir;

    (void)snprintf(path, sizeof path, "%s/state/uploads", f->dir);
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        n += entry->d_name[0] != '.';
    if (dir != NULL)
        (void)closedir(dir);
    return n;
}

/* --- The overlay ----------------------------------------------------------------------- */

/* Deep, as the layers of a configuration: objects are merged, all else is replaced. */
static void lay_over(json_t *to, json_t *from)
{
    const char *key;
    json_t *value;

    json_object_foreach(from, key, value)
    {
        json_t *below = json_object_get(to, key);

        if (json_is_object(below) && json_is_object(value))
            lay_over(below, value);
        else
            (void)json_object_set(to, key, value);
    }
}

static int lay_text_over(json_t *to, const char *text, struct sx_report *rep)
{
    json_error_t error;
    json_t *from;

    if (text == NULL)
        return 0;
    from = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(from)) {
        sx_report_add(rep, "the test's configuration: %s", from == NULL ? error.text : "no object");
        json_decref(from);
        return SX_ERR_INVALID;
    }
    lay_over(to, from);
    json_decref(from);
    return 0;
}

/* What an operator would have written for it: every grant, of which it gets what it needs. */
static json_t *plugin_entry(const char *name, size_t len)
{
    static const char *const folders[] = { "plugins", "test-plugins" };
    char path[512];

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        (void)snprintf(path, sizeof path, SX_BUILD_DIR "/%s/%.*s.so", folders[i], (int)len, name);
        if (access(path, R_OK) == 0)
            break;
    }
    return json_pack("{s:b, s:s, s:[s, s, s, s]}", "enabled", 1, "path", path, "grants", "db",
                     "blocking", "stream", "all_routes");
}

/* Of the environment's plugins only those of the setup, with their options there. */
static json_t *pick_plugins(json_t *all, const char *names)
{
    json_t *picked = json_object();

    for (const char *at = names; *at != '\0';) {
        size_t len = strcspn(at, " ");
        char name[64];
        json_t *entry;

        (void)snprintf(name, sizeof name, "%.*s", (int)len, at);
        entry = json_deep_copy(json_object_get(all, name));
        if (entry == NULL)
            entry = json_object();
        if (len > 0) {
            json_t *given = plugin_entry(at, len);

            lay_over(entry, given);
            json_decref(given);
            (void)json_object_set(picked, name, entry);
        }
        json_decref(entry);
        at += len + (at[len] == ' ');
    }
    return picked;
}

/* One worker on no address; errors are told by plugins, not by access lines. */
static json_t *own_settings(const struct sxt_folder *f)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/state", f->dir);
    return json_pack("{s:{s:s, s:i}, s:{s:s}}", "server", "state_dir", path, "workers", 1, "log",
                     "access", "off");
}

static int write_overlay(const struct sxt_folder *f, const sx_test_setup *setup, const char *env,
                         const char *extra, struct sx_report *rep)
{
    char path[256];
    json_t *overlay, *own = own_settings(f);
    int err;

    (void)snprintf(path, sizeof path, SX_SOURCE_DIR "/config/%.60s.json", env);
    overlay = json_load_file(path, 0, NULL);
    if (overlay == NULL)
        overlay = json_object();
    (void)json_object_set_new(overlay, "plugins",
                              pick_plugins(json_object_get(overlay, "plugins"), setup->plugins));
    lay_over(overlay, own);
    json_decref(own);
    err = lay_text_over(overlay, setup->config, rep);
    if (err == 0)
        err = lay_text_over(overlay, extra, rep);
    (void)snprintf(path, sizeof path, "%s/config/%.60s.json", f->dir, env);
    if (err == 0 && json_dump_file(overlay, path, JSON_INDENT(2)) != 0) {
        sx_report_add(rep, "%s: cannot be written", path);
        err = SX_ERR_IO;
    }
    json_decref(overlay);
    return err;
}

/* --- Loading ------------------------------------------------------------------------------- */

/* Names with which a deployment is told things; a test must not hear them. */
static bool is_deaf_to(const char *variable)
{
    static const char *const names[] = { "PORT",           "DATABASE_URL", "SQL_PROXY_PATH",
                                         "INSTANCE_NAME1", "MFDB_NAME",    "MFDB_USER",
                                         "MFDB_PASSWORD",  "APP_SECRET",   "K_SERVICE",
                                         "SX_ENV" };
    size_t len = strcspn(variable, "=");

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == len && memcmp(names[i], variable, len) == 0)
            return true;
    return false;
}

/* The process's environment without those, and with the database.  The caller frees; the
 * first text is owned, too, when there is a url. */
static char **make_environ(const char *url)
{
    size_t n = 0, at = 0;
    char **list;

    while (environ[n] != NULL)
        n++;
    list = calloc(n + 2, sizeof *list);
    if (list == NULL || (url != NULL && asprintf(&list[at++], "DATABASE_URL=%s", url) < 0)) {
        free(list);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (!is_deaf_to(environ[i]))
            list[at++] = environ[i];
    return list;
}

int sxt_folder_load(const struct sxt_folder *f, const sx_test_setup *setup, const char *extra,
                    const char *url, struct sx_report *rep, struct sx_config **ret_config)
{
    const char *env = setup->env == NULL ? DEFAULT_ENV : setup->env;
    char **variables = make_environ(url);
    struct sx_config_source source = {
        .env = env, .environ_ = variables, .allows_unpinned = true, .trusts_owners = true
    };
    char dir[128];
    int err;

    if (variables == NULL)
        return SX_ERR_NOMEM;
    (void)snprintf(dir, sizeof dir, "%s/config", f->dir);
    source.dir = dir;
    err = write_overlay(f, setup, env, extra, rep);
    if (err == 0)
        err = sx_config_load(&source, rep, ret_config);
    if (url != NULL)
        free(variables[0]);
    free(variables);
    return err;
}
