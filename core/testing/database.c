/*
 * testing/database.c - databases that nobody else uses, and that do not stay.
 *
 * A group has a base, into which the migrations go, and each case a copy of it: sequences,
 * tables and what was deleted are as they were.  An advisory lock, held by a connection to
 * the server's own database, says that the databases are in use; those of a test that was
 * killed have no such lock, and the next one drops them.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/error.h"
#include "base/text.h"
#include "testing/testing_private.h"

#define LOCK_CLASS "1937010548" /* any fixed number: the first key of the locks */
#define PREFIX     "sx_test_"

/* --- Statements --------------------------------------------------------------------------- */

static void tell(struct sx_report *rep, const char *what, const char *message)
{
    sx_report_add(rep, "the database of the test: %s: %.*s", what, (int)strcspn(message, "\n"),
                  message);
}

static PGconn *connect_to(const char *url, struct sx_report *rep)
{
    PGconn *pg = PQconnectdb(url);

    if (PQstatus(pg) == CONNECTION_OK)
        return pg;
    tell(rep, "no connection", PQerrorMessage(pg));
    PQfinish(pg);
    return NULL;
}

static PGresult *ask(PGconn *pg, const char *sql, struct sx_report *rep)
{
    PGresult *res = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(res);

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY)
        return res;
    tell(rep, sql, PQerrorMessage(pg));
    PQclear(res);
    return NULL;
}

static int run(PGconn *pg, struct sx_report *rep, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int run(PGconn *pg, struct sx_report *rep, const char *fmt, ...)
{
    char sql[512];
    PGresult *res;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(sql, sizeof sql, fmt, ap);
    va_end(ap);
    res = ask(pg, sql, rep);
    PQclear(res);
    return res == NULL ? SX_ERR_DB : 0;
}

/* --- The server ------------------------------------------------------------------------------ */

/* Prints its URL and lives until its standard input ends, so at the latest with us. */
static void become_server(const int to[2], const int from[2])
{
    (void)dup2(to[0], STDIN_FILENO);
    (void)dup2(from[1], STDOUT_FILENO);
    (void)setpgid(0, 0); /* a Ctrl-C is for the test */
    (void)execl(SX_SOURCE_DIR "/scripts/throwaway-postgres", "throwaway-postgres", (char *)NULL);
    _exit(127);
}

static int read_url(int fd, char *to, size_t size)
{
    size_t len = 0;

    while (len < size - 1 && read(fd, to + len, 1) == 1 && to[len] != '\n')
        len++;
    to[len] = '\0';
    return len == 0 ? SX_ERR_IO : 0;
}

static int start_server(struct sxt_database *d, char *url, size_t size, struct sx_report *rep)
{
    int to[2], from[2], err;

    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        return SX_ERR_IO;
    d->pid = fork();
    if (d->pid == 0)
        become_server(to, from);
    (void)close(to[0]);
    (void)close(from[1]);
    d->server = to[1];
    err = d->pid < 0 ? SX_ERR_IO : read_url(from[0], url, size);
    (void)close(from[0]);
    if (err < 0)
        sx_report_add(rep, "no PostgreSQL for the test\nSet SX_TEST_DATABASE_URL to one.");
    return err;
}

static void stop_server(struct sxt_database *d)
{
    if (d->pid <= 0)
        return;
    (void)close(d->server);
    (void)waitpid((pid_t)d->pid, NULL, 0);
}

/* --- Names ------------------------------------------------------------------------------ */

static void add_value(struct sx_buf *to, const char *key, const char *value)
{
    sx_buf_printf(to, "%s%s='", to->len > 0 ? " " : "", key);
    for (; *value != '\0'; value++)
        sx_buf_printf(to, *value == '\'' || *value == '\\' ? "\\%c" : "%c", *value);
    sx_buf_add_text(to, "'");
}

/* The same server, another database; the caller frees. */
static char *url_of(const char *url, const char *database)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    char *text = NULL;
    struct sx_buf b;

    sx_buf_init(&b, 16384);
    for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
        if (o->val != NULL && strcmp(o->keyword, "dbname") != 0)
            add_value(&b, o->keyword, o->val);
    add_value(&b, "dbname", database);
    PQconninfoFree(options);
    if (!sx_buf_failed(&b))
        text = strdup(sx_buf_text(&b));
    sx_buf_finish(&b);
    return text;
}

/* A name of its own, and the lock that keeps it. */
static int take_name(struct sxt_database *d, struct sx_report *rep)
{
    unsigned char random[8];
    char hex[2 * sizeof random];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return SX_ERR_IO;
    sx_format_hex(hex, random, sizeof random);
    (void)snprintf(d->name, sizeof d->name, PREFIX "%.*s", (int)sizeof hex, hex);
    return run(d->admin, rep, "SELECT pg_advisory_lock(" LOCK_CLASS ", hashtext('%s'))", d->name);
}

