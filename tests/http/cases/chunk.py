"""RFC 9112 7.1: the chunked coding, byte by byte."""
from case import Case, Dribble, HalfClose, LAST, Send, chunk, chunked, post
from checks import body_is

BAD = "400 close"
HELLO = body_is(b"hello")
BIG = bytes(range(256)) * 400


def body(name, wire, expect=BAD, rfc="9112 7.1", content=b"hello", **more):
    return Case(name, rfc, chunked(wire), expect, needs="echo", checks=(body_is(content),), **more)


def size(name, text, expect=BAD, **more):
    return body("size-" + name, text + b"\r\nhello\r\n" + LAST, expect, **more)


def extension(name, text, expect="200 tail", **more):
    return body("extension-" + name, b"5" + text + b"\r\nhello\r\n" + LAST, expect,
                rfc="9112 7.1.1", **more)


VALID = [
    body("empty", LAST, "200 tail", content=b""),
    body("two", chunk(b"he") + chunk(b"llo") + LAST, "200 tail"),
    body("one-byte-each", b"".join(chunk(bytes([byte])) for byte in b"hello") + LAST, "200 tail"),
    body("ten-thousand-chunks", chunk(b"x") * 10000 + LAST, "200 tail", content=b"x" * 10000,
         is_dribbled=False),
    body("hundred-chunks", chunk(b"x") * 100 + LAST, "200 tail", content=b"x" * 100),
    body("all-bytes", chunk(bytes(range(256))) + LAST, "200 tail", content=bytes(range(256))),
    body("data-looks-like-the-last-chunk", chunk(LAST) + LAST, "200 tail", content=LAST),
    body("data-of-crlf", chunk(b"\r\n") + LAST, "200 tail", content=b"\r\n"),
    body("hundred-kilobytes", chunk(BIG) + LAST, "200 tail", content=BIG),
    body("last-chunk-of-many-zeros", b"5\r\nhello\r\n0000\r\n\r\n", "200 tail"),
    Case("dribbled", "9112 7.1", [Dribble(chunked(chunk(b"hel") + chunk(b"lo") + LAST))],
         "200 tail",
         needs="echo", checks=(HELLO,)),
    body("size-lower-case", b"a\r\n0123456789\r\n" + LAST, "200 tail", content=b"0123456789"),
    body("size-upper-case", b"A\r\n0123456789\r\n" + LAST, "200 tail", content=b"0123456789"),
    body("size-of-two-digits", b"1F\r\n" + b"x" * 31 + b"\r\n" + LAST, "200 tail",
         content=b"x" * 31),
    size("leading-zeros", b"0005", "200 tail"),
    size("20-leading-zeros", b"0" * 20 + b"5", "200 tail | 400 close"),
]

SIZES = [
    size("empty", b""), size("space-before", b" 5"), size("tab-before", b"\t5"),
    # old senders padded the size with spaces
    size("space-after", b"5 ", "400 close | 200 tail"),
    size("tab-after", b"5\t", "400 close | 200 tail"),
    size("negative", b"-5"), size("plus", b"+5"), size("hex-prefix", b"0x5"),
    size("hex-prefix-capital", b"0X5"),
    size("h-suffix", b"5h"), size("g", b"g"), size("letters", b"five"), size("underscore", b"0_5"),
    size("dot", b"5.0"), size("comma", b"5,5"), size("two-words", b"5 5"), size("quoted", b'"5"'),
    size("arabic-digit", "\u0665".encode()), size("full-width-digit", "\uff15".encode()),
    size("nul-after", b"5\0"), size("nul-before", b"\x005"), size("vt-after", b"5\x0b"),
    size("ff-after", b"5\x0c"),
    size("del-after", b"5\x7f"), size("high-after", b"5\xff"), size("colon", b"5:"),
    size("equals", b"5=a"),
    size("2-to-64-plus-5", b"10000000000000005", "400/413 close"),
    size("2-to-64-minus-1", b"FFFFFFFFFFFFFFFF", "400/413 close"),
    size("2-to-63-minus-1", b"7FFFFFFFFFFFFFFF", "400/413 close"),
    size("2-to-63", b"8000000000000000", "400/413 close"),
    size("2-to-63-plus-5", b"8000000000000005", "400/413 close"),
    size("2-to-32-plus-5", b"100000005", "400/413 close"),
    size("100-digits", b"F" * 100, "400/413 close"),
    size("2-to-68-plus-0", b"100000000000000000", "400/413 close"),
    size("10000-zeros", b"0" * 10000 + b"5", "400/413/431 close | 200 tail"),
]

