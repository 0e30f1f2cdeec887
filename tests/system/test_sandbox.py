"""The sandbox of workers and checkers: what a plugin cannot do there, how it is told, and what it
still can.

A worker in the sandbox ends by itself, so LeakSanitizer, which forks, is off."""
import ctypes
import errno
import os
import pathlib
import platform
import re
import shutil
import signal
import struct
import tempfile

import pytest

from harness import process, wait, wire

PLAIN = {"ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:handle_abort=0:use_sigaltstack=0"}
LIBC = ctypes.CDLL(None, use_errno=True)
LANDLOCK = LIBC.syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint(1))
needs_landlock = pytest.mark.skipif(LANDLOCK < 1, reason="needs a kernel with Landlock")
needs_landlock_4 = pytest.mark.skipif(LANDLOCK < 4, reason="needs Landlock 4, which knows ports")


@pytest.fixture
def sandboxed(server):
    """sandboxed({...}): one worker with the plugin that reaches out."""
    def start(config=None, plugins=("reaches", "hello"), sandbox="on", **options):
        whole = process.merged({"process": {"sandbox": sandbox}}, config or {})
        options.setdefault("wants_database", False)
        env = {**PLAIN, **options.pop("env", {})}
        return server(whole, plugins=plugins, env=env, may_die=True, **options)

    return start


def reach(s, what, path="", where=""):
    answer = s.get(f"{where}/reach/{what}?path={path}")
    assert answer.status == 200, answer.text
    return answer.text


DENIED = {  # what: the system call that the line names
    "program": "execve", "fork": "clone", "trace": "ptrace", "kill": "kill",
    "starve": "prlimit64", "unshare": "unshare", "packets": "socket",
}


@pytest.mark.parametrize("what", sorted(DENIED))
def test_a_denied_call_ends_the_worker_and_names_call_and_plugin(sandboxed, what):
    s = sandboxed()
    victim = s.workers()

    with s.connect() as conn, pytest.raises((wire.Closed, ConnectionResetError)):
        conn.request("GET", f"/reach/{what}?path=/bin/true", {"X-Request-Id": "the-culprit"})

    line = s.wait_line(f"the sandbox denies the system call {DENIED[what]}, made in")
    assert line["severity"] == "ERROR"
    assert (line["plugin"], line["request_id"], line["signal"], line["system_call"]) == (
        "reaches", "the-culprit", "SIGSYS", DENIED[what])
    assert re.search(r"called from reaches\.so\+0x[0-9a-f]+ \(\w+\+0x", line["message"]), line
    wait.until(lambda: s.workers() not in ([], victim), "another worker")
    assert s.get("/hello").status == 200


@pytest.mark.parametrize("what", ["shell", "root"])
def test_a_denied_call_that_libc_makes_with_signals_blocked_names_the_plugin(sandboxed, what):
    s = sandboxed()

    with s.connect() as conn, pytest.raises((wire.Closed, ConnectionResetError)):
        conn.request("GET", f"/reach/{what}?path=/bin/true")

    line = s.wait_line("the sandbox denies a system call that it made, as system()")
    assert (line["severity"], line["plugin"], line["route"]) == ("ERROR", "reaches",
                                                                 "/reach/{what}")


def test_a_call_of_the_plugin_itself_costs_its_request_alone(sandboxed):
    if platform.machine() != "x86_64":
        pytest.skip("the plugin makes its own call on x86-64 alone")
    s = sandboxed()
    with s.connect() as idle:
        assert idle.request("GET", "/hello").status == 200

        answer = s.get("/reach/inlined")

        assert (answer.status, answer.json["code"]) == (500, "plugin_crashed")
        line = s.wait_line("the sandbox denies the system call keyctl, made in reaches.so")
        assert line["system_call"] == "keyctl" and "was contained" in line["message"]
        assert idle.request("GET", "/hello").status == 200


def test_a_denied_call_on_a_pool_thread_is_told_too(sandboxed):
    s = sandboxed()

    with s.connect() as conn, pytest.raises((wire.Closed, ConnectionResetError)):
        conn.request("GET", "/pool/reach/fork")

    line = s.wait_line("the sandbox denies the system call clone")
    assert (line["plugin"], line["route"]) == ("reaches", "/pool/reach/{what}")


