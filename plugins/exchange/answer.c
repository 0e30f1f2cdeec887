/*
 * answer.c - how this dialect says things.
 */
#include "exchange.h"

#include <stdio.h>
#include <time.h>

int answer_fail(sx_req *r, int status, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    sx_json_writer w = sx_json_begin(r);

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    sx_json_object(&w);
    sx_json_text(sx_json_key(&w, "message"), text);
    sx_json_end(&w);
    return sx_json_reply(&w, status);
}

int answer_db_error(sx_req *r, const sx_db_error *err, void *arg)
{
    int set = SX_OK;

    (void)arg;
    if (strcmp(err->sqlstate, "SX401") == 0)
        return answer_fail(r, 401, "Invalid API Key");
    if (strcmp(err->sqlstate, "SX400") == 0)
        return answer_fail(r, 400, "%s", err->message);
    if (strncmp(err->sqlstate, "22", 2) == 0)
        return answer_fail(r, 400, "invalid value");
    if (order_is_outage(err)) {
        set = sx_set_header(r, "Retry-After", "1");
        return set < 0
                   ? set
                   : answer_fail(
                         r, 503, "%s",
                         err->outcome_unknown
                             ? "the database was lost on the way: ask whether it happened before "
                               "you send it again"
                             : "service unavailable, try again");
    }
    return SX_EDB;
}

int answer_refused(sx_req *r, int err)
{
    int set;

    if (err != SX_EBUSY && err != SX_ENOMEM)
        return err;
    set = sx_set_header(r, "Retry-After", "1");
    return set < 0 ? err : answer_fail(r, 503, "service unavailable, try again");
}

/* A UUID that holds an int64: 32 and 16 bits, a word for what it is, and the last 16. */
void answer_uuid(int64_t id, int kind, char text[UUID_TEXT])
{
    const uint64_t v = (uint64_t)id;

    (void)snprintf(text, UUID_TEXT, "%08x-%04x-4%03x-8000-%012x", (unsigned)(v >> 32),
                   (unsigned)(v >> 16 & 0xffff), (unsigned)kind, (unsigned)(v & 0xffff));
}

bool answer_uuid_read(const char *text, int kind, int64_t *ret_id)
{
    unsigned high = 0, middle = 0, low = 0;
    char same[UUID_TEXT];
    size_t i = 0;
    int64_t id;

    if (strlen(text) != UUID_TEXT - 1 ||
        sscanf(text, "%8x-%4x-%*4x-%*4x-%12x", &high, &middle, &low) != 3)
        return false;
    id = (int64_t)((uint64_t)high << 32 | (uint64_t)middle << 16 | low);
    answer_uuid(id, kind, same);
    while (same[i] != '\0' && (text[i] | (text[i] >= 'A' && text[i] <= 'F' ? 32 : 0)) == same[i])
        i++;
    *ret_id = id;
    return same[i] == '\0' && id > 0;
}

void answer_time(int64_t us, char text[TIME_TEXT])
{
    const time_t s = (time_t)(us / 1000000);
    struct tm tm;

    size_t n;

    (void)gmtime_r(&s, &tm);
    n = strftime(text, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + n, TIME_TEXT - n, ".%06uZ", (unsigned)(us % 1000000));
}

void answer_json_time(sx_json_writer *w, const char *key, int64_t us)
{
    char text[TIME_TEXT];

    answer_time(us, text);
    sx_json_text(sx_json_key(w, key), text);
}

/* Days since 1970 (Hinnant, chrono-compatible low-level date algorithms, days_from_civil). */
static int64_t days_of(int64_t y, unsigned m, unsigned d)
{
    int64_t era;
    unsigned year_of_era, day_of_year;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    year_of_era = (unsigned)(y - era * 400);
    day_of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    return era * 146097 +
           (int64_t)(year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year) -
           719468;
}

