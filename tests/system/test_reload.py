"""HUP: a checked new generation takes over without a lost request, or the old one goes on."""
import os
import re
import shutil
import signal
import socket

import pytest

from harness import held, load, process, wait

GIVEN_UP = "the reload has failed"


def test_whoever_is_told_to_close_while_it_sends_gets_no_reset(server):
    """A client that sends ahead could lose the answer with it."""
    s = server(plugins=["probe"], wants_database=False)
    with s.connect() as conn:
        assert conn.request("GET", "/probe/ok").status == 200
        s.reload()  # the old worker lets it ask once more

        answer = conn.request("GET", "/probe/ok")
        assert answer.status == 200 and answer.header("Connection") == "close"
        for _ in range(3):  # a reset would come with the first and break the second
            conn.socket.sendall(b"GET /probe/ok HTTP/1.1\r\nHost: t\r\n\r\n")
        assert conn.rest() == b""


@pytest.mark.parametrize("mode", ["keepalive", "pipelined", "oneshot"])
def test_no_request_is_lost_or_crossed_by_reloads(server, mode):
    s = server({"server": {"workers": 2}}, plugins=["probe"])

    with load.Load(s.port, mode=mode, routes="token,echo,db", connections=8, seconds=120) as client:
        for _ in range(3):
            before = s.workers()
            s.reload()
            wait.until(lambda old=before: not set(old) & set(s.workers()), "the old ones' end")
        assert client.is_running()
        totals = client.stop()

    assert totals["answered"] > 0 and load.faults(totals) == 0, totals
    if mode != "pipelined":  # whose requests are on their way before they can hear of the close
        assert totals["raced"] == 0, totals  # none met a connection that was just being closed


def test_a_reload_takes_another_file_and_another_configuration(server, build, tmp_path):
    file = tmp_path / "hello.so"
    shutil.copy(process.plugin_file(build, "hello"), file)
    s = server(plugins={"hello": {"path": str(file)}}, wants_database=False)
    assert s.get("/probe/ok").status == 404

    s.rewrite(plugins={"hello": {"path": str(file), "mount": {"prefix": "/moved"}},
                       "probe": {}})
    s.reload()

    assert (s.get("/moved/hello").status, s.get("/hello").status) == (200, 404)
    assert s.get("/probe/ok").status == 200


