/*
 * Structure, text and misuse of <sx/json.h>.
 */
#include <math.h>

#include "fake_body.h"

static void write_order(sx_json_writer *w)
{
    sx_json_object(w);
    sx_json_int(sx_json_key(w, "id"), 7);
    sx_json_array(sx_json_key(w, "fills"));
    sx_json_object(w);
    sx_json_number(sx_json_key(w, "price"), 101.25);
    sx_json_end(w);
    sx_json_array(w);
    sx_json_end(w);
    sx_json_bool(w, true);
    sx_json_null(w);
    sx_json_end(w);
    sx_json_bool(sx_json_key(w, "open"), false);
    sx_json_raw(sx_json_key(w, "extra"), "{\"a\":[1]}");
    sx_json_text(sx_json_key(w, "note"), NULL);
    sx_json_end(w);
}

static void values_and_structure_become_one_document(void **state)
{
    sx_req *r = *state;
    sx_json_writer w = sx_json_begin(r);

    write_order(&w);

    assert_int_equal(sx_json_reply(&w, 201), SX_OK);
    assert_string_equal(r->body, "{\"id\":7,\"fills\":[{\"price\":101.25},[],true,null],"
                                 "\"open\":false,\"extra\":{\"a\":[1]},\"note\":null}");
    assert_int_equal(r->status, 201);
    assert_string_equal(r->type, "application/json");
}

static void a_small_document_is_one_reservation(void **state)
{
    sx_req *r = *state;
    sx_json_writer w = sx_json_begin(r);

    write_order(&w);

    assert_int_equal(sx_json_reply(&w, 200), SX_OK);
    assert_int_equal(r->reservations, 1);
}

static void rows_stand_between_other_values(void **state)
{
    sx_req *r = *state;
    sx_json_writer w = sx_json_begin(r);

    sx_json_object(&w);
    sx_json_rows(sx_json_key(&w, "rows"), (const sx_rows *)"[{\"a\":1}]");
    sx_json_int(sx_json_key(&w, "n"), 1);
    sx_json_end(&w);

    assert_int_equal(sx_json_reply(&w, 200), SX_OK);
    assert_string_equal(r->body, "{\"rows\":[{\"a\":1}],\"n\":1}");
}

