"""A plugin that crashes or stalls again and again is quarantined; everybody else goes on."""
import os
import re
import shutil
import signal

import pytest

from harness import load, process, wait, wire

PLAIN = {"ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:handle_abort=0:use_sigaltstack=0"}
FAULTS = {"faults": {"mount": {"prefix": "/faults"}}, "hello": {}, "probe": {}}
LONG = {"crashes": 2, "within_s": 3600, "first_s": 3600, "max_s": 86400}


def crash(server, times):
    """So often; each by a worker that has not crashed yet."""
    for _ in range(times):
        wait.until(lambda: server.get("/faults/segv").status == 500, "another crash")


def is_quarantined(server, path="/faults/double-reply", plugin="faults"):
    answer = server.get(path)
    if answer.status != 503 or answer.json["code"] != "plugin_quarantined":
        return False
    assert f'"{plugin}"' in answer.json["detail"]
    assert answer.header("Content-Type") == "application/problem+json"
    return int(answer.header("Retry-After")) > 0


def is_quarantined_everywhere(server):
    """Workers are told one after the other."""
    return all(is_quarantined(server) for _ in range(20))


def test_a_plugin_that_crashes_too_often_is_quarantined_and_released_by_command(server, program):
    s = server({"quarantine": LONG, "server": {"workers": 2}}, plugins=FAULTS, env=PLAIN,
               may_die=True)

    crash(s, 2)

    line = s.wait_line("is quarantined for 3600 s: 2 crashes within 3600 s")
    assert (line["severity"], line["plugin"]) == ("ERROR", "faults")
    wait.until(lambda: is_quarantined_everywhere(s), "the quarantine")
    for _ in range(20):
        assert is_quarantined(s) and s.get("/hello").status == 200
    os.kill(s.workers()[0], signal.SIGKILL)
    for _ in range(20):  # in those that start later, too
        assert is_quarantined(s) and s.get("/hello").status == 200
    wait.until(lambda: s.get("/_sx/ready").json.get("quarantined") == ["faults"], "ready to say so")
    metrics = s.get("/_sx/metrics").text
    assert 'sx_plugin_crashes_total{plugin="faults"} 2\n' in metrics
    assert 'sx_plugin_quarantined{plugin="faults"} 1\n' in metrics

    command = ("--config", s.config, "--env", "development")
    env = {**PLAIN, "PORT": str(s.port)}
    told = program("status", *command, env=env)
    assert told.returncode == 0
    assert re.search(r"^generation 1 serves\n  worker \d \(pid \d+\) \w+", told.stdout, re.M)
    assert 'plugin "faults" is quarantined for ' in told.stdout
    done = program("release", "faults", *command, env=env)
    assert done.returncode == 0, done.stderr

    wait.until(lambda: s.get("/faults/double-reply").status == 200, "the release")
    assert 'sx_plugin_quarantined{plugin="faults"} 0\n' in s.get("/_sx/metrics").text
    again = program("release", "faults", *command, env=env)
    assert again.returncode == 1
    assert again.stderr == 'the plugin "faults" is not quarantined\n'


def test_a_crash_on_probation_is_a_longer_quarantine(server):
    s = server({"quarantine": {"crashes": 1, "within_s": 600, "first_s": 1}}, plugins=FAULTS,
               env=PLAIN, may_die=True)
    crash(s, 1)
    s.wait_line("is quarantined for 1 s: 1 crash")

    s.wait_line("is on probation for 600 s")
    crash(s, 1)

    s.wait_line("is quarantined for 2 s: it crashed on probation")
    assert s.get("/hello").status == 200


def test_probation_that_is_passed_ends_it(server):
    s = server({"quarantine": {"crashes": 1, "within_s": 1, "first_s": 1}}, plugins=FAULTS,
               env=PLAIN, may_die=True)
    crash(s, 1)

    s.wait_line("is on probation for 1 s")
    s.wait_line('plugin "faults" has passed its probation')

    assert s.get("/faults/double-reply").status == 200


def test_other_plugins_lose_no_request_to_a_quarantine(server):
    s = server({"quarantine": LONG, "server": {"workers": 2}}, plugins=FAULTS, env=PLAIN,
               may_die=True)

    with load.Load(s.port, routes="token,echo", connections=8, seconds=3) as client:
        crash(s, 2)
        wait.until(lambda: is_quarantined_everywhere(s), "the quarantine")
        while client.is_running():
            assert is_quarantined(s)
        totals = client.finish()

    assert totals["answered"] > 0 and load.faults(totals) == 0, totals