BAD = {
    "no_plugin": (lambda file: file.write_bytes(b"no ELF at all"), "hello.so"),
    "cut_off": (lambda file: os.truncate(file, 3000), "hello.so"),
    "missing": (lambda file: file.unlink(), "hello.so"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_file_leaves_the_old_generation_and_is_named(server, build, tmp_path, name):
    file = tmp_path / "hello.so"
    shutil.copy(process.plugin_file(build, "hello"), file)
    s = server(plugins={"hello": {"path": str(file)}}, wants_database=False)
    workers = s.workers()
    damage, named = BAD[name]

    damage(file)
    assert s.get("/hello").status == 200  # what is loaded is a copy
    s.signal(signal.SIGHUP)
    s.wait_line(GIVEN_UP)

    assert any(named in str(line["message"]) for line in s.lines if line["severity"] == "ERROR")
    assert s.workers() == workers
    assert s.get("/hello").status == 200


def test_a_plugin_that_crashes_as_it_is_loaded_leaves_the_old_generation(server):
    s = server(wants_database=False, may_die=True)  # the checker dies, with a sanitizer's report

    s.rewrite(plugins=["hello", "constructor_segv"])
    s.signal(signal.SIGHUP)

    assert "constructor_segv" in s.wait_line(GIVEN_UP)["message"]
    assert s.get("/hello").status == 200


@pytest.mark.parametrize("when", ["check", "start"])
def test_a_plugin_that_crashes_early_leaves_the_old_generation_and_is_named(server, when):
    plain = {"ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:use_sigaltstack=0"}
    s = server(wants_database=False, env=plain, may_die=True)

    s.rewrite(plugins={"hello": {}, "early": {"options": {"when": when}}})
    s.signal(signal.SIGHUP)

    line = s.wait_line(GIVEN_UP)["message"]
    assert f'plugin "early" 1.0.0: its {when} function crashed' in line
    assert re.search(r"early\.so\+0x[0-9a-f]+ \(crash_early\+0x", line), line
    assert s.get("/hello").status == 200


def test_a_broken_configuration_leaves_the_old_generation(server):
    s = server(wants_database=False)

    (s.config / "development.json").write_text('{"server": {"workers": "many"}}')
    s.signal(signal.SIGHUP)
    s.wait_line(GIVEN_UP)

    s.wait_line("development.json:1: server.workers: expected")
    assert s.get("/hello").status == 200


@pytest.fixture
def slow_plugin(server, build, tmp_path):
    """A server with a plugin in a file of its own, and that file, of which nobody is using it."""
    if held.why_not(tmp_path):
        pytest.skip(held.why_not(tmp_path))
    file = tmp_path / "hello.so"
    shutil.copy(process.plugin_file(build, "hello"), file)
    return server(plugins={"hello": {"path": str(file)}}, wants_database=False, may_die=True), file


def test_a_file_system_that_does_not_answer_holds_the_reader_alone(slow_plugin, program):
    """The supervisor replaces workers and takes commands meanwhile."""
    s, file = slow_plugin
    (worker,) = s.workers()

    with held.held(file) as slow:
        s.signal(signal.SIGHUP)
        reader = slow.wait_opener()
        os.kill(worker, signal.SIGKILL)
        wait.until(lambda: set(s.workers()) - {worker, reader}, "another worker")
        assert s.get("/hello").status == 200
        told = program("status", "--config", s.config, "--env", "development",
                       env={"PORT": str(s.port)})
        assert (told.returncode, told.stdout.startswith("generation 1 serves")) == (0, True)

    s.wait_line("generation 2 serves with")
    assert s.get("/hello").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["graceful", "quick"])
def test_a_server_stops_whose_reader_waits_for_a_file_system(slow_plugin, number):
    s, file = slow_plugin
    with held.held(file) as slow:
        s.signal(signal.SIGHUP)
        slow.wait_opener()

        s.signal(number)

        assert s.wait_end() == 0


def test_a_server_stops_whose_reader_cannot_be_killed(slow_plugin):
    s, file = slow_plugin
    with held.held(file) as slow:
        s.signal(signal.SIGHUP)
        with held.undying(slow.wait_opener()):
            s.signal(signal.SIGTERM)

            assert s.wait_end() == 0


def test_faults_of_plugins_and_of_addresses_are_told_at_once(server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        s = server(wants_database=False)

        s.rewrite({"server": {"listen": [f"127.0.0.1:{taken.getsockname()[1]}"]}},
                  plugins={"hello": {"path": str(tmp_path / "gone.so")}})
        s.signal(signal.SIGHUP)

        s.wait_line(GIVEN_UP)
    s.wait_line("gone.so: cannot be read: No such file or directory")
    s.wait_line("the address is in use by another process")
    assert s.get("/hello").status == 200


def test_killed_workers_are_replaced_and_a_killed_supervisor_leaves_nothing(server):
    s = server({"server": {"workers": 2}}, wants_database=False, may_die=True)
    victims = s.workers()

    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    wait.until(lambda: len(set(s.workers()) - set(victims)) == 2, "two new workers")
    assert s.get("/hello").status == 200

    workers = s.workers()
    s.signal(signal.SIGKILL)
    s.wait_end()
    wait.until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers),
               "the workers' own end")


def test_a_killed_supervisor_cuts_nothing_and_can_be_started_again_at_once(server, program):
    s = server({"server": {"workers": 2}}, plugins=["probe"], may_die=True)
    workers = s.workers()
    with s.connect() as slow:
        slow.send(b"GET /probe/sleep?ms=700 HTTP/1.1\r\nHost: t\r\n\r\n")
        assert s.get("/probe/ok").status == 200

        s.signal(signal.SIGKILL)
        s.wait_end()
        s.launch(s.port)
        s.wait_ready()

        assert slow.response().text == "ok"
    wait.until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers),
               "the old workers' own end")
    told = program("status", "--config", s.config, "--env", "development",
                   env={"PORT": str(s.port)})
    assert (told.returncode, told.stdout.startswith("generation 1 serves")) == (0, True)
    assert s.get("/probe/ok").status == 200


def test_a_stuck_worker_does_not_outlive_a_killed_supervisor(server):
    """Its loop hears nothing any more; the kernel tells it."""
    s = server(plugins={"faults": {"mount": {"prefix": "/faults"}}}, may_die=True)
    (worker,) = s.workers()
    with s.connect() as conn:
        conn.send(b"GET /faults/spin HTTP/1.1\r\nHost: t\r\n\r\n")
        s.wait_line("serves nobody meanwhile")

        s.signal(signal.SIGKILL)
        s.wait_end()
        wait.until(lambda: not os.path.exists(f"/proc/{worker}"), "the end of the worker")
