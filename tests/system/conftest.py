"""Fixtures of the system tests: a database of its own and a running server for each test.

    def test_hello(server):
        s = server(plugins=["hello"])
        assert s.get("/hello").status == 200

The build under test is build/asan, or the folder that SX_TEST_BUILD names.  What is marked
"thorough" takes long and tells much that its neighbours tell, too: it runs where
SX_TEST_THOROUGH is set."""
import os
import signal
import subprocess

import pytest

from harness import database, process

CHECKOUT = process.CHECKOUT
# Reached only by a test that hangs, or by one that was told to run for longer.
TEST_DEADLINE_S = int(os.environ.get("SX_TEST_DEADLINE_S", "300"))


def pytest_configure(config):
    config.addinivalue_line("markers", "thorough: runs where SX_TEST_THOROUGH is set")


def pytest_collection_modifyitems(config, items):
    if os.environ.get("SX_TEST_THOROUGH"):
        return
    left_out = [item for item in items if item.get_closest_marker("thorough")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """A test that hangs fails, with a traceback that shows where, and the others go on."""
    def too_long(*_):
        raise TimeoutError(f"{item.name}: no end after {TEST_DEADLINE_S} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(TEST_DEADLINE_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def build():
    """The folder of the build under test."""
    folder = CHECKOUT / os.environ.get("SX_TEST_BUILD", "build/asan")
    assert (folder / "sim-exchange").exists(), f"{folder} is not built: ./dev test builds it"
    return folder


@pytest.fixture(scope="session")
def cluster():
    """The PostgreSQL of ./dev test, or a private one of this session: its URL."""
    given = os.environ.get("SX_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with subprocess.Popen([CHECKOUT / "scripts/throwaway-postgres"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as keeper:
        url = keeper.stdout.readline().strip()
        assert url, "there is no PostgreSQL for the tests"
        yield url
        keeper.stdin.close()


@pytest.fixture
def new_database(cluster):
    """Makes databases that go away with the test; returns their URLs."""
    made = []

    def make():
        made.append(database.create(cluster))
        return made[-1]

    yield make
    for url in made:
        database.drop(cluster, url)


@pytest.fixture
def program(build, tmp_path):
    """program("check", "--config", …): runs a subcommand to its end; see process.run."""
    def run(*arguments, env=None, **options):
        return process.run(build, tmp_path, arguments, env=env, **options)

    return run


@pytest.fixture
def config_dir(build, tmp_path):
    """config_dir({...}, plugins=[...]): a folder with base.json and this development.json."""
    def write(overrides=None, plugins=(), url="", name="config"):
        return process.write_config(build, tmp_path, tmp_path / name, overrides, plugins, url)

    return write


@pytest.fixture
def server(build, tmp_path, new_database):
    """server(config, plugins=[...], env={...}): a server that is ready; see process.Server.

    At the end of the test each gets TERM and must end with 0, without a sanitizer's report;
    a test that makes one die says so: server(..., may_die=True)."""
    running = []

    def start(config=None, plugins=("hello",), env=None, *, wants_database=True, url=None,
              may_die=False, wait=True, executable=None, migrate=True):
        if url is None:
            url = new_database() if wants_database else ""
        one = process.Server(build, tmp_path / f"server{len(running)}", config, plugins, env, url,
                             may_die, executable)
        running.append(one)
        if url and migrate:
            one.migrate()
        one.start(wait)
        return one

    yield start
    faults = [fault for one in running for fault in one.finish()]
    assert not faults, "\n".join(faults)
