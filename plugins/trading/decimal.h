/*
 * trading/decimal.h - decimal text and int64, exactly and without floating point.
 *
 * A value of scale s stands for value / 10^s.  [any]
 */
#ifndef TRADING_DECIMAL_H
#define TRADING_DECIMAL_H

#include <stdint.h>

#include <sx/json.h>

#define DECIMAL_TEXT      32 /* holds any value of any scale, and the NUL */
#define DECIMAL_MAX_SCALE 18

enum decimal_error {
    DECIMAL_OK,
    DECIMAL_NOT_A_NUMBER, /* anything but digits with at most one point: signs and exponents too */
    DECIMAL_TOO_PRECISE,  /* digits that are not zero behind the scale */
    DECIMAL_TOO_LARGE     /* more than an int64 of this scale holds */
};

/* Text such as "12", "0.50" or ".5"; zeros behind the scale are let through.  Returns an
 * enum decimal_error and writes *ret_value only if it is DECIMAL_OK. */
int decimal_parse(const char *text, int scale, int64_t *ret_value);

/* The shortest text of value, at least min_digits behind the point: 150 of scale 2 is "1.5", with
 * min_digits 2 "1.50".  Returns its length. */
size_t decimal_format(int64_t value, int scale, int min_digits, char text[DECIMAL_TEXT]);

/* The same as a JSON string. */
void decimal_json(sx_json_writer *w, int64_t value, int scale);

/* The same as a JSON number. */
void decimal_json_number(sx_json_writer *w, int64_t value, int scale);

#endif /* TRADING_DECIMAL_H */
