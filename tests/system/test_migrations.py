"""Migrations: each step once, whole or not at all, and no server on a schema that its plugins do
not expect."""
import re
import secrets
import subprocess

import pytest

from harness import database, plugin, process
from harness.wait import until


@pytest.fixture
def orders(tmp_path, config_dir, cluster):
    """orders(url, steps…): a configuration with a plugin of these migrations.  Its name is new
    in the cluster, because roles belong to the cluster."""
    name = "orders_" + secrets.token_hex(4)

    def make(url, *steps):
        file = plugin.migrated(tmp_path / "plugins", name, *steps)
        return config_dir(plugins={name: {"path": str(file)}}, url=url)

    make.name = name
    yield make
    database.query(cluster, f'DROP ROLE IF EXISTS "{name}"')


ONE = (1, "items", "CREATE TABLE items (id integer)")
TWO = (2, "first", "INSERT INTO items VALUES (1)")
BROKEN = (2, "broken", "INSERT INTO items VALUES (7); SELECT no_such_column FROM items")


def migrate(program, folder, *options):
    return program("migrate", *options, "--config", folder)


def schemas(url):
    return [row[0] for row in database.query(
        url, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'orders%'")]


def items(url, name):
    return [row[0] for row in database.query(url, f'SELECT id FROM "{name}".items ORDER BY id')]


def test_each_step_is_applied_once(program, new_database, orders):
    url = new_database()
    folder = orders(url, ONE, TWO)

    first, second = migrate(program, folder), migrate(program, folder)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "applied 1 items" in first.stdout and "applied 2 first" in first.stdout
    assert "applied" not in second.stdout
    assert items(url, orders.name) == [1]


def test_dry_run_says_and_does_nothing(program, new_database, orders):
    url = new_database()

    done = migrate(program, orders(url, ONE, TWO), "--dry-run")

    assert done.returncode == 0, done.stderr
    assert "would apply 1 items" in done.stdout and "would apply 2 first" in done.stdout
    assert schemas(url) == []


def test_a_failing_step_is_rolled_back_and_named(program, new_database, orders):
    url = new_database()

    done = migrate(program, orders(url, ONE, BROKEN))

    assert done.returncode != 0
    assert f'plugin "{orders.name}": migration 2 "broken"' in done.stderr
    assert "no_such_column" in done.stderr
    assert items(url, orders.name) == []  # the first step stays, the second left nothing


def test_a_failed_step_can_be_mended(program, new_database, orders):
    url = new_database()
    assert migrate(program, orders(url, ONE, BROKEN)).returncode != 0

    assert migrate(program, orders(url, ONE, TWO)).returncode == 0

    assert items(url, orders.name) == [1]


def test_an_edited_step_stops_migrate_and_is_named(program, new_database, orders):
    url = new_database()
    assert migrate(program, orders(url, ONE)).returncode == 0

    done = migrate(program, orders(url, (1, "items", ONE[2] + " -- edited"), TWO))

    assert done.returncode != 0
    assert f'plugin "{orders.name}": migration 1 "items" was edited' in done.stderr
    assert items(url, orders.name) == []


def test_an_older_version_of_a_plugin_does_not_migrate(program, new_database, orders):
    url = new_database()
    assert migrate(program, orders(url, ONE, TWO)).returncode == 0

    done = migrate(program, orders(url, ONE))

    assert done.returncode != 0
    assert f'plugin "{orders.name}": migration 2 "first"' in done.stderr


SLOW = (1, "items", "CREATE TABLE items (id integer); SELECT pg_sleep(0.3)")


def test_migrators_at_once_apply_each_step_once(build, new_database, orders, tmp_path):
    url = new_database()
    folder = orders(url, SLOW, TWO)

    running = [subprocess.Popen([build / "sim-exchange", "migrate", "--config", folder],
                                cwd=tmp_path, env=process.environment(), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    done = [(*one.communicate(timeout=60), one.returncode) for one in running]

    assert [status for _, _, status in done] == [0, 0, 0], done
    assert sum(out.count("applied 1") for out, _, _ in done) == 1
    assert items(url, orders.name) == [1]


# -- at the start of the server

def serve(program, folder):
    return program("serve", "--config", folder, env={"PORT": str(process.free_port())})


def test_serve_refuses_what_was_not_migrated(program, new_database, orders):
    url = new_database()
    folder = orders(url, ONE, TWO)

    done = serve(program, folder)

    assert done.returncode == 2, done.stderr
    for number, name in ((1, "items"), (2, "first")):
        assert f'plugin "{orders.name}": migration {number} "{name}" has not been applied' \
            in done.stderr
    assert "sim-exchange migrate" in done.stderr
    assert schemas(url) == []


def test_serve_refuses_an_edited_step(program, new_database, orders):
    url = new_database()
    assert migrate(program, orders(url, ONE, TWO)).returncode == 0

    done = serve(program, orders(url, ONE, (2, "first", "INSERT INTO items VALUES (2)")))

    assert done.returncode == 2
    assert f'plugin "{orders.name}": migration 2 "first" was edited' in done.stderr


def test_reload_refuses_a_step_that_was_not_applied(server, orders, tmp_path):
    name = orders.name
    plugins = {name: {"path": str(plugin.migrated(tmp_path / "one", name, ONE))}}
    s = server(plugins=plugins)
    later = str(plugin.migrated(tmp_path / "two", name, ONE, TWO))

    s.rewrite(plugins={name: {"path": later}})
    s.signal(process.signal.SIGHUP)
    line = s.wait_line("the reload has failed")

    assert f'plugin "{name}": migration 2 "first" has not been applied' in line["message"]
    assert s.get(f"/{name}").status == 200

    s.migrate()
    s.reload()

    assert s.get(f"/{name}").status == 200


SOON = {"http": {"request_ms": 2000}}  # how long a request waits for its turn


def why_not_ready(s):
    ready = s.get("/_sx/ready")
    assert (ready.status, ready.json["code"]) == (503, "database_away")
    return ready.json["detail"]


def test_a_database_that_is_away_is_waited_for(server, new_database):
    url = new_database()
    away = database.named(url, "sx_" + secrets.token_hex(8))

    s = server(SOON, plugins=["probe", "hello"], url=away, wait=False, migrate=False)
    s.wait_line("listening on")

    until(lambda: database.name_of(away) in why_not_ready(s), "the reason")
    assert s.get("/hello").status == 200
    assert s.get("/_sx/live").status == 200
    assert s.get("/probe/db/read?tok=x").status in (503, 504)

    database.query(url, f"CREATE DATABASE {database.name_of(away)}")
    try:
        s.migrate()
        until(lambda: s.get("/_sx/ready").status == 200, "ready")
        assert s.get("/probe/db/read?tok=abc").text == "abc"
        assert not s.finish()
    finally:
        database.drop(url, away)


def test_a_server_that_nobody_can_reach_is_waited_for(server, tmp_path):
    s = server(SOON, plugins=["probe", "hello"], url=f"postgresql:///none?host={tmp_path}",
               migrate=False, wait=False)
    s.wait_line("listening on")

    until(lambda: str(tmp_path) in why_not_ready(s), "the reason")
    assert s.get("/hello").status == 200
    assert s.get("/probe/db/read?tok=x").status in (503, 504)


def test_a_history_that_is_locked_does_not_keep_a_start_waiting(server, new_database):
    """By a long transaction.  Whether the schema is right is not known then; all else is served."""
    url = new_database()
    keys = {"pool_size": 1, "budget": "require"}
    first = server({"database": keys}, plugins=["probe", "hello"], url=url)
    with database.connected(url) as conn, conn.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE probe.sx_migrations IN ACCESS EXCLUSIVE MODE")
        s = server({"database": keys}, plugins=["probe", "hello"], url=url, migrate=False)

        line = s.wait_line("migrations could not be verified")
        assert re.search("statement timeout|did not answer within", line["message"])
        assert line["severity"] == "WARNING"
        assert s.get("/probe/db/write?tok=abc").text == "abc"
    assert first.get("/probe/db/read?tok=abc").text == "abc"


def test_a_login_that_may_not_create_roles_serves_all_the_same(server, new_database, cluster):
    login = "login_" + secrets.token_hex(6)
    database.query(cluster, f"CREATE ROLE {login} LOGIN")
    try:
        url = new_database()
        database.query(url, f"GRANT CREATE ON DATABASE {database.name_of(url)} TO {login}")
        s = server(plugins=["probe"], url=database.as_user(url, login))

        assert s.get("/probe/db/write?tok=abc").text == "abc"
        assert s.query("SELECT tok FROM probe.hits") == [("abc",)]
        assert not s.finish()
        database.drop(cluster, url)
    finally:
        database.query(cluster, f"DROP ROLE {login}")
