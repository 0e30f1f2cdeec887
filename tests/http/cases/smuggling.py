"""RFC 9112 11.2: what two readers could read in two ways is refused, and nothing behind it is read.

CANARY_REQUEST stands where only a reader with another idea of the framing would look for a request.
"""
from case import CANARY_REQUEST, Case, LAST, Pause, Send, chunk, chunked, echo, get, post, request
from checks import body_is

BAD = "400 close"
HIDDEN = LAST + CANARY_REQUEST  # ends a chunked body at once; content for who goes by length
SHOWN = chunk(CANARY_REQUEST) + LAST
LENGTH = b"Content-Length: %d"


def smuggle(name, send, expect=BAD, rfc="9112 11.2", **more):
    return Case(name, rfc, send, expect, needs="echo", **more)


def by_length(name, field, expect="400/501 close"):
    """Content-Length covers it all; the field asks for chunked as only some understand it."""
    return smuggle("te-" + name, post(LENGTH % len(HIDDEN), field, body=HIDDEN), expect)


def before_length(name, field, expect="400/501 close"):
    return smuggle("te-first-" + name, post(field, LENGTH % len(HIDDEN), body=HIDDEN), expect)


def two_codings(name, second, expect="400/501 close"):
    return smuggle("te-te-" + name, post(b"Transfer-Encoding: chunked", second, body=HIDDEN),
                   expect)


OBFUSCATED = {
    "xchunked": b"Transfer-Encoding: xchunked",
    "space-before-colon": b"Transfer-Encoding : chunked",
    "tab-before-colon": b"Transfer-Encoding\t: chunked",
    "vt-before-colon": b"Transfer-Encoding\x0b: chunked",
    "ff-before-colon": b"Transfer-Encoding\x0c: chunked",
    "nul-before-colon": b"Transfer-Encoding\0: chunked",
    "cr-before-colon": b"Transfer-Encoding\r: chunked",
    "lf-before-colon": b"Transfer-Encoding\n: chunked",
    "nbsp-before-colon": b"Transfer-Encoding\xa0: chunked",
    "semicolon-before-colon": b"Transfer-Encoding;: chunked",
    "space-inside-name": b"Transfer Encoding: chunked",
    "high-first-letter": b"\xefTransfer-Encoding: chunked",
    "nul-first": b"\0Transfer-Encoding: chunked", "bracket-first": b"(Transfer-Encoding: chunked",
    "vt-before-value": b"Transfer-Encoding: \x0bchunked",
    "ff-before-value": b"Transfer-Encoding: \x0cchunked",
    "nul-before-value": b"Transfer-Encoding: \0chunked",
    "cr-before-value": b"Transfer-Encoding: \rchunked",
    "vt-after-value": b"Transfer-Encoding: chunked\x0b",
    "nul-after-value": b"Transfer-Encoding: chunked\0",
    "cr-after-value": b"Transfer-Encoding: chunked\r",
    "cr-inside-value": b"Transfer-Encoding: chu\rnked",
    "quoted": b'Transfer-Encoding: "chunked"', "parameter": b"Transfer-Encoding: chunked;a=b",
    "identity-last": b"Transfer-Encoding: chunked, identity", "cow": b"Transfer-Encoding: cow",
    "empty": b"Transfer-Encoding:", "two-words": b"Transfer-Encoding: chunked x",
    "high": b"Transfer-Encoding: chunked\xff",
    "behind-bare-cr": b"X-A: b\rTransfer-Encoding: chunked",
    "behind-nul": b"X-A: b\0Transfer-Encoding: chunked",
    "identity": b"Transfer-Encoding: identity", "chunk": b"Transfer-Encoding: chunk",
}
# Understood, so there are two framings: refuse, or go by chunks and close
UNDERSTOOD = {
    "plain": b"Transfer-Encoding: chunked", "capitals": b"TRANSFER-ENCODING: CHUNKED",
    "tab-for-space": b"Transfer-Encoding:\tchunked", "no-space": b"Transfer-Encoding:chunked",
    "spaces-after": b"Transfer-Encoding: chunked   ",
    "behind-lf": b"X-A: b\nTransfer-Encoding: chunked",
    "folded": b"Transfer-Encoding:\r\n chunked",
    "folded-with-tab": b"Transfer-Encoding:\r\n\tchunked",
    "empty-member": b"Transfer-Encoding: , chunked",
}
SECOND = {
    "cow": b"Transfer-Encoding: cow", "capital-cow": b"Transfer-encoding: cow",
    "identity": b"Transfer-Encoding: identity",
    "space-before-colon": b"Transfer-Encoding : cow", "vt": b"Transfer-Encoding:\x0bcow",
    "chunked": b"Transfer-Encoding: chunked",
    "folded": b"X-A: b\r\n Transfer-Encoding: cow\r\nTransfer-Encoding: cow",
    "xchunked": b"Transfer-Encoding: xchunked",
}

