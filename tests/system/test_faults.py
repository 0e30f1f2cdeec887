"""Plugins that misbehave, one route a fault: who did it is told, and the server goes on."""
import contextlib
import os
import re
import signal as signals
import sys
import time

import pytest

from harness import database, load, plugin, wait, wire

FAULTS = {"faults": {"mount": {"prefix": "/faults"}}}
# Without a sanitizer's own handler the process dies of the signal itself.
SUFFIX = r"(?:\.\w+)*"  # what gcc appends to the name of a function that it clones or splits
PLAIN = {"ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:"
                         "handle_sigill=0:use_sigaltstack=0"}
IDLE_S = 2  # for how long a worker that had a fault keeps idle connections


@pytest.fixture
def faults(server):
    return server(plugins={**FAULTS, "hello": {}, "probe": {}}, env=PLAIN, may_die=True)


def asks_in_time(idle, target, began):
    """The status for an idle connection of a worker that had a fault after `began`; 200 where this
    machine was too slow to ask in time."""
    try:
        return idle.request("GET", target).status
    except (wire.Closed, OSError):
        assert time.monotonic() - began > IDLE_S - 0.1
        return 200


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
    place = rf"faults\.so\+0x[0-9a-f]+ \({function}{SUFFIX}\+0x[0-9a-f]+\)"
    assert re.search(rf"(?:in|called from) {place}", line["message"])
    assert re.search(rf"{place}.* < .*\((?:sx_|run_)\w+\+0x", line["backtrace"])
    wait.until(lambda: faults.workers() not in ([], victim), "another worker")
    assert faults.get("/hello").status == 200


@pytest.mark.parametrize("path, function, signal", [
    ("/faults/segv", "segv", "SIGSEGV"),
    ("/faults/bus", "bus", "SIGBUS"),
    ("/faults/divide", "divide", "SIGFPE"),
    ("/faults/trap", "trap", "SIGILL"),
    ("/faults/overflow", "descend", "SIGSEGV"),
    ("/faults/later/segv", "segv", "SIGSEGV"),
    ("/faults/rows/segv", "segv", "SIGSEGV"),
    ("/faults/pending/segv", "segv", "SIGSEGV"),
    ("/faults/pool/segv", "segv", "SIGSEGV"),
    ("/faults/pool/transaction", "segv", "SIGSEGV"),
    ("/faults/pool/offload", "segv", "SIGSEGV"),
])
def test_a_fault_in_a_plugin_costs_its_own_request_alone(faults, path, function, signal):
    """The worker has a slow request of another plugin and an idle connection, and keeps both."""
    (victim,) = faults.workers()
    with faults.connect() as slow, faults.connect() as idle, faults.connect() as conn:
        assert idle.request("GET", "/hello").status == 200
        began = time.monotonic()
        slow.send(b"GET /probe/sleep?ms=700 HTTP/1.1\r\nHost: t\r\n\r\n")

        conn.send(f"GET {path} HTTP/1.1\r\nHost: t\r\nX-Request-Id: the-culprit\r\n\r\n"
                  f"GET {path} HTTP/1.1\r\nHost: t\r\n")  # so that it is not idle
        answer = conn.response()

        assert (answer.status, answer.json["code"]) == (500, "plugin_crashed")
        conn.send(b"\r\n")
        again = conn.response()
        assert (again.status, again.json["code"], again.header("Retry-After")) == (
            503, "plugin_crashed", "1")
        assert asks_in_time(idle, "/hello", began) == 200
        assert slow.response().text == "ok"

    line = faults.wait_line("a fault of the plugin \"faults\" was contained")
    assert line["severity"] == "ERROR"
    assert (line["plugin"], line["route"], line["request_id"], line["signal"]) == (
        "faults", path, "the-culprit", signal)
    place = rf"faults\.so\+0x[0-9a-f]+ \({function}{SUFFIX}\+0x[0-9a-f]+\)"
    assert re.search(rf"in {place}", line["message"])
    faults.wait_line(f"(pid {victim}) has ended")
    assert faults.get("/hello").status == 200
    assert not any("was killed by" in str(line.get("message")) for line in faults.lines)


