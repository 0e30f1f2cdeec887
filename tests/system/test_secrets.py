"""References to secrets against a double of Google's services (harness/google.py): what arrives, what
is refused and with which words, what a bad day does, and where a value must never be seen."""
import os
import pathlib
import pwd
import re
import signal
import socket
import subprocess

import pytest

from harness import process
from harness.google import KEY, Body, Drop, Google, Redirect, Status, WrongCrc

VALUE = "hunter2-of-the-database"
NEXT = "hunter3-of-the-database"


@pytest.fixture
def google():
    with Google() as double:
        yield double


@pytest.fixture
def execute(program, google):
    """execute(A="sm://…"): the environment of `exec -- env`, and how it ended."""
    def run(*options, command=("env", "-0"), env=None, **variables):
        done = program("exec", *options, "--", *command,
                       env={**google.env(), **(env or {}), **variables})
        assert "hunter" not in done.stderr, done.stderr
        found = dict(item.split("=", 1) for item in done.stdout.split("\0") if "=" in item)
        return done, found

    return run


def refusals(execute, references, **more):
    """Why each of them has no value; the program must not have begun."""
    done, found = execute(**{f"V{i:02}": text for i, text in enumerate(references)}, **more)
    assert done.returncode == 1 and not found, done
    told = dict(part.split(": ", 1) for part in ("\n" + done.stderr).split("\nenvironment ")[1:])
    assert len(told) == len(references), done.stderr
    why = []
    for i, text in enumerate(references):
        assert told[f"V{i:02}"].startswith(text + ": "), done.stderr
        why.append(told[f"V{i:02}"][len(text) + 2:].rstrip("\n") + "\n")
    return why


def refusal(execute, reference, **more):
    return refusals(execute, [reference], **more)[0]


# -- what arrives

def test_a_program_gets_values_instead_of_references(google, execute):
    google.add("db", VALUE)
    google.add("db", NEXT)
    google.add("empty", "")
    google.add("bytes", b"\xff\n")
    google.add("looks", "sm://p/db#1")
    generation = google.seal("bucket", "folder/key é", VALUE)

    done = subprocess.run([process.CHECKOUT / os.environ.get("SX_TEST_BUILD", "build/asan") /
                           "sim-exchange", "exec", "env", "-0"], capture_output=True, check=True,
                          env=process.environment({
                              **google.env(), "ONE": "sm://p/db#1", "LATEST": "sm://p/db",
                              "ALSO": "sm://p/db#latest", "EMPTY": "sm://p/empty#1",
                              "BYTES": "sm://p/bytes#1", "LOOKS": "sm://p/looks#1",
                              "SEALED": "berglas://bucket/folder%2Fkey%20%C3%A9",
                              "PINNED": f"berglas://bucket/folder/key%20%C3%A9#{generation}",
                              "PLAIN": "sm:/p/db"}))

    found = dict(item.split(b"=", 1) for item in done.stdout.split(b"\0") if item)
    assert found[b"ONE"] == found[b"SEALED"] == found[b"PINNED"] == VALUE.encode()
    assert found[b"LATEST"] == found[b"ALSO"] == NEXT.encode()
    assert found[b"EMPTY"] == b"" and found[b"BYTES"] == b"\xff\n"
    assert found[b"LOOKS"] == b"sm://p/db#1" and found[b"PLAIN"] == b"sm:/p/db"
    assert google.count("/token") == 1


def test_exec_is_the_program(google, execute, build, tmp_path):
    google.add("db", VALUE)
    status = execute(A="sm://p/db#1", command=("sh", "-c", "exit 37"))[0].returncode
    killed = execute(A="sm://p/db#1", command=("sh", "-c", "kill -9 $$"))[0].returncode
    options = execute(command=("echo", "--env", "-x"))[0].stdout
    missing, _ = execute(command=("no-such-program",))
    folder, _ = execute(command=(str(tmp_path),))
    nothing = subprocess.run([build / "sim-exchange", "exec"], capture_output=True, text=True,
                             env=process.environment(), check=False)

    assert status == 37 and killed == -signal.SIGKILL
    assert options == "--env -x\n"
    assert missing.returncode == 127 and "no-such-program: cannot be executed" in missing.stderr
    assert folder.returncode == 126
    assert nothing.returncode == 2 and "expected a command behind --" in nothing.stderr
    assert google.count("secrets/db") == 2


