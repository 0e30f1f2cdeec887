"""References to secrets where something else goes wrong at the same moment: a signal, a full place, a name
server that is silent, an answer that is made to harm.  harness/google.py is asked."""
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from harness import held, process, wait
from harness.google import Body, Google

VALUE = "hunter2-of-the-database"
NEXT = "hunter3-of-the-database"


def makes_namespaces():
    """A container's root may not."""
    return subprocess.run(["unshare", "--pid", "--mount", "--fork", "true"], capture_output=True,
                          check=False).returncode == 0


NAMESPACES = pytest.mark.skipif(not makes_namespaces(), reason="needs CAP_SYS_ADMIN for namespaces")


@pytest.fixture
def google():
    with Google() as double:
        yield double
        with double.lock:  # whoever still waits for others
            double.together = 0
            double.lock.notify_all()


def options(values, **config):
    return {"config": config, "plugins": {"declared": {"options": values}, "hello": {}},
            "wants_database": False}


def is_asked(google):
    """Somebody waits for an answer, which does not come."""
    with google.lock:
        return google.lock.wait_for(lambda: google.running > 0, 30)


# -- what must not be told

@pytest.mark.parametrize("value", [["sm://p/key#1"], {"a": {"b": "${X:-sm://p/key#1}"}}],
                         ids=["list", "object"])
def test_secret_inside_of_an_option_of_another_type_is_not_told(google, config_dir, program, value):
    google.add("key", VALUE)
    folder = config_dir({}, {"declared": {"options": {"depth": value}}})
    check = program("check", "--secrets", "--config", folder, env=google.env())
    serve = program("serve", "--config", folder, env=google.env())

    for done in (check, serve):
        assert done.returncode == 2
        assert "options.depth: expected an integer, found another type" in done.stderr
        assert "hunter" not in done.stdout + done.stderr


def test_configuration_that_cannot_be_handed_over_is_not_told(google, server, build, tmp_path):
    """The reader of a reload gets no room for all that it has to say."""
    google.add("key", VALUE)
    program = tmp_path / "sim-exchange"
    program.write_text(f"#!/bin/sh\ntrap '' XFSZ\nexec {build}/sim-exchange \"$@\"\n")
    program.chmod(0o755)
    s = server(**options({"key_of_api": "sm://p/key#1"}, app_secret="sm://p/key#1"),
               env=google.env(), executable=program)
    resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (16384, 16384))

    s.signal(signal.SIGHUP)
    s.wait_line("goes on serving")

    assert s.wait_line("the configuration cannot be handed over: File too large")
    assert not any("hunter" in str(line) for line in s.lines)
    assert s.get("/config").json["key_of_api"] == VALUE


@pytest.mark.parametrize("path, entry", [
    (r"plugins\.hello\.path", {"path": "sm://p/key#1"}), (r"trust\.keys\[0\]", {})],
    ids=["plugin", "key"])
def test_key_that_is_a_path_takes_no_value_of_a_secret(google, config_dir, program, path, entry):
    """A file that is not there is told by its name."""
    google.add("key", VALUE)
    folder = config_dir({} if entry else {"trust": {"keys": ["sm://p/key#1"]}}, {"hello": entry})
    done = program("check", "--secrets", "--config", folder, env=google.env())

    assert done.returncode == 2
    assert re.search(rf"{path}: sm://p/key#1: expected a reference with \?destination=", done.stderr)
    assert "hunter" not in done.stderr and not google.calls


def test_key_in_a_file_of_its_own_is_not_looked_at_by_check(google, config_dir, program):
    folder = config_dir({"trust": {"keys": ["sm://p/key?destination=tempfile#1"]}}, ["hello"])
    done = program("check", "--config", folder, env=google.env())

    assert (done.returncode, done.stdout) == (0, "development: no fault found\n"), done.stderr


@pytest.mark.parametrize("command, key, code", [("health", "port", 1), ("status", "control", 2)])
def test_server_is_not_looked_for_at_the_text_of_a_reference(google, config_dir, program, command,
                                                             key, code):
    value = "sm://p/x?destination=tempfile" if key == "control" else "sm://p/x"
    done = program(command, "--config", config_dir({"server": {key: value}}), env=google.env())

    assert done.returncode == code
    assert f"server.{key}: expected the value itself, found a reference" in done.stderr