OTHER = """static int crash(sx_req *r)
{
    volatile int *volatile nowhere = NULL;

    (void)r;
    *nowhere = 1;
    return SX_OK;
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/other", .handler = crash },
    { 0 },
};

SX_PLUGIN("other", "1.0.0", .routes = routes);
"""


def test_a_second_fault_in_a_worker_is_not_contained(server, tmp_path):
    """The first one may have done more than it seemed; what the worker still has goes with it."""
    other = plugin.compiled(tmp_path, "other", OTHER)
    s = server(plugins={**FAULTS, "probe": {}, "other": {"path": str(other)}}, env=PLAIN,
               may_die=True)
    with s.connect() as slow, s.connect() as conn, s.connect() as again:
        assert again.request("GET", "/probe/ok").status == 200
        slow.send(b"GET /probe/sleep?ms=60000 HTTP/1.1\r\nHost: t\r\n\r\n")
        again.send(b"GET /other HTTP/1.1\r\nHost: t\r\n")
        assert conn.request("GET", "/faults/segv").status == 500
        s.wait_line("was contained")

        with pytest.raises((wire.Closed, ConnectionResetError)):
            again.send(b"\r\n")
            again.response()

        with pytest.raises((wire.Closed, ConnectionResetError)):
            slow.response()
    assert s.wait_line("was killed by signal 11")["plugin"] == "other"
    wait.until(lambda: s.get("/probe/ok").status == 200, "another worker")


def test_the_thread_and_the_connection_of_a_fault_are_given_back(server):
    """The only thread, and the only connection for leases: other plugins need them."""
    s = server({"server": {"pool_threads": 1}, "database": {"pool_size": 2}}, env=PLAIN,
               plugins={**FAULTS, "contract": {"options": {"key": "k"}}}, may_die=True)
    with s.connect() as idle, s.connect() as conn:
        assert idle.request("GET", "/lease/look").status == 200
        began = time.monotonic()

        assert conn.request("GET", "/faults/pool/transaction").status == 500

        assert asks_in_time(idle, "/lease/look", began) == 200
        with database.connected(s.url) as other, other.cursor() as cursor:
            cursor.execute("SET statement_timeout = '20s'; SELECT pg_advisory_lock(4712)")


SAME_MOMENT = "faulted at the same moment as another call"


def test_threads_that_fault_at_the_same_moment_cost_their_own_requests_alone(faults):
    """Whichever of them the loop hears of first."""
    (victim,) = faults.workers()
    culprits = [f"culprit-{i}" for i in range(4)]
    with contextlib.ExitStack() as stack:
        slow, idle, *conns = [stack.enter_context(faults.connect()) for _ in range(6)]
        assert idle.request("GET", "/hello").status == 200
        began = time.monotonic()
        slow.send(b"GET /probe/sleep?ms=700 HTTP/1.1\r\nHost: t\r\n\r\n")

        for conn, name in zip(conns, culprits):
            conn.send("GET /faults/pool/together?n=4 HTTP/1.1\r\nHost: t\r\n"
                      f"X-Request-Id: {name}\r\n\r\n")
        answers = [conn.response() for conn in conns]

        assert [(one.status, one.json["code"]) for one in answers] == [(500, "plugin_crashed")] * 4
        assert asks_in_time(idle, "/hello", began) == 200
        assert slow.response().text == "ok"
    first = faults.wait_line("a fault of the plugin \"faults\" was contained")
    faults.wait_line(f"(pid {victim}) has ended")
    others = [line for line in faults.lines if SAME_MOMENT in str(line.get("message"))]
    assert sorted(line["request_id"] for line in [first, *others]) == culprits
    assert not any("was killed by" in str(line.get("message")) for line in faults.lines)


