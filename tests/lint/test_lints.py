"""The sources pass every lint, and every lint finds what it is there to find."""
import json
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
LINTS = sorted(p.name for p in HERE.iterdir()
               if not p.suffix and p.is_file() and p.read_bytes().startswith(b"#!"))


def run(lint, root):
    done = subprocess.run([HERE / lint, root], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@pytest.fixture
def tree(tmp_path):
    """Writes a small tree of files and returns its root."""
    shutil.copy(CHECKOUT / ".clang-format", tmp_path)
    shutil.copy(CHECKOUT / ".clang-tidy", tmp_path)

    def write(**texts):
        for path, text in texts.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize("lint", LINTS)
def test_sources_are_clean(lint):
    status, faults = run(lint, CHECKOUT)

    assert not faults, "\n".join(faults)
    assert status == 0


@pytest.mark.parametrize("path, text, fault", [
    ("core/base/buf.c", '#include "config/config.h"\n', "core/base/buf.c:1:"),
    ("core/http/conn.c", '\n#include "route/route.h"\n', "core/http/conn.c:2:"),
    ("core/supervisor/a.c", '#include "plugin/plugin.h"\n', "core/supervisor/a.c:1:"),
    ("core/http/conn.c", "#include <sx/plugin.h>\n", "<sx/plugin.h> belongs to plugin"),
    ("core/route/a.c", "#include <uv.h>\n", "<uv.h> belongs to"),
    ("core/worker/a.c", "#include <libpq-fe.h>\n", "<libpq-fe.h> belongs to db"),
    ("core/worker/a.c", '#include "db/db_private.h"\n', "is for the files of core/db only"),
    ("core/http/conn.c", '#include "field.h"\n', "say the folder too"),
    ("core/extra/a.c", "int x(void);\n", "core/extra is no floor"),
    ("plugins/hello/hello.c", '#include "base/buf.h"\n', "is of the core"),
])
def test_floors_finds(tree, path, text, fault):
    status, faults = run("floors", tree(**{path: text}))

    assert status == 1
    assert len(faults) == 1 and fault in faults[0]


def test_floors_lets_pass_what_goes_down(tree):
    root = tree(**{"core/http/conn.c": '#include "http/http.h"\n\n#include <uv.h>\n\n'
                                       '#include "base/buf.h"\n',
                   "core/worker/a.c": '#include "plugin/plugin.h"\n#include "db/db.h"\n'})

    assert run("floors", root) == (0, [])


@pytest.mark.parametrize("path, text, fault", [
    ("core/base/a.c", "\n" * 601, "601 lines"),
    ("core/base/a.c", "/* " + "x" * 100 + " */\n", "106 columns"),
    ("core/base/a.c", "int f(void)\n{\n" + "    f();\n" * 81 + "}\n", "a function of"),
])
def test_length_finds(tree, path, text, fault):
    status, faults = run("length", tree(**{path: text}))

    assert status == 1
    assert len(faults) == 1 and fault in faults[0]


@pytest.mark.parametrize("path, text, fault", [
    ("core/base/a.c", "/* TO" "DO: later */\n", "do it now"),
    ("docs/a.md", "FIX" "ME\n", "do it now"),
    ("core/base/a.c", "int f(const char *s) { return atoi(s); }\n", "atoi(): use the strict"),
    ("plugins/a/a.c", "void f(char *s) { sprintf(s, \"\"); }\n", "sprintf(): use snprintf"),
])
def test_words_finds(tree, path, text, fault):
    status, faults = run("words", tree(**{path: text}))

    assert status == 1
    assert len(faults) == 1 and fault in faults[0]


def test_words_reads_no_comments_for_calls(tree):
    root = tree(**{"core/base/a.c": '/* not atoi(x) */\nconst char *t = "atoi(x)";\n'})

    assert run("words", root) == (0, [])


def test_format_finds_a_layout_of_its_own(tree):
    root = tree(**{"core/base/a.c": "int f(void)\n{\n  return 0;\n}\n"})

    status, faults = run("format", root)

    assert status == 1
    assert faults == ["core/base/a.c:2: not laid out by .clang-format: ./dev fmt"]


def test_format_fix_lays_out(tree):
    root = tree(**{"core/base/a.c": "int f(void)\n{\n  return 0;\n}\n"})

    subprocess.run([HERE / "format", "--fix", root], check=True)

    assert run("format", root) == (0, [])


@pytest.mark.parametrize("path, compilers", [("include/sx/a.h", 2), ("core/base/a.h", 1)])
def test_headers_finds_a_header_that_needs_another(tree, path, compilers):
    status, faults = run("headers", tree(**{path: "size_t f(void);\n"}))

    assert status == 1
    assert len(faults) == compilers and "does not compile alone" in faults[0]


def compiled(root, source, name, *options):
    target = root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-x", "c", "-", "-fPIC", "-o", target, *options], input=source,
                   text=True, check=True)


