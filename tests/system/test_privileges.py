"""What the processes may do: whom root becomes, what is given up, and what a reload can still do.

Tests that need root say so when they cannot run; root plays the ordinary user as nobody."""
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from harness import process, wait

NOBODY = pwd.getpwnam("nobody")
PORT_FILE = pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
NO_ROOT = os.geteuid() != 0
needs_root = pytest.mark.skipif(NO_ROOT, reason="needs root, which gives itself up")
needs_low_ports = pytest.mark.skipif(
    NO_ROOT or not PORT_FILE.exists() or int(PORT_FILE.read_text()) < 1024,
    reason="needs root, and a kernel that keeps ports below 1024 for it")


@pytest.fixture
def open_folder():
    """A folder that every user can reach, which those of pytest are not."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="sx-privileges-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def dropping(build, open_folder):
    """dropping({...}): a server that root starts and that becomes nobody."""
    if subprocess.run(["test", "-x", build / "sim-exchange"], user=NOBODY.pw_uid,
                      check=False).returncode != 0:
        pytest.skip(f"the user nobody cannot reach {build}")
    running = []

    def start(overrides=None, wait_ready=True, plugins=("hello",), may_die=False):
        config = process.merged({"process": {"user": "nobody"}}, overrides or {})
        one = process.Server(build, open_folder / f"server{len(running)}", config, plugins, {}, "",
                             may_die)
        running.append(one)
        one.start(wait_ready)
        return one

    yield start
    faults = [fault for one in running for fault in one.finish()]
    assert not faults, "\n".join(faults)


def low_port():
    for port in range(1023, 500, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port below 1024")


def statuses(pid):
    """{name: value} of each thread of a process."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        found.append(dict(line.split(":\t", 1) for line in lines if ":\t" in line))
    assert found
    return found


def gives_up(s):
    """HUP; the last message of a reload that fails, with the errors before it."""
    since = len(s.lines)
    s.signal(signal.SIGHUP)
    s.wait_line("the reload has failed", since)
    return "\n".join(str(line.get("message")) for line in s.lines[since:])


# -- given up by root

