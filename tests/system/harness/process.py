"""The program under test as a process: its configuration, its start, its lines, its end."""
import contextlib
import copy
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import zlib

from harness import database
from harness import wait
from harness import wire

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
START_S = 60
END_S = 60
SANITIZER = re.compile(r"^.*(?:ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:).*$",
                       re.MULTILINE)
GENERATION_SERVES = re.compile(r"^generation (\d+) serves with \d+ workers$")
GRANTS = ["db", "blocking", "stream", "all_routes"]


def leaks():
    """Looking for leaks takes half the time of a short process, so a quarter of the tests do it,
    always the same ones; with SX_TEST_THOROUGH all."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" ", 1)[0]
    is_chosen = os.environ.get("SX_TEST_THOROUGH") or zlib.crc32(test.encode()) % 4 == 0
    return "" if is_chosen else ":detect_leaks=0"


def environment(extra=None):
    """Nothing of the caller's variables reaches the program, but where its tools are."""
    env = {name: os.environ[name] for name in
           ("PATH", "HOME", "LANG", "TMPDIR", "TSAN_OPTIONS", "SUDO_UID") if name in os.environ}
    env["SX_ENV"] = "development"
    env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS",
                                         "detect_leaks=1:abort_on_error=1") + leaks()
    env["UBSAN_OPTIONS"] = os.environ.get("UBSAN_OPTIONS", "print_stacktrace=1")
    env.update(extra or {})
    return env


def merged(base, over):
    """over laid on base, object by object, as the program lays its files."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def plugin_file(build, name):
    """A plugin as shipped, or one of those that misbehave."""
    shipped = build / "plugins" / f"{name}.so"
    return shipped if shipped.exists() else build / "test-plugins" / f"{name}.so"


def write_config(build, home, folder, overrides, plugins, url):
    """base.json as shipped, and a development.json that runs these plugins and no others.
    plugins: names, or {"name": {...entry}}."""
    base = json.loads((CHECKOUT / "config/base.json").read_text())
    entries = {name: {"enabled": False} for name in base.get("plugins", {})}
    for name in plugins:
        entry = {"enabled": True, "path": str(plugin_file(build, name)), "grants": GRANTS}
        entries[name] = merged(entry, plugins[name] if isinstance(plugins, dict) else {})
    overlay = {
        "server": {"address": "127.0.0.1", "workers": 1, "state_dir": str(home / "state"),
                   "plugin_dir": str(build / "plugins"),
                   "start_ms": START_S * 1000},  # a reload runs where others leave a CPU to it
        "database": {"url": url},
        "log": {"format": "json", "level": "debug", "access": "all"},
        "plugins": entries,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.json").write_text(json.dumps(base, indent=2))
    (folder / "development.json").write_text(json.dumps(merged(overlay, overrides or {}), indent=2))
    return folder


def run(build, cwd, arguments, env=None, timeout_s=60, stdin=None, allows_report=False):
    """Runs the program to its end: returncode, stdout and stderr as text."""
    done = subprocess.run([build / "sim-exchange", *map(str, arguments)], cwd=cwd,
                          env=environment(env), input=stdin, capture_output=True, text=True,
                          timeout=timeout_s, check=False)
    assert allows_report or not SANITIZER.search(done.stderr), done.stderr
    return done


def sees_others():
    """Whether this process may look into one of root that changed its user, or is closed to debuggers:
    a container's root may not."""
    held = re.search(r"^CapEff:\s*(\w+)", pathlib.Path("/proc/self/status").read_text(), re.MULTILINE)
    return bool(int(held[1], 16) >> 19 & 1)  # CAP_SYS_PTRACE


_reserved = {}  # by port: a socket that is bound to it and never listens


def free_port():
    """A port that is this process's until release_port, or its end: nobody else gets it from the
    kernel, and who binds it by its number, with SO_REUSEADDR as all servers do, may listen there.
    Until then connections are refused."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    port = keeper.getsockname()[1]
    _reserved[port] = keeper
    return port


def release_port(port):
    _reserved.pop(port).close()


def state(pid):
    """"S": it waits; "T": it was stopped; … (proc(5))."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


