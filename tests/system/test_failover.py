"""Primary and standby: the one that takes writes is found, whoever it is, and what was acknowledged
is on both."""
import re

import pytest

from harness import database
from harness.fault_proxy import Proxy
from harness.marked import LATE_S, Traffic
from harness.postgres import Postgres
from harness.replica import Replica, kill_all, url_of_both
from harness.wait import until

CONFIG = {
    "http": {"request_ms": 5000},
    "database": {"pool_size": 4, "statement_ms": 1000, "connect_ms": 1000},
    "log": {"access": "off"},
}


@pytest.fixture
def pair():
    """A primary and its synchronous standby."""
    primary = Postgres()
    replica = None
    try:
        replica = Replica(primary)
        yield primary, replica
    finally:
        if replica is not None:
            replica.finish()
        primary.finish()


def rows(url, traffic):
    return [row[0] for row in database.query(
        url, "SELECT tok FROM marked.mark WHERE starts_with(tok, %s)", traffic.name + ".")]


def check(server, pids, traffic, url):
    faults = list(traffic.faults(rows(url, traffic), LATE_S))
    assert not faults, "\n".join(faults[:20])
    assert {a.status for a in traffic.answers} <= {200, 503, 504}, traffic.statuses()
    assert server.workers() == pids


def sessions(url, name):
    return database.query(url, "SELECT pid FROM pg_stat_activity WHERE application_name ="
                               " 'sim-exchange' AND datname = %s", name)


def test_a_promoted_standby_is_found_and_has_every_acknowledged_write(server, pair):
    primary, replica = pair
    name = database.name_of(database.create(primary.url))
    s = server(CONFIG, plugins=["marked"], url=url_of_both(primary, replica, name))
    pids = s.workers()

    with Traffic(s, clients_per_kind=2) as traffic:
        traffic.await_success()
        kill_all(primary)
        replica.promote()
        traffic.await_success()

    check(s, pids, traffic, database.named(replica.url, name))
    assert s.get("/_sx/ready").status == 200


@pytest.mark.thorough
def test_a_primary_that_was_made_read_only_is_left(server, pair):
    primary, replica = pair
    name = database.name_of(database.create(primary.url))
    s = server(CONFIG, plugins=["marked"], url=url_of_both(primary, replica, name))
    pids = s.workers()

    with Traffic(s) as traffic:
        traffic.await_success()
        database.query(primary.url, "ALTER SYSTEM SET default_transaction_read_only = on")
        database.query(primary.url, "SELECT pg_reload_conf()")
        replica.promote()
        traffic.await_success()
        until(lambda: not sessions(primary.url, name), "no connection to the old primary")

    check(s, pids, traffic, database.named(replica.url, name))


@pytest.mark.thorough
def test_a_host_that_is_silent_does_not_hide_the_other(server):
    """By names and numbers, as DATABASE_URL gives them; from the start and later."""
    postgres = Postgres()
    try:
        url = database.create(postgres.url)
        with Proxy(url) as first, Proxy(url) as second:
            both = re.sub(r"@[^/]*/", f"@localhost:{first.port},127.0.0.1:{second.port}/",
                          second.url) + "&target_session_attrs=read-write"
            env = {"DATABASE_URL": both}
            s = server(CONFIG, plugins=["marked"], url=url, env=env)
            pids = s.workers()
            with Traffic(s) as traffic:
                traffic.await_success()
                first.mute()
                traffic.await_success()
                until(lambda: s.get("/_sx/ready").status == 200, "ready by way of the second")
                again = server(CONFIG, plugins=["marked"], url=url, env=env, migrate=False)
                assert again.get("/marked/read?tok=abc").text == "abc"
                first.disarm()
                second.mute()
                traffic.await_success()
                second.disarm()
            check(s, pids, traffic, url)
    finally:
        postgres.finish()
