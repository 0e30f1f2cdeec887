"""RFC 9112 6.2 and 6.3, RFC 9110 8.6: Content-Length is digits, once."""
from case import Case, HalfClose, Send, echo, get, post, request
from checks import body_is

HELLO = body_is(b"hello")


def length(name, value, expect="400 close", rfc="9112 6.3", checks=(HELLO,)):
    return Case(name, rfc, post(b"Content-Length: " + value, body=b"hello"), expect, needs="echo",
                checks=checks)


VALID = [
    length("exact", b"5", "200 tail"),
    length("leading-zeros", b"00005", "200 tail", "9110 8.6"),
    length("many-leading-zeros", b"0" * 30 + b"5", "200 tail | 400 close", "9110 8.6"),
    Case("zero", "9112 6.3", echo(b""), "200 tail", needs="echo", checks=(body_is(b""),)),
    Case("absent-on-post", "9112 6.3", post(), "200 tail | 411 end", needs="echo",
         checks=(body_is(b""),)),
    Case("zero-zeros", "9110 8.6", post(b"Content-Length: 000"), "200 tail", needs="echo"),
    Case("get-with-zero", "9112 6.3", get(b"Content-Length: 0"), "200 tail"),
    Case("get-with-body", "9110 9.3.1", get(b"Content-Length: 5") + b"hello",
         "200 tail | 400/413 close"),
    Case("head-with-body", "9110 9.3.2",
         request(b"HEAD /probe/ok HTTP/1.1", b"Content-Length: 5", body=b"hello"),
         "200 tail | 400/413 close",
         methods=("HEAD",)),
    Case("delete-with-body", "9110 9.3.5",
         request(b"DELETE /probe/ok HTTP/1.1", b"Content-Length: 5", body=b"hello"), "405 end"),
    Case("options-with-body", "9110 9.3.7",
         request(b"OPTIONS /probe/ok HTTP/1.1", b"Content-Length: 5", body=b"hello"),
         "200/204 tail"),
    Case("body-with-crlf-only", "9112 6.3", echo(b"\r\n\r\n"), "200 tail", needs="echo",
         checks=(body_is(b"\r\n\r\n"),)),
]

MALFORMED = {
    "plus": b"+5", "minus": b"-5", "minus-zero": b"-0", "hex": b"0x5", "hex-letters": b"a",
    "letter-after": b"5a", "letter-before": b"a5", "empty": b"", "spaces-inside": b"5 5",
    "tab-inside": b"5\t5",
    "fraction": b"5.0", "exponent": b"5e0", "semicolon": b"5;", "parameter": b"5;a=b",
    "quoted": b'"5"',
    "single-quoted": b"'5'", "underscore": b"0_5", "thousands": b"5,000", "list-different": b"5, 6",
    "list-different-no-space": b"5,6", "list-empty-end": b"5,", "list-empty-begin": b",5",
    "comma": b",",
    "arabic-digit": "\u0665".encode(), "full-width-digit": "\uff15".encode(),
    "superscript": b"\xb2",
    "nbsp": b"\xa05", "vt-before": b"\x0b5", "vt-after": b"5\x0b", "ff-after": b"5\x0c",
    "nul-after": b"5\0",
    "nul-before": b"\x005", "del-after": b"5\x7f", "word": b"five", "nan": b"NaN",
    "infinity": b"inf",
    "slash": b"5/", "bytes": b"5 bytes", "bracket": b"(5)", "colon": b": 5", "equals": b"=5",
    "cr-inside": b"5\r0", "cr-after": b"5\r", "star": b"*", "chunked": b"chunked",
}

TOO_BIG = {
    "2-to-63": b"9223372036854775808", "2-to-64-minus-1": b"18446744073709551615",
    "2-to-64": b"18446744073709551616", "2-to-64-plus-5": b"18446744073709551621",
    "2-to-32-plus-5": b"4294967301", "2-to-63-minus-1": b"9223372036854775807",
    "2-to-31": b"2147483648",
    "100-digits": b"9" * 100, "128-bit-plus-5": b"340282366920938463463374607431768211461",
}

REPEATED = [
    # 9112 6.3: a list of one value may be rejected or read as that value
    length("list-same", b"5, 5", "400 close | 200 tail"),
    length("list-same-no-space", b"5,5", "400 close | 200 tail"),
    length("twice-same", b"5\r\nContent-Length: 5", "400 close | 200 tail"),
    length("twice-same-in-other-case", b"5\r\ncontent-length: 5", "400 close | 200 tail"),
    length("twice-same-with-zeros", b"5\r\nContent-Length: 05", "400 close | 200 tail"),
    length("twice-different", b"5\r\nContent-Length: 6"),
    length("twice-different-smaller-last", b"5\r\nContent-Length: 0"),
    length("twice-different-apart", b"5\r\nX-A: b\r\nContent-Length: 4"),
    length("twice-second-empty", b"5\r\nContent-Length:"),
    length("twice-first-empty", b"\r\nContent-Length: 5"),
    length("twice-second-malformed", b"5\r\nContent-Length: 5x"),
    length("three-times-last-different", b"5\r\nContent-Length: 5\r\nContent-Length: 6"),
    Case("get-twice-different", "9112 6.3", get(b"Content-Length: 0", b"Content-Length: 5"),
         "400 close"),
    Case("get-malformed", "9112 6.3", get(b"Content-Length: x"), "400 close"),
    Case("get-negative", "9112 6.3", get(b"Content-Length: -1"), "400 close"),
    Case("get-empty", "9112 6.3", get(b"Content-Length:"), "400 close"),
]

WRONG = [
    # what is left over is the beginning of the next request: "loGET ..."
    Case("shorter-than-sent", "9112 6.3", post(b"Content-Length: 3", body=b"hello"),
         "200 400/405/501 close", needs="echo", checks=(body_is(b"hel"),)),
    Case("zero-but-sent", "9112 6.3", post(b"Content-Length: 0", body=b"hello"),
         "200 400/405/501 close",
         needs="echo", checks=(body_is(b""),)),
    Case("absent-but-sent", "9112 6.3", post(body=b"\x00\x01"),
         "200 400/501 close | 411 end | 400 close",
         needs="echo", checks=(body_is(b""),)),
    Case("longer-than-sent", "9112 8", [Send(post(b"Content-Length: 9", body=b"hello")),
                                        HalfClose()],
         "400/408 close | close", has_tail=False, needs="echo"),
    Case("nothing-sent", "9112 8", [Send(post(b"Content-Length: 9")), HalfClose()],
         "400/408 close | close", has_tail=False, needs="echo"),
]

CASES = VALID + [
    length("malformed-" + name, value) for name, value in MALFORMED.items()
] + [
    length("too-big-" + name, value, "400/413 close") for name, value in TOO_BIG.items()
] + REPEATED + WRONG
