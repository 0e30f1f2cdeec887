"""Behind PgBouncer in transaction mode: connections are nobody's, and nothing is crossed, left behind
or missing for it."""
import pytest

from harness import database
from harness.marked import LATE_S, Traffic
from harness.pooler import SERVER_CONNECTIONS, Pooler
from harness.wait import until

CONFIG = {
    "server": {"workers": 2},
    "http": {"request_ms": 5000},
    "database": {"pool_size": 4, "statement_ms": 1000, "connect_ms": 1000, "pooler": "transaction"},
    "log": {"access": "off"},
}
OURS = ("SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'")
GONE = "SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = ANY (%s))"


@pytest.fixture
def pooled(server, new_database):
    """pooled(plugins): a server behind PgBouncer, the database past it, and PgBouncer."""
    poolers = []

    def start(plugins, config=None):
        url = new_database()
        poolers.append(Pooler(url))
        given = {**CONFIG, **(config or {})}
        given["database"] = {**CONFIG["database"], "direct_url": url}
        return server(given, plugins, url=poolers[-1].url), url, poolers[-1]

    yield start
    for one in poolers:
        one.finish()


def rows(url, traffic):
    return [row[0] for row in database.query(
        url, "SELECT tok FROM marked.mark WHERE starts_with(tok, %s)", traffic.name + ".")]


def test_many_clients_share_few_connections_and_a_restart_is_survived(pooled):
    s, url, pooler = pooled(["marked"])
    pids = s.workers()

    with Traffic(s, clients_per_kind=3) as traffic:
        traffic.await_success()
        before = [pid for pid, in database.query(url, OURS)]
        pooler.kill()
        until(lambda: s.get("/_sx/ready").status == 503, "not ready without PgBouncer")
        pooler.start()
        traffic.await_success()
        until(lambda: database.query(url, GONE, before)[0][0], "those of before have ended")
        most = max(len(before), len(database.query(url, OURS)))

    faults = list(traffic.faults(rows(url, traffic), LATE_S))
    assert not faults, "\n".join(faults[:20])
    assert {a.status for a in traffic.answers} <= {200, 503, 504}, traffic.statuses()
    assert s.workers() == pids
    assert 1 <= most <= SERVER_CONNECTIONS


def test_nothing_of_a_session_is_left_to_the_next_client(pooled):
    """Role, search path and timeout belong to a transaction; no statement has a name."""
    s, url, pooler = pooled(["marked", "probe"])

    for i in range(2 * SERVER_CONNECTIONS):
        assert s.get(f"/marked/lease/read?tok=a{i}").text == f"a{i}"
        assert s.get(f"/probe/db/read?tok=b{i}").text == f"b{i}"

    for _ in range(SERVER_CONNECTIONS):
        assert database.query(
            pooler.url, "SELECT current_user, current_setting('search_path'),"
            " current_setting('statement_timeout'), count(p.name) FROM (SELECT 1) AS one"
            " LEFT JOIN pg_prepared_statements p ON true") == [
                ("sim_exchange", '"$user", public', "0", 0)]
    assert database.query(url, "SELECT nspname FROM pg_namespace WHERE nspname = 'probe'")


@pytest.mark.parametrize("how", ["read", "write", "lease"])
def test_a_statement_that_never_ends_is_cancelled_through_it(pooled, how):
    s, url, _ = pooled({"faults": {"mount": {"prefix": "/faults"}}, "marked": {}},
                       {"server": {"workers": 1}})
    for target in ("/marked/read?tok=a", "/marked/lease/read?tok=b"):  # connections that are there
        assert s.get(target).status == 200
    assert s.request("POST", "/marked/write?tok=c").status == 200

    assert s.get(f"/faults/never/{how}").status == 504

    until(lambda: not database.query(url, "SELECT 1 FROM pg_stat_activity WHERE query LIKE"
                                          " '%%pg_sleep(3600)%%' AND state = 'active'"
                                          " AND pid <> pg_backend_pid()"), "it was cancelled")
    assert s.get("/marked/read?tok=after").text == "after"


def test_notifications_come_past_it(pooled):
    s, url, _ = pooled({"contract": {"options": {"key": "k"}}}, {"server": {"workers": 1}})

    def is_noted():
        database.query(url, "NOTIFY \"a \"\"channel\"\"\", 'here'")
        return '"notified"' in s.get("/notes").text

    until(is_noted, "a notification was heard")