def test_destination_is_a_file_for_its_owner_only(google, execute, tmp_path):
    google.add("bytes", b"\0\xff")
    path = tmp_path / "a b"
    path.write_text("old")
    path.chmod(0o644)
    _, found = execute(A=f"sm://p/bytes?destination={tmp_path}/a%20b#1",
                       B="sm://p/bytes?destination=tempfile#1",
                       C="sm://p/bytes?destination=tmpfile#1",
                       D="sm://p/bytes?destination=tempfile#1", env={"TMPDIR": str(tmp_path)})

    assert google.count("secrets/bytes/") == 1  # equal ones are asked for once

    assert found["A"] == str(path) and found["B"] == found["D"] != found["C"]
    for name in "ABC":
        file = pathlib.Path(found[name])
        assert file.read_bytes() == b"\0\xff" and file.stat().st_mode & 0o7777 == 0o600
    assert pathlib.Path(found["B"]).parent == tmp_path


def test_twenty_are_asked_for_together(google, execute):
    """The double answers none before all twenty are there."""
    google.together = 20
    for i in range(20):
        google.add(f"s{i}", f"value {i}")
    _, found = execute(**{f"V{i}": f"sm://p/s{i}#1" for i in range(20)})

    assert [found[f"V{i}"] for i in range(20)] == [f"value {i}" for i in range(20)]
    assert google.most == 20 and google.count("/token") == 1


# -- bad days

def test_failures_that_pass_are_tried_again(google, execute):
    google.add("db", VALUE)
    google.seal("b", "o", NEXT)
    google.fault("secrets/db", Status(500), Status(503), Status(429), Drop())
    google.fault("/token", Drop(), Status(503))
    google.fault("alt=media", Drop())
    google.fault(":decrypt", Status(500))
    _, found = execute(A="sm://p/db#1", B="berglas://b/o")

    assert (found["A"], found["B"]) == (VALUE, NEXT)
    assert google.count("secrets/db") == 5 and google.count("/token") == 3


FAILURES = [  # what happens, how often it is tried, how it is told
    (Status(403), 1, "expected 200, found 403 PERMISSION_DENIED\n"
                     "Grant roles/secretmanager.secretAccessor to the service account.\n"),
    (Status(404), 1, "expected 200, found 404 NOT_FOUND\n"
                     "There is no version of a secret of this name.\n"),
    (Status(400), 1, "expected 200, found 400 INVALID_ARGUMENT\n"),
    (Status(503), 5, "expected 200, found 503 UNAVAILABLE, tried 5 times\n"),
    (Drop(), None, ", tried 5 times\n"),  # libcurl tries a connection that it had once more
    (WrongCrc(), 1, "the value is damaged: it does not have the CRC32C that came with it\n"),
    (Body(b"hunter2"), 1, "expected JSON from Secret Manager, found something else\n"),
    (Body(b"{}"), 1, "expected a payload in Secret Manager's answer, found none\n"),
    (Body(b'{"payload": {"data": 7}}'), 1, "expected a payload in Secret Manager's answer, "),
    (Body(b'{"payload": {"data": "hunter2"}}'), 1, "expected base64 as payload.data, found "),
    (Body(b'{"payload": {"data": "aHVudGVyMg==", "dataCrc32c": "-1"}}'), 1, "is damaged"),
    (Body(b"x" * (5 << 20)), 1, "cannot be asked: its answer is too long\n"),
]


def test_each_failure_has_its_words(google, execute):
    """All at once; none of them takes another with it."""
    for i, (fault, _, _) in enumerate(FAILURES):
        google.add(f"s{i}", VALUE)
        google.fault(f"secrets/s{i}/", fault, forever=True)
    why = refusals(execute, [f"sm://p/s{i}#1" for i in range(len(FAILURES))])

    for i, (_, calls, words) in enumerate(FAILURES):
        assert words in why[i]
        assert calls in (None, google.count(f"secrets/s{i}/"))


