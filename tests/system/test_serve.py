"""The server as a process: it starts, answers, and ends cleanly."""
import signal
import subprocess

import pytest

from harness import process, wait, wire


def test_server_answers_and_ends_with_zero(server):
    s = server(plugins=["hello"], wants_database=False)

    assert s.get("/hello").status == 200
    assert len(s.workers()) == 1

    s.signal(signal.SIGTERM)
    assert s.wait_end() == 0


def test_several_requests_share_a_connection(server):
    s = server(plugins=["hello"], wants_database=False)

    with s.connect() as conn:
        answers = [conn.request("GET", "/hello").status for _ in range(3)]
        conn.send(b"GET /nothing HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        last = conn.response()

        assert answers == [200, 200, 200]
        assert (last.status, last.header("Content-Type")) == (404, "application/problem+json")
        assert conn.rest() == b""


@pytest.mark.parametrize("path", ["/_sx/live", "/_sx/ready", "/_sx/started"])
def test_health_is_told(server, path):
    s = server(plugins=["hello"], wants_database=False)

    assert s.get(path).status == 200


def test_a_wrong_configuration_stops_the_start(server):
    s = server({"server": {"workers": "many"}}, wants_database=False, may_die=True, wait=False)

    assert s.wait_end() == 2
    assert "server.workers" in s.errors and "development.json:" in s.errors


def test_a_plugin_is_stopped_when_none_of_its_code_runs_any_more(server):
    """The handler outlives the grace; behind it waits the work of a timer, which is dropped."""
    s = server({"server": {"pool_threads": 1, "drain_ms": 100}}, plugins=["linger"],
               wants_database=False)
    with s.connect() as conn:
        conn.send(b"GET /linger?ms=200 HTTP/1.1\r\nHost: t\r\n\r\n")
        s.wait_line("begins to linger")

        s.signal(signal.SIGTERM)
        assert s.wait_end() == 0

    said = [line["message"] for line in s.lines if line.get("plugin") == "linger"]
    assert "stopped" not in said or said.index("lingered") < said.index("stopped"), said


def test_it_serves_without_standard_files(build, tmp_path):
    """What it opens first gets none of their numbers."""
    config = process.write_config(build, tmp_path, tmp_path / "config", None, ["hello"], "")
    port = process.free_port()
    with open(tmp_path / "errors", "w+b") as errors:
        server = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" <&- >&-', "sh", build / "sim-exchange", "serve",
             "--config", config], env=process.environment({"PORT": str(port)}), stderr=errors)
        try:
            wait.until(lambda: is_answered(port), "an answer")
            server.terminate()
            assert server.wait(process.END_S) == 0
        finally:
            server.kill()
            server.wait()
        errors.seek(0)
        assert errors.read() == b""


def is_answered(port):
    try:
        with wire.Connection(("127.0.0.1", port)) as conn:
            return conn.request("GET", "/hello", {"Connection": "close"}).status == 200
    except ConnectionRefusedError:
        return False
