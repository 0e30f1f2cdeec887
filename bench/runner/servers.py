"""The servers: how each is configured and started.  One process serves, on one CPU."""
import json
import os
import pathlib
import shutil
import socket
import tempfile
import urllib.error
import urllib.request

from runner import process, programs

PEERS = pathlib.Path(__file__).resolve().parents[1] / "peers"
OURS = "sim-exchange"
START_S = 20
IDLE_MS = 600000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            answer.read()
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


class Server:
    """One server: subclasses say what it needs and what its command is."""

    name = ""
    program = ""             # must be in PATH, or be a file
    paths = ("/plaintext", "/json")
    can_pipeline = True

    def __init__(self, run):
        self.run = run
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name.split()[0]}-", dir=run.out))
        self.home.chmod(0o755)
        self.port = free_port()
        self.child = None

    @classmethod
    def is_there(cls):
        return shutil.which(cls.program) is not None

    def command(self):
        raise NotImplementedError

    def env(self):
        return {}

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def start(self, path="/plaintext", prefix=(), cpus=None):
        self.child = process.Child([*prefix, *self.command()], self.home / "log", self.env(),
                                   cpus or {self.run.cpu})
        if not process.wait_until(lambda: answers(self.url(path)) or not self.child.is_running(),
                                  START_S) or not self.child.is_running():
            self.stop()
            raise OSError(f"{self.name} does not answer {path}: "
                          f"{(self.home / 'log').read_text(errors='replace')[-300:]}")
        return self

    def stop(self):
        if self.child is not None:
            self.child.stop()
            self.child = None

    def before_reload(self):
        """What changes in the configuration."""

    def has_reloaded(self):
        """Is the reload over?"""
        raise NotImplementedError

    def pids(self):
        return self.child.pids()

    def worker(self):
        """The process that answers: the youngest of the family."""
        return max(self.pids())

    def fill(self, template, **more):
        """A configuration with @NAME@ filled in."""
        text = (PEERS / template).read_text()
        user = "root" if os.geteuid() == 0 else os.environ.get("USER", "nobody")
        values = {"PORT": self.port, "HOME": self.home, "USER": user, **more}
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        target = self.home / pathlib.Path(template).name
        target.write_text(text)
        return target


class Ours(Server):
    """This project's server: one worker, five plugins, logging as in production."""

    name = OURS
    paths = ("/plaintext", "/json", "/db", "/queries", "/cached-queries", "/fortunes", "/updates")
    has_database = False

    def __init__(self, run):
        super().__init__(run)
        self.config = self.home / "config"
        self.config.mkdir()
        shutil.copy(run.checkout / "config/base.json", self.config)
        plugins = {"hello": {}, "site": {}, "techempower": {"grants": ["db"]},
                   "probe": {"grants": ["db", "blocking", "stream"]},
                   "fifth": {"path": str(run.out / "fifth.so")}}
        for entry in plugins.values():
            entry["enabled"] = True
        overlay = {
            "server": {"address": "127.0.0.1", "port": self.port, "workers": 1,
                       "plugin_dir": str(run.build / "plugins"),
                       "state_dir": str(self.home / "state")},
            "http": {"idle_ms": IDLE_MS},
            "log": {"access": "errors", "format": "json"},
            "plugins": plugins,
        }
        if self.has_database:
            overlay["database"] = {"url": run.postgres.url}
        # Not production: there the plugin probe refuses to serve.
        (self.config / "testing.json").write_text(json.dumps(overlay, indent=2))

    @classmethod
    def is_there(cls):
        return True

    def command(self):
        return [self.run.build / "sim-exchange", "serve", "--config", self.config]

    def has_logged(self, text):
        return text in (self.home / "log").read_text(errors="replace")

    def has_reloaded(self):
        return self.has_logged("generation 1 has ended")

    def env(self):
        return {"SX_ENV": "testing", "PORT": str(self.port), "DATABASE_URL": ""}


class OursWithDatabase(Ours):
    has_database = True


class OursRefused(Ours):
    """With a plugin that is not there when it is told to reload: the old generation goes on."""

    name = f"{OURS}, refused"

    def before_reload(self):
        file = self.config / "testing.json"
        overlay = json.loads(file.read_text())
        overlay["plugins"]["nowhere"] = {"path": str(self.home / "nowhere.so")}
        file.write_text(json.dumps(overlay))

    def has_reloaded(self):
        return self.has_logged("the reload has failed")


class Limit(Server):
    name = "limit"
    paths = ("/plaintext",)

    @classmethod
    def is_there(cls):
        return True

    def command(self):
        return [self.run.out / "limit", self.port]


class Nginx(Server):
    name = "nginx"
    program = "nginx"
    old_worker = 0

    def command(self):
        return [shutil.which("nginx"), "-p", self.home, "-c", self.fill("nginx.conf")]

    def before_reload(self):
        self.old_worker = self.worker()

    def has_reloaded(self):
        return self.old_worker not in self.pids()


class H2o(Server):
    name = "h2o"
    program = "h2o"

    def command(self):
        (self.home / "plaintext.txt").write_text("Hello, World!")
        (self.home / "json.json").write_text('{"message":"Hello, World!"}')
        return [shutil.which("h2o"), "-c", self.fill("h2o.conf")]


class Kore(Server):
    name = "Kore"
    program = "kore"
    paths = ("/plaintext", "/json", "/db")
    can_pipeline = False

    @classmethod
    def is_there(cls):
        return super().is_there() and pathlib.Path("/usr/include/kore/kore.h").exists()

    def command(self):
        if not programs.compile_kore(self.home / "bench.so"):
            raise OSError("the module of Kore does not compile")
        config = self.fill("kore/kore.conf")
        return [shutil.which("kore"), "-fnrq", "-c", config]

    def env(self):
        return {"BENCH_CONNINFO": self.run.postgres.url} if self.run.postgres else {}


class Node(Server):
    name = "Node"
    program = "node"

    def command(self):
        return [shutil.which("node"), PEERS / "node/server.js", self.port]


class Flask(Server):
    name = "gunicorn + Flask"
    program = "gunicorn"
    paths = ("/plaintext", "/json", "/db", "/queries")
    can_pipeline = False

    def command(self):
        return ["/usr/bin/python3", "-m", "gunicorn", "--chdir", PEERS / "flask", "-b",
                f"127.0.0.1:{self.port}", "-w", "1", "-k", "gthread", "--threads", "4",
                "--keep-alive", "300", "--log-level", "critical", "app:app"]

    def env(self):
        env = {"PYTHONDONTWRITEBYTECODE": "1"}
        if self.run.postgres:
            env["BENCH_CONNINFO"] = self.run.postgres.url
        return env


class Reference(Server):
    """One query in flight on each of some connections."""

    paths = ("/db", "/queries")
    connections = 4

    @classmethod
    def is_there(cls):
        return True

    def command(self):
        return [self.run.out / "reference", self.port, self.connections, self.run.postgres.url]


class ReferenceOf4(Reference):
    name = "one query in flight, 4 connections"
    connections = 4


class ReferenceOf8(Reference):
    name = "one query in flight, 8 connections"
    connections = 8


HTTP = [Limit, Ours, Nginx, H2o, Kore, Node, Flask]
