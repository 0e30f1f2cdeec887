"""RFC 9112 9.3.2: answers in the order of the requests, whatever is among them."""
from case import Case, LAST, Wait, Send, chunk, echo, get, post, request, token
from checks import bodies_are, body_is, body_is_empty

HEAD = request(b"HEAD /probe/ok HTTP/1.1")
MISSING = get(target=b"/no/such/path")
WRONG = request(b"DELETE /probe/ok HTTP/1.1")
STREAM = get(target=b"/probe/stream?n=3&ms=2")
A, B = token(b"a"), token(b"b")
AROUND = (body_is(b"a"), body_is(b"b", 2))


def among(name, middle, expect, method="GET", checks=AROUND, **more):
    """Something between two requests whose answers are known."""
    return Case(name, "9112 9.3.2", A + middle + B, expect, methods=("GET", method), checks=checks,
                **more)


def many(name, count, make, expected, **more):
    return Case(name, "9112 9.3.2", b"".join(make(i) for i in range(count)),
                " ".join(["200"] * count) + " tail",
                checks=(bodies_are([expected(i) for i in range(count)]),), **more)


def number(i):
    return b"n%d" % i


def text(i):
    return b"%d" % i * (i + 1)


CASES = [
    many("two-tokens", 2, lambda i: token(number(i)), number),
    many("ten-tokens", 10, lambda i: token(number(i)), number),
    many("hundred-tokens", 100, lambda i: token(number(i)), number),
    many("thousand-tokens", 1000, lambda i: token(number(i)), number, is_dribbled=False),
    many("fifty-posts", 50, lambda i: echo(text(i)), text, needs="echo"),
    many("fifty-chunked-posts", 50,
         lambda i: post(b"Transfer-Encoding: chunked", body=chunk(text(i)) + LAST), text,
         needs="echo"),
    many("posts-of-20-kilobytes", 20, lambda i: echo(number(i) * 7000), lambda i: number(i) * 7000,
         needs="echo",
         is_dribbled=False),
    many("gets-and-posts", 40, lambda i: token(number(i)) if i % 2 else echo(number(i)), number,
         needs="echo"),
    among("get", get(), "200 200 200 tail"),
    among("head", HEAD, "200 200 200 tail", "HEAD"),
    among("head-of-post-route", request(b"HEAD /probe/echo HTTP/1.1"), "200 405 200 tail", "HEAD"),
    among("head-of-unknown-path", request(b"HEAD /no/such/path HTTP/1.1"), "200 404 200 tail",
          "HEAD"),
    among("404", MISSING, "200 404 200 tail"),
    among("404-with-body", post(b"Content-Length: 5", body=b"hello", target=b"/no/such/path"),
          "200 404 200 tail | 200 404 close", checks=(body_is(b"a"),)),
    among("404-with-chunked-body",
          post(b"Transfer-Encoding: chunked", body=chunk(b"hello") + LAST, target=b"/no/such/path"),
          "200 404 200 tail | 200 404 close", checks=(body_is(b"a"),)),
    among("405", WRONG, "200 405 200 tail"),
    among("options", request(b"OPTIONS /probe/ok HTTP/1.1"), "200 200/204 200 tail"),
    among("options-asterisk", request(b"OPTIONS * HTTP/1.1"), "200 200/204 200 tail"),
    among("empty-post", echo(b""), "200 200 200 tail", needs="echo"),
    among("post", echo(b"hello"), "200 200 200 tail", needs="echo"),
    among("chunked-post", post(b"Transfer-Encoding: chunked", body=chunk(b"hello") + LAST),
          "200 200 200 tail",
          needs="echo"),
    among("stream", STREAM, "200 200 200 tail", needs="stream"),
    among("close", get(b"Connection: close"), "200 200 close", checks=(body_is(b"a"),)),
    among("http-1-0", get(version=b"HTTP/1.0"), "200 200 close", checks=(body_is(b"a"),),
          is_http10=True),
    among("grammar-error", b"GET /probe/ok HTTP/1.1\r\nHost : a\r\n\r\n", "200 400 close",
          checks=(body_is(b"a"),)),
    among("garbage", b"\0\1\2\3\r\n\r\n", "200 400 close", checks=(body_is(b"a"),)),
    among("framing-error", post(b"Content-Length: x"), "200 400 close", checks=(body_is(b"a"),)),
    among("chunk-error", post(b"Transfer-Encoding: chunked", body=b"x\r\n"), "200 400 close",
          checks=(body_is(b"a"),)),
    among("no-host", request(b"GET /probe/ok HTTP/1.1", host=None),
          "200 400 close | 200 400 200 tail",
          checks=(body_is(b"a"),)),
    among("unknown-version", request(b"GET /probe/ok HTTP/2.0"), "200 505 close",
          checks=(body_is(b"a"),)),
    among("too-large", post(b"Content-Length: 1000000000000"), "200 413 close",
          checks=(body_is(b"a"),)),
    among("unknown-expectation", get(b"Expect: cow"), "200 417 200 tail | 200 417 close",
          checks=(body_is(b"a"),)),
    among("unknown-method", request(b"FOO /probe/ok HTTP/1.1"),
          "200 405/501 200 tail | 200 405/501 close",
          checks=(body_is(b"a"),)),
    Case("mixture", "9112 9.3.2",
         HEAD + A + MISSING + echo(b"hello") + WRONG + HEAD + B, "200 200 404 200 405 200 200 tail",
         needs="echo",
         methods=("HEAD", "GET", "GET", "POST", "DELETE", "HEAD", "GET"),
         checks=(body_is(b"a", 1), body_is(b"hello", 3), body_is(b"b", 6))),
    Case("heads-only", "9112 9.3.2", HEAD * 10, " ".join(["200"] * 10) + " tail",
         methods=("HEAD",) * 10,
         checks=(body_is_empty(9),)),
    Case("errors-only", "9112 9.3.2", MISSING * 20, " ".join(["404"] * 20) + " tail"),
    Case("streams-only", "9112 9.3.2", STREAM * 3, "200 200 200 tail", needs="stream"),
    Case("second-half-follows-the-first-answer", "9112 9.3",
         [Send(A + B[:20]), Wait(1), Send(B[20:])], "200 200 tail",
         checks=(bodies_are([b"a", b"b"]),)),
    Case("answer-does-not-wait-for-the-next", "9112 9.3", [Send(A), Wait(1), Send(B), Wait(2)],
         "200 200 tail",
         checks=(bodies_are([b"a", b"b"]),)),
]