bool answer_read_time(const char *text, int64_t *ret_us)
{
    unsigned year, month, day, hour = 0, minute = 0, second = 0, off_hour = 0, off_minute = 0;
    int n = 0, used = 0;
    int64_t us = 0, offset_s = 0;
    const char *rest;

    if (strspn(text, "0123456789.") == strlen(text)) {
        n = decimal_parse(text, 6, ret_us);
        return n == DECIMAL_OK;
    }
    if (sscanf(text, "%4u-%2u-%2u%n", &year, &month, &day, &used) != 3 || used != 10)
        return false;
    rest = text + used;
    if (*rest == 'T' || *rest == ' ') {
        if (sscanf(rest + 1, "%2u:%2u:%2u%n", &hour, &minute, &second, &used) != 3 || used != 8)
            return false;
        rest += 1 + used;
    }
    if (*rest == '.') {
        const size_t n_digits = strspn(rest + 1, "0123456789");

        for (size_t i = 0; i < 6; i++)
            us = us * 10 + (i < n_digits ? rest[1 + i] - '0' : 0);
        rest += 1 + n_digits;
    }
    if (*rest == 'Z') {
        rest++;
    } else if (*rest == '+' || *rest == '-') {
        if (sscanf(rest + 1, "%2u:%2u%n", &off_hour, &off_minute, &used) != 2 || used != 5)
            return false;
        offset_s = (int64_t)(off_hour * 3600 + off_minute * 60) * (*rest == '-' ? -1 : 1);
        rest += 1 + used;
    }
    if (*rest != '\0' || year > 9999 || off_hour > 23 || off_minute > 59 || month < 1 ||
        month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60)
        return false;
    *ret_us = (days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset_s) *
                  1000000 +
              us;
    return true;
}

int answer_cursors(sx_req *r, const char *first, const char *last)
{
    int err = sx_set_header(r, "CB-BEFORE", first);

    return err < 0 ? err : sx_set_header(r, "CB-AFTER", last);
}

int answer_arg_int(sx_req *r, const char *name, int64_t fallback, int64_t *ret)
{
    const char *text = sx_arg_text(r, name);
    int64_t value = 0;

    *ret = fallback;
    if (text == NULL || *text == '\0')
        return SX_NEXT;
    if (decimal_parse(text, 0, &value) != DECIMAL_OK)
        return answer_fail(r, 400, "invalid %s: expected a whole number, found \"%.40s\"", name,
                           text);
    *ret = value;
    return SX_NEXT;
}

int answer_page(sx_req *r, struct page *ret)
{
    int err = answer_arg_int(r, "limit", 100, &ret->limit);

    if (err == SX_NEXT)
        err = answer_arg_int(r, "after", INT64_MAX, &ret->after);
    if (err == SX_NEXT)
        err = answer_arg_int(r, "before", 0, &ret->before);
    ret->limit = ret->limit < 1 ? 100 : ret->limit > PAGE_MOST ? PAGE_MOST : ret->limit;
    return err;
}

static const char *words_of_done(const struct order *o)
{
    return strcmp(o->done_reason, "filled") == 0 ? "filled" : "canceled";
}

void answer_order(sx_json_writer *w, const struct order *o)
{
    const struct instrument *it = o->instrument;
    char id[UUID_TEXT];

    answer_uuid(o->id, UUID_ORDER, id);
    sx_json_text(sx_json_key(w, "id"), id);
    if (o->price != 0)
        decimal_json(sx_json_key(w, "price"), o->price, it->tick_scale);
    if (o->lots != 0)
        decimal_json(sx_json_key(w, "size"), o->lots - o->reduced, it->lot_scale);
    if (o->funds != 0) {
        decimal_json(sx_json_key(w, "funds"), o->funds, it->quote_scale);
        decimal_json(sx_json_key(w, "specified_funds"), o->funds, it->quote_scale);
    }
    sx_json_text(sx_json_key(w, "product_id"), it->symbol);
    sx_json_text(sx_json_key(w, "side"), o->side == ORDER_BUY ? "buy" : "sell");
    sx_json_text(sx_json_key(w, "stp"), o->stp);
    sx_json_text(sx_json_key(w, "type"), o->is_market ? "market" : "limit");
    sx_json_text(sx_json_key(w, "time_in_force"), o->tif);
    sx_json_bool(sx_json_key(w, "post_only"), o->post_only);
    answer_json_time(w, "created_at", o->created_us);
    decimal_json(sx_json_key(w, "fill_fees"), o->fees, it->quote_scale);
    decimal_json(sx_json_key(w, "filled_size"), o->filled, it->lot_scale);
    decimal_json(sx_json_key(w, "executed_value"), o->executed, it->quote_scale);
    sx_json_text(sx_json_key(w, "status"), o->done_seq == 0 ? "open" : "done");
    sx_json_bool(sx_json_key(w, "settled"), o->done_seq != 0);
    sx_json_int(sx_json_key(w, "sequence"), o->seq);
    if (o->client_id != NULL)
        sx_json_text(sx_json_key(w, "client_oid"), o->client_id);
    if (o->done_seq == 0)
        return;
    sx_json_text(sx_json_key(w, "done_reason"), words_of_done(o));
    answer_json_time(w, "done_at", o->done_us);
    sx_json_int(sx_json_key(w, "done_sequence"), o->done_seq);
}
