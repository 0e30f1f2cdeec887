"""RFC 9112 6.1 and 6.3: Transfer-Encoding, alone and beside Content-Length."""
from case import Case, LAST, chunk, get, post, request
from checks import body_is

BODY = chunk(b"hello") + LAST
HELLO = body_is(b"hello")
REFUSED = "400/501 close"


def coding(name, *fields, expect=REFUSED, rfc="9112 6.1", version=b"HTTP/1.1", body=BODY, **more):
    return Case(name, rfc, post(*fields, body=body, version=version), expect, needs="echo",
                checks=(HELLO,), **more)


def te(name, value, expect=REFUSED, **more):
    return coding(name, b"Transfer-Encoding: " + value, expect=expect, **more)


TAKEN = [
    te("chunked", b"chunked", "200 tail"),
    te("chunked-in-capitals", b"CHUNKED", "200 tail", rfc="9112 7"),
    te("chunked-in-mixed-case", b"ChUnKeD", "200 tail", rfc="9112 7"),
    te("white-space-around", b"  chunked  ", "200 tail", rfc="9112 5"),
    # valid, but in a field that frames nobody is hurt by a refusal
    te("tab-before", b"\tchunked", "200 tail | 400/501 close", rfc="9112 5"),
    te("tab-after", b"chunked\t", "200 tail | 400/501 close", rfc="9112 5"),
    coding("no-space-after-colon", b"Transfer-Encoding:chunked", expect="200 tail"),
    coding("name-in-capitals", b"TRANSFER-ENCODING: chunked", expect="200 tail", rfc="9110 5.1"),
    coding("name-in-small-letters", b"transfer-encoding: chunked", expect="200 tail",
           rfc="9110 5.1"),
    Case("get-with-chunked-body", "9110 9.3.1", get(b"Transfer-Encoding: chunked") + BODY,
         "200 tail | 400/413 close"),
    Case("get-with-empty-chunked-body", "9110 9.3.1", get(b"Transfer-Encoding: chunked") + LAST,
         "200 tail"),
    Case("head-with-chunked-body", "9110 9.3.2",
         request(b"HEAD /probe/ok HTTP/1.1", b"Transfer-Encoding: chunked", body=BODY),
         "200 tail | 400/413 close", methods=("HEAD",)),
    coding("te-field-is-something-else", b"Transfer-Encoding: chunked",
           b"TE: trailers, deflate;q=0.5",
           expect="200 tail", rfc="9110 10.1.4"),
    Case("te-field-does-not-frame", "9110 10.1.4", get(b"TE: chunked"), "200 tail"),
    Case("content-encoding-does-not-frame", "9110 8.4", get(b"Content-Encoding: chunked"),
         "200 tail"),
    # 9110 5.6.1: empty members of a list are ignored
    te("empty-member-before", b", chunked", "200 tail | 400/501 close", rfc="9110 5.6.1"),
    te("empty-member-after", b"chunked,", "200 tail | 400/501 close", rfc="9110 5.6.1"),
    te("folded", b"\r\n chunked", "400 close | 200 tail", rfc="9112 5.2"),
]

UNKNOWN = {
    "gzip": b"gzip", "deflate": b"deflate", "identity": b"identity", "word": b"cow",
    "xchunked": b"xchunked",
    "chunkedx": b"chunkedx", "chunk": b"chunk", "x-chunked": b"x-chunked", "empty": b"",
    "comma": b",",
    "quoted": b'"chunked"', "single-quoted": b"'chunked'", "parameter": b"chunked;q=1",
    "semicolon": b"chunked;",
    "comment": b"chunked (a)", "vt-before": b"\x0bchunked", "vt-after": b"chunked\x0b",
    "ff-after": b"chunked\x0c",
    "ff-before": b"\x0cchunked", "nul-after": b"chunked\0", "nul-before": b"\0chunked",
    "nul-inside": b"chu\0nked",
    "nbsp-after": b"chunked\xa0", "nbsp-before": b"\xa0chunked", "cr-inside": b"chu\rnked",
    "cr-after": b"chunked\r",
    "kelvin-sign": "chun\u212aed".encode(), "two-words": b"chunked chunked", "equals": b"=chunked",
    "colon": b": chunked", "slash": b"chunked/1", "bracket": b"(chunked)", "high": b"chunked\xff",
    "del-after": b"chunked\x7f", "one-and-digits": b"chunked5",
}

