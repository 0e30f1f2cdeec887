"""What a case is: the bytes to send and the outcomes that the RFCs allow.

An outcome is the whole stream that the server sent until it closed, written as words: the status
of each answer (`200`, `100`), then how it ended:

    tail     the last answer is that of the follow-up request, with its unique token, and the
             connection was closed as that request asked; the token was seen exactly once
    close    the server closed without answering the follow-up
    hang     it neither answered nor closed until the deadline: never allowed
    cut      it closed in the middle of an answer
    garbage  it sent bytes that are no HTTP answer

An expectation is a pattern over those words: `400/501 close | 200 tail`.  `/` separates
alternatives of one word, `|` whole outcomes, `end` is `close/tail`, `100?` may be missing, `*`
stands for any number of the word before it (`200*`).
"""
import re
from dataclasses import dataclass, field

CRLF = b"\r\n"


@dataclass(frozen=True)
class Send:
    """Bytes, as they are; one write, or many small ones when the case is dribbled."""
    data: bytes


@dataclass(frozen=True)
class Dribble:
    """Bytes in pieces of one, in both deliveries."""
    data: bytes


@dataclass(frozen=True)
class Wait:
    """Until the server has sent so many whole answers (interim ones count) or has closed."""
    count: int


@dataclass(frozen=True)
class Pause:
    """A gap in delivery.  No case depends on what the server does meanwhile."""
    seconds: float = 0.02


@dataclass(frozen=True)
class BodyIfWanted:
    """What a client that sent Expect does: the body, unless a final answer said close."""
    data: bytes


@dataclass(frozen=True)
class Then:
    """Bytes computed from the answers so far."""
    make: object


class HalfClose:
    """The client has finished sending; it still reads."""


@dataclass(frozen=True)
class Case:
    name: str
    rfc: str
    send: object  # bytes, or a list of steps
    expect: str
    methods: tuple = ()  # of the requests in their order, when there is one without GET's body rule
    checks: tuple = ()  # each: check(responses) -> sentence or None
    needs: str = ""  # what a server under test may lack: echo, json, reflect, stream, problem
    has_tail: bool = True
    is_http10: bool = False
    is_dribbled: bool = True  # also run in small pieces
    group: str = field(default="", compare=False)

    @property
    def steps(self):
        return [Send(self.send)] if isinstance(self.send, bytes) else list(self.send)


def request(line, *fields, body=b"", host=b"localhost"):
    """A request from its line and field lines; Host is written unless host is None."""
    lines = [line]
    if host is not None:
        lines.append(b"Host: " + host)
    return CRLF.join([*lines, *fields]) + CRLF + CRLF + body


def get(*fields, target=b"/probe/ok", version=b"HTTP/1.1", host=b"localhost"):
    return request(b"GET " + target + b" " + version, *fields, host=host)


def token(text, *fields):
    return get(*fields, target=b"/probe/token/" + text)


def post(*fields, body=b"", target=b"/probe/echo", version=b"HTTP/1.1", host=b"localhost"):
    """Without any framing field: the case says which."""
    return request(b"POST " + target + b" " + version, *fields, body=body, host=host)


def echo(body, *fields):
    return post(b"Content-Length: %d" % len(body), *fields, body=body)


def chunked(wire, *fields):
    """A POST whose body is given as it goes over the wire."""
    return post(b"Transfer-Encoding: chunked", *fields, body=wire)


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


CANARY = b"SMUGGLED"
CANARY_REQUEST = token(CANARY)
LAST = b"0\r\n\r\n"


def matches(expect, outcome):
    """Whether the outcome's words are among those that the pattern allows."""
    return any(re.fullmatch(to_regex(words.split()), outcome + " ")
               for words in expect.split("|"))


def to_regex(words):
    return "".join(word_to_regex(word) for word in words)


def word_to_regex(word):
    suffix = word[-1] if word[-1] in "?*" else ""
    parts = word.rstrip("?*").replace("end", "close/tail").split("/")
    if not all(re.fullmatch(r"[1-5][0-9]{2}|close|tail", part) for part in parts):
        raise ValueError("not a pattern of outcomes: %r" % word)
    return "(?:(?:%s) )%s" % ("|".join(parts), suffix)
