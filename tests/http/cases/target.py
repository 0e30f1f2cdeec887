"""RFC 9112 3.2: the four forms of a request target, and what is none of them."""
from case import Case, get, request
from checks import body_is, no_body_contains

NOWHERE = "400/403/404 end"


def target(name, text, expect, rfc="9112 3.2", **more):
    return Case(name, rfc, get(target=text), expect, **more)


ORIGIN = [
    target("query", b"/probe/ok?a=b&c=d", "200 tail"),
    target("empty-query", b"/probe/ok?", "200 tail"),
    target("query-with-question-marks-and-slashes", b"/probe/ok?a=b?c=/d/?", "200 tail",
           "3986 3.4"),
    target("sub-delims-in-query", b"/probe/ok?a=!$&'()*+,;=:@", "200 tail", "3986 3.4"),
    target("percent-in-query", b"/probe/ok?a=%00%0d%0a%ff", "200 tail | 400 end", "3986 2.1"),
    target("bad-percent-in-query", b"/probe/ok?a=%zz", "200 tail | 400 end", "3986 2.1"),
    target("percent-encoded-letters-are-letters", b"/probe/%6fk", "200 tail", "9110 4.2.3"),
    target("percent-in-parameter", b"/probe/token/%41%42c", "200 tail", "9110 4.2.3",
           checks=(body_is(b"ABc"),)),
    target("percent-lower-case-hex", b"/probe/token/%4a%4B", "200 tail", "3986 2.1",
           checks=(body_is(b"JK"),)),
    target("percent-is-decoded-once", b"/probe/token/%2541", "200 tail", "3986 2.4",
           checks=(body_is(b"%41"),)),
    target("plus-in-path-is-a-plus", b"/probe/token/a+b", "200 tail", "3986 3.3",
           checks=(body_is(b"a+b"),)),
    target("sub-delims-in-path", b"/probe/token/a!$&'()*,=:@~-._b", "200 tail", "3986 3.3",
           checks=(body_is(b"a!$&'()*,=:@~-._b"),)),
    target("utf-8-in-percent", b"/probe/token/%E2%98%83", "200 tail", "3986 2.5",
           checks=(body_is("\u2603".encode()),)),
    target("bad-percent", b"/probe/token/%zz", "400/404 end", "3986 2.1"),
    target("percent-at-the-end", b"/probe/token/a%", "400/404 end", "3986 2.1"),
    target("percent-and-one-digit", b"/probe/token/a%4", "400/404 end", "3986 2.1"),
    target("percent-nul", b"/probe/token/a%00b", "400/404 end", "3986 7.3"),
    target("percent-slash-is-no-separator-for-routing", b"/probe%2Fok", "200 tail | 400/404 end",
           "3986 2.2"),
    target("overlong-utf-8", b"/probe/token/%c0%af", "200 tail | 400/404 end", "3629 10"),
    target("unknown-path", b"/no/such/path", "404 tail"),
    target("paths-are-case-sensitive", b"/PROBE/OK", "404 tail", "9110 4.2.3"),
    target("dot-segments", b"/probe/../probe/./ok", "200/301/308 tail | 400/404 end", "3986 5.2.4"),
    target("above-the-root", b"/../../../../etc/passwd", NOWHERE, "3986 5.2.4",
           checks=(no_body_contains(b"root:"),)),
    target("above-the-root-in-percent", b"/%2e%2e/%2e%2e/%2e%2e/etc/passwd", NOWHERE, "3986 7.3",
           checks=(no_body_contains(b"root:"),)),
    target("above-the-root-in-backslashes", b"/..%5c..%5cetc/passwd", NOWHERE, "3986 7.3",
           checks=(no_body_contains(b"root:"),)),
    target("two-slashes-are-no-authority", b"//probe/ok", "200/301/308/404 tail | 400 end",
           "9112 3.2.1"),
]

BROKEN = [
    target("no-slash", b"probe/ok", "400 end", "9112 3.2.1"),
    target("query-alone", b"?a=b", "400 end", "9112 3.2.1"),
    target("fragment", b"/probe/ok#part", "400 end", "9112 3.2.1"),
    target("fragment-alone", b"#part", "400 end", "9112 3.2.1"),
    target("dot", b".", "400 end", "9112 3.2.1"),
    target("backslash", b"\\probe\\ok", "400 end", "9112 3.2.1"),
    target("high-bytes-in-path", b"/probe/token/\xe2\x98\x83", "400 end", "3986 2"),
    target("high-byte-in-query", b"/probe/ok?a=\xff", "400 end", "3986 2"),
    # found in the wild, so taken by many; never something else
    target("curly-brackets-and-bar-in-query", b"/probe/ok?a={1|2}", "200 tail | 400 end", "3986 2"),
    target("quotes-and-angles-in-query", b"/probe/ok?a=\"<b>\"", "200 tail | 400 end", "3986 2"),
    target("square-brackets-in-query", b"/probe/ok?a[0]=1", "200 tail | 400 end", "3986 2"),
] + [
    Case("0x%02x-in-path" % byte, "9112 3.2", get(target=b"/probe/token/a" + bytes([byte]) + b"b"),
         "400 close")
    for byte in (0x00, 0x01, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1b, 0x1f, 0x7f)
] + [
    Case("0x%02x-in-query" % byte, "9112 3.2", get(target=b"/probe/ok?a=" + bytes([byte])),
         "400 close")
    for byte in (0x00, 0x0d, 0x1f, 0x7f)
]

