"""RFC 9112 5 and RFC 9110 5: names, values, white space, folding."""
from case import Case, echo, get
from checks import body_is

BAD = "400 close"
# 9110 5.5: other controls are invalid too, but a recipient MAY retain them
CONTROLS = [byte for byte in range(0x20) if byte not in b"\0\t\n\r"] + [0x7f]


def line(name, text, expect=BAD, rfc="9112 5", **more):
    return Case(name, rfc, get(text), expect, **more)


VALUES = [
    line("value-with-0x%02x" % byte, b"X-A: a" + bytes([byte]) + b"b", "400 close | 200 tail",
         "9110 5.5")
    for byte in CONTROLS
] + [
    line("value-with-nul", b"X-A: a\0b", rfc="9110 5.5"),
    line("value-of-nul", b"X-A: \0", rfc="9110 5.5"),
    line("value-ends-in-nul", b"X-A: a\0", rfc="9110 5.5"),
    line("value-with-cr", b"X-A: a\rb", rfc="9110 5.5"),
    line("value-begins-with-cr", b"X-A:\ra", rfc="9110 5.5"),
    line("value-ends-in-cr", b"X-A: a\r", rfc="9110 5.5"),
    line("value-with-cr-and-field", b"X-A: a\rX-B: b", rfc="9110 5.5"),
    line("value-with-lf-and-no-field", b"X-A: a\nb", rfc="9112 2.2"),
    line("value-with-lf-and-field", b"X-A: a\nX-B: b", "400 close | 200 tail", "9112 2.2"),
    line("value-with-tab", b"X-A: a\tb", "200 tail", "9110 5.5"),
    line("value-of-obs-text", b"X-A: \x80\xa0\xff", "200 tail", "9110 5.5"),
    line("value-of-utf-8", "X-A: gr\u00fc\u00dfe".encode(), "200 tail", "9110 5.5"),
    line("value-of-all-visible", b"X-A: " + bytes(range(0x21, 0x7f)), "200 tail", "9110 5.5"),
    line("value-empty", b"X-A:", "200 tail", "9110 5.5"),
    line("value-of-spaces", b"X-A:    ", "200 tail", "9112 5"),
    line("value-of-tabs", b"X-A:\t\t", "200 tail", "9112 5"),
    line("value-without-space", b"X-A:b", "200 tail", "9112 5"),
    line("value-with-spaces-around", b"X-A:   b   ", "200 tail", "9112 5"),
    line("value-of-colons", b"X-A: ::b::c", "200 tail", "9110 5.5"),
    line("value-begins-with-colon", b"X-A:: b", "200 tail", "9110 5.5"),
    line("value-with-open-quote", b'X-A: "b', "200 tail", "9110 5.5"),
    line("value-looks-like-a-request", b"X-A: GET /probe/token/SMUGGLED HTTP/1.1", "200 tail",
         "9110 5.5"),
]

NAMES = [
    line("name-with-0x%02x" % byte, b"X-" + bytes([byte]) + b"A: b", rfc="9110 5.6.2")
    for byte in b'\x00\x01\x0b\x0c\x1f\x7f\x80\xff"(),/;<=>?@[\\]{}'
] + [
    line("name-of-all-tchars", b"!#$%&'*+-.^_`|~09azAZ: b", "200 tail", "9110 5.6.2"),
    line("name-of-one-letter", b"a: b", "200 tail", "9110 5.6.2"),
    line("name-of-digits", b"123: b", "200 tail", "9110 5.6.2"),
    line("name-of-1000-letters", b"A" * 1000 + b": b", "200 tail | 431 close", "9110 5.4"),
    line("name-empty", b": b", rfc="9112 5"),
    line("name-and-value-empty", b":", rfc="9112 5"),
    line("space-before-colon", b"X-A : b", rfc="9112 5.1"),
    line("tab-before-colon", b"X-A\t: b", rfc="9112 5.1"),
    line("spaces-before-colon", b"X-A   : b", rfc="9112 5.1"),
    line("space-inside-name", b"X A: b", rfc="9112 5.1"),
    line("cr-before-colon", b"X-A\r: b", rfc="9112 5.1"),
    line("lf-before-colon", b"X-A\n: b", rfc="9112 5.1"),
    line("no-colon", b"X-A", rfc="9112 5"),
    line("no-colon-but-space", b"X-A b", rfc="9112 5"),
    line("first-letter-high", b"\xc3\x84: b", rfc="9110 5.6.2"),
    line("line-of-a-space", b" ", "400 close | 200 tail", "9112 5.2"),
    line("same-field-twice", b"X-A: b\r\nX-A: c", "200 tail", "9110 5.3"),
    line("unknown-fields-are-ignored", b"X-Unknown-To-All: 1", "200 tail", "9110 5.1"),
]

