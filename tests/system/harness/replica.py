"""A standby of a test's own PostgreSQL, which replicates synchronously and can be promoted."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile

from harness import database
from harness.postgres import children, is_gone
from harness.wait import until


class Replica:
    """From its making, as a copy of the primary, to its removal."""

    def __init__(self, primary):
        self.primary = primary
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="sim-exchange-test-", dir="/tmp"))
        os.chown(self.home, primary.owner, -1)
        self.data = self.home / "data"
        self.url = re.sub(r"host=[^&]*", f"host={self.home}", primary.url)
        bin_dir = pathlib.Path(primary.command[0]).parent
        subprocess.run([bin_dir / "pg_basebackup", "-D", self.data, "-d", primary.url, "-R",
                        "--checkpoint=fast", "--no-sync"], user=primary.owner, check=True, cwd="/")
        command = [str(self.data) if before == "-D" else
                   f"unix_socket_directories={self.home}" if "unix_socket_dir" in part else part
                   for before, part in zip(["", *primary.command], primary.command)]
        self.process = subprocess.Popen(command, user=primary.owner, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        cwd="/")
        self.make_synchronous()

    def make_synchronous(self):
        """From now on the primary acknowledges nothing that is not here."""
        database.query(self.primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        database.query(self.primary.url, "SELECT pg_reload_conf()")
        until(lambda: database.query(self.primary.url, "SELECT 1 FROM pg_stat_replication"
                                     " WHERE sync_state = 'sync'"), "synchronous replication")

    def promote(self):
        assert database.query(self.url, "SELECT pg_promote()") == [(True,)]

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        subprocess.run(["rm", "-rf", self.home], check=True)


def kill_all(postgres):
    """As a machine that loses its power."""
    victims = [postgres.pid, *children(postgres.pid)]
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):  # they see the end of the first, too
            os.kill(pid, signal.SIGKILL)
    until(lambda: all(is_gone(pid) for pid in victims), "nothing of it is left")


def url_of_both(first, second, name, **options):
    """A database that is on either, whichever takes writes."""
    hosts = [re.search(r"host=([^&]*)", one.url).group(1) for one in (first, second)]
    options = {"target_session_attrs": "read-write", "user": "sim_exchange", "port": "5432",
               **options}
    return f"postgresql:///{name}?host={','.join(hosts)}&" + "&".join(
        f"{key}={value}" for key, value in options.items())