TWO_FRAMINGS = [
    smuggle("cl-te", post(LENGTH % len(HIDDEN), b"Transfer-Encoding: chunked", body=HIDDEN),
            "400 close | 200 close"),
    smuggle("te-cl", post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=SHOWN),
            "400 close | 200 close"),
    smuggle("te-cl-zero", post(b"Transfer-Encoding: chunked", b"Content-Length: 0", body=SHOWN),
            "400 close | 200 close"),
    smuggle("cl-te-in-1-0", post(LENGTH % len(HIDDEN), b"Transfer-Encoding: chunked",
                                 b"Connection: keep-alive", body=HIDDEN,
                                 version=b"HTTP/1.0"), "400/501 close", is_http10=True),
    smuggle("cl-cl", post(LENGTH % len(HIDDEN), b"Content-Length: 5", body=HIDDEN)),
    smuggle("cl-cl-small-first", post(b"Content-Length: 5", LENGTH % len(HIDDEN), body=HIDDEN)),
    smuggle("cl-cl-zero-first", post(b"Content-Length: 0", LENGTH % len(CANARY_REQUEST),
                                     body=CANARY_REQUEST)),
    smuggle("cl-cl-zero-last", post(LENGTH % len(CANARY_REQUEST), b"Content-Length: 0",
                                    body=CANARY_REQUEST)),
    smuggle("cl-list", post(LENGTH % len(CANARY_REQUEST) + b", 0", body=CANARY_REQUEST)),
    smuggle("cl-list-zero-first", post(b"Content-Length: 0, %d" % len(CANARY_REQUEST),
                                       body=CANARY_REQUEST)),
    smuggle("te-cl-on-get", get(b"Transfer-Encoding: chunked", b"Content-Length: 0") + SHOWN,
            "400 close | 200 close"),
]


def bad_length(name, field):
    """A field that some read as the length of the canary, and others do not read at all."""
    return smuggle("cl-" + name, post(field % len(CANARY_REQUEST), body=CANARY_REQUEST))


LENGTHS = [
    bad_length("space-before-colon", b"Content-Length : %d"),
    bad_length("tab-before-colon", b"Content-Length\t: %d"),
    bad_length("vt-before-colon", b"Content-Length\x0b: %d"),
    bad_length("nul-before-colon", b"Content-Length\0: %d"),
    bad_length("nbsp-before-colon", b"Content-Length\xa0: %d"),
    bad_length("cr-before-colon", b"Content-Length\r: %d"),
    bad_length("space-inside-name", b"Content Length: %d"),
    bad_length("high-first-letter", b"\xffContent-Length: %d"),
    bad_length("plus", b"Content-Length: +%d"), bad_length("vt-before-value",
                                                           b"Content-Length: \x0b%d"),
    bad_length("vt-after-value", b"Content-Length: %d\x0b"),
    bad_length("nul-after-value", b"Content-Length: %d\0"),
    bad_length("cr-after-value", b"Content-Length: %d\r"),
    bad_length("letter-after", b"Content-Length: %dx"),
    bad_length("semicolon", b"Content-Length: %d;"), bad_length("quoted", b'Content-Length: "%d"'),
    bad_length("behind-bare-cr", b"X-A: b\rContent-Length: %d"),
    bad_length("behind-nul", b"X-A: b\0Content-Length: %d"),
    bad_length("in-empty-name", b": b\r\nContent-Length: %d"),
    bad_length("octal", b"Content-Length: 0o%d"),
    bad_length("minus", b"Content-Length: -%d"), bad_length("fraction", b"Content-Length: %d.0"),
]

