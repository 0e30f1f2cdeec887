/*
 * db/address.c - where a URL leads, with host names looked up off the loop.
 *
 * libpq would look names up inside PQconnectPoll and block the loop.  So names are resolved
 * with uv_getaddrinfo() first and given as hostaddr; host stays for certificates and
 * password files.  Sockets, numbers and a service file's entry need no lookup.
 */
#include "db/db_private.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { MAX_HOSTS = 64 };

struct sx_db_lookup {
    uv_getaddrinfo_t req;
    struct sx_db_conn *conn; /* NULL: nobody waits any more */
    struct sx_db_pool *pool;
    const struct sx_db_address *address;
    size_t i;                           /* the host that is looked up */
    struct sx_db_host found[MAX_HOSTS]; /* owned texts */
    size_t n_found;
    char why[200];
};

static void free_host(struct sx_db_host *h)
{
    free(h->name);
    free(h->addr);
    free(h->port);
    *h = (struct sx_db_host){ 0 };
}

static int set_host(struct sx_db_host *h, const char *name, const char *addr, const char *port)
{
    *h = (struct sx_db_host){ strdup(name), strdup(addr), strdup(port) };
    if (h->name != NULL && h->addr != NULL && h->port != NULL)
        return 0;
    free_host(h);
    return SX_ERR_NOMEM;
}

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (; options != NULL && options->keyword != NULL; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val;
    return NULL;
}

/* The n-th part of a list with commas; a list of one part serves for every n. */
static void list_part(const char *list, size_t n, char *to, size_t size)
{
    size_t len;

    if (strchr(list, ',') == NULL)
        n = 0;
    for (; n > 0 && list != NULL; n--) {
        list = strchr(list, ',');
        list = list != NULL ? list + 1 : NULL;
    }
    len = list != NULL ? strcspn(list, ",") : 0;
    (void)snprintf(to, size, "%.*s", (int)len, list != NULL ? list : "");
}

static size_t count_parts(const char *list)
{
    size_t n = *list != '\0';

    for (; *list != '\0'; list++)
        n += *list == ',';
    return n;
}

static bool is_name(const struct sx_db_host *h)
{
    unsigned char number[sizeof(struct in6_addr)];

    return h->addr[0] == '\0' && h->name[0] != '\0' && h->name[0] != '/' && h->name[0] != '@' &&
           inet_pton(AF_INET, h->name, number) != 1 && inet_pton(AF_INET6, h->name, number) != 1;
}

static int read_hosts(struct sx_db_address *a, const char *names, const char *addrs,
                      const char *ports)
{
    size_t n_names = count_parts(names), n_addrs = count_parts(addrs);
    size_t n = n_names > n_addrs ? n_names : n_addrs;
    char name[256], addr[64], port[16];

    a->hosts = calloc(n + 1, sizeof *a->hosts);
    if (a->hosts == NULL)
        return SX_ERR_NOMEM;
    for (; a->n_hosts < n; a->n_hosts++) {
        list_part(names, a->n_hosts, name, sizeof name);
        list_part(addrs, a->n_hosts, addr, sizeof addr);
        list_part(ports, a->n_hosts, port, sizeof port);
        if (set_host(&a->hosts[a->n_hosts], name, n_addrs > 0 ? addr : "", port) < 0)
            return SX_ERR_NOMEM;
        a->needs_lookup |= is_name(&a->hosts[a->n_hosts]);
    }
    return 0;
}

static const char *first_of(const char *a, const char *b)
{
    return a != NULL ? a : b != NULL ? b : "";
}

int sx_db_address_init(struct sx_db_address *a, const char *url)
{
    PQconninfoOption *given = PQconninfoParse(url, NULL), *defaults = PQconndefaults();
    int err = SX_ERR_INVALID;

    memset(a, 0, sizeof *a);
    if (given != NULL && option(given, "service") == NULL)
        err = read_hosts(a, first_of(option(given, "host"), option(defaults, "host")),
                         first_of(option(given, "hostaddr"), option(defaults, "hostaddr")),
                         first_of(option(given, "port"), option(defaults, "port")));
    else if (given != NULL)
        err = 0;
    PQconninfoFree(given);
    PQconninfoFree(defaults);
    a->url = strdup(url);
    if (err == 0 && a->url == NULL)
        err = SX_ERR_NOMEM;
    if (err < 0)
        sx_db_address_finish(a);
    return err;
}

