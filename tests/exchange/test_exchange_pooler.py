"""The exchange at two instances behind PgBouncer in transaction mode."""
import pytest

import dialect
from harness import database
from harness.pooler import Pooler
from test_feed import Stream, Trader, book_of, last_seq, trade_a_little

CONFIG = {"server": {"workers": 2}, "database": {"pooler": "transaction"}}


@pytest.fixture
def pooled(server, new_database):
    """Two instances, and the database past PgBouncer."""
    url = new_database()
    pooler = Pooler(url)
    config = {**CONFIG, "database": {**CONFIG["database"], "direct_url": url}}
    plugins = {"exchange": {"options": dialect.OPTIONS}}
    yield server(config, plugins, url=pooler.url), \
        server(config, plugins, url=pooler.url, migrate=False), url
    pooler.finish()


def test_orders_trades_and_the_feed_are_the_same_behind_it(pooled):
    first, second, url = pooled
    stream = Stream(second)
    seen = [stream.next()]

    trade_a_little(Trader(first), Trader(second))

    seen += stream.until(last_seq(first))
    assert book_of(seen) == {("sell", "51000"): "0.5"}
    assert database.query(url, "SELECT sum(n) FROM exchange.violations") == [(0,)]
    assert len(database.query(url, "SELECT 1 FROM exchange.trade")) >= 10