# 9112 5.2: a server MUST reject a folded line or read it as a space
FOLDS = [
    line("fold-with-space", b"X-A: b\r\n c", "400 close | 200 tail", "9112 5.2"),
    line("fold-with-tab", b"X-A: b\r\n\tc", "400 close | 200 tail", "9112 5.2"),
    line("fold-of-an-empty-value", b"X-A:\r\n b", "400 close | 200 tail", "9112 5.2"),
    line("fold-twice", b"X-A: b\r\n c\r\n d", "400 close | 200 tail", "9112 5.2"),
    line("fold-that-looks-like-a-field", b"X-A: b\r\n X-C: d", "400 close | 200 tail", "9112 5.2"),
    line("fold-with-lf", b"X-A: b\n c", "400 close | 200 tail", "9112 5.2"),
    Case("fold-of-content-length", "9112 5.2",
         get(b"Content-Length: 1\r\n 0"), "400 close"),
    Case("fold-hides-content-length", "9112 5.2", get(b"X-A: b\r\n Content-Length: 5"),
         "400 close | 200 tail"),
    # 9112 2.2: white space before the first field: reject, or drop those lines
    Case("space-before-first-field", "9112 2.2",
         b"GET /probe/ok HTTP/1.1\r\n X-A: b\r\nHost: localhost\r\n\r\n", "400 close | 200 tail"),
    Case("tab-before-first-field", "9112 2.2",
         b"GET /probe/ok HTTP/1.1\r\n\tX-A: b\r\nHost: localhost\r\n\r\n", "400 close | 200 tail"),
    Case("space-before-host", "9112 2.2", b"GET /probe/ok HTTP/1.1\r\n Host: localhost\r\n\r\n",
         "400 end"),
    Case("space-before-content-length", "9112 2.2",
         b"POST /probe/echo HTTP/1.1\r\n Content-Length: 5\r\nHost: localhost\r\n\r\n",
         "400 close | 200 tail | 411 end", needs="echo"),
]

KNOWN = [
    Case("white-space-around-content-length", "9112 5",
         echo(b"hello").replace(b"Content-Length: 5", b"Content-Length:\t  5  "), "200 tail",
         needs="echo",
         checks=(body_is(b"hello"),)),
    # valid, but in a field that frames nobody is hurt by a refusal
    Case("tab-after-content-length", "9112 5",
         echo(b"hello").replace(b"Content-Length: 5", b"Content-Length: 5\t"),
         "200 tail | 400 close",
         needs="echo", checks=(body_is(b"hello"),)),
    Case("content-length-in-capitals", "9110 5.1",
         echo(b"hello").replace(b"Content-Length", b"CONTENT-LENGTH"), "200 tail", needs="echo",
         checks=(body_is(b"hello"),)),
    Case("content-length-in-small-letters", "9110 5.1",
         echo(b"hello").replace(b"Content-Length: ", b"content-length:"), "200 tail", needs="echo",
         checks=(body_is(b"hello"),)),
    Case("fifty-fields", "9110 5.4", get(*[b"X-%d: %d" % (i, i) for i in range(50)]), "200 tail"),
    Case("a-cookie-of-3000-bytes", "9110 5.4", get(b"Cookie: a=" + b"b" * 3000), "200 tail"),
]

CASES = VALUES + NAMES + FOLDS + KNOWN
