"""Containers of the image under check: started, asked, ended, removed."""
import http.client
import json
import os
import pathlib
import socket
import subprocess
import time

DEADLINE_S = 60
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--memory", "128m", "--memory-swap", "128m"]
PROGRAM = "/srv/sim-exchange/sim-exchange"
CLOUDSQL = "/cloudsql"
INSTANCE = "project:region:instance"


class Failure(Exception):
    """A check that found what should not be."""


def expect(found, wanted, what):
    if found != wanted:
        raise Failure(f"{what}: expected {wanted!r}, found {found!r}")


def until(condition, what, deadline_s=DEADLINE_S):
    """What the condition returns once that is true."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise Failure(f"not within {deadline_s} s: {what}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


class Engine:
    """The Docker engine, the image, and the containers that a check has made."""

    def __init__(self, docker, tag, database, state):
        self.docker, self.tag, self.database = docker, tag, database
        self.state = pathlib.Path(state)
        self.made = []
        self.migrated = {}  # environment: how its migration went

    def migrate(self):
        """What every start needs: the database of the production environment, then of another."""
        for environment in ("production", "testing"):
            self.migrated[environment] = self.command("migrate",
                                                      variables={"SX_ENV": environment})
        self.remove_all()

    def call(self, *arguments, **options):
        return subprocess.run([*self.docker, *map(str, arguments)], capture_output=True,
                              timeout=DEADLINE_S * 3, **{"text": True, "check": False, **options})

    def ask(self, *arguments):
        done = self.call(*arguments)
        if done.returncode != 0:
            raise Failure(done.stderr.strip())
        return done.stdout.strip()

    def version(self):
        return self.ask("version", "--format", "{{.Server.Version}}")

    def processors(self):
        return self.ask("info", "--format", "{{.NCPU}}")

    def image(self):
        return json.loads(self.ask("image", "inspect", self.tag))[0]

    def create(self, *options, command=(), variables=None, has_database=True, port=None):
        """A container that has not been started, on the network of this machine."""
        words = ["create", "--network", "host", *options]
        values = {"PORT": port} if port else {}
        if has_database:
            words += ["--mount", f"type=bind,source={self.database},target={CLOUDSQL}/{INSTANCE}"]
            values |= {"SQL_PROXY_PATH": CLOUDSQL, "INSTANCE_NAME1": INSTANCE,
                       "MFDB_NAME": "postgres", "MFDB_USER": "sim_exchange"}
        for name, value in {**values, **(variables or {})}.items():
            words += ["--env", f"{name}={value}"]
        one = Container(self, self.ask(*words, self.tag, *command), port or 5009)
        self.made.append(one)
        return one

    def start(self, *options, **more):
        one = self.create(*options, **{"port": free_port(), **more})
        one.start()
        return one

    def serve(self, *options, **more):
        one = self.start(*options, **more)
        one.wait_ready()
        return one

    def command(self, *words, **more):
        """A command of the program to its end, hardened."""
        one = self.create(*HARDENED, command=words, **more)
        done = self.call("start", "--attach", one.id)
        return done.returncode, done.stdout, done.stderr

    def remove_all(self):
        for one in self.made:
            self.call("rm", "--force", "--volumes", one.id)
        self.made.clear()


class Container:
    """One of them."""

    def __init__(self, engine, identifier, port):
        self.engine, self.id, self.port = engine, identifier, port

    def start(self):
        self.engine.ask("start", self.id)

    def state(self):
        return json.loads(self.engine.ask("inspect", "--format", "{{json .State}}", self.id))

    def signal(self, name):
        self.engine.ask("kill", "--signal", name, self.id)

    def output(self):
        done = self.engine.call("logs", self.id)
        return done.stdout + done.stderr

    def get(self, path, timeout_s=DEADLINE_S):
        """Status and body."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            conn.request("GET", path, headers={"Connection": "close"})
            answer = conn.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        finally:
            conn.close()

    def try_get(self, path):
        """The same, or None where nobody answers."""
        try:
            return self.get(path)
        except (OSError, http.client.HTTPException):
            return None

    def is_running(self):
        return self.state()["Running"]

    def wait_answer(self, path, status):
        def look():
            found = self.try_get(path)
            if found is None and not self.is_running():
                raise Failure(f"it has ended: {self.output()[-2000:]}")
            return found if found is not None and found[0] == status else None

        return until(look, f"{status} from {path}; {self.output()[-2000:]}")

    def wait_ready(self):
        self.wait_answer("/_sx/ready", 200)

    def wait_end(self, deadline_s=DEADLINE_S):
        """Its exit code."""
        until(lambda: not self.is_running(), "the end of the container", deadline_s)
        return self.state()["ExitCode"]

    def processes(self):
        """Their folders in /proc."""
        top = self.engine.ask("top", self.id, "-o", "pid")
        return [pathlib.Path("/proc", line.strip()) for line in top.splitlines()[1:]]

    def health(self):
        return self.engine.call("exec", self.id, PROGRAM, "health")

    def memory(self):
        """Its control group's own figure, now and at most, in bytes; None where there is none."""
        pid = self.state()["Pid"]
        for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            for folder, name in ((f"/sys/fs/cgroup/memory{path}", "memory.max_usage_in_bytes"),
                                 (f"/sys/fs/cgroup{path}", "memory.peak")):
                if (names in ("memory", "")) and os.path.exists(f"{folder}/{name}"):
                    return int(pathlib.Path(folder, name).read_text())
        return None
