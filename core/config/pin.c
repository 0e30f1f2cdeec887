/*
 * config/pin.c - the digests of the enabled plugins, as they stand in the file of an environment.
 */
#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

#define MAX_PLUGIN_BYTES (256u * 1024 * 1024)

static int add_pin(json_t *pins, const struct sx_config *cfg, const struct sx_config_plugin *plugin,
                   struct sx_report *rep)
{
    char hex[SX_SHA256_HEX + 1], path[160];
    char *data;
    size_t len;
    int err = sx_file_read(plugin->path, MAX_PLUGIN_BYTES, &data, &len);

    if (err != 0) {
        (void)snprintf(path, sizeof path, "plugins.%s", plugin->name);
        sx_report_add(rep, "%s: %s: %s: cannot be read: %s", sx_config_origin(cfg, path), path,
                      plugin->path,
                      err == SX_ERR_BUSY ? "it is larger than 256 MiB" : strerror(errno));
        return err;
    }
    sx_sha256_hex(data, len, hex);
    free(data);
    return json_object_set_new(pins, plugin->name, json_pack("{s:s}", "sha256", hex)) == 0
               ? 0
               : SX_ERR_NOMEM;
}

int sx_config_print_pins(const struct sx_config *cfg, FILE *out, struct sx_report *rep)
{
    json_t *pins = json_object(), *all = json_pack("{s:O}", "plugins", pins);
    int err = all == NULL ? SX_ERR_NOMEM : 0;

    for (size_t i = 0; i < cfg->n_plugins; i++) {
        int one = cfg->plugins[i].enabled ? add_pin(pins, cfg, &cfg->plugins[i], rep) : 0;

        err = err == 0 ? one : err;
    }
    if (err == 0 && (json_dumpf(all, out, JSON_INDENT(2)) != 0 || fputc('\n', out) == EOF))
        err = SX_ERR_IO;
    json_decref(pins);
    json_decref(all);
    return err;
}
