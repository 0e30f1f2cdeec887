"""The handshake: a plugin that this host cannot serve is refused in one sentence that names
the file, the plugin and both values; its code does not run where requests are served."""
import concurrent.futures
import json
import re
import shlex
import shutil
import subprocess

import pytest

from harness import process

LEAVE_TRACE = "SX_TEST_TRACE"


def check(program, folder, **options):
    return program("check", "--config", folder, **options)


def sentences(done):
    """The faults of a run: each begins its line with a place, hints do not."""
    return [line for line in done.stderr.splitlines() if line.startswith("/")]


REFUSED = {
    # plugin: what its sentence must hold beside file and plugin
    "later_major": ["major 2", "this host has 1"],
    "later_minor": ["needs ABI 1.999", "this host has 1.0"],
    "later_tail": ["manifest", "bytes"],
    "unknown_needs": ["0x10000000000", "0xf"],
    "no_manifest": [".note.sx"],
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_check_refuses_in_one_sentence(program, config_dir, build, name):
    done = check(program, config_dir(plugins=[name]))

    assert done.returncode == 2
    (sentence,) = sentences(done)
    assert str(build / "test-plugins" / f"{name}.so") in sentence
    assert f'"{name}"' in sentence
    assert all(part in sentence for part in REFUSED[name]), sentence
    assert done.stdout == ""


def test_check_names_both_owners_of_a_route(program, config_dir, build):
    done = check(program, config_dir(plugins=["hello", "same_route"]))

    assert done.returncode == 2
    (sentence,) = sentences(done)
    for part in ('"same_route"', '"hello"', "GET /hello/{somebody}", "GET /hello/{name}",
                 str(build / "test-plugins/same_route.so"), str(build / "plugins/hello.so")):
        assert part in sentence


def test_a_mount_point_parts_two_owners(program, config_dir):
    plugins = {"hello": {}, "same_route": {"mount": {"prefix": "/other"}}}

    assert check(program, config_dir(plugins=plugins)).returncode == 0


@pytest.mark.parametrize("name, options, parts", [
    ("hello", {"nope": 1}, ["plugins.hello.options.nope", 'no option "nope"']),
    ("site", {"root": 3}, ["plugins.site.options.root", "expected text", "found 3"]),
    ("built_1_0", {"first": "x"}, ["plugins.built_1_0.options.first", "an integer", '"x"']),
])
def test_check_refuses_an_option(program, config_dir, name, options, parts):
    folder = config_dir(plugins={name: {"options": options}})

    done = check(program, folder)

    assert done.returncode == 2
    (sentence,) = sentences(done)
    assert re.match(re.escape(str(folder / "development.json")) + r":\d+: ", sentence)
    assert all(part in sentence for part in parts), sentence


def test_check_names_each_grant_that_is_missing(program, config_dir, build):
    done = check(program, config_dir(plugins={"probe": {"grants": []}}))

    assert done.returncode == 2
    found = sentences(done)
    assert len(found) == 3
    for grant, sentence in zip(["db", "blocking", "stream"], found):
        assert f'"{grant}"' in sentence and '"probe"' in sentence
        assert str(build / "plugins/probe.so") in sentence


def test_check_finds_all_faults_at_once(program, config_dir):
    plugins = {name: {} for name in [*REFUSED, "same_route", "constructor"]}
    plugins["hello"] = {"options": {"nope": True}}
    plugins["probe"] = {"grants": ["db", "stream"]}

    done = check(program, config_dir(plugins=plugins))

    assert done.returncode == 2
    text = "\n".join(sentences(done))
    for part in [*(f"{name}.so" for name in REFUSED), '"nope"', '"blocking"',
                 "GET /hello/{somebody}", 'GET /hello of plugin "constructor"']:
        assert text.count(part) >= 1, part
    assert len(sentences(done)) == len(REFUSED) + 4


@pytest.mark.parametrize("name", ["constructor_segv", "constructor_exit"])
def test_check_names_the_file_whose_constructor_does_not_return(program, config_dir, build, name):
    done = program("check", "--config", config_dir(plugins=["hello", name]), allows_report=True)

    assert done.returncode == 2
    (sentence,) = [line for line in sentences(done) if "ended the process" in line]
    assert str(build / f"test-plugins/{name}.so") in sentence
    assert f'plugin "{name}"' in sentence


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n"])
def test_check_refuses_what_is_no_plugin(program, config_dir, tmp_path, content):
    file = tmp_path / "hello.so"
    file.write_bytes(content)

    done = check(program, config_dir(plugins={"hello": {"path": str(file)}}))

    assert done.returncode == 2
    (sentence,) = sentences(done)
    assert sentence.endswith(f'plugins.hello.path: {file}: plugin "hello" is not an ELF file')


@pytest.mark.parametrize("kept", [64, 4096, 0.5, 0.98])
def test_check_refuses_a_truncated_plugin(program, config_dir, build, tmp_path, kept):
    whole = (build / "plugins/hello.so").read_bytes()
    file = tmp_path / "hello.so"
    file.write_bytes(whole[:int(kept * len(whole)) if isinstance(kept, float) else kept])

    done = check(program, config_dir(plugins={"hello": {"path": str(file)}}))

    assert done.returncode == 2
    (sentence,) = sentences(done)
    assert str(file) in sentence and "development.json:" in sentence


def test_check_refuses_a_plugin_under_another_name(program, config_dir, build):
    done = check(program, config_dir(plugins={"other": {"path": str(build / "plugins/hello.so")}}))

    assert done.returncode == 2
    (sentence,) = sentences(done)
    assert 'is plugin "hello", expected "other"' in sentence


def test_check_refuses_another_digest_than_the_pinned_one(program, config_dir):
    done = check(program, config_dir(plugins={"hello": {"sha256": "0" * 64}}))

    assert done.returncode == 2
    (sentence,) = sentences(done)
    assert "0" * 64 in sentence and re.search(r" is [0-9a-f]{64}, expected", sentence)


# -- whose code runs where

def with_later_major(build, tmp_path):
    """constructor.so as a host of major 2 would have built it."""
    data = (build / "test-plugins/constructor.so").read_bytes()
    magic = (0x53585031).to_bytes(4, "little")
    assert data.count(magic + b"\1\0") == 1
    file = tmp_path / "constructor.so"
    file.write_bytes(data.replace(magic + b"\1\0", magic + b"\2\0"))
    return {"constructor": {"path": str(file)}}


def traced(path):
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_no_code_runs_of_a_file_whose_note_is_refused(program, config_dir, build, tmp_path):
    trace = tmp_path / "trace"

    done = check(program, config_dir(plugins=with_later_major(build, tmp_path)),
                 env={LEAVE_TRACE: trace})

    assert done.returncode == 2
    assert "major 2" in done.stderr
    assert traced(trace) == []


def test_a_refused_file_is_never_mapped_where_requests_are_served(server, tmp_path):
    trace = tmp_path / "trace"
    s = server(plugins=["hello"], wants_database=False, env={LEAVE_TRACE: trace})
    s.rewrite(plugins=["hello", "constructor"])

    s.signal(process.signal.SIGHUP)
    s.wait_line("the reload has failed")

    assert s.get("/hello").status == 200
    serving = {*s.workers(), s.process.pid}
    assert len(traced(trace)) == 1  # the checker, which has ended
    assert not serving & set(traced(trace))


def test_the_start_refuses_before_it_serves(server, tmp_path):
    trace = tmp_path / "trace"

    s = server(plugins=["hello", "constructor"], wants_database=False, may_die=True, wait=False,
               env={LEAVE_TRACE: trace})

    assert s.wait_end() == 2
    assert 'GET /hello of plugin "constructor"' in s.errors
    assert s.process.pid not in traced(trace)
    assert not [line for line in s.lines if "listening on" in line.get("message", "")]


# -- other versions of the contract

def test_a_plugin_built_with_the_first_header_runs(server):
    s = server(plugins=["built_1_0", "later_empty"], wants_database=False)

    assert s.get("/built_1_0/2").json == {"sum": 42}
    assert s.get("/later_empty").text == "later_empty\n"


GROWS = ["sx_field", "sx_response", "sx_route", "sx_option", "sx_outcome", "sx_hook", "sx_metric",
         "sx_manifest", "sx_upload", "sx_stream_ops", "sx_timer_spec",
         "sx_worker_info", "sx_route_info"]


def grow(header):
    """The header of a later minor: each struct that may grow has grown, and so has the table."""
    for name in GROWS:
        header, n = re.subn(rf"\n}} {name};", f"\n    uint64_t grown[4];\n}} {name};", header)
        assert n == 1, name
    header, n = re.subn(r"(struct sx_host \{.*?\n)\};", r"\1    void (*grown)(void);\n};", header,
                        flags=re.DOTALL)
    assert n == 1
    return header.replace("#define SX_ABI_MINOR 0", "#define SX_ABI_MINOR 1")


def build_host(build, checkout, tmp_path):
    """The program again, with a header that has grown; only what sees it is compiled."""
    include = tmp_path / "include"
    shutil.copytree(checkout / "include", include)
    header = include / "sx/plugin.h"
    header.write_text(grow(header.read_text()))
    sources = [*(checkout / "core/plugin").glob("*.c"), *(checkout / "core/worker").glob("*.c"),
               checkout / "core/main.c"]
    entries = {entry["file"]: entry for entry in
               json.loads((build / "compile_commands.json").read_text())}

    def compile_one(source):
        command = shlex.split(entries[str(source)]["command"])
        target = str(tmp_path / f"{source.parent.name}-{source.stem}.o")
        command[command.index("-o") + 1] = target
        command = [part.replace(f"{checkout}/include", str(include)) for part in command]
        subprocess.run([*command, "-O0"], cwd=build, check=True)
        return target

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, sources))
    link(build, tmp_path, objects)


