/*
 * config/format.c - what texts must look like: addresses, origins, prefixes, digests.
 *
 * Addresses are literals: a name would have to be resolved, and would mean another socket
 * tomorrow.
 */
#include "config/config_private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/text.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool consists_of(const char *text, size_t len, const char *set)
{
    return strspn(text, set) >= len;
}

static bool is_uint_up_to(const char *text, size_t len, uint64_t min, uint64_t max)
{
    uint64_t value;

    return sx_parse_uint(text, len, &value) == 0 && value >= min && value <= max;
}

/* An IPv4 address in 4 bytes or an IPv6 one in 16; 0 when it is neither. */
static size_t parse_ip(const char *text, size_t len, unsigned char to[16])
{
    char copy[INET6_ADDRSTRLEN];

    if (len >= sizeof copy)
        return 0;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (inet_pton(AF_INET, copy, to) == 1)
        return 4;
    return inet_pton(AF_INET6, copy, to) == 1 ? 16 : 0;
}

static bool is_unix(const char *text)
{
    size_t len = strlen(text);

    return strncmp(text, "unix:/", 6) == 0 && text[6] != '\0' &&
           len - 5 < sizeof((struct sockaddr_un *)0)->sun_path;
}

/* "1.2.3.4" or "[::1]", as the first len bytes. */
static bool is_ip_address(const char *text, size_t len)
{
    unsigned char ip[16];

    if (len > 2 && text[0] == '[' && text[len - 1] == ']')
        return parse_ip(text + 1, len - 2, ip) == 16;
    return parse_ip(text, len, ip) == 4;
}

static bool is_address(const char *text)
{
    return is_unix(text) || is_ip_address(text, strlen(text));
}

static bool is_listen(const char *text)
{
    const char *colon = strrchr(text, ':');

    if (is_unix(text))
        return true;
    return colon != NULL && is_ip_address(text, (size_t)(colon - text)) &&
           is_uint_up_to(colon + 1, strlen(colon + 1), 1, 65535);
}

static bool is_peer(const char *text)
{
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    unsigned char ip[16];
    size_t size = parse_ip(text, len, ip);

    if (strcmp(text, "unix") == 0)
        return true;
    return size != 0 && (slash == NULL || is_uint_up_to(slash + 1, strlen(slash + 1), 0, size * 8));
}

/* Labels of letters, digits and dashes (RFC 1123, 2.1). */
static bool is_name(const char *text, size_t len, const char *letters)
{
    size_t at = 0;

    if (len == 0 || len > 253)
        return false;
    while (at <= len) {
        size_t n = 0;

        while (at + n < len && text[at + n] != '.')
            n++;
        if (n == 0 || n > 63 || text[at] == '-' || text[at + n - 1] == '-' ||
            !consists_of(text + at, n, letters))
            return false;
        at += n + 1;
    }
    return true;
}

static bool is_scheme(const char *text, size_t len)
{
    return len > 0 && consists_of(text, 1, LOWER) && consists_of(text, len, LOWER DIGITS "+-.");
}

/* As a browser sends it: lower case, no path, no slash at the end (RFC 6454, 6.2). */
static bool is_origin(const char *text)
{
    const char *host = strstr(text, "://");
    const char *colon;
    size_t len;

    if (strcmp(text, "*") == 0)
        return true;
    if (host == NULL || !is_scheme(text, (size_t)(host - text)))
        return false;
    host += 3;
    colon = strrchr(host, ':');
    if (colon != NULL && colon[1] != '\0' && consists_of(colon + 1, strlen(colon + 1), DIGITS)) {
        if (!is_uint_up_to(colon + 1, strlen(colon + 1), 1, 65535))
            return false;
        len = (size_t)(colon - host);
    } else {
        len = strlen(host);
    }
    return is_ip_address(host, len) || is_name(host, len, LOWER DIGITS "-");
}

static bool is_token(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && consists_of(text, len, LOWER UPPER DIGITS "!#$%&'*+-.^_`|~");
}

static bool is_database(const char *text)
{
    if (*text == '\0' || strncmp(text, "postgresql://", 13) == 0 ||
        strncmp(text, "postgres://", 11) == 0)
        return true;
    return !config_is_url(text) && strchr(text, '=') != NULL;
}

static bool is_prefix(const char *text)
{
    size_t len = strlen(text);

    if (len == 0)
        return true;
    return text[0] == '/' && text[len - 1] != '/' && strstr(text, "//") == NULL &&
           strstr(text, "/.") == NULL && consists_of(text, len, LOWER UPPER DIGITS "/-._~");
}