/* The databases of a group are called PREFIX and 16 digits, its copies with a number behind. */
static int drop_stale(const struct sxt_database *d, struct sx_report *rep)
{
    PGresult *res = ask(d->admin,
                        "SELECT datname FROM pg_database WHERE datname ~ '^" PREFIX
                        "[0-9a-f]{16}(_[0-9]+)?$' AND pg_try_advisory_xact_lock(" LOCK_CLASS
                        ", hashtext(substr(datname, 1, 24)))",
                        rep);
    int err = res == NULL ? SX_ERR_DB : 0;

    for (int i = 0; i < PQntuples(res) && err == 0; i++)
        if (strncmp(PQgetvalue(res, i, 0), d->name, strlen(d->name)) != 0)
            err = run(d->admin, rep, "DROP DATABASE IF EXISTS \"%s\" WITH (FORCE)",
                      PQgetvalue(res, i, 0));
    PQclear(res);
    return err;
}

/* --- The face --------------------------------------------------------------------------- */

int sxt_database_open(struct sxt_database *d, struct sx_report *rep)
{
    const char *given = getenv("SX_TEST_DATABASE_URL");
    char url[1024];

    if (given != NULL && *given != '\0')
        (void)snprintf(url, sizeof url, "%s", given);
    else if (start_server(d, url, sizeof url, rep) < 0)
        return SX_ERR_IO;
    d->admin = connect_to(url, rep);
    if (d->admin == NULL || run(d->admin, rep, "SET client_min_messages = warning") < 0 ||
        take_name(d, rep) < 0 || drop_stale(d, rep) < 0)
        return SX_ERR_DB;
    d->base_url = url_of(url, d->name);
    if (d->base_url == NULL)
        return SX_ERR_NOMEM;
    return run(d->admin, rep, "CREATE DATABASE \"%s\"", d->name);
}

/* Sessions that were closed a moment ago are waited for; those that will not go are ended.  Not
 * at once: a backend that is told to end twice, by its client and by us, may lock up. */
static void drop(struct sxt_database *d, const char *name)
{
    struct sx_report ignored;

    sx_report_init(&ignored);
    if (run(d->admin, &ignored, "DROP DATABASE IF EXISTS \"%s\"", name) < 0)
        (void)run(d->admin, &ignored, "DROP DATABASE IF EXISTS \"%s\" WITH (FORCE)", name);
    sx_report_finish(&ignored);
}

static void drop_all(struct sxt_database *d)
{
    char name[64];

    for (; d->n_copies > 0; d->n_copies--) {
        (void)snprintf(name, sizeof name, "%s_%u", d->name, d->n_copies);
        drop(d, name);
    }
    drop(d, d->name);
}

void sxt_database_close(struct sxt_database *d)
{
    if (d->admin != NULL && d->base_url != NULL)
        drop_all(d);
    PQfinish(d->admin);
    free(d->base_url);
    free(d->copy_url);
    stop_server(d);
    *d = (struct sxt_database){ 0 };
}

const char *sxt_database_base(const struct sxt_database *d)
{
    return d->base_url;
}

const char *sxt_database_copy(struct sxt_database *d, struct sx_report *rep)
{
    char name[64];

    (void)snprintf(name, sizeof name, "%s_%u", d->name, ++d->n_copies);
    if (run(d->admin, rep, "CREATE DATABASE \"%s\" TEMPLATE \"%s\"", name, d->name) < 0)
        return NULL;
    free(d->copy_url);
    d->copy_url = url_of(d->base_url, name);
    return d->copy_url;
}

/* --- A test's own statements ------------------------------------------------------------ */

void *sxt_session_open(const char *url, const char *schema, struct sx_report *rep)
{
    PGconn *pg = connect_to(url, rep);

    if (pg != NULL && run(pg, rep, "SET search_path = \"%s\"", schema) == 0 &&
        run(pg, rep, "SET client_min_messages = warning") == 0)
        return pg;
    PQfinish(pg);
    return NULL;
}

void sxt_session_close(void *session)
{
    PQfinish(session);
}

int sxt_session_value(void *session, const char *sql, struct sx_arena *a, struct sx_report *rep,
                      const char **ret_value)
{
    PGresult *res = ask(session, sql, rep);
    const char *value = NULL;

    if (res == NULL)
        return SX_ERR_DB;
    if (PQntuples(res) > 0 && PQnfields(res) > 0 && !PQgetisnull(res, 0, 0))
        value = sx_arena_text(a, PQgetvalue(res, 0, 0), (size_t)PQgetlength(res, 0, 0));
    PQclear(res);
    *ret_value = value;
    return 0;
}