BOTH = """#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

static int *count(void)
{
    return mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED, open("%s", O_RDWR), 0);
}

static int crash(sx_req *r, sx_db *db)
{
    volatile int *volatile nowhere = NULL;
    int *n_here = count();

    (void)r;
    (void)db;
    __atomic_add_fetch(n_here, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(n_here, __ATOMIC_SEQ_CST) < 3)
        continue;
    *nowhere = 1;
    return SX_OK;
}

/* While the loop hears of nothing. */
static int keep_loop(sx_req *r)
{
    int *n_here = count();
    time_t until = time(NULL) + 2;

    __atomic_add_fetch(n_here, 1, __ATOMIC_SEQ_CST);
    while (time(NULL) < until)
        continue;
    return sx_reply_text(r, 200, "kept");
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/%s", .blocking = crash },
    { .method = "GET", .path = "/%s/loop", .handler = keep_loop },
    { 0 },
};

SX_PLUGIN("%s", "1.0.0", .needs = SX_CAP_BLOCKING, .routes = routes);
"""


def number_in(file):
    return int.from_bytes(file.read_bytes(), sys.byteorder)


def test_plugins_that_fault_at_the_same_moment_are_not_taken_for_each_other(server, tmp_path):
    moment = tmp_path / "moment"
    moment.write_bytes(bytes(4))
    names = ["one", "two"]
    plugins = {name: {"path": str(plugin.compiled(tmp_path, name, BOTH % (moment, name, name, name)))}
               for name in names}
    s = server(plugins=plugins, env=PLAIN, may_die=True, wants_database=False)

    with s.connect() as a, s.connect() as b, s.connect() as loop:
        for conn, name in zip((a, b), names):
            conn.send(f"GET /{name} HTTP/1.1\r\nHost: t\r\n\r\n")
        wait.until(lambda: number_in(moment) == 2, "two threads")
        loop.send(b"GET /one/loop HTTP/1.1\r\nHost: t\r\n\r\n")
        assert (a.response().status, b.response().status, loop.response().text) == (500, 500, "kept")

    line = s.wait_line("was contained")
    first, other = line["plugin"], s.wait_line(SAME_MOMENT)["plugin"]
    assert sorted([first, other]) == names
    assert f'a fault of the plugin "{first}" was contained' in line["message"]
    assert f"; at address 0x0 in {first}.so+" in line["message"]


def test_a_fault_of_a_thread_that_a_plugin_made_is_that_plugins(server):
    """Outside any call, while a thread of the pool is inside another plugin."""
    s = server({"quarantine": {"crashes": 1, "first_s": 3600}}, env=PLAIN, may_die=True,
               plugins={**FAULTS, "linger": {}, "hello": {}})
    with s.connect() as innocent, s.connect() as conn:
        innocent.send(b"GET /linger HTTP/1.1\r\nHost: t\r\n\r\n")
        s.wait_line("begins to linger")

        conn.send(b"GET /faults/thread/segv HTTP/1.1\r\nHost: t\r\n\r\n")

        line = s.wait_line("was killed by signal 11")
    assert (line["plugin"], line.get("route"), line["signal"]) == ("faults", None, "SIGSEGV")
    assert '; on a thread that plugin "faults" 1.0.0 has made itself' in line["message"]
    assert 'ran plugin "linger"' in line["message"]
    assert re.search(rf"in faults\.so\+0x[0-9a-f]+ \(segv{SUFFIX}\+0x", line["message"])
    s.wait_line('plugin "faults" is quarantined for 3600 s')
    assert s.get("/hello").status == 200


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
    """The loop spins until the supervisor has said so."""
    (victim,) = faults.workers()
    with faults.connect() as conn:
        conn.send(b"GET /faults/spin HTTP/1.1\r\nHost: t\r\n\r\n")

        line = faults.wait_line("serves nobody meanwhile")

        assert (line["plugin"], line["route"]) == ("faults", "/faults/spin")
        os.kill(victim, signals.SIGKILL)
        assert conn.rest() == b""


def test_a_pool_thread_that_works_long_stops_nobody(faults):
    with faults.connect() as conn:
        conn.send(b"GET /faults/pool/spin?ms=700 HTTP/1.1\r\nHost: t\r\n\r\n")

        assert faults.get("/hello").status == 200  # on the loop, meanwhile

        assert conn.response().text == "spun\n"
    assert not any("serves nobody" in str(line.get("message")) for line in faults.lines)