static bool is_host(const char *text)
{
    if (strncmp(text, "*.", 2) == 0)
        return is_name(text + 2, strlen(text + 2), LOWER DIGITS "-");
    return *text == '\0' || is_ip_address(text, strlen(text)) ||
           is_name(text, strlen(text), LOWER DIGITS "-");
}

static bool is_sha256(const char *text)
{
    size_t len = strlen(text);

    return len == 0 || (len == 64 && consists_of(text, len, DIGITS "abcdef"));
}

static bool is_project(const char *text)
{
    return consists_of(text, strlen(text), LOWER DIGITS "-.:");
}

bool config_is_plugin_name(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len <= CONFIG_MAX_NAME && consists_of(text, 1, LOWER) &&
           consists_of(text, len, LOWER DIGITS "_");
}

const struct config_format config_format_address = {
    .is_valid = is_address,
    .expected = "an IPv4 address, an IPv6 address in brackets, or unix:/path",
    .hint = "Such as \"0.0.0.0\", \"[::]\" or \"unix:/run/sim-exchange.sock\"; names are not "
            "resolved.",
};

const struct config_format config_format_listen = {
    .is_valid = is_listen,
    .expected = "an address with its port, or unix:/path",
    .hint = "Such as \"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:/run/sim-exchange.sock\".",
};

const struct config_format config_format_peer = {
    .is_valid = is_peer,
    .expected = "an address, a network or \"unix\"",
    .hint = "Such as \"10.0.0.0/8\" or \"::1\"; a prefix has at most 32 bits, with IPv6 128.",
};

const struct config_format config_format_origin = {
    .is_valid = is_origin,
    .expected = "scheme://host[:port] or \"*\"",
    .hint = "As a browser sends it, in lower case, without a path: \"https://app.example.com\".",
};

const struct config_format config_format_token = {
    .is_valid = is_token,
    .expected = "a method or the name of a header",
    .hint = "One per item, without spaces and colons.",
    .pattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
};

const struct config_format config_format_database = {
    .is_valid = is_database,
    .expected = "a connection URL or key=value text",
    .hint = "Such as \"postgresql://user@host/name\" or \"host=/run/postgresql dbname=name\".",
};

const struct config_format config_format_prefix = {
    .is_valid = is_prefix,
    .expected = "a path such as \"/orders\"",
    .hint = "It starts with '/', does not end in '/', and has no parameters.",
    .pattern = "^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$",
};

const struct config_format config_format_host = {
    .is_valid = is_host,
    .expected = "a host name in lower case",
    .hint = "Such as \"api.example.com\" or \"*.example.com\", without a port.",
};

const struct config_format config_format_sha256 = {
    .is_valid = is_sha256,
    .expected = "64 lower-case hexadecimal digits",
    .hint = "`sha256sum FILE.so` prints them.",
    .pattern = "^([0-9a-f]{64})?$",
};

const struct config_format config_format_project = {
    .is_valid = is_project,
    .expected = "the id of a Google Cloud project",
    .hint = "Lower-case letters, digits and dashes.",
    .pattern = "^[a-z0-9.:-]*$",
};

void config_endpoint(const char *address, uint32_t port, char ret_text[CONFIG_ENDPOINT_BYTES])
{
    const char *colon = strrchr(address, ':');
    unsigned char ip[16];
    uint64_t value = port;
    size_t len = strlen(address);
    char name[INET6_ADDRSTRLEN];

    ret_text[0] = '\0';
    if (is_unix(address)) {
        (void)snprintf(ret_text, CONFIG_ENDPOINT_BYTES, "%s", address);
        return;
    }
    if (port == 0 && is_listen(address)) {
        len = (size_t)(colon - address);
        (void)sx_parse_uint(colon + 1, strlen(colon + 1), &value);
    }
    if (address[0] == '[' && len > 2 && parse_ip(address + 1, len - 2, ip) == 16 &&
        inet_ntop(AF_INET6, ip, name, sizeof name) != NULL)
        (void)snprintf(ret_text, CONFIG_ENDPOINT_BYTES, "[%s]:%u", name, (unsigned)value);
    else if (parse_ip(address, len, ip) == 4 && inet_ntop(AF_INET, ip, name, sizeof name) != NULL)
        (void)snprintf(ret_text, CONFIG_ENDPOINT_BYTES, "%s:%u", name, (unsigned)value);
}
