/*
 * db/address.c - where a URL leads, with host names looked up off the loop.
 *
 * libpq would look names up inside PQconnectPoll and block the loop.  So names are resolved
 * with uv_getaddrinfo() first and given as hostaddr; host stays for certificates and
 * password files.  Sockets, numbers and a service file's entry need no lookup.
 *
 * Each name is looked up once for all connections, all names at once, and what was found is
 * kept: a name server that is silent hides neither the other hosts nor this one for long.
 */
#include "db/db_private.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { MAX_ADDRS = 8, FRESH_MS = 1000, SHUN_MS = 30000 };

/* One name of an address. */
struct sx_db_lookup {
    uv_getaddrinfo_t req;
    struct sx_db_pool *pool;
    struct sx_db_address *address;
    size_t i; /* of the host */
    bool is_under_way;
    uint64_t asked_ms, answered_ms;
    char addrs[MAX_ADDRS][INET6_ADDRSTRLEN]; /* as found last */
    size_t n_addrs;
    char why[200]; /* nothing was found the last time; or "" */
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
    a->lookups = calloc(n + 1, sizeof *a->lookups);
    if (a->hosts == NULL || a->lookups == NULL)
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

/* Has a password with a raw '/' or '@' in it been read as a host, a port or the name of a database?
 * Those are told when nobody can be reached there. */
static bool is_misread(const PQconninfoOption *options, const char *url)
{
    const char *host = first_of(option(options, "host"), NULL);
    const char *port = first_of(option(options, "port"), NULL);
    const char *authority = strstr(url, "://"), *path;
    char part[256];

    for (size_t i = 0; i < count_parts(host); i++) {
        list_part(host, i, part, sizeof part);
        /* "@name" is a socket without a file */
        if (part[0] != '/' && part[0] != '\0' && strchr(part + 1, '@') != NULL)
            return true;
    }
    if (strspn(port, "0123456789, ") != strlen(port))
        return true;
    if (strncmp(url, "postgres", 8) != 0 || authority == NULL)
        return false;
    path = strchr(authority + 3, '/');
    return path != NULL && memchr(path, '@', strcspn(path, "?")) != NULL;
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
    if (options != NULL && is_misread(options, url)) {
        told = "a password in it has '/' or '@', which are to be written %2F and %40";
        PQconninfoFree(options);
        options = NULL;
    }
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
    free(a->lookups);
    free(a->url);
    memset(a, 0, sizeof *a);
}

/* --- looking up ----------------------------------------------------------------- */

static void keep_answer(struct sx_db_lookup *l, const struct addrinfo *answer)
{
    l->n_addrs = 0;
    l->why[0] = '\0';
    for (; answer != NULL && l->n_addrs < MAX_ADDRS; answer = answer->ai_next) {
        const void *addr =
            answer->ai_family == AF_INET6
                ? (const void *)&((const struct sockaddr_in6 *)(const void *)answer->ai_addr)
                      ->sin6_addr
                : (const void *)&((const struct sockaddr_in *)(const void *)answer->ai_addr)
                      ->sin_addr;

        if (inet_ntop(answer->ai_family, addr, l->addrs[l->n_addrs], INET6_ADDRSTRLEN) != NULL)
            l->n_addrs++;
    }
}

/* Addresses of before are kept: the name server may be away, too. */
static void end_lookup(struct sx_db_lookup *l, int status)
{
    l->is_under_way = false;
    l->answered_ms = uv_now(l->pool->set.loop);
    if (status != 0)
        (void)snprintf(l->why, sizeof l->why, "host name \"%s\" cannot be resolved: %s",
                       l->address->hosts[l->i].name, uv_strerror(status));
}

static void on_answer(uv_getaddrinfo_t *req, int status, struct addrinfo *answer)
{
    struct sx_db_lookup *l = SX_MEMBER_OF(req, struct sx_db_lookup, req);
    struct sx_db_pool *pool = l->pool;

    end_lookup(l, status);
    if (status == 0)
        keep_answer(l, answer);
    uv_freeaddrinfo(answer);
    for (uint32_t i = 0; i < pool->n_conns && !pool->is_closing; i++)
        if (pool->conns[i].state == CONN_RESOLVING)
            sx_db_conn_settle(&pool->conns[i], uv_now(pool->set.loop));
    sx_db_pool_finish_jobs(pool);
    sx_db_pool_release(pool);
}

static void look_up(struct sx_db_pool *pool, struct sx_db_address *a, size_t i)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct sx_db_lookup *l = &a->lookups[i];
    uint64_t now_ms = uv_now(pool->set.loop);
    int err;

