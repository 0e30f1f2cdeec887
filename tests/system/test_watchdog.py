"""Calls that keep the loop are named, and ended; waiting is no fault."""
import re

import pytest

from harness import wait, wire

PLAIN = {"ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:handle_abort=0:use_sigaltstack=0"}
FAULTS = {"faults": {"mount": {"prefix": "/faults"}}, "hello": {}, "probe": {}}
KEPT = re.compile(r"kept the loop for (\d+) ms")


@pytest.fixture
def faults(server):
    return server({"watchdog": {"kill_ms": 1000}, "quarantine": {"crashes": 1, "first_s": 3600}},
                  plugins=FAULTS, env=PLAIN, may_die=True)


def test_a_call_that_keeps_the_loop_is_warned_of_once(server):
    s = server(plugins=FAULTS, wants_database=False)

    assert s.request("GET", "/faults/spin?ms=300", {"X-Request-Id": "slow"}).status == 200

    line = s.wait_line(KEPT)
    assert (line["severity"], line["plugin"], line["route"], line["request_id"]) == (
        "WARNING", "faults", "/faults/spin", "slow")
    assert int(KEPT.search(line["message"]).group(1)) >= 290
    assert len([one for one in s.lines if one.get("request_id") == "slow"
                and KEPT.search(str(one.get("message")))]) == 1


def test_waiting_is_not_keeping_the_loop(faults):
    """Longer than the warning and the limit: a timer, a statement, a thread."""
    with faults.connect() as conn:
        for path in ("/probe/sleep?ms=1500", "/faults/pool/spin?ms=1500", "/faults/spin?ms=1"):
            assert conn.request("GET", path).status == 200
        assert conn.request("GET", "/faults/never/read").status == 504

    # A worker that gets no CPU for 100 ms may be told of: never for the time that it waited.
    kept = [int(found.group(1)) for one in faults.lines
            if (found := KEPT.search(str(one.get("message"))))]
    assert all(ms < 1500 for ms in kept), kept
    assert not any("does not come back" in str(one.get("message")) for one in faults.lines)


def test_a_loop_that_counts_for_ever_is_ended_and_costs_its_own_request(faults):
    (victim,) = faults.workers()
    with faults.connect() as slow, faults.connect() as conn:
        slow.send(b"GET /probe/sleep?ms=1500 HTTP/1.1\r\nHost: t\r\n\r\n")

        answer = conn.request("GET", "/faults/count", {"X-Request-Id": "endless"})

        assert (answer.status, answer.json["code"]) == (500, "plugin_crashed")
        assert slow.response().text == "ok"
    line = faults.wait_line('a call into the plugin "faults" did not come back')
    assert (line["severity"], line["plugin"], line["route"], line["request_id"], line["signal"]) \
        == ("ERROR", "faults", "/faults/count", "endless", "stall")
    assert re.search(r"faults\.so\+0x[0-9a-f]+ \(count\+0x[0-9a-f]+\) < sim-exchange",
                     line["backtrace"])
    faults.wait_line('plugin "faults" is quarantined for 3600 s')
    faults.wait_line(f"(pid {victim}) has ended")
    assert faults.get("/hello").status == 200


def test_a_loop_that_is_kept_inside_a_library_is_killed_with_its_stack(faults):
    (victim,) = faults.workers()
    with faults.connect() as conn:
        with pytest.raises((wire.Closed, ConnectionResetError)):
            conn.request("GET", "/faults/doze", {"X-Request-Id": "dozing"})

    line = faults.wait_line("has a loop that does not come back from a plugin and was killed")
    assert (line["severity"], line["plugin"], line["route"], line["request_id"]) == (
        "ERROR", "faults", "/faults/doze", "dozing")
    assert re.search(r"faults\.so\+0x[0-9a-f]+ \(doze\+0x[0-9a-f]+\)", line["backtrace"])
    faults.wait_line('plugin "faults" is quarantined for 3600 s')
    wait.until(lambda: faults.workers() not in ([], [victim]), "another worker")
    assert faults.get("/hello").status == 200


@pytest.mark.parametrize("how", ["after", "read", "write", "lease"])
def test_a_handler_that_never_answers_is_answered_for_and_its_statement_cancelled(server, how):
    """More of them than there are connections and threads: nothing of them stays."""
    s = server({"server": {"pool_threads": 2}, "database": {"pool_size": 3}}, plugins=FAULTS)
    assert s.get("/probe/db/write?tok=a").status == 200  # connections that are there
    assert s.get("/faults/leave-open?what=table").status == 200
    running = ("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s "
               "AND pid <> pg_backend_pid()")

    allowed = {(504, "timeout")}
    for _ in range(6):
        answer = s.get(f"/faults/never/{how}")
        assert (answer.status, answer.json["code"]) in allowed
        if how in ("write", "lease"):  # the one before may still be on its way out, for as long
            allowed |= {(503, code) for code in ("busy", "database_busy", "database_away")}  # or lost on its way

    wait.until(lambda: s.query(running, "%pg_sleep(3600), \'never%")[0][0] == 0,
               "the end of its statements")
    assert s.get("/probe/db/read?tok=a").text == "a"
    assert s.get("/probe/work?ms=1").status == 200
