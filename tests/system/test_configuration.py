"""Broken configurations: each fault is told with file and line, all of them at once, and the
program ends with 2."""
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from harness import process

BROKEN = {
    # name: (text of development.json, faults as (line, parts))
    "no JSON": ('{\n  "server": {\n', [(3, ["expected JSON"])]),
    "a NUL byte": ('{\n  "server": {"port": 1\0}\n}', [(2, ["found a NUL byte"])]),
    "no object": ('\n[]', [(1, ["expected an object, found a list"])]),
    "no UTF-8": (b'{\n"app_secret": "\xff"}', [(2, ["expected JSON"])]),
    "unknown key": ('{\n"server": {\n"prot": 1}}', [(3, ["server.prot", "unknown key", '"port"'])]),
    "unknown section": ('{\n"extra": 1}', [(2, ["extra", "unknown key"])]),
    "key given twice": ('{"server": {\n"port": 1,\n"port": 2}}', [(3, ["server.port", "line 2"])]),
    "section that is none": ('{\n"server": null}', [(2, ["server", "an object", "null"])]),
    "number above": ('{"server": {\n"port": 70000}}', [(2, ["server.port", "65535", "70000"])]),
    "number below": ('{"server": {\n"workers": -1}}', [(2, ["server.workers", "0", "-1"])]),
    "fraction": ('{"server": {\n"workers": 1.5}}', [(2, ["an integer", "1.5"])]),
    "text for number": ('{"server": {\n"port": "80"}}', [(2, ["an integer", '"80"'])]),
    "number for text": ('{"log": {\n"format": 3}}', [(2, ["log.format", "text", "3"])]),
    "text for boolean": ('{"http": {\n"gzip": "yes"}}', [(2, ["http.gzip", "boolean", '"yes"'])]),
    "text for list": ('{"server": {\n"listen": "x:1"}}', [(2, ["server.listen", "list"])]),
    "huge number": ('{"http": {\n"body_bytes": 9223372036854775808}}', [(2, ["expected JSON"])]),
    "address": ('{"server": {\n"address": "nowhere"}}', [(2, ["IPv4", '"nowhere"'])]),
    "listen without port": ('{"server": {"listen": [\n"127.0.0.1:1",\n"1.2.3.4"]}}',
                            [(3, ["server.listen[1]", '"1.2.3.4"'])]),
    "network": ('{"server": {"trusted_proxies": [\n"10.0.0.0/40"]}}',
                [(2, ["trusted_proxies[0]", '"10.0.0.0/40"'])]),
    "origin": ('{"http": {"cors": {"origins": [\n"example.com"]}}}',
               [(2, ["origins[0]", '"example.com"'])]),
    "credentials for all": ('{"http": {"cors": {"origins": ["*"],\n"credentials": true}}}',
                            [(2, ["cors.credentials", "true"])]),
    "method": ('{"http": {"cors": {"methods": [\n"GE T"]}}}', [(2, ["methods[0]", '"GE T"'])]),
    "database": ('{"database": {\n"url": "mysql://h"}}', [(2, ["database.url", "mysql://h"])]),
    "pooler": ('{"database": {\n"pooler": "session"}}', [(2, ['"transaction"', '"session"'])]),
    "pool": ('{"database": {\n"pool_size": 0}}', [(2, ["database.pool_size", "1", "0"])]),
    "level": ('{"log": {\n"level": "loud"}}', [(2, ["log.level", '"warning"', '"loud"'])]),
    "project": ('{"log": {\n"trace_project": "A B"}}', [(2, ["log.trace_project", '"A B"'])]),
    "variable": ('{\n"app_secret": "${NOT_SET}"}', [(2, ["app_secret", "NOT_SET", "not set"])]),
    "open variable": ('{\n"app_secret": "${X"}', [(2, ["app_secret", "${NAME}"])]),
    "plugin's name": ('{"plugins": {\n"Hello": {}}}', [(2, ["plugins.Hello", "lower-case"])]),
    "plugin's file": ('{"plugins": {\n"nothere": {}}}', [(2, ["nothere.so", "No such file"])]),
    "plugin's path": ('{"plugins": {"hello": {\n"path": "/nowhere.so"}}}',
                      [(2, ["plugins.hello.path", "/nowhere.so", "No such file"])]),
    "plugin's prefix": ('{"plugins": {"hello": {"mount": {\n"prefix": "hello"}}}}',
                        [(2, ["plugins.hello.mount.prefix", '"hello"'])]),
    "plugin's grant": ('{"plugins": {"hello": {"grants": [\n"root"]}}}',
                       [(2, ["plugins.hello.grants[0]", '"root"'])]),
    "plugin's digest": ('{"plugins": {"hello": {\n"sha256": "abc"}}}', [(2, ["64", '"abc"'])]),
    "plugin's limit": ('{"plugins": {"hello": {"limits": {\n"timeout_ms": -5}}}}',
                       [(2, ["plugins.hello.limits.timeout_ms", "-5"])]),
    "plugin's option": ('{"plugins": {"hello": {"options": {\n"nope": 1}}}}',
                        [(2, ["plugins.hello.options.nope"])]),
    "several": ('{"database": {\n"pool_size": 3000,\n"queue": true,\n"roles": 1}}',
                [(2, ["pool_size"]), (3, ["queue"]), (4, ["roles"])]),
}