def test_redirect_is_not_followed(google, execute):
    google.add("db", VALUE)
    with Google() as elsewhere:
        google.fault("secrets/db", Redirect(f"http://127.0.0.1:{elsewhere.port}/stolen"))

        assert "found 302\nA redirect is not followed.\n" in refusal(execute, "sm://p/db#1")
        assert elsewhere.calls == []


def test_refused_token_is_fetched_once_more(google, execute):
    google.add("db", VALUE)
    google.fault("secrets/db", Status(401))
    _, found = execute(A="sm://p/db#1")
    assert found["A"] == VALUE and google.count("/token") == 2

    google.fault("secrets/db", Status(401), forever=True)
    assert "expected 200, found 401 UNAUTHENTICATED" in refusal(execute, "sm://p/db#1")
    assert google.count("/token") == 4


@pytest.mark.thorough
def test_token_that_ends_soon_is_used_and_not_kept(google, execute):
    google.add("db", VALUE)
    google.seal("b", "o", NEXT)
    google.expires_in = 59
    _, found = execute(A="berglas://b/o")

    assert found["A"] == NEXT and google.count("/token") == 3  # one for each of its calls


@pytest.mark.parametrize("fault, why", [
    (Status(404), "no token: "),
    (Body(b'{"access_token": "a\\r\\nX: y", "expires_in": 99}'), "expected access_token and "),
], ids=["none", "header"])
def test_no_token_is_told(google, execute, fault, why):
    google.fault("/token", fault, forever=True)
    assert why in refusal(execute, "sm://p/db#1")
    assert google.count("secrets") == 0


def test_envelope_that_does_not_open_is_told(google, execute):
    google.seal("b", "moved", VALUE, additional="other")
    google.put("b", "plain", VALUE.encode())
    google.put("b", "foreign", b"a:b", metadata={})
    google.put("b", "path", b"a:b", metadata={"berglas-kms-key": f"{KEY}/../../x:destroy"})
    generation = google.seal("b", "bent", VALUE)
    metadata, blob = google.objects["b", "bent"][generation]
    google.objects["b", "bent"][generation] = metadata, blob[:-8] + b"AAAA" + blob[-4:]

    why = refusals(execute, [f"berglas://b/{name}" for name in
                             ("moved", "plain", "foreign", "path", "bent", "none")])

    assert "found 400 INVALID_ARGUMENT" in why[0]
    assert "the object is damaged: expected base64(key)" in why[1]
    assert "without the metadata berglas-kms-key" in why[2]
    assert "expected a key of Cloud KMS in the metadata" in why[3]
    assert "the object is damaged: its key does not open it" in why[4]
    assert "found 404 NOT_FOUND\nThere is no object of this name." in why[5]
    assert google.count("destroy") == 0


@pytest.mark.thorough
def test_key_of_another_length_is_told(google, execute):
    google.seal("b", "o", VALUE)
    google.fault(":decrypt", Body(b'{"plaintext": "aHVudGVyMg=="}'))
    assert "expected a key of 32 bytes from Cloud KMS" in refusal(execute, "berglas://b/o")


@pytest.mark.thorough
def test_object_that_changes_meanwhile_is_read_as_it_was(google, execute):
    """The bytes are those of the generation whose key was looked at."""
    first = google.seal("b", "o", VALUE)
    google.fault("alt=media", Status(500))
    _, found = execute(A=f"berglas://b/o#{first}")
    google.seal("b", "o", NEXT)

    assert found["A"] == VALUE
    assert all(f"generation={first}" in call for call in google.calls if "alt=media" in call)


def test_value_that_is_no_text_is_told(google, execute):
    google.add("nul", "hunter\0two")
    assert "expected text, found a NUL byte in the value\nBytes go to a file" in refusal(
        execute, "sm://p/nul#1")