static void text_is_escaped_and_made_utf8(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *json;
    } cases[] = {
        { "", 0, "\"\"" },
        { "plain text of some length", 25, "\"plain text of some length\"" },
        { "say \"hi\" \\ there", 16, "\"say \\\"hi\\\" \\\\ there\"" },
        { "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"" },
        { "a\0b\x1f\x7f", 5, "\"a\\u0000b\\u001f\x7f\"" },
        { "\x0b", 1, "\"\\u000b\"" },
        { "gr\xc3\xbc\xc3\x9f", 6, "\"gr\xc3\xbc\xc3\x9f\"" },
        { "\xe3\x83\x95\xf0\x9f\x98\x80", 7, "\"\xe3\x83\x95\xf0\x9f\x98\x80\"" },
        { "1234567\"", 8, "\"1234567\\\"\"" },
        { "1234567\n8", 9, "\"1234567\\n8\"" },
        { "\xc2\x80\xdf\xbf", 4, "\"\xc2\x80\xdf\xbf\"" },
        { "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80", 9, "\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\"" },
        { "\xf4\x8f\xbf\xbf", 4, "\"\xf4\x8f\xbf\xbf\"" },
        /* not well-formed: a lone continuation, too short, too long, surrogate, too large */
        { "a\x80z", 3, "\"a\xef\xbf\xbdz\"" },
        { "\xff\xfe", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xc3", 1, "\"\xef\xbf\xbd\"" },
        { "\xe3\x83", 2, "\"\xef\xbf\xbd\"" },
        { "\xe3\x83z", 3, "\"\xef\xbf\xbdz\"" },
        { "\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xe0\x80\xaf", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xf0\x9f\x98\"", 4, "\"\xef\xbf\xbd\\\"\"" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sx_req *r = *state;
        sx_json_writer w = sx_json_begin(r);

        sx_json_span(&w, (sx_span){ cases[i].text, cases[i].len });

        assert_int_equal(sx_json_reply(&w, 200), SX_OK);
        assert_string_equal(r->body, cases[i].json);
        again(r);
    }
}

static void every_byte_in_every_place_of_a_word_reads_back(void **state)
{
    sx_req *r = *state;

    for (int byte = 1; byte < 0x80; byte++) {
        for (int place = 0; place < 17; place++) {
            char text[18] = "aaaaaaaaaaaaaaaaa";
            sx_json_writer w = sx_json_begin(r);
            json_t *read;

            text[place] = (char)byte;
            sx_json_text(&w, text);

            assert_int_equal(sx_json_reply(&w, 200), SX_OK);
            read = json_loads(r->body, JSON_DECODE_ANY, NULL);
            assert_string_equal(json_string_value(read), text);
            json_decref(read);
            again(r);
        }
    }
}

static void write_nan(sx_json_writer *w)
{
    sx_json_number(w, (double)NAN);
}
static void write_infinity(sx_json_writer *w)
{
    sx_json_number(w, -(double)INFINITY);
}
static void write_nothing(sx_json_writer *w)
{
    (void)w;
}
static void write_end(sx_json_writer *w)
{
    sx_json_end(w);
}
static void write_key_at_top(sx_json_writer *w)
{
    sx_json_int(sx_json_key(w, "a"), 1);
}
static void write_open(sx_json_writer *w)
{
    sx_json_object(w);
}

static void write_two(sx_json_writer *w)
{
    sx_json_int(w, 1);
    sx_json_int(w, 2);
}

static void write_without_key(sx_json_writer *w)
{
    sx_json_object(w);
    sx_json_int(w, 1);
    sx_json_end(w);
}

static void write_key_in_array(sx_json_writer *w)
{
    sx_json_array(w);
    sx_json_int(sx_json_key(w, "a"), 1);
    sx_json_end(w);
}

static void write_two_keys(sx_json_writer *w)
{
    sx_json_object(w);
    sx_json_int(sx_json_key(sx_json_key(w, "a"), "b"), 1);
    sx_json_end(w);
}

static void write_key_only(sx_json_writer *w)
{
    sx_json_object(w);
    sx_json_end(sx_json_key(w, "a"));
}

static void write_too_deep(sx_json_writer *w)
{
    for (int i = 0; i <= SX_JSON_MAX_DEPTH; i++)
        sx_json_array(w);
    for (int i = 0; i <= SX_JSON_MAX_DEPTH; i++)
        sx_json_end(w);
}

static void a_misuse_sticks_and_is_logged_once(void **state)
{
    static void (*const cases[])(sx_json_writer *) = {
        write_nan,          write_infinity, write_nothing,  write_end,
        write_key_at_top,   write_open,     write_two,      write_without_key,
        write_key_in_array, write_two_keys, write_key_only, write_too_deep,
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sx_req *r = *state;
        sx_json_writer w = sx_json_begin(r);

        cases[i](&w);

        assert_int_equal(sx_json_reply(&w, 200), SX_EINVAL);
        assert_int_equal(r->logged, 1);
        assert_int_equal(r->status, 0);
        again(r);
    }
}

static void the_deepest_allowed_nesting_is_written(void **state)
{
    sx_req *r = *state;
    sx_json_writer w = sx_json_begin(r);

    for (int i = 0; i < SX_JSON_MAX_DEPTH; i += 2) {
        sx_json_array(&w);
        sx_json_object(&w);
        sx_json_key(&w, "k");
    }
    sx_json_int(&w, 1);
    for (int i = 0; i < SX_JSON_MAX_DEPTH; i++)
        sx_json_end(&w);

    assert_int_equal(sx_json_reply(&w, 200), SX_OK);
    assert_int_equal(r->len, SX_JSON_MAX_DEPTH * 2 + SX_JSON_MAX_DEPTH / 2 * 4 + 1);
}

static void write_much(sx_json_writer *w)
{
    sx_json_array(w);
    for (int i = 0; i < 2000; i++)
        sx_json_text(w, "0123456789 and \"more\"");
    sx_json_end(w);
}

static void each_failing_reservation_sticks(void **state)
{
    sx_req *r = *state;
    int err = SX_ENOMEM, n = 0;

    while (err == SX_ENOMEM) {
        sx_json_writer w = sx_json_begin(r);

        r->failing = ++n;
        write_much(&w);
        err = sx_json_reply(&w, 200);
        assert_true(err == SX_OK || (err == SX_ENOMEM && r->status == 0 && r->logged == 0));
        again(r);
    }

    assert_int_equal(err, SX_OK);
    assert_true(n > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        claim(values_and_structure_become_one_document),
        claim(a_small_document_is_one_reservation),
        claim(rows_stand_between_other_values),
        claim(text_is_escaped_and_made_utf8),
        claim(every_byte_in_every_place_of_a_word_reads_back),
        claim(a_misuse_sticks_and_is_logged_once),
        claim(the_deepest_allowed_nesting_is_written),
        claim(each_failing_reservation_sticks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
