/* supervisor/address.c - "ADDRESS:PORT" and "unix:/path" as socket addresses. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/text.h"
#include "supervisor/listener.h"

static int parse_unix(const char *path, struct sx_address *a)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&a->addr;
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof un->sun_path)
        return SX_ERR_INVALID;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len + 1);
    a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return 0;
}

static int parse_v4(const char *host, uint16_t port, struct sx_address *a)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&a->addr;

    if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
        return SX_ERR_INVALID;
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    a->len = sizeof *in;
    return 0;
}

static int parse_v6(const char *host, uint16_t port, struct sx_address *a)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->addr;

    if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
        return SX_ERR_INVALID;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    a->len = sizeof *in6;
    return 0;
}

static int parse_inet(const char *text, struct sx_address *a)
{
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 3];
    uint64_t port;
    size_t len;

    if (colon == NULL || sx_parse_uint(colon + 1, strlen(colon + 1), &port) != 0 || port < 1 ||
        port > UINT16_MAX)
        return SX_ERR_INVALID;
    len = (size_t)(colon - text);
    if (len == 0 || len >= sizeof host)
        return SX_ERR_INVALID;
    memcpy(host, text, len);
    host[len] = '\0';

    if (host[0] != '[')
        return parse_v4(host, (uint16_t)port, a);
    if (host[len - 1] != ']')
        return SX_ERR_INVALID;
    host[len - 1] = '\0';
    return parse_v6(host + 1, (uint16_t)port, a);
}

int sx_address_parse(const char *text, struct sx_address *ret_address)
{
    struct sx_address a;
    int rc;

    memset(&a, 0, sizeof a);
    if (strlen(text) >= sizeof a.name)
        return SX_ERR_INVALID;
    memcpy(a.name, text, strlen(text) + 1);
    rc = strncmp(text, "unix:", 5) == 0 ? parse_unix(text + 5, &a) : parse_inet(text, &a);
    if (rc == 0)
        *ret_address = a;
    return rc;
}

static int name_socket(struct sx_address *a)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&a->addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->addr;
    const struct sockaddr_un *un = (const struct sockaddr_un *)&a->addr;
    char host[INET6_ADDRSTRLEN];

    switch (a->addr.ss_family) {
    case AF_INET:
        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        (void)snprintf(a->name, sizeof a->name, "%s:%u", host, ntohs(in->sin_port));
        return 0;
    case AF_INET6:
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        (void)snprintf(a->name, sizeof a->name, "[%s]:%u", host, ntohs(in6->sin6_port));
        return 0;
    case AF_UNIX: (void)snprintf(a->name, sizeof a->name, "unix:%s", un->sun_path); return 0;
    default: return SX_ERR_INVALID;
    }
}

int sx_address_of_socket(int fd, struct sx_address *ret_address)
{
    struct sx_address a;

    memset(&a, 0, sizeof a); /* and so a path always ends with a NUL */
    a.len = sizeof a.addr;
    if (getsockname(fd, (struct sockaddr *)&a.addr, &a.len) != 0 || name_socket(&a) != 0)
        return SX_ERR_INVALID;
    *ret_address = a;
    return 0;
}

bool sx_address_equals(const struct sx_address *a, const struct sx_address *b)
{
    const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)&a->addr;
    const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)&b->addr;
    const struct sockaddr_in *a4 = (const struct sockaddr_in *)&a->addr;
    const struct sockaddr_in *b4 = (const struct sockaddr_in *)&b->addr;

    if (a->addr.ss_family != b->addr.ss_family)
        return false;
    switch (a->addr.ss_family) {
    case AF_INET: return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
    case AF_INET6:
        return a6->sin6_port == b6->sin6_port &&
               memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
    default:
        return strcmp(((const struct sockaddr_un *)&a->addr)->sun_path,
                      ((const struct sockaddr_un *)&b->addr)->sun_path) == 0;
    }
}

void sx_address_join(const struct sx_config_server *server, char *to, size_t size)
{
    const char *a = server->address;

    if (strncmp(a, "unix:", 5) == 0)
        (void)snprintf(to, size, "%s", a);
    else if (a[0] != '[' && strchr(a, ':') != NULL)
        (void)snprintf(to, size, "[%s]:%u", a, server->port);
    else
        (void)snprintf(to, size, "%s:%u", a, server->port);
}