@pytest.mark.thorough
def test_destination_that_cannot_be_written_is_told_and_leaves_nothing(google, execute, tmp_path):
    google.add("db", VALUE)
    done, _ = execute(A="sm://p/db?destination=tempfile#1", B="sm://p/db?destination=/nowhere/a#1",
                      env={"TMPDIR": str(tmp_path)})
    twice, _ = execute(A=f"sm://p/db?destination={tmp_path}/x#1",
                       B=f"sm://p/db?destination={tmp_path}/x#latest")

    assert done.returncode == 1
    assert "/nowhere/a: cannot be written: No such file or directory" in done.stderr
    assert not list(tmp_path.glob("sim-exchange-secret-*"))
    assert "expected a destination of its own, found that of another reference" in twice.stderr


def test_address_that_is_no_loopback_needs_tls(google, execute):
    done, _ = execute(A="sm://p/db#1", env={
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": "http://127.0.0.1.example/"})
    assert done.returncode == 1 and google.calls == []
    assert ("environment CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER: expected https://, or "
            "http:// to loopback, found") in done.stderr


def test_certificate_is_checked(google, execute, tmp_path):
    """The same certificate, trusted and not."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=double",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    with Google(tls=(cert, key)) as secure:
        secure.add("db", VALUE)
        secure.tokens = google.tokens
        env = secure.env(metadata=google)
        _, found = execute(A="sm://p/db#1", env={**env, "SSL_CERT_FILE": str(cert)})
        why = refusal(execute, "sm://p/db#1", env=env)

    assert found["A"] == VALUE
    assert "cannot be asked: SSL peer certificate" in why
    assert secure.count("secrets") == 1


def test_production_wants_versions(google, execute):
    google.add("db", VALUE)
    done, _ = execute(A="sm://p/db", env={"SX_ENV": "production"})
    calls = len(google.calls)
    _, found = execute("--unpinned", A="sm://p/db", env={"SX_ENV": "production"})

    assert found["A"] == VALUE
    assert done.returncode == 2 and calls == 0
    assert "environment A: sm://p/db: expected a version behind '#', found latest" in done.stderr


# -- the server

def seen(pid):
    """What anybody may read of a process."""
    root = pathlib.Path(f"/proc/{pid}")
    return (root / "environ").read_bytes() + (root / "cmdline").read_bytes()


def start(server, google, options, env=None, **config):
    return server(config, plugins={"declared": {"options": options}, "hello": {}},
                  env={**google.env(), **(env or {})}, wants_database=False)


@pytest.mark.skipif(not process.sees_others(), reason="needs CAP_SYS_PTRACE to look into processes")
def test_plugin_gets_its_values_and_nobody_sees_them(google, server, program):
    google.add("key", VALUE)
    google.add("depth", "12")
    s = start(server, google, {"key_of_api": "${TOKEN}", "depth": "sm://p/depth#1"},
              {"TOKEN": "sm://p/key#1", "APP_SECRET": "sm://p/key", "MINE": "kept"})

    config = s.get("/config").json
    effective = program("config", "--config", s.config, env={
        **google.env(), "TOKEN": "sm://p/key#1", "APP_SECRET": "sm://p/key"})
    calls = len(google.calls)

    assert config == {"key_of_api": VALUE, "depth": 12}
    for pid in [s.process.pid, *s.workers()]:
        assert VALUE.encode() not in seen(pid)
    for pid in s.workers():
        environment = seen(pid)
        assert b"sm://" not in environment and b"APP_SECRET" not in environment
        assert b"MINE=kept" in environment
    assert re.search(r'^plugins.declared.options.depth += "sm://p/depth#1" .*# \S+json:\d+$',
                     effective.stdout, re.MULTILINE), effective.stdout
    assert re.search(r'^app_secret += "sm://p/key" .*# environment APP_SECRET$', effective.stdout,
                     re.MULTILINE)
    assert VALUE not in effective.stdout + s.output() and calls == len(google.calls)


@pytest.mark.skipif(not process.sees_others(), reason="needs CAP_SYS_PTRACE to look into processes")
def test_nothing_is_asked_for_without_need(google, server, build):
    """No reference: no call, and the module is in nobody's memory.  A disabled plugin has none."""
    google.add("key", VALUE)
    s = start(server, google, {"key_of_api": "sm://p/key#1"})
    maps = [pathlib.Path(f"/proc/{pid}/maps").read_text() for pid in [s.process.pid, *s.workers()]]
    s.rewrite(plugins={"hello": {}, "declared": {
        "enabled": False, "options": {"key_of_api": "sm://p/nothing#1"}}})
    s.reload()

    assert s.get("/hello").status == 200 and s.get("/config").status == 404
    assert google.count("nothing") == 0 and google.count("secrets/key") == 1
    assert not any("sx_secret" in text or "libcurl" in text for text in maps)


@pytest.mark.skipif(not process.sees_others(), reason="needs CAP_SYS_PTRACE to look into processes")
def test_plain_secret_of_the_environment_stays_with_the_supervisor(google, server):
    """As far as the configuration says that it is one."""
    s = start(server, google, {"key_of_api": "${API_TOKEN}"}, {
        "APP_SECRET": VALUE, "API_TOKEN": NEXT, "OF_DATABASE": "x=y", "OTHER": "unknown"},
        database={"direct_url": "${OF_DATABASE}"})

    assert s.get("/config").json["key_of_api"] == NEXT
    for pid in s.workers():
        environment = seen(pid)
        assert VALUE.encode() not in environment and b"OF_DATABASE" not in environment
        # its key has no name of a secret's
        assert b"API_TOKEN" in environment and b"OTHER=unknown" in environment


def test_start_fails_with_the_place_of_each_reference(google, config_dir, program):
    folder = config_dir({"app_secret": "sm://p/none#1"}, {"declared": {"options": {
        "key_of_api": "${TOKEN}", "depth": "sm://p/a/b"}}})
    env = {**google.env(), "TOKEN": "sm://p/gone#2"}
    malformed = program("serve", "--config", folder, env=env)
    (folder / "development.json").write_text(
        (folder / "development.json").read_text().replace("sm://p/a/b", "sm://p/c#1"))
    failed = program("serve", "--config", folder, env=env)

    assert malformed.returncode == 2 and failed.returncode == 2
    assert re.search(r"^config/development.json:\d+: plugins.declared.options.depth: sm://p/a/b: "
                     r"expected sm://PROJECT/NAME", malformed.stderr.replace(str(folder.parent) +
                                                                            "/", ""), re.MULTILINE)
    for place in (r"app_secret: sm://p/none#1", r"plugins.declared.options.depth: sm://p/c#1",
                  r"plugins.declared.options.key_of_api: \$\{TOKEN\}: sm://p/gone#2"):
        assert re.search(rf"development.json:\d+: {place}: .*found 404 NOT_FOUND", failed.stderr), (
            failed.stderr)


def test_value_of_another_type_is_told_without_it(google, config_dir, program):
    google.add("depth", VALUE)
    folder = config_dir({"server": {"port": "sm://p/depth#1"}, "log": {"level": "sm://p/depth#1"}},
                        {"declared": {"options": {"depth": "sm://p/depth#1"}}})
    core = program("serve", "--config", folder, env=google.env())
    folder = config_dir({}, {"declared": {"options": {"depth": "sm://p/depth#1"}}}, name="other")
    plugin = program("check", "--secrets", "--config", folder, env=google.env())

    assert "server.port: expected an integer, found something else" in core.stderr
    assert "log.level: expected one of " in core.stderr
    assert "options.depth: expected an integer, found another type" in plugin.stderr
    for done in (core, plugin):
        assert done.returncode == 2 and "hunter" not in done.stdout + done.stderr


def test_check_asks_nobody_unless_told(google, config_dir, program):
    google.add("key", VALUE)
    folder = config_dir({"server": {"port": "sm://p/port#1"}}, {"declared": {"options": {
        "depth": "sm://p/depth#1", "key_of_api": "sm://p/key#1"}}})
    done = program("check", "--config", folder, env=google.env())
    calls = len(google.calls)
    asked = program("check", "--secrets", "--config", folder, env=google.env())

    assert done.returncode == 0, done.stderr
    assert done.stdout == ("development: no fault found\ndeclared: not checked by itself: it needs "
                           "secrets (--secrets asks for them)\n")
    assert calls == 0
    assert asked.returncode == 2 and asked.stderr.count("found 404") == 2


def test_secrets_check_tells_everything_but_the_value(google, config_dir, program):
    google.add("key", VALUE)
    google.add("key", NEXT)
    generation = google.seal("b", "o", VALUE)
    folder = config_dir({"app_secret": "berglas://b/o"}, {"declared": {"options": {
        "key_of_api": "${TOKEN}"}}})
    env = {**google.env(), "TOKEN": "sm://p/key", "OTHER": "sm://p/key#1"}
    done = program("secrets", "check", "--config", folder, env=env)
    google.fault("versions/1", Status(403), forever=True)
    failed = program("secrets", "check", "--config", folder, env=env)
    malformed = program("secrets", "check", "--config", folder, env={**env, "OTHER": "sm://p"})
    nothing = program("secrets", "check", "--config", process.CHECKOUT / "config",
                      env=google.env())

    lines = done.stdout.replace(str(folder), "config").splitlines()
    assert done.returncode == 0 and len(lines) == 4, done.stdout + done.stderr
    assert any(re.match(r"config/development.json:\d+: app_secret: berglas://b/o: version "
                        rf"{generation} \(not pinned\), 23 bytes$", line) for line in lines)
    assert "environment OTHER: sm://p/key#1: version 1, 23 bytes" in lines
    assert "environment TOKEN: sm://p/key: version 2 (not pinned), 23 bytes" in lines
    assert failed.returncode == 1 and "OTHER: sm://p/key#1: " in failed.stderr
    assert "environment TOKEN: sm://p/key: version 2" in failed.stdout
    assert malformed.returncode == 2
    assert nothing.returncode == 0 and nothing.stdout == "no reference to a secret\n"
    for run in (done, failed, malformed):
        assert "hunter" not in run.stdout + run.stderr


def test_production_wants_versions_in_the_configuration(google, config_dir, program):
    google.add("key", VALUE)
    folder = config_dir({"app_secret": "sm://p/key"})
    (folder / "production.json").write_text((folder / "development.json").read_text())
    refused = program("check", "--env", "production", "--config", folder, env=google.env())
    told = program("secrets", "check", "--env", "production", "--config", folder,
                   env=google.env())
    pinned = program("pin", "--env", "production", "--config", folder, env=google.env())
    text = (folder / "production.json").read_text()
    (folder / "production.json").write_text(
        text.replace('"app_secret"', '"secrets": {"pins": "optional"}, "app_secret"'))
    allowed = program("check", "--env", "production", "--config", folder, env=google.env())

    assert refused.returncode == 2
    assert re.search(r"production.json:\d+: app_secret: sm://p/key: expected a version behind '#'",
                     refused.stderr)
    assert told.returncode == 2 and "version 1 (not pinned)" in told.stdout
    assert pinned.returncode == 0
    assert allowed.returncode == 0, allowed.stderr


def test_reload_takes_a_rotated_secret_or_changes_nothing(google, server):
    google.add("key", VALUE)
    s = start(server, google, {"key_of_api": "sm://p/key"})
    google.add("key", NEXT)
    google.fault("secrets/key", Status(403), forever=True)

    s.signal(signal.SIGHUP)
    s.wait_line(re.compile(r"development.json:\d+: plugins.declared.options.key_of_api: sm://p/key: "
                           r".*found 403 PERMISSION_DENIED"))
    s.wait_line("generation 1 goes on serving")

    assert s.get("/config").json["key_of_api"] == VALUE
    google.fault("secrets/key")
    s.reload()
    assert s.get("/config").json["key_of_api"] == NEXT
    assert not any("hunter" in str(line) for line in s.lines)


def test_server_serves_and_stops_while_a_reload_waits_for_a_secret(google, server):
    """Secret Manager does not answer: requests do, and TERM ends it."""
    google.add("key", VALUE)
    s = start(server, google, {"key_of_api": "sm://p/key"})
    google.together = 99  # the next call waits for others that do not come

    s.signal(signal.SIGHUP)
    with google.lock:
        assert google.lock.wait_for(lambda: google.running > 0, 30)
    assert s.get("/config").json["key_of_api"] == VALUE
    s.signal(signal.SIGTERM)
    assert s.wait_end() == 0
    google.together = 0
    with google.lock:
        google.most = 99
        google.lock.notify_all()


@pytest.mark.thorough
def test_temporary_file_lives_as_long_as_its_generation(google, server, tmp_path):
    google.add("key", VALUE)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    s = start(server, google, {"key_of_api": "sm://p/key?destination=tempfile"},
              {"TMPDIR": str(temporary)})
    old = pathlib.Path(s.get("/config").json["key_of_api"])
    assert old.read_text() == VALUE and old.parent == temporary

    google.add("key", NEXT)
    s.reload()
    new = pathlib.Path(s.get("/config").json["key_of_api"])
    s.wait_line("generation 1 has ended")
    assert new.read_text() == NEXT and list(temporary.glob("sim-*-secret-*")) == [new]

    google.fault("secrets/key", Status(404), forever=True)
    s.signal(signal.SIGHUP)
    s.wait_line("goes on serving")
    s.signal(signal.SIGTERM)
    assert s.wait_end() == 0
    assert not list(temporary.glob("sim-*-secret-*"))


def test_deadline_ends_a_start_that_nobody_answers(google, config_dir, program):
    """A socket that takes connections and says nothing."""
    folder = config_dir({"app_secret": "sm://p/key#1", "secrets": {"deadline_ms": 800}})
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        done = program("serve", "--config", folder, env={**google.env(), "GCE_METADATA_HOST": host})

    assert done.returncode == 2
    assert f"sm://p/key#1: {host}: no answer within 800 ms" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.thorough
def test_file_is_of_the_user_who_serves(google, config_dir, program, tmp_path):
    """Root asks, nobody serves: told where the first check of the copies ends."""
    google.add("key", VALUE)
    tmp_path.chmod(0o755)
    path = tmp_path / "key"
    folder = config_dir({"process": {"user": "nobody"}, "server": {"start_ms": 100000}},
                        {"declared": {"options": {"key_of_api": f"sm://p/key?destination={path}#1",
                                                  "depth": "sm://p/key#1"}}})
    done = program("serve", "--config", folder, env=google.env())

    assert done.returncode != 0  # an option is of another type
    assert path.read_text() == VALUE
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (pwd.getpwnam("nobody").pw_uid,
                                                                 0o600)


def test_database_by_the_old_names_and_by_a_part_of_a_url(google, new_database, config_dir, program):
    """The password of the old deployment, and one inside a URL: migrate asks for those only."""
    url = new_database()
    google.add("url", url)
    google.add("name", url.rsplit("/", 1)[1].split("?")[0])
    whole = config_dir({}, {"declared": {"options": {"key_of_api": "sm://p/none#1"}}},
                       url="sm://p/url#1")
    done = program("migrate", "--config", whole, env=google.env())
    part = config_dir({"database": {"url": "${DATABASE}"}}, {}, name="part")
    old = program("config", "--config", part, env={
        **google.env(), "DATABASE": "", "SQL_PROXY_PATH": "/cloudsql", "INSTANCE_NAME1": "i",
        "MFDB_NAME": "n", "MFDB_USER": "u", "MFDB_PASSWORD": "sm://p/none#1"})

    assert done.returncode == 0, done.stderr
    assert google.count("none") == 0
    assert "password=***" in old.stdout and old.returncode == 0


@pytest.mark.thorough
def test_server_reaches_its_database_by_a_secret(google, server, new_database):
    url = new_database()
    google.add("url", url)
    s = server({"database": {"url": "x=y"}}, plugins=["hello"],
               env={**google.env(), "DATABASE_URL": "sm://p/url#1"}, url=url, migrate=False)

    assert s.get("/_sx/ready").status == 200
    for pid in s.workers():
        assert url.encode() not in seen(pid)
