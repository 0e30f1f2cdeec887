"""WebSockets over sockets: the handshake, the frames, their ends."""
import pytest

from harness import websocket as ws


def open_echo(s, headers=None):
    return ws.WebSocket(("127.0.0.1", s.port), "/probe/ws", headers)


def test_a_message_comes_back(server):
    s = server(plugins=["probe"], wants_database=True)
    with open_echo(s, {"Sec-WebSocket-Key": ws.KEY}) as c:
        r = c.response_head
        assert (r.status, r.header("Sec-WebSocket-Accept")) == (101, ws.ACCEPT), r
        assert r.header("Upgrade") == "websocket" and r.header("Connection") == "Upgrade"
        c.text("hello")
        assert c.message() == "hello"
        c.send(ws.close(1000, "bye"))
        assert c.closed() == 1000 and c.is_over()
