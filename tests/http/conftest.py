"""One server for all cases: the one that SX_HTTP_TARGET names, or ours with probe and site."""
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SYSTEM = HERE.parent / "system"
sys.path[:0] = [str(HERE), str(SYSTEM)]

import runner  # noqa: E402
from harness import fixtures  # noqa: E402


if not os.environ.get("SX_HTTP_TARGET"):
    _SYSTEM = fixtures.load()
    build, cluster = _SYSTEM.build, _SYSTEM.cluster


@pytest.fixture(scope="session")
def target(request):
    """(host, port) of the server under test."""
    named = os.environ.get("SX_HTTP_TARGET")
    if named:
        host, port = named.rsplit(":", 1)
        yield host, int(port)
        return
    yield from run_server(request)


def run_server(request):
    """Our server for the whole session; its end must be as clean as its start."""
    from harness import database, process
    server_cluster = request.getfixturevalue("cluster")
    url = database.create(server_cluster)
    home = request.getfixturevalue("tmp_path_factory").mktemp("http") / "server"
    server = process.Server(request.getfixturevalue("build"), home, None, ["probe", "site"], None,
                            url, False)
    try:
        server.migrate()
        server.start()
        yield "127.0.0.1", server.port
        faults = server.finish()
    finally:
        server.finish()
        database.drop(server_cluster, url)
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="session")
def verdicts(request, target):
    """The verdicts of all selected cases by (name, delivery), from one run side by side."""
    jobs = [item.callspec.params["job"] for item in request.session.items
            if "job" in getattr(getattr(item, "callspec", None), "params", {})]
    return runner.run_all(jobs, target)