@pytest.mark.parametrize("text, name", [
    ("static int n; int f(void); int f(void) { return ++n; }", "n"),
    ("int f(void); int f(void) { static int calls = 3; return ++calls; }", "calls"),
    ("extern _Thread_local int t; _Thread_local int t;", "t"),
    ("extern const char *names[]; const char *names[] = { \"a\" };", "names"),
])
def test_globals_finds(tree, text, name):
    root = tree()
    compiled(root, text, "build/release/core/CMakeFiles/sx_base.dir/base/a.c.o", "-c", "-O2")

    status, faults = run("globals", root)

    assert status == 1
    assert faults == [f'core/base/a.c:1: "{name}" is a variable that outlives its function']


@pytest.mark.parametrize("path, text", [
    ("tests/system/test_a.py", "import time\ntime.sleep(1)\n"),
    ("tests/system/test_a.py", "import asyncio\nawait asyncio.sleep(delay)\n"),
    ("tests/clients/a.mjs", "\nawait new Promise((done) => setTimeout(done, 500))\n"),
    ("tests/unit/base/a_test.c", "\n(void)nanosleep(&t, NULL);\n"),
    ("plugins/hello/hello_test.c", "\n    (void)poll(NULL, 0, 10);\n"),
    ("tests/support/a.sh", "\n    sleep 1\n"),
])
def test_sleeps_finds(tree, path, text):
    status, faults = run("sleeps", tree(**{path: text}))

    assert status == 1
    assert faults == [f"{path}:2: 1 times a time is waited for, 0 of them are in "
                      "tests/lint/sleeps.allowed"]


def test_sleeps_wants_a_reason_and_as_many_as_there_are(tree):
    listed = "tests/lint/sleeps.allowed"
    root = tree(**{"tests/a.py": "time.sleep(1)\n", listed: "tests/a.py 1  # between two looks\n",
                   "plugins/a/a.c": "sleep(1);\n"})
    assert run("sleeps", root) == (0, [])

    for line, fault in {
        "tests/a.py 1\n": "tests/a.py:1: 1 times a time is waited for, 0 of them are",
        "tests/a.py 2  # between two looks\n": f"{listed}:1: tests/a.py: found 1, expected 2",
        "tests/a.py 1  # a\ntests/b.py 1  # b\n": f"{listed}:1: tests/b.py: is no test",
    }.items():
        status, faults = run("sleeps", tree(**{listed: line}))
        assert status == 1
        assert len(faults) == 1
        assert faults[0].startswith(fault)


def test_globals_lets_pass_const_tables_and_what_is_allowed(tree):
    root = tree(**{"tests/lint/globals.allowed": "core/base/a.c flag  # a signal handler's\n"})
    compiled(root, "extern const char *const t[]; const char *const t[] = { \"a\" };"
                   "extern int flag; int flag;",
             "build/release/core/CMakeFiles/sx_base.dir/base/a.c.o", "-c")

    assert run("globals", root) == (0, [])


@pytest.mark.parametrize("lint", ["globals", "symbols", "libraries", "tidy"])
def test_a_lint_of_the_build_wants_a_build(tree, lint):
    status, faults = run(lint, tree(**{"core/base/a.c": ""}))

    assert status == 1
    assert "./dev lint builds it" in faults[0]


