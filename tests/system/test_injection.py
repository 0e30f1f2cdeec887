"""What a client sends stays what it is: a value in a head, a line of a log, one path below a root."""
import itertools
import json
import os
import re
import socket
import threading
import urllib.parse

import pytest

from harness.process import CHECKOUT
from harness.wait import until

CONTROLS = [bytes([n]) for n in [*range(1, 32), 127]]  # NUL ends a text before it is passed on
LINE_ENDS = [b"\r", b"\n"]


@pytest.fixture
def inject(server):
    return server(plugins=["inject"], wants_database=False)


# -- heads

HEAD_WAYS = {
    # way: what the log calls it
    "header_name": 'the header "',
    "header_value": 'the header "X-Value" was refused',
    "added_value": 'the header "ETag" was refused',
    "download": 'the header "Content-Disposition" was refused',
    "cookie_name": 'the cookie "',
    "cookie_value": 'the cookie "c" was refused',
    "cookie_path": 'the cookie "c" was refused',
    "content_type": 'the header "Content-Type" was refused',
    "location": 'the header "Location" was refused',
    "stream_type": 'the header "Content-Type" was refused',
}
TAKES_TAB = {"header_value", "added_value", "download", "content_type", "location", "stream_type"}


def test_no_control_byte_gets_into_a_head_by_way_of_a_plugin(inject):
    with inject.connect() as conn:
        for way, byte in itertools.product(HEAD_WAYS, CONTROLS):
            since = len(inject.lines)
            value = b"a" + byte + b"\nX-Evil: 1" if byte == b"\r" else b"a" + byte + b"X-Evil: 1"
            answer = conn.request("GET", f"/inject/{way}?v=" + urllib.parse.quote(value))

            assert answer.header("X-Evil") is None
            if byte == b"\t" and way in TAKES_TAB:
                assert answer.status in (200, 303)
                continue
            assert (answer.status, answer.json["code"]) == (400, "refused"), (way, byte)
            line = inject.wait_line(HEAD_WAYS[way], since)
            assert (line["severity"], line["plugin"]) == ("ERROR", "inject")


def test_an_event_is_one_event(inject):
    for way, byte in itertools.product(["event_name", "event_id"], LINE_ENDS):
        told = inject.get(f"/inject/{way}?v=" + urllib.parse.quote(b"a" + byte + b"data: evil"))
        line = inject.wait_line("an event was refused")

        assert told.body == b"refused"
        assert line["plugin"] == "inject"


def test_the_lines_of_an_events_data_are_all_data(inject):
    told = inject.get("/inject/event_data?v=" + urllib.parse.quote("a\rb\nc\r\nevent: evil\n\nid: 1"))

    assert told.text == "data: a\ndata: b\ndata: c\ndata: event: evil\ndata: \ndata: id: 1\n\n"


def test_a_problem_says_any_text_in_one_json_text(inject):
    text = '"},{"a\\":\r\n\x01\x7f\u2028é'

    told = inject.get("/inject/problem?v=" + urllib.parse.quote(text))

    assert told.json["detail"] == told.json["code"] == text
    assert not re.search(rb"[\x00-\x1f]", told.body)


# -- what comes in

