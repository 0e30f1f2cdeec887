"""WebSockets over sockets: what comes in pieces, who does not read, who does not answer, and what
a worker's end, a crash, a reload and a quarantine mean to those that are open."""
import os
import re
import signal
import socket

import pytest

from harness import process, wait
from harness import websocket as ws

FAULTS = {"faults": {"mount": {"prefix": "/faults"}}}
CONTAINED = {"ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:use_sigaltstack=0"}


def connect(s, target="/probe/ws", headers=None):
    c = ws.WebSocket(("127.0.0.1", s.port), target, headers)
    assert c.status == 101, c.response_head
    return c


@pytest.fixture
def probe(server):
    return server(plugins=["probe"])


def test_the_handshake_and_a_message(probe):
    with connect(probe, headers={"Sec-WebSocket-Key": ws.KEY, "Sec-WebSocket-Protocol": "x, echo"}) as c:
        r = c.response_head
        c.text("hällo")
        c.send(ws.frame(ws.BINARY, b"\0\xff"))
        echoed = [c.message(), c.message()]
        c.send(ws.close(1000, "bye"))

        assert r.header("Sec-WebSocket-Accept") == ws.ACCEPT
        assert r.header("Sec-WebSocket-Protocol") == "echo"
        assert (r.header("Upgrade"), r.header("Connection")) == ("websocket", "Upgrade")
        assert echoed == ["hällo", b"\0\xff"]
        assert c.closed() == 1000 and c.is_over()
    line = probe.wait_line(lambda l: l.get("httpRequest", {}).get("status") == 101)
    assert "/probe/ws" in line["httpRequest"]["requestUrl"]


def test_bytes_one_by_one_and_frames_behind_the_handshake_in_one(probe):
    head = "GET /probe/ws HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in {"Host": "t", **ws.handshake()}.items()) + "\r\n"
    frames = (ws.frame(ws.TEXT, "one ", fin=False) + ws.frame(ws.PING, "still there?") +
              ws.frame(ws.CONTINUATION, "two") + ws.frame(ws.BINARY, os.urandom(70000)) + ws.close())
    for size in (1, len(head) + len(frames)):
        with ws.wire.Connection(("127.0.0.1", probe.port)) as c:
            c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            data = head.encode() + (frames if size > 1 else frames[:200])
            for at in range(0, len(data), size):
                c.send(data[at:at + size])
            c.send(frames[200:] if size == 1 else b"")
            c.__class__ = ws.WebSocket
            assert c.head()[0] == 101
            assert c.frame() == (ws.PONG, b"still there?")
            assert c.message() == "one two"
            assert len(c.message()) == 70000
            assert c.closed() is None and c.is_over()


WRONG = {
    "unmasked": (ws.frame(ws.TEXT, "x", mask=None), 1002),
    "rsv1, as if it were compressed": (ws.frame(ws.TEXT, "x", rsv=4), 1002),
    "unknown opcode": (ws.frame(3, "x"), 1002),
    "long ping": (ws.frame(ws.PING, "x" * 126), 1002),
    "fragmented close": (ws.frame(ws.CLOSE, b"", fin=False), 1002),
    "nothing to continue": (ws.frame(ws.CONTINUATION, "x"), 1002),
    "a request": (b"GET /probe/ok HTTP/1.1\r\nHost: t\r\n\r\n", 1002),
    "not UTF-8": (ws.frame(ws.TEXT, b"\xc3\x28"), 1007),
    "too big": (ws.frame(ws.BINARY, length=1048577), 1009),
    "huge": (ws.frame(ws.BINARY, length=2 ** 62), 1009),
    "too big in fragments": (ws.frame(ws.BINARY, bytes(1048576), fin=False) +
                             ws.frame(ws.CONTINUATION, b"x"), 1009),
}


def test_what_breaks_the_protocol_is_closed_with_its_code(probe):
    found = {}
    for name, (data, _) in WRONG.items():
        with connect(probe) as c:
            c.send(data + ws.frame(ws.TEXT, "behind it"))
            found[name] = (c.closed(), c.is_over())

    assert found == {name: (code, True) for name, (_, code) in WRONG.items()}


def test_a_half_closed_one_gets_what_it_asked_for(probe):
    with connect(probe) as c:
        c.text("last words")
        c.socket.shutdown(socket.SHUT_WR)
        assert c.message() == "last words"
        assert c.is_over()


def test_a_reader_that_reads_gets_all_however_much_waits(server):
    s = server({"http": {"unread_bytes": 1024}}, plugins=["probe"])
    messages = [f"{i} " + "x" * 500 for i in range(400)]
    with connect(s) as c:
        c.send(b"".join(ws.frame(ws.TEXT, m) for m in messages))
        for m in messages:
            assert c.message() == m


def test_a_reader_that_does_not_read_is_left(server):
    s = server({"http": {"unread_bytes": 4096, "write_ms": 300, "ws_ping_ms": 100}}, plugins=["probe"])
    with connect(s) as c:
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises(OSError):
            while True:  # until the server reads no more, and then leaves
                c.send(ws.frame(ws.BINARY, bytes(60000)))
    assert s.get("/probe/ok").status == 200