ENDS = [
    body("no-crlf-after-data", b"5\r\nhello" + LAST),
    body("two-bytes-after-data", b"5\r\nhelloXX" + LAST),
    body("two-bytes-for-the-crlf", b"5\r\nhelloXX0\r\n\r\n"),
    body("data-longer-than-size", b"5\r\nhello!\r\n" + LAST),
    body("data-shorter-than-size", b"6\r\nhello\r\n" + LAST),
    body("lf-after-data", b"5\r\nhello\n" + LAST),
    body("cr-after-data", b"5\r\nhello\r" + LAST),
    body("cr-and-letter-after-data", b"5\r\nhello\rX" + LAST),
    body("lf-cr-after-data", b"5\r\nhello\n\r" + LAST),
    body("letter-and-lf-after-data", b"5\r\nhelloX\n" + LAST),
    body("crlf-twice-after-data", b"5\r\nhello\r\n\r\n" + LAST),
    body("space-after-data", b"5\r\nhello \r\n" + LAST),
    body("lf-after-size", b"5\nhello\r\n" + LAST),
    body("cr-after-size", b"5\rhello\r\n" + LAST),
    body("cr-cr-lf-after-size", b"5\r\r\nhello\r\n" + LAST),
    body("cr-and-letter-after-size", b"5\rXhello\r\n" + LAST),
    body("lf-after-last-size", b"5\r\nhello\r\n0\n\r\n"),
    body("lf-everywhere", b"5\nhello\n0\n\n"),
    body("letter-after-last-size", b"5\r\nhello\r\n0\r\nX"),
    body("cr-and-letter-after-last-size", b"5\r\nhello\r\n0\r\n\rX"),
    body("cr-cr-lf-at-the-end", b"5\r\nhello\r\n0\r\n\r\r\n"),
    body("last-chunk-without-empty-line", b"5\r\nhello\r\n0\r\n"),
    body("no-last-chunk", b"5\r\nhello\r\n"),
    # the empty line after the trailers ends a section of field lines, where 9112 2.2 allows LF
    body("lf-for-the-last-empty-line", b"5\r\nhello\r\n0\r\n\n", "400 close | 200 tail"),
    body("content-not-chunked", b"hello, this is not chunked\r\n"),
    Case("cut-in-size", "9112 8", [Send(chunked(b"5")), HalfClose()], "400/408 close | close",
         has_tail=False,
         needs="echo"),
    Case("cut-in-data", "9112 8", [Send(chunked(b"5\r\nhel")), HalfClose()],
         "400/408 close | close",
         has_tail=False, needs="echo"),
    Case("cut-before-last-chunk", "9112 8", [Send(chunked(chunk(b"hello"))), HalfClose()],
         "400/408 close | close", has_tail=False, needs="echo"),
    Case("cut-before-last-crlf", "9112 8", [Send(chunked(chunk(b"hello") + b"0\r\n")), HalfClose()],
         "400/408 close | close", has_tail=False, needs="echo"),
]

LENIENT = "200 tail | 400 close"
EXTENSIONS = [
    extension("name", b";a"), extension("name-and-token", b";a=b"),
    extension("quoted", b';a="b c"'),
    extension("quoted-semicolon", b';a="b;c"'), extension("quoted-pair", b';a="b\\"c"'),
    extension("quoted-backslash", b';a="b\\\\"'), extension("quoted-empty", b';a=""'),
    extension("quoted-tab", b';a="b\tc"'), extension("quoted-high", b';a="\xe2\x98\x83"', LENIENT),
    extension("several", b';a=b;c;d="e"'), extension("same-twice", b";a=b;a=c"),
    extension("hundred-bytes", b";a=" + b"b" * 100),
    body("extension-on-last-chunk", b"5\r\nhello\r\n0;a=b\r\n\r\n", "200 tail", rfc="9112 7.1.1"),
    # bad white space is in the grammar for recipients, but sent by nobody
    extension("bws-before-semicolon", b" ;a=b", LENIENT),
    extension("bws-after-semicolon", b"; a=b", LENIENT),
    extension("bws-around-equals", b";a = b", LENIENT),
    extension("bws-at-the-end", b";a=b ", LENIENT),
    extension("empty", b";", LENIENT), extension("without-name", b";=b", LENIENT),
    extension("without-value", b";a=", LENIENT), extension("two-semicolons", b";;a", LENIENT),
    extension("open-quote", b';a="b', LENIENT), extension("text-after-quote", b';a="b"c', LENIENT),
    extension("control", b";a=\x01", LENIENT), extension("del", b";a=\x7f", LENIENT),
    extension("nul", b";a=\0", BAD), extension("nul-in-quotes", b';a="\0"', BAD),
    extension("cr", b";a=b\rc", BAD), extension("cr-in-quotes", b';a="b\rc"', BAD),
    extension("ends-in-cr", b";a=b\r", BAD),
    extension("cr-in-name", b";a\rb", BAD), extension("cr-after-semicolon", b";\ra", BAD),
    body("extension-ends-in-lf", b"5;a=b\nhello\r\n" + LAST, rfc="9112 7.1.1"),
    body("extension-lf-in-quotes", b'5;a="b\nhello\r\n' + LAST, rfc="9112 7.1.1"),
    body("extension-lf-on-last-chunk", b"5\r\nhello\r\n0;a=b\n\r\n", rfc="9112 7.1.1"),
    extension("of-100-kilobytes", b";a=" + b"b" * 100000, "400/413/431 close"),
    Case("extension-of-100-bytes-20000-times", "9112 7.1.1",
         chunked((b"1;a=" + b"b" * 100 + b"\r\nx\r\n") * 20000 + LAST), "400/413/431 close",
         needs="echo",
         is_dribbled=False),
    Case("extension-without-end", "9112 7.1.1",
         [Send(post(b"Transfer-Encoding: chunked") + b"5;" + b"a" * 1000000)], "400/413/431 close",
         needs="echo", has_tail=False, is_dribbled=False),
]

CASES = VALID + SIZES + ENDS + EXTENSIONS