ABSOLUTE = [
    target("absolute", b"http://localhost/probe/ok", "200 tail", "9112 3.2.2"),
    target("absolute-with-port", b"http://localhost:8080/probe/ok", "200 tail", "9112 3.2.2"),
    target("absolute-with-query", b"http://localhost/probe/ok?a=http://x/", "200 tail",
           "9112 3.2.2"),
    target("absolute-upper-case-scheme", b"HTTP://localhost/probe/ok", "200 tail", "9110 4.2.3"),
    target("absolute-upper-case-host", b"http://LOCALHOST/probe/ok", "200 tail", "9110 4.2.3"),
    target("absolute-ipv4", b"http://127.0.0.1/probe/ok", "200 tail", "9112 3.2.2"),
    target("absolute-ipv6", b"http://[::1]:80/probe/ok", "200 tail", "9112 3.2.2"),
    target("absolute-without-path", b"http://localhost", "200/404 tail", "9112 3.2.2"),
    target("absolute-without-path-but-query", b"http://localhost?a=b", "200/404 tail",
           "9112 3.2.2"),
    target("absolute-parameter", b"http://localhost/probe/token/abc", "200 tail", "9112 3.2.2",
           checks=(body_is(b"abc"),)),
    Case("absolute-wins-over-another-host", "9112 3.2.2",
         get(target=b"http://localhost/probe/ok", host=b"other.example"), "200 tail"),
    Case("absolute-without-host-field", "9112 3.2",
         get(target=b"http://localhost/probe/ok", host=None),
         "400 end"),
    Case("absolute-with-bad-host-field", "9112 3.2",
         get(target=b"http://localhost/probe/ok", host=b"a b"),
         "400 end"),
    Case("absolute-in-1-0", "9112 3.2.2", get(target=b"http://localhost/probe/ok",
                                              version=b"HTTP/1.0"),
         "200 close", is_http10=True),
    Case("absolute-post", "9112 3.2.2",
         request(b"POST http://localhost/probe/echo HTTP/1.1", b"Content-Length: 2", body=b"hi"),
         "200 tail", needs="echo", checks=(body_is(b"hi"),)),
    target("absolute-with-userinfo", b"http://user:pw@localhost/probe/ok", "200 tail | 400 end",
           "9110 4.2.4"),
    target("absolute-with-empty-host", b"http:///probe/ok", "400 end", "9110 4.2.1"),
    target("absolute-with-bad-port", b"http://localhost:abc/probe/ok", "400 end", "9110 4.2.1"),
    target("absolute-with-bad-ipv6", b"http://[::1/probe/ok", "400 end", "9110 4.2.1"),
    target("absolute-with-space-in-host", b"http://local host/probe/ok", "400 close", "9112 3.2"),
    target("absolute-with-fragment", b"http://localhost/probe/ok#part", "400 end", "9112 3.2.2"),
    target("absolute-with-one-slash", b"http:/localhost/probe/ok", "400 end", "9110 4.2.1"),
]

OTHERS = [
    target("authority-is-for-connect", b"localhost:80", "400 end", "9112 3.2.3"),
    target("asterisk-is-for-options", b"*", "400/404/405 end", "9112 3.2.4"),
    Case("options-asterisk", "9110 9.3.7", request(b"OPTIONS * HTTP/1.1"), "200/204 tail"),
    Case("options-asterisk-with-body", "9110 9.3.7",
         request(b"OPTIONS * HTTP/1.1", b"Content-Length: 5", body=b"hello"), "200/204 tail"),
    Case("options-asterisk-twice", "9110 9.3.7", request(b"OPTIONS * HTTP/1.1") * 2,
         "200/204 200/204 tail"),
    Case("options-asterisk-and-more", "9112 3.2.4", request(b"OPTIONS *x HTTP/1.1"), "400 end"),
    Case("options-absolute-without-path", "9112 3.2.4",
         request(b"OPTIONS http://localhost HTTP/1.1"),
         "200/204/404 tail"),
    Case("post-asterisk", "9112 3.2.4", request(b"POST * HTTP/1.1", b"Content-Length: 0"),
         "400/404/405 end"),
]

CASES = ORIGIN + BROKEN + ABSOLUTE + OTHERS
