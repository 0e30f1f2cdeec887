/* base/clock.c - the calendar by arithmetic, without the C library's locale and time zone. */
#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/text.h"

#define DAY_S 86400

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char *const long_day_names[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                              "Thursday", "Friday", "Saturday" };

struct date {
    int64_t year;
    unsigned month; /* 1 to 12 */
    unsigned day;   /* 1 to 31 */
    unsigned hour, minute, second;
};

uint64_t sx_clock_mono_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t sx_clock_coarse_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int64_t sx_clock_wall_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Rounds towards minus infinity. */
static int64_t divide_floor(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* A year counted from March has its leap day at its end, so a month's first day is linear in
 * the month; eras of 400 years all have 146,097 days. */
static void set_day(struct date *d, int64_t days)
{
    int64_t from_march = days + 719468;
    int64_t era = divide_floor(from_march, 146097);
    unsigned in_era = (unsigned)(from_march - era * 146097);
    unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * in_year + 2) / 153;

    d->day = in_year - (153 * month + 2) / 5 + 1;
    d->month = month < 10 ? month + 3 : month - 9;
    d->year = (int64_t)year + era * 400 + (d->month <= 2);
}

static int64_t day_of(const struct date *d)
{
    int64_t year = d->year - (d->month <= 2);
    int64_t era = divide_floor(year, 400);
    int64_t in_cycle = year - era * 400;
    unsigned month = d->month > 2 ? d->month - 3 : d->month + 9;
    int64_t in_year = (153 * month + 2) / 5 + d->day - 1;

    return era * 146097 + in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + in_year - 719468;
}

static void set_time(struct date *d, unsigned in_day)
{
    d->hour = in_day / 3600;
    d->minute = in_day / 60 % 60;
    d->second = in_day % 60;
}

static void put_two(char *to, unsigned value)
{
    sx_format_digits(to, value, 2);
}

static void put_year(char *to, int64_t year)
{
    sx_format_digits(to, year < 0 || year > 9999 ? 0 : (uint64_t)year, 4);
}

static void put_time(char to[8], const struct date *d)
{
    put_two(to, d->hour);
    to[2] = ':';
    put_two(to + 3, d->minute);
    to[5] = ':';
    put_two(to + 6, d->second);
}

void sx_format_http_date(char to[SX_HTTP_DATE_LEN], int64_t unix_s)
{
    int64_t days = divide_floor(unix_s, DAY_S);
    int64_t weekday = days + 4 - divide_floor(days + 4, 7) * 7; /* 1970 began on a Thursday */
    struct date d;

    set_day(&d, days);
    set_time(&d, (unsigned)(unix_s - days * DAY_S));
    memcpy(to, day_names + weekday * 3, 3);
    memcpy(to + 3, ", 00 ", 5);
    put_two(to + 5, d.day);
    memcpy(to + 8, month_names + (d.month - 1) * 3, 3);
    to[11] = ' ';
    put_year(to + 12, d.year);
    to[16] = ' ';
    put_time(to + 17, &d);
    memcpy(to + 25, " GMT", 4);
}

void sx_format_rfc3339(char to[SX_RFC3339_LEN], int64_t wall_ns)
{
    int64_t unix_s = divide_floor(wall_ns, 1000000000);
    unsigned us = (unsigned)((wall_ns - unix_s * 1000000000) / 1000);
    int64_t days = divide_floor(unix_s, DAY_S);
    struct date d;

    set_day(&d, days);
    set_time(&d, (unsigned)(unix_s - days * DAY_S));
    put_year(to, d.year);
    to[4] = '-';
    put_two(to + 5, d.month);
    to[7] = '-';
    put_two(to + 8, d.day);
    to[10] = 'T';
    put_time(to + 11, &d);
    to[19] = '.';
    sx_format_digits(to + 20, us, 6);
    to[26] = 'Z';
}

/* What is left of a date that is being read; a step that fails makes all later ones fail. */
struct reader {
    const char *at;
    const char *end;
    int is_bad;
};

static void take_text(struct reader *in, const char *text, size_t len)
{
    if (in->is_bad || (size_t)(in->end - in->at) < len || memcmp(in->at, text, len) != 0)
        in->is_bad = 1;
    else
        in->at += len;
}