LISTS = [
    te("chunked-twice", b"chunked, chunked"),
    te("chunked-then-gzip", b"chunked, gzip"),
    te("chunked-then-identity", b"chunked, identity"),
    te("identity-chunked-identity", b"identity, chunked, identity"),
    te("unknown-last", b"chunked, cow"),
    # the framing of these is clear, so the connection may live on
    te("gzip-then-chunked", b"gzip, chunked", "400/501 end"),
    te("identity-then-chunked", b"identity, chunked", "400/501 end"),
    te("unknown-then-chunked", b"cow, chunked", "400/501 end"),
    coding("two-fields-chunked", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    coding("two-fields-chunked-last", b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked",
           expect="400/501 end"),
    coding("two-fields-gzip-chunked", b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked",
           expect="400/501 end"),
    coding("two-fields-chunked-first", b"Transfer-Encoding: chunked",
           b"Transfer-Encoding: identity"),
    coding("two-fields-chunked-and-gzip", b"Transfer-Encoding: chunked",
           b"Transfer-Encoding: gzip"),
    coding("two-fields-second-empty", b"Transfer-Encoding: chunked", b"Transfer-Encoding:",
           expect="400/501 close | 200 tail"),
    coding("two-fields-in-other-case", b"Transfer-Encoding: chunked", b"transfer-encoding: cow"),
    te("folded-second-coding", b"chunked\r\n , identity"),
    Case("get-unknown", "9112 6.1", get(b"Transfer-Encoding: cow"), REFUSED),
    Case("get-empty", "9112 6.1", get(b"Transfer-Encoding:"), REFUSED + " | 200 tail"),
    Case("get-identity", "9112 6.1", get(b"Transfer-Encoding: identity"), REFUSED),
]

# 9112 6.3: with both, refuse, or believe Transfer-Encoding and close after the answer
BOTH = "400 close | 200 close"
BESIDE_LENGTH = [
    coding("then-length", b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(BODY),
           expect=BOTH, rfc="9112 6.3"),
    coding("after-length", b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked",
           expect=BOTH, rfc="9112 6.3"),
    coding("then-length-of-the-content", b"Transfer-Encoding: chunked", b"Content-Length: 5",
           expect=BOTH, rfc="9112 6.3"),
    coding("then-length-zero", b"Transfer-Encoding: chunked", b"Content-Length: 0", expect=BOTH,
           rfc="9112 6.3"),
    coding("after-length-zero", b"Content-Length: 0", b"Transfer-Encoding: chunked", expect=BOTH,
           rfc="9112 6.3"),
    coding("then-length-malformed", b"Transfer-Encoding: chunked", b"Content-Length: x",
           expect=BOTH, rfc="9112 6.3"),
    coding("then-length-empty", b"Transfer-Encoding: chunked", b"Content-Length:", expect=BOTH,
           rfc="9112 6.3"),
    coding("between-lengths", b"Content-Length: 5", b"Transfer-Encoding: chunked",
           b"Content-Length: 5",
           expect=BOTH, rfc="9112 6.3"),
    coding("unknown-then-length", b"Transfer-Encoding: cow", b"Content-Length: %d" % len(BODY),
           rfc="9112 6.3"),
    coding("identity-then-length", b"Transfer-Encoding: identity",
           b"Content-Length: %d" % len(BODY), rfc="9112 6.3"),
    coding("empty-then-length", b"Transfer-Encoding:", b"Content-Length: %d" % len(BODY),
           rfc="9112 6.3"),
    Case("get-with-both", "9112 6.3",
         get(b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(BODY)) + BODY, BOTH),
]

# 9112 6.1: in HTTP/1.0 the framing is faulty, whatever else is there
IN_1_0 = [
    coding("in-1-0", b"Transfer-Encoding: chunked", expect=REFUSED, version=b"HTTP/1.0",
           is_http10=True),
    coding("in-1-0-keep-alive", b"Transfer-Encoding: chunked", b"Connection: keep-alive",
           expect=REFUSED,
           version=b"HTTP/1.0", is_http10=True),
    coding("in-1-0-with-length", b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(BODY),
           b"Connection: keep-alive", expect=REFUSED, version=b"HTTP/1.0", is_http10=True),
    coding("in-1-0-identity", b"Transfer-Encoding: identity", b"Connection: keep-alive",
           expect=REFUSED,
           version=b"HTTP/1.0", is_http10=True),
]

CASES = TAKEN + [te("unknown-" + name, value) for name,
                 value in UNKNOWN.items()] + LISTS + BESIDE_LENGTH + IN_1_0
