#include "http/trace.h"

#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

static const char digits32[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* 64 bits from the kernel; without it, what differs between processes and starts. */
static uint64_t random_bits(void)
{
    uint64_t bits;

    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) == (ssize_t)sizeof bits)
        return bits;
    bits = (uint64_t)sx_clock_wall_ns() ^ (sx_clock_mono_ns() << 20) ^ ((uint64_t)getpid() << 44);
    return bits * UINT64_C(0x9e3779b97f4a7c15);
}

void sx_request_ids_init(struct sx_request_ids *ids)
{
    uint64_t bits = random_bits();

    for (size_t i = sizeof ids->prefix; i-- > 0; bits >>= 5)
        ids->prefix[i] = digits32[bits & 31];
    ids->count = 0;
}

void sx_request_ids_next(struct sx_request_ids *ids, struct sx_request_id *ret_id)
{
    uint64_t count = ids->count++;
    size_t n = 1;

    for (uint64_t rest = count >> 5; rest != 0; rest >>= 5)
        n++;
    memcpy(ret_id->text, ids->prefix, sizeof ids->prefix);
    ret_id->len = (uint8_t)(sizeof ids->prefix + n);
    ret_id->text[ret_id->len] = '\0';
    for (size_t i = ret_id->len; n-- > 0; count >>= 5)
        ret_id->text[--i] = digits32[count & 31];
}

static bool is_id_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '_' || c == '-';
}

bool sx_request_id_take(struct sx_slice field, struct sx_request_id *ret_id)
{
    if (field.len == 0 || field.len > SX_REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < field.len; i++)
        if (!is_id_char(field.data[i]))
            return false;
    memcpy(ret_id->text, field.data, field.len);
    ret_id->text[field.len] = '\0';
    ret_id->len = (uint8_t)field.len;
    return true;
}

/* n hexadecimal digits, copied in lower case with a NUL; upper case only when allowed; all
 * zero is no id. */
static bool take_hex(char *to, const char *from, size_t n, bool allow_upper)
{
    bool is_zero = true;

    for (size_t i = 0; i < n; i++) {
        char c = from[i];

        if (allow_upper && c >= 'A' && c <= 'F')
            c = (char)(c | 0x20);
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
        is_zero = is_zero && c == '0';
        to[i] = c;
    }
    to[n] = '\0';
    return !is_zero;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two lower-case digits, or -1. */
static int take_byte(const char *from)
{
    int high = hex_value(from[0]), low = hex_value(from[1]);

    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* version "-" trace-id "-" parent-id "-" flags; later versions may append "-" and more. */
static bool parse_traceparent(struct sx_slice s, struct sx_trace *t)
{
    int version, flags;

    if (s.len < 55 || s.data[2] != '-' || s.data[35] != '-' || s.data[52] != '-')
        return false;
    version = take_byte(s.data);
    flags = take_byte(s.data + 53);
    if (version < 0 || version == 0xff || flags < 0)
        return false;
    if (s.len > 55 && (version == 0 || s.data[55] != '-'))
        return false;
    t->is_sampled = (flags & 1) != 0;
    return take_hex(t->trace_id, s.data + 3, 32, false) &&
           take_hex(t->span_id, s.data + 36, 16, false);
}

/* "SPAN" or "SPAN;o=OPTIONS" */
static bool parse_cloud_span(struct sx_slice s, struct sx_trace *t)
{
    struct sx_slice options = s;
    struct sx_slice span = sx_slice_cut(&options, ';');
    uint64_t value, flags = 0;

    if (sx_parse_uint(span.data, span.len, &value) < 0)
        return false;
    if (options.data != NULL) {
        if (options.len < 3 || memcmp(options.data, "o=", 2) != 0 ||
            sx_parse_uint(options.data + 2, options.len - 2, &flags) < 0)
            return false;
    }
    t->is_sampled = (flags & 1) != 0;
    t->span_id[0] = '\0';
    if (value != 0) {
        for (size_t i = 16; i-- > 0; value >>= 4)
            t->span_id[i] = "0123456789abcdef"[value & 15];
        t->span_id[16] = '\0';
    }
    return true;
}

static bool parse_cloud(struct sx_slice s, struct sx_trace *t)
{
    if (s.len < 34 || s.data[32] != '/')
        return false;
    return take_hex(t->trace_id, s.data, 32, true) && parse_cloud_span(sx_slice_after(s, 33), t);
}

bool sx_trace_parse(struct sx_slice traceparent, struct sx_slice cloud_context,
                    struct sx_trace *ret_trace)
{
    struct sx_trace t;

    if (!parse_traceparent(traceparent, &t) && !parse_cloud(cloud_context, &t))
        return false;
    *ret_trace = t;
    return true;
}
