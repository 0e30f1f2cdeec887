"""sim-exchange health: what the health check of a container asks with."""
import contextlib
import json
import select
import socket
import subprocess
import threading

import pytest

from harness import process, wait


def health(server, **variables):
    return process.run(server.build, server.home, ["health", "--config", server.config],
                       env={"PORT": str(server.port), **variables})


def test_a_ready_server_is_healthy(server):
    s = server(plugins=["hello"], wants_database=False)

    done = health(s)

    assert (done.returncode, done.stdout, done.stderr) == (0, '{"status":"ready"}\n', "")


def test_it_finds_a_unix_socket(server, tmp_path):
    s = server({"server": {"listen": [f"unix:{tmp_path}/s"]}}, plugins=["hello"],
               wants_database=False)
    folder = tmp_path / "other"
    folder.mkdir()
    for file in ("base.json", "development.json"):
        (folder / file).write_text((s.config / file).read_text())
    only = json.loads((folder / "development.json").read_text())
    only["server"].update({"address": f"unix:{tmp_path}/s", "listen": []})
    (folder / "development.json").write_text(json.dumps(only))

    done = process.run(s.build, tmp_path, ["health", "--config", folder])

    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_database_it_is_unhealthy_and_says_why(server):
    url = "postgresql:///none?host=/no/such/folder&user=nobody"
    s = server(plugins=["techempower"], url=url, migrate=False, wait=False)
    wait.until(lambda: answers(s), "an answer")

    done = health(s)

    assert done.returncode == 1
    assert f"127.0.0.1:{s.port}: not ready: " in done.stderr
    assert "database_away" in done.stderr and "/no/such/folder" in done.stderr
    assert s.get("/_sx/live").status == 200


def answers(server):
    try:
        return server.get("/_sx/live").status == 200
    except OSError:
        return False


def test_where_nobody_listens_it_is_unhealthy(program, config_dir):
    port = process.free_port()

    done = program("health", "--config", config_dir(), env={"PORT": str(port)})

    assert done.returncode == 1
    assert done.stderr == f"127.0.0.1:{port}: nobody answers there: Connection refused\n"


def test_a_fault_of_the_configuration_is_no_more_than_unhealthy(program, config_dir):
    """2 is not for health checks: Docker reserves it."""
    done = program("health", "--config", config_dir({"server": {"workers": "many"}}))

    assert done.returncode == 1
    assert "server.workers" in done.stderr


@pytest.mark.parametrize("answer, fault", [
    (b"HTTP/1.1 404 Not Found\r\n\r\n", 'expected an answer to /_sx/ready, found "HTTP/1.1 404'),
    (b"SSH-2.0-other\r\n", 'expected an answer to /_sx/ready, found "SSH-2.0-other"'),
    (b"", 'expected an answer to /_sx/ready, found ""'),
    (b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000, "the server did not answer: Message too long"),
])
def test_another_server_is_not_taken_for_ours(program, config_dir, answer, fault):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        other = threading.Thread(target=answer_once, args=(listener, answer))
        other.start()

        done = program("health", "--config", config_dir(),
                       env={"PORT": str(listener.getsockname()[1])})
        other.join()

    assert done.returncode == 1
    assert fault in done.stderr


@pytest.mark.parametrize("size, fault", [
    (65536, "Message too long"),
    pytest.param(1, "Connection timed out", marks=pytest.mark.thorough)], ids=["fast", "slow"])
def test_an_answer_without_an_end_is_given_up(program, config_dir, size, fault):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        other = threading.Thread(target=answer_for_ever, args=(listener, size))
        other.start()
        done = program("health", "--config", config_dir(),
                       env={"PORT": str(listener.getsockname()[1])})
        other.join()

    assert done.returncode == 1
    assert f"the server did not answer: {fault}" in done.stderr


def answer_for_ever(listener, size):
    """Until the other side hangs up."""
    conn, _ = listener.accept()
    with conn, contextlib.suppress(ConnectionError):
        while True:
            conn.sendall(b"x" * size)
            select.select([], [], [], 0.01 if size == 1 else 0)


def answer_once(listener, answer):
    conn, _ = listener.accept()
    with conn, contextlib.suppress(OSError):
        conn.recv(4096)
        conn.sendall(answer)
        conn.shutdown(socket.SHUT_WR)
        while conn.recv(4096):
            pass


def test_a_silent_server_is_given_up(build, config_dir, tmp_path):
    """Who asks is stopped meanwhile, as by a terminal, and goes on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asking = subprocess.Popen(
            [build / "sim-exchange", "health", "--config", config_dir()], cwd=tmp_path,
            env=process.environment({"PORT": str(listener.getsockname()[1])}),
            stderr=subprocess.PIPE, text=True)
        conn, _ = listener.accept()
        assert conn.recv(4096).startswith(b"GET /_sx/ready ")
        for _ in range(3):
            wait.until(lambda: process.state(asking.pid) == "S", "that it waits")
            with process.stopped(asking.pid):
                pass
        _, errors = asking.communicate(timeout=60)
        conn.close()

    assert asking.returncode == 1
    assert "the server did not answer: Connection timed out" in errors
