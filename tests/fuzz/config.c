/*
 * config.c - variables of the environment, an overlay and a base, loaded as the server does.
 *
 * Three parts, between lines "%%": NAME=value lines, testing.json, base.json ("{}" when it is
 * missing).  What loads must keep every promise of the table of keys, travel to a worker
 * unchanged, give the same when it is written down and loaded again, and show no secret; what
 * does not load must say why.
 */
#include <sys/stat.h>

#include "base/text.h"
#include "config/config_private.h"
#include "config/reference.h"
#include "files.h"
#include "fuzz.h"

#define MAX_VARIABLES 32

struct input {
    struct sx_slice variables, overlay, base;
    char *environ_[MAX_VARIABLES + 1]; /* owned */
};

/* The part up to the line "%%". */
static struct sx_slice part(struct sx_slice *rest)
{
    const char *end = rest->len < 4 ? NULL : memmem(rest->data, rest->len, "\n%%\n", 4);
    struct sx_slice s = *rest;

    if (end == NULL) {
        *rest = (struct sx_slice){ NULL, 0 };
        return s;
    }
    s.len = (size_t)(end - s.data);
    *rest = sx_slice_after(*rest, s.len + 4);
    return s;
}

static void read_variables(struct input *in)
{
    struct sx_slice rest = in->variables;
    size_t n = 0;

    while (rest.len > 0 && n < MAX_VARIABLES)
        in->environ_[n++] = fuzz_text(fuzz_line(&rest));
}

/* Made at its first use. */
static const char *folder(void)
{
    static char path[512];

    if (path[0] == '\0') {
        (void)snprintf(path, sizeof path, "%s/config", files_dir());
        fuzz_check(mkdir(path, 0700) == 0, "no folder %s", path);
    }
    return path;
}

static int load(const struct input *in, bool keeps_good, struct sx_report *rep,
                struct sx_config **ret_cfg)
{
    struct sx_config_source src = {
        .dir = folder(), .env = "testing", .environ_ = in->environ_, .keeps_good = keeps_good
    };

    (void)folder();
    files_write("config/base.json", in->base);
    files_write("config/testing.json", in->overlay);
    sx_report_init(rep);
    return sx_config_load(&src, rep, ret_cfg);
}

/* --- The promises of the table -------------------------------------------------------- */

static void check_text(const struct config_key *key, const char *text)
{
    bool is_chosen = key->choices == NULL;

    fuzz_check(text != NULL && sx_is_utf8(text, strlen(text)), "%s is no text", key->path);
    for (size_t i = 0; !is_chosen && key->choices[i] != NULL; i++)
        is_chosen = strcmp(key->choices[i], text) == 0;
    if (sx_reference_is(text)) /* to a secret that nobody resolves here */
        return;
    fuzz_check(is_chosen, "%s is \"%s\"", key->path, text);
    fuzz_check(key->format == NULL || key->format->is_valid(text), "%s is \"%s\"", key->path, text);
    fuzz_check(!key->is_folder_relative || *text == '/', "%s is \"%s\"", key->path, text);
}

static void check_member(const struct config_key *key, const void *member)
{
    const struct sx_config_text_list *list = member;
    uint32_t number;

    switch (key->type) {
    case CONFIG_INT:
        memcpy(&number, member, sizeof number);
        fuzz_check(number >= key->min && number <= key->max, "%s is %u", key->path, number);
        break;
    case CONFIG_TEXT: check_text(key, *(const char *const *)member); break;
    case CONFIG_LIST:
        for (size_t i = 0; i < list->n; i++)
            check_text(key, list->v[i]);
        break;
    case CONFIG_BOOL: break;
    case CONFIG_OBJECT:
        fuzz_check(json_is_object(*(json_t *const *)member), "%s is no object", key->path);
    }
}

static void check_table(const struct config_key *table, const void *of)
{
    for (; table->path != NULL; table++)
        check_member(table, (const char *)of + table->offset);
}

static void check_values(const struct sx_config *cfg)
{
    check_table(config_keys, cfg);
    for (size_t i = 0; i < cfg->n_plugins; i++) {
        fuzz_check(config_is_plugin_name(cfg->plugins[i].name), "a plugin \"%s\"",
                   cfg->plugins[i].name);
        fuzz_check(i == 0 || strcmp(cfg->plugins[i - 1].name, cfg->plugins[i].name) < 0,
                   "plugins out of order");
        check_table(config_plugin_keys, &cfg->plugins[i]);
    }
}

/* --- What is told --------------------------------------------------------------------- */

