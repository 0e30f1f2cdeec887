"""Do the connections of all instances fit into the server?"""
import secrets
import signal

import pytest

from harness import database

PLUGINS = ["probe"]


def most(url):
    rows = database.query(url, "SELECT current_setting('max_connections')::int -"
                               " current_setting('superuser_reserved_connections')::int")
    return rows[0][0]


def config(**keys):
    return {"server": {"workers": 1}, "database": {"pool_size": 2, **keys}}


def test_the_log_tells_how_many_connections_there_may_be(server):
    s = server(config(instances=3), PLUGINS)
    told = f"open 6, and 12 while a reload or a release replaces them; the server allows {most(s.url)}"

    assert s.wait_line(told)["severity"] == "INFO"

    s.rewrite(config(instances=most(s.url)))
    s.reload()
    assert s.wait_line(f"open {2 * most(s.url)}, ")["severity"] == "WARNING"


@pytest.mark.parametrize("pooler, is_refused", [("none", True), ("transaction", False)])
def test_a_start_is_refused_where_they_are_required_to_fit(server, new_database, pooler, is_refused):
    """Behind a pooler, one of each worker counts: it listens past it."""
    url = new_database()
    instances = most(url) // 2  # twice 2 each are too many, twice 1 each are not
    s = server(config(instances=instances, budget="require", pooler=pooler), PLUGINS, url=url,
               may_die=is_refused, wait=not is_refused)

    if not is_refused:
        assert s.get("/probe/db/read?tok=a").text == "a"
        return
    assert s.wait_end() == 2
    assert "database.budget: the connections do not fit: database.instances" in s.errors
    assert f"open {2 * instances}, and {4 * instances} while" in s.errors


def test_a_reload_is_refused_where_they_are_required_to_fit(server):
    s = server(config(budget="require"), PLUGINS)

    s.rewrite(config(budget="require", instances=100000))
    since = len(s.lines)
    s.signal(1)
    line = s.wait_line("the reload has failed", since)

    assert "database.budget" in s.output() and line["severity"] == "ERROR"
    assert s.get("/probe/db/read?tok=a").text == "a"


def test_a_server_that_is_away_is_no_reason_to_refuse(server, new_database):
    url = database.as_user(new_database(), "nobody_of_this_name")
    s = server(config(budget="require", instances=100000), PLUGINS, url=url, migrate=False, wait=False)

    s.wait_line("generation 1 serves")
    assert s.get("/_sx/ready").status == 503


def test_the_log_tells_it_when_the_database_has_come(server, new_database):
    url, user = new_database(), "later_" + secrets.token_hex(8)
    s = server(config(), PLUGINS, url=database.as_user(url, user), migrate=False, wait=False)
    s.wait_line("cannot connect")

    database.query(url, f"CREATE ROLE {user} LOGIN SUPERUSER")
    try:
        assert s.wait_line("the server allows")["severity"] == "INFO"
    finally:
        s.signal(signal.SIGTERM)
        s.wait_end()
        database.query(url, f"DROP ROLE {user}")
