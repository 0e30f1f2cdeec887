"""Clients that mean no good: slow ones by the thousand, and those that want all that there is.

What counts is what the others notice.  Nothing here measures time: work is compared by the CPU
time of the worker, which waits for nobody.  SX_TEST_CROWD sets another number of clients."""
import os
import pathlib
import re
import resource
import selectors

import pytest

from harness.crowd import Crowd
from harness.process import CHECKOUT
from harness.wait import until

CROWD = int(os.environ.get("SX_TEST_CROWD", "2000"))
ASKED = 200
TIMES = 4  # the least of so many counts: others may have had something to do meanwhile


def cpu_s(pid):
    """CPU time of all threads of a process so far."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def metric(server, name):
    return int(re.search(rf"^{name} (\d+)$", server.get("/_sx/metrics").text, re.MULTILINE)[1])


def ask_normally(server, n=ASKED):
    """n requests as of a well-behaved client, some with a body; all must be answered."""
    with server.connect() as conn:
        for i in range(n // 2):
            assert conn.request("GET", f"/probe/token/t{i}").text == f"t{i}"
            assert conn.request("POST", "/probe/echo", None, b"x" * 100).body == b"x" * 100
    for _ in range(20):
        assert server.get("/probe/ok").text == "ok"


def least_cost_of_asking(server, pid):
    """CPU time of the worker for requests of a well-behaved client."""
    def once():
        before = cpu_s(pid)
        ask_normally(server)
        return cpu_s(pid) - before

    return min(once() for _ in range(TIMES))


# -- slow clients

HEAD = b"GET /probe/ok HTTP/1.1\r\nHost: t\r\n"
POST = b"POST /probe/echo HTTP/1.1\r\nHost: t\r\n"

LARGE = b"GET /static/large HTTP/1.1\r\nHost: t\r\n\r\n"

KINDS = {
    # kind: (what each sends first, again and again, and what the server says in the end)
    "headers": (HEAD + b"X-Slow: ", b"x", b"HTTP/1.1 408 "),
    "body": (POST + b"Content-Length: 100000\r\n\r\nabc", b"x", b"HTTP/1.1 408 "),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"1\r\nx\r\n",
               b"HTTP/1.1 408 "),
    "idle": (HEAD + b"\r\n", b"", b"HTTP/1.1 200 "),
    "never reading": (LARGE, b"", None),
}
SLOW = {"http": {"header_ms": 4000, "body_ms": 4000, "idle_ms": 4000, "write_ms": 4000,
                 "min_write_rate": 100000, "buffered_bytes": 1 << 30},
        "log": {"access": "off"}}


def with_large_file(folder):
    """The plugins that serve it at /static/large."""
    (folder / "large").write_bytes(b"x" * 1000000)
    return {"probe": {}, "site": {"options": {"root": str(folder)}}}


@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_slow_clients_cost_the_others_nothing(server, kind, tmp_path):
    first, more, told = KINDS[kind]
    s = server(SLOW, plugins=with_large_file(tmp_path), wants_database=False)
    [pid] = s.workers()
    cost_alone = least_cost_of_asking(s, pid)

    with Crowd(s.port, CROWD, first) as crowd:
        until(lambda: metric(s, "sx_connections_opened_total") > CROWD, "all are connected")
        crowd.send(more)
        cost_beside = least_cost_of_asking(s, pid)
        cost, wall = cpu_s(pid), os.times().elapsed
        answers = crowd.wait_closed() if told else []
        until(lambda: files(pid) < 100, "they are given up, and their descriptors are free")
        cost, wall = cpu_s(pid) - cost, os.times().elapsed - wall

    assert all(answer.startswith(told) for answer in answers)
    assert cost_beside < 3 * cost_alone
    assert kind != "idle" or cost < wall / 2
    ask_normally(s, 20)


# -- memory

def test_a_stream_that_is_read_at_once_leaves_the_others_their_turn(server):
    s = server({"log": {"access": "off"}}, plugins=["probe"], wants_database=False)

    with s.connect() as reader, s.connect() as other:
        reader.send(b"GET /probe/stream?n=1000000 HTTP/1.1\r\nHost: t\r\n\r\n")
        reader.head()
        other.send(HEAD + b"\r\n")
        ends = selectors.DefaultSelector()
        ends.register(other.socket, selectors.EVENT_READ)
        while not ends.select(0):
            data = reader.socket.recv(1 << 20)
            assert data and not data.endswith(b"0\r\n\r\n"), "the stream was over first"
        assert other.response().text == "ok"


def test_answers_that_nobody_reads_are_held_up_to_a_limit(server, tmp_path):
    s = server({"http": {"buffered_bytes": 8 << 20}, "log": {"access": "off"}},
               plugins=with_large_file(tmp_path), wants_database=False)

    with Crowd(s.port, 200, LARGE) as crowd:
        until(lambda: metric(s, "sx_connections_evicted_total") > 100, "many had to go")
        ask_normally(s)
        crowd.close()


def test_bodies_that_do_not_end_are_held_up_to_a_limit(server):
    s = server({"http": {"buffered_bytes": 8 << 20}, "log": {"access": "off"}}, plugins=["probe"],
               wants_database=False)
    large = b"x" * 900000

    with Crowd(s.port, 200, POST + b"Content-Length: 1000000\r\n\r\n" + b"x" * 60000) as crowd:
        until(lambda: metric(s, "sx_connections_evicted_total") > 10, "some had to go")
        assert s.post("/probe/echo", large).body == large  # whoever goes on sending finds room
        ask_normally(s)
        crowd.close()

    assert s.post("/probe/echo", large).status == 200


def test_a_client_may_have_so_many_connections_and_its_proxy_more(server):
    s = server({"http": {"connections_per_client": 5}, "log": {"access": "off"}}, plugins=["probe"],
               wants_database=False)

    with Crowd(s.port, 5, HEAD):
        refused = s.raw(HEAD + b"\r\n")
    until(lambda: s.raw(HEAD + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200"),
          "they are gone")
    s.rewrite({"server": {"trusted_proxies": ["127.0.0.1"]}, "http": {"connections_per_client": 5}})
    s.reload()
    with Crowd(s.port, 50, HEAD):
        ask_normally(s, 20)

    assert refused.startswith(b"HTTP/1.1 503 ") and b"Retry-After: " in refused


# -- descriptors

def set_files(pid, n):
    """The soft limit of a running process; the one before."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (n, hard))
    return soft


