"""RFC 9112 3.2 and RFC 9110 7.2: exactly one Host, and a valid one."""
from case import Case, get, request

VALID = {
    "port": b"localhost:8080", "ipv4": b"127.0.0.1", "ipv4-and-port": b"127.0.0.1:80",
    "ipv6": b"[::1]",
    "ipv6-and-port": b"[::1]:80", "ipv6-long": b"[2001:db8:0:0:0:ff00:42:8329]",
    "upper-case": b"LOCALHOST",
    "unreserved": b"a-b.c_d~e", "trailing-dot": b"localhost.", "empty-port": b"localhost:",
    "percent": b"a%20b", "long": b"a" * 63 + b".example",
}

INVALID = {
    "space": b"a b", "tab": b"a\tb", "slash": b"a/b", "trailing-slash": b"localhost/",
    "userinfo": b"user@localhost",
    "backslash": b"a\\b", "question-mark": b"a?b", "fragment": b"a#b", "url": b"http://localhost",
    "two-ports": b"localhost:80:80", "port-of-letters": b"localhost:http",
    "negative-port": b"localhost:-1",
    "open-bracket": b"[::1", "closing-bracket": b"::1]", "junk-after-bracket": b"[::1]x",
    "empty-brackets": b"[]", "bad-ipv6": b"[::g]", "bare-ipv6": b"::1", "bracket-inside": b"a[b]",
    "bad-percent": b"a%zz", "angle": b"<script>", "quote": b"\"localhost\"", "curly": b"{a}",
    "bar": b"a|b",
    "caret": b"a^b", "high-byte": b"h\xf6st", "space-before-port": b"localhost :80",
    "list-with-space": b"localhost, other",
}

CASES = [
    Case("absent", "9112 3.2", request(b"GET /probe/ok HTTP/1.1", host=None), "400 end"),
    Case("absent-among-others", "9112 3.2", request(b"GET /probe/ok HTTP/1.1", b"X-Host: localhost",
                                                    host=None),
         "400 end"),
    Case("absent-in-1-0", "9112 3.2", request(b"GET /probe/ok HTTP/1.0", host=None), "200 close",
         is_http10=True),
    Case("twice-the-same", "9112 3.2", get(b"Host: localhost"), "400 end"),
    Case("twice-different", "9112 3.2", get(b"Host: other.example"), "400 end"),
    Case("twice-in-other-case", "9112 3.2", get(b"HOST: localhost"), "400 end"),
    Case("twice-apart", "9112 3.2", get(b"X-A: b", b"host: localhost"), "400 end"),
    Case("twice-one-empty", "9112 3.2", get(b"Host:"), "400 end"),
    Case("name-in-capitals", "9110 5.1", get(b"HOST: localhost", host=None), "200 tail"),
    Case("name-in-small-letters", "9110 5.1", get(b"host: localhost", host=None), "200 tail"),
    Case("no-space-before-value", "9112 5", get(b"Host:localhost", host=None), "200 tail"),
    Case("white-space-around-value", "9112 5", get(b"Host: \t localhost \t ", host=None),
         "200 tail"),
    Case("last-of-the-fields", "9110 5.3", get(b"X-A: b", b"X-C: d", b"Host: localhost", host=None),
         "200 tail"),
    Case("empty", "9112 3.2", get(host=b""), "200 tail | 400 end"),
    Case("port-alone", "9112 3.2", get(host=b":80"), "200 tail | 400 end"),
    Case("port-above-65535", "9112 3.2", get(host=b"localhost:65536"), "200 tail | 400 end"),
    Case("space-before-colon", "9112 5.1", get(b"Host : localhost", host=None), "400 close"),
    Case("folded", "9112 5.2", get(b"Host:\r\n localhost", host=None), "400 end | 200 tail"),
    Case("folded-second-value", "9112 5.2", get(b"Host: localhost\r\n other", host=None),
         "400 end"),
    Case("invalid-in-1-0", "9112 3.2", get(version=b"HTTP/1.0", host=b"a b"), "400 close",
         is_http10=True),
    Case("twice-in-1-0", "9112 3.2", get(b"Host: other", version=b"HTTP/1.0"), "400 close",
         is_http10=True),
    Case("nul", "9112 3.2", get(host=b"local\0host"), "400 close"),
    Case("del", "9112 3.2", get(host=b"local\x7fhost"), "400 end"),
    Case("cr", "9112 3.2", get(host=b"local\rhost"), "400 close"),
] + [
    Case("valid-" + name, "9112 3.2", get(host=value), "200 tail") for name, value in VALID.items()
] + [
    Case("invalid-" + name, "9112 3.2", get(host=value), "400 end") for name,
    value in INVALID.items()
]