    if (l->is_under_way ||
        (l->answered_ms != 0 && l->why[0] == '\0' && now_ms < l->answered_ms + FRESH_MS))
        return;
    l->pool = pool;
    l->address = a;
    l->i = i;
    l->asked_ms = now_ms;
    err = uv_getaddrinfo(pool->set.loop, &l->req, on_answer, a->hosts[i].name, NULL, &hints);
    if (err != 0) {
        end_lookup(l, err);
        return;
    }
    l->is_under_way = true;
    pool->n_handles++;
}

void sx_db_address_ask(struct sx_db_pool *pool, struct sx_db_address *a)
{
    for (size_t i = 0; i < a->n_hosts; i++)
        if (is_name(&a->hosts[i]))
            look_up(pool, a, i);
}

void sx_db_address_cancel(struct sx_db_address *a)
{
    for (size_t i = 0; i < a->n_hosts; i++)
        if (a->lookups[i].is_under_way)
            (void)uv_cancel((uv_req_t *)&a->lookups[i].req);
}

bool sx_db_address_waits(const struct sx_db_address *a, uint64_t since_ms)
{
    for (size_t i = 0; i < a->n_hosts; i++)
        if (a->lookups[i].is_under_way && a->lookups[i].asked_ms >= since_ms)
            return true;
    return false;
}

/* --- the hosts, in their order -------------------------------------------------- */

static bool is_same(const struct sx_db_shunned *s, const char *name, const char *addr,
                    const char *port)
{
    return strcmp(s->name, name) == 0 && strcmp(s->addr, addr) == 0 && strcmp(s->port, port) == 0;
}

static bool is_shunned(const struct sx_db_address *a, const struct sx_db_host *h, uint64_t now_ms)
{
    for (size_t i = 0; i < SX_DB_MAX_SHUNNED; i++)
        if (now_ms < a->shunned[i].until_ms && is_same(&a->shunned[i], h->name, h->addr, h->port))
            return true;
    return false;
}

void sx_db_address_shun(struct sx_db_address *a, const struct sx_db_host *h, uint64_t now_ms)
{
    struct sx_db_shunned *oldest = &a->shunned[0];

    for (size_t i = 0; i < SX_DB_MAX_SHUNNED; i++) {
        struct sx_db_shunned *s = &a->shunned[i];

        if (is_same(s, h->name, h->addr, h->port)) {
            oldest = s;
            break;
        }
        if (s->until_ms < oldest->until_ms)
            oldest = s;
    }
    (void)snprintf(oldest->name, sizeof oldest->name, "%s", h->name);
    (void)snprintf(oldest->addr, sizeof oldest->addr, "%s", h->addr);
    (void)snprintf(oldest->port, sizeof oldest->port, "%s", h->port);
    oldest->until_ms = now_ms + SHUN_MS;
}

/* Borrows; as many as fit. */
static size_t list_all(const struct sx_db_address *a, struct sx_db_host *to, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n_hosts; i++) {
        const struct sx_db_host *h = &a->hosts[i];
        struct sx_db_lookup *l = &a->lookups[i];

        if (!is_name(h) && n < max)
            to[n++] = *h;
        for (size_t k = 0; k < l->n_addrs && n < max; k++)
            to[n++] = (struct sx_db_host){ h->name, l->addrs[k], h->port };
    }
    return n;
}

size_t sx_db_address_hosts(const struct sx_db_address *a, uint64_t now_ms,
                           struct sx_db_host to[SX_DB_MAX_HOSTS], size_t *ret_n_shunned)
{
    struct sx_db_host all[SX_DB_MAX_HOSTS];
    size_t n = list_all(a, all, SX_DB_MAX_HOSTS), at = 0;

    for (size_t i = 0; i < n; i++)
        if (!is_shunned(a, &all[i], now_ms))
            to[at++] = all[i];
    *ret_n_shunned = n - at;
    for (size_t i = 0; i < n; i++)
        if (is_shunned(a, &all[i], now_ms))
            to[at++] = all[i];
    return n;
}

const char *sx_db_address_why(const struct sx_db_address *a)
{
    for (size_t i = 0; i < a->n_hosts; i++)
        if (a->lookups[i].why[0] != '\0')
            return a->lookups[i].why;
    return "the names of its hosts are not resolved in time";
}
