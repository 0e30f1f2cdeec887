/* db/module.c - the one exported symbol of sx_db.so. */
#include "db/db_private.h"

extern const struct sx_db_module sx_db_module;

__attribute__((visibility("default"))) const struct sx_db_module sx_db_module = {
    .size = sizeof(struct sx_db_module),
    .create = sx_db_pool_create,
    .close = sx_db_pool_close,
    .stats = sx_db_pool_stats,
    .probe = sx_db_pool_probe,
    .submit = sx_db_pool_submit,
    .forget = sx_db_pool_forget,
    .listen = sx_db_pool_listen,
    .lease_create = sx_db_lease_create,
    .lease_exec = sx_db_lease_exec,
    .lease_control = sx_db_lease_control,
    .lease_failure = sx_db_lease_failure,
    .lease_conn = sx_db_lease_conn,
    .lease_end = sx_db_lease_end,
    .lease_cancel = sx_db_lease_cancel,
    .lease_abandon = sx_db_lease_abandon,
    .rows_count = sx_db_rows_count,
    .rows_columns = sx_db_rows_columns,
    .rows_name = sx_db_rows_name,
    .rows_column = sx_db_rows_column,
    .rows_oid = sx_db_rows_oid,
    .rows_text = sx_db_rows_text,
    .rows_affected = sx_db_rows_affected,
    .rows_pg = sx_db_rows_pg,
    .rows_keep = sx_db_rows_keep,
    .rows_drop = sx_db_rows_drop,
    .migrate = sx_db_migrate,
    .verify = sx_db_verify,
    .is_url = sx_db_address_is_url,
    .max_connections = sx_db_max_connections,
};
