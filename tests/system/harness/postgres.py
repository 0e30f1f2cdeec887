"""A PostgreSQL of a test's own, which it may stop, halt and start again."""
import os
import pathlib
import signal
import subprocess

from harness import database
from harness.process import CHECKOUT, state
from harness.wait import until


def children(pid):
    return [int(text) for text in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_gone(pid):
    """Whether it has ended; one whose end nobody has asked for counts as ended."""
    try:
        return state(pid) == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Postgres:
    """A cluster from its making to its removal."""

    def __init__(self):
        self.keeper = subprocess.Popen([CHECKOUT / "scripts/throwaway-postgres"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.keeper.stdout.readline().strip()
        assert self.url, "there is no PostgreSQL for this test"
        self.pid = self.find()
        command = pathlib.Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")[:-1]
        self.command = [part.decode() for part in command]
        self.owner = os.stat(f"/proc/{self.pid}").st_uid
        self.again = None  # the one that start has made

    def find(self):
        """The postmaster: among the keeper's descendants, the one whose parent is not it."""
        waiting = children(self.keeper.pid)
        while waiting:
            pid = waiting.pop()
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "postgres":
                return pid
            waiting += children(pid)
        raise AssertionError("the keeper has no PostgreSQL")

    def stop(self, number=signal.SIGINT):
        """At once, as pg_ctl's mode fast; SIGQUIT as immediate, SIGKILL as nobody should."""
        os.kill(self.pid, number)
        if self.again is not None:
            self.again.wait(60)
        until(lambda: is_gone(self.pid), "PostgreSQL has stopped")

    def start(self):
        self.again = subprocess.Popen(self.command, user=self.owner, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                      cwd="/")
        self.pid = self.again.pid
        until(self.answers, "PostgreSQL answers")

    def answers(self):
        try:
            return database.query(self.url, "SELECT 1")
        except database.psycopg2.OperationalError:
            return None

    def finish(self):
        if self.again is not None and self.again.poll() is None:
            self.stop()
        self.keeper.stdin.close()
        self.keeper.wait(60)
