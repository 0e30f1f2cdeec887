"""Bodies, byte for byte: /probe/echo, /probe/json and /probe/stream."""
from case import Case, Dribble, LAST, Pause, Send, chunk, echo, get, post, request
from checks import body_is, has, is_json

ALL = bytes(range(256))
MEGABYTE = bytes((i * 7 + i // 256) % 256 for i in range(1000000))
BAD_JSON = "400/422 tail"


def exact(name, body, *fields, checks=(), **more):
    return Case("echo-" + name, "9110 8.6", echo(body, *fields), "200 tail",
                checks=(body_is(body), *checks),
                **{"needs": "echo", **more})


def typed(name, value):
    return exact("type-" + name, b"hello", b"Content-Type: " + value,
                 checks=(has("content-type", value),),
                 needs="type")


def json(name, body, value=None, expect=None, kind=b"application/json", **more):
    wire = post(b"Content-Type: " + kind, b"Content-Length: %d" % len(body), body=body,
                target=b"/probe/json")
    checks = (is_json(value),) if expect is None else ()
    return Case("json-" + name, "8259", wire, expect or "200 tail", needs="json", checks=checks,
                **more)


def sends_events(count):
    def check(responses):
        response = responses[0]
        found = sum(line.startswith(b"data:") for line in response.body.splitlines())
        if response.value("content-type").split(b";")[0] != b"text/event-stream" or found != count:
            return "%r with %d events, expected %d server-sent events" % (
                response.value("content-type"), found, count)
        return None
    return check


def stream(name, query, count, *fields, method=b"GET", **more):
    wire = request(method + b" /probe/stream?" + query + b" HTTP/1.1", *fields)
    return Case("stream-" + name, "9112 7.1", wire, "200 tail", needs="stream",
                checks=(sends_events(count),), **more)


ECHO = [
    exact("one-byte", b"x"), exact("all-bytes", ALL), exact("nuls", b"\0" * 100),
    exact("crlf", b"\r\n" * 50),
    exact("a-request", get()), exact("an-answer", b"HTTP/1.1 200 OK\r\n\r\n"),
    exact("last-chunk", LAST),
    exact("hundred-kilobytes", ALL * 400), exact("megabyte", MEGABYTE, is_dribbled=False),
    exact("65535", b"x" * 65535), exact("65536", b"x" * 65536), exact("65537", b"x" * 65537),
    Case("echo-megabyte-chunked", "9112 7.1",
         post(b"Transfer-Encoding: chunked",
              body=b"".join(chunk(MEGABYTE[at:at + 9999]) for at in range(0, len(MEGABYTE), 9999)) +
              LAST),
         "200 tail", needs="echo", checks=(body_is(MEGABYTE),), is_dribbled=False),
    Case("echo-megabyte-in-one-chunk", "9112 7.1",
         post(b"Transfer-Encoding: chunked", body=chunk(MEGABYTE) + LAST), "200 tail", needs="echo",
         checks=(body_is(MEGABYTE),), is_dribbled=False),
    Case("echo-body-apart-from-head", "9112 6", [Send(echo(b"hello")[:-5]), Pause(),
                                                 Send(b"hello")], "200 tail",
         needs="echo", checks=(body_is(b"hello"),)),
    Case("echo-body-dribbled", "9112 6", [Send(echo(b"hello")[:-5]), Dribble(b"hello")], "200 tail",
         needs="echo",
         checks=(body_is(b"hello"),)),
    typed("text", b"text/plain"), typed("charset", b"text/plain; charset=utf-8"),
    typed("octets", b"application/octet-stream"), typed("own", b"application/vnd.cow+json; v=1"),
    exact("form-is-not-touched", b"a=b&c=d", b"Content-Type: application/x-www-form-urlencoded"),
]

JSON = [
    json("object", b'{"a":1}', {"a": 1}), json("white-space", b' \r\n\t{ "a" : [ 1 , 2 ] } \n',
                                               {"a": [1, 2]}),
    json("strings", b'{"a":"\\u00fc\\n\\"\xc3\xbc"}', {"a": "\u00fc\n\"\u00fc"}),
    json("surrogate-pair", b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
    json("nested", b"[" * 100 + b"]" * 100, None, "200 tail"),
    json("numbers", b'[0,-1,1.5,1e3,123456789012]', [0, -1, 1.5, 1000.0, 123456789012]),
    json("constants", b"[true,false,null]", [True, False, None]),
    json("chunked-type-with-charset", b'{"a":1}', {"a": 1},
         kind=b"application/json; charset=utf-8"),
    json("empty", b"", expect="400/411/422 tail"), json("space", b" ", expect=BAD_JSON),
    json("truncated", b'{"a":', expect=BAD_JSON), json("two-values", b"{} {}", expect=BAD_JSON),
    json("trailing-comma", b'{"a":1,}', expect=BAD_JSON),
    json("single-quotes", b"{'a':1}", expect=BAD_JSON),
    json("comment", b'{"a":1 /* b */}', expect=BAD_JSON), json("nan", b"[NaN]", expect=BAD_JSON),
    json("leading-zero", b"[01]", expect=BAD_JSON), json("plus", b"[+1]", expect=BAD_JSON),
    json("integer-overflow", b"[123456789012345678901234567890]", expect=BAD_JSON),
    json("real-overflow", b"[1e999]", expect=BAD_JSON),
    json("bad-utf-8", b'["\xff"]', expect=BAD_JSON),
    json("lone-surrogate", b'["\\ud800"]', expect=BAD_JSON),
    json("control-in-string", b'["a\nb"]', expect=BAD_JSON),
    json("nul", b'{"a":1}\0', expect=BAD_JSON), json("not-json-at-all", ALL, expect=BAD_JSON),
    json("depth-10000", b"[" * 10000 + b"]" * 10000, expect=BAD_JSON),
    json("depth-10000-of-objects", b'{"a":' * 10000 + b"1" + b"}" * 10000, expect=BAD_JSON),
    json("other-type", b'{"a":1}', expect="400/415/422 tail | 200 tail", kind=b"text/plain"),
]

STREAM = [
    stream("none", b"n=0&ms=1", 0), stream("one", b"n=1&ms=1", 1), stream("ten", b"n=10&ms=1", 10),
    stream("at-once", b"n=50&ms=0", 50),
    Case("stream-head", "9110 9.3.2", request(b"HEAD /probe/stream?n=3&ms=1 HTTP/1.1"), "200 tail",
         needs="stream", methods=("HEAD",)),
    Case("stream-close", "9112 9.6", get(b"Connection: close", target=b"/probe/stream?n=3&ms=1"),
         "200 close",
         needs="stream", checks=(sends_events(3),)),
    Case("stream-bad-count", "9110 15.5.1", get(target=b"/probe/stream?n=x&ms=1"), "400/422 tail",
         needs="stream"),
]

CASES = ECHO + JSON + STREAM
