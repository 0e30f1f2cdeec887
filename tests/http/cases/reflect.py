"""RFC 9110 5.5 and 11.1 of RFC 9112: a value of the client's never ends a header line of ours."""
from case import Case, get
from checks import has, has_not

SPLIT = "200 tail | 400/422 tail"


def reflect(name, value, expect="200 tail", checks=(), method=b"GET", methods=()):
    wire = get(target=b"/probe/reflect?v=" + value).replace(b"GET", method, 1)
    return Case(name, "9112 11.1", wire, expect, needs="reflect", checks=checks, methods=methods)


def split(name, value):
    """Whatever becomes of it, no field X-Evil and no second answer."""
    return reflect("split-" + name, value, SPLIT, (has_not("x-evil"), has_not("set-cookie")))


CASES = [
    reflect("plain", b"abc", checks=(has("x-reflect", b"abc"),)),
    reflect("percent", b"%41%2c%20b", checks=(has("x-reflect", b"A, b"),)),
    reflect("utf-8", b"%e2%98%83", checks=(has("x-reflect", b"\xe2\x98\x83"),)),
    reflect("empty", b"", SPLIT),
    reflect("absent", b"&x=1", SPLIT),
    reflect("long", b"a" * 4000, checks=(has("x-reflect", b"a" * 4000),)),
    reflect("colon", b"a:b", checks=(has("x-reflect", b"a:b"),)),
    reflect("only-the-first-is-decoded-once", b"%2541", checks=(has("x-reflect", b"%41"),)),
    reflect("head", b"%0d%0aX-Evil:1", SPLIT, (has_not("x-evil"),), b"HEAD", ("HEAD",)),
    split("crlf", b"a%0d%0aX-Evil:1"),
    split("crlf-capitals", b"a%0D%0AX-Evil:%201"),
    split("lf", b"a%0aX-Evil:1"),
    split("cr", b"a%0dX-Evil:1"),
    split("lf-cr", b"a%0a%0dX-Evil:1"),
    split("begins", b"%0d%0aX-Evil:1"),
    split("ends", b"a%0d%0a"),
    split("fold", b"a%0d%0a%20X-Evil:1"),
    split("cookie", b"a%0d%0aSet-Cookie:%20a=b"),
    split("length", b"a%0d%0aContent-Length:%200"),
    split("coding", b"a%0d%0aTransfer-Encoding:%20chunked"),
    split("whole-answer",
          b"a%0d%0a%0d%0aHTTP/1.1%20200%20OK%0d%0aContent-Length:%208%0d%0a%0d%0aSMUGGLED"),
    split("end-of-head", b"a%0d%0a%0d%0a%3cscript%3e"),
    split("nul", b"a%00b"),
    split("nul-and-crlf", b"%00%0d%0aX-Evil:1"),
    split("unicode-that-truncates-to-crlf", b"%e5%98%8a%e5%98%8dX-Evil:1"),
    split("line-separator", b"%e2%80%a8X-Evil:1"),
    split("next-line", b"%c2%85X-Evil:1"),
    split("vt", b"a%0bX-Evil:1"),
    split("control", b"a%01b"),
    split("del", b"a%7fb"),
    split("percent-twice", b"a%250d%250aX-Evil:1"),
]