static unsigned take_number(struct reader *in, size_t n_digits)
{
    unsigned value = 0;

    if (in->is_bad || (size_t)(in->end - in->at) < n_digits) {
        in->is_bad = 1;
        return 0;
    }
    for (size_t i = 0; i < n_digits; i++, in->at++) {
        if (*in->at < '0' || *in->at > '9') {
            in->is_bad = 1;
            return 0;
        }
        value = value * 10 + (unsigned)(*in->at - '0');
    }
    return value;
}

/* One of the names of three letters that stand one after the other in names; from 0. */
static unsigned take_name(struct reader *in, const char *names, unsigned n_names)
{
    for (unsigned i = 0; !in->is_bad && in->end - in->at >= 3 && i < n_names; i++) {
        if (memcmp(in->at, names + i * 3, 3) == 0) {
            in->at += 3;
            return i;
        }
    }
    in->is_bad = 1;
    return 0;
}

static void take_time(struct reader *in, struct date *d)
{
    d->hour = take_number(in, 2);
    take_text(in, ":", 1);
    d->minute = take_number(in, 2);
    take_text(in, ":", 1);
    d->second = take_number(in, 2);
}

/* "06 Nov 1994 08:49:37 GMT" behind the comma of an IMF-fixdate. */
static void take_fixdate(struct reader *in, struct date *d)
{
    take_text(in, ", ", 2);
    d->day = take_number(in, 2);
    take_text(in, " ", 1);
    d->month = take_name(in, month_names, 12) + 1;
    take_text(in, " ", 1);
    d->year = take_number(in, 4);
    take_text(in, " ", 1);
    take_time(in, d);
    take_text(in, " GMT", 4);
}

/* A year of two digits that seems more than 50 years ahead lies in the past. */
static int64_t year_of_two_digits(unsigned two)
{
    struct date now;
    int64_t year;

    set_day(&now, divide_floor(sx_clock_wall_ns() / 1000000000, DAY_S));
    year = now.year - now.year % 100 + two;
    return year > now.year + 50 ? year - 100 : year;
}

/* "06-Nov-94 08:49:37 GMT" behind the comma of an rfc850-date. */
static void take_rfc850(struct reader *in, struct date *d)
{
    take_text(in, ", ", 2);
    d->day = take_number(in, 2);
    take_text(in, "-", 1);
    d->month = take_name(in, month_names, 12) + 1;
    take_text(in, "-", 1);
    d->year = year_of_two_digits(take_number(in, 2));
    take_text(in, " ", 1);
    take_time(in, d);
    take_text(in, " GMT", 4);
}

/* " Nov  6 08:49:37 1994" behind the day of an asctime-date. */
static void take_asctime(struct reader *in, struct date *d)
{
    take_text(in, " ", 1);
    d->month = take_name(in, month_names, 12) + 1;
    take_text(in, " ", 1);
    if (!in->is_bad && in->at < in->end && *in->at == ' ') {
        in->at++;
        d->day = take_number(in, 1);
    } else {
        d->day = take_number(in, 2);
    }
    take_text(in, " ", 1);
    take_time(in, d);
    take_text(in, " ", 1);
    d->year = take_number(in, 4);
}

static void take_date(struct reader *in, struct date *d)
{
    for (unsigned i = 0; i < 7; i++) {
        size_t len = strlen(long_day_names[i]);

        if ((size_t)(in->end - in->at) > len && memcmp(in->at, long_day_names[i], len) == 0) {
            in->at += len;
            take_rfc850(in, d);
            return;
        }
    }
    (void)take_name(in, day_names, 7);
    if (!in->is_bad && in->at < in->end && *in->at == ',')
        take_fixdate(in, d);
    else
        take_asctime(in, d);
}

/* Second 60 is a leap second.  A day that its month does not have comes out as another one. */
static int is_real(const struct date *d)
{
    struct date same;

    if (d->hour > 23 || d->minute > 59 || d->second > 60)
        return 0;
    set_day(&same, day_of(d));
    return same.year == d->year && same.month == d->month && same.day == d->day;
}

int sx_parse_http_date(const char *data, unsigned long len, int64_t *ret_unix_s)
{
    struct reader in = { data, data + len, 0 };
    struct date d = { 0 };

    if (len == 0)
        return SX_ERR_INVALID;
    take_date(&in, &d);
    if (in.is_bad || in.at != in.end || !is_real(&d))
        return SX_ERR_INVALID;
    *ret_unix_s = day_of(&d) * DAY_S + d.hour * 3600 + d.minute * 60 + d.second;
    return 0;
}
