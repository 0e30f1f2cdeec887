"""A stop as Cloud Run asks for it: TERM, and ten seconds later there is nobody."""
import signal
import threading
import time

from harness import wire
from harness.wait import until

CLOUD_RUN = {"K_SERVICE": "sim-exchange"}
CONFIG = {"server": {"workers": 2}}
STOP_S = 10  # then comes KILL


class Caller(threading.Thread):
    """A request that is being worked on when this is made, and what becomes of it."""

    def __init__(self, server, target):
        super().__init__(daemon=True)
        self.connection = server.connect()
        # The second is read with the first, whose answer tells that both were.
        self.connection.send("GET /probe/ok HTTP/1.1\r\nHost: t\r\n\r\n"
                             f"GET {target} HTTP/1.1\r\nHost: t\r\n\r\n")
        assert self.connection.response().status == 200
        self.answer = None
        self.start()

    def run(self):
        try:
            self.answer = self.connection.response()
        except (OSError, wire.Closed) as fault:
            self.answer = fault


def refuses(server):
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_running_requests_are_answered_and_new_ones_refused(server):
    s = server(CONFIG, ["probe"], CLOUD_RUN)
    callers = [Caller(s, "/probe/sleep?ms=3000") for _ in range(50)]

    s.signal(signal.SIGTERM)
    began = time.monotonic()
    until(lambda: refuses(s), "new connections are refused")
    assert callers[-1].answer is None, "they have not all ended yet"
    assert s.wait_end() == 0
    assert time.monotonic() - began < STOP_S
    for one in callers:
        one.join()
    assert [getattr(one.answer, "status", one.answer) for one in callers] == [200] * 50


def test_a_request_that_takes_too_long_is_cut_off_and_named(server):
    s = server({"server": {"workers": 2, "drain_ms": 2000}}, ["probe"], CLOUD_RUN)
    one = Caller(s, "/probe/sleep?ms=60000")

    s.signal(signal.SIGTERM)
    began = time.monotonic()
    assert s.wait_end() == 0
    assert time.monotonic() - began < STOP_S
    one.join()
    assert one.answer.status == 504 and "timeout" in one.answer.text
    line = s.wait_line("no answer before the server stops")
    assert (line["plugin"], line["route"]) == ("probe", "/probe/sleep")
