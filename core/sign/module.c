/*
 * sign/module.c - the plugins of a configuration against its keys, and the signing of one file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "sign/key.h"
#include "sign/sign.h"

#define MAX_PLUGIN_BYTES    (256u * 1024 * 1024)
#define MAX_SIGNATURE_BYTES 1024
#define MAX_WHY             1024

struct ring {
    const struct sx_config *cfg;
    struct sx_key *keys; /* owned; as many as trust.keys, some without a key */
    struct sx_report *rep;
};

/* --- keys ----------------------------------------------------------------------------------- */

static int read_keys(struct ring *ring)
{
    const struct sx_config_text_list *paths = &ring->cfg->trust.keys;
    char why[MAX_WHY], item[64];
    int err = 0;

    for (size_t i = 0; i < paths->n; i++) {
        if (sx_key_read_public(paths->v[i], &ring->keys[i], why, sizeof why) == 0)
            continue;
        (void)snprintf(item, sizeof item, "trust.keys[%zu]", i);
        sx_report_add(ring->rep, "%s: %s: %s: %s", sx_config_origin(ring->cfg, item), item,
                      paths->v[i], why);
        err = SX_ERR_INVALID;
    }
    return err;
}

/* --- one plugin ----------------------------------------------------------------------------- */

static void add_fault(const struct ring *ring, const struct sx_config_plugin *plugin,
                      const char *why)
{
    char key[96];

    (void)snprintf(key, sizeof key, "plugins.%s", plugin->name);
    sx_report_add(ring->rep, "%s: %s: %s: %s", sx_config_origin(ring->cfg, key), key, plugin->path,
                  why);
}

/* "1f2e… (keys/a.pem), …" */
static void list_keys(const struct ring *ring, struct sx_buf *to)
{
    for (size_t i = 0; i < ring->cfg->trust.keys.n; i++)
        sx_buf_printf(to, "%s%s (%s)", i > 0 ? ", " : "", ring->keys[i].id,
                      ring->cfg->trust.keys.v[i]);
}

static void tell_unknown(const struct ring *ring, const struct sx_config_plugin *plugin,
                         const struct sx_signature *signature)
{
    struct sx_buf why;

    sx_buf_init(&why, MAX_WHY * 8);
    if (signature->id[0] != '\0')
        sx_buf_printf(&why, "is signed by an unknown key: found %s, expected one of ",
                      signature->id);
    else
        sx_buf_add_text(&why, "was modified after it had been signed, or is signed by an unknown "
                              "key: its signature fits none of ");
    list_keys(ring, &why);
    add_fault(ring, plugin, sx_buf_text(&why) != NULL ? sx_buf_text(&why) : "is not trusted");
    sx_buf_finish(&why);
}

static int verify(const struct ring *ring, const struct sx_config_plugin *plugin,
                  const struct sx_signature *signature, const char *data, size_t len)
{
    char why[MAX_WHY];

    for (size_t i = 0; i < ring->cfg->trust.keys.n; i++) {
        const struct sx_key *key = &ring->keys[i];

        if (sx_signature_fits(signature, key, data, len))
            return 0;
        if (strcmp(signature->id, key->id) != 0)
            continue;
        (void)snprintf(why, sizeof why, "was modified after key %s (%.512s) had signed it", key->id,
                       ring->cfg->trust.keys.v[i]);
        add_fault(ring, plugin, why);
        return SX_ERR_INVALID;
    }
    tell_unknown(ring, plugin, signature);
    return SX_ERR_INVALID;
}

/* SX_ERR_MISSING: there is none, and none is needed. */
static int read_signature(const struct ring *ring, const struct sx_config_plugin *plugin,
                          struct sx_signature *ret_signature)
{
    char why[MAX_WHY], *path, *data;
    size_t len;
    int err, saved;

