"""RFC 9110: methods, HEAD, OPTIONS, Allow, errors as RFC 9457 tells them."""
from case import Case, Send, Then, Wait, chunked, echo, get, post, request, token
from checks import bodies_are, body_is_empty, has, has_not, lists, problem, same_head_but

PER_REQUEST = ("date", "x-request-id", "traceparent")


def method(name, line, expect, *checks, rfc="9110 9.1", fields=(), body=b"", methods=()):
    return Case(name, rfc, request(line, *fields, body=body), expect, checks=checks,
                methods=methods)


def head(name, path, expect, rfc="9110 9.3.2"):
    """A GET and a HEAD of the same: equal but for the body."""
    return Case("head-equals-get-" + name, rfc, get(target=path) +
                request(b"HEAD " + path + b" HTTP/1.1"),
                "%s %s tail" % (expect, expect), methods=("GET", "HEAD"),
                checks=(same_head_but(*PER_REQUEST), body_is_empty(1)))


def is_revalidated(responses):
    """A client that shows the entity tag it has is told so, without the content."""
    first, second = responses[0], responses[1]
    if first.values("etag") and second.status != 304:
        return "the entity tag %r was shown, and the answer is %d" % (first.value("etag"),
                                                                      second.status)
    return None


def with_tag(finals):
    tag = finals[0].value("etag", b'"none"') if finals else b'"none"'
    return get(b"If-None-Match: " + tag, target=b"/")


def behind_a_backslash(finals):
    """The tag that it has, behind one that ends with a backslash."""
    tag = finals[0].value("etag", b'"none"') if finals else b'"none"'
    return get(b'If-None-Match: "a\\", ' + tag, target=b"/static/site.css")


def is_packed(responses):
    """Where the document is served, it goes out packed."""
    if responses[0].status == 200 and responses[0].value("content-encoding") != b"gzip":
        return "gzip was accepted on the second line, and the answer is not packed"
    return None