def faults(done, folder):
    """The faults of a run as (file, line, text); hints have no place."""
    place = re.compile(re.escape(str(folder)) + r"/([a-z]+\.json):(\d+): (.*)")
    found = (place.fullmatch(line) for line in done.stderr.splitlines())
    return [(m[1], int(m[2]), m[3]) for m in found if m]


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_fault_is_told_with_file_and_line(program, config_dir, name):
    text, expected = BROKEN[name]
    folder = config_dir()
    (folder / "development.json").write_bytes(text if isinstance(text, bytes) else text.encode())

    done = program("check", "--config", folder)

    assert done.returncode == 2
    found = faults(done, folder)
    assert [(file, line) for file, line, _ in found] == [("development.json", line)
                                                         for line, _ in expected], done.stderr
    for (_, _, told), (_, parts) in zip(found, expected):
        assert all(part in told or part in done.stderr for part in parts), done.stderr


ALL_AT_ONCE = {
    "server": {"port": 0, "workers": "x", "address": "?", "listen": [1], "prot": 1},
    "http": {"gzip": 1, "connections": 0, "cors": {"origins": ["?"], "methods": 1}},
    "database": {"url": "?", "pooler": "?", "pool_size": 0, "queue": -1},
    "log": {"level": "?", "format": "?", "access": "?", "slow_ms": "?"},
    "app_secret": "${NOT_SET}",
    "plugins": {"A": {}, "hello": {"enabled": 0, "path": 1, "sha256": "?", "grants": ["?"],
                                   "mount": {"prefix": "?", "host": "??"},
                                   "limits": {"body_bytes": -1}}},
    "more": {},
}


def test_all_faults_are_told_at_once_in_the_order_of_the_lines(program, config_dir):
    folder = config_dir()
    (folder / "development.json").write_text(json.dumps(ALL_AT_ONCE, indent=2))

    done = program("check", "--config", folder)

    assert done.returncode == 2
    lines = [line for _, line, _ in faults(done, folder)]
    assert len(lines) == 27 and lines == sorted(lines), done.stderr
    assert len(set(lines)) == 27


def test_faults_of_both_files_are_told(program, config_dir):
    folder = config_dir()
    (folder / "base.json").write_text('{"server": {\n"port": "a"}}')
    (folder / "development.json").write_text('{"server": {\n\n"port": "b"}}')

    done = program("check", "--config", folder)

    assert done.returncode == 2
    assert {(file, line) for file, line, _ in faults(done, folder)} == {("base.json", 2),
                                                                        ("development.json", 3)}


@pytest.mark.parametrize("env, parts", [
    ({"PORT": "http"}, ["environment PORT: server.port", '"http"']),
    ({"PORT": "0"}, ["environment PORT: server.port", "at least 1"]),
    ({"DATABASE_URL": "http://x"}, ["environment DATABASE_URL: database.url", "http://x"]),
    ({"SQL_PROXY_PATH": "/c"}, ["INSTANCE_NAME1", "MFDB_NAME", "MFDB_USER", "SQL_PROXY_PATH"]),
])
def test_fault_in_the_environment_names_the_variable(program, config_dir, env, parts):
    done = program("check", "--config", config_dir(), env=env)

    assert done.returncode == 2
    assert all(part in done.stderr for part in parts), done.stderr