    if (asprintf(&path, "%s.sig", plugin->path) < 0)
        return SX_ERR_NOMEM;
    err = sx_file_read(path, MAX_SIGNATURE_BYTES, &data, &len);
    saved = errno;
    free(path);
    if (err == SX_ERR_IO && saved == ENOENT && !ring->cfg->trust.signatures)
        return SX_ERR_MISSING;
    if (err == SX_ERR_IO && saved == ENOENT)
        (void)snprintf(why, sizeof why,
                       "is not signed: expected %.512s.sig, found none\n"
                       "Sign it where the key is: sim-exchange sign --key KEY FILE",
                       plugin->path);
    else if (err == SX_ERR_IO)
        (void)snprintf(why, sizeof why, "its signature cannot be read: %s", strerror(saved));
    else
        (void)snprintf(
            why, sizeof why,
            "its signature is none: expected the line of sim-exchange sign, or 64 bytes");
    if (err == 0) {
        err = sx_signature_parse(data, len, ret_signature);
        free(data);
    }
    if (err != 0)
        add_fault(ring, plugin, why);
    return err == 0 ? 0 : SX_ERR_INVALID;
}

static const struct sx_config_plugin *find_plugin(const struct sx_config *cfg, const char *name)
{
    for (size_t i = 0; i < cfg->n_plugins; i++)
        if (strcmp(cfg->plugins[i].name, name) == 0)
            return &cfg->plugins[i];
    return NULL;
}

static int check_file(const struct ring *ring, const struct sx_sign_file *file)
{
    const struct sx_config_plugin *plugin = find_plugin(ring->cfg, file->name);
    struct sx_signature signature;
    char *data;
    size_t len;
    int err = plugin == NULL ? SX_ERR_INVALID : read_signature(ring, plugin, &signature);

    if (err != 0)
        return err == SX_ERR_MISSING ? 0 : err;
    if (sx_file_read(file->path, MAX_PLUGIN_BYTES, &data, &len) != 0) {
        add_fault(ring, plugin, "cannot be read again");
        return SX_ERR_IO;
    }
    err = verify(ring, plugin, &signature, data, len);
    free(data);
    return err;
}

static int check(const struct sx_config *cfg, const struct sx_sign_file *files, size_t n,
                 struct sx_report *rep)
{
    struct ring ring = { .cfg = cfg,
                         .keys = calloc(cfg->trust.keys.n + 1, sizeof *ring.keys),
                         .rep = rep };
    int err = ring.keys == NULL ? SX_ERR_NOMEM : read_keys(&ring);
    bool has_keys = err == 0;

    for (size_t i = 0; has_keys && i < n; i++) { /* all faults are told */
        int of_file = check_file(&ring, &files[i]);

        err = err != 0 ? err : of_file;
    }
    for (size_t i = 0; ring.keys != NULL && i < cfg->trust.keys.n; i++)
        sx_key_finish(&ring.keys[i]);
    free(ring.keys);
    return err;
}

/* --- signing -------------------------------------------------------------------------------- */

static int write_signature(const struct sx_signature *signature, const char *file,
                           struct sx_report *rep)
{
    char *line = sx_signature_format(signature), *path = NULL;
    int err = line == NULL || asprintf(&path, "%s.sig", file) < 0 ? SX_ERR_NOMEM : 0;

    if (err == 0)
        err = sx_file_write(path, line, strlen(line), 0644);
    if (err != 0)
        sx_report_add(rep, "%s.sig: cannot be written: %s", file, strerror(errno));
    free(line);
    free(path);
    return err;
}

static int sign(const char *key_path, const char *file, struct sx_report *rep)
{
    struct sx_signature signature;
    struct sx_key key;
    char why[MAX_WHY], *data;
    size_t len;
    int err = sx_key_read_private(key_path, &key, why, sizeof why);

    if (err != 0) {
        sx_report_add(rep, "%s: %s", key_path, why);
    } else if ((err = sx_file_read(file, MAX_PLUGIN_BYTES, &data, &len)) != 0) {
        sx_report_add(rep, "%s: cannot be read: %s", file,
                      err == SX_ERR_BUSY ? "it is larger than 256 MiB" : strerror(errno));
    } else {
        err = sx_signature_make(&key, data, len, &signature);
        free(data);
        if (err == 0)
            err = write_signature(&signature, file, rep);
        else
            sx_report_add(rep, "%s: cannot be signed with %s", file, key_path);
    }
    sx_key_finish(&key);
    return err;
}

/* Found by its name: the one symbol that the module exports. */
__attribute__((visibility("default"))) extern const struct sx_sign_module sx_sign_module;

const struct sx_sign_module sx_sign_module = {
    .size = sizeof sx_sign_module,
    .check = check,
    .sign = sign,
};
