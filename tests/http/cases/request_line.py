"""RFC 9112 3: method, white space, line ends, version; what comes before the line."""
from case import Case, HalfClose, Send, get, post, request

BAD = "400 close"
FIELDS = b"\r\nHost: localhost\r\n\r\n"


def line(name, first, expect=BAD, rfc="9112 3", **more):
    return Case(name, rfc, first + FIELDS, expect, **more)


METHODS = [
    line("get", b"GET /probe/ok HTTP/1.1", "200 tail"),
    line("shortest-unknown-method", b"G / HTTP/1.1", "405/501 end", "9110 9.1"),
    line("unknown-method", b"FOO /probe/ok HTTP/1.1", "405/501 end", "9110 9.1"),
    line("unknown-method-with-known-prefix", b"GETX /probe/ok HTTP/1.1", "405/501 end", "9110 9.1"),
    line("method-is-a-prefix", b"GE /probe/ok HTTP/1.1", "405/501 end", "9110 9.1"),
    line("lower-case-method", b"get /probe/ok HTTP/1.1", "400/405/501 end", "9110 9.1"),
    line("mixed-case-method", b"Get /probe/ok HTTP/1.1", "400/405/501 end", "9110 9.1"),
    line("method-of-odd-tchars", b"!#$%&'*+-.^_`|~9 /probe/ok HTTP/1.1", "400/405/501 end",
         "9110 9.1"),
    line("method-of-1000-letters", b"A" * 1000 + b" /probe/ok HTTP/1.1", "400/405/414/501 end"),
    line("registered-method-propfind", b"PROPFIND /probe/ok HTTP/1.1", "405/501 end", "9110 9.1"),
    line("registered-method-m-search", b"M-SEARCH /probe/ok HTTP/1.1", "400/405/501 end",
         "9110 9.1"),
    line("method-pri", b"PRI /probe/ok HTTP/1.1", "400/405/501 end", "9113 3.4"),
    line("empty-method", b" /probe/ok HTTP/1.1"),
    line("space-before-method", b" GET /probe/ok HTTP/1.1"),
    line("tab-before-method", b"\tGET /probe/ok HTTP/1.1"),
] + [
    line("method-with-0x%02x" % byte, b"GE" + bytes([byte]) + b"T /probe/ok HTTP/1.1",
         rfc="9110 5.6.2")
    for byte in b'\x00\x01\x0b\x7f\x80\xff:(/"'
]

SPACES = [
    line("tab-for-space-before-target", b"GET\t/probe/ok HTTP/1.1"),
    line("tab-for-space-before-version", b"GET /probe/ok\tHTTP/1.1"),
    line("vt-for-space", b"GET\x0b/probe/ok\x0bHTTP/1.1"),
    line("ff-for-space", b"GET\x0c/probe/ok\x0cHTTP/1.1"),
    line("cr-for-space", b"GET\r/probe/ok\rHTTP/1.1"),
    line("nul-for-space", b"GET\0/probe/ok\0HTTP/1.1"),
    line("nbsp-for-space", b"GET\xa0/probe/ok\xa0HTTP/1.1"),
    # 9112 3 lets a server parse on white-space boundaries, so both are right
    line("two-spaces-before-target", b"GET  /probe/ok HTTP/1.1", "400 close | 200 tail"),
    line("two-spaces-before-version", b"GET /probe/ok  HTTP/1.1", "400 close | 200 tail"),
    line("space-after-version", b"GET /probe/ok HTTP/1.1 ", "400 close | 200 tail"),
    line("tab-after-version", b"GET /probe/ok HTTP/1.1\t", "400 close | 200 tail"),
    line("space-inside-target", b"GET /probe/ok x HTTP/1.1"),
    line("two-versions", b"GET /probe/ok HTTP/1.1 HTTP/1.1"),
    line("no-target", b"GET HTTP/1.1"),
    line("no-target-two-spaces", b"GET  HTTP/1.1"),
    line("method-alone", b"GET"),
    line("method-and-space-alone", b"GET "),
    line("no-version", b"GET /probe/ok", "400/505 close"),
    line("no-version-but-space", b"GET /probe/ok ", "400/505 close"),
    Case("simple-request-of-0-9", "9112 A", b"GET /probe/ok\r\n", "400/505 close | close"),
    Case("simple-request-of-0-9-and-half-close", "9112 A",
         [Send(b"GET /probe/ok\r\n"), HalfClose()], "400/505 close | close", has_tail=False),
]