@pytest.mark.parametrize("key, url, why", [
    ("url", "host=a nonsense=b", 'invalid connection option "nonsense"'),
    ("url", "postgresql://user:hunter2%zz@h/x", "libpq cannot read it"),
    ("direct_url", "host=a nonsense=b", 'invalid connection option "nonsense"'),
])
@pytest.mark.parametrize("command", ["check", "serve", "migrate"])
def test_a_url_that_libpq_cannot_read_is_told(program, config_dir, command, key, url, why):
    database = {"url": "host=/nowhere", key: url}

    done = program(command, "--config", config_dir({"database": database}, plugins=["probe"]))

    assert done.returncode == (1 if command == "migrate" else 2)
    assert re.search(rf"development\.json:\d+: database\.{key}: expected .*{re.escape(why)}",
                     done.stderr), done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_faults_of_keys_do_not_hide_those_of_plugins(program, config_dir):
    folder = config_dir({"server": {"wrokers": 1}, "http": {"idle_ms": "long"},
                         "plugins": {"nosuch": {}, "site": {"grants": 3}}}, plugins=["hello"])

    done = program("check", "--config", folder)

    assert done.returncode == 2
    for part in ("server.wrokers: unknown key", "http.idle_ms: expected",
                 "plugins.site.grants: expected", 'plugin "nosuch": '):
        assert part in done.stderr
    assert len(re.findall(r"(?m)^/", done.stderr)) == 4, done.stderr


def test_output_that_does_not_arrive_is_a_failure(build, config_dir):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([build / "sim-exchange", "routes", "--config", config_dir(plugins=["hello"])],
                              env=process.environment(), stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)

    assert done.returncode == 1
    assert "No space left" in done.stderr


@pytest.mark.parametrize("command", ["check", "routes", "plugins", "config", "migrate", "serve"])
def test_every_command_refuses(program, config_dir, command):
    done = program(command, "--config", config_dir({"server": {"port": "x"}}))

    assert done.returncode == 2
    assert "server.port" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("command", ["check", "serve"])
def test_unknown_environment_is_refused_with_those_that_are(program, config_dir, command):
    done = program(command, "--config", config_dir(), "--env", "staging")

    assert done.returncode == 2
    assert 'unknown environment "staging"' in done.stderr and "development" in done.stderr


def test_a_password_is_not_told(program, config_dir):
    url = "postgresql://user:hunter2@nowhere/db"
    folder = config_dir({"database": {"url": url, "pool_size": "x"}, "app_secret": "sesame"})

    told = [program("check", "--config", folder), program("config", "--config", config_dir(
        {"database": {"url": url}, "app_secret": "sesame"}, name="good"))]

    assert [done.returncode for done in told] == [2, 0]
    for done in told:
        assert "hunter2" not in done.stdout + done.stderr
        assert "sesame" not in done.stdout + done.stderr


def test_check_has_no_side_effect(program, config_dir, tmp_path):
    folder = config_dir(plugins=["hello", "site"])
    before = sorted(tmp_path.rglob("*"))

    assert program("check", "--config", folder).returncode == 0

    assert sorted(tmp_path.rglob("*")) == before


# -- production

def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def production(config_dir, build):
    """production("probe", …): a folder whose production environment runs these plugins, pinned."""
    def write(*plugins, is_pinned=True):
        pins = {name: {"sha256": digest(process.plugin_file(build, name))} for name in plugins}
        folder = config_dir(plugins=pins if is_pinned else plugins)
        (folder / "development.json").rename(folder / "production.json")
        return folder

    return write


def test_check_of_production_refuses_probe(program, production):
    done = program("check", "--config", production("hello", "probe"), "--env", "production")

    assert done.returncode == 2
    assert '"probe"' in done.stderr
    assert 'expected the environment development or testing, found "production"' in done.stderr


def test_production_does_not_serve_probe(program, production):
    done = program("serve", "--config", production("probe"), "--env", "production",
                   env={"PORT": "1"})

    assert done.returncode == 2
    assert '"probe"' in done.stderr


def test_check_of_production_takes_the_others(program, production):
    folder = production("hello", "site", "techempower")

    done = program("check", "--config", folder, "--env", "production")

    assert done.returncode == 0, done.stderr


