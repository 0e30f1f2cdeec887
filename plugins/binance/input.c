/*
 * input.c - parameters, as strictly as the real exchange reads them.
 */
#include "binance.h"

#include <stdio.h>

#define DIGITS        "0123456789"
#define CLIENT_ID_SET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:/_-"
#define SYMBOL_SET    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
#define MAX_NUMBER    20 /* digits on one side of the point */
#define INTEGER_RANGE "^[0-9]{1,20}$"
#define DECIMAL_RANGE "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
#define CLIENT_RANGE  "^[\\.A-Z\\:/a-z0-9_-]{1,36}$"
#define SYMBOL_RANGE  "^[A-Z0-9-_.]{1,20}$"
#define SYMBOLS_RANGE "^\\[(\"[A-Z0-9-_.]{1,20}\"(,\"[A-Z0-9-_.]{1,20}\"){0,}){0,1}\\]$"

struct input input_begin(sx_req *r)
{
    return (struct input){ .r = r };
}

void input_refuse(struct input *in, int code, const char *fmt, ...)
{
    va_list ap;

    if (in->code != 0)
        return;
    in->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(in->words, sizeof in->words, fmt, ap);
    va_end(ap);
}

int input_answer(const struct input *in)
{
    return answer_fail(in->r, 400, in->code, "%s", in->words);
}

static void refuse_characters(struct input *in, const char *name, const char *range)
{
    input_refuse(in, ILLEGAL_CHARS,
                 "Illegal characters found in parameter '%s'; legal range is '%s'.", name, range);
}

const char *input_text(struct input *in, const char *name)
{
    const char *text = sx_arg_text(in->r, name);
    const char *again = sx_arg_at(in->r, name, 1);

    if (text == NULL) {
        text = sx_form_text(in->r, name, 0);
        again = sx_form_text(in->r, name, 1);
    }
    if (again != NULL)
        input_refuse(in, TOO_MANY_PARAMETERS, "Duplicate values for parameter '%s'.", name);
    return text == NULL || *text == '\0' ? NULL : text;
}

const char *input_needed(struct input *in, const char *name)
{
    const char *text = input_text(in, name);

    if (text == NULL)
        input_refuse(in, MANDATORY_PARAM_EMPTY_OR_MALFORMED,
                     "Mandatory parameter '%s' was not sent, was empty/null, or malformed.", name);
    return text;
}

bool input_has_int(struct input *in, const char *name, int64_t *ret)
{
    const char *text = input_text(in, name);
    int64_t value = 0;

    if (text == NULL)
        return false;
    if (strspn(text, DIGITS) != strlen(text) || decimal_parse(text, 0, &value) != DECIMAL_OK) {
        refuse_characters(in, name, INTEGER_RANGE);
        return false;
    }
    *ret = value;
    return true;
}

int64_t input_int(struct input *in, const char *name, int64_t fallback)
{
    int64_t value = fallback;

    (void)input_has_int(in, name, &value);
    return value;
}

bool input_bool(struct input *in, const char *name, bool fallback)
{
    const char *text = input_text(in, name);

    if (text == NULL)
        return fallback;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        refuse_characters(in, name, "^(true|false)$");
    return strcmp(text, "true") == 0;
}

int64_t input_time(struct input *in, const char *name, int64_t fallback)
{
    const int64_t ms = input_int(in, name, fallback);

    return ms > LAST_TIME ? LAST_TIME : ms;
}

int64_t input_limit(struct input *in, int64_t fallback, int64_t most)
{
    const int64_t limit = input_int(in, "limit", fallback);

    if (limit < 1)
        input_refuse(in, INVALID_PARAMETER, "Data sent for parameter 'limit' is not valid.");
    return limit > most ? most : limit;
}

static bool is_decimal(const char *text)
{
    const size_t n_whole = strspn(text, DIGITS);
    const char *rest = text + n_whole;
    size_t n_fraction = 1;

    if (*rest == '.') {
        n_fraction = strspn(rest + 1, DIGITS);
        rest += 1 + n_fraction;
    }
    return *rest == '\0' && n_whole >= 1 && n_whole <= MAX_NUMBER && n_fraction >= 1 &&
           n_fraction <= MAX_NUMBER;
}

