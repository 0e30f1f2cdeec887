"""Faults of the database, one after the other, under clients who know what they asked: no answer
is crossed, late or missing, no row is doubled, no acknowledged one is lost, the workers live, the
log stays quiet, and when the fault is over everything is served again."""
import datetime
import os
import re
import signal
import time

import pytest

from harness import database, process
from harness.fault_proxy import (CLIENT, SERVER, Fault, Proxy, answer_error, cut, cut_inside,
                                 freeze, half_close, replace, reset, with_length)
from harness.marked import Traffic
from harness.postgres import Postgres, is_gone
from harness.wait import until

REQUEST_MS = 3000
SLACK_S = 10  # a machine with much to do
CONFIG = {
    "server": {"workers": 2},
    "http": {"request_ms": REQUEST_MS},
    "database": {"pool_size": 4, "queue": 64, "statement_ms": 500, "connect_ms": 500},
    "log": {"access": "off"},
}
QUEUE = CONFIG["database"]["queue"]


def chosen(names, always):
    """For the parameters of a test: the others are thorough."""
    assert set(always) <= set(names)
    return [name if name in always else pytest.param(name, marks=pytest.mark.thorough)
            for name in names]


def is_ready(server):
    """Both workers say so."""
    return all(server.get("/_sx/ready").status == 200 for _ in range(12))