def test_symbols_finds_what_should_be_hidden(tree):
    root = tree()
    compiled(root, "int main(void) { return 0; }", "build/release/sim-exchange")
    compiled(root, "int sx_plugin_manifest; int helper;", "build/release/plugins/a.so", "-shared")
    compiled(root, "int other;", "build/release/plugins/b.so", "-shared")

    status, faults = run("symbols", root)

    assert status == 1
    assert faults == ['build/release/plugins/a.so: exports "helper"',
                      'build/release/plugins/b.so: exports "other"',
                      'build/release/plugins/b.so: does not export "sx_plugin_manifest"']


def test_symbols_finds_a_program_that_exports_its_functions(tree):
    root = tree()
    compiled(root, "int sx_helper(void) { return 0; } int main(void) { return sx_helper(); }",
             "build/release/sim-exchange", "-rdynamic")

    status, faults = run("symbols", root)

    assert status == 1
    assert 'build/release/sim-exchange: exports "sx_helper"' in faults


def test_libraries_finds_one_that_the_readme_does_not_name(tree):
    source = "#include <zlib.h>\nint main(void) { return zlibVersion() == 0; }"
    root = tree(**{"README.md": "Links: libjansson.so.4.\n"})
    compiled(root, source, "build/release/sim-exchange", "-lz")

    status, faults = run("libraries", root)

    assert status == 1
    assert faults == ["build/release/sim-exchange: needs libz.so.1, which README.md does not name"]


@pytest.mark.parametrize("pipe", ["grep -m1 b", "grep -qF b", "head -n 1", "sed 's/=.*//;q'",
                                  "\n    grep -F -m1 b", "awk '{ print; exit }'", "read -r b"])
def test_shell_finds_a_pipe_into_what_ends_early(tree, pipe):
    status, faults = run("shell", tree(dev=f"#!/bin/bash\nset -o pipefail\na |{pipe}\n"))

    assert status == 1
    assert faults[0].startswith(f"dev:{3 + pipe.count(chr(10))}: a pipe into a command that may end")


def test_shell_takes_what_reads_all(tree):
    text = ("#!/bin/bash\n\n# a | head\nfalse || grep -q b c\n"
            "true | grep -c q | sed 's/q/r/' | tail -n 1\n")

    assert run("shell", tree(dev=text)) == (0, [])


def test_shell_finds_an_unquoted_variable(tree):
    status, faults = run("shell", tree(dev="#!/bin/bash\nrm -r $1\n"))

    assert status == 1
    assert "SC2086" in faults[0]


def test_cppcheck_finds_an_index_beyond_an_array(tree):
    text = "int f(void)\n{\n    int a[2] = { 0 };\n\n    a[2] = 1;\n    return a[0];\n}\n"

    status, faults = run("cppcheck", tree(**{"core/base/a.c": text}))

    assert status == 1
    assert "core/base/a.c:5: arrayIndexOutOfBounds" in faults[0]


def test_tidy_finds_a_buffer_that_is_too_short(tree):
    text = ("#include <stdlib.h>\n#include <string.h>\nvoid *f(const char *s);\n"
            "void *f(const char *s)\n{\n    return malloc(strlen(s + 1));\n}\n")
    root = tree(**{"core/base/a.c": text})
    commands = [{"directory": str(root), "file": "core/base/a.c",
                 "command": "clang -c core/base/a.c"}]
    tree(**{"build/clang/compile_commands.json": json.dumps(commands)})

    status, faults = run("tidy", root)

    assert status == 1
    assert any(fault.startswith("core/base/a.c:6:") for fault in faults)


def test_tidy_finds_what_clang_warns_of_in_a_test(tree):
    root = tree(**{"tests/a.c": "int f(int a);\nint f(int a)\n{\n    a = a;\n    return a;\n}\n"})
    commands = [{"directory": str(root), "file": "tests/a.c",
                 "command": "clang -Wall -c tests/a.c"}]
    tree(**{"build/clang/compile_commands.json": json.dumps(commands)})

    status, faults = run("tidy", root)

    assert status == 1
    assert len(faults) == 1 and faults[0].startswith("tests/a.c:4: explicitly assigning")
