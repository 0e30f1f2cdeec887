"""RFC 9110 10.1.1: Expect, with a client that waits and one that does not."""
from case import (BodyIfWanted, Case, CANARY_REQUEST, Dribble, LAST, Send, Wait, chunk, get, post,
                  request, token)
from checks import body_is, bodies_are

WANTS = b"Expect: 100-continue"
LENGTH = b"Content-Length: 5"
HELLO = (body_is(b"hello"),)


def waiting(name, head, body=b"hello", expect="100 200 tail", checks=HELLO, **more):
    """The body is sent only when the server has asked for it."""
    return Case(name, "9110 10.1.1", [Send(head), Wait(1), BodyIfWanted(body)], expect,
                needs="echo",
                checks=checks, **more)


def eager(name, *fields, expect="100? 200 tail", body=b"hello", checks=HELLO, **more):
    return Case(name, "9110 10.1.1", post(*fields, body=body), expect, needs="echo", checks=checks,
                **more)


CASES = [
    waiting("waits-for-continue", post(WANTS, LENGTH)),
    waiting("waits-chunked", post(WANTS, b"Transfer-Encoding: chunked"), chunk(b"hello") + LAST),
    waiting("value-in-capitals", post(b"Expect: 100-CONTINUE", LENGTH)),
    waiting("value-in-mixed-case", post(b"Expect: 100-Continue", LENGTH)),
    waiting("name-in-small-letters", post(b"expect: 100-continue", LENGTH)),
    waiting("white-space-around", post(b"Expect: \t100-continue\t ", LENGTH)),
    waiting("length-before-expect", post(LENGTH, WANTS)),
    waiting("to-unknown-path", post(WANTS, LENGTH, target=b"/no/such/path"),
            expect="404 end | 100 404 end", checks=()),
    waiting("with-wrong-method", post(WANTS, LENGTH, target=b"/probe/ok"),
            expect="405 end | 100 405 end", checks=()),
    waiting("canary-to-unknown-path", post(WANTS, b"Content-Length: %d" % len(CANARY_REQUEST),
                                           target=b"/no/such/path"),
            CANARY_REQUEST, expect="404 end | 100 404 end", checks=()),
    waiting("canary-with-wrong-method", post(WANTS, b"Content-Length: %d" % len(CANARY_REQUEST),
                                             target=b"/probe/ok"),
            CANARY_REQUEST, expect="405 end | 100 405 end", checks=()),
    waiting("too-large-is-refused-at-once", post(WANTS, b"Content-Length: 1000000000000"),
            expect="413 close", checks=()),
    # Both answers are waited for: with the body already there a server may leave out the 100.
    Case("after-another-request", "9110 10.1.1",
         [Send(get() + post(WANTS, LENGTH)), Wait(2), Send(b"hello")], "200 100 200 tail",
         needs="echo", checks=(body_is(b"hello", 1),)),
    Case("asks-again-for-each-request", "9110 10.1.1",
         [Send(post(WANTS, LENGTH)), Wait(1), Send(b"hello"), Wait(2), Send(post(WANTS, LENGTH)),
          Wait(3), Send(b"again")],
         "100 200 100 200 tail", needs="echo", checks=(bodies_are([b"hello", b"again"]),)),
    Case("continues-once-for-a-slow-body", "9110 10.1.1",
         [Send(post(WANTS, LENGTH)), Wait(1), Dribble(b"hello")], "100 200 tail", needs="echo",
         checks=HELLO),
    Case("waits-with-close", "9110 10.1.1",
         [Send(post(WANTS, LENGTH, b"Connection: close")), Wait(1), Send(b"hello")],
         "100 200 close",
         needs="echo", checks=HELLO),
    eager("body-follows-at-once", WANTS, LENGTH),
    eager("twice-in-a-list", b"Expect: 100-continue, 100-continue", LENGTH),
    eager("other-one-in-a-list", b"Expect: 100-continue, cow", LENGTH, expect="417 close",
          checks=()),
    eager("other-one-on-a-line-before", b"Expect: cow", WANTS, LENGTH, expect="417 close",
          checks=()),
    eager("chunked-body-follows-at-once", WANTS, b"Transfer-Encoding: chunked",
          body=chunk(b"hello") + LAST),
    eager("length-zero", WANTS, b"Content-Length: 0", body=b"", checks=(body_is(b""),)),
    Case("without-body", "9110 10.1.1", get(WANTS), "100? 200 tail"),
    Case("head-without-body", "9110 10.1.1", request(b"HEAD /probe/ok HTTP/1.1", WANTS),
         "100? 200 tail",
         methods=("HEAD",)),
    Case("without-body-then-another", "9110 10.1.1", get(WANTS) + token(b"abc"),
         "100? 200 200 tail",
         checks=(body_is(b"abc", 1),)),
    # 9110 10.1.1: MUST ignore it in HTTP/1.0
    Case("ignored-in-1-0", "9110 10.1.1",
         post(WANTS, LENGTH, body=b"hello", version=b"HTTP/1.0"), "200 close", needs="echo",
         checks=HELLO,
         is_http10=True),
    Case("ignored-in-1-0-keep-alive", "9110 10.1.1",
         post(WANTS, LENGTH, b"Connection: keep-alive", body=b"hello", version=b"HTTP/1.0"),
         "200 end",
         needs="echo", checks=HELLO, is_http10=True),
    eager("unknown", b"Expect: 100-continues", LENGTH, expect="417 end"),
    eager("unknown-number", b"Expect: 200-ok", LENGTH, expect="417 end"),
    eager("unknown-beside-known", b"Expect: 100-continue, cow", LENGTH, expect="100? 417 end"),
    eager("unknown-with-parameter", b"Expect: cow=milk;q=1", LENGTH, expect="417 end"),
    Case("unknown-without-body", "9110 10.1.1", get(b"Expect: cow"), "417 end"),
    Case("unknown-with-canary", "9110 10.1.1",
         post(b"Expect: cow", b"Content-Length: %d" % len(CANARY_REQUEST), body=CANARY_REQUEST),
         "417 end"),
    eager("empty", b"Expect:", LENGTH, expect="100? 200 tail | 400/417 end"),
    eager("twice", WANTS, WANTS, LENGTH, expect="100? 200 tail | 400/417 end"),
]
