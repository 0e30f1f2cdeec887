"""The fixtures of the system tests, and a database with the schema of the exchange."""
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SYSTEM = HERE.parent / "system"
sys.path[:0] = [str(HERE), str(SYSTEM)]

import commands  # noqa: E402
import dialect  # noqa: E402
from harness import database, fixtures, process  # noqa: E402


_SYSTEM = fixtures.load()
build, cluster, new_database = _SYSTEM.build, _SYSTEM.cluster, _SYSTEM.new_database
program, config_dir, server = _SYSTEM.program, _SYSTEM.config_dir, _SYSTEM.server
pytest_runtest_protocol = _SYSTEM.pytest_runtest_protocol

FIRST_DAY = """
    TRUNCATE exchange.account, exchange.balance, exchange.deposit, exchange.stored_order,
        exchange.book, exchange.trade, exchange.minute, exchange.event RESTART IDENTITY CASCADE;
    UPDATE exchange.asset SET supply = 0;
    UPDATE exchange.market SET seq = 0, trade_id = 0, fees = 0, last_price = NULL,
        last_lots = NULL, last_side = NULL, last_at = NULL;
    UPDATE exchange.artist SET expires_at = clock_timestamp() + interval '1 year';
    UPDATE exchange.instrument i SET status = f.status, max_ticks = f.max_ticks,
        max_lots = f.max_lots, min_funds = f.min_funds, maker_ppm = f.maker_ppm,
        taker_ppm = f.taker_ppm FROM public.first f WHERE f.id = i.id"""


@pytest.fixture(scope="session")
def migrated(build, cluster, tmp_path_factory):
    """A database that `sim-exchange migrate` has made, once for all tests."""
    home = tmp_path_factory.mktemp("migrated")
    url = database.create(cluster)
    folder = process.write_config(build, home, home / "config", None,
                                  {"exchange": {"options": dialect.OPTIONS}}, url)
    done = process.run(build, home, ["migrate", "--config", folder])
    assert done.returncode == 0, done.stdout + done.stderr
    commands.wait_for_locks(url, "60s")
    database.query(url, "CREATE TABLE public.first AS SELECT * FROM exchange.instrument")
    yield url
    database.drop(cluster, url)


@pytest.fixture
def exchange_database(migrated):
    """The schema of the exchange as it is on its first day: a URL."""
    database.query(migrated, FIRST_DAY)
    return migrated
