"""PgBouncer in transaction mode before a database of the tests."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from harness import database, process
from harness.wait import until

SERVER_CONNECTIONS = 3  # that it opens, however many clients it has

SETTINGS = """
[databases]
{name} = host={host} port=5432 user=sim_exchange

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 500
logfile =
"""


class Pooler:
    """From its start to its end; url is the database by way of it."""

    def __init__(self, url):
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="sim-exchange-test-", dir="/tmp"))
        host = re.search(r"host=([^&]*)", url).group(1)
        port = process.free_port()
        self.ini = self.home / "pgbouncer.ini"
        self.ini.write_text(SETTINGS.format(name=database.name_of(url), host=host, port=port,
                                            connections=SERVER_CONNECTIONS))
        # It refuses to run as root: as the server's owner, who may reach its socket.
        self.owner = os.stat(host).st_uid if os.geteuid() == 0 else None
        if self.owner is not None:
            os.chown(self.home, self.owner, -1)
        self.command = [program, "-q", str(self.ini)]
        self.url = (f"postgresql://sim_exchange@127.0.0.1:{port}/{database.name_of(url)}"
                    "?sslmode=disable")
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, user=self.owner, cwd="/",
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        until(self.answers, "PgBouncer answers")

    def answers(self):
        assert self.process.poll() is None, "PgBouncer has ended"
        try:
            return database.query(self.url, "SELECT 1")
        except database.psycopg2.OperationalError:
            return None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def finish(self):
        self.kill()
        shutil.rmtree(self.home)
