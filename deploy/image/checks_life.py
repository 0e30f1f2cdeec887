"""Bad days of a container, and its end."""
import socket
import time

from container import DEADLINE_S, HARDENED, Failure, expect, until

STOP_S = 10  # what Cloud Run and Docker give
DRAIN_S = 8   # what a request is given where K_SERVICE is set


def check_term(engine):
    """TERM, with an idle connection open: ends with 0"""
    one = engine.serve(*HARDENED)
    with socket.create_connection(("127.0.0.1", one.port)):
        begun = time.monotonic()
        one.signal("TERM")
        expect(one.wait_end(), 0, "exit code")
        return f"after {(time.monotonic() - begun) * 1000:.0f} ms"


def begin(one, path):
    """A request that is under way when this returns: it came with another one that is answered, and
    what one read brings is begun before any of it is answered."""
    conn = socket.create_connection(("127.0.0.1", one.port))
    conn.settimeout(DEADLINE_S)
    conn.sendall(b"".join(f"GET {one_of} HTTP/1.1\r\nHost: t\r\n\r\n".encode()
                          for one_of in ("/probe/ok", path)))
    answer = b""
    while not answer.endswith(b"\r\n\r\nok"):
        part = conn.recv(4096)
        if not part:
            raise Failure(f"no answer but {answer!r}")
        answer += part
    return conn


def sleeping(engine, ms):
    """A server in which a request sleeps, and its connection."""
    one = engine.serve(*HARDENED, variables={"SX_ENV": "testing", "K_SERVICE": "check"})
    return one, begin(one, f"/probe/sleep?ms={ms}")


def check_term_finishes(engine):
    """TERM during a request of 2 s: it is answered"""
    one, conn = sleeping(engine, 2000)
    one.signal("TERM")
    answer = conn.recv(4096)
    expect(answer.split(b"\r\n")[0], b"HTTP/1.1 200 OK", "answer")
    expect(one.wait_end(), 0, "exit code")


def check_term_cuts_off(engine):
    """TERM during a request of 29 s, as Cloud Run stops it: ends by itself within 10 s"""
    one, _ = sleeping(engine, 29000)
    begun = time.monotonic()
    one.signal("TERM")
    expect(one.wait_end(), 0, "exit code")
    took = time.monotonic() - begun
    if not DRAIN_S <= took <= STOP_S:
        raise Failure(f"after {took:.1f} s")
    return f"after {took:.1f} s"


def check_term_twice(engine):
    """TERM twice during a request of 29 s: ends at once"""
    one, _ = sleeping(engine, 29000)
    one.signal("TERM")
    until(lambda: '"message":"stopping"' in one.output(), "the word that it stops")
    begun = time.monotonic()
    one.signal("TERM")
    code = one.wait_end()
    took = time.monotonic() - begun
    if took > 2:
        raise Failure(f"after {took:.1f} s")
    return f"after {took * 1000:.0f} ms with {code}"


def check_kill(engine):
    """KILL: nothing is left, and it starts again"""
    one = engine.serve(*HARDENED)
    processes = one.processes()
    one.signal("KILL")
    expect(one.wait_end(), 137, "exit code")
    until(lambda: not any(folder.exists() for folder in processes), "the end of all processes")
    one.start()
    one.wait_ready()


def check_without_database(engine):
    """a database that is away: live, not ready with the reason, unhealthy"""
    folder = "/no/such/folder"
    one = engine.start(*HARDENED, has_database=False,
                       variables={"DATABASE_URL": f"postgresql:///none?host={folder}&user=none"})
    one.wait_answer("/_sx/live", 200)
    status, body = one.wait_answer("/_sx/ready", 503)
    if folder not in body:
        raise Failure(f"no reason in {body}")
    expect(one.get("/hello")[0], 200, "a route without the database")
    done = one.health()
    expect((done.returncode, "not ready" in done.stderr), (1, True), done.stderr)
    return f"{status}: " + body[body.index('"detail"'):].split('","')[0]


def check_without_any_database(engine):
    """no database configured: what needs none is served, the rest is 503"""
    one = engine.serve(*HARDENED, has_database=False)
    expect({path: one.get(path)[0] for path in ("/hello", "/db")}, {"/hello": 200, "/db": 503},
           "statuses")


def check_full_tmpfs(engine):
    """a full /tmp: the copies of the plugins are kept in memory"""
    one = engine.serve(*HARDENED, "--tmpfs", "/tmp:size=64k,mode=1777,exec")
    expect(one.get("/db")[0], 200, "status")
    if "kept in memory" not in one.output():
        raise Failure("no word of it")


def check_tmpfs(engine):
    """with a /tmp of its own: commands are taken, a reload serves"""
    one = engine.serve(*HARDENED, "--tmpfs", "/tmp:size=16m,mode=1777,exec")
    program = "/srv/sim-exchange/sim-exchange"
    done = engine.call("exec", one.id, program, "reload")
    expect(done.returncode, 0, done.stdout + done.stderr)
    expect(one.get("/db")[0], 200, "status")


def check_restart(engine):
    """a container that is stopped and started again serves"""
    one = engine.serve(*HARDENED)
    engine.ask("stop", "--time", "10", one.id)
    expect(one.state()["ExitCode"], 0, "exit code")
    one.start()
    one.wait_ready()
