/* db/open.c - maps the database module on demand. */
#include "db/db.h"

#include <dlfcn.h>

#include "base/error.h"

int sx_db_open(const char *path, struct sx_report *faults, const struct sx_db_module **ret_module)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct sx_db_module *module;

    if (handle == NULL) {
        sx_report_add(faults, "%s: cannot be loaded: %s", path, dlerror());
        return SX_ERR_MISSING;
    }
    module = dlsym(handle, "sx_db_module");
    if (module == NULL || module->size != sizeof *module) {
        sx_report_add(faults, "%s: is not the database module of this version", path);
        return SX_ERR_INVALID;
    }
    *ret_module = module;
    return 0;
}