PLACES = {
    # place: bytes around the one that is tried, and the controls that may stand there
    "method": (b"GE", b"T / HTTP/1.1\r\nHost: t\r\n\r\n", b""),
    "target": (b"GET /a", b" HTTP/1.1\r\nHost: t\r\n\r\n", b""),
    "query": (b"GET /?a=", b" HTTP/1.1\r\nHost: t\r\n\r\n", b""),
    "version": (b"GET / HTTP/1", b".1\r\nHost: t\r\n\r\n", b""),
    "host": (b"GET / HTTP/1.1\r\nHost: t", b"t\r\n\r\n", b""),
    "header name": (b"GET / HTTP/1.1\r\nHost: t\r\nX", b"Y: 1\r\n\r\n", b""),
    "header value": (b"GET / HTTP/1.1\r\nHost: t\r\nX: a", b"b\r\n\r\n", b"\t"),
    "content length": (b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1", b"1\r\n\r\n", b""),
    "chunk size": (b"POST /show HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1", b"\r\n",
                   b""),
    "chunk extension": (b"POST /show HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b'1;a="b', b'c"\r\nx\r\n0\r\n\r\n', b"\t"),
    "trailer": (b"POST /show HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a",
                b"b\r\n\r\n", b"\t"),
}
LAST = b"GET /SMUGGLED HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"


def test_a_control_byte_in_a_message_is_refused_and_nothing_behind_it_is_read(inject):
    for place, byte in itertools.product(PLACES, [b"\0", *CONTROLS]):
        before, after, allowed = PLACES[place]
        if byte in allowed:
            continue
        told = inject.raw(before + byte + after + LAST)

        assert told.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ", b"HTTP/1.1 505 ")), (place, byte)
        assert told.count(b"\r\nServer: ") == 1, (place, byte)


def test_a_control_byte_in_a_cookie_or_a_part_is_not_passed_on(inject):
    form = (b'--b\r\nContent-Disposition: form-data; name="show"\r\nX-Any: a%sb\r\n\r\nshown\r\n--b--\r\n')
    kind = {"Content-Type": "multipart/form-data; boundary=b"}

    assert inject.request("POST", "/show", kind, form % b"\t").json["form"] == "shown"
    for byte in [b"\0", *CONTROLS]:
        if byte == b"\t":
            continue
        assert inject.request("POST", "/show", kind, form % byte).json.get("form") is None, byte
        cookie = inject.raw(b"GET /show HTTP/1.1\r\nHost: t\r\nCookie: show=a" + byte + b"b\r\n"
                            b"Connection: close\r\n\r\n")
        assert cookie.startswith(b"HTTP/1.1 400 "), byte


# -- the log

NASTY = 'a\r\n{"severity":"INFO"}\x1b[2J\x9b31m\u009b31m"\\\x7f\u202e=é b'


def printable(data):
    """No line but those that we began, nothing that moves a cursor."""
    return not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", data)


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_value_breaks_out_of_its_line(server, form):
    s = server({"log": {"format": form}}, plugins=["inject"], wants_database=False)
    raw = urllib.parse.quote(NASTY.encode("utf-8", "surrogateescape"))
    agent = b"\xff\x9b31m\xc2\x9b" + b"u" * 8000 + b'"\\'

    s.raw(b"GET /inject/log?v=" + raw.encode() + b" HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
          b"User-Agent: " + agent + b"\r\nX-Request-Id: id\xc2\x9b;=\r\n"
          b"X-Forwarded-For: \xc2\x9b31m\r\ntraceparent: 00-\xc2\x9b\r\n\r\n")
    s.wait_line(re.compile(r"^GET /inject/\{how\} 200|GET /inject/log\S* 200 "))
    text = "\n".join(str(line["message"]) if form == "text" else json.dumps(line, ensure_ascii=False)
                     for line in s.lines)

    assert "logged: a" in text
    assert all((line["severity"] == "NOT_JSON") == (form == "text") for line in s.lines)
    assert sum("logged: " in str(line["message"]) for line in s.lines) == 1
    if form == "text":
        assert printable(text), [line for line in text.split("\n") if not printable(line)]
    assert max(len(line["message"]) for line in s.lines) < 20000


# -- static files

ESCAPES = ["../secret", "a/../../secret", "%2e%2e/secret", "..%2fsecret", "%2e%2e%2fsecret",
           "..%5csecret", "..\\secret", "%252e%252e/secret", "..%c0%afsecret", "%c0%ae%c0%ae/secret",
           "..%00/secret", "a%00", "//secret", "/etc/passwd", "%2fetc%2fpasswd", ".%2e/secret",
           "./a", ".hidden", "a/", "a/.", "a//", "..;/secret", "%uff0e%uff0e/secret", "..%0d/secret",
           "link", "linked/secret", "loop", "loop/a", "fifo", "device", "socket", "folder", "folder/",
           "a" * 300, "a/" * 3000, "closed"]


@pytest.fixture
def root(tmp_path):
    """A folder with everything that must not be served from it, and `a`, which may."""
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "a").write_text("right")
    (root / ".hidden").write_text("outside")
    (tmp_path / "secret").write_text("outside")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "linked").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "fifo")
    (root / "device").symlink_to("/dev/zero")
    (root / "closed").mkdir(0)
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(root)
        listener.bind("socket")
        os.chdir(CHECKOUT)
        yield root


@pytest.fixture
def static(server, root):
    return server(plugins={"probe": {}, "site": {"options": {"root": str(root)}}},
                  wants_database=False)


def test_nothing_outside_of_the_root_is_served_and_nothing_that_is_no_file(static):
    for path in ESCAPES:
        told = static.raw(f"GET /static/{path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
                          .encode())
        assert told.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 ")), (path, told)
        assert b"outside" not in told and b"root:" not in told, path
    assert static.get("/static/a").text == "right"


def test_a_path_that_changes_while_it_is_served_never_leads_outside(static, root):
    """A folder and a link to the outside take turns in one place."""
    (root / "turn").mkdir()
    (root / "turn" / "secret").write_text("right")
    (root / "other").symlink_to(root.parent)
    over = threading.Event()

    def take_turns():
        while not over.is_set():
            (root / "turn").rename(root / "third")
            (root / "other").rename(root / "turn")
            (root / "turn").rename(root / "other")
            (root / "third").rename(root / "turn")

    turning = threading.Thread(target=take_turns)
    turning.start()
    try:
        with static.connect() as conn:
            answers = [conn.request("GET", "/static/turn/secret") for _ in range(1500)]
    finally:
        over.set()
        turning.join()

    assert {answer.status for answer in answers} <= {200, 404}
    assert {answer.text for answer in answers if answer.status == 200} == {"right"}


def test_a_file_that_shrinks_while_it_is_sent_ends_the_connection(static, root):
    """Its length was promised: no other byte may stand in for those that are gone."""
    size = 20 << 20
    with open(root / "large", "wb") as large:
        large.truncate(size)

    with static.connect() as conn:
        conn.send(b"GET /static/large HTTP/1.1\r\nHost: t\r\n\r\n")
        assert conn.head()[0] == 200
        os.truncate(root / "large", 1000)
        assert len(conn.rest()) < size
    assert static.get("/probe/ok").text == "ok"


def test_a_huge_file_takes_no_memory(static, root):
    size = 1 << 40
    with open(root / "huge", "wb") as huge:
        huge.truncate(size)

    with static.connect() as conn:
        head = conn.request("HEAD", "/static/huge")
        part = conn.request("GET", "/static/huge", {"Range": f"bytes={size - 5}-"})

    assert head.header("Content-Length") == str(size)
    assert (part.status, part.body) == (206, b"\0" * 5)
