"""RFC 9112 7.1.2 and RFC 9110 6.5: what follows the last chunk, and what it must never do."""
from case import Case, Send, chunk, chunked
from checks import body_is, has_not

HELLO = body_is(b"hello")
# 9110 6.5.1: fields that frame, route or authenticate are ignored or refused
IGNORED = "200 tail | 400 end"


def trailer(name, lines, expect="400 close", rfc="9112 7.1.2", fields=(), **more):
    return Case(name, rfc, chunked(chunk(b"hello") + b"0\r\n" + lines + b"\r\n", *fields), expect,
                needs="echo",
                checks=(HELLO,), **more)


CASES = [
    trailer("one", b"X-T: v\r\n", "200 tail"),
    trailer("two", b"X-T: v\r\nX-U: w\r\n", "200 tail"),
    trailer("empty-value", b"X-T:\r\n", "200 tail"),
    trailer("obs-text", b"X-T: \xff\r\n", "200 tail"),
    trailer("announced", b"X-T: v\r\n", "200 tail", "9110 6.6.2", fields=(b"Trailer: X-T",)),
    trailer("content-length", b"Content-Length: 40\r\n", IGNORED, "9110 6.5.1"),
    trailer("content-length-malformed", b"Content-Length: x\r\n", IGNORED, "9110 6.5.1"),
    trailer("transfer-encoding", b"Transfer-Encoding: chunked\r\n", IGNORED, "9110 6.5.1"),
    trailer("transfer-encoding-unknown", b"Transfer-Encoding: cow\r\n", IGNORED, "9110 6.5.1"),
    trailer("host", b"Host: other.example\r\n", IGNORED, "9110 6.5.1"),
    trailer("host-invalid", b"Host: a b\r\n", IGNORED, "9110 6.5.1"),
    trailer("connection-close", b"Connection: close\r\n", "200 end | 400 end", "9110 6.5.1"),
    trailer("expect", b"Expect: 100-continue\r\n", IGNORED, "9110 6.5.1"),
    trailer("expect-unknown", b"Expect: cow\r\n", IGNORED, "9110 6.5.1"),
    trailer("upgrade", b"Upgrade: h2c\r\nConnection: Upgrade\r\n", IGNORED, "9110 6.5.1"),
    trailer("authorization", b"Authorization: Basic YTpi\r\n", IGNORED, "9110 6.5.1"),
    trailer("content-type", b"Content-Type: text/html\r\n", IGNORED, "9110 6.5.1"),
    trailer("no-colon", b"garbage\r\n"),
    trailer("space-before-colon", b"X-T : v\r\n", rfc="9112 5.1"),
    trailer("empty-name", b": v\r\n"),
    trailer("bad-name", b"X(T): v\r\n"),
    trailer("nul", b"X-T: a\0b\r\n", rfc="9110 5.5"),
    trailer("cr", b"X-T: a\rb\r\n", rfc="9112 2.2"),
    trailer("cr-cr-lf", b"X-T: a\r\r\n", rfc="9112 2.2"),
    trailer("space-before", b" X-T: v\r\n", "400 close | 200 tail", "9112 2.2"),
    trailer("fold", b"X-T: v\r\n w\r\n", "400 close | 200 tail", "9112 5.2"),
    trailer("fold-hides-length", b"X-T: v\r\n Content-Length: 5\r\n", "400 close | 200 tail",
            "9112 5.2"),
    trailer("lf-line-ends", b"X-T: v\n", "400 close | 200 tail", "9112 2.2"),
    trailer("looks-like-a-request", b"GET /probe/token/SMUGGLED HTTP/1.1\r\nHost: localhost\r\n"),
    trailer("5000-lines", b"".join(b"X-%d: v\r\n" % i for i in range(5000)), "400/413/431 close",
            "9110 5.4",
            is_dribbled=False),
    trailer("of-200-kilobytes", b"X-T: " + b"v" * 200000 + b"\r\n", "400/413/431 close", "9110 5.4",
            is_dribbled=False),
    Case("without-end", "9110 5.4",
         [Send(chunked(chunk(b"hello") + b"0\r\nX-T: " + b"v" * 1000000))],
         "400/413/431 close", has_tail=False, needs="echo", is_dribbled=False),
    Case("is-no-answer-header", "9110 6.5",
         chunked(chunk(b"hello") + b"0\r\nContent-Type: text/evil\r\nX-Reflect: v\r\n\r\n"),
         IGNORED,
         needs="echo", checks=(has_not("x-reflect"),)),
]
