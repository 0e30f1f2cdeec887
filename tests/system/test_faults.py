"""Plugins that misbehave, one route a fault: who did it is told, and the server goes on."""
import re

import pytest

from harness import database, load, wait, wire

FAULTS = {"faults": {"mount": {"prefix": "/faults"}}}
# Without a sanitizer's own handler the process dies of the signal itself.
PLAIN = {"ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:handle_abort=0:use_sigaltstack=0"}


@pytest.fixture
def faults(server):
    return server(plugins={**FAULTS, "hello": {}, "probe": {}}, env=PLAIN, may_die=True)


@pytest.mark.parametrize("path, signal, function", [
    ("/faults/abort", "SIGABRT", "abort_all"),
    ("/faults/library", "SIGSEGV", "segv"),
    ("/faults/core", "SIGSEGV", "in_core"),
    ("/faults/pool/library", "SIGSEGV", "segv"),
])
def test_a_crash_names_the_plugin_and_the_worker_is_replaced(faults, path, signal, function):
    victim = faults.workers()

    with faults.connect() as conn:
        with pytest.raises((wire.Closed, ConnectionResetError)):
            conn.request("GET", path, {"X-Request-Id": "the-culprit"})

    line = faults.wait_line(signal)
    assert line["severity"] == "ERROR"
    assert (line["plugin"], line["plugin_version"]) == ("faults", "1.0.0")
    assert (line["route"], line["request_id"], line["signal"]) == (path, "the-culprit", signal)
    place = rf"faults\.so\+0x[0-9a-f]+ \({function}\+0x[0-9a-f]+\)"
    assert re.search(rf"(?:in|called from) {place}", line["message"])
    assert re.search(rf"{place}.* < .*\((?:sx_|run_)\w+\+0x", line["backtrace"])
    wait.until(lambda: faults.workers() not in ([], victim), "another worker")
    assert faults.get("/hello").status == 200


@pytest.mark.parametrize("path, function", [
    ("/faults/segv", "segv"),
    ("/faults/overflow", "descend"),
    ("/faults/later/segv", "segv"),
    ("/faults/rows/segv", "segv"),
    ("/faults/pending/segv", "segv"),
    ("/faults/pool/segv", "segv"),
    ("/faults/pool/transaction", "segv"),
    ("/faults/pool/offload", "segv"),
])
def test_a_fault_in_a_plugin_costs_its_own_request_alone(faults, path, function):
    """The worker has a slow request of another plugin and an idle connection, and keeps both."""
    (victim,) = faults.workers()
    with faults.connect() as slow, faults.connect() as idle, faults.connect() as conn:
        assert idle.request("GET", "/hello").status == 200
        slow.send(b"GET /probe/sleep?ms=700 HTTP/1.1\r\nHost: t\r\n\r\n")

        answer = conn.request("GET", path, {"X-Request-Id": "the-culprit"})

        assert (answer.status, answer.json["code"]) == (500, "plugin_crashed")
        again = conn.request("GET", path)
        assert (again.status, again.json["code"], again.header("Retry-After")) == (
            503, "plugin_crashed", "1")
        assert idle.request("GET", "/hello").status == 200
        assert slow.response().text == "ok"

    line = faults.wait_line("a fault of the plugin \"faults\" was contained")
    assert line["severity"] == "ERROR"
    assert (line["plugin"], line["route"], line["request_id"], line["signal"]) == (
        "faults", path, "the-culprit", "SIGSEGV")
    place = rf"faults\.so\+0x[0-9a-f]+ \({function}\+0x[0-9a-f]+\)"
    assert re.search(rf"in {place}", line["message"])
    faults.wait_line(f"(pid {victim}) has ended")
    assert faults.get("/hello").status == 200
    assert not any("was killed by" in str(line.get("message")) for line in faults.lines)


def test_the_thread_and_the_connection_of_a_fault_are_given_back(server):
    """The only thread, and the only connection for leases: other plugins need them."""
    s = server({"server": {"pool_threads": 1}, "database": {"pool_size": 2}}, env=PLAIN,
               plugins={**FAULTS, "contract": {"options": {"key": "k"}}}, may_die=True)
    with s.connect() as idle, s.connect() as conn:
        assert idle.request("GET", "/lease/look").status == 200

        assert conn.request("GET", "/faults/pool/transaction").status == 500

        assert idle.request("GET", "/lease/look").status == 200
        with database.connected(s.url) as other, other.cursor() as cursor:
            cursor.execute("SET statement_timeout = '20s'; SELECT pg_advisory_lock(4712)")


def test_a_task_that_faults_is_told_without_a_request(faults):
    (victim,) = faults.workers()

    assert faults.get("/faults/pool/task").status == 202

    line = faults.wait_line("a fault of the plugin \"faults\" was contained")
    assert (line["plugin"], line.get("route"), line["signal"]) == ("faults", None, "SIGSEGV")
    faults.wait_line(f"(pid {victim}) has ended")


def test_a_plugin_that_faults_again_and_again_costs_no_other_request(faults):
    with load.Load(faults.port, routes="token", connections=8, seconds=6) as client:
        while client.is_running():
            assert faults.get("/faults/segv").status in (500, 503)
        totals = client.finish()

    assert totals["answered"] > 0 and load.faults(totals) == 0, totals


def test_a_handler_that_does_not_answer_is_answered_for(faults):
    answer = faults.get("/faults/silent")

    assert (answer.status, answer.json["code"]) == (500, "no_answer")
    line = faults.wait_line("neither answered nor started")
    assert (line["plugin"], line["route"]) == ("faults", "/faults/silent")


def test_a_second_answer_is_refused_and_the_first_one_goes_out(faults):
    answer = faults.get("/faults/double-reply")

    assert (answer.status, answer.text) == (200, "first\n")
    faults.wait_line("first reply 0, second reply -2")


def test_a_loop_that_does_not_come_back_is_named(faults):
    """The loop spins for as long as it takes the supervisor to say so."""
    with faults.connect() as conn:
        conn.send(b"GET /faults/spin?ms=2500 HTTP/1.1\r\nHost: t\r\n\r\n")

        line = faults.wait_line("serves nobody meanwhile")

        assert (line["plugin"], line["route"]) == ("faults", "/faults/spin")
        assert conn.response().text == "spun\n"


def test_a_pool_thread_that_works_long_stops_nobody(faults):
    with faults.connect() as conn:
        conn.send(b"GET /faults/pool/spin?ms=700 HTTP/1.1\r\nHost: t\r\n\r\n")

        assert faults.get("/hello").status == 200  # on the loop, meanwhile

        assert conn.response().text == "spun\n"
    assert not any("serves nobody" in str(line.get("message")) for line in faults.lines)