def link(build, tmp_path, objects):
    line = subprocess.run(["ninja", "-t", "commands", "sim-exchange"], cwd=build, check=True,
                          capture_output=True, text=True).stdout.splitlines()[-1]
    command = line.removeprefix(": && ").removesuffix(" && :")
    parts = [part for part in shlex.split(command)
             if not re.search(r"main\.c\.o$|libsx_(plugin|worker)\.a$", part)]
    at = parts.index("-o")
    parts[at + 1] = str(tmp_path / "sim-exchange")
    subprocess.run([*parts[:at], *objects, *parts[at:]], cwd=build, check=True)


def test_plugins_of_today_run_on_a_host_whose_header_has_grown(build, tmp_path, server):
    build_host(build, process.CHECKOUT, tmp_path)
    shutil.copy(build / "sx_db.so", tmp_path)
    plugins = ["built_1_0", "hello", "probe", "forms", "techempower"]

    s = server(plugins=plugins, executable=tmp_path / "sim-exchange")

    assert s.get("/built_1_0/2").json == {"sum": 42}
    assert s.get("/hello/you").status == 200
    assert s.get("/probe/db/read?tok=abc").text == "abc"
    assert s.get("/probe/sleep?ms=x").status == 400
    assert s.get("/probe/stream?n=2").text.count("data:") == 2
    assert len(s.get("/queries?queries=3").json) == 3