def test_who_is_silent_is_asked_and_left(server):
    s = server({"http": {"ws_ping_ms": 200}}, plugins=["probe"])
    with connect(s) as dead:
        assert dead.frame() == (ws.PING, b"")
        assert dead.is_over()


def test_who_answers_stays(server):
    s = server({"http": {"ws_ping_ms": 2000}}, plugins=["probe"])
    with connect(s) as c:
        for _ in range(2):  # the second asks whether the first answer counted
            opcode, payload = c.frame()
            assert opcode == ws.PING
            c.send(ws.frame(ws.PONG, payload))
        c.text("alive")
        assert c.message() == "alive"


def test_a_thousand_idle_ones(server):
    s = server({"http": {"connections": 2000}}, plugins=["probe"])
    many = [connect(s) for _ in range(int(os.environ.get("SX_TEST_WEBSOCKETS", "1000")))]
    for c in many[::50]:
        c.text("you")
        assert c.message() == "you"
    for c in many:
        c.close()
    assert s.get("/probe/ok").status == 200


# --- The bad days

def test_the_kill_of_a_worker_ends_its_own_and_others_open_again(server):
    s = server({"server": {"workers": 1}}, plugins=["probe"], may_die=True)
    (victim,) = s.workers()
    with connect(s) as c:
        os.kill(victim, signal.SIGKILL)
        assert c.is_over()
    wait.until(lambda: s.workers() and victim not in s.workers(), "another worker")
    with connect(s) as c:
        c.text("again")
        assert c.message() == "again"


def test_a_crash_in_a_message_is_contained(server):
    s = server(plugins={"probe": {}, **FAULTS}, env=CONTAINED)
    with connect(s) as other, connect(s, "/faults/ws") as bystander, connect(s, "/faults/ws") as c:
        c.text("fine")
        assert c.message() == "fine"
        with process.stopped(*s.workers()):  # so that its worker finds both
            c.text("segv")
            other.text("here?")
        assert c.closed() == 1011
        assert other.message() == "here?"
        assert other.closed() == 1001  # the process that had the fault goes
        assert bystander.closed() == 1011
    s.wait_line(re.compile('plugin "faults" 1.0.0'))
    with connect(s, "/faults/ws") as c:
        c.text("whole again")
        assert c.message() == "whole again"


def test_a_message_that_keeps_the_loop_is_ended_by_the_watchdog(server):
    s = server({"watchdog": {"kill_ms": 1000}}, plugins={"probe": {}, **FAULTS}, env=CONTAINED,
               may_die=True)
    with connect(s, "/faults/ws") as c:
        c.text("spin")
        assert c.closed() == 1011
    wait.until(lambda: s.get("/probe/ok").status == 200, "an answer")


def test_a_quarantined_plugin_opens_none_and_those_that_are_open_go_on(server):
    s = server({"quarantine": {"crashes": 1, "first_s": 3600}, "server": {"workers": 2}},
               plugins={"probe": {}, **FAULTS}, env=CONTAINED)
    one, another = s.workers()
    with process.stopped(another):
        culprit = connect(s, "/faults/ws")
    with process.stopped(one):
        others = [connect(s, "/faults/ws") for _ in range(3)]
    culprit.text("segv")
    assert culprit.closed() == 1011
    s.wait_line("quarantine")
    wait.until(lambda: ws.WebSocket(("127.0.0.1", s.port), "/faults/ws").status == 503, "a refusal")

    def is_open(c):
        c.text("here?")
        opcode, payload = c.frame()
        return opcode == ws.TEXT

    assert all(is_open(c) for c in others)
    with connect(s) as c:
        c.text("probe")
        assert c.message() == "probe"


def test_a_reload_keeps_those_of_unchanged_plugins_and_ends_the_others(server, build, tmp_path):
    s = server(plugins={"probe": {}, **FAULTS}, env=CONTAINED)
    with connect(s) as kept, connect(s, "/faults/ws") as ended:
        s.rewrite(plugins={"probe": {}, "faults": {"mount": {"prefix": "/moved"}}})
        s.reload()
        assert ended.closed() == 1001
        ended.send(ws.close(1001))
        assert ended.is_over()
        kept.text("still")
        assert kept.message() == "still"
        assert connect(s, "/moved/ws").status == 101
        kept.send(ws.close(1000))
        assert kept.closed() == 1000
    wait.until(lambda: len(s.workers()) == 1, "the end of the old worker")


@pytest.mark.parametrize("answers", [True, False])
def test_the_end_closes_with_1001_and_waits_for_the_answer_a_moment(server, answers):
    s = server(plugins=["probe"])
    with connect(s) as c:
        s.signal(signal.SIGTERM)
        assert c.closed() == 1001
        if answers:
            c.send(ws.close(1001))
        assert c.is_over()
        assert s.wait_end() == 0


def test_the_sandbox_lets_them_through(server):
    s = server({"process": {"sandbox": "on"}}, plugins=["probe"])
    with connect(s) as c:
        c.text("boxed")
        assert c.message() == "boxed"
