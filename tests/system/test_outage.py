"""Faults of the database, one after the other, under clients who know what they asked: no answer
is crossed, late or missing, no row is doubled, no acknowledged one is lost, the workers live, the
log stays quiet, and when the fault is over everything is served again."""
import datetime
import signal

import pytest

from harness import database, process
from harness.fault_proxy import (CLIENT, SERVER, Fault, Proxy, answer_error, cut, cut_inside,
                                 freeze, half_close, replace, reset, stall, with_length)
from harness.marked import Traffic
from harness.postgres import Postgres
from harness.wait import until

REQUEST_MS = 3000
SLACK_S = 2  # a machine with much to do
CONFIG = {
    "server": {"workers": 2},
    "http": {"request_ms": REQUEST_MS},
    "database": {"pool_size": 4, "queue": 64, "statement_ms": 500, "connect_ms": 500},
    "log": {"access": "off"},
}


class Stage:
    """A server behind a proxy before a PostgreSQL of its own."""

    def __init__(self, build, home):
        self.postgres = Postgres()
        self.url = database.create(self.postgres.url)
        self.proxy = Proxy(self.url).__enter__()
        self.server = process.Server(build, home / "server", CONFIG, ["marked"], {},
                                     self.proxy.url, False)
        self.server.migrate()
        self.server.start()
        self.pids = sorted(self.server.workers())

    def finish(self):
        faults = self.server.finish()
        self.proxy.__exit__()
        self.postgres.finish()
        return faults

    # -- what is seen from outside

    def rows(self, name):
        """The tokens of this traffic that stand in the table."""
        return [row[0] for row in database.query(
            self.url, "SELECT tok FROM marked.mark WHERE starts_with(tok, %s)", name + ".")]

    def readiness(self):
        return self.server.get("/_sx/ready")

    def why(self):
        """Why it is not ready, or None."""
        answer = self.readiness()
        if answer.status == 200:
            return None
        assert (answer.status, answer.json["code"]) == (503, "database_away"), answer
        assert answer.header("Retry-After")
        return answer.json["detail"]

    def is_ready(self):
        """Both workers say so."""
        return all(self.readiness().status == 200 for _ in range(12))


@pytest.fixture(scope="module")
def stage(build, tmp_path_factory):
    one = Stage(build, tmp_path_factory.mktemp("outage"))
    yield one
    faults = one.finish()
    assert not faults, "\n".join(faults)


def said_about_the_database(lines):
    """When something was said about it that is worse than news."""
    return [datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00"))
            for line in lines if "database" in line["message"]
            and line["severity"] in ("WARNING", "ERROR", "CRITICAL")]


def check(stage, traffic, since):
    """After a fault: what holds whatever happened."""
    until(stage.is_ready, "ready again")
    faults = list(traffic.faults(stage.rows(traffic.name), REQUEST_MS / 1000 + SLACK_S))
    assert not faults, "\n".join(faults[:20])
    assert {a.status for a in traffic.answers} <= {200, 500, 503, 504}, traffic.statuses()
    assert sorted(stage.server.workers()) == stage.pids
    times = said_about_the_database(stage.server.lines[since:])
    gaps = [(b - a).total_seconds() for a, b in zip(times, times[1:])]
    assert all(gap >= 0.95 for gap in gaps), stage.server.lines[since:]


# -- one message, or a few

ONCE = {
    "cut before Parse": lambda: Fault(CLIENT, "P", cut()),
    "cut before Bind": lambda: Fault(CLIENT, "B", cut(), nth=3, times=3),
    "cut before Execute": lambda: Fault(CLIENT, "E", cut(), nth=2, times=3),
    "cut before Sync": lambda: Fault(CLIENT, "S", cut(), times=3),
    "cut before Query": lambda: Fault(CLIENT, "Q", cut(), times=2),
    "cut before ParseComplete": lambda: Fault(SERVER, "1", cut(), times=3),
    "cut before BindComplete": lambda: Fault(SERVER, "2", cut(), nth=2, times=3),
    "cut before DataRow": lambda: Fault(SERVER, "D", cut(), nth=3, times=3),
    "cut before CommandComplete": lambda: Fault(SERVER, "C", cut(), nth=2, times=3),
    "cut before ReadyForQuery": lambda: Fault(SERVER, "Z", cut(), nth=2, times=3),
    "cut after 3 bytes to the server": lambda: Fault(CLIENT, None, cut_inside(3), times=3),
    "cut after 7 bytes of Bind": lambda: Fault(CLIENT, "B", cut_inside(7), times=3),
    "cut after 1 byte to the client": lambda: Fault(SERVER, None, cut_inside(1), times=3),
    "cut inside a DataRow": lambda: Fault(SERVER, "D", cut_inside(9), nth=2, times=3),
    "reset before Sync": lambda: Fault(CLIENT, "S", reset(), times=3),
    "reset before CommandComplete": lambda: Fault(SERVER, "C", reset(), times=3),
    "reset before ReadyForQuery": lambda: Fault(SERVER, "Z", reset(), nth=2, times=3),
    "half closed by the server": lambda: Fault(SERVER, "Z", half_close(), times=3),
    "serialization failure": lambda: Fault(SERVER, "C", answer_error("40001"), times=5),
    "deadlock": lambda: Fault(SERVER, "2", answer_error("40P01"), times=5),
    "query cancelled": lambda: Fault(SERVER, "C", answer_error("57014"), times=5),
    "connection failure told": lambda: Fault(SERVER, "C", answer_error("08006"), times=5),
    "out of memory": lambda: Fault(SERVER, "2", answer_error("53200"), times=5),
    "administrator's command": lambda: Fault(SERVER, "2", answer_error("57P01", "FATAL", True),
                                             times=3),
    "crash of a neighbour": lambda: Fault(SERVER, "C", answer_error("57P02", "FATAL", True),
                                          times=3),
    "administrator's command as an error": lambda: Fault(SERVER, "C", answer_error("57P01"),
                                                         times=3),
    "a length too small": lambda: Fault(SERVER, "D", with_length(3), times=3),
    "a length below zero": lambda: Fault(SERVER, "T", with_length(-5), times=2),
    "a length too large": lambda: Fault(SERVER, "Z", with_length(0x7fffffff), times=2),
    "garbage": lambda: Fault(SERVER, "C", replace(b"\x00\xff\x17 no protocol at all \x00" * 40),
                             times=3),
    "an answer that is left out": lambda: Fault(SERVER, "C", replace(b""), times=3),
    "an end that is left out": lambda: Fault(SERVER, "Z", replace(b""), times=2),
    "one direction stalls": lambda: Fault(SERVER, "D", freeze(), times=2),
    "the other direction stalls": lambda: Fault(CLIENT, "S", freeze(), times=2),
}


@pytest.mark.parametrize("name", ONCE)
def test_one_message(stage, name):
    """What was struck stays as it is: everybody is served again without its help."""
    since = len(stage.server.lines)
    fault = ONCE[name]()

    with Traffic(stage.server) as traffic:
        traffic.await_success()
        stage.proxy.arm(fault)
        until(lambda: fault.left == 0, "the fault has struck")
        traffic.await_success()
        stage.proxy.disarm()
        traffic.await_success()

    check(stage, traffic, since)