@pytest.mark.parametrize("url", [
    "postgres://user:hunter2/x@host/db", "postgresql://user:pass@hunter2@host/db",
    "postgresql://user:12/hunter2@host/db", "postgresql://user:pass@a,b@hunter2/db",
    "host=a port=hunter2"])
def test_password_that_is_not_percent_encoded_is_told_as_such(config_dir, program, url):
    """libpq would take a part of it for a host, a port or a name, and those are told to everybody."""
    done = program("check", "--config", config_dir({}, ["techempower"]), env={"DATABASE_URL": url})

    assert done.returncode == 2, done.stdout
    assert "database.url: expected a connection string of PostgreSQL: a password in it" in done.stderr
    assert "hunter" not in done.stdout + done.stderr


@pytest.mark.parametrize("url", [
    "postgresql://user:a%2Fb%40c@host:1,other:2/db?application_name=a@b", "host=@name port=5432",
    "postgresql:///db?host=/run/a@b", "postgresql:///db?host=@a,@b"])
def test_url_with_other_signs_is_taken(config_dir, program, url):
    done = program("check", "--config", config_dir({}, ["techempower"]), env={"DATABASE_URL": url})

    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not process.sees_others(), reason="needs CAP_SYS_PTRACE to look into processes")
def test_old_password_stays_with_the_supervisor_where_it_is_not_used(server):
    s = server(plugins=["hello"], wants_database=False,
               env={"DATABASE_URL": "host=/none", "MFDB_PASSWORD": VALUE})

    for pid in s.workers():
        with open(f"/proc/{pid}/environ", "rb") as file:
            assert VALUE.encode() not in file.read()


def test_destinations_are_compared_before_any_is_written(google, program, tmp_path):
    google.add("key", VALUE)
    google.add("other", NEXT)
    path = tmp_path / "key"
    path.write_text("as it was")
    done = program("exec", "true", env={**google.env(), "A": f"sm://p/key?destination={path}#1",
                                        "B": f"sm://p/other?destination={path}#1"})

    assert done.returncode == 1
    assert "expected a destination of its own, found that of another reference" in done.stderr
    assert path.read_text() == "as it was" and len(list(tmp_path.glob("key*"))) == 1


# -- signals

def first_of_a_container(build, tmp_path, env, *arguments):
    """The program as number 1, which no signal ends that it does not ask for."""
    return subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", build / "sim-exchange",
                             *map(str, arguments)], cwd=tmp_path, env=process.environment(env),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def only_child(pid):
    def find():
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return file.read().split()
    return int(wait.until(find, "a child")[0])


@NAMESPACES
@pytest.mark.parametrize("command", ["exec", "serve"])
def test_term_ends_the_first_process_of_a_container_that_waits_for_a_secret(
        google, build, tmp_path, config_dir, command):
    google.add("key", VALUE)
    google.together = 99
    arguments = {"exec": ["exec", "--", "true"],
                 "serve": ["serve", "--config", config_dir({"secrets": {"deadline_ms": 60000}})]}
    with first_of_a_container(build, tmp_path, {**google.env(), "APP_SECRET": "sm://p/key"},
                              *arguments[command]) as outer:
        assert is_asked(google)
        os.kill(only_child(outer.pid), signal.SIGTERM)
        _, errors = outer.communicate(timeout=60)

    assert outer.returncode == 128 + signal.SIGTERM, errors
    assert not process.SANITIZER.search(errors), errors


