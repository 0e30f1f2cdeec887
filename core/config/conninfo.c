/*
 * config/conninfo.c - the texts that libpq connects by: quoted, looked into, masked.
 *
 * Source: PostgreSQL 15 documentation, 34.1.1 "Connection Strings".
 */
#include "config/config_private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/text.h"

#define SOCKET_NAME "/.s.PGSQL.5432"

bool config_is_url(const char *text)
{
    const char *at = strstr(text, "://");

    return at != NULL && memchr(text, '=', (size_t)(at - text)) == NULL;
}

void config_conninfo_add(struct sx_buf *b, const char *key, const char *value)
{
    bool is_quoted = *value == '\0' || value[strcspn(value, " \t\r\n\v\f'\\")] != '\0';

    if (b->len > 0)
        sx_buf_add_text(b, " ");
    sx_buf_printf(b, "%s=%s", key, is_quoted ? "'" : "");
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\')
            sx_buf_add_text(b, "\\");
        sx_buf_add(b, value, 1);
    }
    sx_buf_add_text(b, is_quoted ? "'" : "");
}

bool config_socket_fits(const char *folder)
{
    return strlen(folder) + strlen(SOCKET_NAME) < sizeof((struct sockaddr_un *)0)->sun_path;
}

/* ------------------------------------------------------------------ key=value */

static const char *skip_space(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

/* The end of a value, which begins at text: behind its closing quote or at a space. */
static const char *value_end(const char *text)
{
    bool is_quoted = *text == '\'';

    if (is_quoted)
        text++;
    while (*text != '\0' && (is_quoted ? *text != '\'' : !isspace((unsigned char)*text)))
        text += *text == '\\' && text[1] != '\0' ? 2 : 1;
    return is_quoted && *text == '\'' ? text + 1 : text;
}

/* The value without quotes and backslashes; malloc. */
static char *unquoted(const char *text, const char *end)
{
    char *value = malloc((size_t)(end - text) + 1);
    size_t n = 0;

    if (value == NULL)
        return NULL;
    for (; text < end; text++) {
        if (*text == '\'')
            continue;
        if (*text == '\\' && text + 1 < end)
            text++;
        value[n++] = *text;
    }
    value[n] = '\0';
    return value;
}

static char *keyword_host(const char *text)
{
    while (*(text = skip_space(text)) != '\0') {
        size_t key_len = strcspn(text, "= \t\r\n");
        const char *value = skip_space(text + key_len);

        if (*value != '=')
            return NULL;
        value = skip_space(value + 1);
        if (key_len == 4 && strncmp(text, "host", 4) == 0)
            return unquoted(value, value_end(value));
        text = value_end(value);
    }
    return NULL;
}

/* ------------------------------------------------------------------ URL */

static char *decoded(const char *text, size_t len)
{
    char *to = malloc(len + 1);
    ptrdiff_t n = to != NULL ? sx_percent_decode(to, text, len, false) : -1;

    if (n < 0) {
        free(to);
        return NULL;
    }
    to[n] = '\0';
    return to;
}

/* Of the query first, where a socket is usually given, then of the authority. */
static char *url_host(const char *text)
{
    const char *begin = strstr(text, "://") + 3;
    const char *query = strchr(begin, '?');
    size_t len = strcspn(begin, "/?");
    const char *at = memrchr(begin, '@', len);

    while (query != NULL) {
        query++;
        if (strncmp(query, "host=", 5) == 0)
            return decoded(query + 5, strcspn(query + 5, "&"));
        query = strchr(query, '&');
    }
    if (at != NULL) {
        len -= (size_t)(at + 1 - begin);
        begin = at + 1;
    }
    return decoded(begin, strnlen(begin, len));
}

char *config_conninfo_socket(const char *text)
{
    char *host = config_is_url(text) ? url_host(text) : keyword_host(text);

    if (host != NULL && host[0] != '/') {
        free(host);
        return NULL;
    }
    return host;
}

/* ------------------------------------------------------------------ masking */

/* How much of the text at "://" is a password: from the first ':' to the last '@'.  In a
 * PostgreSQL URL the last of all, since a password with a raw '/' must not be shown either. */
static const char *password_of_url(const char *authority, bool is_postgres, const char **ret_end)
{
    size_t len = is_postgres ? strlen(authority) : strcspn(authority, "/?# ");
    const char *at = memrchr(authority, '@', len);
    const char *colon = at != NULL ? memchr(authority, ':', (size_t)(at - authority)) : NULL;

    *ret_end = at;
    return colon != NULL ? colon + 1 : NULL;
}

/* The value behind "password =" at text, or NULL. */
static const char *password_value(const char *text, bool is_url, const char **ret_end)
{
    const char *value;

    if (strncasecmp(text, "password", 8) != 0)
        return NULL;
    value = skip_space(text + 8);
    if (*value != '=')
        return NULL;
    value = is_url ? value + 1 : skip_space(value + 1);
    *ret_end = is_url ? value + strcspn(value, "&# ") : value_end(value);
    return value;
}

void config_mask(struct sx_buf *b, const char *text)
{
    bool is_postgres = strncmp(text, "postgres", 8) == 0;
    bool is_url = config_is_url(text);

    while (*text != '\0') {
        const char *end = NULL;
        const char *hidden = password_value(text, is_url, &end);

        if (hidden == NULL && strncmp(text, "://", 3) == 0)
            hidden = password_of_url(text + 3, is_postgres, &end);
        if (hidden == NULL) {
            sx_buf_add(b, text++, 1);
            continue;
        }
        sx_buf_add(b, text, (size_t)(hidden - text));
        sx_buf_add_text(b, "***");
        text = end;
    }
}

bool config_is_secret_name(const char *segment, size_t len)
{
    static const char *const ends[] = { "secret", "password", "passwd",
                                        "token",  "api_key",  "private_key" };

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t n = strlen(ends[i]);

        if (len >= n && strncasecmp(segment + len - n, ends[i], n) == 0)
            return true;
    }
    return false;
}