METHODS = [
    method("delete-is-not-allowed", b"DELETE /probe/ok HTTP/1.1", "405 tail",
           lists("allow", b"GET", b"HEAD"),
           rfc="9110 15.5.6"),
    method("put-is-not-allowed", b"PUT /probe/ok HTTP/1.1", "405 end",
           lists("allow", b"GET", b"HEAD"),
           rfc="9110 15.5.6", fields=(b"Content-Length: 2",), body=b"hi"),
    method("patch-is-not-allowed", b"PATCH /probe/ok HTTP/1.1", "405 end",
           lists("allow", b"GET", b"HEAD"),
           rfc="9110 15.5.6", fields=(b"Content-Length: 2",), body=b"hi"),
    method("post-is-not-allowed", b"POST /probe/ok HTTP/1.1", "405 end",
           lists("allow", b"GET", b"HEAD"),
           rfc="9110 15.5.6", fields=(b"Content-Length: 2",), body=b"hi"),
    method("get-is-not-allowed", b"GET /probe/echo HTTP/1.1", "405 tail", lists("allow", b"POST"),
           rfc="9110 15.5.6"),
    method("head-is-not-allowed", b"HEAD /probe/echo HTTP/1.1", "405 tail", lists("allow", b"POST"),
           body_is_empty(), rfc="9110 15.5.6", methods=("HEAD",)),
    method("delete-of-a-parameter", b"DELETE /probe/token/a HTTP/1.1", "405 tail",
           lists("allow", b"GET", b"HEAD"),
           rfc="9110 15.5.6"),
    method("trace-reflects-nothing", b"TRACE /probe/ok HTTP/1.1", "405/501 end", rfc="9110 9.3.8"),
    method("options-of-get", b"OPTIONS /probe/ok HTTP/1.1", "200/204 tail",
           lists("allow", b"GET", b"HEAD", b"OPTIONS"),
           rfc="9110 9.3.7"),
    method("options-of-post", b"OPTIONS /probe/echo HTTP/1.1", "200/204 tail",
           lists("allow", b"POST", b"OPTIONS"),
           rfc="9110 9.3.7"),
    method("options-of-a-parameter", b"OPTIONS /probe/token/a HTTP/1.1", "200/204 tail",
           lists("allow", b"GET"),
           rfc="9110 9.3.7"),
    method("options-of-unknown-path", b"OPTIONS /no/such/path HTTP/1.1", "404 tail | 200/204 tail",
           rfc="9110 9.3.7"),
    method("head-has-no-body", b"HEAD /probe/ok HTTP/1.1", "200 tail", body_is_empty(),
           has("content-length"),
           rfc="9110 9.3.2", methods=("HEAD",)),
    method("head-of-unknown-path", b"HEAD /no/such/path HTTP/1.1", "404 tail", body_is_empty(),
           rfc="9110 9.3.2",
           methods=("HEAD",)),
    head("ok", b"/probe/ok", "200"),
    head("token", b"/probe/token/abcdef", "200"),
    Case("head-of-1-0", "9110 9.3.2", request(b"HEAD /probe/ok HTTP/1.0"), "200 close",
         methods=("HEAD",),
         checks=(body_is_empty(),), is_http10=True),
    Case("length-of-get-is-exact", "9110 8.6", token(b"x" * 700), "200 tail",
         checks=(has("content-length", b"700"),)),
    Case("empty-answer-is-framed", "9110 8.6", echo(b""), "200 tail", needs="echo",
         checks=(bodies_are([b""]),)),
    Case("head-does-not-wait-for-the-content", "9110 9.3.2",
         request(b"HEAD /probe/stream?n=100000&ms=100 HTTP/1.1"), "200 tail", needs="stream",
         methods=("HEAD",), checks=(body_is_empty(),)),
    Case("tags-on-two-lines-are-one-list", "9110 5.3",
         get(b'If-None-Match: "x"', b"If-None-Match: *", target=b"/static/site.css"),
         "304 tail | 404 tail"),
    Case("tag-that-must-match-on-the-second-line", "9110 5.3",
         get(b'If-Match: "x"', b"If-Match: *", target=b"/static/site.css"), "200/404 tail"),
    Case("backslash-in-a-tag-escapes-nothing", "9110 8.8.3",
         [Send(get(target=b"/static/site.css")), Wait(1), Then(behind_a_backslash)],
         "200 304 tail | 404 404 tail", checks=(is_revalidated,)),
    Case("codings-on-two-lines-are-one-list", "9110 5.3",
         get(b"Accept-Encoding: br", b"Accept-Encoding: gzip", target=b"/openapi.json"),
         "200/404 tail", checks=(is_packed,)),
    Case("conditional-get", "9110 13.1.2", [Send(get(target=b"/")), Wait(1), Then(with_tag)],
         "200 304 tail | 200 200 tail | 404 404 tail", checks=(is_revalidated,)),
    Case("range-of-a-dynamic-answer", "9110 14.2", token(b"abcdef", b"Range: bytes=0-1"),
         "200/206 tail"),
    Case("bad-range-is-ignored", "9110 14.2", token(b"abcdef", b"Range: bytes=5-x"), "200 tail",
         checks=(bodies_are([b"abcdef"]),)),
    Case("unknown-range-unit-is-ignored", "9110 14.2", token(b"abcdef", b"Range: cows=0-1"),
         "200 tail",
         checks=(bodies_are([b"abcdef"]),)),
    Case("accept-nothing-we-have", "9110 12.5.1", get(b"Accept: image/cow"), "200 tail | 406 tail"),
    Case("small-answers-are-not-encoded", "9110 12.5.3",
         token(b"abc", b"Accept-Encoding: identity;q=1, *;q=0"),
         "200 tail", checks=(has_not("content-encoding"), bodies_are([b"abc"]))),
]

# Every error carries a type, a stable code and the request's id, whatever the client sent.
PROBLEMS = {
    "404": (get(target=b"/no/such/path"), "404 tail"),
    "405": (request(b"DELETE /probe/ok HTTP/1.1"), "405 tail"),
    "400-grammar": (get(b"Bad Name: x"), "400 close"),
    "400-host": (get(host=b"a b"), "400 end"),
    "400-no-host": (get(host=None), "400 end"),
    "400-length": (post(b"Content-Length: x"), "400 close"),
    "400-chunk": (chunked(b"x\r\n"), "400 close"),
    "400-first-line": (b"hello\r\n\r\n", "400 close"),
    "413": (post(b"Content-Length: 1000000000000"), "413 close"),
    "414": (get(target=b"/" + b"a" * 200000), "414 close"),
    "417": (get(b"Expect: cow"), "417 end"),
    "431": (get(b"X-A: " + b"a" * 300000), "431 close"),
    "501-method": (request(b"FOO /probe/ok HTTP/1.1"), "501/405 end"),
    "501-coding": (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), "400/501 end"),
    "505": (get(version=b"HTTP/2.0"), "505 close"),
    "json": (post(b"Content-Length: 1", b"Content-Type: application/json", body=b"{",
                  target=b"/probe/json"),
             "400/422 tail"),
}

CASES = METHODS + [
    Case("problem-" + name, "9457 3", send, expect, needs="problem", checks=(problem(),),
         is_dribbled=len(send) < 9999)
    for name, (send, expect) in PROBLEMS.items()
]
