"""RFC 9112 2.2 and 9.6: bytes in any pieces, and clients that stop sending before they read."""
from case import (Case, CRLF, Dribble, HalfClose, LAST, Pause, Send, Wait, chunk, chunked, echo,
                  get, post, request, token)
from checks import bodies_are, body_is, body_is_empty

HELLO = (body_is(b"hello"),)
WHOLE = post(b"Transfer-Encoding: chunked", body=b"3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: v\r\n\r\n")


def half_closed(name, send, expect, **more):
    return Case("half-close-" + name, "9112 9.6", [Send(send), HalfClose()], expect, has_tail=False,
                **more)


def everywhere(name, wire, body, first=1, **more):
    """The same request again and again on one connection, cut at each of its positions."""
    steps, cuts = [], range(first, len(wire))
    for n_before, cut in enumerate(cuts):
        steps += [Send(wire[:cut]), Pause(0.001), Send(wire[cut:]), Wait(n_before + 1)]
    return Case("cut-everywhere-" + name, "9112 2.2", steps, " ".join(["200"] * len(cuts)) +
                " tail",
                is_dribbled=False, checks=(bodies_are([body] * len(cuts)),), **more)


def refused_at(name, wire, cut, expect="400 close"):
    return Case("cut-%s-at-%d" % (name, cut), "9112 2.2",
                [Send(wire[:cut]), Pause(), Send(wire[cut:])], expect,
                is_dribbled=False)


CUT = "400/408 close | close"
BAD_NAME = b"GET /probe/ok HTTP/1.1\r\nHost: localhost\r\nX-A : b\r\n\r\n"
BAD_END = get()[:-2] + b"\rX\r\n"

HALF_CLOSED = [
    half_closed("get", get(), "200 close"),
    half_closed("head", request(b"HEAD /probe/ok HTTP/1.1"), "200 close", methods=("HEAD",),
                checks=(body_is_empty(),)),
    half_closed("post", echo(b"hello"), "200 close", needs="echo", checks=HELLO),
    half_closed("chunked-post", chunked(chunk(b"hello") + LAST), "200 close", needs="echo",
                checks=HELLO),
    half_closed("large-post", echo(b"x" * 500000), "200 close", needs="echo",
                checks=(body_is(b"x" * 500000),),
                is_dribbled=False),
    half_closed("404", get(target=b"/no/such/path"), "404 close"),
    half_closed("405", request(b"DELETE /probe/ok HTTP/1.1"), "405 close"),
    half_closed("400", b"garbage\r\n\r\n", "400 close"),
    half_closed("1-0", get(version=b"HTTP/1.0"), "200 close", is_http10=True),
    half_closed("with-close", get(b"Connection: close"), "200 close"),
    half_closed("three-pipelined", token(b"a") + token(b"b") + token(b"c"), "200 200 200 close",
                checks=(bodies_are([b"a", b"b", b"c"]),)),
    half_closed("hundred-pipelined", get() * 100, " ".join(["200"] * 100) + " close"),
    half_closed("stream", get(target=b"/probe/stream?n=5&ms=5"), "200 close", needs="stream"),
    half_closed("stream-and-another", get(target=b"/probe/stream?n=5&ms=5") + token(b"a"),
                "200 200 close",
                needs="stream", checks=(body_is(b"a", 1),)),
    half_closed("nothing", b"", "close"),
    half_closed("empty-line", CRLF, "close | 400/408 close"),
    half_closed("one-letter", b"G", CUT),
    half_closed("half-a-line", b"GET /probe/o", CUT),
    half_closed("line-only", b"GET /probe/ok HTTP/1.1\r\n", CUT),
    half_closed("half-a-head", get()[:-10], CUT),
    half_closed("head-without-last-lf", get()[:-1], CUT),
    half_closed("half-a-body", echo(b"hello")[:-2], CUT, needs="echo"),
    half_closed("half-a-body-behind-an-answer-to-come",
                get(target=b"/probe/sleep?ms=50") + echo(b"hello")[:-2], "200 400 close",
                needs="echo"),
    half_closed("half-a-body-behind-large-answers", echo(b"x" * 200000) * 8 + echo(b"hello")[:-2],
                " ".join(["200"] * 8) + " 400/408 close", needs="echo", is_dribbled=False,
                checks=(body_is(b"x" * 200000, 7),)),
    half_closed("get-and-half-a-get", get() + get()[:-10], "200 400/408 close | 200 close"),
    Case("half-close-after-a-pause", "9112 9.6", [Send(get()), Pause(), HalfClose()], "200 close",
         has_tail=False),
    Case("half-close-after-the-answer", "9112 9.6", [Send(get()), Wait(1), HalfClose()],
         "200 close", has_tail=False),
]

SLOW = [
    Case("dribbled-get", "9112 2.2", [Dribble(get())], "200 tail"),
    Case("dribbled-post", "9112 2.2", [Dribble(echo(b"hello"))], "200 tail", needs="echo",
         checks=HELLO),
    Case("dribbled-chunks", "9112 2.2", [Dribble(WHOLE)], "200 tail", needs="echo", checks=HELLO),
    Case("dribbled-pipeline", "9112 2.2", [Dribble(token(b"a") + echo(b"b") + token(b"c"))],
         "200 200 200 tail",
         needs="echo", checks=(bodies_are([b"a", b"b", b"c"]),)),
    everywhere("get", token(b"abc"), b"abc"),
    everywhere("post", echo(b"hello"), b"hello", needs="echo"),
    everywhere("chunks", WHOLE, b"hello", needs="echo"),
    everywhere("absolute", get(target=b"http://localhost/probe/token/abc"), b"abc"),
    Case("answer-read-late", "9112 9.3", [Send(echo(b"x" * 200000) * 4), Pause(0.1)],
         "200 200 200 200 tail",
         needs="echo", is_dribbled=False, checks=(body_is(b"x" * 200000, 3),)),
]

REFUSED = [refused_at("bad-name", BAD_NAME, cut) for cut in (44, 45, 46, 47, 48,
                                                             len(BAD_NAME) - 1)] + [
    refused_at("bad-end", BAD_END, cut) for cut in range(len(BAD_END) - 5, len(BAD_END))
] + [
    refused_at("bad-chunk-end", chunked(b"5\r\nhelloXX0\r\n\r\n"), len(chunked(b"")) + cut)
    for cut in range(7, 12)
] + [
    refused_at("both-lengths", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"), cut)
    for cut in (45, 60, 66, 75, 84, 88)
]

CASES = HALF_CLOSED + SLOW + REFUSED
