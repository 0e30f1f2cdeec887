/* db/token.c - SQL text cut into tokens. */
#include "db/token.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool starts_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool continues_word(char c)
{
    return starts_word(c) || (c >= '0' && c <= '9') || c == '$';
}

static const char *skip_block_comment(const char *at)
{
    int depth = 0;

    do {
        if (at[0] == '/' && at[1] == '*') {
            depth++;
            at += 2;
        } else if (at[0] == '*' && at[1] == '/') {
            depth--;
            at += 2;
        } else if (*at != '\0') {
            at++;
        }
    } while (depth > 0 && *at != '\0');
    return at;
}

static const char *skip_blank(const char *at)
{
    for (;;) {
        if (is_space(*at))
            at++;
        else if (at[0] == '-' && at[1] == '-')
            at += strcspn(at, "\r\n");
        else if (at[0] == '/' && at[1] == '*')
            at = skip_block_comment(at);
        else
            return at;
    }
}

/* at is behind the opening quote; returns behind the closing one. */
static const char *skip_quoted(const char *at, char quote, bool has_backslashes)
{
    for (; *at != '\0'; at++) {
        if (has_backslashes && *at == '\\' && at[1] != '\0')
            at++;
        else if (*at == quote && at[1] == quote)
            at++;
        else if (*at == quote)
            return at + 1;
    }
    return at;
}

/* at is at a $: behind a dollar quoted string, or behind the $ when it opens none. */
static const char *skip_dollar(const char *at)
{
    const char *tag_end = at + 1;
    size_t tag_len;

    if (starts_word(*tag_end))
        while (continues_word(*tag_end) && *tag_end != '$')
            tag_end++;
    if (*tag_end != '$')
        return at + 1;
    tag_len = (size_t)(tag_end + 1 - at);
    for (const char *p = tag_end + 1; *p != '\0'; p++)
        if (*p == '$' && strncmp(p, at, tag_len) == 0)
            return p + tag_len;
    return at + strlen(at);
}

static const char *take_quoted_name(const char *at, struct token *ret)
{
    const char *end = skip_quoted(at + 1, '"', false);

    ret->kind = TOKEN_QUOTED_NAME;
    ret->text = at + 1;
    ret->len = (size_t)(end - at) >= 2 ? (size_t)(end - at) - 2 : 0;
    return end;
}

static const char *take_word(const char *at, struct token *ret)
{
    const char *end = at;

    if ((*at == 'e' || *at == 'E') && at[1] == '\'') {
        ret->kind = TOKEN_LITERAL;
        return skip_quoted(at + 2, '\'', true);
    }
    while (continues_word(*end))
        end++;
    ret->kind = TOKEN_WORD;
    ret->len = (size_t)(end - at);
    return end;
}

const char *sx_db_token_next(const char *at, struct token *ret)
{
    at = skip_blank(at);
    *ret = (struct token){ .kind = TOKEN_OTHER, .text = at, .len = 1 };
    if (starts_word(*at))
        return take_word(at, ret);
    switch (*at) {
    case '\0': ret->kind = TOKEN_END; return at;
    case '\'': ret->kind = TOKEN_LITERAL; return skip_quoted(at + 1, '\'', false);
    case '"': return take_quoted_name(at, ret);
    case '$': return skip_dollar(at);
    case ';': ret->kind = TOKEN_SEMICOLON; return at + 1;
    case '(': ret->kind = TOKEN_OPEN; return at + 1;
    default: return at + 1;
    }
}

bool sx_db_token_is(const struct token *token, const char *word)
{
    return (token->kind == TOKEN_WORD || token->kind == TOKEN_QUOTED_NAME) &&
           strlen(word) == token->len && strncasecmp(token->text, word, token->len) == 0;
}
