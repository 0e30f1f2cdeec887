/*
 * config/variable.c - names of the environment inside text values.
 *
 * ${NAME} must be set; ${NAME:-fallback} takes the fallback when it is not set or empty, as in
 * a shell; $${ is a literal ${.  A '$' before anything else is itself.  What comes out is not
 * looked at again, but for one thing: a variable, a fallback or a whole text that is a reference to
 * a secret stands for its value.
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
    enum sx_config_secrecy secrecy;
    bool is_reference; /* the text as a whole */
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

/* variable: NULL for a fallback. */
static void add_secret(struct expansion *x, const char *variable, const char *reference)
{
    char *value = NULL;

    if (x->is_reference)
        config_fault_add(x->l, x->where, x->path,
                         "expected a part of a reference in %s, found a reference",
                         variable != NULL ? variable : "the fallback");
    else
        value = config_secret_value(x->l, x->where, x->path, variable, reference, &x->secrecy);
    if (value == NULL) {
        x->is_broken = true;
        return;
    }
    sx_buf_add_text(&x->out, value);
    explicit_bzero(value, strlen(value));
    free(value);
}

static void add_value(struct expansion *x, const char *name, size_t len, const char *value)
{
    char *variable;

    if (!sx_is_utf8(value, strlen(value))) {
        config_fault_add(x->l, x->where, x->path,
                         "expected UTF-8 in the environment variable %.*s, found other bytes",
                         (int)len, name);
        x->is_broken = true;
        return;
    }
    variable = strndup(name, len);
    if (variable == NULL) {
        x->l->is_out_of_memory = true;
        return;
    }
    config_note_variable(x->l, x->path, variable);
    if (sx_reference_is(value))
        add_secret(x, variable, value);
    else
        sx_buf_add_text(&x->out, value);
    free(variable);
}

static void add_fallback(struct expansion *x, const char *fallback, size_t len)
{
    char *text = strndup(fallback, len);

    if (text == NULL)
        x->l->is_out_of_memory = true;
    else if (sx_reference_is(text))
        add_secret(x, NULL, text);
    else
        sx_buf_add(&x->out, fallback, len);
    free(text);
}

static void substitute(struct expansion *x, const char *name, size_t len, const char *fallback,
                       size_t fallback_len)
{
    const char *value = lookup(x->l, name, len);

    if (fallback != NULL && (value == NULL || *value == '\0')) {
        add_fallback(x, fallback, fallback_len);
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
                     (int)sx_utf8_cut(text, strlen(text), 60), text);
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

/* What x has gathered; malloc; NULL when something is broken. */
static char *take_gathered(struct expansion *x)
{
    const char *done = sx_buf_text(&x->out);
    char *copy = done != NULL && !x->is_broken ? strdup(done) : NULL;

    if (copy == NULL && !x->is_broken)
        x->l->is_out_of_memory = true;
    if (x->out.data != NULL)
        explicit_bzero(x->out.data, x->out.len);
    sx_buf_finish(&x->out);
    return copy;
}

char *config_expand(struct config_loader *l, const struct config_where *where, const char *path,
                    const char *text, enum sx_config_secrecy *ret_secrecy)
{
    struct expansion x = {
        .l = l, .where = where, .path = path, .is_reference = sx_reference_is(text)
    };
    char *done, *value;

    sx_buf_init(&x.out, CONFIG_MAX_TEXT_BYTES);
    if (where->rank == CONFIG_RANK_ENVIRONMENT)
        sx_buf_add_text(&x.out, text);
    else
        expand_all(&x, text);
    done = take_gathered(&x);
    if (done != NULL && x.is_reference) {
        value = config_secret_value(l, where, path, NULL, done, &x.secrecy);
        free(done);
        done = value;
    }
    *ret_secrecy = x.secrecy;
    return done;
}