def test_production_refuses_a_plugin_without_a_pin_and_says_what_tells_it(program, production):
    folder = production("hello", "site", is_pinned=False)

    for command in ("check", "serve"):
        done = program(command, "--config", folder, "--env", "production")

        assert done.returncode == 2
        for name in ("hello", "site"):
            assert re.search(rf"production\.json:\d+: plugins\.{name}\.sha256: expected the SHA-256 "
                             rf"of \S+/{name}\.so, found none\nIn production every plugin is pinned: "
                             "sim-exchange pin --env production", done.stderr), done.stderr


def test_pins_are_optional_where_the_configuration_says_so_and_required_where_it_says_so(
        program, config_dir, production):
    folder = production("hello", is_pinned=False)
    overlay = folder / "production.json"
    whole = json.loads(overlay.read_text())
    overlay.write_text(json.dumps({**whole, "trust": {"pins": "optional"}}))
    assert program("check", "--config", folder, "--env", "production").returncode == 0

    folder = config_dir({"trust": {"pins": "required"}}, plugins=["hello"], name="strict")
    done = program("check", "--config", folder)
    assert (done.returncode, "plugins.hello.sha256: expected the SHA-256" in done.stderr) == (2,
                                                                                             True)


def test_pin_tells_what_production_asks_for(program, production, build):
    folder = production("hello", "site", is_pinned=False)
    overlay = folder / "production.json"

    done = program("pin", "--config", folder, "--env", "production")

    assert done.returncode == 0, done.stderr
    pins = json.loads(done.stdout)
    assert pins == {"plugins": {name: {"sha256": digest(build / f"plugins/{name}.so")}
                                for name in ("hello", "site")}}
    overlay.write_text(json.dumps(process.merged(json.loads(overlay.read_text()), pins)))
    assert program("check", "--config", folder, "--env", "production").returncode == 0


def test_pin_of_a_missing_file_is_a_fault(program, config_dir):
    folder = config_dir(plugins={"hello": {"path": "nosuch.so"}})

    done = program("pin", "--config", folder)

    assert (done.returncode, done.stdout) == (2, "")
    assert "nosuch.so: cannot be read: No such file" in done.stderr


# -- who could change it

GROUP_OTHERS = 12345  # nobody's own


def others_can(path, mode, group=None):
    """The mode of a file or folder, for the time of a check."""
    if group is not None:
        os.chown(path, -1, group)
    path.chmod(mode)


@pytest.mark.parametrize("what", ["base.json", "development.json", "hello.so", "folder", "above"])
def test_what_everybody_can_write_is_refused(program, config_dir, build, tmp_path, what):
    plugins = tmp_path / "above/plugins"
    plugins.mkdir(parents=True)
    shutil.copy(process.plugin_file(build, "hello"), plugins)
    folder = config_dir(plugins={"hello": {"path": str(plugins / "hello.so")}})
    path = {"hello.so": plugins / "hello.so", "folder": plugins,
            "above": plugins.parent}.get(what, folder / what)
    assert program("check", "--config", folder).returncode == 0

    path.chmod(0o777)
    done = program("check", "--config", folder)

    assert done.returncode == 2
    noun = "its folder" if path.is_dir() else "it"
    assert re.search(rf"{noun} can be written by everybody: found mode 0777\n"
                     rf"Mend it with: chmod o-w {path}$", done.stderr, re.MULTILINE), done.stderr
    if path.is_dir():  # as /tmp is
        path.chmod(0o1777)
        assert program("check", "--config", folder).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files to a group and a stranger")
@pytest.mark.parametrize("environment", ["development", "testing"])
@pytest.mark.parametrize("case", ["group", "stranger"])
def test_a_group_and_a_stranger_can_write_on_a_developers_machine_alone(program, config_dir, build,
                                                                        tmp_path, environment, case):
    file = tmp_path / "hello.so"
    shutil.copy(process.plugin_file(build, "hello"), file)
    folder = config_dir(plugins={"hello": {"path": str(file)}})
    (folder / "development.json").rename(folder / f"{environment}.json")
    file.chmod(0o664)  # as umask 002 leaves it: the group of root is root's alone
    assert program("check", "--config", folder, "--env", environment).returncode == 0

    if case == "group":
        os.chown(file, -1, GROUP_OTHERS)
    else:
        os.chown(file, 54321, -1)
        file.chmod(0o644)
    done = program("check", "--config", folder, "--env", environment)

    told = {"group": "plugins.hello: .*it can be written by the group 12345, which is not its owner's"
                     f" alone: found mode 0664\nMend it with: chmod g-w {file}",
            "stranger": r"plugins.hello: .*it can be written by its owner: expected root or user root "
                        rf"\(0\), found user 54321\nMend it with: chown root {file}"}
    is_refused = environment != "development"
    assert done.returncode == (2 if is_refused else 0), done.stderr
    assert bool(re.search(told[case], done.stderr)) == is_refused, done.stderr


