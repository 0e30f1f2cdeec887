/* secret/endpoint.c - the hosts of Google's services, and the variables that win over them. */
#include "secret/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

#define HTTP  "http://"
#define HTTPS "https://"

static const struct {
    const char *variable, *fallback;
    const char *scheme; /* of a value without one; NULL: it must have one */
} endpoints[] = {
    [SX_ENDPOINT_METADATA] = { "GCE_METADATA_HOST", "metadata.google.internal", HTTP },
    [SX_ENDPOINT_SM] = { "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER",
                         HTTPS "secretmanager.googleapis.com", NULL },
    [SX_ENDPOINT_STORAGE] = { "STORAGE_EMULATOR_HOST", HTTPS "storage.googleapis.com", HTTP },
    [SX_ENDPOINT_KMS] = { "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS",
                          HTTPS "cloudkms.googleapis.com", NULL },
};

static bool begins(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

bool sx_endpoint_is_https(const char *url)
{
    return begins(url, HTTPS);
}

static const char *authority_of(const char *url)
{
    const char *at = strstr(url, "://");

    return at != NULL ? at + 3 : url;
}

void sx_endpoint_host(const char *url, char *ret_host, size_t size)
{
    const char *host = authority_of(url);

    (void)snprintf(ret_host, size, "%.*s", (int)strcspn(host, "/?#"), host);
}

/* host[:port] and nothing that another parser could read otherwise. */
static bool is_plain_authority(const char *at, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-.:[]";

    return len > 0 && len < 256 && strspn(at, allowed) >= len;
}

static bool is_loopback(const char *at, size_t len)
{
    char host[256];
    struct in_addr v4;
    char *end;

    (void)snprintf(host, sizeof host, "%.*s", (int)len, at);
    if (strncmp(host, "[::1]", 5) == 0)
        return host[5] == '\0' || host[5] == ':';
    end = strchr(host, ':');
    if (end != NULL)
        *end = '\0';
    if (strcasecmp(host, "localhost") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

static int refuse(enum sx_endpoint which, const char *value, const char *expected,
                  char why[SX_ENDPOINT_WHY])
{
    (void)snprintf(why, SX_ENDPOINT_WHY, "environment %s: expected %s, found \"%.80s\"",
                   endpoints[which].variable, expected, value);
    return SX_ERR_INVALID;
}

/* What is behind the authority: nothing, or one slash. */
static bool has_no_path(const char *rest)
{
    return *rest == '\0' || strcmp(rest, "/") == 0;
}

int sx_endpoint_base(enum sx_endpoint which, char **ret_base, char why[SX_ENDPOINT_WHY])
{
    const char *value = getenv(endpoints[which].variable), *authority;
    const bool is_given = value != NULL && *value != '\0';
    const char *scheme = "";
    size_t len;

    if (!is_given)
        value = endpoints[which].fallback;
    if (strstr(value, "://") == NULL)
        scheme = endpoints[which].scheme;
    if (scheme == NULL || (*scheme == '\0' && !begins(value, HTTP) && !begins(value, HTTPS)))
        return refuse(which, value, "an address with https://", why);
    authority = authority_of(value);
    len = strcspn(authority, "/?#");
    if (!is_plain_authority(authority, len) || !has_no_path(authority + len) ||
        (which == SX_ENDPOINT_METADATA && *scheme == '\0'))
        return refuse(which, value,
                      which == SX_ENDPOINT_METADATA ? "HOST or HOST:PORT" : "a host without a path",
                      why);
    if (which != SX_ENDPOINT_METADATA && !sx_endpoint_is_https(value) &&
        !is_loopback(authority, len))
        return refuse(which, value, "https://, or http:// to loopback", why);
    return asprintf(ret_base, "%s%.*s", scheme, (int)(authority - value) + (int)len, value) < 0
               ? SX_ERR_NOMEM
               : 0;
}
