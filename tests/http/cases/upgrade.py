"""RFC 9110 7.8 and 9.3.6: an Upgrade that nobody takes is ignored, nothing behind it is lost."""
from case import Case, CANARY_REQUEST, LAST, chunk, echo, get, post, request, token
from checks import body_is

WEBSOCKET = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13",
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
H2C = (b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings",
       b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
REFUSED = "400/403/404/405/501 end"


def ignored(name, *fields, expect="200 tail", **more):
    return Case(name, "9110 7.8", get(*fields), expect, **more)


def connect(name, authority, *fields, expect=REFUSED, rest=b"", **more):
    return Case(name, "9110 9.3.6", request(b"CONNECT " + authority + b" HTTP/1.1", *fields) + rest,
                expect,
                methods=("CONNECT",), **more)


CASES = [
    ignored("unknown-protocol", b"Upgrade: cow/2", b"Connection: Upgrade"),
    ignored("h2c", *H2C),
    ignored("h2c-without-settings", b"Upgrade: h2c", b"Connection: Upgrade"),
    ignored("h2c-connection-names-only-upgrade", b"Upgrade: h2c", b"Connection: Upgrade", H2C[2]),
    ignored("tls", b"Upgrade: TLS/1.0", b"Connection: Upgrade"),
    ignored("websocket-where-there-is-none", *WEBSOCKET),
    ignored("without-connection-upgrade", b"Upgrade: cow"),
    ignored("connection-upgrade-without-upgrade", b"Connection: Upgrade"),
    ignored("connection-upgrade-and-keep-alive", b"Upgrade: cow",
            b"Connection: keep-alive, Upgrade"),
    ignored("list-of-protocols", b"Upgrade: cow, h2c, websocket", b"Connection: upgrade"),
    ignored("empty", b"Upgrade:", b"Connection: Upgrade"),
    ignored("to-http-1-1", b"Upgrade: HTTP/1.1", b"Connection: Upgrade"),
    ignored("with-close", b"Upgrade: cow", b"Connection: Upgrade, close", expect="200 close"),
    Case("unknown-path", "9110 7.8", get(*WEBSOCKET, target=b"/no/such/path"), "404 tail"),
    Case("wrong-method", "9110 7.8",
         request(b"DELETE /probe/ok HTTP/1.1", b"Upgrade: cow", b"Connection: Upgrade"),
         "405 tail"),
    Case("head", "9110 7.8", request(b"HEAD /probe/ok HTTP/1.1", *H2C), "200 tail",
         methods=("HEAD",)),
    Case("options", "9110 7.8", request(b"OPTIONS /probe/ok HTTP/1.1", *H2C), "200/204 tail"),
    Case("two-behind", "9110 7.8", get(*H2C) + token(b"one") + token(b"two"), "200 200 200 tail",
         checks=(body_is(b"one", 1), body_is(b"two", 2))),
    Case("several-in-a-row", "9110 7.8", get(*H2C) + get(*WEBSOCKET) + get(*H2C),
         "200 200 200 tail"),
    Case("behind-another", "9110 7.8", token(b"one") + get(*H2C), "200 200 tail"),
    Case("post-with-length", "9110 7.8", echo(b"hello", *H2C), "200 tail", needs="echo",
         checks=(body_is(b"hello"),)),
    Case("post-with-length-zero", "9110 7.8", echo(b"", *H2C), "200 tail", needs="echo",
         checks=(body_is(b""),)),
    Case("post-chunked", "9110 7.8",
         post(b"Transfer-Encoding: chunked", *H2C, body=chunk(b"hello") + LAST), "200 tail",
         needs="echo",
         checks=(body_is(b"hello"),)),
    Case("get-with-body", "9110 7.8", get(b"Content-Length: 5", *H2C) + b"hello",
         "200 tail | 400/413 close"),
    Case("get-with-canary-for-body", "9110 7.8",
         get(b"Content-Length: %d" % len(CANARY_REQUEST), *H2C) + CANARY_REQUEST,
         "200 tail | 400/413 close"),
    Case("post-with-canary-for-body", "9110 7.8", echo(CANARY_REQUEST, *WEBSOCKET), "200 tail",
         needs="echo",
         checks=(body_is(CANARY_REQUEST),)),
    Case("post-two-behind", "9110 7.8", echo(b"hello", *H2C) + token(b"one"), "200 200 tail",
         needs="echo",
         checks=(body_is(b"hello"), body_is(b"one", 1))),
    Case("framing-error-beside-it", "9112 6.3", get(b"Content-Length: x", *H2C), "400 close"),
    Case("ignored-in-1-0", "9110 7.8", get(*H2C, version=b"HTTP/1.0"), "200 close", is_http10=True),
    Case("with-expect", "9110 7.8", echo(b"hello", b"Expect: 100-continue", *H2C), "100? 200 tail",
         needs="echo",
         checks=(body_is(b"hello"),)),
    Case("h2c-preface-behind", "9113 3.4",
         get(*H2C) + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
         "200 400/405/501/505 close | 200 405/501/505 400 close"),
    connect("connect", b"example.com:443"),
    connect("connect-without-port", b"example.com"),
    connect("connect-with-path", b"/probe/ok"),
    connect("connect-absolute", b"http://localhost/probe/ok"),
    connect("connect-asterisk", b"*"),
    connect("connect-to-itself", b"127.0.0.1:80"),
    connect("connect-port-0", b"localhost:0"),
    connect("connect-empty-port", b"localhost:"),
    connect("connect-ipv6", b"[::1]:443"),
    connect("connect-two-behind", b"example.com:443", rest=token(b"one"),
            expect="400/403/404/405/501 200 tail | 400/403/404/405/501 close"),
    connect("connect-with-length", b"example.com:443", b"Content-Length: 5", rest=b"hello"),
    connect("connect-with-canary-for-body", b"example.com:443",
            b"Content-Length: %d" % len(CANARY_REQUEST),
            rest=CANARY_REQUEST),
    connect("connect-chunked", b"example.com:443", b"Transfer-Encoding: chunked",
            rest=chunk(CANARY_REQUEST) + LAST),
    connect("connect-and-upgrade", b"example.com:443", *H2C),
]