BODIES = [
    # CL.0: a body that the answer did not need is still a body
    smuggle("cl-0-get", get(LENGTH % len(CANARY_REQUEST)) + CANARY_REQUEST,
            "200 tail | 400/413 close"),
    smuggle("cl-0-head", request(b"HEAD /probe/ok HTTP/1.1", LENGTH % len(CANARY_REQUEST),
                                 body=CANARY_REQUEST),
            "200 tail | 400/413 close", methods=("HEAD",)),
    smuggle("cl-0-options", request(b"OPTIONS /probe/ok HTTP/1.1", LENGTH % len(CANARY_REQUEST),
                                    body=CANARY_REQUEST),
            "200/204 tail | 400/413 close"),
    smuggle("cl-0-options-asterisk", request(b"OPTIONS * HTTP/1.1", LENGTH % len(CANARY_REQUEST),
                                             body=CANARY_REQUEST),
            "200/204 tail | 400/413 close"),
    smuggle("cl-0-404", post(LENGTH % len(CANARY_REQUEST), body=CANARY_REQUEST,
                             target=b"/no/such/path"), "404 end"),
    smuggle("cl-0-405", post(LENGTH % len(CANARY_REQUEST), body=CANARY_REQUEST,
                             target=b"/probe/ok"), "405 end"),
    smuggle("cl-0-405-delete", request(b"DELETE /probe/ok HTTP/1.1", LENGTH % len(CANARY_REQUEST),
                                       body=CANARY_REQUEST),
            "405 end"),
    smuggle("cl-0-trace", request(b"TRACE /probe/ok HTTP/1.1", LENGTH % len(CANARY_REQUEST),
                                  body=CANARY_REQUEST),
            "400/405/501 end"),
    smuggle("cl-0-unknown-method", request(b"FOO /probe/ok HTTP/1.1", LENGTH % len(CANARY_REQUEST),
                                           body=CANARY_REQUEST),
            "405/501 end"),
    smuggle("te-0-get", get(b"Transfer-Encoding: chunked") + SHOWN, "200 tail | 400/413 close"),
    smuggle("te-0-404", post(b"Transfer-Encoding: chunked", body=SHOWN, target=b"/no/such/path"),
            "404 end"),
    smuggle("te-0-405", post(b"Transfer-Encoding: chunked", body=SHOWN, target=b"/probe/ok"),
            "405 end"),
    smuggle("te-0-head", request(b"HEAD /probe/ok HTTP/1.1", b"Transfer-Encoding: chunked",
                                 body=SHOWN),
            "200 tail | 400/413 close", methods=("HEAD",)),
    smuggle("te-0-gzip", post(b"Transfer-Encoding: gzip, chunked", body=SHOWN), "400/501 end"),
    smuggle("body-413", post(b"Content-Length: 1000000000000", body=CANARY_REQUEST), "413 close"),
    smuggle("body-no-host", request(b"POST /probe/echo HTTP/1.1", LENGTH % len(CANARY_REQUEST),
                                    body=CANARY_REQUEST,
                                    host=None), "400 end"),
    smuggle("body-bad-target", post(LENGTH % len(CANARY_REQUEST), body=CANARY_REQUEST,
                                    target=b"/%zz"), "400/404 end"),
    smuggle("body-unknown-version", post(LENGTH % len(CANARY_REQUEST), body=CANARY_REQUEST,
                                         version=b"HTTP/2.0"),
            "505 close"),
    smuggle("content-is-a-canary", echo(CANARY_REQUEST), "200 tail",
            checks=(body_is(CANARY_REQUEST),)),
    smuggle("chunk-is-a-canary", chunked(SHOWN), "200 tail", checks=(body_is(CANARY_REQUEST),)),
    smuggle("underscored-names-are-unknown",
            post(b"Content-Length: 5", b"Content_Length: 99", b"Transfer_Encoding: chunked",
                 body=b"hello"),
            "200 tail | 400 close", checks=(body_is(b"hello"),)),
] + [
    smuggle("pause-" + name, [Send(wire[:-len(CANARY_REQUEST)]), Pause(), Send(CANARY_REQUEST)],
            expect, methods=methods)
    for name, wire, expect, methods in (
        ("404", post(LENGTH % len(CANARY_REQUEST), body=CANARY_REQUEST, target=b"/no/such/path"),
         "404 end", ()),
        ("405", post(LENGTH % len(CANARY_REQUEST), body=CANARY_REQUEST, target=b"/probe/ok"),
         "405 end", ()),
        ("get", get(LENGTH % len(CANARY_REQUEST)) + CANARY_REQUEST, "200 tail | 400/413 close", ()),
        ("echo", echo(CANARY_REQUEST), "200 tail", ()),
        ("options", request(b"OPTIONS * HTTP/1.1", LENGTH % len(CANARY_REQUEST),
                            body=CANARY_REQUEST),
         "200/204 tail | 400/413 close", ()))
]


