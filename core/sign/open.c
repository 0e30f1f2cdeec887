/* sign/open.c - maps the module with libcrypto on demand. */
#include "sign/sign.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"

static int open_module(struct sx_report *rep, const struct sx_sign_module **ret_module)
{
    char *path = sx_file_beside_program("sx_sign.so");
    void *handle = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct sx_sign_module *module = handle == NULL ? NULL : dlsym(handle, "sx_sign_module");
    int err = module == NULL || module->size != sizeof *module ? SX_ERR_MISSING : 0;

    if (path == NULL)
        sx_report_add(rep, "sx_sign.so cannot be found: no memory");
    else if (handle == NULL)
        sx_report_add(rep, "%s: cannot be loaded: %s", path, dlerror());
    else if (err != 0)
        sx_report_add(rep, "%s: is not the module of signatures of this version", path);
    free(path);
    *ret_module = module;
    return err;
}

static int check_files_of_config(const struct sx_sign_module *module, const struct sx_config *cfg,
                                 struct sx_report *rep)
{
    struct sx_sign_file *files = calloc(cfg->n_plugins + 1, sizeof *files);
    size_t n = 0;
    int err;

    if (files == NULL)
        return SX_ERR_NOMEM;
    for (size_t i = 0; i < cfg->n_plugins; i++)
        if (cfg->plugins[i].enabled)
            files[n++] = (struct sx_sign_file){ cfg->plugins[i].name, cfg->plugins[i].path };
    err = module->check(cfg, files, n, rep);
    free(files);
    return err;
}

int sx_sign_check(const struct sx_config *cfg, const struct sx_sign_file *files, size_t n,
                  struct sx_report *rep)
{
    const struct sx_sign_module *module;
    int err;

    if (cfg->trust.keys.n == 0)
        return 0;
    err = open_module(rep, &module);
    if (err != 0)
        return err;
    return files == NULL ? check_files_of_config(module, cfg, rep)
                         : module->check(cfg, files, n, rep);
}

int sx_sign_file(const char *key, const char *file, struct sx_report *rep)
{
    const struct sx_sign_module *module;
    int err = open_module(rep, &module);

    return err != 0 ? err : module->sign(key, file, rep);
}