@contextlib.contextmanager
def stopped(*pids):
    """Workers that take nothing: the others do."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            wait.until(lambda pid=pid: state(pid) == "T", "its stop")
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


class Server:
    """`sim-exchange serve` on a port of its own.  Lines of its log wake whoever waits."""

    def __init__(self, build, home, config, plugins, env, url, may_die, executable=None):
        home.mkdir(parents=True)
        self.executable = executable or build / "sim-exchange"
        self.build, self.home, self.url, self.may_die = build, home, url, may_die
        self.plugins, self.env = plugins, env or {}
        self.config = home / "config"
        self.overrides = config or {}
        self.process = None
        self.port = None
        self.ports = set()  # reserved
        self.lines = []  # parsed, of standard output
        self.errors = ""
        self.news = threading.Condition()
        self.readers = []
        self.generation = 1  # the last one that was seen to serve
        write_config(build, home, self.config, self.overrides, plugins, url)

    # -- start and end

    def migrate(self):
        done = run(self.build, self.home, ["migrate", "--config", self.config], self.env)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, wait=True):
        self.launch()
        if wait:
            self.wait_ready()

    def launch(self, port=None):
        """port: one that it has had before."""
        self.port = port or free_port()
        self.ports.add(self.port)
        self.process = subprocess.Popen(
            [self.executable, "serve", "--config", self.config], cwd=self.home,
            env=environment({**self.env, "PORT": str(self.port)}), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.readers = [threading.Thread(target=self.read_lines, daemon=True),
                        threading.Thread(target=self.read_errors, daemon=True)]
        for reader in self.readers:
            reader.start()

    def wait_ready(self):
        """Until all its workers serve."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self.join()
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.output()}")
            try:
                if self.get("/_sx/ready").status == 200:
                    if self.overrides.get("server", {}).get("workers", 1) > 1:
                        self.wait_line("serves with")
                    return
            except (OSError, wire.Closed):
                pass
            with self.news:  # until it says something more, or a moment has passed
                self.news.wait(0.05)
        raise AssertionError(f"not ready after {START_S} s:\n{self.output()}")

    def signal(self, number):
        self.process.send_signal(number)

    def rewrite(self, config=None, plugins=None):
        """Other files of configuration in the place of the old ones; HUP makes it read them."""
        self.overrides = self.overrides if config is None else config
        self.plugins = self.plugins if plugins is None else plugins
        write_config(self.build, self.home, self.config, self.overrides, self.plugins, self.url)

    def reload(self):
        """HUP, and waits until a generation serves that is newer than the last one."""
        def is_newer(line):
            found = GENERATION_SERVES.search(str(line.get("message", "")))
            return found and int(found.group(1)) > self.generation

        self.signal(signal.SIGHUP)
        line = self.wait_line(is_newer)
        self.generation = int(GENERATION_SERVES.search(line["message"]).group(1))
        return line

    def wait_end(self):
        """Its exit status."""
        status = self.process.wait(END_S)
        self.join()
        return status

    def finish(self):
        """Ends it; what was wrong with its end."""
        if self.process is None:
            return []
        faults = []
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            status = self.wait_end()
            if status != 0 and not self.may_die:
                faults.append(f"ended with {status}:\n{self.output()}")
        except subprocess.TimeoutExpired:
            faults.append(f"did not end within {END_S} s of TERM:\n{self.output()}")
            os.killpg(self.process.pid, signal.SIGKILL)
            self.wait_end()
        if SANITIZER.search(self.errors) and not self.may_die:
            faults.append(self.errors)
        while self.ports:
            release_port(self.ports.pop())
        return faults

    # -- what it says

    def read_lines(self):
        for raw in self.process.stdout:
            text = raw.decode("utf-8", "replace").rstrip("\n")
            try:
                line = json.loads(text)
            except ValueError:
                line = {"message": text, "severity": "NOT_JSON"}
            with self.news:
                self.lines.append(line)
                self.news.notify_all()

    def read_errors(self):
        for raw in self.process.stderr:
            with self.news:
                self.errors += raw.decode("utf-8", "replace")
                self.news.notify_all()

    def join(self):
        for reader in self.readers:
            reader.join(END_S)

    def output(self):
        tail = [json.dumps(line) for line in self.lines[-50:]]
        return "\n".join(tail) + "\n" + self.errors

    def wait_line(self, wanted, since=0, timeout_s=60):
        """The first line, from index `since`, whose message contains the text `wanted` or
        matches it as an expression, or for which the function says yes."""
        def is_it(line):
            message = str(line.get("message", ""))
            if isinstance(wanted, re.Pattern):
                return wanted.search(message)
            return wanted(line) if callable(wanted) else wanted in message

        deadline = time.monotonic() + timeout_s
        with self.news:
            while True:
                for line in self.lines[since:]:
                    if is_it(line):
                        return line
                left = deadline - time.monotonic()
                assert left > 0, f"no such line within {timeout_s} s:\n{self.output()}"
                self.news.wait(left)

    # -- as a client

    def connect(self, timeout_s=30):
        return wire.Connection(("127.0.0.1", self.port), timeout_s)

    def request(self, method, target, headers=None, body=None):
        """One request on a connection of its own."""
        with self.connect() as conn:
            return conn.request(method, target, {"Connection": "close", **(headers or {})}, body)

    def get(self, target, headers=None):
        return self.request("GET", target, headers)

    def post(self, target, body, content_type="application/json", headers=None):
        return self.request("POST", target, {"Content-Type": content_type, **(headers or {})}, body)

    def raw(self, data):
        """Sends these bytes; everything that comes until the server closes."""
        with self.connect() as conn:
            conn.send(data)
            return conn.rest()

    # -- its processes and its database

    def workers(self):
        """The process ids of its children."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def query(self, sql, *parameters):
        return database.query(self.url, sql, *parameters)