def in_chunks(name, wire, expect=BAD):
    return smuggle("chunk-" + name, chunked(wire), expect)


# A chunk that holds the end of a chunked body
TRAP = b"%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n" + LAST

CHUNKS = [
    in_chunks("lf-ends-extension", b"2;\nxx\r\n" + TRAP),
    in_chunks("cr-ends-extension", b"2;\rxx\r\n" + TRAP),
    in_chunks("lf-in-named-extension", b"2;a\nxx\r\n" + TRAP),
    in_chunks("lf-in-quoted-extension", b'2;a="\nxx\r\n' + TRAP),
    in_chunks("lf-ends-size", b"2\nxx\r\n" + TRAP), in_chunks("cr-ends-size", b"2\rxx\r\n" + TRAP),
    in_chunks("two-bytes-for-crlf", b"2\r\nxxXX" + TRAP),
    in_chunks("two-bytes-then-canary", b"2\r\nxxXX0\r\n\r\n" + CANARY_REQUEST),
    in_chunks("lf-for-crlf", b"2\r\nxx\n" + TRAP), in_chunks("cr-for-crlf", b"2\r\nxx\r" + TRAP),
    in_chunks("digit-for-crlf", b"2\r\nxx30\r\n\r\n" + CANARY_REQUEST),
    in_chunks("longer-than-size", b"2\r\nxxx\r\n" + HIDDEN),
    in_chunks("hex-prefix-zero", b"0x0\r\n\r\n" + CANARY_REQUEST),
    in_chunks("minus-zero", b"-0\r\n\r\n" + CANARY_REQUEST),
    in_chunks("minus-one", b"-1\r\n\r\n" + CANARY_REQUEST),
    in_chunks("plus-zero", b"+0\r\n\r\n" + CANARY_REQUEST),
    in_chunks("underscore-zero", b"0_0\r\n\r\n" + CANARY_REQUEST),
    in_chunks("nul-zero", b"\x000\r\n\r\n" + CANARY_REQUEST),
    in_chunks("zero-nul", b"0\0\r\n\r\n" + CANARY_REQUEST),
    in_chunks("empty-size", b"\r\n\r\n" + CANARY_REQUEST),
    in_chunks("overflow-to-zero", b"10000000000000000\r\n\r\n" + CANARY_REQUEST, "400/413 close"),
    in_chunks("overflow-32-to-zero", b"100000000\r\n\r\n" + CANARY_REQUEST, "400/413 close"),
    in_chunks("overflow-to-two", b"10000000000000002\r\nxx\r\n" + HIDDEN, "400/413 close"),
    in_chunks("zero-cr-cr-lf", b"0\r\r\n\r\n" + CANARY_REQUEST),
    in_chunks("zero-lf-lf", b"0\n\n" + CANARY_REQUEST),
    in_chunks("zero-crlf-cr-letter", b"0\r\n\rX" + CANARY_REQUEST),
    in_chunks("zero-then-request-line", b"0\r\n" + CANARY_REQUEST),
    in_chunks("space-before-zero", b" 0\r\n\r\n" + CANARY_REQUEST),
    in_chunks("semicolon-first", b";0\r\n\r\n" + CANARY_REQUEST),
    in_chunks("extension-with-nul", b"0;\0\r\n\r\n" + CANARY_REQUEST),
    in_chunks("trailer-bad-name", b"0\r\nX (T): v\r\n\r\n" + CANARY_REQUEST),
    in_chunks("trailer-cr", b"0\r\nX-T: v\rContent-Length: 5\r\n\r\n" + CANARY_REQUEST),
]