def test_who_starts_it_may_ignore_its_children(google, build, tmp_path):
    google.add("key", VALUE)
    done = subprocess.run([build / "sim-exchange", "exec", "sh", "-c", "echo $A"], cwd=tmp_path,
                          env=process.environment({**google.env(), "A": "sm://p/key#1"}),
                          preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
                          capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == (VALUE + "\n", "")


def spellings(n):
    """The same destination, written in n ways: as many files."""
    for i in range(n):
        yield "".join(f"%{ord(letter):02x}" if i >> bit & 1 else letter
                      for bit, letter in enumerate("tempfile"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["graceful", "quick"])
def test_reader_that_is_given_up_leaves_no_file(google, server, tmp_path, number):
    """The server stops while the reader of a reload writes its temporary files."""
    google.add("key", VALUE)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    many = "".join(f"${{NONE:-sm://p/key?destination={text}}}" for text in spellings(20))
    s = server(**options({"key_of_api": many}), env={**google.env(), "TMPDIR": str(temporary)})
    old = len(list(temporary.iterdir()))

    s.signal(signal.SIGHUP)
    wait.until(lambda: len(list(temporary.iterdir())) > old, "a file of the reader")
    s.signal(number)

    assert s.wait_end() == 0
    assert not list(temporary.glob("sim-exchange-secret-*"))


@pytest.mark.parametrize("how", ["killed", "given up"])
def test_reader_that_ends_while_it_copies_leaves_no_file(google, server, build, tmp_path, how):
    if held.why_not(tmp_path):
        pytest.skip(held.why_not(tmp_path))
    google.add("key", VALUE)
    file = tmp_path / "hello.so"
    shutil.copy(process.plugin_file(build, "hello"), file)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    wanted = options({"key_of_api": "sm://p/key?destination=tempfile"})
    wanted["plugins"]["hello"] = {"path": str(file)}
    s = server(**wanted, env={**google.env(), "TMPDIR": str(temporary)})
    old = set(temporary.iterdir())

    with held.held(file) as slow:
        s.signal(signal.SIGHUP)
        reader = slow.wait_opener()
        assert len(set(temporary.iterdir()) - old) == 1
        if how == "killed":
            os.kill(reader, signal.SIGKILL)
            s.wait_line("the process that reads them Killed")
        else:
            s.signal(signal.SIGTERM)
            assert s.wait_end() == 0
            old = set()
        wait.until(lambda: set(temporary.iterdir()) == old, "the end of its file")


# -- answers that are made to harm

def test_token_that_lasts_for_ever_is_taken(google, program):
    google.add("key", VALUE)
    google.expires_in = 2**63 - 1
    done = program("exec", "sh", "-c", "echo $A", env={**google.env(), "A": "sm://p/key#1"})

    assert done.stdout == VALUE + "\n" and google.count("/token") == 1


@NAMESPACES
def test_silent_name_server_does_not_outlast_the_deadline(google, build, tmp_path, config_dir):
    """It would be asked four times in nine seconds."""
    queries = []
    folder = config_dir({"app_secret": "sm://p/key#1", "secrets": {"deadline_ms": 800}})
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.9.9.9\noptions timeout:3 attempts:2\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.9.9.9", 53))
        listener = threading.Thread(target=count_queries, args=(silent, queries), daemon=True)
        listener.start()
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", f"mount --bind {resolv} /etc/resolv.conf; exec \"$@\"",
             "sh", build / "sim-exchange", "serve", "--config", folder], cwd=tmp_path,
            env=process.environment({**google.env(), "GCE_METADATA_HOST": "metadata.example"}),
            capture_output=True, text=True, check=False)
        n_queries = len(queries)
        silent.sendto(b"", silent.getsockname())
        listener.join()

    assert "metadata.example: no answer within 800 ms" in done.stderr, done.stderr
    assert done.returncode == 2
    assert 0 < n_queries < 4, queries


def count_queries(silent, queries):
    while query := silent.recv(512):
        queries.append(query)


@pytest.mark.parametrize("call, whose", [(":decrypt", "Cloud KMS"), ("/storage/", "Cloud Storage")])
def test_answer_that_is_no_json_is_told_with_whose_it_is(google, program, call, whose):
    google.seal("b", "o", VALUE)
    google.fault(call, Body(VALUE.encode()))
    done = program("exec", "--", "env", env={**google.env(), "V": "berglas://b/o"})
    assert done.returncode == 1 and VALUE not in done.stdout + done.stderr
    assert f"expected JSON from {whose}, found something else" in done.stderr