LINE_ENDS = [
    # 9112 2.2: a recipient MAY take a single LF for the end of a line
    Case("lf-after-request-line", "9112 2.2", b"GET /probe/ok HTTP/1.1\nHost: localhost\r\n\r\n",
         "400 close | 200 tail"),
    Case("lf-everywhere", "9112 2.2", b"GET /probe/ok HTTP/1.1\nHost: localhost\n\n",
         "400 close | 200 tail"),
    Case("lf-for-the-empty-line", "9112 2.2", b"GET /probe/ok HTTP/1.1\r\nHost: localhost\r\n\n",
         "400 close | 200 tail"),
    Case("lf-after-a-field", "9112 2.2", b"GET /probe/ok HTTP/1.1\r\nHost: localhost\n\r\n",
         "400 close | 200 tail"),
    # ... but never a CR
    Case("cr-after-request-line", "9112 2.2", b"GET /probe/ok HTTP/1.1\rHost: localhost\r\n\r\n",
         BAD),
    Case("cr-everywhere", "9112 2.2", b"GET /probe/ok HTTP/1.1\rHost: localhost\r\r", BAD),
    Case("cr-for-the-empty-line", "9112 2.2", b"GET /probe/ok HTTP/1.1\r\nHost: localhost\r\n\r",
         BAD),
    Case("cr-cr-lf-after-request-line", "9112 2.2",
         b"GET /probe/ok HTTP/1.1\r\r\nHost: localhost\r\n\r\n", BAD),
    Case("cr-cr-lf-for-the-empty-line", "9112 2.2",
         b"GET /probe/ok HTTP/1.1\r\nHost: localhost\r\n\r\r\n", BAD),
    Case("lf-cr-for-crlf", "9112 2.2", b"GET /probe/ok HTTP/1.1\n\rHost: localhost\n\r\n\r", BAD),
    line("cr-inside-method", b"GE\rT /probe/ok HTTP/1.1", rfc="9112 2.2"),
    line("cr-inside-version", b"GET /probe/ok HTTP/\r1.1", rfc="9112 2.2"),
    line("cr-before-version", b"GET /probe/ok \rHTTP/1.1", rfc="9112 2.2"),
    # 9112 2.2: at least one empty line before the request line SHOULD be ignored
    Case("one-empty-line-before", "9112 2.2", b"\r\n" + get(), "200 tail"),
    Case("two-empty-lines-before", "9112 2.2", b"\r\n\r\n" + get(), "200 tail | 400 close"),
    Case("lf-before", "9112 2.2", b"\n" + get(), "200 tail | 400 close"),
    Case("empty-line-after-a-body", "9112 2.2",
         post(b"Content-Length: 2", body=b"hi\r\n"), "200 tail", needs="echo"),
    Case("empty-line-between-requests", "9112 2.2", get() + b"\r\n" + get(), "200 200 tail"),
    Case("cr-and-a-letter-before", "9112 2.2", b"\rX" + get(), "400/405/501 end"),
    Case("endless-empty-lines-before", "9112 2.2", b"\r\n" * 500000 + get(),
         "400/414/431 close | 200 tail",
         is_dribbled=False),
]

REJECTED_VERSIONS = {
    "lower-case": b"http/1.1", "mixed-case": b"Http/1.1", "no-minor": b"HTTP/1",
    "dot-only": b"HTTP/1.",
    "three-numbers": b"HTTP/1.1.1", "two-digit-major": b"HTTP/11.1",
    "two-digit-minor": b"HTTP/1.10",
    "leading-zero": b"HTTP/01.1", "minor-with-zero": b"HTTP/1.01", "comma": b"HTTP/1,1",
    "space-before-slash": b"HTTP /1.1", "space-after-slash": b"HTTP/ 1.1",
    "letter-after": b"HTTP/1.1x",
    "negative": b"HTTP/-1.1", "plus": b"HTTP/+1.1", "letters": b"HTTP/a.b", "empty": b"HTTP/",
    "word-only": b"HTTP", "no-slash": b"HTTP1.1", "https": b"HTTPS/1.1", "icy": b"ICY/1.0",
    "rtsp": b"RTSP/1.0", "xttp": b"XTTP/1.1", "short": b"HTT/1.1", "nul": b"HTTP/1.\0",
    "high": b"HTTP/1.\xb1",
    "huge": b"HTTP/" + b"1" * 500 + b".1", "zero-nine": b"HTTP/0.9", "zero-zero": b"HTTP/0.0",
}

VERSIONS = [
    line("version-1-0", b"GET /probe/ok HTTP/1.0", "200 close", "9110 2.5", is_http10=True),
    # 9110 2.5: a higher minor version SHOULD be processed as the highest that is known
    line("version-1-2", b"GET /probe/ok HTTP/1.2", "200 tail | 505 end", "9110 2.5"),
    line("version-1-9", b"GET /probe/ok HTTP/1.9", "200 tail | 505 end", "9110 2.5"),
    line("version-2-0", b"GET /probe/ok HTTP/2.0", "505 close", "9110 15.6.6"),
    line("version-3-0", b"GET /probe/ok HTTP/3.0", "505 close", "9110 15.6.6"),
    line("version-9-9", b"GET /probe/ok HTTP/9.9", "400/505 close", "9110 15.6.6"),
] + [
    line("version-" + name, b"GET /probe/ok " + version, "400/505 close", "9112 2.3")
    for name, version in REJECTED_VERSIONS.items()
]

STRANGERS = [
    Case("tls-client-hello", "9112 2.2",
         bytes.fromhex("16030100c8010000c40303") + bytes(range(200)), BAD),
    Case("http2-preface", "9113 3.4",
         b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"),
         "400/405/501/505 close | 405/501/505 400 close"),
    Case("an-answer-for-a-request", "9112 2.1", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
         BAD),
    Case("binary", "9112 2.2", bytes(range(128, 256)) * 2, BAD),
    Case("nuls", "9112 2.2", b"\0" * 64, BAD),
    Case("a-line-of-text", "9112 2.2", b"hello there, server\r\n\r\n", BAD),
    Case("smtp", "9112 2.2", b"EHLO example.com\r\nMAIL FROM:<a@b>\r\n\r\n", "400/501/505 close"),
    Case("nothing-but-spaces", "9112 2.2", b"     \r\n\r\n", BAD),
    Case("request-line-without-fields", "9112 3.2", request(b"GET /probe/ok HTTP/1.1", host=None),
         "400 end"),
]

CASES = METHODS + SPACES + LINE_ENDS + VERSIONS + STRANGERS