HEADS = [
    # the end of the head, and who sees it elsewhere
    smuggle("head-ends-in-cr-letter", get()[:-2] + b"\rX" + CANARY_REQUEST),
    smuggle("head-ends-in-cr-cr-lf", get()[:-2] + b"\r\r\n" + CANARY_REQUEST),
    smuggle("head-ends-in-space-crlf", get()[:-2] + b" \r\n" + CANARY_REQUEST[:-4] + b"\r\n\r\n",
            "400 close"),
    smuggle("head-ends-in-nul-crlf", get()[:-2] + b"\0\r\n" + CANARY_REQUEST),
    smuggle("head-ends-in-vt-crlf", get()[:-2] + b"\x0b\r\n" + CANARY_REQUEST),
    smuggle("folded-length", post(b"X-A: b\r\n " + LENGTH % len(CANARY_REQUEST)) + b"",
            "400 close | 200 tail | 411 end"),
    smuggle("line-without-colon-hides-request", get(b"GET /probe/token/SMUGGLED HTTP/1.1")),
    smuggle("cr-in-target", get(target=b"/probe/ok\r" + CANARY_REQUEST)),
    smuggle("lf-in-target", get(target=b"/probe/ok HTTP/1.1\n\nGET /probe/token/SMUGGLED"),
            "400 close"),
    smuggle("bare-cr-between-requests", b"GET /probe/ok HTTP/1.1\rHost: localhost\r\r" +
            CANARY_REQUEST),
    smuggle("canary-behind-bad-line", b"GET /probe/ok HTTP/1.1 x\r\nHost: localhost\r\n\r\n" +
            CANARY_REQUEST),
    smuggle("canary-behind-bad-field", get(b"X A: b") + CANARY_REQUEST),
    smuggle("canary-behind-bad-length", get(b"Content-Length: -1") + CANARY_REQUEST),
    smuggle("canary-behind-bad-coding", get(b"Transfer-Encoding: cow") + CANARY_REQUEST,
            "400/501 close"),
    smuggle("canary-behind-bad-version", b"GET /probe/ok HTTP/9.9\r\nHost: localhost\r\n\r\n" +
            CANARY_REQUEST, "400/505 close"),
    smuggle("canary-behind-0-9", b"GET /probe/ok\r\n" + CANARY_REQUEST, "400/505 close | close"),
    smuggle("canary-behind-garbage", b"\x16\x03\x01\r\n\r\n" + CANARY_REQUEST),
    smuggle("canary-behind-long-line", get(target=b"/" + b"a" * 100000) + CANARY_REQUEST,
            "414 close", is_dribbled=False),
    smuggle("canary-behind-large-head", get(b"X-A: " + b"a" * 300000) + CANARY_REQUEST, "431 close",
            is_dribbled=False),
    smuggle("canary-behind-chunk-error", chunked(b"5\r\nhelloX") + CANARY_REQUEST),
]

CASES = TWO_FRAMINGS + [by_length(name, field) for name, field in OBFUSCATED.items()] + [
    before_length(name, OBFUSCATED[name]) for name in ("xchunked", "vt-before-value", "quoted",
                                                       "identity-last", "cow")
] + [by_length("understood-" + name, field, "400/501 close | 200 close") for name,
     field in UNDERSTOOD.items()] + [
    two_codings(name, field) for name, field in SECOND.items()
] + LENGTHS + BODIES + CHUNKS + HEADS