def test_nobody_is_quarantined_where_that_is_off(server):
    s = server({"quarantine": {"crashes": 0}}, plugins=FAULTS, env=PLAIN, may_die=True)

    crash(s, 7)

    assert s.get("/faults/double-reply").status in (200, 503)
    assert not any("quarantine" in str(line.get("message")) for line in s.lines)


@pytest.mark.parametrize("path", ["/faults/abort", "/faults/pool/segv", "/faults/pool/task"])
def test_crashes_of_every_kind_count(server, path):
    s = server({"quarantine": {**LONG, "crashes": 1}}, plugins=FAULTS, env=PLAIN, may_die=True)

    with s.connect() as conn:
        try:
            conn.request("GET", path)
        except (wire.Closed, ConnectionResetError):
            pass

    s.wait_line("is quarantined for 3600 s")
    wait.until(lambda: is_quarantined(s), "the quarantine")


@pytest.mark.parametrize("how", ["start", "refuse"])
def test_a_plugin_that_does_not_start_any_more_is_left_out(server, tmp_path, program, how):
    """Its start worked once, so the generation serves; then it does so no more."""
    file = tmp_path / "trouble"
    early = {"early": {"options": {"when": how, "file": str(file)}}}
    s = server({"quarantine": LONG}, plugins={**early, "hello": {}}, env=PLAIN, may_die=True,
               wants_database=False)
    assert s.get("/early").status == 200

    file.touch()
    os.kill(s.workers()[0], signal.SIGKILL)
    s.wait_line('plugin "early" is quarantined for 3600 s: 2 crashes')

    wait.until(lambda: is_quarantined(s, "/early", "early"), "a worker without it")
    assert s.get("/hello").status == 200

    command = ("release", "early", "--config", s.config, "--env", "development")
    env = {**PLAIN, "PORT": str(s.port)}
    file.unlink()
    assert program(*command, env=env).returncode == 0
    wait.until(lambda: s.get("/early").status == 200, "its start")


@pytest.mark.parametrize("grants, other", [([], 200), (["all_routes"], 503)])
def test_a_file_that_crashes_as_it_is_mapped_is_left_out(server, tmp_path, program, grants, other):
    """It was mapped once, so the generation serves.  Nobody knows whether it has hooks."""
    file = tmp_path / "trouble"
    env = {**PLAIN, "SX_TEST_TROUBLE": str(file)}
    late = {"constructor_segv": {"mount": {"prefix": "/late"}, "grants": grants}}
    path, name = "/late/constructor_segv", "constructor_segv"
    s = server({"quarantine": LONG}, plugins={**late, "hello": {}}, env=env, may_die=True,
               wants_database=False)
    assert s.get(path).status == 200

    file.touch()
    os.kill(s.workers()[0], signal.SIGKILL)
    s.wait_line(f'plugin "{name}" is quarantined for 3600 s: 2 crashes')

    wait.until(lambda: is_quarantined(s, path, name), "a worker without it")
    assert is_quarantined(s, "/late", name) and is_quarantined(s, "/late/whatever", name)
    assert (s.get("/hello").status, s.get("/later").status) == (other, 404)
    s.reload()
    assert is_quarantined(s, path, name) and s.get("/hello").status == other

    file.unlink()
    (worker,) = wait.until(lambda: len(left := s.workers()) == 1 and left, "the old one's end")
    with s.connect() as idle:
        assert idle.request("GET", "/later").status == 404
        with process.stopped(worker):  # it hears of both at once
            done = program("release", name, "--config", s.config, "--env", "development",
                           env={**env, "PORT": str(s.port)})
            assert done.returncode == 0, done.stderr
            idle.send(b"GET /later HTTP/1.1\r\nHost: t\r\n\r\n")
        assert idle.response().status == 404  # nobody was cut off
        wait.until(lambda: s.get(path).status == 200, "a worker with it")
    assert s.get("/hello").status == 200
    assert 'sx_plugin_crashes_total{plugin="constructor_segv"} 2\n' in s.get("/_sx/metrics").text


def test_another_file_of_the_plugin_begins_without_a_quarantine(server, build, tmp_path):
    file = tmp_path / "faults.so"
    shutil.copy(process.plugin_file(build, "faults"), file)
    plugins = {**FAULTS, "faults": {"path": str(file), "mount": {"prefix": "/faults"}}}
    s = server({"quarantine": LONG}, plugins=plugins, env=PLAIN, may_die=True)
    crash(s, 2)
    wait.until(lambda: is_quarantined(s), "the quarantine")

    s.reload()
    assert is_quarantined(s)  # the same bytes

    with open(file, "ab") as more:
        more.write(b"another build")
    s.reload()
    s.wait_line("is another one now, or gone: its quarantine has ended")
    wait.until(lambda: s.get("/faults/double-reply").status == 200, "the new workers alone")