bool sx_db_address_is_url(const char *url, char *ret_why, size_t size)
{
    /* Other messages quote the text, which has a password. */
    static const char *const harmless[] = { "invalid connection option",
                                            "invalid URI query parameter", NULL };
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &message);
    const char *told = "libpq cannot read it";

    for (size_t i = 0; message != NULL && harmless[i] != NULL; i++)
        if (strncmp(message, harmless[i], strlen(harmless[i])) == 0)
            told = message;
    (void)snprintf(ret_why, size, "%.*s", (int)strcspn(told, "\n"), told);
    PQfreemem(message);
    PQconninfoFree(options);
    return options != NULL;
}

void sx_db_address_finish(struct sx_db_address *a)
{
    for (size_t i = 0; i < a->n_hosts; i++)
        free_host(&a->hosts[i]);
    free(a->hosts);
    free(a->url);
    memset(a, 0, sizeof *a);
}

/* --- looking up ----------------------------------------------------------------- */

static void look_up_from(struct sx_db_lookup *l);

static void free_lookup(struct sx_db_lookup *l)
{
    for (size_t i = 0; i < l->n_found; i++)
        free_host(&l->found[i]);
    free(l);
}

static void add_found(struct sx_db_lookup *l, const struct sx_db_host *h, const char *addr)
{
    if (l->n_found < MAX_HOSTS && set_host(&l->found[l->n_found], h->name, addr, h->port) == 0)
        l->n_found++;
}

static void add_answer(struct sx_db_lookup *l, const struct addrinfo *answer)
{
    char text[INET6_ADDRSTRLEN];

    for (; answer != NULL; answer = answer->ai_next) {
        const void *addr =
            answer->ai_family == AF_INET6
                ? (const void *)&((const struct sockaddr_in6 *)(const void *)answer->ai_addr)
                      ->sin6_addr
                : (const void *)&((const struct sockaddr_in *)(const void *)answer->ai_addr)
                      ->sin_addr;

        if (inet_ntop(answer->ai_family, addr, text, sizeof text) != NULL)
            add_found(l, &l->address->hosts[l->i], text);
    }
}

static void on_answer(uv_getaddrinfo_t *req, int status, struct addrinfo *answer)
{
    struct sx_db_lookup *l = SX_MEMBER_OF(req, struct sx_db_lookup, req);
    struct sx_db_pool *pool = l->pool;

    if (l->conn == NULL) {
        free_lookup(l);
    } else {
        if (status == 0)
            add_answer(l, answer);
        else
            (void)snprintf(l->why, sizeof l->why, "host name \"%s\" cannot be resolved: %s",
                           l->address->hosts[l->i].name, uv_strerror(status));
        l->i++;
        look_up_from(l);
    }
    uv_freeaddrinfo(answer);
    sx_db_pool_release(pool);
}

static void end_lookup(struct sx_db_lookup *l)
{
    l->conn->lookup = NULL;
    sx_db_conn_resolved(l->conn, l->found, l->n_found, l->n_found > 0 ? NULL : l->why);
    free_lookup(l);
}

static void look_up_from(struct sx_db_lookup *l)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    int err;

    for (; l->i < l->address->n_hosts; l->i++) {
        const struct sx_db_host *h = &l->address->hosts[l->i];

        if (!is_name(h)) {
            add_found(l, h, h->addr);
            continue;
        }
        err = uv_getaddrinfo(l->pool->set.loop, &l->req, on_answer, h->name, NULL, &hints);
        if (err == 0) {
            l->pool->n_handles++;
            return;
        }
        (void)snprintf(l->why, sizeof l->why, "host name \"%s\" cannot be resolved: %s", h->name,
                       uv_strerror(err));
    }
    end_lookup(l);
}

void sx_db_conn_resolve(struct sx_db_conn *conn, const struct sx_db_address *a)
{
    struct sx_db_lookup *l;

    if (!a->needs_lookup) {
        sx_db_conn_resolved(conn, a->hosts, a->n_hosts, NULL);
        return;
    }
    l = calloc(1, sizeof *l);
    if (l == NULL) {
        sx_db_conn_resolved(conn, NULL, 0, "out of memory");
        return;
    }
    l->conn = conn;
    l->pool = conn->pool;
    l->address = a;
    conn->lookup = l;
    look_up_from(l);
}

void sx_db_lookup_abandon(struct sx_db_lookup *l)
{
    if (l == NULL)
        return;
    l->conn = NULL;
    (void)uv_cancel((uv_req_t *)&l->req);
}
