"""RFC 9112 3, RFC 9110 5.4 and 15.5.14, RFC 6585 5: what a client can grow has a ceiling."""
from case import Case, Send, chunked, get, post, request

HUGE = 1000000


def once(name, rfc, send, expect, **more):
    return Case(name, rfc, send, expect, is_dribbled=False, **more)


def endless(name, rfc, start, filler, expect):
    """More and more of the same: the server need not see an end to say no."""
    return once(name, rfc, [Send(start + filler * (HUGE // len(filler)))], expect, has_tail=False)


LINE = b"GET /probe/ok HTTP/1.1\r\nHost: localhost\r\n"

CASES = [
    # 9112 3: lines of at least 8000 octets SHOULD be supported
    Case("line-of-8000", "9112 3", get(target=b"/probe/ok?a=" + b"b" * (8000 - 25)), "200 tail"),
    once("line-of-100-kilobytes", "9112 3", get(target=b"/probe/ok?a=" + b"b" * 100000),
         "414 close"),
    once("line-of-a-megabyte", "9112 3", get(target=b"/probe/ok?a=" + b"b" * HUGE), "414 close"),
    once("path-of-100-kilobytes", "9112 3", get(target=b"/" + b"a/" * 50000), "414 close"),
    once("absolute-target-of-100-kilobytes", "9112 3",
         get(target=b"http://localhost/" + b"a" * 100000), "414 close"),
    once("long-line-of-unknown-method", "9112 3", request(b"FOO /" + b"a" * 100000 + b" HTTP/1.1"),
         "414/405/501 close"),
    once("long-line-behind-a-request", "9112 3", get() + get(target=b"/" + b"a" * 100000),
         "200 414 close"),
    endless("target-without-end", "9112 3", b"GET /", b"a", "414 close"),
    endless("method-without-end", "9112 3", b"", b"A", "400/414/501 close"),
    endless("version-without-end", "9112 3", b"GET /probe/ok HTTP/1.", b"1", "400/414/505 close"),
    endless("spaces-without-end", "9112 3", b"GET ", b" ", "400/414 close"),
    Case("value-of-4-kilobytes", "9110 5.4", get(b"X-A: " + b"a" * 4096), "200 tail"),
    once("value-of-300-kilobytes", "6585 5", get(b"X-A: " + b"a" * 300000), "431 close"),
    once("value-of-a-megabyte", "6585 5", get(b"X-A: " + b"a" * HUGE), "431 close"),
    once("name-of-300-kilobytes", "6585 5", get(b"A" * 300000 + b": a"), "431 close"),
    once("host-of-300-kilobytes", "6585 5", get(host=b"a" * 300000), "400/431 close"),
    once("cookie-of-300-kilobytes", "6585 5", get(b"Cookie: a=" + b"a" * 300000), "431 close"),
    once("fields-of-300-kilobytes", "6585 5",
         get(*[b"X-%d: %s" % (i, b"a" * 2994) for i in range(100)]), "431 close"),
    once("5000-fields", "6585 5", get(*[b"X-%d: a" % i for i in range(5000)]), "431 close"),
    once("5000-times-the-same-field", "6585 5", get(*[b"A: b"] * 5000), "431 close"),
    once("5000-empty-fields", "6585 5", get(*[b"A:"] * 5000), "431 close"),
    once("spaces-of-300-kilobytes", "6585 5", get(b"X-A:" + b" " * 300000 + b"a"), "431 close"),
    once("fields-behind-a-request", "6585 5", get() + get(b"X-A: " + b"a" * 300000),
         "200 431 close"),
    endless("value-without-end", "6585 5", LINE + b"X-A: ", b"a", "431 close"),
    endless("name-without-end", "6585 5", LINE, b"A", "400/431 close"),
    endless("fields-without-end", "6585 5", LINE, b"X-A: a\r\n", "431 close"),
    Case("body-of-a-terabyte", "9110 15.5.14", post(b"Content-Length: 1000000000000"), "413 close"),
    Case("body-of-2-gigabytes", "9110 15.5.14", post(b"Content-Length: 2147483649"), "413 close"),
    Case("body-of-4-gigabytes", "9110 15.5.14", post(b"Content-Length: 4294967296"), "413 close"),
    Case("body-too-large-for-json", "9110 15.5.14",
         post(b"Content-Length: 1000000000000", b"Content-Type: application/json",
              target=b"/probe/json"), "413 close"),
    Case("body-too-large-for-unknown-path", "9110 15.5.14",
         post(b"Content-Length: 1000000000000", target=b"/no/such/path"), "404/413 close"),
    Case("body-too-large-for-get", "9110 15.5.14", get(b"Content-Length: 1000000000000"),
         "413 close | 200/400 close"),
    Case("body-too-large-for-head", "9110 15.5.14",
         request(b"HEAD /probe/ok HTTP/1.1", b"Content-Length: 1000000000000"),
         "413 close | 200/400 close", methods=("HEAD",)),
    Case("body-too-large-for-wrong-method", "9110 15.5.14",
         post(b"Content-Length: 1000000000000", target=b"/probe/ok"), "405/413 close"),
    once("chunks-to-unknown-path", "9110 15.5.14",
         post(b"Transfer-Encoding: chunked", body=(b"10000\r\n" + b"x" * 65536 + b"\r\n") * 48,
              target=b"/no/such/path"), "404/413 close"),
    Case("chunk-of-a-terabyte", "9110 15.5.14", chunked(b"e8d4a51000\r\nhello"), "413 close",
         needs="echo"),
    once("chunks-of-a-gigabyte", "9110 15.5.14",
         [Send(chunked(b"")), Send((b"10000\r\n" + b"x" * 65536 + b"\r\n") * 1000)], "413 close",
         has_tail=False, needs="echo"),
]