@needs_low_ports
def test_root_opens_a_low_port_and_becomes_the_user(dropping):
    port = low_port()
    s = dropping({"server": {"listen": [f"127.0.0.1:{port}"]}})

    with socket.create_connection(("127.0.0.1", port)) as conn:
        conn.sendall(b"GET /hello HTTP/1.0\r\nHost: t\r\n\r\n")
        assert b" 200 " in conn.recv(100)
    for pid in (s.process.pid, *s.workers()):
        for status in statuses(pid):
            assert status["Uid"].split() == [str(NOBODY.pw_uid)] * 4
            assert status["Gid"].split() == [str(NOBODY.pw_gid)] * 4
            assert status["Groups"].strip() == ""
            caps = {name: int(status[name], 16) for name in
                    ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
            assert not any(caps.values()), caps
            assert status["NoNewPrivs"] == "1"
    s.wait_line("root has become user nobody")


@needs_low_ports
def test_a_reload_cannot_open_another_low_port_and_says_so(dropping):
    s = dropping()

    s.rewrite({**s.overrides, "server": {"listen": [f"127.0.0.1:{low_port()}"]}})
    told = gives_up(s)

    assert "permission denied: the server has given up root" in told
    assert "Restart it to open another port below 1024" in told
    assert s.get("/hello").status == 200


@needs_root
def test_after_root_is_gone_it_reloads_and_lets_a_successor_take_over(dropping):
    s = dropping({"server": {"listen": [f"unix:{tempfile.mkdtemp()}/s"]}})
    s.reload()
    assert s.get("/hello").status == 200

    s.signal(signal.SIGUSR2)
    s.wait_line("the successor")
    s.wait_line(lambda line: line.get("message", "").startswith("generation 1 serves"),
                s.lines.index(s.wait_line("the successor")))
    (successor,) = [pid for pid in s.workers() if b"serve" in cmdline(pid)]
    assert statuses(successor)[0]["Uid"].split() == [str(NOBODY.pw_uid)] * 4
    os.kill(successor, signal.SIGTERM)
    wait.until(lambda: not [pid for pid in s.workers() if b"serve" in cmdline(pid)], "its end")


def cmdline(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@needs_root
def test_another_user_needs_another_start(dropping):
    s = dropping()

    s.rewrite({"process": {"user": "root"}})
    told = gives_up(s)

    assert re.search(r"process\.user: expected to be started by root or by root, found user nobody",
                     told), told
    assert s.get("/hello").status == 200


@needs_root
def test_root_that_stays_root_becomes_nobody_at_no_reload(dropping):
    s = dropping({"process": {"user": ""}})

    s.rewrite({"process": {"user": "nobody"}})
    told = gives_up(s)

    assert 'process.user: expected "" as at the start, found "nobody"' in told
    assert "restart the server" in told


@needs_root
def test_the_state_folder_is_made_for_the_user_below_one_of_root(dropping, open_folder):
    state = open_folder / "var/state"
    s = dropping({"server": {"state_dir": str(state)}})

    assert [(f.stat().st_uid, f.stat().st_mode & 0o777) for f in (state, state / "plugins")] == [
        (NOBODY.pw_uid, 0o700)] * 2
    (copy,) = (state / "plugins").iterdir()
    assert copy.name.startswith("hello-")
    assert not [line for line in s.lines if "kept in memory" in str(line.get("message"))]


@needs_root
def test_a_state_folder_of_root_is_refused_with_what_mends_it(dropping, open_folder):
    state = open_folder / "state"
    state.mkdir(0o700)
    s = dropping({"server": {"state_dir": str(state)}}, wait_ready=False, may_die=True)

    assert s.wait_end() == 2
    assert f'server.state_dir: "{state}" cannot be used by user nobody' in s.errors
    assert f"chown -R nobody {state}" in s.errors


@needs_root
def test_copies_in_memory_serve_the_user_too(dropping):
    s = dropping({"server": {"state_dir": "/proc/none"}}, plugins=("hello", "site"))

    s.wait_line("kept in memory")
    assert s.get("/hello").status == 200
    n_lines = len(s.lines)
    s.reload()
    s.wait_line("kept in memory", since=n_lines)
    assert s.get("/hello").status == 200


@needs_root
def test_a_user_without_a_name_needs_a_group(dropping):
    s = dropping({"process": {"user": "54321", "group": "54322"}})
    assert statuses(s.process.pid)[0]["Gid"].split() == ["54322"] * 4

    bare = dropping({"process": {"user": "54321"}}, wait_ready=False, may_die=True)
    assert bare.wait_end() == 2
    assert "process.user: user 54321 has no entry that names a group" in bare.errors


def test_an_unknown_user_and_a_group_alone_are_refused(program, config_dir):
    done = program("check", "--config", config_dir({"process": {"user": "no_such_user"}}))
    assert (done.returncode, 'process.user: there is no user "no_such_user"' in done.stderr) == (
        2, True), done.stderr

    done = program("check", "--config", config_dir({"process": {"group": "root"}}))
    assert "process.group: expected process.user beside it, found none" in done.stderr


@needs_root
def test_only_root_becomes_somebody_else(build, open_folder):
    folder = process.write_config(build, open_folder, open_folder / "config",
                                  {"process": {"user": "root"}}, ["hello"], "")

    done = subprocess.run([build / "sim-exchange", "serve", "--config", folder], cwd=open_folder,
                          env=process.environment(), user=NOBODY.pw_uid, group=NOBODY.pw_gid,
                          extra_groups=[], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert re.search(r"process\.user: expected to be started by root or by root, found user nobody"
                     r" \(\d+\)\nOnly root can become somebody else", done.stderr), done.stderr


@needs_root
def test_root_in_production_is_warned_of(build, open_folder, dropping):
    s = dropping({"process": {"user": ""}, "trust": {"pins": "optional"}}, plugins=())
    assert not [line for line in s.lines if "run as root" in str(line.get("message"))]
    (s.config / "development.json").rename(s.config / "production.json")
    with subprocess.Popen([build / "sim-exchange", "serve", "--config", s.config, "--env",
                           "production"], env=process.environment({"PORT": str(
                               process.free_port())}), stdout=subprocess.PIPE, text=True) as other:
        told = [other.stdout.readline() for _ in range(2)]
        other.terminate()
        other.wait()
    assert any("the server and its plugins run as root" in line for line in told), told
    assert any("plugins are not pinned in production" in line for line in told), told


@needs_root
@pytest.mark.parametrize("sandbox", ["on", "off"])
def test_the_supervisor_is_closed_to_its_workers(dropping, sandbox):
    """Same user or not: nobody but root looks into a process that dumps no core."""
    s = dropping({"process": {"sandbox": sandbox}}, plugins=("reaches",))

    for what in ("environ", "mem", "maps"):
        answer = s.get(f"/reach/read?path=/proc/{s.process.pid}/{what}")
        assert answer.text == "EACCES"
    if sandbox == "off":
        assert s.get("/reach/root").text == "EPERM"


# -- given up by everybody

def core_limit(pid):
    line = re.search(r"^Max core file size\s+(\S+)", pathlib.Path(
        f"/proc/{pid}/limits").read_text(), re.MULTILINE)
    return line.group(1)


def test_no_new_privileges_no_open_umask_and_no_core(server):
    s = server(wants_database=False)

    for pid in (s.process.pid, *s.workers()):
        assert {status["NoNewPrivs"] for status in statuses(pid)} == {"1"}
        assert int(statuses(pid)[0]["Umask"], 8) & 0o022 == 0o022
    assert [core_limit(pid) for pid in s.workers()] == ["0"]


@needs_root
def test_a_process_with_secrets_can_be_read_by_root_alone(dropping):
    """The kernel gives the files of a process that may not dump core to root."""
    def owners(s):
        return {os.stat(f"/proc/{pid}/mem").st_uid for pid in (s.process.pid, *s.workers())}

    assert owners(dropping()) == {0}
    assert owners(dropping({"process": {"core_dumps": True}})) == {NOBODY.pw_uid}
