"""Each answer belongs to its request; and the load client notices when it does not."""
import socketserver
import threading

import pytest

import load

COUNT = 3000


@pytest.mark.parametrize("mode", sorted(load.MODES))
def test_no_answer_is_crossed_lost_truncated_or_repeated(target, mode):
    totals = load.run(target, mode, count=COUNT)

    assert totals.faults() == 0, totals
    assert totals.answered == totals.requests == COUNT


def answer(body, length=None, more=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (
        len(body) if length is None else length, more, body)


class Liar(socketserver.StreamRequestHandler):
    """Answers /probe/token/{t} with what server.lie makes of it."""

    def handle(self):
        while self.rfile.peek(1):
            path = self.rfile.readline().split()[1]
            fields = iter(self.rfile.readline, b"\r\n")
            is_last = any(field.lower().startswith(b"connection: close") for field in fields)
            said = self.server.lie(path.rsplit(b"/", 1)[1], b"Connection: close\r\n" if is_last
                                   else b"")
            if said is None:
                return
            self.wfile.write(said)
            if is_last:
                return


@pytest.fixture
def liar():
    """liar(lie): the address of a server that lies so."""
    servers = []

    def start(lie):
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Liar)
        server.lie, server.daemon_threads = lie, True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_address

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def other(token, more):
    """The token of the request after this one."""
    name, serial, _ = token.split(b".")
    return answer(b"%s.%d." % (name, int(serial) + 1), more=more)


LIES = {
    "crossed": other,
    "repeated": lambda token, more: answer(token.split(b".")[0] + b".0.", more=more),
    "truncated": lambda token, more: answer(token[:-3], more=more),
    "surplus": lambda token, more: answer(token, more=more) + (b"x" if more else b""),
    "lost": lambda token, more: None,
}


@pytest.mark.parametrize("fault", sorted(LIES))
def test_client_notices_an_answer_that_is(fault, liar):
    totals = load.run(liar(LIES[fault]), "pipelined", count=16, connections=1, routes=("token",))

    assert getattr(totals, fault) > 0, totals
    assert totals.faults() > 0


def test_client_counts_refusals_by_status(liar):
    address = liar(lambda token, more: b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n%s\r\n" % more)

    totals = load.run(address, "keepalive", count=10, connections=2, routes=("token",))

    assert totals.refused == {503: 10}
    assert totals.faults() == 10 and totals.faults(allowed=[503]) == 0


def test_client_finds_no_fault_in_a_truthful_server(liar):
    totals = load.run(liar(lambda token, more: answer(token, more=more)), "keepalive", 50, 0, 3,
                      ("token",))

    assert totals.faults() == 0 and totals.answered == 50, totals