def test_what_serving_needs_goes_on(sandboxed):
    s = sandboxed(plugins=("reaches", "hello", "site", "forms"),
                  config={"http": {"spool_bytes": 100}})

    assert reach(s, "thread") == "done"
    assert reach(s, "stream") == "done"
    assert reach(s, "resolve", "localhost") == "done"
    assert reach(s, "resolve", "localhost", where="/pool") == "done"
    assert s.get("/").status == 200  # a file
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    answer = s.post("/forms/describe", form + b"x" * 5000 + b"\r\n--b--\r\n",
                    "multipart/form-data; boundary=b")
    assert (answer.json["where"], answer.json["size"]) == ("file", 5000)
    s.reload()
    assert s.get("/hello").status == 200


def test_the_database_is_reached_from_the_sandbox(sandboxed):
    s = sandboxed(plugins=("probe",), wants_database=True)

    assert s.post("/probe/db/write?tok=in_the_sandbox", b"").status == 200
    assert s.get("/probe/db/read?tok=in_the_sandbox").text.strip() == "in_the_sandbox"


def test_no_code_is_mapped_any_more(sandboxed):
    s = sandboxed()
    assert [reach(s, what) for what in ("map", "make")] == ["EACCES"] * 2
    assert [reach(s, what, where="/pool") for what in ("map", "make")] == ["EACCES"] * 2

    free = sandboxed(sandbox="off")
    assert [reach(free, what) for what in ("map", "make")] == ["done"] * 2
    assert reach(free, "fork") == "done"


@needs_landlock
def test_files_outside_are_neither_read_nor_written(sandboxed, tmp_path):
    secret, allowed, writable = (tmp_path / name for name in ("secret", "allowed", "writable"))
    for path in (secret, allowed):
        path.write_text("…")
    writable.mkdir()
    s = sandboxed({"process": {"read": [str(allowed)], "write": [str(writable)]}})
    state = s.home / "state"
    (copy,) = [file for file in (state / "plugins").iterdir() if "hello" in file.name]

    assert reach(s, "read", secret) == "EACCES"
    assert reach(s, "read", allowed) == "done"
    assert reach(s, "write", allowed) == "EACCES"
    assert reach(s, "write", writable / "new") == "done"
    assert reach(s, "remove", writable / "new") == "done"
    assert reach(s, "read", "/etc/hosts") == "done"
    assert reach(s, "read", s.config / "base.json") == "done"
    assert reach(s, "write", s.config / "base.json") == "EACCES"
    assert (reach(s, "read", copy), reach(s, "remove", copy)) == ("done", "EACCES")
    assert reach(s, "write", state / "plugins/new") == "EACCES"
    assert reach(s, "write", state / "uploads/new") == "done"


@needs_landlock
def test_credentials_of_systemd_are_read(sandboxed, tmp_path):
    (tmp_path / "given").mkdir()
    for path in (tmp_path / "given/pgpass", tmp_path / "other"):
        path.write_text("…")
    s = sandboxed(env={"CREDENTIALS_DIRECTORY": str(tmp_path / "given")})

    assert reach(s, "read", tmp_path / "given/pgpass") == "done"
    assert reach(s, "write", tmp_path / "given/pgpass") == "EACCES"
    assert reach(s, "read", tmp_path / "other") == "EACCES"


@needs_landlock
def test_a_path_that_is_not_there_is_told(sandboxed, tmp_path):
    s = sandboxed({"process": {"read": [str(tmp_path / "nowhere")]}}, wait=False)

    assert s.wait_end() == 2
    assert re.search(r"development\.json:\d+: process\.read\[0\]: \"\S+/nowhere\" cannot be opened: "
                     "No such file or directory", s.errors), s.errors


@needs_landlock_4
def test_no_port_is_opened(sandboxed):
    assert reach(sandboxed(), "listen") == "EACCES"
    assert reach(sandboxed(sandbox="off"), "listen") == "done"


