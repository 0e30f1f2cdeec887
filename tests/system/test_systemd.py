"""The units of deploy/systemd, and a start with a socket that a service manager has opened."""
import os
import re
import shutil
import signal
import subprocess

import pytest

from harness import process, wait, wire

UNITS = process.CHECKOUT / "deploy/systemd"
SANITIZERS = {"libasan8", "libubsan1", "libtsan2"}  # of a build for tests
PROGRAM = "/srv/sim-exchange/sim-exchange"
MAX_EXPOSURE = 13  # tenths, of `systemd-analyze security`: 0 is a service that can do nothing


def tool(name):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def setting(name, key):
    """Its values in the unit of that name."""
    return re.findall(rf"^{key}=(.*)$", (UNITS / name).read_text(), re.MULTILINE)


@pytest.fixture
def units(build, tmp_path):
    """The units as they would be installed, for the program of this build."""
    for name in ("sim-exchange.socket", "sim-exchange.service"):
        text = (UNITS / name).read_text().replace(PROGRAM, str(build / "sim-exchange"))
        (tmp_path / name).write_text(text)
    return tmp_path


@tool("systemd-analyze")
def test_systemd_understands_the_units(units):
    done = subprocess.run(["systemd-analyze", "verify", units / "sim-exchange.service",
                           units / "sim-exchange.socket"],
                          capture_output=True, text=True, check=False)

    said = [line for line in done.stderr.splitlines() if "sim-exchange" in line]
    assert not said, done.stderr
    assert done.returncode == 0, done.stderr


@tool("systemd-analyze")
def test_systemd_finds_the_service_as_hard_as_it_was(units):
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager",
                           f"--threshold={MAX_EXPOSURE}", units / "sim-exchange.service"],
                          capture_output=True, text=True, check=False)

    assert re.search(r"Overall exposure level for sim-exchange.service: \d\.\d OK", done.stdout)
    assert done.returncode == 0, done.stdout


def test_the_socket_is_that_of_the_configuration():
    """Another one would be opened beside it."""
    base = (process.CHECKOUT / "config/base.json").read_text()
    address = re.search(r'"address": "(.*)"', base)[1]
    port = re.search(r'"port": (\d+)', base)[1]

    assert setting("sim-exchange.socket", "ListenStream") == [f"{address}:{port}"]


def test_the_service_can_do_no_more_than_the_container():
    for name, value in {"DynamicUser": "yes", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
                        "CapabilityBoundingSet": "", "AmbientCapabilities": "",
                        "MemoryDenyWriteExecute": "yes", "PrivateTmp": "yes"}.items():
        assert setting("sim-exchange.service", name) == [value], name


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@tool("dpkg-query")
def test_the_packages_that_must_be_installed_are_told(build):
    """Those of the libraries that the files name themselves; libc6 brings libgcc-s1."""
    told = re.search(r"must be\s+installed \((.*)\)", (UNITS / "README.md").read_text())[1]
    files = [build / "sim-exchange", *build.glob("sx_*.so"), *build.glob("plugins/*.so")]

    names = set(re.findall(r"NEEDED +(\S+)", output("objdump", "-p", *files)))
    known = re.findall(r"\t(\S+) \(libc6,\S+.*\) => (\S+)", output("/sbin/ldconfig", "-p"))
    paths = {name: path for name, path in reversed(known) if name in names}
    assert set(paths) == names - {name for name in names if name.startswith("ld-linux")}
    # A package's list may still say /lib for /usr/lib: asked for by either name, in one call.
    asked = {path.removeprefix("/usr") for path in paths.values()}
    said = subprocess.run(["dpkg-query", "-S", *asked, *("/usr" + path for path in asked)],
                          capture_output=True, text=True, check=False).stdout
    found = {line.split(":")[0] for line in said.splitlines()}
    assert set(re.findall("`([^`]+)`", told)) == found - {"libc6", "libgcc-s1", *SANITIZERS}


class Activated:
    """The server as systemd-socket-activate starts it: at the first connection, by its socket."""

    def __init__(self, build, config, log):
        self.port = process.free_port()
        env = process.environment({"PORT": str(self.port)})
        kept = [f"--setenv={name}" for name in env]
        self.log = open(log, "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["systemd-socket-activate", f"--listen=127.0.0.1:{self.port}", *kept,
             build / "sim-exchange", "serve", "--config", config],
            env=env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            start_new_session=True)

    def connect(self):
        return wire.Connection(("127.0.0.1", self.port))

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()


@tool("systemd-socket-activate")
def test_a_socket_of_a_service_manager_is_served(build, config_dir, tmp_path):
    activated = Activated(build, config_dir(plugins=["hello"]), tmp_path / "log")
    try:
        wait.until(lambda: "Listening on" in activated.said(), "a socket")

        with activated.connect() as first:  # waits in the queue while the server starts
            assert first.request("GET", "/hello").status == 200
        wait.until(lambda: f"listening on 127.0.0.1:{activated.port}" in activated.said(), "its word")

        activated.process.send_signal(signal.SIGHUP)
        wait.until(lambda: "generation 2 serves" in activated.said(), "a reload")
        with activated.connect() as again:
            assert again.request("GET", "/hello").status == 200

        activated.process.terminate()
        assert activated.process.wait(process.END_S) == 0, activated.said()
    finally:
        activated.close()
