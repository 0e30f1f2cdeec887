"""A checkout with the scripts in it, and a cloud that is a double."""
import copy
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(CHECKOUT / "tests/system")]

import double  # noqa: E402
from harness import fixtures, process  # noqa: E402

_SYSTEM = fixtures.load()
build = _SYSTEM.build
pytest_runtest_protocol = _SYSTEM.pytest_runtest_protocol
pytest_configure = _SYSTEM.pytest_configure
pytest_collection_modifyitems = _SYSTEM.pytest_collection_modifyitems

READING = ("list", "describe", "get-iam-policy", "access", "print-identity-token")
NOW = "2026-06-15T12:00:00Z"
PROJECTS = ("acme-production", "acme-testing", "acme-development")


@pytest.fixture(scope="session")
def well(build, tmp_path_factory):
    """The address of a server that is ready."""
    one = process.Server(build, tmp_path_factory.mktemp("well") / "s", None, ["hello"], None, "", False)
    one.start()
    yield f"http://127.0.0.1:{one.port}"
    assert not one.finish()


@pytest.fixture(scope="session")
def ill(build, tmp_path_factory):
    """The address of a server that lives and is not ready: its database is away."""
    url = f"postgresql://nobody@127.0.0.1:{process.free_port()}/none"
    one = process.Server(build, tmp_path_factory.mktemp("ill") / "s", None, ["techempower"], None,
                         url, False)
    one.start(wait=False)
    one.wait_line("generation 1 serves")
    assert one.get("/_sx/live").status == 200 and one.get("/_sx/ready").status == 503
    yield f"http://127.0.0.1:{one.port}"
    assert not one.finish()


class Workshop:
    """A copy of what the scripts need, with a project that is not the example, and the double."""

    def __init__(self, home, address):
        self.home, self.root = home, home / "checkout"
        home.mkdir(exist_ok=True)
        shutil.copytree(CHECKOUT / "deploy", self.root / "deploy")
        (self.root / "scripts").mkdir()
        shutil.copy(CHECKOUT / "scripts/dotenv.sh", self.root / "scripts")
        shutil.copy(CHECKOUT / "CMakeLists.txt", self.root)
        for file in (self.root / "deploy/env").iterdir():
            file.write_text(file.read_text().replace("example-", "acme-"))
        self.double = double.Double({
            "projects": {p: {} for p in PROJECTS}, "images": [], "built": [], "heads": {},
            "git_headers": [], "now": NOW, "urls": {"": address}})
        self.files = self.double.files

    # -- what the double knows

    @property
    def state(self):
        return self.double.state

    def set(self, **values):
        self.state.update(values)

    def push(self, branch, commit):
        """The branch's head on the git host."""
        self.state["heads"][branch] = commit

    def setting(self, environment, name, value):
        """Another value in an environment's file."""
        file = self.root / f"deploy/env/{environment}.env"
        lines = [line for line in file.read_text().splitlines() if not line.startswith(f"{name}=")]
        file.write_text("\n".join([*lines, f"{name}={value}", ""]))

    def cloud(self, project):
        return self.state["projects"][project]

    def traffic(self, project="acme-testing"):
        """({"revision": percent}, {"tag": "revision"}) of the service."""
        entries = self.cloud(project)["run services|"]["sim-exchange"]["status"]["traffic"]
        return ({t["revisionName"]: t["percent"] for t in entries if "percent" in t},
                {t["tag"]: t["revisionName"] for t in entries if "tag" in t})

    # -- runs and calls

    def run(self, script, *arguments, env=None):
        variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.home),
                     "BASH_ENV": str(HERE / "client.sh"), "SX_DOUBLE": str(self.double.port),
                     "TMPDIR": str(self.home),
                     "DEPLOY_SMOKE_S": "1", "DEPLOY_POLL_S": "0.01", **(env or {})}
        return subprocess.run([self.root / "deploy" / script, *arguments], cwd=self.home,
                              env=variables, capture_output=True, text=True, check=False)

    def branch(self, script, branch, commit, image="i/x@sha256:1", **env):
        """As Cloud Build runs it for a branch."""
        return self.run(script, image, env={"BRANCH_NAME": branch, "COMMIT_SHA": commit, **env})

    def calls(self):
        return copy.deepcopy(self.double.calls)

    def forget(self):
        self.double.calls.clear()

    def changes(self):
        """The calls of gcloud that are not reads, without what stands in all of them."""
        found = []
        for name, *words in self.calls():
            plain = [word for word in words if not word.startswith("--")]
            if name == "gcloud" and not set(plain[:5]) & set(READING):
                assert words[-1] == "--quiet" and words[-2].startswith("--project=acme-")
                found.append(" ".join(words[:-2]))
        return found


@pytest.fixture
def shop(tmp_path, well):
    one = Workshop(tmp_path, well)
    yield one
    one.double.close()


@pytest.fixture
def papers(tmp_path):
    """A workshop without a server behind it."""
    one = Workshop(tmp_path / "papers", "http://127.0.0.1:1")
    yield one
    one.double.close()
