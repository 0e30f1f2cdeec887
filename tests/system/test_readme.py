"""What the documents say that curl answers is what the server answers, to the byte; their examples
in C compile; and the first plugin of docs/plugins.md works as it stands there."""
import re
import subprocess

import pytest

from harness import docs
from harness.process import CHECKOUT

# As in config/development.json; but the root of the static files counts from its folder.
SECRET = {"signing_secret": "only for a test, but long enough for that"}
PLUGINS = {"hello": {}, "techempower": {}, "probe": {}, "bots": {},
           "exchange": {"options": SECRET},
           "market": {"options": {**SECRET, "root": str(CHECKOUT / "plugins/market/static")}},
           "site": {"options": {"root": str(CHECKOUT / "plugins/site/static")}}}
ELSEWHERE = {"exchange"}  # whose routes are those of a dialect: plugins/exchange/README.md
README = (CHECKOUT / "README.md").read_text()
GUIDE = (CHECKOUT / "docs/plugins.md").read_text()
CODE = re.compile(r'\b[45]\d\d,\s*"([a-z_]+)"')
CORE_PATHS = ["/openapi.json", "/_sx/live", "/_sx/started", "/_sx/ready", "/_sx/metrics"]


def readme_lines():
    return [line for block in docs.blocks(README, "console") for line in docs.examples(block)]


@pytest.fixture
def development(server):
    s = server(plugins=PLUGINS)
    while s.get("/cached-queries").status == 503:  # until its cache was read
        pass
    return s


def test_every_line_of_the_readme_answers_what_it_says(development):
    lines = readme_lines()

    wrong = docs.faults(development, lines)

    assert len(lines) > 20
    assert not wrong, wrong


def test_the_readme_has_every_route_of_the_development_environment(development, program):
    done = program("routes", "--config", development.config)
    asked = [docs.understood(command) for command, _ in readme_lines()]
    routes = [line.split()[:2] for line in done.stdout.splitlines()
              if not ELSEWHERE & set(line.split())]
    routes += [["GET", path] for path in CORE_PATHS]
    missing = []

    assert done.returncode == 0, done.stderr
    for method, pattern in routes:
        path = re.compile(re.sub(r"\\\{[^}]*\\\}", ".+", re.escape(pattern)))
        method = method.replace("WEBSOCKET", "GET")  # which is how one is asked for
        if not any(call.method == method and path.fullmatch(call.target.split("?")[0])
                   for call in asked):
            missing.append(f"{method} {pattern}")

    assert not missing


def test_the_dots_stand_for_anything_and_the_rest_for_itself():
    assert docs.agrees('{"id":7}', '{"id":…}')
    assert docs.agrees("a\nb\nc", "a\n…\nc")
    assert not docs.agrees('{"id":7} ', '{"id":…}')
    assert not docs.agrees("b", "a")


def test_the_page_for_clients_has_every_code_of_the_core():
    table = (CHECKOUT / "docs/clients.md").read_text()
    codes = set()
    for folder in ("http", "plugin", "worker"):
        for source in (CHECKOUT / "core" / folder).glob("*.c"):
            codes.update(CODE.findall(source.read_text()))

    missing = sorted(code for code in codes if f"`{code}`" not in table)

    assert len(codes) > 20
    assert not missing


# -- C in the documents

PRELUDE = "#include <sx/json.h>\n#include <stdio.h>\n"
NO_MIGRATIONS = "#include <sx/plugin.h>\nstatic const sx_migration sx_migrations_[] = { { 0 } };\n"
EXAMPLES = docs.blocks(README, "c") + docs.blocks(GUIDE, "c")


def compile_c(source, *options):
    done = subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
                           "-Wno-unused-variable", "-Wno-unused-const-variable",
                           f"-I{CHECKOUT / 'include'}", f"-I{source.parent}", *options, source],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_compiles_by_itself(tmp_path, text):
    (tmp_path / "migrations.h").write_text(NO_MIGRATIONS)
    source = tmp_path / "example.c"
    source.write_text(text if "#include" in text else PRELUDE + text)

    compile_c(source, "-fsyntax-only")


def test_the_first_plugin_works_as_it_stands_there(tmp_path, server):
    guide = GUIDE.partition("## The first plugin in ten minutes")[2].partition("\n## ")[0]
    plugin, _ = docs.blocks(guide, "c")
    (step,) = docs.blocks(guide, "sql")
    lines = [line for block in docs.indented(guide) for line in docs.examples(block)]
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "0001_note.sql").write_text(step)
    (folder / "notes.c").write_text(plugin)

    subprocess.run(["cmake", f"-DOUT={folder / 'migrations.h'}", f"-DSTEPS={folder / '0001_note.sql'}",
                    "-P", CHECKOUT / "cmake/embed-migrations.cmake"], check=True)
    compile_c(folder / "notes.c", "-shared", "-fPIC", "-fvisibility=hidden", "-o",
              folder / "notes.so", "-ljansson")
    s = server(plugins={"notes": {"path": str(folder / "notes.so")}})
    wrong = docs.faults(s, lines)

    assert len(lines) == 3
    assert not wrong, wrong