static void check_faults(const struct sx_report *rep)
{
    for (size_t i = 0; i < rep->n_faults; i++) {
        const char *text = rep->faults[i];

        fuzz_check(strncmp(text, folder(), strlen(folder())) == 0 ||
                       strncmp(text, "environment ", 12) == 0 || strncmp(text, "default: ", 9) == 0,
                   "a fault without its place: %s", text);
        fuzz_check(sx_is_utf8(text, strlen(text)), "a fault that is no UTF-8: %s", text);
    }
}

/* --- To a worker ---------------------------------------------------------------------- */

static void check_travel(const struct sx_config *cfg)
{
    char *text = sx_config_dump(cfg), *again;
    struct sx_config *copy = NULL;

    fuzz_check(text != NULL, "not dumped");
    fuzz_check(sx_config_restore(text, strlen(text), &copy) == 0, "not restored: %s", text);
    check_values(copy);
    again = sx_config_dump(copy);
    fuzz_check(again != NULL && strcmp(text, again) == 0, "another one arrives");
    sx_config_destroy(copy);
    free(again);
    free(text);
}

/* --- Written down and loaded again ---------------------------------------------------- */

static bool has_dollar(const struct sx_config *cfg)
{
    char *text = json_dumps(cfg->root, JSON_COMPACT);
    bool has = text == NULL || strstr(text, "${") != NULL;

    free(text);
    return has;
}

/* As the overlay: on Cloud Run what a base says is bent. */
static void check_again(const struct input *in, const struct sx_config *cfg)
{
    struct input second = { .base = sx_slice_of("{}") };
    struct sx_config *copy = NULL;
    struct sx_report rep;
    json_t *root = json_copy(cfg->root);
    char *text;

    memcpy(second.environ_, in->environ_, sizeof second.environ_);
    (void)json_object_del(root, "env");
    (void)json_object_del(root, "root_dir");
    text = json_dumps(root, 0);
    second.overlay = sx_slice_of(text);
    fuzz_check(load(&second, false, &rep, &copy) == 0, "it does not load again: %s\n%s",
               rep.n_faults > 0 ? rep.faults[0] : "", text);
    fuzz_check(json_equal(cfg->root, copy->root), "it comes out another one: %s", text);
    sx_report_finish(&rep);
    sx_config_destroy(copy);
    json_decref(root);
    free(text);
}

/* --- Secrets -------------------------------------------------------------------------- */

static size_t count(struct sx_slice s, const char *text)
{
    size_t n = 0;

    for (const char *at; s.len > 0 && (at = memmem(s.data, s.len, text, strlen(text))) != NULL; n++)
        s = sx_slice_after(s, (size_t)(at - s.data) + 1);
    return n;
}

/* One that stands in the input once, with a mark that nothing else has. */
static void check_secret(const struct input *in, const struct sx_config *cfg)
{
    const char *secret = cfg->app_secret;
    char *shown = NULL;
    size_t len;
    FILE *out = open_memstream(&shown, &len);

    fuzz_check(out != NULL, "no memory");
    sx_config_print(cfg, out);
    (void)fclose(out);
    if (strlen(secret) > 7 && strstr(secret, "!~") != NULL &&
        count(in->variables, secret) + count(in->overlay, secret) + count(in->base, secret) == 1)
        fuzz_check(strstr(shown, secret) == NULL, "the secret \"%s\" is shown", secret);
    free(shown);
}

/* --- The target ----------------------------------------------------------------------- */

static void check_good(const struct input *in, const struct sx_config *cfg)
{
    check_values(cfg);
    check_travel(cfg);
    check_secret(in, cfg);
    if (!has_dollar(cfg))
        check_again(in, cfg);
}

/* What was right of one with faults. */
static void check_rest(const struct input *in)
{
    struct sx_config *cfg = NULL;
    struct sx_report rep;

    fuzz_check(load(in, true, &rep, &cfg) < 0, "it loads after all");
    if (cfg != NULL)
        check_values(cfg);
    sx_config_destroy(cfg);
    sx_report_finish(&rep);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sx_slice rest = fuzz_input(data, len);
    struct input in = { .variables = part(&rest) };
    struct sx_config *cfg = NULL;
    struct sx_report rep;
    int rc;

    if (rest.data == NULL)
        return -1;
    in.overlay = part(&rest);
    in.base = rest.data == NULL ? sx_slice_of("{}") : rest;
    read_variables(&in);
    rc = load(&in, false, &rep, &cfg);
    fuzz_check((rc == 0) == (cfg != NULL) && (rc == 0) == (rep.n_faults == 0), "%d with %zu faults",
               rc, rep.n_faults);
    check_faults(&rep);
    if (cfg != NULL)
        check_good(&in, cfg);
    else
        check_rest(&in);
    sx_config_destroy(cfg);
    sx_report_finish(&rep);
    for (size_t i = 0; i < MAX_VARIABLES; i++)
        free(in.environ_[i]);
    return 0;
}
