/*
 * Limits and escapes of <sx/write.h>.
 */
#include "fake_body.h"

static void a_body_may_fill_its_limit_to_the_last_byte(void **state)
{
    static const struct {
        size_t limit;
        int result;
    } cases[] = { { 600, SX_OK }, { 599, SX_ENOMEM } };

    for (size_t i = 0; i < 2; i++) {
        sx_req *r = *state;
        sx_writer w = sx_write_begin(r);

        r->limit = cases[i].limit;
        for (int n = 0; n < 600; n++)
            sx_write_char(&w, 'x');

        assert_int_equal(sx_write_reply(&w, 200, "text/plain"), cases[i].result);
        again(r);
    }
}

static void html_text_is_escaped(void **state)
{
    sx_req *r = *state;
    sx_writer w = sx_write_begin(r);

    sx_write_text(&w, "<p title=\"");
    sx_write_html(&w, "a & 'b' \"c\"");
    sx_write_text(&w, "\">");
    sx_write_html(&w, "<script>alert(1)</script>\xe3\x83\x95");
    sx_write_html(&w, NULL);
    sx_write_html(&w, "");
    sx_write_int(&w, -42);
    sx_write_text(&w, "</p>");

    assert_int_equal(sx_write_reply(&w, 200, "text/html"), SX_OK);
    assert_string_equal(r->body, "<p title=\"a &amp; &#39;b&#39; &quot;c&quot;\">&lt;script&gt;"
                                 "alert(1)&lt;/script&gt;\xe3\x83\x95-42</p>");
    assert_string_equal(r->type, "text/html");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        claim(a_body_may_fill_its_limit_to_the_last_byte),
        claim(html_text_is_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