class Stage:
    """A server behind a proxy before a PostgreSQL of its own."""

    def __init__(self, build, home):
        self.postgres = Postgres()
        self.url = database.create(self.postgres.url)
        self.proxy = Proxy(self.url).__enter__()
        self.server = process.Server(build, home / "server", CONFIG, ["marked", "hello"], {},
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
        return is_ready(self.server)


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
    # A process may be stopped between being allowed a line and writing it: one more fits anywhere.
    assert all(len(times[i:j]) <= (times[j] - times[i]).total_seconds() + 1
               for j in range(len(times)) for i in range(j)), stage.server.lines[since:]


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
    "read-only": lambda: Fault(SERVER, "2", answer_error("25006")),
    "a length too small": lambda: Fault(SERVER, "D", with_length(3), times=3),
    "a length below zero": lambda: Fault(SERVER, "T", with_length(-5), times=2),
    "a length too large": lambda: Fault(SERVER, "Z", with_length(0x7fffffff), times=2),
    "garbage": lambda: Fault(SERVER, "C", replace(b"\x00\xff\x17 no protocol at all \x00" * 40),
                             times=3),
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


# -- all of it

def fatal(sqlstate):
    return lambda: Fault(CLIENT, "startup", answer_error(sqlstate, "FATAL", True), times=None)


# What happens to whoever wants to connect, when everybody has to; and what is then told.
AT_THE_START = {
    "starting up": (fatal("57P03"), "a fault of the test"),
    "too many connections": (fatal("53300"), "a fault of the test"),
    "no such login": (fatal("28000"), "a fault of the test"),
    "cut": (lambda: Fault(CLIENT, "startup", cut(), times=None), "closed the connection"),
    "reset": (lambda: Fault(CLIENT, "startup", reset(), times=None), "reset by peer|closed"),
    "silence": (lambda: Fault(CLIENT, "startup", freeze(), times=None), "did not answer in time"),
    "cut before authentication": (lambda: Fault(SERVER, "R", cut(), times=None), "closed"),
    "cut before it is ready": (lambda: Fault(SERVER, "Z", cut(), times=None), "closed"),
    "garbage": (lambda: Fault(SERVER, "R", replace(b"HTTP/1.1 400 Bad Request\r\n\r\n"), times=None),
                "expected authentication request"),
}


def refused(stage):
    stage.proxy.refuse()
    return "refused", stage.proxy.accept


def silent(stage):
    stage.proxy.mute()
    return "silent|in time", stage.proxy.disarm


def stopped(stage):
    stage.postgres.stop()
    return "closed the connection", stage.postgres.start


def killed(stage):
    stage.postgres.stop(signal.SIGKILL)
    return "closed the connection", stage.postgres.start


def at_the_start(name):
    def begin(stage):
        make, why = AT_THE_START[name]
        stage.proxy.arm(make())
        stage.proxy.drop_links()
        return why, stage.proxy.disarm
    return begin


DOWN = {"refused": refused, "silent": silent, "stopped": stopped, "killed": killed,
        **{f"at the start: {name}": at_the_start(name) for name in AT_THE_START}}


@pytest.mark.parametrize("name", chosen(DOWN, [
    "refused", "silent", "stopped", "at the start: starting up"]))
def test_down(stage, name):
    """It is told why, what needs no database goes on, and nobody has to do anything afterwards."""
    since = len(stage.server.lines)

    with Traffic(stage.server) as traffic:
        traffic.await_success()
        why, end = DOWN[name](stage)
        told = until(stage.why, "not ready")
        until(lambda: re.search(why, stage.why() or ""), f"{why} is told")
        assert stage.server.get("/hello").status == 200, told
        answer = stage.server.get("/marked/lease/read?tok=none")
        assert (answer.status, answer.json["code"]) == (503, "database_busy"), answer
        end()
        traffic.await_success()

    check(stage, traffic, since)
    stage.server.wait_line("database: connected", since)


def terminated(stage):
    database.query(stage.url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                              " WHERE application_name = 'sim-exchange'")


def crashed(stage):
    """One backend dies of a signal, and PostgreSQL throws all others out and recovers."""
    pids = [row[0] for row in database.query(
        stage.url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'sim-exchange'")]
    os.kill(pids[0], signal.SIGKILL)
    until(lambda: all(is_gone(pid) for pid in pids), "all have been thrown out")
    until(stage.postgres.answers, "PostgreSQL has recovered")


def restarted(stage):
    stage.postgres.stop(signal.SIGQUIT)
    stage.postgres.start()


@pytest.mark.parametrize("strike", [
    terminated, crashed, pytest.param(restarted, marks=pytest.mark.thorough)])
def test_backends_that_end(stage, strike):
    since = len(stage.server.lines)

    with Traffic(stage.server) as traffic:
        for _ in range(2):
            traffic.await_success()
            strike(stage)
        traffic.await_success()

    check(stage, traffic, since)


@pytest.mark.thorough
def test_backends_that_stand_still(stage):
    """Their sockets stay open, and nobody answers: others are made."""
    since = len(stage.server.lines)

    with Traffic(stage.server) as traffic:
        traffic.await_success()
        pids = [row[0] for row in database.query(
            stage.url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'sim-exchange'")]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            traffic.await_success()
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        traffic.await_success()

    check(stage, traffic, since)


@pytest.mark.parametrize("piece, delay_s", [
    (1, 0), pytest.param(100, 0.002, marks=pytest.mark.thorough)])
def test_a_slow_network_is_no_fault(stage, server, piece, delay_s):
    """With time enough for a machine that is slow, too."""
    since = len(stage.server.lines)
    patient = server({**CONFIG, "http": {"request_ms": 40000},
                      "database": {**CONFIG["database"], "statement_ms": 20000,
                                   "connect_ms": 20000}}, ["marked"], url=stage.proxy.url)

    with Traffic(patient) as traffic:
        traffic.await_success()
        stage.proxy.slow_down(piece, delay_s)
        stage.proxy.drop_links()
        until(lambda: is_ready(patient), "ready again")  # a client may change to the other worker
        traffic.await_success()
        began = time.monotonic()
        until(lambda: sum(a.began > began for a in traffic.answers) > 60, "some more answers")
        assert {a.status for a in traffic.answers if a.began > began} == {200}
        stage.proxy.disarm()

    check(stage, traffic, since)


def test_the_queue_is_bounded(stage):
    """Beyond it the answer is 503 at once; whoever waits has it when his patience is over."""
    n_conns, n_pipelined = 16, 30
    assert n_conns * n_pipelined > 2 * QUEUE + 100
    stage.proxy.mute()
    try:
        until(stage.why, "not ready")
        conns = [stage.server.connect() for _ in range(n_conns)]
        for conn in conns:
            conn.send("GET /marked/read?tok=q HTTP/1.1\r\nHost: t\r\n\r\n" * n_pipelined)
        answers = [conn.response() for conn in conns for _ in range(n_pipelined)]
        for conn in conns:
            conn.close()
    finally:
        stage.proxy.disarm()

    assert {(a.status, a.json["code"]) for a in answers} == {(503, "busy")}
    assert all(a.header("Retry-After") for a in answers)
    until(stage.is_ready, "ready again")


# -- from the start

def started(server, proxy, **options):
    """A server that has just come up, and the database is as it is."""
    s = server(CONFIG, plugins=["marked", "hello"], url=proxy.url, migrate=False, wait=False,
               **options)
    s.wait_line("generation 1 serves", timeout_s=20)
    return s


STARTS = {
    "refused": lambda proxy: proxy.refuse(),
    "silent": lambda proxy: proxy.mute(),
    "silent when asked": lambda proxy: proxy.arm(
        Fault(CLIENT, "P Q", freeze(), times=None), Fault(SERVER, "1 C", freeze(), times=None)),
    "cut when asked": lambda proxy: proxy.arm(Fault(CLIENT, "P", cut(), times=None)),
    "starting up": lambda proxy: proxy.arm(fatal("57P03")()),
}


@pytest.mark.parametrize("name", chosen(STARTS, ["silent when asked"]))
def test_a_start_without_the_database(stage, server, name):
    """It serves what needs none, says why it is not ready, and needs no second start."""
    with Proxy(stage.url) as proxy:
        STARTS[name](proxy)
        s = started(server, proxy)
        pids = s.workers()
        assert s.get("/hello").status == 200
        assert s.get("/marked/read?tok=a").status in (503, 504)
        answer = s.get("/_sx/ready")
        assert (answer.status, answer.json["code"]) == (503, "database_away")
        assert answer.json["detail"] != "database: "
        if name == "refused":
            proxy.accept()
        proxy.disarm()
        with Traffic(s) as traffic:
            traffic.await_success()
        assert not list(traffic.faults(stage.rows(traffic.name), REQUEST_MS / 1000 + SLACK_S))
        assert s.workers() == pids
