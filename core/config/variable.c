/*
 * config/variable.c - names of the environment inside text values.
 *
 * ${NAME} must be set; ${NAME:-fallback} takes the fallback when it is not set or empty, as in
 * a shell; $${ is a literal ${.  A '$' before anything else is itself.  What comes out is not
 * looked at again.
 */
#include "config/config_private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct expansion {
    struct config_loader *l;
    const struct config_where *where;
    const char *path;
    struct sx_buf out;
    bool is_broken;
};

static const char *lookup(const struct config_loader *l, const char *name, size_t len)
{
    for (char *const *at = l->environ_; at != NULL && *at != NULL; at++) {
        if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
            return *at + len + 1;
    }
    return NULL;
}

const char *config_variable(const struct config_loader *l, const char *name)
{
    return lookup(l, name, strlen(name));
}

const char *config_variable_full(const struct config_loader *l, const char *name)
{
    const char *value = config_variable(l, name);

    return value != NULL && *value != '\0' ? value : NULL;
}

bool config_has_variable(const char *text)
{
    return strstr(text, "${") != NULL;
}

static size_t name_length(const char *text)
{
    size_t n = 0;

    if (isdigit((unsigned char)text[0]))
        return 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '_')
        n++;
    return n;
}

static void add_value(struct expansion *x, const char *name, size_t len, const char *value)
{
    if (!sx_is_utf8(value, strlen(value))) {
        config_fault_add(x->l, x->where, x->path,
                         "expected UTF-8 in the environment variable %.*s, found other bytes",
                         (int)len, name);
        x->is_broken = true;
        return;
    }
    sx_buf_add_text(&x->out, value);
}

static void substitute(struct expansion *x, const char *name, size_t len, const char *fallback,
                       size_t fallback_len)
{
    const char *value = lookup(x->l, name, len);

    if (fallback != NULL && (value == NULL || *value == '\0')) {
        sx_buf_add(&x->out, fallback, fallback_len);
    } else if (value != NULL) {
        add_value(x, name, len, value);
    } else {
        config_fault_add(x->l, x->where, x->path,
                         "the environment variable %.*s is not set\n"
                         "Set it, or give a fallback: ${%.*s:-text}.",
                         (int)len, name, (int)len, name);
        x->is_broken = true;
    }
}

static void malformed(struct expansion *x, const char *text)
{
    config_fault_add(x->l, x->where, x->path,
                     "expected ${NAME} or ${NAME:-fallback}, found \"%.*s\"\n"
                     "Write $${ for a literal ${; a fallback holds no other variable.",
                     (int)strnlen(text, 60), text);
    x->is_broken = true;
}

/* text is at "${"; returns what follows the closing brace. */
static const char *expand_one(struct expansion *x, const char *text)
{
    const char *name = text + 2;
    size_t len = name_length(name);
    const char *rest = name + len;
    const char *close = strchr(text, '}');
    const char *fallback = NULL;

    if (close == NULL || len == 0) {
        malformed(x, text);
        return close != NULL ? close + 1 : text + strlen(text);
    }
    if (rest[0] == ':' && rest[1] == '-') {
        fallback = rest + 2;
        rest = close;
    }
    if (rest != close ||
        (fallback != NULL && memmem(fallback, (size_t)(close - fallback), "${", 2)))
        malformed(x, text);
    else
        substitute(x, name, len, fallback, fallback != NULL ? (size_t)(close - fallback) : 0);
    return close + 1;
}

static void expand_all(struct expansion *x, const char *text)
{
    while (*text != '\0') {
        size_t plain = strcspn(text, "$");

        sx_buf_add(&x->out, text, plain);
        text += plain;
        if (strncmp(text, "$${", 3) == 0) {
            sx_buf_add_text(&x->out, "${");
            text += 3;
        } else if (strncmp(text, "${", 2) == 0) {
            text = expand_one(x, text);
        } else if (*text != '\0') {
            sx_buf_add(&x->out, text++, 1);
        }
    }
}

char *config_expand(struct config_loader *l, const struct config_where *where, const char *path,
                    const char *text)
{
    struct expansion x = { .l = l, .where = where, .path = path };
    const char *done;
    char *copy = NULL;

    sx_buf_init(&x.out, CONFIG_MAX_TEXT_BYTES);
    expand_all(&x, text);
    done = sx_buf_text(&x.out);
    if (done != NULL && !x.is_broken)
        copy = strdup(done);
    if (copy == NULL && !x.is_broken)
        l->is_out_of_memory = true;
    sx_buf_finish(&x.out);
    return copy;
}