@pytest.mark.parametrize("sandbox", ["on", "off"])
def test_a_plugin_gives_the_supervisor_no_commands(sandboxed, sandbox):
    folder = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))  # short enough for a socket
    s = sandboxed({"server": {"control": str(folder / "control")}}, sandbox=sandbox)
    wait.until((folder / "control").exists, "the socket")

    assert reach(s, "command", folder / "control", where="/pool") in ("EPIPE", "ECONNRESET")
    assert reach(s, "command", folder / "nosuch", where="/pool") == "ENOENT"
    s.finish()
    shutil.rmtree(folder)


@needs_landlock
def test_the_log_is_reopened_in_the_sandbox(sandboxed, build, tmp_path):
    """By the supervisor, which hands it over: a worker cannot open it."""
    folder = process.write_config(build, tmp_path, tmp_path / "config",
                                  {"process": {"sandbox": "on"}}, ["hello"], "")
    log = tmp_path / "log"
    port = process.free_port()
    with log.open("wb") as out, process.subprocess.Popen(
            [build / "sim-exchange", "serve", "--config", folder], stdout=out,
            env=process.environment({**PLAIN, "PORT": str(port)})) as child:
        wait.until(lambda: "serves with" in log.read_text(), "its start")
        log.rename(tmp_path / "log.1")
        child.send_signal(signal.SIGUSR1)
        wait.until(lambda: log.exists() and "reopened" in log.read_text(), "another log")

        def is_written_by_worker():
            with wire.Connection(("127.0.0.1", port), 30) as conn:
                conn.request("GET", "/hello", {"Connection": "close"})
            return "GET /hello" in log.read_text()

        wait.until(is_written_by_worker, "a line of the worker")
        child.terminate()
        child.wait()


def test_a_checker_may_do_less(sandboxed):
    s = sandboxed()

    s.rewrite(plugins={"hello": {}, "reaches": {"options": {"check": "listen"}}})
    s.signal(signal.SIGHUP)

    line = s.wait_line("the reload has failed")["message"]
    assert "the sandbox denies the system call bind" in line and 'plugin "reaches"' in line
    assert s.get("/hello").status == 200


# -- a kernel without

def without_landlock():
    """A filter of our own that answers as a kernel without it."""
    ret, allow, jump, load = 0x06, 0x7fff0000, 0x15, 0x20
    code = [(load, 0, 0, 0), (jump, 0, 1, 444), (ret, 0, 0, 0x00050000 | errno.ENOSYS),
            (ret, 0, 0, allow)]
    program = b"".join(struct.pack("HBBI", *one) for one in code)
    buffer = ctypes.create_string_buffer(program)
    whole = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
    assert LIBC.prctl(38, 1, 0, 0, 0) == 0
    assert LIBC.prctl(22, 2, whole) == 0


@pytest.mark.parametrize("sandbox", ["on", "required"])
def test_a_kernel_without_landlock_is_told(build, tmp_path, sandbox):
    folder = process.write_config(build, tmp_path, tmp_path / "config",
                                  {"process": {"sandbox": sandbox}}, ["hello"], "")
    with process.subprocess.Popen(
            [build / "sim-exchange", "serve", "--config", folder], preexec_fn=without_landlock,
            env=process.environment({**PLAIN, "PORT": str(process.free_port())}),
            stdout=process.subprocess.PIPE, stderr=process.subprocess.PIPE, text=True) as child:
        if sandbox == "required":
            _, errors = child.communicate()
            assert child.returncode == 2
            assert re.search(r"development\.json:\d+: process\.sandbox: expected a kernel with "
                             "Landlock, found one without: Function not implemented", errors), errors
            return
        lines = []
        while not lines or "serves with" not in lines[-1]:
            lines.append(child.stdout.readline())
            assert lines[-1], lines
        told = [line for line in lines if "this kernel has no Landlock, so plugins see all" in line]
        assert len(told) == 1
        child.terminate()
        child.communicate()


def test_required_serves_where_everything_is_there(sandboxed):
    if LANDLOCK < 1:
        pytest.skip("needs a kernel with Landlock")
    assert sandboxed(sandbox="required").get("/hello").status == 200