int64_t input_decimal(struct input *in, const char *name, int scale, int precision,
                      const char *filter)
{
    const char *text = input_text(in, name);
    int64_t value = 0, finer = 0;
    int err;

    if (text == NULL)
        return 0;
    if (!is_decimal(text)) {
        refuse_characters(in, name, DECIMAL_RANGE);
        return 0;
    }
    err = decimal_parse(text, scale, &value);
    if (decimal_parse(text, precision, &finer) == DECIMAL_TOO_PRECISE)
        input_refuse(in, BAD_PRECISION, "Parameter '%s' has too much precision.", name);
    else if (err != DECIMAL_OK)
        input_refuse(in, INVALID_MESSAGE, "Filter failure: %s", filter);
    else if (value == 0)
        input_refuse(in, INVALID_MESSAGE, "Invalid %s.", name);
    return value;
}

const char *input_word(struct input *in, const char *name, const struct word *table, int code,
                       const char *words)
{
    const char *text = input_text(in, name);

    for (; text != NULL && table->name != NULL; table++)
        if (strcmp(table->name, text) == 0)
            return table->means;
    if (text != NULL)
        input_refuse(in, code, "%s", words);
    return NULL;
}

const char *input_client_id(struct input *in, const char *name)
{
    const char *text = input_text(in, name);

    if (text != NULL && (strlen(text) >= CLIENT_ID || strspn(text, CLIENT_ID_SET) != strlen(text)))
        refuse_characters(in, name, CLIENT_RANGE);
    return text;
}

/* Base and quote stand side by side, so a symbol is compared in two steps. */
static const struct instrument *find(const sx_req *r, const char *text)
{
    const struct instruments *all = &binance_of(r)->instruments;

    for (size_t i = 0; i < all->n; i++) {
        const size_t n = strlen(all->v[i]->base);

        if (strncmp(text, all->v[i]->base, n) == 0 && strcmp(text + n, all->v[i]->quote) == 0)
            return all->v[i];
    }
    return NULL;
}

static bool is_symbol(const char *text)
{
    return strlen(text) <= 20 && strspn(text, SYMBOL_SET) == strlen(text);
}

const struct instrument *input_symbol_or_all(struct input *in)
{
    const char *text = input_text(in, "symbol");
    const struct instrument *it = text == NULL ? NULL : find(in->r, text);

    if (text != NULL && !is_symbol(text))
        refuse_characters(in, "symbol", SYMBOL_RANGE);
    else if (text != NULL && it == NULL)
        input_refuse(in, BAD_SYMBOL, "Invalid symbol.");
    return it;
}

const struct instrument *input_symbol(struct input *in)
{
    (void)input_needed(in, "symbol");
    return input_symbol_or_all(in);
}

static void select_one(struct input *in, struct selection *s, const struct instrument *it)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i] == it) {
            input_refuse(in, SYMBOL_PRESENT_TWICE, "Symbol is present multiple times in the list.");
            return;
        }
    s->v[s->n++] = it;
}

/* A JSON array of symbols. */
static void select_list(struct input *in, struct selection *s, const char *text)
{
    json_t *list = json_loads(text, 0, NULL), *one;
    size_t i;

    if (json_array_size(list) == 0)
        refuse_characters(in, "symbols", SYMBOLS_RANGE);
    json_array_foreach(list, i, one)
    {
        const char *name = json_string_value(one);
        const struct instrument *it;

        if (name == NULL || !is_symbol(name)) {
            refuse_characters(in, "symbols", SYMBOLS_RANGE);
            break;
        }
        it = find(in->r, name);
        if (it == NULL) {
            input_refuse(in, BAD_SYMBOL, "Invalid symbol.");
            break;
        }
        select_one(in, s, it);
    }
    json_decref(list);
}

void input_selection(struct input *in, struct selection *ret)
{
    const struct instruments *all = &binance_of(in->r)->instruments;
    const char *symbols = input_text(in, "symbols");
    const struct instrument *it = input_symbol_or_all(in);

    ret->n = 0;
    ret->is_one = it != NULL;
    if (it != NULL && symbols != NULL)
        input_refuse(in, OPTIONAL_PARAMS_BAD_COMBO,
                     "Combination of optional parameters invalid. Recommendation: 'symbol' or "
                     "'symbols'");
    else if (it != NULL)
        select_one(in, ret, it);
    else if (symbols != NULL)
        select_list(in, ret, symbols);
    else
        for (size_t i = 0; i < all->n; i++)
            ret->v[ret->n++] = all->v[i];
}