def limited(build, tmp_path, n):
    """The program where no more than n files may be open."""
    script = tmp_path / "limited"
    script.write_text(f'#!/bin/sh\nulimit -n {n}\nexec {build}/sim-exchange "$@"\n')
    script.chmod(0o700)
    return script


def test_more_clients_than_descriptors(server, build, tmp_path):
    """The first are served, the others told to come again, and there is a file left for each
    answer that needs one."""
    s = server({"http": {"idle_ms": 60000}}, plugins=["probe", "forms"], wants_database=False,
               executable=limited(build, tmp_path, 120))
    [pid] = s.workers()

    assert s.wait_line("a process may open 120 files here")["severity"] == "WARNING"
    with s.connect() as conn, Crowd(s.port, 200, HEAD) as crowd:
        assert conn.request("GET", "/probe/ok").status == 200
        until(lambda: metric_on(conn, "sx_connections_refused_total") > 80, "many are refused")
        assert files(pid) < 120
        refused = s.raw(HEAD + b"\r\n")
        upload = conn.request("POST", "/forms/describe", *large_form())
        crowd.close()

    assert refused.startswith(b"HTTP/1.1 503 ") and b"Retry-After: " in refused
    assert (upload.status, upload.json["where"]) == (200, "file")
    until(lambda: s.raw(HEAD + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200"),
          "there is room again")


def metric_on(conn, name):
    text = conn.request("GET", "/_sx/metrics").text
    return int(re.search(rf"^{name} (\d+)$", text, re.MULTILINE)[1])


def large_form():
    """Headers and body of an upload that goes through a file."""
    body = (b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
            + b"x" * 100000 + b"\r\n--b--\r\n")
    return {"Content-Type": "multipart/form-data; boundary=b"}, body


def test_without_any_descriptor_the_server_waits_instead_of_spinning(server):
    """Nothing can be accepted, not even to be refused, and no connection of ours will close."""
    s = server(plugins=["probe"], wants_database=False)
    [pid] = s.workers()
    soft = set_files(pid, 3)

    with s.connect() as conn:
        conn.send(HEAD + b"\r\n")
        before, wall = cpu_s(pid), os.times().elapsed
        until(lambda: os.times().elapsed - wall > 1.5, "it has tried a few times")
        cost, wall = cpu_s(pid) - before, os.times().elapsed - wall
        set_files(pid, soft)

        assert conn.response().status == 200
    assert cost < wall / 4, (cost, wall)


def test_without_a_descriptor_files_and_uploads_are_answered_503(server):
    root = {"options": {"root": str(CHECKOUT / "plugins/site/static")}}
    s = server(plugins={"probe": {}, "forms": {}, "site": root}, wants_database=False)
    [pid] = s.workers()

    with s.connect() as conn:
        assert conn.request("GET", "/static/site.css").status == 200
        soft = set_files(pid, 3)
        style = conn.request("GET", "/static/site.css")
        plain = conn.request("GET", "/probe/ok")
        line = s.wait_line("GET /static/{path...} 503")
        upload = conn.request("POST", "/forms/describe", *large_form())
        set_files(pid, soft)

    assert (style.status, style.json["code"], style.header("Retry-After")) == (503, "busy", "1")
    assert plain.status == 200
    assert line["httpRequest"]["status"] == 503
    assert (upload.status, upload.json["code"], upload.header("Retry-After")) == (503, "busy", "1")
    assert s.get("/static/site.css").status == 200
    assert s.request("POST", "/forms/describe", *large_form()).status == 200
