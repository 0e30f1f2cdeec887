/*
 * decimal.c - see decimal.h.
 */
#include "decimal.h"

/* Appends one digit; false when the value does not hold it. */
static bool push(int64_t *value, int digit)
{
    return !__builtin_mul_overflow(*value, (int64_t)10, value) &&
           !__builtin_add_overflow(*value, (int64_t)digit, value);
}

int decimal_parse(const char *text, int scale, int64_t *ret_value)
{
    size_t n_whole = strspn(text, "0123456789"), n_fraction = 0;
    const char *fraction = text + n_whole;
    int64_t value = 0;
    bool fits = true;

    if (*fraction == '.')
        n_fraction = strspn(++fraction, "0123456789");
    if (fraction[n_fraction] != '\0' || n_whole + n_fraction == 0)
        return DECIMAL_NOT_A_NUMBER;
    for (size_t i = (size_t)scale; i < n_fraction; i++)
        if (fraction[i] != '0')
            return DECIMAL_TOO_PRECISE;
    for (size_t i = 0; i < n_whole; i++)
        fits = fits && push(&value, text[i] - '0');
    for (size_t i = 0; i < (size_t)scale; i++)
        fits = fits && push(&value, i < n_fraction ? fraction[i] - '0' : 0);
    if (!fits)
        return DECIMAL_TOO_LARGE;
    *ret_value = value;
    return DECIMAL_OK;
}

size_t decimal_format(int64_t value, int scale, int min_digits, char text[DECIMAL_TEXT])
{
    char digits[DECIMAL_TEXT], *end = text;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    int n = 0, n_zeros = 0;

    do {
        digits[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0 || n <= scale);
    while (n_zeros < scale - min_digits && digits[n_zeros] == '0')
        n_zeros++;
    if (value < 0)
        *end++ = '-';
    while (n > scale)
        *end++ = digits[--n];
    if (n > n_zeros)
        *end++ = '.';
    while (n > n_zeros)
        *end++ = digits[--n];
    *end = '\0';
    return (size_t)(end - text);
}

void decimal_json(sx_json_writer *w, int64_t value, int scale)
{
    char text[DECIMAL_TEXT];

    (void)decimal_format(value, scale, 0, text);
    sx_json_text(w, text);
}

void decimal_json_number(sx_json_writer *w, int64_t value, int scale)
{
    char text[DECIMAL_TEXT];

    (void)decimal_format(value, scale, 0, text);
    sx_json_raw(w, text);
}
