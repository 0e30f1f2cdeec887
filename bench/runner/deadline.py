"""How long a statement outlives its request: the server cancels it when the request's time is
over, and PostgreSQL is asked without pause whether it is still running."""
import json
import select
import socket
import time

from runner import servers

DEADLINE_S = 0.3  # of the routes /never of tests/plugins/faults.c
WAYS = ("read", "write", "lease")
GIVE_UP_S = 30
RUNNING = ("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> "
           "pg_backend_pid() AND query LIKE '%pg_sleep(3600), ''never%'")


class OursNever(servers.OursWithDatabase):
    """With the plugin of the tests that misbehaves on demand."""

    def __init__(self, run):
        super().__init__(run)
        file = self.config / "testing.json"
        overlay = json.loads(file.read_text())
        overlay["plugins"]["faults"] = {"path": str(run.out / "faults.so"), "enabled": True,
                                        "grants": ["db", "blocking", "stream"]}
        file.write_text(json.dumps(overlay))


def outlived(run, rounds):
    """{way: [(answer, statement)]}: milliseconds after the deadline that each came, and ended."""
    try:
        import psycopg2  # pylint: disable=import-outside-toplevel
    except ImportError:
        run.missing("deadline", "python3-psycopg2 is not installed")
        return {}
    server = OursNever(run).start()
    database = psycopg2.connect(run.postgres.url)
    database.autocommit = True
    try:
        with database.cursor() as cursor:
            return {way: [once(server.port, f"/never/{way}", cursor) for _ in range(rounds)]
                    for way in WAYS}
    finally:
        database.close()
        server.stop()


def once(port, path, cursor):
    with socket.create_connection(("127.0.0.1", port), GIVE_UP_S) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        began = time.monotonic()
        answered = ended = None
        was_running = False
        while answered is None or ended is None:
            cursor.execute(RUNNING)
            is_running = cursor.fetchone()[0] > 0
            now = time.monotonic()
            if now - began > GIVE_UP_S:
                raise OSError(f"{path}: no answer, or its statement does not end")
            if was_running and not is_running and ended is None:
                ended = now
            was_running = was_running or is_running
            if answered is None and select.select([client], [], [], 0)[0]:
                answered = now
                if not client.recv(100).startswith(b"HTTP/1.1 504"):
                    raise OSError(f"{path}: another answer than 504")
    return tuple((t - began - DEADLINE_S) * 1e3 for t in (answered, ended))