def test_a_writable_file_keeps_the_old_generation(server, build, tmp_path):
    file = tmp_path / "hello.so"
    shutil.copy(process.plugin_file(build, "hello"), file)
    s = server(plugins={"hello": {"path": str(file)}}, wants_database=False)

    file.chmod(0o666)
    s.signal(signal.SIGHUP)
    s.wait_line("the reload has failed")

    s.wait_line(f"chmod o-w {file}")
    assert s.get("/hello").status == 200


# -- the command line

def test_shipped_configuration_has_no_fault(program, tmp_path):
    folder = shutil.copytree(process.CHECKOUT / "config", tmp_path / "config")
    for env in ("development", "testing"):
        done = program("check", "--config", folder, "--env", env)
        assert done.returncode == 0, done.stderr


def test_shipped_production_needs_its_pins_alone(program, tmp_path):
    """They differ with every build, so a deployment adds them."""
    folder = shutil.copytree(process.CHECKOUT / "config", tmp_path / "config")
    done = program("check", "--config", folder, "--env", "production")
    assert done.returncode == 2
    assert len(re.findall(r"sha256: expected the SHA-256", done.stderr)) == 3, done.stderr

    pins = json.loads(program("pin", "--config", folder, "--env", "production").stdout)
    overlay = folder / "production.json"
    overlay.write_text(json.dumps(process.merged(json.loads(overlay.read_text()), pins)))

    done = program("check", "--config", folder, "--env", "production")
    assert done.returncode == 0, done.stderr


COMMANDS = ["serve", "check", "routes", "plugins", "describe", "config", "pin", "migrate",
            "sign", "version"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(program, command):
    done = program(command, "--help")

    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: sim-exchange {command}")


def test_effective_configuration_tells_value_and_origin(program, config_dir):
    folder = config_dir({"server": {"workers": 3}})

    done = program("config", "--effective", "--config", folder, env={"PORT": "7001"})

    assert done.returncode == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "3" in lines["server.workers"] and "development.json:" in lines["server.workers"]
    assert "7001" in lines["server.port"] and "environment PORT" in lines["server.port"]
    assert "base.json:" in lines["http.gzip"]


def test_describe_tells_what_a_file_says_of_itself(program, build):
    done = program("describe", build / "plugins/probe.so")

    assert done.returncode == 0
    for part in ("plugin     probe", "abi        1.", "/probe/token/{t}", "0001"):
        assert part in done.stdout


def test_a_folder_that_is_no_utf8_is_told(build, tmp_path):
    folder = os.path.join(os.fsencode(tmp_path), b"\xff", b"config")
    os.makedirs(folder)
    for name in (b"base.json", b"testing.json"):
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            file.write("{}")

    done = subprocess.run([build / "sim-exchange", "check", "--config", folder, "--env", "testing"],
                          env=process.environment({}), capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr == ("command line: expected a folder of the configuration whose path is UTF-8,"
                           " found other bytes\n")


def test_a_program_in_a_folder_that_is_no_utf8_is_told(build, tmp_path):
    """It is where the plugins are looked for."""
    program = os.path.join(os.fsencode(tmp_path), b"\xff", b"sim-exchange")
    os.mkdir(os.path.dirname(program))
    shutil.copy(build / "sim-exchange", program)
    config = tmp_path / "config"
    config.mkdir()
    for name in ("base.json", "testing.json"):
        (config / name).write_text("{}")

    done = subprocess.run([program, "check", "--config", config,
                           "--env", "testing"], env=process.environment({}), capture_output=True,
                          text=True, check=False)

    assert done.returncode == 2
    assert "default: server.plugin_dir: expected a path in UTF-8, found other bytes" in done.stderr
