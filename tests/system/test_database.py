"""The pool: few connections for many clients, one request's failure is its own, and a connection
goes back as it came."""
import threading

import psycopg2
import pytest

from harness import database, plugin
from harness.load import Load, faults
from harness.wait import until

OURS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = %s"


def sampled_most(url, load):
    """The most connections that the server had open while the load ran; it keeps them, so that looks
    after its end count as well."""
    most = looks = 0
    with database.connected(url) as conn, conn.cursor() as cursor:
        while load.is_running() or looks < 20:
            cursor.execute(OURS, (database.name_of(url), "sim-exchange"))
            most = max(most, cursor.fetchone()[0])
            looks += 1
    return most


@pytest.mark.parametrize("workers", [1, 2])
def test_500_clients_never_make_more_than_2_connections_per_worker(server, workers):
    s = server({"database": {"pool_size": 2, "queue": 10000}, "server": {"workers": workers}},
               plugins=["probe"])

    with Load(s.port, connections=500, routes="db,token", count=3000) as load:
        most = sampled_most(s.url, load)
        totals = load.finish()

    assert faults(totals) == 0 and totals["answered"] == 3000, totals
    assert 1 <= most <= 2 * workers
    until(lambda: s.query("SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = %s"
                          " AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
                          database.name_of(s.url)) == [("sim-exchange",)], "nobody else")


def test_leases_and_shared_connections_count_together(server):
    s = server({"database": {"pool_size": 2, "queue": 10000}}, plugins=["probe", "faults"])
    targets = ["/leave-open?what=table", "/leave-open?what=transaction"]
    answers = []

    def borrow():
        with s.connect() as conn:
            for i in range(10):
                answers.append(conn.request("GET", targets[i % 2]).status)

    with Load(s.port, connections=100, routes="db", count=2000) as load:
        borrowers = [threading.Thread(target=borrow) for _ in range(8)]
        for one in borrowers:
            one.start()
        most = sampled_most(s.url, load)
        totals = load.finish()
        for one in borrowers:
            one.join()

    assert faults(totals) == 0, str(totals)
    assert sorted(answers) == [200] * 40 + [500] * 40
    assert 1 <= most <= 2


# -- one request's failure

REFUSE_BAD = """
CREATE FUNCTION probe.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'this token is bad'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON probe.hits FOR EACH ROW
    WHEN (new.tok LIKE 'bad%%') EXECUTE FUNCTION probe.refuse()"""


def write_pipelined(s, name, count, answers):
    """count writes on one connection, every third of which fails."""
    tokens = [("bad" if i % 3 == 1 else "good") + f"-{name}-{i}" for i in range(count)]
    with s.connect() as conn:
        for token in tokens:
            conn.send(f"GET /probe/db/write?tok={token} HTTP/1.1\r\nHost: t\r\n\r\n")
        answers[name] = [(token, conn.response()) for token in tokens]


def test_a_failing_statement_fails_its_own_request_alone(server):
    s = server({"database": {"pool_size": 2}}, plugins=["probe"])
    s.query(REFUSE_BAD)
    answers = {}

    writers = [threading.Thread(target=write_pipelined, args=(s, str(i), 60, answers))
               for i in range(8)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()

    assert len(answers) == 8
    for token, answer in (pair for each in answers.values() for pair in each):
        if token.startswith("bad"):
            assert answer.status == 500 and answer.json["code"] == "database_error", answer
        else:
            assert (answer.status, answer.text) == (200, token)
    kept = sorted(row[0] for row in s.query("SELECT tok FROM probe.hits"))
    assert kept == sorted(token for each in answers.values() for token, _ in each
                          if token.startswith("good"))


def test_what_failed_is_told_to_the_log_and_not_to_the_client(server):
    s = server(plugins=["probe"])
    s.query(REFUSE_BAD)

    answer = s.get("/probe/db/write?tok=bad-1")

    assert "this token is bad" not in answer.text
    line = s.wait_line("this token is bad")
    assert (line["plugin"], line["request_id"]) == ("probe", answer.json["request_id"])


# -- what is left behind

WITNESS = """
static const char sql[] =
    "SELECT concat_ws(' ', current_setting('work_mem'), current_setting('search_path'), "
    "current_user, current_setting('transaction_isolation'), "
    "(SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'), "
    "(SELECT count(*) FROM pg_class WHERE relname = 'left_behind'))";

static int leased(sx_req *r, sx_db *db)
{
    const sx_rows *rows = sx_db_exec(db, sql, SX_NONE);

    return rows == NULL ? SX_EDB : sx_reply_text(r, 200, sx_text_at(rows, 0, 0));
}

static int on_rows(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)arg;
    return sx_reply_text(r, 200, sx_text_at(rows, 0, 0));
}

static int shared(sx_req *r)
{
    return sx_query(r, on_rows, NULL, sql, SX_NONE);
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/witness/leased", .blocking = leased },
    { .method = "GET", .path = "/witness/shared", .handler = shared },
    { 0 },
};

SX_PLUGIN("witness", "1.0.0", .needs = SX_CAP_DB | SX_CAP_BLOCKING, .routes = routes);
"""


@pytest.fixture
def witness(server, tmp_path):
    """A server on two connections with a plugin that tells what it finds on one."""
    file = plugin.compiled(tmp_path / "plugins", "witness", WITNESS)
    return server({"database": {"pool_size": 2}},
                  plugins={"faults": {}, "witness": {"path": str(file)}})


@pytest.mark.parametrize("what, status", [("transaction", 500), ("setting", 200), ("table", 200),
                                          ("lock", 200)])
def test_what_a_handler_leaves_open_is_gone_for_the_next(witness, what, status):
    targets = ("/witness/leased", "/witness/shared")
    before = [witness.get(target).text for target in targets]
    assert before[0].split()[-2:] == ["0", "0"]

    for _ in range(5):
        answer = witness.get(f"/leave-open?what={what}")
        assert answer.status == status, answer
        assert [witness.get(target).text for target in targets] == before

    assert witness.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
                         " (SELECT oid FROM pg_database WHERE datname = current_database())"
                         ) == [(0,)]
    assert witness.query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                         " AND state LIKE 'idle in transaction%'") == [(0,)]


def test_a_transaction_left_open_is_named(witness):
    witness.get("/leave-open")

    line = witness.wait_line(lambda line: line.get("plugin") == "faults"
                             and "transaction" in line["message"])

    assert line["severity"] in ("WARNING", "ERROR")


# -- which database

def test_database_url_of_the_environment_wins(server, new_database):
    configured, given = new_database(), new_database()

    s = server(plugins=["probe"], url=configured, env={"DATABASE_URL": given})

    assert s.get("/probe/db/write?tok=abc").text == "abc"
    assert database.query(given, "SELECT tok FROM probe.hits") == [("abc",)]
    with pytest.raises(psycopg2.errors.UndefinedTable):
        database.query(configured, "SELECT tok FROM probe.hits")
